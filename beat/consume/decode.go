package consume

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/beat/events"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/processors/k8sname"
)

// A message is one record of Kafka, as far as its events depend on it.
type message struct {
	value     []byte
	topic     string
	partition int32
	offset    int64
	time      time.Time // the record's
}

// A decoder makes events of messages. It keeps nothing between them.
type decoder struct {
	maxBytes, maxValues int
	list                string // expand_event_list_from_field
	metrics             *metrics
}

// maxDepth is how deep a message may be nested: as deep as podbeat's outputs write.
const maxDepth = 100

// A refusal is why a message is no event.
type refusal struct{ kind, reason string }

func (r *refusal) Error() string { return r.reason }

func notJSON(format string, args ...any) error {
	return &refusal{"not_json", fmt.Sprintf(format, args...)}
}

func tooMuch(format string, args ...any) error {
	return &refusal{"message_too_large", fmt.Sprintf(format, args...)}
}

func notEvent(format string, args ...any) error {
	return &refusal{"not_an_event", fmt.Sprintf(format, args...)}
}

// decode returns the events of m, and about how many bytes they take. Its error is a *refusal.
func (d *decoder) decode(m *message) (list []beat.Event, size int, err error) {
	if len(m.value) > d.maxBytes {
		return nil, 0, tooMuch("the message has %d bytes, more than max_message_bytes, %d", len(m.value), d.maxBytes)
	}
	fields, values, err := object(m.value, d.maxValues, false)
	if err != nil {
		return nil, 0, err
	}
	size = len(m.value) + valueSize*values
	if d.list == "" {
		e, err := d.event(fields, m, m.id())
		if err != nil {
			return nil, 0, err
		}
		return []beat.Event{e}, size, nil
	}
	elements, ok := fields[d.list].([]any)
	if !ok {
		return nil, 0, notEvent("there is no list in %q, which expand_event_list_from_field names", d.list)
	}
	for i, element := range elements {
		fields, ok := element.(common.MapStr)
		if !ok {
			return nil, 0, notEvent("element %d of %q is no object", i, d.list)
		}
		e, err := d.event(fields, m, m.id()+"-"+strconv.Itoa(i))
		if err != nil {
			return nil, 0, err
		}
		list = append(list, e)
	}
	return list, size, nil
}

// valueSize is about how much memory a value takes beside its text, in bytes.
const valueSize = 64

// Object reads the JSON object that an event was written as. Numbers that no Go number writes the same stay json.Number.
func Object(text []byte) (common.MapStr, error) {
	fields, _, err := object(text, math.MaxInt, true)
	return fields, err
}

// object also returns how many values there are. Its error is a *refusal.
func object(text []byte, maxValues int, exact bool) (common.MapStr, int, error) {
	const space = " \t\r\n"
	if len(bytes.Trim(text, space)) == 0 {
		return nil, 0, notJSON("the message is empty")
	}
	r := reader{
		dec:  jsontext.NewDecoder(bytes.NewBuffer(text), jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)),
		left: maxValues, exact: exact,
	}
	if kind := r.dec.PeekKind(); kind != '{' && kind != 0 {
		return nil, 0, notEvent("want a JSON object, not %s", kindName(kind))
	}
	top, err := r.value(1)
	if err != nil {
		return nil, 0, r.explain(err, maxValues)
	}
	if end := r.dec.InputOffset(); len(bytes.Trim(text[end:], space)) > 0 {
		return nil, 0, notJSON("there is something behind the object (byte %d)", end)
	}
	return top.(common.MapStr), maxValues - r.left, nil
}

// ID is an id for the event of a message without one: the same whenever the message is read. The time tells messages apart that
// have the same place in two topics of one name, of two clusters or after one was deleted and made again.
func ID(topic string, partition int32, offset int64, at time.Time) string {
	return strconv.FormatInt(at.UnixMilli(), 36) + "-" + topic + "-" + strconv.Itoa(int(partition)) + "-" + strconv.FormatInt(offset, 10)
}

func (m *message) id() string { return ID(m.topic, m.partition, m.offset, m.time) }

// event makes an event of an object: of a beat's as it was before Kafka, of any other with the index that its field `index` says.
func (d *decoder) event(fields common.MapStr, m *message, id string) (beat.Event, error) {
	at, err := d.timestamp(fields["@timestamp"], m)
	if err != nil {
		return beat.Event{}, err
	}
	e := beat.Event{Timestamp: at, Meta: common.MapStr{}, Fields: fields}
	delete(fields, "@timestamp")
	meta, ok := fields["@metadata"].(common.MapStr)
	if _, there := fields["@metadata"]; there && !ok {
		return e, notEvent("@metadata is no object")
	}
	delete(fields, "@metadata")
	_, beats := meta["beat"].(string)
	if !beats {
		meta = common.MapStr{} // Logstash's, which means nothing here
		if index, ok := fields["index"].(string); ok {
			if name := IndexName(index); name != "" {
				meta[k8sname.IndexKey] = name
			}
		}
	}
	for _, ours := range []string{"beat", "type", "version"} { // the codec's, not the event's
		delete(meta, ours)
	}
	if own, ok := meta[events.FieldMetaID].(string); !ok || own == "" || len(own) > maxID {
		if _, there := meta[events.FieldMetaID]; there {
			d.metrics.replacedID.Inc()
		}
		meta[events.FieldMetaID] = id
	}
	if err := checkMeta(meta); err != nil {
		return e, err
	}
	e.Meta = meta
	return e, nil
}

// maxID is the longest id that Elasticsearch takes, in bytes.
const maxID = 512

