package source

import (
	"context"
	"crypto/rand"
	"hash/maphash"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"
)

// How a tail watches. What is near the newest line is counted with every poll, what is far behind it now and then.
const (
	tailEvery   = time.Second      // between polls
	tailSlowest = 10 * time.Second // between polls of a server that is away or busy

	minOverlap = 10 * time.Second
	maxOverlap = 2 * time.Minute
	tailFar    = 10 * time.Minute // lines that come later than that are not found
	farEvery   = 5 * time.Second  // unless there was something far behind the last time

	tailAhead  = 10 * time.Second // of now: what is newer still is looked for now and then
	tailPage   = 4000             // rows of a batch
	tailBehind = 50_000           // rows that a tail gets after; of more it leaves out the oldest
	tailBase   = 60_000           // documents from before the tail that are told from those that come late
	tailKnown  = 2_000_000        // documents that are remembered
)

// A Tail brings the documents that become visible, each once, whatever their time is.
//
// Nothing in a search says what is new: documents become visible some time after theirs, by the clock of somebody else, in no
// order. So each poll counts the documents in small pieces of the time that was, which costs servers little, holds the
// counts against the documents it knows, and reads only those pieces that have more.
type Tail struct {
	source *Source
	query  Query
	from   time.Time
	seed   maphash.Seed

	mu   sync.Mutex
	told []*Row // by Known, since the last look
	wait time.Duration

	// Of the goroutine that polls.
	ledger   ledger
	begun    bool
	floor    int64 // milliseconds since 1970; what is older is not looked at
	newest   *Row  // that is shown, and was not ahead of now
	skipped  int64 // and not yet said
	head     int64 // the newest time that is known and not ahead of now
	farAt    time.Time
	overlap  time.Duration
	late     lately // how far behind the head lines are when they come
	lag      lately // how old they are
	odd      map[[2]int64]oddity
	missed   int // in how many looks in sequence some that are known were not there
	failures int
}

// A Batch is what a poll brings.
type Batch struct {
	Rows      []*Row        // ascending
	Watermark time.Time     // of the newest row shown that is not ahead of this machine's clock; zero if there was none
	Overlap   time.Duration // so far behind the watermark lines are looked for with every poll
	Lag       Lag           // how old lines are when they are handed out
	More      bool          // poll again at once
	Behind    int64         // documents that are there and were not yet handed out
	Skipped   int64         // documents that never will be, because too many had gathered; exact
	Meta                    // of the search that counted
}

// Tail returns what brings the documents of q that become visible from now on, and those of from and newer that are there
// already. If from is zero there are none of the latter. It sends nothing.
//
// q's own times bound it. Documents that become visible more than some minutes after their time are not found, and a document
// that is written again with another time is another one.
func (s *Source) Tail(q Query, from time.Time) *Tail {
	session := s.session
	if session == "" { // other copies of a shard may show other documents
		session = rand.Text()
	}
	own := Open(s.client.Once(), Options{Index: s.index, Fields: s.names, Session: session}) // the next poll is the repetition
	return &Tail{source: own, query: q, from: from, seed: maphash.MakeSeed(), overlap: minOverlap, wait: tailEvery, odd: map[[2]int64]oddity{}}
}

// Known says which rows are shown already: they are not handed out. Those that are given before the first poll should follow each
// other, up to the newest one: what comes late among them is new, what is older than them is not. It may be called while Poll runs.
func (t *Tail) Known(rows []*Row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = append(t.told, rows...)
}

// Every is for how long to wait until the next poll: no time after a batch with More, longer than usual when the server is away, busy or slow.
func (t *Tail) Every() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wait
}

// Poll asks what is new. It must not run twice at a time. After an error the next one goes on where the last batch ended.
func (t *Tail) Poll(ctx context.Context) (Batch, error) {
	began := time.Now()
	b, err := t.poll(ctx, began)
	wait := max(tailEvery, min(2*time.Since(began), tailSlowest))
	switch {
	case err == nil:
		t.failures = 0
		if b.More {
			wait = 0
		}
	case ctx.Err() == nil:
		wait = min(tailEvery<<min(t.failures, 10), tailSlowest)
		wait += mathrand.N(wait / 4)
		t.failures++
	}
	t.mu.Lock()
	t.wait = wait
	t.mu.Unlock()
	return b, err
}

func (t *Tail) poll(ctx context.Context, now time.Time) (Batch, error) {
	c, err := t.source.clock(ctx, t.query)
	if err != nil {
		return Batch{}, err
	}
	if !t.begun {
		if err := t.begin(ctx, c, now); err != nil {
			return Batch{}, err
		}
		t.begun = true
	}
	t.hear(now)
	gaps, meta, err := t.look(ctx, c, now)
	if err != nil {
		return Batch{}, err
	}
	b := Batch{Meta: meta}
	if gaps, err = t.skip(ctx, c, gaps, now); err != nil {
		return Batch{}, err
	}
	b.Behind = missing(gaps)
	gaps, hits, err := t.read(ctx, c, gaps, now)
	if err != nil {
		return Batch{}, err
	}
	now = time.Now()
	t.hear(now) // what was said meanwhile
	b.Rows = t.fresh(hits, now)
	b.Skipped, t.skipped = t.skipped, 0
	b.Behind = max(b.Behind-int64(len(b.Rows)), 0)
	b.More = b.Behind > 0 && len(b.Rows) > 0
	t.settle(gaps, now)
	t.measure(b.Rows, now, b.More)
	lags := t.lag.sorted()
	b.Overlap, b.Lag = t.overlap, Lag{P50: quantile(lags, 0.5), P99: quantile(lags, 0.99), N: len(lags)}
	if t.newest != nil {
		b.Watermark = t.newest.Time
	}
	return b, nil
}

