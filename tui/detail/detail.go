// Package detail shows one document: as a tree with its message first, as a table of its fields, as JSON, or as it came.
//
// A Detail is drawn by Lines and moved by its methods; it does nothing by itself. What is folded, and the field that the cursor is on,
// stay the same from one document to the next.
package detail

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

// A Mode is a way to show a document.
type Mode uint8

// The ways.
const (
	Tree Mode = iota
	Table
	JSON
	Raw
)

// String is the mode's name.
func (m Mode) String() string { return [...]string{"tree", "table", "JSON", "raw"}[m%4] }

// Next is the mode after this one; after the last comes the first.
func (m Mode) Next() Mode { return (m + 1) % 4 }

// A Detail is the part of the screen that shows a document.
type Detail struct {
	theme *theme.Theme
	names source.Names
	zone  when.Zone
	w, h  int
	focus bool
	mode  Mode
	wrap  bool

	row     *source.Row
	doc     []byte
	loading bool
	root    *node // nil if the document is not JSON
	flat    []*node

	all   int8            // -1: everything is folded, 1: nothing is, 0: as is usual
	folds map[string]bool // what was folded or unfolded by hand, by id
	found *regexp.Regexp

	lines  []line // nil: to be made
	cursor int
	top    int
	want   spot     // where the cursor was put; the document may have no such field
	drawn  []string // nil: to be drawn
	plain  []string // lines as they are drawn without the cursor; "" if that was not needed yet
}

// New returns a detail without a document, for podbeat's names of fields.
func New(t *theme.Theme) *Detail {
	return &Detail{theme: t, names: source.Defaults(), folds: map[string]bool{}}
}

// SetNames says which fields are the message and the level.
func (d *Detail) SetNames(names source.Names) {
	d.names = names
	d.change(true)
}

// SetTheme sets what it is drawn with.
func (d *Detail) SetTheme(t *theme.Theme) {
	d.theme = t
	d.change(true)
}

// SetZone sets the zone in which times are given beside what the document says.
func (d *Detail) SetZone(zone when.Zone) {
	d.zone = zone
	d.change(true)
}

// SetFocus says whether keys go here.
func (d *Detail) SetFocus(on bool) {
	if d.focus != on {
		d.focus = on
		d.change(false)
	}
}

// SetSize sets how many cells and lines there are.
func (d *Detail) SetSize(w, h int) {
	w, h = max(w, 0), max(h, 0)
	if w != d.w || h != d.h {
		wider := w != d.w
		d.w, d.h = w, h
		d.change(wider)
	}
}

// SetDocument shows a document. With doc nil it is not here yet: the fields of the row are shown until it comes. Row nil: there is
// none.
func (d *Detail) SetDocument(row *source.Row, doc []byte) {
	y := d.cursor - d.top
	d.row, d.loading, d.doc = row, false, doc
	if row == nil {
		d.doc = nil
	} else if doc == nil {
		d.doc, d.loading = row.Source, true
	}
	d.root, d.flat = nil, nil
	if d.doc != nil {
		if d.root = parse(d.doc); d.root != nil {
			d.flat = flat(d.doc)
		}
	}
	d.lines, d.drawn = nil, nil
	d.cursor, _ = d.at(d.want)
	d.top = max(d.cursor-y, 0)
}

// SetMode sets how it is shown.
func (d *Detail) SetMode(mode Mode) {
	if mode != d.mode {
		d.mode = mode % 4
		d.change(true)
	}
}

// Mode is how it is shown.
func (d *Detail) Mode() Mode { return d.mode }

// Wrap says whether long values go on on the next line. Messages always do.
func (d *Detail) Wrap(on bool) {
	d.wrap = on
	d.change(true)
}

// MoveBy moves the cursor by n lines.
func (d *Detail) MoveBy(n int) {
	d.cursor = min(max(d.cursor+n, 0), max(len(d.made())-1, 0))
	d.want = d.place()
	d.change(false)
}

// Page moves the cursor by n screens.
func (d *Detail) Page(n int) { d.MoveBy(n * max(d.h-1, 1)) }

// Top moves the cursor to the first line.
func (d *Detail) Top() { d.MoveBy(-len(d.made())) }

// Bottom moves the cursor to the last line.
func (d *Detail) Bottom() { d.MoveBy(len(d.made())) }

