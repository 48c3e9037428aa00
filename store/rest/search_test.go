package rest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/store/rest"
)

// do sends a request and returns the status and the body of the answer.
func do(t testing.TB, method, url, content string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(text)
}

func must(t testing.TB, method, url, content string) string {
	t.Helper()
	status, text := do(t, method, url, content)
	if status >= 300 {
		t.Fatalf("%s %s: %d %s", method, url, status, text)
	}
	return text
}

// A clock stops searches, which ask for the time when they begin.
type clock struct {
	stopped atomic.Bool
	inside  chan struct{}
	release chan struct{}
}

func newClock() *clock { return &clock{inside: make(chan struct{}, 100), release: make(chan struct{})} }

func (c *clock) now() time.Time {
	if c.stopped.Load() {
		c.inside <- struct{}{}
		<-c.release
	}
	return time.Now()
}

// One search runs, one waits, and the next is refused.
func TestTooManySearches(t *testing.T) {
	c := newClock()
	url, _ := serveStore(t, rest.Options{Limits: rest.Limits{Searches: 1, Waiting: 1}, Now: c.now})
	must(t, "PUT", url+"/logs/_doc/1", `{"n":1}`)
	c.stopped.Store(true)
	answers := make(chan int, 3)
	ask := func() { status, _ := do(t, "GET", url+"/logs/_search", ""); answers <- status }
	go ask()
	<-c.inside
	go ask()
	go ask()
	if status := <-answers; status != 429 {
		t.Errorf("the search that neither runs nor may wait is answered with %d, want 429", status)
	}
	c.stopped.Store(false)
	close(c.release)
	for range 2 {
		if status := <-answers; status != 200 {
			t.Errorf("a search is answered with %d, want 200", status)
		}
	}
}

// A search whose client has gone gives its place to others, whether it runs or waits.
func TestClientGoes(t *testing.T) {
	c := newClock()
	url, _ := serveStore(t, rest.Options{Limits: rest.Limits{Searches: 1, Waiting: 1}, Now: c.now})
	must(t, "PUT", url+"/logs/_doc/1", `{"n":1}`)
	for range 20 {
		c.stopped.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			req, _ := http.NewRequestWithContext(ctx, "GET", url+"/logs/_search", nil)
			if resp, err := http.DefaultClient.Do(req); err == nil {
				resp.Body.Close()
			}
		}()
		<-c.inside
		cancel()
		<-gone
		c.stopped.Store(false)
		c.release <- struct{}{}
	}
	if status, text := do(t, "GET", url+"/logs/_search", ""); status != 200 {
		t.Errorf("behind searches that were given up: %d %s", status, text)
	}
}

