package source

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// A tally is how many documents a piece of time has, in milliseconds since 1970.
type tally struct {
	from, to int64 // to is not part of it
	has      int64 // the server's
	known    int64 // ours
}

// Bounds of what one request asks.
const (
	tailPieces = 2000
	tailRanges = 500
)

// missing are those that are not known.
func missing(tallies []tally) (n int64) {
	for _, p := range tallies {
		n += p.has - p.known
	}
	return n
}

// merged are the pieces as few parts of time as they are, in order.
func merged(pieces []tally) []tally {
	var parts []tally
	for _, p := range pieces {
		if last := len(parts) - 1; last >= 0 && parts[last].to == p.from {
			parts[last].to = p.to
		} else {
			parts = append(parts, tally{from: p.from, to: p.to})
		}
	}
	return parts
}

// where is the filter of the query's documents in some parts of time, with more to hold, which may be nil.
func (t *Tail) where(c clock, parts []tally, more any) any {
	times := make([]any, len(parts))
	for i, p := range parts {
		times[i] = t.source.between(c, time.UnixMilli(p.from), time.UnixMilli(p.to))
	}
	if len(parts) == 1 {
		return t.source.filter(t.query, c, times[0], more)
	}
	return t.source.filter(t.query, c, map[string]any{"bool": map[string]any{"should": times, "minimum_should_match": 1}}, more)
}

// count counts the documents in parts of time, which are in order and do not overlap, in about as many pieces as one request may
// have. Pieces without documents are left out. Their borders are those of halves, quarters … of longer ones.
func (t *Tail) count(ctx context.Context, c clock, parts []tally) ([]tally, Meta, error) {
	parts = merged(parts)
	parts = parts[:min(len(parts), tailRanges)]
	var total int64
	for _, p := range parts {
		total += p.to - p.from
	}
	width := int64(1)
	for width*tailPieces < total {
		width *= 2
	}
	a, err := t.source.search(ctx, t.source.pattern(t.query), map[string]any{
		"size": 0, "track_total_hits": false, "query": t.where(c, parts, nil),
		"aggs": map[string]any{"pieces": map[string]any{"date_histogram": map[string]any{
			"field": t.source.names.Time, "fixed_interval": fmt.Sprintf("%dms", width), "min_doc_count": 1}}},
	})
	if err != nil {
		return nil, Meta{}, err
	}
	var pieces struct {
		Buckets []struct {
			Key json.RawMessage
			N   int64 `json:"doc_count"`
		}
	}
	if raw := a.Aggs["pieces"]; raw != nil { // there is none where no index matches
		if err := json.Unmarshal(raw, &pieces); err != nil {
			return nil, Meta{}, fmt.Errorf("cannot read how many documents there are: %w", err)
		}
	}
	var tallies []tally
	for _, b := range pieces.Buckets {
		key, ok := whole(b.Key)
		for len(parts) > 0 && parts[0].to <= key {
			parts = parts[1:]
		}
		if !ok || len(parts) == 0 || key+width <= parts[0].from {
			continue // of documents with several times
		}
		p := tally{from: max(key, parts[0].from), to: min(key+width, parts[0].to), has: b.N}
		p.known = t.ledger.count(p.from, p.to)
		tallies = append(tallies, p)
	}
	return tallies, a.Meta, nil
}

// look finds the pieces of time that have more documents than are known, in order.
func (t *Tail) look(ctx context.Context, c clock, now time.Time) ([]tally, Meta, error) {
	horizon := max(t.head, now.UnixMilli()) + tailAhead.Milliseconds()
	near := max(t.floor, (t.head-t.overlap.Milliseconds())&^1023)
	horizon = max(horizon, near+1)
	tallies, meta, err := t.count(ctx, c, []tally{{from: near, to: horizon}})
	if err != nil {
		return nil, Meta{}, err
	}
	if now.Before(t.farAt) {
		lacking, err := t.refine(ctx, c, t.lacking(tallies, now), now)
		return lacking, meta, err
	}
	far := min(max(t.floor, t.head-tailFar.Milliseconds()), near)
	if far < near {
		old, m, err := t.count(ctx, c, []tally{{from: far, to: near}})
		if err != nil {
			return nil, Meta{}, err
		}
		tallies, meta = append(old, tallies...), meta.and(m)
	}
	beyond, err := t.beyond(ctx, c, horizon)
	if err != nil {
		return nil, Meta{}, err
	}
	if meta.Partial == "" {
		if err := t.forget(ctx, c, tallies, far, horizon); err != nil {
			return nil, Meta{}, err
		}
	}
	t.farAt = now.Add(farEvery)
	lacking := t.lacking(append(tallies, beyond...), now)
	if len(lacking) > 0 && (lacking[0].from < near || len(beyond) > 0) {
		t.farAt = now
	}
	t.raise(far)
	lacking, err = t.refine(ctx, c, lacking, now)
	return lacking, meta, err
}

