package elasticsearch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/outputs/outil"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/testing"

	"github.com/podbeat/podbeat/beat/encode"
)

// A client is what libbeat has of an output.elasticsearch section. It deals the events of each batch to
// lanes, which send them, and settles the batch when all of them have left. It is no NetworkClient: libbeat
// would hand back the first batch before it connects, and with luck send the second first.
type client struct {
	options
	policy   policy
	index    outputs.IndexSelector
	pipeline outil.Selector
	daily    *daily // nil: index and pipeline are selected for each event
	observer outputs.Observer
	enc      encode.Encoder
	log      *logp.Logger

	hosts []*host
	lanes []*lane
	start sync.Once  // of the lanes
	parts [][]parcel // of a batch, groups for each lane; Publish's

	// answered is set by each proper bulk answer, and taken back by each event that is found
	// guilty of a 400 without one: see settleSuspects.
	answered atomic.Bool
	indexed  atomic.Bool // an index has been selected for some event: see holdUnindexed

	under atomic.Int64  // events that lanes have
	freed chan struct{} // of one: there are fewer of them

	mu      sync.Mutex
	active  int           // without loadbalance: the host in use
	changed chan struct{} // closed, and made anew, when a host's state changes

	closing sync.Once
	letGo   func()          // of the dead-letter file
	done    chan struct{}   // closed by Close: ends every wait
	life    context.Context // ends a request under way, closeGrace after Close
	end     context.CancelFunc
	sleep   func(time.Duration) // waits, or less when done is closed; tests put theirs
}

// closeGrace is how long a request under way may take after Close, so that its events need not be
// sent again by the output that follows.
var closeGrace = 5 * time.Second

var errClosed = errors.New("output is closed")

func newClient(o options) *client {
	c := &client{
		options: o, enc: encode.Encoder{EscapeHTML: o.EscapeHTML}, log: logger(),
		freed: make(chan struct{}, 1), changed: make(chan struct{}), letGo: func() {}, done: make(chan struct{}),
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.sleep = func(d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.done:
		}
	}
	return c
}

// groups is how many parts a lane's events of one batch are sorted into by their source. Documents of one source are much alike:
// beside each other they are compressed in half the time, to half the size.
const groups = 64

// A parcel is one event of a shipment.
type parcel struct {
	*shipment
	at    int32 // its place among the events
	tries int32
	state state
}

type state uint8

const (
	waiting   state = iota
	unsettled       // sent at least once, and maybe stored: what follows it may not be sent before it is settled
	left            // for good
)

func (p *parcel) event() *publisher.Event { return &p.events[p.at] }

// A shipment is a batch of libbeat's.
type shipment struct {
	batch  publisher.Batch
	events []publisher.Event
	open   atomic.Int64 // events that have neither left nor come back

	mu   sync.Mutex
	back []int32 // places of those that have come back
}

// leave counts n events that need nothing more. The last one settles the batch, which must not be touched
// afterwards.
func (s *shipment) leave(n int) {
	if s.open.Add(-int64(n)) > 0 {
		return
	}
	if len(s.back) == 0 {
		s.batch.ACK()
		return
	}
	slices.Sort(s.back)
	events := make([]publisher.Event, len(s.back))
	for i, at := range s.back {
		events[i] = s.events[at]
	}
	s.batch.CancelledEvents(events) // not the events' fault: it does not count as a try
}

// handBack is leave for an event that the output is closed to.
func (s *shipment) handBack(at int32) {
	s.mu.Lock()
	s.back = append(s.back, at)
	s.mu.Unlock()
	s.leave(1)
}

// Publish deals batch to the lanes and returns when there is room for another one. The batch is settled
// once, by the lane that is done with the last of its events: ACK when all of them have left for good. It comes back after Close
// alone. The error is always nil: libbeat would end its worker.
func (c *client) Publish(_ context.Context, batch publisher.Batch) error {
	if c.closed() {
		batch.Cancelled()
		return nil
	}
	c.start.Do(func() {
		for _, l := range c.lanes {
			go l.run()
		}
	})
	s := &shipment{batch: batch, events: batch.Events()}
	if len(s.events) == 0 {
		batch.ACK()
		return nil
	}
	s.open.Store(int64(len(s.events)))
	c.observer.NewBatch(len(s.events))
	c.under.Add(int64(len(s.events)))
	for i := range s.events {
		n := sourceOf(c, &s.events[i].Content) % uint64(len(c.parts))
		c.parts[n] = append(c.parts[n], parcel{shipment: s, at: int32(i)})
	}
	for i, l := range c.lanes {
		parts := c.parts[i*groups : (i+1)*groups]
		l.add(parts...)
		for n, part := range parts {
			clear(part)
			parts[n] = part[:0]
		}
	}
	room := int64(c.BulkMaxSize * len(c.lanes))
	for c.under.Load() >= room && !c.closed() {
		select {
		case <-c.freed:
		case <-c.done:
		}
	}
	return nil
}

// free says that n events are no longer under way.
func (c *client) free(n int) {
	c.under.Add(-int64(n))
	select {
	case c.freed <- struct{}{}:
	default:
	}
}

func (c *client) String() string {
	names := make([]string, len(c.hosts))
	for i, h := range c.hosts {
		names[i] = h.String()
	}
	return strings.Join(names, ", ")
}

// Test is `test output`'s.
func (c *client) Test(d testing.Driver) {
	for _, h := range c.hosts {
		h.test(d)
	}
}

// Reach returns nil when one of the hosts can be connected to, or what all of them say. Close ends it.
func (c *client) Reach() error {
	answers := make(chan error, len(c.hosts))
	for _, h := range c.hosts {
		go func() {
			_, err := h.connect()
			if err != nil {
				err = fmt.Errorf("%v: %w", h, err)
			}
			answers <- err
		}()
	}
	var errs []error
	for range c.hosts {
		select {
		case err := <-answers:
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		case <-c.done:
			return errClosed
		}
	}
	return errors.Join(errs...)
}

// Close ends every wait at once, and a request under way after closeGrace. What is not settled by then comes back.
func (c *client) Close() error {
	c.closing.Do(func() {
		close(c.done)
		c.letGo()
		time.AfterFunc(closeGrace, c.end)
	})
	var errs []error
	for _, h := range c.hosts {
		errs = append(errs, h.close())
	}
	return errors.Join(errs...)
}

func (c *client) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *client) wait(d time.Duration) {
	start := time.Now()
	c.sleep(d)
	counters.backoffMillis.Add(uint64(time.Since(start).Milliseconds()))
}
