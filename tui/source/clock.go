package source

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es"
)

// A clock is how precise the time field of an index pattern is, in the values that servers sort by.
type clock struct {
	nanos   bool   // sort values are nanoseconds since 1970, not milliseconds
	numeric string // numeric_type that makes them alike in all indices
	ties    []int  // which of Names.Tie the indices have, all as whole numbers
	index   string // the pattern, without indices that have another time field than dates
	partial string // what is to be said of them
}

type clockAnswer struct {
	clock
	at time.Time
}

// clockFresh is for how long a clock holds: an index that is new may keep times in another way.
const clockFresh = time.Minute

func (c clock) time(value int64) time.Time {
	if c.nanos {
		return time.Unix(0, value).UTC()
	}
	t := time.UnixMilli(value).UTC()
	if t.IsZero() { // which says that there is none
		t = t.Add(1)
	}
	return t
}

func (c clock) value(t time.Time) int64 {
	switch {
	case !c.nanos:
		return t.UnixMilli()
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

func (c clock) floor(t time.Time) time.Time {
	t = c.within(t)
	if c.nanos && c.numeric == "" { // an index of milliseconds reads limits as such, whatever others do
		return t
	}
	return t.Truncate(time.Millisecond)
}

func (c clock) ceil(t time.Time) time.Time {
	floor := c.floor(t)
	if floor.Before(c.within(t)) {
		return floor.Add(time.Millisecond)
	}
	return floor
}

// Indices of nanoseconds have no time outside, and fail where they are asked for one.
var firstNano, lastNano = time.Unix(0, 0).UTC(), time.Unix(0, math.MaxInt64).UTC()

// within keeps years to the four digits that servers read, and times to those that indices of nanoseconds read.
func (c clock) within(t time.Time) time.Time {
	t = t.UTC()
	if c.nanos && c.numeric == "" && t.Before(firstNano) {
		return firstNano
	} else if c.nanos && c.numeric == "" && t.After(lastNano) {
		return lastNano
	}
	if y := t.Year(); y < 0 {
		return time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC)
	} else if y > 9999 {
		return time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	}
	return t
}

// A TimeError is a time field that documents cannot be ordered by.
type TimeError struct {
	Field, Index string
	Types        []string // that the indices give it, none of which is a date; nil: there is no such field
}

func (e *TimeError) Error() string {
	if len(e.Types) == 0 {
		return fmt.Sprintf("cannot order the documents of %s: none has the field %s", e.Index, e.Field)
	}
	return fmt.Sprintf("cannot order the documents of %s by %s: it is of the type %s, and not a date", e.Index, e.Field, strings.Join(e.Types, ", "))
}

// clock finds out how the indices of q keep time. Of no index at all it is any clock, and no error.
func (s *Source) clock(ctx context.Context, q Query) (clock, error) {
	index := cmp.Or(q.Index, s.index, "*")
	s.mu.Lock()
	known, ok := s.clocks[index]
	s.mu.Unlock()
	if ok && time.Since(known.at) < clockFresh {
		return known.clock, nil
	}
	fields, err := s.fieldCaps(ctx, index, strings.Join(append([]string{s.names.Time}, s.names.Tie...), ","))
	if err != nil {
		return clock{}, err
	}
	c := clock{ties: s.usable(fields), index: index}
	types := fields[s.names.Time]
	delete(types, "unmapped")
	_, millis := types["date"]
	_, nanos := types["date_nanos"]
	switch {
	case (nanos || millis) && len(types) > 1:
		c.exclude(s.names.Time, types)
		if nanos && millis {
			err = s.mixed(ctx, &c)
		} else {
			c.nanos = nanos
		}
	case nanos:
		c.nanos = true
	case millis:
	case len(types) > 0:
		err = &TimeError{Field: s.names.Time, Index: index, Types: slices.Sorted(maps.Keys(types))}
	default:
		err = s.noTime(ctx, index)
	}
	if err != nil || !millis && !nanos {
		return c, err
	}
	s.mu.Lock()
	s.clocks[index] = clockAnswer{c, time.Now()}
	s.mu.Unlock()
	return c, nil
}

// gone looks again for the indices of q, of which none answered: that one which is called by its name is not there is an error.
func (s *Source) gone(ctx context.Context, q Query) error {
	s.mu.Lock()
	delete(s.clocks, cmp.Or(q.Index, s.index, "*"))
	s.mu.Unlock()
	_, err := s.clock(ctx, q)
	return err
}

// usable are the tie fields that can be sorted by.
func (s *Source) usable(fields map[string]map[string]capability) []int {
	var usable []int
	for i, tie := range s.names.Tie {
		types := maps.Clone(fields[tie])
		delete(types, "unmapped")
		some := len(types) > 0
		for _, number := range []string{"long", "integer", "short", "byte"} {
			delete(types, number)
		}
		if some && len(types) == 0 {
			usable = append(usable, i)
		}
	}
	return usable
}

// mixed is for indices of which some keep nanoseconds and some do not. Not every server can sort them by nanoseconds, and none
// those with times before 1970.
func (s *Source) mixed(ctx context.Context, c *clock) error {
	c.nanos, c.numeric = true, "date_nanos"
	a, err := s.search(ctx, c.index, map[string]any{"size": 1, "_source": false, "sort": s.order(*c, Newer), "track_total_hits": false})
	if es.Status(err) == http.StatusBadRequest || err == nil && a.Shards.Failed > 0 {
		c.nanos, c.numeric = false, "date"
		err = nil
	}
	return err
}

// exclude leaves the indices out of the pattern of which the time field is no date. It does what can be done: servers do not
// search any of the others together with them.
func (c *clock) exclude(field string, types map[string]capability) {
	var others []string
	for name, is := range types {
		if name != "date" && name != "date_nanos" {
			others = append(others, is.Indices...)
		}
	}
	if len(others) == 0 {
		return
	}
	slices.Sort(others)
	names := slices.DeleteFunc(strings.Split(c.index, ","), func(name string) bool { return slices.Contains(others, name) })
	if slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, "*") }) {
		for _, name := range others {
			names = append(names, "-"+name)
		}
	} else { // nothing can be left out of aliases
		names = slices.Concat(types["date"].Indices, types["date_nanos"].Indices)
	}
	if all := strings.Join(names, ","); len(all) < 3000 {
		c.index = all
	}
	which := printable(others[0])
	if len(others) > 1 {
		which = fmt.Sprintf("%d indices, as %s", len(others), which)
	}
	c.partial = fmt.Sprintf("%s is no date in %.250s: what is there is left out", field, which)
}

