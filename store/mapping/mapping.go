// Package mapping is what Elasticsearch 7.17 knows of an index's fields: their types, which documents fit
// them, how new fields come to be (dynamic mapping, dynamic templates), index templates, dates, and how a
// value becomes terms.
//
// A [Mapping] never changes. What makes it grow, a document ([Mapping.Add]) or a request
// ([Mapping.Merge]), returns another one, so a search keeps the one it began with.
//
// What is served, and what differs from Elasticsearch, is listed in store/query/README.md.
package mapping

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// Type is a field's type by Elasticsearch's name.
type Type string

const (
	KeywordType     Type = "keyword"
	ConstantKeyword Type = "constant_keyword"
	Wildcard        Type = "wildcard"
	Flattened       Type = "flattened"
	TextType        Type = "text"
	MatchOnlyText   Type = "match_only_text"
	Long            Type = "long"
	Integer         Type = "integer"
	Short           Type = "short"
	Byte            Type = "byte"
	Double          Type = "double"
	Float           Type = "float"
	HalfFloat       Type = "half_float"
	ScaledFloat     Type = "scaled_float"
	Boolean         Type = "boolean"
	Date            Type = "date"
	DateNanos       Type = "date_nanos"
	IP              Type = "ip"
	Binary          Type = "binary"
	Alias           Type = "alias"
	object          Type = "object"
)

// Keywords says whether values are whole terms: keyword, constant_keyword, wildcard, flattened.
func (t Type) Keywords() bool {
	return t == KeywordType || t == ConstantKeyword || t == Wildcard || t == Flattened
}

// Analyzed says whether values are cut into terms: text, match_only_text.
func (t Type) Analyzed() bool { return t == TextType || t == MatchOnlyText }

// Integers says whether values are whole numbers: long, integer, short, byte.
func (t Type) Integers() bool { return t == Long || t == Integer || t == Short || t == Byte }

// Floats says whether values are numbers with a fraction: double, float, half_float, scaled_float.
func (t Type) Floats() bool {
	return t == Double || t == Float || t == HalfFloat || t == ScaledFloat
}

// Dates says whether values are moments: date, date_nanos.
func (t Type) Dates() bool { return t == Date || t == DateNanos }

// A Field is a leaf of the mapping: a field, or one of a field's multi-fields.
type Field struct {
	Path   string // its full name: message.keyword
	Column string // where documents have its values: message
	Type   Type

	Index          bool // false: only what reads doc values finds it (terms and ranges of numbers …)
	DocValues      bool
	Norms          bool        // of text: so that exists finds it by them
	IgnoreAbove    int         // UTF-16 units beyond which a keyword is left out
	IgnoreBad      bool        // ignore_malformed: leave out a value that does not fit instead of refusing the document
	Coerce         bool        // take "5" and 5.7 for 5
	Lowercase      bool        // of keyword: normalizer lowercase
	Split          bool        // of keyword: split_queries_on_whitespace
	Analyzer       Analyzer    // of text
	SearchAnalyzer Analyzer    // of text
	Format         *Format     // of dates
	Factor         float64     // of scaled_float
	Value          *string     // of constant_keyword, once it is known
	Null           *body.Value // null_value: what null stands for
	Target         string      // of an alias: the path it stands for
	DepthLimit     int         // of flattened
	Keyed          bool        // one name below a flattened field

	params []body.Member // as they are shown, without defaults; type and fields are not among them
	fields map[string]*Field
}

// A node is an object of the mapping, or holds a field.
type node struct {
	field    *Field // nil for an object
	dynamic  string // true, false, strict, or "" for the parent's
	disabled bool   // enabled: false
	children map[string]*node
}

// A Mapping is all that is known of an index's fields. Use [New] to make one.
type Mapping struct {
	root      *node
	templates []dynamicTemplate
	dates     []*Format // of strings that become dates
	dateNames []string
	noDates   bool          // date_detection: false
	numbers   bool          // numeric_detection
	extra     []body.Member // _meta, _source, _routing …, as they are shown
	settings  Settings
	count     int // fields, objects and aliases
}

// New returns the mapping of an index without fields.
func New(settings Settings) *Mapping {
	return &Mapping{root: &node{}, dates: dynamicDates, settings: settings}
}

// dynamicDates are the formats that make a date of a string that is new: [dynamic_date_formats].
var dynamicDates = []*Format{millisFormat, mustFormat("yyyy/MM/dd HH:mm:ss||yyyy/MM/dd||epoch_millis")}

// Settings returns what New was given.
func (m *Mapping) Settings() Settings { return m.settings }

// WithSettings returns the same fields under other settings.
func (m *Mapping) WithSettings(s Settings) *Mapping {
	copied := *m
	copied.settings = s
	return &copied
}

// Field returns the field of that full name, following an alias. Below a flattened field every name is a
// field with that field's type.
func (m *Mapping) Field(path string) (*Field, bool) {
	f := m.find(path)
	if f != nil && f.Type == Alias {
		f = m.find(f.Target)
	}
	return f, f != nil
}

