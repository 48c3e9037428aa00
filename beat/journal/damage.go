package journal

import (
	"fmt"
	"time"
)

// What package journal does with damage: an entry or a field that is none is an error, after which it goes on; what is
// not there yet is one that it tries again, so whoever reads decides how long (beingWritten); where the file's own
// list of entries is broken it ends, and looks for them when it is told to (salvage). A wrong number is for its user to
// find: probe and lie do, by the entries' times. Of a header it takes all but the signature and the flags.
//
// What libsystemd does with damage, and what is done about it here (systemd 252; every case is in
// damage_test.go):
//   - an entry that is no entry: passed over in silence; the number is missing, and counted as a gap;
//   - a field that is no field: left out in silence; nothing to be done;
//   - an array of entries that is none: the rest of the file is passed over as if it were the end,
//     or the file dropped from the set; a seek gets beyond it, or the arrays of a field's entries do;
//   - a number too high: everything up to it is passed over; too low: that entry is. probe finds both;
//   - a file shorter than it says, or with a header that makes no sense: refused. It is read with a
//     mended header.

const (
	// maxRepairs bounds how often one file is recovered.
	maxRepairs = 1000
	// maxAround bounds the values of a field that lead around a damaged place.
	maxAround = 64
)

// damage counts the file as damaged, once, and says what was found first.
func (f *file) damage(cause error) {
	if f.damaged {
		return
	}
	f.damaged = true
	f.r.metrics.files.corrupt.Inc()
	f.r.log.Warnf("Journal file %q is damaged, reading what is left of it: %v", f.path, cause)
}

// recover looks for entries beyond the place where the file seems to end. It finishes a file that
// has none and will get none.
func (f *file) recover(now time.Time) bool {
	if f.hidden.last != f.last || f.hidden.tail != f.hdr.TailSeqnum {
		f.hidden = hiddenTail{last: f.last, tail: f.hdr.TailSeqnum, since: now}
	}
	if !f.hidden.tried && f.repairs < maxRepairs {
		f.repairs++
		f.r.metrics.reopened.Inc()
		if e, ok := f.beyond(); ok {
			f.damage(fmt.Errorf("what follows number %d cannot be read", f.last))
			f.push(e)
			return true
		}
		if f.rd == nil { // no memory, no descriptors: that is not the file's fault
			f.failed, f.retry = now, now.Add(f.r.poll)
			f.r.waiting(f)
			return false
		}
		f.hidden.tried = true
	}
	switch {
	case f.final():
		if f.hides() {
			f.damage(fmt.Errorf("numbers %d to %d cannot be read", f.last+1, f.promised()))
		}
		f.finish()
	case f.hides():
		f.r.gaps.promise(&f.chain.numbers, f.promised())
		fallthrough
	default:
		// Somebody still writes to it: begin again where it is now, but not too often.
		if f.rd == nil || f.rd.dropped() {
			f.closeReader()
			f.retry = now.Add(f.r.poll)
			f.r.waiting(f)
		}
	}
	return false
}

// beyond finds the first entry after f.last that can be reached, and leaves the reader there.
func (f *file) beyond() (Entry, bool) {
	if f.via == "" {
		if e, ok := f.salvaged(); ok {
			return e, true
		}
		if e, ok := f.hiddenAfter(nil); ok {
			return e, true
		}
		if e, ok := f.walk(func(e *Entry) bool { return e.Seqnum > f.last && e.Seqnum <= f.hdr.TailSeqnum }); ok {
			return e, true
		}
		if e, ok := f.jump(); ok {
			return e, true
		}
	}
	for f.detour < len(detours) {
		field := detours[f.detour]
		f.detour++
		if !f.alive("") {
			break
		}
		values := f.rd.unique(field)
		if len(values) == 0 {
			continue
		}
		f.around = matchGroup{fieldTerm(field, values[:min(len(values), maxAround)])}
		if e, ok := f.try(field, f.last+1); ok {
			return e, true
		}
	}
	return Entry{}, false
}

// salvaged finds what nothing leads to.
func (f *file) salvaged() (e Entry, ok bool) {
	if f.rd == nil || !f.rd.salvage() {
		return e, false
	}
	for bad := 0; bad <= 100; {
		ok, err := f.rd.next(&e)
		switch {
		case ok && e.Seqnum > f.last && e.Seqnum <= f.hdr.TailSeqnum:
			return e, true
		case !ok && err == nil:
			return e, false
		case err != nil:
			f.rd.skip()
			bad++
		}
	}
	return e, false
}

// detours are fields that most entries have with few values. Every value has an array of its entries:
// where the file's own array is damaged, these lead around.
var detours = []string{"_BOOT_ID", "_MACHINE_ID", "_TRANSPORT", "PRIORITY"}

// walk goes back a little and from there forward to the first entry that is wanted: next gets by
// entries that stop a seek.
func (f *file) walk(wanted func(e *Entry) bool) (Entry, bool) {
	for back := uint64(0); back < f.last && back <= 1024; back = max(1, 2*back) {
		if !f.alive("") || f.rd.seekSeqnum(f.chain.id, f.last-back) != nil {
			return Entry{}, false
		}
		for range 2*back + 16 {
			var e Entry
			ok, err := f.rd.next(&e)
			if ok && wanted(&e) {
				return e, true
			}
			if !ok && err == nil {
				break
			}
			f.rd.skip()
		}
	}
	return Entry{}, false
}

