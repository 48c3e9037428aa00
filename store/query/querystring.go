package query

import (
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// A queryString compiles the clauses of a QueryString.
type queryString struct {
	QueryString
	c      *compiler
	fields []*mapping.Field
}

func (q QueryString) compile(c *compiler) (node, error) {
	if q.wrong != nil {
		return nil, q.wrong
	}
	s := queryString{QueryString: q, c: c}
	var wide bool
	s.fields, wide = c.fields(q.Fields)
	s.Lenient = s.Lenient || wide && !s.Strict
	if len(q.root) == 0 {
		return none{}, nil
	}
	return s.clauses(q.root, true)
}

// occurrence is what a clause is for the clauses it stands among.
type occurrence byte

const (
	should occurrence = iota
	must
	mustNot
)

// clauses puts a list together as Lucene's classic parser does: AND makes a must of the clause before it as well, and
// where AND is the default OR makes a should of it.
func (s *queryString) clauses(list []clause, top bool) (node, error) {
	var nodes []node
	var kinds []occurrence
	for _, c := range list {
		if last := len(kinds) - 1; last >= 0 {
			if c.and && kinds[last] != mustNot {
				kinds[last] = must
			}
			if s.And && c.or && kinds[last] != mustNot {
				kinds[last] = should
			}
		}
		n, ok, err := s.item(c.item, c.run)
		if err != nil {
			return nil, err
		}
		if !ok { // words without any term ask for nothing
			continue
		}
		kind := should
		switch {
		case c.no:
			kind = mustNot
		case c.plus, c.and, s.And && !c.or:
			kind = must
		}
		if c.run {
			if parts, flat := n.(words); flat {
				n = nil
				for _, part := range parts.nodes {
					nodes = append(nodes, part)
					kinds = append(kinds, parts.kind)
				}
				continue
			}
		}
		nodes = append(nodes, n)
		kinds = append(kinds, kind)
	}
	return s.join(nodes, kinds, top)
}

func (s *queryString) join(nodes []node, kinds []occurrence, top bool) (node, error) {
	var all, some []node
	var without []node
	for i, n := range nodes {
		if w, ok := n.(words); ok {
			n = w.node
		}
		switch kinds[i] {
		case must:
			all = append(all, n)
		case mustNot:
			without = append(without, n)
		default:
			some = append(some, n)
		}
	}
	if len(nodes) == 0 {
		return none{}, nil
	}
	if len(nodes) > maxClauses {
		return nil, tooMany(maxClauses)
	}
	least := 0
	if len(all) == 0 && len(some) > 0 {
		least = 1
	}
	if top && s.Minimum != "" && len(nodes) > 1 {
		n, err := minimum(s.Minimum, len(some))
		if err != nil {
			return nil, err
		}
		least = max(least, n)
	}
	if least > 0 {
		all = append(all, someOf(least, some))
	}
	for _, n := range without {
		all = append(all, notOf(n))
	}
	return allOf(all), nil
}

// words is a node made of the terms of a run of words in one field, which join the clauses around them.
type words struct {
	node
	nodes []node
	kind  occurrence
}

// item makes a node; ok is false if it asks for nothing.
func (s *queryString) item(it item, run bool) (n node, ok bool, err error) {
	switch it.kind {
	case "all":
		return all{}, true, nil
	case "group":
		n, err = s.clauses(it.group, false)
		return n, true, err
	case "words":
		return s.words(it, run)
	case "quoted":
		return s.quoted(it)
	case "range":
		n, err = s.rangeOf(it)
	default:
		n, err = s.pattern(it)
	}
	return n, true, err
}

// in returns the fields that a field of the text stands for.
func (s *queryString) in(field string) []*mapping.Field {
	if field == "" {
		return s.fields
	}
	fields, _ := s.c.fields([]string{field})
	return fields
}

// each makes a node of every field and joins them: one is enough.
func (s *queryString) each(field string, f func(*mapping.Field) (node, error)) (node, error) {
	var nodes []node
	for _, field := range s.in(field) {
		n, err := f(field)
		if err != nil {
			if s.Lenient {
				continue
			}
			return nil, failed(err)
		}
		nodes = append(nodes, n)
	}
	if err := s.c.count(len(nodes)); err != nil {
		return nil, err
	}
	return someOf(1, nodes), nil
}

func (s *queryString) words(it item, run bool) (node, bool, error) {
	text := unescape(it.text)
	if text != "" && (text[0] == '>' || text[0] == '<') {
		n, err := s.compared(it.field, text)
		return n, true, err
	}
	switch it.field {
	case "_exists_":
		n, err := Exists{Field: text}.compile(s.c)
		return n, true, err
	case "_id", "_index", "_type":
		n, err := Term{Field: it.field, Value: body.Text(text)}.compile(s.c)
		return n, true, err
	}
	fields := s.in(it.field)
	m := Match{Text: text, Kind: body.String, And: s.And, Lenient: s.Lenient, Analyzer: s.Analyzer}
	if len(fields) == 1 && fields[0].Type.Analyzed() && (s.Type == "best_fields" || s.Type == "most_fields") {
		terms := queryTerms(fields[0], s.Analyzer, text)
		if len(terms) == 0 {
			return none{}, false, nil
		}
		if run && len(terms) > 1 && fields[0].Index {
			return s.joined(fields[0], terms)
		}
	}
	asked := len(fields) == 0
	for _, f := range fields {
		asked = asked || !f.Type.Analyzed() || len(queryTerms(f, s.Analyzer, text)) > 0
	}
	if !asked {
		return none{}, false, nil
	}
	n, err := s.each(it.field, func(f *mapping.Field) (node, error) { return m.typed(f, s.Type, s.c) })
	return n, true, err
}

// joined makes the words of a run clauses of their own.
func (s *queryString) joined(f *mapping.Field, terms []string) (node, bool, error) {
	w := words{kind: should}
	if s.And {
		w.kind = must
	}
	if err := s.c.count(len(terms)); err != nil {
		return nil, false, err
	}
	for _, t := range terms {
		w.nodes = append(w.nodes, exactly(f, t))
	}
	w.node = someOf(1, w.nodes)
	return w, true, nil
}

func (s *queryString) quoted(it item) (node, bool, error) {
	switch it.field {
	case "_exists_":
		n, err := Exists{Field: it.text}.compile(s.c)
		return n, true, err
	case "_id", "_index", "_type":
		n, err := Term{Field: it.field, Value: body.Text(it.text)}.compile(s.c)
		return n, true, err
	}
	q := Phrase{Text: it.text, Kind: body.String, Lenient: s.Lenient, Analyzer: s.Analyzer}
	asked := false
	for _, f := range s.in(it.field) {
		asked = asked || !f.Type.Analyzed() || len(queryTerms(f, s.Analyzer, it.text)) > 0
	}
	if !asked && len(s.in(it.field)) > 0 {
		return none{}, false, nil
	}
	n, err := s.each(it.field, func(f *mapping.Field) (node, error) { return q.on(f, s.c) })
	return n, true, err
}

// compared makes a range of >=5.
func (s *queryString) compared(field, text string) (node, error) {
	bound, with := strings.CutPrefix(text[1:], "=")
	it := item{field: field, kind: "range", low: "*", high: "*"}
	if text[0] == '>' {
		it.low, it.lowIn, it.lowQ = bound, with, true
	} else {
		it.high, it.highIn, it.highQ = bound, with, true
	}
	return s.rangeOf(it)
}

func (s *queryString) rangeOf(it item) (node, error) {
	q := Range{From: body.Value{Kind: body.Null}, To: body.Value{Kind: body.Null}, WithFrom: it.lowIn, WithTo: it.highIn}
	if it.low != "*" || it.lowQ {
		q.From = body.Text(it.low)
	}
	if it.high != "*" || it.highQ {
		q.To = body.Text(it.high)
	}
	return s.each(it.field, func(f *mapping.Field) (node, error) {
		bounds := q
		if f.Type.Analyzed() {
			bounds.From.Text, bounds.To.Text = f.SearchAnalyzer.Fold(q.From.Text), f.SearchAnalyzer.Fold(q.To.Text)
		}
		if f.Type.Dates() {
			bounds.Zone = s.Zone
		}
		return between(f, bounds, s.c.Now)
	})
}

func (s *queryString) pattern(it item) (node, error) {
	q := Pattern{Kind: it.kind, Text: it.text}
	if it.kind == "wildcard" && it.text == "*" {
		switch {
		case it.field == "" || it.field == "*":
			return all{}, nil
		default:
			return Exists{Field: it.field}.compile(s.c)
		}
	}
	if it.kind != "regexp" && !s.LeadingWildcard && it.text != "" && (it.text[0] == '*' || it.text[0] == '?') {
		return nil, failed(illegal("Failed to parse query: '*' or '?' not allowed as first character in WildcardQuery"))
	}
	if it.kind == "prefix" {
		q.Text = unescape(strings.TrimSuffix(it.text, "*"))
	}
	switch it.field {
	case "_index", "_type":
		return Pattern{Field: it.field, Kind: q.Kind, Text: q.Text}.compile(s.c)
	}
	if it.kind == "regexp" && len(q.Text) > maxRegexp {
		return nil, failed(illegal("The length of regex [%d] used in the Regexp Query request has exceeded the allowed maximum of [%d].", len(q.Text), maxRegexp))
	}
	return s.each(it.field, func(f *mapping.Field) (node, error) {
		folded := q
		if f.Type.Analyzed() && q.Kind != "regexp" {
			folded.Text = f.SearchAnalyzer.Fold(q.Text)
		}
		return folded.plain(f)
	})
}
