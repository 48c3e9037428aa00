package action

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func parse(t *testing.T, text string, o Options) *File {
	t.Helper()
	f, err := Parse([]byte(text), "actions.yml", o)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

// one returns the only action of a file of this kind with these options.
func one(t *testing.T, kind, options string) Action {
	t.Helper()
	text := "actions:\n  1:\n    action: " + kind + "\n    options: {" + options + "}\n"
	switch kinds[kind].filters {
	case indices, snapshots:
		text += "    filters: [{filtertype: none}]\n"
	case addRemove:
		text += "    add: {filters: [{filtertype: none}]}\n"
	}
	f := parse(t, text, Options{})
	return f.Actions[0]
}

// The rotation that the design of the log system prescribes, word for word; only the number of days is put in.
const designed = `actions:
  1:
    action: delete_indices
    description: "Delete selected indices"
    options:
      timeout_override: 300
      continue_if_exception: True
    filters:
    - filtertype: pattern
      kind: regex
      value: '^logstash-journalbeat-(([a-zA-Z]|[a-zA-Z][a-zA-Z0-9\-]*[a-zA-Z0-9])\.)*([A-Za-z]|[A-Za-z][A-Za-z0-9\-]*[A-Za-z0-9])-.*$'
    - filtertype: age
      source: field_stats
      direction: older
      unit: days
      unit_count: [NUMBER_OF_DAYS_TO_DELETE]
      field: '@timestamp'
      stats_result: max_value    
`

func TestDesigned(t *testing.T) {
	for _, days := range []string{"7", "${DAYS}", "${NOT_SET:7}"} {
		f := parse(t, strings.Replace(designed, "[NUMBER_OF_DAYS_TO_DELETE]", days, 1), Options{Env: env("DAYS", "7")})
		if len(f.Actions) != 1 || len(f.Warnings) != 0 {
			t.Fatalf("%+v", f)
		}
		a := f.Actions[0]
		want := Action{ID: "1", Kind: "delete_indices", Description: "Delete selected indices", Line: 2,
			Common:  Common{ContinueIfException: true, Timeout: 300 * time.Second, SearchPattern: "*"},
			Options: &DeleteIndices{Search{"*"}}}
		filters := a.Filters
		a.Filters = nil
		if d := cmp.Diff(want, a); d != "" {
			t.Error(d)
		}
		if len(filters) != 2 || filters[0].Type() != "pattern" || filters[1].Type() != "age" {
			t.Errorf("filters are %+v", filters)
		}
	}
	_, err := Parse([]byte(designed), "actions.yml", Options{})
	want := `actions.yml:16: action 1 (delete_indices), filter 2: `
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "unit_count") {
		t.Errorf("the placeholder is no number of days: %v", err)
	}
}

