package rest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/search"
)

const (
	casParams    = writeParams + " if_seq_no if_primary_term version version_type "
	sourceParams = " _source _source_includes _source_excludes "
	readParams   = sourceParams + " stored_fields preference realtime refresh routing version version_type "
)

func (h *Handler) documentRoutes() []*route {
	var all []*route
	add := func(some []*route) { all = append(all, some...) }
	add(with(routes("POST", "/{index}/_doc", casParams+"op_type", (*call).index), true, h.writes))
	add(with(routes("POST|PUT", "/{index}/_doc/{id}", casParams+"op_type", (*call).index), true, h.writes))
	add(with(routes("POST|PUT", "/{index}/_create/{id},/{index}/_doc/{id}/_create", casParams, (*call).createDocument), true, h.writes))
	add(with(routes("DELETE", "/{index}/_doc/{id}", casParams, (*call).deleteDocument), false, h.writes))
	add(with(routes("POST", "/{index}/_update/{id}", casParams+sourceParams+"retry_on_conflict lang", (*call).updateDocument), true, h.writes))
	add(routes("GET|HEAD", "/{index}/_doc/{id}", readParams, (*call).get))
	add(routes("GET|HEAD", "/{index}/_source/{id}", readParams, (*call).source))
	add(with(routes("GET|POST", "/_mget,/{index}/_mget", readParams, (*call).multiGet), true, h.searches))
	return all
}

// index writes one document.
func (c *call) index() error { return c.writeDocument(c.params["op_type"]) }

func (c *call) createDocument() error { return c.writeDocument("create") }

func (c *call) writeDocument(op string) error {
	it := item{action: "index", kind: store.Index}
	switch op {
	case "index":
	case "":
		if c.names["id"] == "" {
			it.kind = store.Create
		}
	case "create":
		it.kind = store.Create
	default:
		return illegal("opType must be 'create' or 'index', found: [%s]", clip(op))
	}
	content, err := c.body()
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return &failure{typ: "parse_exception", reason: "request body is required"}
	}
	it.source = content
	return c.writeOne(it)
}

func (c *call) deleteDocument() error {
	if err := c.noBody(); err != nil {
		return err
	}
	return c.writeOne(item{action: "delete", kind: store.Delete})
}

func (c *call) updateDocument() error {
	content, err := c.body()
	if err != nil {
		return err
	}
	for _, name := range []string{"_source", "_source_includes", "_source_excludes"} {
		if c.params[name] != "" && c.params[name] != "false" {
			return notServed("[%s] of an update", name)
		}
	}
	return c.writeOne(item{action: "update", kind: store.Index, update: true, source: content})
}

// writeOne does the one write that a request asks for.
func (c *call) writeOne(it item) error {
	if err := c.checkWrite(); err != nil {
		return err
	}
	forced, err := c.refresh()
	if err != nil {
		return err
	}
	if c.params["version"] != "" || c.params["version_type"] != "" && c.params["version_type"] != "internal" {
		return notServed("[version] of a write: use [if_seq_no] and [if_primary_term], which")
	}
	it.index, it.id, it.alone = c.names["index"], c.names["id"], true
	it.requireAlias = c.flag("require_alias", false)
	if _, it.hasID = c.names["id"]; it.hasID {
		if err := checkID(it.id); err != nil {
			return err
		}
	}
	if err := c.compareAndSet(&it); err != nil {
		return err
	}
	items, begun := []item{it}, time.Now()
	if err := c.h.write(c.context(), items); err != nil {
		return err
	}
	c.h.counters.count(items, time.Since(begun))
	it = items[0]
	if it.err != nil {
		return it.err
	}
	if it.result.Created {
		c.w.Header().Set("Location", "/"+url.PathEscape(it.ix.name)+"/_doc/"+url.PathEscape(it.result.ID))
	}
	c.reply(it.status(), append(it.append([]byte{'{'}, forced), '}'))
	return nil
}

