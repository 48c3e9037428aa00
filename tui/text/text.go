// Package text prepares what others wrote for the screen: it makes it harmless, measures, cuts, wraps and highlights it, and takes
// fields out of JSON documents.
//
// # Widths
//
// Terminals differ in how many cells emoji sequences and joined letters take: those that count characters, as tmux and xterm do,
// and those that count clusters (mode 2027). Bubble Tea's renderer follows the terminal. So that all agree, Clean leaves only
// characters that are as wide alone as in their cluster:
//
//   - emoji are shown in their plain form: without the joiner (a family is shown as its members), skin tone and variation selector
//   - letters lose the joiner, too (tmux lets it hide the next letter), and Indic consonants that would join are parted by U+200C,
//     which writes the sign between them out
//   - Hangul letters are composed to syllables; halves of flags, Hangul letters alone and all invisible characters are written as
//     their number
//   - combining characters stay, six on one cell; at the beginning of a line they get a ◌ to stand on
//   - letters of right-to-left scripts stay as they are, in the order in which they were sent; what would change the direction is
//     written as its number. Terminals that reorder letters do so within a line.
//
// There is one exception: spacing vowel signs (in Hindi का, in Thai กำ) take a cell of their own where characters are counted,
// none where clusters are. See [Clusters].
package text

import (
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"charm.land/lipgloss/v2"

	"github.com/charmbracelet/x/ansi"
)

var clusters atomic.Bool

// Clusters says whether the terminal counts clusters (it has mode 2027, which the renderer then switches on) instead of characters.
// It holds for all text from then on: what has been measured before must be measured again.
func Clusters(on bool) { clusters.Store(on) }

const ellipsis = "…"

var ellipsisWidth = ansi.StringWidthWc(ellipsis) // 2 with RUNEWIDTH_EASTASIAN

// Width is how many cells one line of cleaned text takes. Like the functions below it passes over our own styles.
func Width(s string) int {
	_, width := fit(s, math.MaxInt)
	return width
}

// glyph is what stands at byte i: n bytes that belong together, w cells wide. An escape sequence is one without width.
func glyph(s string, i int) (n, w int) {
	b := s[i]
	if b == 0x1b {
		return escape(s[i:]), 0
	}
	n, w = 1, 1
	if b >= utf8.RuneSelf {
		r, size := utf8.DecodeRuneInString(s[i:])
		k := kindOf(r)
		n, w = size, k.width()
		switch {
		case k.form() == spacing && clusters.Load():
			w = 0
		case k.form() == region:
			if next, size := utf8.DecodeRuneInString(s[i+n:]); kindOf(next).form() == region {
				n, w = n+size, 2
			}
		}
	} else if b < 0x20 || b == 0x7f {
		w = 0
	}
	for i+n < len(s) && s[i+n] >= utf8.RuneSelf {
		r, size := utf8.DecodeRuneInString(s[i+n:])
		k := kindOf(r)
		switch {
		case k.form() == spacing && clusters.Load():
		case k.width() == 0:
		default:
			return n, w
		}
		n += size
	}
	return n, w
}

// escape is the length of the escape sequence that s begins with.
func escape(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[':
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
		}
		return len(s)
	case ']':
		for i := 2; i < len(s); i++ {
			if s[i] == 7 {
				return i + 1
			}
			if s[i] == 0x1b && i+1 < len(s) && s[i+1] == '\\' {
				return i + 2
			}
		}
		return len(s)
	}
	return 2
}

// escapes are the escape sequences of s without the text between them.
func escapes(s string) string {
	at := strings.IndexByte(s, 0x1b)
	if at < 0 {
		return ""
	}
	var out strings.Builder
	for at >= 0 {
		s = s[at:]
		n := escape(s)
		out.WriteString(s[:n])
		s = s[n:]
		at = strings.IndexByte(s, 0x1b)
	}
	return out.String()
}

// fit is the longest beginning of s that is not wider than w: its bytes and cells.
func fit(s string, w int) (n, width int) {
	for n < len(s) {
		// An ASCII character is not joined by another one.
		for n+1 < len(s) && width < w && s[n]-0x20 < 0x5f && s[n+1] < utf8.RuneSelf {
			n, width = n+1, width+1
		}
		size, cells := glyph(s, n)
		if cells > w-width {
			break
		}
		n, width = n+size, width+cells
	}
	return n, width
}

// Cut returns at most w cells of s, the last of them … if something was cut off. Styles go on to where they end.
func Cut(s string, w int) string {
	if n, _ := fit(s, w); n == len(s) {
		return s
	}
	if w < ellipsisWidth {
		return escapes(s)
	}
	n, _ := fit(s, w-ellipsisWidth)
	return s[:n] + ellipsis + escapes(s[n:])
}

