package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A message is what an application wrote as one line: mostly one entry, or the parts of it that a
// joiner has put together.
type message struct {
	Entry    *Entry   // of the first part: the event's time, id and fields
	Text     string   // MESSAGE of all parts
	Parts    int      // entries it is made of
	Partial  bool     // not all of what was written as one: a piece of it, or parts are missing
	Position position // where to read on from once this message and all before it are delivered
	size     uint64   // of its fields
}

// A joiner puts messages together that docker, conmon or journald have split into several entries.
//
// What must hold, so that every message arrives once whatever happens: reading again from the
// Position of any message that has come out gives all messages that came out after it, each with
// the same first part and the same text, and none of those before it. So
//   - a position never passes the first part of a message that still waits;
//   - what came out although it lies behind a position is not to come out again: the position says
//     what was read by then, and which of it still waited (see ahead);
//   - which entries become one message depends on these entries, and on the entries between them
//     in the order of reading: on their realtime, not on the clock of the wall.
//
// What remains is expire, which uses the clock of the wall when no newer entry comes. The part
// that came too late is then a message of its own; but if podbeat is killed after the first event
// was delivered and before its position was stored, and the late part is less than max_age behind
// the first by the journal's clock, then reading again joins them under the id that is there
// already. That takes a journal that arrives with delay, as from other machines.
//
// A joiner is not safe for concurrent use.
type joiner struct {
	opts     joinOptions
	maxBytes int // of one message
	metrics  *metrics
	now      func() time.Time

	last      position // behind the entry that was added last
	latest    uint64   // realtime of all that were, here or before
	delivered []joined // messages that came out and are still ahead; never changed in place
	waiting   map[string]*split
	head      *split // the waiting ones, by their first part
	tail      *split
	waits     []begun // what positions say of them; nil: to be made. Never changed in place
	again     *again  // what was read before reading started, while it is ahead
	bytes     uint64  // of all waiting ones
	calm      window  // entries within it end none of the waiting ones by their age
	done      []message
}

// joined says that a message ended behind a position and has come out: entries with its key up to Last are left out
// when reading starts from there. Of those that came out whole, positions know by ahead.
type joined struct {
	Key      string `json:"key" struct:"key"`
	SeqnumID string `json:"seqnum_id" struct:"seqnum_id"`
	Last     uint64 `json:"last" struct:"last"`                     // sequence number of its last part
	Next     uint64 `json:"next,omitempty" struct:"next,omitempty"` // of the part the message goes on with, if it was cut at its length
}

// A split message waits for its next part.
type split struct {
	key        string
	entry      *Entry // the first part
	parts      []part
	bytes      int       // of the parts' text
	size       uint64    // of the first part's fields and the others' text
	ended      bool      // the last part is there
	piece      bool      // what it goes on from was cut off
	before     position  // behind the entry before the first part
	chain      string    // of the newest part …
	last       uint64    // … and its number
	arrived    time.Time // when the first part was added, by the clock of the wall
	prev, next *split
}

// window is a span of realtimes.
type window struct{ from, to uint64 }

const (
	// dockerPart is the length at which docker splits.
	dockerPart = 16 << 10
	// budget bounds all waiting messages together, as max_open bounds their number. They are no part of what max_in_flight
	// bounds: if a message needed room to wait for its next part, and those that have the room came after it, nobody would move.
	budget = 64 << 20
	// skew is how much the clocks of two machines in one journal may differ before one's entries
	// end the other's messages by their age.
	skew = uint64(time.Minute / time.Microsecond)
	// maxParts bounds a message of parts that have no text.
	maxParts = 1 << 16
)

// newJoiner makes a joiner for reading on from a position. No message gets longer than maxMessage.
func newJoiner(o joinOptions, m *metrics, maxMessage int, from position) *joiner {
	j := &joiner{
		opts: o, metrics: m, now: time.Now,
		maxBytes:  min(int(o.MaxBytes), maxMessage),
		last:      from,
		delivered: from.Joined,
		waiting:   map[string]*split{},
	}
	j.last.Joined, j.last.ahead, j.last.Ahead = nil, nil, ""
	if j.again = againFrom(&from); j.again != nil {
		j.latest = j.again.latest
	}
	j.settle()
	return j
}

// add takes the next entry, and the position behind it, and returns the messages that are finished
// by it, oldest first. They are valid until the next call.
func (j *joiner) add(e *Entry, behind position) []message {
	j.done = j.done[:0]
	j.expireBy(e)
	p := partOf(e)
	switch {
	case j.again != nil && j.again.is(e, &p):
		j.metrics.again.Inc()
	case !j.opts.Enabled:
		j.single(e, p, p.more || p.ordinal > 1)
	case p.kind == 0 || !p.more && p.kind != byID && len(j.waiting) == 0 && len(j.delivered) == 0:
		j.single(e, p, false)
	default:
		j.join(e, p)
	}
	j.last, j.latest = behind, max(j.latest, e.Realtime)
	j.passDelivered(e)
	j.passAgain(e)
	if n := len(j.done); n > 0 {
		j.done[n-1].Position = j.position()
	}
	return j.done
}

