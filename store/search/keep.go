package search

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"sync"
	"time"
)

// A Keeper keeps what searches come back to: points in time and scrolls. Each holds its views until it is dropped or
// has not been used for as long as it was asked to be kept.
type Keeper struct {
	limit int

	mu     sync.Mutex
	kept   map[string]*Kept
	timer  *time.Timer
	closed bool
}

// MaxKeep is the longest time that something is kept, as search.max_keep_alive is.
const MaxKeep = 24 * time.Hour

// NewKeeper returns a Keeper of at most so many points in time and scrolls. It must be closed.
func NewKeeper(limit int) *Keeper {
	return &Keeper{limit: limit, kept: make(map[string]*Kept)}
}

// Kept is a point in time or a scroll. Done must be called when a request no longer uses it.
type Kept struct {
	Indices []Index

	keeper  *Keeper
	users   int
	gone    bool
	expires time.Time
	keep    time.Duration

	scrolling sync.Mutex
	request   *Request // of a scroll
	from      *hit     // the last hit that was given
	total     int64    // hits, once they were counted
	over      bool
	paged     bool // the first hits were given
}

// Open keeps indices, whose views are the Keeper's from then on, whatever it returns. r is the search of a scroll, nil
// for a point in time.
func (k *Keeper) Open(indices []Index, keep time.Duration, r *Request) (id string, err error) {
	e := &Kept{Indices: indices, keeper: k, keep: keep, expires: time.Now().Add(keep), request: r}
	defer func() {
		if err != nil {
			e.release()
		}
	}()
	if keep <= 0 || keep > MaxKeep {
		return "", illegal("cannot keep it for %s: at most %s, and more than nothing", keep, MaxKeep)
	}
	if r != nil {
		if err := scrollable(r); err != nil {
			return "", err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || len(k.kept) >= k.limit {
		return "", &Error{Type: "circuit_breaking_exception", Reason: fmt.Sprintf("Trying to create too many scroll contexts or points in time. Must be less than or equal to: [%d].", k.limit)}
	}
	id = rand.Text() + rand.Text()
	k.kept[id] = e
	k.wake()
	return id, nil
}

func scrollable(r *Request) error {
	switch {
	case r.From > 0:
		return &Error{Type: "action_request_validation_exception", Reason: "Validation Failed: 1: using [from] is not allowed in a scroll context;"}
	case r.Size == 0:
		return &Error{Type: "action_request_validation_exception", Reason: "Validation Failed: 1: [size] cannot be [0] in a scroll context;"}
	case len(r.After) > 0:
		return illegal("`search_after` cannot be used in a scroll context.")
	case r.PIT != "":
		return illegal("using [point in time] is not allowed in a scroll context")
	case r.trackAsked && r.TrackTotal != exact:
		return &Error{Type: "action_request_validation_exception", Reason: "Validation Failed: 1: disabling [track_total_hits] is not allowed in a scroll context;"}
	}
	r.TrackTotal = exact
	return nil
}

// Use returns the point in time that was kept under an id, and keeps it longer: for as long as keep, or with 0 as
// before. ok is false when there is none.
func (k *Keeper) Use(id string, keep time.Duration) (kept *Kept, ok bool) {
	return k.use(id, keep, false)
}

func (k *Keeper) use(id string, keep time.Duration, scroll bool) (kept *Kept, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.kept[id]
	if e == nil || (e.request != nil) != scroll {
		return nil, false
	}
	if keep > 0 {
		e.keep = min(keep, MaxKeep)
	}
	e.users++
	e.expires = time.Now().Add(e.keep)
	return e, true
}

// Done ends a use.
func (e *Kept) Done() {
	e.keeper.mu.Lock()
	e.users--
	e.expires = time.Now().Add(e.keep)
	last := e.users == 0 && e.gone
	e.keeper.mu.Unlock()
	if last {
		e.release()
	}
}

func (e *Kept) release() {
	for _, ix := range e.Indices {
		if ix.View != nil {
			ix.View.Release()
		}
	}
}

// Drop ends the keeping under an id, of a scroll or of a point in time, and gives its indices; ok is false when there
// is none.
func (k *Keeper) Drop(id string, scroll bool) (indices int, ok bool) {
	k.mu.Lock()
	e := k.kept[id]
	if e == nil || (e.request != nil) != scroll {
		k.mu.Unlock()
		return 0, false
	}
	free := k.drop(id)
	k.mu.Unlock()
	if free {
		e.release()
	}
	return len(e.Indices), true
}

// drop takes an entry out; free says that its views are to be released now. k.mu is held.
func (k *Keeper) drop(id string) (free bool) {
	e := k.kept[id]
	if e == nil {
		return false
	}
	delete(k.kept, id)
	e.gone = true
	return e.users == 0
}

// DropScrolls ends all scrolls, and says how many there were.
func (k *Keeper) DropScrolls() int {
	return k.dropAll(func(e *Kept) bool { return e.request != nil })
}

func (k *Keeper) dropAll(which func(*Kept) bool) int {
	var free []*Kept
	n := 0
	k.mu.Lock()
	for id, e := range k.kept {
		if which(e) {
			n++
			if k.drop(id) {
				free = append(free, e)
			}
		}
	}
	k.mu.Unlock()
	for _, e := range free {
		e.release()
	}
	return n
}

// wake sets the timer for the entry that expires first. k.mu is held.
func (k *Keeper) wake() {
	next := time.Duration(math.MaxInt64)
	for _, e := range k.kept {
		next = min(next, time.Until(e.expires))
	}
	if k.timer != nil {
		k.timer.Stop()
	}
	if len(k.kept) > 0 && !k.closed {
		k.timer = time.AfterFunc(max(next, 10*time.Millisecond), k.expire)
	}
}

// expire drops what nobody uses and has expired.
func (k *Keeper) expire() {
	now := time.Now()
	k.dropAll(func(e *Kept) bool { return e.users == 0 && now.After(e.expires) })
	k.mu.Lock()
	k.wake()
	k.mu.Unlock()
}

// Len is how many are kept.
func (k *Keeper) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.kept)
}

// Close drops everything. What is being used is released when it is done with.
func (k *Keeper) Close() {
	k.mu.Lock()
	k.closed = true
	if k.timer != nil {
		k.timer.Stop()
	}
	k.mu.Unlock()
	k.dropAll(func(*Kept) bool { return true })
}

// Scroll gives the next hits of a scroll, which is in use until the response is closed. An error of type *[Error] is answered with its [Status].
func (k *Keeper) Scroll(ctx context.Context, id string, keep time.Duration, now time.Time) (*Response, error) {
	e, ok := k.use(id, keep, true)
	if !ok {
		return nil, &Error{Type: "search_context_missing_exception", Reason: "No search context found for id [" + clip(id) + "]"}
	}
	e.scrolling.Lock()
	done := func() {
		e.scrolling.Unlock()
		e.Done()
	}
	r := *e.request
	if e.over {
		r.Size = 0
	}
	r.resume = e.from
	if e.paged { // the first answer had the rest
		r.Aggregations, r.counted = nil, &e.total
	}
	response, err := Run(ctx, e.Indices, &r, now)
	if err != nil {
		done()
		return nil, err
	}
	response.OnClose(done)
	response.ScrollID = id
	e.total, e.paged = response.Total, true
	if response.last != nil {
		e.from = response.last
	} else {
		e.over = true
	}
	return response, nil
}
