package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// layouts are the two that objects have.
var layouts = []journalgen.Format{{Compression: journalgen.LZ4}, {Compact: true, KeyedHash: true, Compression: journalgen.ZSTD}}

// arrays are the offsets of the file's arrays of entries.
func (f *File) arraysOfAll(t *testing.T) []array {
	t.Helper()
	_, err := f.arrayOf(&f.main, f.main.n-1)
	must(t, err)
	return f.main.arrays
}

// TestUnwritten reads what is not yet there: it waits, and yields it when it is; or passes over it.
func TestUnwritten(t *testing.T) {
	const at = 20 // the entry concerned
	for _, layout := range layouts {
		m := makeFile(layout, 60, 1)
		good := m.Bytes(journalgen.Online)
		probe, _ := m.open(t)
		arrays := probe.arraysOfAll(t)
		array := arrays[len(arrays)-1]
		for _, a := range arrays {
			if at >= a.begin && at < a.begin+a.room {
				array = a
			}
		}
		entry := m.offsets[at]
		own := uint64(bytes.Index(good, []byte(m.entries[at].Get("MESSAGE")))) - uint64(probe.dataStart) - uint64(len("MESSAGE="))
		for _, c := range []struct {
			name     string
			off, end uint64 // what is zero; to the end of the file if end is 0
			whole    bool   // all but a field is read
			skipped  int    // entries that are passed over with this one
		}{
			{"the entry", entry, entry + 80, false, 1},
			{"its header", entry, entry + 16, false, 1},
			{"its fields", entry + entryItems, entry + entryItems + 16, true, 1},
			{"a field", own, own + 80, true, 1},
			{"its offset", array.off + arrayItems + (at-array.begin)*probe.offsetSize, array.off + arrayItems + (at+1-array.begin)*probe.offsetSize, false, 1},
			{"offsets from here on", array.off + arrayItems + (at-array.begin)*probe.offsetSize, array.off + arrayItems + (array.room)*probe.offsetSize, false, int(array.begin + array.room - at)},
		} {
			what := fmt.Sprintf("%s, compact %v", c.name, layout.Compact)
			r := &memory{b: slices.Clone(good)}
			clear(r.b[c.off:c.end])
			f := openMemory(t, r)
			for i := range at {
				var e Entry
				ok, err := f.Next(&e)
				must(t, err)
				equal(t, what+": an entry before", ok && words(&e) == words(&m.entries[i]), true)
			}
			var e Entry
			for range 3 {
				ok, err := f.Next(&e)
				var bad *EntryError
				if !errors.As(err, &bad) || !bad.Again || !errors.Is(err, ErrUnwritten) {
					t.Fatalf("%s: %v %v", what, ok, err)
				}
				equal(t, what+": most of it", ok, c.whole)
			}
			copy(r.b[c.off:c.end], good[c.off:c.end])
			sameEntries(t, readAll(t, f, f.Next), m.entries[at:])

			// The same, and it never comes.
			clear(r.b[c.off:c.end])
			f = openMemory(t, r)
			es, errs := readOn(t, f, f.Next)
			want := slices.Concat(m.entries[:at], m.entries[at+c.skipped:])
			if c.whole {
				want = slices.Insert(want, at, es[at])
			}
			sameEntries(t, es, want)
			equal(t, what+": errors", len(errs), 1)
			f.SeekTail()
			back, _ := readOn(t, f, f.Previous)
			equal(t, what+": backwards", numbered(reversed(back)), numbered(es))
		}
	}
}

