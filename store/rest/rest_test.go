package rest_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
)

// ask sends a request and wants a status.
func ask(t testing.TB, want int, method, url, content string) string {
	t.Helper()
	at := strings.Index(url[len("http://"):], "/") + len("http://")
	status, _, raw := send(t, url[:at], request{method: method, path: url[at:], content: content})
	if status != want {
		t.Fatalf("%s %s %.300s answers %d, not %d: %.500s", method, url, content, status, want, raw)
	}
	return string(raw)
}

func open(t *testing.T, dir string, o store.Options) (s *store.Store, h *rest.Handler) {
	t.Helper()
	o.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if h, err = rest.New(rest.Options{Store: s, Log: o.Log}); err != nil {
		t.Fatal(err)
	}
	return s, h
}

// What was set is there when the store is opened again.
func TestOpenedAgain(t *testing.T) {
	dir := t.TempDir()
	s, h := open(t, dir, store.Options{})
	server := httptest.NewServer(h)
	for _, r := range readRequests(`
PUT /_template/old
{"index_patterns":["old-*"],"settings":{"index.refresh_interval":"7s"},"mappings":{"properties":{"a":{"type":"ip"}}},"aliases":{"olds":{}}}
PUT /_component_template/part
{"template":{"mappings":{"properties":{"b":{"type":"keyword","ignore_above":9}}}}}
PUT /_index_template/new
{"index_patterns":["new-*"],"composed_of":["part"],"priority":3}
PUT /_cluster/settings
{"persistent":{"action.auto_create_index":"old-*,new-*"}}
POST /_bulk
{"create":{"_index":"old-1","_id":"1"}}
{"a":"::1","dynamic":{"text":"x","long":5}}
{"create":{"_index":"new-1","_id":"1"}}
{"b":"x"}
PUT /new-1/_settings
{"index.blocks.write":true}
PUT /new-1/_alias/writing
{"is_write_index":true}
PUT /shut
PUT /old-1/_doc/1
{"a":"::2"}
POST /shut/_close
`) {
		if status, _, raw := send(t, server.URL, r); status > 201 {
			t.Fatalf("%s %s: %d %s", r.method, r.path, status, raw)
		}
	}
	look := func(url string) string {
		var all []string
		for _, path := range []string{"/_all?expand_wildcards=all", "/_template", "/_index_template", "/_component_template", "/_cluster/settings", "/_cat/indices?h=index,status,dc,uuid", "/old-1/_doc/1", "/?filter_path=cluster_uuid"} {
			all = append(all, ask(t, http.StatusOK, "GET", url+path, ""))
		}
		return strings.Join(all, "\n")
	}
	want := look(server.URL)
	for _, word := range []string{`"b":{"type":"keyword","ignore_above":9}`, `"long":{"type":"long"}`, `"refresh_interval":"7s"`, `"is_write_index":true`, `"write":"true"`, "shut  close", `"_version":2`} {
		if !strings.Contains(want, word) {
			t.Errorf("%s is not in\n%s", word, want)
		}
	}
	server.Close()
	h.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, h = open(t, dir, store.Options{})
	server = httptest.NewServer(h)
	defer server.Close()
	defer s.Close()
	defer h.Close()
	if got := look(server.URL); got != want {
		t.Errorf("after a restart there is\n%s\nbefore it was\n%s", got, want)
	}
	ask(t, http.StatusForbidden, "POST", server.URL+"/new-1/_doc", `{}`)
	ask(t, http.StatusNotFound, "POST", server.URL+"/other/_doc", `{}`)
}

// Requests at the same time that bring new fields to one index lose none of them, and none of the documents.
func TestGrowTogether(t *testing.T) {
	url := serve(t)
	const writers, each = 8, 20
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				var b strings.Builder
				for n := range 5 {
					fmt.Fprintf(&b, "{\"create\":{\"_id\":\"%d-%d-%d\"}}\n{\"w%d_%d\":{\"f\":%d},\"shared%d\":\"x\"}\n", w, i, n, w, i, n, i)
				}
				resp, err := http.Post(url+"/grown/_bulk", "application/x-ndjson", strings.NewReader(b.String()))
				if err != nil {
					t.Error(err)
					return
				}
				raw, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 || !bytes.Contains(raw, []byte(`"errors":false`)) {
					t.Errorf("%d %.500s", resp.StatusCode, raw)
				}
			}
		})
	}
	all.Wait()
	var answer map[string]struct {
		Mappings struct{ Properties map[string]any }
	}
	if err := json.Unmarshal([]byte(ask(t, 200, "GET", url+"/grown/_mapping", "")), &answer); err != nil {
		t.Fatal(err)
	}
	if n := len(answer["grown"].Mappings.Properties); n != writers*each+each {
		t.Errorf("%d fields are mapped, not %d", n, writers*each+each)
	}
	if got := ask(t, 200, "GET", url+"/_cat/count/grown?h=count", ""); got != fmt.Sprintf("%d\n", writers*each*5) {
		t.Errorf("%s documents are there", got)
	}
}

