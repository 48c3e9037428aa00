package delivery

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
)

// A flipped byte in a file that this process has written costs one event.
func TestDamagedWhileWaiting(t *testing.T) {
	p, dir := newPipeline(10), t.TempDir()
	p.failing.Store(true)
	c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 100, disk_free_min: 0, disk.after: 0s}")
	defer stop()
	s := connect(t, c, "a", beat.ClientConfig{})
	s.publish(50)
	eventually(t, "all are on disk", func() bool { return s.acked(t) == 50 && p.queued() == 10 })
	file := spills(t, dir)[0]
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-100] ^= 1 // in one of the last two, which libbeat has not got
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	p.failing.Store(false)
	p.drain(t, func() bool { return len(p.ids()) == 49 && figuresNow(t).Spilled == 0 })
	if f := figuresNow(t); f.Dropped != 1 || f.DroppedCorrupt != 1 || f.Corrupt != 1 {
		t.Errorf("figures are %+v", f)
	}
	eventually(t, "nothing is left", func() bool { return len(spills(t, dir)) == 0 })
}

// A file that is taken away costs what is in it, and nothing waits for it.
func TestFileGone(t *testing.T) {
	p, dir := newPipeline(10), t.TempDir()
	p.failing.Store(true)
	c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 100, disk_free_min: 0, disk: {after: 0s, max_size: 64KiB}}")
	defer stop()
	s := connect(t, c, "a", beat.ClientConfig{})
	for len(spills(t, dir)) < 3 {
		s.publish(20)
	}
	n := s.next
	eventually(t, "all are on disk", func() bool { return s.acked(t) == n && p.queued() == 10 })
	if err := os.Remove(spills(t, dir)[1]); err != nil {
		t.Fatal(err)
	}
	p.failing.Store(false)
	p.drain(t, func() bool { return figuresNow(t).Spilled == 0 && len(p.ids())+int(figuresNow(t).Dropped) == n })
	if f := figuresNow(t); f.DroppedUnreadable == 0 || f.DroppedUnreadable == int64(n) {
		t.Errorf("figures are %+v", f)
	}
}

// Errors of the disk: the events stay in memory, the input waits, and writing is tried again.
func TestCannotWrite(t *testing.T) {
	p, dir := newPipeline(10), t.TempDir()
	p.failing.Store(true)
	c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 20, disk_free_min: 0, disk.after: 0s}")
	defer stop()
	folder := filepath.Join(dir, Folder(Input{"test", t.Name()}))
	s := connect(t, c, "a", beat.ClientConfig{})
	if err := os.WriteFile(folder, nil, 0o600); err != nil { // a file is where the folder belongs
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		s.publish(100)
		close(done)
	}()
	eventually(t, "it was tried again", func() bool {
		return figuresNow(t).Errors > 1 && figuresNow(t).Refused == "error" && figuresNow(t).Buffered == 20
	})
	if n := s.acked(t); n != 0 {
		t.Errorf("%d events settled", n)
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	<-done
	eventually(t, "all is on disk", func() bool { return s.acked(t) == 100 && figuresNow(t).Refused == "" })
	p.failing.Store(false)
	p.drain(t, func() bool { return len(p.ids()) == 100 })
	if f := figuresNow(t); f.Dropped != 0 || f.Corrupt != 0 {
		t.Errorf("figures are %+v", f)
	}
}

