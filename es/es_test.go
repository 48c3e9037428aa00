package es

import (
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

func client(t *testing.T, config Config) *Client {
	t.Helper()
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A fake answers requests with its handlers in turn, the last one again and again, and keeps what was asked.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
	last  *http.Request
	body  string
}

func newFake(t *testing.T, handlers ...http.HandlerFunc) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n := min(len(f.asked), len(handlers)-1)
		f.asked = append(f.asked, r.Method+" "+r.RequestURI)
		body, _ := io.ReadAll(r.Body)
		f.last, f.body = r, string(body)
		f.mu.Unlock()
		handlers[n](w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

// requests are those asked so far.
func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func status(code int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		io.WriteString(w, body)
	}
}

func breakOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func TestReal(t *testing.T) {
	f := func(major int, version string) {
		t.Helper()
		ctx := context.Background()
		c := client(t, Config{Hosts: []string{services.Elasticsearch(t, major)}, Compress: true})
		info, err := c.Info(ctx)
		if err != nil || info.Version.Text != version || info.Version.Major != major || info.ClusterName != "test" || len(info.ClusterUUID) != 22 || info.Version.Distribution != "" {
			t.Errorf("info is %+v (%v), want version %s", info, err, version)
		}
		// Date math has a slash, which must not divide the path.
		var got struct {
			Index  string          `json:"_index"`
			ID     string          `json:"_id"`
			Source json.RawMessage `json:"_source"`
		}
		before := "es-" + time.Now().UTC().Format("2006.01.02")
		if err := c.Do(ctx, "PUT", Path("<es-{now/d}>", "_doc", "a b+c%/ü"), url.Values{"refresh": {"true"}}, map[string]any{"x": "<&>"}, &got); err != nil {
			t.Fatal(err)
		}
		name := got.Index
		if after := "es-" + time.Now().UTC().Format("2006.01.02"); name != before && name != after { // two at midnight
			t.Errorf("it was written to %s, want %s or %s", name, before, after)
		}
		err = c.Do(ctx, "GET", Path(name, "_doc", "a b+c%/ü"), nil, nil, &got)
		if err != nil || got.Index != name || got.ID != "a b+c%/ü" || strings.TrimSpace(string(got.Source)) != `{"x":"<&>"}` {
			t.Errorf("got %+v (%v)", got, err)
		}
		err = c.Do(ctx, "DELETE", Path(name, "_doc", "none"), nil, nil, nil)
		if Status(err) != 404 || Type(err) != "" {
			t.Errorf("a missing document gives %v", err)
		}
		err = c.Do(ctx, "GET", Path("absent", "_settings"), nil, nil, nil)
		var e *Error
		if !errors.As(err, &e) || e.Status != 404 || e.Type != "index_not_found_exception" || e.Index != "absent" || e.Error() != "GET /absent/_settings: 404 Not Found: index_not_found_exception: no such index [absent]" {
			t.Errorf("a missing index gives %v", err)
		}
	}
	f(7, "7.17.29")
	f(8, "8.7.1")
}

func TestHosts(t *testing.T) {
	f := func(want string, hosts ...string) {
		t.Helper()
		_, err := New(Config{Hosts: hosts})
		if fmt.Sprint(err) != want && !(want == "" && err == nil) {
			t.Errorf("%q: %v, want %q", hosts, err, want)
		}
	}
	refused := func(host string) string {
		return fmt.Sprintf("cannot use %q as a host of Elasticsearch: write http[s]://HOST[:PORT][/PREFIX], an IPv6 address as http://[::1]:9200", host)
	}
	f("", "http://localhost:9200", "https://es.example/prefix/", "http://[::1]:9200", "http://user:pass@h")
	f("no host of Elasticsearch is given: name one as http://localhost:9200")
	f(refused("localhost:9200"), "http://a:1", "localhost:9200")
	f(refused(""), "")
	f(refused("ftp://h"), "ftp://h")
	f(refused("http://"), "http://")
	f(refused("http://h/a%2Fb"), "http://h/a%2Fb")
	f(refused("http://h?x"), "http://h?x")
	f(refused("…@ h/"), "http://user:pass@ h/") // without what may be a password
}

// A path keeps its escapes behind the prefix of a host.
func TestPrefix(t *testing.T) {
	f := func(prefix, path, want string) {
		t.Helper()
		s := newFake(t, status(200, "{}"))
		if err := client(t, Config{Hosts: []string{s.URL + prefix}}).Do(context.Background(), "GET", path, nil, nil, nil); err != nil || s.asked[0] != "GET "+want {
			t.Errorf("prefix %q and %s give %q (%v), want %s", prefix, path, s.asked, err, want)
		}
	}
	f("", Path("<a-{now/d}>", "_search"), "/%3Ca-%7Bnow%2Fd%7D%3E/_search")
	f("/es", Path("<a-{now/d}>"), "/es/%3Ca-%7Bnow%2Fd%7D%3E")
	f("/x%20y/", Path("a,b"), "/x%20y/a,b")
	f("/es/", "/", "/es/")
	f("", Path("..", "a"), "/../a")
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: status(200, `{"version":{"number":"2.11.0","distribution":"opensearch"}}`)}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	info, err := client(t, Config{Hosts: []string{"http://" + l.Addr().String()}}).Info(context.Background())
	if err != nil || info.Version.Major != 2 || info.Version.Distribution != "opensearch" {
		t.Errorf("info is %+v (%v)", info, err)
	}
}

