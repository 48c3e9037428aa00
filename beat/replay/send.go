package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/offline"
)

// A sender delivers letters through the configured output, one batch at a time. What the output refuses for good it puts into a
// dead-letter file of the sender's own, in a folder of its own, where refused finds it.
type sender struct {
	config *offline.Config
	dir    string // path.data of the outputs
	giveUp time.Duration
	note   func(format string, args ...any) // tells the user

	outputs map[string]*output // by Kafka's topic, of which each has one; "" is that of the configuration
	counts
}

// counts are what the outputs tell.
type counts struct {
	outputs.Observer
	mu                  sync.Mutex
	duplicates, dropped int
}

func (c *counts) Duplicate(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.duplicates += n
}

func (c *counts) Dropped(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped += n
}

// take returns what was counted since the last time.
func (c *counts) take() (duplicates, dropped int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	duplicates, dropped = c.duplicates, c.dropped
	c.duplicates, c.dropped = 0, 0
	return duplicates, dropped
}

// newSender makes the configured output, in dir, a new folder. It connects with the first batch.
func newSender(config *offline.Config, dir string, giveUp time.Duration, note func(format string, args ...any)) (*sender, error) {
	s := &sender{config: config, dir: dir, giveUp: giveUp, note: note, outputs: map[string]*output{}, counts: counts{Observer: outputs.NewNilObserver()}}
	paths.Paths.Data = dir
	_, err := s.output("")
	return s, err
}

func (s *sender) close() {
	for _, o := range s.outputs {
		o.close()
	}
}

// An output is libbeat's, with its connections.
type output struct {
	outputs.Group
	current   int // of its clients
	connected bool
	closed    bool
	note      func(format string, args ...any)
}

func (o *output) close() {
	if !o.closed {
		o.closed = true
		for _, c := range o.Clients {
			c.Close()
		}
	}
}

// output is the one for letters of a topic.
func (s *sender) output(topic string) (*output, error) {
	name := s.config.Output.Name()
	if name != "kafka" {
		topic = ""
	}
	if o := s.outputs[topic]; o != nil {
		return o, nil
	}
	const most = 100 // topics
	if len(s.outputs) > most {
		return nil, fmt.Errorf("cannot send to more than %d topics at a time: give fewer files, or --filter", most)
	}
	cfg, err := common.MergeConfigs(s.config.Output.Config())
	if err != nil {
		return nil, err
	}
	switch name {
	case "elasticsearch":
		err = change(cfg, map[string]any{"non_indexable_policy.dead_letter_file": map[string]any{"path": filepath.Join(s.dir, deadLetters), "files": 1000}}, "non_indexable_policy")
	case "kafka":
		if topic != "" {
			err = change(cfg, map[string]any{"topic": topic}, "topic", "topics")
		}
	}
	if err != nil {
		return nil, err
	}
	group, err := s.config.MakeOutput(name, cfg, &s.counts)
	if err != nil {
		return nil, fmt.Errorf("cannot make output.%s: %w", name, err)
	}
	s.outputs[topic] = &output{Group: group, note: s.note}
	return s.outputs[topic], nil
}

// deadLetters is the name of the outputs' own file of dead letters, below their path.data.
const deadLetters = "dead-letter.ndjson"

func change(cfg *common.Config, to map[string]any, remove ...string) error {
	for _, name := range remove {
		if cfg.HasField(name) {
			if _, err := cfg.Remove(name, -1); err != nil {
				return err
			}
		}
	}
	return cfg.Merge(to)
}

// size is how many events a batch has at most.
func (s *sender) size() int {
	if n := s.outputs[""].BatchSize; n > 0 {
		return n
	}
	return 1600
}

