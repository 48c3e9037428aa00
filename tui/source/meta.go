package source

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es"
)

// A Server is who answers.
type Server struct {
	Cluster, Version string
	Distribution     string // Elasticsearch or OpenSearch
	PointInTime      bool   // pages stay as they are
	Sampler          bool   // facets of very many documents are estimated, and quickly
}

// Probe asks the server who it is, and what of that which not all serve it does. The source remembers it.
func (s *Source) Probe(ctx context.Context) (Server, error) {
	info, err := s.client.Info(ctx)
	if err != nil {
		return Server{}, err
	}
	v := info.Version
	server := Server{Cluster: info.ClusterName, Version: v.Text, Distribution: "Elasticsearch"}
	if strings.EqualFold(v.Distribution, "opensearch") {
		server.Distribution = "OpenSearch"
		s.lack(pointInTime) // it has its own, which is called otherwise
		s.lack(randomSampler)
	} else if v.Major < 8 || v.Major == 8 && v.Minor < 2 {
		s.lack(randomSampler)
	}
	server.PointInTime, server.Sampler = s.has(pointInTime), s.has(randomSampler)
	return server, nil
}

// refused says whether a server does not know, or serve, what was asked.
func refused(err error) bool {
	status := es.Status(err)
	return status == http.StatusBadRequest || status == http.StatusForbidden
}

// countable is the field that can be counted in place of a field; "" if there is none.
func (s *Source) countable(ctx context.Context, field string) (string, error) {
	fields, err := s.Fields(ctx)
	if err != nil {
		return "", err
	}
	return fields.Aggregatable(field), nil
}

// Count counts all documents of the view that are there now.
func (v *View) Count(ctx context.Context) (Count, Meta, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return Count{}, Meta{}, err
	}
	a, err := v.source.search(ctx, v.source.pattern(v.query), map[string]any{"size": 0, "track_total_hits": true, "query": v.source.filter(v.query, c)})
	if err != nil {
		return Count{}, Meta{}, err
	}
	if a.Partial = cmp.Or(a.Partial, c.partial); a.Partial != "" {
		a.Total.Kind = AtLeast
	}
	return a.Total, a.Meta, nil
}

// Newest is the time of the newest document, zero if there is none.
func (v *View) Newest(ctx context.Context) (time.Time, error) { return v.extreme(ctx, Older) }

// Oldest is the time of the oldest document, zero if there is none.
func (v *View) Oldest(ctx context.Context) (time.Time, error) { return v.extreme(ctx, Newer) }

// extreme is the time of the first document in a direction.
func (v *View) extreme(ctx context.Context, dir Direction) (time.Time, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return time.Time{}, err
	}
	a, err := v.source.search(ctx, v.source.pattern(v.query), map[string]any{"size": 1, "track_total_hits": false, "_source": false,
		"sort": v.source.order(c, dir)[:1], "query": v.source.filter(v.query, c)})
	if err != nil || len(a.Hits) == 0 {
		return time.Time{}, err
	}
	return v.source.rows(c, a.Hits)[0].Time, nil
}

// A Lag is how long after their time documents arrived.
type Lag struct {
	P50, P99 time.Duration
	N        int // documents that it was taken of; 0: not known
}

// ingested is the field in which ingest pipelines say when a document arrived.
const ingested = "event.ingested"

// Lag compares the time of the newest documents with that at which they were read or ingested, whichever they have.
func (v *View) Lag(ctx context.Context) (Lag, error) {
	query := v.query
	query.Fields = []string{ingested, v.source.names.Created}
	page, err := (&View{source: v.source, query: query, loose: true}).Before(ctx, nil, 200)
	if err != nil {
		return Lag{}, err
	}
	return lag(page.Rows, v.source.names.Created), nil
}

func lag(rows []*Row, created string) Lag {
	var all []time.Duration
	for _, row := range rows {
		m := parse(row.Source)
		for _, field := range []string{ingested, created} {
			if at, err := time.Parse(time.RFC3339Nano, m.text(field)); err == nil && !row.Time.IsZero() {
				all = append(all, max(at.Sub(row.Time), 0))
				break
			}
		}
	}
	if len(all) == 0 {
		return Lag{}
	}
	slices.Sort(all)
	return Lag{P50: all[len(all)/2], P99: all[len(all)*99/100], N: len(all)}
}

// Stats are of a field of numbers or dates. Dates are numbers of milliseconds since 1970.
type Stats struct {
	Field         string
	Docs          int64 // that have the field
	Min, Max, Avg float64
	Distinct      int64 // values, about
	Date          bool
	Meta
}

// Stats looks at all values of a field. It fails for fields that are not of numbers or dates.
func (v *View) Stats(ctx context.Context, field string) (Stats, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return Stats{}, err
	}
	fields, err := v.source.Fields(ctx)
	if err != nil {
		return Stats{}, err
	}
	s := Stats{Field: field}
	switch fields.Type(field) {
	case "date", "date_nanos":
		s.Date = true
	case "long", "integer", "short", "byte", "unsigned_long", "double", "float", "half_float", "scaled_float":
	default:
		return Stats{}, errors.New("cannot take the average of " + printable(field) + ": it is no field of numbers or dates")
	}
	of := map[string]any{"field": field}
	a, err := v.aggregate(ctx, c, map[string]any{"stats": map[string]any{"stats": of}, "distinct": map[string]any{"cardinality": of},
		"with": map[string]any{"filter": map[string]any{"exists": of}}})
	if err != nil {
		return Stats{}, err
	}
	s.Meta = a.Meta
	var stats struct{ Min, Max, Avg *float64 }
	var distinct struct{ Value int64 }
	var with struct {
		Count int64 `json:"doc_count"`
	}
	if err := errors.Join(a.read("stats", &stats), a.read("distinct", &distinct), a.read("with", &with)); err != nil {
		return Stats{}, err
	}
	for from, to := range map[*float64]*float64{stats.Min: &s.Min, stats.Max: &s.Max, stats.Avg: &s.Avg} {
		if from != nil {
			*to = *from
		}
	}
	s.Distinct, s.Docs = distinct.Value, with.Count
	return s, nil
}
