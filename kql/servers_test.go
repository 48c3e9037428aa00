package kql_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/token"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// types are those of the index that all queries are asked of. The items are nested, which the store does not serve: it has no other fields in
// place of them.
var types = map[string]string{
	"@timestamp": "date", "event.created": "date_nanos", "event.sequence": "long",
	"message": "text", "message.keyword": "keyword", "note": "text",
	"log.level": "keyword", "log.stream": "keyword", "log.offset": "long",
	"kubernetes.namespace": "keyword", "kubernetes.pod.name": "keyword", "kubernetes.container.name": "keyword",
	"http.status": "integer", "http.seconds": "double", "http.path": "keyword",
	"client.ip": "ip", "ok": "boolean", "tags": "keyword", "mixed": "long",
	"items": "nested", "items.name": "keyword", "items.stock": "integer", "items.note": "text",
	"items.parts": "nested", "items.parts.kind": "keyword", "items.parts.weight": "integer",
}

// documents by their ids.
var documents = map[string]string{
	"a": `{"@timestamp":"2025-11-20T10:00:00.000Z","message":"Connection reset by peer","log":{"level":"error","stream":"console","offset":10},"tags":["prod","eu"],
		"kubernetes":{"namespace":"web","pod":{"name":"web-1"}},"http":{"status":500,"seconds":0.25,"path":"/api/v1/orders"},"client":{"ip":"10.0.0.1"},"ok":false}`,
	"b": `{"@timestamp":"2025-11-20T10:15:30.123456Z","message":"GET /health 200 OK","log":{"level":"info","stream":"console","offset":20},"tags":"prod",
		"kubernetes":{"namespace":"web","pod":{"name":"web-2"}},"http":{"status":200,"seconds":0.001,"path":"??health"},"client":{"ip":"10.0.1.7"},"ok":true}`,
	"c": `{"@timestamp":"2025-11-20T23:59:59.999Z","message":"Timeout while waiting for lock: connection lost","log":{"level":"ERROR","stream":"file"},"tags":[],
		"kubernetes.namespace":"shop","kubernetes":{"pod.name":"shop-1"},"http":{"status":503,"seconds":12.5,"path":"/var/log/messages"},"client":{"ip":"192.168.7.9"},"ok":false}`,
	"d": `{"@timestamp":"2025-11-21T00:00:00Z","message":"reset connection pool","log":{"level":"warn"},"kubernetes":{"namespace":"shop"},"http":{"status":404,"path":"aab~cc"}}`,
	"e": `{"@timestamp":"2025-11-21T08:30:00+01:00","message":"größe überschritten 接続 ÜNÏCODE","log":{"level":"info"},"kubernetes":{"namespace":"kube-system"},"http.path":"@home #1"}`,
	"f": `{"@timestamp":1763712000123,"message":"java.lang.NullPointerException: value is null\n\tat com.example.Shop.buy(Shop.java:42)\n\tat end",
		"log":{"level":"error","stream":"file"},"kubernetes":{"namespace":"web"},"trace":{"id":"7f3a"}}`,
	"g": `{"message":"said \"hello world\" and \\ left","http":{"status":-1,"path":"C:\\dir\\new"},"log":{"level":"info"},"kubernetes":{"namespace":"pay"}}`,
	"h": `{"message":"foo-bar baz_qux 10.0.0.1 user@example.com a~b 5*3=15? nothing or notable order android","tags":["and","or","not"],"kubernetes":{"namespace":"web shop"},"http":{"path":"/api/"}}`,
	"i": `{"message":"stock of fruit","items":[{"name":"banana","stock":9,"note":"fresh fruit","parts":[{"kind":"peel","weight":3},{"kind":"seed","weight":9}]},{"name":"apple","stock":20,"parts":{"kind":"peel","weight":7}}]}`,
	"j": `{"@timestamp":"2024-12-31T23:30:00Z","message":"banana","items":{"name":"banana","stock":30}}`,
	"k": `{"message":"TRACE id=7f3A","event.created":"2025-11-20T10:00:00.123456789Z","event":{"sequence":9007199254740993},"client":{"ip":"2001:db8::1"},"log":{"level":null},"tags":[null],"mixed":7,"http":{"status":0,"seconds":1e3}}`,
	"l": `{"message":["first line","second Error line"],"log.level":"error","kubernetes":{"namespace":["web","shop"]},"mixed":[42,70],"ok":"true","note":"conn* is a pattern"}`,
}

func ids() []string {
	var all []string
	for id := range documents {
		all = append(all, id)
	}
	slices.Sort(all)
	return all
}

// fields are types, of which that of mixed is not known, as if it were another one in other indices.
type fields struct{}

func (fields) Type(field string) string {
	if field == "mixed" {
		return ""
	}
	return types[field]
}

func (fields) Match(pattern string) []string {
	var out []string
	for field, kind := range types {
		if kind != "nested" && mapping.Like(pattern, field) {
			out = append(out, field)
		}
	}
	return out
}

