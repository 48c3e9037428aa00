package journalgen

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// remote is the one program besides journald that writes journal files.
const remote = "/lib/systemd/systemd-journal-remote"

// syncTimeout bounds how long entries may take from our pipe into the file.
const syncTimeout = time.Minute

// A Writer appends entries to DIR/system.journal while others read it. It is not safe for
// concurrent use.
type Writer struct {
	// Keep is how many archived files a rotation leaves (see Vacuum); 0 leaves all.
	Keep int

	dir    string
	cmd    *exec.Cmd
	pipe   io.WriteCloser
	buf    *bufio.Writer
	stderr bytes.Buffer
	seqnum uint64 // of the last entry appended
}

// Open starts writing to the journal in dir, which it makes, or goes on with where it ends.
func Open(dir string) (*Writer, error) {
	if _, err := os.Stat(remote); err != nil {
		return nil, fmt.Errorf("cannot write journal files: %w (apt-get install systemd-journal-remote)", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	w := &Writer{dir: dir}
	if _, err := os.Stat(w.path()); errors.Is(err, os.ErrNotExist) {
		if err := create(dir, Header{}); err != nil {
			return nil, err
		}
	}
	h, err := ReadHeader(w.path())
	if err != nil {
		return nil, err
	}
	w.seqnum = h.Tail
	return w, w.start()
}

func (w *Writer) path() string { return filepath.Join(w.dir, active) }

// create makes an empty active file, after h if it has a predecessor. It is finished elsewhere and
// moved in, so that no reader sees it under another seqnum_id.
func create(dir string, h Header) error {
	tmp, err := os.MkdirTemp(dir, ".new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	path := filepath.Join(tmp, active)
	if out, err := exec.Command(remote, "-o", path, "-").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot create journal %q: %w: %s", path, err, out)
	}
	if h.SeqnumID != "" {
		if err := succeed(path, h); err != nil {
			return err
		}
	}
	return os.Rename(path, filepath.Join(dir, active))
}

func (w *Writer) start() error {
	w.stderr.Reset()
	w.cmd = exec.Command(remote, "-o", w.path(), "-")
	w.cmd.Stderr = &w.stderr
	pipe, err := w.cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := w.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", remote, err)
	}
	w.pipe, w.buf = pipe, bufio.NewWriterSize(pipe, 1<<16)
	return nil
}

// stop waits until everything is in the file and nobody writes to it.
func (w *Writer) stop() error {
	err := w.buf.Flush()
	if cerr := w.pipe.Close(); err == nil {
		err = cerr
	}
	if werr := w.cmd.Wait(); werr != nil {
		err = werr
	}
	if err != nil {
		return fmt.Errorf("cannot write journal %q: %w: %s", w.path(), err, w.stderr.Bytes())
	}
	return nil
}

// Append writes one entry in export format, as Next yields it. It is in the file after Sync.
func (w *Writer) Append(entry []byte) error {
	if _, err := w.buf.Write(entry); err != nil {
		return fmt.Errorf("cannot write journal %q: %w", w.path(), err)
	}
	w.seqnum++
	return nil
}

// Flush hands over all entries appended so far; they are in the file a moment later.
func (w *Writer) Flush() error {
	if err := w.buf.Flush(); err != nil {
		return fmt.Errorf("cannot write journal %q: %w", w.path(), err)
	}
	return nil
}

// Sync returns when all entries appended so far can be read from the file.
func (w *Writer) Sync() error {
	if err := w.Flush(); err != nil {
		return err
	}
	for deadline := time.Now().Add(syncTimeout); ; time.Sleep(time.Millisecond) {
		h, err := ReadHeader(w.path())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err == nil && h.Tail >= w.seqnum {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("cannot write journal %q: entry %d is not there after %v, the last is %d", w.path(), w.seqnum, syncTimeout, h.Tail)
		}
	}
}

// Rotate archives the active file as journald does, under a new name and with its last state, and
// goes on in a new one with the same seqnum_id. It says what was archived.
func (w *Writer) Rotate() (Header, error) {
	if err := w.stop(); err != nil {
		return Header{}, err
	}
	h, err := archive(w.dir)
	if err != nil {
		return h, err
	}
	if err := create(w.dir, h); err != nil {
		return h, err
	}
	if w.Keep > 0 {
		if _, err := Vacuum(w.dir, w.Keep); err != nil {
			return h, err
		}
	}
	return h, w.start()
}

// Feed appends all that g still has, perSecond entries a second (0: as fast as it goes), rotating
// after every perFile entries (0: when systemd-journal-remote thinks the file is full).
func (w *Writer) Feed(ctx context.Context, g *Generator, perSecond, perFile int) error {
	began := time.Now()
	for n := 1; ; n++ {
		e, ok := g.Next()
		if !ok {
			return w.Sync()
		}
		if err := w.Append(e); err != nil {
			return err
		}
		if perFile > 0 && n%perFile == 0 {
			if _, err := w.Rotate(); err != nil {
				return err
			}
		}
		if perSecond <= 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			continue
		}
		ahead := time.Duration(n)*time.Second/time.Duration(perSecond) - time.Since(began)
		if ahead < 5*time.Millisecond {
			continue
		}
		if err := w.Flush(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(ahead):
		}
	}
}

// Close writes what is left and leaves the active file as a stopped journald does.
func (w *Writer) Close() error { return w.stop() }

// Write makes the journal that o describes in dir, checks that every entry is there, and says what
// a reader has to find in it. systemd-journal-remote begins a new file after some 75,000 entries
// and deletes none.
func Write(dir string, o Options) ([]Message, error) {
	w, err := Open(dir)
	if err != nil {
		return nil, err
	}
	g := New(o)
	err = w.Feed(context.Background(), g, 0, 0)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	hs, err := Headers(dir)
	if err != nil {
		return nil, err
	}
	var have uint64
	for _, h := range hs {
		have += h.Entries
	}
	if have != uint64(o.Entries) {
		return nil, fmt.Errorf("cannot write journal %q: %d entries of %d are there", dir, have, o.Entries)
	}
	return g.Messages(), nil
}
