package rest

import (
	"errors"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/query"
)

// A capability is what can be done with a field of one type.
type capability struct {
	typ                      string
	metadata                 bool
	searchable, aggregatable bool
}

// metadataFields are those that every index has.
var metadataFields = map[string]capability{
	"_doc_count":   {"integer", true, false, false},
	"_feature":     {"_feature", true, false, false},
	"_field_names": {"_field_names", true, true, false},
	"_id":          {"_id", true, true, true},
	"_ignored":     {"_ignored", true, true, false},
	"_index":       {"_index", true, true, true},
	"_routing":     {"_routing", true, true, false},
	"_seq_no":      {"_seq_no", true, true, true},
	"_source":      {"_source", true, false, false},
	"_type":        {"_type", true, true, true},
	"_version":     {"_version", true, false, true},
}

// capabilityOf is what can be done with a field, under the name of its type's family.
func capabilityOf(f *mapping.Field) capability {
	typ := string(f.Type)
	switch f.Type {
	case mapping.ConstantKeyword, mapping.Wildcard:
		return capability{"keyword", false, true, true}
	case mapping.MatchOnlyText:
		typ = "text"
	case mapping.Binary:
		return capability{typ, false, false, f.DocValues}
	}
	return capability{typ, false, f.Index, f.DocValues && !f.Type.Analyzed()}
}

// capabilities are those of the fields of one mapping that some patterns cover, with the objects that they are in.
func capabilities(m *mapping.Mapping, patterns []string) map[string]capability {
	out := make(map[string]capability)
	add := func(name string) {
		f, ok := m.Field(name)
		if !ok {
			return
		}
		out[name] = capabilityOf(f)
		name = f.Path // of an alias that of its field
		for {
			dot := strings.LastIndexByte(name, '.')
			if dot < 0 {
				return
			}
			name = name[:dot]
			if _, known := out[name]; known {
				return
			}
			if m.Object(name) {
				out[name] = capability{typ: "object"}
			}
		}
	}
	wild := false
	for _, p := range patterns {
		if !strings.Contains(p, "*") {
			add(p)
		} else {
			wild = true
		}
		for name, have := range metadataFields {
			if mapping.Like(p, name) {
				out[name] = have
			}
		}
	}
	if wild {
		m.Fields(func(f *mapping.Field) {
			if slices.ContainsFunc(patterns, func(p string) bool { return mapping.Like(p, f.Path) }) {
				add(f.Path)
			}
		})
	}
	return out
}

// fieldCaps answers _field_caps.
func (c *call) fieldCaps() error {
	var patterns []string
	for p := range strings.SplitSeq(c.params["fields"], ",") {
		if p != "" {
			patterns = append(patterns, p)
		}
	}
	if len(patterns) == 0 {
		return illegal("specified fields can't be null or empty")
	}
	filter, err := c.indexFilter()
	if err != nil {
		return err
	}
	o, err := c.indicesOptions(openOptions)
	if err != nil {
		return err
	}
	names, err := c.h.resolve(c.expression(), o)
	if err != nil {
		return err
	}
	caps := &fieldCapabilities{fields: make(map[string]map[string]*family), unmapped: c.flag("include_unmapped", false)}
	known := make(map[*mapping.Mapping]map[string]capability) // indices may share their mapping
	for _, name := range names {
		ix, err := c.h.lookup(name)
		if err != nil { // it has gone since
			continue
		}
		if ix.closed {
			if again, err := c.h.resolve(c.expression(), o); err == nil && !slices.Contains(again, name) {
				continue // it was closed since, and is none that a pattern stands for
			}
			return &failure{status: http.StatusForbidden, typ: "cluster_block_exception", reason: "index [" + name + "] blocked by: [FORBIDDEN/4/index closed];"}
		}
		f := ix.facts.Load()
		m := f.mapping
		if may, err := c.mayMatch(filter, name, m, f.aliasNames()); err != nil {
			return err
		} else if !may {
			continue
		}
		if known[m] == nil {
			known[m] = capabilities(m, patterns)
		}
		caps.add(name, known[m])
	}
	return c.answer(caps.value())
}

