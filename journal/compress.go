package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// How a data object says that its payload is compressed.
const (
	compressedXZ   = 1
	compressedLZ4  = 2
	compressedZstd = 4
)

const (
	maxWindow = 16 << 20 // of zstd; journald's is 2 MiB
	maxDict   = 16 << 20 // of xz; journald's is 1 MiB
)

// packedMax is how many of size compressed bytes the first n unpacked ones take at most: with the rest of
// zstd's block, and of the length of a run of literals, which LZ4 gives first, by a byte for each 255.
func packedMax(n, size uint64) uint64 { return n + n/64 + min(size/255, 4<<20) + 132<<10 }

// decompress appends to b[:0] what src holds, at most longest bytes of it. With an error it returns b too.
func decompress(b, src []byte, compression byte, longest int) ([]byte, error) {
	switch compression {
	case compressedZstd:
		return unzstd(b, src, longest)
	case compressedLZ4:
		if len(src) <= 8 {
			return b, errLZ4
		}
		return unlz4(b, src[8:], int(min(le.Uint64(src), uint64(longest))))
	case compressedXZ:
		return unxz(b, src, longest)
	}
	return b, fmt.Errorf("unknown compression %#x", compression)
}

// unzstd's decoders start no goroutines. The first is for what is wanted whole, which nearly everything is.
var (
	unzstdWhole = sync.OnceValue(func() *zstd.Decoder { return newUnzstd(zstd.WithDecodeAllCapLimit(true)) })
	unzstdPart  = sync.Pool{New: func() any { return newUnzstd(zstd.WithDecodeBuffersBelow(0)) }}
)

func newUnzstd(o zstd.DOption) *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow), o)
	if err != nil {
		panic(err) // an option out of range
	}
	return d
}

func unzstd(b, src []byte, longest int) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(src); err != nil {
		return b, err
	}
	if h.HasFCS && h.FrameContentSize <= uint64(min(longest, 1<<20)) {
		if n := int(h.FrameContentSize); cap(b) < n {
			b = make([]byte, 0, n)
		}
		return unzstdWhole().DecodeAll(src, b)
	}
	d := unzstdPart.Get().(*zstd.Decoder)
	defer unzstdPart.Put(d)
	if err := d.Reset(bytes.NewReader(src)); err != nil {
		return b, err
	}
	return readUpTo(b, d, longest)
}

var unxzers sync.Pool // of *xz.Reader that have come to no error: their buffers are large

func unxz(b, src []byte, longest int) (_ []byte, err error) {
	r, ok := unxzers.Get().(*xz.Reader)
	if ok {
		err = r.Reset(bytes.NewReader(src))
	} else {
		r, err = xz.NewReader(bytes.NewReader(src), maxDict)
	}
	if err == nil {
		b, err = readUpTo(b, r, longest)
	}
	if err == nil {
		unxzers.Put(r)
	}
	return b, err
}

// readUpTo reads into b[:0] what r has, at most longest bytes.
func readUpTo(b []byte, r io.Reader, longest int) ([]byte, error) {
	b = b[:0]
	for len(b) < longest {
		if len(b) == cap(b) {
			b = slices.Grow(b, 4096) // as it comes: what is said of its size may be wrong
		}
		n, err := r.Read(b[len(b):min(cap(b), longest)])
		b = b[:len(b)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

var errLZ4 = errors.New("lz4 block is damaged")

// unlz4 unpacks the first n bytes of a block. Other packages unpack only all of it, and a core dump is long.
func unlz4(b, src []byte, n int) ([]byte, error) {
	// length adds the bytes that follow a nibble of 15; nothing of what follows needs to be there when it comes to most.
	length := func(l, most int) (int, bool) {
		for more := byte(255); l >= 15 && l < most && more == 255; l += int(more) {
			if len(src) == 0 {
				return 0, false
			}
			more, src = src[0], src[1:]
		}
		return l, true
	}
	for len(b) < n {
		if len(src) == 0 {
			return b, errLZ4
		}
		token := src[0]
		src = src[1:]
		l, ok := length(int(token>>4), math.MaxInt)
		if l = min(l, n-len(b)); !ok || l > len(src) {
			return b, errLZ4
		}
		b = append(b, src[:l]...)
		src = src[l:]
		if len(b) == n {
			break
		}
		if len(src) < 2 {
			return b, errLZ4
		}
		back := int(le.Uint16(src))
		src = src[2:]
		if l, ok = length(int(token&15), n); !ok || back == 0 || back > len(b) {
			return b, errLZ4
		}
		for l = min(l+4, n-len(b)); l > 0; { // what is copied may be what the copy has just written
			k := min(l, back)
			b = append(b, b[len(b)-back:len(b)-back+k]...)
			l -= k
		}
	}
	return b, nil
}
