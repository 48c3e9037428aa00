// Package search lets clients search Elasticsearch, and do nothing else with it.
//
// A request is read into what it means: a route of a closed list, index names, parameters of known types, a body
// as a tree. What is sent on is written anew from that; no byte of the client's goes on that was not understood
// (see [Handler.ServeHTTP]). The answer's body comes back byte for byte.
//
//	segments → route → parameters → body → scopes → request to Elasticsearch → answer
//	  path.go   route.go  params.go           names.go, query.go …    send.go
//
// What a client may see is in the request's context ([WithScopes]). A scope that names indices cuts the index
// expression; one that names namespaces or apps adds a filter around the query, and what could look around that
// filter is refused.
package search

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/podbeat/podbeat/option"
)

// Options are what a [Handler] needs. Without a NamespaceField or an AppField, scopes that narrow by it are refused.
type Options struct {
	URL       *url.URL            // of Elasticsearch; its path comes before every path
	Transport http.RoundTripper   // nil: http.DefaultTransport
	Auth      func(*http.Request) // puts Elasticsearch's credentials into a request; nil: none

	NamespaceField, AppField string // keyword fields that scopes narrow by: kubernetes.namespace, service.id

	// Secret signs the ids of scrolls, points in time and asynchronous searches that clients get. Instances
	// behind one address must share it. Empty: a random one, so that ids end with the process.
	Secret []byte

	Limits Limits
	Log    *slog.Logger // nil: slog.Default()
}

// Limits bound what one request may ask for. 0 stands for the default.
type Limits struct {
	// Most bytes of a request's body, unpacked.
	Body option.Bytes `config:"body" default:"4MiB"`
	// Most bytes of an answer. One that grows beyond it is cut off.
	Answer option.Bytes `config:"answer" default:"512MiB"`
	// How long a request may take, to the end of its answer.
	Time time.Duration `config:"time" default:"2m"`
	// Objects and arrays in each other in a body.
	Depth int `config:"depth" default:"64"`
	// Most `from` + `size` of a search.
	Window int `config:"window" default:"10000"`
	// Searches of one `_msearch`, documents of one `_mget`, scrolls that are ended at once.
	Searches int `config:"searches" default:"200"`
	// Longest time between two requests for which a scroll, a point in time or an asynchronous search is kept.
	KeepAlive time.Duration `config:"keep_alive" default:"1h"`
	// For how long the names of indices and aliases, and the types of the fields that tokens narrow by, are held to be true.
	Fresh time.Duration `config:"fresh" default:"5s"`
}

func (l *Limits) setDefaults() {
	set(&l.Body, 4<<20)
	set(&l.Answer, 512<<20)
	set(&l.Time, 2*time.Minute)
	set(&l.Depth, 64)
	set(&l.Window, 10_000)
	set(&l.Searches, 200)
	set(&l.KeepAlive, time.Hour)
	set(&l.Fresh, 5*time.Second)
}

func set[T int | option.Bytes | time.Duration](to *T, value T) {
	if *to <= 0 {
		*to = value
	}
}

// A Scope is what a client may see: documents of these indices, of these namespaces, and of these apps. A list
// that is nil leaves its side open; one that is empty opens nothing. In a pattern, * stands for any text. Indices
// are meant by their own names: an alias opens what its indices do.
type Scope struct {
	Indices    []string
	Namespaces []string
	Apps       []string
}

// nothing says whether no document can be in s.
func (s Scope) nothing() bool {
	return s.Indices != nil && len(s.Indices) == 0 || s.Namespaces != nil && len(s.Namespaces) == 0 || s.Apps != nil && len(s.Apps) == 0
}

// byField says whether s narrows by what is in a document.
func (s Scope) byField() bool { return s.Namespaces != nil || s.Apps != nil }

type contextKey int

const (
	scopesKey contextKey = iota
	subjectKey
)

// WithScopes says what the client of a request may see: documents that are in any of the scopes. A request
// without it, or without a scope, is refused.
func WithScopes(ctx context.Context, scopes []Scope) context.Context {
	return context.WithValue(ctx, scopesKey, scopes)
}

// WithSubject says who the client is, by the user's id. Ids of scrolls, points in time and asynchronous searches
// work for the subject and the scopes alone that they were given to.
func WithSubject(ctx context.Context, subject string) context.Context {
	return context.WithValue(ctx, subjectKey, subject)
}

// caller is what the context of a request says about its client.
type caller struct {
	scopes  []Scope
	subject string
}

