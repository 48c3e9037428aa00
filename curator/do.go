package curator

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/cluster"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/curator/plan"
	"github.com/podbeat/podbeat/curator/serve"
	"github.com/podbeat/podbeat/curator/setting"
)

// carryOut does what a plan says, or says what it would do.
func (r *run) carryOut(ctx context.Context, c *cluster.Cluster, a *action.Action, p *plan.Action, sel cluster.Selection, log *slog.Logger) error {
	switch {
	case r.mode == draft:
		p.Unplanned = foreseen(a, p)
		return nil
	case len(p.Held) > 0 && len(sel.Items) == 0:
		log.Info(fmt.Sprintf(`Skipping action "%s": guards hold back all of it.`, a.Kind))
		return nil
	case r.mode == dryRun:
		return c.DryRun(ctx, a, sel)
	}
	// A stop lets what is in hand come to its end, so that the log and the audit say what became of it.
	c.Before = func(context.Context) error { return r.mayGoOn(ctx) }
	c.Begins = func(it filter.Item) error { return r.write(p, it.Name, it.UUID, "begun", nil) }
	return c.Apply(context.WithoutCancel(ctx), a, sel, func(done cluster.Result) { r.done(p, done) })
}

// mayGoOn says whether the next thing may be done: nil if so, or else why the run has to end.
func (r *run) mayGoOn(ctx context.Context) error {
	if err := serve.Continue(ctx); err != nil { // also of a run that is not by a schedule: its context is done
		return err
	}
	if r.audit != nil {
		return r.audit.Err()
	}
	return nil
}

// foreseen is what can be said of an action that chooses nothing.
func foreseen(a *action.Action, p *plan.Action) string {
	switch {
	case len(p.Choices) > 0 || len(p.Removes) > 0 || len(p.Held) > 0:
		return ""
	case takesList(a) && a.IgnoreEmptyList:
		return "nothing to act on"
	case takesList(a) && a.ID != "retention":
		return "nothing to act on: a run ends here with exit code 1, as ignore_empty_list is not set"
	case takesList(a):
		return ""
	}
	text, err := json.Marshal(setting.Values(a.Options))
	if err != nil {
		return ""
	}
	return "with " + string(text)
}

// done counts what was done to one index or snapshot, and writes it into the audit log.
func (r *run) done(p *plan.Action, done cluster.Result) {
	result := "ok"
	if done.Err != nil {
		result = "failed"
		r.results.Failed++
	} else {
		r.results.Done++
		r.results.Bytes += max(p.Choice(done.Name).Size, 0)
	}
	_ = r.write(p, done.Name, done.UUID, result, done.Err) // the log keeps its error, and mayGoOn asks for it
}

// write puts a line into the audit log, if there is one.
func (r *run) write(p *plan.Action, name, uuid, result string, reason error) error {
	if r.audit == nil {
		return nil
	}
	c := p.Choice(name)
	e := serve.Entry{
		Time: r.now().UTC(), Cluster: r.made.Cluster.Name + " " + r.made.Cluster.UUID, Action: p.Kind, Rule: c.Rule, Why: c.Why,
		Index: name, UUID: uuid, Created: c.Created, Docs: c.Docs, Bytes: c.Size, Result: result,
		Source: r.made.Source, SHA256: r.made.SHA256,
	}
	if reason != nil {
		e.Error = reason.Error()
	}
	return r.audit.Write(e)
}

// follow replaces what was just decided by what an earlier plan says, if the cluster is still as it was.
func (r *run) follow(a *action.Action, p *plan.Action, earlier *plan.Plan, items []filter.Item) error {
	for i := range earlier.Actions {
		before := &earlier.Actions[i]
		if before.ID != a.ID {
			continue
		}
		gone, err := p.Follow(before, items)
		if err != nil {
			return err
		}
		if len(gone) > 0 {
			r.log.Warn("Gone since the plan was made: " + strings.Join(gone, ", "))
		}
		return nil
	}
	return fmt.Errorf("the plan has no action %s: make it anew", a.ID)
}

// A simulation keeps the lists of a plan that is only made, as the actions before will have left them.
type simulation map[string][]filter.Item

// or is the list of that name, from fetch the first time, and each time when what is planned is also done.
func (s simulation) or(name string, m mode, fetch func() ([]filter.Item, error)) ([]filter.Item, error) {
	if list, ok := s[name]; ok && m == draft {
		return list, nil
	}
	list, err := fetch()
	if err == nil {
		s[name] = list
	}
	return list, err
}

// after changes the lists as the action will change the cluster.
func (s simulation) after(p *plan.Action) {
	for name, list := range s {
		if strings.HasPrefix(name, "snapshots ") == (p.Kind == "delete_snapshots") {
			s[name] = p.After(list)
		}
	}
}
