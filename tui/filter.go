package tui

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/bar"
	"github.com/podbeat/podbeat/tui/facet"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/list"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/when"
)

// typeQuery takes a key of the query that is typed.
func (m *model) typeQuery(msg tea.KeyPressMsg) tea.Cmd {
	switch key := msg.String(); {
	case key == "esc" && m.bar.Completing():
		m.bar.SetItems(0, 0, nil)
	case key == "esc":
		m.bar.SetText(m.scope.Text)
		m.bar.SetError(nil)
		m.focusOn(keys.List)
	case (key == "tab" || key == "enter" && m.bar.Chosen()) && m.bar.Completing():
		m.bar.Accept()
		return m.complete()
	case key == "tab":
		return m.complete()
	case key == "enter":
		return m.applyQuery()
	case key == "ctrl+r":
		m.pickHistory()
	default:
		if m.bar.Key(msg) {
			m.checkQuery()
			return m.complete()
		}
	}
	m.arrange()
	return nil
}

// paste takes text that was pasted.
func (m *model) paste(s string) tea.Cmd {
	if n := len(m.overlays); n > 0 {
		if p, ok := m.overlays[n-1].(*prompt); ok {
			p.editor.Insert(s)
		}
		return nil
	}
	if !m.editing {
		m.focusQuery()
	}
	m.bar.Insert(s)
	m.checkQuery()
	return nil
}

// checkQuery shows what is wrong in the query while it is typed.
func (m *model) checkQuery() {
	typed, _ := m.bar.Text()
	_, err := kql.Parse(typed)
	m.bar.SetError(err)
	m.arrange()
}

// applyQuery searches for what was typed.
func (m *model) applyQuery() tea.Cmd {
	typed, _ := m.bar.Text()
	m.stop(askComplete)
	m.bar.SetItems(0, 0, nil)
	if _, err := kql.Parse(typed); err != nil {
		m.bar.SetError(err)
		m.arrange()
		return nil
	}
	s := m.scope
	s.Text = strings.TrimSpace(typed)
	m.focusOn(keys.List)
	if err := m.state.Typed(s.Text); err != nil {
		m.complain(err)
	}
	m.bar.SetHistory(m.state.History())
	return m.show(s, nil)
}

// costsOf are warnings about a query.
func (m *model) costsOf(query string) []string {
	q, err := scope.Parse(query, m.known(), m.names)
	if err != nil {
		return nil
	}
	return q.Costs(m.known())
}

// highlights are what the query looks for in texts.
func (m *model) highlights() []*regexp.Regexp {
	q, err := kql.Parse(m.scope.Text)
	if err != nil {
		return nil
	}
	var found []*regexp.Regexp
	for _, term := range q.Terms() {
		if term.Field == "" || term.Field == m.names.Message {
			found = append(found, term.Regexp)
		}
	}
	return found
}

// with searches with one more chip.
func (m *model) with(c scope.Chip) tea.Cmd { return m.show(m.scope.With(c), m.list.Cursor()) }

// filterCell filters by the value in the list's cell.
func (m *model) filterCell(not bool) tea.Cmd {
	row, field := m.list.Cursor(), m.list.Cell()
	if row == nil {
		return nil
	}
	if field == "" {
		title := "only lines with"
		if not {
			title = "no lines with"
		}
		m.pickField(title, row, func(m *model, field, value string) tea.Cmd {
			return m.with(scope.Chip{Field: field, Value: value, Not: not})
		})
		return nil
	}
	value := m.value(row, field)
	if value == "" {
		return m.with(scope.Chip{Field: field, Exists: true, Not: !not})
	}
	return m.with(scope.Chip{Field: field, Value: value, Not: not})
}

// pickField offers the fields of a row.
func (m *model) pickField(title string, row *source.Row, then func(m *model, field, value string) tea.Cmd) {
	type pair struct{ field, value string }
	var pairs []pair
	for _, f := range text.Flatten(row.Source) {
		for _, value := range each(f.Value) {
			pairs = append(pairs, pair{f.Path, value})
		}
	}
	var items []facet.Item
	for i, p := range pairs {
		items = append(items, facet.Item{Text: p.field, Hint: p.value, ID: fmt.Sprint(i)})
	}
	m.pick(title, m.keys.Key("cell-left")+" "+m.keys.Key("cell-right")+" choose a cell of the list", items, func(m *model, item facet.Item) (tea.Cmd, bool) {
		p := pairs[index(item)]
		return then(m, p.field, p.value), false
	})
}

