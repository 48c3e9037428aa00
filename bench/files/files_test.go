package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/peer"
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

// The small form of what `go tool mage bench` runs, with podbeat alone.
func TestPodbeatIsThereWithEverything(t *testing.T) {
	b := benchmark{lines: 3000, files: 5, race: peer.Race{Name: "files-test", Rounds: 1, Only: "podbeat: defaults", Timeout: 2 * time.Minute}}
	if err := b.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(b.race.Build, "files-test.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 3 || !strings.HasPrefix(lines[2], "| podbeat: defaults | ") || !strings.HasSuffix(lines[2], " | 3000 | 0 | 0 | "+lastCells(lines[2])) {
		t.Errorf("no clean run in\n%s", text)
	}
}

// lastCells are the sink's CPU, which may be anything, and the clean runs, which must be all.
func lastCells(line string) string {
	cells := strings.Split(strings.TrimSuffix(line, " |"), " | ")
	return cells[len(cells)-2] + " | 1 of 1 |"
}
