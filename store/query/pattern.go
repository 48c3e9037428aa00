package query

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// tester makes the test for one term. Kind term is an exact one.
func (q Pattern) tester() (func(string) bool, error) {
	switch q.Kind {
	case "term":
		want := foldASCII(q.Text)
		return func(s string) bool { return len(s) == len(want) && foldASCII(s) == want }, nil
	case "prefix":
		if !q.Fold {
			return func(s string) bool { return strings.HasPrefix(s, q.Text) }, nil
		}
		want := foldASCII(q.Text)
		return func(s string) bool { return len(s) >= len(want) && foldASCII(s[:len(want)]) == want }, nil
	case "wildcard":
		return wildcard(q.Text, q.Fold), nil
	}
	re, err := luceneRegexp(q.Text, q.Fold)
	if err != nil {
		return nil, err
	}
	return re.MatchString, nil
}

// foldASCII makes small letters of A to Z alone, which is all that case_insensitive folds.
func foldASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// on makes the query for one field, whose terms must pass the test.
func (q Pattern) on(f *mapping.Field, test func(string) bool) (node, error) {
	switch {
	case !f.Type.Keywords() && !f.Type.Analyzed():
		what := q.Kind
		return nil, fmt.Errorf("Can only use %s queries on keyword, text and wildcard fields - not on [%s] which is of type [%s]", what, f.Path, f.Type) //nolint:staticcheck // Elasticsearch's words
	case f.Type == mapping.ConstantKeyword:
		return constant(f, test), nil
	case !f.Index:
		return nil, notIndexed(f)
	case f.Type == mapping.Flattened && (q.Kind == "wildcard" || q.Kind == "regexp") && f.Keyed:
		return nil, fmt.Errorf("Can only use %s queries on keyword, text and wildcard fields - not on [%s] which is of type [flattened]", q.Kind, f.Path) //nolint:staticcheck
	case f.Type.Keywords():
		holds := func(s string) bool {
			t, ok := f.Term(s)
			return ok && test(t)
		}
		l := newLeaf(f, word, func(_ body.Kind, s string) bool { return holds(s) })
		l.mark = whole(holds)
		return l.looking(nil, q.words()), nil
	}
	a := f.Analyzer
	l := newLeaf(f, dear, func(_ body.Kind, s string) bool { return anyTerm(a, s, test) })
	if literal := q.literal(); literal != "" {
		l = newLeaf(f, dear, func(_ body.Kind, s string) bool { return mayContain(s, literal) && anyTerm(a, s, test) })
	}
	l.mark = marking(a, test)
	return l, nil
}

// plain is on for a pattern that cannot be wrong.
func (q Pattern) plain(f *mapping.Field) (node, error) {
	if f.Lowercase {
		q.Text = mapping.Standard.Fold(q.Text)
	}
	test, err := q.tester()
	if err != nil {
		return nil, err
	}
	return q.on(f, test)
}

// pieces returns the literal pieces of a prefix or wildcard pattern, and whether the first and the last stand at
// the ends of the term.
func (q Pattern) pieces() (list []string, atStart, atEnd bool) {
	switch q.Kind {
	case "term":
		return []string{q.Text}, true, true
	case "prefix":
		return []string{q.Text}, true, false
	case "regexp":
		return nil, false, false
	}
	var b strings.Builder
	flush := func() {
		list = append(list, b.String())
		b.Reset()
	}
	atStart, atEnd = true, true
	for i := 0; i < len(q.Text); i++ {
		switch c := q.Text[i]; {
		case c == '\\' && i+1 < len(q.Text):
			i++
			b.WriteByte(q.Text[i])
		case c == '*' || c == '?':
			flush()
		default:
			b.WriteByte(c)
		}
	}
	flush()
	return list, atStart, atEnd
}

// literal returns the longest piece that a term must have.
func (q Pattern) literal() string {
	longest := ""
	list, _, _ := q.pieces()
	for _, piece := range list {
		if len(piece) > len(longest) {
			longest = piece
		}
	}
	return longest
}

