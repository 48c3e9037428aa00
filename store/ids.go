package store

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// idTable says which block may have the document with an id: 8 bytes for each document of the blocks, at most three quarters full. An entry is
// the upper 40 bits of the id's hash and the number of the block. Which ids a block has is in its column of ids; the
// table can be made from those at any time.
type idTable struct {
	entries []uint64 // 0 is free
	n       int
}

// blockBits are the bits of an entry that tell the block.
const blockBits = 24

// maxBlock is the highest number that a block may have.
const maxBlock = 1<<blockBits - 1

func idHash(id string) uint64 { return xxhash.Sum64String(id) }

func (t *idTable) slot(hash uint64) int {
	hi, _ := bits.Mul64(hash, uint64(len(t.entries)))
	return int(hi)
}

// add notes that block has an id.
func (t *idTable) add(hash uint64, block int64) {
	if (t.n+1)*4 > len(t.entries)*3 {
		t.grow()
	}
	t.put(hash>>blockBits<<blockBits | uint64(block))
	t.n++
}

// put finds a place for an entry. Entries keep the order of their hashes' upper bits nearly: that is all slot looks at.
func (t *idTable) put(entry uint64) {
	i := t.slot(entry >> blockBits << blockBits)
	for t.entries[i] != 0 {
		if i++; i == len(t.entries) {
			i = 0
		}
	}
	t.entries[i] = entry
}

func (t *idTable) grow() {
	old := t.entries
	t.entries = make([]uint64, max(1024, len(old)*3/2))
	for _, e := range old {
		if e != 0 {
			t.put(e)
		}
	}
}

// find calls f with each block that may have an id, until it says false.
func (t *idTable) find(hash uint64, f func(block int64) bool) {
	if len(t.entries) == 0 {
		return
	}
	upper := hash >> blockBits
	for i := t.slot(upper << blockBits); t.entries[i] != 0; {
		if t.entries[i]>>blockBits == upper && !f(int64(t.entries[i]&maxBlock)) {
			return
		}
		if i++; i == len(t.entries) {
			i = 0
		}
	}
}

// move notes that what a block had is in another now.
func (t *idTable) move(hash uint64, from, to int64) {
	upper := hash >> blockBits
	for i := t.slot(upper << blockBits); len(t.entries) > 0 && t.entries[i] != 0; {
		if t.entries[i] == upper<<blockBits|uint64(from) {
			t.entries[i] = upper<<blockBits | uint64(to)
			return
		}
		if i++; i == len(t.entries) {
			i = 0
		}
	}
	t.add(hash, to)
}
