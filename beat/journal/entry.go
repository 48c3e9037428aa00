package journal

import (
	"slices"

	"github.com/podbeat/podbeat/journal"
)

// An Entry is one entry of the journal as its file has it. What a reader hands out holds until the reader is asked
// for more; clone keeps it. Values never change.
type Entry struct {
	Cursor    string // as whoever made the entry states it; of one that was read from a file see place
	SeqnumID  string // the chain of sequence numbers, 32 hexadecimal digits
	Seqnum    uint64 // its number in the chain, from 1, without holes in an undamaged journal
	BootID    string // 32 hexadecimal digits
	Realtime  uint64 // when journald received it, microseconds since 1970 UTC
	Monotonic uint64 // the same since BootID's boot, microseconds
	Fields    []Field

	size   uint64 // what bytes returned when it was read from a file
	xor    uint64 // of its fields' hashes, the last part of its cursor
	placed bool   // it was read from a file, which tells its place
	shape  *shape // nil: it is none of those that are known
}

// A Field is one FIELD=value of an entry. Values may hold any bytes; names may repeat.
type Field = journal.Field

// Get returns the value of the first field called name, or "".
func (e *Entry) Get(name string) string {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i].Value
		}
	}
	return ""
}

// place is where an entry that was read from a file has its place.
func (e *Entry) place() cursor {
	return cursor{SeqnumID: e.SeqnumID, Seqnum: e.Seqnum, BootID: e.BootID, Monotonic: e.Monotonic, Realtime: e.Realtime, Xor: e.xor}
}

// cursor is the text of the entry's cursor, "" if it has none.
func (e *Entry) cursor() string {
	if e.Cursor == "" && e.placed {
		at := e.place()
		return at.String()
	}
	return e.Cursor
}

// clone is an entry of the caller's own.
func (e *Entry) clone() *Entry {
	own := *e
	own.Fields = slices.Clone(e.Fields)
	return &own
}

// large is how many bytes an entry may have whose memory is used again, or is one with that of others. A larger one's is
// free as soon as nobody needs that one entry any more.
const large = 32 << 10

// forget lets go of what a large entry has.
func (e *Entry) forget() {
	if e.size > large {
		*e = Entry{}
	}
}

// bytes is the size of the fields, as the export format counts it.
func (e *Entry) bytes() uint64 {
	n := 0
	for i := range e.Fields {
		n += len(e.Fields[i].Name) + 1 + len(e.Fields[i].Value)
	}
	return uint64(n)
}
