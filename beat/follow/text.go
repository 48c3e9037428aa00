package follow

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/beat/find"
)

// A text is what a file holds, decompressed, for looking at parts of it. The file may be truncated
// and written anew between any two looks.
type text struct {
	size int64 // of compressed files: more than there can be
	read func(offset int64, n int) []byte
	upTo func(most int64) int64 // the size, but at most so much

	closed bool // the file was closed meanwhile: what was compared is not known to differ
}

func textOf(f *file, h *os.File) *text {
	t := &text{size: f.size.Load()}
	note := func(err error) { t.closed = t.closed || errors.Is(err, os.ErrClosed) }
	if f.gz {
		t.size = math.MaxInt64
		t.read = func(offset int64, n int) []byte {
			r, err := newGzipReader(h, offset)
			if note(err); err != nil {
				return nil
			}
			b := make([]byte, n)
			n, err = io.ReadFull(r, b)
			note(err)
			return b[:n]
		}
		t.upTo = func(most int64) int64 {
			r, err := newGzipReader(h, 0)
			if note(err); err != nil {
				return 0
			}
			n, err := io.CopyN(io.Discard, r, most)
			note(err)
			return n
		}
		return t
	}
	info, err := find.Stat(h)
	if note(err); err == nil {
		t.size = info.Size
	}
	t.read = func(offset int64, n int) []byte {
		b := make([]byte, n)
		n, err := h.ReadAt(b, offset)
		note(err)
		return b[:n]
	}
	t.upTo = func(most int64) int64 { return min(t.size, most) }
	return t
}

func (t *text) sum(offset int64, n int) sum { return sumOf(t.read(offset, n)) }

// begins says whether t begins as other, as far as a beginning is looked at.
func begins(t, other *text) bool {
	head := other.read(0, headSize)
	return len(head) > 0 && bytes.Equal(t.read(0, len(head)), head)
}

// holds says whether the text is c as far as c has been read.
func (t *text) holds(c *content) bool {
	head := &c.rec.Head
	if t.size < c.pos || head.Len > 0 && (t.size < head.At+int64(head.Len) || !head.matches(t)) {
		return false
	}
	return t.holdsBefore(c)
}

func (t *text) holdsBefore(c *content) bool {
	before := c.before()
	return before.Len == 0 || t.sum(c.pos-int64(before.Len), before.Len) == before
}

// isPart says whether the text is how c begins, and ends before what has been seen of it.
func (t *text) isPart(c *content) bool {
	size := t.upTo(c.seen())
	return size < c.seen() && c.rec.Head.Len > 0 && c.begins(t) && (size < c.pos || t.holdsBefore(c))
}

// gzipReader reads a compressed file in turns.
type gzipReader struct {
	*gzip.Reader
	rest []byte // decompressed and not taken by the lines' reader
}

// newGzipReader reads what h holds, from offset on.
func newGzipReader(h io.ReaderAt, offset int64) (*gzipReader, error) {
	z, err := gzip.NewReader(bufio.NewReaderSize(io.NewSectionReader(h, 0, math.MaxInt64), 64<<10))
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, z, offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return &gzipReader{Reader: z}, nil
}

// mostBlank bounds how many zeros are looked through.
const mostBlank = 16 << 20

// blank is how many bytes without text h begins with: a hole, left by a writer that kept its place in a truncated file, or the zeros
// that a copy has there.
func blank(h *os.File) int64 {
	at, err := h.Seek(0, unix.SEEK_DATA)
	if err != nil {
		at = 0 // the file system knows of no holes, or there is nothing else
	}
	buf := make([]byte, 64<<10)
	for most := at + mostBlank; at < most; {
		n, err := h.ReadAt(buf, at)
		zeros := n - len(bytes.TrimLeft(buf[:n], "\x00"))
		at += int64(zeros)
		if zeros < n || err != nil {
			break
		}
	}
	if at < 4 { // characters of UTF-16 may begin so
		return 0
	}
	return at
}

// isBeingCompressed says whether somebody still writes to f, a compressed file: it was written to a moment ago, or its text
// has no end yet. What is written slowly, on a machine that is, would be taken for something else, or for spoilt.
func (f *file) isBeingCompressed(h io.ReaderAt, info find.Info, now time.Time) bool {
	still := now.Sub(f.grew)
	if since := now.Sub(info.ModTime); since < quiet && (since >= 0 || still < quiet) { // the clock may have been ahead then
		return true
	}
	if f.content != nil || f.copyOf != nil || f.was != nil || still >= mostQuiet*quiet {
		return false
	}
	if f.checked != f.length {
		_, err := newGzipReader(h, math.MaxInt64)
		if errors.Is(err, os.ErrClosed) {
			return false // who reads it next will find out
		}
		f.checked, f.broken = f.length, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	}
	return f.broken
}

// mostQuiet is after how many times quiet a compressed file without an end is taken as it is.
const mostQuiet = 30

// readGzip is read for a compressed file. It has been quiet for a while, so its end is final.
func (s *shard) readGzip(f *file, h io.ReaderAt, now time.Time) (again bool, err error) {
	c := f.content
	if f.done {
		f.close()
		return false, nil
	}
	if f.gzip == nil {
		if f.gzip, err = newGzipReader(h, c.pos); errors.Is(err, os.ErrClosed) {
			return false, err
		} else if err != nil {
			s.spoilt(f, err)
			return false, nil
		}
	}
	win, rest := len(c.window), len(f.gzip.rest)
	data := s.buffer(win + rest + turnBytes + f.longer)
	copy(data, c.window)
	copy(data[win:], f.gzip.rest)
	n, err := io.ReadFull(f.gzip, data[win+rest:])
	if errors.Is(err, os.ErrClosed) {
		f.gzip = nil
		return false, err
	}
	data = data[:win+rest+n]
	atEnd := err != nil
	from := c.pos
	again = s.take(f, data, win, atEnd, atEnd, now)
	if s.run.refused.Load() {
		return false, nil // it is not read
	}
	f.gzip.rest = append(f.gzip.rest[:0], data[win+int(c.pos-from):]...)
	if atEnd {
		if _, err := f.gzip.Read(data[:1]); !errors.Is(err, io.EOF) { // gzip keeps its error
			s.spoilt(f, err)
		}
		s.doneGzip(f)
		return false, nil
	}
	return again, nil
}

// doneGzip notes that the compressed file f is read.
func (s *shard) doneGzip(f *file) {
	c := f.content
	f.done, f.gzip = true, nil
	f.close()
	f.pos.Store(f.size.Load())
	c.size = c.pos
	c.mu.Lock()
	c.rec.Whole = c.pos
	c.mu.Unlock()
	s.run.positions.set(c)
	s.run.metrics.read.Inc()
}

// spoilt says that the rest of a compressed file cannot be read.
func (s *shard) spoilt(f *file, err error) {
	s.run.metrics.errors.Inc()
	s.run.log.Errorf("Cannot decompress %s from byte %d of its text on: %v", f.path(), f.content.pos, err)
	f.done, f.gzip = true, nil
	f.close()
}
