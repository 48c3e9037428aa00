package block

import (
	"encoding/binary"
	"hash/crc32"
	"slices"
)

// How a column is kept.
const (
	encConst byte = iota
	encDict
	encInts
	encText
)

// oneEach is set in how a column is kept when each row has one value.
const oneEach = 0x80

const (
	magic      = "pbk2"
	chunkSize  = 32 << 10  // of text that is compressed at once
	partSize   = 48 << 10  // small columns are put together into parts of this size
	pieceSize  = 128 << 10 // of chunks that are read from the disk at once
	maxEntries = 1<<16 - 1 // of a dictionary
	// maxDictText is how many bytes the distinct values of a dictionary may be.
	maxDictText = 256 << 10
)

// extent is where something stands: a part, and the bytes in it.
type extent struct{ part, from, size int }

// encoding is a block in the making.
type encoding struct {
	parts  [][]byte // the first is kept free for the header
	header []byte
	open   int // the part that small columns go into, 0 for none
	set    hashSet
}

// Encode makes a block of documents, whose rows are sorted by stream and time. The first of its parts is the directory,
// which Open needs; the others are needed for some columns each. All are needed to have the documents back.
//
// An error says that a document is none that Checker allows.
func Encode(docs []Doc) ([][]byte, error) {
	t, err := newTable(docs, true)
	if err != nil {
		return nil, err
	}
	e := encoding{parts: make([][]byte, 1)}
	lowest, highest := int64(0), int64(0)
	for i, d := range t.docs {
		if i == 0 || d.Time < lowest {
			lowest = d.Time
		}
		if i == 0 || d.Time > highest {
			highest = d.Time
		}
	}
	e.header = binary.AppendUvarint(e.header, uint64(len(t.docs)))
	e.header = binary.AppendVarint(binary.AppendVarint(e.header, lowest), highest)
	e.shapes(t)
	e.header = binary.AppendUvarint(e.header, uint64(len(t.paths)))
	var stamps []int64
	var list []token
	for i, path := range t.paths {
		e.header = appendBytes(e.header, path)
		list = tokens(list[:0], t.spans[i], t.docs)
		if f, ints := e.column(list, t.single(i)); path == timePath && f.kind == stamp {
			stamps = ints
		}
	}
	e.system(t, stamps)
	e.finish()
	return e.parts, nil
}

// finish makes the first part: the directory of the parts with their checksums, and the header.
func (e *encoding) finish() {
	directory := binary.AppendUvarint(nil, uint64(len(e.parts)-1))
	for _, p := range e.parts[1:] {
		directory = binary.AppendUvarint(directory, uint64(len(p)))
		directory = binary.LittleEndian.AppendUint32(directory, crc32.Checksum(p, castagnoli))
	}
	packed := appendPacked(nil, append(directory, e.header...))
	first := binary.LittleEndian.AppendUint32([]byte(magic), crc32.Checksum(packed, castagnoli))
	e.parts[0] = append(first, packed...)
}

// put keeps bytes in a part and writes into the header where.
func (e *encoding) put(b []byte) {
	at := extent{size: len(b)}
	if len(b) > 0 {
		if len(b) >= partSize/2 {
			at.part = len(e.parts)
			e.parts = append(e.parts, b)
		} else {
			if e.open == 0 || len(e.parts[e.open])+len(b) > partSize {
				e.open = len(e.parts)
				e.parts = append(e.parts, nil)
			}
			at.part, at.from = e.open, len(e.parts[e.open])
			e.parts[e.open] = append(e.parts[e.open], b...)
		}
	}
	for _, n := range []int{at.part, at.from, at.size} {
		e.header = binary.AppendUvarint(e.header, uint64(n))
	}
}

// shapes keeps the shapes' texts and the shape of each row.
func (e *encoding) shapes(t *table) {
	texts := binary.AppendUvarint(nil, uint64(len(t.shapes)))
	for _, s := range t.shapes {
		texts = appendBytes(texts, s.text)
	}
	e.put(appendPacked(nil, texts))
	e.put(appendCodes(nil, t.rows, len(t.shapes)))
}

