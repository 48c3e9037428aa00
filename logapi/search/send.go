package search

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/podbeat/podbeat/es/body"
)

// readBody reads a request's body, unpacked; nil if it is empty.
func readBody(w http.ResponseWriter, r *http.Request, most int64, lines bool) ([]byte, error) {
	kinds, encodings := r.Header.Values("Content-Type"), r.Header.Values("Content-Encoding")
	if len(kinds) > 1 || len(encodings) > 1 {
		return nil, illegal("Content-Type or Content-Encoding is given twice")
	}
	var in io.Reader = http.MaxBytesReader(w, r.Body, most)
	switch {
	case len(encodings) == 0, strings.EqualFold(encodings[0], "identity"):
	case strings.EqualFold(encodings[0], "gzip"):
		packed, err := gzip.NewReader(in)
		if errors.Is(err, io.EOF) { // no body
			return nil, nil
		}
		if err != nil {
			return nil, illegal("cannot unpack the body: it is not gzip")
		}
		in = packed
	default:
		return nil, &refusal{status: http.StatusUnsupportedMediaType, kind: "media_type_header_exception", reason: "Content-Encoding must be gzip, or missing"}
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong), int64(len(data)) > most:
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, kind: "content_too_long_exception", reason: fmt.Sprintf("the body has more than %d bytes", most)}
	case err != nil:
		return nil, illegal("cannot read the body to its end")
	case len(data) == 0:
		return nil, nil
	}
	if len(kinds) == 0 || !isJSON(kinds[0], lines) {
		return nil, &refusal{status: http.StatusNotAcceptable, kind: "media_type_header_exception", reason: "Content-Type must be application/json, or application/x-ndjson for _msearch"}
	}
	return data, nil
}

const vendor = "application/vnd.elasticsearch+"

// isJSON says whether a body of that media type is JSON, or lines of it.
func isJSON(kind string, lines bool) bool {
	kind, with, err := mime.ParseMediaType(kind)
	if charset := with["charset"]; err != nil || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	if version, ok := with["compatible-with"]; ok && version != "7" && version != "8" && version != "9" {
		return false
	}
	return kind == "application/json" || kind == vendor+"json" || lines && (kind == "application/x-ndjson" || kind == vendor+"x-ndjson")
}

// compatible asks Elasticsearch 8 to answer as 7 does.
const compatible = vendor + "json;compatible-with=7"

// accepted returns the media type to ask for: all that is served is JSON.
func accepted(h http.Header) (string, error) {
	all := strings.Join(h.Values("Accept"), ",")
	if all == "" {
		return "application/json", nil
	}
	for part := range strings.SplitSeq(all, ",") {
		kind, with, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		switch kind {
		case vendor + "json":
			if with["compatible-with"] == "7" {
				return compatible, nil
			}
			return "application/json", nil
		case "application/json", "application/*", "*/*":
			return "application/json", nil
		}
	}
	return "", &refusal{status: http.StatusNotAcceptable, kind: "media_type_header_exception", reason: "Accept must allow application/json"}
}

// request makes a request to Elasticsearch. Nothing of a client's is in its header.
func (h *Handler) request(ctx context.Context, method string, path []string, query values, content []byte, accept string, lines bool) (*http.Request, error) {
	escaped := make([]string, len(path))
	for i, segment := range path {
		escaped[i] = escape(segment)
	}
	u := *h.opts.URL
	u.User = nil
	address := strings.TrimRight(u.String(), "/") + "/" + strings.Join(escaped, "/")
	if len(query) > 0 {
		address += "?" + query.encode()
	}
	var in io.Reader
	if content != nil {
		in = bytes.NewReader(content)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, in)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "podbeat-logapi")
	if content != nil {
		kind := accept
		if lines {
			kind = strings.Replace(kind, "json", "x-ndjson", 1)
		}
		req.Header.Set("Content-Type", kind)
	}
	if h.opts.Auth != nil {
		h.opts.Auth(req)
	}
	return req, nil
}

