package journalgen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"os/exec"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// A Compression is what long values of a journal file are compressed with. One systemd writes one
// of them, that which it was built or told to use, and reads all.
type Compression int

// The compressions that systemd has written since 2012.
const (
	None Compression = iota
	XZ
	LZ4
	ZSTD
)

// A Format is one of the layouts that journal files have had.
type Format struct {
	Compact     bool        // offsets of 32 bits: systemd 252 and later
	KeyedHash   bool        // SipHash with the file's id instead of Jenkins' hash: systemd 246 and later
	Compression Compression // of values that have Threshold bytes, and are shorter then
	Threshold   int         // 0: 512, as journald's default is
	Buckets     int         // of the table of values; few make long chains. 0: 61
	HeaderSize  int         // 208 to 272, as systemd 187 to 254 write; 0: 264 (252)
}

// States of a journal file.
const (
	Offline byte = iota
	Online
	Archived
)

// An ImageEntry is one entry. Fields are NAME=value; any bytes may be in the value.
type ImageEntry struct {
	Seqnum, Realtime, Monotonic uint64
	Boot                        [16]byte
	Fields                      [][]byte
}

// An Image is a journal file made byte by byte in memory, in any format: also in those that the
// installed systemd-journal-remote does not write. It is small: a few KiB, where journald begins
// with 8 MiB. What it makes passes `journalctl --verify`.
type Image struct {
	format   Format
	b        []byte
	data     map[string]uint64 // offset by payload
	fields   map[string]uint64 // offset by name
	chains   map[uint64]*arrayChain
	head     ImageEntry
	tail     ImageEntry
	tailObj  uint64
	tailPos  uint64 // of the last entry
	entries  uint64
	objects  uint64
	arrays   uint64
	all      arrayChain
	fileID   [16]byte
	machine  [16]byte
	seqnumID [16]byte
}

// An arrayChain is a list of entries, in arrays that double.
type arrayChain struct {
	first, last uint64 // offsets of arrays
	size, used  int    // of the last
}

// Object types and where objects have what we write later.
const (
	objData = 1 + iota
	objField
	objEntry
	objDataTable
	objFieldTable
	objArray

	fieldBuckets = 23
)

// NewImage begins an empty file.
func NewImage(f Format, file, machine, seqnumID [16]byte) *Image {
	if f.Threshold == 0 {
		f.Threshold = 512
	}
	if f.Buckets == 0 {
		f.Buckets = 61
	}
	if f.HeaderSize == 0 {
		f.HeaderSize = 264
	}
	m := &Image{format: f, data: map[string]uint64{}, fields: map[string]uint64{}, chains: map[uint64]*arrayChain{},
		fileID: file, machine: machine, seqnumID: seqnumID}
	m.b = make([]byte, f.HeaderSize)
	copy(m.b, "LPKSHHRH")
	copy(m.b[24:], file[:])
	copy(m.b[40:], machine[:])
	copy(m.b[72:], seqnumID[:])
	m.put(88, uint64(f.HeaderSize))
	flags := uint32(0)
	if f.Compression != None {
		flags |= [...]uint32{0, 1, 2, 8}[f.Compression]
	}
	if f.KeyedHash {
		flags |= 4
	}
	if f.Compact {
		flags |= 16
	}
	binary.LittleEndian.PutUint32(m.b[12:], flags)
	table := m.object(objFieldTable, 0, make([]byte, 16*fieldBuckets))
	m.put(120, table+16)
	m.put(128, 16*fieldBuckets)
	table = m.object(objDataTable, 0, make([]byte, 16*f.Buckets))
	m.put(104, table+16)
	m.put(112, uint64(16*f.Buckets))
	return m
}

// Entries is how many entries have been appended.
func (m *Image) Entries() int { return int(m.entries) }

// EntryOffset is where the last entry begins.
func (m *Image) EntryOffset() uint64 { return m.tailPos }

// Append adds an entry: its fields in the order in which the file first had them, each once.
func (m *Image) Append(e ImageEntry) {
	type item struct{ offset, hash uint64 }
	var items []item
	var xor uint64
	for _, payload := range e.Fields {
		xor ^= Jenkins(payload)
		items = append(items, item{m.addData(payload), m.hash(payload)})
	}
	slices.SortFunc(items, func(a, b item) int { return int(int64(a.offset - b.offset)) })
	items = slices.Compact(items)
	b := binary.LittleEndian.AppendUint64(nil, e.Seqnum)
	b = binary.LittleEndian.AppendUint64(b, e.Realtime)
	b = binary.LittleEndian.AppendUint64(b, e.Monotonic)
	b = append(b, e.Boot[:]...)
	b = binary.LittleEndian.AppendUint64(b, xor)
	for _, it := range items {
		if m.format.Compact {
			b = binary.LittleEndian.AppendUint32(b, uint32(it.offset))
			continue
		}
		b = binary.LittleEndian.AppendUint64(b, it.offset)
		b = binary.LittleEndian.AppendUint64(b, it.hash)
	}
	at := m.object(objEntry, 0, b)
	m.link(&m.all, at)
	if m.entries++; m.entries == 1 {
		m.head = e
		m.put(176, m.all.first)
	}
	m.tail, m.tailPos = e, at
	for _, it := range items {
		m.linkData(it.offset, at)
	}
}

