package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
	"github.com/podbeat/podbeat/es"
)

// system are the indices of Elasticsearch's own parts, which Curator 8 never lists, and that of podbeat's own.
const system = "-.podbeat-system*,-.kibana*,-.security*,-.watch*,-.triggered_watch*,-.ml*,-.geoip_databases*,-.logstash*,-.tasks*"

// known are the settings that Indices brings along, of the many that there are.
const known = "*.settings.index.lifecycle.name,*.settings.index.hidden"

// Indices lists the indices that a pattern names (names with *, joined by commas; those with - in front are
// left out, if a name with * is before; "": all), open and closed ones, in the server's order, with what two requests say of them. Those
// of the system are left out, and hidden ones if hidden is false.
func (c *Cluster) Indices(ctx context.Context, pattern string, hidden bool) ([]filter.Item, error) {
	if pattern == "" {
		pattern = "*"
	}
	expand := "open,closed"
	if hidden {
		expand += ",hidden"
	}
	target := pattern + "," + system
	items, err := c.list(ctx, target, expand)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	settings, err := c.settings(ctx, target, with("expand_wildcards", expand, "filter_path", known))
	if err != nil {
		return nil, failf("FailedExecution", "Failed to get the settings of indices. Error: %w", err)
	}
	for i := range items {
		item := &items[i]
		item.Settings = map[string]string{"index.lifecycle.name": "", "index.hidden": ""} // both are known
		maps.Copy(item.Settings, settings[item.Name])
		item.Hidden = item.Settings["index.hidden"] == "true"
	}
	return items, nil
}

type indexRow struct {
	Index, UUID, Status, Health, Pri, Rep string

	Docs        *string `json:"docs.count"`
	Size        *string `json:"store.size"`
	PrimarySize *string `json:"pri.store.size"`
	Created     string  `json:"creation.date"`
}

// list asks for the list of indices alone.
func (c *Cluster) list(ctx context.Context, target, expand string) ([]filter.Item, error) {
	var rows []indexRow
	err := c.get(ctx, "/_cat/indices"+es.Path(target), with("format", "json", "bytes", "b", "expand_wildcards", expand,
		"h", "index,uuid,status,health,pri,rep,docs.count,store.size,pri.store.size,creation.date"), &rows)
	if err != nil {
		return nil, failf("FailedExecution", "Failed to get indices. Error: %w", err)
	}
	if rows == nil || slices.ContainsFunc(rows, func(r indexRow) bool { return r.Index == "" }) {
		return nil, failf("FailedExecution", "Failed to get indices. Error: /_cat/indices answers what it should not")
	}
	items := make([]filter.Item, 0, len(rows))
	for _, row := range rows {
		item := filter.Item{Name: row.Index, UUID: row.UUID, Closed: row.Status == "close", Health: row.Health,
			Shards: int(number(&row.Pri)), Replicas: int(number(&row.Rep)), Segments: -1,
			Docs: number(row.Docs), Size: number(row.Size), PrimarySize: number(row.PrimarySize)}
		if item.Closed {
			item.Health, item.Docs, item.Size, item.PrimarySize = "", -1, -1, -1
		}
		if ms := number(&row.Created); ms >= 0 {
			item.Created = time.UnixMilli(ms).UTC()
		}
		items = append(items, item)
	}
	return items, nil
}

