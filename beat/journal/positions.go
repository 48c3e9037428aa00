package journal

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
)

// positions stores how far one input's events have been acknowledged. Acknowledgements come in
// the order of publishing, so the newest acknowledged position is the one to store.
type positions struct {
	store   *statestore.Store
	key     string
	log     *logp.Logger
	metrics *metrics
	done    chan struct{} // ends write
	ended   chan struct{}

	flight flight

	refused atomic.Bool // libbeat has refused an event: it is closing
	forgot  atomic.Bool // the input's delivery level has forgotten events that it had taken

	mu     sync.Mutex
	last   position  // acknowledged, or where reading began
	newest *position // acknowledged and not yet stored
	acked  uint64    // events since the start
	after  uint64    // what runs once acked has reached it …
	then   func()    // … or nil
}

// stored is a position in the registry.
type stored struct {
	Position position
	Updated  time.Time
}

// writeEvery bounds how often positions are written: a crash sends again what came in between,
// which Elasticsearch knows by its ids.
const writeEvery = 50 * time.Millisecond

// openPositions opens the store of one input, of whose events so many bytes may be under way. Its owner calls close.
func openPositions(from Store, key string, log *logp.Logger, m *metrics, most uint64) (*positions, error) {
	store, err := from.Access()
	if err != nil {
		return nil, fmt.Errorf("cannot open the registry: %w", err)
	}
	p := &positions{store: store, key: key, log: log, metrics: m, done: make(chan struct{}), ended: make(chan struct{})}
	p.flight.most, p.flight.news = most, make(chan struct{}, 1)
	go p.write()
	return p, nil
}

// load returns the stored position; none is the zero position.
func (p *positions) load() (position, error) {
	has, err := p.store.Has(p.key)
	if err != nil || !has {
		return position{}, err
	}
	var s stored
	if err := p.store.Get(p.key, &s); err != nil {
		return position{}, fmt.Errorf("cannot read position %q from the registry: %w", p.key, err)
	}
	return s.Position, nil
}

// acker hears of acknowledged events; those that a processor dropped count as acknowledged.
func (p *positions) acker() beat.ACKer {
	return acker.EventPrivateReporter(func(_ int, private []any) {
		n := len(private)
		var newest *mark
		var size uint64
		for i := range private {
			if m, ok := private[i].(*mark); ok {
				newest = m
				size += m.size
			}
		}
		p.mu.Lock()
		p.acked += uint64(n)
		if newest != nil {
			at := newest.position // without the rest of its slab
			p.newest, p.last = &at, at
		}
		then := p.then
		if then != nil && p.acked >= p.after {
			p.then = nil
		} else {
			then = nil
		}
		p.mu.Unlock()
		p.metrics.acked.Add(uint64(n))
		clear(private) // what reports them keeps the slice until it is used up
		p.flight.end(size)
		if then != nil {
			then()
		}
	})
}

// whenAcked runs then once the first n events have been acknowledged.
func (p *positions) whenAcked(n uint64, then func()) {
	p.mu.Lock()
	if p.acked < n {
		p.after, p.then = n, then
		then = nil
	}
	p.mu.Unlock()
	if then != nil {
		then()
	}
}

// write stores the newest position, at most every writeEvery.
func (p *positions) write() {
	defer close(p.ended)
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			p.flush()
			return
		case <-tick.C:
			p.flush()
		}
	}
}

func (p *positions) flush() {
	p.mu.Lock()
	pos := p.newest
	p.newest = nil
	p.mu.Unlock()
	if pos == nil {
		return
	}
	if err := p.store.Set(p.key, stored{pos.written(), time.Now()}); err != nil {
		p.metrics.errors.Inc()
		p.log.Errorf("Cannot store position %q, after a restart events are sent again: %v", p.key, err)
		p.mu.Lock()
		if p.newest == nil {
			p.newest = pos
		}
		p.mu.Unlock()
	}
}

// close stores what is acknowledged by now.
func (p *positions) close() {
	close(p.done)
	<-p.ended
	p.store.Close()
}

// begin notes where reading begins.
func (p *positions) begin(at position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = at
}

// acknowledged is the position behind the last event that has been acknowledged by now, or where reading began.
func (p *positions) acknowledged() position {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Bounded is delivery.Bounder's. It is called before there are events.
func (p *positions) Bounded() { p.flight.most = math.MaxUint64 }

// Forgot is delivery.Forgetter's.
func (p *positions) Forgot() { p.forgot.Store(true) }

// DroppedOnPublish and the others are beat.ClientEventer's.
func (p *positions) DroppedOnPublish(beat.Event) { p.refused.Store(true) }
func (p *positions) Closing()                    {}
func (p *positions) Closed()                     {}
func (p *positions) Published()                  {}
func (p *positions) FilteredOut(beat.Event)      {}
