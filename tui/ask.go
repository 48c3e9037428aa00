package tui

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/bar"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/when"
)

const (
	typing     = 150 * time.Millisecond // the keys rest before completion is asked for
	chartEvery = 5 * time.Second        // the histogram is asked again while the tail is on
)

// ask runs f, which asks for something of kind k, as a command. What it returns is done if nothing newer has been asked meanwhile.
func (m *model) ask(k kind, f func(ctx context.Context) func(*model) tea.Cmd) tea.Cmd {
	ctx, gen := m.begin(k)
	return func() tea.Msg { return answer{kind: k, gen: gen, do: f(ctx)} }
}

// show makes s what is searched, and asks for it. row is where the cursor shall be, nil: at the newest line. The search before
// can be come back to.
func (m *model) show(s scope.Scope, row *source.Row) tea.Cmd {
	if s.Key() != m.scope.Key() {
		m.past = append(m.past, visit{m.scope, m.list.Cursor()})
		if len(m.past) > 200 {
			m.past = m.past[1:]
		}
		m.future = nil
	}
	return m.search(s, row)
}

// search asks for s without a trace in the history.
func (m *model) search(s scope.Scope, row *source.Row) tea.Cmd {
	if index := cmp.Or(s.Index, m.context.Index); index != m.source.Index() {
		m.fields = nil
		m.openSource(index, m.context.Names())
	}
	filter, err := m.filter(s)
	if err != nil {
		m.bar.SetError(err)
		m.focusQuery()
		return nil
	}
	m.bar.SetError(nil)
	m.holdTail()
	m.list.SetColumns(columns(s.Columns))
	m.scope, m.costs = s, m.costsOf(s.Text)
	m.from, m.to = s.Range.Resolve(m.now().In(m.zone.Location()))
	m.chart.Clear()
	m.showScope()
	m.stopAll(askWork, askFields, askRail, askNodes)
	old := m.view
	m.view = m.source.View(m.query(filter))
	m.status.begin()
	m.list.SetNote("")
	m.before = time.Time{}
	m.patternsStale()
	return tea.Batch(m.rows(row), closing(m.ctx, old), m.askFieldsOnce(), m.remember())
}

// filter is the scope's as DSL.
func (m *model) filter(s scope.Scope) (any, error) {
	return s.Filter(m.known(), m.names, kql.Options{Location: m.zone.Location()})
}

// known is what fields there are, as far as it is known.
func (m *model) known() kql.Fields {
	if m.fields == nil {
		return nil
	}
	return m.fields
}

// query is the search of the list: open at its end where that is now, so that lines of clocks that are ahead are there, too.
func (m *model) query(filter any) source.Query {
	q := source.Query{Index: m.scope.Index, Filter: filter, From: m.from, To: m.to}
	if m.scope.Range.Live() {
		q.To = time.Time{}
	}
	return q
}

// closing ends what view holds in the server.
func closing(ctx context.Context, view *source.View) tea.Cmd {
	if view == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		view.Close(ctx)
		return nil
	}
}

// rows asks for the first rows of a new search: those around row, or the newest.
func (m *model) rows(row *source.Row) tea.Cmd {
	view, rows := m.view, m.config.PageLines
	if row != nil {
		samePod := m.podOf(row)
		return m.load(func(ctx context.Context) (older, newer source.Page, at *source.Row, err error) {
			return around(ctx, view, row, rows, samePod)
		}, (*model).shown)
	}
	ctx, gen := m.begin(askRows)
	m.list.Begin(gen)
	return streaming(func(say func(tea.Msg)) tea.Msg {
		first := true
		err := view.First(ctx, rows, func(page source.Page) {
			begins := first
			first = false
			say(answer{kind: askRows, gen: gen, more: true, do: func(m *model) tea.Cmd {
				if begins {
					m.list.First(gen, page, source.Page{End: true}, nil)
				} else {
					m.list.Put(gen, source.Older, page)
				}
				m.status.page(page.Meta)
				return nil
			}})
		})
		return answer{kind: askRows, gen: gen, do: func(m *model) tea.Cmd {
			if err != nil {
				return m.failed("list lines", err)
			}
			return m.shown()
		}}
	})
}

// nearPod is how far from an instant its pod is looked for.
const nearPod = time.Hour

