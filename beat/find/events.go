package find

import (
	"bytes"
	"encoding/binary"
	"time"

	"golang.org/x/sys/unix"
)

// A touch is a name in a directory that events tell of: whatever they say, what is there now counts.
type touch struct {
	entry
	removed bool // it was deleted or renamed away, so what is there now is another one
}

type entry struct {
	dir  *dir
	name string
}

// pendingEvents returns how many bytes of events wait to be read.
func (f *Finder) pendingEvents() int {
	if f.inotify < 0 {
		return 0
	}
	n, err := unix.IoctlGetInt(f.inotify, unix.TIOCINQ)
	if err != nil {
		return 0
	}
	return n
}

// readPending reads the events that there are by now.
func (f *Finder) readPending() {
	for left := f.pendingEvents(); left > 0; {
		n := f.readEvents()
		if n == 0 {
			break
		}
		left -= n
	}
}

// readEvents reads a batch of events and reports what they tell of. It returns how many bytes they were.
func (f *Finder) readEvents() int {
	const header = 16 // of a struct inotify_event: watch, mask, cookie and length
	n, err := unix.Read(f.inotify, f.buf)
	if err != nil || n <= 0 {
		return 0
	}
	f.batch++
	for b := f.buf[:n]; len(b) >= header; {
		end := header + int(binary.NativeEndian.Uint32(b[12:]))
		if end > len(b) {
			break
		}
		name, _, _ := bytes.Cut(b[header:end], []byte{0})
		f.event(int(int32(binary.NativeEndian.Uint32(b))), binary.NativeEndian.Uint32(b[4:]), name)
		b = b[end:]
	}
	f.answer()
	f.scanAfterOverflow()
	return n
}

// event notes what one event tells of.
func (f *Finder) event(wd int, mask uint32, name []byte) {
	if mask&unix.IN_Q_OVERFLOW != 0 {
		f.overflow = true
		f.stats.overflows.Add(1)
		return
	}
	w := f.watches[wd]
	if w == nil {
		return
	}
	if mask&maskSelf != 0 {
		f.selfEvent(w, wd, mask)
		return
	}
	for _, r := range w.roots {
		if mask&maskNames != 0 && string(name) == r.next {
			r.came = true
		}
	}
	for _, d := range w.dirs {
		if mask&maskWrite == 0 {
			f.nameEvent(d, mask, string(name))
		} else if file := d.files[string(name)]; file != nil {
			f.writeEvent(file, mask)
		}
	}
	if len(w.targets) > 0 {
		f.targetEvent(w, mask, string(name))
	}
}

// selfEvent notes that a watched directory was moved or is gone. After the latter the watch is, too.
func (f *Finder) selfEvent(w *watch, wd int, mask uint32) {
	ended := mask&unix.IN_IGNORED != 0
	if ended {
		delete(f.watches, wd)
		f.stats.watches.Add(-1)
	}
	for _, d := range w.dirs {
		if ended {
			d.wd = -1
		}
		if d.dirty != f.batch {
			d.dirty = f.batch
			f.dirty = append(f.dirty, d)
		}
	}
	for _, r := range w.roots {
		if ended {
			r.wd = -1
		}
		r.came = true
	}
	for _, links := range w.targets {
		for _, link := range links {
			if ended {
				link.wd = -1
			}
			f.touch(link.dir, link.name, false)
		}
	}
}

// nameEvent notes that a name came to a directory or went, if it is one that is looked for.
func (f *Finder) nameEvent(d *dir, mask uint32, name string) {
	wanted := d.files[name] != nil || d.leaf && f.wanted(d, name)
	if mask&unix.IN_ISDIR != 0 {
		wanted = d.subs[name] != nil || len(descend(d.states, name)) > 0
	}
	if wanted {
		f.leave(d.files[name], mask)
		f.touch(d, name, mask&(unix.IN_DELETE|unix.IN_MOVED_FROM) != 0)
	}
}

// leave notes that the name of a file, if there is one, has gone or become another's. A creation alone is its own: it was seen
// before that could be told.
func (f *Finder) leave(file *file, mask uint32) {
	if file != nil && mask&unix.IN_CREATE == 0 {
		file.left = f.batch
	}
}

