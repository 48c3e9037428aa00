package journal

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// packers compress as journald does.
var packers = map[byte]func(b []byte) []byte{
	compressedXZ: func(b []byte) []byte {
		// journald's own settings: dictionary of 1 MiB, no checksum.
		cmd := exec.Command("xz", "--format=xz", "--check=none", "--lzma2=dict=1MiB,mode=fast,nice=128,mf=hc3,depth=4", "-c")
		cmd.Stdin = bytes.NewReader(b)
		out, err := cmd.Output()
		if err != nil {
			panic(err)
		}
		return out
	},
	compressedLZ4: func(b []byte) []byte {
		out := make([]byte, 8+lz4.CompressBlockBound(len(b)))
		put64(out, 0, uint64(len(b)))
		n, err := lz4.CompressBlock(b, out[8:], nil)
		if err != nil {
			panic(err)
		}
		return out[:8+n]
	},
	compressedZstd: func(b []byte) []byte {
		w, err := zstd.NewWriter(nil)
		if err != nil {
			panic(err)
		}
		return w.EncodeAll(b, nil)
	},
}

// texts are easy, hard and mixed to compress.
func texts() [][]byte {
	r := newSource(4)
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var mixed []byte
	for len(mixed) < 300_000 {
		mixed = append(mixed, noise[:r.IntN(400)]...)
		mixed = append(mixed, bytes.Repeat([]byte("again "), r.IntN(100))...)
		mixed = append(mixed, mixed[r.IntN(len(mixed)):]...)
	}
	return [][]byte{
		[]byte("x"), []byte("FIELD=short"), bytes.Repeat([]byte("a"), 19), bytes.Repeat([]byte("ab"), 50_000),
		mixed[:300_000], noise, append(noise[:200_000:200_000], make([]byte, 200_000)...),
	}
}

// TestDecompress unpacks all of what is packed, and beginnings of it from no more bytes than they need.
func TestDecompress(t *testing.T) {
	for kind, pack := range packers {
		for i, text := range texts() {
			packed := pack(text)
			for _, n := range []int{1, 2, 5, 100, 1023, 1024, 4096, 65_535, 65_536, 200_001, len(text) - 1, len(text), len(text) + 1, 1 << 20} {
				if n == 0 {
					continue
				}
				what := fmt.Sprintf("compression %d, text %d, %d bytes", kind, i, n)
				if len(packed) <= 8 {
					continue // lz4 does not take it
				}
				src := packed[:min(uint64(len(packed)), packedMax(uint64(n), uint64(len(packed))))]
				have, err := decompress(nil, src, kind, n)
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				equal(t, what, string(have) == string(text[:min(n, len(text))]), true)
			}
		}
	}
}

// TestDecompressDamaged unpacks what is damaged: no panic, no endless output.
func TestDecompressDamaged(t *testing.T) {
	r := newSource(6)
	for kind, pack := range packers {
		packed := pack(texts()[4][:20_000])
		for range 2000 {
			b := bytes.Clone(packed)
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
			b = b[:len(b)-r.IntN(3)*r.IntN(len(b)/2)]
			if have, _ := decompress(nil, b, kind, 30_000); len(have) > 30_000 {
				t.Fatalf("compression %d: %d bytes", kind, len(have))
			}
		}
	}
	for _, c := range []struct {
		kind byte
		src  string
	}{
		{compressedLZ4, ""}, {compressedLZ4, "12345678"}, {compressedLZ4, "\xff\xff\xff\xff\xff\xff\xff\xff\x00"},
		{compressedLZ4, "\x09\x00\x00\x00\x00\x00\x00\x00\x10x\x00\x00"}, // back to nowhere
		{compressedLZ4, "\x09\x00\x00\x00\x00\x00\x00\x00\x10x\x02\x00"}, // back before the beginning
		{compressedLZ4, "\x09\x00\x00\x00\x00\x00\x00\x00\xf0\xff\xff"},
		{compressedZstd, ""}, {compressedZstd, "\x28\xb5\x2f\xfd"},
		{compressedXZ, ""}, {compressedXZ, "\xfd7zXZ\x00\x00\x00\xff\x12\xd9\x41"},
		{3, "abc"}, {8, "abc"},
	} {
		if have, err := decompress(nil, []byte(c.src), c.kind, 100); err == nil {
			t.Errorf("compression %d of %q is %q", c.kind, c.src, have)
		}
	}
}

