package follow

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/monitoring"
	"golang.org/x/sys/unix"
)

// A file that nobody has written to for long is not closed if somebody does just then, or deletes it: what was written
// would be lost with it, and nobody would know.
func TestWrittenWhileItIsClosed(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	s.run.now = func() time.Time { return time.Now().Add(time.Hour) }
	close := func() bool {
		s.run.tracker.bound([]*file{f})
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.open == nil
	}
	if !close() {
		t.Fatal("an idle file is not closed")
	}
	all = append(all, n.write("p/app.log", "when it was closed", 0, 10)...)
	for s.turn(f) {
	}
	s.run.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	all = append(all, n.write("p/app.log", "when it is closed", 0, 10)...)
	if close() {
		t.Error("a file is closed that was just written to")
	}
	n.do(os.RemoveAll(n.path("p")))
	for s.turn(f) {
	}
	if close() && !f.ended {
		t.Error("a file is closed that was just deleted")
	}
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
}

// What the tracker has closed and opened again while the shard read stays open: it may have been deleted by now.
func TestOpenedAgainWhileItIsRead(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	h, err := f.opened(s.run.finder)
	n.do(err)
	f.close()
	all = append(all, n.write("p/app.log", "unread", 0, 10)...)
	s.run.tracker.changed(n.path("p/app.log"), true)
	n.do(os.RemoveAll(n.path("p")))
	_, _, err = f.look(h, time.Now())
	if !errors.Is(err, os.ErrClosed) {
		t.Fatalf("looking says %v, want %v", err, os.ErrClosed)
	}
	s.failed(f, err)
	for s.turn(f) {
	}
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
}

// Of a file that is not held open, what was written last and deleted is lost; that it was there is known all the same.
func TestWrittenAndDeletedUnopened(t *testing.T) {
	f := func(name string, unopened func(f *file)) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s := n.shard()
			n.write("p/app.log", "read", 0, 10)
			f := n.file(s, "p/app.log")
			unopened(f)
			for s.turn(f) {
			}
			f.close()
			read := n.size("p/app.log")
			n.write("p/app.log", "unread", 0, 10)
			unread := n.size("p/app.log") - read
			s.run.tracker.changed(n.path("p/app.log"), true)
			if f.isOpen() {
				t.Fatal("it is open")
			}
			n.do(os.RemoveAll(n.path("p")))
			s.run.tracker.gone(n.path("p/app.log"))
			s.run.tracker.scanned(false)
			for s.turn(f) {
			}
			if got := int64(s.run.metrics.abandoned.Get()); !f.ended || got != unread {
				t.Errorf("%d bytes are given up, want %d", got, unread)
			}
		})
	}
	f("in memory", func(f *file) { f.tmpfs = true })
	f("too many are open", func(f *file) { f.shard.run.maxOpen = 0 })
}

// A file that could not be opened, for whatever reason, is tried again with the next scan.
func TestNoDescriptorLeft(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "text", 0, 10)
	_, info, err := s.run.finder.Open(n.path("p/app.log"))
	n.do(err)
	var limit unix.Rlimit
	n.do(unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	n.do(unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}))
	defer func() { n.do(unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)) }()
	tracker := s.run.tracker
	tracker.scanned(false)
	tracker.seen(n.path("p/app.log"), info)
	f := tracker.paths[n.path("p/app.log")]
	turns := func() (count int) {
		for ; len(s.queue) > 0; count++ {
			if j, _ := s.next(); j.do != nil {
				j.do()
			} else {
				j.file.queued = false
				s.turn(j.file)
			}
		}
		return count
	}
	if turns(); f.isOpen() {
		t.Fatal("it could be opened")
	}
	n.do(unix.Setrlimit(unix.RLIMIT_NOFILE, &limit))
	tracker.seen(n.path("p/app.log"), info)
	turns()
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
}

// readInMemory is a file in memory whose lines are read; nobody has it open.
func (n *node) readInMemory(s *shard) (lines []string, f *file) {
	n.t.Helper()
	lines = n.write("p/app.log", "read", 0, 10)
	f = n.file(s, "p/app.log")
	f.tmpfs = true
	for s.turn(f) {
	}
	return lines, f
}

// A file in memory that is written to and renamed before anybody looks is no file of which something is lost.
func TestWrittenAndRenamedUnopened(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all, _ := n.readInMemory(s)
	all = append(all, n.write("p/app.log", "unread", 0, 10)...)
	n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
	s.run.tracker.changed(n.path("p/app.log"), true)
	s.run.tracker.gone(n.path("p/app.log"))
	f := n.file(s, "p/app.log.1")
	for s.turn(f) {
	}
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
	if got := s.run.metrics.unknown.Get(); got != 0 {
		t.Errorf("something is lost of %d files, want 0", got)
	}
}

