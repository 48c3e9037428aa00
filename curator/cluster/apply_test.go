package cluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

func TestDelete(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		for _, name := range []string{"delete-a", "delete-b", "delete-c", "delete-d", "delete-%25%7B+x%7D"} {
			l.index(name, "")
		}
		l.call("POST", "/delete-b/_close", "", 200)
		odd := l.items("delete-%")
		items := l.items("delete-")[1:4]
		l.call("DELETE", "/delete-c", "", 200)
		l.requests = nil
		results, failure := l.apply("delete_indices", "", items...)
		l.want("failure", failure, "")
		l.want("results", results, "delete-a delete-b delete-c")
		l.want("left", l.names("delete-"), "delete-%{+x} delete-d")
		if !l.logged("INFO Deleting 3 selected indices: ['delete-a', 'delete-b', 'delete-c']") || !l.logged("INFO ---deleting index delete-a") {
			t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
		results, failure = l.apply("delete_indices", "", odd...)
		l.want("an odd name", results+failure+l.names("delete-"), "delete-%{+x}delete-d")
		_, failure = l.apply("delete_indices", "")
		l.want("nothing to delete", failure, "NoIndices: index_list object is empty.")
	})
}

// Elasticsearch would read these as more than one index, or as another.
func TestOddNames(t *testing.T) {
	l := newLab(t, 8)
	l.index("odd-a", `{"aliases":{"odd-alias":{}}}`)
	for _, name := range []string{"odd-*", "*", "_all", "odd-a,odd-b", "-odd-a", "<odd-a{now/d}>", "", "..", "odd-a/_doc", "odd-a?x", "odd a"} {
		results, failure := l.apply("delete_indices", "", filter.Item{Name: name})
		l.begins(name, failure, "ActionError: cannot act on ")
		l.want(name, results, "")
	}
	l.want("requests", fmt.Sprint(l.requests), "[]")
	_, failure := l.apply("delete_indices", "", filter.Item{Name: "odd-alias", UUID: "x"})
	l.want("an alias is not there as an index", failure, "")
	l.want("left", l.names("odd-"), "odd-a")
}

// While a snapshot is taken of an index it cannot be deleted. The others go all the same, and it goes when
// the snapshot has ended.
func TestDeleteDuringSnapshot(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		l.repository("during", true)
		for _, name := range []string{"during-a", "during-b", "during-c"} {
			l.index(name, "")
		}
		l.fill("during-b", 200) // ten seconds, unless it is ended
		l.call("PUT", "/_snapshot/during/s?wait_for_completion=false", `{"indices":"during-b"}`, 200)
		t.Cleanup(func() { _ = l.delete(context.Background(), "/_snapshot/during/s", nil) })
		items := l.items("during-")
		tries := 0
		l.fault = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == "DELETE" && r.URL.Path == "/during-b" {
				if tries++; tries == 2 {
					l.call("DELETE", "/_snapshot/during/s", "", 200)
				}
			}
			return false
		}
		results, failure := l.apply("delete_indices", "", items...)
		l.want("failure", failure, "")
		l.want("results", results, "during-a during-c during-b")
		l.want("left", l.names("during-"), "")
		if !l.logged("ERROR ---during-b: DELETE /during-b: 400 Bad Request: snapshot_in_progress_exception") {
			t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
	})
}

// fill writes so many KB of random text.
func (l *lab) fill(index string, kb int) {
	l.t.Helper()
	var b strings.Builder
	for i := range kb {
		fmt.Fprintf(&b, "{\"index\":{}}\n{\"n\":%d,\"text\":%q}\n", i, random(1000))
	}
	l.call("POST", "/"+index+"/_bulk?refresh", b.String(), 200)
	l.call("POST", "/"+index+"/_flush", "", 200)
}

