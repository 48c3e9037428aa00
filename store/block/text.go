package block

import (
	"bytes"
	"encoding/binary"
	"sort"
	"sync"
	"sync/atomic"
)

// textData is the tokens of a text column, compressed.
type textData struct {
	classes []byte // one for all, or one for each
	ends    []uint32
	chunks  []packedChunk
	pieces  []extent // where the chunks are: read when they are asked for
	last    atomic.Pointer[chunk]

	mu   sync.Mutex
	read [][]byte // of pieces
}

// packedChunk is some tokens that were compressed together.
type packedChunk struct {
	first, from, size int // token, byte of all text, unpacked bytes
	piece, at, packed int // in which piece, from which byte, and how many
}

// chunk is its text.
type chunk struct {
	index int
	text  string
	room  []byte // what the text is in, if it may be overwritten by the next chunk's
}

// scratch is a chunk for who reads one token after the other, and keeps none of them.
func scratch() *chunk { return &chunk{index: -1, room: []byte{}} }

// appendText keeps the classes, the lengths and where the chunks are in a head, and the texts in chunks, some of them in a piece. No token is in
// two chunks, and no chunk in two pieces.
func appendText(tokens []token) (head []byte, pieces [][]byte) {
	classes, lengths := make([]byte, len(tokens)), []byte(nil)
	var sizes, piece, chunk []byte
	n := 0
	flush := func() {
		packed := encoder.EncodeAll(chunk, nil)
		if len(piece)+len(packed) > pieceSize && len(piece) > 0 {
			pieces, piece = append(pieces, piece), nil
		}
		sizes = binary.AppendUvarint(binary.AppendUvarint(binary.AppendUvarint(sizes, uint64(n)), uint64(len(chunk))), uint64(len(packed)))
		piece = append(piece, packed...)
		chunk, n = chunk[:0], 0
	}
	for i, t := range tokens {
		if n > 0 && len(chunk)+len(t.text) > chunkSize {
			flush()
		}
		classes[i] = byte(t.class)
		lengths = binary.AppendUvarint(lengths, uint64(len(t.text)))
		chunk = append(chunk, t.text...)
		n++
	}
	flush()
	head = appendPacked(appendPacked(nil, classes), lengths)
	return append(head, sizes...), append(pieces, piece)
}

// readText reads what appendText has written; nil when it is damaged.
func readText(r *reader, n int, pieces []extent) *textData {
	t := &textData{classes: r.packed(), pieces: pieces, read: make([][]byte, len(pieces))}
	lengths := reader{b: r.packed()}
	if r.bad || len(t.classes) != n || n > len(lengths.b) {
		return nil
	}
	same := true
	for _, c := range t.classes {
		if c > byte(bare) {
			return nil
		}
		same = same && c == t.classes[0]
	}
	if same {
		t.classes = []byte{t.classes[0]}
	}
	t.ends = make([]uint32, n+1)
	end := 0
	for i := range n {
		if b := lengths.b; len(b) > 0 && b[0] < 0x80 { // most are short
			end += int(b[0])
			lengths.b = b[1:]
		} else if end += lengths.count(MaxBytes); end > MaxBytes {
			return nil
		}
		t.ends[i+1] = uint32(end)
	}
	if lengths.bad || len(lengths.b) > 0 || !t.readSizes(r, n) {
		return nil
	}
	return t
}

// readSizes finds out where the chunks of n tokens are.
func (t *textData) readSizes(r *reader, n int) bool {
	first, from, piece, at := 0, 0, 0, 0
	for len(r.b) > 0 {
		c := packedChunk{first: first, from: from}
		tokens := r.count(n - first)
		c.size, c.packed = r.count(maxUnpacked), r.count(maxUnpacked)
		if piece < len(t.pieces) && at == t.pieces[piece].size {
			piece, at = piece+1, 0
		}
		if r.bad || piece == len(t.pieces) || at+c.packed > t.pieces[piece].size {
			return false
		}
		c.piece, c.at = piece, at
		t.chunks = append(t.chunks, c)
		first, from, at = first+tokens, from+c.size, at+c.packed
		if from != int(t.ends[first]) {
			return false
		}
	}
	return !r.bad && first == n && piece == len(t.pieces)-1 && at == t.pieces[piece].size
}

// mayHaveNull says whether some token is no string.
func (t *textData) mayHaveNull() bool { return bytes.IndexByte(t.classes, byte(bare)) >= 0 }

// packed gives the compressed bytes of a chunk.
func (t *textData) packed(c *core, p packedChunk) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.read[p.piece] == nil {
		b, err := c.read(t.pieces[p.piece])
		if err != nil {
			return nil, err
		}
		t.read[p.piece] = b
		c.used.Add(int64(len(b)))
	}
	return t.read[p.piece][p.at : p.at+p.packed], nil
}

// token gives a token; last is the chunk used last, or nil. If it is a scratch, the token is valid until the next.
func (t *textData) token(core *core, i int, last **chunk) (token, error) {
	how := class(t.classes[0])
	if len(t.classes) > 1 {
		how = class(t.classes[i])
	}
	if t.ends[i] == t.ends[i+1] {
		return token{"", how}, nil
	}
	c, err := t.chunk(core, i, last)
	if err != nil {
		return token{class: bare}, err
	}
	from := t.chunks[c.index].from
	return token{c.text[int(t.ends[i])-from : int(t.ends[i+1])-from], how}, nil
}

// chunk gives the chunk of a token, and makes it the last.
func (t *textData) chunk(core *core, i int, last **chunk) (*chunk, error) {
	c := *last
	if c == nil {
		if c = t.last.Load(); c == nil {
			c = &chunk{index: -1}
		}
	}
	if c.index < 0 || i < t.chunks[c.index].first || i >= t.end(c.index) {
		next, err := t.unpack(core, i, c.room)
		if err != nil {
			return nil, err
		}
		if c = next; c.room == nil {
			t.last.Store(c)
		}
	}
	*last = c
	return c, nil
}

// end is the first token behind a chunk.
func (t *textData) end(chunk int) int {
	if chunk+1 < len(t.chunks) {
		return t.chunks[chunk+1].first
	}
	return len(t.ends) - 1
}

// around gives the text of all tokens of a token's chunk, and the first token behind it.
func (t *textData) around(core *core, i int, last **chunk) (text string, end int) {
	c, err := t.chunk(core, i, last)
	if err != nil {
		core.fail(err)
		return "", i + 1
	}
	return c.text, t.end(c.index)
}

// unpack decompresses the chunk of a token, into room if that is not nil.
func (t *textData) unpack(core *core, i int, room []byte) (*chunk, error) {
	index := sort.Search(len(t.chunks), func(k int) bool { return t.chunks[k].first > i }) - 1
	packed, err := t.packed(core, t.chunks[index])
	if err != nil {
		return nil, err
	}
	b, err := unpack(packed, t.chunks[index].size, room)
	if err != nil {
		return nil, err
	}
	c := &chunk{index: index, text: view(b)}
	if room != nil {
		c.room = b
	}
	return c, nil
}
