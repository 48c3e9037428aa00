package journal

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// A slot is where an event of a shape has a value of its own.
type slot struct {
	from  slotFrom
	field *field
	index int // of the entry's fields
}

// slotFrom says what a hole is filled with.
type slotFrom byte

const (
	fromText     slotFrom = iota // the value
	fromNumber                   // the number that the value is; else the value has no place here
	fromBoolean                  // the same of true and false
	fromCustom                   // the value below journald.custom
	fromLegacy                   // what journalbeat made of the value
	fromMessage                  // the message's text
	fromSequence                 // the entry's number
	fromCreated                  // the time
	fromCursor                   // the entry's cursor
	fromRealtime                 // the entry's times
	fromMonotonic
)

// A mark goes with an event, in its Private: where to read on from once the event is delivered, and the event's document.
type mark struct {
	position
	document prepared.Document // without a template: the event is an ordinary one
	size     uint64            // of the message
}

// Prepared is prepared.Carrier's.
func (m *mark) Prepared() *prepared.Document {
	if m.document.Template == nil {
		return nil
	}
	return &m.document
}

// slabs are memory for many events, of which each has a small part.
type slabs struct {
	marks  []mark
	values []prepared.Value
	text   []byte // its length is what is given away
}

const (
	slabMarks  = 64
	slabValues = 1024
	slabText   = 32 << 10
)

func (s *slabs) mark() *mark {
	if len(s.marks) == 0 {
		s.marks = make([]mark, slabMarks)
	}
	m := &s.marks[0]
	s.marks = s.marks[1:]
	return m
}

// take returns room for n values.
func (s *slabs) take(n int) []prepared.Value {
	if len(s.values) < n {
		s.values = make([]prepared.Value, max(slabValues, n))
	}
	v := s.values[:n:n]
	s.values = s.values[n:]
	return v
}

// room makes room for n bytes, which are appended to text.
func (s *slabs) room(n int) {
	if cap(s.text)-len(s.text) < n {
		s.text = make([]byte, 0, max(slabText, n))
	}
}

// since returns the text from an offset on. Nothing of it is written again.
func (s *slabs) since(from int) string {
	return unsafe.String(unsafe.SliceData(s.text[from:]), len(s.text)-from)
}

// eventOf makes the event of a message, with a position in its Private: of a shape that has come before only what the event has
// of its own.
func (c *converter) eventOf(m *message) beat.Event {
	mk := c.slabs.mark()
	mk.position, mk.size = m.Position, m.size
	if m.size > large { // nothing of it is to stay because of a neighbour in a slab
		event := c.event(m)
		event.Private = mk
		return event
	}
	if k := m.Entry.shape; k != nil && m.Parts == 1 && !m.Partial {
		if k.template != nil && c.document(m, k, &mk.document) {
			return beat.Event{Timestamp: timeOf(m.Entry), Private: mk}
		}
		if k.template == nil && !k.ordinary {
			return c.prepare(m, k, mk)
		}
	}
	event := c.event(m)
	event.Private = mk
	return event
}

// prepare makes the shape's template of its first event.
func (c *converter) prepare(m *message, k *shape, mk *mark) beat.Event {
	event := c.event(m)
	if c.cut || c.binary != nil { // it is unlike the others
		event.Private = mk
		return event
	}
	if k.slots = c.dig(m, k); k.slots == nil {
		k.ordinary = true
	} else {
		delete(event.Meta, "_id")
		k.template = prepared.New(event.Fields, event.Meta)
		if c.document(m, k, &mk.document) {
			return beat.Event{Timestamp: event.Timestamp, Private: mk}
		}
	}
	event = c.event(m)
	event.Private = mk
	return event
}

