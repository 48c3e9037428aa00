// Package filter decides which indices or snapshots an action is about: the filters of an action file, as
// Elastic Curator 8.0.21 understands them. It asks nobody anything and changes nothing: Run is a function of
// the list, the filters and the clock, and says which facts about the items it lacks.
//
// With Clock.Strict the answer is Curator's in every case. Without it, the safer reading holds where Curator
// would fail for the sake of one odd name or take what nobody meant; docs/curator-differences.md lists each case.
package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/setting"
	"github.com/podbeat/podbeat/option"
)

// Kind is what a list consists of.
type Kind int

const (
	Indices Kind = iota
	Snapshots
)

func (k Kind) String() string {
	if k == Snapshots {
		return "snapshots"
	}
	return "indices"
}

// A Filter narrows a list. Parse makes them.
type Filter interface {
	// Type is its filtertype: "age".
	Type() string
	// check refuses what Curator would fail on, and without strict also what it misunderstands.
	check(strict bool) error
	apply(*run) error
}

// types are the filtertypes, with a new value of each and whether snapshots have it.
var types = map[string]struct {
	make      func() Filter
	snapshots bool
}{
	"age":         {func() Filter { return &Age{} }, true},
	"alias":       {func() Filter { return &Alias{} }, false},
	"allocated":   {func() Filter { return &Allocated{} }, false},
	"closed":      {func() Filter { return &Closed{} }, false},
	"count":       {func() Filter { return &Count{} }, true},
	"empty":       {func() Filter { return &Empty{} }, false},
	"forcemerged": {func() Filter { return &ForceMerged{} }, false},
	"ilm":         {func() Filter { return &ILM{} }, false},
	"kibana":      {func() Filter { return &Kibana{} }, false},
	"none":        {func() Filter { return &None{} }, true},
	"opened":      {func() Filter { return &Opened{} }, false},
	"pattern":     {func() Filter { return &Pattern{} }, true},
	"period":      {func() Filter { return &Period{} }, true},
	"shards":      {func() Filter { return &Shards{} }, false},
	"size":        {func() Filter { return &Size{} }, false},
	"space":       {func() Filter { return &Space{} }, false},
	"state":       {func() Filter { return &State{} }, true},
}

// indicesOnly are elements that a snapshot's filters don't have.
var indicesOnly = []string{"field", "stats_result", "intersect"}

// Parse makes a filter of one element of `filters:`, as YAML or JSON gave it.
func Parse(values map[string]any, kind Kind) (Filter, error) {
	var known []string
	for name, t := range types {
		if kind == Snapshots && t.snapshots || kind == Indices && name != "state" {
			known = append(known, name)
		}
	}
	slices.Sort(known)
	name, ok := values["filtertype"].(string)
	if !ok || name == "None" {
		return nil, setting.Wrong("filtertype", `option "filtertype" is required: one of %s`, strings.Join(known, ", "))
	}
	t, exists := types[name]
	switch {
	case !exists:
		return nil, &setting.Error{Name: "filtertype", Err: option.Unknown("filtertype", "", name, known)}
	case !slices.Contains(known, name):
		return nil, setting.Wrong("filtertype", "filtertype %s is not for %s: use one of %s", name, kind, strings.Join(known, ", "))
	}
	rest := map[string]any{}
	for element, v := range values {
		if element == "filtertype" || v == nil || v == "None" {
			continue
		}
		if kind == Snapshots && slices.Contains(indicesOnly, element) && hasElement(t.make(), element) {
			return nil, setting.Wrong(element, "%s filter: option %q is for indices, not for snapshots: remove it", name, element)
		}
		rest[element] = v
	}
	f := t.make()
	if err := setting.Unpack(rest, f, name+" filter"); err != nil {
		return nil, err
	}
	if d, ok := f.(interface{ of(Kind) error }); ok {
		if err := d.of(kind); err != nil {
			return nil, fmt.Errorf("%s filter: %w", name, err)
		}
	}
	return f, nil
}

func hasElement(f Filter, name string) bool { return slices.Contains(setting.Names(f), name) }

// Check says what is wrong with a filter that Parse has let pass: what Curator would only meet in the run, and
// without strict what it would take for something else than it says. Run checks too.
func Check(f Filter, strict bool) error {
	if err := f.check(strict); err != nil {
		return fmt.Errorf("%s filter: %w", f.Type(), err)
	}
	return nil
}

// Clock is when, and how, a decision is made.
type Clock struct {
	Now    time.Time
	Strict bool // decide as Curator, its known bugs included
}

// An Outcome is what the filters have decided.
type Outcome struct {
	Left     []Item            // what is to be acted on, in the order of the list
	Why      map[string]string // by the names of Left: why, in one line
	Dropped  []Dropped         // what is not, in the order in which it was found
	Warnings []string
	// EmptyAt is the place, from 1, of the filter that had nothing left to look at: Curator ends the action there,
	// in a dry run too; 0: none.
	EmptyAt int
	// Missing are the facts that must be learnt before a decision can be made; then all else is empty.
	Missing []Missing
}

