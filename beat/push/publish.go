package push

import (
	"sync"
	"sync/atomic"

	"github.com/elastic/beats/v7/libbeat/beat"
)

// A batch is the entries of one request on their way to the output. The request holds it until it is answered, the
// publisher until libbeat has taken every event, libbeat until every event is acknowledged.
type batch struct {
	entries []entry // nil once libbeat has them
	stamp   stamp   // what all their events have in common
	digest  [32]byte
	begun   bool  // when the same body came before, entries of it were taken
	bytes   int64 // of the budget, until the batch has left

	waiting atomic.Int64  // entries that are not acknowledged
	done    chan struct{} // closed when the batch can be answered
	once    sync.Once
	failed  *failure // set before done is closed, or never
}

// A failure is why a batch has not been delivered as a whole.
type failure struct {
	why   cause
	entry int // the first that libbeat did not take
}

type cause int

const (
	causeFull    cause = iota // there was no room for it
	causeClosing              // podbeat stops
	causeQueue                // libbeat's queue refuses this entry
)

// finish lets the batch be answered.
func (b *batch) finish(f *failure) {
	b.once.Do(func() {
		b.failed = f
		close(b.done)
	})
}

// publisher gives batches to libbeat, one after the other, and hears of their acknowledgement. One goroutine
// publishes, so that a queue that is full holds up this goroutine and no request.
type publisher struct {
	client  beat.Client
	closing atomic.Bool // client is
	events  eventMaker
	metrics *metrics
	room    struct{ bytes, entries budget }

	queue chan *batch // nil ends run; has room for as many as the budget lets in
	ended chan struct{}

	// For the goroutine that publishes:
	added   bool // the event at hand is in sent
	dropped bool // libbeat did not take it

	mu   sync.Mutex
	sent []sent // events not yet acknowledged, in the order in which libbeat got them
}

// sent is a run of events of one batch.
type sent struct {
	batch *batch
	n     int
}

func newPublisher(o *options, m *metrics) *publisher {
	p := &publisher{metrics: m, ended: make(chan struct{})}
	p.room.bytes.most = int64(o.MaxInFlightBytes)
	p.room.entries.most = int64(o.MaxInFlightEntries)
	p.queue = make(chan *batch, o.MaxInFlightEntries+1) // a batch has an entry at least; and the nil
	return p
}

// submit sends a batch on its way, or finishes it if there is no room for its entries. Its bytes have been taken already;
// from here on they are the publisher's to give back.
func (p *publisher) submit(b *batch) {
	n := int64(len(b.entries))
	if !p.room.entries.take(n) {
		b.finish(&failure{why: causeFull})
		p.room.bytes.give(b.bytes)
		return
	}
	b.waiting.Store(n)
	p.metrics.received.Add(uint64(n))
	p.queue <- b
}

// run publishes until it meets a nil in the queue.
func (p *publisher) run() {
	defer close(p.ended)
	for b := range p.queue {
		if b == nil {
			return
		}
		p.publish(b)
	}
}

func (p *publisher) publish(b *batch) {
	for i := range b.entries {
		p.added, p.dropped = false, false
		p.client.Publish(p.events.event(b, i))
		if p.dropped {
			// What libbeat has got of the batch by now it delivers; repeating the request does no harm.
			f := &failure{causeQueue, i}
			if p.closing.Load() {
				f.why = causeClosing
			}
			b.finish(f)
			p.metrics.failed.Add(uint64(len(b.entries) - i))
			p.left(b, len(b.entries)-i)
			break
		}
	}
	b.entries = nil
}

// left takes note that n entries of b are delivered, or never will be.
func (p *publisher) left(b *batch, n int) {
	if b.waiting.Add(-int64(n)) == 0 {
		b.finish(nil)
		p.room.bytes.give(b.bytes)
	}
	p.room.entries.give(int64(n))
}

// TakesBack is deadletter.TakesBack's: who has sent the entry is told, and may send it otherwise.
func (b *batch) TakesBack() bool { return true }

// AddEvent is beat.ACKer's: libbeat is about to queue an event, or a processor has dropped it.
func (p *publisher) AddEvent(e beat.Event, published bool) {
	b, ok := e.Private.(*batch)
	if !ok {
		return
	}
	p.added = true
	if !published {
		p.metrics.filtered.Inc()
		p.left(b, 1)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.sent) - 1; last >= 0 && p.sent[last].batch == b {
		p.sent[last].n++
		return
	}
	p.sent = append(p.sent, sent{b, 1})
}

// ACKEvents is beat.ACKer's: the next n events have been acknowledged.
func (p *publisher) ACKEvents(n int) {
	p.metrics.acked.Add(uint64(n))
	p.mu.Lock()
	var acked []sent
	for n > 0 && len(p.sent) > 0 {
		first := &p.sent[0]
		run := min(n, first.n)
		acked = append(acked, sent{first.batch, run})
		n -= run
		if first.n -= run; first.n == 0 {
			*first = sent{}
			p.sent = p.sent[1:]
		}
	}
	p.mu.Unlock()
	for _, a := range acked {
		p.left(a.batch, a.n)
	}
}

// Close is beat.ACKer's.
func (p *publisher) Close() {}

// DroppedOnPublish is beat.ClientEventer's: libbeat has not taken the event at hand, because it is closing or because the
// queue refuses it. It will never be acknowledged.
func (p *publisher) DroppedOnPublish(beat.Event) {
	p.dropped = true
	if !p.added {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.sent) - 1
	if p.sent[last].n--; p.sent[last].n == 0 {
		p.sent = p.sent[:last]
	}
}

// Closing and the others are beat.ClientEventer's.
func (p *publisher) Closing()               { p.closing.Store(true) }
func (p *publisher) Closed()                {}
func (p *publisher) Published()             {}
func (p *publisher) FilteredOut(beat.Event) {}
