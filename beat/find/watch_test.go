package find

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/common/seccomp"
	"github.com/elastic/beats/v7/libbeat/logp"
	"golang.org/x/sys/unix"
)

// More happens than inotify's queue takes while nobody reads it: a scan finds it all.
func TestOverflow(t *testing.T) {
	b, err := os.ReadFile("/proc/sys/fs/inotify/max_queued_events")
	must(t, err)
	room, err := strconv.Atoi(strings.TrimSpace(string(b)))
	must(t, err)
	h := newHunt(t, Options{Globs: []string{"$/*/*.log"}, ScanEvery: time.Hour})
	h.dir = shm(t)
	h.f = newFinder(t, Options{Globs: []string{h.dir + "/*/*.log"}, ScanEvery: time.Hour})
	h.write("a/old.log")
	h.write("gone/x.log")
	for range 20 {
		h.append("a/old.log")
	}
	stuck, loose := make(chan bool), make(chan bool)
	h.onEvent = func(e Event) {
		if e.Path == h.path("a/stuck.log") && e.Op == Seen && stuck != nil {
			close(stuck)
			stuck = nil
			<-loose
		}
	}
	isStuck := stuck
	h.start()
	h.write("a/stuck.log")
	<-isStuck
	for i := range room + 1000 {
		must(t, os.WriteFile(fmt.Sprintf("%s/a/%d.txt", h.dir, i), nil, 0o666))
	}
	h.remove("gone")
	h.mkdir("gone") // perhaps with the inode of the one before, whose watch has ended
	h.write("a/new.log")
	h.write("b/new.log")
	h.remove("a/old.log")
	close(loose)
	h.want("a/stuck.log", "a/new.log", "b/new.log")
	if h.f.Stats().Overflows == 0 {
		t.Error("nothing has overflown")
	}
	h.write("gone/x.log")
	h.write("b/newer.log")
	h.want("a/stuck.log", "a/new.log", "b/new.log", "b/newer.log", "gone/x.log")
}

// inotify has no room for more watches: directories without one are read every second, and get
// theirs when there is room.
func TestNoRoomForWatches(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*/*/*.log"}, ScanEvery: time.Hour})
	h.f.often = 10 * time.Millisecond
	var room atomic.Int64
	room.Store(2)
	h.f.addWatch = func(fd int, path string, mask uint32) (int, error) {
		if room.Add(-1) < 0 {
			return -1, unix.ENOSPC
		}
		return unix.InotifyAddWatch(fd, path, mask)
	}
	h.start()
	for _, name := range []string{"a/b/1.log", "c/d/2.log", "e/f/3.log"} {
		h.write(name)
	}
	h.want("a/b/1.log", "c/d/2.log", "e/f/3.log")
	changed := h.changedOn("e/f/3.log")
	h.append("e/f/3.log")
	h.wait("a change", changed)
	h.remove("a")
	h.remove("e/f/3.log")
	h.want("c/d/2.log")
	if s := h.f.Stats(); s.WatchesFailed == 0 || s.Scans != 1 {
		t.Errorf("%+v", s)
	}
	room.Store(100)
	h.wait("all watches", func() bool { return h.f.Stats().Watches == h.f.Stats().Dirs })
	h.write("e/f/4.log")
	h.want("c/d/2.log", "e/f/4.log")
}

func TestNoInotify(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*/*.log"}, ScanEvery: time.Hour})
	h.f.often = 10 * time.Millisecond
	h.f.initWatches = func(int) (int, error) { return -1, unix.EMFILE }
	h.start()
	h.write("a/x.log")
	h.want("a/x.log")
	h.remove("a/x.log")
	h.want()
	if s := h.f.Stats(); s.WatchesFailed != 1 || s.Watches != 0 || s.Scans < 2 {
		t.Errorf("%+v", s)
	}
}

// No descriptor of a directory is open while nothing happens, or while events are handed out.
func TestNoDescriptors(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/*/**/*.log"}}, func(h *hunt) {
		for i := range 100 {
			h.write(fmt.Sprintf("%d/b/x.log", i))
		}
		h.wait("all", func() bool { return len(h.there) == 100 })
		checked := make(chan bool)
		h.mu.Lock()
		h.onEvent = func(Event) {
			fds, _ := filepath.Glob("/proc/self/fd/*")
			for _, fd := range fds {
				to, _ := os.Readlink(fd)
				if info, err := os.Stat(to); err == nil && info.IsDir() && strings.HasPrefix(to, h.dir) {
					h.Errorf("%s is open", to)
				}
			}
			select {
			case checked <- true:
			default:
			}
		}
		h.mu.Unlock()
		h.write("1/c/x.log")
		<-checked
		h.mu.Lock()
		h.onEvent = nil
		h.mu.Unlock()
	})
}

