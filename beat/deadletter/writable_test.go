package deadletter

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

func TestUnwritable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "letters")
	f := File{Path: path, MaxBytes: 1 << 20, Files: 2}
	letGo, too := f.Use(), f.Use() // as two outputs do during a reload
	want := func(what string, n int) {
		t.Helper()
		got := 0
		for _, err := range Unwritable() {
			t.Log(what, err)
			got++
		}
		if got != n {
			t.Errorf("%s: %d problems, want %d", what, got, n)
		}
	}
	want("nothing is there", 0)
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v is left behind", left)
	}
	if err := f.Append([]byte("{}\n")); err != nil {
		t.Fatal(err)
	}
	want("a file is there", 0)
	if text, _ := os.ReadFile(path); string(text) != "{}\n" {
		t.Errorf("the file has %q", text)
	}
	limit(t, 8, func() { // as a full disk: there is room for less than a letter
		if err := f.Append(make([]byte, 64)); err == nil {
			t.Error("it is written all the same")
		}
		want("there is no room", 1)
	})
	want("there is again", 0)
	if err := os.Rename(path, path+"x"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	want("a folder is in its place", 1)
	if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want("a file is in the folder's place", 1)
	letGo()
	letGo()
	want("the other output goes on", 1)
	too()
	want("nobody uses it", 0)
	too = f.Use()
	defer too()
	want("somebody does again", 1)
}

// limit runs f while no file may become longer than some bytes.
func limit(t *testing.T, bytes uint64, f func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: bytes, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}
