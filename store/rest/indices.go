package rest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/search"
)

// An indexState is what is known of an index.
type indexState struct {
	name, uuid string
	created    time.Time
	closed     bool
	*factsHolder
}

// A factsHolder holds what of an index may change. It stays the same when the index is closed and opened.
type factsHolder struct {
	grow  sync.Mutex // held by who changes facts
	facts atomic.Pointer[facts]
}

// facts are what of an index may change. They never change themselves, but are replaced.
type facts struct {
	mapping  *mapping.Mapping
	settings body.Value // nested, as they were asked for: {"index": {…}}
	aliases  []alias    // by name
	flags    flags
}

// An alias is another name of an index.
type alias struct {
	name          string
	write, hidden *bool
}

// What the facts of an index are kept under in the store.
const (
	mappingKey  = "mapping"
	settingsKey = "settings"
	aliasesKey  = "aliases"
)

// A snapshot is all indices at one moment. It never changes.
type snapshot struct {
	changes int64 // of the store when it was made
	list    []*indexState
	byName  map[string]*indexState
}

// snapshot gives the indices that the store has now. The store may lose some by itself: by retention.
func (h *Handler) snapshot() (*snapshot, error) {
	if s := h.known.Load(); s != nil && s.changes == h.store.Changes() {
		return s, nil
	}
	h.reading.Lock()
	defer h.reading.Unlock()
	last := h.known.Load()
	entries, changes := h.store.Entries()
	if last != nil && last.changes == changes {
		return last, nil
	}
	s := &snapshot{changes: changes, byName: make(map[string]*indexState, len(entries))}
	for _, e := range entries {
		var ix *indexState
		if last != nil {
			ix = last.byName[e.Name]
		}
		if ix == nil || ix.uuid != e.UUID {
			f, err := h.readFacts(e.Name)
			if errors.Is(err, store.ErrNoIndex) {
				continue
			}
			if err != nil {
				return nil, err
			}
			ix = &indexState{e.Name, e.UUID, e.Created, e.Closed, new(factsHolder)}
			ix.facts.Store(f)
		} else if ix.closed != e.Closed {
			ix = &indexState{e.Name, e.UUID, e.Created, e.Closed, ix.factsHolder}
		}
		s.list = append(s.list, ix)
		s.byName[e.Name] = ix
	}
	h.known.Store(s)
	return s, nil
}

