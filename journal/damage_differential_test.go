//go:build cgo

package journal_test

import (
	"bufio"
	"encoding/gob"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/sdjournal"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/journal"
)

// What a reader gets of a damaged file, one way.
type salvaged struct {
	Entries []salvagedEntry
	Errors  int    // that name no entry
	Refused string // why the file is not opened at all
}

type salvagedEntry struct {
	Cursor string
	Fields map[string]string
	Err    string
}

// mostSteps is far more than the files of this test have.
const mostSteps = 20_000

// TestOracleProcess is no test: it is libsystemd in a process of its own, because damage can kill it. It reads the
// paths of files, and writes what is in them, forward and back.
func TestOracleProcess(*testing.T) {
	if os.Getenv("PODBEAT_ORACLE") != "1" {
		return
	}
	out := gob.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if err := out.Encode([2]salvaged{bySystemd(in.Text(), true), bySystemd(in.Text(), false)}); err != nil {
			os.Exit(1)
		}
	}
	os.Exit(0)
}

func bySystemd(path string, down bool) (s salvaged) {
	j, err := sdjournal.NewJournalFromFiles(path)
	if err != nil {
		return salvaged{Refused: err.Error()}
	}
	defer j.Close()
	_ = j.SetDataThreshold(0)
	move := j.Next
	if !down {
		_ = j.SeekTail()
		move = j.Previous
	}
	for range mostSteps {
		n, err := move()
		if err != nil {
			s.Errors++
			continue
		}
		if n == 0 {
			break
		}
		var e salvagedEntry
		if got, err := j.GetEntry(); err == nil {
			e.Cursor, e.Fields = got.Cursor, got.Fields
		} else if e.Cursor, err = j.GetCursor(); err != nil {
			s.Errors++
			continue
		} else {
			e.Err = "cannot read fields"
		}
		s.Entries = append(s.Entries, e)
	}
	return s
}

func byUs(t testing.TB, path string, down bool) (s salvaged) {
	j, err := journal.OpenDir(whole, path)
	must(t, err)
	defer j.Close()
	for _, err := range j.Refused() {
		return salvaged{Refused: err.Error()}
	}
	sub := subject{j: j}
	move := j.Next
	if !down {
		j.SeekTail()
		move = j.Previous
	}
	for steps := 0; ; steps++ {
		if steps == mostSteps {
			t.Error("there is no end")
			return s
		}
		ok, err := move(&sub.e)
		switch {
		case !ok && err == nil:
			return s
		case sub.e.Seqnum == 0 || !ok && len(sub.e.Fields) == 0 && sub.e.Realtime == 0:
			s.Errors++
			continue
		}
		e := salvagedEntry{Cursor: sub.e.Cursor().String(), Fields: sub.fields()}
		if err != nil {
			e.Err = err.Error()
		}
		s.Entries = append(s.Entries, e)
	}
}

// An oracleProcess is a process that runs TestOracleProcess.
type oracleProcess struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *gob.Decoder
}

func (p *oracleProcess) start() {
	p.cmd = exec.Command(os.Args[0], "-test.run=^TestOracleProcess$")
	p.cmd.Env = append(os.Environ(), "PODBEAT_ORACLE=1")
	in, err := p.cmd.StdinPipe()
	must(p.t, err)
	out, err := p.cmd.StdoutPipe()
	must(p.t, err)
	must(p.t, p.cmd.Start())
	p.in, p.out = in, gob.NewDecoder(bufio.NewReader(out))
}

func (p *oracleProcess) stop() {
	_ = p.in.Close()
	_ = p.cmd.Wait()
}

// ask says what libsystemd makes of a file; false: it died of it, or did not come to an end.
func (p *oracleProcess) ask(path string) (both [2]salvaged, ok bool) {
	if p.cmd == nil {
		p.start()
	}
	hung := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer hung.Stop()
	if _, err := fmt.Fprintln(p.in, path); err == nil && p.out.Decode(&both) == nil {
		return both, true
	}
	p.stop()
	p.cmd = nil
	return both, false
}

// damage changes a file's bytes and says how.
func damage(rnd *rand.Rand, b []byte) ([]byte, string) {
	b = slices.Clone(b)
	at := func() int {
		if rnd.IntN(4) == 0 {
			return rnd.IntN(272) // the header
		}
		return rnd.IntN(len(b))
	}
	switch rnd.IntN(5) {
	case 0:
		b[at()] ^= 1 << rnd.IntN(8)
		return b, "one bit"
	case 1:
		b[at()] = byte(rnd.Uint32())
		return b, "one byte"
	case 2:
		for range 2 + rnd.IntN(20) {
			b[at()] ^= 1 << rnd.IntN(8)
		}
		return b, "many bits"
	case 3:
		from := rnd.IntN(len(b))
		clear(b[from:min(len(b), from+1+rnd.IntN(2000))])
		return b, "zeros"
	}
	return b[:rnd.IntN(len(b))], "cut"
}

