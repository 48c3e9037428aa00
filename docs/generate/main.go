// Command generate renews what is generated from the code: the option tables of the READMEs, the table of logtui's keys
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
	"github.com/podbeat/podbeat/tui/keys"
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
		files[name] = keyTable(text)
	}
	if files["_meta/beat.reference.yml"], err = reference(); err != nil {
		return nil, err
	}
	return files, nil
}

// keyTable puts logtui's keys between the marks <!-- keys --> and <!-- /keys -->, where a text has them.
func keyTable(text string) string {
	const begin, end = "<!-- keys -->\n", "<!-- /keys -->"
	before, rest, ok := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return text
	}
	bound, err := keys.New(nil)
	if err != nil {
		panic(err) // the test of keys finds it first
	}
	var b strings.Builder
	place := ""
	for _, k := range bound.Bindings() {
		if k.Place.String() != place {
			place = k.Place.String()
			fmt.Fprintf(&b, "\n**%s**\n\n| keys | action | what it does |\n| --- | --- | --- |\n", place)
		}
		shown := make([]string, len(k.Keys))
		for i, key := range k.Keys {
			shown[i] = "`" + strings.ReplaceAll(keys.Shown(key), "|", "\\|") + "`"
		}
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", strings.Join(shown, " "), k.Action, k.Help)
	}
	return before + begin + b.String() + "\n" + end + after
}
