package list

import (
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// A state is how a whole row looks.
type state uint8

const (
	plain  state = iota
	faded        // of the view before
	cursor       // the cursor's, in the part that has the focus
	rest         // the cursor's otherwise, or beside the cell that is chosen
	picked       // of the selection
	states
)

// A pen is what switches a style on.
type pen string

// pens are the looks of what a row consists of, in one state of it.
type pens struct {
	text, dim, key, late, mark, match, here pen
	level                                   [source.Levels]pen
	message                                 [source.Levels]pen
	app                                     []pen
}

// looks are the pens of all states.
func looks(t *theme.Theme) (all [states]pens) {
	over := [states]lipgloss.Style{faded: t.Dim, cursor: t.Cursor, rest: t.Rest, picked: t.Picked}
	for s := range all {
		p, base := &all[s], over[s]
		none := lipgloss.NoColor{}
		clash := base.GetBackground() != none && base.GetBackground() == t.Dim.GetForeground() // of sixteen colours, few can be told from it
		one := state(s) == faded || base.GetReverse() || clash
		on := func(style lipgloss.Style) pen {
			if one {
				style = base
			}
			return penOf(style.Inherit(base))
		}
		p.text, p.dim, p.key, p.late, p.mark = on(t.Text), on(t.Dim), on(t.Key), on(t.Warn), on(t.Mark)
		p.match, p.here = penOf(t.Match), penOf(t.Match)
		switch state(s) {
		case faded:
			p.match, p.here = p.text, p.text
		case cursor, rest:
			p.here = penOf(t.Here)
		}
		for i, style := range t.Level {
			p.level[i], p.message[i] = on(style), p.text
		}
		p.message[source.Error], p.message[source.Fatal] = p.level[source.Error], p.level[source.Error]
		for _, style := range t.App {
			p.app = append(p.app, on(style))
		}
	}
	return all
}

func penOf(style lipgloss.Style) pen {
	on, _, _ := strings.Cut(style.Render("x"), "x")
	return pen(on)
}

// A line is put together from pieces, and is exactly as wide as it has to be.
type line struct {
	b    strings.Builder
	pen  pen
	left int
}

func (o *line) put(p *pen, s string) {
	if s == "" || o.left <= 0 {
		return
	}
	w := text.Width(s)
	if w > o.left {
		s = text.Slice(s, 0, o.left)
		w = text.Width(s)
	}
	o.left -= w
	o.write(p, s)
}

func (o *line) write(p *pen, s string) {
	if *p != o.pen {
		if o.pen != "" {
			o.b.WriteString("\x1b[m")
		}
		o.b.WriteString(string(*p))
		o.pen = *p
	}
	o.b.WriteString(s)
}

// to fills up to where n cells are left.
func (o *line) to(p *pen, n int) {
	if n = o.left - max(n, 0); n > 0 {
		o.write(p, blanks(n))
		o.left -= n
	}
}

func (o *line) end(p *pen) string {
	o.to(p, 0)
	if o.pen != "" {
		o.b.WriteString("\x1b[m")
	}
	return o.b.String()
}

const space = "                                                                                                                                "

func blanks(n int) string {
	if n <= len(space) {
		return space[:n]
	}
	return strings.Repeat(" ", n)
}

// A layout is where the parts of rows are, in cells.
type layout struct {
	time    int // its width; 0: there is none. It is followed by the sign of late rows
	level   int // where its letter is; -1: nowhere
	source  int // its width; 0: there is none
	content int // where columns, or messages, begin
	last    int // where the last column begins, from content on
}

func (l *List) layout() layout {
	o := layout{level: -1, content: 1}
	if l.w >= 30 {
		switch {
		case l.w < 50:
			o.time = 8
		case l.clock == Full && l.w >= 60:
			o.time = 23
		case l.clock == Micros && l.w >= 60:
			o.time = 15
		default:
			o.time = 12
		}
		o.content += o.time + 1
	}
	if l.w >= 10 {
		o.level = o.content
		o.content += 2
	}
	if l.sources && l.w >= 60 && l.sourceSeen > 0 {
		o.source = min(max(l.sourceSeen, len("source")), max(8, min(36, l.w/5)))
		o.content += o.source + 1
	}
	for i := range max(0, len(l.columns)-1) {
		o.last += l.width(i) + titleSpace
	}
	return o
}

// width is that of a column.
func (l *List) width(i int) int {
	c := l.columns[i]
	if c.Width > 0 {
		return c.Width
	}
	return max(4, min(valueMost, max(l.widths[i], text.Width(title(c)))))
}

func title(c Column) string {
	if c.Title != "" {
		return clean(c.Title, 200)
	}
	return clean(c.Field, 200)
}

// cells are the fields of the cells of a row.
func (l *List) cells() []string {
	o := l.layout()
	var all []string
	if o.time > 0 {
		all = append(all, l.names.Time)
	}
	if o.level >= 0 {
		all = append(all, l.names.Level)
	}
	if o.source > 0 {
		all = append(all, sourceCell)
	}
	if len(l.columns) == 0 {
		return append(all, l.names.Message)
	}
	for _, c := range l.columns {
		all = append(all, c.Field)
	}
	return all
}

// cellAt is the number of the cell at a place of the width; -1 if there is none.
func (l *List) cellAt(x int) int {
	o, n := l.layout(), -1
	if o.time > 0 && x >= 1 {
		n++
	}
	if o.level >= 0 && x >= o.level {
		n++
	}
	if o.source > 0 && x >= o.content-o.source-1 {
		n++
	}
	if x < o.content {
		return n
	}
	n++
	x -= o.content - l.pan
	for i := range max(0, len(l.columns)-1) {
		if x -= l.width(i) + titleSpace; x < 0 {
			return n + i
		}
	}
	return n + max(0, len(l.columns)-1)
}

// A block is a row as it is drawn.
type block struct {
	lines []string
	look  look
	used  int // the frame that had it last
}

// A look is all that a row's lines depend on, besides the row. above counts with the clock Delta only.
type look struct {
	version                int
	state                  state
	cell                   int
	marked, unfolded, late bool
	above                  *source.Row
}

// lookOf is how row i looks now.
func (l *List) lookOf(i int) look {
	row := l.rows[i]
	k := look{version: l.version, cell: -1, unfolded: l.isUnfolded(row), late: row.Late}
	if len(l.marked) > 0 {
		_, k.marked = l.marked[l.hash(row)]
	}
	first, last := l.selected()
	switch {
	case l.Loading():
		k.state = faded
	case i == l.cur && l.cell >= 0 && l.focus:
		k.state, k.cell = rest, l.cell
	case i == l.cur && l.focus:
		k.state = cursor
	case i == l.cur:
		k.state = rest
	case i >= first && i <= last:
		k.state = picked
	}
	if l.clock == Delta && i > 0 {
		k.above = l.rows[i-1]
	}
	return k
}

// block returns row i as it is drawn.
func (l *List) block(i int) *block {
	row := l.rows[i]
	b := l.memo[row]
	k := l.lookOf(i)
	if b == nil || b.look != k {
		b = &block{lines: l.paint(row, k), look: k}
		l.memo[row] = b
	}
	b.used = l.frames
	return b
}

// forgetBlocks lets go of those that have not been drawn of late, if there are many.
func (l *List) forgetBlocks() {
	if len(l.memo) <= 4*l.h+64 {
		return
	}
	for row, b := range l.memo {
		if b.used < l.frames-1 {
			delete(l.memo, row)
		}
	}
}

// Lines draws the list: as many lines as it is high, each as wide as it is. They must not be changed.
func (l *List) Lines() []string {
	if !l.dirty && l.frame != nil {
		return l.frame
	}
	for range 4 { // columns become as wide as the values that are met, which may make rows higher
		version := l.version
		l.draw()
		if l.version == version {
			break
		}
		l.settled = false
	}
	l.forgetBlocks()
	l.dirty = false
	return l.frame
}

func (l *List) draw() {
	l.frames++
	l.frame, l.shown = make([]string, 0, l.h), make([]int, 0, l.h)
	add := func(s string, row int) {
		if len(l.frame) < l.h {
			l.frame, l.shown = append(l.frame, s), append(l.shown, row)
		}
	}
	l.settle()
	if l.header() > 0 {
		add(l.headline(), -1)
	}
	if len(l.rows) > 0 {
		for i, skip := l.top, l.skip; i < len(l.rows) && len(l.frame) < l.h; i++ {
			if i > l.top {
				skip = l.head(i)
			}
			if skip < 0 {
				add(l.dayLine(l.rows[i]), -1)
				skip = 0
			}
			for _, s := range l.block(i).lines[skip:] {
				add(s, i)
			}
		}
	}
	p := &l.looks[plain]
	for len(l.frame) < l.h {
		o := line{left: l.w}
		if len(l.rows) == 0 && len(l.frame) == l.h/2 {
			note := text.Cut(l.note, l.w)
			o.to(&p.dim, l.w-(l.w-text.Width(note))/2)
			o.put(&p.dim, note)
		}
		add(o.end(&p.dim), -1)
	}
}

// headline names the columns; over the times it has the day of the first row.
func (l *List) headline() string {
	p, o := &l.looks[plain], line{left: l.w}
	lay := l.layout()
	day := ""
	if len(l.rows) > 0 && !l.rows[l.top].Time.IsZero() {
		day = l.at(l.rows[l.top]).Format("2006-01-02")
	}
	o.to(&p.dim, l.w-1)
	if lay.time > 0 {
		if lay.time < len(day) {
			day = day[5:]
		}
		o.put(&p.dim, text.Cut(day, lay.time+1))
	}
	o.to(&p.dim, l.w-(lay.content-max(0, lay.source+1)))
	if lay.source > 0 {
		o.put(&p.dim, text.Cut("source", lay.source))
	}
	o.to(&p.dim, l.w-lay.content)
	if len(l.columns) == 0 {
		o.put(&p.dim, "message")
		return o.end(&p.dim)
	}
	var pieces []piece
	for i, c := range l.columns {
		name := title(c)
		if i < len(l.columns)-1 || c.Width > 0 {
			name = text.Pad(text.Cut(name, l.width(i)), l.width(i)+titleSpace)
		}
		pieces = append(pieces, piece{&p.dim, name})
	}
	o.slice(pieces, l.pan)
	return o.end(&p.dim)
}

// dayLine stands before the first row of a day.
func (l *List) dayLine(row *source.Row) string {
	p, o := &l.looks[plain], line{left: l.w}
	o.put(&p.dim, "── ")
	o.put(&p.dim, l.at(row).Format("Monday 2006-01-02")+" ")
	o.put(&p.dim, strings.Repeat("─", max(0, o.left)))
	return o.end(&p.dim)
}

// slice puts what pieces have from a cell on.
func (o *line) slice(pieces []piece, from int) {
	for _, part := range pieces {
		if o.left <= 0 {
			return
		}
		if from <= 0 {
			o.put(part.pen, part.text)
			continue
		}
		w := text.Width(part.text)
		if from < w {
			o.put(part.pen, text.Slice(part.text, from, w-from))
		}
		from = max(0, from-w)
	}
}

// sign is how many lines follow that are not drawn.
func sign(more int) string { return "…+" + strconv.Itoa(more) }
