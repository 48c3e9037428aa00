package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

func TestIndices(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		ctx := context.Background()
		l.index("facts-open", `{"settings":{"number_of_shards":2,"number_of_replicas":1,"index.creation_date":1600000000000,"index.lifecycle.name":"p"}}`, `{"a":1}`, `{"a":2}`)
		l.index("facts-closed", "")
		l.call("POST", "/facts-closed/_close", "", 200)
		l.index("facts-hidden", `{"settings":{"index.hidden":true}}`)
		l.call("PUT", "/facts-red?wait_for_active_shards=0", `{"settings":{"index.routing.allocation.require.no":"node"}}`, 200)
		t.Cleanup(func() { l.call("DELETE", "/facts-red", "", 200) })
		l.index(".kibana-facts", "")

		l.want("open and closed", fmt.Sprint(byName(l.must(l.Indices(ctx, "facts-*,.kibana*", false)))), "[facts-closed facts-open facts-red]")
		l.want("all by default", fmt.Sprint(contains(l.must(l.Indices(ctx, "", false)), "facts-open", "facts-hidden", ".kibana-facts")), "[true false false]")
		l.want("hidden too", fmt.Sprint(byName(l.must(l.Indices(ctx, "facts-*,-facts-c*", true)))), "[facts-hidden facts-open facts-red]")
		l.want("none", fmt.Sprint(l.must(l.Indices(ctx, "nothing-*", false))), "[]")
		if _, err := l.Indices(ctx, "facts-absent", false); err == nil || !strings.HasPrefix(class(err), "FailedExecution: Failed to get indices. Error: GET /_cat/indices/") {
			t.Errorf("an index that is named and missing gives %v, want a failure", err)
		}

		l.requests = nil
		items := l.items("facts-")
		l.want("requests", fmt.Sprint(len(l.requests)), "2")
		closed, hidden, open, red := items[0], items[1], items[2], items[3]
		l.want("closed", show(closed.Closed, closed.Health, closed.Docs, closed.Size, closed.PrimarySize, closed.Shards), "true  -1 -1 -1 1")
		l.want("hidden", show(hidden.Hidden, hidden.Closed, hidden.Settings["index.hidden"]), "true false true")
		l.want("open", show(open.Closed, open.Health, open.Docs, open.Shards, open.Replicas, open.Created.Format(time.RFC3339), open.Segments, open.Settings),
			"false yellow 2 2 1 2020-09-13T12:26:40Z -1 map[index.hidden: index.lifecycle.name:p]")
		if open.Size <= 0 || open.Size != open.PrimarySize || len(open.UUID) != 22 {
			t.Errorf("sizes %d and %d, uuid %q", open.Size, open.PrimarySize, open.UUID)
		}
		l.want("red", show(red.Health, red.Docs, red.Size), "red -1 -1")
	})
}

func (l *lab) must(items []filter.Item, err error) []filter.Item {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
	return items
}

func byName(items []filter.Item) []string { return slices.Sorted(slices.Values(names(items))) }

func contains(items []filter.Item, want ...string) (has []bool) {
	there := map[string]bool{}
	for _, item := range items {
		there[item.Name] = true
	}
	for _, name := range want {
		has = append(has, there[name])
	}
	return has
}

func TestLearn(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		ctx := context.Background()
		date := `{"mappings":{"properties":{"@timestamp":{"type":"date"},"n":{"type":"long"}}},"settings":{"number_of_replicas":0}}`
		l.index("learn-a", date, `{"@timestamp":"2026-11-20T01:02:03.456Z","n":1600000000}`, `{"@timestamp":"2026-11-18T00:00:00Z"}`)
		l.index("learn-b", date, `{"x":1}`)
		l.index("learn-c", "")
		l.call("POST", "/learn-c/_close", "", 200)
		l.index("learn-k", `{"mappings":{"properties":{"@timestamp":{"type":"keyword"}}}}`, `{"@timestamp":"2020"}`)
		l.index("learn-n", `{"mappings":{"properties":{"@timestamp":{"type":"date_nanos"}}}}`, `{"@timestamp":"2026-11-19T00:00:00.123456789Z"}`)
		l.index("learn-r", `{"aliases":{"learn-al":{},"learn-am":{}},"settings":{"number_of_replicas":0}}`)
		l.call("PUT", "/learn-red?wait_for_active_shards=0", `{"settings":{"index.routing.allocation.require.box":"x"}}`, 200)
		t.Cleanup(func() { l.call("DELETE", "/learn-red", "", 200) })
		items := l.items("learn-")
		learn := func(m ...filter.Missing) {
			t.Helper()
			for i := range m {
				m[i].Names = append(names(items), "gone")
			}
			if err := l.Learn(ctx, items, m); err != nil {
				t.Fatal(err)
			}
		}

		learn(filter.Missing{Fact: filter.FieldRange, Field: "@timestamp"}, filter.Missing{Fact: filter.FieldRange, Field: "n"})
		ranges := map[string]string{}
		for _, item := range items {
			if r := item.Fields["@timestamp"]; !r.Empty {
				ranges[item.Name] = r.Min.Format(time.RFC3339Nano) + "/" + r.Max.Format(time.RFC3339Nano)
			}
		}
		l.want("ranges", fmt.Sprint(ranges), "map[learn-a:2026-11-18T00:00:00Z/2026-11-20T01:02:03.456Z learn-n:2026-11-19T00:00:00.123Z/2026-11-19T00:00:00.123Z]")
		l.want("range of a number", items[0].Fields["n"].Max.Format(time.RFC3339), "2020-09-13T12:26:40Z")
		for _, name := range []string{"learn-k", "learn-red"} {
			if !l.logged("WARN Index " + name + " has no age") {
				t.Errorf("nothing is said of %s:\n%s", name, strings.Join(l.lines, "\n"))
			}
		}

		learn(filter.Missing{Fact: filter.Aliases}, filter.Missing{Fact: filter.Segments}, filter.Missing{Fact: filter.Settings, Field: "index.routing.allocation.require.box"})
		for _, item := range items {
			aliases, segments, box := "[]", 0, ""
			switch item.Name {
			case "learn-a":
				segments = 2
			case "learn-b", "learn-k", "learn-n":
				segments = 1
			case "learn-r":
				aliases = "[learn-al learn-am]"
			case "learn-red":
				box = "x"
			}
			got, is := item.Settings["index.routing.allocation.require.box"]
			if fmt.Sprint(item.Aliases) != aliases || item.Aliases == nil || item.Segments != segments || got != box || !is {
				t.Errorf("%s: aliases %v, %d segments, box %q (%v); want %s, %d, %q", item.Name, item.Aliases, item.Segments, got, is, aliases, segments, box)
			}
		}
	})
}

