package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// TestFormats reads the same entries from every format, both ways.
func TestFormats(t *testing.T) {
	for _, format := range formats() {
		t.Run(fmt.Sprintf("%+v", format), func(t *testing.T) {
			m := makeFile(format, 150, 1)
			f, _ := m.open(t)
			sameEntries(t, readAll(t, f, f.Next), m.entries)
			sameEntries(t, readAll(t, f, f.Previous), reversed(m.entries[:149])) // it stands at the last
			f.SeekTail()
			sameEntries(t, readAll(t, f, f.Previous), reversed(m.entries))
			h := f.Header()
			equal(t, "seqnum id", h.SeqnumID, ID(chainID))
			equal(t, "state", h.State, StateArchived)
			equal(t, "entries", h.Entries, 150)
			equal(t, "tail", h.TailSeqnum, m.entries[149].Seqnum)
		})
	}
}

// TestRemote reads what systemd-journal-remote has written in the formats that it can be told to write.
func TestRemote(t *testing.T) {
	for _, env := range [][]string{
		nil,
		{"SYSTEMD_JOURNAL_COMPACT=0"},
		{"SYSTEMD_JOURNAL_KEYED_HASH=0"},
		{"SYSTEMD_JOURNAL_COMPACT=0", "SYSTEMD_JOURNAL_KEYED_HASH=0"},
	} {
		t.Run(strings.Join(env, " "), func(t *testing.T) {
			for _, s := range env {
				name, value, _ := strings.Cut(s, "=")
				t.Setenv(name, value)
			}
			dir := t.TempDir()
			o := journalgen.Defaults(3000)
			o.Large = 0.005
			messages, err := journalgen.Write(dir, o)
			must(t, err)
			f, err := Open(filepath.Join(dir, "system.journal"), Options{})
			must(t, err)
			defer f.Close()
			es := readAll(t, f, f.Next)
			equal(t, "entries", len(es), 3000)
			for _, m := range messages {
				if m.Parts == 1 && !strings.Contains(es[m.First].Get("MESSAGE"), fmt.Sprintf("sq#%08d", m.Seq)) {
					t.Fatalf("entry %d is %q, want message %d", m.First, es[m.First].Get("MESSAGE"), m.Seq)
				}
			}
			h := f.Header()
			equal(t, "compact", h.Incompatible&FlagCompact == 0, slices.Contains(env, "SYSTEMD_JOURNAL_COMPACT=0"))
			equal(t, "keyed hash", h.Incompatible&FlagKeyedHash == 0, slices.Contains(env, "SYSTEMD_JOURNAL_KEYED_HASH=0"))
			for _, name := range []string{"_TRANSPORT", "PRIORITY", "CONTAINER_NAME"} {
				want := map[string]bool{}
				for i := range es {
					for _, fl := range es[i].Fields {
						if fl.Name == name {
							want[fl.Value] = true
						}
					}
				}
				have := map[string]bool{}
				for v, err := range f.Values(name) {
					must(t, err)
					have[v] = true
				}
				equal(t, "values of "+name, fmt.Sprint(have), fmt.Sprint(want))
			}
		})
	}
}

// TestSharedData looks that what entries share is one thing, and what they do not is none.
func TestSharedData(t *testing.T) {
	m := makeFile(journalgen.Format{}, 100, 3)
	f, _ := m.open(t)
	seen := map[string]*Data{}
	ids := map[uint64]string{}
	for _, e := range readAll(t, f, f.Next) {
		for _, fl := range e.Fields {
			text := fl.Name + "=" + fl.Value
			if fl.Name == "MESSAGE" {
				equal(t, "data of "+text, fl.Data, nil)
				continue
			}
			if fl.Data == nil {
				continue // one entry has it
			}
			if d := seen[text]; d != nil && d != fl.Data {
				t.Errorf("%q is there twice", text)
			}
			seen[text] = fl.Data
			if was, ok := ids[fl.Data.ID]; ok && was != text {
				t.Errorf("%q and %q have one id", was, text)
			}
			ids[fl.Data.ID] = text
			equal(t, "shared text", fl.Data.Name+"="+fl.Data.Value, text)
		}
	}
	if seen["_TRANSPORT=journal"] == nil {
		t.Error("what all entries have is not shared")
	}
}

// TestMaxField cuts fields, packed or not.
func TestMaxField(t *testing.T) {
	for _, c := range []journalgen.Compression{journalgen.None, journalgen.XZ, journalgen.LZ4, journalgen.ZSTD} {
		image := journalgen.NewImage(journalgen.Format{Compression: c}, fileID, machine, chainID)
		long := "LONG=" + strings.Repeat("0123456789", 300_000)
		image.Append(journalgen.ImageEntry{Seqnum: 1, Realtime: 1, Boot: boots[0], Fields: [][]byte{[]byte("A=b"), []byte(long)}})
		for _, max := range []uint64{0, 1, 1024, 1025, 65_536, 1 << 20, 4 << 20, 1 << 40} {
			f, err := NewFile(&memory{b: image.Bytes(journalgen.Archived)}, Options{MaxField: max})
			must(t, err)
			var e Entry
			ok, err := f.Next(&e)
			must(t, err)
			equal(t, "entry", ok, true)
			want := min(len(long), max64(max))
			equal(t, fmt.Sprintf("bytes at %d of compression %d", max, c), len(e.Get("LONG")), want-len("LONG="))
			equal(t, "text", strings.HasPrefix(long, "LONG="+e.Get("LONG")), true)
		}
	}
}

