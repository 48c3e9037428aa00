package facet

import (
	"slices"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// A Rail is one line with the path from the region to the pod, what may be chosen next, and how many lines and errors these have.
type Rail struct {
	theme *theme.Theme
	names []string // of the levels
	path  []string // chosen; "" is any
	width int
	high  int
	focus bool

	level int // the cursor
	of    int // the level of the nodes
	nodes []source.Node
	known bool

	lines []string // nil: they have to be drawn
}

// NewRail returns one whose levels have names: region, zone, …
func NewRail(t *theme.Theme, names []string) *Rail {
	return &Rail{theme: t, names: names, path: make([]string, len(names))}
}

// SetTheme changes the colours.
func (r *Rail) SetTheme(t *theme.Theme) { r.theme, r.lines = t, nil }

// SetSize sets columns and lines; it draws one.
func (r *Rail) SetSize(width, height int) {
	if width != r.width || height != r.high {
		r.width, r.high, r.lines = width, height, nil
	}
}

// SetFocus says whether keys go to the rail.
func (r *Rail) SetFocus(focus bool) { r.focus, r.lines = focus, nil }

// SetPath sets what is chosen on each level; "" is any.
func (r *Rail) SetPath(path [5]string) {
	if slices.Equal(r.path, path[:len(r.path)]) {
		return
	}
	copy(r.path, path[:])
	r.nodes, r.known, r.lines = nil, false, nil
}

// SetNodes sets what there is on a level, below the path.
func (r *Rail) SetNodes(level int, nodes []source.Node) {
	r.of, r.nodes, r.known, r.lines = level, nodes, true, nil
}

// MoveBy moves the cursor along the levels.
func (r *Rail) MoveBy(n int) { r.SetLevel(r.level + n) }

// SetLevel puts the cursor on a level.
func (r *Rail) SetLevel(level int) { r.level, r.lines = max(0, min(level, len(r.names)-1)), nil }

// Level is the one that the cursor is on.
func (r *Rail) Level() int { return r.level }

// Click puts the cursor on the level at a column, and says whether there is one.
func (r *Rail) Click(x int) bool {
	at := 1
	for level := range r.names {
		name, _ := r.crumb(level)
		end := at + text.Width(name)
		if x < end {
			r.SetLevel(level)
			return x >= at
		}
		at = end + text.Width(between)
	}
	return false
}

// crumb is what is shown of a level, and whether it is a choice.
func (r *Rail) crumb(level int) (name string, chosen bool) {
	if r.path[level] != "" {
		return text.Cut(text.Clean(r.path[level]), max(8, r.width/4)), true
	}
	if n := len(r.nodes); r.known && r.of == level && n > 0 {
		if n == 1 {
			return "1 " + r.names[level], false
		}
		return draw.Number(int64(n)) + " " + r.names[level] + "s", false
	}
	return "any " + r.names[level], false
}

const between = " › "

// Lines is the one line, and blank ones if it has more.
func (r *Rail) Lines() []string {
	if r.lines == nil && r.width > 0 && r.high > 0 {
		r.lines = draw.Fit([]string{r.draw()}, r.width, r.high, r.theme.Text)
	}
	return r.lines
}

func (r *Rail) draw() string {
	t := r.theme
	l := draw.NewLine(r.width, t.Text).Space(1)
	for level := range r.names {
		if level > 0 {
			l.Add(t.Dim, between)
		}
		name, chosen := r.crumb(level)
		style := t.Dim
		switch {
		case r.focus && level == r.level:
			style = t.Cursor
		case chosen:
			style = t.Strong
		case r.known && r.of == level && len(r.nodes) > 0:
			style = t.Text
		}
		l.Add(style, name)
	}
	r.next(l)
	return l.String()
}

// next fills the rest of the line with the nodes that have most lines, and their errors.
func (r *Rail) next(l *draw.Line) {
	t := r.theme
	sep := "   "
	for _, node := range r.nodes {
		name, count := text.Clean(node.Value), draw.Short(node.Count)
		name = text.Cut(name, 24)
		errors := ""
		if node.Errors > 0 {
			errors = draw.Short(node.Errors) + "!"
		}
		width := len(sep) + text.Width(name) + 1 + len(count)
		if errors != "" {
			width += 1 + len(errors)
		}
		if width > l.Left()-1 {
			return
		}
		l.Add(t.Dim, sep).Add(t.Text, name).Space(1).Add(t.Dim, count)
		if errors != "" {
			l.Space(1).Add(t.Level[source.Error], errors)
		}
		sep = "  "
	}
}
