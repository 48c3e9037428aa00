package source

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A ledger answers as a set does that is searched from end to end.
func TestLedger(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var l ledger
	here := map[entry]bool{} // those known; false: gone
	some := func(n int) []entry {
		entries := make([]entry, random.IntN(n))
		for i := range entries {
			entries[i] = entry{random.Int64N(60) - 10, uint64(random.IntN(8))}
		}
		return entries
	}
	count := func(from, to int64) (n int64) {
		for e, is := range here {
			if is && from <= e.at && e.at < to {
				n++
			}
		}
		return n
	}
	for step := range 3000 {
		switch step % 6 {
		case 0, 1:
			more := some(20)
			for _, e := range more {
				if _, known := here[e]; !known {
					here[e] = true
				}
			}
			l.add(more)
		case 2:
			from, to, left := random.Int64N(60)-10, random.Int64N(60)-10, some(100)
			for e := range here {
				if from <= e.at && e.at < to {
					here[e] = false
				}
			}
			for _, e := range left {
				if _, known := here[e]; known && from <= e.at && e.at < to {
					here[e] = true
				}
			}
			for e, is := range here { // one that is left is only here again when it is asked for
				if is && from <= e.at && e.at < to {
					l.has(e)
				}
			}
			l.leave(from, to, left)
		case 3:
			for _, e := range some(5) {
				_, known := here[e]
				if l.has(e) != known {
					t.Fatalf("step %d: %v is known: %v", step, e, !known)
				}
				if known {
					here[e] = true
				}
			}
		case 4:
			if step%300 == 4 {
				before := random.Int64N(20)
				l.trim(before)
				for e := range here {
					if e.at < before && len(span(l.known, e.at, e.at+1)) == 0 {
						delete(here, e)
					}
				}
			}
		}
		from, to := random.Int64N(70)-15, random.Int64N(70)-15
		if got, want := l.count(from, to), count(from, to); got != want {
			t.Fatalf("step %d: [%d, %d) has %d, want %d: %v", step, from, to, got, want, fmt.Sprint(l))
		}
	}
	if len(here) < 100 || len(l.gone) == 0 {
		t.Errorf("%d are known, %d gone", len(here), len(l.gone))
	}
}
