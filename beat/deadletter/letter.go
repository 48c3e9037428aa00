// Package deadletter keeps the events that an output cannot deliver: each as one JSON document
// that no mapping refuses, on a line of a file that is synced, bounded and rotated. What becomes
// of an event, and who counts it, is the output's business.
package deadletter

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// A Letter stands for one undelivered event. What is zero is left out of its document.
type Letter struct {
	Time   time.Time // the event's
	Event  string    // the whole event, as JSON text
	Type   string    // of the refusal: the server's exception, not_sendable, message_too_large
	Reason string    // what the server said, or would have said
	Code   int       // HTTP status of the refusal
	ID     string    // of the event
	Index  string    // of Elasticsearch, that the event was for
	Topic  string    // of Kafka, that the event was for or came from
	Source *Source   // where in Topic it came from; nil if it came from elsewhere
}

// A Source is where a message is in a topic of Kafka.
type Source struct {
	Partition int32
	Offset    int64
}

type document struct {
	Timestamp string `json:"@timestamp"`
	Message   string `json:"message"`
	Error     struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Code    string `json:"code,omitempty"`
	} `json:"error"`
	Event struct {
		ID string `json:"id"`
	} `json:"event,omitzero"`
	Document struct {
		Index string `json:"index"`
	} `json:"document,omitzero"`
	Kafka struct {
		Topic     string `json:"topic"`
		Partition *int32 `json:"partition,omitempty"`
		Offset    *int64 `json:"offset,omitempty"`
	} `json:"kafka,omitzero"`
}

// Append appends the letter's document, without a newline. Bytes that are no UTF-8 become U+FFFD.
func (l *Letter) Append(b []byte) []byte {
	var d document
	d.Timestamp, d.Message = timestamp(l.Time), valid(l.Event)
	d.Error.Type, d.Error.Message = valid(l.Type), valid(l.Reason)
	if l.Code != 0 {
		d.Error.Code = strconv.Itoa(l.Code)
	}
	d.Event.ID, d.Document.Index, d.Kafka.Topic = valid(l.ID), valid(l.Index), valid(l.Topic)
	if l.Source != nil {
		d.Kafka.Partition, d.Kafka.Offset = &l.Source.Partition, &l.Source.Offset
	}
	buf := bytes.NewBuffer(b)
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(&d) // strings in a buffer: nothing can fail
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// timestamp is t in UTC with as many digits as it has: 3, 6 or 9, which Elasticsearch's dates take.
func timestamp(t time.Time) string {
	layout := "2006-01-02T15:04:05.000Z"
	if ns := t.Nanosecond(); ns%1e3 != 0 {
		layout = "2006-01-02T15:04:05.000000000Z"
	} else if ns%1e6 != 0 {
		layout = "2006-01-02T15:04:05.000000Z"
	}
	return t.UTC().Format(layout)
}

// valid makes s UTF-8 by itself: encoding/json would write \ufffd, six bytes for one.
func valid(s string) string { return string(bytes.ToValidUTF8([]byte(s), []byte("\uFFFD"))) }
