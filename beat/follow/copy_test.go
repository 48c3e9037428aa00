package follow

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"

	"github.com/podbeat/podbeat/beat/find"
)

// A torn file is truncated and written anew when a part of a read is done.
type torn struct {
	*os.File
	part   int
	change func()
}

func (h *torn) ReadAt(b []byte, offset int64) (int, error) {
	if h.change == nil {
		return h.File.ReadAt(b, offset)
	}
	n, _ := h.File.ReadAt(b[:min(h.part, len(b))], offset)
	h.change()
	h.change = nil
	rest, err := h.File.ReadAt(b[n:], offset+int64(n))
	return n + rest, err
}

// A closing file is closed when it has been read once.
type closing struct{ *os.File }

func (h closing) ReadAt(b []byte, offset int64) (int, error) {
	defer h.Close()
	return h.File.ReadAt(b, offset)
}

// shard is a shard that does nothing by itself.
func (n *node) shard() *shard {
	in := n.input()
	n.t.Cleanup(func() { _ = n.store.Close() })
	r := &run{cfg: in.cfg, log: logp.NewLogger("test"), node: "node", now: time.Now, maxOpen: 100}
	var err error
	r.finder, err = find.New(r.log, in.finding())
	n.do(err)
	r.tracker = newTracker(r)
	r.metrics = newMetrics("test", in.id, r.tracker)
	n.t.Cleanup(func() { r.metrics.close("test", in.id) })
	r.positions, err = openPositions(n.store, "test::", r.log, r.metrics)
	n.do(err)
	n.t.Cleanup(r.positions.close)
	s, err := newShard(r, n)
	n.do(err)
	r.shards = []*shard{s}
	return s
}

func (n *node) file(s *shard, name string) *file {
	h, info, err := s.run.finder.Open(n.path(name))
	n.do(err)
	n.do(h.Close())
	s.run.tracker.seen(n.path(name), info)
	return s.run.tracker.paths[n.path(name)]
}

// What is read while a file is truncated may be of the old text and of the new one: nothing of it may be sent.
func TestTruncatedWhileItIsRead(t *testing.T) {
	f := func(before, during, part int) {
		t.Run(fmt.Sprint(before, " lines before, ", during, " read ", part), func(t *testing.T) {
			n := newNode(t)
			s := n.shard()
			all := n.write("p/app.log", "first", 0, 1)
			f := n.file(s, "p/app.log")
			h, err := f.opened(s.run.finder)
			n.do(err)
			if before > 0 {
				all = append(all, n.write("p/app.log", "first", 1, before)...)
				for s.turn(f) {
				}
			} else if !s.identify(f, h, time.Now()) {
				t.Fatal("the file is not new")
			}
			unread := n.write("p/app.log", "first", before+1, before+1+during)
			_, _, err = f.look(h, time.Now())
			n.do(err)
			_, err = s.read(f, &torn{h, part, func() {
				n.do(os.Truncate(n.path("p/app.log"), 0))
				all = append(all, n.write("p/app.log", "the second round", 0, 40)...)
			}}, time.Now())
			n.do(err)
			for s.turn(f) {
			}
			got := n.delivered()
			if before == 0 {
				all = all[1:] // never sent
			}
			if !slices.Equal(got, all) {
				t.Errorf("delivered %d lines, want %d without %q:\n%s", len(got), len(all), unread, diff(got, all))
			}
		})
	}
	f(11, 0, 256+64)
	f(11, 3, 150)
	f(11, 3, 256)
	f(100, 0, 300)
	f(100, 2, 270)
	f(0, 0, 13)
	f(0, 5, 20)
}