func TestInfoOfOthers(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		s := newFake(t, status(200, body))
		if _, err := client(t, Config{Hosts: []string{s.URL}}).Info(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %s", body, err, want)
		}
	}
	f("<html>", "cannot read the answer: invalid character '<'")
	f("{}", `cannot read the version of Elasticsearch from "": is it Elasticsearch that listens there?`)
	f(`{"version":{"number":"x.y"}}`, `from "x.y"`)
	f(`{"version":{"number":"8"`, "cannot read the answer: unexpected EOF")
}

func TestAuth(t *testing.T) {
	f := func(config Config, want string) {
		t.Helper()
		s := newFake(t, status(200, "{}"))
		host := s.URL
		if config.Hosts != nil {
			host = strings.Replace(s.URL, "//", "//"+config.Hosts[0]+"@", 1)
		}
		config.Hosts = []string{host}
		if err := client(t, config).Do(context.Background(), "GET", "/", nil, nil, nil); err != nil {
			t.Fatal(err)
		}
		if got := s.last.Header.Get("Authorization"); got != want {
			t.Errorf("%+v sends %q, want %q", config, got, want)
		}
	}
	f(Config{}, "")
	f(Config{Username: "u", Password: "p:ä"}, "Basic dTpwOsOk")
	f(Config{Hosts: []string{"u:p%3A%C3%A4"}}, "Basic dTpwOsOk")
	f(Config{APIKey: "aWQ6a2V5"}, "APIKey aWQ6a2V5")
	f(Config{APIKey: "id:key"}, "APIKey aWQ6a2V5")
	f(Config{Bearer: "token"}, "Bearer token")
	f(Config{Headers: map[string]string{"authorization": "Custom x"}}, "Custom x")
	refuse := func(config Config, want string) {
		t.Helper()
		config.Hosts = []string{"http://h"}
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v gives %v", config, err)
		}
	}
	refuse(Config{Username: "u"}, "one is missing")
	refuse(Config{Password: "secret"}, "one is missing")
	refuse(Config{Username: "u", Password: "secret", APIKey: "secret"}, "in two ways")
	refuse(Config{Bearer: "secret", APIKey: "secret"}, "in two ways")
}

func TestHeaders(t *testing.T) {
	s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, `{"x":1}`)
		z.Close()
	})
	var out struct{ X int }
	c := client(t, Config{Hosts: []string{s.URL}, OpaqueID: "curator", UserAgent: "podbeat/1", Headers: map[string]string{"X-A": "b"}, Compress: true})
	if err := c.Do(context.Background(), "POST", "/x", url.Values{"a": {"b c"}}, map[string]int{"n": 1}, &out); err != nil || out.X != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	z, err := gzip.NewReader(strings.NewReader(s.body))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(z)
	h := s.last.Header
	got := []string{string(body), s.asked[0], h.Get("X-Opaque-Id"), h.Get("User-Agent"), h.Get("X-A"), h.Get("Content-Type"), h.Get("Content-Encoding"), h.Get("Accept-Encoding"), h.Get("Accept")}
	want := []string{"{\"n\":1}\n", "POST /x?a=b+c", "curator", "podbeat/1", "b", "application/json", "gzip", "gzip", "application/json"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRetries(t *testing.T) {
	ok := status(200, "{}")
	f := func(method, want string, times int, handlers ...http.HandlerFunc) {
		t.Helper()
		s := newFake(t, handlers...)
		c := client(t, Config{Hosts: []string{s.URL}, Retries: 2})
		err := c.Do(context.Background(), method, "/x", nil, nil, nil)
		if len(s.requests()) != times || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: asked %d times, want %d; %v, want %q", method, len(s.requests()), times, err, want)
		}
	}
	f("POST", "", 2, status(429, ""), ok)
	f("DELETE", "", 3, status(503, `{"error":{"type":"x"}}`), status(429, ""), ok)
	f("PUT", "503 Service Unavailable", 3, status(503, ""))
	f("GET", "", 2, status(502, ""), ok)
	f("HEAD", "", 2, status(504, ""), ok)
	f("GET", "", 2, breakOff, ok)
	f("GET", "EOF", 3, breakOff)
	// Whether the server did these is not known.
	f("POST", "504 Gateway Timeout", 1, status(504, ""))
	f("DELETE", "502 Bad Gateway", 1, status(502, ""))
	f("POST", "EOF", 1, breakOff)
	f("GET", "404 Not Found", 1, status(404, ""))
	f("GET", "500 Internal Server Error", 1, status(500, ""))
}

