package reload

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/outputs/outest"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// A pen is an output of which two must not write at once.
type pen struct {
	t      *testing.T
	paper  *sync.Mutex
	closed bool
	begun  chan struct{}
	end    chan struct{}
}

func (p *pen) Publish(_ context.Context, batch publisher.Batch) error {
	if p.closed {
		p.t.Error("publishes after it is closed")
	}
	if !p.paper.TryLock() {
		p.t.Error("two write at once")
	}
	p.begun <- struct{}{}
	<-p.end
	p.paper.Unlock()
	batch.ACK()
	return nil
}

func (p *pen) Close() error {
	p.closed = true
	return nil
}

func (p *pen) String() string { return "pen" }

func TestGuard(t *testing.T) {
	paper, begun, end := new(sync.Mutex), make(chan struct{}), make(chan struct{})
	factory := guarded(func(outputs.IndexManager, beat.Info, outputs.Observer, *common.Config) (outputs.Group, error) {
		return outputs.Success(-1, 0, &pen{t: t, paper: paper, begun: begun, end: end})
	})
	make := func() outputs.Client {
		group, err := factory(nil, beat.Info{}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return group.Clients[0]
	}
	old, fresh := make(), make()
	batch := func() *outest.Batch { return outest.NewBatch(beat.Event{}) }
	first, second, late := batch(), batch(), batch()
	var all sync.WaitGroup
	all.Go(func() { _ = old.Publish(context.Background(), first) })
	<-begun
	closed := false
	all.Go(func() {
		_ = old.Close()
		closed = true
		if err := old.Publish(context.Background(), late); err == nil {
			t.Error("a closed output takes a batch")
		}
	})
	all.Go(func() { _ = fresh.Publish(context.Background(), second) })
	end <- struct{}{} // the first batch, then whoever is next
	<-begun
	end <- struct{}{}
	all.Wait()
	for b, want := range map[*outest.Batch]outest.BatchSignalTag{first: outest.BatchACK, second: outest.BatchACK, late: outest.BatchCancelled} {
		if len(b.Signals) != 1 || b.Signals[0].Tag != want {
			t.Errorf("signals %+v, want one of %v", b.Signals, want)
		}
	}
	if !closed {
		t.Error("not closed")
	}
}

type document struct{ *prepared.Document }

func (d document) Prepared() *prepared.Document { return d.Document }

// A reader is an output that reads fields, as all but Elasticsearch's do.
type reader struct {
	outputs.NetworkClient
	got []any
}

func (r *reader) Close() error { return nil }

func (r *reader) Publish(_ context.Context, batch publisher.Batch) error {
	for _, e := range batch.Events() {
		r.got = append(r.got, e.Content.Fields["message"], e.Content.Meta["_id"])
	}
	batch.ACK()
	return nil
}

// TestOrdinary: the other outputs get ordinary events, also of those that were made for Elasticsearch before a reload.
func TestOrdinary(t *testing.T) {
	f := func(wrap func(outputs.Factory) outputs.Factory) {
		t.Helper()
		r := &reader{}
		group, err := wrap(func(outputs.IndexManager, beat.Info, outputs.Observer, *common.Config) (outputs.Group, error) {
			return outputs.Success(-1, 0, r)
		})(nil, beat.Info{}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		made := &prepared.Document{Template: prepared.New(common.MapStr{"message": encode.Hole(0)}, nil), ID: "2", Values: []prepared.Value{prepared.String("b")}}
		batch := outest.NewBatch(
			beat.Event{Fields: common.MapStr{"message": "a"}, Meta: common.MapStr{"_id": "1"}},
			beat.Event{Private: document{made}},
		)
		if err := group.Clients[0].Publish(context.Background(), batch); err != nil {
			t.Fatal(err)
		}
		if want := []any{"a", "1", "b", "2"}; !slices.Equal(r.got, want) {
			t.Errorf("got %v, want %v", r.got, want)
		}
	}
	f(guarded)
	f(ordinary)
}

// A wire is a network client that answers when it is told to.
type wire struct {
	batches chan publisher.Batch
	closed  chan struct{}
}

func (w *wire) Connect() error { return nil }
func (w *wire) String() string { return "wire" }
func (w *wire) Publish(_ context.Context, batch publisher.Batch) error {
	w.batches <- batch
	return nil
}
func (w *wire) Close() error {
	close(w.closed)
	return nil
}

// A client is closed when what it has sent is answered, and then takes nothing more; it does not wait for ever.
func TestNetwork(t *testing.T) {
	f := func(answer func(publisher.Batch), want time.Duration) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { // by its clock a machine that stands still is no late answer
			w := &wire{make(chan publisher.Batch, 10_000), make(chan struct{})}
			group, err := ordinary(func(outputs.IndexManager, beat.Info, outputs.Observer, *common.Config) (outputs.Group, error) {
				return outputs.Success(-1, 0, w)
			})(nil, beat.Info{}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			c := group.Clients[0]
			batch := func() *outest.Batch { return outest.NewBatch(beat.Event{Fields: common.MapStr{}}) }
			if err := c.Publish(t.Context(), batch()); err != nil {
				t.Fatal(err)
			}
			ended, began := make(chan error, 1), time.Now()
			go func() { ended <- c.Close() }()
			synctest.Wait() // it is closing
			late := batch()
			if err := c.Publish(t.Context(), late); err == nil || len(late.Signals) != 1 || late.Signals[0].Tag != outest.BatchCancelled {
				t.Errorf("a late batch is told %v: %v", late.Signals, err)
			}
			select {
			case <-w.closed:
				t.Error("it is closed with batches that are not answered")
			default:
			}
			answer(<-w.batches)
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("closed after %v, want %v", took, want)
			}
			<-w.closed
		})
	}
	f(func(b publisher.Batch) { b.ACK() }, 0)
	f(func(b publisher.Batch) { b.RetryEvents(b.Events()) }, 0)
	f(func(b publisher.Batch) { b.Drop(); b.ACK() }, 0) // twice is once
	f(func(publisher.Batch) {}, grace)
}

// The clients of one output, as of several hosts, are closed one after the other, and have one moment together: that of the
// first, which has no answer, is that of those behind it.
func TestNetworkOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wires []*wire
		group, err := ordinary(func(outputs.IndexManager, beat.Info, outputs.Observer, *common.Config) (outputs.Group, error) {
			var clients []outputs.Client
			for range 3 {
				w := &wire{make(chan publisher.Batch, 1), make(chan struct{})}
				wires, clients = append(wires, w), append(clients, w)
			}
			return outputs.Success(-1, 0, clients...)
		})(nil, beat.Info{}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range group.Clients {
			if err := c.Publish(t.Context(), outest.NewBatch(beat.Event{Fields: common.MapStr{}})); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		closeAll(group)
		if took := time.Since(began); took != grace {
			t.Errorf("closed after %v, want %v", took, grace)
		}
		for _, w := range wires {
			<-w.closed
		}
	})
}
