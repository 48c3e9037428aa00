package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// A dynamicTemplate says what becomes of fields that are new. An empty pattern covers all.
type dynamicTemplate struct {
	name                                   string
	kind                                   string // match_mapping_type: string, long, double, boolean, date, object, binary, * or "" for any
	match, unmatch, pathMatch, pathUnmatch []string
	regex                                  bool // match and unmatch are regular expressions
	mapping                                body.Value
	shown                                  body.Value
}

// mergeTemplates returns list with those of v added; one of a name that is there takes its place.
func mergeTemplates(list []dynamicTemplate, v body.Value, s *Settings) ([]dynamicTemplate, error) {
	if v.Kind != body.Array {
		return nil, parsing("Dynamic template syntax error. An array of named objects is expected.")
	}
	list = slices.Clone(list)
	for _, item := range v.Items {
		if item.Kind != body.Object || len(item.Members) != 1 {
			return nil, parsing("A dynamic template must be defined with a name")
		}
		t, err := readTemplate(item.Members[0].Name, item.Members[0].Value, s)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(list, func(have dynamicTemplate) bool { return have.name == t.name }); i >= 0 {
			list[i] = t
		} else {
			list = append(list, t)
		}
	}
	return list, nil
}

func readTemplate(name string, v body.Value, s *Settings) (dynamicTemplate, error) {
	t := dynamicTemplate{name: name, shown: v}
	refuse := func(format string, args ...any) (dynamicTemplate, error) {
		return t, parsing(fmt.Sprintf("dynamic template [%s]: ", name) + fmt.Sprintf(format, args...))
	}
	for _, m := range v.Members {
		texts := []string{plain(m.Value)}
		switch m.Name {
		case "match_mapping_type":
			if t.kind = texts[0]; t.kind == "*" { // which is the default, and is not shown
				t.shown.Members = slices.DeleteFunc(slices.Clone(v.Members), func(m body.Member) bool { return m.Name == "match_mapping_type" })
			}
			if !slices.Contains([]string{"string", "long", "double", "boolean", "date", "object", "binary", "*"}, t.kind) {
				return refuse("No field type matched on [%s], possible values are [object, string, long, double, boolean, date, binary]", t.kind)
			}
		case "match":
			t.match = texts
		case "unmatch":
			t.unmatch = texts
		case "path_match":
			t.pathMatch = texts
		case "path_unmatch":
			t.pathUnmatch = texts
		case "match_pattern":
			if texts[0] != "simple" && texts[0] != "regex" {
				return refuse("No matching pattern matched on [%s]", texts[0])
			}
			t.regex = texts[0] == "regex"
		case "mapping":
			t.mapping = m.Value
		default:
			return refuse("Illegal dynamic template parameter: [%s]", m.Name)
		}
	}
	if t.mapping.Kind != body.Object {
		return refuse("template must have mapping set")
	}
	if t.regex {
		for _, p := range slices.Concat(t.match, t.unmatch) {
			if _, err := regexp.Compile(p); err != nil {
				return refuse("Pattern [%s] of type [regex] is invalid. Cannot create dynamic template [%s].", p, name)
			}
		}
	}
	if kind, ok := t.mapping.Get("type"); ok && !strings.Contains(t.mapping.String(), "{") && kind.Text != string(object) {
		if _, err := readField("x", "x", t.mapping, s); err != nil {
			return refuse("%v", err)
		}
	}
	return t, nil
}

// covers says whether the template is for a new field of that full name and kind of value.
func (t *dynamicTemplate) covers(path, name, kind string) bool {
	if t.kind != "" && t.kind != "*" && t.kind != kind || t.kind == "" && t.match == nil && t.pathMatch == nil {
		return false
	}
	match := func(patterns []string, s string, regex bool) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			if regex {
				ok, err := regexp.MatchString("^(?:"+p+")$", s)
				return ok && err == nil
			}
			return Like(p, s)
		})
	}
	return (t.pathMatch == nil || match(t.pathMatch, path, false)) && !match(t.pathUnmatch, path, false) &&
		(t.match == nil || match(t.match, name, t.regex)) && !match(t.unmatch, name, t.regex)
}

// fromTemplate returns what the first template that covers a new field makes of it, or nil.
func (m *Mapping) fromTemplate(path, kind string, standard Type) (*node, error) {
	name := path[strings.LastIndexByte(path, '.')+1:]
	for i := range m.templates {
		t := &m.templates[i]
		if !t.covers(path, name, kind) {
			continue
		}
		v := fill(t.mapping, name, string(standard))
		if _, ok := v.Get("type"); !ok && kind != "object" {
			v.Members = slices.Insert(slices.Clone(v.Members), 0, body.Member{Name: "type", Value: body.Text(string(standard))})
		}
		n, err := readNode(path, v, &m.settings)
		return n, err
	}
	return nil, nil
}

// fill puts the field's name and the type that it would get into a template's mapping.
func fill(v body.Value, name, standard string) body.Value {
	text := func(s string) string {
		return strings.NewReplacer("{name}", name, "{dynamic_type}", standard, "{dynamicType}", standard).Replace(s)
	}
	switch v.Kind {
	case body.String:
		v.Text = text(v.Text)
	case body.Array:
		v.Items = slices.Clone(v.Items)
		for i := range v.Items {
			v.Items[i] = fill(v.Items[i], name, standard)
		}
	case body.Object:
		v.Members = slices.Clone(v.Members)
		for i, m := range v.Members {
			v.Members[i] = body.Member{Name: text(m.Name), Value: fill(m.Value, name, standard)}
		}
	}
	return v
}

// dynamicField decides what a new field becomes by its first value, as Elasticsearch 7.17 does.
func (m *Mapping) dynamicField(path string, kind body.Kind, text string) (*node, error) {
	as := func(kind string, standard Type, plain func() *Field) (*node, error) {
		n, err := m.fromTemplate(path, kind, standard)
		if n != nil || err != nil {
			return n, err
		}
		return &node{field: plain()}, nil
	}
	plain := func(t Type) func() *Field {
		return func() *Field { return newField(path, path, t, &m.settings) }
	}
	switch kind {
	case body.Bool:
		return as("boolean", Boolean, plain(Boolean))
	case body.Number:
		if strings.ContainsAny(text, ".eE") {
			return as("double", Float, plain(Float))
		}
		return as("long", Long, plain(Long))
	}
	_, notLong := strconv.ParseInt(text, 10, 64)
	_, notDouble := javaFloat(text)
	switch {
	case notLong == nil && m.numbers:
		return as("long", Long, plain(Long))
	case notDouble == nil && m.numbers:
		return as("double", Float, plain(Float))
	case notLong != nil && notDouble != nil && !m.noDates:
		for _, format := range m.dates {
			if _, err := format.Parse(text, false, time.UTC); err == nil {
				return as("date", Date, func() *Field { return m.dateField(path, format) })
			}
		}
	}
	return as("string", TextType, func() *Field {
		f := newField(path, path, TextType, &m.settings)
		sub := newField(path+".keyword", path, KeywordType, &m.settings)
		sub.IgnoreAbove = 256
		sub.params = []body.Member{{Name: "ignore_above", Value: body.Int(256)}}
		f.fields = map[string]*Field{"keyword": sub}
		return f
	})
}

func (m *Mapping) dateField(path string, format *Format) *Field {
	f := newField(path, path, Date, &m.settings)
	if format.text != defaultFormat {
		f.Format = format
		f.params = []body.Member{{Name: "format", Value: body.Text(format.text)}}
	}
	return f
}
