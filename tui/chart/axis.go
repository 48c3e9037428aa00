package chart

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/when"
)

// caption says what is below the cursor or in the brush, else how many lines there are, and how long a bar is.
func (c *Chart) caption() string {
	t := c.theme
	l := draw.NewLine(c.width, t.Text)
	if c.Empty() {
		if c.loading {
			l.Add(t.Dim, "counting …")
		}
		return l.String()
	}
	first, last, picked := c.brushed()
	picked = picked && (c.focus || !c.anchor.IsZero())
	if !picked {
		first, last = 0, len(c.h.Total)-1
	}
	var n int64
	var levels [source.Levels]int64
	for i := first; i <= last; i++ {
		n += c.h.Total[i]
		if i < len(c.h.Levels) {
			for level, count := range c.h.Levels[i] {
				levels[level] += count
			}
		}
	}
	if picked {
		from, to, _ := c.Brush()
		l.Add(t.Accent, c.span(from, to)).Space(2)
	}
	kind := source.Exact
	if c.h.Partial != "" {
		kind = source.AtLeast
	}
	l.Add(t.Strong, draw.Sign(kind)+draw.Number(n))
	if n == 1 {
		l.Add(t.Text, " line")
	} else {
		l.Add(t.Text, " lines")
	}
	for _, level := range stacked {
		if name := level.String(); levels[level] > 0 && name != "" && l.Left() > len(name)+12 {
			l.Space(2).Add(t.Level[level], name).Add(t.Text, " "+draw.Number(levels[level]))
		}
	}
	zone := c.zone.Name(c.start(last))
	var partial string
	if c.h.Partial != "" {
		partial = "░ counted in part  "
	}
	right := fmt.Sprintf("%s%s a bar  %s", partial, length(c.h.Interval), zone)
	if c.loading {
		right = "counting …  " + right
	}
	for _, all := range []string{right, partial + zone, strings.TrimSpace(partial), zone} {
		if space := l.Left() - text.Width(all); space >= 2 && all != "" {
			l.Space(space).Add(t.Dim, all)
			break
		}
	}
	return l.String()
}

// span writes a range with as much as its interval needs; the day once, if it is the same.
func (c *Chart) span(from, to time.Time) string {
	from, to = c.zone.Of(from), c.zone.Of(to)
	layout := "15:04"
	switch {
	case c.h.Interval < time.Second || from.Nanosecond() != 0 || to.Nanosecond() != 0:
		layout = "15:04:05.000"
	case c.h.Interval < time.Minute || from.Second() != 0 || to.Second() != 0:
		layout = "15:04:05"
	}
	end := to.Format(layout)
	if from.Format(time.DateOnly) != to.Format(time.DateOnly) {
		end = to.Format(time.DateOnly + " " + layout)
	}
	return from.Format(time.DateOnly+" "+layout) + " – " + end
}

// length writes how long a bar is: 30 s, 5 min, 12 h, 7 d.
func length(d time.Duration) string {
	for _, u := range []struct {
		name string
		long time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if d >= u.long && d%u.long == 0 {
			return fmt.Sprintf("%d %s", d/u.long, u.name)
		}
	}
	return d.String()
}

// axis is the line below the bars: times, where the list is, and the cursor or the brush.
func (c *Chart) axis() string {
	columns := c.Columns()
	signs := make([]cell, columns)
	for x := range signs {
		signs[x] = cell{' ', blank, blank}
	}
	put := func(x int, s string, p paint) {
		for _, r := range s {
			if x >= 0 && x < columns {
				signs[x] = cell{r, p, blank}
			}
			x++
		}
	}
	if !c.Empty() {
		taken := make([]bool, columns) // by what says where one is: a label cut by it could be misread
		c.marks(func(x int, s string, p paint) {
			put(x, s, p)
			for i := range []rune(s) {
				if x+i >= 0 && x+i < columns {
					taken[x+i] = true
				}
			}
		})
		c.times(put, taken)
	}
	l := draw.NewLine(c.width, c.theme.Text).Space(c.gutter())
	for from := 0; from < columns; {
		to := from
		var run strings.Builder
		for ; to < columns && signs[to].front == signs[from].front; to++ {
			run.WriteRune(signs[to].sign)
		}
		l.Add(c.style(signs[from].front, blank), run.String())
		from = to
	}
	return l.String()
}

