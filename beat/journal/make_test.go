package journal

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// The tests' journals are real: systemd-journal-remote writes them from export text.

const (
	testBoot  = "b0070000000000000000000000000001"
	testStart = 1_700_000_000_000_000 // of the first entry, microseconds; the next follow at 1 ms
)

// An exported entry: its fields besides time and boot, in export format.
type exported struct {
	realtime, mono uint64
	boot           string
	fields         [][2]string
}

// nth is the usual i-th entry, from 1.
func nth(i int, fields ...string) exported {
	e := exported{realtime: testStart + uint64(i)*1000, mono: 1_000_000 + uint64(i)*1000, boot: testBoot}
	e.fields = append(e.fields,
		[2]string{"MESSAGE", fmt.Sprintf("message %d", i)}, [2]string{"N", fmt.Sprint(i)},
		[2]string{"_TRANSPORT", "journal"}, [2]string{"_HOSTNAME", "node"}, [2]string{"PRIORITY", fmt.Sprint(i % 8)})
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		e.fields = append(e.fields, [2]string{name, value})
	}
	return e
}

func (e exported) text() []byte {
	b := fmt.Appendf(nil, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", e.realtime, e.mono, e.boot)
	for _, f := range e.fields {
		b = append(append(b, f[0]...), '\n')
		b = binary.LittleEndian.AppendUint64(b, uint64(len(f[1])))
		b = append(append(b, f[1]...), '\n')
	}
	return append(b, '\n')
}

// appendAll appends to an open journal and waits until the entries can be read.
func appendAll(t testing.TB, w *journalgen.Writer, entries ...exported) {
	t.Helper()
	for _, e := range entries {
		must(t, w.Append(e.text()))
	}
	must(t, w.Sync())
}

// series are the entries from…to.
func series(from, to int, fields ...string) []exported {
	var es []exported
	for i := from; i <= to; i++ {
		es = append(es, nth(i, fields...))
	}
	return es
}

func openJournal(t testing.TB, dir string) *journalgen.Writer {
	t.Helper()
	w, err := journalgen.Open(dir)
	must(t, err)
	return w
}

// makeJournal writes a journal of one file a batch and returns the files, oldest first.
func makeJournal(t testing.TB, dir string, batches ...[]exported) []string {
	t.Helper()
	w := openJournal(t, dir)
	for i, b := range batches {
		if i > 0 {
			_, err := w.Rotate()
			must(t, err)
		}
		appendAll(t, w, b...)
	}
	must(t, w.Close())
	return journalFiles(t, dir)
}

func journalFiles(t testing.TB, dir string) []string {
	t.Helper()
	hs, err := journalgen.Headers(dir)
	must(t, err)
	var paths []string
	for _, h := range hs {
		paths = append(paths, h.Path)
	}
	return paths
}

// testReaderName is the option reader of the tests: all of them hold for each.
var testReaderName = flag.String("reader", "journal", "read by `journal` or sdjournal")

var logger = logp.NewLogger("test")

// testOptions are the defaults, for paths, with a short poll_interval.
func testOptions(paths ...string) *options {
	return &options{
		Paths: paths, Reader: *testReaderName, Seek: seek{Mode: "cursor"}, CursorSeekFallback: "head", Boot: "all",
		MaxMessageBytes: 1 << 20, PollInterval: 20 * time.Millisecond,
	}
}

func readerMetrics(t testing.TB) *metrics {
	id := t.Name() + fmt.Sprint(time.Now().UnixNano())
	m := newMetrics(id)
	t.Cleanup(func() { m.close(id) })
	return m
}

func testReader(t testing.TB, o *options, after position) (*reader, *metrics) {
	t.Helper()
	m := readerMetrics(t)
	r, err := openReader(logger, o, m, after)
	must(t, err)
	t.Cleanup(func() {
		select {
		case <-r.stopped:
		default:
			r.Close()
		}
	})
	return r, m
}

// A got entry and the position after it.
type got struct {
	Entry
	after position
}

// readIdle reads until nothing has come for a whole poll_interval.
func readIdle(t testing.TB, r *reader) []got {
	t.Helper()
	return readUntil(t, r, func(_ []got, idle bool) bool { return idle })
}

// state is where a reader stands with its files.
func (r *reader) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, f := range r.files {
		fmt.Fprintf(&b, "\n%s: %d to %d, state %d, last %d, queue %d, ready %t, done %t, open %t, waiting %t, hidden %+v, retry %v, failed %v, missed %v, mended %t",
			filepath.Base(f.path), f.hdr.HeadSeqnum, f.hdr.TailSeqnum, f.hdr.State, f.last, len(f.ahead)-f.taken, f.ready, f.done, f.rd != nil,
			slices.Contains(r.queue, f), f.hidden, f.retry, f.failed, f.missed, f.mended != nil)
	}
	return b.String()
}

// readTo reads up to the n-th entry.
func readTo(t testing.TB, r *reader, n int) []got {
	t.Helper()
	return readUntil(t, r, func(gs []got, _ bool) bool { return len(gs) > 0 && gs[len(gs)-1].Get("N") == fmt.Sprint(n) })
}

