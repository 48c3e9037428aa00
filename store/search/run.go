package search

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/query"
)

// indexed is one of the indices of a search.
type indexed struct {
	Index
	position int // among them
	plan     *query.Plan
	post     *query.Plan // of post_filter, or nil
}

// running is a search at work.
type running struct {
	ctx        context.Context
	request    *Request
	indices    []*indexed
	now        time.Time
	best       *top
	afterPlace *int64
	timed      bool // best is sorted by @timestamp first
	aggs       []namedCollector
	total      int64
	counted    bool // total is all
	timedOut   bool
	ords       int // buckets that aggregations have made
}

// Run executes a search over indices, in the order of their names. now is what date math in it means. It does not
// release the views. An error of type *[Error] is the request's fault.
func Run(ctx context.Context, over []Index, r *Request, now time.Time) (*Response, error) {
	started := time.Now()
	x := &running{ctx: ctx, request: r, now: now}
	if err := x.prepare(over); err != nil {
		return nil, err
	}
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		x.ctx, cancel = context.WithTimeoutCause(ctx, r.Timeout, errTimeout)
		defer cancel()
	}
	if err := x.scan(); err != nil {
		return nil, err
	}
	hits := x.best.sorted()
	if r.From < len(hits) {
		hits = hits[r.From:]
	} else {
		hits = nil
	}
	response := &Response{request: r, Indices: len(over), TimedOut: x.timedOut, Total: x.total, PITID: r.PIT}
	var err error
	if response.hits, err = x.fetch(hits, &r.Fetch, x.best.by); err != nil {
		return nil, err
	}
	if n := len(hits); n > 0 {
		response.last = &hits[n-1]
	}
	if response.aggregations, err = x.aggregations(); err != nil {
		return nil, err
	}
	response.Took = time.Since(started)
	return response, nil
}

// Count counts what a query finds.
func Count(ctx context.Context, over []Index, q query.Query, now time.Time) (int64, error) {
	x := &running{ctx: ctx, request: &Request{Query: q, TrackTotal: exact}, now: now}
	if err := x.prepare(over); err != nil {
		return 0, err
	}
	if err := x.scan(); err != nil {
		return 0, err
	}
	return x.total, nil
}

var errTimeout = errors.New("the search took longer than its timeout")

func (x *running) prepare(over []Index) error {
	r := x.request
	if r.From+r.Size > maxWindow {
		return illegal("Result window is too large, from + size must be less than or equal to: [%d] but was [%d]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting.", maxWindow, r.From+r.Size)
	}
	for i, one := range over {
		ix := &indexed{Index: one, position: i}
		var err error
		if ix.plan, err = x.compile(ix, r.Query); err != nil {
			return err
		}
		if r.PostFilter != nil {
			if ix.post, err = x.compile(ix, r.PostFilter); err != nil {
				return err
			}
		}
		x.indices = append(x.indices, ix)
	}
	by, err := x.sorters(r.Sort)
	if err != nil {
		return err
	}
	if r.resume != nil {
		x.resume(by, r.resume)
	} else if err := x.setAfter(by, r.After); err != nil {
		return err
	}
	x.best = &top{by: by, limit: r.From + r.Size}
	x.timed = byTime(by)
	x.aggs, err = x.collectors(r.Aggregations)
	return err
}

func (x *running) compile(ix *indexed, q query.Query) (*query.Plan, error) {
	return query.Compile(q, query.Context{Mapping: ix.Mapping, Index: ix.View.Index(), Now: x.now})
}

// segments are those that hits can be in, in the order that finds the best hits first.
func (x *running) segments() ([]*segment, error) {
	var all []*segment
	for _, ix := range x.indices {
		if ix.plan.Nothing() {
			continue
		}
		from, to := ix.plan.Bounds()
		list, err := ix.View.Segments(from, to)
		if err != nil {
			return nil, err
		}
		for _, s := range list {
			all = append(all, &segment{s, ix})
		}
	}
	if x.timed {
		slices.SortStableFunc(all, func(a, b *segment) int {
			aLow, aHigh := a.Times()
			bLow, bHigh := b.Times()
			if x.best.by[0].Desc {
				return compareInts(bHigh, aHigh)
			}
			return compareInts(aLow, bLow)
		})
	}
	return all, nil
}

