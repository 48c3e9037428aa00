package search

import (
	"fmt"
	"slices"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/query"
)

// maxWindow bounds how many hits a search looks at to give some of them, as index.max_result_window does.
const maxWindow = 10000

// A Request is a search. Use [Parse] to make one.
type Request struct {
	Query, PostFilter query.Query
	From, Size        int
	Sort              []Sort // empty: as documents were written
	After             []body.Value
	Aggregations      []Aggregation
	TrackTotal        int // count up to so many hits; exact or none
	TrackScores       bool
	Timeout           time.Duration // 0 is none
	TotalAsNumber     bool          // rest_total_hits_as_int
	TypedKeys         bool
	Whole             bool // refuse the search where not every index can be asked it

	Fetch Fetch

	PIT       string // the id of a point in time
	KeepAlive time.Duration

	score      float64 // of each hit
	trackAsked bool    // TrackTotal was asked for
	resume     *hit    // of a scroll: the hit behind which to go on
	counted    *int64  // of a scroll: the hits there are
	seqOrder   bool    // the place among all writes is part of the sort: of points in time and scrolls
	url        given   // of the URL: q and _source, with what goes with them
}

// What TrackTotal can be beside a number.
const (
	exact = 1<<31 - 1
	none  = -1
)

// A Fetch says what of a hit is wanted.
type Fetch struct {
	NoSource           bool
	Includes, Excludes []string
	Fields, DocValues  []FieldFormat
	Version, Seq       bool
	Highlight          *Highlight
	NoStored           bool // neither _id nor _source nor _ignored
	sourceAsked        bool
}

// A FieldFormat is a field, or a pattern of such, and the format that its dates are wanted in.
type FieldFormat struct {
	Pattern, Format string
	Unmapped        bool // fields that are not in the mapping too
}

// Parse reads the body of a search; that of no body is the zero Value. An error is an *[Error].
func Parse(v body.Value) (*Request, error) {
	r := &Request{Size: 10, TrackTotal: 10000, Query: query.All{}, score: 1}
	if v.Kind == 0 {
		return r, nil
	}
	if v.Kind != body.Object {
		return nil, malformed("Expected [START_OBJECT] but found [%s]", v.Kind)
	}
	p := &parser{}
	for _, m := range v.Members {
		if r.member(p, m.Name, m.Value); p.err != nil {
			return nil, p.err
		}
	}
	return r, r.check()
}

// Counting returns a request that counts what a query finds.
func Counting(q query.Query) *Request {
	return &Request{Query: q, TrackTotal: exact, trackAsked: true, score: 1}
}

// check looks at what parts of a request mean together.
func (r *Request) check() error {
	if r.TotalAsNumber {
		if r.trackAsked && r.TrackTotal != exact && r.TrackTotal != none {
			return illegal("[rest_total_hits_as_int] cannot be used if the tracking of total hits is not accurate, got %d", r.TrackTotal)
		}
		if !r.trackAsked {
			r.TrackTotal = exact
		}
	}
	if r.PIT == "" && len(r.Sort) == 1 && r.Sort[0].Field == byScore && r.Sort[0].Desc {
		r.Sort = nil // as without a sort
	}
	if len(r.After) > 0 {
		if r.From > 0 {
			return illegal("`from` parameter must be set to 0 when `search_after` is used.")
		}
		if n := len(r.Sort); len(r.After) != n && !(r.PIT != "" && len(r.After) == n+1) {
			return illegal("search_after has %d value(s) but sort has %d.", len(r.After), n)
		}
	}
	for _, s := range r.Sort {
		if s.Field == shardDoc && r.PIT == "" {
			return &Error{Type: "action_request_validation_exception", Reason: "Validation Failed: 1: [_shard_doc] sort field cannot be used without [point in time];"}
		}
	}
	return nil
}

func (r *Request) member(p *parser, name string, v body.Value) {
	switch name {
	case "query":
		var err error
		if r.Query, err = query.Parse(v); err != nil {
			p.fail(err)
			return
		}
		r.score = score(v)
	case "post_filter":
		var err error
		r.PostFilter, err = query.Parse(v)
		p.fail(err)
	case "from":
		r.From = max(0, p.atLeast(name, v))
	case "size":
		if r.Size = p.atLeast(name, v); r.Size < 0 {
			r.Size = 10
		}
	case "sort":
		r.Sort = p.sorts(v)
	case "search_after":
		if v.Kind != body.Array || len(v.Items) == 0 {
			p.fail(malformed("Values must contains at least one value."))
		}
		r.After = v.Items
	case "track_total_hits":
		r.TrackTotal, r.trackAsked = p.track(v), true
	case "track_scores":
		r.TrackScores = p.flag(name, v)
	case "timeout":
		r.Timeout = max(0, p.duration(name, v))
	case "pit":
		r.pit(p, v)
	case "aggs", "aggregations":
		r.Aggregations = p.aggregations(v, 1)
	case "terminate_after", "min_score", "rescore", "collapse", "suggest", "script_fields", "runtime_mappings", "indices_boost", "slice", "explain", "profile", "ext", "knn":
		// Those that ask for nothing are what some clients always send.
		if empty := v.Text == "0" || v.Text == "false" || v.Kind == body.Null || !v.Scalar() && len(v.Items)+len(v.Members) == 0; !empty {
			p.fail(notServed("[%s]", name))
		}
	case "stats": // names of groups that the search is counted under
		p.texts(name, v)
	default:
		if !r.Fetch.member(p, name, v) {
			p.fail(malformed("Unknown key for a %s in [%s].", v.Kind, clip(name)))
		}
	}
}