// Indices that come and go under writers are answered for, one way or another.
func TestDeletedUnderWriters(t *testing.T) {
	url := serve(t)
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				r := request{method: "POST", path: "/come-and-go/_bulk?refresh=true", content: fmt.Sprintf("{\"index\":{}}\n{\"f%d_%d\":1}\n", w, i%50)}
				status, _, raw := send(t, url, r)
				if status != 200 || !json.Valid(raw) {
					t.Errorf("%d: %.300s", status, raw)
					return
				}
				var answer struct {
					Items []struct{ Index struct{ Status int } }
				}
				if err := json.Unmarshal(raw, &answer); err != nil || len(answer.Items) != 1 || answer.Items[0].Index.Status != 201 && answer.Items[0].Index.Status != 404 {
					t.Errorf("%.300s", raw)
					return
				}
			}
		})
	}
	for range 30 {
		send(t, url, request{method: "DELETE", path: "/come-and-go"})
		ask(t, 200, "GET", url+"/_cat/indices", "")
		ask(t, 200, "GET", url+"/_stats", "")
		send(t, url, request{method: "PUT", path: "/come-and-go"})
	}
	close(stop)
	all.Wait()
}

// An index that is closed and opened under writers forgets none of the fields that they bring.
func TestClosedUnderWriters(t *testing.T) {
	url := serve(t)
	ask(t, 200, "PUT", url+"/shutter", "")
	stop := make(chan struct{})
	var written sync.Map
	var all sync.WaitGroup
	for w := range 3 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				field := fmt.Sprintf("f%d_%d", w, i%250)
				if status, _, _ := send(t, url, request{method: "POST", path: "/shutter/_doc", content: fmt.Sprintf(`{%q:1}`, field)}); status == 201 {
					written.Store(field, true)
				}
			}
		})
	}
	for range 40 {
		ask(t, 200, "POST", url+"/shutter/_close", "")
		ask(t, 200, "POST", url+"/shutter/_open", "")
		ask(t, 201, "POST", url+"/shutter/_doc", `{}`)
	}
	close(stop)
	all.Wait()
	mapped, n := ask(t, 200, "GET", url+"/shutter/_mapping", ""), 0
	written.Range(func(field, _ any) bool {
		n++
		if !strings.Contains(mapped, fmt.Sprintf("%q:", field)) {
			t.Errorf("%s is not mapped", field)
		}
		return true
	})
	if n == 0 {
		t.Error("nothing was written")
	}
}

// What the store deletes by itself is gone for the handler too.
func TestDeletedByStore(t *testing.T) {
	url, s := serveStore(t, rest.Options{})
	ask(t, 201, "PUT", url+"/one/_doc/1", `{"a":1}`)
	if err := s.Delete(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	ask(t, 404, "GET", url+"/one", "")
	ask(t, 404, "GET", url+"/one/_doc/1", "")
	ask(t, 201, "PUT", url+"/one/_doc/1", `{"a":"now a text"}`)
	if got := ask(t, 200, "GET", url+"/one/_mapping", ""); !strings.Contains(got, `"type":"text"`) {
		t.Errorf("the mapping is %s", got)
	}
}

// A full disk is answered with 429, which senders take for a call to wait.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	s, h := open(t, dir, store.Options{})
	server := httptest.NewServer(h)
	ask(t, 201, "PUT", server.URL+"/one/_doc/1", `{}`)
	server.Close()
	h.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, h = open(t, dir, store.Options{MinFree: option.Bytes(1 << 60)})
	server = httptest.NewServer(h)
	defer server.Close()
	defer s.Close()
	defer h.Close()
	got := ask(t, 200, "POST", server.URL+"/_bulk", "{\"index\":{\"_index\":\"one\"}}\n{}\n{\"index\":{\"_index\":\"two\"}}\n{}\n")
	if strings.Count(got, `"status":429`) != 2 || strings.Count(got, `"type":"cluster_block_exception"`) != 2 {
		t.Errorf("a bulk is answered with %s", got)
	}
	ask(t, 429, "POST", server.URL+"/one/_doc", `{}`)
	ask(t, 429, "PUT", server.URL+"/two", "")
	ask(t, 200, "GET", server.URL+"/one/_doc/1", "")
}

