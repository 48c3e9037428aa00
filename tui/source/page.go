package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// maxRun is how many documents of one time and tie are put in order by key. More of them come as the server has them.
const maxRun = 10_000

// A step is a page that is wanted.
type step struct {
	from   *Row      // where it begins; nil: at an instant, or the end
	within bool      // from itself is in it, if it matches
	at     time.Time // the instant where it begins, in newer ones; zero: at the end
	dir    Direction
	n      int
	filter any // more that rows must match; nil: nothing

	untimed bool // only documents without a time; else only those that have one
}

// Before returns about n rows older than row, which may be of another view; nil: the newest. There are more than n where
// more have the same time and tie, and fewer where the rest of those with the oldest ones comes with the next page.
func (v *View) Before(ctx context.Context, row *Row, n int) (Page, error) {
	return v.page(ctx, step{from: row, dir: Older, n: n})
}

// After returns about n rows newer than row, as Before does; nil: the oldest.
func (v *View) After(ctx context.Context, row *Row, n int) (Page, error) {
	return v.page(ctx, step{from: row, dir: Newer, n: n})
}

// At returns the rows around an instant: those older than t, and those of t and newer ones.
func (v *View) At(ctx context.Context, t time.Time, n int) (older, newer Page, err error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return Page{}, Page{}, err
	}
	t = c.floor(t)
	return v.around(ctx, step{n: n, at: t}, step{n: n, at: t})
}

// From returns the rows around the place of a row, which may be of another view. The row itself is in newer, if it matches.
func (v *View) From(ctx context.Context, row *Row, n int) (older, newer Page, err error) {
	return v.around(ctx, step{from: row, n: n}, step{from: row, within: true, n: n})
}

func (v *View) around(ctx context.Context, before, after step) (older, newer Page, err error) {
	before.dir, after.dir = Older, Newer
	var failed [2]error
	var both sync.WaitGroup
	both.Go(func() { older, failed[0] = v.page(ctx, before) })
	both.Go(func() { newer, failed[1] = v.page(ctx, after) })
	both.Wait()
	return older, newer, cmp.Or(failed[0], failed[1])
}

// Find returns the nearest row in a direction that also matches filter; nil: there is none.
func (v *View) Find(ctx context.Context, row *Row, dir Direction, filter any) (*Row, error) {
	page, err := v.page(ctx, step{from: row, dir: dir, n: 1, filter: filter})
	switch {
	case err != nil || len(page.Rows) == 0:
		return nil, err
	case dir == Older:
		return page.Rows[len(page.Rows)-1], nil
	}
	return page.Rows[0], nil
}

// Document returns the whole document of a row.
func (v *View) Document(ctx context.Context, row *Row) (json.RawMessage, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return nil, err
	}
	one := []any{map[string]any{"ids": map[string]any{"values": []string{row.ID}}}}
	if !row.Time.IsZero() { // by which shards are passed over
		one = append(one, v.source.between(c, row.Time, row.Time.Add(time.Millisecond)))
	}
	a, err := v.search(ctx, func(int) map[string]any {
		return map[string]any{"size": 100, "track_total_hits": false, "query": map[string]any{"bool": map[string]any{"filter": one}}}
	})
	if err != nil {
		return nil, err
	}
	for _, h := range a.Hits {
		if h.Index == row.Index && h.ID == row.ID {
			return h.Source, nil
		}
	}
	return nil, fmt.Errorf("cannot get the document %s of %s: it is not there any more", printable(row.ID), printable(row.Index))
}

// page reads documents that have a time, those that have none, or some of both, where the ones end and the others begin. They are
// asked for apart: servers that pass over shards by the place where a page begins forget documents without the field they sort by.
func (v *View) page(ctx context.Context, want step) (Page, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return Page{}, err
	}
	want.untimed = want.from.untimed() || v.all() && want.dir == Newer && want.from == nil && want.at.IsZero()
	if want.untimed && !v.untimed { // the row is of another view
		if want.dir == Older {
			return Page{End: true}, nil
		}
		want.untimed, want.from = false, nil
	}
	page, err := v.part(ctx, c, want)
	if err == nil && page.Shards.Total == 0 {
		err = v.source.gone(ctx, v.query)
	}
	if err != nil || !page.End || want.untimed == (want.dir == Older) || !want.untimed && !v.all() {
		return page, err
	}
	if want.n -= len(page.Rows); want.n <= 0 {
		page.End = false
		return page, nil
	}
	want.untimed, want.from, want.within, want.at = !want.untimed, nil, false, time.Time{}
	rest, err := v.part(ctx, c, want)
	if err != nil {
		return Page{}, err
	}
	older, newer := rest, page
	if want.dir == Newer {
		older, newer = page, rest
	}
	return Page{Rows: slices.Concat(older.Rows, newer.Rows), End: rest.End, Meta: newer.Meta.and(older.Meta)}, nil
}

