package journal

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

// A fileReader yields the entries of one journal file: all that the reader knows of what reads them. It is not safe for
// concurrent use. Its owner calls close.
type fileReader interface {
	// next yields the next entry; false says that there is none now: more may come. Of a damaged entry
	// it yields the fields that can be read, with errEntry; e has the entry's place if that could be read. e's memory is used again.
	next(e *Entry) (ok bool, err error)

	// skip goes on after a *journal.EntryError that says Again; without it, next tries the same again.
	skip()
	// salvage looks for entries beyond the end that nothing leads to, and says whether there are any: next yields them.
	salvage() bool

	// The seeks take effect with next, which then yields the place sought or, if that is not there, the one after it.
	seekHead() error
	seekCursor(c cursor) error
	seekSeqnum(chain string, n uint64) error
	seekMonotonic(bootID string, usec uint64) error
	seekRealtime(usec uint64) error

	// unique returns the values that a field has in the file; it needs no entry for that.
	unique(field string) []string
	// dropped says whether the file has been given up as damaged: next yields nothing more then, and says nothing.
	dropped() bool
	close()
}

// An opener opens a journal file, which stays its caller's, for the entries that pass f. A header that is not nil takes
// the place of the file's own. Fields are cut at threshold bytes, name included.
type opener func(from *os.File, header []byte, f filter, threshold uint64) (fileReader, error)

// openers are by the option reader.
var openers = map[string]opener{"journal": openJournalFile, "sdjournal": openSDJournal}

// errEntry says that there is an entry which cannot be read; next goes on after it.
var errEntry = errors.New("cannot read journal entry")

// isDamage says whether opening a file has failed for what is in it, and not for want of memory or
// descriptors. go-systemd gives libsystemd's error as text only.
func isDamage(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EINTR} {
		if errors.Is(err, errno) || strings.HasSuffix(err.Error(), errno.Error()) {
			return false
		}
	}
	return true
}
