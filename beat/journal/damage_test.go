package journal

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A damage changes the bytes of a file; objects says where its objects begin.
type damage func(r *rand.Rand, b []byte, objects int) []byte

func flip(from, to func(b []byte, objects int) int) damage {
	return func(r *rand.Rand, b []byte, objects int) []byte {
		low, high := from(b, objects), to(b, objects)
		b[low+r.IntN(high-low)] ^= 1 << r.IntN(8)
		return b
	}
}

func at(n int) func([]byte, int) int  { return func([]byte, int) int { return n } }
func begin(_ []byte, objects int) int { return objects }
func end(b []byte, _ int) int         { return len(b) }
func (d damage) times(n int) damage {
	return func(r *rand.Rand, b []byte, objects int) []byte {
		for range 1 + r.IntN(n) {
			b = d(r, b, objects)
		}
		return b
	}
}

// Whatever has happened to a file, every entry is read once or missing, and nothing is read that
// was not there.
func TestDamage(t *testing.T) {
	const first, second = 300, 10
	dir := t.TempDir()
	paths := makeJournal(t, dir, series(1, first), series(first+1, first+second))
	victim := paths[0]
	clean, err := os.ReadFile(victim)
	must(t, err)
	objects := int(le.Uint64(clean[offEntryArray:])) - 4096

	f := func(name string, n int, atLeast float64, d damage) {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(3, 5))
			total := 0
			for i := range n {
				must(t, os.WriteFile(victim, d(r, append([]byte(nil), clean...), objects), 0o644))
				old := time.Now().Add(-time.Hour) // or it might still be being written
				must(t, os.Chtimes(victim, old, old))
				o := testOptions(dir)
				o.PollInterval = time.Millisecond
				gs, m := readAll(t, o)
				if sum := len(gs) + int(m.gaps.Get()) + int(m.skippedCorrupt.Get()); sum != first+second {
					t.Errorf("%d: %d entries read, %d skipped, %d missing: %d of %d; read %s", i, len(gs), m.skippedCorrupt.Get(), m.gaps.Get(), sum, first+second, ns(gs))
				}
				last := uint64(0)
				for _, g := range gs {
					if g.Seqnum <= last {
						t.Errorf("%d: number %d follows %d", i, g.Seqnum, last)
					}
					last = g.Seqnum
				}
				if len(gs) < first+second && m.files.corrupt.Get()+m.files.unreadable.Get() == 0 {
					t.Errorf("%d: %d entries missing and no file counted", i, first+second-len(gs))
				}
				total += len(gs)
			}
			must(t, os.WriteFile(victim, clean, 0o644))
			if share := float64(total) / float64(n*(first+second)); share < atLeast {
				t.Errorf("%.4f of the entries read, want %.4f", share, atLeast)
			} else {
				t.Logf("%.4f of the entries read", share)
			}
		})
	}
	f("nothing", 1, 1, func(_ *rand.Rand, b []byte, _ int) []byte { return b })
	f("bit of the header", 60, 0.9, flip(at(0), at(headerShared)))
	f("bit of the hash tables", 20, 1, flip(at(headerShared), begin))
	f("bit of an object", 200, 0.999, flip(begin, end))
	f("bits of objects", 100, 0.98, flip(begin, end).times(12))
	f("cut", 60, 0.4, func(r *rand.Rand, b []byte, objects int) []byte { return b[:objects+r.IntN(len(b)-objects)] })
	f("cut to nothing", 1, 0.03, func(_ *rand.Rand, b []byte, _ int) []byte { return b[:headerMin] })
	f("page of zeros", 60, 0.8, func(r *rand.Rand, b []byte, objects int) []byte {
		p := (objects + r.IntN(len(b)-objects)) &^ 4095
		clear(b[p:min(p+4096, len(b))])
		return b
	})
	f("block of noise", 60, 0.9, func(r *rand.Rand, b []byte, objects int) []byte {
		p := (objects + r.IntN(len(b)-objects)) &^ 511
		for i := p; i < min(p+512, len(b)); i++ {
			b[i] = byte(r.Uint32())
		}
		return b
	})
}

// The same with matches: what is read is right, and it ends.
func TestDamageFiltered(t *testing.T) {
	dir := t.TempDir()
	victim := makeJournal(t, dir, series(1, 300), series(301, 310))[0]
	clean, err := os.ReadFile(victim)
	must(t, err)
	objects := int(le.Uint64(clean[offEntryArray:])) - 4096
	r := rand.New(rand.NewPCG(7, 7))
	for i := range 100 {
		must(t, os.WriteFile(victim, flip(begin, end).times(3)(r, append([]byte(nil), clean...), objects), 0o644))
		o := testOptions(dir)
		o.PollInterval = time.Millisecond
		o.IncludeMatches = []string{"PRIORITY=1", "PRIORITY=2", "_HOSTNAME=node"}
		gs, m := readAll(t, o)
		for k := 1; k < len(gs); k++ {
			if gs[k].Seqnum <= gs[k-1].Seqnum {
				t.Errorf("%d: number %d follows %d", i, gs[k].Seqnum, gs[k-1].Seqnum)
			}
		}
		if len(gs) < 20 || m.gapsKnown.Get() || m.gaps.Get() != 0 {
			t.Errorf("%d: %d entries read, gaps %d (known %t)", i, len(gs), m.gaps.Get(), m.gapsKnown.Get())
		}
	}
}

