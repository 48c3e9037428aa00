package facet

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"github.com/sahilm/fuzzy"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// An Item is one choice of a menu.
type Item struct {
	Text string
	Hint string
	ID   string // what it stands for; the menu does not look at it

	// Of nodes: lines, errors, and errors over time.
	Count, Errors int64
	Spark         []int64
}

// Nodes are the items of a level of the topology; their ids are the values.
func Nodes(nodes []source.Node) []Item {
	items := make([]Item, len(nodes))
	for i, n := range nodes {
		items[i] = Item{Text: n.Value, ID: n.Value, Count: n.Count, Errors: n.Errors, Spark: n.Spark}
	}
	return items
}

// A Menu is a framed list of choices, narrowed by what is typed: its letters have to be in an item in this order.
type Menu struct {
	theme         *theme.Theme
	title, hint   string
	width, height int
	loading       bool

	items  []Item
	clean  []string // their texts as they are shown
	typed  string
	found  []match
	cursor int // in found
	top    int
}

// A match is an item that has what was typed, at these bytes of its clean text.
type match struct {
	item int
	at   []int
}

// NewMenu returns a menu with a title.
func NewMenu(t *theme.Theme, title string, items []Item) *Menu {
	m := &Menu{theme: t, title: title}
	m.SetItems(items)
	return m
}

// SetHint sets the text at the foot.
func (m *Menu) SetHint(hint string) { m.hint = hint }

// SetLoading says that items are still to come.
func (m *Menu) SetLoading(loading bool) { m.loading = loading }

// SetSize sets how large the menu may be; one of few items is less high.
func (m *Menu) SetSize(width, height int) { m.width, m.height = width, height }

// SetItems replaces the items. The cursor stays on the one with the same id.
func (m *Menu) SetItems(items []Item) {
	at, had := m.Item()
	m.items = slices.Clone(items)
	m.clean = make([]string, len(items))
	for i, item := range items {
		m.clean[i] = text.Clean(strings.Join(strings.Fields(item.Text), " "))
	}
	m.search()
	if had {
		m.Goto(at.ID)
	}
}

// Goto puts the cursor on the item with an id, if it is listed.
func (m *Menu) Goto(id string) {
	if i := slices.IndexFunc(m.found, func(f match) bool { return m.items[f.item].ID == id }); i >= 0 {
		m.cursor = i
	}
}

// Item is the one at the cursor; ok is false if none is listed.
func (m *Menu) Item() (item Item, ok bool) {
	if m.cursor >= len(m.found) {
		return Item{}, false
	}
	return m.items[m.found[m.cursor].item], true
}

// MoveBy moves the cursor; by one it goes round.
func (m *Menu) MoveBy(n int) {
	all := len(m.found)
	if all == 0 {
		return
	}
	to := m.cursor + n
	if n == 1 || n == -1 {
		m.cursor = (to + all) % all
	} else {
		m.cursor = max(0, min(to, all-1))
	}
}

// Click puts the cursor on the item of a line of the menu, and says whether there is one.
func (m *Menu) Click(y int) bool {
	i := m.top + y - 2
	if y < 2 || y-2 >= m.rows() || i >= len(m.found) {
		return false
	}
	m.cursor = i
	return true
}

// Type adds to what is searched for, Backspace takes its last character away, Clear all.
func (m *Menu) Type(s string) {
	if len(m.typed)+len(s) < 1000 {
		m.typed += strings.ToValidUTF8(strings.ReplaceAll(s, "\n", " "), "")
		m.search()
	}
}

// Backspace takes the last character away.
func (m *Menu) Backspace() {
	_, n := utf8.DecodeLastRuneInString(m.typed)
	m.typed = m.typed[:len(m.typed)-n]
	m.search()
}

// Clear searches for nothing.
func (m *Menu) Clear() {
	m.typed = ""
	m.search()
}

// search lists what has the typed letters, the best first; all in their order if nothing is typed.
func (m *Menu) search() {
	m.found, m.cursor, m.top = m.found[:0:0], 0, 0
	pattern := strings.Join(strings.Fields(m.typed), "")
	if pattern == "" {
		for i := range m.items {
			m.found = append(m.found, match{item: i})
		}
		return
	}
	for _, f := range fuzzy.Find(pattern, m.clean) {
		m.found = append(m.found, match{f.Index, f.MatchedIndexes})
	}
}

// rows is how many items are seen at a time. It does not change while one types.
func (m *Menu) rows() int { return max(0, min(max(len(m.items), 1), m.height-3)) }

