// Package bar has the query line: the text with its colours, completion and error, the filters beside it, the range and the lens.
// Its editor serves all other prompts, too.
package bar

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

// A Chip is one filter.
type Chip struct {
	Text             string
	Not, Off, Pinned bool
}

// An Item is a completion.
type Item struct {
	Text string // what is put in
	Hint string
}

// A Bar is the query line, and a line of filters if there are some. The error of a query stands below it, and the completions while it is typed.
type Bar struct {
	theme  *theme.Theme
	editor *Editor
	width  int
	focus  bool

	chips       []Chip
	span, zone  string
	lens        string
	wrong       error
	items       []Item
	from, to    int // characters that an item replaces
	chosen, top int // of items; -1 while none is chosen

	lines []string // nil: they have to be drawn
}

// New returns an empty one.
func New(t *theme.Theme) *Bar {
	b := &Bar{theme: t, editor: NewEditor(t), chosen: -1}
	b.editor.paint, b.editor.style, b.editor.still = painted, b.style, true
	return b
}

// SetTheme changes the colours.
func (b *Bar) SetTheme(t *theme.Theme) {
	b.theme, b.lines = t, nil
	b.editor.SetTheme(t)
}

// SetFocus says whether keys go to the query.
func (b *Bar) SetFocus(focus bool) {
	b.focus, b.editor.still, b.lines = focus, !focus, nil
	if !focus {
		b.SetItems(0, 0, nil)
	}
}

// SetSize sets the columns; the height is the bar's own, see Height.
func (b *Bar) SetSize(width, _ int) {
	if width != b.width {
		b.width, b.lines = width, nil
	}
}

// SetText replaces the query, if it is another one: the cursor is behind it then.
func (b *Bar) SetText(s string) {
	if b.editor.Text() != s {
		b.editor.SetText(s)
		b.lines = nil
	}
}

// Text is the query, and how many characters are before the cursor.
func (b *Bar) Text() (string, int) { return b.editor.Text(), b.editor.Cursor() }

// Insert puts text at the cursor.
func (b *Bar) Insert(s string) {
	b.editor.Insert(s)
	b.lines = nil
}

// SetHistory sets the queries before, the newest last.
func (b *Bar) SetHistory(queries []string) { b.editor.SetHistory(queries) }

// SetChips sets the filters.
func (b *Bar) SetChips(chips []Chip) { b.chips, b.lines = chips, nil }

// SetRange sets the texts of the time range and of the zone.
func (b *Bar) SetRange(span, zone string) { b.span, b.zone, b.lines = span, zone, nil }

// SetLens sets which logs are seen.
func (b *Bar) SetLens(name string) { b.lens, b.lines = name, nil }

// SetError sets what is wrong with the query; nil if nothing is. A *kql.Error is shown where it is.
func (b *Bar) SetError(err error) { b.wrong, b.lines = err, nil }

// SetItems offers completions for the characters from to of the query; none take the offer away.
func (b *Bar) SetItems(from, to int, items []Item) {
	b.from, b.to, b.items, b.chosen, b.top = from, to, items, -1, 0
}

// Completing says that completions are offered.
func (b *Bar) Completing() bool { return b.focus && len(b.items) > 0 }

// Chosen says that one of them was gone to.
func (b *Bar) Chosen() bool { return b.chosen >= 0 }

// Accept puts in the completion that is chosen, or the first.
func (b *Bar) Accept() {
	if len(b.items) == 0 {
		return
	}
	item := b.items[max(b.chosen, 0)]
	to := b.to
	if runes := b.editor.text; strings.HasSuffix(item.Text, " ") && to < len(runes) && runes[to] == ' ' {
		to++
	}
	b.editor.Replace(b.from, to, item.Text)
	b.lines = nil
	b.SetItems(0, 0, nil)
}

// Key takes a key of the query, and says whether it was one.
func (b *Bar) Key(msg tea.KeyPressMsg) bool {
	if b.Completing() {
		switch msg.String() {
		case "down", "ctrl+n":
			b.chosen = (b.chosen + 1) % len(b.items)
			return false
		case "up", "ctrl+p":
			if b.chosen >= 0 {
				b.chosen--
				return false
			}
		}
	}
	took := b.editor.Key(msg)
	if took {
		b.lines = nil
		b.narrow()
	}
	return took
}