// all says that the view has, or may have, documents without a time.
func (v *View) all() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.untimed && !v.timed
}

// part reads runs, which are documents alike in what the server sorts by, and puts each in order. A run whose end was not
// seen is left to the next page, unless it is all there is.
func (v *View) part(ctx context.Context, c clock, want step) (Page, error) {
	r := &reading{view: v, clock: c, step: want, size: min(max(want.n, 1), maxRun-1) + 1}
	if !r.untimed {
		r.window = v.window(r.size)
	}
	for {
		a, err := r.more(ctx)
		if err != nil {
			return Page{}, err
		}
		if r.done(a) {
			v.learn(r)
			return r.page(), nil
		}
	}
}

// A reading is a page on its way.
type reading struct {
	view  *View
	clock clock
	step

	size   int
	window time.Duration     // only so far from where the page begins is searched; 0: all
	wider  int               // how often it was made wider
	pit    int               // the number of the point in time; 0: none
	after  []json.RawMessage // of the last hit; nil at first
	rows   []*Row            // in the direction
	end    bool
	meta   Meta
}

func (r *reading) more(ctx context.Context) (*answer, error) {
	a, err := r.view.search(ctx, r.body)
	if err != nil {
		return nil, err
	}
	if r.meta.Request != nil {
		a.Meta = a.Meta.and(r.meta)
	}
	a.Partial = cmp.Or(a.Partial, r.clock.partial)
	r.meta = a.Meta
	rows := r.view.source.rows(r.clock, a.Hits)
	for i, row := range rows {
		row.sort = a.Hits[i].Sort
		if r.untimed { // it is sorted by nothing that it has
			row.Time, row.Tie, row.ties = time.Time{}, math.MaxInt64, nil
		}
		if r.beyond(row) {
			r.rows = append(r.rows, row)
		}
	}
	if len(a.Hits) > 0 {
		r.after = a.Hits[len(a.Hits)-1].Sort
	}
	return a, nil
}

func (r *reading) body(pit int) map[string]any {
	if r.pit != pit {
		r.pit, r.after, r.rows = pit, nil, nil // what was read is of another point in time
	}
	s := r.view.source
	query, part := r.view.query, r.near()
	order := s.order(r.clock, r.dir)
	var after []any
	end := int64(-1)
	word := "asc"
	if r.dir == Older {
		word, end = "desc", math.MaxInt64
	}
	switch {
	case r.untimed:
		query.From, query.To, order = time.Time{}, time.Time{}, nil
		part = map[string]any{"bool": map[string]any{"must_not": []any{s.timed()}}}
	case part == nil && query.always():
		part = s.timed()
	}
	switch {
	case r.after != nil:
		for _, value := range r.after {
			after = append(after, value)
		}
	case r.large() && len(r.from.sort) == len(order)+1:
		for _, value := range r.from.sort {
			after = append(after, value)
		}
		if at, ok := whole(r.from.sort[len(order)]); ok && r.within {
			after[len(order)] = at - int64(r.dir)
		}
	case r.from != nil && !r.untimed:
		after = s.beside(r.clock, r.from, r.dir)
		if pit > 0 {
			after = append(after, end)
		}
	}
	if pit > 0 {
		order = append(order, map[string]any{"_shard_doc": word})
	} else if r.untimed {
		order = []any{"_doc"}
	}
	body := map[string]any{"size": r.size, "sort": order, "track_total_hits": false,
		"_source": s.included(r.view.query.Fields), "query": s.filter(query, r.clock, part, r.filter)}
	if after != nil {
		body["search_after"] = after
	}
	return body
}

