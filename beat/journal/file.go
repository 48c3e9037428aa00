package journal

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/journal"
)

// A file is one journal file on its way through the reader: waiting until the entries before its
// own have been read, then open, then followed for as long as somebody may write to it, then done.
// It is known by its inode; its name changes when it is archived.
type file struct {
	r       *reader
	key     fileKey
	path    string
	hdr     header
	changed time.Time // when it was listed last
	chain   *chain    // nil as long as the file has no entry: only then is its seqnum_id certain

	handle *os.File // to see the header, the size and the deletion; nil when done
	mended []byte   // a header in place of the file's own, which makes no sense
	rd     fileReader
	ahead  []Entry // read ahead, in order: ahead[taken:]. The others' memory is used again
	taken  int
	next   Entry // what is being read
	ready  bool  // may have more to fetch
	done   bool

	stuck    time.Time // since when what comes next is not all there
	last     uint64    // number of the last entry read; at the beginning the one before the head's …
	known    bool      // … if the head's is certain: a greater one comes after a hole
	sought   bool      // no entry has been read since the last seek
	lastBoot string    // its boot …
	lastMono uint64    // … and time in it
	size     int64     // of the file, to see it shrink
	reads    int

	missed   time.Time // since when no path of the selection leads to it …
	unlisted bool      // … and that is certain: a listing may pass over a file that is being renamed
	deleted  time.Time // since when it has no name at all
	hidden   hiddenTail
	retry    time.Time // not to be opened before
	failed   time.Time // since when it cannot be opened
	damaged  bool      // counted as such
	repairs  int
	passes   int // entries read
	probes   int // jumps looked into, kept to a share of them
	repeats  bool
	refused  error           // why it is not to be read at all
	liars    map[cursor]bool // entries whose numbers were taken for wrong
	via      string          // the damaged array of entries is gone around by this field's
	around   matchGroup      // the field's values
	detour   int             // index of the next field to try so
}

// hiddenTail is a promise of the header that the file does not keep: the writer is in the middle of
// something, or the file is damaged.
type hiddenTail struct {
	last, tail uint64
	since      time.Time
	tried      bool
}

// How long a state that a writer passes through may last before it is taken for damage, also where
// nothing will be added and so nothing missed, and how long a deleted file is read on.
const (
	settleTime   = 2 * time.Second
	settleFinal  = 200 * time.Millisecond
	deletedGrace = 5 * time.Second
)

// final says whether nothing will be added to the file.
func (f *file) final() bool {
	return f.hdr.State == journal.StateArchived || strings.HasSuffix(f.path, "~") || f.unlisted || f.mended != nil
}

// hides says whether the file promises numbers beyond the last that came out of it.
func (f *file) hides() bool {
	return len(f.r.filter) == 0 && f.hdr.HeadSeqnum > 0 && f.hdr.TailSeqnum > f.last
}

// open begins to read the file after its chain's last entry. False means: not now, or never (done).
func (f *file) open(now time.Time) bool {
	if f.refused != nil {
		f.finish()
		return false
	}
	if now.Before(f.retry) {
		return false
	}
	if f.handle == nil && !f.r.hold(f, now) {
		return false
	}
	err := f.reopen("")
	if err == nil {
		err = f.seek()
	}
	if err == nil {
		f.failed = time.Time{}
		return true
	}
	f.closeReader()
	if f.failed.IsZero() {
		f.failed = now
	}
	if !isDamage(err) {
		f.r.metrics.errors.Inc()
		f.r.complain("Cannot open journal file %q, trying again: %v", f.path, err)
		f.retry = now.Add(f.r.poll)
		return false
	}
	// Truncating an archived file comes before its header says so: not every odd size is damage.
	settle := settleTime
	if f.final() {
		settle = settleFinal
	}
	if info, serr := f.handle.Stat(); serr == nil && now.Sub(f.failed) < settle && time.Since(info.ModTime()) < settle {
		f.retry = now.Add(pollTick)
		return false
	}
	if f.nameless() {
		f.finish() // libsystemd refuses it, rightly
		return false
	}
	f.damage(err)
	if err = f.openMended(); err != nil {
		f.r.log.Errorf("Cannot read journal file %q: %v", f.path, err)
		f.finish()
		return false
	}
	f.failed = time.Time{}
	return true
}

// openMended begins to read the file with a header that makes sense.
func (f *file) openMended() (err error) {
	if f.mended != nil {
		return errors.New("it cannot be read with its header mended either")
	}
	if f.mended, err = f.mendedHeader(); err != nil {
		return err
	}
	if f.hdr, err = readHeader(bytes.NewReader(f.mended)); err != nil {
		return err
	}
	if err = f.reopen(""); err != nil {
		return err
	}
	return f.seek()
}

