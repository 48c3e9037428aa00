package follow

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/podbeat/podbeat/beat/find"
)

// An inode tells files apart, whatever they are called. The time of birth, where the file system
// has one, tells a file from an earlier one whose number it got.
type inode struct {
	dev, ino uint64
	birth    int64 // Unix nanoseconds; 0: not known
}

func inodeOf(i find.Info) inode {
	n := inode{dev: i.Dev, ino: i.Ino}
	if !i.Birth.IsZero() {
		n.birth = i.Birth.UnixNano()
	}
	return n
}

// key is the inode's name in the registry.
func (n inode) key() string {
	return strconv.FormatUint(n.dev, 36) + "-" + strconv.FormatUint(n.ino, 36) + "-" + strconv.FormatInt(n.birth, 36)
}

// text is the inode for a content's id: without the device, whose number may be another after a
// restart of the machine, and with the time when the file was found where the birth is not known.
func (n inode) text(found int64) string {
	if n.birth != 0 {
		found = n.birth
	}
	return strconv.FormatUint(n.ino, 36) + "-" + strconv.FormatInt(found, 36)
}

// A file is one that is followed.
type file struct {
	inode
	born  int64 // when it was found, in Unix nanoseconds
	tmpfs bool  // opened only while it is read: an open file would keep its volume from being unmounted
	gz    bool
	dir   string
	src   Source
	shard *shard

	size    atomic.Int64              // as last seen
	pos     atomic.Int64              // how far it has been read
	behind  atomic.Int64              // since when it has had unread bytes, in Unix nanoseconds; 0: it has none
	reading atomic.Bool               // it has a content, and pos is where that has been read to
	waits   atomic.Bool               // it is a copy, and waits for its original
	head    atomic.Pointer[beginning] // how its content begins
	wake    atomic.Bool               // have a turn at the next tick, although nothing is seen to change
	denied  atomic.Bool               // podbeat had no right to open it the last time

	mu      sync.Mutex
	names   []string  // that lead to it, the oldest first; none: it was deleted, or moved out of sight
	last    string    // the name it had last
	open    *os.File  // nil: closed
	deleted time.Time // when it was seen to have no name in the file system
	used    time.Time // when it was last read, or found changed
	givenUp string    // why it was closed for good although it was not read to its end, or ""
	twin    *content  // what it seemed to be a copy of when it was given up without a turn
	changed bool      // it had another content by then than the one that was read
	blank   int64     // how many bytes without text it began with
	written bool      // it was written to, or truncated, since it could last be opened or looked at
	missing bool      // a whole scan has not found it
	queued  bool

	log string // the name under which the shard has it as a fresh one, or ""
	had string // the name under which the tracker has it as the one that left it last; the tracker's

	// The shard's own.
	content  *content  // nil: not identified, or a copy
	copyOf   *content  // waits for what it is a copy of
	after    *file     // had the name before, and is read first
	old      *file     // that had the inode before, and may be the same
	before   string    // the id of the content that it held before, if it may hold a copy now
	was      *content  // what it held when it was last seen, by an earlier run
	ended    bool      // it is not followed any more
	done     bool      // a compressed file, read to its end
	caughtUp bool      // the last turn came to its end
	length   int64     // as its last turn saw it, or -1
	grew     time.Time // when that changed
	gzip     *gzipReader
	checked  int64 // the length at which it was looked whether a compressed file has its end …
	broken   bool  // … and it had none
	longer   int   // how much more a turn reads, for a line longer than a turn
}

// path is the name under which its events say they were read: the last one if it has none now.
func (f *file) path() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// name adds a name that leads to f.
func (f *file) name(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.names, path) {
		f.names = append(f.names, path)
	}
	f.last, f.missing = f.names[0], false
}

// unname removes a name.
func (f *file) unname(path string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names = slices.DeleteFunc(f.names, func(n string) bool { return n == path })
	if len(f.names) > 0 {
		f.last = f.names[0]
	}
}

