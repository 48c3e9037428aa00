package rest

import (
	"cmp"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

// What the one node is called, and where it is: who asks reaches it by another way.
const (
	nodeName        = "podbeat"
	nodeIP          = "127.0.0.1"
	defaultReplicas = "0" // the store keeps no copies; what is asked for is kept and shown
)

func (h *Handler) clusterRoutes() []*route {
	var all []*route
	add := func(methods, paths, params string, serve func(*call) error) {
		all = append(all, routes(methods, paths, params, serve)...)
	}
	add("GET", "/_cluster/health,/_cluster/health/{index}", timeouts+"expand_wildcards level local wait_for_active_shards wait_for_nodes wait_for_events wait_for_no_relocating_shards wait_for_no_initializing_shards wait_for_status return_200_for_cluster_health_timeout", (*call).health)
	add("GET", "/_cluster/settings", timeouts+"flat_settings include_defaults local", (*call).getClusterSettings)
	add("PUT", "/_cluster/settings", timeouts+"flat_settings", (*call).putClusterSettings)
	add("GET", "/_cluster/state,/_cluster/state/{metric},/_cluster/state/{metric}/{index}", indicesParams+"flat_settings local master_timeout wait_for_metadata_version wait_for_timeout", (*call).clusterState)
	add("GET", "/_cluster/stats,/_cluster/stats/nodes/{node}", timeouts+"flat_settings", (*call).clusterStats)
	add("GET", "/_cluster/pending_tasks", "local master_timeout", (*call).pendingTasks)
	add("GET", "/_nodes,/_nodes/{node},/_nodes/{node}/{metric}", timeouts+"flat_settings", (*call).nodes)
	add("GET", "/_nodes/stats,/_nodes/stats/{metric},/_nodes/{node}/stats,/_nodes/{node}/stats/{metric}", timeouts+"level types fields groups include_segment_file_sizes", (*call).nodesStats)
	add("GET", "/_tasks", timeouts+"actions detailed group_by nodes parent_task_id wait_for_completion", (*call).tasks)
	add("GET", "/_segments,/{index}/_segments", indicesParams+"verbose", (*call).segments)
	add("GET", "/_snapshot,/_snapshot/_all", "local master_timeout", func(c *call) error { return c.answer(object()) })
	add("GET", "/_ingest/pipeline,/_ingest/pipeline/{name}", "master_timeout summary", (*call).noPipelines)
	return all
}

// health answers _cluster/health: green, as no shard can be missing. An index that is not there makes it red.
func (c *call) health() error {
	if err := c.noBody(); err != nil {
		return err
	}
	wait := c.params["wait_for_status"]
	if wait != "" && !slices.Contains([]string{"green", "yellow", "red"}, strings.ToLower(wait)) {
		return illegal("No enum constant org.elasticsearch.cluster.health.ClusterHealthStatus.%s", clip(strings.ToUpper(wait)))
	}
	o := hiddenOptions
	names, err := c.target(o)
	if f := asFailureOf(err, "index_not_found_exception"); f != nil {
		return c.timedOut()
	}
	if err != nil {
		return err
	}
	all, err := c.h.states(names)
	if err != nil {
		return err
	}
	status := http.StatusOK
	late := c.tooMuchAsked(len(all))
	if late {
		status = http.StatusRequestTimeout
	}
	v := c.healthValue("green", late, len(all))
	level := c.params["level"]
	if level == "indices" || level == "shards" {
		indices := object()
		for _, ix := range all {
			replicas, _ := strconv.Atoi(cmp.Or(ix.facts.Load().setting("index.number_of_replicas"), defaultReplicas))
			one := object("status", "green", "number_of_shards", 1, "number_of_replicas", replicas, "active_primary_shards", 1, "active_shards", 1,
				"relocating_shards", 0, "initializing_shards", 0, "unassigned_shards", 0)
			if level == "shards" {
				one.Members = append(one.Members, body.Member{Name: "shards", Value: object("0", object("status", "green", "primary_active", true, "active_shards", 1,
					"relocating_shards", 0, "initializing_shards", 0, "unassigned_shards", 0))})
			}
			indices.Members = append(indices.Members, body.Member{Name: ix.name, Value: one})
		}
		v.Members = append(v.Members, body.Member{Name: "indices", Value: indices})
	}
	c.reply(status, v.Append(nil))
	return nil
}

func asFailureOf(err error, typ string) *failure {
	if err == nil {
		return nil
	}
	if f := asFailure(err); f.typ == typ {
		return f
	}
	return nil
}

func (c *call) healthValue(status string, late bool, n int) body.Value {
	return object("cluster_name", c.h.cluster, "status", status, "timed_out", late, "number_of_nodes", 1, "number_of_data_nodes", 1,
		"active_primary_shards", n, "active_shards", n, "relocating_shards", 0, "initializing_shards", 0, "unassigned_shards", 0,
		"delayed_unassigned_shards", 0, "number_of_pending_tasks", 0, "number_of_in_flight_fetch", 0, "task_max_waiting_in_queue_millis", 0,
		"active_shards_percent_as_number", 100.0)
}

// timedOut is the answer about an index that is not there: nothing that may come is waited for.
func (c *call) timedOut() error {
	c.reply(http.StatusRequestTimeout, c.healthValue("red", true, 0).Append(nil))
	return nil
}

// tooMuchAsked says that a request waits for nodes or shards that there will never be.
func (c *call) tooMuchAsked(shards int) bool {
	over := func(text string, have int) bool {
		for _, op := range []string{">=", "<=", ">", "<", "ge(", "le(", "gt(", "lt("} {
			if number, ok := strings.CutPrefix(text, op); ok {
				n, err := strconv.Atoi(strings.TrimSuffix(number, ")"))
				if err != nil {
					return false
				}
				switch op {
				case ">=", "ge(":
					return have < n
				case "<=", "le(":
					return have > n
				case ">", "gt(":
					return have <= n
				}
				return have >= n
			}
		}
		n, err := strconv.Atoi(text)
		return err == nil && have != n
	}
	n, err := strconv.Atoi(c.params["wait_for_active_shards"])
	return err == nil && n > shards || over(c.params["wait_for_nodes"], 1)
}

// clusterKnown are settings of the cluster that are kept, though most change nothing here.
var clusterKnown = []string{"action.", "cluster.routing.", "cluster.max_shards_per_node", "cluster.blocks.", "cluster.info.update.interval", "indices.recovery.",
	"indices.breaker.", "search.max_buckets", "search.default_", "search.max_open_scroll_context", "search.allow_expensive_queries", "logger.",
	"cluster.persistent_tasks.", "cluster.indices.", "indices.lifecycle.", "xpack.", "indices.mapping.", "ingest.", "script.", "http."}

func (c *call) getClusterSettings() error {
	if err := c.noBody(); err != nil {
		return err
	}
	s := c.h.settings.Load()
	flatten := c.flag("flat_settings", false)
	v := object("persistent", shape(s.persistent, flatten), "transient", shape(s.transient, flatten))
	if c.flag("include_defaults", false) {
		defaults := object("cluster.name", c.h.cluster, "action.auto_create_index", "true", "action.destructive_requires_name", "false")
		v.Members = append(v.Members, body.Member{Name: "defaults", Value: shape(nest(defaults.Members), flatten)})
	}
	return c.answer(v)
}

func (c *call) putClusterSettings() error {
	v, err := c.objectBody()
	if err != nil {
		return err
	}
	c.h.change.Lock()
	defer c.h.change.Unlock()
	now := c.h.settings.Load()
	next := &clusterSettings{persistent: now.persistent, transient: now.transient}
	changed := map[string]body.Value{"persistent": object(), "transient": object()}
	any := false
	for _, m := range v.Members {
		if m.Name != "persistent" && m.Name != "transient" || m.Value.Kind != body.Object {
			return &failure{typ: "x_content_parse_exception", reason: fmt.Sprintf("[cluster_update_settings_request] unknown field [%s]", clip(m.Name))}
		}
		to := &next.persistent
		if m.Name == "transient" {
			to = &next.transient
		}
		have, set := flat(*to), []body.Member(nil)
		for _, s := range flat(m.Value) {
			any = true
			if have, set, err = changeSetting(m.Name, have, set, s); err != nil {
				return err
			}
		}
		*to, changed[m.Name] = nest(have), nest(set)
	}
	if !any {
		return invalid("no settings to update")
	}
	if err := next.read(); err != nil {
		return err
	}
	if err := c.h.store.SetMeta(c.context(), store.Meta{Key: clusterKey, Value: next.persistent.Append(nil)}); err != nil {
		return err
	}
	c.h.settings.Store(next)
	flatten := c.flag("flat_settings", false)
	return c.answer(object("acknowledged", true, "persistent", shape(changed["persistent"], flatten), "transient", shape(changed["transient"], flatten)))
}

// changeSetting makes one change to settings of the cluster.
func changeSetting(kind string, have, set []body.Member, s body.Member) (changed, shown []body.Member, err error) {
	wild := strings.Contains(s.Name, "*") && s.Value.Kind == body.Null
	if !wild && !slices.ContainsFunc(clusterKnown, func(known string) bool {
		return s.Name == known || strings.HasSuffix(known, ".") && strings.HasPrefix(s.Name, known) || strings.HasSuffix(known, "_") && strings.HasPrefix(s.Name, known)
	}) {
		return nil, nil, illegal("%s setting [%s], not recognized", kind, clip(s.Name))
	}
	have = slices.DeleteFunc(have, func(m body.Member) bool { return mapping.Like(s.Name, m.Name) })
	if s.Value.Kind == body.Null {
		return have, set, nil
	}
	if s.Value.Kind != body.Array {
		s.Value = body.Text(s.Value.Text)
	}
	if strings.HasPrefix(s.Name, "action.destructive") || strings.HasPrefix(s.Name, "cluster.blocks.") {
		if s.Value.Text != "true" && s.Value.Text != "false" {
			return nil, nil, illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", clip(s.Value.Text))
		}
	}
	return append(have, s), append(set, s), nil
}

// clusterState answers the parts of _cluster/state that tools look at.
func (c *call) clusterState() error {
	parts := strings.Split(cmp.Or(c.names["metric"], "_all"), ",")
	has := func(part string) bool { return slices.Contains(parts, part) || slices.Contains(parts, "_all") }
	for _, p := range parts {
		if !slices.Contains([]string{"_all", "version", "master_node", "nodes", "metadata", "routing_table", "routing_nodes", "blocks", "customs"}, p) {
			return illegal("request [%s] contains unrecognized metric: [%s]", clip(c.r.URL.Path), clip(p))
		}
	}
	o := hiddenOptions
	o.ignoreUnavailable = true
	all, err := c.each(o)
	if err != nil {
		return err
	}
	v := object("cluster_name", c.h.cluster, "cluster_uuid", c.h.uuid)
	add := func(name string, value any) {
		v.Members = append(v.Members, body.Member{Name: name, Value: jsonOf(value)})
	}
	if has("version") {
		add("version", c.h.store.Changes())
		add("state_uuid", c.h.node)
	}
	if has("master_node") {
		add("master_node", c.h.node)
	}
	if has("blocks") {
		add("blocks", object())
	}
	if has("nodes") {
		add("nodes", object(c.h.node, object("name", nodeName, "ephemeral_id", c.h.node, "transport_address", nodeIP+":9300", "attributes", object(), "roles", nodeRoles)))
	}
	metadata, table := object(), object()
	for _, ix := range all {
		f := ix.facts.Load()
		state := "open"
		if ix.closed {
			state = "close"
		}
		var aliases []string
		for _, a := range f.aliases {
			aliases = append(aliases, a.name)
		}
		metadata.Members = append(metadata.Members, body.Member{Name: ix.name, Value: object("state", state, "settings", ix.shownSettings(false),
			"mappings", object("_doc", f.mapping.JSON()), "aliases", aliases, "system", false)})
		table.Members = append(table.Members, body.Member{Name: ix.name, Value: object("shards", object("0", list(object("state", "STARTED", "primary", true,
			"node", c.h.node, "relocating_node", nil, "shard", 0, "index", ix.name))))})
	}
	if has("metadata") {
		templates := object()
		t := c.h.templates.Load()
		for _, name := range named(t.Legacy, "") {
			templates.Members = append(templates.Members, body.Member{Name: name, Value: shownLegacy(t.Legacy[name], false, true)})
		}
		add("metadata", object("cluster_uuid", c.h.uuid, "cluster_uuid_committed", true, "templates", templates, "indices", metadata))
	}
	if has("routing_table") {
		add("routing_table", object("indices", table))
	}
	return c.answer(v)
}

var nodeRoles = []string{"data", "ingest", "master"}

func one() body.Value { return object("total", 1, "successful", 1, "failed", 0) }

func (c *call) clusterStats() error {
	if err := c.noBody(); err != nil {
		return err
	}
	s, err := c.h.sum(nil)
	if err != nil {
		return err
	}
	total, free, err := c.h.store.Space()
	if err != nil {
		return err
	}
	return c.answer(object("_nodes", one(), "cluster_name", c.h.cluster, "cluster_uuid", c.h.uuid, "timestamp", c.h.now().UnixMilli(), "status", "green",
		"indices", object("count", s.indices, "shards", object("total", s.indices, "primaries", s.indices, "replication", 0.0),
			"docs", object("count", s.docs, "deleted", s.deleted), "store", object("size_in_bytes", s.bytes, "total_data_set_size_in_bytes", s.bytes, "reserved_in_bytes", 0),
			"segments", object("count", s.blocks)),
		"nodes", object("count", object("total", 1, "coordinating_only", 0, "data", 1, "ingest", 1, "master", 1), "versions", []string{version},
			"os", object("available_processors", runtime.NumCPU(), "allocated_processors", runtime.GOMAXPROCS(0)),
			"fs", object("total_in_bytes", total, "free_in_bytes", free, "available_in_bytes", free))))
}

func (c *call) pendingTasks() error {
	if err := c.noBody(); err != nil {
		return err
	}
	return c.answer(object("tasks", list()))
}

// tasks answers with no task: none of the store's outlasts its request.
func (c *call) tasks() error {
	if err := c.noBody(); err != nil {
		return err
	}
	return c.answer(object("nodes", object()))
}

func (c *call) noPipelines() error {
	if err := c.noBody(); err != nil {
		return err
	}
	c.reply(http.StatusNotFound, object().Append(nil))
	return nil
}

// node is what all answers about the node begin with.
func (c *call) nodeValue() body.Value {
	return object("name", nodeName, "transport_address", nodeIP+":9300", "host", nodeIP, "ip", nodeIP, "version", version, "roles", nodeRoles)
}

// chosenNode says whether the path means the one node.
func (c *call) chosenNode() bool {
	want := c.names["node"]
	if want == "" {
		return true
	}
	for n := range strings.SplitSeq(want, ",") {
		switch {
		case n == "_all", n == "_local", n == "_master", mapping.Like(n, c.h.node), mapping.Like(n, nodeName), mapping.Like(n, nodeIP), strings.HasSuffix(n, ":true"),
			slices.Contains([]string{"_all", "settings", "os", "process", "jvm", "thread_pool", "transport", "http", "plugins", "ingest", "aggregations", "indices"}, n):
			return true
		}
	}
	return false
}

func (c *call) nodes() error {
	if err := c.noBody(); err != nil {
		return err
	}
	nodes := object()
	if c.chosenNode() {
		v := c.nodeValue()
		v.Members = append(v.Members, object("build_flavor", "default", "build_type", "tar",
			"settings", object("cluster", object("name", c.h.cluster), "node", object("name", nodeName)),
			"os", object("name", runtime.GOOS, "arch", runtime.GOARCH, "available_processors", runtime.NumCPU(), "allocated_processors", runtime.GOMAXPROCS(0)),
			"http", object("publish_address", c.r.Host, "max_content_length_in_bytes", int64(c.h.limits.Body)),
			"plugins", list(), "modules", list()).Members...)
		nodes = object(c.h.node, v)
	}
	return c.answer(object("_nodes", one(), "cluster_name", c.h.cluster, "nodes", nodes))
}

func (c *call) nodesStats() error {
	if err := c.noBody(); err != nil {
		return err
	}
	total, free, err := c.h.store.Space()
	if err != nil {
		return err
	}
	wanted := strings.Split(cmp.Or(c.names["metric"], "_all"), ",")
	has := func(part string) bool { return slices.Contains(wanted, part) || slices.Contains(wanted, "_all") }
	nodes := object()
	if c.chosenNode() {
		now := c.h.now().UnixMilli()
		v := object("timestamp", now)
		v.Members = append(v.Members, c.nodeValue().Members...)
		if has("indices") {
			s, err := c.h.sum(nil)
			if err != nil {
				return err
			}
			v.Members = append(v.Members, body.Member{Name: "indices", Value: c.statsOf(s, metrics, &c.h.counters)})
		}
		if has("fs") {
			space := object("total_in_bytes", total, "free_in_bytes", free, "available_in_bytes", free)
			v.Members = append(v.Members, body.Member{Name: "fs", Value: object("timestamp", now, "total", space, "data", list(space))})
		}
		nodes = object(c.h.node, v)
	}
	return c.answer(object("_nodes", one(), "cluster_name", c.h.cluster, "nodes", nodes))
}
