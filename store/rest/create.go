package rest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

// create makes an index of what its request says and templates add; change is held.
func (h *Handler) create(ctx context.Context, name string, request body.Value) (*indexState, error) {
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	if err := s.free(name); err != nil {
		return nil, err
	}
	if len(s.list) >= h.limits.Indices {
		return nil, &failure{typ: "validation_exception", reason: fmt.Sprintf("Validation Failed: 1: this action would add [1] indices, but there are [%d] of at most [%d] already;", len(s.list), h.limits.Indices)}
	}
	f, err := h.prepare(s, name, request)
	if err != nil {
		return nil, err
	}
	err = h.store.Create(ctx, name, f.metas("", "", mappingKey, settingsKey, aliasesKey)...)
	if err != nil {
		return nil, err
	}
	return h.lookup(name)
}

// free refuses a name that an index or alias has.
func (s *snapshot) free(name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if ix := s.byName[name]; ix != nil {
		f := &failure{typ: "resource_already_exists_exception", reason: fmt.Sprintf("index [%s/%s] already exists", name, ix.uuid)}
		return f.with("index_uuid", ix.uuid).with("index", name)
	}
	if len(s.aliased(name)[name]) > 0 {
		return invalidName(name, "already exists as alias")
	}
	return nil
}

// prepare finds out what an index will be, without making it.
func (h *Handler) prepare(s *snapshot, name string, request body.Value) (*facts, error) {
	made, err := h.templates.Load().New(name, request)
	if err != nil {
		return nil, err
	}
	settings, err := readSettings(made.Settings)
	if err != nil {
		return nil, err
	}
	settings = slices.DeleteFunc(settings, func(m body.Member) bool { return m.Value.Kind == body.Null })
	f, err := facts{mapping: made.Mapping}.withSettings(nest(settings))
	if err != nil {
		return nil, err
	}
	if made.Aliases.Kind == body.Object {
		if f.aliases, err = readAliases(made.Aliases, name); err != nil {
			return nil, err
		}
	}
	for _, a := range f.aliases {
		if err := s.checkAlias(a.name, name); err != nil {
			return nil, err
		}
		if a.write != nil && *a.write {
			if err := s.secondWriter(a.name, name); err != nil {
				return nil, err
			}
		}
	}
	return &f, nil
}

// secondWriter refuses a second write index of an alias.
func (s *snapshot) secondWriter(alias, index string) error {
	for _, ix := range s.aliased(alias)[alias] {
		if ix.name != index && ix.writes(alias) {
			names := []string{ix.name, index}
			slices.Sort(names)
			return &failure{status: 500, typ: "illegal_state_exception", reason: fmt.Sprintf("alias [%s] has more than one write index [%s]", alias, strings.Join(names, ","))}
		}
	}
	return nil
}

// writes says whether an index is the one that what is written to an alias goes to, by its own word.
func (ix *indexState) writes(alias string) bool {
	for _, a := range ix.facts.Load().aliases {
		if a.name == alias {
			return a.write != nil && *a.write
		}
	}
	return false
}

// writeIndex gives the index that a document for name goes to, which is made if there is none and may is set.
func (h *Handler) writeIndex(ctx context.Context, name string, requireAlias, may bool) (*indexState, error) {
	name, err := dateMath(name)
	if err != nil {
		return nil, err
	}
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	behind := s.aliased(name)[name]
	if requireAlias && len(behind) == 0 {
		f := &failure{status: 404, typ: "index_not_found_exception",
			reason: fmt.Sprintf("no such index [%s] and [require_alias] request flag is [true] and [%s] is not an alias", clip(name), clip(name))}
		return nil, f.with("index_uuid", "_na_").with("index", name)
	}
	ix := s.byName[name]
	if ix == nil && len(behind) > 0 {
		if ix, err = writeAlias(name, behind); err != nil {
			return nil, err
		}
	}
	switch {
	case ix != nil && ix.closed:
		return nil, closedIndex(ix)
	case ix != nil:
		return ix, nil
	case !may:
		return nil, missing(name)
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	if err := h.settings.Load().mayCreate(name); err != nil {
		return nil, err
	}
	h.change.Lock()
	defer h.change.Unlock()
	if ix, err := h.lookup(name); err == nil { // another request was first
		return ix, nil
	}
	return h.create(ctx, name, object())
}

// missing says that a single index is not there.
func missing(name string) *failure {
	f := &failure{status: 404, typ: "index_not_found_exception", reason: "no such index [" + clip(name) + "]"}
	return f.with("resource.type", "index_expression").with("resource.id", name).with("index_uuid", "_na_").with("index", name)
}

// writeAlias chooses the one of several indices behind an alias that takes documents.
func writeAlias(name string, behind []*indexState) (*indexState, error) {
	for _, ix := range behind {
		if ix.writes(name) {
			return ix, nil
		}
	}
	if len(behind) == 1 {
		for _, a := range behind[0].facts.Load().aliases {
			if a.name == name && a.write == nil {
				return behind[0], nil
			}
		}
	}
	return nil, illegal("no write index is defined for alias [%s]. The write index may be explicitly disabled using is_write_index=false or the alias points to multiple indices without one being designated as a write index", clip(name))
}

// readIndex gives the one index that a document of name is in.
func (h *Handler) readIndex(name string) (*indexState, error) {
	name, err := dateMath(name)
	if err != nil {
		return nil, err
	}
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	ix := s.byName[name]
	if ix == nil {
		behind := s.aliased(name)[name]
		switch len(behind) {
		case 0:
			return nil, missing(name)
		case 1:
			ix = behind[0]
		default:
			var names []string
			for _, b := range behind {
				names = append(names, b.name)
			}
			return nil, illegal("alias [%s] has more than one index associated with it [%s], can't execute a single index op", clip(name), strings.Join(names, ", "))
		}
	}
	if ix.closed {
		return nil, closedIndex(ix)
	}
	return ix, nil
}

// grow adds to an index's mapping what documents bring: add is called with the mapping that there is, and what it
// returns is on the disk before documents are that need it. Who holds ix.grow calls it.
func (h *Handler) keepMapping(ctx context.Context, ix *indexState, m *mapping.Mapping) error {
	f := *ix.facts.Load()
	if f.mapping == m {
		return nil
	}
	f.mapping = m
	kept := f.metas(ix.name, ix.uuid, mappingKey)
	if err := h.store.SetMeta(ctx, kept...); err != nil {
		if errors.Is(err, store.ErrNoIndex) {
			return missing(ix.name)
		}
		return err
	}
	f.mapping, _ = h.same.get(m.Settings(), kept[0].Value, func() (*mapping.Mapping, error) { return m, nil })
	ix.facts.Store(&f)
	return nil
}
