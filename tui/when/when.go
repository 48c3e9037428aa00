// Package when reads, keeps and shows ranges of time: relative ones as `last 15m`, absolute ones, and those that are open.
//
// It has no clock: whoever resolves a range says what time it is now, and by the location of that time in which zone days begin.
package when

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A Range is from one bound, included, to another, not included. The zero one is all time. Two are the same if == says so.
type Range struct{ From, To Bound }

// A Bound is one end of a range: open (the zero one), an instant, or one that moves with now.
type Bound struct {
	at   time.Time // UTC, without a monotonic clock
	math string    // of those that move, in one form: now, now-15m, now-1d/d, now-1h-30m
}

// At is the bound at an instant.
func At(t time.Time) Bound {
	if t.IsZero() {
		return Bound{}
	}
	return Bound{at: t.Round(0).UTC()}
}

// Now is the bound that is always now.
var Now = Bound{math: "now"}

// Ago is the bound that stays d behind now.
func Ago(d time.Duration) Bound { return Bound{math: "now-" + span(d)} }

// Last is the range of the newest d.
func Last(d time.Duration) Range { return Range{Ago(d), Now} }

// Between is the range of two instants; a zero one leaves that end open.
func Between(from, to time.Time) Range { return Range{At(from), At(to)} }

// Presets are the ranges of the keys 1 to 9.
var Presets = [9]Range{
	Last(5 * time.Minute), Last(15 * time.Minute), Last(time.Hour), Last(4 * time.Hour), Last(12 * time.Hour), Last(24 * time.Hour),
	{Bound{math: "now-7d"}, Now}, {Bound{math: "now-30d"}, Now}, {},
}

// Open says that there is no bound.
func (b Bound) Open() bool { return b == Bound{} }

// Relative says that the bound moves with now.
func (b Bound) Relative() bool { return b.math != "" }

// Time is the bound's instant: zero if it is open. A unit after a slash is rounded down to, or at the end of a range up to.
func (b Bound) Time(now time.Time, end bool) time.Time {
	if b.math == "" {
		return b.at
	}
	t, rest := now.Round(0), b.math[len("now"):]
	for rest != "" {
		var s step
		s, rest, _ = nextStep(rest)
		t = s.apply(t, end)
	}
	return t
}

// String is the bound as Parse reads it; "" if it is open.
func (b Bound) String() string {
	if b.math != "" || b.Open() {
		return b.math
	}
	return b.at.Format(time.RFC3339Nano)
}

// Relative says that the range moves with now.
func (r Range) Relative() bool { return r.From.Relative() || r.To.Relative() }

// Live says that new lines fall into the range: it ends now, or never.
func (r Range) Live() bool { return r.To == Now || r.To.Open() }

// All says that the range is open at both ends.
func (r Range) All() bool { return r == Range{} }

// Resolve gives the instants of a range, zero for an open end.
func (r Range) Resolve(now time.Time) (from, to time.Time) {
	return r.From.Time(now, false), r.To.Time(now, true)
}

// String is the shortest text that means the range whatever the day and the zone; Parse reads it back.
func (r Range) String() string { return r.text(Bound.String) }

// Text is the range as one says it in a zone, with seconds only where there are some; Parse reads it back with this zone.
func (r Range) Text(loc *time.Location) string {
	from := r.From.at.In(loc)
	return r.text(func(b Bound) string {
		if b.Relative() || b.Open() {
			return b.String()
		}
		t := b.at.In(loc)
		layout := "2006-01-02 15:04"
		if b == r.To && b != r.From && !r.From.at.IsZero() && sameDay(from, t) {
			layout = "15:04"
		}
		switch {
		case t.Nanosecond() != 0:
			layout += ":05.999999999"
		case t.Second() != 0:
			layout += ":05"
		}
		text := t.Format(layout)
		if back, err := time.ParseInLocation("2006-01-02 15:04:05.999999999", t.Format("2006-01-02 15:04:05.999999999"), loc); err != nil || !back.Equal(t) {
			return b.String() // the hour that comes twice when summer ends
		}
		return text
	})
}

