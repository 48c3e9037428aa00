package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// Words of a request that stand for indices.
const (
	selection = "REINDEX_SELECTION" // as source: those that the filters leave
	migration = "MIGRATION"         // as destination: the source's name with a prefix or suffix
)

// reindexings are the requests of an action, one, or with MIGRATION one for each index.
func (c *Cluster) reindexings(ctx context.Context, o *action.Reindex, items []filter.Item) ([]action.ReindexBody, error) {
	body := o.RequestBody
	remote := body.Source.Remote
	migrate := body.Dest.Index == migration
	if migrate && remote == nil && o.MigrationPrefix == "" && o.MigrationSuffix == "" {
		return nil, failf("ConfigurationError", "MIGRATION can only be used locally with one or both of migration_prefix or migration_suffix.")
	}
	if slices.Equal(body.Source.Index, []string{selection}) {
		if remote != nil {
			var err error
			if items, err = c.remoteItems(ctx, o); err != nil {
				return nil, err
			}
		}
		body.Source.Index = names(items)
	}
	if len(body.Source.Index) == 0 {
		return nil, failf("NoIndices", "Source index must be list of actual indices. It must not be an empty list.")
	}
	if !migrate {
		return []action.ReindexBody{body}, nil
	}
	var bodies []action.ReindexBody
	for _, name := range body.Source.Index {
		one := body
		one.Source.Index = []string{name}
		one.Dest.Index = o.MigrationPrefix + name + o.MigrationSuffix
		bodies = append(bodies, one)
	}
	return bodies, nil
}

