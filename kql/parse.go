package kql

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a query, below Elasticsearch's own: 1024 clauses and 20 (7.17: 20, indices.query.bool.max_nested_depth) bools in each other.
const (
	maxText   = 65536 // characters
	maxDepth  = 14    // and, or, not, nested in each other
	maxLeaves = 1000
	maxParens = 200
)

const luceneMark = "lucene:"

// Parse reads a text; an empty one asks for all documents. What follows lucene: at its beginning is in the syntax of
// Elasticsearch's query_string, and is not looked into. An error is an *[Error].
func Parse(text string) (*Query, error) {
	trimmed := strings.TrimSpace(text)
	if len(trimmed) >= len(luceneMark) && strings.EqualFold(trimmed[:len(luceneMark)], luceneMark) {
		return &Query{lucene: strings.TrimSpace(trimmed[len(luceneMark):])}, nil
	}
	if n := utf8.RuneCountInString(text); n > maxText {
		return nil, &Error{Column: maxText + 1, Length: n - maxText, Text: fmt.Sprintf("a query may have %d characters", maxText)}
	}
	p := &parser{in: []rune(text)}
	p.space()
	if p.end() {
		return &Query{}, nil
	}
	root, err := p.compound(p.primary)
	if err == nil && !p.end() {
		err = p.left()
	}
	if err == nil && depth(root) > maxDepth {
		err = &Error{Column: 1, Length: len(p.in), Text: fmt.Sprintf("'and', 'or' and 'not' stand in each other more than %d deep", maxDepth)}
	}
	if err != nil {
		return nil, err
	}
	if l, ok := root.(leaf); ok && l.is == exists && l.field.any() {
		root = nil
	}
	return &Query{root: root, loose: p.loose}, nil
}

// A parser reads a query from left to right. Its methods begin at what they read and leave the white space behind it behind them.
type parser struct {
	in     []rune
	pos    int
	path   string // of the object that is asked
	parens int
	leaves int
	last   int  // where the last term began
	loose  bool // or was read outside of parentheses
}

func (p *parser) end() bool { return p.pos >= len(p.in) }

func (p *parser) peek() rune {
	if p.end() {
		return -1
	}
	return p.in[p.pos]
}

func (p *parser) space() {
	for !p.end() && unicode.IsSpace(p.in[p.pos]) {
		p.pos++
	}
}

func (p *parser) sign(r rune) bool {
	if p.peek() != r {
		return false
	}
	p.pos++
	p.space()
	return true
}

// wrong is an error at a place.
func wrong(from, to int, text, hint string, args ...any) *Error {
	return &Error{Column: from + 1, Length: to - from, Text: text, Hint: fmt.Sprintf(hint, args...)}
}

// left says what is wrong with what is left over.
func (p *parser) left() error {
	switch r := p.peek(); r {
	case ')', '}':
		return wrong(p.pos, p.pos+1, fmt.Sprintf("%c closes nothing", r), `write \%c or put it in quotes to look for it`, r)
	case ':', '<', '>':
		start, end := p.pos, p.pos+1
		for start > p.last && !unicode.IsSpace(p.in[start-1]) {
			start--
		}
		for end < len(p.in) && !unicode.IsSpace(p.in[end]) && !strings.ContainsRune(`(){}"`, p.in[end]) {
			end++
		}
		hint := "put the whole value in quotes: " + quoted(string(p.in[p.last:end]))
		if strings.Contains(string(p.in[p.last:p.pos]), "*") {
			hint = fmt.Sprintf(`write \%c to look for it`, r)
		} else if r == ':' && end == p.pos+1 && start < p.pos && start > p.last {
			hint = "write 'and' or 'or' before " + string(p.in[start:p.pos])
		} else if r == ':' && start > p.last && p.named(start, p.pos) && !strings.HasPrefix(string(p.in[p.pos:end]), "://") {
			hint = fmt.Sprintf("write 'and' or 'or' before %s, or %s", string(p.in[start:p.pos]), hint)
		}
		return &Error{Column: p.pos + 1, Length: 1, Text: fmt.Sprintf("%c does not belong here", r), Hint: hint}
	}
	return wrong(p.pos, p.pos+1, "'and' or 'or' is missing", "write one of them, or put all of the value in quotes")
}

