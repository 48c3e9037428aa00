package search

import (
	"time"
)

// A Response is what a search has found.
type Response struct {
	Took     time.Duration
	TimedOut bool
	Indices  int
	Failures []Failure // of indices that could not be searched
	Total    int64     // hits, as far as they were counted
	PITID    string
	ScrollID string

	TotalAsNumber bool
	FailedShards  []byte // what Append writes of Failures, a JSON array

	request      *Request
	hits         []byte // a JSON array
	aggregations []byte // a JSON object, or nil
	last         *hit
}

// Append appends the response's JSON.
func (r *Response) Append(to []byte) []byte {
	w := &writer{b: to}
	w.b = append(w.b, '{')
	if r.ScrollID != "" {
		w.name("_scroll_id").text(r.ScrollID)
	}
	if r.PITID != "" {
		w.name("pit_id").text(r.PITID)
	}
	w.name("took").int(r.Took.Milliseconds())
	w.name("timed_out").flag(r.TimedOut)
	w.name("_shards").open('{')
	w.name("total").int(int64(r.Indices))
	w.name("successful").int(int64(r.Indices - len(r.Failures)))
	w.name("skipped").int(0)
	w.name("failed").int(int64(len(r.Failures)))
	if r.FailedShards != nil {
		w.name("failures").raw(r.FailedShards)
	}
	w.close('}')
	w.name("hits").open('{')
	r.total(w)
	w.name("max_score")
	if r.Indices == 0 {
		w.float(0)
	} else if r.last == nil || len(r.request.Sort) > 0 && !r.request.TrackScores {
		w.null()
	} else {
		w.float(r.request.score)
	}
	w.name("hits").raw(r.hits)
	w.close('}')
	if r.aggregations != nil {
		w.name("aggregations").raw(r.aggregations)
	}
	w.close('}')
	return w.b
}

func (r *Response) total(w *writer) {
	track := r.request.TrackTotal
	if track == none {
		if r.TotalAsNumber {
			w.name("total").int(-1)
		}
		return
	}
	value, relation := r.Total, "eq"
	if track != exact && value > int64(track) {
		value, relation = int64(track), "gte"
	}
	if r.TotalAsNumber {
		w.name("total").int(value)
		return
	}
	w.name("total").open('{')
	w.name("value").int(value)
	w.name("relation").text(relation)
	w.close('}')
}
