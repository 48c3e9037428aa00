package elasticsearch

import (
	"bytes"

	"github.com/elastic/beats/v7/libbeat/beat"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/beat/encode"
)

// A policy says where events go that Elasticsearch refuses for good. Whatever it says, file is
// there for what the dead-letter index refuses too.
type policy struct {
	drop  bool
	index string // of the dead letters, "" for none
	file  deadletter.File
}

// appendLetter appends the document that stands for a refused event, without a newline: the event
// as JSON text in one string, so that no mapping can refuse it again, and why it was refused.
func (l *lane) appendLetter(b []byte, ev *beat.Event, it *item, source []byte) []byte {
	if len(source) == 0 && it.op != opDelete {
		lenient := encode.Encoder{EscapeHTML: l.EscapeHTML, Lenient: true}
		source, _ = lenient.Event(nil, ev) // a lenient encoder has no errors
	}
	letter := deadletter.Letter{
		Time: ev.Timestamp, Event: string(bytes.TrimSuffix(source, []byte("\n"))),
		Type: it.why.kind, Reason: it.why.text, Code: it.why.status, ID: it.id, Index: it.index,
	}
	return letter.Append(b)
}