// named says whether what is written there is more likely a field than a part of a value, as that of a time is.
func (p *parser) named(from, to int) bool {
	return from < to && (unicode.IsLetter(p.in[from]) || strings.ContainsRune("@_", p.in[from]))
}

// keyword takes a word that is a sign, if it stands here.
func (p *parser) keyword(word string) bool {
	end := p.pos + len(word)
	if !p.keywordAt(p.pos) || !strings.EqualFold(string(p.in[p.pos:min(end, len(p.in))]), word) {
		return false
	}
	p.pos = end
	p.space()
	return true
}

// keywordAt says whether and, or or not begins at a position, the beginning of a word.
func (p *parser) keywordAt(at int) bool {
	end := at
	for end < len(p.in) && end-at < 4 && unicode.IsLetter(p.in[end]) {
		end++
	}
	return keyword(string(p.in[at:end])) && (end == len(p.in) || unicode.IsSpace(p.in[end]) || strings.ContainsRune(`(){}"`, p.in[end]))
}

// list reads parts with a word between them.
func (p *parser) list(word string, part func() (node, error)) ([]node, error) {
	var all []node
	for {
		n, err := part()
		if err != nil {
			return nil, err
		}
		all = append(all, n)
		if !p.keyword(word) {
			return all, nil
		}
	}
}

// compound reads parts with or, and, not among them, which bind in this order, the last the most.
func (p *parser) compound(part func() (node, error)) (node, error) {
	all, err := p.list("or", func() (node, error) {
		all, err := p.list("and", func() (node, error) { return p.not(part) })
		if err != nil {
			return nil, err
		}
		return join[and](all), nil
	})
	if err != nil {
		return nil, err
	}
	p.loose = p.loose || len(all) > 1 && p.parens == 0
	return join[or](all), nil
}

func (p *parser) not(part func() (node, error)) (node, error) {
	odd := false
	for p.keyword("not") {
		odd = !odd
	}
	n, err := part()
	if err == nil && odd {
		n = negate(n)
	}
	return n, err
}

// paren reads what stands between two signs, the first of which is here.
func (p *parser) paren(closing rune, inner func() (node, error)) (node, error) {
	open := p.pos
	p.pos++
	p.space()
	if p.parens++; p.parens > maxParens {
		return nil, wrong(open, open+1, fmt.Sprintf("more than %d parentheses in each other", maxParens), "")
	}
	n, err := p.compound(inner)
	if err != nil {
		return nil, err
	}
	p.parens--
	if !p.sign(closing) {
		if p.end() {
			return nil, wrong(open, open+1, fmt.Sprintf("%c is not closed", p.in[open]), "write %c", closing)
		}
		return nil, p.left()
	}
	return n, nil
}

// primary reads a query in parentheses, or one leaf.
func (p *parser) primary() (node, error) {
	if p.peek() == '(' {
		return p.paren(')', p.primary)
	}
	start := p.pos
	if re, err := p.regex(); re != nil || err != nil {
		return p.leaf(start, leaf{is: matches, re: re}, err)
	}
	first, err := p.term("a query")
	if err != nil {
		return nil, err
	}
	end := p.pos
	p.space()
	switch r := p.peek(); r {
	case ':', '<', '>':
		if err := p.name(first, start, end); err != nil {
			return nil, err
		}
		field := first.under(p.path)
		if r != ':' {
			return p.ranged(field)
		}
		p.sign(':')
		if p.peek() == '{' {
			return p.nested(field, start, end)
		}
		return p.value(field)
	}
	return p.leaf(start, unfielded(first), nil)
}

// unfielded is the leaf of a value without a field.
func unfielded(value term) leaf {
	if value.any() {
		return leaf{field: value, is: exists}
	}
	return leaf{value: value}
}

// leaf counts a leaf that begins at a position.
func (p *parser) leaf(start int, l leaf, err error) (node, error) {
	if err != nil {
		return nil, err
	}
	if p.leaves++; p.leaves > maxLeaves {
		return nil, wrong(start, len(p.in), fmt.Sprintf("a query may ask for %d things", maxLeaves), "")
	}
	if l.field.none() && p.path != "" {
		end := p.pos
		for unicode.IsSpace(p.in[end-1]) {
			end--
		}
		return nil, wrong(start, end, "between { and } stands no value without a field", "write the field and : before it")
	}
	p.space()
	return l, nil
}