// The tracker may close a file that is given up at any time. What could not be compared then is not taken for
// something else: a copy not for a new text, and a text not for one that was truncated.
func TestClosedWhileItIsRead(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log", "first", 0, 50)
	original := n.file(s, "p/app.log")
	for s.turn(original) {
	}
	n.copytruncate("p/app.log", "p/app.log.1")
	all = append(all, n.write("p/app.log", "second", 0, 50)...)
	n.do(exec.Command("gzip", "-k", n.path("p/app.log.1")).Run())
	for _, name := range []string{"p/app.log.1", "p/app.log.1.gz"} {
		f := n.file(s, name)
		h, err := f.opened(s.run.finder)
		n.do(err)
		_, _, err = f.look(h, time.Now())
		n.do(err)
		n.do(h.Close())
		if s.identify(f, h, time.Now()) || f.content != nil {
			t.Errorf("%s, which nobody could read, is taken for a new text", name)
		}
		f.close()
	}
	c := original.content
	unread := n.write("p/app.log", "third", 0, 5)
	h, err := original.opened(s.run.finder)
	n.do(err)
	_, _, err = original.look(h, time.Now())
	n.do(err)
	if _, err = s.read(original, closing{h}, time.Now()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading says %v, want %v", err, os.ErrClosed)
	}
	if original.content != c {
		t.Error("a file that was closed is taken for one that was truncated")
	}
	original.close()
	for s.turn(original) {
	}
	if got := n.delivered(); !slices.Equal(got, append(all, unread...)) {
		t.Error(diff(got, append(all, unread...)))
	}
}

// has says whether a position is stored of what is at name.
func (n *node) has(name string) bool { return n.done(name) >= 0 }

// done is the position that is stored of what is at name, or -1.
func (n *node) done(name string) (done int64) {
	store, err := n.store.Access()
	n.do(err)
	defer store.Close()
	done = -1
	n.do(store.Each(func(_ string, v statestore.ValueDecoder) (bool, error) {
		var rec record
		if err := v.Decode(&rec); err != nil {
			return false, err
		}
		if rec.Path == n.path(name) {
			done = rec.Done
		}
		return true, nil
	}))
	return done
}

func (n *node) size(name string) int64 {
	info, err := os.Stat(n.path(name))
	n.do(err)
	return info.Size()
}

// What is written between the copy and the truncation is in no copy, but it may have been read.
func TestWrittenAfterTheCopy(t *testing.T) {
	for _, count := range []int{1, 2, 5, 200} {
		for _, then := range []string{"go on", "restart", "kill", "truncate while away"} {
			if then == "truncate while away" && count < 5 {
				continue // of copies below 32 bytes a later run cannot tell
			}
			t.Run(fmt.Sprint(count, " lines, ", then), func(t *testing.T) {
				t.Parallel()
				n := newNode(t)
				n.start()
				all := n.write("p/app.log", "first", 0, count)
				n.want(all)
				b, err := os.ReadFile(n.path("p/app.log"))
				n.do(err)
				n.do(os.WriteFile(n.path("p/app.log.1"), b, 0o644))
				all = append(all, n.write("p/app.log", "between", 0, 3)...)
				n.want(all)
				if then == "truncate while away" {
					n.stop()
				}
				n.do(os.Truncate(n.path("p/app.log"), 0))
				all = append(all, n.write("p/app.log", "after", 0, 20)...)
				switch then {
				case "truncate while away":
					n.start()
				case "restart":
					waitFor(t, "the copy is known", func() bool { return n.has("p/app.log.1") })
					n.stop()
					n.start()
				case "kill":
					waitFor(t, "the copy is known", func() bool { return n.has("p/app.log.1") })
					n.kill()
					n.start()
				}
				waitFor(t, "the copy is known", func() bool { return n.has("p/app.log.1") })
				n.want(all)
				n.stop()
				n.start()
				n.want(all)
			})
		}
	}
}

// A copy is also one when its original is empty after a restart.
func TestTruncatedToNothingWhileAway(t *testing.T) {
	n := newNode(t)
	n.start()
	all := n.write("p/app.log", "first", 0, 100)
	n.want(all)
	n.stop()
	all = append(all, n.write("p/app.log", "unread", 0, 100)...)
	n.copytruncate("p/app.log", "p/app.log.1")
	n.start()
	n.want(all)
	all = append(all, n.write("p/app.log", "new", 0, 10)...)
	n.want(all)
}

// An empty log does not keep its rotations waiting.
func TestEmptyLogBesideNewerRotation(t *testing.T) {
	n := newNode(t)
	n.do(os.MkdirAll(n.path("p"), 0o755))
	n.do(os.WriteFile(n.path("p/app.log"), nil, 0o644))
	now := time.Now()
	n.do(os.Chtimes(n.path("p/app.log"), now, now.Add(-time.Hour)))
	all := n.write("p/app.log.1", "rotated", 0, 10)
	n.start()
	n.want(all)
}

