package journal_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/journal"
)

// made writes a journal file that has the numbers from…to of a chain, and returns its path. Entry n has N=n, and is of second n.
func made(t testing.TB, path string, chain byte, from, to int, state byte) string {
	t.Helper()
	m := image(chain, from, to)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, m.Bytes(state), 0o644))
	return path
}

var files byte

func image(chain byte, from, to int) *journalgen.Image {
	files++
	m := journalgen.NewImage(journalgen.Format{KeyedHash: true, Compact: true}, [16]byte{files, chain}, [16]byte{1}, [16]byte{chain})
	for i := from; i <= to; i++ {
		m.Append(nth(i))
	}
	return m
}

func nth(i int) journalgen.ImageEntry {
	return journalgen.ImageEntry{Seqnum: uint64(i), Realtime: second(i), Monotonic: uint64(i) * 1_000_000, Boot: [16]byte{0xb0},
		Fields: [][]byte{fmt.Appendf(nil, "N=%d", i), fmt.Appendf(nil, "MOD3=%d", i%3), []byte("_BOOT_ID=b0000000000000000000000000000000")}}
}

func second(i int) uint64 { return 1_700_000_000_000_000 + uint64(i)*1_000_000 }

func open(t testing.TB, o journal.DirOptions, paths ...string) *journal.Journal {
	t.Helper()
	j, err := journal.OpenDir(o, paths...)
	must(t, err)
	t.Cleanup(func() { _ = j.Close() })
	return j
}

// rest is what Next still has, as runs of N: "1-5 7".
func rest(t testing.TB, j *journal.Journal) string {
	t.Helper()
	var all []string
	var e journal.Entry
	for {
		ok, err := j.Next(&e)
		must(t, err)
		if !ok {
			return runs(all)
		}
		all = append(all, e.Get("N"))
	}
}

func runs(all []string) string {
	var out []string
	for i := 0; i < len(all); {
		var from, to int
		fmt.Sscan(all[i], &from)
		to = from
		for i++; i < len(all) && all[i] == fmt.Sprint(to+1); i++ {
			to++
		}
		if from == to {
			out = append(out, fmt.Sprint(from))
		} else {
			out = append(out, fmt.Sprintf("%d-%d", from, to))
		}
	}
	return strings.Join(out, " ")
}

func equal[T comparable](t testing.TB, what string, have, want T) {
	t.Helper()
	if have != want {
		t.Errorf("%s is %v, want %v", what, have, want)
	}
}

// wait waits until there is something to read; to give up is a failure.
func wait(t testing.TB, j *journal.Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := j.Wait(ctx); err != nil {
		t.Fatalf("Wait: %v", err)
	}
}

// collect follows until n entries have come.
func collect(t testing.TB, j *journal.Journal, n int) string {
	t.Helper()
	var all []string
	var e journal.Entry
	for len(all) < n {
		ok, err := j.Next(&e)
		must(t, err)
		if ok {
			all = append(all, e.Get("N"))
		} else {
			wait(t, j)
		}
	}
	return runs(all)
}

