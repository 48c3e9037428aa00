package reload

import (
	"context"
	"errors"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/outputs"
	_ "github.com/elastic/beats/v7/libbeat/outputs/console" // all register first, to be guarded
	_ "github.com/elastic/beats/v7/libbeat/outputs/fileout"
	_ "github.com/elastic/beats/v7/libbeat/outputs/logstash"
	_ "github.com/elastic/beats/v7/libbeat/outputs/redis"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/testing"

	"github.com/podbeat/podbeat/beat/prepared"
)

// outputReg is libbeat's table of outputs. outputs.RegisterType panics on a name that is taken.
//
//go:linkname outputReg github.com/elastic/beats/v7/libbeat/outputs.outputReg
var outputReg map[string]outputs.Factory

func init() {
	for _, name := range []string{"file", "console"} {
		outputReg[name] = guarded(outputs.FindFactory(name))
	}
	for _, name := range []string{"logstash", "redis"} {
		outputReg[name] = ordinary(outputs.FindFactory(name))
	}
}

// ordinary has the outputs that a factory makes get ordinary events only. Documents (see package prepared) are made for output.elasticsearch, and
// those on their way when the output is changed may come to any other.
func ordinary(factory outputs.Factory) outputs.Factory {
	return func(im outputs.IndexManager, info beat.Info, stats outputs.Observer, cfg *common.Config) (outputs.Group, error) {
		group, err := factory(im, info, stats, cfg)
		end := sync.OnceValue(func() <-chan struct{} {
			over := make(chan struct{}) // closed, not sent to: each of the clients is to see it
			time.AfterFunc(grace, func() { close(over) })
			return over
		})
		for i, c := range group.Clients {
			if n, ok := c.(outputs.NetworkClient); ok {
				group.Clients[i] = &network{NetworkClient: n, end: end}
			}
		}
		return group, err
	}
}

// grace is how long the clients of an output that is closed, all together, wait for the answer to what they have sent. Without
// it, it would be sent again: by the output that follows, or from the disk queue after the next start.
const grace = 2 * time.Second

// A network is a client that is closed when the batches it has are settled.
type network struct {
	outputs.NetworkClient
	end func() <-chan struct{} // of grace; begins with the first call

	mu      sync.Mutex
	batches int
	idle    chan struct{} // if it is not nil the client is closing, and it is closed when there are no batches
}

func (n *network) Publish(ctx context.Context, batch publisher.Batch) error {
	n.mu.Lock()
	if n.idle != nil {
		n.mu.Unlock()
		batch.Cancelled()
		return errClosed
	}
	n.batches++
	n.mu.Unlock()
	fill(batch)
	return n.NetworkClient.Publish(ctx, &working{Batch: batch, settled: sync.OnceFunc(n.settled)})
}

func (n *network) settled() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.batches--; n.batches == 0 && n.idle != nil {
		close(n.idle)
	}
}

func (n *network) Close() error {
	n.mu.Lock()
	if n.idle == nil {
		n.idle = make(chan struct{})
	}
	idle, busy := n.idle, n.batches > 0
	n.mu.Unlock()
	if busy {
		select {
		case <-idle:
		case <-n.end():
		}
	}
	return n.NetworkClient.Close()
}

// working is a batch that a network has.
type working struct {
	publisher.Batch
	settled func()
}

func (w *working) ACK()                                { w.Batch.ACK(); w.settled() }
func (w *working) Drop()                               { w.Batch.Drop(); w.settled() }
func (w *working) Retry()                              { w.Batch.Retry(); w.settled() }
func (w *working) RetryEvents(e []publisher.Event)     { w.Batch.RetryEvents(e); w.settled() }
func (w *working) Cancelled()                          { w.Batch.Cancelled(); w.settled() }
func (w *working) CancelledEvents(e []publisher.Event) { w.Batch.CancelledEvents(e); w.settled() }

// Test is for `podbeat test output`.
func (n *network) Test(d testing.Driver) {
	if t, ok := n.NetworkClient.(testing.Testable); ok {
		t.Test(d)
	}
}

// fill makes ordinary events of the documents in a batch.
func fill(batch publisher.Batch) {
	events := batch.Events()
	for i := range events {
		prepared.Ordinary(&events[i].Content)
	}
}

// guarded has the outputs that a factory makes follow each other in order. libbeat starts the new output
// before it closes the old one, which may have a batch in work then, or take another one afterwards: a file would be opened
// by both and written over by one, what goes to the console would be mixed within lines.
func guarded(factory outputs.Factory) outputs.Factory {
	turn := new(sync.Mutex)
	return func(im outputs.IndexManager, info beat.Info, stats outputs.Observer, cfg *common.Config) (outputs.Group, error) {
		group, err := factory(im, info, stats, cfg)
		for i, c := range group.Clients {
			group.Clients[i] = &guard{Client: c, turn: turn}
		}
		return group, err
	}
}

// A guard is a client which publishes one batch at a time, of all of its kind, and none after Close.
type guard struct {
	outputs.Client
	turn   *sync.Mutex
	closed bool
}

var errClosed = errors.New("output is closed")

// Publish gives a batch back that comes too late, for the output that follows.
func (g *guard) Publish(ctx context.Context, batch publisher.Batch) error {
	g.turn.Lock()
	defer g.turn.Unlock()
	if g.closed {
		batch.Cancelled()
		return errClosed
	}
	fill(batch)
	return g.Client.Publish(ctx, batch)
}

// Close waits for the batch in work.
func (g *guard) Close() error {
	g.turn.Lock()
	defer g.turn.Unlock()
	g.closed = true
	return g.Client.Close()
}
