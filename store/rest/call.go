package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/search"
)

// A call is one request and its answer.
type call struct {
	h       *Handler
	w       http.ResponseWriter
	r       *http.Request
	route   *route
	names   map[string]string // what stands for the route's placeholders
	params  map[string]string // of the URL; none is unknown, and those with a type have a value of it
	content []byte            // the body, once it was read
	read    bool
	buffer  *bytes.Buffer
	held    int64        // bytes of it that count among those of all requests
	answers atomic.Int64 // bytes of documents for the answer, likewise
	replied bool
}

// buffers hold bodies; those that grew large are not kept.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

const keptBuffer = 32 << 20

func (c *call) free() {
	if c.buffer != nil && c.buffer.Cap() <= keptBuffer {
		buffers.Put(c.buffer)
	}
	c.h.held.Add(-c.held)
	c.h.answers.Add(-c.answers.Load())
	c.buffer, c.content, c.held = nil, nil, 0
}

// context is that of the request. What searches under it take for their answers is bounded.
func (c *call) context() context.Context { return search.WithRoom(c.r.Context(), c.room) }

// room takes memory for documents of the answer, or gives some back.
func (c *call) room(bytes int64) error {
	const tooLarge = "circuit_breaking_exception"
	own, all := c.answers.Add(bytes), c.h.answers.Add(bytes)
	most := int64(c.h.limits.Answer)
	switch {
	case bytes <= 0:
		return nil
	case own > most:
		return &search.Error{Type: tooLarge, Reason: fmt.Sprintf("Data too large: the documents of the answer are longer than %d bytes: ask for fewer at once (size)", most)}
	case all > int64(c.h.limits.Answers):
		return &search.Error{Type: tooLarge, Reason: fmt.Sprintf("Data too large: the documents in all answers under way are longer than %d bytes: try again", c.h.limits.Answers)}
	}
	return nil
}

// split gives the segments of a path, each unescaped by itself. whole is false if one between others is empty, which no route has.
func split(path string) (out []string, whole bool, err error) {
	path = strings.Trim(path, "/")
	if path == "" {
		return nil, true, nil
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" {
			return nil, false, nil
		}
		s, err := url.PathUnescape(part)
		if err != nil {
			return nil, false, illegal("cannot read the path: %s", err)
		}
		out = append(out, s)
	}
	return out, true, nil
}

func (c *call) noRoute() error {
	uri := clip(c.r.URL.RequestURI())
	return &failure{plain: true, reason: fmt.Sprintf("no handler found for uri [%s] and method [%s]", uri, c.r.Method), typ: "no_handler"}
}

func (c *call) wrongMethod(allowed []string) error {
	slices.Sort(allowed)
	allowed = slices.Compact(allowed)
	c.w.Header().Set("Allow", strings.Join(allowed, ","))
	if c.r.Method == http.MethodOptions {
		c.send(http.StatusOK, "text/plain; charset=UTF-8", nil)
		return nil
	}
	return &failure{plain: true, status: http.StatusMethodNotAllowed, reason: fmt.Sprintf("Incorrect HTTP method for uri [%s] and method [%s], allowed: [%s]",
		clip(c.r.URL.RequestURI()), clip(c.r.Method), strings.Join(allowed, ", "))}
}

// common are the parameters that every request may have.
var common = []string{"pretty", "human", "format", "error_trace", "filter_path", "source", "source_content_type"}

// typed are the parameters whose values have a type, whatever the route.
var typed = map[string]byte{"pretty": 'b', "human": 'b', "error_trace": 'b', "ignore_unavailable": 'b', "allow_no_indices": 'b', "flat_settings": 'b',
	"include_defaults": 'b', "local": 'b', "include_type_name": 'b', "create": 'b', "realtime": 'b', "require_alias": 'b', "v": 'b', "help": 'b',
	"wait_if_ongoing": 'b', "force": 'b', "flush": 'b', "only_expunge_deletes": 'b', "preserve_existing": 'b', "write_index_only": 'b',
	"include_unloaded_segments": 'b', "include_segment_file_sizes": 'b', "wait_for_no_initializing_shards": 'b', "wait_for_no_relocating_shards": 'b',
	"explain": 'b', "analyze_wildcard": 'b', "lenient": 'b', "rewrite": 'b', "all_shards": 'b', "track_scores": 'b', "version": 'v', "timeout": 't', "master_timeout": 't', "scroll": 't',
	"keep_alive": 't', "wait_for_timeout": 't', "if_seq_no": 'n', "if_primary_term": 'n', "max_num_segments": 'n', "ignore_throttled": 'b', "order": 'o'}

