package doctor

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A host is the machine whose logs are read: this one, or the one whose root is mounted at a folder.
type host struct{ root string }

// path is where a file of the host is. Symbolic links in it lead to where they lead on the host.
func (h host) path(name string) string {
	if h.root == "" {
		return name
	}
	if below, ok := strings.CutPrefix(filepath.Clean(name), h.root); ok && (below == "" || below[0] == '/') {
		name = below
	}
	const most = 40 // links, as the kernel has it
	rest, done := strings.Split(name, "/"), "/"
	for links := 0; len(rest) > 0; {
		next := rest[0]
		rest = rest[1:]
		switch next {
		case "", ".":
			continue
		case "..":
			done = filepath.Dir(done)
			continue
		}
		at := filepath.Join(done, next)
		target, err := os.Readlink(h.root + at)
		if err != nil {
			done = at
			continue
		}
		if links++; links > most {
			return h.root + at
		}
		if strings.HasPrefix(target, "/") {
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return h.root + done
}

// maxFile bounds what is read of a file that people or programs write settings into.
const maxFile = 1 << 20

var errLarge = fmt.Errorf("it is larger than %d bytes", maxFile)

// read reads a small file of the host.
func (h host) read(name string) ([]byte, error) {
	text, err := readFile(h.path(name))
	if e := (*fs.PathError)(nil); errors.As(err, &e) {
		err = fmt.Errorf("%s: %w", name, e.Err)
	}
	return text, err
}

// readFile reads a small regular file, and nothing that may hang.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is no regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: %w", path, errLarge)
	}
	return text, err
}

func (h host) exists(name string) bool {
	_, err := os.Stat(h.path(name))
	return err == nil
}

// maxEntries bounds what is looked at in one folder.
const maxEntries = 100_000

// list returns the entries of a folder of the host, at most so many.
func (h host) list(name string) ([]fs.DirEntry, error) {
	dir, err := os.OpenFile(h.path(name), os.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(maxEntries)
	if err == io.EOF {
		err = nil
	}
	return entries, err
}

// glob returns the host's paths that match.
func (h host) glob(pattern string) []string {
	if h.root == "" {
		names, _ := filepath.Glob(pattern)
		return names
	}
	// Links before the first wildcard are the administrator's, and lead to where they lead on the host.
	fixed, rest := pattern, ""
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		cut := strings.LastIndexByte(pattern[:i], '/') + 1
		fixed, rest = pattern[:cut], pattern[cut:]
	}
	names, _ := filepath.Glob(filepath.Join(h.path(fixed), rest))
	for i, name := range names {
		names[i] = strings.TrimPrefix(name, h.root)
	}
	return names
}
