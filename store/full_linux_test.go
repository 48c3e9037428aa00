package store

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// fillDisk writes a file until there is no byte left.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, unix.ENOSPC) {
			t.Fatal(err)
		}
	}
}

// On a disk with no byte left, a store opens, is read, says why it takes no documents, and is made smaller, with the reserve and when that is
// used up. Who may not mount has TestDeleteWithoutRoom, which makes the catalog fail as a full disk does.
func TestFullFileSystem(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=48m"); err != nil {
		t.Logf("cannot mount a small disk: %v", err)
		return
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk, "store")
	reopen := func(s *Store) *Store {
		t.Helper()
		if s != nil {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		s, err := Open(dir, Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := reopen(nil)
	for _, name := range []string{"logs", "b", "c", "d"} {
		if err := s.Create(ctx, name); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bulk(ctx, name, []Op{put(Index, "1", 1)}); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, s, 0, 500)
	fillDisk(t, filepath.Join(disk, "other"))
	full := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, ErrFull) {
			t.Errorf("%s: %v", what, err)
		}
	}
	full("metadata", s.SetMeta(ctx, Meta{Index: "logs", Key: "k", Value: make([]byte, 32<<20)}))
	full("a new index", s.Create(ctx, "new"))
	_, err := s.Bulk(ctx, "logs", []Op{{Kind: Index, ID: "x", Source: make([]byte, 0)}, put(Index, "y", 1)})
	if err != nil {
		full("a document", err)
	}
	s = reopen(s)
	if n := count(t, s, "b"); n != 1 {
		t.Errorf("%d documents", n)
	}
	if err := s.Delete(ctx, "b"); err != nil {
		t.Error(err)
	}
	fillDisk(t, filepath.Join(disk, "again")) // the reserve is in it, too
	s = reopen(s)
	if all, err := s.List(); err != nil || len(all) != 3 {
		t.Error(all, err)
	}
	freshen(s)
	full("the store", s.Full())
	if err := s.Delete(ctx, "c"); err != nil {
		t.Error(err)
	}
	s = reopen(s)
	if names := s.Names(); !slices.Equal(names, []string{"d", "logs"}) {
		t.Errorf("%q", names)
	}
	for _, f := range []string{"other", "again"} {
		if err := os.Remove(filepath.Join(disk, f)); err != nil {
			t.Fatal(err)
		}
	}
	freshen(s)
	if err := s.Full(); err != nil {
		t.Error(err)
	}
	if _, err := s.Bulk(ctx, "d", []Op{put(Index, "2", 1)}); err != nil {
		t.Error(err)
	}
	if n := count(t, reopen(s), "d"); n != 2 {
		t.Errorf("%d documents", n)
	}
}

func count(t *testing.T, s *Store, name string) int {
	t.Helper()
	v, err := s.View(name)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	return v.Len()
}
