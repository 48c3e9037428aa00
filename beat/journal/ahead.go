package journal

import (
	"encoding/json"
	"maps"
	"slices"
)

// ahead says what is done although it lies behind a position, since the position must not pass a message that still
// waited: entries up to Until are done, but for those of Waiting.
type ahead struct {
	Until   map[string]uint64 `json:"until"`  // last number, by chain
	Latest  uint64            `json:"latest"` // no entry up to Until has a later realtime: one that has is another, with a number that is used again
	Waiting []begun           `json:"waiting,omitempty"`

	behind position          // if Until is nil: of its numbers Until is made when it is asked for …
	rest   map[string]uint64 // … and of these
}

// begun is a message that waits: entries with its key belong to it from its first one on.
type begun struct {
	Key      string `json:"key"`
	SeqnumID string `json:"seqnum_id"`
	First    uint64 `json:"first"`
	Piece    bool   `json:"piece,omitempty"` // what it goes on from was cut off, and has come out
}

// until returns what a may say as Until. It may be kept.
func (a *ahead) until() map[string]uint64 {
	if a.Until != nil {
		return a.Until
	}
	all := a.behind.numbers()
	for chain, n := range a.rest {
		all[chain] = max(all[chain], n)
	}
	return all
}

// text is ahead as it is stored; "" is nothing.
func (a *ahead) text() string {
	if a == nil {
		return ""
	}
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // no map of numbers and no text has one
	}
	return string(text)
}

// beyond returns what a position says is done behind it, with an Until of its own. It is nil if that is nothing, or cannot be
// read: then what is ahead comes out again.
func (p *position) beyond() *ahead {
	a := p.ahead
	if a == nil {
		if a = new(ahead); p.Ahead == "" || json.Unmarshal([]byte(p.Ahead), a) != nil {
			return nil
		}
	}
	done, until := p.numbers(), maps.Clone(a.until())
	maps.DeleteFunc(until, func(chain string, n uint64) bool { return n <= done[chain] })
	if len(until) == 0 {
		return nil
	}
	return &ahead{Until: until, Latest: a.Latest, Waiting: a.Waiting}
}

// without returns the position with nothing ahead of it in the chains for which gone is true.
func (p position) without(gone func(chain string, until uint64) bool) position {
	if p.ahead = p.beyond(); p.ahead != nil {
		maps.DeleteFunc(p.ahead.Until, gone)
	}
	p.Ahead = ""
	return p
}

// again is what a joiner knows of entries that it reads again: see ahead.
type again struct {
	until   map[string]uint64 // never changed in place
	latest  uint64
	waiting []met // of which something may be ahead that has not come out
}

// met is a waiting message, and whether its first part has been read, or is gone.
type met struct {
	begun
	yes bool
}

// againFrom returns what is to be known of entries behind a position; nil if that is nothing.
func againFrom(p *position) *again {
	from := p.beyond()
	if from == nil {
		return nil
	}
	a, read := &again{until: from.Until, latest: from.Latest}, p.numbers()
	for _, w := range from.Waiting {
		a.waiting = append(a.waiting, met{w, w.First <= read[w.SeqnumID]})
	}
	return a
}

// is says whether an entry has come out before, by itself or as a part. It is to be asked of each, in order: what comes
// before a waiting message's first part is not part of it. If that part is gone, the next number of its chain stands for it.
func (a *again) is(e *Entry, p *part) bool {
	for i := range a.waiting {
		w := &a.waiting[i]
		w.yes = w.yes || w.SeqnumID == e.SeqnumID && e.Seqnum >= w.First
	}
	n, ok := a.until[e.SeqnumID]
	if !ok {
		return false
	}
	other := e.Realtime > a.latest
	if e.Seqnum >= n || other {
		a.until = maps.Clone(a.until)
		delete(a.until, e.SeqnumID)
	}
	return e.Seqnum <= n && !other && (p.kind == 0 || !a.waits(p.key()))
}

func (a *again) waits(key string) bool {
	return slices.ContainsFunc(a.waiting, func(w met) bool { return w.yes && w.Key == key })
}

// piece says whether something was cut off before, and has come out, of what goes on or begins now.
func (a *again) piece(key string) bool {
	return a != nil && slices.ContainsFunc(a.waiting, func(w met) bool { return w.yes && w.Key == key && w.Piece })
}

// out notes that what waited has come out, up to a number of a chain. What is ahead of it then, since it is joined otherwise
// than it was, has not.
func (a *again) out(key, chain string, last uint64) {
	for i := len(a.waiting) - 1; i >= 0; i-- {
		switch w := &a.waiting[i]; {
		case !w.yes || w.Key != key:
		case last < a.until[chain]:
			*w = met{begun: begun{key, chain, last + 1, true}}
		default:
			a.waiting = slices.Delete(a.waiting, i, i+1)
		}
	}
}

// ahead is what the position behind the newest message that has come out says.
func (j *joiner) ahead() *ahead {
	if j.waits == nil {
		for s := j.head; s != nil; s = s.next {
			j.waits = append(j.waits, begun{s.key, s.entry.SeqnumID, s.entry.Seqnum, s.piece})
		}
		if j.again != nil {
			for _, w := range j.again.waiting {
				if !slices.Contains(j.waits, w.begun) {
					j.waits = append(j.waits, w.begun)
				}
			}
		}
	}
	a := &ahead{Latest: j.latest, Waiting: j.waits, behind: j.last}
	if j.again != nil {
		a.rest = j.again.until
	}
	return a
}

// passAgain forgets what was read before as far as e, the entry that was read last, has brought it behind us.
func (j *joiner) passAgain(e *Entry) {
	a := j.again
	if a == nil {
		return
	}
	if _, ahead := a.until[e.SeqnumID]; !ahead {
		n := len(a.waiting)
		a.waiting = slices.DeleteFunc(a.waiting, func(w met) bool { return w.yes && w.SeqnumID == e.SeqnumID && j.waiting[w.Key] == nil })
		if len(a.waiting) < n {
			j.waits = nil
		}
	}
	if len(a.until) == 0 {
		j.again, j.waits = nil, nil
	}
}

// outAgain notes that a message has come out of which parts may have been read before.
func (j *joiner) outAgain(key, chain string, last uint64) {
	if j.again != nil {
		j.again.out(key, chain, last)
		j.waits = nil
	}
}