// name checks what stands before a sign.
func (p *parser) name(t term, start, end int) error {
	if t.quoted {
		return nil
	}
	for i := start; i < end; i++ {
		if unicode.IsSpace(p.in[i]) {
			last := end
			for last > i && !unicode.IsSpace(p.in[last-1]) {
				last--
			}
			return wrong(i, last, "a field's name has no blanks in it", "write 'and' or 'or' before %s, or put the name in quotes", string(p.in[last:end]))
		}
	}
	return nil
}

// value reads what is asked of a field: a value, or several in parentheses.
func (p *parser) value(field term) (node, error) {
	one := func() (node, error) { return p.value(field) }
	if p.peek() == '(' {
		return p.paren(')', one)
	}
	start := p.pos
	if re, err := p.regex(); re != nil || err != nil {
		return p.leaf(start, leaf{field: field, is: matches, re: re}, err)
	}
	value, err := p.term("a value")
	if err != nil {
		return nil, err
	}
	if value.any() {
		return p.leaf(start, leaf{field: field, is: exists}, nil)
	}
	return p.leaf(start, leaf{field: field, value: value}, nil)
}

// ranged reads a sign and what a field is compared to.
func (p *parser) ranged(field term) (node, error) {
	is := below
	if p.peek() == '>' {
		is = above
	}
	p.pos++
	if p.peek() == '=' {
		is++
		p.pos++
	}
	p.space()
	start := p.pos
	value, err := p.term("a value")
	if err != nil {
		return nil, err
	}
	if value.pattern() {
		return nil, wrong(start, p.pos, "nothing is compared to a value with *", "write a whole value, or : in place of %s", signs[is])
	}
	return p.leaf(start, leaf{field: field, is: is, value: value}, nil)
}

// nested reads what is asked of one object.
func (p *parser) nested(field term, start, end int) (node, error) {
	if field.pattern() {
		return nil, wrong(start, end, "* cannot stand in the name of an object", "write its whole name")
	}
	outer := p.path
	p.path = field.text()
	n, err := p.paren('}', p.primary)
	p.path = outer
	if err != nil {
		return nil, err
	}
	return nested{path: field.text(), node: n}, nil
}

// term reads a value or a name, with quotes or without; what is what should stand here.
func (p *parser) term(what string) (term, error) {
	if p.peek() == '"' {
		return p.quoted()
	}
	start := p.pos
	p.last = start
	pieces, piece := []string{}, []rune{}
	kept := 0      // of piece, without the white space at its end
	after := start // the end of what is kept
	star := false
	for !p.end() {
		r := p.in[p.pos]
		first := p.pos == start || unicode.IsSpace(p.in[p.pos-1])
		switch {
		case r == '\\':
			unescaped, err := p.escape(first)
			if err != nil {
				return term{}, err
			}
			piece = append(piece, unescaped...)
		case r == '*':
			p.pos++
			if !star || len(piece) > 0 {
				pieces, piece = append(pieces, string(piece)), nil
			}
			star = true
			kept, after = 0, p.pos
			continue
		case special(r), first && p.keywordAt(p.pos):
			return p.bare(start, after, append(pieces, string(piece[:kept])), what)
		case unicode.IsSpace(r):
			piece = append(piece, r)
			p.pos++
			continue
		default:
			piece = append(piece, r)
			p.pos++
		}
		kept, after = len(piece), p.pos
	}
	return p.bare(start, after, append(pieces, string(piece[:kept])), what)
}

