//go:build cgo

package journal_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-systemd/v22/sdjournal"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/journal"
)

// The oracle is libsystemd, by go-systemd and by journalctl. The journals are random, and every one is another; a failure names
// the seed. With PODBEAT_SOAK=1 there are ten times as many.

// An oracle is libsystemd over the same files.
type oracle struct {
	t testing.TB
	j *sdjournal.Journal
}

func openOracle(t testing.TB, files []string) *oracle {
	t.Helper()
	j, err := sdjournal.NewJournalFromFiles(files...)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.SetDataThreshold(0); err != nil {
		t.Fatal(err)
	}
	return &oracle{t, j}
}

// step goes forward or back; "" is the end.
func (o *oracle) step(down bool) string {
	move := o.j.Previous
	if down {
		move = o.j.Next
	}
	n, err := move()
	if err != nil {
		o.t.Fatalf("libsystemd: %v", err)
	}
	if n == 0 {
		return ""
	}
	c, err := o.j.GetCursor()
	if err != nil {
		o.t.Fatalf("libsystemd: %v", err)
	}
	return c
}

func (o *oracle) match(f journal.Filter) {
	o.j.FlushMatches()
	for i, g := range f {
		if i > 0 {
			must(o.t, o.j.AddConjunction())
		}
		for k, t := range g {
			if k > 0 {
				must(o.t, o.j.AddDisjunction())
			}
			for _, m := range t {
				must(o.t, o.j.AddMatch(m))
			}
		}
	}
}

// whole are options that cut nothing.
var whole = journal.DirOptions{Options: journal.Options{MaxField: 64 << 20}}

// A subject is our reader over the files.
type subject struct {
	t testing.TB
	j *journal.Journal
	e journal.Entry
}

func openSubject(t testing.TB, o journal.DirOptions, files ...string) *subject {
	t.Helper()
	j, err := journal.OpenDir(o, files...)
	if err != nil {
		t.Fatal(err)
	}
	for path, err := range j.Refused() {
		t.Fatalf("%s: %v", path, err)
	}
	return &subject{t: t, j: j}
}

func (s *subject) step(down bool) string {
	move := s.j.Previous
	if down {
		move = s.j.Next
	}
	ok, err := move(&s.e)
	if err != nil {
		s.t.Fatal(err)
	}
	if !ok {
		return ""
	}
	return s.e.Cursor().String()
}

// fields are the entry's, as go-systemd has them: the last of a name.
func (s *subject) fields() map[string]string {
	m := map[string]string{}
	for _, f := range s.e.Fields {
		m[f.Name] = f.Value
	}
	return m
}

// differential runs f over random journals.
func differential(t *testing.T, n int, f func(t testing.TB, rnd *rand.Rand, s *set)) {
	entries, began := 0, time.Now()
	for seed := range rounds(n) {
		rnd := rand.New(rand.NewPCG(uint64(seed), 9))
		dir := t.TempDir()
		s := randomSet(t, rnd, dir, 80)
		entries += s.entries
		f(seeded{t, seed}, rnd, s)
		if t.Failed() {
			return
		}
		must(t, os.RemoveAll(dir))
	}
	t.Logf("%d journals, %d entries, %v", rounds(n), entries, time.Since(began).Round(time.Millisecond))
}

// seeded says with which seed a test fails.
type seeded struct {
	testing.TB
	seed int
}

func (s seeded) Fatalf(format string, args ...any) {
	s.Helper()
	s.TB.Fatalf("seed %d: %s", s.seed, fmt.Sprintf(format, args...))
}

func (s seeded) Error(args ...any) {
	s.Helper()
	s.TB.Errorf("seed %d: %s", s.seed, fmt.Sprint(args...))
}

func (s seeded) Fatal(args ...any) {
	s.Helper()
	s.TB.Fatalf("seed %d: %s", s.seed, fmt.Sprint(args...))
}

