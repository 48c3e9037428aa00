// Command report runs the races between podbeat and other shippers, and the readers of the journal, and writes what they came to into
// bench/RESULTS.md: tables, machine, versions, settings, date and command.
//
//	go run ./bench/report                             a million each, three rounds: half an hour
//	go run ./bench/report -n 100000 -rounds 1         smaller
//	go run ./bench/report -readme README.md           puts the short tables there too
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/peer"
)

// A part is a command below bench, which leaves build/bench/NAME.md.
type part struct {
	name, title string
	text        string // what it left, or why there is nothing
}

func main() {
	n := flag.Int("n", 1_000_000, "journal entries, and lines in files")
	rounds := flag.Int("rounds", 3, "runs of each program")
	out := flag.String("o", "bench/RESULTS.md", "file for the results")
	readme := flag.String("readme", "", "file whose short tables, between <!-- results: NAME --> and <!-- /results -->, are renewed; empty renews none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *n, *rounds, *out, *readme); err != nil {
		fmt.Fprintln(os.Stderr, "bench/report:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, n, rounds int, out, readme string) error {
	r := peer.Race{}
	if err := r.Prepare(); err != nil {
		return err
	}
	parts := []part{
		{name: "journal", title: "Journal → Elasticsearch"},
		{name: "files", title: "Files → Elasticsearch"},
		{name: "journalread", title: "Reading the journal"},
	}
	for i := range parts {
		p := &parts[i]
		fmt.Printf("\n## %s\n\n", p.title)
		p.measure(ctx, r, "-n", strconv.Itoa(n), "-rounds", strconv.Itoa(rounds))
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	about := [][2]string{
		{"machine", peer.Machine()},
		{"podbeat", commit(r.Root)},
		{"date", time.Now().UTC().Format("2006-01-02 15:04 UTC")},
		{"command", fmt.Sprintf("`go run ./bench/report -n %d -rounds %d`", n, rounds)},
	}
	if err := os.WriteFile(filepath.Join(r.Root, out), []byte(results(about, parts)), 0o644); err != nil {
		return err
	}
	if readme == "" {
		return nil
	}
	path := filepath.Join(r.Root, readme)
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := renew(string(old), parts)
	if err != nil {
		return fmt.Errorf("cannot renew %s: %w", readme, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// measure runs the part's command, which prints its table.
func (p *part) measure(ctx context.Context, r peer.Race, args ...string) {
	left := filepath.Join(r.Build, p.name+".md")
	os.Remove(left)
	cmd := exec.CommandContext(ctx, "go", append([]string{"run", "./bench/" + p.name}, args...)...)
	cmd.Dir = r.Root
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return nil } // a Ctrl-C reaches it too, and it ends its shipper
	runErr := cmd.Run()
	text, err := os.ReadFile(left)
	if err != nil {
		p.text = fmt.Sprintf("Not measured: %v.\n", cmp.Or(runErr, err))
		return
	}
	p.text = string(text)
}

// commit says what was measured. What this program writes itself is no change.
func commit(root string) string {
	git := func(args ...string) (string, error) {
		cmd := exec.Command("git", args...)
		cmd.Dir = root
		out, err := peer.Output(cmd)
		return strings.TrimSpace(string(out)), err
	}
	id, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "of no commit"
	}
	if changes, err := git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!*.md"); err != nil || changes != "" {
		return "commit " + id + ", with changes"
	}
	return "commit " + id
}

func results(about [][2]string, parts []part) string {
	var b strings.Builder
	b.WriteString(`# Results

Written by ` + "`go tool mage bench`" + `. One program ran after the other, in rotated order, with the same input on the same machine: figures of one
table are a comparison, figures of two runs are none. What is compared, and how: [README.md](README.md).

| | |
|---|---|
`)
	for _, line := range about {
		fmt.Fprintf(&b, "| %s | %s |\n", line[0], line[1])
	}
	for _, p := range parts {
		fmt.Fprintf(&b, "\n## %s\n\n%s", p.title, p.text)
	}
	return b.String()
}

// renew puts the parts' short tables between their marks. A part that was not measured keeps what is there.
func renew(text string, parts []part) (string, error) {
	for _, p := range parts {
		begin, end := "<!-- results: "+p.name+" -->\n", "<!-- /results -->"
		before, rest, ok := strings.Cut(text, begin)
		_, after, closed := strings.Cut(rest, end)
		if !ok || !closed {
			return "", fmt.Errorf("%q … %q is not there", strings.TrimSpace(begin), end)
		}
		if table := short(p.text); table != "" {
			text = before + begin + table + end + after
		}
	}
	return text, nil
}

// wide are the columns that a short table leaves out.
var wide = []string{"CPU, first = 1", "documents", "lost", "doubled", "sink's CPU s per million"}

// short is the first table of a Markdown text without the wide columns; "" if there is no table.
func short(text string) string {
	var b strings.Builder
	var keep []bool
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			if keep != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if keep == nil {
			for _, cell := range cells {
				keep = append(keep, !slices.Contains(wide, strings.TrimSpace(cell)))
			}
		}
		for i, cell := range cells {
			if i < len(keep) && keep[i] {
				b.WriteString("|" + cell)
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}
