package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
)

// DryRun logs what Apply would do, in Curator's lines, and changes nothing. It fails where Curator's dry run
// does, as when there is nothing to restore.
func (c *Cluster) DryRun(ctx context.Context, a *action.Action, s Selection) error {
	w := &work{Cluster: c, items: s.Items, done: func(Result) {}}
	switch o := a.Options.(type) {
	case *action.Alias:
		return c.dryAlias(ctx, a, o, s)
	case *action.Allocation:
		w.dryList("allocation", pairs{"settings", map[string]any{"index.routing.allocation." + o.AllocationType + "." + o.Key: text(o.Value)}})
	case *action.Close:
		w.dryList("close", pairs{"delete_aliases", o.DeleteAliases})
	case *action.ClusterRouting:
		c.dry("Update cluster routing transient settings: " + python(pairs{"cluster.routing." + o.RoutingType + "." + o.Setting, o.Value}))
	case *action.CreateIndex:
		_, rest := newIndex(o)
		c.dry(fmt.Sprintf(`create_index "%s" with arguments: %s`, Stamp(o.Name, c.now()), python(rest)))
	case *action.DeleteIndices:
		w.dryList("delete_indices", nil)
	case *action.DeleteSnapshots:
		args := pairs{"repository", o.Repository, "retry_interval", int(o.RetryInterval.Seconds()), "retry_count", o.RetryCount}
		var lines []string
		for _, item := range s.Items {
			lines = append(lines, fmt.Sprintf("delete_snapshot: %s with arguments: %s", item.Name, python(args)))
		}
		c.dry(lines...)
	case *action.ForceMerge:
		w.dryList("forcemerge", pairs{"max_num_segments", o.MaxNumSegments, "delay", o.Delay.Seconds()})
	case *action.IndexSettings:
		w.dryList("indexsettings", pairs{"index", o.IndexSettings["index"]})
	case *action.Open:
		w.dryList("open", nil)
	case *action.Reindex:
		return c.dryReindex(ctx, o, s.Items)
	case *action.Replicas:
		w.dryList("replicas", pairs{"count", o.Count})
	case *action.Restore:
		return c.dryRestore(ctx, o, s.Items)
	case *action.Rollover:
		return c.dryRollover(ctx, o)
	case *action.Shrink:
		return w.dryShrink(ctx, o)
	case *action.Snapshot:
		return c.drySnapshot(ctx, o, s.Items)
	}
	return nil
}

// dry logs lines of a dry run.
func (c *Cluster) dry(lines ...string) {
	c.Log.Info("DRY-RUN MODE.  No changes will be made.")
	for _, line := range lines {
		c.Log.Info("DRY-RUN: " + line)
	}
}

// dryList logs what would be done to each of the indices, by name.
func (w *work) dryList(kind string, args pairs) {
	w.dry()
	w.Log.Info(fmt.Sprintf(`(CLOSED) indices may be shown that may not be acted on by action "%s".`, kind))
	items := slices.SortedFunc(slices.Values(w.items), func(a, b filter.Item) int { return strings.Compare(a.Name, b.Name) })
	for _, item := range items {
		closed := ""
		if item.Closed {
			closed = " (CLOSED)"
		}
		w.Log.Info(fmt.Sprintf("DRY-RUN: %s: %s%s with arguments: %s", kind, item.Name, closed, python(args)))
	}
}

func (c *Cluster) dryAlias(ctx context.Context, a *action.Action, o *action.Alias, s Selection) error {
	name, changes, err := c.aliasChanges(ctx, a, o, s)
	if err != nil {
		return err
	}
	var lines []string
	for _, change := range changes {
		if change.job == "add" {
			lines = append(lines, fmt.Sprintf(`alias: adding index "%s" to alias "%s"`, change.item.Name, name))
		} else {
			lines = append(lines, fmt.Sprintf(`alias: removing index "%s" from alias "%s"`, change.item.Name, name))
		}
	}
	c.dry(lines...)
	return nil
}

