package delivery

import (
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/prepared"
)

// A client is what the input has instead of libbeat's: it takes events into the buffer. Its outlet outlives it
// until libbeat has got them all.
type client struct {
	buffer *buffer
	outlet *outlet
	cfg    beat.ClientConfig // as the input gave it
	done   chan struct{}     // closed when closing begins
	once   sync.Once

	publishing sync.Mutex // events come in one order

	// Guarded by buffer.mu:
	coming    int     // calls of Publish that have room, and whose event is not pending yet
	pending   []*item // published and not reported, in order
	reporting bool    // somebody calls ACKEvents
	closed    bool
	idle      chan struct{} // if it is not nil: closed when nothing is pending
}

func newClient(b *buffer, o *outlet, cfg beat.ClientConfig) *client {
	c := &client{buffer: b, outlet: o, cfg: cfg, done: make(chan struct{})}
	b.mu.Lock()
	b.clients[c] = true
	c.closed = b.closing
	b.mu.Unlock()
	if e, ok := cfg.Events.(Bounder); ok && b.opts.Delivery != endToEnd {
		e.Bounded()
	}
	if cfg.CloseRef != nil {
		go func() { // ends with the client
			select {
			case <-cfg.CloseRef.Done():
				_ = c.Close()
			case <-c.done:
			}
		}()
	}
	return c
}

// PublishAll publishes events one after the other.
func (c *client) PublishAll(events []beat.Event) {
	for _, e := range events {
		c.Publish(e)
	}
}

// Publish puts an event into the buffer, and waits for room if its level does.
func (c *client) Publish(event beat.Event) {
	c.publishing.Lock()
	defer c.publishing.Unlock()
	prepared.Ordinary(&event) // it may come from a disk
	it := &item{event: event, client: c}
	c.weigh(it)
	if !c.buffer.reserve(it) {
		c.dropped(event)
		return
	}
	if h := c.cfg.ACKHandler; h != nil {
		h.AddEvent(event, true) // before it can be acknowledged
	}
	if !c.buffer.push(it) {
		c.dropped(event)
		return
	}
	if e := c.cfg.Events; e != nil {
		e.Published()
	}
}

// dropped tells the input that an event is not taken, since its client is closed.
func (c *client) dropped(event beat.Event) {
	c.buffer.figures.returned.Add(1)
	if e := c.cfg.Events; e != nil {
		e.DroppedOnPublish(event)
	}
}

// A Bounder is a beat.ClientEventer that itself bounds how much of its events is under way. If it waited for that, memory
// would not become full, and nothing would go to disk or be dropped.
type Bounder interface {
	// Bounded tells it, before the client is there, that its level does.
	Bounded()
}

// A Forgetter is a beat.ClientEventer that is told when an event which it was said to have published is forgotten: it was in
// memory when the input stopped, and comes only if the input reads it again. It is never acknowledged.
type Forgetter interface {
	// Forgot is called after the client is closed, and once or more. It must not call back.
	Forgot()
}

// forgot tells the input of one of its events that is forgotten. buffer.mu is held.
func (c *client) forgot() {
	if f, ok := c.cfg.Events.(Forgetter); ok {
		f.Forgot()
	}
}

// weigh finds out how large an item is. What may go to disk is encoded now: once libbeat has the event, processors change it.
func (c *client) weigh(it *item) {
	if c.buffer.spills() {
		it.at = time.Now()
		bytes, err := encode(&it.event)
		if err == nil {
			it.bytes, it.size = bytes, len(bytes)+overhead
			return
		}
		c.buffer.log.Errorf("An event of input %q stays in memory until it is delivered: %v", c.buffer.env.ID, err)
	}
	it.size = weight(it.event.Meta, 0) + weight(it.event.Fields, 0)
}

// weight is about how many bytes a value takes on disk.
func weight(v any, depth int) int {
	n := 8
	if depth > maxDepth {
		return n
	}
	switch v := v.(type) {
	case string:
		n = 2 + len(v)
	case []byte:
		n = 2 + len(v)
	case common.MapStr:
		for k, e := range v {
			n += len(k) + weight(e, depth+1)
		}
	case map[string]any:
		for k, e := range v {
			n += len(k) + weight(e, depth+1)
		}
	case []any:
		for _, e := range v {
			n += weight(e, depth+1)
		}
	case []string:
		for _, e := range v {
			n += 2 + len(e)
		}
	}
	return n
}

// report tells the input of the first of its events that are settled. One goroutine at a time does, so that it hears of
// them in order. c may be nil.
func (c *client) report() {
	if c == nil {
		return
	}
	b := c.buffer
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.reporting {
		return // the other one does it
	}
	c.reporting = true
	for {
		n := 0
		for n < len(c.pending) && c.pending[n].settled {
			c.pending[n] = nil
			n++
		}
		if n == 0 {
			break
		}
		if c.pending = c.pending[n:]; len(c.pending) == 0 {
			c.pending = nil
		}
		if h := c.cfg.ACKHandler; h != nil {
			b.mu.Unlock()
			h.ACKEvents(n)
			b.mu.Lock()
		}
	}
	c.reporting = false
	if c.idle != nil && len(c.pending) == 0 && c.coming == 0 {
		close(c.idle)
		c.idle = nil
	}
}

func report(clients []*client) {
	for _, c := range clients {
		c.report()
	}
}

// Close waits until the client's events are settled, for WaitClose at most.
func (c *client) Close() error {
	c.once.Do(func() {
		close(c.done)
		c.shut()
		if c.cfg.Events != nil {
			c.cfg.Events.Closing()
		}
		if c.cfg.WaitClose > 0 {
			c.await()
		}
		if c.cfg.ACKHandler != nil {
			c.cfg.ACKHandler.Close()
		}
		b := c.buffer
		b.mu.Lock()
		delete(b.clients, c)
		if c.outlet.orphan = true; c.outlet.queued == 0 {
			b.retire(c.outlet)
		}
		b.mu.Unlock()
		if c.cfg.Events != nil {
			c.cfg.Events.Closed()
		}
	})
	return nil
}

// shut has Publish take nothing more.
func (c *client) shut() {
	c.buffer.mu.Lock()
	defer c.buffer.mu.Unlock()
	c.closed = true
	c.buffer.room.Broadcast()
}

func (c *client) await() {
	b, idle := c.buffer, make(chan struct{})
	b.mu.Lock()
	if len(c.pending) == 0 && c.coming == 0 && !c.reporting {
		b.mu.Unlock()
		return
	}
	c.idle = idle
	b.flushing++ // while the output fails, what is pending goes to disk now
	b.mu.Unlock()
	b.wakeSpiller()
	timeout := time.NewTimer(c.cfg.WaitClose)
	defer timeout.Stop()
	select {
	case <-idle:
	case <-b.done:
	case <-timeout.C:
	}
	b.mu.Lock()
	c.idle = nil
	b.flushing--
	b.mu.Unlock()
}