func (f *Finder) touch(d *dir, name string, removed bool) {
	e := entry{d, name}
	i, ok := f.touched[e]
	if !ok {
		i = len(f.touches)
		f.touched[e] = i
		f.touches = append(f.touches, touch{entry: e})
	}
	f.touches[i].removed = f.touches[i].removed || removed
}

func (f *Finder) writeEvent(file *file, mask uint32) {
	if file.left == f.batch { // if the same one came back, it is looked at
		return
	}
	file.written = file.written || mask&unix.IN_MODIFY != 0
	if file.changed != f.batch {
		file.changed = f.batch
		f.changed = append(f.changed, file)
	}
}

// answer looks at everything that a batch of events told of, and reports it: first what is gone.
func (f *Finder) answer() {
	for _, t := range f.touches {
		if file := t.dir.files[t.name]; file != nil && t.removed {
			f.gone(file)
		}
		if sub := t.dir.subs[t.name]; sub != nil && t.removed {
			f.drop(sub)
		}
	}
	for _, d := range f.dirty {
		if !d.gone {
			f.visit(d, false)
		}
	}
	f.visitMissing()
	for rest := f.touches; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].dir == rest[0].dir {
			n++
		}
		f.lookAt(rest[0].dir, rest[:n])
		rest = rest[n:]
	}
	for _, file := range f.changed {
		if file.dir.files[file.name] == file {
			f.tellChanged(file)
		}
	}
	f.flush()
	clear(f.touched)
	clear(f.touches)
	clear(f.dirty)
	clear(f.changed)
	f.touches, f.dirty, f.changed = f.touches[:0], f.dirty[:0], f.changed[:0]
}

// visitMissing looks for the roots that have just gone, or have perhaps come.
func (f *Finder) visitMissing() {
	for _, r := range f.roots {
		if r.dir == nil && (r.came || r.wd < 0) {
			f.visitRoot(r)
		}
		r.came = false
	}
}

// lookAt looks at some names in a directory.
func (f *Finder) lookAt(d *dir, names []touch) {
	if d.gone {
		return
	}
	fd, err := f.openDir(d, unix.O_PATH)
	if err != nil || !f.is(d, fd) {
		if err == nil {
			unix.Close(fd)
		}
		f.visit(d, false) // it is gone or another; that finds out
		return
	}
	var subs []*dir
	for _, t := range names {
		f.listing++
		sub, _ := f.look(d, fd, t.name, unix.DT_UNKNOWN)
		if file := d.files[t.name]; file != nil && file.listed != f.listing {
			f.gone(file)
		}
		if known := d.subs[t.name]; known != nil && known != sub {
			f.drop(known)
		}
		if l := d.links[t.name]; l != nil && l.listed != f.listing {
			f.dropLink(l)
		}
		if sub != nil {
			subs = append(subs, sub)
		}
	}
	unix.Close(fd)
	for _, sub := range subs {
		if !sub.gone {
			f.visit(sub, false)
		}
	}
	if len(f.queue) >= batchEvents {
		f.flush()
	}
}

// mounts tell that a file system was mounted or unmounted, which inotify does not: a kubelet makes a
// pod's directory first and mounts its memory there then.
type mounts struct {
	fd   int       // /proc/self/mountinfo, or -1
	next time.Time // not to be asked before
}

// mountPause is how many times as long as a look at all directories the pause after it is.
const mountPause = 20

func openMounts() *mounts {
	fd, err := open("/proc/self/mountinfo", unix.O_RDONLY)
	if err != nil {
		fd = -1
	}
	return &mounts{fd: fd}
}

func (m *mounts) close() {
	if m.fd >= 0 {
		unix.Close(m.fd)
	}
}

// check looks at the directories that have been covered or uncovered.
func (m *mounts) check(f *Finder) {
	start := time.Now()
	var others []*dir
	var walk func(d *dir)
	walk = func(d *dir) {
		fd, err := f.openDir(d, unix.O_PATH)
		if err != nil || !f.is(d, fd) {
			others = append(others, d)
		}
		if err != nil {
			return
		}
		unix.Close(fd)
		for _, sub := range d.subs {
			walk(sub)
		}
	}
	for _, r := range f.roots {
		if r.came = r.dir == nil; !r.came {
			walk(r.dir)
		}
	}
	for _, d := range others {
		if !d.gone {
			f.visit(d, false)
		}
	}
	f.visitMissing()
	f.flush()
	m.next = time.Now().Add(mountPause * time.Since(start))
}
