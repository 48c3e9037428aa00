package logapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What a handler of this program answers is what its client would get of a server.
func TestWithin(t *testing.T) {
	release := make(chan struct{})
	ended := make(chan error, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("/echo/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", fmt.Sprint(r.Method, " ", r.RequestURI, " ", r.URL.EscapedPath(), " ", r.Host))
		w.WriteHeader(http.StatusTeapot)
		w.Write(body)
	})
	mux.HandleFunc("/nothing", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/length", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		io.WriteString(w, "12345")
	})
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "first ")
		<-release
		_, err := io.WriteString(w, "second")
		ended <- err
	})
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended <- r.Context().Err()
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("early") })
	mux.HandleFunc("/late", func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "half")
		panic(http.ErrAbortHandler)
	})
	ask := func(ctx context.Context, method, path, body string) (*http.Response, error) {
		t.Helper()
		r, err := http.NewRequestWithContext(ctx, method, "http://store"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return within{mux}.RoundTrip(r)
	}
	f := func(method, path, body string, status int, length int64, got, want string) {
		t.Helper()
		resp, err := ask(t.Context(), method, path, body)
		if err != nil {
			t.Errorf("%s %s: %v", method, path, err)
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != status || resp.ContentLength != length || resp.Header.Get("X-Got") != got || string(text) != want {
			t.Errorf("%s %s: got %s %d %s %q (%v)", method, path, resp.Status, resp.ContentLength, resp.Header, text, err)
		}
	}
	f("POST", "/echo/%2Fa%20b?c=%2F", "text", 418, -1, "POST /echo/%2Fa%20b?c=%2F /echo/%2Fa%20b store", "text")
	f("HEAD", "/echo/", "text", 418, -1, "HEAD /echo/ /echo/ store", "")
	f("GET", "/nothing", "", 200, -1, "", "")
	f("GET", "/length", "", 200, 5, "", "12345")
	if _, err := ask(t.Context(), "GET", "/panic", ""); err == nil || !strings.Contains(err.Error(), "early") {
		t.Errorf("got %v of a handler that panics", err)
	}
	resp, err := ask(t.Context(), "GET", "/late", "")
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(resp.Body); string(text) != "half" || err == nil {
		t.Errorf("got %q (%v) of a handler that breaks off", text, err)
	}

	// The beginning of an answer comes before its end is written; closing it ends the handler.
	if resp, err = ask(t.Context(), "GET", "/stream", ""); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 6)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first " {
		t.Errorf("got %q (%v)", first, err)
	}
	resp.Body.Close()
	close(release)
	if err := <-ended; err == nil {
		t.Error("the handler wrote to an answer that was closed")
	}

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := ask(ctx, "GET", "/wait", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v of a request that was given up", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the handler was told %v", err)
	}
}
