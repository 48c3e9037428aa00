package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A member is one file of a Journal. Its File is opened when it is needed, and closed when too many are open
// or when it has nothing more.
type member struct {
	j      *Journal
	path   string
	order  int         // in which it was found: of equal entries that of the earliest file is yielded
	info   fs.FileInfo // its identity
	header Header      // as last seen
	file   *File
	handle *os.File  // file's
	missed time.Time // since when no listing has it; zero if the last one has
	used   uint64    // turn of the journal when it was used last

	// The entry read ahead. has says that there is one: without its fields if the file has been closed since.
	// err is what is wrong with it, all that it is all but some fields.
	next Entry
	has  bool
	all  bool
	err  error

	placed   bool      // the file has been sought to where reading begins
	fromHead bool      // that is the file's head, because it was empty then
	edge     bool      // it is beside an entry that is not wanted itself
	stands   [2]uint64 // where a file stood that has been closed: next and prev of File
	number   uint64    // last sequence number yielded

	final     bool // there is nothing behind its end, and nothing comes
	gone      bool // it was dropped
	unwritten time.Time
}

// unwrittenTime is how long a writer may take for one entry.
const unwrittenTime = 2 * time.Second

// seek makes p the place where reading begins.
func (j *Journal) seek(p place) {
	j.from, j.started, j.yielded = p, false, false
	j.heap, j.current = nil, nil
	clear(j.chains)
	for _, m := range j.members {
		m.has, m.placed, m.fromHead, m.final, m.number = false, false, false, false, 0
	}
}

// turn makes all members go in one direction. Each goes on between the same two entries of its own.
func (j *Journal) turn(down bool) {
	first := !j.started
	j.started, j.down, j.heap = true, down, nil
	j.asked = uint64(time.Now().UnixMicro())
	for _, m := range slices.Clone(j.members) {
		// At what it has read ahead it stands behind what comes in the other direction, and so does the file whose
		// entry was yielded last. The others are at their ends.
		again := !first && !m.has && m != j.current
		m.has = false
		m.final = false
		j.read(m, again)
	}
	j.current = nil
}

// step is Next and Previous.
func (j *Journal) step(e *Entry, down bool) (bool, error) {
	if j.closed {
		return false, ErrClosed
	}
	if !j.started || j.down != down {
		j.turn(down)
	} else if m := j.current; m != nil {
		j.current = nil
		j.fetch(m, false)
		j.sift(0, m.has)
	}
	j.ask(false)
	for {
		if len(j.errs) > 0 {
			err := j.errs[0]
			j.errs = j.errs[1:]
			return false, err
		}
		if len(j.heap) == 0 {
			return false, nil
		}
		m := j.heap[0]
		if m.gone {
			j.sift(0, false)
			continue
		}
		if m.file == nil && m.err == nil {
			j.fetch(m, true)
			j.sift(0, m.has)
			continue
		}
		if m.err == nil && j.yielded && before(&m.next, &j.last) == 0 {
			m.number = max(m.number, m.next.Seqnum)
			j.fetch(m, false) // another file's copy
			j.sift(0, m.has)
			continue
		}
		*e, m.next = m.next, *e
		m.has = false
		j.current = m
		if e.Seqnum != 0 {
			m.number = e.Seqnum
			j.last, j.yielded = *e, true
			j.last.Fields = nil
		}
		return m.all, m.err
	}
}

// ask lets the members without an entry look for new ones. Whatever they get is younger than when they were asked last: as long
// as an older entry is next there is no need, unless there must be an answer.
func (j *Journal) ask(must bool) {
	if !j.down || !must && len(j.heap) > 0 && j.heap[0].next.Realtime <= j.asked {
		return
	}
	now := uint64(time.Now().UnixMicro())
	j.asking = append(j.asking[:0], j.members...) // reading may drop some
	for _, m := range j.asking {
		if !m.has && !m.final && m != j.current {
			j.read(m, false)
		}
	}
	j.asked = now
}