// bare ends a term without quotes, whose last character stands before end.
func (p *parser) bare(start, end int, pieces []string, what string) (term, error) {
	p.pos = end
	if end > start {
		return term{pieces: pieces}, nil
	}
	p.space()
	switch {
	case p.end():
		return term{}, wrong(p.pos, p.pos, what+" is missing", "write one, as level: error, or level: * for any")
	case p.keywordAt(p.pos):
		length := 2
		for p.pos+length < len(p.in) && unicode.IsLetter(p.in[p.pos+length]) {
			length++
		}
		word := string(p.in[p.pos : p.pos+length])
		return term{}, wrong(p.pos, p.pos+length, fmt.Sprintf("'%s' stands where %s should", word, what), "write %s to look for the word", quoted(word))
	}
	r := p.peek()
	return term{}, wrong(p.pos, p.pos+1, fmt.Sprintf("%c stands where %s should", r, what), `write \%c or put it in quotes to look for it`, r)
}

var whitespace = map[rune]rune{'t': '\t', 'r': '\r', 'n': '\n'}

// escape reads \ and what follows it, outside of quotes. first says that it is the beginning of a word.
func (p *parser) escape(first bool) ([]rune, error) {
	start := p.pos
	p.pos++
	r := p.peek()
	switch {
	case first && p.pos < len(p.in) && p.keywordAt(p.pos):
		p.pos++
		return []rune{r}, nil
	case special(r), r == '/' && first:
		p.pos++
		return []rune{r}, nil
	case whitespace[r] != 0:
		p.pos++
		return []rune{whitespace[r]}, nil
	case r == 'u':
		if unescaped, ok := p.unicode(); ok {
			return []rune{unescaped}, nil
		}
	}
	return nil, wrong(start, min(start+2, len(p.in)), "this escapes nothing", `write \\ for a backslash, or put the value in quotes`)
}

// unicode reads u and four hexadecimal digits, or two of them that are one character in UTF-16.
func (p *parser) unicode() (rune, bool) {
	unit, ok := p.hex(p.pos)
	if !ok {
		return 0, false
	}
	p.pos += 5
	if !utf16.IsSurrogate(unit) {
		return unit, true
	}
	if p.peek() == '\\' {
		if low, ok := p.hex(p.pos + 1); ok && utf16.DecodeRune(unit, low) != utf8.RuneError {
			p.pos += 6
			return utf16.DecodeRune(unit, low), true
		}
	}
	return utf8.RuneError, true
}

func (p *parser) hex(at int) (rune, bool) {
	if at+5 > len(p.in) || p.in[at] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(p.in[at+1:at+5]), 16, 16)
	return rune(n), err == nil
}

// quoted reads a term in quotes. What \ escapes nothing before stands for itself.
func (p *parser) quoted() (term, error) {
	start := p.pos
	p.last = start
	var text []rune
	for p.pos++; !p.end(); {
		r := p.in[p.pos]
		p.pos++
		switch {
		case r == '"':
			return term{pieces: []string{string(text)}, quoted: true}, nil
		case r != '\\':
			text = append(text, r)
		case p.peek() == '"', p.peek() == '\\':
			text = append(text, p.peek())
			p.pos++
		case whitespace[p.peek()] != 0:
			text = append(text, whitespace[p.peek()])
			p.pos++
		default:
			if unescaped, ok := p.unicode(); ok {
				r = unescaped
			}
			text = append(text, r)
		}
	}
	return term{}, wrong(start, len(p.in), "the quotes are not closed", `write " behind the value`)
}

// regex reads a regular expression if there is one: / and text up to the next / that is not escaped and no white space stands before, which
// is followed by i or nothing. So most paths are none.
func (p *parser) regex() (*regex, error) {
	if p.peek() != '/' {
		return nil, nil
	}
	end := p.pos + 1
	for end < len(p.in) && p.in[end] != '/' {
		if p.in[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(p.in) || end == p.pos+1 || unicode.IsSpace(p.in[end-1]) {
		return nil, nil
	}
	after := end + 1
	fold := after < len(p.in) && p.in[after] == 'i'
	if fold {
		after++
	}
	if after < len(p.in) && !unicode.IsSpace(p.in[after]) && !strings.ContainsRune(`(){}"`, p.in[after]) {
		return nil, nil
	}
	re, err := newRegex(string(p.in[p.pos:after]), string(p.in[p.pos+1:end]), fold)
	if err != nil {
		return nil, wrong(p.pos, after, err.Error(), "regular expressions are those of RE2, up to \\b; put the value in quotes if it is none")
	}
	p.pos = after
	p.space()
	return re, nil
}
