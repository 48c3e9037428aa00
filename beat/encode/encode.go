// Package encode writes events as JSON: as a document of Elasticsearch, and as the message of a queue, which
// is the same document with @metadata in it. Both outputs use it, so that an event which went through a queue
// ends as the document that it would have been without one.
package encode

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/beat/events"
	"github.com/elastic/beats/v7/libbeat/common"
)

// maxDepth bounds the nesting of an event; a map that holds itself must end in an error.
// Elasticsearch's own limit (index.mapping.depth.limit) is 20.
const maxDepth = 100

var errHole = errors.New("a hole without a value")

var errDepth = fmt.Errorf("nested deeper than %d", maxDepth)

// A Hole stands in the fields of many documents where each has a value of its own: see Encoder.Pieces.
type Hole int

// Pieces are the text of documents around their holes.
type Pieces struct {
	Text  [][]byte // one more than there are holes
	Holes []Hole   // in the order of the text
}

// An Encoder appends events as JSON, the document libbeat's output would send, with three
// differences: times keep microseconds and nanoseconds where there are any, floats keep a point or an
// exponent where they are whole, and bytes that are no UTF-8 become U+FFFD. What JSON cannot say (NaN, a channel, a cycle) is an error, which leaves
// nothing usable behind the length that the caller noted.
type Encoder struct {
	EscapeHTML bool // write <, > and & as \u00XX
	Lenient    bool // for dead letters: write what has no JSON as a string instead of failing

	holes *[]hole // where Pieces finds them
}

type hole struct {
	number Hole
	at     int // offset in the text
}

// Pieces encodes the fields that many documents have in common: all that follows the value of @timestamp in
// each of them, with its last brace. Without holes Event appends the same, up to the order of the keys, which is sorted here:
// documents of different kinds have more in common then, and compress better, by 8 % in a sample.
func (e Encoder) Pieces(fields common.MapStr) (*Pieces, error) {
	var holes []hole
	e.holes = &holes
	var text []byte
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if k == "@timestamp" {
			continue
		}
		var err error
		if text, err = e.member(append(text, ','), k, fields[k], 0); err != nil {
			return nil, fmt.Errorf("cannot encode field %q: %w", k, err)
		}
	}
	text = append(text, '}')
	p := &Pieces{}
	from := 0
	for _, h := range holes {
		p.Text, p.Holes = append(p.Text, text[from:h.at:h.at]), append(p.Holes, h.number)
		from = h.at
	}
	p.Text = append(p.Text, text[from:])
	return p, nil
}

// Event appends ev's document without a newline.
func (e Encoder) Event(b []byte, ev *beat.Event) ([]byte, error) {
	b = append(b, `{"@timestamp":`...)
	return e.fields(AppendTime(b, ev.Timestamp), ev, "@timestamp")
}

// Message appends what a queue is to have of ev, without a newline: its document, with its Meta and these
// names of the beat and its version in @metadata, as libbeat's codec json has them. A field of ev that is
// itself named @metadata has no place in it and is left out.
func (e Encoder) Message(b []byte, ev *beat.Event, name, version string) ([]byte, error) {
	b = append(b, `{"@timestamp":`...)
	b = append(AppendTime(b, ev.Timestamp), `,"@metadata":{"beat":`...)
	b = append(e.String(b, name), `,"type":"_doc","version":`...)
	b = e.String(b, version)
	for k, v := range ev.Meta {
		switch k {
		case "beat", "type", "version":
			continue
		case events.FieldMetaOpType:
			if op, ok := v.(events.OpType); ok { // text, as everybody else writes it
				v = op.String()
			}
		}
		b = append(b, ',')
		b = append(e.String(b, k), ':')
		var err error
		if b, err = e.value(b, v, 2); err != nil {
			return b, fmt.Errorf("cannot encode @metadata.%s: %w", k, err)
		}
	}
	return e.fields(append(b, '}'), ev, "@metadata")
}

// fields appends the fields of ev but @timestamp and this other one, and the brace that ends the document.
func (e Encoder) fields(b []byte, ev *beat.Event, taken string) ([]byte, error) {
	for k, v := range ev.Fields {
		if k == "@timestamp" || k == taken { // a second one would be a duplicate key
			continue
		}
		var err error
		if b, err = e.member(append(b, ','), k, v, 0); err != nil {
			return b, fmt.Errorf("cannot encode field %q: %w", k, err)
		}
	}
	return append(b, '}'), nil
}

// member appends a key with its value, of an object at depth.
func (e Encoder) member(b []byte, k string, v any, depth int) ([]byte, error) {
	return e.value(append(e.String(b, k), ':'), v, depth+1)
}

// value appends v. The types that events are made of come first; the rest is encoding/json's.
func (e Encoder) value(b []byte, v any, depth int) ([]byte, error) {
	start := len(b)
	b, err := e.strict(b, v, depth)
	if err != nil && e.Lenient {
		return e.String(b[:start], fmt.Sprintf("<%T: %v>", v, err)), nil
	}
	return b, err
}

