package cluster

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// repositoryExists fails unless it does.
func (c *Cluster) repositoryExists(ctx context.Context, repository string) error {
	if !plain(strings.TrimLeft(repository, "_")) {
		return failf("ConfigurationError", "%q is not the name of one repository", repository)
	}
	err := c.get(ctx, "/_snapshot"+es.Path(repository), nil, nil)
	if es.Status(err) == http.StatusNotFound {
		return failf("ActionError", "Cannot snapshot indices to missing repository: %s", repository)
	}
	return err
}

// verifyRepository has every node write to a repository, unless skip.
func (c *Cluster) verifyRepository(ctx context.Context, repository string, skip bool) error {
	if skip {
		return nil
	}
	if err := c.post(ctx, "/_snapshot"+es.Path(repository, "_verify"), nil, nil, nil); err != nil {
		return failf("RepositoryException", "Failed to verify all nodes have repository access: %w", err)
	}
	return nil
}

// noSnapshotRunning fails with words while one is taken.
func (c *Cluster) noSnapshotRunning(ctx context.Context, words string) error {
	var answer struct{ Snapshots []struct{ Snapshot string } }
	err := c.get(ctx, "/_snapshot/_status", with("filter_path", "snapshots.snapshot"), &answer)
	if err == nil && len(answer.Snapshots) > 0 {
		return failf("SnapshotInProgress", "%s", words)
	}
	return err
}

// snapshotName checks what a snapshot action needs, and returns the name of the snapshot.
func (c *Cluster) snapshotName(ctx context.Context, o *action.Snapshot, items []filter.Item) (string, error) {
	if len(items) == 0 {
		return "", failf("NoIndices", "index_list object is empty.")
	}
	if err := c.repositoryExists(ctx, o.Repository); err != nil {
		return "", err
	}
	return c.newName(ctx, o.Name)
}