// readParameters takes the parameters of the URL. One that the route does not know, or that is there twice, is
// refused: one with an error is not passed over.
func (c *call) readParameters() error {
	given, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return illegal("cannot read the parameters: %s", err)
	}
	c.params = make(map[string]string, len(given))
	var strange []string
	for name, values := range given {
		if !slices.Contains(common, name) && !slices.Contains(c.route.params, name) && !c.route.anyParams {
			strange = append(strange, name)
			continue
		}
		if len(values) > 1 {
			return illegal("request [%s] has the parameter [%s] more than once", clip(c.r.URL.Path), name)
		}
		c.params[name] = values[0]
	}
	if len(strange) > 0 {
		return c.unrecognized(strange)
	}
	for name, value := range c.params {
		if err := checkParameter(name, value); err != nil {
			return err
		}
	}
	switch format := c.params["format"]; format {
	case "yaml", "cbor", "smile", "application/yaml", "application/cbor", "application/smile":
		return notServed("format [%s]", format)
	}
	return nil
}

func checkParameter(name, value string) error {
	switch typed[name] {
	case 'b':
		if value == "" || value == "true" || value == "false" {
			return nil
		}
		f := illegal("Failed to parse value [%s] as only [true] or [false] are allowed.", clip(value))
		if strings.Contains(indicesParams, " "+name+" ") {
			return &failure{typ: f.typ, reason: fmt.Sprintf("Could not convert [%s] to boolean", name), cause: f}
		}
		return f
	case 't':
		if _, err := search.ParseDuration(value); err != nil {
			return illegal("failed to parse setting [%s] with value [%s] as a time value: %s", name, clip(value), err)
		}
	case 'n':
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			f := illegal("Failed to parse long parameter [%s] with value [%s]", name, clip(value))
			f.cause = &failure{typ: "number_format_exception", reason: fmt.Sprintf("For input string: %q", clip(value))}
			return f
		}
	}
	return nil
}

func (c *call) unrecognized(strange []string) error {
	slices.Sort(strange)
	var parts []string
	for _, name := range strange {
		part := "[" + clip(name) + "]"
		var near []string
		for _, known := range c.route.params {
			if likeness(name, known) > 0.5 {
				near = append(near, known)
			}
		}
		slices.Sort(near)
		switch len(near) {
		case 0:
		case 1:
			part += " -> did you mean [" + near[0] + "]?"
		default:
			part += " -> did you mean any of [" + strings.Join(near, ", ") + "]?"
		}
		parts = append(parts, part)
	}
	plural := ""
	if len(parts) > 1 {
		plural = "s"
	}
	return illegal("request [%s] contains unrecognized parameter%s: %s", clip(c.r.URL.Path), plural, strings.Join(parts, ", "))
}

// likeness is 1 for the same text, and less the more letters have to be changed.
func likeness(a, b string) float64 {
	if len(a) > 100 || len(b) > 100 || len(a) == 0 || len(b) == 0 {
		return 0
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		corner := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := corner
			if a[i-1] != b[j-1] {
				cost++
			}
			corner, row[j] = row[j], min(row[j]+1, row[j-1]+1, cost)
		}
	}
	return 1 - float64(row[len(b)])/float64(min(len(a), len(b)))
}

// flag is a parameter that is true or false; one without a value is true.
func (c *call) flag(name string, otherwise bool) bool {
	value, ok := c.params[name]
	if !ok {
		return otherwise
	}
	return value != "false"
}

func (c *call) pretty() bool { return c.flag("pretty", false) }

// number is a parameter that is a whole number; ok is false without one.
func (c *call) number(name string) (n int64, ok bool) {
	n, err := strconv.ParseInt(c.params[name], 10, 64)
	return n, err == nil
}

