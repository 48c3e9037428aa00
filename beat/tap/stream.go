package tap

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
)

const (
	// maxWaiting bounds the bytes of lines that wait for a reader; a longer line may wait alone.
	maxWaiting = 4 << 20
	// tellEach is how often a reader is told of what is left out.
	tellEach = time.Second
)

// Counts say what has become of the events since a tap began. They are told in the stream, in lines that begin with {"tap": instead of
// {"@timestamp":.
type Counts struct {
	Matched int64  `json:"matched"`          // events that the filter wants
	Sent    int64  `json:"sent"`             // of them, and of --sample, those in the stream
	LeftOut int64  `json:"left_out"`         // of them, those that the reader was too slow for
	Unseen  int64  `json:"unseen"`           // events that were not looked at, because podbeat had no time for it
	End     string `json:"end,omitempty"`    // why the stream ends
	Failed  string `json:"failed,omitempty"` // what went wrong
}

// A stream is one tap. take is called by the pipeline, send is of the request's goroutine.
type stream struct {
	*query
	tap *Tap

	over                     atomic.Bool
	matched, leftOut, unseen atomic.Int64
	failed                   atomic.Pointer[string]
	ready                    chan struct{} // there is something in lines, or the stream is over

	mu    sync.Mutex
	lines []byte
	sent  int64 // put into lines
}

func newStream(q *query, t *Tap) *stream {
	return &stream{query: q, tap: t, ready: make(chan struct{}, 1)}
}

// take has a look at an event. It never waits.
func (s *stream) take(e *beat.Event) {
	if s.over.Load() {
		return
	}
	began := time.Now()
	if !s.tap.budget.left(began) {
		s.unseen.Add(1)
		return
	}
	defer func() {
		if r := recover(); r != nil { // the pipeline is not to end by a look at it
			text := fmt.Sprintf("podbeat could not look at an event: %v", r)
			s.failed.Store(&text)
			s.end()
		}
		s.tap.budget.spend(time.Since(began))
	}()
	if s.input != "" && !isOf(e, s.input) {
		return
	}
	if s.tap.veil != nil {
		e = s.tap.veil.over(e)
	}
	if s.match != nil && !s.match(valuesOf(e)) {
		return
	}
	if n := s.matched.Add(1); s.sample > 1 && n%s.sample != 1 {
		return
	}
	if s.full() {
		s.leftOut.Add(1)
		return
	}
	s.add(s.tap.writer.line(e, s.fields))
}

// full says whether there is no room for a further line.
func (s *stream) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines) >= maxWaiting
}

func (s *stream) add(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.limit > 0 && s.sent >= s.limit:
		return
	case len(s.lines) > 0 && len(s.lines)+len(line) > maxWaiting:
		s.leftOut.Add(1)
		return
	}
	s.lines = append(s.lines, line...)
	s.sent++
	if s.sent == s.limit {
		s.over.Store(true)
	}
	s.wake()
}

func (s *stream) end() {
	s.over.Store(true)
	s.wake()
}

func (s *stream) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// next returns the lines that wait and how many there have been with them, and takes buffer for those to come.
func (s *stream) next(buffer []byte) (lines []byte, sent int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines = s.lines
	if cap(buffer) > maxWaiting {
		buffer = nil
	}
	s.lines = buffer[:0]
	return lines, s.sent
}

// send writes lines until the stream is over, its reader has gone, or podbeat stops.
func (s *stream) send(ctx context.Context, w http.ResponseWriter, stops <-chan struct{}) {
	to := http.NewResponseController(w)
	write := func(lines []byte) bool {
		_ = to.SetWriteDeadline(time.Now().Add(quietWithin))
		_, err := w.Write(lines)
		return err == nil && to.Flush() == nil
	}
	if !write(nil) { // whoever gets the headers knows that it is being looked
		return
	}
	tick := time.NewTicker(tellEach)
	defer tick.Stop()
	var lines []byte
	var sent int64
	var told Counts
	for {
		end := ""
		select {
		case <-ctx.Done():
			return
		case <-stops:
			end = endStops
		case <-s.ready:
		case <-tick.C:
		}
		over := s.over.Load() // what belongs to it is in lines by now, or will wake again
		if lines, sent = s.next(lines); len(lines) > 0 && !write(lines) {
			return
		}
		if over && end == "" {
			end = "there are as many events as were asked for"
		}
		now := s.counts()
		now.Sent, now.End = sent, end // not what waits since: at the end nobody sends it
		if end == "" && now.LeftOut == told.LeftOut && now.Unseen == told.Unseen {
			continue
		}
		if told = now; !write(now.line()) || end != "" {
			return
		}
	}
}

// counts are all but what is sent.
func (s *stream) counts() Counts {
	c := Counts{Matched: s.matched.Load(), LeftOut: s.leftOut.Load(), Unseen: s.unseen.Load()}
	if text := s.failed.Load(); text != nil {
		c.Failed = *text
	}
	return c
}

// endStops is the End of a stream because podbeat ends.
const endStops = "podbeat stops"

// noticeStart begins the lines that are no events.
var noticeStart = []byte(`{"tap":`)

func (c Counts) line() []byte {
	text, _ := json.Marshal(c) // of numbers and texts, which cannot fail
	return append(append(bytes.Clone(noticeStart), text...), "}\n"...)
}

// A budget is the time that all taps may spend in the pipeline's goroutines: a share of each second.
type budget struct {
	second, spent atomic.Int64
}

// share is what taps may take of each second.
const share = 200 * time.Millisecond

// left says whether there is time left in the second of now.
func (b *budget) left(now time.Time) bool {
	if s, old := now.Unix(), b.second.Load(); s != old && b.second.CompareAndSwap(old, s) {
		b.spent.Store(0)
	}
	return b.spent.Load() < int64(share)
}

func (b *budget) spend(d time.Duration) { b.spent.Add(int64(d)) }
