package logapi

import (
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/podbeat/podbeat/listen"
	"github.com/podbeat/podbeat/logapi/access"
	"github.com/podbeat/podbeat/token"
)

// A root is the store's own address, where it speaks as Elasticsearch does, writing too. It has no narrowing: a token whose entry has
// one does not open it.
type root struct {
	http.Handler
	keys      *token.Keys // nil: no tokens are wanted
	base      token.Base
	hosts     []string // names a request may be for, where no token is wanted
	strangers *listen.Throttle
	refused   func(*http.Request, error)
}

// newRoot returns what stands before the store at its own address.
func newRoot(h http.Handler, keys *token.Keys, refused func(*http.Request, error)) *root {
	base, _ := token.NewBase("", "") // which nothing is wrong with
	t := &root{Handler: h, keys: keys, base: base, hosts: []string{"localhost"}, strangers: new(listen.Throttle), refused: refused}
	if name, err := os.Hostname(); err == nil {
		t.hosts = append(t.hosts, strings.ToLower(name))
	}
	return t
}

// ServeHTTP answers one request.
func (t *root) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, text := t.check(r)
	if status == http.StatusOK {
		listen.Keep(r)
		t.Handler.ServeHTTP(w, r)
		return
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="podbeat"`)
	}
	w.Header().Set("X-elastic-product", "Elasticsearch")
	refuse(w, status, "security_exception", text)
}

// check says whether r may be answered, or with what it is refused.
func (t *root) check(r *http.Request) (status int, text string) {
	if t.keys == nil {
		// A page in a browser of this machine may have its name lead here: then it is the page's own server to the browser.
		if !t.named(r.Host) {
			return http.StatusForbidden, "this address answers to localhost and to IP addresses only"
		}
		return http.StatusOK, ""
	}
	now := time.Now()
	raw, err := token.FromRequest(r)
	var claims *token.Claims
	if err == nil {
		claims, err = t.keys.Verify(raw, now)
	}
	if err != nil {
		if t.strangers.Allow(now) {
			t.refused(r, err)
		}
		return http.StatusUnauthorized, token.Refusal
	}
	if r.URL.Path == "/" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		return http.StatusOK, "" // every client may ask what is spoken here
	}
	for _, entry := range claims.Opens(t.base, r.Method, r.URL) {
		if n, err := access.ParseNarrowing(entry.Other); err == nil && n.Indices == nil && n.Namespaces == nil && n.Apps == nil {
			return http.StatusOK, ""
		}
	}
	return http.StatusForbidden, "the token does not open this method and URL without narrowing it"
}

// named says whether a request's Host is this machine and no name that somebody else gives it.
func (t *root) named(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for _, known := range t.hosts {
		if strings.EqualFold(name, known) {
			return true
		}
	}
	return false
}
