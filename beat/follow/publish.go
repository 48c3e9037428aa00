package follow

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// A publisher makes events of a shard's messages and gives them to libbeat, in order.
type publisher struct {
	run    *run
	client beat.Client
	closed atomic.Bool // the client has refused an event
	texts  texts
	spare  []sent // to be given away
	id     []byte // being made
	structure

	templates map[kind]*prepared.Template // at most mostKinds; nil for a kind that was seen once
	last      kind                        // that was asked for …
	template  *prepared.Template          // … and its template

	// What begin was told.
	content *content
	path    string
	fields  *k8sname.Fields
	data    []byte // that the messages end in …
	base    int64  // … and its offset in the file
	now     time.Time
}

// sent is the Private of an event: what is to be known when it is acknowledged, and if there is a template for
// it, all that the event says.
type sent struct {
	mark
	document prepared.Document
	values   [2]prepared.Value // see the holes
}

// Prepared is prepared.Carrier's.
func (s *sent) Prepared() *prepared.Document {
	if s.document.Template == nil {
		return nil
	}
	return &s.document
}

// The holes of templates. Structured messages have others instead of that for the message.
const (
	offsetHole encode.Hole = iota
	messageHole
)

// A kind is what events have in common that differ in messages, places and times only.
type kind struct {
	path   string
	stream string
	fields *k8sname.Fields
	shape  lines.Shape // of a message that is not structured …
	keys   string      // … or what describe says of one that is
}

// mostKinds bounds the templates of a shard. Beyond it all are made anew, of those kinds that still come.
const mostKinds = 512

// begin says what the messages to come are from, and the file's name; data are the bytes from offset base on.
func (p *publisher) begin(c *content, path string, data []byte, base int64, now time.Time) {
	p.content, p.path, p.data, p.base, p.now = c, path, data, base, now
	p.fields = c.src.Fields()
}

// publish sends one message, unless it was delivered before the last start.
func (p *publisher) publish(m *lines.Message) {
	c := p.content
	p.run.metrics.messages.Inc()
	if m.End <= c.skip || p.run.refused.Load() {
		return
	}
	if len(p.spare) == 0 {
		p.spare = make([]sent, 16) // few, for all stay as long as one of them
	}
	s := &p.spare[0]
	p.spare = p.spare[1:]
	end := max(0, m.End-p.base) // a message that waited for another may end before the data: nothing is known of what is before it
	s.mark = mark{c, m.Resume, m.End, fingerprintOf(p.data[max(0, end-windowSize):end])}
	event := p.event(m, s)
	event.Private = s
	c.mu.Lock()
	c.inFlight++
	c.mu.Unlock()
	p.client.Publish(event)
	if p.closed.Load() { // whether another shard's client is closed says nothing of this event
		return
	}
	c.last = s.mark
	p.run.metrics.published.Inc()
}

// DroppedOnPublish and the others are beat.ClientEventer's.
func (p *publisher) DroppedOnPublish(e beat.Event) {
	p.closed.Store(true)
	p.run.refused.Store(true)
	if s, ok := e.Private.(*sent); ok { // it will not be acknowledged
		s.content.mu.Lock()
		s.content.inFlight--
		s.content.mu.Unlock()
	}
}

// Forgot is delivery.Forgetter's.
func (p *publisher) Forgot() { p.run.forgot.Store(true) }

func (p *publisher) Closing()               {}
func (p *publisher) Closed()                {}
func (p *publisher) Published()             {}
func (p *publisher) FilteredOut(beat.Event) {}

// event makes the event of a message: a document, in s, if there is a template for it, else one with maps, all of which are
// its own, for processors may change them.
func (p *publisher) event(m *lines.Message, s *sent) beat.Event {
	c := p.content
	p.id = c.appendID(p.id[:0], m.Start, m.Text)
	id := p.texts.keep(p.id)
	if !c.reader.Shaped() {
		return p.structured(m, s, id)
	}
	text := p.texts.keep(m.Text)
	shape, t := c.reader.Shape(m, text)
	t = p.firstRead(m, t)
	if shape.Small() {
		k := p.kind(shape, nil)
		template, again := p.templateOf(k)
		if template == nil && again {
			template = p.learn(k, p.whole(shape, messageHole, offsetHole))
		}
		if template != nil {
			s.values = [...]prepared.Value{offsetHole: prepared.Int(m.Start), messageHole: prepared.String(text)}
			return s.event(t, template, id, s.values[:])
		}
	}
	return beat.Event{Timestamp: t, Meta: p.meta(id), Fields: p.whole(shape, text, m.Start)}
}

// event returns the event that is a document in s.
func (s *sent) event(t time.Time, template *prepared.Template, id string, values []prepared.Value) beat.Event {
	s.document = prepared.Document{Template: template, ID: id, Values: values}
	return beat.Event{Timestamp: t}
}

// firstRead is t, or when a message was first read that has no time.
func (p *publisher) firstRead(m *lines.Message, t time.Time) time.Time {
	if t.IsZero() {
		return p.content.firstRead(m.Start, p.now)
	}
	return t
}

func (p *publisher) kind(shape lines.Shape, keys []byte) kind {
	k := kind{path: p.path, stream: p.content.src.Stream, fields: p.fields, shape: shape}
	if p.last.keys == string(keys) { // which costs nothing
		k.keys = p.last.keys
	} else {
		k.keys = string(keys)
	}
	return k
}

// templateOf returns the template for events of a kind, if there is one, and whether the kind has come before. A publisher without
// a map has none.
func (p *publisher) templateOf(k kind) (template *prepared.Template, again bool) {
	if p.template != nil && k == p.last {
		return p.template, true
	}
	if p.templates == nil {
		return nil, false
	}
	if template, again = p.templates[k]; !again {
		if len(p.templates) >= mostKinds {
			clear(p.templates)
		}
		p.templates[k] = nil
	}
	p.last, p.template = k, template
	return template, again
}

// learn makes the template for events of a kind.
func (p *publisher) learn(k kind, fields common.MapStr) *prepared.Template {
	p.template = prepared.New(fields, p.meta(""))
	p.templates[k], p.last = p.template, k
	return p.template
}

// whole returns the fields of an event that is not structured.
func (p *publisher) whole(shape lines.Shape, message, offset any) common.MapStr {
	fields := p.common(offset)
	fields["message"] = message
	shape.Put(fields)
	return fields
}

// common returns the fields that all events of a file have.
func (p *publisher) common(offset any) common.MapStr {
	fields := make(common.MapStr, 8)
	fields["host"] = common.MapStr{"name": p.run.node}
	if p.fields != nil {
		p.fields.Put(fields)
	}
	fields["log"] = common.MapStr{"file": common.MapStr{"path": p.path}, "offset": offset, "stream": p.content.src.Stream}
	return fields
}

func (p *publisher) meta(id string) common.MapStr {
	m := common.MapStr{k8sname.IndexKey: p.run.index}
	if id != "" {
		m["_id"] = id
	}
	return m
}

// texts keep what events say. Many short ones are in one piece of memory, which stays while any of its events waits: it
// is small, for of many events a processor may leave one here and there.
type texts struct{ piece strings.Builder }

// pieceSize is how many bytes of texts are kept together.
const pieceSize = 4096

// keep returns b as a string.
func (t *texts) keep(b []byte) string {
	if len(b) > pieceSize/4 {
		return string(b)
	}
	if t.piece.Cap()-t.piece.Len() < len(b) {
		t.piece.Reset()
		t.piece.Grow(pieceSize)
	}
	from := t.piece.Len()
	t.piece.Write(b)
	return t.piece.String()[from:]
}