// TestDamage reads past what is damaged.
func TestDamage(t *testing.T) {
	const at = 20
	for _, layout := range layouts {
		m := makeFile(layout, 60, 1)
		good := m.Bytes(journalgen.Archived)
		probe, _ := m.open(t)
		entry := m.offsets[at]
		own := uint64(bytes.Index(good, []byte(m.entries[at].Get("MESSAGE")))) - uint64(probe.dataStart) - uint64(len("MESSAGE="))
		for _, c := range []struct {
			name  string
			off   uint64
			b     string
			whole bool   // all but a field is read
			want  string // part of the error
		}{
			{"the entry's type", entry, "\x01", false, "type 1"},
			{"the entry's size, too small", entry + 8, "\x10\x00\x00\x00\x00\x00\x00\x00", false, "16 bytes"},
			{"the entry's size, no fields", entry + 8, "\x40\x00\x00\x00\x00\x00\x00\x00", false, "64 bytes"},
			{"the entry's size, half a field", entry + 8, "\x42\x00\x00\x00\x00\x00\x00\x00", false, "66 bytes"},
			{"the entry's size, endless", entry + 8, "\x00\x00\x00\x00\x00\x00\x00\x7f", false, "bytes"},
			{"the entry's size, all bits", entry + 8, "\xff\xff\xff\xff\xff\xff\xff\xff", false, "bytes"},
			{"its number", entry + entrySeqnum, "\x00\x00\x00\x00\x00\x00\x00\x00", false, "number 0"},
			{"its time", entry + entryRealtime, "\x00\x00\x00\x00\x00\x00\x80\x00", false, "times"},
			{"its time since the boot", entry + entryMonotonic, "\x00\x00\x00\x00\x00\x00\x00\xff", false, "times"},
			{"a field's place", entry + entryItems, "\x07\x00\x00\x00", true, "an object at byte 7"},
			{"a field that is an entry", entry + entryItems, string(le.AppendUint32(nil, uint32(entry))), true, "type 3"},
			{"the data's type", own, "\x05", true, "type 5"},
			{"the data's size", own + 8, "\x20\x00\x00\x00\x00\x00\x00\x00", true, "32 bytes"},
			{"the data's compression", own + 1, "\x01", true, "data at byte"},
			{"the data's compression, two", own + 1, "\x03", true, "unknown compression 0x3"},
			{"the data's compression, zstd", own + 1, "\x04", true, "data at byte"},
			{"the data's compression, lz4", own + 1, "\x02", true, "lz4"},
			{"the data's name", own + uint64(probe.dataStart), "=======", true, "has no field name"},
			{"the data's =", own + uint64(probe.dataStart) + 7, "E", true, "has no field name"},
		} {
			what := fmt.Sprintf("%s, compact %v", c.name, layout.Compact)
			r := &memory{b: slices.Clone(good)}
			copy(r.b[c.off:], c.b)
			f := openMemory(t, r)
			es, errs := readOn(t, f, f.Next)
			want := slices.Concat(m.entries[:at], m.entries[at+1:])
			if c.whole {
				if len(es) < at {
					t.Fatalf("%s: %v", what, errs)
				}
				equal(t, what+": fields", len(es[at].Fields) >= len(m.entries[at].Fields)-1, true)
				want = slices.Insert(want, at, es[at])
			}
			equal(t, what, numbered(es), numbered(want))
			if len(errs) != 1 || !strings.Contains(errs[0].Error(), c.want) || errors.Is(errs[0], ErrUnwritten) {
				t.Errorf("%s: have %v, want %s", what, errs, c.want)
			}
		}
	}
}

// TestReadFails tries again what could not be read, and yields nothing twice.
func TestReadFails(t *testing.T) {
	m := makeFile(journalgen.Format{}, 60, 1)
	r := &memory{b: m.Bytes(journalgen.Archived)}
	f := openMemory(t, r)
	fire := errors.New("disk on fire")
	var e Entry
	for i := range m.entries {
		f.w.forget()
		f.main.forget()
		r.err, r.bad = fire, -1
		for range 3 {
			ok, err := f.Next(&e)
			var bad *EntryError
			if ok || !errors.As(err, &bad) || !bad.Again || !errors.Is(err, fire) {
				t.Fatal(ok, err)
			}
		}
		r.err = nil
		ok, err := f.Next(&e)
		must(t, err)
		equal(t, "entry", ok && words(&e) == words(&m.entries[i]), true)
	}
	r.err, r.bad = fire, -1
	_, err := f.Next(&e)
	equal(t, "what follows the last", err.Error(), "cannot find a journal entry: cannot read journal header: disk on fire")
	equal(t, "fields of it", len(e.Fields), 0)
	f.Skip()
	r.err = nil
	ok, err := f.Next(&e)
	equal(t, "the end", !ok && err == nil, true)
	r.err, r.bad = fire, int64(m.offsets[20])
	f = openMemory(t, r)
	n, err := f.Salvage()
	must(t, err)
	if n < 50 || n > 59 {
		t.Errorf("%d entries of 60 are salvaged", n)
	}
	r.bad = -1
	f.SeekHead()
	if _, err := f.Salvage(); !errors.Is(err, fire) {
		t.Fatal(err)
	}
	r.err = nil
	f = openMemory(t, r)
	r.err = fire
	if n, err := f.Salvage(); n != 0 || !errors.Is(err, fire) {
		t.Fatal(n, err)
	}
	f.SeekRealtime(m.entries[30].Realtime)
	if _, err := f.Next(&e); !errors.Is(err, fire) {
		t.Fatal(err)
	}
	r.err = nil
	_, err = f.Next(&e)
	must(t, err)
	equal(t, "the time sought", e.Realtime, m.entries[30].Realtime)
}

