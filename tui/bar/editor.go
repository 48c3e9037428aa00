package bar

import (
	"slices"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/draw"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

const (
	longest = 20_000 // characters: more are not taken
	undos   = 100
)

// An Editor is a line of text that is typed. Its keys are those of shells.
type Editor struct {
	theme  *theme.Theme
	width  int
	text   []rune
	cursor int // 0 to len(text), at the beginning of a cluster
	first  int // the first character that is seen
	killed []rune

	history []string // the newest last
	at      int      // which of them is shown; len(history): what is typed
	typed   []rune   // kept while history is shown

	past  []state                   // for undo
	still bool                      // nobody types: the beginning is seen, wherever the cursor is
	paint func(text []rune) []paint // a colour for each character
	style func(paint) lipgloss.Style
}

type state struct {
	text   []rune
	cursor int
}

// NewEditor returns an empty one.
func NewEditor(t *theme.Theme) *Editor { return &Editor{theme: t} }

// SetTheme changes its colours.
func (e *Editor) SetTheme(t *theme.Theme) { e.theme = t }

// SetWidth sets how many cells the line has.
func (e *Editor) SetWidth(width int) { e.width = width }

// SetText replaces the text; the cursor is behind it.
func (e *Editor) SetText(s string) {
	e.save()
	e.text = e.text[:0:0]
	e.cursor, e.first, e.at = 0, 0, len(e.history)
	e.insert(s)
}

// Text is what is typed.
func (e *Editor) Text() string { return string(e.text) }

// Cursor is how many characters are before the cursor.
func (e *Editor) Cursor() int { return e.cursor }

// SetHistory sets what was typed before, the newest last, for the keys up and down.
func (e *Editor) SetHistory(typed []string) {
	e.history = typed
	e.at, e.typed = len(typed), nil
}

// Insert puts text at the cursor, as a paste does: in one line, without control characters.
func (e *Editor) Insert(s string) {
	e.save()
	e.insert(s)
}

func (e *Editor) insert(s string) {
	var add []rune
	for _, r := range strings.ToValidUTF8(strings.ReplaceAll(s, "\r\n", "\n"), "\ufffd") {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == '\u2028' || r == '\u2029':
			add = append(add, ' ')
		case !unicode.IsControl(r):
			add = append(add, r)
		}
		if len(add)+len(e.text) >= longest {
			break
		}
	}
	add = add[:min(len(add), max(0, longest-len(e.text)))]
	e.text = slices.Insert(e.text, e.cursor, add...)
	e.cursor = e.boundary(e.cursor + len(add))
}

// Replace puts text in place of the characters from and to.
func (e *Editor) Replace(from, to int, s string) {
	from = max(0, min(from, len(e.text)))
	to = max(from, min(to, len(e.text)))
	e.save()
	e.text = slices.Delete(e.text, from, to)
	e.cursor = from
	e.insert(s)
}

// save keeps the text for undo.
func (e *Editor) save() {
	if n := len(e.past); n > 0 && slices.Equal(e.past[n-1].text, e.text) {
		return
	}
	if len(e.past) == undos {
		e.past = slices.Delete(e.past, 0, 1)
	}
	e.past = append(e.past, state{slices.Clone(e.text), e.cursor})
}

func (e *Editor) undo() {
	for n := len(e.past); n > 0; n = len(e.past) {
		last := e.past[n-1]
		e.past = e.past[:n-1]
		if !slices.Equal(last.text, e.text) {
			e.text, e.cursor = last.text, last.cursor
			return
		}
	}
}

// joined says that b is drawn on or with a: a cursor does not stand between them.
func joined(a, b rune) bool {
	const zwj = '\u200d'
	return unicode.In(b, unicode.Mn, unicode.Me) || b == zwj || a == zwj || b >= 0x1f3fb && b <= 0x1f3ff
}

// boundary is the next place from i on, where a cursor may stand.
func (e *Editor) boundary(i int) int {
	for i = max(0, min(i, len(e.text))); i > 0 && i < len(e.text) && joined(e.text[i-1], e.text[i]); {
		i++
	}
	return i
}

// left and right are the places beside i.
func (e *Editor) left(i int) int {
	for i--; i > 0 && joined(e.text[i-1], e.text[i]); {
		i--
	}
	return max(i, 0)
}

func (e *Editor) right(i int) int { return e.boundary(i + 1) }

// wordLeft and wordRight are the places at the beginning of the word before i, and at the end of the one after it.
func (e *Editor) wordLeft(i int) int {
	for i > 0 && !isWord(e.text[i-1]) {
		i--
	}
	for i > 0 && isWord(e.text[i-1]) {
		i--
	}
	return e.boundary(i)
}

func (e *Editor) wordRight(i int) int {
	for i < len(e.text) && !isWord(e.text[i]) {
		i++
	}
	for i < len(e.text) && isWord(e.text[i]) {
		i++
	}
	return e.boundary(i)
}

func isWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_' || r == '\u200d'
}

// spaceLeft is the place after the space before i: what Ctrl-W deletes.
func (e *Editor) spaceLeft(i int) int {
	for i > 0 && e.text[i-1] == ' ' {
		i--
	}
	for i > 0 && e.text[i-1] != ' ' {
		i--
	}
	return e.boundary(i)
}

