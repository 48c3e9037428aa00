package source

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A Facet is the most frequent values of a field.
type Facet struct {
	Field  string
	Values []FacetValue // the most frequent first
	Docs   Count        // documents that have the field
	Other  int64        // values that are not listed
	Kind   CountKind    // of all counts
	Meta
}

// A FacetValue is one of them, as it is written in a query.
type FacetValue struct {
	Value string
	Count int64
}

// Of facets.
const (
	sampled     = 200_000         // so many documents are looked at in place of more
	sampledRows = 500             // so many for fields that servers cannot count
	facetTime   = 3 * time.Second // counts are of what was seen until then
)

// Facet counts the n most frequent values of a field. Of very many documents a sample is counted, if the server can and exact
// is false. What no server can count, as a text without a keyword, is counted in the newest documents.
func (v *View) Facet(ctx context.Context, field string, n int, exact bool) (Facet, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return Facet{}, err
	}
	counted, err := v.source.countable(ctx, field)
	if err != nil {
		return Facet{}, err
	}
	if counted == "" {
		return v.facetOfRows(ctx, field, n)
	}
	n = min(max(n, 1), 1000)
	terms := map[string]any{"field": counted, "size": n, "shard_size": max(200, 5*n)}
	if exact {
		terms["shard_size"] = 20_000
	}
	aggs := map[string]any{"values": map[string]any{"terms": terms}, "with": map[string]any{"filter": map[string]any{"exists": map[string]any{"field": counted}}}}
	f := Facet{Field: field}
	body := map[string]any{"size": 0, "track_total_hits": false, "query": v.source.filter(v.query, c), "aggs": aggs}
	if !exact {
		body["timeout"] = facetTime.String()
		if share := v.share(ctx); share < 1 {
			body["aggs"] = map[string]any{"sample": map[string]any{"random_sampler": map[string]any{"probability": share, "seed": 1}, "aggs": aggs}}
			f.Kind = About
		}
	}
	a, err := v.source.search(ctx, v.source.pattern(v.query), body)
	if err != nil && f.Kind == About && refused(err) {
		v.source.lack(randomSampler)
		return v.Facet(ctx, field, n, exact)
	}
	if err != nil {
		return Facet{}, err
	}
	if err := f.read(a); err != nil {
		return Facet{}, err
	}
	return f, nil
}

func (f *Facet) read(a *answer) error {
	f.Meta = a.Meta
	f.Failed = a.Shards.Failed > 0 // and not because the time that was given is over
	var sample map[string]json.RawMessage
	if err := a.read("sample", &sample); err != nil {
		return err
	}
	if sample != nil {
		a.Aggs = sample
	}
	var values termsAnswer
	var with struct {
		Count int64 `json:"doc_count"`
	}
	if err := a.read("values", &values); err != nil {
		return err
	}
	if err := a.read("with", &with); err != nil {
		return err
	}
	switch {
	case f.Kind == About:
	case a.Partial != "":
		f.Kind = AtLeast
	case values.Error > 0:
		f.Kind = About
	}
	f.Docs, f.Other = Count{with.Count, f.Kind}, values.Other
	for _, b := range values.Buckets {
		f.Values = append(f.Values, FacetValue{b.text(), b.Count})
	}
	return nil
}

// text is a bucket's value as it is written in a query.
func (b *termsBucket) text() string {
	if b.Text != nil {
		return *b.Text
	}
	var text string
	if json.Unmarshal(b.Key, &text) == nil {
		return text
	}
	return string(b.Key)
}

// share is which part of the documents is to be looked at, 1 for all of them.
func (v *View) share(ctx context.Context) float64 {
	if !v.source.has(randomSampler) {
		return 1
	}
	n, _, err := v.Count(ctx)
	// What is between a half and all is not allowed.
	if share := sampled / float64(max(n.N, 1)); err == nil && share < 0.5 {
		return share
	}
	return 1
}

// facetOfRows counts in the newest documents.
func (v *View) facetOfRows(ctx context.Context, field string, n int) (Facet, error) {
	f := Facet{Field: field, Kind: AtLeast}
	query := v.query
	query.Fields = []string{field}
	page, err := (&View{source: v.source, query: query, loose: true, untimed: v.untimed}).Before(ctx, nil, sampledRows)
	if err != nil {
		return Facet{}, err
	}
	f.Meta = page.Meta
	counts := map[string]int64{}
	for _, row := range page.Rows {
		if value := parse(row.Source).text(field); value != "" {
			counts[value]++
			f.Docs.N++
		}
	}
	if page.End {
		f.Kind = Exact
	}
	f.Docs.Kind = f.Kind
	for value, count := range counts {
		f.Values = append(f.Values, FacetValue{value, count})
	}
	slices.SortFunc(f.Values, func(a, b FacetValue) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.Value, b.Value)
	})
	for _, value := range f.Values[min(n, len(f.Values)):] {
		f.Other += value.Count
	}
	f.Values = f.Values[:min(n, len(f.Values))]
	return f, nil
}

// Values are the n most frequent values of a field that begin with prefix, in any case.
func (v *View) Values(ctx context.Context, field, prefix string, n int) ([]string, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return nil, err
	}
	fields, err := v.source.Fields(ctx)
	if err != nil {
		return nil, err
	}
	var found []FacetValue
	counted := fields.Aggregatable(field)
	if counted == "" {
		f, err := v.facetOfRows(ctx, field, sampledRows)
		if err != nil {
			return nil, err
		}
		found = f.Values
	} else {
		terms := map[string]any{"field": counted, "size": max(n, 1)}
		switch fields.Type(counted) {
		case "keyword", "constant_keyword", "wildcard", "version":
			if prefix != "" {
				terms["include"] = prefixPattern(prefix)
			}
		default:
			terms["size"] = max(n, 1000)
		}
		a, err := v.source.search(ctx, v.source.pattern(v.query), map[string]any{"size": 0, "track_total_hits": false, "timeout": "1s",
			"query": v.source.filter(v.query, c), "aggs": map[string]any{"values": map[string]any{"terms": terms}}})
		if err != nil {
			return nil, err
		}
		var f Facet
		if err := f.read(a); err != nil {
			return nil, err
		}
		found = f.Values
	}
	var values []string
	for _, value := range found {
		if len(values) < n && len(value.Value) >= len(prefix) && strings.HasPrefix(strings.ToLower(value.Value), strings.ToLower(prefix)) {
			values = append(values, value.Value)
		}
	}
	return values, nil
}

// prefixPattern is Lucene's regular expression of what begins with prefix, in any case.
func prefixPattern(prefix string) string {
	var b strings.Builder
	for _, r := range prefix {
		lower, upper := unicode.ToLower(r), unicode.ToUpper(r)
		switch {
		case lower != upper:
			fmt.Fprintf(&b, "[%c%c]", lower, upper)
		case strings.ContainsRune(`.?+*|{}[]()"\#@&<>~^$-`, r):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String() + ".*"
}