// around reads the rows around row: that row itself if it is in the view, else the nearest one of its pod, else its instant.
func around(ctx context.Context, view *source.View, row *source.Row, n int, samePod any) (older, newer source.Page, at *source.Row, err error) {
	older, newer, err = view.From(ctx, row, n)
	if err != nil || samePod == nil || len(newer.Rows) > 0 && newer.Rows[0].Key() == row.Key() {
		return older, newer, row, err
	}
	before, err := view.Find(ctx, row, source.Older, samePod)
	if err != nil {
		return older, newer, row, err
	}
	after, err := view.Find(ctx, row, source.Newer, samePod)
	if err != nil {
		return older, newer, row, err
	}
	nearest := before
	if before == nil || after != nil && after.Time.Sub(row.Time) < row.Time.Sub(before.Time) {
		nearest = after
	}
	if nearest == nil || nearest.Time.Sub(row.Time).Abs() > nearPod {
		return older, newer, row, nil
	}
	older, newer, err = view.From(ctx, nearest, n)
	return older, newer, nearest, err
}

// podOf is a filter for the pod of row, nil if it says none.
func (m *model) podOf(row *source.Row) any {
	n := m.names
	for _, field := range []string{n.PodUID, n.Pod} {
		value := m.value(row, field)
		if m.fields != nil {
			field = m.fields.Aggregatable(field) // a keyword
		}
		if value != "" && field != "" {
			return map[string]any{"term": map[string]any{field: value}}
		}
	}
	return nil
}

// load replaces the rows of the list by those that get brings, with the cursor on at, or where newer begins if that is nil.
func (m *model) load(get func(ctx context.Context) (older, newer source.Page, at *source.Row, err error), then func(*model) tea.Cmd) tea.Cmd {
	ctx, gen := m.begin(askRows)
	m.list.Begin(gen)
	return func() tea.Msg {
		older, newer, at, err := get(ctx)
		return answer{kind: askRows, gen: gen, do: func(m *model) tea.Cmd {
			if err != nil {
				return m.failed("list lines", err)
			}
			m.list.First(gen, older, newer, at)
			m.status.page(older.Meta)
			return then(m)
		}}
	}
}

// shown goes on when the first rows stand: histogram, then its levels, then what is around.
func (m *model) shown() tea.Cmd {
	m.well()
	m.list.SetNote(m.nothingNote())
	var tail tea.Cmd
	if m.tail.wanted && m.scope.Range.Live() && m.list.AtEnd() {
		tail = m.startTail()
	}
	if m.list.Empty() {
		return tea.Batch(m.histogram(), m.lookBefore(), tail)
	}
	return tea.Batch(m.histogram(), m.counts(), m.lag(), m.countOpen(), tail)
}

// lookBefore asks for the newest line before a range in which nothing is.
func (m *model) lookBefore() tea.Cmd {
	if m.from.IsZero() {
		return nil
	}
	q := m.view.Query()
	q.From, q.To = time.Time{}, m.from
	view := m.source.View(q)
	return m.ask(askRail, func(ctx context.Context) func(*model) tea.Cmd {
		newest, err := view.Newest(ctx)
		return func(m *model) tea.Cmd {
			if err == nil && !newest.IsZero() {
				m.before = newest
				m.list.SetNote(m.nothingNote())
			}
			return nil // the note says enough without it
		}
	})
}

// showBefore makes the range end behind the line that lookBefore found.
func (m *model) showBefore() tea.Cmd {
	span := m.to.Sub(m.from)
	if m.to.IsZero() || span <= 0 {
		span = 15 * time.Minute
	}
	return m.setRange(when.Between(m.before.Add(-span), m.before.Add(time.Second)), nil)
}

// wants asks for the pages that the list needs next.
func (m *model) wants() tea.Cmd {
	if m.view == nil || !m.asked[askRows].began.IsZero() { // the first pages come by themselves
		return nil
	}
	var cmds []tea.Cmd
	for _, want := range m.list.Wants() {
		k, get := askOlder, m.view.Before
		if want.Dir == source.Newer {
			k, get = askNewer, m.view.After
		}
		gen := m.list.Gen()
		cmds = append(cmds, m.ask(k, func(ctx context.Context) func(*model) tea.Cmd {
			page, err := get(ctx, want.Row, want.N)
			return func(m *model) tea.Cmd {
				if err != nil {
					m.list.Failed(want.Dir)
					return m.failed("list more lines", err)
				}
				m.list.Put(gen, want.Dir, page)
				m.status.page(page.Meta)
				return nil
			}
		}))
	}
	return tea.Batch(cmds...)
}

