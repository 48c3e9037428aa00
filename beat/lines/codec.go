package lines

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	beats "github.com/elastic/beats/v7/libbeat/reader/readfile/encoding"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// A codec finds lines in an encoding and makes UTF-8 of them.
type codec struct {
	decoder *encoding.Decoder // nil: the bytes are UTF-8, or taken for it
	unit    int               // bytes of a newline
	nl      byte              // the newline, if unit is 1
	ratio   int               // most bytes of the encoding for one of UTF-8

	// Of UTF-16:
	order byte // 'b'ig, 'l'ittle endian, or 0 while it is not known
	given byte // the order the encoding's name says, for files that do not say it
	marks bool // files say it, in their first two bytes
}

// wide are the encodings of two bytes a unit.
var wide = map[string]codec{
	"utf-16-bom":   {marks: true},
	"utf-16be-bom": {marks: true, given: 'b'},
	"utf-16le-bom": {marks: true, given: 'l'},
	"utf-16":       {order: 'l', given: 'l'},
	"utf-16le":     {order: 'l', given: 'l'},
	"utf-16be":     {order: 'b', given: 'b'},
}

// newCodec returns the codec for filestream's name of an encoding.
func newCodec(name string) (*codec, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	if c, ok := wide[name]; ok {
		c.unit, c.ratio = 2, 2
		c.setOrder(c.order)
		return &c, nil
	}
	c := &codec{unit: 1, nl: '\n', ratio: 1}
	switch name {
	case "", "plain", "nop", "utf-8", "utf8", "unicode-1-1-utf-8":
		return c, nil
	}
	factory, ok := beats.FindEncoding(name)
	if !ok {
		return nil, fmt.Errorf("cannot use encoding %q: want a name such as plain, utf-8, utf-16-bom, latin1 or gbk", name)
	}
	enc, err := factory(strings.NewReader(""))
	if err != nil {
		return nil, fmt.Errorf("cannot use encoding %q: %w", name, err)
	}
	nl, err := enc.NewEncoder().Bytes([]byte("\n"))
	if back, _ := enc.NewDecoder().Bytes(nl); err != nil || len(nl) != 1 || string(back) != "\n" {
		return nil, fmt.Errorf("cannot use encoding %q: it has no newline of one byte", name)
	}
	c.decoder, c.nl, c.ratio = enc.NewDecoder(), nl[0], 2
	return c, nil
}

func (c *codec) setOrder(order byte) {
	c.order = order
	end := unicode.LittleEndian
	if order == 'b' {
		end = unicode.BigEndian
	}
	c.decoder = unicode.UTF16(end, unicode.IgnoreBOM).NewDecoder()
}

var mark = []byte("\xef\xbb\xbf") // UTF-8's byte order mark

// begin looks at what must be known before the line at offset at can be read. It returns the length
// of a byte order mark, 0 for none, or -1 if data is too short to say.
func (c *codec) begin(data []byte, at int64, final bool) int {
	if c.unit == 1 {
		if at != 0 || c.decoder != nil {
			return 0
		}
		if bytes.HasPrefix(data, mark) {
			return len(mark)
		}
		if !final && bytes.HasPrefix(mark, data) {
			return -1
		}
		return 0
	}
	if at == 0 {
		switch {
		case len(data) < 2 && !final:
			return -1
		case len(data) < 2:
		case data[0] == 0xfe && data[1] == 0xff:
			c.setOrder('b')
			return 2
		case data[0] == 0xff && data[1] == 0xfe:
			c.setOrder('l')
			return 2
		case c.given != 0:
			c.setOrder(c.given)
		}
	}
	return 0
}

// newline returns the index of the first newline in data, the file's bytes from offset at on, or -1.
func (c *codec) newline(data []byte, at int64) int {
	if c.unit == 1 {
		return bytes.IndexByte(data, c.nl)
	}
	for i := 0; i < len(data); i++ {
		n := bytes.IndexByte(data[i:], '\n')
		if n < 0 {
			return -1
		}
		i += n
		switch odd := (at+int64(i))%2 == 1; {
		case odd && c.order != 'l' && i > 0 && data[i-1] == 0:
			c.guess('b')
			return i - 1
		case !odd && c.order != 'b' && i+1 < len(data) && data[i+1] == 0:
			c.guess('l')
			return i
		}
	}
	return -1
}

// guess sets the byte order that a newline has shown: the other way round it is a character that is none.
// A file that is read from its middle has no byte order mark to say it.
func (c *codec) guess(order byte) {
	if c.order == 0 {
		c.setOrder(order)
	}
}

// zeros returns how many NUL bytes data begins with. They are what is left of a file that was
// truncated under a writer which goes on at its old offset.
func (c *codec) zeros(data []byte) int {
	if len(data) == 0 || data[0] != 0 {
		return 0
	}
	n := len(data) - len(bytes.TrimLeft(data, "\x00"))
	return n / c.unit * c.unit
}

// units returns the length of the whole units of data.
func (c *codec) units(data []byte) int { return len(data) / c.unit * c.unit }

// whole returns the length of the whole characters of data, as far as it can be told.
func (c *codec) whole(data []byte) int {
	if c.decoder != nil {
		return c.units(data)
	}
	for i := 1; i < utf8.UTFMax && i <= len(data); i++ {
		if b := data[len(data)-i]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(data[len(data)-i:]) {
				return len(data) - i
			}
			break
		}
	}
	return len(data)
}

// decode appends raw in UTF-8 to dst.
func (c *codec) decode(dst, raw []byte) []byte {
	c.decoder.Reset()
	for {
		dst = slices.Grow(dst, 2*len(raw)+64)
		n, used, err := c.decoder.Transform(dst[len(dst):cap(dst)], raw, true)
		dst, raw = dst[:len(dst)+n], raw[used:]
		if err != transform.ErrShortDst {
			return dst
		}
	}
}
