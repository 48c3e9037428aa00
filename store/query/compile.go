package query

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// A Context is what a query means beside its own text.
type Context struct {
	Mapping *mapping.Mapping
	Index   string    // the index's name, for queries on _index
	Aliases []string  // its other names, likewise
	Now     time.Time // of the request, the same for all its indices
}

// A compiler makes nodes and counts them.
type compiler struct {
	Context
	clauses int
}

// Compile makes a plan of a query. An error is an *[Error] that is answered with 400: a value that is none of
// its field's type, a field that cannot be asked so.
func Compile(q Query, c Context) (*Plan, error) {
	n, err := (&compiler{Context: c}).compile(q)
	if err != nil {
		return nil, err
	}
	return &Plan{n}, nil
}

func (c *compiler) compile(q Query) (node, error) {
	if err := c.count(1); err != nil {
		return nil, err
	}
	return q.compile(c)
}

func (c *compiler) count(n int) error {
	if c.clauses += n; c.clauses > 64*maxClauses {
		return tooMany(64 * maxClauses)
	}
	return nil
}

func tooMany(most int) error {
	return failed(&Error{Type: "too_many_clauses", Reason: fmt.Sprintf("maxClauseCount is set to %d", most)})
}

func (c *compiler) each(queries []Query) ([]node, error) {
	if len(queries) > maxClauses {
		return nil, tooMany(maxClauses)
	}
	var out []node
	for _, q := range queries {
		n, err := c.compile(q)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

func (All) compile(*compiler) (node, error)  { return all{}, nil }
func (None) compile(*compiler) (node, error) { return none{}, nil }

func (q Bool) compile(c *compiler) (node, error) {
	must, err := c.each(slices.Concat(q.Must, q.Filter))
	if err != nil {
		return nil, err
	}
	should, err := c.each(q.Should)
	if err != nil {
		return nil, err
	}
	mustNot, err := c.each(q.MustNot)
	if err != nil {
		return nil, err
	}
	if len(must)+len(should)+len(mustNot) == 0 {
		return all{}, nil
	}
	if len(must)+len(should) == 0 && !q.AdjustPureNegative {
		return none{}, nil
	}
	least := 0
	if len(must) == 0 && len(should) > 0 {
		least = 1
	}
	if q.Minimum != "" && len(must)+len(should) > 0 { // of what must not be alone, Elasticsearch forgets the minimum
		if least, err = minimum(q.Minimum, len(should)); err != nil {
			return nil, err
		}
		if len(must) == 0 && len(should) > 0 {
			least = max(least, 1)
		}
	}
	if least > 0 {
		must = append(must, someOf(least, should))
	}
	for _, n := range mustNot {
		must = append(must, notOf(n))
	}
	return allOf(must), nil
}

func (q Any) compile(c *compiler) (node, error) {
	nodes, err := c.each(q.Queries)
	if err != nil {
		return nil, err
	}
	return someOf(1, nodes), nil
}

func (q IDs) compile(*compiler) (node, error) {
	if len(q.Values) == 0 {
		return none{}, nil
	}
	n := ids{}
	for _, id := range q.Values {
		n[id] = true
	}
	return n, nil
}

// unasked are fields that every document has and that cannot be asked here. _id is one of them but for its exact values.
var unasked = []string{"_id", "_seq_no", "_primary_term", "_version", "_source", "_ignored", "_field_names", "_doc_count", "_tier", "_nested_path"}

// field returns the field of that name; without one and without an error nothing can be found.
func (c *compiler) field(name, kind string) (*mapping.Field, error) {
	f, ok := c.Mapping.Field(name)
	if !ok && slices.Contains(unasked, name) {
		return nil, failed(fmt.Errorf("[%s] on [%s] is not served here", kind, name))
	}
	return f, nil
}

// metadata answers what is asked of _id, _index and _type, by a test for their text. ok is false for other fields.
func (c *compiler) metadata(field string, test func(text string) bool) (n node, ok bool) {
	var texts []string
	switch field {
	case "_index":
		texts = append([]string{c.Index}, c.Aliases...)
	case "_type":
		texts = []string{"_doc"}
	default:
		return nil, false
	}
	if slices.ContainsFunc(texts, test) {
		return all{}, true
	}
	return none{}, true
}

func (q Term) compile(c *compiler) (node, error) {
	if n, ok := c.metadata(q.Field, func(s string) bool { return s == q.Value.Text || q.Fold && foldASCII(s) == foldASCII(q.Value.Text) }); ok {
		return n, nil
	}
	if q.Field == "_id" {
		if q.Fold {
			return nil, failed(illegal("[_id] with [case_insensitive] is not served here"))
		}
		return ids{q.Value.Text: true}, nil
	}
	f, err := c.field(q.Field, "term")
	if f == nil {
		return none{}, err
	}
	n, err := term(f, q.Value, q.Fold, c.Now)
	if err != nil {
		return nil, failed(err)
	}
	return n, nil
}

func (q Terms) compile(c *compiler) (node, error) {
	if n, ok := c.metadata(q.Field, func(s string) bool {
		return slices.ContainsFunc(q.Values, func(v body.Value) bool { return v.Text == s })
	}); ok {
		return n, nil
	}
	if q.Field == "_id" {
		list := IDs{}
		for _, v := range q.Values {
			list.Values = append(list.Values, v.Text)
		}
		return list.compile(c)
	}
	f, err := c.field(q.Field, "terms")
	if f == nil || len(q.Values) == 0 {
		return none{}, err
	}
	n, err := terms(f, q.Values, c.Now)
	if err != nil {
		return nil, failed(err)
	}
	return n, nil
}

func (q Range) compile(c *compiler) (node, error) {
	f, err := c.field(q.Field, "range")
	if f == nil {
		return none{}, err
	}
	n, err := between(f, q, c.Now)
	if err != nil {
		return nil, failed(err)
	}
	return n, nil
}

func (q Exists) compile(c *compiler) (node, error) {
	if q.Field == "_id" || q.Field == "_index" || q.Field == "_source" || q.Field == "_type" {
		return all{}, nil
	}
	var nodes []node
	if strings.Contains(q.Field, "*") {
		for _, f := range c.Mapping.Match(q.Field) {
			nodes = append(nodes, exists(f))
		}
	} else if f, ok := c.Mapping.Field(q.Field); ok {
		nodes = append(nodes, exists(f))
	} else if c.Mapping.Object(q.Field) {
		for _, f := range c.Mapping.Match(q.Field + ".*") {
			nodes = append(nodes, exists(f))
		}
	} else if _, err := c.field(q.Field, "exists"); err != nil {
		return nil, err
	}
	if err := c.count(len(nodes)); err != nil {
		return nil, err
	}
	return someOf(1, nodes), nil
}

func (q Pattern) compile(c *compiler) (node, error) {
	test, err := q.tester()
	if err != nil {
		return nil, failed(err)
	}
	if n, ok := c.metadata(q.Field, test); ok {
		return n, nil
	}
	f, err := c.field(q.Field, q.Kind)
	if f == nil {
		return none{}, err
	}
	n, err := q.plain(f)
	if err != nil {
		return nil, failed(err)
	}
	return n, nil
}

func (q Match) compile(c *compiler) (node, error) {
	if q.Field == "_id" || q.Field == "_index" || q.Field == "_type" {
		return Term{Field: q.Field, Value: body.Text(q.Text)}.compile(c)
	}
	f, err := c.field(q.Field, "match")
	if f == nil {
		return none{}, err
	}
	return q.on(f, c)
}

// on makes the query for one field.
func (q Match) on(f *mapping.Field, c *compiler) (node, error) {
	if !f.Type.Analyzed() && !(f.Type.Keywords() && f.Split) && !(f.Type.Keywords() && q.Analyzer != "") {
		n, err := term(f, body.Value{Kind: q.Kind, Text: q.Text}, false, c.Now)
		if q.Prefix && f.Type.Keywords() {
			n, err = Pattern{Kind: "prefix", Text: q.Text}.plain(f)
		}
		return lenient(n, err, q.Lenient)
	}
	if !f.Index {
		return lenient(nil, notIndexed(f), q.Lenient)
	}
	terms := queryTokens(f, q.Analyzer, q.Text)
	if len(terms) == 0 {
		return zeroTerms(q.ZeroAll), nil
	}
	if len(terms) > maxClauses {
		return nil, tooMany(maxClauses)
	}
	if err := c.count(len(terms)); err != nil {
		return nil, err
	}
	var nodes []node
	for i, t := range terms {
		if q.Prefix && i == len(terms)-1 && t.End == len(q.Text) { // no prefix is what something follows
			n, err := Pattern{Kind: "prefix", Text: t.Term}.plain(f)
			if err != nil {
				return lenient(nil, err, q.Lenient)
			}
			nodes = append(nodes, n)
			continue
		}
		nodes = append(nodes, exactly(f, t.Term))
	}
	if q.And || len(nodes) == 1 { // of one term the minimum is not asked
		return allOf(nodes), nil
	}
	least, err := minimum(q.Minimum, len(nodes))
	if err != nil {
		return nil, err
	}
	return someOf(max(1, least), nodes), nil
}

// queryTerms cuts a query's text into the terms that the field has.
func queryTerms(f *mapping.Field, with mapping.Analyzer, text string) []string {
	var out []string
	for _, t := range queryTokens(f, with, text) {
		out = append(out, t.Term)
	}
	return out
}

func queryTokens(f *mapping.Field, with mapping.Analyzer, text string) []mapping.Token {
	a := f.SearchAnalyzer
	switch {
	case with != "":
		a = with
	case f.Type.Keywords():
		a = mapping.Whitespace
	}
	return a.Tokens(text)
}

func zeroTerms(everything bool) node {
	if everything {
		return all{}
	}
	return none{}
}

// lenient makes none of what fails, where that is asked for.
func lenient(n node, err error, on bool) (node, error) {
	switch {
	case err != nil && on:
		return none{}, nil
	case err != nil:
		return nil, failed(err)
	}
	return n, nil
}

func (q Phrase) compile(c *compiler) (node, error) {
	if q.Field == "_id" || q.Field == "_index" || q.Field == "_type" {
		return Term{Field: q.Field, Value: body.Text(q.Text)}.compile(c)
	}
	f, err := c.field(q.Field, "match_phrase")
	if f == nil {
		return none{}, err
	}
	return q.on(f, c)
}

func (q Phrase) on(f *mapping.Field, c *compiler) (node, error) {
	if !f.Type.Analyzed() {
		if q.Prefix {
			err := illegal("Can only use phrase prefix queries on text fields - not on [%s] which is of type [%s]", f.Path, f.Type)
			return lenient(nil, err, q.Lenient)
		}
		n, err := term(f, body.Value{Kind: q.Kind, Text: q.Text}, false, c.Now)
		return lenient(n, err, q.Lenient)
	}
	if !f.Index {
		return lenient(nil, notIndexed(f), q.Lenient)
	}
	terms := queryTerms(f, q.Analyzer, q.Text)
	switch {
	case len(terms) == 0:
		return zeroTerms(q.ZeroAll), nil
	case len(terms) == 1 && q.Prefix:
		n, err := Pattern{Kind: "prefix", Text: terms[0]}.plain(f)
		return lenient(n, err, q.Lenient)
	case len(terms) == 1:
		return exactly(f, terms[0]), nil
	}
	if err := c.count(len(terms)); err != nil {
		return nil, err
	}
	return phrase(f, terms, q.Prefix), nil
}

func (q MultiMatch) compile(c *compiler) (node, error) {
	fields, wide := c.fields(q.Fields)
	m := q.Match
	m.Lenient = m.Lenient || wide && !m.Strict
	var nodes []node
	for _, f := range fields {
		n, err := m.typed(f, q.Type, c)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if err := c.count(len(nodes)); err != nil {
		return nil, err
	}
	return someOf(1, nodes), nil
}

// typed makes a match, a phrase or the beginning of one, as multi_match and query_string name them.
func (q Match) typed(f *mapping.Field, kind string, c *compiler) (node, error) {
	switch kind {
	case "phrase", "phrase_prefix":
		return Phrase{Text: q.Text, Kind: q.Kind, Prefix: kind == "phrase_prefix", Lenient: q.Lenient, ZeroAll: q.ZeroAll, Analyzer: q.Analyzer}.on(f, c)
	case "bool_prefix":
		q.Prefix = true
	}
	return q.on(f, c)
}

// fields returns the fields that patterns name; none are the index's default ones. wide says that it is all of
// them, where values that do not fit a field's type are no error.
func (c *compiler) fields(patterns []string) (fields []*mapping.Field, wide bool) {
	wide = slices.Contains(patterns, "*")
	if len(patterns) == 0 {
		patterns = c.Mapping.Settings().DefaultField
		wide = len(patterns) == 1 && patterns[0] == "*"
	}
	for _, p := range patterns {
		for _, f := range c.Mapping.Match(p) {
			if strings.Contains(p, "*") && (!searchable(f) || !f.Index) || slices.Contains(fields, f) {
				continue
			}
			fields = append(fields, f)
		}
	}
	return fields, wide
}

// searchable says whether a pattern of fields takes the field in: Elasticsearch leaves out those that take no text.
func searchable(f *mapping.Field) bool { return f.Type != mapping.Binary }
