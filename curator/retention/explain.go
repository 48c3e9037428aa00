package retention

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// An Explanation says what a policy means for one index.
type Explanation struct {
	Index  string    `json:"index"`
	Asked  bool      `json:"asked"`             // whether the cluster was
	Exists bool      `json:"exists"`            // among the indices asked about
	Read   string    `json:"read_as,omitempty"` // how its name is read; "" if no template reads it
	Rule   string    `json:"rule,omitempty"`    // with what it says; "" if none holds
	Others []string  `json:"others,omitempty"`  // rules that hold too, but are less specific
	Goes   bool      `json:"goes"`              // in the next run
	Why    string    `json:"why"`
	Due    time.Time `json:"due,omitzero"` // when it goes by its age; zero: never by its age
}

// Explain says which rule holds for an index, and when it will go or why it will not. d is the decision about the
// indices there are; of one that is not there the name alone tells what it can.
func (p *Policy) Explain(index string, d Decision, now time.Time) Explanation {
	e := Explanation{Index: index, Asked: true}
	choice := Choice{}
	choice.Name = index
	for _, list := range [][]Choice{d.Delete, d.Keep} {
		for _, c := range list {
			if c.Name == index {
				choice, e.Exists = c, true
			}
		}
	}
	e.Goes = contains(d.Delete, index)
	if !e.Exists {
		choice.Item.Settings = map[string]string{ilmName: ""}
		choice = p.judge(choice.Item, now).Choice
	}
	m := p.ruleOf(index)
	if m.reading != nil {
		e.Read = fmt.Sprintf("%s, by %q", m.reading, m.reading.template)
		if m.reading.String() == "" {
			e.Read = fmt.Sprintf("by %q", m.reading.template)
		}
	}
	if m.rule != nil {
		e.Rule = m.rule.String()
	}
	for _, r := range m.others {
		e.Others = append(e.Others, r.String())
	}
	e.Why, e.Due = choice.Why, choice.Due
	return e
}

func contains(list []Choice, name string) bool {
	for _, c := range list {
		if c.Name == name {
			return true
		}
	}
	return false
}

// String is the explanation as lines of text.
func (e Explanation) String() string {
	var b strings.Builder
	line := func(name, text string) { fmt.Fprintf(&b, "%-8s %s\n", name, text) }
	line("index", clean(e.Index))
	switch {
	case !e.Asked:
		line("", "the cluster was not asked: this is what its name says")
	case !e.Exists:
		line("", "there is no such index: this is what its name says")
	}
	line("read as", cmp.Or(e.Read, "nothing: no template in \"names\" reads it"))
	line("rule", cmp.Or(e.Rule, "none"))
	for _, o := range e.Others {
		line("not", o+" (less specific)")
	}
	switch {
	case e.Goes:
		line("goes", "in the next run, unless a guard holds it back")
	case !e.Due.IsZero():
		line("goes", "in the first run after "+stamp(e.Due))
	default:
		line("goes", "never by its age")
	}
	line("why", e.Why)
	return b.String()
}

// DateIn finds the date in the name of an index, as the policy reads names: its text and when the day or month in it ends.
func (p *Policy) DateIn(index string) (text string, end time.Time, ok bool) {
	m := p.ruleOf(index)
	if m.reading == nil || m.reading.date == "" {
		return "", time.Time{}, false
	}
	return m.reading.date, m.reading.end, true
}
