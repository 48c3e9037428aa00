package retention

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/curator/setting"
	"github.com/podbeat/podbeat/option"
)

// A Decision is what a policy says about some indices.
type Decision struct {
	Delete   []Choice // what is to be deleted, the oldest first
	Keep     []Choice // what is not, by name
	Warnings []string
	// Missing are the facts that must be learnt before a decision can be made; then all else is empty.
	Missing []filter.Missing
}

// A Choice is what a policy says about one index.
type Choice struct {
	filter.Item
	Rule string    // which rule chose it or holds for it: namespaces "payments", disk; "" if none does
	Why  string    // in one line
	Due  time.Time // when it will go, if no disk fills and no size is reached before; zero: not by its age
}

// A Disk is that of a node. Held is how many bytes of it each index has, by name.
type Disk struct {
	Node        string
	Used, Total int64
	Held        map[string]int64
}

// Decide says what is to be deleted. It asks nobody and changes nothing. disks may be nil if not ReadsDisks.
func (p *Policy) Decide(items []filter.Item, disks []Disk, now time.Time) Decision {
	var d Decision
	if d.Missing = p.missing(items); len(d.Missing) > 0 {
		return d
	}
	all := make([]*candidate, 0, len(items))
	for _, it := range items {
		all = append(all, p.judge(it, now))
	}
	slices.SortFunc(all, func(a, b *candidate) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.Name, b.Name))
	})
	if p.off == "" {
		d.Warnings = append(d.Warnings, bySize(all, now)...)
		d.Warnings = append(d.Warnings, p.byDisk(all, disks, now)...)
	}
	d.Warnings = append(d.Warnings, p.doubts(all, now)...)
	for _, c := range all {
		if c.chosen {
			d.Delete = append(d.Delete, c.Choice)
		} else {
			d.Keep = append(d.Keep, c.Choice)
		}
	}
	slices.SortFunc(d.Keep, func(a, b Choice) int { return cmp.Compare(a.Name, b.Name) })
	return d
}

const ilmName = "index.lifecycle.name"

// missing lists the facts about items that deciding needs and that nobody has asked for.
func (p *Policy) missing(items []filter.Item) (missing []filter.Missing) {
	var settings, fields []string
	for _, it := range items {
		if _, asked := it.Settings[ilmName]; !asked && !p.allowILM {
			settings = append(settings, it.Name)
		}
		if _, asked := it.Fields[p.field]; !asked && p.by == "field_stats" && !it.Closed && p.ruleOf(it.Name).rule != nil {
			fields = append(fields, it.Name)
		}
	}
	if settings != nil {
		missing = append(missing, filter.Missing{Fact: filter.Settings, Field: ilmName, Names: settings})
	}
	if fields != nil {
		missing = append(missing, filter.Missing{Fact: filter.FieldRange, Field: p.field, Names: fields})
	}
	return missing
}

// A candidate is an index that is being decided about.
type candidate struct {
	Choice
	found  *match
	since  time.Time // what its age counts from; zero: unknown
	begins time.Time // since, or the beginning of what its name says
	named  bool      // since is the end of what its name says, so it may lie ahead
	free   bool      // a rule holds that may delete it
	chosen bool
}

// A match is the rule for a name and how it was found.
type match struct {
	rule    *rule
	reading *reading // nil: no template reads the name
	others  []*rule  // less specific rules that hold too
	doubt   string   // why it is not clear which rule is meant; "" if it is
}

// ruleOf finds the rule for a name.
func (p *Policy) ruleOf(name string) *match {
	m := &match{}
	var readings []reading
	for _, t := range p.names {
		found, all := t.read(name)
		if !all {
			m.doubt = fmt.Sprintf("%q reads it in more than %d ways", t.text, maxReadings)
			return m
		}
		if len(found) > 0 {
			readings = found
			break
		}
	}
	if len(readings) == 0 {
		p.pick(m, name, nil)
		return m
	}
	m.reading = &readings[0]
	p.pick(m, name, m.reading)
	for i := range readings[1:] {
		other := &match{reading: &readings[i+1]}
		p.pick(other, name, other.reading)
		if other.rule == m.rule {
			continue
		}
		doubt := fmt.Sprintf("%q reads it as %s and as %s", m.reading.template, m.reading, other.reading)
		if other.rule.keepsLonger(m.rule) {
			m = other
		}
		m.doubt = doubt
	}
	return m
}

// pick sets the most specific rule of those that hold for a name, read so.
func (p *Policy) pick(m *match, name string, as *reading) {
	for _, r := range p.rules {
		switch {
		case !r.holds(name, as):
		case m.rule == nil:
			m.rule = r
		case r.level == m.rule.level && !m.rule.exact && r.letters == m.rule.letters:
			// Validation refuses what it sees of this; the rest are regular expressions.
			m.doubt = fmt.Sprintf("%s and %s are as specific as each other", m.rule.name, r.name)
			if r.keepsLonger(m.rule) {
				m.rule, r = r, m.rule
			}
			m.others = append(m.others, r)
		default:
			m.others = append(m.others, r)
		}
	}
}

