package beat

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
)

// patient is a pipeline whose clients, when they are closed, wait for WaitClose at most until their events have left and
// whoever has given them knows it. libbeat's own WaitClose ends the wait before it tells that the last have left: an input
// that stores its position when its client is closed would store an old one, and read the last events again.
type patient struct{ beat.PipelineConnector }

func (p patient) Connect() (beat.Client, error) { return p.ConnectWith(beat.ClientConfig{}) }

func (p patient) ConnectWith(cfg beat.ClientConfig) (beat.Client, error) {
	if cfg.WaitClose <= 0 {
		return p.PipelineConnector.ConnectWith(cfg)
	}
	c := &patientClient{acker: cfg.ACKHandler, eventer: cfg.Events, wait: cfg.WaitClose, idle: make(chan struct{}, 1), done: make(chan struct{})}
	ref := cfg.CloseRef
	cfg.WaitClose, cfg.CloseRef, cfg.ACKHandler, cfg.Events = 0, nil, told{c}, heard{c}
	var err error
	if c.Client, err = p.PipelineConnector.ConnectWith(cfg); err != nil {
		return nil, err
	}
	if ref != nil {
		go func() { // ends with the client
			select {
			case <-ref.Done():
				_ = c.Close()
			case <-c.done:
			}
		}()
	}
	return c, nil
}

type patientClient struct {
	beat.Client
	acker   beat.ACKer         // the input's, or nil
	eventer beat.ClientEventer // the input's, or nil
	wait    time.Duration

	pending atomic.Int64 // calls of Publish, and events that have not left or of which the input does not know it
	closing atomic.Bool
	idle    chan struct{} // gets something when pending becomes 0 while closing
	once    sync.Once
	done    chan struct{} // closed when closing begins

	added bool // libbeat has counted the event at hand, and not said what the queue did; libbeat's client guards it
}

// begin says whether events are still taken; end is to be called if they are.
func (c *patientClient) begin() bool {
	c.pending.Add(1)
	if !c.closing.Load() {
		return true
	}
	c.end(1)
	return false
}

func (c *patientClient) end(n int) {
	if c.pending.Add(-int64(n)) == 0 && c.closing.Load() {
		select {
		case c.idle <- struct{}{}:
		default:
		}
	}
}

func (c *patientClient) Publish(e beat.Event) {
	if !c.begin() {
		c.refuse(e)
		return
	}
	c.Client.Publish(e)
	c.end(1)
}

func (c *patientClient) PublishAll(events []beat.Event) {
	if !c.begin() {
		for _, e := range events {
			c.refuse(e)
		}
		return
	}
	c.Client.PublishAll(events)
	c.end(1)
}

func (c *patientClient) refuse(e beat.Event) {
	if c.eventer != nil {
		c.eventer.DroppedOnPublish(e)
	}
}

// Close has Publish take nothing more and waits. A Publish that waits for room goes on until then.
func (c *patientClient) Close() (err error) {
	c.once.Do(func() {
		close(c.done)
		if c.eventer != nil {
			c.eventer.Closing()
		}
		c.closing.Store(true)
		if c.pending.Load() > 0 {
			timeout := time.NewTimer(c.wait)
			defer timeout.Stop()
			select {
			case <-c.idle:
			case <-timeout.C:
			}
		}
		err = c.Client.Close()
	})
	return err
}

// told is what libbeat tells of a client's events.
type told struct{ *patientClient }

func (t told) AddEvent(e beat.Event, published bool) {
	if published {
		t.pending.Add(1)
		t.added = true
	}
	if t.acker != nil {
		t.acker.AddEvent(e, published)
	}
}

func (t told) ACKEvents(n int) {
	if t.acker != nil {
		t.acker.ACKEvents(n)
	}
	t.end(n)
}

func (t told) Close() {
	if t.acker != nil {
		t.acker.Close()
	}
}

// heard is what libbeat tells of a client, and of events that it does not acknowledge. It tells of one event after the other.
type heard struct{ *patientClient }

func (h heard) Published() {
	h.added = false
	if h.eventer != nil {
		h.eventer.Published()
	}
}

// DroppedOnPublish is told of an event that the queue has refused, which is not waited for then, or that came too late.
func (h heard) DroppedOnPublish(e beat.Event) {
	h.refuse(e)
	if h.added {
		h.added = false
		h.end(1)
	}
}

func (h heard) FilteredOut(e beat.Event) {
	if h.eventer != nil {
		h.eventer.FilteredOut(e)
	}
}

func (h heard) Closing() {
	if h.eventer != nil {
		h.eventer.Closing()
	}
}

func (h heard) Closed() {
	if h.eventer != nil {
		h.eventer.Closed()
	}
}
