package search

import (
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// Behind a filter, a query may stand for all terms of an index that are like what it says, but not for some of them,
// the first, the rarest or the most similar: hidden documents' terms would take the places of the client's own, and
// whether those are found would tell of them, letter for letter. All terms take prefix, wildcard, regexp and range with
// the rewrite constant_score, which is their default; constant_score_boolean fails if there are too many. Fuzzy terms
// are always chosen, whatever their rewrite (Elasticsearch 8 pays no heed to it), and so are the words of phrase prefixes.

// Queries that look at nothing but the documents that are searched, by what they hold.
var leaves = words("match_all match_none term terms range exists prefix wildcard regexp ids match match_phrase match_bool_prefix multi_match " +
	"combined_fields query_string simple_query_string geo_bounding_box geo_distance")

var (
	// What may be said of one field, {"match": {"message": {…}}}. Names that mean something of fuzzy terms alone are
	// here since clients write them always.
	ofField = map[string]map[string]bool{
		"term":     words("value term boost case_insensitive _name"),
		"range":    words("gt gte lt lte from to include_lower include_upper format time_zone relation boost _name"),
		"prefix":   words("value prefix rewrite boost case_insensitive _name"),
		"wildcard": words("value wildcard rewrite boost case_insensitive _name"),
		"regexp":   words("value rewrite flags flags_value max_determinized_states boost case_insensitive _name"),
		"match": words("query analyzer operator minimum_should_match prefix_length max_expansions fuzzy_transpositions lenient zero_terms_query " +
			"auto_generate_synonyms_phrase_query boost _name"),
		"match_phrase":      words("query analyzer slop zero_terms_query boost _name"),
		"match_bool_prefix": words("query analyzer operator minimum_should_match prefix_length max_expansions fuzzy_transpositions boost _name"),
	}
	// What may be said of a query that is not of one field.
	ofQuery = map[string]map[string]bool{
		"match_all":  words("boost _name"),
		"match_none": words("boost _name"),
		"exists":     words("field boost _name"),
		"ids":        words("values type boost _name"),
		"multi_match": words("query fields type analyzer operator minimum_should_match prefix_length max_expansions fuzzy_transpositions lenient zero_terms_query " +
			"auto_generate_synonyms_phrase_query slop tie_breaker boost _name"),
		"combined_fields": words("query fields operator minimum_should_match auto_generate_synonyms_phrase_query zero_terms_query boost _name"),
		"query_string": words("query default_field fields type default_operator analyzer quote_analyzer quote_field_suffix allow_leading_wildcard analyze_wildcard " +
			"auto_generate_synonyms_phrase_query enable_position_increments escape fuzziness fuzzy_prefix_length fuzzy_max_expansions fuzzy_transpositions lenient " +
			"max_determinized_states minimum_should_match phrase_slop rewrite tie_breaker time_zone boost _name"),
		"simple_query_string": words("query fields flags default_operator analyzer quote_field_suffix analyze_wildcard auto_generate_synonyms_phrase_query " +
			"fuzzy_prefix_length fuzzy_max_expansions fuzzy_transpositions lenient minimum_should_match boost _name"),
	}
	// Types of multi_match and query_string. The one that is left out is phrase_prefix.
	types = words("best_fields most_fields cross_fields phrase bool_prefix")
	// Flags of simple_query_string but FUZZY and ALL.
	exact = words("NONE OR AND NOT PREFIX PHRASE PRECEDENCE ESCAPE WHITESPACE NEAR SLOP")
)

// leaf refuses what chooses among the terms of all documents, and what is not known.
func (w *walker) leaf(kind string, v body.Value) error {
	if known := ofQuery[kind]; known != nil {
		return w.said(kind, known, v)
	}
	for _, m := range v.Members {
		known := ofField[kind]
		var err error
		switch {
		case m.Value.Kind != body.Object:
		case kind == "terms":
			err = narrowed("a terms lookup")
		case known != nil:
			err = w.said(kind, known, m.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// said refuses what is said of a query, if it is not among what is known.
func (w *walker) said(kind string, known map[string]bool, v body.Value) error {
	of := " of the query " + quote(kind)
	for _, m := range v.Members {
		switch {
		case !known[m.Name], m.Value.Kind == body.Object:
			return narrowed(quote(m.Name) + of)
		case m.Name == "rewrite" && m.Value.Text != "constant_score":
			return narrowed(quote(m.Name) + of + ", unless it is constant_score,")
		case m.Name == "type" && kind != "ids" && !types[m.Value.Text]:
			return narrowed("the type " + quote(m.Value.Text) + of)
		case m.Name == "query" && kind == "query_string" && fuzzy(m.Value.Text):
			return narrowed("~" + of + `, unless it is written after a phrase ("a phrase"~2) or as \u007e,`)
		case m.Name == "query" && kind == "simple_query_string" && strings.Contains(m.Value.Text, "~") && !exactly(v):
			return narrowed("~" + of + ", unless its flags are given by their names, without FUZZY,")
		}
	}
	return nil
}

// fuzzy says whether a text in Lucene's syntax may hold a fuzzy term. After a quotation mark that is not escaped, ~
// is in a phrase, a regular expression or a range, or says how far apart the words of a phrase may be.
func fuzzy(text string) bool {
	for i := range len(text) {
		if text[i] == '~' && (i == 0 || text[i-1] != '"' || i > 1 && text[i-2] == '\\') {
			return true
		}
	}
	return false
}

// exactly says whether the flags of a simple_query_string leave out fuzzy terms.
func exactly(v body.Value) bool {
	flags, _ := v.Get("flags")
	for flag := range strings.SplitSeq(flags.Text, "|") {
		if !exact[flag] {
			return false
		}
	}
	return true
}
