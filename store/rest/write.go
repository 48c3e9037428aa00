package rest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
)

// An item is one write of a request, and what has become of it.
type item struct {
	action       string // index, create, delete, update: as it is answered
	kind         store.OpKind
	update       bool
	index        string // as the request names it
	typ          string // as the request names it; "" is _doc
	id           string
	hasID        bool
	source       []byte
	requireAlias bool
	pipeline     string // that it is to go through
	ifSeq        *int64
	ifTerm       int64

	ix     *indexState // where it goes
	result store.Result
	noop   bool
	alone  bool     // it is all that its request asks for
	err    *failure // why it was not done
}

// refuse notes why an item is not done.
func (it *item) refuse(err error) { it.err = asFailure(err) }

// write does items, each index's in their order, and notes in them what has become of each.
func (h *Handler) write(ctx context.Context, items []item) error {
	type place struct {
		index        string
		alias, makes bool
	}
	type found struct {
		ix  *indexState
		err error
	}
	known := make(map[place]found)
	groups := make(map[*indexState][]*item)
	var order []*indexState
	for i := range items {
		it := &items[i]
		if it.err != nil {
			continue
		}
		p := place{it.index, it.requireAlias, !(it.kind == store.Delete)}
		f, ok := known[p]
		if !ok {
			f.ix, f.err = h.writeIndex(ctx, p.index, p.alias, p.makes)
			known[p] = f
		}
		if f.err != nil {
			it.refuse(f.err)
			continue
		}
		it.ix = f.ix
		if groups[f.ix] == nil {
			order = append(order, f.ix)
		}
		groups[f.ix] = append(groups[f.ix], it)
	}
	for _, ix := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		h.writeTo(ctx, ix, groups[ix])
	}
	return nil
}

// writeTo does the items of one index.
func (h *Handler) writeTo(ctx context.Context, ix *indexState, items []*item) {
	if err := h.mayWrite(ix); err != nil {
		refuseAll(items, err)
		return
	}
	for len(items) > 0 { // an update sees what is written before it
		n := 0
		for n < len(items) && !items[n].update {
			n++
		}
		if n > 0 {
			h.writeBatch(ctx, ix, items[:n])
		}
		if n < len(items) {
			h.update(ctx, ix, items[n])
			n++
		}
		items = items[n:]
	}
}

// mayWrite refuses documents where a block forbids them.
func (h *Handler) mayWrite(ix *indexState) error {
	if h.settings.Load().readOnly {
		return clusterBlocked()
	}
	return ix.blocked("write")
}

func refuseAll(items []*item, err error) {
	for _, it := range items {
		if it.err == nil {
			it.refuse(err)
		}
	}
}

// writeBatch does items of one index in one transaction.
func (h *Handler) writeBatch(ctx context.Context, ix *indexState, items []*item) {
	ops := make([]store.Op, 0, len(items))
	if err := h.check(ctx, ix, items, &ops); err != nil {
		refuseAll(items, err)
		return
	}
	if len(ops) == 0 {
		return
	}
	results, err := h.store.BulkTo(ctx, ix.name, ix.uuid, ops)
	if err != nil {
		if errors.Is(err, store.ErrClosed) {
			err = closedIndex(ix)
		} else if errors.Is(err, store.ErrNoIndex) {
			err = missing(ix.name)
		}
		refuseAll(items, err)
		return
	}
	n := 0
	for _, it := range items {
		if it.err != nil {
			continue
		}
		it.take(results[n])
		n++
	}
}

// check finds out what each document means to the mapping, which is kept when it has grown, and makes the writes of
// those that fit.
func (h *Handler) check(ctx context.Context, ix *indexState, items []*item, ops *[]store.Op) error {
	m, growing := ix.facts.Load().mapping, false
	defer func() {
		if growing {
			ix.grow.Unlock()
		}
	}()
	now := h.now().UnixNano()
	for _, it := range items {
		op := store.Op{Kind: it.kind, ID: it.id, Source: it.source, Time: now, IfSeq: it.ifSeq}
		if it.kind != store.Delete {
			added, err := add(m, it)
			if err == nil && added.Mapping != m && !growing {
				// Others may be growing it too: from here on this one does.
				ix.grow.Lock()
				growing, m = true, ix.facts.Load().mapping
				added, err = add(m, it)
			}
			if err != nil && it.id == "" {
				it.id = h.store.NewID() // the error names it
				_, err = add(m, it)
			}
			if err != nil {
				it.refuse(err)
				continue
			}
			m = added.Mapping
			if added.Timed {
				op.Time = added.Time
			}
		}
		*ops = append(*ops, op)
	}
	if growing {
		return h.keepMapping(ctx, ix, m)
	}
	return nil
}

// add is Mapping.Add with what Elasticsearch says of documents that are none.
func add(m *mapping.Mapping, it *item) (mapping.Added, error) {
	if len(bytes.TrimSpace(it.source)) == 0 {
		return mapping.Added{}, &failure{typ: "mapper_parsing_exception", reason: "failed to parse, document is empty"}
	}
	return m.Add(it.id, it.source)
}

// take notes what the store has done.
func (it *item) take(r store.Result) {
	it.result = r
	switch {
	case r.Err != nil:
		it.err = &failure{typ: "mapper_parsing_exception", reason: "failed to parse", cause: illegal("%s", r.Err)}
	case r.Conflict:
		it.err = it.conflict(r)
	}
}