func (t *Tail) listen() []*Row {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := t.told
	t.told = nil
	return rows
}

// hear learns what Known said.
func (t *Tail) hear(now time.Time) {
	told := t.listen()
	t.learn(told, now)
	t.shown(told, now)
}

func (t *Tail) entry(row *Row) entry {
	return entry{row.Time.UnixMilli(), maphash.String(t.seed, row.Key())}
}

// learn takes rows into what is known.
func (t *Tail) learn(rows []*Row, now time.Time) {
	entries := make([]entry, 0, len(rows))
	for _, row := range rows {
		if row.Time.IsZero() {
			continue
		}
		e := t.entry(row)
		entries = append(entries, e)
		if e.at <= now.UnixMilli() {
			t.head = max(t.head, e.at)
		}
	}
	t.ledger.add(entries)
	if over := len(t.ledger.known) - tailKnown; over > 0 {
		t.raise(min(t.ledger.known[over].at+1, t.head-t.overlap.Milliseconds()))
	}
}

// raise gives up what is older than a time.
func (t *Tail) raise(floor int64) {
	t.floor = max(t.floor, floor)
	t.ledger.trim(t.floor)
}

// fresh are those of rows that are not known yet, in order, which they are afterwards.
func (t *Tail) fresh(rows []*Row, now time.Time) []*Row {
	var news []*Row
	seen := make(map[uint64]bool, len(rows))
	for _, row := range rows {
		if e := t.entry(row); !t.ledger.has(e) && !seen[e.doc] {
			seen[e.doc] = true
			row.Late = t.newest != nil && Compare(row, t.newest) < 0
			news = append(news, row)
		}
	}
	slices.SortFunc(news, Compare)
	for _, row := range news { // before the head moves
		t.late.add(time.Duration(t.head-row.Time.UnixMilli()) * time.Millisecond)
	}
	t.learn(news, now)
	t.shown(news, now)
	return news
}

// shown moves the newest row.
func (t *Tail) shown(rows []*Row, now time.Time) {
	for _, row := range rows {
		if !row.Time.IsZero() && !row.Time.After(now) && (t.newest == nil || Compare(row, t.newest) > 0) {
			t.newest = row
		}
	}
}

// measure makes the overlap follow how late lines come: at once when it grows, slowly when it shrinks. Lines that had gathered do not say
// how old lines are when they become visible.
func (t *Tail) measure(rows []*Row, now time.Time, more bool) {
	if more || t.failures > 0 {
		return
	}
	for _, row := range rows {
		t.lag.add(max(now.Sub(row.Time), 0)) // clocks differ
	}
	if sorted := t.late.sorted(); len(sorted) > 0 {
		want := min(max(2*quantile(sorted, 0.99), minOverlap), maxOverlap)
		t.overlap = max(want, t.overlap-t.overlap/100)
	}
}

// lately are the last durations of many.
type lately struct {
	last []time.Duration
	next int
}

func (l *lately) add(d time.Duration) {
	if len(l.last) < 4096 {
		l.last = append(l.last, d)
		return
	}
	l.last[l.next] = d
	l.next = (l.next + 1) % len(l.last)
}

func (l *lately) sorted() []time.Duration { return slices.Sorted(slices.Values(l.last)) }

// quantile is that of sorted durations; 0 if there are none.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// begin learns which documents are older than what the tail is to bring, as far back as it may come to look, and sets the floor there.
func (t *Tail) begin(ctx context.Context, c clock, now time.Time) (err error) {
	told := t.listen()
	defer func() {
		if err != nil {
			t.Known(told)
		}
	}()
	var oldest *Row
	for _, row := range told {
		if !row.Time.IsZero() && (oldest == nil || Compare(row, oldest) < 0) {
			oldest = row
		}
	}
	edge := t.from
	if oldest != nil && (edge.IsZero() || oldest.Time.Before(edge)) {
		edge = oldest.Time
	} else {
		oldest = nil // it is new what there is from the edge on
	}
	base := t.query
	base.Fields = []string{}
	if !edge.IsZero() && (base.To.IsZero() || edge.Before(base.To)) {
		base.To = edge
		if oldest != nil {
			base.To = edge.Add(time.Millisecond) // some of its instant are older than it
		}
	}
	to := edge.UnixMilli() + 1
	if edge.IsZero() {
		to = now.Add(tailAhead).UnixMilli()
	}
	floor := to - tailFar.Milliseconds()
	tallies, _, err := t.count(ctx, c, []tally{{from: floor, to: to}})
	if err != nil {
		return err
	}
	sum := int64(0)
	for _, piece := range slices.Backward(tallies) {
		if sum += piece.has; sum > tailBase {
			floor = piece.to
			break
		}
	}
	if from := time.UnixMilli(floor); from.After(base.From) {
		base.From = from
	}
	view := t.source.View(base)
	defer view.Close(context.WithoutCancel(ctx))
	var rows []*Row
	for {
		var last *Row
		if len(rows) > 0 {
			last = rows[len(rows)-1]
		}
		page, err := view.After(ctx, last, tailPage)
		if err != nil {
			return err
		}
		rows = append(rows, page.Rows...)
		if page.End || len(page.Rows) == 0 {
			break
		}
	}
	t.floor = min(floor, to-1)
	t.learn(slices.DeleteFunc(rows, func(row *Row) bool { return oldest != nil && Compare(row, oldest) >= 0 }), now)
	t.learn(told, now)
	t.shown(told, now)
	t.head = max(t.head, min(edge.UnixMilli(), now.UnixMilli()))
	return nil
}