func TestLimits(t *testing.T) {
	url, _ := serveStore(t, rest.Options{Limits: rest.Limits{Body: 1000, Bodies: 4000, Items: 5, Writes: 1, Waiting: 1, Indices: 2}})
	long := `{"a":"` + strings.Repeat("x", 1000) + `"}`
	ask(t, 413, "POST", url+"/one/_doc", long)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(bytes.Repeat([]byte(" "), 1<<20))
	z.Close()
	for content, want := range map[string]int{packed.String(): 413, packed.String()[:20]: 400, "no gzip": 400} {
		req, err := http.NewRequest("POST", url+"/one/_bulk", strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-ndjson")
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes in gzip are answered with %d, not %d", len(content), resp.StatusCode, want)
		}
	}
	ask(t, 201, "PUT", url+"/one/_doc/1", `{}`)
	ask(t, 201, "PUT", url+"/two/_doc/1", `{}`)
	if got := ask(t, 400, "PUT", url+"/three", ""); !strings.Contains(got, "[2] of at most [2]") {
		t.Errorf("a third index is refused with %s", got)
	}
	if got := ask(t, 200, "POST", url+"/_bulk", "{\"index\":{\"_index\":\"three\"}}\n{}\n"); !strings.Contains(got, `"status":400`) {
		t.Errorf("a document for a third index is answered with %s", got)
	}
	ask(t, 413, "POST", url+"/one/_bulk", strings.Repeat("{\"index\":{}}\n{}\n", 6))
	ask(t, 200, "POST", url+"/one/_bulk", strings.Repeat("{\"index\":{}}\n{}\n", 5))
	ask(t, 413, "POST", url+"/one/_mget", `{"ids":[1,2,3,4,5,6]}`)
	ask(t, 200, "POST", url+"/one/_mget", `{"ids":[1,2,3,4,5]}`)
	// Who sends slowly holds up nobody.
	slow, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		resp, err := http.Post(url+"/one/_doc", "application/json", slow)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	if _, err := pipe.Write([]byte(`{"a":`)); err != nil {
		t.Fatal(err)
	}
	ask(t, 201, "PUT", url+"/one/_doc/2", `{}`)
	pipe.Write([]byte(`1}`))
	pipe.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// More requests than may run and wait are refused with 429.
func TestTooMany(t *testing.T) {
	url, _ := serveStore(t, rest.Options{Limits: rest.Limits{Writes: 1, Waiting: 1}})
	var content strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&content, "{\"index\":{}}\n{\"n\":%d,\"text\":\"of a document\"}\n", i)
	}
	statuses := make(chan int, 50)
	var all sync.WaitGroup
	for range cap(statuses) {
		all.Go(func() {
			status, _, raw := send(t, url, request{method: "POST", path: "/many/_bulk?filter_path=errors,error.type", content: content.String()})
			if want := map[int]string{200: `{"errors":false}`, 429: `{"error":{"type":"es_rejected_execution_exception"}}`}[status]; string(raw) != want {
				t.Errorf("%d: %s", status, raw)
			}
			statuses <- status
		})
	}
	all.Wait()
	close(statuses)
	seen := make(map[int]int)
	for s := range statuses {
		seen[s]++
	}
	if seen[200] == 0 || seen[429] == 0 || len(seen) != 2 {
		t.Errorf("requests are answered with %v", seen)
	}
}

