// Package theme has all colours and signs that logtui draws with. Nothing else makes a style.
package theme

import (
	"fmt"
	"image/color"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/source"
)

// A Theme is one look. Its styles have no sizes, margins or borders: parts lay out, the theme colours.
type Theme struct {
	Name string

	Text   lipgloss.Style // log text and values
	Dim    lipgloss.Style // what is there but seldom read: times, separators, hints
	Strong lipgloss.Style // names, headings, counts
	Accent lipgloss.Style // what can be acted on, keys in hints
	Cursor lipgloss.Style // the row or cell that keys act on, in the part that has the focus
	Rest   lipgloss.Style // the same in a part that has not
	Picked lipgloss.Style // rows of a selection
	Mark   lipgloss.Style // marked rows' sign
	Match  lipgloss.Style // text that was searched for
	Here   lipgloss.Style // the match that the cursor is on
	Chip   lipgloss.Style // a filter
	Off    lipgloss.Style // a filter that is switched off
	Bar    lipgloss.Style // the bars at the top and the bottom
	Good   lipgloss.Style
	Bad    lipgloss.Style // errors, and the banner
	Warn   lipgloss.Style
	Key    lipgloss.Style // names of fields
	String lipgloss.Style // JSON's values
	Number lipgloss.Style
	Bool   lipgloss.Style
	Null   lipgloss.Style
	Border lipgloss.Style // lines between panes, frames of overlays
	Popup  lipgloss.Style // text of overlays
	Escape lipgloss.Style // what stands for a control character of the log

	Level [source.Levels]lipgloss.Style
	App   []lipgloss.Style // for telling pods apart; one is chosen by the name's hash
}

// Names lists the themes; the first follows the terminal's own sixteen colours.
func Names() []string { return []string{"terminal", "dark", "light", "contrast", "solarized"} }

// New returns a theme by name. dark says which form of those that have two; colour false gives one without any (NO_COLOR), in
// which bold, underline and reverse remain.
func New(name string, dark, colour bool) (*Theme, error) {
	if !colour {
		return plain(), nil
	}
	switch name {
	case "", "terminal":
		return sixteen(), nil
	case "dark":
		return make24(name, palette{
			text: "#c9d1d9", dim: "#7d8590", accent: "#58a6ff", back: "#161b22", cursor: "#1f3a5f", rest: "#262c36", picked: "#2d333b",
			red: "#ff7b72", magenta: "#d2a8ff", yellow: "#e3b341", green: "#7ee787", cyan: "#79c0ff", blue: "#58a6ff", inverse: "#0d1117"}), nil
	case "light":
		return make24(name, palette{
			text: "#1f2328", dim: "#656d76", accent: "#0550ae", back: "#eaeef2", cursor: "#b6e3ff", rest: "#dde3ea", picked: "#e4ecd8",
			red: "#cf222e", magenta: "#8250df", yellow: "#8a5a00", green: "#116329", cyan: "#0a6a82", blue: "#0550ae", inverse: "#ffffff"}), nil
	case "contrast":
		p := palette{
			text: "#ffffff", dim: "#c0c0c0", accent: "#00ffff", back: "#202020", cursor: "#0000d0", rest: "#404040", picked: "#303060",
			red: "#ff5f5f", magenta: "#ff87ff", yellow: "#ffff5f", green: "#5fff5f", cyan: "#5fffff", blue: "#87afff", inverse: "#000000"}
		if !dark {
			p = palette{
				text: "#000000", dim: "#404040", accent: "#0000c0", back: "#e0e0e0", cursor: "#a8c8ff", rest: "#d0d0d0", picked: "#ffe9a0",
				red: "#b00000", magenta: "#800080", yellow: "#6a4a00", green: "#005f00", cyan: "#005f5f", blue: "#0000c0", inverse: "#ffffff"}
		}
		return make24(name, p), nil
	case "solarized":
		p := palette{
			text: "#93a1a1", dim: "#657b83", accent: "#268bd2", back: "#073642", cursor: "#0b4a5a", rest: "#0a404d", picked: "#284b3a",
			red: "#dc322f", magenta: "#d33682", yellow: "#b58900", green: "#859900", cyan: "#2aa198", blue: "#268bd2", inverse: "#002b36"}
		if !dark {
			p.text, p.dim, p.back, p.cursor, p.rest, p.picked, p.inverse = "#586e75", "#839496", "#eee8d5", "#d5e4ea", "#e6dfc9", "#e9e7b8", "#fdf6e3"
		}
		return make24(name, p), nil
	}
	return nil, fmt.Errorf("unknown theme %q; known are %s", name, strings.Join(Names(), ", "))
}

