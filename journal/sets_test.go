package journal_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// rounds is how many journals, or entries, a test takes.
func rounds(n int) int {
	if os.Getenv("PODBEAT_SOAK") == "1" {
		return 10 * n
	}
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A set is a small journal of several files, and what can be asked of it.
type set struct {
	files   []string
	sorted  bool // clocks only go forward, and no two entries have the same time
	entries int
	times   []uint64
	matches []string // FIELD=value that occur
}

// A chain of sequence numbers, while it is made.
type testChain struct {
	id, machine [16]byte
	image       *journalgen.Image
	seqnum      uint64
	name        string
	files       int
}

// longValues are compressed when they are at least 512 bytes long, and cut by a reader's limit of 64 KiB.
var longValues = func() []string {
	var v []string
	for _, n := range []int{500, 600, 4000, 65_529, 65_536, 70_000, 200_000} {
		v = append(v, strings.Repeat("it compresses well ", n/19+1)[:n])
	}
	return v
}()

func randomID(rnd *rand.Rand) (id [16]byte) {
	for i := range id {
		id[i] = byte(rnd.Uint32())
	}
	return id
}

func randomFormat(rnd *rand.Rand) journalgen.Format {
	return journalgen.Format{
		Compact: rnd.IntN(2) == 0, KeyedHash: rnd.IntN(2) == 0, Compression: journalgen.Compression(rnd.IntN(4)),
		Buckets: 1 + rnd.IntN(80), HeaderSize: []int{208, 224, 240, 256, 264, 272}[rnd.IntN(6)],
		Threshold: []int{0, 8, 512, 100}[rnd.IntN(4)],
	}
}

// randomSet makes a journal in dir: chains that interleave, boots, files archived, online and crashed, in every format.
func randomSet(t testing.TB, rnd *rand.Rand, dir string, entries int) *set {
	t.Helper()
	s := &set{sorted: rnd.IntN(4) > 0, entries: rnd.IntN(entries + 1)}
	machine := randomID(rnd)
	chains := make([]*testChain, 1+rnd.IntN(4))
	for i := range chains {
		chains[i] = &testChain{id: randomID(rnd), machine: machine, name: []string{"system", "user-1000", "remote-a", "user-7"}[i], seqnum: uint64(rnd.IntN(3) * 1000)}
		chains[i].image = journalgen.NewImage(randomFormat(rnd), randomID(rnd), machine, chains[i].id)
	}
	save := func(c *testChain, state byte) {
		name := c.name
		switch state {
		case journalgen.Archived:
			name += fmt.Sprintf("@%x-%016x", c.id, c.files)
		case journalgen.Offline:
			name += fmt.Sprintf("@offline-%d", c.files)
		}
		c.files++
		path := filepath.Join(dir, name+".journal")
		if state == journalgen.Online && rnd.IntN(3) == 0 {
			path = filepath.Join(dir, fmt.Sprintf("%s@%d.journal~", name, c.files))
		}
		b := c.image.Bytes(state)
		write := func(path string) {
			if err := os.WriteFile(path, b, 0o644); err != nil {
				t.Fatal(err)
			}
			s.files = append(s.files, path)
		}
		write(path)
		if rnd.IntN(15) == 0 {
			write(filepath.Join(dir, fmt.Sprintf("copy-%s-%d.journal", name, c.files)))
		}
	}
	realtime, boot, bootTime := uint64(1_700_000_000_000_000), randomID(rnd), uint64(1_699_999_990_000_000)
	for i := range s.entries {
		realtime += 1 + uint64(rnd.ExpFloat64()*1000)
		switch {
		case rnd.IntN(40) == 0:
			boot, bootTime = randomID(rnd), realtime-uint64(rnd.IntN(1_000_000))
			realtime += 1000
		case !s.sorted && rnd.IntN(10) == 0:
			realtime -= uint64(rnd.IntN(5000))
		case !s.sorted && rnd.IntN(10) == 0:
			bootTime += uint64(rnd.IntN(5000))
		}
		bootTime = min(bootTime, realtime-1)
		s.times = append(s.times, realtime)
		c := chains[rnd.IntN(len(chains))]
		if rnd.IntN(20) == 0 {
			save(c, byte(rnd.IntN(3)))
			c.image = journalgen.NewImage(randomFormat(rnd), randomID(rnd), machine, c.id)
		}
		c.seqnum++
		if rnd.IntN(30) == 0 {
			c.seqnum += uint64(rnd.IntN(5))
		}
		e := journalgen.ImageEntry{Seqnum: c.seqnum, Realtime: realtime, Monotonic: realtime - bootTime, Boot: boot, Fields: randomFields(rnd, i, boot)}
		c.image.Append(e)
		for range 2 {
			if f := e.Fields[rnd.IntN(len(e.Fields))]; len(f) < 1000 {
				s.matches = append(s.matches, string(f))
			}
		}
		if other := chains[rnd.IntN(len(chains))]; other != c && rnd.IntN(25) == 0 {
			other.seqnum++
			e.Seqnum = other.seqnum
			other.image.Append(e)
		}
	}
	for _, c := range chains {
		save(c, journalgen.Online)
	}
	return s
}

// randomFields are what an entry has: shared values, its own, and what is rare.
func randomFields(rnd *rand.Rand, i int, boot [16]byte) [][]byte {
	fields := [][]byte{
		[]byte("_BOOT_ID=" + hex.EncodeToString(boot[:])),
		fmt.Appendf(nil, "MESSAGE=message %d says %x", i, rnd.Uint64()),
		fmt.Appendf(nil, "PRIORITY=%d", rnd.IntN(8)),
		fmt.Appendf(nil, "_SYSTEMD_UNIT=unit%d.service", rnd.IntN(5)),
	}
	for k := range rnd.IntN(8) {
		fields = append(fields, fmt.Appendf(nil, "F%d=%d", k, rnd.IntN(1+k*k)))
	}
	add := func(one int, text string) {
		if rnd.IntN(one) == 0 {
			fields = append(fields, []byte(text))
		}
	}
	add(10, "EMPTY=")
	add(10, "BINARY=\x00\xff\n=\x1b")
	add(10, "REPEATED=1")
	add(10, "REPEATED=2")
	add(10, "REPEATED=1") // once more: the file has it once
	add(20, "LONG="+longValues[rnd.IntN(len(longValues))])
	add(20, "SHARED="+longValues[0])
	if rnd.IntN(30) == 0 {
		b := make([]byte, 300+rnd.IntN(3000))
		for k := range b {
			b[k] = byte(rnd.Uint32())
		}
		fields = append(fields, append([]byte("RANDOM="), b...))
	}
	return fields
}
