package text

import (
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/clipperhouse/uax29/v2/graphemes"
)

// tab is the distance of tab stops, in cells.
const tab = 8

// marks is how many combining characters one cell may have. Vietnamese, Hebrew and Tibetan use up to four; what comes after these is
// shown beside the cell, since terminals drop it or let it cover other lines.
const marks = 6

// Clean makes text from outside safe to draw: nothing that a terminal may obey remains, nothing is hidden, and the text is as wide
// as Width says. Controls become one-cell pictures (␛, ␀), what has none is written as ⟨U+202E⟩, bytes that are not UTF-8 become �,
// tabs become spaces. Newlines stay. See the package's comment for what happens to emoji and combining characters.
// The time it takes is linear. Clean text is returned as it is.
func Clean(s string) string {
	if n := printable(s); n == len(s) {
		return s
	}
	c := cleaner{in: s}
	c.out.Grow(len(s) + len(s)/8 + 16)
	for c.at < len(s) {
		c.step()
	}
	return c.out.String()
}

// printable is the length of the beginning that consists of printable ASCII and newlines.
func printable(s string) int {
	for i := range len(s) {
		if b := s[i]; b-0x20 >= 0x5f && b != '\n' {
			return i
		}
	}
	return len(s)
}

type cleaner struct {
	in     string
	at     int
	out    strings.Builder
	column int
	base   rune // that a combining character would join; 0 at the beginning of a line
	marks  int  // that it has already
	linked bool // among them is one that joins consonants
}

// step takes the next character, or a run of ASCII ones.
func (c *cleaner) step() {
	b := c.in[c.at]
	switch {
	case b-0x20 < 0x5f:
		from := c.at
		for c.at++; c.at < len(c.in) && c.in[c.at]-0x20 < 0x5f; {
			c.at++
		}
		c.out.WriteString(c.in[from:c.at])
		c.column += c.at - from
		c.base, c.marks, c.linked = rune(c.in[c.at-1]), 0, false
	case b == '\n':
		c.at++
		c.out.WriteByte('\n')
		c.column, c.base = 0, 0
	case b == '\t':
		c.at++
		n := tab - c.column%tab
		c.out.WriteString("        "[:n])
		c.column += n
		c.base, c.marks, c.linked = ' ', 0, false
	case b == '\r' && strings.HasPrefix(c.in[c.at+1:], "\n"):
		c.at++
	case b < 0x20:
		c.at++
		c.put(0x2400 + rune(b))
	case b == 0x7f:
		c.at++
		c.put(0x2421)
	default:
		r, n := utf8.DecodeRuneInString(c.in[c.at:])
		c.at += n
		c.rune(r)
	}
}

// rune takes a character that is not ASCII.
func (c *cleaner) rune(r rune) {
	k := kindOf(r)
	switch k.form() {
	case plain:
		if c.linked && k&consonant != 0 {
			c.out.WriteString("\u200c")
		}
		c.write(r, k)
	case mark, spacing:
		c.mark(r, k)
	case joiner:
		next, _ := utf8.DecodeRuneInString(c.in[c.at:])
		switch {
		case r == 0x200c && joins(c.base) && joins(next):
			c.mark(r, k)
		case r == 0x200d && (joins(c.base) && joins(next) || kindOf(c.base)&picture != 0 && kindOf(next)&picture != 0):
		default:
			c.show(r)
		}
	case variant:
		switch {
		case unicode.Is(unicode.Han, c.base) && c.marks == 0:
			c.mark(r, k)
		case (r == 0xfe0e || r == 0xfe0f) && (kindOf(c.base)&picture != 0 || c.base < 0x80 && strings.ContainsRune("0123456789#*", c.base)):
		default:
			c.show(r)
		}
	case tone:
		if kindOf(c.base)&picture == 0 {
			c.show(r)
		}
	case region:
		if next, n := utf8.DecodeRuneInString(c.in[c.at:]); kindOf(next).form() == region {
			c.at += n
			c.put(r)
			c.put(next)
			return
		}
		c.show(r)
	case jamo:
		if whole, n := syllable(r, c.in[c.at:]); n > 0 {
			c.at += n
			c.put(whole)
			return
		}
		c.show(r)
	default:
		c.show(r)
	}
}

// put writes a character that stands for itself.
func (c *cleaner) put(r rune) { c.write(r, kindOf(r)) }

func (c *cleaner) write(r rune, k kind) {
	c.out.WriteRune(r)
	c.column += k.width()
	c.base, c.marks, c.linked = r, 0, false
}

// mark writes a character that joins the one before it; at the beginning of a line that would be part of the screen beside.
func (c *cleaner) mark(r rune, k kind) {
	if c.base == 0 {
		c.put(0x25cc)
	}
	if c.marks == marks {
		c.show(r)
		return
	}
	c.out.WriteRune(r)
	c.column += k.width()
	c.marks++
	c.linked = (c.linked || k&linker != 0 && kindOf(c.base)&consonant != 0) && r != 0x200c
}

// show writes a character's number.
func (c *cleaner) show(r rune) {
	const hex = "0123456789ABCDEF"
	c.out.WriteString("⟨U+")
	n := 4
	for n < 6 && r>>(4*n) != 0 {
		n++
	}
	for i := n - 1; i >= 0; i-- {
		c.out.WriteByte(hex[r>>(4*i)&15])
	}
	c.out.WriteString("⟩")
	c.column += n + 4
	c.base, c.marks, c.linked = '⟩', 0, false
}

