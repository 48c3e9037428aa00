package rest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/search"
)

// A setting is one that an index may have.
type setting struct {
	name  string
	kind  byte // t time, i integer of at least least, b boolean, z size, l list, s text, f number
	final bool // cannot be changed while the index is open, or at all
	least int
}

// known are the settings of an index that Elasticsearch 7.17 has and that it makes sense to give the store: most say
// how Lucene and a cluster are to work, are kept and shown, and change nothing here.
var known = []setting{
	{"number_of_shards", 'i', true, 1}, {"number_of_replicas", 'i', false, 0}, {"auto_expand_replicas", 's', false, 0},
	{"number_of_routing_shards", 'i', true, 1}, {"routing_partition_size", 'i', true, 1}, {"codec", 's', true, 0}, {"hidden", 'b', false, 0},
	{"refresh_interval", 't', false, 0}, {"priority", 'i', false, 0}, {"soft_deletes.enabled", 'b', true, 0},
	{"soft_deletes.retention.operations", 'i', false, 0}, {"soft_deletes.retention_lease.period", 't', false, 0}, {"gc_deletes", 't', false, 0},
	{"max_result_window", 'i', false, 1}, {"max_inner_result_window", 'i', false, 1}, {"max_rescore_window", 'i', false, 1},
	{"max_docvalue_fields_search", 'i', false, 0}, {"max_script_fields", 'i', false, 0}, {"max_ngram_diff", 'i', false, 0},
	{"max_shingle_diff", 'i', false, 0}, {"max_refresh_listeners", 'i', false, 0}, {"max_terms_count", 'i', false, 1},
	{"max_regex_length", 'i', false, 1}, {"max_slices_per_scroll", 'i', false, 1}, {"max_adjacency_matrix_filters", 'i', false, 2},
	{"analyze.max_token_count", 'i', false, 1}, {"highlight.max_analyzed_offset", 'i', false, 1},
	{"blocks.read_only", 'b', false, 0}, {"blocks.read_only_allow_delete", 'b', false, 0}, {"blocks.read", 'b', false, 0},
	{"blocks.write", 'b', false, 0}, {"blocks.metadata", 'b', false, 0}, {"verified_before_close", 'b', true, 0},
	{"mapping.total_fields.limit", 'i', false, 0}, {"mapping.depth.limit", 'i', false, 1}, {"mapping.nested_fields.limit", 'i', false, 0},
	{"mapping.nested_objects.limit", 'i', false, 0}, {"mapping.field_name_length.limit", 'i', false, 1},
	{"mapping.dimension_fields.limit", 'i', false, 0}, {"mapping.ignore_malformed", 'b', true, 0}, {"mapping.coerce", 'b', true, 0},
	{"mapper.dynamic", 'b', true, 0}, {"query.default_field", 'l', false, 0}, {"query.parse.allow_unmapped_fields", 'b', true, 0},
	{"query_string.lenient", 'b', true, 0}, {"queries.cache.enabled", 'b', true, 0}, {"requests.cache.enable", 'b', false, 0},
	{"search.idle.after", 't', false, 0}, {"search.throttled", 'b', true, 0},
	{"translog.durability", 's', false, 0}, {"translog.sync_interval", 't', false, 0}, {"translog.flush_threshold_size", 'z', false, 0},
	{"translog.generation_threshold_size", 'z', false, 0}, {"translog.retention.size", 'z', false, 0}, {"translog.retention.age", 't', false, 0},
	{"flush_after_merge", 'z', false, 0}, {"compound_format", 's', false, 0}, {"write.wait_for_active_shards", 's', false, 0},
	{"unassigned.node_left.delayed_timeout", 't', false, 0}, {"allocation.max_retries", 'i', false, 0},
	{"store.type", 's', true, 0}, {"store.preload", 'l', true, 0}, {"store.stats_refresh_interval", 't', true, 0},
	{"load_fixed_bitset_filters_eagerly", 'b', true, 0}, {"shard.check_on_startup", 's', true, 0}, {"warmer.enabled", 'b', false, 0},
	{"lifecycle.name", 's', false, 0}, {"lifecycle.rollover_alias", 's', false, 0}, {"lifecycle.indexing_complete", 'b', false, 0},
	{"lifecycle.origination_date", 's', false, 0}, {"lifecycle.parse_origination_date", 'b', false, 0}, {"data_path", 's', true, 0},
	{"default_pipeline", 's', false, 0}, {"final_pipeline", 's', false, 0}, {"format", 's', false, 0},
	{"optimize_auto_generated_id", 'b', false, 0}, {"sort.field", 'l', true, 0}, {"sort.order", 'l', true, 0}, {"sort.mode", 'l', true, 0}, {"sort.missing", 'l', true, 0},
}

