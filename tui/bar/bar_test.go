package bar

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

var update = flag.Bool("update", false, "write the golden files anew; look at what has changed before you keep it")

// golden compares lines, without their colours, with a file. All have to be as wide as said.
func golden(t *testing.T, name string, width int, lines []string) {
	t.Helper()
	for i, line := range lines {
		if got := text.Width(line); got != width {
			t.Errorf("%s: line %d is %d cells wide, not %d: %q", name, i, got, width, line)
		}
	}
	got := ansi.Strip(strings.Join(lines, "\n")) + "\n"
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

func colours(t *testing.T) *theme.Theme {
	t.Helper()
	th, err := theme.New("dark", true, true)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// press makes the message of a key as tea's String has it.
func press(name string) tea.KeyPressMsg {
	special := map[string]rune{"left": tea.KeyLeft, "right": tea.KeyRight, "home": tea.KeyHome, "end": tea.KeyEnd, "up": tea.KeyUp,
		"down": tea.KeyDown, "backspace": tea.KeyBackspace, "delete": tea.KeyDelete, "enter": tea.KeyEnter, "tab": tea.KeyTab, "space": tea.KeySpace}
	var k tea.KeyPressMsg
	rest := name
	for mod, is := range map[string]tea.KeyMod{"ctrl+": tea.ModCtrl, "alt+": tea.ModAlt} {
		if after, ok := strings.CutPrefix(rest, mod); ok {
			k.Mod, rest = k.Mod|is, after
		}
	}
	if code, ok := special[rest]; ok {
		k.Code = code
		return k
	}
	k.Code, _ = utf8.DecodeRuneInString(rest)
	if k.Mod == 0 {
		k.Text = rest
	}
	return k
}

// shown is the text with | where the cursor is.
func shown(e *Editor) string {
	return string(e.text[:e.cursor]) + "|" + string(e.text[e.cursor:])
}

func TestEditor(t *testing.T) {
	f := func(given, keys, want string) {
		t.Helper()
		e := NewEditor(colours(t))
		e.SetWidth(20)
		before, after, _ := strings.Cut(given, "|")
		e.SetText(before + after)
		e.cursor = utf8.RuneCountInString(before)
		for key := range strings.FieldsSeq(keys) {
			if !e.Key(press(key)) {
				t.Errorf("%q: %s is not a key of the editor", given, key)
			}
		}
		if got := shown(e); got != want {
			t.Errorf("%q, %s: %q; want %q", given, keys, got, want)
		}
	}
	f("|", "a b c", "abc|")
	f("ab|c", "x", "abx|c")
	f("ab|c", "left left left", "|abc")
	f("ab|c", "right right", "abc|")
	f("ab|c", "ctrl+a x end y", "xabcy|")
	f("ab|c", "backspace", "a|c")
	f("|abc", "backspace", "|abc")
	f("ab|c", "delete delete", "ab|")
	f("ab|c", "ctrl+d", "ab|")
	f("level: error and pod|", "ctrl+w", "level: error and |")
	f("level: error and |", "ctrl+w", "level: error |")
	f("kubernetes.pod.name|", "alt+backspace", "kubernetes.pod.|")
	f("kubernetes.pod.name|", "ctrl+w", "|")
	f("level: error|", "alt+b", "level: |error")
	f("level: |error", "alt+b", "|level: error")
	f("|level: error", "alt+f alt+f", "level: error|")
	f("level: |error now", "alt+d", "level: | now")
	f("level: |error", "ctrl+u", "|error")
	f("level: |error", "ctrl+k", "level: |")
	f("level: |error", "ctrl+k ctrl+a ctrl+y", "error|level: ")
	f("level: |error", "ctrl+u ctrl+e ctrl+y", "errorlevel: |")
	f("level: error|", "ctrl+u ctrl+z", "level: error|")
	f("|", "a b backspace ctrl+z ctrl+z", "|")
	f("|", "ctrl+z ctrl+y ctrl+w ctrl+k ctrl+u alt+d alt+b alt+f", "|")
	f("größe|", "alt+b", "|größe")
	f("日本語|", "left backspace", "日|語")
	f("e\u0301a|", "left left", "|e\u0301a")
	f("ae\u0301|", "backspace", "a|")
	f("a👨\u200d👩\u200d👧|", "backspace", "a|")
	f("👍🏽|", "left", "|👍🏽")
}

func TestEditorTakesNoOtherKeys(t *testing.T) {
	e := NewEditor(colours(t))
	for _, key := range []string{"enter", "tab", "ctrl+x", "alt+x"} {
		if e.Key(press(key)) {
			t.Errorf("%s is taken", key)
		}
	}
}

func TestInsert(t *testing.T) {
	f := func(pasted, want string) {
		t.Helper()
		e := NewEditor(colours(t))
		e.SetText("[]")
		e.cursor = 1
		e.Insert(pasted)
		if got := shown(e); got != want {
			t.Errorf("%q: %q; want %q", pasted, got, want)
		}
	}
	f("a\r\nb\tc\nd", "[a b c d|]")
	f("a\x1b[31mb\x00\x7f\u009bc", "[a[31mbc|]")
	f("a\xffb", "[a\ufffdb|]")
	f("日本", "[日本|]")

	e := NewEditor(colours(t))
	e.Insert(strings.Repeat("x", 3*longest))
	e.Insert("y")
	if n := len(e.Text()); n != longest {
		t.Errorf("%d characters", n)
	}
}

func TestHistory(t *testing.T) {
	e := NewEditor(colours(t))
	e.SetHistory([]string{"first", "second"})
	e.SetText("typ")
	f := func(key, want string) {
		t.Helper()
		e.Key(press(key))
		if got := shown(e); got != want {
			t.Errorf("%s: %q; want %q", key, got, want)
		}
	}
	f("e", "type|")
	f("up", "second|")
	f("up", "first|")
	f("up", "first|")
	f("!", "first!|")
	f("down", "second|")
	f("down", "type|")
	f("down", "type|")
}

// The line shows the cursor, and is full whenever there is enough text.
func TestScroll(t *testing.T) {
	e := NewEditor(colours(t))
	e.SetWidth(10)
	f := func(keys, want string, column int) {
		t.Helper()
		for key := range strings.FieldsSeq(keys) {
			e.Key(press(key))
		}
		if got := ansi.Strip(e.Line()); got != want || e.Column() != column {
			t.Errorf("after %s: %q, column %d; want %q, %d", keys, got, e.Column(), want, column)
		}
	}
	e.SetText("0123456789abcdef")
	f("", "789abcdef ", 9)
	f("left left", "789abcdef ", 7)
	f("home", "0123456789", 0)
	f("ctrl+e ctrl+w", "          ", 0)
	e.SetText("日本語日本語")
	f("", "語日本語  ", 8)
	f("home right", "日本語日本", 2)
}

func TestComplete(t *testing.T) {
	b := New(colours(t))
	b.SetSize(80, 1)
	b.SetFocus(true)
	f := func(given string, from, to int, items []Item, keys, want string) {
		t.Helper()
		b.SetText(given)
		b.SetItems(from, to, items)
		for key := range strings.FieldsSeq(keys) {
			switch {
			case key == "tab" || key == "enter" && b.Chosen():
				b.Accept()
			default:
				b.Key(press(key))
			}
		}
		if got := shown(b.editor); got != want {
			t.Errorf("%q, %s: %q; want %q", given, keys, got, want)
		}
	}
	fields := []Item{{Text: "kubernetes.namespace: ", Hint: "keyword"}, {Text: "kubernetes.pod.name: ", Hint: "keyword"}}
	f("level: error and kub", 17, 20, fields, "tab", "level: error and kubernetes.namespace: |")
	f("kub", 0, 3, fields, "down down enter", "kubernetes.pod.name: |")
	f("kub", 0, 3, fields, "down down down enter", "kubernetes.namespace: |")
	f("kub", 0, 3, fields, "down enter tab", "kubernetes.namespace: |")
	f("kubernetes.", 0, 11, fields, "p tab", "kubernetes.pod.name: |")
	f("kubernetes.", 0, 11, fields, "x tab", "kubernetes.x|")
	f("日本 kub", 3, 6, fields, "tab", "日本 kubernetes.namespace: |")
	f("x", 5, 99, fields, "tab", "xkubernetes.namespace: |")
	b.SetText("leve error")
	b.editor.cursor = 4
	b.SetItems(0, 4, []Item{{Text: "level "}})
	b.Accept()
	if got := shown(b.editor); got != "level |error" {
		t.Errorf("a space before a space: %q", got)
	}
	b.SetItems(0, 0, fields)
	if b.SetFocus(false); b.Completing() {
		t.Error("completions remain when keys go elsewhere")
	}
}

func TestGolden(t *testing.T) {
	query := `log.level: error and kubernetes.namespace: ("web" or shop*) and not message: /time ?out/i`
	chips := []Chip{{Text: "kubernetes.namespace: web"}, {Text: "pod: api-7f9", Not: true}, {Text: "stream: console", Off: true},
		{Text: "region: eu\x1b[31m\u202e\nsouth", Pinned: true}, {Text: strings.Repeat("long ", 40)}, {Text: "日本: 語"}}
	wrong := "log.level: error and (status >= 500 or"
	_, err := kql.Parse(wrong)
	for name, width := range map[string]int{"80": 80, "120": 120, "30": 30, "1": 1} {
		var lines []string
		f := func(b *Bar) {
			lines = append(lines, b.Lines()...)
			if h := b.Height(); h != len(b.Lines()) {
				t.Errorf("%d lines of a height of %d", len(b.Lines()), h)
			}
			if _, _, popup := b.Popup(width, 8); len(popup) > 0 {
				w := text.Width(popup[0])
				for _, line := range popup {
					if text.Width(line) != w || w > width {
						t.Errorf("%d: the popup's %q is not %d cells wide", width, line, w)
					}
					lines = append(lines, line+strings.Repeat(" ", max(0, width-w)))
				}
			}
			if x, y, ok := b.Cursor(); ok && (x < 0 || x >= width || y != 0) {
				t.Errorf("%d: the cursor is at %d, %d", width, x, y)
			}
		}
		made := func(query string) *Bar {
			b := New(colours(t))
			b.SetSize(width, 3)
			b.SetRange("last 15m", "UTC+01:00 CET")
			b.SetLens("all logs")
			b.SetText(query)
			return b
		}
		f(made(""))
		b := made(query)
		b.SetChips(chips)
		f(b)
		b.SetFocus(true)
		f(b)
		b.SetItems(21, 40, []Item{{"kubernetes.namespace: ", "keyword"}, {"kubernetes.\x1b[2Jpod: ", "keyword"}, {strings.Repeat("日本", 50), ""}})
		b.Key(press("down"))
		f(b)
		b = made(wrong)
		b.SetError(err)
		f(b)
		b.SetFocus(true)
		f(b)
		b.SetError(errors.New("cannot read the index"))
		f(b)
		golden(t, name, width, lines)
	}
}

// Completions that are more than fit are scrolled.
func TestPopupScrolls(t *testing.T) {
	b := New(colours(t))
	b.SetSize(40, 1)
	b.SetFocus(true)
	var items []Item
	for r := 'a'; r <= 'z'; r++ {
		items = append(items, Item{Text: string(r)})
	}
	b.SetItems(0, 0, items)
	for range 14 {
		b.Key(press("down"))
	}
	_, y, lines := b.Popup(40, 6)
	var got []string
	for _, line := range lines {
		got = append(got, strings.Trim(ansi.Strip(line), "│╰╯─ "))
	}
	if want := "k l m n 14 of 26"; strings.Join(got, " ") != want || y != 1 {
		t.Errorf("%q at %d; want %q", strings.Join(got, " "), y, want)
	}
}

// Whatever is typed, the cursor is within the text, not within a cluster, and on the line.
func FuzzEditor(f *testing.F) {
	f.Add([]byte("abc\x01\x02\x03"), 10)
	f.Add([]byte{200, 130, 131, 1, 2, 3, 140, 141, 5, 6, 7, 8, 9}, 3)
	keys := []string{"left", "right", "home", "end", "backspace", "delete", "ctrl+w", "ctrl+u", "ctrl+k", "ctrl+y", "alt+b", "alt+f", "alt+d",
		"alt+backspace", "up", "down", "ctrl+z", "ctrl+a", "ctrl+e", "ctrl+left", "ctrl+right"}
	signs := []string{"a", " ", "é", "日", "\u0301", "\u200d", "👩", "🏽", "🇩", "ا", "\"", ":", "/", "\\", "\u202e", "한", "ᄒ", "and ", "า"}
	th, err := theme.New("terminal", true, true)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, typed []byte, width int) {
		b := New(th)
		width %= 200
		b.SetSize(width, 1)
		b.SetFocus(true)
		b.SetHistory([]string{"level: error", "e\u0301 日本"})
		for i, c := range typed {
			switch {
			case int(c) < len(keys):
				b.Key(press(keys[c]))
			case c < 40:
				b.SetItems(i-3, int(c)-20, []Item{{Text: "日本 "}, {Text: "a"}})
				b.Accept()
			case c < 45:
				b.Insert(string(typed[i:]))
			case c < 50:
				b.SetFocus(c%2 == 0)
			default:
				b.Key(press(signs[int(c)%len(signs)]))
			}
			e := b.editor
			if e.cursor < 0 || e.cursor > len(e.text) || e.boundary(e.cursor) != e.cursor {
				t.Fatalf("the cursor is at %d of %q", e.cursor, string(e.text))
			}
			for _, line := range b.Lines() {
				if got := text.Width(line); got != width {
					t.Fatalf("a line is %d cells wide, not %d: %q", got, width, line)
				}
			}
			if x, _, ok := b.Cursor(); ok && width > 0 && (x < 0 || x >= width) {
				t.Fatalf("the cursor is at column %d of %d", x, width)
			}
		}
	})
}
