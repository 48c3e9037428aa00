package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"syscall"

	"github.com/podbeat/podbeat/journal"
)

// header is what a journal file says of itself. All of it is the writer's word: nothing is checked against the file.
type header struct{ journal.Header }

const (
	headerSignature = "LPKSHHRH"
	headerMin       = 208 // what every systemd since 187 writes
	headerShared    = 272 // from this size on, all files of one journald share their seqnum_id
)

// Where the header has what is mended, or asked for often.
const (
	offState      = 16
	offHeaderSize = 88
	offArena      = 96
	offDataTable  = 104
	offFieldTable = 120
	offTailObject = 136
	offEntries    = 152
	offEntryArray = 176
)

var le = binary.LittleEndian

// readHeader reads the header of a file, which may be in use: its numbers may be of different moments. With a *journal.FlagsError it is
// complete all the same.
func readHeader(f io.ReaderAt) (header, error) {
	h, err := journal.ReadHeader(f)
	return header{h}, err
}

// promises is the size the file must have at least.
func (h *header) promises() uint64 {
	if h.Size+h.Arena < h.Arena {
		return ^uint64(0)
	}
	return h.Size + h.Arena
}

// contiguous says whether the file has every number from its head to its tail, by its own count.
func (h *header) contiguous() bool {
	return h.HeadSeqnum > 0 && h.TailSeqnum-h.HeadSeqnum+1 == h.entries()
}

// entries is the file's own count, as far as there is room for them.
func (h *header) entries() uint64 {
	const smallest = 64 // an entry object without fields
	return min(h.Entries, h.Arena/smallest)
}

// mended is a file with another header.
type mended struct {
	io.ReaderAt
	syscall.Conn
	header []byte
}

func (m mended) ReadAt(b []byte, at int64) (int, error) {
	n, err := m.ReaderAt.ReadAt(b, at)
	if 0 <= at && at < int64(len(m.header)) {
		copy(b[:n], m.header[at:])
	}
	return n, err
}

// mendHeader changes what libsystemd checks before it reads a file of size bytes, and returns the
// size the file is to have.
func mendHeader(b []byte, size uint64) (full uint64, err error) {
	wrong := 0
	for i := range len(headerSignature) {
		if b[i] != headerSignature[i] {
			wrong++
		}
	}
	if wrong > 1 {
		return 0, fmt.Errorf("%w: it begins with %q", journal.ErrNoJournal, b[:8])
	}
	copy(b, headerSignature)
	h, err := readHeader(bytes.NewReader(b))
	if err != nil {
		return 0, err
	}
	if h.State > journal.StateArchived {
		b[offState] = byte(journal.StateArchived)
	}
	if h.Size < headerMin || h.Size > 4096 || h.Size%8 != 0 {
		h.Size = 264
		le.PutUint64(b[offHeaderSize:], h.Size)
	}
	// Objects beyond the end must read as zeros, not as nothing: libsystemd's search stops at
	// nothing. A file is allocated in steps of 8 MiB.
	full = max(size, min(h.promises(), size+64<<20))
	le.PutUint64(b[offArena:], full-h.Size)
	if h.TailObject > full {
		le.PutUint64(b[offTailObject:], h.Size)
	}
	for _, off := range []int{offDataTable, offFieldTable, offTailObject, offEntryArray} {
		le.PutUint64(b[off:], le.Uint64(b[off:])&^7) // objects are aligned
	}
	return full, nil
}
