package take

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/podbeat/podbeat/tui/source"
)

// An Exporter writes all rows of a view to a file, which appears when it is whole or not at all. Its owner alone may read it.
type Exporter struct {
	Path     string // ~/ at its beginning is the home directory
	Format   Format
	Columns  []string
	Replace  bool                    // a file that is there; otherwise it is an error
	Progress func(rows, bytes int64) // is called some times a second, from the goroutine of Run; nil: nobody wants to know
}

// A Rows is source.View.Export: it hands all rows, with the fields that are named (nil: whole documents), to each until that fails.
type Rows func(ctx context.Context, fields []string, each func(rows []*source.Row) error) error

// Run exports, and says how many rows and bytes there are and what the file's whole name is. When ctx ends, or rows or the disk
// fail, nothing is left behind.
func (e Exporter) Run(ctx context.Context, all Rows) (path string, rows, bytes int64, err error) {
	path, err = e.place()
	if err == nil {
		rows, bytes, err = e.run(ctx, all, path)
	}
	if err != nil {
		return "", 0, 0, fmt.Errorf("cannot export to %q: %w", e.Path, err)
	}
	return path, rows, bytes, nil
}

// place is where the file is to be.
func (e Exporter) place() (string, error) {
	path := e.Path
	if path == "" {
		return "", errors.New("give the name of a file")
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		path = filepath.Join(home, rest)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // the link stays one
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", err
	case info.IsDir():
		return "", errors.New("it is a directory: give the name of a file in it")
	case !info.Mode().IsRegular():
		return "", errors.New("it is no file")
	case !e.Replace:
		return "", fmt.Errorf("the file is there already: %w", fs.ErrExist)
	}
	return path, nil
}

func (e Exporter) run(ctx context.Context, all Rows, path string) (rows, size int64, err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), ".logtui-*") // with mode 0600
	if failed := (*fs.PathError)(nil); errors.As(err, &failed) {
		err = fmt.Errorf("cannot write in %q: %w", filepath.Dir(path), failed.Err) // whose name is nobody's
	}
	if err != nil {
		return 0, 0, err
	}
	defer func() {
		if err != nil {
			temp.Close()
			os.Remove(temp.Name())
		}
	}()
	count := &counter{to: temp}
	buffer := bufio.NewWriterSize(count, 1<<18)
	w := NewWriter(buffer, e.Format, e.Columns)
	fields := e.Columns
	if e.Format.Whole() {
		fields = nil
	}
	var said time.Time
	err = all(ctx, fields, func(rows []*source.Row) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.Write(rows); err != nil {
			return err
		}
		if e.Progress != nil && time.Since(said) > 200*time.Millisecond {
			said = time.Now()
			e.Progress(w.Rows(), count.n)
		}
		return nil
	})
	for _, step := range []func() error{w.Close, buffer.Flush, temp.Sync, temp.Close, ctx.Err} {
		if err == nil {
			err = step()
		}
	}
	if err != nil {
		return 0, 0, err
	}
	if e.Progress != nil {
		e.Progress(w.Rows(), count.n)
	}
	if e.Replace {
		return w.Rows(), count.n, os.Rename(temp.Name(), path)
	}
	// A file of that name that somebody made meanwhile is not replaced.
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, fmt.Errorf("the file is there already: %w", fs.ErrExist)
	}
	return w.Rows(), count.n, os.Rename(temp.Name(), path)
}

type counter struct {
	to *os.File
	n  int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.n += int64(n)
	return n, err
}