func TestPaths(t *testing.T) {
	base := t.TempDir()
	const machine, other = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"
	made(t, filepath.Join(base, machine, "system.journal"), 1, 1, 3, journalgen.Online)
	made(t, filepath.Join(base, machine+".one", "system.journal"), 2, 11, 13, journalgen.Online)
	made(t, filepath.Join(base, machine+".two", "system.journal"), 3, 21, 23, journalgen.Online)
	made(t, filepath.Join(base, other, "system@1.journal"), 4, 31, 33, journalgen.Archived)
	made(t, filepath.Join(base, other, "system@2.journal~"), 4, 34, 35, journalgen.Online)
	made(t, filepath.Join(base, "no-machine", "system.journal"), 5, 41, 43, journalgen.Online)
	made(t, filepath.Join(base, "remote.journal"), 6, 51, 53, journalgen.Online)
	made(t, filepath.Join(base, "remote.journal.old"), 7, 61, 63, journalgen.Online)
	must(t, os.MkdirAll(filepath.Join(base, "directory.journal"), 0o755))
	f := func(namespace, want string, paths ...string) {
		t.Helper()
		for i := range paths {
			paths[i] = filepath.Join(base, paths[i])
		}
		equal(t, fmt.Sprintf("read of %q", paths), rest(t, open(t, journal.DirOptions{Namespace: namespace}, paths...)), want)
	}
	f("", "1-3 31-35 51-53", ".")
	f("one", "11-13 51-53", ".")
	f("*", "1-3 11-13 21-23 31-35 51-53", ".")
	f("", "1-3", machine)
	f("", "41-43 51-53", "remote.journal", "no-machine")
	f("", "31-35", other+"/*")
	f("", "34-35", other+"/*~")
	f("", "", "none*")
	f("", "61-63", "remote.journal.old")
	f("", "1-3 31-35 51-53", ".", machine, "remote.journal", ".")

	_, err := journal.OpenDir(journal.DirOptions{}, filepath.Join(base, "none"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("error of a directory that is not there is %v", err)
	}
}

// Files that cannot be read are passed over, and named.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	made(t, filepath.Join(dir, "good.journal"), 1, 1, 3, journalgen.Online)
	b := image(2, 1, 3).Bytes(journalgen.Online)
	b[13] = 0x42 // flags of the future
	must(t, os.WriteFile(filepath.Join(dir, "new.journal"), b, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "text.journal"), []byte("no journal at all"), 0o644))
	must(t, os.Symlink("nowhere", filepath.Join(dir, "link.journal")))
	j := open(t, journal.DirOptions{}, dir)
	equal(t, "read", rest(t, j), "1-3")
	var have []string
	for path, err := range j.Refused() {
		have = append(have, filepath.Base(path))
		var flags *journal.FlagsError
		switch filepath.Base(path) {
		case "new.journal":
			if !errors.As(err, &flags) {
				t.Errorf("error of unknown flags is %v", err)
			}
		case "text.journal":
			if !errors.Is(err, journal.ErrNoJournal) {
				t.Errorf("error of text is %v", err)
			}
		}
	}
	slices.Sort(have)
	equal(t, "refused", strings.Join(have, " "), "new.journal text.journal")
	equal(t, "headers", len(j.Headers()), 1)
}

// Next and Previous meet between the same two entries, whatever the files and however few may be open.
func TestTurns(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		made(t, filepath.Join(dir, fmt.Sprintf("a%d.journal", i)), 1, 20*i+1, 20*i+10, journalgen.Archived)
		made(t, filepath.Join(dir, fmt.Sprintf("b%d.journal", i)), 2, 20*i+11, 20*i+20, journalgen.Archived)
	}
	for _, open := range []int{0, 1, 3} {
		j, err := journal.OpenDir(journal.DirOptions{MaxOpen: open}, dir)
		must(t, err)
		var e journal.Entry
		at := 0
		for _, move := range []int{37, -12, 1, -1, 1, 100, -126, 300, -300, 5, -5, 200} {
			step, next := 1, j.Next
			if move < 0 {
				step, next = -1, j.Previous
			}
			for range max(move, -move) {
				ok, err := next(&e)
				must(t, err)
				want := at + step
				if equal(t, fmt.Sprintf("answer after %d by %d", at, step), ok, want >= 1 && want <= 200); !ok {
					break
				}
				at = want
				equal(t, "entry", e.Get("N"), fmt.Sprint(at))
			}
		}
		must(t, j.Close())
	}
}

func TestSeekBySeveral(t *testing.T) {
	dir := t.TempDir()
	made(t, filepath.Join(dir, "a.journal"), 1, 1, 10, journalgen.Archived)
	made(t, filepath.Join(dir, "b.journal"), 1, 13, 20, journalgen.Online)
	made(t, filepath.Join(dir, "c.journal"), 2, 5, 16, journalgen.Online) // copies but for the chain
	j := open(t, journal.DirOptions{}, dir)
	f := func(seek func() error, want string) {
		t.Helper()
		must(t, seek())
		equal(t, "read", rest(t, j), want)
	}
	one, boot := journal.ID{1}, journal.ID{0xb0}
	f(func() error { return j.SeekSeqnum(one, 3) }, "3-20")
	f(func() error { return j.SeekSeqnum(one, 11) }, "13-20")
	f(func() error { return j.SeekSeqnum(journal.ID{2}, 15) }, "15-20")
	f(func() error { return j.SeekMonotonic(boot, 7_000_000) }, "7-20")
	f(func() error { return j.SeekMonotonic(boot, 16_000_001) }, "17-20")
	f(func() error { j.SeekRealtime(second(19)); return nil }, "19-20")
	f(func() error { j.SeekTail(); return nil }, "")
	f(func() error { j.SeekHead(); return nil }, "1-20")
	for _, err := range []error{j.SeekSeqnum(one, 21), j.SeekSeqnum(journal.ID{9}, 1), j.SeekMonotonic(boot, 20_000_001), j.SeekMonotonic(one, 0)} {
		if err == nil || !strings.HasPrefix(err.Error(), "cannot find ") {
			t.Errorf("error is %v", err)
		}
	}
	equal(t, "read after that", rest(t, j), "")

	// Matches count from where the journal stands, also behind what was read ahead.
	j.SeekHead()
	must(t, j.Match(journal.Filter{{{"MOD3=0"}}}))
	var e journal.Entry
	for range 2 {
		_, err := j.Next(&e)
		must(t, err)
	}
	equal(t, "entry", e.Get("N"), "6")
	must(t, j.Match(nil))
	equal(t, "read", rest(t, j), "7-20")
}