// A palette names a theme's colours; back is that of bars, inverse that of text on a strong background.
type palette struct {
	text, dim, accent, back, cursor, rest, picked    string
	red, magenta, yellow, green, cyan, blue, inverse string
}

func make24(name string, p palette) *Theme {
	c := func(s string) color.Color { return lipgloss.Color(s) }
	fg := func(s string) lipgloss.Style { return lipgloss.NewStyle().Foreground(c(s)) }
	bg := func(s string) lipgloss.Style { return lipgloss.NewStyle().Background(c(s)) }
	t := &Theme{
		Name: name, Text: fg(p.text), Dim: fg(p.dim), Strong: fg(p.text).Bold(true), Accent: fg(p.accent),
		Cursor: bg(p.cursor), Rest: bg(p.rest), Picked: bg(p.picked), Mark: fg(p.magenta).Bold(true),
		Match: fg(p.inverse).Background(c(p.yellow)), Here: fg(p.inverse).Background(c(p.magenta)),
		Chip: fg(p.inverse).Background(c(p.blue)), Off: fg(p.dim).Background(c(p.back)).Strikethrough(true),
		Bar: fg(p.text).Background(c(p.back)), Good: fg(p.green), Bad: fg(p.red).Bold(true), Warn: fg(p.yellow),
		Key: fg(p.blue), String: fg(p.green), Number: fg(p.cyan), Bool: fg(p.magenta), Null: fg(p.dim),
		Border: fg(p.dim), Popup: fg(p.text), Escape: fg(p.magenta),
		App: []lipgloss.Style{fg(p.cyan), fg(p.green), fg(p.magenta), fg(p.yellow), fg(p.blue)},
	}
	t.Level = levels(fg(p.dim), fg(p.blue), fg(p.green), fg(p.yellow), fg(p.red), fg(p.inverse).Background(c(p.red)).Bold(true))
	return t
}

func sixteen() *Theme {
	fg := func(n uint8) lipgloss.Style { return lipgloss.NewStyle().Foreground(lipgloss.ANSIColor(n)) }
	none := lipgloss.NewStyle()
	t := &Theme{
		Name: "terminal", Text: none, Dim: fg(8), Strong: none.Bold(true), Accent: fg(4).Bold(true),
		Cursor: none.Reverse(true), Rest: none.Underline(true), Picked: none.Background(lipgloss.ANSIColor(8)), Mark: fg(5).Bold(true),
		Match: fg(0).Background(lipgloss.ANSIColor(3)), Here: fg(0).Background(lipgloss.ANSIColor(5)),
		Chip: fg(0).Background(lipgloss.ANSIColor(6)), Off: fg(8).Strikethrough(true),
		Bar: none.Reverse(true), Good: fg(2), Bad: fg(1).Bold(true), Warn: fg(3),
		Key: fg(4), String: fg(2), Number: fg(6), Bool: fg(5), Null: fg(8),
		Border: fg(8), Popup: none, Escape: fg(5),
		App: []lipgloss.Style{fg(6), fg(2), fg(5), fg(3), fg(4)},
	}
	t.Level = levels(fg(8), fg(4), fg(2), fg(3), fg(1), fg(1).Reverse(true).Bold(true))
	return t
}

func plain() *Theme {
	none := lipgloss.NewStyle()
	bold, reverse, line := none.Bold(true), none.Reverse(true), none.Underline(true)
	t := &Theme{
		Name: "none", Text: none, Dim: none, Strong: bold, Accent: bold, Cursor: reverse, Rest: line, Picked: line, Mark: bold,
		Match: line.Bold(true), Here: reverse.Bold(true), Chip: reverse, Off: none.Strikethrough(true), Bar: reverse, Good: none, Bad: bold, Warn: none,
		Key: none, String: none, Number: none, Bool: none, Null: none, Border: none, Popup: none, Escape: reverse,
		App: []lipgloss.Style{none},
	}
	t.Level = levels(none, none, none, none, bold, reverse)
	return t
}

func levels(low, debug, info, warn, err, fatal lipgloss.Style) (l [source.Levels]lipgloss.Style) {
	l[source.None], l[source.Other], l[source.Trace] = low, low, low
	l[source.Debug], l[source.Info], l[source.Warn], l[source.Error], l[source.Fatal] = debug, info, warn, err, fatal
	return l
}

// Letter is a level's sign, so that it is not told by colour alone.
func Letter(l source.Level) string {
	return [source.Levels]string{" ", "?", "T", "D", "I", "W", "E", "F"}[l]
}
