package query

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// QueryString is query_string: a text in Lucene's syntax. Parse has read it; what it means depends on the fields
// there are, as words without a field go to all of Fields.
type QueryString struct {
	Fields          []string // patterns; none: the index's default fields
	And             bool     // default_operator
	Type            string   // of words, as of multi_match
	Minimum         string
	Lenient         bool
	Strict          bool // lenient is false, and not by default
	LeadingWildcard bool // allow_leading_wildcard
	Zone            string
	Analyzer        mapping.Analyzer
	root            []clause
	wrong           *Error // why it cannot be read, for whoever compiles it
}

func (p *parser) queryString(v body.Value) Query {
	q := QueryString{Type: "best_fields", LeadingWildcard: true}
	text, found := "", false
	if fields, _ := v.Get("fields"); len(fields.Items) > 0 {
		if _, both := v.Get("default_field"); both {
			p.fail(failed(illegal("[query_string] cannot use [fields] parameter in conjunction with [default_field]")))
		}
	}
	for _, m := range v.Members {
		switch m.Name {
		case "query":
			text, found = p.text(m.Name, m.Value), true
		case "default_field":
			q.Fields = p.fields(m.Value)
		case "fields":
			if fields := p.fields(m.Value); len(fields) > 0 {
				q.Fields = fields
			}
		case "default_operator":
			q.And = p.operator(m.Value)
		case "type":
			q.Type = strings.ToLower(p.text(m.Name, m.Value))
			p.zero(m.Name, m.Value, "best_fields", "most_fields", "phrase", "phrase_prefix", "bool_prefix")
		case "minimum_should_match":
			q.Minimum = p.text(m.Name, m.Value)
			if _, err := minimum(q.Minimum, 1); err != nil {
				p.fail(err)
			}
		case "lenient":
			q.Lenient = p.flag(m.Name, m.Value)
			q.Strict = !q.Lenient
		case "allow_leading_wildcard":
			q.LeadingWildcard = p.flag(m.Name, m.Value)
		case "time_zone":
			q.Zone = p.text(m.Name, m.Value)
			if _, err := mapping.ParseZone(q.Zone); err != nil {
				p.fail(&Error{Type: "date_time_exception", Reason: err.Error()})
			}
		case "analyzer", "quote_analyzer":
			q.Analyzer = p.analyzer(m.Value)
		case "phrase_slop":
			p.zero(m.Name, m.Value, "0")
		case "analyze_wildcard": // terms of wildcards are folded in either case; more it does only for analyzers not served
		case "escape":
			p.zero(m.Name, m.Value, "false")
		case "quote_field_suffix":
			p.unserved(m.Name)
		case "fuzziness", "fuzzy_prefix_length", "fuzzy_max_expansions", "fuzzy_rewrite", "fuzzy_transpositions", "rewrite", "tie_breaker",
			"max_determinized_states", "auto_generate_synonyms_phrase_query", "enable_position_increments": // ~ is refused, and the rest is about scores
		default:
			if !common(m.Name) {
				p.unknown(m.Name)
			}
		}
	}
	if !found {
		p.fail(refuse("query_string must be provided with a [query]"))
	}
	var err error
	if q.root, err = parseLucene(text); err != nil {
		q.wrong = &Error{Type: "query_shard_exception", Reason: fmt.Sprintf("Failed to parse query [%s]", clip(text)),
			Cause: &Error{Type: "parse_exception", Reason: fmt.Sprintf("Cannot parse '%s': %v", clip(text), err)}}
	}
	return q
}

// A clause is a part of a query in Lucene's syntax, with what stands before it.
type clause struct {
	and, or  bool // the operator before it, if any
	plus, no bool // + or -, NOT, ! before it
	run      bool // a run of bare words: several terms of one text
	item     item
}

// An item is what a clause holds: words, a pattern, a range or a group.
type item struct {
	field  string // "" for the default ones
	kind   string // words, quoted, prefix, wildcard, regexp, range, all (*:*), group, fuzzy
	text   string // with its escapes, except quoted
	low    string // of a range, * for open
	high   string
	lowIn  bool
	highIn bool
	lowQ   bool // the bound was quoted, so * is no sign
	highQ  bool
	group  []clause
}

// A luceneParser reads Lucene's query syntax as its classic parser does.
type luceneParser struct {
	in    string
	pos   int
	depth int
}

func parseLucene(in string) ([]clause, error) {
	p := &luceneParser{in: in}
	p.space()
	if p.pos == len(in) {
		return nil, nil
	}
	list, err := p.query("")
	if err != nil {
		return nil, err
	}
	if p.pos < len(in) {
		return nil, p.unexpected()
	}
	return list, nil
}

func (p *luceneParser) unexpected() error {
	if p.pos >= len(p.in) {
		return fmt.Errorf("encountered <EOF> at column %d", p.pos)
	}
	r, _ := utf8.DecodeRuneInString(p.in[p.pos:])
	return fmt.Errorf("encountered %q at column %d", string(r), p.pos)
}

