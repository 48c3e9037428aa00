package access

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Limits bound what those can do who try passwords and tokens. Only attempts that fail count.
type Limits struct {
	// Failed logins from one address (of IPv6: from one /64) before it has to wait.
	AddressBurst int `config:"address_burst" default:"20"`
	// How long it takes until one more is allowed.
	AddressEvery time.Duration `config:"address_every" default:"3s"`
	// Failed logins to one account, from all addresses that nobody has logged in to it from lately, before they have to wait.
	AccountBurst int `config:"account_burst" default:"10"`
	// How long it takes until one more is allowed.
	AccountEvery time.Duration `config:"account_every" default:"15s"`
	// Refused root tokens, and refused requests for access, from one address before it has to wait.
	TokenBurst int `config:"token_burst" default:"300"`
	// How long it takes until one more is allowed.
	TokenEvery time.Duration `config:"token_every" default:"200ms"`
	// Passwords that are checked at once. Each check takes 19 MiB (at most 64 MiB, if users.yml says so) and a core.
	Checks int `config:"checks" default:"4"`
	// Logins that wait for that. Beyond it the answer is 503.
	Waiting int `config:"waiting" default:"64"`
	// Most addresses and accounts that are remembered, of each kind. Beyond it those are forgotten that have been quiet for longest.
	Remembered int `config:"remembered" default:"20000"`
}

// Validate says which limit means nothing.
func (l *Limits) Validate() error {
	var errs []error
	for _, n := range []struct {
		option    string
		got, most int
	}{{"address_burst", l.AddressBurst, 1e6}, {"account_burst", l.AccountBurst, 1e6}, {"token_burst", l.TokenBurst, 1e6},
		{"checks", l.Checks, 64}, {"waiting", l.Waiting, 1e5}, {"remembered", l.Remembered, 1e6}} {
		if n.got < 1 || n.got > n.most {
			errs = append(errs, fmt.Errorf("cannot use %s %d: want 1 to %d", n.option, n.got, n.most))
		}
	}
	for _, d := range []struct {
		option string
		got    time.Duration
	}{{"address_every", l.AddressEvery}, {"account_every", l.AccountEvery}, {"token_every", l.TokenEvery}} {
		if d.got < time.Millisecond || d.got > time.Hour {
			errs = append(errs, fmt.Errorf("cannot use %s %v: want 1ms to 1h", d.option, d.got))
		}
	}
	return errors.Join(errs...)
}

// buckets count failures by name: each name may fail burst times at first, and once more every so often. The names that were used least
// recently are forgotten when there are too many.
type buckets struct {
	burst float64
	every time.Duration
	most  int

	mu     sync.Mutex
	byName map[string]*list.Element
	recent list.List // of *bucket, the most recently used first
}

type bucket struct {
	name string
	left float64   // failures; below zero if several were on their way at once
	at   time.Time // when so many were left
}

func newBuckets(burst int, every time.Duration, most int) *buckets {
	return &buckets{burst: float64(burst), every: every, most: most, byName: map[string]*list.Element{}}
}

// wait is how long name has to wait until it may try.
func (b *buckets) wait(name string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.find(name, now, false)
	if one == nil || one.left >= 1 {
		return 0
	}
	return max(time.Duration((1-one.left)*float64(b.every)), 1)
}

// fail says that name has failed.
func (b *buckets) fail(name string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.find(name, now, true).left--
}

// know remembers name; has says whether it is remembered.
func (b *buckets) know(name string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.find(name, now, true)
}

func (b *buckets) has(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byName[name] != nil
}

// find returns name's bucket at now; if there is none, a full one if it may make it. b is locked.
func (b *buckets) find(name string, now time.Time, make bool) *bucket {
	place := b.byName[name]
	if place == nil {
		if !make {
			return nil
		}
		if b.recent.Len() >= b.most {
			last := b.recent.Back()
			delete(b.byName, last.Value.(*bucket).name)
			b.recent.Remove(last)
		}
		place = b.recent.PushFront(&bucket{name: name, left: b.burst, at: now})
		b.byName[name] = place
	}
	b.recent.MoveToFront(place)
	one := place.Value.(*bucket)
	if passed := now.Sub(one.at); passed > 0 {
		one.left = min(one.left+float64(passed)/float64(b.every), b.burst)
		one.at = now
	}
	return one
}

// places bound how many hashes are made at once, and how many wait for it.
type places struct {
	busy chan struct{}
	all  chan struct{} // those that are busy and those that wait
}

func newPlaces(busy, waiting int) places {
	return places{make(chan struct{}, busy), make(chan struct{}, busy+waiting)}
}

// patience is how long a login waits for a place.
const patience = 10 * time.Second

// enter waits for a place, which leave gives back; or says that there is none in time.
func (p places) enter(ctx context.Context) bool {
	select {
	case p.all <- struct{}{}:
	default:
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case p.busy <- struct{}{}:
		return true
	case <-ctx.Done():
		<-p.all
		return false
	}
}

func (p places) leave() {
	<-p.busy
	<-p.all
}

// addressName is what an address is limited under: an IPv6 customer has at least a /64.
func addressName(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		prefix, _ := a.Prefix(64) // of a valid address there is one
		return prefix.String()
	}
	return a.String()
}