// words returns what must be whole words of a keyword that the pattern holds for: runs of letters and digits with
// something else, or an end, on both sides.
func (q Pattern) words() []string {
	var out []string
	list, atStart, atEnd := q.pieces()
	alnum := func(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' }
	for n, piece := range list {
		for i := 0; i < len(piece); {
			if !alnum(piece[i]) {
				i++
				continue
			}
			end := i
			for end < len(piece) && alnum(piece[end]) {
				end++
			}
			begins := i > 0 && piece[i-1] < utf8.RuneSelf || i == 0 && n == 0 && atStart
			ends := end < len(piece) && piece[end] < utf8.RuneSelf || end == len(piece) && n == len(list)-1 && atEnd
			if begins && ends {
				out = append(out, piece[i:end])
			}
			i = end
		}
	}
	return out
}

// wildcard makes the test for a pattern with * and ?, where \ takes the next rune as it is.
func wildcard(pattern string, fold bool) func(string) bool {
	const any, one = -1, -2
	var p []rune
	for i := 0; i < len(pattern); {
		r, n := utf8.DecodeRuneInString(pattern[i:])
		i += n
		switch {
		case r == '*':
			if len(p) == 0 || p[len(p)-1] != any {
				p = append(p, any)
			}
			continue
		case r == '?':
			p = append(p, one)
			continue
		case r == '\\' && i < len(pattern):
			r, n = utf8.DecodeRuneInString(pattern[i:])
			i += n
		}
		if fold && 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		p = append(p, r)
	}
	if len(p) == 1 && p[0] == any {
		return func(string) bool { return true }
	}
	if literal, ok := between2(p, any, one); ok && !fold {
		return func(s string) bool { return strings.Contains(s, literal) }
	}
	return func(s string) bool {
		i, star, back := 0, -1, 0
		for pos := 0; ; {
			if i < len(p) && p[i] == any {
				star, back = i, pos
				i++
				continue
			}
			if pos == len(s) {
				break
			}
			r, n := rune(s[pos]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRuneInString(s[pos:])
			}
			if fold && 'A' <= r && r <= 'Z' {
				r += 'a' - 'A'
			}
			if i < len(p) && (p[i] == one || p[i] == r) {
				i++
				pos += n
				continue
			}
			if star < 0 {
				return false
			}
			_, n = utf8.DecodeRuneInString(s[back:])
			back += n
			i, pos = star+1, back
		}
		return i == len(p)
	}
}

// between2 returns the text of a pattern *text*.
func between2(p []rune, any, one rune) (string, bool) {
	if len(p) < 3 || p[0] != any || p[len(p)-1] != any {
		return "", false
	}
	inner := p[1 : len(p)-1]
	for _, r := range inner {
		if r == any || r == one {
			return "", false
		}
	}
	return string(inner), true
}

// luceneRegexp makes Go's of one of Lucene's regular expressions, which covers a whole term. Complement (~),
// intersection (&) and intervals (<1-5>) are refused by name.
func luceneRegexp(pattern string, fold bool) (*regexp.Regexp, error) {
	t := translator{in: pattern}
	if err := t.run(); err != nil {
		return nil, err
	}
	flags := "s"
	if fold {
		flags = "si"
	}
	re, err := regexp.Compile(`\A(?` + flags + `:` + t.out.String() + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression [%s]: %v", clip(pattern), err)
	}
	return re, nil
}

// A translator rewrites a regular expression.
type translator struct {
	in  string
	pos int
	out strings.Builder
}

func (t *translator) run() error {
	for t.pos < len(t.in) {
		r, n := utf8.DecodeRuneInString(t.in[t.pos:])
		t.pos += n
		switch r {
		case '~', '&', '<':
			return fmt.Errorf("[regexp] with [%c] is not served here", r)
		case '@':
			t.out.WriteString(`(?:.*)`)
		case '#':
			t.out.WriteString(`(?:[^\x{0}-\x{10FFFF}])`)
		case '"':
			end := strings.IndexByte(t.in[t.pos:], '"')
			if end < 0 {
				return fmt.Errorf("expected '\"' at position %d", len(t.in))
			}
			t.out.WriteString("(?:" + regexp.QuoteMeta(t.in[t.pos:t.pos+end]) + ")")
			t.pos += end + 1
		case '[':
			if err := t.class(); err != nil {
				return err
			}
		case '\\':
			if err := t.escape(false); err != nil {
				return err
			}
		case '(':
			t.out.WriteString("(?:")
		case '.', ')', '|', '?', '*', '+':
			t.out.WriteRune(r)
			if r == '?' || r == '*' || r == '+' { // in Lucene a second one repeats the repetition, and is not greed
				t.wrapRepeated()
			}
		case '{':
			end := strings.IndexByte(t.in[t.pos:], '}')
			if end < 0 {
				return fmt.Errorf("expected '}' at position %d", len(t.in))
			}
			t.out.WriteString("{" + t.in[t.pos:t.pos+end] + "}")
			t.pos += end + 1
			t.wrapRepeated()
		default:
			t.out.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return nil
}

// wrapRepeated refuses a repetition behind a repetition, which means something else in Go.
func (t *translator) wrapRepeated() {
	for t.pos < len(t.in) && strings.IndexByte("?*+", t.in[t.pos]) >= 0 {
		// x*? and the like hold for what x* does.
		last := t.out.String()
		if c := last[len(last)-1]; c == t.in[t.pos] || c == '*' {
			t.pos++
			continue
		}
		if c := last[len(last)-1]; c == '+' || c == '?' {
			trimmed := last[:len(last)-1]
			t.out.Reset()
			t.out.WriteString(trimmed + "*")
			t.pos++
			continue
		}
		return
	}
}

// escape writes what follows a backslash.
func (t *translator) escape(inClass bool) error {
	if t.pos >= len(t.in) {
		return fmt.Errorf("unexpected end-of-string")
	}
	r, n := utf8.DecodeRuneInString(t.in[t.pos:])
	t.pos += n
	switch r {
	case 'd', 'D', 's', 'S', 'w', 'W':
		t.out.WriteString(`\` + string(r))
	default:
		if inClass && strings.ContainsRune(`-^&`, r) {
			t.out.WriteString(`\` + string(r))
			break
		}
		t.out.WriteString(regexp.QuoteMeta(string(r)))
	}
	return nil
}

// class rewrites [a-z] and [^a-z].
func (t *translator) class() error {
	t.out.WriteByte('[')
	if strings.HasPrefix(t.in[t.pos:], "^") {
		t.out.WriteByte('^')
		t.pos++
	}
	for first := true; ; first = false {
		if t.pos >= len(t.in) {
			return fmt.Errorf("expected ']' at position %d", len(t.in))
		}
		r, n := utf8.DecodeRuneInString(t.in[t.pos:])
		t.pos += n
		switch {
		case r == ']' && !first:
			t.out.WriteByte(']')
			return nil
		case r == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		case r == '-' && !first && t.pos < len(t.in) && t.in[t.pos] != ']':
			t.out.WriteByte('-')
		case r == '-' || r == '^' || r == '&' || r == '[':
			t.out.WriteString(`\` + string(r))
		default:
			t.out.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
}