func TestRetryAfter(t *testing.T) {
	f := func(err error, i int, least, most time.Duration) {
		t.Helper()
		for range 100 {
			if d := pause(i, err); d < least || d > most {
				t.Errorf("pause %d after %v is %v, want %v to %v", i, err, d, least, most)
			}
		}
	}
	f(io.EOF, 0, 250*time.Millisecond, 500*time.Millisecond)
	f(io.EOF, 2, time.Second, 2*time.Second)
	f(io.EOF, 1000, 15*time.Second, 30*time.Second)
	f(&Error{retryAfter: 7 * time.Second}, 0, 7*time.Second, 7*time.Second)
	f(&Error{retryAfter: time.Hour}, 0, 30*time.Second, 30*time.Second)
	after := func(value string, least, most time.Duration) {
		t.Helper()
		e := answered("GET", "/", &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {value}}, Body: http.NoBody}, secrets(nil))
		if e.retryAfter < least || e.retryAfter > most {
			t.Errorf("Retry-After %q is %v, want %v to %v", value, e.retryAfter, least, most)
		}
	}
	after("5", 5*time.Second, 5*time.Second)
	after("99999999999999999999", 0, 0)
	after("9999999", time.Hour, time.Hour)
	after("-1", 0, 0)
	after("soon", 0, 0)
	after(time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), 58*time.Second, time.Minute)
}

