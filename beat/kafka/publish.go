package kafka

import (
	"context"
	"fmt"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// overhead is what sarama adds to key and value before it compares them with max_message_bytes:
// maximumRecordOverhead of Kafka 0.11 and later. Before, it was ten bytes less.
const overhead = 36

// chunk is about how many bytes of letters are written, and synced, at a time.
const chunk = 4 << 20

// A grave is an event that libbeat's client would drop, and why.
type grave struct {
	event       publisher.Event
	topic       string
	kind, cause string
}

const (
	tooLarge    = "message_too_large"
	notSendable = "not_sendable" // as the Elasticsearch output calls it
)

// Publish has on disk what Kafka cannot take before libbeat's client gets the rest, so that batch
// is settled once whatever becomes of that. What cannot be put aside is handed back, and not sent.
// It returns no errors of its own: after one libbeat's client would be connected a second time.
func (c *client) Publish(ctx context.Context, batch publisher.Batch) error {
	if !c.pause() {
		batch.Cancelled()
		return nil
	}
	rest, graves := c.sort(batch.Events())
	if len(graves) == 0 {
		return c.NetworkClient.Publish(ctx, &remainder{batch, c, batch.Events()})
	}
	n, err := c.bury(graves)
	if n > 0 {
		deadLetter.Add(uint64(n))
		c.observer.NewBatch(n)
		c.observer.Acked(n)
		c.fileWait.Reset()
		c.log.Warnf("%d events are not for Kafka, now in %s. One of them: topic %.256q, id %.128q, because of %s: %s",
			n, c.file.Path, graves[0].topic, id(&graves[0].event.Content), graves[0].kind, graves[0].cause)
	}
	switch {
	case err != nil:
		for _, g := range graves[n:] {
			rest = append(rest, g.event)
		}
		batch.CancelledEvents(rest)
		c.log.Errorf("%v; %d events wait, nothing is dropped", err, len(rest))
		c.fileWait.Wait() // no longer than until Close
		return nil
	case len(rest) == 0:
		batch.ACK()
		return nil
	}
	return c.NetworkClient.Publish(ctx, &remainder{batch, c, rest})
}

// sort returns the events for Kafka, if there are others, and those others.
func (c *client) sort(events []publisher.Event) (rest []publisher.Event, graves []grave) {
	for i := range events {
		g, ok := c.check(&events[i])
		if g.kind != notSendable {
			c.proven = true
		}
		if !ok {
			if graves == nil {
				rest = append(rest, events[:i]...)
			}
			graves = append(graves, g)
		} else if graves != nil {
			rest = append(rest, events[i])
		}
	}
	return rest, graves
}

// check says whether libbeat's client and sarama will send ev, in the order in which they look.
// It leaves the topic where libbeat's client looks for it, so that it is selected once.
func (c *client) check(ev *publisher.Event) (g grave, ok bool) {
	g.event = *ev
	cached, _ := ev.Cache.GetValue("topic")
	if g.topic, _ = cached.(string); g.topic == "" {
		topic, err := c.topic.Select(&ev.Content)
		if err == nil && topic == "" {
			err = fmt.Errorf("no topic is selected")
		}
		if err == nil {
			_, err = ev.Cache.Put("topic", topic)
		}
		if err != nil {
			g.kind, g.cause = notSendable, fmt.Sprintf("cannot select a topic: %.512s", err.Error())
			return g, false
		}
		g.topic = topic
	}
	size := overhead
	if c.key != nil {
		key, err := c.key.RunBytes(&ev.Content)
		if err == nil { // else libbeat sends it without
			size += len(key)
		}
	}
	if c.isJSON && size+add(c.frame, eventBound(&ev.Content)) <= c.limit {
		return g, true
	}
	text, err := c.codec.Encode(c.index, &ev.Content)
	if err != nil {
		g.kind, g.cause = notSendable, fmt.Sprintf("cannot encode the event: %.512s", err.Error())
		return g, false
	}
	if size += len(text); size > c.limit {
		g.kind, g.cause = tooLarge, fmt.Sprintf("%d bytes are above max_message_bytes, %d", size, c.limit)
		return g, false
	}
	return g, true
}

// bury writes the letters of graves and says how many are on disk. As long as no event at all has
// had a topic and an encoding it refuses those that have none: then the configuration is to blame,
// and would send all that comes to the dead letter.
func (c *client) bury(graves []grave) (n int, err error) {
	var lines []byte
	for i := range graves {
		g := &graves[i]
		if g.kind == notSendable && !c.proven {
			return n, fmt.Errorf("%s: no event can be sent (check topic, topics and codec of output.kafka): %s", what, g.cause)
		}
		l := deadletter.Letter{
			Time: g.event.Content.Timestamp, Event: c.text(&g.event.Content), Type: g.kind, Reason: g.cause,
			ID: id(&g.event.Content), Topic: g.topic,
		}
		lines = append(l.Append(lines), '\n')
		if len(lines) >= chunk || i == len(graves)-1 {
			if err := c.file.Append(lines); err != nil {
				return n, err
			}
			n, lines = i+1, nil
		}
	}
	return n, nil
}

// text is the whole event as JSON, or as Go prints it if it has no JSON.
func (c *client) text(ev *beat.Event) string {
	b, err := c.letters.Encode(c.index, ev)
	if err != nil {
		return fmt.Sprint(ev.Fields)
	}
	return string(b)
}

func id(ev *beat.Event) string {
	s, _ := ev.Meta["_id"].(string)
	return s
}

// pause waits if the latest that is known of a batch is that Kafka did not take all of it. It says
// whether to go on: not after Close.
func (c *client) pause() bool {
	switch c.latest.Swap(none) {
	case failed:
		return c.kafkaWait.Wait()
	case delivered:
		c.kafkaWait.Reset()
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

const (
	none = iota
	delivered
	failed
)

// A remainder is what libbeat's client gets of a batch: the other events have left for good already.
type remainder struct {
	publisher.Batch
	client *client
	events []publisher.Event
}

func (r *remainder) Events() []publisher.Event { return r.events }
func (r *remainder) Retry()                    { r.RetryEvents(r.events) }
func (r *remainder) Cancelled()                { r.CancelledEvents(r.events) }

func (r *remainder) ACK() {
	r.client.latest.Store(delivered)
	r.Batch.ACK()
}

func (r *remainder) RetryEvents(events []publisher.Event) {
	r.client.latest.Store(failed)
	r.client.log.Warnf("Kafka has not taken %d of %d events: trying again", len(events), len(r.events))
	r.Batch.RetryEvents(events)
}