func (p *luceneParser) space() {
	for p.pos < len(p.in) {
		r, n := utf8.DecodeRuneInString(p.in[p.pos:])
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\u3000' {
			return
		}
		p.pos += n
	}
}

func (p *luceneParser) peek() byte {
	if p.pos < len(p.in) {
		return p.in[p.pos]
	}
	return 0
}

// keyword takes one of the words AND, OR, NOT, if it stands here as a word of its own.
func (p *luceneParser) keyword(word string) bool {
	if !strings.HasPrefix(p.in[p.pos:], word) {
		return false
	}
	if end := p.pos + len(word); end < len(p.in) && termRune(p.in[end:]) > 0 {
		return false
	}
	p.pos += len(word)
	p.space()
	return true
}

func (p *luceneParser) sign(s string) bool {
	if !strings.HasPrefix(p.in[p.pos:], s) {
		return false
	}
	p.pos += len(s)
	p.space()
	return true
}

// query reads clauses to the end or to a ). Words that follow each other without anything between become one run.
func (p *luceneParser) query(field string) ([]clause, error) {
	if p.depth++; p.depth > 2*maxDepth {
		return nil, fmt.Errorf("more than %d groups in each other", 2*maxDepth)
	}
	defer func() { p.depth-- }()
	var list []clause
	for {
		var c clause
		if len(list) > 0 {
			c.and = p.keyword("AND") || p.sign("&&")
			c.or = !c.and && (p.keyword("OR") || p.sign("||"))
		}
		bare := !c.and && !c.or
		switch {
		case p.bareSign():
			c.item = item{field: field, kind: "words", text: p.in[p.pos : p.pos+1]}
			p.pos++
			p.space()
			list = append(list, c)
			if p.pos >= len(p.in) || p.peek() == ')' {
				return list, nil
			}
			continue
		case p.sign("+"):
			c.plus, bare = true, false
		case p.sign("-"), p.sign("!"), p.keyword("NOT"):
			c.no, bare = true, false
		}
		start := p.pos
		it, err := p.clause(field)
		if err != nil {
			return nil, err
		}
		c.item = it
		if bare && it.kind == "words" && it.field == field && !strings.HasPrefix(p.in[start:], "(") {
			if text, ok := p.moreWords(it.text); ok {
				c.item.text, c.run = text, true
			}
		}
		list = append(list, c)
		if p.pos >= len(p.in) || p.peek() == ')' {
			return list, nil
		}
	}
}

// bareSign says whether a + - or ! with white space behind it is due, which counts as a word.
func (p *luceneParser) bareSign() bool {
	c := p.peek()
	if c != '+' && c != '-' && c != '!' || p.pos+1 >= len(p.in) {
		return false
	}
	next := p.in[p.pos+1]
	return next == ' ' || next == '\t' || next == '\n' || next == '\r'
}

// moreWords takes the bare words that follow one, up to the last that is followed by none of : ^ ~ * AND OR.
func (p *luceneParser) moreWords(text string) (string, bool) {
	var b strings.Builder
	b.WriteString(text)
	found := false
	for p.pos < len(p.in) {
		before := p.pos
		word, kind := p.word()
		if kind != "words" || reserved(word) {
			p.pos = before
			break
		}
		p.space()
		if c := p.peek(); c == ':' || c == '^' || c == '~' || c == '*' || p.at("AND") || p.at("OR") || p.at("&&") || p.at("||") {
			p.pos = before
			break
		}
		b.WriteString(" " + word)
		found = true
	}
	return b.String(), found
}

// at says whether the operator stands here.
func (p *luceneParser) at(word string) bool {
	before := p.pos
	var ok bool
	if word[0] == '&' || word[0] == '|' {
		ok = p.sign(word)
	} else {
		ok = p.keyword(word)
	}
	p.pos = before
	return ok
}

func reserved(word string) bool { return word == "AND" || word == "OR" || word == "NOT" }

// clause reads [field:] and what follows.
func (p *luceneParser) clause(field string) (item, error) {
	start := p.pos
	if p.sign("*") {
		if p.sign(":") {
			if p.sign("*") {
				return item{kind: "all"}, p.weight()
			}
			field = "*"
			return p.value(field)
		}
		p.pos = start
	}
	name, kind := p.word()
	if kind == "words" && !reserved(name) {
		p.space()
		if p.sign(":") {
			return p.value(unescape(name))
		}
	} else if kind == "wildcard" || kind == "prefix" { // Lucene has no patterns for fields here, but Elasticsearch takes them escaped
		p.space()
	}
	p.pos = start
	return p.value(field)
}