func max64(n uint64) int {
	switch {
	case n == 0:
		return 64 << 10
	case n < 1024:
		return 1024
	}
	return int(min(n, 64<<20))
}

// TestRefused looks at what is no journal file for us, and why.
func TestRefused(t *testing.T) {
	good := makeFile(journalgen.Format{}, 1, 1).Bytes(journalgen.Archived)
	with := func(at int, v ...byte) []byte {
		b := slices.Clone(good)
		copy(b[at:], v)
		return b
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "not a journal file: it has 0 bytes, a header takes 208"},
		{good[:207], "not a journal file: it has 207 bytes, a header takes 208"},
		{with(0, 'X'), `not a journal file: it begins with "XPKSHHRH"`},
		{with(12, 0x25), "cannot read a journal file with incompatible flags bit 5 (known are compressed-xz, compressed-lz4, keyed-hash, compressed-zstd, compact): a newer systemd has written it"},
		{with(15, 0x81), "cannot read a journal file with incompatible flags bit 24, bit 31 (known are compressed-xz, compressed-lz4, keyed-hash, compressed-zstd, compact): a newer systemd has written it"},
	} {
		_, err := NewFile(&memory{b: c.b}, Options{})
		if err == nil || err.Error() != c.want {
			t.Errorf("have %v, want %s", err, c.want)
		}
		var flags *FlagsError
		equal(t, "flags error", errors.As(err, &flags), strings.Contains(c.want, "flags"))
		equal(t, "no journal", errors.Is(err, ErrNoJournal), !strings.Contains(c.want, "flags"))
	}
	broken := errors.New("disk on fire")
	if _, err := NewFile(&memory{b: good, err: broken, bad: -1}, Options{}); !errors.Is(err, broken) {
		t.Errorf("have %v, want %v", err, broken)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("have %v", err)
	}
}

// TestLive reads a file while it is written, step by step.
func TestLive(t *testing.T) {
	for _, format := range []journalgen.Format{{}, {Compact: true, KeyedHash: true, Compression: journalgen.ZSTD}} {
		m := makeFile(format, 0, 5)
		r := &memory{b: m.Bytes(journalgen.Online)}
		f := openMemory(t, r)
		source := newSource(5)
		var e Entry
		for n := range 200 {
			before := r.reads
			ok, err := f.Next(&e)
			must(t, err)
			equal(t, "an entry that is not there", ok, false)
			if n > 0 {
				equal(t, "reads to see that", r.reads-before, 1)
			}
			for range 1 + n%3 {
				m.add(source)
			}
			r.b = m.Bytes(journalgen.Online)
			for k := n % 3; k >= 0; k-- {
				ok, err = f.Next(&e)
				must(t, err)
				equal(t, "a new entry", ok, true)
				want := m.entries[len(m.entries)-1-k]
				if words(&e) != words(&want) {
					t.Fatalf("have %s, want %s", words(&e), words(&want))
				}
			}
		}
		f.SeekTail()
		sameEntries(t, readAll(t, f, f.Previous), reversed(m.entries))
	}
}

// TestWhileWritten reads a file while systemd-journal-remote writes it, as fast as both can.
func TestWhileWritten(t *testing.T) {
	const entries = 20_000
	dir := t.TempDir()
	w, err := journalgen.Open(dir)
	must(t, err)
	written := make(chan error, 1)
	go func() {
		err := w.Feed(context.Background(), journalgen.New(journalgen.Defaults(entries)), 0, 0)
		written <- errors.Join(err, w.Close())
	}()
	f, err := Open(filepath.Join(dir, "system.journal"), Options{})
	must(t, err)
	defer f.Close()
	var e Entry
	for n, since := 0, time.Now(); n < entries; {
		ok, err := f.Next(&e)
		var bad *EntryError
		switch {
		case errors.As(err, &bad) && bad.Again:
		case err != nil:
			t.Fatal(err)
		case ok:
			n++
			since = time.Now()
			if e.Seqnum != uint64(n) || len(e.Fields) < 5 {
				t.Fatalf("entry %d is %d, with %d fields", n, e.Seqnum, len(e.Fields))
			}
		}
		if !ok && time.Since(since) > time.Minute {
			t.Fatalf("nothing after entry %d", n)
		}
	}
	must(t, <-written)
}
