package access

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/option"
)

func TestBuckets(t *testing.T) {
	now := time.Now()
	b := newBuckets(3, time.Second, 100)
	wait := func(name string, at, want time.Duration) {
		t.Helper()
		if got := b.wait(name, now.Add(at)).Round(time.Millisecond); got != want {
			t.Errorf("%s at %v: got %v, want %v", name, at, got, want)
		}
	}
	fail := func(name string, at time.Duration) { b.fail(name, now.Add(at)) }
	wait("a", 0, 0)
	fail("a", 0)
	fail("a", 0)
	wait("a", 0, 0)
	fail("a", 0)
	wait("a", 0, time.Second)
	wait("a", 0, time.Second) // asking costs nothing
	wait("b", 0, 0)
	wait("a", 400*time.Millisecond, 600*time.Millisecond)
	wait("a", time.Second, 0)
	fail("a", time.Second)
	wait("a", time.Second, time.Second)
	wait("a", 0, time.Second) // a clock that was set back
	wait("a", time.Hour, 0)
	for range 3 {
		fail("a", time.Hour)
	}
	wait("a", time.Hour, time.Second) // an hour saves up no more than the burst
	fail("a", time.Hour)              // several were on their way
	wait("a", time.Hour, 2*time.Second)
}

func TestBucketsForget(t *testing.T) {
	now := time.Now()
	b := newBuckets(1, time.Hour, 1000)
	b.fail("victim", now)
	for i := range 100_000 {
		b.fail(fmt.Sprint(i), now)
		if i%900 == 0 {
			b.wait("victim", now) // it is still being tried
		}
	}
	if len(b.byName) != 1000 || b.recent.Len() != 1000 {
		t.Errorf("%d names are remembered, in a list of %d", len(b.byName), b.recent.Len())
	}
	if b.wait("victim", now) == 0 || b.wait("0", now) != 0 {
		t.Error("it is not the names used least recently that are forgotten")
	}
}

// However attempts are spread, no more of them fail in any time than the burst and what it lets through.
func TestBucketsBound(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		b := newBuckets(1+random.IntN(10), time.Second, 10)
		at, failed := time.Now(), 0
		start := at
		for range 2000 {
			at = at.Add(time.Duration(random.IntN(300)) * time.Millisecond)
			if b.wait("a", at) == 0 {
				b.fail("a", at)
				failed++
			}
		}
		if most := int(b.burst) + int(at.Sub(start)/time.Second) + 1; failed > most || failed < most*3/4 {
			t.Errorf("%d failed, want about %d", failed, most)
		}
	}
}

func TestPlaces(t *testing.T) {
	p := newPlaces(1, 2)
	ctx, cancel := context.WithCancel(context.Background())
	if !p.enter(ctx) {
		t.Fatal("there is no place")
	}
	got := make(chan bool)
	for range 2 {
		go func() { got <- p.enter(ctx) }()
	}
	for len(p.all) < 3 {
		time.Sleep(time.Millisecond) // until both wait
	}
	if p.enter(context.Background()) {
		t.Error("more wait than may")
	}
	p.leave()
	if !<-got {
		t.Error("nobody took the place that was left")
	}
	cancel()
	if <-got {
		t.Error("there are two places")
	}
	p.leave()
	if len(p.all)+len(p.busy) != 0 || !p.enter(context.Background()) {
		t.Error("a place is lost")
	}
}

func TestAddressName(t *testing.T) {
	f := func(address, want string) {
		t.Helper()
		if got := addressName(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
	f("192.0.2.1", "192.0.2.1")
	f("::ffff:192.0.2.1", "192.0.2.1")
	f("2001:db8::1", "2001:db8::/64")
	f("2001:db8::ffff:1", "2001:db8::/64")
	f("2001:db8:0:1::1", "2001:db8:0:1::/64")
	f("fe80::1%eth0", "fe80::/64")
	if got := addressName(netip.Addr{}); got != "invalid IP" {
		t.Errorf("got %s", got)
	}
}

func TestLimits(t *testing.T) {
	f := func(values map[string]any, want string) {
		t.Helper()
		var l Limits
		err := option.Unpack(option.From(values), &l, "limits")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: got error %v, want %q", values, err, want)
		}
	}
	f(nil, "")
	f(map[string]any{"address_burst": 1, "account_every": "1h"}, "")
	f(map[string]any{"address_burst": 0}, "cannot use address_burst 0: want 1 to 1000000")
	f(map[string]any{"checks": 65}, "cannot use checks 65")
	f(map[string]any{"waiting": -1}, "cannot use waiting -1")
	f(map[string]any{"account_every": "0s"}, "cannot use account_every 0s")
	f(map[string]any{"token_every": "2h"}, "cannot use token_every 2h0m0s")
	f(map[string]any{"acount_burst": 1}, `did you mean "account_burst"`)
}
