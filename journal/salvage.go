package journal

import "errors"

// maxSalvaged is how many entries one Salvage finds.
const maxSalvaged = 4 << 20

// Salvage looks through the rest of the file, from where File stands, for entries that the file's own index
// does not lead to, and says how many entries there are. If there are any, Next yields them in the order in
// which they were written, and File no longer goes by the index: what is written later takes another Salvage.
// What looks like an entry but is none, such as the text of a message, is left out as far as that can be told.
// An error says that the file could not be read in more than a thousand places.
//
// It takes a second for some 100 MB, and may take longer for what was made to be slow; holes of a reader that is a syscall.Conn, as *os.File, take none.
func (f *File) Salvage() (int, error) {
	if err := f.settle(1); err != nil {
		return 0, err
	}
	f.forget()
	if h, err := ReadHeader(f.r); err == nil && h.SeqnumID == f.h.SeqnumID {
		f.h = h
	}
	pos := max(f.h.Size&^7, headerMin)
	if pos > 4096 {
		pos = headerMin // what every header has; the rest is looked through
	}
	c := &f.main
	if f.next > 0 {
		off, err := f.entryAt(c, f.next-1)
		if err != nil {
			off = f.lastOff
		}
		pos = max(pos, off&^7+8)
	}
	found, err := f.scan(pos)
	if len(found) == 0 {
		return 0, err
	}
	if c.salvaged == nil || f.next < c.index {
		c.index, c.salvaged = f.next, nil
	}
	c.salvaged = append(c.salvaged[:f.next-c.index], found...)
	c.n, f.told = f.next+uint64(len(found)), true
	return len(found), err
}

// scan finds the entries from pos on. It goes from object to object, and where there is none by the
// eight bytes that objects are aligned to.
func (f *File) scan(pos uint64) (found []uint64, err error) {
	const page, most = 4096, 1024
	for bad := 0; len(found) < maxSalvaged; {
		size, kind, err := f.objectAt(pos)
		switch {
		case errors.Is(err, ErrUnwritten):
			return found, nil // the file's end
		case err != nil && !errors.Is(err, errDamaged):
			if bad++; bad > most {
				return found, err
			}
			pos = (pos + page) &^ (page - 1) // one place that cannot be read is not the end
			continue
		case err != nil:
			if pos, err = f.pastZeros(pos + 8); err != nil {
				return found, nil
			}
			continue
		}
		entry := kind == objectEntry && f.looksRight(pos)
		if entry {
			found = append(found, pos)
		}
		// The size is good if it leads to another object, and that not by chance.
		next := pos + (size+7)&^7
		if _, _, err := f.objectAt(next); err != nil || kind == objectEntry && !entry || kind == objectData && !f.hashed(pos, size) {
			next = pos + 8
		}
		pos = next
	}
	return found, nil
}

// pastZeros returns where there is something from pos on, and an error where the file has nothing more: a file may be far larger
// than what is in it.
func (f *File) pastZeros(pos uint64) (uint64, error) {
	const long = 256 << 10
	for began := pos; ; pos += 8 {
		if b, err := f.w.at(pos, 8); err != nil || le.Uint64(b) != 0 {
			return pos, nil // the caller finds out
		}
		if pos-began < long {
			continue
		}
		next, err := dataFrom(f.r, pos)
		if err != nil {
			return pos, err
		}
		if next > pos {
			pos = next&^7 - 8
		}
		began = pos
	}
}

// objectAt looks whether there may be an object at pos.
func (f *File) objectAt(pos uint64) (size uint64, kind byte, err error) {
	b, err := f.w.at(pos, objectHeader)
	if err != nil {
		return 0, 0, err
	}
	size, kind = le.Uint64(b[8:]), b[0]
	if kind == 0 || kind >= objectTypes || size < objectHeader || pos+size < pos ||
		le.Uint64(b)>>16 != 0 || b[1] != 0 && (kind != objectData || b[1] > compressedZstd) {
		return 0, 0, errDamaged
	}
	return size, kind, nil
}

// hashed says whether the data object at off has the hash that it says it has, if that is easily told.
func (f *File) hashed(off, size uint64) bool {
	if size <= uint64(f.dataStart) {
		return false
	}
	p, err := f.payload(off)
	if err != nil || p.compression != 0 || p.size > windowMax {
		return err == nil
	}
	b, _, err := f.text(&p, p.size)
	return err == nil && f.hash(b) == p.hash
}

// looksRight says whether the object at off is an entry of this file: its number can be one, and
// most of its fields are data that precede it.
func (f *File) looksRight(off uint64) bool {
	var e Entry
	size, err := f.numbers(off, &e)
	n := size - entryItems
	if err != nil || n == 0 || n > maxEntryObject || n%f.itemSize != 0 {
		return false
	}
	if h := &f.h; e.BootID.IsZero() || h.HeadSeqnum > 0 && e.Seqnum < h.HeadSeqnum || e.Seqnum > max(h.TailSeqnum, h.HeadSeqnum+h.Entries) {
		return false
	}
	b, err := f.w.at(off+entryItems, int(n))
	if err != nil {
		return false
	}
	items := make([]uint64, 0, 64)
	for ; len(b) > 0 && len(items) < cap(items); b = b[f.itemSize:] {
		items = append(items, f.offset(b))
	}
	good := 0
	for _, at := range items {
		if at >= off {
			continue
		}
		if f.shared.get(at) != nil {
			good++
		} else if _, _, err := f.object(at, objectData, f.dataStart); err == nil {
			good++
		}
	}
	return 2*good > len(items)
}
