package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

const timeouts = " timeout master_timeout "

func (h *Handler) adminRoutes() []*route {
	var all []*route
	add := func(methods, paths, params string, serve func(*call) error) {
		all = append(all, routes(methods, paths, params, serve)...)
	}
	add("PUT", "/{index}", timeouts+"wait_for_active_shards include_type_name", (*call).createIndex)
	add("DELETE", "/{index}", timeouts+indicesParams, (*call).deleteIndices)
	add("GET|HEAD", "/{index}", indicesParams+"flat_settings include_defaults local master_timeout include_type_name", (*call).getIndices)
	add("GET", "/_mapping,/_mappings,/{index}/_mapping,/{index}/_mappings", indicesParams+"local master_timeout include_type_name", (*call).getMappings)
	add("PUT|POST", "/{index}/_mapping,/{index}/_mappings,/_mapping/{index}", timeouts+indicesParams+"include_type_name write_index_only", (*call).putMapping)
	add("PUT|POST", "/{index}/_mapping/{type},/{index}/{type}/_mapping", timeouts+indicesParams+"include_type_name write_index_only", (*call).putTypedMapping)
	add("GET", "/_mapping/field/{fields},/{index}/_mapping/field/{fields}", indicesParams+"local include_defaults include_type_name", (*call).getFieldMappings)
	add("GET", "/_settings,/_settings/{name},/{index}/_settings,/{index}/_settings/{name}", indicesParams+"flat_settings include_defaults local master_timeout", (*call).getSettings)
	add("PUT", "/_settings,/{index}/_settings", timeouts+indicesParams+"flat_settings preserve_existing", (*call).putSettings)
	add("PUT", "/{index}/_block/{block}", timeouts+indicesParams, (*call).addBlock)
	add("POST", "/_close,/{index}/_close", timeouts+indicesParams+"wait_for_active_shards", (*call).closeIndices)
	add("POST", "/_open,/{index}/_open", timeouts+indicesParams+"wait_for_active_shards", (*call).openIndices)
	add("GET|POST", "/_refresh,/{index}/_refresh", indicesParams+"force", (*call).refreshIndices)
	add("GET|POST", "/_flush,/{index}/_flush,/_flush/synced,/{index}/_flush/synced", indicesParams+"force wait_if_ongoing", (*call).flush)
	add("POST", "/_forcemerge,/{index}/_forcemerge", indicesParams+"max_num_segments only_expunge_deletes flush", (*call).forceMerge)
	add("POST", "/_cache/clear,/{index}/_cache/clear", indicesParams+"query fielddata request fields", (*call).refreshIndices)
	return all
}