// access reads a document for a Matcher.
func access(t testing.TB, source string) kql.Doc {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(source))
	d.UseNumber()
	var top any
	if err := d.Decode(&top); err != nil {
		t.Fatalf("%s: %v", source, err)
	}
	byField := map[string][]any{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case []any:
			for _, item := range v {
				walk(path, item)
			}
		case map[string]any:
			if path != "" {
				byField[path] = append(byField[path], v)
				path += "."
			}
			for name, item := range v {
				walk(path+name, item)
			}
		default:
			byField[path] = append(byField[path], v)
		}
	}
	walk("", top)
	return func(field string) []any {
		if !strings.Contains(field, "*") {
			return byField[field]
		}
		var out []any
		for name, values := range byField {
			if mapping.Like(field, name) {
				out = append(out, values...)
			}
		}
		return out
	}
}

// mappings returns a mapping's properties of types as JSON.
func mappings(nested bool) any {
	properties := map[string]any{}
	for field, kind := range types {
		if strings.HasPrefix(field, "items") {
			continue
		}
		if outer, sub, ok := strings.Cut(field, ".keyword"); ok && sub == "" {
			properties[outer] = map[string]any{"type": types[outer], "fields": map[string]any{"keyword": map[string]any{"type": kind}}}
		} else if properties[field] == nil {
			properties[field] = map[string]any{"type": kind}
		}
	}
	properties["items"] = map[string]any{"type": "object", "enabled": false}
	if nested {
		kind := func(name string) any { return map[string]any{"type": types[name]} }
		properties["items"] = map[string]any{"type": "nested", "properties": map[string]any{"name": kind("items.name"), "stock": kind("items.stock"), "note": kind("items.note"),
			"parts": map[string]any{"type": "nested", "properties": map[string]any{"kind": kind("items.parts.kind"), "weight": kind("items.parts.weight")}}}}
	}
	return map[string]any{"dynamic": false, "properties": properties}
}

// A server is asked by _msearch.
type server struct {
	url, token string
	hidden     string // ids of documents that the token does not open
}

func (s server) call(t testing.TB, method, path, kind string, content []byte) []byte {
	t.Helper()
	r, err := http.NewRequest(method, s.url+path, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	if _, err := answer.ReadFrom(resp.Body); err != nil || resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %.500s %v", method, path, resp.Status, answer.Bytes(), err)
	}
	return answer.Bytes()
}

// fill makes the index kql of the documents.
func (s server) fill(t testing.TB, nested bool) {
	t.Helper()
	create, err := json.Marshal(map[string]any{"settings": map[string]any{"number_of_shards": 1, "number_of_replicas": 0}, "mappings": mappings(nested)})
	if err != nil {
		t.Fatal(err)
	}
	s.call(t, "PUT", "/kql", "application/json", create)
	var bulk bytes.Buffer
	for _, id := range ids() {
		var line bytes.Buffer
		if err := json.Compact(&line, []byte(documents[id])); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&bulk, "{\"index\":{\"_id\":%q}}\n%s\n", id, &line)
	}
	var answer struct{ Errors bool }
	if raw := s.call(t, "POST", "/kql/_bulk?refresh=true", "application/x-ndjson", bulk.Bytes()); json.Unmarshal(raw, &answer) != nil || answer.Errors {
		t.Fatalf("%.3000s", raw)
	}
}

// hits returns the ids that each of the queries finds, or why it is refused.
func (s server) hits(t testing.TB, queries []any) []string {
	t.Helper()
	var out []string
	for some := range slices.Chunk(queries, 100) {
		var body bytes.Buffer
		for _, q := range some {
			search, err := json.Marshal(map[string]any{"query": q, "size": len(documents), "_source": false})
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&body, "{}\n%s\n", search)
		}
		var answer struct {
			Responses []struct {
				Hits struct {
					Hits []struct {
						ID string `json:"_id"`
					}
				}
				Shards struct{ Failures []json.RawMessage } `json:"_shards"`
				Error  json.RawMessage
			}
		}
		raw := s.call(t, "POST", "/kql/_msearch", "application/x-ndjson", body.Bytes())
		if err := json.Unmarshal(raw, &answer); err != nil || len(answer.Responses) != len(some) {
			t.Fatalf("%v: %.500s", err, raw)
		}
		for _, r := range answer.Responses {
			var found []string
			for _, hit := range r.Hits.Hits {
				found = append(found, hit.ID)
			}
			slices.Sort(found)
			answer := strings.Join(found, "") + string(r.Error)
			for _, failure := range r.Shards.Failures {
				answer += string(failure)
			}
			out = append(out, answer)
		}
	}
	return out
}

// all returns the servers by their names, with their indices. Behind the last one's token are the namespaces web and shop alone.
func all(t testing.TB) map[string]server {
	t.Helper()
	out := map[string]server{"Elasticsearch 7": {url: services.Elasticsearch(t, 7)}, "Elasticsearch 8": {url: services.Elasticsearch(t, 8)}}
	for _, s := range out {
		s.fill(t, true)
	}
	l := harness.NewLogapi(t, "http.access_log: false\n")
	out["store"] = server{url: l.Store}
	out["store"].fill(t, false)
	narrow := token.Access{Method: []string{"*"}, URL: []string{"{mscp_api_url}/default/es/**"}, Other: json.RawMessage(`{"namespaces":["web","shop"]}`)}
	out["logapi, narrowed"] = server{url: l.URL + "/default/es", token: l.Token("", narrow), hidden: "eghijk"}
	return out
}