// histogram asks for the counts over time, first the sums, then by level.
func (m *model) histogram() tea.Cmd {
	view, width, loc := m.view, max(m.chart.Columns(), 20), m.zone.Location()
	from, to := m.from, m.to
	m.chart.SetRange(from, to)
	ctx, gen := m.begin(askChart)
	if m.chart.Empty() {
		m.chart.SetLoading(true)
	}
	return streaming(func(say func(tea.Msg)) tea.Msg {
		from, to, err := bounds(ctx, view, from, to)
		if err == nil && from.IsZero() {
			return answer{kind: askChart, gen: gen, do: func(m *model) tea.Cmd { m.noRows(); return nil }}
		}
		interval := when.Interval(to.Sub(from), width)
		var h source.Histogram
		if err == nil {
			h, err = view.Histogram(ctx, from, to, interval, loc)
		}
		if err == nil {
			say(answer{kind: askChart, gen: gen, more: true, do: func(m *model) tea.Cmd {
				m.chart.SetHistogram(h)
				m.status.counted(h)
				return nil
			}})
			h, err = view.LevelHistogram(ctx, from, to, interval, loc)
		}
		var count source.Count
		if err == nil { // buckets count a document with several times in each, and one without any in none
			count, _, err = view.Count(ctx)
		}
		return answer{kind: askChart, gen: gen, do: func(m *model) tea.Cmd {
			m.chart.SetLoading(false)
			if err != nil {
				return m.failed("count lines over time", err)
			}
			m.chart.SetHistogram(h)
			m.status.count, m.status.known = count, true
			m.status.chartAt = m.now()
			return nil
		}}
	})
}

// bounds gives an open range ends: those of the documents.
func bounds(ctx context.Context, view *source.View, from, to time.Time) (time.Time, time.Time, error) {
	var err error
	if from.IsZero() {
		if from, err = view.Oldest(ctx); err != nil || from.IsZero() {
			return from, to, err
		}
	}
	if to.IsZero() {
		if to, err = view.Newest(ctx); err != nil || to.IsZero() {
			return time.Time{}, to, err
		}
		to = to.Add(time.Millisecond)
	}
	return from, to, nil
}

// counts asks how many lines each value of the next level of the breadcrumb has.
func (m *model) counts() tea.Cmd {
	view, s := m.view, m.scope
	level := nextLevel(s.Path)
	return m.ask(askRail, func(ctx context.Context) func(*model) tea.Cmd {
		var nodes []source.Node
		var err error
		for {
			if nodes, err = view.Topology(ctx, level, 200); err != nil || len(nodes) > 0 || level >= len(s.Path)-1 {
				break
			}
			level++ // nothing says its region
		}
		return func(m *model) tea.Cmd {
			if err == nil {
				m.rail.SetNodes(level, nodes)
				m.nextLevel = level
			}
			return nil // a breadcrumb without counts is one still
		}
	})
}

// lag asks how long lines take until they can be found.
func (m *model) lag() tea.Cmd {
	view := m.view
	return m.ask(askLag, func(ctx context.Context) func(*model) tea.Cmd {
		lag, err := view.Lag(ctx)
		return func(m *model) tea.Cmd {
			if err == nil {
				m.status.lag = lag
			}
			return nil
		}
	})
}

// askFieldsOnce asks which fields there are, once for each context and index.
func (m *model) askFieldsOnce() tea.Cmd {
	if m.fields != nil || !m.asked[askFields].began.IsZero() {
		return nil
	}
	src := m.source
	return m.ask(askFields, func(ctx context.Context) func(*model) tea.Cmd {
		fields, err := src.Fields(ctx)
		return func(m *model) tea.Cmd {
			if err != nil {
				return nil // the list tells the error
			}
			m.fields = fields
			names := fields.Suit(m.names)
			other := !reflect.DeepEqual(names, m.names)
			if other {
				m.openSource(m.source.Index(), names)
			}
			m.facets.SetFields(m.facetFields())
			if other || m.scope.Text != "" || len(m.scope.Chips) > 0 { // the query may be another one now
				return m.search(m.scope, m.list.Cursor())
			}
			return m.countOpen()
		}
	})
}

// countOpen asks for the top values of all fields that are open.
func (m *model) countOpen() tea.Cmd {
	if !m.showFacets {
		return nil
	}
	return m.countValues(m.facets.Open(), false)
}

