package store

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/store/block"
)

// A View is the documents of an index at one moment. It stays what it is while the index is written to, merged and deleted, and keeps
// the disk space of what it sees, so it has to be released. It may be used by several goroutines.
type View struct {
	ix     *index
	parts  []viewPart // the newest first
	once   sync.Once
	blocks []*stored
}

// viewPart is a block, or a chunk of the tail.
type viewPart struct {
	low, high int64
	live      int
	block     *stored
	dead      *block.Bitmap // of block
	chunk     *chunk
	docs      []block.Doc // of chunk
	deadRows  []int32     // of chunk
}

// View gives what is in an index now.
func (s *Store) View(name string) (*View, error) {
	ix, err := s.acquire(name)
	if err != nil {
		return nil, err
	}
	v := &View{ix: ix}
	ix.state.Lock()
	for _, b := range ix.blocks {
		b.refs++
		v.blocks = append(v.blocks, b)
		v.parts = append(v.parts, viewPart{low: b.low, high: b.high, live: b.rows - b.deadN, block: b, dead: b.dead})
	}
	for _, c := range ix.chunks {
		n := len(c.docs)
		v.parts = append(v.parts, viewPart{low: c.low, high: c.high, live: n - len(c.dead), chunk: c, docs: c.docs[:n:n], deadRows: c.dead})
	}
	ix.state.Unlock()
	v.parts = slices.DeleteFunc(v.parts, func(p viewPart) bool { return p.live == 0 })
	slices.SortStableFunc(v.parts, func(a, b viewPart) int { return cmp.Compare(b.high, a.high) })
	return v, nil
}

// Release ends the use of the view.
func (v *View) Release() {
	v.once.Do(func() {
		v.ix.state.Lock()
		freed := false
		for _, b := range v.blocks {
			b.refs--
			freed = freed || b.refs == 0 && b.replaced
		}
		v.ix.state.Unlock()
		if freed {
			v.ix.store.nudge()
		}
		v.ix.store.release(v.ix)
	})
}

// Index is the name of the index.
func (v *View) Index() string { return v.ix.name }

// Len is the number of documents.
func (v *View) Len() int {
	n := 0
	for _, p := range v.parts {
		n += p.live
	}
	return n
}

// Times are the earliest and the latest time of the documents, those that are deleted but still take space among them; both 0 without
// documents.
func (v *View) Times() (earliest, latest int64) {
	for i, p := range v.parts {
		if i == 0 || p.low < earliest {
			earliest = p.low
		}
		if i == 0 || p.high > latest {
			latest = p.high
		}
	}
	return earliest, latest
}

// Segments gives the segments with documents between two times, both included, in nanoseconds since 1970: those whose latest document is the
// newest first. They may overlap. A segment's Err is to be asked for when the search is done.
func (v *View) Segments(from, to int64) ([]*block.Segment, error) {
	var parts []viewPart
	for _, p := range v.parts {
		if p.high >= from && p.low <= to {
			parts = append(parts, p)
		}
	}
	// Most are open already; where they are not, half of the time of a search may be for this.
	all, errs := make([]*block.Segment, len(parts)), make([]error, len(parts))
	var opening sync.WaitGroup
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(parts)) {
		opening.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(parts); i = int(next.Add(1)) - 1 {
				all[i], errs[i] = parts[i].open(v.ix)
			}
		})
	}
	opening.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("cannot read index %s: %w", v.ix.name, err)
		}
	}
	return all, nil
}

func (p viewPart) open(ix *index) (*block.Segment, error) {
	if p.block == nil {
		return p.chunk.open(p.docs, p.deadRows)
	}
	segment, err := p.block.open(ix)
	if err != nil {
		return nil, err
	}
	return segment.Without(p.dead), nil
}

// cache bounds how much memory the blocks that were read take.
type cache struct {
	limit   int64
	since   atomic.Int64 // bytes loaded since the last look
	looking sync.Mutex
}

// loaded notes that something was read, and looks at the whole now and then.
func (c *cache) loaded(s *Store, n int) {
	// What is loaded becomes a few times larger.
	if c.since.Add(int64(n)) < c.limit/32 || !c.looking.TryLock() {
		return
	}
	c.since.Store(0)
	// Not here: the caller may hold what is needed to look.
	go func() {
		defer c.looking.Unlock()
		c.trim(s)
	}()
}

// trim lets go of the blocks that were not used for longest, until the rest is within the limit.
func (c *cache) trim(s *Store) {
	type held struct {
		segment *block.Segment
		used    time.Time
		size    int64
	}
	var all []held
	total := int64(0)
	for _, ix := range s.opened() {
		ix.state.RLock()
		for _, b := range slices.Concat(ix.blocks, ix.gone) {
			// A block that is being opened is in use.
			if !b.mu.TryLock() {
				continue
			}
			if b.segment != nil {
				h := held{b.segment, b.segment.Used(), b.segment.Size()}
				all = append(all, h)
				total += h.size
			}
			b.mu.Unlock()
		}
		ix.state.RUnlock()
	}
	slices.SortFunc(all, func(a, b held) int { return a.used.Compare(b.used) })
	for _, h := range all {
		if total <= c.limit*3/4 {
			return
		}
		h.segment.Trim()
		total -= h.size - h.segment.Size()
	}
}

// opened are the indices in memory.
func (s *Store) opened() []*index {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*index, 0, len(s.indices))
	for _, ix := range s.indices {
		all = append(all, ix)
	}
	return all
}
