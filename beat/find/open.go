package find

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Open opens a file that was reported, for reading, if it is a regular one and its path still leads to it
// through no link that it must not. Any goroutine may call it. The error is fs.ErrNotExist when the
// file is gone.
func (f *Finder) Open(path string) (*os.File, Info, error) {
	fail := func(err error) (*os.File, Info, error) {
		return nil, Info{}, fmt.Errorf("cannot open %q: %w", path, err)
	}
	fd, info, err := f.openFound(path)
	if err != nil {
		return fail(err)
	}
	// Only now, when it is known to be regular: opening a device may do things. Not to be kept waiting
	// by a lease that the file's owner has taken on it needs O_NONBLOCK.
	file, err := open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY)
	unix.Close(fd)
	if err != nil {
		return fail(err)
	}
	if err := unix.SetNonblock(file, false); err != nil {
		unix.Close(file)
		return fail(err)
	}
	return os.NewFile(uintptr(file), path), info, nil
}

// Look returns what is known of the regular file that path leads to. It does not open it: that costs more, and needs a right.
func (f *Finder) Look(path string) (Info, error) {
	fd, info, err := f.openFound(path)
	if err != nil {
		return Info{}, fmt.Errorf("cannot look at %q: %w", path, err)
	}
	unix.Close(fd)
	return info, nil
}

// Stat returns what is known of an open file. If somebody else has closed it, the error is an [os.ErrClosed].
func Stat(file *os.File) (info Info, err error) {
	conn, err := file.SyscallConn()
	if err != nil {
		return Info{}, fmt.Errorf("cannot look at %q: %w", file.Name(), err)
	}
	var inner error
	if err := conn.Control(func(fd uintptr) { info, _, inner = statFD(int(fd)) }); err != nil {
		return Info{}, fmt.Errorf("cannot look at %q: %w", file.Name(), os.ErrClosed) // what Control says does not wrap it
	}
	if inner != nil {
		return Info{}, fmt.Errorf("cannot look at %q: %w", file.Name(), inner)
	}
	return info, nil
}

var (
	errUnwanted = errors.New("no path that is looked for")
	errOutside  = errors.New("a link that leads out of the directories it may lead into")
	errKind     = errors.New("not a regular file")
)

// openFound returns a descriptor of the regular file that path leads to: with O_PATH, so nothing has happened to it yet.
func (f *Finder) openFound(path string) (fd int, info Info, err error) {
	err = errUnwanted
	for _, r := range f.roots {
		if rel, ok := inside(r.prefix, path); ok && f.wantedBelow(r, rel) {
			if fd, info, err = f.openIn(r, rel); err == nil {
				return fd, info, nil
			}
		}
	}
	return -1, Info{}, err
}

func (f *Finder) openIn(r *root, rel string) (int, Info, error) {
	base, err := open(r.prefix, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, Info{}, err
	}
	fd, err := f.below(base, rel, unix.O_PATH)
	unix.Close(base)
	if err == unix.ENOENT && f.linksRotate() {
		return f.openRotated(r, rel)
	}
	if err != nil {
		return -1, Info{}, err
	}
	info, mode, err := statFD(fd)
	if err == nil && mode&unix.S_IFMT == unix.S_IFREG {
		return fd, info, nil
	}
	unix.Close(fd)
	if err == nil && mode&unix.S_IFMT == unix.S_IFLNK && f.followsLinks() {
		target, err := filepath.EvalSymlinks(join(r.prefix, rel))
		if err != nil {
			return -1, Info{}, err
		}
		return f.openTarget(join(r.prefix, rel), target)
	}
	if err == nil {
		err = errKind
	}
	return -1, Info{}, err
}

// wantedBelow says whether a path below a root's prefix is one that is looked for.
func (f *Finder) wantedBelow(r *root, rel string) bool {
	states, dir := r.states, r.prefix
	for {
		name, rest, more := strings.Cut(rel, "/")
		if name == "" || name == "." || name == ".." || len(states) == 0 {
			return false
		}
		if !more {
			ok, _ := f.match(states, dir, name)
			return ok
		}
		states, dir, rel = descend(states, name), join(dir, name), rest
	}
}

// inside returns what path has below dir, if it lies in there.
func inside(dir, path string) (rel string, ok bool) {
	rel, ok = strings.CutPrefix(path, strings.TrimSuffix(dir, "/")+"/")
	return rel, ok && rel != ""
}

