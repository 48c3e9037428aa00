package journal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// header is what a journal file says of itself in its first bytes (systemd's JOURNAL_FILE_FORMAT).
// It is read without libsystemd: also from files that libsystemd refuses, and to know what a file
// promises before it is opened. All of it is the writer's word: nothing is checked against the file.
type header struct {
	Compatible   uint32
	Incompatible uint32
	State        uint8
	FileID       string // this and the other ids: 32 hexadecimal digits
	MachineID    string
	BootID       string // of the last writer
	SeqnumID     string
	Size         uint64 // of the header itself: tells which systemd made the file
	Arena        uint64 // bytes after the header
	TailObject   uint64
	Entries      uint64
	HeadSeqnum   uint64 // 0 as long as the file is empty
	TailSeqnum   uint64 // an empty file has its predecessor's
	EntryArray   uint64
	HeadRealtime uint64 // microseconds since 1970 UTC
	TailRealtime uint64
}

// What header.State says.
const (
	stateOffline  = 0 // nobody has it open for writing, or all of it is on disk
	stateOnline   = 1 // being written, or its writer has crashed
	stateArchived = 2 // nothing will be added
)

const (
	headerSignature = "LPKSHHRH"
	headerMin       = 208 // what every systemd since 187 writes
	headerMax       = 272 // what systemd 254 and later write
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

// incompatibleFlags are those systemd 257 knows, by bit. A reader must refuse files with others.
var incompatibleFlags = []string{"compressed-xz", "compressed-lz4", "keyed-hash", "compressed-zstd", "compact"}

var errNoJournal = errors.New("not a journal file")

// flagsError says which of a file's incompatible flags this reader does not know.
type flagsError struct{ unknown uint32 }

func (e *flagsError) Error() string {
	return fmt.Sprintf("incompatible flag %#x is unknown (known are %s): a newer systemd has written it", e.unknown, flagNames(1<<len(incompatibleFlags)-1))
}

// flagNames lists the known flags that are set.
func flagNames(flags uint32) string {
	var names []string
	for bit, name := range incompatibleFlags {
		if flags&(1<<bit) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// parseHeader reads a header from the beginning of a file. With an error that is a *flagsError
// the header is complete all the same.
func parseHeader(b []byte) (header, error) {
	if len(b) < headerMin {
		return header{}, fmt.Errorf("%w: it has %d bytes, a header takes %d", errNoJournal, len(b), headerMin)
	}
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
	u64 := func(off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
	id := func(off int) string { return hex.EncodeToString(b[off : off+16]) }
	h := header{
		Compatible: u32(8), Incompatible: u32(12), State: b[offState],
		FileID: id(24), MachineID: id(40), BootID: id(56), SeqnumID: id(72),
		Size: u64(offHeaderSize), Arena: u64(offArena), TailObject: u64(offTailObject),
		Entries: u64(offEntries), TailSeqnum: u64(160), HeadSeqnum: u64(168), EntryArray: u64(offEntryArray),
		HeadRealtime: u64(184), TailRealtime: u64(192),
	}
	if string(b[:8]) != headerSignature {
		return h, fmt.Errorf("%w: it begins with %q", errNoJournal, b[:8])
	}
	if unknown := h.Incompatible &^ (1<<len(incompatibleFlags) - 1); unknown != 0 {
		return h, &flagsError{unknown}
	}
	return h, nil
}

// readHeader reads the header of a file, which may be in use: its numbers may be of different moments.
func readHeader(f io.ReaderAt) (header, error) {
	var b [headerMax]byte
	n, err := f.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return header{}, err
	}
	return parseHeader(b[:n])
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
