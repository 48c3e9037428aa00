// Package find finds the files whose paths match globs, below directories that others own, and
// tells when they come, change and go. It hides inotify, scanning and containment.
//
// # What is promised
//
// With inotify, a file is reported within some milliseconds of its creation, also when it was written
// into directories that were made just before, or that were moved or mounted into place: a directory is
// watched before it is read, so nothing slips between. A full scan every Options.ScanEvery is the net
// below that: it finds what inotify did not tell, after an overflow of its queue, on network file
// systems, or in directories for which no watch was to be had. These and everything without inotify
// are read every second at least.
//
// What cannot be seen: without inotify, a file that is created and deleted between two scans, and a
// file that is renamed within the few milliseconds in which its directory is read (the next scan has
// it). With inotify, a file that is deleted before its creation is answered. Writes to a file after
// its deletion are not told of either: who has it open must look. Nor are those just before it, if both come during a
// scan that finds the file gone.
//
// # Containment
//
// The segments of a glob before its first wildcard are the administrator's: they may be symbolic links
// (/var/lib/kubelet may lead to another disk) and need not exist yet. From the first wildcard on
// names belong to whoever writes the logs, who may swap a directory for a link at any moment: no link
// is followed there, by openat2 or, with an older kernel, segment by segment. A file that is a link is
// followed only into Options.LinkRoots, and what is opened is what was checked. Only regular files are
// opened; pipes, sockets and devices are not even touched.
//
// No descriptor of a directory is kept, so that nothing found here hinders an unmount. Memory is
// bounded: what goes beyond maxFiles and maxDirs is left out, counted and logged.
package find

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"golang.org/x/sys/unix"
)

// Options say what is looked for.
type Options struct {
	// Globs are absolute paths with `*`, `?` and `[…]` in a segment as path.Match has them, and `**` as a
	// segment for up to 16 directories.
	Globs []string
	// Recursive looks for the last segment of each glob in all directories below as well, up to 16 deep.
	Recursive bool
	// Exclude leaves out files whose whole path matches any of these, and their rotations.
	Exclude []*regexp.Regexp
	// Rotated reports rotations of matching names as well: `app.log.1`, `app.log-20261121.gz`. Those of what a link leads to
	// in LinkRoots are reported as if they were beside the link: `0.log.1` for `x-json.log.1` if `0.log` leads to `x-json.log`.
	Rotated bool
	// LinkRoots are the directories into which a file that is a symbolic link may lead. Without any no link is followed.
	LinkRoots []string
	// LinkRoot, if it is not nil, says into which one directory the link at a path may lead, in place of LinkRoots: one
	// pod's link may not lead to another's files. "" is none.
	LinkRoot func(path string) string
	// ScanEvery is the time between two full scans, 10 s if it is 0.
	ScanEvery time.Duration
	// NoInotify finds by scans alone, every second at least.
	NoInotify bool
}

// An Op is what has happened to a path.
type Op int

const (
	// Seen: the file is there. It is new, or a scan came by; Info is fresh.
	Seen Op = iota + 1
	// Changed: the file was written to, or closed after it was. Info is not set. It may be Gone by now, which is told next.
	Changed
	// Gone: the path does not lead to that file any more. Info is not set.
	Gone
	// Scanned: a full scan has ended. Every file that was there when it began has been Seen since the
	// previous Scanned, unless Failed: then a directory could not be read, or was too much to remember.
	// A directory that is not there is no failure: its files are not there either. What is not mounted yet looks the same,
	// see Finder.Searched.
	Scanned
)

// An Event tells of one path. The same may be told twice.
type Event struct {
	Op      Op
	Path    string // as the glob spells it
	Info    Info
	Rotated bool // the path does not match, it is a rotation of one that does
	Failed  bool // see Scanned
	Written bool // Changed: written to or truncated, which inotify does not tell apart, and not only closed
}

// Info is what is known of a file without reading it; of a link, what it leads to.
type Info struct {
	Dev, Ino uint64
	Size     int64 // bytes
	ModTime  time.Time
	Birth    time.Time // zero: not known
	Links    uint64    // names the file has
	Tmpfs    bool      // it lies in memory
}