// createIndex makes an index of what the request says.
func (c *call) createIndex() error {
	if err := checkActive(c.params["wait_for_active_shards"]); err != nil {
		return err
	}
	v, ok, err := c.value()
	if err != nil {
		return contentFailure(err)
	}
	if !ok {
		v = object()
	}
	request, err := creation(v, c.flag("include_type_name", false))
	if err != nil {
		return err
	}
	name, err := dateMath(c.expression())
	if err != nil {
		return err
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	if c.h.settings.Load().readOnly {
		return clusterBlocked()
	}
	ix, err := c.h.create(c.context(), name, request)
	if err != nil {
		return err
	}
	return c.answer(object("acknowledged", true, "shards_acknowledged", true, "index", ix.name))
}

func clusterBlocked() error {
	return &failure{status: http.StatusForbidden, typ: "cluster_block_exception", reason: "blocked by: [FORBIDDEN/6/cluster read-only (api)];"}
}

// creation reads the body of PUT index.
func creation(v body.Value, typed bool) (body.Value, error) {
	if v.Kind != body.Object {
		return v, &failure{typ: "not_x_content_exception", reason: "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"}
	}
	out, bare := object(), false
	for _, m := range v.Members {
		switch m.Name {
		case "settings", "aliases", "mappings":
			if m.Value.Kind != body.Object {
				return out, &failure{typ: "parse_exception", reason: fmt.Sprintf("key [%s] must be an object", m.Name)}
			}
			if m.Name == "mappings" {
				var err error
				if m.Value, err = untyped(m.Value, typed); err != nil {
					return out, err
				}
			}
			out.Members = append(out.Members, m)
		default:
			bare = true
		}
	}
	if bare {
		if len(out.Members) == 0 && allSettings(v) { // {"index": {…}}: settings alone
			return object("settings", v), nil
		}
		for _, m := range v.Members {
			if !slices.Contains([]string{"settings", "aliases", "mappings"}, m.Name) {
				return out, &failure{typ: "parse_exception", reason: fmt.Sprintf("unknown key [%s] for create index", clip(m.Name))}
			}
		}
	}
	return out, nil
}

func allSettings(v body.Value) bool {
	return !slices.ContainsFunc(v.Members, func(m body.Member) bool { return m.Name != "index" && !strings.HasPrefix(m.Name, "index.") })
}

// untyped takes the type's name off a mapping.
func untyped(v body.Value, typed bool) (body.Value, error) {
	inner, there := v.Get("_doc")
	switch {
	case there && len(v.Members) == 1 && typed:
		return inner, nil
	case there && len(v.Members) == 1:
		return v, illegal("The mapping definition cannot be nested under a type [_doc] unless include_type_name is set to true.")
	}
	return v, nil
}

func (c *call) deleteIndices() error {
	if err := c.noBody(); err != nil {
		return err
	}
	o := anyOptions
	o.noAliases = true
	expression := c.expression()
	if c.h.settings.Load().destructiveNames && (expression == "_all" || strings.Contains(expression, "*")) {
		return illegal("Wildcard expressions or all indices are not allowed")
	}
	names, err := c.target(o)
	if err != nil {
		return err
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	for _, name := range names {
		if ix, err := c.h.lookup(name); err == nil {
			if err := ix.deletable(); err != nil {
				return err
			}
		}
	}
	if err := c.deleteAll(names); err != nil {
		return err
	}
	return c.answer(object("acknowledged", true))
}

// deletable refuses to delete what a block protects.
func (ix *indexState) deletable() error {
	f := ix.facts.Load().flags
	if f.readOnly || f.noMetadata {
		return ix.blocked("metadata")
	}
	return nil
}

func (c *call) deleteAll(names []string) error {
	for _, name := range names {
		if err := c.h.store.Delete(c.context(), name); err != nil && !errors.Is(err, store.ErrNoIndex) {
			return err
		}
	}
	return nil
}

// states gives what is known of indices, those that are gone meanwhile left out.
func (h *Handler) states(names []string) ([]*indexState, error) {
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	var out []*indexState
	for _, name := range names {
		if ix := s.byName[name]; ix != nil {
			out = append(out, ix)
		}
	}
	return out, nil
}

// each resolves the request's expression and gives what is known of its indices.
func (c *call) each(o indicesOptions) ([]*indexState, error) {
	if err := c.noBody(); err != nil {
		return nil, err
	}
	return c.eachWithBody(o)
}

func (c *call) eachWithBody(o indicesOptions) ([]*indexState, error) {
	names, err := c.target(o)
	if err != nil {
		return nil, err
	}
	return c.h.states(names)
}

func (c *call) getIndices() error {
	all, err := c.each(openOptions)
	if err != nil {
		return err
	}
	out := object()
	for _, ix := range all {
		if err := ix.readable(); err != nil {
			return err
		}
		f := ix.facts.Load()
		out.Members = append(out.Members, body.Member{Name: ix.name, Value: object("aliases", f.aliasesValue(), "mappings", c.typedMapping(f.mapping),
			"settings", shape(ix.shownSettings(c.flag("human", false)), c.flag("flat_settings", false)))})
	}
	return c.answer(out)
}

// readable refuses what the block of metadata forbids to see.
func (ix *indexState) readable() error {
	if ix.facts.Load().flags.noMetadata {
		return &failure{status: http.StatusForbidden, typ: "cluster_block_exception", reason: fmt.Sprintf("index [%s] blocked by: [FORBIDDEN/9/index metadata (api)];", ix.name)}
	}
	return nil
}

func (c *call) typedMapping(m *mapping.Mapping) body.Value {
	v := m.JSON()
	if c.flag("include_type_name", false) && len(v.Members) > 0 {
		return object("_doc", v)
	}
	return v
}

func (c *call) getMappings() error {
	all, err := c.each(openOptions)
	if err != nil {
		return err
	}
	out := object()
	for _, ix := range all {
		if err := ix.readable(); err != nil {
			return err
		}
		out.Members = append(out.Members, body.Member{Name: ix.name, Value: object("mappings", c.typedMapping(ix.facts.Load().mapping))})
	}
	return c.answer(out)
}

func (c *call) putTypedMapping() error {
	if !c.flag("include_type_name", false) {
		return illegal("Types cannot be provided in put mapping requests, unless the include_type_name parameter is set to true.")
	}
	if err := checkType(c.names["type"]); err != nil {
		return err
	}
	return c.putMapping()
}

func (c *call) putMapping() error {
	v, err := c.objectBody()
	if err != nil {
		return err
	}
	if inner, ok := v.Get("_doc"); ok && len(v.Members) == 1 {
		if !c.flag("include_type_name", false) {
			return illegal("Types cannot be provided in put mapping requests, unless the include_type_name parameter is set to true.")
		}
		v = inner
	}
	o := anyOptions
	o.allowNone = false
	all, err := c.eachWithBody(o)
	if err != nil {
		return err
	}
	for _, ix := range all {
		if err := ix.blocked("metadata"); err != nil {
			return err
		}
		if _, err := ix.facts.Load().mapping.Merge(v); err != nil {
			return wrapMapping(err)
		}
	}
	for _, ix := range all {
		err := c.h.changeFacts(c.context(), ix, func(f facts) (facts, []string, error) {
			merged, err := f.mapping.Merge(v)
			if err != nil {
				return f, nil, wrapMapping(err)
			}
			f.mapping = merged
			return f, []string{mappingKey}, nil
		})
		if err != nil {
			return err
		}
	}
	return c.answer(object("acknowledged", true))
}

// wrapMapping says of a mapping that cannot be read what Elasticsearch says.
func wrapMapping(err error) error {
	var e *mapping.Error
	if errors.As(err, &e) && strings.HasPrefix(e.Reason, "Limit of total fields") {
		reason, _, _ := strings.Cut(e.Reason, " while adding")
		return &failure{typ: e.Type, reason: reason}
	}
	if errors.As(err, &e) && e.Type == "mapper_parsing_exception" && !strings.HasPrefix(e.Reason, "Failed to parse mapping") && !strings.HasPrefix(e.Reason, "Invalid [path]") {
		return &failure{typ: e.Type, reason: "Failed to parse mapping [_doc]: " + e.Reason, cause: fromMapping(e)}
	}
	return err
}

func (c *call) getFieldMappings() error {
	if c.flag("include_defaults", false) {
		return notServed("[include_defaults] of a field's mapping")
	}
	all, err := c.each(openOptions)
	if err != nil {
		return err
	}
	out := object()
	for _, ix := range all {
		m := ix.facts.Load().mapping
		shown := m.JSON()
		found := object()
		m.Fields(func(f *mapping.Field) {
			for pattern := range strings.SplitSeq(c.names["fields"], ",") {
				if mapping.Like(pattern, f.Path) {
					last := f.Path[strings.LastIndexByte(f.Path, '.')+1:]
					v, _ := fieldJSON(shown, f.Path)
					found.Members = append(found.Members, body.Member{Name: f.Path, Value: object("full_name", f.Path, "mapping", object(last, v))})
					return
				}
			}
		})
		out.Members = append(out.Members, body.Member{Name: ix.name, Value: object("mappings", found)})
	}
	if len(out.Members) == 0 {
		c.reply(http.StatusNotFound, out.Append(nil))
		return nil
	}
	return c.answer(out)
}

// fieldJSON finds a field in a mapping that is shown.
func fieldJSON(v body.Value, path string) (body.Value, bool) {
	for _, below := range []string{"properties", "fields"} {
		children, _ := v.Get(below)
		for _, m := range children.Members {
			if m.Name == path {
				return m.Value, true
			}
			if rest, ok := strings.CutPrefix(path, m.Name+"."); ok {
				if found, ok := fieldJSON(m.Value, rest); ok {
					return found, true
				}
			}
		}
	}
	return body.Value{}, false
}

func (c *call) getSettings() error {
	if c.flag("include_defaults", false) {
		return notServed("[include_defaults] of settings")
	}
	o := anyOptions
	all, err := c.each(o)
	if err != nil {
		return err
	}
	out := object()
	for _, ix := range all {
		if err := ix.readable(); err != nil {
			return err
		}
		members := flat(ix.shownSettings(c.flag("human", false)))
		if pattern := c.names["name"]; pattern != "" && pattern != "_all" {
			members = slices.DeleteFunc(members, func(m body.Member) bool {
				for p := range strings.SplitSeq(pattern, ",") {
					if mapping.Like(p, m.Name) {
						return false
					}
				}
				return true
			})
		}
		if len(members) > 0 {
			out.Members = append(out.Members, body.Member{Name: ix.name, Value: object("settings", shape(nest(members), c.flag("flat_settings", false)))})
		}
	}
	return c.answer(out)
}

func (c *call) putSettings() error {
	v, err := c.objectBody()
	if err != nil {
		return err
	}
	if inner, ok := v.Get("settings"); ok && len(v.Members) == 1 {
		v = inner
	}
	changes, err := readSettings(v)
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		return invalid("no settings to update")
	}
	o := anyOptions
	o.allowNone = false
	all, err := c.eachWithBody(o)
	if err != nil {
		return err
	}
	for _, ix := range all {
		if err := ix.mayChange(changes); err != nil {
			return err
		}
	}
	for _, ix := range all {
		if err := c.h.setSettings(c.context(), ix, changes, c.flag("preserve_existing", false)); err != nil {
			return err
		}
	}
	return c.answer(object("acknowledged", true))
}

// mayChange refuses settings that an index has for good.
func (ix *indexState) mayChange(changes []body.Member) error {
	lifts := slices.ContainsFunc(changes, func(m body.Member) bool { // so that blocks can be taken away
		return m.Name == "index.blocks.read_only" || m.Name == "index.blocks.read_only_allow_delete" || m.Name == "index.blocks.metadata" && len(changes) == 1
	})
	if f := ix.facts.Load().flags; !lifts && (f.readOnly || f.noMetadata || f.readOnlyDelete) {
		return ix.blocked("metadata")
	}
	var fixed []string
	for _, m := range changes {
		name := strings.TrimPrefix(m.Name, "index.")
		s, _ := settingOf(name)
		switch {
		case name == "number_of_shards" || name == "number_of_routing_shards" || name == "routing_partition_size":
			if ix.closed {
				return illegal("final %s setting [%s], not updateable", ix.name, m.Name)
			}
			fixed = append(fixed, m.Name)
		case s.final && !ix.closed:
			fixed = append(fixed, m.Name)
		}
	}
	if len(fixed) > 0 {
		return illegal("Can't update non dynamic settings [[%s]] for open indices [[%s/%s]]", strings.Join(fixed, ", "), ix.name, ix.uuid)
	}
	return nil
}

// setSettings changes settings of an index.
func (h *Handler) setSettings(ctx context.Context, ix *indexState, changes []body.Member, keep bool) error {
	return h.changeFacts(ctx, ix, func(f facts) (facts, []string, error) {
		have := flat(f.settings)
		for _, m := range changes {
			i := slices.IndexFunc(have, func(h body.Member) bool { return h.Name == m.Name })
			switch {
			case i >= 0 && keep:
			case i >= 0 && m.Value.Kind == body.Null:
				have = slices.Delete(have, i, i+1)
			case i >= 0:
				have[i].Value = m.Value
			case m.Value.Kind != body.Null:
				have = append(have, m)
			}
		}
		next, err := f.withSettings(nest(have))
		return next, []string{settingsKey}, err
	})
}

// addBlock sets one of an index's blocks.
func (c *call) addBlock() error {
	block := c.names["block"]
	if !slices.Contains([]string{"write", "read", "read_only", "metadata"}, block) {
		return illegal("No block found with name %s", clip(block))
	}
	all, err := c.each(openOptions)
	if err != nil {
		return err
	}
	done := list()
	for _, ix := range all {
		err := c.h.setSettings(c.context(), ix, []body.Member{{Name: "index.blocks." + block, Value: body.Text("true")}}, false)
		if err != nil {
			return err
		}
		done.Items = append(done.Items, object("name", ix.name, "blocked", true))
	}
	return c.answer(object("acknowledged", true, "shards_acknowledged", true, "indices", done))
}

func (c *call) closeIndices() error {
	all, err := c.each(openOptions)
	if err != nil {
		return err
	}
	if c.h.settings.Load().destructiveNames && (c.expression() == "_all" || strings.Contains(c.expression(), "*")) {
		return illegal("Wildcard expressions or all indices are not allowed")
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	done := object()
	for _, ix := range all {
		if ix.closed {
			continue
		}
		if err := ix.blocked("metadata"); err != nil {
			return err
		}
		if err := c.h.store.SetClosed(c.context(), ix.name, true); err != nil {
			return err
		}
		done.Members = append(done.Members, body.Member{Name: ix.name, Value: object("closed", true)})
	}
	return c.answer(object("acknowledged", true, "shards_acknowledged", len(done.Members) > 0, "indices", done))
}

func (c *call) openIndices() error {
	o := indicesOptions{closed: true, allowNone: true}
	all, err := c.each(o)
	if err != nil {
		return err
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	for _, ix := range all {
		if !ix.closed {
			continue
		}
		if err := ix.blocked("metadata"); err != nil {
			return err
		}
		if err := c.h.store.SetClosed(c.context(), ix.name, false); err != nil {
			return err
		}
	}
	return c.answer(object("acknowledged", true, "shards_acknowledged", true))
}

// shards is the count of shards of an answer about so many indices.
func shards(n int) body.Value { return object("total", n, "successful", n, "failed", 0) }

// refreshIndices has nothing to do: what is written is found at once.
func (c *call) refreshIndices() error {
	all, err := c.each(searchOptions)
	if err != nil {
		return err
	}
	return c.answer(object("_shards", shards(len(all))))
}

func (c *call) flush() error {
	return c.onEach(func(ctx context.Context, name string) error { return c.h.store.Flush(name) })
}

func (c *call) forceMerge() error {
	return c.onEach(c.h.store.Compact)
}

// onEach does something with every index of the request that is open.
func (c *call) onEach(do func(context.Context, string) error) error {
	all, err := c.each(searchOptions)
	if err != nil {
		return err
	}
	for _, ix := range all {
		if err := do(c.context(), ix.name); err != nil && !errors.Is(err, store.ErrNoIndex) && !errors.Is(err, store.ErrClosed) {
			return err
		}
	}
	return c.answer(object("_shards", shards(len(all))))
}