// All entries come with all fields, in libsystemd's order, both ways. Where clocks go back libsystemd leaves out
// what comes late, and the order is one of several; then every entry comes once, and each chain in its own order.
func TestSameEntries(t *testing.T) {
	more := 0
	differential(t, 150, func(t testing.TB, rnd *rand.Rand, s *set) {
		for _, down := range []bool{true, false} {
			o, j := openOracle(t, s.files), openSubject(t, whole, s.files...)
			if !down {
				must(t, o.j.SeekTail())
				j.j.SeekTail()
			}
			have, want := map[string]map[string]string{}, map[string]map[string]string{}
			var haveOrder, wantOrder []string
			key := func(cursor string) string {
				if s.sorted {
					return cursor
				}
				return cursor[strings.Index(cursor, ";b="):] // of copies with other numbers any may come
			}
			for c := o.step(down); c != ""; c = o.step(down) {
				e, err := o.j.GetEntry()
				must(t, err)
				if want[key(c)] = e.Fields; !s.sorted {
					delete(e.Fields, "REPEATED") // a copy may have it in another order
				}
				wantOrder = append(wantOrder, c)
			}
			for c := j.step(down); c != ""; c = j.step(down) {
				if have[key(c)] != nil && s.sorted {
					t.Fatalf("%s comes twice", c)
				}
				if have[key(c)] = j.fields(); !s.sorted {
					delete(have[key(c)], "REPEATED")
				}
				haveOrder = append(haveOrder, c)
			}
			if s.sorted && !slices.Equal(haveOrder, wantOrder) {
				t.Fatalf("down %t: order is\n%s\nlibsystemd has\n%s", down, strings.Join(haveOrder, "\n"), strings.Join(wantOrder, "\n"))
			}
			for c, fields := range want {
				if !maps.Equal(have[c], fields) {
					t.Fatalf("entry %s is\n%q\nlibsystemd has\n%q", c, have[c], fields)
				}
			}
			more += len(have) - len(want)
			must(t, o.j.Close())
			must(t, j.j.Close())
		}
	})
	t.Logf("%d entries that libsystemd leaves out because they come late", more)
}

// Fields have the order and the bytes that journalctl -o export gives them, names that repeat included.
func TestSameAsJournalctl(t *testing.T) {
	differential(t, 40, func(t testing.TB, rnd *rand.Rand, s *set) {
		if s.sorted {
			sameAsJournalctl(t, s.files)
		}
	})
}

// The same of a node's journal that systemd itself has written, in the formats it can write.
func TestSameAsWritten(t *testing.T) {
	f := func(compact, keyed string) {
		t.Run("compact="+compact+" keyed="+keyed, func(t *testing.T) {
			t.Setenv("SYSTEMD_JOURNAL_COMPACT", compact)
			t.Setenv("SYSTEMD_JOURNAL_KEYED_HASH", keyed)
			dir := t.TempDir()
			w, err := journalgen.Open(dir)
			must(t, err)
			o := journalgen.Defaults(rounds(1000))
			o.Large, o.Binary = 0.01, 0.1
			must(t, w.Feed(context.Background(), journalgen.New(o), 0, 400))
			must(t, w.Close())
			headers, err := journalgen.Headers(dir)
			must(t, err)
			var files []string
			for _, h := range headers {
				files = append(files, h.Path)
			}
			h, err := journal.Open(files[0], journal.Options{})
			must(t, err)
			flags := h.Header().Incompatible
			equal(t, "compact", flags&journal.FlagCompact != 0, compact == "1")
			equal(t, "keyed hash", flags&journal.FlagKeyedHash != 0, keyed == "1")
			must(t, h.Close())
			sameAsJournalctl(t, files)
		})
	}
	f("0", "0")
	f("0", "1")
	f("1", "0")
	f("1", "1")
}