// TestHashes knows what systemd's own tests and the inventors' papers know.
func TestHashes(t *testing.T) {
	var key ID
	in := make([]byte, 64)
	for i := range in {
		in[i] = byte(i)
	}
	copy(key[:], in)
	for n, want := range map[int]uint64{0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 7: 0xab0200f58b01d137, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5, 63: 0x958a324ceb064572} {
		equal(t, fmt.Sprint("siphash of ", n), siphash24(key, in[:n]), want)
	}
	equal(t, "jenkins of nothing", jenkins64(nil), 0xdeadbeefdeadbeef)
	equal(t, "jenkins", jenkins64([]byte("Four score and seven years ago")), 0x17770551ce7226e6)
}

// TestWindows reads everywhere, and always what is there.
func TestWindows(t *testing.T) {
	r := newSource(2)
	b := make([]byte, 3<<20)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	m := &memory{b: b}
	w := windows{r: m}
	at, forward := uint64(0), true
	for i := range 20_000 {
		n := 1 + r.IntN(300)
		switch r.IntN(100) {
		case 0:
			at, forward = r.Uint64N(uint64(len(b))), r.IntN(2) == 0
		case 1:
			n = r.IntN(1 << 19)
		case 2:
			if i%10 == 0 {
				w.forget()
			}
		}
		have, err := w.at(at, n)
		if at+uint64(n) > uint64(len(b)) {
			if !errors.Is(err, ErrUnwritten) {
				t.Fatalf("%d bytes at %d: %v", n, at, err)
			}
			at, forward = 0, true
			continue
		}
		if err != nil || !bytes.Equal(have, b[at:at+uint64(n)]) {
			t.Fatalf("%d bytes at %d: %v", n, at, err)
		}
		if forward {
			at += uint64(n)
		} else {
			at -= min(at, uint64(n))
		}
	}
	for i := range w.slots {
		if c := cap(w.slots[i].buf); c > windowMax {
			t.Errorf("a window of %d bytes", c)
		}
	}
	for _, at := range []uint64{1 << 40, 1 << 63, ^uint64(0)} {
		if _, err := w.at(at, 100); !errors.Is(err, ErrUnwritten) {
			t.Errorf("at %d: %v", at, err)
		}
	}

	// In sequence, it reads by large pieces, either way.
	for _, backwards := range []bool{false, true} {
		m.reads, w = 0, windows{r: m}
		for i := range uint64(len(b) / 64) {
			at := i * 64
			if backwards {
				at = uint64(len(b)) - 64 - at
			}
			if _, err := w.at(at, 64); err != nil {
				t.Fatal(err)
			}
		}
		if m.reads > 25 {
			t.Errorf("backwards %v: %d reads", backwards, m.reads)
		}
	}
}

// TestCache keeps what is asked for, and not more than it may.
func TestCache(t *testing.T) {
	var c cache
	often := &Data{Name: "OFTEN"}
	c.put(8, often)
	for i := range uint64(10 * cacheData) {
		off := 16 + 8*i
		c.put(off, &Data{ID: off})
		if d := c.get(off); d == nil || d.ID != off {
			t.Fatalf("%d is not there", off)
		}
		if i%1000 == 0 && c.get(8) != often {
			t.Fatal("what is asked for often is forgotten")
		}
		if c.young.n > cacheData+1 || c.old.n > cacheData+1 {
			t.Fatalf("%d and %d are kept", c.young.n, c.old.n)
		}
	}
	if c.get(16) != nil {
		t.Error("the first is kept")
	}
	for i := range uint64(100) {
		c.put(1<<40+8*i, &Data{Value: strings.Repeat("x", 1<<20)})
	}
	if c.young.n > 9 || c.old.n > 9 {
		t.Errorf("%d and %d of a megabyte are kept", c.young.n, c.old.n)
	}
}

