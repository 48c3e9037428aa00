// Package plan is what curator is going to do, before it does it: which indices each action takes and why,
// what is left alone and why, and what the guards hold back.
//
// A plan is made by a pure function of a list of indices, the clock and the rules (Make). It can be printed
// (Text, JSON), kept in a file (Write, Read) and applied later: Check then says in which way that matters the
// cluster has changed since.
package plan

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/curator/setting"
)

// Version is the version of the form that plans have in files.
const Version = 1

// A Plan is what one run is going to do, action by action.
type Plan struct {
	Version int       `json:"version"`
	Made    time.Time `json:"made"`
	Cluster Cluster   `json:"cluster"`
	Source  string    `json:"source"` // the action file, or the policy
	SHA256  string    `json:"sha256"` // of the source's text
	Strict  bool      `json:"strict_curator,omitempty"`
	Actions []Action  `json:"actions"`
	Total   Total     `json:"total"`
}

// Cluster says which cluster a plan is for.
type Cluster struct {
	Name    string `json:"name"`
	UUID    string `json:"uuid"`
	Version string `json:"version"`
}

// An Action is what one action of a file, or a policy, is going to do.
type Action struct {
	ID          string         `json:"id"`
	Kind        string         `json:"action"`
	Description string         `json:"description,omitempty"`
	Options     map[string]any `json:"options,omitempty"` // by their names, without secrets
	Disabled    bool           `json:"disabled,omitempty"`
	Looked      int            `json:"looked_at"`           // indices or snapshots that were looked at
	Choices     []Choice       `json:"choices"`             // what it acts on
	Removes     []Choice       `json:"removes,omitempty"`   // of an alias action: what leaves the alias
	Held        []Held         `json:"held,omitempty"`      // what guards hold back
	Left        []Left         `json:"left,omitempty"`      // what is left alone, with the reason
	Warnings    []string       `json:"warnings,omitempty"`  // what the administrator should know
	Unplanned   string         `json:"unplanned,omitempty"` // why nothing more can be said before the action runs
	Total       Total          `json:"total"`

	items []filter.Item // of Choices, for applying
	gone  []filter.Item // of Removes
}

// A Choice is an index or a snapshot that an action acts on.
type Choice struct {
	Name    string    `json:"name"`
	UUID    string    `json:"uuid,omitempty"`
	Created time.Time `json:"created,omitzero"`
	Age     string    `json:"age,omitempty"` // since the date in its name, or else since Created; for people
	Closed  bool      `json:"closed,omitempty"`
	Docs    int64     `json:"docs"`  // -1: unknown, as of closed indices and snapshots
	Size    int64     `json:"bytes"` // of all copies; -1: unknown
	Rule    string    `json:"rule"`  // what chose it: "action 1", or the rule of a policy
	Why     string    `json:"why"`
}

// Left is what an action leaves alone.
type Left struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Held is what a guard holds back: one index, or with Name "" the whole action.
type Held struct {
	Guard string `json:"guard"`
	Name  string `json:"name,omitempty"`
	Why   string `json:"why"`
	Allow string `json:"allow"` // what to type to have it done
}

// Total sums up choices. Unknown are those whose documents and size nobody knows.
type Total struct {
	Count   int   `json:"count"`
	Docs    int64 `json:"docs"`
	Bytes   int64 `json:"bytes"`
	Unknown int   `json:"unknown,omitempty"`
}

func (t *Total) add(choices []Choice) {
	for _, c := range choices {
		t.Count++
		if c.Docs < 0 && c.Size < 0 {
			t.Unknown++
		}
		t.Docs += max(c.Docs, 0)
		t.Bytes += max(c.Size, 0)
	}
}

// Items are what the action acts on, and with an alias action what leaves the alias: nothing where a guard
// holds back the whole action.
func (a *Action) Items() (items, removed []filter.Item) {
	if a.HeldAll() {
		return nil, nil
	}
	return a.items, a.gone
}

