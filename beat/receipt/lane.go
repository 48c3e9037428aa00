package receipt

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/beat/prepared"
)

// Inner counts what becomes of the events that come to p, which is libbeat.
func (u *Unit) Inner(p beat.PipelineConnector) beat.PipelineConnector { return inner{u, p} }

type inner struct {
	unit *Unit
	beat.PipelineConnector
}

func (i inner) Connect() (beat.Client, error) { return i.ConnectWith(beat.ClientConfig{}) }

func (i inner) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	l := &lane{unit: i.unit, acker: c.ACKHandler, eventer: c.Events}
	c.ACKHandler, c.Events = l, events{l}
	client, err := i.PipelineConnector.ConnectWith(c)
	if err != nil {
		return nil, err
	}
	return innerClient{l, client}, nil
}

// A ticket is one event's, in its Private.
type ticket struct {
	lane    *lane
	private any           // what the input had there
	tally   *tally        // that the event is counted in; nil before it is
	at      time.Duration // when it was added, by the lane's clock
	fate    atomic.Int32
}

// The fates an output may tell of. Without one, an event that is acknowledged is delivered.
const (
	deadLettered = iota + 1
	dropped
)

// Input says whose the event is: a tap asks.
func (t *ticket) Input() (typ, id string) { return t.lane.unit.typ, t.lane.unit.id }

// DeadLettered is deadletter.Note's.
func (t *ticket) DeadLettered() { t.fate.Store(deadLettered) }

// Dropped is deadletter.NoteDropped's.
func (t *ticket) Dropped() { t.fate.Store(dropped) }

// TakesBack is deadletter.TakesBack's: the input is asked.
func (t *ticket) TakesBack() bool { return deadletter.TakesBack(&beat.Event{Private: t.private}) }

// Prepared returns the document that the input has put there; it makes a ticket a prepared.Carrier.
func (t *ticket) Prepared() *prepared.Document {
	if c, ok := t.private.(prepared.Carrier); ok {
		return c.Prepared()
	}
	return nil
}

// A slab is tickets that are made together.
type slab struct {
	given   atomic.Int32
	tickets [64]ticket
}

// ticksEvery is for how many events one look at the clock is good.
const ticksEvery = 32

// A lane is one client's: its events come and are acknowledged in order. It is beat.ACKer. It keeps the counts of its
// events by itself, so that inputs with many clients do not wait for each other; who wants to know adds up.
type lane struct {
	unit    *Unit
	acker   beat.ACKer         // the input's, or nil
	eventer beat.ClientEventer // the input's, or nil

	slab atomic.Pointer[slab] // of tickets to be given out

	mu      sync.Mutex // taken after the unit's
	queue   []*ticket
	head    int               // of queue
	tallies map[string]*tally // by namespace
	last    *tally            // of the event before
	clock   time.Duration     // the book's, as it was when looked at last
	ticks   int               // how many events it is good for yet
	closed  bool
	known   bool // to the unit, which asks the lane for its counts; else it has none
}

// lock locks the lane, which is known to the unit then: libbeat may be late with an event of a closed client.
func (l *lane) lock() {
	l.mu.Lock()
	for !l.known {
		l.mu.Unlock()
		l.unit.admit(l)
		l.mu.Lock()
	}
}

// unlock unlocks the lane, and has the unit forget it if nothing is to come.
func (l *lane) unlock() {
	over := l.over()
	l.mu.Unlock()
	if over {
		l.unit.part(l)
	}
}

func (l *lane) over() bool { return l.closed && l.head == len(l.queue) }

type innerClient struct {
	lane *lane
	beat.Client
}

func (c innerClient) Publish(e beat.Event) {
	e.Private = c.lane.ticket(e.Private)
	c.Client.Publish(e)
}

func (c innerClient) PublishAll(events []beat.Event) {
	events = slices.Clone(events)
	for i := range events {
		events[i].Private = c.lane.ticket(events[i].Private)
	}
	c.Client.PublishAll(events)
}

func (l *lane) ticket(private any) *ticket {
	for {
		s := l.slab.Load()
		if s != nil {
			if i := int(s.given.Add(1)) - 1; i < len(s.tickets) {
				t := &s.tickets[i]
				t.lane, t.private = l, private
				return t
			}
		}
		l.slab.CompareAndSwap(s, new(slab))
	}
}

// AddEvent is called after the processors, under the lock of libbeat's client.
func (l *lane) AddEvent(e beat.Event, published bool) {
	t, ok := e.Private.(*ticket)
	if !ok { // a processor has put something else there
		t = l.ticket(e.Private)
	}
	name := namespaceOf(&e)
	l.lock()
	t.tally = l.tally(name)
	if published {
		t.tally.InFlight++
		l.push(t)
	} else {
		t.tally.Filtered++
	}
	l.unlock()
	if l.acker != nil {
		e.Private = t.private
		l.acker.AddEvent(e, published)
	}
}

