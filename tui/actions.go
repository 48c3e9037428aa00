package tui

import (
	"maps"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/when"
)

// key takes a key: the overlay on top has it first, then a line that is typed, then the part that has the focus.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if key == "ctrl+c" {
		return tea.Quit
	}
	m.status.toast = "" // it has been seen
	if n := len(m.overlays); n > 0 {
		top := m.overlays[n-1]
		cmd, stays := top.key(m, msg)
		if !stays {
			if i := slices.Index(m.overlays, top); i >= 0 {
				m.overlays = slices.Delete(m.overlays, i, i+1)
			}
		}
		return cmd
	}
	if m.editing {
		return m.typeQuery(msg)
	}
	action := m.keys.Action(m.place(), key)
	if action == "" && (m.focus == keys.Rail || m.focus == keys.Chart) { // which leave these to the list below them
		action = m.keys.Action(keys.List, key)
	}
	if action == "" {
		m.say("%s is no key here: %s lists them", keys.Shown(key), m.keys.Key("help"))
		return nil
	}
	return m.do(action, key)
}

// place is the part that has the keys.
func (m *model) place() keys.Place {
	if m.showPatterns {
		return keys.Patterns
	}
	return m.focus
}

// do does an action; key is the one that was pressed, "" if none was.
func (m *model) do(action, key string) tea.Cmd {
	if action == "preset" {
		return m.preset(key)
	}
	if f := actions[action]; f != nil {
		return f(m)
	}
	return nil
}

// plain is an action without a command.
func plain(f func(*model)) func(*model) tea.Cmd {
	return func(m *model) tea.Cmd { f(m); return nil }
}

// actions are what each binding does; a test holds them against the bindings.
var actions map[string]func(*model) tea.Cmd

func init() { // a variable's initializer may not lead back to it, as the palette does
	actions = map[string]func(*model) tea.Cmd{}
	for _, part := range []map[string]func(*model) tea.Cmd{anywhere(), inList(), inParts()} {
		maps.Copy(actions, part)
	}
}

// anywhere are the actions of whatever has the focus.
func anywhere() map[string]func(*model) tea.Cmd {
	return map[string]func(*model) tea.Cmd{
		"query":           plain((*model).focusQuery),
		"search":          plain((*model).askSearch),
		"search-next":     func(m *model) tea.Cmd { return m.findNext(source.Newer) },
		"search-previous": func(m *model) tea.Cmd { return m.findNext(source.Older) },
		"range":           plain((*model).askRange),
		"goto":            plain((*model).askInstant),
		"lens":            (*model).nextLens,
		"tail":            (*model).toggleTail,
		"pause":           plain((*model).pause),
		"back":            (*model).back,
		"forward":         (*model).forward,
		"refresh":         (*model).refresh,
		"exact":           (*model).exact,
		"shift-back":      func(m *model) tea.Cmd { return m.shift(-0.25) },
		"shift-forward":   func(m *model) tea.Cmd { return m.shift(0.25) },
		"window-back":     func(m *model) tea.Cmd { return m.shift(-1) },
		"window-forward":  func(m *model) tea.Cmd { return m.shift(1) },
		"zoom-in":         func(m *model) tea.Cmd { return m.zoom(0.5) },
		"zoom-out":        func(m *model) tea.Cmd { return m.zoom(2) },
		"climb":           (*model).climb,
		"rail":            (*model).toRail,
		"chips":           plain((*model).editChips),
		"facets":          (*model).toggleFacets,
		"patterns":        (*model).togglePatterns,
		"stats":           (*model).stats,
		"histogram": plain(func(m *model) {
			m.showChart = !m.showChart
			m.focusOn(keys.List)
			m.roomFor(m.showChart, m.layout.chart)
		}),
		"explain": plain(func(m *model) {
			m.showExplain = !m.showExplain
			m.arrange()
			m.roomFor(m.showExplain, m.layout.explain)
		}),
		"saved":          plain((*model).pickSaved),
		"save":           plain((*model).askSave),
		"history":        plain((*model).pickHistory),
		"context":        plain((*model).pickContext),
		"theme":          plain((*model).pickTheme),
		"zone":           (*model).nextZone,
		"columns":        plain((*model).pickColumns),
		"export":         plain((*model).askExport),
		"copy":           plain((*model).pickCopy),
		"copy-row":       func(m *model) tea.Cmd { return m.copy("row") },
		"editor":         func(m *model) tea.Cmd { return m.openIn(true) },
		"pager":          func(m *model) tea.Cmd { return m.openIn(false) },
		"pipe":           plain((*model).askPipe),
		"focus-next":     plain(func(m *model) { m.cycle(1) }),
		"focus-previous": plain(func(m *model) { m.cycle(-1) }),
		"palette":        plain((*model).pickAction),
		"help":           plain(func(m *model) { m.open(m.help()) }),
		"escape":         (*model).escape,
		"redraw":         func(*model) tea.Cmd { return tea.ClearScreen },
		"suspend":        func(*model) tea.Cmd { return tea.Suspend },
		"quit":           func(*model) tea.Cmd { return tea.Quit },
	}
}

