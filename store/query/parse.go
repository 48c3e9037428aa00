package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// A parser reads one query. It keeps the first error.
type parser struct {
	name  string
	depth int
	err   error
}

var readers map[string]func(p *parser, v body.Value) Query

func init() { // not in the declaration, as readers lead back to parse
	readers = map[string]func(p *parser, v body.Value) Query{
		"match_all":           func(p *parser, v body.Value) Query { p.only(v); return All{} },
		"match_none":          func(p *parser, v body.Value) Query { p.only(v); return None{} },
		"bool":                (*parser).bool,
		"dis_max":             (*parser).disMax,
		"constant_score":      (*parser).constantScore,
		"term":                (*parser).term,
		"terms":               (*parser).terms,
		"range":               (*parser).rangeQuery,
		"match":               (*parser).match,
		"match_bool_prefix":   (*parser).match,
		"match_phrase":        (*parser).phrase,
		"match_phrase_prefix": (*parser).phrase,
		"multi_match":         (*parser).multiMatch,
		"wildcard":            (*parser).pattern,
		"prefix":              (*parser).pattern,
		"regexp":              (*parser).pattern,
		"exists":              (*parser).exists,
		"ids":                 (*parser).ids,
		"query_string":        (*parser).queryString,
		"simple_query_string": (*parser).simpleQueryString,
	}
}

func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// unknown refuses a member.
func (p *parser) unknown(name string) {
	p.fail(refuse("[%s] query does not support [%s]", p.name, clip(name)))
}

// unserved refuses what Elasticsearch would take.
func (p *parser) unserved(name string) {
	p.fail(refuse("[%s] with [%s] is not served here", p.name, clip(name)))
}

// common passes over what every query may have and what has no meaning without scores. It says whether name is such.
func common(name string) bool { return name == "boost" || name == "_name" }

func (p *parser) only(v body.Value) {
	for _, m := range v.Members {
		if !common(m.Name) {
			p.unknown(m.Name)
		}
	}
}

func (p *parser) text(name string, v body.Value) string {
	if !v.Scalar() || v.Kind == body.Null {
		p.fail(refuse("[%s] [%s] must be text, not [%s]", p.name, name, v.Kind))
	}
	return v.Text
}

