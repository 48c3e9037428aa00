package cluster

import (
	"context"
	"net/http"
	"strings"
	"testing"
)

func TestShrink(t *testing.T) {
	both(t, func(l *lab) {
		body := `{"settings":{"number_of_shards":4,"number_of_replicas":0},"aliases":{"shrink-al":{"filter":{"term":{"x":"1"}}}}}`
		l.index("shrink-a", body, `{"x":1}`, `{"x":2}`)
		l.index("shrink-b", "")
		l.index("shrink-c", body)
		l.call("POST", "/shrink-c/_close", "", 200)
		l.t.Cleanup(func() { l.remove("shrink-") })
		items := l.items("shrink-")
		node := "node_filters: {permit_masters: true}"

		if err := l.DryRun(context.Background(), l.action("shrink", "shrink_node: DETERMINISTIC, number_of_shards: 3, number_of_replicas: 0, "+node), Selection{Items: items}); err != nil {
			l.t.Error(err)
		}
		if !l.logged(`WARN DRY-RUN: "3" is not a valid factor of 4 shards of index shrink-a. Valid values are [1, 2]`) || !l.logged(`INFO DRY-RUN: Deleting source index "shrink-a"`) {
			l.t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
		f := func(options, wantResults, wantFailure, wantNames string) {
			l.t.Helper()
			results, failure := l.apply("shrink", options, items...)
			l.want(options+": results", results, wantResults)
			if !strings.Contains(failure, wantFailure) || wantFailure == "" && failure != "" {
				l.t.Errorf("%s: failure is %q, want %q", options, failure, wantFailure)
			}
			l.want(options, l.names("shrink-"), wantNames)
			if strings.Contains(wantNames, "shrink-a ") {
				l.want("bound to a node", l.setting("shrink-a", "index.routing.allocation.require._name"), "")
				l.want("blocked", l.setting("shrink-a", "index.blocks.write"), "")
			}
		}
		before := "shrink-a shrink-b (shrink-c)"
		f("shrink_node: DETERMINISTIC", "shrink-a!", "No node is usable as a shrink node", before)
		f("shrink_node: absent", "shrink-a!", `Unable to find node named: "absent"`, before)
		name := "test-" + strings.Split(l.url, ":")[2]
		f("shrink_node: "+name, "shrink-a!", `Node "`+name+`" is not usable as a shrink node: master node`, before)
		f("shrink_node: DETERMINISTIC, node_filters: {permit_masters: true, exclude_nodes: ["+name+"]}", "shrink-a!", "No node is usable", before)
		f("shrink_node: DETERMINISTIC, number_of_shards: 3, "+node, "shrink-a!", `"3" is not a valid factor of 4 shards`, before)
		f("shrink_node: DETERMINISTIC, number_of_shards: 4, "+node, "", "NoIndices: ", before)
		f("shrink_node: DETERMINISTIC, shrink_prefix: X, "+node, "shrink-a!", "invalid_index_name_exception", before)

		f("shrink_node: "+name+", number_of_shards: 2, number_of_replicas: 0, delete_after: false, copy_aliases: true, shrink_suffix: -two, "+node, "shrink-a", "",
			"shrink-a shrink-a-two shrink-b (shrink-c)")
		l.want("shards", l.setting("shrink-a-two", "index.number_of_shards"), "2")
		l.want("bound to a node", l.setting("shrink-a-two", "index.routing.allocation.require._name"), "")
		if got := string(l.call("GET", "/_alias/shrink-al?expand_wildcards=open", "", 200)); !strings.Contains(got, `{"shrink-a-two":{"aliases":{"shrink-al":{"filter":{"term":{"x":"1"}}}}}`) {
			l.t.Errorf("aliases are %s", got)
		}
		f("shrink_node: DETERMINISTIC, shrink_suffix: -two, "+node, "shrink-a!", `Target index "shrink-a-two" already exists`, "shrink-a shrink-a-two shrink-b (shrink-c)")
		l.call("POST", "/shrink-a/_doc?refresh", `{"x":3}`, 201)
		f("shrink_node: DETERMINISTIC, number_of_replicas: 0, post_allocation: {key: box, value: '', allocation_type: exclude}, "+node, "shrink-a", "",
			"shrink-a-shrink shrink-a-two shrink-b (shrink-c)")
		if got := string(l.call("GET", "/shrink-a-shrink/_count", "", 200)); !strings.Contains(got, `"count":3`) {
			l.t.Errorf("documents: %s", got)
		}
	})
}

// A shrink that fails leaves the old index as it was, and no new one.
func TestShrinkFails(t *testing.T) {
	f := func(replicas, options string, refuse func(r *http.Request) bool, want string) {
		t.Helper()
		l := newLab(t, 8)
		l.index("undo-a", `{"settings":{"number_of_shards":2,"number_of_replicas":0}}`, `{"x":1}`)
		items := l.items("undo-a")
		l.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if refuse != nil && refuse(r) {
				w.WriteHeader(500)
				return true
			}
			return false
		}
		results, failure := l.apply("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}, number_of_replicas: "+replicas+options, items...)
		l.fault = nil
		l.want("results", results, "undo-a!")
		if !strings.Contains(failure, want) {
			t.Errorf("failure is %q, want %q", failure, want)
		}
		l.want("indices", l.names("undo-"), "undo-a")
		l.call("POST", "/undo-a/_doc", `{"x":2}`, 201)
		l.want("bound to a node", l.setting("undo-a", "index.routing.allocation.require._name"), "")
		l.call("DELETE", "/undo-a", "", 200)
	}
	f("0", "", func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/_shrink/") }, `Unable to shrink index "undo-a" -- Error: POST /undo-a/_shrink/undo-a-shrink: 500`)
	f("0", "", func(r *http.Request) bool { return r.URL.Path == "/_cluster/health/undo-a" }, "Unable to proceed with shrink action.")
	f("1", ", wait_interval: 1, max_wait: 2", nil, `Action "shrink" failed to complete in the max_wait period of 2 seconds`)
}
