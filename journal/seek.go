package journal

import "errors"

// settle goes where the last seek leads; Previous yields what it leads to, too.
func (f *File) settle(direction int) error {
	f.stuck = nil
	if f.sought == nil {
		return nil
	}
	if _, err := f.Refresh(); err != nil {
		return f.fail(&Entry{}, err)
	}
	at, err := f.sought(direction)
	if err != nil {
		f.forget()
		f.stuck = &EntryError{Again: true, Err: err}
		return f.stuck
	}
	f.next, f.prev, f.sought = at, at, nil
	return nil
}

// seek notes where to go; find says how many entries are before the place.
func (f *File) seek(find func(direction int) (uint64, error)) {
	f.sought, f.some = find, false
	if c := &f.main; c.broken == nil && c.salvaged == nil {
		c.n = f.h.Entries // what has been skipped may be there
	}
}

// SeekHead goes before the first entry.
func (f *File) SeekHead() {
	f.seek(func(int) (uint64, error) { return 0, nil })
}

// SeekTail goes behind the last entry.
func (f *File) SeekTail() {
	f.seek(func(int) (uint64, error) { return f.length() })
}

// SeekSeqnum goes to the entry with a number: Next yields it or else the first after it, Previous it or
// else the last before it.
func (f *File) SeekSeqnum(n uint64) {
	f.seek(func(direction int) (uint64, error) {
		return f.findSeqnum(direction, n)
	})
}

// findSeqnum does not go by numbers that the file cannot have.
func (f *File) findSeqnum(direction int, n uint64) (uint64, error) {
	return f.search(&f.main, direction, n, func(e *Entry) (uint64, error) {
		if h := &f.h; e.Seqnum < h.HeadSeqnum || e.Seqnum > max(h.TailSeqnum, h.HeadSeqnum+h.Entries) {
			return 0, errDamaged
		}
		return e.Seqnum, nil
	})
}

// SeekRealtime goes to the first entry of a time, in microseconds since 1970 UTC.
func (f *File) SeekRealtime(usec uint64) {
	f.seek(func(direction int) (uint64, error) { return f.findRealtime(direction, usec) })
}

func (f *File) findRealtime(direction int, usec uint64) (uint64, error) {
	return f.search(&f.main, direction, usec, func(e *Entry) (uint64, error) { return e.Realtime, nil })
}

// SeekMonotonic goes to the first entry of a time since a boot, in microseconds. If the file has nothing
// of that boot it goes behind the last entry.
func (f *File) SeekMonotonic(boot ID, usec uint64) {
	f.seek(func(direction int) (uint64, error) {
		at, ok, err := f.findMonotonic(direction, boot, usec)
		if err == nil && !ok {
			return f.length()
		}
		return at, err
	})
}

// findMonotonic goes by the list of the boot's entries, or if that is damaged by all entries; false: there are none.
func (f *File) findMonotonic(direction int, boot ID, usec uint64) (at uint64, ok bool, err error) {
	off, p, err := f.lookup("_BOOT_ID=" + boot.String())
	if err == nil && off == 0 {
		return 0, false, nil
	}
	c := &chain{first: p.entry, head: p.array, n: p.entries}
	if err == nil {
		at, err = f.search(c, direction, usec, func(e *Entry) (uint64, error) { return e.Monotonic, nil })
	}
	if err == nil && c.broken == nil && c.n > 0 {
		// In the file, entries are in the order in which they were written.
		after := at == c.n
		if after {
			at--
		}
		if off, err = f.entryAt(c, at); err == nil {
			at, err = f.searchBy(&f.main, off, func(i uint64) (uint64, error) { return f.entryAt(&f.main, i) })
		}
		if after {
			at++
		}
	}
	if err != nil && !passable(err) {
		return 0, false, err
	}
	if err != nil || c.broken != nil {
		return f.walkMonotonic(direction, boot, usec)
	}
	return at, c.n > 0, nil
}

// walkMonotonic looks at all entries.
func (f *File) walkMonotonic(direction int, boot ID, usec uint64) (at uint64, ok bool, err error) {
	n, err := f.length()
	if err != nil {
		return 0, false, err
	}
	for i := range n {
		var e Entry
		off, err := f.entryAt(&f.main, i)
		if err == nil {
			_, err = f.numbers(off, &e)
		}
		switch {
		case isChain(err):
			return at, ok, nil
		case !passable(err):
			return 0, false, err
		case err != nil || e.BootID != boot:
		case direction > 0 && e.Monotonic >= usec:
			return i, true, nil
		case e.Monotonic <= usec:
			at, ok = i+1, true
		case !ok:
			at, ok = i, true
		}
	}
	return at, ok, nil
}

// SeekCursor goes to the entry that c names, by its number if the file is of c's chain, else by its time
// in its boot if the file has that, else by its time: At tells then whether it is the very one.
func (f *File) SeekCursor(c Cursor) {
	f.seek(func(direction int) (uint64, error) {
		if c.SeqnumID == f.h.SeqnumID {
			return f.findSeqnum(direction, c.Seqnum)
		}
		if at, ok, err := f.findMonotonic(direction, c.BootID, c.Monotonic); ok || err != nil {
			return at, err
		}
		return f.findRealtime(direction, c.Realtime)
	})
}

// length is how many entries can be reached.
func (f *File) length() (uint64, error) {
	c := &f.main
	if c.n == 0 || c.salvaged != nil {
		return c.n, nil
	}
	if _, err := f.arrayOf(c, c.n-1); !passable(err) {
		return 0, err
	}
	return c.reach(), nil
}

// passable says whether err is nil or something about the file, not about reading it.
func passable(err error) bool {
	return err == nil || errors.Is(err, errDamaged) || errors.Is(err, ErrUnwritten)
}

// search says how many of c's entries have less than want or, backwards, not more.
func (f *File) search(c *chain, direction int, want uint64, of func(e *Entry) (uint64, error)) (uint64, error) {
	if direction < 0 {
		want = max(want, want+1)
	}
	return f.searchBy(c, want, func(i uint64) (uint64, error) {
		off, err := f.entryAt(c, i)
		if err != nil {
			return 0, err
		}
		var e Entry
		if _, err := f.numbers(off, &e); err != nil {
			return 0, err
		}
		return of(&e)
	})
}

// searchBy bisects c's entries, which ascend in a sound file. Where one cannot be read the next that can decides.
func (f *File) searchBy(c *chain, want uint64, value func(i uint64) (uint64, error)) (uint64, error) {
	low, high := uint64(0), c.n
	for low < high {
		mid := low + (high-low)/2
		at := mid
		for ; at < high; at++ {
			v, err := value(at)
			if err == nil && v < want {
				low = at + 1
			}
			if err == nil {
				break
			}
			if !passable(err) {
				return 0, err
			}
			if isChain(err) {
				break // nothing beyond
			}
		}
		if low <= mid {
			high = min(high, mid)
		}
	}
	return low, nil
}
