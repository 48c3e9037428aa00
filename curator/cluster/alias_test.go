package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/action"
)

func TestAlias(t *testing.T) {
	both(t, func(l *lab) {
		l.Now = func() time.Time { return time.Date(2026, 11, 21, 23, 0, 0, 0, time.FixedZone("", -7200)) }
		for _, name := range []string{"alias-a", "alias-b", "alias-c"} {
			l.index(name, "")
		}
		l.call("PUT", "/alias-a/_alias/al-2026.11.22", "", 200)
		items := l.items("alias-")
		// f changes the alias and says which indices have it then.
		f := func(options string, add, remove bool, s Selection, wantResults, wantFailure, want string) {
			l.t.Helper()
			a := l.action("alias", options)
			if !add {
				a.Add = nil
			}
			if !remove {
				a.Remove = nil
			}
			results, failure := l.applyTo(a, s)
			l.want(options+": results", results, wantResults)
			l.want(options+": failure", failure, wantFailure)
			has, err := l.aliased(context.Background(), "al-2026.11.22")
			var list []string
			for _, item := range items {
				if _, is := has[item.Name]; is {
					list = append(list, item.Name)
				}
			}
			l.want(options, show(strings.Join(list, " "), err), want+" <nil>")
		}
		f("name: al-%Y.%m.%d, extra_settings: {routing: '1'}", true, true, Selection{Add: items[1:], Remove: items[:2]}, "alias-a alias-b alias-c", "", "alias-b alias-c")
		if !l.logged("INFO Alias actions: [{'remove': {'index': 'alias-a', 'alias': 'al-2026.11.22'}}, {'add': {'index': 'alias-b', 'alias': 'al-2026.11.22', 'routing': '1'}}, {'add': {'index': 'alias-c', 'alias': 'al-2026.11.22', 'routing': '1'}}]") {
			l.t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
		if got := string(l.call("GET", "/alias-b/_alias", "", 200)); !strings.Contains(got, `"index_routing":"1"`) {
			l.t.Errorf("the alias is %s, want its routing", got)
		}
		left := "alias-b alias-c"
		f("name: al-%Y.%m.%d", true, true, Selection{Add: items[:1]}, "", "NoIndices: No indices to remove from alias", left)
		f("name: al-%Y.%m.%d", true, true, Selection{Remove: items[1:2]}, "", "NoIndices: No indices to add to alias", left)
		f("name: al-%Y.%m.%d", false, true, Selection{Remove: items[:1]}, "", `ActionError: No "add" or "remove" operations`, left)
		f("name: al-%Y.%m.%d, warn_if_no_indices: true", true, true, Selection{Remove: items[1:2]}, "alias-b", "", "alias-c")
		f("name: al-%Y.%m.%d, warn_if_no_indices: true", true, true, Selection{}, "", `NoIndices: No "adds" or "removes" found.  Taking no action`, "alias-c")
		f("name: al-none-%Y, warn_if_no_indices: true", false, true, Selection{Remove: items}, "", `ActionError: No "add" or "remove" operations`, "alias-c")
		began := time.Now().UTC()
		results, failure := l.applyTo(l.only("alias", "name: '<al-math-{now/d}>'", "add"), Selection{Add: items[:1]})
		l.want("date math", results+failure, "alias-a")
		l.dated("date math", strings.TrimSpace(string(l.call("GET", "/_cat/aliases/al-math-*?h=alias", "", 200))), "al-math-", "2006.01.02", began)
		_, failure = l.applyTo(l.only("alias", "name: '<al-math-{now/x}>'", "add"), Selection{Add: items[:1]})
		l.begins("no date math", failure, `ConfigurationError: Value "<al-math-{now/x}>" does not contain a valid datemath pattern`)
	})
}

// only is an alias action with one of add and remove.
func (l *lab) only(kind, options, part string) *action.Action {
	a := l.action(kind, options)
	if part == "add" {
		a.Remove = nil
	} else {
		a.Add = nil
	}
	return a
}

func TestCreateIndex(t *testing.T) {
	both(t, func(l *lab) {
		l.Now = func() time.Time { return time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC) }
		l.t.Cleanup(func() { l.remove("create-") })
		options := "name: create-%Y.%m.%d, extra_settings: {settings: {number_of_replicas: 0}, mappings: {properties: {x: {type: date}}}, aliases: {create-al: {}}}"
		results, failure := l.apply("create_index", options)
		l.want("results", results+failure, "create-2026.11.21")
		l.want("replicas", l.setting("create-2026.11.21", "index.number_of_replicas"), "0")
		l.call("GET", "/_alias/create-al", "", 200)
		results, failure = l.apply("create_index", options)
		l.want("again", results+" "+failure, "create-2026.11.21! FailedExecution: Index create-2026.11.21 already exists.")
		results, failure = l.apply("create_index", options+", ignore_existing: true")
		l.want("again, ignored", results+failure, "")
		_, failure = l.apply("create_index", "name: create-x, extra_settings: {settings: {number_of_shards: 0}}")
		l.begins("refused", failure, `FailedExecution: Unable to create index "create-x". Error: PUT /create-x: 400 Bad Request: illegal_argument_exception`)
		_, failure = l.apply("create_index", "name: 'create-a,create-b'")
		l.begins("two", failure, `ConfigurationError: "create-a,create-b"`)
		l.remove("create-")
		began := time.Now().In(time.FixedZone("", 3600))
		_, failure = l.apply("create_index", "name: '<create-{now/d{yyyy|+01:00}}>'")
		l.want("date math", failure, "")
		l.dated("date math", l.names("create-"), "create-", "2006", began)
	})
}

