package journal

import (
	"fmt"
	"io"
)

// Windows are as large as their file is read in sequence.
const (
	windowCount = 4
	windowMin   = 8 << 10
	windowMax   = 256 << 10
)

// windows reads a file by pieces. A journal is mostly read as it was written: each entry with the
// data that only it has; so one window that goes ahead serves nearly all, the others what is elsewhere.
type windows struct {
	r       io.ReaderAt
	slots   [windowCount]window
	recent  int
	clock   uint64
	scratch []byte // of what is larger than any window
}

type window struct {
	off  uint64
	buf  []byte
	used uint64
}

// at returns n bytes at off, good until the next call.
func (w *windows) at(off uint64, n int) ([]byte, error) {
	s := &w.slots[w.recent]
	if d := off - s.off; d < uint64(len(s.buf)) && uint64(len(s.buf))-d >= uint64(n) {
		return s.buf[d : d+uint64(n)], nil
	}
	return w.find(off, n)
}

func (w *windows) find(off uint64, n int) ([]byte, error) {
	if n > windowMax/2 {
		return w.large(off, n)
	}
	w.clock++
	w.slots[w.recent].used = w.clock
	oldest := 0
	for i := range w.slots {
		s := &w.slots[i]
		if d := off - s.off; d < uint64(len(s.buf)) && uint64(len(s.buf))-d >= uint64(n) {
			s.used, w.recent = w.clock, i
			return s.buf[d : d+uint64(n)], nil
		}
		if s.used < w.slots[oldest].used {
			oldest = i
		}
	}
	start, size := w.plan(off, n)
	s := &w.slots[oldest]
	if cap(s.buf) < size {
		s.buf = make([]byte, size)
	}
	got, err := w.r.ReadAt(s.buf[:size], int64(start))
	if err != nil && err != io.EOF && uint64(got) < off-start+uint64(n) {
		start = off // what is around it may be what cannot be read
		got, err = w.r.ReadAt(s.buf[:n], int64(start))
	}
	s.off, s.buf, s.used, w.recent = start, s.buf[:got], w.clock, oldest
	if d := off - start; uint64(got) >= d+uint64(n) {
		return s.buf[d : d+uint64(n)], nil
	}
	return nil, readError(err, off)
}

// large reads what no window holds, and makes room for it only as it comes: n is the word of the file.
func (w *windows) large(off uint64, n int) ([]byte, error) {
	if cap(w.scratch) > 4*windowMax {
		w.scratch = nil
	}
	for have := 0; have < n; {
		some := min(n, max(windowMax, 2*have))
		if cap(w.scratch) < some {
			w.scratch = append(make([]byte, 0, some), w.scratch[:have]...)
		}
		w.scratch = w.scratch[:some]
		if _, err := w.full(w.scratch[have:], off+uint64(have)); err != nil {
			return nil, err
		}
		have = some
	}
	return w.scratch, nil
}

// plan says which bytes to read for those at off: twice as many as the last time if it goes on where a window ends or begins.
func (w *windows) plan(off uint64, n int) (start uint64, size int) {
	start, size = off, max(windowMin, n)
	for i := range w.slots {
		s := &w.slots[i]
		end := s.off + uint64(len(s.buf))
		if len(s.buf) == 0 || off+windowMin < s.off || off > end+windowMin {
			continue
		}
		size = max(size, min(2*len(s.buf), windowMax))
		if off < s.off { // backwards
			if back := uint64(size - n); back < off {
				return off - back, size
			}
			return 0, size
		}
		break
	}
	return start, size
}

// full reads all of b; with an error it says how much it has read.
func (w *windows) full(b []byte, off uint64) (int, error) {
	n, err := w.r.ReadAt(b, int64(off))
	if n == len(b) {
		return n, nil
	}
	return n, readError(err, off+uint64(n))
}

func readError(err error, off uint64) error {
	if err == nil || err == io.EOF || err == io.ErrUnexpectedEOF || int64(off) < 0 {
		return fmt.Errorf("%w: the file ends before byte %d", ErrUnwritten, off)
	}
	return err
}

// forget makes sure that everything is read anew.
func (w *windows) forget() {
	for i := range w.slots {
		w.slots[i].buf = w.slots[i].buf[:0]
	}
}
