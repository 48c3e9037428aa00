package health

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
)

// with is plain with another input before its own.
func with(input string, args ...any) string {
	return strings.Replace(plain, "podbeat.inputs:", "podbeat.inputs:\n- {"+fmt.Sprintf(input, args...)+"}", 1)
}

// metric is the sum of what /metrics has under a name, with these labels if any are given.
func (b *beat) metric(name string, labels ...string) (sum float64) {
	b.t.Helper()
	_, text := b.get("/metrics", "")
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(\{.*\})? (\S+)$`).FindAllStringSubmatch(text, -1) {
		if slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(m[1], l) }) {
			continue
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			b.t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// journalLosses has a journal lose entries before podbeat reads them, in each of the ways there are.
func journalLosses(t *testing.T, p *prometheus) {
	dir := t.TempDir()
	w, err := journalgen.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	o := journalgen.Defaults(1000)
	o.Partial = 0 // so that each entry is an event
	g := journalgen.New(o)
	var last []byte
	written := 0
	feed := func(n int) {
		t.Helper()
		for range n {
			e, ok := g.Next()
			if !ok {
				t.Fatal("there are no more entries")
			}
			if err := w.Append(e); err != nil {
				t.Fatal(err)
			}
			last = append(last[:0], e...)
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		written += n
	}
	rotate := func() journalgen.Header {
		t.Helper()
		h, err := w.Rotate()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	b := start(t, with("type: journal, id: node, paths: [%q]", dir))
	instance := p.scrape(b, nil)
	p.ready(b, instance)
	feed(300)
	lost := 0
	caughtUp := func() {
		t.Helper()
		// The numbers are not of one instant, so they have to add up: an entry is read some time before its event is published.
		b.Wait("all that is left is delivered", func(s harness.Stats) bool {
			of := func(name string) float64 { return s["podbeat.journal.node."+name] }
			return of("gaps.seqnum")+of("read") >= float64(written) && s["libbeat.pipeline.events.active"] == 0 &&
				of("read") == of("filtered")+of("joined")+of("again")+of("published") && of("acked") == of("published")
		})
		p.wait("this has been scraped", func() bool {
			n, err := p.query(fmt.Sprintf("podbeat_input_events_acked_total{instance=%q,input=\"node\"} == %v", instance, b.metric("podbeat_input_events_acked_total", `input="node"`)))
			return err == nil && n == 1
		})
	}
	caughtUp()
	if names := p.firing(instance); slices.Contains(names, "PodbeatJournalGaps") || slices.Contains(names, "PodbeatJournalDamaged") || slices.Contains(names, "PodbeatJournaldDrops") {
		t.Errorf("%v fire although nothing is lost", names)
	}

	// journald says that it has dropped some.
	realtime, err := strconv.ParseUint(regexp.MustCompile(`__REALTIME_TIMESTAMP=(\d+)`).FindStringSubmatch(string(last))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	boot := regexp.MustCompile(`(?m)^_BOOT_ID=.*$`).FindString(string(last))
	for i, notice := range []string{
		"MESSAGE=Suppressed 42 messages from chatty.service\nMESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e\nN_DROPPED=42",
		"MESSAGE=Missed 13 kernel messages\nMESSAGE_ID=e9bf28e6e834481bb6f48f548ad13606",
	} {
		err := w.Append(fmt.Appendf(nil, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n%s\n_TRANSPORT=driver\n_HOSTNAME=%s\nPRIORITY=4\nSYSLOG_IDENTIFIER=systemd-journald\n%s\n\n",
			realtime+1+uint64(i), 3600e6+1e9+uint64(i), boot, g.Hostname(), notice))
		if err != nil {
			t.Fatal(err)
		}
		written++
	}
	if err := w.Sync(); err != nil {
		t.Fatal(err)
	}
	p.fires(t, instance, "PodbeatJournaldDrops")
	if n, m := b.metric("podbeat_journald_suppressed_total"), b.metric("podbeat_journald_missed_total"); n != 42 || m != 13 {
		t.Errorf("journald has dropped 42 and missed 13; podbeat counts %v and %v", n, m)
	}
	caughtUp()

	// The oldest files are deleted while podbeat does not run.
	b.Term()
	read := uint64(written)
	feed(100)
	rotate()
	feed(100)
	rotate()
	feed(100)
	if _, err := journalgen.Vacuum(dir, 0); err != nil {
		t.Fatal(err)
	}
	headers, err := journalgen.Headers(dir)
	if err != nil || len(headers) != 1 {
		t.Fatal(headers, err)
	}
	lost = int(headers[0].Head - 1 - read)
	written -= int(read) // each process counts anew
	b.Start()
	caughtUp()
	p.fires(t, instance, "PodbeatJournalGaps")
	if n := b.metric("podbeat_journal_gaps_total"); lost != 200 || n != float64(lost) {
		t.Errorf("%d entries were deleted; podbeat counts %v", lost, n)
	}

	// A bit of an entry is flipped.
	b.Term()
	feed(100)
	h := rotate()
	feed(100)
	spoilEntry(t, h.Path, 150) // half of the file has been read
	b.Start()
	p.fires(t, instance, "PodbeatJournalDamaged")
	written = 200 // that are new to this process
	caughtUp()
	if n, gaps := b.metric("podbeat_journal_files_corrupt_total"), b.metric("podbeat_journal_gaps_total"); n == 0 || gaps != 1 {
		t.Errorf("an entry of a file is damaged; podbeat counts %v files and %v missing entries", n, gaps)
	}
	b.want("losses of the past are no reason not to be ready", 200, 200, "")
}

// spoilEntry flips a bit in the n-th entry of an undamaged journal file: in its kind, so that it is no entry any more. Objects
// follow the header at multiples of 8 bytes, each with its kind in the first byte and its size in the second eight: see
// systemd's JOURNAL_FILE_FORMAT.
func spoilEntry(t *testing.T, path string, n int) {
	t.Helper()
	const headerSize, tailObject, kindEntry = 88, 136, 3
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u64 := func(at uint64) uint64 { return binary.LittleEndian.Uint64(data[at:]) }
	for at := u64(headerSize); at <= u64(tailObject); at += (u64(at+8) + 7) &^ 7 {
		if data[at] == kindEntry {
			n--
		}
		if n == 0 {
			data[at] ^= 4
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s has %d entries too few", path, n)
}

// deletedFiles deletes a pod's file of which more is unread than podbeat may hold, or for longer.
func deletedFiles(t *testing.T, p *prometheus) {
	f := func(option, reason string) {
		t.Helper()
		const lines, each = 20_000, 100
		pods := t.TempDir()
		pod := filepath.Join(pods, "0f000000-0000-4000-8000-000000000001")
		volume := filepath.Join(pod, "volumes", "kubernetes.io~empty-dir", "applog-shop-endname-web")
		b := start(t, with(`type: emptydir, id: pods, paths: ["%s/*/volumes/kubernetes.io~empty-dir/applog-*/*.log"], pod_logs: "", scan_interval: 500ms, deleted: {%s}`, pods, option))
		instance := p.scrape(b, nil)
		p.ready(b, instance)
		b.sink.SetFaults(sink.Faults{Request503: 1})
		if err := os.MkdirAll(volume, 0o755); err != nil {
			t.Fatal(err)
		}
		var text bytes.Buffer
		for i := range lines {
			fmt.Fprintf(&text, "%0*d\n", each-1, i)
		}
		if err := os.WriteFile(filepath.Join(volume, "app.log"), text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		b.Wait("the queue is full", func(s harness.Stats) bool {
			return s["podbeat.emptydir.pods.now.files.open"] == 1 && s["podbeat.emptydir.pods.published"] >= 100
		})
		if err := os.RemoveAll(pod); err != nil {
			t.Fatal(err)
		}
		b.Wait("the file is given up", func(harness.Stats) bool {
			return strings.Contains(b.Log(), "What is lost is counted when the output takes events again")
		})
		b.sink.SetFaults(sink.Faults{})
		p.fires(t, instance, "PodbeatFilesAbandoned")
		b.Wait("the rest is delivered", func(s harness.Stats) bool {
			return s != nil && s["podbeat.emptydir.pods.now.files.following"] == 0 && s["podbeat.emptydir.pods.acked"] == s["podbeat.emptydir.pods.published"]
		})
		lost, delivered := b.metric("podbeat_files_abandoned_bytes_total"), len(b.sink.IDs())
		if lost == 0 || delivered == 0 || int(lost)+delivered*each != lines*each {
			t.Errorf("%s: of %d bytes, %d lines of %d were delivered, and podbeat counts %v as lost", option, lines*each, delivered, each, lost)
		}
		if n := b.metric("podbeat_files_abandoned_reason_bytes_total", `reason="`+reason+`"`); n != lost {
			t.Errorf("%s: of %v bytes %v were lost for the reason %s", option, lost, n, reason)
		}
	}
	f("max_bytes: 10KiB", "bytes")
	f("timeout: 1s", "timeout")
}
