package tap

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/kql"
)

const (
	timeField = "@timestamp"
	metaField = "@metadata"
)

// isOf says whether an event is of the input with that id, or of that type. The id is known by the receipt that podbeat keeps of every
// input.
func isOf(e *beat.Event, input string) bool {
	if of, ok := e.Private.(interface{ Input() (typ, id string) }); ok {
		if typ, id := of.Input(); id == input || typ == input {
			return true
		}
	}
	typ, err := e.Fields.GetValue("input.type")
	return err == nil && typ == input
}

// valuesOf makes an event what one query asks, which may ask for a field several times in turn: of a level, for each word for it.
func valuesOf(e *beat.Event) kql.Doc {
	last, values := "", find(nil, e.Fields, "")
	return func(field string) []any {
		if field != last {
			last, values = field, lookup(e, field)
		}
		return values
	}
}

func lookup(e *beat.Event, field string) []any {
	switch {
	case field == timeField:
		return []any{stamp(e.Timestamp)}
	case strings.Contains(field, "*"):
		var out []any
		if like(timeField, field) {
			out = append(out, stamp(e.Timestamp))
		}
		leaves(e.Fields, "", func(name string, v any) {
			if like(name, field) {
				out = plain(out, v)
			}
		})
		return out
	}
	if name, ok := strings.CutPrefix(field, metaField+"."); ok {
		return find(nil, e.Meta, name)
	}
	return find(nil, e.Fields, field)
}

// find adds the values of a field whose name may be divided by points anywhere.
func find(out []any, m map[string]any, field string) []any {
	if v, ok := m[field]; ok {
		out = plain(out, v)
	}
	for i := range len(field) {
		if field[i] != '.' {
			continue
		}
		for _, inner := range objects(m[field[:i]]) {
			out = find(out, inner, field[i+1:])
		}
	}
	return out
}

// objects returns v if it is an object, or those in it if it is a list.
func objects(v any) []map[string]any {
	switch v := v.(type) {
	case common.MapStr:
		return []map[string]any{v}
	case map[string]any:
		return []map[string]any{v}
	case []common.MapStr:
		out := make([]map[string]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out
	case []map[string]any:
		return v
	case []any:
		var out []map[string]any
		for _, item := range v {
			out = append(out, objects(item)...)
		}
		return out
	}
	return nil
}

// leaves calls f for every value that is no object.
func leaves(m map[string]any, prefix string, f func(name string, v any)) {
	for name, v := range m {
		inner := objects(v)
		if inner == nil {
			f(prefix+name, v)
		}
		for _, o := range inner {
			leaves(o, prefix+name+".", f)
		}
	}
}

// plain adds a value, or those of a list, as encoding/json would read it.
func plain(out []any, v any) []any {
	switch v := v.(type) {
	case nil, string, bool, float64, json.Number:
		return append(out, v)
	case []string:
		for _, s := range v {
			out = append(out, s)
		}
		return out
	case []any:
		for _, item := range v {
			out = plain(out, item)
		}
		return out
	case time.Time:
		return append(out, stamp(v))
	case common.Time:
		return append(out, stamp(time.Time(v)))
	}
	if inner := objects(v); inner != nil {
		for _, o := range inner {
			object := make(map[string]any, len(o))
			for name, v := range o {
				values := plain(nil, v)
				if len(values) == 1 {
					object[name] = values[0]
				} else {
					object[name] = values
				}
			}
			out = append(out, object)
		}
		return out
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return append(out, r.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return append(out, json.Number(fmt.Sprint(r.Uint())))
	case reflect.Float32:
		return append(out, r.Float())
	case reflect.Slice, reflect.Array:
		for i := range r.Len() {
			out = plain(out, r.Index(i).Interface())
		}
		return out
	}
	return append(out, fmt.Sprint(v))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// like says whether name is pattern, in which * stands for any text.
func like(name, pattern string) bool {
	begin, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return name == pattern
	}
	name, ok = strings.CutPrefix(name, begin)
	if !ok {
		return false
	}
	for {
		piece, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, piece)
		}
		i := strings.Index(name, piece)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(piece):], after
	}
}

// A writer writes events as the outputs that send queues' messages do, one a line, the time first.
type writer struct {
	encode.Encoder
	name, version string // of the beat
}