// A dead host rests; its requests go to the others.
func TestDeadHost(t *testing.T) {
	dead := "http://" + services.Address(t)
	s := newFake(t, status(200, "{}"))
	c := client(t, Config{Hosts: []string{dead, s.URL}, Retries: 1})
	for range 6 {
		if err := c.Do(context.Background(), "POST", "/x", nil, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.requests()) != 6 {
		t.Errorf("asked %d times, want 6", len(s.requests()))
	}
	err := client(t, Config{Hosts: []string{strings.Replace(dead, "//", "//user:secret@", 1)}, Retries: -1}).Do(context.Background(), "GET", "/_cat/x", nil, nil, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "cannot GET /_cat/x at "+dead+": ") || !strings.HasSuffix(err.Error(), ": connection refused: nothing listens there; is Elasticsearch up, and are host and port right?") {
		t.Errorf("the error is %v", err)
	}
}

func TestTimeout(t *testing.T) {
	release := make(chan struct{})
	slow := func(w http.ResponseWriter, r *http.Request) { <-release }
	slowBody := func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"a":`)
		w.(http.Flusher).Flush()
		<-release
	}
	f := func(handler http.HandlerFunc) {
		t.Helper()
		s := newFake(t, handler)
		c := client(t, Config{Hosts: []string{s.URL}}).With(300 * time.Millisecond)
		var out any
		err := c.Do(context.Background(), "GET", "/x", nil, nil, &out)
		for end := time.Now().Add(10 * time.Second); len(s.requests()) == 0 && time.Now().Before(end); { // it may be read later than it is given up
			time.Sleep(time.Millisecond)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) || err.Error() != "cannot GET /x at "+s.URL+": no answer within 300ms: i/o timeout" || len(s.requests()) != 1 {
			t.Errorf("the error is %v after %d requests", err, len(s.requests()))
		}
	}
	f(slow)
	f(slowBody)
	s := newFake(t, slow)
	c := client(t, Config{Hosts: []string{s.URL}})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := c.Do(ctx, "GET", "/x", nil, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	s = newFake(t, func(w http.ResponseWriter, r *http.Request) {
		status(503, "", "Retry-After", "30")(w, r)
		time.AfterFunc(time.Second, cancel) // not before the answer, which may be late
	})
	if err := client(t, Config{Hosts: []string{s.URL}}).Do(ctx, "GET", "/x", nil, nil, nil); Status(err) != 503 {
		t.Errorf("the error is %v", err)
	}
	close(release)
}

func TestRoundTrip(t *testing.T) {
	s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		w.Header().Set("X-Got", fmt.Sprint(r.Method, " ", r.URL.EscapedPath(), "?", r.URL.RawQuery, " ", r.Host, " ", user, ":", password, " ", r.Header["Accept"]))
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "answer")
	})
	c := client(t, Config{Hosts: []string{s.URL + "/prefix"}, Username: "u", Password: "p"})
	f := func(path, want string) {
		t.Helper()
		req, err := http.NewRequest("POST", "http://elsewhere:1"+path, strings.NewReader("text"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/plain")
		resp, err := c.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		want = "POST /prefix" + want + " " + strings.TrimPrefix(s.URL, "http://") + " u:p [text/plain]"
		if got := resp.Header.Get("X-Got"); err != nil || got != want || s.body != "text" || string(body) != "answer" || resp.StatusCode != http.StatusTeapot {
			t.Errorf("%s: got %s, %s %q (%v), want %s", path, got, resp.Status, body, err, want)
		}
	}
	f("/x/_search?a=b", "/x/_search?a=b")
	f("/%3Ca%2Fb%3E/_search", "/%3Ca%2Fb%3E/_search?")
}

func TestTransport(t *testing.T) {
	asked := ""
	c := client(t, Config{Hosts: []string{"http://none.invalid"}, Transport: carrier(func(r *http.Request) (*http.Response, error) {
		asked = r.URL.String()
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`{"a":1}`))}, nil
	})})
	var answer struct{ A int }
	if err := c.Do(context.Background(), "GET", "/x", nil, nil, &answer); err != nil || answer.A != 1 || asked != "http://none.invalid/x" {
		t.Errorf("asked %s, got %v (%v)", asked, answer, err)
	}
}

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func TestError(t *testing.T) {
	f := func(code int, body, want string) {
		t.Helper()
		e := answered("DELETE", "/a,b", &http.Response{StatusCode: code, Header: http.Header{"Location": {"http://u:secret@other/"}}, Body: io.NopCloser(strings.NewReader(body))}, secrets(nil))
		if e.Error() != want {
			t.Errorf("%d %s\ngot  %s\nwant %s", code, body, e, want)
		}
	}
	f(400, `{"error":{"root_cause":[{"type":"x","reason":"deeper"}],"type":"snapshot_in_progress_exception","reason":"no"},"status":400}`,
		"DELETE /a,b: 400 Bad Request: snapshot_in_progress_exception: no: deeper")
	f(400, `{"error":{"root_cause":[{"type":"x","reason":"no"}],"type":"x","reason":"no","caused_by":{"type":"y","reason":"because"}}}`, "DELETE /a,b: 400 Bad Request: x: no: because")
	f(404, `{"error":"alias [x] missing","status":404}`, "DELETE /a,b: 404 Not Found: alias [x] missing")
	f(401, "Unauthorized", "DELETE /a,b: 401 Unauthorized: Unauthorized: log in with a user and password, an API key or a token that the cluster knows")
	f(403, `{"error":{"type":"security_exception","reason":"action [indices:admin/delete] is unauthorized"}}`,
		"DELETE /a,b: 403 Forbidden: security_exception: action [indices:admin/delete] is unauthorized: give the user, or the API key, a role with the privilege that is missing")
	f(403, `{"error":{"type":"cluster_block_exception","reason":"index [a] blocked"}}`,
		"DELETE /a,b: 403 Forbidden: cluster_block_exception: index [a] blocked: an index or the cluster is blocked; if the disk is full, free some, then unset index.blocks.read_only_allow_delete")
	f(502, "<html>\r\n\x1b[31m<b>bad\x00 gateway</b>", "DELETE /a,b: 502 Bad Gateway: <html> [31m<b>bad gateway</b>")
	f(301, "", "DELETE /a,b: 301 Moved Permanently: it points to …@other/: give the address it points to as host")
	f(500, `[1]`, "DELETE /a,b: 500 Internal Server Error: [1]")
	f(500, `{"error":null}`, "DELETE /a,b: 500 Internal Server Error")
	f(599, strings.Repeat("ü", 1000), "DELETE /a,b: 599 : "+strings.Repeat("ü", 500)+"…")
}

func TestBounds(t *testing.T) {
	s := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `"`)
		part := strings.Repeat("x", 1<<20)
		for range 300 {
			if _, err := io.WriteString(w, part); err != nil {
				return
			}
		}
	})
	var out string
	err := client(t, Config{Hosts: []string{s.URL}}).Do(context.Background(), "GET", "/x", nil, nil, &out)
	if err == nil || err.Error() != "cannot read the answer to GET /x: it has more than 256 MiB" {
		t.Errorf("the error is %v", err)
	}
}

