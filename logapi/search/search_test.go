package search_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/logapi/search"
)

// before returns the URL of a handler, without narrowing, in front of a server that answers with answer.
func before(t testing.TB, limits search.Limits, answer http.HandlerFunc) string {
	t.Helper()
	backend := httptest.NewServer(answer)
	t.Cleanup(backend.Close)
	u, _ := url.Parse(backend.URL + "/below")
	h, err := search.New(search.Options{URL: u, Limits: limits, Log: slog.New(slog.DiscardHandler), Auth: func(r *http.Request) { r.Header.Set("Authorization", "ApiKey secret") }})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(search.WithScopes(r.Context(), []search.Scope{{}})))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// What is sent is written anew.
func TestSent(t *testing.T) {
	var sent string
	server := before(t, search.Limits{}, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.RequestURI, body))
		if r.Header.Get("Authorization") != "ApiKey secret" || r.Header.Get("Accept-Encoding") != "identity" || r.Header.Get("X-Opaque-Id") != "" || len(body) > 0 && r.Header.Get("Content-Type") == "" {
			sent += fmt.Sprint(" ", r.Header)
		}
	})
	f := func(method, target, body, want string) {
		t.Helper()
		sent = ""
		r := ask(t, method, server+target, body, "X-Opaque-Id: x")
		if sent != want {
			t.Errorf("%s %s %.200s: sent %.200s, want %.200s; %d %s", method, target, body, sent, want, r.status, r.body)
		}
	}
	f("GET", "/_search", "", "GET /below/_search")
	f("POST", "/logs-*,-logs-1/_search?pretty&size=05&q=a+b%20c&jwt=x.y.z", "", "POST /below/logs-*,-logs-1/_search?pretty=true&q=a+b+c&size=5")
	f("POST", "/a/_search", " {\n\"size\" : 1.0e0 , \"q\":\"\\u0041\" }\n", `POST /below/a/_search {"size":1.0e0,"q":"A"}`)
	f("GET", "/a+b/_doc/x%2Fy%3Fz%20%25", "", "GET /below/a%2Bb/_doc/x%2Fy%3Fz%20%25")
	f("GET", "/%3Clogs-%7Bnow%2Fd%7D%3E/_search", "", "GET /below/%3Clogs-%7Bnow%2Fd%7D%3E/_search")
	f("GET", "/a/_doc/..", "", "GET /below/a/_doc/..")
	f("POST", "/_msearch", "{\"index\":\"a,b\" , \"ignore_unavailable\":true}\r\n {}\n", `POST /below/_msearch {"ignore_unavailable":true,"index":["a","b"]}`+"\n{}")
	f("POST", "/a/_msearch", "{}\n{ }\n", `POST /below/_msearch {"index":["a"]}`+"\n{}")
	f("GET", "/_search?source_content_type=application/json&source=%7B%22size%22:%201%7D", "", `GET /below/_search {"size":1}`)
	f("HEAD", "/a/_source/1", "", "HEAD /below/a/_source/1")
	f("POST", "/a/_async_search?keep_alive=5m&wait_for_completion_timeout=1s", "", "POST /below/a/_async_search?keep_alive=5m&wait_for_completion_timeout=1s")
	f("POST", "/a/_terms_enum", `{"field":"x"}`, `POST /below/a/_terms_enum {"field":"x"}`)
	f("POST", "/a/_search", `{"query":{"terms":{"a":{"index":"b","id":"1","path":"c"}}}}`, `POST /below/a/_search {"query":{"terms":{"a":{"index":"b","id":"1","path":"c"}}}}`)

	f("POST", "/a/_search", `{"query":{"terms":{"a":{"index":".b","id":"1","path":"c"}}}}`, "")
	f("POST", "/a/_search", `{"query":{"wrapper":{"query":"e30="}}}`, "")
	f("GET", "/other:a/_search", "", "")
	f("GET", "/.system/_search", "", "")
	f("GET", "/a/_search?expand_wildcards=hidden", "", "")
	f("DELETE", "/a", "", "")
	f("GET", "/*,-.*/_search", "", "GET /below/*,-.*/_search")
	f("POST", "/a/_search", `{"query":{"terms":{"n":[`+strings.Repeat("1,", 60_000)+`1]}}}`, `POST /below/a/_search {"query":{"terms":{"n":[`+strings.Repeat("1,", 60_000)+`1]}}}`)
	f("POST", "/a/_search", `{"query":{"terms":{"n":[`+strings.Repeat("1,", 100_000)+`1]}}}`, "")
	f("POST", "/a/_search", `{"query":`+strings.Repeat(`{"bool":{"filter":`, 40)+`{}`+strings.Repeat("}}", 40)+"}", "")
	f("POST", "/_msearch", strings.Repeat("{\"index\":\""+strings.Repeat("a,", 50)+"a\"}\n{}\n", 100), "")
}

