// Package system keeps the few documents that podbeat's programs share in Elasticsearch: the policy, leases, the
// state of the last run. A document is changed only as it was read, so of two writers one is refused.
package system

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/podbeat/podbeat/es"
)

// Index is where the documents are. It is hidden, and they are fetched, never searched.
const Index = ".podbeat-system"

// ErrNone is that of a document which is not there.
var ErrNone = errors.New("there is no such document in " + Index)

// ErrChanged is that of a document which somebody else has changed, made or deleted since it was read.
var ErrChanged = errors.New("somebody else has changed it")

// A Place is where a document was when it was read or written. The zero value: it is not there.
type Place struct{ seqNo, term int64 }

func (p Place) query() url.Values {
	if p == (Place{}) {
		return url.Values{"op_type": {"create"}}
	}
	return url.Values{"if_seq_no": {strconv.FormatInt(p.seqNo, 10)}, "if_primary_term": {strconv.FormatInt(p.term, 10)}}
}

// Get reads the document id into doc.
func Get(ctx context.Context, client *es.Client, id string, doc any) (Place, error) {
	var answer struct {
		SeqNo  int64           `json:"_seq_no"`
		Term   int64           `json:"_primary_term"`
		Source json.RawMessage `json:"_source"`
	}
	err := client.Do(ctx, http.MethodGet, es.Path(Index, "_doc", id), nil, nil, &answer)
	switch {
	case es.Status(err) == http.StatusNotFound:
		return Place{}, ErrNone
	case err != nil:
		return Place{}, err
	case answer.Term == 0 || len(answer.Source) == 0:
		return Place{}, fmt.Errorf("cannot read %s/_doc/%s: the answer is not Elasticsearch's", Index, id)
	}
	if err := json.Unmarshal(answer.Source, doc); err != nil {
		return Place{}, fmt.Errorf("cannot read %s/_doc/%s: %w", Index, id, err)
	}
	return Place{answer.SeqNo, answer.Term}, nil
}

// Put writes the document id in place of the one at, and returns where it is now.
func Put(ctx context.Context, client *es.Client, id string, doc any, at Place) (Place, error) {
	if at == (Place{}) {
		if err := makeIndex(ctx, client); err != nil {
			return Place{}, err
		}
	}
	var answer struct {
		SeqNo int64 `json:"_seq_no"`
		Term  int64 `json:"_primary_term"`
	}
	err := client.Do(ctx, http.MethodPut, es.Path(Index, "_doc", id), at.query(), doc, &answer)
	return Place{answer.SeqNo, answer.Term}, changed(err)
}

// Delete deletes the document id if it is still the one at.
func Delete(ctx context.Context, client *es.Client, id string, at Place) error {
	return changed(client.Do(ctx, http.MethodDelete, es.Path(Index, "_doc", id), at.query(), nil, nil))
}

func changed(err error) error {
	if s := es.Status(err); s == http.StatusConflict || s == http.StatusNotFound && es.Type(err) == "" {
		return ErrChanged
	}
	return err
}

// makeIndex makes the index if it is not there. What is in its documents is not indexed, so that the names in
// a policy become no fields.
func makeIndex(ctx context.Context, client *es.Client) error {
	err := client.Do(ctx, http.MethodHead, es.Path(Index), nil, nil, nil)
	if es.Status(err) != http.StatusNotFound {
		return err
	}
	err = client.Do(ctx, http.MethodPut, es.Path(Index), nil, map[string]any{
		"settings": map[string]any{"index": map[string]any{"hidden": true, "number_of_shards": 1, "auto_expand_replicas": "0-1"}},
		"mappings": map[string]any{"dynamic": false, "properties": map[string]any{"policy": map[string]any{"type": "object", "enabled": false}}},
	}, nil)
	if es.Type(err) == "resource_already_exists_exception" {
		return nil
	}
	return err
}