// Key takes a key, and says whether it is one of an editor's.
func (e *Editor) Key(msg tea.KeyPressMsg) bool {
	switch msg.String() {
	case "left", "ctrl+b":
		e.cursor = e.left(e.cursor)
	case "right", "ctrl+f":
		e.cursor = e.right(e.cursor)
	case "home", "ctrl+a":
		e.cursor = 0
	case "end", "ctrl+e":
		e.cursor = len(e.text)
	case "alt+b", "alt+left", "ctrl+left":
		e.cursor = e.wordLeft(e.cursor)
	case "alt+f", "alt+right", "ctrl+right":
		e.cursor = e.wordRight(e.cursor)
	case "backspace", "ctrl+h", "shift+backspace":
		e.cut(e.left(e.cursor), e.cursor, false)
	case "delete", "ctrl+d":
		e.cut(e.cursor, e.right(e.cursor), false)
	case "ctrl+w":
		e.cut(e.spaceLeft(e.cursor), e.cursor, true)
	case "alt+backspace", "ctrl+backspace":
		e.cut(e.wordLeft(e.cursor), e.cursor, true)
	case "alt+d", "ctrl+delete", "alt+delete":
		e.cut(e.cursor, e.wordRight(e.cursor), true)
	case "ctrl+u":
		e.cut(0, e.cursor, true)
	case "ctrl+k":
		e.cut(e.cursor, len(e.text), true)
	case "ctrl+y":
		e.Insert(string(e.killed))
	case "ctrl+_", "ctrl+/", "ctrl+z":
		e.undo()
	case "up", "ctrl+p":
		e.recall(-1)
	case "down", "ctrl+n":
		e.recall(1)
	default:
		if msg.Text == "" {
			return false
		}
		if n := len(e.past); n == 0 || isWord([]rune(msg.Text)[0]) != (e.cursor > 0 && isWord(e.text[e.cursor-1])) {
			e.save() // a word is undone as a whole
		}
		e.insert(msg.Text)
	}
	return true
}

// cut takes characters away, kept for Ctrl-Y if they are killed.
func (e *Editor) cut(from, to int, kill bool) {
	if from = max(from, 0); from >= to {
		return
	}
	e.save()
	if kill {
		e.killed = slices.Clone(e.text[from:to])
	}
	e.text = slices.Delete(e.text, from, to)
	e.cursor = e.boundary(from)
}

// recall shows an older or newer text that was typed before.
func (e *Editor) recall(by int) {
	to := e.at + by
	if to < 0 || to > len(e.history) {
		return
	}
	e.save()
	if e.at == len(e.history) {
		e.typed = slices.Clone(e.text)
	}
	e.at, e.first, e.cursor = to, 0, 0
	e.text = e.text[:0:0]
	if to == len(e.history) {
		e.insert(string(e.typed))
	} else {
		e.insert(e.history[to])
	}
}

// A glyph is what is drawn of characters that belong together.
type glyph struct {
	from, to int
	shown    string
	width    int
}

// glyphAt is the one that begins at i.
func (e *Editor) glyphAt(i int) glyph {
	to := e.right(i)
	shown := text.Clean(string(e.text[i:to]))
	return glyph{i, to, shown, text.Width(shown)}
}

// scroll sees to it that the cursor is on the line, and what follows it if there is something.
func (e *Editor) scroll() {
	if e.still {
		e.first = 0
		return
	}
	e.first = e.boundary(min(e.first, len(e.text)))
	before := 0 // cells between the first character seen and the cursor
	for i := e.first; i < e.cursor; {
		g := e.glyphAt(i)
		before, i = before+g.width, g.to
	}
	for before >= e.width && e.first < e.cursor {
		g := e.glyphAt(e.first)
		before, e.first = before-g.width, g.to
	}
	// Some text before the cursor is seen, and more if there is space.
	after := 1
	for i := e.cursor; i < len(e.text) && before+after < e.width; {
		g := e.glyphAt(i)
		after, i = after+g.width, g.to
	}
	e.first = min(e.first, e.cursor)
	for e.first > 0 {
		g := e.glyphAt(e.left(e.first))
		if before+g.width > e.width/4 && before+g.width+after > e.width {
			break
		}
		before, e.first = before+g.width, g.from
	}
}

// Line is the text as far as it is seen, exactly as wide as was set.
func (e *Editor) Line() string {
	if e.width <= 0 {
		return ""
	}
	e.scroll()
	var paints []paint
	if e.paint != nil {
		paints = e.paint(e.text)
	}
	l := draw.NewLine(e.width, e.theme.Text)
	var run strings.Builder // of one colour
	colour := paint(0)
	flush := func() {
		if run.Len() > 0 {
			style := e.theme.Text
			if e.style != nil {
				style = e.style(colour)
			}
			l.Add(style, run.String())
			run.Reset()
		}
	}
	for i, left := e.first, e.width; i < len(e.text) && left > 0; {
		g := e.glyphAt(i)
		if g.width > left || e.still && g.width == left && g.to < len(e.text) {
			flush()
			l.Add(e.theme.Dim, "…")
			break
		}
		if paints != nil && paints[i] != colour {
			flush()
			colour = paints[i]
		}
		run.WriteString(g.shown)
		left, i = left-g.width, g.to
	}
	flush()
	return l.String()
}

// Column is the cell of the line that the cursor is on.
func (e *Editor) Column() int { return e.columnOf(e.cursor) }

// columnOf is the cell of a character; it may be beyond the line.
func (e *Editor) columnOf(character int) int {
	e.scroll()
	column := 0
	for i := e.first; i < min(character, len(e.text)) && column < e.width; {
		g := e.glyphAt(i)
		column, i = column+g.width, g.to
	}
	return max(0, min(column, e.width-1))
}
