package rest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
)

// counters count what was done since the program started.
type counters struct {
	indexed, deleted, failed atomic.Int64
	indexNanos               atomic.Int64
}

// count adds items that were done within a time.
func (n *counters) count(items []item, took time.Duration) {
	var indexed, deleted, failed int64
	for i := range items {
		switch {
		case items[i].err != nil:
			failed++
		case items[i].kind == store.Delete:
			deleted++
		default:
			indexed++
		}
	}
	n.indexed.Add(indexed)
	n.deleted.Add(deleted)
	n.failed.Add(failed)
	n.indexNanos.Add(int64(took))
}

// An indexInfo is an index with what the store tells of it.
type indexInfo struct {
	*indexState
	info store.Info
}

// infos gives what the store tells of indices; nil are all. Those that are gone meanwhile are left out.
func (h *Handler) infos(names []string) ([]indexInfo, error) {
	s, err := h.snapshot()
	if err != nil {
		return nil, err
	}
	var out []indexInfo
	for _, ix := range s.list {
		if names != nil {
			if _, ok := slices.BinarySearch(names, ix.name); !ok {
				continue
			}
		}
		i, err := h.store.Info(ix.name)
		if err != nil {
			continue
		}
		out = append(out, indexInfo{ix, i})
	}
	return out, nil
}

// eachInfo calls f with each index of the request.
func (c *call) eachInfo(o indicesOptions, f func(indexInfo)) error {
	names, err := c.target(o)
	if err != nil {
		return err
	}
	if names == nil {
		names = []string{}
	}
	all, err := c.h.infos(names)
	if err != nil {
		return err
	}
	for _, x := range all {
		f(x)
	}
	return nil
}

// hiddenSearch is searchOptions with hidden indices.
var hiddenSearch = indicesOptions{open: true, hidden: true, allowNone: true, forbidClosed: true}

// A sum is of several indices.
type sum struct {
	indices, docs, deleted, blocks int
	bytes, source                  int64
}

func (s *sum) add(i store.Info) {
	s.indices++
	s.docs += i.Docs
	s.deleted += i.Deleted
	s.blocks += i.Blocks
	s.bytes += i.Bytes
	s.source += i.SourceSize
}

// sum adds up indices; nil are all.
func (h *Handler) sum(names []string) (sum, error) {
	var s sum
	all, err := h.infos(names)
	for _, x := range all {
		s.add(x.info)
	}
	return s, err
}

// metrics are the parts of _stats that are served, in their order.
var metrics = []string{"docs", "store", "indexing", "segments"}

// others are those that Elasticsearch has beside them: the store has nothing to tell there.
var others = []string{"get", "search", "merge", "refresh", "flush", "warmer", "query_cache", "fielddata", "completion", "translog", "request_cache", "recovery", "suggest", "bulk", "shard_stats"}

func (h *Handler) statsRoutes() []*route {
	return routes("GET", "/_stats,/_stats/{metric},/{index}/_stats,/{index}/_stats/{metric}",
		indicesParams+"level fields completion_fields fielddata_fields forbid_closed_indices groups include_segment_file_sizes include_unloaded_segments types", (*call).stats)
}

func (c *call) stats() error {
	wanted := metrics
	if text := c.names["metric"]; text != "" && text != "_all" {
		wanted = nil
		for m := range strings.SplitSeq(text, ",") {
			switch {
			case slices.Contains(metrics, m):
				wanted = append(wanted, m)
			case !slices.Contains(others, m):
				return illegal("request [%s] contains unrecognized metric: [%s]", clip(c.r.URL.Path), clip(m))
			}
		}
	}
	level := c.params["level"]
	if level != "" && level != "cluster" && level != "indices" && level != "shards" {
		return illegal("level parameter must be one of [cluster] or [indices] or [shards] but was [%s]", clip(level))
	}
	var total sum
	indices := object()
	err := c.eachInfo(hiddenIf(c.expression() == ""), func(x indexInfo) {
		var one sum
		one.add(x.info)
		total.add(x.info)
		part := c.statsOf(one, wanted, nil)
		v := object("uuid", x.uuid, "primaries", part, "total", part)
		if level == "shards" {
			shard := object("routing", object("state", "STARTED", "primary", true, "node", c.h.node, "relocating_node", nil))
			shard.Members = append(shard.Members, part.Members...)
			v.Members = append(v.Members, body.Member{Name: "shards", Value: object("0", list(shard))})
		}
		indices.Members = append(indices.Members, body.Member{Name: x.name, Value: v})
	})
	if err != nil {
		return err
	}
	all := c.statsOf(total, wanted, &c.h.counters)
	out := object("_shards", shards(total.indices), "_all", object("primaries", all, "total", all))
	if level != "cluster" {
		out.Members = append(out.Members, body.Member{Name: "indices", Value: indices})
	}
	return c.answer(out)
}

// hiddenIf is searchOptions, with hidden indices if all are asked for.
func hiddenIf(all bool) indicesOptions {
	o := searchOptions
	o.hidden = all
	return o
}

// statsOf is one part of _stats. What was done is known of the store as a whole alone.
func (c *call) statsOf(s sum, wanted []string, done *counters) body.Value {
	human := c.flag("human", false)
	sized := func(v *body.Value, name string, n int64) {
		if human {
			v.Members = append(v.Members, body.Member{Name: strings.TrimSuffix(name, "_in_bytes"), Value: body.Text(sizeText(n, ""))})
		}
		v.Members = append(v.Members, body.Member{Name: name, Value: body.Int(n)})
	}
	out := object()
	for _, m := range wanted {
		var v body.Value
		switch m {
		case "docs":
			v = object("count", s.docs, "deleted", s.deleted)
		case "store":
			v = object()
			sized(&v, "size_in_bytes", s.bytes)
			sized(&v, "total_data_set_size_in_bytes", s.bytes)
			sized(&v, "reserved_in_bytes", 0)
		case "indexing":
			if done == nil {
				continue
			}
			v = object("index_total", done.indexed.Load(), "index_time_in_millis", done.indexNanos.Load()/1e6, "index_current", len(c.h.writes.free),
				"index_failed", done.failed.Load(), "delete_total", done.deleted.Load(), "delete_current", 0, "noop_update_total", 0, "is_throttled", false)
		case "segments":
			v = object("count", s.blocks)
		}
		out.Members = append(out.Members, body.Member{Name: m, Value: v})
	}
	return out
}

// segments answers how many blocks an index is of: curator asks before it merges.
func (c *call) segments() error {
	indices := object()
	n := 0
	err := c.eachInfo(searchOptions, func(x indexInfo) {
		n++
		all := object()
		for i := range x.info.Blocks {
			all.Members = append(all.Members, body.Member{Name: "_" + strconv.FormatInt(int64(i), 36), Value: object("generation", i, "committed", true, "search", true)})
		}
		shard := object("routing", object("state", "STARTED", "primary", true, "node", c.h.node),
			"num_committed_segments", x.info.Blocks, "num_search_segments", x.info.Blocks, "segments", all)
		indices.Members = append(indices.Members, body.Member{Name: x.name, Value: object("shards", object("0", list(shard)))})
	})
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, object("_shards", shards(n), "indices", indices).Append(nil))
	return nil
}