// What Elasticsearch answers that is not for the client stays here.
func TestAnswers(t *testing.T) {
	f := func(name string, want int, text string, answer http.HandlerFunc) {
		t.Helper()
		r := ask(t, "GET", before(t, search.Limits{Answer: 1000, Time: 10 * time.Second}, answer)+"/a/_search", "")
		if r.status != want || !strings.Contains(r.body, text) {
			t.Errorf("%s: %d %s, want %d %s", name, r.status, r.body, want, text)
		}
		for _, header := range []string{"Set-Cookie", "Www-Authenticate", "Server", "X-Found-Handling-Instance"} {
			if r.header.Get(header) != "" {
				t.Errorf("%s: the header %s came through", name, header)
			}
		}
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set("Server", "x")
			w.Header().Set("X-Found-Handling-Instance", "instance-1")
			w.Header().Set("Content-Type", "application/json")
			for _, line := range header {
				name, value, _ := strings.Cut(line, ": ")
				w.Header().Set(name, value)
			}
			w.WriteHeader(code)
			io.WriteString(w, `{"what":"Elasticsearch says"}`)
		}
	}
	f("found", 200, "Elasticsearch says", status(200))
	f("its own error", 400, "Elasticsearch says", status(400))
	f("too many", 429, "Elasticsearch says", status(429, "Retry-After: 1"))
	f("not our credentials", 502, "refuses what this service may do", status(401, `WWW-Authenticate: Basic realm="security"`))
	f("not our rights", 502, "refuses what this service may do", status(403))
	f("a redirect", 502, "no answer", status(302, "Location: http://127.0.0.1:1/"))
	f("packed unasked", 502, "encoding", status(200, "Content-Encoding: br"))
	f("too large", 502, "too large", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(make([]byte, 1500)) })
	begin := func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, `{"took":1,`)
		_ = http.NewResponseController(w).Flush()
	}
	f("broken off at once", 502, "breaks off", func(w http.ResponseWriter, r *http.Request) {
		begin(w)
		panic(http.ErrAbortHandler)
	})
	f("shorter than it says", 502, "breaks off", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		begin(w)
		panic(http.ErrAbortHandler)
	})
	f("silence", 502, "cannot be reached", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// An answer that breaks off, or grows beyond its bound, is no answer with an end.
func TestBrokenAnswers(t *testing.T) {
	f := func(name string, answer http.HandlerFunc) {
		t.Helper()
		server := before(t, search.Limits{Answer: 1 << 20}, answer)
		for _, encoding := range []string{"identity", "gzip"} {
			req, _ := http.NewRequest("GET", server+"/a/_search", nil)
			req.Header.Set("Accept-Encoding", encoding)
			resp, err := http.DefaultTransport.RoundTrip(req)
			if err != nil {
				continue // broken before its beginning
			}
			if _, err := io.ReadAll(resp.Body); err == nil {
				t.Errorf("%s, %s: an answer that ends well", name, encoding)
			}
			resp.Body.Close()
		}
	}
	f("cut", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 100_000))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	f("endless", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(bytes.Repeat([]byte("x"), 100_000)); err != nil {
				return
			}
		}
	})
}

