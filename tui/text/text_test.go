package text

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"charm.land/lipgloss/v2"

	"github.com/charmbracelet/x/ansi"
)

func TestClean(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := Clean(in); got != want {
			t.Errorf("Clean(%q) is %q, want %q", in, got, want)
		}
	}
	f("", "")
	f("plain text ~", "plain text ~")
	f("two\nlines\n", "two\nlines\n")
	f("\x1b[31mred\x1b[0m", "␛[31mred␛[0m")
	f("\x1b]0;title\a\x1b]52;c;eA==\x1b\\", "␛]0;title␇␛]52;c;eA==␛\\")
	f("\x00\x08\x0b\x0c\x7f", "␀␈␋␌␡")
	f("\u009b31m\u0085", "⟨U+009B⟩31m⟨U+0085⟩")
	f("\x9b31m \xc3 \xff", "�31m � �")
	f("dos\r\nline\rover\r", "dos\nline␍over␍")
	f("\tx\ty", "        x       y")
	f("日\t|\n\t|", "日      |\n        |")
	f("\x1b\t|", "␛       |")
	f("\u202efdp.exe\u202c \u2066x\u2069 \u200f", "⟨U+202E⟩fdp.exe⟨U+202C⟩ ⟨U+2066⟩x⟨U+2069⟩ ⟨U+200F⟩")
	f("שלום עולם مرحبا", "שלום עולם مرحبا")
	f("pass\u200bword\u200d \ufeff \u00ad \u2028", "pass⟨U+200B⟩word⟨U+200D⟩ ⟨U+FEFF⟩ ⟨U+00AD⟩ ⟨U+2028⟩")
	f("می\u200cخواهم", "می\u200cخواهم")
	f("ශ්\u200dරී", "ශ්රී")
	f("a\u200cb", "a⟨U+200C⟩b")
	f("स्ते", "स्\u200cते")
	f("\u094dत a\u094dत", "◌\u094dत a\u094dत")
	f("👨‍👩‍👧 👍🏽 ❤️ 1️⃣ 🇩🇪 🇩", "👨👩👧 👍 ❤ 1⃣ 🇩🇪 ⟨U+1F1E9⟩")
	f("a\u200d👩 x\ufe0f \U0001f3fd", "a⟨U+200D⟩👩 x⟨U+FE0F⟩ ⟨U+1F3FD⟩")
	f("e\u0301\n\u0301x", "e\u0301\n◌\u0301x")
	f("a"+strings.Repeat("\u0301", 7), "a"+strings.Repeat("\u0301", 6)+"⟨U+0301⟩")
	f("\u1112\u1161\u11ab\u1100\u1173\u11af \u1100", "한글 ⟨U+1100⟩")
	f("\u3164\ue000\U000e0041\U0010ffff\U0001fae8", "⟨U+3164⟩⟨U+E000⟩⟨U+E0041⟩⟨U+10FFFF⟩⟨U+1FAE8⟩")
	f("葛\U000e0100", "葛\U000e0100")
	f("⟨x⟩ … │", "⟨x⟩ … │")
}

func FuzzClean(f *testing.F) {
	for _, s := range hard {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		out := Clean(in)
		if !utf8.ValidString(out) {
			t.Fatalf("Clean(%q) is %q: not UTF-8", in, out)
		}
		for _, r := range out {
			if r != '\n' && r != 0x200c && (unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp) || !unicode.IsGraphic(r) && r != 0x200c) {
				t.Fatalf("Clean(%q) is %q: has %U", in, out, r)
			}
		}
		if again := Clean(out); again != out {
			t.Fatalf("Clean(%q) is %q, and cleaned again %q", in, out, again)
		}
		if len(out) > 8*len(in) {
			t.Fatalf("Clean(%q) has %d bytes", in, len(out))
		}
		if strings.Count(out, "\n") != strings.Count(in, "\n") {
			t.Fatalf("Clean(%q) is %q: not as many lines", in, out)
		}
		for line := range strings.Lines(out) {
			agree(t, strings.TrimSuffix(line, "\n"))
		}
	})
}