// classes are the ways in which two readers may differ over a damaged file, with what each means.
var classes = []struct{ name, why string }{
	{"same", "the same entry with the same fields"},
	{"error said", "both return all fields but the damaged; we say so, libsystemd does not"},
	{"fewer fields", "libsystemd returns a field that we do not, and we say an error: what a damaged size claims counts against what an entry may have, and compressions nobody knows are not passed over"},
	{"error for all", "libsystemd returns it, we say an error that names no entry: its own position cannot be read"},
	{"both damaged", "neither reads all of its fields"},
	{"more", "we return it, libsystemd does not: it gives up the file at the first damage, or does not open a file that is cut"},
	{"we refuse", "libsystemd opens the file, we do not"},
	{"more fields", "the same entry; libsystemd leaves out fields without a word where their objects are damaged in what it does not need for reading"},
	{"libsystemd died", "or did not come to an end within 30 s"},
	{"differs", "the same entry with other fields and no error: must not be"},
	{"missing", "libsystemd returns it, we do not and say nothing: must not be"},
}

// compare counts by class.
func (s *salvaged) compare(want *salvaged, count map[string]int) (bad string) {
	if s.Refused != "" {
		if len(want.Entries) > 0 {
			count["we refuse"]++
		}
		return ""
	}
	have := map[string]*salvagedEntry{}
	for i := range s.Entries {
		e := &s.Entries[i]
		if old := have[e.Cursor]; old == nil || old.Err != "" {
			have[e.Cursor] = e
		}
	}
	for _, w := range want.Entries {
		h := have[w.Cursor]
		delete(have, w.Cursor)
		class := "same"
		switch {
		case h == nil && s.Errors > 0:
			class = "error for all"
		case h == nil:
			class = "missing"
			bad = fmt.Sprintf("%s is missing: %q", w.Cursor, w.Fields)
		case w.Err != "" && h.Err != "":
			class = "both damaged"
		case w.Err != "":
			class = "more"
		case h.Err != "" && contains(h.Fields, w.Fields):
			class = "error said"
		case h.Err != "":
			class = "fewer fields"
		case maps.Equal(h.Fields, w.Fields):
		case contains(h.Fields, w.Fields):
			class = "more fields"
		default:
			class = "differs"
			bad = fmt.Sprintf("%s is\n%q, for libsystemd\n%q", w.Cursor, h.Fields, w.Fields)
		}
		count[class]++
	}
	count["more"] += len(have)
	return bad
}

// contains says whether a has all of b.
func contains(a, b map[string]string) bool {
	for name, value := range b {
		if have, ok := a[name]; !ok || have != value {
			return false
		}
	}
	return true
}

// What libsystemd reads of a damaged file we read too, or say that it is damaged. We may read more. Never is there a panic,
// no end, or much memory.
func TestSameDamage(t *testing.T) {
	oracle := &oracleProcess{t: t}
	defer func() {
		if oracle.cmd != nil {
			oracle.stop()
		}
	}()
	count, kinds := map[string]int{}, map[string]int{}
	var most uint64
	path := filepath.Join(t.TempDir(), "damaged.journal")
	long := time.Now().Add(-time.Hour) // nobody writes to it
	n := rounds(400)
	for seed := range n {
		rnd := rand.New(rand.NewPCG(uint64(seed), 99))
		b, kind := damage(rnd, randomImage(rnd).Bytes(byte(rnd.IntN(3))))
		kinds[kind]++
		must(t, os.WriteFile(path, b, 0o644))
		must(t, os.Chtimes(path, long, long))
		want, alive := oracle.ask(path)
		if !alive {
			count["libsystemd died"]++
		}
		for i, down := range []bool{true, false} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			have := byUs(seeded{t, seed}, path, down)
			runtime.ReadMemStats(&after)
			most = max(most, after.TotalAlloc-before.TotalAlloc)
			if bad := have.compare(&want[i], count); bad != "" {
				t.Errorf("seed %d, %s, down %t: %s", seed, kind, down, bad)
			}
		}
	}
	if most > 256<<20 {
		t.Errorf("a file took %d MiB", most>>20)
	}
	var lines []string
	for _, c := range classes {
		lines = append(lines, fmt.Sprintf("%8d  %s: %s", count[c.name], c.name, c.why))
	}
	t.Logf("%d damaged files %v, each read both ways; at most %d KiB allocated for one; entries by class:\n%s", n, kinds, most>>10, strings.Join(lines, "\n"))
}

// randomImage is one small file.
func randomImage(rnd *rand.Rand) *journalgen.Image {
	format := randomFormat(rnd)
	m := journalgen.NewImage(format, randomID(rnd), randomID(rnd), randomID(rnd))
	boot := randomID(rnd)
	for i := range 1 + rnd.IntN(40) {
		m.Append(journalgen.ImageEntry{Seqnum: uint64(i + 1), Realtime: 1_700_000_000_000_000 + uint64(i)*1000,
			Monotonic: uint64(1000 + i*1000), Boot: boot, Fields: randomFields(rnd, i, boot)})
	}
	return m
}
