package delivery

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/logp"
)

// events returns n events that are told apart by their text.
func events(n int) (all [][]byte) {
	for i := range n {
		all = append(all, []byte(fmt.Sprintf("event %d %s", i, strings.Repeat("x", i))))
	}
	return all
}

// written makes a folder with one segment of n events.
func written(t *testing.T, n int) (file string, content []byte, bounds []int) {
	t.Helper()
	d, err := openDisk(t.TempDir(), logp.NewLogger("test"), &figures{})
	if err != nil {
		t.Fatal(err)
	}
	all := events(n)
	for i := range all { // one by one, as several batches
		s, n, size, err := d.append(all[i:i+1], &QueueOptions{Disk: DiskOptions{MaxSize: 1 << 30}})
		if err != nil {
			t.Fatal(err)
		}
		d.commit(s, n, size, func(int, int) {})
		bounds = append(bounds, int(size))
		file = s.file(d.dir, spillExt)
	}
	content, err = os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, content, bounds
}

// readBack opens a folder and reads what is in it.
func readBack(t *testing.T, dir string) (got []string, f *figures, d *disk) {
	t.Helper()
	f = &figures{}
	d, err := openDisk(dir, logp.NewLogger("test"), f)
	if err != nil {
		t.Fatal(err)
	}
	if n := f.resumed.Load(); n != f.spilled.Load() {
		t.Errorf("%d resumed, %d wait", n, f.spilled.Load())
	}
	for {
		b, s, record, ok, err := d.read()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, string(b))
		d.ack(s, record)
	}
	d.settle()
	if f.spilled.Load() != 0 || f.spilledBytes.Load() != 0 {
		t.Errorf("%d events of %d bytes still wait", f.spilled.Load(), f.spilledBytes.Load())
	}
	return got, f, d
}

func TestFlippedBytes(t *testing.T) {
	const n = 12
	file, content, _ := written(t, n)
	for i := range content {
		damaged := bytes.Clone(content)
		damaged[i] ^= 0x21
		if err := os.WriteFile(file, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		got, f, _ := readBack(t, filepath.Dir(file))
		lost := n - len(got)
		if lost > 1 || int64(lost) != f.corrupt.Load()+f.torn.Load() || i < headerSize && lost > 0 || i >= headerSize && lost == 0 {
			t.Errorf("byte %d flipped: %d events lost, %d damaged and %d torn counted", i, lost, f.corrupt.Load(), f.torn.Load())
		}
		all := events(n)
		for j, g := range got { // in order, none of them another one
			if g != string(all[j]) && (j+1 >= n || g != string(all[j+1])) {
				t.Fatalf("byte %d flipped: event %d is %q", i, j, g)
			}
		}
	}
}

func TestTornTail(t *testing.T) {
	const n = 8
	file, content, bounds := written(t, n)
	for size := range len(content) + 1 {
		if err := os.WriteFile(file, content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		whole, torn := 0, int64(1)
		for _, b := range bounds {
			if b <= size {
				whole++
			}
			if b == size {
				torn = 0
			}
		}
		if size <= headerSize { // a file without a record may have been there before its first write was synced
			torn = 0
		}
		got, f, _ := readBack(t, filepath.Dir(file))
		if len(got) != whole || f.corrupt.Load() != 0 || f.torn.Load() != torn {
			t.Errorf("cut to %d bytes: %d events, %d damaged, %d torn; want %d, 0 and %d", size, len(got), f.corrupt.Load(), f.torn.Load(), whole, torn)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("cut to %d bytes: the file is still there", size)
		}
	}
	// A crash of the machine may leave zeros.
	if err := os.WriteFile(file, append(bytes.Clone(content), make([]byte, 5000)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, f, _ := readBack(t, filepath.Dir(file)); len(got) != n || f.torn.Load() != 1 {
		t.Errorf("with zeros behind: %d events, %d torn", len(got), f.torn.Load())
	}
}

// What comes from outside cannot look like a record, and is none if another one is damaged.
func TestRecordInRecord(t *testing.T) {
	other := appendRecord(nil, [8]byte{1, 2, 3}, 1, []byte("forged"))
	salt := newName(1).salt
	b := appendRecord(appendHeader(nil, salt), salt, 0, other)
	b[headerSize+9] ^= 1 // its length
	if n, event, ok := newScan(b, salt).record(); ok {
		t.Errorf("record %d is %q", n, event)
	}
}

func TestVersion(t *testing.T) {
	file, content, _ := written(t, 3)
	f := func(name string, change func(b []byte)) {
		t.Helper()
		b := bytes.Clone(content)
		change(b)
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		got, fig, _ := readBack(t, filepath.Dir(file))
		aside, err := os.ReadFile(file + ".unreadable")
		if len(got) != 0 || fig.aside.Load() != 1 || err != nil || !bytes.Equal(aside, b) {
			t.Errorf("%s: %d events, %d files aside, %v", name, len(got), fig.aside.Load(), err)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: it is still there", name)
		}
	}
	f("version 2", func(b []byte) {
		binary.LittleEndian.PutUint32(b[8:], 2)
		binary.LittleEndian.PutUint32(b[headerSize-4:], crc32.Checksum(b[:headerSize-4], castagnoli))
	})
	f("garbage", func(b []byte) {
		for i := range b {
			b[i] = byte(i)
		}
	})
	if err := os.Remove(file + ".unreadable"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, fig, _ := readBack(t, filepath.Dir(file)); len(got) != 0 || fig.aside.Load() != 1 {
		t.Errorf("a folder: %v, %d aside", got, fig.aside.Load())
	}
}

func TestNotes(t *testing.T) {
	file, content, _ := written(t, 9)
	n, ok := parseName(filepath.Base(file), spillExt)
	if !ok {
		t.Fatal(file)
	}
	dir := filepath.Dir(file)
	f := func(note string, want int) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(n.file(dir, ackedExt), []byte(note), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, _ := readBack(t, dir); len(got) != want {
			t.Errorf("note %q: %d events, want %d", note, len(got), want)
		}
		if files, _ := os.ReadDir(dir); len(files) > 0 {
			t.Errorf("note %q: %v is left", note, files)
		}
	}
	note := func(prefix int) string {
		if err := n.note(dir, prefix); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(n.file(dir, ackedExt))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	f(note(4), 5)
	f(note(9), 0)
	f(note(1000), 0)
	f(note(4)[:5], 9)
	f("\x00"+note(4)[1:], 9)
	f("", 9)
	if got := n.readNote(filepath.Join(dir, "nowhere")); got != 0 {
		t.Error(got)
	}
}

func FuzzScan(f *testing.F) {
	salt := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	b := appendHeader(nil, salt)
	for i, e := range events(4) {
		b = appendRecord(b, salt, uint32(i), e)
	}
	f.Add(b)
	f.Add(b[:len(b)-3])
	f.Add(b[40:])
	f.Add(append(bytes.Clone(b[:60]), b[55:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = checkHeader(data)
		s, last := newScan(data, salt), -1
		for {
			number, event, ok := s.record()
			if !ok {
				break
			}
			if int(number) <= last || len(event)+overhead > len(data) || int(number) > len(data)/overhead {
				t.Fatalf("record %d of %d bytes after %d", number, len(event), last)
			}
			last = int(number)
		}
		if s.end < len(data) {
			_ = s.cut()
		}
	})
}