// dig puts holes into the maps of the event at hand. It returns none if a value has not got the place that the next one would have.
func (c *converter) dig(m *message, k *shape) (holes []slot) {
	ok := true
	dig := func(in common.MapStr, key string, h slot) {
		switch in[key].(type) {
		case nil, []string, encode.Hole:
			ok = false
			return
		}
		in[key] = encode.Hole(len(holes))
		holes = append(holes, h)
	}
	e := m.Entry
	if c.ecs {
		dig(c.maps[gEvent], "created", slot{from: fromCreated})
		dig(c.maps[gEvent], "sequence", slot{from: fromSequence})
		dig(c.maps[gJournald], "cursor", slot{from: fromCursor})
	}
	if c.legacy {
		cursor, at, monotonic := addressNames(c.opts.CleanFieldNames)
		dig(c.maps[gRoot], "@realtime_timestamp", slot{from: fromRealtime})
		dig(c.old, at, slot{from: fromRealtime})
		dig(c.old, monotonic, slot{from: fromMonotonic})
		dig(c.old, cursor, slot{from: fromCursor})
	}
	for i := range e.Fields {
		if !c.isHole(&e.Fields[i]) {
			continue
		}
		f := c.named(e.Fields[i].Name)
		if f.role == roleMessage {
			dig(c.maps[gRoot], "message", slot{from: fromMessage})
			continue
		}
		if c.ecs {
			h := slot{from: fromCustom, field: f, index: i}
			in, key := gCustom, f.custom
			if p := f.place; p != nil {
				in, key = p.group, p.key
				switch p.kind {
				case long, counter:
					h.from = fromNumber
				case boolean:
					h.from = fromBoolean
				default:
					h.from = fromText
				}
			}
			dig(c.maps[in], key, h)
		}
		if c.legacy {
			dig(c.old, f.old, slot{from: fromLegacy, field: f, index: i})
		}
	}
	if !ok {
		return nil
	}
	return holes
}

// document fills in d. False says that a value has no place in the shape's events, or not as it is.
func (c *converter) document(m *message, k *shape, d *prepared.Document) bool {
	e := m.Entry
	values := c.slabs.take(len(k.slots))
	c.slabs.room(512)
	for i := range k.slots {
		v, ok := c.fill(&k.slots[i], m)
		if !ok {
			return false
		}
		values[i] = v
	}
	from := len(c.slabs.text)
	c.slabs.text = appendID(c.slabs.text, e)
	*d = prepared.Document{Template: k.template, ID: c.slabs.since(from), Values: values}
	return true
}

// fill returns what a hole is filled with.
func (c *converter) fill(h *slot, m *message) (v prepared.Value, ok bool) {
	e := m.Entry
	switch h.from {
	case fromMessage:
		return prepared.String(m.Text), c.isTidy(m.Text)
	case fromSequence:
		return prepared.Int(int64(e.Seqnum)), e.Seqnum <= math.MaxInt64
	case fromCreated:
		c.tick()
		return prepared.Time(c.created), true
	case fromCursor:
		if !e.placed {
			return v, false
		}
		from, at := len(c.slabs.text), e.place()
		c.slabs.text = at.append(c.slabs.text)
		return prepared.String(c.slabs.since(from)), true
	case fromRealtime:
		return prepared.Int(int64(min(e.Realtime, maxRealtime))), true
	case fromMonotonic:
		return prepared.Int(int64(min(e.Monotonic, math.MaxInt64))), true
	}
	f := &e.Fields[h.index]
	_, s := c.fieldOf(f)
	switch h.from {
	case fromNumber:
		if s != nil {
			n, ok := s.number.(int64)
			return prepared.Int(n), ok
		}
		n, ok := parseLong(f.Value)
		return prepared.Int(n), ok
	case fromBoolean:
		return prepared.Bool(f.Value == "true"), f.Value == "true" || f.Value == "false"
	case fromCustom:
		return c.ownValue(c.numberValue(h.field, f.Value, nil), f.Value, s)
	case fromLegacy:
		return c.ownValue(c.legacyValue(h.field, f.Value, nil), f.Value, s)
	}
	return c.ownValue(nil, f.Value, s)
}

// ownValue returns a value that has been made of a text or, if it is nil, the text.
func (c *converter) ownValue(made any, text string, s *shared) (prepared.Value, bool) {
	switch v := made.(type) {
	case int64:
		return prepared.Int(v), true
	case float64:
		return prepared.Float(v), true
	case bool:
		return prepared.Bool(v), true
	case string:
		return prepared.String(v), true
	}
	if s != nil {
		return prepared.String(text), s.boxed != nil
	}
	return prepared.String(text), c.isTidy(text)
}

// isTidy says whether tidy leaves a value as it is.
func (c *converter) isTidy(value string) bool {
	return len(value) <= int(c.opts.MaxMessageBytes) && utf8.ValidString(value)
}

// tick notes the time, to the millisecond.
func (c *converter) tick() {
	if now := c.now().UTC().Truncate(time.Millisecond); c.createdAs == nil || now != c.created {
		c.created, c.createdAs = now, common.Time(now)
	}
}

// appendID appends what is the same whenever and wherever the entry is read.
func appendID(b []byte, e *Entry) []byte {
	return strconv.AppendUint(append(append(b, e.SeqnumID...), '-'), e.Seqnum, 10)
}