func compareInts(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// scan selects the rows of all segments, some at a time, and collects them in order.
func (x *running) scan() error {
	all, err := x.segments()
	if err != nil {
		return err
	}
	x.countAll()
	width := min(runtime.GOMAXPROCS(0), 8)
	for len(all) > 0 && !x.done(all) {
		wave := all[:min(width, len(all))]
		all = all[len(wave):]
		if err := x.expired(); err != nil || x.timedOut {
			return err
		}
		found := make([]*block.Bitmap, len(wave))
		var wg sync.WaitGroup
		for i, seg := range wave {
			wg.Go(func() { found[i] = seg.index.plan.Select(seg.Segment, nil) })
		}
		wg.Wait()
		for i, seg := range wave {
			if err := x.collect(seg, found[i]); err != nil {
				return err
			}
			if err := seg.Err(); err != nil {
				return fmt.Errorf("cannot search index %s: %w", seg.index.View.Index(), err)
			}
		}
	}
	return nil
}

// expired says why not to go on: an error, or that time is up.
func (x *running) expired() error {
	if x.ctx.Err() == nil {
		return nil
	}
	if context.Cause(x.ctx) == errTimeout { //nolint:errorlint // it is this one
		x.timedOut = true
		return nil
	}
	return context.Cause(x.ctx)
}

// countAll knows the total without a look where every document is a hit.
func (x *running) countAll() {
	if x.request.counted != nil {
		x.total, x.counted = *x.request.counted, true
		return
	}
	total := int64(0)
	for _, ix := range x.indices {
		switch {
		case ix.plan.Nothing():
		case ix.plan.Everything() && ix.post == nil:
			total += int64(ix.View.Len())
		default:
			return
		}
	}
	x.total, x.counted = total, true
}

// done says whether the rest of the segments can change nothing.
func (x *running) done(rest []*segment) bool {
	if len(x.aggs) > 0 {
		return false
	}
	track := x.request.TrackTotal
	if !x.counted && track != none && (track == exact || x.total <= int64(track)) {
		return false
	}
	if x.best.limit == 0 {
		return true
	}
	if !x.timed {
		return false
	}
	for _, s := range rest {
		if low, high := s.Times(); !x.best.beyond(low, high) {
			return false
		}
	}
	return true
}

func (x *running) collect(seg *segment, rows *block.Bitmap) error {
	if len(x.aggs) > 0 {
		if err := x.aggregate(seg, rows); err != nil {
			return err
		}
	}
	if seg.index.post != nil {
		rows = seg.index.post.Select(seg.Segment, rows)
	}
	if !x.counted {
		x.total += int64(rows.Count())
	}
	if low, high := seg.Times(); x.best.limit == 0 || rows.Empty() || x.timed && x.best.beyond(low, high) {
		return nil
	}
	t := x.best.on(x, seg)
	for row := range rows.Rows {
		t.offer(row)
	}
	return nil
}

// aggregate hands the rows to the aggregations, some at a time.
func (x *running) aggregate(seg *segment, rows *block.Bitmap) error {
	const batch = 4096
	list, parents := make([]int32, 0, batch), make([]int32, batch)
	flush := func() error {
		for _, a := range x.aggs {
			if err := a.collect(seg, list, parents[:len(list)]); err != nil {
				return err
			}
		}
		list = list[:0]
		return x.expired()
	}
	for row := range rows.Rows {
		if list = append(list, int32(row)); len(list) == batch {
			if err := flush(); err != nil || x.timedOut {
				return err
			}
		}
	}
	return flush()
}