// String is a reading as people see it.
func (r *reading) String() string {
	var parts []string
	if r.namespace != "" {
		parts = append(parts, "namespace "+r.namespace)
	}
	if r.app != "" {
		parts = append(parts, "app "+r.app)
	}
	if r.date != "" {
		parts = append(parts, "date "+r.date)
	}
	return strings.Join(parts, ", ")
}

// judge decides about one index by its age.
func (p *Policy) judge(it filter.Item, now time.Time) *candidate {
	c := &candidate{Choice: Choice{Item: it}, found: p.ruleOf(it.Name)}
	r := c.found.rule
	if r != nil {
		c.Rule = r.name
	}
	ageText := p.date(c, now)
	switch {
	case r == nil && c.found.doubt != "":
		c.Why = "kept, as it is not clear which rule is meant"
	case r == nil && c.found.reading == nil:
		c.Why = "no rule holds for it: no template in \"names\" reads its name, and none in \"indices\" matches it"
	case r == nil:
		c.Why = "no rule holds for it"
	case it.Settings[ilmName] != "" && !p.allowILM:
		c.Why = fmt.Sprintf("left to its ILM policy %s", setting.Show(it.Settings[ilmName]))
	case r.never:
		c.Why = "kept for ever: never"
	case c.since.IsZero():
		c.Why = "kept: neither its name nor the cluster says how old it is"
	case p.off != "":
		c.Why = p.off
	default:
		c.free = true
		age := now.Sub(c.since)
		if r.age > 0 {
			c.Due = c.since.Add(r.age)
		}
		switch {
		case r.age == 0:
			c.Why = ageText + "; no age limit"
		case age >= r.age:
			c.chosen = true
			c.Why = fmt.Sprintf("%s, at least %s", ageText, Age(r.age))
		default:
			c.Why = fmt.Sprintf("%s, not yet %s", ageText, Age(r.age))
		}
	}
	if c.found.doubt != "" {
		c.Why += "; " + c.found.doubt + ": the longest holds"
	}
	return c
}

