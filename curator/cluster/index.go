package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// deletePauses are between tries to delete indices that the server refuses to delete for now, as while a
// snapshot is taken of them.
var deletePauses = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second}

// deleteIndices deletes in rounds: what a round could not delete for a reason that may pass is the next
// one's. After each round it is looked at what is still there, as an answer may have been lost.
func (w *work) deleteIndices(ctx context.Context) error {
	if err := w.some(); err != nil {
		return err
	}
	w.Log.Info(fmt.Sprintf("Deleting %d selected indices: %s", len(w.items), w.list()))
	left := w.items
	for round := 1; ; round++ {
		began := time.Now()
		errs := w.deleteRound(ctx, left, round == 1)
		left = w.sortOut(ctx, left, errs, began, round > len(deletePauses))
		w.progress("delete_indices", int64(len(w.items)-len(left)), int64(len(w.items)))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if len(left) == 0 {
			return w.result()
		}
		w.Log.Error(fmt.Sprintf("The following indices failed to delete on try #%d:", round))
		for _, item := range left {
			w.Log.Error("---" + item.Name + reason(errs[item.Name]))
		}
		if err := w.sleep(ctx, deletePauses[round-1]); err != nil {
			return err
		}
		left = w.sortOut(ctx, left, nil, began, false) // another may have taken a name meanwhile
	}
}

// sortOut reports the items that are gone, or made anew since, and those that cannot be deleted, and
// returns the others. When ctx has ended, those that are gone are reported all the same.
func (w *work) sortOut(ctx context.Context, items []filter.Item, errs map[string]error, began time.Time, last bool) (again []filter.Item) {
	ended := ctx.Err() != nil
	if ended {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
	}
	there, unseen := w.present(ctx, items)
	for _, item := range items {
		err := errs[item.Name]
		uuid, is := there[item.Name]
		switch {
		case unseen == nil && is && item.UUID != "" && uuid != item.UUID:
			w.Log.Warn("Index " + item.Name + " is gone, and another has its name: that is left alone.")
			w.finish(item, began, nil)
		case unseen == nil && !is, refused(unseen) && es.Type(err) == "index_not_found_exception":
			w.finish(item, began, nil)
		case ended:
			again = append(again, item)
		case refused(unseen) && err == nil && errs != nil: // without the right to look, the server's yes has to do
			w.finish(item, began, nil)
		case err != nil && !passes(err):
			w.Log.Error(fmt.Sprintf("---%s cannot be deleted: %v", item.Name, err))
			w.finish(item, began, err)
		case last:
			w.finish(item, began, or(or(err, unseen), errors.New("the server took the request and did not delete it")))
		default:
			again = append(again, item)
		}
	}
	return again
}