// Answers come packed, and pretty, to who asks for that.
func TestShapes(t *testing.T) {
	url := serve(t)
	ask(t, 201, "PUT", url+"/one/_doc/1", `{"a": "`+strings.Repeat("x ", 500)+`", "list": [1, [2]], "o": {}, "none": []}`)
	if got := ask(t, 200, "GET", url+"/one/_source/1?pretty&_source_excludes=a", ""); got != "{\n  \"list\" : [\n    1,\n    [\n      2\n    ]\n  ],\n  \"o\" : { },\n  \"none\" : [ ]\n}\n" {
		t.Errorf("pretty is %q", got)
	}
	req, err := http.NewRequest("GET", url+"/one/_doc/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "gzip")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	z, err := gzip.NewReader(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil || !bytes.Contains(raw, []byte(`"_source":{"a": "x x`)) {
		t.Errorf("packed is %.200s (%v)", raw, err)
	}
	if resp := ask(t, 200, "HEAD", url+"/", ""); resp != "" {
		t.Errorf("HEAD is answered with %q", resp)
	}
}

// What is not served is refused by its name.
func TestNotServed(t *testing.T) {
	url := serve(t)
	ask(t, 201, "PUT", url+"/one/_doc/1", `{}`)
	f := func(want int, name, method, path, content string) {
		t.Helper()
		if got := ask(t, want, method, url+path, content); !strings.Contains(got, name) {
			t.Errorf("%s %s is answered with %s", method, path, got)
		}
	}
	f(400, "[_reindex] is not served", "POST", "/_reindex", `{}`)
	f(400, "_sql", "POST", "/_sql", `{}`)
	f(400, "/_ilm/policy", "GET", "/_ilm/policy", "")
	f(400, "[_update_by_query] is not served", "POST", "/one/_update_by_query", `{}`)
	f(400, "[_delete_by_query] is not served", "POST", "/one/_delete_by_query?conflicts=proceed", `{}`)
	f(400, "[_rollover] is not served", "POST", "/one/_rollover", `{}`)
	f(400, "[_shrink] is not served", "PUT", "/one/_shrink/two", `{}`)
	f(400, "/_snapshot/x", "PUT", "/_snapshot/x", `{}`)
	f(400, "script", "POST", "/one/_update/1", `{"script":"x"}`)
	f(400, "routing", "PUT", "/one/_doc/1?routing=a", `{}`)
	f(400, "version", "PUT", "/one/_doc/1?version=5&version_type=external", `{}`)
	f(400, "filter", "PUT", "/one/_alias/a", `{"filter":{"term":{"a":1}}}`)
	f(400, "routing", "PUT", "/one/_alias/a", `{"routing":"x"}`)
	f(400, "analysis", "PUT", "/two", `{"settings":{"analysis":{"analyzer":{"x":{"type":"standard"}}}}}`)
	f(400, "default_pipeline", "PUT", "/two", `{"settings":{"index.default_pipeline":"x"}}`)
	f(400, "data_stream", "PUT", "/_index_template/x", `{"index_patterns":["x"],"data_stream":{}}`)
	f(400, "format [yaml]", "GET", "/?format=yaml", "")
}

// The node's name is not the host's, and answers tell nothing of its paths.
func TestTellsNoPaths(t *testing.T) {
	url, _ := serveStore(t, rest.Options{Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	for _, path := range []string{"/", "/_nodes", "/_nodes/stats", "/_cluster/state", "/_cluster/stats", "/_cat/nodes?h=*", "/_cat/allocation?v"} {
		if got := ask(t, 200, "GET", url+path, ""); strings.Contains(got, "tmp") {
			t.Errorf("%s answers %s", path, got)
		}
	}
}

func handler(t testing.TB) *rest.Handler {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := store.Open(t.TempDir(), store.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	h, err := rest.New(rest.Options{Store: s, Log: quiet, Limits: rest.Limits{Indices: 20}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close(); s.Close() })
	return h
}

// FuzzBulk: whatever a bulk is, it is answered, each of its items once.
func FuzzBulk(f *testing.F) {
	for _, r := range readRequests(requestsText) {
		if strings.Contains(r.path, "_bulk") {
			f.Add(r.content)
		}
	}
	h := handler(f)
	f.Fuzz(func(t *testing.T, content string) {
		r := httptest.NewRequest("POST", "/fuzzed/_bulk", strings.NewReader(content))
		r.Header.Set("Content-Type", "application/x-ndjson")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var answer struct {
			Items []map[string]struct{ Status int }
			Error any
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%q is answered with %d %q: %v", content, w.Code, w.Body, err)
		}
		if (w.Code == 200) != (answer.Error == nil) || w.Code >= 500 || len(answer.Items) > strings.Count(content, "\n") || w.Code == 200 && len(answer.Items) == 0 {
			t.Errorf("%q is answered with %d %q", content, w.Code, w.Body)
		}
	})
}

// FuzzRequest: whatever is asked, the answer is JSON or text, and nothing has panicked.
func FuzzRequest(f *testing.F) {
	for _, r := range readRequests(requestsText) {
		f.Add(r.method, r.path, r.content)
	}
	h := handler(f)
	f.Fuzz(func(t *testing.T, method, path, content string) {
		r, err := http.NewRequest(method, "http://x"+path, strings.NewReader(content))
		if err != nil {
			return
		}
		if content != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		odd := strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && w.Body.Len() > 0 && !json.Valid(w.Body.Bytes())
		if odd || strings.Contains(w.Body.String(), "the request has failed") {
			t.Errorf("%s %q %q is answered with %d %q", method, path, content, w.Code, w.Body)
		}
	})
}
