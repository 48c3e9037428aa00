package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// alias changes an alias in one request, so that nobody sees it half done.
func (c *Cluster) alias(ctx context.Context, a *action.Action, o *action.Alias, s Selection, done func(Result)) error {
	name, changes, err := c.aliasChanges(ctx, a, o, s)
	if err != nil {
		return err
	}
	c.Log.Info("Updating aliases...")
	c.Log.Info("Alias actions: " + aliasText(changes))
	body := map[string]any{"actions": make([]any, len(changes))}
	for i, change := range changes {
		body["actions"].([]any)[i] = map[string]any{change.job: change.body(name, o.ExtraSettings)}
	}
	began := time.Now()
	err = c.post(ctx, "/_aliases", nil, body, nil)
	for _, change := range changes {
		done(Result{change.item.Name, change.item.UUID, err, time.Since(began)})
	}
	return err
}

// An aliasChange is one index that an alias gets or loses.
type aliasChange struct {
	job  string // add or remove
	item filter.Item
	args pairs // as Curator writes it
}

func (a aliasChange) body(alias string, extra map[string]any) map[string]any {
	body := map[string]any{"index": a.item.Name, "alias": alias}
	if a.job == "add" {
		maps.Copy(body, extra)
	}
	return body
}

func aliasText(changes []aliasChange) string {
	var parts []string
	for _, change := range changes {
		parts = append(parts, "{'"+change.job+"': "+python(change.args)+"}")
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// aliasChanges are what has to be done to an alias, what it loses first.
func (c *Cluster) aliasChanges(ctx context.Context, a *action.Action, o *action.Alias, s Selection) (string, []aliasChange, error) {
	name, err := c.resolve(ctx, Stamp(o.Name, c.now()))
	if err != nil {
		return "", nil, err
	}
	if !plain(name) {
		return "", nil, failf("ConfigurationError", "%q is not the name of one alias", name)
	}
	warned := false
	empty := func(items []filter.Item, given bool, nothing string) error {
		if !given || len(items) > 0 {
			return nil
		}
		if !o.WarnIfNoIndices {
			return failf("NoIndices", "No indices to %s alias", nothing)
		}
		warned = true
		c.Log.Warn(fmt.Sprintf("No indices found after processing filters. Nothing to %s %s", nothing, name))
		return nil
	}
	var changes []aliasChange
	if err := empty(s.Remove, a.Remove != nil, "remove from"); err != nil {
		return "", nil, err
	}
	if len(s.Remove) > 0 {
		indices, err := c.aliased(ctx, name)
		if err != nil && !errors.Is(err, errNoAlias) {
			return "", nil, err
		}
		for _, item := range s.Remove {
			if _, in := indices[item.Name]; in {
				changes = append(changes, aliasChange{"remove", item, pairs{"index", item.Name, "alias", name}})
			} else {
				c.Log.Debug(fmt.Sprintf("Can not remove: Index %s is not associated with alias %s", item.Name, name))
			}
		}
	}
	if err := empty(s.Add, a.Add != nil, "add to"); err != nil {
		return "", nil, err
	}
	for _, item := range s.Add {
		args := pairs{"index", item.Name, "alias", name}
		for _, key := range slices.Sorted(maps.Keys(o.ExtraSettings)) {
			args = append(args, key, o.ExtraSettings[key])
		}
		changes = append(changes, aliasChange{"add", item, args})
	}
	switch {
	case len(changes) == 0 && warned:
		return "", nil, failf("NoIndices", `No "adds" or "removes" found.  Taking no action`)
	case len(changes) == 0:
		return "", nil, failf("ActionError", `No "add" or "remove" operations`)
	}
	return name, changes, nil
}

// newName is the name of what an action makes, resolved and checked.
func (c *Cluster) newName(ctx context.Context, pattern string) (string, error) {
	name, err := c.resolve(ctx, Stamp(pattern, c.now()))
	if err == nil && !plain(name) {
		err = failf("ConfigurationError", "%q, from %q, is not a name that Elasticsearch takes", name, pattern)
	}
	return name, err
}

// newIndex is the body of the request for a new index, and what of the settings has no place in it.
func newIndex(o *action.CreateIndex) (body, rest map[string]any) {
	body, rest = map[string]any{}, map[string]any{}
	for key, value := range o.ExtraSettings {
		if key == "aliases" || key == "mappings" || key == "settings" {
			body[key] = value
		} else {
			rest[key] = value
		}
	}
	return body, rest
}

func (c *Cluster) createIndex(ctx context.Context, o *action.CreateIndex, done func(Result)) error {
	name, err := c.newName(ctx, o.Name)
	if err != nil {
		return err
	}
	body, rest := newIndex(o)
	c.Log.Info(fmt.Sprintf(`Creating index "%s" with settings: %s`, name, python(rest)))
	if len(rest) > 0 {
		c.Log.Warn(fmt.Sprintf("Left out of the new index: %s. extra_settings may have settings, mappings and aliases.", python(rest)))
	}
	began := time.Now()
	err = c.put(ctx, es.Path(name), nil, body, nil)
	switch kind := es.Type(err); {
	case kind == "resource_already_exists_exception" || kind == "index_already_exists_exception":
		if o.IgnoreExisting {
			c.Log.Warn(fmt.Sprintf("Index %s already exists.", name))
			return nil
		}
		err = failf("FailedExecution", "Index %s already exists.", name)
	case es.Status(err) == http.StatusBadRequest:
		err = failf("FailedExecution", `Unable to create index "%s". Error: %w`, name, err)
	}
	done(Result{Name: name, Err: err, Took: time.Since(began)})
	return err
}

// rolled is the answer to a rollover.
type rolled struct {
	Old    string          `json:"old_index"`
	New    string          `json:"new_index"`
	Rolled bool            `json:"rolled_over"`
	Met    map[string]bool `json:"conditions"`
}

func (c *Cluster) rollover(ctx context.Context, o *action.Rollover, done func(Result)) error {
	if err := c.rollable(ctx, o.Name); err != nil {
		return err
	}
	c.Log.Info("Performing index rollover")
	began := time.Now()
	answer, err := c.roll(ctx, o, false)
	if err != nil {
		return err
	}
	if answer.Rolled {
		c.Log.Info(fmt.Sprintf("Old index %s rolled over to new index %s", answer.Old, answer.New))
		done(Result{Name: answer.New, Took: time.Since(began)})
	} else {
		c.Log.Info(fmt.Sprintf("Rollover conditions not met. Index %s not rolled over.", answer.Old))
	}
	return nil
}

func (c *Cluster) roll(ctx context.Context, o *action.Rollover, dry bool) (rolled, error) {
	path := es.Path(o.Name, "_rollover")
	if o.NewIndex != "" {
		path = es.Path(o.Name, "_rollover", Stamp(o.NewIndex, c.now()))
	}
	body := map[string]any{"conditions": o.Conditions}
	if len(o.ExtraSettings) > 0 {
		body["settings"] = o.ExtraSettings
	}
	var answer rolled
	err := c.post(ctx, path, with("dry_run", fmt.Sprint(dry), "wait_for_active_shards", o.WaitForActiveShards), body, &answer)
	return answer, err
}

// rollable fails unless an alias has one index that is written to, with a name that can be counted up.
func (c *Cluster) rollable(ctx context.Context, alias string) error {
	refuse := func(why string) error {
		c.Log.Error(why)
		return failf("ValueError", `Unable to perform index rollover with alias "%s". See previous logs for more details.`, alias)
	}
	indices, err := c.aliased(ctx, alias)
	if errors.Is(err, errNoAlias) {
		return refuse(fmt.Sprintf(`Alias "%s" not found.`, alias))
	}
	if err != nil {
		return err
	}
	for _, writes := range indices {
		if writes {
			return nil
		}
	}
	list := slices.Sorted(maps.Keys(indices))
	if len(list) != 1 {
		return refuse(fmt.Sprintf(`"alias" must only reference one index, but points to %s`, python(list)))
	}
	digit := func(b byte) bool { return '0' <= b && b <= '9' }
	if n := len(list[0]); n < 2 || !digit(list[0][n-1]) || !digit(list[0][n-2]) && list[0][n-2] != '-' {
		return refuse(fmt.Sprintf("The name of index %s does not end in - and a number.", list[0]))
	}
	return nil
}

func (c *Cluster) clusterRouting(ctx context.Context, o *action.ClusterRouting) error {
	settings := map[string]any{"cluster.routing." + o.RoutingType + "." + o.Setting: o.Value}
	c.Log.Info("Updating cluster settings: " + python(settings))
	if err := c.put(ctx, "/_cluster/settings", nil, map[string]any{"transient": settings}, nil); err != nil {
		return err
	}
	if !o.WaitForCompletion {
		return nil
	}
	c.Log.Debug("Waiting for shards to complete routing and/or rebalancing")
	return c.wait(ctx, "cluster_routing", o.WaitInterval, o.MaxWait, func() (bool, error) { return c.settled(ctx, "") })
}
