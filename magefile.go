//go:build mage

// Podbeat's targets: `go tool mage -l` lists them, each runs ordinary go commands.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/magefile/mage/mg"
	"github.com/magefile/mage/sh"
)

// Default is what `go tool mage` does without a target.
var Default = Build

const libbeatVersion = "github.com/elastic/beats/v7/libbeat/version"

// Build makes the programs: build/podbeat, build/curator, build/logapi and build/logtui.
func Build() error {
	mg.Deps(headers)
	commit, _ := sh.Output("git", "rev-parse", "HEAD") // a source archive has none
	flags := fmt.Sprintf("-s -w -X %s.commit=%s -X %s.buildTime=%s", libbeatVersion, commit, libbeatVersion,
		time.Now().UTC().Format(time.RFC3339))
	return sh.RunV("go", "build", "-trimpath", "-ldflags", flags, "-o", "build/", "./cmd/...")
}

// Test runs every test, with the real servers that they need. Set PODBEAT_SOAK=1 for the long forms.
func Test() error {
	mg.Deps(headers, servers)
	return goTest("-timeout", "40m", "./...")
}

// Soak runs the fault and scale tests in their full form: a million entries, twenty kills; and thousands of journals
// read beside libsystemd.
func Soak() error {
	mg.Deps(headers, servers)
	os.Setenv("PODBEAT_SOAK", "1")
	return goTest("-timeout", "170m", "-v", "./journal", "./test/...")
}

func goTest(args ...string) error {
	// No results from the cache: it does not see that a program which a test builds has changed.
	return sh.RunV("go", append([]string{"test", "-count=1", "-p", "2"}, args...)...)
}

// Fuzz runs every fuzz test for the time in FUZZTIME, by default 10s each.
func Fuzz() error {
	mg.Deps(headers)
	long := os.Getenv("FUZZTIME")
	if long == "" {
		long = "10s"
	}
	out, err := sh.Output("git", "grep", "-lE", "^func Fuzz", "--", "*_test.go")
	if err != nil {
		return err
	}
	for _, file := range strings.Fields(out) {
		names, err := sh.Output("grep", "-oE", "^func Fuzz[A-Za-z0-9_]+", file)
		if err != nil {
			return err
		}
		for _, name := range strings.Split(names, "\n") {
			name = strings.TrimPrefix(name, "func ")
			if err := sh.RunV("go", "test", "./"+filepath.Dir(file), "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", long, "-fuzzminimizetime", "10x"); err != nil {
				return err
			}
		}
	}
	return nil
}

// Check runs what needs no server: formatting, vet, staticcheck, govulncheck, and whether the generated files are fresh.
func Check() error {
	mg.Deps(headers)
	if out, err := sh.Output("gofmt", "-l", "."); err != nil || out != "" {
		return errors.Join(err, fmt.Errorf("not formatted, run `gofmt -w` on: %s", strings.Join(strings.Fields(out), " ")))
	}
	if err := sh.RunV("go", "vet", "./..."); err != nil {
		return err
	}
	if err := sh.RunV("go", "tool", "-modfile=tools.mod", "staticcheck", "./..."); err != nil {
		return err
	}
	if err := vulnerabilities(); err != nil {
		return err
	}
	return sh.RunV("go", "run", "./docs/generate", "-check")
}

// vulnerabilities runs govulncheck; only a database that cannot be reached lets it pass, and says so.
func vulnerabilities() error {
	out, err := exec.Command("go", "tool", "-modfile=tools.mod", "govulncheck", "./cmd/...").CombinedOutput()
	if err != nil && strings.Contains(string(out), "vuln.go.dev") {
		fmt.Println("govulncheck: its database cannot be reached from here, so known vulnerabilities were not looked for")
		return nil
	}
	fmt.Print(string(out))
	return known(err, string(out))
}

// known lets pass what govulncheck finds in libbeat itself, which gets no new versions; the list
// is in docs/decisions/001-libbeat-7.17.md. Anything else fails.
func known(err error, out string) error {
	if err == nil {
		return nil
	}
	text, readErr := os.ReadFile("docs/decisions/001-libbeat-7.17.md")
	if readErr != nil {
		return readErr
	}
	for _, word := range strings.Fields(out) {
		if id := strings.Trim(word, ":#,."); strings.HasPrefix(id, "GO-") && !strings.Contains(string(text), id) {
			return fmt.Errorf("govulncheck found %s: %w", id, err)
		}
	}
	return nil
}

