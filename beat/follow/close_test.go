package follow

import (
	"errors"
	"os"
	"slices"
	"testing"
	"time"

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
	s.run.tracker.changed(n.path("p/app.log"))
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
			s.run.tracker.changed(n.path("p/app.log"))
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

// A file in memory that is written to and renamed before anybody looks is no file of which something is lost.
func TestWrittenAndRenamedUnopened(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	f.tmpfs = true
	for s.turn(f) {
	}
	all = append(all, n.write("p/app.log", "unread", 0, 10)...)
	n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
	s.run.tracker.changed(n.path("p/app.log"))
	s.run.tracker.gone(n.path("p/app.log"))
	f = n.file(s, "p/app.log.1")
	for s.turn(f) {
	}
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
	if got := s.run.metrics.unknown.Get(); got != 0 {
		t.Errorf("something is lost of %d files, want 0", got)
	}
}
