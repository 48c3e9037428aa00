// Package journal reads systemd's journal files: without libsystemd, without cgo, and also while
// they are written, rotated, archived, cut or deleted.
//
// Files are read by pread and never mapped, so a file that shrinks is an error and not a signal.
// What they hold is taken for hostile: every offset, size and count is checked, memory is bounded.
// Nothing is ever written.
//
// A [File] is one file. A [Journal] is many of them read as one, in order, and followed: what journalctl reads.
//
// The format is systemd's, as its JOURNAL_FILE_FORMAT document (https://systemd.io/JOURNAL_FILE_FORMAT) has it. The order
// between files, matches and cursors are libsystemd's; where they are not, the method says so.
package journal

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sort"
)

// Options say how a file is read. The zero value is good.
type Options struct {
	// Longest field in bytes, name and = included: longer ones are cut there, and not unpacked further.
	// 0 means 64 KiB, as with libsystemd; less than 1 KiB means 1 KiB, more than 64 MiB 64 MiB.
	MaxField uint64
}

// ErrUnwritten says that something is not in the file which should be, by what the file has elsewhere: its
// writer is in the middle of it or, if it stays so, the file is damaged or has been cut.
var ErrUnwritten = errors.New("not written yet")

// An EntryError says what of an entry cannot be read, and why.
type EntryError struct {
	Offset uint64 // where in the file the entry is, 0 if that is what cannot be read
	Seqnum uint64 // its number, 0 if that is what cannot be read
	Again  bool   // it may be found otherwise later: it is ErrUnwritten, or reading has failed
	Err    error
}

func (e *EntryError) Error() string {
	switch {
	case e.Offset == 0:
		return fmt.Sprintf("cannot find a journal entry: %v", e.Err)
	case e.Seqnum == 0:
		return fmt.Sprintf("cannot read the journal entry at byte %d: %v", e.Offset, e.Err)
	}
	return fmt.Sprintf("cannot read journal entry %d (at byte %d): %v", e.Seqnum, e.Offset, e.Err)
}

func (e *EntryError) Unwrap() error { return e.Err }

// A File is a journal file being read. It is not safe for concurrent use.
//
// A new File stands before its first entry. The seeks do not read: the place they mean is looked for by
// the Next or Previous that follows.
type File struct {
	r       io.ReaderAt
	h       Header
	w       windows
	longest uint64 // field
	compact bool
	// Sizes that differ in compact files: of an offset, of an entry's item, of what precedes a payload.
	offsetSize, itemSize uint64
	dataStart            int

	main    chain
	next    uint64                              // index of the entry that Next reads
	prev    uint64                              // one more than the index of the entry that Previous reads
	tried   uint64                              // index of the entry that was tried last
	sought  func(direction int) (uint64, error) // where a seek leads, still to be looked for
	told    bool                                // that main is broken
	stuck   error                               // what is to be tried again
	last    Cursor                              // of the entry read last …
	lastOff uint64                              // … and where it is
	some    bool                                // there is one

	shared cache
	own    text
	plain  []byte // what has been unpacked last
	absent []absent
	filter *filter
}

// Open opens the file at path.
func Open(path string, o Options) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot open journal file: %w", err)
	}
	return NewFile(f, o)
}

// NewFile reads a journal file from r, which mostly is an *os.File, and may be deleted or have another
// name by then. Close closes it if it is an io.Closer; an error closes it too. The errors are ErrNoJournal,
// a *FlagsError, or r's own: other damage shows where it is come upon.
func NewFile(r io.ReaderAt, o Options) (*File, error) {
	f := &File{r: r, w: windows{r: r}, longest: 64 << 10, offsetSize: 8, itemSize: 16, dataStart: dataPayload}
	if o.MaxField > 0 {
		f.longest = min(max(o.MaxField, 1<<10), 64<<20)
	}
	var err error
	if f.h, err = ReadHeader(r); err != nil {
		_ = f.Close()
		return nil, err
	}
	if f.h.Incompatible&FlagCompact != 0 {
		f.compact, f.offsetSize, f.itemSize, f.dataStart = true, 4, 4, dataCompact
	}
	f.main = chain{head: f.h.EntryArray, n: f.h.Entries}
	return f, nil
}