// reopen opens the file anew.
func (f *file) reopen(via string) error {
	f.closeReader()
	fl := f.r.filter
	if via != "" {
		fl = append(fl[:len(fl):len(fl)], f.around)
	}
	rd, err := f.r.open(f.handle, f.mended, fl, f.r.threshold)
	if err != nil {
		return err
	}
	if info, err := f.handle.Stat(); err == nil {
		f.size = info.Size()
	}
	f.rd, f.via = rd, via
	return nil
}

// seek goes to where the chain has got, or to the file's head.
func (f *file) seek() error {
	c := f.chain
	f.sought = true
	if c.verify != nil && c.last == c.verify.Seqnum && f.hdr.HeadSeqnum <= c.last && c.last <= f.hdr.TailSeqnum {
		return f.seekVerified(*c.verify)
	}
	from := max(c.last, f.last)
	if from == 0 || from < f.hdr.HeadSeqnum {
		if f.hdr.contiguous() {
			f.last, f.known = f.hdr.HeadSeqnum-1, true
			c.numbers.start(f.last)
		}
		return f.rd.seekHead()
	}
	f.last, f.known = from, true
	return f.rd.seekSeqnum(c.id, from+1)
}

// seekVerified goes to the entry that c names and looks whether it is the one; if not, the entry
// found in its place is the next to be read.
func (f *file) seekVerified(c cursor) error {
	f.chain.verify = nil
	f.last, f.known = c.Seqnum, true
	if err := f.rd.seekCursor(c); err != nil {
		return err
	}
	var e Entry
	ok, err := f.rd.next(&e)
	if ok && e.place() == c {
		f.lastBoot, f.lastMono = c.BootID, c.Monotonic
		return nil
	}
	if err == nil && (!ok || e.Seqnum > c.Seqnum) {
		f.r.log.Warnf("The entry at the saved position %s is gone from %q; reading goes on with the next number of its chain.", c, f.path)
	} else {
		f.r.log.Warnf("The saved position %s names another entry than %q has under its number; reading goes on after that number.", c, f.path)
	}
	return f.rd.seekSeqnum(f.chain.id, c.Seqnum+1)
}

// fetch reads ahead until there is an entry to hand out; false means that there is none now.
func (f *file) fetch(now time.Time) bool {
	for lost := 0; ; {
		if f.readAhead() {
			return true
		}
		if f.rd == nil || !f.sound() {
			return false
		}
		if lost > 100 {
			return f.recover(now)
		}
		e := &f.next
		ok, err := f.rd.next(e)
		if err != nil && mayChange(err) {
			if f.beingWritten(now) {
				return false
			}
			f.rd.skip()
		}
		switch {
		case ok && err == nil && len(e.Fields) == 0:
			f.skip(e, errors.New("none of an entry's fields can be read"))
			continue
		case err != nil && ok: // without a field that cannot be read
			f.r.metrics.errors.Inc()
			f.damage(err)
		case err != nil:
			if f.skip(e, err); !e.placed {
				lost++
			}
			continue
		case !ok:
			if entries := f.hdr.Entries; f.refresh() && f.hdr.Entries != entries {
				continue // some have come in between
			}
			return f.end(now)
		}
		if e.Seqnum <= f.last {
			continue // the seek came out before the place
		}
		switch {
		case e.Seqnum > f.limit(e.Seqnum):
			if !f.lie(*e.clone()) {
				lost++
			}
		case f.known && e.Seqnum > f.last+1 && f.mayProbe():
			f.probe(*e.clone())
		default:
			f.pushNext()
		}
	}
}

// mayChange says whether the same may be read otherwise later: it is not all there, or reading has failed.
func mayChange(err error) bool {
	var bad *journal.EntryError
	return errors.As(err, &bad) && bad.Again
}

// beingWritten says whether what the file lacks may come yet: whoever writes it may be in the middle of it.
func (f *file) beingWritten(now time.Time) bool {
	if f.stuck.IsZero() {
		f.stuck = now
	}
	settle := settleTime
	switch info, err := f.handle.Stat(); {
	case slices.ContainsFunc(f.chain.files, func(g *file) bool { return g != f && g.hdr.HeadSeqnum > f.last }):
		settle = 0 // the writer is done with it, and what it has written since waits for this
	case f.final() && err == nil && now.Sub(info.ModTime()) > settleTime:
		settle = 0
	case f.final():
		settle = settleFinal
	}
	if now.Sub(f.stuck) < settle {
		return true
	}
	f.stuck = time.Time{}
	return false
}

// readAhead says whether there is an entry that has been read and not taken: head.
func (f *file) readAhead() bool { return f.taken < len(f.ahead) }

func (f *file) head() *Entry { return &f.ahead[f.taken] }

// take hands head out, in exchange for memory that the caller needs no more.
func (f *file) take(e *Entry) {
	h := f.head()
	*e, *h = *h, *e
	h.forget()
	if f.taken++; f.taken == len(f.ahead) {
		f.ahead, f.taken = f.ahead[:0], 0
	}
}

// push puts an entry where the reader takes it from.
func (f *file) push(e Entry) {
	f.passed(&e)
	f.ahead = append(f.ahead, e)
}

