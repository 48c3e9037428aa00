package journal

import (
	"maps"
	"strconv"
	"strings"

	"github.com/podbeat/podbeat/journal"
)

// A position says which entries are done. Each chain of sequence numbers (each journald's, each
// remote host's) is read in the order of its numbers, so one number a chain is all there is to know.
// The zero position is: nothing is done.
type position struct {
	// The last entry that is done, as systemd writes it: as it was stored, or another program has it.
	Cursor string `json:"cursor,omitempty" struct:"cursor,omitempty"`
	// Last number that is done of every other chain, by seqnum_id. Never changed once it is here:
	// positions share it.
	Chains map[string]uint64 `json:"chains,omitempty" struct:"chains,omitempty"`
	// Chains has every other chain there was: one that it does not have is new. Another program's
	// position knows only its cursor.
	Whole bool `json:"whole,omitempty" struct:"whole,omitempty"`
	// Messages that have come out and of which parts lie behind this position. Set by the joiner.
	Joined []joined `json:"joined,omitempty" struct:"joined,omitempty"`
	// The field ahead as JSON, in a position that is stored: were it a structure there, a podbeat that does not know it could
	// not read the position, for libbeat's registry cannot pass over one.
	Ahead string `json:"ahead,omitempty" struct:"ahead,omitempty"`

	ahead *ahead // what is done although it lies behind this position; never changed. Set by the joiner
	at    cursor // the last entry of a position that was made here; its text is made when it is asked for
}

// empty says that nothing is done.
func (p *position) empty() bool { return p.Cursor == "" && p.at.Seqnum == 0 && len(p.Chains) == 0 }

// cursor is the text form of the last entry that is done; "" is none.
func (p *position) cursor() string {
	if p.Cursor == "" && p.at.Seqnum > 0 {
		return p.at.String()
	}
	return p.Cursor
}

// written is the position as it is stored.
func (p *position) written() position {
	return position{Cursor: p.cursor(), Chains: p.Chains, Whole: p.Whole, Joined: p.Joined, Ahead: p.beyond().text()}
}

// numbers are the last ones that are done, by chain.
func (p *position) numbers() map[string]uint64 {
	all := make(map[string]uint64, len(p.Chains)+1)
	maps.Copy(all, p.Chains)
	if at := p.at; p.Cursor == "" && at.Seqnum > 0 {
		all[at.SeqnumID] = at.Seqnum
	} else if at, err := parseCursor(p.Cursor); err == nil {
		all[at.SeqnumID] = at.Seqnum
	}
	return all
}

// maxChains bounds what a position remembers. Beyond it chains whose files are gone are forgotten.
const maxChains = 1024

// A cursor is the text form of one entry's place, taken apart.
type cursor struct {
	SeqnumID  string
	Seqnum    uint64
	BootID    string
	Monotonic uint64
	Realtime  uint64
	Xor       uint64 // of the entry's fields' hashes
}

// String is the form libsystemd writes and reads.
func (c cursor) String() string {
	var b [192]byte
	return string(c.append(b[:0]))
}

func (c *cursor) append(b []byte) []byte {
	b = append(append(b, "s="...), c.SeqnumID...)
	b = strconv.AppendUint(append(b, ";i="...), c.Seqnum, 16)
	b = append(append(b, ";b="...), c.BootID...)
	b = strconv.AppendUint(append(b, ";m="...), c.Monotonic, 16)
	b = strconv.AppendUint(append(b, ";t="...), c.Realtime, 16)
	return strconv.AppendUint(append(b, ";x="...), c.Xor, 16)
}

// parseCursor reads the text form, all six parts of it.
func parseCursor(text string) (cursor, error) {
	c, err := journal.ParseCursor(text)
	if err != nil {
		return cursor{}, err
	}
	return cursor{c.SeqnumID.String(), c.Seqnum, c.BootID.String(), c.Monotonic, c.Realtime, c.Xor}, nil
}

// isID says whether s is a 128-bit id as systemd prints it: 32 lower-case digits, not all zero.
func isID(s string) bool {
	if len(s) != 32 {
		return false
	}
	zero := true
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
		zero = zero && s[i] == '0'
	}
	return !zero
}

// A tracker turns entries, in the order they are read, into positions.
type tracker struct {
	others map[string]uint64 // shared with the positions handed out, never changed
	own    string            // the last entry's chain, not in others
	last   uint64
}

// position is the one after e, to be asked once an entry, in order. As long as the chain stays the
// same this costs nothing: the other chains' map is shared.
func (t *tracker) position(e *Entry, forget func(chain string) bool) position {
	if e.SeqnumID != t.own {
		others := make(map[string]uint64, len(t.others)+1)
		maps.Copy(others, t.others)
		if t.own != "" {
			others[t.own] = t.last
		}
		delete(others, e.SeqnumID)
		for id := range others {
			if len(others) < maxChains {
				break
			}
			if forget(id) {
				delete(others, id)
			}
		}
		t.others, t.own = others, strings.Clone(e.SeqnumID)
	}
	t.last = e.Seqnum
	p := position{Cursor: e.Cursor, Chains: t.others, Whole: true}
	if e.placed {
		p.at = e.place()
	}
	return p
}
