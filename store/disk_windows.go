package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// syncNames does nothing: NTFS journals names, and a directory cannot be synced.
func syncNames(*os.File) error { return nil }

// freeSpace is how many bytes may still be written to the volume that dir is on.
func freeSpace(dir string) (int64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("cannot tell the free space of %s: %w", dir, err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("cannot tell the free space of %s: %w", dir, err)
	}
	return int64(free), nil
}
