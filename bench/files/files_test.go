package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every token is in one line of about 200 bytes, and a second call leaves the files as they are.
func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pods")
	const lines, files = 1003, 7
	read := func() string {
		if err := write(dir, lines, files); err != nil {
			t.Fatal(err)
		}
		paths, err := filepath.Glob(filepath.Join(dir, "*/volumes/kubernetes.io~empty-dir/applog-*/*.log"))
		if err != nil || len(paths) != files {
			t.Fatalf("%d files, want %d (%v)", len(paths), files, err)
		}
		var all strings.Builder
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(data)
		}
		return all.String()
	}
	text := read()
	for token := range lines {
		if n := strings.Count(text, fmt.Sprintf(" sq#%08d ", token)); n != 1 {
			t.Errorf("token %d is there %d times", token, n)
		}
	}
	if n, size := strings.Count(text, "\n"), len(text)/lines; n != lines || size < 180 || size > 220 {
		t.Errorf("%d lines of %d bytes, want %d of about 200", n, size, lines)
	}
	if read() != text {
		t.Error("written anew, the files are others")
	}
}
