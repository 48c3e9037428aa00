package mapping

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// An Analyzer says how the text of a field becomes terms: standard, simple, whitespace or keyword, as
// Elasticsearch's analyzers of these names do it.
type Analyzer string

const (
	Standard   Analyzer = "standard"   // words by Unicode's rules (UAX #29), lower case
	Simple     Analyzer = "simple"     // runs of letters, lower case
	Whitespace Analyzer = "whitespace" // what stands between white space
	Keyword    Analyzer = "keyword"    // the text as a whole
)

// maxTerm bounds the UTF-16 units of a term that standard makes; what is longer is cut into several.
const maxTerm = 255

// A Token is a term of a text and the place it came from.
type Token struct {
	Term       string
	Start, End int // bytes of the text
}

// Known says whether the analyzer is one of those above.
func (a Analyzer) Known() bool {
	return a == Standard || a == Simple || a == Whitespace || a == Keyword
}

// Tokens returns the terms of text in their order. The n-th stands at position n.
func (a Analyzer) Tokens(text string) []Token {
	var out []Token
	a.Each(text, func(start, end int) bool {
		out = append(out, Token{a.Fold(text[start:end]), start, end})
		return true
	})
	return out
}

// Fold makes a term of a piece of text as the analyzer does: in lower case, or as it is.
func (a Analyzer) Fold(s string) string {
	if a == Whitespace || a == Keyword {
		return s
	}
	return lower(s)
}

// Each calls f with the place of each term of text, until f says false.
func (a Analyzer) Each(text string, f func(start, end int) bool) {
	switch a {
	case Keyword:
		f(0, len(text))
	case Whitespace:
		fields(text, func(r rune) bool { return !unicode.IsSpace(r) || r == 0xa0 || r == 0x85 || r == 0x2007 || r == 0x202f }, f)
	case Simple:
		fields(text, unicode.IsLetter, f)
	default:
		words(text, f)
	}
}

// fields calls f with each run of runes that belong.
func fields(text string, belongs func(rune) bool, f func(start, end int) bool) {
	start, units := -1, 0
	for i, r := range text {
		if start >= 0 && (units >= maxTerm || !belongs(r)) {
			if !f(start, i) {
				return
			}
			start = -1
		}
		if !belongs(r) {
			continue
		}
		if start < 0 {
			start, units = i, 0
		}
		if units++; r >= 0x10000 {
			units++
		}
	}
	if start >= 0 {
		f(start, len(text))
	}
}

// lower folds each rune by itself, as Lucene does.
func lower(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.Map(unicode.ToLower, s)
		}
	}
	return s
}

// The classes of UAX #29 that words tells apart, with what Lucene adds: emoji and the scripts written
// without spaces that it keeps in one piece.
type class byte

const (
	other     class = iota
	letter          // ALetter and Hebrew_Letter
	digit           // Numeric
	underline       // ExtendNumLet
	midLetter       // between two letters
	midNum          // between two digits
	midBoth         // between two letters or two digits
	katakana
	ideograph // and Hiragana: each by itself
	southEast // Thai, Lao, Khmer, Myanmar …: a run
	extend    // marks, which join what they stand behind
	joiner    // ZWJ
	emoji
	modifier // of an emoji's skin
	regional // indicators, of which two make a flag
)

var ascii = func() (t [utf8.RuneSelf]class) {
	for c := range t {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			t[c] = letter
		case '0' <= c && c <= '9':
			t[c] = digit
		}
	}
	t['_'], t['.'], t['\''], t[':'], t[','], t[';'] = underline, midBoth, midBoth, midLetter, midNum, midNum
	return t
}()

