package follow

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"
)

// What is given up of a deleted file is not lost if a copy has it that has had no turn yet.
func TestGivenUpAndCopied(t *testing.T) {
	f := func(name string, then func(n *node, s *shard) (copy *file, lost int)) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s := n.shard()
			all := n.write("p/app.log", "read", 0, 10)
			const half, rest = "a line that is ", "written in two parts"
			n.append("p/app.log", half)
			f := n.file(s, "p/app.log")
			for s.turn(f) {
			}
			n.append("p/app.log", rest+"\n")
			all = append(all, half+rest)
			all = append(all, n.write("p/app.log", "unread", 0, 10)...)
			copy, lost := then(n, s)
			s.run.tracker.giveUp(f, false)
			for s.turn(f) {
			}
			if got := s.run.metrics.abandoned.Get(); !f.ended || got != uint64(lost) {
				t.Errorf("%d bytes are given up, want %d", got, lost)
			}
			later := time.Now().Add(mostQuiet * quiet)
			s.run.now = func() time.Time { return later }
			for s.turn(copy) {
			}
			s.scanned(nil, nil)
			if got := n.delivered(); !slices.Equal(got, all) {
				t.Error(diff(got, all))
			}
			if got := s.run.metrics.abandoned.Get(); got != uint64(lost) {
				t.Errorf("with the copy read, %d bytes are given up, want %d", got, lost)
			}
		})
	}
	f("truncated", func(n *node, s *shard) (*file, int) {
		n.copytruncate("p/app.log", "p/app.log.1")
		copy := n.file(s, "p/app.log.1")
		const lost = "new\n"
		n.append("p/app.log", lost)
		n.do(os.Remove(n.path("p/app.log")))
		return copy, len(lost)
	})
	f("compressed", func(n *node, s *shard) (*file, int) {
		n.gzip(n.path("p/app.log"))
		return n.file(s, "p/app.log.gz"), 0
	})
}

// What was put aside when a file was truncated, and given up there, is lost for the reason for which it was given up.
func TestCopyGivenUp(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	lost := n.write("p/app.log", "unread", 0, 1)[0] + "\n"
	n.copytruncate("p/app.log", "p/app.log.1")
	copy := n.file(s, "p/app.log.1")
	n.do(os.Remove(n.path("p/app.log.1")))
	s.run.tracker.giveUp(copy, false)
	for s.turn(copy) {
	}
	if got := s.run.metrics.abandoned.Get(); got != 0 {
		t.Errorf("%d bytes are given up while the file may have them, want 0", got)
	}
	for s.turn(f) {
	}
	if got := s.run.metrics.reasons["bytes"].Get(); got != uint64(len(lost)) {
		t.Errorf("%d bytes are given up beyond deleted.max_bytes, want %d", got, len(lost))
	}
}

// What is given up is counted once, and without what is no text.
func TestGivenUpOnce(t *testing.T) {
	f := func(name, want string, files func(n *node, s *shard) []*file) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s := n.shard()
			all := files(n, s)
			n.do(os.RemoveAll(n.path("p")))
			for _, f := range all {
				s.run.tracker.giveUp(f, false)
			}
			for _, f := range all {
				for s.turn(f) {
				}
			}
			later := time.Now().Add(mostQuiet * quiet)
			s.run.now = func() time.Time { return later }
			s.scanned(nil, nil)
			if got := s.run.metrics.abandoned.Get(); got != uint64(len(want)) {
				t.Errorf("%d bytes are given up, want %d", got, len(want))
			}
		})
	}
	const text = "not read\n"
	f("a hole", text, func(n *node, s *shard) []*file {
		n.write("p/app.log", "put aside", 0, 10)
		n.do(os.Truncate(n.path("p/app.log"), 0))
		n.do(os.Truncate(n.path("p/app.log"), 100<<10))
		n.append("p/app.log", text)
		return []*file{n.file(s, "p/app.log")}
	})
	f("zeros", text, func(n *node, s *shard) []*file {
		n.write("p/another.log", "there", 0, 1)
		n.do(os.WriteFile(n.path("p/app.log"), append(make([]byte, 100<<10), text...), 0o644))
		return []*file{n.file(s, "p/app.log")}
	})
	compressed := func(turns bool) func(n *node, s *shard) []*file {
		return func(n *node, s *shard) []*file {
			n.write("p/app.log", "read", 0, 10)
			f := n.file(s, "p/app.log")
			for s.turn(f) {
			}
			n.append("p/app.log", text)
			if turns {
				f.grown(time.Now())
			}
			n.gzip(n.path("p/app.log"))
			return []*file{f, n.file(s, "p/app.log.gz")}
		}
	}
	f("compressed", text, compressed(false))
	f("seen and compressed", text, compressed(true))
}

