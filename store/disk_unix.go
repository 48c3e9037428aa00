//go:build unix

package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func syncNames(dir *os.File) error { return dir.Sync() }

// freeSpace is how many bytes may still be written to the file system that dir is on.
func freeSpace(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("cannot tell the free space of %s: %w", dir, err)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