func (c *Cluster) snapshot(ctx context.Context, o *action.Snapshot, items []filter.Item, done func(Result)) error {
	name, err := c.snapshotName(ctx, o, items)
	if err != nil {
		return err
	}
	if err := c.verifyRepository(ctx, o.Repository, o.SkipRepoFSCheck); err != nil {
		return err
	}
	if err := c.noSnapshotRunning(ctx, "Snapshot already in progress."); err != nil {
		return err
	}
	began := time.Now()
	c.Log.Info(fmt.Sprintf(`Creating snapshot "%s" from indices: %s`, name, python(names(items))))
	path := "/_snapshot" + es.Path(o.Repository, name)
	err = c.put(ctx, path, with("wait_for_completion", "false"), map[string]any{"indices": csv(items),
		"ignore_unavailable": o.IgnoreUnavailable, "include_global_state": o.IncludeGlobalState, "partial": o.Partial}, nil)
	if lost(err) && ctx.Err() == nil {
		if _, missing := c.snapshotState(ctx, path); missing == nil { // the answer was lost, not the request
			err = nil
		}
	}
	switch {
	case err != nil:
	case !o.WaitForCompletion:
		c.Log.Warn(`"wait_for_completion" set to False. Remember to check for successful completion manually.`)
	default:
		err = c.wait(ctx, "snapshot", o.WaitInterval, o.MaxWait, func() (bool, error) { return c.snapshotDone(ctx, path, name) })
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done(Result{Name: name, Err: err, Took: time.Since(began)})
	return failed(err)
}

func (c *Cluster) snapshotState(ctx context.Context, path string) (string, error) {
	var answer struct {
		Snapshots []struct{ State string }
	}
	err := c.get(ctx, path, nil, &answer)
	if err == nil && len(answer.Snapshots) != 1 {
		err = failf("CuratorException", "the snapshot at %s is not found", path)
	}
	if err != nil {
		return "", err
	}
	return answer.Snapshots[0].State, nil
}

// snapshotDone reports whether a snapshot has ended, with an error if it has not succeeded.
func (c *Cluster) snapshotDone(ctx context.Context, path, name string) (bool, error) {
	state, err := c.snapshotState(ctx, path)
	switch {
	case err != nil:
		return !away(err), err
	case state == "IN_PROGRESS":
		c.Log.Info(fmt.Sprintf("Snapshot %s still in progress.", name))
		c.snapshotProgress(ctx, path, name)
		return false, nil
	case state == "SUCCESS":
		c.Log.Info(fmt.Sprintf("Snapshot %s successfully completed.", name))
		return true, nil
	}
	err = failf("FailedSnapshot", "Snapshot %s completed with state: %s", name, state)
	c.Log.Error(err.Error())
	return true, err
}

// snapshotProgress tells how many of the bytes that are new since the last snapshot are written.
func (c *Cluster) snapshotProgress(ctx context.Context, path, name string) {
	if c.Progress == nil {
		return
	}
	type amount struct {
		Bytes int64 `json:"size_in_bytes"`
	}
	var answer struct {
		Snapshots []struct {
			Stats struct{ Incremental, Processed amount }
		}
	}
	err := c.get(ctx, path+"/_status", with("filter_path", "snapshots.stats"), &answer)
	if err == nil && len(answer.Snapshots) == 1 {
		stats := answer.Snapshots[0].Stats
		c.progress("snapshot "+name, stats.Processed.Bytes, stats.Incremental.Bytes)
	}
}

// deleteSnapshots deletes one after the other. One that cannot be deleted while another is taken is tried
// again; an answer that is lost is looked for.
func (w *work) deleteSnapshots(ctx context.Context, o *action.DeleteSnapshots) error {
	if len(w.items) == 0 {
		return failf("NoSnapshots", "snapshot_list object is empty.")
	}
	w.Log.Info(fmt.Sprintf("Deleting %d selected snapshots: %s", len(w.items), w.list()))
	for i, item := range w.items {
		began := time.Now()
		if err := w.begins(item); err != nil {
			return err
		}
		w.Log.Info(fmt.Sprintf("Deleting snapshot %s...", item.Name))
		var err error
		for try := 0; ; try++ {
			err = w.delete(ctx, "/_snapshot"+es.Path(o.Repository, item.Name), nil)
			if es.Type(err) == "snapshot_missing_exception" {
				err = nil // gone, by an earlier try or by somebody else
			}
			if err == nil || try >= o.RetryCount || !away(err) && es.Type(err) != "concurrent_snapshot_execution_exception" {
				break
			}
			w.Log.Warn(fmt.Sprintf("Snapshot %s cannot be deleted yet, trying again in %.0f seconds: %v", item.Name, o.RetryInterval.Seconds(), err))
			if err := w.sleep(ctx, o.RetryInterval); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.finish(item, began, err)
		w.progress("delete_snapshots", int64(i+1), int64(len(w.items)))
	}
	return w.result()
}

// A restoration is a restore that has been checked.
type restoration struct {
	from     filter.Item
	indices  []string // of the snapshot
	expected []string // what they are called afterwards
	body     map[string]any
}

// Keys of a restore request that extra_settings may have. All else there are settings of indices.
var restoreKeys = []string{"index_settings", "ignore_index_settings", "feature_states", "storage_type"}

func (c *Cluster) restoration(ctx context.Context, o *action.Restore, items []filter.Item) (r restoration, err error) {
	if len(items) == 0 {
		return r, failf("NoSnapshots", "snapshot_list object is empty.")
	}
	if o.Name == "" {
		r.from = slices.MaxFunc(items, func(a, b filter.Item) int { return a.Created.Compare(b.Created) })
	} else if i := slices.IndexFunc(items, func(item filter.Item) bool { return item.Name == o.Name }); i >= 0 {
		r.from = items[i]
	} else if r.from, err = c.oneSnapshot(ctx, o.Repository, o.Name); err != nil {
		return r, err
	}
	if r.from.State == "PARTIAL" && o.Partial {
		c.Log.Warn("Performing restore of snapshot in state PARTIAL.")
	} else if r.from.State != "SUCCESS" {
		return r, failf("CuratorException", `Restore operation can only be performed on snapshots with state "SUCCESS", or "PARTIAL" if partial=True. Snapshot %s has state %s.`, r.from.Name, r.from.State)
	}
	r.indices = r.from.Indices
	taken := r.indices
	if len(o.Indices) == 0 && o.RenamePattern == "" {
		if taken, err = c.withoutSystem(ctx, o.Repository, r.from); err != nil {
			return r, err
		}
		r.indices = taken
	} else if len(o.Indices) > 0 {
		r.indices = o.Indices
		taken = slices.DeleteFunc(slices.Clone(r.from.Indices), func(name string) bool { return !targeted(o.Indices, name) })
	}
	if r.expected, err = renamed(taken, o.RenamePattern, o.RenameReplacement); err != nil {
		return r, err
	}
	r.body = map[string]any{"indices": strings.Join(r.indices, ","), "include_aliases": o.IncludeAliases,
		"ignore_unavailable": o.IgnoreUnavailable, "include_global_state": o.IncludeGlobalState, "partial": o.Partial}
	if o.RenamePattern != "" && o.RenameReplacement != "" {
		r.body["rename_pattern"], r.body["rename_replacement"] = o.RenamePattern, o.RenameReplacement
	}
	settings := map[string]any{}
	for key, value := range o.ExtraSettings {
		if slices.Contains(restoreKeys, key) {
			r.body[key] = value
		} else {
			settings[key] = value
		}
	}
	if given, ok := r.body["index_settings"].(map[string]any); ok {
		maps.Copy(settings, given)
	}
	if len(settings) > 0 {
		r.body["index_settings"] = settings
	}
	return r, nil
}

// withoutSystem are the indices of a snapshot but for those of the system that are there and open: nobody has
// asked for them, and because of them Elasticsearch would restore none.
func (c *Cluster) withoutSystem(ctx context.Context, repository string, from filter.Item) ([]string, error) {
	var answer struct {
		Snapshots []struct {
			Features []struct{ Indices []string } `json:"feature_states"`
		}
	}
	err := c.get(ctx, "/_snapshot"+es.Path(repository, from.Name), with("filter_path", "snapshots.feature_states.indices"), &answer)
	if err != nil || len(answer.Snapshots) == 0 {
		return from.Indices, err
	}
	var system []string
	for _, feature := range answer.Snapshots[0].Features {
		system = append(system, feature.Indices...)
	}
	if len(system) == 0 {
		return from.Indices, nil
	}
	there, err := c.list(ctx, "*", "open,hidden")
	left := slices.DeleteFunc(slices.Clone(from.Indices), func(name string) bool {
		return slices.Contains(system, name) && slices.ContainsFunc(there, func(item filter.Item) bool { return item.Name == name })
	})
	if len(left) < len(from.Indices) {
		c.Log.Warn(fmt.Sprintf("%d indices of the system in snapshot %s are not restored, as they are there and open.", len(from.Indices)-len(left), from.Name))
	}
	return left, err
}

// oneSnapshot looks a snapshot up by its name.
func (c *Cluster) oneSnapshot(ctx context.Context, repository, name string) (filter.Item, error) {
	all, err := c.Snapshots(ctx, repository)
	if err != nil {
		return filter.Item{}, err
	}
	for _, item := range all {
		if item.Name == name {
			return item, nil
		}
	}
	return filter.Item{}, failf("CuratorException", "Snapshot %q not found in repository %q", name, repository)
}

// targeted reports whether Elasticsearch takes name for one of patterns: names with *, those with - in front
// take away what an earlier one has chosen.
func targeted(patterns []string, name string) bool {
	in := false
	for i, pattern := range strings.Split(strings.Join(patterns, ","), ",") {
		pattern, minus := strings.CutPrefix(pattern, "-")
		if minus && i == 0 {
			in = true
		}
		if pattern == "_all" || wild(pattern, name) {
			in = !minus
		}
	}
	return in
}

// wild matches a pattern with *.
func wild(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, last)
}

// renamed are the names that Elasticsearch gives to restored indices: pattern is one of Java, and $1 in
// replacement a group of it.
func renamed(names []string, pattern, replacement string) ([]string, error) {
	if pattern == "" || replacement == "" {
		return names, nil
	}
	re, err := regexp2.Compile(pattern, regexp2.None)
	if err != nil {
		return nil, failf("ConfigurationError", "cannot use rename_pattern %q: %w", pattern, err)
	}
	re.MatchTimeout = time.Second
	after := make([]string, len(names))
	for i, name := range names {
		if after[i], err = re.Replace(name, replacement, -1, -1); err != nil {
			return nil, failf("ConfigurationError", "cannot use rename_pattern %q on %s: %w", pattern, name, err)
		}
	}
	return after, nil
}

func (c *Cluster) restore(ctx context.Context, o *action.Restore, items []filter.Item, done func(Result)) error {
	r, err := c.restoration(ctx, o, items)
	if err != nil {
		return err
	}
	if err := c.verifyRepository(ctx, o.Repository, o.SkipRepoFSCheck); err != nil {
		return err
	}
	if err := c.noSnapshotRunning(ctx, "Cannot restore while a snapshot is in progress."); err != nil {
		return err
	}
	began := time.Now()
	c.Log.Info(fmt.Sprintf(`Restoring indices "%s" from snapshot: %s`, python(r.indices), r.from.Name))
	err = c.post(ctx, "/_snapshot"+es.Path(o.Repository, r.from.Name, "_restore"), with("wait_for_completion", "false"), r.body, nil)
	if err == nil && !o.WaitForCompletion {
		c.Log.Warn(`"wait_for_completion" set to False. Remember to check for successful completion manually.`)
	} else if err == nil {
		err = c.wait(ctx, "restore", o.WaitInterval, o.MaxWait, func() (bool, error) { return c.restored(ctx, r) })
		err = or(err, c.reportRestored(ctx, r.expected))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	done(Result{r.from.Name, r.from.UUID, err, time.Since(began)})
	return failed(err)
}

// restored reports whether all primaries are restored; it fails if one cannot be.
func (c *Cluster) restored(ctx context.Context, r restoration) (bool, error) {
	there, err := c.existing(ctx, r.expected)
	if err != nil {
		return !away(err), err
	}
	existing := slices.DeleteFunc(slices.Clone(r.expected), func(name string) bool { return !there[name] })
	pending := ""
	for _, chunk := range es.Chunks(existing, maxNames) {
		var rows []struct {
			Index, Prirep, State string
			Reason               *string `json:"unassigned.reason"`
		}
		err := c.get(ctx, "/_cat/shards"+es.Path(strings.Join(chunk, ",")), with("format", "json", "h", "index,prirep,state,unassigned.reason"), &rows)
		if err != nil {
			return !away(err), err
		}
		for _, row := range rows {
			switch {
			case row.Prirep != "p" || row.State == "STARTED" || row.State == "RELOCATING":
			case row.State == "UNASSIGNED" && row.Reason != nil && *row.Reason == "ALLOCATION_FAILED":
				return true, failf("FailedRestore", "Index %s cannot be restored from snapshot %s: a shard of it fails", row.Index, r.from.Name)
			default:
				pending = row.Index
			}
		}
	}
	if pending != "" {
		c.Log.Info(fmt.Sprintf(`Index "%s" is still being restored`, pending))
		c.restoreProgress(ctx, existing, r.from.Name)
		return false, nil
	}
	c.Log.Info("Provided indices: " + python(r.expected))
	c.Log.Info("Found indices: " + python(existing))
	return true, nil
}

// restoreProgress tells how many of the bytes of names are there.
func (c *Cluster) restoreProgress(ctx context.Context, names []string, snapshot string) {
	if c.Progress == nil {
		return
	}
	var bytes, total int64
	for _, chunk := range es.Chunks(names, maxNames) {
		var answer map[string]struct {
			Shards []struct {
				Index struct {
					Size struct {
						Recovered int64 `json:"recovered_in_bytes"`
						Total     int64 `json:"total_in_bytes"`
					}
				}
			}
		}
		if c.get(ctx, es.Path(strings.Join(chunk, ","), "_recovery"), with("filter_path", "*.shards.index.size"), &answer) != nil {
			return
		}
		for _, index := range answer {
			for _, shard := range index.Shards {
				bytes, total = bytes+shard.Index.Size.Recovered, total+shard.Index.Size.Total
			}
		}
	}
	c.progress("restore "+snapshot, bytes, total)
}

// existing says which of names are indices.
func (c *Cluster) existing(ctx context.Context, names []string) (map[string]bool, error) {
	items := make([]filter.Item, len(names))
	for i, name := range names {
		items[i].Name = name
	}
	there := map[string]bool{}
	uuids, err := c.present(ctx, items)
	for name := range uuids {
		there[name] = true
	}
	return there, err
}

// reportRestored fails unless all names exist and have all their primaries.
func (c *Cluster) reportRestored(ctx context.Context, expected []string) error {
	there, err := c.existing(ctx, expected)
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range expected {
		if !there[name] {
			missing = append(missing, name)
			continue
		}
		c.Log.Info("Found restored index " + name)
	}
	if len(missing) > 0 {
		err := failf("FailedRestore", "Some of the indices do not appear to have been restored. Missing: %s", python(missing))
		c.Log.Error(err.Error())
		return err
	}
	c.Log.Info("All indices appear to have been restored.")
	return nil
}
