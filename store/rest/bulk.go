package rest

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
)

func (h *Handler) bulkRoutes() []*route {
	return with(routes("POST|PUT", "/_bulk,/{index}/_bulk,/{index}/_doc/_bulk,/{index}/{type}/_bulk",
		writeParams+"_source _source_includes _source_excludes type", (*call).bulk), true, h.writes)
}

// bulk answers _bulk.
func (c *call) bulk() error {
	begun := time.Now()
	if err := c.checkPlace(); err != nil {
		return err
	}
	forced, err := c.refresh()
	if err != nil {
		return err
	}
	content, err := c.body()
	if err != nil {
		return err
	}
	if len(content) == 0 {
		return &failure{typ: "parse_exception", reason: "request body is required"}
	}
	p := bulkParser{most: c.h.limits.Items, index: c.names["index"], typ: c.names["type"], requireAlias: c.flag("require_alias", false), pipeline: c.params["pipeline"]}
	if err := p.parse(content); err != nil {
		return err
	}
	if err := c.h.write(c.context(), p.items); err != nil {
		return err
	}
	c.h.counters.count(p.items, time.Since(begun))
	c.reply(200, bulkAnswer(p.items, time.Since(begun), forced, p.ingests))
	return nil
}

func bulkAnswer(items []item, took time.Duration, forced, ingests bool) []byte {
	out := make([]byte, 0, 64+200*len(items))
	out = append(out, `{"took":`...)
	out = strconv.AppendInt(out, took.Milliseconds(), 10)
	if ingests {
		out = append(out, `,"ingest_took":0`...)
	}
	failed := false
	for i := range items {
		failed = failed || items[i].err != nil
	}
	out = strconv.AppendBool(append(out, `,"errors":`...), failed)
	out = append(out, `,"items":[`...)
	for i := range items {
		it := &items[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, `{"`...), it.action...), `":{`...)
		out = it.append(out, forced)
		out = strconv.AppendInt(append(out, `,"status":`...), int64(it.status()), 10)
		if it.err != nil {
			out = it.err.value(false).Append(append(out, `,"error":`...))
		}
		out = append(out, "}}"...)
	}
	return append(out, "]}"...)
}

// A bulkParser reads the lines of a bulk. The items point into what it reads.
type bulkParser struct {
	index, typ   string // what goes for actions that name none
	requireAlias bool
	pipeline     string // likewise
	most         int    // items

	items   []item
	ingests bool     // a pipeline was asked for
	wrong   []string // what is wrong with the request as a whole
	r       body.Reader
	line    int
	last    []byte // an action line that may well come again: one without an id
	again   item   // what it means
}

// parse reads a bulk: actions, each with the document that follows it, but for deletes.
func (p *bulkParser) parse(content []byte) error {
	p.items = make([]item, 0, min(bytes.Count(content, []byte{'\n'})/2+1, 1<<16))
	for len(content) > 0 {
		line, rest, ok := bytes.Cut(content, []byte{'\n'})
		if !ok {
			return illegal(`The bulk request must be terminated by a newline [\n]`)
		}
		content = rest
		p.line++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if p.last == nil || !bytes.Equal(line, p.last) {
			it, err := p.action(line)
			if err != nil {
				return err
			}
			p.last, p.again = nil, it
			if !it.hasID {
				p.last = line
			}
		}
		it := p.again
		if it.kind != store.Delete {
			if it.source, content, ok = bytes.Cut(content, []byte{'\n'}); !ok {
				return illegal(`The bulk request must be terminated by a newline [\n]`)
			}
			p.line++
		}
		if len(p.items) == p.most {
			return tooManyItems(p.most)
		}
		p.validate(&it)
		p.ingest(&it)
		p.items = append(p.items, it)
	}
	if len(p.items) == 0 {
		p.wrong = append(p.wrong, "no requests added")
	}
	if len(p.wrong) == 0 {
		return nil
	}
	reason := "Validation Failed: "
	for i, w := range p.wrong {
		reason += fmt.Sprintf("%d: %s;", i+1, w)
	}
	return &failure{typ: "action_request_validation_exception", reason: reason}
}

func tooManyItems(most int) error {
	return &failure{status: http.StatusRequestEntityTooLarge, typ: "illegal_argument_exception",
		reason: fmt.Sprintf("the request is about more than %d documents: send several requests", most)}
}

// mostWrong bounds how many errors are told of.
const mostWrong = 100

// validate notes what makes the whole request wrong, or the item.
func (p *bulkParser) validate(it *item) {
	wrong := func(format string, args ...any) {
		if len(p.wrong) < mostWrong {
			p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
		}
	}
	if it.index == "" {
		wrong("index is missing")
	}
	if it.id == "" && (it.kind == store.Delete || it.update) && !it.hasID {
		wrong("id is missing")
	}
	if len(it.id) > 512 {
		wrong("id [%s] is too long, must be no longer than 512 bytes but was: %d", clip(it.id), len(it.id))
	}
	if it.ifSeq != nil && it.ifTerm == 0 {
		wrong("ifSeqNo is set, but primary term is [0]")
	}
	if it.ifSeq == nil && it.ifTerm != 0 {
		wrong("ifSeqNo is unassigned, but primary term is [%d]", it.ifTerm)
	}
	if it.ifSeq != nil && it.kind == store.Create {
		wrong("create operations do not support compare and set. use index instead")
	}
	if it.ifSeq != nil {
		it.setTerm(*it.ifSeq, it.ifTerm)
	}
	if it.err != nil {
		return
	}
	if err := checkType(it.typ); err != nil {
		it.refuse(err)
	} else if it.hasID && it.id == "" {
		it.refuse(checkID(it.id))
	}
}

