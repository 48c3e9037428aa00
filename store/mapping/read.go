package mapping

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// A parameter of a type: what kind of value it takes, and which is its default and so not shown.
type parameter struct {
	kind     byte // b boolean, i integer, f number, s text, j anything
	standard string
}

// parameters has what each type takes. The others of Elasticsearch 7.17 are refused by name (copy_to,
// script, on_script_error, time_series_…).
var parameters = func() map[Type]map[string]parameter {
	join := func(maps ...map[string]parameter) map[string]parameter {
		all := map[string]parameter{"meta": {'j', "{}"}}
		for _, m := range maps {
			for name, p := range m {
				all[name] = p
			}
		}
		return all
	}
	indexed := map[string]parameter{"index": {'b', "true"}, "doc_values": {'b', "true"}, "store": {'b', "false"}, "boost": {'f', "1.0"}}
	tolerant := map[string]parameter{"ignore_malformed": {'b', ""}, "null_value": {'j', ""}}
	terms := map[string]parameter{"similarity": {'s', ""}, "eager_global_ordinals": {'b', "false"}, "index_options": {'s', ""}}
	numbers := join(indexed, tolerant, map[string]parameter{"coerce": {'b', ""}})
	dates := join(indexed, tolerant, map[string]parameter{"format": {'s', ""}, "locale": {'s', ""}})
	words := map[string]parameter{"analyzer": {'s', ""}, "search_analyzer": {'s', ""}, "search_quote_analyzer": {'s', ""}, "fielddata": {'b', "false"},
		"fielddata_frequency_filter": {'j', ""}, "term_vector": {'s', "no"}, "index_prefixes": {'j', ""}, "index_phrases": {'b', "false"}, "norms": {'b', "true"},
		"position_increment_gap": {'i', "100"}, "index": {'b', "true"}, "store": {'b', "false"}, "boost": {'f', "1.0"}}
	above := map[string]parameter{"ignore_above": {'i', "2147483647"}}
	return map[Type]map[string]parameter{
		KeywordType:     join(indexed, terms, above, map[string]parameter{"norms": {'b', "false"}, "null_value": {'s', ""}, "normalizer": {'s', ""}, "split_queries_on_whitespace": {'b', "false"}}),
		ConstantKeyword: join(map[string]parameter{"value": {'s', ""}}),
		Wildcard:        join(above, map[string]parameter{"null_value": {'s', ""}}),
		Flattened:       join(indexed, terms, above, map[string]parameter{"null_value": {'s', ""}, "depth_limit": {'i', "20"}, "split_queries_on_whitespace": {'b', "false"}}),
		TextType:        join(terms, words),
		MatchOnlyText:   join(map[string]parameter{}),
		Long:            numbers, Integer: numbers, Short: numbers, Byte: numbers, Double: numbers, Float: numbers, HalfFloat: numbers,
		ScaledFloat: join(numbers, map[string]parameter{"scaling_factor": {'f', ""}}),
		Boolean:     join(indexed, map[string]parameter{"null_value": {'j', ""}}),
		Date:        dates, DateNanos: dates,
		IP:     join(indexed, tolerant),
		Binary: join(map[string]parameter{"doc_values": {'b', "false"}, "store": {'b', "false"}}),
		Alias:  {"path": {'s', ""}},
	}
}()

// Parse reads a mapping as the body of PUT index/_mapping has it, on an index with those settings. An error
// is an *[Error].
func Parse(v body.Value, settings Settings) (*Mapping, error) {
	return New(settings).Merge(v)
}

// Merge returns the mapping with what a body of PUT index/_mapping adds to it. An error is an *[Error].
func (m *Mapping) Merge(v body.Value) (*Mapping, error) {
	if inner, ok := v.Get("_doc"); ok && len(v.Members) == 1 {
		v = inner
	}
	if v.Kind != body.Object {
		return nil, parsing("a mapping must be an object")
	}
	grown := *m
	var fields []body.Member
	for _, member := range v.Members {
		if err := grown.rootMember(member, &fields); err != nil {
			return nil, err
		}
	}
	n, err := readObject("", body.Value{Kind: body.Object, Members: fields}, &m.settings)
	if err != nil {
		return nil, err
	}
	if grown.root, err = mergeNodes("", m.root, n, true); err != nil {
		return nil, err
	}
	if err := grown.checkAliases(); err != nil {
		return nil, err
	}
	return grown.checked()
}

