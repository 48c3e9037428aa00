package curator

import "strconv"

// manual is the action file that the manual of the logging system gives, for a number of days.
func manual(days int) string {
	return `actions:
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
      unit_count: ` + strconv.Itoa(days) + `
      field: '@timestamp'
      stats_result: max_value
`
}

// daysOf is an action file with a unit_count that is written so.
func daysOf(count string) string {
	return "actions:\n  1:\n    action: delete_indices\n    filters:\n    - filtertype: age\n      source: name\n      direction: older\n" +
		"      timestring: '%Y.%m.%d'\n      unit: days\n      unit_count: " + count + "\n      epoch: 1795262400\n"
}

// valueOf is an action file with a prefix that is written so.
func valueOf(text string) string {
	return "actions:\n  1:\n    action: delete_indices\n    filters:\n    - filtertype: pattern\n      kind: prefix\n      value: " + text + "\n"
}

func file(entries ...string) string {
	text := "actions:\n"
	for _, e := range entries {
		text += e
	}
	return text
}

// fileExamples has what belongs to no one action or filter: order, options of all, variables, what is refused.
var fileExamples = []example{
	{name: "two actions", indices: "a\nb\nc", file: file(entry("1", "close", "", prefix("a")), entry("2", "delete_indices", "", prefix("b"))), log: true},
	{name: "numbers in order", indices: "a", file: file(entry("10", "delete_indices", "", prefix("a")), entry("2", "close", "", prefix("a"))), log: true},
	{name: "words in order", indices: "a", file: file(entry("b", "delete_indices", "", prefix("a")), entry("a", "close", "", prefix("a")))},
	{name: "numbers and words", indices: "a", file: file(entry("10", "delete_indices", "", prefix("a")), entry("two", "close", "", prefix("a"))), idle: true, exit: 1},
	{name: "a wrong second action", indices: "a\nb", file: file(entry("1", "delete_indices", "", prefix("a")), entry("2", "delete_indices", "", "filtertype: age, source: name, direction: older, timestring: '%Y', unit: fortnights, unit_count: 1")), idle: true, exit: 1},
	{name: "disable_action", indices: "a\nb", file: file(entry("1", "delete_indices", "disable_action: true", prefix("a")), entry("2", "delete_indices", "", prefix("b"))), log: true},
	{name: "nothing enabled", indices: "a", file: one("delete_indices", "disable_action: true", prefix("a")), idle: true},
	{name: "an empty list", indices: "a", file: deleteBy(prefix("z")), idle: true, exit: 1, log: true},
	{name: "an empty list that is ignored", indices: "a", file: deleteAny(prefix("z")), idle: true, log: true},
	{name: "an empty list in a dry run", indices: "a", file: deleteBy(prefix("z")), args: dry, idle: true},
	{name: "an empty list stops", indices: "a\nb", file: file(entry("1", "delete_indices", "", prefix("z")), entry("2", "delete_indices", "", prefix("b"))), idle: true, exit: 1},
	{name: "an empty list that is ignored, and another action", indices: "a\nb", file: file(entry("1", "delete_indices", "ignore_empty_list: yes", prefix("z")), entry("2", "delete_indices", "", prefix("b")))},
	{name: "an empty list is no exception", indices: "a\nb", file: file(entry("1", "delete_indices", "continue_if_exception: true", prefix("z")), entry("2", "delete_indices", "", prefix("b"))), idle: true, exit: 1},
	{name: "no index at all", file: deleteBy("filtertype: none"), idle: true, exit: 1},
	{name: "no index at all, ignored", file: deleteAny("filtertype: none"), idle: true},
	{name: "an exception stops", indices: "a\nb", file: file(entry("1", "create_index", "name: a"), entry("2", "delete_indices", "", prefix("b"))), idle: true, exit: 1, log: true},
	{name: "an exception that is continued", indices: "a\nb", file: file(entry("1", "create_index", "name: a, continue_if_exception: true"), entry("2", "delete_indices", "", prefix("b"))), log: true},
	{name: "timeout_override", indices: "a\nb", file: file(entry("1", "delete_indices", "timeout_override: 5", prefix("a")), entry("2", "close", "", prefix("b")))},
	{name: "a description", indices: "a", file: "actions:\n  1:\n    action: delete_indices\n    description: >-\n      Delete\n      them\n    filters:\n    - {filtertype: none}\n", log: true},
	{name: "search_pattern", indices: "a-1\na-2\nb", file: one("delete_indices", "search_pattern: 'a-*,-a-2'", "filtertype: none"), five: "it has no search_pattern"},
	{name: "comments and a document's start", indices: "a", file: "---\n# comment\nactions: # c\n  1: {action: delete_indices, filters: [{filtertype: none}]} # c\n"},
	{name: "anchors", indices: week, file: "actions:\n  1:\n    action: close\n    filters: &f\n    - {" + byName + "}\n  2:\n    action: delete_indices\n    filters: *f\n", exit: 1,
		strict: "anchors are text that stands twice", safe: "anchors are text that stands twice"},
	{name: "keys twice", indices: "audit-2026.11.{16..21}\nlog-2026.11.{16..21}", file: "actions:\n  1:\n    action: delete_indices\n    filters:\n    - {" + prefix("audit-") + "}\n    filters:\n    - {" + byName + "}\n",
		safe: "a key that stands twice is refused"},

	{name: "dry run", indices: week + "\nother closed", file: deleteBy(byName), args: dry, idle: true},
	{name: "dry run of closed indices", indices: "a closed\nb", file: deleteBy("filtertype: none"), args: dry, idle: true},
	{name: "dry run of two actions", indices: "a\nb", file: file(entry("1", "close", "", prefix("a")), entry("2", "delete_indices", "", "filtertype: none")), args: dry, idle: true},
	{name: "dry run of open", indices: "a closed\nb", file: one("open", "", "filtertype: none"), args: dry, idle: true},

	{name: "booleans that are words", indices: "a\nb", file: file(entry("1", "delete_indices", "disable_action: 'on', ignore_empty_list: 'yes'", prefix("a")), entry("2", "delete_indices", "disable_action: 'disable'", prefix("b")))},
	{name: "booleans of YAML 1.1", indices: "a\nb", file: file(entry("1", "delete_indices", "disable_action: on", prefix("a")), entry("2", "delete_indices", "disable_action: No", prefix("b")))},
	{name: "booleans that are numbers", indices: "a", file: one("delete_indices", "ignore_empty_list: 1", prefix("a")), idle: true, exit: 1},
	{name: "a boolean that is none", indices: "a", file: one("delete_indices", "ignore_empty_list: perhaps", prefix("a")), idle: true, exit: 1},
	{name: "None", indices: "a\nb", file: one("delete_indices", "timeout_override: None, ignore_empty_list: , continue_if_exception: 'None'", prefix("a"))},
	{name: "numbers that are words", indices: week, file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: '3', epoch: '1795262400'")},

	{name: "a variable", indices: week, file: daysOf("${DAYS}"), env: []string{"DAYS=2"}},
	{name: "a variable's default", indices: week, file: daysOf("${DAYS:4}")},
	{name: "a variable that is not set", indices: week, file: daysOf("${DAYS}"), idle: true, exit: 1},
	{name: "a variable of an option", indices: "a\nb", file: "actions:\n  1:\n    action: delete_indices\n    options:\n      disable_action: ${OFF}\n    filters: [{" + prefix("a") + "}]\n" + entry("2", "delete_indices", "", prefix("b")), env: []string{"OFF=true"}},
	{name: "a variable within text", indices: "a-x\nb", file: valueOf("a-${V}"), env: []string{"V=x"}, idle: true, exit: 1},
	{name: "a variable in quotes", indices: "a-x\nb", file: valueOf("'${V}'"), env: []string{"V=a"}, idle: true, exit: 1},
	{name: "a variable that names none", indices: "a-x\nb", file: valueOf("${V}"), env: []string{"V="}, idle: true, exit: 1},

	{name: "an unknown action", indices: "a", file: one("delete_indexes", "", "filtertype: none"), idle: true, exit: 1},
	{name: "an unknown option", indices: "a", file: one("delete_indices", "ignore_empty: true", "filtertype: none"), idle: true, exit: 1},
	{name: "an unknown filtertype", indices: "a", file: deleteBy("filtertype: nothing"), idle: true, exit: 1},
	{name: "an unknown element", indices: "a", file: deleteBy(prefix("a") + ", values: b"), idle: true, exit: 1},
	{name: "an unknown key of an action", indices: "a", file: "actions:\n  1:\n    action: delete_indices\n    filter:\n    - {filtertype: none}\n    filters:\n    - {filtertype: none}\n", idle: true, exit: 1},
	{name: "a misspelt key of filters", indices: "a", file: "actions:\n  1:\n    action: delete_indices\n    filter:\n    - {filtertype: none}\n", idle: true, exit: 1},
	{name: "no filtertype", indices: "a", file: deleteBy("kind: prefix, value: a"), idle: true, exit: 1},
	{name: "a pattern without a value", indices: "a", file: deleteBy("filtertype: pattern, kind: prefix"), idle: true, exit: 1},
	{name: "a pattern of an empty value", indices: "a", file: deleteBy("filtertype: pattern, kind: prefix, value: "), idle: true, exit: 1},
	{name: "an age without a timestring", indices: week, file: deleteBy("filtertype: age, source: name, direction: older, unit: days, unit_count: 3"), idle: true, exit: 1},
	{name: "an age without a unit_count", indices: week, file: deleteBy("filtertype: age, source: name, direction: older, unit: days, timestring: '%Y.%m.%d'"), idle: true, exit: 1},
	{name: "an age of no direction", indices: week, file: deleteBy("filtertype: age, source: name, unit: days, unit_count: 3, timestring: '%Y.%m.%d'"), idle: true, exit: 1},
	{name: "a filter of snapshots", indices: "a", file: deleteBy("filtertype: state"), idle: true, exit: 1},
	{name: "no filters", indices: "a", file: one("delete_indices", ""), idle: true, exit: 1},
	{name: "filters of nothing", indices: "a", file: "actions:\n  1:\n    action: delete_indices\n    filters:\n", idle: true, exit: 1},
	{name: "filters of an empty list", indices: "a\nb", file: "actions:\n  1:\n    action: delete_indices\n    filters: []\n", safe: "no filters are refused"},
	{name: "no action", indices: "a", file: "actions:\n  1:\n    filters:\n    - {filtertype: none}\n", idle: true, exit: 1},
	{name: "no actions", indices: "a", file: "actions:\n", idle: true, exit: 1},
	{name: "actions that are a list", indices: "a", file: "actions:\n- action: delete_indices\n  filters: [{filtertype: none}]\n", idle: true, exit: 1},
	{name: "another key than actions", indices: "a", file: "action:\n  1: {action: delete_indices, filters: [{filtertype: none}]}\n", idle: true, exit: 1},
	{name: "an empty file", indices: "a", file: "", idle: true, exit: 1},
	{name: "no YAML", indices: "a", file: "actions: {1: [\n", idle: true, exit: 1},
	{name: "a tab", indices: "a", file: "actions:\n\t1: {action: delete_indices, filters: [{filtertype: none}]}\n", idle: true, exit: 1},
	{name: "an unknown flag", indices: "a", file: deleteBy("filtertype: none"), args: []string{"--no-such-flag"}, idle: true, exit: 2},
	{name: "two files", indices: "a", file: deleteBy("filtertype: none"), args: []string{"another.yml"}, idle: true, exit: 2},
}
