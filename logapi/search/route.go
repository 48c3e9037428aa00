package search

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// A route is one of the calls that are served. Whatever is no route is refused.
type route struct {
	path    string   // segments; {index}, {id}, {fields} and {handle} are the client's
	methods []string // others are answered with 405
	params  params
	body    bool // may have one
	lines   bool // the body is NDJSON
	plan    func(*plan) error
}

// A plan is a request on its way: what was read of it, and what is to be sent for it.
type plan struct {
	h      *Handler
	ctx    context.Context
	caller caller
	route  *route
	method string
	bound  map[string]string // the client's segments, decoded
	params values
	accept string
	body   []byte // nil: none
	cuts   int    // elements of index expressions that were looked at

	// What is sent. Segments are not yet escaped.
	path      []string
	out       []byte
	handles   map[string]string // members at the answer's beginning that hold an id, and of what kind
	synthetic []byte            // instead of an answer of Elasticsearch
}

var (
	get     = []string{http.MethodGet}
	getHead = []string{http.MethodGet, http.MethodHead}
	getPost = []string{http.MethodGet, http.MethodPost}
	post    = []string{http.MethodPost}
	del     = []string{http.MethodDelete}
)

// routes are looked through in their order, and methods of equal paths are added up.
var routes = []*route{
	{path: "", methods: getHead, params: shown, plan: (*plan).root},
	{path: "_search", methods: getPost, params: searching, body: true, plan: (*plan).search},
	{path: "{index}/_search", methods: getPost, params: searching, body: true, plan: (*plan).search},
	{path: "_msearch", methods: getPost, params: multiSearching, body: true, lines: true, plan: (*plan).multiSearch},
	{path: "{index}/_msearch", methods: getPost, params: multiSearching, body: true, lines: true, plan: (*plan).multiSearch},
	{path: "_count", methods: getPost, params: counting, body: true, plan: (*plan).count},
	{path: "{index}/_count", methods: getPost, params: counting, body: true, plan: (*plan).count},
	{path: "_validate/query", methods: getPost, params: validating, body: true, plan: (*plan).validate},
	{path: "{index}/_validate/query", methods: getPost, params: validating, body: true, plan: (*plan).validate},
	{path: "_field_caps", methods: getPost, params: fieldCaps, body: true, plan: (*plan).fieldCaps},
	{path: "{index}/_field_caps", methods: getPost, params: fieldCaps, body: true, plan: (*plan).fieldCaps},
	{path: "_mapping", methods: get, params: mapping, plan: (*plan).mapping},
	{path: "{index}/_mapping", methods: get, params: mapping, plan: (*plan).mapping},
	{path: "_mapping/field/{fields}", methods: get, params: mapping, plan: (*plan).mapping},
	{path: "{index}/_mapping/field/{fields}", methods: get, params: mapping, plan: (*plan).mapping},
	{path: "{index}/_terms_enum", methods: getPost, params: shown, body: true, plan: (*plan).termsEnum},
	{path: "_async_search", methods: post, params: asyncSearching, body: true, plan: (*plan).asyncSearch},
	{path: "{index}/_async_search", methods: post, params: asyncSearching, body: true, plan: (*plan).asyncSearch},
	{path: "_async_search/{handle}", methods: get, params: asyncGetting, plan: (*plan).asyncHandle},
	{path: "_async_search/{handle}", methods: del, params: shown, plan: (*plan).asyncHandle},
	{path: "_async_search/status/{handle}", methods: get, params: shown, plan: (*plan).asyncHandle},
	{path: "_search/scroll", methods: getPost, params: scrolling, body: true, plan: (*plan).scroll},
	{path: "_search/scroll/{handle}", methods: getPost, params: scrolling, body: true, plan: (*plan).scroll},
	{path: "_search/scroll", methods: del, params: shown, body: true, plan: (*plan).clearScroll},
	{path: "_search/scroll/{handle}", methods: del, params: shown, body: true, plan: (*plan).clearScroll},
	{path: "{index}/_pit", methods: post, params: opening, plan: (*plan).openPIT},
	{path: "_pit", methods: del, params: shown, body: true, plan: (*plan).closePIT},
	{path: "_mget", methods: getPost, params: gettingMany, body: true, plan: (*plan).documents},
	{path: "{index}/_mget", methods: getPost, params: gettingMany, body: true, plan: (*plan).documents},
	{path: "_mtermvectors", methods: getPost, params: vectors, body: true, plan: (*plan).documents},
	{path: "{index}/_mtermvectors", methods: getPost, params: vectors, body: true, plan: (*plan).documents},
	{path: "{index}/_doc/{id}", methods: getHead, params: getting, plan: (*plan).document},
	{path: "{index}/_source/{id}", methods: getHead, params: getting, plan: (*plan).document},
	{path: "{index}/_explain/{id}", methods: getPost, params: explaining, body: true, plan: (*plan).explain},
}

