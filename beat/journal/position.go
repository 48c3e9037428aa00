package journal

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// A position says which entries are done. Each chain of sequence numbers (each journald's, each
// remote host's) is read in the order of its numbers, so one number a chain is all there is to know.
// The zero position is: nothing is done.
type position struct {
	// The last entry that is done, as systemd writes it.
	Cursor string `json:"cursor,omitempty" struct:"cursor,omitempty"`
	// Last number that is done of every other chain, by seqnum_id. Never changed once it is here:
	// positions share it.
	Chains map[string]uint64 `json:"chains,omitempty" struct:"chains,omitempty"`
	// Chains has every other chain there was: one that it does not have is new. Another program's
	// position knows only its cursor.
	Whole bool `json:"whole,omitempty" struct:"whole,omitempty"`
	// Messages that have come out and of which parts lie behind this position. Set by the joiner.
	Joined []joined `json:"joined,omitempty" struct:"joined,omitempty"`
}

// empty says that nothing is done.
func (p position) empty() bool { return p.Cursor == "" && len(p.Chains) == 0 }

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
	b := make([]byte, 0, 160)
	b = append(append(b, "s="...), c.SeqnumID...)
	b = strconv.AppendUint(append(b, ";i="...), c.Seqnum, 16)
	b = append(append(b, ";b="...), c.BootID...)
	b = strconv.AppendUint(append(b, ";m="...), c.Monotonic, 16)
	b = strconv.AppendUint(append(b, ";t="...), c.Realtime, 16)
	b = strconv.AppendUint(append(b, ";x="...), c.Xor, 16)
	return string(b)
}

// parseCursor reads s=…;i=…;b=…;m=…;t=…;x=…, in any order, each exactly once: what libsystemd has
// written since systemd 188. It is stricter than libsystemd's own reading, which takes half a cursor
// for a whole one. The ids it returns are parts of text.
func parseCursor(text string) (cursor, error) {
	var c cursor
	var seen [6]bool
	fail := func(format string, args ...any) (cursor, error) {
		return cursor{}, fmt.Errorf("cannot read cursor %q: %s", clip(text), fmt.Sprintf(format, args...))
	}
	const keys = "sibmtx"
	for rest, more := text, true; more; {
		var item string
		item, rest, more = strings.Cut(rest, ";")
		if len(item) < 3 || item[1] != '=' {
			return fail("%q is not KEY=value", clip(item))
		}
		k := strings.IndexByte(keys, item[0])
		if k < 0 {
			return fail("there is no key %q", item[:1])
		}
		if seen[k] {
			return fail("key %q is there twice", item[:1])
		}
		seen[k] = true
		value := item[2:]
		var ok bool
		switch item[0] {
		case 's':
			c.SeqnumID, ok = value, isID(value)
		case 'b':
			c.BootID, ok = value, isID(value)
		case 'i':
			c.Seqnum, ok = parseHex(value)
			ok = ok && c.Seqnum > 0
		case 'm':
			c.Monotonic, ok = parseHex(value)
		case 't':
			c.Realtime, ok = parseHex(value)
		case 'x':
			c.Xor, ok = parseHex(value)
		}
		if !ok {
			return fail("%q is no value of %q", clip(value), item[:1])
		}
	}
	for k, ok := range seen {
		if !ok {
			return fail("key %q is missing", keys[k:k+1])
		}
	}
	return c, nil
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

// parseHex reads what %PRIx64 has written.
func parseHex(s string) (uint64, bool) {
	if len(s) == 0 || len(s) > 16 {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint64(c)
	}
	return n, true
}

// clip shortens text that others wrote for messages.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
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
	return position{Cursor: e.Cursor, Chains: t.others, Whole: true}
}