// compareAndSet takes if_seq_no and if_primary_term, which belong together.
func (c *call) compareAndSet(it *item) error {
	seq, hasSeq := c.number("if_seq_no")
	term, hasTerm := c.number("if_primary_term")
	switch {
	case !hasSeq && !hasTerm:
		return nil
	case hasSeq && seq < 0:
		return illegal("sequence numbers must be non negative. got [%d].", seq)
	case hasSeq && !hasTerm:
		return invalid("ifSeqNo is set, but primary term is [0]")
	case !hasSeq:
		return invalid(fmt.Sprintf("ifSeqNo is unassigned, but primary term is [%d]", term))
	case it.kind == store.Create:
		return invalid("create operations do not support compare and set. use index instead")
	}
	it.setTerm(seq, term)
	return nil
}

// fetch reads what of a document is asked for.
func (c *call) fetch() (*search.Fetch, error) {
	r, err := search.Parse(body.Value{})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"_source", "_source_includes", "_source_excludes", "stored_fields"} {
		if value, ok := c.params[name]; ok {
			if _, err := r.Set(name, value); err != nil {
				return nil, err
			}
		}
	}
	if err := r.Finish(); err != nil {
		return nil, err
	}
	if c.params["version"] != "" || c.params["routing"] != "" {
		return nil, notServed("[version] or [routing] of a document that is read")
	}
	return &r.Fetch, nil
}

// get answers with one document.
func (c *call) get() error {
	if err := c.noBody(); err != nil {
		return err
	}
	f, err := c.fetch()
	if err != nil {
		return err
	}
	ix, err := c.h.readIndex(c.names["index"])
	if err == nil {
		err = ix.blocked("read")
	}
	if err != nil {
		return err
	}
	text, found, err := c.document(ix, c.names["id"], f)
	if err != nil {
		return err
	}
	status := http.StatusOK
	if !found {
		status = http.StatusNotFound
	}
	c.reply(status, text)
	return nil
}

// document writes what there is of a document.
func (c *call) document(ix *indexState, id string, f *search.Fetch) (text []byte, found bool, err error) {
	d, found, err := c.h.store.Get(c.context(), ix.name, id)
	if err != nil {
		return nil, false, err
	}
	if err := c.room(int64(len(d.Source))); err != nil {
		return nil, false, err
	}
	out := body.AppendString([]byte(`{"_index":`), ix.name)
	out = body.AppendString(append(out, `,"_type":"_doc","_id":`...), id)
	if !found {
		return append(out, `,"found":false}`...), false, nil
	}
	out = strconv.AppendInt(append(out, `,"_version":`...), d.Version, 10)
	out = strconv.AppendInt(append(out, `,"_seq_no":`...), d.Seq, 10)
	out = append(out, `,"_primary_term":1,"found":true`...)
	if !f.NoSource {
		source, err := f.Cut(d.Source)
		if err != nil {
			return nil, false, err
		}
		out = append(append(out, `,"_source":`...), bytes.TrimSpace(source)...)
	}
	return append(out, '}'), true, nil
}

// source answers with a document's own JSON.
func (c *call) source() error {
	if err := c.noBody(); err != nil {
		return err
	}
	f, err := c.fetch()
	if err != nil {
		return err
	}
	if f.NoSource {
		return invalid("fetching source can not be disabled")
	}
	ix, err := c.h.readIndex(c.names["index"])
	if err == nil {
		err = ix.blocked("read")
	}
	if err != nil {
		return err
	}
	d, found, err := c.h.store.Get(c.context(), ix.name, c.names["id"])
	if err != nil {
		return err
	}
	if !found {
		return &failure{status: http.StatusNotFound, typ: "resource_not_found_exception",
			reason: fmt.Sprintf("Document not found [%s]/[_doc]/[%s]", c.names["index"], clip(c.names["id"]))}
	}
	source, err := f.Cut(d.Source)
	if err != nil {
		return err
	}
	c.reply(http.StatusOK, source)
	return nil
}

// A wanted is a document that _mget asks for.
type wanted struct {
	index, id string
	fetch     *search.Fetch
}

