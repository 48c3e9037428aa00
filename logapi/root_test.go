package logapi

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/podbeat/podbeat/token"
)

func TestRootWithoutTokens(t *testing.T) {
	reached := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {})
	h := newRoot(reached, nil, func(*http.Request, error) {})
	h.hosts = append(h.hosts, "node-1")
	f := func(host string, want int) {
		t.Helper()
		r := httptest.NewRequest("GET", "/_search", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: got %d, want %d", host, w.Code, want)
		}
	}
	for _, good := range []string{"localhost", "localhost:9200", "LOCALHOST:9200", "127.0.0.1:9200", "[::1]:9200", "::1", "10.0.0.1", "node-1:9200"} {
		f(good, 200)
	}
	for _, bad := range []string{"attacker.example:9200", "localhost.attacker.example", "127.0.0.1.attacker.example:9200", "", ":9200"} {
		f(bad, 403)
	}
}

func TestRootWithTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := token.Rotate(file, token.Rotation{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	keys, err := token.OpenKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(access ...token.Access) string {
		raw, err := keys.Sign(token.Claims{UserID: "1", Expires: time.Now().Add(time.Hour), Access: access})
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	h := newRoot(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), keys, func(*http.Request, error) {})
	f := func(raw, method, path string, want int) {
		t.Helper()
		r := httptest.NewRequest(method, path, nil)
		if raw != "" {
			r.Header.Set("Authorization", "Bearer "+raw)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s %s: got %d, want %d", method, path, w.Code, want)
		}
	}
	all := sign(token.Access{Method: []string{"*"}, URL: []string{"/**"}})
	f(all, "POST", "/_bulk", 200)
	f(all, "GET", "/", 200)
	f(all, "DELETE", "/a,b", 200)
	f("", "GET", "/", 401)
	f("x", "GET", "/", 401)
	some := sign(token.Access{Method: []string{"POST"}, URL: []string{"/_bulk", "/{index}/_bulk"}})
	f(some, "POST", "/_bulk", 200)
	f(some, "POST", "/a/_bulk", 200)
	f(some, "HEAD", "/", 200)
	f(some, "GET", "/_search", 403)
	f(some, "DELETE", "/a", 403)
	f(some, "POST", "/a//_bulk", 403)
	f(sign(token.Access{Method: []string{"*"}, URL: []string{"/**"}, Other: []byte(`{"namespaces":["shop"]}`)}), "GET", "/_search", 403)
	f(sign(token.Access{Method: []string{"*"}, URL: []string{"/**"}, Other: []byte(`{"region":"eu"}`)}), "GET", "/_search", 200)
}
