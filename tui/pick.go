package tui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/facet"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

// items are names to choose from.
func items(names ...string) []facet.Item {
	var all []facet.Item
	for _, name := range names {
		all = append(all, facet.Item{Text: name, ID: name})
	}
	return all
}

// askRange asks for a time range.
func (m *model) askRange() {
	given := m.scope.Range.Text(m.zone.Location())
	m.prompt("time range, "+m.zone.Name(m.now()), when.Examples, given, func(m *model, s string) (tea.Cmd, error) {
		r, err := when.Parse(s, m.now().In(m.zone.Location()), m.zone.Location())
		if err != nil {
			return nil, err
		}
		return m.setRange(r, nil), nil
	})
}

// pickRange offers the ranges of the keys 1 to 9.
func (m *model) pickRange() {
	var all []facet.Item
	for i, r := range when.Presets {
		all = append(all, facet.Item{Text: r.String(), ID: fmt.Sprint(i)})
	}
	m.pick("time range", "", all, func(m *model, item facet.Item) (tea.Cmd, bool) {
		return m.setRange(when.Presets[index(item)], nil), false
	})
}

// pickNode offers the values of the breadcrumb's level.
func (m *model) pickNode() tea.Cmd {
	level := m.rail.Level()
	names := scope.LevelNames()
	above := m.scope
	for l := level; l < scope.Levels; l++ {
		above.Path[l] = "" // those that can be chosen instead
	}
	filter, err := m.filter(above)
	if err != nil {
		m.complain(err)
		return nil
	}
	view := m.source.View(m.query(filter))
	p := m.pick(names[level], "lines, errors; type to search, Del for any", nil, func(m *model, item facet.Item) (tea.Cmd, bool) {
		return m.chosen(level, item.ID), false
	})
	p.extra = map[string]func(*model, facet.Item) (tea.Cmd, bool){
		"delete": func(m *model, _ facet.Item) (tea.Cmd, bool) { return m.setLevel(level, ""), false },
	}
	p.menu.SetLoading(true)
	return m.ask(askNodes, func(ctx context.Context) func(*model) tea.Cmd {
		nodes, err := view.Topology(ctx, level, 1000)
		return func(m *model) tea.Cmd {
			p.menu.SetLoading(false)
			if err != nil {
				m.close(p)
				return m.failed("list what there is of "+names[level], err)
			}
			if len(nodes) == 0 {
				m.close(p)
				m.say("the lines here say no %s", names[level])
				return nil
			}
			p.menu.SetItems(facet.Nodes(nodes))
			return nil
		}
	})
}

// chosen takes a node; the next level is where the keys go on.
func (m *model) chosen(level int, value string) tea.Cmd {
	cmd := m.setLevel(level, value)
	m.rail.SetLevel(min(level+1, scope.Levels-1))
	return cmd
}

// close takes an overlay away.
func (m *model) close(o overlay) {
	if i := slices.Index(m.overlays, o); i >= 0 {
		m.overlays = slices.Delete(m.overlays, i, i+1)
	}
}

// pickContext offers the contexts of the configuration.
func (m *model) pickContext() {
	names := m.config.Contexts()
	if len(names) == 0 {
		m.say("there are no contexts in %s; `logtui context add` makes one", m.config.Path)
		return
	}
	m.pick("contexts", m.config.Path, items(names...), func(m *model, item facet.Item) (tea.Cmd, bool) {
		return m.enter(item.ID), false
	})
}

// enter opens a context, with what was looked at in it last; pinned filters come along.
func (m *model) enter(name string) tea.Cmd {
	c, err := m.config.Context(name)
	if err != nil {
		m.complain(err)
		return nil
	}
	old := m.view
	if err := m.connect(c); err != nil {
		m.complain(err)
		return nil
	}
	s, ok := m.state.Last(c.Name)
	if !ok {
		s = scope.Scope{Range: m.scope.Range}
	}
	m.focusOn(keys.List)
	return tea.Batch(closing(m.ctx, old), m.search(m.pinned(s), nil))
}

// pinned is s with the pinned filters of now.
func (m *model) pinned(s scope.Scope) scope.Scope {
	for _, c := range m.scope.Chips {
		if c.Pinned {
			s = s.With(c)
		}
	}
	return s
}

// pickSaved offers the saved queries.
func (m *model) pickSaved() {
	saved := m.config.Saved()
	if len(saved) == 0 {
		m.say("nothing is saved yet; %s saves the query", m.keys.Key("save"))
		return
	}
	var all []facet.Item
	for _, s := range saved {
		all = append(all, facet.Item{Text: s.Name, Hint: s.Scope.Text, ID: s.Name})
	}
	p := m.pick("saved queries", "Enter opens, Del removes", all, func(m *model, item facet.Item) (tea.Cmd, bool) {
		for _, s := range saved {
			if s.Name == item.ID {
				return m.show(m.pinned(s.Scope), nil), false
			}
		}
		return nil, false
	})
	p.extra = map[string]func(*model, facet.Item) (tea.Cmd, bool){
		"delete": func(m *model, item facet.Item) (tea.Cmd, bool) {
			if err := m.config.Unsave(item.ID); err != nil {
				m.complain(err)
			} else {
				m.say("removed %s", item.ID)
			}
			return nil, false
		},
	}
}