func TestPaths(t *testing.T) {
	c := client(t, Config{Hosts: []string{"http://127.0.0.1:1"}})
	for _, path := range []string{"x", "//host/x", "/x?y", "/x#y", "http://h/", "/%zz", "", "/\x00"} {
		if err := c.Do(context.Background(), "GET", path, nil, nil, nil); err == nil || !strings.Contains(err.Error(), "it is not the path of a request") {
			t.Errorf("%q gives %v", path, err)
		}
	}
	if err := c.Do(context.Background(), "GET", "/", nil, func() {}, nil); err == nil || !strings.HasPrefix(err.Error(), "cannot GET /: cannot encode the body") {
		t.Errorf("a function as body gives %v", err)
	}
}

func TestChunks(t *testing.T) {
	f := func(max int, names, want string) {
		t.Helper()
		var list []string
		if names != "" {
			list = strings.Split(names, " ")
		}
		if got := fmt.Sprint(Chunks(list, max)); got != want {
			t.Errorf("Chunks(%s, %d) = %s, want %s", names, max, got, want)
		}
	}
	f(10, "", "[]")
	f(10, "a b c d e f", "[[a b c d e] [f]]")
	f(10, "abcdefghijkl b abcdefghijkl", "[[abcdefghijkl] [b] [abcdefghijkl]]")
	f(10, "ü ü", "[[ü] [ü]]") // as it is sent, %C3%BC
}

func FuzzError(f *testing.F) {
	f.Add(400, `{"error":{"root_cause":[{"type":"x","reason":"deeper"}],"type":"y","reason":"no"},"status":400}`)
	f.Add(404, `{"error":"alias [x] missing"}`)
	f.Add(502, "<html>\x1b[31m\x00")
	f.Fuzz(func(t *testing.T, code int, body string) {
		text := answered("GET", "/", &http.Response{StatusCode: code, Header: http.Header{"Location": {body}}, Body: io.NopCloser(strings.NewReader(body))}, secrets(nil)).Error()
		for _, r := range text {
			if !unicode.IsPrint(r) {
				t.Errorf("%q has %q in it", text, r)
			}
		}
		if len(text) > 3*maxReason {
			t.Errorf("%d bytes", len(text))
		}
	})
}

// Whatever a name is, it stays one part of the path.
func FuzzPath(f *testing.F) {
	f.Add("a b+c%/ü", "<a-{now/d}>")
	f.Add("..", "?x#y;z")
	f.Fuzz(func(t *testing.T, a, b string) {
		u, err := url.Parse(Path("x", a, b))
		if err != nil || strings.Count(u.EscapedPath(), "/") != 3 || u.Path != "/x/"+a+"/"+b || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("Path(x, %q, %q) = %s, read as %+v (%v)", a, b, Path("x", a, b), u, err)
		}
	})
}

// TestSecretsInErrors: what a server repeats of the login is not told.
func TestSecretsInErrors(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		reason, _ := json.Marshal("no: " + r.Header.Get("Authorization") + " of " + user + " with " + password)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":{"type":"x","reason":%s}}`, reason)
	}))
	defer s.Close()
	key := base64.StdEncoding.EncodeToString([]byte("id:key-of-the-api"))
	for _, c := range []Config{{Username: "reader", Password: "pass/word"}, {APIKey: key}, {Bearer: "a.token.of-somebody"}} {
		c.Hosts = []string{s.URL}
		client, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		err = client.Do(t.Context(), "GET", "/", nil, nil, nil)
		if Status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), "no: ") || !strings.Contains(err.Error(), "***") {
			t.Errorf("%v", err)
		}
		for _, secret := range []string{"pass/word", base64.StdEncoding.EncodeToString([]byte("reader:pass/word")), key, "key-of", "a.token"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
		}
	}
}
