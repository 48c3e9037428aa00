package journal

import (
	"container/list"
	"slices"
	"strconv"
	"strings"
)

// gaps counts what the journal says was written and the reader has never seen: numbers missing in
// a chain, log lines missing in a container's own count, and what journald says it has dropped.
// Nothing counted is final: what comes after all is taken back.
type gaps struct {
	metrics  *metrics
	known    bool // false: something hides entries, so missing numbers say nothing
	missing  uint64
	ordinals ordinals
}

// numbers is what has been seen of one chain.
type numbers struct {
	started  bool   // last says something
	last     uint64 // highest number seen, or the one before the chain's first
	holes    []hole // between numbers seen, oldest first
	promised hole   // from last on: what a header says is there and nobody could read
	family   *family
}

// A family is the chains that draw from one counter: before systemd 254 one journald numbers its
// system journal and its users' journals together, under a seqnum_id each. A number
// missing here may be there.
type family struct {
	members []*numbers
	users   bool // one of them is a user's: else no number is elsewhere
	bootID  string
	last    uint64 // seen in that boot, in any member
}

// A hole is a run of numbers, both ends included.
type hole struct {
	from, to uint64
	bootID   string // when it was seen to be one
}

func (h hole) size() uint64 {
	if h.to < h.from || h.from == 0 {
		return 0
	}
	return h.to - h.from + 1
}

// maxHoles bounds what can be taken back; older holes stay counted.
const maxHoles = 256

func newGaps(m *metrics, known bool) *gaps {
	m.gapsKnown.Set(known)
	return &gaps{metrics: m, known: known, ordinals: ordinals{last: map[string]*list.Element{}}}
}

// unknown gives the count up: from now on it says "not available".
func (g *gaps) unknown() {
	g.known = false
	g.metrics.gapsKnown.Set(false)
}

// start says that the chain is complete after number last. Only the first call counts.
func (n *numbers) start(last uint64) {
	if !n.started {
		n.started, n.last = true, last
	}
}

// see takes note of a number of n's chain, in the order of reading.
func (g *gaps) see(n *numbers, seqnum uint64, bootID string) {
	if !g.known {
		n.started, n.last = true, max(n.last, seqnum)
		return
	}
	before := n.last
	if f := n.family; f != nil && f.users {
		if f.bootID == bootID && f.last > before && f.last < seqnum {
			before = f.last
		}
		for _, m := range f.members {
			if m != n {
				g.take(m, seqnum, bootID)
			}
		}
		if f.bootID != bootID || f.last < seqnum {
			f.bootID, f.last = strings.Clone(bootID), seqnum
		}
	}
	switch {
	case seqnum > n.last:
		// The chain goes on: what it had promised is measured anew.
		g.missing -= n.promised.size()
		n.promised = hole{}
		if n.started && seqnum > before+1 {
			g.add(n, hole{before + 1, seqnum - 1, bootID})
		}
		n.started, n.last = true, seqnum
	default:
		g.take(n, seqnum, "")
	}
	g.publish()
}

// promise takes note that a header promises numbers up to tail, and the file has no more to give.
func (g *gaps) promise(n *numbers, tail uint64) {
	if !g.known {
		return
	}
	g.missing -= n.promised.size()
	n.promised = hole{}
	if n.started && tail > n.last {
		n.promised = hole{from: n.last + 1, to: tail}
		g.missing += n.promised.size()
	}
	g.publish()
}

func (g *gaps) add(n *numbers, h hole) {
	g.missing += h.size()
	h.bootID = strings.Clone(h.bootID)
	n.holes = append(n.holes, h)
	if len(n.holes) > maxHoles {
		n.holes = slices.Delete(n.holes, 0, maxHoles/4)
	}
}

// take fills the hole that seqnum is in, if any; with a bootID only a hole of that boot.
func (g *gaps) take(n *numbers, seqnum uint64, bootID string) {
	for i := len(n.holes) - 1; i >= 0; i-- {
		h := n.holes[i]
		if seqnum < h.from || seqnum > h.to || bootID != "" && h.bootID != bootID {
			continue
		}
		var rest []hole
		if h.from < seqnum {
			rest = append(rest, hole{h.from, seqnum - 1, h.bootID})
		}
		if h.to > seqnum {
			rest = append(rest, hole{seqnum + 1, h.to, h.bootID})
		}
		n.holes = slices.Replace(n.holes, i, i+1, rest...)
		g.missing--
		return
	}
}

func (g *gaps) publish() { g.metrics.gaps.Set(g.missing) }

// journald's notices.
const (
	suppressedID = "a596d6fe7bfa4994828e72309e95d61e" // its rate limit has dropped messages
	missedID     = "e9bf28e6e834481bb6f48f548ad13606" // the kernel's buffer was overrun
)

