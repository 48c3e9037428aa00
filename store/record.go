package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"

	"github.com/podbeat/podbeat/store/block"
)

// A record is a row of the table recent: documents that are in no block yet, in the order they came, and which earlier ones they
// replace. Its bytes are a checksum, and compressed: the seq of the last write; the number of documents; for each id, time, seq, version and
// source; and the seqs of documents of earlier records that are dead since.
type record struct {
	last int64
	docs []block.Doc
	dead []int64
}

// maxRecord is more than a record can be: one document of the largest size and its id, or a chunk, and what goes with them.
const maxRecord = 1 << 30

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRecord = errors.New("a record of recent documents is damaged")

// recordRoom is what records are put together in, one after the other.
type recordRoom struct{ plain, packed []byte }

// recordRooms are used again: requests are mostly of one size.
var recordRooms = sync.Pool{New: func() any { return new(recordRoom) }}

// free gives the room back, unless it has become larger than most need.
func (room *recordRoom) free() {
	if cap(room.plain) <= 2*chunkBytes {
		recordRooms.Put(room)
	}
}

// bytes are valid until the room is used again.
func (r *record) bytes(room *recordRoom) []byte {
	b := binary.AppendVarint(room.plain[:0], r.last)
	b = binary.AppendUvarint(b, uint64(len(r.docs)))
	for _, d := range r.docs {
		b = binary.AppendUvarint(b, uint64(len(d.ID)))
		b = append(b, d.ID...)
		for _, n := range []int64{d.Time, d.Seq, d.Version} {
			b = binary.AppendVarint(b, n)
		}
		b = binary.AppendUvarint(b, uint64(len(d.Source)))
		b = append(b, d.Source...)
	}
	b = binary.AppendUvarint(b, uint64(len(r.dead)))
	for _, seq := range r.dead {
		b = binary.AppendVarint(b, seq)
	}
	room.plain = b
	room.packed = slices.Grow(room.packed[:0], 4+s2.MaxEncodedLen(len(b)))
	out := room.packed[:cap(room.packed)]
	packed := s2.Encode(out[4:], b)
	out = out[:4+len(packed)]
	binary.LittleEndian.PutUint32(out, crc32.Checksum(packed, castagnoli))
	return out
}

// readRecord reads what bytes has made.
func readRecord(b []byte) (*record, error) {
	if len(b) < 4 || crc32.Checksum(b[4:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return nil, errRecord
	}
	if n, err := s2.DecodedLen(b[4:]); err != nil || n > maxRecord {
		return nil, errRecord
	}
	b, err := s2.Decode(nil, b[4:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRecord, err)
	}
	bad := false
	uvarint := func() uint64 {
		n, size := binary.Uvarint(b)
		bad = bad || size <= 0
		b = b[max(size, 0):]
		return n
	}
	varint := func() int64 {
		n, size := binary.Varint(b)
		bad = bad || size <= 0
		b = b[max(size, 0):]
		return n
	}
	take := func() []byte {
		n := uvarint()
		if n > uint64(len(b)) {
			bad = true
			return nil
		}
		taken := b[:n:n]
		b = b[n:]
		return taken
	}
	r := record{last: varint()}
	for n := uvarint(); n > 0 && !bad; n-- {
		d := block.Doc{ID: string(take()), Time: varint(), Seq: varint(), Version: varint()}
		d.Source = take()
		r.docs = append(r.docs, d)
	}
	for n := uvarint(); n > 0 && !bad; n-- {
		r.dead = append(r.dead, varint())
	}
	if bad || len(b) > 0 {
		return nil, errRecord
	}
	return &r, nil
}
