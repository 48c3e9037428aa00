package main

import (
	"os"
	"testing"
)

// TestFresh holds the generated files to the code: run `go tool mage docs` when it fails.
func TestFresh(t *testing.T) {
	if err := os.Chdir("../.."); err != nil {
		t.Fatal(err)
	}
	if err := run(true); err != nil {
		t.Fatal(err)
	}
}