// checkMeta refuses what outputs would misunderstand.
func checkMeta(meta common.MapStr) error {
	for _, name := range []string{events.FieldMetaIndex, events.FieldMetaRawIndex, events.FieldMetaAlias, events.FieldMetaPipeline, k8sname.IndexKey} {
		if v, there := meta[name]; there {
			if _, ok := v.(string); !ok {
				return notEvent("@metadata.%s is no text", name)
			}
		}
	}
	op, there := meta[events.FieldMetaOpType]
	if !there {
		return nil
	}
	switch op {
	case "create", "index":
	case "", int64(events.OpTypeDefault): // libbeat's codec writes its own type as a number
		delete(meta, events.FieldMetaOpType)
	case int64(events.OpTypeCreate):
		meta[events.FieldMetaOpType] = "create"
	case int64(events.OpTypeIndex):
		meta[events.FieldMetaOpType] = "index"
	default:
		return notEvent("@metadata.op_type is not create or index, which are all that is shipped")
	}
	return nil
}

// timestamp reads an event's time. What is missing or wrong is the record's. A record without a time that has a day is refused:
// the day is part of the index, so that whatever time was made up would have to be the same whenever the message is read.
func (d *decoder) timestamp(v any, m *message) (time.Time, error) {
	text, ok := v.(string)
	if ok {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t.UTC(), nil
		}
	}
	if v != nil {
		d.metrics.replacedTime.Inc()
	}
	if m.time.UnixMilli() >= 0 && m.time.UTC().Year() <= 9999 && m.time.UTC().Year() >= 1970 {
		return m.time.UTC(), nil
	}
	return time.Time{}, notEvent("there is no @timestamp that can be read, and Kafka's time of the message is none of the years 1970 to 9999")
}

// maxIndex keeps an index and the day that is appended (-2006.01.02) within Elasticsearch's 255 bytes.
const maxIndex = 255 - len("-2006.01.02")

// IndexName is the field `index` of a document that is of no beat as Elasticsearch takes it: in lower case, what may not stand in a name an underscore, what may not begin
// one left out, so that no name is refused and none is a hidden index's.
func IndexName(index string) string {
	name := strings.Map(func(c rune) rune {
		if c <= ' ' || c == 0x7f || strings.ContainsRune(`\/*?"<>|,#:%{}`, c) {
			return '_'
		}
		return c
	}, strings.ToLower(index))
	name = strings.TrimLeft(name, "-_+.")
	if len(name) > maxIndex {
		name = strings.ToValidUTF8(name[:maxIndex], "")
	}
	return name
}

// A reader reads JSON as RFC 8259 has it into what libbeat's events are made of: common.MapStr, []any, string, bool, nil and
// int64, uint64, float64 or json.Number. Bytes that are no UTF-8 and halves of surrogate pairs become U+FFFD. An object with the same
// name twice is refused: one of the two would be lost.
type reader struct {
	dec   *jsontext.Decoder
	left  int  // values that may still come
	exact bool // see Object
}

var (
	errDepth  = errors.New("depth")
	errValues = errors.New("values")
)

func (r *reader) value(depth int) (any, error) {
	token, err := r.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	if r.left--; r.left < 0 {
		return nil, errValues
	}
	switch token.Kind() {
	case '"':
		return token.String(), nil
	case '0':
		if r.exact {
			return exactNumber(token.String()), nil
		}
		return number(token.String())
	case 't', 'f':
		return token.Bool(), nil
	case '{':
		return r.object(depth)
	case '[':
		return r.array(depth)
	}
	return nil, nil // null: what may not stand here is an error of ReadToken
}

func (r *reader) object(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	m := common.MapStr{}
	for r.dec.PeekKind() != '}' {
		token, err := r.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		if _, twice := m[name]; twice {
			return nil, notEvent("the name %s is there twice in an object", clip(name))
		}
		if m[name], err = r.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := r.dec.ReadToken()
	return m, err
}

func (r *reader) array(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	list := []any{}
	for r.dec.PeekKind() != ']' {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := r.dec.ReadToken()
	return list, err
}

// explain makes err a refusal.
func (r *reader) explain(err error, most int) error {
	var known *refusal
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errDepth):
		return tooMuch("the message is nested deeper than %d", maxDepth)
	case errors.Is(err, errValues):
		return tooMuch("the message has more than %d values (max_fields)", most)
	}
	return notJSON("%s", printable(err.Error()))
}

// number keeps the kind of a number: whole ones are int64, uint64 or, beyond 64 bits, json.Number; all others float64, of which
// encode writes whole ones with a point, too.
func number(text string) (any, error) {
	whole := !strings.ContainsAny(text, ".eE")
	if whole {
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			return n, nil
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return nil, notEvent("the number %s is out of range", clip(text))
	}
	if whole {
		return json.Number(text), nil
	}
	return f, nil
}

// exactNumber is number, but that it keeps all digits.
func exactNumber(text string) any {
	n, err := number(text)
	if f, ok := n.(float64); err != nil || ok && !writes(f, text) {
		return json.Number(text)
	}
	return n
}

// writes says whether f is written as text.
func writes(f float64, text string) bool {
	b, err := json.Marshal(f)
	return err == nil && string(b) == text
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '[':
		return "a list"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case 't', 'f':
		return "a boolean"
	}
	return "null"
}

// clip returns what others wrote in quotes, in a form and length fit for a log.
func clip(s string) string { return strconv.QuoteToGraphic(short(s)) }

// printable is the same of a sentence that quotes what others wrote.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return '\uFFFD'
	}, short(s))
}

func short(s string) string {
	const longest = 200
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}