// push appends to the queue, which takes its room back from what has been shifted from it.
func (l *lane) push(t *ticket) {
	if l.head > 64 && l.head > len(l.queue)/2 {
		n := copy(l.queue, l.queue[l.head:])
		clear(l.queue[n:])
		l.queue, l.head = l.queue[:n], 0
	}
	if l.ticks == 0 {
		l.clock, l.ticks = l.unit.book.now(), ticksEvery
	}
	l.ticks--
	t.at = l.clock
	l.queue = append(l.queue, t)
}

// ACKEvents tells that the n oldest events have left for good.
func (l *lane) ACKEvents(n int) {
	l.settle(n)
	if l.acker != nil {
		l.acker.ACKEvents(n)
	}
}

func (l *lane) settle(n int) {
	l.lock()
	defer l.unlock()
	n = min(n, len(l.queue)-l.head)
	for i, t := range l.queue[l.head : l.head+n] {
		l.queue[l.head+i], t.private = nil, nil
		t.tally.InFlight--
		switch t.fate.Load() {
		case deadLettered:
			t.tally.DeadLetters++
		case dropped:
			t.tally.Dropped++
		default:
			t.tally.Acked++
		}
	}
	l.shift(n)
}

// shift takes the n first off the queue, and has the next event look at the clock: where events come now and then,
// each does, for the one before has been acknowledged.
func (l *lane) shift(n int) {
	l.head += n
	if l.head == len(l.queue) {
		l.queue, l.head = l.queue[:0], 0
	}
	l.ticks = 0
}

// Close tells that no events will come any more. What is pending may be acknowledged even so.
func (l *lane) Close() {
	l.lock()
	l.closed = true
	l.unlock()
	if l.acker != nil {
		l.acker.Close()
	}
}

// abandon counts an event that libbeat has not taken, maybe after it had been added, and returns it as the input had it.
func (l *lane) abandon(e beat.Event) beat.Event {
	t, ok := e.Private.(*ticket)
	if !ok {
		t = &ticket{private: e.Private}
	}
	l.lock()
	if t.tally == nil { // it was not added
		t.tally = l.tally(namespaceOf(&e))
	} else if i := slices.Index(l.queue[l.head:], t); i >= 0 {
		l.queue = slices.Delete(l.queue, l.head+i, l.head+i+1)
		l.shift(0)
		t.tally.InFlight--
	}
	t.tally.Abandoned++
	l.unlock()
	e.Private = t.private
	return e
}

// oldest is when the first event was added that is pending. l.mu is held.
func (l *lane) oldest() (at time.Duration, ok bool) {
	if l.head == len(l.queue) {
		return 0, false
	}
	return l.queue[l.head].at, true
}

// A tally is what has become of the events of one namespace. It is guarded by its lane's or its unit's lock.
type tally struct {
	name string
	Entry
}

// tally returns the lane's for a namespace. l.mu is held.
func (l *lane) tally(name string) *tally {
	if l.last != nil && l.last.name == name {
		return l.last
	}
	t := l.tallies[name]
	if t == nil {
		name = l.unit.book.namespace(name)
		if t = l.tallies[name]; t == nil {
			t = &tally{name: name}
			l.tallies[name] = t // as few as the book has
		}
	}
	l.last = t
	return t
}

// namespaceOf returns what an event's kubernetes.namespace is counted under, unless the book has too many.
func namespaceOf(e *beat.Event) string {
	name := prepared.Namespace(e)
	switch {
	case name == "":
		return None
	case name[0] == '_': // not even if it is one of ours
		return Other
	}
	return name
}

// events is beat.ClientEventer. The callbacks are the input's, if it has any.
type events struct{ lane *lane }

func (e events) DroppedOnPublish(event beat.Event) {
	event = e.lane.abandon(event)
	if e.lane.eventer != nil {
		e.lane.eventer.DroppedOnPublish(event)
	}
}

func (e events) FilteredOut(event beat.Event) {
	if e.lane.eventer == nil {
		return
	}
	if t, ok := event.Private.(*ticket); ok {
		event.Private = t.private
	}
	e.lane.eventer.FilteredOut(event)
}

func (e events) Published() {
	if e.lane.eventer != nil {
		e.lane.eventer.Published()
	}
}

func (e events) Closing() {
	if e.lane.eventer != nil {
		e.lane.eventer.Closing()
	}
}

func (e events) Closed() {
	if e.lane.eventer != nil {
		e.lane.eventer.Closed()
	}
}