// A base is the open prefix of the root that was used last. It is closed before events are handed out.
type base struct {
	root *root
	fd   int // -1: none
}

func (b *base) close() {
	if b.fd >= 0 {
		unix.Close(b.fd)
	}
	*b = base{fd: -1}
}

// openDir opens a directory that is looked into, by its path.
func (f *Finder) openDir(d *dir, flags int) (int, error) {
	if f.base.root != d.root {
		f.base.close()
		fd, err := open(d.root.prefix, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return -1, err
		}
		f.base = base{d.root, fd}
	}
	return f.below(f.base.fd, d.below(), flags|unix.O_DIRECTORY)
}

// is says whether a descriptor is of the directory that was read last.
func (f *Finder) is(d *dir, fd int) bool {
	k, err := keyOf(fd)
	return err == nil && k == d.key
}

func keyOf(fd int) (key, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return key{}, err
	}
	return key{uint64(st.Dev), st.Ino}, nil
}

// below opens what rel leads to below a directory, through no link. If it is one itself, that is
// opened with O_PATH, and an error without.
func (f *Finder) below(base int, rel string, flags int) (int, error) {
	flags |= unix.O_NOFOLLOW | unix.O_CLOEXEC
	if f.openat2 {
		how := unix.OpenHow{
			Flags:   uint64(flags),
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
		}
		fd, err := again(func() (int, error) { return unix.Openat2(base, rel, &how) })
		switch err {
		case unix.EAGAIN, unix.ENAMETOOLONG: // renamed meanwhile; a path longer than one call takes
		case unix.EPERM, unix.ENOSYS: // a seccomp filter that came later
		default:
			return fd, err
		}
	}
	at := base
	for {
		name, rest, more := strings.Cut(rel, "/")
		f := flags
		if more {
			f = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		}
		fd, err := again(func() (int, error) { return unix.Openat(at, name, f, 0) })
		if at != base {
			unix.Close(at)
		}
		if err != nil || !more {
			return fd, err
		}
		at, rel = fd, rest
	}
}

// open opens a path that may be trusted.
func open(path string, flags int) (int, error) {
	return again(func() (int, error) { return unix.Open(path, flags|unix.O_CLOEXEC, 0) })
}

// again calls what a signal may interrupt.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}

// isGone says whether an error means that there is no such directory (any more): also that there is a
// file or a link in its place.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || err == unix.ENOTDIR || err == unix.ELOOP || err == unix.EXDEV
}

// hasOpenat2 says whether there is openat2: since Linux 5.6, if no seccomp filter denies it.
func hasOpenat2() bool {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// statFD returns what is known of an open file.
func statFD(fd int) (info Info, mode uint32, err error) {
	info, mode, err = statAt(fd, "")
	info.Tmpfs = err == nil && isTmpfs(fd, info.Dev)
	return info, mode, err
}

// statAt returns what is known of a name in a directory, but for Tmpfs, following no link. "" is the directory itself.
func statAt(dir int, name string) (Info, uint32, error) {
	flags := unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	var x unix.Statx_t
	err := unix.Statx(dir, name, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &x)
	if err == unix.ENOSYS || err == unix.EPERM { // before Linux 4.11, or in an older container
		var st unix.Stat_t
		if err := unix.Fstatat(dir, name, &st, flags); err != nil {
			return Info{}, 0, err
		}
		return Info{
			Dev: uint64(st.Dev), Ino: st.Ino, Size: st.Size, Links: uint64(st.Nlink),
			ModTime: time.Unix(st.Mtim.Unix()),
		}, st.Mode, nil
	}
	if err != nil {
		return Info{}, 0, err
	}
	info := Info{
		Dev: unix.Mkdev(x.Dev_major, x.Dev_minor), Ino: x.Ino, Size: int64(x.Size), Links: uint64(x.Nlink),
		ModTime: time.Unix(x.Mtime.Sec, int64(x.Mtime.Nsec)),
	}
	if x.Mask&unix.STATX_BTIME != 0 {
		info.Birth = time.Unix(x.Btime.Sec, int64(x.Btime.Nsec))
	}
	return info, uint32(x.Mode), nil
}

// isTmpfs says whether an open file or directory lies in memory. Only file systems without a disk need be asked.
func isTmpfs(fd int, dev uint64) bool {
	var st unix.Statfs_t
	return unix.Major(dev) == 0 && unix.Fstatfs(fd, &st) == nil && uint32(st.Type) == unix.TMPFS_MAGIC
}