// jump seeks farther and farther ahead, and then back to the first number that can be reached.
func (f *file) jump() (Entry, bool) {
	tail := max(f.hdr.TailSeqnum, f.last+1)
	for d := uint64(1); d <= tail-f.last && d < 1<<40; d *= 2 {
		if _, ok := f.try("", f.last+d); !ok {
			continue
		}
		for low := d / 2; d-low > 1; { // low did not work, d did
			mid := (low + d) / 2
			if _, ok := f.try("", f.last+mid); ok {
				d = mid
			} else {
				low = mid
			}
		}
		return f.try("", f.last+d)
	}
	return Entry{}, false
}

// alive makes sure that libsystemd has the file.
func (f *file) alive(via string) bool {
	return f.rd != nil && f.via == via && !f.rd.dropped() || f.reopen(via) == nil
}

// try reads the entry at a number or, if that is not there, the next.
func (f *file) try(via string, seqnum uint64) (Entry, bool) {
	if !f.alive(via) || f.rd.seekSeqnum(f.chain.id, seqnum) != nil {
		return Entry{}, false
	}
	var e Entry
	ok, _ := f.rd.next(&e)
	return e, ok && e.SeqnumID == f.chain.id && e.Seqnum > f.last && e.Seqnum <= f.limit(e.Seqnum)
}

// mayProbe says whether the jump in numbers before e is to be looked into. Where one counter serves
// several files jumps are normal, so only a share of the entries is.
func (f *file) mayProbe() bool {
	if len(f.r.filter) > 0 || f.via != "" {
		return false
	}
	if f.hdr.contiguous() {
		return true
	}
	f.probes++
	return f.probes <= 64+f.passes/16
}

// probe looks into a jump in numbers before e: libsystemd orders a file's entries by number, so
// one damaged number hides others. Time within a boot, which only grows, tells what is really
// there. The entries found are pushed, and the reader stands after them.
func (f *file) probe(e Entry) {
	f.refresh()
	last := f.last
	if f.sought {
		// A seek may come out behind entries that a damaged one hides from it.
		if w, ok := f.walk(func(w *Entry) bool { return w.Seqnum > last }); ok && w.Seqnum < e.Seqnum {
			f.push(w)
			return
		}
	}
	if h, ok := f.hiddenAfter(&e); ok {
		f.damage(fmt.Errorf("number %d hides others", e.Seqnum))
		f.push(h)
		return // e comes again
	}
	if d, ok := f.follows(&e); ok && d.Seqnum > last && d.Seqnum < e.Seqnum {
		f.damage(fmt.Errorf("entry %d is numbered %d", last+1, e.Seqnum))
		if d.Seqnum > last+1 {
			e.Seqnum = last + 1 // the number that its neighbours leave it
			f.push(e)
		} else {
			f.r.metrics.errors.Inc()
		}
		f.push(d)
		return
	}
	if f.hdr.contiguous() {
		f.damage(fmt.Errorf("numbers %d to %d cannot be read", last+1, e.Seqnum-1))
	}
	if !f.returnTo(&e) {
		f.r.metrics.errors.Inc()
	}
	f.push(e)
}

// lie deals with an entry whose number is beyond any that the file can have; false means that
// nothing has come of it. By number everything else comes before it, so the reader must be set behind it.
func (f *file) lie(e Entry) bool {
	if f.liars[e.place()] || len(f.liars) >= maxRepairs {
		d, ok := f.jump()
		if ok {
			f.push(d)
		}
		return ok
	}
	if f.liars == nil {
		f.liars = map[cursor]bool{}
	}
	f.liars[e.place()] = true
	n := f.last + 1
	if !f.known {
		n = max(f.hdr.HeadSeqnum, f.chain.last+1)
	}
	f.damage(fmt.Errorf("entry %d is numbered %d", n, e.Seqnum))
	d, ok := f.follows(&e)
	if n > f.hdr.TailSeqnum || ok && d.Seqnum == n {
		f.r.metrics.errors.Inc() // there is no number left for it
	} else {
		e.Seqnum = n // the number that its neighbours leave it
		f.push(e)
	}
	if ok && d.Seqnum > f.last && d.Seqnum <= f.hdr.TailSeqnum {
		f.push(d)
	}
	return f.readAhead()
}

// hiddenAfter reads the entry that by time comes after the last one, if it is another than before,
// which by number does. One whose number is too low gets the number it must have had.
func (f *file) hiddenAfter(before *Entry) (Entry, bool) {
	if f.lastBoot == "" {
		return Entry{}, false
	}
	h, ok := f.afterTime(f.lastBoot, f.lastMono)
	if !ok {
		return Entry{}, false
	}
	if before != nil {
		if h.place() == before.place() || h.Seqnum > before.Seqnum || h.BootID == before.BootID && h.Monotonic > before.Monotonic {
			return Entry{}, false
		}
	} else if h.Seqnum > f.hdr.TailSeqnum {
		return Entry{}, false
	}
	if h.Seqnum <= f.last {
		h.Seqnum = f.last + 1 // the number that its neighbours leave it
	}
	return h, true
}

// follows reads the entry that by time comes after e.
func (f *file) follows(e *Entry) (Entry, bool) { return f.afterTime(e.BootID, e.Monotonic) }

func (f *file) afterTime(boot string, mono uint64) (Entry, bool) {
	if !f.alive("") || f.rd.seekMonotonic(boot, mono+1) != nil {
		return Entry{}, false
	}
	var e Entry
	ok, _ := f.rd.next(&e)
	return e, ok && e.BootID == boot && e.Monotonic > mono
}

// returnTo sets the reader to e again.
func (f *file) returnTo(e *Entry) bool {
	if !f.alive("") {
		return false
	}
	var again Entry
	if f.rd.seekCursor(e.place()) == nil {
		if ok, _ := f.rd.next(&again); ok && again.place() == e.place() {
			return true
		}
	}
	_, ok := f.walk(func(again *Entry) bool { return again.place() == e.place() })
	return ok
}
