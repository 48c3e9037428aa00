package receipt

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
)

// A Unit is the account of one input. Its methods may be called concurrently.
type Unit struct {
	typ, id string
	book    *Book

	clients atomic.Uint32 // so many there have been
	doors   [4]door       // each client goes through one of them

	mu    sync.Mutex
	lanes []*lane          // of the clients that are open, or have events pending
	past  map[string]Entry // by namespace, of the others
}

// A door is what clients of an input have given.
type door struct {
	read atomic.Int64 // events whose Publish has begun
	done atomic.Int64 // … and has returned
	_    [6]int64     // so that no two doors share a cache line
}

// given returns how many events have gone into the doors, and how many have come out of them.
func (u *Unit) given() (read, done int64) {
	for i := range u.doors {
		done += u.doors[i].done.Load()
		read += u.doors[i].read.Load()
	}
	return read, done
}

// admit has the unit ask l for its counts from now on.
func (u *Unit) admit(l *lane) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known {
		l.known, l.tallies = true, map[string]*tally{}
		u.lanes = append(u.lanes, l)
	}
}

// part takes over the counts of a lane to which nothing is to come.
func (u *Unit) part(l *lane) {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known || !l.over() {
		return
	}
	if u.past == nil {
		u.past = map[string]Entry{}
	}
	for name, t := range l.tallies {
		e := u.past[name]
		e.add(&t.Entry)
		u.past[name] = e
	}
	u.lanes = slices.DeleteFunc(u.lanes, func(o *lane) bool { return o == l })
	l.known, l.tallies, l.last = false, nil, nil
}

// each tells of what has become of the unit's events: f gets it in parts, each of one namespace.
// It returns when the oldest was added of those that are pending, if there are any.
func (u *Unit) each(f func(name string, part *Entry)) (oldest time.Duration, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for name, e := range u.past {
		f(name, &e)
	}
	for _, l := range u.lanes {
		l.mu.Lock()
		for name, t := range l.tallies {
			f(name, &t.Entry)
		}
		if at, pending := l.oldest(); pending && (!ok || at < oldest) {
			oldest, ok = at, true
		}
		l.mu.Unlock()
	}
	return oldest, ok
}

// tries is how often Account looks while the sides disagree: figures move between one look at a counter and the next.
const tries = 100

// Account returns the input's account, as of one moment if there is one in which nothing moves.
func (u *Unit) Account() Account {
	var a Account
	for i := range tries {
		a = u.account()
		if a.Difference == 0 {
			break
		}
		if i > tries/2 {
			time.Sleep(time.Millisecond)
		}
	}
	return a
}

func (u *Unit) account() Account {
	a := Account{Type: u.typ, ID: u.id}
	_, done := u.given()
	oldest, waits := u.each(func(_ string, part *Entry) { a.Entry.add(part) })
	a.Pending = a.InFlight
	held := u.held()
	a.Buffered, a.Spilled, a.Resumed = held.Buffered, held.Spilled, held.Resumed
	a.Dropped += held.Dropped
	a.Abandoned += held.Returned - held.Kept
	a.Read, _ = u.given()
	missing := a.Read + a.Resumed - a.Filtered - a.Acked - a.DeadLetters - a.Dropped - a.Abandoned - a.Pending - a.Buffered - a.Spilled - held.Handing
	// What is being handed over may be counted on the other side already, or not yet.
	a.Handing = min(max(missing, 0), a.Read-done)
	a.Difference = missing - a.Handing
	a.Handing += held.Handing
	a.InFlight += a.Handing + a.Buffered + a.Spilled
	if waits {
		a.OldestSeconds = max(0, (u.book.now() - oldest).Seconds())
	}
	return a
}

func (u *Unit) held() Held {
	u.book.mu.Lock()
	f := u.book.held
	u.book.mu.Unlock()
	if f == nil {
		return Held{}
	}
	return f(u.typ, u.id)
}

// Oldest is when the oldest event came to libbeat that is pending; zero if none is.
func (u *Unit) Oldest() time.Time {
	oldest, waits := u.each(func(string, *Entry) {})
	if !waits {
		return time.Time{}
	}
	return u.book.start.Add(oldest)
}

// Outer counts what the input gives to p.
func (u *Unit) Outer(p beat.PipelineConnector) beat.PipelineConnector { return outer{u, p} }

type outer struct {
	unit *Unit
	beat.PipelineConnector
}

func (o outer) Connect() (beat.Client, error) { return o.ConnectWith(beat.ClientConfig{}) }

func (o outer) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	client, err := o.PipelineConnector.ConnectWith(c)
	if err != nil {
		return nil, err
	}
	return outerClient{&o.unit.doors[o.unit.clients.Add(1)%uint32(len(o.unit.doors))], client}, nil
}

type outerClient struct {
	door *door
	beat.Client
}

func (c outerClient) Publish(e beat.Event) {
	c.door.read.Add(1)
	c.Client.Publish(e)
	c.door.done.Add(1)
}

func (c outerClient) PublishAll(events []beat.Event) {
	n := int64(len(events))
	c.door.read.Add(n)
	c.Client.PublishAll(events)
	c.door.done.Add(n)
}