// A file that is not open, is written to and is deleted before anybody looks may have lost something; one that was closed, or had been
// looked at, has not.
func TestMayBeLost(t *testing.T) {
	f := func(name string, want uint64, then func(n *node, s *shard)) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s := n.shard()
			all, f := n.readInMemory(s)
			then(n, s)
			s.run.tracker.gone(n.path("p/app.log"))
			s.run.tracker.scanned(false)
			for s.turn(f) {
			}
			if got := s.run.metrics.unknown.Get(); !f.ended || got != want {
				t.Errorf("of %d files something may be lost, want %d", got, want)
			}
			if got := s.run.metrics.abandoned.Get(); got != 0 {
				t.Errorf("%d bytes are given up, want 0", got)
			}
			if got := n.delivered(); !slices.Equal(got, all) {
				t.Error(diff(got, all))
			}
		})
	}
	remove := func(n *node) { n.do(os.Remove(n.path("p/app.log"))) }
	f("written to", 1, func(n *node, s *shard) {
		remove(n)
		s.run.tracker.changed(n.path("p/app.log"), true)
		s.run.tracker.changed(n.path("p/app.log"), false)
	})
	f("closed", 0, func(n *node, s *shard) {
		remove(n)
		s.run.tracker.changed(n.path("p/app.log"), false)
	})
	f("looked at, and closed", 0, func(n *node, s *shard) {
		s.run.tracker.changed(n.path("p/app.log"), true)
		remove(n)
		s.run.tracker.changed(n.path("p/app.log"), false)
	})
	f("replaced", 1, func(n *node, s *shard) {
		n.write("p/new", "another", 0, 1)
		n.do(os.Rename(n.path("p/new"), n.path("p/app.log")))
		s.run.tracker.changed(n.path("p/app.log"), true)
	})
	f("renamed", 0, func(n *node, s *shard) {
		n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
		s.run.tracker.changed(n.path("p/app.log"), true)
		s.run.tracker.gone(n.path("p/app.log"))
		f := n.file(s, "p/app.log.1")
		for s.turn(f) {
		}
	})
}

// A truncated file that is written to and renamed before anybody looks has lost nothing, although what it holds had no beginning yet.
func TestTruncatedWrittenAndRenamed(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "read", 0, 10)
	old := n.file(s, "p/app.log")
	if old.birth == 0 {
		t.Fatal("the file system does not know when a file was made, which this test needs")
	}
	old.tmpfs = true
	for s.turn(old) {
	}
	n.do(os.Truncate(n.path("p/app.log"), 0))
	for s.turn(old) {
	}
	all = append(all, n.write("p/app.log", "unread", 0, 10)...)
	n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
	s.run.tracker.changed(n.path("p/app.log"), true)
	s.run.tracker.gone(n.path("p/app.log"))
	f := n.file(s, "p/app.log.1")
	for s.turn(f) {
	}
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
	if got := s.run.metrics.unknown.Get(); !old.ended || got != 0 {
		t.Errorf("of %d files something may be lost, want 0", got)
	}
}

// Whatever is written to files in memory that are deleted the next moment is delivered or counted. What a scan finds gone by itself
// is not, so it is tried again if there was one meanwhile.
func TestWrittenAndDeletedAtOnce(t *testing.T) {
	const files = 30
	try := func() (undisturbed bool) {
		n := newNode(t)
		defer func() { n.stop() }()
		n.root = filepath.Join("/dev/shm", filepath.Base(filepath.Dir(n.root))+fmt.Sprint(os.Getpid()))
		defer os.RemoveAll(n.root)
		n.settings["scan_interval"] = "1s"
		var all []string
		name := func(i int) string { return fmt.Sprintf("p%d/app.log", i) }
		for i := range files {
			all = append(all, n.write(name(i), "read", i, i+1)...)
		}
		n.start()
		n.want(all)
		before := n.scans()
		var ended time.Time // the last scan, no earlier than that
		waitFor(t, "a scan has ended", func() bool {
			now := time.Now()
			if n.scans() > before {
				return true
			}
			ended = now
			return false
		})
		for i := range files {
			n.write(name(i), "last", i, i+1)
			n.do(os.Remove(n.path(name(i))))
		}
		undisturbed = time.Since(ended) < time.Second // or else the next one may have begun
		figure := func(name string) int64 {
			return monitoring.CollectFlatSnapshot(monitoring.Default, monitoring.Full, false).Ints["podbeat.test."+t.Name()+"."+name]
		}
		waitFor(t, "all files are gone", func() bool { return figure("files.closed.deleted") == files })
		if !undisturbed {
			return false
		}
		line := int64(len("last 000000\n"))
		waitFor(t, "each last line is delivered or counted", func() bool {
			return int64(len(n.delivered())-files)+figure("abandoned.files")+figure("abandoned.bytes")/line >= files
		})
		return true
	}
	for range 10 {
		if try() {
			return
		}
	}
	t.Error("in ten attempts there was a scan while files were written and deleted")
}