// indexFilter reads the body of a _field_caps: a query, nil without one.
func (c *call) indexFilter() (query.Query, error) {
	v, ok, err := c.value()
	if err != nil || !ok {
		return nil, err
	}
	if v.Kind != body.Object {
		return nil, &failure{typ: "parsing_exception", reason: "Expected [START_OBJECT] but found [" + v.Kind.String() + "]"}
	}
	var filter query.Query
	for _, m := range v.Members {
		switch {
		case m.Name == "index_filter":
			if filter, err = query.Parse(m.Value); err != nil {
				return nil, &failure{typ: "x_content_parse_exception", reason: "[field_caps_request] failed to parse field [index_filter]", cause: asFailure(err)}
			}
		case m.Name == "runtime_mappings" && len(m.Value.Members) == 0:
		case m.Name == "runtime_mappings":
			return nil, notServed("[runtime_mappings]")
		default:
			return nil, &failure{typ: "x_content_parse_exception", reason: "[field_caps_request] unknown field [" + clip(m.Name) + "]"}
		}
	}
	return filter, nil
}

// mayMatch says whether an index could have a document that a query finds: by its name and its times, as Elasticsearch
// does where it can tell without a search.
func (c *call) mayMatch(q query.Query, name string, m *mapping.Mapping, aliases []string) (bool, error) {
	if q == nil {
		return true, nil
	}
	plan, err := query.Compile(q, query.Context{Mapping: m, Index: name, Aliases: aliases, Now: c.h.now()})
	if err != nil {
		return true, nil //nolint:nilerr // Elasticsearch takes an index that it cannot ask for one that may
	}
	if plan.Nothing() {
		return false, nil
	}
	from, to := plan.Bounds()
	if from == math.MinInt64 && to == math.MaxInt64 {
		return true, nil
	}
	over, release, err := c.h.view([]string{name})
	if err != nil {
		var gone *failure
		if errors.As(err, &gone) && gone.status == http.StatusNotFound || errors.Is(err, store.ErrClosed) { // since it was looked up
			return false, nil
		}
		return false, err
	}
	defer release()
	earliest, latest := over[0].View.Times()
	return over[0].View.Len() > 0 && from <= latest && to >= earliest, nil
}

// fieldCapabilities gathers what fields are in several indices.
type fieldCapabilities struct {
	indices  []string
	fields   map[string]map[string]*family // by name and type
	unmapped bool                          // name the indices that lack a field
}

// A family is a field in the indices that have it with one type.
type family struct {
	capability
	indices                     []string
	notSearchable, notAggregate []string
}

func (fc *fieldCapabilities) add(index string, fields map[string]capability) {
	fc.indices = append(fc.indices, index)
	for name, have := range fields {
		types := fc.fields[name]
		if types == nil {
			types = make(map[string]*family)
			fc.fields[name] = types
		}
		f := types[have.typ]
		if f == nil {
			f = &family{capability: have}
			types[have.typ] = f
		}
		f.indices = append(f.indices, index)
		f.metadata = f.metadata && have.metadata
		if !have.searchable {
			f.notSearchable = append(f.notSearchable, index)
		}
		if !have.aggregatable {
			f.notAggregate = append(f.notAggregate, index)
		}
	}
}

func (fc *fieldCapabilities) value() body.Value {
	fields := object()
	for _, name := range slices.Sorted(maps.Keys(fc.fields)) {
		types := fc.fields[name]
		if fc.unmapped {
			fc.addUnmapped(types)
		}
		of := object()
		for _, typ := range slices.Sorted(maps.Keys(types)) {
			of.Members = append(of.Members, body.Member{Name: typ, Value: types[typ].value(len(types) > 1)})
		}
		fields.Members = append(fields.Members, body.Member{Name: name, Value: of})
	}
	return object("indices", append([]string{}, fc.indices...), "fields", fields)
}

// addUnmapped adds the indices that lack a field, of which there are these types.
func (fc *fieldCapabilities) addUnmapped(types map[string]*family) {
	have := make(map[string]bool)
	for _, f := range types {
		for _, index := range f.indices {
			have[index] = true
		}
	}
	without := &family{capability: capability{typ: "unmapped"}}
	for _, index := range fc.indices {
		if !have[index] {
			without.indices = append(without.indices, index)
		}
	}
	if without.indices != nil {
		without.notSearchable, without.notAggregate = without.indices, without.indices
		types["unmapped"] = without
	}
}

// value is a family as the answer has it; among says that there are others.
func (f *family) value(among bool) body.Value {
	v := object("type", f.typ, "metadata_field", f.metadata, "searchable", len(f.notSearchable) == 0, "aggregatable", len(f.notAggregate) == 0)
	add := func(name string, indices []string) {
		v.Members = append(v.Members, body.Member{Name: name, Value: jsonOf(indices)})
	}
	if among {
		add("indices", f.indices)
	}
	if n := len(f.notSearchable); n > 0 && n < len(f.indices) {
		add("non_searchable_indices", f.notSearchable)
	}
	if n := len(f.notAggregate); n > 0 && n < len(f.indices) {
		add("non_aggregatable_indices", f.notAggregate)
	}
	return v
}
