package search

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// A cutting is what is left of an index expression within the client's scopes.
type cutting struct {
	names  []string    // never empty if the client is narrowed
	filter *body.Value // nil: the client may see all documents of these indices
}

// noIndex stands for no index: no index can have capital letters.
const noIndex = "NO-INDEX-OF-THIS-TOKEN-*"

// maxNames bounds what an expression is cut to in a path: Elasticsearch takes lines of at most 4 KiB.
const maxNames = 3 << 10

// cut returns what the expression stands for within the client's scopes.
func (p *plan) cut(expression string) (cutting, error) {
	elements, err := parseIndices(expression)
	if err != nil {
		return cutting{}, err
	}
	if p.cuts += 1 + len(elements); p.cuts > maxCut {
		return cutting{}, illegal("the request names too many indices")
	}
	if p.caller.unlimited() {
		if expression == "" {
			return cutting{}, nil
		}
		return cutting{names: strings.Split(expression, ",")}, nil
	}
	if states, ok := p.params["expand_wildcards"]; ok && states != "open" {
		return cutting{}, forbidden("expand_wildcards must be open: the token narrows searches")
	}
	if elements == nil {
		elements = []element{{text: "*"}}
	}
	for _, e := range elements {
		if isDateMath(e.text) {
			return cutting{}, forbidden("the date math " + quote(e.text) + " is refused: the token narrows searches; name the index")
		}
	}
	v, err := p.h.names.get(p.ctx)
	if err != nil {
		return cutting{}, err
	}
	var plain, every []string
	fields := false
	for _, s := range p.caller.scopes {
		fields = fields || s.byField()
		switch {
		case s.Indices == nil:
			every = append(every, "*")
		case !s.byField():
			plain = append(plain, s.Indices...)
			fallthrough
		default:
			every = append(every, s.Indices...)
		}
	}
	if !fields || v.inside(elements, plain) {
		names, err := v.within(elements, plain)
		return cutting{names: names}, err
	}
	names, err := v.within(elements, every)
	if err != nil {
		return cutting{}, err
	}
	filter, err := p.filter(v)
	return cutting{names: names, filter: &filter}, err
}

// pathOf is cut for an expression that stands in a path.
func (p *plan) cutPath(expression string) (cutting, error) {
	c, err := p.cut(expression)
	if n := len(strings.Join(c.names, ",")); err == nil && n > maxNames && !p.caller.unlimited() {
		return c, illegal(fmt.Sprintf("the index expression stands for %d indices of this token, too many for one path: narrow it, or use _msearch", len(c.names)))
	}
	return c, err
}

// one returns the one index that a name stands for, for calls that read a document by its id.
func (p *plan) one(name string) (cutting, error) {
	if strings.ContainsAny(name, "*,") || name == "" || name == "_all" {
		return cutting{}, illegal("one index must be named, not " + quote(name))
	}
	c, err := p.cut(name)
	if err == nil && len(c.names) != 1 {
		err = illegal("the alias " + quote(name) + " stands for several indices: name the index")
	}
	return c, err
}

// names of the cluster, at one time.
type view struct {
	open    []string          // indices that a pattern may stand for, sorted
	aliases map[string]*alias // by their names
	sorted  []string          // names of aliases
}

type alias struct {
	indices  []string
	filtered bool // by a filter of its own
}

func (v *view) isOpen(name string) bool {
	_, ok := slices.BinarySearch(v.open, name)
	return ok
}

// hasDots says whether a pattern may stand for an index of the system's own.
func (v *view) hasDots() bool {
	return slices.ContainsFunc(v.open, func(name string) bool { return name[0] == '.' })
}

// within says whether all indices of a lie within the patterns.
func (a *alias) within(patterns []string) bool {
	return !slices.ContainsFunc(a.indices, func(index string) bool { return !likeAny(patterns, index) })
}

// safe says whether pattern, which granted covers, stands for nothing else: no alias of that name has another index.
func (v *view) safe(pattern string, granted []string) bool {
	return !slices.ContainsFunc(v.sorted, func(name string) bool {
		return like(pattern, name) && !v.aliases[name].within(granted)
	})
}

// inside says whether all that the elements stand for lies within the granted patterns.
func (v *view) inside(elements []element, granted []string) bool {
	for _, e := range elements {
		if e.not {
			continue
		}
		a := v.aliases[e.text]
		switch {
		case a != nil:
			if !a.within(granted) {
				return false
			}
		case !slices.ContainsFunc(granted, func(g string) bool { return covers(g, e.text) }):
			return false
		case e.wild() && !v.safe(e.text, granted):
			return false
		}
	}
	return true
}

