// Package scope is what somebody looks at: an index, a query, filters, a time range, one of the two kinds of logs, a place in the
// topology, columns. It is what a command line opens, what is saved under a name, and what "back" goes back to.
package scope

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/when"
)

// A Scope is what somebody looks at. Its copies share their slices: change those by making new ones.
type Scope struct {
	Index   string // pattern; "" is that of the context
	Text    string // KQL, or Lucene's after "lucene:"
	Chips   []Chip
	Range   when.Range
	Lens    Lens
	Path    [Levels]string // values by level of the topology; "" is any
	Columns []string       // fields; none are those of the context
}

// A Lens chooses between what containers print and what applications write to files or push.
type Lens uint8

// The lenses.
const (
	All Lens = iota
	Console
	Application
	lenses int = iota
)

var lensNames = [lenses]string{"all", "console", "application"}

// LensNames are the lenses' names, in order.
func LensNames() []string { return lensNames[:] }

// String is the lens's name.
func (l Lens) String() string { return lensNames[l] }

// Next is the lens after this one, the first after the last.
func (l Lens) Next() Lens { return (l + 1) % Lens(lenses) }

// ParseLens reads the name of a lens, or a part of it that begins it.
func ParseLens(name string) (Lens, error) {
	for i, known := range lensNames {
		if name != "" && strings.HasPrefix(known, strings.ToLower(name)) {
			return Lens(i), nil
		}
	}
	return All, fmt.Errorf("unknown lens %q: want all, console or application", name)
}

// Levels of the topology, from the top.
const (
	Region int = iota
	Zone
	Namespace
	App
	Pod
	Levels
)

var levelNames = [Levels]string{"region", "zone", "namespace", "app", "pod"}

// LevelNames are the topology's levels, from the top.
func LevelNames() []string { return levelNames[:] }

// FieldsOf are the fields that a level may stand in.
func FieldsOf(n source.Names, level int) []string {
	if level == App {
		return n.App
	}
	return []string{[Levels]string{n.Region, n.Zone, n.Namespace, "", n.Pod}[level]}
}

// Filter is the query of everything but the time range, to be encoded as JSON; nil if there is nothing to filter. The error is of
// the query (a [*kql.Error]) or of a chip.
func (s Scope) Filter(f kql.Fields, n source.Names, o kql.Options) (any, error) {
	var must, not []any
	if strings.TrimSpace(s.Text) != "" {
		q, err := Parse(s.Text, f, n)
		if err != nil {
			return nil, err
		}
		must = append(must, q.DSL(f, o))
	}
	for _, c := range s.Chips {
		if c.Off {
			continue
		}
		clause, err := c.filter(f, n, o)
		switch {
		case err != nil:
			return nil, fmt.Errorf("cannot filter by %s: %w", c.KQL(), err)
		case c.Not:
			not = append(not, clause)
		default:
			must = append(must, clause)
		}
	}
	switch {
	case n.Stream == "":
	case s.Lens == Console:
		must = append(must, is(f, n.Stream, "console"))
	case s.Lens == Application:
		must = append(must, any1(is(f, n.Stream, "file"), is(f, n.Stream, "push")))
	}
	for level, value := range s.Path {
		if value == "" {
			continue
		}
		var either []any
		for _, field := range FieldsOf(n, level) {
			if field != "" {
				either = append(either, is(f, field, value))
			}
		}
		if len(either) == 0 {
			return nil, fmt.Errorf("cannot choose a %s: no field is configured for it", levelNames[level])
		}
		must = append(must, any1(either...))
	}
	return all(must, not), nil
}

type object = map[string]any

// all is the query that holds where must hold and none of not does; nil if there are none.
func all(must, not []any) any {
	switch {
	case len(must) == 0 && len(not) == 0:
		return nil
	case len(must) == 1 && len(not) == 0:
		return must[0]
	}
	b := object{}
	if len(must) > 0 {
		b["filter"] = must
	}
	if len(not) > 0 {
		b["must_not"] = not
	}
	return object{"bool": b}
}

// any1 is the query that holds where one of the clauses does.
func any1(clauses ...any) any {
	if len(clauses) == 1 {
		return clauses[0]
	}
	return object{"bool": object{"should": clauses, "minimum_should_match": 1}}
}

// is is the query for a field with exactly this value, or with it as a phrase in a text.
func is(f kql.Fields, field, value string) any {
	if f != nil && f.Type(field) == "keyword" {
		return object{"term": object{field: object{"value": value}}}
	}
	return object{"match_phrase": object{field: object{"query": value}}} // a term in whatever is no text
}

// filter is the chip's query, not negated.
func (c Chip) filter(f kql.Fields, n source.Names, o kql.Options) (any, error) {
	switch {
	case c.Field != "" && c.Exists:
		return object{"exists": object{"field": c.Field}}, nil
	case c.Field != "":
		return is(f, c.Field, c.Value), nil
	}
	q, err := Parse(c.Query, f, n)
	if err != nil {
		return nil, err
	}
	return q.DSL(f, o), nil
}

