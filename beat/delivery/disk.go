package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/beat/deadletter"
)

var (
	errFull = errors.New("the disk buffer is full")        // max_size
	errFree = errors.New("too little of the disk is free") // disk_free_min
)

// A disk is one input's events on disk, in the order in which they came. One goroutine appends and one reads; any may
// acknowledge. It lives as long as the process: what libbeat has got before its input was stopped may be acknowledged
// long after.
type disk struct {
	dir     string
	log     *logp.Logger
	figures *figures

	mu      sync.Mutex
	segs    []*segment // in order; read from the first with untaken records
	active  *segment   // to be appended to: the last one, or nil
	next    uint64     // number of the segment to come
	waiting int        // records that libbeat has not got
	size    int64      // of all files
	writing bool       // active is being written
	tidying bool
	again   bool      // tidy once more
	tidied  sync.Cond // nobody tidies

	reader  reader // of the goroutine that reads
	unnoted bool   // of the one that tidies: writing down how much is acknowledged has failed
}

// A reader goes through a segment.
type reader struct {
	seg    *segment
	scan   scan
	upTo   int   // records that data has
	offset int64 // in the file, of what comes after data
	failed int   // times in a row
}

// maxSegment is how large a segment becomes before the next begins; one event may be larger.
const maxSegment = 8 << 20

// maxFile is the largest file that is taken for a segment.
const maxFile = 1 << 30

// openDisk takes over what is in dir, which need not exist.
func openDisk(dir string, log *logp.Logger, f *figures) (*disk, error) {
	d := &disk{dir: dir, log: log, figures: f, next: 1}
	d.tidied.L = &d.mu
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot look for events on disk: %w", err)
	}
	kept := map[name]bool{}
	for _, file := range files {
		n, ok := parseName(file.Name(), spillExt)
		if !ok {
			continue
		}
		d.next = max(d.next, n.number+1)
		s, err := d.open(n)
		switch {
		case err != nil:
			d.setAside(n, err)
		case s != nil:
			kept[n] = true
			d.segs = append(d.segs, s)
		}
	}
	slices.SortFunc(d.segs, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	for _, file := range files {
		if n, ok := parseName(file.Name(), ackedExt); ok && !kept[n] {
			_ = os.Remove(filepath.Join(dir, file.Name()))
		}
	}
	for _, s := range d.segs {
		d.count(s.untaken, s.size)
	}
	if n := d.waiting; n > 0 {
		f.resumed.Add(int64(n))
		log.Infof("%d events wait in %s since the last run. They are sent first.", n, dir)
	}
	d.mu.Lock()
	d.tidyUp()
	d.mu.Unlock()
	return d, nil
}

// open looks through a segment of an earlier run. It returns nil if there is nothing in it.
func (d *disk) open(n name) (*segment, error) {
	path := n.file(d.dir, spillExt)
	data, err := readFile(path, 0, maxFile)
	if err != nil {
		return nil, err
	}
	if err := checkHeader(data); err != nil {
		return nil, err
	}
	s := &segment{name: n}
	sc := newScan(data, n.salt)
	var damaged []int
	for {
		next := sc.next
		number, _, ok := sc.record()
		if !ok {
			break
		}
		for ; next < number; next++ {
			damaged = append(damaged, int(next))
		}
	}
	s.add(int(sc.next))
	if s.records == 0 {
		switch {
		case !headerIsWhole(data) && bytesWritten(data[min(headerSize, len(data)):]):
			return nil, errNoSpill
		case len(data) > headerSize && sc.cut():
			d.figures.torn.Add(1)
		case len(data) > headerSize:
			d.figures.corrupt.Add(1)
			d.log.Errorf("LOST 1 event: the only record of %s is damaged.", path)
		}
		return nil, os.Remove(path)
	}
	if tail := len(data) - sc.end; tail > 0 && sc.cut() {
		d.figures.torn.Add(1)
		d.log.Warnf("%s ends in the middle of a record that was being written, as after a crash: %d bytes are cut off. The input was told of no event in them.", path, tail)
		if err := os.Truncate(path, int64(sc.end)); err != nil {
			d.log.Warnf("Cannot cut %s: %v", path, err)
		}
	} else if tail > 0 {
		d.figures.corrupt.Add(1)
		d.log.Errorf("LOST 1 event: the last record of %s is damaged.", path)
	}
	s.size = int64(sc.end)
	if len(damaged) > 0 {
		d.figures.corrupt.Add(int64(len(damaged)))
		d.log.Errorf("LOST %d events: records %s of %s are damaged.", len(damaged), some(damaged), path)
	}
	for _, i := range damaged {
		s.ack(i)
	}
	for i := range min(n.readNote(d.dir), s.records) {
		s.ack(i)
	}
	s.noted = s.prefix
	return s, nil
}

