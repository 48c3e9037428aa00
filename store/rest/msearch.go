package rest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/search"
)

// maxSearches bounds the searches of one _msearch.
const maxSearches = 1000

// A headed is one search of several: its line, and its body.
type headed struct {
	expression string
	options    indicesOptions
	whole      bool // refuse it where not every index can be asked
	request    *search.Request
}

// searchMany answers _msearch. What is wrong with a line is wrong with all of it; what an index or a search is refused
// for is said in that search's place.
func (c *call) searchMany() error {
	content, err := c.body()
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return &failure{typ: "parse_exception", reason: "request body or source parameter is required"}
	}
	if err := checkGathering(c.params); err != nil {
		return err
	}
	o, err := c.indicesOptions(searchOptions)
	if err != nil {
		return err
	}
	all, err := readSearches(content, c.expression(), o, func(r *search.Request) error {
		r.TypedKeys = c.flag("typed_keys", false)
		if c.flag("rest_total_hits_as_int", false) {
			if _, err := r.Set("rest_total_hits_as_int", "true"); err != nil {
				return err
			}
		}
		return r.Finish()
	})
	if err != nil {
		return err
	}
	began := c.h.now()
	s := &sink{c: c, head: func() []byte {
		return fmt.Appendf(nil, `{"took":%d,"responses":[`, c.h.now().Sub(began).Milliseconds())
	}}
	for i, one := range all {
		if i > 0 {
			_, err = s.Write([]byte{','})
		}
		if err == nil {
			err = c.searchOne(s, one)
		}
		if err != nil {
			return s.end(err)
		}
	}
	_, err = s.Write([]byte("]}"))
	return s.end(err)
}

// searchOne writes the answer of one of several. An error ends them all.
func (c *call) searchOne(s *sink, one headed) error {
	var response *search.Response
	var err error
	if one.request.PIT != "" {
		response, err = c.searchIn(one.request)
	} else {
		response, err = c.run(one.request, one.expression, one.options)
	}
	if gone := c.context().Err(); gone != nil {
		return gone
	}
	if err != nil {
		f := asFailure(err)
		if f.own() {
			c.h.log.Error("cannot answer a search", "path", clip(c.r.URL.Path), "error", f.Error())
		}
		_, err = s.Write(object("error", f.value(true), "status", f.code()).Append(nil))
		return err
	}
	defer response.Close()
	response.Status = http.StatusOK
	return response.Write(s)
}

// readSearches reads the body of an _msearch: a line that says where, and one with the search, for each. finish is
// called with every search.
func readSearches(content []byte, expression string, o indicesOptions, finish func(*search.Request) error) ([]headed, error) {
	content = bytes.TrimPrefix(content, []byte("\n")) // as Elasticsearch does
	lines := bytes.Split(content, []byte("\n"))
	if len(lines[len(lines)-1]) > 0 {
		return nil, illegal("The msearch request must be terminated by a newline [\n]")
	}
	lines = lines[:len(lines)-1]
	switch {
	case len(lines) < 2:
		return nil, invalid("no requests added")
	case len(lines)%2 != 0:
		return nil, illegal("the last of %d lines says where to search, and none follows that says what for", len(lines))
	case len(lines)/2 > maxSearches:
		return nil, illegal("cannot run %d searches at once: at most %d", len(lines)/2, maxSearches)
	}
	var all []headed
	for i := 0; i < len(lines); i += 2 {
		one := headed{expression: expression, options: o}
		if len(bytes.TrimSpace(lines[i])) > 0 {
			v, err := body.Parse(lines[i])
			if err != nil {
				return nil, err
			}
			if err := one.header(v); err != nil {
				return nil, err
			}
		}
		if len(bytes.TrimSpace(lines[i+1])) == 0 {
			return nil, &failure{typ: "parsing_exception", reason: "Expected [START_OBJECT] but found [null]"}
		}
		v, err := body.Parse(lines[i+1])
		if err != nil {
			return nil, err
		}
		if one.request, err = search.Parse(v); err != nil {
			return nil, err
		}
		one.request.Whole = one.whole
		if err := finish(one.request); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// header reads the line that says where to search.
func (one *headed) header(v body.Value) error {
	if v.Kind != body.Object {
		return illegal("a line that says where to search must be an object, not [%s]", v.Kind)
	}
	values := make(map[string]string)
	for _, m := range v.Members {
		name := m.Name
		for i := 1; i < len(name); i++ { // searchType is search_type
			if name[i] >= 'A' && name[i] <= 'Z' {
				name = name[:i] + "_" + strings.ToLower(name[i:i+1]) + name[i+1:]
			}
		}
		switch name {
		case "index", "indices":
			names, err := texts(m)
			if err != nil {
				return err
			}
			if m.Value.Kind == body.Array {
				for _, s := range names {
					if strings.Contains(s, ",") {
						return illegal("an item of [%s] must be one name, not [%s]", m.Name, clip(s))
					}
				}
			}
			one.expression = strings.Join(names, ",")
		case "type", "types":
			names, err := texts(m)
			if err != nil {
				return err
			}
			for _, s := range names {
				if s != "_doc" && s != "" {
					return notServed("the type [%s]", clip(s))
				}
			}
		case "expand_wildcards":
			names, err := texts(m)
			if err != nil {
				return err
			}
			values[name] = strings.Join(names, ",")
		case "search_type", "request_cache", "preference", "routing", "allow_partial_search_results", "ignore_unavailable", "allow_no_indices", "ignore_throttled", "ccs_minimize_roundtrips":
			if !m.Value.Scalar() {
				return illegal("[%s] must be a value, not [%s]", clip(m.Name), m.Value.Kind)
			}
			if m.Value.Kind != body.Null {
				values[name] = m.Value.Text
			}
		default:
			return illegal("key [%s] is not supported in the metadata section", clip(m.Name))
		}
	}
	return one.set(values)
}

// set takes what a line says beside names.
func (one *headed) set(values map[string]string) error {
	if err := checkGathering(values); err != nil {
		return err
	}
	for _, name := range []string{"ignore_unavailable", "allow_no_indices"} {
		if value, ok := values[name]; ok && value != "true" && value != "false" {
			return illegal("Could not convert [%s] to boolean", name)
		}
	}
	var err error
	one.options, err = (&call{params: values}).indicesOptions(one.options)
	one.whole = values["allow_partial_search_results"] == "false"
	return err
}

// texts reads a member that is a text, or a list of texts.
func texts(m body.Member) ([]string, error) {
	items := m.Value.Items
	if m.Value.Kind != body.Array {
		items = []body.Value{m.Value}
	}
	var out []string
	for _, item := range items {
		if !item.Scalar() || item.Kind == body.Null {
			return nil, illegal("[%s] must be a text, or a list of texts", clip(m.Name))
		}
		out = append(out, item.Text)
	}
	return out, nil
}