// linkData says of a value that the entry at has it: the first in the value itself, others in arrays.
func (m *Image) linkData(data, at uint64) {
	n := binary.LittleEndian.Uint64(m.b[data+56:])
	m.put(data+56, n+1)
	if n == 0 {
		m.put(data+40, at)
		return
	}
	c := m.chains[data]
	if c == nil {
		c = &arrayChain{}
		m.chains[data] = c
	}
	m.link(c, at)
	m.put(data+48, c.first)
	if m.format.Compact {
		binary.LittleEndian.PutUint32(m.b[data+64:], uint32(c.last))
		binary.LittleEndian.PutUint32(m.b[data+68:], uint32(c.used))
	}
}

// link appends an offset to a chain of arrays.
func (m *Image) link(c *arrayChain, at uint64) {
	size := 8
	if m.format.Compact {
		size = 4
	}
	if c.used == c.size {
		n := max(4, 2*c.size)
		array := m.object(objArray, 0, make([]byte, 8+n*size))
		m.arrays++
		if c.last == 0 {
			c.first = array
		} else {
			m.put(c.last+16, array)
		}
		c.last, c.size, c.used = array, n, 0
	}
	slot := c.last + 24 + uint64(c.used*size)
	if m.format.Compact {
		binary.LittleEndian.PutUint32(m.b[slot:], uint32(at))
	} else {
		m.put(slot, at)
	}
	c.used++
}

// addData is the offset of a value's object, which is made if it is new.
func (m *Image) addData(payload []byte) uint64 {
	if at, ok := m.data[string(payload)]; ok {
		return at
	}
	name, _, _ := bytes.Cut(payload, []byte("="))
	field, ok := m.fields[string(name)]
	if !ok {
		b := binary.LittleEndian.AppendUint64(nil, m.hash(name))
		field = m.object(objField, 0, append(append(b, make([]byte, 16)...), name...))
		m.fields[string(name)] = field
		m.chain(120, m.hash(name), field)
	}
	hash := m.hash(payload)
	stored, flag := payload, byte(0)
	if len(payload) >= m.format.Threshold && m.format.Compression != None {
		if c := m.format.Compression.compress(payload); len(c) < len(payload) {
			stored, flag = c, [...]byte{0, 1, 2, 4}[m.format.Compression]
		}
	}
	head := make([]byte, 48)
	if m.format.Compact {
		head = make([]byte, 56)
	}
	binary.LittleEndian.PutUint64(head, hash)
	binary.LittleEndian.PutUint64(head[16:], binary.LittleEndian.Uint64(m.b[field+32:])) // the field's other values
	at := m.object(objData, flag, append(head, stored...))
	m.put(field+32, at)
	m.chain(104, hash, at)
	m.data[string(payload)] = at
	return at
}

// chain hangs an object at the end of its bucket. Values and names have their links at one place.
func (m *Image) chain(table int, hash, at uint64) {
	items := binary.LittleEndian.Uint64(m.b[table:])
	n := binary.LittleEndian.Uint64(m.b[table+8:]) / 16
	bucket := items + hash%n*16
	if last := binary.LittleEndian.Uint64(m.b[bucket+8:]); last == 0 {
		m.put(bucket, at)
	} else {
		m.put(last+24, at)
	}
	m.put(bucket+8, at)
}

// object appends an object and returns its offset.
func (m *Image) object(kind, flags byte, body []byte) uint64 {
	at := uint64(len(m.b))
	m.b = append(m.b, kind, flags, 0, 0, 0, 0, 0, 0)
	m.b = binary.LittleEndian.AppendUint64(m.b, uint64(16+len(body)))
	m.b = append(m.b, body...)
	m.b = append(m.b, make([]byte, -len(m.b)&7)...)
	m.tailObj = at
	m.objects++
	return at
}

func (m *Image) put(at, v uint64) { binary.LittleEndian.PutUint64(m.b[at:], v) }