// A file that shrinks under the reader neither ends the process nor the reading.
func TestCutWhileReading(t *testing.T) {
	dir := t.TempDir()
	paths := makeJournal(t, dir, series(1, 500), series(501, 510))
	info, err := os.Stat(paths[0])
	must(t, err)
	r, m := testReader(t, testOptions(dir), position{})
	gs := readN(t, r, 100)
	must(t, os.Truncate(paths[0], info.Size()-40_000))
	gs = append(gs, readTo(t, r, 510)...)
	equal(t, "sum", len(gs)+int(m.gaps.Get()), 510)
	equal(t, "files.corrupt", m.files.corrupt.Get(), 1)
	if len(gs) < 300 {
		t.Errorf("only %s read", ns(gs))
	}
}

// An unknown incompatible flag is named, and the file's numbers are missing.
func TestUnknownFlag(t *testing.T) {
	dir := t.TempDir()
	paths := makeJournal(t, dir, series(1, 20), series(21, 30))
	patch(t, paths[0], 13, 0x40)
	gs, m := readAll(t, testOptions(dir))
	equal(t, "read", ns(gs), "21-30")
	equal(t, "gaps", m.gaps.Get(), 20)
	equal(t, "files.unreadable", m.files.unreadable.Get(), 1)

	_, err := openReader(logger, testOptions(paths[0]), readerMetrics(t), position{})
	want := `cannot read journal file "` + paths[0] + `": cannot read a journal file with incompatible flags bit 14 (known are compressed-xz, compressed-lz4, keyed-hash, compressed-zstd, compact): a newer systemd has written it`
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// Things that are no journals are left alone, however they are named.
func TestNoJournal(t *testing.T) {
	dir := t.TempDir()
	makeJournal(t, dir, series(1, 5))
	must(t, os.WriteFile(filepath.Join(dir, "text.journal"), []byte("not a journal\n"), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "empty.journal"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "zeros.journal"), make([]byte, 1<<20), 0o644))
	must(t, os.Mkdir(filepath.Join(dir, "dir.journal"), 0o755))
	must(t, mkfifo(filepath.Join(dir, "fifo.journal")))
	must(t, os.Symlink("gone", filepath.Join(dir, "link.journal")))
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"text", "empty", "zeros"} {
		must(t, os.Chtimes(filepath.Join(dir, name+".journal"), old, old))
	}
	gs, m := readAll(t, testOptions(dir))
	equal(t, "read", ns(gs), "1-5")
	equal(t, "files.corrupt", m.files.corrupt.Get(), 3)
	equal(t, "gaps.available", m.gapsKnown.Get(), true)
}

// An entry of no boot has no cursor: it is counted, and left out.
func TestNoBoot(t *testing.T) {
	dir := t.TempDir()
	path := makeJournal(t, dir, series(1, 10))[0]
	b, err := os.ReadFile(path)
	must(t, err)
	boot := entryOffset(t, b, 5) + 40
	for i := range 16 {
		patch(t, path, boot+i, b[boot+i])
	}
	gs, m := readAll(t, testOptions(dir))
	equal(t, "read", ns(gs), "1-4 6-10")
	equal(t, "missing", m.gaps.Get()+m.skippedCorrupt.Get(), 1)
}

// Reading goes on at any place near a damaged entry.
func TestResumeNearDamage(t *testing.T) {
	dir := t.TempDir()
	path := makeJournal(t, dir, series(1, 300))[0]
	gs, _ := readAll(t, testOptions(dir))
	b, err := os.ReadFile(path)
	must(t, err)
	for _, bad := range []int{150, 151, 160} {
		patch(t, path, entryOffset(t, b, bad), 0x40)
	}
	want := "1-149 152-159 161-300"
	have, m := rest(t, testOptions(dir), position{})
	equal(t, "read", have, want)
	equal(t, "gaps", m.gaps.Get(), 3)
	all := map[string]bool{"150": true, "151": true, "160": true}
	for n := 140; n < 170; n++ {
		var left []got
		for _, g := range gs[n:] {
			if !all[g.Get("N")] {
				left = append(left, g)
			}
		}
		have, _ := rest(t, testOptions(dir), gs[n-1].after)
		equal(t, "read after "+gs[n-1].Get("N"), have, ns(left))
	}
}

// A journal that grows goes on being read after a damaged place.
func TestDamageLive(t *testing.T) {
	dir := t.TempDir()
	w := openJournal(t, dir)
	appendAll(t, w, series(1, 200)...)
	path := filepath.Join(dir, "system.journal")
	b, err := os.ReadFile(path)
	must(t, err)
	// Entry 100 is one no more: its type is wrong.
	patch(t, path, entryOffset(t, b, 100), 0x40)
	r, m := testReader(t, testOptions(dir), position{})
	gs := readN(t, r, 199)
	appendAll(t, w, series(201, 300)...)
	gs = append(gs, readN(t, r, 100)...)
	must(t, w.Close())
	equal(t, "read", ns(gs), "1-99 101-300")
	equal(t, "gaps", m.gaps.Get(), 1)
	if _, err := r.Read(cancelled(), make([]Entry, 1)); err != context.Canceled {
		t.Errorf("Read with a cancelled context: %v", err)
	}
}
