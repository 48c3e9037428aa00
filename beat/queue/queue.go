// Package queue is podbeat's queue in memory. It has the place of libbeat's `queue.mem`, its options and its rules, and costs a
// third of it per event: libbeat's hands each event over to a goroutine by a channel, this one appends it to a
// slice under a lock. Importing the package registers it. Libbeat's queue on disk stays, is mended before it is opened,
// and what it cannot take is a dead letter: see mend and burying.
//
//	Publish ─► filling ─ min_events, or timeout ─► ready ─► Get ─► taken ─► ACK, in any order ─► producers told, in theirs
package queue

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/feature"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
	_ "github.com/elastic/beats/v7/libbeat/publisher/queue/memqueue" // registered before this one takes its place
)

func init() {
	replace("mem", create, feature.MakeDetails("Memory queue", "Keeps events in memory until the output has them.", feature.Stable))
}

// replace puts a factory in the place of libbeat's.
func replace(name string, factory queue.Factory, details feature.Details) {
	if err := feature.GlobalRegistry().Overwrite(feature.New(queue.Namespace, name, factory, details)); err != nil {
		panic(err)
	}
}

// options are those of libbeat's queue.mem, and its defaults.
type options struct {
	Events         int           `config:"events" validate:"min=32"`
	FlushMinEvents int           `config:"flush.min_events" validate:"min=0"`
	FlushTimeout   time.Duration `config:"flush.timeout"`
}

// Validate refuses a batch larger than the queue.
func (o *options) Validate() error {
	if o.FlushMinEvents > o.Events {
		return fmt.Errorf("flush.min_events is %d: want at most events, %d", o.FlushMinEvents, o.Events)
	}
	return nil
}

func create(listener queue.ACKListener, _ *logp.Logger, cfg *common.Config, _ int) (queue.Queue, error) {
	o := options{Events: 4096, FlushMinEvents: 2048, FlushTimeout: time.Second}
	if err := cfg.Unpack(&o); err != nil {
		return nil, err
	}
	return open(listener, o), nil
}

// memory is the queue.
type memory struct {
	options
	listener queue.ACKListener // may be nil

	mu      sync.Mutex
	room    sync.Cond // count has become less
	some    sync.Cond // events can be taken
	acked   sync.Cond // the first of taken is done
	count   int       // events published and not acknowledged
	filling chunk
	ready   []chunk // oldest first, none empty
	taken   []*batch
	timer   *time.Timer // fires when what is filling has waited long enough; stopped while nothing is
	closed  bool
}

// A chunk is events that follow each other, and whose they are.
type chunk struct {
	events []publisher.Event
	owners []*producer
}

func open(listener queue.ACKListener, o options) *memory {
	if o.FlushTimeout <= 0 || o.FlushMinEvents < 1 {
		o.FlushMinEvents = 1
	}
	q := &memory{options: o, listener: listener}
	q.room.L, q.some.L, q.acked.L = &q.mu, &q.mu, &q.mu
	q.timer = time.AfterFunc(time.Hour, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.flush()
	})
	q.timer.Stop()
	go q.settle()
	return q
}

// BufferConfig says how many events there can be.
func (q *memory) BufferConfig() queue.BufferConfig { return queue.BufferConfig{MaxEvents: q.Events} }

// Close has everybody who waits go on, in vain. Producers are not told of events any more.
func (q *memory) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.timer.Stop()
	q.room.Broadcast()
	q.some.Broadcast()
	q.acked.Broadcast()
	return nil
}

// Producer returns one more who publishes. No event is ever dropped, whatever c wants to hear or to be done about it:
// libbeat asks for nothing of the kind.
func (q *memory) Producer(c queue.ProducerConfig) queue.Producer {
	return &producer{queue: q, told: c.ACK}
}

type producer struct {
	queue     *memory
	told      func(n int) // that its n oldest events have left; may be nil
	cancelled bool        // guarded by queue.mu
	left      int         // settle's: of these, until they are told
}

func (p *producer) Publish(e publisher.Event) bool    { return p.queue.add(p, &e, true) }
func (p *producer) TryPublish(e publisher.Event) bool { return p.queue.add(p, &e, false) }

