package cluster

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/curator/action"
	"github.com/podbeat/podbeat/curator/filter"
)

// The Elasticsearch 8 of the tests has no reindex module.
func TestReindex(t *testing.T) {
	l := newLab(t, 7)
	l.index("reindex-a", "", `{"x":1}`, `{"x":2}`)
	l.index("reindex-b", "", `{"x":3}`)
	l.index("reindex-e", "")
	t.Cleanup(func() { l.remove("re2-"); l.remove("reindex-") })
	items := l.items("reindex-")
	count := func(index, want string) {
		t.Helper()
		if got := string(l.call("GET", "/"+index+"/_count", "", 200)); !strings.HasPrefix(got, `{"count":`+want+",") {
			t.Errorf("%s: %s, want %s documents", index, got, want)
		}
	}
	results, failure := l.apply("reindex", "request_body: {source: {index: REINDEX_SELECTION}, dest: {index: re2-all}}", items...)
	l.want("results", results+failure, "re2-all")
	count("re2-all", "3")
	if !l.logged("INFO Commencing reindex operation") || !l.logged(`INFO Task "reindex from [reindex-`) || len(l.steps) == 0 || l.steps[len(l.steps)-1] != "reindex re2-all 3/3" {
		t.Errorf("progress %q, log:\n%s", l.steps, strings.Join(l.lines, "\n"))
	}
	results, failure = l.apply("reindex", "request_body: {source: {index: [reindex-a], query: {term: {x: 2}}}, dest: {index: MIGRATION}}, migration_prefix: re2-, migration_suffix: -m, slices: 2", items...)
	l.want("migrated", results+failure, "re2-reindex-a-m")
	count("re2-reindex-a-m", "1")
	results, failure = l.apply("reindex", "request_body: {source: {index: REINDEX_SELECTION}, dest: {index: MIGRATION}}, migration_prefix: re2-", items[1:]...)
	l.want("one after the other", results+failure, "re2-reindex-b re2-reindex-e")
	if !l.logged(`INFO No items were processed. Will not check if target index "re2-reindex-e" exists`) {
		t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
	}
	_, failure = l.apply("reindex", "request_body: {source: {index: REINDEX_SELECTION}, dest: {index: MIGRATION}}", items...)
	l.begins("nowhere to migrate to", failure, "ConfigurationError: MIGRATION can only be used locally with")
	_, failure = l.apply("reindex", "request_body: {source: {index: REINDEX_SELECTION}, dest: {index: x}}", nil...)
	l.want("no indices", failure, "NoIndices: Source index must be list of actual indices. It must not be an empty list.")
	_, failure = l.apply("reindex", "request_body: {source: {index: [absent]}, dest: {index: re2-x}}", nil...)
	l.begins("an absent index", failure, "FailedExecution: ")

	l.index("re2-dates", `{"mappings":{"properties":{"x":{"type":"date","format":"yyyy"}}}}`)
	results, failure = l.apply("reindex", "request_body: {source: {index: [reindex-a]}, dest: {index: re2-dates}}", nil...)
	l.want("documents that do not fit", results, "re2-dates!")
	if !strings.Contains(failure, "Failures found in reindex response: 2, the first: ") {
		t.Errorf("failure is %q", failure)
	}
	results, failure = l.apply("reindex", "request_body: {source: {index: [reindex-a]}, dest: {index: re2-later}}, wait_for_completion: false", nil...)
	l.want("not waited for", results+failure, "re2-later")
	l.until("the documents", func() bool {
		items := l.items("re2-later")
		return len(items) == 1 && items[0].Docs == 2
	})
}

// The indices of a remote cluster are chosen there; here they are those of the 7 cluster itself.
func TestReindexRemote(t *testing.T) {
	l := newLab(t, 7)
	l.index("remote-a", "", `{"x":1}`)
	l.index("remote-b", "")
	f := func(filters string, want, wantFailure string) {
		t.Helper()
		a := l.action("reindex", fmt.Sprintf("request_body: {source: {index: REINDEX_SELECTION, remote: {host: '%s'}}, dest: {index: MIGRATION}}, remote_filters: %s", l.url, filters))
		bodies, err := l.reindexings(context.Background(), a.Options.(*action.Reindex), nil)
		var got []string
		for _, body := range bodies {
			got = append(got, strings.Join(body.Source.Index, ",")+">"+body.Dest.Index)
		}
		l.want(filters, strings.Join(got, " "), want)
		l.begins(filters, class(err), wantFailure)
	}
	f("[{filtertype: pattern, kind: prefix, value: remote-}, {filtertype: empty, exclude: true}]", "remote-a>remote-a", "")
	f("[{filtertype: pattern, kind: prefix, value: nothing}]", "", "FailedExecution: No actionable remote indices selected after applying filters.")
}

// A cluster that is away for a while does not end a wait.
func TestWaitWhileAway(t *testing.T) {
	l := newLab(t, 7)
	l.index("away-a", "", `{"x":1}`)
	t.Cleanup(func() { l.remove("away-") })
	away := 6 // more than a request is repeated
	l.fault = func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasPrefix(r.URL.Path, "/_tasks/") || away == 0 {
			return false
		}
		away--
		w.WriteHeader(503)
		return true
	}
	results, failure := l.apply("reindex", "request_body: {source: {index: [away-a]}, dest: {index: away-b}}", []filter.Item{}...)
	l.want("results", results+failure, "away-b")
	if away != 0 || !l.logged(`WARN Waiting for action "reindex" goes on`) {
		t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
	}
}
