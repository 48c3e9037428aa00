package search

import (
	"cmp"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/query"
)

// Set takes a parameter of a search's URL, which wins over the body; sorts are put behind those of the body. known is false for one that is none of a search's.
// An error is an *[Error]. [Request.Finish] must be called behind the last.
func (r *Request) Set(name, value string) (known bool, err error) {
	p := &parser{}
	v := body.Text(value)
	switch name {
	case "from", "size", "track_total_hits", "track_scores", "timeout", "version", "seq_no_primary_term", "terminate_after", "explain":
		switch {
		case value != "" || name == "from" || name == "size":
		case name == "version" || name == "seq_no_primary_term":
			return true, nil // as if it were not there
		default:
			v.Text = "true"
		}
		r.setMember(p, name, v)
	case "sort": // behind what the body has
		for field := range strings.SplitSeq(value, ",") {
			name, order, _ := strings.Cut(field, ":")
			s := Sort{Field: name, Desc: name == byScore}
			if order != "" {
				s.Desc = p.order(body.Text(order))
			}
			r.Sort = append(r.Sort, s)
		}
	case "_source", "_source_includes", "_source_excludes":
		r.url.set(name, value)
	case "stored_fields":
		r.Fetch.stored(strings.Split(value, ","))
	case "docvalue_fields":
		r.Fetch.DocValues = p.fieldFormats(name, list(value))
	case "rest_total_hits_as_int":
		r.TotalAsNumber = value == "" || p.flag(name, v)
	case "typed_keys":
		r.TypedKeys = value == "" || p.flag(name, v)
	case "q", "df", "default_operator", "analyze_wildcard", "analyzer", "lenient":
		r.url.set(name, value)
	case "allow_partial_search_results":
		r.Whole = !p.flag(name, v)
	case "preference", "routing", "search_type", "request_cache", "batched_reduce_size", "max_concurrent_shard_requests", "pre_filter_shard_size",
		"ccs_minimize_roundtrips", "min_compatible_shard_node", "force_synthetic_source":
		// They say where and how to search, and not what for.
	default:
		return false, nil
	}
	return true, p.err
}

// setMember takes a parameter that is a member of the body too.
func (r *Request) setMember(p *parser, name string, v body.Value) {
	if !r.Fetch.member(p, name, v) {
		r.member(p, name, v)
	}
}

func list(value string) body.Value {
	v := body.Value{Kind: body.Array}
	for s := range strings.SplitSeq(value, ",") {
		v.Items = append(v.Items, body.Text(s))
	}
	return v
}

// given are parameters that mean something together.
type given map[string]string

func (g *given) set(name, value string) {
	if *g == nil {
		*g = make(given)
	}
	(*g)[name] = value
}

// source takes what the URL says of _source, in place of the body.
func (r *Request) source() {
	var f Fetch
	for _, name := range []string{"_source", "_source_includes", "_source_excludes"} {
		value := r.url[name]
		switch {
		case value == "":
			continue
		case name == "_source_excludes":
			f.Excludes = strings.Split(value, ",")
		case value == "false" && name == "_source":
			f.NoSource = true
		case value != "true" || name != "_source":
			f.Includes = strings.Split(value, ",")
		}
		f.sourceAsked = true
	}
	if f.sourceAsked {
		r.Fetch.NoSource, r.Fetch.Includes, r.Fetch.Excludes, r.Fetch.sourceAsked = f.NoSource, f.Includes, f.Excludes, true
	}
}

// Finish makes the query of q, and checks that the parameters go with the body.
func (r *Request) Finish() error {
	r.source()
	if _, ok := r.url["q"]; ok {
		q, err := QueryString(r.url)
		if err != nil {
			return err
		}
		r.Query, r.score = q, 1
	}
	return r.check()
}

// QueryString makes a query of the URL parameter q and those that go with it: df, default_operator, analyze_wildcard,
// analyzer, lenient.
func QueryString(parameters map[string]string) (query.Query, error) {
	content := body.Value{Kind: body.Object, Members: []body.Member{{Name: "query", Value: body.Text(parameters["q"])}}}
	names := map[string]string{"df": "default_field", "default_operator": "default_operator", "analyze_wildcard": "analyze_wildcard", "analyzer": "analyzer", "lenient": "lenient"}
	var given []string
	for name := range parameters {
		given = append(given, name)
	}
	slices.Sort(given)
	for _, name := range given {
		if to, ok := names[name]; ok {
			value := parameters[name]
			if name == "lenient" || name == "analyze_wildcard" {
				value = cmp.Or(value, "true")
			}
			content.Members = append(content.Members, body.Member{Name: to, Value: body.Text(value)})
		}
	}
	return query.Parse(body.Value{Kind: body.Object, Members: []body.Member{{Name: "query_string", Value: content}}})
}
