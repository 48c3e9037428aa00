package find

import (
	"errors"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	maskNames = unix.IN_CREATE | unix.IN_MOVED_TO | unix.IN_DELETE | unix.IN_MOVED_FROM
	maskSelf  = unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_UNMOUNT | unix.IN_IGNORED
	maskWrite = unix.IN_MODIFY | unix.IN_CLOSE_WRITE

	// What is asked for of a directory on the way, and of one with files. IN_MASK_ADD, because one
	// directory may be both, by two paths.
	maskWay  = maskNames | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK | unix.IN_MASK_ADD
	maskLeaf = maskWay | maskWrite
)

// A watch is what one watched inode stands for: usually one directory.
type watch struct {
	dirs    []*dir
	roots   []*root            // that wait for a name in it
	targets map[string][]*link // by the name in it that they lead to
}

func (f *Finder) startInotify() {
	if f.o.NoInotify {
		return
	}
	fd, err := f.initWatches(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		why := ""
		if errors.Is(err, unix.EMFILE) {
			why = "; type sysctl fs.inotify.max_user_instances=1024, or raise the limit of open files"
		}
		f.stats.watchesFailed.Add(1)
		f.log.Warnf("cannot use inotify, directories are read every second instead: %v%s", err, why)
		return
	}
	f.inotify = fd
}

func (f *Finder) stopInotify() {
	if f.inotify >= 0 {
		unix.Close(f.inotify)
		f.inotify = -1
	}
}

// watch has inotify tell of the directory that fd is, whatever its path leads to by now. It returns nil when it cannot.
func (f *Finder) watch(fd int, mask uint32) (*watch, int) {
	if f.inotify < 0 {
		return nil, -1
	}
	wd, err := f.addWatch(f.inotify, "/proc/self/fd/"+strconv.Itoa(fd), mask)
	if err != nil {
		f.stats.watchesFailed.Add(1)
		f.noWatch.Do(func() {
			why := ""
			if err == unix.ENOSPC {
				why = "; type sysctl fs.inotify.max_user_watches=1048576"
			}
			f.log.Warnf("cannot watch a directory, it is read every second instead: %v%s", err, why)
		})
		return nil, -1
	}
	w := f.watches[wd]
	if w == nil {
		w = &watch{}
		f.watches[wd] = w
		f.stats.watches.Add(1)
	}
	return w, wd
}

// release ends a watch that nothing needs any more.
func (f *Finder) release(wd int) {
	w := f.watches[wd]
	if w == nil || len(w.dirs) > 0 || len(w.roots) > 0 || len(w.targets) > 0 {
		return
	}
	delete(f.watches, wd)
	f.stats.watches.Add(-1)
	unix.InotifyRmWatch(f.inotify, uint32(wd)) // it may have ended by itself
}

func (f *Finder) watchDir(d *dir, fd int) {
	mask := uint32(maskWay)
	if d.leaf {
		mask = maskLeaf
	}
	w, wd := f.watch(fd, mask)
	if wd == d.wd && w != nil {
		return
	}
	f.unwatchDir(d)
	if w == nil {
		f.lookAgain(d)
		return
	}
	d.wd = wd
	w.dirs = append(w.dirs, d)
}

func (f *Finder) unwatchDir(d *dir) {
	delete(f.unwatched, d)
	if w := f.watches[d.wd]; w != nil {
		w.dirs = slices.DeleteFunc(w.dirs, func(other *dir) bool { return other == d })
		f.release(d.wd)
	}
	d.wd = -1
}

// lookAgain has a directory read every second: nothing will tell of it.
func (f *Finder) lookAgain(d *dir) {
	if f.inotify >= 0 {
		f.unwatched[d] = true
	}
}

func (f *Finder) unwait(r *root) {
	if w := f.watches[r.wd]; w != nil {
		w.roots = slices.DeleteFunc(w.roots, func(other *root) bool { return other == r })
		f.release(r.wd)
	}
	r.wd = -1
}
