package search

import (
	"io"
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
	Status        int    // of HTTP, which one of several answers has as a member; 0 is none
	FailedShards  []byte // what Write writes of Failures, a JSON array

	request      *Request
	running      *running
	found        []hit
	hits         []byte // a JSON array, if it is short
	aggregations []byte // a JSON object, or nil
	last         *hit
	closing      []func()
}

// keptHits is how long the hits may be in bytes that are put together before the response is written; of others the documents are read
// twice, the first time to see that they can be.
const keptHits = 4 << 20

// fetch writes the hits, and keeps that if it is short.
func (r *Response) fetch() error {
	w := &writer{}
	w.open('[')
	x, held, long := r.running, 1, false
	err := x.writeHits(w, r.found, &r.request.Fetch, x.best.by, func() error {
		if long = long || len(w.b) > keptHits; long {
			return w.flush(io.Discard)
		}
		more := len(w.b) - held
		held = len(w.b)
		return x.room(more)
	})
	if w.close(']'); err == nil && !long {
		r.hits = w.b
		r.OnClose(func() { _ = x.room(-held) })
	} else {
		_ = x.room(-held)
	}
	return err
}

// OnClose has f called by Close.
func (r *Response) OnClose(f func()) { r.closing = append(r.closing, f) }

// Close ends the use of what the response is made of. It is to be called when the response has been written.
func (r *Response) Close() {
	for _, f := range r.closing {
		f()
	}
	r.closing = nil
}

// Write writes the response's JSON, piece by piece. An error is to's, or the response cannot be written to its end.
func (r *Response) Write(to io.Writer) error {
	w := &writer{}
	r.begin(w)
	if r.hits != nil {
		w.name("hits").raw(r.hits)
	} else {
		const piece = 64 << 10
		w.name("hits").open('[')
		err := r.running.writeHits(w, r.found, &r.request.Fetch, r.running.best.by, func() error {
			if len(w.b) < piece {
				return nil
			}
			return w.flush(to)
		})
		if err != nil {
			return err
		}
		w.close(']')
	}
	w.close('}')
	if r.aggregations != nil {
		w.name("aggregations").raw(r.aggregations)
	}
	if r.Status != 0 {
		w.name("status").int(int64(r.Status))
	}
	w.close('}')
	_, err := to.Write(w.b)
	return err
}

// begin writes what is before the hits.
func (r *Response) begin(w *writer) {
	w.open('{')
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
	switch {
	case r.Indices == 0:
		w.float(0)
	case r.last == nil || len(r.request.Sort) > 0 && !r.request.TrackScores:
		w.null()
	default:
		w.float(r.request.score)
	}
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