// bytesWritten says whether there is anything but zeros, which a crash of the machine may leave.
func bytesWritten(b []byte) bool { return slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

func (n name) remove(dir string) error {
	err := os.Remove(n.file(dir, spillExt))
	if note := os.Remove(n.file(dir, ackedExt)); err == nil && !errors.Is(note, fs.ErrNotExist) {
		err = note
	}
	return err
}

// setAside keeps a segment that cannot be read where nobody looks for one.
func (d *disk) setAside(n name, why error) {
	from := n.file(d.dir, spillExt)
	to := from + ".unreadable"
	if err := os.Rename(from, to); err != nil {
		d.log.Errorf("Cannot read the events in %s: %v. It cannot be renamed either: %v", from, why, err)
		return
	}
	d.figures.aside.Add(1)
	d.log.Errorf("Cannot read the events in %s, which is kept: %v. Rename it to %s with a podbeat that can, or remove it.", to, why, from)
}

// readFile reads a file from offset on, at most most bytes.
func readFile(path string, offset, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size() - offset
	if !info.Mode().IsRegular() || size > maxFile {
		return nil, fmt.Errorf("cannot read %s: %w", path, errNoSpill)
	}
	data := make([]byte, max(0, min(size, most)))
	n, err := f.ReadAt(data, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

// append writes as many of events as belong into one file, at least one, and syncs it. What it returns is to be given to
// commit; after an error nothing is written.
func (d *disk) append(events [][]byte, o *QueueOptions) (s *segment, n int, size int64, err error) {
	d.mu.Lock()
	s, d.writing = d.active, true
	limit := min(maxSegment, int64(o.Disk.MaxSize)/8)
	fresh := s == nil || s.size >= limit
	if fresh {
		s = &segment{name: newName(d.next)}
		d.next++
	}
	room := int64(o.Disk.MaxSize) - d.size
	d.mu.Unlock()
	written := false
	defer func() {
		if err != nil {
			d.abort(s, fresh, written)
		}
	}()
	var b []byte
	if fresh {
		b = appendHeader(b, s.salt)
	}
	for ; n < len(events); n++ {
		size := int64(len(b) + overhead + len(events[n]))
		if size > room || n > 0 && s.size+size > limit {
			break
		}
		b = appendRecord(b, s.salt, uint32(s.records+n), events[n])
	}
	if n == 0 {
		return s, 0, 0, errFull
	}
	if err := o.FreeMin.check(d.dir, int64(len(b))); err != nil {
		return s, 0, 0, err
	}
	written = true
	if err := d.write(s, b, fresh); err != nil {
		return s, 0, 0, fmt.Errorf("cannot write events to disk: %w", err)
	}
	return s, n, s.size + int64(len(b)), nil
}

func (d *disk) write(s *segment, b []byte, fresh bool) error {
	var dirs []string // that have a new name in them
	if fresh {
		if _, err := os.Stat(d.dir); err != nil {
			dirs = []string{parent(d.dir), parent(parent(d.dir))}
		}
		if err := os.MkdirAll(d.dir, 0o700); err != nil {
			return err
		}
		dirs = append(dirs, d.dir)
	}
	f, err := os.OpenFile(s.file(d.dir, spillExt), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, s.size)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	for _, dir := range dirs {
		if err == nil {
			err = deadletter.SyncDir(dir)
		}
	}
	return err
}

// abort ends an append that has failed. A file that was written to is not written to again: what a failed sync has left
// of it is not known.
func (d *disk) abort(s *segment, fresh, written bool) {
	switch path := s.file(d.dir, spillExt); {
	case written && fresh:
		_ = os.Remove(path)
	case written:
		_ = os.Truncate(path, s.size) // at worst what is left there is sent after the next start, too
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writing = false; written && !fresh {
		d.active = nil
	}
	d.tidyUp()
}

// parent is filepath.Dir, of a path that has a name.
func parent(path string) string { return filepath.Dir(filepath.Clean(path)) }

// commit takes in the n records that append has written, and calls each with their numbers.
func (d *disk) commit(s *segment, n int, size int64, each func(i, record int)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writing = false; s != d.active {
		d.segs = append(d.segs, s)
		d.active = s
	}
	d.count(n, size-s.size)
	first := s.records
	s.size = size
	s.add(n)
	d.figures.written.Add(int64(n))
	for i := range n {
		each(i, first+i)
	}
	d.tidyUp()
}

// count takes note of records that libbeat has not got, and of bytes. Under the lock.
func (d *disk) count(waiting int, size int64) {
	d.waiting += waiting
	d.size += size
	d.figures.spilled.Add(int64(waiting))
	d.figures.spilledBytes.Add(size)
}

// waits says whether there is a record that libbeat has not got. d may be nil.
func (d *disk) waits() bool {
	if d == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.waiting > 0
}

// took tells that libbeat has got a record, or is to have it no more. Under the lock.
func (d *disk) took(s *segment, record int) {
	before := s.untaken
	s.take(record)
	d.count(s.untaken-before, 0)
}

// acknowledged tells that a record is done with. Under the lock.
func (d *disk) acknowledged(s *segment, record int) {
	before := s.untaken
	s.ack(record)
	d.count(s.untaken-before, 0)
}

// ack tells that a record has been acknowledged.
func (d *disk) ack(s *segment, record int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.acknowledged(s, record)
	d.tidyUp()
}

// untake has a record read again that libbeat has not taken after all.
func (d *disk) untake(s *segment, record int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	before := s.untaken
	s.untake(record)
	d.count(s.untaken-before, 0)
	d.reader = reader{} // called by the goroutine that reads
}

// read takes the first event that libbeat has not got, which is counted as being handed over. ok is false if there is none.
func (d *disk) read() (event []byte, s *segment, record int, ok bool, err error) {
	for {
		d.mu.Lock()
		i := slices.IndexFunc(d.segs, func(s *segment) bool { return s.untaken > 0 })
		if i < 0 {
			d.mu.Unlock()
			return nil, nil, 0, false, nil
		}
		s = d.segs[i]
		size, records := s.size, s.records
		d.mu.Unlock()
		r := &d.reader
		if r.seg != s {
			*r = reader{seg: s, scan: scan{salt: s.salt}}
		}
		if event, record, ok = d.advance(r); ok {
			return event, s, record, true, nil
		}
		if err := d.load(r, size, records); err != nil {
			return nil, nil, 0, false, err
		}
	}
}

// advance returns the next record of what is loaded that is to be taken, and takes it.
func (d *disk) advance(r *reader) (event []byte, record int, ok bool) {
	for r.scan.data != nil {
		next := int(r.scan.next)
		number, event, ok := r.scan.record()
		upTo := r.upTo
		if ok {
			upTo = min(int(number), r.upTo)
		}
		d.lose(r.seg, next, upTo, &d.figures.corrupt)
		if !ok || int(number) >= r.upTo { // beyond is what a write left that failed
			r.scan = scan{salt: r.scan.salt, next: uint32(r.upTo)}
			return nil, 0, false
		}
		d.mu.Lock()
		if !r.seg.taken.has(int(number)) {
			d.figures.handing.Add(1)
			d.took(r.seg, int(number))
			d.mu.Unlock()
			return event, int(number), true
		}
		d.mu.Unlock()
	}
	return nil, 0, false
}

// lose counts the records from first up to one as lost, unless libbeat has them.
func (d *disk) lose(s *segment, first, upTo int, reason *counter) {
	if first >= upTo {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var lost []int
	for i := first; i < upTo; i++ {
		if !s.taken.has(i) {
			lost = append(lost, i)
			d.acknowledged(s, i)
		}
	}
	if len(lost) == 0 {
		return
	}
	reason.Add(int64(len(lost)))
	d.figures.lost.Add(int64(len(lost)))
	d.log.Errorf("LOST %d events: records %s of %s cannot be read.", len(lost), some(lost), s.file(d.dir, spillExt))
	d.tidyUp()
}

// mostReads is how often a file is tried to be read.
const mostReads = 5

// load reads what the segment has beyond what is loaded: up to size, where it has so many records.
func (d *disk) load(r *reader, size int64, records int) error {
	path := r.seg.file(d.dir, spillExt)
	data, err := readFile(path, r.offset, size-r.offset)
	if r.failed++; err != nil && r.failed < mostReads && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot read events on disk: %w", err)
	}
	if err != nil {
		d.setAside(r.seg.name, err)
		d.lose(r.seg, 0, records, &d.figures.unreadable)
		d.reader = reader{}
		return nil
	}
	next, start := r.scan.next, 0
	if r.offset == 0 {
		start = min(headerSize, len(data))
	}
	r.scan = scan{data: data, salt: r.seg.salt, pos: start, end: start, next: next}
	r.upTo, r.offset, r.failed = records, size, 0
	return nil
}

// tidyUp has a goroutine remove what is acknowledged and write down how far. Under the lock.
func (d *disk) tidyUp() {
	if d.again = true; d.tidying {
		return
	}
	if !slices.ContainsFunc(d.segs, func(s *segment) bool { return s.left == 0 || s.prefix != s.noted }) {
		return
	}
	d.tidying = true
	go d.tidy() // settle waits for it
}

func (d *disk) tidy() {
	d.mu.Lock()
	for d.again {
		d.again = false
		var done []*segment
		notes := map[name]int{}
		d.segs = slices.DeleteFunc(d.segs, func(s *segment) bool {
			if s.left == 0 && (s != d.active || !d.writing) {
				done = append(done, s)
				return true
			}
			if s.prefix != s.noted {
				notes[s.name], s.noted = s.prefix, s.prefix
			}
			return false
		})
		for _, s := range done {
			if d.count(0, -s.size); s == d.active {
				d.active = nil
			}
		}
		d.mu.Unlock()
		for _, s := range done {
			if err := s.remove(d.dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				d.log.Errorf("Cannot remove %s, all of which is acknowledged; after the next start it is sent again: %v", s.file(d.dir, spillExt), err)
			}
		}
		for n, prefix := range notes {
			err := n.note(d.dir, prefix)
			if err != nil && !d.unnoted { // once, not with every acknowledgement
				d.log.Warnf("Cannot note how much of %s is acknowledged; after a stop it is sent again: %v", n.file(d.dir, spillExt), err)
			}
			d.unnoted = err != nil
		}
		d.mu.Lock()
	}
	d.tidying = false
	d.tidied.Broadcast()
	d.mu.Unlock()
}

// settle waits until what is acknowledged by now is removed or noted.
func (d *disk) settle() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.tidying {
		d.tidied.Wait()
	}
}

// some writes down numbers, the first of many.
func some(n []int) string {
	const most = 10
	if len(n) <= most {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%v and %d more", n[:most], len(n)-most)
}