func (p *parser) flag(name string, v body.Value) bool {
	switch {
	case v.Text == "true" && v.Scalar():
		return true
	case v.Text == "false" && v.Scalar():
		return false
	}
	p.fail(illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", clip(v.Text)))
	return false
}

func (p *parser) operator(v body.Value) bool {
	switch strings.ToLower(v.Text) {
	case "and":
		return true
	case "or":
		return false
	}
	p.fail(illegal("No enum constant org.elasticsearch.index.query.Operator.%s", clip(strings.ToUpper(v.Text))))
	return false
}

func (p *parser) analyzer(v body.Value) mapping.Analyzer {
	a := mapping.Analyzer(p.text("analyzer", v))
	if !a.Known() {
		p.fail(refuse("[%s] analyzer [%s] not found", p.name, clip(string(a))))
	}
	return a
}

// zero refuses a parameter whose value is another than what it is without.
func (p *parser) zero(name string, v body.Value, without ...string) {
	if v.Kind != body.Null && !slices.Contains(without, v.Text) {
		p.unserved(name)
	}
}

func (p *parser) queries(v body.Value) []Query {
	items := v.Items
	switch v.Kind {
	case body.Null:
		return nil
	case body.Array:
	default:
		items = []body.Value{v}
	}
	var out []Query
	for _, item := range items {
		q, err := parse(item, p.depth+1)
		if err != nil {
			p.fail(err)
			return nil
		}
		out = append(out, q)
	}
	return out
}

func (p *parser) bool(v body.Value) Query {
	q := Bool{AdjustPureNegative: true}
	for _, m := range v.Members {
		switch m.Name {
		case "must":
			q.Must = append(q.Must, p.queries(m.Value)...)
		case "filter":
			q.Filter = append(q.Filter, p.queries(m.Value)...)
		case "should":
			q.Should = append(q.Should, p.queries(m.Value)...)
		case "must_not", "mustNot":
			q.MustNot = append(q.MustNot, p.queries(m.Value)...)
		case "minimum_should_match":
			q.Minimum = p.text(m.Name, m.Value)
		case "adjust_pure_negative":
			q.AdjustPureNegative = p.flag(m.Name, m.Value)
		default:
			if !common(m.Name) {
				p.unknown(m.Name)
			}
		}
	}
	if _, err := minimum(q.Minimum, 1); err != nil {
		p.fail(err)
	}
	return q
}

func (p *parser) disMax(v body.Value) Query {
	var q Any
	found := false
	for _, m := range v.Members {
		switch {
		case m.Name == "queries":
			found = true
			q.Queries = p.queries(m.Value)
		case m.Name == "tie_breaker" || common(m.Name):
		default:
			p.unknown(m.Name)
		}
	}
	if !found || len(q.Queries) == 0 {
		p.fail(refuse("[dis_max] requires 'queries' field with at least one clause"))
	}
	return q
}

func (p *parser) constantScore(v body.Value) Query {
	var q Query
	for _, m := range v.Members {
		switch {
		case m.Name == "filter":
			inner, err := parse(m.Value, p.depth+1)
			if err != nil {
				p.fail(err)
			}
			q = inner
		case common(m.Name):
		default:
			p.unknown(m.Name)
		}
	}
	if q == nil {
		p.fail(refuse("[constant_score] requires a 'filter' element"))
	}
	return q
}

// field takes the one member that names a field, of {"field": …}. Others that every query has may stand beside it.
func (p *parser) field(v body.Value) (name string, content body.Value) {
	for _, m := range v.Members {
		switch {
		case common(m.Name) && len(v.Members) > 1:
		case name != "":
			p.fail(refuse("[%s] query doesn't support multiple fields, found [%s] and [%s]", p.name, clip(name), clip(m.Name)))
		default:
			name, content = m.Name, m.Value
		}
	}
	if name == "" {
		p.fail(illegal("field name is null or empty"))
	}
	return name, content
}

func (p *parser) term(v body.Value) Query {
	var q Term
	q.Field, q.Value = p.field(v)
	content := q.Value
	if content.Kind == body.Object {
		q.Value = body.Value{}
		for _, m := range content.Members {
			switch m.Name {
			case "value", "term":
				q.Value = m.Value
			case "case_insensitive":
				q.Fold = p.flag(m.Name, m.Value)
			default:
				if !common(m.Name) {
					p.unknown(m.Name)
				}
			}
		}
	}
	switch {
	case q.Value.Kind == body.Array:
		p.fail(refuse("[term] query does not support array of values"))
	case q.Value.Kind == body.Object || q.Value.Kind == body.Null || q.Value.Kind == 0:
		p.fail(illegal("value cannot be null"))
	}
	q.Value = asJava(q.Value)
	return q
}

// asJava writes a number with a fraction or an exponent as Java does, which is the text that keywords are asked for.
func asJava(v body.Value) body.Value {
	if v.Kind != body.Number || !strings.ContainsAny(v.Text, ".eE") {
		return v
	}
	if x, err := strconv.ParseFloat(v.Text, 64); err == nil {
		v.Text = mapping.JavaText(x)
	}
	return v
}

func (p *parser) terms(v body.Value) Query {
	var q Terms
	found := false
	for _, m := range v.Members {
		switch {
		case m.Value.Kind == body.Array && found:
			p.fail(refuse("[terms] query does not support multiple fields"))
		case m.Value.Kind == body.Array:
			found = true
			q.Field = m.Name
			for _, item := range m.Value.Items {
				q.Values = append(q.Values, asJava(item))
			}
		case m.Value.Kind == body.Object:
			p.unserved("terms lookup")
		case !common(m.Name):
			p.unknown(m.Name)
		}
	}
	if !found {
		p.fail(refuse("[terms] query requires a field name, followed by array of terms or a document lookup specification"))
	}
	for _, item := range q.Values {
		if !item.Scalar() {
			p.fail(refuse("[terms] query does not support objects and arrays among its values"))
		} else if item.Kind == body.Null {
			p.fail(illegal("No value specified for terms query"))
		}
	}
	if len(q.Values) > maxTerms {
		p.fail(illegal("The number of terms [%d] used in the Terms Query request has exceeded the allowed maximum of [%d]. This maximum can be set by changing the [index.max_terms_count] index level setting.", len(q.Values), maxTerms))
	}
	return q
}

func (p *parser) rangeQuery(v body.Value) Query {
	q := Range{WithFrom: true, WithTo: true, From: body.Value{Kind: body.Null}, To: body.Value{Kind: body.Null}}
	var content body.Value
	q.Field, content = p.field(v)
	if content.Kind != body.Object {
		p.fail(refuse("[range] query does not support [%s]", clip(q.Field)))
	}
	for _, m := range content.Members {
		m.Value = asJava(m.Value)
		if !m.Value.Scalar() {
			p.fail(refuse("[range] query does not support [%s]", clip(m.Name)))
		}
		switch m.Name {
		case "from":
			q.From = m.Value
		case "to":
			q.To = m.Value
		case "gt", "gte":
			q.From, q.WithFrom = m.Value, m.Name == "gte"
		case "lt", "lte":
			q.To, q.WithTo = m.Value, m.Name == "lte"
		case "include_lower":
			q.WithFrom = p.flag(m.Name, m.Value)
		case "include_upper":
			q.WithTo = p.flag(m.Name, m.Value)
		case "format":
			q.Format = p.text(m.Name, m.Value)
			if _, err := mapping.ParseFormat(q.Format); err != nil {
				p.fail(illegal("%v", err))
			}
		case "time_zone":
			q.Zone = p.text(m.Name, m.Value)
			if _, err := mapping.ParseZone(q.Zone); err != nil {
				p.fail(&Error{Type: "date_time_exception", Reason: err.Error()})
			}
		case "relation":
			switch strings.ToLower(m.Value.Text) {
			case "intersects", "within", "contains": // which mean the same for fields of single values
			default:
				p.fail(illegal("[%s] is not a valid relation", clip(m.Value.Text)))
			}
		default:
			if !common(m.Name) {
				p.unknown(m.Name)
			}
		}
	}
	return q
}

// member reads a parameter that match, match_phrase and their kin share.
func (p *parser) member(q *Match, m body.Member) {
	switch m.Name {
	case "query":
		if !m.Value.Scalar() {
			p.fail(refuse("[%s] unknown token [%s] after [query]", p.name, m.Value.Kind))
		}
		q.Text, q.Kind = asJava(m.Value).Text, m.Value.Kind
	case "operator", "default_operator":
		q.And = p.operator(m.Value)
	case "minimum_should_match":
		q.Minimum = p.text(m.Name, m.Value)
		if _, err := minimum(q.Minimum, 1); err != nil {
			p.fail(err)
		}
	case "lenient":
		q.Lenient = p.flag(m.Name, m.Value)
		q.Strict = !q.Lenient
	case "analyzer":
		q.Analyzer = p.analyzer(m.Value)
	case "zero_terms_query":
		switch strings.ToLower(m.Value.Text) {
		case "none":
		case "all":
			q.ZeroAll = true
		default:
			p.fail(refuse("Unsupported zero_terms_query value [%s]", clip(m.Value.Text)))
		}
	case "fuzziness":
		p.zero(m.Name, m.Value, "0")
	case "cutoff_frequency":
		p.zero(m.Name, m.Value)
	case "slop":
		p.zero(m.Name, m.Value, "0")
	case "fuzzy_transpositions", "fuzzy_rewrite", "prefix_length", "max_expansions", "auto_generate_synonyms_phrase_query", "tie_breaker": // without fuzziness, synonyms and scores they mean nothing; max_expansions: see README.md
	default:
		if !common(m.Name) {
			p.unknown(m.Name)
		}
	}
}

func (p *parser) readMatch(v body.Value) Match {
	var q Match
	name, content := p.field(v)
	if content.Kind != body.Object {
		p.member(&q, body.Member{Name: "query", Value: content})
	}
	for _, m := range content.Members {
		p.member(&q, m)
	}
	q.Field = name
	if q.Kind == body.Null || q.Kind == 0 {
		p.fail(illegal("[%s] requires query value", p.name))
	}
	return q
}

func (p *parser) match(v body.Value) Query {
	q := p.readMatch(v)
	q.Prefix = p.name == "match_bool_prefix"
	return q
}

func (p *parser) phrase(v body.Value) Query {
	q := p.readMatch(v)
	return Phrase{Field: q.Field, Text: q.Text, Kind: q.Kind, Prefix: p.name == "match_phrase_prefix", ZeroAll: q.ZeroAll, Analyzer: q.Analyzer}
}

func (p *parser) multiMatch(v body.Value) Query {
	q := MultiMatch{Type: "best_fields"}
	for _, m := range v.Members {
		switch m.Name {
		case "fields":
			q.Fields = p.fields(m.Value)
		case "type":
			q.Type = strings.ToLower(p.text(m.Name, m.Value))
			p.zero(m.Name, m.Value, "best_fields", "most_fields", "phrase", "phrase_prefix", "bool_prefix")
		default:
			p.member(&q.Match, m)
		}
	}
	if q.Match.Kind == 0 || q.Match.Kind == body.Null {
		p.fail(refuse("No text specified for multi_match query"))
	}
	return q
}

// fields reads patterns of fields; a weight (^2) behind one is left out.
func (p *parser) fields(v body.Value) []string {
	items := v.Items
	if v.Kind != body.Array {
		items = []body.Value{v}
	}
	out := []string{}
	for _, item := range items {
		name, weight, weighed := strings.Cut(p.text("fields", item), "^")
		if weighed {
			if _, err := strconv.ParseFloat(weight, 32); err != nil {
				p.fail(&Error{Type: "number_format_exception", Reason: "For input string: \"" + clip(weight) + "\""})
			}
		}
		out = append(out, name)
	}
	return out
}

func (p *parser) pattern(v body.Value) Query {
	q := Pattern{Kind: p.name}
	var content body.Value
	q.Field, content = p.field(v)
	if content.Kind != body.Object {
		q.Text = p.text("value", content)
		return q.checked(p)
	}
	found := false
	for _, m := range content.Members {
		switch {
		case m.Name == "value", m.Name == p.name && p.name != "regexp":
			q.Text, found = p.text(m.Name, m.Value), true
		case m.Name == "case_insensitive":
			q.Fold = p.flag(m.Name, m.Value)
		case m.Name == "rewrite", p.name == "regexp" && m.Name == "max_determinized_states":
		case p.name == "regexp" && (m.Name == "flags" || m.Name == "flags_value"):
			p.zero(m.Name, m.Value, "ALL", "all")
		case !common(m.Name):
			p.unknown(m.Name)
		}
	}
	if !found {
		p.fail(illegal("value cannot be null"))
	}
	return q.checked(p)
}

func (q Pattern) checked(p *parser) Query {
	if q.Kind == "regexp" && len(q.Text) > maxRegexp {
		p.fail(illegal("The length of regex [%d] used in the Regexp Query request has exceeded the allowed maximum of [%d]. This maximum can be set by changing the [index.max_regex_length] index level setting.", len(q.Text), maxRegexp))
	}
	return q
}

func (p *parser) exists(v body.Value) Query {
	var q Exists
	for _, m := range v.Members {
		switch {
		case m.Name == "field":
			q.Field = p.text(m.Name, m.Value)
		case common(m.Name):
		default:
			p.unknown(m.Name)
		}
	}
	if q.Field == "" {
		p.fail(refuse("[exists] must be provided with a [field]"))
	}
	return q
}

func (p *parser) ids(v body.Value) Query {
	var q IDs
	for _, m := range v.Members {
		switch {
		case m.Name == "values":
			items := m.Value.Items
			if m.Value.Kind != body.Array {
				items = []body.Value{m.Value}
			}
			for _, item := range items {
				q.Values = append(q.Values, p.text(m.Name, item))
			}
		case m.Name == "type" || common(m.Name):
		default:
			p.unknown(m.Name)
		}
	}
	return q
}

// minimum returns how many of that many clauses must match: 2, -1, 75%, -25%, or 2<75% 9<-3.
func minimum(spec string, clauses int) (int, error) {
	spec = strings.TrimSpace(spec)
	if spec == "" {
		return 0, nil
	}
	if strings.Contains(spec, "<") {
		n := clauses
		for part := range strings.FieldsSeq(strings.ReplaceAll(strings.ReplaceAll(spec, " <", "<"), "< ", "<")) {
			bound, rest, ok := strings.Cut(part, "<")
			limit, err := strconv.Atoi(bound)
			if !ok || err != nil || rest == "" {
				return 0, &Error{Type: "number_format_exception", Reason: "For input string: \"" + clip(part) + "\""}
			}
			if clauses <= limit {
				return n, nil
			}
			if n, err = minimum(rest, clauses); err != nil {
				return 0, err
			}
		}
		return n, nil
	}
	text, percent := strings.CutSuffix(spec, "%")
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, &Error{Type: "number_format_exception", Reason: "For input string: \"" + clip(text) + "\""}
	}
	if percent {
		part := clauses * n / 100
		if n < 0 {
			part = clauses + part
		}
		return max(0, part), nil
	}
	if n < 0 {
		n = clauses + n
	}
	return max(0, n), nil
}
