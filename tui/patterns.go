package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/drain"
	"github.com/podbeat/podbeat/tui/facet"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
)

// patternSample is how many lines, the newest, patterns are made of.
const patternSample = 10_000

// togglePatterns shows the patterns of the newest lines, or the lines again.
func (m *model) togglePatterns() tea.Cmd {
	m.showPatterns = !m.showPatterns
	m.focusOn(keys.List)
	if !m.showPatterns || m.view == nil {
		return nil
	}
	view, message := m.view, m.names.Message
	ctx, gen := m.begin(askPatterns)
	return streaming(func(say func(tea.Msg)) tea.Msg {
		miner := drain.New()
		n, end := 0, false
		var from *source.Row
		var failed error
		for n < patternSample && !end && failed == nil {
			var page source.Page
			if page, failed = view.Before(ctx, from, 2000); failed != nil {
				break
			}
			for _, row := range page.Rows {
				line, _ := text.Get(row.Source, message)
				miner.Add(line, row.Level, row.Time)
			}
			n += len(page.Rows)
			if end = page.End || len(page.Rows) == 0; !end {
				from = page.Rows[0]
			}
			sofar := facet.Patterns(miner.Clusters())
			seen := n
			say(answer{kind: askPatterns, gen: gen, more: true, do: func(m *model) tea.Cmd {
				m.patterns.SetRows(sofar, seen, end)
				return nil
			}})
		}
		return answer{kind: askPatterns, gen: gen, do: func(m *model) tea.Cmd {
			m.clusters = miner.Clusters()
			if failed != nil {
				return m.failed("read lines for patterns", failed)
			}
			return nil
		}}
	})
}

// patternsStale closes the patterns of another search.
func (m *model) patternsStale() {
	if m.showPatterns {
		m.showPatterns = false
		m.focusOn(keys.List)
	}
}

// filterPattern filters by the pattern at the cursor.
func (m *model) filterPattern(not bool) tea.Cmd {
	i, ok := m.patterns.Index()
	if !ok || i >= len(m.clusters) {
		return nil
	}
	message := m.names.Message
	query := m.clusters[i].Query(message)
	if kind := m.typeOf(message); kind == "keyword" || kind == "wildcard" {
		query = m.clusters[i].Keyword(message)
	}
	m.showPatterns = false
	m.focusOn(keys.List)
	return m.with(scope.Chip{Query: query, Not: not})
}

// statsLines are the page of a field's statistics.
func (m *model) statsLines(kind string, s source.Stats, top source.Facet) []string {
	t := m.theme
	row := func(name, value string) string {
		return t.Dim.Render(text.Pad(name, 12)) + t.Text.Render(text.Clean(value))
	}
	lines := []string{row("type", kind), row("documents", shownCount(top.Docs))}
	if s.Docs > 0 {
		number := func(f float64) string {
			if s.Date {
				return m.zone.Of(time.UnixMilli(int64(f))).Format("2006-01-02 15:04:05.000 Z07:00")
			}
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
		lines = append(lines, row("values", shownCount(source.Count{N: s.Distinct, Kind: source.About})), row("least", number(s.Min)), row("most", number(s.Max)),
			row("mean", number(s.Avg)))
	}
	if len(top.Values) > 0 {
		lines = append(lines, "", t.Strong.Render("top values"))
	}
	most := int64(1)
	for _, v := range top.Values {
		most = max(most, v.Count)
	}
	for _, v := range top.Values {
		bar := strings.Repeat("█", int(v.Count*20/most))
		lines = append(lines, fmt.Sprintf("%s %s %s", t.Number.Render(fmt.Sprintf("%12s", shownCount(source.Count{N: v.Count, Kind: top.Kind}))),
			t.Accent.Render(text.Pad(bar, 20)), t.Text.Render(text.Cut(text.Clean(v.Value), 60))))
	}
	if top.Other > 0 {
		lines = append(lines, t.Dim.Render(fmt.Sprintf("%12s others", shownCount(source.Count{N: top.Other, Kind: top.Kind}))))
	}
	return lines
}

// measured are the types whose values have a least and a mean.
var measured = map[string]bool{"long": true, "integer": true, "short": true, "byte": true, "double": true, "float": true, "half_float": true, "scaled_float": true,
	"unsigned_long": true, "date": true, "date_nanos": true}

// typeOf is a field's type.
func (m *model) typeOf(field string) string {
	if m.fields == nil {
		return ""
	}
	return m.fields.Type(field)
}

// noRows says that nothing is found, and what to do about it.
func (m *model) noRows() {
	m.chart.SetHistogram(source.Histogram{})
	m.chart.SetLoading(false)
	m.status.count, m.status.known = source.Count{}, true
}
