//go:build !windows

package secretfile

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// open says whether everybody may write to a file.
func open(st fs.FileInfo) bool { return st.Mode().Perm()&0o002 != 0 }

// lock keeps other editors out of the folder of path: the file itself is replaced, and a lock on it with it.
func lock(path string) (unlock func(), err error) {
	f, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// takeAfter gives f the owner of the file that it replaces, and its group the right to read if it had it.
func takeAfter(f *os.File, st fs.FileInfo) error {
	was, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := f.Chown(int(was.Uid), int(was.Gid)); err != nil {
		return err
	}
	return f.Chmod(0o600 | st.Mode().Perm()&0o040)
}

// rename replaces the file at to by the one at from, for good.
func rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
