// Command generate renews what is generated from the code: the option tables of the READMEs
// and the reference configuration. With -check it changes nothing and fails when a file is stale.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/podbeat/podbeat/option"
)

func main() {
	check := flag.Bool("check", false, "change nothing, fail when a file is stale")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	files, err := generate()
	if err != nil {
		return err
	}
	var stale []string
	for name, text := range files {
		old, err := os.ReadFile(name)
		if err == nil && bytes.Equal(old, []byte(text)) {
			continue
		}
		stale = append(stale, name)
		if check {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
		fmt.Println("renewed", name)
	}
	if check && len(stale) > 0 {
		return fmt.Errorf("stale, run `go tool mage docs` and commit: %s", strings.Join(stale, ", "))
	}
	return nil
}

// generate returns the files by name, from the repository's root.
func generate() (map[string]string, error) {
	files := map[string]string{}
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md").Output()
	if err != nil {
		return nil, fmt.Errorf("cannot list the READMEs: %w", err)
	}
	for _, name := range strings.Fields(string(out)) {
		text, err := option.Fill(name)
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	if files["_meta/beat.reference.yml"], err = reference(); err != nil {
		return nil, err
	}
	return files, nil
}
