package find

import (
	"bytes"
	"encoding/binary"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds on what is remembered: below one directory of those that the first wildcard matches (one
// pod's), and of all.
const (
	maxFilesEach = 1 << 17
	maxFiles     = 1 << 20
	maxDirsEach  = 1 << 15
	maxDirs      = 1 << 18
)

// A root is a prefix with all that is looked for below it.
type root struct {
	prefix string
	states []state
	dir    *dir   // nil as long as it is not there
	wd     int    // the watch on a directory above meanwhile, or -1 …
	next   string // … and the name that is missed there
	came   bool   // it may be there now
}

// A dir is a directory on the way to files, or with files.
type dir struct {
	root   *root
	up     *dir // nil: the root's own
	name   string
	path   string
	states []state
	leaf   bool // files in it may match
	key    key  // zero: not read yet
	tmpfs  bool
	wd     int // its watch, or -1
	subs   map[string]*dir
	files  map[string]*file
	links  map[string]*link
	listed uint64 // the reading of up that found it last
	total  *total
	dirty  uint64 // the batch of events that says to look at it
	gone   bool   // forgotten
	denied bool   // it could not be read when it was looked at last
}

// A file is one that has been reported.
type file struct {
	dir     *dir
	name    string
	path    string
	key     key
	rotated bool
	link    *link  // it is what that leads to, or a rotation of it
	listed  uint64 // the reading of dir that found it last
	changed uint64 // the batch of events that changed it last
	left    uint64 // the batch of events in which its name went: what they tell of that name from then on is another's
	written bool   // it was written to, in a batch of events that is not answered yet
}

// A key is a file's or directory's identity for as long as it is not deleted.
type key struct{ dev, ino uint64 }

// A total is what is known below one directory of those that the first wildcard matches.
type total struct{ dirs, files int }

// below is d's path below its root.
func (d *dir) below() string {
	if d.up == nil {
		return "."
	}
	return strings.TrimPrefix(d.path[len(d.root.prefix):], "/")
}

func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

// visitRoot looks at everything below a root, or has its coming watched.
func (f *Finder) visitRoot(r *root) {
	for range 3 {
		if r.dir == nil {
			r.dir = &dir{root: r, path: r.prefix, states: r.states, leaf: holdsFiles(r.states), wd: -1, total: &total{}}
			f.stats.dirs.Add(1)
		}
		f.visit(r.dir, true)
		if r.dir != nil {
			f.unwait(r)
			return
		}
		if !f.await(r) {
			return
		}
	}
}

// visit looks at d and at the directories below it: all of them, or those that are new.
func (f *Finder) visit(d *dir, all bool) {
	for todo := []*dir{d}; len(todo) > 0; {
		last := len(todo) - 1
		d, todo = todo[last], todo[:last]
		if d.gone { // with all of its root
			continue
		}
		todo = f.list(d, all, todo)
		if len(f.queue) >= batchEvents {
			f.flush()
		}
	}
}

// list reads one directory, reports its files, and appends to todo the directories in it.
func (f *Finder) list(d *dir, all bool, todo []*dir) []*dir {
	fd, err := f.openDir(d, unix.O_RDONLY)
	if err == nil {
		defer unix.Close(fd)
		err = f.settle(d, fd)
	}
	if err != nil {
		f.lost(d, err)
		return todo
	}
	if d.wd >= 0 {
		delete(f.unwatched, d)
	}
	f.listing++
	err = readNames(fd, f.buf, func(name string, kind uint8) {
		sub, isNew := f.look(d, fd, name, kind)
		if sub != nil && (all || isNew) {
			todo = append(todo, sub)
		}
	})
	if err != nil {
		f.lost(d, err)
		return todo
	}
	f.deny(&d.denied, false)
	for _, file := range d.files {
		if file.listed != f.listing {
			f.gone(file)
		}
	}
	for _, sub := range d.subs {
		if sub.listed != f.listing {
			f.drop(sub)
		}
	}
	for _, l := range d.links {
		if l.listed != f.listing {
			f.dropLink(l)
		}
	}
	return todo
}

// settle makes sure that d is the directory that fd is, and that it is watched. When another has
// taken its place, what was known of it goes.
func (f *Finder) settle(d *dir, fd int) error {
	k, err := keyOf(fd)
	if err != nil {
		return err
	}
	if k != d.key {
		f.empty(d)
		d.key, d.tmpfs = k, isTmpfs(fd, k.dev)
	}
	if d.wd < 0 || f.rewatch {
		f.watchDir(d, fd)
	}
	return nil
}

// readNames calls name for everything in a directory, with what the file system says it is: a
// DT_ of unix, or DT_UNKNOWN.
func readNames(fd int, buf []byte, name func(name string, kind uint8)) error {
	const header = 19 // of a struct linux_dirent64: inode, offset, length and kind
	for {
		n, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return err
		}
		for b := buf[:n]; len(b) > header; {
			length := int(binary.NativeEndian.Uint16(b[16:]))
			if length <= header || length > len(b) {
				break
			}
			s, _, _ := bytes.Cut(b[header:length], []byte{0})
			if s := string(s); s != "." && s != ".." {
				name(s, b[18])
			}
			b = b[length:]
		}
	}
}

// look finds out what one name in a directory is. Of a file it reports that it is there; a directory
// where something is looked for it returns. What is there still has been marked with the current listing.
func (f *Finder) look(d *dir, fd int, name string, kind uint8) (sub *dir, isNew bool) {
	var info Info
	if kind == unix.DT_UNKNOWN {
		var mode uint32
		var err error
		if info, mode, err = statAt(fd, name); err != nil {
			return nil, false
		}
		kind = uint8(mode & unix.S_IFMT >> 12) // the DT_ are these bits of the mode
	}
	if kind == unix.DT_DIR {
		if sub = d.subs[name]; sub == nil {
			sub, isNew = f.newDir(d, name), true
		}
		if sub != nil {
			sub.listed = f.listing
		}
		return sub, isNew
	}
	known := d.files[name]
	if !d.leaf || known == nil && !f.wanted(d, name) {
		return nil, false
	}
	switch kind {
	case unix.DT_REG:
		if info.Ino == 0 {
			var mode uint32
			var err error
			info, mode, err = statAt(fd, name)
			if err != nil || mode&unix.S_IFMT != unix.S_IFREG {
				return nil, false
			}
		}
		info.Tmpfs = d.tmpfs && info.Dev == d.key.dev
		f.seen(d, name, info, nil)
	case unix.DT_LNK:
		if f.followsLinks() {
			f.lookLink(d, name)
		}
	}
	return nil, false
}

// wanted says whether a file of that name is to be reported.
func (f *Finder) wanted(d *dir, name string) bool {
	ok, _ := f.match(d.states, d.path, name)
	return ok
}

// match says whether the file name in a directory is to be reported, and whether as a rotation.
func (f *Finder) match(states []state, dir, name string) (ok, rotated bool) {
	if matchesFile(states, name) {
		return !f.excluded(join(dir, name)), false
	}
	ok = f.o.Rotated && isRotation(name, func(base string) bool {
		return matchesFile(states, base) && !f.excluded(join(dir, base))
	}) && !f.excluded(join(dir, name))
	return ok, ok
}

func (f *Finder) excluded(path string) bool {
	for _, re := range f.o.Exclude {
		if re.MatchString(path) {
			return true
		}
	}
	return false
}

// seen reports that a file is there, and that the one of its name that was there before is not. l is the
// link by which it was found, or nil.
func (f *Finder) seen(d *dir, name string, info Info, l *link) {
	k := key{info.Dev, info.Ino}
	known := d.files[name]
	if known != nil && (known.key != k || known.link != l) {
		f.gone(known)
		known = nil
	}
	if known == nil {
		if d.total.files >= maxFilesEach || f.stats.files.Load() >= maxFiles {
			f.leaveOut(d)
			return
		}
		_, rotated := f.match(d.states, d.path, name)
		p := join(d.path, name)
		known = &file{dir: d, name: p[len(p)-len(name):], path: p, key: k, rotated: rotated, link: l}
		if d.files == nil {
			d.files = map[string]*file{}
		}
		d.files[known.name] = known
		d.total.files++
		f.stats.files.Add(1)
		if l != nil && name != l.name {
			l.rotated = append(l.rotated, known)
		}
	}
	known.listed = f.listing
	f.queue = append(f.queue, Event{Op: Seen, Path: known.path, Info: info, Rotated: known.rotated})
}

// gone reports that a file's name is gone, and forgets it. What was written to it just before cannot be read any more by that name,
// but that it was written to is told.
func (f *Finder) gone(file *file) {
	if file.written {
		f.tellChanged(file)
	}
	delete(file.dir.files, file.name)
	if l := file.link; l != nil {
		if i := slices.Index(l.rotated, file); i >= 0 {
			l.rotated = slices.Delete(l.rotated, i, i+1)
		}
	}
	file.dir.total.files--
	f.stats.files.Add(-1)
	f.queue = append(f.queue, Event{Op: Gone, Path: file.path, Rotated: file.rotated})
}

func (f *Finder) tellChanged(file *file) {
	f.queue = append(f.queue, Event{Op: Changed, Path: file.path, Rotated: file.rotated, Written: file.written})
	file.written = false
}

// newDir remembers a directory if something is looked for in it.
func (f *Finder) newDir(up *dir, name string) *dir {
	states := descend(up.states, name)
	if len(states) == 0 {
		return nil
	}
	t := up.total
	if up.up == nil {
		t = &total{}
	}
	if t.dirs >= maxDirsEach || f.stats.dirs.Load() >= maxDirs {
		f.leaveOut(up)
		return nil
	}
	p := join(up.path, name)
	d := &dir{
		root: up.root, up: up, path: p, name: p[len(p)-len(name):],
		states: states, leaf: holdsFiles(states), wd: -1, total: t,
	}
	if up.subs == nil {
		up.subs = map[string]*dir{}
	}
	up.subs[d.name] = d
	t.dirs++
	f.stats.dirs.Add(1)
	return d
}

// Searched says whether the scan that has just ended would have Seen a file at path, had there been one: else that it was not seen
// says nothing about it. A prefix that is not there, or in which there is nothing to look at, may be waiting for its file system to
// be mounted; so may what a link leads to. Of a path that is not looked for nothing will ever be seen, so it is true. Only
// handle may ask, when it is told Scanned.
func (f *Finder) Searched(path string) bool {
	for _, r := range f.roots {
		rel, ok := inside(r.prefix, path)
		if !ok || !f.wantedBelow(r, rel) {
			continue
		}
		d := r.dir
		if d == nil || len(d.subs)+len(d.files)+len(d.links) == 0 {
			return false
		}
		name, rest, more := strings.Cut(rel, "/")
		for ; d != nil && more; name, rest, more = strings.Cut(rest, "/") {
			d = d.subs[name]
		}
		return d == nil || !d.dangles(name)
	}
	return true
}

// dangles says whether a name in d is a link, or a rotation of what one leads to, and nothing is where that leads.
func (d *dir) dangles(name string) bool {
	dangling := func(base string) bool {
		l := d.links[base]
		return l != nil && d.files[base] == nil && len(l.rotated) == 0
	}
	return dangling(name) || isRotation(name, dangling)
}

// drop forgets a directory that is not there any more.
func (f *Finder) drop(d *dir) {
	f.empty(d)
	f.deny(&d.denied, false)
	d.gone = true
	f.stats.dirs.Add(-1)
	if d.up == nil {
		d.root.dir = nil
		return
	}
	delete(d.up.subs, d.name)
	d.total.dirs--
}

// empty forgets all that is known of a directory, and reports its files gone.
func (f *Finder) empty(d *dir) {
	for _, file := range d.files {
		f.gone(file)
	}
	for _, sub := range d.subs {
		f.drop(sub)
	}
	for _, l := range d.links {
		f.dropLink(l)
	}
	f.unwatchDir(d)
}

// lost forgets a directory that is gone. One that is there but cannot be read is counted, and tried again soon.
func (f *Finder) lost(d *dir, err error) {
	if isGone(err) {
		if f.base.root != d.root { // openDir has not even found the prefix
			d = d.root.dir
		}
		f.drop(d)
		return
	}
	f.failed = true
	f.deny(&d.denied, true)
	f.lookAgain(d)
	if now := time.Now(); now.Sub(f.complained) > time.Minute {
		f.complained = now
		f.log.Warnf("cannot read the directory %q, files in it are not found: %v", d.path, err)
	}
}

// deny counts what cannot be read now, by a mark that it has.
func (f *Finder) deny(mark *bool, denied bool) {
	switch {
	case denied && !*mark:
		f.stats.dirsUnreadable.Add(1)
	case !denied && *mark:
		f.stats.dirsUnreadable.Add(-1)
	}
	*mark = denied
}

// leaveOut counts what is too much to remember.
func (f *Finder) leaveOut(d *dir) {
	f.failed = true
	f.stats.leftOut.Add(1)
	f.noRoom.Do(func() {
		f.log.Warnf("too many files or directories in %q, the rest is left out: at most %d files and %d directories are followed in one, %d and %d in all",
			d.path, maxFilesEach, maxDirsEach, maxFiles, maxDirs)
	})
}

// await has the nearest directory above a prefix watched, and says whether the prefix came meanwhile.
func (f *Finder) await(r *root) (there bool) {
	f.unwait(r)
	for range strings.Count(r.prefix, "/") {
		dir, next, fd := r.prefix, "", -1
		for fd < 0 && dir != "/" {
			dir, next = path.Dir(dir), dir
			fd, _ = open(dir, unix.O_PATH|unix.O_DIRECTORY)
		}
		if fd < 0 {
			return false
		}
		w, wd := f.watch(fd, maskWay)
		unix.Close(fd)
		if w == nil {
			return false
		}
		w.roots = append(w.roots, r)
		r.wd, r.next = wd, path.Base(next)
		if _, err := os.Stat(next); err != nil {
			return false
		}
		if next == r.prefix {
			return true
		}
		f.unwait(r)
	}
	return false
}
