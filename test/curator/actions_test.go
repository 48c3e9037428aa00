package curator

const logs = "log-{1..3}\nother"

// actionExamples has every action.
var actionExamples = []example{
	{name: "alias add", indices: logs, file: alias("", "add", prefix("log"))},
	{name: "alias remove", indices: "log-{1..3} alias=all\nother alias=all", file: alias("", "remove", prefix("log"))},
	{name: "alias add and remove", indices: "log-1 alias=all\nlog-{2..3}", file: alias("", "add", prefix("log-3"), "remove", prefix("log-1")), log: true},
	{name: "alias add of nothing", indices: logs, file: alias("", "add", prefix("none-")), idle: true, exit: 1},
	{name: "alias add of nothing is a warning", indices: "log-1 alias=all\nother", file: alias("warn_if_no_indices: true", "add", prefix("none-"), "remove", prefix("log"))},
	{name: "alias of a filter", indices: logs, file: alias("extra_settings: {filter: {exists: {field: '@timestamp'}}, routing: '1'}", "add", prefix("log"))},
	{name: "alias of indices under ILM", indices: "log-1 ilm=p\nlog-2", file: alias("", "add", prefix("log"))},
	{name: "alias of date math", indices: logs, file: "actions:\n  1:\n    action: alias\n    options: {name: '<all-{2026.11.21||/d}>'}\n    add:\n      filters:\n      - {" + prefix("log") + "}\n"},
	{name: "alias in a dry run", indices: "log-1 alias=all\nlog-{2..3}", file: alias("", "add", prefix("log-3"), "remove", prefix("log-1")), args: dry, idle: true},
	{name: "alias without add and remove", indices: logs, file: one("alias", "name: all"), idle: true, exit: 1},

	{name: "allocation", indices: logs + "\nlog-4 closed", file: one("allocation", "key: box, value: hot", prefix("log"))},
	{name: "allocation unset", indices: "log-1 index.routing.allocation.require.box=hot\nother index.routing.allocation.require.box=hot", file: one("allocation", "key: box, value: ", prefix("log"))},
	{name: "allocation excluded, and waited for", indices: logs, file: one("allocation", "key: _name, value: nobody, allocation_type: exclude, wait_for_completion: true, wait_interval: 1, max_wait: 30", prefix("log"))},
	{name: "allocation without a key", indices: logs, file: one("allocation", "value: hot", prefix("log")), idle: true, exit: 1},
	{name: "allocation in a dry run", indices: logs, file: one("allocation", "key: box, value: hot", prefix("log")), args: dry, idle: true},

	{name: "close", indices: logs + "\nlog-4 closed", file: one("close", "", prefix("log")), log: true},
	{name: "close and delete aliases", indices: "log-1 alias=x,y\nlog-2 alias=x\nother alias=x", file: one("close", "delete_aliases: true", prefix("log"))},
	{name: "close without a flush", indices: logs, file: one("close", "skip_flush: true", prefix("log"))},
	{name: "close in a dry run", indices: logs + "\nlog-4 closed", file: one("close", "", prefix("log")), args: dry, idle: true},
	{name: "open", indices: "log-{1..2} closed\nother closed", file: one("open", "", prefix("log")), log: true},

	{name: "replicas", indices: logs + "\nlog-4 closed", file: one("replicas", "count: 1", prefix("log"))},
	{name: "replicas, waited for", indices: "log-1 index.number_of_replicas=1\nother index.number_of_replicas=1", file: one("replicas", "count: 0, wait_for_completion: true, wait_interval: 1", "filtertype: none")},
	{name: "replicas that never come", indices: "log-1\nother", file: one("replicas", "count: 1, wait_for_completion: true, wait_interval: 1, max_wait: 1", prefix("log")), exit: 1},
	{name: "replicas of a wrong number", indices: logs, file: one("replicas", "count: 11", prefix("log")), idle: true, exit: 1},
	{name: "replicas in a dry run", indices: logs, file: one("replicas", "count: 1", prefix("log")), args: dry, idle: true},

	{name: "forcemerge", indices: "log-1 segments=3\nlog-2 segments=2\nlog-3 docs=1\nlog-4 segments=2 closed\nother segments=2", file: one("forcemerge", "max_num_segments: 1", prefix("log")), segments: true, log: true},
	{name: "forcemerge of what is merged", indices: "log-1 docs=1", file: one("forcemerge", "max_num_segments: 1", prefix("log")), segments: true, idle: true, exit: 1},
	{name: "forcemerge in a dry run", indices: "log-1 segments=3", file: one("forcemerge", "max_num_segments: 1, delay: 1", prefix("log")), args: dry, segments: true, idle: true},
	{name: "forcemerge to none", indices: "log-1 segments=3", file: one("forcemerge", "max_num_segments: 0", prefix("log")), segments: true, idle: true, exit: 1},

	{name: "index_settings", indices: logs, file: one("index_settings", "index_settings: {index: {refresh_interval: 5s, max_result_window: 100}}", prefix("log"))},
	{name: "index_settings, existing kept", indices: "log-1 index.refresh_interval=7s\nlog-2", file: one("index_settings", "index_settings: {index: {refresh_interval: 5s}}, preserve_existing: true", prefix("log"))},
	{name: "index_settings of a closed index", indices: "log-1 closed\nother", file: one("index_settings", "index_settings: {index: {codec: best_compression}}, ignore_unavailable: true", prefix("log"))},
	{name: "index_settings that an open index refuses", indices: "log-1\nother", file: one("index_settings", "index_settings: {index: {codec: best_compression}}", prefix("log")), idle: true, exit: 1},
	{name: "index_settings in a dry run", indices: logs, file: one("index_settings", "index_settings: {index: {refresh_interval: 5s}}", prefix("log")), args: dry, idle: true},

	{name: "create_index", indices: "other", file: one("create_index", "name: new"), log: true},
	{name: "create_index of today", indices: "other", file: one("create_index", "name: 'new-%Y.%m.%d'")},
	{name: "create_index of date math", indices: "other", file: one("create_index", "name: '<new-{now/d+1d}>'")},
	{name: "create_index with settings", indices: "other", file: one("create_index", "name: new, extra_settings: {settings: {number_of_shards: 2, number_of_replicas: 0}, aliases: {x: {}}, mappings: {properties: {a: {type: keyword}}}}")},
	{name: "create_index that is there", indices: "new", file: one("create_index", "name: new"), idle: true, exit: 1},
	{name: "create_index that may be there", indices: "new", file: one("create_index", "name: new, ignore_existing: true"), idle: true},
	{name: "create_index in a dry run", indices: "other", file: one("create_index", "name: new"), args: dry, idle: true},

	{name: "rollover", indices: "log-000001 docs=3 alias=log", file: one("rollover", "name: log, conditions: {max_docs: 2}")},
	{name: "rollover too early", indices: "log-000001 docs=3 alias=log", file: one("rollover", "name: log, conditions: {max_docs: 20, max_age: 1d}"), idle: true},
	{name: "rollover to a name", indices: "log-000001 docs=3 alias=log", file: one("rollover", "name: log, new_index: log-b, conditions: {max_age: 0d}, extra_settings: {index.number_of_replicas: 0}")},
	{name: "rollover to a name of today", indices: "log-000001 docs=3 alias=log", file: one("rollover", "name: log, new_index: 'log-%Y.%m', conditions: {max_docs: 1}")},
	{name: "rollover of an alias under ILM", indices: "log-000001 docs=3 alias=log ilm=p index.lifecycle.rollover_alias=log", file: one("rollover", "name: log, conditions: {max_docs: 2}"), idle: true},
	{name: "rollover of no alias", indices: "log-000001 docs=3", file: one("rollover", "name: log, conditions: {max_docs: 2}"), idle: true, exit: 1},
	{name: "rollover of an alias of two", indices: "log-{1..2} docs=3 alias=log", file: one("rollover", "name: log, conditions: {max_docs: 2}"), idle: true, exit: 1},
	{name: "rollover in a dry run", indices: "log-000001 docs=3 alias=log", file: one("rollover", "name: log, conditions: {max_docs: 2}"), args: dry, idle: true},

	{name: "snapshot", indices: logs, file: one("snapshot", "repository: backup, name: mine, wait_interval: 1", prefix("log"))},
	{name: "snapshot of the default name", indices: logs, file: one("snapshot", "repository: backup, wait_interval: 1, include_global_state: false", prefix("log"))},
	{name: "snapshot of today, not waited for", indices: "log-1", file: one("snapshot", "repository: backup, name: 'mine-%Y.%m.%d', wait_for_completion: false", prefix("log"))},
	{name: "snapshot to no repository", indices: logs, file: one("snapshot", "repository: nowhere, name: mine", prefix("log")), idle: true, exit: 1},
	{name: "snapshot of a name that is taken", indices: logs, snapshots: "mine log-1", file: one("snapshot", "repository: backup, name: mine, wait_interval: 1", prefix("log")), idle: true, exit: 1},
	{name: "snapshot with a check", indices: logs, file: one("snapshot", "repository: backup, name: mine, wait_interval: 1, skip_repo_fs_check: false", prefix("log"))},
	{name: "snapshot in a dry run", indices: logs, file: one("snapshot", "repository: backup, name: mine", prefix("log")), args: dry, idle: true},

	{name: "delete_snapshots by name", indices: "log-1", snapshots: "snap-2026.11.16 log-1\nsnap-2026.11.20 log-1\nmine log-1", file: one("delete_snapshots", "repository: backup", byName), log: true},
	{name: "delete_snapshots by creation", indices: "log-1", snapshots: "a log-1\nb log-1", file: one("delete_snapshots", "repository: backup, ignore_empty_list: true", "filtertype: age, source: creation_date, direction: younger, unit: days, unit_count: 1")},
	{name: "delete_snapshots by pattern", indices: "log-1", snapshots: "a-1 log-1\na-2 log-1\nb log-1", file: one("delete_snapshots", "repository: backup, retry_interval: 1, retry_count: 1", prefix("a"))},
	{name: "delete_snapshots by count", indices: "log-1", snapshots: "a-1 log-1\na-2 log-1\na-3 log-1", file: one("delete_snapshots", "repository: backup", "filtertype: count, count: 2")},
	{name: "delete_snapshots by count of groups", indices: "log-1", snapshots: "a-1 log-1\na-2 log-1", file: one("delete_snapshots", "repository: backup", "filtertype: count, count: 1, pattern: '^(a)-.*$'"), idle: true, exit: 1,
		safe: "it works for snapshots as it does for indices"},
	{name: "delete_snapshots by state", indices: "log-1", snapshots: "a log-1", file: one("delete_snapshots", "repository: backup", "filtertype: state, state: FAILED"), idle: true, exit: 1},
	{name: "delete_snapshots by success", indices: "log-1", snapshots: "a log-1\nb log-1", file: one("delete_snapshots", "repository: backup", "filtertype: state", prefix("a"))},
	{name: "delete_snapshots by period", indices: "log-1", snapshots: "snap-2026.11.16 log-1\nsnap-2026.11.18 log-1\nsnap-2026.11.20 log-1", file: one("delete_snapshots", "repository: backup", period+"range_from: -4, range_to: -2, unit: days, epoch: 1795262400")},
	{name: "delete_snapshots all", indices: "log-1", snapshots: "a log-1\nb log-1", file: one("delete_snapshots", "repository: backup", "filtertype: none")},
	{name: "delete_snapshots of no repository", indices: "log-1", snapshots: "a log-1", file: one("delete_snapshots", "repository: nowhere", "filtertype: none"), idle: true, exit: 1},
	{name: "delete_snapshots in a dry run", indices: "log-1", snapshots: "a log-1\nb log-1", file: one("delete_snapshots", "repository: backup", "filtertype: none"), args: dry, idle: true},
	{name: "delete_snapshots by a filter of indices", indices: "log-1", snapshots: "a log-1", file: one("delete_snapshots", "repository: backup", "filtertype: closed"), idle: true, exit: 1},

	{name: "restore under other names", indices: "log-1 docs=2\nlog-2 docs=1", snapshots: "a log-1\nb log-1,log-2", file: one("restore", "repository: backup, name: b, indices: [log-1], wait_interval: 1, rename_pattern: '(.+)', rename_replacement: 'again-$1'", "filtertype: none")},
	{name: "restore of the newest", indices: "log-1 docs=2\nlog-2 docs=1", snapshots: "a log-1\n+b log-2", file: one("restore", "repository: backup, wait_interval: 1, rename_pattern: '(.+)', rename_replacement: 'again-$1', include_aliases: true", "filtertype: none")},
	{name: "restore with settings", indices: "log-1 docs=2", snapshots: "a log-1", file: one("restore", "repository: backup, name: a, wait_interval: 1, rename_pattern: log, rename_replacement: again, extra_settings: {index_settings: {index.refresh_interval: 9s}}", "filtertype: none"),
		five: "8 gives the settings a wrong name", strict: "8 gives the settings a wrong name", safe: "8 gives the settings a wrong name"},
	{name: "restore over an open index", indices: "log-1 docs=2", snapshots: "a log-1", file: one("restore", "repository: backup, name: a, wait_interval: 1", "filtertype: none"), idle: true, exit: 1},
	{name: "restore of no snapshot", indices: "log-1", snapshots: "a log-1", file: one("restore", "repository: backup, name: z, wait_interval: 1", "filtertype: none"), idle: true, exit: 1},
	{name: "restore in a dry run", indices: "log-1", snapshots: "a log-1", file: one("restore", "repository: backup, name: a", "filtertype: none"), args: dry, idle: true},

	{name: "shrink", indices: "log-1 shards=2 docs=4\nother", file: one("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}, wait_interval: 1, number_of_replicas: 0", prefix("log"))},
	{name: "shrink and keep", indices: "log-1 shards=4 docs=4 alias=x", file: one("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}, wait_interval: 1, number_of_shards: 2, number_of_replicas: 0, delete_after: false, copy_aliases: true, shrink_prefix: small-, shrink_suffix: ''", prefix("log"))},
	{name: "shrink on no node", indices: "log-1 shards=2 docs=4", file: one("shrink", "shrink_node: nobody, node_filters: {permit_masters: true}, wait_interval: 1", prefix("log")), idle: true, exit: 1},
	{name: "shrink on a master", indices: "log-1 shards=2 docs=4", file: one("shrink", "shrink_node: DETERMINISTIC, wait_interval: 1", prefix("log")), idle: true, exit: 1},
	{name: "shrink of one shard", indices: "log-1 docs=4", file: one("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}, wait_interval: 1", prefix("log")), idle: true, exit: 1},
	{name: "shrink in a dry run", indices: "log-1 shards=2 docs=4", file: one("shrink", "shrink_node: DETERMINISTIC, node_filters: {permit_masters: true}", prefix("log")), args: dry, idle: true},

	{name: "reindex", only: 7, indices: "log-1 docs=2\nlog-2 docs=1", file: one("reindex", "wait_interval: 1, request_body: {source: {index: log-1}, dest: {index: again}}", "filtertype: none")},
	{name: "reindex of a selection", only: 7, indices: "log-1 docs=2\nlog-2 docs=1\nother docs=1", file: one("reindex", "wait_interval: 1, request_body: {source: {index: REINDEX_SELECTION}, dest: {index: again}}", prefix("log"))},
	{name: "reindex of each of a selection", only: 7, indices: "log-1 docs=2\nlog-2 docs=1\nother docs=1", file: one("reindex", "wait_interval: 1, migration_prefix: new-, migration_suffix: -x, request_body: {source: {index: REINDEX_SELECTION}, dest: {index: MIGRATION}}", prefix("log"))},
	{name: "reindex of nothing", only: 7, indices: "log-1 docs=2", file: one("reindex", "wait_interval: 1, request_body: {source: {index: REINDEX_SELECTION}, dest: {index: again}}", prefix("none-")), idle: true, exit: 1},
	{name: "reindex in a dry run", only: 7, indices: "log-1 docs=2", file: one("reindex", "request_body: {source: {index: REINDEX_SELECTION}, dest: {index: again}}", prefix("log")), args: dry, idle: true},

	{name: "cluster_routing", indices: "log-1", file: one("cluster_routing", "routing_type: allocation, setting: enable, value: primaries, wait_for_completion: true, wait_interval: 1")},
	{name: "cluster_routing of rebalance", indices: "log-1", file: one("cluster_routing", "routing_type: rebalance, setting: enable, value: replicas")},
	{name: "cluster_routing of a wrong value", indices: "log-1", file: one("cluster_routing", "routing_type: rebalance, setting: enable, value: new_primaries"), idle: true, exit: 1},
	{name: "cluster_routing in a dry run", indices: "log-1", file: one("cluster_routing", "routing_type: allocation, setting: enable, value: none"), args: dry, idle: true},

	{name: "freeze", indices: "log-1", file: one("freeze", "", "filtertype: none"), idle: true, exit: 1},
	{name: "cold2frozen", indices: "log-1", file: one("cold2frozen", "", "filtertype: none"), idle: true, exit: 1},
}

var dry = []string{"--dry-run"}

// alias is an action file of an alias action for the alias all: options, then `add` or `remove` and a filter, in turns.
func alias(options string, parts ...string) string {
	text := "actions:\n  1:\n    action: alias\n    options: {name: all"
	if options != "" {
		text += ", " + options
	}
	text += "}\n"
	for i := 0; i < len(parts); i += 2 {
		text += "    " + parts[i] + ":\n      filters:\n      - {" + parts[i+1] + "}\n"
	}
	return text
}
