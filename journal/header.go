package journal

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

var le = binary.LittleEndian

// An ID is one of systemd's 128-bit ids.
type ID [16]byte

// String is the form systemd prints: 32 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero says whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads what String has written.
func ParseID(s string) (ID, error) {
	var id ID
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ID{}, fmt.Errorf("cannot read id %q: want 32 hexadecimal digits", clip(s))
		}
	}
	if len(s) != 2*len(id) {
		return ID{}, fmt.Errorf("cannot read id %q: want 32 hexadecimal digits", clip(s))
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

// clip shortens text that others wrote for messages.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// A State says what a journal file's writer has got to.
type State uint8

// What a header says of its file's writer.
const (
	StateOffline  State = 0 // nobody has it open for writing, or all of it is on disk
	StateOnline   State = 1 // being written, or its writer has crashed
	StateArchived State = 2 // nothing will be added
)

// Header is what a journal file says of itself in its first bytes (systemd's JOURNAL_FILE_FORMAT).
// All of it is the writer's word: nothing is checked against the file.
type Header struct {
	Compatible     uint32 // flags that a reader need not know
	Incompatible   uint32 // flags that a reader must know: Flag…
	State          State
	FileID         ID
	MachineID      ID
	BootID         ID     // of the last writer
	SeqnumID       ID     // the chain that the entries' numbers count
	Size           uint64 // of the header itself, bytes: tells which systemd made the file
	Arena          uint64 // bytes after the header
	DataTable      uint64 // where the data objects' hash table begins, past its object header …
	DataTableSize  uint64 // … and its bytes
	FieldTable     uint64 // the same for field names
	FieldTableSize uint64
	TailObject     uint64 // where the last object begins
	Objects        uint64
	Entries        uint64
	HeadSeqnum     uint64 // 0 as long as the file is empty
	TailSeqnum     uint64 // an empty file has its predecessor's
	EntryArray     uint64 // where the first array of entries begins
	HeadRealtime   uint64 // microseconds since 1970 UTC
	TailRealtime   uint64
	TailMonotonic  uint64 // microseconds since BootID's boot
}

// The incompatible flags that this package knows: all that systemd 257 has.
const (
	FlagXZ        = 1 << 0 // has objects compressed so
	FlagLZ4       = 1 << 1
	FlagKeyedHash = 1 << 2 // hash tables by SipHash with the file's id, not by Jenkins' hash
	FlagZstd      = 1 << 3
	FlagCompact   = 1 << 4 // offsets of 4 bytes: the file is smaller than 4 GiB

	flagsKnown = 1<<5 - 1
)

var flagNames = [...]string{"compressed-xz", "compressed-lz4", "keyed-hash", "compressed-zstd", "compact"}

const (
	headerSignature = "LPKSHHRH"
	headerMin       = 208 // what every systemd since 187 writes
	headerMax       = 272 // what systemd 254 and later write
)

// Where the header has what is read again and again.
const offEntries = 152

// ErrNoJournal says that a file is none of systemd's journal.
var ErrNoJournal = errors.New("not a journal file")

// A FlagsError names incompatible flags of a file that this package does not know: it must not be
// read by these rules. A newer systemd has written it.
type FlagsError struct{ Unknown uint32 }

func (e *FlagsError) Error() string {
	var names []string
	for bit := range 32 {
		if e.Unknown>>bit&1 != 0 {
			names = append(names, fmt.Sprintf("bit %d", bit))
		}
	}
	return fmt.Sprintf("cannot read a journal file with incompatible flags %s (known are %s): a newer systemd has written it",
		strings.Join(names, ", "), strings.Join(flagNames[:], ", "))
}

// ReadHeader reads the header of a file, which may be in use: its numbers may be of different
// moments. With an error that is a *FlagsError the header is complete all the same.
func ReadHeader(r io.ReaderAt) (Header, error) {
	var b [headerMax]byte
	n, err := r.ReadAt(b[:], 0)
	if err != nil && err != io.EOF {
		return Header{}, fmt.Errorf("cannot read journal header: %w", err)
	}
	return parseHeader(b[:n])
}

// parseHeader reads a header from the beginning of a file.
func parseHeader(b []byte) (Header, error) {
	if len(b) < headerMin {
		return Header{}, fmt.Errorf("%w: it has %d bytes, a header takes %d", ErrNoJournal, len(b), headerMin)
	}
	u64 := func(off int) uint64 { return le.Uint64(b[off:]) }
	id := func(off int) ID { return ID(b[off : off+16]) }
	h := Header{
		Compatible: le.Uint32(b[8:]), Incompatible: le.Uint32(b[12:]), State: State(b[16]),
		FileID: id(24), MachineID: id(40), BootID: id(56), SeqnumID: id(72),
		Size: u64(88), Arena: u64(96),
		DataTable: u64(104), DataTableSize: u64(112), FieldTable: u64(120), FieldTableSize: u64(128),
		TailObject: u64(136), Objects: u64(144), Entries: u64(offEntries),
		TailSeqnum: u64(160), HeadSeqnum: u64(168), EntryArray: u64(176),
		HeadRealtime: u64(184), TailRealtime: u64(192), TailMonotonic: u64(200),
	}
	if string(b[:8]) != headerSignature {
		return h, fmt.Errorf("%w: it begins with %q", ErrNoJournal, b[:8])
	}
	if unknown := h.Incompatible &^ flagsKnown; unknown != 0 {
		return h, &FlagsError{unknown}
	}
	return h, nil
}
