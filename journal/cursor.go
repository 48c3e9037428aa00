package journal

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A Cursor names one entry, wherever its file is.
type Cursor struct {
	SeqnumID  ID
	Seqnum    uint64
	BootID    ID
	Monotonic uint64
	Realtime  uint64
	Xor       uint64 // of the hashes of the entry's fields
}

// String is the form libsystemd writes and reads: s=…;i=…;b=…;m=…;t=…;x=….
func (c Cursor) String() string { return string(c.append(make([]byte, 0, 160))) }

func (c *Cursor) append(b []byte) []byte {
	b = hex.AppendEncode(append(b, "s="...), c.SeqnumID[:])
	b = strconv.AppendUint(append(b, ";i="...), c.Seqnum, 16)
	b = hex.AppendEncode(append(b, ";b="...), c.BootID[:])
	b = strconv.AppendUint(append(b, ";m="...), c.Monotonic, 16)
	b = strconv.AppendUint(append(b, ";t="...), c.Realtime, 16)
	return strconv.AppendUint(append(b, ";x="...), c.Xor, 16)
}

// ParseCursor reads s=…;i=…;b=…;m=…;t=…;x=…, in any order, each exactly once: what libsystemd has
// written since systemd 188. It is stricter than libsystemd's own reading, which takes half a cursor
// for a whole one: for that there are the other seeks.
func ParseCursor(text string) (Cursor, error) {
	var c Cursor
	var seen [6]bool
	fail := func(format string, args ...any) (Cursor, error) {
		return Cursor{}, fmt.Errorf("cannot read cursor %q: %s", clip(text), fmt.Sprintf(format, args...))
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
		var err error
		switch item[0] {
		case 's':
			c.SeqnumID, err = ParseID(value)
		case 'b':
			c.BootID, err = ParseID(value)
		case 'i':
			c.Seqnum, err = parseHex(value)
		case 'm':
			c.Monotonic, err = parseHex(value)
		case 't':
			c.Realtime, err = parseHex(value)
		case 'x':
			c.Xor, err = parseHex(value)
		}
		if err != nil {
			return fail("%q is no value of %q", clip(value), item[:1])
		}
	}
	for k, ok := range seen {
		if !ok {
			return fail("key %q is missing", keys[k:k+1])
		}
	}
	if c.Seqnum == 0 || c.SeqnumID.IsZero() || c.BootID.IsZero() {
		return fail("it names no entry")
	}
	return c, nil
}

// parseHex reads what %PRIx64 has written: no sign, no capitals.
func parseHex(s string) (uint64, error) {
	if strings.ToLower(s) != s || strings.HasPrefix(s, "+") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseUint(s, 16, 64)
}