func TestOptions(t *testing.T) {
	f := func(kind, options string, want any) {
		t.Helper()
		if d := cmp.Diff(want, one(t, kind, options).Options); d != "" {
			t.Errorf("%s {%s}: %s", kind, options, d)
		}
	}
	all := Search{"*"}
	soon := Wait{false, 3 * time.Second, -time.Second}
	late := LongWait{true, 9 * time.Second, -time.Second}
	f("alias", "name: a", &Alias{Name: "a"})
	f("alias", "name: 2017.01, warn_if_no_indices: 'yes', extra_settings: {filter: {term: {user: kimchy}}}",
		&Alias{Name: "2017.01", WarnIfNoIndices: true, ExtraSettings: map[string]any{"filter": map[string]any{"term": map[string]any{"user": "kimchy"}}}})
	f("allocation", "key: tag", &Allocation{Search: all, Key: "tag", AllocationType: "require", Wait: soon})
	f("allocation", "key: tag, value: None", &Allocation{Search: all, Key: "tag", AllocationType: "require", Wait: soon})
	f("allocation", "key: tag, value: cold, allocation_type: include, wait_for_completion: on, wait_interval: '30', max_wait: 60, search_pattern: 'a*,-b'",
		&Allocation{Search{"a*,-b"}, "tag", "cold", "include", Wait{true, 30 * time.Second, time.Minute}})
	f("close", "", &Close{Search: all})
	f("close", "delete_aliases: true, skip_flush: yes, ignore_sync_failures: true", &Close{all, true, true})
	f("cluster_routing", "routing_type: allocation, setting: enable, value: new_primaries", &ClusterRouting{"allocation", "enable", "new_primaries", soon})
	f("create_index", "name: '<logs-{now/d}>', ignore_existing: true, extra_settings: {settings: {number_of_shards: 1, ratio: 1.50}}",
		&CreateIndex{"<logs-{now/d}>", true, map[string]any{"settings": map[string]any{"number_of_shards": int64(1), "ratio": 1.5}}})
	f("delete_indices", "", &DeleteIndices{all})
	f("delete_snapshots", "repository: r", &DeleteSnapshots{"r", 2 * time.Minute, 3})
	f("forcemerge", "max_num_segments: 2, delay: 0.5", &ForceMerge{all, 2, 500 * time.Millisecond})
	f("index_settings", "index_settings: {index: {refresh_interval: 5s, blocks.write: null}}",
		&IndexSettings{Search: all, IndexSettings: map[string]any{"index": map[string]any{"refresh_interval": "5s", "blocks.write": nil}}})
	f("open", "", &Open{all})
	f("replicas", "count: '2'", &Replicas{all, 2, soon})
	f("restore", "repository: r", &Restore{Repository: "r", LongWait: late, SkipRepoFSCheck: true})
	f("restore", "repository: r, indices: [a, b], rename_pattern: '(.+)', rename_replacement: old-$1",
		&Restore{Repository: "r", LongWait: late, SkipRepoFSCheck: true, Indices: []string{"a", "b"}, RenamePattern: "(.+)", RenameReplacement: "old-$1"})
	docs := int64(1000)
	f("rollover", "name: a, conditions: {max_age: 7d, max_docs: 1_000}", &Rollover{Name: "a", Conditions: Conditions{MaxAge: "7d", MaxDocs: &docs}, WaitForActiveShards: "0"})
	f("rollover", "name: a, wait_for_active_shards: all", &Rollover{Name: "a", WaitForActiveShards: "all"})
	f("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true, exclude_nodes: [n]}, post_allocation: {key: tag}",
		&Shrink{Search: all, ShrinkNode: "DETERMINISTIC", NodeFilters: NodeFilters{true, []string{"n"}}, NumberOfShards: 1, NumberOfReplicas: 1,
			ShrinkSuffix: "-shrink", DeleteAfter: true, PostAllocation: &PostAllocation{"require", "tag", ""}, WaitForActiveShards: "1", LongWait: late, WaitForRebalance: true})
	f("snapshot", "repository: r", &Snapshot{Search: all, Repository: "r", Name: "curator-%Y%m%d%H%M%S", IncludeGlobalState: true, LongWait: late, SkipRepoFSCheck: true})
	re := one(t, "reindex", "request_body: {source: {index: a, query: {match_all: {}}}, dest: {index: b}}").Options.(*Reindex)
	if len(re.Remote) != 1 {
		t.Errorf("without remote filters, one must leave nothing: %v", re.Remote)
	}
	re.Remote = nil
	want := &Reindex{RequestBody: ReindexBody{Source: ReindexSource{Index: []string{"a"}, Query: map[string]any{"match_all": map[string]any{}}}, Dest: ReindexDest{Index: "b"}},
		Refresh: true, RequestsPerSecond: -1, Slices: 1, Timeout: time.Minute, WaitForActiveShards: "1", LongWait: late}
	if d := cmp.Diff(want, re); d != "" {
		t.Error(d)
	}
}

func TestTimeouts(t *testing.T) {
	f := func(kind, options string, want time.Duration) {
		t.Helper()
		if got := one(t, kind, options).Timeout; got != want {
			t.Errorf("%s {%s}: got %v, want %v", kind, options, got, want)
		}
	}
	f("open", "", 0)
	f("open", "timeout_override: 60", time.Minute)
	f("close", "", 3*time.Minute)
	f("close", "timeout_override: null", 3*time.Minute)
	f("delete_snapshots", "repository: r", 5*time.Minute)
	f("forcemerge", "max_num_segments: 1", 6*time.Hour)
	f("snapshot", "repository: r", 6*time.Hour)
	f("restore", "repository: r, timeout_override: '7'", 7*time.Second)
}

