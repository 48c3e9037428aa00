package query

import (
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// SimpleQueryString is simple_query_string: a text with the signs + | - " * ( ) that is never wrong.
type SimpleQueryString struct {
	Fields   []string // patterns; none: the index's default fields
	Text     string
	And      bool // default_operator
	Minimum  string
	Lenient  bool
	Strict   bool     // lenient is false, and not by default
	Without  []string // flags that are off: AND, OR, NOT, PREFIX …
	Analyzer mapping.Analyzer
}

var simpleFlags = []string{"AND", "OR", "NOT", "PREFIX", "PHRASE", "PRECEDENCE", "ESCAPE", "WHITESPACE", "FUZZY", "NEAR", "SLOP"}

func (p *parser) simpleQueryString(v body.Value) Query {
	var q SimpleQueryString
	found := false
	for _, m := range v.Members {
		switch m.Name {
		case "query":
			q.Text, found = p.text(m.Name, m.Value), true
		case "fields":
			q.Fields = p.fields(m.Value)
		case "default_operator":
			q.And = p.operator(m.Value)
		case "minimum_should_match":
			q.Minimum = p.text(m.Name, m.Value)
			if _, err := minimum(q.Minimum, 1); err != nil {
				p.fail(err)
			}
		case "lenient":
			q.Lenient = p.flag(m.Name, m.Value)
			q.Strict = !q.Lenient
		case "flags":
			q.Without = p.simpleFlags(m.Value)
		case "analyzer":
			q.Analyzer = p.analyzer(m.Value)
		case "analyze_wildcard":
		case "quote_field_suffix":
			p.unserved(m.Name)
		case "auto_generate_synonyms_phrase_query", "fuzzy_prefix_length", "fuzzy_max_expansions", "fuzzy_transpositions":
		default:
			if !common(m.Name) {
				p.unknown(m.Name)
			}
		}
	}
	if !found {
		p.fail(refuse("[simple_query_string] query text missing"))
	}
	return q
}

// simpleFlags returns which of the flags are off.
func (p *parser) simpleFlags(v body.Value) []string {
	if v.Kind != body.String {
		p.unserved("flags as a number")
		return nil
	}
	on := map[string]bool{}
	for name := range strings.SplitSeq(strings.ToUpper(v.Text), "|") {
		switch {
		case name == "ALL" || name == "":
			return nil
		case name == "NONE":
		case slices.Contains(simpleFlags, name):
			on[name] = true
		default:
			p.fail(illegal("Unknown simple_query_string flag [%s]", clip(name)))
		}
	}
	return slices.DeleteFunc(slices.Clone(simpleFlags), func(name string) bool { return on[name] })
}

// A simple reads one text or the part of it between parentheses, as Lucene's SimpleQueryParser does.
type simple struct {
	*SimpleQueryString
	c        *compiler
	fields   []*mapping.Field
	in       string
	pos      int
	depth    int
	top      *tree
	current  string // the operation that a sign asked for: and, or
	previous string
	negated  bool
	closed   map[int]int // where each ( has its ), once one was looked for
}

// A tree is what was read so far: a node, or nodes that one operation joins.
type tree struct {
	nodes     []node
	operation string
}

func (t *tree) node() node {
	if t.operation == "or" {
		return someOf(1, t.nodes)
	}
	return allOf(t.nodes)
}

func (q SimpleQueryString) compile(c *compiler) (node, error) {
	s := simple{SimpleQueryString: &q, c: c, in: q.Text}
	if strings.TrimSpace(q.Text) == "*" {
		return all{}, nil
	}
	var wide bool
	s.fields, wide = c.fields(q.Fields)
	q.Lenient = q.Lenient || wide && !q.Strict
	if err := s.read(); err != nil {
		return nil, err
	}
	if s.top == nil {
		return none{}, nil
	}
	if q.Minimum != "" && s.top.operation == "or" {
		least, err := minimum(q.Minimum, len(s.top.nodes))
		if err != nil {
			return nil, err
		}
		return someOf(max(1, least), s.top.nodes), nil
	}
	return s.top.node(), nil
}

func (s *simple) on(flag string) bool { return !slices.Contains(s.Without, flag) }

func (s *simple) read() error {
	if s.depth > 2*maxDepth {
		return failed(illegal("more than %d groups in each other", 2*maxDepth))
	}
	for s.pos < len(s.in) {
		var err error
		switch c := s.in[s.pos]; {
		case c == '(' && s.on("PRECEDENCE"):
			err = s.group()
		case c == ')' && s.on("PRECEDENCE"):
			s.pos++
		case c == '"' && s.on("PHRASE"):
			err = s.phrase()
		case c == '+' && s.on("AND"):
			s.operation("and")
		case c == '|' && s.on("OR"):
			s.operation("or")
		case c == '-' && s.on("NOT"):
			s.negated = !s.negated
			s.pos++
			continue
		case space(c) && s.on("WHITESPACE"):
			s.pos++
		default:
			err = s.token()
		}
		if err != nil {
			return err
		}
		s.negated = false
	}
	return nil
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// operation notes a sign, of which the first between two parts counts.
func (s *simple) operation(name string) {
	if s.current == "" && s.top != nil {
		s.current = name
	}
	s.pos++
}

// group reads what is between parentheses; one that is never closed counts for nothing.
func (s *simple) group() error {
	if s.closed == nil {
		s.closed = s.pairs()
	}
	end, ok := s.closed[s.pos]
	s.pos++
	start := s.pos
	switch {
	case !ok:
		return nil
	case end == start:
		s.current = ""
		s.pos++
		return nil
	}
	s.pos = end
	inner := simple{SimpleQueryString: s.SimpleQueryString, c: s.c, fields: s.fields, in: s.in[start:s.pos], depth: s.depth + 1}
	if err := inner.read(); err != nil {
		return err
	}
	if inner.top != nil {
		s.add(inner.top.node())
	}
	s.pos++
	return nil
}

// pairs finds the ) of every ( that has one.
func (s *simple) pairs() map[int]int {
	closed := map[int]int{}
	var open []int
	for i := 0; i < len(s.in); i++ {
		switch c := s.in[i]; {
		case c == '\\' && s.on("ESCAPE"):
			i++
		case c == '(':
			open = append(open, i)
		case c == ')' && len(open) > 0:
			closed[open[len(open)-1]] = i
			open = open[:len(open)-1]
		}
	}
	return closed
}

// phrase reads what is between quotes; one that is never closed counts for nothing.
func (s *simple) phrase() error {
	s.pos++
	start := s.pos
	var text []byte
	for ; s.pos < len(s.in) && s.in[s.pos] != '"'; s.pos++ {
		if s.in[s.pos] == '\\' && s.on("ESCAPE") {
			if s.pos++; s.pos == len(s.in) {
				break
			}
		}
		text = append(text, s.in[s.pos])
	}
	switch {
	case s.pos >= len(s.in):
		s.pos = start
		return nil
	case s.pos == start:
		s.current = ""
		s.pos++
		return nil
	}
	s.pos++
	if strings.HasPrefix(s.in[s.pos:], "~") && (s.on("NEAR") || s.on("SLOP")) {
		s.pos++
		slop := s.digits()
		if slop != "" && slop != "0" {
			return failed(illegal("[simple_query_string] with a phrase and [~%s] is not served here", slop))
		}
	}
	return s.match(string(text), "phrase")
}

func (s *simple) digits() string {
	start := s.pos
	for s.pos < len(s.in) && !space(s.in[s.pos]) && s.in[s.pos] >= '0' && s.in[s.pos] <= '9' {
		s.pos++
	}
	return s.in[start:s.pos]
}

// token reads a word.
func (s *simple) token() error {
	var text []byte
	prefix := false
	for s.pos < len(s.in) {
		c := s.in[s.pos]
		if c == '\\' && s.on("ESCAPE") {
			prefix = false
			s.pos++
			if s.pos < len(s.in) {
				text = append(text, s.in[s.pos])
				s.pos++
			}
			continue
		}
		if c == '"' && s.on("PHRASE") || c == '|' && s.on("OR") || c == '+' && s.on("AND") || (c == '(' || c == ')') && s.on("PRECEDENCE") || space(c) && s.on("WHITESPACE") {
			break
		}
		if len(text) > 0 && c == '~' && s.on("FUZZY") {
			s.pos++
			if n := s.digits(); n != "0" {
				return failed(illegal("[simple_query_string] with fuzzy terms (%s~) is not served here", clip(string(text))))
			}
			prefix = false
			break
		}
		prefix = len(text) > 0 && c == '*' && s.on("PREFIX")
		text = append(text, c)
		s.pos++
	}
	switch {
	case len(text) == 0:
		return nil
	case prefix:
		return s.prefix(string(text[:len(text)-1]))
	}
	return s.match(string(text), "most_fields")
}

// match adds the words of a text in any of the fields.
func (s *simple) match(text, kind string) error {
	var nodes []node
	asked := false
	for _, f := range s.fields {
		if f.Type.Analyzed() && len(queryTerms(f, s.Analyzer, text)) == 0 {
			continue
		}
		asked = true
		n, err := Match{Text: text, Kind: body.String, And: s.And, Lenient: s.Lenient, Analyzer: s.Analyzer}.typed(f, kind, s.c)
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	if asked || len(s.fields) == 0 {
		s.add(someOf(1, nodes))
	}
	return s.c.count(len(nodes))
}

func (s *simple) prefix(text string) error {
	var nodes []node
	for _, f := range s.fields {
		q := Pattern{Kind: "prefix", Text: text}
		if f.Type.Analyzed() {
			q.Text = f.SearchAnalyzer.Fold(text)
		}
		n, err := q.plain(f)
		if n, err = lenient(n, err, s.Lenient); err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	s.add(someOf(1, nodes))
	return s.c.count(len(nodes))
}

// add puts a part to what was read: under a new tree where the operation changes.
func (s *simple) add(n node) {
	if s.negated {
		n = notOf(n)
	}
	if s.top == nil {
		s.top = &tree{nodes: []node{n}}
		s.current = ""
		return
	}
	if s.current == "" {
		s.current = "or"
		if s.And {
			s.current = "and"
		}
	}
	if s.previous != s.current {
		s.top = &tree{nodes: []node{s.top.node()}, operation: s.current}
	}
	s.top.nodes = append(s.top.nodes, n)
	s.previous, s.current = s.current, ""
}
