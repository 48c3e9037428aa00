package kafka

import (
	"cmp"
	"context"
	"fmt"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// chunkBytes is about how many bytes of letters are written, and synced, at a time.
const chunkBytes = 4 << 20

// Publish settles batch before it returns, once. It returns no errors: libbeat would end its worker.
func (c *client) Publish(_ context.Context, batch publisher.Batch) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	events := batch.Events()
	open := make([]*message, len(events))
	for i := range events {
		prepared.Ordinary(&events[i].Content) // one that was meant for output.elasticsearch, before a reload
		open[i] = &message{event: &events[i], slot: slot{partition: -1}, err: errUnsent}
	}
	c.observer.NewBatch(len(open))
	s := &shipment{client: c, waiting: append([]*message(nil), open...), queues: map[slot]*queue{}}
	for {
		s.pass()
		var back, graves []*message
		why := s.why
		for _, m := range open {
			if m.kind != "" {
				graves = append(graves, m)
			} else if m.err != nil {
				back = append(back, m)
			}
		}
		if !c.proven && len(back)+len(graves) < len(open) {
			c.proven = true
			c.log.Infof("%v takes events", c)
		}
		n, err := c.bury(graves)
		why = cmp.Or(why, err)
		moved := len(open) - len(back) - len(graves[n:])
		c.observer.Acked(moved)
		if moved > 0 {
			c.failures = 0
		}
		open = append(back, graves[n:]...)
		if len(back) == 0 || c.closed() {
			c.settle(batch, open, why)
			return nil
		}
		c.observer.Failed(len(open))
		c.log.Warnf("%d of %d events wait, nothing is dropped: %v", len(open), len(events), why)
		c.fail()
		c.observer.NewBatch(len(open))
	}
}

// settle tells libbeat of a batch, of which these messages are to come back. Before Close these are only such as Kafka
// cannot have, and nobody else yet: what comes after them need not wait.
func (c *client) settle(batch publisher.Batch, back []*message, why error) {
	events := make([]publisher.Event, len(back))
	for i, m := range back {
		if m.slot.partition >= 0 {
			_, _ = m.event.Cache.Put("partition", m.slot.partition)
		}
		events[i] = *m.event
	}
	switch {
	case len(back) == 0:
		batch.ACK()
	case c.closed():
		c.observer.Cancelled(len(back))
		batch.CancelledEvents(events)
	default:
		c.observer.Failed(len(back))
		c.log.Warnf("%d events are not for Kafka and wait, nothing is dropped: %v", len(back), why)
		batch.RetryEvents(events)
		c.fail()
	}
}

// bury writes the letters of graves and says how many are on disk. Until Kafka has taken an event it
// refuses all but those that are too large: then the configuration is to blame, and would send all
// that comes to the dead letter.
func (c *client) bury(graves []*message) (n int, err error) {
	var lines []byte
	for i, m := range graves {
		if m.kind != tooLarge && !c.proven {
			err = fmt.Errorf("no event has been delivered yet, and one cannot be (check topic, topics, key and codec of output.kafka): %w", m.err)
			break
		}
		l := deadletter.Letter{
			Time: m.event.Content.Timestamp, Event: c.letter(&m.event.Content), Type: m.kind, Reason: m.reason(),
			ID: id(&m.event.Content), Topic: m.slot.topic,
		}
		lines = append(l.Append(lines), '\n')
		if len(lines) >= chunkBytes || i == len(graves)-1 {
			if err = c.file.Append(lines); err != nil {
				break
			}
			n, lines = i+1, nil
		}
	}
	if n > 0 {
		for _, m := range graves[:n] {
			deadletter.Note(&m.event.Content)
		}
		deadLetter.Add(uint64(n))
		m := graves[0]
		c.log.Warnf("%d events are not for Kafka, now in %s. One of them: topic %.256q, id %.128q, because of %s: %.512q",
			n, c.file.Path, m.slot.topic, id(&m.event.Content), m.kind, m.reason())
	}
	return n, err
}

func (m *message) reason() string {
	if m.kind == notSendable {
		return m.err.Error()
	}
	return fmt.Sprintf("%d bytes: %v", m.size, m.err)
}

// letter is the whole event as JSON, in which stands as text what has no JSON.
func (c *client) letter(ev *beat.Event) string {
	b, _ := encode.Encoder{Lenient: true}.Message(nil, ev, c.index, c.version) // a lenient encoder has no errors
	return string(b)
}
