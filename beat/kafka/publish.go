package kafka

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// chunk is about how many bytes of letters are written, and synced, at a time.
const chunk = 4 << 20

// grace is how long after Close what is on its way may take to arrive, lest it is sent twice.
const grace = 2 * time.Second

// A message is an event and what has become of it.
type message struct {
	sarama.ProducerMessage
	event     *publisher.Event
	theirs    any    // libbeat's message, for its partitioners
	partition *int32 // in theirs
	kind      string // why it cannot be sent, "" if it can: see the constants
	err       error  // nil when Kafka has it
}

const (
	tooLarge    = "message_too_large"
	notSendable = "not_sendable"    // as the Elasticsearch output calls it
	refused     = "invalid_message" // as Kafka calls it
)

var errUnsent = errors.New("it has not been sent")

// Publish settles batch before it returns, once. It returns no errors: libbeat would connect again.
func (c *client) Publish(_ context.Context, batch publisher.Batch) error {
	events := batch.Events()
	c.observer.NewBatch(len(events))
	messages := make([]*message, len(events))
	for i := range events {
		messages[i] = &message{event: &events[i], err: errUnsent}
	}
	c.mu.Lock()
	if c.producer != nil {
		requests := 0
		deliver(messages, func(part []*message) {
			requests++
			c.send(part)
		})
		split.Add(uint64(max(requests-1, 0)))
	}
	c.mu.Unlock()

	var back []publisher.Event
	var graves []*message
	var why error
	for _, m := range messages {
		switch {
		case m.kind != "":
			graves = append(graves, m)
		case m.err != nil:
			if m.err != errUnsent {
				_, _ = m.event.Cache.Put("partition", *m.partition)
			}
			back, why = append(back, *m.event), cmp.Or(why, m.err)
		default:
			c.proven = true
		}
	}
	n, err := c.bury(graves)
	for _, m := range graves[n:] {
		back, why = append(back, *m.event), err
	}
	c.settle(batch, back, why)
	return nil
}

// settle tells libbeat of the events of a batch which are to come back, and waits if there are any.
func (c *client) settle(batch publisher.Batch, back []publisher.Event, why error) {
	n := len(batch.Events())
	c.observer.Acked(n - len(back))
	switch {
	case len(back) == 0:
		c.failures = 0
		batch.ACK()
		return
	case c.closed():
		c.observer.Cancelled(len(back))
		batch.CancelledEvents(back)
		return
	}
	c.observer.Failed(len(back))
	c.log.Warnf("%d of %d events wait, nothing is dropped: %v", len(back), n, why)
	batch.RetryEvents(back)
	c.fail()
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// prepare makes of the event what Kafka is to get, unless that is done, and says whether there is such a thing.
func (c *client) prepare(m *message) bool {
	if m.Metadata != nil {
		return m.kind == ""
	}
	content := &m.event.Content
	topic, err := c.topic.Select(content)
	switch {
	case err != nil:
		err = fmt.Errorf("cannot select a topic: %.512s", err.Error())
	case topic == "":
		err = errors.New("no topic is selected")
	case !topicName.MatchString(topic) || topic == "." || topic == "..":
		err = fmt.Errorf("%.256q is no topic: want 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'", topic)
	}
	var value, key []byte
	if err == nil {
		if value, err = c.codec.Encode(c.index, content); err != nil {
			err = fmt.Errorf("cannot encode the event: %.512s", err.Error())
		}
	}
	if err != nil {
		m.kind, m.err = notSendable, err
	}
	if c.key != nil {
		key, _ = c.key.RunBytes(content) // like libbeat's, it goes without if it has none
	}
	m.theirs, m.partition = c.message.of(m.event, key)
	m.ProducerMessage = sarama.ProducerMessage{Metadata: m, Topic: topic, Key: sarama.ByteEncoder(key), Value: sarama.ByteEncoder(bytes.Clone(value))}
	// Else it gets the present time: Kafka has no earlier ones, and the event's own is in its JSON.
	if c.config.Version.IsAtLeast(sarama.V0_10_0_0) && !content.Timestamp.Before(time.Unix(0, 0)) {
		m.Timestamp = content.Timestamp
	}
	return m.kind == ""
}

// deliver sends messages, and those that are refused again in halves until each has been refused alone:
// a broker refuses a request for one message in it, or because all of them together are too large.
func deliver(messages []*message, send func([]*message)) {
	if len(messages) == 0 {
		return
	}
	send(messages)
	var again []*message
	for _, m := range messages {
		if refusal(m.err) != "" {
			again = append(again, m)
		}
	}
	if len(messages) == 1 && len(again) == 1 {
		again[0].kind = refusal(again[0].err)
		return
	}
	half := (len(again) + 1) / 2
	deliver(again[:half], send)
	deliver(again[half:], send)
}

// refusal is the kind of a broker's, or sarama's, final word on a message, "" for any other error.
func refusal(err error) string {
	const invalidTimestamp, invalidRecord = sarama.KError(32), sarama.KError(87)
	if _, ok := err.(sarama.PacketEncodingError); ok { // above what any request may have
		return refused
	}
	switch err {
	case sarama.ErrMessageSizeTooLarge, sarama.ErrInvalidMessageSize:
		return tooLarge
	case sarama.ErrInvalidMessage, invalidTimestamp, invalidRecord:
		return refused
	}
	return ""
}

// send prepares messages while others are on their way. It returns when sarama has said of each what
// has become of it, or grace has passed after Close.
func (c *client) send(messages []*message) {
	var next *sarama.ProducerMessage
	var input chan<- *sarama.ProducerMessage // nil as long as next is
	var over <-chan time.Time
	done, pending := c.done, 0
	if c.closed() {
		return
	}
	for {
		for next == nil && len(messages) > 0 && done != nil {
			if c.prepare(messages[0]) {
				next, input = &messages[0].ProducerMessage, c.producer.Input()
			}
			messages = messages[1:]
		}
		if next == nil && pending == 0 {
			return
		}
		select {
		case input <- next:
			next, input = nil, nil
			pending++
		case m := <-c.producer.Successes():
			m.Metadata.(*message).err = nil
			pending--
		case e := <-c.producer.Errors():
			e.Msg.Metadata.(*message).err = e.Err
			pending--
		case <-done:
			next, input, done, over = nil, nil, nil, time.After(grace)
		case <-over:
			return
		}
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
			Time: m.event.Content.Timestamp, Event: c.text(&m.event.Content), Type: m.kind, Reason: m.reason(),
			ID: id(&m.event.Content), Topic: m.Topic,
		}
		lines = append(l.Append(lines), '\n')
		if len(lines) >= chunk || i == len(graves)-1 {
			if err = c.file.Append(lines); err != nil {
				break
			}
			n, lines = i+1, nil
		}
	}
	if n > 0 {
		deadLetter.Add(uint64(n))
		m := graves[0]
		c.log.Warnf("%d events are not for Kafka, now in %s. One of them: topic %.256q, id %.128q, because of %s: %.512q",
			n, c.file.Path, m.Topic, id(&m.event.Content), m.kind, m.reason())
	}
	return n, err
}

func (m *message) reason() string {
	if m.kind == notSendable {
		return m.err.Error()
	}
	return fmt.Sprintf("%d bytes: %v", m.Key.Length()+m.Value.Length(), m.err)
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
