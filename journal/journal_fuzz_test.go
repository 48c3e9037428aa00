package journal_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/journal"
)

// Whatever bytes a file has: reading both ways, seeking, matching and listing values come to an end, in bounded memory and time.
func FuzzJournalFile(f *testing.F) {
	for seed := range 16 {
		rnd := rand.New(rand.NewPCG(uint64(seed), 5))
		m := journalgen.NewImage(journalgen.Format{Compact: seed&1 != 0, KeyedHash: seed&2 != 0, Compression: journalgen.Compression(seed >> 2), Threshold: 100, Buckets: 7},
			randomID(rnd), randomID(rnd), randomID(rnd))
		boot := randomID(rnd)
		for i := range 6 {
			m.Append(journalgen.ImageEntry{Seqnum: uint64(i + 1), Realtime: 1_700_000_000_000_000 + uint64(i), Monotonic: uint64(i + 1), Boot: boot,
				Fields: [][]byte{[]byte("MESSAGE=" + longValues[1][:200+i]), []byte("SAME=1"), {'N', '=', byte(i)}}})
		}
		f.Add(m.Bytes(byte(seed % 3)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<20 {
			return
		}
		fuzzFile(t, b)
		fuzzJournal(t, b)
	})
}

// fuzzFile reads one file. Each entry takes at least 64 bytes and each place in an array 4, so there cannot be more answers than
// bytes but for entries that lists name again and again.
func fuzzFile(t *testing.T, b []byte) {
	f, err := journal.NewFile(bytes.NewReader(b), journal.Options{MaxField: 1 << 12})
	if err != nil {
		return
	}
	defer f.Close()
	var e journal.Entry
	all := func(next func(*journal.Entry) (bool, error)) {
		for steps := 0; ; steps++ {
			ok, err := next(&e)
			f.Skip()
			if !ok && err == nil {
				return
			}
			if steps > 1000+len(b) {
				t.Fatalf("%d answers from %d bytes, the last %v", steps, len(b), err)
			}
		}
	}
	all(f.Next)
	all(f.Previous)
	f.SeekTail()
	all(f.Previous)
	c := e.Cursor()
	for _, seek := range []func(){func() { f.SeekCursor(c) }, func() { f.SeekRealtime(c.Realtime) }, func() { f.SeekMonotonic(c.BootID, c.Monotonic) }, func() { f.SeekSeqnum(c.Seqnum) }} {
		seek()
		_, _ = f.Next(&e)
		seek()
		_, _ = f.Previous(&e)
	}
	if err := f.Match(journal.Filter{{{"SAME=1"}}}); err != nil {
		t.Fatal(err)
	}
	f.SeekHead()
	all(f.Next)
	values := 0
	for range f.Values("SAME") {
		if values++; values > len(b) {
			t.Fatalf("%d values from %d bytes", values, len(b))
		}
	}
	if _, err := f.Salvage(); err == nil {
		all(f.Next)
	}
}

// fuzzJournal reads the file beside a sound one, all of which must come.
func fuzzJournal(t *testing.T, b []byte) {
	dir := t.TempDir()
	path := filepath.Join(dir, "fuzzed.journal")
	must(t, os.WriteFile(path, b, 0o644))
	long := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(path, long, long))
	made(t, filepath.Join(dir, "sound.journal"), 77, 1, 5, journalgen.Archived)
	j, err := journal.OpenDir(journal.DirOptions{}, dir)
	must(t, err)
	defer j.Close()
	var e journal.Entry
	for _, down := range []bool{true, false} {
		sound := 0
		for steps := 0; ; steps++ {
			next := j.Previous
			if down {
				next = j.Next
			}
			ok, err := next(&e)
			if !ok && err == nil {
				break
			}
			if e.SeqnumID == (journal.ID{77}) {
				sound++
			}
			if steps > 1000+len(b) {
				t.Fatalf("%d answers from %d bytes, the last %v", steps, len(b), err)
			}
		}
		if want := 5; sound != want && (down || sound != want-1) {
			t.Fatalf("down %t: %d entries of the sound file", down, sound)
		}
	}
}
