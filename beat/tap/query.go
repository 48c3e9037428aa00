package tap

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/option"
)

// A query says which events a tap shows, and what of them.
type query struct {
	filter string
	match  func(kql.Doc) bool // nil: all
	input  string             // id or type of the input; "": all
	fields []string           // none: all
	limit  int64              // 0: none
	sample int64              // one of so many
}

// parameters are those of /tap.
var parameters = []string{"filter", "input", "fields", "limit", "sample"}

// parseQuery reads the parameters of /tap.
func parseQuery(values url.Values, now time.Time) (*query, error) {
	for name := range values {
		if !slices.Contains(parameters, name) {
			return nil, option.Unknown("parameter", "", name, parameters)
		}
	}
	q := &query{filter: values.Get("filter"), input: values.Get("input"), sample: 1}
	for _, list := range values["fields"] {
		for _, f := range strings.Split(list, ",") {
			if f = strings.TrimSpace(f); f != "" {
				q.fields = append(q.fields, f)
			}
		}
	}
	for name, to := range map[string]*int64{"limit": &q.limit, "sample": &q.sample} {
		text := values.Get(name)
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("cannot read %s %q: want a number", name, text)
		}
		*to = n
	}
	var err error
	q.match, err = matcher(q.filter, now)
	return q, err
}

// matcher reads a filter; nil if all events pass it. Dates such as now-1h count from now.
func matcher(filter string, now time.Time) (func(kql.Doc) bool, error) {
	if strings.TrimSpace(filter) == "" {
		return nil, nil
	}
	q, err := kql.Parse(filter)
	if err != nil {
		return nil, err
	}
	return q.Rename(meant).Matcher(nil, kql.Options{Location: time.Local}, now)
}

// shortNames are names that filters may use for fields, as logtui's queries do.
var shortNames = map[string][]string{
	"time": {timeField}, "level": {"log.level"}, "stream": {"log.stream"}, "namespace": {"kubernetes.namespace"},
	"pod": {"kubernetes.pod.name"}, "container": {"kubernetes.container.name"}, "host": {"host.name"}, "trace": {"trace.id"},
	"unit": {"systemd.unit"},
	"app": {"kubernetes.cronjob.name", "kubernetes.deployment.name", "kubernetes.statefulset.name", "kubernetes.daemonset.name",
		"kubernetes.job.name", "kubernetes.replicaset.name", "service.id"},
}

// levelWords are what stands for the same level, the name that is shown first.
var levelWords = [][]string{
	{"fatal", "emerg", "emergency", "alert", "crit", "critical", "panic"},
	{"error", "err", "severe"},
	{"warn", "warning"},
	{"info", "notice", "information", "informational"},
	{"debug", "fine"},
	{"trace", "finer", "finest"},
}

// words are all that stand for a level, whatever the case; nil if it is none that is known.
func words(level string) []string {
	level = strings.ToLower(strings.TrimSpace(level))
	for _, all := range levelWords {
		if slices.Contains(all, level) {
			return all
		}
	}
	return nil
}

// meant says which fields and values a filter means. The field itself will do as well: with schema: legacy there are namespace and pod.
func meant(field, value string) (fields, values []string, too bool) {
	fields = shortNames[field]
	if field == "level" || field == "log.level" {
		fields = []string{"log.level"}
		for _, word := range words(value) {
			values = append(values, word, strings.ToUpper(word), strings.ToUpper(word[:1])+word[1:])
		}
		if len(values) > 0 && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	return fields, values, field != "log.level"
}