// narrow leaves the completions that begin as what is typed now, until there are new ones.
func (b *Bar) narrow() {
	var left []Item
	if cursor := b.editor.Cursor(); cursor > b.from {
		typed := strings.ToLower(string(b.editor.text[b.from:cursor]))
		for _, item := range b.items {
			if strings.HasPrefix(strings.ToLower(item.Text), typed) {
				left = append(left, item)
			}
		}
	}
	b.SetItems(b.from, b.editor.Cursor(), left)
}

// Height is how many lines the bar has.
func (b *Bar) Height() int {
	h := 1
	if len(b.chips) > 0 {
		h++
	}
	if b.wrong != nil && !b.focus {
		h += len(b.errorLines())
	}
	return h
}

const prompt = 2 // cells before the query

// Lines are the bar's lines.
func (b *Bar) Lines() []string {
	if b.lines != nil || b.width <= 0 {
		return b.lines
	}
	b.lines = []string{b.query()}
	if b.wrong != nil && !b.focus {
		b.lines = append(b.lines, b.errorLines()...)
	}
	if len(b.chips) > 0 {
		b.lines = append(b.lines, b.chipLine())
	}
	return b.lines
}

// query is the line with the text, and at the right what else is searched by.
func (b *Bar) query() string {
	t := b.theme
	type piece struct {
		style lipgloss.Style
		text  string
	}
	all := []piece{{t.Strong, text.Clean(b.lens)}, {t.Accent, text.Clean(b.span)}, {t.Dim, text.Clean(b.zone)}}
	width := func() (n int) {
		for _, p := range all {
			if p.text != "" {
				n += text.Width(p.text) + 2
			}
		}
		return n
	}
	need := prompt + 16
	for _, drop := range []int{2, 0, 1} {
		if b.width-width() < need {
			all[drop].text = ""
		}
	}
	left := b.width - width()
	l := draw.NewLine(b.width, t.Text)
	sign := t.Dim
	if b.focus {
		sign = t.Accent
	}
	b.editor.SetWidth(max(0, left-prompt))
	body := b.editor.Line()
	if b.editor.first > 0 {
		l.Add(sign, "‹ ")
	} else {
		l.Add(sign, "❯ ")
	}
	if b.editor.Text() == "" && !b.focus {
		l.Cell(t.Dim, "all lines", max(0, left-prompt), false)
	} else if left > prompt {
		l.Styled(body, left-prompt)
	}
	for _, p := range all {
		if p.text != "" {
			l.Space(2).Add(p.style, p.text)
		}
	}
	return l.String()
}

// chipLine is the line of filters; how many have no place on it is told at its end.
func (b *Bar) chipLine() string {
	t := b.theme
	l := draw.NewLine(b.width, t.Text).Space(prompt)
	for i, chip := range b.chips {
		label := " " + text.Clean(strings.Join(strings.Fields(chip.Text), " ")) + " "
		if chip.Not {
			label = " not" + label
		}
		if chip.Pinned {
			label = " ◆" + label
		}
		label = text.Cut(label, max(12, b.width/3))
		more := fmt.Sprintf("+%d", len(b.chips)-i)
		space := text.Width(label) + 1
		if i < len(b.chips)-1 {
			space += len(more) // the next one might not fit
		}
		if l.Left() < space {
			l.Add(t.Dim, more)
			break
		}
		style := t.Chip
		if chip.Off {
			style = t.Off
		}
		l.Add(style, label).Space(1)
	}
	return l.String()
}

// errorLines have signs below what is wrong, and the message beside them, or below if there is no space.
func (b *Bar) errorLines() []string {
	t := b.theme
	l := draw.NewLine(b.width, t.Text)
	message := text.Clean(b.wrong.Error())
	var at *kql.Error
	if !errors.As(b.wrong, &at) {
		return []string{l.Space(prompt).Add(t.Bad, message).String()}
	}
	if message = text.Clean(at.Text); at.Hint != "" {
		message += ": " + text.Clean(at.Hint)
	}
	from := prompt + b.editor.columnOf(at.Column-1)
	to := prompt + b.editor.columnOf(at.Column-1+at.Length)
	carets := strings.Repeat("^", max(1, to-from))
	width := text.Width(message)
	if from+len(carets)+1+width <= b.width {
		return []string{l.Space(from).Add(t.Bad, carets).Space(1).Add(t.Bad, message).String()}
	}
	below := draw.NewLine(b.width, t.Text).Space(max(0, min(from, b.width-width))).Add(t.Bad, message)
	return []string{l.Space(from).Add(t.Bad, carets).String(), below.String()}
}

