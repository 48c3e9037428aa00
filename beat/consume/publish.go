package consume

import (
	"sync"
	"sync/atomic"

	"github.com/elastic/beats/v7/libbeat/beat"
)

// publisher gives events to libbeat and hears what becomes of them. Partitions publish side by side: libbeat's client has them take turns.
type publisher struct {
	client  beat.Client
	closing atomic.Bool // client is
	metrics *metrics
	settled func(*record) // of an event of a record

	mu   sync.Mutex
	sent []*record // of the events not yet acknowledged, in the order in which libbeat got them
}

// publish says whether libbeat has taken the event, which it has not if it is closing, or if its queue refuses it.
func (p *publisher) publish(e beat.Event, r *record) bool {
	e.Private = r
	r.added.Store(false)
	r.dropped.Store(false)
	p.client.Publish(e)
	return !r.dropped.Load()
}

// TakesBack is deadletter.TakesBack's: a letter of the input has the message itself, and where it is in Kafka.
func (r *record) TakesBack() bool { return true }

// AddEvent is beat.ACKer's: libbeat is about to queue an event, or a processor has dropped it.
func (p *publisher) AddEvent(e beat.Event, published bool) {
	r, ok := e.Private.(*record)
	if !ok {
		return
	}
	r.added.Store(true)
	p.metrics.published.Inc()
	if !published {
		p.metrics.filtered.Inc()
		p.settled(r)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent = append(p.sent, r)
}

// ACKEvents is beat.ACKer's: the next n events have been acknowledged.
func (p *publisher) ACKEvents(n int) {
	p.mu.Lock()
	n = min(n, len(p.sent))
	acked := p.sent[:n:n]
	p.sent = p.sent[n:]
	p.mu.Unlock()
	p.metrics.acked.Add(uint64(n))
	for i, r := range acked {
		p.settled(r)
		acked[i] = nil
	}
}

// Close is beat.ACKer's.
func (p *publisher) Close() {}

// DroppedOnPublish is beat.ClientEventer's: libbeat has not taken an event, and will never acknowledge it.
func (p *publisher) DroppedOnPublish(e beat.Event) {
	r, ok := e.Private.(*record)
	if !ok {
		return
	}
	r.dropped.Store(true)
	if !r.added.Load() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := len(p.sent) - 1; i >= 0; i-- { // it is the last of its record
		if p.sent[i] == r {
			p.sent = append(p.sent[:i], p.sent[i+1:]...)
			return
		}
	}
}

// Closing and the others are beat.ClientEventer's.
func (p *publisher) Closing()               { p.closing.Store(true) }
func (p *publisher) Closed()                {}
func (p *publisher) Published()             {}
func (p *publisher) FilteredOut(beat.Event) {}