// send delivers letters with different ids, or has them refused: see refused. An error means that they are not all settled; some
// may have been delivered.
func (s *sender) send(ctx context.Context, letters []*letter) error {
	byTopic, topics := map[string][]publisher.Event{}, []string{}
	for _, l := range letters {
		if byTopic[l.topic] == nil {
			topics = append(topics, l.topic)
		}
		byTopic[l.topic] = append(byTopic[l.topic], publisher.Event{Content: clone(l.event), Flags: publisher.GuaranteedSend})
	}
	for _, topic := range topics {
		o, err := s.output(topic)
		if err == nil {
			err = o.publish(ctx, byTopic[topic], s.giveUp)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func clone(ev beat.Event) beat.Event {
	ev.Fields, ev.Meta = ev.Fields.Clone(), ev.Meta.Clone()
	return ev
}

var errInterrupted = errors.New("interrupted")

// publish sends events until each is settled, ctx ends, or the output has settled none for giveUp. After an error it is closed.
func (o *output) publish(ctx context.Context, events []publisher.Event, giveUp time.Duration) error {
	patience := time.NewTimer(giveUp)
	defer patience.Stop()
	if giveUp <= 0 {
		patience.Stop()
	}
	for len(events) > 0 {
		tried := make(chan []publisher.Event, 1)
		go func() { tried <- o.try(ctx, events) }() // ends when the output is closed, at the latest
		var rest []publisher.Event
		err := error(nil)
		select {
		case rest = <-tried:
		case <-patience.C:
			err = fmt.Errorf("output delivers nothing for %v; what it says is above, --give-up 0s waits for ever", giveUp)
		case <-ctx.Done():
			err = errInterrupted
			select { // what is on its way may arrive
			case rest = <-tried:
				if len(rest) == 0 {
					err = nil
				}
			case <-time.After(stopGrace):
			}
		}
		if err != nil {
			o.close()
			return err
		}
		if len(rest) < len(events) && giveUp > 0 {
			patience.Reset(giveUp)
		}
		events = rest
		if ctx.Err() != nil && len(events) > 0 {
			o.close()
			return errInterrupted
		}
	}
	return nil
}

// stopGrace is how long a batch under way may take after an interrupt.
const stopGrace = 5 * time.Second

// try connects if need be, publishes events, and returns those to be sent again. A failure makes the output wait, and the log tells of it.
func (o *output) try(ctx context.Context, events []publisher.Event) (rest []publisher.Event) {
	c := o.Clients[o.current]
	if n, ok := c.(outputs.NetworkClient); ok && !o.connected {
		if err := n.Connect(); err != nil {
			o.note("cannot connect to %v: %v", c, err)
			o.current = (o.current + 1) % len(o.Clients)
			return events
		}
	}
	o.connected = true
	b := &batch{events: events, rest: make(chan []publisher.Event, 1)}
	if err := c.Publish(context.WithoutCancel(ctx), b); err != nil {
		o.note("%v", err)
		if o.connected = false; len(o.Clients) > 1 {
			o.current = (o.current + 1) % len(o.Clients)
		}
	}
	return <-b.rest
}

// A batch is settled by its output once, maybe after Publish has returned.
type batch struct {
	events []publisher.Event
	once   sync.Once
	rest   chan []publisher.Event
}

func (b *batch) Events() []publisher.Event                { return b.events }
func (b *batch) ACK()                                     { b.settle(nil) }
func (b *batch) Drop()                                    { b.settle(nil) }
func (b *batch) Retry()                                   { b.settle(b.events) }
func (b *batch) RetryEvents(events []publisher.Event)     { b.settle(events) }
func (b *batch) Cancelled()                               { b.settle(b.events) }
func (b *batch) CancelledEvents(events []publisher.Event) { b.settle(events) }
func (b *batch) settle(rest []publisher.Event)            { b.once.Do(func() { b.rest <- rest }) }

// refused returns, by their ids, why events have been refused since it was asked last, as JSON.
func (s *sender) refused() (map[string]json.RawMessage, error) {
	names, err := filepath.Glob(filepath.Join(s.dir, deadLetters+"*"))
	if err != nil {
		return nil, err
	}
	why := map[string]json.RawMessage{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for line := range bytes.Lines(text) {
			var l struct {
				Error json.RawMessage `json:"error"`
				Event idForm          `json:"event"`
			}
			if err := json.Unmarshal(line, &l); err != nil {
				return nil, fmt.Errorf("cannot read what the output has refused: %w", err)
			}
			why[l.Event.ID] = l.Error
		}
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	return why, nil
}
