package rest

import (
	"bytes"
	"context"
	"fmt"
	"net/http"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
)

// An updateRequest is what an update says.
type updateRequest struct {
	doc, upsert body.Value
	hasDoc      bool
	hasUpsert   bool
	asUpsert    bool
	detectNoop  bool
}

func readUpdate(source []byte) (updateRequest, error) {
	u := updateRequest{detectNoop: true}
	v, err := body.Parse(source)
	if err != nil {
		return u, err
	}
	if v.Kind != body.Object {
		return u, &failure{typ: "not_x_content_exception", reason: "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"}
	}
	for _, m := range v.Members {
		switch m.Name {
		case "doc", "upsert":
			if m.Value.Kind != body.Object {
				return u, &failure{typ: "x_content_parse_exception", reason: fmt.Sprintf("[UpdateRequest] %s doesn't support values of type: %s", m.Name, m.Value.Kind)}
			}
			if m.Name == "doc" {
				u.doc, u.hasDoc = m.Value, true
			} else {
				u.upsert, u.hasUpsert = m.Value, true
			}
		case "doc_as_upsert", "detect_noop":
			b, err := readBool(m)
			if err != nil {
				return u, err
			}
			if m.Name == "detect_noop" {
				u.detectNoop = *b
			} else {
				u.asUpsert = *b
			}
		case "script", "scripted_upsert":
			return u, notServed("[%s]", m.Name)
		case "_source":
			if m.Value.Text != "false" {
				return u, notServed("[_source] of an update")
			}
		default:
			return u, &failure{typ: "x_content_parse_exception", reason: fmt.Sprintf("[UpdateRequest] unknown field [%s]", clip(m.Name))}
		}
	}
	switch {
	case !u.hasDoc:
		return u, invalid("script or doc is missing")
	case u.asUpsert && u.hasUpsert:
		return u, invalid("can't provide both upsert request and doc_as_upsert")
	}
	return u, nil
}

// updateTries is how often an update is tried again when another write came between.
const updateTries = 10

// update does an update: it reads the document, changes it, and writes it if it is still the same one.
func (h *Handler) update(ctx context.Context, ix *indexState, it *item) {
	u, err := readUpdate(it.source)
	if err != nil {
		it.refuse(err)
		return
	}
	for range updateTries {
		again, err := h.tryUpdate(ctx, ix, it, u)
		if err != nil {
			it.refuse(err)
		}
		if !again || it.ifSeq != nil {
			return
		}
	}
}

func (h *Handler) tryUpdate(ctx context.Context, ix *indexState, it *item, u updateRequest) (again bool, err error) {
	have, ok, err := h.store.Get(ctx, ix.name, it.id)
	if err != nil {
		return false, err
	}
	step := *it
	step.err = nil
	switch {
	case !ok && it.ifSeq != nil:
		return false, it.conflict(store.Result{})
	case !ok && u.hasUpsert:
		step.kind, step.source = store.Create, u.upsert.Append(nil)
	case !ok && u.asUpsert:
		step.kind, step.source = store.Create, u.doc.Append(nil)
	case !ok:
		f := &failure{status: http.StatusNotFound, typ: "document_missing_exception", reason: fmt.Sprintf("[_doc][%s]: document missing", it.id)}
		return false, f.with("index_uuid", ix.uuid).with("shard", "0").with("index", ix.name)
	case it.ifSeq != nil && *it.ifSeq != have.Seq:
		return false, it.conflict(store.Result{Seq: have.Seq, Version: have.Version})
	default:
		old, err := body.Parse(have.Source)
		if err != nil {
			return false, fmt.Errorf("cannot read document %q of index %s: %w", it.id, ix.name, err)
		}
		merged, changed := mergeDocument(old, u.doc)
		if u.detectNoop && !changed {
			it.noop, it.err = true, nil
			it.result = store.Result{ID: it.id, Seq: have.Seq, Version: have.Version}
			return false, nil
		}
		step.kind, step.ifSeq, step.source = store.Index, &have.Seq, merged.Append(nil)
	}
	h.writeBatch(ctx, ix, []*item{&step})
	it.result, it.err = step.result, step.err
	return step.result.Conflict, nil
}

// mergeDocument returns a document with another over it: objects are merged, all else is replaced.
func mergeDocument(old, over body.Value) (out body.Value, changed bool) {
	out = body.Value{Kind: body.Object, Members: append([]body.Member(nil), old.Members...)}
	for _, m := range over.Members {
		at := -1
		for i := range out.Members {
			if out.Members[i].Name == m.Name {
				at = i
			}
		}
		switch {
		case at < 0:
			out.Members = append(out.Members, m)
			changed = true
		case out.Members[at].Value.Kind == body.Object && m.Value.Kind == body.Object:
			inner, c := mergeDocument(out.Members[at].Value, m.Value)
			out.Members[at].Value, changed = inner, changed || c
		default:
			if !bytes.Equal(out.Members[at].Value.Append(nil), m.Value.Append(nil)) {
				changed = true
			}
			out.Members[at].Value = m.Value
		}
	}
	return out, changed
}
