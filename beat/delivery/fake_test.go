package delivery

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// A pipeline is libbeat's with a memory queue, as its clients see it, whose output acknowledges when it is told to.
type pipeline struct {
	room    int // of the queue
	failing atomic.Bool
	filter  func(beat.Event) bool // says what a processor drops; nil: nothing

	mu        sync.Mutex
	changed   sync.Cond
	queue     []queued
	delivered []string // ids, in order, twice if twice
	clients   int      // open
}

type queued struct {
	event  beat.Event
	client *pipeClient
}

func newPipeline(room int) *pipeline {
	p := &pipeline{room: room}
	p.changed.L = &p.mu
	return p
}

type pipeClient struct {
	p      *pipeline
	cfg    beat.ClientConfig
	closed bool
	mu     sync.Mutex
}

func (p *pipeline) Connect() (beat.Client, error) { return p.ConnectWith(beat.ClientConfig{}) }

func (p *pipeline) ConnectWith(cfg beat.ClientConfig) (beat.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clients++
	return &pipeClient{p: p, cfg: cfg}, nil
}

func (c *pipeClient) PublishAll(events []beat.Event) {
	for _, e := range events {
		c.Publish(e)
	}
}

func (c *pipeClient) Publish(e beat.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.p.mu.Lock()
	closed := c.closed
	c.p.mu.Unlock()
	if closed {
		c.cfg.Events.DroppedOnPublish(e)
		return
	}
	e.Fields["processed"] = true // as processors do, to the map that the input gave
	if c.p.filter != nil && c.p.filter(e) {
		c.cfg.ACKHandler.AddEvent(e, false)
		c.cfg.Events.FilteredOut(e)
		return
	}
	c.cfg.ACKHandler.AddEvent(e, true)
	c.p.mu.Lock()
	for len(c.p.queue) >= c.p.room && !c.closed {
		c.p.changed.Wait()
	}
	if c.closed {
		c.p.mu.Unlock()
		c.cfg.Events.DroppedOnPublish(e)
		return
	}
	c.p.queue = append(c.p.queue, queued{e, c})
	c.p.changed.Broadcast()
	c.p.mu.Unlock()
	c.cfg.Events.Published()
}

func (c *pipeClient) Close() error {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.p.clients--
	}
	c.p.changed.Broadcast()
	return nil
}

// ack has the output deliver up to n events.
func (p *pipeline) ack(n int) {
	p.mu.Lock()
	n = min(n, len(p.queue))
	var order []*pipeClient
	counts := map[*pipeClient]int{}
	for _, q := range p.queue[:n] {
		p.delivered = append(p.delivered, q.event.Meta["_id"].(string))
		if counts[q.client]++; counts[q.client] == 1 {
			order = append(order, q.client)
		}
	}
	p.queue = p.queue[n:]
	p.changed.Broadcast()
	p.mu.Unlock()
	for _, c := range order {
		c.cfg.ACKHandler.ACKEvents(counts[c])
	}
}

func (p *pipeline) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.delivered...)
}

func (p *pipeline) queued() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

// drain delivers until done says so.
func (p *pipeline) drain(t *testing.T, done func() bool) {
	t.Helper()
	eventually(t, "all is delivered", func() bool {
		p.ack(1000)
		return done()
	})
}

// A source is an input's client: it publishes events with numbers and remembers which it may forget.
type source struct {
	beat.Client
	name  string
	first int // number of its first event
	next  int

	mu      sync.Mutex
	settled []int
	added   int
	refused int
	late    int // times it heard of events after Close
	closed  bool
}

// connect makes an input's client.
func connect(t *testing.T, p beat.PipelineConnector, name string, cfg beat.ClientConfig) *source {
	t.Helper()
	s := &source{name: name}
	cfg.ACKHandler = acker.Combine(counting{s}, acker.EventPrivateReporter(func(_ int, private []any) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, n := range private {
			s.settled = append(s.settled, n.(int))
		}
	}))
	cfg.Events = s
	c, err := p.ConnectWith(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Client = c
	return s
}

func (s *source) event(n int) beat.Event {
	return beat.Event{
		Timestamp: time.Unix(1_700_000_000, int64(n)).UTC(), Private: n,
		Meta:   common.MapStr{"_id": s.name + fmt.Sprint(n)},
		Fields: common.MapStr{"message": strings.Repeat("x", 50), "n": n},
	}
}

// publish publishes n events.
func (s *source) publish(n int) {
	for range n {
		s.next++
		s.Publish(s.event(s.next - 1))
	}
}

// counting is the source as beat.ACKer.
type counting struct{ *source }

func (c counting) AddEvent(beat.Event, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.added++
}

func (c counting) ACKEvents(int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		c.late++
	}
}

func (c counting) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

func (s *source) DroppedOnPublish(beat.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused++
}
func (s *source) Closing()               {}
func (s *source) Closed()                {}
func (s *source) Published()             {}
func (s *source) FilteredOut(beat.Event) {}

// acked returns how many events the input may forget, and fails if these are not the first ones in order.
func (s *source) acked(t *testing.T) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, n := range s.settled {
		if s.first+i != n {
			t.Fatalf("source %s is told of its events out of order: %d is the %dth after %d", s.name, n, i, s.first)
		}
	}
	return len(s.settled)
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in two minutes it has not come about that %s", what)
		}
	}
}

// wrap makes an input's level of its configuration, in dir.
func wrap(t *testing.T, p *pipeline, dir, config string) (beat.PipelineConnector, func()) {
	t.Helper()
	return wrapID(t, t.Name(), p, dir, config)
}

func wrapID(t *testing.T, id string, p *pipeline, dir, config string) (beat.PipelineConnector, func()) {
	t.Helper()
	t.Cleanup(func() { // they begin anew with each run of a test
		all.Lock()
		defer all.Unlock()
		delete(all.figures, Input{"test", id})
	})
	connector, stop, err := Wrap(section(t, config), p, Env{ID: id, Log: logp.NewLogger("test"), Failing: p.failing.Load, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return connector, stop
}

func section(t *testing.T, config string) *common.Config {
	t.Helper()
	cfg, err := common.NewConfigFrom("type: test\nid: x\n" + config)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func figuresNow(t *testing.T) Figures {
	t.Helper()
	return figuresID(t, t.Name())
}

func figuresID(t *testing.T, id string) Figures {
	t.Helper()
	f, ok := Of("test", id)
	if !ok {
		t.Fatal("there are no figures")
	}
	return f
}
