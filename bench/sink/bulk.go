package sink

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxBody bounds a bulk body whatever the options say.
const maxBody = 1 << 30

// Kept between requests: a sink that collects garbage takes the CPU of the shipper that it measures.
var (
	scratches = sync.Pool{New: func() any { return new(scratch) }}
	inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}
	unpackers = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBody))
		if err != nil {
			panic(err) // the options are right
		}
		return d
	}}
)

// A scratch is what a bulk request needs room for.
type scratch struct {
	packed, body bytes.Buffer
	items        []item
	answer       answer
}

// The fates of a bulk request.
type fate int

const (
	through fate = iota
	request429
	request503
	resetBefore
	resetAfter
	truncateAfter
)

func (s *Sink) draw() (fate, Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stats.FirstNs == 0 {
		s.stats.FirstNs = time.Now().UnixNano()
	}
	s.stats.Requests++
	f, x := s.opts.Faults, s.rng.Float64()
	for i, share := range []float64{f.Request429, f.Request503, f.ResetBefore, f.ResetAfter, f.TruncateAfter} {
		if x < share {
			n := []*int64{&s.stats.Requests429, &s.stats.Requests503, &s.stats.ResetsBefore, &s.stats.ResetsAfter, &s.stats.Truncated}
			*n[i]++
			return fate(i + 1), f
		}
		x -= share
	}
	return through, f
}

func (s *Sink) bulk(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	fate, faults := s.draw()
	if fate == resetBefore {
		hangUp(w)
		return
	}
	sc := scratches.Get().(*scratch)
	defer scratches.Put(sc)
	wire, err := s.readBody(sc, r)
	switch {
	case errors.Is(err, errTooLarge):
		s.count(&s.stats.Requests413)
		fail(w, http.StatusRequestEntityTooLarge, "content_too_long_exception", "entity content is too long")
		return
	case err != nil:
		s.count(&s.stats.BadRequests)
		fail(w, http.StatusBadRequest, "parse_exception", err.Error())
		return
	case fate == request429:
		fail(w, http.StatusTooManyRequests, "es_rejected_execution_exception", "injected")
		return
	case fate == request503:
		fail(w, http.StatusServiceUnavailable, "unavailable_shards_exception", "injected")
		return
	}

	index := ""
	if parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/"); len(parts) > 1 {
		index = parts[0]
	}
	out := &sc.answer
	*out = answer{b: out.b[:0], terse: strings.Contains(r.URL.Query().Get("filter_path"), "items.*.")}
	docs, err := s.store(sc, index, faults)
	if err != nil {
		fail(w, http.StatusBadRequest, "illegal_argument_exception", err.Error())
		return
	}
	s.mu.Lock()
	s.stats.WireBytes += wire
	s.mu.Unlock()
	if d := faults.Latency + time.Duration(docs)*faults.LatencyDocument; d > 0 {
		time.Sleep(d)
	}
	if fate == resetAfter {
		hangUp(w)
		return
	}
	head := fmt.Appendf(nil, `{"took":%d,"errors":%t,"items":[`, time.Since(begun).Milliseconds(), out.errors)
	out.b = append(out.b, "]}"...)
	n := len(head) + len(out.b)
	if fate == truncateAfter {
		n /= 2
	}
	w.Header().Set("Content-Length", strconv.Itoa(n))
	w.Write(head[:min(n, len(head))])
	w.Write(out.b[:max(0, n-len(head))])
}

var errTooLarge = errors.New("body is too large")

// readBody reads a body into sc.body, unpacked.
func (s *Sink) readBody(sc *scratch, r *http.Request) (wire int64, err error) {
	limit := s.opts.MaxBody
	if limit <= 0 || limit > maxBody {
		limit = maxBody
	}
	in := &sc.body
	encoding := r.Header.Get("Content-Encoding")
	packed := encoding == "gzip" || encoding == "zstd" && s.opts.Zstd
	if packed {
		in = &sc.packed // unpacking is faster out of memory
	}
	in.Reset()
	if n := r.ContentLength; n > limit {
		return 0, errTooLarge
	} else if n > 0 {
		in.Grow(int(n) + bytes.MinRead)
	}
	if wire, err = in.ReadFrom(io.LimitReader(r.Body, limit+1)); err != nil || wire <= limit && !packed {
		return wire, err
	}
	if packed && wire <= limit {
		if n, err := unpack(&sc.body, sc.packed.Bytes(), encoding, limit+1); n <= limit {
			return wire, err
		}
	}
	// The rest is read so that the client sees the answer rather than a broken pipe.
	io.Copy(io.Discard, io.LimitReader(r.Body, maxBody))
	return wire, errTooLarge
}