// A directory that may not be read is no proof that its files are gone.
func TestUnreadable(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*/*.log"}})
	must(t, os.Chmod(filepath.Dir(h.dir), 0o755))
	must(t, os.Chmod(h.dir, 0o755))
	h.write("a/x.log")
	h.write("b/x.log")
	f := h.f
	f.handle = h.handle
	scan := func() (failed bool) {
		done := make(chan bool)
		go func() { // as nobody, in a thread that ends with it
			runtime.LockOSThread()
			unix.Setfsuid(65534)
			f.scan()
			close(done)
		}()
		<-done
		return h.events[len(h.events)-1].Failed
	}
	if scan() {
		t.Error("failed")
	}
	h.want("a/x.log", "b/x.log")
	unreadable := func(want int64) {
		t.Helper()
		if s := f.Stats(); s.DirsUnreadable != want {
			t.Errorf("%d directories are unreadable, want %d", s.DirsUnreadable, want)
		}
	}
	must(t, os.Chmod(h.path("a"), 0))
	for range 3 { // it is one, however often it is looked at
		if !scan() {
			t.Error("not failed")
		}
		unreadable(1)
	}
	h.want("a/x.log", "b/x.log")
	must(t, os.Chmod(h.path("a"), 0o755))
	h.remove("a/x.log")
	if scan() {
		t.Error("failed")
	}
	unreadable(0)
	h.want("b/x.log")
	must(t, os.Chmod(h.dir, 0))
	if !scan() {
		t.Error("not failed")
	}
	h.want("b/x.log")
	must(t, os.Chmod(h.dir, 0o755))
	unreadable(1)
	if scan() {
		t.Error("failed")
	}
	unreadable(0)
}

// What is too much to remember is left out, and a scan says so.
func TestLeftOut(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*/*.log"}, NoInotify: true})
	h.f.handle = h.handle
	for i := range 10 {
		h.write(fmt.Sprintf("a/%d.log", i))
	}
	h.f.stats.files.Store(maxFiles - 4)
	h.f.scan()
	if last := h.events[len(h.events)-1]; len(h.there) != 4 || !last.Failed || h.f.Stats().LeftOut != 6 {
		t.Errorf("%d files, %+v, %+v", len(h.there), last, h.f.Stats())
	}
	h.f.stats.files.Store(4)
	h.f.stats.dirs.Store(maxDirs)
	h.write("b/x.log")
	h.f.scan()
	if last := h.events[len(h.events)-1]; len(h.there) != 10 || !last.Failed || h.f.Stats().LeftOut != 7 {
		t.Errorf("%d files, %+v, %+v", len(h.there), last, h.f.Stats())
	}
}

// A file in memory is known for one, and so is one that is not.
func TestTmpfs(t *testing.T) {
	f := func(dir string, want bool) {
		t.Helper()
		h := newHunt(t, Options{Globs: []string{"$/*/*.log"}})
		h.dir = dir
		h.f = newFinder(t, Options{Globs: []string{dir + "/*/*.log"}})
		h.write("v/x.log")
		h.start()
		h.want("v/x.log")
		h.mu.Lock()
		seen := h.there[h.path("v/x.log")].Info
		h.mu.Unlock()
		file, opened, err := h.f.Open(h.path("v/x.log"))
		must(t, err)
		defer file.Close()
		again, err := Stat(file)
		must(t, err)
		if seen.Tmpfs != want || opened != seen || again != seen {
			t.Errorf("in %s: seen %+v, opened %+v, then %+v", dir, seen, opened, again)
		}
		if seen.Birth.IsZero() || seen.Birth.After(time.Now()) || seen.ModTime.Before(seen.Birth) || seen.Links != 1 || seen.Size != 7 {
			t.Errorf("in %s: %+v", dir, seen)
		}
	}
	f(shm(t), true)
	var st unix.Statfs_t
	dir := t.TempDir()
	must(t, unix.Statfs(dir, &st))
	f(dir, uint32(st.Type) == unix.TMPFS_MAGIC)
}

