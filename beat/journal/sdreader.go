package journal

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/sdjournal"
)

// A fileReader yields the entries of one journal file, by libsystemd. It is all that the reader
// knows of libsystemd: whatever reads a file can take its place. One file at a time, because
// libsystemd merges several by time, and there passes over entries that come late (from another
// host, or after the clock was set back), and drops a file that is damaged without a word.
//
// It is not safe for concurrent use. Its owner calls close.
type fileReader struct {
	j         *sdjournal.Journal
	entry     entryReader
	threshold uint64
	sized     bool // the file system says how much space the file takes
	torn      bool // the file has been cut under us: it must be opened anew
}

// openFile opens the journal file at path for the entries that pass f. Fields are cut at threshold
// bytes, name included.
func openFile(path string, f filter, threshold uint64) (*fileReader, error) {
	var j *sdjournal.Journal
	var err error
	whole := guard(func() { j, err = sdjournal.NewJournalFromFiles(path) })
	if err != nil {
		return nil, err
	}
	r := &fileReader{j: j, threshold: threshold, torn: !whole}
	n, err := j.GetUsage()
	r.sized = err == nil && n > 0
	if err := r.prepare(f, threshold); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *fileReader) prepare(f filter, threshold uint64) error {
	if err := r.j.SetDataThreshold(threshold); err != nil {
		return err
	}
	for i, g := range f {
		if i > 0 {
			if err := r.j.AddConjunction(); err != nil {
				return err
			}
		}
		for k, t := range g {
			if k > 0 {
				if err := r.j.AddDisjunction(); err != nil {
					return err
				}
			}
			for _, m := range t {
				if err := r.j.AddMatch(m); err != nil {
					return fmt.Errorf("cannot use match %q: %w", m, err)
				}
			}
		}
	}
	return nil
}

func (r *fileReader) close() {
	_ = r.j.Close()
	r.entry.close()
}

// dropped says whether libsystemd has given the file up as damaged: next yields nothing more then,
// and says nothing. It shows by the space that all its files take.
func (r *fileReader) dropped() bool {
	n, err := r.j.GetUsage()
	return r.torn || r.sized && (err != nil || n == 0)
}

// isDamage says whether opening a file has failed for what is in it, and not for want of memory or
// descriptors. The binding gives libsystemd's error as text only.
func isDamage(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EINTR} {
		if strings.HasSuffix(err.Error(), errno.Error()) {
			return false
		}
	}
	return true
}

// seekHead and the other seeks take effect with next, which then yields the place sought or, if
// that is not there, the one after it.
func (r *fileReader) seekHead() error { return r.j.SeekHead() }

func (r *fileReader) seekCursor(c cursor) error { return r.j.SeekCursor(c.String()) }

func (r *fileReader) seekSeqnum(chain string, n uint64) error {
	return r.j.SeekCursor(fmt.Sprintf("s=%s;i=%x", chain, n))
}

func (r *fileReader) seekMonotonic(bootID string, usec uint64) error {
	return r.j.SeekCursor(fmt.Sprintf("b=%s;m=%x", bootID, usec))
}

func (r *fileReader) seekRealtime(usec uint64) error { return r.j.SeekRealtimeUsec(usec) }

// at says whether the entry that next has yielded last is the one c names.
func (r *fileReader) at(c cursor) (at bool) {
	whole := guard(func() { at = r.j.TestCursor(c.String()) == nil })
	return at && whole
}

// unique returns the values that a field has in the file; it needs no entry for that.
func (r *fileReader) unique(field string) []string {
	var values []string
	r.torn = !guard(func() { values, _ = r.j.GetUniqueValues(field) }) || r.torn
	return values
}

// errEntry says that there is an entry which cannot be read; next goes on after it.
var errEntry = errors.New("cannot read journal entry")

// next yields the next entry; false says that there is none now: more may come. Of a damaged entry
// it yields the fields that can be read, with errEntry; e has the entry's place if that could be read.
func (r *fileReader) next(e *Entry) (ok bool, err error) {
	*e = Entry{}
	if r.torn {
		return false, nil
	}
	whole := guard(func() {
		var n uint64
		if n, err = r.j.Next(); n > 0 && err == nil {
			ok = true
			err = r.entry.read(r.j, r.threshold, e)
		}
	})
	if !whole {
		r.torn = true
		*e = Entry{}
		return false, nil
	}
	if err != nil {
		return len(e.Fields) > 0, fmt.Errorf("%w: %w", errEntry, err)
	}
	return ok, nil
}