// Nothing may take more than linear time: a search that begins anew for each character would take hours here.
func TestLongLines(t *testing.T) {
	for _, part := range []string{"x", " ", "x ", "日", "\x1b[31m", "e\u0301", "\u0301", "\t", "\xff", "क्", "👨\u200d", "🇩", "\u1100", "\\\"", "\r"} {
		s := Clean(strings.Repeat(part, 1<<20/len(part)))
		if Width(Pad(s, 200)) != 200 {
			t.Errorf("of many %q: width %d", part, Width(Pad(s, 200)))
		}
		if got := Width(Slice(s, Width(s)-50, 50)); got != 50 {
			t.Errorf("of many %q: the end has width %d", part, got)
		}
		if lines := Wrap(s, 80); len(lines) < 1 {
			t.Errorf("of many %q: no lines", part)
		}
	}
}

func TestCut(t *testing.T) {
	f := func(in string, w int, cut, padded string) {
		t.Helper()
		if got := Cut(in, w); got != cut {
			t.Errorf("Cut(%q, %d) is %q, want %q", in, w, got, cut)
		}
		if got := Pad(in, w); got != padded {
			t.Errorf("Pad(%q, %d) is %q, want %q", in, w, got, padded)
		}
	}
	f("hello", 5, "hello", "hello")
	f("hello", 7, "hello", "hello  ")
	f("hello", 4, "hel…", "hel…")
	f("hello", 1, "…", "…")
	f("hello", 0, "", "")
	f("hello", -1, "", "")
	f("", 2, "", "  ")
	f("日本語", 6, "日本語", "日本語")
	f("日本語", 5, "日本…", "日本…")
	f("日本語", 4, "日…", "日… ")
	f("e\u0301e\u0301e\u0301", 2, "e\u0301…", "e\u0301…")
	f("e\u0301", 1, "e\u0301", "e\u0301")
	f("🇩🇪🇫🇷", 3, "🇩🇪…", "🇩🇪…")
	f("\x1b[31mhello\x1b[0m you", 4, "\x1b[31mhel…\x1b[0m", "\x1b[31mhel…\x1b[0m")
	f("\x1b[31mhi\x1b[0m", 4, "\x1b[31mhi\x1b[0m", "\x1b[31mhi\x1b[0m  ")
	f("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", 2, "\x1b]8;;http://x\x1b\\l…\x1b]8;;\x1b\\", "\x1b]8;;http://x\x1b\\l…\x1b]8;;\x1b\\")
}

func TestSlice(t *testing.T) {
	f := func(in string, from, w int, want string) {
		t.Helper()
		if got := Slice(in, from, w); got != want {
			t.Errorf("Slice(%q, %d, %d) is %q, want %q", in, from, w, got, want)
		}
	}
	f("hello", 0, 3, "hel")
	f("hello", 2, 9, "llo")
	f("hello", 9, 2, "")
	f("hello", 1, 0, "")
	f("日本語", 1, 4, " 本 ")
	f("日本語", 0, 3, "日 ")
	f("日本語", 2, 2, "本")
	f("e\u0301x\u0302", 1, 1, "x\u0302")
	f("\x1b[31mhello\x1b[0m you", 1, 3, "\x1b[31mell\x1b[0m")
	f("\x1b[31mhello\x1b[0m you", 6, 3, "\x1b[31m\x1b[0myou")
}

func TestWrap(t *testing.T) {
	f := func(in string, w int, want ...string) {
		t.Helper()
		if got := Wrap(in, w); !slices.Equal(got, want) {
			t.Errorf("Wrap(%q, %d) is %q, want %q", in, w, got, want)
		}
	}
	f("", 5, "")
	f("hello", 5, "hello")
	f("hello world", 5, "hello", "world")
	f("hello world", 7, "hello", "world")
	f("hello wide world", 10, "hello wide", "world")
	f("hello   world", 6, "hello", "world")
	f("hello   world", 7, "hello", "world")
	f("abcdefghij", 4, "abcd", "efgh", "ij")
	f("ab cdefghij", 4, "ab", "cdef", "ghij")
	f("  ab cd", 5, "  ab", "cd")
	f("      ab", 4, "    ", "ab")
	f("a\n\nb\n", 4, "a", "", "b", "")
	f("ab  \ncd", 2, "ab", "cd")
	f("ab  ", 2, "ab")
	f("hello  ", 6, "hello")
	f("     ", 2, "  ")
	f("日本語", 4, "日本", "語")
	f("日本語", 5, "日本", "語")
	f("日a", 1, "…", "a")
	f("e\u0301e\u0301", 1, "e\u0301", "e\u0301")
	f("x", 0, "")
}

