package follow

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// A log is compressed slowly: the compressed file is a copy from its first byte on, and nothing of it is sent twice, or lost.
func TestCompressedSlowly(t *testing.T) {
	for _, part := range []int{0, 5, 1000} {
		n := newNode(t)
		s := n.shard()
		all := n.write("p/app.log", "read", 0, 1000)
		original := n.file(s, "p/app.log")
		for s.turn(original) {
		}
		all = append(all, n.write("p/app.log", "unread", 0, 1000)...)
		n.do(exec.Command("gzip", "-k", n.path("p/app.log")).Run())
		whole, err := os.ReadFile(n.path("p/app.log.gz"))
		n.do(err)
		n.do(os.WriteFile(n.path("p/app.log.gz"), whole[:part], 0o644))
		f := n.file(s, "p/app.log.gz")
		later := func(by time.Duration) {
			now := s.run.now().Add(by)
			s.run.now = func() time.Time { return now }
			for s.turn(f) {
			}
		}
		later(0)
		later(2 * quiet)
		if f.content != nil || f.done || !f.wake.Load() {
			t.Fatalf("%d bytes of a compressed file are not taken for its beginning", part)
		}
		n.do(os.WriteFile(n.path("p/app.log.gz"), whole, 0o644))
		later(2 * quiet)
		if f.copyOf != original.content {
			t.Fatalf("a compressed file of which there were %d bytes first is not taken for a copy", part)
		}
		original.close()
		n.do(os.Remove(n.path("p/app.log")))
		s.run.tracker.gone(n.path("p/app.log"))
		s.run.tracker.scanned(false)
		for s.turn(original) {
		}
		later(2 * quiet)
		if got := n.delivered(); !slices.Equal(got, all) {
			t.Errorf("%d bytes at first: %s", part, diff(got, all))
		}
		if lost := s.run.metrics.abandoned.Get(); lost != 0 {
			t.Errorf("%d bytes at first: %d bytes are given up", part, lost)
		}
	}
}

// A compressed file whose time lies ahead, for the clock was set back, is read even so.
func TestCompressedInTheFuture(t *testing.T) {
	n := newNode(t)
	s := n.shard()
	all := n.write("p/app.log.1", "text", 0, 10)
	n.gzip(n.path("p/app.log.1"))
	n.do(os.Chtimes(n.path("p/app.log.1.gz"), time.Now(), time.Now().Add(time.Hour)))
	f := n.file(s, "p/app.log.1.gz")
	s.turn(f)
	now := time.Now().Add(2 * quiet)
	s.run.now = func() time.Time { return now }
	for s.turn(f) {
	}
	if got := n.delivered(); !slices.Equal(got, all) {
		t.Error(diff(got, all))
	}
}
