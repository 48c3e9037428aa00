package push

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
)

// A budget is what all requests of an input together may hold of something.
type budget struct {
	most int64
	used atomic.Int64
}

// take says whether n more fit, and then counts them.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) <= b.most {
		return true
	}
	b.used.Add(-n)
	return false
}

func (b *budget) give(n int64) { b.used.Add(-n) }

// A format is how the body of a request is written.
type format struct {
	lines bool // application/x-ndjson
	gzip  bool
}

// formatOf says how the body of r is written, or why it is not read.
func formatOf(r *http.Request) (f format, bad *refusal) {
	unsupported := func(text string, args ...any) *refusal {
		return &refusal{status: http.StatusUnsupportedMediaType, Error: fmt.Sprintf(text, args...), reason: "type"}
	}
	const want = "want application/json or application/x-ndjson"
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return f, unsupported("%d headers Content-Type: %s", len(types), want)
	}
	kind, params, err := mime.ParseMediaType(types[0])
	if err != nil {
		return f, unsupported("the header Content-Type cannot be read: %s", want)
	}
	switch kind {
	case "application/json":
	case "application/x-ndjson":
		f.lines = true
	default:
		return f, unsupported("Content-Type %s: %s", clip(kind), want)
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return f, unsupported("Content-Type with %s=%s: want no parameter but charset=utf-8", clip(name), clip(value))
		}
	}
	switch codings := r.Header.Values("Content-Encoding"); {
	case len(codings) == 0 || len(codings) == 1 && strings.EqualFold(codings[0], "identity"):
	case len(codings) == 1 && strings.EqualFold(codings[0], "gzip"):
		f.gzip = true
	default:
		return f, unsupported("Content-Encoding %s: want gzip or none", clip(strings.Join(codings, ", ")))
	}
	return f, nil
}

// readBody returns the body of r as it is once inflated, at most limit bytes of it. It takes from room what it holds
// in memory, as it grows; the caller gives it back, whatever the outcome.
func readBody(r *http.Request, f format, limit int, room *budget) (body []byte, taken int64, bad *refusal) {
	if r.ContentLength > int64(limit) {
		return nil, 0, tooLarge(limit)
	}
	// As much again for what compresses badly, no more for what is inflated.
	wire := &io.LimitedReader{R: r.Body, N: int64(limit) + 1}
	var src io.Reader = wire
	var err error
	if f.gzip {
		if src, err = gzip.NewReader(wire); err != nil {
			return nil, 0, unreadable(err, wire, limit)
		}
	}
	for {
		if len(body) == cap(body) {
			grown := min(max(2*cap(body), firstRead), limit+1)
			if more := int64(grown - cap(body)); !room.take(more) {
				return nil, taken, full()
			} else {
				taken += more
			}
			body = append(make([]byte, 0, grown), body...)
		}
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > limit || wire.N <= 0: // a member of gzip may end where wire was cut
			return nil, taken, tooLarge(limit)
		case err == io.EOF:
			return body, taken, nil
		case err != nil:
			return nil, taken, unreadable(err, wire, limit)
		}
	}
}

// firstRead is how much is held for a body before anything is known of it.
const firstRead = 16 << 10

func tooLarge(limit int) *refusal {
	return &refusal{status: http.StatusRequestEntityTooLarge, reason: "size",
		Error: fmt.Sprintf("the body has more than %d bytes once it is inflated", limit)}
}

func full() *refusal {
	return &refusal{status: http.StatusTooManyRequests, reason: "full", Error: "the queue is full: send the request again later"}
}

// unreadable says why a body could not be read to its end.
func unreadable(err error, wire *io.LimitedReader, limit int) *refusal {
	switch {
	case wire.N <= 0:
		return tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &refusal{status: http.StatusRequestTimeout, reason: "slow", Error: "the body did not come in time"}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return refuse("syntax", "the body is no gzip, or damaged")
	}
	return refuse("syntax", "the body cannot be read: it is damaged, or ends too early")
}
