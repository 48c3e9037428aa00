package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/podbeat/podbeat/tui/bar"
	"github.com/podbeat/podbeat/tui/facet"
	"github.com/podbeat/podbeat/tui/keys"
	"github.com/podbeat/podbeat/tui/text"
)

// An overlay stands above the screen and has the keys while it is the last one.
type overlay interface {
	// key takes a key; false closes the overlay.
	key(m *model, msg tea.KeyPressMsg) (tea.Cmd, bool)
	lines(m *model, w, h int) (x, y int, lines []string)
	cursor(m *model) *tea.Cursor
}

// open puts an overlay above the others.
func (m *model) open(o overlay) { m.overlays = append(m.overlays, o) }

// A picker is a list to choose from.
type picker struct {
	menu *facet.Menu
	// chosen gets what was chosen; false leaves the picker open.
	chosen func(m *model, item facet.Item) (tea.Cmd, bool)
	// extra are keys beside those of every menu, with what they do to the item at the cursor; false closes.
	extra map[string]func(m *model, item facet.Item) (tea.Cmd, bool)
	y     int // of its first line
}

// pick opens a picker.
func (m *model) pick(title, hint string, items []facet.Item, chosen func(*model, facet.Item) (tea.Cmd, bool)) *picker {
	p := &picker{menu: facet.NewMenu(m.theme, title, items), chosen: chosen}
	p.menu.SetHint(hint)
	m.open(p)
	return p
}

func (p *picker) key(m *model, msg tea.KeyPressMsg) (tea.Cmd, bool) {
	key := msg.String()
	item, ok := p.menu.Item()
	if f := p.extra[key]; f != nil && ok {
		return f(m, item)
	}
	switch key {
	case "esc", "ctrl+g":
		return nil, false
	case "enter":
		if !ok {
			return nil, true
		}
		return p.chosen(m, item)
	case "up", "ctrl+p":
		p.menu.MoveBy(-1)
	case "down", "ctrl+n", "tab":
		p.menu.MoveBy(1)
	case "pgup":
		p.menu.MoveBy(-10)
	case "pgdown":
		p.menu.MoveBy(10)
	case "backspace":
		p.menu.Backspace()
	case "ctrl+u":
		p.menu.Clear()
	default:
		if msg.Text != "" {
			p.menu.Type(msg.Text)
		}
	}
	return nil, true
}

func (p *picker) lines(m *model, w, h int) (x, y int, lines []string) {
	p.menu.SetSize(min(w, 90), min(h, 30))
	x, y, lines = centred(w, h, p.menu.Lines())
	p.y = y
	return x, y, lines
}

func (p *picker) cursor(*model) *tea.Cursor { return nil }

// centred is where lines have to stand to be in the middle.
func centred(w, h int, lines []string) (int, int, []string) {
	if len(lines) == 0 {
		return 0, 0, nil
	}
	return max(0, (w-text.Width(lines[0]))/2), max(0, (h-len(lines))/3), lines
}

// A prompt asks for a line of text.
type prompt struct {
	title  string
	hint   string
	editor *bar.Editor
	wrong  string
	// done gets the text; an error stays with the text until it is mended.
	done func(m *model, text string) (tea.Cmd, error)
	x, y int
}

// ask opens a prompt.
func (m *model) prompt(title, hint, given string, done func(*model, string) (tea.Cmd, error)) *prompt {
	p := &prompt{title: title, hint: hint, editor: bar.NewEditor(m.theme), done: done}
	p.editor.SetText(given)
	m.open(p)
	return p
}

func (p *prompt) key(m *model, msg tea.KeyPressMsg) (tea.Cmd, bool) {
	switch msg.String() {
	case "esc", "ctrl+g":
		return nil, false
	case "enter":
		cmd, err := p.done(m, p.editor.Text())
		if err != nil {
			p.wrong = err.Error()
			return nil, true
		}
		return cmd, false
	}
	if p.editor.Key(msg) {
		p.wrong = ""
	}
	return nil, true
}

func (p *prompt) lines(m *model, w, h int) (x, y int, lines []string) {
	wide := min(w, 90)
	p.editor.SetWidth(wide - 4)
	body := []string{p.editor.Line()}
	if p.hint != "" {
		for _, line := range text.Wrap(p.hint, wide-4) {
			body = append(body, m.theme.Dim.Render(line))
		}
	}
	if p.wrong != "" {
		for _, line := range text.Wrap(text.Clean(p.wrong), wide-4) {
			body = append(body, m.theme.Bad.Render(line))
		}
	}
	p.x, p.y, lines = centred(w, h, m.framed(p.title, body, wide))
	return p.x, p.y, lines
}

func (p *prompt) cursor(*model) *tea.Cursor {
	return tea.NewCursor(p.x+2+p.editor.Column(), p.y+1)
}

// A page is text to be read, as the help.
type page struct {
	title string
	body  []string // of any width, styled
	top   int
	rows  int // that were visible
}

func (p *page) key(m *model, msg tea.KeyPressMsg) (tea.Cmd, bool) {
	switch key := msg.String(); m.keys.Action(keys.List, key) {
	case "down":
		p.top++
	case "up":
		p.top--
	case "page-down":
		p.top += p.rows
	case "page-up":
		p.top -= p.rows
	case "oldest":
		p.top = 0
	case "newest":
		p.top = len(p.body)
	default:
		return nil, false
	}
	return nil, true
}

func (p *page) lines(m *model, w, h int) (x, y int, lines []string) {
	wide := 20
	for _, line := range p.body {
		wide = max(wide, text.Width(line)+4)
	}
	wide = min(w, wide)
	p.rows = max(1, min(len(p.body), h-4))
	p.top = max(0, min(p.top, len(p.body)-p.rows))
	title := p.title
	if len(p.body) > p.rows {
		title += "  " + m.keys.Key("down") + " " + m.keys.Key("up")
	}
	return centred(w, h, m.framed(title, p.body[p.top:p.top+p.rows], wide))
}

func (p *page) cursor(*model) *tea.Cursor { return nil }

// framed puts lines into a box of w columns with a title.
func (m *model) framed(title string, body []string, w int) []string {
	t := m.theme
	w = max(w, 6)
	title = text.Cut(title, w-6)
	lines := []string{t.Border.Render("╭─ ") + t.Strong.Render(title) + t.Border.Render(" "+strings.Repeat("─", max(0, w-5-text.Width(title)))+"╮")}
	for _, line := range body {
		lines = append(lines, t.Border.Render("│ ")+text.Pad(line, w-4)+t.Border.Render(" │"))
	}
	return append(lines, t.Border.Render("╰"+strings.Repeat("─", w-2)+"╯"))
}

// help is made of the bindings.
func (m *model) help() *page {
	var body []string
	at := keys.Place(255)
	for _, b := range m.keys.Bindings() {
		if b.Place != at {
			if len(body) > 0 {
				body = append(body, "")
			}
			at = b.Place
			body = append(body, m.theme.Strong.Render(at.String()))
		}
		var shown []string
		for _, key := range b.Keys {
			shown = append(shown, keys.Shown(key))
		}
		keyText := strings.Join(shown, " ")
		if b.Action == "preset" {
			keyText = keys.Shown(b.Keys[0]) + " … " + keys.Shown(b.Keys[len(b.Keys)-1])
		}
		body = append(body, m.theme.Accent.Render(text.Pad(keyText, 20))+" "+b.Help)
	}
	return &page{title: "Keys: `logtui keys` prints them, keys: in the configuration changes them", body: body}
}