// TestSalvage finds all entries that are there, whatever of the index is damaged.
func TestSalvage(t *testing.T) {
	for _, layout := range layouts {
		m := makeFile(layout, 200, 1)
		good := m.Bytes(journalgen.Archived)
		probe, _ := m.open(t)
		arrays := probe.arraysOfAll(t)
		zero := make([]byte, 8)
		for _, c := range []struct {
			name  string
			off   uint64
			b     []byte
			begin uint64 // where the index ends
		}{
			{"the first array's place", 176, le.AppendUint64(nil, 12345), 0},
			{"no first array", 176, zero, 0},
			{"no entries", offEntries, zero, 0},
			{"few entries", offEntries, le.AppendUint64(nil, 33), 33},
			{"the first array's type", arrays[0].off, []byte{9}, 0},
			{"the third array's type", arrays[2].off, []byte{9}, arrays[2].begin},
			{"the third array's size", arrays[2].off + 8, le.AppendUint64(nil, 24), arrays[2].begin},
			{"the second array's next, itself", arrays[1].off + arrayNext, le.AppendUint64(nil, arrays[1].off), arrays[2].begin},
			{"the second array's next, the first", arrays[1].off + arrayNext, le.AppendUint64(nil, arrays[0].off), arrays[2].begin},
			{"the second array's next, nowhere", arrays[1].off + arrayNext, le.AppendUint64(nil, 1<<62), arrays[2].begin},
			{"the second array's next, gone", arrays[1].off + arrayNext, zero, arrays[2].begin},
		} {
			what := fmt.Sprintf("%s, compact %v", c.name, layout.Compact)
			r := &memory{b: slices.Clone(good)}
			copy(r.b[c.off:], c.b)
			f := openMemory(t, r)
			es, errs := readOn(t, f, f.Next)
			sameEntries(t, es, m.entries[:c.begin])
			equal(t, what+": errors, not one", len(errs) > 1, false)
			n, err := f.Salvage()
			must(t, err)
			equal(t, what+": found", n, len(m.entries)-int(c.begin))
			sameEntries(t, readAll(t, f, f.Next), m.entries[c.begin:])
			if c.begin > 0 {
				sameEntries(t, readAll(t, f, f.Previous), reversed(m.entries[:199]))
				f.SeekSeqnum(m.entries[150].Seqnum)
				sameEntries(t, readAll(t, f, f.Next), m.entries[150:])
			}
			n, err = f.Salvage()
			must(t, err)
			equal(t, what+": found again", n, 0)
		}

		// Nothing is to be found beyond a sound file's end.
		f, _ := m.open(t)
		readAll(t, f, f.Next)
		n, err := f.Salvage()
		must(t, err)
		equal(t, "found in a sound file", n, 0)

		// Damaged objects do not hide those behind them.
		r := &memory{b: slices.Clone(good)}
		for i := 10; i < 190; i += 20 {
			put64(r.b, m.offsets[i]+8, uint64(i)<<(i%48))
		}
		clear(r.b[m.offsets[100]:m.offsets[102]])
		copy(r.b[176:], zero)
		f = openMemory(t, r)
		_, err = f.Salvage()
		must(t, err)
		es, _ := readOn(t, f, f.Next)
		var want []Entry
		for i := range m.entries {
			if (i < 10 || i >= 190 || (i-10)%20 != 0) && i != 100 && i != 101 {
				want = append(want, m.entries[i])
			}
		}
		equal(t, "salvaged", numbered(es), numbered(want))
	}
}

// TestSalvageTakesNoText does not take for an entry what somebody has written into a message.
func TestSalvageTakesNoText(t *testing.T) {
	m := makeFile(journalgen.Format{}, 10, 1)
	forged := slices.Clone(m.Bytes(journalgen.Archived)[m.offsets[9]:])
	put64(forged, entrySeqnum, m.entries[9].Seqnum+1)
	for pad := range 8 {
		m := makeFile(journalgen.Format{}, 10, 1)
		text := append([]byte("TEXT="+strings.Repeat("x", pad)), forged...)
		m.Append(journalgen.ImageEntry{Seqnum: m.entries[9].Seqnum + 1, Realtime: 1 << 54, Monotonic: 1, Boot: boots[0], Fields: [][]byte{text}})
		b := m.Bytes(journalgen.Archived)
		put64(b, 176, 0)
		f := openMemory(t, &memory{b: b})
		n, err := f.Salvage()
		must(t, err)
		equal(t, "found", n, 11)
	}
}

