package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"

	"github.com/podbeat/podbeat/beat/delivery"
	"github.com/podbeat/podbeat/bench/journalgen"
)

// No more is under way than may be, but for one that is larger by itself and goes alone; and all go.
func TestFlight(t *testing.T) {
	f := flight{most: 100, news: make(chan struct{}, 1)}
	var under, alone atomic.Int64
	sent := make(chan int64, 1000)
	var acks sync.WaitGroup
	acks.Go(func() {
		for n := range sent {
			alone.Add(-1)
			under.Add(-n)
			f.end(uint64(n))
		}
	})
	for i := range 20_000 {
		n := int64(i * 7919 % 61)
		if i%50 == 0 {
			n = 250
		}
		if !f.begin(t.Context(), uint64(n)) {
			t.Fatal("begin ends before its context")
		}
		others := alone.Add(1) - 1
		if sum := under.Add(n); sum > 100 && (n <= 100 || others > 0 && sum > n) {
			t.Fatalf("%d bytes are under way, %d of them new, and %d others", sum, n, others)
		}
		sent <- n
	}
	close(sent)
	acks.Wait()
}

// Waiting for room ends with the input, and takes none.
func TestFlightEnds(t *testing.T) {
	f := flight{most: 100, news: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	equal(t, "begun", f.begin(ctx, 60), true)
	time.AfterFunc(10*time.Millisecond, cancel)
	equal(t, "begun while there is no room", f.begin(ctx, 60), false)
	equal(t, "begun while there is room", f.begin(t.Context(), 40), true)
	f.end(100)
	equal(t, "begun when all has ended", f.begin(t.Context(), 1000), true)
}

// big writes a journal of n entries, each with a field of so many bytes, and returns its directory.
func big(t *testing.T, n, size int) string {
	t.Helper()
	image := journalgen.NewImage(journalgen.Format{KeyedHash: true}, [16]byte{1}, [16]byte{2}, [16]byte{3})
	for i := range n {
		usec := uint64(i+1) * 1000
		image.Append(journalgen.ImageEntry{Seqnum: uint64(i + 1), Realtime: testStart + usec, Monotonic: usec, Boot: [16]byte{4}, Fields: [][]byte{
			[]byte("_HOSTNAME=node"), fmt.Appendf(nil, "MESSAGE=%d", i), fmt.Appendf(nil, "X=%d%s", i, strings.Repeat("x", size)),
		}})
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "system.journal"), image.Bytes(journalgen.Archived), 0o600))
	return dir
}

// A batch has as many bytes as it may, or one entry; a batch that has left something says so.
func TestBatchBytes(t *testing.T) {
	for _, c := range []struct{ size, batches, most int }{{300_000, 7, 3}, {2 << 20, 20, 1}, {1000, 1, 20}} {
		o := testOptions(big(t, 20, c.size))
		o.MaxMessageBytes = 16 << 20
		r, _ := testReader(t, o, position{})
		batch := make([]Entry, 256)
		have, batches := 0, 0
		for ; have < 20; batches++ {
			n, err := r.Read(t.Context(), batch)
			must(t, err)
			if have += n; n > c.most || (have < 20) && !r.more {
				t.Errorf("entries of %d bytes: a batch of %d, and there are more: %v", c.size, n, r.more)
			}
			for i := range n {
				equal(t, "size", batch[i].size, batch[i].bytes())
				batch[i].forget()
				equal(t, "forgotten", batch[i].Fields == nil, c.size > large)
			}
		}
		equal(t, fmt.Sprintf("batches of %d bytes each", c.size), batches, c.batches)
		for _, f := range r.files {
			for _, e := range append(f.ahead[:cap(f.ahead)], f.next) {
				if e.size > large {
					t.Errorf("the reader keeps an entry of %d bytes", e.size)
				}
			}
		}
	}
}

// An input that has read all there was, and waits for the output before it looks for more, does not say that it is not behind.
func TestBehindWhileInFlight(t *testing.T) {
	const n, size = 3, 100_000
	backend, err := memlog.New(logger, memlog.Settings{Root: t.TempDir(), FileMode: 0o600})
	must(t, err)
	registry := statestore.NewRegistry(backend)
	defer registry.Close()
	m := readerMetrics(t)
	positions, err := openPositions(storeOf{registry}, t.Name(), logger, m, n*size+size/2)
	must(t, err)
	defer positions.close()
	in := &input{opts: *testOptions(big(t, n, size))}
	o := &outlet{room: 1000}
	o.changed.L = &o.mu
	client, err := o.ConnectWith(beat.ClientConfig{ACKHandler: positions.acker()})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		in.read(ctx, logger, &publisher{ctx: ctx, client: client, converter: newConverter(&in.opts, m, "podbeat"), positions: positions, metrics: m})
	})
	defer reading.Wait()
	defer cancel()
	eventually(t, "it waits, and is as old as what it has read", func() bool { return m.unread.Load() == testStart+n*1000 })
	o.ack()
	eventually(t, "it has looked again, and there is no more", func() bool { return m.unread.Load() == 0 })
}

// Nothing is kept of a large entry that is left out.
func TestForgetExcluded(t *testing.T) {
	o := testOptions(big(t, 1, 2<<20))
	o.MaxMessageBytes, o.PollInterval, o.ExcludeMatches = 16<<20, time.Millisecond, []string{"MESSAGE=0"}
	r, m := testReader(t, o, position{})
	batch := make([]Entry, 1)
	n, err := r.Read(t.Context(), batch)
	must(t, err)
	equal(t, "entries", n, 0)
	equal(t, "filtered", m.filtered.Get(), 1)
	equal(t, "forgotten", batch[0].Fields == nil, true)
}

// An input has no more under way than max_in_flight.bytes. It goes on when something is acknowledged, and it ends while it
// waits. With another delivery level it is the level that bounds: the input does not wait for the output.
func TestMaxInFlight(t *testing.T) {
	const n, size = 20, 100_000
	dir := big(t, n, size)
	for level, want := range map[string]int{"end-to-end": 3, "best-effort": n, "store-on-failure": n} {
		backend, err := memlog.New(logger, memlog.Settings{Root: t.TempDir(), FileMode: 0o600})
		must(t, err)
		registry := statestore.NewRegistry(backend)
		cfg := common.MustNewConfigFrom(map[string]any{"type": "journal", "id": t.Name(), "paths": dir, "poll_interval": "20ms", "delivery": level,
			"max_in_flight.bytes": 3*size + size/2})
		in, err := Plugin(logger, storeOf{registry}).Manager.Create(cfg)
		must(t, err)
		o := &outlet{room: 1000}
		o.changed.L = &o.mu
		p, end, err := delivery.Wrap(cfg, o, delivery.Env{ID: t.Name() + level, Log: logp.NewLogger("test"), Failing: func() bool { return false }, Dir: t.TempDir()})
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- in.Run(v2.Context{Logger: logger, Agent: beat.Info{Beat: "podbeat", Name: "node"}, Cancelation: ctx}, p)
		}()
		have := func() int {
			o.mu.Lock()
			defer o.mu.Unlock()
			return len(o.ids)
		}
		eventually(t, level+": as much is under way as may be", func() bool { return have() == want })
		if level == "end-to-end" {
			o.ack()
			eventually(t, level+": it goes on", func() bool { return have() == 2*want })
		}
		cancel() // while it waits
		must(t, <-ended)
		equal(t, level+": most events under way", o.most, want)
		end()
		must(t, registry.Close())
	}
}