// each is a value of a document, or the values of an array, as they are written in filters.
func each(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, each(e)...)
		}
		return all
	case string:
		return []string{v}
	}
	return []string{fmt.Sprint(v)}
}

// value is a row's, of the fields that the list has.
func (m *model) value(row *source.Row, field string) string {
	v, _ := text.Get(row.Source, field)
	return v
}

func (m *model) filterFacet(not bool) tea.Cmd {
	field, value, ok := m.facets.Value()
	if !ok {
		if field == "" {
			return nil
		}
		return m.with(scope.Chip{Field: field, Exists: true, Not: not})
	}
	return m.with(scope.Chip{Field: field, Value: value, Not: not})
}

func (m *model) filterDetail(not bool) tea.Cmd {
	field, value, ok := m.detail.Field()
	if !ok {
		return nil
	}
	values := each(value)
	if len(values) == 0 {
		return m.with(scope.Chip{Field: field, Exists: true, Not: !not})
	}
	return m.with(scope.Chip{Field: field, Value: values[0], Not: not})
}

func (m *model) filterExists() tea.Cmd {
	field, _, ok := m.detail.Field()
	if !ok {
		return nil
	}
	return m.with(scope.Chip{Field: field, Exists: true})
}

func (m *model) columnOfDetail() tea.Cmd {
	field, _, _ := m.detail.Field()
	return m.toggleColumn(field)
}

// toggleColumn puts a field behind the other columns, or takes it away.
func (m *model) toggleColumn(field string) tea.Cmd {
	if field == "" {
		return nil
	}
	cols := slices.Clone(m.scope.Columns)
	if i := slices.Index(cols, field); i >= 0 {
		cols = slices.Delete(cols, i, i+1)
	} else {
		cols = append(cols, field)
	}
	return m.setColumns(cols)
}

func (m *model) setColumns(cols []string) tea.Cmd {
	s := m.scope
	s.Columns = cols
	return m.show(s, m.list.Cursor())
}

// columns are fields as the list takes them.
func columns(fields []string) []list.Column {
	var cols []list.Column
	for _, f := range fields {
		cols = append(cols, list.Column{Field: f})
	}
	return cols
}

// chips are a scope's as the bar takes them.
func chips(s scope.Scope) []bar.Chip {
	var all []bar.Chip
	for _, c := range s.Chips {
		all = append(all, bar.Chip{Text: c.Label(), Not: c.Not, Off: c.Off, Pinned: c.Pinned})
	}
	return all
}