// append writes text to the end of a file.
func (n *node) append(name, text string) {
	n.t.Helper()
	f, err := os.OpenFile(n.path(name), os.O_APPEND|os.O_WRONLY, 0)
	n.do(err)
	defer f.Close()
	_, err = fmt.Fprint(f, text)
	n.do(err)
}

// A deletion that is seen while the file is read does not say that what was read is all: a line in two parts stays one.
func TestDeletedWhileItIsRead(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	h, err := f.opened(s.run.finder)
	n.do(err)
	const half, rest = "a line that is ", "written in two parts"
	n.append("p/app.log", half)
	later := time.Now().Add(quiet)
	_, err = s.read(f, &reading{h, func() {
		all = append(all, half+rest)
		n.append("p/app.log", rest+"\n")
		n.do(os.RemoveAll(n.path("p")))
		f.grown(later)
	}}, later)
	n.do(err)
	for s.turn(f) {
	}
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
}

// In a reading file something happens when it has been read once.
type reading struct {
	*os.File
	then func()
}

func (h *reading) ReadAt(b []byte, offset int64) (int, error) {
	n, err := h.File.ReadAt(b, offset)
	if h.then != nil {
		h.then()
		h.then = nil
	}
	return n, err
}

// After a start a copy may be given up before the file that it was made of has had its turn: what is in that is not lost.
func TestCopyGivenUpBeforeItsOriginal(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	rec := f.content.published()
	all = append(all, n.write("p/app.log", "unread", 0, 10)...)
	text, err := os.ReadFile(n.path("p/app.log"))
	n.do(err)
	n.do(os.WriteFile(n.path("p/app.log.1"), text, 0o644))

	s = n.shard()
	s.run.tracker.restore(restored(rec))
	f, copy := n.file(s, "p/app.log"), n.file(s, "p/app.log.1")
	n.do(os.Remove(n.path("p/app.log.1")))
	s.run.tracker.giveUp(copy, false)
	for s.turn(copy) {
	}
	for s.turn(f) {
	}
	if got := n.delivered(); !copy.ended || !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
	if got := s.run.metrics.abandoned.Get(); got != 0 {
		t.Errorf("%d bytes are given up, want 0", got)
	}
}

// Once a content is read to where a copy had it that was given up, what is lost of it is not lost with the copy.
func TestTruncatedAfterCopyWasGivenUp(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	n.write("p/app.log", "read", 0, 10)
	f := n.file(s, "p/app.log")
	for s.turn(f) {
	}
	n.write("p/app.log", "copied", 0, 10)
	text, err := os.ReadFile(n.path("p/app.log"))
	n.do(err)
	n.do(os.WriteFile(n.path("p/app.log.1"), text, 0o644))
	copy := n.file(s, "p/app.log.1")
	n.do(os.Remove(n.path("p/app.log.1")))
	s.run.tracker.giveUp(copy, false)
	for s.turn(copy) {
	}
	for s.turn(f) {
	}
	h, err := f.opened(s.run.finder)
	n.do(err)
	n.write("p/app.log", "unread", 0, 1)
	_, _, err = f.look(h, time.Now())
	n.do(err)
	f.content.size = f.length
	n.do(os.Truncate(n.path("p/app.log"), 0))
	for s.turn(f) {
	}
	later := time.Now().Add(mostQuiet * quiet)
	s.run.now = func() time.Time { return later }
	s.scanned(nil, nil)
	if got, want := s.run.metrics.reasons["truncated"].Get(), s.run.metrics.abandoned.Get(); got != want || got == 0 {
		t.Errorf("%d of %d bytes are lost with the truncation, want all", got, want)
	}
}
