package store

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/podbeat/podbeat/store/block"
)

func TestRecord(t *testing.T) {
	r := record{last: 9, dead: []int64{3, 1}}
	for i := range 3 {
		r.docs = append(r.docs, block.Doc{ID: fmt.Sprint(i), Source: []byte(`{}`), Time: -int64(i), Seq: int64(i), Version: 1})
	}
	b := r.bytes(new(recordRoom))
	got, err := readRecord(b)
	if err != nil || fmt.Sprint(*got) != fmt.Sprint(r) {
		t.Error(got, err)
	}
	for i := range b {
		damaged := slices.Clone(b)
		damaged[i] ^= 1
		if _, err := readRecord(damaged); err == nil {
			t.Errorf("byte %d: damage is not seen", i)
		}
		if _, err := readRecord(b[:i]); err == nil {
			t.Errorf("%d bytes: the rest is not missed", i)
		}
	}
}

func TestIDTable(t *testing.T) {
	var x idTable
	has := func(id string, block int64) (found bool) {
		x.find(idHash(id), func(b int64) bool {
			found = found || b == block
			return true
		})
		return found
	}
	const n = 20000
	for i := range n {
		x.add(idHash(fmt.Sprint(i)), int64(i/100+1))
	}
	for i := range n {
		if id := fmt.Sprint(i); !has(id, int64(i/100+1)) || has(id, 9999) {
			t.Fatal(id)
		}
		x.move(idHash(fmt.Sprint(i)), int64(i/100+1), 7777)
	}
	for i := range n {
		if id := fmt.Sprint(i); !has(id, 7777) || has(fmt.Sprint("x", i), 7777) {
			t.Fatal(id)
		}
	}
	if x.n != n || len(x.entries) > 3*n {
		t.Error(x.n, len(x.entries))
	}
}

// FuzzRecord takes any bytes for a record.
func FuzzRecord(f *testing.F) {
	r := record{last: 9, dead: []int64{3, 1}, docs: []block.Doc{{ID: "a", Source: []byte(`{}`), Time: 5, Seq: 7, Version: 1}}}
	f.Add(r.bytes(new(recordRoom))[4:])
	f.Add([]byte{0})
	f.Fuzz(func(t *testing.T, b []byte) {
		sealed := binary.LittleEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli))
		r, err := readRecord(append(sealed, b...))
		if err != nil {
			return
		}
		if again, err := readRecord(r.bytes(new(recordRoom))); err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
			t.Errorf("%v, want %v (%v)", again, r, err)
		}
	})
}
