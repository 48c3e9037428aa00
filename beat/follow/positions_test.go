package follow

import (
	"sync"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"
)

// What the registry holds in the end is the newest record, however its writers meet: the end of a compressed file is noted at once, while the
// last acknowledgements come.
func TestNewestPositionStays(t *testing.T) {
	backend, err := memlog.New(logp.NewLogger("test"), memlog.Settings{Root: t.TempDir(), FileMode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	registry := statestore.NewRegistry(backend)
	defer registry.Close()
	p, err := openPositions(storeOf{registry}, "p::", logp.NewLogger("test"), &metrics{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	c := &content{rec: record{Key: "k"}}
	for i := int64(1); i <= 3000; i++ {
		var both sync.WaitGroup
		both.Go(func() { p.set(c) })
		both.Go(func() {
			c.mu.Lock()
			c.rec.Done = i
			p.changed(c)
			c.mu.Unlock()
			p.flush()
		})
		both.Wait()
		p.flush()
		all, err := p.load()
		if err != nil || len(all) != 1 || all[0].Done != i {
			t.Fatalf("got %+v (%v), want the position %d", all, err, i)
		}
	}
}

// A content that ends is found again while its last event is acknowledged: its record stays.
func TestFoundAgainWhileItIsForgotten(t *testing.T) {
	n := newNode(t)
	p := n.shard().run.positions
	c := &content{rec: record{Key: "k", Path: n.path("p/app.log"), Done: 10}, inFlight: 1}
	p.end(c)
	p.puts.Lock()
	acked := make(chan struct{})
	go func() {
		defer close(acked)
		p.acked(mark{content: c, resume: 20, end: 20}, 1)
	}()
	waitFor(t, "the event is acknowledged", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.inFlight == 0 })
	c.mu.Lock()
	c.ended = false
	rec := c.rec
	c.mu.Unlock()
	p.put(rec)
	p.puts.Unlock()
	<-acked
	if done := n.done("p/app.log"); done != 20 {
		t.Errorf("position %d is stored, want 20", done)
	}
}

// TestReadAhead: when lines were first read is written down before they are sent, and not for every turn.
func TestReadAhead(t *testing.T) {
	const day = 24 * time.Hour
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	f := func(what string, turn, to int64, size func(to int64) int64, after time.Duration, want int) {
		t.Helper()
		var all times
		written := 0
		for from := int64(0); from < to; from += turn {
			if all.extend(from, from+turn, size(from+turn), now.Add(time.Duration(from/turn)*after)) {
				written++
			}
			if at, ok := all.at(from + turn - 1); !ok || !sameDay(at, now.Add(time.Duration(from/turn)*after)) {
				t.Fatalf("%s: line before %d was read at %v (%v)", what, from+turn, at, ok)
			}
		}
		if written != want {
			t.Errorf("%s: written %d times, want %d", what, written, want)
		}
	}
	f("a large file", turnBytes, 64<<20, func(int64) int64 { return 64 << 20 }, time.Millisecond, 16)
	f("a file that grows", 1<<10, 1<<20, func(to int64) int64 { return to }, time.Second, 61)
	f("a line a day", 100, 1000, func(to int64) int64 { return to }, day, 10)
}