func callerOf(ctx context.Context) (caller, error) {
	var c caller
	given, _ := ctx.Value(scopesKey).([]Scope)
	c.subject, _ = ctx.Value(subjectKey).(string)
	for _, s := range given {
		if !s.nothing() {
			c.scopes = append(c.scopes, s)
		}
	}
	if len(c.scopes) == 0 {
		return c, forbidden("the token opens no index")
	}
	return c, nil
}

// unlimited says whether the client may see everything.
func (c caller) unlimited() bool {
	for _, s := range c.scopes {
		if s.Indices == nil && !s.byField() {
			return true
		}
	}
	return false
}

// digest identifies what the client is and may see.
func (c caller) digest() [32]byte {
	text, _ := json.Marshal(struct {
		Subject string
		Scopes  []Scope
	}{c.subject, c.scopes})
	return sha256.Sum256(text)
}

// A Handler answers searches. Where a request's path begins with a prefix, that is stripped before.
type Handler struct {
	opts  Options
	names catalog
	ids   ids
}

// New returns a handler.
func New(o Options) (*Handler, error) {
	if o.URL == nil || o.URL.Scheme != "http" && o.URL.Scheme != "https" || o.URL.Host == "" || o.URL.RawQuery != "" {
		return nil, errors.New("cannot search: the URL of Elasticsearch must be http[s]://HOST[:PORT][/PREFIX]")
	}
	if len(o.Secret) == 0 {
		o.Secret = make([]byte, 32)
		_, _ = rand.Read(o.Secret) // which never fails
	}
	if len(o.Secret) < 32 {
		return nil, errors.New("cannot sign ids of searches: the secret must have 32 bytes or more")
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Limits.setDefaults()
	h := &Handler{opts: o, ids: ids{secret: o.Secret, now: time.Now}}
	h.names.h = h
	return h, nil
}

// ServeHTTP answers a request of a client whose scopes are in the request's context, or says why it does not,
// as Elasticsearch says it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), h.opts.Limits.Time)
	defer cancel()
	p, err := h.read(ctx, w, r)
	if err == nil {
		err = p.route.plan(p)
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if p.synthetic != nil {
		write(w, r, http.StatusOK, p.synthetic)
		return
	}
	h.forward(w, r, p)
}

// read reads a request up to its body.
func (h *Handler) read(ctx context.Context, w http.ResponseWriter, r *http.Request) (*plan, error) {
	who, err := callerOf(ctx)
	if err != nil {
		return nil, err
	}
	if r.URL.IsAbs() || r.URL.Opaque != "" || r.URL.Host != "" {
		return nil, illegal("the request names a host in its URL: only a path is served")
	}
	route, bound, err := match(r.Method, r.URL)
	if err != nil {
		return nil, err
	}
	p := &plan{h: h, ctx: ctx, caller: who, route: route, method: r.Method, bound: bound}
	if p.params, err = readParams(r.URL.RawQuery, route.params, h.opts.Limits); err != nil {
		return nil, err
	}
	if p.accept, err = accepted(r.Header); err != nil {
		return nil, err
	}
	if p.body, err = readBody(w, r, int64(h.opts.Limits.Body), route.lines); err != nil {
		return nil, err
	}
	if source, ok := p.params.take("source"); ok {
		kind, _ := p.params.take("source_content_type")
		switch {
		case p.body != nil:
			return nil, illegal("the request has a body and the parameter source: give one of them")
		case !isJSON(kind, route.lines):
			return nil, illegal("the parameter source needs source_content_type=application/json")
		}
		p.body = []byte(source)
	} else if _, ok := p.params.take("source_content_type"); ok {
		return nil, illegal("source_content_type is given without source")
	}
	if p.body != nil && !route.body {
		return nil, illegal("a body is not served here")
	}
	return p, nil
}

// A refusal is an answer that does not come from Elasticsearch.
type refusal struct {
	status int
	kind   string // as Elasticsearch names exceptions
	reason string
	allow  string // methods, of status 405
}

func (r *refusal) Error() string { return r.reason }

func illegal(reason string) error {
	return &refusal{status: http.StatusBadRequest, kind: "illegal_argument_exception", reason: reason}
}

func forbidden(reason string) error {
	return &refusal{status: http.StatusForbidden, kind: "security_exception", reason: reason}
}

// narrowed refuses what cannot be kept within a filter.
func narrowed(what string) error {
	return forbidden(what + " is refused: the token narrows searches by namespace or app, and this can look at documents outside")
}

// quote makes a name of a client's safe and short enough for a message.
func quote(s string) string {
	if len(s) > 100 {
		s = s[:100] + "…"
	}
	return "[" + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?")) + "]"
}
