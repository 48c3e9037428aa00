package health

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
)

// TestAlerts breaks podbeats and waits for Prometheus to tell of it. Each rule has to be shown.
func TestAlerts(t *testing.T) {
	p := newPrometheus(t)
	f := func(name string, breaks func(t *testing.T)) {
		t.Run(name, breaks)
	}
	f("nobody answers", func(t *testing.T) {
		p.fires(t, p.add("127.0.0.1:1"), "PodbeatDown")
	})
	f("the output hangs", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := journalgen.Write(dir, journalgen.Defaults(3000)); err != nil {
			t.Fatal(err)
		}
		b := start(t, strings.Replace(plain, "podbeat.inputs:", fmt.Sprintf("podbeat.inputs:\n- {type: journal, id: node, paths: [%q]}", dir), 1))
		b.hangs.Store(true)
		p.fires(t, p.scrape(b, nil), "PodbeatOutputStuck", "PodbeatNotReady", "PodbeatUnhealthy", "PodbeatQueueFull", "PodbeatLagging")
	})
	f("the output refuses", func(t *testing.T) {
		b := start(t, plain)
		instance := p.scrape(b, nil)
		p.ready(b, instance)
		b.sink.SetFaults(sink.Faults{Item429: 0.9})
		ctx, cancel := context.WithCancel(t.Context())
		var writing sync.WaitGroup
		writing.Go(func() { keepWriting(b, ctx) })
		p.fires(t, instance, "PodbeatRetries")
		cancel()
		writing.Wait()
	})
	f("events are refused for good", func(t *testing.T) {
		b := start(t, strings.Replace(plain, "timeout: 90s", "non_indexable_policy.dead_letter_file: {max_bytes: 1KiB, files: 1}", 1))
		instance := p.scrape(b, nil)
		p.ready(b, instance)
		b.sink.SetFaults(sink.Faults{Item400: 1})
		b.write(100)
		b.Wait("some letters are there", func(s harness.Stats) bool { return s["podbeat.output.dead_letter"] >= 100 })
		b.write(100)
		p.fires(t, instance, "PodbeatDeadLetters", "PodbeatDeadLettersLost")
		b.delivered()
		if r := b.receipt(); r.Total.DeadLetters != 200 || !r.AddsUp || r.Inputs[0].DeadLetters != 200 {
			t.Errorf("the receipt says %+v", r)
		}
	})
	f("events are dropped", func(t *testing.T) {
		b := start(t, strings.Replace(plain, "timeout: 90s", "non_indexable_policy.drop: ~", 1))
		instance := p.scrape(b, nil)
		p.ready(b, instance)
		b.sink.SetFaults(sink.Faults{Item400: 1})
		b.write(100)
		p.fires(t, instance, "PodbeatEventsDropped")
		b.Wait("all are dropped", func(harness.Stats) bool { return b.receipt().Total.Dropped >= 100 })
		if r := b.receipt(); r.Total.Dropped != 100 || !r.AddsUp {
			t.Errorf("the receipt says %+v", r)
		}
	})
	f("an input fails", func(t *testing.T) {
		taken, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer taken.Close()
		keys := filepath.Join(t.TempDir(), "keys.json")
		if out, err := exec.Command(harness.Program(t, "podbeat"), "token", "keys", keys).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		b := start(t, strings.Replace(plain, "podbeat.inputs:", fmt.Sprintf("podbeat.inputs:\n- {type: push, id: gateway, listen: %q, keys: %q}", taken.Addr(), keys), 1))
		p.fires(t, p.scrape(b, nil), "PodbeatInputFailed")
	})
	f("a journal without rights", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := journalgen.Write(dir, journalgen.Defaults(200)); err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, name := range files {
			if err := os.Chmod(name, 0); err != nil {
				t.Fatal(err)
			}
		}
		b := start(t, plain)
		b.Kill9()
		b.Configure(strings.NewReplacer("FILES", b.logs, "OUTPUT", b.server.URL).Replace(
			strings.Replace(plain, "podbeat.inputs:", fmt.Sprintf("podbeat.inputs:\n- {type: journal, id: node, paths: [%q]}", dir), 1)))
		if os.Geteuid() == 0 {
			b.By = []string{"setpriv", "--bounding-set", "-dac_override,-dac_read_search"}
		}
		b.Start()
		p.fires(t, p.scrape(b, nil), "PodbeatNoRights")
	})
	f("journal entries are lost", func(t *testing.T) { journalLosses(t, p) })
	f("files are deleted unread", func(t *testing.T) { deletedFiles(t, p) })
	f("a shipper is late", func(t *testing.T) { shipperLosses(t, p) })
	f("an input stalls", func(t *testing.T) { inputStalls(t, p) })
	f("an input ends", func(t *testing.T) { inputEnds(t, p) })
	f("no room", func(t *testing.T) { diskFull(t, p) })
	f("dead letters cannot be written", func(t *testing.T) {
		b := start(t, plain)
		p.ready(b, p.scrape(b, nil))
		if err := os.Mkdir(filepath.Join(b.Dir, "data", "dead-letter.ndjson"), 0o755); err != nil {
			t.Fatal(err)
		}
		text := b.want("a folder is in the way", 503, 200, "dead-letter failing")
		if !strings.Contains(text, "is a directory") {
			t.Error(text)
		}
		p.fires(t, p.hosts[len(p.hosts)-1], "PodbeatDeadLetterFile")
		if err := os.Remove(filepath.Join(b.Dir, "data", "dead-letter.ndjson")); err != nil {
			t.Fatal(err)
		}
		b.want("it is gone", 200, 200, "")
	})
	f("a disk buffer is full", func(t *testing.T) {
		b := start(t, strings.Replace(plain, "500ms}", "500ms, delivery: store-on-failure, queue: {events: 100, disk.max_size: 1MiB}}", 1))
		instance := p.scrape(b, nil)
		p.ready(b, instance)
		b.sink.SetFaults(sink.Faults{Request503: 1})
		b.write(20_000)
		p.fires(t, instance, "PodbeatSpill")
		b.sink.SetFaults(sink.Faults{})
		b.want("it is emptied", 200, 200, "")
	})
	f("a configuration is refused", func(t *testing.T) {
		b := start(t, plain)
		instance := p.scrape(b, nil)
		p.ready(b, instance)
		good, err := os.ReadFile(filepath.Join(b.Dir, "podbeat.yml"))
		if err != nil {
			t.Fatal(err)
		}
		b.Configure(strings.Replace(string(good), "type: filestream", "type: filestraem", 1))
		b.Signal(syscall.SIGHUP)
		if text := b.want("a typing error", 200, 200, "reload warning"); !strings.Contains(text, "filestraem") {
			t.Error(text)
		}
		p.fires(t, instance, "PodbeatReloadRefused")
		b.Configure(string(good))
		b.Signal(syscall.SIGHUP)
		b.want("it is mended", 200, 200, "")
	})
	f("many files", func(t *testing.T) {
		b := start(t, plain)
		for i := range 150 {
			if err := os.WriteFile(filepath.Join(b.logs, fmt.Sprint(i, ".log")), []byte(fmt.Sprintf("file %d says something of its own\n", i)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		b.Wait("all are read", func(s harness.Stats) bool { return s["libbeat.output.events.acked"] == 150 })
		n := len(b.Descriptors())
		b.Kill9()
		b.By = []string{"prlimit", fmt.Sprintf("--nofile=%d", n+10)} // so that its server can answer
		b.Start()
		p.fires(t, p.scrape(b, nil), "PodbeatDescriptors")
	})
	f("it is killed again and again", func(t *testing.T) {
		b := start(t, plain)
		instance := p.scrape(b, nil)
		p.ready(b, instance)
		for i := range 4 {
			b.Kill9()
			b.Start()
			p.wait("it has been scraped anew", func() bool {
				n, err := p.query(fmt.Sprintf("changes(process_start_time_seconds{instance=%q}[30m]) >= %d", instance, i+1))
				return err == nil && n == 1
			})
		}
		p.fires(t, instance, "PodbeatRestarts")
	})
	f("as if", func(t *testing.T) { testAsIf(t, p) })

	for _, name := range ruleNames(t) {
		if !shown[name] {
			t.Errorf("%s has not been shown to fire", name)
		}
	}
}

// testAsIf shows the rule about what cannot be made to happen: that would be a mistake in podbeat. The figures are podbeat's
// own, with something added after a while.
func testAsIf(t *testing.T, p *prometheus) {
	var begun atomic.Bool
	b := start(t, plain)
	b.want("it starts", 200, 200, "") // before somebody sees that it is not up yet
	instance := p.scrape(b, add("podbeat_input_receipt_difference", 1, begun.Load))
	p.ready(b, instance)
	// On a busy machine several scrapes in a row may take more than the half of a second that they have.
	names := slices.DeleteFunc(p.firing(instance), func(name string) bool { return name == "PodbeatDown" })
	if len(names) > 0 {
		t.Errorf("%v fire although nothing is wrong", names)
	}
	begun.Store(true)
	p.fires(t, instance, "PodbeatReceiptWrong")
}