// TestSalvageHoles: entries are found behind a hole, and one at the end takes no time, whatever its size.
func TestSalvageHoles(t *testing.T) {
	m := makeFile(journalgen.Format{}, 100, 1)
	b := m.Bytes(journalgen.Archived)
	put64(b, 176, 0)
	half := m.offsets[50] &^ 7
	path := filepath.Join(t.TempDir(), "sparse.journal")
	file, err := os.Create(path)
	must(t, err)
	defer file.Close()
	_, err = file.WriteAt(b[:half], 0)
	must(t, err)
	must(t, file.Truncate(1<<40))
	_, err = file.WriteAt(b[m.offsets[0]:half], 1<<39)
	must(t, err)
	f, err := NewFile(struct {
		io.ReaderAt
		syscall.Conn
	}{file, file}, Options{})
	must(t, err)
	n, err := f.Salvage() // the copies behind the hole refer to data before them, and so are entries
	must(t, err)
	equal(t, "found", n, 100)
}

// TestShorter reads files that have been cut, before they are opened and while they are read.
func TestShorter(t *testing.T) {
	for _, layout := range layouts {
		m := makeFile(layout, 120, 1)
		good := m.Bytes(journalgen.Archived)
		for size := headerMin; size < len(good); size += 999 {
			r := &memory{b: good[:size]}
			f := openMemory(t, r)
			es, _ := readOn(t, f, f.Next)
			for i := range es {
				if es[i].Seqnum != m.entries[i].Seqnum {
					t.Fatalf("%d bytes: entry %d is %d", size, i, es[i].Seqnum)
				}
			}
			f.SeekHead()
			if _, err := f.Salvage(); err != nil {
				t.Fatal(err)
			}
			_, _ = readOn(t, f, f.Next)

			r = &memory{b: slices.Clone(good)}
			f = openMemory(t, r)
			var e Entry
			for range 10 {
				_, err := f.Next(&e)
				must(t, err)
			}
			r.b = r.b[:size]
			_, _ = readOn(t, f, f.Next)
			_, _ = readOn(t, f, f.Previous)
			f.SeekTail()
			_, _ = readOn(t, f, f.Previous)
			r.b = good
			f.SeekHead()
			sameEntries(t, readAll(t, f, f.Next), m.entries)
		}
	}
}

// TestFlippedBytes reads files with random bytes changed: nothing is invented, and most is still read.
func TestFlippedBytes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for round := range 400 {
		m := makeFile(layouts[round%2], 100, uint64(round))
		b := m.Bytes(journalgen.Archived)
		for range 1 + r.IntN(4) {
			b[headerMin+r.IntN(len(b)-headerMin)] ^= byte(1 + r.IntN(255))
		}
		f := openMemory(t, &memory{b: b})
		es, _ := readOn(t, f, f.Next)
		n, err := f.Salvage()
		must(t, err)
		rest, _ := readOn(t, f, f.Next)
		if len(rest) > n {
			t.Errorf("round %d: %d salvaged, %d read", round, n, len(rest))
		}
		if es = append(es, rest...); len(es) < 94 {
			t.Errorf("round %d: %d of 100 entries are read", round, len(es))
		}
	}
}

// TestValues lists a field's values, and says where damage ends the list.
func TestValues(t *testing.T) {
	for _, format := range formats() {
		m := makeFile(format, 100, 1)
		good := m.Bytes(journalgen.Archived)
		probe := openMemory(t, &memory{b: good})
		table := probe.h.FieldTable + probe.hash([]byte("TAG"))%(probe.h.FieldTableSize/hashRow)*hashRow
		last, err := probe.lastOf("TAG")
		must(t, err)
		for _, c := range []struct {
			name string
			off  uint64
			v    uint64
			n    int
			want string
		}{
			{"nothing", 0, le.Uint64(good), 3, ""},
			{"no table", 120, 8, 0, "hash table of"},
			{"a table beyond the end", 120, 1 << 40, 0, "the file ends before byte"},
			{"no row", table, 0, 0, ""},
			{"a row of data", table, last, 0, "not type 2"},
			{"data that follows itself", last + dataNextField, last, 1, "is followed by that at"},
			{"data that follows later data", last + dataNextField, last + 8, 1, "is followed by that at"},
			{"data that ends here", last + dataNextField, 0, 1, ""},
			{"data of another field", last + uint64(probe.dataStart), 0x3d5941, 0, "is no TAG"},
		} {
			r := &memory{b: slices.Clone(good)}
			put64(r.b, c.off, c.v)
			f := openMemory(t, r)
			n, text := 0, ""
			for v, err := range f.Values("TAG") {
				if err != nil {
					text = err.Error()
				} else if n++; !slices.Contains([]string{"0", "1", "2"}, v) {
					t.Errorf("%s: value %q", c.name, v)
				}
			}
			equal(t, c.name+": values", n, c.n)
			if (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
				t.Errorf("%s: have %q, want %q", c.name, text, c.want)
			}
		}
		for v := range probe.Values("TAG") {
			equal(t, "the first of those", v != "", true)
			break
		}
	}
}
