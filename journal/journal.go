package journal

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// DirOptions say how a Journal is read. The zero value is good.
type DirOptions struct {
	Options
	// Of directories that hold journals by machine, as /var/log/journal does, those with this namespace
	// are read: machine-id.namespace. "" is the default namespace, "*" is all of them.
	Namespace string
	// Files that are open at one time. 0 means 64. More are read by opening them in turn. An open file takes a
	// descriptor and some 100 KiB to 1 MiB of memory, more if entries share very many values.
	MaxOpen int
	// Do not ask the kernel for notice of changes: files are looked at every 100 ms, as they are anyway.
	NoInotify bool
}

// A Journal is a set of journal files read as one. It is not safe for concurrent use.
//
// Entries come in libsystemd's order: by number within a chain of sequence numbers, else by monotonic
// time within a boot, else by time. An entry that several files have comes once. It differs from
// libsystemd where that would lose entries: one that turns up late, behind what has been read by the
// above order (clocks are set back, hosts deliver late), comes as soon as it is seen; libsystemd leaves it out.
//
// A new Journal stands before its first entry. The files are those that were there when it was
// opened; Wait finds new ones.
type Journal struct {
	o       DirOptions
	sel     selection
	listed  *listing
	filter  Filter
	members []*member // in the order in which they were found
	refused map[string]refusal
	chains  map[ID]uint64 // last number yielded, of files that are gone
	watch   watcher
	errs    []error // to be returned
	asking  []*member
	closed  bool

	from    place // where all members that have yielded nothing yet begin
	down    bool
	started bool      // members stand where from says, or further
	heap    []*member // those with an entry read ahead, the next one first
	current *member   // whose entry was yielded last
	last    Entry     // that entry, without fields
	yielded bool      // there is one
	asked   uint64    // when those without an entry were asked for new ones, microseconds
	turns   uint64    // counts what is done to members
	found   int       // counts members
}

// A place is what a seek means.
type place struct {
	kind     placeKind
	cursor   Cursor
	realtime uint64
}

type placeKind int

const (
	atHead placeKind = iota
	atRealtime
	atCursor
	besideCursor // the same, but not that entry itself
)

// ErrClosed says that a Journal is used after Close.
var ErrClosed = errors.New("the journal is closed")

// OpenDir opens the journal that paths name: files, globs, and directories, of which also those
// subdirectories are read that are named after a machine's id. Without paths it is this machine's journal,
// in /var/log/journal and /run/log/journal. A path that is not there is an error, a directory without
// files is none. Files that cannot be read are passed over: see Refused.
func OpenDir(o DirOptions, paths ...string) (*Journal, error) {
	sel, err := newSelection(o, paths)
	if err != nil {
		return nil, err
	}
	if o.MaxOpen <= 0 {
		o.MaxOpen = 64
	}
	j := &Journal{o: o, sel: sel, refused: map[string]refusal{}, chains: map[ID]uint64{}}
	j.scan()
	return j, nil
}

// Close closes all files.
func (j *Journal) Close() error {
	if j.closed {
		return ErrClosed
	}
	j.closed = true
	for _, m := range j.members {
		m.close()
	}
	j.members, j.heap, j.current = nil, nil, nil
	return j.watch.close()
}

// Refused says which files and directories are not read, and why. Files are tried again by Wait when they have changed.
func (j *Journal) Refused() map[string]error {
	out := maps.Clone(j.listed.denied)
	for path, r := range j.refused {
		out[path] = r.err
	}
	return out
}

// Headers are the headers of all files, by their paths.
func (j *Journal) Headers() map[string]Header {
	out := map[string]Header{}
	for _, m := range j.members {
		if m.file != nil {
			m.header = m.file.Header()
		}
		out[m.path] = m.header
	}
	return out
}

// Next reads the next entry into e, which is good until e is handed to the next call. False without an
// error: there is none now, or it is just being written to a file that is online: see Wait.
//
// An error that is an *EntryError is about one entry: e has what can be read of it, true says that this
// is all but some fields. Any other error is about one file, which is not read any further. In both
// cases the next call goes on.
func (j *Journal) Next(e *Entry) (bool, error) { return j.step(e, true) }

// Previous reads the entry before into e, as Next does the one after.
func (j *Journal) Previous(e *Entry) (bool, error) { return j.step(e, false) }

// SeekHead goes before the first entry.
func (j *Journal) SeekHead() { j.seek(place{kind: atHead}) }

// SeekTail goes behind the last entry that there is now: Next yields what is written from now on.
func (j *Journal) SeekTail() {
	j.seek(place{kind: atHead})
	j.down, j.started = true, true
	for _, m := range slices.Clone(j.members) {
		last := j.toTail(m)
		if last.Seqnum != 0 && (j.from.kind == atHead || before(&last, j.from.entry()) > 0) {
			j.from = place{kind: besideCursor, cursor: last.Cursor()}
		}
	}
}

