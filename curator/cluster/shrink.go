package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// maxDocs is what Lucene takes in a shard.
const maxDocs = 2147483519

// A shrinking is one index that is made into one with fewer shards.
type shrinking struct {
	*work
	o      *action.Shrink
	item   filter.Item
	target string
	node   node
}

// A node is where an index can be shrunk.
type node struct {
	name      string
	available int64 // bytes on its disk
}

// shrink shrinks one index after the other, as Elasticsearch wants it:
//
//	a copy of every shard on one node ─► no more writes ─► _shrink ─► its shards are there ─► aliases ─► the old index goes
//
// If it fails before the old index goes, that takes writes again, may be on any node, and the new one is removed.
func (w *work) shrink(ctx context.Context, o *action.Shrink) error {
	if err := w.shrinkable(o); err != nil {
		return err
	}
	w.Log.Info(fmt.Sprintf("Shrinking %d selected indices: %s", len(w.items), w.list()))
	for i, item := range w.items {
		began := time.Now()
		s := &shrinking{work: w, o: o, item: item, target: o.ShrinkPrefix + item.Name + o.ShrinkSuffix}
		w.Log.Info(fmt.Sprintf("Source index: %s -- Target index: %s", item.Name, s.target))
		err := s.do(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		w.finish(item, began, err)
		w.progress("shrink", int64(i+1), int64(len(w.items)))
	}
	return w.result()
}

// shrinkable leaves the open indices that have more shards than they are to have.
func (w *work) shrinkable(o *action.Shrink) error {
	w.items = slices.DeleteFunc(slices.Clone(w.items), func(item filter.Item) bool {
		return item.Closed || item.Shards <= o.NumberOfShards
	})
	return w.some()
}

func (s *shrinking) do(ctx context.Context) error {
	if against := s.preflight(ctx); len(against) > 0 {
		return against[0]
	}
	s.Log.Info(fmt.Sprintf(`Moving shards to shrink node: "%s"`, s.node.name))
	if err := s.set(ctx, s.item.Name, "index.routing.allocation.require._name", s.node.name); err != nil {
		return err
	}
	made, err := s.make(ctx)
	if err != nil {
		s.undo(ctx, made)
		return err
	}
	s.Log.Info(fmt.Sprintf(`Index "%s" successfully shrunk to "%s"`, s.item.Name, s.target))
	if p := s.o.PostAllocation; p != nil {
		s.Log.Info(fmt.Sprintf(`Applying post-shrink allocation rule "%s" to index "%s"`, rule(p), s.target))
		err := s.set(ctx, s.target, "index.routing.allocation."+p.AllocationType+"."+p.Key, text(p.Value))
		if err == nil {
			err = s.wait(ctx, "allocation", s.o.WaitInterval, s.o.MaxWait, func() (bool, error) { return s.settled(ctx, s.target) })
		}
		if err != nil {
			s.release(ctx)
			return err
		}
	}
	if s.o.CopyAliases {
		s.Log.Info(fmt.Sprintf(`Copy source index aliases "%s"`, s.item.Name))
		if err := s.copyAliases(ctx); err != nil {
			s.release(ctx)
			return err
		}
	}
	if s.o.DeleteAfter {
		s.Log.Info(fmt.Sprintf(`Deleting source index "%s"`, s.item.Name))
		return s.delete(ctx, es.Path(s.item.Name), with("expand_wildcards", "none"))
	}
	s.Log.Info(fmt.Sprintf(`Unassigning routing for source index: "%s"`, s.item.Name))
	return s.release(ctx)
}

func rule(p *action.PostAllocation) string {
	return "index.routing.allocation." + p.AllocationType + "." + p.Key + ":" + p.Value
}

func (s *shrinking) set(ctx context.Context, index, setting string, value any) error {
	return s.put(ctx, es.Path(index, "_settings"), nil, map[string]any{setting: value}, nil)
}

// make does the shrink itself, and waits until the new index can stand alone. made says whether there may
// be a new index when it fails.
func (s *shrinking) make(ctx context.Context) (made bool, err error) {
	err = s.wait(ctx, "allocation", s.o.WaitInterval, s.o.MaxWait, func() (bool, error) { return s.gathered(ctx) })
	if err != nil {
		return false, err
	}
	if err := s.set(ctx, s.item.Name, "index.blocks.write", true); err != nil {
		return false, err
	}
	if status, _, err := s.health(ctx, s.item.Name); err != nil || status == "red" {
		return false, failf("ActionError", "Unable to proceed with shrink action. The health of index %s is %q: %w", s.item.Name, status, or(err, errors.New("a shard is missing")))
	}
	s.Log.Info(healthy)
	s.Log.Info("Shrinking index " + s.words())
	body := map[string]any{"settings": s.settings().dict()}
	if aliases, ok := s.o.ExtraSettings["aliases"]; ok {
		body["aliases"] = aliases
	}
	err = s.post(ctx, es.Path(s.item.Name, "_shrink", s.target), with("wait_for_active_shards", s.o.WaitForActiveShards), body, nil)
	if err == nil || lost(err) {
		made = true
	}
	if err == nil {
		err = s.wait(ctx, "shrink", s.o.WaitInterval, s.o.MaxWait, func() (bool, error) { return s.ready(ctx) })
	}
	if err != nil {
		return made, failf("ActionError", `Unable to shrink index "%s" -- Error: %w`, s.item.Name, err)
	}
	return made, nil
}

// words describe the shrink.
func (s *shrinking) words() string {
	return fmt.Sprintf(`"%s" to "%s" with settings: %s, wait_for_active_shards=%s`, s.item.Name, s.target, python(s.settings()), s.o.WaitForActiveShards)
}

// settings are those of the new index. What bound the old one to a node and kept writes off is not among them.
func (s *shrinking) settings() pairs {
	settings := pairs{"index.number_of_shards", s.o.NumberOfShards, "index.number_of_replicas", s.o.NumberOfReplicas}
	extra := map[string]any{}
	for key, value := range s.o.ExtraSettings {
		if nested, ok := value.(map[string]any); ok && key == "settings" {
			maps.Copy(extra, nested)
		} else if key != "aliases" {
			extra[key] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		settings = append(settings, key, extra[key])
	}
	return append(settings, "index.routing.allocation.require._name", nil, "index.blocks.write", nil)
}

// ready reports whether the new index has what it needs to outlive the old one: all its primaries, and, if
// the action waits for completion, all its replicas that there are nodes for.
func (s *shrinking) ready(ctx context.Context) (bool, error) {
	status, moving, err := s.health(ctx, s.target)
	if err != nil || status == "" || status == "red" {
		return false, err
	}
	if s.o.WaitForCompletion && (status != "green" || moving > 0 && s.o.WaitForRebalance) {
		return false, nil
	}
	s.Log.Info(healthy)
	return true, nil
}

// gathered reports whether the node has a copy of every shard.
func (s *shrinking) gathered(ctx context.Context) (bool, error) {
	var rows []struct{ Shard, State, Node string }
	err := s.get(ctx, "/_cat/shards"+es.Path(s.item.Name), with("format", "json", "h", "shard,state,node"), &rows)
	if err != nil {
		return !away(err), err
	}
	there := map[string]bool{}
	for _, row := range rows {
		if row.State == "STARTED" && row.Node == s.node.name {
			there[row.Shard] = true
		}
	}
	if len(there) < s.item.Shards || !s.o.WaitForRebalance {
		return len(there) == s.item.Shards, nil
	}
	return s.settled(ctx, "")
}

// undo leaves the old index as it was, and no new one.
func (s *shrinking) undo(ctx context.Context, made bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	if made {
		s.Log.Error(fmt.Sprintf(`Deleting target index "%s" due to failure to complete shrink`, s.target))
		if err := s.delete(ctx, es.Path(s.target), with("expand_wildcards", "none")); err != nil && es.Status(err) != 404 {
			s.Log.Error(fmt.Sprintf("Target index %s could not be deleted: %v", s.target, err))
		}
	}
	s.release(ctx)
}

// release lets the old index take writes, and be on any node, again.
func (s *shrinking) release(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	err := s.put(ctx, es.Path(s.item.Name, "_settings"), nil,
		map[string]any{"index.blocks.write": nil, "index.routing.allocation.require._name": nil}, nil)
	if err != nil {
		s.Log.Error(fmt.Sprintf("Index %s may still refuse writes (index.blocks.write) and be bound to node %s (index.routing.allocation.require._name): %v", s.item.Name, s.node.name, err))
	}
	return err
}

// copyAliases gives the aliases of the old index to the new one, as they are, in one step.
func (s *shrinking) copyAliases(ctx context.Context) error {
	var answer map[string]struct{ Aliases map[string]map[string]any }
	if err := s.get(ctx, es.Path(s.item.Name, "_alias"), nil, &answer); err != nil {
		return err
	}
	var changes []any
	aliases := answer[s.item.Name].Aliases
	for _, alias := range slices.Sorted(maps.Keys(aliases)) {
		add := maps.Clone(aliases[alias])
		add["index"], add["alias"] = s.target, alias
		changes = append(changes, map[string]any{"remove": map[string]any{"index": s.item.Name, "alias": alias}}, map[string]any{"add": add})
	}
	if len(changes) == 0 {
		return nil
	}
	s.Log.Info("Copy alias actions: " + python(changes))
	return s.post(ctx, "/_aliases", nil, map[string]any{"actions": changes}, nil)
}

// preflight says everything that speaks against the shrink, and chooses the node.
func (s *shrinking) preflight(ctx context.Context) (against []error) {
	no := func(format string, args ...any) { against = append(against, failf("ActionError", format, args...)) }
	if !plain(s.target) {
		no("%q is not a name that Elasticsearch takes", s.target)
		return against
	}
	if there, err := s.existing(ctx, []string{s.target}); err != nil {
		return []error{err}
	} else if there[s.target] {
		no(`Target index "%s" already exists`, s.target)
	}
	if s.item.Docs > maxDocs*int64(s.o.NumberOfShards) {
		no("Too many documents (%d) to fit in %d shard(s). Maximum number of docs per shard is %d", s.item.Docs, s.o.NumberOfShards, maxDocs)
	}
	if s.item.Shards%s.o.NumberOfShards != 0 {
		no(`"%d" is not a valid factor of %d shards of index %s. Valid values are %s`, s.o.NumberOfShards, s.item.Shards, s.item.Name, factors(s.item.Shards))
	}
	var err error
	if s.node, err = s.choose(ctx); err != nil {
		return append(against, err)
	}
	if need := 2*max(s.item.PrimarySize, 0) + 32<<10; need >= s.node.available {
		no(`Insufficient space available for 2x the size of index "%s", shrinking will exceed space available. Required: %d, available: %d`, s.item.Name, need, s.node.available)
	}
	return against
}

// factors are the numbers of shards that n can be shrunk to.
func factors(n int) string {
	var list []any
	for i := 1; i < n; i++ {
		if n%i == 0 {
			list = append(list, i)
		}
	}
	return python(list)
}

// choose chooses the node: the one that is named, or the data node with the most space. Of nodes with the
// same space it is the first by name.
func (s *shrinking) choose(ctx context.Context) (node, error) {
	var answer struct {
		Nodes map[string]struct {
			Name  string
			Roles []string
			FS    struct {
				Total struct {
					Available int64 `json:"available_in_bytes"`
				}
			}
		}
	}
	if err := s.get(ctx, "/_nodes/stats/fs", with("filter_path", "nodes.*.name,nodes.*.roles,nodes.*.fs.total.available_in_bytes"), &answer); err != nil {
		return node{}, err
	}
	var best node
	named := s.o.ShrinkNode != "DETERMINISTIC"
	for _, n := range answer.Nodes {
		if named && n.Name != s.o.ShrinkNode {
			continue
		}
		why := s.unfit(n.Name, n.Roles)
		if why != "" && named {
			return node{}, failf("ActionError", `Node "%s" is not usable as a shrink node: %s`, n.Name, why)
		}
		if why != "" {
			s.Log.Info(fmt.Sprintf(`Skipping node "%s": %s`, n.Name, why))
			continue
		}
		if slices.ContainsFunc(n.Roles, master) {
			s.Log.Warn(fmt.Sprintf(`Not skipping node "%s" which is a master node (not recommended), but permit_masters is True`, n.Name))
		}
		free := n.FS.Total.Available
		if best.name == "" || free > best.available || free == best.available && n.Name < best.name {
			best = node{n.Name, free}
		}
	}
	switch {
	case best.name == "" && named:
		return node{}, failf("ConfigurationError", `Unable to find node named: "%s"`, s.o.ShrinkNode)
	case best.name == "":
		return node{}, failf("ActionError", "No node is usable as a shrink node: see node_filters, where permit_masters lets nodes be chosen that may become master")
	}
	return best, nil
}

// unfit says why a node cannot be chosen; "": it can.
func (s *shrinking) unfit(name string, roles []string) string {
	switch {
	case slices.Contains(s.o.NodeFilters.ExcludeNodes, name):
		return "excluded by node_filters"
	case !slices.ContainsFunc(roles, func(role string) bool {
		return role == "data" || strings.HasPrefix(role, "data_") && role != "data_frozen" && role != "data_cold"
	}):
		return "non-data node"
	case !s.o.NodeFilters.PermitMasters && slices.ContainsFunc(roles, master):
		return "master node"
	}
	return ""
}

// master reports whether a node with the role may become master; OpenSearch calls it otherwise.
func master(role string) bool { return role == "master" || role == "cluster_manager" }
