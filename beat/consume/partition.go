package consume

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// A place is a partition of a topic.
type place struct {
	topic  string
	number int32
}

// A partition is one that this member of the group has. Its goroutine, run, decodes and publishes, one message after the other.
type partition struct {
	place
	group *group
	ctx   context.Context // done once the partition is to be let go, or its group stops
	end   context.CancelFunc
	wake  chan struct{} // there is something to do
	idle  chan struct{} // closed when run has ended and nothing is open any more

	// Guarded by group.mu:
	todo      []*record // read and not decoded yet, a part of open
	open      []*record // read, from the first unsettled one on, in the order of their offsets
	events    int       // of open, unsettled
	bytes     int
	read      int64     // offset of the last record read, or known to be deleted unread; -1 before
	next      int64     // offset to commit, before which all is settled; -1: not known
	readEpoch int32     // of the leader that wrote it; -1: not known
	epoch     int32     // of the leader that wrote the record before next
	settled   int       // records before next, not committed
	committed int64     // offset; -1: none
	high      int64     // offset at which the partition ended when it was last seen
	since     time.Time // when it was last read from, or could be again, while there is more; zero: there is none
	failing   time.Time // since when it cannot be read; zero: it can
	failed    time.Time // when it could not be read last
	paused    bool
	waiting   bool // for the dead-letter file
	finished  bool // run has ended
	rested    bool // idle is closed
	away      bool // not ours now, but perhaps again: see lost
	gone      bool // not ours any more
}

// A record is a message whose events are not all settled.
type record struct {
	partition *partition
	offset    int64
	epoch     int32
	time      int64       // milliseconds since 1970, as Kafka has it
	raw       *kgo.Record // until it is decoded

	// Guarded by group.mu:
	left          int // what is not settled: its events, and it itself while it is at hand
	events, bytes int // that it counts for
	done          bool

	added, dropped atomic.Bool // the event that is being published: see publisher
}

// run settles or publishes what comes, until ctx is done.
func (p *partition) run() {
	defer p.finish()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.wake:
		}
		var letters mail
		for r := p.take(); r != nil; r = p.take() {
			p.message(r, &letters)
			if len(letters.text) > maxMail {
				p.post(&letters)
			}
		}
		p.post(&letters)
	}
}

// maxMail is how many bytes of dead letters are collected before they are written.
const maxMail = 1 << 20

// take takes the next message; nil when there is none or the partition is let go.
func (p *partition) take() *record {
	p.group.mu.Lock()
	defer p.group.mu.Unlock()
	if len(p.todo) == 0 || p.away || p.ctx.Err() != nil {
		return nil
	}
	r := p.todo[0]
	p.todo[0] = nil
	p.todo = p.todo[1:]
	return r
}

// finish forgets what has not been published: it is read again, here or by whoever has the partition then.
func (p *partition) finish() {
	g := p.group
	g.mu.Lock()
	defer g.mu.Unlock()
	p.todo = nil
	keep := len(p.open)
	for i, r := range p.open {
		if r.done || r.raw == nil {
			continue
		}
		keep = min(keep, i)
		r.done = true
		p.count(-r.events, -r.bytes)
	}
	clear(p.open[keep:])
	p.open = p.open[:keep] // what was published behind it is as if it were not
	p.finished = true
	p.rest()
}

// rest tells who waits for it that nothing is open any more. The caller holds group.mu.
func (p *partition) rest() {
	if p.finished && len(p.open) == 0 && !p.rested {
		p.rested = true
		close(p.idle)
	}
}

// message settles r, publishes its events, or writes a letter about it.
func (p *partition) message(r *record, letters *mail) {
	g, raw := p.group, r.raw
	switch {
	case raw.Attrs.IsControl():
		g.settle(r)
		return
	case raw.Value == nil:
		g.metrics.tombstones.Inc()
		g.settle(r)
		return
	}
	m := message{raw.Value, p.topic, p.number, raw.Offset, raw.Timestamp}
	list, size, err := g.decoder.decode(&m)
	if err != nil {
		letters.add(r, &m, err.(*refusal), int(g.opts.MaxMessageBytes))
		return
	}
	if len(list) == 0 {
		g.metrics.empty.Inc()
	}
	g.weigh(r, len(list), size)
	for i, e := range list {
		if g.publisher.publish(e, r) {
			continue
		}
		if g.publisher.closing.Load() || p.ctx.Err() != nil {
			return // unsettled
		}
		letters.add(r, &m, &refusal{"not_queued", "the queue does not take the event: it may be too large for it"}, int(g.opts.MaxMessageBytes))
		g.settleEvents(r, len(list)-i)
		return
	}
	r.raw = nil
	g.settle(r)
}

// mail is dead letters to be written, and the records that they are about.
type mail struct {
	text    []byte
	records []*record
}

// add adds a letter about m, of which no more than most bytes are kept.
func (l *mail) add(r *record, m *message, why *refusal, most int) {
	letter := deadletter.Letter{
		Time: m.time, Type: why.kind, Reason: why.reason,
		Topic: m.topic, Source: &deadletter.Source{Partition: m.partition, Offset: m.offset},
	}
	letter.Event = string(m.value[:min(len(m.value), most)])
	l.text = append(letter.Append(l.text), '\n')
	l.records = append(l.records, r)
}

// post writes the letters and settles what they are about. While the file cannot be written the partition waits.
func (p *partition) post(l *mail) {
	g := p.group
	if len(l.records) == 0 {
		return
	}
	for wait := time.Second; ; wait = min(2*wait, time.Minute) {
		err := g.letters.Append(l.text)
		if err == nil {
			break
		}
		g.wait(p, true)
		g.metrics.errors.Inc()
		g.trouble.say("Partition %d of %s waits, and nothing of it is skipped: a message is no event, and %v", p.number, p.topic, err)
		select {
		case <-p.ctx.Done():
			return
		case <-time.After(wait):
		}
	}
	g.wait(p, false)
	g.metrics.deadLetter.Add(uint64(len(l.records)))
	for _, r := range l.records {
		g.settle(r)
	}
	*l = mail{}
}
