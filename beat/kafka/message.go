package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/publisher"
)

// A message is an event and what has become of it.
type message struct {
	event  *publisher.Event
	slot   slot          // partition is -1 until it has been chosen
	record sarama.Record // without the deltas, which it has from its place in a chunk
	at     time.Time     // the record's
	size   int           // that it counts with, in bytes
	kind   string        // why it cannot be sent, "" if it can: see the constants
	err    error         // nil when Kafka has it
}

// A slot is where the order is kept.
type slot struct {
	topic     string
	partition int32
}

const (
	tooLarge    = "message_too_large"
	notSendable = "not_sendable"    // as the Elasticsearch output calls it
	refused     = "invalid_message" // as Kafka calls it
)

var errUnsent = errors.New("it has not been sent")

// overhead is what a record has beside its key, value and headers at most.
const overhead = 5*binary.MaxVarintLen32 + binary.MaxVarintLen64 + 1

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// prepare makes of the event what Kafka is to get, or says in kind why there is no such thing.
func (c *client) prepare(m *message) {
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
	var value []byte
	if err == nil {
		if value, err = c.encode(content); err != nil {
			err = fmt.Errorf("cannot encode the event: %.512s", err.Error())
		}
	}
	m.slot = slot{topic, -1}
	if err != nil {
		m.kind, m.err = notSendable, err
		return
	}
	m.record = sarama.Record{Key: c.keyOf(content), Value: value, Headers: c.headersOf(content)}
	m.size = overhead + len(m.record.Key) + len(value)
	for _, h := range m.record.Headers {
		m.size += len(h.Key) + len(h.Value) + 2*binary.MaxVarintLen32
	}
	if m.size > c.config.Producer.MaxMessageBytes {
		m.kind, m.err = tooLarge, sarama.ErrMessageSizeTooLarge
	}
	// Kafka has no times before 1970. The event's own is in its JSON.
	if m.at = content.Timestamp.Truncate(time.Millisecond); m.at.Before(time.Unix(0, 0)) {
		m.at = time.Now().Truncate(time.Millisecond)
	}
}

// encode is the event as JSON, or as the codec of the options has it.
func (c *client) encode(ev *beat.Event) (value []byte, err error) {
	if c.ownCodec {
		value, err = c.codec.Encode(c.index, ev)
	} else {
		c.buf, err = c.encoder.Message(c.buf[:0], ev, c.index, c.version)
		value = c.buf
	}
	return bytes.Clone(value), err
}

// keyOf is what keeps together what has to stay in order.
func (c *client) keyOf(ev *beat.Event) []byte {
	if c.key != nil {
		key, _ := c.key.RunBytes(ev) // like libbeat's, it goes without if it has none
		return key
	}
	if uid := text(ev.Fields, "kubernetes.pod.uid"); uid != "" {
		return []byte(uid)
	}
	host := text(ev.Fields, "host.name")
	if path := text(ev.Fields, "log.file.path"); path != "" {
		return []byte(host + ":" + path)
	}
	if container := text(ev.Fields, "container.id"); container != "" {
		return []byte(container)
	}
	if unit := text(ev.Fields, "systemd.unit"); unit != "" {
		return []byte(host + ":" + unit)
	}
	if host == "" {
		return nil
	}
	return []byte(host)
}

// text is a field's string, "" if it has none. Its name may be one key, as in documents that were pushed.
func text(fields common.MapStr, name string) string {
	v, err := fields.GetValue(name)
	if err != nil {
		return ""
	}
	s, _ := v.(string)
	return s
}

// headersOf are those of the options, the kind of the value, and the event's id if it has one.
func (c *client) headersOf(ev *beat.Event) []*sarama.RecordHeader {
	if id := id(ev); id != "" && c.idHeader {
		headers := append(make([]*sarama.RecordHeader, 0, len(c.headers)+1), c.headers...)
		return append(headers, &sarama.RecordHeader{Key: []byte("id"), Value: []byte(id)})
	}
	return c.headers
}

func id(ev *beat.Event) string {
	s, _ := ev.Meta["_id"].(string)
	return s
}
