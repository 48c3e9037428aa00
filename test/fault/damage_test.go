package fault

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// One file has a flipped byte, another has lost its end. What is in the others arrives.
func TestCorrupt(t *testing.T) {
	l := newLive(t, whole())
	l.feed(0)
	headers, err := journalgen.Headers(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	flipped, truncated := headers[2], headers[5]
	spoilEntry(t, flipped.Path, perFile/2)
	truncate(t, truncated.Path)
	url := services.Elasticsearch(t, 7)
	p := harness.New(t, config(l.dir, fmt.Sprintf(`output.elasticsearch: {hosts: [%q], index: "corrupt-%%{+yyyy.MM.dd}"}`, url)))
	s := l.wantAddedUp(t, p, 0)
	if input(s, "skipped.corrupt")+input(s, "files.corrupt") == 0 {
		t.Errorf("podbeat counts no damage: %v", s)
	}
	if gaps := input(s, "gaps.seqnum"); gaps < 1+perFile/4 || gaps > 1+perFile*3/4 {
		t.Errorf("podbeat counts a gap of %d, want the spoilt entry and about the half of a file, %d", gaps, 1+perFile/2)
	}
	l.wantMissingOnly(t, p, url, "corrupt-*", input(s, "read"), s, flipped, truncated)
}

// The file that podbeat is reading loses its end. libsystemd maps files: this must not take the process with it.
func TestTruncateUnderReader(t *testing.T) {
	l := newLive(t, whole())
	l.feed(0)
	headers, err := journalgen.Headers(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	url := services.Elasticsearch(t, 7)
	gate := harness.NewGate(t, url)
	held := gate.Hold(1, harness.BeforeStore)
	p := harness.New(t, config(l.dir, fmt.Sprintf(`
queue.mem: {events: 512, flush.min_events: 64, flush.timeout: 100ms}
output.elasticsearch: {hosts: [%q], index: "truncate-%%{+yyyy.MM.dd}"}`, gate.URL)))
	p.Wait("the output stands", func(harness.Stats) bool { return done(held) })
	truncate(t, headers[0].Path)
	gate.Release()
	var c *verify.Check
	next := time.Now()
	p.Wait("all of the other files is delivered", func(s harness.Stats) bool {
		if s == nil || s["libbeat.pipeline.events.active"] > 0 || time.Now().Before(next) {
			return false
		}
		c = l.expect(false)
		if err := verify.Elasticsearch(url, "truncate-*", c.Arrived); err != nil {
			t.Fatal(err)
		}
		next = time.Now().Add(time.Second)
		return l.missingElsewhere(c, headers[0]) == ""
	})
	p.Term()
	t.Log(c.Report())
	if r := c.Report(); r.Doubled+r.Unexpected+r.Changed > 0 {
		t.Error("what arrived is not what was written")
	}
}

// Every second file has bytes flipped. All that journalctl can still read arrives, and nothing twice.
func TestFlippedBytes(t *testing.T) {
	f := func(seed uint64) {
		t.Helper()
		l := newLive(t, whole())
		l.feed(0)
		headers, err := journalgen.Headers(l.dir)
		if err != nil {
			t.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, 1))
		var damaged []journalgen.Header
		for i := 1; i < len(headers)-1; i += 2 {
			flip(t, headers[i].Path, r)
			damaged = append(damaged, headers[i])
		}
		sinks := sink.New(sink.Options{IDs: true})
		server := httptest.NewServer(sinks)
		defer server.Close()
		p := harness.New(t, config(l.dir, fmt.Sprintf(`output.elasticsearch: {hosts: [%q], index: "flip-%%{+yyyy.MM.dd}"}`, server.URL)))
		l.wantAddedUp(t, p, 0)
		p.Term()
		c := l.expect(false)
		pauses := map[string]bool{} // a flipped bit can give an entry another's name
		for _, m := range l.messages {
			pauses[l.id(m)] = m.Pause
		}
		for key := range sinks.IDs() {
			if _, id, _ := strings.Cut(key, "/"); !pauses[id] {
				c.Arrived(verify.Doc{ID: id, IDOnly: true})
			}
		}
		t.Logf("seed %d: %v", seed, c.Report())
		if id := l.missingElsewhere(c, damaged...); id != "" {
			t.Errorf("seed %d: %s is missing, and was in no damaged file", seed, id)
		}
		if r := c.Report(); r.Doubled+r.Unexpected > 0 {
			t.Errorf("seed %d: what arrived is not what was written", seed)
		}
		missing := map[string]bool{}
		for _, id := range c.Missing() {
			missing[id] = true
		}
		readable := 0
		verify.Journal(l.dir, func(e verify.Entry) { // an error ends what it can read
			if missing[e.ID()] {
				readable++
			}
		}, "MESSAGE")
		if readable > 0 {
			t.Errorf("seed %d: journalctl reads %d of the %d missing", seed, readable, len(missing))
		}
	}
	seeds := uint64(4)
	if harness.Soak() {
		seeds = 100
	}
	for seed := range seeds {
		f(seed)
	}
}

// truncate takes away the second half of a journal file's objects.
func truncate(t *testing.T, path string) {
	t.Helper()
	all := objects(t, path)
	if err := os.Truncate(path, int64(all[len(all)/2].at)); err != nil {
		t.Fatal(err)
	}
}

// flip flips a bit of three objects of a journal file: in their heads, or in what is theirs if that is structure. In the
// text of a field it would only make another text, which nobody can tell.
func flip(t *testing.T, path string, r *rand.Rand) {
	t.Helper()
	all := objects(t, path)
	for range 3 {
		o := all[r.IntN(len(all))]
		size := o.size
		if o.kind == kindData || o.kind == kindField {
			size = dataHead
		}
		patch(t, path, o.at+r.Uint64N(size), 1<<r.IntN(8))
	}
}

// spoilEntry flips a bit in the n-th entry of a journal file: in its kind, so that it is no entry any more.
func spoilEntry(t *testing.T, path string, n int) {
	t.Helper()
	for _, o := range objects(t, path) {
		if o.kind == kindEntry {
			if n--; n == 0 {
				patch(t, path, o.at, 4)
				return
			}
		}
	}
	t.Fatalf("cannot find the entry to spoil in %s", path)
}

// patch flips the bits of mask in the byte at an offset.
func patch(t *testing.T, path string, at uint64, mask byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
	b[0] ^= mask
	if _, err := f.WriteAt(b, int64(at)); err != nil {
		t.Fatal(err)
	}
}

// An object of a journal file: see systemd's JOURNAL_FILE_FORMAT. Objects follow the header, at multiples of 8 bytes, each
// with its kind in the first byte and its size in the second eight.
type object struct {
	kind     byte
	at, size uint64
}

const (
	kindData  = 1
	kindField = 2
	kindEntry = 3

	dataHead   = 40  // of a field or a value, before its text, at least
	headerSize = 88  // where the file's header has its size
	tailObject = 136 // where it has the last object
)

// objects lists what is in an undamaged journal file.
func objects(t *testing.T, path string) (all []object) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	u64 := func(at uint64) uint64 { return binary.LittleEndian.Uint64(data[at:]) }
	for at := u64(headerSize); at <= u64(tailObject); {
		o := object{data[at], at, u64(at + 8)}
		all = append(all, o)
		at += (o.size + 7) &^ 7
	}
	return all
}
