package block

import (
	"bytes"
	"sort"
	"sync/atomic"
)

// textData is the tokens of a text column, compressed.
type textData struct {
	classes []byte // one for all, or one for each
	ends    []uint32
	chunks  []packedChunk
	last    atomic.Pointer[chunk]
}

// packedChunk is some tokens that were compressed together.
type packedChunk struct {
	first, from, size int // token, byte of all text, unpacked bytes
	packed            []byte
}

// chunk is its text, which nobody changes.
type chunk struct {
	index int
	text  string
}

// readText reads what appendText has written; nil when it is damaged.
func readText(r *reader, n int) *textData {
	t := &textData{classes: r.packed()}
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
		t.classes = t.classes[:1:1]
	}
	t.ends = make([]uint32, n+1)
	end := 0
	for i := range n {
		end += lengths.count(MaxBytes)
		if end > MaxBytes {
			return nil
		}
		t.ends[i+1] = uint32(end)
	}
	sizes := reader{b: r.bytes()}
	first, from := 0, 0
	for len(sizes.b) > 0 {
		tokens, size, packed := sizes.count(n-first), sizes.count(maxUnpacked), r.take(sizes.count(len(r.b)))
		t.chunks = append(t.chunks, packedChunk{first, from, size, packed})
		first, from = first+tokens, from+size
		if first > n || from != int(t.ends[first]) {
			return nil
		}
	}
	if r.bad || lengths.bad || sizes.bad || len(lengths.b) > 0 || len(r.b) > 0 || first != n {
		return nil
	}
	return t
}

// mayHaveNull says whether some token is no string.
func (t *textData) mayHaveNull() bool { return bytes.IndexByte(t.classes, byte(bare)) >= 0 }

// token gives a token; last is the chunk used last, or nil.
func (t *textData) token(i int, last **chunk) (token, error) {
	how := class(t.classes[0])
	if len(t.classes) > 1 {
		how = class(t.classes[i])
	}
	if t.ends[i] == t.ends[i+1] {
		return token{"", how}, nil
	}
	c := *last
	if c == nil {
		if c = t.last.Load(); c == nil {
			c = &chunk{index: -1}
		}
	}
	if c.index < 0 || i < t.chunks[c.index].first || c.index+1 < len(t.chunks) && i >= t.chunks[c.index+1].first {
		index := sort.Search(len(t.chunks), func(k int) bool { return t.chunks[k].first > i }) - 1
		b, err := unpack(t.chunks[index].packed, t.chunks[index].size)
		if err != nil {
			return token{class: bare}, err
		}
		c = &chunk{index, view(b)}
		t.last.Store(c)
	}
	*last = c
	from := t.chunks[c.index].from
	return token{c.text[int(t.ends[i])-from : int(t.ends[i+1])-from], how}, nil
}
