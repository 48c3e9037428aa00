package elasticsearch

import (
	"bytes"
	"context"
	"io"
	"net/http"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A compressor makes the bodies of one lane.
type compressor struct {
	prefers string // gzip or zstd, "" for none
	level   int
	gzip    *gzip.Writer  // made when needed
	zstd    *zstd.Encoder // the same
}

func newCompressor(name string, level int) compressor {
	if name == "none" || level == 0 {
		return compressor{}
	}
	return compressor{prefers: name, level: level}
}

// compress appends to dst what a server can decompress to payload.
func (c *compressor) compress(dst *bytes.Buffer, payload []byte, encoding string) (err error) {
	if encoding == "zstd" {
		if c.zstd == nil {
			c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true),
				zstd.WithWindowSize(zstdWindow), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(c.level)))
			if err != nil {
				return err
			}
		}
		b := c.zstd.EncodeAll(payload, dst.AvailableBuffer())
		_, err = dst.Write(b)
		return err
	}
	if c.gzip == nil {
		if c.gzip, err = gzip.NewWriterLevel(io.Discard, c.level); err != nil {
			return err
		}
	}
	c.gzip.Reset(dst)
	if _, err = c.gzip.Write(payload); err == nil {
		err = c.gzip.Close()
	}
	return err
}

// zstdWindow bounds what the encoder and the server keep. A larger one finds little more in logs.
const zstdWindow = 1 << 20

// What is known of a host and compression: zstd.
const (
	untried int32 = iota
	takesZstd
	refusesZstd
)

// post sends items compressed as the options want it, if the host understands that. Elasticsearch takes zstd for broken
// JSON and answers 400, others 415. So as long as zstd has not been accepted a refused request is sent again with gzip, and if
// that is taken, gzip it is from then on.
func (l *lane) post(ctx context.Context, b *bulk, items []item) (status int, h http.Header, body []byte, err error) {
	encoding := l.zip.prefers
	if encoding != "zstd" {
		return l.send(ctx, b, items, encoding)
	}
	known := l.host.zstd.Load()
	if known != refusesZstd {
		status, h, body, err = l.send(ctx, b, items, encoding)
		switch {
		case err != nil || known == takesZstd:
			return status, h, body, err
		case status < 300:
			l.host.zstd.Store(takesZstd)
			return status, h, body, nil
		case status != http.StatusBadRequest && status != http.StatusUnsupportedMediaType && status != http.StatusNotAcceptable && status != http.StatusInternalServerError:
			return status, h, body, nil
		}
	}
	status, h, body, err = l.send(ctx, b, items, "gzip")
	if err == nil && status < 300 && l.host.zstd.CompareAndSwap(untried, refusesZstd) {
		l.log.Errorf("%v does not take requests compressed by zstd, but those by gzip: it gets gzip from now on (set compression of output.elasticsearch to gzip, or to none)", l.host)
	}
	return status, h, body, err
}
