package journalgen

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What an image says of itself is what systemd finds in it, in every format.
func TestImages(t *testing.T) {
	dir := t.TempDir()
	f := func(format Format) {
		t.Run(fmt.Sprintf("%+v", format), func(t *testing.T) {
			m := NewImage(format, [16]byte{1, 2}, [16]byte{3, 4}, [16]byte{5, 6})
			for i := range 300 {
				e := ImageEntry{Seqnum: uint64(i + 1), Realtime: 1_700_000_000_000_000 + uint64(i), Monotonic: uint64(i + 1), Boot: [16]byte{7}}
				e.Fields = append(e.Fields, []byte("PRIORITY=6"), fmt.Appendf(nil, "N=%d", i), fmt.Appendf(nil, "M=%d", i%7), []byte("LONG="+strings.Repeat("compress ", 300)),
					fmt.Appendf(nil, "UNEVEN%d=%s", i%40, strings.Repeat("x", i)))
				m.Append(e)
			}
			path := filepath.Join(dir, "x.journal")
			if err := os.WriteFile(path, m.Bytes(Archived), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("journalctl", "--verify", "--file", path).CombinedOutput(); err != nil {
				t.Errorf("journalctl --verify: %v\n%s", err, out)
			}
			out, err := exec.Command("journalctl", "-o", "cat", "-q", "--output-fields=LONG", "M=3", "--file", path).Output()
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Repeat(strings.Repeat("compress ", 300)+"\n", 43); !bytes.Equal(out, []byte(want)) {
				t.Errorf("journalctl M=3 gives %d bytes, want %d", len(out), len(want))
			}
		})
	}
	for _, compact := range []bool{false, true} {
		for _, keyed := range []bool{false, true} {
			for c := None; c <= ZSTD; c++ {
				f(Format{Compact: compact, KeyedHash: keyed, Compression: c})
			}
		}
	}
	f(Format{HeaderSize: 208, Threshold: 8, Compression: LZ4})
	f(Format{HeaderSize: 272, Buckets: 1, KeyedHash: true})
}
