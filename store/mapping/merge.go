package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// Settings are what of an index's settings bears on its mapping and on queries.
type Settings struct {
	TotalFields     int      // index.mapping.total_fields.limit
	Depth           int      // index.mapping.depth.limit
	DefaultField    []string // index.query.default_field
	IgnoreMalformed bool     // index.mapping.ignore_malformed
	Coerce          bool     // index.mapping.coerce
}

// DefaultSettings are those of an index that sets none.
var DefaultSettings = Settings{TotalFields: 1000, Depth: 20, DefaultField: []string{"*"}, Coerce: true}

// ReadSettings takes what concerns it from an index's settings, nested or with dots, with or without the
// index. before them. An error is an *[Error].
func ReadSettings(v body.Value) (Settings, error) {
	s := DefaultSettings
	err := s.read("", v)
	return s, err
}

func (s *Settings) read(path string, v body.Value) error {
	for _, m := range v.Members {
		name := strings.TrimPrefix(under(path, m.Name), "index.")
		if m.Value.Kind == body.Object {
			if err := s.read(name, m.Value); err != nil {
				return err
			}
			continue
		}
		var err error
		switch text := plain(m.Value); name {
		case "mapping.total_fields.limit":
			s.TotalFields, err = strconv.Atoi(text)
		case "mapping.depth.limit":
			s.Depth, err = strconv.Atoi(text)
		case "mapping.ignore_malformed":
			s.IgnoreMalformed, err = strconv.ParseBool(text)
		case "mapping.coerce":
			s.Coerce, err = strconv.ParseBool(text)
		case "query.default_field":
			s.DefaultField = nil
			if m.Value.Scalar() {
				s.DefaultField = strings.Split(text, ",")
			}
			for _, item := range m.Value.Items {
				s.DefaultField = append(s.DefaultField, item.Text)
			}
		default:
			if strings.HasPrefix(name, "analysis.") {
				return illegal("[index." + name + "]: analyzers of one's own are not served")
			}
		}
		if err != nil {
			return illegal(fmt.Sprintf("Failed to parse value [%s] for setting [index.%s]", clip(plain(m.Value)), name))
		}
	}
	return nil
}

// mergeNodes returns a with what b adds, sharing what neither changes. Leaves of the same type may change
// only in what Elasticsearch lets change. explicit says that a request asks for it, and not a document.
func mergeNodes(path string, a, b *node, explicit bool) (*node, error) {
	switch {
	case a == nil:
		return b, nil
	case a.field == nil && b.field == nil:
	case a.field != nil && b.field != nil:
		x, y := a.field, b.field
		if !explicit && strings.Contains(path, ".") { // Elasticsearch has it the other way round in objects that are new
			x, y = y, x
		}
		f, err := mergeFields(x, y)
		if err != nil {
			return nil, err
		}
		return &node{field: f}, nil
	case a.field != nil, !explicit:
		return nil, illegal(fmt.Sprintf("can't merge a non object mapping [%s] with an object mapping", path))
	default:
		return nil, illegal(fmt.Sprintf("can't merge a object mapping [%s] with a non object mapping", path)) // grammar as Elasticsearch has it
	}
	out := &node{dynamic: a.dynamic, disabled: a.disabled, children: a.children}
	if explicit {
		if b.dynamic != "" {
			out.dynamic = b.dynamic
		}
		if path != "" && b.disabled != a.disabled && (len(a.children) > 0 || a.disabled) {
			return nil, parsing(fmt.Sprintf("the [enabled] parameter can't be updated for the object mapping [%s]", path))
		}
		out.disabled = b.disabled
	}
	if len(b.children) == 0 {
		return out, nil
	}
	out.children = maps.Clone(a.children)
	for _, name := range slices.Sorted(maps.Keys(b.children)) {
		merged, err := mergeNodes(under(path, name), a.children[name], b.children[name], explicit)
		if err != nil {
			return nil, err
		}
		out.put(name, merged)
	}
	return out, nil
}

// fixed are the parameters that a field keeps for good.
var fixed = []string{"index", "doc_values", "store", "analyzer", "normalizer", "format", "scaling_factor", "similarity", "index_options", "term_vector", "position_increment_gap", "index_phrases", "depth_limit", "null_value"}

func mergeFields(a, b *Field) (*Field, error) {
	if a.Type != b.Type {
		return nil, illegal(fmt.Sprintf("mapper [%s] cannot be changed from type [%s] to [%s]", a.Path, a.Type, b.Type))
	}
	for _, name := range fixed {
		have, want := a.param(name), b.param(name)
		if have != want && !(name == "null_value" && a.Type.Keywords()) && !(name == "format" && have == "" && want == a.Format.text) {
			return nil, illegal(fmt.Sprintf("Mapper for [%s] conflicts with existing mapper:\n\tCannot update parameter [%s] from [%s] to [%s]", a.Path, name, have, want))
		}
	}
	if a.Type == ConstantKeyword && b.Value == nil {
		b = a
	}
	out := *b
	out.fields = maps.Clone(a.fields)
	for name, sub := range b.fields {
		if there := a.fields[name]; there != nil {
			var err error
			if sub, err = mergeFields(there, sub); err != nil {
				return nil, err
			}
		} else if out.fields == nil {
			out.fields = map[string]*Field{}
		}
		out.fields[name] = sub
	}
	return &out, nil
}

func (f *Field) param(name string) string {
	for _, p := range f.params {
		if p.Name == name {
			return plain(p.Value)
		}
	}
	return ""
}

// checked counts the fields of a mapping that has grown and returns it if it may be that large.
func (m *Mapping) checked() (*Mapping, error) {
	before := m.count
	m.count = 0
	tooDeep := m.measure("", m.root, 1)
	if m.count > m.settings.TotalFields && m.count > before {
		m.count = before
		return nil, m.tooMany()
	}
	if tooDeep != nil {
		return nil, tooDeep
	}
	return m, nil
}

// tooMany says that fields were added to those that m counts until there were too many.
func (m *Mapping) tooMany() *Error {
	return illegal(fmt.Sprintf("Limit of total fields [%d] has been exceeded while adding new fields [%d]", m.settings.TotalFields, max(1, m.settings.TotalFields+1-m.count)))
}

func (m *Mapping) measure(path string, n *node, depth int) error {
	var tooDeep error
	if depth > m.settings.Depth {
		tooDeep = illegal(fmt.Sprintf("Limit of mapping depth [%d] has been exceeded due to object field [%s]", m.settings.Depth, path))
	}
	for name, child := range n.children {
		m.count++
		if child.field != nil {
			m.count += len(child.field.fields)
			continue
		}
		if err := m.measure(under(path, name), child, depth+1); tooDeep == nil {
			tooDeep = err
		}
	}
	return tooDeep
}

func (m *Mapping) checkAliases() error {
	var err error
	m.Fields(func(f *Field) {
		if f.Type != Alias || err != nil {
			return
		}
		switch target := m.find(f.Target); {
		case target == nil:
			err = parsing(fmt.Sprintf("Invalid [path] value [%s] for field alias [%s]: an alias must refer to an existing field in the mappings.", f.Target, f.Path))
		case target.Type == Alias:
			err = parsing(fmt.Sprintf("Invalid [path] value [%s] for field alias [%s]: an alias cannot refer to another alias.", f.Target, f.Path))
		}
	})
	return err
}
