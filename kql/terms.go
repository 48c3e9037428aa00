package kql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
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
				if re := wordRegexp(word); re != nil {
					add(re)
				}
			}
		}
	})
	return out
}

// phraseRegexp finds words one behind the other, whatever stands between them that is no word.
func phraseRegexp(text string) *regexp.Regexp {
	words := wordsOf(text)
	if len(words) == 0 {
		return regexp.MustCompile(regexp.QuoteMeta(text))
	}
	for i, word := range words {
		words[i] = regexp.QuoteMeta(word)
	}
	return regexp.MustCompile(`(?i)` + strings.Join(words, `[^\pL\pN]+`))
}

// wordRegexp finds a word, or what a word with * stands for; nil if it has nothing to be found by.
func wordRegexp(word term) *regexp.Regexp {
	pieces := make([]string, len(word.pieces))
	letters := false
	for i, piece := range word.pieces {
		pieces[i] = regexp.QuoteMeta(piece)
		letters = letters || piece != ""
	}
	if !letters {
		return nil
	}
	return regexp.MustCompile(`(?i)` + strings.Join(pieces, `\S*`))
}

// Costs returns, in plain sentences, what in a query is slow, or finds something else than it seems to.
func (q *Query) Costs(f Fields) []string {
	var out []string
	say := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	each(q.root, false, func(l leaf, _ bool) { costs(l, kindOf(f, l.field.text()), say) })
	return out
}

func costs(l leaf, kind kind, say func(format string, args ...any)) {
	value, name := l.value, writeField(l.field)
	switch {
	case l.is == matches && kind == texts:
		say("%s is a text: %s is looked for in its single words, which are in lower case", name, l.re.text)
	case l.is == matches && !strings.HasPrefix(l.re.text, "/^"):
		say("%s does not begin with ^, so that every value there is has to be looked at", l.re.text)
	case l.is == has && value.pattern():
		switch {
		case kind == numbers:
			say("%s is a number: %s finds nothing; compare it, as in %s >= 500", name, writeTerm(value), name)
		case kind == dates:
			say("%s is a date: %s finds nothing; write 2026-11 for a month, 2026-11-20 for a day", name, writeTerm(value))
		case kind == addresses:
			say("%s is an address: %s finds nothing; write a network as \"10.0.0.0/8\"", name, writeTerm(value))
		case value.pieces[0] == "":
			say("%s begins with *, so that every value there is has to be looked at", writeTerm(value))
		}
		if kind == texts && len(words(value)) > 1 {
			say("%s is a text: one of the words of %s is enough", name, writeTerm(value))
		}
	case l.is == has && kind == keywords && !value.quoted && strings.Contains(value.text(), " "):
		say("%s is compared as a whole: %s are not looked for one by one", name, writeTerm(value))
	}
}
