package source

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Steps of the path to a pod.
const (
	Region = iota
	Zone
	Namespace
	App
	Pod
)

// sparks is how many parts of the time range a Node's Spark has.
const sparks = 16

// A Node is a region, zone, namespace, app or pod.
type Node struct {
	Field  string // that has the value
	Value  string
	Count  int64   // documents
	Errors int64   // of them errors and fatal ones
	Spark  []int64 // errors in each of some equal parts of the time range; nil: not known
}

// Topology lists the n nodes of a step, Region to Pod, that have the most documents. Apps are looked for in each of the fields in Names.App:
// a document counts for the first that it has.
func (v *View) Topology(ctx context.Context, step, n int) ([]Node, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return nil, err
	}
	fields, err := v.source.Fields(ctx)
	if err != nil {
		return nil, err
	}
	over, err := v.errors(ctx, fields)
	if err != nil {
		return nil, err
	}
	names := v.source.names
	named := names.App
	if step != App {
		named = []string{[]string{Region: names.Region, Zone: names.Zone, Namespace: names.Namespace, Pod: names.Pod}[step]}
	}
	aggs := map[string]any{}
	var counted, before []string
	for _, name := range named {
		field := fields.Aggregatable(name)
		if field == "" {
			continue
		}
		terms := map[string]any{"terms": map[string]any{"field": field, "size": n, "shard_size": 5*n + 100}}
		if over.agg != nil {
			terms["aggs"] = map[string]any{"errors": over.agg}
		}
		aggs[fmt.Sprint(len(counted))] = map[string]any{"filter": only(field, before), "aggs": map[string]any{"nodes": terms}}
		counted, before = append(counted, name), append(before, field)
	}
	if len(counted) == 0 {
		return nil, nil
	}
	a, err := v.aggregate(ctx, c, aggs)
	if err != nil {
		return nil, err
	}
	var nodes []Node
	for i, field := range counted {
		var answer nodesAnswer
		if err := a.read(fmt.Sprint(i), &answer); err != nil {
			return nil, err
		}
		nodes = append(nodes, answer.nodes(field, over)...)
	}
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Value, b.Value), strings.Compare(a.Field, b.Field))
	})
	return nodes[:min(n, len(nodes))], nil
}

// only is the filter of documents that have field and none of those before it.
func only(field string, before []string) any {
	exists := func(field string) any { return map[string]any{"exists": map[string]any{"field": field}} }
	filter := map[string]any{"filter": []any{exists(field)}}
	if len(before) > 0 {
		var not []any
		for _, field := range before {
			not = append(not, exists(field))
		}
		filter["must_not"] = not
	}
	return map[string]any{"bool": filter}
}

// errorsOver counts errors in parts of the time range.
type errorsOver struct {
	agg            any   // nil if the level is not known
	from, interval int64 // milliseconds
}

func (v *View) errors(ctx context.Context, fields *Fields) (o errorsOver, err error) {
	level := fields.level(v.source.names.Level)
	if level == "" {
		return o, nil
	}
	from, to := v.query.From, v.query.To
	if from.IsZero() {
		if from, err = v.Oldest(ctx); err != nil {
			return o, err
		}
	}
	if to.IsZero() {
		if to, err = v.Newest(ctx); err != nil {
			return o, err
		}
	}
	o.from, o.interval = from.UnixMilli(), max(to.Sub(from)/sparks, 0).Milliseconds()+1
	over := map[string]any{"field": v.source.names.Time, "min_doc_count": 1, "fixed_interval": fmt.Sprintf("%dms", o.interval)}
	if offset := (o.from%o.interval + o.interval) % o.interval; offset > 0 {
		over["offset"] = fmt.Sprintf("%dms", offset)
	}
	o.agg = map[string]any{
		"filter": map[string]any{"terms": map[string]any{level: slices.Concat(Error.Words(), Fatal.Words())}},
		"aggs":   map[string]any{"spark": map[string]any{"date_histogram": over}},
	}
	return o, nil
}

// nodesAnswer is the answer for one field.
type nodesAnswer struct {
	Nodes struct {
		Buckets []struct {
			termsBucket
			Errors *struct {
				Count int64 `json:"doc_count"`
				Spark struct {
					Buckets []struct {
						Key   json.RawMessage
						Count int64 `json:"doc_count"`
					}
				}
			}
		}
	}
}

func (a *nodesAnswer) nodes(field string, over errorsOver) []Node {
	var nodes []Node
	for _, b := range a.Nodes.Buckets {
		node := Node{Field: field, Value: b.text(), Count: b.Count}
		if b.Errors != nil {
			node.Errors, node.Spark = b.Errors.Count, make([]int64, sparks)
			for _, part := range b.Errors.Spark.Buckets {
				key, _ := whole(part.Key)
				if i := (key - over.from) / over.interval; i >= 0 && i < sparks {
					node.Spark[i] += part.Count
				}
			}
		}
		nodes = append(nodes, node)
	}
	return nodes
}