// Slice returns the cells from (from 0 on) to from+w of s, fewer if it ends before. Of a wide character that is only half inside
// a space remains. Styles that begin before and end after remain whole.
func Slice(s string, from, w int) string {
	if from <= 0 && w >= 0 {
		if n, width := fit(s, w); n == len(s) || width == w {
			return s[:n] + escapes(s[n:])
		}
	}
	var out strings.Builder
	for i, at := 0, 0; i < len(s); {
		if at >= from+w {
			out.WriteString(escapes(s[i:]))
			break
		}
		n, cells := glyph(s, i)
		switch inside := min(at+cells, from+w) - max(at, from); {
		case s[i] == 0x1b, cells > 0 && inside == cells:
			out.WriteString(s[i : i+n])
		case inside > 0:
			out.WriteString(strings.Repeat(" ", inside))
		}
		i, at = i+n, at+cells
	}
	return out.String()
}

// Pad returns s in exactly w cells: cut, or filled with spaces.
func Pad(s string, w int) string {
	w = max(w, 0)
	n, width := fit(s, w)
	if n < len(s) {
		s = Cut(s, w)
		_, width = fit(s, w)
	}
	if width == w {
		return s
	}
	return s + strings.Repeat(" ", w-width)
}

// Wrap breaks cleaned text into lines of at most w cells: at newlines, else between words, else within a word. The spaces at which
// it breaks belong to no line.
func Wrap(s string, w int) []string {
	spans := Lines(s, w)
	lines := make([]string, len(spans))
	for i, span := range spans {
		lines[i] = s[span[0]:span[1]]
		if w < 2 {
			lines[i] = Cut(lines[i], w)
		}
	}
	return lines
}

// Lines says where Wrap breaks: the bytes of each line. With w 1 a line may be a wide character.
func Lines(s string, w int) (spans [][2]int) {
	w = max(w, 1)
	start, width := 0, 0           // of the line
	blanks := 0                    // where the last run of spaces begins
	end, word, before := -1, -1, 0 // the last place to break: the line's end, the next one's start, the cells before that
	next := func(at int) { start, width, end, word = at, 0, -1, -1 }
	for i := 0; i < len(s); {
		if s[i] == '\n' {
			spans = append(spans, [2]int{start, i})
			i++
			next(i)
			continue
		}
		n, cells := glyph(s, i)
		blank, after := s[i] == ' ' && n == 1, i > start && s[i-1] == ' '
		if blank && !after {
			blanks = i
		}
		if !blank && after && blanks > start {
			end, word, before = blanks, i, width
		}
		switch {
		case width+cells <= w || i == start:
			i, width = i+n, width+cells
		case blank: // all spaces here are where the line ends, but not those that it begins with
			if blanks == start {
				blanks = i
			}
			spans = append(spans, [2]int{start, blanks})
			for i < len(s) && s[i] == ' ' {
				i++
			}
			if i == len(s) {
				return spans
			}
			if s[i] == '\n' {
				i++
			}
			next(i)
		case word >= 0:
			spans = append(spans, [2]int{start, end})
			rest := width - before
			next(word)
			width = rest
		default:
			spans = append(spans, [2]int{start, i})
			next(i)
		}
	}
	return append(spans, [2]int{start, len(s)})
}

// Highlight draws one line of cleaned text with base, and what was found in it (byte offsets, in any order) with on.
func Highlight(s string, found [][2]int, on, base lipgloss.Style) string {
	if len(found) == 0 || s == "" {
		return base.Render(s)
	}
	if !slices.IsSortedFunc(found, func(a, b [2]int) int { return a[0] - b[0] }) {
		found = slices.Clone(found)
		slices.SortFunc(found, func(a, b [2]int) int { return a[0] - b[0] })
	}
	var out strings.Builder
	draw := func(style lipgloss.Style, part string) {
		if part != "" {
			out.WriteString(style.Render(part))
		}
	}
	at := 0
	for _, f := range found {
		from, to := max(f[0], at), min(f[1], len(s))
		if from >= to {
			continue
		}
		i := at // what belongs together is not parted
		for {
			n, _ := glyph(s, i)
			if i+n > from {
				break
			}
			i += n
		}
		from = i
		for i < to {
			n, _ := glyph(s, i)
			i += n
		}
		to = i
		draw(base, s[at:from])
		draw(on, s[from:to])
		at = to
	}
	draw(base, s[at:])
	return out.String()
}

// First returns the first line of a message that has something on it, and how many lines follow it.
func First(s string) (line string, more int) {
	s = strings.Trim(s, "\r\n")
	end := strings.IndexByte(s, '\n')
	if end < 0 {
		return s, 0
	}
	return strings.TrimSuffix(s[:end], "\r"), strings.Count(s[end:], "\n")
}
