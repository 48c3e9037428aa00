package tui

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/keys"
)

// wheels hands on one message of a turning wheel, or a moving mouse, per frame: each would draw the screen anew.
func wheels() func(tea.Model, tea.Msg) tea.Msg {
	var last time.Time
	return func(_ tea.Model, msg tea.Msg) tea.Msg {
		switch msg.(type) {
		case tea.MouseMotionMsg:
			return nil
		case tea.MouseWheelMsg:
			if time.Since(last) < 16*time.Millisecond {
				return nil
			}
			last = time.Now()
		}
		return msg
	}
}

// wheel scrolls what the mouse is over.
func (m *model) wheel(msg tea.MouseWheelMsg) {
	by := 3
	if msg.Button == tea.MouseWheelUp {
		by = -3
	}
	l := &m.layout
	switch {
	case len(m.overlays) > 0:
		if p, ok := m.overlays[len(m.overlays)-1].(*picker); ok {
			p.menu.MoveBy(by)
		}
	case l.patterns.has(msg.X, msg.Y):
		m.patterns.MoveBy(by)
	case l.detail.has(msg.X, msg.Y):
		m.detail.MoveBy(by)
	case l.facets.has(msg.X, msg.Y):
		m.facets.MoveBy(by)
	case l.list.has(msg.X, msg.Y):
		m.list.ScrollBy(by)
	}
}

// click gives what is clicked the keys, and moves its cursor there.
func (m *model) click(msg tea.MouseClickMsg) tea.Cmd {
	l := &m.layout
	switch {
	case len(m.overlays) > 0:
		if p, ok := m.overlays[len(m.overlays)-1].(*picker); ok && p.menu.Click(msg.Y-p.y) {
			return m.key(tea.KeyPressMsg{Code: tea.KeyEnter})
		}
	case l.bar.has(msg.X, msg.Y):
		m.focusQuery()
	case l.rail.has(msg.X, msg.Y):
		m.focusOn(keys.Rail)
		if m.rail.Click(msg.X - l.rail.x) {
			return m.pickNode()
		}
	case l.chart.has(msg.X, msg.Y):
		m.focusOn(keys.Chart)
		m.chart.Click(msg.X - l.chart.x)
	case l.facets.has(msg.X, msg.Y):
		m.focusOn(keys.Facets)
		if m.facets.Click(msg.Y - l.facets.y) {
			if _, _, value := m.facets.Value(); !value {
				return m.openFacet()
			}
		}
	case l.patterns.has(msg.X, msg.Y):
		m.patterns.Click(msg.Y - l.patterns.y)
	case l.detail.has(msg.X, msg.Y):
		m.focusOn(keys.Detail)
	case l.list.has(msg.X, msg.Y):
		m.focusOn(keys.List)
		m.list.Click(msg.X-l.list.x, msg.Y-l.list.y)
	}
	return nil
}