// A log that was renamed before it was seen is no copy of the next one, however alike they begin.
func TestRenamedBeforeItWasSeen(t *testing.T) {
	n := newNode(t)
	all := n.write("p/app.log", `{"level":"info","stream":"stdout","message":"the same beginning`, 0, 1)
	time.Sleep(20 * time.Millisecond) // the times of birth are to differ
	n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
	next := n.write("p/app.log", `{"level":"info","stream":"stdout","message":"the same beginning`, 0, 50)
	hidden := filepath.Join(filepath.Dir(n.root), "hidden")
	n.do(os.Rename(n.path("p/app.log.1"), hidden))
	n.start()
	n.want(next)
	n.do(os.Rename(hidden, n.path("p/app.log.1")))
	n.want(append(all, next...))
}

// The copy of the rotation before is written over.
func TestOneNameForAllCopies(t *testing.T) {
	n := newNode(t)
	n.start()
	var all []string
	for i := range 6 {
		all = append(all, n.write("p/app.log", fmt.Sprint("round ", i), 0, 10*(1+i%3))...)
		n.want(all)
		n.copytruncate("p/app.log", "p/app.log.1")
	}
	n.want(all)
}

// A message that waits for its next line is sent when its file was truncated and no copy comes.
func TestTruncatedWhileAMessageWaits(t *testing.T) {
	n := newNode(t)
	n.settings["multiline"] = map[string]any{"type": "pattern", "pattern": "^ ", "match": "after", "timeout": "1h"}
	n.start()
	n.write("p/app.log", "one", 0, 1)
	n.write("p/app.log", "two", 0, 1)
	n.want([]string{"one 000000"})
	n.do(os.Truncate(n.path("p/app.log"), 0))
	n.want([]string{"one 000000", "two 000000"})
}

// A file that was renamed, compressed and deleted in one go was last seen under the name before. The compressed one is known for
// its copy all the same, even if the pod is deleted at once and it has its turn first.
func TestCompressedAtOnce(t *testing.T) {
	f := func(name string, before func(original *file)) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			s := n.shard()
			turns := func(f *file) {
				for s.turn(f) {
				}
			}
			all := n.write("p/app.log", "first", 0, 50)
			original := n.file(s, "p/app.log")
			turns(original)
			n.do(os.Rename(n.path("p/app.log"), n.path("p/app.log.1")))
			n.file(s, "p/app.log.1")
			s.run.tracker.gone(n.path("p/app.log"))
			turns(original)
			before(original)
			n.do(os.Rename(n.path("p/app.log.1"), n.path("p/app.log.2")))
			n.do(exec.Command("gzip", n.path("p/app.log.2")).Run())
			compressed := n.file(s, "p/app.log.2.gz")
			n.do(os.Remove(n.path("p/app.log.2.gz")))
			turns(compressed)
			turns(original)
			if got := n.delivered(); !slices.Equal(got, all) {
				t.Errorf("delivered %d lines, want %d:\n%s", len(got), len(all), diff(got, all))
			}
		})
	}
	f("held open", func(*file) {})
	f("closed as idle", (*file).close)
}

// A rotation that looks for what a compressed file may be a copy of leaves no file open that it has looked at: nobody would close it.
func TestNothingStaysOpen(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	quiet := func() time.Time { return time.Now().Add(time.Hour) }
	s.run.now = quiet
	for i := 9; i > 0; i-- {
		name := fmt.Sprintf("p/app.log.%d", i)
		n.write(name, name, 0, 50)
		if i > 5 {
			n.do(exec.Command("gzip", n.path(name)).Run())
			name += ".gz"
		}
		f := n.file(s, name)
		for s.turn(f) {
		}
		f.close()
	}
	n.write("p/app.log.0", "new", 0, 50)
	n.do(exec.Command("gzip", n.path("p/app.log.0")).Run())
	f := n.file(s, "p/app.log.0.gz")
	for s.turn(f) {
	}
	if open := s.run.open.Load(); open != 0 || !f.done {
		t.Errorf("%d files are open, want 0; the compressed one is read: %v", open, f.done)
	}
}
