package search

import (
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// A rounding cuts time into intervals: of one unit of the calendar, or of a number of milliseconds.
type rounding struct {
	unit   string // minute, hour, day, week, month, quarter, year; "" for a fixed interval
	millis int64  // the fixed interval
	zone   *time.Location
	offset int64 // milliseconds that intervals begin later
}

var units = map[string]string{
	"1s": "second", "second": "second", "1m": "minute", "minute": "minute", "1h": "hour", "hour": "hour", "1d": "day", "day": "day",
	"1w": "week", "week": "week", "1M": "month", "month": "month", "1q": "quarter", "quarter": "quarter", "1y": "year", "year": "year",
}

// interval reads calendar_interval, fixed_interval or interval, which is either.
func (p *parser) interval(name string, v body.Value, r *rounding) {
	if r.unit != "" || r.millis != 0 {
		p.fail(illegal("Cannot use [%s] with another interval configuration option.", name))
		return
	}
	text := p.text(name, v)
	if unit, ok := units[text]; ok && name != "fixed_interval" {
		r.unit = unit
		return
	}
	if name == "calendar_interval" {
		p.fail(illegal("The supplied interval [%s] could not be parsed as a calendar interval.", clip(text)))
		return
	}
	d, err := ParseDuration(text)
	if err != nil || strings.ContainsAny(text, "-.") || d < time.Millisecond {
		if err == nil {
			p.fail(illegal("Zero or negative time interval not supported"))
			return
		}
		p.fail(illegal("failed to parse setting [date_histogram.fixedInterval] with value [%s] as a time value: unit is missing or unrecognized", clip(text)))
		return
	}
	r.millis = d.Milliseconds()
}

// floor is the beginning of the interval that t is in, in milliseconds since 1970.
func (r *rounding) floor(t int64) int64 { return r.cut(t-r.offset) + r.offset }

// next is the beginning of the interval behind the one that begins at t.
func (r *rounding) next(t int64) int64 {
	t -= r.offset
	if r.unit == "" {
		if r.zone == time.UTC {
			return t + r.millis + r.offset
		}
		next := r.instant(r.local(t) + r.millis)
		if next <= t {
			next = t + r.millis
		}
		return next + r.offset
	}
	switch r.unit {
	case "second":
		return t + 1000 + r.offset
	case "minute":
		return t + 60_000 + r.offset
	case "hour":
		return t + 3_600_000 + r.offset
	}
	// The middle of what comes next, wherever the clocks change.
	d := time.UnixMilli(t).In(r.zone)
	switch r.unit {
	case "day":
		d = d.AddDate(0, 0, 1).Add(4 * time.Hour)
	case "week":
		d = d.AddDate(0, 0, 10)
	case "month":
		d = d.AddDate(0, 0, 45)
	case "quarter":
		d = d.AddDate(0, 0, 120)
	case "year":
		d = d.AddDate(0, 0, 400)
	}
	return r.cut(d.UnixMilli()) + r.offset
}

func (r *rounding) cut(t int64) int64 {
	millis := r.millis
	switch r.unit {
	case "":
	case "second":
		millis = 1000
	case "minute":
		millis = 60_000
	case "hour":
		millis = 3_600_000
	case "day":
		if r.zone == time.UTC {
			millis = 86_400_000
		}
	}
	if millis > 0 && r.zone == time.UTC {
		return floorDiv(t, millis) * millis
	}
	if millis > 0 {
		return r.cutLocal(t, millis)
	}
	d := time.UnixMilli(t).In(r.zone)
	year, month, day := d.Date()
	switch r.unit {
	case "week":
		day -= (int(d.Weekday()) + 6) % 7
	case "month":
		day = 1
	case "quarter":
		month, day = (month-1)/3*3+1, 1
	case "year":
		month, day = 1, 1
	}
	return r.midnight(year, month, day)
}

// cutLocal cuts by what clocks in the zone show.
func (r *rounding) cutLocal(t, millis int64) int64 {
	local := r.local(t)
	cut := floorDiv(local, millis) * millis
	// With the offset that holds at t the interval began so long ago, unless the clocks were changed since.
	began := t - (local - cut)
	if start, _ := time.UnixMilli(t).In(r.zone).ZoneBounds(); !start.IsZero() && began < start.UnixMilli() {
		if r.unit != "" {
			return max(r.instant(cut), start.UnixMilli()-millis)
		}
		return r.instant(cut)
	}
	return began
}

// local is what clocks in the zone show at t, as milliseconds.
func (r *rounding) local(t int64) int64 {
	_, offset := time.UnixMilli(t).In(r.zone).Zone()
	return t + int64(offset)*1000
}

// instant is when clocks in the zone show local: the first time, or if they leave it out, when they do.
func (r *rounding) instant(local int64) int64 {
	guess := local
	for range 3 {
		_, offset := time.UnixMilli(guess).In(r.zone).Zone()
		next := local - int64(offset)*1000
		if next == guess {
			break
		}
		guess = next
	}
	if r.local(guess) == local {
		// It may have been shown before, under the offset that held then.
		if start, _ := time.UnixMilli(guess).In(r.zone).ZoneBounds(); !start.IsZero() {
			_, before := start.Add(-time.Millisecond).In(r.zone).Zone()
			if earlier := local - int64(before)*1000; earlier < start.UnixMilli() && r.local(earlier) == local {
				return earlier
			}
		}
		return guess
	}
	start, end := time.UnixMilli(guess).In(r.zone).ZoneBounds()
	if r.local(guess) < local {
		return end.UnixMilli()
	}
	return start.UnixMilli()
}

// midnight is when a day begins.
func (r *rounding) midnight(year int, month time.Month, day int) int64 {
	return r.instant(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).UnixMilli())
}
