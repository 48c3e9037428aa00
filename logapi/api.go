package logapi

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/podbeat/podbeat/listen"
	"github.com/podbeat/podbeat/logapi/access"
	"github.com/podbeat/podbeat/logapi/search"
	"github.com/podbeat/podbeat/token"
)

// api answers the requests of the API. A request's way is ServeHTTP's: path, token, right, and then what it is for.
type api struct {
	prefix []string // segments
	base   token.Base
	region string
	keys   *token.Keys
	issuer http.Handler
	search http.Handler
	system system
	client func(*http.Request) netip.Addr

	log       *slog.Logger
	accessLog bool
	strangers listen.Throttle // of requests without a valid token in the log
	metrics   *metrics
}

// system is what answers below …/system/log. Who asks is in the request's context (userOf).
type system struct {
	status, configure, history, heartbeat http.Handler
}

// A visit is what the log is told of a request.
type visit struct {
	route  string // for the metrics
	known  bool   // the token is valid
	user   string
	detail string // why it is refused
}

// ServeHTTP answers one request.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if len(r.TransferEncoding) > 0 {
		// A proxy before us may have gone by Content-Length: what follows on this connection is not to be trusted.
		w.Header().Set("Connection", "close")
	}
	v, out := visit{route: "none"}, &counted{ResponseWriter: w}
	defer func() {
		a.metrics.answered(v.route, out.status, time.Since(began))
		if a.accessLog && v.route != "auth" && (v.known || a.strangers.Allow(began)) {
			a.record(r, &v, out, time.Since(began))
		}
	}()
	a.serve(out, r, &v)
}

func (a *api) serve(w http.ResponseWriter, r *http.Request, v *visit) {
	if p := r.URL.EscapedPath(); strings.HasSuffix(p, "/es/") { // clients of Elasticsearch ask for its root like that
		bare := *r.URL
		bare.Path, bare.RawPath = strings.TrimSuffix(bare.Path, "/"), strings.TrimSuffix(bare.RawPath, "/")
		r = r.Clone(r.Context())
		r.URL = &bare
	}
	path, err := token.Segments(r.URL)
	if err == nil && r.URL.Host != "" {
		err = errors.New("the request names a host in its URL")
	}
	if err != nil {
		v.detail = err.Error()
		refuse(w, http.StatusBadRequest, "path", "cannot read the path: "+err.Error())
		return
	}
	inside := len(path) >= len(a.prefix) && slices.Equal(path[:len(a.prefix)], a.prefix)
	if inside {
		path = path[len(a.prefix):]
	}
	if inside && len(path) > 0 && path[0] == "auth" {
		v.route = "auth"
		http.StripPrefix(a.strip(), a.issuer).ServeHTTP(w, r) // which has a log and bounds of its own
		return
	}
	claims, err := a.verify(r)
	if err != nil {
		v.detail = err.Error()
		w.Header().Set("WWW-Authenticate", `Bearer realm="podbeat"`)
		refuse(w, http.StatusUnauthorized, "token", token.Refusal)
		return
	}
	listen.Keep(r)
	v.known, v.user = true, claims.UserID
	if !inside || len(path) < 2 {
		refuse(w, http.StatusNotFound, "path", "nothing is here; there are auth, <region>/es/… and <region>/system/log below "+a.strip()+"/")
		return
	}
	ctx := context.WithValue(r.Context(), callerKey{}, &caller{claims: claims, base: a.base})
	if slices.Equal(path[1:], []string{"system", "log", "status"}) {
		v.route = "status"
		a.serveStatus(w, r.WithContext(ctx), path[0], claims)
		return
	}
	opens := claims.Opens(a.base, r.Method, r.URL)
	asksRoot := len(path) == 2 && path[1] == "es" && (r.Method == http.MethodGet || r.Method == http.MethodHead)
	switch {
	case len(opens) == 0 && !asksRoot:
		v.detail = "the token does not open it"
		refuse(w, http.StatusForbidden, "forbidden", "the token does not open this method and URL")
	case path[0] != a.region:
		refuse(w, http.StatusNotFound, "path", "this is region "+a.region)
	case asksRoot: // every client may ask what is spoken here, which shows no documents
		v.route = "search"
		a.searchWithin(w, r.WithContext(ctx), claims, []search.Scope{{Indices: []string{"-"}}}) // no index has this name
	case path[1] == "es":
		v.route = "search"
		a.serveSearch(w, r.WithContext(ctx), claims, opens, v)
	default:
		a.serveSystem(w, r.WithContext(ctx), path[1:], v)
	}
}

// strip is the prefix of all paths, as it stands in them.
func (a *api) strip() string { return escape(a.prefix) }

func escape(segments []string) string {
	var b strings.Builder
	for _, s := range segments {
		b.WriteString("/" + url.PathEscape(s))
	}
	return b.String()
}

func (a *api) verify(r *http.Request) (*token.Claims, error) {
	raw, err := token.FromRequest(r)
	if err != nil {
		return nil, err
	}
	return a.keys.Verify(raw, time.Now())
}

// serveSearch lets the search see what the entries that open it leave of it. Each of them opens it by itself.
func (a *api) serveSearch(w http.ResponseWriter, r *http.Request, claims *token.Claims, opens []token.Access, v *visit) {
	var scopes []search.Scope
	for _, entry := range opens {
		n, err := access.ParseNarrowing(entry.Other)
		if err != nil {
			v.detail = err.Error()
			continue
		}
		scopes = append(scopes, search.Scope(n))
	}
	if len(scopes) == 0 {
		refuse(w, http.StatusForbidden, "forbidden", "what the token says in other cannot be used for a search: "+v.detail)
		return
	}
	a.searchWithin(w, r, claims, scopes)
}

