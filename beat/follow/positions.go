package follow

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
)

// positions keeps the records of an input's contents in the registry.
type positions struct {
	store   *statestore.Store
	prefix  string
	log     *logp.Logger
	metrics *metrics
	done    chan struct{} // ends write
	stopped chan struct{}

	// puts is held from the look at a record until it is in the store, or out of it: none may overtake a newer one.
	puts sync.Mutex

	mu    sync.Mutex
	dirty []*content
}

// writeEvery bounds how often positions are written: a crash sends again what came in between,
// which Elasticsearch knows by its ids.
const writeEvery = 100 * time.Millisecond

// openPositions opens the records below prefix. Its owner calls close.
func openPositions(from Store, prefix string, log *logp.Logger, m *metrics) (*positions, error) {
	store, err := from.Access()
	if err != nil {
		return nil, fmt.Errorf("cannot open the registry: %w", err)
	}
	p := &positions{store: store, prefix: prefix, log: log, metrics: m, done: make(chan struct{}), stopped: make(chan struct{})}
	go p.write()
	return p, nil
}

// load returns the records there are.
func (p *positions) load() ([]record, error) {
	var all []record
	err := p.store.Each(func(key string, v statestore.ValueDecoder) (bool, error) {
		file, ours := strings.CutPrefix(key, p.prefix)
		if !ours {
			return true, nil
		}
		var rec record
		if err := v.Decode(&rec); err != nil {
			return false, fmt.Errorf("cannot read position %q from the registry: %w", key, err)
		}
		rec.Key = file
		all = append(all, rec)
		return true, nil
	})
	return all, err
}

// set writes the record of c at once: before the first event of a content is sent, its id must be
// known to the next start.
func (p *positions) set(c *content) {
	p.puts.Lock()
	defer p.puts.Unlock()
	c.mu.Lock()
	rec := c.delivered()
	c.dirty = false
	c.mu.Unlock()
	p.put(rec)
}

// put stores a record. Its caller holds p.puts.
func (p *positions) put(rec record) {
	rec.Updated = time.Now().UnixMicro()
	if err := p.store.Set(p.prefix+rec.Key, rec); err != nil {
		p.metrics.errors.Inc()
		p.log.Errorf("Cannot store the position in %s; after a restart events are sent again: %v", rec.Path, err)
	}
}

// move puts the record of c under another key.
func (p *positions) move(c *content, key string) {
	c.mu.Lock()
	old := c.rec.Key
	c.rec.Key = key
	c.mu.Unlock()
	p.set(c)
	if old != key {
		p.remove(old)
	}
}

// renamed notes the name of the file that holds c.
func (p *positions) renamed(c *content, path string) {
	if c.rec.Path == path {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rec.Path = path
	p.changed(c)
}

// changed has c written with the next round. Its caller holds c.mu.
func (p *positions) changed(c *content) {
	if !c.dirty {
		c.dirty = true
		p.mu.Lock()
		p.dirty = append(p.dirty, c)
		p.mu.Unlock()
	}
}

// settle stores pos for c, which no message will come for, if none is on its way.
func (p *positions) settle(c *content, pos int64, before fingerprint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight > 0 || c.rec.Done == pos && c.rec.Resume == pos {
		return
	}
	c.rec.Resume, c.rec.Done, c.rec.Window, c.rec.Size = pos, pos, before.sum(), max(c.rec.Size, pos)
	c.last.resume, c.last.end, c.last.window = pos, pos, before
	p.changed(c)
}

func (p *positions) remove(key string) {
	p.puts.Lock()
	defer p.puts.Unlock()
	p.take(key)
}

// take takes a record out of the store. Its caller holds p.puts.
func (p *positions) take(key string) {
	if err := p.store.Remove(p.prefix + key); err != nil {
		p.metrics.errors.Inc()
		p.log.Errorf("Cannot remove a position from the registry: %v", err)
	}
}

// end forgets c once all its events are acknowledged.
func (p *positions) end(c *content) {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	p.forget(c)
}

// forget removes the record of c if it has ended, and not begun again meanwhile, and all its events are acknowledged.
func (p *positions) forget(c *content) {
	p.puts.Lock()
	defer p.puts.Unlock()
	c.mu.Lock()
	over, key := c.ended && c.inFlight == 0, c.rec.Key
	c.mu.Unlock()
	if over {
		p.take(key)
	}
}

// acker hears of acknowledged events; those that a processor dropped count as acknowledged.
func (p *positions) acker() beat.ACKer {
	return acker.EventPrivateReporter(func(_ int, private []any) {
		p.metrics.acked.Add(uint64(len(private)))
		for len(private) > 0 {
			n := together(private)
			if m, ok := private[n-1].(*sent); ok {
				p.acked(m.mark, n)
			}
			private = private[n:]
		}
	})
}

// together returns how many of the first events are of the same content.
func together(private []any) int {
	first, ok := private[0].(*sent)
	if !ok {
		return 1
	}
	for n, v := range private {
		if m, ok := v.(*sent); !ok || m.content != first.content {
			return n
		}
	}
	return len(private)
}

// acked is told that the n oldest events of a content have left for good, the last of which was m.
func (p *positions) acked(m mark, n int) {
	c := m.content
	c.mu.Lock()
	c.inFlight -= n
	if n <= c.older {
		m = m.upTo(c.end)
	}
	c.older = max(0, c.older-n)
	c.rec.Resume, c.rec.Done, c.rec.Window = m.resume, m.end, m.window.sum()
	over := c.ended && c.inFlight == 0
	p.changed(c)
	later := c.later
	if !c.awaited() {
		c.later = nil // it was the last time: the next run need not be remembered
	}
	c.mu.Unlock()
	if over {
		p.forget(c)
	}
	if later != nil {
		later()
	}
}

// touch has c written, of which an earlier run's events have been acknowledged.
func (p *positions) touch(c *content) {
	c.mu.Lock()
	p.changed(c)
	later := c.later
	c.mu.Unlock()
	if later != nil {
		later()
	}
}

// write stores what has changed, at most every writeEvery, and never for more than a tenth of the time.
func (p *positions) write() {
	defer close(p.stopped)
	wait := time.NewTimer(writeEvery)
	defer wait.Stop()
	for {
		select {
		case <-p.done:
			p.flush()
			return
		case <-wait.C:
			began := time.Now()
			p.flush()
			wait.Reset(max(writeEvery, 9*time.Since(began)))
		}
	}
}

func (p *positions) flush() {
	p.mu.Lock()
	list := p.dirty
	p.dirty = nil
	p.mu.Unlock()
	for _, c := range list {
		p.refresh(c)
	}
}

// refresh stores the record of c if it has changed.
func (p *positions) refresh(c *content) {
	p.puts.Lock()
	defer p.puts.Unlock()
	c.mu.Lock()
	rec, write := c.delivered(), c.dirty && !c.ended
	c.dirty = false
	c.mu.Unlock()
	if write {
		p.put(rec)
	}
}

// close stores what is acknowledged by now.
func (p *positions) close() {
	close(p.done)
	<-p.stopped
	p.store.Close()
}
