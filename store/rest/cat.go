package rest

import (
	"cmp"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// A column is one of a table of _cat.
type column struct {
	name  string
	also  string // other names, with commas
	text  string // what it holds
	right bool   // numbers are set to the right
	more  bool   // shown only when it is asked for
}

// A cell is what stands in a table: nil, a string, an int64, a size in bytes, or a share in percent.
type cell any

// size is a number of bytes, shown in the unit that the request asks for.
type size int64

// A table is what _cat answers.
type table struct {
	columns []column
	rows    [][]cell
}

func (t *table) add(cells ...cell) { t.rows = append(t.rows, cells) }

const catParams = " h s v help bytes time ts local master_timeout "

// cat answers with a table, as the parameters want it: h, s, v, help, format, bytes.
func (c *call) cat(columns []column, fill func(*table) error) error {
	if err := c.noBody(); err != nil {
		return err
	}
	t := &table{columns: columns}
	if c.flag("help", false) {
		c.send(http.StatusOK, "text/plain; charset=UTF-8", t.help())
		return nil
	}
	if err := fill(t); err != nil {
		return err
	}
	if err := t.sort(c.params["s"]); err != nil {
		return err
	}
	shown := t.chosen(c.params["h"])
	if c.params["format"] == "json" || c.params["format"] == "" && (strings.HasPrefix(c.r.Header.Get("Accept"), "application/json") || strings.HasPrefix(c.r.Header.Get("Accept"), "application/vnd.elasticsearch+json")) {
		c.reply(http.StatusOK, t.json(shown, c.params["bytes"]))
		return nil
	}
	c.send(http.StatusOK, "text/plain; charset=UTF-8", t.text(shown, c.params["bytes"], c.flag("v", false)))
	return nil
}

func (t *table) help() []byte {
	rows := make([][3]string, 0, len(t.columns))
	var wide [3]int
	for _, c := range t.columns {
		row := [3]string{c.name, c.also, c.text}
		for i, s := range row {
			wide[i] = max(wide[i], len(s))
		}
		rows = append(rows, row)
	}
	var out []byte
	for _, r := range rows {
		out = fmt.Appendf(out, "%-*s | %-*s | %-*s\n", wide[0], r[0], wide[1], r[1], wide[2], r[2])
	}
	return out
}

// find gives the place of a column by one of its names, -1 if there is none.
func (t *table) find(name string) int {
	for i, c := range t.columns {
		if c.name == name {
			return i
		}
	}
	for i, c := range t.columns {
		if slices.Contains(strings.Split(c.also, ","), name) {
			return i
		}
	}
	return -1
}

// A shownColumn is a column under the name that it was asked for by.
type shownColumn struct {
	at   int
	name string
}

func (t *table) chosen(h string) []shownColumn {
	var out []shownColumn
	if h == "" {
		for i, c := range t.columns {
			if !c.more {
				out = append(out, shownColumn{i, c.name})
			}
		}
		return out
	}
	for name := range strings.SplitSeq(h, ",") {
		if strings.Contains(name, "*") {
			for i, c := range t.columns {
				if mapping.Like(name, c.name) && !slices.ContainsFunc(out, func(s shownColumn) bool { return s.at == i }) {
					out = append(out, shownColumn{i, c.name})
				}
			}
		} else if i := t.find(name); i >= 0 {
			out = append(out, shownColumn{i, name})
		}
	}
	return out
}

// sort orders the rows by what s says: columns, each with :asc or :desc.
func (t *table) sort(s string) error {
	if s == "" {
		return nil
	}
	type key struct {
		at   int
		desc bool
	}
	var keys []key
	for part := range strings.SplitSeq(s, ",") {
		name, desc := strings.CutSuffix(part, ":desc")
		name, _ = strings.CutSuffix(name, ":asc")
		at := t.find(name)
		if at < 0 {
			return &failure{status: http.StatusInternalServerError, typ: "unsupported_operation_exception", reason: fmt.Sprintf("Unable to sort by unknown sort key `%s`", clip(name))}
		}
		keys = append(keys, key{at, desc})
	}
	slices.SortStableFunc(t.rows, func(a, b []cell) int {
		for _, k := range keys {
			if n := compareCells(a[k.at], b[k.at]); n != 0 {
				if k.desc {
					return -n
				}
				return n
			}
		}
		return 0
	})
	return nil
}

func compareCells(a, b cell) int {
	switch a := a.(type) {
	case nil:
		if b == nil {
			return 0
		}
		return 1
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case size:
		if b, ok := b.(size); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b)
		}
	}
	return -1
}

