package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/podbeat/podbeat/es"
)

// An answer is that of one search.
type answer struct {
	Hits  []hit
	Aggs  map[string]json.RawMessage
	Total Count  // zero if it was not asked for
	PIT   string // the id to go on with
	Meta
}

// A hit is one document of an answer.
type hit struct {
	Index  string            `json:"_index"`
	ID     string            `json:"_id"`
	Source json.RawMessage   `json:"_source"`
	Sort   []json.RawMessage `json:"sort"`
}

// wire is an answer as it comes.
type wire struct {
	Took            int64  `json:"took"`
	TimedOut        bool   `json:"timed_out"`
	TerminatedEarly bool   `json:"terminated_early"`
	PIT             string `json:"pit_id"`
	Shards          struct {
		Total, Skipped, Failed int
		Failures               []shardFailure
	} `json:"_shards"`
	Hits struct {
		Total *struct {
			Value    int64
			Relation string
		}
		Hits []hit
	} `json:"hits"`
	Aggs map[string]json.RawMessage `json:"aggregations"`
}

type shardFailure struct {
	Index  string
	Reason struct{ Type, Reason string }
}

// search sends body to the indices that match index, or, if it is "", to those of the point in time in body.
func (s *Source) search(ctx context.Context, index string, body map[string]any) (*answer, error) {
	path, query := "/_search", url.Values{}
	if index != "" {
		path, query = es.Path(index, "_search"), s.matching()
	}
	a := &answer{}
	data, err := encode(body)
	if err != nil {
		return nil, fmt.Errorf("cannot search: %w", err)
	}
	a.Method, a.Path, a.Request = "POST", path, data
	if len(query) > 0 {
		a.Path += "?" + query.Encode()
	}
	var w wire
	began := time.Now()
	if err := s.client.Do(ctx, "POST", path, query, data, &w); err != nil {
		return nil, err
	}
	if w.Hits.Hits == nil {
		return nil, fmt.Errorf("cannot search: %w", errOther)
	}
	a.Elapsed = time.Since(began)
	a.Took = time.Duration(w.Took) * time.Millisecond
	a.Hits, a.Aggs, a.PIT = w.Hits.Hits, w.Aggs, w.PIT
	if t := w.Hits.Total; t != nil {
		a.Total = Count{N: t.Value}
		if t.Relation == "gte" {
			a.Total.Kind = AtLeast
		}
	}
	a.Shards.Total, a.Shards.Skipped, a.Shards.Failed = w.Shards.Total, w.Shards.Skipped, w.Shards.Failed
	a.Partial = w.partial()
	a.Failed = a.Partial != ""
	return a, nil
}

func encode(body any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(body)
	return bytes.TrimSpace(b.Bytes()), err
}

// partial says why there may be more than what is in the answer.
func (w *wire) partial() string {
	switch {
	case w.Shards.Failed > 0 && len(w.Shards.Failures) > 0:
		f := w.Shards.Failures[0]
		return fmt.Sprintf("%d of %d shards failed, as %.200s: %.300s", w.Shards.Failed, w.Shards.Total, f.Index, printable(f.Reason.Type+": "+f.Reason.Reason))
	case w.Shards.Failed > 0:
		return fmt.Sprintf("%d of %d shards failed", w.Shards.Failed, w.Shards.Total)
	case w.TimedOut:
		return "the server stopped searching when its time was over"
	case w.TerminatedEarly:
		return "the server stopped searching early"
	}
	return ""
}

// rows makes rows of hits, in their order.
func (s *Source) rows(c clock, hits []hit) []*Row {
	rows := make([]*Row, len(hits))
	for i := range hits {
		h := &hits[i]
		row := &Row{Index: h.Index, ID: h.ID, Source: h.Source}
		c.placed(row, h.Sort, len(s.names.Tie))
		row.Level = s.level(h.Source)
		rows[i] = row
	}
	return rows
}

// otherLevels are fields of the level in documents that have none of that name, as other programs write them.
var otherLevels = []string{"level", "severity", "severity_text", "loglevel", "log_level", "levelname", "lvl"}

func (s *Source) level(doc json.RawMessage) Level {
	m := parse(doc)
	level := ParseLevel(m.text(s.names.Level))
	for i := 0; level == None && i < len(otherLevels); i++ {
		level = ParseLevel(m.text(otherLevels[i]))
	}
	return level
}

// included is the _source of a request for rows with fields; nil is all.
func (s *Source) included(fields []string) any {
	if fields == nil {
		return true
	}
	return map[string]any{"includes": slices.Concat([]string{s.names.Level}, otherLevels, fields)}
}

// whole reads a number that is whole, as 1795250000000 or 1.795250000000E12.
func whole(raw json.RawMessage) (int64, bool) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}
