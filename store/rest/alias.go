package rest

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

func (h *Handler) aliasRoutes() []*route {
	var all []*route
	add := func(methods, paths, params string, serve func(*call) error) {
		all = append(all, routes(methods, paths, params, serve)...)
	}
	add("POST", "/_aliases", timeouts, (*call).changeAliases)
	add("GET", "/_aliases,/_alias,/{index}/_alias,/{index}/_aliases", indicesParams+"local", (*call).getAliases)
	add("GET|HEAD", "/_alias/{name},/{index}/_alias/{name},/{index}/_aliases/{name}", indicesParams+"local", (*call).getAliases)
	add("PUT|POST", "/{index}/_alias/{name},/{index}/_aliases/{name}", timeouts, (*call).putAlias)
	add("DELETE", "/{index}/_alias/{name},/{index}/_aliases/{name}", timeouts, (*call).deleteAlias)
	add("GET", "/_resolve/index/{index}", "expand_wildcards", (*call).resolveIndex)
	return all
}

// An aliasChange is one action of _aliases on one index.
type aliasChange struct {
	kind  string // add, remove, remove_index
	index string
	alias alias
	must  bool // of remove: that there is one
}

// changeAliases answers POST _aliases: all of it is done, or nothing.
func (c *call) changeAliases() error {
	v, err := c.objectBody()
	if err != nil {
		return err
	}
	actions, _ := v.Get("actions")
	for _, m := range v.Members {
		if m.Name != "actions" {
			return &failure{typ: "x_content_parse_exception", reason: fmt.Sprintf("[aliases] unknown field [%s]", clip(m.Name))}
		}
	}
	if len(actions.Items) == 0 {
		return illegal("No action specified")
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	var changes []aliasChange
	for _, a := range actions.Items {
		some, err := c.h.readAction(a)
		if err != nil {
			return err
		}
		changes = append(changes, some...)
	}
	if err := c.h.applyAliases(c.context(), changes); err != nil {
		return err
	}
	return c.answer(object("acknowledged", true))
}

func badAction(cause *failure) *failure {
	return &failure{typ: "x_content_parse_exception", reason: "[aliases] failed to parse field [actions]", cause: cause}
}

// readAction reads one action, and resolves the indices and aliases that it names.
func (h *Handler) readAction(v body.Value) ([]aliasChange, error) {
	if v.Kind != body.Object || len(v.Members) != 1 || v.Members[0].Value.Kind != body.Object {
		return nil, badAction(illegal("Too many or no operations declared on operation entry"))
	}
	kind := v.Members[0].Name
	if kind != "add" && kind != "remove" && kind != "remove_index" {
		return nil, badAction(&failure{typ: "x_content_parse_exception", reason: fmt.Sprintf("[alias_action] unknown field [%s]", clip(kind))})
	}
	var indices, names []string
	rest, must := object(), false
	for _, m := range v.Members[0].Value.Members {
		texts := []string{m.Value.Text}
		if m.Value.Kind == body.Array {
			texts = nil
			for _, item := range m.Value.Items {
				texts = append(texts, item.Text)
			}
		}
		switch {
		case m.Name == "index" || m.Name == "indices":
			indices = append(indices, texts...)
		case (m.Name == "alias" || m.Name == "aliases") && kind != "remove_index":
			names = append(names, texts...)
		case m.Name == "must_exist" && kind != "add":
			b, err := readBool(m)
			if err != nil {
				return nil, badAction(asFailure(err))
			}
			must = *b
		case kind == "add":
			rest.Members = append(rest.Members, m)
		default:
			return nil, badAction(&failure{typ: "x_content_parse_exception", reason: fmt.Sprintf("[%s] unknown field [%s]", kind, clip(m.Name))})
		}
	}
	switch {
	case len(indices) == 0:
		return nil, badAction(illegal("One of [index] or [indices] is required"))
	case len(names) == 0 && kind != "remove_index":
		return nil, badAction(illegal("One of [alias] or [aliases] is required"))
	}
	return h.expandAction(kind, indices, names, rest, must)
}

func (h *Handler) expandAction(kind string, indices, names []string, rest body.Value, must bool) ([]aliasChange, error) {
	o := anyOptions
	o.noAliases, o.allowNone = true, false
	found, err := h.resolve(strings.Join(indices, ","), o)
	if err != nil {
		return nil, err
	}
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	var out []aliasChange
	if kind == "remove_index" {
		for _, index := range found {
			out = append(out, aliasChange{kind: kind, index: index})
		}
		return out, nil
	}
	for _, name := range names {
		a, err := readAlias(name, rest)
		if err != nil {
			return nil, err
		}
		if a.name, err = dateMath(a.name); err != nil {
			return nil, err
		}
		matched := []string{a.name}
		if kind == "remove" {
			matched = h.removable(s, a.name, found)
			if len(matched) == 0 {
				return nil, missingAlias(name, must)
			}
		}
		for _, n := range matched {
			for _, index := range found {
				a.name = n
				out = append(out, aliasChange{kind: kind, index: index, alias: a, must: must})
			}
		}
	}
	return out, nil
}

func missingAlias(name string, must bool) *failure {
	if must {
		return &failure{status: http.StatusNotFound, typ: "resource_not_found_exception", reason: fmt.Sprintf("required alias [%s] does not exist", clip(name))}
	}
	f := &failure{status: http.StatusNotFound, typ: "aliases_not_found_exception", reason: fmt.Sprintf("aliases [%s] missing", clip(name))}
	return f.with("resource.type", "aliases").with("resource.id", name)
}

// removable gives the aliases of indices that a pattern covers.
func (h *Handler) removable(s *snapshot, pattern string, indices []string) []string {
	found := make(map[string]bool)
	for _, index := range indices {
		for _, a := range s.byName[index].facts.Load().aliases {
			if mapping.Like(pattern, a.name) {
				found[a.name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// applyAliases does changes, the aliases' in one transaction, and then deletes indices; change is held.
func (h *Handler) applyAliases(ctx context.Context, changes []aliasChange) error {
	s, err := h.snapshot()
	if err != nil {
		return err
	}
	next := make(map[string][]alias)
	deleted := make(map[string]bool)
	for _, ch := range changes {
		deleted[ch.index] = deleted[ch.index] || ch.kind == "remove_index"
	}
	for _, ch := range changes {
		ix := s.byName[ch.index]
		if ch.kind == "remove_index" {
			if err := ix.deletable(); err != nil {
				return err
			}
			continue
		}
		if err := ix.blocked("metadata"); err != nil {
			return err
		}
		have, ok := next[ch.index]
		if !ok {
			have = ix.facts.Load().aliases
		}
		if ch.kind == "add" {
			if err := s.checkAlias(ch.alias.name, ch.index); err != nil && !deleted[ch.alias.name] {
				return err
			}
			next[ch.index] = putAlias(have, ch.alias)
		} else {
			next[ch.index] = dropAlias(have, ch.alias.name)
		}
	}
	if err := s.oneWriter(next, deleted); err != nil {
		return err
	}
	var done []func()
	var metas []store.Meta
	for _, index := range slices.Sorted(maps.Keys(next)) {
		ix := s.byName[index]
		ix.grow.Lock() // in the order of their names, which no other does for several
		defer ix.grow.Unlock()
		f := *ix.facts.Load()
		f.aliases = next[index]
		metas = append(metas, f.metas(index, ix.uuid, aliasesKey)...)
		done = append(done, func() { ix.facts.Store(&f) })
	}
	if err := h.store.SetMeta(ctx, metas...); err != nil {
		return err
	}
	for _, f := range done {
		f()
	}
	for _, index := range slices.Sorted(maps.Keys(deleted)) {
		if deleted[index] {
			if err := h.store.Delete(ctx, index); err != nil {
				return err
			}
		}
	}
	return nil
}

// oneWriter refuses changes that leave an alias with several write indices.
func (s *snapshot) oneWriter(next map[string][]alias, deleted map[string]bool) error {
	writers := make(map[string][]string)
	for _, ix := range s.list {
		all, ok := next[ix.name]
		if !ok {
			all = ix.facts.Load().aliases
		}
		for _, a := range all {
			if a.write != nil && *a.write && !deleted[ix.name] {
				writers[a.name] = append(writers[a.name], ix.name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(writers)) {
		if len(writers[name]) > 1 {
			return &failure{status: http.StatusInternalServerError, typ: "illegal_state_exception",
				reason: fmt.Sprintf("alias [%s] has more than one write index [%s]", name, strings.Join(writers[name], ","))}
		}
	}
	return nil
}

func (c *call) putAlias() error {
	v, ok, err := c.value()
	if err != nil {
		return err
	}
	if !ok {
		v = object()
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	changes, err := c.h.expandAction("add", strings.Split(c.expression(), ","), []string{c.names["name"]}, v, false)
	if err != nil {
		return err
	}
	if err := c.h.applyAliases(c.context(), changes); err != nil {
		return err
	}
	return c.answer(object("acknowledged", true))
}

func (c *call) deleteAlias() error {
	if err := c.noBody(); err != nil {
		return err
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	changes, err := c.h.expandAction("remove", strings.Split(c.expression(), ","), strings.Split(c.names["name"], ","), object(), false)
	if err != nil {
		return err
	}
	if err := c.h.applyAliases(c.context(), changes); err != nil {
		return err
	}
	return c.answer(object("acknowledged", true))
}

// getAliases answers with the aliases of indices, all or those of a name.
func (c *call) getAliases() error {
	o := hiddenOptions
	o.closed = c.expression() == ""
	all, err := c.each(o)
	if err != nil {
		return err
	}
	wanted, byName := c.names["name"], c.names["name"] != ""
	var patterns []string
	if byName {
		patterns = strings.Split(wanted, ",")
	}
	met := make(map[string]bool)
	out := object()
	for _, ix := range all {
		shown := object()
		for _, a := range ix.facts.Load().aliases {
			matched := !byName
			for _, p := range patterns {
				if mapping.Like(p, a.name) || p == "_all" {
					matched, met[p] = true, true
				}
			}
			if matched {
				shown.Members = append(shown.Members, body.Member{Name: a.name, Value: a.value()})
			}
		}
		if !byName || len(shown.Members) > 0 {
			out.Members = append(out.Members, body.Member{Name: ix.name, Value: object("aliases", shown)})
		}
	}
	var missing []string
	for _, p := range patterns {
		if !met[p] && !strings.Contains(p, "*") && p != "_all" {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return c.answer(out)
	}
	what := "alias"
	if len(missing) > 1 {
		what = "aliases"
	}
	answer := object("error", fmt.Sprintf("%s [%s] missing", what, clip(strings.Join(missing, ","))), "status", http.StatusNotFound)
	answer.Members = append(answer.Members, out.Members...)
	c.reply(http.StatusNotFound, answer.Append(nil))
	return nil
}

// resolveIndex answers which indices and aliases an expression stands for.
func (c *call) resolveIndex() error {
	if err := c.noBody(); err != nil {
		return err
	}
	o, err := c.indicesOptions(openOptions)
	if err != nil {
		return err
	}
	o.ignoreUnavailable = true
	s, err := c.h.snapshot()
	if err != nil {
		return err
	}
	concrete := o
	concrete.noAliases = true
	names, err := c.h.resolve(c.expression(), concrete)
	if err != nil {
		return err
	}
	indices, aliases := list(), list()
	for _, name := range names {
		ix := s.byName[name]
		if ix == nil {
			continue
		}
		v := object("name", name)
		var has []string
		for _, a := range ix.facts.Load().aliases {
			has = append(has, a.name)
		}
		if len(has) > 0 {
			v.Members = append(v.Members, body.Member{Name: "aliases", Value: jsonOf(has)})
		}
		attributes := []string{"open"}
		if ix.closed {
			attributes = []string{"closed"}
		}
		if ix.facts.Load().flags.hidden {
			attributes = append([]string{"hidden"}, attributes...)
			slices.Sort(attributes)
		}
		v.Members = append(v.Members, body.Member{Name: "attributes", Value: jsonOf(attributes)})
		indices.Items = append(indices.Items, v)
	}
	behind := s.aliased("*")
	for _, name := range slices.Sorted(maps.Keys(behind)) {
		if !s.aliasCovered(c.expression(), name, behind[name], o) {
			continue
		}
		var of []string
		for _, ix := range behind[name] {
			of = append(of, ix.name)
		}
		aliases.Items = append(aliases.Items, object("name", name, "indices", of))
	}
	return c.answer(object("indices", indices, "aliases", aliases, "data_streams", list()))
}

// aliasCovered says whether an expression stands for an alias.
func (s *snapshot) aliasCovered(expression, name string, behind []*indexState, o indicesOptions) bool {
	hidden := len(behind) > 0
	for _, ix := range behind {
		for _, a := range ix.facts.Load().aliases {
			if a.name == name && (a.hidden == nil || !*a.hidden) {
				hidden = false
			}
		}
	}
	covered := false
	for part := range strings.SplitSeq(expression, ",") {
		if part == "_all" {
			part = "*"
		}
		if minus, ok := strings.CutPrefix(part, "-"); ok && covered {
			if mapping.Like(minus, name) {
				covered = false
			}
			continue
		}
		star := strings.Contains(part, "*")
		if mapping.Like(part, name) && (!star || !hidden || o.hidden) {
			covered = true
		}
	}
	return covered
}
