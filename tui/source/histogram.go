package source

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// A Histogram counts documents over time, in buckets of one length.
type Histogram struct {
	From, To time.Time // the first bucket begins at From, the last ends at To
	Interval time.Duration
	Total    []int64         // of each bucket
	Levels   [][Levels]int64 // of each bucket; nil: not known
	Meta
}

// maxBuckets is the most that a histogram has. A shorter interval is made longer.
const maxBuckets = 10_000

// Histogram counts the documents in [from, to) in buckets of interval. A zero from or to is the time of the oldest or newest
// document. Buckets begin at whole intervals of the clock in loc, as it is at from: where clocks change in between, days after that begin
// at another hour.
func (v *View) Histogram(ctx context.Context, from, to time.Time, interval time.Duration, loc *time.Location) (Histogram, error) {
	return v.histogram(ctx, from, to, interval, loc, "")
}

// LevelHistogram is a Histogram that tells levels apart. It takes the server some times as long.
func (v *View) LevelHistogram(ctx context.Context, from, to time.Time, interval time.Duration, loc *time.Location) (Histogram, error) {
	fields, err := v.source.Fields(ctx)
	if err != nil {
		return Histogram{}, err
	}
	return v.histogram(ctx, from, to, interval, loc, fields.level(v.source.names.Level))
}

func (v *View) histogram(ctx context.Context, from, to time.Time, interval time.Duration, loc *time.Location, level string) (Histogram, error) {
	c, err := v.source.clock(ctx, v.query)
	if err != nil {
		return Histogram{}, err
	}
	if from.IsZero() {
		if from, err = v.Oldest(ctx); err != nil {
			return Histogram{}, err
		}
	}
	if to.IsZero() {
		if to, err = v.Newest(ctx); err != nil {
			return Histogram{}, err
		}
		to = to.Add(time.Millisecond)
	}
	h, offset := buckets(from, to, interval, loc)
	if len(h.Total) == 0 {
		return h, nil
	}
	by := map[string]any{"field": v.source.names.Time, "fixed_interval": fmt.Sprintf("%dms", h.Interval.Milliseconds()), "min_doc_count": 1}
	if offset != 0 {
		by["offset"] = fmt.Sprintf("%dms", offset.Milliseconds())
	}
	agg := map[string]any{"date_histogram": by}
	if level != "" {
		agg["aggs"] = map[string]any{"level": levelTerms(level)}
		h.Levels = make([][Levels]int64, len(h.Total))
	}
	a, err := v.aggregate(ctx, c, map[string]any{"time": agg}, v.source.between(c, from, to))
	if err != nil {
		return Histogram{}, err
	}
	h.Meta = a.Meta
	var answer struct {
		Buckets []struct {
			Key   json.Number
			Count int64 `json:"doc_count"`
			Level termsAnswer
		}
	}
	if err := a.read("time", &answer); err != nil {
		return Histogram{}, err
	}
	for _, b := range answer.Buckets {
		key, ok := whole(json.RawMessage(b.Key))
		i := int(time.UnixMilli(key).Sub(h.From) / h.Interval)
		if !ok || i < 0 || i >= len(h.Total) {
			continue
		}
		h.Total[i] += b.Count
		if h.Levels != nil {
			h.Levels[i] = b.Level.levels(b.Count)
		}
	}
	return h, nil
}

// buckets are those of a histogram, still empty. offset is what servers, whose buckets begin at multiples of the interval since 1970 UTC, have to add.
func buckets(from, to time.Time, interval time.Duration, loc *time.Location) (h Histogram, offset time.Duration) {
	interval = max(interval.Truncate(time.Millisecond), time.Millisecond)
	for interval < time.Duration(1<<62) && to.Sub(from)/interval >= maxBuckets {
		interval *= 2
	}
	if loc == nil {
		loc = time.UTC
	}
	_, east := from.In(loc).Zone()
	shift := time.Duration(east) * time.Second
	milli, step := from.Add(shift).UnixMilli(), interval.Milliseconds()
	first := milli - (milli%step+step)%step // floor, also before 1970
	h = Histogram{From: time.UnixMilli(first).Add(-shift).UTC(), Interval: interval}
	n := 0
	if to.After(from) {
		n = int((to.Sub(h.From) + interval - 1) / interval)
	}
	h.Total = make([]int64, n)
	h.To = h.From.Add(time.Duration(n) * interval)
	return h, (-shift%interval + interval) % interval
}

// levelTerms counts the words of levels: whatever they are, in any case, they are told apart here, as those of rows are.
func levelTerms(field string) any {
	return map[string]any{"terms": map[string]any{"field": field, "size": 50}}
}

// termsAnswer is that of the aggregation terms.
type termsAnswer struct {
	Error   int64 `json:"doc_count_error_upper_bound"`
	Other   int64 `json:"sum_other_doc_count"`
	Buckets []termsBucket
}

type termsBucket struct {
	Key   json.RawMessage
	Text  *string `json:"key_as_string"`
	Count int64   `json:"doc_count"`
}

// levels are the counts of levels among total documents.
func (t *termsAnswer) levels(total int64) (levels [Levels]int64) {
	rest := total - t.Other
	levels[Other] = t.Other
	for _, b := range t.Buckets {
		levels[ParseLevel(b.text())] += b.Count
		rest -= b.Count
	}
	levels[None] += max(rest, 0)
	return levels
}

// aggregate counts in the documents of the view that are there now: whatever is the same is answered from the server's cache.
func (v *View) aggregate(ctx context.Context, c clock, aggs map[string]any, more ...any) (*answer, error) {
	a, err := v.source.search(ctx, v.source.pattern(v.query), map[string]any{"size": 0, "track_total_hits": false,
		"query": v.source.filter(v.query, c, more...), "aggs": aggs})
	if err == nil {
		a.Partial = cmp.Or(a.Partial, c.partial)
	}
	return a, err
}

// read decodes the answer of an aggregation. There is none where there is no index, which changes nothing.
func (a *answer) read(name string, out any) error {
	raw := a.Aggs[name]
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("cannot read the aggregation %s of %s: %w", name, a.Path, err)
	}
	return nil
}
