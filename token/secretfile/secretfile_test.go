package secretfile

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestEdit(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secrets")
	f := func(wantOld string, wantExists bool, content []byte, want string) {
		t.Helper()
		err := Edit(path, 10, func(old []byte, exists bool) ([]byte, error) {
			if string(old) != wantOld || exists != wantExists {
				t.Errorf("got %q and %v, want %q and %v", old, exists, wantOld, wantExists)
			}
			return content, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Read(path, 10); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f("", false, nil, "")
	f("", false, []byte("one"), "one")
	f("one", true, nil, "one")
	f("one", true, []byte{}, "")
	f("", true, []byte("0123456789"), "0123456789")
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("got %v and error %v", st.Mode(), err)
	}

	bad := func(content, want string) {
		t.Helper()
		err := Edit(path, 10, func([]byte, bool) ([]byte, error) {
			if content == "" {
				return nil, errors.New("no")
			}
			return []byte(content), nil
		})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), dir) {
			t.Errorf("got error %v, want %q", err, want)
		}
		if got, _ := Read(path, 10); string(got) != "0123456789" {
			t.Errorf("the file is %q now", got)
		}
	}
	bad("", "no")
	bad("01234567890", "11 bytes")
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("files left: %v", files)
	}
	if err := Edit(filepath.Join(dir, "none", "secrets"), 10, nil); err == nil || strings.Contains(err.Error(), dir) {
		t.Errorf("got error %v", err)
	}
	if _, err := Read(path, 9); err == nil || !strings.Contains(err.Error(), "more than 9 bytes") {
		t.Errorf("got error %v", err)
	}
}

// TestEditAtOnce counts in a file while it is read: no step is lost, and nobody sees half a file.
func TestEditAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets")
	const writers, steps = 4, 25
	var wait sync.WaitGroup
	for range writers {
		wait.Go(func() {
			for range steps {
				err := Edit(path, 100, func(old []byte, exists bool) ([]byte, error) {
					n := 0
					if exists {
						var err error
						if n, err = strconv.Atoi(string(old)); err != nil {
							return nil, err
						}
					}
					return []byte(strconv.Itoa(n + 1)), nil
				})
				if err != nil {
					t.Error(err)
				}
				if content, err := Read(path, 100); err != nil || len(content) == 0 {
					t.Errorf("read %q and error %v", content, err)
				}
			}
		})
	}
	wait.Wait()
	if content, _ := Read(path, 100); string(content) != strconv.Itoa(writers*steps) {
		t.Errorf("counted to %s, want %d", content, writers*steps)
	}
}
