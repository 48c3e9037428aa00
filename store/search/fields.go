package search

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// writeFields writes what fields and docvalue_fields ask for.
func (s *shaper) writeFields(w *writer, leaves map[string][]block.Value, whole body.Value) {
	if len(s.Fields)+len(s.DocValues) == 0 {
		return
	}
	opened := false
	done := make(map[string]bool)
	add := func(name string, write func()) {
		if done[name] {
			return
		}
		if !opened {
			w.name("fields").open('{')
			opened = true
		}
		done[name] = true
		w.name(name).open('[')
		write()
		w.close(']')
	}
	for _, f := range s.fields { // first, as they win where docvalue_fields name the same
		if f.source.field.Type == mapping.Flattened && !f.source.field.Keyed {
			if list := at(whole, f.source.field.Column, nil); len(list) > 0 {
				add(f.name, func() {
					for _, v := range list {
						w.value(v)
					}
				})
			}
			continue
		}
		if list := f.values(leaves[f.source.field.Column]); len(list) > 0 {
			add(f.name, func() {
				for _, v := range list {
					f.showScalar(w, v)
				}
			})
		}
	}
	for _, f := range s.docValues {
		if list := f.docValues(leaves[f.source.field.Column]); len(list) > 0 {
			add(f.name, func() {
				for _, k := range list {
					f.show(w, k)
				}
			})
		}
	}
	paths := make([]string, 0, len(leaves))
	for path := range leaves {
		if _, ok := s.mapping.Field(path); !ok && slices.ContainsFunc(s.unmapped, func(p string) bool { return mapping.Like(p, path) }) {
			paths = append(paths, path)
		}
	}
	slices.Sort(paths)
	for _, path := range paths {
		add(path, func() {
			for _, v := range leaves[path] {
				writeScalar(w, v)
			}
		})
	}
	if opened {
		w.close('}')
	}
}

// writeIgnored writes the values that fields asked for have left out.
func (s *shaper) writeIgnored(w *writer, leaves map[string][]block.Value) {
	opened := false
	for _, f := range s.fields {
		var list []block.Value
		for _, v := range leaves[f.source.field.Column] {
			if v.Kind != block.Null && f.source.kind != unmapped && !fits(f.source.field, v) {
				list = append(list, v)
			}
		}
		if len(list) == 0 {
			continue
		}
		if !opened {
			w.name("ignored_field_values").open('{')
			opened = true
		}
		w.name(f.name).open('[')
		for _, v := range list {
			writeScalar(w, v)
		}
		w.close(']')
	}
	if opened {
		w.close('}')
	}
}

// at finds the objects at a path of a document.
func at(v body.Value, path string, to []body.Value) []body.Value {
	if v.Kind == body.Array {
		for _, item := range v.Items {
			to = at(item, path, to)
		}
		return to
	}
	if path == "" {
		if v.Kind == body.Object {
			to = append(to, v)
		}
		return to
	}
	for _, m := range v.Members {
		if rest, ok := strings.CutPrefix(path, m.Name); ok && (rest == "" || rest[0] == '.') {
			to = at(m.Value, strings.TrimPrefix(rest, "."), to)
		}
	}
	return to
}

func writeScalar(w *writer, v block.Value) {
	switch v.Kind {
	case block.String:
		w.text(v.Text)
	case block.Null:
		w.null()
	default:
		w.raw([]byte(v.Text))
	}
}

// values are the document's values that the field takes.
func (f *shownField) values(list []block.Value) []block.Value {
	field := f.source.field
	if field.Type == mapping.ConstantKeyword && field.Value != nil {
		return []block.Value{{Kind: block.String, Text: *field.Value}}
	}
	var out []block.Value
	for _, v := range list {
		if v.Kind == block.Null && field.Null == nil || f.source.kind != unmapped && !fits(field, v) {
			continue
		}
		out = append(out, v)
	}
	return out
}

// showScalar writes a value of the source as its field takes it.
func (f *shownField) showScalar(w *writer, v block.Value) {
	field := f.source.field
	kind, text, _ := scalar(field, v)
	switch {
	case field.Keyed && v.Kind != block.Null:
		writeScalar(w, v)
	case f.source.kind == texts && field.Type != mapping.IP:
		t, _ := field.Term(text)
		w.text(t)
	case f.source.kind == floats:
		x, _ := field.Float(kind, text)
		w.raw([]byte(shortFloat(field, x)))
	case f.source.kind == ints, f.source.kind == texts:
		f.show(w, f.key(v))
	case v.Kind == block.String:
		w.text(text)
	case f.text:
		w.text(text)
	default:
		writeScalar(w, v)
	}
}

// shortFloat writes a number as its field's type has it: 1.1 and not 1.100000023841858.
func shortFloat(f *mapping.Field, x float64) string {
	if f.Type != mapping.Float && f.Type != mapping.HalfFloat {
		return mapping.JavaText(x)
	}
	s := strconv.FormatFloat(x, 'g', -1, 32)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// key is a value as doc values have it.
func (f *shownField) key(v block.Value) key {
	field := f.source.field
	kind, text, _ := scalar(field, v)
	var k key
	switch f.source.kind {
	case ints:
		k.n, _ = field.Int(kind, text)
	case floats:
		k.x, _ = docValue(field, kind, text)
	case texts:
		k.s, _ = term(field, v)
	}
	return k
}

// docValues are the values in ascending order; texts are there once.
func (f *shownField) docValues(list []block.Value) []key {
	var out []key
	for _, v := range f.values(list) {
		out = append(out, f.key(v))
	}
	slices.SortFunc(out, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.n, b.n), compareFloats(a.x, b.x), strings.Compare(a.s, b.s))
	})
	if f.source.kind == texts {
		out = slices.Compact(out)
	}
	return out
}

// show writes a key.
func (f *shownField) show(w *writer, k key) {
	field := f.source.field
	switch {
	case field.Type == mapping.IP:
		w.text(showAddress(k.s))
	case f.source.kind == texts:
		w.text(k.s)
	case f.source.kind == floats:
		w.float(k.x)
	case field.Type == mapping.Boolean:
		w.flag(k.n != 0)
	case f.format != nil:
		w.text(f.format.Print(f.moment(k.n)))
	default:
		w.int(k.n)
	}
}

func (f *shownField) moment(n int64) time.Time { return f.source.moment(n) }