func (r Range) text(of func(Bound) string) string {
	for word, named := range words {
		if r == named {
			return word
		}
	}
	switch {
	case r.From.Open():
		return "until " + of(r.To)
	case r.To.Open():
		return "since " + of(r.From)
	case r.To == Now && r.From.math != "":
		if amount, ok := strings.CutPrefix(r.From.math, "now-"); ok && !strings.ContainsAny(amount, "+/") {
			return "last " + strings.ReplaceAll(amount, "-", "")
		}
	}
	return of(r.From) + " to " + of(r.To)
}

func sameDay(a, b time.Time) bool { return a.Year() == b.Year() && a.YearDay() == b.YearDay() }

// MarshalText and UnmarshalText keep ranges in files.
func (r Range) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what MarshalText wrote, or what someone typed into a file, in the machine's zone.
func (r *Range) UnmarshalText(text []byte) error {
	read, err := Parse(string(text), time.Now(), time.Local)
	if err == nil {
		*r = read
	}
	return err
}

// Span is how long the range is; ok is false if an end is open.
func (r Range) Span(now time.Time) (d time.Duration, ok bool) {
	from, to := r.Resolve(now)
	if from.IsZero() || to.IsZero() {
		return 0, false
	}
	return to.Sub(from), true
}

// Shift moves a range by a part of its length, back if the part is negative. It does not pass now: there it stays the last of its
// length. A range that is open does not move.
func (r Range) Shift(part float64, now time.Time) Range {
	length, ok := r.Span(now)
	if !ok {
		return r
	}
	from, to := r.Resolve(now)
	by := times(length, part)
	if part > 0 && !to.Add(by).Before(now) {
		if r.Relative() && !to.Before(now) {
			return r
		}
		if !to.After(now) {
			return Last(whole(length))
		}
	}
	return bounded(from.Add(by), to.Add(by), r)
}

// Zoom makes a range factor times as long (0.5 is half) with the instant around at the same place of it; a zero one is the middle,
// or now in a range that ends now. What has grown does not pass now. A range that is open does not change.
func (r Range) Zoom(factor float64, around, now time.Time) Range {
	length, ok := r.Span(now)
	if !ok || !(factor > 0) {
		return r
	}
	from, to := r.Resolve(now)
	long := max(times(length, factor), time.Millisecond)
	if r.To == Now && (around.IsZero() || factor > 1) {
		if outside(now.Add(-long)) {
			return r
		}
		return Last(whole(long))
	}
	if around.Before(from) || around.After(to) {
		around = from.Add(length / 2)
	}
	at := 0.5
	if length > 0 {
		at = float64(around.Sub(from)) / float64(length)
	}
	start := around.Add(-times(long, at))
	if end := start.Add(long); factor > 1 && end.After(now) && !to.After(now) {
		start = now.Add(-long)
	}
	return bounded(start, start.Add(long), r)
}

// bounded is the range of two instants, or the old one if they are not of a year that can be written.
func bounded(from, to time.Time, old Range) Range {
	if outside(from) || outside(to) || !from.Before(to) {
		return old
	}
	return Between(from, to)
}

// times is d by a factor, at most a century, so that nothing overflows.
func times(d time.Duration, factor float64) time.Duration {
	const most = 100 * 365 * 24 * float64(time.Hour)
	return time.Duration(math.Max(-most, math.Min(most, float64(d)*factor)))
}

// whole rounds the length of a relative range to what is read easily.
func whole(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{time.Hour, time.Minute, time.Second} {
		if d >= 120*unit {
			return d.Round(unit)
		}
	}
	return max(d.Round(time.Millisecond), time.Millisecond)
}

// span writes a duration as an amount of the largest unit that it is a multiple of.
func span(d time.Duration) string {
	d = max(d, time.Millisecond)
	for _, u := range []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d%u.length == 0 && (u.name != "d" || d >= 48*time.Hour) {
			return fmt.Sprintf("%d%s", d/u.length, u.name)
		}
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}