// A Dropped item is not to be acted on.
type Dropped struct {
	Name   string
	Filter int // the place, from 1, of the filter that took it out; 0: left to ILM
	Why    string
}

// A Fact is something about an index that isn't in the list of indices.
type Fact int

const (
	Settings   Fact = iota // Item.Settings[Field]; "" is one that isn't set
	Aliases                // Item.Aliases; an empty list, not nil, if there are none
	Segments               // Item.Segments
	FieldRange             // Item.Fields[Field]
)

// Missing says which fact is missing of which items.
type Missing struct {
	Fact  Fact
	Field string // of Settings and FieldRange
	Names []string
}

// An Error is a failure of the whole decision that Curator has too; Class is what Python calls it.
type Error struct{ Class, Text string }

func (e *Error) Error() string { return e.Text }

// errMissing ends a run that needs facts; they are in the run.
var errMissing = errors.New("facts are missing")

// WithoutILM adds to the filters that indices which ILM manages are left to it. Curator has the rule last, so
// that such an index uses up the count and the space of others; without strict it comes first.
func WithoutILM(filters []Filter, c Clock) []Filter {
	rule := implicitILM{&ILM{Exclude: true}}
	if c.Strict {
		return append(slices.Clone(filters), rule)
	}
	return append([]Filter{rule}, filters...)
}

// implicitILM is the rule of WithoutILM; it has no place among the filters.
type implicitILM struct{ *ILM }

// Run decides which of items are to be acted on: those that pass every filter. It changes neither.
func Run(filters []Filter, items []Item, c Clock) (Outcome, error) {
	r := &run{Clock: c, left: slices.Clone(items), why: map[string][]string{}}
	for _, f := range filters {
		r.place, r.filter = 0, f
		if _, ours := f.(implicitILM); !ours {
			r.places++
			r.place = r.places
		}
		err := Check(f, c.Strict)
		if err == nil {
			err = f.apply(r)
		}
		switch {
		case errors.Is(err, errMissing):
			return Outcome{Missing: r.out.Missing}, nil
		case err != nil:
			return Outcome{}, fmt.Errorf("filter %d: %w", r.place, err)
		}
		if c.Strict && r.out.EmptyAt > 0 {
			break // so that a later filter cannot fail
		}
	}
	r.out.Left = r.left
	r.out.Why = map[string]string{}
	for _, it := range r.left {
		if len(filters) == 0 {
			r.why[it.Name] = []string{"there is no filter"}
		}
		r.out.Why[it.Name] = strings.Join(r.why[it.Name], "; ")
	}
	return r.out, nil
}

// A run is a decision on its way.
type run struct {
	Clock
	left   []Item
	why    map[string][]string // what the filters so far have said of each
	out    Outcome
	filter Filter
	places int // of the user's filters so far
	place  int // of this one, 0 if it is ours
}

// A verdict is what a filter finds about one item.
type verdict struct {
	match bool
	gone  bool   // it leaves the list whatever `exclude` says
	why   string // in one line
}

// each asks about every item that is left. Those that match stay, or with exclude those that don't.
func (r *run) each(exclude bool, ask func(*Item) (verdict, error)) error {
	var stay []Item
	for i := range r.left {
		it := &r.left[i]
		v, err := ask(it)
		if err != nil {
			return err
		}
		if v.gone || v.match == exclude {
			if !v.gone && exclude && r.place > 0 {
				v.why += ", excluded"
			}
			r.out.Dropped = append(r.out.Dropped, Dropped{it.Name, r.place, r.say(v.why)})
			continue
		}
		if v.why != "" {
			r.why[it.Name] = append(r.why[it.Name], r.say(v.why))
		}
		stay = append(stay, *it)
	}
	r.left = stay
	return nil
}

func (r *run) say(why string) string { return r.filter.Type() + ": " + why }

// looks notes that Curator ends the action here if the list is empty.
func (r *run) looks() {
	if len(r.left) == 0 && r.out.EmptyAt == 0 {
		r.out.EmptyAt = r.place
	}
}

// drop takes out those about whom why says something; of the others nothing is said.
func (r *run) drop(why func(*Item) string) {
	_ = r.each(false, func(it *Item) (verdict, error) { // it cannot fail
		w := why(it)
		return verdict{match: true, gone: w != "", why: w}, nil
	})
}

func (r *run) dropClosed(why string) {
	r.looks()
	r.drop(func(it *Item) string {
		if it.Closed {
			return "it is closed, " + why
		}
		return ""
	})
}

func (r *run) warn(format string, args ...any) {
	r.out.Warnings = append(r.out.Warnings, fmt.Sprintf(format, args...))
}

// need asks for a fact about those that haven't got it, and ends the run if there are any.
func (r *run) need(fact Fact, field string, has func(*Item) bool) error {
	var names []string
	for i := range r.left {
		if !has(&r.left[i]) {
			names = append(names, r.left[i].Name)
		}
	}
	if names == nil {
		return nil
	}
	r.out.Missing = append(r.out.Missing, Missing{fact, field, names})
	return errMissing
}
