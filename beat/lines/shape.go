package lines

import (
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
)

// A Shape is what Put writes of a message that is not read as JSON, but for its text. Messages of one shape
// have the same fields, so that these can be made once; most files have very few shapes. Shapes can be compared.
type Shape struct {
	level  string // that was found
	stream string
	flags  Flags
	attrs  *attrs
}

// shown are the flags that an event has.
const shown = Cut | Partial | Several | Binary | Unparsed

// Shaped says whether messages have shapes: not if they are read as JSON.
func (r *Reader) Shaped() bool { return r.json == nil }

// Shape returns the shape of a message whose Text is text, and the time that it says it is of, zero if it
// does not. The Reader must be Shaped.
func (r *Reader) Shape(m *Message, text string) (Shape, time.Time) {
	s := Shape{stream: m.Stream, flags: m.Flags & shown, attrs: m.attrs}
	if r.opts.Level.From == "message" {
		s.level = r.opts.Level.find(text)
	}
	t := m.Time
	if r.opts.Timestamp.From == "message" {
		t = r.take(t, text)
	}
	return s, t
}

// take returns the time in a message, or else t.
func (r *Reader) take(t time.Time, text string) time.Time {
	found, err := r.opts.Timestamp.find(text, r.now)
	if err != nil {
		r.Counters.Times++
		return t
	}
	return found
}

// Small says whether a shape can be kept without a thought of its size: what docker's daemon writes of a container's
// labels into each line has no bound but the line's.
func (s Shape) Small() bool { return s.attrs == nil || len(s.attrs.raw) <= 4096 }

// Put writes `log.flags`, `log.level`, `stream` and `docker.attrs`. What fields has already stays.
func (s Shape) Put(fields common.MapStr) {
	if s.level != "" {
		object(fields, "log")["level"] = s.level
	} else if level := streamLevels[s.stream]; level != "" && fields["log.level"] == nil && object(fields, "log")["level"] == nil {
		object(fields, "log")["level"] = level
	}
	if s.stream != "" {
		fields["stream"] = s.stream
	}
	if s.attrs != nil && len(s.attrs.fields) > 0 {
		fields["docker"] = common.MapStr{"attrs": s.attrs.fields.Clone()}
	}
	if list := s.flags.list(); list != nil {
		object(fields, "log")["flags"] = list
	}
}