// conflict says why a document was not written over another.
func (it *item) conflict(r store.Result) *failure {
	why := fmt.Sprintf("document already exists (current version [%d])", r.Version)
	if it.ifSeq != nil {
		why = fmt.Sprintf("required seqNo [%d], primary term [%d]. ", *it.ifSeq, it.ifTerm)
		if r.Version == 0 {
			why += "but no document was found"
		} else {
			why += fmt.Sprintf("current document has seqNo [%d] and primary term [%d]", r.Seq, primaryTerm)
		}
	}
	f := &failure{status: http.StatusConflict, typ: "version_conflict_engine_exception", reason: fmt.Sprintf("[%s]: version conflict, %s", it.id, why)}
	return f.with("index_uuid", it.ix.uuid).with("shard", "0").with("index", it.ix.name)
}

// primaryTerm is that of all documents: the store never loses its only copy.
const primaryTerm = 1

// setTerm takes if_seq_no and if_primary_term.
func (it *item) setTerm(seq, term int64) {
	it.ifSeq, it.ifTerm = &seq, term
	if term != primaryTerm {
		never := int64(-2) // no document has that
		it.ifSeq = &never
	}
}

// status is that of HTTP.
func (it *item) status() int {
	switch {
	case it.err != nil:
		return it.err.code()
	case it.result.NotFound:
		return http.StatusNotFound
	case it.result.Created:
		return http.StatusCreated
	}
	return http.StatusOK
}

func (it *item) outcome() string {
	switch {
	case it.noop:
		return "noop"
	case it.result.NotFound:
		return "not_found"
	case it.kind == store.Delete:
		return "deleted"
	case it.result.Created:
		return "created"
	}
	return "updated"
}

// append writes what has become of an item, without its braces.
func (it *item) append(to []byte, refreshed bool) []byte {
	index, id := it.index, it.id
	if it.ix != nil {
		index = it.ix.name
	}
	if it.result.ID != "" {
		id = it.result.ID
	}
	to = append(to, `"_index":`...)
	to = body.AppendString(to, index)
	if it.typ != "" && it.typ != "_doc" {
		to = body.AppendString(append(to, `,"_type":`...), it.typ)
	} else {
		to = append(to, `,"_type":"_doc"`...)
	}
	to = append(to, `,"_id":`...)
	if id == "" && !it.hasID {
		to = append(to, "null"...)
	} else {
		to = body.AppendString(to, id)
	}
	if it.err != nil {
		return to
	}
	to = strconv.AppendInt(append(to, `,"_version":`...), it.result.Version, 10)
	to = append(append(append(to, `,"result":"`...), it.outcome()...), '"')
	switch {
	case it.noop && it.alone:
		to = append(to, `,"_shards":{"total":0,"successful":0,"failed":0}`...)
	case refreshed:
		to = append(to, `,"forced_refresh":true,"_shards":{"total":1,"successful":1,"failed":0}`...)
	default:
		to = append(to, `,"_shards":{"total":1,"successful":1,"failed":0}`...)
	}
	to = strconv.AppendInt(append(to, `,"_seq_no":`...), it.result.Seq, 10)
	return append(to, `,"_primary_term":1`...)
}

// checkRefresh refuses what refresh cannot be. What is written is found at once, whatever it says.
func (c *call) refresh() (forced bool, err error) {
	switch value, ok := c.params["refresh"]; {
	case ok && (value == "" || value == "true"):
		return true, nil
	case value == "", value == "false", value == "wait_for":
		return false, nil
	default:
		return false, illegal("Unknown value for refresh: [%s].", clip(value))
	}
}

// writeParams are the parameters of all that writes documents.
const writeParams = " refresh timeout wait_for_active_shards pipeline routing require_alias "

// checkWrite refuses parameters of a write that the store has no meaning for.
func (c *call) checkWrite() error {
	if p := c.params["pipeline"]; p != "" && p != "_none" {
		return noPipeline(p)
	}
	return c.checkPlace()
}

// checkPlace refuses to write to one of several shards, or to more copies than one.
func (c *call) checkPlace() error {
	if c.params["routing"] != "" {
		return notServed("[routing]")
	}
	return checkActive(c.params["wait_for_active_shards"])
}

// checkActive refuses to wait for copies that there are never.
func checkActive(text string) error {
	switch text {
	case "", "0", "1", "all":
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		f := illegal("cannot parse ActiveShardCount[%s]", clip(text))
		f.cause = &failure{typ: "number_format_exception", reason: fmt.Sprintf("For input string: %q", clip(text))}
		return f
	}
	if n < 0 {
		return illegal("shard count cannot be a negative value")
	}
	return &failure{status: http.StatusServiceUnavailable, typ: "unavailable_shards_exception", reason: fmt.Sprintf("Not enough active copies to meet shard count of [%d] (have 1, needed %d).", n, n)}
}

// checkType refuses types other than _doc.
func checkType(typ string) error {
	if typ != "" && typ != "_doc" {
		return illegal("Invalid type: expecting [_doc] but got [%s]", clip(typ))
	}
	return nil
}

// checkID refuses what no document can be called.
func checkID(id string) error {
	if id == "" {
		return illegal("if _id is specified it must not be empty")
	}
	if len(id) > 512 {
		return invalid(fmt.Sprintf("id [%s] is too long, must be no longer than 512 bytes but was: %d", strings.ToValidUTF8(id, ""), len(id)))
	}
	return nil
}