func inList() map[string]func(*model) tea.Cmd {
	return map[string]func(*model) tea.Cmd{
		"down":           plain(func(m *model) { m.list.MoveBy(1) }),
		"up":             plain(func(m *model) { m.list.MoveBy(-1) }),
		"page-down":      plain(func(m *model) { m.list.PageBy(1) }),
		"page-up":        plain(func(m *model) { m.list.PageBy(-1) }),
		"half-down":      plain(func(m *model) { m.list.MoveBy(max(1, m.layout.list.h/2)) }),
		"half-up":        plain(func(m *model) { m.list.MoveBy(-max(1, m.layout.list.h/2)) }),
		"oldest":         plain(func(m *model) { m.list.Top() }),
		"newest":         plain(func(m *model) { m.list.Bottom() }),
		"open":           (*model).openDetail,
		"cell-left":      plain(func(m *model) { m.list.MoveCell(-1) }),
		"cell-right":     plain(func(m *model) { m.list.MoveCell(1) }),
		"pan-left":       plain(func(m *model) { m.list.Pan(-max(8, m.layout.list.w/4)) }),
		"pan-right":      plain(func(m *model) { m.list.Pan(max(8, m.layout.list.w/4)) }),
		"select-down":    plain(func(m *model) { m.list.SelectTo(1) }),
		"select-up":      plain(func(m *model) { m.list.SelectTo(-1) }),
		"clock":          plain(func(m *model) { m.list.SetClock(m.list.Clock().Next()) }),
		"fold-all":       plain(func(m *model) { m.unfolded = !m.unfolded; m.list.FoldAll(!m.unfolded) }),
		"wrap":           plain(func(m *model) { m.list.SetWrap(!m.list.Wrapped()) }),
		"fold":           plain(func(m *model) { m.list.Fold() }),
		"filter-in":      func(m *model) tea.Cmd { return m.filterCell(false) },
		"filter-out":     func(m *model) tea.Cmd { return m.filterCell(true) },
		"surroundings":   (*model).surroundings,
		"trace":          (*model).trace,
		"error-next":     func(m *model) tea.Cmd { return m.nextError(source.Newer) },
		"error-previous": func(m *model) tea.Cmd { return m.nextError(source.Older) },
		"mark":           plain(func(m *model) { m.list.Mark() }),
		"mark-next":      func(m *model) tea.Cmd { return m.nextMark(source.Newer) },
		"mark-previous":  func(m *model) tea.Cmd { return m.nextMark(source.Older) },
		"select":         plain(func(m *model) { m.list.Select(!m.selecting()) }),
	}
}

