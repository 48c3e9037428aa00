package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/journal"
)

// A refusal is why a file is not read; it is tried again when the file has changed.
type refusal struct {
	err     error
	changed time.Time
}

// keepHouse does what must not wait for Read, which is not called while no output takes anything: it
// lets go of deleted files.
func (r *reader) keepHouse() {
	defer close(r.stopped)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case now := <-tick.C:
			r.mu.Lock()
			r.refresh(now)
			r.mu.Unlock()
		}
	}
}

// refresh finds out what has happened to the files since it was called last, if that is a while ago.
func (r *reader) refresh(now time.Time) {
	if now.Sub(r.ticked) < pollTick {
		return
	}
	r.ticked = now
	slow := now.Sub(r.kept) >= min(time.Second, r.poll)
	if slow {
		r.kept = now
	}
	if slow && now.Sub(r.listed.taken) >= r.poll || r.listed.stale() {
		r.scan()
	}
	for _, f := range r.files {
		switch {
		case f.handle == nil || f.done:
		case f.chain == nil:
			r.attach(f)
		case slow:
			f.keep(now)
		case !f.ready && f.mended == nil && (f.grown() || !f.stuck.IsZero()):
			f.ready = true
		}
	}
}

// keep looks after an open file.
func (f *file) keep(now time.Time) {
	f.ready = f.ready || f.grown() || !f.stuck.IsZero()
	f.refresh()
	if f.deleted.IsZero() && f.nameless() {
		f.deleted = now
	}
	idle := !f.ready && !f.readAhead() && !f.hides()
	if idle && (f.final() || !f.deleted.IsZero()) {
		f.finish()
		return
	}
	if !f.deleted.IsZero() && now.Sub(f.deleted) >= f.r.grace {
		// Whoever deleted it wants the space; what was not read by now is missing.
		if f.hides() {
			f.r.log.Warnf("Journal file %q was deleted before all of it was read.", f.path)
		}
		f.finish()
		return
	}
	f.ready = f.ready || f.hides() && !f.hidden.tried
}

// scan looks through the selection and takes note of what is new and what is gone.
func (r *reader) scan() {
	r.listed = r.sel.list()
	now := r.listed.taken
	for key, l := range r.listed.files {
		f := r.files[key]
		if f != nil && (f.replaced(l) || f.done && f.unlisted) { // the second: it was gone, and is back
			r.drop(f)
			f = nil
		}
		if f == nil {
			r.admit(key, l.path)
			f = r.files[key]
		}
		if f != nil {
			f.path, f.changed, f.missed, f.unlisted = l.path, l.changed, time.Time{}, false
		}
	}
	for key, f := range r.files {
		if _, ok := r.listed.files[key]; !ok && !r.listed.part {
			r.miss(f, now)
		}
	}
	for key := range r.refused {
		if _, ok := r.listed.files[key]; !ok && !r.listed.part { // one that is back would be counted and told of again
			delete(r.refused, key)
		}
	}
	for path, err := range r.listed.denied {
		r.deny(fileKey{}, path, err)
	}
	denied := len(r.listed.denied)
	for key, refused := range r.refused {
		if key != (fileKey{}) && errors.Is(refused.err, fs.ErrPermission) {
			denied++
		}
	}
	for _, f := range r.files {
		if f.refused != nil {
			denied++
		}
	}
	r.metrics.files.now.Set(uint64(denied))
	for key, l := range r.listed.beside {
		if !r.beside[key] && r.files[key] == nil {
			r.lookBeside(key, l.path)
		}
	}
	for key := range r.beside {
		if _, ok := r.listed.beside[key]; !ok {
			delete(r.beside, key)
		}
	}
	if len(r.listed.other) > 0 && !r.foreign {
		r.foreign = true
		r.log.Warnf("No directory in %v is this machine's (%q); reading %v. In a container mount the node's /etc/machine-id.",
			r.sel.paths, r.sel.machineID, r.listed.other)
	}
	for id, c := range r.chains {
		if len(r.chains) <= 4*maxChains {
			break
		}
		if len(c.files) == 0 {
			delete(r.chains, id)
		}
	}
}

// replaced says whether l is another file that has got the inode of f, which was deleted. That
// cannot be while f is open.
func (f *file) replaced(l listedFile) bool {
	if f.handle != nil || l.path == f.path && l.changed.Equal(f.changed) {
		return false
	}
	now := &file{r: f.r, key: f.key, path: l.path}
	if now.hold() != nil {
		return false // gone again: the next listing decides
	}
	defer now.release()
	h, err := readHeader(now.handle)
	return err == nil && h.FileID != f.hdr.FileID
}

// miss deals with a file that was listed once and is not any more. An open one is read to its end.
func (r *reader) miss(f *file, now time.Time) {
	if f.missed.IsZero() {
		f.missed = now
	}
	if now.Sub(f.missed) < pollTick {
		return // it may be on its way from one name to the other
	}
	f.unlisted = true
	if f.handle == nil || f.chain == nil {
		r.drop(f)
	}
}

// drop forgets a file.
func (r *reader) drop(f *file) {
	if !f.done && f.chain != nil && f.hides() {
		r.log.Warnf("Journal file %q is gone before it was read: numbers %d to %d.", f.path, f.hdr.HeadSeqnum, f.hdr.TailSeqnum)
	}
	f.finish()
	r.unqueue(f)
	r.beside[f.key] = true
	delete(r.files, f.key)
}

