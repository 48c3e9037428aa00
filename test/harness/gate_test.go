package harness

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestGate(t *testing.T) {
	const two = "{\"create\":{}}\n{}\n{\"create\":{}}\n{}\n"
	f := func(moment Moment, wantStored int64, wantAnswer string) {
		t.Helper()
		var stored atomic.Int64
		target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/_bulk") && r.URL.RawQuery == "filter_path=x" {
				stored.Add(2)
			}
			io.WriteString(w, "yes")
		}))
		defer target.Close()
		g := NewGate(t, target.URL)
		var told atomic.Int64
		g.Stored = func(doc []byte) { told.Add(int64(len(doc) / len("{}"))) }
		send := func(path, body string) string {
			resp, err := http.Post(g.URL+path, "application/x-ndjson", strings.NewReader(body))
			if err != nil {
				return "cut"
			}
			defer resp.Body.Close()
			answer, _ := io.ReadAll(resp.Body)
			return string(answer)
		}
		if got := send("/", ""); got != "yes" {
			t.Errorf("moment %d: answer %q beside bulk requests", moment, got)
		}
		hit := g.Hold(3, moment)
		if got := send("/_bulk?filter_path=x", two); got != "yes" {
			t.Errorf("moment %d: first request got %q, want it to pass", moment, got)
		}
		select {
		case <-hit:
			t.Errorf("moment %d: hit by document 2, want 3", moment)
		default:
		}
		answer := make(chan string, 1)
		go func() { answer <- send("/_bulk?filter_path=x", two) }() // ends below
		<-hit
		g.Release()
		if got := <-answer; got != wantAnswer || stored.Load() != wantStored || told.Load() != wantStored || g.Docs() != 4 {
			t.Errorf("moment %d: %q, %d stored, %d came by, want %q and %d", moment, got, stored.Load(), g.Docs(), wantAnswer, wantStored)
		}
		if got := send("/_bulk?filter_path=x", two); got != "yes" {
			t.Errorf("moment %d: %q after the release", moment, got)
		}
	}
	f(Passing, 4, "yes")
	f(BeforeStore, 2, "cut")
	f(AfterStore, 4, "cut")
}

func TestInflate(t *testing.T) {
	const body = "{\"create\":{}}\n{}\n"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, body)
	z.Close()
	f := func(body, encoding, want string) {
		t.Helper()
		if got := inflate([]byte(body), http.Header{"Content-Encoding": {encoding}}); string(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	f("", "", "")
	f(body, "", body)
	f(zipped.String(), "gzip", body)
	f("no gzip", "gzip", "")
	f(zipped.String()[:20], "gzip", "")
}
