package curator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/cluster"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/curator/plan"
	"github.com/podbeat/podbeat/curator/serve"
	"github.com/podbeat/podbeat/es"
)

// A run is one pass over an action file or a policy:
//
//	what is in the cluster ──► filters, policy ──► plan ──► guards ──► done to the cluster, or printed
//	       cluster                 filter          plan      plan            cluster
//
// Deciding knows only values; cluster is the one that asks and acts.
type run struct {
	es         *es.Client
	log        *slog.Logger
	now        func() time.Time // the clock
	mode       mode
	guards     plan.Guards
	strict     bool
	daily      bool          // run by a schedule: nothing to do is as it should be
	anyVersion bool          // say nothing of a version that was not tried
	master     bool          // go on only if the node asked is the elected master
	audit      *serve.Audit  // has a line for each index acted on; nil: none
	working    *cli.Progress // nil: none

	made    plan.Plan // what was decided so far
	facts   plan.Facts
	spent   plan.Spent
	results tally
}

// A mode says what becomes of a plan.
type mode int

const (
	apply  mode = iota // it is done
	dryRun             // Curator's dry-run lines are logged
	draft              // it is only made
)

// A tally counts what a run has done, for its summary.
type tally struct {
	Done, Failed int
	Bytes        int64
	Held         int
}

// begin learns about the cluster what every plan needs.
func (r *run) begin(ctx context.Context, source, sha256 string) error {
	info, err := r.es.Info(ctx)
	if err != nil {
		return err
	}
	if v := info.Version; !r.anyVersion && v.Distribution == "" && (v.Major < 7 || v.Major == 7 && v.Minor < 14 || v.Major > 8) {
		r.log.Warn(fmt.Sprintf("Elasticsearch %s is not one that curator was tried with: 7.17 and 8 are. skip_version_test silences this.", v.Text))
	}
	if r.master {
		elected, err := cluster.Elected(ctx, r.es)
		if err != nil {
			return err
		}
		if !elected {
			r.log.Info("Master-only flag detected. Connected to non-master node. Aborting.")
			return cli.Exit{}
		}
	}
	now := r.now()
	r.made = plan.Plan{Version: plan.Version, Made: now.UTC(), Source: source, SHA256: sha256, Strict: r.strict,
		Cluster: plan.Cluster{Name: info.ClusterName, UUID: info.ClusterUUID, Version: info.Version.Text}, Actions: []plan.Action{}}
	return nil
}

// guardFacts asks for health and clock, for an action that deletes.
func (r *run) guardFacts(ctx context.Context, c *cluster.Cluster) error {
	if !r.guards.Health && !r.guards.Clock {
		return nil
	}
	health, err := c.Health(ctx)
	if err != nil {
		return err
	}
	r.facts.Health = health.Status
	r.facts.Skew = health.Time.Sub(r.now())
	return nil
}

// file runs the actions of a file in their order. earlier is a plan that was made before, or nil.
func (r *run) file(ctx context.Context, f *action.File, earlier *plan.Plan) error {
	for _, warning := range f.Warnings {
		r.log.Warn(warning)
	}
	var end cli.Exit
	if err := r.begin(ctx, f.Name, f.SHA256); errors.As(err, &end) {
		return end
	} else if err != nil {
		r.log.Error(fmt.Sprintf("Unable to establish client connection to Elasticsearch: %v", err))
		return cli.Exit{Code: 1}
	}
	if earlier != nil {
		if err := r.foresee(ctx, f, earlier); err != nil {
			r.log.Error("Cannot apply the plan, and nothing was done: " + err.Error())
			return cli.Exit{Code: 1}
		}
	}
	sim := simulation{}
	for i := range f.Actions {
		if err := r.action(ctx, &f.Actions[i], earlier, sim); err != nil {
			return err
		}
	}
	if r.mode != draft {
		r.log.Info("All actions completed.")
	}
	if r.results.Held > 0 {
		return cli.Exit{Code: 1}
	}
	return nil
}

