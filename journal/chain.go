package journal

import (
	"errors"
	"fmt"
)

// chainItems is how many offsets are read together.
const chainItems = 1024

// A chain lists entries by their offset, in the order they were written: all of a file, or those that
// have one data object. It is a list of arrays, each with more room than the one before.
type chain struct {
	first  uint64 // of a data object: the first entry, which is in no array
	head   uint64 // the first array
	n      uint64 // entries in all, by the word of the file; less if an array is damaged
	broken error  // why less
	arrays []array
	begin  uint64 // index of the first of the offsets read …
	read   []uint64
	bytes  []byte

	salvaged []uint64 // offsets of those from index on: see Salvage
	index    uint64
}

type array struct {
	off   uint64
	begin uint64 // index of its first entry
	room  uint64 // entries
}

var errNoOffset = fmt.Errorf("%w: the entry's offset", ErrUnwritten)

// An errChain is not about one entry but about all from here on.
type errChain struct{ error }

func (e errChain) Unwrap() error { return e.error }

// isChain says whether err is an errChain.
func isChain(err error) bool {
	var all errChain
	return errors.As(err, &all)
}

// entryAt is the offset of c's i-th entry, from 0; i is less than c.n.
func (f *File) entryAt(c *chain, i uint64) (uint64, error) {
	if c.salvaged != nil && i >= c.index {
		return c.salvaged[i-c.index], nil
	}
	if i-c.begin >= uint64(len(c.read)) {
		if c.first != 0 && i == 0 {
			return c.first, nil
		}
		if err := f.readItems(c, i); err != nil {
			return 0, err
		}
	}
	off := c.read[i-c.begin]
	if off == 0 {
		return 0, errNoOffset
	}
	return off, nil
}

// readItems reads offsets of which i's is one.
func (f *File) readItems(c *chain, i uint64) error {
	a, err := f.arrayOf(c, i)
	if err != nil {
		return err
	}
	from := i
	if len(c.read) > 0 && i+1 == c.begin { // backwards
		from = max(a.begin, i-min(i, chainItems-1))
	}
	n := min(a.begin+a.room, c.n) - from
	n = min(n, chainItems)
	if c.bytes == nil {
		c.bytes = make([]byte, 8*chainItems)
		c.read = make([]uint64, 0, chainItems)
	}
	b := c.bytes[:n*f.offsetSize]
	got, err := f.w.full(b, a.off+arrayItems+(from-a.begin)*f.offsetSize)
	c.begin, c.read = from, c.read[:0]
	for b = b[:got]; uint64(len(b)) >= f.offsetSize; b = b[f.offsetSize:] {
		c.read = append(c.read, f.offset(b))
	}
	if i-from < uint64(len(c.read)) {
		return nil
	}
	if errors.Is(err, ErrUnwritten) {
		return errChain{err}
	}
	return err
}

// offset reads an offset of an entry or of data.
func (f *File) offset(b []byte) uint64 {
	if f.compact {
		return uint64(le.Uint32(b))
	}
	return le.Uint64(b)
}

// arrayOf finds the array that has the i-th entry.
func (f *File) arrayOf(c *chain, i uint64) (array, error) {
	for k := len(c.arrays) - 1; k >= 0; k-- {
		if a := c.arrays[k]; i >= a.begin {
			if i-a.begin < a.room {
				return a, nil
			}
			break
		}
	}
	for {
		last := array{off: 0}
		if c.first != 0 {
			last.room = 1
		}
		next := c.head
		if n := len(c.arrays); n > 0 {
			last = c.arrays[n-1]
			b, _, err := f.object(last.off, objectEntryArray, arrayItems)
			if err != nil {
				return array{}, f.breakOff(c, last.begin+last.room, err)
			}
			next = le.Uint64(b[arrayNext:])
		}
		end := last.begin + last.room
		if next == 0 {
			return array{}, errChain{fmt.Errorf("%w: the array of the %d. entry", ErrUnwritten, end+1)}
		}
		if next <= last.off || len(c.arrays) == maxArrays {
			return array{}, f.breakOff(c, end, damagedf("array of entries at byte %d is followed by that at %d", last.off, next))
		}
		_, size, err := f.object(next, objectEntryArray, arrayItems)
		if err != nil {
			return array{}, f.breakOff(c, end, err)
		}
		room := (size - arrayItems) / f.offsetSize
		if room == 0 || end+room < end {
			return array{}, f.breakOff(c, end, damagedf("array of entries at byte %d has room for %d", next, room))
		}
		a := array{next, end, room}
		c.arrays = append(c.arrays, a)
		if i-end < room {
			return a, nil
		}
	}
}

// breakOff ends a chain where it is damaged.
func (f *File) breakOff(c *chain, end uint64, err error) error {
	if !again(err) {
		c.n, c.broken = min(c.n, end), err
	}
	return errChain{err}
}

// again says whether the same may be found otherwise later.
func again(err error) bool { return !errors.Is(err, errDamaged) }

// forget makes sure that offsets are read anew.
func (c *chain) forget() { c.read = c.read[:0] }

// reach is how many entries the arrays that have been found have room for, of those that there are.
func (c *chain) reach() uint64 {
	if k := len(c.arrays); k > 0 {
		return min(c.n, c.arrays[k-1].begin+c.arrays[k-1].room)
	}
	if c.first != 0 {
		return min(c.n, 1)
	}
	return 0
}