func (c *Cluster) dryRollover(ctx context.Context, o *action.Rollover) error {
	if err := c.rollable(ctx, o.Name); err != nil {
		return err
	}
	answer, err := c.roll(ctx, o, true)
	if err != nil {
		return failed(err)
	}
	line := fmt.Sprintf("Rollover conditions not met. Index %s not rolled over.", answer.Old)
	for _, met := range answer.Met {
		if met {
			line = fmt.Sprintf("Old index %s rolled over to new index %s", answer.Old, answer.New)
		}
	}
	c.dry(line)
	return nil
}

func (c *Cluster) drySnapshot(ctx context.Context, o *action.Snapshot, items []filter.Item) error {
	name, err := c.snapshotName(ctx, o, items)
	if err != nil {
		return asFailure(err)
	}
	args := pairs{"indices", names(items), "ignore_unavailable", o.IgnoreUnavailable, "include_global_state", o.IncludeGlobalState, "partial", o.Partial}
	c.dry(fmt.Sprintf("snapshot: %s in repository %s with arguments: %s", name, o.Repository, python(args)))
	return nil
}

func (c *Cluster) dryRestore(ctx context.Context, o *action.Restore, items []filter.Item) error {
	r, err := c.restoration(ctx, o, items)
	if err != nil {
		return asFailure(err)
	}
	c.dry(fmt.Sprintf("restore: Repository: %s Snapshot name: %s Arguments: %s", o.Repository, r.from.Name,
		python(pairs{"wait_for_completion", o.WaitForCompletion, "body", dryBody(o, r)})))
	after, err := renamed(r.indices, o.RenamePattern, o.RenameReplacement)
	if err != nil {
		return err
	}
	for i, index := range r.indices {
		as := ""
		if o.RenamePattern != "" && o.RenameReplacement != "" {
			as = "as " + after[i]
		}
		c.Log.Info(fmt.Sprintf("DRY-RUN: restore: Index %s %s", index, as))
	}
	return nil
}

// dryBody is the request in Curator's order.
func dryBody(o *action.Restore, r restoration) pairs {
	body := pairs{"indices", r.indices, "include_aliases", o.IncludeAliases, "ignore_unavailable", o.IgnoreUnavailable,
		"include_global_state", o.IncludeGlobalState, "partial", o.Partial, "rename_pattern", o.RenamePattern, "rename_replacement", o.RenameReplacement}
	for _, key := range slices.Sorted(maps.Keys(o.ExtraSettings)) {
		body = append(body, key, o.ExtraSettings[key])
	}
	return body
}

func (c *Cluster) dryReindex(ctx context.Context, o *action.Reindex, items []filter.Item) error {
	bodies, err := c.reindexings(ctx, o, items)
	if err != nil {
		return asFailure(err)
	}
	var lines []string
	for _, body := range bodies {
		lines = append(lines, "REINDEX: "+reindexText(o, body))
	}
	c.dry(lines...)
	return nil
}

func (w *work) dryShrink(ctx context.Context, o *action.Shrink) error {
	if err := w.shrinkable(o); err != nil {
		return err
	}
	for _, item := range w.items {
		s := &shrinking{work: w, o: o, item: item, target: o.ShrinkPrefix + item.Name + o.ShrinkSuffix}
		for _, against := range s.preflight(ctx) {
			w.Log.Warn("DRY-RUN: " + against.Error())
		}
		w.Log.Info(fmt.Sprintf(`DRY-RUN: Moving shards to shrink node: "%s"`, s.node.name))
		w.Log.Info("DRY-RUN: Shrinking index " + s.words())
		if o.PostAllocation != nil {
			w.Log.Info(fmt.Sprintf(`DRY-RUN: Applying post-shrink allocation rule "%s" to index "%s"`, rule(o.PostAllocation), s.target))
		}
		if o.CopyAliases {
			w.Log.Info(fmt.Sprintf(`DRY-RUN: Copy source index aliases "%s"`, item.Name))
		}
		if o.DeleteAfter {
			w.Log.Info(fmt.Sprintf(`DRY-RUN: Deleting source index "%s"`, item.Name))
		}
	}
	return nil
}

// asFailure gives an error of Elasticsearch the class of a failed action.
func asFailure(err error) error {
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	return failed(err)
}