// countField asks for the top values of one field, and of those whose request this one ends.
func (m *model) countField(field string, exact bool) tea.Cmd {
	return m.countValues(append([]string{field}, m.counting...), exact)
}

func (m *model) countValues(fields []string, exact bool) tea.Cmd {
	if len(fields) == 0 || m.view == nil {
		return nil
	}
	m.counting = fields
	view := m.view
	ctx, gen := m.begin(askFacet)
	return streaming(func(say func(tea.Msg)) tea.Msg {
		var failed error
		for _, f := range fields {
			got, err := view.Facet(ctx, f, 20, exact)
			if err != nil {
				failed = err
				break
			}
			say(answer{kind: askFacet, gen: gen, more: true, do: func(m *model) tea.Cmd {
				m.facets.SetFacet(got)
				m.counting = slices.DeleteFunc(slices.Clone(m.counting), func(f string) bool { return f == got.Field })
				return nil
			}})
		}
		return answer{kind: askFacet, gen: gen, do: func(m *model) tea.Cmd {
			if failed != nil {
				m.counting = nil
				return m.failed("count values", failed)
			}
			return nil
		}}
	})
}

// follow shows the document that the cursor has come to, and its place in time.
func (m *model) follow() {
	row := m.list.Cursor()
	if row == nil {
		return
	}
	m.chart.SetHere(row.Time)
	if m.showDetail && row != m.detailR {
		m.detailR = row
		m.detail.SetDocument(row, row.Source)
	}
}

// complete asks what the word at the cursor of the query may become.
func (m *model) complete() tea.Cmd {
	text, cursor := m.bar.Text()
	place := kql.Complete(text, cursor)
	view, fields, names := m.view, m.fields, m.names
	return m.ask(askComplete, func(ctx context.Context) func(*model) tea.Cmd {
		select {
		case <-time.After(typing):
		case <-ctx.Done():
			return nil
		}
		items := completions(ctx, place, fields, names, view)
		return func(m *model) tea.Cmd {
			m.bar.SetItems(place.From, place.To, items)
			return nil
		}
	})
}

// completions are what stands there, from what is there.
func completions(ctx context.Context, place kql.Place, fields *source.Fields, names source.Names, view *source.View) []bar.Item {
	var items []bar.Item
	switch place.Kind {
	case kql.Field:
		if fields == nil {
			return nil
		}
		for _, name := range completeNames(slices.Sorted(maps.Keys(scope.Short(names))), place.Prefix, 100) {
			if kind := fields.Type(name); place.Prefix != "" && strings.HasPrefix(name, place.Prefix) && (kind == "" || kind == "object") {
				items = append(items, bar.Item{Text: name + ": ", Hint: "short"})
			}
		}
		for _, name := range completeNames(fields.Names(), place.Prefix, 100) {
			items = append(items, bar.Item{Text: name + ": ", Hint: fields.Type(name)})
		}
	case kql.Value:
		if view == nil {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		field := place.Field
		if short := scope.Short(names)[field]; len(short) > 0 && (fields == nil || fields.Type(field) == "" || fields.Type(field) == "object") {
			field = short[0]
		}
		values, err := view.Values(ctx, field, place.Prefix, 30)
		if err != nil {
			return nil // typing goes on without
		}
		for _, v := range values {
			items = append(items, bar.Item{Text: kql.Quote(v) + " "})
		}
	case kql.Operator:
		items = []bar.Item{{Text: ": ", Hint: "is"}, {Text: ": * ", Hint: "is there"}, {Text: " >= "}, {Text: " <= "}, {Text: " > "}, {Text: " < "}}
	case kql.Conjunction:
		items = []bar.Item{{Text: "and "}, {Text: "or "}}
	}
	return items
}

// completeNames are up to n names that what is typed may become: those that begin so first, then those that have it in them.
func completeNames(names []string, typed string, n int) []string {
	typed = strings.ToLower(typed)
	var begin, inside []string
	for _, name := range names {
		switch lower := strings.ToLower(name); {
		case strings.HasPrefix(lower, typed):
			begin = append(begin, name)
		case strings.Contains(lower, typed):
			inside = append(inside, name)
		}
	}
	all := append(begin, inside...)
	return all[:min(n, len(all))]
}

// nextLevel is the first level below those that are chosen.
func nextLevel(path [scope.Levels]string) int {
	for level := scope.Levels - 1; level >= 0; level-- {
		if path[level] != "" {
			return min(level+1, scope.Levels-1)
		}
	}
	return 0
}
