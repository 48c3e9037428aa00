// Package secretfile reads and replaces files that hold secrets: keys, password hashes. Several programs may
// use one file at the same time. Its errors name no path, as the caller does, and quote nothing of a file.
package secretfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Read returns the content of the file at path, which must be a regular one of no more than most bytes that not everybody
// may write to.
func Read(path string, most int) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, plain(err)
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file") // opening a pipe would wait
	}
	if open(st) {
		return nil, errors.New("everybody may write to it: take that right away with chmod o-w")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err != nil {
		return nil, plain(err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("more than %d bytes", most)
	}
	return data, nil
}

// Edit replaces the content of the file at path, which it makes if there is none, by what change makes of it; nil
// leaves it as it is. Whoever else edits a file of the same folder waits meanwhile, and a reader finds the old content
// or the new. The file keeps its owner, and is open to its owner and at most to the reading of its group.
func Edit(path string, most int, change func(old []byte, exists bool) ([]byte, error)) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // replacing the link would leave the secrets as they are
	}
	unlock, err := lock(path)
	if err != nil {
		return plain(err)
	}
	defer unlock()
	old, err := Read(path, most)
	exists := !errors.Is(err, fs.ErrNotExist)
	if err != nil && exists {
		return err
	}
	content, err := change(old, exists)
	if err != nil || content == nil {
		return err
	}
	if len(content) > most {
		return fmt.Errorf("it would have %d bytes, more than %d", len(content), most)
	}
	return plain(replace(path, content))
}

func replace(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		f.Close()
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	if st, err := os.Stat(path); err == nil {
		if err := takeAfter(f, st); err != nil {
			return err
		}
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return rename(f.Name(), path)
}

// plain is err without the path, which the caller names.
func plain(err error) error {
	if p := new(os.PathError); errors.As(err, &p) {
		return p.Err
	}
	if l := new(os.LinkError); errors.As(err, &l) {
		return l.Err
	}
	return err
}