// askSave asks for the name to save the query under.
func (m *model) askSave() {
	m.prompt("save the query as", "query, filters, range, lens, place and columns; "+m.config.Path, "", func(m *model, name string) (tea.Cmd, error) {
		name = strings.TrimSpace(name)
		if name == "" {
			return nil, errors.New("type a name")
		}
		if err := m.config.Save(name, m.scope); err != nil {
			return nil, err
		}
		m.say("saved %s; %s opens it", name, m.keys.Key("saved"))
		return nil, nil
	})
}

// pickHistory offers the queries typed before, the newest first.
func (m *model) pickHistory() {
	typed := m.state.History()
	if len(typed) == 0 {
		m.say("no query was typed yet")
		return
	}
	typed = slices.Clone(typed)
	slices.Reverse(typed)
	m.pick("queries typed before", "", items(typed...), func(m *model, item facet.Item) (tea.Cmd, bool) {
		s := m.scope
		s.Text = item.ID
		m.focusOn(keys.List)
		return m.show(s, nil), false
	})
}

// pickTheme offers the themes; each is seen as the cursor comes to it when it is chosen.
func (m *model) pickTheme() {
	m.pick("themes", "Enter tries one; Ctrl-S keeps it", items(theme.Names()...), func(m *model, item facet.Item) (tea.Cmd, bool) {
		m.themeName = item.ID
		m.retheme()
		m.say("%s; Ctrl-S keeps it", item.ID)
		return nil, true
	}).extra = map[string]func(*model, facet.Item) (tea.Cmd, bool){
		"ctrl+s": func(m *model, item facet.Item) (tea.Cmd, bool) {
			m.themeName = item.ID
			m.retheme()
			if err := m.config.SetTheme(item.ID); err != nil {
				m.complain(err)
			} else {
				m.say("%s is the theme from now on", item.ID)
			}
			return nil, false
		},
	}
}

// pickColumns offers the fields as columns.
func (m *model) pickColumns() {
	var names []string
	names = append(names, m.scope.Columns...)
	if m.fields != nil {
		for _, f := range m.facetFields() {
			if !slices.Contains(names, f) {
				names = append(names, f)
			}
		}
	}
	var all []facet.Item
	for i, name := range names {
		hint := ""
		if i < len(m.scope.Columns) {
			hint = fmt.Sprintf("column %d", i+1)
		}
		all = append(all, facet.Item{Text: name, Hint: hint, ID: name})
	}
	move := func(by int) func(*model, facet.Item) (tea.Cmd, bool) {
		return func(m *model, item facet.Item) (tea.Cmd, bool) {
			cols := slices.Clone(m.scope.Columns)
			i := slices.Index(cols, item.ID)
			if i < 0 || i+by < 0 || i+by >= len(cols) {
				return nil, true
			}
			cols[i], cols[i+by] = cols[i+by], cols[i]
			return m.columnsAgain(cols, item.ID), false
		}
	}
	p := m.pick("columns", "Enter adds or removes, Ctrl-← Ctrl-→ move, Del none", all, func(m *model, item facet.Item) (tea.Cmd, bool) {
		cmd := m.toggleColumn(item.ID)
		m.repick(item.ID)
		return cmd, false
	})
	p.extra = map[string]func(*model, facet.Item) (tea.Cmd, bool){
		"ctrl+left": move(-1), "ctrl+right": move(1),
		"delete": func(m *model, _ facet.Item) (tea.Cmd, bool) { return m.setColumns(nil), false },
	}
}

// columnsAgain sets the columns and opens their picker anew, at field.
func (m *model) columnsAgain(cols []string, field string) tea.Cmd {
	cmd := m.setColumns(cols)
	m.repick(field)
	return cmd
}

func (m *model) repick(field string) {
	m.pickColumns()
	if p, ok := m.overlays[len(m.overlays)-1].(*picker); ok {
		p.menu.Goto(field)
	}
}

// pickAction offers all actions by name.
func (m *model) pickAction() {
	var all []facet.Item
	for _, b := range m.keys.Bindings() {
		if b.Place != keys.Anywhere && b.Place != m.place() || b.Action == "palette" || b.Action == "preset" {
			continue
		}
		all = append(all, facet.Item{Text: b.Help, Hint: m.keys.Key(b.Action), ID: b.Action})
	}
	m.pick("actions", "", all, func(m *model, item facet.Item) (tea.Cmd, bool) { return m.do(item.ID, ""), false })
}

// nextZone shows times in another zone.
func (m *model) nextZone() tea.Cmd {
	m.zone = m.zone.Next(m.home)
	m.list.SetZone(m.zone)
	m.chart.SetZone(m.zone)
	m.detail.SetZone(m.zone)
	m.showScope()
	m.say("times in %s", m.zone.Name(m.now()))
	return m.histogram()
}
