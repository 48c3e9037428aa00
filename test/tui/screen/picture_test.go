package screen

import (
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

func TestCells(t *testing.T) {
	f := func(styled string, want ...Cell) {
		t.Helper()
		rows := Cells(styled)
		if len(rows) != 1 || !reflect.DeepEqual(rows[0], want) {
			t.Errorf("%q: %+v, want %+v", styled, rows, want)
		}
	}
	red := Style{Foreground: "1"}
	f("ab\n", Cell{Text: "a"}, Cell{Text: "b"})
	f("\x1b[31ma\x1b[39mb", Cell{"a", red}, Cell{Text: "b"})
	f("\x1b[31ma\x1b[mb", Cell{"a", red}, Cell{Text: "b"})
	f("\x1b[31m日", Cell{"日", red}, Cell{"", red})
	f("e\u0301", Cell{Text: "e\u0301"})
	f("\x1b[1;2;3;4;7;9mx", Cell{"x", Style{Bold: true, Dim: true, Italic: true, Underline: true, Reverse: true, Crossed: true}})
	f("\x1b[1;2;3;4;7;9m\x1b[22;23;24;27;29mx", Cell{Text: "x"})
	f("\x1b[38;5;200;48;2;1;20;255mx", Cell{"x", Style{Foreground: "200", Background: "#0114ff"}})
	f("\x1b[97;104mx", Cell{"x", Style{Foreground: "15", Background: "12"}})
	f("\x1b]8;;http://example.com\x1b\\x", Cell{Text: "x"})
	f("\x1b[38;5mx", Cell{Text: "x"})
	if rows := Cells("a\n\nb\n"); len(rows) != 3 || len(rows[1]) != 0 {
		t.Errorf("%v", rows)
	}
}

// A picture is XML, has every character, and boxes and blocks where these stand.
func TestSVG(t *testing.T) {
	for _, dark := range []bool{true, false} {
		svg := SVG("\x1b[1;31m<&>\x1b[0m ▁█ ┌┘ 日\x01\n\x1b[7mreverse\x1b[0m\n", 20, dark)
		for _, want := range []string{"&lt;&amp;&gt;", "日", "reverse", `font-weight="bold"`, `viewBox="0 0 188.0 54.0"`} {
			if !strings.Contains(svg, want) {
				t.Errorf("%q is missing in\n%s", want, svg)
			}
		}
		if n := strings.Count(svg, "<rect"); n != 1+2+4+1 {
			t.Errorf("%d rectangles, want the background, 2 blocks, 4 lines, 1 behind the reversed text:\n%s", n, svg)
		}
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in\n%s", err, svg)
			}
		}
	}
}

func FuzzCells(f *testing.F) {
	for _, s := range []string{"a", "\x1b[38;2;1;2m", "\x1b", "\x1b[", "\x1b]", "日\x1b(", "\xff\x1b[;;;mx"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { SVG(s, 10, true) })
}
