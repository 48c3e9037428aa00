package journal

import "slices"

// An Entry is one entry of a journal as its file has it. A File fills it and uses its Fields slice
// again: an entry is good until the same Entry is handed to the next call. The strings in it never
// change and stay good for as long as somebody has them.
type Entry struct {
	SeqnumID  ID     // the chain of sequence numbers
	BootID    ID     // of the boot that Monotonic counts from
	Seqnum    uint64 // its number in the chain, from 1, without holes in an undamaged journal
	Realtime  uint64 // when journald received it, microseconds since 1970 UTC
	Monotonic uint64 // the same since BootID's boot, microseconds
	Xor       uint64 // of the hashes of its fields; part of its cursor
	Fields    []Field
}

// A Field is one FIELD=value of an entry. Values may hold any bytes; names may repeat in an entry.
type Field struct {
	Name, Value string
	// What the file keeps once for many entries; nil if the value is this entry's own. The same field in
	// a later entry mostly has the same *Data: what has been made of it once need not be made again.
	Data *Data
}

// Data is a field that many entries of a file share.
type Data struct {
	ID          uint64 // unique in this process
	Name, Value string
	Any         any // for the user of the package: what he has made of it. Never touched here
}

// Get returns the value of the first field called name, or "".
func (e *Entry) Get(name string) string {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i].Value
		}
	}
	return ""
}

// Cursor names the entry.
func (e *Entry) Cursor() Cursor {
	return Cursor{e.SeqnumID, e.Seqnum, e.BootID, e.Monotonic, e.Realtime, e.Xor}
}

// AppendCursor appends the text of the entry's cursor to b.
func (e *Entry) AppendCursor(b []byte) []byte {
	c := e.Cursor()
	return c.append(b)
}

// Clone returns an entry that stays as it is.
func (e *Entry) Clone() Entry {
	c := *e
	c.Fields = slices.Clone(e.Fields)
	return c
}

// absent is a field of an entry that is not in the cache.
type absent struct {
	at  int // in Fields
	off uint64
}

// numbers reads what an entry at off has before its fields, and says how large it is.
func (f *File) numbers(off uint64, e *Entry) (size uint64, err error) {
	b, size, err := f.object(off, objectEntry, entryItems)
	if err != nil {
		return 0, err
	}
	e.Seqnum, e.Realtime, e.Monotonic = le.Uint64(b[entrySeqnum:]), le.Uint64(b[entryRealtime:]), le.Uint64(b[entryMonotonic:])
	e.BootID, e.Xor = ID(b[entryBootID:entryXor]), le.Uint64(b[entryXor:])
	if e.Seqnum == 0 || e.Realtime == 0 || e.Realtime >= maxTime || e.Monotonic >= maxTime {
		return 0, damagedf("entry at byte %d has number %d and times %d and %d", off, e.Seqnum, e.Realtime, e.Monotonic)
	}
	return size, nil
}

// entry reads the entry at off; false without an error: it does not match. The fields it cannot read it leaves out.
func (f *File) entry(off uint64, e *Entry) (ok bool, err error) {
	size, err := f.numbers(off, e)
	if err != nil {
		return false, err
	}
	f.last, f.lastOff, f.some = e.Cursor(), off, true
	if n := size - entryItems; n == 0 || n > maxEntryObject || n%f.itemSize != 0 {
		return false, damagedf("entry at byte %d has %d bytes", off, size)
	}
	items, err := f.w.at(off+entryItems, int(size-entryItems))
	if err != nil {
		return false, err
	}
	if f.filter != nil && f.filter.early && !f.filter.passes(f, items) {
		return false, nil
	}
	f.absent = f.absent[:0]
	total := 0
	fields := slices.Grow(e.Fields, len(items)/int(f.itemSize))
	for ; uint64(len(items)) >= f.itemSize && total <= maxEntryBytes; items = items[f.itemSize:] {
		at := f.offset(items)
		fields = fields[:len(fields)+1]
		fl := &fields[len(fields)-1]
		d := f.shared.young.get(at)
		if d == nil {
			d = f.shared.getOld(at)
		}
		if d != nil {
			fl.Name, fl.Value, fl.Data = d.Name, d.Value, d
			total += len(d.Value)
			continue
		}
		*fl = Field{}
		f.absent = append(f.absent, absent{len(fields) - 1, at})
	}
	e.Fields = fields
	if err = f.find(e, total); err != nil {
		e.Fields = slices.DeleteFunc(e.Fields, func(fl Field) bool { return fl.Name == "" })
	}
	if f.filter != nil && !f.filter.early && !f.filter.passesFields(e) {
		return false, nil
	}
	return true, err
}

// find reads the fields that were not in the cache; total is what the others have. The error
// is that of the first that cannot be read, or one that goes by if there is such.
func (f *File) find(e *Entry, total int) (err error) {
	for _, a := range f.absent {
		if total > maxEntryBytes {
			break
		}
		var cost int
		var bad error
		if a.off == 0 {
			bad = ErrUnwritten
		} else if e.Fields[a.at], cost, bad = f.field(a.off); bad == nil {
			total += cost
			continue
		}
		total += cost
		if err == nil || !again(err) && again(bad) {
			err = bad
		}
	}
	if total > maxEntryBytes {
		return damagedf("an entry of more than %d bytes", maxEntryBytes)
	}
	return err
}