// within cuts the elements to what is granted. Patterns stay patterns where they can: names may be many.
func (v *view) within(elements []element, granted []string) ([]string, error) {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, e := range elements {
		switch {
		case e.not:
			names = slices.DeleteFunc(names, func(name string) bool { return !strings.Contains(name, "*") && like(e.text, name) })
			if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "*") }) {
				names = append(names, "-"+e.text)
			}
		case e.wild():
			v.patterns(e.text, granted, add)
		default:
			if err := v.name(e.text, granted, add); err != nil {
				return nil, err
			}
		}
	}
	if !slices.ContainsFunc(names, func(name string) bool { return name[0] != '-' }) {
		return []string{noIndex}, nil
	}
	return names, nil
}

// name adds what a name stands for within granted. Whether an index exists that is not granted, nobody learns.
func (v *view) name(name string, granted []string, add func(string)) error {
	a := v.aliases[name]
	if a == nil {
		if !likeAny(granted, name) {
			return forbidden("the token does not open the index " + quote(name))
		}
		add(name)
		return nil
	}
	if a.filtered && a.within(granted) {
		add(name)
		return nil
	}
	found := false
	for _, index := range a.indices {
		if likeAny(granted, index) && !a.filtered {
			add(index)
			found = true
		}
	}
	if !found {
		return forbidden("the token does not open the index " + quote(name))
	}
	return nil
}

// patterns adds what a pattern stands for within granted.
func (v *view) patterns(pattern string, granted []string, add func(string)) {
	keep := func(p string) {
		add(p)
		if p[0] == '*' && v.hasDots() {
			add("-.*") // the system's own; without any, Elasticsearch could miss them
		}
	}
	for _, g := range granted {
		switch {
		case covers(g, pattern) && v.safe(pattern, granted):
			keep(pattern)
			continue
		case strings.Contains(g, "*") && covers(pattern, g) && v.safe(g, granted):
			keep(g)
			continue
		}
		for _, name := range v.open {
			if name[0] != '.' && like(pattern, name) && like(g, name) {
				add(name)
			}
		}
	}
	for _, name := range v.sorted {
		a := v.aliases[name]
		if !like(pattern, name) {
			continue
		}
		if a.filtered {
			continue // what it leaves out could not be kept out beside its indices
		}
		for _, index := range a.indices {
			if likeAny(granted, index) && v.isOpen(index) {
				add(index)
			}
		}
	}
}

// filter returns the query that holds for the documents which the client may see.
func (p *plan) filter(v *view) (body.Value, error) {
	bad, err := p.h.names.unfit(p.ctx)
	if err != nil {
		return body.Value{}, err
	}
	same := !slices.ContainsFunc(p.caller.scopes, func(s Scope) bool { return !slices.Equal(s.Indices, p.caller.scopes[0].Indices) })
	should := array()
	for _, s := range p.caller.scopes {
		must := array()
		if s.Namespaces != nil {
			if p.h.opts.NamespaceField == "" {
				return body.Value{}, forbidden("the token narrows by namespace, and no field of it is configured")
			}
			must.Items = append(must.Items, anyOf(p.h.opts.NamespaceField, s.Namespaces))
		}
		if s.Apps != nil {
			if p.h.opts.AppField == "" {
				return body.Value{}, forbidden("the token narrows by app, and no field of it is configured")
			}
			must.Items = append(must.Items, anyOf(p.h.opts.AppField, s.Apps))
		}
		if !same && s.Indices != nil {
			names := slices.DeleteFunc(slices.Clone(v.open), func(name string) bool { return !likeAny(s.Indices, name) })
			must.Items = append(must.Items, object("terms", object("_index", texts(names))))
		}
		should.Items = append(should.Items, object("bool", object("filter", must)))
	}
	query := object("should", should)
	setMember(&query, "minimum_should_match", body.Int(1))
	if len(bad) > 0 {
		setMember(&query, "must_not", array(object("terms", object("_index", texts(bad)))))
	}
	return object("bool", query), nil
}

