package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

// The lines are those of Elastic Curator 8.0.21.
func TestDryRun(t *testing.T) {
	l := newLab(t, 8)
	l.Now = func() time.Time { return time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC) }
	l.index("dry-a", `{"aliases":{"dry":{}}}`)
	l.index("dry-b", "")
	l.repository("dry", false)
	items := []filter.Item{{Name: "dry-b"}, {Name: "dry-a", Closed: true}}
	f := func(kind, options string, s Selection, want ...string) {
		t.Helper()
		l.lines, l.requests = nil, nil
		if err := l.DryRun(context.Background(), l.action(kind, options), s); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		var got []string
		for _, line := range l.lines {
			if !strings.HasPrefix(line, "DEBUG") {
				got = append(got, strings.TrimPrefix(line, "INFO "))
			}
		}
		l.want(kind, strings.Join(got, "\n"), "DRY-RUN MODE.  No changes will be made.\n"+strings.Join(want, "\n"))
		for _, request := range l.requests {
			if !strings.HasPrefix(request, "GET ") {
				t.Errorf("%s: %s", kind, request)
			}
		}
	}
	list := func(kind, options, args string) {
		t.Helper()
		name := strings.ReplaceAll(kind, "index_", "index")
		f(kind, options, Selection{Items: items}, `(CLOSED) indices may be shown that may not be acted on by action "`+name+`".`,
			"DRY-RUN: "+name+": dry-a (CLOSED) with arguments: "+args, "DRY-RUN: "+name+": dry-b with arguments: "+args)
	}
	list("delete_indices", "", "{}")
	list("close", "", "{'delete_aliases': False}")
	list("open", "", "{}")
	list("replicas", "count: 2", "{'count': 2}")
	list("forcemerge", "max_num_segments: 2, delay: 60", "{'max_num_segments': 2, 'delay': 60.0}")
	list("allocation", "key: box, value: hot", "{'settings': {'index.routing.allocation.require.box': 'hot'}}")
	list("index_settings", "index_settings: {index: {refresh_interval: 5s}}", "{'index': {'refresh_interval': '5s'}}")
	f("alias", "name: dry", Selection{Add: items[:1], Remove: []filter.Item{{Name: "dry-a"}}},
		`DRY-RUN: alias: removing index "dry-a" from alias "dry"`, `DRY-RUN: alias: adding index "dry-b" to alias "dry"`)
	f("create_index", "name: dry-%Y", Selection{}, `DRY-RUN: create_index "dry-2026" with arguments: {}`)
	f("cluster_routing", "routing_type: allocation, setting: enable, value: all", Selection{},
		"DRY-RUN: Update cluster routing transient settings: {'cluster.routing.allocation.enable': 'all'}")
	f("snapshot", "repository: dry", Selection{Items: items},
		"DRY-RUN: snapshot: curator-20261121010203 in repository dry with arguments: {'indices': ['dry-b', 'dry-a'], 'ignore_unavailable': False, 'include_global_state': True, 'partial': False}")
	f("delete_snapshots", "repository: dry", Selection{Items: items[:1]},
		"DRY-RUN: delete_snapshot: dry-b with arguments: {'repository': 'dry', 'retry_interval': 120, 'retry_count': 3}")
	f("reindex", "request_body: {source: {index: REINDEX_SELECTION}, dest: {index: d}}", Selection{Items: items},
		"DRY-RUN: REINDEX: request body: {'dest': {'index': 'd'}, 'source': {'index': ['dry-b', 'dry-a']}} with arguments: refresh=True requests_per_second=-1 slices=1 timeout=60s wait_for_active_shards=1 wait_for_completion=True")
	f("reindex", "request_body: {source: {index: [x], remote: {host: 'http://h:9200', username: u, password: secret}}, dest: {index: d}}", Selection{},
		"DRY-RUN: REINDEX: request body: {'dest': {'index': 'd'}, 'source': {'index': ['x'], 'remote': {'host': 'http://h:9200', 'password': 'REDACTED', 'username': 'u'}}} with arguments: refresh=True requests_per_second=-1 slices=1 timeout=60s wait_for_active_shards=1 wait_for_completion=True")
	snapshot := filter.Item{Name: "s1", State: "SUCCESS", Indices: []string{"dry-a", "dry-b"}}
	f("restore", "repository: dry, rename_pattern: 'dry-(.+)', rename_replacement: 'back-$1'", Selection{Items: []filter.Item{snapshot}},
		"DRY-RUN: restore: Repository: dry Snapshot name: s1 Arguments: {'wait_for_completion': True, 'body': {'indices': ['dry-a', 'dry-b'], 'include_aliases': False, 'ignore_unavailable': False, 'include_global_state': False, 'partial': False, 'rename_pattern': 'dry-(.+)', 'rename_replacement': 'back-$1'}}",
		"DRY-RUN: restore: Index dry-a as back-a", "DRY-RUN: restore: Index dry-b as back-b")
}
