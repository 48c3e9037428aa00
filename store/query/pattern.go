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
		if q.Text == "" { // which in Elasticsearch is not even found in ""
			return func(string) bool { return false }, nil
		}
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
		return nil, illegal("Can only use %s queries on keyword, text and wildcard fields - not on [%s] which is of type [%s]", what, f.Path, f.Type)
	case f.Type == mapping.ConstantKeyword:
		return constant(f, test), nil
	case !f.Index:
		return nil, notIndexed(f)
	case f.Type == mapping.Flattened && (q.Kind == "wildcard" || q.Kind == "regexp") && f.Keyed:
		return nil, illegal("Can only use %s queries on keyword, text and wildcard fields - not on [%s] which is of type [flattened]", q.Kind, f.Path)
	case f.Type.Keywords():
		holds := func(s string) bool {
			t, ok := f.Term(s)
			return ok && test(t)
		}
		l := newLeaf(f, word, func(_ body.Kind, s string) bool { return holds(s) })
		l.mark = whole(holds)
		l.together = q.together(f)
		return l.looking(nil, q.words()), nil
	}
	a := f.Analyzer
	l := newLeaf(f, dear, func(_ body.Kind, s string) bool { return anyTerm(a, s, test) })
	if literal := q.literal(); literal != "" {
		l = newLeaf(f, dear, func(_ body.Kind, s string) bool { return mayContain(s, literal) && anyTerm(a, s, test) })
	}
	l.mark = marking(a, test)
	l.together = q.together(f)
	return l, nil
}