// do sends a request. An error is a refusal that says no more than the client should know; the log says it all.
func (h *Handler) do(req *http.Request) (*http.Response, error) {
	resp, err := h.opts.Transport.RoundTrip(req)
	if err != nil {
		if errors.Is(req.Context().Err(), context.DeadlineExceeded) {
			return nil, timedOut()
		}
		if req.Context().Err() == nil {
			h.opts.Log.Warn("cannot reach Elasticsearch", "error", err)
		}
		return nil, badGateway("Elasticsearch cannot be reached")
	}
	reason := ""
	switch encoding := resp.Header.Get("Content-Encoding"); {
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		reason = "Elasticsearch refuses what this service may do"
	case resp.StatusCode < 200, resp.StatusCode/100 == 3:
		reason = "Elasticsearch answers with no answer"
	case encoding != "" && !strings.EqualFold(encoding, "identity"):
		reason = "Elasticsearch answers in an encoding that was not asked for"
	case resp.ContentLength > int64(h.opts.Limits.Answer) && req.Method != http.MethodHead:
		reason = "the answer is too large: ask for less"
	default:
		return resp, nil
	}
	resp.Body.Close()
	h.opts.Log.Warn("cannot use an answer of Elasticsearch", "method", req.Method, "path", req.URL.EscapedPath(), "status", resp.StatusCode, "reason", reason)
	return nil, badGateway(reason)
}

func badGateway(reason string) error {
	return &refusal{status: http.StatusBadGateway, kind: "bad_gateway", reason: reason}
}

func timedOut() error {
	return &refusal{status: http.StatusGatewayTimeout, kind: "timeout_exception", reason: "the search took too long"}
}

// look asks Elasticsearch for this service itself, and decodes the answer.
func (h *Handler) look(ctx context.Context, path []string, query values, out any) error {
	req, err := h.request(ctx, http.MethodGet, path, query, nil, "application/json", false)
	if err != nil {
		return err
	}
	resp, err := h.do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<20)).Decode(out)
	if resp.StatusCode != http.StatusOK || err != nil {
		h.opts.Log.Warn("cannot read an answer of Elasticsearch", "path", req.URL.Path, "status", resp.StatusCode, "error", err)
		return badGateway("Elasticsearch does not say what this service must know of it")
	}
	return nil
}

// forward sends p's request and copies the answer as it comes. What goes wrong after its first bytes cuts the
// client's connection, so that nobody takes a part for the whole.
func (h *Handler) forward(w http.ResponseWriter, r *http.Request, p *plan) {
	req, err := h.request(p.ctx, p.method, p.path, p.params, p.out, p.accept, p.route.lines)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	resp, err := h.do(req)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	defer resp.Body.Close()
	var in io.Reader = resp.Body
	length := resp.ContentLength
	if len(p.handles) > 0 && resp.StatusCode == http.StatusOK {
		in, length = h.wrapIDs(resp.Body, p), -1
	}
	if p.method != http.MethodHead {
		head, err := io.ReadAll(io.LimitReader(in, ahead))
		if err != nil {
			h.refuse(w, r, h.broken(p, err))
			return
		}
		in = io.MultiReader(bytes.NewReader(head), in)
	}
	header := w.Header()
	for _, name := range []string{"Content-Type", "X-Elastic-Product", "Warning", "Retry-After"} {
		header[name] = slices.Clone(resp.Header.Values(name))
	}
	protect(header)
	out := io.Writer(w)
	if p.method != http.MethodHead && (length < 0 || length >= smallest) {
		if acceptsGzip(r.Header) {
			header.Set("Content-Encoding", "gzip")
			packer := packers.Get().(*gzip.Writer)
			defer packers.Put(packer)
			packer.Reset(w)
			out, length = packer, -1
		}
	}
	if length >= 0 {
		header.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	w.WriteHeader(resp.StatusCode)
	if p.method == http.MethodHead {
		return
	}
	if err := copyAll(out, in, int64(h.opts.Limits.Answer)); err != nil {
		if p.ctx.Err() == nil {
			h.opts.Log.Warn("cannot pass an answer on to its end", "error", err)
		}
		panic(http.ErrAbortHandler)
	}
}

// ahead is how many bytes of an answer there must be, or its end, before its status is passed on. What goes wrong before
// gets a status of its own. The server would not send them earlier: it gathers as many.
const ahead = 4 << 10

// broken is what the client is told of an answer that broke off at its beginning.
func (h *Handler) broken(p *plan, err error) error {
	if errors.Is(p.ctx.Err(), context.DeadlineExceeded) {
		return timedOut()
	}
	if p.ctx.Err() == nil {
		h.opts.Log.Warn("an answer of Elasticsearch breaks off", "path", strings.Join(p.path, "/"), "error", err)
	}
	return badGateway("Elasticsearch's answer breaks off")
}

// smallest is from how many bytes on an answer is packed: one packet.
const smallest = 1400

var packers = sync.Pool{New: func() any {
	packer, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // a level there is
	return packer
}}

// copyAll copies an answer of at most most bytes.
func copyAll(out io.Writer, in io.Reader, most int64) error {
	n, err := io.Copy(out, io.LimitReader(in, most+1))
	if err != nil {
		return err
	}
	if n > most {
		return fmt.Errorf("it has more than %d bytes", most)
	}
	if packer, ok := out.(*gzip.Writer); ok {
		return packer.Close()
	}
	return nil
}

// acceptsGzip says whether the client takes gzip.
func acceptsGzip(h http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, with, _ := strings.Cut(part, ";")
		weight, err := strconv.ParseFloat(strings.TrimPrefix(strings.ReplaceAll(with, " ", ""), "q="), 64)
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return with == "" || err == nil && weight > 0
		}
	}
	return false
}