// join adds a part to the message it belongs to.
func (j *joiner) join(e *Entry, p part) {
	key := p.key()
	piece := false
	for _, d := range j.delivered {
		if d.Key != key || d.SeqnumID != e.SeqnumID {
			continue
		}
		if e.Seqnum <= d.Last {
			j.metrics.joined.Inc() // to what came out before reading started
			return
		}
		piece = piece || e.Seqnum == d.Next
	}
	s := j.waiting[key]
	if s != nil && (s.bytes+len(p.text) > j.maxBytes || len(s.parts) == maxParts) {
		j.end(s, true, e)
		s, piece = nil, true
	}
	switch {
	case s != nil:
		j.metrics.joined.Inc()
		s.append(e, p)
		s.size += uint64(len(p.text))
		j.bytes += uint64(len(p.text))
	case !p.more:
		j.single(e, p, piece || p.ordinal > 1)
		return
	default:
		for len(j.waiting) >= j.opts.MaxOpen {
			j.end(j.head, true, nil)
		}
		s = j.open(key, e, p, piece || j.again.piece(key))
	}
	if !p.more {
		s.ended = true
		j.end(s, false, nil)
	}
	for j.bytes > uint64(max(budget, 2*j.maxBytes)) {
		j.end(j.head, true, nil)
	}
}

// single lets an entry out as a message of its own.
func (j *joiner) single(e *Entry, p part, partial bool) {
	if partial {
		j.metrics.truncated.Inc()
	}
	if j.again != nil && p.kind != 0 {
		j.outAgain(p.key(), e.SeqnumID, e.Seqnum)
	}
	j.done = append(j.done, message{Entry: e, Text: p.text, Parts: 1, Partial: partial, Position: j.position(), size: e.size})
}

func (j *joiner) open(key string, e *Entry, p part, piece bool) *split {
	s := &split{key: key, entry: e.clone(), size: e.bytes(), piece: piece, before: j.last, arrived: j.now(), prev: j.tail}
	s.append(e, p)
	j.waits = nil
	j.bytes += s.size
	if j.tail != nil {
		j.tail.next = s
	} else {
		j.head = s
	}
	j.tail = s
	j.waiting[key] = s
	j.calm = j.calm.meet(j.age(s, e.SeqnumID))
	return s
}

func (s *split) append(e *Entry, p part) {
	s.parts = append(s.parts, p)
	s.bytes += len(p.text)
	s.chain, s.last = e.SeqnumID, e.Seqnum
}

// end lets a message out. If it was cut at its length, next is the part it goes on with.
func (j *joiner) end(s *split, partial bool, next *Entry) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		j.head = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		j.tail = s.prev
	}
	delete(j.waiting, s.key)
	j.bytes -= s.size

	j.waits = nil
	j.outAgain(s.key, s.chain, s.last)
	if next != nil {
		d := joined{Key: s.key, SeqnumID: next.SeqnumID, Next: next.Seqnum} // for the piece that begins now
		if s.chain == next.SeqnumID {
			d.Last = s.last
		}
		j.delivered = append(slices.Clip(j.delivered), d)
	}
	text, whole := s.text()
	partial = partial || !whole || s.piece
	if partial {
		j.metrics.truncated.Inc()
	}
	j.done = append(j.done, message{Entry: s.entry, Text: text, Parts: len(s.parts), Partial: partial, Position: j.position(), size: s.size})
}

// text returns the parts' text, and whether they are all that was written: docker numbers them.
func (s *split) text() (text string, whole bool) {
	whole = s.ended
	if s.parts[0].kind == byID {
		inOrder := func(a, b part) int { return a.ordinal - b.ordinal }
		if !slices.ContainsFunc(s.parts, func(p part) bool { return p.ordinal < 1 }) {
			slices.SortStableFunc(s.parts, inOrder)
			for i, p := range s.parts {
				whole = whole && p.ordinal == i+1
			}
		}
	}
	var b strings.Builder
	b.Grow(s.bytes)
	for _, p := range s.parts {
		b.WriteString(p.text)
	}
	return b.String(), whole
}

// position is where to read on from once all that has come out is delivered.
func (j *joiner) position() position {
	p := j.last
	if j.head != nil {
		p = j.head.before
	}
	p.Joined = slices.Clip(j.delivered)
	if j.head != nil || j.again != nil {
		p.ahead = j.ahead()
	}
	return p
}

// passDelivered forgets what e has brought behind us: a chain's numbers only grow.
func (j *joiner) passDelivered(e *Entry) {
	passed := func(d joined) bool { return d.SeqnumID == e.SeqnumID && e.Seqnum >= max(d.Last, d.Next) }
	if slices.ContainsFunc(j.delivered, passed) {
		j.delivered = slices.DeleteFunc(slices.Clone(j.delivered), passed)
	}
}