// Waits of both kinds convert into each other, so that what waits takes either.
func TestWait(t *testing.T) {
	if !reflect.TypeFor[LongWait]().ConvertibleTo(reflect.TypeFor[Wait]()) {
		t.Error("LongWait does not convert to Wait")
	}
}

const none = "filters: [{filtertype: none}]"

func TestOrder(t *testing.T) {
	f := func(keys []string, want ...string) {
		t.Helper()
		text := "actions:\n"
		for _, k := range keys {
			text += "  " + k + ": {action: open, " + none + "}\n"
		}
		var got []string
		for _, a := range parse(t, text, Options{}).Actions {
			got = append(got, a.ID)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	f([]string{"10", "9", "1"}, "1", "9", "10")
	f([]string{"0x10", "9", "-1", "1.5"}, "-1", "1.5", "9", "16")
	f([]string{"'10'", "'9'"}, "10", "9")
	f([]string{"b", "B", "a"}, "B", "a", "b")
	if got := parse(t, "actions: {}", Options{}).Actions; len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestYAML(t *testing.T) {
	description := func(text string, o Options) string {
		t.Helper()
		return parse(t, "actions: {1: {action: open, description: "+text+", "+none+"}}", o).Actions[0].Description
	}
	set := Options{Env: env("V", "v", "N", "7", "EMPTY", "", "U", "http://h:1")}
	f := func(text, want string) {
		t.Helper()
		block := "actions:\n  1:\n    action: open\n    " + none + "\n    description: " + text + "\n"
		if got := parse(t, block, set).Actions[0].Description; got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
	f("2017.01", "2017.01")
	f("007", "007")
	f("1:30", "1:30")
	f("2026-11-21", "2026-11-21")
	f("!!str yes", "yes")
	f("y", "y")
	f("${V}", "v")
	f("'${V}'", "${V}")
	f(`"${V}"`, "${V}")
	f("x${V}", "x${V}")
	f("${V}x", "${V}x")
	f("${UNSET:d}", "d")
	f("${UNSET:http://h:9200}", "http://h:9200")
	f("${U}", "http://h:1")
	f("${V:?must be}", "v")
	f("${UNSET}", "No description given")
	f("null", "No description given")
	f("|\n      two\n      lines\n", "two\nlines\n")
	if got := description("a", Options{}); got != "a" {
		t.Error(got)
	}

	asJSON := parse(t, `{"actions": {"1": {"action": "open", "description": "\ud83d\ude00 \\/ \/ \\ud83d\\ude00 \u002f \"", "filters": [{"filtertype": "none"}]}}}`, Options{})
	if got, want := asJSON.Actions[0].Description, `😀 \/ / \ud83d\ude00 / "`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}

	merged := parse(t, `
actions:
  1: &first
    action: delete_indices
    options: &options {ignore_empty_list: true, continue_if_exception: true}
    filters: &filters
    - &age {filtertype: none}
  2:
    <<: *first
    description: second
    options: {<<: [{timeout_override: 5, ignore_empty_list: false}, *options], continue_if_exception: false}
  3:
    action: close
    filters: [*age, *age]
`, Options{}).Actions
	second, third := merged[1], merged[2]
	if second.Kind != "delete_indices" || second.Description != "second" || second.IgnoreEmptyList || second.ContinueIfException ||
		second.Timeout != 5*time.Second || len(second.Filters) != 1 || len(third.Filters) != 2 {
		t.Errorf("merged to %+v, %+v", second, third)
	}
}

func TestBooleans(t *testing.T) {
	for text, want := range map[string]bool{"yes": true, "Yes": true, "on": true, "TRUE": true, "'1'": true, "enable": true, "'On'": true,
		"no": false, "off": false, "'0'": false, "Disable": false, "False": false} {
		if got := one(t, "open", "ignore_empty_list: "+text).IgnoreEmptyList; got != want {
			t.Errorf("%s: got %v", text, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		got, err := Parse([]byte(text), "a.yml", Options{Env: env("V", "v")})
		if err == nil {
			t.Errorf("accepted %q: %+v", text, got)
			return
		}
		lines := strings.Split(err.Error(), "\n")
		for i := range lines {
			if start, cut := strings.CutSuffix(want[min(i, len(want)-1)], "…"); cut && strings.HasPrefix(lines[i], start) {
				lines[i] = start + "…"
			}
		}
		if d := cmp.Diff(want, lines); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	f("", "a.yml:1: the file is empty: it must begin with the key actions")
	f("# nothing", "a.yml:1: the file is empty: it must begin with the key actions")
	f("[]", "a.yml:1: the file is no mapping of names to values: it must begin with actions:")
	f("a: b: c", "a.yml: cannot read YAML: mapping values are not allowed in this context")
	f("actions:\n\t1: x", "a.yml:2: cannot read YAML: found character that cannot start any token")
	f("actions: {}\n---\nactions: {}", "a.yml:2: a second YAML document begins: put everything into one, without ---")
	f("actions:", "a.yml:1: actions must have actions below it, each with a number: write actions: {1: {action: …}}")
	f("action: {}", `a.yml:1: the file: unknown key "action", did you mean "actions"? known keys: actions`,
		"a.yml:1: actions must have actions below it, each with a number: write actions: {1: {action: …}}")
	f("actions:\n  1: {action: open, "+none+"}\n  a: {action: open, "+none+"}",
		`a.yml:3: the keys of actions are numbers and words ("1" and "a"), which have no order: use numbers for all`)
	f("actions:\n  1: {action: open, "+none+"}\n  '1': {action: open, "+none+"}",
		`a.yml:3: the keys of actions are numbers and words ("1" and "1"), which have no order: use numbers for all`)
	f("actions:\n  1: {action: open, "+none+"}\n  0x1: {action: open, "+none+"}",
		`a.yml:3: "1" is given twice, first in line 2: Curator would silently take the last one; leave one of them out`)
	f("actions:\n  1: open", `a.yml:2: action 1 is no mapping of names to values: it must begin with action:`)
	f("actions:\n  1: {filters: []}", `a.yml:2: action 1: action is missing`)
	f("actions:\n  1: {action: delete_index}",
		`a.yml:2: action 1: unknown action "delete_index", did you mean "delete_indices"? known actions: alias, allocation, close, cluster_routing, `+
			`create_index, delete_indices, delete_snapshots, forcemerge, index_settings, open, reindex, replicas, restore, rollover, shrink, snapshot`)
	f("actions:\n  1: {action: freeze}", `a.yml:2: action 1: freeze is not supported: …`)
	f("actions:\n  1: {action: cold2frozen}", `a.yml:2: action 1: cold2frozen is not supported: …`)
	f("actions:\n  1: {action: unfreeze}", `a.yml:2: action 1: unfreeze is not supported: …`)
	f("actions:\n  1:\n    action: open\n    option: {}\n    filter: []",
		`a.yml:3: action 1 (open): filters is missing: write - filtertype: none below it if really all are meant`,
		`a.yml:4: action 1 (open): unknown key "option", did you mean "options"? known keys: action, description, filters, options`,
		`a.yml:5: action 1 (open): unknown key "filter", did you mean "filters"? known keys: action, description, filters, options`)
	f("actions:\n  1:\n    action: open\n    options:\n    filters:",
		`a.yml:4: action 1 (open): options must have options below it, indented, not nothing: or leave the line out`,
		`a.yml:5: action 1 (open): filters must be a list, each element beginning with - filtertype:, not nothing: write - filtertype: none below it if really all are meant`)
	f("actions:\n  1:\n    action: open\n    filters: []",
		`a.yml:4: action 1 (open): filters is empty, which Curator takes for all: write - filtertype: none below it if really all are meant`)
	f("actions:\n  1:\n    action: open\n    filters: {filtertype: none}",
		`a.yml:4: action 1 (open): filters must be a list, each element beginning with - filtertype:, not a section: write - filtertype: none below it if really all are meant`)
	f("actions:\n  1:\n    action: open\n    filters:\n    - none\n    -\n    - {filtertype: none}",
		`a.yml:5: action 1 (open), filter 1: must be a mapping that begins with filtertype:, not "none"`,
		`a.yml:6: action 1 (open), filter 2: must be a mapping that begins with filtertype:, not nothing`)
	f("actions:\n  1:\n    action: rollover\n    options: {name: a}\n    "+none, `a.yml:5: action 1 (rollover): this action takes no filters: remove them`)
	f("actions:\n  1:\n    action: alias\n    options: {name: a}",
		`a.yml:2: action 1 (alias): nothing to do: it needs add: {filters: …} or remove: {filters: …}, or both`)
	f("actions:\n  1:\n    action: alias\n    options: {name: a}\n    add:\n    remove: {filter: []}",
		`a.yml:5: action 1 (alias): add must have filters below it: write add: {filters: [{filtertype: …}]}`,
		`a.yml:6: action 1 (alias), remove: unknown key "filter", did you mean "filters"? known keys: filters`,
		`a.yml:6: action 1 (alias), remove: filters is missing: write - filtertype: none below it if really all are meant`)
	f("actions:\n  1:\n    action: close\n    options:\n      timeout_overide: 5\n      ignore_empty_list: 1\n    "+none,
		`a.yml:5: action 1 (close): unknown option "timeout_overide", did you mean "timeout_override"? known options: allow_ilm_indices, `+
			`continue_if_exception, delete_aliases, disable_action, ignore_empty_list, include_hidden, search_pattern, skip_flush, timeout_override`,
		`a.yml:6: action 1 (close): option "ignore_empty_list" must be true or false, not 1`)
	f("actions:\n  1:\n    action: reindex\n    options:\n      remote_url_prefix: p\n      remote_aws_key:\n      request_body: {source: {index: a}, dest: {index: b}}\n    "+none,
		`a.yml:5: action 1 (reindex): option "remote_url_prefix" is of Curator 5 and not supported: write it behind the host in request_body.source.remote.host`)
	f("actions:\n  1:\n    action: rollover\n    options:\n      name: a\n      conditions:\n        max_age: 7d\n        max_doc: 5",
		`a.yml:8: action 1 (rollover): unknown option "conditions.max_doc", did you mean "conditions.max_docs"? known options: max_age, max_docs, max_size`)
	for _, v := range []string{"''", "${UNSET}", "${UNSET:}"} {
		f("actions:\n  1:\n    action: open\n    options:\n      search_pattern: "+v+"\n    "+none,
			`a.yml:5: action 1 (open): option "search_pattern" is empty, which is all indices: write '*' if all are meant`)
	}
	for _, v := range []string{"-nginx*", "-users,nginx*", "users,-nginx*"} { // taken as what is left out, each would mean nearly all
		f("actions:\n  1:\n    action: open\n    options:\n      search_pattern: '"+v+"'\n    "+none,
			`a.yml:5: action 1 (open): option "search_pattern" is "`+v+`": what is left out has a meaning only behind a name with *: begin it with *,`)
	}
	f("actions:\n  1: {action: cluster_routing, options: {routing_type: rebalance, setting: enable, value: new_primaries}}",
		`a.yml:2: action 1 (cluster_routing): option "value" must not be "new_primaries" with routing_type "rebalance"`)
	f("actions:\n  1: {action: index_settings, options: {index_settings: {refresh_interval: 5s}}, "+none+"}",
		`a.yml:2: action 1 (index_settings): option "index_settings" has "refresh_interval": …`)
	f("actions:\n  1: {action: shrink, options: {shrink_node: n, shrink_suffix: ''}, "+none+"}",
		`a.yml:2: action 1 (shrink): options "shrink_prefix" and "shrink_suffix" are both empty: the new index needs another name`)
	f("actions:\n  1:\n    action: open\n    "+none+"\n    "+none,
		`a.yml:5: "filters" is given twice, first in line 4: Curator would silently take the last one; leave one of them out`)
	f("actions:\n  1:\n    action: open\n    description: ${W:?say what}\n    "+none, `a.yml:4: environment variable "W" is not set: say what`)
	f("actions:\n  1:\n    action: open\n    description: ${}\n    "+none, `a.yml:4: "${}" names no environment variable: write ${NAME} or ${NAME:default}`)
	f("actions:\n  1:\n    action: open\n    description: !!python/name:os.system x\n    "+none,
		`a.yml:4: YAML tag "!!python/name:os.system" is not supported: leave it out`)
	f("actions: !x\n  1: 2", `a.yml:1: YAML tag "!x" is not supported: leave it out`,
		`a.yml:1: actions must have actions below it, each with a number: write actions: {1: {action: …}}`)
	f("actions: &a\n  1: *a", `a.yml:2: alias *a stands within what it stands for`,
		`a.yml:2: action 1 is no mapping of names to values: it must begin with action:`)
	f("actions:\n  on: {}", `a.yml:2: key "on" is no word: quote it`)
	f("actions:\n  1:\n    <<: 5\n    action: open\n    "+none, `a.yml:3: << merges the entries of a mapping, or of a list of them: write <<: *anchor`)
	f("actions:\n  1:\n    action: yes", `a.yml:3: action 1: action must be text, not true: if the word is meant, quote it`)
	f("actions:\n  1:\n    action: open\n    description: \"\\e[31m\"\n    options: {\"\\e[31m\": 1}\n    "+none,
		`a.yml:5: action 1 (open): unknown option "\x1b[31m"; known options: …`)
}

func TestBomb(t *testing.T) {
	text := "actions:\n  0: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'k'; c++ {
		text += "  " + string(c-'a'+'0') + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 10) + "]\n"
	}
	_, err := Parse([]byte(text), "a.yml", Options{})
	if err == nil || !strings.Contains(err.Error(), "aliases unfold to more than 200000 values") || strings.Count(err.Error(), "\n") > 20 {
		t.Errorf("got %v", err)
	}
	_, err = Parse([]byte("actions: "+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)), "a.yml", Options{})
	if err == nil || !strings.Contains(err.Error(), "nested deeper than 100") {
		t.Errorf("got %v", err)
	}
	if _, err = Parse(make([]byte, maxBytes+1), "a.yml", Options{}); err == nil || !strings.Contains(err.Error(), "larger than 4 MiB") {
		t.Errorf("got %v", err)
	}
}

func TestStrict(t *testing.T) {
	f := func(text string, warnings ...string) Action {
		t.Helper()
		if _, err := Parse([]byte(text), "a.yml", Options{}); err == nil {
			t.Errorf("accepted without strict: %s", text)
		}
		got, err := Parse([]byte(text), "a.yml", Options{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(warnings, got.Warnings); d != "" {
			t.Error(d)
		}
		return got.Actions[0]
	}
	a := f("actions:\n  1:\n    action: open\n    filters: [{filtertype: none}]\n    filters: [{filtertype: none}, {filtertype: none}]",
		`a.yml:5: "filters" is given twice, the one in line 4 is ignored`)
	if len(a.Filters) != 2 {
		t.Error(a.Filters)
	}
	a = f("actions:\n  1:\n    action: open\n    filters: []", `a.yml:4: action 1 (open): filters is empty: all are taken`)
	if a.Filters == nil || len(a.Filters) != 0 {
		t.Error(a.Filters)
	}
	a = f("actions:\n  1:\n    action: open\n    options: {timeout_override: 010}\n    filters: [{filtertype: none}]")
	if a.Timeout != 8*time.Second {
		t.Error(a.Timeout)
	}
	a = f("actions:\n  1:\n    action: open\n    options: {timeout_override: 1:30}\n    filters: [{filtertype: none}]")
	if a.Timeout != 90*time.Second {
		t.Error(a.Timeout)
	}
	_, err := Parse([]byte("actions:\n  1:\n    action: open\n    description: ${X:a:b}\n    filters: [{filtertype: none}]"), "a.yml", Options{Strict: true})
	if err == nil || !strings.Contains(err.Error(), "a.yml:4: the default in") {
		t.Error(err)
	}
}

func TestUnsetVariable(t *testing.T) {
	got := parse(t, "actions:\n  1:\n    action: open\n    options:\n      ignore_empty_list: ${UNSET}\n    filters: [{filtertype: none}]", Options{})
	want := []string{`actions.yml:5: environment variable "UNSET" is not set and has no default: what it stands for counts as left out`}
	if d := cmp.Diff(want, got.Warnings); d != "" || got.Actions[0].IgnoreEmptyList {
		t.Error(d, got.Actions[0].IgnoreEmptyList)
	}
}

func TestUnknownNothing(t *testing.T) {
	got := parse(t, "actions:\n  1:\n    action: open\n    options:\n      count:\n    filters: [{filtertype: none}]", Options{})
	want := []string{`actions.yml:5: action 1 (open): option "count" is unknown, and passed over as it has no value`}
	if d := cmp.Diff(want, got.Warnings); d != "" {
		t.Error(d)
	}
}