// readFacts reads what the store knows of an index.
func (h *Handler) readFacts(name string) (*facts, error) {
	kept, err := h.store.Metas(context.Background(), name)
	if err != nil {
		return nil, err
	}
	f := &facts{settings: object()}
	if text := kept[settingsKey]; text != nil {
		if f.settings, err = body.Parse(text); err != nil {
			return nil, fmt.Errorf("cannot read the settings of index %s: %w", name, err)
		}
	}
	if f.flags, err = readFlags(f.settings); err != nil {
		return nil, fmt.Errorf("cannot read the settings of index %s: %w", name, err)
	}
	if text := kept[aliasesKey]; text != nil {
		v, err := body.Parse(text)
		if err == nil {
			f.aliases, err = readAliases(v, name)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the aliases of index %s: %w", name, err)
		}
	}
	settings, err := mapping.ReadSettings(f.settings)
	if err != nil {
		return nil, fmt.Errorf("cannot read the settings of index %s: %w", name, err)
	}
	text := kept[mappingKey]
	f.mapping, err = h.same.get(settings, text, func() (*mapping.Mapping, error) {
		v := object()
		if text != nil {
			if v, err = body.Parse(text); err != nil {
				return nil, err
			}
		}
		return mapping.Load(v, settings)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the mapping of index %s: %w", name, err)
	}
	return f, nil
}

// mappings are those in use, by what they say: most indices of a series have the same one, which is then in memory once.
type mappings struct {
	sync.Mutex
	all map[[sha256.Size]byte]weak.Pointer[mapping.Mapping]
}

// get gives the mapping of a text under settings: the one that is there already, or what is made.
func (ms *mappings) get(s mapping.Settings, text []byte, made func() (*mapping.Mapping, error)) (*mapping.Mapping, error) {
	sum := sha256.Sum256(append(fmt.Appendln(nil, s), text...))
	ms.Lock()
	defer ms.Unlock()
	if m := ms.all[sum].Value(); m != nil {
		return m, nil
	}
	m, err := made()
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(ms.all, func(_ [sha256.Size]byte, p weak.Pointer[mapping.Mapping]) bool { return p.Value() == nil })
	if ms.all == nil {
		ms.all = make(map[[sha256.Size]byte]weak.Pointer[mapping.Mapping])
	}
	ms.all[sum] = weak.Make(m)
	return m, nil
}

// lookup gives an index by its own name.
func (h *Handler) lookup(name string) (*indexState, error) {
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	ix := s.byName[name]
	if ix == nil {
		return nil, noIndex(name)
	}
	return ix, nil
}

// view opens indices, which must not be closed, for a search. What a document in a view has is in the mapping beside it.
func (h *Handler) view(names []string) (over []search.Index, release func(), err error) {
	release = func() {
		for _, ix := range over {
			ix.View.Release()
		}
	}
	for _, name := range names {
		v, f, err := h.viewOf(name)
		if err != nil {
			release()
			return nil, nil, err
		}
		over = append(over, search.Index{View: v, Mapping: f.mapping, Aliases: f.aliasNames()})
	}
	return over, release, nil
}

// viewOf opens an index for a search, and gives what is known of it.
func (h *Handler) viewOf(name string) (*store.View, *facts, error) {
	for {
		v, err := h.store.View(name)
		if errors.Is(err, store.ErrNoIndex) {
			return nil, nil, noIndex(name)
		}
		if err != nil {
			return nil, nil, err
		}
		ix, err := h.lookup(name) // behind the view: documents come behind the mapping that they need
		if err == nil && ix.uuid == v.UUID() {
			return v, ix.facts.Load(), nil
		}
		v.Release()
		if err != nil {
			return nil, nil, err
		} // else another index has taken its name in between
	}
}

func (f *facts) aliasNames() (names []string) {
	for _, a := range f.aliases {
		names = append(names, a.name)
	}
	return names
}

// change replaces the facts of an index, in the store first. f gets those that there are, and returns what they
// become, and which of them are to be kept anew.
func (h *Handler) changeFacts(ctx context.Context, ix *indexState, f func(facts) (facts, []string, error)) error {
	ix.grow.Lock()
	defer ix.grow.Unlock()
	next, keys, err := f(*ix.facts.Load())
	if err != nil || len(keys) == 0 {
		return err
	}
	if err := h.store.SetMeta(ctx, next.metas(ix.name, ix.uuid, keys...)...); err != nil {
		if errors.Is(err, store.ErrNoIndex) {
			return noIndex(ix.name)
		}
		return err
	}
	ix.facts.Store(&next)
	return nil
}

// metas are facts as the store keeps them.
func (f *facts) metas(index, uuid string, keys ...string) []store.Meta {
	var out []store.Meta
	for _, key := range keys {
		v := f.settings
		switch key {
		case mappingKey:
			v = f.mapping.JSON()
		case aliasesKey:
			v = f.aliasesValue()
		}
		out = append(out, store.Meta{Index: index, UUID: uuid, Key: key, Value: v.Append(nil)})
	}
	return out
}

// indicesOptions say what an expression of index names may stand for.
type indicesOptions struct {
	open, closed, hidden bool // what * stands for
	ignoreUnavailable    bool // pass over names of none
	allowNone            bool // a pattern may stand for none
	forbidClosed         bool // refuse the name of a closed one, and leave closed ones out of aliases
	noAliases            bool // aliases are no names here
}

// What requests ask for where they do not say.
var (
	searchOptions = indicesOptions{open: true, allowNone: true, forbidClosed: true}
	openOptions   = indicesOptions{open: true, allowNone: true}
	anyOptions    = indicesOptions{open: true, closed: true, allowNone: true}
	hiddenOptions = indicesOptions{open: true, closed: true, hidden: true, allowNone: true}
)

// indicesParams are the parameters that change indicesOptions.
const indicesParams = " allow_no_indices expand_wildcards ignore_unavailable ignore_throttled "

// indicesOptions reads what the URL says of options.
func (c *call) indicesOptions(o indicesOptions) (indicesOptions, error) {
	if text, ok := c.params["expand_wildcards"]; ok {
		o.open, o.closed, o.hidden = false, false, false
		for kind := range strings.SplitSeq(text, ",") {
			switch strings.ToLower(kind) {
			case "open":
				o.open = true
			case "closed":
				o.closed = true
			case "hidden":
				o.hidden = true
			case "all":
				o.open, o.closed, o.hidden = true, true, true
			case "none":
				o.open, o.closed, o.hidden = false, false, false
			default:
				return o, illegal("No valid expand wildcard value [%s]", clip(kind))
			}
		}
	}
	o.ignoreUnavailable = c.flag("ignore_unavailable", o.ignoreUnavailable)
	o.allowNone = c.flag("allow_no_indices", o.allowNone)
	return o, nil
}

// expression is what the path names as {index}.
func (c *call) expression() string { return c.names["index"] }

// target resolves the expression of the path under what the URL says of options.
func (c *call) target(o indicesOptions) ([]string, error) {
	o, err := c.indicesOptions(o)
	if err != nil {
		return nil, err
	}
	return c.h.resolve(c.expression(), o)
}

// resolve gives the names of the indices that an expression stands for, sorted: names, aliases, patterns, -patterns
// behind a pattern, _all or nothing for all.
func (h *Handler) resolve(expression string, o indicesOptions) ([]string, error) {
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	parts := strings.Split(expression, ",")
	if expression == "" || expression == "_all" || expression == "*" {
		names := s.expand("*", o)
		if len(names) == 0 && !o.allowNone {
			return nil, noIndex(cmp.Or(expression, "_all"))
		}
		return slices.Sorted(maps.Keys(names)), nil
	}
	chosen, err := s.choose(parts, o)
	if err != nil {
		return nil, err
	}
	if len(chosen) == 0 && !o.allowNone {
		f := missing(expression)
		if len(parts) > 1 {
			f.meta[1].Value = jsonOf(parts)
		}
		return nil, f
	}
	return slices.Sorted(maps.Keys(chosen)), nil
}

// choose goes through the parts of an expression in their order.
func (s *snapshot) choose(parts []string, o indicesOptions) (map[string]bool, error) {
	chosen := make(map[string]bool)
	pattern := false
	for _, part := range parts {
		if part == "" {
			return nil, noIndex(part)
		}
		if part[0] == '_' && part != "_all" {
			return nil, invalidName(part, "must not start with '_'.")
		}
		if part, err := dateMath(part); err != nil {
			return nil, err
		} else if s.named(part, o, chosen) {
			if err := s.forbidden(part, o, chosen); err != nil {
				return nil, err
			}
			continue
		}
		part, minus := strings.CutPrefix(part, "-")
		if !pattern && minus {
			part, minus = "-"+part, false
		}
		part, err := dateMath(part)
		if err != nil {
			return nil, err
		}
		if part == "_all" {
			part = "*"
		}
		if !strings.Contains(part, "*") || !o.open && !o.closed {
			if minus {
				delete(chosen, part)
			} else if !o.open && !o.closed && o.allowNone && len(parts) == 1 {
				continue // where no pattern stands for anything, Elasticsearch takes a single name for one
			} else if _, isAlias := s.aliased(part)[part]; isAlias && !o.ignoreUnavailable {
				return nil, illegal("The provided expression [%s] matches an alias, specify the corresponding concrete indices instead.", clip(part))
			} else if !o.ignoreUnavailable {
				return nil, noIndex(part)
			}
			continue
		}
		pattern = true
		matched := s.expand(part, o)
		if len(matched) == 0 && !o.allowNone && !minus {
			return nil, noIndex(part)
		}
		for name := range matched {
			if minus {
				delete(chosen, name)
			} else {
				chosen[name] = true
			}
		}
	}
	return chosen, nil
}

// named adds the index of a name, or those of an alias, and says whether there is one.
func (s *snapshot) named(name string, o indicesOptions, chosen map[string]bool) bool {
	if s.byName[name] != nil {
		chosen[name] = true
		return true
	}
	if o.noAliases {
		return false
	}
	of := s.aliased(name)[name]
	for _, ix := range of {
		if !ix.closed || !o.forbidClosed {
			chosen[ix.name] = true
		}
	}
	return len(of) > 0
}

// forbidden refuses the name of a closed index where that is of no use.
func (s *snapshot) forbidden(name string, o indicesOptions, chosen map[string]bool) error {
	if !o.forbidClosed {
		return nil
	}
	if ix := s.byName[name]; ix != nil && ix.closed {
		delete(chosen, name)
		if !o.ignoreUnavailable {
			return closedIndex(ix)
		}
		return nil
	}
	for _, ix := range s.aliased(name)[name] {
		if ix.closed && !o.ignoreUnavailable {
			return closedIndex(ix)
		}
	}
	return nil
}

// expand gives the indices that a pattern stands for, by their names and aliases.
func (s *snapshot) expand(pattern string, o indicesOptions) map[string]bool {
	out := make(map[string]bool)
	dot := strings.HasPrefix(pattern, ".")
	add := func(ix *indexState) {
		if ix.closed && o.closed || !ix.closed && o.open {
			out[ix.name] = true
		}
	}
	for _, ix := range s.list {
		f := ix.facts.Load()
		shown := !f.flags.hidden || o.hidden || dot && strings.HasPrefix(ix.name, ".")
		if shown && mapping.Like(pattern, ix.name) {
			add(ix)
			continue
		}
		if o.noAliases {
			continue
		}
		for _, a := range f.aliases {
			hidden := a.hidden != nil && *a.hidden
			if mapping.Like(pattern, a.name) && pattern != "*" && (!hidden || o.hidden || dot && strings.HasPrefix(a.name, ".")) {
				add(ix)
			}
		}
	}
	return out
}

// aliased gives the indices behind each alias that a pattern covers.
func (s *snapshot) aliased(pattern string) map[string][]*indexState {
	out := make(map[string][]*indexState)
	for _, ix := range s.list {
		for _, a := range ix.facts.Load().aliases {
			if mapping.Like(pattern, a.name) {
				out[a.name] = append(out[a.name], ix)
			}
		}
	}
	return out
}
