package find

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxRotated bounds the rotations that are looked for of what one link leads to.
const maxRotated = 1000

// A link is one with a name that is looked for, in a directory that is: to what it leads, if that is there. Rotations
// of that are reported as if they were beside the link: if `0.log` leads to `x-json.log`, `x-json.log.1` is `0.log.1`.
type link struct {
	dir     *dir
	name    string
	path    string
	target  string // what it leads to, a path without links; "": not known
	wd      int    // the watch on the target's directory, or -1
	rotated []*file
	listed  uint64 // the reading of dir that found it last
	denied  bool   // rotations could not be looked for the last time
}

func (f *Finder) followsLinks() bool { return len(f.o.LinkRoots) > 0 || f.o.LinkRoot != nil }

// linksRotate says whether rotations of what a link leads to are looked for. They are not where LinkRoot leads back to
// whoever makes the links: there they are found without.
func (f *Finder) linksRotate() bool {
	return f.o.Rotated && len(f.o.LinkRoots) > 0 && f.o.LinkRoot == nil
}

// lookLink reports what a link leads to, and rotations of that. What is not there will be looked for when its directory
// changes, or else soon.
func (f *Finder) lookLink(d *dir, name string) {
	l := d.links[name]
	if l == nil {
		if l = f.newLink(d, name); l == nil {
			return
		}
	}
	l.listed = f.listing
	target, err := resolve(l.path)
	fd := -1
	if err == nil {
		fd, err = f.openReal(l.path, path.Dir(target), unix.O_RDONLY|unix.O_DIRECTORY)
	}
	if target != l.target {
		f.unwatchLink(l)
		l.target = target
		if file := d.files[name]; file != nil {
			f.gone(file)
		}
	}
	if err != nil {
		f.unwatchLink(l)
		f.stats.linksRefused.Add(1)
		if f.mayCome(l, err) {
			f.lookAgain(d)
		}
	} else {
		f.watchLink(l, fd)
		f.lookTarget(l, fd)
		unix.Close(fd)
	}
	for _, file := range slices.Clone(l.rotated) {
		if file.listed != f.listing {
			f.gone(file)
		}
	}
}

// lookTarget looks at what a link leads to, and at the rotations of that, in the directory that fd is.
func (f *Finder) lookTarget(l *link, fd int) {
	k, err := keyOf(fd)
	if err != nil {
		return
	}
	tmpfs := isTmpfs(fd, k.dev)
	see := func(base, as string) bool {
		info, mode, err := statAt(fd, base)
		if err != nil || mode&unix.S_IFMT != unix.S_IFREG {
			return false
		}
		info.Tmpfs = tmpfs && info.Dev == k.dev
		f.seen(l.dir, as, info, l)
		return true
	}
	base := path.Base(l.target)
	for _, rest := range f.rotations(l, fd, base) {
		as := l.name + rest
		if file := l.dir.files[as]; file != nil && file.link != l || !f.wanted(l.dir, as) {
			continue // the name is another's
		}
		see(base+rest, as)
	}
	if !see(base, l.name) {
		f.stats.linksRefused.Add(1)
	}
}

// rotations returns what rotations of a link's target have behind its name, the oldest first if they have numbers: so that
// a name that a file is to leave has been taken by then.
func (f *Finder) rotations(l *link, fd int, base string) (rests []string) {
	if !f.linksRotate() || !matchesFile(l.dir.states, l.name) {
		return nil
	}
	err := readNames(fd, f.linkBuf, func(name string, _ uint8) {
		if !strings.HasPrefix(name, base) || !isRotation(name, func(b string) bool { return b == base }) {
			return
		}
		if len(rests) == maxRotated {
			f.stats.leftOut.Add(1)
			return
		}
		rests = append(rests, name[len(base):])
	})
	if f.deny(&l.denied, err != nil); err != nil {
		f.failed = true
	}
	slices.SortFunc(rests, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(b, a)) })
	return rests
}

func (f *Finder) newLink(d *dir, name string) *link {
	if d.total.files >= maxFilesEach {
		f.leaveOut(d)
		return nil
	}
	p := join(d.path, name)
	l := &link{dir: d, name: p[len(p)-len(name):], path: p, wd: -1}
	if d.links == nil {
		d.links = map[string]*link{}
	}
	d.links[l.name] = l
	d.total.files++
	return l
}

// dropLink forgets a link, and reports what it led to gone.
func (f *Finder) dropLink(l *link) {
	f.unwatchLink(l)
	f.deny(&l.denied, false)
	for _, file := range slices.Clone(l.rotated) {
		f.gone(file)
	}
	if file := l.dir.files[l.name]; file != nil && file.link == l {
		f.gone(file)
	}
	delete(l.dir.links, l.name)
	l.dir.total.files--
}

// mayCome says whether what a link leads to may be there later without inotify's saying so: its directory, or a link
// root, is not there yet.
func (f *Finder) mayCome(l *link, err error) bool {
	to, readErr := os.Readlink(l.path)
	if readErr != nil {
		return false
	}
	if !path.IsAbs(to) {
		to = path.Join(l.dir.path, to)
	}
	roots := f.rootsOf(l.path)
	if f.o.LinkRoot != nil {
		roots = append(roots, f.o.LinkRoot(l.path))
	} else {
		if len(roots) < len(f.o.LinkRoots) {
			return true
		}
		roots = slices.Concat(roots, f.o.LinkRoots)
	}
	return errors.Is(err, fs.ErrNotExist) && slices.ContainsFunc(roots, func(root string) bool {
		_, ok := inside(root, path.Clean(to))
		return ok
	})
}