func (e Encoder) strict(b []byte, v any, depth int) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return e.String(b, v), nil
	case common.MapStr:
		return e.object(b, v, depth)
	case map[string]any:
		return e.object(b, v, depth)
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int8:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int16:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int32:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint:
		return strconv.AppendUint(b, uint64(v), 10), nil
	case uint8:
		return strconv.AppendUint(b, uint64(v), 10), nil
	case uint16:
		return strconv.AppendUint(b, uint64(v), 10), nil
	case uint32:
		return strconv.AppendUint(b, uint64(v), 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float64:
		return AppendFloat(b, v, 64)
	case float32:
		return AppendFloat(b, float64(v), 32)
	case common.Float: //lint:ignore SA1019 libbeat's processors may still put one into an event
		return AppendFloat(b, float64(v), 64)
	case time.Time:
		return AppendTime(b, v), nil
	case common.Time:
		return AppendTime(b, time.Time(v)), nil
	case []string:
		b = append(b, '[')
		for i, s := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.String(b, s)
		}
		return append(b, ']'), nil
	case []any:
		return appendArray(e, b, v, depth)
	case []common.MapStr:
		return appendArray(e, b, v, depth)
	case []map[string]any:
		return appendArray(e, b, v, depth)
	case []common.Time:
		return appendArray(e, b, v, depth)
	case []time.Time:
		return appendArray(e, b, v, depth)
	case Hole:
		if e.holes == nil {
			return b, errHole
		}
		*e.holes = append(*e.holes, hole{v, len(b)})
		return b, nil
	case []byte: // as libbeat has it: numbers, not base64
		return appendArray(e, b, v, depth)
	}
	return e.marshal(b, v)
}

func (e Encoder) object(b []byte, m map[string]any, depth int) ([]byte, error) {
	if m == nil {
		return append(b, "null"...), nil
	}
	if depth >= maxDepth {
		return b, errDepth
	}
	if e.holes != nil {
		return e.sorted(b, m, depth)
	}
	b = append(b, '{')
	first := true
	for k, v := range m {
		if !first {
			b = append(b, ',')
		}
		first = false
		var err error
		if b, err = e.member(b, k, v, depth); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

// sorted is object for Pieces.
func (e Encoder) sorted(b []byte, m map[string]any, depth int) ([]byte, error) {
	b = append(b, '{')
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = e.member(b, k, m[k], depth); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendArray[T any](e Encoder, b []byte, list []T, depth int) ([]byte, error) {
	if depth >= maxDepth {
		return b, errDepth
	}
	b = append(b, '[')
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = e.value(b, v, depth+1); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// marshal leaves v to encoding/json, which compacts what a MarshalJSON returns: no newline can
// slip into the bulk body. A type of somebody else's that panics costs its own event only.
func (e Encoder) marshal(b []byte, v any) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			out, err = b, fmt.Errorf("panic in %T: %v", v, r)
		}
	}()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(e.EscapeHTML)
	if err := enc.Encode(v); err != nil {
		return b, err
	}
	text := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	return append(b, bytes.ToValidUTF8(text, []byte("\uFFFD"))...), nil
}

var errNotFinite = errors.New("NaN and infinity have no JSON")

// AppendFloat appends f so that it is read as a float again; NaN and infinity are errors. Bits is the size of what f was.
func AppendFloat(b []byte, f float64, bits int) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b, errNotFinite
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	start := len(b)
	b = strconv.AppendFloat(b, f, format, -1, bits)
	if format == 'f' && bytes.IndexByte(b[start:], '.') < 0 { // else Elasticsearch maps the field as long, and cuts what comes later
		b = append(b, ".0"...)
	}
	return b, nil
}

// AppendTime appends t in UTC as "2006-01-02T15:04:05.000Z" with 3, 6 or 9 digits, as many as t
// has: the form Elasticsearch's date and date_nanos fields take by default.
func AppendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return append(t.AppendFormat(append(b, '"'), "2006-01-02T15:04:05.000Z"), '"')
	}
	hour, minute, sec := t.Clock()
	frac, digits := t.Nanosecond(), 9
	for digits > 3 && frac%1000 == 0 {
		frac, digits = frac/1000, digits-3
	}
	b = append(b, '"')
	b = append(appendDigits(b, year, 4), '-')
	b = append(appendDigits(b, int(month), 2), '-')
	b = append(appendDigits(b, day, 2), 'T')
	b = append(appendDigits(b, hour, 2), ':')
	b = append(appendDigits(b, minute, 2), ':')
	b = append(appendDigits(b, sec, 2), '.')
	return append(appendDigits(b, frac, digits), 'Z', '"')
}

func appendDigits(b []byte, n, width int) []byte {
	b = append(b, "000000000"[:width]...)
	for i := len(b) - 1; n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// plain and plainHTML are the bytes that stand for themselves in a JSON string.
var plain, plainHTML = func() (p, h [utf8.RuneSelf]bool) {
	for c := range p {
		p[c] = c >= ' ' && c != '"' && c != '\\'
		h[c] = p[c] && c != '<' && c != '>' && c != '&'
	}
	return p, h
}()

// String appends s as a JSON string.
func (e Encoder) String(b []byte, s string) []byte {
	safe := &plain
	if e.EscapeHTML {
		safe = &plainHTML
	}
	b = append(b, '"')
	if n := len(b); !e.EscapeHTML { // most strings need nothing: copy first, look afterwards
		if b = append(b, s...); isPlain(b[n:]) {
			return append(b, '"')
		}
		b = b[:n]
	}
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if !safe[c] {
				b = appendEscape(append(b, s[from:i]...), c)
				from = i + 1
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[from:i]...), "\uFFFD"...)
			from = i + 1
		}
		i += size
	}
	return append(append(b, s[from:]...), '"')
}

// isPlain says whether b holds bytes of plain only, eight at a time where it can.
func isPlain(b []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		quote, slash := w^ones*'"', w^ones*'\\'
		// A byte below n has its high bit set in w-ones*n, unless w has it already.
		if (w|(w-ones*' ')|(quote-ones)|(slash-ones))&highs != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c >= utf8.RuneSelf || !plain[c] {
			return false
		}
	}
	return true
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}
