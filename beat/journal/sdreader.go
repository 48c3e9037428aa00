//go:build cgo && linux

package journal

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/coreos/go-systemd/v22/sdjournal"
)

// sdjournalBuilt says whether this program can read by libsystemd.
const sdjournalBuilt = true

// maxCopy bounds how large a damaged file may be.
const maxCopy = 1 << 30

// An sdReader reads one journal file by libsystemd. One at a time, because libsystemd merges several by time, and
// there passes over entries that come late (from another host, or after the clock was set back), and
// drops a file that is damaged without a word.
type sdReader struct {
	j         *sdjournal.Journal
	entry     entryReader
	threshold uint64
	sized     bool     // the file system says how much space the file takes
	torn      bool     // the file has been cut under us: it must be opened anew
	copied    *os.File // what is read instead of the file, or nil
}

// openSDJournal opens a journal file through our descriptor of it: its name may be another file's by now. With another
// header a copy is opened.
func openSDJournal(from *os.File, header []byte, f filter, threshold uint64) (_ fileReader, err error) {
	var copied *os.File
	if header != nil {
		if copied, err = repairedCopy(from, header); err != nil {
			return nil, err
		}
		from = copied
		defer func() {
			if err != nil {
				discard(copied)
			}
		}()
	}
	var j *sdjournal.Journal
	whole := guard(func() { j, err = sdjournal.NewJournalFromFiles(fmt.Sprintf("/proc/self/fd/%d", from.Fd())) })
	if err != nil {
		return nil, err
	}
	r := &sdReader{j: j, threshold: threshold, torn: !whole, copied: copied}
	n, err := j.GetUsage()
	r.sized = err == nil && n > 0
	if err = r.prepare(f, threshold); err != nil {
		_ = j.Close()
		return nil, err
	}
	return r, nil
}

func (r *sdReader) prepare(f filter, threshold uint64) error {
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

func (r *sdReader) close() {
	_ = r.j.Close()
	r.entry.close()
	if r.copied != nil {
		discard(r.copied)
	}
}

// dropped shows by the space that all of libsystemd's files take.
func (r *sdReader) dropped() bool {
	n, err := r.j.GetUsage()
	return r.torn || r.sized && (err != nil || n == 0)
}

// skip has nothing to do: libsystemd says nothing of what is not written yet.
func (r *sdReader) skip() {}

// salvage is nothing that libsystemd can do.
func (r *sdReader) salvage() bool { return false }

func (r *sdReader) seekHead() error { return r.j.SeekHead() }

func (r *sdReader) seekCursor(c cursor) error { return r.j.SeekCursor(c.String()) }

func (r *sdReader) seekSeqnum(chain string, n uint64) error {
	return r.j.SeekCursor(fmt.Sprintf("s=%s;i=%x", chain, n))
}

func (r *sdReader) seekMonotonic(bootID string, usec uint64) error {
	return r.j.SeekCursor(fmt.Sprintf("b=%s;m=%x", bootID, usec))
}

func (r *sdReader) seekRealtime(usec uint64) error { return r.j.SeekRealtimeUsec(usec) }

func (r *sdReader) unique(field string) []string {
	var values []string
	r.torn = !guard(func() { values, _ = r.j.GetUniqueValues(field) }) || r.torn
	return values
}

func (r *sdReader) next(e *Entry) (ok bool, err error) {
	*e = Entry{Fields: e.Fields[:0]}
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
		*e = Entry{Fields: e.Fields[:0]}
		return false, nil
	}
	if err != nil {
		return len(e.Fields) > 0, fmt.Errorf("%w: %w", errEntry, err)
	}
	return ok, nil
}

// repairedCopy makes what libsystemd takes of a file that it refuses: the same bytes, with zeros in place
// of the missing ones, under a header that fits. The copy keeps its name, for libsystemd refuses files
// without, until its owner discards it.
func repairedCopy(from *os.File, header []byte) (_ *os.File, err error) {
	info, err := from.Stat()
	if err != nil {
		return nil, err
	}
	size := info.Size()
	if size < headerMin || size > maxCopy {
		return nil, fmt.Errorf("cannot mend a file of %d bytes", size)
	}
	st := keyOf(info)
	name := filepath.Join(os.TempDir(), fmt.Sprintf("podbeat-journal-%d-%d", st.dev, st.ino))
	_ = os.Remove(name) // of a podbeat that was killed
	to, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot copy a damaged file: %w", err)
	}
	defer func() {
		if err != nil {
			discard(to)
		}
	}()
	if _, err := io.Copy(to, io.NewSectionReader(from, 0, size)); err != nil {
		return nil, fmt.Errorf("cannot copy a damaged file: %w", err)
	}
	if _, err := to.WriteAt(header, 0); err != nil {
		return nil, err
	}
	h, err := readHeader(to)
	if err != nil {
		return nil, err
	}
	return to, to.Truncate(int64(max(uint64(size), h.promises())))
}

// discard closes and deletes a copy.
func discard(copied *os.File) {
	_ = copied.Close()
	_ = os.Remove(copied.Name())
}