// foresee says whether all of an earlier plan can be done, before any of it is.
func (r *run) foresee(ctx context.Context, f *action.File, earlier *plan.Plan) error {
	if err := earlier.Fits(r.made.Cluster, f.Name, f.SHA256, r.now()); err != nil {
		return err
	}
	ahead := *r
	ahead.mode, ahead.log, ahead.spent = draft, slog.New(slog.DiscardHandler), plan.Spent{}
	sim := simulation{}
	for i := range f.Actions {
		a := &f.Actions[i]
		if a.DisableAction {
			continue
		}
		p, _, err := ahead.decide(ctx, ahead.cluster(a), a, earlier, sim)
		if err != nil {
			return fmt.Errorf("action %s: %w", a.ID, err)
		}
		sim.after(&p)
	}
	return nil
}

// action runs one action, with the log lines of Curator.
func (r *run) action(ctx context.Context, a *action.Action, earlier *plan.Plan, sim simulation) error {
	log := r.log
	if r.mode == draft {
		log = slog.New(slog.DiscardHandler)
	}
	if a.DisableAction {
		log.Info(fmt.Sprintf(`Action ID: %s: "%s" not performed because "disable_action" is set to True`, a.ID, a.Kind))
		r.made.Add(plan.Of(a, 0))
		return nil
	}
	log.Info(fmt.Sprintf(`Preparing Action ID: %s, "%s"`, a.ID, a.Kind))
	log.Info("Creating client object and testing connection")
	c := r.cluster(a)
	c.Log = log
	if skip, err := r.managedRollover(ctx, c, a); err != nil {
		return r.failed(ctx, a, err)
	} else if skip {
		return nil
	}
	log.Info(fmt.Sprintf(`Trying Action ID: %s, "%s": %s`, a.ID, a.Kind, a.Description))
	p, sel, err := r.decide(ctx, c, a, earlier, sim)
	if err == nil {
		err = r.carryOut(ctx, c, a, &p, sel, log)
	}
	if p.Kind != "" {
		r.made.Add(p)
		sim.after(&p)
	}
	if err != nil {
		if err := r.failed(ctx, a, err); err != nil {
			return err
		}
	}
	r.working.End()
	log.Info(fmt.Sprintf(`Action ID: %s, "%s" completed.`, a.ID, a.Kind))
	return nil
}

// managedRollover says whether a rollover is left to ILM.
func (r *run) managedRollover(ctx context.Context, c *cluster.Cluster, a *action.Action) (bool, error) {
	o, ok := a.Options.(*action.Rollover)
	if !ok || a.AllowILMIndices {
		return false, nil
	}
	managed, err := c.Managed(ctx, o.Name)
	if managed {
		c.Log.Info(fmt.Sprintf("Alias %s is associated with ILM policy.", o.Name))
	}
	return managed, err
}

// failed says what Curator says about an action that failed, and whether the run ends with it.
func (r *run) failed(ctx context.Context, a *action.Action, err error) error {
	if end := r.mayGoOn(ctx); end != nil {
		r.log.Error(fmt.Sprintf("Ended during action %s: %v", a.ID, end))
		return cli.Exit{Code: 1}
	}
	class := classOf(err)
	if class == "NoIndices" || class == "NoSnapshots" {
		if a.IgnoreEmptyList || r.daily && !r.strict {
			r.log.Info(fmt.Sprintf(`Skipping action "%s" due to empty list: %s`, a.Kind, python(class)))
			return nil
		}
		r.log.Error(fmt.Sprintf(`Unable to complete action "%s".  No actionable items in list: %s`, a.Kind, python(class)))
		return cli.Exit{Code: 1}
	}
	text := err.Error()
	var decided *filter.Error
	if r.strict && errors.As(err, &decided) {
		text = decided.Text // as Curator has it, which does not say which filter it was
	}
	r.log.Error(fmt.Sprintf("Failed to complete action: %s.  %s: %s", a.Kind, python(class), text))
	if a.ContinueIfException {
		r.log.Info(fmt.Sprintf(`Continuing execution with next action because "continue_if_exception" is set to True for action %s`, a.Kind))
		return nil
	}
	return cli.Exit{Code: 1}
}

