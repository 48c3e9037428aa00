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
		if got := <-answer; got != wantAnswer || stored.Load() != wantStored || g.Docs() != 4 {
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

func TestDocuments(t *testing.T) {
	const one = "{\"create\":{}}\n{}\n"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, one+one)
	z.Close()
	f := func(body, encoding string, want int) {
		t.Helper()
		if got := documents([]byte(body), http.Header{"Content-Encoding": {encoding}}); got != want {
			t.Errorf("%d documents, want %d", got, want)
		}
	}
	f("", "", 0)
	f(one, "", 1)
	f(zipped.String(), "gzip", 2)
	f("no gzip", "gzip", 0)
	f(zipped.String()[:20], "gzip", 0)
}
