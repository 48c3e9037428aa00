package source

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// A place is where a test's documents are: written to one address, and read by a client of that or another.
type place struct {
	name   string
	url    string
	client *es.Client
}

// mapping is that of all tests' documents.
const mapping = `{"settings":{"number_of_shards":%d,"number_of_replicas":0},"mappings":{"properties":{"@timestamp":{"type":"%s"},
"message":{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":256}}},"plain":{"type":"text"},"region":{"type":"keyword"},"zone":{"type":"keyword"},"took":{"type":"long"},"ratio":{"type":"double"},"ok":{"type":"boolean"},
"event":{"properties":{"sequence":{"type":"long"},"created":{"type":"date"}}},"service":{"properties":{"id":{"type":"keyword"}}},
"log":{"properties":{"offset":{"type":"long"},"level":{"type":"keyword"},"stream":{"type":"keyword"}}},
"kubernetes":{"properties":{"namespace":{"type":"keyword"},"pod":{"properties":{"name":{"type":"keyword"}}},"deployment":{"properties":{"name":{"type":"keyword"}}},
"replicaset":{"properties":{"name":{"type":"keyword"}}},"job":{"properties":{"name":{"type":"keyword"}}},"cronjob":{"properties":{"name":{"type":"keyword"}}}}}}}}`

// everywhere runs a test against Elasticsearch 7 and 8, the embedded store, and Elasticsearch behind logapi with a token that opens one namespace, shop.
func everywhere(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	t.Run("elasticsearch 7", func(t *testing.T) {
		url := services.Elasticsearch(t, 7)
		test(t, place{"es7", url, clientOf(t, es.Config{Hosts: []string{url}})})
	})
	t.Run("elasticsearch 8", func(t *testing.T) {
		url := services.Elasticsearch(t, 8)
		test(t, place{"es8", url, clientOf(t, es.Config{Hosts: []string{url}})})
	})
	t.Run("store", func(t *testing.T) {
		url := embedded(t)
		test(t, place{"store", url, clientOf(t, es.Config{Hosts: []string{url}})})
	})
	t.Run("logapi", func(t *testing.T) {
		url := services.Elasticsearch(t, 7)
		test(t, place{"logapi", url, clientOf(t, narrowed(t, url))})
	})
}

func clientOf(t *testing.T, c es.Config) *es.Client {
	t.Helper()
	c.Retries = -1
	client, err := es.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// embedded serves a store.
func embedded(t *testing.T) string {
	t.Helper()
	url, _ := served(t, t.TempDir())
	return url
}

// served serves the store in a folder until stop is called, or the test ends.
func served(t *testing.T, dir string) (url string, stop func()) {
	t.Helper()
	engine, err := store.Open(dir, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	h, err := rest.New(rest.Options{Store: engine, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	stop = sync.OnceFunc(func() {
		s.Close()
		h.Close()
		engine.Close()
	})
	t.Cleanup(stop)
	return s.URL, stop
}

// narrowed are the address and token of a logapi before Elasticsearch. There is one for all tests.
func narrowed(t *testing.T, url string) es.Config {
	t.Helper()
	l := harness.NewLogapi(t, fmt.Sprintf("elasticsearch.hosts: [%q]\nhttp.access_log: false\n", url))
	raw := l.Token("", token.Access{Method: []string{"*"}, URL: []string{"{mscp_api_url}/default/es/**"}, Other: json.RawMessage(`{"namespaces":["shop"]}`)})
	return es.Config{Hosts: []string{l.URL + "/default/es"}, Bearer: raw}
}

var numbered struct {
	sync.Mutex
	n int
}

// pattern is of the indices of one test.
func (p place) pattern() string {
	numbered.Lock()
	defer numbered.Unlock()
	numbered.n++
	return fmt.Sprintf("source-%s-%d-", p.name, numbered.n)
}

// create makes an index.
func (p place) create(t *testing.T, index string, shards int, date string) {
	t.Helper()
	services.Call(t, "PUT", p.url+"/"+index, fmt.Sprintf(mapping, shards, date), 200)
	t.Cleanup(func() {
		req, _ := http.NewRequest("DELETE", p.url+"/"+index, nil)
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close() // the test may have deleted it, or ended the server
		}
	})
}

// A written document has an id and the members of its JSON.
type written struct{ index, id, json string }

// write writes documents of the namespace shop, so that they are found from then on.
func (p place) write(t *testing.T, docs ...written) {
	t.Helper()
	var b strings.Builder
	flush := func() {
		answer := services.Call(t, "POST", p.url+"/_bulk?refresh=true", b.String(), 200)
		if strings.Contains(string(answer[:min(len(answer), 100)]), `"errors":true`) {
			t.Fatalf("cannot write: %.1000s", answer)
		}
		b.Reset()
	}
	for i, d := range docs {
		json := d.json
		if !strings.Contains(json, `"kubernetes"`) {
			json += `,"kubernetes":{"namespace":"shop"}`
		}
		fmt.Fprintf(&b, "{\"index\":{\"_index\":%q,\"_id\":%q}}\n{%s}\n", d.index, d.id, json)
		if i%5000 == 4999 {
			flush()
		}
	}
	if b.Len() > 0 {
		flush()
	}
}

// noon is when tests' documents begin.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) string { return noon.Add(d).Format(time.RFC3339Nano) }