// near is the filter of the times at which rows are looked for first. Servers read all times in it: those that write a
// segment in the order of time, as logs are, find nothing to pass over when the newest come first.
func (r *reading) near() any {
	var from, to time.Time
	query := r.view.query
	begin := r.at
	switch {
	case r.untimed:
		return nil
	case r.from != nil:
		begin = r.from.Time
	case begin.IsZero() && r.dir == Newer:
		begin = query.From
	case begin.IsZero():
		if begin = time.Now(); !query.To.IsZero() && query.To.Before(begin) {
			begin = query.To
		}
	}
	if r.dir == Newer {
		from, to = begin, begin.Add(r.window)
		if r.window == 0 || begin.IsZero() || !query.To.IsZero() && !to.Before(query.To) {
			r.window, to = 0, time.Time{}
		}
	} else {
		from = begin.Add(-r.window)
		if r.window == 0 || !query.From.IsZero() && !from.After(query.From) {
			r.window, from = 0, time.Time{}
		}
		switch {
		case r.from != nil:
			to = begin.Add(1) // the row's own time is within
		case !r.at.IsZero():
			to = begin
		}
	}
	if r.clock.numeric != "" && (!from.IsZero() && from.Before(firstNano) || !to.IsZero() && to.Before(firstNano)) {
		r.window = 0 // some of the indices cannot read that
		return nil
	}
	if from.IsZero() && to.IsZero() {
		return nil
	}
	return r.view.source.between(r.clock, from, to)
}

// window is how much time is likely to have some times as many rows as are wanted.
func (v *View) window(rows int) time.Duration {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.apart == 0 {
		return time.Minute
	}
	return min(max(v.apart*time.Duration(4*max(rows, 200)), time.Second), 24*time.Hour)
}

// learn notes how far apart rows are, and whether there are some without a time.
func (v *View) learn(r *reading) {
	v.mu.Lock()
	defer v.mu.Unlock()
	rows := r.rows
	if r.untimed {
		v.timed = v.timed || len(rows) == 0 && r.end && r.from == nil && r.filter == nil && !r.meta.Failed
		return
	}
	if len(rows) < 2 {
		return
	}
	v.apart = rows[len(rows)-1].Time.Sub(rows[0].Time).Abs()/time.Duration(len(rows)) + 1
}

// large says that the page begins in a run that is not put in order by key.
func (r *reading) large() bool { return r.pit > 0 && r.from != nil && r.from.sort != nil }

// beyond says whether a row is on the wanted side of where the page begins. Rows of the same place are told by key.
func (r *reading) beyond(row *Row) bool {
	if r.from == nil {
		return true
	}
	if r.large() {
		return r.within || row.Key() != r.from.Key()
	}
	by := Compare(row, r.from) * int(r.dir)
	return by > 0 || by == 0 && r.within
}

// done says whether the rows that were read are a page, and leaves out what is not part of it.
func (r *reading) done(a *answer) bool {
	if len(a.Hits) < r.size {
		if r.end = r.window == 0; r.end || len(r.rows) >= r.n {
			return true
		}
		if r.wider++; r.wider > 2 {
			r.window = 0
		}
		r.window *= 32
		r.size = min(max(r.n-len(r.rows), 1), maxRun-1) + 1
		return false
	}
	if len(r.rows) > 0 {
		last := r.rows[len(r.rows)-1]
		if cut := slices.IndexFunc(r.rows, func(row *Row) bool { return alike(row, last) }); cut > 0 {
			r.rows = r.rows[:cut]
			return true
		}
		if len(r.rows) >= maxRun {
			return true
		}
	}
	if r.pit > 0 {
		r.size = min(4*r.size, maxRun)
		return false
	}
	// Without a point in time nothing tells the documents of a run apart for the server: it has to be in one answer.
	if r.size == maxRun {
		if !r.meta.Failed {
			r.meta.Partial, r.meta.Failed = fmt.Sprintf("more than %d documents have one time, or none, of which the server gives no others", maxRun), true
		}
		return len(r.rows) > 0
	}
	r.size, r.after, r.rows = maxRun, nil, nil
	return false
}

// alike says whether rows are of one run.
func alike(a, b *Row) bool { return a.Time.Equal(b.Time) && compareTies(a, b) == 0 }

