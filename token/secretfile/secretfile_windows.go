package secretfile

import (
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/windows"
)

// open says whether everybody may write to a file: the mode of a file does not say that here, its folder's rights do.
func open(fs.FileInfo) bool { return false }

// lock keeps other editors of path out. A folder cannot be locked here, so that a file beside path is.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK, 0, 1, 0, &windows.Overlapped{}); err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// takeAfter leaves f the rights that it has from its folder.
func takeAfter(*os.File, fs.FileInfo) error { return nil }

// rename replaces the file at to by the one at from. It waits for whoever is reading the old one, as long as reading takes.
func rename(from, to string) (err error) {
	for range 50 {
		if err = os.Rename(from, to); err == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