// beyond counts what is so new that the look at each poll does not reach it: lines of clocks that are wrong.
func (t *Tail) beyond(ctx context.Context, c clock, horizon int64) ([]tally, error) {
	if len(t.ledger.known) > tailKnown {
		return nil, nil // it waits for its time
	}
	from := time.UnixMilli(horizon)
	a, err := t.source.search(ctx, t.source.pattern(t.query), map[string]any{
		"size": 0, "track_total_hits": true, "query": t.source.filter(t.query, c, t.source.between(c, from, time.Time{})),
		"aggs": map[string]any{"newest": map[string]any{"max": map[string]any{"field": t.source.names.Time}}},
	})
	if err != nil || a.Total.N <= t.ledger.count(horizon, 1<<62) {
		return nil, err
	}
	var newest struct{ Value float64 }
	if err := json.Unmarshal(a.Aggs["newest"], &newest); err != nil {
		return nil, fmt.Errorf("cannot read the newest time: %w", err)
	}
	tallies, _, err := t.count(ctx, c, []tally{{from: horizon, to: max(int64(newest.Value), horizon) + 1}})
	return tallies, err
}

// lacking are the pieces that have more documents than are known, without those that had them in vain.
func (t *Tail) lacking(tallies []tally, now time.Time) []tally {
	var more []tally
	for _, p := range tallies {
		if p.has <= p.known {
			continue
		}
		if o, ok := t.odd[[2]int64{p.from, p.to}]; ok && o.has == p.has && now.Before(o.next) {
			continue
		}
		more = append(more, p)
	}
	return more
}

// An oddity is a piece that was read, and had not what it was said to have: a document may have several times, and
// one copy of a shard may not have yet what another has.
type oddity struct {
	has   int64
	times int
	next  time.Time // when to look again
}

// settle remembers which pieces that were read are still short.
func (t *Tail) settle(read []tally, now time.Time) {
	for _, p := range read {
		key := [2]int64{p.from, p.to}
		o := t.odd[key]
		switch {
		case t.ledger.count(p.from, p.to) >= p.has:
			delete(t.odd, key)
			continue
		case o.has != p.has:
			o = oddity{has: p.has}
		}
		if len(t.odd) > 4*tailPieces {
			clear(t.odd)
		}
		o.times++
		if o.times > 2 {
			o.next = now.Add(min(time.Second<<min(o.times, 10), time.Minute))
		}
		t.odd[key] = o
	}
}

// refine makes pieces finer where that saves reading many documents that are known.
func (t *Tail) refine(ctx context.Context, c clock, lacking []tally, now time.Time) ([]tally, error) {
	for range 3 {
		var coarse, rest []tally
		var again int64
		for _, p := range lacking {
			if p.known > 0 && p.to-p.from > 1 && len(coarse) < tailRanges {
				coarse = append(coarse, p)
				again += p.known
			} else {
				rest = append(rest, p)
			}
		}
		if again <= tailRanges+missing(coarse) || int64(len(coarse))*4 > tailPieces {
			return lacking, nil
		}
		finer, _, err := t.count(ctx, c, coarse)
		if err != nil {
			return nil, err
		}
		lacking = append(rest, t.lacking(finer, now)...)
		slices.SortFunc(lacking, func(a, b tally) int { return cmp.Compare(a.from, b.from) })
	}
	return lacking, nil
}
