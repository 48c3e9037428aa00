package find

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"golang.org/x/sys/unix"
)

// A hunt runs a Finder on a directory of its own and keeps what it is told.
type hunt struct {
	*testing.T
	f   *Finder
	dir string

	mu     sync.Mutex
	told   *sync.Cond
	there  map[string]Event // Seen, and not Gone since
	events []Event
	scans  int

	onEvent func(Event) // may be nil; called without the lock
	end     context.CancelFunc
	done    chan struct{}
}

// modes are the ways to find: all behave alike, but for the time it takes.
var modes = map[string]func(*Finder){
	"inotify": func(f *Finder) { f.o.ScanEvery, f.often = time.Hour, time.Hour },
	"segments": func(f *Finder) { // as with a kernel without openat2
		f.o.ScanEvery, f.often = time.Hour, time.Hour
		f.openat2 = false
	},
	"scans": func(f *Finder) {
		f.o.ScanEvery = 10 * time.Millisecond
		f.o.NoInotify = true
	},
}

// inModes runs a test in all modes. In o, $ stands for the test's directory.
func inModes(t *testing.T, o Options, test func(h *hunt)) {
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			h := newHunt(t, o)
			mode(h.f)
			h.start()
			test(h)
		})
	}
}

func newHunt(t *testing.T, o Options) *hunt {
	t.Helper()
	h := &hunt{T: t, dir: t.TempDir(), there: map[string]Event{}, done: make(chan struct{})}
	h.told = sync.NewCond(&h.mu)
	o.Globs, o.LinkRoots = slices.Clone(o.Globs), slices.Clone(o.LinkRoots)
	for i := range o.Globs {
		o.Globs[i] = strings.ReplaceAll(o.Globs[i], "$", h.dir)
	}
	for i := range o.LinkRoots {
		o.LinkRoots[i] = strings.ReplaceAll(o.LinkRoots[i], "$", h.dir)
	}
	f, err := New(logp.NewLogger("find"), o)
	if err != nil {
		t.Fatal(err)
	}
	h.f = f
	return h
}

func (h *hunt) start() {
	ctx, cancel := context.WithCancel(context.Background())
	h.end = cancel
	go func() {
		defer close(h.done)
		if err := h.f.Run(ctx, h.handle); err != nil {
			h.Errorf("Run: %v", err)
		}
	}()
	h.Cleanup(h.stop)
	h.wait("the first scan", func() bool { return h.scans > 0 })
}

func (h *hunt) stop() {
	h.end()
	<-h.done
}

