// Package chart draws how many lines there are over time: bars of eighths of a cell, stacked by level, with a cursor and a brush.
package chart

import (
	"image/color"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

// gutter are the columns at the left, of the numbers; a narrow chart has none.
const (
	gutter     = 6
	gutterFrom = 30
)

// A Chart is a histogram on the screen. With three lines or more it has a caption above and the times below its bars; with one, bars alone.
type Chart struct {
	theme  *theme.Theme
	zone   when.Zone
	width  int
	height int
	focus  bool

	h       source.Histogram
	loading bool
	asked   struct{ from, to time.Time } // what the buckets at the ends may reach beyond

	// The cursor and the brush's other end are kept as times: they stay where they are when there are new buckets.
	cursor, anchor time.Time // beginnings of buckets; zero: there is none
	here           time.Time // where the list is

	lines  []string // nil: they have to be drawn
	styles map[[2]paint][2]string
}

// New returns a chart without data.
func New(t *theme.Theme) *Chart {
	c := &Chart{}
	c.SetTheme(t)
	return c
}

// SetTheme changes the colours.
func (c *Chart) SetTheme(t *theme.Theme) {
	c.theme, c.lines, c.styles = t, nil, map[[2]paint][2]string{}
}

// SetZone sets the zone of the times.
func (c *Chart) SetZone(z when.Zone) { c.zone, c.lines = z, nil }

// SetSize sets columns and lines.
func (c *Chart) SetSize(width, height int) {
	if width != c.width || height != c.height {
		c.width, c.height, c.lines = width, height, nil
	}
}

// SetFocus says whether keys go to the chart. If not, it shows no cursor, but the brush.
func (c *Chart) SetFocus(focus bool) {
	if c.focus != focus {
		c.focus, c.lines = focus, nil
	}
}

// SetHistogram shows counts. The cursor and the brush stay at their times, or go if these are no longer in it.
func (c *Chart) SetHistogram(h source.Histogram) {
	c.h, c.lines = h, nil
	if _, ok := c.bucket(c.cursor); !ok {
		c.cursor = time.Time{}
	}
	if _, ok := c.bucket(c.anchor); !ok {
		c.anchor = time.Time{}
	}
}

// SetRange says what range was asked for: buckets that reach beyond it are only counted in part, and are hatched. A zero end is open.
func (c *Chart) SetRange(from, to time.Time) { c.asked.from, c.asked.to, c.lines = from, to, nil }

// SetLoading says that newer counts are on their way. What is there is shown until they come.
func (c *Chart) SetLoading(loading bool) {
	if c.loading != loading {
		c.loading, c.lines = loading, nil
	}
}

// SetHere marks where the list is; a zero time marks nothing.
func (c *Chart) SetHere(t time.Time) {
	before, was := c.bucket(c.here)
	after, is := c.bucket(t)
	if c.here = t; before != after || was != is {
		c.lines = nil
	}
}

// Empty says that there are no counts yet.
func (c *Chart) Empty() bool { return len(c.h.Total) == 0 }

// Columns is how many bars there is space for: the interval is best chosen so that there are as many, or some less.
func (c *Chart) Columns() int { return max(1, c.width-c.gutter()) }

func (c *Chart) gutter() int {
	if c.width < gutterFrom {
		return 0
	}
	return gutter
}

// bucket is the index of the bucket that t falls into.
func (c *Chart) bucket(t time.Time) (int, bool) {
	if t.IsZero() || c.h.Interval <= 0 || t.Before(c.h.From) {
		return 0, false
	}
	i := int(t.Sub(c.h.From) / c.h.Interval)
	return i, i < len(c.h.Total)
}

func (c *Chart) start(i int) time.Time { return c.h.From.Add(time.Duration(i) * c.h.Interval) }

// MoveBy moves the cursor by buckets. Where there is none it begins where the list is, else at the newest bucket.
func (c *Chart) MoveBy(n int) {
	last := len(c.h.Total) - 1
	if last < 0 || c.h.Interval <= 0 {
		return
	}
	i, ok := c.bucket(c.cursor)
	if ok {
		i += n
	} else if i, ok = c.bucket(c.here); !ok {
		i = last
	}
	c.cursor, c.lines = c.start(max(0, min(i, last))), nil
}

// Select begins a brush at the cursor, or ends the one there is.
func (c *Chart) Select() {
	if c.lines = nil; c.anchor.IsZero() {
		c.anchor = c.cursor
	} else {
		c.anchor = time.Time{}
	}
}

// Selecting says that there is a brush.
func (c *Chart) Selecting() bool { return !c.anchor.IsZero() }

// Clear takes the cursor and the brush away, and says whether there were any.
func (c *Chart) Clear() bool {
	had := !c.cursor.IsZero()
	c.cursor, c.anchor, c.lines = time.Time{}, time.Time{}, nil
	return had
}

// Brush is the range from the one end of the brush to the cursor, or the cursor's bucket alone, as far as it was asked for; ok is
// false if there is no cursor.
func (c *Chart) Brush() (from, to time.Time, ok bool) {
	first, last, ok := c.brushed()
	if !ok {
		return from, to, false
	}
	from, to = c.start(first), c.start(last+1)
	if from.Before(c.asked.from) {
		from = c.asked.from
	}
	if !c.asked.to.IsZero() && to.After(c.asked.to) && from.Before(c.asked.to) {
		to = c.asked.to
	}
	return from, to, true
}

// brushed are the first and last bucket of the brush.
func (c *Chart) brushed() (first, last int, ok bool) {
	i, ok := c.bucket(c.cursor)
	if !ok {
		return 0, 0, false
	}
	j, brush := c.bucket(c.anchor)
	if !brush {
		j = i
	}
	return min(i, j), max(i, j), true
}

// Click puts the cursor where a mouse points: at a column of the chart. It says whether that is on a bar's place.
func (c *Chart) Click(x int) bool {
	x -= c.gutter()
	n := len(c.h.Total)
	if x < 0 || x >= c.Columns() || n == 0 {
		return false
	}
	c.cursor, c.lines = c.start(c.at(x)), nil
	return true
}

// at is the first bucket of a column; several columns have the same one if there are less buckets than columns.
func (c *Chart) at(column int) int { return column * len(c.h.Total) / c.Columns() }

// column is the middle one of a bucket's columns.
func (c *Chart) column(bucket int) int {
	n := max(len(c.h.Total), 1)
	first := (bucket*c.Columns() + n - 1) / n
	last := ((bucket+1)*c.Columns()+n-1)/n - 1
	return min((first+max(first, last))/2, c.Columns()-1)
}

// Lines are the chart's lines.
func (c *Chart) Lines() []string {
	if c.lines == nil {
		c.lines = c.draw()
	}
	return c.lines
}

func (c *Chart) draw() []string {
	if c.width <= 0 || c.height <= 0 {
		return nil
	}
	var lines []string
	bars := c.height
	if c.height >= 3 {
		bars -= 2
		lines = append(lines, c.caption())
	} else if c.height == 2 {
		bars--
	}
	lines = append(lines, c.bars(bars)...)
	if c.height >= 2 {
		lines = append(lines, c.axis())
	}
	return draw.Fit(lines, c.width, c.height, c.theme.Text)
}

// A band is a run of levels that are drawn in one colour, and its share of a column.
type band struct {
	level source.Level // whose colour it has
	n     int64
}

// stacked are the bands from below: the worst are on the ground, where few lines are seen, too.
var stacked = []source.Level{source.Fatal, source.Error, source.Warn, source.Info, source.Debug, source.Trace, source.Other, source.None}

// colour is that of a level's bars: of its background, if it has one of its own.
func colour(s lipgloss.Style) color.Color {
	if _, none := s.GetBackground().(lipgloss.NoColor); !none {
		return s.GetBackground()
	}
	return s.GetForeground()
}