// value reads a group, a quoted text, a range, a regular expression or a word, with its weight.
func (p *luceneParser) value(field string) (item, error) {
	it := item{field: field}
	var err error
	switch c := p.peek(); {
	case c == '(':
		p.sign("(")
		if it.group, err = p.query(field); err != nil {
			return it, err
		}
		if !p.sign(")") {
			return it, p.unexpected()
		}
		it.kind = "group"
	case c == '"':
		if it.text, err = p.quoted(); err != nil {
			return it, err
		}
		it.kind = "quoted"
		if p.sign("~") {
			slop := p.number()
			if slop != "0" {
				return it, fmt.Errorf("a phrase with ~%s is not served here", slop)
			}
		}
	case c == '[' || c == '{':
		if err := p.rangeItem(&it); err != nil {
			return it, err
		}
	case c == '/':
		end := p.pos + 1
		for ; end < len(p.in) && p.in[end] != '/'; end++ {
			if p.in[end] == '\\' {
				end++
			}
		}
		if end >= len(p.in) {
			return it, fmt.Errorf("unterminated regular expression at column %d", p.pos)
		}
		it.kind, it.text = "regexp", strings.ReplaceAll(p.in[p.pos+1:end], `\/`, "/")
		p.pos = end + 1
		p.space()
	default:
		before := p.pos
		it.text, it.kind = p.word()
		if it.text == "" || reserved(it.text) {
			p.pos = before
			return it, p.unexpected()
		}
		p.space()
		if p.peek() == '~' {
			return it, fmt.Errorf("fuzzy terms (%s~) are not served here", clip(it.text))
		}
	}
	return it, p.weight()
}

// weight takes ^2, which has no meaning without scores.
func (p *luceneParser) weight() error {
	if p.sign("^") {
		if p.number() == "" {
			return p.unexpected()
		}
	}
	return nil
}

func (p *luceneParser) number() string {
	start := p.pos
	for p.pos < len(p.in) && (p.in[p.pos] >= '0' && p.in[p.pos] <= '9' || p.in[p.pos] == '.') {
		p.pos++
	}
	text := p.in[start:p.pos]
	p.space()
	return text
}

// quoted reads a text between quotes and takes its escapes out.
func (p *luceneParser) quoted() (string, error) {
	for end := p.pos + 1; end < len(p.in); end++ {
		switch p.in[end] {
		case '\\':
			end++
		case '"':
			text := unescape(p.in[p.pos+1 : end])
			p.pos = end + 1
			p.space()
			return text, nil
		}
	}
	return "", fmt.Errorf("a quote that is not closed at column %d", p.pos)
}

// rangeItem reads [a TO b}.
func (p *luceneParser) rangeItem(it *item) error {
	it.kind, it.lowIn = "range", p.peek() == '['
	p.pos++
	p.space()
	var err error
	if it.low, it.lowQ, err = p.bound(); err != nil {
		return err
	}
	if !strings.HasPrefix(p.in[p.pos:], "TO") {
		return p.unexpected()
	}
	p.pos += 2
	p.space()
	if it.high, it.highQ, err = p.bound(); err != nil {
		return err
	}
	switch p.peek() {
	case ']':
		it.highIn = true
	case '}':
	default:
		return p.unexpected()
	}
	p.pos++
	p.space()
	return nil
}

func (p *luceneParser) bound() (text string, quoted bool, err error) {
	if p.peek() == '"' {
		text, err = p.quoted()
		return text, true, err
	}
	start := p.pos
	for p.pos < len(p.in) {
		r, n := utf8.DecodeRuneInString(p.in[p.pos:])
		if r == ' ' || r == '\t' || r == '\n' || r == '\r' || r == ']' || r == '}' {
			break
		}
		p.pos += n
	}
	if start == p.pos {
		return "", false, p.unexpected()
	}
	text = unescape(p.in[start:p.pos])
	p.space()
	return text, false, nil
}

// termRune returns the length of the rune at the beginning of s if it can be in a bare word, else 0.
func termRune(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if n == 0 || unicode.IsSpace(r) && (r < 0x80 || r == '\u3000') || strings.ContainsRune(`!():^[]"{}~/`, r) {
		return 0
	}
	return n
}

// word reads a bare word with its escapes. kind is words, prefix (abc*), wildcard, or "" if there is none.
func (p *luceneParser) word() (text, kind string) {
	start := p.pos
	stars, asks, lastStar := 0, 0, false
	for p.pos < len(p.in) {
		c := p.in[p.pos]
		if c == '\\' {
			if p.pos+1 >= len(p.in) {
				break
			}
			_, n := utf8.DecodeRuneInString(p.in[p.pos+1:])
			p.pos += 1 + n
			lastStar = false
			continue
		}
		n := termRune(p.in[p.pos:])
		if n == 0 || p.pos == start && (c == '+' || c == '-') || p.pos == start && (strings.HasPrefix(p.in[p.pos:], "&&") || strings.HasPrefix(p.in[p.pos:], "||")) {
			break
		}
		if lastStar = c == '*'; lastStar {
			stars++
		} else if c == '?' {
			asks++
		}
		p.pos += n
	}
	text = p.in[start:p.pos]
	switch {
	case text == "":
		return "", ""
	case stars == 1 && asks == 0 && lastStar && text != "*":
		return text, "prefix"
	case stars+asks > 0:
		return text, "wildcard"
	}
	return text, "words"
}

// unescape takes the backslashes out.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if s[i] == 'u' && i+4 < len(s) {
			var r rune
			if n, err := fmt.Sscanf(s[i+1:i+5], "%04x", &r); n == 1 && err == nil {
				b.WriteRune(r)
				i += 4
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
