package journal

import (
	"bytes"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
)

var dataIDs atomic.Uint64

// A payload is what a data object says of itself, and what it holds.
type payload struct {
	off         uint64
	size        uint64 // of what it holds, as it is in the file
	compression byte
	entries     uint64 // that have it
	entry       uint64 // the first of them …
	array       uint64 // … and the array of the others
	hash        uint64
	nextHash    uint64
	nextField   uint64
}

// payload reads the data object at off.
func (f *File) payload(off uint64) (p payload, err error) {
	b, size, err := f.object(off, objectData, f.dataStart)
	if err != nil {
		return p, err
	}
	return payload{
		off: off, size: size - uint64(f.dataStart), compression: b[1],
		hash: le.Uint64(b[dataHash:]), nextHash: le.Uint64(b[dataNextHash:]), nextField: le.Uint64(b[dataNextField:]),
		entry: le.Uint64(b[dataEntry:]), array: le.Uint64(b[dataEntryArray:]), entries: le.Uint64(b[dataEntries:]),
	}, nil
}

// text reads what p holds, unpacked: the first bytes, at most longest, good until the next read. cost is how many
// bytes that took.
func (f *File) text(p *payload, longest uint64) (b []byte, cost int, err error) {
	n := min(p.size, longest)
	if p.compression != 0 {
		n = min(p.size, packedMax(longest, p.size))
	}
	if b, err = f.w.at(p.off+uint64(f.dataStart), int(n)); err != nil || p.compression == 0 {
		return b, int(n), err
	}
	b, err = decompress(f.plain[:0], b, p.compression, int(longest))
	if f.plain = b[:0]; cap(b) > keepPlain {
		f.plain = nil
	}
	if err != nil {
		err = damagedf("data at byte %d: %v", p.off, err)
	}
	return b, max(len(b), int(n)), err
}

// keepPlain is the largest buffer that is kept for what is unpacked.
const keepPlain = 256 << 10

// field reads the field at off; of what the file keeps for many entries it keeps what it makes of it. cost is
// how many bytes it took.
func (f *File) field(off uint64) (fl Field, cost int, err error) {
	p, err := f.payload(off)
	if err != nil {
		return fl, 0, err
	}
	b, cost, err := f.text(&p, f.longest)
	if err != nil {
		return fl, cost, err
	}
	i := bytes.IndexByte(b, '=')
	if i <= 0 {
		return fl, cost, damagedf("data at byte %d has no field name", off)
	}
	if p.entries <= 1 {
		s := f.own.add(b)
		return Field{Name: s[:i], Value: s[i+1:]}, cost, nil
	}
	s := string(b)
	d := &Data{ID: dataIDs.Add(1), Name: s[:i], Value: s[i+1:]}
	f.shared.put(off, d)
	return Field{d.Name, d.Value, d}, cost, nil
}

// lookup finds the data object that holds text. 0 without an error: the file does not have it.
func (f *File) lookup(text string) (off uint64, p payload, err error) {
	h := f.hash([]byte(text))
	off, err = f.row(f.h.DataTable, f.h.DataTableSize, h)
	for err == nil && off != 0 {
		if p, err = f.payload(off); err != nil {
			break
		}
		if p.hash == h {
			b, _, err := f.text(&p, uint64(len(text))+1) // what is longer is something else
			if err != nil || string(b) == text {
				return off, p, err
			}
		}
		if p.nextHash != 0 && p.nextHash <= off {
			return 0, p, damagedf("data at byte %d is followed by that at %d", off, p.nextHash)
		}
		off = p.nextHash
	}
	return 0, p, err
}

// row reads where the row of a hash table begins in which h's objects are.
func (f *File) row(table, size, h uint64) (uint64, error) {
	rows := size / hashRow
	if rows == 0 || table < headerMin || table+size < table {
		return 0, damagedf("hash table of %d bytes at byte %d", size, table)
	}
	b, err := f.w.at(table+h%rows*hashRow, 8)
	if err != nil {
		return 0, err
	}
	return le.Uint64(b), nil
}

// Values yields the values that a field has in the file, each once; what is damaged ends them with an error.
func (f *File) Values(field string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		off, err := f.lastOf(field)
		for err == nil && off != 0 {
			var p payload
			var b []byte
			if p, err = f.payload(off); err == nil {
				b, _, err = f.text(&p, f.longest)
			}
			if value, ok := strings.CutPrefix(string(b), field+"="); err == nil && !ok {
				err = damagedf("data at byte %d is no %s", off, field)
			} else if err == nil && !yield(value, nil) {
				return
			}
			if err == nil && p.nextField >= off {
				err = damagedf("data at byte %d is followed by that at %d", off, p.nextField)
			}
			off = p.nextField
		}
		if err != nil {
			yield("", fmt.Errorf("cannot list the values of %s: %w", clip(field), err))
		}
	}
}

// lastOf finds the data object of a field that was written last.
func (f *File) lastOf(field string) (uint64, error) {
	off, err := f.row(f.h.FieldTable, f.h.FieldTableSize, f.hash([]byte(field)))
	for err == nil && off != 0 {
		b, size, err := f.object(off, objectField, fieldPayload)
		if err != nil {
			return 0, err
		}
		next, head := le.Uint64(b[dataNextHash:]), le.Uint64(b[fieldHead:])
		if size-fieldPayload == uint64(len(field)) {
			if b, err = f.w.at(off+fieldPayload, len(field)); err != nil {
				return 0, err
			}
			if string(b) == field {
				return head, nil
			}
		}
		if next != 0 && next <= off {
			return 0, damagedf("field at byte %d is followed by that at %d", off, next)
		}
		off = next
	}
	return 0, err
}
