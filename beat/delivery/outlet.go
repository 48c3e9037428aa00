package delivery

import (
	"fmt"

	"github.com/elastic/beats/v7/libbeat/beat"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// An outlet is libbeat's client for one of the input's. The pump publishes; libbeat answers it as beat.ACKer and
// beat.ClientEventer.
type outlet struct {
	buffer *buffer
	client beat.Client

	// Of the pump:
	current                 *item // being published
	handing, added, refused bool

	// Guarded by buffer.mu:
	flight []*item // libbeat has, in order
	size   int     // of them
	queued int     // in memory, or being published
	orphan bool    // the input has closed its client
	dead   bool    // libbeat takes nothing more
}

// publish gives an item to libbeat, which may take for ever; false: it has not taken it.
func (o *outlet) publish(it *item) bool {
	o.current, o.handing, o.added, o.refused = it, true, false, false
	event := it.event
	if deadletter.TakesBack(&event) {
		event.Private = nil // its input has let go of it: one that comes back is taken for the end of the client, and tried for ever
	}
	o.client.Publish(event)
	o.current = nil
	o.handed()
	if !o.refused {
		it.event = beat.Event{}
		if it.client == nil {
			o.buffer.figures.drained.Add(1)
		}
	}
	return !o.refused
}

// handed takes note that libbeat has counted the event at hand.
func (o *outlet) handed() {
	if o.handing {
		o.handing = false
		o.buffer.figures.handing.Add(-1)
	}
}

// AddEvent is beat.ACKer's: libbeat is about to queue the event at hand, or a processor has dropped it.
func (o *outlet) AddEvent(_ beat.Event, published bool) {
	if o.added || o.current == nil {
		return
	}
	o.added = true
	o.handed()
	b := o.buffer
	b.mu.Lock()
	if published {
		o.flight = append(o.flight, o.current)
		o.size += o.current.size
		b.mu.Unlock()
		return
	}
	c := b.leave(o.current)
	b.mu.Unlock()
	c.report()
}

// ACKEvents is beat.ACKer's: the output has the next n events.
func (o *outlet) ACKEvents(n int) {
	b := o.buffer
	touched := map[*client]bool{}
	b.mu.Lock()
	n = min(n, len(o.flight))
	for i, it := range o.flight[:n] {
		if c := b.leave(it); c != nil {
			touched[c] = true
		}
		o.flight[i] = nil
		o.size -= it.size
	}
	o.flight = o.flight[n:]
	b.work.Signal()
	b.mu.Unlock()
	for c := range touched {
		c.report()
	}
}

// Close is beat.ACKer's. Acknowledgements may come later.
func (o *outlet) Close() {}

// DroppedOnPublish is beat.ClientEventer's: libbeat has not taken the event at hand, because its client is closed.
func (o *outlet) DroppedOnPublish(beat.Event) {
	if o.current == nil {
		return
	}
	o.refused = true
	o.handed()
	if o.added {
		o.buffer.mu.Lock()
		defer o.buffer.mu.Unlock()
		o.flight = o.flight[:len(o.flight)-1]
		o.size -= o.current.size
	}
}

// Closing and the others are beat.ClientEventer's.
func (o *outlet) Closing()               {}
func (o *outlet) Closed()                {}
func (o *outlet) Published()             {}
func (o *outlet) FilteredOut(beat.Event) {}

// connect makes an outlet, through which from now on the disk is read, too.
func (b *buffer) connect(p beat.PipelineConnector, cfg beat.ClientConfig) (*outlet, error) {
	o := &outlet{buffer: b}
	cfg.ACKHandler, cfg.Events, cfg.CloseRef, cfg.WaitClose = o, o, nil, 0
	cfg.PublishMode = beat.GuaranteedSend // what is dropped here is counted here
	var err error
	if o.client, err = p.ConnectWith(cfg); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closing {
		go o.client.Close() // it has no events
		return nil, fmt.Errorf("cannot connect: the input is stopping")
	}
	b.outlets[o] = true
	old := b.newest
	b.newest = o
	if old != nil && old.orphan && old.queued == 0 {
		b.retire(old)
	}
	b.work.Signal()
	return o, nil
}

// retire closes an outlet, unless it is wanted for what is on disk. Closing may wait for acknowledgements: nobody waits for it
// but close.
func (b *buffer) retire(o *outlet) {
	if o == b.newest && !b.closing || !b.outlets[o] {
		return
	}
	delete(b.outlets, o)
	o.dead = true
	b.work.Signal() // it may have had what busy counts
	b.goroutines.Go(func() {
		if err := o.client.Close(); err != nil {
			b.log.Warnf("Cannot close a client of input %q: %v", b.env.ID, err)
		}
	})
}
