package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/text"
)

// A rect is where a part stands; one of no height or width is not drawn.
type rect struct{ x, y, w, h int }

func (r rect) has(x, y int) bool { return x >= r.x && x < r.x+r.w && y >= r.y && y < r.y+r.h }

// A layout is where everything stands on a screen of one size.
type layout struct {
	rail, bar, explain, chart, facets, list, detail, patterns, banner, status rect
	beside                                                                    bool // the detail stands beside the list
}

// Below these sizes parts give way to the list.
const (
	minWidth   = 60 // below it, or below minHeight, there is one pane
	minHeight  = 12
	facetsFrom = 90  // columns from which fields stand beside the list and the detail below them
	besideFrom = 140 // columns from which the detail stands beside the list
)

// arrange computes the layout and tells the parts their sizes.
func (m *model) arrange() {
	w, h := m.width, m.height
	if w <= 0 || h <= 0 {
		return
	}
	var l layout
	small := w < minWidth || h < minHeight
	y := 0
	take := func(r *rect, n int) {
		n = max(0, min(n, h-y))
		*r = rect{0, y, w, n}
		y += n
	}
	if !small {
		take(&l.rail, 1)
	}
	if !small || m.editing {
		take(&l.bar, min(m.bar.Height(), max(1, h/3)))
	}
	if m.showExplain && !small {
		take(&l.explain, min(8, max(0, h/4)))
	}
	if m.showChart && !small {
		take(&l.chart, chartHeight(h))
	}
	bottom := 1
	if n := m.bannerHeight(w); n > 0 && h > 3 {
		bottom += max(0, min(n, h-y-2, 6))
	}
	body := rect{0, y, w, max(0, h-y-bottom)}
	y += body.h
	take(&l.banner, bottom-1)
	take(&l.status, 1)
	m.divide(&l, body, small)
	m.layout = l
	m.resize()
}

// divide gives the middle of the screen to the fields, the list and the detail, or to one of them.
func (m *model) divide(l *layout, body rect, small bool) {
	if m.showPatterns {
		l.patterns = body
		return
	}
	if small || body.w < facetsFrom && m.showFacets && m.focus == keys.Facets {
		switch {
		case m.showDetail && m.focus == keys.Detail:
			l.detail = body
		case m.showFacets && m.focus == keys.Facets:
			l.facets = body
		default:
			l.list = body
		}
		return
	}
	rest := body
	if m.showFacets && body.w >= facetsFrom {
		n := min(44, body.w/4)
		l.facets = rect{body.x, body.y, n, body.h}
		rest.x, rest.w = rest.x+n+1, rest.w-n-1
	}
	l.list = rest
	if !m.showDetail {
		return
	}
	if l.beside = rest.w >= besideFrom; l.beside {
		n := rest.w * 2 / 5
		l.list.w -= n + 1
		l.detail = rect{l.list.x + l.list.w + 1, rest.y, n, rest.h}
		return
	}
	n := rest.h * 3 / 5
	if rest.h < 10 {
		n = rest.h - 3
	}
	l.list.h -= n + 1
	l.detail = rect{rest.x, rest.y + l.list.h + 1, rest.w, n}
}

func chartHeight(h int) int {
	switch {
	case h < 18:
		return 3
	case h < 30:
		return 5
	case h < 50:
		return 8
	}
	return 10
}

// resize tells the parts their sizes.
func (m *model) resize() {
	l := &m.layout
	m.rail.SetSize(l.rail.w, l.rail.h)
	m.bar.SetSize(l.bar.w, l.bar.h)
	m.chart.SetSize(l.chart.w, l.chart.h)
	m.facets.SetSize(l.facets.w, l.facets.h)
	m.list.SetSize(l.list.w, l.list.h)
	m.detail.SetSize(l.detail.w, l.detail.h)
	m.patterns.SetSize(l.patterns.w, l.patterns.h)
}

// View draws the screen. Every part gives as many lines as it has, each as wide as it is, so they are only put beside each other.
func (m *model) View() tea.View {
	v := tea.View{AltScreen: true, WindowTitle: "logtui " + text.Clean(m.contextName())}
	if m.config.Mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	if m.width <= 0 || m.height <= 0 {
		return v
	}
	l := &m.layout
	lines := make([]string, 0, m.height)
	add := func(part []string) { lines = append(lines, part...) }
	if l.rail.h > 0 {
		add(m.rail.Lines())
	}
	if l.bar.h > 0 {
		add(m.bar.Lines())
	}
	if l.explain.h > 0 {
		add(m.explainLines(l.explain.w, l.explain.h))
	}
	if l.chart.h > 0 {
		add(m.chart.Lines())
	}
	add(m.body())
	if l.banner.h > 0 {
		add(m.bannerLines(l.banner.w, l.banner.h))
	}
	add([]string{m.statusLine(l.status.w)})
	for i, o := range m.overlays {
		if x, y, over := o.lines(m, m.width, m.height); len(over) > 0 {
			lines = put(lines, x, y, over)
		}
		if i == len(m.overlays)-1 {
			v.Cursor = o.cursor(m)
		}
	}
	if len(m.overlays) == 0 && m.editing {
		if x, y, over := m.bar.Popup(m.width, m.height-l.bar.y); len(over) > 0 {
			lines = put(lines, x, l.bar.y+y, over)
		}
		if x, y, ok := m.bar.Cursor(); ok {
			v.Cursor = tea.NewCursor(l.bar.x+x, l.bar.y+y)
		}
	}
	if len(lines) > m.height {
		lines = lines[:m.height]
	}
	v.Content = strings.Join(lines, "\n")
	return v
}

// body draws the middle of the screen.
func (m *model) body() []string {
	l := &m.layout
	if l.patterns.h > 0 {
		return m.patterns.Lines()
	}
	var main []string
	switch {
	case l.list.h > 0 && l.beside:
		main = beside(m.theme.Border.Render("│"), m.list.Lines(), m.detail.Lines())
	case l.list.h > 0 && l.detail.h > 0:
		main = append(append(main, m.list.Lines()...), m.headed(m.detail.Title(), l.detail.w))
		main = append(main, m.detail.Lines()...)
	case l.list.h > 0:
		main = m.list.Lines()
	case l.detail.h > 0:
		main = m.detail.Lines()
	}
	if l.facets.h == 0 {
		return main
	}
	if main == nil {
		return m.facets.Lines()
	}
	return beside(m.theme.Border.Render("│"), m.facets.Lines(), main)
}

// beside joins two parts of one height.
func beside(line string, left, right []string) []string {
	joined := make([]string, 0, len(left))
	for i := range left {
		if i < len(right) {
			joined = append(joined, left[i]+line+right[i])
		}
	}
	return joined
}

// put lays part on lines, with its left upper corner at x, y.
func put(lines []string, x, y int, part []string) []string {
	for i, line := range part {
		if y+i < 0 || y+i >= len(lines) {
			continue
		}
		lines[y+i] = over(lines[y+i], x, line)
	}
	return lines
}

// over is line with part laid over it from column x on.
func over(line string, x int, part string) string {
	w := text.Width(part)
	return text.Pad(text.Slice(line, 0, x), x) + part + text.Slice(line, x+w, max(0, text.Width(line)-x-w))
}

// headed is a line across with a title in it.
func (m *model) headed(title string, w int) string {
	title = text.Cut(title, max(0, w-6))
	return m.theme.Border.Render("── ") + m.theme.Strong.Render(title) + m.theme.Border.Render(" "+strings.Repeat("─", max(0, w-4-text.Width(title))))
}