// together makes the test whether some of many values may have the longest piece of the pattern; nil if it has none that JSON
// leaves as it is, or if null stands for something.
func (q Pattern) together(f *mapping.Field) func(string) bool {
	literal := q.literal()
	if f.Null != nil || literal == "" || strings.ContainsFunc(literal, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == '/' }) {
		return nil
	}
	switch {
	case f.Type.Analyzed() || f.Lowercase:
		return func(texts string) bool { return mayContain(texts, literal) }
	case q.Fold:
		folded := foldASCII(literal)
		return func(texts string) bool { return indexFold(texts, folded) >= 0 }
	}
	return func(texts string) bool { return strings.Contains(texts, literal) }
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
	literal, alone := longestPiece(p, any, one)
	has := func(s string) bool { return strings.Contains(s, literal) }
	if fold {
		has = func(s string) bool { return indexFold(s, literal) >= 0 }
	}
	if alone {
		return has
	}
	return func(s string) bool {
		if !has(s) {
			return false
		}
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

// longestPiece returns the longest text without * and ? in a pattern; alone says that the pattern is *text*.
func longestPiece(p []rune, any, one rune) (longest string, alone bool) {
	for i := 0; i < len(p); i++ {
		end := i
		for end < len(p) && p[end] != any && p[end] != one {
			end++
		}
		if piece := string(p[i:end]); len(piece) > len(longest) {
			longest = piece
			alone = i == 1 && p[0] == any && end == len(p)-1 && p[end] == any
		}
		i = end
	}
	return longest, alone
}

// luceneRegexp makes Go's of one of Lucene's regular expressions, which covers a whole term. Complement (~),
// intersection (&) and intervals (<1-5>) are refused by name.
func luceneRegexp(pattern string, fold bool) (*regexp.Regexp, error) {
	t := translator{in: []rune(pattern), fold: fold}
	if err := t.union(); err != nil {
		return nil, err
	}
	if t.more() {
		return nil, fmt.Errorf("end-of-string expected at position %d", t.pos)
	}
	re, err := regexp.Compile(`\A(?s:` + t.out.String() + `)\z`)
	if err != nil {
		return nil, fmt.Errorf("invalid regular expression [%s]: %v", clip(pattern), err)
	}
	return re, nil
}

// A translator rewrites a regular expression by Lucene's grammar, in which a sign that is out of place stands for
// itself.
type translator struct {
	in    []rune
	pos   int
	depth int
	fold  bool // letters of A to Z stand for both cases, but in ranges of classes
	out   strings.Builder
}

// literal writes a text that stands for itself.
func (t *translator) literal(s string) {
	for _, r := range s {
		small := r | 0x20
		if t.fold && 'a' <= small && small <= 'z' {
			t.out.WriteString("[" + string(small) + string(small-0x20) + "]")
			continue
		}
		t.out.WriteString(regexp.QuoteMeta(string(r)))
	}
}

func (t *translator) more() bool { return t.pos < len(t.in) }

func (t *translator) peek(set string) bool { return t.more() && strings.ContainsRune(set, t.in[t.pos]) }

func (t *translator) take(r rune) bool {
	if t.more() && t.in[t.pos] == r {
		t.pos++
		return true
	}
	return false
}

func (t *translator) union() error {
	if t.depth++; t.depth > 200 {
		return fmt.Errorf("more than 200 groups in each other")
	}
	defer func() { t.depth-- }()
	for {
		if err := t.concat(); err != nil {
			return err
		}
		if !t.take('|') {
			return nil
		}
		t.out.WriteByte('|')
	}
}

func (t *translator) concat() error {
	for first := true; first || t.more() && !t.peek(")|&"); first = false {
		if !t.more() && t.pos == 0 { // nothing at all
			return nil
		}
		if err := t.repeat(); err != nil {
			return err
		}
	}
	if t.peek("&") {
		return fmt.Errorf("[regexp] with [&] is not served here")
	}
	return nil
}

func (t *translator) repeat() error {
	if t.peek("~") {
		return fmt.Errorf("[regexp] with [~] is not served here")
	}
	before := t.out.String()
	t.out.Reset()
	if err := t.simple(); err != nil {
		return err
	}
	piece := t.out.String()
	for t.peek("?*+{") {
		sign := string(t.in[t.pos])
		t.pos++
		if sign == "{" {
			from := t.digits()
			to, comma := "", t.take(',')
			if comma {
				to = t.digits()
			}
			if from == "" {
				return fmt.Errorf("integer expected at position %d", t.pos)
			}
			if !t.take('}') {
				return fmt.Errorf("expected '}' at position %d", t.pos)
			}
			sign = "{" + from
			if comma {
				sign += "," + to
			}
			sign += "}"
		}
		piece = "(?:" + piece + ")" + sign
	}
	t.out.Reset()
	t.out.WriteString(before + piece)
	return nil
}

func (t *translator) digits() string {
	start := t.pos
	for t.peek("0123456789") {
		t.pos++
	}
	return string(t.in[start:t.pos])
}

// simple reads what can be repeated.
func (t *translator) simple() error {
	if !t.more() {
		return fmt.Errorf("unexpected end-of-string")
	}
	switch {
	case t.take('['):
		return t.class()
	case t.take('.'):
		t.out.WriteString(".")
	case t.take('#'):
		t.out.WriteString(`[^\x{0}-\x{10FFFF}]`)
	case t.take('@'):
		t.out.WriteString(`(?:.*)`)
	case t.take('"'):
		start := t.pos
		for t.more() && t.in[t.pos] != '"' {
			t.pos++
		}
		if !t.more() {
			return fmt.Errorf("expected '\"' at position %d", t.pos)
		}
		t.out.WriteString("(?:")
		t.literal(string(t.in[start:t.pos]))
		t.out.WriteString(")")
		t.pos++
	case t.take('('):
		if t.take(')') {
			t.out.WriteString("(?:)")
			return nil
		}
		t.out.WriteString("(?:")
		if err := t.union(); err != nil {
			return err
		}
		if !t.take(')') {
			return fmt.Errorf("expected ')' at position %d", t.pos)
		}
		t.out.WriteString(")")
	case t.peek("<"):
		return fmt.Errorf("[regexp] with [<] is not served here")
	default:
		r, err := t.char()
		if err != nil {
			return err
		}
		t.literal(string(r))
	}
	return nil
}

// char reads one rune, with a backslash before it or not.
func (t *translator) char() (rune, error) {
	t.take('\\')
	if !t.more() {
		return 0, fmt.Errorf("unexpected end-of-string")
	}
	t.pos++
	return t.in[t.pos-1], nil
}

// class reads what follows [ up to its ].
func (t *translator) class() error {
	t.out.WriteByte('[')
	if t.take('^') {
		t.out.WriteByte('^')
	}
	for first := true; first || t.more() && !t.peek("]"); first = false {
		from, err := t.char()
		if err != nil {
			return err
		}
		to := from
		if t.take('-') {
			if to, err = t.char(); err != nil {
				return err
			}
		} else if small := from | 0x20; t.fold && 'a' <= small && small <= 'z' {
			fmt.Fprintf(&t.out, "%c%c", small, small-0x20)
			continue
		}
		if from > to {
			return fmt.Errorf("invalid range: from (%d) cannot be > to (%d)", from, to)
		}
		fmt.Fprintf(&t.out, `\x{%x}-\x{%x}`, from, to)
	}
	if !t.take(']') {
		return fmt.Errorf("expected ']' at position %d", t.pos)
	}
	t.out.WriteByte(']')
	return nil
}