// read fetches a member's next entry and puts it on the heap.
func (j *Journal) read(m *member, again bool) {
	if j.fetch(m, again); m.has {
		j.heap = append(j.heap, m)
		for i := len(j.heap) - 1; i > 0 && j.less(i, (i-1)/2); i = (i - 1) / 2 {
			j.heap[i], j.heap[(i-1)/2] = j.heap[(i-1)/2], j.heap[i]
		}
	}
}

// sift puts the member at i of the heap where it belongs after its entry has changed, or takes it away.
func (j *Journal) sift(i int, keep bool) {
	h := j.heap
	if !keep {
		last := len(h) - 1
		h[i], h[last] = h[last], nil
		h = h[:last]
		j.heap = h
	}
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h); child++ {
			if j.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func (j *Journal) less(a, b int) bool {
	x, y := j.heap[a], j.heap[b]
	if x.next.Seqnum == 0 || y.next.Seqnum == 0 {
		return x.next.Seqnum == 0 && y.next.Seqnum != 0 // nothing is known of it: it comes at once
	}
	c := before(&x.next, &y.next)
	if !j.down {
		c = -c
	}
	return c < 0 || c == 0 && x.order < y.order
}

// fetch reads a member's next entry ahead; again: from behind what was read last, so that going the same way
// yields it once more.
func (j *Journal) fetch(m *member, again bool) {
	m.has, m.err = false, nil
	if m.gone || m.open() != nil || !m.placed && !m.place() {
		return
	}
	if f := m.file; again && f.sought == nil {
		if j.down {
			f.next = f.prev
		} else {
			f.prev = f.next
		}
	}
	for {
		var err error
		if j.down {
			m.all, err = m.file.Next(&m.next)
		} else {
			m.all, err = m.file.Previous(&m.next)
		}
		if bad := (*EntryError)(nil); errors.As(err, &bad) {
			switch {
			case bad.Again && !errors.Is(err, ErrUnwritten):
				m.fail(err)
				return
			case bad.Again && m.writing():
				return
			case bad.Again:
				m.file.Skip()
			}
			m.err = m.error(err)
		} else if !m.all {
			m.end()
			return
		}
		m.unwritten = time.Time{}
		if m.edge && m.next.Seqnum != 0 {
			c := before(&m.next, j.from.entry())
			if c == 0 || c < 0 == j.down {
				m.err = nil
				continue
			}
			m.edge = false
		}
		m.has = true
		return
	}
}

// end is told that the member has nothing more for now.
func (m *member) end() {
	m.header = m.file.Header()
	if !m.j.down {
		return
	}
	m.final = m.header.State == StateArchived || strings.HasSuffix(m.path, "~")
	if !m.missed.IsZero() {
		m.j.drop(m)
	} else if m.final {
		m.close()
	}
}

// writing says whether an entry that is not all there may come yet. A file that nobody has touched for
// long, or that nobody writes to, has nothing to wait for.
func (m *member) writing() bool {
	info, err := m.handle.Stat()
	if err != nil || !m.j.down || time.Since(info.ModTime()) >= unwrittenTime {
		return false
	}
	if h, err := ReadHeader(m.handle); err != nil || h.State != StateOnline { // which its writer makes it before it writes
		return false
	}
	if m.unwritten.IsZero() {
		m.unwritten = time.Now()
	}
	return time.Since(m.unwritten) < unwrittenTime
}

// place seeks an open file to where reading begins; false: it has no entry yet.
func (m *member) place() bool {
	if m.header.Entries == 0 {
		// Also its seqnum_id may still change.
		_, err := m.file.Refresh()
		if m.header = m.file.Header(); err != nil || m.header.Entries == 0 {
			m.end()
			return false
		}
	}
	from := m.j.from
	m.edge = false
	switch {
	case m.j.chains[m.header.SeqnumID] > 0 && m.j.down:
		m.file.SeekSeqnum(m.j.chains[m.header.SeqnumID] + 1)
	case from.kind == atHead || m.fromHead:
		m.file.SeekHead()
	case from.kind == atRealtime:
		m.file.SeekRealtime(from.realtime)
	default:
		m.file.SeekCursor(from.cursor)
		m.edge = from.kind == besideCursor
	}
	m.placed = true
	return true
}

// open opens the member's file, if it is not open, by whatever name it has by now. Its error is that it is gone, or else the journal
// has been told.
func (m *member) open() error {
	m.j.turns++
	m.used = m.j.turns
	if m.file != nil {
		return nil
	}
	h, err := m.hold()
	if errors.Is(err, fs.ErrNotExist) {
		m.j.scan()
		h, err = m.hold()
	}
	if errors.Is(err, fs.ErrNotExist) {
		return err // the next scans decide
	}
	if err != nil {
		m.fail(err)
		return err
	}
	m.j.makeRoom(m)
	if m.file, err = NewFile(h, m.j.o.Options); err != nil {
		m.fail(err)
		return err
	}
	m.handle, m.header = h, m.file.Header()
	m.file.next, m.file.prev = m.stands[0], m.stands[1]
	if err := m.file.Match(m.j.filter); err != nil {
		m.fail(err)
		return err
	}
	return nil
}

// hold opens what the member's path names if that is still the member's file.
func (m *member) hold() (*os.File, error) {
	h, err := openRegular(m.path)
	if err != nil {
		return nil, err
	}
	info, err := h.Stat()
	if err == nil && !os.SameFile(info, m.info) {
		err = fmt.Errorf("%q is another file by now: %w", m.path, fs.ErrNotExist)
	}
	if err == nil {
		var header Header
		// The same inode may have been given to a new file.
		if header, err = ReadHeader(h); err == nil && header.FileID != m.header.FileID {
			err = fmt.Errorf("%q is another file by now: %w", m.path, fs.ErrNotExist)
		}
	}
	if err != nil {
		_ = h.Close()
		return nil, err
	}
	return h, nil
}

// openRegular opens a file, and does not wait if it is none.
func openRegular(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// makeRoom closes the file that was used least recently if too many are open.
func (j *Journal) makeRoom(but *member) {
	open := 0
	var oldest *member
	for _, m := range j.members {
		if m.file == nil {
			continue
		}
		open++
		if m != but && m != j.current && (oldest == nil || m.used < oldest.used) {
			oldest = m
		}
	}
	if open >= j.o.MaxOpen && oldest != nil {
		oldest.close()
	}
}

func (m *member) close() {
	if m.file != nil {
		m.header = m.file.Header()
		m.placed = m.placed && m.file.sought == nil
		m.stands = [2]uint64{m.file.next, m.file.prev}
		_ = m.file.Close()
		m.file, m.handle = nil, nil
		m.next.Fields = nil
	}
}

// fail gives up a member until its file changes.
func (m *member) fail(err error) {
	err = m.error(err)
	m.j.errs = append(m.j.errs, err)
	m.j.refused[m.path] = refusal{err, m.info, time.Now()}
	m.j.drop(m)
}

func (m *member) error(err error) error { return fmt.Errorf("journal file %q: %w", m.path, err) }

// toTail goes behind the last entry there is, wanted or not, and returns it, without fields.
func (j *Journal) toTail(m *member) (last Entry) {
	if m.open() != nil {
		return last
	}
	f := m.file
	f.filter = nil
	f.SeekTail()
	_, err := f.Previous(&last)
	bad := (*EntryError)(nil)
	switch again := errors.As(err, &bad) && bad.Again; {
	case again && !errors.Is(err, ErrUnwritten):
		m.fail(err)
		return Entry{}
	case again && f.sought == nil && m.writing(): // it is still to come
		f.next, f.prev, last = f.tried, f.tried, Entry{}
	case again:
		f.Skip()
	}
	m.placed, m.fromHead = f.sought == nil && f.next > 0, f.next == 0
	m.number, last.Fields = last.Seqnum, nil
	if err := f.Match(j.filter); err != nil {
		m.fail(err)
	}
	return last
}

// entry is the entry that a place names, to compare with.
func (p *place) entry() *Entry {
	c := &p.cursor
	return &Entry{SeqnumID: c.SeqnumID, BootID: c.BootID, Seqnum: c.Seqnum, Realtime: c.Realtime, Monotonic: c.Monotonic, Xor: c.Xor}
}