func TestDeleteFaults(t *testing.T) {
	pauses := deletePauses
	deletePauses = []time.Duration{time.Millisecond, time.Millisecond}
	t.Cleanup(func() { deletePauses = pauses })
	l := newLab(t, 7)
	answer := func(status int, kind string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"type":%q,"reason":"because"},"status":%d}`, kind, status)
		}
	}
	// f has requests whose path has this in it refused, or passed on and then refused.
	f := func(what, path string, times int, pass bool, refuse func(w http.ResponseWriter), wantResults, wantFailure, wantLeft string) {
		t.Helper()
		for _, name := range []string{"fault-a", "fault-b", "fault-c"} {
			l.index(name, "")
		}
		items := l.items("fault-")
		l.lines = nil
		l.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "DELETE" || !strings.Contains(r.URL.Path, path) || times == 0 {
				return false
			}
			times--
			if pass {
				l.call("DELETE", r.URL.Path, "", 200)
			}
			refuse(w)
			return true
		}
		results, failure := l.apply("delete_indices", "", items...)
		l.fault = nil
		l.want(what+": results", results, wantResults)
		l.begins(what+": failure", failure, wantFailure)
		l.want(what+": left", l.names("fault-"), wantLeft)
		l.call("DELETE", "/fault-a,fault-b,fault-c?ignore_unavailable=true", "", 200)
	}
	all := "fault-a fault-b fault-c"
	refused := "FailedExecution: Exception encountered.  Rerun with loglevel DEBUG and/or check Elasticsearch logs for more information. Exception: "
	f("busy for a while", "/fault-a,", 1, false, answer(429, "circuit_breaking_exception"), all, "", "")
	f("no master for a while", "/fault-", 2, false, answer(503, "master_not_discovered_exception"), all, "", "")
	f("the answer is lost", "/fault-a,", 1, true, answer(502, ""), all, "", "")
	f("the connection breaks", "/fault-a,", 1, true, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, all, "", "")
	f("it says yes and does not do it", "/fault-", -1, false, func(w http.ResponseWriter) {}, "fault-a! fault-b! fault-c!", refused+"3 of 3 failed; fault-a", all)
	f("all are refused for good", "/fault-", -1, false, answer(403, "security_exception"), "fault-a! fault-b! fault-c!", refused+"3 of 3 failed; fault-a: DELETE /fault-a: 403 Forbidden: security_exception: because", all)
	f("one is refused for good", "fault-b", -1, false, answer(400, "illegal_argument_exception"), "fault-a fault-b! fault-c", refused+"1 of 3 failed; fault-b", "fault-b")
}

// Without the right to look what is there, the server's answers have to do.
func TestDeleteUnseen(t *testing.T) {
	pauses := deletePauses
	deletePauses = []time.Duration{time.Millisecond, time.Millisecond}
	t.Cleanup(func() { deletePauses = pauses })
	l := newLab(t, 8)
	l.index("unseen-a", "")
	l.index("unseen-b", "")
	items := l.items("unseen-")
	l.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "GET" {
			w.WriteHeader(403)
			return true
		}
		return false
	}
	results, failure := l.apply("delete_indices", "", items...)
	l.want("results", results+failure, "unseen-a unseen-b")
}

// Made anew while it was deleted is deleted.
func TestDeleteMadeAnew(t *testing.T) {
	l := newLab(t, 8)
	l.index("anew", "")
	items := l.items("anew")
	l.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			l.call("DELETE", "/anew", "", 200)
			l.call("PUT", "/anew", "", 200)
			fmt.Fprint(w, `{"acknowledged":true}`)
			return true
		}
		return false
	}
	results, failure := l.apply("delete_indices", "", items...)
	l.want("results", results+failure, "anew")
	l.want("left", l.names("anew"), "anew")
}

// What has taken a name meanwhile was not chosen: a request that is asked again looks first.
func TestDeleteAgain(t *testing.T) {
	pauses := deletePauses
	deletePauses = []time.Duration{time.Millisecond}
	t.Cleanup(func() { deletePauses = pauses })
	l := newLab(t, 8)
	f := func(status int, kind string) {
		t.Helper()
		for _, name := range []string{"again-a", "again-b"} {
			l.call("DELETE", "/"+name+"?ignore_unavailable=true", "", 200)
			l.index(name, "")
		}
		items, asked := l.items("again-"), false
		l.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "DELETE" || asked {
				return false
			}
			asked = true
			l.call("DELETE", "/again-a,again-b", "", 200)
			l.call("PUT", "/again-a", "", 200)
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"error":{"type":%q,"reason":"because"},"status":%d}`, kind, status)
			return true
		}
		results, failure := l.apply("delete_indices", "", items...)
		l.fault = nil
		l.want(kind+": results", results+failure, "again-a again-b")
		l.want(kind+": left", l.names("again-"), "again-a")
	}
	f(503, "master_not_discovered_exception")
	f(429, "circuit_breaking_exception")
	f(400, "illegal_argument_exception")
	f(404, "index_not_found_exception")
}

// A run that is ended says so, and has not deleted what it had not come to.
func TestCancel(t *testing.T) {
	l := newLab(t, 8)
	var items []filter.Item
	for i := range 20 { // two requests
		l.index(fmt.Sprintf("cancel-%02d-%s", i, strings.Repeat("x", 200)), "")
	}
	items = l.items("cancel-")
	ctx, cancel := context.WithCancel(context.Background())
	l.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == "DELETE" {
			l.call("DELETE", r.URL.Path, "", 200)
			cancel()
			return true
		}
		return false
	}
	told := 0
	err := l.Apply(ctx, l.action("delete_indices", ""), Selection{Items: items}, func(Result) { told++ })
	l.want("results", fmt.Sprint(told), fmt.Sprint(20-len(l.items("cancel-"))))
	if err != context.Canceled {
		t.Errorf("the error is %v, want %v", err, context.Canceled)
	}
	deletes := 0
	for _, r := range l.requests {
		if strings.HasPrefix(r, "DELETE") {
			deletes++
		}
	}
	l.want("requests to delete and what is left", show(deletes, 0 < told && told < 20), "1 true")
}