// TestText makes strings that stay as they are.
func TestText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var x text
	var have, want []string
	for range 5000 {
		b := make([]byte, r.IntN(200))
		if r.IntN(50) == 0 {
			b = make([]byte, r.IntN(2*textBlock))
		}
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		want = append(want, string(b))
		have = append(have, x.add(b))
		clear(b)
	}
	for i := range want {
		if have[i] != want[i] {
			t.Fatalf("string %d has changed", i)
		}
	}
}

func TestParseCursor(t *testing.T) {
	const good = "s=c00000000000000000000000000000de;i=1f;b=b0000000000000000000000000000001;m=3e8;t=60a24181e4000;x=9ec36668d74314ac"
	c, err := ParseCursor(good)
	must(t, err)
	equal(t, "cursor", c, Cursor{SeqnumID: chainID, Seqnum: 31, BootID: boots[0], Monotonic: 1000, Realtime: 1_700_000_000_000_000, Xor: 0x9ec36668d74314ac})
	equal(t, "text", c.String(), good)
	e := Entry{SeqnumID: c.SeqnumID, Seqnum: c.Seqnum, BootID: c.BootID, Monotonic: c.Monotonic, Realtime: c.Realtime, Xor: c.Xor}
	equal(t, "appended", string(e.AppendCursor([]byte("at "))), "at "+good)
	items := strings.Split(good, ";")
	for i, other := range []int{5, 3, 4, 1, 2, 0} {
		items[i], items[other] = items[other], items[i]
		d, err := ParseCursor(strings.Join(items, ";"))
		must(t, err)
		equal(t, "in another order", d, c)
	}
	for text, want := range map[string]string{
		"":                                       `cannot read cursor "": "" is not KEY=value`,
		good + ";":                               `"" is not KEY=value`,
		good + ";y=1":                            `there is no key "y"`,
		good + ";x=1":                            `key "x" is there twice`,
		good[:len(good)-19]:                      `key "x" is missing`,
		strings.Replace(good, "i=1f", "i=1F", 1): `"1F" is no value of "i"`,
		strings.Replace(good, "i=1f", "i=+1", 1): `"+1" is no value of "i"`,
		strings.Replace(good, "i=1f", "i=0", 1):  `it names no entry`,
		strings.Replace(good, "m=3e8", "m=12345678901234567", 1): `"12345678901234567" is no value of "m"`,
		strings.Replace(good, "s=c0", "s=C0", 1):                 `is no value of "s"`,
		strings.Replace(good, "s=c0", "s=c", 1):                  `is no value of "s"`,
		"s=" + strings.Repeat("x", 5000):                         `is no value of "s"`,
	} {
		if _, err := ParseCursor(text); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 1000 {
			t.Errorf("%q: have %v, want %s", clip(text), err, want)
		}
	}
}

func TestParseID(t *testing.T) {
	id, err := ParseID("c00000000000000000000000000000de")
	must(t, err)
	equal(t, "id", id, ID(chainID))
	equal(t, "text", id.String(), "c00000000000000000000000000000de")
	equal(t, "zero", id.IsZero(), false)
	equal(t, "zero", ID{}.IsZero(), true)
	for _, s := range []string{"", "c0", "C00000000000000000000000000000de", "c00000000000000000000000000000de0", "g00000000000000000000000000000de"} {
		if _, err := ParseID(s); err == nil || err.Error() != fmt.Sprintf("cannot read id %q: want 32 hexadecimal digits", s) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// TestClone keeps an entry while its fields are used again.
func TestClone(t *testing.T) {
	m := makeFile(layouts[1], 2, 1)
	f, _ := m.open(t)
	var e Entry
	_, err := f.Next(&e)
	must(t, err)
	c := e.Clone()
	_, err = f.Next(&e)
	must(t, err)
	equal(t, "clone", words(&c), words(&m.entries[0]))
	equal(t, "priority", c.Get("PRIORITY") != "", true)
	equal(t, "nothing", c.Get("NONE"), "")
}
