package push

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/listen"
	"github.com/podbeat/podbeat/token"
)

// handler answers requests. An answer is looked for in this order, and the first that holds is given:
// token (401, 403), path and method (404, 405), form (415, 400), size (413), room (429), entries (400, 403, 413),
// acknowledgement (202, 503).
type handler struct {
	opts      *options
	limits    limits
	log       *logp.Logger
	metrics   *metrics
	keys      *token.Keys
	base      token.Base
	prefix    []string
	publisher *publisher
	repeats   remembered
	strangers listen.Throttle // of requests without a valid token in the log
	openapi   *description
	stopping  chan struct{} // closed when podbeat stops: nothing is taken any more
	stopped   chan struct{} // closed when nobody may wait any more
}

// An answer is what a client is told, and what the log is told beside it.
type answer struct {
	*refusal        // nil for 200 and 202
	status   int    // of those
	body     any    // of those
	allow    string // of 405
	known    bool   // the token is valid
	detail   string // why a token is refused, for the log
	user     string
	entries  int
	bytes    int
	gone     bool // nobody is there to hear it
}

func refused(status int, reason, format string, args ...any) answer {
	return answer{refusal: &refusal{status: status, reason: reason, Error: fmt.Sprintf(format, args...)}}
}

// accepted is the body of 202.
type accepted struct {
	Accepted int `json:"accepted"` // entries
}

// newHandler makes a handler of checked options.
func newHandler(o *options, keys *token.Keys, p *publisher, m *metrics, log *logp.Logger) (*handler, error) {
	h := &handler{opts: o, limits: o.limits(), log: log, metrics: m, keys: keys, publisher: p,
		stopping: make(chan struct{}), stopped: make(chan struct{})}
	var err error
	if h.base, err = token.NewBase(o.Prefix, o.PublicURL); err != nil {
		return nil, err
	}
	if prefix := strings.TrimSuffix(o.Prefix, "/"); prefix != "" {
		u, err := url.Parse(prefix)
		if err == nil {
			h.prefix, err = token.Segments(u)
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use prefix %q: %w", o.Prefix, err)
		}
	}
	h.openapi, err = newDescription(o)
	return h, err
}

// ServeHTTP answers one request.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if len(r.TransferEncoding) > 0 {
		// A proxy before us may have gone by Content-Length: what follows on this connection is not to be trusted.
		w.Header().Set("Connection", "close")
	}
	a := h.answer(r)
	duplex := a.refusal != nil && http.NewResponseController(w).EnableFullDuplex() == nil
	status := h.write(w, a)
	if counter := h.metrics.answers[status]; counter != nil {
		counter.Inc()
	}
	if a.refusal != nil {
		h.metrics.refused[a.reason].Inc()
	}
	if h.opts.AccessLog && (a.known || h.strangers.Allow(began)) {
		h.logRequest(r, a, status, time.Since(began))
	}
	if duplex {
		h.drain(w, r)
	}
}

// drain sends the answer, and then reads what is left of r's body: a client that reads no answer before it has sent all would
// otherwise find its connection reset, and no answer.
func (h *handler) drain(w http.ResponseWriter, r *http.Request) {
	most := drained * int64(h.opts.MaxBodyBytes)
	if r.ContentLength > most || r.Header.Get("Expect") != "" { // it would not come to the end; such a client waits for the answer
		return
	}
	if http.NewResponseController(w).Flush() == nil {
		_, _ = io.CopyN(io.Discard, r.Body, most) // as far as it goes
	}
}

// drained is how many times max_body_bytes of a refused body are read.
const drained = 4

