// Package list draws log lines, oldest at the top, of which any number may be in the server: it keeps those around the cursor and says
// which pages it wants next.
//
// The rows that it has are one gapless part of the view, in the order of source.Compare, each of them once. Whatever comes, pages and
// rows of the tail, is put in its place in it; what belongs beyond an end that is open is not taken, since lines between would be
// missing: it comes with the page that reaches there. What is on the screen is held by a row and a line of it, not by a number, so
// that it stays where it is when rows come or go above.
package list

import (
	"hash/maphash"
	"regexp"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

// limits say how much is held.
type limits struct {
	page    int   // rows that are asked for at once
	pages   int   // that are held around the screen
	tail    int   // rows that are held beyond those once a tail brings some
	bytes   int64 // of documents that are held, beyond those near the screen
	pending int   // rows of the tail that wait for a page under way, before that is asked for once more
}

var standard = limits{page: 200, pages: 25, tail: 50_000, bytes: 48 << 20, pending: 20_000}

// A List is the list of log lines. It is not safe for use by several goroutines.
type List struct {
	names source.Names
	zone  when.Zone
	clock Clock

	theme *theme.Theme
	looks [states]pens
	w, h  int
	focus bool
	note  string

	rows   []*source.Row
	keys   map[uint64]struct{} // hashes of the keys of rows
	seed   maphash.Seed
	bytes  int64
	limits limits

	gen      int
	jumps    int              // since Begin: answers to what was asked before are not for the rows that there are now
	stale    bool             // the rows are those of the view before
	jump     source.Direction // to the oldest (Newer: from there on) or the newest page, which is not here yet; 0 if none
	ends     [2]bool          // there is nothing older, newer
	edges    [2]*source.Row   // where to go on if not from the first or last row
	asked    [2]*request      // under way
	held     [2]bool          // failed: not asked again before something happens
	ahead    source.Direction // where the cursor moved last
	pending  []*source.Row    // rows of the tail that a page under way may lead to
	overflow bool             // there were too many of them
	tailed   bool             // a tail has brought rows
	dropped  int
	badge    int

	cur        int // the row of the cursor
	top, skip  int // the row and its line at the top; line -1 is the day's before it
	y          int // the screen's line of the cursor when it was last settled
	settled    bool
	pin        int // the line that the cursor shall be on when it is settled next, if pinned
	pinned     bool
	follow     bool
	cell       int         // that is chosen; -1: the whole row
	anchor     *source.Row // where the selection begins; nil: there is none
	marks      []*source.Row
	marked     map[uint64]struct{}
	unfolded   bool                // of rows that are not in turned
	turned     map[uint64]struct{} // rows that are not as unfolded says
	wrap       bool
	pan        int
	chosen     []Column
	columns    []Column // those and the message, if any are chosen
	sources    bool     // where rows come from is shown
	widths     []int    // of the columns, the widest value that was drawn where Column leaves it open
	sourceSeen int      // the widest source that was drawn
	search     *regexp.Regexp
	highlights []*regexp.Regexp

	version int // of what all rows are drawn by
	memo    map[*source.Row]*block
	frames  int
	frame   []string
	dirty   bool
	shown   []int // the row of each line of the frame; -1 if none
}

// A Column is a field that rows show.
type Column struct {
	Field string
	Title string // "" is the field's name
	Width int    // cells; 0 is as wide as its values. The last column takes what is left if its width is 0
}

// A Clock is how times are written.
type Clock uint8

// The clocks.
const (
	Millis Clock = iota // 15:04:05.000, the day in the header
	Micros              // 15:04:05.000000
	Full                // 2006-01-02 15:04:05.000
	Delta               // how long after the row above
	clocks
)

// Next is the clock after this one, the first after the last.
func (c Clock) Next() Clock { return (c + 1) % clocks }

// New returns an empty list. names are the fields that rows are drawn from.
func New(t *theme.Theme, names source.Names, zone when.Zone) *List {
	l := &List{names: names, zone: zone, focus: true, limits: standard, seed: maphash.MakeSeed(), keys: map[uint64]struct{}{},
		marked: map[uint64]struct{}{}, turned: map[uint64]struct{}{}, memo: map[*source.Row]*block{}, follow: true, cell: -1}
	l.ends = [2]bool{true, true}
	l.SetTheme(t)
	l.setColumns(nil)
	return l
}

// changed is called when all rows have to be drawn anew.
func (l *List) changed() {
	l.version++
	l.touched()
}

// touched is called when something has moved.
func (l *List) touched() { l.dirty, l.settled = true, false }

// SetTheme sets the colours.
func (l *List) SetTheme(t *theme.Theme) {
	l.theme = t
	l.looks = looks(t)
	l.changed()
}

// SetNames sets the fields that rows are drawn from.
func (l *List) SetNames(names source.Names) {
	l.names = names
	l.sourceSeen = 0
	l.setColumns(l.chosen)
}

// SetZone sets the zone that times are shown in.
func (l *List) SetZone(zone when.Zone) {
	if l.zone != zone {
		l.zone = zone
		l.changed()
	}
}

// SetClock sets how times are written.
func (l *List) SetClock(c Clock) {
	l.clock = c % clocks
	l.changed()
}

// Clock is how times are written.
func (l *List) Clock() Clock { return l.clock }

// SetSize sets how many cells and lines there are.
func (l *List) SetSize(w, h int) {
	w, h = max(w, 0), max(h, 0)
	if w == l.w && h == l.h {
		return
	}
	if w != l.w {
		l.keepLine()
		l.version++
	}
	l.w, l.h = w, h
	l.touched()
}

// SetFocus says whether keys go to the list.
func (l *List) SetFocus(on bool) {
	if l.focus != on {
		l.focus = on
		l.touched()
	}
}

// SetNote sets what is said where there are no rows. It must be clean.
func (l *List) SetNote(note string) {
	if l.note != note {
		l.note = note
		l.touched()
	}
}

// SetColumns chooses what rows show besides their time, level, source and message. The source is not shown if a column has it; the
// message is behind the columns if it is none of them.
func (l *List) SetColumns(columns []Column) {
	if !slices.Equal(columns, l.chosen) {
		l.setColumns(columns)
	}
}

func (l *List) setColumns(columns []Column) {
	l.chosen = slices.Clone(columns)
	l.columns = slices.Clone(columns)
	has := func(field string) bool {
		return field != "" && slices.ContainsFunc(l.chosen, func(c Column) bool { return c.Field == field })
	}
	if len(columns) > 0 && !has(l.names.Message) {
		l.columns = append(l.columns, Column{Field: l.names.Message})
	}
	l.sources = !has(l.names.Pod) && !has(l.names.Host) && !slices.ContainsFunc(l.names.App, has)
	l.widths = make([]int, len(l.columns))
	l.cell, l.pan = -1, 0
	l.changed()
}

// ColumnFields are the fields that are shown besides time, level and message.
func (l *List) ColumnFields() []string {
	var fields []string
	if l.sources {
		fields = append(fields, l.names.Pod)
	}
	for _, c := range l.chosen {
		if c.Field != l.names.Message {
			fields = append(fields, c.Field)
		}
	}
	return fields
}

// Text is rows as they are shown, each with its day and all of its message, which is as it was stored: not safe to draw.
func (l *List) Text(rows []*source.Row) string {
	var b strings.Builder
	for _, row := range rows {
		if !row.Time.IsZero() {
			b.WriteString(l.at(row).Format("2006-01-02T15:04:05.000Z07:00 "))
		}
		if row.Level != source.None {
			b.WriteString(row.Level.String() + " ")
		}
		if _, from := l.sourceOf(row); l.sources && from != "" {
			b.WriteString(from + " ")
		}
		for _, c := range l.chosen {
			if value, ok := text.Get(row.Source, c.Field); ok && c.Field != l.names.Message {
				b.WriteString(value + " ")
			}
		}
		message, ok := text.Get(row.Source, l.names.Message)
		if !ok {
			message = string(row.Source)
		}
		b.WriteString(strings.TrimRight(message, "\r\n") + "\n")
	}
	return b.String()
}

// SetWrap says whether long messages go on on the next lines.
func (l *List) SetWrap(on bool) {
	if l.wrap != on {
		l.keepLine()
		l.wrap = on
		l.pan = 0
		l.changed()
	}
}

// Wrapped says whether they do.
func (l *List) Wrapped() bool { return l.wrap }

// SetHighlights sets what is shown as found besides the search.
func (l *List) SetHighlights(all []*regexp.Regexp) {
	l.highlights = all
	l.changed()
}

// Search sets what Found looks for and what is shown as found; nil ends it.
func (l *List) Search(re *regexp.Regexp) {
	l.search = re
	l.changed()
}

// SetBound sets how many rows are held, beyond 5,000 around the screen, once a tail brings some.
func (l *List) SetBound(rows int) { l.limits.tail = max(rows, 0) }

// Rows are those that the list has, oldest first. They must not be changed.
func (l *List) Rows() []*source.Row { return l.rows }

// AtEnd says that the newest row is the newest of all, as far as is known.
func (l *List) AtEnd() bool { return l.ends[1] && !l.Loading() }

// Empty says that there are none.
func (l *List) Empty() bool { return len(l.rows) == 0 }

// Newest is the last of the rows, nil if there are none.
func (l *List) Newest() *source.Row {
	if len(l.rows) == 0 {
		return nil
	}
	return l.rows[len(l.rows)-1]
}

// Dropped is how many rows of the tail, since Begin, are not held any more, or never were because the screen is far away. They come
// back with pages.
func (l *List) Dropped() int { return l.dropped }

// Badge is how many rows the tail has brought while the list was not following.
func (l *List) Badge() int { return l.badge }

// Loading says that the rows are those of before, and others are under way.
func (l *List) Loading() bool { return l.stale || l.jump != 0 }

// Position is the time of the cursor's row as people read it, with its day; "" if there is no row.
func (l *List) Position() string {
	row := l.Cursor()
	if row == nil || row.Time.IsZero() {
		return ""
	}
	return l.at(row).Format("2006-01-02 15:04:05.000")
}