func (h *hunt) handle(e Event) {
	h.mu.Lock()
	also := h.onEvent
	h.mu.Unlock()
	if also != nil {
		also(e)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
	switch e.Op {
	case Seen:
		h.there[e.Path] = e
	case Gone:
		delete(h.there, e.Path)
	case Scanned:
		h.scans++
	}
	h.told.Broadcast()
}

// wait waits until cond holds of what has been told, or of the counts.
func (h *hunt) wait(what string, cond func() bool) {
	h.Helper()
	tick := time.NewTicker(5 * time.Millisecond) // counts change without an event
	done := make(chan struct{})
	defer close(done)
	defer tick.Stop()
	go func() {
		for {
			select {
			case <-tick.C:
				h.told.Broadcast()
			case <-done:
				return
			}
		}
	}()
	end := time.Now().Add(30 * time.Second)
	h.mu.Lock()
	defer h.mu.Unlock()
	for !cond() {
		if !time.Now().Before(end) {
			h.Fatalf("waited too long for %s; there are %q; %+v", what, h.names(), h.f.Stats())
		}
		h.told.Wait()
	}
}

// want waits until exactly these files are there, of which rotated ones are marked with a ~.
func (h *hunt) want(names ...string) {
	h.Helper()
	slices.Sort(names)
	h.wait(fmt.Sprintf("%q", names), func() bool { return slices.Equal(h.names(), names) })
}

func (h *hunt) names() (names []string) {
	for path, e := range h.there {
		name := strings.TrimPrefix(path, h.dir+"/")
		if e.Rotated {
			name += "~"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// changedOn returns a condition: that a file was told to have changed since. Without inotify its size tells.
func (h *hunt) changedOn(name string) func() bool {
	h.mu.Lock()
	from, size := len(h.events), h.there[h.path(name)].Info.Size
	h.mu.Unlock()
	return func() bool {
		for _, e := range h.events[from:] {
			if e.Path == h.path(name) && (e.Op == Changed || e.Op == Seen && e.Info.Size != size) {
				return true
			}
		}
		return false
	}
}

func (h *hunt) path(name string) string { return filepath.Join(h.dir, name) }

func (h *hunt) mkdir(name string) {
	h.Helper()
	must(h, os.MkdirAll(h.path(name), 0o777))
}

func (h *hunt) write(name string) {
	h.Helper()
	h.mkdir(filepath.Dir(name))
	must(h, os.WriteFile(h.path(name), []byte(name), 0o666))
}

func (h *hunt) append(name string) {
	h.Helper()
	file, err := os.OpenFile(h.path(name), os.O_APPEND|os.O_WRONLY, 0)
	must(h, err)
	_, err = file.WriteString("more\n")
	must(h, err)
	must(h, file.Close())
}

func (h *hunt) rename(from, to string) {
	h.Helper()
	must(h, os.Rename(h.path(from), h.path(to)))
}

func (h *hunt) remove(name string) {
	h.Helper()
	must(h, os.RemoveAll(h.path(name)))
}

func (h *hunt) symlink(to, name string) {
	h.Helper()
	h.mkdir(filepath.Dir(name))
	must(h, os.Symlink(to, h.path(name)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestComeAndGo(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/pods/*/v/log-*/*.log"}, Rotated: true}, func(h *hunt) {
		h.want()
		h.write("pods/1/v/log-a/x.log")
		h.want("pods/1/v/log-a/x.log")
		h.write("pods/1/v/log-a/x.txt")
		h.write("pods/1/v/other/x.log")
		h.write("pods/1/v/log-a/deeper/x.log")
		h.write("pods/1/x.log")
		h.mkdir("pods/1/v/log-a/dir.log")
		h.write("pods/1/v/log-a/y.log")
		h.want("pods/1/v/log-a/x.log", "pods/1/v/log-a/y.log")

		h.rename("pods/1/v/log-a/x.log", "pods/1/v/log-a/x.log.1")
		h.want("pods/1/v/log-a/x.log.1~", "pods/1/v/log-a/y.log")
		h.write("pods/1/v/log-a/x.log")
		h.want("pods/1/v/log-a/x.log", "pods/1/v/log-a/x.log.1~", "pods/1/v/log-a/y.log")
		h.rename("pods/1/v/log-a/x.log", "pods/1/v/log-a/y.log")
		h.want("pods/1/v/log-a/x.log.1~", "pods/1/v/log-a/y.log")
		h.remove("pods/1/v/log-a/x.log.1")
		h.want("pods/1/v/log-a/y.log")

		h.rename("pods/1/v/log-a", "pods/1/v/log-b")
		h.want("pods/1/v/log-b/y.log")
		h.rename("pods/1/v/log-b", "pods/1/v/unlog")
		h.want()
		h.rename("pods/1/v/unlog", "pods/1/v/log-c")
		h.want("pods/1/v/log-c/y.log")
		h.rename("pods/1", "pods/2")
		h.want("pods/2/v/log-c/y.log")
		h.write("pods/2/v/log-c/z.log")
		h.want("pods/2/v/log-c/y.log", "pods/2/v/log-c/z.log")
		h.rename("pods/2", "aside")
		h.want()
		h.write("aside/v/log-c/zz.log") // nobody looks here any more
		h.rename("aside", "pods/3")
		h.want("pods/3/v/log-c/y.log", "pods/3/v/log-c/z.log", "pods/3/v/log-c/zz.log")

		h.write("pods/4/v/log-c/z.log")
		h.remove("pods/3")
		h.want("pods/4/v/log-c/z.log")
		h.remove("pods/4/v/log-c/z.log")
		h.mkdir("pods/4/v/log-c/z.log") // a directory of that name
		h.want()
		h.remove("pods/4/v/log-c/z.log")
		h.write("pods/4/v/log-c/z.log")
		h.want("pods/4/v/log-c/z.log")
		h.remove("pods")
		h.want()
		h.write("pods/5/v/log-d/a.log")
		h.want("pods/5/v/log-d/a.log")
	})
}

func TestAnyDepth(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/a/**/l/*.log", "$/b/*"}, Recursive: true}, func(h *hunt) {
		h.write("a/l/1.log")
		h.write("a/x/y/l/2.log")
		h.write("a/x/y/l/z/3.log")
		h.write("a/x/y/4.log")
		h.write("b/5")
		h.write("b/c/d/6")
		h.want("a/l/1.log", "a/x/y/l/2.log", "a/x/y/l/z/3.log", "b/5", "b/c/d/6")
		h.rename("a/x", "b/x")
		h.want("a/l/1.log", "b/5", "b/c/d/6", "b/x/y/l/2.log", "b/x/y/l/z/3.log", "b/x/y/4.log")
		h.remove("b")
		h.want("a/l/1.log")
	})
}

// What is written is told of, once for many writes; without inotify the next scan has the size.
func TestChanged(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/*/*.log"}, Rotated: true}, func(h *hunt) {
		h.write("a/x.log")
		h.write("a/x.log.1")
		h.want("a/x.log", "a/x.log.1~")
		for _, name := range []string{"a/x.log", "a/x.log.1"} {
			for range 3 {
				changed := h.changedOn(name)
				h.append(name)
				h.wait("a change of "+name, changed)
			}
		}
	})
}

// A path that gets another file is Gone before that is Seen.
func TestReplaced(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/*/*.log"}}, func(h *hunt) {
		h.write("a/x.log")
		h.want("a/x.log")
		h.mu.Lock()
		old, from := h.there[h.path("a/x.log")].Info, len(h.events)
		h.mu.Unlock()
		h.write("a/x.new")
		h.rename("a/x.new", "a/x.log")
		h.wait("the other file", func() bool { e, ok := h.there[h.path("a/x.log")]; return ok && e.Info.Ino != old.Ino })
		h.mu.Lock()
		defer h.mu.Unlock()
		gone := slices.IndexFunc(h.events[from:], func(e Event) bool { return e.Op == Gone })
		seen := slices.IndexFunc(h.events[from:], func(e Event) bool { return e.Op == Seen && e.Info.Ino != old.Ino })
		if gone < 0 || seen < gone {
			h.Errorf("gone at %d, the other seen at %d", gone, seen)
		}
	})
}

// Directories made one in another and a file in the last, at once: whoever watches comes late.
func TestDeepAndAtOnce(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/*/b/*/d/*.log"}}, func(h *hunt) {
		for i := range 300 {
			h.write(fmt.Sprintf("%d/b/c/d/x.log", i))
		}
		h.wait("all", func() bool { return len(h.there) == 300 })
		for i := range 300 {
			h.remove(fmt.Sprint(i))
		}
		h.want()
		h.wait("an end", func() bool { return h.f.Stats().Dirs <= 1 && h.f.Stats().Files == 0 })
		if n := h.f.Stats().Watches; n > 1 {
			h.Errorf("%d watches are left", n)
		}
	})
}

// Directories that are built elsewhere and moved into place.
func TestMovedIn(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/in/*/c/*.log"}}, func(h *hunt) {
		var want []string
		h.mkdir("in")
		for i := range 100 {
			h.write(fmt.Sprintf("out/%d/c/x.log", i))
			h.rename(fmt.Sprintf("out/%d", i), fmt.Sprintf("in/%d", i))
			want = append(want, fmt.Sprintf("in/%d/c/x.log", i))
		}
		h.want(want...)
	})
}

// The directories before the first wildcard come late, go, are replaced, and may be links.
func TestPrefix(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/p/q/r/*.log"}}, func(h *hunt) {
		h.want()
		h.write("p/q/r/a.log")
		h.want("p/q/r/a.log")
		h.rename("p/q/r", "p/q/s")
		h.want()
		h.rename("p/q/s", "p/q/r")
		h.want("p/q/r/a.log")
		h.remove("p")
		h.want()
		h.write("p/q/r/b.log")
		h.want("p/q/r/b.log")
		h.remove("p/q")
		h.write("data/r/c.log")
		h.want()
		h.symlink(h.path("data"), "p/q")
		h.want("p/q/r/c.log")
		file, info, err := h.f.Open(h.path("p/q/r/c.log"))
		must(h, err)
		defer file.Close()
		again, err := Stat(file)
		must(h, err)
		if again != info || info.Size == 0 {
			h.Errorf("%+v, then %+v", info, again)
		}
	})
}

// A directory above the prefix goes and comes back: nothing tells, but what happens below does.
func TestPrefixMoved(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/p/q/*/*.log"}}, func(h *hunt) {
		h.write("p/q/a/x.log")
		h.write("p/q/b/y.log")
		h.want("p/q/a/x.log", "p/q/b/y.log")
		h.rename("p", "o")
		h.write("o/q/a/z.log")
		h.want()
		h.rename("o", "p")
		h.want("p/q/a/x.log", "p/q/a/z.log", "p/q/b/y.log")
	})
}

// Whatever is done to a tree, what is told ends up as what is there.
func TestRandomly(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/t/*/[a-c]/*.log", "$/t/*/*/*/x*"}}, func(h *hunt) {
		random := rand.New(rand.NewPCG(1, 2))
		name := func(depth int) string { // of a directory, or of a file at depth 4
			path := "t"
			for range depth - 1 {
				path += "/" + string('a'+rune(random.IntN(4)))
			}
			if depth == 4 && random.IntN(2) == 0 {
				path = filepath.Dir(path)
			}
			return path + []string{"/x.log", "/y.log", "/x", "/z"}[random.IntN(4)]
		}
		dir := func() string { return filepath.Dir(name(2 + random.IntN(3))) }
		for i := range 40 {
			for range 25 {
				switch random.IntN(8) {
				case 0, 1, 2:
					if path := h.path(name(4)); os.MkdirAll(filepath.Dir(path), 0o777) == nil {
						os.WriteFile(path, nil, 0o666) // there may be a directory of that name, as here and below
					}
				case 3:
					os.Rename(h.path(name(4)), h.path(name(4)))
				case 4:
					os.Rename(h.path(dir()), h.path(dir()))
				case 5:
					unix.Renameat2(unix.AT_FDCWD, h.path(dir()), unix.AT_FDCWD, h.path(dir()), unix.RENAME_EXCHANGE)
				case 6:
					os.Remove(h.path(name(4)))
				case 7:
					os.RemoveAll(h.path(dir()))
				}
			}
			there := map[string]uint64{}
			for _, glob := range []string{"t/*/[a-c]/*.log", "t/*/*/*/x*"} {
				paths, err := filepath.Glob(h.path(glob))
				must(h, err)
				for _, path := range paths {
					var st unix.Stat_t
					must(h, unix.Stat(path, &st))
					if st.Mode&unix.S_IFMT == unix.S_IFREG {
						there[path] = st.Ino
					}
				}
			}
			h.wait(fmt.Sprintf("round %d: the files %v", i, there), func() bool {
				return maps.EqualFunc(there, h.there, func(ino uint64, e Event) bool { return e.Info.Ino == ino })
			})
		}
	})
}

// Two globs find the same file, by a directory's name and by a link to it.
func TestTwoPaths(t *testing.T) {
	inModes(t, Options{Globs: []string{"$/data/*/*.log", "$/link/*.log"}}, func(h *hunt) {
		h.mkdir("data/a")
		h.symlink("data/a", "link")
		h.wait("both directories", func() bool { return h.f.Stats().Dirs >= 3 })
		h.write("data/a/x.log")
		h.want("data/a/x.log", "link/x.log")
		h.remove("link")
		changed := h.changedOn("data/a/x.log")
		h.append("data/a/x.log")
		h.wait("a change", changed)
		h.remove("data/a/x.log")
		h.wait("an end", func() bool { return h.there[h.path("data/a/x.log")].Op == 0 })
	})
}

// What one full scan tells: everything, between two Scanned.
func TestScanned(t *testing.T) {
	h := newHunt(t, Options{Globs: []string{"$/*/*.log"}, ScanEvery: 20 * time.Millisecond})
	for i := range 50 {
		h.write(fmt.Sprintf("%d/x.log", i))
	}
	h.start()
	h.wait("some scans", func() bool { return h.scans == 5 })
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range h.events {
		switch e.Op {
		case Seen:
			seen[e.Path] = true
		case Scanned:
			if len(seen) != 50 || e.Failed {
				t.Errorf("%d files in a scan, failed %v", len(seen), e.Failed)
			}
			clear(seen)
		}
	}
}

// A file that is renamed while a scan goes on, from a directory that has not been read yet into one
// that has, is told of before that scan's end.
func TestRenamedWhileScanned(t *testing.T) {
	for i := range 4 {
		h := newHunt(t, Options{Globs: []string{"$/*/*.log"}, ScanEvery: time.Hour})
		for d := range 4 {
			for n := range batchEvents {
				h.write(fmt.Sprintf("%d/%d.log", d, n))
			}
		}
		from := fmt.Sprintf("%d/0.log", i)
		h.f.handle = h.handle
		h.f.startInotify()
		h.f.scan()
		h.mu.Lock()
		mover, begin := h.there[h.path(from)].Info.Ino, len(h.events)
		h.mu.Unlock()
		moved := false
		h.onEvent = func(e Event) {
			if !moved {
				moved = true
				h.rename(from, strings.TrimPrefix(filepath.Dir(e.Path), h.dir+"/")+"/moved.log")
			}
		}
		h.f.scan()
		h.f.stopInotify()
		last := len(h.events) - 1
		if !slices.ContainsFunc(h.events[begin:last], func(e Event) bool { return e.Op == Seen && e.Info.Ino == mover }) || h.events[last].Op != Scanned {
			t.Errorf("the file of directory %d was not seen", i)
		}
	}
}

// A file is told of as soon as possible: pods that live 50 ms are seen in time, nearly all even on a busy machine.
func TestShortLived(t *testing.T) {
	const pods = 200
	h := newHunt(t, Options{Globs: []string{"$/*/v/*/*.log"}, ScanEvery: time.Hour})
	opened := map[string]bool{}
	h.onEvent = func(e Event) {
		if e.Op != Seen {
			return
		}
		if file, _, err := h.f.Open(e.Path); err == nil {
			file.Close()
			opened[e.Path] = true
		}
	}
	h.start()
	var wg sync.WaitGroup
	slots := make(chan bool, 8)
	for i := range pods {
		slots <- true
		wg.Go(func() {
			h.write(fmt.Sprintf("%d/v/log/x.log", i))
			time.Sleep(50 * time.Millisecond) // a pod's life
			h.remove(fmt.Sprint(i))
			<-slots
		})
	}
	wg.Wait()
	h.want()
	h.stop()
	if n := len(opened); n < pods*3/4 {
		t.Errorf("%d of %d files were seen in time", n, pods)
	}
}
