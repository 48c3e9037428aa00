package journal

import (
	"errors"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// FuzzFile reads anything in every way: it ends, without a panic, and goes where it is told.
func FuzzFile(f *testing.F) {
	for i, layout := range layouts {
		f.Add(makeFile(layout, 12, uint64(i)).Bytes(journalgen.Archived))
	}
	f.Add(makeFile(journalgen.Format{Compression: journalgen.XZ, Compact: true}, 8, 3).Bytes(journalgen.Online))
	f.Fuzz(func(t *testing.T, b []byte) { readEveryWay(t, b) })
}

// FuzzDamage reads files with some bytes changed: patches are a place of 3 bytes and a new byte each.
func FuzzDamage(f *testing.F) {
	var files [][]byte
	for i, format := range formats() {
		files = append(files, makeFile(format, 25, uint64(i)).Bytes(journalgen.Archived))
	}
	f.Add(uint8(0), []byte{152, 0, 0, 255, 159, 0, 0, 255})
	f.Add(uint8(9), []byte{176, 0, 0, 16, 100, 1, 0, 1, 104, 1, 0, 3})
	f.Fuzz(func(t *testing.T, which uint8, patches []byte) {
		b := append([]byte{}, files[int(which)%len(files)]...)
		for ; len(patches) >= 4; patches = patches[4:] {
			if at := int(patches[0]) | int(patches[1])<<8 | int(patches[2])<<16; at < len(b) {
				b[at] = patches[3]
			}
		}
		readEveryWay(t, b)
	})
}

func readEveryWay(t *testing.T, b []byte) {
	f, err := NewFile(&memory{b: b}, Options{MaxField: 2048})
	if err != nil {
		var flags *FlagsError
		if !errors.Is(err, ErrNoJournal) && !errors.As(err, &flags) {
			t.Fatal(err)
		}
		return
	}
	// Each entry and each error is at least the four bytes of an offset.
	read := func(what string, step func(*Entry) (bool, error)) {
		var e Entry
		for calls := 0; ; calls++ {
			ok, err := step(&e)
			var bad *EntryError
			if errors.As(err, &bad) && bad.Again {
				f.Skip()
			}
			if !ok && err == nil {
				return
			}
			if calls > len(b)/4+1000 {
				t.Fatalf("%s: %d calls for %d bytes: %v", what, calls, len(b), err)
			}
			total := 0
			for _, fl := range e.Fields {
				if fl.Name == "" || len(fl.Name)+1+len(fl.Value) > 2048 {
					t.Fatalf("field %q=%q", fl.Name, fl.Value)
				}
				total += len(fl.Value)
			}
			if total > maxEntryBytes+2048 {
				t.Fatalf("an entry of %d bytes", total)
			}
			if err == nil && !f.At(e.Cursor()) {
				t.Fatal("not at what has been read")
			}
		}
	}
	read("head", f.Next)
	read("back", f.Previous)
	for _, seek := range []func(){
		f.SeekTail, func() { f.SeekSeqnum(20) }, func() { f.SeekRealtime(1_700_000_000_000_005) },
		func() { f.SeekMonotonic(boots[0], 1010) }, func() { f.SeekCursor(Cursor{SeqnumID: noBoot, BootID: boots[0], Monotonic: 1003}) },
	} {
		seek()
		read("seek", f.Previous)
		seek()
		read("seek on", f.Next)
	}
	for _, name := range []string{"_BOOT_ID", "TAG", "MESSAGE"} {
		n := 0
		for v := range f.Values(name) {
			if n++; n > len(b) || len(v) > 2048 {
				t.Fatalf("value %d is %q", n, v)
			}
		}
	}
	if err := f.Match(Filter{{{"TAG=1", "PRIORITY=3"}, {"EMPTY="}}}); err != nil {
		t.Fatal(err)
	}
	f.SeekHead()
	read("match", f.Next)
	if err := f.Match(nil); err != nil {
		t.Fatal(err)
	}
	f.SeekHead()
	n, err := f.Salvage()
	var bad *EntryError
	if err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	if n > len(b)/64 {
		t.Fatalf("%d entries in %d bytes", n, len(b))
	}
	read("salvage", f.Next)
	read("salvage back", f.Previous)
}