// inParts are the actions of the histogram, the fields, the detail, the breadcrumb and the patterns.
func inParts() map[string]func(*model) tea.Cmd {
	return map[string]func(*model) tea.Cmd{
		"chart-left":   plain(func(m *model) { m.chart.MoveBy(-1) }),
		"chart-right":  plain(func(m *model) { m.chart.MoveBy(1) }),
		"chart-select": plain(func(m *model) { m.chart.Select() }),
		"chart-zoom":   (*model).zoomChart,

		"facet-down":   plain(func(m *model) { m.facets.MoveBy(1) }),
		"facet-up":     plain(func(m *model) { m.facets.MoveBy(-1) }),
		"facet-open":   (*model).openFacet,
		"facet-in":     func(m *model) tea.Cmd { return m.filterFacet(false) },
		"facet-out":    func(m *model) tea.Cmd { return m.filterFacet(true) },
		"facet-column": func(m *model) tea.Cmd { return m.toggleColumn(m.facets.Field()) },
		"facet-find":   plain((*model).askFacetName),

		"detail-down":       plain(func(m *model) { m.detail.MoveBy(1) }),
		"detail-up":         plain(func(m *model) { m.detail.MoveBy(-1) }),
		"detail-page-down":  plain(func(m *model) { m.detail.Page(1) }),
		"detail-page-up":    plain(func(m *model) { m.detail.Page(-1) }),
		"detail-top":        plain(func(m *model) { m.detail.Top() }),
		"detail-bottom":     plain(func(m *model) { m.detail.Bottom() }),
		"detail-fold":       plain(func(m *model) { m.detail.Toggle() }),
		"detail-fold-all":   plain(func(m *model) { m.detail.FoldAll() }),
		"detail-unfold-all": plain(func(m *model) { m.detail.UnfoldAll() }),
		"detail-mode":       plain(func(m *model) { m.detail.SetMode(m.detail.Mode().Next()) }),
		"detail-in":         func(m *model) tea.Cmd { return m.filterDetail(false) },
		"detail-out":        func(m *model) tea.Cmd { return m.filterDetail(true) },
		"detail-exists":     (*model).filterExists,
		"detail-column":     (*model).columnOfDetail,
		"detail-wrap":       plain(func(m *model) { m.wrapDetail = !m.wrapDetail; m.detail.Wrap(m.wrapDetail) }),
		"detail-next":       plain(func(m *model) { m.list.MoveBy(1) }),
		"detail-previous":   plain(func(m *model) { m.list.MoveBy(-1) }),

		"rail-left":   plain(func(m *model) { m.rail.MoveBy(-1) }),
		"rail-right":  plain(func(m *model) { m.rail.MoveBy(1) }),
		"rail-choose": (*model).pickNode,
		"rail-clear":  (*model).clearLevel,

		"pattern-down":      plain(func(m *model) { m.patterns.MoveBy(1) }),
		"pattern-up":        plain(func(m *model) { m.patterns.MoveBy(-1) }),
		"pattern-page-down": plain(func(m *model) { m.patterns.PageBy(1) }),
		"pattern-page-up":   plain(func(m *model) { m.patterns.PageBy(-1) }),
		"pattern-open":      func(m *model) tea.Cmd { return m.filterPattern(false) },
		"pattern-out":       func(m *model) tea.Cmd { return m.filterPattern(true) },
		"pattern-sort":      plain(func(m *model) { m.patterns.NextSort() }),
	}
}

// focusOn gives a part the keys.
func (m *model) focusOn(p keys.Place) {
	m.focus, m.editing = p, false
	m.focused()
}

// focusQuery gives the keys to the query.
func (m *model) focusQuery() {
	m.editing = true
	m.focused()
}

// focused tells the parts who has the keys.
func (m *model) focused() {
	over := func(p keys.Place) bool { return !m.editing && m.focus == p }
	m.bar.SetFocus(m.editing)
	m.list.SetFocus(over(keys.List))
	m.chart.SetFocus(over(keys.Chart))
	m.facets.SetFocus(over(keys.Facets))
	m.detail.SetFocus(over(keys.Detail))
	m.rail.SetFocus(over(keys.Rail))
	m.arrange()
}

// cycle moves the focus along the parts that are shown.
func (m *model) cycle(by int) {
	order := []keys.Place{keys.List}
	if m.showDetail {
		order = append(order, keys.Detail)
	}
	if m.layout.rail.h > 0 {
		order = append(order, keys.Rail)
	}
	if m.layout.chart.h > 0 {
		order = append(order, keys.Chart)
	}
	if m.showFacets {
		order = append(order, keys.Facets)
	}
	i := max(0, slices.Index(order, m.focus))
	m.focusOn(order[(i+by+len(order))%len(order)])
}

// toRail gives the keys to the breadcrumb, at the level that has something to choose from.
func (m *model) toRail() tea.Cmd {
	m.rail.SetLevel(m.nextLevel)
	if m.layout.rail.h == 0 {
		return m.pickNode()
	}
	m.focusOn(keys.Rail)
	return nil
}

// roomFor says that a part that is to be shown has no room.
func (m *model) roomFor(shown bool, r rect) {
	if shown && r.h == 0 {
		m.say("there is no room for it in %d columns and %d lines", m.width, m.height)
	}
}

// escape closes, cancels or clears what is nearest.
func (m *model) escape() tea.Cmd {
	switch {
	case m.busy() > 0 || m.status.work != "":
		m.stopAll(askTail)
		m.chart.SetLoading(false)
		m.list.Failed(source.Older)
		m.list.Failed(source.Newer)
		if strings.HasPrefix(m.status.work, "exporting") {
			m.status.work = ""
			m.say("cancelled: nothing is left of the export")
			break
		}
		m.status.work = ""
		m.say("cancelled; %s asks again", m.keys.Key("refresh"))
	case m.showPatterns:
		m.showPatterns = false
		m.focusOn(keys.List)
	case m.selecting():
		m.list.Select(false)
	case m.focus == keys.Chart && m.chart.Selecting():
		m.chart.Select()
	case m.focus == keys.Detail || m.showDetail && m.focus == keys.List:
		m.showDetail, m.detailR = false, nil
		m.focusOn(keys.List)
	case m.focus == keys.Facets:
		m.showFacets = false
		m.focusOn(keys.List)
	case m.focus != keys.List:
		m.focusOn(keys.List)
	case m.find.re != nil:
		m.find = finding{}
		m.list.Search(nil)
	case m.status.banner.Title != "":
		m.well()
	case m.showFacets:
		m.showFacets = false
		m.focusOn(keys.List)
	}
	return nil
}

