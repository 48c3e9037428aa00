// Package prepared lets an input say once what many of its events have in common. Most events of a node are of few
// kinds (of a container, of a unit, of a file) and differ in the message, in times and in numbers only. The
// input makes the fields of a kind once, with holes where each event has a value of its own: a Template. Of every
// further event it publishes the values: a Document, in the event's Private, while its Fields stay nil.
//
//	input: Template, Document → processing: Process → queue → output: AppendJSON
//	                               │ not this time
//	                               └──► Fill: an ordinary event
//
// The processors see the fields of a kind once, and the output encodes them once. What comes out is what
// would have come out of ordinary events: whatever cannot be sure of that, as a processor that reads what
// is in a hole, or an output that knows no documents, gets ordinary events.
package prepared

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/encode"
)

// A Template is what the documents of one kind have in common. It is safe for concurrent use.
type Template struct {
	fields, meta common.MapStr // never changed
	holes        []string      // dotted paths of the fields with holes

	mu     sync.Mutex             // of who makes a result
	result atomic.Pointer[result] // of the chain that saw it last
}

// New makes a Template of an event's fields and metadata, which it takes over. Fields have encode.Hole(i) as a value where
// a document has its Values[i]: each hole once, within maps only. Meta is without `_id`.
func New(fields, meta common.MapStr) *Template {
	t := &Template{fields: fields, meta: meta}
	t.find("", fields)
	return t
}

func (t *Template) find(prefix string, m map[string]any) {
	for k, v := range m {
		switch v := v.(type) {
		case encode.Hole:
			t.holes = append(t.holes, prefix+k)
		case common.MapStr:
			t.find(prefix+k+".", v)
		case map[string]any:
			t.find(prefix+k+".", v)
		}
	}
}

// A Document is an event of a Template's kind.
type Document struct {
	Template *Template
	ID       string  // @metadata._id; "" is none
	Values   []Value // of the holes

	result *result // of the processors, once they are done
}

// A Carrier is what an input puts into an event's Private for it to be a document, and also who wraps such a thing.
type Carrier interface {
	// Prepared returns the document; nil says that the event is an ordinary one.
	Prepared() *Document
}

// Of returns the document that an event is, and nil for an ordinary event.
func Of(e *beat.Event) *Document {
	if e.Fields != nil {
		return nil
	}
	if c, ok := e.Private.(Carrier); ok {
		return c.Prepared()
	}
	return nil
}

// Ordinary makes an ordinary event of a document; others it leaves alone.
func Ordinary(e *beat.Event) {
	if d := Of(e); d != nil {
		d.Fill(e)
	}
}

// Fill makes an ordinary event of e, which is d: its maps are its own. It is as the processors have left it, if
// they are done.
func (d *Document) Fill(e *beat.Event) {
	fields, meta := d.Template.fields, d.Template.meta
	if d.result != nil {
		fields, meta = d.result.fields, d.result.meta
	}
	e.Fields = fill(fields, d.Values)
	e.Meta = fill(meta, d.Values)
	if d.ID != "" {
		e.Meta["_id"] = d.ID
	}
}

// fill copies m, with values in its holes; the holes stay if values is nil.
func fill(m map[string]any, values []Value) common.MapStr {
	out := make(common.MapStr, len(m))
	for k, v := range m {
		out[k] = filled(v, values)
	}
	return out
}

func filled(v any, values []Value) any {
	switch v := v.(type) {
	case encode.Hole:
		if values != nil {
			return values[v].any()
		}
	case common.MapStr:
		return fill(v, values)
	case map[string]any:
		return map[string]any(fill(v, values))
	case []string:
		return slices.Clone(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = filled(v[i], values)
		}
		return list
	}
	return v
}

// A Value is what a document has in a hole.
type Value struct {
	kind kind
	bits uint64
	text string
}

type kind uint8

const (
	kindString kind = iota
	kindInt
	kindFloat
	kindBool
	kindTime
)

// String is a text, of valid UTF-8.
func String(s string) Value { return Value{text: s} }

// Int is a whole number.
func Int(n int64) Value { return Value{kind: kindInt, bits: uint64(n)} }

