package fault

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/verify"
)

// A full disk queue keeps inputs waiting for room; a stop must not wait with them, and loses nothing.
func TestStopWithFullDiskQueue(t *testing.T) {
	s := sink.New(sink.Options{})
	server := httptest.NewUnstartedServer(s)
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "8f6c2a1e-0000-4000-8000-000000000001", "volumes", "kubernetes.io~empty-dir", "applog-x-endname-web")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const lines, queue = 30_000, 10_000_000
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "sq#%08d %s\n", i, strings.Repeat("x", 500))
	}
	if err := os.WriteFile(filepath.Join(dir, "app.log"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- type: emptydir
  id: pods
  paths: [%s/*.log]
podbeat.shutdown_timeout: 1s
queue.disk: {max_size: %d}
output.elasticsearch: {hosts: ["http://%s"], backoff: {init: 10ms, max: 100ms}}
setup.template.enabled: false
`, dir, queue, server.Listener.Addr()))
	p.Wait("the queue is full", func(harness.Stats) bool { // that nothing is published for a moment says less: a disk takes its time
		segments, err := filepath.Glob(filepath.Join(p.Dir, "data", "diskqueue", "*.seg"))
		if err != nil {
			t.Fatal(err)
		}
		var bytes int64
		for _, name := range segments {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		return bytes > queue-10_000 // an event has less
	})
	p.Term() // fails if it does not end
	server.Start()
	p.Start()
	p.Wait("all lines have arrived", func(harness.Stats) bool { return len(s.Missing(lines)) == 0 })
	p.Term()
	if doubled := s.Doubled(); len(doubled) > 0 {
		t.Errorf("%d lines are in two documents", len(doubled))
	}
}

// Stops in the midst of it, while messages wait for their next part and the last acknowledgements are on their way: what
// was delivered before is not delivered again. The output is a file, which would show it.
func TestStopOften(t *testing.T) {
	dir, out := filepath.Join(t.TempDir(), "journal"), t.TempDir()
	w, err := journalgen.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	o := journalgen.Defaults(20_000)
	o.Partial = 0.2
	if harness.Soak() {
		o.Entries = 200_000
	}
	g := journalgen.New(o)
	p := harness.New(t, config(dir, fmt.Sprintf(`
output.file: {path: %q, filename: events, rotate_every_kb: 1000000, number_of_files: 1000}
queue.mem: {events: 4096, flush.min_events: 512, flush.timeout: 50ms}
`, out)))
	written := make(chan error, 1)
	go func() { written <- w.Feed(t.Context(), g, 1000, 3000) }()
	stops, again := 0, 0
	for ; len(written) == 0; stops++ {
		p.Wait("it delivers", func(now harness.Stats) bool {
			again = max(again, input(now, "again"))
			return now["libbeat.output.events.acked"] > 300 || len(written) > 0
		})
		p.Term()
		p.Start()
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	j := &journal{dir: dir, entries: o.Entries, chain: chainOf(t, dir), messages: g.Messages()}
	c := j.expect(true)
	p.Wait("all has arrived", func(harness.Stats) bool {
		files, err := filepath.Glob(filepath.Join(out, "events*"))
		if err != nil {
			t.Fatal(err)
		}
		order := func(file string) (n int) { // the newest has no number
			_, _ = fmt.Sscanf(strings.TrimPrefix(filepath.Base(file), "events."), "%d", &n)
			return -n
		}
		slices.SortFunc(files, func(a, b string) int { return order(a) - order(b) })
		c = j.expect(true)
		for _, file := range files {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := verify.Lines(f, c.Arrived); err != nil {
				t.Log(err)
			}
			f.Close()
		}
		return len(c.Missing()) == 0
	})
	p.Term()
	wantExact(t, c, nil)
	if r := c.Report(); r.Reordered > 0 {
		t.Error(r)
	}
	t.Logf("%d stops, %d entries known from before in one start", stops, again)
	if again == 0 {
		t.Error("no stop came while a message waited")
	}
}

// A stop that comes before podbeat has even read its configuration is in good order.
func TestStopAtStart(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "podbeat.yml")
	if err := syscall.Mkfifo(file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"run"}} {
		cmd := exec.CommandContext(t.Context(), harness.Program(t, "podbeat"), append(args, "-e", "-c", file, "--path.home", dir)...)
		var said strings.Builder
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		config, err := os.OpenFile(file, os.O_WRONLY, 0) // which podbeat is reading then
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		err = cmd.Wait()
		config.Close()
		if err != nil || !strings.Contains(said.String(), "stopped before it began to read") {
			t.Errorf("%q: %v; it says: %s", args, err, said.String())
		}
	}
}

// A stop tells how many events have not been acknowledged.
func TestStopTells(t *testing.T) {
	s := sink.New(sink.Options{})
	server := httptest.NewUnstartedServer(s)
	defer server.Close()
	dir := t.TempDir()
	const lines = 100
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "sq#%08d\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "app.log"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- {type: filestream, id: app, paths: [%q]}
podbeat.shutdown_timeout: 1s
output.elasticsearch: {hosts: ["http://%s"], backoff: {init: 10ms, max: 100ms}}
setup.template.enabled: false
`, filepath.Join(dir, "*.log"), server.Listener.Addr()))
	p.Wait("all lines are on their way", func(now harness.Stats) bool { return now["libbeat.pipeline.events.published"] == lines })
	p.Term()
	server.Start()
	p.Start()
	p.Wait("all lines have arrived", func(now harness.Stats) bool { return now["libbeat.output.events.acked"] == lines })
	p.Term()
	log := p.Log()
	for _, want := range []string{fmt.Sprintf("with %d events not acknowledged: they are sent again", lines), "every event has been acknowledged"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log does not say once: %s", want)
		}
	}
	if len(s.Missing(lines)) > 0 || len(s.Doubled()) > 0 {
		t.Errorf("%d lines are missing, %d are there twice", len(s.Missing(lines)), len(s.Doubled()))
	}
}