// allNames returns the names that lead to f.
func (f *file) allNames() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.names)
}

// idle says whether all that f holds has been read, so that it need not be open.
func (f *file) idle() bool { return f.reading.Load() && f.size.Load() == f.pos.Load() }

// unreadBytes is how many bytes are left to be read; a copy has none, as long as it waits.
func (f *file) unreadBytes() int64 {
	if f.waits.Load() {
		return 0
	}
	return max(0, f.size.Load()-f.pos.Load())
}

// isAway says whether nothing leads to f and nothing holds it: its inode may be another file's.
func (f *file) isAway() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.names) == 0 && f.open == nil
}

func (f *file) isOpen() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open != nil
}

// errAway means that a file cannot be opened under any of its names.
var errAway = errors.New("the file is not where it was")

// opened returns f, open. The caller does not close it.
func (f *file) opened(finder *find.Finder) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != nil {
		return f.open, nil
	}
	if f.givenUp != "" {
		return nil, errAway
	}
	denied := false
	for _, name := range f.names {
		h, info, err := finder.Open(name)
		if err != nil {
			if errors.Is(err, fs.ErrPermission) {
				denied = true
				f.shard.run.complain(err)
			}
			continue
		}
		if inodeOf(info) != f.inode {
			_ = h.Close()
			continue
		}
		f.open, f.written = h, false
		f.denied.Store(false)
		f.shard.run.open.Add(1)
		return h, nil
	}
	f.denied.Store(denied)
	return nil, errAway
}

// close closes f, if it is open; it may be opened again.
func (f *file) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut()
}

// closeIdle closes f if all that it holds has been read, and it has a name by which it can be opened again; it says
// whether that was so. It looks itself: what was written, or deleted, since anybody looked would be lost uncounted.
func (f *file) closeIdle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil || !f.reading.Load() {
		return false
	}
	info, err := find.Stat(f.open)
	if err != nil || info.Links == 0 || info.Size != f.pos.Load() {
		return false
	}
	f.shut()
	return true
}

// shut is close for those who hold f.mu.
func (f *file) shut() {
	if f.open != nil {
		_ = f.open.Close()
		f.open = nil
		f.shard.run.open.Add(-1)
	}
}

// stem is the name that a rotation has made name from, if it looks as if one has.
func stem(name string) (stem string, rotated bool) {
	i := strings.LastIndexByte(name, '/') + 1
	dir, base := name[:i], strings.TrimSuffix(name[i:], ".gz")
	rotated = len(base) != len(name)-i
	ext := ""
	if cut, ok := strings.CutSuffix(base, ".log"); ok {
		base, ext = cut, ".log"
	}
	end := len(base)
	for end > 0 && strings.IndexByte("0123456789._:T-", base[end-1]) >= 0 {
		end--
	}
	for _, word := range find.RotatedMarks {
		if cut, ok := strings.CutSuffix(base, "."+word); ok {
			return strings.TrimSuffix(dir+cut, ext) + ext, true
		}
	}
	if suffix := base[end:]; end > 0 && len(suffix) > 1 && strings.IndexByte("._-", suffix[0]) >= 0 {
		base, rotated = base[:end], true
	}
	if ext == "" {
		return dir + base, rotated
	}
	return dir + base + ext, rotated
}

// maybeCopy says whether a rotation may have copied the file called of to the name. That both names
// are rotated ones is no evidence: logs that are begun anew every day have such names, and many begin
// alike. But one that is away may have been compressed after further rotations.
func maybeCopy(name, of string, away bool) bool {
	a, rotated := stem(name)
	b, again := stem(of)
	if !rotated || a != b || name == of {
		return false
	}
	original, compressed := strings.CutSuffix(name, ".gz")
	return !again || compressed && (original == of || away)
}

// sameLog says whether rotations have made both names of one.
func sameLog(name, other string) bool {
	a, _ := stem(name)
	b, _ := stem(other)
	return a == b
}
