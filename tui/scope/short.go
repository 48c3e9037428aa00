package scope

import (
	"slices"
	"strings"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/source"
)

// Short are names that queries may use for the fields that logtui knows a meaning of, where no index has a field of that name.
func Short(n source.Names) map[string][]string {
	short := map[string][]string{
		"level": {n.Level}, "stream": {n.Stream}, "region": {n.Region}, "zone": {n.Zone}, "namespace": {n.Namespace}, "app": n.App,
		"pod": {n.Pod}, "container": {n.Container}, "host": {n.Host}, "trace": {n.Trace}, "time": {n.Time},
	}
	for name, fields := range short {
		short[name] = slices.DeleteFunc(slices.Clone(fields), func(f string) bool { return f == "" || f == name })
	}
	return short
}

// Parse reads a query, with the short names in it replaced by those of the fields. A level is then meant with all words for it: error is
// err and SEVERE, too. f is nil as long as the fields are not known: then nothing is replaced.
func Parse(query string, f kql.Fields, n source.Names) (*kql.Query, error) {
	q, err := kql.Parse(query)
	if err != nil || f == nil {
		return q, err
	}
	short := Short(n)
	return q.Rename(func(field, value string) (fields, values []string, too bool) {
		fields = short[field]
		kind := f.Type(field)
		too = kind != "" && kind != "object" && kind != "nested"
		if len(fields) == 0 || too && field != "namespace" && field != "pod" { // which podbeat's template has, for journalbeat's schema
			return nil, nil, false
		}
		if level := source.ParseLevel(value); field == "level" && level > source.Other {
			values = level.Words()
			if !slices.ContainsFunc(values, func(w string) bool { return w == strings.TrimSpace(value) }) {
				values = append(values, value)
			}
		}
		return fields, values, too
	}), nil
}