// joins tells whether U+200C and U+200D change how such a letter is written, as they do in Arabic, Persian and the scripts of India.
func joins(r rune) bool {
	return r >= 0x600 && r < 0x1d00 && (unicode.IsLetter(r) || unicode.IsMark(r))
}

// syllable composes a Hangul syllable of its first letter and those in rest; n is how many bytes of rest it took, 0 if it is none.
// macOS writes file names in such letters.
func syllable(r rune, rest string) (whole rune, n int) {
	vowel, n := utf8.DecodeRuneInString(rest)
	if r > 0x1112 || vowel < 0x1161 || vowel > 0x1175 {
		return 0, 0
	}
	whole = 0xac00 + ((r-0x1100)*21+vowel-0x1161)*28
	if last, m := utf8.DecodeRuneInString(rest[n:]); last > 0x11a7 && last <= 0x11c2 {
		whole, n = whole+last-0x11a7, n+m
	}
	return whole, n
}

// kind is what is known of a character: its width in cells in the lowest two bits, its form, and three signs.
type kind uint16

// Forms.
const (
	plain   kind = iota << 2
	mark         // has no width and joins the character before it
	spacing      // has a width, and joins the character before it where the terminal knows clusters
	joiner       // U+200C, U+200D
	variant      // selects how the character before it is drawn
	tone         // colours the emoji before it
	region       // one half of a flag
	jamo         // a letter of a Hangul syllable
	hidden       // is written as its number

	forms     kind = 15 << 2
	picture   kind = 1 << 6 // emoji and what may become one
	consonant kind = 1 << 7 // becomes one cluster with the one before if a linker is between
	linker    kind = 1 << 8
)

func (k kind) form() kind { return k & forms }

func (k kind) width() int { return int(k & 3) }

// kinds has the kinds of 256 characters each, made when one of them is first met.
var kinds [unicode.MaxRune>>8 + 1]atomic.Pointer[[256]kind]

func kindOf(r rune) kind {
	page := kinds[r>>8].Load()
	if page == nil {
		page = new([256]kind)
		for i := range page {
			page[i] = examine(r&^0xff | rune(i))
		}
		kinds[r>>8].Store(page)
	}
	return page[r&0xff]
}

// examine asks the renderer's own tables, so that both agree.
func examine(r rune) kind {
	s := string(r)
	width := ansi.StringWidthWc(s)
	first := func(s string) int { return len(graphemes.FromString(s).First()) }
	joined := first("a"+s) > 1
	switch {
	case r == 0x200c || r == 0x200d:
		return joiner
	case r < 0xa0:
		if r < 0x20 || r > 0x7e {
			return hidden
		}
		return plain | 1
	case unicode.Is(unicode.Variation_Selector, r):
		return variant
	case r >= 0x1f3fb && r <= 0x1f3ff:
		return tone
	case r >= 0x1f1e6 && r <= 0x1f1ff:
		return region | 1
	case r >= 0x1100 && r <= 0x11ff || r >= 0xa960 && r <= 0xa97f || r >= 0xd7b0 && r <= 0xd7ff:
		return jamo
	case !unicode.IsGraphic(r), unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(disputed, r),
		first(s+"a") > len(s), // joins what follows
		width == 0 && (!joined || ansi.StringWidth(s) != 0), width > 1 && joined:
		return hidden
	case joined && width == 0:
		k := mark
		if pair := "क" + s + "क"; first(pair) == len(pair) {
			k |= linker
		}
		return k
	case joined:
		return spacing | kind(width)
	}
	k := plain | kind(width)
	if pair := "\U0001f469\u200d" + s; first(pair) == len(pair) {
		k |= picture
	}
	if pair := "क\u094d" + s; first(pair) == len(pair) {
		k |= consonant
	}
	return k
}

// disputed are characters of which terminals in use have another width than the renderer: those of Unicode 15 (2022), which older
// ones do not know, and signs that became wide or narrow in Unicode 16.
var disputed = &unicode.RangeTable{
	R16: []unicode.Range16{{0x2630, 0x2637, 1}, {0x268a, 0x268f, 1}, {0x3248, 0x324f, 1}},
	R32: []unicode.Range32{
		{0x1123f, 0x11241, 1}, {0x11b00, 0x11b5f, 1}, {0x11f00, 0x11f5f, 1}, {0x1342f, 0x1345f, 1}, {0x1b132, 0x1b132, 1}, {0x1b155, 0x1b155, 1},
		{0x1d2c0, 0x1d2df, 1}, {0x1d300, 0x1d37f, 1}, {0x1df25, 0x1df2a, 1}, {0x1e030, 0x1e08f, 1}, {0x1e4d0, 0x1e4ff, 1}, {0x1f6dc, 0x1f6dc, 1},
		{0x1f774, 0x1f77f, 1}, {0x1f7d9, 0x1f7d9, 1}, {0x1fa75, 0x1fa77, 1}, {0x1fa87, 0x1fa88, 1}, {0x1faad, 0x1faaf, 1}, {0x1fabb, 0x1fabf, 1},
		{0x1face, 0x1facf, 1}, {0x1fada, 0x1fadb, 1}, {0x1fae8, 0x1fae8, 1}, {0x1faf7, 0x1faf8, 1}, {0x2b739, 0x2b739, 1}, {0x31350, 0x323af, 1},
	},
}