// Bytes is the whole file in one of the states. The image may be appended to afterwards; the bytes
// are the caller's.
func (m *Image) Bytes(state byte) []byte {
	b := slices.Clone(m.b)
	b[offState] = state
	put := func(at int, v uint64) {
		if at+8 <= m.format.HeaderSize {
			binary.LittleEndian.PutUint64(b[at:], v)
		}
	}
	copy(b[56:72], m.tail.Boot[:])
	put(offArenaSize, uint64(len(b)-m.format.HeaderSize))
	put(offTailObject, m.tailObj)
	put(144, m.objects)
	put(offEntries, m.entries)
	put(offTailSeqnum, m.tail.Seqnum)
	put(offHeadSeqnum, m.head.Seqnum)
	put(offHeadRealtime, m.head.Realtime)
	put(192, m.tail.Realtime)
	put(200, m.tail.Monotonic)
	put(208, uint64(len(m.data)))
	put(216, uint64(len(m.fields)))
	put(232, m.arrays)
	if m.format.HeaderSize >= 264 {
		binary.LittleEndian.PutUint32(b[256:], uint32(m.all.last))
		binary.LittleEndian.PutUint32(b[260:], uint32(m.all.used))
	}
	put(264, m.tailPos)
	return b
}

func (m *Image) hash(b []byte) uint64 {
	if m.format.KeyedHash {
		return sipHash(m.fileID, b)
	}
	return Jenkins(b)
}

var zstdEncoder, _ = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))

// compress is b as systemd stores it; longer than b if it cannot be made shorter.
func (c Compression) compress(b []byte) []byte {
	switch c {
	case LZ4:
		out := make([]byte, 8+lz4.CompressBlockBound(len(b)))
		binary.LittleEndian.PutUint64(out, uint64(len(b)))
		n, err := lz4.CompressBlock(b, out[8:], nil)
		if err != nil || n == 0 {
			return append(b, make([]byte, 8)...)
		}
		return out[:8+n]
	case ZSTD:
		return zstdEncoder.EncodeAll(b, nil)
	case XZ:
		return xz(b)
	}
	return b
}

var xzMade sync.Map // what the xz program has made of values that come again

// xz compresses with the program of that name: the Go libraries that podbeat has only read.
func xz(b []byte) []byte {
	if made, ok := xzMade.Load(string(b)); ok {
		return made.([]byte)
	}
	cmd := exec.Command("xz", "--format=xz", "--check=none", "--stdout")
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		panic(fmt.Sprintf("cannot compress with xz (apt-get install xz-utils): %v", err))
	}
	xzMade.Store(string(b), out)
	return out
}

// sipHash is SipHash-2-4, by its authors' description.
func sipHash(key [16]byte, b []byte) uint64 {
	k0, k1 := binary.LittleEndian.Uint64(key[:]), binary.LittleEndian.Uint64(key[8:])
	v0, v1, v2, v3 := k0^0x736f6d6570736575, k1^0x646f72616e646f6d, k0^0x6c7967656e657261, k1^0x7465646279746573
	round := func() {
		v0 += v1
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v0 = bits.RotateLeft64(v0, 32)
		v2 += v3
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 += v3
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v2 += v1
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	word := func(w uint64) {
		v3 ^= w
		round()
		round()
		v0 ^= w
	}
	n := len(b)
	for ; len(b) >= 8; b = b[8:] {
		word(binary.LittleEndian.Uint64(b))
	}
	last := uint64(n) << 56
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
	word(last)
	v2 ^= 0xff
	for range 4 {
		round()
	}
	return v0 ^ v1 ^ v2 ^ v3
}

// Jenkins is the hash of values and names in files without keyed hashes, and what an entry's xor
// hash is made of in all: hashlittle2 of lookup3, public domain.
func Jenkins(k []byte) uint64 {
	n := uint32(len(k))
	a := 0xdeadbeef + n
	b, c := a, a
	part := func(i int) uint32 {
		var w [4]byte
		if i < len(k) {
			copy(w[:], k[i:])
		}
		return binary.LittleEndian.Uint32(w[:])
	}
	for ; len(k) > 12; k = k[12:] {
		a, b, c = a+part(0), b+part(4), c+part(8)
		a = (a - c) ^ bits.RotateLeft32(c, 4)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 6)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 8)
		b += a
		a = (a - c) ^ bits.RotateLeft32(c, 16)
		c += b
		b = (b - a) ^ bits.RotateLeft32(a, 19)
		a += c
		c = (c - b) ^ bits.RotateLeft32(b, 4)
		b += a
	}
	if len(k) > 0 {
		a, b, c = a+part(0), b+part(4), c+part(8)
		c = (c ^ b) - bits.RotateLeft32(b, 14)
		a = (a ^ c) - bits.RotateLeft32(c, 11)
		b = (b ^ a) - bits.RotateLeft32(a, 25)
		c = (c ^ b) - bits.RotateLeft32(b, 16)
		a = (a ^ c) - bits.RotateLeft32(c, 4)
		b = (b ^ a) - bits.RotateLeft32(a, 14)
		c = (c ^ b) - bits.RotateLeft32(b, 24)
	}
	return uint64(c)<<32 | uint64(b)
}
