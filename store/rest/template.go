package rest

import (
	"cmp"
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

// A templateKind is one of the three kinds of templates.
type templateKind struct {
	key                   string
	of                    func(*mapping.Templates) map[string]body.Value
	composable, component bool
}

var (
	legacy     = templateKind{legacyKey, func(t *mapping.Templates) map[string]body.Value { return t.Legacy }, false, false}
	composable = templateKind{composableKey, func(t *mapping.Templates) map[string]body.Value { return t.Composable }, true, false}
	component  = templateKind{componentKey, func(t *mapping.Templates) map[string]body.Value { return t.Components }, false, true}
)

func (h *Handler) templateRoutes() []*route {
	var all []*route
	for path, k := range map[string]templateKind{"/_template": legacy, "/_index_template": composable, "/_component_template": component} {
		all = append(all, routes("PUT|POST", path+"/{name}", "create cause order master_timeout timeout include_type_name", func(c *call) error { return c.putTemplate(k) })...)
		all = append(all, routes("GET", path, "flat_settings local master_timeout include_type_name", func(c *call) error { return c.getTemplates(k) })...)
		all = append(all, routes("GET|HEAD", path+"/{name}", "flat_settings local master_timeout include_type_name", func(c *call) error { return c.getTemplates(k) })...)
		all = append(all, routes("DELETE", path+"/{name}", "master_timeout timeout", func(c *call) error { return c.deleteTemplates(k) })...)
	}
	all = append(all, routes("POST", "/_index_template/_simulate_index/{name}", "master_timeout create cause", (*call).simulateIndex)...)
	return all
}

// changeTemplates replaces the templates: change gets a copy of those that there are.
func (h *Handler) changeTemplates(ctx context.Context, change func(*mapping.Templates) ([]store.Meta, error)) error {
	h.change.Lock()
	defer h.change.Unlock()
	now := h.templates.Load()
	next := &mapping.Templates{Legacy: maps.Clone(now.Legacy), Composable: maps.Clone(now.Composable), Components: maps.Clone(now.Components)}
	kept, err := change(next)
	if err != nil {
		return err
	}
	if err := h.store.SetMeta(ctx, kept...); err != nil {
		return err
	}
	h.templates.Store(next)
	return nil
}

func (c *call) putTemplate(k templateKind) error {
	name := c.names["name"]
	v, err := c.objectBody()
	if err != nil {
		return err
	}
	if !k.composable && !k.component {
		if v, err = legacyTemplate(v, c.flag("include_type_name", false)); err != nil {
			return err
		}
	}
	if v, err = normalTemplate(v, k.composable || k.component); err != nil {
		return err
	}
	if text, ok := c.params["order"]; ok && !k.composable && !k.component {
		v = withMember(v, "order", body.Value{Kind: body.Number, Text: text})
	}
	if err := checkTemplateName(name, v); err != nil {
		return err
	}
	err = c.h.changeTemplates(c.context(), func(t *mapping.Templates) ([]store.Meta, error) {
		all := k.of(t)
		if _, there := all[name]; there && c.flag("create", false) {
			kind := "index_template"
			switch {
			case k.composable:
				kind = "index template"
			case k.component:
				kind = "component template"
			}
			return nil, illegal("%s [%s] already exists", kind, clip(name))
		}
		if err := t.Check(name, v, k.composable, k.component); err != nil {
			if strings.Contains(err.Error(), "that do not exist") {
				err = &failure{typ: "invalid_index_template_exception", reason: fmt.Sprintf("index_template [%s] invalid, cause [%s]", name, err)}
			}
			return nil, err
		}
		all[name] = v
		if k.component {
			if err := checkUsers(t, name); err != nil {
				return nil, err
			}
		}
		return []store.Meta{{Key: k.key + name, Value: v.Append(nil)}}, nil
	})
	if err != nil {
		return err
	}
	return c.answer(object("acknowledged", true))
}

// checkUsers refuses a component that makes no sense in the templates that use it.
func checkUsers(t *mapping.Templates, component string) error {
	for name, v := range t.Composable {
		parts, _ := v.Get("composed_of")
		if slices.ContainsFunc(parts.Items, func(p body.Value) bool { return p.Text == component }) {
			if err := t.Check(name, v, true, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// legacyTemplate checks the members of a template of _template, and takes the type off its mapping.
func legacyTemplate(v body.Value, typed bool) (body.Value, error) {
	out := object()
	for _, m := range v.Members {
		switch m.Name {
		case "index_patterns", "order", "version", "settings", "aliases":
		case "mappings":
			var err error
			if m.Value, err = untyped(m.Value, typed); err != nil {
				return out, err
			}
		default:
			return out, &failure{typ: "parse_exception", reason: fmt.Sprintf("unknown key [%s] in the template ", clip(m.Name))}
		}
		out.Members = append(out.Members, m)
	}
	return out, nil
}

// normalTemplate gives a template the form that it is shown in: settings nested, with values as texts.
func normalTemplate(v body.Value, inner bool) (body.Value, error) {
	out := object()
	for _, m := range v.Members {
		var err error
		switch {
		case inner && m.Name == "template" && m.Value.Kind == body.Object:
			m.Value, err = normalTemplate(m.Value, false)
		case m.Name == "settings" && m.Value.Kind == body.Object:
			var all []body.Member
			if all, err = readSettings(m.Value); err == nil {
				m.Value = nest(slices.DeleteFunc(all, func(m body.Member) bool { return m.Value.Kind == body.Null }))
			}
		case m.Name == "aliases" && m.Value.Kind == body.Object:
			_, err = readAliases(m.Value, "index")
		case m.Name == "index_patterns" && m.Value.Kind == body.String:
			m.Value = list(m.Value)
		}
		if err != nil {
			return out, err
		}
		out.Members = append(out.Members, m)
	}
	return out, nil
}

func withMember(v body.Value, name string, value body.Value) body.Value {
	out := body.Value{Kind: body.Object}
	for _, m := range v.Members {
		if m.Name != name {
			out.Members = append(out.Members, m)
		}
	}
	out.Members = append(out.Members, body.Member{Name: name, Value: value})
	return out
}

func checkTemplateName(name string, v body.Value) error {
	refuse := func(why string) error {
		return &failure{typ: "invalid_index_template_exception", reason: fmt.Sprintf("index_template [%s] invalid, cause [Validation Failed: 1: %s;]", clip(name), why)}
	}
	switch {
	case strings.Contains(name, " "):
		return refuse("name must not contain a space")
	case strings.ContainsAny(name, ",#*"):
		return refuse("name must not contain a ',', '#' or '*'")
	case strings.HasPrefix(name, "_"):
		return refuse("name must not start with '_'")
	case strings.ToLower(name) != name:
		return refuse("name must be lower cased")
	case len(name) > 255:
		return refuse("name is too long")
	}
	patterns, _ := v.Get("index_patterns")
	for _, p := range patterns.Items {
		switch {
		case strings.Contains(p.Text, " "):
			return refuse("index_pattern [" + clip(p.Text) + "] must not contain a space")
		case strings.ContainsAny(p.Text, ",#:"):
			return refuse("index_pattern [" + clip(p.Text) + "] must not contain a ',', '#' or ':'")
		case strings.HasPrefix(p.Text, "_"):
			return refuse("index_pattern [" + clip(p.Text) + "] must not start with '_'")
		}
	}
	return nil
}

// named gives the names of templates that an expression stands for, sorted.
func named(all map[string]body.Value, expression string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for pattern := range strings.SplitSeq(expression, ",") {
			if expression == "" || mapping.Like(pattern, name) {
				out = append(out, name)
				break
			}
		}
	}
	return out
}

func (c *call) getTemplates(k templateKind) error {
	if err := c.noBody(); err != nil {
		return err
	}
	all := k.of(c.h.templates.Load())
	expression := c.names["name"]
	found := named(all, expression)
	exact := expression != "" && !strings.ContainsAny(expression, "*,")
	missing := 0
	if expression != "" && len(found) == 0 {
		missing = http.StatusNotFound
	}
	if k.composable || k.component {
		what, inside := "index", "index_template"
		if k.component {
			what, inside = "component", "component_template"
		}
		if exact && len(found) == 0 {
			return &failure{status: http.StatusNotFound, typ: "resource_not_found_exception", reason: fmt.Sprintf("%s template matching [%s] not found", what, clip(expression))}
		}
		items := list()
		for _, name := range found {
			items.Items = append(items.Items, object("name", name, inside, shownComposable(all[name], c.flag("flat_settings", false), k.component)))
		}
		c.reply(cmp.Or(missing, http.StatusOK), object(inside+"s", items).Append(nil))
		return nil
	}
	out := object()
	for _, name := range found {
		out.Members = append(out.Members, body.Member{Name: name, Value: shownLegacy(all[name], c.flag("flat_settings", false), c.flag("include_type_name", false))})
	}
	c.reply(cmp.Or(missing, http.StatusOK), out.Append(nil))
	return nil
}

// shownLegacy is a template of _template as it is answered.
func shownLegacy(v body.Value, flatten, typed bool) body.Value {
	get := func(name string, otherwise body.Value) body.Value {
		if m, ok := v.Get(name); ok && m.Kind != body.Null {
			return m
		}
		return otherwise
	}
	out := object("order", get("order", body.Int(0)))
	if version, ok := v.Get("version"); ok {
		out.Members = append(out.Members, body.Member{Name: "version", Value: version})
	}
	mappings := get("mappings", object())
	if typed && len(mappings.Members) > 0 {
		mappings = object("_doc", mappings)
	}
	out.Members = append(out.Members, object("index_patterns", get("index_patterns", list()), "settings", shape(get("settings", object()), flatten),
		"mappings", mappings, "aliases", get("aliases", object())).Members...)
	return out
}

// shownComposable is a template of the other kinds as it is answered.
func shownComposable(v body.Value, flatten, component bool) body.Value {
	out := object()
	order := []string{"index_patterns", "template", "composed_of", "priority", "version", "_meta", "data_stream", "allow_auto_create"}
	for _, name := range order {
		m, ok := v.Get(name)
		if name == "composed_of" && !ok && !component {
			m, ok = list(), true
		}
		if !ok {
			continue
		}
		if name == "template" {
			inner := object()
			for _, part := range []string{"settings", "mappings", "aliases"} {
				if p, ok := m.Get(part); ok {
					if part == "settings" {
						p = shape(p, flatten)
					}
					inner.Members = append(inner.Members, body.Member{Name: part, Value: p})
				}
			}
			m = inner
		}
		out.Members = append(out.Members, body.Member{Name: name, Value: m})
	}
	return out
}

// shape shows settings nested, or flat.
func shape(settings body.Value, flatten bool) body.Value {
	if flatten {
		return body.Value{Kind: body.Object, Members: flat(settings)}
	}
	return settings
}

func (c *call) deleteTemplates(k templateKind) error {
	if err := c.noBody(); err != nil {
		return err
	}
	expression := c.names["name"]
	err := c.h.changeTemplates(c.context(), func(t *mapping.Templates) ([]store.Meta, error) {
		all := k.of(t)
		found := named(all, expression)
		if len(found) == 0 && expression != "*" {
			if k.component {
				return nil, &failure{status: http.StatusNotFound, typ: "resource_not_found_exception", reason: clip(expression)}
			}
			return nil, &failure{status: http.StatusNotFound, typ: "index_template_missing_exception", reason: fmt.Sprintf("index_template [%s] missing", clip(expression))}
		}
		var kept []store.Meta
		for _, name := range found {
			if k.component {
				if users := usersOf(t, name); len(users) > 0 {
					return nil, illegal("component templates [%s] cannot be removed as they are still in use by index templates [%s]", name, strings.Join(users, ", "))
				}
			}
			delete(all, name)
			kept = append(kept, store.Meta{Key: k.key + name})
		}
		return kept, nil
	})
	if err != nil {
		return err
	}
	return c.answer(object("acknowledged", true))
}

func usersOf(t *mapping.Templates, component string) []string {
	var out []string
	for name, v := range t.Composable {
		parts, _ := v.Get("composed_of")
		if slices.ContainsFunc(parts.Items, func(p body.Value) bool { return p.Text == component }) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// simulateIndex says what templates would make of an index.
func (c *call) simulateIndex() error {
	content, err := c.body()
	if err != nil {
		return err
	}
	if len(content) > 0 {
		return notServed("the body of _simulate_index")
	}
	t := c.h.templates.Load()
	covers := func(v body.Value) bool {
		patterns, _ := v.Get("index_patterns")
		return slices.ContainsFunc(patterns.Items, func(p body.Value) bool { return mapping.Like(p.Text, c.names["name"]) })
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(t.Composable)), covers) {
		return c.answer(object())
	}
	overlapping := list()
	for _, name := range named(t.Legacy, "") {
		if covers(t.Legacy[name]) {
			patterns, _ := t.Legacy[name].Get("index_patterns")
			overlapping.Items = append(overlapping.Items, object("name", name, "index_patterns", patterns))
		}
	}
	s, err := c.h.snapshot()
	if err != nil {
		return err
	}
	f, err := c.h.prepare(s, c.names["name"], object())
	if err != nil {
		return err
	}
	return c.answer(object("template", object("settings", f.settings, "mappings", f.mapping.JSON(), "aliases", f.aliasesValue()), "overlapping", overlapping))
}