// anyOf returns the query for documents whose field is like one of the patterns.
func anyOf(field string, patterns []string) body.Value {
	exact, should := array(), array()
	for _, p := range patterns {
		if !strings.Contains(p, "*") {
			exact.Items = append(exact.Items, body.Text(p))
			continue
		}
		p = strings.NewReplacer(`\`, `\\`, `?`, `\?`).Replace(p)
		should.Items = append(should.Items, object("wildcard", object(field, object("value", body.Text(p)))))
	}
	if len(exact.Items) > 0 {
		should.Items = append(should.Items, object("terms", object(field, exact)))
	}
	query := object("should", should)
	setMember(&query, "minimum_should_match", body.Int(1))
	return object("bool", query)
}

// A catalog holds the cluster's names for a short while.
type catalog struct {
	h *Handler

	mu     sync.Mutex
	view   looked[*view]
	bad    looked[[]string] // indices in which a field that scopes narrow by is no keyword
	warned string
}

// looked is what was looked up last, or why it could not be.
type looked[T any] struct {
	value T
	err   error
	at    time.Time
}

// get returns it, after look has looked it up anew if it is older than fresh. An error holds for a second, so
// that those who waited for it do not try one after the other.
func (l *looked[T]) get(fresh time.Duration, look func() (T, error)) (T, error) {
	if l.err != nil {
		fresh = min(fresh, time.Second)
	}
	if l.at.IsZero() || time.Since(l.at) >= fresh {
		began := time.Now()
		l.value, l.err = look()
		l.at = began
		if l.err != nil {
			l.at = time.Now()
		}
	}
	return l.value, l.err
}

// timeToLook bounds a look at the cluster's names, which others may wait for.
const timeToLook = 10 * time.Second

// get returns the names, looked up anew if they are old. Whoever comes meanwhile waits.
func (c *catalog) get(ctx context.Context) (*view, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view.get(c.h.opts.Limits.Fresh, func() (*view, error) { return c.lookNames(context.WithoutCancel(ctx)) })
}

func (c *catalog) lookNames(ctx context.Context) (*view, error) {
	ctx, cancel := context.WithTimeout(ctx, timeToLook)
	defer cancel()
	type indices map[string]struct {
		Aliases map[string]struct{ Filter any }
	}
	var open, all indices
	if err := c.h.look(ctx, []string{"_alias"}, values{"expand_wildcards": "open"}, &open); err != nil {
		return nil, err
	}
	if err := c.h.look(ctx, []string{"_alias"}, values{"expand_wildcards": "all"}, &all); err != nil {
		return nil, err
	}
	v := &view{open: slices.Sorted(maps.Keys(open)), aliases: map[string]*alias{}}
	for _, index := range slices.Sorted(maps.Keys(all)) {
		for name, settings := range all[index].Aliases {
			a := v.aliases[name]
			if a == nil {
				a = &alias{}
				v.aliases[name] = a
			}
			a.indices = append(a.indices, index)
			a.filtered = a.filtered || settings.Filter != nil
		}
	}
	v.sorted = slices.Sorted(maps.Keys(v.aliases))
	return v, nil
}

// unfit returns the indices in which a field that scopes narrow by is no keyword: there, the filter would find
// words of it. They are left out of narrowed searches.
func (c *catalog) unfit(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bad.get(c.h.opts.Limits.Fresh, func() ([]string, error) { return c.lookFields(context.WithoutCancel(ctx)) })
}

func (c *catalog) lookFields(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeToLook)
	defer cancel()
	fields := slices.DeleteFunc([]string{c.h.opts.NamespaceField, c.h.opts.AppField}, func(f string) bool { return f == "" })
	if len(fields) == 0 {
		return nil, nil
	}
	var answer struct {
		Indices []string
		Fields  map[string]map[string]struct{ Indices []string }
	}
	if err := c.h.look(ctx, []string{"_field_caps"}, values{"fields": strings.Join(fields, ","), "expand_wildcards": "open,hidden", "ignore_unavailable": "true"}, &answer); err != nil {
		return nil, err
	}
	bad := map[string]bool{}
	for _, field := range fields {
		for kind, where := range answer.Fields[field] {
			if kind == "keyword" || kind == "unmapped" {
				continue
			}
			if where.Indices == nil { // all that were asked
				where.Indices = answer.Indices
			}
			for _, index := range where.Indices {
				bad[index] = true
			}
		}
	}
	indices := slices.Sorted(maps.Keys(bad))
	if all := strings.Join(indices, ","); all != c.warned {
		c.warned = all
		if all != "" {
			c.h.opts.Log.Warn("indices are left out of narrowed searches: a field that tokens narrow by is no keyword in them", "fields", fields, "indices", indices)
		}
	}
	return indices, nil
}