// checkMedia refuses bodies of types that are not served.
func (c *call) checkMedia() error {
	header := c.r.Header.Get("Content-Type")
	if c.r.ContentLength == 0 {
		return nil
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil || !slices.Contains([]string{"application/json", "application/x-ndjson", "application/vnd.elasticsearch+json", "application/vnd.elasticsearch+x-ndjson"}, media) {
		return &failure{plain: true, status: http.StatusNotAcceptable, reason: fmt.Sprintf("Content-Type header [%s] is not supported", clip(header))}
	}
	return nil
}

// body returns the body of the request, or what the parameter source has in its place; nothing if there is none.
func (c *call) body() ([]byte, error) {
	if c.read {
		return c.content, nil
	}
	c.read = true
	if c.r.ContentLength != 0 {
		if err := c.readBody(); err != nil {
			return nil, err
		}
	}
	if source, ok := c.params["source"]; ok && len(c.content) == 0 {
		if media, _, _ := mime.ParseMediaType(c.params["source_content_type"]); media != "application/json" && media != "application/x-ndjson" {
			return nil, &failure{typ: "illegal_state_exception", reason: "source and source_content_type parameters are required", status: http.StatusInternalServerError}
		}
		c.content = []byte(source)
	}
	if len(c.content) > 0 && !c.route.body {
		return nil, illegal("request [%s %s] does not support having a body", c.r.Method, clip(c.r.URL.Path))
	}
	return c.content, nil
}

func (c *call) readBody() error {
	limit := int64(c.h.limits.Body)
	tooLarge := &failure{status: http.StatusRequestEntityTooLarge, typ: "content_too_long_exception",
		reason: fmt.Sprintf("the body of the request is longer than %d bytes: send less at once", limit)}
	if c.r.ContentLength > limit {
		return tooLarge
	}
	from := io.Reader(c.r.Body)
	switch encoding := strings.ToLower(c.r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := unzippers.Get().(*gzip.Reader), error(nil)
		defer unzippers.Put(z)
		if err = z.Reset(from); err != nil {
			return illegal("cannot unpack the body: %s", err)
		}
		from = z
	default:
		return notServed("Content-Encoding [%s]", clip(encoding))
	}
	c.buffer = buffers.Get().(*bytes.Buffer)
	c.buffer.Reset()
	if n := c.r.ContentLength; n > 0 && from == io.Reader(c.r.Body) {
		c.buffer.Grow(int(n) + bytes.MinRead)
	}
	n, err := c.buffer.ReadFrom(&counted{io.LimitReader(from, limit+1), c})
	if n > limit {
		return tooLarge
	}
	var f *failure
	switch {
	case errors.As(err, &f):
		return err
	case c.context().Err() != nil:
		return c.context().Err()
	case err != nil:
		return illegal("cannot read the body: %s", err)
	}
	c.content = c.buffer.Bytes()
	return nil
}

// counted counts what is read of a body among those of all requests, which together have a limit.
type counted struct {
	from io.Reader
	c    *call
}

func (r *counted) Read(b []byte) (int, error) {
	n, err := r.from.Read(b)
	r.c.held += int64(n)
	if sum, most := r.c.h.held.Add(int64(n)), int64(r.c.h.limits.Bodies); sum > most {
		return n, &failure{status: http.StatusTooManyRequests, typ: "circuit_breaking_exception",
			reason: fmt.Sprintf("Data too large: the bodies of all requests under way are longer than %d bytes", most)}
	}
	return n, err
}

var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// value reads the body as one JSON value; ok is false without a body.
func (c *call) value() (v body.Value, ok bool, err error) {
	content, err := c.body()
	if err != nil || len(bytes.TrimSpace(content)) == 0 {
		return body.Value{}, false, err
	}
	v, err = body.Parse(content)
	return v, err == nil, err
}

// objectBody reads the body, which must be an object.
func (c *call) objectBody() (body.Value, error) {
	v, ok, err := c.value()
	switch {
	case err != nil:
		return v, contentFailure(err)
	case !ok:
		return v, &failure{typ: "parse_exception", reason: "request body is required"}
	case v.Kind != body.Object:
		return v, &failure{typ: "not_x_content_exception", reason: "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"}
	}
	return v, nil
}

// contentFailure says of a body that is no JSON what Elasticsearch says where it wants an object.
func contentFailure(err error) error {
	var syntax *body.Error
	if errors.As(err, &syntax) {
		return &failure{typ: "parse_exception", reason: "Failed to parse content to map", cause: syntaxFailure(syntax)}
	}
	return err
}

// noBody refuses a body where none is taken.
func (c *call) noBody() error {
	_, err := c.body()
	return err
}

// zippers pack answers.
var zippers = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return z }}

// answer sends a value.
func (c *call) answer(v body.Value) error {
	c.reply(http.StatusOK, v.Append(nil))
	return nil
}

// reply sends JSON, shaped as the parameters ask for it.
func (c *call) reply(status int, text []byte) {
	c.send(status, "application/json; charset=UTF-8", c.shaped(text))
}

// send sends an answer of any type.
func (c *call) send(status int, media string, text []byte) {
	c.replied = true
	header := c.w.Header()
	header.Set("Content-Type", media)
	if len(text) > 512 && c.r.Method != http.MethodHead && takesGzip(c.r.Header.Get("Accept-Encoding")) {
		header.Set("Content-Encoding", "gzip")
		c.w.WriteHeader(status)
		z := zippers.Get().(*gzip.Writer)
		defer zippers.Put(z)
		z.Reset(c.w)
		z.Write(text) // what cannot be written, the client has not waited for
		z.Close()
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(text)))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		c.w.Write(text)
	}
}

func takesGzip(header string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
		if (strings.EqualFold(name, "gzip") || name == "*") && strings.TrimSpace(quality) != "q=0" {
			return true
		}
	}
	return false
}