func classOf(r rune) class {
	if r < utf8.RuneSelf {
		return ascii[r]
	}
	switch r {
	case 0x200d:
		return joiner
	case 0x3006:
		return other
	case 0x202f, 0x203f, 0x2040, 0x2054, 0xfe33, 0xfe34, 0xfe4d, 0xfe4e, 0xfe4f, 0xff3f:
		return underline
	case 0xb7, 0x387, 0x55f, 0x5f4, 0x2027, 0xfe13, 0xfe55, 0xff1a:
		return midLetter
	case 0x37e, 0x589, 0x60c, 0x60d, 0x66c, 0x7f8, 0x2044, 0xfe10, 0xfe14, 0xfe50, 0xfe54, 0xff0c, 0xff1b:
		return midNum
	case 0x2018, 0x2019, 0x2024, 0xfe52, 0xff07, 0xff0e:
		return midBoth
	case 0x30fc, 0xff70, 0x309b, 0x309c, 0x30a0, 0x3031, 0x3032, 0x3033, 0x3034, 0x3035:
		return katakana
	case 0x66b:
		return digit
	case 0x5f3, 0x2c2, 0x2c3, 0x2c4, 0x2c5, 0x2d2, 0x2d3, 0x2d4, 0x2d5, 0x2d6, 0x2d7, 0x2de, 0x2df, 0x2ed:
		return letter
	case 0x200c, 0xff9e, 0xff9f:
		return extend
	}
	switch {
	case 0x1f3fb <= r && r <= 0x1f3ff:
		return modifier
	case unicode.Is(pictographic, r):
		return emoji
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc) && !unicode.In(r, southEastScripts...):
		return extend
	case unicode.In(r, southEastScripts...) && unicode.In(r, unicode.L, unicode.M):
		return southEast
	case unicode.In(r, unicode.Han, unicode.Hiragana) && !unicode.Is(unicode.P, r):
		return ideograph
	case unicode.Is(unicode.Katakana, r):
		return katakana
	case unicode.Is(unicode.Nd, r) && !(0xff10 <= r && r <= 0xff19):
		return digit
	case 0xff10 <= r && r <= 0xff19:
		return digit
	case 0x1f1e6 <= r && r <= 0x1f1ff:
		return regional
	case unicode.In(r, unicode.L, unicode.Nl) || 0x24b6 <= r && r <= 0x24e9:
		return letter
	case unicode.Is(unicode.Cf, r) && r != 0x200b:
		return extend
	}
	return other
}

var southEastScripts = []*unicode.RangeTable{unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tai_Le, unicode.New_Tai_Lue, unicode.Tai_Tham, unicode.Tai_Viet}

// words calls f with the place of each word of text.
func words(text string, f func(start, end int) bool) {
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		c := classOf(r)
		end := i + size
		switch c {
		case letter, digit, underline, katakana:
			var is bool
			if end, is = word(text, i); !is {
				i = end
				continue
			}
		case ideograph:
			end = marks(text, end)
		case southEast:
			for end < len(text) {
				r, size := utf8.DecodeRuneInString(text[end:])
				if c := classOf(r); c != southEast && c != extend && c != joiner {
					break
				}
				end += size
			}
		case emoji:
			end = pictures(text, end, r)
		case modifier:
			end = marks(text, end)
		case regional:
			r, size := utf8.DecodeRuneInString(text[end:])
			if classOf(r) != regional {
				i = end
				continue
			}
			end = marks(text, end+size)
		default:
			if (r == '#' || r == '*') && strings.HasPrefix(text[end:], keycap) {
				end += len(keycap)
				break
			}
			i = end
			continue
		}
		if !pieces(text, i, end, f) {
			return
		}
		i = end
	}
}

// pieces hands out a word, cut where it is longer than a term may be.
func pieces(text string, start, end int, f func(start, end int) bool) bool {
	if end-start <= maxTerm {
		return f(start, end)
	}
	units := 0
	for i, r := range text[start:end] {
		n := 1
		if r >= 0x10000 {
			n = 2
		}
		if units+n > maxTerm {
			if !f(start, start+i) {
				return false
			}
			return pieces(text, start+i, end, f)
		}
		units += n
	}
	return f(start, end)
}

