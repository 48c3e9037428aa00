package journalgen

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// A Header is what a journal file says of itself (systemd's JOURNAL_FILE_FORMAT).
type Header struct {
	Path         string
	SeqnumID     string // 32 hex digits
	Head, Tail   uint64 // first and last sequence number; Tail of an empty file is its predecessor's
	Entries      uint64
	HeadRealtime uint64 // microseconds
	Archived     bool
}

// Where the header has what we read and write.
const (
	offState        = 16
	offSeqnumID     = 72
	offHeaderSize   = 88
	offArenaSize    = 96
	offTailObject   = 136
	offEntries      = 152
	offTailSeqnum   = 160
	offHeadSeqnum   = 168
	offHeadRealtime = 184
	headerBytes     = 208

	stateArchived = 2
	active        = "system.journal"
)

// ReadHeader reads the header of one journal file, which may be in use.
func ReadHeader(path string) (Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return Header{}, err
	}
	defer f.Close()
	b := make([]byte, headerBytes)
	if _, err := io.ReadFull(f, b); err != nil {
		return Header{}, fmt.Errorf("cannot read journal header of %q: %w", path, err)
	}
	if string(b[:8]) != "LPKSHHRH" {
		return Header{}, fmt.Errorf("cannot read journal header of %q: it begins with %q", path, b[:8])
	}
	u64 := func(off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }
	return Header{
		Path:         path,
		SeqnumID:     hex.EncodeToString(b[offSeqnumID : offSeqnumID+16]),
		Head:         u64(offHeadSeqnum),
		Tail:         u64(offTailSeqnum),
		Entries:      u64(offEntries),
		HeadRealtime: u64(offHeadRealtime),
		Archived:     b[offState] == stateArchived,
	}, nil
}

// Headers reads the headers of all journal files in dir, oldest first.
func Headers(dir string) ([]Header, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.journal"))
	if err != nil {
		return nil, err
	}
	var hs []Header
	for _, p := range paths {
		h, err := ReadHeader(p)
		if os.IsNotExist(err) { // renamed or vacuumed meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		hs = append(hs, h)
	}
	slices.SortFunc(hs, func(a, b Header) int {
		// An empty active file has its predecessor's Tail, and a path that sorts before it.
		return cmp.Or(cmp.Compare(a.Tail, b.Tail), cmp.Compare(b.Path, a.Path))
	})
	return hs, nil
}

// Vacuum deletes the oldest archived files of dir until keep of them are left, as journald does
// when the journal takes more space than it may, and says which.
func Vacuum(dir string, keep int) ([]Header, error) {
	hs, err := Headers(dir)
	if err != nil {
		return nil, err
	}
	hs = slices.DeleteFunc(hs, func(h Header) bool { return !h.Archived })
	hs = hs[:max(0, len(hs)-keep)]
	for _, h := range hs {
		if err := os.Remove(h.Path); err != nil {
			return nil, err
		}
	}
	return hs, nil
}

// archive gives dir's active file the name, the size and the state that journald gives a file it is done with.
func archive(dir string) (Header, error) {
	path := filepath.Join(dir, active)
	h, err := ReadHeader(path)
	if err != nil {
		return h, err
	}
	h.Path = filepath.Join(dir, fmt.Sprintf("system@%s-%016x-%016x.journal", h.SeqnumID, h.Head, h.HeadRealtime))
	if err := os.Rename(path, h.Path); err != nil {
		return h, err
	}
	h.Archived = true
	if err := trim(h.Path); err != nil {
		return h, err
	}
	return h, patch(h.Path, offState, []byte{stateArchived})
}

// trim cuts off what was allocated after the last object.
func trim(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var b [8]byte
	u64 := func(off uint64) uint64 {
		if err == nil {
			_, err = f.ReadAt(b[:], int64(off))
		}
		return binary.LittleEndian.Uint64(b[:])
	}
	tail := u64(offTailObject)
	end := tail + (u64(tail+8)+7)&^7
	arena := end - u64(offHeaderSize)
	if err != nil {
		return fmt.Errorf("cannot read journal header of %q: %w", path, err)
	}
	if err := f.Truncate(int64(end)); err != nil {
		return err
	}
	return patch(path, offArenaSize, binary.LittleEndian.AppendUint64(nil, arena))
}

// succeed makes the empty journal file at path the continuation of h: same seqnum_id, numbers that go on.
func succeed(path string, h Header) error {
	id, err := hex.DecodeString(h.SeqnumID)
	if err != nil {
		return err
	}
	if err := patch(path, offSeqnumID, id); err != nil {
		return err
	}
	return patch(path, offTailSeqnum, binary.LittleEndian.AppendUint64(nil, h.Tail))
}

func patch(path string, off int64, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, off)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