// noTime tells indices without the time field, which is an error, from no indices and from such without documents.
func (s *Source) noTime(ctx context.Context, index string) error {
	body := map[string]any{"size": 0, "track_total_hits": 1}
	a, err := s.search(ctx, index, body)
	if err == nil && a.Total.N > 0 {
		err = &TimeError{Field: s.names.Time, Index: index}
	}
	return err
}

// order is the sort of a request in a direction. The one is exactly the other from behind, as far as documents differ in it.
func (s *Source) order(c clock, dir Direction) []any {
	word := "asc"
	if dir == Older {
		word = "desc"
	}
	by := map[string]any{"order": word, "mode": "min", "unmapped_type": "date"}
	if c.numeric != "" {
		by["numeric_type"] = c.numeric
	}
	sort := []any{map[string]any{s.names.Time: by}}
	missing := "_last"
	if dir == Older {
		missing = "_first"
	}
	for _, i := range c.ties {
		sort = append(sort, map[string]any{s.names.Tie[i]: map[string]any{"order": word, "mode": "min", "unmapped_type": "long", "missing": missing}})
	}
	return sort
}

// place are the sort values of a row, without what a point in time adds. Those of rows that no search gave are made of Time and Tie.
func (s *Source) place(c clock, row *Row) []any {
	values := []any{c.value(row.Time)}
	ties := row.ties
	if len(ties) != len(s.names.Tie) {
		ties = unpackTie(row.Tie, len(s.names.Tie))
	}
	for _, i := range c.ties {
		values = append(values, ties[i])
	}
	return values
}

// beside is the place next to a row's, on the side from which a search comes in a direction, so that all documents of the row's own place are found.
func (s *Source) beside(c clock, row *Row, dir Direction) []any {
	values := s.place(c, row)
	for i, v := range slices.Backward(values) {
		n, end, other := v.(int64), int64(math.MinInt64), int64(math.MaxInt64)
		if dir == Older {
			end, other = other, end
		}
		if n != end {
			values[i] = n - int64(dir)
			break
		}
		values[i] = other
	}
	return values
}

// tieStep is between the ties of documents that have one field and those that have only a later one.
const tieStep = 1 << 60

// packTie makes one number of the values of tie fields, that orders documents as they do: the first that the document has.
func packTie(ties []int64) int64 {
	for i, tie := range ties {
		if tie != math.MaxInt64 && i < 7 {
			return int64(i)*tieStep + min(max(tie, -tieStep/2), tieStep/2-1)
		}
	}
	return math.MaxInt64
}

func unpackTie(tie int64, n int) []int64 {
	ties := slices.Repeat([]int64{math.MaxInt64}, n)
	if i := (tie + tieStep/2) / tieStep; tie < math.MaxInt64-tieStep && int(i) < n {
		ties[i] = tie - i*tieStep
	}
	return ties
}

// placed reads the sort values of a hit into the row, of which ties are all the tie fields.
func (c clock) placed(row *Row, sort []json.RawMessage, ties int) {
	if len(sort) == 0 {
		return
	}
	if at, ok := whole(sort[0]); ok && at != math.MaxInt64 && at != math.MinInt64 {
		row.Time = c.time(at)
	}
	row.ties = slices.Repeat([]int64{math.MaxInt64}, ties)
	for k, i := range c.ties {
		if k+1 < len(sort) {
			if tie, ok := whole(sort[k+1]); ok {
				row.ties[i] = tie
			}
		}
	}
	row.Tie = packTie(row.ties)
}

// compareTies orders rows of one time.
func compareTies(a, b *Row) int {
	if len(a.ties) == len(b.ties) && len(a.ties) > 0 {
		return slices.Compare(a.ties, b.ties)
	}
	return cmp.Compare(a.Tie, b.Tie)
}
