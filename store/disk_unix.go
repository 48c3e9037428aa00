//go:build unix

package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func syncNames(dir *os.File) error { return dir.Sync() }

// diskSpace is how large the file system is that dir is on, and how many bytes may still be written to it.
func diskSpace(dir string) (total, free int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, fmt.Errorf("cannot tell the free space of %s: %w", dir, err)
	}
	return int64(s.Blocks) * int64(s.Bsize), int64(s.Bavail) * int64(s.Bsize), nil
}