func TestClose(t *testing.T) {
	both(t, func(l *lab) {
		l.index("close-a", `{"aliases":{"close-al":{}}}`, `{"x":1}`)
		l.index("close-b", "")
		l.index("close-c", "")
		l.call("POST", "/close-c/_close", "", 200)
		results, failure := l.apply("close", "delete_aliases: true", l.items("close-")...)
		l.want("failure", failure, "")
		l.want("results", results, "close-a close-b")
		l.want("closed", l.names("close-"), "(close-a) (close-b) (close-c)")
		l.call("GET", "/_alias/close-al", "", 404)
		l.want("flushed", fmt.Sprint(l.asked("POST /close-a,close-b/_flush")), "1")
		_, failure = l.apply("close", "", l.items("close-")...)
		l.want("all closed", failure, "NoIndices: index_list object is empty.")

		results, failure = l.apply("open", "", l.items("close-")...)
		l.want("opened", results+failure, "close-a close-b close-c")
		l.want("open", l.names("close-"), "close-a close-b close-c")

		results, failure = l.apply("close", "skip_flush: true", l.items("close-")[:1]...)
		l.want("closed without flush", results+failure, "close-a")
		l.want("flushed again", fmt.Sprint(l.asked("POST /close-a/_flush")), "0")
	})
}

// asked counts requests.
func (l *lab) asked(request string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.requests {
		if r == request {
			n++
		}
	}
	return n
}

// An index that cannot be closed, here as it is being snapshotted, does not keep the others open; one that
// is gone is no failure.
func TestCloseOneByOne(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		l.repository("closing", true)
		l.index("closing-a", "")
		l.index("closing-b", "")
		l.index("closing-c", "")
		l.index("closing-d", "")
		l.fill("closing-b", 200) // ten seconds, unless it is ended
		items := l.items("closing-")
		l.call("DELETE", "/closing-c", "", 200)
		l.call("PUT", "/_snapshot/closing/s", `{"indices":"closing-b"}`, 200)
		t.Cleanup(func() { l.call("DELETE", "/_snapshot/closing/s", "", 200) })
		results, failure := l.apply("close", "", items...)
		l.want("results", results, "closing-a closing-b! closing-c closing-d")
		l.begins("failure", failure, "FailedExecution: Exception encountered.")
		if !strings.Contains(failure, "1 of 4 failed; closing-b: ") || !strings.Contains(failure, "snapshot") {
			t.Errorf("failure is %q", failure)
		}
		l.want("left", l.names("closing-"), "(closing-a) closing-b (closing-d)")
	})
}

func TestReplicas(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		l.index("replicas-a", `{"settings":{"number_of_replicas":2}}`)
		l.index("replicas-b", "")
		l.call("POST", "/replicas-b/_close", "", 200)
		results, failure := l.apply("replicas", "count: 1", l.items("replicas-")...)
		l.want("results", results+failure, "replicas-a")
		l.want("replicas", l.setting("replicas-a", "index.number_of_replicas"), "1")
		_, failure = l.apply("replicas", "count: 1, wait_for_completion: true, wait_interval: 1, max_wait: 1", l.items("replicas-")...)
		l.begins("one node has no room for replicas", failure, `FailedExecution: Exception encountered.`)
		if !strings.Contains(failure, `Action "replicas" failed to complete in the max_wait period of 1 seconds`) {
			t.Errorf("failure is %q", failure)
		}
		results, failure = l.apply("replicas", "count: 0, wait_for_completion: true", l.items("replicas-")...)
		l.want("none", results+failure, "replicas-a")
	})
}

func TestAllocation(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		l.index("allocation-a", "")
		f := func(options, setting, want string) {
			t.Helper()
			results, failure := l.apply("allocation", options, l.items("allocation-")...)
			l.want(options, results+failure, "allocation-a")
			l.want(options, l.setting("allocation-a", setting), want)
		}
		f("key: box, value: hot, wait_for_completion: true", "index.routing.allocation.require.box", "hot")
		f("key: box, value: cold, allocation_type: exclude", "index.routing.allocation.exclude.box", "cold")
		f("key: box, value: null", "index.routing.allocation.require.box", "")
		if !l.logged("INFO Updating index setting {'index.routing.allocation.require.box': 'hot'}") {
			t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
	})
}

