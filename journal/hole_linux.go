package journal

import (
	"errors"
	"io"
	"syscall"
)

// seekData is lseek's SEEK_DATA.
const seekData = 3

// dataFrom returns where the next byte is that is in no hole of the file, pos where that is not known, and io.EOF behind the last one.
func dataFrom(r io.ReaderAt, pos uint64) (next uint64, err error) {
	file, ok := r.(syscall.Conn)
	if !ok {
		return pos, nil
	}
	conn, err := file.SyscallConn()
	if err != nil {
		return pos, nil
	}
	next = pos
	var end error
	err = conn.Control(func(fd uintptr) {
		at, err := syscall.Seek(int(fd), int64(pos), seekData)
		switch {
		case err == nil:
			next = uint64(at)
		case errors.Is(err, syscall.ENXIO):
			end = io.EOF
		}
	})
	if err != nil {
		return pos, nil
	}
	return next, end
}