func cellText(c cell, unit string) string {
	switch c := c.(type) {
	case string:
		return c
	case int64:
		return strconv.FormatInt(c, 10)
	case size:
		return sizeText(int64(c), unit)
	}
	return ""
}

// units are what sizes are shown in.
var units = []string{"b", "kb", "mb", "gb", "tb", "pb"}

// sizeText shows a size in a unit, or as Elasticsearch does for people: with one digit behind the point.
func sizeText(n int64, unit string) string {
	if i := slices.Index([]string{"b", "k", "m", "g", "t", "p"}, unit); i >= 0 {
		return strconv.FormatInt(n>>(10*i), 10)
	}
	if i := slices.Index(units, unit); i >= 0 {
		return strconv.FormatInt(n>>(10*i), 10)
	}
	i, x := 0, float64(n)
	for x >= 1024 && i < len(units)-1 {
		x /= 1024
		i++
	}
	text := strconv.FormatFloat(math.Floor(x*10)/10, 'f', 1, 64)
	return strings.TrimSuffix(text, ".0") + units[i]
}

func (t *table) json(shown []shownColumn, unit string) []byte {
	out := list()
	for _, row := range t.rows {
		v := object()
		for _, s := range shown {
			value := body.Value{Kind: body.Null}
			if c := row[s.at]; c != nil {
				value = body.Text(cellText(c, unit))
			}
			v.Members = append(v.Members, body.Member{Name: s.name, Value: value})
		}
		out.Items = append(out.Items, v)
	}
	return out.Append(nil)
}

func (t *table) text(shown []shownColumn, unit string, header bool) []byte {
	var lines [][]string
	if header {
		var line []string
		for _, s := range shown {
			line = append(line, s.name)
		}
		lines = append(lines, line)
	}
	for _, row := range t.rows {
		var line []string
		for _, s := range shown {
			line = append(line, printable(cellText(row[s.at], unit)))
		}
		lines = append(lines, line)
	}
	wide := make([]int, len(shown))
	for _, line := range lines {
		for i, s := range line {
			wide[i] = max(wide[i], utf8.RuneCountInString(s))
		}
	}
	var out []byte
	for _, line := range lines {
		for i, s := range line {
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(s))
			switch {
			case t.columns[shown[i].at].right:
				s = pad + s
			case i < len(line)-1:
				s += pad
			}
			if i > 0 {
				out = append(out, ' ')
			}
			out = append(out, s...)
		}
		out = append(out, '\n')
	}
	return out
}

// printable leaves out what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '.'
		}
		return r
	}, s)
}

func (h *Handler) catRoutes() []*route {
	var all []*route
	add := func(paths, params string, serve func(*call) error) {
		all = append(all, routes("GET", paths, catParams+params, serve)...)
	}
	add("/_cat", "", (*call).catList)
	add("/_cat/indices,/_cat/indices/{index}", indicesParams+"health pri include_unloaded_segments", (*call).catIndices)
	add("/_cat/health", "", (*call).catHealth)
	add("/_cat/allocation,/_cat/allocation/{nodes}", "", (*call).catAllocation)
	add("/_cat/master", "", (*call).catMaster)
	add("/_cat/aliases,/_cat/aliases/{alias}", "expand_wildcards", (*call).catAliases)
	add("/_cat/count,/_cat/count/{index}", "", (*call).catCount)
	add("/_cat/nodes", "full_id include_unloaded_segments", (*call).catNodes)
	add("/_cat/shards,/_cat/shards/{index}", "", (*call).catShards)
	add("/_cat/templates,/_cat/templates/{name}", "", (*call).catTemplates)
	add("/_cat/plugins", "include_bootstrap", (*call).catPlugins)
	add("/_cat/segments,/_cat/segments/{index}", "", (*call).catSegments)
	return all
}

func (c *call) catList() error {
	if err := c.noBody(); err != nil {
		return err
	}
	out := "=^.^=\n"
	for _, r := range c.h.table() {
		if path := "/" + strings.Join(r.segments, "/"); strings.HasPrefix(path, "/_cat/") {
			out += path + "\n"
		}
	}
	c.send(http.StatusOK, "text/plain; charset=UTF-8", []byte(out))
	return nil
}

