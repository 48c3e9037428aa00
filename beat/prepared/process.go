package prepared

import (
	"strings"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// Pure is a processor whose work on an event depends on nothing but a few of its fields: the same of them,
// the same work. It reports what it counts by Count.
type Pure interface {
	beat.Processor
	// DependsOn returns the dotted paths of these fields. Of one that is an object the processor knows no more than that.
	DependsOn() []string
}

// A Chain is processors, each of which is Pure.
type Chain struct {
	Run   func(*beat.Event) (*beat.Event, error)
	Reads []string // what they depend on
}

// none is of documents that no processor has seen.
var none = &Chain{Run: func(e *beat.Event) (*beat.Event, error) { return e, nil }}

// A trial is the Private of an event that stands for all of a kind.
type trial struct{ counters []*monitoring.Uint }

// Count adds 1 to what a Pure processor counts.
func Count(e *beat.Event, c *monitoring.Uint) {
	if t, ok := e.Private.(*trial); ok {
		t.counters = append(t.counters, c) // it is added for each document
		return
	}
	c.Inc()
}

// A Fate is what processors make of a document.
type Fate int

const (
	Unsure  Fate = iota // it must be filled and processed as an ordinary event
	Done                // it is processed
	Dropped             // it is not to be sent
)

// Process has a chain process d.
func (d *Document) Process(c *Chain) Fate {
	r := d.Template.result.Load()
	if r == nil || r.chain != c {
		r = d.Template.process(c)
	}
	if r.ordinary {
		return Unsure
	}
	for _, n := range r.counters {
		n.Inc()
	}
	d.result = r
	if r.dropped {
		return Dropped
	}
	return Done
}

func (t *Template) process(c *Chain) *result {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.result.Load(); r != nil && r.chain == c {
		return r
	}
	r := &result{chain: c, ordinary: t.hides(c.Reads) || t.hides(counted)}
	if !r.ordinary {
		tried := &trial{}
		e := &beat.Event{Fields: fill(t.fields, nil), Meta: fill(t.meta, nil), Private: tried}
		out, err := c.Run(e)
		if out != nil {
			e = out
		}
		r.dropped = out == nil
		r.fields, r.meta, r.counters = e.Fields, e.Meta, tried.counters
		r.namespace = namespaceOf(e.Fields)
		_, id := e.Meta["_id"]
		// A processor that fails may do so for good reasons of each event, and says so in the log. One that sets the
		// id or the time of an event is not Pure.
		r.ordinary = err != nil || id || !e.Timestamp.IsZero() || e.Private != any(tried)
	}
	t.result.Store(r)
	return r
}

// counted is what documents are counted by.
var counted = []string{"kubernetes.namespace"}

// hides says whether one of these fields is in a hole.
func (t *Template) hides(reads []string) bool {
	for _, path := range reads {
		for _, hole := range t.holes {
			if path == hole || strings.HasPrefix(path, hole+".") {
				return true
			}
		}
	}
	return false
}
