package consume

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// An inflater is a kgo.Decompressor that makes of a batch no more than most bytes: brokers bound what a batch is compressed, and a
// thousandth of it can be enough for whoever wants to fill the memory of who reads it.
type inflater struct {
	most int64
	zstd *zstd.Decoder
}

func newInflater(most int64) (*inflater, error) {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(uint64(most)), zstd.WithDecoderLowmem(true))
	return &inflater{most, d}, err
}

// Decompress is kgo.Decompressor's.
func (f *inflater) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	switch codec {
	case kgo.CodecNone:
		return src, nil
	case kgo.CodecGzip:
		r, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return nil, err
		}
		return f.readAll(r)
	case kgo.CodecSnappy:
		return f.snappy(src)
	case kgo.CodecLz4:
		return f.readAll(lz4.NewReader(bytes.NewReader(src)))
	case kgo.CodecZstd:
		b, err := f.zstd.DecodeAll(src, nil)
		if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			return nil, f.tooLarge()
		}
		return b, err
	}
	return nil, fmt.Errorf("unknown compression %d", codec)
}

func (f *inflater) tooLarge() error {
	return fmt.Errorf("a batch has more than %d bytes once it is decompressed: raise max_batch_bytes, or have the group go on behind it, by kafka-consumer-groups.sh --reset-offsets while no member runs", f.most)
}

func (f *inflater) readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, f.most+1))
	if err == nil && int64(len(b)) > f.most {
		return nil, f.tooLarge()
	}
	return b, err
}

// xerial begins blocks of snappy as Java clients write them: 8 more bytes of versions, then each block behind its length.
var xerial = []byte{130, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

func (f *inflater) snappy(src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, xerial) {
		return f.block(nil, src)
	}
	if len(src) < 16 {
		return nil, io.ErrUnexpectedEOF
	}
	var b []byte
	for rest := src[16:]; len(rest) > 0; {
		if len(rest) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		n := int64(binary.BigEndian.Uint32(rest))
		if rest = rest[4:]; n > int64(len(rest)) {
			return nil, io.ErrUnexpectedEOF
		}
		var err error
		if b, err = f.block(b, rest[:n]); err != nil {
			return nil, err
		}
		rest = rest[n:]
	}
	return b, nil
}

// block appends what a block of snappy holds.
func (f *inflater) block(b, src []byte) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, err
	}
	if int64(len(b))+int64(n) > f.most {
		return nil, f.tooLarge()
	}
	decoded, err := s2.Decode(nil, src)
	if err != nil || len(b) == 0 {
		return decoded, err
	}
	return append(b, decoded...), nil
}
