package logapi

import (
	"bufio"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/logapi/search"
)

// A backend answers without a network, and keeps what it is asked, but for what the handler asks for itself.
type backend struct{ seen []seen }

func (b *backend) RoundTrip(req *http.Request) (*http.Response, error) {
	answer := `{"_scroll_id":"cmF3","took":1}`
	switch {
	case req.Method == "GET" && req.URL.EscapedPath() == "/_alias":
		answer = names
	case req.Method == "GET" && req.URL.RawQuery == "expand_wildcards=open%2Chidden&fields=kubernetes.namespace%2Cservice.id&ignore_unavailable=true":
		answer = `{"indices":[],"fields":{}}`
	case req.URL.EscapedPath() == "/":
		answer = `{"version":{"number":"7.17.29"}}`
	default:
		var text []byte
		if req.Body != nil {
			text, _ = io.ReadAll(req.Body)
		}
		b.seen = append(b.seen, seen{req.Method, req.URL.EscapedPath(), req.URL.RawQuery, string(text), req.Header})
	}
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), ContentLength: int64(len(answer)), Request: req}, nil
}

// FuzzRequest sends whatever Go takes for a request to a client of team a, and to one of the namespace a.
func FuzzRequest(f *testing.F) {
	for _, request := range attacksOnIndices() {
		if len(request) < 4<<10 {
			f.Add([]byte(request))
		}
	}
	for _, request := range append(attacksOnFilter, insideFilter...) {
		f.Add([]byte(request))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		for _, scope := range []search.Scope{{Indices: []string{"team-a-*"}}, {Namespaces: []string{"a"}}} {
			req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(request))))
			if err != nil {
				return
			}
			b := &backend{}
			u, _ := url.Parse("http://backend")
			h, err := search.New(search.Options{URL: u, Transport: b, NamespaceField: "kubernetes.namespace", AppField: "service.id", Log: slog.New(slog.DiscardHandler),
				Auth: func(req *http.Request) { req.SetBasicAuth("logapi", "backend password") }})
			if err != nil {
				t.Fatal(err)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req.WithContext(search.WithScopes(req.Context(), []search.Scope{scope})))
			if w.Code == 500 || w.Code == 502 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			for _, s := range b.seen {
				if scope.Indices != nil {
					err = allowed(s)
				} else {
					err = filtered(s)
				}
				if err != nil {
					t.Fatalf("%s %s?%s %s: %v", s.method, s.path, s.query, s.body, err)
				}
			}
		}
	})
}

// filtered says what is wrong with a request that reached the backend from a client of the namespace a.
func filtered(s seen) error {
	call := s.path[strings.LastIndexByte(s.path, '/')+1:]
	switch call {
	case "_search", "_count", "_msearch", "_async_search":
	default: // names and types of fields, and what is opened here is searched behind the filter
		return nil
	}
	for i, line := range strings.Split(strings.TrimSuffix(s.body, "\n"), "\n") {
		if call == "_msearch" && i%2 == 0 {
			continue
		}
		v, err := body.Parse([]byte(line))
		if err != nil {
			return err
		}
		if err := behind(v, s.query); err != nil {
			return err
		}
	}
	return nil
}