// sameAsJournalctl compares all entries with what journalctl exports, byte by byte.
func sameAsJournalctl(t testing.TB, files []string) {
	t.Helper()
	args := []string{"-o", "export", "--no-pager", "-q", "--all"}
	for _, f := range files {
		args = append(args, "--file", f)
	}
	want, err := exec.Command("journalctl", args...).Output()
	if err != nil && len(want) > 0 {
		t.Fatalf("journalctl: %v", err)
	}
	j := openSubject(t, whole, files...)
	var have []byte
	for c := j.step(true); c != ""; c = j.step(true) {
		have = fmt.Appendf(have, "__CURSOR=%s\n__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%v\n", c, j.e.Realtime, j.e.Monotonic, j.e.BootID)
		have = appendExport(have, j.e.Fields)
	}
	must(t, j.j.Close())
	if !bytes.Equal(have, want) {
		i := 0
		for i < min(len(have), len(want)) && have[i] == want[i] {
			i++
		}
		t.Fatalf("byte %d: have %q, journalctl %q", i, have[max(0, i-200):min(len(have), i+50)], want[max(0, i-200):min(len(want), i+50)])
	}
}

// appendExport writes fields as journalctl does. It has written _BOOT_ID before them.
func appendExport(b []byte, fields []journal.Field) []byte {
	for _, f := range fields {
		if f.Name == "_BOOT_ID" {
			continue
		}
		b = append(b, f.Name...)
		control := func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f && r < 0xa0 }
		if utf8.ValidString(f.Value) && !strings.ContainsFunc(f.Value, control) {
			b = append(append(append(b, '='), f.Value...), '\n')
			continue
		}
		b = binary.LittleEndian.AppendUint64(append(b, '\n'), uint64(len(f.Value)))
		b = append(append(b, f.Value...), '\n')
	}
	return append(b, '\n')
}

// From wherever a seek leads, the same comes next, through turns and matches.
func TestSameSeeks(t *testing.T) {
	moves := 0
	differential(t, 150, func(t testing.TB, rnd *rand.Rand, s *set) {
		if !s.sorted {
			return
		}
		options := whole
		options.MaxOpen = 1 + rnd.IntN(3)
		o, j := openOracle(t, s.files), openSubject(t, options, s.files...)
		var log []string
		cursors := []string{fmt.Sprintf("s=%032x;i=5;b=%032x;m=77;t=%x;x=1", 1, 2, 1_700_000_000_004_000)}
		for range 30 {
			if rnd.IntN(6) == 0 {
				f := randomFilter(rnd, s.matches)
				log = append(log, fmt.Sprintf("match %q", f))
				o.match(f)
				must(t, j.j.Match(f))
			}
			log = append(log, randomSeek(t, rnd, s, o, j, &cursors))
			for range rnd.IntN(4) {
				down := rnd.IntN(2) == 0
				for range rnd.IntN(6) {
					have, want := j.step(down), o.step(down)
					log = append(log, fmt.Sprintf("down %t: %s", down, want))
					if have != want {
						t.Fatalf("%s\nhave %s", strings.Join(log, "\n"), have)
					}
					moves++
					if have == "" {
						break
					}
					cursors = append(cursors, have)
					c, err := journal.ParseCursor(cursors[rnd.IntN(len(cursors))])
					must(t, err)
					if have, want := j.j.At(c), o.j.TestCursor(c.String()) == nil; have != want {
						t.Fatalf("%s\nAt(%s) is %t", strings.Join(log, "\n"), c, have)
					}
				}
			}
		}
		must(t, o.j.Close())
		must(t, j.j.Close())
	})
	t.Logf("%d moves", moves)
}

