// Package facet has the lists beside the log: fields with their most frequent values, the path from region to pod, menus to choose
// from, and patterns.
package facet

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// firstOpen fields are open at first: they are the ones that are looked at most.
const firstOpen = 2

// Facets lists fields. One that is open has its most frequent values below it.
type Facets struct {
	theme         *theme.Theme
	width, height int
	focus         bool

	fields []string
	open   map[string]bool
	values map[string]source.Facet // of fields that are or were open
	filter string

	rows   []facetRow // what is listed
	cursor int
	top    int

	lines []string // nil: they have to be drawn
}

// A facetRow is a field (value is -1), one of its values, or a note about them (value is -2).
type facetRow struct {
	field string
	value int
}

const (
	isField = -1
	isNote  = -2
)

// NewFacets returns a list without fields.
func NewFacets(t *theme.Theme) *Facets {
	return &Facets{theme: t, open: map[string]bool{}, values: map[string]source.Facet{}}
}

// SetTheme changes the colours.
func (f *Facets) SetTheme(t *theme.Theme) { f.theme, f.lines = t, nil }

// SetSize sets columns and lines.
func (f *Facets) SetSize(width, height int) {
	if width != f.width || height != f.height {
		f.width, f.height, f.lines = width, height, nil
	}
}

// SetFocus says whether keys go to the list.
func (f *Facets) SetFocus(focus bool) { f.focus, f.lines = focus, nil }

// SetFields sets which fields there are, in the order in which they are listed. At first some are open.
func (f *Facets) SetFields(fields []string) {
	if f.fields == nil {
		for _, field := range fields[:min(firstOpen, len(fields))] {
			f.open[field] = true
		}
	}
	before := f.place()
	f.fields = slices.Clone(fields)
	f.list(before)
}

// SetFacet sets a field's values. They are shown until newer ones come.
func (f *Facets) SetFacet(values source.Facet) {
	before := f.place()
	f.values[values.Field] = values
	f.list(before)
}

// SetFilter lists only fields whose name has a text in it, in any case; all if it is empty.
func (f *Facets) SetFilter(s string) {
	f.filter = strings.TrimSpace(s)
	f.list(f.place())
}

// Filter is what names of fields have to have in them.
func (f *Facets) Filter() string { return f.filter }

// A place is where the cursor is: on a field, or on a value of it.
type place struct {
	field, value string
	onValue      bool
}

func (f *Facets) place() place {
	_, value, onValue := f.Value()
	return place{f.Field(), value, onValue}
}

// list makes the rows anew. The cursor goes to a value, else to its field, else to the first one.
func (f *Facets) list(at place) {
	f.rows, f.lines, f.cursor = f.rows[:0:0], nil, 0
	for _, name := range f.fields {
		if !strings.Contains(strings.ToLower(name), strings.ToLower(f.filter)) {
			continue
		}
		if name == at.field {
			f.cursor = len(f.rows)
		}
		f.rows = append(f.rows, facetRow{name, isField})
		if !f.open[name] {
			continue
		}
		got, known := f.values[name]
		for i, v := range got.Values {
			if at.onValue && name == at.field && v.Value == at.value {
				f.cursor = len(f.rows)
			}
			f.rows = append(f.rows, facetRow{name, i})
		}
		if !known || len(got.Values) == 0 || got.Other > 0 {
			f.rows = append(f.rows, facetRow{name, isNote})
		}
	}
}

// MoveBy moves the cursor by rows; notes are passed over.
func (f *Facets) MoveBy(n int) {
	if len(f.rows) == 0 {
		return
	}
	step := 1
	if n < 0 {
		step = -1
	}
	to := max(0, min(f.cursor+n, len(f.rows)-1))
	for to >= 0 && to < len(f.rows) && f.rows[to].value == isNote {
		to += step
	}
	for to >= len(f.rows) || f.rows[to].value == isNote {
		to-- // the last row is a note; a field is above it
	}
	f.cursor, f.lines = to, nil
}

// Click puts the cursor on a line of the list, and says whether there is something.
func (f *Facets) Click(y int) bool {
	row := f.top + y - 1
	if y < 1 || y >= f.height || row >= len(f.rows) || f.rows[row].value == isNote {
		return false
	}
	f.cursor, f.lines = row, nil
	return true
}

// Field is the one that the cursor is on, or on a value of; "" if there is none.
func (f *Facets) Field() string {
	if f.cursor >= len(f.rows) {
		return ""
	}
	return f.rows[f.cursor].field
}

