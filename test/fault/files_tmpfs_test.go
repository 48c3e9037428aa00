package fault

import (
	"bufio"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/kubelet"
)

// Volumes with `medium: Memory` are file systems of their own, which the kubelet unmounts before it deletes
// anything: podbeat must not hold a file in them open, under whatever load, and yet lose nothing that was
// there for 100 ms.
//
// Where nobody may mount, the volumes are directories of /dev/shm, and instead of unmounting them the test looks
// for what would make it wait: a file in them that podbeat has open.
func TestTmpfs(t *testing.T) {
	n := newNode(t, "tmpfs", kubelet.EmptyDir)
	n.o.Pods, n.o.AtOnce, n.o.Lines, n.o.MaxLife = 20, 10, 20_000, 4*time.Second // the load, beside the volumes in memory
	n.o.Ways = []string{"rename"}
	out := sink.New(sink.Options{})
	server := httptest.NewServer(out)
	defer server.Close()
	n.output = fmt.Sprintf("output.elasticsearch.hosts: [%q]", server.URL)
	memory := memory{t: t, pods: n.o.Dir, first: n.o.Lines, volumes: 20, lines: 200}
	if err := memory.mayMount(); err != nil {
		t.Logf("%v; looking for open files in /dev/shm instead", err)
		memory.shared = true
		if memory.pods, err = os.MkdirTemp("/dev/shm", "podbeat-"); err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(memory.pods)
		n.paths = append(n.paths, memory.pods+volumes)
	}
	p := harness.New(t, n.config())
	memory.p = p
	ended := make(chan error, 1)
	n.begun = func() { // not before: a file in memory that podbeat reads just then would be among those it has open anyway
		go func() { ended <- memory.live() }() // waited for below
	}
	n.run(t, p, 0)
	if err := <-ended; err != nil {
		t.Error(err)
	}
	p.Wait("everything has been delivered", n.drained)
	p.Term()
	if missing := out.Missing(memory.first + memory.volumes*memory.lines); len(missing) > 0 {
		t.Errorf("%d lines are missing, as %d; those in memory begin with %d", len(missing), missing[0], memory.first)
	}
	if doubled := out.Doubled(); len(doubled) > 0 {
		t.Errorf("lines %v are in two documents", doubled)
	}
}

// memory are volumes in memory, one after the other.
type memory struct {
	t              *testing.T
	p              *harness.Podbeat
	pods           string // directory of their pods
	shared         bool   // pods is on a tmpfs itself, and nothing is mounted
	first          int    // token of the first line
	volumes, lines int
}

func (m *memory) mayMount() error {
	dir := m.t.TempDir()
	if err := m.mount(dir); err != nil {
		return fmt.Errorf("cannot mount here: %w", err)
	}
	return syscall.Unmount(dir, 0)
}

func (m *memory) mount(dir string) error {
	if m.shared {
		return nil
	}
	return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m")
}

func (m *memory) unmount(dir string) error {
	if !m.shared {
		return syscall.Unmount(dir, 0)
	}
	if slices.ContainsFunc(m.p.Descriptors(), func(name string) bool { return strings.HasPrefix(name, dir) }) {
		return syscall.EBUSY
	}
	return nil
}

func (m *memory) live() error {
	var errs []error
	for i := range m.volumes {
		if err := m.volume(i); err != nil {
			errs = append(errs, fmt.Errorf("volume %d: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// volume is the life of a pod with one volume in memory: it writes lines for half a second, and the kubelet
// unmounts the volume 100 ms after the last.
func (m *memory) volume(number int) error {
	pod := filepath.Join(m.pods, fmt.Sprintf("0f000000-0000-4000-8000-%012x", number))
	dir := filepath.Join(pod, "volumes", "kubernetes.io~empty-dir", "applog-6f1d2c3b-0000-4000-8000-000000000000-endname-memory")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := m.mount(dir); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, "app.log"))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	for i := range m.lines {
		fmt.Fprintf(w, "sq#%08d of a volume in memory\n", m.first+number*m.lines+i)
		if i%20 == 19 {
			if err := w.Flush(); err != nil {
				return err
			}
			<-time.After(50 * time.Millisecond) // the application's pace
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	<-time.After(100 * time.Millisecond) // what is promised to be enough
	const most = 5
	for try := 1; ; try++ {
		err := m.unmount(dir)
		if err == nil {
			return os.RemoveAll(pod)
		}
		if try == most {
			syscall.Unmount(dir, syscall.MNT_DETACH)
			return fmt.Errorf("cannot unmount it at the %dth try: %w", try, err)
		}
		m.t.Logf("volume %d, try %d: %v", number, try, err)
		<-time.After(10 * time.Millisecond)
	}
}
