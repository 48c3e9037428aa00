package search

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
)

// root says which version of Elasticsearch this is, and no more of it.
func (p *plan) root() error {
	type version struct {
		Number  string `json:"number"`
		Flavor  string `json:"build_flavor"`
		Type    string `json:"build_type"`
		Hash    string `json:"build_hash"`
		Lucene  string `json:"lucene_version"`
		Wire    string `json:"minimum_wire_compatibility_version"`
		Index   string `json:"minimum_index_compatibility_version"`
		Product string `json:"distribution,omitempty"` // OpenSearch
	}
	var answer struct {
		Name    string  `json:"name"`
		Cluster string  `json:"cluster_name"`
		UUID    string  `json:"cluster_uuid"`
		Version version `json:"version"`
		Tagline string  `json:"tagline"`
	}
	if err := p.h.look(p.ctx, nil, nil, &answer); err != nil {
		return err
	}
	answer.Name, answer.UUID, answer.Tagline = "logapi", "_na_", "You Know, for Search"
	answer.Version.Flavor, answer.Version.Type, answer.Version.Hash = "default", "unknown", "unknown"
	text, _ := json.MarshalIndent(answer, "", "  ")
	p.synthetic = append(text, '\n')
	return nil
}

// search plans a search, also one in a point in time, which names no index.
func (p *plan) search() error {
	v, err := p.object()
	if err != nil {
		return err
	}
	p.handles = map[string]string{}
	if _, ok := p.params["scroll"]; ok {
		p.handles["_scroll_id"] = "scroll"
	}
	var c cutting
	if pit, ok := v.Get("pit"); ok {
		if p.bound["{index}"] != "" {
			return illegal("a search in a point in time must not name an index")
		}
		if pit, err = p.pointInTime(pit); err != nil {
			return err
		}
		setMember(&v, "pit", pit)
		p.handles["pit_id"] = "pit"
		c, err = p.cut("")
		c.names = nil
	} else {
		c, err = p.cutPath(p.bound["{index}"])
	}
	if err == nil {
		err = p.searched(&v, c)
	}
	p.everywhere(c)
	p.send(c.names, "_search")
	p.fill(v)
	return err
}

// searched checks the body of a search, and puts the client's scopes into it.
func (p *plan) searched(v *body.Value, c cutting) error {
	if err := p.window(*v); err != nil {
		return err
	}
	w := walker{p}
	if c.filter == nil {
		return w.refs(v)
	}
	if err := p.params.refuseAny("explain", "terminate_after", "suggest_field", "suggest_text", "suggest_mode", "suggest_size", "stats", "min_score"); err != nil {
		return err
	}
	return w.enforce(v, *c.filter)
}

// everywhere has a search behind a filter sent to every shard. Elasticsearch would leave out those whose oldest and newest
// values are out of a range, hidden documents' among them, and tell how many that were.
func (p *plan) everywhere(c cutting) {
	if c.filter != nil {
		p.params["pre_filter_shard_size"] = strconv.Itoa(math.MaxInt32)
	}
}

// window bounds from + size.
func (p *plan) window(v body.Value) error {
	sum := 0.0
	for _, name := range []string{"from", "size"} {
		text, given := p.params[name], p.params[name] != ""
		if m, ok := v.Get(name); ok && !given {
			text, given = m.Text, true
		}
		if !given {
			continue
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return illegal(name + " must be a number")
		}
		sum += max(n, 0)
	}
	if most := p.h.opts.Limits.Window; sum > float64(most) {
		return illegal(fmt.Sprintf("Result window is too large, from + size must be less than or equal to: [%d]. Use search_after with a point in time, or a scroll", most))
	}
	return nil
}

// asyncSearch plans a search whose answer is fetched later.
func (p *plan) asyncSearch() error {
	v, err := p.object()
	if err != nil {
		return err
	}
	if has(&v, "pit") {
		return illegal("a point in time is not served in an asynchronous search")
	}
	c, err := p.cutPath(p.bound["{index}"])
	if err == nil && c.filter != nil { // it tells how many shards it left out, always
		err = narrowed("an asynchronous search")
	}
	if err == nil {
		err = p.searched(&v, c)
	}
	p.handles = map[string]string{"id": "async"}
	p.send(c.names, "_async_search")
	p.fill(v)
	return err
}

// asyncHandle plans what is done with an asynchronous search.
func (p *plan) asyncHandle() error {
	id, err := p.h.ids.unwrap("async", p.caller, p.bound["{handle}"])
	if err != nil {
		return err
	}
	p.handles = map[string]string{"id": "async"}
	p.send(nil, "_async_search", id)
	if strings.Contains(p.route.path, "/status/") {
		p.send(nil, "_async_search", "status", id)
	}
	return nil
}