// classOf is the name that Curator has for an error.
func classOf(err error) string {
	var done *cluster.Error
	var decided *filter.Error
	switch {
	case errors.As(err, &done):
		return done.Class
	case errors.As(err, &decided):
		return decided.Class
	}
	return "FailedExecution"
}

// python is how Python writes the class of an exception, which is mostly one of Curator's own.
func python(class string) string {
	if class == "ValueError" || class == "TypeError" {
		return "<class '" + class + "'>"
	}
	return "<class 'curator.exceptions." + class + "'>"
}

// decide makes the plan of one action: what there is, what the filters leave or an earlier plan says, what the
// guards hold back.
func (r *run) decide(ctx context.Context, c *cluster.Cluster, a *action.Action, earlier *plan.Plan, sim simulation) (p plan.Action, sel cluster.Selection, err error) {
	items, err := r.items(ctx, c, a, sim)
	if err != nil {
		return p, sel, err
	}
	p = plan.Of(a, len(items))
	var meant []string
	switch {
	case !takesList(a):
	case earlier != nil:
		if err = r.follow(a, &p, earlier, items); err == nil {
			meant = r.meant(ctx, c, a, &p, items)
		}
	case a.Kind == "alias":
		err = r.chooseBoth(ctx, c, a, &p, items)
	default:
		var out filter.Outcome
		if out, err = r.filter(ctx, c, r.filters(a), items); err == nil {
			p.Choose(out, r.now())
			meant = matched(a.Filters, out)
		}
	}
	if err != nil {
		return p, sel, err
	}
	for _, warning := range p.Warnings {
		r.log.Warn(warning)
	}
	if err := r.guard(ctx, c, &p, items, meant, daters(a.Filters)); err != nil {
		return p, sel, err
	}
	sel.Items, sel.Remove = p.Items()
	if a.Kind == "alias" {
		sel.Items, sel.Add = nil, sel.Items
	}
	return p, sel, nil
}

// meant is what an action that follows an earlier plan is about, so that the share is measured again.
func (r *run) meant(ctx context.Context, c *cluster.Cluster, a *action.Action, p *plan.Action, items []filter.Item) (names []string) {
	if out, err := r.filter(ctx, c, r.filters(a), items); err == nil {
		names = matched(a.Filters, out)
	}
	if len(names) > 0 {
		return names
	}
	for _, c := range p.Choices { // nothing is by now: what is chosen is all there is
		names = append(names, c.Name)
	}
	return names
}

// chooseBoth decides both lists of an alias action.
func (r *run) chooseBoth(ctx context.Context, c *cluster.Cluster, a *action.Action, p *plan.Action, items []filter.Item) error {
	for _, side := range []struct {
		filters []filter.Filter
		choose  func(filter.Outcome, time.Time)
	}{{a.Remove, p.ChooseRemoved}, {a.Add, p.Choose}} {
		if side.filters == nil {
			continue
		}
		out, err := r.filter(ctx, c, side.filters, items)
		if err != nil {
			return err
		}
		side.choose(out, r.now())
	}
	return nil
}

// guard lets the guards look at a plan, and says what they hold back.
func (r *run) guard(ctx context.Context, c *cluster.Cluster, p *plan.Action, looked []filter.Item, matched []string, daters []plan.Dater) error {
	if !p.Destroys() || len(p.Choices) == 0 {
		return nil
	}
	if err := r.guardFacts(ctx, c); err != nil {
		return err
	}
	f := r.facts
	f.Now, f.Looked, f.Matched, f.Daters, f.Run = r.now(), looked, matched, daters, &r.spent
	p.Guard(r.guards, f)
	for _, h := range p.Held {
		r.results.Held++
		who := h.Name
		if who == "" {
			who = "the action"
		}
		r.log.Warn(fmt.Sprintf("Guard %s holds back %s: %s. %s lets it pass.", h.Guard, who, h.Why, h.Allow))
	}
	return nil
}

