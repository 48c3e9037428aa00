package tui

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// A gate stands between logtui and Elasticsearch, at the same address all the time, and plays the faults that clusters have.
type gate struct {
	proxy *httputil.ReverseProxy
	addr  string

	mu      sync.Mutex
	server  *http.Server
	mode    string        // up, stuck, or a status code
	login   string        // what Authorization has to say; "" for nothing
	changed chan struct{} // closed when mode changes
	paths   map[string]int
}

func newGate(addr, target string) (*gate, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	g := &gate{proxy: httputil.NewSingleHostReverseProxy(to), addr: addr, changed: make(chan struct{}), paths: map[string]int{}}
	g.proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	return g, g.set("up")
}

func (g *gate) url() string { return "http://" + g.addr }

// needs has everything answered with 401 that does not say this in Authorization.
func (g *gate) needs(login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.login = login
}

// set makes the server be
//
//	up         as it is
//	away       not there: connections are refused
//	stuck      there, but answering nothing until it is something else
//	401, 503…  answering everything with that status
func (g *gate) set(mode string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := strconv.Atoi(mode); err != nil && mode != "up" && mode != "away" && mode != "stuck" {
		return fmt.Errorf("unknown state %q of the server: want up, away, stuck or a status", mode)
	}
	g.mode = mode
	close(g.changed)
	g.changed = make(chan struct{})
	if mode == "away" {
		err := g.server.Close()
		g.server = nil
		return err
	}
	if g.server != nil {
		return nil
	}
	l, err := net.Listen("tcp", g.addr)
	if err != nil {
		return err
	}
	g.server = &http.Server{Handler: g}
	go g.server.Serve(l) // until close, or away
	return nil
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.changed)
	g.changed = make(chan struct{})
	if g.server != nil {
		g.server.Close()
		g.server = nil
	}
}

// reasons are what Elasticsearch says with a status.
var reasons = map[int]string{
	401: `{"error":{"root_cause":[{"type":"security_exception","reason":"unable to authenticate user"}],"type":"security_exception","reason":"unable to authenticate user"},"status":401}`,
	403: `{"error":{"root_cause":[{"type":"security_exception","reason":"action [indices:data/read/search] is unauthorized"}],"type":"security_exception","reason":"action [indices:data/read/search] is unauthorized"},"status":403}`,
	429: `{"error":{"root_cause":[{"type":"circuit_breaking_exception","reason":"[parent] Data too large"}],"type":"circuit_breaking_exception","reason":"[parent] Data too large"},"status":429}`,
	503: `{"error":{"root_cause":[],"type":"search_phase_execution_exception","reason":"all shards failed"},"status":503}`,
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	mode, changed := g.mode, g.changed
	if g.login != "" && !strings.EqualFold(r.Header.Get("Authorization"), g.login) && mode == "up" {
		mode = "401"
	}
	g.paths[r.Method+" "+r.URL.Path]++
	g.mu.Unlock()
	if mode == "stuck" {
		io.Copy(io.Discard, r.Body) // else nobody notices that the client has gone
		select {
		case <-changed:
			w.WriteHeader(http.StatusBadGateway)
		case <-r.Context().Done():
		}
		return
	}
	if status, err := strconv.Atoi(mode); err == nil {
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.Header().Set("Content-Type", "application/json")
		if status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", `Basic realm="security"`)
		}
		w.WriteHeader(status)
		io.WriteString(w, reasons[status])
		return
	}
	g.proxy.ServeHTTP(w, r)
}

// asked is how many requests came whose method and path have that text in them.
func (g *gate) asked(text string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for path, times := range g.paths {
		if strings.Contains(path, text) {
			n += times
		}
	}
	return n
}
