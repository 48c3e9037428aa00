package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// Templates are all index templates of a store: those of _template (legacy), of _index_template (composable)
// and the component templates that these are composed of, each by its name, as their requests had them.
type Templates struct {
	Legacy, Composable, Components map[string]body.Value
}

// An Index is what templates and its own request make of an index that is about to be created.
type Index struct {
	Mapping  *Mapping
	Settings body.Value // nested: {"index": {…}}
	Aliases  body.Value
}

// Check says whether a template can be used: a legacy one, a composable one, or a component. An error is an
// *[Error].
func (ts *Templates) Check(name string, v body.Value, composable, component bool) error {
	refuse := func(reason string) error {
		return &Error{Type: "action_request_validation_exception", Reason: "Validation Failed: 1: " + reason + ";"}
	}
	if v.Kind != body.Object {
		return refuse("a template must be an object")
	}
	template := v
	if composable || component {
		template, _ = v.Get("template")
	}
	if err := known(name, v, composable, component); err != nil {
		return err
	}
	if !component && len(patterns(v)) == 0 {
		return refuse("index patterns are missing")
	}
	layers := []body.Value{template}
	if composable {
		for _, part := range composedOf(v) {
			c, ok := ts.Components[part]
			if !ok {
				return illegal(fmt.Sprintf("index template [%s] specifies component templates [%s] that do not exist", name, part))
			}
			inner, _ := c.Get("template")
			layers = slices.Insert(layers, len(layers)-1, inner)
		}
		if rival := ts.rival(name, v); rival != "" {
			return illegal(fmt.Sprintf("index template [%s] has index patterns %v matching patterns from existing templates [%s] that have the same priority [%d], multiple index templates may not match during index creation, please use a different priority",
				name, patterns(v), rival, priority(v, "priority")))
		}
		if _, ok := v.Get("data_stream"); ok {
			return illegal("[data_stream]: data streams are not served")
		}
	}
	_, err := build(layers, !composable)
	return err
}

// known refuses members that a template does not have.
func known(name string, v body.Value, composable, component bool) error {
	names := []string{"index_patterns", "order", "version", "settings", "mappings", "aliases"}
	if component {
		names = []string{"template", "version", "_meta"}
	} else if composable {
		names = []string{"index_patterns", "priority", "version", "template", "composed_of", "_meta", "data_stream", "allow_auto_create"}
	}
	for _, m := range v.Members {
		if !slices.Contains(names, m.Name) {
			return &Error{Type: "x_content_parse_exception", Reason: fmt.Sprintf("template [%s]: unknown field [%s]", name, m.Name)}
		}
	}
	return nil
}

// rival returns the name of another template of the same priority some index could match as well.
func (ts *Templates) rival(name string, v body.Value) string {
	for other, o := range ts.Composable {
		if other == name || priority(o, "priority") != priority(v, "priority") {
			continue
		}
		for _, a := range patterns(v) {
			for _, b := range patterns(o) {
				if overlap(a, b) {
					return other
				}
			}
		}
	}
	return ""
}

// overlap says whether two patterns with * have a text in common.
func overlap(a, b string) bool {
	// row[j] says so of the rest of a that is looked at and b[j:].
	row := make([]bool, len(b)+1)
	for i := len(a); i >= 0; i-- {
		next := slices.Clone(row)
		for j := len(b); j >= 0; j-- {
			switch {
			case i == len(a) && j == len(b):
				row[j] = true
			case i < len(a) && a[i] == '*':
				row[j] = next[j] || j < len(b) && row[j+1]
			case j < len(b) && b[j] == '*':
				row[j] = row[j+1] || i < len(a) && next[j]
			default:
				row[j] = i < len(a) && j < len(b) && a[i] == b[j] && next[j+1]
			}
		}
	}
	return row[0]
}

func patterns(v body.Value) []string {
	p, _ := v.Get("index_patterns")
	if p.Kind == body.String {
		return []string{p.Text}
	}
	var out []string
	for _, item := range p.Items {
		out = append(out, item.Text)
	}
	return out
}

func composedOf(v body.Value) []string {
	list, _ := v.Get("composed_of")
	var out []string
	for _, item := range list.Items {
		out = append(out, item.Text)
	}
	return out
}

func priority(v body.Value, name string) int {
	p, _ := v.Get(name)
	n := 0
	fmt.Sscan(plain(p), &n)
	return n
}

func covers(v body.Value, index string) bool {
	return slices.ContainsFunc(patterns(v), func(p string) bool { return Like(p, index) })
}

// New returns what an index of that name begins with: the composable template of the highest priority that
// covers it, or else all legacy ones in their order, under what the request to create it says
// ({"settings": …, "mappings": …, "aliases": …}). An error is an *[Error].
func (ts *Templates) New(index string, request body.Value) (Index, error) {
	best, found := "", false
	for name, v := range ts.Composable {
		if covers(v, index) && (!found || priority(v, "priority") > priority(ts.Composable[best], "priority")) {
			best, found = name, true
		}
	}
	var layers []body.Value
	if found {
		v := ts.Composable[best]
		for _, part := range composedOf(v) {
			inner, _ := ts.Components[part].Get("template")
			layers = append(layers, inner)
		}
		inner, _ := v.Get("template")
		layers = append(layers, inner)
	} else {
		var names []string
		for name, v := range ts.Legacy {
			if covers(v, index) {
				names = append(names, name)
			}
		}
		slices.SortFunc(names, func(a, b string) int {
			return cmp.Or(cmp.Compare(priority(ts.Legacy[a], "order"), priority(ts.Legacy[b], "order")), cmp.Compare(a, b))
		})
		for _, name := range names {
			layers = append(layers, ts.Legacy[name])
		}
	}
	return build(append(layers, request), !found)
}

