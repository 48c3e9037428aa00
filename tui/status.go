package tui

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
)

// A status is what the lowest lines say.
type status struct {
	count   source.Count // of lines found
	known   bool         // the count is of this search
	took    time.Duration
	shards  source.Meta // the newest answer of rows
	lag     source.Lag
	banner  source.Banner
	retryAt time.Time // when what failed is asked again; zero: not by itself
	toast   string
	until   time.Time // the toast is shown
	bad     bool      // the toast is an error
	work    string    // long work under way
	chartAt time.Time // when the histogram was asked last
}

// begin forgets what was of the search before.
func (s *status) begin() { s.known = false }

// page takes what an answer of rows says of itself.
func (s *status) page(meta source.Meta) { s.shards, s.took = meta, meta.Took }

// counted takes the sum of a histogram of the whole range.
func (s *status) counted(h source.Histogram) {
	var n int64
	for _, b := range h.Total {
		n += b
	}
	s.count, s.known = source.Count{N: n}, true
	if h.Partial != "" {
		s.count.Kind = source.AtLeast
	}
}

// well takes the banner away: something has been answered.
func (m *model) well() {
	shown := m.status.banner.Title != ""
	m.status.banner, m.status.retryAt = source.Banner{}, time.Time{}
	if shown {
		m.arrange()
	}
}

// say shows a short message for a while.
func (m *model) say(format string, args ...any) {
	m.status.toast, m.status.until, m.status.bad = fmt.Sprintf(format, args...), m.now().Add(6*time.Second), false
}

// complain shows one that something did not work.
func (m *model) complain(err error) {
	m.say("%s", err)
	m.status.bad = true
}

// failed shows what kept an answer away, and what to do. What is on the screen stays. It is asked again later where that may help.
func (m *model) failed(what string, err error) tea.Cmd {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	m.status.banner = source.Advice(err)
	m.status.banner.Title = "Cannot " + what + ": " + m.status.banner.Title
	if m.status.banner.Retry {
		m.status.retryAt = m.now().Add(max(m.status.banner.After, 2*time.Second))
	}
	m.arrange()
	return nil
}

// tick is done each second: what has to be asked again, and what is no longer to be said.
func (m *model) tick() tea.Cmd {
	now := m.now()
	if m.status.toast != "" && now.After(m.status.until) {
		m.status.toast = ""
	}
	cmds := []tea.Cmd{everySecond()}
	if at := m.status.retryAt; !at.IsZero() && now.After(at) {
		m.status.retryAt = time.Time{}
		cmds = append(cmds, m.retry())
	}
	if m.tail.on && now.Sub(m.status.chartAt) > max(chartEvery, 10*m.status.took) && m.asked[askChart].began.IsZero() {
		m.status.chartAt = now
		if !m.to.IsZero() {
			m.from, m.to = m.scope.Range.Resolve(now.In(m.zone.Location()))
		}
		cmds = append(cmds, m.histogram(), m.lag())
	}
	return tea.Batch(cmds...)
}

// retry asks again for what failed.
func (m *model) retry() tea.Cmd {
	if m.tail.on && !m.list.Empty() {
		m.list.Again()
		return tea.Batch(m.poll(), m.histogram())
	}
	return m.search(m.scope, m.list.Cursor())
}

// bannerText is the error, and what to do about it.
func (m *model) bannerText() (title, do string) {
	b := m.status.banner
	do = b.Do
	if at := m.status.retryAt; !at.IsZero() {
		do += fmt.Sprintf(" · asked again in %ds, now with %s", max(0, int(at.Sub(m.now()).Seconds()+0.9)), m.keys.Key("refresh"))
	}
	return text.Clean(b.Title), text.Clean(do)
}

// bannerHeight is how many lines the banner needs in w columns; 0 if there is none.
func (m *model) bannerHeight(w int) int {
	if m.status.banner.Title == "" {
		return 0
	}
	title, do := m.bannerText()
	return len(text.Wrap(title, max(1, w-2))) + len(text.Wrap(do, max(1, w-2)))
}

// bannerLines draw it.
func (m *model) bannerLines(w, h int) []string {
	title, do := m.bannerText()
	var lines []string
	for i, line := range text.Wrap(title, max(1, w-2)) {
		sign := "✗ "
		if i > 0 {
			sign = "  "
		}
		lines = append(lines, m.theme.Bad.Render(text.Pad(sign+line, w)))
	}
	for _, line := range text.Wrap(do, max(1, w-2)) {
		lines = append(lines, m.theme.Warn.Render(text.Pad("  "+line, w)))
	}
	for len(lines) < h { // the seconds have become fewer digits
		lines = append(lines, text.Pad("", w))
	}
	return lines[:h]
}

