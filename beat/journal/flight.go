package journal

import (
	"context"
	"sync/atomic"
)

// A flight bounds the bytes of the events that are under way: given to libbeat and not acknowledged, nor dropped by a
// processor, which libbeat tells in the same way. A refused event, and what is open when the input ends, ends with its flight:
// each run of an input has one of its own.
//
// One goroutine begins, and counts without asking how much has ended as long as there is room by what it has seen last.
type flight struct {
	most  uint64
	begun uint64        // all that ever was, of whoever begins
	seen  uint64        // ended, when it was looked at last
	ended atomic.Uint64 // of begun
	news  chan struct{} // has one when more has ended
}

// begin takes room for so many bytes, as soon as wait finds it.
func (f *flight) begin(ctx context.Context, size uint64) bool {
	ok := f.wait(ctx, size)
	if ok {
		f.begun += size
	}
	return ok
}

// wait waits until there is room for so many bytes, or nothing else is under way; false: ctx is done before.
func (f *flight) wait(ctx context.Context, size uint64) bool {
	for !f.has(size) {
		select {
		case <-f.news: // whether it is new shows
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// has says whether wait need not wait.
func (f *flight) has(size uint64) bool {
	if f.begun-f.seen+size <= f.most {
		return true
	}
	f.seen = f.ended.Load()
	return f.begun == f.seen || f.begun-f.seen+size <= f.most
}

// end gives back the room of so many bytes. It never waits.
func (f *flight) end(size uint64) {
	if size == 0 {
		return
	}
	f.ended.Add(size)
	select {
	case f.news <- struct{}{}:
	default:
	}
}