// unpack writes what is packed into out, no more than limit bytes of it, and says how much that was.
func unpack(out *bytes.Buffer, packed []byte, encoding string, limit int64) (n int64, err error) {
	out.Reset()
	var r io.Reader
	if encoding == "zstd" {
		z := unpackers.Get().(*zstd.Decoder)
		defer unpackers.Put(z)
		r, err = z, z.Reset(bytes.NewReader(packed))
	} else {
		z := inflaters.Get().(*gzip.Reader)
		defer inflaters.Put(z)
		r, err = z, z.Reset(bytes.NewReader(packed))
	}
	if err != nil {
		return 0, err
	}
	return out.ReadFrom(io.LimitReader(r, limit))
}

// An action is a line of a bulk body that says what to do. It shares the body's memory.
type action struct {
	op, index, id []byte
}

// An item is an action with its document.
type item struct {
	action
	doc []byte
}

func parseAction(line []byte, index string) (action, error) {
	if a, ok := plainAction(line, index); ok {
		return a, nil
	}
	var a map[string]struct {
		Index string `json:"_index"`
		ID    string `json:"_id"`
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return action{}, fmt.Errorf("cannot read action %.200q: %w", line, err)
	}
	for op, m := range a {
		if len(a) == 1 && (op == "create" || op == "index") {
			if m.Index == "" {
				m.Index = index
			}
			return action{[]byte(op), []byte(m.Index), []byte(m.ID)}, nil
		}
	}
	return action{}, fmt.Errorf("cannot read action %.200q: want one create or index", line)
}

// plainAction reads what shippers send, {"create":{"_index":"x","_id":"y"}} with a space here and there, without
// the cost of a whole JSON parser, and leaves everything else to that.
func plainAction(line []byte, index string) (a action, ok bool) {
	if bytes.IndexByte(line, '\\') >= 0 {
		return a, false
	}
	p := plain(line)
	a.index = []byte(index)
	if !p.skip('{') {
		return a, false
	}
	if a.op, ok = p.text(); !ok || string(a.op) != "create" && string(a.op) != "index" || !p.skip(':') || !p.skip('{') {
		return a, false
	}
	for first := true; !p.skip('}'); first = false {
		if !first && !p.skip(',') {
			return a, false
		}
		key, ok := p.text()
		if !ok || !p.skip(':') {
			return a, false
		}
		value, ok := p.text()
		if !ok {
			return a, false
		}
		switch string(key) {
		case "_index":
			a.index = value
		case "_id":
			a.id = value
		case "_type", "pipeline", "routing":
		default:
			return a, false
		}
	}
	return a, p.skip('}') && len(p) == 0
}

// A plain is the rest of a line of JSON without backslashes.
type plain []byte

// skip passes the punctuation c and the spaces around it.
func (p *plain) skip(c byte) bool {
	rest := bytes.TrimLeft(*p, " ")
	if len(rest) == 0 || rest[0] != c {
		return false
	}
	*p = bytes.TrimLeft(rest[1:], " ")
	return true
}

// text passes a string and gives what is between its quotes.
func (p *plain) text() (text []byte, ok bool) {
	if len(*p) == 0 || (*p)[0] != '"' {
		return nil, false
	}
	text, *p, ok = bytes.Cut((*p)[1:], []byte(`"`))
	return text, ok
}

// store carries out a bulk body. It holds the lock throughout: counts stay exact, and documents of
// two requests are stored one request after the other. A body that cannot be read stores nothing.
func (s *Sink) store(sc *scratch, index string, f Faults) (docs int64, err error) {
	b := sc.body.Bytes()
	items := sc.items[:0]
	defer func() { sc.items = items }()
	size := len(b)
	for len(b) > 0 {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		if len(line) == 0 {
			continue
		}
		a, err := parseAction(line, index)
		if err != nil {
			s.count(&s.stats.BadRequests)
			return 0, err
		}
		doc, rest, ended := bytes.Cut(b, []byte("\n"))
		b = rest
		if !ended {
			s.count(&s.stats.BadRequests)
			return 0, errors.New("the bulk request must be terminated by a newline [\\n]")
		}
		items = append(items, item{a, doc})
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		status := s.storeOne(it.action, it.doc, f)
		if status < 300 {
			docs++
		}
		sc.answer.add(it.action, status, s.stats.Docs)
	}
	s.stats.Bytes += int64(size)
	s.stats.MaxBulkDocs = max(s.stats.MaxBulkDocs, docs)
	s.stats.MaxBulkBytes = max(s.stats.MaxBulkBytes, int64(size))
	if docs > 0 {
		s.stats.LastNs = time.Now().UnixNano()
	}
	return docs, nil
}

