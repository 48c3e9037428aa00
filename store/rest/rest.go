// Package rest answers HTTP as Elasticsearch 7.17 does, from the embedded store.
//
//	request ── route (path and method, parameters, body) ──▶ handler ──▶ store, search ──▶ answer (filter_path, pretty)
//
// What Elasticsearch has and the store has not is refused by name, with 400: nothing is passed over that could
// change a result. An index is one shard without replicas on one node.
//
// What differs from Elasticsearch is listed in docs/store-differences.md.
package rest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/search"
)

// Options are what a Handler works with. Only Store has no default.
type Options struct {
	Store   *store.Store
	Cluster string // cluster_name; default podbeat
	Limits  Limits

	Log *slog.Logger     // nil is slog's default
	Now func() time.Time // nil is time.Now
}

// Limits bound what one request, and all at once, may take.
type Limits struct {
	// The longest body of a request, unpacked.
	Body option.Bytes `config:"body" default:"100MiB"`
	// The longest that the bodies of all requests under way may be together, unpacked.
	Bodies option.Bytes `config:"bodies" default:"512MiB"`
	// How many bytes of documents may be in memory at once for the answer of one request.
	Answer option.Bytes `config:"answer" default:"128MiB"`
	// How many bytes of documents may be in memory at once for all answers under way.
	Answers option.Bytes `config:"answers" default:"128MiB"`
	// How many documents one request may write or ask for.
	Items int `config:"items" default:"200000"`
	// How many requests may write at once; 0 is two for each processor.
	Writes int `config:"writes"`
	// How many searches may run at once; 0 is two for each processor.
	Searches int `config:"searches"`
	// How many requests may wait for their turn, of each kind; more are refused with 429.
	Waiting int `config:"waiting" default:"200"`
	// How many points in time and scrolls may be open.
	Contexts int `config:"contexts" default:"500"`
	// How many indices there may be.
	Indices int `config:"indices" default:"10000"`
}

// Validate refuses what makes no sense.
func (l Limits) Validate() error {
	if l.Body < 0 || l.Bodies < 0 || l.Answer < 0 || l.Answers < 0 || l.Writes < 0 || l.Searches < 0 || l.Waiting < 0 || l.Items < 0 || l.Contexts < 0 || l.Indices < 0 {
		return errors.New("cannot use a limit below 0")
	}
	return nil
}

func (l Limits) filled() Limits {
	set := func(n *int, to int) {
		if *n == 0 {
			*n = to
		}
	}
	if l.Body == 0 {
		l.Body = 100 << 20
	}
	if l.Bodies == 0 {
		l.Bodies = 512 << 20
	}
	if l.Answer == 0 {
		l.Answer = 128 << 20
	}
	if l.Answers == 0 {
		l.Answers = 128 << 20
	}
	set(&l.Writes, 2*runtime.GOMAXPROCS(0))
	set(&l.Searches, 2*runtime.GOMAXPROCS(0))
	set(&l.Waiting, 200)
	set(&l.Items, 200_000)
	set(&l.Contexts, 500)
	set(&l.Indices, 10000)
	return l
}

// A Handler serves one store. It is an http.Handler.
type Handler struct {
	store   *store.Store
	cluster string
	limits  Limits
	log     *slog.Logger
	now     func() time.Time
	started time.Time
	node    string // the node's id, which changes when the program starts anew
	uuid    string // of the cluster, kept in the store
	routes  map[int][]*route

	writes, searches *gate
	keeper           *search.Keeper
	counters         counters
	held             atomic.Int64 // bytes of bodies
	answers          atomic.Int64 // bytes of documents in answers

	// change is held by who changes the set of indices, aliases or templates.
	change    sync.Mutex
	templates atomic.Pointer[mapping.Templates] // never changed, but replaced
	settings  atomic.Pointer[clusterSettings]   // likewise
	known     atomic.Pointer[snapshot]
	reading   sync.Mutex // held by who replaces known
	same      mappings
}

// New returns a handler of a store, and reads what that knows of its indices and templates. The store stays its
// owner's to close.
func New(o Options) (*Handler, error) {
	if err := o.Limits.Validate(); err != nil {
		return nil, err
	}
	h := &Handler{store: o.Store, cluster: o.Cluster, limits: o.Limits.filled(), log: o.Log, now: o.Now}
	if h.cluster == "" {
		h.cluster = "podbeat"
	}
	if h.log == nil {
		h.log = slog.Default()
	}
	if h.now == nil {
		h.now = time.Now
	}
	h.started, h.node = h.now(), randomName()
	h.writes = newGate("write", h.limits.Writes, h.limits.Waiting)
	h.searches = newGate("search", h.limits.Searches, h.limits.Waiting)
	h.keeper = search.NewKeeper(h.limits.Contexts)
	h.routes = index(h.table())
	err := h.load(context.Background())
	if err == nil {
		_, err = h.snapshot()
	}
	if err != nil {
		h.keeper.Close()
		return nil, fmt.Errorf("cannot read what the store knows of its indices: %w", err)
	}
	return h, nil
}

