package kql

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A Term is something that a query looks for.
type Term struct {
	Field  string // "" for the default fields; also with *
	Regexp *regexp.Regexp
}

// Terms returns what to highlight in documents that were found: what is looked for, and not what is excluded, compared or only there.
// Words are found in any case, as in texts; where a field is compared letter by letter more is found than was asked for.
func (q *Query) Terms() []Term {
	var out []Term
	each(q.root, false, func(l leaf, negative bool) {
		if negative {
			return
		}
		field := l.field.text()
		add := func(re *regexp.Regexp) { out = append(out, Term{Field: field, Regexp: re}) }
		switch {
		case l.is == matches:
			add(l.re.folded.re)
		case l.is == has && l.value.quoted:
			add(phraseRegexp(l.value.text()))
		case l.is == has:
			for _, word := range words(l.value) {
				add(wordRegexp(word))
			}
		}
	})
	return out
}

// maxWords bounds the regular expressions for words that stand together: of more, the first are highlighted.
const maxWords = 50

// phraseRegexp finds words one behind the other, whatever stands between them that is no word.
func phraseRegexp(text string) *regexp.Regexp {
	words := wordsOf(text)
	if len(words) == 0 {
		words = []string{text}
	}
	words = words[:min(len(words), maxWords)]
	for i, word := range words {
		words[i] = regexp.QuoteMeta(word)
	}
	return regexp.MustCompile(`(?i)` + bounded(strings.Join(words, `[^\pL\pN]+`)))
}

// wordRegexp finds a word, which may be several for a text, or what a word with * stands for.
func wordRegexp(word term) *regexp.Regexp {
	pieces := make([]string, len(word.pieces))
	for i, piece := range word.pieces {
		pieces[i] = regexp.QuoteMeta(piece)
	}
	all := []string{bounded(strings.Join(pieces, `\S*`))}
	if !word.pattern() {
		parts := wordsOf(word.pieces[0])
		for _, part := range parts[:min(len(parts), maxWords)] {
			all = append(all, bounded(regexp.QuoteMeta(part)))
		}
	}
	return regexp.MustCompile(`(?i)` + strings.Join(slices.Compact(all), "|"))
}

// bounded makes of a regular expression one that ends where words do, if it begins and ends with one.
func bounded(re string) string {
	word := func(b byte) bool {
		return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
	}
	if re != "" && word(re[0]) {
		re = `\b` + re
	}
	if n := len(re); n > 1 && word(re[n-1]) && re[n-2] != '\\' {
		re += `\b`
	}
	return re
}

// Costs returns, in plain sentences, what in a query is slow, or finds something else than it seems to. Of f, which may be nil, it takes the types.
func (q *Query) Costs(f Fields) []string {
	var out []string
	each(q.root, false, func(l leaf, _ bool) {
		if text := cost(l, f); text != "" && !slices.Contains(out, text) {
			out = append(out, text)
		}
	})
	return out
}

func cost(l leaf, f Fields) string {
	name, value := l.field.text(), writeTerm(l.value)
	kind := kindOf(f, name)
	say := func(format string) string {
		return strings.NewReplacer("NAME", name, "VALUE", value).Replace(format)
	}
	switch {
	case f != nil && !l.field.none() && f.Type(name) == "" && len(f.Match(name)) == 0 && len(f.Match(name+".*")) == 0:
		return say("there is no field NAME")
	case l.is == matches:
		value = l.re.text
		switch {
		case kind == texts:
			return say("NAME is a text: VALUE is looked for in its single words, in any case")
		case kind != keywords && kind != unknown:
			return say("NAME has no text in it: VALUE finds nothing")
		case !strings.HasPrefix(value, "/^"):
			return say("VALUE does not begin with ^: every value that there is has to be looked at")
		}
	case l.is == has && l.value.pattern():
		return patternCost(l.value, kind, say)
	case l.is == has && kind == keywords && !l.value.quoted && len(words(l.value)) > 1:
		return say("NAME is compared as a whole, so with all of: VALUE")
	case l.is >= below && kind == texts:
		return say("NAME is a text: its single words are compared with VALUE, by their letters")
	}
	return ""
}

// patternCost is what there is to say of a value with *.
func patternCost(value term, kind kind, say func(string) string) string {
	divided := false
	for _, word := range words(value) {
		for _, piece := range word.pieces {
			divided = divided || strings.ContainsFunc(piece, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.' })
		}
	}
	switch {
	case kind == numbers:
		return say("NAME is a number, and VALUE finds none: compare it, as in NAME >= 500")
	case kind == dates:
		return say("NAME is a date, and VALUE finds none: write 2026-11 for a month, 2026-11-20 for a day")
	case kind == addresses:
		return say(`NAME is an address, and VALUE finds none: write a network as "10.0.0.0/8"`)
	case kind == booleans:
		return say("NAME is true or false, and VALUE finds none")
	case kind == texts && divided:
		return say("NAME is a text: * stands within one of its words, of which VALUE is several")
	case kind == texts && len(words(value)) > 1:
		return say("NAME is a text: one of the words is enough of VALUE")
	case value.pieces[0] == "":
		return say("VALUE begins with *: every value that there is has to be looked at")
	}
	return ""
}
