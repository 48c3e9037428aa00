package chart

import (
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
)

// A cell of the bars: a sign, and the paints of what it fills and of what is behind it.
type cell struct {
	sign        rune
	front, back paint
}

// A paint says in which style something is drawn. Levels come first.
type paint uint8

const (
	blank paint = paint(source.Levels) + iota
	sums        // levels are not known yet
	dim
	accent
	here
)

func (c *Chart) style(front, back paint) lipgloss.Style {
	var s lipgloss.Style
	switch front {
	case blank:
		s = c.theme.Text
	case sums, dim:
		s = c.theme.Dim
	case accent:
		s = c.theme.Accent
	case here:
		s = c.theme.Mark
	default:
		s = lipgloss.NewStyle().Foreground(colour(c.theme.Level[front]))
	}
	if int(back) < source.Levels {
		s = s.Background(colour(c.theme.Level[back]))
	}
	return s
}

// escapes are what begins and ends a style. They are kept, as a chart has many runs of few styles.
func (c *Chart) escapes(front, back paint) (open, end string) {
	key := [2]paint{front, back}
	pair, ok := c.styles[key]
	if !ok {
		before, after, _ := strings.Cut(c.style(front, back).Render("x"), "x")
		pair = [2]string{before, after}
		c.styles[key] = pair
	}
	return pair[0], pair[1]
}

// bars draws the columns, height lines of them.
func (c *Chart) bars(height int) []string {
	columns := c.Columns()
	grid := make([][]cell, height)
	for y := range grid {
		grid[y] = make([]cell, columns)
		for x := range grid[y] {
			grid[y][x] = cell{' ', blank, blank}
		}
	}
	most := c.fill(grid)
	lines := make([]string, height)
	for y, row := range grid {
		l := draw.NewLine(c.width, c.theme.Text)
		if c.gutter() > 0 {
			label, tick := "", "│"
			switch {
			case most == 0:
			case y == 0:
				label, tick = draw.Short(most), "┤"
			case height >= 5 && height%2 == 0 && y == height/2 && most >= 20:
				label, tick = draw.Short(most/2), "┤" // half the height is below the upper edge of this line
			}
			l.Cell(c.theme.Dim, label, gutter-2, true).Space(1).Add(c.theme.Border, tick)
		}
		for from := 0; from < columns; {
			to := from + 1
			for to < columns && row[to].front == row[from].front && row[to].back == row[from].back {
				to++
			}
			var run strings.Builder
			for _, one := range row[from:to] {
				run.WriteRune(one.sign)
			}
			open, end := c.escapes(row[from].front, row[from].back)
			l.Styled(open+run.String()+end, to-from)
			from = to
		}
		lines[y] = l.String()
	}
	return lines
}

// fill puts the bars into the grid, and returns how many lines the highest has.
func (c *Chart) fill(grid [][]cell) (most int64) {
	columns, ground := c.Columns(), len(grid)-1
	if c.Empty() {
		for x := range grid[ground] {
			grid[ground][x] = cell{'_', dim, blank}
		}
		return 0
	}
	all := make([][]band, columns)
	for x := range all {
		var n int64
		all[x], n = c.bands(x)
		most = max(most, n)
	}
	first, last, brush := c.brushed()
	brush = brush && !c.anchor.IsZero()
	cursor := -1
	if i, ok := c.bucket(c.cursor); ok && c.focus {
		cursor = c.column(i)
	}
	for x, bands := range all {
		outside := brush && (c.at(x) < first || c.at(x) > last)
		c.stand(grid, x, bands, most, outside)
		if grid[ground][x].sign == ' ' {
			grid[ground][x] = cell{'_', dim, blank}
		}
		if x != cursor {
			continue
		}
		for y := range grid {
			if sign := grid[y][x].sign; sign == ' ' || sign == '_' {
				grid[y][x] = cell{'│', accent, blank}
			}
		}
	}
	return most
}

// bands are the levels of a column, those without lines left out, and how many lines they are together. A column of several buckets
// shows their mean, as columns do not all have as many.
func (c *Chart) bands(x int) (bands []band, n int64) {
	var levels [source.Levels]int64
	from, to := c.at(x), max(c.at(x+1), c.at(x)+1)
	for i := from; i < to; i++ {
		n += c.h.Total[i]
		if i < len(c.h.Levels) {
			for level, count := range c.h.Levels[i] {
				levels[level] += count
			}
		}
	}
	mean := func(n int64) int64 { return (n + int64(to-from) - 1) / int64(to-from) }
	n = mean(n)
	known := int64(0)
	for _, level := range stacked {
		levels[level] = mean(levels[level])
		known += levels[level]
		if levels[level] > 0 {
			bands = append(bands, band{level, levels[level]})
		}
	}
	switch {
	case known == 0 && n > 0:
		return []band{{source.Level(sums), n}}, n
	case known < n: // what came between the two requests
		bands = append(bands, band{source.None, n - known})
	}
	return bands, max(n, known)
}

// stand draws one column: its bands from the ground, each cell in the paints of the two that fill most of it.
func (c *Chart) stand(grid [][]cell, x int, bands []band, most int64, outside bool) {
	var n int64
	for _, b := range bands {
		n += b.n
	}
	height := draw.Eighths(n, most, 8*len(grid))
	paints := c.split(bands, n, height)
	hatched := c.hatched(x)
	for y := 0; y*8 < height; y++ {
		part := paints[y*8 : min(y*8+8, height)]
		one := &grid[len(grid)-1-y][x]
		*one = mixed(part)
		if hatched && len(part) >= 4 {
			*one = cell{'░', part[len(part)/2], blank}
		}
		if outside {
			one.front, one.back = dim, blank
			if len(part) == 8 {
				one.sign = '█'
			}
		}
	}
}

// split says which paint each eighth of a column has. The worst level keeps one eighth, however few lines it has.
func (c *Chart) split(bands []band, n int64, height int) []paint {
	paints := make([]paint, 0, height)
	var below int64
	for _, b := range bands {
		below += b.n
		to := int(float64(below)/float64(n)*float64(height) + 0.5)
		if len(paints) == 0 && (b.level == source.Fatal || b.level == source.Error || b.level == source.Warn) {
			to = max(to, 1)
		}
		front := paint(b.level)
		if _, none := colour(c.theme.Level[source.Error]).(lipgloss.NoColor); none {
			front = blank // without colours, bands cannot be told apart
		}
		for len(paints) < min(to, height) {
			paints = append(paints, front)
		}
	}
	for len(paints) < height {
		paints = append(paints, paints[len(paints)-1])
	}
	return paints
}

// mixed draws up to eight eighths in one cell, which has two colours at most. A cell that is not full has one, that of the most of
// it, as what is above the bar needs the other.
func mixed(part []paint) cell {
	same := 1
	for same < len(part) && part[same] == part[0] {
		same++
	}
	switch {
	case same == len(part):
		return cell{draw.Lower[len(part)], part[0], blank}
	case len(part) < 8:
		return cell{draw.Lower[len(part)], part[len(part)/2], blank}
	}
	return cell{draw.Lower[same], part[0], part[(same+8)/2]}
}

// hatched says that a column's bucket was only counted in part.
func (c *Chart) hatched(x int) bool {
	i := c.at(x)
	if c.h.Partial != "" {
		return true
	}
	return i == 0 && c.start(0).Before(c.asked.from) && c.start(1).After(c.asked.from) ||
		!c.asked.to.IsZero() && i == len(c.h.Total)-1 && c.start(i+1).After(c.asked.to) && c.start(i).Before(c.asked.to)
}