// Close ends points in time and scrolls. Nothing may be asked afterwards.
func (h *Handler) Close() error {
	h.keeper.Close()
	return nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{h: h, w: w, r: r}
	defer c.free()
	defer func() {
		// What a handler did not foresee must not end the program that the store is part of.
		p := recover()
		if p == http.ErrAbortHandler { // a part of the answer has been sent
			panic(p)
		}
		if p != nil {
			h.log.Error("a request has failed", "method", r.Method, "path", clip(r.URL.Path), "error", p, "stack", string(debug.Stack()))
			if !c.replied {
				c.fail(&failure{status: http.StatusInternalServerError, typ: "exception", reason: "the request has failed; the log of the server says why"})
			}
		}
	}()
	w.Header().Set("X-elastic-product", "Elasticsearch")
	if id := r.Header.Get("X-Opaque-Id"); id != "" && len(id) <= 1000 {
		w.Header().Set("X-Opaque-Id", id)
	}
	if err := c.serve(); err != nil {
		c.fail(err)
	}
}

// serve finds the route, checks what came against it, and calls its handler.
func (c *call) serve() error {
	path := c.r.URL.EscapedPath()
	segments, whole, err := split(path)
	if err != nil {
		return err
	}
	if !whole || len(segments) > 1 && strings.HasPrefix(path, "//") {
		return c.noRoute()
	}
	found, allowed := c.h.find(c.r.Method, segments)
	switch {
	case found == nil && len(allowed) > 0 && !(len(segments) == 1 && strings.HasPrefix(segments[0], "_") && c.h.unnamed(segments[0])):
		return c.wrongMethod(allowed)
	case found == nil:
		return c.noRoute()
	}
	c.route = found
	c.names = make(map[string]string, 2)
	for i, s := range found.segments {
		if name, ok := placeholder(s); ok {
			c.names[name] = segments[i]
		}
	}
	if err := c.readParameters(); err != nil {
		return err
	}
	if err := c.checkMedia(); err != nil {
		return err
	}
	if found.gate != nil {
		if _, err := c.body(); err != nil { // first, so that nobody waits for who sends slowly
			return err
		}
		leave, err := found.gate.enter(c.r.Context())
		if err != nil {
			return err
		}
		defer leave()
	}
	return found.serve(c)
}

// A route is one method and path that is served.
type route struct {
	method    string
	segments  []string // {index} stands for any
	serve     func(*call) error
	params    []string // beside those that every request may have
	anyParams bool     // takes all, as it serves none
	body      bool     // whether it takes one
	gate      *gate    // what it has to wait for, nil for nothing
}

// routes are those of several methods and paths (GET|POST /a,/b) with the same handler.
func routes(methods, paths, params string, serve func(*call) error) []*route {
	var out []*route
	for method := range strings.SplitSeq(methods, "|") {
		for path := range strings.SplitSeq(paths, ",") {
			segments := strings.Split(strings.Trim(path, "/"), "/")
			if path == "/" {
				segments = nil
			}
			out = append(out, &route{method: method, segments: segments, serve: serve, params: strings.Fields(params),
				body: method == http.MethodPost || method == http.MethodPut})
		}
	}
	return out
}

// with makes the routes take a body, and wait for a gate.
func with(all []*route, body bool, g *gate) []*route {
	for _, r := range all {
		r.body, r.gate = body, g
	}
	return all
}

func placeholder(segment string) (name string, ok bool) {
	if strings.HasPrefix(segment, "{") {
		return strings.Trim(segment, "{}"), true
	}
	return "", false
}

// index sorts routes by the number of their segments.
func index(all []*route) map[int][]*route {
	byLength := make(map[int][]*route)
	for _, r := range all {
		byLength[len(r.segments)] = append(byLength[len(r.segments)], r)
	}
	return byLength
}

// find returns the route of a path: of several the one whose earlier segments are named. If that is not for the
// method, allowed are those that it is for.
func (h *Handler) find(method string, segments []string) (found *route, allowed []string) {
	var best *route
	for _, r := range h.routes[len(segments)] {
		switch {
		case !r.covers(segments):
			continue
		case best == nil || r.before(best):
			best, found, allowed = r, nil, nil
		case best.before(r):
			continue
		}
		allowed = append(allowed, r.method)
		if r.method == method {
			found = r
		}
	}
	return found, allowed
}

// unnamed says that no route is named so: such a path of one segment is an index's.
func (h *Handler) unnamed(segment string) bool {
	return !slices.ContainsFunc(h.routes[1], func(r *route) bool { return r.segments[0] == segment })
}

func (r *route) covers(segments []string) bool {
	for i, s := range r.segments {
		if _, any := placeholder(s); !any && s != segments[i] {
			return false
		}
	}
	return true
}

func (r *route) before(other *route) bool {
	for i, s := range r.segments {
		_, a := placeholder(s)
		_, b := placeholder(other.segments[i])
		if a != b {
			return b
		}
	}
	return false
}

// A gate lets so many through at once, and so many wait.
type gate struct {
	name    string
	free    chan struct{}
	waiting atomic.Int64
	most    int64
}

func newGate(name string, size, waiting int) *gate {
	return &gate{name: name, free: make(chan struct{}, size), most: int64(waiting)}
}

// enter waits for a turn, which ends with leave.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.free }
	select {
	case g.free <- struct{}{}:
		return leave, nil
	default:
	}
	defer g.waiting.Add(-1)
	if g.waiting.Add(1) > g.most {
		return nil, &failure{status: http.StatusTooManyRequests, typ: "es_rejected_execution_exception",
			reason: fmt.Sprintf("rejected execution of a request of kind [%s]: %d run and %d wait", g.name, cap(g.free), g.most)}
	}
	select {
	case g.free <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