// multiSearch plans several searches, each with a line that names its indices.
func (p *plan) multiSearch() error {
	if p.body == nil {
		return illegal("_msearch needs a body: a line that says where, and a line with the search, for each")
	}
	lines := bytes.Split(p.body, []byte("\n"))
	if len(lines[len(lines)-1]) > 0 {
		return illegal("The msearch request must be terminated by a newline [\\n]")
	}
	lines = lines[:len(lines)-1]
	if len(lines) == 0 || len(lines)%2 != 0 || len(bytes.TrimSpace(lines[0])) == 0 {
		return illegal("_msearch needs two lines for each search, and no empty line at its beginning")
	}
	if most := p.h.opts.Limits.Searches; len(lines)/2 > most {
		return illegal(fmt.Sprintf("_msearch has more than %d searches", most))
	}
	for i := 0; i < len(lines); i += 2 {
		if err := p.oneOfMany(lines[i], lines[i+1]); err != nil {
			var why *refusal
			if errors.As(err, &why) {
				which := *why // others may hold it too
				which.reason = fmt.Sprintf("search %d: %s", i/2+1, why.reason)
				return &which
			}
			return err
		}
	}
	p.send(nil, "_msearch")
	return nil
}

// oneOfMany plans one search of several.
func (p *plan) oneOfMany(head, search []byte) error {
	header := body.Value{Kind: body.Object}
	if len(bytes.TrimSpace(head)) > 0 {
		var err error
		if header, err = parse(head, p.h.opts.Limits.Depth); err != nil {
			return err
		}
	}
	v, err := parse(search, p.h.opts.Limits.Depth)
	if err != nil {
		return err
	}
	if header.Kind != body.Object || v.Kind != body.Object {
		return illegal("each line must be a JSON object")
	}
	if has(&v, "pit") {
		return illegal("a point in time is not served in _msearch: use _search")
	}
	expression := p.bound["{index}"]
	written := body.Value{Kind: body.Object}
	for _, m := range header.Members {
		if m.Name == "index" || m.Name == "indices" {
			if has(&header, "index") && has(&header, "indices") {
				return illegal("the line names index and indices: give one of them")
			}
			if expression, err = list(m.Value); err != nil {
				return err
			}
			continue
		}
		value, err := p.headerMember(m)
		if err != nil {
			return err
		}
		setMember(&written, m.Name, value)
	}
	c, err := p.cut(expression)
	if err != nil {
		return err
	}
	if len(c.names) > 0 {
		setMember(&written, "index", texts(c.names))
	}
	if err := p.searched(&v, c); err != nil {
		return err
	}
	p.everywhere(c)
	p.out = append(v.Append(append(written.Append(p.out), '\n')), '\n')
	return nil
}

// list reads an index expression of a body, a text or an array of texts.
func list(v body.Value) (string, error) {
	names := []string{v.Text}
	if v.Kind == body.Array {
		names = nil
		for _, item := range v.Items {
			if item.Kind != body.String || strings.Contains(item.Text, ",") {
				return "", illegal("index must be a text, or an array of texts")
			}
			names = append(names, item.Text)
		}
	} else if v.Kind != body.String {
		return "", illegal("index must be a text, or an array of texts")
	}
	expression := strings.Join(names, ",")
	if expression == "" {
		return "", illegal("index is empty, which Elasticsearch would take for every index")
	}
	return expression, nil
}

// headerMember checks what a line of _msearch says beside its indices; the rules are those of the same parameters.
func (p *plan) headerMember(m body.Member) (body.Value, error) {
	known := map[string]check{"search_type": gathering["search_type"], "request_cache": flag, "preference": preference, "routing": text,
		"allow_partial_search_results": flag, "ignore_unavailable": flag, "allow_no_indices": flag, "ignore_throttled": flag,
		"expand_wildcards": wildcards, "ccs_minimize_roundtrips": flag}[m.Name]
	if known == nil {
		return m.Value, illegal(quote(m.Name) + " is not served in a line of _msearch")
	}
	given := m.Value.Text
	if m.Name == "expand_wildcards" && m.Value.Kind == body.Array {
		var err error
		if given, err = list(m.Value); err != nil {
			return m.Value, err
		}
	} else if m.Value.Kind == body.Object || m.Value.Kind == body.Array || m.Value.Kind == body.Null {
		return m.Value, illegal("cannot use the value of " + m.Name)
	}
	value, ok := known(given, p.h.opts.Limits)
	if !ok {
		return m.Value, illegal("cannot use " + quote(given) + " as " + m.Name)
	}
	if m.Name == "expand_wildcards" && value != "open" && !p.caller.unlimited() {
		return m.Value, forbidden("expand_wildcards must be open: the token narrows searches")
	}
	if m.Value.Kind == body.Bool {
		return m.Value, nil
	}
	return body.Text(value), nil
}

// count plans a count.
func (p *plan) count() error {
	return p.queried("_count", (*plan).searched)
}

// validate plans a check of a query, which is not run.
func (p *plan) validate() error {
	err := p.queried("_validate/query", func(p *plan, v *body.Value, c cutting) error {
		w := walker{p}
		if c.filter == nil {
			return w.refs(v)
		}
		if err := p.params.refuseAny("explain", "terminate_after", "rewrite"); err != nil {
			return err
		}
		return w.search(*v)
	})
	return err
}

