package search

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A check returns a parameter's value as it is sent on.
type check func(value string, l Limits) (string, bool)

// params are the parameters of a route by their names.
type params map[string]check

// values are parameters that were given.
type values map[string]string

// take removes a parameter.
func (v values) take(name string) (string, bool) {
	value, ok := v[name]
	delete(v, name)
	return value, ok
}

// refuseAny refuses the first of these parameters that was given.
func (v values) refuseAny(names ...string) error {
	for _, name := range names {
		if value, ok := v[name]; ok && value != "false" {
			return narrowed("the parameter " + name)
		}
	}
	return nil
}

// readParams reads a query. What servers may read differently is refused: a semicolon, which Elasticsearch 7
// takes for &, a name given twice, of which it takes the last one, and escapes that are not right.
func readParams(query string, known params, l Limits) (values, error) {
	v := values{}
	if len(query) > int(l.Body) {
		return nil, illegal("the query is too long")
	}
	if strings.ContainsAny(query, ";#") {
		return nil, illegal("the query has a semicolon or a number sign: write %3B or %23")
	}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err != nil || err2 != nil || !utf8.ValidString(name) || !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			return nil, illegal("cannot decode the query's " + quote(pair))
		}
		if name == "jwt" { // the client's token, which is not Elasticsearch's
			continue
		}
		if _, twice := v[name]; twice {
			return nil, illegal("the parameter " + quote(name) + " is given twice")
		}
		check := known[name]
		if check == nil {
			return nil, illegal("the parameter " + quote(name) + " is not served here")
		}
		value, ok := check(value, l)
		if !ok {
			return nil, illegal("cannot use " + quote(value) + " as " + name)
		}
		v[name] = value
	}
	return v, nil
}

// encode writes v as a query.
func (v values) encode() string {
	q := url.Values{}
	for name, value := range v {
		q.Set(name, value)
	}
	return q.Encode()
}

func text(s string, _ Limits) (string, bool) { return s, true }

func flag(s string, _ Limits) (string, bool) {
	if s == "" {
		s = "true"
	}
	return s, s == "true" || s == "false"
}

func number(s string, _ Limits) (string, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	return strconv.FormatInt(n, 10), err == nil
}

func flagOrNumber(s string, l Limits) (string, bool) {
	if t, ok := flag(s, l); ok {
		return t, true
	}
	return number(s, l)
}

func duration(s string, _ Limits) (string, bool) {
	_, ok := parseDuration(s)
	return s, ok
}

// keepAlive is a duration within Limits.KeepAlive.
func keepAlive(s string, l Limits) (string, bool) {
	d, ok := parseDuration(s)
	return s, ok && d > 0 && d <= l.KeepAlive
}

// parseDuration reads a time as Elasticsearch has it: 500ms, 1.5h; -1 is no limit, and negative.
func parseDuration(s string) (time.Duration, bool) {
	if s == "-1" || s == "0" {
		return -1, true
	}
	i := strings.LastIndexAny(s, "0123456789") + 1
	unit := map[string]time.Duration{"nanos": 1, "micros": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[s[i:]]
	n, err := strconv.ParseFloat(s[:i], 64)
	d := n * float64(unit)
	return time.Duration(d), err == nil && unit > 0 && n >= 0 && d < float64(1000*24*time.Hour) && !strings.ContainsAny(s[:i], "xXpP_eE+")
}

func choice(of ...string) check {
	return func(s string, _ Limits) (string, bool) { return s, slices.Contains(of, s) }
}

// wildcards are the states of indices that a pattern may stand for; hidden ones are the system's own.
func wildcards(s string, _ Limits) (string, bool) {
	for state := range strings.SplitSeq(s, ",") {
		if state != "open" && state != "closed" && state != "none" {
			return s, false
		}
	}
	return s, true
}

// preference is a text of the client's choice, which keeps it on the same copies, or _local; the others name nodes and shards.
func preference(s string, _ Limits) (string, bool) {
	return s, s == "_local" || s != "" && s[0] != '_' && len(s) <= 256
}

func join(sets ...params) params {
	all := params{}
	for _, s := range sets {
		maps.Copy(all, s)
	}
	return all
}

var (
	shown      = params{"pretty": flag, "human": flag, "filter_path": text, "format": choice("json")}
	expanding  = params{"ignore_unavailable": flag, "allow_no_indices": flag, "expand_wildcards": wildcards}
	throttled  = params{"ignore_throttled": flag}
	sourced    = params{"source": text, "source_content_type": text}
	routed     = params{"routing": text, "preference": preference}
	textual    = params{"q": text, "df": text, "analyzer": text, "analyze_wildcard": flag, "lenient": flag, "default_operator": choice("and", "or", "AND", "OR")}
	filtering  = params{"_source": text, "_source_includes": text, "_source_excludes": text, "stored_fields": text}
	shapes     = params{"rest_total_hits_as_int": flag, "typed_keys": flag}
	gathering  = params{"search_type": choice("query_then_fetch", "dfs_query_then_fetch"), "ccs_minimize_roundtrips": flag, "max_concurrent_shard_requests": number, "pre_filter_shard_size": number}
	suggesting = params{"suggest_field": text, "suggest_mode": choice("missing", "popular", "always"), "suggest_size": number, "suggest_text": text}
	requested  = params{"from": number, "size": number, "sort": text, "docvalue_fields": text, "explain": flag, "version": flag, "seq_no_primary_term": flag, "track_scores": flag,
		"track_total_hits": flagOrNumber, "timeout": duration, "terminate_after": number, "stats": text, "request_cache": flag, "batched_reduce_size": number, "allow_partial_search_results": flag}

	searching      = join(shown, expanding, throttled, sourced, routed, textual, filtering, shapes, gathering, suggesting, requested, params{"scroll": keepAlive})
	multiSearching = join(shown, sourced, shapes, gathering, params{"max_concurrent_searches": number}, expanding, throttled)
	counting       = join(shown, expanding, throttled, sourced, routed, textual, params{"min_score": text, "terminate_after": number})
	validating     = join(shown, expanding, sourced, textual, params{"explain": flag, "rewrite": flag, "all_shards": flag})
	fieldCaps      = join(shown, expanding, sourced, params{"fields": text, "include_unmapped": flag, "filters": text, "types": text})
	mapping        = join(shown, expanding, params{"include_defaults": flag, "include_type_name": choice("false"), "local": flag, "master_timeout": duration})
	asyncSearching = join(shown, expanding, throttled, sourced, routed, textual, filtering, shapes, gathering, suggesting, requested,
		params{"wait_for_completion_timeout": duration, "keep_on_completion": flag, "keep_alive": keepAlive})
	asyncGetting = join(shown, params{"wait_for_completion_timeout": duration, "keep_alive": keepAlive, "typed_keys": flag, "rest_total_hits_as_int": flag})
	scrolling    = join(shown, sourced, params{"scroll": keepAlive, "scroll_id": text, "rest_total_hits_as_int": flag})
	opening      = join(shown, expanding, routed, params{"keep_alive": keepAlive})
	getting      = join(shown, routed, filtering, params{"realtime": flag, "version": number, "version_type": choice("internal", "external", "external_gte")})
	gettingMany  = join(shown, sourced, routed, filtering, params{"realtime": flag})
	vectors      = join(shown, sourced, routed, params{"ids": text, "fields": text, "term_statistics": flag, "field_statistics": flag, "offsets": flag, "positions": flag, "payloads": flag,
		"realtime": flag, "version": number, "version_type": choice("internal", "external", "external_gte")})
	explaining = join(shown, sourced, routed, textual, filtering)
)
