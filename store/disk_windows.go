package store

import (
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// syncNames does nothing: NTFS journals names, and a directory cannot be synced.
func syncNames(*os.File) error { return nil }

// diskSpace is how large the volume is that dir is on, and how many bytes may still be written to it.
func diskSpace(dir string) (total, free int64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot tell the free space of %s: %w", dir, err)
	}
	var left, all uint64
	if err := windows.GetDiskFreeSpaceEx(path, &left, &all, nil); err != nil {
		return 0, 0, fmt.Errorf("cannot tell the free space of %s: %w", dir, err)
	}
	return int64(all), int64(left), nil
}
