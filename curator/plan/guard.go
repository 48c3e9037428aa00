package plan

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

// Guards hold back deletions that are more likely a slip than a wish. The zero value guards nothing.
type Guards struct {
	// Never delete the newest index of a series. A series is what differs in its date or number only.
	Newest bool `config:"newest" default:"true"`
	// Never delete an index whose name is dated more than a day from now in the future.
	Future bool `config:"future" default:"true"`
	// Delete nothing if the run then took more than this share of the indices that match, or of all documents in
	// the cluster. 1 lets everything pass.
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
	Now    time.Time     // this machine's clock, or the clock of a test
	Skew   time.Duration // how far the cluster's clock is ahead of it; negative: behind
	Health string        // green, yellow, red; "" unknown
	Looked []filter.Item // every index or snapshot that the action looked at
	Daters []Dater       // how the action reads dates in names
	// Matched are those of Looked that are meant: all but what a filter other than one of age, size or number took out.
	Matched []string
	Run     *Spent // what the run has done before
}

// Spent sums up what the actions of a run delete, as the share is one of the whole run.
type Spent struct {
	chosen, matched map[string]bool // by name
	docs, all       int64           // documents deleted so far, and all there were when the run began; 0: unknown
}

// count is what would be spent with an action.
func (s *Spent) count(a *Action, f Facts) (after Spent) {
	after = Spent{chosen: maps.Clone(s.chosen), matched: maps.Clone(s.matched), docs: s.docs, all: s.all}
	if after.chosen == nil {
		after.chosen, after.matched = map[string]bool{}, map[string]bool{}
	}
	var known, all int64
	for _, it := range f.Looked {
		if it.Docs >= 0 {
			known++
			all += it.Docs
		}
	}
	guess := all / max(known, 1) // for what nobody knows, as of closed indices: the average
	all += guess * (int64(len(f.Looked)) - known)
	for _, c := range a.Choices {
		after.chosen[c.Name] = true
		if c.Docs < 0 {
			c.Docs = guess
		}
		after.docs += c.Docs
	}
	for _, name := range f.Matched {
		after.matched[name] = true
	}
	after.all = max(after.all, all+s.docs)
	return after
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
	ahead := f.Now.Add(24 * time.Hour)
	newest := newestOfSeries(f.Looked, f.Daters, ahead)
	for _, c := range slices.Clone(a.Choices) {
		p := placeOf(c.Name, f.Daters)
		switch {
		case g.Future && p.at.After(ahead):
			a.hold("future", c.Name, "its name is dated "+p.at.Format(time.DateOnly)+", in the future", "--guard-future=false")
		case g.Newest && newest[c.Name]:
			why := "it is the newest of its series " + p.series
			if a.Kind == "delete_indices" {
				why += ": it may still be written to"
			}
			a.hold("newest", c.Name, why, "--guard-newest=false")
		}
	}
	if g.MaxDeleteRatio < 1 {
		a.ratio(g.MaxDeleteRatio, f)
	}
	if !a.HeldAll() {
		*f.Run = f.Run.count(a, f)
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
	spent := f.Run.count(a, f)
	for _, part := range []struct {
		part, all int64
		what      string
	}{
		{int64(len(a.Choices)), int64(len(f.Matched)), "%d of the %d that match"},
		{int64(len(spent.chosen)), int64(len(spent.matched)), "%d of the %d that match in this run"},
		{spent.docs, spent.all, "%d of all %d documents, in this run,"},
	} {
		share := float64(part.part) / float64(max(part.all, 1))
		if part.all == 0 || share <= limit {
			continue
		}
		allow := strconv.FormatFloat(min(1, float64(int(share*100)+1)/100), 'g', -1, 64)
		a.hold("max_delete_ratio", "", fmt.Sprintf(part.what+" are more than %.0f %%", part.part, part.all, limit*100), "--max-delete-ratio "+allow)
		return
	}
}