// countedOf is what an entry says of the count of its container's lines, but for the number. Values of one shape of
// entries all say the same.
func countedOf(e *Entry) counted {
	container := e.Get("CONTAINER_ID_FULL")
	if container == "" {
		container = e.Get("CONTAINER_ID")
	}
	return counted{container: container, epoch: e.Get("CONTAINER_LOG_EPOCH")}
}

func isNotice(id string) bool { return id == suppressedID || id == missedID }

// read looks into an entry for what tells of losses before the journal.
func (g *gaps) read(e *Entry) {
	if k := e.shape; k != nil && !k.notice {
		if k.ordinal >= 0 {
			g.count(k.counted.container, k.counted.epoch, e.Fields[k.ordinal].Value)
		}
		return
	}
	var container, short, epoch, ordinal, id, dropped, message, transport string
	for i := range e.Fields {
		f := &e.Fields[i]
		switch f.Name {
		case "CONTAINER_ID_FULL":
			container = f.Value
		case "CONTAINER_ID":
			short = f.Value
		case "CONTAINER_LOG_EPOCH":
			epoch = f.Value
		case "CONTAINER_LOG_ORDINAL":
			ordinal = f.Value
		case "MESSAGE_ID":
			id = f.Value
		case "N_DROPPED":
			dropped = f.Value
		case "MESSAGE":
			message = f.Value
		case "_TRANSPORT":
			transport = f.Value
		}
	}
	if container == "" {
		container = short
	}
	g.count(container, epoch, ordinal)
	if !isNotice(id) || transport != "" && transport != "driver" {
		return // only journald writes with the transport driver
	}
	n, ok := parseCount(dropped)
	if !ok {
		n, ok = parseCount(message)
	}
	if !ok {
		return
	}
	if id == suppressedID {
		g.metrics.suppressed.Add(n)
	} else {
		g.metrics.missed.Add(n)
	}
}

// count takes note of a line's number in its container's own count.
func (g *gaps) count(container, epoch, ordinal string) {
	if ordinal == "" || container == "" || !g.known {
		return
	}
	if n, err := strconv.ParseUint(ordinal, 10, 63); err == nil {
		g.ordinals.see(container, epoch, n)
		g.metrics.gapsOrdinal.Set(g.ordinals.missing)
	}
}

// parseCount reads the first number in text, as in "Suppressed 42 messages from foo.service".
func parseCount(text string) (uint64, bool) {
	const digits = "0123456789"
	i := strings.IndexAny(text, digits)
	if i < 0 {
		return 0, false
	}
	text = text[i:]
	if end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		text = text[:end]
	}
	n, err := strconv.ParseUint(text, 10, 32)
	return n, err == nil
}

// ordinals follows the number that docker (24 and later) gives each line of a container. Any
// program may write such fields: what is kept is bounded, and a number that the container goes back
// on is not believed.
type ordinals struct {
	last    map[string]*list.Element // by container id; values are *counted
	recent  list.List                // front: seen last
	missing uint64
}

type counted struct {
	container, epoch string
	last             uint64
	open             hole   // the latest hole …
	left             uint64 // … and how much of it is still missing
}

// maxContainers bounds ordinals; maxReordered, how far stdout and stderr, which docker sends
// by themselves, may come apart.
const (
	maxContainers = 8192
	maxReordered  = 1024
)

func (o *ordinals) see(container, epoch string, n uint64) {
	el := o.last[container]
	if el == nil {
		if len(o.last) >= maxContainers {
			oldest := o.recent.Back()
			delete(o.last, oldest.Value.(*counted).container)
			o.recent.Remove(oldest)
		}
		container = strings.Clone(container)
		o.last[container] = o.recent.PushFront(&counted{container: container, epoch: strings.Clone(epoch), last: n})
		return
	}
	o.recent.MoveToFront(el)
	c := el.Value.(*counted)
	switch {
	case c.epoch != epoch: // docker has started the container's log anew
		c.epoch, c.last, c.open, c.left = strings.Clone(epoch), n, hole{}, 0
	case n > c.last:
		if n > c.last+1 {
			c.open = hole{from: c.last + 1, to: n - 1}
			c.left = c.open.size()
			o.missing += c.left
		}
		c.last = n
	case n >= c.open.from && n <= c.open.to && c.last-n <= maxReordered:
		if c.left > 0 {
			c.left--
			o.missing--
		}
	case n >= c.open.from && n <= c.open.to: // the jump was a lie
		o.missing -= c.left
		c.last, c.open, c.left = n, hole{}, 0
	}
}
