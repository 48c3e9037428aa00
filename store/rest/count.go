package rest

import (
	"net/http"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/query"
	"github.com/podbeat/podbeat/store/search"
)

// queryOf reads a body that holds a query and nothing else, nil if it is not there; or the parameter q; with neither it is all.
func (c *call) queryOf() (query.Query, error) {
	v, ok, err := c.value()
	if err != nil {
		return nil, err
	}
	if !ok {
		if err := c.checkText(); err != nil {
			return nil, err
		}
		if _, ok := c.params["q"]; ok {
			return search.QueryString(c.params)
		}
		return query.All{}, nil
	}
	var strange []string
	for _, name := range strings.Fields(textParams) {
		if _, ok := c.params[name]; ok {
			strange = append(strange, name)
		}
	}
	if len(strange) > 0 { // with a body Elasticsearch does not look at them
		return nil, c.unrecognized(strange)
	}
	if v.Kind != body.Object {
		return nil, &failure{typ: "parsing_exception", reason: "Expected [START_OBJECT] but found [" + v.Kind.String() + "]"}
	}
	var q query.Query
	for _, m := range v.Members {
		if m.Name != "query" {
			return nil, &failure{typ: "parsing_exception", reason: "request does not support [" + clip(m.Name) + "]"}
		}
		if q, err = query.Parse(m.Value); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// count answers _count.
func (c *call) count() error {
	q, err := c.queryOf()
	if err != nil {
		return err
	}
	if q == nil {
		q = query.All{}
	}
	if err := checkPreference(c.params["preference"]); err != nil {
		return err
	}
	if _, ok := c.params["min_score"]; ok {
		return notServed("[min_score]")
	}
	if n, ok := c.params["terminate_after"]; ok && n != "0" {
		return notServed("[terminate_after]")
	}
	response, err := c.searchIndices(search.Counting(q))
	if err != nil {
		return err
	}
	defer response.Close()
	failed := len(response.Failures)
	shards := object("total", response.Indices, "successful", response.Indices-failed, "skipped", 0, "failed", failed)
	if failed > 0 {
		failures, err := body.Parse(response.FailedShards)
		if err != nil {
			return err
		}
		shards.Members = append(shards.Members, body.Member{Name: "failures", Value: failures})
	}
	return c.answer(object("count", response.Total, "_shards", shards))
}

// validate answers _validate/query. The explanation of a query is the query, as there is nothing that it becomes.
func (c *call) validate() error {
	explain := c.flag("explain", false) || c.flag("rewrite", false)
	q, err := c.queryOf()
	if err != nil {
		f := asFailure(err)
		if f.code() != http.StatusBadRequest || f.typ == "action_request_validation_exception" || strings.HasPrefix(f.reason, "request [") {
			return err
		}
		v := object("valid", false)
		if explain {
			v.Members = append(v.Members, body.Member{Name: "error", Value: body.Text(f.nested())})
		}
		return c.answer(v)
	}
	if q == nil {
		return invalid("query cannot be null")
	}
	o := searchOptions
	o.allowNone = false
	if o, err = c.indicesOptions(o); err != nil {
		return err
	}
	names, err := c.h.resolve(c.expression(), o)
	if err != nil {
		f := asFailure(err)
		if f.typ != "index_closed_exception" {
			return err
		}
		why := "index [" + f.meta[1].Value.Text + "] blocked by: [FORBIDDEN/4/index closed];"
		return c.answer(object("_shards", object("total", 0, "successful", 0, "failed", 0), "valid", false,
			"explanations", list(object("valid", false, "error", why))))
	}
	valid, explanations, now := true, list(), c.h.now()
	for _, name := range names {
		ix, err := c.h.lookup(name)
		if err != nil { // it has gone since
			continue
		}
		one := object("index", name)
		if c.flag("all_shards", false) {
			one.Members = append(one.Members, body.Member{Name: "shard", Value: body.Int(0)})
		}
		f := ix.facts.Load()
		_, err = query.Compile(q, query.Context{Mapping: f.mapping, Index: name, Aliases: f.aliasNames(), Now: now})
		valid = valid && err == nil
		one.Members = append(one.Members, body.Member{Name: "valid", Value: body.Boolean(err == nil)})
		if err == nil {
			one.Members = append(one.Members, body.Member{Name: "explanation", Value: body.Text(c.queryText())})
		} else {
			one.Members = append(one.Members, body.Member{Name: "error", Value: body.Text("[" + name + "/" + ix.uuid + "] " + asFailure(err).nested())})
		}
		explanations.Items = append(explanations.Items, one)
	}
	v := object("_shards", object("total", len(explanations.Items), "successful", len(explanations.Items), "failed", 0), "valid", valid)
	if explain {
		v.Members = append(v.Members, body.Member{Name: "explanations", Value: explanations})
	}
	return c.answer(v)
}

// queryText is what a request asks for.
func (c *call) queryText() string {
	if text, ok := c.params["q"]; ok {
		return text
	}
	if v, ok, err := c.value(); ok && err == nil {
		if q, ok := v.Get("query"); ok {
			return q.String()
		}
	}
	return `{"match_all":{}}`
}

// nested is the failure with its causes as Java prints them.
func (f *failure) nested() string {
	var b strings.Builder
	for ; f != nil; f = f.cause {
		for word := range strings.SplitSeq(f.typ, "_") {
			if word != "" {
				b.WriteString(strings.ToUpper(word[:1]) + word[1:])
			}
		}
		b.WriteString("[" + f.reason + "]")
		if f.cause != nil {
			b.WriteString("; nested: ")
		}
	}
	return b.String()
}