// watchLink has the directory of a link's target, which is fd, watched: what happens to the target is told of there alone.
func (f *Finder) watchLink(l *link, fd int) {
	w, wd := f.watch(fd, maskLeaf)
	if w == nil {
		f.unwatchLink(l)
		f.lookAgain(l.dir)
		return
	}
	if wd == l.wd {
		return
	}
	f.unwatchLink(l)
	if w.targets == nil {
		w.targets = map[string][]*link{}
	}
	l.wd = wd
	base := path.Base(l.target)
	w.targets[base] = append(w.targets[base], l)
}

func (f *Finder) unwatchLink(l *link) {
	if w := f.watches[l.wd]; w != nil {
		base := path.Base(l.target)
		w.targets[base] = slices.DeleteFunc(w.targets[base], func(other *link) bool { return other == l })
		if len(w.targets[base]) == 0 {
			delete(w.targets, base)
		}
		f.release(l.wd)
	}
	l.wd = -1
}

// targetEvent notes what has happened to a name in the directory of links' targets.
func (f *Finder) targetEvent(w *watch, mask uint32, name string) {
	base, rest := name, ""
	if len(w.targets[base]) == 0 && !isRotation(name, func(b string) bool { base, rest = b, name[len(b):]; return len(w.targets[b]) > 0 }) {
		return
	}
	for _, l := range w.targets[base] {
		file := l.dir.files[l.name+rest]
		if file != nil && file.link != l {
			file = nil
		}
		if mask&maskWrite == 0 {
			f.leave(file, mask)
			f.touch(l.dir, l.name, false)
		} else if file != nil {
			f.writeEvent(file, mask)
		}
	}
}

// resolve returns the path without links of what a link leads to, which need not be there; the directory that
// it is in must be.
func resolve(link string) (string, error) {
	const most = 40 // links, as the kernel has it
	for range most {
		to, err := os.Readlink(link)
		if err != nil {
			return link, nil // no link, or nothing
		}
		i := strings.LastIndexByte(to, '/') + 1
		dir, name := to[:i], to[i:]
		if name == "" || name == "." || name == ".." {
			return "", errKind
		}
		if !strings.HasPrefix(dir, "/") {
			dir = path.Dir(link) + "/" + dir
		}
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			return "", err
		}
		link = join(dir, name)
	}
	return "", unix.ELOOP
}

// openRotated opens a rotation of what a link leads to, reported at rel below r.
func (f *Finder) openRotated(r *root, rel string) (fd int, info Info, err error) {
	dir, name := path.Split(rel)
	fd, err = -1, fs.ErrNotExist
	isRotation(name, func(base string) bool {
		link := join(r.prefix, dir+base)
		if at, linkErr := os.Lstat(link); linkErr != nil || at.Mode()&fs.ModeSymlink == 0 || !f.wantedBelow(r, dir+base) {
			return false
		}
		target, resolveErr := resolve(link)
		if resolveErr != nil {
			err = resolveErr
			return false
		}
		fd, info, err = f.openTarget(link, target+name[len(base):])
		return err == nil
	})
	return fd, info, err
}

// openTarget opens what a link leads to, with O_PATH, if it is a regular file. What is opened is below a link root by a path without
// links, so it cannot be outside, whatever is renamed meanwhile.
func (f *Finder) openTarget(link, target string) (int, Info, error) {
	fd, err := f.openReal(link, target, unix.O_PATH)
	if err != nil {
		return -1, Info{}, err
	}
	info, mode, err := statFD(fd)
	if err == nil && mode&unix.S_IFMT != unix.S_IFREG {
		err = errKind
	}
	if err != nil {
		unix.Close(fd)
		return -1, Info{}, err
	}
	return fd, info, nil
}

// rootsOf returns the directories into which the link at path may lead, without links in their paths.
func (f *Finder) rootsOf(link string) []string {
	if f.o.LinkRoot == nil {
		return *f.linkRoots.Load()
	}
	if dir, err := filepath.EvalSymlinks(f.o.LinkRoot(link)); err == nil && dir != "." {
		return []string{dir}
	}
	return nil
}

// openReal opens a path without links in one of the directories into which the link may lead.
func (f *Finder) openReal(link, path string, flags int) (int, error) {
	for _, dir := range f.rootsOf(link) {
		rel, ok := inside(dir, path)
		if path == dir {
			rel, ok = ".", true
		}
		if !ok {
			continue
		}
		base, err := open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
		if err != nil {
			return -1, err
		}
		defer unix.Close(base)
		return f.below(base, rel, flags)
	}
	return -1, errOutside
}

// resolveLinkRoots finds out where the link roots are: they may be links, and come later.
func (f *Finder) resolveLinkRoots() {
	var real []string
	for _, dir := range f.o.LinkRoots {
		if dir, err := filepath.EvalSymlinks(dir); err == nil {
			real = append(real, dir)
		}
	}
	f.linkRoots.Store(&real)
}