// Toggle folds what the cursor is on or in, or unfolds it.
func (d *Detail) Toggle() {
	n := d.node()
	if n == nil || d.mode == Table || d.mode == Raw {
		return
	}
	for n.parent != nil && n.form == 0 && (d.mode == JSON || !n.more) {
		n = n.parent
	}
	if n.parent == nil {
		return
	}
	d.folds[n.id] = !(&builder{Detail: d}).folded(n, d.mode == Tree && d.seldom(n))
	d.lines, d.drawn = nil, nil
	if at, ok := d.at(spot{n.id, 0}); ok {
		d.cursor = at
	}
	d.want = d.place()
}

// FoldAll folds everything that can be folded.
func (d *Detail) FoldAll() { d.foldAll(-1) }

// UnfoldAll unfolds everything.
func (d *Detail) UnfoldAll() { d.foldAll(1) }

func (d *Detail) foldAll(all int8) {
	d.all = all
	clear(d.folds)
	d.change(true)
}

// folded tells whether a node is folded; usual says whether it is if nobody has asked for anything.
func (b *builder) folded(n *node, usual bool) bool {
	if b.open || n.parent == nil {
		return false
	}
	if folded, ok := b.folds[n.id]; ok {
		return folded
	}
	return b.all < 0 || b.all == 0 && usual
}

// seldom tells whether an object is seldom read: what describes the shipper and the machine, labels, and what is long.
func (d *Detail) seldom(n *node) bool {
	switch n.path {
	case "agent", "ecs", "input", "host", "cloud", "container", "process", "orchestrator", "data_stream", "beat":
		return true
	}
	if _, ok := n.scalars(); ok {
		return true
	}
	return strings.HasSuffix(n.path, ".labels") || strings.HasSuffix(n.path, ".annotations") || len(n.kids) > 40
}

// Field is the field that the cursor is on, and its value; of an array that is folded, its first. ok is false if it has no value
// that could be asked for: then path may still be the name of an object.
func (d *Detail) Field() (path string, value any, ok bool) {
	n := d.node()
	if n == nil {
		return "", nil, false
	}
	value = n.value
	if values, scalars := n.scalars(); scalars && len(values) > 0 {
		value = values[0]
	}
	if values, scalars := value.([]any); scalars {
		if value = nil; len(values) > 0 {
			value = values[0]
		}
	}
	return n.path, value, value != nil && n.path != ""
}

// Find marks what the expression matches; nil marks nothing.
func (d *Detail) Find(re *regexp.Regexp) {
	d.found = re
	clear(d.plain)
	d.change(false)
}

// FindNext moves the cursor to the next line (dir 1) or the one before (dir -1) that has a match, and unfolds what it is in; after the
// last comes the first.
func (d *Detail) FindNext(dir int) {
	if d.found == nil || d.row == nil {
		return
	}
	all := d.build(true)
	here := d.place()
	at := -1
	for i, l := range all {
		if l.spot() == here {
			at = i
		}
	}
	for n := 1; n <= len(all); n++ {
		l := all[((at+dir*n)%len(all)+len(all))%len(all)]
		if !l.has(d.found) {
			continue
		}
		for up := l.node; up != nil; up = up.parent {
			if (up != l.node || l.nth > 0) && (&builder{Detail: d}).folded(up, d.mode == Tree && d.seldom(up)) {
				d.folds[up.id] = false
			}
		}
		d.change(true)
		if at, ok := d.at(l.spot()); ok {
			d.MoveBy(at - d.cursor)
		}
		return
	}
}

// Title says what is shown, for the line above.
func (d *Detail) Title() string {
	if d.row == nil {
		return "no document"
	}
	title := fmt.Sprintf("document, %s, line %d of %d", d.mode, min(d.cursor+1, len(d.made())), len(d.made()))
	if d.loading {
		title += ", reading"
	}
	return title
}

// Lines are the lines to show: as many as its height, each as wide as its width.
func (d *Detail) Lines() []string {
	if d.drawn != nil {
		return d.drawn
	}
	lines := d.made()
	d.cursor = min(max(d.cursor, 0), max(len(lines)-1, 0))
	d.top = min(max(d.top, d.cursor-d.h+1), d.cursor, max(len(lines)-d.h, 0))
	d.drawn = []string{}
	for i := d.top; i < min(d.top+d.h, len(lines)); i++ {
		if i != d.cursor && d.plain[i] == "" {
			d.plain[i] = d.draw(lines[i], false)
		}
		if i == d.cursor {
			d.drawn = append(d.drawn, d.draw(lines[i], true))
		} else {
			d.drawn = append(d.drawn, d.plain[i])
		}
	}
	blank := strings.Repeat(" ", d.w)
	for len(d.drawn) < d.h {
		d.drawn = append(d.drawn, blank)
	}
	return d.drawn
}

