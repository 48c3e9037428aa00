package deadletter

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/elastic/beats/v7/libbeat/outputs"
)

// inUse are the paths of the files that outputs and inputs have for their dead letters.
var inUse struct {
	sync.Mutex
	users map[string][]File // of a path: two outputs have the same one during a reload
	wants map[string]int    // bytes that could not be written to a path last, so that a disk may be full
}

// note has Unwritable try for as much as could not be written; err is what came of it.
func (f File) note(bytes int, err error) {
	inUse.Lock()
	defer inUse.Unlock()
	if inUse.wants == nil {
		inUse.wants = map[string]int{}
	}
	if delete(inUse.wants, f.Path); err != nil {
		inUse.wants[f.Path] = bytes
	}
}

// Use has Unwritable look at the file from now on, until letGo is called, once or more often.
func (f File) Use() (letGo func()) {
	inUse.Lock()
	defer inUse.Unlock()
	if inUse.users == nil {
		inUse.users = map[string][]File{}
	}
	inUse.users[f.Path] = append(inUse.users[f.Path], f)
	return sync.OnceFunc(func() {
		inUse.Lock()
		defer inUse.Unlock()
		users := inUse.users[f.Path]
		i := slices.Index(users, f)
		if inUse.users[f.Path] = slices.Delete(users, i, i+1); len(users) == 1 {
			delete(inUse.users, f.Path)
			delete(inUse.wants, f.Path)
		}
	})
}

// LikeOthers is f with the limits of others that use the file, the widest if they differ: whoever has no options of its own keeps to
// theirs, and throws away no letters that they have room for.
func (f File) LikeOthers() File {
	inUse.Lock()
	defer inUse.Unlock()
	others := File{Path: f.Path}
	for _, u := range inUse.users[f.Path] {
		if u != f {
			others.MaxBytes, others.Files = max(others.MaxBytes, u.MaxBytes), max(others.Files, u.Files)
		}
	}
	if others.Files == 0 {
		return f
	}
	return others
}

// UseFor is Use for an output that counts with observer: it calls it when it is made, and letGo when it is closed. One that counts nothing is only tried, as before a reload: it uses no file.
func (f File) UseFor(observer outputs.Observer) (letGo func()) {
	if observer == outputs.NewNilObserver() {
		return func() {}
	}
	return f.Use()
}

// Unwritable says which of the files in use could not be written to, and why. Where there is no such file yet, another
// one is made beside its place for a moment: libbeat's system call filter does not let access(2) through.
func Unwritable() (problems []error) {
	inUse.Lock()
	paths, wants := slices.Sorted(maps.Keys(inUse.users)), maps.Clone(inUse.wants)
	inUse.Unlock()
	for _, path := range paths {
		if err := writable(path, wants[path]); err != nil {
			problems = append(problems, fmt.Errorf("cannot write dead letters to %q: %w", path, err))
		}
	}
	return problems
}

func writable(path string, bytes int) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if err == nil {
		if err = file.Close(); err == nil && bytes > 0 {
			err = room(filepath.Dir(path), bytes)
		}
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	dir := filepath.Dir(path)
	for { // the nearest folder that is there
		file, err := os.CreateTemp(dir, ".writable-*")
		if err == nil {
			return errors.Join(file.Close(), os.Remove(file.Name()))
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || up == dir {
			return err
		}
		dir = up
	}
}

// room says whether so many bytes can be written in a folder.
func room(dir string, bytes int) error {
	file, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	_, err = file.Write(make([]byte, bytes))
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}