// The bodies of requests with many names would be too long for one URL.
func TestLearnOfMany(t *testing.T) {
	l := newLab(t, 8)
	ctx := context.Background()
	prefix := "many-" + strings.Repeat("x", 240) + "-"
	for i := range 16 {
		l.index(fmt.Sprintf("%s%02d", prefix, i), `{"mappings":{"properties":{"t":{"type":"date"}}},"settings":{"number_of_replicas":0}}`)
	}
	l.call("POST", "/"+prefix+"07/_doc?refresh", `{"t":"2026-01-02"}`, 201)
	l.call("POST", "/"+prefix+"15/_doc?refresh", `{"t":"2026-01-03"}`, 201)
	l.call("PUT", "/"+prefix+"13/_alias/many", "", 200)
	items := l.items("many-")
	l.requests = nil
	all := names(items)
	err := l.Learn(ctx, items, []filter.Missing{{Fact: filter.Aliases, Names: all}, {Fact: filter.Segments, Names: all}, {Fact: filter.FieldRange, Field: "t", Names: all}})
	if err != nil {
		t.Fatal(err)
	}
	l.want("requests", fmt.Sprint(len(l.requests)), "4") // one, one, and two for 4 KB of names
	for i, item := range items {
		if r := item.Fields["t"]; r.Empty != (i != 7 && i != 15) || item.Segments != map[bool]int{true: 1}[!r.Empty] || (len(item.Aliases) == 1) != (i == 13) {
			t.Errorf("%s: %v, %d segments, aliases %v", item.Name, r, item.Segments, item.Aliases)
		}
	}
}

func TestInstant(t *testing.T) {
	f := func(v float64, text, want string) {
		t.Helper()
		if got := instant(v, text).Format(time.RFC3339Nano); got != want {
			t.Errorf("instant(%v, %q) = %s, want %s", v, text, got, want)
		}
	}
	f(1.6e12, "2020-09-13T12:26:40.000Z", "2020-09-13T12:26:40Z")
	f(1000, "1970-01-01T00:00:01.000Z", "1970-01-01T00:00:01Z") // a date near 1970 is in milliseconds too
	f(1600000000, "", "2020-09-13T12:26:40Z")
	f(1600000000123, "", "2020-09-13T12:26:40.123Z")
	f(1600000000123456, "", "2020-09-13T12:26:40.123Z")
	f(1600000000123456789, "", "2020-09-13T12:26:40.123Z")
	f(-1, "", "1969-12-31T23:59:59Z")
}

func TestHealth(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		before := time.Now()
		h, err := l.Health(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var health struct{ Status string }
		json.Unmarshal(l.call("GET", "/_cluster/health", "", 200), &health)
		if h.Status != health.Status || h.Time.Before(before.Add(-time.Second)) || h.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("health is %v, want %s and about %v", h, health.Status, before)
		}
	})
}

func TestManaged(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		l.index("managed-1", `{"settings":{"index.lifecycle.name":"p"},"aliases":{"managed":{}}}`)
		l.index("managed-2", `{"aliases":{"free":{},"managed-both":{"is_write_index":true},"neither":{}}}`)
		l.index("managed-3", `{"settings":{"index.lifecycle.name":"p"},"aliases":{"managed-both":{},"neither":{}}}`)
		f := func(alias, want string) {
			t.Helper()
			managed, err := l.Managed(context.Background(), alias)
			l.want(alias, strings.TrimPrefix(fmt.Sprint(managed)+" "+class(err), "false "), want)
		}
		f("managed", "true ")
		f("free", "")
		f("managed-both", "")
		f("neither", "FailedExecution: Invalid alias: is_write_index not found in 1 to many alias")
		f("absent", "CuratorException: Alias absent not found")
		f("man*", `ConfigurationError: "man*" is not the name of one alias`)
	})
}