// Who goes away ends the search; a search that takes too long ends too.
func TestCancel(t *testing.T) {
	began, ended := make(chan bool, 1), make(chan bool, 1)
	wait := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		began <- true
		<-r.Context().Done()
		ended <- true
	}
	server := before(t, search.Limits{}, wait)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-began
		cancel()
	}()
	req, _ := http.NewRequestWithContext(ctx, "POST", server+"/a/_search", strings.NewReader("{}"))
	req.Header.Set("Content-Type", asJSON)
	if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	<-ended

	r := ask(t, "POST", before(t, search.Limits{Time: time.Second}, wait)+"/a/_search", "{}") // time enough to begin
	if r.status != http.StatusGatewayTimeout {
		t.Errorf("a search without end: %d %s", r.status, r.body)
	}
	<-ended

	r = ask(t, "GET", before(t, search.Limits{Time: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "{")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})+"/a/_search", "")
	if r.status != http.StatusGatewayTimeout {
		t.Errorf("an answer that begins and does not end: %d %s", r.status, r.body)
	}
}

// What a client learns of the cluster is what its library needs.
func TestRoot(t *testing.T) {
	server := before(t, search.Limits{}, func(w http.ResponseWriter, r *http.Request) {
		if r.RequestURI != "/below/" {
			t.Errorf("asked for %s", r.RequestURI)
		}
		io.WriteString(w, `{"name":"node-7.internal","cluster_name":"logs","cluster_uuid":"u-u-i-d","version":{"number":"7.17.29","build_flavor":"default","build_hash":"580aff1","build_date":"x","lucene_version":"8.11.3"},"tagline":"x"}`)
	})
	r := ask(t, "GET", server+"/", "")
	for _, want := range []string{`"number": "7.17.29"`, `"build_flavor": "default"`, `"tagline": "You Know, for Search"`, `"cluster_name": "logs"`} {
		if r.status != 200 || r.header.Get("X-Elastic-Product") != "Elasticsearch" || !strings.Contains(r.body, want) {
			t.Errorf("%d %v %s, want %s", r.status, r.header, r.body, want)
		}
	}
	for _, not := range []string{"node-7", "u-u-i-d", "580aff1"} {
		if strings.Contains(r.body, not) {
			t.Errorf("%s tells %s", r.body, not)
		}
	}
	if r := ask(t, "HEAD", server+"/", ""); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
}

// Ids are wrapped wherever they begin an answer, however it is laid out, and nothing else is touched.
func TestWrapped(t *testing.T) {
	f := func(method, target, answer, want string) {
		t.Helper()
		server := before(t, search.Limits{}, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, answer) })
		r := ask(t, method, server+target, "")
		at := strings.Index(want, "*")
		if at < 0 {
			if r.body != want {
				t.Errorf("%s: %q, want it as it is", target, r.body)
			}
			return
		}
		if len(r.body) != len(want)+31 || !strings.HasPrefix(r.body, want[:at]) || !strings.HasSuffix(r.body, want[at+1:]) {
			t.Errorf("%s: %q, want %q", target, r.body, want)
		}
	}
	f("POST", "/a/_search?scroll=1m", `{"_scroll_id":"cmF3==","took":1}`, `{"_scroll_id":"*cmF3==","took":1}`)
	f("POST", "/a/_search?scroll=1m", "{\n  \"_scroll_id\" : \"cmF3\"\n}", "{\n  \"_scroll_id\" : \"*cmF3\"\n}")
	f("POST", "/a/_search?scroll=1m", `{"took":1,"_scroll_id":"cmF3"}`, `{"took":1,"_scroll_id":"cmF3"}`)
	f("POST", "/a/_search?scroll=1m", `{"_scroll_id":"a\nb"}`, `{"_scroll_id":"a\nb"}`)
	f("POST", "/a/_search?scroll=1m", `{"_scroll_id":`, `{"_scroll_id":`)
	f("POST", "/a/_search?scroll=1m", ``, ``)
	f("POST", "/a/_search", `{"_scroll_id":"cmF3"}`, `{"_scroll_id":"cmF3"}`)
	f("POST", "/a/_pit?keep_alive=1m", `{"id":"cmF3"}`, `{"id":"*cmF3"}`)
	f("POST", "/a/_async_search", `{"id":"cmF3","is_partial":true,"response":{"id":"x"}}`, `{"id":"*cmF3","is_partial":true,"response":{"id":"x"}}`)
}