func TestContexts(t *testing.T) {
	url, _ := serveStore(t, rest.Options{Limits: rest.Limits{Contexts: 2}})
	for n := range 5 {
		must(t, "PUT", fmt.Sprintf("%s/logs/_doc/%d", url, n), fmt.Sprintf(`{"n":%d}`, n))
	}
	id := func(text string) string {
		_, rest, _ := strings.Cut(text, `id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		return id
	}
	point := id(must(t, "POST", url+"/logs/_pit?keep_alive=1m", ""))
	scroll := id(must(t, "GET", url+"/logs/_search?scroll=1m&size=2&sort=n", ""))
	f := func(method, path, content string, want int, part string) {
		t.Helper()
		if status, text := do(t, method, url+path, content); status != want || !strings.Contains(text, part) {
			t.Errorf("%s %s %s: %d %s, want %d and %s", method, path, content, status, text, want, part)
		}
	}
	const gone = "search_context_missing_exception"
	f("POST", "/logs/_pit?keep_alive=1m", "", 429, "Trying to create too many")
	f("GET", "/logs/_search?scroll=1m", "", 429, "Trying to create too many")
	must(t, "DELETE", url+"/logs", "")
	f("POST", "/_search", `{"pit":{"id":"`+point+`"},"track_total_hits":true,"size":0}`, 200, `"value":5`) // as it was
	f("POST", "/_search", `{"pit":{"id":"`+scroll+`"}}`, 404, gone)                                        // each is what it is
	f("POST", "/_search/scroll", `{"scroll_id":"`+point+`"}`, 404, gone)
	f("DELETE", "/_pit", `{"id":"`+scroll+`"}`, 404, `"num_freed":0`)
	f("DELETE", "/_search/scroll/"+point, "", 404, `"num_freed":0`)
	f("POST", "/_search/scroll", `{"scroll":"1m","scroll_id":"`+scroll+`"}`, 200, `"_id":"2"`)
	f("POST", "/_search/scroll", `{"scroll":"2d","scroll_id":"`+scroll+`"}`, 400, "too large")
	f("POST", "/_search", `{"pit":{"id":"`+point+`","keep_alive":"2d"}}`, 400, "too large")
	f("POST", "/_search/scroll", `{"scroll_id":"`+scroll+`"}`, 200, `"_id":"4"`) // its last
	f("POST", "/_search/scroll", `{"scroll_id":"`+scroll+`"}`, 404, gone)
	f("DELETE", "/_pit", `{"id":"`+point+`"}`, 200, `"num_freed":1`)
	f("POST", "/_search", `{"pit":{"id":"`+point+`"}}`, 404, gone)
	f("DELETE", "/_search/scroll/_all", "", 200, `"num_freed":0`)
}

// Indices that come and go are no errors of those who ask for all.
func TestIndicesGo(t *testing.T) {
	url := serve(t)
	must(t, "PUT", url+"/logs-stay/_doc/1", `{"n":1}`)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for _, request := range []string{"POST /logs-*/_search {}", "POST /_count {}", "GET /_field_caps?fields=n ", "POST /_field_caps?fields=n {\"index_filter\":{\"range\":{\"@timestamp\":{\"lt\":\"2100\"}}}}", "GET /logs-*/_validate/query?explain ", "POST /_msearch {\"index\":\"logs-*\"}\n{}\n", "POST /*/_pit?keep_alive=1ms "} {
		method, rest, _ := strings.Cut(request, " ")
		path, content, _ := strings.Cut(rest, " ")
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					if n == 0 {
						t.Errorf("%s was never asked", request)
					}
					return
				default:
				}
				if status, text := do(t, method, url+path, content); status != 200 && status != 429 || strings.Contains(text, "index_not_found") || strings.Contains(text, "index_closed") {
					t.Errorf("%s: %d %s", request, status, text)
					return
				}
			}
		})
	}
	for n := range 40 {
		name := fmt.Sprintf("/logs-%d", n)
		must(t, "PUT", url+name+"/_doc/1", `{"n":1}`)
		if n%4 == 0 {
			must(t, "POST", url+name+"/_close", "")
		}
		must(t, "DELETE", url+name, "")
	}
	must(t, "PUT", url+"/logs-door/_doc/1", `{"n":1}`)
	for range 60 {
		must(t, "POST", url+"/logs-door/_close", "")
		must(t, "POST", url+"/logs-door/_open", "")
	}
	close(done)
	wg.Wait()
}

// The documents of an answer are bounded, and those of all answers under way.
func TestAnswerLimits(t *testing.T) {
	url, _ := serveStore(t, rest.Options{Limits: rest.Limits{Answer: 5000, Answers: 6000}})
	ask(t, 201, "PUT", url+"/big/_doc/1", `{"m":"`+strings.Repeat("y", 1000)+`"}`)
	f := func(want int, method, path, content string) {
		t.Helper()
		got := ask(t, want, method, url+path, content)
		if want == 429 && !strings.Contains(got, "Data too large") {
			t.Errorf("%s %s: %s", method, path, got)
		}
	}
	for range 3 { // what an answer has taken is given back
		f(200, "POST", "/big/_mget", `{"ids":["1","1","1","1"]}`)
		f(429, "POST", "/big/_mget", `{"ids":["1","1","1","1","1"]}`)
	}
}
