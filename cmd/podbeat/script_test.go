package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes this test binary be podbeat when a script calls it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"podbeat": main})
}

// TestScripts runs the scripts in testdata/script against the program: one behaviour each.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}
