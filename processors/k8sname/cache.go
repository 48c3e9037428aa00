package k8sname

import (
	"sync"
	"sync/atomic"

	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// A verdict is all that a name on a host means for an event. It never changes once it is made.
type verdict struct {
	fields  *tree
	index   any  // the index without the day, boxed; nil if there is none to set
	static  bool // the name is one of hosts_as_static
	failed  bool // the name is in no known form
	counter *monitoring.Uint
}

type key struct{ name, host string }

// A cache keeps a bounded number of verdicts. What was not asked for since the clock's hand came
// by last goes first, so a flood of new names does not push out those in use.
type cache struct {
	mu   sync.RWMutex
	max  int
	seen map[key]*slot
	ring []*slot
	hand int
}

type slot struct {
	key
	used atomic.Bool
	*verdict
}

func newCache(max int) *cache { return &cache{max: max, seen: make(map[key]*slot)} }

func (c *cache) get(k key) *verdict {
	c.mu.RLock()
	s := c.seen[k]
	c.mu.RUnlock()
	if s == nil {
		return nil
	}
	if !s.used.Load() {
		s.used.Store(true)
	}
	return s.verdict
}

// put keeps v. The texts in k must be the cache's own, not parts of a larger buffer.
func (c *cache) put(k key, v *verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen[k] != nil {
		return
	}
	s := &slot{key: k, verdict: v}
	if len(c.ring) < c.max {
		c.ring = append(c.ring, s)
	} else {
		for c.ring[c.hand].used.Swap(false) {
			c.hand = (c.hand + 1) % c.max
		}
		delete(c.seen, c.ring[c.hand].key)
		c.ring[c.hand] = s
		c.hand = (c.hand + 1) % c.max
	}
	c.seen[k] = s
}
