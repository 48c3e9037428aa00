package block

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// errDamaged is what is wrong with bytes that Encode has not made.
var errDamaged = errors.New("the block is damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// The encoder and the decoder are used for whole buffers only, by any number of goroutines.
var (
	encoder = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(128<<10), zstd.WithEncoderCRC(false),
		zstd.WithSingleSegment(true),
		zstd.WithLowerEncoderMem(true)))
	decoder = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxUnpacked)))
)

// maxUnpacked is the most that one compressed piece may become: no document is larger.
const maxUnpacked = 1 << 30

// maxRatio is more than zstd can make of anything: four bytes are a block of 128 KiB.
const maxRatio = 1 << 16

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the options above are wrong
	}
	return v
}

// appendBytes adds b and its length.
func appendBytes[T string | []byte](to []byte, b T) []byte {
	return append(binary.AppendUvarint(to, uint64(len(b))), b...)
}

// appendPacked adds b, compressed where that makes it much smaller: its length, that of what follows (0: not compressed), and
// the bytes.
func appendPacked(to, b []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(b)))
	if len(b) >= 32 {
		packed := encoder.EncodeAll(b, nil)
		if len(packed) < len(b)-len(b)/8 {
			return appendBytes(to, packed)
		}
	}
	return append(append(to, 0), b...)
}

// A reader takes apart what the functions above have put together. After the first thing that is wrong it gives nothing
// but zeros, and bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fail() {
	r.b, r.bad = nil, true
}

func (r *reader) uvarint() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

// count reads a number that is at most limit.
func (r *reader) count(limit int) int {
	n := r.uvarint()
	if n > uint64(limit) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.b)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail()
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// take reads n bytes, which stay a part of what is read from.
func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.fail()
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) bytes() []byte { return r.take(r.count(len(r.b))) }

// packed reads what appendPacked has written.
func (r *reader) packed() []byte {
	n := r.count(maxUnpacked)
	packed := r.bytes()
	if r.bad {
		return nil
	}
	if len(packed) == 0 {
		return r.take(n)
	}
	b, err := unpack(packed, n, nil)
	if err != nil {
		r.fail()
	}
	return b
}

// unpack decompresses what becomes n bytes, into room if it is large enough.
func unpack(packed []byte, n int, room []byte) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(packed); err != nil || !h.HasFCS || h.FrameContentSize != uint64(n) || n > len(packed)*maxRatio {
		return nil, errDamaged
	}
	if cap(room) < n {
		room = make([]byte, 0, n)
	}
	b, err := decoder.DecodeAll(packed, room[:0])
	if err != nil || len(b) != n {
		return nil, errDamaged
	}
	return b, nil
}
