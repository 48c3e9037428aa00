package source

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"
	"time"
)

// Fields are those that the indices of a pattern have. It is not changed, so that any goroutine may read it.
type Fields struct {
	at    time.Time
	names []string // sorted
	types map[string]map[string]capability
}

// fieldsFresh is for how long Fields hold.
const fieldsFresh = 5 * time.Minute

// Fields lists the fields of the source's index pattern. It asks again when the answer is some minutes old; the old one
// is given where that fails.
func (s *Source) Fields(ctx context.Context) (*Fields, error) {
	index := s.pattern(Query{})
	s.mu.Lock()
	known := s.caps[index]
	s.mu.Unlock()
	if known != nil && time.Since(known.at) < fieldsFresh {
		return known, nil
	}
	caps, err := s.fieldCaps(ctx, index, "*")
	if err != nil {
		if known != nil && ctx.Err() == nil {
			return known, nil
		}
		return nil, err
	}
	f := newFields(caps)
	s.mu.Lock()
	s.caps[index] = f
	s.mu.Unlock()
	return f, nil
}

func newFields(caps map[string]map[string]capability) *Fields {
	f := &Fields{at: time.Now(), types: caps}
	for name, types := range caps {
		delete(types, "unmapped")
		_, object := types["object"]
		_, nested := types["nested"]
		if object || nested || len(types) == 0 || strings.HasPrefix(name, "_") {
			continue // what holds fields, and the server's own
		}
		f.names = append(f.names, name)
	}
	slices.Sort(f.names)
	return f
}

// Names are all fields, sorted. They must not be changed.
func (f *Fields) Names() []string { return f.names }

// Type is the type of a field in the mapping, as keyword; "" of one that is not known. Where indices differ, it is the first by name of those
// that aggregations can read, if any.
func (f *Fields) Type(field string) string {
	types := f.types[field]
	sorted := slices.Sorted(maps.Keys(types))
	for _, name := range sorted {
		if types[name].Aggregatable {
			return name
		}
	}
	if len(sorted) > 0 {
		return sorted[0]
	}
	return ""
}

// Conflict are the types of a field of which indices have different ones, sorted; nil of others.
func (f *Fields) Conflict(field string) []string {
	if types := f.types[field]; len(types) > 1 {
		return slices.Sorted(maps.Keys(types))
	}
	return nil
}

// Match are the fields that a name with * means, sorted.
func (f *Fields) Match(pattern string) []string {
	var found []string
	if !strings.Contains(pattern, "*") {
		if _, ok := f.types[pattern]; ok {
			found = append(found, pattern)
		}
		return found
	}
	plain := strings.NewReplacer(`\`, `\\`, "[", `\[`, "?", `\?`).Replace(pattern)
	for _, name := range f.names {
		if ok, err := path.Match(plain, name); ok && err == nil {
			found = append(found, name)
		}
	}
	return found
}

// Aggregatable is the field whose values can be counted in place of field's: itself, a keyword below it, or "" if there is none.
func (f *Fields) Aggregatable(field string) string {
	if f.countable(field) {
		return field
	}
	for _, below := range []string{field + ".keyword", field + ".raw"} {
		if f.countable(below) {
			return below
		}
	}
	prefix := field + "."
	at, _ := slices.BinarySearch(f.names, prefix)
	for _, name := range f.names[at:] {
		if !strings.HasPrefix(name, prefix) {
			break
		}
		if _, keyword := f.types[name]["keyword"]; keyword && f.countable(name) && f.Type(field) == "text" {
			return name
		}
	}
	return ""
}

// countable says whether all indices that have the field can aggregate it.
func (f *Fields) countable(field string) bool {
	types := f.types[field]
	for _, c := range types {
		if !c.Aggregatable {
			return false
		}
	}
	return len(types) > 0
}

// level is the field whose values are counted as levels; "" if there is none.
func (f *Fields) level(name string) string {
	for _, name := range append([]string{name}, otherLevels...) {
		if field := f.Aggregatable(name); field != "" {
			return field
		}
	}
	return ""
}

// Suit replaces names that no index has by such as other programs give the same, where there are these.
func (f *Fields) Suit(n Names) Names {
	for name, others := range map[*string][]string{
		&n.Message:   {"msg", "log", "event.original", "body.text", "body", "text", "MESSAGE"},
		&n.Level:     otherLevels,
		&n.Stream:    {"stream"},
		&n.Namespace: {"kubernetes.namespace_name", "resource.attributes.k8s.namespace.name", "namespace"},
		&n.Pod:       {"kubernetes.pod_name", "resource.attributes.k8s.pod.name", "pod"},
		&n.PodUID:    {"kubernetes.pod_id", "resource.attributes.k8s.pod.uid"},
		&n.Container: {"kubernetes.container_name", "resource.attributes.k8s.container.name", "container.name", "container"},
		&n.Host:      {"kubernetes.host", "agent.hostname", "hostname", "host"},
		&n.Trace:     {"trace_id", "traceId", "traceID"},
		&n.Created:   {"event.ingested"},
	} {
		if f.Type(*name) != "" {
			continue
		}
		if i := slices.IndexFunc(others, func(other string) bool { t := f.Type(other); return t != "" && t != "object" }); i >= 0 {
			*name = others[i]
		}
	}
	return n
}
