package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// localPaths are where journald writes.
var localPaths = []string{"/var/log/journal", "/run/log/journal"}

// A selection says which journal files are read. It is asked again and again: files come, are
// renamed when they are archived, and go.
type selection struct {
	paths     []string // files, directories and globs
	machineID string   // of the directories that are named after machines only this one's; "" all
	namespace string   // "" the default one, "*" all
}

func newSelection(o DirOptions, paths []string) (selection, error) {
	s := selection{paths: paths, namespace: o.Namespace}
	if len(paths) == 0 {
		id, err := os.ReadFile("/etc/machine-id")
		if err != nil {
			return s, fmt.Errorf("cannot tell which journal is this machine's, name its directory: %w", err)
		}
		s.paths, s.machineID = localPaths, strings.TrimSpace(string(id))
		return s, nil
	}
	for _, path := range paths {
		if hasGlob(path) {
			if _, err := filepath.Match(path, ""); err != nil {
				return s, fmt.Errorf("cannot read journal %q: %w", path, err)
			}
		} else if _, err := os.Stat(path); err != nil {
			return s, fmt.Errorf("cannot read journal %q: %w", path, errors.Unwrap(err))
		}
	}
	return s, nil
}

// A listing is what a selection finds at one moment.
type listing struct {
	files  []listedFile // each inode once per path
	seen   map[string]bool
	dirs   map[string]time.Time // directories looked into, and when each had changed last
	denied map[string]error     // files and directories that cannot be looked at
	taken  time.Time            // when it was begun
}

type listedFile struct {
	path string
	info fs.FileInfo
}

// list looks through all paths. Directories may come and go, so what is not there is no error.
func (s *selection) list() *listing {
	l := &listing{seen: map[string]bool{}, dirs: map[string]time.Time{}, denied: map[string]error{}, taken: time.Now()}
	for _, path := range s.paths {
		found := []string{path}
		if hasGlob(path) {
			found, _ = filepath.Glob(path)
			l.watch(filepath.Dir(path))
		}
		for _, path := range found {
			info, err := os.Stat(path)
			switch {
			case err != nil:
				l.deny(path, err)
			case info.IsDir():
				s.addRoot(l, path)
			default:
				l.add(path, info)
				l.watch(filepath.Dir(path))
			}
		}
	}
	return l
}

// addRoot adds the files of a directory and of its directories that are named after machines.
func (s *selection) addRoot(l *listing, root string) {
	l.addDir(root, func(name string) {
		id, namespace, _ := strings.Cut(name, ".")
		id = strings.ReplaceAll(strings.ToLower(id), "-", "")
		if _, err := ParseID(id); err != nil {
			return
		}
		if s.namespace != "*" && s.namespace != namespace || s.machineID != "" && s.machineID != id {
			return
		}
		l.addDir(filepath.Join(root, name), nil)
	})
}

// addDir adds the journal files in dir and tells sub of the directories.
func (l *listing) addDir(dir string, sub func(name string)) {
	l.watch(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		l.deny(dir, err)
	}
	for _, e := range entries {
		// Archived files that were not closed properly end in a tilde.
		journal := strings.HasSuffix(e.Name(), ".journal") || strings.HasSuffix(e.Name(), ".journal~")
		if !journal && (sub == nil || e.Type().IsRegular()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		switch {
		case err != nil:
			l.deny(path, err)
		case info.IsDir() && sub != nil:
			sub(e.Name())
		case journal:
			l.add(path, info)
		}
	}
}

// add takes in a file. A directory may be named twice, by itself and by a file in it.
func (l *listing) add(path string, info fs.FileInfo) {
	if path = filepath.Clean(path); info.Mode().IsRegular() && !l.seen[path] {
		l.seen[path] = true
		l.files = append(l.files, listedFile{path, info})
	}
}

// watch takes note of a directory whose changes say that files come or go.
func (l *listing) watch(dir string) {
	if info, err := os.Stat(dir); err == nil {
		l.dirs[dir] = info.ModTime()
	}
}

func (l *listing) deny(path string, err error) {
	if !errors.Is(err, fs.ErrNotExist) { // renamed or deleted meanwhile
		l.denied[path] = err
	}
}

// racy is the coarsest clock that file systems stamp directories with: a directory that had changed
// that shortly before it was read may have changed again under the same stamp.
const racy = 50 * time.Millisecond

// stale says whether a directory has changed since it was read, as far as its time stamp tells.
func (l *listing) stale() bool {
	for dir, then := range l.dirs {
		info, err := os.Stat(dir)
		if err != nil || !info.ModTime().Equal(then) || l.taken.Sub(then).Abs() < racy {
			return true
		}
	}
	return false
}

func hasGlob(path string) bool { return strings.ContainsAny(path, `*?[\`) }
