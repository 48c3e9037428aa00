package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// maxLine is the longest line that is read, in bytes. What is longer is passed over, and counted.
const maxLine = 64 << 20

// A file of dead letters, open for reading.
type file struct {
	*os.File
	path string
	size int64 // when it was opened: what is appended later is for another time
}

func openFile(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // a pipe must not make us wait
	if err != nil {
		return nil, fmt.Errorf("cannot read dead letters: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot read dead letters from %s: %w", path, err)
	}
	return &file{f, path, info.Size()}, nil
}

// lines hands each line, without its newline, to use until that returns false. A line that is too long is nil.
func (f *file) lines(use func(line []byte) bool) error {
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, f.size), 256<<10)
	for {
		line, err := readLine(r)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read dead letters: %w", err)
		}
		if !use(line) {
			return nil
		}
	}
}

func readLine(r *bufio.Reader) ([]byte, error) {
	line, long := []byte{}, false
	for {
		part, err := r.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxLine; long {
			line = nil
		} else {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
		case err == io.EOF && (long || len(line) > 0): // half a line, which a crash may leave
			return line, nil
		case err != nil:
			return nil, err
		case long:
			return nil, nil
		default:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		}
	}
}

// remove takes the lines out of the file for which gone is true, by their number from 1, and the file itself when no other is left.
// What has been appended meanwhile is kept. It refuses if the path leads to another file by now: podbeat renames the files
// when the current one is full.
func (f *file) remove(gone func(line int) bool) error {
	now, err := os.Stat(f.path)
	if err == nil {
		f.size = now.Size()
		err = f.same(now)
	}
	if err != nil {
		return f.kept(err)
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), ".replay-*")
	if err != nil {
		return f.kept(err)
	}
	defer os.Remove(next.Name()) // after a success it is not there any more
	defer next.Close()
	left, err := f.copyRest(next, gone)
	if err == nil {
		err = errors.Join(next.Chmod(now.Mode().Perm()), keepOwner(next, now), next.Sync())
	}
	if err != nil {
		return f.kept(err)
	}
	if now, err = os.Stat(f.path); err == nil {
		err = f.same(now)
	}
	switch {
	case err != nil:
	case left:
		err = os.Rename(next.Name(), f.path)
	default:
		err = os.Remove(f.path)
	}
	if err != nil {
		return f.kept(err)
	}
	return deadletter.SyncDir(filepath.Dir(f.path))
}

func (f *file) kept(err error) error {
	return fmt.Errorf("cannot take what is delivered out of %s, which is as it was (sending it again is harmless): %w", f.path, err)
}

var errRenamed = errors.New("podbeat has renamed it meanwhile")

func (f *file) same(now fs.FileInfo) error {
	opened, err := f.Stat()
	if err == nil && !os.SameFile(opened, now) {
		err = errRenamed
	}
	return err
}

func (f *file) copyRest(to io.Writer, gone func(line int) bool) (left bool, err error) {
	w := bufio.NewWriter(to)
	r := bufio.NewReaderSize(io.NewSectionReader(f, 0, f.size), 256<<10)
	out, begin := false, true
	for line := 1; ; {
		part, err := r.ReadSlice('\n')
		if begin && len(part) > 0 {
			out = gone(line)
		}
		if !out && len(part) > 0 {
			left = true
			if _, err := w.Write(part); err != nil {
				return false, err
			}
		}
		switch {
		case err == io.EOF:
			return left, w.Flush()
		case err != nil && err != bufio.ErrBufferFull:
			return false, err
		}
		if begin = err == nil; begin {
			line++
		}
	}
}

// keepOwner gives f the owner of a file that it takes the place of, or stands beside: podbeat must be able to read what root has put there.
func keepOwner(f *os.File, like fs.FileInfo) error {
	st, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(st.Uid), int(st.Gid))
}
