package follow

import (
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// A publisher makes events of a shard's messages and gives them to libbeat, in order.
type publisher struct {
	run    *run
	client beat.Client
	marks  []mark // to be given away
	id     []byte // being made

	// What begin was told.
	content *content
	path    string
	data    []byte // that the messages end in …
	base    int64  // … and its offset in the file
	now     time.Time
}

// begin says what the messages to come are from, and the file's name; data are the bytes from offset base on.
func (p *publisher) begin(c *content, path string, data []byte, base int64, now time.Time) {
	p.content, p.path, p.data, p.base, p.now = c, path, data, base, now
}

// publish sends one message, unless it was delivered before the last start.
func (p *publisher) publish(m *lines.Message) {
	c := p.content
	p.run.metrics.messages.Inc()
	if m.End <= c.skip || p.run.refused.Load() {
		return
	}
	event := p.event(c, m)
	if len(p.marks) == 0 {
		p.marks = make([]mark, 256)
	}
	k := &p.marks[0]
	p.marks = p.marks[1:]
	end := max(0, m.End-p.base) // a message that waited for another may end before the data: nothing is known of what is before it
	*k = mark{c, m.Resume, m.End, sumOf(p.data[max(0, end-windowSize):end])}
	event.Private = k
	c.mu.Lock()
	c.inFlight++
	c.mu.Unlock()
	p.client.Publish(event)
	if p.run.refused.Load() {
		return
	}
	c.last = *k
	p.run.metrics.published.Inc()
}

// event makes the event of a message. Every map is its own: processors may change them.
func (p *publisher) event(c *content, m *lines.Message) beat.Event {
	fields := make(common.MapStr, 8)
	c.src.Put(fields)
	fields["log"] = common.MapStr{"file": common.MapStr{"path": p.path}, "offset": m.Start, "stream": c.src.Stream}
	p.id = c.appendID(p.id[:0], m.Start, m.Text)
	t, id := c.reader.Put(m, fields)
	if id == "" {
		id = string(p.id)
	}
	if t.IsZero() {
		t = c.firstRead(m.Start, p.now)
	}
	return beat.Event{
		Timestamp: t,
		Meta:      common.MapStr{"_id": id, k8sname.IndexKey: p.run.index},
		Fields:    fields,
	}
}