var indexColumns = []column{{name: "health", also: "h", text: "current health status"}, {name: "status", also: "s", text: "open/close status"},
	{name: "index", also: "i,idx", text: "index name"}, {name: "uuid", also: "id,uuid", text: "index uuid"},
	{name: "pri", also: "p,shards.primary,shardsPrimary", text: "number of primary shards", right: true},
	{name: "rep", also: "r,shards.replica,shardsReplica", text: "number of replica shards", right: true},
	{name: "docs.count", also: "dc,docsCount", text: "available docs", right: true}, {name: "docs.deleted", also: "dd,docsDeleted", text: "deleted docs", right: true},
	{name: "creation.date", also: "cd", text: "index creation date (millisecond value)", more: true},
	{name: "creation.date.string", also: "cds", text: "index creation date (as string)", more: true},
	{name: "store.size", also: "ss,storeSize", text: "store size of primaries & replicas", right: true},
	{name: "pri.store.size", text: "store size of primaries", right: true},
	{name: "segments.count", also: "sc,segmentsCount", text: "number of segments", right: true, more: true},
	{name: "pri.segments.count", text: "number of segments", right: true, more: true}}

func (c *call) catIndices() error {
	return c.cat(indexColumns, func(t *table) error {
		switch health := c.params["health"]; strings.ToLower(health) {
		case "", "green":
		case "yellow", "red":
			return nil // no index is
		default:
			return illegal("unknown cluster health status [%s]", clip(health))
		}
		o := anyOptions
		names, err := c.target(o)
		if err != nil {
			return err
		}
		all, err := c.h.states(names)
		if err != nil {
			return err
		}
		for _, ix := range all {
			i, err := c.h.store.Info(ix.name)
			if err != nil {
				continue // it is gone meanwhile
			}
			created := ix.created.UTC()
			row := []cell{"green", "open", ix.name, ix.uuid, "1", cmp.Or(ix.facts.Load().setting("index.number_of_replicas"), defaultReplicas),
				int64(i.Docs), int64(i.Deleted), strconv.FormatInt(created.UnixMilli(), 10), created.Format("2006-01-02T15:04:05.000Z"),
				size(i.Bytes), size(i.Bytes), int64(i.Blocks), int64(i.Blocks)}
			if ix.closed {
				row[1] = "close"
				for _, at := range []int{6, 7, 10, 11, 12, 13} {
					row[at] = nil
				}
			}
			t.add(row...)
		}
		return nil
	})
}

var healthColumns = []column{{name: "epoch", also: "t,time", text: "seconds since 1970-01-01 00:00:00"}, {name: "timestamp", also: "ts,hms,hhmmss", text: "time in HH:MM:SS"},
	{name: "cluster", also: "cl", text: "cluster name"}, {name: "status", also: "st", text: "health status"},
	{name: "node.total", also: "nt,nodeTotal", text: "total number of nodes", right: true}, {name: "node.data", also: "nd,nodeData", text: "number of nodes that can store data", right: true},
	{name: "shards", also: "t,sh,shards.total,shardsTotal", text: "total number of shards", right: true},
	{name: "pri", also: "p,shards.primary,shardsPrimary", text: "number of primary shards", right: true},
	{name: "relo", also: "r,shards.relocating,shardsRelocating", text: "number of relocating nodes", right: true},
	{name: "init", also: "i,shards.initializing,shardsInitializing", text: "number of initializing nodes", right: true},
	{name: "unassign", also: "u,shards.unassigned,shardsUnassigned", text: "number of unassigned shards", right: true},
	{name: "pending_tasks", also: "pt,pendingTasks", text: "number of pending tasks", right: true},
	{name: "max_task_wait_time", also: "mtwt,maxTaskWaitTime", text: "wait time of longest task pending", right: true},
	{name: "active_shards_percent", also: "asp,activeShardsPercent", text: "active number of shards in percent", right: true}}

func (c *call) catHealth() error {
	columns := slices.Clone(healthColumns)
	if !c.flag("ts", true) {
		columns[0].more, columns[1].more = true, true
	}
	return c.cat(columns, func(t *table) error {
		open, err := c.openCount()
		if err != nil {
			return err
		}
		now := c.h.now().UTC()
		n := int64(open)
		t.add(strconv.FormatInt(now.Unix(), 10), now.Format("15:04:05"), c.h.cluster, "green", int64(1), int64(1), n, n, int64(0), int64(0), int64(0), int64(0), "-", "100.0%")
		return nil
	})
}