// word returns where the word that begins at i ends, and whether it is one: underlines alone are none.
func word(text string, i int) (end int, is bool) {
	last := other  // the class that stands before, marks aside
	mid := other   // what may join, if the right class follows
	midStart := -1 // where it stands
	for end = i; end < len(text); {
		r, size := rune(text[end]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[end:])
		}
		c := classOf(r)
		switch {
		case c == extend || c == joiner:
			end += size
			continue
		case mid != other:
			if !(c == last && (last == letter && mid != midNum || last == digit && mid != midLetter)) {
				return midStart, true
			}
			mid = other
		case c == midLetter && last == letter, c == midNum && last == digit, c == midBoth && (last == letter || last == digit):
			mid, midStart = c, end
			end += size
			continue
		case !joins(last, c):
			return end, is
		}
		is = is || c != underline
		last = c
		end += size
	}
	if mid != other {
		return midStart, true
	}
	return end, is
}

// joins says whether a word goes on from a rune of class a to one of class b.
func joins(a, b class) bool {
	switch b {
	case letter, digit:
		return a == other || a == letter || a == digit || a == underline
	case katakana:
		return a == other || a == katakana || a == underline
	case underline:
		return true
	}
	return false
}

// marks returns the end of the marks that begin at i.
func marks(text string, i int) int {
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		if c := classOf(r); c != extend && c != joiner {
			return i
		}
		i += size
	}
	return i
}

// keycap makes an emoji of a sign that stands before it.
const keycap = "\ufe0f\u20e3"

// pictures returns the end of an emoji sequence whose first emoji is base and ends at i.
func pictures(text string, i int, base rune) int {
	for {
		if r, size := utf8.DecodeRuneInString(text[i:]); classOf(r) == modifier && unicode.Is(skinned, base) {
			i += size
		}
		end := marks(text, i)
		if end == i || !strings.HasSuffix(text[:end], "\u200d") {
			return end
		}
		r, size := utf8.DecodeRuneInString(text[end:])
		if classOf(r) != emoji {
			return end
		}
		i, base = end+size, r
	}
}

// skinned holds the emoji that a modifier joins: people and parts of them.
var skinned = &unicode.RangeTable{
	R16: []unicode.Range16{{0x261d, 0x261d, 1}, {0x26f9, 0x26f9, 1}, {0x270a, 0x270d, 1}},
	R32: []unicode.Range32{
		{0x1f385, 0x1f385, 1}, {0x1f3c2, 0x1f3c4, 1}, {0x1f3c7, 0x1f3c7, 1}, {0x1f3ca, 0x1f3cc, 1}, {0x1f442, 0x1f443, 1}, {0x1f446, 0x1f450, 1},
		{0x1f466, 0x1f478, 1}, {0x1f47c, 0x1f47c, 1}, {0x1f481, 0x1f483, 1}, {0x1f485, 0x1f487, 1}, {0x1f48f, 0x1f48f, 1}, {0x1f491, 0x1f491, 1},
		{0x1f4aa, 0x1f4aa, 1}, {0x1f574, 0x1f575, 1}, {0x1f57a, 0x1f57a, 1}, {0x1f590, 0x1f590, 1}, {0x1f595, 0x1f596, 1}, {0x1f645, 0x1f647, 1},
		{0x1f64b, 0x1f64f, 1}, {0x1f6a3, 0x1f6a3, 1}, {0x1f6b4, 0x1f6b6, 1}, {0x1f6c0, 0x1f6c0, 1}, {0x1f6cc, 0x1f6cc, 1}, {0x1f90c, 0x1f90c, 1},
		{0x1f90f, 0x1f90f, 1}, {0x1f918, 0x1f91f, 1}, {0x1f926, 0x1f926, 1}, {0x1f930, 0x1f939, 1}, {0x1f93c, 0x1f93e, 1}, {0x1f977, 0x1f977, 1},
		{0x1f9b5, 0x1f9b6, 1}, {0x1f9b8, 0x1f9b9, 1}, {0x1f9bb, 0x1f9bb, 1}, {0x1f9cd, 0x1f9cf, 1}, {0x1f9d1, 0x1f9dd, 1},
	},
}