const (
	// often is the time between two looks at what inotify does not tell of.
	often = time.Second

	// burst is how long events may gather before they are read.
	burst = 3 * time.Millisecond

	// batchEvents is about how many events are gathered before they are handed out.
	batchEvents = 64
)

// A Finder finds files. Run and everything it calls belong to one goroutine; Open and Stats are
// anybody's.
type Finder struct {
	log       *logp.Logger
	o         Options
	roots     []*root
	linkRoots atomic.Pointer[[]string] // o.LinkRoots without links, renewed at every scan
	openat2   bool                     // the kernel has it

	handle func(Event)
	queue  []Event // to be handed out when no directory is open
	base   base

	inotify     int // -1: none
	initWatches func(flags int) (int, error)
	addWatch    func(fd int, path string, mask uint32) (int, error)
	watches     map[int]*watch
	buf         []byte // for directories and for events, never both …
	linkBuf     []byte // … and for directories that links lead to
	batch       uint64 // number of the events read together
	listing     uint64 // number of the directory reading

	overflow  bool          // inotify's queue was full: a scan must follow, and watches may be lost
	rewatch   bool          // during that scan
	failed    bool          // see Scanned
	unwatched map[*dir]bool // directories without a watch
	scanned   time.Time     // when the last full scan ended …
	took      time.Duration // … and how long it was
	nextScan  time.Time
	nextOften time.Time
	often     time.Duration // the constant, but in tests

	touches []touch       // what the events read together tell of …
	touched map[entry]int // … where in touches a name is
	dirty   []*dir
	changed []*file

	complained      time.Time // that a directory cannot be read
	noWatch, noRoom sync.Once // for the log
	stats           stats
}

// Stats are the counts since the start, but for Watches, Dirs, Files and DirsUnreadable, which are as of now.
type Stats struct {
	Watches        int64 // directories watched
	WatchesFailed  int64 // times inotify refused a watch
	Overflows      int64 // times inotify's queue was full
	Scans          int64 // full scans ended
	Dirs           int64 // directories known
	Files          int64 // files known
	DirsUnreadable int64 // directories that cannot be read
	LinksRefused   int64 // times a file was a link that leads nowhere, or not into the link roots
	LeftOut        int64 // times a file or directory was one too many to remember
}

type stats struct {
	watches, watchesFailed, overflows, scans, dirs, files, dirsUnreadable, linksRefused, leftOut atomic.Int64
}

// New makes a Finder. It fails when a glob is not absolute or cannot be understood.
func New(log *logp.Logger, o Options) (*Finder, error) {
	if len(o.Globs) == 0 {
		return nil, errors.New("no paths to find files in; name at least one")
	}
	for _, dir := range o.LinkRoots {
		if !strings.HasPrefix(dir, "/") {
			return nil, fmt.Errorf("cannot follow links into %q: it must begin with /", dir)
		}
	}
	if o.ScanEvery <= 0 {
		o.ScanEvery = 10 * time.Second
	}
	f := &Finder{
		log: log, o: o,
		openat2:     hasOpenat2(),
		inotify:     -1,
		initWatches: unix.InotifyInit1,
		addWatch:    unix.InotifyAddWatch,
		watches:     map[int]*watch{},
		buf:         make([]byte, 64<<10),
		linkBuf:     make([]byte, 8<<10),
		unwatched:   map[*dir]bool{},
		touched:     map[entry]int{},
		base:        base{fd: -1},
		often:       often,
	}
	for _, glob := range o.Globs {
		prefix, p, err := parseGlob(glob, o.Recursive)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(f.roots, func(r *root) bool { return r.prefix == prefix })
		if i < 0 {
			i = len(f.roots)
			f.roots = append(f.roots, &root{prefix: prefix, wd: -1})
		}
		f.roots[i].states = add(f.roots[i].states, state{p: p})
	}
	f.resolveLinkRoots()
	return f, nil
}

// Stats returns the counts. Any goroutine may ask.
func (f *Finder) Stats() Stats {
	s := &f.stats
	return Stats{
		s.watches.Load(), s.watchesFailed.Load(), s.overflows.Load(), s.scans.Load(), s.dirs.Load(),
		s.files.Load(), s.dirsUnreadable.Load(), s.linksRefused.Load(), s.leftOut.Load(),
	}
}

