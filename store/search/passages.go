package search

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/podbeat/podbeat/store/query"
)

// breaks are the places where a text can be cut, as Java's BreakIterator finds them, in runes; 0 and the end are among them.
type breaks []int

// following is the first place behind at.
func (b breaks) following(at int) int {
	i, _ := slices.BinarySearch(b, at+1)
	return b[min(i, len(b)-1)]
}

// preceding is the last place before at.
func (b breaks) preceding(at int) int {
	i, _ := slices.BinarySearch(b, at)
	return b[max(i-1, 0)]
}

// sentences ends one behind ! and ?, and behind a point if white space and no small letter follow.
func sentences(text []rune) breaks {
	b := breaks{0}
	for i := 0; i < len(text); {
		c := text[i]
		i++
		sure := strings.ContainsRune("!?。！？", c)
		if !sure && c != '.' && c != '．' {
			continue
		}
		for i < len(text) && strings.ContainsRune(".．!?。！？", text[i]) {
			sure = sure || text[i] != '.' && text[i] != '．'
			i++
		}
		for i < len(text) && (unicode.In(text[i], unicode.Pe, unicode.Pf) || text[i] == '"' || text[i] == '\'') {
			i++
		}
		space := i
		for i < len(text) && unicode.IsSpace(text[i]) {
			i++
		}
		if i < len(text) && (sure || i > space && !unicode.IsLower(text[i])) {
			b = append(b, i)
		}
	}
	return append(b, len(text))
}

// wordBreaks are between words, numbers and all else, of which each character stands alone.
func wordBreaks(text []rune) breaks {
	b := breaks{0}
	for i := 1; i < len(text); i++ {
		if !joined(text, i) {
			b = append(b, i)
		}
	}
	return append(b, len(text))
}

// joined says whether text[i-1] and text[i] are of one word or number.
func joined(text []rune, i int) bool {
	word := func(at int) bool {
		return at >= 0 && at < len(text) && (unicode.IsLetter(text[at]) || unicode.IsDigit(text[at]) || unicode.IsMark(text[at]) || text[at] == '_')
	}
	inside := func(at int) bool { // a point in 1.5, an apostrophe in don't
		return strings.ContainsRune(".,'", text[at]) && word(at-1) && word(at+1) && (text[at] == '\'') != unicode.IsDigit(text[at+1])
	}
	switch {
	case word(i - 1):
		return word(i) || inside(i)
	case word(i):
		return inside(i - 1)
	}
	return false
}

// A passage is a piece of a text with what was found in it.
type passage struct {
	start, end int // runes
	marks      []query.Span
	score      float64
}

// passages cuts a text into pieces of about size runes around spans, which are in runes. size 0 makes them sentences.
func passages(text []rune, spans []query.Span, size int) []passage {
	var out []passage
	whole, words := sentences(text), wordBreaks(text)
	windowStart, windowEnd, innerStart, innerEnd := 0, 0, 0, -1
	for _, s := range spans {
		if len(out) > 0 && s.Start < out[len(out)-1].end {
			out[len(out)-1].marks = append(out[len(out)-1].marks, s)
			continue
		}
		at := s.Start + 1
		if innerEnd >= 0 && at > windowStart && at < windowEnd {
			innerStart, innerEnd = innerEnd, windowEnd
		} else {
			windowStart, windowEnd = whole.preceding(at), whole.following(at-1)
			innerStart, innerEnd = windowStart, windowEnd
			for size > 0 && innerEnd-innerStart < size && innerEnd < len(text) {
				next := whole.following(innerEnd)
				if next-innerStart > size {
					break
				}
				innerEnd, windowEnd = next, next
			}
		}
		if size > 0 && innerEnd-innerStart > size {
			if at-size > innerStart {
				innerStart = max(innerStart, words.preceding(at-size))
			}
			if rest := max(0, size-(at-innerStart)); at+rest < windowEnd {
				innerEnd = min(windowEnd, words.following(at+rest))
			}
		}
		out = append(out, passage{start: innerStart, end: max(innerEnd, s.End), marks: []query.Span{s}})
	}
	return out
}

// best keeps the n passages that match best, as Lucene scores them, in the order of the text. term gives what is marked.
func best(list []passage, n, length int, term func(query.Span) string) []passage {
	if len(list) <= n {
		return list
	}
	const pivot, k, b = 87, 1.2, 0.75
	inAll := make(map[string]int)
	for _, p := range list {
		for _, s := range p.marks {
			inAll[term(s)]++
		}
	}
	for i := range list {
		p := &list[i]
		in := make(map[string]int)
		for _, s := range p.marks {
			in[term(s)]++
		}
		for t, freq := range in {
			docs := 1 + float64(length)/pivot
			weight := (k + 1) * math.Log(1+(docs+0.5)/(float64(inAll[t])+0.5))
			p.score += weight * float64(freq) / (float64(freq) + k*(1-b+b*float64(p.end-p.start)/pivot))
		}
		p.score *= 1 + 1/math.Log(pivot+float64(p.start))
	}
	kept := slices.Clone(list)
	slices.SortStableFunc(kept, func(a, b passage) int { return cmp.Compare(b.score, a.score) })
	kept = kept[:n]
	slices.SortFunc(kept, func(a, b passage) int { return cmp.Compare(a.start, b.start) })
	return kept
}
