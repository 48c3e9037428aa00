// Package journalbeat tests that podbeat takes over where journalbeat has stopped: the built
// program, its migrated configuration, journalbeat's own files.
package journalbeat

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/verify"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// journalbeatYAML is M-56's configuration with paths of the test's, and a file for an output.
const journalbeatYAML = `
journalbeat:
  seek_position: cursor
  cursor_seek_fallback: tail
  write_cursor_state: true
  cursor_state_file: %[1]s/cursor-state
  cursor_flush_period: 5s
  pending_queue:
    file: %[1]s/pending-queue
  clean_field_names: true
  convert_to_numbers: true
  move_metadata_to_field: journal
  journal_paths: [%[1]s/journal]
name: journalbeat
processors:
- drop_event:
    when:
      not:
        regexp:
          journal.container_name: "^.+"
- include_fields:
    fields: ["journal.container_name", "journal.hostname", "journal.container_id", "journal.realtime_timestamp", "message", "@metadata"]
output.file:
  path: %[1]s
  filename: out
logging.level: info
`

// TestTakeOver: journalbeat has read half of a journal and not delivered three entries of that half.
func TestTakeOver(t *testing.T) {
	dir := t.TempDir()
	messages, err := journalgen.Write(filepath.Join(dir, "journal"), journalgen.Options{
		Entries: 2000, Seed: 3, Start: journalgen.Defaults(1).Start, System: 0.2})
	if err != nil {
		t.Fatal(err)
	}
	entries := cursors(t, filepath.Join(dir, "journal"))
	half := len(entries) / 2
	undelivered := []int{100, 101, half - 1}
	write(t, filepath.Join(dir, "cursor-state"), entries[half-1].cursor)
	pending := map[string]map[string]any{}
	for _, i := range undelivered {
		pending[entries[i].cursor] = map[string]any{"@timestamp": "2024-05-17T00:00:00.000Z", "type": "journal", "message": messages[i].Source,
			"journal": map[string]any{"container_name": "k8s_c", "hostname": "n", "container_id": "0123456789ab", "realtime_timestamp": 1}}
	}
	queue, err := json.Marshal(pending)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "pending-queue"), string(queue))

	old := filepath.Join(dir, "journalbeat.yml")
	write(t, old, fmt.Sprintf(journalbeatYAML, dir))
	migrated, err := exec.Command(harness.Program(t, "podbeat"), "migrate", old).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]bool{} // entry number → wanted
	for _, i := range undelivered {
		want[i] = true
	}
	for i := half; i < len(entries); i++ {
		want[i] = entries[i].container
	}
	wanted := 0
	for _, w := range want {
		if w {
			wanted++
		}
	}
	p := harness.New(t, string(migrated))
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return int(s["libbeat.output.events.acked"]) >= wanted })
	p.Term()

	times := map[string]int{}
	out, err := filepath.Glob(filepath.Join(dir, "out*"))
	if err != nil || len(out) == 0 {
		t.Fatalf("no output: %v", err)
	}
	for _, name := range out {
		for _, line := range read(t, name) {
			var doc struct {
				Metadata struct {
					ID string `json:"_id"`
				} `json:"@metadata"`
				Journal map[string]any
			}
			if err := json.Unmarshal([]byte(line), &doc); err != nil {
				t.Fatal(err)
			}
			times[doc.Metadata.ID]++
			for _, name := range []string{"container_name", "hostname", "container_id", "realtime_timestamp"} {
				if doc.Journal[name] == nil {
					t.Errorf("document without journal.%s: %s", name, line)
				}
			}
		}
	}
	for i, e := range entries {
		n, w := times[verify.ID(e.chain, uint64(i+1))], 0
		if want[i] {
			w = 1
		}
		if n != w {
			t.Errorf("entry %d (%s) arrived %d times, want %d", i, e.cursor, n, w)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pending-queue.done")); err != nil {
		t.Errorf("the pending queue has not been put aside: %v", err)
	}
}

type entry struct {
	cursor, chain string
	container     bool
}

// cursors asks journalctl for the entries of dir, in order.
func cursors(t *testing.T, dir string) (all []entry) {
	t.Helper()
	out, err := exec.Command("journalctl", "-q", "-D", dir, "-o", "json", "--output-fields=CONTAINER_NAME").Output()
	if err != nil {
		t.Fatalf("journalctl (apt-get install systemd): %v", err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		var e struct {
			Cursor    string `json:"__CURSOR"`
			Container string `json:"CONTAINER_NAME"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		chain, _, _ := strings.Cut(strings.TrimPrefix(e.Cursor, "s="), ";")
		all = append(all, entry{e.Cursor, chain, e.Container != ""})
	}
	return all
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