// A file system that is full: nothing is lost and nothing comes twice, whatever part of a batch was written.
//
// It takes a file system of its own: a mount, in a user's own namespace if need be. Where neither is allowed, the size of
// files is limited instead, which stops writes in the middle of a batch, too.
func TestNoSpace(t *testing.T) {
	const role = "PODBEAT_TEST_SMALL_DISK"
	if os.Getenv(role) != "" {
		dir := t.TempDir()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
			t.Logf("%v: limiting the size of files instead", err)
			limit := syscall.Rlimit{Cur: 100 << 10, Max: 100 << 10}
			if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
				t.Fatal(err)
			}
		} else {
			defer syscall.Unmount(dir, syscall.MNT_DETACH)
		}
		noSpace(t, dir)
		return
	}
	try := func(attr *syscall.SysProcAttr) ([]byte, error) {
		cmd := exec.Command(os.Args[0], "-test.run=^TestNoSpace$", "-test.v")
		cmd.Env = append(os.Environ(), role+"=1")
		cmd.SysProcAttr = attr
		return cmd.CombinedOutput()
	}
	out, err := try(&syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	})
	if len(out) == 0 && err != nil { // no namespaces here
		out, err = try(nil)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestNoSpace") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

func noSpace(t *testing.T, dir string) {
	p := newPipeline(10)
	p.failing.Store(true)
	c, stop := wrap(t, p, dir, "delivery: store-on-failure\nqueue: {events: 500, disk_free_min: 0, disk.after: 0s}")
	s := connect(t, c, "a", beat.ClientConfig{})
	const n = 5000
	done := make(chan struct{})
	go func() {
		s.publish(n)
		close(done)
	}()
	eventually(t, "there is no space", func() bool { return figuresNow(t).Errors > 1 })
	settled := s.acked(t)
	if settled == 0 || settled == n {
		t.Errorf("%d events settled", settled)
	}
	p.failing.Store(false)
	p.drain(t, func() bool { return s.acked(t) == n && len(p.ids()) == n })
	<-done
	for i, id := range p.ids() {
		if id != "a"+strconv.Itoa(i) {
			t.Fatalf("%s is the %dth", id, i)
		}
	}
	stop()
	if f := figuresNow(t); f.Dropped != 0 || f.Corrupt != 0 || f.Spilled != 0 {
		t.Errorf("figures are %+v", f)
	}
}

// A process is killed again and again while it writes and reads its disk. What its input was told to forget is delivered in
// the end, in order.
func TestKilled(t *testing.T) {
	const role = "PODBEAT_TEST_KILLED"
	if dir := os.Getenv(role); dir != "" {
		victim(t, dir)
		return
	}
	dir := t.TempDir()
	const rounds = 8
	for round := range rounds {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), role+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 5 + rand.IntN(40); n > 0 && lines.Scan(); n-- { // it tells of each batch it was told of
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	// The last process is not killed.
	p := newPipeline(100)
	c, stop := wrapID(t, "victim", p, dir, victimConfig)
	first := readPosition(t, dir)
	s := &source{}
	s = connect(t, c, "a", beat.ClientConfig{})
	s.first, s.next = first, first
	s.publish(1)
	p.drain(t, func() bool { return s.acked(t) == 1 && figuresID(t, "victim").Spilled == 0 && p.queued() == 0 })
	stop()
	b, err := os.ReadFile(filepath.Join(dir, "delivered"))
	if err != nil {
		t.Fatal(err)
	}
	ids := append(strings.Fields(string(b)), p.ids()...)
	next, twice := 0, 0
	for _, id := range ids {
		n, err := strconv.Atoi(id[strings.LastIndex(id, "a")+1:]) // a kill may have cut off the one before
		switch {
		case err != nil:
			t.Fatal(err)
		case n == next:
			next++
		case n < next:
			twice++
		default:
			t.Fatalf("%d comes where %d belongs", n, next)
		}
	}
	f := figuresID(t, "victim")
	t.Logf("%d events, %d of them twice, over %d kills; at the end %+v", next, twice, rounds, f)
	if next <= first || f.Corrupt != 0 {
		t.Errorf("%d delivered of %d, %d damaged", next, first+1, f.Corrupt)
	}
	if twice > rounds*(100+300+8*50) { // what was in libbeat's queue and in memory, and written at that moment
		t.Errorf("%d events came twice", twice)
	}
}

const victimConfig = "delivery: store-on-failure\nqueue: {events: 300, disk_free_min: 0, disk.after: 1ms}"

func readPosition(t *testing.T, dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, "position"))
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// victim publishes from its stored position on, with an output that fails now and then, until it is killed.
func victim(t *testing.T, dir string) {
	p := newPipeline(100)
	c, _ := wrapID(t, "victim", p, dir, victimConfig)
	s := connect(t, c, "a", beat.ClientConfig{})
	s.first = readPosition(t, dir)
	s.next = s.first
	go func() { // ends with the process, as everything here
		for {
			s.publish(1)
		}
	}()
	delivered, err := os.OpenFile(filepath.Join(dir, "delivered"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	position, err := os.OpenFile(filepath.Join(dir, "position"), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for i := 0; ; i++ {
		p.failing.Store(i/20%2 == 0)
		if !p.failing.Load() {
			for range 5 {
				p.mu.Lock()
				var ids strings.Builder
				n := min(len(p.queue), 50)
				for _, q := range p.queue[:n] {
					fmt.Fprintln(&ids, q.event.Meta["_id"])
				}
				p.mu.Unlock()
				if _, err := delivered.WriteString(ids.String()); err != nil {
					t.Fatal(err)
				}
				p.ack(n)
			}
		}
		time.Sleep(3 * time.Millisecond)
		if n := s.first + s.acked(t); n != stored {
			stored = n
			if _, err := position.WriteAt([]byte(fmt.Sprintf("%20d", n)), 0); err != nil {
				t.Fatal(err)
			}
			fmt.Println(n)
		}
	}
}