// statusLine is the lowest line.
func (m *model) statusLine(w int) string {
	s, t := &m.status, m.theme
	sep := t.Dim.Render(" │ ")
	if s.toast != "" {
		style := t.Good
		if s.bad {
			style = t.Bad
		}
		return text.Pad(style.Render(text.Cut(text.Clean(s.toast), w)), w)
	}
	parts := []string{t.Strong.Render(text.Clean(m.contextName()))}
	if m.tail.on {
		parts = append(parts, m.tailState())
	}
	if s.known {
		unit := " lines"
		if s.count.N == 1 {
			unit = " line"
		}
		parts = append(parts, t.Text.Render(shownCount(s.count)+unit))
	}
	if len(m.costs) > 0 {
		parts = append(parts, t.Warn.Render(text.Clean(m.costs[0])))
	}
	if s.work != "" {
		parts = append(parts, t.Accent.Render(text.Clean(s.work)))
	}
	if busy := m.busy(); busy > 300*time.Millisecond {
		parts = append(parts, t.Accent.Render(spinner(m.now())+" "+busy.Round(100*time.Millisecond).String()+", Esc cancels"))
	} else if s.took > 0 {
		parts = append(parts, t.Dim.Render("took "+s.took.Round(time.Millisecond).String()))
	}
	if n := s.shards.Shards.Failed; n > 0 {
		parts = append(parts, t.Bad.Render(fmt.Sprintf("%d of %d shards failed", n, s.shards.Shards.Total)))
	} else if s.shards.Partial != "" {
		parts = append(parts, t.Warn.Render(text.Clean(s.shards.Partial)))
	}
	if s.lag.N > 0 {
		parts = append(parts, t.Dim.Render("lag "+short(max(0, s.lag.P50))+"/"+short(max(0, s.lag.P99))))
	}
	if at := m.list.Position(); at != "" {
		parts = append(parts, t.Dim.Render(at))
	}
	left := strings.Join(parts, sep)
	hints := m.hints(w - text.Width(left) - 2)
	gap := w - text.Width(left) - text.Width(hints)
	return text.Pad(left+strings.Repeat(" ", max(1, gap))+hints, w)
}

// hints are keys that fit into w columns.
func (m *model) hints(w int) string {
	var b strings.Builder
	used := 0
	for _, binding := range m.keys.Bindings() {
		if binding.Foot == "" || len(binding.Keys) == 0 {
			continue
		}
		key := m.keys.Key(binding.Action)
		n := text.Width(key) + 1 + len(binding.Foot) + 2
		if used+n > w {
			continue
		}
		used += n
		b.WriteString("  " + m.theme.Accent.Render(key) + " " + m.theme.Dim.Render(binding.Foot))
	}
	return b.String()
}

// shownCount is a count as people read it: 1,234,567, ≥10,000, ≈20,000.
func shownCount(c source.Count) string { return draw.Sign(c.Kind) + draw.Number(c.N) }

// short is a duration in at most two digits or so.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d < 2*time.Minute:
		return d.Round(time.Second).String()
	}
	if d >= 48*time.Hour {
		return strconv.Itoa(int(d/(24*time.Hour))) + "d"
	}
	return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
}

func spinner(now time.Time) string {
	signs := []rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
	return string(signs[now.UnixMilli()/100%int64(len(signs))])
}

// explainLines say what was sent, where it was answered, and what may be slow about it.
func (m *model) explainLines(w, h int) []string {
	meta, t := m.status.shards, m.theme
	lines := []string{t.Dim.Render("sent   ") + t.Text.Render(text.Clean(fmt.Sprintf("%s %s  index %s", meta.Method, meta.Path, cmp.Or(m.scope.Index, m.context.Index))))}
	lines = append(lines, t.Dim.Render("shards ")+t.Text.Render(fmt.Sprintf("%d, %d skipped, %d failed; took %v in the server, %v until it was here",
		meta.Shards.Total, meta.Shards.Skipped, meta.Shards.Failed, meta.Took, meta.Elapsed.Round(time.Millisecond))))
	for _, cost := range m.costs {
		lines = append(lines, t.Warn.Render("slow   "+text.Clean(cost)))
	}
	var sent struct {
		Query json.RawMessage `json:"query"`
	}
	json.Unmarshal(meta.Request, &sent) // an answer of nothing has none
	head := "query  "
	for _, line := range text.Wrap(text.Clean(string(sent.Query)), max(w-7, 1)) {
		lines = append(lines, t.Dim.Render(head)+t.Text.Render(line))
		head = "       "
	}
	for len(lines) < h {
		lines = append(lines, "")
	}
	lines = lines[:h]
	lines[h-1] = t.Border.Render(strings.Repeat("─", w))
	for i, line := range lines {
		lines[i] = text.Pad(line, w)
	}
	return lines
}

// showScope tells the bar and the breadcrumb what is searched.
func (m *model) showScope() {
	m.bar.SetText(m.scope.Text)
	m.bar.SetChips(chips(m.scope))
	m.bar.SetRange(m.scope.Range.Text(m.zone.Location()), m.zone.Name(cmp.Or(m.to, m.from, m.now())))
	m.bar.SetLens(lensName(m.scope.Lens))
	m.rail.SetPath(m.scope.Path)
	m.list.SetHighlights(m.highlights())
	m.list.SetNote(m.nothingNote())
	m.arrange()
}

// lensName is what the bar calls a lens.
func lensName(l scope.Lens) string {
	switch l {
	case scope.Console:
		return "container logs"
	case scope.Application:
		return "application logs"
	}
	return "all logs"
}

// nothingNote is what the list says where nothing is found.
func (m *model) nothingNote() string {
	s := "no lines"
	if m.scope.Text != "" {
		s += " match the query"
	}
	switch {
	case m.scope.Range.All():
		s += " at any time"
	case m.before.IsZero():
		s += " in " + m.scope.Range.Text(m.zone.Location()) + "; " + m.keys.Key("zoom-out") + " doubles the range"
	}
	if !m.before.IsZero() {
		at := m.zone.Of(m.before)
		s += " in " + m.scope.Range.Text(m.zone.Location()) + "; the newest before is of " + at.Format("2006-01-02 15:04:05") + ", " +
			short(m.now().Sub(m.before)) + " ago: " + m.keys.Key("open") + " shows it"
	}
	if len(m.scope.Chips) > 0 {
		s += "; " + m.keys.Key("chips") + " shows the filters"
	}
	if len(m.past) > 0 {
		s += "; " + m.keys.Key("back") + " goes back"
	}
	return s
}