// Cancel has Publish return at once, now and later. What is published stays.
func (p *producer) Cancel() (removed int) {
	p.queue.mu.Lock()
	defer p.queue.mu.Unlock()
	p.cancelled = true
	p.queue.room.Broadcast()
	return 0
}

// add says whether it has taken the event.
func (q *memory) add(p *producer, e *publisher.Event, wait bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.count >= q.Events && wait && !p.cancelled && !q.closed {
		q.room.Wait()
	}
	if q.count >= q.Events || p.cancelled || q.closed {
		return false
	}
	q.count++
	q.filling.events = append(q.filling.events, *e)
	q.filling.owners = append(q.filling.owners, p)
	switch n := len(q.filling.events); {
	case q.FlushMinEvents == 1:
		if n == 1 {
			q.some.Broadcast() // Get flushes
		}
	case n == q.FlushMinEvents:
		q.timer.Stop()
		q.flush()
	case n == 1:
		q.timer.Reset(q.FlushTimeout)
	}
	return true
}

// flush lets what is filling be taken. What fills next has room for twice as much at first. q.mu is held.
func (q *memory) flush() {
	n := len(q.filling.events)
	if n == 0 {
		return
	}
	q.ready = append(q.ready, q.filling)
	n = min(2*n, q.FlushMinEvents)
	q.filling = chunk{make([]publisher.Event, 0, n), make([]*producer, 0, n)}
	q.some.Broadcast()
}

// Consumer returns one more who takes events.
func (q *memory) Consumer() queue.Consumer { return &consumer{queue: q} }

type consumer struct {
	queue  *memory
	closed bool // guarded by queue.mu
}

// Get waits for events and returns n of them at most, or all that belong together if n is 0. It returns io.EOF when the consumer is closed.
func (c *consumer) Get(n int) (queue.Batch, error) {
	q := c.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for !c.closed && len(q.ready) == 0 {
		if q.FlushMinEvents == 1 && len(q.filling.events) > 0 {
			q.flush()
			break
		}
		q.some.Wait()
	}
	if c.closed {
		return nil, io.EOF
	}
	first := &q.ready[0]
	b := &batch{queue: q, chunk: *first}
	if n > 0 && n < len(first.events) {
		b.chunk = chunk{first.events[:n:n], first.owners[:n:n]}
		*first = chunk{first.events[n:], first.owners[n:]}
	} else {
		*first = chunk{}
		q.ready = q.ready[1:]
	}
	q.taken = append(q.taken, b)
	return b, nil
}

// Close has Get return.
func (c *consumer) Close() error {
	c.queue.mu.Lock()
	defer c.queue.mu.Unlock()
	if c.closed {
		return errors.New("the consumer is closed already")
	}
	c.closed = true
	c.queue.some.Broadcast()
	return nil
}

type batch struct {
	queue *memory
	chunk
	done bool // guarded by queue.mu
}

func (b *batch) Events() []publisher.Event { return b.events }

// ACK says that all of the batch have left for good. Producers are told of them when those before have left, too.
func (b *batch) ACK() {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	b.done = true
	if len(q.taken) > 0 && q.taken[0] == b {
		q.acked.Signal()
	}
}

// settle tells producers of their events, by a goroutine of its own: they may take their time.
func (q *memory) settle() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for !q.closed && (len(q.taken) == 0 || !q.taken[0].done) {
			q.acked.Wait()
		}
		if q.closed {
			return
		}
		n := 0
		for n < len(q.taken) && q.taken[n].done {
			n++
		}
		done := q.taken[:n:n]
		q.taken = q.taken[n:]
		q.mu.Unlock()
		n = q.tell(done)
		q.mu.Lock()
		q.count -= n
		q.room.Broadcast()
	}
}

// tell returns how many events it has told of.
func (q *memory) tell(done []*batch) (n int) {
	var producers []*producer
	for i, b := range done {
		n += len(b.owners)
		for _, p := range b.owners {
			if p.left == 0 {
				producers = append(producers, p)
			}
			p.left++
		}
		done[i] = nil
	}
	if q.listener != nil {
		q.listener.OnACK(n)
	}
	for _, p := range producers {
		if p.told != nil {
			p.told(p.left)
		}
		p.left = 0
	}
	return n
}
