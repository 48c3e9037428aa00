package beat

import (
	"slices"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/publisher/pipetool"
)

// count has the events counted that an input publishes.
func (s *states) count(u *unit, pipeline beat.PipelineConnector) beat.PipelineConnector {
	return pipetool.WithClientConfigEdit(pipeline, func(c beat.ClientConfig) (beat.ClientConfig, error) {
		w := &waiting{unit: u}
		w.closed = func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			u.waiting = slices.DeleteFunc(u.waiting, func(o *waiting) bool { return o == w })
		}
		s.mu.Lock()
		u.waiting = append(u.waiting, w)
		s.mu.Unlock()
		if c.ACKHandler == nil {
			c.ACKHandler = w
		} else {
			c.ACKHandler = acker.Combine(w, c.ACKHandler)
		}
		c.Events = counted{u, c.Events}
		return c, nil
	})
}

// counted counts the events that libbeat takes of one client. It tells next, which may be nil.
type counted struct {
	unit *unit
	next beat.ClientEventer
}

// Published and the others are beat.ClientEventer's.
func (c counted) Published() {
	c.unit.read.Add(1)
	if c.next != nil {
		c.next.Published()
	}
}

func (c counted) FilteredOut(event beat.Event) {
	c.unit.read.Add(1)
	if c.next != nil {
		c.next.FilteredOut(event)
	}
}

func (c counted) DroppedOnPublish(event beat.Event) {
	if c.next != nil {
		c.next.DroppedOnPublish(event)
	}
}

func (c counted) Closing() {
	if c.next != nil {
		c.next.Closing()
	}
}

func (c counted) Closed() {
	if c.next != nil {
		c.next.Closed()
	}
}

// waiting knows since when the oldest event of one client waits for its acknowledgement, to about a second.
type waiting struct {
	unit   *unit
	closed func()

	mu           sync.Mutex
	added, acked uint64
	marks        []mark
}

// A mark is when the event was added before which there were n.
type mark struct {
	n  uint64
	at time.Time
}

// AddEvent is beat.ACKer's, as the others.
func (w *waiting) AddEvent(_ beat.Event, published bool) {
	if !published {
		w.unit.acked.Add(1)
		return
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.marks) == 0 || now.Sub(w.marks[len(w.marks)-1].at) >= time.Second {
		w.marks = append(w.marks, mark{w.added, now})
	}
	w.added++
}

func (w *waiting) ACKEvents(n int) {
	w.unit.acked.Add(int64(n))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acked += uint64(n)
	for len(w.marks) > 1 && w.marks[1].n <= w.acked {
		w.marks = w.marks[1:]
	}
	if w.acked >= w.added {
		w.marks = nil
	}
}

func (w *waiting) Close() { w.closed() }

// oldest is when the oldest event was added that waits; zero if none does.
func (w *waiting) oldest() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.marks) == 0 {
		return time.Time{}
	}
	return w.marks[0].at
}