// Around is the scope of what stands around a row, unfiltered: its pod and container, or else its host and file, through the same
// lens, at all times. These fields must be in the row's source; without any, the scope has no chips.
func (s Scope) Around(row *source.Row, n source.Names) Scope {
	around := Scope{Index: s.Index, Lens: s.Lens, Columns: s.Columns}
	if len(row.Source) > 0 {
		around.Chips = chipsOf(row.Source, n.PodUID, n.Container)
		if around.Chips == nil {
			around.Chips = chipsOf(row.Source, n.Namespace, n.Pod, n.Container)
		}
		if around.Chips == nil {
			around.Chips = chipsOf(row.Source, n.Host, "log.file.path")
		}
	}
	return around
}

// chipsOf are filters for the values that a document has in fields; none if it lacks the first.
func chipsOf(doc []byte, fields ...string) []Chip {
	var chips []Chip
	for i, field := range fields {
		value, ok := "", false
		if field != "" {
			value, ok = text.Get(doc, field)
		}
		switch {
		case ok && value != "":
			chips = append(chips, Chip{Field: field, Value: value})
		case i == 0:
			return nil
		}
	}
	return chips
}

// With is the scope with one more chip. One that says the opposite of it goes, and one that is there already is switched on.
func (s Scope) With(c Chip) Scope {
	plain := func(c Chip) Chip { c.Not, c.Off, c.Pinned = false, false, false; return c }
	chips := slices.DeleteFunc(slices.Clone(s.Chips), func(old Chip) bool { return plain(old) == plain(c) })
	s.Chips = append(chips, c)
	return s
}

// Query is the query with the chips that are on, as one KQL text: for whoever takes no chips. Queries in Lucene's syntax cannot be joined: ok is
// then false.
func (s Scope) Query() (query string, ok bool) {
	var parts []string
	if t := strings.TrimSpace(s.Text); t != "" {
		parts = append(parts, t)
	}
	for _, c := range s.Chips {
		if !c.Off {
			parts = append(parts, c.KQL())
		}
	}
	for _, part := range parts {
		if q, err := kql.Parse(part); err != nil || len(parts) > 1 && strings.HasPrefix(q.String(), "lucene:") {
			return "", false
		}
	}
	return kql.And(parts...), true
}

// A form is a scope as files have it.
type form struct {
	Index     string   `json:"index,omitempty" yaml:"index,omitempty"`
	Query     string   `json:"query,omitempty" yaml:"query,omitempty"`
	Chips     []string `json:"chips,omitempty" yaml:"chips,omitempty"`
	Range     string   `json:"range,omitempty" yaml:"range,omitempty"`
	Lens      string   `json:"lens,omitempty" yaml:"lens,omitempty"`
	Region    string   `json:"region,omitempty" yaml:"region,omitempty"`
	Zone      string   `json:"zone,omitempty" yaml:"zone,omitempty"`
	Namespace string   `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	App       string   `json:"app,omitempty" yaml:"app,omitempty"`
	Pod       string   `json:"pod,omitempty" yaml:"pod,omitempty"`
	Columns   []string `json:"columns,omitempty" yaml:"columns,omitempty,flow"`
}

func (s Scope) form() form {
	f := form{Index: s.Index, Query: s.Text, Range: s.Range.String(), Columns: s.Columns}
	for _, c := range s.Chips {
		f.Chips = append(f.Chips, c.String())
	}
	if s.Lens != All {
		f.Lens = s.Lens.String()
	}
	f.Region, f.Zone, f.Namespace, f.App, f.Pod = s.Path[Region], s.Path[Zone], s.Path[Namespace], s.Path[App], s.Path[Pod]
	return f
}

func (s *Scope) set(f form) error {
	out := Scope{Index: f.Index, Text: f.Query, Path: [Levels]string{f.Region, f.Zone, f.Namespace, f.App, f.Pod}, Columns: f.Columns}
	for _, text := range f.Chips {
		c, err := ParseChip(text)
		if err != nil {
			return err
		}
		out.Chips = append(out.Chips, c)
	}
	var err error
	if f.Range != "" {
		if out.Range, err = when.Parse(f.Range, time.Now(), time.Local); err != nil {
			return err
		}
	}
	if f.Lens != "" {
		if out.Lens, err = ParseLens(f.Lens); err != nil {
			return err
		}
	}
	*s = out
	return nil
}

// MarshalJSON writes the scope for a file of logtui's own.
func (s Scope) MarshalJSON() ([]byte, error) { return json.Marshal(s.form()) }

// UnmarshalJSON reads it again.
func (s *Scope) UnmarshalJSON(data []byte) error {
	var f form
	if err := json.Unmarshal(data, &f); err != nil {
		return err
	}
	return s.set(f)
}

// MarshalYAML writes the scope for the configuration.
func (s Scope) MarshalYAML() (any, error) { return s.form(), nil }

// UnmarshalYAML reads what is saved in the configuration. What is not known there is an error.
func (s *Scope) UnmarshalYAML(node *yaml.Node) error {
	for i := 0; node.Kind == yaml.MappingNode && i < len(node.Content); i += 2 {
		if name := node.Content[i].Value; !slices.Contains(formNames, name) {
			return fmt.Errorf("unknown option %q; known are %s", name, strings.Join(formNames, ", "))
		}
	}
	var f form
	if err := node.Decode(&f); err != nil {
		return err
	}
	return s.set(f)
}

var formNames = []string{"index", "query", "chips", "range", "lens", "region", "zone", "namespace", "app", "pod", "columns"}

// Key tells scopes apart: two with the same key show the same.
func (s Scope) Key() string { return strings.Join(s.Args(""), "\x00") }