// pictographic holds Unicode's Extended_Pictographic.
var pictographic = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0xa9, 0xa9, 1}, {0xae, 0xae, 1}, {0x203c, 0x203c, 1}, {0x2049, 0x2049, 1}, {0x2122, 0x2122, 1}, {0x2139, 0x2139, 1}, {0x2194, 0x2199, 1}, {0x21a9, 0x21aa, 1},
		{0x231a, 0x231b, 1}, {0x2328, 0x2328, 1}, {0x2388, 0x2388, 1}, {0x23cf, 0x23cf, 1}, {0x23e9, 0x23f3, 1}, {0x23f8, 0x23fa, 1},
		{0x24c2, 0x24c2, 1}, {0x25aa, 0x25ab, 1}, {0x25b6, 0x25b6, 1}, {0x25c0, 0x25c0, 1}, {0x25fb, 0x25fe, 1}, {0x2600, 0x2605, 1},
		{0x2607, 0x2612, 1}, {0x2614, 0x2685, 1}, {0x2690, 0x2705, 1}, {0x2708, 0x2712, 1}, {0x2714, 0x2714, 1}, {0x2716, 0x2716, 1},
		{0x271d, 0x271d, 1}, {0x2721, 0x2721, 1}, {0x2728, 0x2728, 1}, {0x2733, 0x2734, 1}, {0x2744, 0x2744, 1}, {0x2747, 0x2747, 1},
		{0x274c, 0x274c, 1}, {0x274e, 0x274e, 1}, {0x2753, 0x2755, 1}, {0x2757, 0x2757, 1}, {0x2763, 0x2767, 1}, {0x2795, 0x2797, 1},
		{0x27a1, 0x27a1, 1}, {0x27b0, 0x27b0, 1}, {0x27bf, 0x27bf, 1}, {0x2934, 0x2935, 1}, {0x2b05, 0x2b07, 1}, {0x2b1b, 0x2b1c, 1},
		{0x2b50, 0x2b50, 1}, {0x2b55, 0x2b55, 1}, {0x3030, 0x3030, 1}, {0x303d, 0x303d, 1}, {0x3297, 0x3297, 1}, {0x3299, 0x3299, 1},
	},
	R32: []unicode.Range32{
		{0x1f000, 0x1f0ff, 1}, {0x1f10d, 0x1f10f, 1}, {0x1f12f, 0x1f12f, 1}, {0x1f16c, 0x1f171, 1}, {0x1f17e, 0x1f17f, 1},
		{0x1f18e, 0x1f18e, 1}, {0x1f191, 0x1f19a, 1}, {0x1f1ad, 0x1f1e5, 1}, {0x1f201, 0x1f20f, 1}, {0x1f21a, 0x1f21a, 1},
		{0x1f22f, 0x1f22f, 1}, {0x1f232, 0x1f23a, 1}, {0x1f23c, 0x1f23f, 1}, {0x1f249, 0x1f3fa, 1}, {0x1f400, 0x1f53d, 1},
		{0x1f546, 0x1f64f, 1}, {0x1f680, 0x1f6ff, 1}, {0x1f774, 0x1f77f, 1}, {0x1f7d5, 0x1f7ff, 1}, {0x1f80c, 0x1f80f, 1},
		{0x1f848, 0x1f84f, 1}, {0x1f85a, 0x1f85f, 1}, {0x1f888, 0x1f88f, 1}, {0x1f8ae, 0x1f8ff, 1}, {0x1f90c, 0x1f93a, 1},
		{0x1f93c, 0x1f945, 1}, {0x1f947, 0x1fffd, 1},
	},
}