// editChips opens the filters.
func (m *model) editChips() {
	if len(m.scope.Chips) == 0 {
		m.say("there are no filters; %s on a value makes one", m.keys.Key("filter-in"))
		return
	}
	var items []facet.Item
	for i, c := range m.scope.Chips {
		var state []string
		for _, s := range []struct {
			is   bool
			word string
		}{{c.Off, "off"}, {c.Pinned, "pinned"}} {
			if s.is {
				state = append(state, s.word)
			}
		}
		label := c.Label()
		if c.Not {
			label = "not " + label
		}
		items = append(items, facet.Item{Text: label, Hint: strings.Join(state, ", "), ID: fmt.Sprint(i)})
	}
	change := func(f func(chips []scope.Chip, i int) []scope.Chip) func(*model, facet.Item) (tea.Cmd, bool) {
		return func(m *model, item facet.Item) (tea.Cmd, bool) {
			i := index(item)
			s := m.scope
			if i >= len(s.Chips) {
				return nil, false
			}
			s.Chips = f(slices.Clone(s.Chips), i)
			return m.show(s, m.list.Cursor()), false
		}
	}
	p := m.pick("filters", "Enter switches off or on, ! inverts, Ctrl-P pins, Del removes, Ctrl-E edits", items,
		change(func(c []scope.Chip, i int) []scope.Chip { c[i].Off = !c[i].Off; return c }))
	p.extra = map[string]func(*model, facet.Item) (tea.Cmd, bool){
		"!":      change(func(c []scope.Chip, i int) []scope.Chip { c[i].Not = !c[i].Not; return c }),
		"ctrl+p": change(func(c []scope.Chip, i int) []scope.Chip { c[i].Pinned = !c[i].Pinned; return c }),
		"delete": change(func(c []scope.Chip, i int) []scope.Chip { return slices.Delete(c, i, i+1) }),
		"ctrl+e": func(m *model, item facet.Item) (tea.Cmd, bool) {
			i := index(item)
			if i >= len(m.scope.Chips) {
				return nil, false
			}
			m.prompt("filter", "KQL, as `log.level: error` or `not kubernetes.namespace: kube-*`", m.scope.Chips[i].KQL(), func(m *model, typed string) (tea.Cmd, error) {
				c, err := scope.ParseChip(typed)
				if err != nil {
					return nil, err
				}
				s := m.scope
				s.Chips = slices.Clone(s.Chips)
				s.Chips[i] = c
				return m.show(s, m.list.Cursor()), nil
			})
			return nil, true
		},
	}
}

// index is the number that an item has as its id.
func index(item facet.Item) int {
	var i int
	fmt.Sscan(item.ID, &i)
	return i
}

// openFacet shows or hides the values of the field at the cursor.
func (m *model) openFacet() tea.Cmd {
	field, opened := m.facets.Toggle()
	if !opened {
		return nil
	}
	return m.countField(field, false)
}

func (m *model) toggleFacets() tea.Cmd {
	switch {
	case !m.showFacets:
		m.showFacets = true
		m.focusOn(keys.Facets)
		return m.countOpen()
	case m.focus != keys.Facets:
		m.focusOn(keys.Facets)
	default:
		m.showFacets = false
		m.focusOn(keys.List)
	}
	return nil
}

func (m *model) askFacetName() {
	m.prompt("fields whose name has", "empty shows all", m.facets.Filter(), func(m *model, s string) (tea.Cmd, error) {
		m.facets.SetFilter(s)
		return nil, nil
	})
}

// facetFields are those that the facets list: those that are asked for most, then all others.
func (m *model) facetFields() []string {
	n := m.names
	var fields []string
	add := func(names ...string) {
		for _, name := range names {
			if name != "" && m.fields.Type(name) != "" && !slices.Contains(fields, name) {
				fields = append(fields, name)
			}
		}
	}
	add(n.Level, n.Stream, n.Region, n.Zone, n.Namespace)
	add(n.App...)
	add(n.Pod, n.Container, n.Host)
	first := len(fields)
	for _, name := range m.fields.Names() {
		if name != n.Time && name != n.Message && !strings.HasPrefix(name, "_") && !slices.Contains(fields[:first], name) {
			fields = append(fields, name)
		}
	}
	return fields
}

// exact counts exactly what was sampled.
func (m *model) exact() tea.Cmd {
	cmds := []tea.Cmd{}
	if field := m.facets.Field(); m.showFacets && field != "" {
		cmds = append(cmds, m.countField(field, true))
	}
	view := m.view
	if view == nil {
		return nil
	}
	m.status.work = "counting"
	cmds = append(cmds, m.ask(askWork, func(ctx context.Context) func(*model) tea.Cmd {
		count, _, err := view.Count(ctx)
		return func(m *model) tea.Cmd {
			m.status.work = ""
			if err != nil {
				return m.failed("count lines", err)
			}
			m.status.count, m.status.known = count, true
			m.say("exactly %s lines", shownCount(count))
			return nil
		}
	}))
	return tea.Batch(cmds...)
}

var errNoRange = errors.New("the range has no ends yet")

// zoomChart makes what is selected in the histogram the range.
func (m *model) zoomChart() tea.Cmd {
	from, to, ok := m.chart.Brush()
	if !ok {
		m.complain(errNoRange)
		return nil
	}
	return m.setRange(when.Between(from, to), nil)
}
