package curator

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// A proxy stands before Elasticsearch and fails as it is told.
type proxy struct {
	url string

	mu    sync.Mutex
	fault func(w http.ResponseWriter, r *http.Request, next http.Handler)
	seen  []string // methods and paths, in the order in which they came
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	next := httputil.NewSingleHostReverseProxy(to)
	next.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	p := &proxy{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen = append(p.seen, r.Method+" "+r.URL.Path)
		fault := p.fault
		p.mu.Unlock()
		if fault == nil {
			next.ServeHTTP(w, r)
			return
		}
		fault(w, r, next)
	}))
	t.Cleanup(s.CloseClientConnections)
	p.url = s.URL
	return p
}

// set has requests meet a fault from now on; nil: none.
func (p *proxy) set(fault func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = fault
}

// A trap stops the n-th request of a kind, before or after Elasticsearch has done what it says.
type trap struct {
	hit chan struct{} // closed when it has

	mu    sync.Mutex
	n     int
	kind  func(r *http.Request) bool
	after bool
}

func newTrap(n int, after bool, kind func(r *http.Request) bool) *trap {
	return &trap{hit: make(chan struct{}), n: n, after: after, kind: kind}
}

func (s *trap) fault(w http.ResponseWriter, r *http.Request, next http.Handler) {
	s.mu.Lock()
	stop := false
	if s.kind(r) {
		s.n--
		stop = s.n == 0
	}
	s.mu.Unlock()
	if !stop {
		next.ServeHTTP(w, r)
		return
	}
	if s.after {
		next.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithoutCancel(r.Context())))
	}
	close(s.hit)
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

func deletes(r *http.Request) bool { return r.Method == http.MethodDelete }