func (s *Sink) storeOne(a action, doc []byte, f Faults) (status int) {
	deadLetter := f.DeadLetter
	if deadLetter == "" {
		deadLetter = "dead-letter"
	}
	switch {
	case f.Item429 > 0 && s.rng.Float64() < f.Item429:
		s.stats.Items429++
		return http.StatusTooManyRequests
	case f.Item400 > 0 && !bytes.HasPrefix(a.index, []byte(deadLetter)) && refused(a, doc, f.Item400),
		!s.opts.Unchecked && !json.Valid(doc):
		s.stats.Items400++
		return http.StatusBadRequest
	}
	status = http.StatusCreated
	if s.opts.IDs && len(a.id) > 0 {
		key := string(a.index) + "/" + string(a.id)
		n := s.ids[key]
		switch {
		case n > 0 && string(a.op) == "create":
			s.stats.Items409++
			return http.StatusConflict
		case n > 0:
			s.stats.DoubledIDs++
			status = http.StatusOK
		default:
			s.stats.IDs++
		}
		s.ids[key] = min(n, 254) + 1
	}
	s.stats.Docs++
	switch n, ok := seq(doc); {
	case !ok:
		s.stats.WithoutSq++
	default:
		for n >= len(s.seqs) {
			s.seqs = append(s.seqs, make([]uint8, n-len(s.seqs)+1<<16)...)
		}
		if s.seqs[n] == 0 {
			s.stats.UniqueSeqs++
		} else {
			s.stats.DoubledSeqs++
		}
		s.seqs[n] = min(s.seqs[n], 254) + 1
	}
	return status
}

// refused says whether a mapping would refuse the document: the same one each time.
func refused(a action, doc []byte, share float64) bool {
	h := fnv.New64a()
	if len(a.id) > 0 {
		h.Write(a.id)
	} else {
		h.Write(doc)
	}
	// FNV's high bits barely move for short ids: mix them.
	x := h.Sum64() * 0x9e3779b97f4a7c15
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	return float64(x>>11)/(1<<53) < share
}

// seq finds the token sq#NNNNNNNN.
func seq(doc []byte) (int, bool) {
	_, after, ok := bytes.Cut(doc, []byte("sq#"))
	if !ok || len(after) < 8 {
		return 0, false
	}
	n := 0
	for _, c := range after[:8] {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}

// An answer collects the items of a bulk answer. terse leaves out what filter_path=items.*.… does.
type answer struct {
	b      []byte
	errors bool
	terse  bool
}

func (o *answer) add(a action, status int, docs int64) {
	b := o.b
	if len(b) > 0 {
		b = append(b, ',')
	}
	b = append(append(append(b, `{"`...), a.op...), `":{`...)
	if !o.terse {
		b = appendText(append(b, `"_index":`...), a.index)
		b = append(b, `,"_type":"_doc","_id":`...)
		if len(a.id) > 0 {
			b = appendText(b, a.id)
		} else {
			b = append(strconv.AppendInt(append(b, `"auto-`...), docs, 36), '"')
		}
		if status < 300 {
			b = append(b, `,"_version":1,"result":"created","_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1`...)
		}
		b = append(b, ',')
	}
	b = strconv.AppendInt(append(b, `"status":`...), int64(status), 10)
	switch status {
	case http.StatusTooManyRequests:
		b = append(b, `,"error":{"type":"es_rejected_execution_exception","reason":"injected rejection"}`...)
	case http.StatusBadRequest:
		b = append(b, `,"error":{"type":"mapper_parsing_exception","reason":"failed to parse"}`...)
	case http.StatusConflict:
		b = append(b, `,"error":{"type":"version_conflict_engine_exception","reason":"document already exists"}`...)
	}
	o.b = append(b, "}}"...)
	o.errors = o.errors || status >= 400
}

// appendText appends s as a JSON string.
func appendText(b, s []byte) []byte {
	for _, c := range s {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(string(s))
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

func fail(w http.ResponseWriter, status int, kind, reason string) {
	cause := map[string]string{"type": kind, "reason": reason}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{
		"error":  map[string]any{"root_cause": []any{cause}, "type": kind, "reason": reason},
		"status": status,
	})
}

// hangUp resets the connection: no FIN, so that the client cannot take it for an orderly end.
func hangUp(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // HTTP/2 cannot be hijacked; this resets its stream
	}
	if t, ok := c.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	c.Close()
}

func (s *Sink) count(n *int64) {
	s.mu.Lock()
	*n++
	s.mu.Unlock()
}

func number(r *http.Request, name string) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return 0
	}
	return min(max(n, 0), 100_000_000)
}

// processCPU is what the whole process has used, in seconds.
func processCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
