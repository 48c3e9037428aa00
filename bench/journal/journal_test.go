package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/nodejournal"
	"github.com/podbeat/podbeat/bench/peer"
)

func TestShippers(t *testing.T) {
	j := &nodejournal.Journal{Entries: 12, Messages: 10, Pause: []int{1, 3}}
	var labels []string
	for i, s := range shippers(j) {
		if slices.Contains(labels, s.Label) {
			t.Errorf("two are called %q", s.Label)
		}
		labels = append(labels, s.Label)
		if podbeat := strings.HasPrefix(s.Label, "podbeat"); podbeat && (s.Docs != 8 || len(s.Absent) != 2 || s.Untold != 0) ||
			!podbeat && (s.Docs != 10 || s.Absent != nil || s.Untold != 2) || s.Tokens != 10 {
			t.Errorf("%s: %d documents, %v absent of %d", s.Label, s.Docs, s.Absent, s.Tokens)
		}
		if !strings.Contains(s.Config, "${JOURNAL}") && s.Program.Name != "rsyslog" && s.Program.Name != "syslog-ng" { // those have it by openjournal
			t.Errorf("%d: %s does not read the journal", i, s.Label)
		}
	}
}

// The small form of what `go tool mage bench` runs, with podbeat alone.
func TestPodbeatIsThereWithEverything(t *testing.T) {
	b := benchmark{entries: 3000, race: peer.Race{Name: "journal-test", Rounds: 1, Only: "podbeat: defaults", Timeout: 2 * time.Minute}}
	if err := b.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(b.race.Build, "journal-test.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	if len(lines) < 3 || !strings.HasPrefix(lines[2], "| podbeat: defaults | ") || !strings.HasSuffix(lines[2], " | 1 of 1 |") {
		t.Errorf("no clean run in\n%s", text)
	}
	for _, want := range []string{"the 3000 entries are ", "Versions: podbeat version ", "settings</summary>", "type: journal"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