// openCount is the number of indices, each of which is a shard.
func (c *call) openCount() (int, error) {
	s, err := c.h.snapshot()
	if err != nil {
		return 0, err
	}
	return len(s.list), nil
}

func (c *call) catAllocation() error {
	return c.cat([]column{{name: "shards", also: "s", text: "number of shards on node", right: true}, {name: "disk.indices", also: "di,diskIndices", text: "disk used by ES indices", right: true},
		{name: "disk.used", also: "du,diskUsed", text: "disk used (total, not just ES)", right: true}, {name: "disk.avail", also: "da,diskAvail", text: "disk available", right: true},
		{name: "disk.total", also: "dt,diskTotal", text: "total capacity of all volumes", right: true}, {name: "disk.percent", also: "dp,diskPercent", text: "percent disk used", right: true},
		{name: "host", also: "h", text: "host of node"}, {name: "ip", text: "ip of node"}, {name: "node", also: "n", text: "name of node"}}, func(t *table) error {
		sum, err := c.h.sum(nil)
		if err != nil {
			return err
		}
		total, free, err := c.h.store.Space()
		if err != nil {
			return err
		}
		used := total - free
		percent := int64(0)
		if total > 0 {
			percent = used * 100 / total
		}
		t.add(int64(sum.indices), size(sum.bytes), size(used), size(free), size(total), percent, nodeIP, nodeIP, nodeName)
		return nil
	})
}

func (c *call) catMaster() error {
	return c.cat([]column{{name: "id", text: "node id"}, {name: "host", also: "h", text: "host name"}, {name: "ip", text: "ip address"}, {name: "node", also: "n", text: "node name"}}, func(t *table) error {
		t.add(c.h.node, nodeIP, nodeIP, nodeName)
		return nil
	})
}

func (c *call) catAliases() error {
	return c.cat([]column{{name: "alias", also: "a", text: "alias name"}, {name: "index", also: "i,idx", text: "index alias points to"}, {name: "filter", also: "f,fi", text: "filter"},
		{name: "routing.index", also: "ri,routingIndex", text: "index routing"}, {name: "routing.search", also: "rs,routingSearch", text: "search routing"},
		{name: "is_write_index", also: "w,isWriteIndex", text: "write index"}}, func(t *table) error {
		s, err := c.h.snapshot()
		if err != nil {
			return err
		}
		for _, ix := range s.list {
			for _, a := range ix.facts.Load().aliases {
				wanted := c.names["alias"] == ""
				for p := range strings.SplitSeq(c.names["alias"], ",") {
					wanted = wanted || mapping.Like(p, a.name)
				}
				if !wanted {
					continue
				}
				write := "-"
				if a.write != nil {
					write = strconv.FormatBool(*a.write)
				}
				t.add(a.name, ix.name, "-", "-", "-", write)
			}
		}
		return nil
	})
}

func (c *call) catCount() error {
	return c.cat([]column{{name: "epoch", also: "t,time", text: "seconds since 1970-01-01 00:00:00"}, {name: "timestamp", also: "ts,hms,hhmmss", text: "time in HH:MM:SS"},
		{name: "count", also: "dc,docs.count,docsCount", text: "the document count"}}, func(t *table) error {
		names, err := c.target(searchOptions)
		if err != nil {
			return err
		}
		sum, err := c.h.sum(names)
		if err != nil {
			return err
		}
		now := c.h.now().UTC()
		t.add(strconv.FormatInt(now.Unix(), 10), now.Format("15:04:05"), strconv.Itoa(sum.docs))
		return nil
	})
}

func (c *call) catShards() error {
	return c.cat([]column{{name: "index", also: "i,idx", text: "index name"}, {name: "shard", also: "s,sh", text: "shard name"}, {name: "prirep", also: "p,pr,primaryOrReplica", text: "primary or replica"},
		{name: "state", also: "st", text: "shard state"}, {name: "docs", also: "d,dc", text: "number of docs in shard", right: true},
		{name: "store", also: "sto", text: "store size of shard (how much disk it uses)", right: true}, {name: "ip", text: "ip of node where it lives"},
		{name: "id", text: "unique id of node where it lives", more: true}, {name: "node", also: "n", text: "name of node where it lives"},
		{name: "unassigned.reason", also: "ur", text: "reason shard became unassigned", more: true},
		{name: "segments.count", also: "sc,segmentsCount", text: "number of segments", right: true, more: true}}, func(t *table) error {
		return c.eachInfo(hiddenSearch, func(x indexInfo) {
			t.add(x.name, "0", "p", "STARTED", int64(x.info.Docs), size(x.info.Bytes), nodeIP, c.h.node, nodeName, nil, int64(x.info.Blocks))
		})
	})
}