// Run finds files until ctx ends, and begins with a full scan. It may be called once. handle gets the events
// one after another; while it waits, inotify's queue fills.
func (f *Finder) Run(ctx context.Context, handle func(Event)) error {
	f.handle = handle
	wake, end, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("cannot make a pipe to stop by: %w", err)
	}
	defer wake.Close()
	defer end.Close()
	defer context.AfterFunc(ctx, func() { end.Close() })()

	f.startInotify()
	defer f.stopInotify()
	mounts := openMounts()
	defer mounts.close()

	fds := []unix.PollFd{
		{Fd: int32(wake.Fd())},
		{Fd: int32(f.inotify), Events: unix.POLLIN},
		{Fd: int32(mounts.fd), Events: unix.POLLPRI},
	}
	for ctx.Err() == nil {
		if now := time.Now(); !now.Before(f.nextScan) {
			f.scan()
		} else if !now.Before(f.nextOften) {
			f.lookOften()
		}
		wait := time.Until(f.nextScan)
		if len(f.unwatched) > 0 || f.waits() {
			wait = min(wait, time.Until(f.nextOften))
		}
		fds[2].Fd = int32(mounts.fd)
		if rest := time.Until(mounts.next); rest > 0 {
			fds[2].Fd, wait = -1, min(wait, rest)
		}
		n, err := unix.Poll(fds, int(max(wait, 0)/time.Millisecond)+1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("cannot wait for inotify: %w", err)
		}
		if n <= 0 {
			continue
		}
		if fds[2].Revents != 0 {
			mounts.check(f)
		}
		if fds[1].Revents != 0 && f.readEvents() < len(f.buf)/2 {
			time.Sleep(burst)
		}
	}
	return nil
}

// scan looks at everything.
func (f *Finder) scan() {
	start := time.Now()
	f.readPending() // what was written to files that the scan finds gone
	f.failed, f.rewatch, f.overflow = false, f.overflow, false
	f.resolveLinkRoots()
	for _, r := range f.roots {
		f.visitRoot(r)
	}
	f.rewatch = false
	f.readPending() // what was renamed meanwhile may have escaped
	f.stats.scans.Add(1)
	f.queue = append(f.queue, Event{Op: Scanned, Failed: f.failed || f.overflow})
	f.flush()

	f.scanned = time.Now()
	f.took = f.scanned.Sub(start)
	every := f.o.ScanEvery
	if f.inotify < 0 {
		every = min(every, f.often)
	}
	f.nextScan = f.scanned.Add(max(every, f.took))
	f.nextOften = f.scanned.Add(max(f.often, f.took))
	f.scanAfterOverflow()
}

// scanAfterOverflow has the next scan come at once, or soon if one has just been.
func (f *Finder) scanAfterOverflow() {
	if f.overflow {
		f.nextScan = f.scanned.Add(min(f.o.ScanEvery, max(often/10, 10*f.took)))
	}
}

// lookOften looks at the directories that have no watch.
func (f *Finder) lookOften() {
	start := time.Now()
	for _, r := range f.roots {
		if r.dir == nil {
			f.visitRoot(r)
		}
	}
	if len(*f.linkRoots.Load()) < len(f.o.LinkRoots) {
		f.resolveLinkRoots()
	}
	for _, d := range slices.Collect(maps.Keys(f.unwatched)) {
		f.visit(d, false)
	}
	f.flush()
	f.nextOften = time.Now().Add(max(f.often, 10*time.Since(start)))
}

// waits says whether a prefix is not there yet.
func (f *Finder) waits() bool {
	return slices.ContainsFunc(f.roots, func(r *root) bool { return r.dir == nil })
}

// flush hands out the events. No directory is open meanwhile: handle may take its time.
func (f *Finder) flush() {
	f.base.close()
	for i := range f.queue {
		f.handle(f.queue[i])
	}
	clear(f.queue)
	f.queue = f.queue[:0]
	if cap(f.queue) > 16*batchEvents {
		f.queue = nil
	}
}
