package query

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// A Span is a piece of a text.
type Span struct{ Start, End int }

// Spans returns the pieces of a value of the field that the query looks for, in their order and none over
// another, for highlighting.
func (p *Plan) Spans(field, text string) []Span {
	var out []Span
	p.root.leaves(func(l *leaf) {
		if l.field.Path == field && l.mark != nil {
			out = append(out, l.mark(text)...)
		}
	})
	slices.SortFunc(out, func(a, b Span) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End)) })
	kept := out[:0]
	for _, s := range out {
		if len(kept) == 0 || s.Start >= kept[len(kept)-1].End {
			kept = append(kept, s)
		}
	}
	return kept
}

// Fields returns the full names of the fields that the query looks into.
func (p *Plan) Fields() []string {
	var out []string
	p.root.leaves(func(l *leaf) { out = append(out, l.field.Path) })
	slices.Sort(out)
	return slices.Compact(out)
}

// whole marks all of a value that passes.
func whole(test func(string) bool) func(string) []Span {
	return func(text string) []Span {
		if !test(text) {
			return nil
		}
		return []Span{{0, len(text)}}
	}
}

// marking marks the terms that pass.
func marking(a mapping.Analyzer, test func(term string) bool) func(string) []Span {
	return func(text string) []Span {
		var out []Span
		a.Each(text, func(start, end int) bool {
			if test(a.Fold(text[start:end])) {
				out = append(out, Span{start, end})
			}
			return true
		})
		return out
	}
}

// anyTerm says whether a term of the text passes.
func anyTerm(a mapping.Analyzer, text string, test func(term string) bool) bool {
	found := false
	a.Each(text, func(start, end int) bool {
		found = test(a.Fold(text[start:end]))
		return !found
	})
	return found
}

// hasTerm says whether the text has that term, which of standard must be one (see isTerm).
func hasTerm(a mapping.Analyzer, text, term string) bool {
	if a == mapping.Keyword {
		return text == term
	}
	if a != mapping.Standard || term == "" || !isASCII(term) {
		return (!isASCII(term) || mayContain(text, term)) && anyTerm(a, text, func(s string) bool { return s == term })
	}
	for at := 0; ; {
		i := indexFold(text[at:], term)
		if i < 0 {
			return foldsToASCII(text) && slowTerm(text, term)
		}
		at += i
		switch boundary(text, at, at+len(term)) {
		case yes:
			return true
		case unsure:
			return slowTerm(text, term)
		}
		at++
	}
}

func slowTerm(text, term string) bool {
	return anyTerm(mapping.Standard, text, func(s string) bool { return s == term })
}

// isTerm says whether a text of ASCII is one term as a whole.
func isTerm(s string) bool {
	whole := false
	mapping.Standard.Each(s, func(start, end int) bool {
		whole = start == 0 && end == len(s)
		return false
	})
	return whole && mapping.Standard.Fold(s) == s
}

// foldsToASCII says whether the text has one of the two runes beyond ASCII whose lower case is in it: the Kelvin sign and İ.
func foldsToASCII(text string) bool {
	return strings.Contains(text, "\u212a") || strings.Contains(text, "\u0130")
}

const (
	no = iota
	yes
	unsure
)

// boundary says whether a term stands alone at text[start:end], judged by what is beside it.
func boundary(text string, start, end int) int {
	if end-start > 200 {
		return unsure // where terms are cut
	}
	before, after := byte(' '), byte(' ')
	if start > 0 {
		before = text[start-1]
	}
	if end < len(text) {
		after = text[end]
	}
	switch {
	case before >= utf8.RuneSelf, after >= utf8.RuneSelf:
		return unsure
	case wordByte(before), wordByte(after):
		return no
	case middle(before) && start > 1 && (wordByte(text[start-2]) || text[start-2] >= utf8.RuneSelf),
		middle(after) && end+1 < len(text) && (wordByte(text[end+1]) || text[end+1] >= utf8.RuneSelf):
		return unsure
	}
	return yes
}

func wordByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// middle says whether c can join two words.
func middle(c byte) bool {
	return c == '.' || c == '\'' || c == ':' || c == ',' || c == ';'
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// mayContain says whether the text has the piece, whatever the case of letters; of pieces beyond ASCII it is not sure, and
// says yes.
func mayContain(text, piece string) bool {
	return !isASCII(piece) || indexFold(text, mapping.Standard.Fold(piece)) >= 0 || foldsToASCII(text)
}

// indexFold is strings.Index for a piece in lower case (of ASCII) and a text in any.
func indexFold(text, piece string) int {
	if len(piece) == 0 {
		return 0
	}
	// The byte of the piece that is looked for is one that texts have seldom.
	rare := 0
	for i := range len(piece) {
		if frequency[piece[i]] < frequency[piece[rare]] {
			rare = i
		}
	}
	low, up := piece[rare], piece[rare]
	if 'a' <= low && low <= 'z' {
		up = low - 'a' + 'A'
	}
	next := func(c byte, from int) int {
		if i := strings.IndexByte(text[from:], c); i >= 0 {
			return from + i
		}
		return len(text)
	}
	at, upAt := next(low, 0), len(text)
	if up != low {
		upAt = next(up, 0)
	}
	for {
		found := min(at, upAt)
		start := found - rare
		if found == len(text) || start+len(piece) > len(text) {
			return -1
		}
		if start >= 0 && foldEqual(text[start:start+len(piece)], piece) {
			return start
		}
		if found == at {
			at = next(low, at+1)
		} else {
			upAt = next(up, upAt+1)
		}
	}
}

// frequency says how often texts have a byte, roughly: what is no letter is the rarest, then the letters as in English.
var frequency = func() (f [256]uint8) {
	for i, c := range []byte("zqjxkvbywgpfmuclhrdsinoate") {
		f[c] = uint8(i + 1)
	}
	for c := '0'; c <= '9'; c++ {
		f[c] = 30
	}
	f[' '] = 100
	return f
}()

func foldEqual(s, lower string) bool {
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// phrase holds for texts that have the terms one behind the other; of the last the beginning will do if prefix.
func phrase(f *mapping.Field, terms []string, prefix bool) node {
	a := f.Analyzer
	l := newLeaf(f, dear, func(_ body.Kind, s string) bool {
		for _, t := range terms {
			if !mayContain(s, t) {
				return false
			}
		}
		return len(phrases(a, s, terms, prefix, true)) > 0
	})
	l.mark = func(text string) []Span { return phrases(a, text, terms, prefix, false) }
	whole := terms
	if prefix {
		whole = terms[:len(terms)-1]
	}
	var tokens []string
	for _, t := range whole {
		tokens = append(tokens, sought(a, t)...)
	}
	return l.looking(nil, tokens)
}

// phrases returns where the terms stand one behind the other, or the first such place.
func phrases(a mapping.Analyzer, text string, terms []string, prefix, first bool) []Span {
	var out []Span
	tokens := a.Tokens(text)
	for i := 0; i+len(terms) <= len(tokens); i++ {
		found := true
		for n, want := range terms {
			have := tokens[i+n].Term
			if have != want && !(prefix && n == len(terms)-1 && strings.HasPrefix(have, want)) {
				found = false
				break
			}
		}
		if found {
			out = append(out, Span{tokens[i].Start, tokens[i+len(terms)-1].End})
			if first {
				break
			}
		}
	}
	return out
}