// back goes back to the search before, forward where back came from.
func (m *model) back() tea.Cmd {
	return m.revisit(&m.past, &m.future, "there is no search before this one")
}
func (m *model) forward() tea.Cmd {
	return m.revisit(&m.future, &m.past, "there is no search after this one")
}

// revisit goes to the last of visits, and leaves this one in the others.
func (m *model) revisit(visits, others *[]visit, none string) tea.Cmd {
	n := len(*visits)
	if n == 0 {
		m.say("%s", none)
		return nil
	}
	v := (*visits)[n-1]
	*visits = (*visits)[:n-1]
	*others = append(*others, visit{m.scope, m.list.Cursor()})
	return m.search(v.scope, v.row)
}

// refresh asks the same again, up to now.
func (m *model) refresh() tea.Cmd {
	m.well()
	if m.list.Following() {
		return m.search(m.scope, nil)
	}
	return m.search(m.scope, m.list.Cursor())
}

// at is the instant that keys which change the range mean: the list's cursor.
func (m *model) at() time.Time {
	if row := m.list.Cursor(); row != nil {
		return row.Time
	}
	return m.now()
}

// round is t as far as the range is written: nobody reads nanoseconds of an hour.
func (m *model) round(t time.Time) time.Time {
	if span, ok := m.scope.Range.Span(t); ok && span < time.Minute {
		return t.Truncate(time.Millisecond)
	}
	return t.Truncate(time.Second)
}

func (m *model) setRange(r when.Range, row *source.Row) tea.Cmd {
	s := m.scope
	s.Range = r
	return m.show(s, row)
}

func (m *model) shift(part float64) tea.Cmd {
	return m.setRange(m.scope.Range.Shift(part, m.round(m.now())), nil)
}

func (m *model) zoom(factor float64) tea.Cmd {
	row := m.list.Cursor()
	return m.setRange(m.scope.Range.Zoom(factor, m.round(m.at()), m.round(m.now())), row)
}

func (m *model) preset(key string) tea.Cmd {
	for _, b := range m.keys.Bindings() {
		if b.Action != "preset" {
			continue
		}
		if i := slices.Index(b.Keys, key); i >= 0 && i < len(when.Presets) {
			return m.setRange(when.Presets[i], nil)
		}
	}
	m.pickRange()
	return nil
}

// nextLens shows the other kind of logs, at the same instant and of the same pod.
func (m *model) nextLens() tea.Cmd {
	s := m.scope
	s.Lens = s.Lens.Next()
	m.say("%s", lensName(s.Lens))
	return m.show(s, m.list.Cursor())
}

// climb goes one level up in the breadcrumb.
func (m *model) climb() tea.Cmd {
	for level := len(m.scope.Path) - 1; level >= 0; level-- {
		if m.scope.Path[level] != "" {
			return m.setLevel(level, "")
		}
	}
	m.say("the breadcrumb is at its top")
	return nil
}

// setLevel chooses a value of a level; the levels below are any again, where it is another one.
func (m *model) setLevel(level int, value string) tea.Cmd {
	s := m.scope
	if s.Path[level] == value {
		return nil
	}
	s.Path[level] = value
	for below := level + 1; below < scope.Levels; below++ {
		s.Path[below] = ""
	}
	return m.show(s, m.list.Cursor())
}

func (m *model) clearLevel() tea.Cmd { return m.setLevel(m.rail.Level(), "") }

// toggleTail begins to tail, with a range that ends now, or stops.
func (m *model) toggleTail() tea.Cmd {
	if m.tail.on || m.tail.wanted {
		m.stop(askTail)
		m.tail = tailing{}
		m.say("the tail has stopped; %s begins it again", m.keys.Key("tail"))
		return nil
	}
	if !m.scope.Range.Live() {
		s := m.scope
		s.Range = when.Last(15 * time.Minute)
		m.tail.wanted = true
		return m.show(s, nil)
	}
	if !m.list.AtEnd() {
		m.tail.wanted = true
		return m.search(m.scope, nil)
	}
	return m.startTail()
}

// openDetail shows the document at the cursor; where nothing is listed, what came before.
func (m *model) openDetail() tea.Cmd {
	if m.list.Cursor() == nil {
		if !m.before.IsZero() {
			return m.showBefore()
		}
		return nil
	}
	m.showDetail = true
	m.focusOn(keys.Detail)
	return nil
}