// ingest refuses an item that a pipeline is asked for: there is none.
func (p *bulkParser) ingest(it *item) {
	if it.err != nil || it.update || it.kind == store.Delete || it.pipeline == "" || it.pipeline == "_none" {
		return
	}
	p.ingests = true
	it.refuse(noPipeline(it.pipeline))
	if !it.hasID {
		it.id = "auto-generated"
	}
}

func noPipeline(name string) *failure {
	return illegal("pipeline with id [%s] does not exist", clip(name))
}

func (p *bulkParser) malformed(format string, args ...any) error {
	return illegal("Malformed action/metadata line [%d], %s", p.line, fmt.Sprintf(format, args...))
}

// action reads a line that says what is to be done.
func (p *bulkParser) action(line []byte) (item, error) {
	it := item{index: p.index, typ: p.typ, requireAlias: p.requireAlias, pipeline: p.pipeline}
	p.r.Reset(line)
	t, err := p.r.Next()
	if err != nil {
		return it, err
	}
	if t.Kind != body.Object {
		return it, p.malformed("expected START_OBJECT but found [%s]", t.Kind)
	}
	if t, err = p.r.Next(); err != nil {
		return it, err
	}
	if t.Kind == body.EndOfObject {
		return it, p.malformed("expected FIELD_NAME but found [END_OBJECT]")
	}
	if err := it.setAction(t.Text()); err != nil {
		return it, p.malformed("%s", err)
	}
	if t, err = p.r.Next(); err != nil {
		return it, err
	}
	if t.Kind != body.Object {
		return it, p.malformed("expected START_OBJECT or END_OBJECT but found [%s]", t.Kind)
	}
	for {
		if t, err = p.r.Next(); err != nil {
			return it, err
		}
		if t.Kind == body.EndOfObject {
			break
		}
		if err := p.member(&it, t.Text()); err != nil {
			return it, err
		}
	}
	if t, err = p.r.Next(); err != nil {
		return it, err
	}
	if t.Kind != body.EndOfObject {
		return it, p.malformed("expected END_OBJECT but found [%s]", t.Kind)
	}
	return it, p.r.End()
}

func (it *item) setAction(name string) error {
	switch name {
	case "index":
		it.action, it.kind = "index", store.Index
	case "create":
		it.action, it.kind = "create", store.Create
	case "delete":
		it.action, it.kind = "delete", store.Delete
	case "update":
		it.action, it.kind, it.update = "update", store.Index, true
	default:
		return fmt.Errorf("expected one of [create, delete, index, update] but found [%s]", clip(name))
	}
	return nil
}

// member reads one thing that an action line says of its document.
func (p *bulkParser) member(it *item, name string) error {
	t, err := p.r.Next()
	if err != nil {
		return err
	}
	if t.Kind == body.Object || t.Kind == body.Array {
		if name == "_source" || name == "dynamic_templates" && t.Kind == body.Object {
			it.refuse(notServed("[%s] in the action line", name))
			_, err := p.r.Value(t)
			return err
		}
		return p.malformed("expected a simple value for field [%s] but found [%s]", clip(name), t.Kind)
	}
	text, null := t.Text(), t.Kind == body.Null
	number := func() int64 {
		n, e := strconv.ParseInt(text, 10, 64)
		if e != nil {
			err = p.malformed("cannot parse [%s] of field [%s]", clip(text), name)
		}
		return n
	}
	switch name {
	case "_index":
		if !null {
			it.index = text
		}
	case "_type":
		it.typ = text
	case "_id":
		if !null {
			it.id, it.hasID = text, true
		}
	case "op_type":
		if it.kind == store.Index && !it.update && text == "create" {
			it.action, it.kind = "create", store.Create
		} else if text != "index" {
			err = p.malformed("opType must be 'create' or 'index', found: [%s]", clip(text))
		}
	case "if_seq_no", "_if_seq_no":
		n := number()
		it.ifSeq = &n
	case "if_primary_term", "_if_primary_term":
		it.ifTerm = number()
	case "require_alias":
		it.requireAlias = text == "true"
	case "retry_on_conflict", "_retry_on_conflict":
		number()
	case "pipeline":
		if !null {
			it.pipeline = text
		}
	case "routing", "_routing", "version", "_version", "version_type", "_version_type", "parent", "_parent":
		if !null && text != "internal" {
			it.refuse(notServed("[%s] in the action line", name))
		}
	case "_source":
		if !null && text != "false" {
			it.refuse(notServed("[_source] in the action line"))
		}
	default:
		return illegal("Action/metadata line [%d] contains an unknown parameter [%s]", p.line, clip(name))
	}
	return err
}
