package screen

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
)

// A Cell is one place of the screen. A wide character is in the first of its two; the second is empty.
type Cell struct {
	Text string // one character with what combines with it
	Style
}

// A Style is how a cell looks. Colours are "" for the terminal's own, 0 to 255 of its palette, or #rrggbb.
type Style struct {
	Foreground, Background                         string
	Bold, Dim, Italic, Underline, Reverse, Crossed bool
}

// Cells takes apart what Styled returns, a row for each line. Rows may be of different lengths: what is behind their ends is blank.
func Cells(styled string) (rows [][]Cell) {
	var style Style
	for line := range strings.Lines(styled) {
		line = strings.TrimSuffix(line, "\n")
		row := []Cell{}
		for line != "" {
			if strings.HasPrefix(line, "\x1b") {
				var sequence string
				sequence, line = escape(line)
				if parameters, ok := strings.CutSuffix(sequence, "m"); ok && strings.HasPrefix(parameters, "\x1b[") {
					style.apply(strings.Split(parameters[2:], ";"))
				}
				continue
			}
			cluster, rest, _, _ := uniseg.FirstGraphemeClusterInString(line, -1)
			line = rest
			if strings.HasPrefix(cluster, "\x0e") || strings.HasPrefix(cluster, "\x0f") { // line drawing on and off
				continue
			}
			row = append(row, Cell{cluster, style})
			for range ansi.StringWidth(cluster) - 1 {
				row = append(row, Cell{"", style})
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// escape splits a sequence from what follows it.
func escape(s string) (sequence, rest string) {
	end := 2
	switch {
	case strings.HasPrefix(s, "\x1b["):
		for end < len(s) && (s[end] < 0x40 || s[end] > 0x7e) {
			end++
		}
		end++
	case strings.HasPrefix(s, "\x1b]"): // to its terminator
		if i := strings.Index(s, "\x1b\\"); i >= 0 {
			end = i + 2
		}
	case strings.HasPrefix(s, "\x1b("):
		end = 3
	}
	end = min(end, len(s))
	return s[:end], s[end:]
}

// apply obeys the parameters of an SGR sequence.
func (s *Style) apply(p []string) {
	for i := 0; i < len(p); i++ {
		n, _ := strconv.Atoi(strings.SplitN(p[i], ":", 2)[0]) // an empty one is 0
		switch {
		case n == 0:
			*s = Style{}
		case n == 1:
			s.Bold = true
		case n == 2:
			s.Dim = true
		case n == 3:
			s.Italic = true
		case n == 4:
			s.Underline = true
		case n == 7:
			s.Reverse = true
		case n == 9:
			s.Crossed = true
		case n == 22:
			s.Bold, s.Dim = false, false
		case n == 23:
			s.Italic = false
		case n == 24:
			s.Underline = false
		case n == 27:
			s.Reverse = false
		case n == 29:
			s.Crossed = false
		case n >= 30 && n <= 37:
			s.Foreground = strconv.Itoa(n - 30)
		case n == 38:
			var skip int
			s.Foreground, skip = colour(p[i:])
			i += skip
		case n == 39:
			s.Foreground = ""
		case n >= 40 && n <= 47:
			s.Background = strconv.Itoa(n - 40)
		case n == 48:
			var skip int
			s.Background, skip = colour(p[i:])
			i += skip
		case n == 49:
			s.Background = ""
		case n >= 90 && n <= 97:
			s.Foreground = strconv.Itoa(n - 90 + 8)
		case n >= 100 && n <= 107:
			s.Background = strconv.Itoa(n - 100 + 8)
		}
	}
}

// colour reads what follows 38 and 48, and says how many parameters that was.
func colour(p []string) (c string, skip int) {
	if len(p) >= 3 && p[1] == "5" {
		return p[2], 2
	}
	if len(p) >= 5 && p[1] == "2" {
		var rgb [3]int
		for i := range rgb {
			rgb[i], _ = strconv.Atoi(p[2+i])
		}
		return fmt.Sprintf("#%02x%02x%02x", rgb[0], rgb[1], rgb[2]), 4
	}
	return "", 0
}