// Load reads the mapping of an index that there is, as JSON has written it. Other than Parse it asks for no limits,
// which may have been lowered since.
func Load(v body.Value, settings Settings) (*Mapping, error) {
	free := settings
	free.TotalFields, free.Depth = math.MaxInt32, math.MaxInt32
	m, err := Parse(v, free)
	if err != nil {
		return nil, err
	}
	return m.WithSettings(settings), nil
}

// rootMember reads a member that only the root has; what objects have too goes to fields.
func (m *Mapping) rootMember(member body.Member, fields *[]body.Member) error {
	var err error
	switch name := member.Name; name {
	case "properties", "dynamic", "enabled", "type":
		*fields = append(*fields, member)
	case "date_detection":
		var on bool
		on, err = flag(name, member.Value)
		m.noDates = !on
	case "numeric_detection":
		m.numbers, err = flag(name, member.Value)
	case "dynamic_date_formats":
		m.dates, m.dateNames = nil, []string{}
		list := member.Value.Items
		if member.Value.Kind == body.String {
			list = []body.Value{member.Value}
		}
		for _, item := range list {
			f, err := ParseFormat(item.Text)
			if err != nil {
				return parsing(err.Error())
			}
			m.dates, m.dateNames = append(m.dates, f), append(m.dateNames, item.Text)
		}
	case "dynamic_templates":
		m.templates, err = mergeTemplates(m.templates, member.Value, &m.settings)
	case "_source":
		return checkMeta(member) // nothing else than the default is accepted, and that is not shown
	case "_meta", "_routing", "_field_names", "_size", "_data_stream_timestamp":
		i := slices.IndexFunc(m.extra, func(e body.Member) bool { return e.Name == name })
		m.extra = slices.Clone(m.extra)
		if i >= 0 {
			m.extra[i] = member
		} else {
			m.extra = append(m.extra, member)
		}
		err = checkMeta(member)
	default:
		return parsing(fmt.Sprintf("Root mapping definition has unsupported parameters:  [%s : %s]", name, clip(member.Value.String())))
	}
	return err
}

// checkMeta refuses what the store could not keep to: a source that is not kept as it came, routing.
func checkMeta(member body.Member) error {
	for _, m := range member.Value.Members {
		bad := false
		switch member.Name {
		case "_source":
			bad = m.Name != "enabled" || m.Value.Text != "true"
		case "_routing":
			bad = m.Name == "required" && m.Value.Text == "true"
		}
		if bad {
			return parsing(fmt.Sprintf("[%s] with [%s] is not served", member.Name, m.Name))
		}
	}
	return nil
}

func flag(name string, v body.Value) (bool, error) {
	switch {
	case (v.Kind == body.Bool || v.Kind == body.String) && v.Text == "true":
		return true, nil
	case (v.Kind == body.Bool || v.Kind == body.String) && v.Text == "false":
		return false, nil
	}
	return false, parsing(fmt.Sprintf("Could not convert [%s] to boolean: Failed to parse value [%s] as only [true] or [false] are allowed.", name, clip(plain(v))))
}

// plain is a scalar's text, or the JSON of anything else.
func plain(v body.Value) string {
	if v.Kind == body.String || v.Kind == body.Number || v.Kind == body.Bool {
		return v.Text
	}
	return v.String()
}

