package status

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// A setting is one of Elasticsearch's that may be changed: its name, in which a * at the end stands for any name without a
// dot, and what it takes.
type setting struct {
	name  string
	want  string // for people
	check func(value string) bool
}

// allowedSettings are all of Elasticsearch's that may be changed. None of them deletes anything or opens anything to
// anybody.
var allowedSettings = []setting{
	{"action.auto_create_index", "true, false, or patterns of names: logs-*,-*", patterns},
	{"action.destructive_requires_name", "true or false", boolean},
	{"cluster.max_shards_per_node", "a whole number from 1", whole(1)},
	{"cluster.routing.allocation.allow_rebalance", "always, indices_primaries_active or indices_all_active", oneOf("always", "indices_primaries_active", "indices_all_active")},
	{"cluster.routing.allocation.awareness.attributes", "names of nodes' attributes, with commas", names},
	{"cluster.routing.allocation.balance.index", "a number from 0", number},
	{"cluster.routing.allocation.balance.shard", "a number from 0", number},
	{"cluster.routing.allocation.balance.threshold", "a number from 0", number},
	{"cluster.routing.allocation.cluster_concurrent_rebalance", "a whole number from -1", whole(-1)},
	{"cluster.routing.allocation.disk.threshold_enabled", "true or false", boolean},
	{"cluster.routing.allocation.disk.watermark.flood_stage", "a share (95%, 0.95) or a size (10gb)", watermark},
	{"cluster.routing.allocation.disk.watermark.high", "a share (90%, 0.9) or a size (20gb)", watermark},
	{"cluster.routing.allocation.disk.watermark.low", "a share (85%, 0.85) or a size (30gb)", watermark},
	{"cluster.routing.allocation.enable", "all, primaries, new_primaries or none", oneOf("all", "primaries", "new_primaries", "none")},
	{"cluster.routing.allocation.exclude.*", "names, addresses or attributes of nodes, with commas", names},
	{"cluster.routing.allocation.include.*", "names, addresses or attributes of nodes, with commas", names},
	{"cluster.routing.allocation.node_concurrent_incoming_recoveries", "a whole number from 0", whole(0)},
	{"cluster.routing.allocation.node_concurrent_outgoing_recoveries", "a whole number from 0", whole(0)},
	{"cluster.routing.allocation.node_concurrent_recoveries", "a whole number from 0", whole(0)},
	{"cluster.routing.allocation.node_initial_primaries_recoveries", "a whole number from 0", whole(0)},
	{"cluster.routing.allocation.require.*", "names, addresses or attributes of nodes, with commas", names},
	{"cluster.routing.allocation.same_shard.host", "true or false", boolean},
	{"cluster.routing.allocation.total_shards_per_node", "a whole number from -1", whole(-1)},
	{"cluster.routing.rebalance.enable", "all, primaries, replicas or none", oneOf("all", "primaries", "replicas", "none")},
	{"indices.recovery.max_bytes_per_sec", "a size (40mb); 0 for no limit", size},
	{"indices.recovery.max_concurrent_file_chunks", "a whole number from 1 to 8", func(v string) bool { return whole(1)(v) && len(v) == 1 && v <= "8" }},
	{"search.default_search_timeout", "a length of time (30s), or -1 for none", timeLength},
	{"search.max_buckets", "a whole number from 1", whole(1)},
}

// allowed finds the setting of a name; nil if it may not be changed.
func allowed(name string) *setting {
	for i := range allowedSettings {
		s := &allowedSettings[i]
		prefix, open := strings.CutSuffix(s.name, "*")
		rest, begins := strings.CutPrefix(name, prefix)
		if !open && name == s.name || open && begins && attribute.MatchString(rest) {
			return s
		}
	}
	return nil
}

// settingNames are the names of all that may be changed, for errors.
func settingNames() []string {
	var all []string
	for _, s := range allowedSettings {
		all = append(all, s.name)
	}
	return all
}

// read reads a value for the setting: text, or nil for null, which takes the setting back. An error says what it takes.
func (s *setting) read(name string, v body.Value) (any, error) {
	switch v.Kind {
	case body.Null:
		return nil, nil
	case body.String, body.Number, body.Bool:
		if text := strings.TrimSpace(v.Text); len(text) <= 1000 && line(text) == text && s.check(text) {
			return text, nil
		}
	}
	return nil, fmt.Errorf("%q must be %s; null takes it back", "elasticsearch.settings."+name, s.want)
}

var (
	attribute    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	sizePattern  = regexp.MustCompile(`(?i)^(0|-1|[0-9]{1,15}(\.[0-9]{1,6})?(b|k|kb|m|mb|g|gb|t|tb|p|pb))$`)
	sharePercent = regexp.MustCompile(`^([0-9]{1,2}(\.[0-9]{1,6})?|100(\.0{1,6})?)%$`)
	shareRatio   = regexp.MustCompile(`^(0\.[0-9]{1,6}|1(\.0{1,6})?)$`)
	timePattern  = regexp.MustCompile(`^(-1|[0-9]{1,12}(nanos|micros|ms|s|m|h|d))$`)
	namePattern  = regexp.MustCompile(`^[A-Za-z0-9_.:*?,/ -]*$`)
	indexPattern = regexp.MustCompile(`^[+-]?[a-z0-9._*-]+$`)
)

func boolean(v string) bool { return v == "true" || v == "false" }
func size(v string) bool    { return sizePattern.MatchString(v) }
func watermark(v string) bool {
	return sharePercent.MatchString(v) || shareRatio.MatchString(v) || size(v) && v != "-1"
}
func timeLength(v string) bool { return timePattern.MatchString(v) }
func names(v string) bool      { return namePattern.MatchString(v) }

func patterns(v string) bool {
	if boolean(v) {
		return true
	}
	for p := range strings.SplitSeq(v, ",") {
		if !indexPattern.MatchString(strings.TrimSpace(p)) {
			return false
		}
	}
	return true
}

func number(v string) bool {
	f, err := strconv.ParseFloat(v, 32)
	return err == nil && f >= 0 && f <= 1e6
}

func whole(least int64) func(string) bool {
	return func(v string) bool {
		n, err := strconv.ParseInt(v, 10, 32)
		return err == nil && n >= least
	}
}

func oneOf(values ...string) func(string) bool {
	return func(v string) bool { return slices.Contains(values, v) }
}
