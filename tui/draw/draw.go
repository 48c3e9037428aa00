// Package draw has what parts of the screen draw with: lines of an exact width, numbers in few cells, bars and sparklines.
//
// It neither knows colours, which are a theme's, nor makes text harmless, which is [text.Clean]'s.
package draw

import (
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
)

// A Line is put together from pieces and is exactly as wide as it has to be.
type Line struct {
	b    strings.Builder
	base lipgloss.Style
	left int
}

// NewLine begins a line of width cells. What a piece's style leaves open, and the space behind the last one, is of the base.
func NewLine(width int, base lipgloss.Style) *Line { return &Line{base: base, left: max(width, 0)} }

// Left is how many cells are free.
func (l *Line) Left() int { return l.left }

// Add puts a piece of clean text at the end; what does not fit is cut off, with an ellipsis.
func (l *Line) Add(style lipgloss.Style, piece string) *Line {
	if l.left == 0 || piece == "" {
		return l
	}
	width := text.Width(piece)
	if width > l.left {
		piece = text.Cut(piece, l.left)
		width = text.Width(piece)
	}
	l.left -= width
	if l.base.GetReverse() { // colours would be those of backgrounds
		style = l.base.Bold(style.GetBold()).Underline(style.GetUnderline())
	}
	l.b.WriteString(style.Inherit(l.base).Render(piece))
	return l
}

// Space adds n blank cells.
func (l *Line) Space(n int) *Line { return l.Add(l.base, strings.Repeat(" ", max(0, min(n, l.left)))) }

// Cell adds a piece in exactly width cells, cut or followed by space; right puts the space in front.
func (l *Line) Cell(style lipgloss.Style, piece string, width int, right bool) *Line {
	width = min(width, l.left)
	piece = text.Cut(piece, width)
	space := width - text.Width(piece)
	if right {
		return l.Space(space).Add(style, piece)
	}
	return l.Add(style, piece).Space(space)
}

// Styled adds a piece that has its styles already, and is width cells wide.
func (l *Line) Styled(piece string, width int) *Line {
	if width <= l.left {
		l.left -= width
		l.b.WriteString(piece)
	}
	return l
}

// Full says that the line has no free cell.
func (l *Line) Full() bool { return l.left == 0 }

// String is the whole line.
func (l *Line) String() string {
	l.Space(l.left)
	return l.b.String()
}

// Fit makes exactly height lines of width cells of some: blank ones follow, and those that are too many are dropped.
func Fit(lines []string, width, height int, base lipgloss.Style) []string {
	if height <= 0 {
		return nil
	}
	for len(lines) < height {
		lines = append(lines, NewLine(width, base).String())
	}
	return lines[:height]
}

// Short writes a number in at most four cells: 999, 1.2k, 12k, 3.4M.
func Short(n int64) string {
	if n < 0 {
		return "-" + Short(-max(n, -1<<62))
	}
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	units := "kMGTPE"
	for i := range units {
		// Rounded down: it must not say more than there is.
		if tenths := n / 100; tenths < 100 {
			return strconv.FormatInt(tenths/10, 10) + "." + strconv.FormatInt(tenths%10, 10) + units[i:i+1]
		}
		if n /= 1000; n < 1000 {
			return strconv.FormatInt(n, 10) + units[i:i+1]
		}
	}
	return "max"
}

// Number writes a number with a comma between thousands.
func Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(s) - 3; i > first; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Sign is what stands before a count of some kind: nothing, ≥ or ≈.
func Sign(kind source.CountKind) string {
	switch kind {
	case source.AtLeast:
		return "≥"
	case source.About:
		return "≈"
	}
	return ""
}

// Lower are blocks that fill a cell from below, by eighths.
var Lower = []rune(" ▁▂▃▄▅▆▇█")

// Bar is a bar from the left, of part of width cells by halves; what is not nothing is seen.
func Bar(part float64, width int) string {
	halves := int(part*float64(width)*2 + 0.5)
	if part > 0 {
		halves = max(halves, 1)
	}
	halves = max(0, min(halves, width*2))
	return strings.Repeat("━", halves/2) + strings.Repeat("╸", halves%2)
}

// Spark draws values in a line of exactly width cells, the largest one as a full block; what is not zero is seen.
func Spark(values []int64, width int) string {
	if width <= 0 {
		return ""
	}
	sums := Resample(values, width)
	var most int64
	for _, n := range sums {
		most = max(most, n)
	}
	cells := make([]rune, width)
	for i, n := range sums {
		cells[i] = Lower[Eighths(n, most, 8)]
	}
	return string(cells)
}

// Eighths is how many of all a bar of n has if that of most has all: at least one unless n is zero.
func Eighths(n, most int64, all int) int {
	if n <= 0 || most <= 0 {
		return 0
	}
	return max(1, min(all, int(float64(n)/float64(most)*float64(all)+0.5)))
}

// Resample brings values to width columns: several are added up in one, or one is repeated over several.
func Resample(values []int64, width int) []int64 {
	out := make([]int64, width)
	if len(values) == 0 {
		return out
	}
	for i := range out {
		from := i * len(values) / width
		for _, n := range values[from:max((i+1)*len(values)/width, from+1)] {
			out[i] += n
		}
	}
	return out
}
