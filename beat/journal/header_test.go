package journal

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestHeader(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 30), series(31, 50))
	var chain string
	f := func(path string, state uint8, head, tail uint64) {
		t.Helper()
		file, err := os.Open(path)
		must(t, err)
		defer file.Close()
		h, err := readHeader(file)
		must(t, err)
		equal(t, "state", h.State, state)
		equal(t, "head", h.HeadSeqnum, head)
		equal(t, "tail", h.TailSeqnum, tail)
		equal(t, "entries", h.Entries, tail-head+1)
		equal(t, "contiguous", h.contiguous(), true)
		equal(t, "head's time", h.HeadRealtime, testStart+head*1000)
		equal(t, "tail's time", h.TailRealtime, testStart+tail*1000)
		info, err := file.Stat()
		must(t, err)
		equal(t, "size", h.promises(), uint64(info.Size()))
		if chain != "" {
			equal(t, "seqnum_id", h.SeqnumID, chain)
		}
		chain = h.SeqnumID
	}
	f(files[0], stateArchived, 1, 30)
	f(files[1], stateOffline, 31, 50)
}

func TestHeaderErrors(t *testing.T) {
	good := make([]byte, headerMin)
	copy(good, headerSignature)
	f := func(name, want string, change func(b []byte) []byte) {
		t.Helper()
		_, err := parseHeader(change(bytes.Clone(good)))
		if have := errorText(err); have != want {
			t.Errorf("%s: error is %q, want %q", name, have, want)
		}
	}
	f("good", "", func(b []byte) []byte { return b })
	f("all flags known", "", func(b []byte) []byte { b[12] = 0x1f; return b })
	f("unknown flag", "incompatible flag 0x20 is unknown (known are compressed-xz, compressed-lz4, keyed-hash, compressed-zstd, compact): a newer systemd has written it",
		func(b []byte) []byte { b[12] = 0x3f; return b })
	f("signature", `not a journal file: it begins with "LPKSHHRh"`, func(b []byte) []byte { b[7] = 'h'; return b })
	f("short", "not a journal file: it has 207 bytes, a header takes 208", func(b []byte) []byte { return b[:headerMin-1] })
	f("nothing", "not a journal file: it has 0 bytes, a header takes 208", func([]byte) []byte { return nil })
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// What a mended header promises is what the copy will have, and it can be read.
func FuzzHeader(f *testing.F) {
	good := make([]byte, headerMax)
	copy(good, headerSignature)
	f.Add(good, uint64(8<<20))
	f.Add([]byte(headerSignature), uint64(8))
	f.Add(bytes.Repeat([]byte{0xff}, headerMax), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, size uint64) {
		h, err := parseHeader(b)
		_ = h.promises()
		_ = h.contiguous()
		if err == nil && (len(h.SeqnumID) != 32 || len(h.FileID) != 32) {
			t.Errorf("ids are %q and %q", h.SeqnumID, h.FileID)
		}
		if len(b) < headerMin {
			return
		}
		size %= maxCopy
		full, err := mendHeader(b, size)
		if err != nil {
			return
		}
		h, err = parseHeader(b)
		if err != nil {
			t.Fatalf("the mended header cannot be read: %v", err)
		}
		if full < size || h.promises() != full && full >= h.Size || h.State > stateArchived || h.TailObject > full || h.TailObject%8 != 0 {
			t.Errorf("a file of %d bytes is mended to %d with %+v", size, full, h)
		}
	})
}

func TestFlagNames(t *testing.T) {
	f := func(flags uint32, want string) {
		t.Helper()
		equal(t, "names", flagNames(flags), want)
	}
	f(0, "")
	f(1<<2|1<<4, "keyed-hash, compact")
	f(1<<31, "")
	f(^uint32(0), strings.Join(incompatibleFlags, ", "))
}
