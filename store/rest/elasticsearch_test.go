package rest_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
	"github.com/podbeat/podbeat/test/services"
)

// serve returns the URL of a store that is empty.
func serve(t testing.TB) string {
	t.Helper()
	url, _ := serveStore(t, rest.Options{Cluster: "test"})
	return url
}

func serveStore(t testing.TB, o rest.Options) (url string, s *store.Store) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := store.Open(t.TempDir(), store.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Store, o.Log = s, quiet
	h, err := rest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return server.URL, s
}

//go:embed testdata/requests.txt
var requestsText string

// A request is one of testdata/requests.txt.
type request struct {
	method, path, content string
	rough                 bool // compare the status and the type of the error alone
}

var requestLine = regexp.MustCompile(`^(~?)(GET|HEAD|PUT|POST|DELETE|PATCH) (/\S*)$`)

func readRequests(text string) []request {
	var all []request
	for line := range strings.SplitSeq(text, "\n") {
		if m := requestLine.FindStringSubmatch(line); m != nil {
			all = append(all, request{method: m[2], path: m[3], rough: m[1] != ""})
		} else if n := len(all); n > 0 && !strings.HasPrefix(line, "#") {
			all[n-1].content += line + "\n"
		}
	}
	for i := range all {
		content := strings.TrimSuffix(all[i].content, "\n\n") + "\n"
		if strings.TrimSpace(content) == "" {
			content = ""
		}
		all[i].content = content
	}
	return all
}

// send asks, and returns the status and the answer.
func send(t testing.TB, url string, r request) (int, http.Header, []byte) {
	t.Helper()
	req, err := http.NewRequest(r.method, url+r.path, strings.NewReader(r.content))
	if err != nil {
		t.Fatal(err)
	}
	if r.content != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, raw
}

// varies are members whose values are never the same.
var varies = map[string]bool{"took": true, "ingest_took": true, "uuid": true, "index_uuid": true, "creation_date": true, "index.creation_date": true, "index.uuid": true,
	"_primary_term": true, "store.size": true, "pri.store.size": true, "verified_before_close": true, "task_max_waiting_in_queue_millis": true}

var (
	uuid   = regexp.MustCompile(`/[A-Za-z0-9_-]{22}\]`)
	madeID = regexp.MustCompile(`document with id '[A-Za-z0-9_-]{20}'`)
	place  = regexp.MustCompile(`\[\d+:\d+\] |\n? at \[Source:.*?column: \d+\]| at byte \d+`)
)

// same replaces what is never the same.
func same(v any) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "line")
		delete(v, "col")
		for name, inner := range v {
			if id, ok := inner.(string); varies[name] || name == "_id" && ok && (len(id) == 20) {
				v[name] = "…"
				continue
			}
			v[name] = same(inner)
		}
		if v["type"] == "json_parse_exception" || v["type"] == "json_e_o_f_exception" {
			v["reason"] = "…"
		}
	case []any:
		for i := range v {
			v[i] = same(v[i])
		}
	case string:
		return place.ReplaceAllString(madeID.ReplaceAllString(uuid.ReplaceAllString(v, "/…]"), "document with id '…'"), "")
	}
	return v
}

// outline is the type of an error.
func outline(v any) any {
	m, _ := v.(map[string]any)
	e, _ := m["error"].(map[string]any)
	return e["type"]
}

// comparable reads an answer, JSON or text.
func comparable(raw []byte) any {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil || d.More() {
		return string(raw)
	}
	return same(v)
}

// An answered is what a server says to a request.
type answered struct {
	status int
	header http.Header
	raw    []byte
	value  any // what of raw is compared
}

func answer(t *testing.T, url string, r request) answered {
	t.Helper()
	status, header, raw := send(t, url, r)
	a := answered{status, header, raw, comparable(raw)}
	if r.rough {
		a.value = outline(a.value)
	}
	return a
}

// settled asks Elasticsearch, of its cluster until it says what is wanted: tasks of its last answers go on behind them, and are counted.
func settled(t *testing.T, url string, r request, want answered) answered {
	t.Helper()
	a := answer(t, url, r)
	cluster := r.method == "GET" && (strings.HasPrefix(r.path, "/_cluster/") || strings.HasPrefix(r.path, "/_cat/"))
	for end := time.Now().Add(10 * time.Second); cluster && time.Now().Before(end); a = answer(t, url, r) {
		if a.status == want.status && cmp.Equal(a.value, want.value) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return a
}

// The store answers requests that write and administer as Elasticsearch does.
func TestAsElasticsearch(t *testing.T) {
	theirs, ours := services.Elasticsearch(t, 7), serve(t)
	all := readRequests(requestsText)
	if len(all) < 300 {
		t.Fatalf("only %d requests were read", len(all))
	}
	for _, r := range all {
		if strings.Contains(r.path, "now%2Fd") { // both are asked on one day
			if next := time.Now().Truncate(24 * time.Hour).Add(24 * time.Hour); time.Until(next) < time.Minute {
				time.Sleep(time.Until(next) + time.Second)
			}
		}
		have := answer(t, ours, r)
		want := settled(t, theirs, r, have)
		if want.status != have.status {
			t.Errorf("%s %s %.300s\nElasticsearch answers %d: %.600s\nthe store %d: %.600s", r.method, r.path, r.content, want.status, want.raw, have.status, have.raw)
			continue
		}
		if diff := cmp.Diff(want.value, have.value); diff != "" {
			t.Errorf("%s %s %.300s\n(- Elasticsearch, + store)\n%s", r.method, r.path, r.content, diff)
		}
		for _, name := range []string{"X-Elastic-Product", "Content-Type", "Location"} {
			if a, b := want.header.Get(name), have.header.Get(name); a != "" && a != b && !strings.Contains(a, "/_doc/") {
				t.Errorf("%s %s: header %s is %q, not %q", r.method, r.path, name, b, a)
			}
		}
	}
}
