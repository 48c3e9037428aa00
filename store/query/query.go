// Package query is Elasticsearch's query language over the blocks of the embedded store.
//
//	body ── Parse ──▶ Query ── Compile(mapping, clock) ──▶ Plan ── Select(segment) ──▶ rows
//
// A [Query] is a typed value of what a request means. A [Plan] knows the types of the fields it asks and
// the moment that now stands for. It looks at bloom filters, distinct values and time spans first, and at
// single values last.
//
// What is not served is refused by name: nothing is passed over, so there is no wrong result. Scores are not
// computed: every hit counts 1. Where no sort is asked for, Elasticsearch orders by score; the store gives
// such hits in the order they were written in, which is also Elasticsearch's where all scores are equal, as
// in filters. README.md lists what is served and the differences.
package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// A Query is one of the types below.
type Query interface {
	// compile makes of the query what selects rows.
	compile(c *compiler) (node, error)
}

type (
	// All is match_all.
	All struct{}
	// None is match_none.
	None struct{}
	// Bool is bool. Filter and Must mean the same, as there are no scores.
	Bool struct {
		Must, Filter, Should, MustNot []Query
		Minimum                       string // minimum_should_match, "" for the default
		AdjustPureNegative            bool
	}
	// Any is dis_max: at least one of them.
	Any struct{ Queries []Query }
	// Term is term.
	Term struct {
		Field string
		Value body.Value
		Fold  bool // case_insensitive
	}
	// Terms is terms.
	Terms struct {
		Field  string
		Values []body.Value
	}
	// Range is range. A bound of kind Null is open.
	Range struct {
		Field            string
		From, To         body.Value
		WithFrom, WithTo bool // the bound itself belongs to it
		Format, Zone     string
	}
	// Match is match, and match_bool_prefix if Prefix.
	Match struct {
		Field, Text string
		Kind        body.Kind // of what Text was
		Prefix      bool      // the last term is the beginning of one
		And         bool      // operator
		Minimum     string    // minimum_should_match
		Lenient     bool
		Strict      bool // lenient is false, and not by default
		ZeroAll     bool // zero_terms_query: all
		Analyzer    mapping.Analyzer
	}
	// Phrase is match_phrase, and match_phrase_prefix if Prefix.
	Phrase struct {
		Field, Text string
		Kind        body.Kind
		Prefix      bool
		Lenient     bool
		Strict      bool // lenient is false, and not by default
		ZeroAll     bool
		Analyzer    mapping.Analyzer
	}
	// MultiMatch is multi_match.
	MultiMatch struct {
		Fields []string // patterns; none: the index's default fields
		Type   string   // best_fields, most_fields, phrase, phrase_prefix, bool_prefix
		Match  Match    // but for Field
	}
	// Pattern is wildcard, prefix or regexp.
	Pattern struct {
		Field, Kind, Text string // Kind is wildcard, prefix, regexp
		Fold              bool   // case_insensitive
	}
	// Exists is exists.
	Exists struct{ Field string }
	// IDs is ids.
	IDs struct{ Values []string }
)

// Error is a refusal as Elasticsearch words it.
type Error = mapping.Error

func refuse(format string, args ...any) *Error {
	return &Error{Type: "parsing_exception", Reason: fmt.Sprintf(format, args...)}
}

func illegal(format string, args ...any) *Error {
	return &Error{Type: "illegal_argument_exception", Reason: fmt.Sprintf(format, args...)}
}

// failed says why a query cannot be made on the fields there are.
func failed(cause error) *Error {
	if e, ok := cause.(*Error); ok && e.Type == "query_shard_exception" {
		return e
	}
	if strings.HasPrefix(cause.Error(), "failed to parse date field") {
		return &Error{Type: "parse_exception", Reason: cause.Error() + ": [" + cause.Error() + "]", Cause: illegal("%s", cause.Error())}
	}
	return &Error{Type: "query_shard_exception", Reason: "failed to create query: " + cause.Error(), Cause: illegal("%s", cause.Error())}
}

// maxDepth bounds queries in queries, as indices.query.bool.max_nested_depth does.
const maxDepth = 20

// maxClauses bounds the clauses of one query, as indices.query.bool.max_clause_count does.
const maxClauses = 1024

// maxTerms bounds the values of terms, as index.max_terms_count does.
const maxTerms = 65536

// maxRegexp bounds the length of a regular expression, as index.max_regex_length does.
const maxRegexp = 1000

// Parse reads a query as a request has it below "query": {"term": {…}}. An error is an *[Error] that is
// answered with 400.
func Parse(v body.Value) (Query, error) { return parse(v, 1) }

func parse(v body.Value, depth int) (Query, error) {
	if v.Kind != body.Object {
		return nil, refuse("[_na] query malformed, must start with start_object")
	}
	if len(v.Members) == 0 {
		return nil, illegal("query malformed, empty clause found")
	}
	if len(v.Members) > 1 {
		return nil, refuse("[%s] malformed query, expected [END_OBJECT] but found [FIELD_NAME]", v.Members[0].Name)
	}
	name, content := v.Members[0].Name, v.Members[0].Value
	if depth > maxDepth {
		return nil, illegal("The nested depth of the query exceeds the maximum nested depth for queries set in [indices.query.bool.max_nested_depth]")
	}
	read, ok := readers[name]
	if !ok {
		cause := &Error{Type: "named_object_not_found_exception", Reason: fmt.Sprintf("unknown field [%s]", name)}
		e := refuse("unknown query [%s]", clip(name))
		if slices.Contains(notServed, name) {
			e.Reason += ", which is not served here"
		}
		e.Cause = cause
		return nil, e
	}
	if content.Kind != body.Object {
		return nil, refuse("[%s] query malformed, no start_object after query name", name)
	}
	p := &parser{name: name, depth: depth}
	q := read(p, content)
	if p.err != nil {
		return nil, p.err
	}
	return q, nil
}

// notServed are queries that Elasticsearch has and this package has not.
var notServed = []string{"nested", "has_child", "has_parent", "parent_id", "fuzzy", "more_like_this", "script", "script_score", "function_score", "boosting",
	"geo_bounding_box", "geo_distance", "geo_polygon", "geo_shape", "shape", "percolate", "rank_feature", "distance_feature", "pinned", "wrapper",
	"span_term", "span_near", "span_or", "span_not", "span_first", "span_multi", "span_containing", "span_within", "field_masking_span", "intervals",
	"combined_fields", "terms_set", "common", "type", "text_expansion", "knn"}

func clip(s string) string {
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "..."
	}
	return s
}
