package main

import (
	"log"
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(serverDir); dir != "" {
		if err := serve(dir); err != nil {
			log.Fatal(err)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRun measures a small store: every document is taken once, and every search runs.
func TestRun(t *testing.T) {
	if err := run(options{n: 5000, batch: 500, writers: 2, times: 2, dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
}

func TestGenerator(t *testing.T) {
	a, b := newGenerator(1), newGenerator(1)
	total, seen := 0, make(map[string]bool)
	const n = 20000
	for range n {
		id, source, at := a.next()
		id2, source2, _ := b.next()
		if id != id2 || string(source) != string(source2) || seen[id] || at.Before(firstTime) {
			t.Fatalf("%s %s", id, source)
		}
		seen[id] = true
		total += len(source)
	}
	if mean := total / n; mean < 800 || mean > 1000 {
		t.Errorf("%d bytes a document", mean)
	}
}