// queried plans a call with a body that check looks at.
func (p *plan) queried(call string, check func(*plan, *body.Value, cutting) error) error {
	v, err := p.object()
	if err != nil {
		return err
	}
	c, err := p.cutPath(p.bound["{index}"])
	if err != nil {
		return err
	}
	if err := check(p, &v, c); err != nil {
		return err
	}
	p.send(c.names, strings.Split(call, "/")...)
	p.fill(v)
	return nil
}

// fieldCaps plans a list of fields: names and types, which are not narrowed.
func (p *plan) fieldCaps() error {
	return p.queried("_field_caps", func(p *plan, v *body.Value, c cutting) error {
		if c.filter == nil {
			return (&walker{p}).refs(v)
		}
		for _, m := range v.Members {
			if m.Name != "fields" {
				return narrowed(quote(m.Name) + " of _field_caps")
			}
		}
		return nil
	})
}

// mapping plans the reading of mappings.
func (p *plan) mapping() error {
	c, err := p.cutPath(p.bound["{index}"])
	path := []string{"_mapping"}
	if fields, ok := p.bound["{fields}"]; ok {
		path = append(path, "field", fields)
	}
	p.send(c.names, path...)
	return err
}

// termsEnum plans a list of a field's values, of whatever document they are.
func (p *plan) termsEnum() error {
	return p.queried("_terms_enum", unfiltered("_terms_enum"))
}

// explain plans the explanation of one document's score.
func (p *plan) explain() error {
	c, err := p.one(p.bound["{index}"])
	if err != nil {
		return err
	}
	v, err := p.object()
	if err != nil {
		return err
	}
	if err := unfiltered("_explain")(p, &v, c); err != nil {
		return err
	}
	p.send(c.names, "_explain", p.bound["{id}"])
	p.fill(v)
	return nil
}

// unfiltered checks the body of a call that is refused behind a filter.
func unfiltered(call string) func(*plan, *body.Value, cutting) error {
	return func(p *plan, v *body.Value, c cutting) error {
		if c.filter != nil {
			return narrowed(call)
		}
		return (&walker{p}).refs(v)
	}
}

// document plans the reading of one document by its id.
func (p *plan) document() error {
	c, err := p.one(p.bound["{index}"])
	if err != nil {
		return err
	}
	if c.filter != nil {
		return narrowed("the reading of a document by its id (search for it with an ids query instead)")
	}
	_, call, _ := strings.Cut(p.route.path, "/")
	call, _, _ = strings.Cut(call, "/")
	p.send(c.names, call, p.bound["{id}"])
	return nil
}

// Members of one document of _mget and _mtermvectors.
var documentMembers = words("_index _type _id routing version version_type _source stored_fields fields doc offsets positions payloads term_statistics " +
	"field_statistics filter per_field_analyzer realtime")

// documents plans the reading of several documents, or of what is indexed of them.
func (p *plan) documents() error {
	v, err := p.object()
	if err != nil {
		return err
	}
	var names []string
	if index, ok := p.bound["{index}"]; ok {
		c, err := p.one(index)
		if err != nil {
			return err
		}
		if c.filter != nil {
			return narrowed("the reading of documents by their ids (search for them with an ids query instead)")
		}
		names = c.names
	}
	for i := range v.Members {
		m := &v.Members[i]
		if m.Name != "docs" && m.Name != "ids" && m.Name != "parameters" || m.Name != "parameters" && m.Value.Kind != body.Array {
			return illegal("cannot use " + quote(m.Name) + " here: give docs or ids, an array")
		}
		if m.Name != "docs" && names == nil {
			return illegal("ids need an index in the path")
		}
		if most := p.h.opts.Limits.Searches; len(m.Value.Items) > most {
			return illegal(fmt.Sprintf("more than %d documents are asked for", most))
		}
		for j := range m.Value.Items {
			if err := p.oneDocument(&m.Value.Items[j], m.Name == "docs", names != nil); err != nil {
				return err
			}
		}
	}
	if _, ok := p.params["ids"]; ok && names == nil {
		return illegal("ids need an index in the path")
	}
	p.send(names, strings.TrimPrefix(p.route.path, "{index}/"))
	p.fill(v)
	return nil
}

// oneDocument checks one of the documents that are asked for.
func (p *plan) oneDocument(doc *body.Value, object, placed bool) error {
	if !object {
		if !doc.Scalar() {
			return illegal("an id must be a text")
		}
		return nil
	}
	if doc.Kind != body.Object || !placed && !has(doc, "_index") {
		return illegal("each of docs must be an object that names its _index, if the path names none")
	}
	for i := range doc.Members {
		m := &doc.Members[i]
		switch {
		case !documentMembers[m.Name], m.Name == "_type" && m.Value.Text != "_doc":
			return illegal("cannot use " + quote(m.Name) + " of a document")
		case m.Name == "_index":
			if err := (&walker{p}).single(&m.Value); err != nil {
				return err
			}
		}
	}
	return nil
}