// build puts layers of settings, mappings and aliases together, the later ones over the earlier. deep says
// that fields of the same name are merged, as legacy templates do it, and not replaced.
func build(layers []body.Value, deep bool) (Index, error) {
	empty := body.Value{Kind: body.Object}
	mappings, settings, aliases := empty, empty, empty
	for _, layer := range layers {
		if v, ok := layer.Get("mappings"); ok && v.Kind == body.Object {
			if inner, ok := v.Get("_doc"); ok && len(v.Members) == 1 {
				v = inner
			}
			mappings = mergeMappings(mappings, v, deep)
		}
		if v, ok := layer.Get("settings"); ok {
			settings = overlay(settings, nested(v))
		}
		if v, ok := layer.Get("aliases"); ok {
			aliases = overlay(aliases, v)
		}
	}
	s, err := ReadSettings(settings)
	if err != nil {
		return Index{}, err
	}
	m, err := Parse(mappings, s)
	if err != nil {
		if e, ok := err.(*Error); ok && e.Type == "mapper_parsing_exception" && !strings.HasPrefix(e.Reason, "Invalid [path]") {
			e = &Error{Type: e.Type, Reason: "Failed to parse mapping [_doc]: " + e.Reason, Cause: e}
			return Index{}, e
		}
		return Index{}, err
	}
	return Index{Mapping: m, Settings: settings, Aliases: aliases}, nil
}

// nested turns settings with dots in their names into objects below index.
func nested(v body.Value) body.Value {
	out := body.Value{Kind: body.Object}
	var walk func(path string, v body.Value)
	walk = func(path string, v body.Value) {
		for _, m := range v.Members {
			name := under(path, m.Name)
			if m.Value.Kind == body.Object {
				walk(name, m.Value)
				continue
			}
			if !strings.HasPrefix(name, "index.") {
				name = "index." + name
			}
			value := m.Value
			parts := strings.Split(name, ".")
			for i := len(parts) - 1; i >= 0; i-- {
				value = body.Value{Kind: body.Object, Members: []body.Member{{Name: parts[i], Value: value}}}
			}
			out = overlay(out, value)
		}
	}
	walk("", v)
	return out
}

// merge returns an object with the members of a and, behind them, those of b that are new; of a name in both, join
// makes the value of the two.
func merge(a, b body.Value, join func(name string, a, b body.Value) body.Value) body.Value {
	out := body.Value{Kind: body.Object, Members: slices.Clone(a.Members)}
	for _, m := range b.Members {
		i := slices.IndexFunc(out.Members, func(have body.Member) bool { return have.Name == m.Name })
		if i < 0 {
			out.Members = append(out.Members, m)
			continue
		}
		out.Members[i].Value = join(m.Name, out.Members[i].Value, m.Value)
	}
	return out
}

// overlay returns a with the members of b over it, objects merged.
func overlay(a, b body.Value) body.Value {
	if a.Kind != body.Object || b.Kind != body.Object {
		return b
	}
	return merge(a, b, func(_ string, a, b body.Value) body.Value { return overlay(a, b) })
}

// mergeMappings is overlay for mappings: objects merge, fields are replaced unless deep, dynamic templates
// come together, those of a name that is there taking its place.
func mergeMappings(a, b body.Value, deep bool) body.Value {
	return merge(a, b, func(name string, a, b body.Value) body.Value {
		switch name {
		case "properties":
			return mergeProperties(a, b, deep)
		case "dynamic_templates":
			if deep { // the later layer's come first
				return mergeNamed(b, a, false)
			}
			return mergeNamed(a, b, true)
		case "_meta":
			return overlay(a, b)
		}
		return b
	})
}

func mergeProperties(a, b body.Value, deep bool) body.Value {
	return merge(a, b, func(_ string, a, b body.Value) body.Value {
		_, aObject := a.Get("properties")
		_, bObject := b.Get("properties")
		switch {
		case aObject && bObject:
			return mergeMappings(a, b, deep)
		case deep:
			return overlay(a, b)
		}
		return b
	})
}

// mergeNamed returns the dynamic templates of a and after them those of b that are new; of one that both have b's if over.
func mergeNamed(a, b body.Value, over bool) body.Value {
	out := body.Value{Kind: body.Array, Items: slices.Clone(a.Items)}
	for _, item := range b.Items {
		i := slices.IndexFunc(out.Items, func(have body.Value) bool {
			return len(have.Members) == 1 && len(item.Members) == 1 && have.Members[0].Name == item.Members[0].Name
		})
		if i < 0 {
			out.Items = append(out.Items, item)
		} else if over {
			out.Items[i] = item
		}
	}
	return out
}
