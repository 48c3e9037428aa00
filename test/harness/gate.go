package harness

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A Moment is where a bulk request is when a Gate stops it.
type Moment int

const (
	Passing     Moment = iota // it goes on: whoever waits for the Gate comes when he comes
	BeforeStore               // it has left podbeat, and Elasticsearch has not seen it
	AfterStore                // Elasticsearch has stored it, and podbeat does not know
)

// A Gate is a proxy between podbeat and Elasticsearch which can hold a bulk request at a chosen moment, so
// that podbeat can be killed just then.
type Gate struct {
	URL string
	// Stored, if not nil, is called with every document of a bulk request that Elasticsearch has answered with 200.
	// Set it before podbeat starts; it must not call the Gate.
	Stored func(doc []byte)

	mu     sync.Mutex
	docs   int // documents that came by, sent again or not
	at     int // Hold's
	moment Moment
	hit    chan struct{}
	free   chan struct{}
}

// NewGate opens a gate before target, until the test ends.
func NewGate(t testing.TB, target string) *Gate {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	g := &Gate{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/_bulk") {
			proxy.ServeHTTP(w, r)
			return
		}
		g.bulk(to, w, r)
	}))
	t.Cleanup(func() {
		g.Release()
		s.Close()
	})
	g.URL = s.URL
	return g
}

// Hold stops the bulk request in which the n-th document from now is, at the given moment, and closes the
// channel it returns when it has. The request, and those that come after it, stand until Release.
func (g *Gate) Hold(n int, m Moment) <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at, g.moment = g.docs+n, m
	g.hit, g.free = make(chan struct{}), make(chan struct{})
	return g.hit
}

// Release lets go what Hold holds.
func (g *Gate) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free != nil {
		close(g.free)
	}
	g.hit, g.free = nil, nil
}

// Docs returns how many documents have come by.
func (g *Gate) Docs() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.docs
}

// bulk forwards the request even if podbeat is gone by then: a real network does so too.
func (g *Gate) bulk(to *url.URL, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // podbeat went away while it was sending
	}
	plain := inflate(body, r.Header)
	free, moment := g.pass(bytes.Count(plain, []byte("\n")) / 2)
	if moment == BeforeStore {
		<-free
		panic(http.ErrAbortHandler) // the request is lost on its way
	}
	out, err := http.NewRequest(r.Method, to.JoinPath(r.URL.Path).String()+"?"+r.URL.RawQuery, bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	out.Header = r.Header.Clone()
	resp, err := http.DefaultTransport.RoundTrip(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if g.Stored != nil && resp.StatusCode == http.StatusOK {
		g.stored(plain)
	}
	if moment == AfterStore {
		<-free
		panic(http.ErrAbortHandler)
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	w.Write(answer)
}

// pass counts n documents and says where their request has to wait, and for what.
func (g *Gate) pass(n int) (free <-chan struct{}, m Moment) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.docs += n
	if g.hit == nil || g.docs < g.at {
		return nil, Passing
	}
	select {
	case <-g.hit:
	default:
		close(g.hit)
	}
	return g.free, g.moment
}

// stored gives the documents of a bulk request to Stored, one after the other.
func (g *Gate) stored(body []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, line := range bytes.Split(body, []byte("\n")) {
		if i%2 == 1 {
			g.Stored(line)
		}
	}
}

// inflate returns a request's body as it was before it was compressed, nothing of a broken one.
func inflate(body []byte, h http.Header) []byte {
	if h.Get("Content-Encoding") != "gzip" {
		return body
	}
	z, err := gzip.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil
	}
	if body, err = io.ReadAll(z); err != nil {
		return nil
	}
	return body
}
