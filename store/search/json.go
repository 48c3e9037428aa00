package search

import (
	"io"
	"strconv"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/mapping"
)

// A writer writes JSON, with commas where they belong.
type writer struct {
	b       []byte
	buckets int // that were written
}

func (w *writer) next() {
	if n := len(w.b); n > 0 {
		switch w.b[n-1] {
		case '{', '[', ':':
		default:
			w.b = append(w.b, ',')
		}
	}
}

// open begins an object or array, as c says; close ends it.
func (w *writer) open(c byte)  { w.next(); w.b = append(w.b, c) }
func (w *writer) close(c byte) { w.b = append(w.b, c) }

func (w *writer) name(s string) *writer {
	w.next()
	w.b = append(body.AppendString(w.b, s), ':')
	return w
}

func (w *writer) text(s string)      { w.next(); w.b = body.AppendString(w.b, s) }
func (w *writer) int(n int64)        { w.next(); w.b = strconv.AppendInt(w.b, n, 10) }
func (w *writer) raw(s []byte)       { w.next(); w.b = append(w.b, s...) }
func (w *writer) null()              { w.raw([]byte("null")) }
func (w *writer) flag(b bool)        { w.next(); w.b = strconv.AppendBool(w.b, b) }
func (w *writer) value(v body.Value) { w.next(); w.b = v.Append(w.b) }

// flush hands on what has been written. The last byte stays, as it says whether a comma is to follow.
func (w *writer) flush(to io.Writer) error {
	n := len(w.b) - 1
	_, err := to.Write(w.b[:n])
	w.b = append(w.b[:0], w.b[n])
	return err
}

// float writes a number as Java does; what JSON has no number for is text.
func (w *writer) float(x float64) {
	if x != x || x-x != 0 {
		w.text(mapping.JavaText(x))
		return
	}
	w.raw([]byte(mapping.JavaText(x)))
}