func protect(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
}

// wrapIDs wraps the ids at an answer's beginning, where Elasticsearch has them, and leaves the rest as it is.
func (h *Handler) wrapIDs(in io.Reader, p *plan) io.Reader {
	rest := bufio.NewReaderSize(in, 32<<10)
	var head bytes.Buffer
	c, err := next(rest, &head)
	if err != nil || c != '{' {
		return io.MultiReader(&head, rest)
	}
	for {
		if c, err = next(rest, &head); err != nil || c != '"' {
			break
		}
		name, err := untilQuote(rest)
		head.Write(name)
		kind := p.handles[strings.TrimSuffix(string(name), `"`)]
		if err != nil || kind == "" {
			break
		}
		if c, err = next(rest, &head); err != nil || c != ':' {
			break
		}
		if c, err = next(rest, &head); err != nil || c != '"' {
			break
		}
		id, err := untilQuote(rest)
		if err != nil {
			head.Write(id)
			break
		}
		if raw := strings.TrimSuffix(string(id), `"`); isID(raw) {
			id = []byte(h.ids.wrap(kind, p.caller, raw) + `"`)
		}
		head.Write(id)
		if c, err = next(rest, &head); err != nil || c != ',' {
			break
		}
	}
	return io.MultiReader(&head, rest)
}

// next copies white space and the byte after it, which it returns.
func next(in *bufio.Reader, out *bytes.Buffer) (byte, error) {
	for {
		c, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		out.WriteByte(c)
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			return c, nil
		}
	}
}

// untilQuote reads the rest of a string, up to its quote.
func untilQuote(in *bufio.Reader) ([]byte, error) {
	var text []byte
	for len(text) < maxID {
		c, err := in.ReadByte()
		if err != nil {
			return text, err
		}
		text = append(text, c)
		if c == '"' {
			return text, nil
		}
		if c == '\\' {
			return text, errors.New("an escape")
		}
	}
	return text, errors.New("too long")
}

// refuse answers what does not go to Elasticsearch, or comes from it as no answer.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var say *refusal
	if !errors.As(err, &say) {
		h.opts.Log.Error("cannot answer a search", "error", err)
		say = &refusal{status: http.StatusInternalServerError, kind: "exception", reason: "internal error"}
	}
	if say.allow != "" {
		w.Header().Set("Allow", say.allow)
	}
	cause := object("type", body.Text(say.kind))
	setMember(&cause, "reason", body.Text(say.reason))
	e := object("root_cause", array(cause))
	e.Members = append(e.Members, cause.Members...)
	answer := object("error", e)
	setMember(&answer, "status", body.Int(int64(say.status)))
	write(w, r, say.status, append(answer.Append(nil), '\n'))
}

// write answers with a text of this service's own.
func write(w http.ResponseWriter, r *http.Request, status int, text []byte) {
	header := w.Header()
	header.Set("Content-Type", "application/json; charset=UTF-8")
	header.Set("X-Elastic-Product", "Elasticsearch") // without which its clients take no answer
	header.Set("Content-Length", strconv.Itoa(len(text)))
	protect(header)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text)
	}
}