// HeldAll says whether a guard holds back the whole action.
func (a *Action) HeldAll() bool {
	return slices.ContainsFunc(a.Held, func(h Held) bool { return h.Name == "" })
}

// Holds says whether a guard holds back anything.
func (p *Plan) Holds() bool {
	return slices.ContainsFunc(p.Actions, func(a Action) bool { return len(a.Held) > 0 })
}

// Add puts a decided action at the end of the plan.
func (p *Plan) Add(a Action) {
	a.Choices, a.Removes = byName(a.Choices), byName(a.Removes)
	a.Total = Total{}
	if !a.HeldAll() {
		a.Total.add(a.Choices)
		a.Total.add(a.Removes)
		p.Total.add(a.Choices)
		p.Total.add(a.Removes)
	}
	p.Actions = append(p.Actions, a)
}

// Choice is what the plan says of an index or a snapshot of that name. Of one it does not choose, as an index
// that the action makes, only the rule is known.
func (a *Action) Choice(name string) Choice {
	for _, list := range [][]Choice{a.Choices, a.Removes} {
		for _, c := range list {
			if c.Name == name {
				return c
			}
		}
	}
	return Choice{Name: name, Docs: -1, Size: -1, Rule: "action " + a.ID}
}

// Of begins the plan of an action of a file; the looked-at items are all that its filters saw.
func Of(a *action.Action, looked int) Action {
	return Action{ID: a.ID, Kind: a.Kind, Description: a.Description, Options: setting.Values(a.Options), Disabled: a.DisableAction,
		Looked: looked, Choices: []Choice{}}
}

// Choose puts what a decision has left into the plan.
func (a *Action) Choose(out filter.Outcome, now time.Time) {
	a.items = out.Left
	a.Choices = a.choices(out, now)
	a.note(out)
}

// ChooseRemoved does the same for what leaves an alias.
func (a *Action) ChooseRemoved(out filter.Outcome, now time.Time) {
	a.gone = out.Left
	a.Removes = a.choices(out, now)
	a.note(out)
}

// ChooseBy puts items into the plan that a policy has chosen, each by a rule.
func (a *Action) ChooseBy(items []filter.Item, rule, why func(name string) string, now time.Time) {
	a.items = items
	for _, it := range items {
		c := choice(it, now)
		c.Rule, c.Why = rule(it.Name), why(it.Name)
		a.Choices = append(a.Choices, c)
	}
}

func (a *Action) choices(out filter.Outcome, now time.Time) []Choice {
	choices := make([]Choice, 0, len(out.Left))
	for _, it := range out.Left {
		c := choice(it, now)
		c.Rule, c.Why = "action "+a.ID, out.Why[it.Name]
		choices = append(choices, c)
	}
	return choices
}

func (a *Action) note(out filter.Outcome) {
	for _, d := range out.Dropped {
		a.Left = append(a.Left, Left{Name: d.Name, Why: d.Why})
	}
	slices.SortFunc(a.Left, func(x, y Left) int { return strings.Compare(x.Name, y.Name) })
	a.Warnings = append(a.Warnings, out.Warnings...)
}

func choice(it filter.Item, now time.Time) Choice {
	c := Choice{Name: it.Name, UUID: it.UUID, Created: it.Created, Closed: it.Closed, Docs: it.Docs, Size: it.Size}
	if p := placeOf(it.Name, nil); p.date != nil && it.Ended.IsZero() {
		c.Age = age(now.Sub(p.at))
	} else if !it.Created.IsZero() {
		c.Age = age(now.Sub(it.Created))
	}
	return c
}

// drop takes what a guard spares out of what is acted on.
func (a *Action) drop(name string) {
	a.items = slices.DeleteFunc(slices.Clone(a.items), func(it filter.Item) bool { return it.Name == name })
	a.Choices = slices.DeleteFunc(a.Choices, func(c Choice) bool { return c.Name == name })
}

// JSON is the plan for programs.
func (p *Plan) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(p, "", "  ")
	return append(text, '\n'), err
}
