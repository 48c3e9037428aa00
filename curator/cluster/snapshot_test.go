package cluster

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/filter"
)

func (l *lab) snapshots(repository string) []filter.Item {
	l.t.Helper()
	items, err := l.Snapshots(context.Background(), repository)
	if err != nil {
		l.t.Fatal(err)
	}
	return items
}

// snapshotNames are the snapshots of a repository with their states; they are deleted when the test ends.
func (l *lab) snapshotNames(repository string) string {
	var list []string
	for _, item := range l.snapshots(repository) {
		list = append(list, item.Name+" "+item.State)
	}
	return strings.Join(list, ", ")
}

// scrap deletes the snapshots of a repository when the test ends.
func (l *lab) scrap(repository string) {
	l.t.Cleanup(func() {
		for _, item := range l.snapshots(repository) {
			l.call("DELETE", "/_snapshot/"+repository+"/"+item.Name, "", 200)
		}
	})
}

func TestSnapshot(t *testing.T) {
	both(t, func(l *lab) {
		t := l.t
		now := time.Date(2026, 11, 21, 1, 2, 3, 0, time.UTC)
		l.Now = func() time.Time { return now }
		l.repository("snap", true)
		l.scrap("snap")
		l.index("snap-a", "")
		l.index("snap-b", "")
		l.fill("snap-a", 60)
		before := time.Now()
		results, failure := l.apply("snapshot", "repository: snap, include_global_state: false, skip_repo_fs_check: false", l.items("snap-")...)
		l.want("results", results+failure, "curator-20261121010203")
		if !l.logged(`INFO Creating snapshot "curator-20261121010203" from indices: ['snap-a', 'snap-b']`) ||
			!l.logged("INFO Snapshot curator-20261121010203 still in progress.") || !l.logged("INFO Snapshot curator-20261121010203 successfully completed.") {
			t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
		// What is asked for at once may be answered before Elasticsearch knows how much there is to do.
		if !slices.ContainsFunc(l.steps, func(step string) bool {
			return strings.HasPrefix(step, "snapshot curator-20261121010203 ") && !strings.HasSuffix(step, "/0")
		}) {
			t.Errorf("progress: %q", l.steps)
		}
		items := l.snapshots("snap")
		one := items[0]
		l.want("one", show(len(items), one.Name, one.State, len(one.Indices), len(one.UUID), one.Docs), "1 curator-20261121010203 SUCCESS 2 22 -1")
		if one.Created.Before(before.Add(-time.Second)) || one.Ended.Before(one.Created) || one.Ended.After(time.Now().Add(time.Second)) {
			t.Errorf("from %v to %v", one.Created, one.Ended)
		}

		_, failure = l.apply("snapshot", "repository: snap", l.items("snap-")...)
		l.begins("the name is taken", failure, "FailedExecution: Exception encountered.")
		_, failure = l.apply("snapshot", "repository: snap", nil...)
		l.want("no indices", failure, "NoIndices: index_list object is empty.")
		_, failure = l.apply("snapshot", "repository: absent", l.items("snap-")...)
		l.want("no repository", failure, "ActionError: Cannot snapshot indices to missing repository: absent")

		l.fill("snap-b", 200)
		began := time.Now().UTC()
		results, failure = l.apply("snapshot", "repository: snap, name: '<snap-{now/d}>', wait_for_completion: false", l.items("snap-b")...)
		l.dated("not waited for", results+failure, "snap-", "2006.01.02", began)
		_, failure = l.apply("snapshot", "repository: snap, name: x", l.items("snap-a")...)
		l.want("one is running", failure, "SnapshotInProgress: Snapshot already in progress.")
		_, failure = l.apply("restore", "repository: snap", one)
		l.want("one is running", failure, "SnapshotInProgress: Cannot restore while a snapshot is in progress.")
		l.call("DELETE", "/_snapshot/snap/"+results, "", 200)
	})
}

// A red index makes a partial snapshot, which is a failure.
func TestPartialSnapshot(t *testing.T) {
	both(t, func(l *lab) {
		l.repository("partial", false)
		l.scrap("partial")
		l.index("partial-a", "", `{"x":1}`)
		l.call("PUT", "/partial-red?wait_for_active_shards=0", `{"settings":{"index.routing.allocation.require.box":"x"}}`, 200)
		l.t.Cleanup(func() { l.call("DELETE", "/partial-red", "", 200) })
		results, failure := l.apply("snapshot", "repository: partial, name: p, partial: true", l.items("partial-")...)
		l.want("results", results, "p!")
		l.want("failure", failure, "FailedExecution: Exception encountered.  Rerun with loglevel DEBUG and/or check Elasticsearch logs for more information. Exception: Snapshot p completed with state: PARTIAL")

		items := l.snapshots("partial")
		_, failure = l.apply("restore", "repository: partial", items...)
		l.begins("restored", failure, `CuratorException: Restore operation can only be performed on snapshots with state "SUCCESS", or "PARTIAL" if partial=True.`)
		_, failure = l.apply("restore", "repository: partial, partial: true, indices: [partial-a], rename_pattern: '^', rename_replacement: 're-'", items...)
		l.t.Cleanup(func() { l.remove("re-partial") })
		l.want("restored", failure+l.names("re-partial"), "re-partial-a")
	})
}

func TestDeleteSnapshots(t *testing.T) {
	both(t, func(l *lab) {
		l.repository("dels", false)
		l.scrap("dels")
		l.index("dels-a", "")
		for _, name := range []string{"a", "b", "c", "d"} {
			l.call("PUT", "/_snapshot/dels/"+name+"?wait_for_completion=true", `{"indices":"dels-a"}`, 200)
		}
		items := l.snapshots("dels")
		l.call("DELETE", "/_snapshot/dels/b", "", 200)
		busy := 2
		l.fault = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != "DELETE" || busy == 0 || r.URL.Path != "/_snapshot/dels/a" {
				return false
			}
			busy--
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":{"type":"concurrent_snapshot_execution_exception","reason":"[dels:a] cannot delete while it is being cloned"},"status":400}`)
			return true
		}
		results, failure := l.apply("delete_snapshots", "repository: dels, retry_interval: 1, retry_count: 2", items[:3]...)
		l.want("results", results+failure, "a b c")
		l.want("left", l.snapshotNames("dels"), "d SUCCESS")
		if !l.logged("INFO Deleting 3 selected snapshots: ['a', 'b', 'c']") || !l.logged("INFO Deleting snapshot c...") {
			l.t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
		_, failure = l.apply("delete_snapshots", "repository: dels", nil...)
		l.want("none", failure, "NoSnapshots: snapshot_list object is empty.")
		busy = 1
		results, failure = l.apply("delete_snapshots", "repository: dels, retry_count: 0", append(items[:1:1], items[3])...)
		l.begins("one fails", results+" "+failure, "a! d FailedExecution: Exception encountered.  Rerun with loglevel DEBUG and/or check Elasticsearch logs for more information. Exception: 1 of 2 failed; a: DELETE /_snapshot/dels/a: 400 Bad Request: concurrent_snapshot_execution_exception")
		l.want("left", l.snapshotNames("dels"), "")
	})
}

func TestRestore(t *testing.T) {
	both(t, func(l *lab) {
		l.repository("rest", true)
		l.scrap("rest")
		for _, name := range []string{"rest-a", "rest-b", "rest-c"} {
			l.index(name, `{"settings":{"number_of_replicas":0},"aliases":{"rest-al":{}}}`, `{"x":1}`)
		}
		l.call("PUT", "/_snapshot/rest/old?wait_for_completion=true", `{"indices":"rest-a"}`, 200)
		l.fill("rest-b", 60)
		l.call("PUT", "/_snapshot/rest/new?wait_for_completion=true", `{"indices":"rest-*"}`, 200)
		items := l.snapshots("rest")
		l.t.Cleanup(func() { l.remove("back-"); l.remove("rest-") })

		results, failure := l.apply("restore", "repository: rest, indices: [rest-*, -rest-c], rename_pattern: 'rest-(.+)', rename_replacement: 'back-$1', extra_settings: {index_settings: {index.number_of_replicas: 1}}", items...)
		l.want("results", results+failure, "new")
		l.want("restored", l.names("back-"), "back-a back-b")
		l.want("replicas", l.setting("back-b", "index.number_of_replicas"), "1")
		l.call("GET", "/back-a/_alias/rest-al", "", 404)
		if !l.logged("INFO Found restored index back-b") || !l.logged("INFO All indices appear to have been restored.") || len(l.steps) == 0 || !strings.HasPrefix(l.steps[0], "restore new ") {
			l.t.Errorf("progress %q, log:\n%s", l.steps, strings.Join(l.lines, "\n"))
		}
		_, failure = l.apply("restore", "repository: rest", items...)
		l.begins("open indices stand in the way", failure, "FailedExecution: ")
		l.remove("rest-a")
		results, failure = l.apply("restore", "repository: rest, name: old, include_aliases: true, extra_settings: {index.refresh_interval: 7s}", items[1])
		l.want("a named one that is not in the list", results+failure, "old")
		l.want("refresh", l.setting("rest-a", "index.refresh_interval"), "7s")
		l.call("GET", "/rest-a/_alias/rest-al", "", 200)
		_, failure = l.apply("restore", "repository: rest, name: absent", items...)
		l.want("absent", failure, `CuratorException: Snapshot "absent" not found in repository "rest"`)
		_, failure = l.apply("restore", "repository: rest", nil...)
		l.want("none", failure, "NoSnapshots: snapshot_list object is empty.")
		_, failure = l.apply("restore", "repository: rest, indices: [rest-a, rest-x], ignore_unavailable: true, rename_pattern: rest, rename_replacement: back-2, wait_for_completion: false", items...)
		l.want("not waited for", failure, "")
	})
}

// A snapshot with the state of the cluster has the indices of the system, which are open in every cluster.
func TestRestoreWithoutSystem(t *testing.T) {
	l := newLab(t, 7)
	l.repository("system", false)
	l.scrap("system")
	l.index("system-a", "", `{"x":1}`)
	l.t.Cleanup(func() { l.remove("system-") })
	l.call("POST", "/_reindex?wait_for_completion=false", `{"source":{"index":"system-a"},"dest":{"index":"system-b"}}`, 200)
	l.until("the task's index", func() bool {
		items, err := l.list(context.Background(), "*", "all")
		return err == nil && slices.ContainsFunc(items, func(item filter.Item) bool { return item.Name == ".tasks" })
	})
	l.call("PUT", "/_snapshot/system/s?wait_for_completion=true", `{"indices":"system-a"}`, 200)
	l.remove("system-a")
	results, failure := l.apply("restore", "repository: system", l.snapshots("system")...)
	l.want("results", results+failure, "s")
	l.want("restored", l.names("system-a"), "system-a")
	if !l.logged("WARN 1 indices of the system in snapshot s are not restored") {
		t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
	}
}

func TestTargeted(t *testing.T) {
	f := func(patterns, name string, want bool) {
		t.Helper()
		if got := targeted(strings.Split(patterns, " "), name); got != want {
			t.Errorf("targeted(%s, %s) = %v, want %v", patterns, name, got, want)
		}
	}
	f("a", "a", true)
	f("a", "ab", false)
	f("a*", "ab", true)
	f("a*c*", "abcd", true)
	f("a*c", "acac", true)
	f("a*bc", "abc", true)
	f("ab*bc", "abc", false)
	f("*", "", true)
	f("_all", "a", true)
	f("a* -ab", "ab", false)
	f("-ab a*", "ab", true)
	f("-ab", "a", true)
	f("a,b", "b", true)
}

func TestRenamed(t *testing.T) {
	f := func(pattern, replacement, want string) {
		t.Helper()
		got, err := renamed([]string{"logs-2026-a"}, pattern, replacement)
		if err != nil || got[0] != want {
			t.Errorf("renamed(%s, %s) = %v (%v), want %s", pattern, replacement, got, err, want)
		}
	}
	f("", "x", "logs-2026-a")
	f("(.+)", "re-$1", "re-logs-2026-a")
	f("-(\\d+)", "_$1", "logs_2026-a")
	f("(?<=logs)-", "_", "logs_2026-a")
	if _, err := renamed([]string{"a"}, "(", "x"); class(err)[:20] != "ConfigurationError: " {
		t.Errorf("a broken pattern gives %v", err)
	}
	if _, err := renamed([]string{strings.Repeat("a", 100)}, "(a+)+$b", "x"); err == nil {
		t.Error("a pattern that takes for ever gives no error")
	}
}
