package kql

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// A Doc gives the values that a document has in a field, as encoding/json reads them, also several; of an object, the object; of a name
// with *, those of all fields that it means.
type Doc = func(field string) []any

// A test says whether a document is asked for.
type test func(doc Doc) bool

// Matcher returns a function that says whether a document is what the query asks for, without Elasticsearch but with the same answer: texts are
// divided into words as its standard analyzer does it, and dates are in its default format. now is what dates as now-1h count from. Without f, which
// may be nil, values are taken for what they look like: a string for a text as well as for a keyword. The function may be called from several
// goroutines. What Elasticsearch refuses is refused here: a date that cannot be read; and so is Lucene's syntax.
func (q *Query) Matcher(f Fields, o Options, now time.Time) (func(doc Doc) bool, error) {
	if q.lucene != "" {
		return nil, errors.New("cannot look for a query in Lucene's syntax without Elasticsearch: write it in KQL, without lucene: before it")
	}
	m := &matcher{fields: f, Options: o, now: now}
	if m.Location == nil {
		m.Location = time.UTC
	}
	if q.root == nil {
		return func(Doc) bool { return true }, nil
	}
	holds := m.node(q.root)
	if m.err != nil {
		return nil, m.err
	}
	return holds, nil
}

type matcher struct {
	Options
	fields Fields
	now    time.Time
	path   string // of the objects that are asked
	err    error
}

func (m *matcher) node(n node) test {
	switch n := n.(type) {
	case and:
		all := m.nodes(n)
		return func(doc Doc) bool {
			for _, holds := range all {
				if !holds(doc) {
					return false
				}
			}
			return true
		}
	case or:
		return anyOf(m.nodes(n))
	case not:
		holds := m.node(n.node)
		return func(doc Doc) bool { return !holds(doc) }
	case nested:
		return m.within(n)
	}
	return m.leaf(n.(leaf))
}

func (m *matcher) nodes(nodes []node) []test {
	all := make([]test, len(nodes))
	for i, n := range nodes {
		all[i] = m.node(n)
	}
	return all
}

func anyOf(some []test) test {
	return func(doc Doc) bool {
		for _, holds := range some {
			if holds(doc) {
				return true
			}
		}
		return false
	}
}

// within asks every object of a path by itself, if it is nested ones that are there.
func (m *matcher) within(n nested) test {
	if m.fields != nil && m.fields.Type(n.path) != "nested" {
		return m.node(n.node)
	}
	outer, path := m.path, n.path
	m.path = path
	holds := m.node(n.node)
	m.path = outer
	return func(doc Doc) bool {
		objects := false
		for _, v := range doc(path) {
			object, ok := v.(map[string]any)
			if !ok {
				continue
			}
			objects = true
			if holds(func(field string) []any { return valuesOf(object, strings.TrimPrefix(field, path+".")) }) {
				return true
			}
		}
		return m.fields == nil && !objects && holds(doc)
	}
}

// valuesOf returns the values of a field of an object, whose names may hold points.
func valuesOf(object map[string]any, field string) []any {
	var out []any
	for name, v := range object {
		rest, ok := strings.CutPrefix(field, name)
		switch {
		case ok && rest == "":
			out = add(out, v)
		case ok && rest[0] == '.':
			for _, item := range add(nil, v) {
				if inner, ok := item.(map[string]any); ok {
					out = append(out, valuesOf(inner, rest[1:])...)
				}
			}
		}
	}
	return out
}

// add adds a value, or those of an array.
func add(out []any, v any) []any {
	if list, ok := v.([]any); ok {
		for _, item := range list {
			out = add(out, item)
		}
		return out
	}
	return append(out, v)
}

// leaf makes a test of what is asked of one field or several.
func (m *matcher) leaf(l leaf) test {
	if l.is == exists && l.field.any() {
		return func(Doc) bool { return true }
	}
	if !l.field.none() && !l.field.pattern() {
		return m.one(l.field.text(), l, false)
	}
	names := m.Default
	switch {
	case l.field.pattern():
		names = []string{l.field.text()}
	case len(names) == 0:
		names = []string{"*"}
	}
	var some []test
	for _, name := range names {
		if m.fields == nil || !strings.Contains(name, "*") {
			some = append(some, m.one(name, l, true))
			continue
		}
		for _, field := range m.fields.Match(name) {
			if m.apart(field) {
				continue
			}
			some = append(some, m.one(field, l, true))
		}
	}
	return anyOf(some)
}

// apart says whether a field is in nested objects, so that no name with * means it outside of them.
func (m *matcher) apart(field string) bool {
	for i := len(m.path) + 1; i < len(field); i++ {
		if field[i] == '.' && m.fields.Type(field[:i]) == "nested" {
			return true
		}
	}
	return false
}

// one makes the test of one field. Lenient says that it is one of several: what cannot be asked of it is asked of the others.
func (m *matcher) one(field string, l leaf, lenient bool) test {
	if l.is == exists {
		return func(doc Doc) bool { return m.exists(doc, field) }
	}
	kind := kindOf(m.fields, field)
	holds, err := m.value(kind, field, l, lenient)
	if err != nil {
		if !lenient {
			m.err = errors.Join(m.err, err)
		}
		return func(Doc) bool { return false }
	}
	return func(doc Doc) bool {
		for _, v := range m.values(doc, field) {
			if v != nil && holds(v) {
				return true
			}
		}
		return false
	}
}

// values returns what a field holds. Documents do not have message.keyword, which is message once more.
func (m *matcher) values(doc Doc, field string) []any {
	values := doc(field)
	if len(values) > 0 || m.fields == nil {
		return values
	}
	if i := strings.LastIndexByte(field, '.'); i > 0 {
		if kind := kindOf(m.fields, field[:i]); kind != unknown && kind != others {
			return doc(field[:i])
		}
	}
	return nil
}

// exists says whether the field, or one below it, has a value.
func (m *matcher) exists(doc Doc, field string) bool {
	if slices.ContainsFunc(m.values(doc, field), m.filled) {
		return true
	}
	if m.fields == nil {
		return false
	}
	return slices.ContainsFunc(m.fields.Match(field+".*"), func(name string) bool { return slices.ContainsFunc(doc(name), m.filled) })
}

// filled says whether v is a value. Of an object it is one if any is in it; where the fields are known they are asked instead.
func (m *matcher) filled(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case []any:
		return slices.ContainsFunc(v, m.filled)
	case map[string]any:
		for _, inner := range v {
			if m.fields == nil && m.filled(inner) {
				return true
			}
		}
		return false
	}
	return true
}