func (m *Mapping) find(path string) *Field {
	n, rest := m.root, path
	for {
		name, next, more := strings.Cut(rest, ".")
		child := n.children[name]
		if child == nil {
			return nil
		}
		if f := child.field; f != nil {
			switch {
			case !more:
				return f
			case f.Type == Flattened:
				keyed := *f
				keyed.Path, keyed.Column, keyed.Keyed = path, path, true
				return &keyed
			case f.Type == Alias:
				if target := m.find(f.Target); target != nil && target.Type == Flattened {
					return m.find(f.Target + "." + next)
				}
				return nil
			}
			return f.fields[next]
		}
		if !more {
			return nil
		}
		n, rest = child, next
	}
}

// Object says whether the name is one of an object.
func (m *Mapping) Object(path string) bool {
	n := m.root
	for name := range strings.SplitSeq(path, ".") {
		if n = n.children[name]; n == nil {
			return false
		}
	}
	return n.field == nil
}

// Fields calls f with every field, multi-field and alias in the order of their names.
func (m *Mapping) Fields(f func(*Field)) { m.root.each(f) }

func (n *node) each(f func(*Field)) {
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[name]
		if child.field == nil {
			child.each(f)
			continue
		}
		f(child.field)
		for _, name := range slices.Sorted(maps.Keys(child.field.fields)) {
			f(child.field.fields[name])
		}
	}
}

// Match returns the fields whose full name the pattern covers (* stands for any text), without aliases.
func (m *Mapping) Match(pattern string) []*Field {
	if !strings.Contains(pattern, "*") {
		if f, ok := m.Field(pattern); ok {
			return []*Field{f}
		}
		return nil
	}
	var out []*Field
	m.Fields(func(f *Field) {
		if !Like(pattern, f.Path) {
			return
		}
		if f.Type == Alias {
			if f = m.find(f.Target); f == nil {
				return
			}
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	})
	return out
}

// Like says whether s is what the pattern says, * standing for any text.
func Like(pattern, s string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return s == pattern
	}
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for {
		piece, next, star := strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(s, piece)
		}
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(piece):], next
	}
}

// JSON returns the mapping as GET _mapping shows it.
func (m *Mapping) JSON() body.Value {
	v := body.Value{Kind: body.Object, Members: slices.Clone(m.extra)}
	set := func(name string, value body.Value) {
		v.Members = append(v.Members, body.Member{Name: name, Value: value})
	}
	if m.dateNames != nil {
		set("dynamic_date_formats", texts(m.dateNames))
	}
	if len(m.templates) > 0 {
		list := body.Value{Kind: body.Array}
		for _, t := range m.templates {
			list.Items = append(list.Items, body.Value{Kind: body.Object, Members: []body.Member{{Name: t.name, Value: t.shown}}})
		}
		set("dynamic_templates", list)
	}
	if m.noDates {
		set("date_detection", body.Boolean(false))
	}
	if m.numbers {
		set("numeric_detection", body.Boolean(true))
	}
	v.Members = append(v.Members, m.root.json().Members...)
	slices.SortFunc(v.Members, func(a, b body.Member) int { return cmp.Compare(a.Name, b.Name) })
	return v
}

func texts(list []string) body.Value {
	v := body.Value{Kind: body.Array}
	for _, s := range list {
		v.Items = append(v.Items, body.Text(s))
	}
	return v
}

func (n *node) json() body.Value {
	if n.field != nil {
		return n.field.json()
	}
	v := body.Value{Kind: body.Object}
	if n.dynamic != "" {
		v.Members = append(v.Members, body.Member{Name: "dynamic", Value: body.Text(n.dynamic)})
	}
	if n.disabled {
		v.Members = append(v.Members, body.Member{Name: "enabled", Value: body.Boolean(false)})
	}
	if len(n.children) == 0 {
		return v
	}
	properties := body.Value{Kind: body.Object}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		child := n.children[name]
		shown := child.json()
		if child.field == nil && len(child.children) == 0 {
			shown.Members = slices.Insert(shown.Members, 0, body.Member{Name: "type", Value: body.Text(string(object))})
		}
		properties.Members = append(properties.Members, body.Member{Name: name, Value: shown})
	}
	v.Members = append(v.Members, body.Member{Name: "properties", Value: properties})
	return v
}

func (f *Field) json() body.Value {
	v := body.Value{Kind: body.Object, Members: []body.Member{{Name: "type", Value: body.Text(string(f.Type))}}}
	v.Members = append(v.Members, f.params...)
	if len(f.fields) > 0 {
		fields := body.Value{Kind: body.Object}
		for _, name := range slices.Sorted(maps.Keys(f.fields)) {
			fields.Members = append(fields.Members, body.Member{Name: name, Value: f.fields[name].json()})
		}
		v.Members = append(v.Members, body.Member{Name: "fields", Value: fields})
	}
	return v
}

// An Error is a refusal as Elasticsearch words it.
type Error struct {
	Type   string // mapper_parsing_exception …
	Reason string
	Cause  *Error // caused_by, or nil
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Reason + ": " + e.Cause.Error()
	}
	return e.Reason
}

func parsing(reason string) *Error { return &Error{Type: "mapper_parsing_exception", Reason: reason} }

// because is fmt.Errorf for what Elasticsearch says in its own words.
func because(format string, args ...any) error { return illegal(fmt.Sprintf(format, args...)) }

func illegal(reason string) *Error { return &Error{Type: "illegal_argument_exception", Reason: reason} }