func (h *handler) write(w http.ResponseWriter, a answer) int {
	status, body := a.status, a.body
	if a.refusal != nil {
		status, body = a.refusal.status, a.refusal
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	switch status {
	case http.StatusUnauthorized:
		header.Set("WWW-Authenticate", `Bearer realm="podbeat"`)
	case http.StatusMethodNotAllowed:
		header.Set("Allow", a.allow)
	case http.StatusUnsupportedMediaType:
		header.Set("Accept-Encoding", "gzip")
	case http.StatusRequestTimeout:
		header.Set("Connection", "close")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header.Set("Retry-After", strconv.Itoa(int((h.opts.RetryAfter+time.Second-1)/time.Second)))
	}
	text, ok := body.([]byte)
	if !ok {
		text, _ = json.Marshal(body) // nothing in our answers cannot be marshalled
		text = append(text, '\n')
	}
	header.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // who is gone hears nothing
	return status
}

// logRequest writes the access log. A query is not in it: it may hold a token.
func (h *handler) logRequest(r *http.Request, a answer, status int, took time.Duration) {
	fields := []any{"method", clip(r.Method), "path", cut(r.URL.EscapedPath(), 256), "status", status, "entries", a.entries, "bytes", a.bytes,
		"user", clip(a.user), "client", clientIP(r), "ms", took.Milliseconds()}
	if a.refusal != nil {
		fields = append(fields, "error", a.Error)
		if a.Entry != nil {
			fields = append(fields, "entry", *a.Entry, "field", a.Field)
		}
	}
	if a.detail != "" {
		fields = append(fields, "detail", a.detail)
	}
	if a.gone {
		fields = append(fields, "gone", true)
	}
	h.log.Infow("request", fields...)
}

func cut(s string, most int) string {
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func clientIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	host, _, _ = strings.Cut(host, "%") // the zone of a link-local address, which is no part of an IP
	return host
}

// answer decides.
func (h *handler) answer(r *http.Request) answer {
	path, pathErr := token.Segments(r.URL)
	if pathErr == nil && len(path) >= len(h.prefix) && slices.Equal(path[:len(h.prefix)], h.prefix) {
		path = path[len(h.prefix):]
	} else {
		path = nil
	}
	if len(path) == 1 && (path[0] == "health" || path[0] == "openapi.json") {
		return h.public(r, path[0])
	}
	claims, a := h.verify(r)
	if claims == nil {
		return a
	}
	listen.Keep(r)
	a = h.open(r, path, claims)
	a.known, a.user = true, claims.UserID
	return a
}

// public answers what needs no token.
func (h *handler) public(r *http.Request, name string) answer {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		a := refused(http.StatusMethodNotAllowed, "method", "want GET")
		a.allow = "GET, HEAD"
		return a
	}
	if name == "openapi.json" {
		text, _ := h.openapi.at(time.Now()) // newDescription has tried
		return answer{status: http.StatusOK, body: text}
	}
	select {
	case <-h.stopping:
		return h.stop()
	default:
		return answer{status: http.StatusOK, body: map[string]string{"status": "ok"}}
	}
}

func (h *handler) stop() answer {
	return refused(http.StatusServiceUnavailable, "stopping", "podbeat is stopping: send the request again later")
}

func (h *handler) verify(r *http.Request) (*token.Claims, answer) {
	raw, err := token.FromRequest(r)
	if err == nil {
		var claims *token.Claims
		if claims, err = h.keys.Verify(raw, time.Now()); err == nil {
			return claims, answer{}
		}
	}
	a := refused(http.StatusUnauthorized, "token", token.Refusal)
	a.detail = clip(err.Error())
	return nil, a
}

// open answers a request whose token is valid.
func (h *handler) open(r *http.Request, path []string, claims *token.Claims) answer {
	i := slices.IndexFunc(claims.Access, func(one token.Access) bool {
		only := *claims
		only.Access = []token.Access{one}
		return only.Allows(h.base, r.Method, r.URL)
	})
	if i < 0 {
		return refused(http.StatusForbidden, "forbidden", "the token does not open this method and URL")
	}
	if len(path) != 3 || path[0] != "apps" || path[2] != "log" {
		return refused(http.StatusNotFound, "path", "want %s/apps/<appid>/log", strings.TrimSuffix(h.opts.Prefix, "/"))
	}
	if !isUUID(path[1]) {
		return refused(http.StatusNotFound, "path", "the app in the path is no UUID")
	}
	if r.Method != http.MethodPost {
		a := refused(http.StatusMethodNotAllowed, "method", "want POST")
		a.allow = http.MethodPost
		return a
	}
	select {
	case <-h.stopping:
		return h.stop()
	default:
	}
	where, err := h.place(claims.Access[i].Other)
	if err != nil {
		a := refused(http.StatusForbidden, "forbidden", "the token's other cannot be used")
		a.detail = err.Error()
		return a
	}
	return h.push(r, stamp{app: strings.ToLower(path[1]), user: claims.UserID, client: clientIP(r), received: time.Now().UTC(), place: where})
}

