package tui

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/when"
)

// A finding is what is searched for in the lines that there are.
type finding struct {
	text string
	re   *regexp.Regexp
}

// askSearch asks what to search for. It changes nothing of which lines there are.
func (m *model) askSearch() {
	p := m.prompt("search", "words as they stand, in any case unless there is a capital; /…/ is a regular expression; ↑ is the one before", "", func(m *model, s string) (tea.Cmd, error) {
		if s == "" {
			m.find = finding{}
			m.list.Search(nil)
			m.detail.Find(nil)
			return nil, nil
		}
		re, err := pattern(s)
		if err != nil {
			return nil, err
		}
		m.find = finding{s, re}
		m.searched = append(m.searched, s)
		m.list.Search(re)
		m.detail.Find(re)
		if m.list.Following() { // nothing is below the newest line
			return m.findNext(source.Older), nil
		}
		return m.findNext(source.Newer), nil
	})
	p.editor.SetHistory(m.searched)
}

// pattern reads what is searched for.
func pattern(s string) (*regexp.Regexp, error) {
	expr := regexp.QuoteMeta(s)
	if len(s) > 2 && s[0] == '/' && s[len(s)-1] == '/' {
		expr = s[1 : len(s)-1]
	} else if s == strings.ToLower(s) {
		expr = "(?i)" + expr
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, errors.New("cannot search for " + s + ": " + strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return re, nil
}

// findNext goes to the next line that was searched for: of those that are here, else the server is asked.
func (m *model) findNext(dir source.Direction) tea.Cmd {
	if m.find.re == nil {
		m.say("%s searches", m.keys.Key("search"))
		return nil
	}
	if m.focus == keys.Detail && m.showDetail {
		m.detail.FindNext(int(dir))
		return nil
	}
	if m.list.Found(dir) {
		return nil
	}
	other := "search-previous"
	if dir == source.Older {
		other = "search-next"
	}
	query := kql.Quote(m.find.text)
	if n := len(m.find.text); n > 2 && m.find.text[0] == '/' {
		query = m.names.Message + ": " + m.find.text
	}
	q, err := kql.Parse(query)
	if err != nil {
		m.say("no such line is loaded")
		return nil
	}
	return m.findIn(dir, q.DSL(m.known(), kql.Options{}), "no further line with "+m.find.text+"; "+m.keys.Key(other)+" looks in the other direction")
}

// nextError goes to the next line that is an error or worse.
func (m *model) nextError(dir source.Direction) tea.Cmd {
	if m.list.NextLevel(dir, source.Error) {
		return nil
	}
	words := append(source.Error.Words(), source.Fatal.Words()...)
	return m.findIn(dir, map[string]any{"terms": map[string]any{m.names.Level: words}}, "no further error")
}

// findIn asks the server for the next line that also matches filter, and goes there.
func (m *model) findIn(dir source.Direction, filter any, none string) tea.Cmd {
	row, view := m.list.Cursor(), m.view
	if row == nil || view == nil {
		return nil
	}
	return m.ask(askFind, func(ctx context.Context) func(*model) tea.Cmd {
		found, err := view.Find(ctx, row, dir, filter)
		return func(m *model) tea.Cmd {
			switch {
			case err != nil:
				return m.failed("find the next line", err)
			case found == nil:
				m.say("%s", none)
				return nil
			}
			return m.gotoRow(found)
		}
	})
}

// gotoRow moves the cursor to a row, which is loaded if it is not here.
func (m *model) gotoRow(row *source.Row) tea.Cmd {
	if m.list.Goto(row) {
		return nil
	}
	view, rows := m.view, m.config.PageLines
	return m.load(func(ctx context.Context) (older, newer source.Page, at *source.Row, err error) {
		return around(ctx, view, row, rows, nil)
	}, nothing)
}

// nothing is what follows when all is done.
func nothing(*model) tea.Cmd { return nil }

// askInstant asks for a time to go to.
func (m *model) askInstant() {
	m.prompt("go to an instant", "14:05, 14:05:30.250, 2026-11-20 14:05, now-2h, 1732111445000", "", func(m *model, s string) (tea.Cmd, error) {
		t, err := when.ParseTime(s, m.now().In(m.zone.Location()), m.zone.Location())
		if err != nil {
			return nil, err
		}
		return m.gotoInstant(t), nil
	})
}

func (m *model) gotoInstant(t time.Time) tea.Cmd {
	switch {
	case !m.from.IsZero() && t.Before(m.from):
		m.say("%s is before the range; %s changes it", m.zone.Of(t).Format("2006-01-02 15:04:05"), m.keys.Key("range"))
	case !m.to.IsZero() && t.After(m.to):
		m.say("%s is after the range; %s changes it", m.zone.Of(t).Format("2006-01-02 15:04:05"), m.keys.Key("range"))
	}
	if m.list.GotoTime(t) {
		return nil
	}
	view, rows := m.view, m.config.PageLines
	return m.load(func(ctx context.Context) (older, newer source.Page, at *source.Row, err error) {
		older, newer, err = view.At(ctx, t, rows)
		return older, newer, nil, err
	}, nothing)
}

// surroundings shows what stood around the line in its pod, without the filters that found it.
func (m *model) surroundings() tea.Cmd {
	row := m.list.Cursor()
	if row == nil {
		return nil
	}
	s := m.scope.Around(row, m.names)
	if len(s.Chips) == 0 {
		m.say("this line does not say its pod, host or file")
		return nil
	}
	m.say("what stood around the line; %s goes back", m.keys.Key("back"))
	return m.show(s, row)
}

// trace shows the lines of the same trace.
func (m *model) trace() tea.Cmd {
	row := m.list.Cursor()
	if row == nil {
		return nil
	}
	field := m.names.Trace
	id := m.value(row, field)
	if id == "" {
		m.say("this line has no %s", field)
		return nil
	}
	s := scope.Scope{Index: m.scope.Index, Columns: m.scope.Columns, Range: m.scope.Range}
	return m.show(s.With(scope.Chip{Field: field, Value: id}), row)
}

// nextMark goes to the next marked line.
func (m *model) nextMark(dir source.Direction) tea.Cmd {
	row, here := m.list.NextMark(dir)
	switch {
	case row == nil:
		m.say("there is no further mark")
	case !here:
		return m.gotoRow(row)
	}
	return nil
}

func (m *model) selecting() bool { return m.list.Selection() != nil }
