package journal

import (
	"errors"
	"fmt"
)

// What objects are, and where they have what is read. Every object begins with 16 bytes: type, flags (of
// data: how its payload is compressed), six bytes of nothing, and its size with these 16 bytes.
const (
	objectData       = 1
	objectField      = 2
	objectEntry      = 3
	objectEntryArray = 6
	objectTypes      = 8 // one more than the highest

	objectHeader = 16

	dataHash       = 16
	dataNextHash   = 24 // next in the hash table's row, appended: higher offsets
	dataNextField  = 32 // next of the same field, prepended: lower offsets
	dataEntry      = 40 // its first entry …
	dataEntryArray = 48 // … and the array of the others
	dataEntries    = 56
	dataPayload    = 64
	dataCompact    = 72 // its payload in compact files

	fieldHead    = 32 // its last data object
	fieldPayload = 40

	entrySeqnum    = 16
	entryRealtime  = 24
	entryMonotonic = 32
	entryBootID    = 40
	entryXor       = 56
	entryItems     = 64 // offsets of data: 4 bytes in compact files, else 8 and a hash of 8

	arrayNext  = 16
	arrayItems = 24 // offsets of entries: 4 bytes in compact files, else 8

	hashRow = 16 // first and last offset
)

// Bounds that no sound file comes near.
const (
	maxEntryObject = 1 << 20 // of items: 65,536 fields, journald takes 1,024
	maxEntryBytes  = 64 << 20
	maxArrays      = 1024    // in one chain: each has twice the room of the one before
	maxTime        = 1 << 55 // libsystemd's own, microseconds
)

var errDamaged = errors.New("damaged")

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// object reads the first n bytes of the object at off, which begins with its header, and looks whether it is of the
// wanted type and has at least n bytes.
func (f *File) object(off uint64, kind byte, n int) (b []byte, size uint64, err error) {
	if off&7 != 0 || off < headerMin {
		return nil, 0, damagedf("an object at byte %d", off)
	}
	if b, err = f.w.at(off, n); err != nil {
		return nil, 0, err
	}
	size = le.Uint64(b[8:])
	if b[0] != kind || size < uint64(n) {
		if le.Uint64(b) == 0 && size == 0 {
			return nil, 0, fmt.Errorf("%w: object at byte %d", ErrUnwritten, off)
		}
		return nil, 0, damagedf("object at byte %d has type %d and %d bytes, not type %d", off, b[0], size, kind)
	}
	return b, size, nil
}