// expireBy lets out the messages that are too old by the realtime of e, or too young: then a clock
// was set back.
func (j *joiner) expireBy(e *Entry) {
	if j.calm.has(e.Realtime) {
		return
	}
	j.settle()
	for s := j.head; s != nil; {
		next := s.next
		if !j.age(s, e.SeqnumID).has(e.Realtime) {
			j.end(s, true, nil)
		} else {
			j.calm = j.calm.meet(j.age(s, s.entry.SeqnumID))
		}
		s = next
	}
}

// age returns the realtimes of entries in chain that leave s waiting.
func (j *joiner) age(s *split, chain string) window {
	limit := uint64(j.opts.MaxAge / time.Microsecond)
	if chain != s.entry.SeqnumID {
		limit += skew
	}
	w := window{0, math.MaxUint64}
	if t := s.entry.Realtime; t > limit {
		w.from = t - limit
	}
	if t := s.entry.Realtime; t < math.MaxUint64-limit {
		w.to = t + limit
	}
	return w
}

func (j *joiner) settle() { j.calm = window{0, math.MaxUint64} }

func (w window) has(t uint64) bool { return w.from <= t && t <= w.to }

func (w window) meet(o window) window { return window{max(w.from, o.from), min(w.to, o.to)} }

// expire lets out the messages that have waited longer than max_age. It is for times without
// entries: as long as there are any, their realtime decides.
func (j *joiner) expire(now time.Time) []message {
	j.done = j.done[:0]
	for j.head != nil && now.Sub(j.head.arrived) >= j.opts.MaxAge {
		j.end(j.head, true, nil)
	}
	return j.done
}

// A part is what an entry says about the message it belongs to.
type part struct {
	kind    kind
	names   [3]string // what all parts of the message have in common
	text    string
	more    bool // further parts follow
	ordinal int  // of kind byID: its place from 1, or 0 if that cannot be read
}

// kind is by what the parts of a message are known. The zero kind is not split.
type kind byte

const (
	byContainer kind = 'c' // container and stream: one message after the other
	byID        kind = 'i' // these and docker's id of the message
	byStream    kind = 's' // journald's id of a service's output
)

// partOf says how an entry was split, by its producer:
//
//	docker 1.12 – 18.03, 18.09 – 19.03  all parts but the last have CONTAINER_PARTIAL_MESSAGE
//	docker 18.06                        all parts have it (moby#38045): the last is shorter than 16 KiB
//	docker ≥ 20.10                      CONTAINER_PARTIAL_ID, _ORDINAL and _LAST
//	conmon (podman, CRI-O)              all parts but the last have it, of any length
//	journald, of a service's output     all parts but the last have _LINE_BREAK=line-max
//
// A part below 16 KiB also ends docker's messages of the other kinds without an id: it is what was
// left when the container closed its output.
func partOf(e *Entry) part {
	var p part
	if k := e.shape; k != nil {
		p = k.part
		if k.text >= 0 {
			p.text = e.Fields[k.text].Value
		}
		return p
	}
	var partial, lineMax, tagged bool
	var full, short, name, priority, id, last, stream, comm string
	hasText := false
	for i := range e.Fields {
		v := e.Fields[i].Value
		switch e.Fields[i].Name {
		case "MESSAGE":
			if !hasText {
				p.text, hasText = v, true
			}
		case "CONTAINER_PARTIAL_MESSAGE":
			partial = v == "true"
		case "CONTAINER_PARTIAL_ID":
			id = v
		case "CONTAINER_PARTIAL_ORDINAL":
			if n, err := strconv.ParseInt(v, 10, 32); err == nil && n > 0 {
				p.ordinal = int(n)
			}
		case "CONTAINER_PARTIAL_LAST":
			last = v
		case "CONTAINER_ID_FULL":
			full = v
		case "CONTAINER_ID":
			short = v
		case "CONTAINER_NAME":
			name = v
		case "CONTAINER_TAG":
			tagged = true
		case "PRIORITY":
			priority = v
		case "_STREAM_ID":
			stream = v
		case "_LINE_BREAK":
			lineMax = v == "line-max"
		case "_COMM":
			comm = v
		}
	}
	container := full
	if container == "" {
		container = short
	}
	if container == "" {
		container = name
	}
	switch {
	case stream != "":
		p.kind, p.names = byStream, [...]string{stream, "", ""}
		p.more, p.ordinal = lineMax, 0
	case container == "":
		p.ordinal = 0
	case id != "":
		p.kind, p.names = byID, [...]string{container, priority, id}
		p.more = last == "false" || last != "true" && partial
	default:
		p.kind, p.names = byContainer, [...]string{container, priority, ""}
		p.more, p.ordinal = partial, 0
		isConmon := strings.HasPrefix(comm, "conmon") || comm == "" && !tagged
		if partial && len(p.text) < dockerPart && !isConmon {
			p.more = false
		}
	}
	return p
}

// key returns what a position can keep of the kind and the names, whatever bytes they are made of.
func (p *part) key() string {
	const longest = 256
	key := strings.Join(append([]string{string(p.kind)}, p.names[:]...), "/")
	odd := func(r rune) bool { return r < ' ' || r > '~' }
	if len(key) <= longest && strings.IndexFunc(key, odd) < 0 {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