// remoteItems are the indices of the other cluster that the remote filters leave.
func (c *Cluster) remoteItems(ctx context.Context, o *action.Reindex) ([]filter.Item, error) {
	remote := o.RequestBody.Source.Remote
	if len(o.Remote) == 0 {
		return nil, failf("ConfigurationError", "REINDEX_SELECTION from a remote cluster needs remote_filters, which choose among its indices")
	}
	client, err := es.New(es.Config{Hosts: []string{remote.Host}, Username: remote.Username, Password: remote.Password,
		CACerts: o.RemoteCertificate, ClientCert: o.RemoteClientCert, ClientKey: o.RemoteClientKey, Timeout: 180 * time.Second})
	if err != nil {
		return nil, failf("ConfigurationError", "cannot use the remote cluster: %w", err)
	}
	other := &Cluster{ES: client, Log: c.Log, Now: c.Now}
	items, err := other.Indices(ctx, "", false)
	if err != nil {
		c.Log.Error("Unable to get/filter list of remote indices.")
		return nil, err
	}
	for range 2 + 4*len(o.Remote) { // each filter asks for few things, each once
		out, err := filter.Run(o.Remote, items, filter.Clock{Now: c.now()})
		switch {
		case err != nil:
			return nil, failf("FailedExecution", "cannot filter the remote indices: %w", err)
		case len(out.Missing) > 0:
			err = other.Learn(ctx, items, out.Missing)
		case len(out.Left) == 0:
			err = failf("FailedExecution", "No actionable remote indices selected after applying filters.")
		default:
			return out.Left, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, failf("FailedExecution", "the remote filters ask again for what they were told: please report this")
}

func (c *Cluster) reindex(ctx context.Context, o *action.Reindex, items []filter.Item, done func(Result)) error {
	bodies, err := c.reindexings(ctx, o, items)
	if err != nil {
		return err
	}
	for _, body := range bodies {
		c.Log.Info("Commencing reindex operation")
		c.Log.Debug("REINDEX: " + reindexText(o, body))
		began := time.Now()
		err := c.reindexOne(ctx, o, body)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		done(Result{Name: body.Dest.Index, Err: err, Took: time.Since(began)})
		if err != nil {
			return failed(err)
		}
	}
	return nil
}

func (c *Cluster) reindexOne(ctx context.Context, o *action.Reindex, body action.ReindexBody) error {
	var started struct{ Task string }
	err := c.post(ctx, "/_reindex", with("wait_for_completion", "false", "refresh", fmt.Sprint(o.Refresh),
		"requests_per_second", fmt.Sprint(o.RequestsPerSecond), "slices", fmt.Sprint(o.Slices),
		"timeout", fmt.Sprintf("%.0fs", o.Timeout.Seconds()), "wait_for_active_shards", o.WaitForActiveShards), body, &started)
	if err != nil {
		return err
	}
	c.Log.Debug("TASK ID = " + started.Task)
	if !o.WaitForCompletion {
		c.Log.Warn(fmt.Sprintf(`"wait_for_completion" set to False.  Remember to check task_id "%s" for successful completion manually.`, started.Task))
		return nil
	}
	var total int64
	err = c.wait(ctx, "reindex", o.WaitInterval, o.MaxWait, func() (completed bool, err error) {
		completed, total, err = c.reindexed(ctx, started.Task, body.Dest.Index)
		return completed, err
	})
	if err != nil {
		return err
	}
	if total == 0 {
		c.Log.Info(fmt.Sprintf(`No items were processed. Will not check if target index "%s" exists`, body.Dest.Index))
		return nil
	}
	err = c.ES.Do(ctx, http.MethodHead, es.Path(body.Dest.Index), nil, nil, nil)
	if es.Status(err) == http.StatusNotFound {
		c.Log.Error(fmt.Sprintf(`The index described as "%s" was not found after the reindex operation. Check Elasticsearch logs for more information.`, body.Dest.Index))
		return failf("FailedExecution", `Reindex failed. The index or alias identified by "%s" was not found.`, body.Dest.Index)
	}
	return err
}

// reindexed reports whether a task has ended, and of how many documents it knows.
func (c *Cluster) reindexed(ctx context.Context, task, dest string) (bool, int64, error) {
	var answer struct {
		Completed bool
		Task      struct {
			Description string
			Running     int64 `json:"running_time_in_nanos"`
			Status      struct {
				Total, Created, Updated, Deleted int64
				Conflicts                        int64 `json:"version_conflicts"`
			}
		}
		Response struct{ Failures []json.RawMessage }
		Error    *struct{ Type, Reason string }
	}
	if err := c.get(ctx, "/_tasks"+es.Path(task), nil, &answer); err != nil {
		return !away(err), 0, err
	}
	status := answer.Task.Status
	took := time.Duration(answer.Task.Running)
	c.progress("reindex "+dest, status.Created+status.Updated+status.Deleted+status.Conflicts, status.Total)
	switch {
	case !answer.Completed:
		c.Log.Info(fmt.Sprintf(`Task "%s" with task_id "%s" has been running for %.1f seconds`, answer.Task.Description, task, took.Seconds()))
		return false, 0, nil
	case answer.Error != nil:
		return true, 0, failf("FailedReindex", "the reindex task failed: %s: %s", answer.Error.Type, answer.Error.Reason)
	case len(answer.Response.Failures) > 0:
		first := string(answer.Response.Failures[0])
		return true, 0, failf("FailedReindex", "Failures found in reindex response: %d, the first: %.1000s", len(answer.Response.Failures), first)
	}
	c.Log.Info(fmt.Sprintf(`Task "%s" completed after %.1f seconds.`, answer.Task.Description, took.Seconds()))
	return true, status.Total, nil
}

// reindexText describes a request, without the password of a remote cluster.
func reindexText(o *action.Reindex, body action.ReindexBody) string {
	if r := body.Source.Remote; r != nil {
		masked := *r
		if masked.Password != "" {
			masked.Password = "REDACTED"
		}
		if masked.Headers != nil {
			masked.Headers = "REDACTED"
		}
		body.Source.Remote = &masked
	}
	var tree map[string]any
	if text, err := json.Marshal(body); err == nil {
		json.Unmarshal(text, &tree)
	}
	return fmt.Sprintf("request body: %s with arguments: refresh=%s requests_per_second=%d slices=%d timeout=%.0fs wait_for_active_shards=%s wait_for_completion=%s",
		python(tree), python(o.Refresh), o.RequestsPerSecond, o.Slices, o.Timeout.Seconds(), o.WaitForActiveShards, python(o.WaitForCompletion))
}