// system keeps what is known about the documents. stamps are the values of @timestamp, if those are all times.
func (e *encoding) system(t *table, stamps []int64) {
	ids, times := make([]token, len(t.docs)), make([]int64, len(t.docs))
	seqs, versions := make([]int64, len(t.docs)), make([]int64, len(t.docs))
	for i, d := range t.docs {
		ids[i] = token{d.ID, plain}
		times[i], seqs[i], versions[i] = d.Time, d.Seq, d.Version
	}
	e.column(ids, true)
	// Most documents say their time themselves: then it is kept once.
	if slices.Equal(times, stamps) {
		e.put(nil)
	} else {
		e.put(appendPacked(nil, appendDeltas(nil, times)))
	}
	e.put(appendPacked(nil, appendDeltas(nil, seqs)))
	e.put(appendPacked(nil, appendDeltas(nil, versions)))
}

// timePath is the field that holds an event's time.
const timePath = "@timestamp"

// column keeps one column: what it is in the header, the data in a part, and the filter in another. single says that each row has one
// value. It returns the integers that it has kept the tokens as, if it has.
func (e *encoding) column(tokens []token, single bool) (form, []int64) {
	e.header = binary.AppendUvarint(e.header, uint64(len(tokens)))
	if len(tokens) == 0 {
		return form{}, nil
	}
	how := func(enc byte) {
		if single {
			enc |= oneEach
		}
		e.header = append(e.header, enc)
	}
	if entries, codes, ok := dictionary(tokens); ok {
		if len(entries) == 1 {
			how(encConst)
			e.put(appendToken(nil, entries[0]))
			return form{}, nil
		}
		how(encDict)
		var texts []byte
		for _, t := range entries {
			texts = appendToken(texts, t)
		}
		data := appendPacked(binary.AppendUvarint(nil, uint64(len(entries))), texts)
		e.put(appendCodes(data, codes, len(entries)))
		return form{}, nil
	}
	if f, ints, ok := formOf(tokens); ok {
		how(encInts)
		e.put(appendInts(f, ints))
		return f, ints
	}
	how(encText)
	e.put(e.filter(tokens))
	head, pieces := appendText(tokens)
	e.put(head)
	e.header = binary.AppendUvarint(e.header, uint64(len(pieces)))
	for _, p := range pieces {
		e.put(p)
	}
	return form{}, nil
}

func appendToken(to []byte, t token) []byte { return appendBytes(append(to, byte(t.class)), t.text) }

// dictionary gives each token the code of its distinct value, where there are few enough of those.
func dictionary(tokens []token) (entries []token, codes []uint16, ok bool) {
	limit := min(maxEntries, len(tokens)/8+1)
	known := make(map[token]uint16)
	codes = make([]uint16, len(tokens))
	size := 0
	for i, t := range tokens {
		if i > 0 && t == tokens[i-1] {
			codes[i] = codes[i-1]
			continue
		}
		code, ok := known[t]
		if !ok {
			if size += len(t.text); len(entries) == limit || size > maxDictText && len(entries) > 0 {
				return nil, nil, false
			}
			code = uint16(len(entries))
			known[t] = code
			entries = append(entries, t)
		}
		codes[i] = code
	}
	return entries, codes, true
}

func appendInts(f form, ints []int64) []byte {
	lowest, highest := ints[0], ints[0]
	for _, n := range ints {
		lowest, highest = min(lowest, n), max(highest, n)
	}
	b := append([]byte(nil), byte(f.kind), byte(f.width))
	b = appendBytes(b, f.prefix)
	b = binary.AppendVarint(binary.AppendVarint(b, lowest), highest)
	unit := f.unit()
	units := make([]int64, len(ints))
	for i, n := range ints {
		units[i] = n / unit
	}
	return appendPacked(b, appendDeltas(nil, units))
}

// filter is the bloom filter of a text column: of whole values and of words.
func (e *encoding) filter(tokens []token) []byte {
	e.set.reset()
	for i, t := range tokens {
		if i > 0 && t == tokens[i-1] {
			continue
		}
		text := t.text
		if t.class == escaped {
			text = unescape(text)
		}
		e.set.add(valueHash(text))
		words(text, func(w []byte) bool { e.set.add(wordHash(w)); return true })
	}
	var b []byte
	for _, w := range e.set.bloom() {
		b = binary.LittleEndian.AppendUint64(b, w)
	}
	return b
}