func TestRollover(t *testing.T) {
	both(t, func(l *lab) {
		l.index("roll-000001", `{"aliases":{"roll":{}},"settings":{"number_of_replicas":0}}`, `{"x":1}`)
		l.index("roll-other", `{"aliases":{"roll-odd":{},"roll-two":{}}}`)
		l.index("roll-more", `{"aliases":{"roll-two":{}}}`)
		l.t.Cleanup(func() { l.remove("roll-0") })
		results, failure := l.apply("rollover", "name: roll, conditions: {max_docs: 2, max_age: 1d}")
		l.want("not yet", results+failure, "")
		if !l.logged("INFO Rollover conditions not met. Index roll-000001 not rolled over.") {
			l.t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
		dry := l.action("rollover", "name: roll, conditions: {max_docs: 1}")
		if err := l.DryRun(context.Background(), dry, Selection{}); err != nil || !l.logged("INFO DRY-RUN: Old index roll-000001 rolled over to new index roll-000002") {
			l.t.Errorf("dry run: %v, log:\n%s", err, strings.Join(l.lines, "\n"))
		}
		l.want("after the dry run", l.names("roll-0"), "roll-000001")
		results, failure = l.apply("rollover", "name: roll, conditions: {max_docs: 1}, extra_settings: {index.number_of_replicas: 0}")
		l.want("results", results+failure, "roll-000002")
		l.want("replicas", l.setting("roll-000002", "index.number_of_replicas"), "0")
		began := time.Now().UTC()
		results, failure = l.apply("rollover", "name: roll, conditions: {max_docs: 0}, new_index: 'roll-0-%Y'")
		l.dated("no documents are enough for none", results+failure, "roll-0-", "2006", began)
		for alias, want := range map[string]string{"roll-odd": "ValueError: ", "roll-two": "ValueError: ", "roll-none": "ValueError: "} {
			_, failure = l.apply("rollover", "name: "+alias+", conditions: {max_docs: 1}")
			l.begins(alias, failure, want+`Unable to perform index rollover with alias "`+alias+`". See previous logs for more details.`)
		}
		if !l.logged(`ERROR Alias "roll-none" not found.`) || !l.logged(`ERROR "alias" must only reference one index, but points to ['roll-more', 'roll-other']`) {
			l.t.Errorf("log:\n%s", strings.Join(l.lines, "\n"))
		}
	})
}

func TestClusterRouting(t *testing.T) {
	both(t, func(l *lab) {
		l.t.Cleanup(func() {
			l.call("PUT", "/_cluster/settings", `{"transient":{"cluster.routing.rebalance.enable":null}}`, 200)
		})
		_, failure := l.apply("cluster_routing", "routing_type: rebalance, setting: enable, value: primaries, wait_for_completion: true")
		l.want("failure", failure, "")
		if got := string(l.call("GET", "/_cluster/settings?flat_settings", "", 200)); !strings.Contains(got, `"transient":{"cluster.routing.rebalance.enable":"primaries"}`) {
			l.t.Errorf("settings are %s", got)
		}
	})
}