// multiGet answers _mget.
func (c *call) multiGet() error {
	f, err := c.fetch()
	if err != nil {
		return err
	}
	content, err := c.body()
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return &failure{typ: "parse_exception", reason: "request body or source parameter is required"}
	}
	v, err := body.Parse(content)
	if err != nil {
		return err
	}
	all, err := c.wanted(v, f)
	if err != nil {
		return err
	}
	if len(all) > c.h.limits.Items {
		return tooManyItems(c.h.limits.Items)
	}
	out := []byte(`{"docs":[`)
	for i, w := range all {
		if i > 0 {
			out = append(out, ',')
		}
		text, err := c.one(w)
		if err != nil {
			return err
		}
		out = append(out, text...)
	}
	c.reply(http.StatusOK, append(out, "]}"...))
	return nil
}

// one is the answer for one document of _mget.
func (c *call) one(w wanted) ([]byte, error) {
	ix, err := c.h.readIndex(w.index)
	if err == nil {
		err = ix.blocked("read")
	}
	if err != nil {
		return object("_index", w.index, "_type", nil, "_id", w.id, "error", asFailure(err).value(true)).Append(nil), nil
	}
	text, _, err := c.document(ix, w.id, w.fetch)
	return text, err
}

func (c *call) wanted(v body.Value, f *search.Fetch) ([]wanted, error) {
	var all []wanted
	for _, m := range v.Members {
		if m.Value.Kind != body.Array {
			return nil, &failure{typ: "parsing_exception", reason: fmt.Sprintf("unknown key [%s] for a %s, expected [docs] or [ids]", clip(m.Name), m.Value.Kind)}
		}
		switch m.Name {
		case "ids":
			for _, item := range m.Value.Items {
				if !item.Scalar() || item.Kind == body.Null {
					return nil, illegal("ids array element should only contain ids")
				}
				all = append(all, wanted{c.names["index"], item.Text, f})
			}
		case "docs":
			for _, item := range m.Value.Items {
				w, err := c.wantedDoc(item, f)
				if err != nil {
					return nil, err
				}
				all = append(all, w)
			}
		default:
			return nil, &failure{typ: "parsing_exception", reason: fmt.Sprintf("unknown key [%s] for a START_ARRAY, expected [docs] or [ids]", clip(m.Name))}
		}
	}
	if len(all) == 0 {
		return nil, invalid("no documents to get")
	}
	reason := ""
	for i, w := range all {
		for _, missing := range []struct {
			on   bool
			what string
		}{{w.index == "", "index"}, {w.id == "", "id"}} {
			if missing.on && len(reason) < 10000 {
				reason += fmt.Sprintf(" %d: %s is missing for doc %d;", i+1, missing.what, i)
			}
		}
	}
	if reason != "" {
		return nil, &failure{typ: "action_request_validation_exception", reason: "Validation Failed:" + reason}
	}
	return all, nil
}

func (c *call) wantedDoc(v body.Value, f *search.Fetch) (wanted, error) {
	w := wanted{index: c.names["index"], fetch: f}
	if v.Kind != body.Object {
		return w, illegal("docs array element should include an object")
	}
	asked := object()
	for _, m := range v.Members {
		switch m.Name {
		case "_index":
			w.index = m.Value.Text
		case "_id":
			w.id = m.Value.Text
		case "_type":
			if err := checkType(m.Value.Text); err != nil {
				return w, err
			}
		case "_source", "stored_fields":
			asked.Members = append(asked.Members, m)
		case "routing", "_routing", "version", "_version", "version_type", "_version_type":
			return w, notServed("[%s] in _mget", m.Name)
		default:
			return w, &failure{typ: "parse_exception", reason: fmt.Sprintf("failed to parse multi get request. unknown field [%s]", clip(m.Name))}
		}
	}
	if len(asked.Members) > 0 {
		r, err := search.Parse(asked)
		if err != nil {
			return w, err
		}
		w.fetch = &r.Fetch
	}
	return w, nil
}
