package kql

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxRegexp is Elasticsearch's own bound (index.max_regex_length).
const maxRegexp = 1000

// A regex is a regular expression in RE2's syntax, in which . is also a line's end, as values have many lines and Lucene knows no other.
type regex struct {
	text   string // as it was written: /…/i
	whole  form   // for values
	folded form   // for the words of texts, which are in lower case, and for all fields at once
}

// A form of a regular expression is for Go, which finds it anywhere, and for Lucene, which wants it to be a whole value.
type form struct {
	re     *regexp.Regexp
	lucene string
}

func newRegex(text, source string, fold bool) (*regex, error) {
	source = strings.ReplaceAll(source, `\/`, "/")
	r := &regex{text: text}
	var err error
	if r.folded, err = newForm(source, true); err != nil {
		return nil, err
	}
	r.whole, err = newForm(source, fold)
	return r, err
}

func newForm(source string, fold bool) (form, error) {
	flags, prefix := syntax.Perl|syntax.DotNL, "(?s)"
	if fold {
		flags, prefix = flags|syntax.FoldCase, "(?si)"
	}
	parsed, err := syntax.Parse(source, flags)
	if err != nil {
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			return form{}, fmt.Errorf("%s: %s", wrong.Code, wrong.Expr)
		}
		return form{}, err
	}
	re, err := regexp.Compile(prefix + source)
	if err != nil {
		return form{}, err
	}
	w := luceneWriter{}
	w.write(parsed.Simplify(), true, true)
	if w.err != nil {
		return form{}, w.err
	}
	if n := utf8.RuneCountInString(w.String()); n > maxRegexp {
		return form{}, fmt.Errorf("it is too long: Elasticsearch takes %d characters, and this becomes %d", maxRegexp, n)
	}
	return form{re: re, lucene: w.String()}, nil
}

// A luceneWriter writes a regular expression as Lucene has them: of a whole value, and without flags. Left and right say of a part that
// there may be more of the value on that side.
type luceneWriter struct {
	strings.Builder
	err error
}

func (w *luceneWriter) fail(text string) {
	if w.err == nil {
		w.err = errors.New(text)
	}
}

const anchors = "^ and $ can only stand at the beginning and the end"

func (w *luceneWriter) write(re *syntax.Regexp, left, right bool) {
	switch re.Op {
	case syntax.OpAlternate:
		w.WriteByte('(')
		for i, sub := range re.Sub {
			if i > 0 {
				w.WriteByte('|')
			}
			w.write(sub, left, right)
		}
		w.WriteByte(')')
		return
	case syntax.OpCapture:
		w.write(re.Sub[0], left, right)
		return
	case syntax.OpConcat:
		w.concat(re.Sub, left, right)
		return
	case syntax.OpBeginText:
		if !left {
			w.fail(anchors)
		}
		left = false
	case syntax.OpEndText:
		if !right {
			w.fail(anchors)
		}
		right = false
	}
	if left {
		w.WriteString(".*")
	}
	w.one(re)
	if right {
		w.WriteString(".*")
	}
}

func (w *luceneWriter) concat(parts []*syntax.Regexp, left, right bool) {
	for left && len(parts) > 0 && parts[0].Op == syntax.OpBeginText {
		left, parts = false, parts[1:]
	}
	for right && len(parts) > 0 && parts[len(parts)-1].Op == syntax.OpEndText {
		right, parts = false, parts[:len(parts)-1]
	}
	if len(parts) == 0 {
		w.one(&syntax.Regexp{Op: syntax.OpEmptyMatch})
		if left || right {
			w.WriteString(".*")
		}
		return
	}
	for i, part := range parts {
		w.write(part, left && i == 0, right && i == len(parts)-1)
	}
}

// one writes a part that has to be there itself.
func (w *luceneWriter) one(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase == 0 || unicode.SimpleFold(r) == r {
				w.WriteString(luceneRune(r))
				continue
			}
			w.WriteByte('[')
			w.WriteString(inClass(r))
			for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
				w.WriteString(inClass(other))
			}
			w.WriteByte(']')
		}
	case syntax.OpCharClass:
		w.class(re.Rune)
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		w.WriteByte('.')
	case syntax.OpEmptyMatch, syntax.OpBeginText, syntax.OpEndText:
		w.WriteString("()")
	case syntax.OpNoMatch:
		w.fail("nothing is like this regular expression")
	case syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		w.WriteByte('(')
		w.write(re.Sub[0], false, false)
		w.WriteByte(')')
		w.WriteByte(map[syntax.Op]byte{syntax.OpStar: '*', syntax.OpPlus: '+', syntax.OpQuest: '?'}[re.Op])
	case syntax.OpConcat, syntax.OpAlternate, syntax.OpCapture:
		w.write(re, false, false)
	case syntax.OpBeginLine, syntax.OpEndLine:
		w.fail("(?m) is not served")
	default:
		w.fail(`\b and \B are not served: Elasticsearch has none`)
	}
}

// class writes pairs of first and last characters.
func (w *luceneWriter) class(pairs []rune) {
	if len(pairs) == 0 {
		w.fail("nothing is like this regular expression")
		return
	}
	tilde, rest := false, []rune{}
	for i := 0; i < len(pairs); i += 2 {
		low, high := pairs[i], pairs[i+1]
		tilde = tilde || low == '~' || high == '~'
		if low == '~' {
			low++
		}
		if high == '~' {
			high--
		}
		if low <= high {
			rest = append(rest, low, high)
		}
	}
	if tilde {
		w.WriteString("(" + noTilde)
		if len(rest) > 0 {
			w.WriteByte('|')
			w.pairs(rest)
		}
		w.WriteByte(')')
		return
	}
	w.pairs(rest)
}

func (w *luceneWriter) pairs(pairs []rune) {
	w.WriteByte('[')
	if others := gaps(pairs); pairs[len(pairs)-1] == unicode.MaxRune && len(others) > 0 && !slices.Contains(others, '~') {
		w.WriteByte('^')
		pairs = others
	}
	for i := 0; i < len(pairs); i += 2 {
		low, high := whole(pairs[i], 0xE000), whole(pairs[i+1], 0xD7FF)
		w.WriteString(inClass(low))
		if high > low {
			w.WriteByte('-')
			w.WriteString(inClass(high))
		}
	}
	w.WriteByte(']')
}

// whole returns r, or if it is half of a character, which no text has, what stands beside all of those.
func whole(r, beside rune) rune {
	if utf16.IsSurrogate(r) {
		return beside
	}
	return r
}

// gaps returns what is not in pairs, up to the last.
func gaps(pairs []rune) []rune {
	var out []rune
	next := rune(0)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] > next {
			out = append(out, next, pairs[i]-1)
		}
		next = pairs[i+1] + 1
	}
	return out
}

// noTilde stands for ~, which logapi takes for a fuzzy term when it stands in a query_string.
const noTilde = "[^\x00-}\x7f-\U0010ffff]"

// luceneRune writes one character. A backslash is written as a class, so that none stands before the / at the end of a regular expression.
func luceneRune(r rune) string {
	switch r {
	case '\\':
		return `[\\]`
	case '~':
		return noTilde
	}
	return inClass(r)
}

func inClass(r rune) string {
	if r > ' ' && r < unicode.MaxASCII && !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' {
		return `\` + string(r)
	}
	return string(r)
}
