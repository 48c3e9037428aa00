package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// An index is the same documents here, in three forms, and in Elasticsearch.
type index struct {
	url      string
	mapping  *mapping.Mapping
	segments map[string][]*block.Segment // "of": not blocked yet, "block": blocked, "small": many blocks
}

func ask(t *testing.T, url, kind, content string) []byte {
	t.Helper()
	resp, err := http.Post(url, kind, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// newIndex makes an index "x" of documents whose ids are their numbers.
func newIndex(t *testing.T, create string, docs []string) *index {
	t.Helper()
	x := &index{url: services.Elasticsearch(t, 7), segments: map[string][]*block.Segment{}}
	for _, r := range []struct{ method, content string }{{"DELETE", ""}, {"PUT", create}} {
		req, err := http.NewRequest(r.method, x.url+"/x", strings.NewReader(r.content))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if r.method == "PUT" && resp.StatusCode != 200 {
			t.Fatalf("%s: %s", create, raw)
		}
	}
	v, err := body.Parse([]byte(create))
	if err != nil {
		t.Fatal(err)
	}
	var none mapping.Templates
	made, err := none.New("x", v)
	if err != nil {
		t.Fatal(err)
	}
	x.mapping = made.Mapping
	var bulk bytes.Buffer
	var list []block.Doc
	for i, doc := range docs {
		fmt.Fprintf(&bulk, "{\"index\":{\"_id\":\"%d\"}}\n%s\n", i, doc)
		added, err := x.mapping.Add(fmt.Sprint(i), []byte(doc))
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		x.mapping = added.Mapping
		list = append(list, block.Doc{ID: fmt.Sprint(i), Source: []byte(doc), Time: added.Time, Seq: int64(i)})
	}
	var answer struct{ Errors bool }
	raw := ask(t, x.url+"/x/_bulk?refresh=true", "application/x-ndjson", bulk.String())
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Errors {
		t.Fatalf("bulk: %.2000s", raw)
	}
	of, err := block.Of(list)
	if err != nil {
		t.Fatal(err)
	}
	x.segments["of"] = []*block.Segment{of}
	x.segments["block"] = []*block.Segment{blocked(t, list)}
	for part := range slices.Chunk(list, 100) {
		x.segments["small"] = append(x.segments["small"], blocked(t, part))
	}
	return x
}

func blocked(t *testing.T, docs []block.Doc) *block.Segment {
	t.Helper()
	parts, err := block.Encode(slices.Clone(docs))
	if err != nil {
		t.Fatal(err)
	}
	s, err := block.Open(parts[0], func(n int) ([]byte, error) { return parts[n], nil })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ours returns the ids that a query finds, or the error as "type: reason".
func (x *index) ours(t *testing.T, form, q string, now time.Time) (ids []string, refused string) {
	t.Helper()
	v, err := body.Parse([]byte(q))
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	typed, err := Parse(v)
	var plan *Plan
	if err == nil {
		plan, err = Compile(typed, Context{Mapping: x.mapping, Index: "x", Now: now})
	}
	if err != nil {
		e := err.(*Error)
		return nil, e.Type + ": " + e.Reason
	}
	for _, s := range x.segments[form] {
		for row := range plan.Select(s, nil).Rows {
			doc, err := s.Doc(row)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, doc.ID)
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(ids)
	return ids, ""
}

// theirs returns for each query what Elasticsearch finds.
func (x *index) theirs(t *testing.T, queries []string) (ids [][]string, refused []string) {
	t.Helper()
	for _, q := range queries {
		var r struct {
			Hits struct {
				Hits []struct {
					ID string `json:"_id"`
				}
			}
			Error *struct {
				Type, Reason string
				RootCause    []struct{ Type, Reason string } `json:"root_cause"`
			}
		}
		raw := ask(t, x.url+"/x/_search", "application/json", fmt.Sprintf(`{"size":10000,"_source":false,"query":%s}`, q))
		if err := json.Unmarshal(raw, &r); err != nil {
			t.Fatalf("%s: %v: %.2000s", q, err, raw)
		}
		var list []string
		for _, h := range r.Hits.Hits {
			list = append(list, h.ID)
		}
		slices.Sort(list)
		ids = append(ids, list)
		why := ""
		if r.Error != nil {
			why = r.Error.Type + ": " + r.Error.Reason
			if len(r.Error.RootCause) > 0 {
				why = r.Error.RootCause[0].Type + ": " + r.Error.RootCause[0].Reason
			}
		}
		refused = append(refused, why)
	}
	return ids, refused
}

// compare asks both and reports where they differ. It returns how many queries found something.
func (x *index) compare(t *testing.T, queries []string) (found int) {
	t.Helper()
	want, refused := x.theirs(t, queries)
	now := time.Now()
	for i, q := range queries {
		for form := range x.segments {
			got, why := x.ours(t, form, q, now)
			switch {
			case (why == "") != (refused[i] == ""):
				t.Errorf("%s\n is %s\nwant %s", q, verdict(got, why), verdict(want[i], refused[i]))
			case !slices.Equal(got, want[i]):
				t.Errorf("%s (%s)\n is %s\nwant %s\n%s", q, form, verdict(got, why), verdict(want[i], refused[i]), difference(got, want[i]))
			default:
				continue
			}
			break
		}
		if len(want[i]) > 0 {
			found++
		}
	}
	return found
}

func verdict(ids []string, why string) string {
	if why != "" {
		return why
	}
	return fmt.Sprintf("%d hits", len(ids))
}

func difference(got, want []string) string {
	var more, less []string
	for _, id := range got {
		if !slices.Contains(want, id) {
			more = append(more, id)
		}
	}
	for _, id := range want {
		if !slices.Contains(got, id) {
			less = append(less, id)
		}
	}
	return fmt.Sprintf("too many: %.200s, missing: %.200s", fmt.Sprint(more), fmt.Sprint(less))
}

func TestHandMade(t *testing.T) {
	x := newIndex(t, handIndex, handDocs)
	x.compare(t, handQueries)
}
