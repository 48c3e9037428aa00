package store_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// A paged is an answer with hits.
type paged struct {
	ID       string `json:"id"`
	ScrollID string `json:"_scroll_id"`
	Hits     struct {
		Total json.RawMessage
		Hits  []struct {
			Index string `json:"_index"`
			ID    string `json:"_id"`
			Sort  json.RawMessage
		}
	}
}

func (p *paged) ids() (ids []string) {
	for _, h := range p.Hits.Hits {
		ids = append(ids, h.Index+"/"+h.ID)
	}
	return ids
}

// ask sends a request that must succeed.
func ask(t *testing.T, method, url, content string) (answer paged) {
	t.Helper()
	status, raw := call(t, method, url, content)
	if err := json.Unmarshal(raw, &answer); err != nil || status != 200 {
		t.Fatalf("%s %s %s: %d %v: %s", method, url, content, status, err, raw)
	}
	return answer
}

// comparePages goes through points in time with search_after, and through scrolls, in both.
func (p *pair) comparePages(t *testing.T) {
	t.Helper()
	points := func(url, sort string) (pages [][]string) {
		id, after := ask(t, "POST", url+"/ab/_pit?keep_alive=1m", "").ID, ""
		for range 7 {
			answer := ask(t, "POST", url+"/_search", fmt.Sprintf(`{"size":9,"track_total_hits":false,"_source":false,"pit":{"id":"%s","keep_alive":"2m"}%s%s}`, id, sort, after))
			ids := answer.ids()
			after = `,"search_after":` + string(answer.Hits.Hits[len(ids)-1].Sort)
			pages = append(pages, ids)
		}
		if status, raw := call(t, "DELETE", url+"/_pit", `{"id":"`+id+`"}`); status != 200 || string(raw) != `{"succeeded":true,"num_freed":2}` {
			t.Errorf("ending a point in time: %d %s", status, raw)
		}
		if status, raw := call(t, "DELETE", url+"/_pit", `{"id":"`+id+`"}`); status != 404 || string(raw) != `{"succeeded":false,"num_freed":0}` {
			t.Errorf("ending a point in time twice: %d %s", status, raw)
		}
		return pages
	}
	scrolls := func(url, search string) (pages [][]string) {
		answer := ask(t, "POST", url+"/a,b/_search?scroll=1m", search)
		for len(answer.Hits.Hits) > 0 && len(pages) < 20 {
			pages = append(pages, append(answer.ids(), string(answer.Hits.Total)))
			answer = ask(t, []string{"GET", "POST"}[len(pages)%2], url+"/_search/scroll", `{"scroll":"1m","scroll_id":"`+answer.ScrollID+`"}`)
		}
		if status, raw := call(t, "DELETE", url+"/_search/scroll", `{"scroll_id":["`+answer.ScrollID+`"]}`); status != 200 || string(raw) != `{"succeeded":true,"num_freed":2}` {
			t.Errorf("ending a scroll: %d %s", status, raw)
		}
		return pages
	}
	same := func(what string, theirs, ours [][]string) {
		t.Helper()
		if len(theirs) < 2 || !slices.EqualFunc(theirs, ours, slices.Equal) {
			t.Errorf("the pages of %s are %v, Elasticsearch's are %v", what, ours, theirs)
		}
	}
	for _, sort := range []string{`,"sort":[{"@timestamp":"desc"}]`, `,"sort":["_score"]`, `,"sort":["_doc"]`, `,"sort":[{"tags":"asc"},{"_shard_doc":"asc"}]`, `,"sort":["_shard_doc"]`} {
		same("a point in time"+sort, points(p.elasticsearch, sort), points(p.store, sort))
	}
	for _, search := range []string{
		`{"size":7,"sort":["n","_index"],"query":{"term":{"log.level":"error"}}}`,
		`{"size":40,"query":{"bool":{"filter":[{"term":{"tags":"a"}},{"range":{"n":{"lt":300}}}]}}}`,
		`{"size":50,"sort":["_doc"],"query":{"range":{"n":{"lt":60}}}}`,
	} {
		same("a scroll of "+search, scrolls(p.elasticsearch, search), scrolls(p.store, search))
	}
}