// Without its parts, there is no handler.
func TestNew(t *testing.T) {
	f := func(address, secret string, ok bool) {
		t.Helper()
		u, _ := url.Parse(address)
		if _, err := search.New(search.Options{URL: u, Secret: []byte(secret)}); (err == nil) != ok {
			t.Errorf("%s %q: %v", address, secret, err)
		}
	}
	f("http://localhost:9200", "", true)
	f("https://localhost:9200/below/", strings.Repeat("s", 32), true)
	f("http://localhost:9200", "short", false)
	f("localhost", "", false)
	f("ftp://localhost", "", false)
	f("http://localhost/?a=b", "", false)
}

// Without the cluster's names, nothing is searched for a client that is narrowed.
func TestNamesUnknown(t *testing.T) {
	f := func(status int, text string) {
		t.Helper()
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/_alias" {
				t.Errorf("asked for %s", r.RequestURI)
			}
			w.WriteHeader(status)
			io.WriteString(w, text)
		}))
		defer backend.Close()
		server := serve(t, backend.URL, search.Scope{Indices: []string{"team-*"}})
		for range 2 { // the second one is not told less, or more
			if r := ask(t, "POST", server+"/_msearch", "{}\n{}\n"); r.status != 502 || strings.Count(r.body, "search 1: ") != 2 {
				t.Errorf("%d %s: %d %s", status, text, r.status, r.body)
			}
		}
	}
	f(500, "{}")
	f(401, "{}")
	f(200, "")
	f(200, `[]`)
	f(200, `{"a":`)
}

// Names that are too many for a path still go into the lines of _msearch.
func TestManyNames(t *testing.T) {
	var names []string
	for i := range 150 {
		names = append(names, fmt.Sprintf(`"application-%04d-prod":{"aliases":{}},"application-%04d-test":{"aliases":{}}`, i, i))
	}
	sent := ""
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_alias" {
			io.WriteString(w, "{"+strings.Join(names, ",")+"}")
			return
		}
		body, _ := io.ReadAll(r.Body)
		sent = r.RequestURI + " " + string(body)
		io.WriteString(w, "{}")
	}))
	defer backend.Close()
	server := serve(t, backend.URL, search.Scope{Indices: []string{"*-prod"}})
	if r := ask(t, "GET", server+"/application-*/_search", ""); r.status != 400 || !strings.Contains(r.body, "150 indices") || sent != "" {
		t.Errorf("%d %s, sent %.100s", r.status, r.body, sent)
	}
	r := ask(t, "POST", server+"/_msearch", "{\"index\":\"application-*\"}\n{}\n")
	if r.status != 200 || strings.Count(sent, "-prod") != 150 || strings.Contains(sent, "-test") {
		t.Errorf("%d %s, sent %.100s", r.status, r.body, sent)
	}
	if r := ask(t, "GET", server+"/application-000*/_search", ""); r.status != 200 || strings.Count(sent, "-prod") != 10 {
		t.Errorf("%d %s, sent %.300s", r.status, r.body, sent)
	}
	if r := ask(t, "GET", server+"/_search", ""); r.status != 200 || sent != "/*-prod/_search " {
		t.Errorf("%d %s, sent %.100s", r.status, r.body, sent)
	}
}