// families are what settings may begin with whose names are many and change nothing here.
var families = []string{"routing.allocation.", "routing.rebalance.", "merge.", "indexing.slowlog.", "search.slowlog."}

func settingOf(name string) (setting, bool) {
	for _, s := range known {
		if s.name == name {
			return s, true
		}
	}
	for _, f := range families {
		if strings.HasPrefix(name, f) && len(name) > len(f) {
			return setting{name: name, kind: 's'}, true
		}
	}
	return setting{}, false
}

// flags are what settings mean to the handler.
type flags struct {
	hidden, readOnly, readOnlyDelete, noRead, noWrite, noMetadata bool
	window                                                        int // index.max_result_window
}

func readFlags(settings body.Value) (flags, error) {
	f := flags{window: 10000}
	for _, s := range flat(settings) {
		on := s.Value.Text == "true"
		switch strings.TrimPrefix(s.Name, "index.") {
		case "hidden":
			f.hidden = on
		case "blocks.read_only":
			f.readOnly = on
		case "blocks.read_only_allow_delete":
			f.readOnlyDelete = on
		case "blocks.read":
			f.noRead = on
		case "blocks.write":
			f.noWrite = on
		case "blocks.metadata":
			f.noMetadata = on
		case "max_result_window":
			n, err := strconv.Atoi(s.Value.Text)
			if err != nil {
				return f, fmt.Errorf("max_result_window: %w", err)
			}
			f.window = n
		}
	}
	return f, nil
}

// blocked refuses what a block forbids: kind is write, read or metadata.
func (ix *indexState) blocked(kind string) error {
	f := ix.facts.Load().flags
	var why []string
	add := func(on bool, text string) {
		if on {
			why = append(why, text)
		}
	}
	if kind != "read" {
		add(f.readOnly, "FORBIDDEN/5/index read-only (api)")
	}
	switch kind {
	case "read":
		add(f.noRead, "FORBIDDEN/7/index read (api)")
	case "write":
		add(f.noWrite, "FORBIDDEN/8/index write (api)")
	case "metadata":
		add(f.noMetadata, "FORBIDDEN/9/index metadata (api)")
	}
	status := 403
	if kind != "read" {
		if f.readOnlyDelete && len(why) == 0 {
			status = 429
		}
		add(f.readOnlyDelete, "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has read-only-allow-delete block")
	}
	if len(why) == 0 {
		return nil
	}
	return &failure{status: status, typ: "cluster_block_exception", reason: fmt.Sprintf("index [%s] blocked by: [%s];", ix.name, strings.Join(why, ", "))}
}