// place is where the token says that the app is, or the configuration.
func (h *handler) place(other json.RawMessage) (place, error) {
	var said struct{ Namespace, Region, Zone *string }
	if len(other) > 0 {
		if err := json.Unmarshal(other, &said); err != nil {
			return place{}, fmt.Errorf("namespace, region or zone in the token's other is no text")
		}
	}
	where := place{h.opts.Namespace, h.opts.Region, h.opts.Zone}
	for _, p := range []struct {
		said *string
		to   *string
	}{{said.Namespace, &where.Namespace}, {said.Region, &where.Region}, {said.Zone, &where.Zone}} {
		if p.said == nil {
			continue
		}
		if err := checkWord(*p.said, maxType); err != nil {
			return place{}, fmt.Errorf("namespace, region or zone in the token's other: %w", err)
		}
		*p.to = *p.said
	}
	return where, nil
}

// push takes the entries of a request.
func (h *handler) push(r *http.Request, s stamp) answer {
	f, bad := formatOf(r)
	if bad != nil {
		return answer{refusal: bad}
	}
	var key string
	switch keys := r.Header.Values("Idempotency-Key"); len(keys) {
	case 0:
	case 1:
		if err := checkID(keys[0]); err != nil {
			return refused(http.StatusBadRequest, "key", "cannot use the header Idempotency-Key: %v", err)
		}
		key = keys[0]
	default:
		return refused(http.StatusBadRequest, "key", "%d headers Idempotency-Key: want one", len(keys))
	}
	body, taken, bad := readBody(r, f, int(h.opts.MaxBodyBytes), &h.publisher.room.bytes)
	h.metrics.bytes.Add(uint64(len(body)))
	p := &parser{limits: h.limits, app: s.app, now: s.received}
	if bad == nil && f.lines {
		bad = p.lines(body)
	} else if bad == nil {
		bad = p.array(body)
	}
	if bad != nil {
		h.publisher.room.bytes.give(taken)
		return answer{refusal: bad, bytes: len(body)}
	}
	h.publisher.room.bytes.give(taken - int64(len(body)))
	s.key = requestKey(s.app, s.user, key)
	b := &batch{entries: p.entries, stamp: s, bytes: int64(len(body)), done: make(chan struct{})}
	if key == "" {
		h.publisher.submit(b)
	} else {
		b.digest = sha256.Sum256(body)
		if first := h.repeats.claim(s.key, b); first == b {
			h.publisher.submit(b)
		} else {
			h.publisher.room.bytes.give(b.bytes)
			h.metrics.repeated.Inc()
			if first.digest != b.digest {
				return refused(http.StatusConflict, "key", "the header Idempotency-Key was used for a request with another body: give each request its own")
			}
			b = first
		}
	}
	a := h.wait(r, b, len(p.entries))
	a.entries, a.bytes = len(p.entries), len(body)
	return a
}

// wait answers once b is delivered, or will not be in time.
func (h *handler) wait(r *http.Request, b *batch, entries int) answer {
	late := time.NewTimer(h.opts.AckTimeout)
	defer late.Stop()
	select {
	case <-b.done:
	case <-late.C:
		return refused(http.StatusServiceUnavailable, "output", "the output does not acknowledge: send the request again later, with the same Idempotency-Key or ids")
	case <-r.Context().Done():
		h.metrics.abandoned.Inc()
		a := h.stop()
		a.gone = true
		return a
	case <-h.stopped:
		return h.stop()
	}
	switch f := b.failed; {
	case f == nil:
		return answer{status: http.StatusAccepted, body: accepted{entries}}
	case f.why == causeFull:
		return answer{refusal: full()}
	case f.why == causeClosing:
		return h.stop()
	default:
		bad := &refusal{status: http.StatusRequestEntityTooLarge, reason: "size", Entry: &f.entry,
			Error: "the queue cannot hold an entry of this size: make it shorter, or raise queue.disk.segment_size"}
		return answer{refusal: bad}
	}
}