// randomSeek goes somewhere, in both, and says where.
func randomSeek(t testing.TB, rnd *rand.Rand, s *set, o *oracle, j *subject, cursors *[]string) string {
	switch rnd.IntN(5) {
	case 0:
		// libsystemd's previous after that is, with matches, the first entry; there is none.
		must(t, o.j.SeekHead())
		j.j.SeekHead()
		if have, want := j.step(true), o.step(true); have != want {
			t.Fatalf("the first entry is %s, for libsystemd %s", have, want)
		}
		return "head"
	case 1:
		// libsystemd's next after that is the last entry, for us what is written from now on.
		must(t, o.j.SeekTail())
		j.j.SeekTail()
		if have, want := j.step(false), o.step(false); have != want {
			t.Fatalf("the last entry is %s, for libsystemd %s", have, want)
		}
		return "tail"
	case 2:
		at := uint64(1_700_000_000_000_000) - 5 + uint64(rnd.IntN(10))
		if len(s.times) > 0 {
			at = s.times[rnd.IntN(len(s.times))] - 1 + uint64(rnd.IntN(3))
		}
		must(t, o.j.SeekRealtimeUsec(at))
		j.j.SeekRealtime(at)
		return fmt.Sprint("time ", at)
	}
	text := (*cursors)[rnd.IntN(len(*cursors))]
	c, err := journal.ParseCursor(text)
	must(t, err)
	switch rnd.IntN(6) {
	case 0:
		c.SeqnumID[0]++ // between two entries
		c.Realtime++
		c.Monotonic++
	case 1:
		c.SeqnumID[0]++ // of a chain that is not there
	case 2:
		c.SeqnumID[0]++
		c.BootID[0]++
	}
	must(t, o.j.SeekCursor(c.String()))
	j.j.SeekCursor(c)
	return "cursor " + c.String()
}

func randomFilter(rnd *rand.Rand, values []string) journal.Filter {
	var f journal.Filter
	if len(values) == 0 {
		return nil
	}
	for range rnd.IntN(3) {
		var g journal.Group
		for range 1 + rnd.IntN(2) {
			var term journal.Term
			for range 1 + rnd.IntN(3) {
				m := values[rnd.IntN(len(values))]
				if rnd.IntN(10) == 0 {
					m += " no"
				}
				term = append(term, m)
			}
			g = append(g, term)
		}
		f = append(f, g)
	}
	return f
}

// Entries that match are the same, both ways.
func TestSameMatches(t *testing.T) {
	matched := 0
	differential(t, 100, func(t testing.TB, rnd *rand.Rand, s *set) {
		if !s.sorted {
			return
		}
		o, j := openOracle(t, s.files), openSubject(t, whole, s.files...)
		for range 10 {
			f := randomFilter(rnd, s.matches)
			o.match(f)
			must(t, j.j.Match(f))
			must(t, o.j.SeekHead())
			j.j.SeekHead()
			for _, down := range []bool{true, false} {
				for {
					have, want := j.step(down), o.step(down)
					if have != want {
						t.Fatalf("match %q, down %t: have %s, libsystemd %s", f, down, have, want)
					}
					if have == "" {
						break
					}
					matched++
				}
			}
		}
		must(t, o.j.Close())
		must(t, j.j.Close())
	})
	t.Logf("%d entries matched", matched)
}

// The values of a field are the same.
func TestSameValues(t *testing.T) {
	differential(t, 50, func(t testing.TB, rnd *rand.Rand, s *set) {
		o, j := openOracle(t, s.files), openSubject(t, whole, s.files...)
		for _, field := range []string{"PRIORITY", "_SYSTEMD_UNIT", "REPEATED", "EMPTY", "LONG", "F3", "F7", "NONE"} {
			want, err := o.j.GetUniqueValues(field)
			must(t, err)
			var have []string
			for v, err := range j.j.Values(field) {
				must(t, err)
				have = append(have, v)
			}
			slices.Sort(have)
			slices.Sort(want)
			if !slices.Equal(have, want) {
				t.Fatalf("%s has %q, for libsystemd %q", field, have, want)
			}
		}
		must(t, o.j.Close())
		must(t, j.j.Close())
	})
}
