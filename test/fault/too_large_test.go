package fault

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
)

// An event too large for the disk queue is a dead letter, whatever input it is from and on whatever level: the input reads on, its
// position moves past it, the receipt adds up, and with a larger queue it can be sent after all.
func TestTooLargeForDiskQueue(t *testing.T) {
	s := sink.New(sink.Options{})
	server := httptest.NewServer(s)
	defer server.Close()
	journal, logs := filepath.Join(t.TempDir(), "journal"), t.TempDir()
	n := 0
	line := func(size int) string { // of an event that is told apart
		text := fmt.Sprintf("sq#%08d %s", n, strings.Repeat("x", size))
		n++
		return text
	}
	entries := 0
	all := func() { // each input gets three events, of which the second is too large
		w, err := journalgen.Open(journal)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{10, 2 << 20, 10} {
			entries++
			entry := fmt.Sprintf("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n_HOSTNAME=node-1\nSYSLOG_IDENTIFIER=app\nMESSAGE=%s\n\n",
				1_715_904_000_000_000+entries, entries, 1, line(size))
			if err := w.Append([]byte(entry)); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"emptydir", "stream", "spill", "best"} {
				f, err := os.OpenFile(filepath.Join(logs, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := fmt.Fprintln(f, line(size)); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := w.Close(); err != nil { // which has the last entry written
			t.Fatal(err)
		}
	}
	all()
	conf := func(size string) string {
		return fmt.Sprintf(`
podbeat.inputs:
- {type: journal, id: node, paths: [%q], max_message_bytes: 8MiB}
- {type: emptydir, id: pods, paths: [%q], max_line_bytes: 8MiB}
- {type: filestream, id: stream, paths: [%q], message_max_bytes: 8388608}
- {type: emptydir, id: spill, paths: [%q], max_line_bytes: 8MiB, delivery: store-on-failure}
- {type: emptydir, id: best, paths: [%q], max_line_bytes: 8MiB, delivery: best-effort}
queue.disk.max_size: %s
output.elasticsearch: {hosts: [%q]}
setup.template.enabled: false
`, journal, logs+"/emptydir.log", logs+"/stream.log", logs+"/spill.log", logs+"/best.log", size, server.URL)
	}
	p := harness.New(t, conf("10MB"))
	missing := func(few int) func(harness.Stats) bool {
		return func(now harness.Stats) bool {
			return len(s.Missing(n)) == few && int(now["podbeat.queue.dead_letter"])*3 == n && now["libbeat.pipeline.events.active"] == 0
		}
	}
	p.Wait("all but the large ones have arrived", missing(5))
	all()
	p.Wait("so have those that were written afterwards", missing(10))
	p.Term()
	log := p.Log()
	if got := strings.Count(log, "events are not for the queue"); got != 1 || !strings.Contains(log, "raise queue.disk.max_size") {
		t.Errorf("the log tells of it %d times, want once", got)
	}
	if got := strings.Count(log, "= filtered 0 + acked 4 + dead letters 2 + dropped 0 + abandoned 0 + in flight 0"); got != 5 || strings.Contains(log, "IT DOES NOT ADD UP") {
		t.Errorf("%d receipts are as they should be, want 5", got)
	}
	letters := filepath.Join(p.Dir, "data", "dead-letter.ndjson")
	text, err := os.ReadFile(letters)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var letter struct{ Error struct{ Type string } }
		if err := json.Unmarshal([]byte(line), &letter); err != nil || letter.Error.Type != "not_queued" {
			t.Errorf("letter %.200q: %v", line, err)
		}
	}
	if got := strings.Count(string(text), "\n"); got != 10 {
		t.Errorf("%d dead letters, want 10", got)
	}

	p.Start() // no position is before the large ones
	all()
	p.Wait("what is new arrives", func(now harness.Stats) bool {
		return len(s.Missing(n)) == 15 && now["podbeat.queue.dead_letter"] == 5 && now["libbeat.pipeline.events.active"] == 0
	})
	p.Term()

	p.Configure(conf("100MB"))
	out, err := exec.Command(harness.Program(t, "podbeat"), "replay", "-c", filepath.Join(p.Dir, "podbeat.yml"), "--path.home", p.Dir, letters).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "15 sent: 15 delivered") {
		t.Errorf("%v\n%s", err, out)
	}
	if missing, doubled := s.Missing(n), s.Doubled(); len(missing)+len(doubled) > 0 {
		t.Errorf("%v are missing, %v are in two documents", missing, doubled)
	}
}
