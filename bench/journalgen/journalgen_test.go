package journalgen

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// busy is a small node on which rare things are frequent.
func busy(entries int) Options {
	o := Defaults(entries)
	o.Partial, o.Large, o.Binary = 0.05, 0.005, 0.05
	return o
}

type entry = map[string]string

// readExport reads export format, of ours or of journalctl.
func readExport(t *testing.T, r io.Reader) []entry {
	t.Helper()
	br := bufio.NewReaderSize(r, 1<<20)
	var all []entry
	cur := entry{}
	for {
		line, err := br.ReadString('\n')
		if err == io.EOF && line == "" {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		line = line[:len(line)-1]
		if line == "" {
			all = append(all, cur)
			cur = entry{}
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			var size [8]byte
			if _, err := io.ReadFull(br, size[:]); err != nil {
				t.Fatal(err)
			}
			b := make([]byte, binary.LittleEndian.Uint64(size[:])+1)
			if _, err := io.ReadFull(br, b); err != nil {
				t.Fatal(err)
			}
			value = string(b[:len(b)-1])
		}
		cur[name] = value
	}
	return all
}

func generate(t *testing.T, o Options) ([]entry, []Message) {
	t.Helper()
	var buf bytes.Buffer
	g := New(o)
	if _, err := g.WriteTo(&buf); err != nil {
		t.Fatal(err)
	}
	return readExport(t, &buf), g.Messages()
}

func TestSameSeedSameBytes(t *testing.T) {
	sum := func(seed uint64) uint32 {
		o := busy(3000)
		o.Seed = seed
		h := crc32.NewIEEE()
		if _, err := New(o).WriteTo(h); err != nil {
			t.Fatal(err)
		}
		return h.Sum32()
	}
	first, again := sum(1), sum(1)
	if first != again {
		t.Error("the same seed gave other bytes")
	}
	if first == sum(2) {
		t.Error("another seed gave the same bytes")
	}
}

func TestEntriesAreExactlyAsMany(t *testing.T) {
	for _, n := range []int{0, 1, 2, 10, 999} {
		o := busy(n)
		o.Partial = 0.9
		got, messages := generate(t, o)
		parts := 0
		for _, m := range messages {
			parts += m.Parts
		}
		if len(got) != n || parts != n {
			t.Errorf("%d entries and %d parts, want %d", len(got), parts, n)
		}
	}
}

// The expected messages must be what the entries say, by the producers' own rules for joining.
func TestMessagesAreWhatTheEntriesSay(t *testing.T) {
	entries, want := generate(t, busy(20_000))
	open := map[string]*Message{}
	text := map[string]string{}
	got := map[int]Message{}
	for i, e := range entries {
		key := e["CONTAINER_ID_FULL"] + e["_STREAM_ID"] + e["PRIORITY"] + e["SYSLOG_IDENTIFIER"]
		m := open[key]
		if m == nil {
			m = &Message{First: i, Seq: -1}
		}
		m.Parts++
		text[key] += e["MESSAGE"]
		more := e["CONTAINER_PARTIAL_MESSAGE"] == "true" || e["_LINE_BREAK"] == "line-max"
		if e["CONTAINER_PARTIAL_ID"] == "" && e["_COMM"] == "dockerd" && len(e["MESSAGE"]) < 16<<10 {
			more = false // docker 18.06 flags the last part too
		}
		if more {
			open[key] = m
			continue
		}
		if last := e["CONTAINER_PARTIAL_LAST"]; last != "" && last != "true" {
			t.Fatalf("entry %d: the last part has CONTAINER_PARTIAL_LAST=%s", i, last)
		}
		joined := text[key]
		if e["GOROUTINE_DUMP"] != "" && len(e["GOROUTINE_DUMP"]) <= 64<<10 {
			t.Fatalf("entry %d: the large field has %d bytes", i, len(e["GOROUTINE_DUMP"]))
		}
		sq := regexp.MustCompile(`sq#(\d{8})`).FindAllStringSubmatch(joined, -1)
		if len(sq) != 1 {
			t.Fatalf("entry %d: %d tokens in %.80q", i, len(sq), joined)
		}
		m.Seq, _ = strconv.Atoi(sq[0][1])
		m.Last = i
		m.Bytes, m.CRC32, m.Binary = len(joined), crc32.ChecksumIEEE([]byte(joined)), !utf8.ValidString(joined)
		m.Source = e["CONTAINER_NAME"]
		if m.Source == "" {
			m.Source = e["SYSLOG_IDENTIFIER"]
		}
		m.Pause = strings.HasPrefix(m.Source, "k8s_POD_") || strings.HasPrefix(m.Source, "k8s_POD.")
		got[m.Seq] = *m
		delete(open, key)
		delete(text, key)
	}
	if len(open) != 0 {
		t.Errorf("%d messages never end", len(open))
	}
	if len(got) != len(want) {
		t.Errorf("%d messages, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		g.Producer = w.Producer
		if g != w {
			t.Fatalf("message %d:\n got %+v\nwant %+v", i, g, w)
		}
	}
}

func TestEveryProducerSplits(t *testing.T) {
	_, messages := generate(t, busy(20_000))
	split, cutsCharacter := map[string]int{}, 0
	pause, binary, large := 0, 0, 0
	for _, m := range messages {
		if m.Parts > 1 {
			split[m.Producer]++
			if !m.Binary {
				cutsCharacter++
			}
		} else if m.Bytes > 64<<10 {
			large++
		}
		if m.Pause {
			pause++
		}
		if m.Binary {
			binary++
		}
	}
	for _, p := range []*producer{docker113, docker1806, docker2010, docker24, conmon, stdout} {
		if split[p.name] < 5 {
			t.Errorf("%s split %d messages", p.name, split[p.name])
		}
	}
	if p := float64(pause) / float64(len(messages)); p < 0.13 || p > 0.17 {
		t.Errorf("%.3f of the messages are pause containers', want 0.15", p)
	}
	if binary == 0 || large == 0 || cutsCharacter == 0 {
		t.Errorf("%d binary, %d large and %d split text messages", binary, large, cutsCharacter)
	}
}

func TestNames(t *testing.T) {
	legacy := regexp.MustCompile(`k8s_([a-zA-Z0-9\-]+)\.([0-9a-f]{6,8})_([a-zA-Z0-9\-]+)-([a-z0-9]+)_([a-zA-Z0-9\-]+)_([0-9a-f]{8}-{0,1}[0-9a-f]{4}-{0,1}[0-9a-f]{4}-{0,1}[0-9a-f]{4}-{0,1}[0-9a-f]{12})_([0-9a-f]{8})`)
	modern := regexp.MustCompile(`^k8s_[a-zA-Z0-9-]+_[a-z0-9.-]+_[a-z0-9-]+_[0-9a-f-]{32,36}_\d(_[0-9a-f]{8})?$`)
	g := New(Defaults(1))
	forms := map[string]int{}
	for _, s := range append(g.node.apps, g.node.pauses...) {
		switch {
		case legacy.MatchString(s.name) && s.producer == docker113:
			forms["legacy"]++
		case modern.MatchString(s.name) && s.producer != docker113:
			forms["modern"]++
		default:
			t.Errorf("%s container named %q", s.producer.name, s.name)
		}
	}
	if forms["legacy"] != 12 || forms["modern"] != 74 {
		t.Errorf("forms %v, want 12 legacy and 74 modern", forms)
	}
}

// journalctl is the judge of the files: every field of every entry as generated.
func sameInJournal(t *testing.T, dir string, want []entry) {
	t.Helper()
	out, err := exec.Command("journalctl", "-q", "-D", dir, "-o", "export").Output()
	if err != nil {
		t.Fatalf("cannot run journalctl (apt-get install systemd): %v", err)
	}
	got := readExport(t, bytes.NewReader(out))
	if len(got) != len(want) {
		t.Fatalf("%d entries in %s, want %d", len(got), dir, len(want))
	}
	for i := range want {
		for k, v := range want[i] {
			if k != "__MONOTONIC_TIMESTAMP" && got[i][k] != v {
				t.Fatalf("entry %d has %s %.80q, want %.80q", i, k, got[i][k], v)
			}
		}
	}
	if out, err := exec.Command("journalctl", "--verify", "-q", "-D", dir).CombinedOutput(); err != nil {
		t.Errorf("journalctl --verify: %v: %s", err, out)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	o := busy(5000)
	messages, err := Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	want, wantMessages := generate(t, o)
	if len(messages) != len(wantMessages) {
		t.Errorf("%d messages, want %d", len(messages), len(wantMessages))
	}
	sameInJournal(t, dir, want)
}

func TestRotateKeepsTheSequence(t *testing.T) {
	dir := t.TempDir()
	o := busy(5000)
	w, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Feed(context.Background(), New(o), 20_000, 900); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	hs, err := Headers(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(hs) != 6 {
		t.Fatalf("%d files, want 6", len(hs))
	}
	for i, h := range hs {
		head, tail := uint64(900*i+1), uint64(min(900*(i+1), 5000))
		if h.SeqnumID != hs[0].SeqnumID || h.Head != head || h.Tail != tail || h.Archived != (i < 5) {
			t.Errorf("file %d: %+v, want %d to %d", i, h, head, tail)
		}
	}
	if base := filepath.Base(hs[5].Path); base != active {
		t.Errorf("the newest file is %q", base)
	}
	want, _ := generate(t, o)
	sameInJournal(t, dir, want)

	gone, err := Vacuum(dir, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(gone) != 3 || gone[2].Tail != 2700 {
		t.Errorf("vacuumed %+v, want the first 3 files", gone)
	}
	sameInJournal(t, dir, want[2700:])
}

func TestOpenGoesOn(t *testing.T) {
	dir := t.TempDir()
	g := New(busy(300))
	for range 3 {
		w, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			e, _ := g.Next()
			if err := w.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	want, _ := generate(t, busy(300))
	sameInJournal(t, dir, want)
}

func TestReadHeaderRefuses(t *testing.T) {
	if _, err := ReadHeader("journalgen_test.go"); err == nil || !strings.Contains(err.Error(), "it begins with") {
		t.Errorf("error %v for a file that is no journal", err)
	}
}

func FuzzReadHeader(f *testing.F) {
	f.Add([]byte("LPKSHHRH"))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), active)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadHeader(path); err == nil && len(b) < headerBytes {
			t.Errorf("a header of %d bytes was read", len(b))
		}
	})
}