// admit takes in a file that is new.
func (r *reader) admit(key fileKey, path string) {
	f := &file{r: r, key: key, path: path}
	info, err := os.Stat(path)
	if err != nil || keyOf(info) != key {
		return // renamed: it is in the next listing
	}
	old, refused := r.refused[key]
	if refused && old.changed.Equal(info.ModTime()) && !errors.Is(old.err, fs.ErrPermission) {
		return
	}
	if err = f.hold(); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			r.deny(key, path, err)
		}
		r.listed.failed(err)
		return
	}
	f.hdr, err = readHeader(f.handle)
	var flags *journal.FlagsError
	switch {
	case err == nil:
	case errors.As(err, &flags):
		// Its numbers are missing when it is its turn.
		f.refused = err
		r.metrics.files.unreadable.Inc()
		r.log.Errorf("Cannot read journal file %q: %v", path, err)
	case time.Since(info.ModTime()) < settleTime:
		f.release()
		return // being made
	default:
		b, err := f.mendedHeader()
		if err == nil {
			f.hdr, err = readHeader(bytes.NewReader(b))
		}
		if err != nil {
			if !refused {
				r.metrics.files.corrupt.Inc()
				r.log.Errorf("Cannot read journal file %q: %v", path, err)
			}
			r.refused[key] = refusal{err, info.ModTime()}
			f.release()
			return
		}
	}
	delete(r.refused, key)
	r.files[key] = f
	r.attach(f)
}

// hold opens the file for us, whatever it is called by now.
func (f *file) hold() error {
	h, err := os.OpenFile(f.path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	info, err := h.Stat()
	if err == nil && keyOf(info) != f.key {
		err = fmt.Errorf("%q is another file by now: %w", f.path, fs.ErrNotExist)
	}
	if err != nil {
		_ = h.Close()
		return err
	}
	f.handle = h
	return nil
}

// hold opens a file whose turn it is; false means that it is gone, or has another name for a moment.
func (r *reader) hold(f *file, now time.Time) bool {
	err := f.hold()
	if errors.Is(err, fs.ErrNotExist) {
		r.scan()
		if f.done {
			return false
		}
		err = f.hold()
	}
	switch {
	case err == nil:
		if h, err := readHeader(f.handle); err != nil || h.FileID == f.hdr.FileID {
			f.refresh()
			return true
		}
		f.release() // another file has got the inode: the next listing finds out
		f.failed, f.retry = now, now.Add(pollTick)
	case errors.Is(err, fs.ErrNotExist):
		f.failed, f.retry = now, now.Add(pollTick) // the next listings decide
	case errors.Is(err, fs.ErrPermission):
		r.deny(f.key, f.path, err)
		r.drop(f)
	default:
		r.metrics.errors.Inc()
		r.complain("Cannot open journal file %q, trying again: %v", f.path, err)
		f.failed, f.retry = now, now.Add(r.poll)
	}
	return false
}

// mendedHeader is a header that the file may be read with, if its own makes no sense.
func (f *file) mendedHeader() ([]byte, error) {
	b := make([]byte, headerMin)
	if _, err := f.handle.ReadAt(b, 0); err != nil {
		return nil, journal.ErrNoJournal
	}
	info, err := f.handle.Stat()
	if err == nil {
		_, err = mendHeader(b, uint64(info.Size()))
	}
	return b, err
}

// attach gives a file to its chain once it has an entry; before, its seqnum_id may still change. Until
// it is its turn the file is not kept open.
func (r *reader) attach(f *file) {
	if f.refresh(); f.hdr.HeadSeqnum == 0 {
		if f.nameless() || f.final() {
			f.finish()
		}
		return
	}
	id := f.hdr.SeqnumID.String()
	c := r.chains[id]
	if c == nil {
		c = &chain{id: id, seqnumID: f.hdr.SeqnumID}
		c.set(r.saved[id])
		r.chains[id] = c
	}
	f.chain = c
	c.files = append(c.files, f)
	r.relate(f)
	_ = f.handle.Close()
	f.handle = nil
	r.waiting(f)
}

// relate joins chains that draw from one counter.
func (r *reader) relate(f *file) {
	shares, user := sharesCounter(f.path, &f.hdr)
	n := &f.chain.numbers
	if !shares || n.family != nil {
		return
	}
	dir := filepath.Dir(f.path)
	fam := r.fams[dir]
	if fam == nil {
		fam = &family{}
		r.fams[dir] = fam
	}
	fam.users = fam.users || user
	fam.members = append(fam.members, n)
	if n.last > fam.last && r.savedBoot != "" {
		fam.last, fam.bootID = n.last, r.savedBoot
	}
	n.family = fam
}

// complain logs what happens again and again, now and then.
func (r *reader) complain(format string, args ...any) {
	if time.Since(r.complained) >= 10*time.Second {
		r.complained = time.Now()
		r.log.Errorf(format, args...)
	}
}

// deny counts what podbeat has no right to read. Numbers may be in there: gaps cannot be known.
func (r *reader) deny(key fileKey, path string, err error) {
	if r.denied[path] {
		return
	}
	r.denied[path] = true
	r.metrics.files.unreadable.Inc()
	r.gaps.unknown()
	r.refused[key] = refusal{err: err}
	r.log.Warnf("Cannot read journal %q: %v. To let podbeat's user read it: usermod -aG systemd-journal USER", path, err)
}

// lookBeside finds out whether a file that is not selected has numbers of a chain that is read.
func (r *reader) lookBeside(key fileKey, path string) {
	r.beside[key] = true
	h, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer h.Close()
	hdr, err := readHeader(h)
	if err != nil || !r.gaps.known {
		return
	}
	shares, _ := sharesCounter(path, &hdr)
	if r.chains[hdr.SeqnumID.String()] != nil || shares && r.fams[filepath.Dir(path)] != nil {
		r.gaps.unknown()
		r.log.Infof("Gaps cannot be counted: %q belongs to what is read, and is not among the paths.", path)
	}
}