// Value is the value that the cursor is on; ok is false if it is on a field.
func (f *Facets) Value() (field, value string, ok bool) {
	if f.cursor >= len(f.rows) {
		return "", "", false
	}
	row := f.rows[f.cursor]
	values := f.values[row.field].Values
	if row.value < 0 || row.value >= len(values) {
		return row.field, "", false
	}
	return row.field, values[row.value].Value, true
}

// Toggle opens the field at the cursor, or closes the one that the cursor is in; opened says which.
func (f *Facets) Toggle() (field string, opened bool) {
	if field = f.Field(); field == "" {
		return "", false
	}
	f.open[field] = !f.open[field]
	f.list(place{field: field})
	return field, f.open[field]
}

// Open are the open fields that are listed, from above.
func (f *Facets) Open() []string {
	var open []string
	for _, row := range f.rows {
		if row.value == isField && f.open[row.field] {
			open = append(open, row.field)
		}
	}
	return open
}

// Lines are the list's lines.
func (f *Facets) Lines() []string {
	if f.lines == nil && f.width > 0 && f.height > 0 {
		f.lines = f.draw()
	}
	return f.lines
}

func (f *Facets) draw() []string {
	t := f.theme
	lines := []string{f.head()}
	rows := max(f.height-1, 1)
	f.top = scrolled(f.top, f.cursor, rows, len(f.rows))
	for i := f.top; i < min(f.top+rows, len(f.rows)); i++ {
		base := t.Text
		if i == f.cursor {
			if base = t.Rest; f.focus {
				base = t.Cursor
			}
		}
		lines = append(lines, f.row(f.rows[i], base))
	}
	return draw.Fit(lines, f.width, f.height, t.Text)
}

// head says how many fields there are, and by what they are filtered.
func (f *Facets) head() string {
	t := f.theme
	l := draw.NewLine(f.width, t.Text).Add(t.Strong, "Fields")
	listed := 0
	for _, row := range f.rows {
		if row.value == isField {
			listed++
		}
	}
	count := draw.Number(int64(len(f.fields)))
	if f.filter != "" {
		l.Space(1).Add(t.Accent, text.Cut(text.Clean(f.filter), max(0, l.Left()-18)))
		count = fmt.Sprintf("%d of %s", listed, count)
	}
	if f.fields != nil {
		l.Space(l.Left()-text.Width(count)).Add(t.Dim, count)
	}
	return l.String()
}

// scrolled is the first of rows that are seen, so that the cursor is among them.
func scrolled(top, cursor, rows, all int) int {
	if cursor < top {
		top = cursor
	}
	if cursor >= top+rows {
		top = cursor - rows + 1
	}
	return max(0, min(top, all-rows))
}

func (f *Facets) row(row facetRow, base lipgloss.Style) string {
	t := f.theme
	l := draw.NewLine(f.width, base)
	got, known := f.values[row.field]
	switch row.value {
	case isField:
		sign := "▸ "
		if f.open[row.field] {
			sign = "▾ "
		}
		l.Add(t.Dim, sign)
		docs := ""
		if f.open[row.field] && known {
			docs = draw.Sign(got.Docs.Kind) + draw.Short(got.Docs.N)
		}
		name := text.Clean(row.field)
		space := l.Left() - len([]rune(docs)) - 1
		l.Cell(t.Key, name, max(space, 0), false).Space(1).Add(t.Dim, docs)
		return l.String()
	case isNote:
		note := "counting …"
		if known {
			note = "no values"
			if got.Other > 0 {
				note = fmt.Sprintf("others %s%s", draw.Sign(got.Kind), draw.Short(got.Other))
			}
		}
		return l.Space(4).Add(t.Dim, note).String()
	}
	return f.value(l, got, got.Values[row.value])
}

// value draws a value with its count, and how much it is of the field's documents.
func (f *Facets) value(l *draw.Line, of source.Facet, v source.FacetValue) string {
	t := f.theme
	l.Space(4)
	name, style := text.Clean(strings.ReplaceAll(v.Value, "\n", " ")), t.Text
	if v.Value == "" {
		name, style = `""`, t.Dim
	}
	if last := of.Field[strings.LastIndexByte(of.Field, '.')+1:]; last == "level" || last == "severity" {
		if level := source.ParseLevel(v.Value); level > source.Other {
			style = t.Level[level]
		}
	}
	count := draw.Sign(of.Kind) + draw.Short(v.Count)
	const counts = 6
	bar := 0
	if f.width >= 26 {
		bar = min(8, f.width/5)
	}
	most := int64(1)
	for _, other := range of.Values {
		most = max(most, other.Count)
	}
	l.Cell(style, name, max(0, l.Left()-bar-counts-1), false).Space(1)
	l.Cell(t.Accent, draw.Bar(float64(v.Count)/float64(most), bar), bar, false)
	return l.Cell(t.Number, count, counts, true).String()
}