// line is an event as one line of JSON. With fields, it has only those.
func (w writer) line(e *beat.Event, fields []string) []byte {
	var b []byte
	var err error
	if len(fields) == 0 {
		b, err = w.Message(nil, e, w.name, w.version)
	} else {
		b, err = w.Event(nil, only(e, fields))
	}
	if err != nil {
		b, _ = w.Event(nil, &beat.Event{Timestamp: e.Timestamp, Fields: common.MapStr{"error": common.MapStr{"message": "cannot write this event as JSON: " + err.Error()}}})
	}
	return append(b, '\n')
}

// only returns an event with these fields of e. A name stands for what is below it, too.
func only(e *beat.Event, fields []string) *beat.Event {
	wanted := func(name string, v any) (any, bool) {
		for _, f := range fields {
			if like(name, f) || strings.HasPrefix(name, f+".") {
				return v, true
			}
		}
		return nil, false
	}
	doc := changed(e.Fields, "", wanted)
	if meta := changed(e.Meta, metaField+".", wanted); len(meta) > 0 {
		doc[metaField] = meta
	}
	return &beat.Event{Timestamp: e.Timestamp, Fields: doc}
}

// changed returns a copy of m with the values that f gives, and without those that f does not want.
func changed(m map[string]any, prefix string, f func(name string, v any) (any, bool)) common.MapStr {
	out := make(common.MapStr, len(m))
	for name, v := range m {
		if inner := objects(v); inner != nil {
			var list []common.MapStr
			for _, o := range inner {
				if o := changed(o, prefix+name+".", f); len(o) > 0 {
					list = append(list, o)
				}
			}
			switch {
			case len(list) == 0:
			case reflect.TypeOf(v).Kind() == reflect.Map:
				out[name] = list[0]
			default:
				out[name] = list
			}
			continue
		}
		if v, ok := f(prefix+name, v); ok {
			out[name] = v
		}
	}
	return out
}

// A veil hides what is not to be seen. A nil one hides nothing.
type veil struct {
	names []string
	texts []*regexp.Regexp
}

const hidden = "[redacted]"

// newVeil reads what podbeat.tap.redact says.
func newVeil(redact []string) (*veil, error) {
	if len(redact) == 0 {
		return nil, nil
	}
	v := &veil{}
	for _, r := range redact {
		pattern, isText := strings.CutPrefix(r, "/")
		if !isText {
			if r == "" || r == timeField {
				return nil, fmt.Errorf("cannot redact %q: want the name of a field, or a /regular expression/", r)
			}
			v.names = append(v.names, r)
			continue
		}
		pattern, closed := strings.CutSuffix(pattern, "/")
		re, err := regexp.Compile(pattern)
		if err != nil || !closed || pattern == "" {
			if err == nil {
				err = fmt.Errorf("want a regular expression between two /")
			}
			return nil, fmt.Errorf("cannot redact %q: %w", r, err)
		}
		v.texts = append(v.texts, re)
	}
	return v, nil
}

// over returns a copy of an event in which what is not to be seen is hidden.
func (v *veil) over(e *beat.Event) *beat.Event {
	return &beat.Event{Timestamp: e.Timestamp, Private: e.Private, Meta: changed(e.Meta, metaField+".", v.hide), Fields: changed(e.Fields, "", v.hide)}
}

func (v *veil) hide(name string, value any) (any, bool) {
	for _, n := range v.names {
		top, _ := strings.CutPrefix(n, "*.") // who means a field wherever it is means it at the top, too
		if like(name, n) || like(name, n+".*") || like(name, top) || like(name, top+".*") {
			return hidden, true
		}
	}
	return v.clean(value), true
}

// clean hides the parts of texts.
func (v *veil) clean(value any) any {
	if len(v.texts) == 0 {
		return value
	}
	switch value := value.(type) {
	case string:
		for _, re := range v.texts {
			value = re.ReplaceAllLiteralString(value, hidden)
		}
		return value
	case []string:
		out := make([]string, len(value))
		for i, s := range value {
			out[i] = v.clean(s).(string)
		}
		return out
	case []any:
		out := make([]any, len(value))
		for i, item := range value {
			out[i] = v.clean(item)
		}
		return out
	}
	return value
}