func or(err, otherwise error) error {
	if err == nil {
		return otherwise
	}
	return err
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// deleteRound tries to delete items once, in chunks, and a chunk that is refused one by one. It returns the
// errors by name. When ctx ends it does no more. Nothing is repeated without a look at what is there: an index
// that was made anew since has the name, but is not the one that was chosen.
func (w *work) deleteRound(ctx context.Context, items []filter.Item, first bool) map[string]error {
	errs := map[string]error{}
	i := 0
	for _, list := range es.Chunks(names(items), maxNames) {
		chunk := items[i : i+len(list)]
		i += len(list)
		if ctx.Err() != nil || first && w.begins(chunk...) != nil {
			break
		}
		for _, name := range list {
			w.Log.Info("---deleting index " + name)
		}
		err := w.tryDelete(ctx, csv(chunk))
		if err == nil {
			continue
		}
		each := len(chunk) > 1 && refused(err)
		for _, item := range chunk {
			if ctx.Err() != nil {
				break
			}
			one := err
			if each {
				one = w.deleteIfSame(ctx, item)
			}
			if one != nil {
				errs[item.Name] = one
			}
		}
	}
	return errs
}

func (w *work) tryDelete(ctx context.Context, target string) error {
	if err := w.before(ctx); err != nil {
		return err
	}
	return w.ES.Once().Do(ctx, http.MethodDelete, es.Path(target), with("master_timeout", "30s", "expand_wildcards", "none"), nil, nil)
}

// deleteIfSame deletes an index unless another has its name by now, or none, which is for sortOut to see.
func (w *work) deleteIfSame(ctx context.Context, item filter.Item) error {
	there, err := w.present(ctx, []filter.Item{item})
	if err != nil {
		return err
	}
	if uuid, is := there[item.Name]; !is || item.UUID != "" && uuid != item.UUID {
		return nil
	}
	return w.tryDelete(ctx, item.Name)
}

// passes reports whether an index that cannot be deleted now perhaps can later.
func passes(err error) bool {
	return es.Type(err) == "snapshot_in_progress_exception" || away(err)
}

// present are the indices that are there, of items, and their UUIDs. There may be others too.
func (c *Cluster) present(ctx context.Context, items []filter.Item) (map[string]string, error) {
	wanted := make([]*filter.Item, len(items))
	for i := range items {
		wanted[i] = &items[i]
	}
	settings, err := c.settings(ctx, targets(wanted), with("ignore_unavailable", "true", "expand_wildcards", "all", "filter_path", "*.settings.index.uuid"))
	there := make(map[string]string, len(settings))
	for name, s := range settings {
		there[name] = s["index.uuid"]
	}
	return there, err
}

var errNotClosed = errors.New("was not closed")

func (w *work) close(ctx context.Context, o *action.Close) error {
	if err := w.openOnly(); err != nil {
		return err
	}
	w.Log.Info(fmt.Sprintf("Closing %d selected indices: %s", len(w.items), w.list()))
	return w.inChunks(ctx, func(target string, items []filter.Item) error {
		if o.DeleteAliases {
			w.Log.Info("Deleting aliases from indices before closing.")
			if err := w.delete(ctx, es.Path(target, "_alias", "*"), nil); err != nil {
				w.Log.Warn(fmt.Sprintf("Some indices may not have had aliases.  Exception: %v", err))
			}
		}
		if !o.SkipFlush {
			if err := w.post(ctx, es.Path(target, "_flush"), with("ignore_unavailable", "true", "force", "true"), nil, nil); err != nil {
				return err
			}
		}
		var answer struct {
			Indices map[string]struct {
				Closed    bool
				Exception struct{ Type, Reason string }
			}
		}
		if err := w.post(ctx, es.Path(target, "_close"), with("ignore_unavailable", "true"), nil, &answer); err != nil {
			return err
		}
		for name, index := range answer.Indices {
			if !index.Closed {
				return fmt.Errorf("%s %w: %s %s", name, errNotClosed, index.Exception.Type, index.Exception.Reason)
			}
		}
		return nil
	})
}

func (w *work) open(ctx context.Context) error {
	if err := w.some(); err != nil {
		return err
	}
	w.Log.Info(fmt.Sprintf("Opening %d selected indices: %s", len(w.items), w.list()))
	return w.inChunks(ctx, func(target string, _ []filter.Item) error {
		return w.post(ctx, es.Path(target, "_open"), nil, nil, nil)
	})
}

func (w *work) replicas(ctx context.Context, o *action.Replicas) error {
	if err := w.openOnly(); err != nil {
		return err
	}
	w.Log.Info(fmt.Sprintf("Setting the replica count to %d for %d indices: %s", o.Count, len(w.items), w.list()))
	return w.inChunks(ctx, func(target string, _ []filter.Item) error {
		err := w.put(ctx, es.Path(target, "_settings"), nil, map[string]any{"index.number_of_replicas": o.Count}, nil)
		if err != nil || !o.WaitForCompletion || o.Count == 0 {
			return err
		}
		w.Log.Debug("Waiting for shards to complete replication for indices: " + target)
		return w.wait(ctx, "replicas", o.WaitInterval, o.MaxWait, func() (bool, error) { return w.green(ctx, target) })
	})
}

func (w *work) allocation(ctx context.Context, o *action.Allocation) error {
	if err := w.openOnly(); err != nil {
		return err
	}
	settings := map[string]any{"index.routing.allocation." + o.AllocationType + "." + o.Key: text(o.Value)}
	w.Log.Info(fmt.Sprintf("Updating %d selected indices: %s", len(w.items), w.list()))
	w.Log.Info("Updating index setting " + python(settings))
	return w.inChunks(ctx, func(target string, _ []filter.Item) error {
		err := w.put(ctx, es.Path(target, "_settings"), nil, settings, nil)
		if err != nil || !o.WaitForCompletion {
			return err
		}
		w.Log.Debug("Waiting for shards to complete relocation for indices: " + target)
		return w.wait(ctx, "allocation", o.WaitInterval, o.MaxWait, func() (bool, error) { return w.settled(ctx, target) })
	})
}

// text is a value of a setting; an empty one takes the setting away.
func text(value string) any {
	if value == "" {
		return nil
	}
	return value
}

// health asks how the shards of target are, after what the cluster has already been asked to do; "": of
// all indices.
func (c *Cluster) health(ctx context.Context, target string) (status string, moving int, err error) {
	var answer struct {
		Status     string
		Relocating int  `json:"relocating_shards"`
		TimedOut   bool `json:"timed_out"`
	}
	path := "/_cluster/health"
	if target != "" {
		path += es.Path(target)
	}
	err = c.get(ctx, path, with("wait_for_events", "languid", "timeout", "5s"), &answer)
	if es.Status(err) == 408 || answer.TimedOut { // it is too busy to say: not yet
		return "", 1, nil
	}
	return answer.Status, answer.Relocating, err
}

// healthy is Curator's line.
const healthy = "Health Check for all provided keys passed."

// green reports whether all copies of target's shards are there.
func (c *Cluster) green(ctx context.Context, target string) (bool, error) {
	status, _, err := c.health(ctx, target)
	if err == nil && status == "green" {
		c.Log.Info(healthy)
	}
	return err == nil && status == "green", err
}

// settled reports whether none of target's shards is on its way to another node.
func (c *Cluster) settled(ctx context.Context, target string) (bool, error) {
	_, moving, err := c.health(ctx, target)
	if err == nil && moving == 0 {
		c.Log.Info(healthy)
	}
	return err == nil && moving == 0, err
}

// Settings that Elasticsearch sets when an index is made, or changes while it is closed; and those that
// Curator knows besides.
var (
	static  = []string{"number_of_shards", "shard", "codec", "routing_partition_size"}
	dynamic = []string{"number_of_replicas", "auto_expand_replicas", "refresh_interval", "max_result_window",
		"max_rescore_window", "blocks", "max_refresh_listeners", "mapping", "merge", "translog"}
)

func (w *work) indexSettings(ctx context.Context, o *action.IndexSettings) error {
	var open []string
	for _, item := range w.items {
		if !item.Closed {
			open = append(open, item.Name)
		}
	}
	settings, _ := o.IndexSettings["index"].(map[string]any)
	for name := range settings {
		first, _, _ := strings.Cut(name, ".")
		switch {
		case slices.Contains(static, first) && !o.IgnoreUnavailable && len(open) > 0:
			return failf("ActionError", `Static Setting "%s" detected with open indices: %s. Static settings can only be used with closed indices.  Recommend filtering out open indices, or setting ignore_unavailable to True`, name, python(open))
		case !slices.Contains(static, first) && !slices.Contains(dynamic, first):
			w.Log.Warn(fmt.Sprintf(`"%s" is not a setting Curator recognizes and may or may  not work.`, name))
		}
	}
	if err := w.some(); err != nil {
		return err
	}
	w.Log.Info(fmt.Sprintf("Applying index settings to %d indices: %s", len(w.items), w.list()))
	query := with("ignore_unavailable", fmt.Sprint(o.IgnoreUnavailable), "preserve_existing", fmt.Sprint(o.PreserveExisting))
	return w.inChunks(ctx, func(target string, _ []filter.Item) error {
		return w.put(ctx, es.Path(target, "_settings"), query, o.IndexSettings, nil)
	})
}

// forceMerge merges one index after the other. Indices that are merged already are passed over.
func (w *work) forceMerge(ctx context.Context, o *action.ForceMerge) error {
	if err := w.openOnly(); err != nil {
		return err
	}
	if err := w.learnUnmerged(ctx, o.MaxNumSegments); err != nil {
		return err
	}
	w.Log.Info(fmt.Sprintf("forceMerging %d selected indices: %s", len(w.items), w.list()))
	for i, item := range w.items {
		began := time.Now()
		w.Log.Info(fmt.Sprintf("forceMerging index %s to %d segments per shard. Please wait...", item.Name, o.MaxNumSegments))
		err := w.merge(ctx, item.Name, o.MaxNumSegments)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.finish(item, began, err)
		if o.Delay > 0 && i < len(w.items)-1 {
			w.Log.Info(fmt.Sprintf("Pausing for %s seconds before continuing...", python(o.Delay.Seconds())))
			if err := w.sleep(ctx, o.Delay); err != nil {
				return err
			}
		}
	}
	return w.result()
}

// learnUnmerged leaves the items that have more segments than max per copy of a shard.
func (w *work) learnUnmerged(ctx context.Context, max int) error {
	wanted := make([]*filter.Item, len(w.items))
	for i := range w.items {
		wanted[i] = &w.items[i]
	}
	if err := w.learnSegments(ctx, wanted); err != nil {
		return err
	}
	w.items = slices.DeleteFunc(w.items, func(item filter.Item) bool {
		return item.Segments <= item.Shards*(1+item.Replicas)*max
	})
	return w.some()
}

// merge merges one index. The request lasts as long as the merge, which may be hours, so its answer may be
// lost on the way; a merge has also ended when the server has no task for it any more.
func (w *work) merge(ctx context.Context, name string, max int) error {
	var request sync.WaitGroup
	defer request.Wait()
	ctx, cancel := context.WithTimeoutCause(ctx, w.ES.Timeout(), fmt.Errorf("not merged within %v, and perhaps still being merged", w.ES.Timeout()))
	defer cancel()
	asked := make(chan error, 1)
	request.Go(func() {
		asked <- w.post(ctx, es.Path(name, "_forcemerge"), with("max_num_segments", fmt.Sprint(max)), nil, nil)
	})
	seen, idle := false, 0 // looks in a row that have found no task, since there was one
	for pause := time.Second; idle < 2; pause = min(2*pause, 15*time.Second) {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case err := <-asked:
			timer.Stop()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if !lost(err) {
				return err
			}
			w.Log.Warn(fmt.Sprintf("The answer about index %s is lost, so its merge is looked for: %v", name, err))
			asked, seen, pause = nil, true, time.Second/2
		case <-timer.C:
			running, err := w.merging(ctx, name)
			switch {
			case err == nil && running:
				seen, idle = true, 0
			case err == nil && seen:
				idle++
			}
			if counts, err := w.segments(ctx, name); err == nil {
				done, total := shardsMerged(counts[name], max)
				w.progress("forcemerge "+name, done, total)
			}
		}
	}
	counts, err := w.segments(ctx, name)
	if err != nil {
		return err
	}
	if done, total := shardsMerged(counts[name], max); done < total {
		return fmt.Errorf("the merge has ended, and %d of %d shards have more than %d segments", total-done, total, max)
	}
	return nil
}

// merging reports whether the server has a task that merges an index.
func (c *Cluster) merging(ctx context.Context, name string) (bool, error) {
	var answer struct {
		Nodes map[string]struct {
			Tasks map[string]struct{ Description string }
		}
	}
	err := c.get(ctx, "/_tasks", with("actions", "indices:admin/forcemerge", "detailed", "true"), &answer)
	for _, node := range answer.Nodes {
		for _, task := range node.Tasks {
			if strings.Contains(task.Description, "["+name+"]") {
				return true, nil
			}
		}
	}
	return false, err
}

func shardsMerged(counts []int, max int) (done, total int64) {
	for _, n := range counts {
		if n <= max {
			done++
		}
	}
	return done, int64(len(counts))
}