func (d *Detail) draw(l line, here bool) string {
	base := d.theme.Text
	switch {
	case here && d.focus:
		base = d.theme.Cursor
	case here:
		base = d.theme.Rest
	}
	out := draw.NewLine(d.w, base)
	out.Space(l.indent).Add(d.theme.Dim, l.sign)
	d.pieces(out, d.theme.Key, l.key)
	d.pieces(out, *l.style, l.text)
	if l.note != "" {
		out.Add(d.theme.Dim, "  "+l.note)
	}
	return out.String()
}

// control finds what Clean has written for a character that is not shown.
var control = regexp.MustCompile(`[\x{2400}-\x{2421}\x{fffd}]|⟨U\+[0-9A-F]{4,6}⟩`)

// pieces draws text, with what was searched for and what stands for control characters in their own styles.
func (d *Detail) pieces(out *draw.Line, style lipgloss.Style, s string) {
	if s == "" {
		return
	}
	if d.found == nil {
		d.controls(out, style, s)
		return
	}
	at := 0
	for _, f := range d.found.FindAllStringIndex(s, 100) {
		if f[0] == f[1] {
			continue
		}
		d.controls(out, style, s[at:f[0]])
		out.Add(d.theme.Match, s[f[0]:f[1]])
		at = f[1]
	}
	d.controls(out, style, s[at:])
}

func (d *Detail) controls(out *draw.Line, style lipgloss.Style, s string) {
	at := 0
	for _, f := range control.FindAllStringIndex(s, 100) {
		out.Add(style, s[at:f[0]])
		out.Add(d.theme.Escape, s[f[0]:f[1]])
		at = f[1]
	}
	out.Add(style, s[at:])
}

// change says that it has to be drawn again; lines that they have to be made again, with the cursor where it is.
func (d *Detail) change(lines bool) {
	d.drawn = nil
	if !lines || d.lines == nil {
		return
	}
	y := d.cursor - d.top
	d.lines = nil
	d.cursor, _ = d.at(d.want)
	d.top = max(d.cursor-y, 0)
}

func (d *Detail) made() []line {
	if d.lines == nil {
		d.lines = d.build(false)
		d.plain = make([]string, len(d.lines))
	}
	return d.lines
}

// A spot is a place in a document, in any mode: a node's line.
type spot struct {
	id  string
	nth int
}

func (l line) spot() spot {
	if l.node == nil {
		return spot{"", l.nth}
	}
	return spot{l.node.id, l.nth}
}

func (l line) has(re *regexp.Regexp) bool {
	return matches(re, l.key) || matches(re, cmp.Or(l.full, l.text))
}

// matches tells whether a text has a match that is not empty.
func matches(re *regexp.Regexp, s string) bool {
	return slices.ContainsFunc(re.FindAllStringIndex(s, 100), func(f []int) bool { return f[0] < f[1] })
}

func (d *Detail) place() spot {
	if lines := d.made(); d.cursor < len(lines) {
		return lines[d.cursor].spot()
	}
	return spot{}
}

// at is the line of a place: of its node, else of the field that has the same name in another mode, else of what it is folded in.
func (d *Detail) at(place spot) (int, bool) {
	best, found := 0, false
	path, _, _ := strings.Cut(place.id, "\x01")
	for i, l := range d.made() {
		if l.spot() == place {
			return i, true
		}
		if l.node == nil || place.id == "" || found && len(d.lines[best].node.id) > len(place.id) {
			continue
		}
		id, _, _ := strings.Cut(l.node.id, "\x01")
		same := id == path || strings.HasPrefix(path, id+".") || strings.HasPrefix(path, id+"[")
		if same && id != "" && (!found || len(id) > len(d.lines[best].node.id)) {
			best, found = i, true
		}
	}
	return best, found
}

// node is what the cursor is on.
func (d *Detail) node() *node {
	if lines := d.made(); d.cursor < len(lines) {
		return lines[d.cursor].node
	}
	return nil
}

// width is how wide a line's beginning is.
func (l line) width() int { return l.indent + text.Width(l.sign) + text.Width(l.key) }
