package main

import "testing"

// TestRun measures a small store: every document is found again, and every search runs.
func TestRun(t *testing.T) {
	if err := run(t.TempDir(), 5000, 500); err != nil {
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
