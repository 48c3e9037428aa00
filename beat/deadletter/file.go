package deadletter

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// A File is the newline-delimited file of dead letters. Several clients, of two outputs during a
// reload even, write to the same path: fileLock, not the value, makes them take turns.
type File struct {
	Path     string // of the current file
	MaxBytes int64  // size at which it becomes .1 (.2, .3 …) and a new one begins
	Files    int    // files kept, the current one among them
}

var fileLock sync.Mutex

// discarded counts the dead letters lost with the oldest file, of all outputs together.
var discarded = monitoring.NewUint(monitoring.Default, "podbeat.output.dead_letter_discarded")

// Append writes lines, n of them with their newlines, and has them on disk when it returns nil.
// After an error none of them counts as written, though a broken disk may keep some.
func (f File) Append(lines []byte) error {
	fileLock.Lock()
	defer fileLock.Unlock()
	err := f.write(lines)
	f.note(len(lines), err)
	if err != nil {
		return fmt.Errorf("cannot write dead letters to %q: %w", f.Path, err)
	}
	return nil
}

func (f File) write(lines []byte) error {
	info, err := os.Stat(f.Path)
	switch {
	case err == nil && info.Size() > 0 && info.Size()+int64(len(lines)) > f.MaxBytes:
		if err := f.rotate(); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.Path), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(f.Path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if last := []byte{'\n'}; size > 0 {
		// A crash may have left half a line; it must not swallow the next one.
		if _, err := file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			lines = append([]byte{'\n'}, lines...)
		}
	}
	_, err = file.Write(lines)
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return errors.Join(err, file.Truncate(size))
	}
	if size == 0 {
		return SyncDir(filepath.Dir(f.Path))
	}
	return nil
}

// SyncDir makes the names in a folder survive a power cut.
func SyncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// rotate makes room at path: .1 becomes .2 and so on up to the first free number. When there is
// none the oldest file goes, and what was in it is counted and logged, for that is a loss.
func (f File) rotate() error {
	name := func(i int) string {
		if i == 0 {
			return f.Path
		}
		return f.Path + "." + strconv.Itoa(i)
	}
	free := 1
	for ; free < f.Files; free++ {
		if _, err := os.Lstat(name(free)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if free == f.Files {
		free--
		if err := f.discard(name(free)); err != nil {
			return err
		}
	}
	for i := free; i > 0; i-- {
		if err := os.Rename(name(i-1), name(i)); err != nil {
			return err
		}
	}
	return nil
}

func (f File) discard(oldest string) error {
	n, err := countLines(oldest)
	if err != nil {
		return err
	}
	if err := os.Remove(oldest); err != nil {
		return err
	}
	discarded.Add(uint64(n))
	logp.NewLogger("deadletter").Errorf("LOST %d dead letters: %s was removed to make room, since %d files of %d bytes are full. Read the files; output.elasticsearch can have more of them (max_bytes and files of dead_letter_file)",
		n, oldest, f.Files, f.MaxBytes)
	return nil
}

func countLines(name string) (n int, err error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	buf := make([]byte, 64<<10)
	for {
		got, err := file.Read(buf)
		n += bytes.Count(buf[:got], []byte{'\n'})
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}