// readObject reads an object of a mapping: {"properties": {…}, "dynamic": …}.
func readObject(path string, v body.Value, s *Settings) (*node, error) {
	n := &node{}
	for _, m := range v.Members {
		var err error
		switch m.Name {
		case "type":
			if m.Value.Text != string(object) {
				err = parsing(fmt.Sprintf("No handler for type [%s] declared on field [%s]", m.Value.Text, path))
			}
		case "dynamic":
			switch n.dynamic = plain(m.Value); n.dynamic {
			case "true", "false", "strict":
			case "runtime":
				err = parsing("[dynamic: runtime] is not served")
			default:
				err = parsing(fmt.Sprintf("Could not convert [%s.dynamic] to boolean", cmp.Or(path, "dynamic")))
			}
		case "enabled":
			var on bool
			on, err = flag(path+".enabled", m.Value)
			n.disabled = !on
		case "properties":
			if m.Value.Kind == body.Array && len(m.Value.Items) == 0 { // PHP's empty object
				continue
			}
			if m.Value.Kind != body.Object {
				return nil, parsing("Expected map for property [properties] on field [" + path + "] but got a " + m.Value.Kind.String())
			}
			for _, p := range m.Value.Members {
				if err := n.readProperty(path, p.Name, p.Value, s); err != nil {
					return nil, err
				}
			}
		default:
			err = parsing(fmt.Sprintf("Mapping definition for [%s] has unsupported parameters:  [%s : %s]", path, m.Name, clip(m.Value.String())))
		}
		if err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *node) readProperty(path, name string, v body.Value, s *Settings) error {
	parts := strings.Split(name, ".")
	for _, part := range parts {
		if part == "" {
			return illegal("name cannot be empty string")
		}
	}
	for i, part := range parts {
		path = under(path, part)
		if i == len(parts)-1 {
			break
		}
		child := n.children[part]
		if child == nil {
			child = &node{}
			n.put(part, child)
		}
		n = child
	}
	child, err := readNode(path, v, s)
	if err != nil {
		return err
	}
	last := parts[len(parts)-1]
	if there := n.children[last]; there != nil {
		if child, err = mergeNodes(path, there, child, true); err != nil {
			return err
		}
	}
	n.put(last, child)
	return nil
}

func (n *node) put(name string, child *node) {
	if n.children == nil {
		n.children = map[string]*node{}
	}
	n.children[name] = child
}

func under(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// readNode reads what a property is: an object, or a field by its type.
func readNode(path string, v body.Value, s *Settings) (*node, error) {
	if v.Kind != body.Object {
		return nil, parsing(fmt.Sprintf("Expected map for property [fields] on field [%s] but got a %s", path, v.Kind))
	}
	kind, ok := v.Get("type")
	if !ok || kind.Text == string(object) {
		_, properties := v.Get("properties")
		if !ok && !properties && len(v.Members) > 0 && !onlyObject(v) {
			return nil, parsing("No type specified for field [" + path[strings.LastIndex(path, ".")+1:] + "]")
		}
		return readObject(path, v, s)
	}
	f, err := readField(path, path, v, s)
	if err != nil {
		return nil, err
	}
	return &node{field: f}, nil
}

func onlyObject(v body.Value) bool {
	for _, m := range v.Members {
		if m.Name != "enabled" {
			return false
		}
	}
	return true
}

func newField(path, column string, t Type, s *Settings) *Field {
	f := &Field{Path: path, Column: column, Type: t, Index: true, DocValues: true, Norms: t == TextType, IgnoreAbove: math.MaxInt32,
		IgnoreBad: s.IgnoreMalformed && !t.Keywords() && t != Boolean, Coerce: s.Coerce, Analyzer: Standard, SearchAnalyzer: Standard, DepthLimit: 20}
	switch t {
	case Date:
		f.Format = millisFormat
	case DateNanos:
		f.Format = nanosFormat
	case TextType, MatchOnlyText, Binary:
		f.DocValues = false
	}
	return f
}

// readField reads a field of that full name; column is where documents have its values.
func readField(path, column string, v body.Value, s *Settings) (*Field, error) {
	kind, _ := v.Get("type")
	t := Type(kind.Text)
	known, ok := parameters[t]
	if !ok {
		return nil, parsing(fmt.Sprintf("No handler for type [%s] declared on field [%s]", kind.Text, path[strings.LastIndex(path, ".")+1:]))
	}
	f := newField(path, column, t, s)
	for _, m := range v.Members {
		if m.Name == "type" {
			continue
		}
		if m.Name == "fields" && t != Alias && path == column {
			if err := f.readMultiFields(m.Value, s); err != nil {
				return nil, err
			}
			continue
		}
		p, ok := known[m.Name]
		if !ok {
			return nil, parsing(fmt.Sprintf("unknown parameter [%s] on mapper [%s] of type [%s]", m.Name, path[strings.LastIndex(path, ".")+1:], t))
		}
		value, err := p.read(m.Name, m.Value)
		if err != nil {
			return nil, err
		}
		if m.Name == "null_value" && value.Kind == body.String && (t.Integers() || t.Floats()) {
			value.Kind = body.Number
		}
		if err := f.set(m.Name, value); err != nil {
			return nil, err
		}
		if plain(value) != p.standard {
			f.params = append(f.params, body.Member{Name: m.Name, Value: value})
		}
	}
	return f, f.complete()
}

// complete checks what must be there, and together.
func (f *Field) complete() error {
	switch {
	case f.Type == ScaledFloat && f.Factor == 0:
		return parsing("Field [scaling_factor] is required")
	case f.Type == Alias && f.Target == "":
		return parsing(fmt.Sprintf("The [path] property must be specified for field [%s].", f.Path))
	case f.Null != nil && !f.Type.Keywords():
		if err := f.check(f.Null.Kind, func() string { return f.Null.Text }, len(f.Null.Text)); err != nil {
			return parsing(fmt.Sprintf("Error parsing [null_value] on field [%s]: %v", f.Path, err))
		}
	}
	return nil
}

func (p parameter) read(name string, v body.Value) (body.Value, error) {
	bad := func(what string) (body.Value, error) {
		return v, parsing(fmt.Sprintf("Failed to parse mapping: [%s] must be %s, not [%s]", name, what, clip(plain(v))))
	}
	switch p.kind {
	case 'b':
		on, err := flag(name, v)
		return body.Boolean(on), err
	case 'i':
		n, err := strconv.ParseInt(plain(v), 10, 32)
		if err != nil || !v.Scalar() {
			return bad("an integer")
		}
		return body.Int(n), nil
	case 'f':
		x, err := strconv.ParseFloat(plain(v), 64)
		if err != nil || !v.Scalar() {
			return bad("a number")
		}
		return body.Value{Kind: body.Number, Text: javaText(x)}, nil
	case 's':
		if !v.Scalar() || v.Kind == body.Null {
			return bad("text")
		}
		return body.Text(v.Text), nil
	}
	return v, nil
}

// set keeps what a parameter means for the field.
func (f *Field) set(name string, v body.Value) error {
	switch name {
	case "index":
		f.Index = v.Text == "true"
	case "doc_values":
		f.DocValues = v.Text == "true"
	case "norms":
		f.Norms = v.Text == "true"
	case "ignore_above":
		f.IgnoreAbove, _ = strconv.Atoi(v.Text)
		if f.IgnoreAbove < 0 {
			return illegal("[ignore_above] must be positive, got [" + v.Text + "]")
		}
	case "ignore_malformed":
		f.IgnoreBad = v.Text == "true"
	case "coerce":
		f.Coerce = v.Text == "true"
	case "split_queries_on_whitespace":
		f.Split = v.Text == "true"
	case "normalizer":
		if v.Text != "lowercase" {
			return parsing(fmt.Sprintf("normalizer [%s] not found for field [%s]", v.Text, f.Path))
		}
		f.Lowercase = true
	case "analyzer":
		f.Analyzer, f.SearchAnalyzer = Analyzer(v.Text), Analyzer(v.Text)
		return knownAnalyzer(v.Text)
	case "search_analyzer", "search_quote_analyzer":
		if name == "search_quote_analyzer" && Analyzer(v.Text) != f.SearchAnalyzer {
			return parsing("[search_quote_analyzer] other than [search_analyzer] is not served")
		}
		f.SearchAnalyzer = Analyzer(v.Text)
		return knownAnalyzer(v.Text)
	case "format":
		format, err := ParseFormat(v.Text)
		if err != nil {
			return parsing(fmt.Sprintf("Error parsing [format] on field [%s]: %v", f.Path, err))
		}
		f.Format = format
	case "locale":
		if v.Text != "" && !strings.HasPrefix(strings.ToLower(v.Text), "en") && !strings.EqualFold(v.Text, "root") {
			return parsing("[locale] other than English is not served")
		}
	case "scaling_factor":
		f.Factor, _ = strconv.ParseFloat(v.Text, 64)
		if f.Factor <= 0 {
			return parsing("[scaling_factor] must be a positive number, got [" + v.Text + "]")
		}
	case "value":
		f.Value = &v.Text
	case "null_value":
		if v.Kind != body.Null {
			f.Null = &v
		}
	case "depth_limit":
		f.DepthLimit, _ = strconv.Atoi(v.Text)
	case "path":
		f.Target = v.Text
	}
	return nil
}

func knownAnalyzer(name string) error {
	if Analyzer(name).Known() {
		return nil
	}
	return parsing(fmt.Sprintf("analyzer [%s] has not been configured in mappings", name))
}

func (f *Field) readMultiFields(v body.Value, s *Settings) error {
	for _, m := range v.Members {
		kind, ok := m.Value.Get("type")
		if !ok || kind.Text == string(object) || kind.Text == string(Alias) {
			return parsing(fmt.Sprintf("Type [%s] cannot be used in multi field", kind.Text))
		}
		if strings.Contains(m.Name, ".") || m.Name == "" {
			return parsing(fmt.Sprintf("Field name [%s] which is a multi field of [%s] cannot contain '.'", m.Name, f.Path))
		}
		sub, err := readField(f.Path+"."+m.Name, f.Column, m.Value, s)
		if err != nil {
			return err
		}
		if f.fields == nil {
			f.fields = map[string]*Field{}
		}
		f.fields[m.Name] = sub
	}
	return nil
}