// readN reads n entries or, to the end of a batch, some more.
func readN(t testing.TB, r *reader, n int) []got {
	t.Helper()
	return readUntil(t, r, func(gs []got, _ bool) bool { return len(gs) >= n })
}

func readUntil(t testing.TB, r *reader, done func(gs []got, idle bool) bool) []got {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second) // the writer may be slow
	defer cancel()
	var gs []got
	batch := make([]Entry, 16)
	for {
		n, err := r.Read(ctx, batch)
		if err != nil {
			t.Fatalf("Read after entries %s: %v; it has %s", ns(gs), err, r.state())
		}
		for i := range batch[:n] {
			gs = append(gs, got{*batch[i].clone(), r.position(&batch[i])})
			if done(gs, false) && i == n-1 {
				return gs
			}
		}
		if done(gs, n == 0) {
			return gs
		}
	}
}

// readAll reads a journal from its beginning to its end.
func readAll(t testing.TB, o *options) ([]got, *metrics) {
	t.Helper()
	r, m := testReader(t, o, position{})
	gs := readIdle(t, r)
	r.Close()
	return gs, m
}

// ns are the entries' own counts, as runs: "1-5 7 9-12".
func ns(gs []got) string {
	var runs []string
	for i := 0; i < len(gs); {
		var from, to int
		fmt.Sscan(gs[i].Get("N"), &from)
		to = from
		for i++; i < len(gs) && gs[i].Get("N") == fmt.Sprint(to+1); i++ {
			to++
		}
		if from == to {
			runs = append(runs, fmt.Sprint(from))
		} else {
			runs = append(runs, fmt.Sprintf("%d-%d", from, to))
		}
	}
	return strings.Join(runs, " ")
}

// An entry as journalctl and we print it alike.
func (e *Entry) lines() string {
	lines := []string{
		"__CURSOR=" + e.place().String(),
		fmt.Sprintf("__REALTIME_TIMESTAMP=%d", e.Realtime),
		fmt.Sprintf("__MONOTONIC_TIMESTAMP=%d", e.Monotonic),
	}
	for _, f := range e.Fields {
		lines = append(lines, f.Name+"="+f.Value)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// journalctl returns what it exports of the same journal, entry by entry.
func journalctl(t testing.TB, args ...string) []string {
	t.Helper()
	path, err := exec.LookPath("journalctl")
	if err != nil {
		t.Fatal("journalctl is missing: apt-get install -y systemd")
	}
	cmd := exec.Command(path, append([]string{"-o", "export", "--no-pager", "-q"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && (len(out) > 0 || stderr.Len() > 0) {
		t.Fatalf("%v: %v: %s", cmd, err, stderr.Bytes())
	}
	var entries []string
	var lines []string
	for len(out) > 0 {
		end := bytes.IndexByte(out, '\n')
		line := out[:end]
		out = out[end+1:]
		switch {
		case len(line) == 0:
			slices.Sort(lines)
			entries = append(entries, strings.Join(lines, "\n"))
			lines = nil
			continue
		case bytes.IndexByte(line, '=') < 0:
			size := binary.LittleEndian.Uint64(out)
			line = append(append(line[:len(line):len(line)], '='), out[8:8+size]...)
			out = out[8+size+1:]
		}
		lines = append(lines, string(line))
	}
	return entries
}

// sameAs fails unless the entries are exactly what journalctl exports with args.
func sameAs(t testing.TB, gs []got, args ...string) {
	t.Helper()
	want := journalctl(t, args...)
	for i := range gs {
		if i >= len(want) {
			t.Fatalf("%d entries, journalctl has %d; the first too many is\n%s", len(gs), len(want), gs[i].lines())
		}
		if have := gs[i].lines(); have != want[i] {
			t.Fatalf("entry %d is\n%s\nand for journalctl\n%s", i, have, want[i])
		}
	}
	if len(gs) != len(want) {
		t.Fatalf("%d entries, journalctl has %d", len(gs), len(want))
	}
}

// copyDir copies the files of a directory.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	must(t, os.MkdirAll(to, 0o755))
	entries, err := os.ReadDir(from)
	must(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(from, e.Name()))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, e.Name()), b, 0o644))
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t testing.TB, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s is %v, want %v", what, have, want)
	}
}

// patch turns the bits of mask in one byte of a file.
func patch(t testing.TB, path string, at int, mask byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], int64(at))
	must(t, err)
	b[0] ^= mask
	_, err = f.WriteAt(b[:], int64(at))
	must(t, err)
	must(t, f.Close())
}

// entryOffset is where the file has the object of its n-th entry, from 1.
func entryOffset(t testing.TB, b []byte, n int) int {
	t.Helper()
	compact := le.Uint32(b[12:])&(1<<4) != 0
	for array := le.Uint64(b[offEntryArray:]); array != 0; array = le.Uint64(b[array+16:]) {
		size := 8
		if compact {
			size = 4
		}
		items := (int(le.Uint64(b[array+8:])) - 24) / size
		if n > items {
			n -= items
			continue
		}
		item := b[int(array)+24+(n-1)*size:]
		if compact {
			return int(le.Uint32(item))
		}
		return int(le.Uint64(item))
	}
	t.Fatal("there is no such entry")
	return 0
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func mkfifo(path string) error { return syscall.Mkfifo(path, 0o644) }

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