// Close closes the file.
func (f *File) Close() error {
	if c, ok := f.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Header is what the file said of itself when it was opened or, since then, by Refresh.
func (f *File) Header() Header { return f.h }

// Refresh looks whether the file has other entries than it had: one read of eight bytes, and then one
// of the header. Next and Previous see only what the last Refresh has seen, except that Next calls it
// before it says that there is nothing more.
func (f *File) Refresh() (changed bool, err error) {
	var b [8]byte
	if _, err := f.r.ReadAt(b[:], offEntries); err != nil {
		return false, fmt.Errorf("cannot read journal header: %w", err)
	}
	if le.Uint64(b[:]) == f.h.Entries {
		return false, nil
	}
	h, err := ReadHeader(f.r)
	if err != nil {
		return false, err
	}
	f.h = h
	f.forget()
	if c := &f.main; c.broken == nil && c.salvaged == nil {
		c.head, c.n = h.EntryArray, h.Entries
	}
	if f.filter != nil {
		f.filter.resolve(f)
	}
	return true, nil
}

// forget makes sure that all is read anew that may have changed.
func (f *File) forget() {
	f.w.forget()
	f.main.forget()
}

// Next reads the next entry that matches into e. False without an error: there is none now, and File stays where
// it is. All errors are *EntryError: if Again is set, File stays where it is too, and the next call tries the same
// again; Skip passes over it. Otherwise the entry is damaged, and the next call goes on after it. Either way e has
// what can be read of the entry, and true says that this is all but some fields.
//
// After damage that nothing but a search leads around Next says so once and then ends as if the file did:
// see Salvage.
func (f *File) Next(e *Entry) (bool, error) {
	if err := f.settle(1); err != nil {
		return false, err
	}
	for {
		if f.next >= f.main.n {
			if f.main.broken != nil && !f.told {
				return false, f.fail(e, errChain{f.main.broken})
			}
			if _, err := f.Refresh(); err != nil {
				return false, f.fail(e, err)
			}
			if f.next >= f.main.n {
				if f.h.State == StateArchived { // many such files may be open
					f.w, f.shared = windows{r: f.r}, cache{}
				}
				return false, nil
			}
		}
		if f.filter != nil && f.filter.none {
			f.next, f.prev = f.main.n, f.main.n
			continue
		}
		f.tried = f.next
		if ok, err := f.read(e); ok || err != nil {
			return ok, err
		}
	}
}

// Previous is Next in the other direction.
func (f *File) Previous(e *Entry) (bool, error) {
	if err := f.settle(-1); err != nil {
		return false, err
	}
	for f.prev = min(f.prev, f.main.n); f.prev > 0; f.prev = min(f.prev, f.main.n) {
		if f.filter != nil && f.filter.none {
			f.next, f.prev = 0, 0
			break
		}
		f.tried = f.prev - 1
		if ok, err := f.read(e); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

// read reads the entry that is tried; false without an error: it does not match.
func (f *File) read(e *Entry) (ok bool, err error) {
	*e = Entry{SeqnumID: f.h.SeqnumID, Fields: e.Fields[:0]}
	f.some = false
	off, err := f.entryAt(&f.main, f.tried)
	if err == nil {
		ok, err = f.entry(off, e)
	}
	if err == nil {
		f.stand(f.tried)
		return ok, nil
	}
	return ok, f.fail(e, &EntryError{Offset: off, Err: err})
}

// fail makes an EntryError of err, and passes over what is tried if that is no use to be tried again.
func (f *File) fail(e *Entry, err error) error {
	bad, ok := err.(*EntryError)
	if !ok {
		bad = &EntryError{Err: err}
		*e = Entry{Fields: e.Fields[:0]}
	}
	bad.Seqnum, bad.Again = e.Seqnum, again(err)
	switch f.stuck = nil; {
	case bad.Again:
		f.stuck = bad
		f.forget()
	case isChain(err):
		f.told = true
	default:
		f.stand(f.tried)
	}
	return bad
}

// stand notes that the entry with an index is the one read last.
func (f *File) stand(i uint64) { f.next, f.prev, f.stuck = i+1, i, nil }

// Skip passes over what the last call would have tried again. Where a writer may still be at work, wait a
// second or two first; in a file that nobody writes any more, ErrUnwritten is damage.
func (f *File) Skip() {
	i := f.tried
	switch err := f.stuck; {
	case err == nil:
	case f.sought != nil:
		f.sought = nil
	case isChain(err):
		end := sort.Search(int(min(i, math.MaxInt)), func(i int) bool {
			_, err := f.entryAt(&f.main, uint64(i))
			return isChain(err)
		})
		f.main.n = min(f.main.n, uint64(end)) // until Refresh sees others, or a seek
	case errors.Is(err, errNoOffset) && f.next == i: // mostly a page of them
		for ; i < f.main.n && errors.Is(err, errNoOffset); i++ {
			f.stand(i)
			if i+1 < f.main.n {
				_, err = f.entryAt(&f.main, i+1)
			}
		}
	case i < f.main.n:
		f.stand(i)
	}
	f.stuck = nil
}

// At says whether the entry read last is the one that c names.
func (f *File) At(c Cursor) bool { return f.some && f.last == c }
