package draw

import (
	"testing"

	"charm.land/lipgloss/v2"

	"github.com/podbeat/podbeat/tui/text"
)

func TestShort(t *testing.T) {
	f := func(n int64, want string) {
		t.Helper()
		if got := Short(n); got != want {
			t.Errorf("%d: %s; want %s", n, got, want)
		}
	}
	f(0, "0")
	f(999, "999")
	f(1000, "1.0k")
	f(1999, "1.9k")
	f(9999, "9.9k")
	f(10_000, "10k")
	f(999_999, "999k")
	f(1_000_000, "1.0M")
	f(12_345_678_901, "12G")
	f(1<<63-1, "9.2E")
	f(-1500, "-1.5k")
	f(-1<<63, "-4.6E")
}

func TestNumber(t *testing.T) {
	f := func(n int64, want string) {
		t.Helper()
		if got := Number(n); got != want {
			t.Errorf("%d: %s; want %s", n, got, want)
		}
	}
	f(0, "0")
	f(999, "999")
	f(1000, "1,000")
	f(1234567, "1,234,567")
	f(-100, "-100")
	f(-1234, "-1,234")
	f(-1<<63, "-9,223,372,036,854,775,808")
}

func TestSpark(t *testing.T) {
	f := func(values []int64, width int, want string) {
		t.Helper()
		if got := Spark(values, width); got != want {
			t.Errorf("%v: %q; want %q", values, got, want)
		}
	}
	f([]int64{0, 1, 2, 3, 4, 5, 6, 7, 8}, 9, " ▁▂▃▄▅▆▇█")
	f([]int64{0, 1, 1000}, 3, " ▁█")
	f([]int64{1, 1, 4, 4}, 2, "▂█")
	f([]int64{4, 8}, 4, "▄▄██")
	f(nil, 3, "   ")
	f([]int64{1}, 0, "")
	f([]int64{-5, 1}, 2, " █")
}

func TestBar(t *testing.T) {
	f := func(part float64, width int, want string) {
		t.Helper()
		if got := Bar(part, width); got != want {
			t.Errorf("%g of %d: %q; want %q", part, width, got, want)
		}
	}
	f(0, 10, "")
	f(1, 3, "━━━")
	f(0.5, 3, "━╸")
	f(0.0001, 3, "╸")
	f(7, 3, "━━━")
	f(-1, 3, "")
	f(1, 0, "")
}

func TestLine(t *testing.T) {
	none := lipgloss.NewStyle()
	f := func(l *Line, want string) {
		t.Helper()
		if got := l.String(); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
	f(NewLine(5, none), "     ")
	f(NewLine(0, none).Add(none, "abc"), "")
	f(NewLine(-3, none).Space(2), "")
	f(NewLine(5, none).Add(none, "abcdefg"), "abcd…")
	f(NewLine(5, none).Add(none, "ab").Space(9).Add(none, "x"), "ab   ")
	f(NewLine(8, none).Cell(none, "ab", 4, true).Cell(none, "abcdef", 3, false), "  abab… ")
	f(NewLine(4, none).Add(none, "日本語"), "日… ")
	f(NewLine(4, none).Styled("日本", 4).Add(none, "x"), "日本")
	f(NewLine(3, none).Styled("日本", 4), "   ")
	bold := none.Bold(true)
	f(NewLine(3, none.Reverse(true)).Add(none.Foreground(lipgloss.ANSIColor(1)), "a").Add(bold, "b"),
		none.Reverse(true).Render("a")+none.Reverse(true).Bold(true).Render("b")+none.Reverse(true).Render(" "))
	for width := range 12 {
		for _, piece := range []string{"", "é", "日本語", "👨‍👩‍👧 x", "a\u0301b"} {
			line := NewLine(width, bold).Add(none, text.Clean(piece)).Cell(bold, text.Clean(piece), 5, true).String()
			if got := text.Width(line); got != width {
				t.Errorf("%q in %d cells is %d wide: %q", piece, width, got, line)
			}
		}
	}
}
