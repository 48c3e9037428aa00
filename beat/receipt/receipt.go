// Package receipt keeps account of events: what each input has given, and what has become of it. The two sides are
// counted at two places, so that they can be held against each other:
//
//	input ─► Outer: read ─► delivery level: buffered, spilled, dropped ─► Inner: filtered, pending, acked, dead letters ─► libbeat
//
//	read + resumed = filtered + acked + dead letters + dropped + abandoned + in flight
//
// Inner puts a ticket into event.Private, which the output tells of dead letters (see deadletter.Note); the handlers of
// the input are shown what was there before. libbeat's disk queue acknowledges an event when it is on disk and forgets
// its ticket: acked then means "in the queue on disk", the sum is right all the same, and of whom a dead letter is
// nobody knows any more.
package receipt

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// MaxNamespaces is how many namespaces are told apart, first come, first served.
const MaxNamespaces = 200

// Events without a namespace, and those of a name Kubernetes does not allow or of one namespace too many, are counted
// under these. No namespace can be called so.
const (
	None  = "_none"
	Other = "_other"
)

// A Book has the accounts of all inputs and namespaces. Its methods may be called concurrently.
type Book struct {
	start time.Time

	mu         sync.Mutex
	units      map[key]*Unit
	namespaces map[string]struct{} // that are told apart
	held       func(typ, id string) Held
}

type key struct{ typ, id string }

// NewBook makes an empty book.
func NewBook() *Book {
	return &Book{start: time.Now(), units: map[key]*Unit{}, namespaces: map[string]struct{}{}}
}

// A Held is what an input's delivery level has of its events.
type Held struct {
	Buffered int64 // in memory now, not given to libbeat
	Spilled  int64 // on disk now, not given to libbeat
	Handing  int64 // being given to libbeat now, by neither side counted
	Resumed  int64 // found on disk when podbeat started, which no input of this process has read
	Dropped  int64 // thrown away, or found damaged on disk
	Returned int64 // in memory when the input stopped, which reads them again
	Kept     int64 // not taken by libbeat, and here again: abandoned by the one, not by the other
}

// Delivery has the book ask f for what an input's delivery level holds.
func (b *Book) Delivery(f func(typ, id string) Held) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = f
}

// Unit returns the account of an input, which outlives the input's runs.
func (b *Book) Unit(typ, id string) *Unit {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := key{typ, id}
	if b.units[k] == nil {
		b.units[k] = &Unit{typ: typ, id: id, book: b}
	}
	return b.units[k]
}

// now is the time since the book was begun: the cheaper half of time.Now.
func (b *Book) now() time.Duration { return time.Since(b.start) }

// namespace returns what events of a namespace are counted under, in a text of its own.
func (b *Book) namespace(name string) string {
	switch {
	case name == None:
		return None
	case !isNamespace(name):
		return Other
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.namespaces[name]; !ok {
		if len(b.namespaces) >= MaxNamespaces {
			return Other
		}
		b.namespaces[strings.Clone(name)] = struct{}{}
	}
	return strings.Clone(name)
}

// isNamespace says whether Kubernetes could have a namespace of this name: an RFC 1123 label.
func isNamespace(s string) bool {
	if len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// An Entry is what has become of events, of an input or of a namespace. All are events since podbeat started.
type Entry struct {
	Read        int64 `json:"read"`         // given by the input; of a namespace: come to libbeat
	Resumed     int64 `json:"resumed"`      // found in the disk buffer of an earlier process
	Filtered    int64 `json:"filtered"`     // dropped by a processor, as it is configured
	Acked       int64 `json:"acked"`        // delivered
	DeadLetters int64 `json:"dead_letters"` // refused by the output for good, and put aside
	Dropped     int64 `json:"dropped"`      // thrown away, as delivery: best-effort or non_indexable_policy.drop wants it
	Abandoned   int64 `json:"abandoned"`    // not taken, since podbeat or the input was stopping: read again later
	InFlight    int64 `json:"in_flight"`    // neither of these yet
}

// An Account is an Entry of an input.
type Account struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Entry
	Handing  int64 `json:"handing"`  // of those in flight: between the input and libbeat at this very moment
	Buffered int64 `json:"buffered"` // … in the memory of a delivery level
	Spilled  int64 `json:"spilled"`  // … in its disk buffer
	Pending  int64 `json:"pending"`  // … in libbeat's queue or output

	OldestSeconds float64 `json:"oldest_seconds"` // how long the oldest pending event has been so, 0 if there is none
	// Events read and resumed that are nowhere. It is 0, or there is a mistake in podbeat: less than 0 are events that
	// were counted twice.
	Difference int64 `json:"difference"`
}

// A Namespace is an Entry of a namespace. Resumed, and what a delivery level holds or drops, is not told by namespace.
type Namespace struct {
	Name string `json:"name"`
	Entry
}

// A Receipt is a whole book at a moment.
type Receipt struct {
	Since      time.Time   `json:"since"` // when the counts began
	At         time.Time   `json:"at"`
	AddsUp     bool        `json:"adds_up"`
	Total      Entry       `json:"total"`
	Difference int64       `json:"difference"`
	Inputs     []Account   `json:"inputs"`
	Namespaces []Namespace `json:"namespaces"`
}

// Receipt returns what the book has, the inputs by type and id, the namespaces by name.
func (b *Book) Receipt() Receipt {
	r := Receipt{Since: b.start, Inputs: []Account{}}
	for _, u := range b.list() {
		r.Inputs = append(r.Inputs, u.Account())
	}
	r.AddsUp = true
	for i := range r.Inputs {
		a := &r.Inputs[i]
		r.Total.add(&a.Entry)
		r.Difference += a.Difference
		r.AddsUp = r.AddsUp && a.Difference == 0
	}
	r.Namespaces = b.Namespaces()
	r.At = time.Now()
	return r
}

// Namespaces returns what has become of the events of each namespace, by name.
func (b *Book) Namespaces() []Namespace {
	all := map[string]*Entry{}
	for _, u := range b.list() {
		u.each(func(name string, part *Entry) {
			if all[name] == nil {
				all[name] = new(Entry)
			}
			all[name].add(part)
		})
	}
	list := make([]Namespace, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		e := all[name]
		e.Read = e.Filtered + e.Acked + e.DeadLetters + e.Dropped + e.Abandoned + e.InFlight
		if e.Read > 0 {
			list = append(list, Namespace{name, *e})
		}
	}
	return list
}

func (b *Book) list() []*Unit {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]*Unit, 0, len(b.units))
	for _, u := range b.units {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b *Unit) int { return cmp.Or(cmp.Compare(a.typ, b.typ), cmp.Compare(a.id, b.id)) })
	return list
}

func (e *Entry) add(o *Entry) {
	e.Read += o.Read
	e.Resumed += o.Resumed
	e.Filtered += o.Filtered
	e.Acked += o.Acked
	e.DeadLetters += o.DeadLetters
	e.Dropped += o.Dropped
	e.Abandoned += o.Abandoned
	e.InFlight += o.InFlight
}
