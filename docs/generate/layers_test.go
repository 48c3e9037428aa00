package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/podbeat/podbeat/"

// TestLayers holds the rules of docs/architecture.md.
func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		pkg, imports, _ := strings.Cut(line, " ")
		pkg = strings.TrimPrefix(pkg, module)
		for _, imp := range strings.Fields(imports) {
			if strings.HasPrefix(imp, "github.com/elastic/beats/") && !in(pkg, "beat", "processors", "cmd/podbeat", "test", "bench") {
				t.Errorf("%s imports libbeat (%s): only beat, processors and cmd/podbeat may", pkg, imp)
			}
			below, ours := strings.CutPrefix(imp, module)
			switch {
			case !ours:
			case in(pkg, "option"):
				t.Errorf("%s imports %s: it must not know the rest", pkg, below)
			case in(pkg, "es", "token", "listen", "heartbeat", "cli") && !in(below, "es", "token", "listen", "heartbeat", "cli"):
				t.Errorf("%s imports %s: it is shared by programs and knows none", pkg, below)
			case in(pkg, "store") && !in(below, "store", "es", "option"):
				t.Errorf("%s imports %s: the store needs no more than es and option", pkg, below)
			case in(pkg, "logapi") && !in(below, "logapi", "store", "es", "token", "listen", "heartbeat", "option", "curator", "cli"):
				t.Errorf("%s imports %s: logapi knows no beat and no test", pkg, below)
			case in(pkg, "curator") && !in(below, "curator", "es", "option", "cli"):
				t.Errorf("%s imports %s: curator needs no more than es, option and cli", pkg, below)
			case in(pkg, "journal"):
				t.Errorf("%s imports %s: reading journal files is for everybody", pkg, below)
			case in(pkg, "kql") && !in(below, "store/mapping", "es/body"): // which know how Elasticsearch reads dates and words
				t.Errorf("%s imports %s: a language knows no program", pkg, below)
			case in(pkg, "tui") && !in(below, "tui", "kql", "es", "option", "cli"):
				t.Errorf("%s imports %s: logtui needs no more than kql, es, option and cli", pkg, below)
			case strings.HasPrefix(pkg, "tui/") && below == "tui":
				t.Errorf("%s imports %s: no part knows the screen that it is on", pkg, below)
			case in(pkg, "processors") && !in(below, "option", "processors", "beat/prepared"): // which is how they say that they are pure
				t.Errorf("%s imports %s: a processor must be importable alone", pkg, below)
			case in(pkg, "beat") && in(below, "cmd", "test", "bench", "demo", "docs"):
				t.Errorf("%s imports %s: dependencies point downward", pkg, below)
			case strings.HasPrefix(pkg, "beat/") && below == "beat":
				t.Errorf("%s imports %s: an input or output must be importable alone", pkg, below)
			}
		}
	}
}

// TestBuildsEverywhere: no program needs a C compiler, and those without libbeat run on what people sit at.
func TestBuildsEverywhere(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		cmd := exec.Command("go", "build", "-o", t.TempDir()+"/", module+"cmd/curator", module+"cmd/logapi", module+"cmd/logtui")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH=amd64")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("cannot build the programs without libbeat for %s: %v\n%s", goos, err, out)
		}
	}
	cmd := exec.Command("go", "build", "-o", t.TempDir()+"/", module+"cmd/podbeat")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("cannot build podbeat without cgo: %v\n%s", err, out)
	}
}

// in says whether pkg is one of the folders or below one.
func in(pkg string, folders ...string) bool {
	for _, f := range folders {
		if pkg == f || strings.HasPrefix(pkg, f+"/") {
			return true
		}
	}
	return false
}

// TestNothingIsSkipped: a test that misses what it needs fails and says how to get it, so a green run
// has run everything.
func TestNothingIsSkipped(t *testing.T) {
	out, err := exec.Command("git", "grep", "-nE", `\b(t|b|f|tb)\.Skip(f\(|Now\(|\([^)])|testing\.Short\(`, "--", ":/*_test.go", ":/test", ":/bench").Output()
	if exit := new(exec.ExitError); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if line != "" && !strings.Contains(line, "layers_test.go") {
			t.Errorf("a test may be skipped: %s", line)
		}
	}
}