func (a *api) searchWithin(w http.ResponseWriter, r *http.Request, claims *token.Claims, scopes []search.Scope) {
	ctx := search.WithSubject(search.WithScopes(r.Context(), scopes), claims.UserID)
	http.StripPrefix(a.strip()+escape([]string{a.region, "es"}), a.search).ServeHTTP(w, r.WithContext(ctx))
}

// serveStatus answers for one region, or several (`eu,us`, `_all`): whether the token opens each of them is looked at there, by opensRegion.
func (a *api) serveStatus(w http.ResponseWriter, r *http.Request, regions string, claims *token.Claims) {
	several := regions == "_all" || strings.Contains(regions, ",")
	switch {
	case !several && len(claims.Opens(a.base, r.Method, r.URL)) == 0:
		refuse(w, http.StatusForbidden, "forbidden", "the token does not open this method and URL")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		allow(w, "GET, HEAD")
	default:
		r.SetPathValue("region", regions)
		a.system.status.ServeHTTP(w, r)
	}
}

func (a *api) serveSystem(w http.ResponseWriter, r *http.Request, path []string, v *visit) {
	type served struct {
		methods []string
		http.Handler
	}
	h, ok := map[string]served{
		"system/log":           {[]string{"POST"}, a.system.configure},
		"system/log/history":   {[]string{"GET", "HEAD"}, a.system.history},
		"system/log/heartbeat": {[]string{"POST"}, a.system.heartbeat},
	}[strings.Join(path, "/")]
	switch {
	case !ok:
		refuse(w, http.StatusNotFound, "path", "nothing is here; there are es/…, system/log, system/log/status, system/log/history and system/log/heartbeat below a region")
	case !slices.Contains(h.methods, r.Method):
		allow(w, strings.Join(h.methods, ", "))
	default:
		v.route = path[len(path)-1]
		h.ServeHTTP(w, r)
	}
}

// A caller is who asks, in the context of a request.
type caller struct {
	claims *token.Claims
	base   token.Base
}

type callerKey struct{}

// userOf says who asks: the e-mail address, or else the user's id.
func userOf(r *http.Request) string {
	c, ok := r.Context().Value(callerKey{}).(*caller)
	switch {
	case !ok:
		return ""
	case c.claims.Email != "":
		return c.claims.Email
	default:
		return c.claims.UserID
	}
}

// opens says whether the token of a request opens a path of the API, which begins behind the prefix, to a method.
func (a *api) opens(r *http.Request, method, path string) bool {
	c, ok := r.Context().Value(callerKey{}).(*caller)
	if !ok {
		return false
	}
	u, err := url.Parse(a.strip() + path)
	return err == nil && c.claims.Allows(c.base, method, u)
}

// refuse answers a request that goes no further.
func refuse(w http.ResponseWriter, status int, reason, text string) {
	protect(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	_ = out.Encode(struct { // who is gone hears nothing
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}{text, reason})
}

func allow(w http.ResponseWriter, methods string) {
	w.Header().Set("Allow", methods)
	refuse(w, http.StatusMethodNotAllowed, "method", "want "+strings.ReplaceAll(methods, ", ", " or "))
}

// protect keeps browsers from making more of an answer than it is.
func protect(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// record writes the access log. A query is not in it: it may hold a token.
func (a *api) record(r *http.Request, v *visit, out *counted, took time.Duration) {
	fields := []any{"method", clip(r.Method), "path", clip(r.URL.EscapedPath()), "status", out.status, "bytes", out.bytes,
		"user", clip(v.user), "client", a.client(r).String(), "ms", float64(took.Microseconds()) / 1000}
	if v.detail != "" {
		fields = append(fields, "detail", clip(v.detail))
	}
	level := slog.LevelInfo
	if v.route == "heartbeat" && out.status == http.StatusOK { // each podbeat sends one every few seconds
		level = slog.LevelDebug
	}
	a.log.Log(r.Context(), level, "request", fields...)
}

func clip(s string) string {
	const most = 256
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

// counted counts what is answered.
type counted struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *counted) WriteHeader(status int) {
	if c.status == 0 && status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counted) Write(b []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	n, err := c.ResponseWriter.Write(b)
	c.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// clientOf returns what says where a request comes from: the last address in X-Forwarded-For that is no proxy's, if the
// connection is a proxy's.
func clientOf(proxies []netip.Prefix) func(*http.Request) netip.Addr {
	trusted := func(addr netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
	}
	return func(r *http.Request) netip.Addr {
		at, _ := netip.ParseAddrPort(r.RemoteAddr)
		addr := at.Addr().Unmap().WithZone("")
		if !trusted(addr) {
			return addr
		}
		chain := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		for _, text := range slices.Backward(chain) {
			text = strings.TrimSpace(text)
			next, err := netip.ParseAddr(strings.Trim(text, "[]"))
			if err != nil { // some proxies write the port, too
				var withPort netip.AddrPort
				if withPort, err = netip.ParseAddrPort(text); err != nil {
					return addr
				}
				next = withPort.Addr()
			}
			if addr = next.Unmap().WithZone(""); !trusted(addr) {
				return addr
			}
		}
		return addr
	}
}
