package journal

import (
	"bytes"
	"os"
	"testing"

	"github.com/podbeat/podbeat/journal"
)

func TestHeader(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 30), series(31, 50))
	var chain journal.ID
	f := func(path string, state journal.State, head, tail uint64) {
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
		if !chain.IsZero() {
			equal(t, "seqnum_id", h.SeqnumID, chain)
		}
		chain = h.SeqnumID
	}
	f(files[0], journal.StateArchived, 1, 30)
	f(files[1], journal.StateOffline, 31, 50)
}

// What a mended header promises is what the copy will have, and it can be read.
func FuzzHeader(f *testing.F) {
	good := make([]byte, headerShared)
	copy(good, headerSignature)
	f.Add(good, uint64(8<<20))
	f.Add([]byte(headerSignature), uint64(8))
	f.Add(bytes.Repeat([]byte{0xff}, headerShared), uint64(1))
	f.Fuzz(func(t *testing.T, b []byte, size uint64) {
		h, _ := readHeader(bytes.NewReader(b))
		_ = h.promises()
		_ = h.contiguous()
		if len(b) < headerMin {
			return
		}
		size %= maxCopy
		full, err := mendHeader(b, size)
		if err != nil {
			return
		}
		h, err = readHeader(bytes.NewReader(b))
		if err != nil {
			t.Fatalf("the mended header cannot be read: %v", err)
		}
		if full < size || h.promises() != full && full >= h.Size || h.State > journal.StateArchived || h.TailObject > full || h.TailObject%8 != 0 {
			t.Errorf("a file of %d bytes is mended to %d with %+v", size, full, h)
		}
	})
}
