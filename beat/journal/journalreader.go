package journal

import (
	"cmp"
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/podbeat/podbeat/journal"
)

// A journalReader reads one journal file by package journal.
type journalReader struct {
	f     *journal.File
	entry journal.Entry
	// The text of the ids of the entry before: most entries have the same.
	chain, boot         journal.ID
	chainText, bootText string
}

func openJournalFile(from *os.File, header []byte, fl filter, threshold uint64) (fileReader, error) {
	var r io.ReaderAt = struct { // without Close: the file is the caller's
		io.ReaderAt
		syscall.Conn
	}{from, from}
	if header != nil {
		r = mended{from, from, header}
	}
	f, err := journal.NewFile(r, journal.Options{MaxField: threshold})
	if err != nil {
		return nil, err
	}
	if len(fl) > 0 {
		if err := f.Match(fl); err != nil {
			f.Close()
			return nil, err
		}
	}
	return &journalReader{f: f}, nil
}

func (r *journalReader) close() { _ = r.f.Close() }

func (r *journalReader) dropped() bool { return false }

func (r *journalReader) skip() { r.f.Skip() }

func (r *journalReader) salvage() bool {
	n, err := r.f.Salvage()
	return n > 0 && err == nil
}

func (r *journalReader) seekHead() error {
	r.f.SeekHead()
	return nil
}

func (r *journalReader) seekCursor(c cursor) error {
	at, err := journal.ParseCursor(c.String())
	if err != nil {
		return err
	}
	r.f.SeekCursor(at)
	return nil
}

func (r *journalReader) seekSeqnum(_ string, n uint64) error {
	r.f.SeekSeqnum(n)
	return nil
}

func (r *journalReader) seekMonotonic(bootID string, usec uint64) error {
	boot, err := journal.ParseID(bootID)
	if err != nil {
		return err
	}
	r.f.SeekMonotonic(boot, usec)
	return nil
}

func (r *journalReader) seekRealtime(usec uint64) error {
	r.f.SeekRealtime(usec)
	return nil
}

func (r *journalReader) unique(field string) (values []string) {
	for v, err := range r.f.Values(field) {
		if err != nil || len(values) == maxAround {
			break
		}
		values = append(values, v)
	}
	return values
}

var errNoBoot = errors.New("the entry is of no boot")

func (r *journalReader) next(e *Entry) (bool, error) {
	je := &r.entry
	je.Fields = e.Fields[:0]
	ok, err := r.f.Next(je)
	*e = Entry{Fields: je.Fields}
	if !ok && err == nil {
		return false, nil
	}
	var bad *journal.EntryError
	if ok || errors.As(err, &bad) && bad.Seqnum > 0 {
		if r.chain != je.SeqnumID || r.chainText == "" {
			r.chain, r.chainText = je.SeqnumID, je.SeqnumID.String()
		}
		if r.boot != je.BootID || r.bootText == "" {
			r.boot, r.bootText = je.BootID, je.BootID.String()
		}
		e.SeqnumID, e.BootID, e.Seqnum = r.chainText, r.bootText, je.Seqnum
		e.Realtime, e.Monotonic, e.xor, e.placed = je.Realtime, je.Monotonic, je.Xor, true
	}
	if ok && r.boot.IsZero() { // it has no cursor to go on from
		return false, cmp.Or(err, errNoBoot)
	}
	return ok, err
}