// times writes labels at times that are easily read. The first one has the day, as have those of another day.
func (c *Chart) times(put func(int, string, paint), taken []bool) {
	from, end := c.start(0), c.start(len(c.h.Total))
	per := float64(c.Columns()) / float64(end.Sub(from))
	step := tickFor(end.Sub(from), c.Columns())
	var before time.Time
	free := 0
	for at := step.first(c.zone.Of(from)); at.Before(end); at = step.next(at) {
		x := int(float64(at.Sub(from))*per + 0.5)
		label := when.Label(at, step.length, when.Source)
		switch {
		case before.IsZero() && step.length < 24*time.Hour:
			label = at.Format(time.DateOnly+" ") + label
		case before.IsZero() || step.length < 28*24*time.Hour && before.Year() != at.Year():
			label = at.Format(time.DateOnly)
			if step.length >= 28*24*time.Hour {
				label = when.Label(at, step.length, when.Source)
			}
		case step.length < 24*time.Hour && before.YearDay() != at.YearDay():
			label = at.Format("01-02 ") + label
		}
		if x < free || x+1+len(label) > c.Columns() || slices.Contains(taken[x:x+1+len(label)], true) {
			continue
		}
		put(x, "╵", dim)
		put(x+1, label, dim)
		free, before = x+len(label)+3, at
	}
}

// marks shows where the list is, the cursor and the brush.
func (c *Chart) marks(put func(int, string, paint)) {
	if i, ok := c.bucket(c.here); ok {
		put(c.column(i), "▲", here)
	}
	first, last, ok := c.brushed()
	switch {
	case ok && !c.anchor.IsZero():
		a, b := c.column(first), c.column(last)
		put(a, "├"+strings.Repeat("─", max(0, b-a-1)), accent)
		put(b, "┤", accent)
		if i, _ := c.bucket(c.cursor); c.focus {
			put(c.column(i), "▲", accent)
		}
	case ok && c.focus:
		put(c.column(first), "▲", accent)
	}
}

// A tick is the distance of labels: a length, or months.
type tick struct {
	length time.Duration // about, for months
	months int
}

var ticks = []tick{
	{time.Millisecond, 0}, {2 * time.Millisecond, 0}, {5 * time.Millisecond, 0}, {10 * time.Millisecond, 0}, {20 * time.Millisecond, 0},
	{50 * time.Millisecond, 0}, {100 * time.Millisecond, 0}, {200 * time.Millisecond, 0}, {500 * time.Millisecond, 0},
	{time.Second, 0}, {2 * time.Second, 0}, {5 * time.Second, 0}, {10 * time.Second, 0}, {15 * time.Second, 0}, {30 * time.Second, 0},
	{time.Minute, 0}, {2 * time.Minute, 0}, {5 * time.Minute, 0}, {10 * time.Minute, 0}, {15 * time.Minute, 0}, {30 * time.Minute, 0},
	{time.Hour, 0}, {2 * time.Hour, 0}, {3 * time.Hour, 0}, {6 * time.Hour, 0}, {12 * time.Hour, 0},
	{day, 0}, {2 * day, 0}, {7 * day, 0}, {14 * day, 0}, {30 * day, 1}, {91 * day, 3}, {182 * day, 6}, {365 * day, 12}, {5 * 365 * day, 60}, {20 * 365 * day, 240},
}

const day = 24 * time.Hour

// tickFor is the shortest distance at which labels do not touch each other.
func tickFor(span time.Duration, columns int) tick {
	for _, t := range ticks {
		label := len(when.Label(time.Time{}, t.length, when.Source))
		if float64(t.length)/float64(span)*float64(columns) >= float64(label+5) {
			return t
		}
	}
	return ticks[len(ticks)-1]
}

// first is the earliest label that is not before from, in from's zone.
func (t tick) first(from time.Time) time.Time {
	y, m, d := from.Date()
	var at time.Time
	switch {
	case t.months > 0:
		months := (y*12 + int(m) - 1) / t.months * t.months
		at = time.Date(months/12, time.Month(months%12+1), 1, 0, 0, 0, 0, from.Location())
	case t.length >= day:
		at = time.Date(y, m, d, 0, 0, 0, 0, from.Location())
	default:
		midnight := time.Date(y, m, d, 0, 0, 0, 0, from.Location())
		at = midnight.Add(from.Sub(midnight) / t.length * t.length)
	}
	for at.Before(from) {
		at = t.next(at)
	}
	return at
}

// next is the label after one. Where clocks change, labels stay at times that are easily read.
func (t tick) next(at time.Time) time.Time {
	switch {
	case t.months > 0:
		return at.AddDate(0, t.months, 0)
	case t.length >= day:
		return at.AddDate(0, 0, int(t.length/day))
	}
	next := at.Add(t.length)
	_, before := at.Zone()
	if _, after := next.Zone(); t.length > time.Hour && after != before {
		next = next.Add(time.Duration(before-after) * time.Second)
		if !next.After(at) {
			next = at.Add(t.length)
		}
	}
	return next
}