// pushNext does so with the entry that was read last, and leaves memory for another.
func (f *file) pushNext() {
	f.passed(&f.next)
	n := len(f.ahead)
	if n == cap(f.ahead) {
		f.ahead = append(f.ahead, Entry{})
	}
	f.ahead = f.ahead[:n+1]
	f.ahead[n], f.next = f.next, f.ahead[n]
}

// passed notes how far reading has come.
func (f *file) passed(e *Entry) {
	f.passes++
	e.size = e.bytes()
	f.sought, f.stuck = false, time.Time{}
	f.last, f.known, f.lastMono = e.Seqnum, true, e.Monotonic
	f.lastBoot = e.BootID
}

// skip counts an entry that cannot be read. If its number is known, and can be believed, it is no gap.
func (f *file) skip(e *Entry, cause error) {
	f.damage(cause)
	if !e.placed || e.Seqnum <= f.last || e.Seqnum > f.limit(e.Seqnum) || f.known && e.Seqnum > f.last+1 && f.hdr.contiguous() {
		f.r.metrics.errors.Inc()
		return
	}
	f.r.metrics.skippedCorrupt.Inc()
	f.r.gaps.see(&f.chain.numbers, e.Seqnum, e.BootID)
	f.passed(e)
}

// sound says whether the file is still as long as it was. If not it is opened anew, which tells
// an archived file, trimmed, from a damaged one.
func (f *file) sound() bool {
	f.reads++
	if f.mended != nil || f.reads%16 != 1 {
		return true
	}
	info, err := f.handle.Stat()
	if err != nil {
		return true
	}
	if info.Size() >= f.size {
		f.size = info.Size()
		return true
	}
	// Archiving trims a file too.
	f.r.metrics.reopened.Inc()
	f.closeReader()
	f.reads = 0
	f.r.waiting(f)
	return false
}

// end deals with a file that has no further entry now.
func (f *file) end(now time.Time) bool {
	if f.rd.dropped() {
		f.damage(errors.New("libsystemd has given it up"))
		return f.recover(now)
	}
	if f.via != "" && f.recover(now) {
		return true
	}
	if !f.hides() {
		if f.final() {
			f.finish()
		}
		return false
	}
	if f.final() {
		return f.recover(now)
	}
	if h := &f.hidden; h.last != f.last || h.tail != f.hdr.TailSeqnum {
		*h = hiddenTail{last: f.last, tail: f.hdr.TailSeqnum, since: now}
		f.chain.horizon = 0
		return false
	}
	if now.Sub(f.hidden.since) < settleTime {
		return false
	}
	return f.recover(now)
}

// refresh reads the header again.
func (f *file) refresh() bool {
	if f.handle == nil || f.mended != nil {
		return false
	}
	h, err := readHeader(f.handle)
	if err != nil || f.chain != nil && h.SeqnumID != f.chain.seqnumID {
		return false
	}
	f.hdr = h
	return true
}

// limit is the highest number that the file can have, by what its header says of its numbers or by
// how many entries it counts; the header is read again if n is beyond it.
func (f *file) limit(n uint64) uint64 {
	h := &f.hdr
	if n > max(h.TailSeqnum, h.HeadSeqnum+h.Entries) {
		f.refresh()
	}
	return max(h.TailSeqnum, h.HeadSeqnum+h.Entries)
}

// grown says whether the header counts other entries than it did: the cheap question to ask often.
func (f *file) grown() bool {
	var b [8]byte
	if _, err := f.handle.ReadAt(b[:], offEntries); err != nil {
		return true
	}
	return le.Uint64(b[:]) != f.hdr.Entries
}

// nameless says whether the file has been deleted.
func (f *file) nameless() bool {
	info, err := f.handle.Stat()
	if err != nil {
		return true
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

// closeReader lets go of what reads the file.
func (f *file) closeReader() {
	if f.rd != nil {
		f.rd.close()
		f.rd = nil
	}
}

// release lets go of everything; what is read ahead stays.
func (f *file) release() {
	f.closeReader()
	if f.handle != nil {
		_ = f.handle.Close()
		f.handle = nil
	}
}

// finish ends the reading of the file. What its header has promised beyond is missing.
func (f *file) finish() {
	if f.done {
		return
	}
	f.done = true
	if c := f.chain; c != nil {
		if f.hdr.contiguous() {
			c.numbers.start(f.hdr.HeadSeqnum - 1)
		}
		if f.hides() {
			f.r.gaps.promise(&c.numbers, f.promised())
		}
		c.files = slices.DeleteFunc(c.files, func(g *file) bool { return g == f })
	}
	f.release()
}

// promised is the last number that the header promises, as far as its own count of entries agrees.
func (f *file) promised() uint64 {
	h := &f.hdr
	last := max(f.last, f.chain.numbers.last)
	if h.TailSeqnum <= last {
		return last
	}
	if h.contiguous() || h.TailSeqnum-last <= h.entries() {
		return h.TailSeqnum
	}
	return last
}
