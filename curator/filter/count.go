package filter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/curator/setting"
)

// Count matches the first so many of a list sorted by name or age, or of each group in it.
type Count struct {
	// How many match; by default those are the ones that are left alone.
	Count int64 `config:"count" required:"true" min:"1"`
	// Sort by age instead of by name.
	UseAge bool `config:"use_age" default:"false"`
	Dating `config:",inline"`
	// Regular expression with one group in parentheses: indices for which it takes the same text from the
	// beginning of the name are counted together; those that it doesn't match are left alone.
	Pattern string `config:"pattern"`
	// Sort descending: the newest, or the last of the alphabet, first.
	Reverse bool `config:"reverse" default:"true"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"true"`

	groups *expression
}

func (*Count) Type() string { return "count" }

func (f *Count) of(kind Kind) error {
	if f.Pattern != "" {
		var err error
		if f.groups, err = compile(f.Pattern, true); err != nil {
			return setting.Wrong("pattern", "pattern %s: %v", setting.Show(f.Pattern), err)
		}
		if f.groups.groups != 1 {
			return setting.Wrong("pattern", "pattern %s must have one group in parentheses, not %d", setting.Show(f.Pattern), f.groups.groups)
		}
	}
	return f.settle(kind, f.UseAge)
}

func (f *Count) check(strict bool) error {
	if strict && f.kind == Snapshots && f.Pattern != "" {
		return &Error{"TypeError", "SnapshotList.filter_by_count() got an unexpected keyword argument 'pattern'"}
	}
	if !f.UseAge {
		return nil
	}
	return f.Dating.check(strict)
}

// A group is what is counted together.
type group struct {
	key   string
	items []Item
}

func (f *Count) apply(r *run) error {
	if f.kind == Indices {
		r.looks()
	}
	exclude := f.Exclude
	of, err := f.split(r)
	if err != nil || f.groups != nil && len(r.left) == 0 {
		return err
	}
	if r.Strict && len(of.strangers) > 0 {
		exclude = true // Curator's bug 1251
	}
	// Curator counts closed and undated indices too, although they have left its list.
	counted := slices.Clone(r.left)
	var dates map[string]moment
	if f.UseAge {
		if dates, err = f.dates(r); err != nil {
			return err
		}
		if f.Source == "creation_date" && f.kind == Indices {
			r.dropClosed("so its age is not looked at")
		}
	}
	if !r.Strict || f.kind == Snapshots {
		counted = r.left
	}
	left := map[string]bool{}
	for _, it := range r.left {
		left[it.Name] = true
	}
	if r.Strict && r.out.EmptyAt == r.place {
		return nil
	}
	places := map[string]string{}
	match := map[string]bool{}
	remain := len(r.left)
	for n, g := range f.gather(counted, of.key) {
		if r.Strict && f.UseAge && n > 0 && remain == 0 {
			r.out.EmptyAt = r.place // Curator looks again for every group
			break
		}
		all := len(g.items)
		if g.items, err = f.sort(r, g.items, dates, left); err != nil {
			return err
		}
		remain -= all - len(g.items)
		for i, it := range g.items {
			match[it.Name] = int64(i) < f.Count
			if match[it.Name] == exclude && !left[it.Name] {
				return errGone
			}
			if match[it.Name] == exclude {
				remain--
			}
			places[it.Name] = fmt.Sprintf("number %d of %d%s", i+1, len(g.items), g.key)
		}
	}
	order := f.order()
	return r.each(exclude, func(it *Item) (verdict, error) {
		if places[it.Name] == "" {
			return verdict{gone: true, why: "it has no date"}, nil
		}
		why := fmt.Sprintf("%s, %s, beyond the first %d", places[it.Name], order, f.Count)
		if match[it.Name] {
			why = fmt.Sprintf("%s, %s, of the first %d", places[it.Name], order, f.Count)
		}
		return verdict{match: match[it.Name], why: why}, nil
	})
}

// errGone is Curator's failure at an index that it counts although it has taken it out before.
var errGone = &Error{"ValueError", "list.remove(x): x not in list"}

// order says in which order the items are counted.
func (f *Count) order() string {
	switch {
	case f.UseAge && f.Reverse:
		return "newest first"
	case f.UseAge:
		return "oldest first"
	case f.Reverse:
		return "by name from the end"
	}
	return "by name"
}

// A split is how names fall into groups.
type split struct {
	key       map[string]string
	strangers []string
}

// split finds the groups and takes out what belongs to none.
func (f *Count) split(r *run) (split, error) {
	s := split{key: map[string]string{}}
	if f.groups == nil {
		return s, nil
	}
	var failed error
	void := false
	r.drop(func(it *Item) string {
		m, err := f.groups.search(it.Name)
		if err != nil {
			failed = err
			return ""
		}
		if m == nil || !m.grouped && !r.Strict {
			s.strangers = append(s.strangers, it.Name)
			return "its name is not like " + printable(f.Pattern)
		}
		void = void || !m.grouped
		s.key[it.Name] = m.group
		return ""
	})
	if void && len(r.left) > 1 && failed == nil { // Python cannot sort what isn't there
		failed = &Error{"ActionError", fmt.Sprintf(`Unable to process pattern: "%s". Error: '<' not supported between instances of 'NoneType' and 'str'`, printable(f.Pattern))}
	}
	return s, failed
}

