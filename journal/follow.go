package journal

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// pollTick is how often files are looked at while Wait waits. journald's own notice, a file event, is held
// back for 250 ms, and does not come from network file systems at all; a look costs a microsecond a file.
const pollTick = 100 * time.Millisecond

// scanTick is how often directories are looked through though nothing tells of a change.
const scanTick = 2 * time.Second

// Wait returns nil when Next has something to say, an entry or an error, and ctx's error when that
// ends first. It finds files that are new, and goes on in those that have been renamed; what is in a
// deleted file is read to its end if it is open, and missing if not.
//
// A file that was not there before begins where the seek had all of them begin, or behind the last number of
// its chain: nothing that was written meanwhile is passed over, whatever its clock said.
func (j *Journal) Wait(ctx context.Context) error {
	if j.closed {
		return ErrClosed
	}
	if j.watch.start(j.o.NoInotify) {
		j.watch.add(j.listed.dirs)
		j.scan() // what happened before
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if j.ready() {
			return nil
		}
		names := j.watch.wait(ctx, pollTick)
		since := time.Since(j.listed.taken)
		if names || since >= scanTick || since >= pollTick && (j.listed.stale() || j.making()) {
			j.scan()
			j.watch.add(j.listed.dirs)
		}
	}
}

// ready says whether there is something to be read.
func (j *Journal) ready() bool {
	if !j.started || !j.down {
		j.turn(true)
	}
	if m := j.current; m != nil {
		j.current = nil
		j.fetch(m, false)
		j.sift(0, m.has)
	}
	j.ask(true)
	return len(j.heap) > 0 || len(j.errs) > 0
}

// making says whether there is a file that has just been made, and has no whole header yet.
func (j *Journal) making() bool {
	for _, r := range j.refused {
		if errors.Is(r.err, ErrNoJournal) && time.Since(r.info.ModTime()).Abs() < scanTick {
			return true
		}
	}
	return false
}

// A refusal is why a file is not read; it is tried again when the file has changed.
type refusal struct {
	err  error
	info fs.FileInfo
	at   time.Time
}

// scan looks through the selection and takes note of what is new and what is gone.
func (j *Journal) scan() {
	j.listed = j.sel.list()
	now := j.listed.taken
	byPath := make(map[string]*member, len(j.members))
	for _, m := range j.members {
		byPath[m.path] = m
	}
	found := map[*member]bool{}
	for _, l := range j.listed.files {
		m := byPath[l.path]
		if m == nil || !m.is(l) {
			i := slices.IndexFunc(j.members, func(m *member) bool { return m.is(l) })
			if m = nil; i >= 0 {
				m = j.members[i]
			} else {
				m = j.admit(l)
			}
		}
		if m != nil && !found[m] {
			found[m] = true
			m.path, m.info, m.missed = l.path, l.info, time.Time{}
		}
	}
	for _, m := range slices.Clone(j.members) {
		if found[m] {
			continue
		}
		if m.missed.IsZero() {
			m.missed = now
		}
		// It may be on its way from one name to the other.
		if m.file == nil && (m.final || now.Sub(m.missed) >= pollTick) {
			j.drop(m)
		}
	}
	for path := range j.refused {
		if !j.listed.seen[path] {
			delete(j.refused, path)
		}
	}
}

// is says whether l is the member's file. A closed one may have been deleted and its inode given to another.
func (m *member) is(l listedFile) bool {
	if !os.SameFile(m.info, l.info) {
		return false
	}
	if m.file != nil || m.path == l.path && m.info.ModTime().Equal(l.info.ModTime()) {
		return true
	}
	header, err := headerOf(l.path)
	return err != nil || header.FileID == m.header.FileID
}

func headerOf(path string) (Header, error) {
	h, err := openRegular(path)
	if err != nil {
		return Header{}, err
	}
	defer h.Close()
	return ReadHeader(h)
}

// admit takes in a file that is new, if it can be read.
func (j *Journal) admit(l listedFile) *member {
	var flags *FlagsError
	old, refused := j.refused[l.path]
	if refused && os.SameFile(old.info, l.info) {
		lasting := errors.Is(old.err, ErrNoJournal) || errors.As(old.err, &flags)
		if lasting && old.info.ModTime().Equal(l.info.ModTime()) || !lasting && time.Since(old.at) < scanTick {
			return nil
		}
	}
	j.found++
	m := &member{j: j, path: l.path, info: l.info, order: j.found}
	var err error
	if m.header, err = headerOf(l.path); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			j.refused[l.path] = refusal{m.error(err), l.info, time.Now()}
		}
		return nil
	}
	delete(j.refused, l.path)
	if !j.started {
		j.members = append(j.members, m)
		return m
	}
	for _, other := range j.members {
		j.note(other)
	}
	j.members = append(j.members, m)
	return m
}

// maxChains bounds what is remembered of chains that are gone.
const maxChains = 4096

// note remembers how far a member's chain has been yielded.
func (j *Journal) note(m *member) {
	id := m.header.SeqnumID
	if m.number > j.chains[id] {
		if len(j.chains) >= maxChains {
			clear(j.chains)
		}
		j.chains[id] = m.number
	}
}

// drop forgets a member.
func (j *Journal) drop(m *member) {
	m.close()
	m.gone = true
	j.note(m)
	j.members = slices.DeleteFunc(j.members, func(other *member) bool { return other == m })
}

// pause waits for a while.
func pause(ctx context.Context, long time.Duration) {
	t := time.NewTimer(long)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
