package search

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

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
	fields     []*field  // what aggs read
	filters    []*filter // by which aggs choose
	total      int64
	counted    bool // total is all
	timedOut   bool
	ords       int               // buckets that aggregations have made
	broken     map[string]*Error // indices that cannot be read, which are left out
}

// Run executes a search over indices, in the order of their names. now is what date math in it means. It does not
// release the views, which are needed until the response has been written. An error of type *[Error] is the request's fault; a *[PhaseError]
// names the indices of which it could not be asked, or that could not be read. Where some can be searched, the response names the others.
func Run(ctx context.Context, over []Index, r *Request, now time.Time) (*Response, error) {
	started := time.Now()
	limited := ctx
	if r.Timeout > 0 {
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeoutCause(ctx, r.Timeout, errTimeout)
		defer cancel()
	}
	broken := make(map[string]*Error)
	opened := make([]Index, 0, len(over))
	for _, ix := range over {
		if ix.Err != nil {
			broken[ix.Name] = unreadable(ix.Err)
		} else {
			opened = append(opened, ix)
		}
	}
	for { // again without those that turn out to be damaged
		if n := len(broken); n > 0 && (n == len(over) || r.Whole) {
			return nil, &PhaseError{failuresOf(broken), n < len(over)}
		}
		x, failures, err := begin(limited, opened, r, now)
		if err != nil {
			return nil, err
		}
		known := len(broken)
		x.broken = broken
		response, err := x.respond(ctx)
		if len(broken) > known {
			if len(broken)+len(failures) == len(over) {
				return nil, &PhaseError{append(failuresOf(broken), failures...), false}
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		response.Indices, response.Failures = len(over), append(failures, failuresOf(broken)...)
		response.Took = time.Since(started)
		return response, nil
	}
}

// respond searches under x.ctx, and fetches under ctx.
func (x *running) respond(ctx context.Context) (*Response, error) {
	if err := x.scan(); err != nil {
		return nil, err
	}
	x.ctx = ctx
	r, hits := x.request, x.best.sorted()
	if r.From < len(hits) {
		hits = hits[r.From:]
	} else {
		hits = nil
	}
	response := &Response{request: r, running: x, found: hits, TimedOut: x.timedOut, Total: x.total, PITID: r.PIT, TotalAsNumber: r.TotalAsNumber}
	if n := len(hits); n > 0 {
		response.last = &hits[n-1]
	}
	var err error
	if len(x.indices) > 0 { // of no index Elasticsearch has no aggregations
		if response.aggregations, err = x.aggregations(); err != nil {
			return nil, err
		}
	}
	return response, response.fetch()
}

// unreadable is what is said of an index that could not be read.
func unreadable(err error) *Error { return &Error{Type: "i_o_exception", Reason: err.Error()} }

func failuresOf(broken map[string]*Error) (all []Failure) {
	for _, name := range slices.Sorted(maps.Keys(broken)) {
		all = append(all, Failure{name, broken[name]})
	}
	return all
}

var errBroken = errors.New("an index cannot be read")

// broke notes that an index cannot be read, unless err is something else, which it returns.
func (x *running) broke(ix *indexed, err error) error {
	var refused *Error
	if errors.As(err, &refused) || errors.Is(err, errPage) || x.ctx.Err() != nil {
		return err
	}
	x.broken[ix.View.Index()] = unreadable(fmt.Errorf("cannot read index %s: %w", ix.View.Index(), err))
	return errBroken
}

var errTimeout = errors.New("the search took longer than its timeout")

func (x *running) prepare(over []Index) error {
	r := x.request
	if len(over) > 0 && r.From+r.Size > maxWindow {
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
	return query.Compile(q, query.Context{Mapping: ix.Mapping, Index: ix.View.Index(), Aliases: ix.Aliases, Now: x.now})
}

// segments are those that hits can be in, in the order that finds the best hits first.
func (x *running) segments() ([]*segment, error) {
	var all []*segment
	var wrong error // there may be more such indices
	for _, ix := range x.indices {
		if ix.plan.Nothing() || x.broken[ix.View.Index()] != nil {
			continue
		}
		from, to := ix.plan.Bounds()
		list, err := ix.View.Segments(from, to)
		if err != nil {
			wrong = x.broke(ix, err)
			continue
		}
		for _, s := range list {
			all = append(all, &segment{Segment: s, index: ix, ready: make(chan struct{})})
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
	return all, wrong
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

// scan selects the rows of all segments and collects them, one segment after the other. While one is collected, the next are prepared by
// as many goroutines as there are processors.
func (x *running) scan() error {
	all, err := x.segments()
	if err != nil {
		return err
	}
	x.countAll()
	var preparing sync.WaitGroup
	defer preparing.Wait() // the views are released behind the search
	width := parallel()
	started := 0
	for next, seg := range all {
		if x.done(all[next:]) {
			break
		}
		if err := x.expired(); err != nil || x.timedOut {
			return err
		}
		for ; started < min(next+width, len(all)); started++ {
			ahead, best := all[started], x.mayHaveBest(all[started])
			preparing.Go(func() { x.ready(ahead, best) })
		}
		<-seg.ready
		if err := x.collect(seg); err != nil {
			return err
		}
		if err := seg.Err(); err != nil {
			return x.broke(seg.index, err)
		}
	}
	return nil
}

// parallel is how many segments are read at a time.
func parallel() int { return min(runtime.GOMAXPROCS(0), 8) }

// ready selects the rows of a segment, and reads what will be collected of them. best says whether they may be among the best hits.
func (x *running) ready(seg *segment, best bool) {
	defer close(seg.ready)
	seg.rows = seg.index.plan.Select(seg.Segment, nil)
	if seg.hits = seg.rows; seg.index.post != nil {
		seg.hits = seg.index.post.Select(seg.Segment, seg.rows)
	}
	if seg.rows.Empty() {
		return
	}
	for _, f := range x.filters {
		seg.filtered = append(seg.filtered, f.plans[seg.index.position].Select(seg.Segment, seg.rows))
	}
	for _, f := range x.fields {
		seg.values = append(seg.values, f.sources[seg.index.position].read(seg.Segment))
	}
	if best && !seg.hits.Empty() {
		seg.taker = x.best.on(x, seg)
	}
}

// mayHaveBest says whether a segment can have hits that are better than those found so far.
func (x *running) mayHaveBest(seg *segment) bool {
	low, high := seg.Times()
	return x.best.limit > 0 && !(x.timed && x.best.beyond(low, high))
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
		case ix.plan.Nothing(), x.broken[ix.View.Index()] != nil:
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

// collect collects a segment that is ready.
func (x *running) collect(seg *segment) error {
	defer seg.forget()
	if len(x.aggs) > 0 && !seg.rows.Empty() {
		if err := x.aggregate(seg); err != nil {
			return err
		}
	}
	if !x.counted {
		x.total += int64(seg.hits.Count())
	}
	if seg.taker == nil || !x.mayHaveBest(seg) {
		return nil
	}
	for row := range seg.hits.Rows {
		seg.taker.offer(row)
	}
	return nil
}

// aggregate hands the rows to the aggregations, some at a time.
func (x *running) aggregate(seg *segment) error {
	const batch = 4096
	list, parents := make([]int32, 0, batch), make([]int32, batch)
	for next := 0; next < seg.Len(); {
		list, next = seg.rows.Fill(list[:0], next)
		for _, a := range x.aggs {
			if err := a.collect(seg, list, parents[:len(list)]); err != nil {
				return err
			}
		}
		if err := x.expired(); err != nil || x.timedOut {
			return err
		}
	}
	return nil
}
