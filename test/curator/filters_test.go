package curator

// Most ages are counted from noon of Saturday, 21 November 2026.
const (
	byName = "filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 3, epoch: 1795262400"
	byDate = "filtertype: age, source: creation_date, direction: older, epoch: 1795262400, "
	byTime = "filtertype: age, source: field_stats, field: '@timestamp', direction: older, unit: days, unit_count: 3, epoch: 1795262400"
	period = "filtertype: period, source: name, timestring: '%Y.%m.%d', "
	sunday = "epoch: 1795348800" // noon of the next day
	week   = "log-2026.11.{16..21}"
)

func prefix(value string) string { return "filtertype: pattern, kind: prefix, value: " + value }

func deleteBy(filters ...string) string { return one("delete_indices", "", filters...) }

func deleteAny(filters ...string) string {
	return one("delete_indices", "ignore_empty_list: true", filters...)
}

// filterExamples has every filtertype and what is surprising in them.
var filterExamples = []example{
	// age
	{name: "age by name", indices: week, file: deleteBy(byName), log: true},
	{name: "age by name, younger", indices: week, file: deleteBy("filtertype: age, source: name, direction: younger, timestring: '%Y.%m.%d', unit: days, unit_count: 3, epoch: 1795262400")},
	{name: "age by name, excluded", indices: week, file: deleteBy(byName + ", exclude: true")},
	{name: "age of names without a date", indices: week + "\nlog\nlog-2026.11", file: deleteBy(byName)},
	{name: "age of names without a date, excluded", indices: week + "\nlog\nlog-2026.11", file: deleteBy(byName + ", exclude: true")},
	{name: "age of names without a date alone", indices: "log\nlog-2026.11", file: deleteBy(byName), idle: true, exit: 1},
	{name: "age of a name that is no date", indices: week + "\nlog-2026.02.31", file: deleteBy(byName), idle: true, exit: 1,
		safe: "one name that is no date does not keep the others"},
	{name: "age from now", indices: "log-{D-0..6}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: 3")},
	{name: "age in hours of daily names", indices: "log-{D-0..3}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: hours, unit_count: 48")},
	{name: "age by the hour", indices: "log-2026.11.20.{10..14}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d.%H', unit: hours, unit_count: 24, epoch: 1795262400")},
	{name: "age by the minute", indices: "log-20261121.11{50..55}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y%m%d.%H%M', unit: minutes, unit_count: 7, epoch: 1795262400")},
	{name: "age by weeks of Monday", indices: "log-2026.{38..46}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%W', unit: weeks, unit_count: 4, epoch: 1795262400")},
	{name: "age by weeks of Sunday", indices: "log-2026.{40..46}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%U', unit: weeks, unit_count: 4, epoch: 1795262400")},
	{name: "age by ISO weeks", indices: "log-2026.{40..47}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%G.%V', unit: weeks, unit_count: 4, epoch: 1795262400")},
	{name: "age by the day of the year", indices: "log-2026.{319..325}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%j', unit: days, unit_count: 3, epoch: 1795262400")},
	{name: "age by months", indices: "log-2026.{05..11}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%m', unit: months, unit_count: 3, epoch: 1795262400")},
	{name: "age by months of daily names", indices: "log-2026.10.{20..23}\nlog-2026.11.01", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%m', unit: days, unit_count: 30, epoch: 1795262400")},
	{name: "age by years", indices: "log-{2022..2026}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y', unit: years, unit_count: 2, epoch: 1795262400")},
	{name: "age by a short year", indices: "log-2611{16..21}-x", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '-%y%m%d-', unit: days, unit_count: 3, epoch: 1795262400")},
	{name: "age by the first date of two", indices: "log-2026.01.01-2026.11.21\nlog-2026.11.21-2026.01.01", file: deleteBy(byName)},
	{name: "age by creation", indices: "a created=1795000000\nb created=1795172400\nc created=1795200000", file: deleteBy(byDate + "unit: days, unit_count: 1"), log: true},
	{name: "age by creation, seconds", indices: "a created=1795262389\nb created=1795262390\nc created=1795262391", file: deleteBy(byDate + "unit: seconds, unit_count: 10")},
	{name: "age by creation, months", indices: "a created=1792670399\nb created=1792670400\nc created=1792670401", file: deleteBy(byDate + "unit: months, unit_count: 1")},
	{name: "age by creation, years", indices: "a created=1763726399\nb created=1763726401", file: deleteBy(byDate + "unit: years, unit_count: 1")},
	{name: "age by creation, from now", indices: "a age=240h\nb age=100h\nc age=10h\nd", file: deleteBy("filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 3")},
	{name: "age by creation, younger than now", indices: "a age=240h\nb age=100h\nc age=10h\nd", file: deleteBy("filtertype: age, source: creation_date, direction: younger, unit: days, unit_count: 3")},
	{name: "age from the epoch 0", indices: "a age=240h\nb", file: deleteBy("filtertype: age, source: creation_date, direction: older, unit: days, unit_count: 3, epoch: 0"), safe: "who writes epoch 0 does not mean now"},
	{name: "age of closed indices by creation", indices: "a created=1795000000 closed\nb created=1795200000 closed\nc created=1795000000", file: deleteBy(byDate + "unit: days, unit_count: 1")},
	{name: "age by the newest document", indices: "a time=2026-11-01,2026-11-17\nb time=2026-11-01,2026-11-19\nc time=2026-11-20", file: deleteBy(byTime + ", stats_result: max_value")},
	{name: "age by the oldest document", indices: "a time=2026-11-01,2026-11-17\nb time=2026-11-01,2026-11-19\nc time=2026-11-20", file: deleteBy(byTime)},
	{name: "age by documents, one index without", indices: "a time=2026-11-01\nb docs=1\nc time=2026-11-20", file: deleteBy(byTime + ", stats_result: max_value"), idle: true, exit: 1,
		safe: "one index without the field does not keep the others"},
	{name: "age by documents, one index closed", indices: "a time=2026-11-01\nb time=2026-11-01 closed\nc time=2026-11-20", file: deleteBy(byTime + ", stats_result: max_value")},
	{name: "unit_count_pattern", indices: "log-5d-2026.11.{15..21}\nlog-2d-2026.11.{15..21}\nlog-2026.11.{15..21}", file: deleteBy(byName + ", unit_count_pattern: '-([0-9]+)d-'")},
	{name: "unit_count_pattern without a fallback", indices: "log-5d-2026.11.{15..21}\nlog-2026.11.{15..21}", file: deleteBy("filtertype: age, source: name, direction: older, timestring: '%Y.%m.%d', unit: days, unit_count: -1, epoch: 1795262400, unit_count_pattern: '-([0-9]+)d-'")},
	{name: "unit_count_pattern of zero", indices: "log-0d-2026.11.{15..21}", file: deleteBy(byName + ", unit_count_pattern: '-([0-9]+)d-'")},
	{name: "unit_count_pattern that is broken", indices: week, file: deleteBy(byName + ", unit_count_pattern: '-([0-9+d-'"), safe: "what is no regular expression is refused"},
	{name: "the action file of the manual", indices: "logstash-journalbeat-node1-2026.11.{15..17} time=2026-11-17\nlogstash-journalbeat-node1-{D-0} time=2126-01-01\nlogstash-journalbeat-node1_example_com-2026.11.15 time=2026-11-15\nlogstash-filebeat-node1-2026.11.15 time=2026-11-15",
		file: manual(3)},

	// alias, allocated, closed, opened
	{name: "alias", indices: "a alias=x\nb alias=y\nc", file: deleteBy("filtertype: alias, aliases: x")},
	{name: "aliases", indices: "a alias=x\nb alias=y\nc alias=x,y\nd", file: deleteBy("filtertype: alias, aliases: [x, y]")},
	{name: "aliases, one of which is missing", indices: "a alias=x\nb", file: deleteAny("filtertype: alias, aliases: [x, z]"), idle: true},
	{name: "alias, excluded", indices: "a alias=x\nb alias=y\nc", file: deleteBy("filtertype: alias, aliases: x, exclude: true")},
	{name: "allocated", indices: "a index.routing.allocation.require.box=hot\nb index.routing.allocation.require.box=cold\nc", file: deleteBy("filtertype: allocated, key: box, value: hot")},
	{name: "allocated, not excluded", indices: "a index.routing.allocation.exclude.box=hot\nb index.routing.allocation.exclude.box=cold\nc", file: deleteBy("filtertype: allocated, key: box, value: hot, allocation_type: exclude, exclude: false")},
	{name: "closed", indices: "a\nb closed\nc", file: deleteBy("filtertype: closed")},
	{name: "closed, not excluded", indices: "a\nb closed\nc", file: deleteBy("filtertype: closed, exclude: false")},
	{name: "opened", indices: "a\nb closed\nc", file: deleteBy("filtertype: opened")},
	{name: "opened, not excluded", indices: "a\nb closed\nc", file: deleteBy("filtertype: opened, exclude: false")},

	// count
	{name: "count", indices: "log-{1..5}", file: deleteBy("filtertype: count, count: 3")},
	{name: "count from the other end", indices: "log-{1..5}", file: deleteBy("filtertype: count, count: 3, reverse: false")},
	{name: "count, not excluded", indices: "log-{1..5}", file: deleteBy("filtertype: count, count: 3, exclude: false")},
	{name: "count of numbers without zeros", indices: "log-8\nlog-9\nlog-10\nlog-11", file: deleteBy("filtertype: count, count: 2")},
	{name: "count by creation", indices: "z created=1795000000\na created=1795100000\nm created=1795200000", file: deleteBy("filtertype: count, count: 1, use_age: true, source: creation_date")},
	{name: "count by name", indices: "z-2026.11.01\na-2026.11.03\nm-2026.11.02", file: deleteBy("filtertype: count, count: 1, use_age: true, source: name, timestring: '%Y.%m.%d'")},
	{name: "count by name, one without a date", indices: "z-2026.11.01\na-2026.11.03\nm-2026.11.02\nnodate", file: deleteBy("filtertype: count, count: 1, use_age: true, source: name, timestring: '%Y.%m.%d'"), idle: true, exit: 1,
		five: "it leaves the one out", safe: "one name that is no date does not keep the others"},
	{name: "count by documents", indices: "z time=2026-11-01\na time=2026-11-03\nm time=2026-11-02", file: deleteBy("filtertype: count, count: 1, use_age: true, source: field_stats, field: '@timestamp', stats_result: max_value")},
	{name: "count of groups", indices: "a-{1..3}\nb-{1..3}", file: deleteBy("filtertype: count, count: 1, pattern: '^([ab])-.*$'")},
	{name: "count of groups, not excluded", indices: "a-{1..3}\nb-{1..3}", file: deleteBy("filtertype: count, count: 1, pattern: '^([ab])-.*$', exclude: false")},
	{name: "count of groups and a stranger", indices: "a-{1..3}\nb-{1..3}\nother", file: deleteBy("filtertype: count, count: 1, pattern: '^([ab])-.*$', exclude: false"),
		safe: "a stranger does not turn exclude round"},
	{name: "count of nothing", indices: "a", file: deleteBy("filtertype: count, count: 0"), idle: true, exit: 1},
	{name: "count more than there are", indices: "a\nb", file: deleteBy("filtertype: count, count: 5"), idle: true, exit: 1},

	// empty, forcemerged, shards, size, space
	{name: "empty", indices: "a\nb docs=2\nc closed", file: deleteBy("filtertype: empty")},
	{name: "empty, excluded", indices: "a\nb docs=2\nc closed", file: deleteBy("filtertype: empty, exclude: true")},
	{name: "forcemerged", indices: "a docs=1\nb segments=3", file: deleteBy("filtertype: forcemerged, max_num_segments: 1")},
	{name: "forcemerged, not excluded", indices: "a docs=1\nb segments=3", file: deleteBy("filtertype: forcemerged, max_num_segments: 1, exclude: false")},
	{name: "shards", indices: "a\nb shards=2\nc shards=3", file: deleteBy("filtertype: shards, number_of_shards: 2")},
	{name: "shards, fewer or as many", indices: "a\nb shards=2\nc shards=3", file: deleteBy("filtertype: shards, number_of_shards: 2, shard_filter_behavior: less_than_or_equal")},
	{name: "shards, excluded", indices: "a\nb shards=2\nc shards=3", file: deleteBy("filtertype: shards, number_of_shards: 2, shard_filter_behavior: equal, exclude: true")},
	{name: "size", indices: "a kb=10\nb kb=60\nc", file: deleteBy("filtertype: size, size_threshold: 0.00003"), five: "it has no filtertype size"},
	{name: "size, less", indices: "a kb=10\nb kb=60", file: deleteBy("filtertype: size, size_threshold: 0.00003, threshold_behavior: less_than, size_behavior: total"), five: "it has no filtertype size"},
	{name: "space", indices: "log-{1..5} kb=30", file: deleteBy("filtertype: space, disk_space: 0.0001")},
	{name: "space from the other end", indices: "log-{1..5} kb=30", file: deleteBy("filtertype: space, disk_space: 0.0001, reverse: false")},
	{name: "space by creation", indices: "z created=1795000000 kb=30\nm created=1795100000 kb=30\na created=1795200000 kb=30", file: deleteBy("filtertype: space, disk_space: 0.00008, use_age: true, source: creation_date")},
	{name: "space by name", indices: "log-2026.11.{18..21} kb=30\nnodate kb=200", file: deleteBy("filtertype: space, disk_space: 0.00008, use_age: true, source: name, timestring: '%Y.%m.%d'")},
	{name: "space of one that is huge and new", indices: "log-{1..2} kb=30\nlog-3 kb=200", file: deleteBy("filtertype: space, disk_space: 0.0001"),
		safe: "the newest is kept"},
	{name: "space, less", indices: "log-{1..5} kb=30", file: deleteBy("filtertype: space, disk_space: 0.0001, threshold_behavior: less_than")},
	{name: "space enough", indices: "log-{1..3} kb=30", file: deleteBy("filtertype: space, disk_space: 1"), idle: true, exit: 1},
	{name: "space of closed indices", indices: "log-1 kb=200 closed\nlog-2 kb=10", file: deleteAny("filtertype: space, disk_space: 0.0001"), idle: true},

	// ilm, kibana, none, hidden
	{name: "indices under ILM", indices: "a-1\na-2 ilm=p", file: deleteBy("filtertype: none")},
	{name: "indices under ILM, allowed", indices: "a-1\na-2 ilm=p", file: one("delete_indices", "allow_ilm_indices: true", "filtertype: none")},
	{name: "indices under ILM alone", indices: "a-1 ilm=p", file: deleteBy("filtertype: none"), idle: true, exit: 1},
	{name: "ilm", indices: "a-1\na-2 ilm=p", file: deleteBy("filtertype: ilm")},
	{name: "ilm, not excluded", indices: "a-1\na-2 ilm=p", file: one("delete_indices", "allow_ilm_indices: true", "filtertype: ilm, exclude: false")},
	{name: "count of indices under ILM", indices: "a-{1..2}\na-3 ilm=p\na-4 ilm=p", file: deleteBy("filtertype: count, count: 2"),
		safe: "indices under ILM do not use up the count"},
	{name: "kibana", indices: ".kibana_1\na", file: deleteBy("filtertype: kibana")},
	{name: "kibana by name", indices: ".kibana_1\na", file: deleteBy("filtertype: pattern, kind: regex, value: '.*'"), five: "it deletes .kibana"},
	{name: "none", indices: "a\nb", file: deleteBy("filtertype: none")},
	{name: "hidden indices", indices: "a\nb hidden\n.c hidden\n.d", file: deleteBy("filtertype: none")},
	{name: "hidden indices, included", indices: "a\nb hidden", file: one("delete_indices", "include_hidden: true", "filtertype: none"), five: "it has no include_hidden"},

	// pattern
	{name: "prefix", indices: "log-1\nlogger\nalog-", file: deleteBy(prefix("log-"))},
	{name: "prefix, excluded", indices: "log-1\nlogger\nalog-", file: deleteBy(prefix("log-") + ", exclude: true")},
	{name: "prefix, exclude without a value", indices: "log-1\nlogger\nalog-", file: deleteBy(prefix("log-") + ", exclude: ")},
	{name: "prefix that is a regular expression", indices: "log.1\nlogx\nalog.1", file: deleteBy(prefix("log."))},
	{name: "prefix with a star", indices: "docke\ndocker-1\nother", file: deleteBy(prefix("'docker-*'"))},
	{name: "prefix of alternatives", indices: "a1\nxbx\nc", file: deleteBy(prefix("'a|b'"))},
	{name: "suffix", indices: "a-log\nlog-a\nlog-b", file: deleteBy("filtertype: pattern, kind: suffix, value: -log")},
	{name: "timestring", indices: "a-2026.11\na-2026.11.21-z\nb-20261121", file: deleteBy("filtertype: pattern, kind: timestring, value: '%Y.%m.%d'")},
	{name: "regular expression", indices: "xxlogxx\nother", file: deleteBy("filtertype: pattern, kind: regex, value: log")},
	{name: "regular expression that looks ahead", indices: "log-1\nlog-keep\nother", file: deleteBy(`filtertype: pattern, kind: regex, value: '^log-(?!keep).*$'`)},
	{name: "regular expression that looks behind", indices: "a-log\nb-log\nother", file: deleteBy(`filtertype: pattern, kind: regex, value: '(?<!a)-log$'`)},
	{name: "regular expression that refers back", indices: "ab-ab\nab-cd", file: deleteBy(`filtertype: pattern, kind: regex, value: '^(.+)-\1$'`)},
	{name: "regular expression that is broken", indices: "a\nb", file: deleteBy(`filtertype: pattern, kind: regex, value: '(a'`), idle: true, exit: 1},
	{name: "pattern and age", indices: "keep-2026.11.{16..21}\nlog-2026.11.{16..21}", file: deleteBy(prefix("keep-")+", exclude: true", byName)},
	{name: "several patterns", indices: "a-1-x\na-2-x\na-1-y\nb-1-x", file: deleteBy(prefix("a"), "filtertype: pattern, kind: suffix, value: x", "filtertype: pattern, kind: regex, value: '1'")},

	// period
	{name: "period of days", indices: week, file: deleteBy(period + "range_from: -3, range_to: -2, unit: days, epoch: 1795262400")},
	{name: "period of days, excluded", indices: week, file: deleteBy(period + "range_from: -3, range_to: -2, unit: days, epoch: 1795262400, exclude: true")},
	{name: "period of hours", indices: "log-2026.11.21.{06..13}", file: deleteBy("filtertype: period, source: name, timestring: '%Y.%m.%d.%H', range_from: -4, range_to: -2, unit: hours, epoch: 1795262400")},
	{name: "period of the week", indices: "log-2026.11.{13..23}", file: deleteBy(period + "range_from: 0, range_to: 0, unit: weeks, epoch: 1795262400")},
	{name: "period of the week on a Sunday", indices: "log-2026.11.{14..29}", file: deleteBy(period + "range_from: 0, range_to: 0, unit: weeks, " + sunday),
		safe: "this week is the one that Sunday begins"},
	{name: "period of the week from Monday", indices: "log-2026.11.{14..24}", file: deleteBy(period + "range_from: 0, range_to: 0, unit: weeks, week_starts_on: monday, " + sunday)},
	{name: "period of last week", indices: "log-2026.11.{06..16}", file: deleteBy(period + "range_from: -1, range_to: -1, unit: weeks, week_starts_on: monday, epoch: 1795262400")},
	{name: "period of months", indices: "log-2026.09.30\nlog-2026.10.01\nlog-2026.10.31\nlog-2026.11.01", file: deleteBy(period + "range_from: -1, range_to: -1, unit: months, epoch: 1795262400")},
	{name: "period of years", indices: "log-{2023..2027}.06.01", file: deleteBy(period + "range_from: -2, range_to: -1, unit: years, epoch: 1795262400")},
	{name: "period by creation", indices: "a created=1795132800\nb created=1795132799\nc created=1795219199\nd created=1795219200", file: deleteBy("filtertype: period, source: creation_date, range_from: -1, range_to: -1, unit: days, epoch: 1795262400")},
	{name: "period by documents", indices: "a time=2026-11-19,2026-11-20T10:00:00Z\nb time=2026-11-20T00:00:00Z,2026-11-20T23:59:59Z\nc time=2026-11-20T12:00:00Z,2026-11-21", file: deleteBy("filtertype: period, source: field_stats, field: '@timestamp', stats_result: max_value, range_from: -1, range_to: -1, unit: days, epoch: 1795262400")},
	{name: "period that is to hold all documents", indices: "a time=2026-11-19,2026-11-20T10:00:00Z\nb time=2026-11-20T00:00:00Z,2026-11-20T23:59:59Z\nc time=2026-11-20T12:00:00Z,2026-11-21", file: deleteBy("filtertype: period, source: field_stats, field: '@timestamp', intersect: true, range_from: -1, range_to: -1, unit: days, epoch: 1795262400")},
	{name: "period of names that are no dates", indices: week + "\nlog\nlog-2026.02.31", file: deleteBy(period + "range_from: -3, range_to: -2, unit: days, epoch: 1795262400"), idle: true, exit: 1,
		safe: "one name that is no date does not keep the others"},
	{name: "period between dates", indices: "log-2026.11.{10..15}", file: deleteBy(period + "period_type: absolute, date_from: 2026.11.12, date_from_format: '%Y.%m.%d', date_to: 2026.11.14, date_to_format: '%Y.%m.%d', unit: days")},
	{name: "period between months", indices: "log-2026.{07..11}.15", file: deleteBy(period + "period_type: absolute, date_from: '2026.08', date_from_format: '%Y.%m', date_to: '2026.10', date_to_format: '%Y.%m', unit: months")},
	{name: "period the wrong way round", indices: week, file: deleteBy(period + "range_from: -1, range_to: -3, unit: days, epoch: 1795262400"), idle: true, exit: 1},
	{name: "period without a range", indices: week, file: deleteBy(period + "unit: days, epoch: 1795262400"), idle: true, exit: 1},
}