// gather makes the groups, in the order of their keys.
func (f *Count) gather(items []Item, key map[string]string) []group {
	if f.groups == nil {
		return []group{{"", slices.Clone(items)}}
	}
	byKey := map[string][]Item{}
	for _, it := range items {
		byKey[key[it.Name]] = append(byKey[key[it.Name]], it)
	}
	var out []group
	for k, items := range byKey {
		out = append(out, group{" of group " + printable(k), items})
	}
	slices.SortFunc(out, func(a, b group) int { return cmp.Compare(a.key, b.key) })
	return out
}

// sort sorts a group, without those that Curator takes for undated.
func (f *Count) sort(r *run, items []Item, dates map[string]moment, left map[string]bool) ([]Item, error) {
	if !f.UseAge {
		sortByName(items, f.Reverse)
		return items, nil
	}
	var dated []Item
	for _, it := range items {
		switch m, ok := dates[it.Name]; {
		case ok && (m.at != 0 || !r.Strict):
			dated = append(dated, it)
		case !left[it.Name]:
			return nil, errGone
		}
	}
	f.sortByAge(dated, dates, f.Reverse)
	return dated, nil
}

func sortByName(items []Item, reverse bool) {
	slices.SortStableFunc(items, func(a, b Item) int {
		if reverse {
			a, b = b, a
		}
		return strings.Compare(a.Name, b.Name)
	})
}

// sortByAge sorts by date, indices of the same second by name; reverse puts the newest first.
func (d *Dating) sortByAge(items []Item, dates map[string]moment, reverse bool) {
	if d.kind == Indices {
		sortByName(items, reverse)
	}
	slices.SortStableFunc(items, func(a, b Item) int {
		x, y := dates[a.Name], dates[b.Name]
		if reverse {
			x, y = y, x
		}
		if d.kind == Indices {
			return cmp.Compare(x.at, y.at)
		}
		return cmp.Compare(x.millis, y.millis)
	})
}

// Space matches what is beyond so much disk space: a list sorted by name or age is summed up, and an index
// matches while the sum with it is above the limit. Closed ones leave the list.
type Space struct {
	// Disk space in GiB, of all copies.
	DiskSpace float64 `config:"disk_space" required:"true"`
	// Sort by age, newest first, instead of by name.
	UseAge bool `config:"use_age" default:"false"`
	Dating `config:",inline"`
	// Sort names descending. By age it is always the newest first.
	Reverse bool `config:"reverse" default:"true"`
	// Whether those beyond the space match, or those within it.
	ThresholdBehavior string `config:"threshold_behavior" default:"greater_than" oneof:"greater_than|less_than"`
	// Take out what matches instead of keeping it.
	Exclude bool `config:"exclude" default:"false"`
}

func (*Space) Type() string { return "space" }

func (f *Space) of(kind Kind) error {
	if f.DiskSpace == 0 {
		return setting.Wrong("disk_space", "disk_space must not be 0")
	}
	return f.settle(kind, f.UseAge)
}

func (f *Space) check(strict bool) error {
	if f.DiskSpace < 0 && !strict {
		return setting.Wrong("disk_space", "disk_space must be above 0, not %v", f.DiskSpace)
	}
	if !f.UseAge {
		return nil
	}
	return f.Dating.check(strict)
}

func (f *Space) apply(r *run) error {
	r.dropClosed("so its size is not known")
	var dates map[string]moment
	if f.UseAge {
		var err error
		if dates, err = f.dates(r); err != nil {
			return err
		}
	}
	r.drop(func(it *Item) string {
		switch {
		case r.Strict && f.UseAge && dates[it.Name].at == 0:
			return "it has no date"
		case !r.Strict && it.Size < 0:
			r.warn("%s: its size is not known: left alone", printable(it.Name))
			return "its size is not known"
		}
		return ""
	})
	sorted, order := slices.Clone(r.left), "by name"
	switch {
	case f.UseAge:
		f.sortByAge(sorted, dates, true)
		order = "newest first"
	case f.Reverse:
		order = "by name from the end"
		fallthrough
	default:
		sortByName(sorted, f.Reverse)
	}
	sum := 0.0
	found := map[string]verdict{}
	for i, it := range sorted {
		sum += float64(max(it.Size, 0))
		v := compare(sum, f.DiskSpace, f.ThresholdBehavior, fmt.Sprintf("number %d of %d, %s; up to it there are ", i+1, len(sorted), order))
		if v.match && i == 0 && !r.Strict && !f.Exclude && f.ThresholdBehavior == "greater_than" {
			r.warn("%s alone is larger than %g GiB, and kept as the newest", printable(it.Name), f.DiskSpace)
			v = verdict{gone: true, why: v.why + ", but it is the newest, " + order}
		}
		found[it.Name] = v
	}
	return r.each(f.Exclude, func(it *Item) (verdict, error) { return found[it.Name], nil })
}
