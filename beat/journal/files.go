package journal

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A selection says which journal files are read. It is asked again and again: files come, are
// renamed when they are archived, and go.
type selection struct {
	paths     []string // files, directories and globs
	local     bool     // paths are this machine's own directories: of their machines only this one
	machineID string   // this machine's, "" if it is not known
	namespace string   // "" the default one, "*" all
}

// localPaths are where journald writes.
var localPaths = []string{"/var/log/journal", "/run/log/journal"}

func newSelection(o *options) selection {
	s := selection{paths: o.Paths, namespace: o.Namespace}
	if len(s.paths) == 0 {
		s.paths, s.local = localPaths, true
		if id, err := os.ReadFile("/etc/machine-id"); err == nil {
			s.machineID = strings.TrimSpace(string(id))
		}
	}
	return s
}

// A fileKey is a file's identity, whatever its name, for as long as it is not deleted: then its
// inode may be another's.
type fileKey struct{ dev, ino uint64 }

func keyOf(info fs.FileInfo) fileKey {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileKey{}
	}
	return fileKey{uint64(st.Dev), st.Ino}
}

// A listing is what a selection finds at one moment.
type listing struct {
	files  map[fileKey]listedFile
	beside map[fileKey]listedFile // journal files of the same directories that are not selected
	dirs   map[string]time.Time   // directories looked into, and when each had changed last
	denied map[string]error       // files and directories without the right to read them
	other  []string               // machine directories passed over because they are another machine's
	taken  time.Time              // when it was begun
	part   bool                   // what is not listed may be there: something could not be looked at for now
}

// A listedFile is what a listing knows of a file.
type listedFile struct {
	path    string
	changed time.Time
}

// list looks through all paths.
func (s *selection) list() *listing {
	l := &listing{
		files:  map[fileKey]listedFile{},
		beside: map[fileKey]listedFile{},
		dirs:   map[string]time.Time{},
		denied: map[string]error{},
		taken:  time.Now(),
	}
	for _, path := range s.paths {
		matches := []string{path}
		if hasGlob(path) {
			matches, _ = filepath.Glob(path)
			l.probe(path)
		}
		for _, m := range matches {
			info, err := os.Stat(m)
			switch {
			case errors.Is(err, fs.ErrPermission):
				l.denied[m] = err
			case err != nil: // not there yet, or just renamed
				l.failed(err)
			case info.IsDir():
				s.addRoot(l, m)
			case info.Mode().IsRegular():
				l.files[keyOf(info)] = listedFile{m, info.ModTime()}
			}
		}
	}
	for _, f := range l.files {
		dir := filepath.Dir(f.path)
		if _, ok := l.dirs[dir]; ok {
			continue
		}
		for key, other := range l.readDir(dir, nil) {
			if _, ok := l.files[key]; !ok {
				l.beside[key] = other
			}
		}
	}
	return l
}

// addRoot adds the files of a directory and of its directories that are named after machines.
func (s *selection) addRoot(l *listing, root string) {
	var own, others []string
	add := func(name string) {
		id, namespace, _ := strings.Cut(name, ".")
		if !isID(strings.ReplaceAll(strings.ToLower(id), "-", "")) {
			return
		}
		if s.namespace != "*" && s.namespace != namespace {
			return
		}
		// Whatever is in /run is of this boot, so of this machine.
		if !s.local || id == s.machineID || strings.HasPrefix(root, "/run/") {
			own = append(own, filepath.Join(root, name))
		} else {
			others = append(others, filepath.Join(root, name))
		}
	}
	maps.Copy(l.files, l.readDir(root, add))
	if len(own) == 0 {
		// In a container with an id of its own the node's journal is another machine's.
		own, l.other = others, append(l.other, others...)
	}
	for _, dir := range own {
		maps.Copy(l.files, l.readDir(dir, nil))
	}
}

// readDir returns the journal files in dir and tells sub of the directories.
func (l *listing) readDir(dir string, sub func(name string)) map[fileKey]listedFile {
	info, err := os.Stat(dir)
	if err == nil {
		l.dirs[dir] = info.ModTime()
	}
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		l.denied[dir] = err
	}
	l.failed(err)
	found := map[fileKey]listedFile{}
	for _, e := range entries {
		name := e.Name()
		journal := isJournalName(name)
		if !journal && (sub == nil || !e.IsDir() && e.Type()&fs.ModeSymlink == 0) {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			l.failed(err)
		case journal && info.Mode().IsRegular():
			found[keyOf(info)] = listedFile{path, info.ModTime()}
		case info.IsDir() && sub != nil:
			sub(name)
		}
	}
	return found
}

// failed takes note of an error of looking, or nil: where descriptors or memory are short there may be more than is seen.
func (l *listing) failed(err error) { l.part = l.part || err != nil && !isDamage(err) }

// probe looks into the directory where a glob begins: filepath.Glob says nothing of what it cannot read.
func (l *listing) probe(glob string) {
	dir, err := os.Open(filepath.Dir(glob[:strings.IndexAny(glob, globChars)] + "x"))
	if err == nil {
		err = dir.Close()
	}
	l.failed(err)
}

// racy is the coarsest clock that file systems stamp directories with: a directory that had changed
// that shortly before it was read may have changed again under the same stamp.
const racy = 50 * time.Millisecond

// stale says whether a directory has changed since it was read, as far as its time stamp tells.
func (l *listing) stale() bool {
	if l.part {
		return true
	}
	for dir, then := range l.dirs {
		info, err := os.Stat(dir)
		if err != nil || !info.ModTime().Equal(then) || l.taken.Sub(then).Abs() < racy {
			return true
		}
	}
	return false
}

// missing says which of the paths can never become readable: files that are not there.
func (s *selection) missing() []string {
	return slices.DeleteFunc(slices.Clone(s.paths), func(path string) bool {
		if hasGlob(path) || !isJournalName(path) {
			return true
		}
		_, err := os.Stat(path)
		return !errors.Is(err, fs.ErrNotExist)
	})
}

const globChars = `*?[\`

func hasGlob(path string) bool { return strings.ContainsAny(path, globChars) }

// isJournalName says whether a file in a directory is taken for a journal: archived files that were
// not closed properly end in a tilde.
func isJournalName(name string) bool {
	return strings.HasSuffix(name, ".journal") || strings.HasSuffix(name, ".journal~")
}

// sharesCounter says whether a file is one of those that journald, before systemd 254, numbers
// with one counter under several seqnum_ids, and whether it is a user's.
func sharesCounter(path string, h *header) (shares, user bool) {
	name := filepath.Base(path)
	user = strings.HasPrefix(name, "user-")
	return h.Size < headerShared && (user || strings.HasPrefix(name, "system")), user
}
