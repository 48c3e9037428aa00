package push

import "sync"

// maxRemembered is how many of the newest Idempotency-Keys are remembered.
const maxRemembered = 10_000

// remembered are the requests that came with an Idempotency-Key, so that one that is repeated waits for the first's
// acknowledgement instead of being sent again, whatever the output, and so that two different requests with one key,
// of which Elasticsearch would keep the first alone, are told apart.
type remembered struct {
	mu    sync.Mutex
	byKey map[string]*batch
	keys  [maxRemembered]string // in the order they came, in a ring
	next  int
}

// claim returns the batch that came first under key: b itself, or the one that b repeats. One that has failed is sent again;
// but once any entry of it has been taken the key is that body's alone, since another one's entries would have the same ids.
func (r *remembered) claim(key string, b *batch) *batch {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil {
		r.byKey = map[string]*batch{}
	}
	old := r.byKey[key]
	if old != nil {
		failed, begun := old.outcome()
		if !failed || begun && old.digest != b.digest {
			return old
		}
		b.begun = begun
	}
	r.byKey[key] = b
	if old == nil {
		delete(r.byKey, r.keys[r.next])
		r.keys[r.next] = key
		r.next = (r.next + 1) % maxRemembered
	}
	return b
}

// outcome says whether b was not delivered as a whole and never will be, and whether any of its entries has been taken, then or
// when the same body came before.
func (b *batch) outcome() (failed, begun bool) {
	select {
	case <-b.done:
		return b.failed != nil, b.begun || b.failed == nil || b.failed.entry > 0
	default:
		return false, true
	}
}
