package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/journal"
)

// A header is what the first bytes of a journal file say.
type header struct {
	journal.Header
	oldest, newest time.Time
	size           int64               // of the file
	unknown        *journal.FlagsError // nil: podbeat knows its format
}

// journalFlags are the incompatible flags that systemd 257 knows, by bit.
var journalFlags = []string{"compressed-xz", "compressed-lz4", "keyed-hash", "compressed-zstd", "compact"}

// flagNames lists flags, those without a name as a number.
func flagNames(flags uint32) string {
	var names []string
	for bit := range 32 {
		switch {
		case flags&(1<<bit) == 0:
		case bit < len(journalFlags):
			names = append(names, journalFlags[bit])
		default:
			names = append(names, fmt.Sprintf("unknown flag %#x", uint32(1)<<bit))
		}
	}
	return strings.Join(names, ", ")
}

// readHeader reads the header of the file at path.
func readHeader(path string) (h header, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return h, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return h, err
	}
	h.size = info.Size()
	if h.Header, err = journal.ReadHeader(f); err != nil && !errors.As(err, &h.unknown) {
		return h, fmt.Errorf("%s: %w", path, err)
	}
	h.oldest, h.newest = moment(h.HeadRealtime), moment(h.TailRealtime)
	return h, nil
}

// moment is a time in a header, in microseconds; the zero time if it has none that can be.
func moment(usec uint64) time.Time {
	if usec == 0 || usec > 1<<60 {
		return time.Time{}
	}
	return time.UnixMicro(int64(usec))
}