// date sets what the index's age counts from, and says it with its age.
func (p *Policy) date(c *candidate, now time.Time) string {
	r, ok := reading{}, false
	if c.found.reading != nil {
		r, ok = *c.found.reading, !c.found.reading.end.IsZero()
	} else {
		r, ok = dateIn(c.Name)
	}
	var what string
	newest, asked := c.Fields[p.field]
	switch {
	case p.by == "field_stats" && asked && !newest.Empty && !newest.Max.IsZero():
		c.since, c.begins = newest.Max, newest.Max
		what = fmt.Sprintf("newest %s %s", p.field, stamp(c.since))
	case p.by != "creation_date" && ok:
		c.since, c.begins, c.named = r.end, r.begin, true
		what = "named " + r.date
	case c.Created.IsZero():
		return ""
	default:
		c.since = c.Created
		what = "created " + stamp(c.since)
	}
	switch age := now.Sub(c.since); {
	case age >= 0 && c.named:
		return fmt.Sprintf("%s, which ended %s ago", what, Span(age))
	case age >= 0:
		return fmt.Sprintf("%s, %s ago", what, Span(age))
	case c.named:
		return fmt.Sprintf("%s, which ends in %s", what, Span(-age))
	default:
		return fmt.Sprintf("%s, %s ahead", what, Span(-age))
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04Z") }

// Span writes a length of time for people: 20 days, 5 hours.
func Span(d time.Duration) string {
	n, unit := int64(d/time.Minute), "minute"
	switch {
	case d >= 2*day:
		n, unit = int64(d/day), "day"
	case d >= 2*time.Hour:
		n, unit = int64(d/time.Hour), "hour"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%d %s", n, unit)
}

// young says whether the index may not go however short the space is. What its name says has not ended, or is
// not as old as the floors.
func (c *candidate) young(now time.Time, floor time.Duration) bool {
	return now.Sub(c.since) < max(floor, c.found.rule.keep, 1)
}

// bySize chooses the oldest indices of rules that hold more bytes than they may.
func bySize(all []*candidate, now time.Time) (warnings []string) {
	byRule := map[*rule][]*candidate{}
	var rules []*rule
	for _, c := range all {
		if r := c.found.rule; c.free && !c.chosen && r.size > 0 {
			if byRule[r] == nil {
				rules = append(rules, r)
			}
			byRule[r] = append(byRule[r], c)
		}
	}
	for _, r := range rules {
		group, sum := byRule[r], int64(0)
		for _, c := range group {
			sum += max(c.Size, 0)
		}
		total := sum
		for i, c := range group {
			if sum <= r.size || i == len(group)-1 {
				break
			}
			if c.Size <= 0 || c.young(now, 0) {
				continue
			}
			c.chosen = true
			c.Why = fmt.Sprintf("size: what the rule holds for has %s, more than %s, and this is the oldest; %s",
				cli.Bytes(total), option.Bytes(r.size), c.Why)
			sum -= c.Size
		}
		if sum > r.size {
			warnings = append(warnings, fmt.Sprintf("%s: what it holds for still has %s, more than %s: the rest is too young, or its size is not known", r.name, cli.Bytes(sum), option.Bytes(r.size)))
		}
	}
	return warnings
}

// byDisk chooses the oldest indices on disks that are too full.
func (p *Policy) byDisk(all []*candidate, disks []Disk, now time.Time) (warnings []string) {
	if p.disk == nil {
		return nil
	}
	disks = slices.Clone(disks)
	slices.SortFunc(disks, func(a, b Disk) int { return cmp.Compare(a.Node, b.Node) })
	freed := func(c *candidate) {
		for i := range disks {
			disks[i].Used -= disks[i].Held[c.Name]
		}
	}
	for _, c := range all {
		if c.chosen {
			freed(c)
		}
	}
	for i := range disks {
		d := &disks[i]
		share := func() float64 { return float64(d.Used) / float64(max(d.Total, 1)) }
		if d.Total <= 0 || share() <= p.disk.high {
			continue
		}
		before := share()
		for _, c := range all {
			if share() <= p.disk.low {
				break
			}
			if !c.free || c.chosen || d.Held[c.Name] <= 0 || c.young(now, p.disk.keep) {
				continue
			}
			c.chosen = true
			c.Why = fmt.Sprintf("disk: that of node %s is %s full, more than %s, and this is the oldest there; %s: %s",
				clean(d.Node), percent(before), percent(p.disk.high), c.Rule, c.Why)
			c.Rule = "disk"
			freed(c)
		}
		if share() > p.disk.low {
			warnings = append(warnings, fmt.Sprintf("the disk of node %s is %s full, and will be %s full when all has gone that may: what is left there is younger than keep_at_least, kept by its rule, or not the policy's",
				clean(d.Node), percent(before), percent(share())))
		}
	}
	return warnings
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

// clean makes what a cluster says of itself safe to print.
func clean(s string) string { return strings.Trim(setting.Show(s), `"`) }

// doubts sums up what is odd about the names of the indices.
func (p *Policy) doubts(all []*candidate, now time.Time) (warnings []string) {
	if p.off != "" {
		warnings = append(warnings, p.off)
	}
	var unclear, badDate, ahead []string
	for _, c := range all {
		if c.free && c.begins.After(now.Add(day)) {
			ahead = append(ahead, c.Name)
		}
		if c.found.doubt != "" {
			unclear = append(unclear, c.Name)
		}
		if c.found.rule == nil && c.found.doubt == "" && p.wrongDate(c.Name) {
			badDate = append(badDate, c.Name)
		}
	}
	if unclear != nil {
		warnings = append(warnings, fmt.Sprintf("the rule for %s is not clear, so the longest of those that may be meant holds: give the names a separator that is in no namespace (_), or rules under \"indices\"", few(unclear)))
	}
	if badDate != nil {
		warnings = append(warnings, fmt.Sprintf("left alone: the name of %s has a day that no calendar has", few(badDate)))
	}
	if ahead != nil {
		warnings = append(warnings, fmt.Sprintf("dated in the future and kept until then: %s. If a clock was wrong, delete what it made", few(ahead)))
	}
	return append(warnings, p.neverMatched(all)...)
}

// neverMatched says of regular expressions for host names with dots which indices they can never match.
func (p *Policy) neverMatched(all []*candidate) (warnings []string) {
	for _, r := range p.rules {
		if r.regex == nil || !strings.Contains(r.pattern, hostIdiom) {
			continue
		}
		var missed []string
		for _, c := range all {
			if c.found.reading != nil && !r.regex.MatchString(c.Name) {
				missed = append(missed, c.found.reading.series(c.Name))
			}
		}
		if missed == nil {
			continue
		}
		slices.Sort(missed)
		missed = slices.Compact(missed)
		warnings = append(warnings, fmt.Sprintf("%s can never match %s: in the names of indices a host's dots are _, which the expression does not allow, nor hosts that begin with a digit, nor other beats. Leave it out: \"default\" holds for whatever podbeat writes", cut(r.name, 60), few(missed)))
	}
	return warnings
}

// series is the name that was read so, with a * in place of its date.
func (r *reading) series(name string) string {
	if i := strings.LastIndex(name, r.date); i >= 0 && r.date != "" {
		return name[:i] + "*" + name[i+len(r.date):]
	}
	return name
}

// few lists names, at most ten of them.
func few(names []string) string {
	text := strings.Join(names[:min(len(names), 10)], ", ")
	if more := len(names) - 10; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