// flat gives settings by their full names, sorted: {"index": {"a": {"b": 1}}} has index.a.b.
func flat(v body.Value) []body.Member {
	var out []body.Member
	var walk func(path string, v body.Value)
	walk = func(path string, v body.Value) {
		for _, m := range v.Members {
			name := m.Name
			if path != "" {
				name = path + "." + m.Name
			}
			if m.Value.Kind == body.Object {
				walk(name, m.Value)
				continue
			}
			out = append(out, body.Member{Name: name, Value: m.Value})
		}
	}
	walk("", v)
	slices.SortStableFunc(out, func(a, b body.Member) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// nest is the reverse of flat.
func nest(all []body.Member) body.Value {
	v := object()
	for _, m := range all {
		put(&v, strings.Split(m.Name, "."), m.Value)
	}
	return v
}

func put(v *body.Value, path []string, value body.Value) {
	i := slices.IndexFunc(v.Members, func(m body.Member) bool { return m.Name == path[0] })
	if i < 0 {
		i = len(v.Members)
		v.Members = append(v.Members, body.Member{Name: path[0], Value: object()})
	}
	if len(path) == 1 {
		v.Members[i].Value = value
		return
	}
	if v.Members[i].Value.Kind != body.Object {
		v.Members[i].Value = object()
	}
	put(&v.Members[i].Value, path[1:], value)
}

// readSettings takes the settings of an index as a request has them, under any form, and gives them by full name
// with values as texts, as Elasticsearch keeps them. One that is null is to be removed.
func readSettings(v body.Value) ([]body.Member, error) {
	if v.Kind != body.Object {
		return nil, &failure{typ: "parse_exception", reason: "key [settings] must be an object"}
	}
	var out []body.Member
	for _, m := range flat(v) {
		name := strings.TrimPrefix(m.Name, "index.")
		value := m.Value
		switch {
		case value.Kind == body.Array:
			texts := list()
			for _, item := range value.Items {
				if !item.Scalar() || item.Kind == body.Null {
					return nil, illegal("Failed to parse value of setting [index.%s]", clip(name))
				}
				texts.Items = append(texts.Items, body.Text(item.Text))
			}
			value = texts
		case value.Kind != body.Null:
			value = body.Text(value.Text)
		}
		if err := checkSetting(name, value); err != nil {
			return nil, err
		}
		out = append(out, body.Member{Name: "index." + name, Value: value})
	}
	return out, nil
}

func checkSetting(name string, value body.Value) error {
	s, ok := settingOf(name)
	if !ok {
		switch name {
		case "uuid", "version.created", "provided_name", "creation_date":
			return &failure{typ: "settings_exception", reason: fmt.Sprintf("private index setting [index.%s] can not be set explicitly", name)}
		}
		if strings.HasPrefix(name, "analysis.") || strings.HasPrefix(name, "similarity.") {
			return notServed("the setting [index.%s]", clip(name))
		}
		return unknownSetting(name)
	}
	if value.Kind == body.Null {
		return nil
	}
	full, text := "index."+name, value.Text
	if value.Kind == body.Array {
		if s.kind != 'l' && s.kind != 's' {
			return illegal("Failed to parse value %s for setting [%s]", clip(value.String()), full)
		}
		return nil
	}
	switch name {
	case "default_pipeline", "final_pipeline":
		if text != "_none" && text != "" {
			return notServed("an ingest pipeline, as [%s] names one,", full)
		}
	case "sort.field":
		return notServed("the setting [%s]", full)
	}
	switch s.kind {
	case 'b':
		if text != "true" && text != "false" {
			return illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", clip(text))
		}
	case 't':
		if _, err := search.ParseDuration(text); err != nil {
			return illegal("failed to parse setting [%s] with value [%s] as a time value: %s", full, clip(text), err)
		}
	case 'z':
		var n option.Bytes
		if text != "-1" && n.Unpack(text) != nil {
			return &failure{typ: "parse_exception", reason: fmt.Sprintf("failed to parse setting [%s] with value [%s] as a size in bytes: unit is missing or unrecognized", full, clip(text))}
		}
	case 'i':
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			f := illegal("Failed to parse value [%s] for setting [%s]", clip(text), full)
			f.cause = &failure{typ: "number_format_exception", reason: fmt.Sprintf("For input string: %q", clip(text))}
			return f
		}
		if n < int64(s.least) {
			return illegal("Failed to parse value [%s] for setting [%s] must be >= %d", clip(text), full, s.least)
		}
	}
	return nil
}

func unknownSetting(name string) error {
	best, near := 0.7, ""
	for _, s := range known {
		if l := likeness(name, s.name); l > best {
			best, near = l, s.name
		}
	}
	if near != "" {
		return illegal("unknown setting [index.%s] did you mean [index.%s]?", clip(name), near)
	}
	return illegal("unknown setting [index.%s] please check that any required plugins are installed, or check the breaking changes documentation for removed settings", clip(name))
}

// shownSettings are those of an index with what Elasticsearch adds to them.
func (ix *indexState) shownSettings(human bool) body.Value {
	created := ix.created.UTC()
	all := flat(ix.facts.Load().settings)
	add := func(name, value string) {
		if !slices.ContainsFunc(all, func(m body.Member) bool { return m.Name == name }) {
			all = append(all, body.Member{Name: name, Value: body.Text(value)})
		}
	}
	add("index.number_of_shards", "1")
	add("index.number_of_replicas", "1")
	add("index.creation_date", strconv.FormatInt(created.UnixMilli(), 10))
	add("index.uuid", ix.uuid)
	add("index.version.created", "7172999")
	add("index.provided_name", ix.name)
	if human {
		add("index.creation_date_string", created.Format("2006-01-02T15:04:05.000Z"))
		add("index.version.created_string", version)
	}
	slices.SortStableFunc(all, func(a, b body.Member) int { return strings.Compare(a.Name, b.Name) })
	return nest(all)
}

// setting is one of an index's settings by its full name, "" if it has none.
func (f *facts) setting(name string) string {
	for _, m := range flat(f.settings) {
		if m.Name == name {
			return m.Value.Text
		}
	}
	return ""
}

// withSettings returns the facts under other settings.
func (f facts) withSettings(settings body.Value) (facts, error) {
	read, err := mapping.ReadSettings(settings)
	if err != nil {
		return f, err
	}
	if f.flags, err = readFlags(settings); err != nil {
		return f, err
	}
	f.settings, f.mapping = settings, f.mapping.WithSettings(read)
	return f, nil
}
