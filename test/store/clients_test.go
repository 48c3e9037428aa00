package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	elasticsearch "github.com/elastic/go-elasticsearch/v7"
	"github.com/elastic/go-elasticsearch/v7/esapi"
	"github.com/elastic/go-elasticsearch/v7/esutil"
)

// answerOf reads an answer of Elastic's client, which must be of that status.
func answerOf(t *testing.T, want int) func(*esapi.Response, error) map[string]any {
	return func(r *esapi.Response, err error) map[string]any {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		raw, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != want {
			t.Fatalf("%s, want %d: %.1000s (%v)", r.Status(), want, raw, err)
		}
		var v map[string]any
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatalf("%v: %.1000s", err, raw)
			}
		}
		return v
	}
}

// Elastic's own client writes with its bulk indexer, and searches, against the store as against Elasticsearch.
func TestElasticsClient(t *testing.T) {
	p := serve(t)
	var got [2][]string
	for i, url := range []string{p.elasticsearch, p.store} {
		got[i] = useClient(t, url)
	}
	for i := range got[0] {
		if i >= len(got[1]) || got[0][i] != got[1][i] {
			t.Fatalf("step %d\nElasticsearch: %s\nthe store:     %s", i+1, got[0][i], got[1][i])
		}
	}
}

// useClient does what programs do, and returns what they were told.
func useClient(t *testing.T, url string) (told []string) {
	t.Helper()
	es, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{url}, CompressRequestBody: true})
	if err != nil {
		t.Fatal(err)
	}
	tell := func(v any) {
		text, err := json.Marshal(plain(v))
		if err != nil {
			t.Fatal(err)
		}
		told = append(told, string(text))
	}
	info := answerOf(t, 200)(es.Info())
	tell(info["version"].(map[string]any)["number"])
	answerOf(t, 200)(es.Ping())
	tell(answerOf(t, 200)(es.Indices.PutTemplate("client", strings.NewReader(`{"index_patterns":["client-*"],"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":{"properties":{"@timestamp":{"type":"date"},"message":{"type":"text"},"n":{"type":"long"}}}}`))))
	indexer, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: es, Index: "client-1", NumWorkers: 2, FlushBytes: 4000})
	if err != nil {
		t.Fatal(err)
	}
	for n := range 300 {
		err := indexer.Add(context.Background(), esutil.BulkIndexerItem{Action: "create", DocumentID: fmt.Sprint(n % 290),
			Body: strings.NewReader(fmt.Sprintf(`{"@timestamp":"2026-11-01T00:00:%02dZ","message":"line %d","n":%d}`, n%290%60, n%290, n%290))})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := indexer.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	tell(fmt.Sprint(indexer.Stats().NumCreated, indexer.Stats().NumFailed))
	answerOf(t, 200)(es.Indices.Refresh(es.Indices.Refresh.WithIndex("client-*")))
	tell(answerOf(t, 201)(es.Create("client-1", "own", strings.NewReader(`{"@timestamp":"2026-11-02","n":1000}`), es.Create.WithRefresh("true"))))
	answerOf(t, 409)(es.Create("client-1", "own", strings.NewReader(`{"n":1}`)))
	tell(answerOf(t, 200)(es.Get("client-1", "own")))
	tell(answerOf(t, 404)(es.Get("client-1", "nobody")))
	tell(answerOf(t, 200)(es.Count(es.Count.WithIndex("client-*"), es.Count.WithBody(strings.NewReader(`{"query":{"range":{"n":{"lt":100}}}}`)))))
	tell(answerOf(t, 200)(es.Search(es.Search.WithIndex("client-1"), es.Search.WithBody(strings.NewReader(`{"query":{"match":{"message":"line"}},"aggs":{"n":{"histogram":{"field":"n","interval":100}}}}`)),
		es.Search.WithSort("n:desc"), es.Search.WithSize(3), es.Search.WithTrackTotalHits(true), es.Search.WithSourceIncludes("n"), es.Search.WithTypedKeys(true))))
	tell(answerOf(t, 400)(es.Search(es.Search.WithIndex("client-1"), es.Search.WithQuery("(")))["status"])
	tell(answerOf(t, 200)(es.Msearch(strings.NewReader("{}\n{\"size\":0}\n{\"index\":\"client-0\"}\n{\"size\":0}\n"), es.Msearch.WithIndex("client-1"))))
	tell(answerOf(t, 200)(es.FieldCaps(es.FieldCaps.WithIndex("client-1"), es.FieldCaps.WithFields("n", "mess*"))))
	point := answerOf(t, 200)(es.OpenPointInTime([]string{"client-1"}, "1m"))["id"].(string)
	tell(answerOf(t, 200)(es.Search(es.Search.WithBody(strings.NewReader(`{"size":2,"sort":["n"],"pit":{"id":"` + point + `"},"track_total_hits":false,"_source":false,"docvalue_fields":["n"],"search_after":[5,0]}`))))["timed_out"])
	answerOf(t, 200)(es.ClosePointInTime(es.ClosePointInTime.WithBody(strings.NewReader(`{"id":"` + point + `"}`))))
	first := answerOf(t, 200)(es.Search(es.Search.WithIndex("client-1"), es.Search.WithScroll(time.Minute), es.Search.WithSize(200), es.Search.WithSort("n")))
	scroll := first["_scroll_id"].(string)
	next := answerOf(t, 200)(es.Scroll(es.Scroll.WithScrollID(scroll), es.Scroll.WithScroll(time.Minute)))
	tell(fmt.Sprint(len(next["hits"].(map[string]any)["hits"].([]any))))
	answerOf(t, 200)(es.ClearScroll(es.ClearScroll.WithScrollID(scroll)))
	answerOf(t, 404)(es.Scroll(es.Scroll.WithScrollID(scroll), es.Scroll.WithScroll(time.Minute)))
	tell(answerOf(t, 200)(es.Indices.GetMapping(es.Indices.GetMapping.WithIndex("client-1"))))
	tell(answerOf(t, 200)(es.Delete("client-1", "own")))
	tell(answerOf(t, 200)(es.Indices.Delete([]string{"client-1"})))
	answerOf(t, 404)(es.Indices.Exists([]string{"client-1"}))
	tell(answerOf(t, 200)(es.Indices.DeleteTemplate("client")))
	return told
}