func FuzzWrap(f *testing.F) {
	for _, s := range hard {
		f.Add(s, 7, 3)
	}
	f.Add("a b  c   d\n   e", 3, 2)
	f.Fuzz(func(t *testing.T, in string, w, from int) {
		s := Clean(in)
		w, from = w&63, from&63
		at := 0
		for _, span := range Lines(s, w) {
			if span[0] < at || span[1] < span[0] || span[1] > len(s) {
				t.Fatalf("Lines(%q, %d): %v after %d", s, w, span, at)
			}
			if between := s[at:span[0]]; strings.Trim(between, " \n") != "" || strings.Count(between, "\n") > 1 {
				t.Fatalf("Lines(%q, %d) leave out %q", s, w, between)
			}
			at = span[1]
		}
		if strings.Trim(s[at:], " ") != "" {
			t.Fatalf("Lines(%q, %d) leave out %q", s, w, s[at:])
		}
		for _, line := range Wrap(s, w) {
			if Width(line) > max(w, 0) {
				t.Fatalf("Wrap(%q, %d): %q", s, w, line)
			}
		}
		line, _, _ := strings.Cut(s, "\n")
		width := Width(line)
		if got := Width(Cut(line, w)); got > w || width <= w && got != width {
			t.Fatalf("Cut(%q, %d) has width %d", line, w, got)
		}
		if got := Width(Pad(line, w)); got != w {
			t.Fatalf("Pad(%q, %d) has width %d", line, w, got)
		}
		if got, want := Width(Slice(line, from, w)), min(max(width-from, 0), w); got != want {
			t.Fatalf("Slice(%q, %d, %d) has width %d, want %d", line, from, w, got, want)
		}
		style := lipgloss.NewStyle().Bold(true)
		styled := Highlight(line, [][2]int{{from, from + w}}, style, lipgloss.NewStyle())
		if ansi.Strip(styled) != line || Width(styled) != width {
			t.Fatalf("Highlight(%q, %d, %d) is %q", line, from, w, styled)
		}
		if got, want := ansi.Strip(Pad(styled, w)), Pad(line, w); got != want {
			t.Fatalf("Pad of styled %q, %d is %q, want %q", line, w, got, want)
		}
	})
}

func TestHighlight(t *testing.T) {
	on, base := lipgloss.NewStyle().Bold(true), lipgloss.NewStyle()
	f := func(s, pattern, want string) {
		t.Helper()
		var found [][2]int
		for _, at := range regexp.MustCompile(pattern).FindAllStringIndex(s, -1) {
			found = append(found, [2]int(at))
		}
		slices.Reverse(found)
		if got := Highlight(s, found, on, base); got != want {
			t.Errorf("Highlight(%q, %s) is %q, want %q", s, pattern, got, want)
		}
	}
	f("one two", "x", "one two")
	f("one two", "two", "one \x1b[1mtwo\x1b[m")
	f("one two", "o", "\x1b[1mo\x1b[mne tw\x1b[1mo\x1b[m")
	f("日本語", "本", "日\x1b[1m本\x1b[m語")
	f("e\u0301 🇩🇪x", "e|🇪", "\x1b[1me\u0301\x1b[m \x1b[1m🇩🇪\x1b[mx")
	if got, want := Highlight("日本", [][2]int{{1, 2}, {0, 3}, {5, 99}, {-4, -1}, {9, 2}}, on, base), "\x1b[1m日\x1b[m\x1b[1m本\x1b[m"; got != want {
		t.Errorf("of any offsets: %q, want %q", got, want)
	}
}

func TestFirst(t *testing.T) {
	f := func(in, want string, wantMore int) {
		t.Helper()
		if line, more := First(in); line != want || more != wantMore {
			t.Errorf("First(%q) is %q, %d; want %q, %d", in, line, more, want, wantMore)
		}
	}
	f("", "", 0)
	f("one", "one", 0)
	f("one\n", "one", 0)
	f("one\ntwo\nthree\n", "one", 2)
	f("one\r\ntwo\r\n", "one", 1)
	f("\n\none\ntwo", "one", 1)
	f("  indented\nx", "  indented", 1)
}