// Cursor is where the terminal's cursor belongs; ok is false if keys go elsewhere.
func (b *Bar) Cursor() (x, y int, ok bool) {
	return min(prompt+b.editor.Column(), max(0, b.width-1)), 0, b.focus
}

const offered = 10 // completions that are seen at a time

// Popup is what stands over the lines below the query while it is typed, at a place of the bar: completions, else the error.
func (b *Bar) Popup(width, height int) (x, y int, lines []string) {
	room := height - 1
	if !b.focus || room <= 0 || width < 12 {
		return 0, 0, nil
	}
	if len(b.items) == 0 {
		if b.wrong == nil {
			return 0, 0, nil
		}
		lines = b.errorLines()
		return 0, 1, lines[:min(len(lines), room)]
	}
	rows := min(offered, len(b.items), max(1, room-1))
	b.top = max(0, min(b.top, b.chosen, len(b.items)-rows))
	if b.chosen >= b.top+rows {
		b.top = b.chosen - rows + 1
	}
	names, hints := 16, 0
	for _, item := range b.items {
		names = max(names, text.Width(text.Clean(item.Text)))
		hints = max(hints, text.Width(text.Clean(item.Hint)))
	}
	inner := min(names+2+hints, max(1, width-4), 80)
	x = max(0, min(prompt-2+b.editor.columnOf(b.from), width-inner-4))
	t := b.theme
	for i := b.top; i < b.top+rows; i++ {
		base := t.Popup
		if i == b.chosen {
			base = t.Cursor
		}
		l := draw.NewLine(inner+2, base).Space(1)
		if hints == 0 {
			l.Cell(t.Text, text.Clean(b.items[i].Text), inner, false)
		} else {
			l.Cell(t.Text, text.Clean(b.items[i].Text), inner-min(hints, inner/3)-2, false).Space(2)
			l.Cell(t.Dim, text.Clean(b.items[i].Hint), min(hints, inner/3), false)
		}
		lines = append(lines, t.Border.Render("│")+l.String()+t.Border.Render("│"))
	}
	foot := strings.Repeat("─", inner+2)
	if more := len(b.items) - rows; more > 0 {
		count := fmt.Sprintf(" %d ", len(b.items))
		if b.chosen >= 0 {
			count = fmt.Sprintf(" %d of %d ", b.chosen+1, len(b.items))
		}
		if len(count) < inner {
			foot = strings.Repeat("─", inner+1-len(count)) + count + "─"
		}
	}
	lines = append(lines, t.Border.Render("╰"+foot+"╯"))
	return x, 1, lines
}

// words tells the parts of a query apart: quoted, /regex/, a field before its operator, and, or, not, anything else.
var words = regexp.MustCompile(`"(?:\\.|[^"\\])*"?|/(?:\\.|[^/\\])+/i?|(?:\\.|[^\s:<>()"{}\\])+\s*(?:[:<>]=?)|(?i:\b(?:and|or|not)\b)|(?:\\.|[^\s:<>()"{}\\])+`)

// A paint is what a character of the query belongs to.
type paint uint8

const (
	plain paint = iota
	quoted
	regex
	field
	conjunction
)

func (b *Bar) style(p paint) lipgloss.Style {
	t := b.theme
	return [...]lipgloss.Style{plain: t.Text, quoted: t.String, regex: t.Number, field: t.Key, conjunction: t.Bool}[p]
}

// painted tells what each character of a query belongs to.
func painted(query []rune) []paint {
	paints := make([]paint, len(query))
	s := string(query)
	if len(s) > 4096 || strings.HasPrefix(s, "lucene:") {
		return paints
	}
	at, runes := 0, 0 // where in s and query
	for _, m := range words.FindAllStringIndex(s, -1) {
		word := s[m[0]:m[1]]
		runes += utf8.RuneCountInString(s[at:m[0]])
		n := utf8.RuneCountInString(word)
		p := plain
		switch last := word[len(word)-1]; {
		case word[0] == '"':
			p = quoted
		case word[0] == '/':
			p = regex
		case last == ':' || last == '<' || last == '>' || last == '=':
			p = field
		case slices.Contains([]string{"and", "or", "not"}, strings.ToLower(word)):
			p = conjunction
		}
		for i := runes; i < runes+n; i++ {
			paints[i] = p
		}
		at, runes = m[1], runes+n
	}
	return paints
}