// Lines are the menu's lines, with its frame.
func (m *Menu) Lines() []string {
	t := m.theme
	if m.width < 8 || m.height < 4 {
		return nil
	}
	inner := m.width - 4
	title := text.Cut(text.Clean(m.title), max(0, m.width-6))
	count := fmt.Sprintf(" %d of %d ", len(m.found), len(m.items))
	rule := m.width - 5 - text.Width(title)
	top := draw.NewLine(m.width, t.Popup).Add(t.Border, "╭─ ").Add(t.Strong, title).Space(1)
	if rule > len(count)+2 {
		top.Add(t.Border, strings.Repeat("─", rule-len(count)-1)).Add(t.Dim, count).Add(t.Border, "─╮")
	} else {
		top.Add(t.Border, strings.Repeat("─", max(0, rule))+"╮")
	}
	lines := []string{top.String()}
	frame := func(base lipgloss.Style, draws func(l *draw.Line)) {
		l := draw.NewLine(inner+2, base).Space(1)
		draws(l)
		lines = append(lines, t.Border.Render("│")+l.String()+t.Border.Render("│"))
	}
	frame(t.Popup, func(l *draw.Line) { m.prompt(l) })
	rows := m.rows()
	m.top = scrolled(m.top, m.cursor, rows, len(m.found))
	for i := m.top; i < m.top+rows; i++ {
		if i >= len(m.found) {
			frame(t.Popup, func(l *draw.Line) {
				if i == 0 && m.loading {
					l.Add(t.Dim, "looking …")
				} else if i == 0 {
					l.Add(t.Dim, "nothing")
				}
			})
			continue
		}
		base := t.Popup
		if i == m.cursor {
			base = t.Cursor
		}
		frame(base, func(l *draw.Line) { m.item(l, m.found[i]) })
	}
	foot := draw.NewLine(m.width, t.Popup).Add(t.Border, "╰─")
	if hint := text.Cut(text.Clean(m.hint), m.width-6); hint != "" {
		foot.Space(1).Add(t.Dim, hint).Space(1)
	}
	foot.Add(t.Border, strings.Repeat("─", max(0, foot.Left()-1))+"╯")
	return append(lines, foot.String())
}

// prompt shows the end of what is typed, and where typing goes on.
func (m *Menu) prompt(l *draw.Line) {
	t := m.theme
	l.Add(t.Accent, "❯ ")
	typed := text.Clean(m.typed)
	if w, space := text.Width(typed), l.Left()-2; w > space {
		typed = text.Slice(typed, w-space, space)
	}
	l.Add(t.Text, typed).Add(t.Accent, "▏")
}

// item draws one choice: what was searched for is marked in it.
func (m *Menu) item(l *draw.Line, f match) {
	t := m.theme
	item, name := m.items[f.item], m.clean[f.item]
	numbers := 0
	if (item.Count > 0 || item.Spark != nil) && l.Left() >= 34 {
		numbers = counts
		if l.Left() > 60 {
			numbers += 2 + sparks
		}
	}
	hint := text.Clean(item.Hint)
	space := max(0, l.Left()-1-numbers)
	if hint != "" {
		space -= min(text.Width(hint), space*2/3) + 2
	}
	space = max(0, space)
	before := l.Left()
	if text.Width(name) > space {
		name = text.Cut(name, space)
	}
	from := 0
	for _, at := range f.at {
		if at < from || at >= len(name) {
			continue
		}
		_, n := utf8.DecodeRuneInString(name[at:])
		l.Add(t.Text, name[from:at]).Add(t.Accent.Underline(true), name[at:at+n])
		from = at + n
	}
	l.Add(t.Text, name[from:]).Space(space - (before - l.Left()))
	if hint != "" {
		l.Space(2).Cell(t.Dim, hint, max(0, l.Left()-1-numbers), false)
	}
	if numbers == 0 {
		return
	}
	count := draw.Number(item.Count)
	if len(count) > 9 {
		count = draw.Short(item.Count)
	}
	l.Cell(t.Number, count, 9, true)
	errors, style := "", t.Dim
	if item.Errors > 0 {
		errors, style = draw.Short(item.Errors), t.Level[source.Error]
	}
	l.Cell(style, errors, 7, true)
	if numbers > counts {
		l.Space(2).Cell(t.Level[source.Error], draw.Spark(item.Spark, sparks), sparks, false)
	}
}

const (
	counts = 9 + 7 // columns of lines and errors
	sparks = 16    // of a sparkline
)