// match returns the route of a request, and what stands for the client's segments in it.
func match(method string, u *url.URL) (*route, map[string]string, error) {
	parts, err := segments(u)
	if err != nil {
		return nil, nil, err
	}
	var allow []string
	for _, r := range routes {
		bound, err := r.bind(parts)
		if err != nil {
			return nil, nil, err
		}
		if bound == nil {
			continue
		}
		if slices.Contains(r.methods, method) {
			return r, bound, nil
		}
		allow = append(allow, r.methods...)
	}
	if allow != nil {
		return nil, nil, &refusal{status: http.StatusMethodNotAllowed, kind: "illegal_argument_exception",
			reason: "the method " + quote(method) + " is not served here", allow: strings.Join(allow, ", ")}
	}
	return nil, nil, forbidden("this call is not served: only searches are, see the list in docs/logapi-search.md")
}

// bind returns the decoded segments of the client's if r has that path, else nil.
func (r *route) bind(parts []string) (map[string]string, error) {
	bound := map[string]string{}
	if r.path == "" {
		if len(parts) > 0 {
			return nil, nil
		}
		return bound, nil
	}
	pattern := strings.Split(r.path, "/")
	if len(pattern) != len(parts) {
		return nil, nil
	}
	for i, want := range pattern {
		if want[0] != '{' {
			if parts[i] != want {
				return nil, nil
			}
			continue
		}
		if want == "{index}" && parts[i][0] == '_' && parts[i] != "_all" {
			return nil, nil // Elasticsearch's own names
		}
		if want == "{handle}" && (parts[i] == "status" || parts[i] == "scroll") {
			return nil, nil
		}
		bound[want] = parts[i]
	}
	for name, segment := range bound {
		text, err := decode(segment)
		if err != nil {
			return nil, err
		}
		bound[name] = text
	}
	if len(bound["{id}"]) > 512 {
		return nil, illegal("the id of a document is longer than 512 bytes")
	}
	return bound, nil
}

// send says where the request goes: to path below the names that the client's expression was cut to.
func (p *plan) send(names []string, path ...string) {
	p.path = path
	if len(names) > 0 {
		p.path = append([]string{strings.Join(names, ",")}, path...)
	}
}

// object reads the body, which must be an object; missing, it has no members.
func (p *plan) object() (body.Value, error) {
	if p.body == nil {
		return body.Value{Kind: body.Object}, nil
	}
	v, err := parse(p.body, p.h.opts.Limits.Depth)
	if err == nil && v.Kind != body.Object {
		err = illegal("the body must be one JSON object")
	}
	return v, err
}

// parse reads one JSON value.
func parse(data []byte, depth int) (body.Value, error) {
	if tooMuch(data, depth) {
		return body.Value{}, illegal(fmt.Sprintf("the body has objects or arrays nested more than %d deep, or more than %d values", depth, maxValues))
	}
	v, err := body.Parse(data)
	if err != nil {
		return v, &refusal{status: http.StatusBadRequest, kind: "parsing_exception", reason: err.Error()}
	}
	return v, nil
}

// maxValues bounds the values of a body, which take far more memory than their text. It is more than the terms
// that Elasticsearch takes in one query.
const maxValues = 100_000

// tooMuch says whether data has brackets open more than depth times at once, or too many values.
func tooMuch(data []byte, depth int) bool {
	open, values, text := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{' || c == '[':
			open++
			values++
		case c == '}' || c == ']':
			open--
		case c == ',':
			values++
		}
		if open > depth || values > maxValues {
			return true
		}
	}
	return false
}

// fill writes v as the body, unless the client sent none and there is nothing to say.
func (p *plan) fill(v body.Value) {
	if p.body != nil || len(v.Members) > 0 {
		p.out = v.Append(nil)
	}
}

func setMember(v *body.Value, name string, value body.Value) {
	for i := range v.Members {
		if v.Members[i].Name == name {
			v.Members[i].Value = value
			return
		}
	}
	v.Members = append(v.Members, body.Member{Name: name, Value: value})
}

// object makes a JSON object of one member.
func object(name string, value body.Value) body.Value {
	return body.Value{Kind: body.Object, Members: []body.Member{{Name: name, Value: value}}}
}

func array(items ...body.Value) body.Value { return body.Value{Kind: body.Array, Items: items} }

func texts(list []string) body.Value {
	v := array()
	for _, s := range list {
		v.Items = append(v.Items, body.Text(s))
	}
	return v
}