// What inotify does not tell is found when the mounts have changed.
func TestCovered(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*/v/*.log"}, ScanEvery: time.Hour})
	h.f.addWatch = func(fd int, path string, mask uint32) (int, error) { // it will tell nothing of use
		return unix.InotifyAddWatch(fd, path, unix.IN_ATTRIB)
	}
	h.f.handle = h.handle
	h.f.startInotify()
	defer h.f.stopInotify()
	h.write("a/v/x.log")
	h.write("b/v/y.log")
	h.write("other/v/z.log")
	h.f.scan()
	h.want("a/v/x.log", "b/v/y.log", "other/v/z.log")
	h.rename("a/v", "hidden")
	h.rename("other/v", "a/v")
	m := &mounts{fd: -1}
	m.check(h.f)
	h.want("a/v/z.log", "b/v/y.log")
	if time.Until(m.next) <= 0 {
		t.Error("no pause")
	}
	h.rename("a/v", "other/v")
	h.rename("hidden", "a/v")
	m.check(h.f)
	h.want("a/v/x.log", "b/v/y.log") // other is seen by the next scan
}

// mountEnv tells the test's own program in a namespace of its own where to mount.
const mountEnv = "FIND_TEST_MOUNT"

// A file system that is mounted on a directory after that was made is looked into at once, and unmounted at
// the first try. Where mounting is refused even in a namespace, TestCovered alone stands for it.
func TestMount(t *testing.T) {
	if os.Getenv(mountEnv) != "" {
		mountInNamespace(t)
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestMount$", "-test.v")
	cmd.Env = append(os.Environ(), mountEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		t.Errorf("in its namespace: %v\n%s", err, out)
	case err != nil:
		t.Logf("no namespace to be had: %v", err)
	}
}

func mountInNamespace(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*/v/*.log"}, ScanEvery: time.Hour})
	h.f.often = time.Hour
	h.start()
	for i := range 20 {
		name := fmt.Sprintf("%d/v", i)
		h.mkdir(name)
		h.wait("the directory to be known", func() bool { return h.f.Stats().Watches == 3 })
		if err := unix.Mount("tmpfs", h.path(name), "tmpfs", 0, "size=1m"); err != nil {
			t.Logf("no mount to be had: %v", err)
			return
		}
		h.write(name + "/x.log")
		h.want(name + "/x.log")
		h.mu.Lock()
		if !h.there[h.path(name+"/x.log")].Info.Tmpfs {
			t.Error("not known to be in memory")
		}
		h.mu.Unlock()
		h.write(name + "/z.log")
		h.want(name+"/x.log", name+"/z.log")
		must(t, unix.Unmount(h.path(name), 0))
		h.want()
		h.write(name + "/y.log")
		h.want(name + "/y.log")
		h.remove(fmt.Sprint(i))
		h.wait("it to be forgotten", func() bool { return h.f.Stats().Watches == 1 })
	}
	if s := h.f.Stats(); s.Scans != 1 {
		t.Errorf("%+v", s)
	}
}

// filterEnv tells the test's own program to put itself under libbeat's seccomp filter.
const filterEnv = "FIND_TEST_FILTER"

func TestMain(m *testing.M) {
	if os.Getenv(filterEnv) != "" {
		<-time.After(time.Millisecond) // Go makes what timers need at the first: later it may not
		if err := seccomp.LoadFilter(nil); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// libbeat's filter, as that of an older container, refuses openat2 and statx: all is found and opened as ever.
func TestFiltered(t *testing.T) {
	if os.Getenv(filterEnv) != "" {
		if hasOpenat2() {
			t.Error("there is no filter")
		}
		h := newHunt(t, Options{Globs: []string{"$/*/*.log"}})
		h.f.openat2 = true // it was there when the Finder was made
		h.write("v/x.log")
		h.start()
		h.want("v/x.log")
		if s, err := h.content("v/x.log"); s != "v/x.log" {
			t.Errorf("%q, %v", s, err)
		}
		return
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^(TestFiltered|TestComeAndGo|TestAnyDepth|TestChanged|TestNames|TestMovedIn)$", "-test.v")
	cmd.Env = append(os.Environ(), filterEnv+"=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("under the filter: %v\n%s", err, out)
	}
}

// A scan of 5,000 directories with two files in each.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	for i := range 5000 {
		sub := fmt.Sprintf("%s/%d", dir, i)
		must(b, os.Mkdir(sub, 0o777))
		must(b, os.WriteFile(sub+"/a.log", nil, 0o666))
		must(b, os.WriteFile(sub+"/b.log", nil, 0o666))
	}
	f, err := New(logp.NewLogger("find"), Options{Globs: []string{dir + "/*/*.log"}})
	must(b, err)
	f.handle = func(Event) {}
	f.startInotify()
	defer f.stopInotify()
	f.scan()
	b.ReportAllocs()
	for b.Loop() {
		f.scan()
	}
}

// Run ends with its context, also when that has ended before.
func TestEnd(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*.log"}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, h.f.Run(ctx, h.handle))
}