// number reads a column of the _cat APIs; -1: it is empty.
func number(s *string) int64 {
	if s == nil {
		return -1
	}
	n, err := strconv.ParseInt(*s, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// settings asks for the settings of target, flat, by index.
func (c *Cluster) settings(ctx context.Context, target string, query map[string][]string) (map[string]map[string]string, error) {
	var answer map[string]struct{ Settings map[string]any }
	if err := c.get(ctx, es.Path(target, "_settings"), query, &answer); err != nil {
		return nil, err
	}
	all := make(map[string]map[string]string, len(answer))
	for name, index := range answer {
		all[name] = map[string]string{}
		flatten(all[name], "", index.Settings)
	}
	return all, nil
}

// flatten writes a tree of settings as "index.lifecycle.name" and the like. Lists are joined with commas.
func flatten(to map[string]string, prefix string, value any) {
	switch v := value.(type) {
	case map[string]any:
		for key, child := range v {
			if prefix != "" {
				key = prefix + "." + key
			}
			flatten(to, key, child)
		}
	case []any:
		parts := make([]string, len(v))
		for i, part := range v {
			parts[i] = fmt.Sprint(part)
		}
		to[prefix] = strings.Join(parts, ",")
	case nil:
	default:
		to[prefix] = fmt.Sprint(v)
	}
}

// Snapshots lists those of a repository, in its order.
func (c *Cluster) Snapshots(ctx context.Context, repository string) ([]filter.Item, error) {
	if !plain(repository) && !strings.HasPrefix(repository, "_") {
		return nil, failf("ConfigurationError", "cannot list the snapshots of %q: it is not the name of one repository", repository)
	}
	var answer struct {
		Snapshots []struct {
			Snapshot, UUID, State string
			Indices               []string
			Start                 int64 `json:"start_time_in_millis"`
			End                   int64 `json:"end_time_in_millis"`
		}
		Failures map[string]struct{ Type, Reason string } // by repository: 7.17 answers 200 where it is missing
	}
	err := c.get(ctx, "/_snapshot"+es.Path(repository, "_all"), with("filter_path",
		"failures,snapshots.snapshot,snapshots.uuid,snapshots.state,snapshots.indices,snapshots.start_time_in_millis,snapshots.end_time_in_millis"), &answer)
	if err != nil {
		return nil, failf("FailedExecution", "Unable to get snapshot information from repository: %s. Error: %w", repository, err)
	}
	for _, f := range answer.Failures {
		return nil, failf("FailedExecution", "Unable to get snapshot information from repository: %s. Error: %s: %s", repository, f.Type, f.Reason)
	}
	items := make([]filter.Item, 0, len(answer.Snapshots))
	for _, s := range answer.Snapshots {
		item := filter.Item{Name: s.Snapshot, UUID: s.UUID, State: s.State, Indices: s.Indices, Docs: -1, Size: -1, PrimarySize: -1, Segments: -1}
		if s.Start > 0 {
			item.Created = time.UnixMilli(s.Start).UTC()
		}
		if s.End > 0 && s.State != "IN_PROGRESS" {
			item.Ended = time.UnixMilli(s.End).UTC()
		}
		items = append(items, item)
	}
	return items, nil
}

// Learn fills in what is missing of items, in place. What cannot be known, as of an index that is gone by
// now, is filled in as none.
func (c *Cluster) Learn(ctx context.Context, items []filter.Item, missing []filter.Missing) error {
	byName := make(map[string]*filter.Item, len(items))
	for i := range items {
		byName[items[i].Name] = &items[i]
	}
	for _, m := range missing {
		var wanted []*filter.Item
		for _, name := range m.Names {
			if item := byName[name]; item != nil {
				wanted = append(wanted, item)
			}
		}
		var err error
		switch m.Fact {
		case filter.Settings:
			err = c.learnSetting(ctx, wanted, m.Field)
		case filter.Aliases:
			err = c.learnAliases(ctx, wanted)
		case filter.Segments:
			err = c.learnSegments(ctx, wanted)
		case filter.FieldRange:
			err = c.learnRanges(ctx, wanted, m.Field)
		}
		if err != nil {
			return failed(err)
		}
	}
	return nil
}

// targets are the lists of names to ask about items with: theirs if one request has room for them,
// otherwise all indices that there are, which is fewer requests for the same answer.
func targets(items []*filter.Item) string {
	list := make([]string, len(items))
	for i, item := range items {
		list[i] = item.Name
	}
	if chunks := es.Chunks(list, maxNames); len(chunks) == 1 {
		return strings.Join(chunks[0], ",")
	}
	return "*"
}

func (c *Cluster) learnSetting(ctx context.Context, items []*filter.Item, name string) error {
	settings, err := c.settings(ctx, targets(items), with("ignore_unavailable", "true", "expand_wildcards", "all"))
	if err != nil {
		return err
	}
	for _, item := range items {
		if item.Settings == nil {
			item.Settings = map[string]string{}
		}
		maps.Copy(item.Settings, settings[item.Name])
		item.Settings[name] = settings[item.Name][name]
	}
	return nil
}

func (c *Cluster) learnAliases(ctx context.Context, items []*filter.Item) error {
	var answer map[string]struct{ Aliases map[string]any }
	err := c.get(ctx, es.Path(targets(items), "_alias"), with("ignore_unavailable", "true", "expand_wildcards", "all"), &answer)
	if err != nil {
		return err
	}
	for _, item := range items {
		item.Aliases = []string{}
		for alias := range answer[item.Name].Aliases {
			item.Aliases = append(item.Aliases, alias)
		}
		slices.Sort(item.Aliases)
	}
	return nil
}

func (c *Cluster) learnSegments(ctx context.Context, items []*filter.Item) error {
	counts, err := c.segments(ctx, targets(items))
	if err != nil {
		return err
	}
	for _, item := range items {
		item.Segments = 0
		for _, n := range counts[item.Name] {
			item.Segments += n
		}
	}
	return nil
}

// segments are the numbers of segments of each copy of each shard, by index. Closed indices have none.
func (c *Cluster) segments(ctx context.Context, target string) (map[string][]int, error) {
	var answer struct {
		Indices map[string]struct {
			Shards map[string][]struct {
				Segments int `json:"num_search_segments"`
			}
		}
	}
	err := c.get(ctx, es.Path(target, "_segments"), with("ignore_unavailable", "true", "expand_wildcards", "open,hidden",
		"filter_path", "indices.*.shards.*.num_search_segments"), &answer)
	if err != nil {
		return nil, err
	}
	counts := map[string][]int{}
	for name, index := range answer.Indices {
		for _, copies := range index.Shards {
			for _, shard := range copies {
				counts[name] = append(counts[name], shard.Segments)
			}
		}
	}
	return counts, nil
}

// learnRanges asks for the least and greatest values of a date field, in one search for as many indices as
// a request has room for. An index of which a shard does not answer has an empty range: its newest document
// may be in that shard.
func (c *Cluster) learnRanges(ctx context.Context, items []*filter.Item, field string) error {
	byName := map[string]*filter.Item{}
	var open []string
	for _, item := range items {
		if item.Fields == nil {
			item.Fields = map[string]filter.Range{}
		}
		item.Fields[field] = filter.Range{Empty: true}
		byName[item.Name] = item
		if !item.Closed {
			open = append(open, item.Name)
		}
	}
	for _, chunk := range es.Chunks(open, maxNames) {
		if err := c.learnChunk(ctx, chunk, field, byName); err != nil {
			return err
		}
	}
	return nil
}

// learnChunk searches names, and then, without those that do not answer, the others. Each search after the
// first is for fewer names.
func (c *Cluster) learnChunk(ctx context.Context, names []string, field string, items map[string]*filter.Item) error {
	ranges, silent, err := c.ranges(ctx, names, field)
	if err != nil {
		return err
	}
	if len(silent) == 0 {
		for name, r := range ranges {
			if item := items[name]; item != nil {
				item.Fields[field] = r
			}
		}
		return nil
	}
	unknown := func(name, reason string) {
		c.Log.Warn(fmt.Sprintf("Index %s has no age, as the range of its %s cannot be learnt: %s", name, field, reason))
	}
	var rest []string
	for _, name := range names {
		if reason, is := silent[name]; is {
			unknown(name, reason)
		} else {
			rest = append(rest, name)
		}
	}
	switch {
	case len(rest) == 0:
		return nil
	case len(rest) < len(names):
		return c.learnChunk(ctx, rest, field, items)
	case len(names) == 1:
		unknown(names[0], silent[""])
		return nil
	}
	if err := c.learnChunk(ctx, names[:len(names)/2], field, items); err != nil {
		return err
	}
	return c.learnChunk(ctx, names[len(names)/2:], field, items)
}

// ranges searches the indices of names. If one of their shards does not answer, silent says why, by the
// name of the index, or by "" if the server does not name it.
func (c *Cluster) ranges(ctx context.Context, names []string, field string) (ranges map[string]filter.Range, silent map[string]string, err error) {
	type shardFailure struct {
		Index  string
		Reason struct{ Type, Reason string }
	}
	type bound struct {
		Value *float64
		Text  string `json:"value_as_string"`
	}
	var answer struct {
		TimedOut bool `json:"timed_out"`
		Shards   struct {
			Total, Successful int
			Failures          []shardFailure
		} `json:"_shards"`
		Aggregations struct {
			Indices struct {
				Buckets []struct {
					Key      string
					Min, Max bound
				}
			}
		}
	}
	of := func(f string) map[string]any { return map[string]any{f: map[string]any{"field": field}} }
	body := map[string]any{"size": 0, "track_total_hits": false, "aggs": map[string]any{"indices": map[string]any{
		"terms": map[string]any{"field": "_index", "size": len(names)},
		"aggs":  map[string]any{"min": of("min"), "max": of("max")}}}}
	err = c.post(ctx, es.Path(strings.Join(names, ","), "_search"), with("ignore_unavailable", "true"), body, &answer)
	if es.Type(err) == "search_phase_execution_exception" { // no shard answered
		var e *es.Error
		errors.As(err, &e)
		return nil, map[string]string{"": e.Reason}, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if answer.TimedOut || answer.Shards.Successful < answer.Shards.Total {
		silent = map[string]string{}
		for _, f := range answer.Shards.Failures {
			silent[f.Index] = f.Reason.Type + " " + f.Reason.Reason
		}
		if len(silent) == 0 {
			silent[""] = "a shard did not answer"
		}
		return nil, silent, nil
	}
	ranges = map[string]filter.Range{}
	for _, b := range answer.Aggregations.Indices.Buckets {
		if b.Min.Value != nil && b.Max.Value != nil {
			ranges[b.Key] = filter.Range{Min: instant(*b.Min.Value, b.Min.Text), Max: instant(*b.Max.Value, b.Max.Text)}
		}
	}
	return ranges, nil, nil
}

// instant reads a value of a date field, which Elasticsearch also writes as text, in milliseconds; and one of
// a number as Curator does, by its digits: up to 10 are seconds, up to 13 milliseconds, and so on.
func instant(v float64, text string) time.Time {
	if v = math.Trunc(v); text == "" && math.Abs(v) < 1e10 {
		v *= 1000
	} else if text == "" {
		for math.Abs(v) >= 1e13 {
			v /= 10
		}
	}
	return time.UnixMilli(int64(v)).UTC()
}

// Health is how the cluster is, by one of its nodes.
type Health struct {
	Status string    // green, yellow or red
	Time   time.Time // of the node's clock, within a second
}

// Health asks a node how the cluster is and what time it has.
func (c *Cluster) Health(ctx context.Context) (Health, error) {
	var rows []struct{ Epoch, Status string }
	if err := c.get(ctx, "/_cat/health", with("format", "json", "h", "epoch,status"), &rows); err != nil {
		return Health{}, fmt.Errorf("cannot learn how the cluster is: %w", err)
	}
	if len(rows) != 1 || number(&rows[0].Epoch) < 0 || !slices.Contains([]string{"green", "yellow", "red"}, strings.ToLower(rows[0].Status)) {
		return Health{}, fmt.Errorf("cannot learn how the cluster is: %s answers what it should not", "/_cat/health")
	}
	half := 500 * time.Millisecond // as the server cuts off what is below a second
	return Health{strings.ToLower(rows[0].Status), time.Unix(number(&rows[0].Epoch), 0).Add(half).UTC()}, nil
}

// Managed reports whether the index that an alias writes to has an ILM policy, so that a rollover is not ours.
func (c *Cluster) Managed(ctx context.Context, alias string) (bool, error) {
	aliases, err := c.aliased(ctx, alias)
	if err != nil {
		return false, err
	}
	write := ""
	for name, writes := range aliases {
		if writes || len(aliases) == 1 {
			write = name
		}
	}
	if write == "" {
		return false, failf("FailedExecution", "Invalid alias: is_write_index not found in 1 to many alias")
	}
	settings, err := c.settings(ctx, write, with("filter_path", known))
	if err != nil {
		return false, failed(err)
	}
	return settings[write]["index.lifecycle.name"] != "", nil
}

var errNoAlias = errors.New("not found")

// aliased are the indices of an alias, and of each whether it is the one written to.
func (c *Cluster) aliased(ctx context.Context, alias string) (map[string]bool, error) {
	if !plain(alias) {
		return nil, failf("ConfigurationError", "%q is not the name of one alias", alias)
	}
	var answer map[string]struct {
		Aliases map[string]struct {
			Writes bool `json:"is_write_index"`
		}
	}
	err := c.get(ctx, "/_alias"+es.Path(alias), nil, &answer)
	if es.Status(err) == http.StatusNotFound {
		return nil, failf("CuratorException", "Alias %s %w", alias, errNoAlias)
	}
	if err != nil {
		return nil, failed(err)
	}
	aliases := map[string]bool{}
	for name, index := range answer {
		aliases[name] = index.Aliases[alias].Writes
	}
	return aliases, nil
}

// Elected reports whether the node that is asked is the elected master.
func Elected(ctx context.Context, client *es.Client) (bool, error) {
	var local struct{ Nodes map[string]any }
	err := client.Do(ctx, http.MethodGet, "/_nodes/_local", with("filter_path", "nodes.*.name"), nil, &local)
	var master []struct{ ID string }
	if err == nil {
		err = client.Do(ctx, http.MethodGet, "/_cat/master", with("format", "json", "h", "id"), nil, &master)
	}
	if err != nil {
		return false, fmt.Errorf("cannot learn which node is the elected master: %w", err)
	}
	if len(master) != 1 {
		return false, nil // there is none at the moment
	}
	_, is := local.Nodes[master[0].ID]
	return is, nil
}