// SeekRealtime goes to a time, in microseconds since 1970 UTC: Next yields the first entry of that time
// or later, Previous the last of that time or before.
func (j *Journal) SeekRealtime(usec uint64) { j.seek(place{kind: atRealtime, realtime: usec}) }

// SeekCursor goes to the entry that c names: Next and Previous yield it, or if it is not there its neighbour,
// so what comes has to be compared: see At.
func (j *Journal) SeekCursor(c Cursor) { j.seek(place{kind: atCursor, cursor: c}) }

// SeekSeqnum goes to the entry with a number of a chain: Next yields it or else the first of the chain after it, and goes
// on from there in all files. The error says that there is no such entry; the journal then stands where it stood.
func (j *Journal) SeekSeqnum(chain ID, n uint64) error {
	found, err := j.find(func(f *File) bool {
		f.SeekSeqnum(n)
		return f.Header().SeqnumID == chain
	}, func(e *Entry) bool { return e.Seqnum >= n })
	if err == nil && found == nil {
		err = fmt.Errorf("cannot find entry %d or a later one in chain %v", n, chain)
	}
	if err != nil {
		return err
	}
	j.SeekCursor(*found)
	return nil
}

// SeekMonotonic goes to a time since a boot, in microseconds: Next yields the boot's first entry of that time or later,
// and goes on from there in all files. The error says that there is no such entry; the journal then stands where it
// stood. (libsystemd lets files that have nothing of the boot begin at their heads.)
func (j *Journal) SeekMonotonic(boot ID, usec uint64) error {
	found, err := j.find(func(f *File) bool {
		f.SeekMonotonic(boot, usec)
		return true
	}, func(e *Entry) bool { return e.BootID == boot && e.Monotonic >= usec })
	if err == nil && found == nil {
		err = fmt.Errorf("cannot find an entry of boot %v at %d µs or later", boot, usec)
	}
	if err != nil {
		return err
	}
	j.SeekCursor(*found)
	return nil
}

// find returns the first of the entries that the files stand at after goTo, and that are wanted.
func (j *Journal) find(goTo func(*File) bool, wanted func(*Entry) bool) (*Cursor, error) {
	if j.closed {
		return nil, ErrClosed
	}
	var first, e Entry
	found := false
	for _, m := range slices.Clone(j.members) {
		h, err := m.hold()
		if err != nil {
			continue // gone
		}
		f, err := NewFile(h, j.o.Options)
		if err != nil {
			continue
		}
		if goTo(f) {
			ok, err := f.Next(&e)
			if (ok || err != nil) && wanted(&e) && (!found || before(&e, &first) < 0) {
				first, found = e.Clone(), true
			}
		}
		_ = f.Close()
	}
	if !found {
		return nil, nil
	}
	c := first.Cursor()
	return &c, nil
}

// At says whether the entry read last is the one that c names.
func (j *Journal) At(c Cursor) bool { return j.yielded && j.last.Cursor() == c }

// Match narrows what Next and Previous yield, from where the journal stands on.
func (j *Journal) Match(f Filter) error {
	if err := f.Check(); err != nil {
		return err
	}
	j.filter = f
	for _, m := range slices.Clone(j.members) {
		if m.file != nil {
			if err := m.file.Match(f); err != nil {
				m.fail(err)
			}
		}
	}
	if j.yielded {
		// What has been read ahead was chosen by the old matches.
		j.seek(place{kind: besideCursor, cursor: j.last.Cursor()})
		j.yielded = true
	} else if len(j.heap) > 0 {
		j.seek(j.from)
	}
	return nil
}

// Values yields the values that a field has in all files, each once, in no order. All of them are
// kept in memory for that. Errors say which files have more.
func (j *Journal) Values(field string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if j.closed {
			yield("", ErrClosed)
			return
		}
		seen := map[string]bool{}
		for _, m := range slices.Clone(j.members) {
			if err := m.open(); err != nil {
				if !yield("", err) {
					return
				}
				continue
			}
			for value, err := range m.file.Values(field) {
				if err != nil {
					err = m.error(err)
				} else if seen[value] {
					continue
				}
				seen[value] = err == nil || seen[value]
				if !yield(value, err) {
					return
				}
			}
		}
	}
}

// before compares two entries as libsystemd orders them. 0 means that they are one and the same: copies
// have other numbers if another journald or journal-remote has written them.
func before(a, b *Entry) int {
	if a.SeqnumID == b.SeqnumID && a.Seqnum != b.Seqnum {
		return cmp.Compare(a.Seqnum, b.Seqnum)
	}
	if a.BootID == b.BootID && a.Monotonic != b.Monotonic {
		return cmp.Compare(a.Monotonic, b.Monotonic)
	}
	if a.Realtime != b.Realtime {
		return cmp.Compare(a.Realtime, b.Realtime)
	}
	return cmp.Compare(a.Xor, b.Xor)
}
