package plan

import (
	"cmp"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

// Guards hold back deletions that are more likely a slip than a wish. The zero value guards nothing.
type Guards struct {
	// Never delete the newest index of a series. A series is what differs in its date or number only.
	Newest bool `config:"newest" default:"true"`
	// Never delete an index whose name is dated more than a day from now in the future.
	Future bool `config:"future" default:"true"`
	// Delete nothing if that were more than this share of the indices that match, or of all documents in the
	// cluster. 1 lets everything pass.
	MaxDeleteRatio float64 `config:"max_delete_ratio" default:"0.5"`
	// Delete nothing while the cluster is red.
	Health bool `config:"health" default:"true"`
	// Delete nothing while this machine's clock and the cluster's differ by more than a minute.
	Clock bool `config:"clock" default:"true"`
}

// All are the guards that hold unless they are switched off.
func All() Guards {
	return Guards{Newest: true, Future: true, MaxDeleteRatio: 0.5, Health: true, Clock: true}
}

// None guards nothing.
func None() Guards { return Guards{MaxDeleteRatio: 1} }

// Facts are what guards look at beside the plan.
type Facts struct {
	Now     time.Time     // this machine's clock, or the clock of a test
	Skew    time.Duration // how far the cluster's clock is ahead of it; negative: behind
	Health  string        // green, yellow, red; "" unknown
	Looked  []filter.Item // every index or snapshot that the action looked at
	Matched int           // those of them that are meant: all but what a filter other than one of age, size or number took out
	Docs    int64         // in all indices of the cluster; 0: unknown
}

// Destroys says whether the action loses data for good.
func (a *Action) Destroys() bool { return a.Kind == "delete_indices" || a.Kind == "delete_snapshots" }

// Guard takes out of the action what the guards hold back, and notes it.
func (a *Action) Guard(g Guards, f Facts) {
	if !a.Destroys() || len(a.Choices) == 0 {
		return
	}
	if g.Health && f.Health == "red" {
		a.hold("health", "", "the cluster is red: what it lacks may come back, what is deleted does not", "--guard-health=false")
	}
	if skew := f.Skew.Abs(); g.Clock && skew > time.Minute {
		a.hold("clock", "", fmt.Sprintf("this machine's clock is %s off the cluster's: ages would be wrong", skew.Round(time.Second)), "--guard-clock=false")
	}
	newest := newestOfSeries(f.Looked)
	for _, c := range append([]Choice(nil), a.Choices...) {
		date, dated := dateIn(c.Name)
		switch {
		case g.Future && dated && date.After(f.Now.Add(24*time.Hour)):
			a.hold("future", c.Name, "its name is dated "+date.Format(time.DateOnly)+", in the future", "--guard-future=false")
		case g.Newest && newest[c.Name]:
			a.hold("newest", c.Name, "it is the newest of its series "+Series(c.Name)+": it may still be written to", "--guard-newest=false")
		}
	}
	if g.MaxDeleteRatio < 1 {
		a.ratio(g.MaxDeleteRatio, f)
	}
}

// hold notes what a guard holds back. What is held back by name is not acted on; with "" nothing is.
func (a *Action) hold(guard, name, why, allow string) {
	a.Held = append(a.Held, Held{Guard: guard, Name: name, Why: why, Allow: allow})
	if name != "" {
		a.drop(name)
	}
}

func (a *Action) ratio(limit float64, f Facts) {
	allow := func(share float64) string {
		return "--max-delete-ratio " + strconv.FormatFloat(min(1, float64(int(share*100)+1)/100), 'g', -1, 64)
	}
	if share := float64(len(a.Choices)) / float64(max(f.Matched, 1)); share > limit {
		a.hold("max_delete_ratio", "", fmt.Sprintf("%d of the %d that match are more than %.0f %%", len(a.Choices), f.Matched, limit*100), allow(share))
		return
	}
	var docs int64
	for _, c := range a.Choices {
		docs += max(c.Docs, 0)
	}
	if share := float64(docs) / float64(max(f.Docs, 1)); f.Docs > 0 && share > limit {
		a.hold("max_delete_ratio", "", fmt.Sprintf("%d of all %d documents are more than %.0f %%", docs, f.Docs, limit*100), allow(share))
	}
}

// dates are the forms of dates in names, the longest first. A date stands between what are no digits.
var dates = regexp.MustCompile(`(?:^|[^0-9])((\d{4})[.\-_]?(\d{2})[.\-_]?(\d{2})(?:[.\-_T]?(\d{2}))?|(\d{4})[.\-_](\d{2}))(?:[^0-9]|$)`)

// number is the end of a name that counts, as the one of a rollover.
var number = regexp.MustCompile(`(\d+)$`)

// dateIn is the date in a name, if it has one.
func dateIn(name string) (time.Time, bool) {
	date, _, ok := split(name)
	return date, ok
}

// split takes the date out of a name: the last one, as that of a day comes after a host's name, which may hold another.
func split(name string) (date time.Time, rest string, ok bool) {
	for from := 0; from < len(name); {
		m := dates.FindStringSubmatchIndex(name[from:])
		if m == nil {
			break
		}
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return name[from+m[2*i] : from+m[2*i+1]]
		}
		text := part(2) + part(3) + part(4) + part(5)
		layout := "20060102"[:len(text)-len(part(5))]
		if part(6) != "" {
			text, layout = part(6)+part(7), "200601"
		}
		if part(5) != "" {
			layout += "15"
		}
		step := m[2] + 1
		if d, err := time.Parse(layout, text); err == nil && d.Year() >= 1970 {
			date, rest, ok = d, name[:from+m[2]]+"*"+name[from+m[3]:], true
			step = m[3]
		}
		from += step
	}
	return date, rest, ok
}

// Series is the name with a * in place of its date, or of the number at its end: what the indices of a
// series have in common. A name with neither is a series of its own.
func Series(name string) string {
	if _, rest, ok := split(name); ok {
		return rest
	}
	if m := number.FindStringIndex(name); m != nil {
		return name[:m[0]] + "*"
	}
	return name
}

// newestOfSeries says which of items is the newest of a series: by the date in its name, by its number, by its
// creation. What has no date and no number is no series.
func newestOfSeries(items []filter.Item) map[string]bool {
	best := map[string]filter.Item{}
	for _, it := range items {
		s := Series(it.Name)
		if s == it.Name {
			continue
		}
		if b, ok := best[s]; !ok || newer(it, b) {
			best[s] = it
		}
	}
	newest := make(map[string]bool, len(best))
	for _, it := range best {
		newest[it.Name] = true
	}
	return newest
}

func newer(a, b filter.Item) bool {
	da, _ := dateIn(a.Name)
	db, _ := dateIn(b.Name)
	if !da.Equal(db) {
		return da.After(db)
	}
	if order := byNumber(a.Name, b.Name); order != 0 {
		return order > 0
	}
	return a.Created.After(b.Created)
}

// byNumber compares the numbers at the ends of names, however long they are.
func byNumber(a, b string) int {
	digits := func(name string) string { return strings.TrimLeft(number.FindString(name), "0") }
	x, y := digits(a), digits(b)
	return cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y))
}