// score is what each hit counts: nothing if there are only filters.
func score(v body.Value) float64 {
	if b, ok := v.Get("bool"); ok {
		for _, m := range b.Members {
			if (m.Name == "must" || m.Name == "should") && (m.Value.Kind == body.Object || len(m.Value.Items) > 0) {
				return 1
			}
		}
		if len(b.Members) > 0 {
			return 0
		}
	}
	return 1
}

// atLeast reads a number that may be -1, which says nothing, but not less.
func (p *parser) atLeast(name string, v body.Value) int {
	n := p.int(name, v, -1<<31, 1<<31-1)
	if n < -1 {
		p.fail(illegal("[%s] parameter cannot be negative, found [%d]", name, n))
	}
	return n
}

func (p *parser) track(v body.Value) int {
	switch {
	case v.Scalar() && v.Text == "true":
		return exact
	case v.Scalar() && v.Text == "false":
		return none
	}
	n := p.int("track_total_hits", v, -1<<31, 1<<31-1)
	if n < none {
		p.fail(illegal("[track_total_hits] parameter must be positive or equals to -1, got %d", n))
	}
	return n
}

func (r *Request) pit(p *parser, v body.Value) {
	for _, m := range v.Members {
		switch m.Name {
		case "id":
			r.PIT = p.text(m.Name, m.Value)
		case "keep_alive":
			r.KeepAlive = p.duration(m.Name, m.Value)
		default:
			p.fail(&Error{Type: "x_content_parse_exception", Reason: fmt.Sprintf("[pit] unknown field [%s]", clip(m.Name))})
		}
	}
	if r.PIT == "" {
		p.fail(illegal("point in time id is not provided"))
	}
	r.seqOrder = true
}

func (f *Fetch) member(p *parser, name string, v body.Value) (known bool) {
	switch name {
	case "_source":
		f.source(p, v)
	case "fields":
		f.Fields = p.fieldFormats(name, v)
	case "docvalue_fields":
		f.DocValues = p.fieldFormats(name, v)
	case "stored_fields":
		f.stored(p.texts(name, v))
	case "version":
		f.Version = p.flag(name, v)
	case "seq_no_primary_term":
		f.Seq = p.flag(name, v)
	case "highlight":
		f.Highlight = p.highlight(v)
	default:
		return false
	}
	return true
}

func (f *Fetch) source(p *parser, v body.Value) {
	f.sourceAsked = true
	f.NoSource, f.Includes, f.Excludes = false, nil, nil
	switch v.Kind {
	case body.Bool:
		f.NoSource = v.Text == "false"
	case body.Object:
		for _, m := range v.Members {
			switch m.Name {
			case "include", "includes":
				f.Includes = p.texts(m.Name, m.Value)
			case "exclude", "excludes":
				f.Excludes = p.texts(m.Name, m.Value)
			default:
				p.fail(malformed("Unknown key for a %s in [%s].", m.Value.Kind, clip(m.Name)))
			}
		}
	default:
		f.Includes = p.texts("_source", v)
	}
}

// stored handles stored_fields: no field is stored but in the source, which is left out where it is not asked for.
func (f *Fetch) stored(names []string) {
	if slices.Contains(names, "_none_") {
		f.NoStored, f.NoSource = true, true
		return
	}
	if !f.sourceAsked {
		f.NoSource = !slices.Contains(names, "_source")
	}
}

func (p *parser) fieldFormats(name string, v body.Value) []FieldFormat {
	if v.Kind != body.Array {
		v = body.Value{Kind: body.Array, Items: []body.Value{v}}
	}
	var out []FieldFormat
	for _, item := range v.Items {
		if item.Kind != body.Object {
			out = append(out, FieldFormat{Pattern: p.text(name, item)})
			continue
		}
		var f FieldFormat
		for _, m := range item.Members {
			switch m.Name {
			case "field":
				f.Pattern = p.text(m.Name, m.Value)
			case "format":
				f.Format = p.text(m.Name, m.Value)
			case "include_unmapped":
				f.Unmapped = p.flag(m.Name, m.Value)
			default:
				p.fail(malformed("[%s] unknown field [%s]", name, clip(m.Name)))
			}
		}
		if f.Pattern == "" {
			p.fail(malformed("Required [field]"))
		}
		if f.Format == "use_field_mapping" {
			f.Format = ""
		}
		out = append(out, f)
	}
	if len(out) > 100 {
		p.fail(illegal("Trying to retrieve too many %s. Must be less than or equal to: [100] but was [%d].", name, len(out)))
	}
	return out
}