// page puts the rows in order.
func (r *reading) page() Page {
	for from := 0; from < len(r.rows); {
		to := from + 1
		for to < len(r.rows) && alike(r.rows[from], r.rows[to]) {
			to++
		}
		run := r.rows[from:to]
		if len(run) < maxRun && !(r.large() && alike(run[0], r.from)) {
			slices.SortFunc(run, func(a, b *Row) int { return Compare(a, b) * int(r.dir) })
			for _, row := range run {
				row.sort = nil
			}
		}
		from = to
	}
	if r.dir == Older {
		slices.Reverse(r.rows)
	}
	return Page{Rows: r.rows, End: r.end, Meta: r.meta}
}

// First reads the newest n rows and calls each with pages of them as they come, each older than the one before. If the server
// has not answered within a moment, slices of time that double in length are asked from the newest end on.
func (v *View) First(ctx context.Context, n int, each func(Page)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		Page
		err error
	}
	whole := make(chan result, 1)
	go func() { // ends with ctx, and then with nobody to read it
		page, err := v.Before(ctx, nil, n)
		whole <- result{page, err}
	}()
	shown := map[string]bool{}
	finish := func(r result) error {
		if r.err != nil {
			return r.err
		}
		r.Rows = slices.DeleteFunc(r.Rows, func(row *Row) bool { return shown[row.Key()] })
		each(r.Page)
		return nil
	}
	patience := time.NewTimer(firstPatience)
	defer patience.Stop()
	select {
	case r := <-whole:
		return finish(r)
	case <-patience.C:
	}
	parts := make(chan result)
	go func() { // ends with ctx
		defer close(parts)
		v.slices(ctx, n, func(page Page, err error) bool {
			select {
			case parts <- result{page, err}:
				return err == nil
			case <-ctx.Done():
				return false
			}
		})
	}()
	var failed error
	for whole != nil || parts != nil {
		select {
		case r := <-whole:
			if r.err == nil {
				return finish(r)
			}
			failed, whole = r.err, nil
		case r, more := <-parts:
			if !more || r.err != nil {
				failed, parts = cmp.Or(failed, r.err), nil
				continue
			}
			for _, row := range r.Rows {
				shown[row.Key()] = true
			}
			if len(r.Rows) > 0 || r.End {
				each(r.Page)
			}
			if r.End || len(shown) >= n {
				return nil
			}
		}
	}
	return failed
}

// firstPatience is for how long the newest rows are waited for before slices of time are asked.
const firstPatience = 300 * time.Millisecond

// slices asks for the newest n rows slice by slice, until yield says no or there are enough.
func (v *View) slices(ctx context.Context, n int, yield func(Page, error) bool) {
	part := v.query
	newest := part.To
	if newest.IsZero() || newest.After(time.Now()) {
		newest = time.Now() // and whatever is said to come
	}
	for length := time.Minute; ; length *= 2 {
		part.From = newest.Add(-length)
		last := length > 1<<20*time.Minute || !v.query.From.IsZero() && !part.From.After(v.query.From)
		if last {
			part.From = v.query.From
		}
		slice := &View{source: v.source, query: part, loose: true, untimed: last && v.untimed}
		var row *Row
		for done := false; !done; {
			page, err := slice.Before(ctx, row, n)
			done = page.End || len(page.Rows) == 0
			page.End = page.End && last
			n -= len(page.Rows)
			if !yield(page, err) || n <= 0 {
				return
			}
			if !done {
				row = page.Rows[0]
			}
		}
		if last {
			return
		}
		newest, part.To = part.From, part.From
	}
}

// Export calls each with all rows, oldest first, some thousands at a time, which have these fields; nil is all. It ends with each's error.
func (v *View) Export(ctx context.Context, fields []string, each func(rows []*Row) error) error {
	query := v.query
	query.Fields = fields
	own := v.source.View(query)
	defer own.Close(context.WithoutCancel(ctx))
	var last *Row
	for {
		page, err := own.After(ctx, last, 5000)
		if err != nil {
			return err
		}
		if page.Failed {
			return errors.New("cannot export all documents: " + page.Partial)
		}
		if len(page.Rows) > 0 {
			last = page.Rows[len(page.Rows)-1]
			if err := each(page.Rows); err != nil {
				return err
			}
		}
		if page.End || len(page.Rows) == 0 {
			return nil
		}
	}
}
