package facet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/tui/drain"
	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// A Pattern is what many lines have in common.
type Pattern struct {
	Template string
	Count    int
	Level    source.Level // that most of the lines have
	Last     time.Time
}

// Patterns are those of clusters, in their order.
func Patterns(clusters []*drain.Cluster) []Pattern {
	all := make([]Pattern, len(clusters))
	for i, c := range clusters {
		all[i] = Pattern{Template: c.Template, Count: c.Count, Last: c.Last}
		most := 0
		for level, n := range c.Levels {
			if n > 0 && n >= most {
				all[i].Level, most = source.Level(level), n
			}
		}
	}
	return all
}

// sorts are the orders of patterns, the one at first first.
var sorts = []struct {
	name    string
	compare func(a, b Pattern) int
}{
	{"most lines first", func(a, b Pattern) int { return cmp.Compare(b.Count, a.Count) }},
	{"fewest lines first", func(a, b Pattern) int { return cmp.Compare(a.Count, b.Count) }},
	{"worst level first", func(a, b Pattern) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(b.Count, a.Count))
	}},
	{"newest first", func(a, b Pattern) int { return b.Last.Compare(a.Last) }},
}

// A Table lists patterns.
type Table struct {
	theme         *theme.Theme
	width, height int

	rows   []Pattern
	order  []int // of rows, as they are listed
	seen   int   // lines that were read
	end    bool  // these are all
	sort   int
	cursor int
	top    int

	lines []string // nil: they have to be drawn
}

// NewTable returns one without rows.
func NewTable(t *theme.Theme) *Table { return &Table{theme: t} }

// SetTheme changes the colours.
func (t *Table) SetTheme(to *theme.Theme) { t.theme, t.lines = to, nil }

// SetSize sets columns and lines.
func (t *Table) SetSize(width, height int) {
	if width != t.width || height != t.height {
		t.width, t.height, t.lines = width, height, nil
	}
}

// SetRows replaces the patterns; seen lines were read, and end says that these are all there are. The cursor stays on its pattern,
// unless that is the first.
func (t *Table) SetRows(rows []Pattern, seen int, end bool) {
	at, was := t.Index()
	template := ""
	if was && t.cursor > 0 {
		template = t.rows[at].Template
	}
	t.rows, t.seen, t.end = rows, seen, end
	t.arrange(template)
}

// arrange sorts, and puts the cursor on a pattern.
func (t *Table) arrange(template string) {
	t.order, t.lines = make([]int, len(t.rows)), nil
	for i := range t.order {
		t.order[i] = i
	}
	slices.SortStableFunc(t.order, func(a, b int) int { return sorts[t.sort].compare(t.rows[a], t.rows[b]) })
	t.cursor = max(0, slices.IndexFunc(t.order, func(i int) bool { return t.rows[i].Template == template }))
}

// NextSort changes the order; the cursor goes to the first row.
func (t *Table) NextSort() {
	t.sort = (t.sort + 1) % len(sorts)
	t.arrange("")
	t.top = 0
}

// MoveBy moves the cursor by rows, PageBy by screens.
func (t *Table) MoveBy(n int) {
	t.cursor, t.lines = max(0, min(t.cursor+n, len(t.order)-1)), nil
}

// PageBy moves the cursor by screens.
func (t *Table) PageBy(n int) { t.MoveBy(n * max(1, t.height-2)) }

// Click puts the cursor on a line of the table, and says whether there is a pattern.
func (t *Table) Click(y int) bool {
	i := t.top + y - 2
	if y < 2 || y >= t.height || i >= len(t.order) {
		return false
	}
	t.cursor, t.lines = i, nil
	return true
}

// Index is the place of the pattern at the cursor in what SetRows was given.
func (t *Table) Index() (i int, ok bool) {
	if t.cursor >= len(t.order) {
		return 0, false
	}
	return t.order[t.cursor], true
}

// Lines are the table's lines.
func (t *Table) Lines() []string {
	if t.lines == nil && t.width > 0 && t.height > 0 {
		t.lines = t.draw()
	}
	return t.lines
}

func (t *Table) draw() []string {
	th := t.theme
	lines := []string{t.head()}
	bar := 0
	if t.width >= 70 {
		bar = 10
	}
	shares := 0
	if t.width >= 40 {
		shares = 8
	}
	names := draw.NewLine(t.width, th.Text).Cell(th.Dim, "lines", 9, true).Cell(th.Dim, "share", shares, true).Space(1)
	if bar > 0 {
		names.Space(bar + 1)
	}
	lines = append(lines, names.Cell(th.Dim, "level", 6, false).Add(th.Dim, "pattern").String())
	rows := max(t.height-2, 1)
	t.top = scrolled(t.top, t.cursor, rows, len(t.order))
	most := 1
	for _, row := range t.rows {
		most = max(most, row.Count)
	}
	for i := t.top; i < min(t.top+rows, len(t.order)); i++ {
		row, base := t.rows[t.order[i]], th.Text
		if i == t.cursor {
			base = th.Cursor
		}
		l := draw.NewLine(t.width, base)
		l.Cell(th.Number, draw.Number(int64(row.Count)), 9, true).Cell(th.Dim, share(row.Count, t.seen), shares, true).Space(1)
		if bar > 0 {
			l.Cell(th.Accent, draw.Bar(float64(row.Count)/float64(most), bar), bar, false).Space(1)
		}
		l.Cell(th.Level[row.Level], row.Level.String(), 6, false)
		for n, part := range strings.Split(text.Clean(row.Template), drain.Wild) {
			if n > 0 {
				l.Add(th.Accent, drain.Wild)
			}
			l.Add(th.Text, part)
		}
		lines = append(lines, l.String())
	}
	return draw.Fit(lines, t.width, t.height, th.Text)
}

// share is a part in per cent.
func share(n, of int) string {
	percent := 100 * float64(n) / float64(max(of, 1))
	if n > 0 && percent < 0.1 {
		return "<0.1 %"
	}
	return fmt.Sprintf("%.1f %%", percent)
}

func (t *Table) head() string {
	th := t.theme
	l := draw.NewLine(t.width, th.Text)
	what := " patterns in the newest "
	if t.end {
		what = " patterns in all "
	}
	if len(t.rows) == 1 {
		what = strings.Replace(what, "patterns", "pattern", 1)
	}
	l.Add(th.Strong, draw.Number(int64(len(t.rows)))).Add(th.Text, what).Add(th.Strong, draw.Number(int64(t.seen))).Add(th.Text, " lines")
	order := sorts[t.sort].name
	if space := l.Left() - len(order); space >= 2 {
		l.Space(space).Add(th.Dim, order)
	}
	return l.String()
}