func TestParseMatches(t *testing.T) {
	f := func(args, want string) {
		t.Helper()
		filter, err := journal.ParseMatches(strings.Fields(args)...)
		have := fmt.Sprint(filter)
		if err != nil {
			have = err.Error()
		}
		equal(t, args, have, want)
	}
	f("", "[]")
	f("A=1", "[[[A=1]]]")
	f("A=1 B=2 A=3", "[[[A=1 B=2 A=3]]]")
	f("A=1 + B=2 C= + D=x=y", "[[[A=1] [B=2 C=] [D=x=y]]]")
	f("+ A=1", `cannot use match "+": want FIELD=value before and after it`)
	f("A=1 +", `cannot use match "+": want FIELD=value before and after it`)
	f("A=1 + + B=1", `cannot use match "+": want FIELD=value before and after it`)
	f("a=1", `cannot use match "a=1": want FIELD=value, with a field name of A-Z, 0-9 and _`)
	f("/usr/bin/ls", `cannot use match "/usr/bin/ls": want FIELD=value, with a field name of A-Z, 0-9 and _`)
	f("__CURSOR=1", `cannot use match "__CURSOR=1": want FIELD=value, with a field name of A-Z, 0-9 and _`)
}

func TestClosed(t *testing.T) {
	j, err := journal.OpenDir(journal.DirOptions{}, made(t, filepath.Join(t.TempDir(), "x.journal"), 1, 1, 2, journalgen.Online))
	must(t, err)
	must(t, j.Close())
	j.SeekHead()
	j.SeekTail()
	_, next := j.Next(new(journal.Entry))
	_, previous := j.Previous(new(journal.Entry))
	for _, err := range []error{next, previous, j.Wait(context.Background()), j.Close(), j.SeekSeqnum(journal.ID{1}, 1)} {
		if !errors.Is(err, journal.ErrClosed) {
			t.Errorf("error is %v", err)
		}
	}
}

// An entry stays good until it is handed over again, whatever is read meanwhile.
func TestEntriesStay(t *testing.T) {
	dir := t.TempDir()
	made(t, filepath.Join(dir, "a.journal"), 1, 1, 5, journalgen.Archived)
	made(t, filepath.Join(dir, "b.journal"), 2, 6, 10, journalgen.Archived)
	j := open(t, journal.DirOptions{}, dir)
	var es [10]journal.Entry
	for i := range es {
		_, err := j.Next(&es[i])
		must(t, err)
	}
	for i := range es {
		equal(t, "entry", es[i].Get("N"), fmt.Sprint(i+1))
	}
}

// One damaged entry is told of, and the others come.
func TestDamagedEntry(t *testing.T) {
	m := image(1, 1, 3)
	at := m.EntryOffset()
	for i := 4; i <= 6; i++ {
		m.Append(nth(i))
	}
	b := m.Bytes(journalgen.Archived)
	binary.LittleEndian.PutUint64(b[at+8:], 7) // its size
	path := filepath.Join(t.TempDir(), "x.journal")
	must(t, os.WriteFile(path, b, 0o644))
	j := open(t, journal.DirOptions{}, path)
	var have []string
	for {
		var e journal.Entry
		ok, err := j.Next(&e)
		var bad *journal.EntryError
		if errors.As(err, &bad) && strings.Contains(err.Error(), path) {
			have = append(have, "error")
			continue
		}
		must(t, err)
		if !ok {
			break
		}
		have = append(have, e.Get("N"))
	}
	equal(t, "read", strings.Join(have, " "), "1 2 error 4 5 6")
}