func (c *call) catSegments() error {
	return c.cat([]column{{name: "index", also: "i,idx", text: "index name"}, {name: "shard", also: "s,sh", text: "shard name"}, {name: "prirep", also: "p,pr,primaryOrReplica", text: "primary or replica"},
		{name: "ip", text: "ip of node where it lives"}, {name: "segment", also: "seg", text: "segment name"}, {name: "docs.count", also: "dc,docsCount", text: "number of docs in segment", right: true},
		{name: "docs.deleted", also: "dd,docsDeleted", text: "number of deleted docs in segment", right: true}, {name: "size", also: "si", text: "segment size in bytes", right: true}}, func(t *table) error {
		return c.eachInfo(searchOptions, func(x indexInfo) {
			t.add(x.name, "0", "p", nodeIP, "_0", int64(x.info.Docs), int64(x.info.Deleted), size(x.info.Bytes))
		})
	})
}

func (c *call) catTemplates() error {
	return c.cat([]column{{name: "name", also: "n", text: "template name"}, {name: "index_patterns", also: "t", text: "template index patterns"},
		{name: "order", also: "o,p", text: "template application order/priority number"}, {name: "version", also: "v", text: "version"},
		{name: "composed_of", also: "c", text: "component templates comprising index template"}}, func(t *table) error {
		all := c.h.templates.Load()
		row := func(name string, v body.Value, order string, composed cell) {
			get := func(member string) string {
				m, _ := v.Get(member)
				return m.Text
			}
			join := func(member string) string {
				m, _ := v.Get(member)
				var out []string
				for _, item := range m.Items {
					out = append(out, item.Text)
				}
				return "[" + strings.Join(out, ", ") + "]"
			}
			var version cell
			if s := get("version"); s != "" {
				version = s
			}
			if composed == nil {
				composed = join("composed_of")
			}
			t.add(name, join("index_patterns"), cmp.Or(get(order), "0"), version, composed)
		}
		for _, name := range named(all.Legacy, c.names["name"]) {
			row(name, all.Legacy[name], "order", "")
		}
		for _, name := range named(all.Composable, c.names["name"]) {
			row(name, all.Composable[name], "priority", nil)
		}
		return nil
	})
}

func (c *call) catPlugins() error {
	return c.cat([]column{{name: "id", text: "unique node id", more: true}, {name: "name", also: "n", text: "node name"}, {name: "component", also: "c", text: "component"},
		{name: "version", also: "v", text: "component version"}, {name: "description", also: "d", text: "plugin details", more: true}}, func(*table) error { return nil })
}

func (c *call) catNodes() error {
	return c.cat([]column{{name: "id", also: "id,nodeId", text: "unique node id", more: true}, {name: "ip", also: "i", text: "ip address"}, {name: "version", also: "v", text: "es version", more: true},
		{name: "heap.percent", also: "hp,heapPercent", text: "used heap ratio", right: true}, {name: "ram.percent", also: "rp,ramPercent", text: "used machine memory ratio", right: true},
		{name: "cpu", also: "cpu", text: "recent cpu usage", right: true}, {name: "load_1m", also: "l", text: "1m load avg", right: true},
		{name: "load_5m", also: "l", text: "5m load avg", right: true}, {name: "load_15m", also: "l", text: "15m load avg", right: true},
		{name: "disk.total", also: "dt,diskTotal", text: "total disk space", right: true, more: true}, {name: "disk.used", also: "du,diskUsed", text: "used disk space", right: true, more: true},
		{name: "disk.avail", also: "d,da,disk,diskAvail", text: "available disk space", right: true, more: true}, {name: "uptime", also: "u", text: "node uptime", more: true},
		{name: "node.role", also: "r,role,nodeRole", text: "m:master eligible node, d:data node, i:ingest node, -:coordinating node only"},
		{name: "master", also: "m", text: "*:current master"}, {name: "name", also: "n", text: "node name"}}, func(t *table) error {
		total, free, err := c.h.store.Space()
		if err != nil {
			return err
		}
		t.add(c.h.node[:4], nodeIP, version, nil, nil, nil, nil, nil, nil, size(total), size(total-free), size(free),
			c.h.now().Sub(c.h.started).Round(time.Second).String(), "dm", "*", nodeName)
		return nil
	})
}
