package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// memory is a file that changes under its reader.
type memory struct {
	b     []byte
	reads int
	err   error // what reading fails with …
	bad   int64 // … where this byte is read; everywhere if negative
}

func (m *memory) ReadAt(b []byte, off int64) (int, error) {
	m.reads++
	if m.err != nil && (m.bad < 0 || off <= m.bad && m.bad < off+int64(len(b))) {
		return 0, m.err
	}
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if off >= int64(len(m.b)) {
		return 0, io.EOF
	}
	n := copy(b, m.b[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// formats are all that systemd has written.
func formats() []journalgen.Format {
	var fs []journalgen.Format
	for _, compact := range []bool{false, true} {
		for _, keyed := range []bool{false, true} {
			for _, c := range []journalgen.Compression{journalgen.None, journalgen.XZ, journalgen.LZ4, journalgen.ZSTD} {
				fs = append(fs, journalgen.Format{Compact: compact, KeyedHash: keyed, Compression: c, HeaderSize: []int{208, 240, 264, 272}[int(c)]})
			}
		}
	}
	return fs
}

var (
	fileID  = [16]byte{1, 2, 3, 15: 16}
	machine = [16]byte{0xaa, 15: 1}
	chainID = [16]byte{0xc0, 15: 0xde}
	boots   = []ID{{0xb0, 15: 1}, {0xb0, 15: 2}, {0xb0, 15: 3}}
	noBoot  = ID{0xbb}
)

// A made file is known: its image, and the entries that are in it.
type made struct {
	*journalgen.Image
	entries []Entry
	offsets []uint64
}

// makeFile makes a file of n entries, of some boots, with shared, own, long, binary, empty and repeated values.
func makeFile(f journalgen.Format, n int, seed uint64) *made {
	m := &made{Image: journalgen.NewImage(f, fileID, machine, chainID)}
	r := newSource(seed)
	for range n {
		m.add(r)
	}
	return m
}

func (m *made) add(r *rand.Rand) {
	i := len(m.entries)
	boot := boots[min(i/40, len(boots)-1)]
	e := Entry{SeqnumID: chainID, Seqnum: 7, Realtime: 1_700_000_000_000_000, Monotonic: 1000, BootID: boot}
	if i > 0 {
		last := &m.entries[i-1]
		e.Seqnum, e.Realtime, e.Monotonic = last.Seqnum+1+uint64(r.IntN(3)/2), last.Realtime+uint64(r.IntN(3)), last.Monotonic+uint64(r.IntN(3))
		if last.BootID != boot {
			e.Monotonic = 500
		}
	}
	text := []string{
		"_BOOT_ID=" + ID(boot).String(),
		fmt.Sprintf("MESSAGE=message %d of %d", i, r.Uint32()),
		fmt.Sprintf("PRIORITY=%d", r.IntN(8)),
		fmt.Sprintf("UNIT=unit-%d.service", r.IntN(20)),
		"EMPTY=", "_TRANSPORT=journal",
		fmt.Sprintf("TAG=%d", r.IntN(3)), fmt.Sprintf("TAG=%d", r.IntN(3)),
	}
	if r.IntN(4) == 0 {
		text = append(text, fmt.Sprintf("BINARY=\x00\xff\n=%c", r.IntN(256)))
	}
	if r.IntN(6) == 0 {
		text = append(text, "LONG="+strings.Repeat(fmt.Sprintf("%d repeats itself, ", r.IntN(5)), 10+r.IntN(400)))
	}
	if r.IntN(20) == 0 {
		noise := make([]byte, 2000)
		for k := range noise {
			noise[k] = byte(r.Uint32())
		}
		text = append(text, "NOISE="+string(noise))
	}
	fields := make([][]byte, len(text))
	for k, s := range text {
		fields[k] = []byte(s)
		e.Xor ^= jenkins64(fields[k])
	}
	for _, b := range fields {
		name, value, _ := strings.Cut(string(b), "=")
		if !slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Name == name && f.Value == value }) {
			e.Fields = append(e.Fields, Field{Name: name, Value: value})
		}
	}
	m.Append(journalgen.ImageEntry{Seqnum: e.Seqnum, Realtime: e.Realtime, Monotonic: e.Monotonic, Boot: boot, Fields: fields})
	m.entries = append(m.entries, e)
	m.offsets = append(m.offsets, m.EntryOffset())
}

func newSource(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// words is an entry's text, to be compared; its fields have no order.
func words(e *Entry) string {
	var lines []string
	for _, f := range e.Fields {
		lines = append(lines, fmt.Sprintf("%s=%x", f.Name, f.Value))
	}
	slices.Sort(lines)
	return e.Cursor().String() + " " + strings.Join(lines, " ")
}

func numbered(es []Entry) string {
	var b strings.Builder
	for i := range es {
		fmt.Fprint(&b, es[i].Seqnum, " ")
	}
	return b.String()
}

// open reads a made file; what it reads from can be changed.
func (m *made) open(t testing.TB) (*File, *memory) {
	t.Helper()
	r := &memory{b: m.Bytes(journalgen.Archived)}
	return openMemory(t, r), r
}

func openMemory(t testing.TB, r io.ReaderAt) *File {
	t.Helper()
	f, err := NewFile(r, Options{})
	must(t, err)
	return f
}

// readOn reads what comes next, skipping what cannot be read, and says how often there were errors.
func readOn(t testing.TB, f *File, step func(*Entry) (bool, error)) (es []Entry, errs []error) {
	t.Helper()
	for {
		var e Entry
		ok, err := step(&e)
		var bad *EntryError
		switch {
		case err != nil && !errors.As(err, &bad):
			t.Fatalf("%v is no EntryError", err)
		case err != nil:
			if errs = append(errs, err); len(errs) > 100_000 {
				t.Fatal("errors do not end")
			}
			if bad.Again {
				f.Skip()
			}
		case !ok:
			return es, errs
		}
		if ok {
			es = append(es, e)
		}
	}
}

// readAll is readOn of what has no damage.
func readAll(t testing.TB, f *File, step func(*Entry) (bool, error)) []Entry {
	t.Helper()
	es, errs := readOn(t, f, step)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return es
}

func sameEntries(t testing.TB, have, want []Entry) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("%d entries, want %d: %s", len(have), len(want), clip(numbered(have)))
	}
	for i := range want {
		if h, w := words(&have[i]), words(&want[i]); h != w {
			t.Fatalf("entry %d:\nhave %.3000s\nwant %.3000s", i, h, w)
		}
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
		t.Errorf("%s: have %v, want %v", what, have, want)
	}
}

func put64(b []byte, off uint64, v uint64) { binary.LittleEndian.PutUint64(b[off:], v) }

func reversed(es []Entry) []Entry {
	es = slices.Clone(es)
	slices.Reverse(es)
	return es
}
