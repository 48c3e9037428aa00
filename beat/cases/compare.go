package cases

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/cli"
)

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// check returns what is not as a case wants it, one difference a line; none if all is.
func (b *bench) check(c *testCase, out []outcome) (differences []string) {
	add := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
	var events []*beat.Event
	for _, o := range out {
		if o.err != nil {
			add("a processor failed: %s", cli.Printable(o.err.Error()))
		}
		if o.event != nil {
			events = append(events, o.event)
		}
	}
	want := max(1, len(c.want))
	switch {
	case c.drop && len(events) > 0:
		fields := fieldsOf(events[0])
		if text, ok := fields["message"].(string); ok {
			add("want it dropped, got it with message %s", shown(text))
		} else {
			add("want it dropped, got %s", shown(fields))
		}
		return differences
	case c.drop:
		return differences
	case len(out) == 0:
		add("want %s, got none: the input does not read it", number(want))
		return differences
	case len(events) == 0:
		add("want %s, got none: dropped", number(want))
		return differences
	case len(events) != want:
		add("want %s, got %d", number(want), len(events))
		return differences
	}
	for i, e := range events {
		prefix := ""
		if len(events) > 1 {
			prefix = fmt.Sprintf("event %d: ", i+1)
		}
		fields := fieldsOf(e)
		if len(c.want) > 0 {
			for _, name := range sorted(c.want[i]) {
				want := c.want[i][name]
				got, there := lookup(fields, name)
				switch {
				case !there:
					add("%s%s: want %s, is not there%s", prefix, name, shown(want), like(fields, name))
				case !same(want, got):
					add("%s%s: want %s, got %s", prefix, name, shown(want), shown(got))
				}
			}
		}
		for _, name := range c.absent {
			if got, there := lookup(fields, name); there {
				add("%s%s: want it absent, got %s", prefix, name, shown(got))
			}
		}
		if c.index == nil {
			continue
		}
		if index, err := b.indexOf(e); err != nil {
			add("%sindex: want %s, got none: %s", prefix, shown(c.index), cli.Printable(err.Error()))
		} else if !same(c.index, index) {
			add("%sindex: want %s, got %s", prefix, shown(c.index), shown(index))
		}
	}
	return differences
}

func number(n int) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}

func (b *bench) indexOf(e *beat.Event) (string, error) {
	if b.index == nil {
		return "", fmt.Errorf("%s", b.noIndex)
	}
	return b.index.Select(e)
}

// fieldsOf returns an event as its reader would have it: the document, with @metadata in it.
func fieldsOf(e *beat.Event) map[string]any {
	text, err := encode.Encoder{}.Event(nil, e)
	var fields map[string]any
	if err == nil {
		err = decode(text, &fields)
	}
	if err != nil {
		fields = map[string]any{"error": map[string]any{"message": "cannot write this event as JSON: " + err.Error()}}
	}
	if len(e.Meta) > 0 {
		text, err := encode.Encoder{Lenient: true}.Event(nil, &beat.Event{Fields: common.MapStr{"m": e.Meta}})
		var meta map[string]any
		if err == nil && decode(text, &meta) == nil {
			fields["@metadata"] = meta["m"]
		}
	}
	return fields
}

func decode(text []byte, to any) error {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	return dec.Decode(to)
}

// lookup returns the value of a field, whose name may be divided by points anywhere.
func lookup(m map[string]any, name string) (any, bool) {
	if v, ok := m[name]; ok {
		return v, true
	}
	for i := range len(name) {
		if inner, ok := m[name[:i]].(map[string]any); ok && name[i] == '.' {
			if v, ok := lookup(inner, name[i+1:]); ok {
				return v, true
			}
		}
	}
	return nil, false
}

// same says whether got, as JSON has it, is what is wanted.
func same(want, got any) bool {
	switch want := want.(type) {
	case *regexp.Regexp:
		switch got := got.(type) {
		case string:
			return want.MatchString(got)
		case json.Number:
			return want.MatchString(got.String())
		}
		return false
	case []any:
		list, ok := got.([]any)
		return ok && slices.EqualFunc(want, list, same)
	case map[string]any:
		m, ok := got.(map[string]any)
		return ok && maps.EqualFunc(want, m, same)
	case string:
		return want == got || sameTime(want, got)
	case bool, nil:
		return want == got
	}
	n, ok := got.(json.Number)
	if !ok {
		return false
	}
	text, err := json.Marshal(want)
	if err != nil {
		return false
	}
	if string(text) == n.String() {
		return true
	}
	a, errA := json.Number(text).Float64()
	b, errB := n.Float64()
	_, whole := want.(float64)
	return errA == nil && errB == nil && a == b && (whole || strings.ContainsAny(n.String(), ".eE")) // whole numbers are compared to the last digit
}

// sameTime says whether both are times, and the same.
func sameTime(want string, got any) bool {
	s, _ := got.(string)
	a, errA := time.Parse(time.RFC3339Nano, want)
	b, errB := time.Parse(time.RFC3339Nano, s)
	return errA == nil && errB == nil && a.Equal(b)
}

// maxShown bounds a value in a line.
const maxShown = 300

// shown is a value for people.
func shown(v any) string {
	var text string
	switch v := v.(type) {
	case *regexp.Regexp:
		text = "/" + v.String() + "/"
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = shown(v[i])
		}
		text = "[" + strings.Join(items, ", ") + "]"
	default:
		var b strings.Builder
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(v) != nil {
			return fmt.Sprint(reflect.TypeOf(v))
		}
		text = strings.TrimSuffix(b.String(), "\n")
	}
	text = cli.Printable(text)
	for i := range text {
		if i > maxShown {
			return text[:i] + "…"
		}
	}
	return text
}

// like says which fields of the event have names like one that it has not.
func like(fields map[string]any, name string) string {
	last := name[strings.LastIndexByte(name, '.')+1:]
	var near []string
	leaves(fields, "", func(field string) {
		if field[strings.LastIndexByte(field, '.')+1:] == last && len(near) < 3 {
			near = append(near, cli.Printable(field))
		}
	})
	if near == nil {
		return ""
	}
	return ", but " + strings.Join(near, ", ")
}

func leaves(m map[string]any, prefix string, f func(field string)) {
	for _, name := range sorted(m) {
		if inner, ok := m[name].(map[string]any); ok {
			leaves(inner, prefix+name+".", f)
		} else {
			f(prefix + name)
		}
	}
}