func TestIndexSettings(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		l.index("settings-a", "")
		l.index("settings-b", "")
		l.call("POST", "/settings-b/_close", "", 200)
		items := l.items("settings-")
		results, failure := l.apply("index_settings", "index_settings: {index: {refresh_interval: 5s, blocks: {write: true}}}", items...)
		l.want("results", results+failure, "settings-a settings-b")
		l.want("refresh", l.setting("settings-b", "index.refresh_interval"), "5s")
		l.want("block", l.setting("settings-a", "index.blocks.write"), "true")
		_, failure = l.apply("index_settings", "index_settings: {index: {refresh_interval: 9s}}, preserve_existing: true", items...)
		l.want("kept", failure+l.setting("settings-a", "index.refresh_interval"), "5s")
		_, failure = l.apply("index_settings", "index_settings: {index: {codec: best_compression}}", items...)
		l.begins("static", failure, `ActionError: Static Setting "codec" detected with open indices: ['settings-a'].`)
		results, failure = l.apply("index_settings", "index_settings: {index: {codec: best_compression}}", items[1])
		l.want("static, closed", results+failure+l.setting("settings-b", "index.codec"), "settings-bbest_compression")
		l.lines = nil
		_, failure = l.apply("index_settings", "index_settings: {index: {no_such: 1}}", items[0])
		l.begins("not known", failure, "FailedExecution: ")
		if !l.logged(`WARN "no_such" is not a setting Curator recognizes`) {
			t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
	})
}

func TestForceMerge(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		l.index("merge-a", "", `{"x":1}`, `{"x":2}`, `{"x":3}`)
		l.index("merge-b", "", `{"x":1}`)
		l.index("merge-c", "")
		l.call("POST", "/merge-c/_close", "", 200)
		l.index("merge-d", "", `{"x":1}`, `{"x":2}`)
		results, failure := l.apply("forcemerge", "max_num_segments: 1, delay: 1", l.items("merge-")...)
		l.want("results", results+failure, "merge-a merge-d")
		counts, err := l.segments(context.Background(), "merge-*")
		l.want("segments", show(counts, err), "map[merge-a:[1] merge-b:[1] merge-d:[1]] <nil>")
		_, failure = l.apply("forcemerge", "max_num_segments: 1", l.items("merge-")...)
		l.want("all merged", failure, "NoIndices: index_list object is empty.")
		if !l.logged("INFO forceMerging index merge-a to 1 segments per shard. Please wait...") || !l.logged("INFO Pausing for 1.0 seconds before continuing...") {
			t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
	})
}

// A merge goes on although a proxy has given up the request; so it is looked for, and its result counts.
func TestForceMergeLost(t *testing.T) {
	f := func(merge bool, want string) {
		t.Helper()
		l := newLab(t, 8)
		l.index("lost", "", `{"x":1}`, `{"x":2}`)
		l.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/_forcemerge") {
				return false
			}
			if merge {
				l.call("POST", "/lost/_forcemerge?max_num_segments=1", "", 200)
			}
			w.WriteHeader(504)
			return true
		}
		results, failure := l.apply("forcemerge", "max_num_segments: 1", l.items("lost")...)
		l.begins("lost answer", results+failure, want)
		l.call("DELETE", "/lost", "", 200)
	}
	f(true, "lost")
	f(false, "lost!FailedExecution: Exception encountered.  Rerun with loglevel DEBUG and/or check Elasticsearch logs for more information. Exception: lost: the merge has ended, and 1 of 1 shards have more than 1 segments")
}

// The answer about a long merge never comes, as a firewall has forgotten the connection. The merge has ended
// when the server knows its task no more.
func TestForceMergeSilent(t *testing.T) {
	l := newLab(t, 7)
	l.index("silent", "", `{"x":1}`, `{"x":2}`)
	tasks := 0
	l.fault = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_forcemerge"):
			l.call("POST", "/silent/_forcemerge?max_num_segments=1", "", 200)
			<-r.Context().Done()
			return true
		case r.URL.Path == "/_tasks" && tasks == 0:
			tasks++
			fmt.Fprint(w, `{"nodes":{"n":{"tasks":{"n:1":{"description":"Force-merge indices [silent], maxSegments[1], onlyExpungeDeletes[false], flush[true]"}}}}}`)
			return true
		}
		return false
	}
	results, failure := l.apply("forcemerge", "max_num_segments: 1", l.items("silent")...)
	l.want("results", results+failure, "silent")
	l.want("progress", fmt.Sprint(l.steps[0]), "forcemerge silent 1/1")
}