// Float is a number that is neither NaN nor infinite.
func Float(f float64) Value { return Value{kind: kindFloat, bits: math.Float64bits(f)} }

// Bool is true or false.
func Bool(b bool) Value {
	if b {
		return Value{kind: kindBool, bits: 1}
	}
	return Value{kind: kindBool}
}

// Time is a moment of the years 1678 to 2262.
func Time(t time.Time) Value { return Value{kind: kindTime, bits: uint64(t.UnixNano())} }

// any is the value as ordinary events have it.
func (v Value) any() any {
	switch v.kind {
	case kindInt:
		return int64(v.bits)
	case kindFloat:
		return math.Float64frombits(v.bits)
	case kindBool:
		return v.bits == 1
	case kindTime:
		return common.Time(time.Unix(0, int64(v.bits)).UTC())
	}
	return v.text
}

func (v Value) append(b []byte, enc encode.Encoder) []byte {
	switch v.kind {
	case kindInt:
		return strconv.AppendInt(b, int64(v.bits), 10)
	case kindFloat:
		n := len(b)
		b, err := encode.AppendFloat(b, math.Float64frombits(v.bits), 64)
		if err != nil {
			return append(b[:n], "null"...)
		}
		return b
	case kindBool:
		return strconv.AppendBool(b, v.bits == 1)
	case kindTime:
		return encode.AppendTime(b, time.Unix(0, int64(v.bits)))
	}
	return enc.String(b, v.text)
}

// AppendJSON appends what enc.Event appends of the same ordinary event of this time, up to the order of keys.
func (d *Document) AppendJSON(b []byte, enc encode.Encoder, at time.Time) ([]byte, error) {
	p, err := d.done().pieces(enc)
	if err != nil {
		return b, err
	}
	b = encode.AppendTime(append(b, `{"@timestamp":`...), at)
	for i, h := range p.Holes {
		b = d.Values[h].append(append(b, p.Text[i]...), enc)
	}
	return append(b, p.Text[len(p.Holes)]...), nil
}

// Kind returns the fields and the metadata that all documents of the kind have, without `_id`, after the processors, and with holes. They
// must not be changed.
func (d *Document) Kind() (fields, meta common.MapStr) {
	r := d.done()
	return r.fields, r.meta
}

// done is what the processors have made of d, if there are any.
func (d *Document) done() *result {
	if d.result == nil {
		d.result = d.Template.process(none)
	}
	return d.result
}

// Slot is where the output keeps what it has made of Kind. Outputs may be several, at once and one after the
// other: what is in there must say whose it is.
func (d *Document) Slot() *atomic.Value { return &d.done().slot }

// Namespace returns an event's kubernetes.namespace, "" if there is none.
func Namespace(e *beat.Event) string {
	d := Of(e)
	switch {
	case d == nil:
		return namespaceOf(e.Fields)
	case d.result == nil:
		return namespaceOf(d.Template.fields)
	}
	return d.result.namespace
}

// A result is what a chain of processors makes of a kind. All but the slot and the texts is set when it is made.
type result struct {
	chain        *Chain
	ordinary     bool // it must be done with each document
	dropped      bool
	fields, meta common.MapStr
	namespace    string
	counters     []*monitoring.Uint

	slot atomic.Value
	text [2]atomic.Pointer[encode.Pieces] // without and with EscapeHTML
}

func (r *result) pieces(enc encode.Encoder) (*encode.Pieces, error) {
	at := &r.text[0]
	if enc.EscapeHTML {
		at = &r.text[1]
	}
	if p := at.Load(); p != nil {
		return p, nil
	}
	p, err := enc.Pieces(r.fields)
	if err == nil {
		at.Store(p)
	}
	return p, err
}

// namespaceOf returns kubernetes.namespace of an event's fields.
func namespaceOf(fields common.MapStr) (name string) {
	switch k := fields["kubernetes"].(type) {
	case common.MapStr:
		name, _ = k["namespace"].(string)
	case map[string]any:
		name, _ = k["namespace"].(string)
	case nil:
		name, _ = fields["kubernetes.namespace"].(string)
	}
	return name
}
