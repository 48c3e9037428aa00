package rest_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
)

// serveDir serves the store of a directory until stop.
func serveDir(t *testing.T, dir string) (url string, s *store.Store, stop func()) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	s, err := store.Open(dir, store.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	h, err := rest.New(rest.Options{Store: s, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	return server.URL, s, func() {
		server.Close()
		h.Close()
		s.Close()
	}
}

// A search over a pattern answers with what the indices have that can be read, and names the others.
func TestDamagedIndex(t *testing.T) {
	for _, from := range []int{0, 100, 1 << 12} {
		dir := t.TempDir()
		url, s, stop := serveDir(t, dir)
		for _, name := range []string{"logs-1", "logs-2", "logs-3"} {
			must(t, "PUT", url+"/"+name+"/_doc/1", `{"k":"a","n":1}`)
			if err := s.Flush(name); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		files, err := filepath.Glob(filepath.Join(dir, "*", "*.db"))
		if more, _ := filepath.Glob(filepath.Join(dir, "*.db")); err != nil || len(files)+len(more) < 3 {
			t.Fatal(files, more, err)
		} else {
			files = append(files, more...)
		}
		damaged := false
		for _, path := range files {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(path, "catalog") && !damaged {
				damaged = true
				copy(text[from:], bytes.Repeat([]byte{0x5a}, len(text)-from))
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		url, _, stop = serveDir(t, dir)
		f := func(path, content string, status int, wants ...string) {
			t.Helper()
			got, text := do(t, "POST", url+path, content)
			for _, want := range wants {
				if got != status || !strings.Contains(text, want) {
					t.Errorf("damaged from %d on: %s %s: %d %s, want %d %s", from, path, content, got, text, status, want)
				}
			}
		}
		const shards = `"_shards":{"total":3,"successful":2,"skipped":0,"failed":1,"failures":[{"shard":0,"index":"logs-`
		f("/logs-*/_search", `{}`, 200, shards, `"value":2,`, `"type":"i_o_exception"`)
		f("/logs-*/_search", `{"sort":[{"n":"desc"}],"query":{"term":{"k":"a"}}}`, 200, shards, `"value":2,`)
		f("/logs-*/_search", `{"size":0,"aggs":{"s":{"sum":{"field":"n"}}}}`, 200, shards, `"s":{"value":2.0}`)
		f("/logs-*/_search?scroll=1m", `{"size":1}`, 200, shards, `"value":2,`)
		f("/logs-*/_count", `{"query":{"term":{"k":"a"}}}`, 200, `{"count":2,`, shards)
		f("/_msearch", "{\"index\":\"logs-*\"}\n{}\n", 200, shards, `"status":200}]}`)
		f("/logs-*/_search?allow_partial_search_results=false", `{}`, 500, "Partial shards failure", "i_o_exception")
		failed := 0
		for _, name := range []string{"logs-1", "logs-2", "logs-3"} {
			if status, text := do(t, "POST", url+"/"+name+"/_search", `{}`); status == 500 && strings.Contains(text, "all shards failed") {
				failed++
			} else if status != 200 {
				t.Errorf("%s: %d %s", name, status, text)
			}
		}
		if failed != 1 {
			t.Errorf("damaged from %d on: %d indices cannot be searched, want 1", from, failed)
		}
		stop()
	}
}

// An answer that is longer than what is kept comes whole, also in several parts; who goes ends it, and gives back what it has taken.
func TestLongAnswers(t *testing.T) {
	url, _ := serveStore(t, rest.Options{Limits: rest.Limits{Answer: 24 << 20, Answers: 24 << 20}})
	for _, id := range []string{"1", "2", "3", "4", "5", "6"} {
		must(t, "PUT", url+"/big/_doc/"+id, `{"n":`+id+`,"m":"`+strings.Repeat("x", 1<<20)+`"}`)
	}
	plain := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	for range 3 {
		for _, client := range []*http.Client{plain, http.DefaultClient} {
			resp, err := client.Get(url + "/big/_search?sort=n")
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != 200 || len(text) < 6<<20 || !bytes.HasSuffix(text, []byte(`"sort":[6]}]}}`)) {
				t.Errorf("%d, %d bytes, error %v", resp.StatusCode, len(text), err)
			}
		}
		if text := must(t, "POST", url+"/_msearch", strings.Repeat("{\"index\":\"big\"}\n{}\n", 3)); strings.Count(text, `"status":200}`) != 3 || strings.Count(text, `"_id"`) != 18 {
			t.Errorf("the answer of _msearch has %d bytes", len(text))
		}
		status, text := do(t, "GET", url+"/big/_search?pretty", "")
		if status != 429 || !strings.Contains(text, "circuit_breaking_exception") {
			t.Errorf("an answer that is to be shaped: %d, %d bytes, want 429", status, len(text))
		}
		if text := must(t, "GET", url+"/big/_search?pretty&size=1", ""); !strings.HasPrefix(text, "{\n  \"took\"") || !strings.HasSuffix(text, "}\n") {
			t.Errorf("got %d bytes", len(text))
		}
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", url+"/big/_search", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		resp.Body.Close()
	}
}