// matched are the items that a plan is about: all but those that a filter of names, aliases or states took out.
// Where nothing limits them by age, size or number, it is all that were looked at.
func matched(filters []filter.Filter, out filter.Outcome) (names []string) {
	limited := slices.ContainsFunc(filters, func(f filter.Filter) bool { return quantity[f.Type()] })
	for _, it := range out.Left {
		names = append(names, it.Name)
	}
	for _, d := range out.Dropped {
		if !limited || d.Filter > 0 && quantity[filters[d.Filter-1].Type()] {
			names = append(names, d.Name)
		}
	}
	return names
}

// daters are how the filters of an action read dates in names.
func daters(filters []filter.Filter) (found []plan.Dater) {
	for _, f := range filters {
		if find := filter.DateIn(f); find != nil {
			found = append(found, find)
		}
	}
	return found
}

// repositoryOf is where the snapshots are that an action looks at; "" if it looks at indices.
func repositoryOf(a *action.Action) string {
	switch o := a.Options.(type) {
	case *action.DeleteSnapshots:
		return o.Repository
	case *action.Restore:
		return o.Repository
	}
	return ""
}

// filters are those of the action, and the one that leaves to ILM what is ILM's.
func (r *run) filters(a *action.Action) []filter.Filter {
	if a.AllowILMIndices || repositoryOf(a) != "" {
		return a.Filters
	}
	return filter.WithoutILM(a.Filters, r.clock())
}

func (r *run) clock() filter.Clock { return filter.Clock{Now: r.now(), Strict: r.strict} }

// takesList says whether the action acts on what filters leave of a list.
func takesList(a *action.Action) bool {
	return a.Kind != "cluster_routing" && a.Kind != "create_index" && a.Kind != "rollover"
}

// quantity are the filters that say how much, not which.
var quantity = map[string]bool{"age": true, "count": true, "empty": true, "period": true, "size": true, "space": true}

// items is what an action looks at. While a plan is only made, it is what the actions before it will have left.
func (r *run) items(ctx context.Context, c *cluster.Cluster, a *action.Action, sim simulation) ([]filter.Item, error) {
	repository := repositoryOf(a)
	switch {
	case !takesList(a):
		return nil, nil
	case repository != "":
		return sim.or("snapshots "+repository, r.mode, func() ([]filter.Item, error) { return c.Snapshots(ctx, repository) })
	}
	key := fmt.Sprintf("indices %q %v", a.SearchPattern, a.IncludeHidden)
	return sim.or(key, r.mode, func() ([]filter.Item, error) { return c.Indices(ctx, a.SearchPattern, a.IncludeHidden) })
}

// filter runs the filters, and learns what they ask for until they can decide.
func (r *run) filter(ctx context.Context, c *cluster.Cluster, filters []filter.Filter, items []filter.Item) (filter.Outcome, error) {
	for range 2 + 4*len(filters) { // a filter asks for few things, each once
		out, err := filter.Run(filters, items, r.clock())
		switch {
		case err == nil && out.EmptyAt > 0:
			class := "NoIndices"
			if len(items) > 0 && items[0].State != "" {
				class = "NoSnapshots"
			}
			return out, &filter.Error{Class: class, Text: fmt.Sprintf("filter %d has nothing left to look at", out.EmptyAt)}
		case err != nil || len(out.Missing) == 0:
			return out, err
		}
		if err := c.Learn(ctx, items, out.Missing); err != nil {
			return filter.Outcome{}, err
		}
	}
	return filter.Outcome{}, errors.New("the filters ask again for what they were told: please report this")
}