// Docs renews the generated files: option tables, the reference configuration, the list of fields.
func Docs() error { return sh.RunV("go", "run", "./docs/generate") }

// Bench measures podbeat beside other shippers and writes bench/RESULTS.md and the README's tables; then curator beside Elastic Curator.
// PODBEAT_BENCH has other arguments for ./bench/report, as "-n 100000 -rounds 1"; PODBEAT_FLUENT_BIT names a fluent-bit that is not in PATH.
func Bench() error {
	mg.Deps(headers, servers)
	args := strings.Fields(os.Getenv("PODBEAT_BENCH"))
	if len(args) == 0 {
		args = []string{"-readme", "README.md"}
	}
	if err := sh.RunV("go", append([]string{"run", "./bench/report"}, args...)...); err != nil {
		return err
	}
	const script, port = "test/services/elasticsearch.sh", "9299"
	dir, err := os.MkdirTemp("", "podbeat-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := sh.RunV("bash", script, "start", port, dir); err != nil {
		return err
	}
	return errors.Join(sh.RunV("go", "run", "./bench/curator", "-url", "http://127.0.0.1:"+port), sh.RunV("bash", script, "stop", port, dir))
}

// Demo runs podbeat and logapi on this machine: a journal, log files and what is pushed go into logapi's store, and are searched there.
func Demo() error {
	mg.Deps(Build)
	const program = "build/rundemo"
	if err := sh.RunV("go", "build", "-o", program, "./demo"); err != nil {
		return err
	}
	// In mage's place: mage gives up five seconds after a Ctrl-C, whatever the programs have still to finish.
	return syscall.Exec(program, []string{program, "build"}, os.Environ())
}

// Package makes build/package: archives, Debian packages, bills of materials, checksums. Set PODBEAT_PLATFORMS=all for
// logtui, curator and logapi on the other platforms too.
func Package() error {
	mg.Deps(headers)
	args := []string{"run", "./release"}
	if os.Getenv("PODBEAT_PLATFORMS") == "all" {
		args = append(args, "-all")
	}
	return sh.RunV("go", args...)
}

// headers wants what the build needs beside Go.
func headers() error {
	return need("libsystemd-dev", func() bool {
		_, err := os.Stat("/usr/include/systemd/sd-journal.h")
		return err == nil
	})
}

// servers wants what the tests need beside that.
func servers() error {
	path := func(name string) func() bool {
		return func() bool { _, err := exec.LookPath(name); return err == nil }
	}
	return errors.Join(
		need("systemd-journal-remote", path("/lib/systemd/systemd-journal-remote")),
		need("redis-server", path("redis-server")),
		need("openjdk-17-jdk-headless", path("javac")),
		need("maven", path("mvn")),
		need("curl", path("curl")),
		need("tmux", path("tmux")),
		need("less", path("less")),
		need("file", path("file")),
		need("xz-utils", path("xz")),
		need("prometheus", path("promtool")),
		need("debootstrap", path("debootstrap")), // a Debian to install the packages on, and to build the images with
		need("buildah", path("buildah")),
		need("systemd", path("systemd-analyze")),
		need("uuid-runtime", path("uuidgen")), // the README of push has it
		need("python3-venv", func() bool { return exec.Command("python3", "-c", "import venv, ensurepip").Run() == nil }),
	)
}

// need installs a Debian package where that is allowed, and otherwise says how.
func need(pkg string, there func() bool) error {
	if there() {
		return nil
	}
	install := "apt-get install -y --no-install-recommends " + pkg
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("%s is missing: install it, on Debian with `sudo %s`", pkg, install)
	}
	fmt.Println("installing", pkg)
	env := map[string]string{"DEBIAN_FRONTEND": "noninteractive"}
	if err := sh.RunWith(env, "sh", "-c", install+" >/dev/null || (apt-get update -qq && "+install+" >/dev/null)"); err != nil {
		return fmt.Errorf("cannot install %s (%s): %w", pkg, install, err)
	}
	return nil
}
