package elasticsearch

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

	"github.com/elastic/beats/v7/libbeat/beat"
)

// A policy says where events go that Elasticsearch refuses for good. Whatever it says, file is
// there for what the dead-letter index refuses too.
type policy struct {
	drop  bool
	index string // of the dead letters, "" for none
	file  letterFile
}

// appendLetter appends the document that stands for a refused event, without a newline: the event
// as JSON text in one string, so that no mapping can refuse it again, and why it was refused.
func (e encoder) appendLetter(b []byte, ev *beat.Event, it *item, source []byte) []byte {
	if len(source) == 0 && it.op != opDelete {
		e.lenient = true
		source, _ = e.event(nil, ev) // a lenient encoder has no errors
	}
	b = append(b, `{"@timestamp":`...)
	b = appendTime(b, ev.Timestamp)
	b = append(b, `,"message":`...)
	b = e.string(b, string(bytes.TrimSuffix(source, []byte("\n"))))
	b = append(b, `,"error":{"type":`...)
	b = e.string(b, it.why.kind)
	b = append(b, `,"message":`...)
	b = e.string(b, it.why.text)
	if it.why.status != 0 {
		b = append(b, `,"code":"`...)
		b = strconv.AppendInt(b, int64(it.why.status), 10)
		b = append(b, '"')
	}
	b = append(b, '}')
	if it.id != "" {
		b = append(b, `,"event":{"id":`...)
		b = append(e.string(b, it.id), '}')
	}
	b = append(b, `,"document":{"index":`...)
	b = e.string(b, it.index)
	return append(b, "}}"...)
}

// A letterFile is the newline-delimited file of dead letters. Several clients, of two outputs
// during a reload even, write to the same path: fileLock, not the value, makes them take turns.
type letterFile struct {
	path     string
	maxBytes int64
	files    int
}

var fileLock sync.Mutex

// append writes lines, n of them with their newlines, and has them on disk when it returns nil.
// After an error none of them counts as written, though a broken disk may keep some.
func (f letterFile) append(lines []byte) error {
	fileLock.Lock()
	defer fileLock.Unlock()
	if err := f.write(lines); err != nil {
		return fmt.Errorf("cannot write dead letters to %q: %w", f.path, err)
	}
	return nil
}

func (f letterFile) write(lines []byte) error {
	info, err := os.Stat(f.path)
	switch {
	case err == nil && info.Size() > 0 && info.Size()+int64(len(lines)) > f.maxBytes:
		if err := f.rotate(); err != nil {
			return err
		}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o750); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
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
		return syncDir(filepath.Dir(f.path))
	}
	return nil
}

func syncDir(name string) error {
	dir, err := os.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// rotate makes room at path: .1 becomes .2 and so on up to the first free number. When there is
// none the oldest file goes, and what was in it is counted and logged, for that is a loss.
func (f letterFile) rotate() error {
	name := func(i int) string {
		if i == 0 {
			return f.path
		}
		return f.path + "." + strconv.Itoa(i)
	}
	free := 1
	for ; free < f.files; free++ {
		if _, err := os.Lstat(name(free)); errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if free == f.files {
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

func (f letterFile) discard(oldest string) error {
	n, err := countLines(oldest)
	if err != nil {
		return err
	}
	if err := os.Remove(oldest); err != nil {
		return err
	}
	counters.deadLetterDiscarded.Add(uint64(n))
	logger().Errorf("LOST %d dead letters: %s was removed to make room, since %d files of %d bytes are full. Read the files and raise max_bytes or files of dead_letter_file",
		n, oldest, f.files, f.maxBytes)
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
