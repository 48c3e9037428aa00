package journal

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
)

// seekTo seeks and reads both ways from there.
func seekTo(t *testing.T, f *File, what string, seek func(), down, up []Entry) {
	t.Helper()
	for _, way := range []struct {
		name string
		step func(*Entry) (bool, error)
		want []Entry
	}{{"next", f.Next, down}, {"previous", f.Previous, up}} {
		seek()
		var e Entry
		ok, err := way.step(&e)
		must(t, err)
		if ok != (len(way.want) > 0) || ok && words(&e) != words(&way.want[0]) {
			t.Errorf("%s, %s: have %v %d, want %s", what, way.name, ok, e.Seqnum, clip(numbered(way.want)))
		}
		if ok && !f.At(way.want[0].Cursor()) {
			t.Errorf("%s, %s: not at what it has read", what, way.name)
		}
	}
}

// TestSeek compares every seek with a look at all entries.
func TestSeek(t *testing.T) {
	for i, format := range formats() {
		m := makeFile(format, 1+17*i, uint64(i))
		f, r := m.open(t)
		unhashed := &memory{b: slices.Clone(r.b)}
		put64(unhashed.b, 104, 16) // the hash table is in the header
		noTable := openMemory(t, unhashed)
		es := m.entries
		first := func(wanted func(e *Entry) bool) (down []Entry) {
			if k := indexOf(es, wanted); k >= 0 {
				down = es[k:]
			}
			return down
		}
		last := func(wanted func(e *Entry) bool) (up []Entry) {
			up = reversed(es)
			if k := indexOf(up, wanted); k >= 0 {
				return up[k:]
			}
			return nil
		}
		seekTo(t, f, "head", f.SeekHead, es, nil)
		seekTo(t, f, "tail", f.SeekTail, nil, reversed(es))
		head, tail := &es[0], &es[len(es)-1]
		for n := head.Seqnum - 2; n <= tail.Seqnum+2; n++ {
			seekTo(t, f, fmt.Sprint("number ", n), func() { f.SeekSeqnum(n) },
				first(func(e *Entry) bool { return e.Seqnum >= n }), last(func(e *Entry) bool { return e.Seqnum <= n }))
		}
		seekTo(t, f, "the last number", func() { f.SeekSeqnum(^uint64(0)) }, nil, reversed(es))
		for n := head.Realtime - 2; n <= tail.Realtime+2; n++ {
			seekTo(t, f, fmt.Sprint("time ", n), func() { f.SeekRealtime(n) },
				first(func(e *Entry) bool { return e.Realtime >= n }), last(func(e *Entry) bool { return e.Realtime <= n }))
		}
		for _, boot := range boots {
			if !slices.ContainsFunc(es, func(e Entry) bool { return e.BootID == boot }) {
				seekTo(t, f, "no boot", func() { f.SeekMonotonic(boot, 0) }, nil, reversed(es))
				continue
			}
			// The boots come one after the other.
			after := slices.Index(boots, boot)
			for n := uint64(490); n < 1200; n += 3 {
				f := f
				if n%2 == 0 {
					f = noTable
				}
				at := func(e *Entry) int { return slices.Index(boots, e.BootID) }
				seekTo(t, f, fmt.Sprintf("%d since boot %d", n, after), func() { f.SeekMonotonic(boot, n) },
					first(func(e *Entry) bool { return at(e) > after || at(e) == after && e.Monotonic >= n }),
					last(func(e *Entry) bool { return at(e) < after || at(e) == after && e.Monotonic <= n }))
			}
		}
		for k := range es {
			c := es[k].Cursor()
			seekTo(t, f, "cursor", func() { f.SeekCursor(c) }, es[k:], reversed(es[:k+1]))
			c.SeqnumID = noBoot
			if up := last(func(e *Entry) bool { return e.BootID == c.BootID && e.Monotonic <= c.Monotonic }); len(up) > 0 {
				seekTo(t, f, "cursor of another chain", func() { f.SeekCursor(c) },
					first(func(e *Entry) bool { return e.BootID == c.BootID && e.Monotonic >= c.Monotonic }), up)
			}
			c.BootID = noBoot
			seekTo(t, f, "cursor of another boot", func() { f.SeekCursor(c) },
				first(func(e *Entry) bool { return e.Realtime >= c.Realtime }), last(func(e *Entry) bool { return e.Realtime <= c.Realtime }))
		}
	}
}

func indexOf(es []Entry, wanted func(e *Entry) bool) int {
	return slices.IndexFunc(es, func(e Entry) bool { return wanted(&e) })
}

// TestEmpty seeks in a file without entries.
func TestEmpty(t *testing.T) {
	f, _ := makeFile(journalgen.Format{}, 0, 1).open(t)
	for _, seek := range []func(){func() {}, f.SeekHead, f.SeekTail, func() { f.SeekSeqnum(1) }, func() { f.SeekRealtime(1) },
		func() { f.SeekMonotonic(boots[0], 1) }, func() { f.SeekCursor(Cursor{SeqnumID: chainID}) }} {
		seekTo(t, f, "nothing", seek, nil, nil)
	}
	for v, err := range f.Values("MESSAGE") {
		t.Error(v, err)
	}
}

// TestSeekTailThenNew goes on with what is written after a seek.
func TestSeekTailThenNew(t *testing.T) {
	m := makeFile(journalgen.Format{}, 10, 1)
	f, r := m.open(t)
	f.SeekTail()
	var e Entry
	ok, err := f.Next(&e)
	must(t, err)
	equal(t, "an entry", ok, false)
	m.add(newSource(9))
	r.b = m.Bytes(journalgen.Online)
	sameEntries(t, readAll(t, f, f.Next), m.entries[10:])
}

// TestAt tells cursors that differ in one thing.
func TestAt(t *testing.T) {
	m := makeFile(journalgen.Format{}, 3, 1)
	f, _ := m.open(t)
	c := m.entries[0].Cursor()
	equal(t, "at nothing", f.At(c), false)
	var e Entry
	_, err := f.Next(&e)
	must(t, err)
	equal(t, "at it", f.At(c), true)
	for _, other := range []func(c *Cursor){
		func(c *Cursor) { c.SeqnumID[3]++ }, func(c *Cursor) { c.Seqnum++ }, func(c *Cursor) { c.BootID[0]++ },
		func(c *Cursor) { c.Monotonic++ }, func(c *Cursor) { c.Realtime++ }, func(c *Cursor) { c.Xor++ },
	} {
		d := c
		other(&d)
		equal(t, "at "+d.String(), f.At(d), false)
	}
	f.SeekHead()
	equal(t, "at it after a seek", f.At(c), false)
}

// TestMatch compares filters with a look at all entries.
func TestMatch(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for i, format := range formats() {
		m := makeFile(format, 150, uint64(i))
		f, _ := m.open(t)
		var terms []string
		for _, e := range m.entries {
			for _, fl := range e.Fields {
				terms = append(terms, fl.Name+"="+fl.Value)
			}
		}
		terms = append(terms, "NONE=", "PRIORITY=9", "LONG=none", "EMPTY=x")
		common := []string{"_TRANSPORT=journal", "TAG=0", "TAG=1", "TAG=2", "PRIORITY=3", "PRIORITY=4", "EMPTY=", "UNIT=unit-3.service"}
		for range 30 {
			var fl Filter
			for range r.IntN(3) {
				var g Group
				for range r.IntN(3) {
					var t Term
					for range r.IntN(4) {
						from := common
						if r.IntN(4) == 0 {
							from = terms
						}
						t = append(t, from[r.IntN(len(from))])
					}
					g = append(g, t)
				}
				fl = append(fl, g)
			}
			var want []Entry
			for _, e := range m.entries {
				if fits(fl, &e) {
					want = append(want, e)
				}
			}
			must(t, f.Match(fl))
			f.SeekHead()
			equal(t, fmt.Sprintf("matches of %.300q", fl), numbered(readAll(t, f, f.Next)), numbered(want))
			f.SeekTail()
			equal(t, fmt.Sprintf("matches of %.300q backwards", fl), numbered(readAll(t, f, f.Previous)), numbered(reversed(want)))
		}
		must(t, f.Match(nil))
		f.SeekHead()
		sameEntries(t, readAll(t, f, f.Next), m.entries)
	}
}

// fits is what a Filter means, word by word.
func fits(fl Filter, e *Entry) bool {
	has := func(m string) bool {
		return slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Name+"="+f.Value == m })
	}
	for _, g := range fl {
		passes, terms := false, 0
		for _, t := range g {
			if len(t) == 0 {
				continue
			}
			terms++
			all := true
			for _, m := range t {
				name, _, _ := strings.Cut(m, "=")
				all = all && slices.ContainsFunc(t, func(o string) bool { return strings.HasPrefix(o, name+"=") && has(o) })
			}
			passes = passes || all
		}
		if !passes && terms > 0 {
			return false
		}
	}
	return true
}

// TestMatchLive finds what was not in the file when the match was made.
func TestMatchLive(t *testing.T) {
	m := makeFile(journalgen.Format{}, 30, 1)
	f, r := m.open(t)
	must(t, f.Match(Filter{{{"NEW=yes"}}}))
	sameEntries(t, readAll(t, f, f.Next), nil)
	m.Append(journalgen.ImageEntry{Seqnum: 1000, Realtime: 1_800_000_000_000_000, Monotonic: 5000, Boot: boots[0], Fields: [][]byte{[]byte("NEW=yes")}})
	m.add(newSource(7))
	r.b = m.Bytes(journalgen.Online)
	es := readAll(t, f, f.Next)
	equal(t, "matching", numbered(es), "1000 ")
}

// TestMatchDamaged compares fields where the hash table does not help.
func TestMatchDamaged(t *testing.T) {
	m := makeFile(journalgen.Format{}, 60, 1)
	_, r := m.open(t)
	put64(r.b, 104, 16) // the table is in the header now
	f := openMemory(t, r)
	for _, match := range []string{"TAG=1", "PRIORITY=3", "TAG=none"} {
		var want []Entry
		for _, e := range m.entries {
			if fits(Filter{{{match}}}, &e) {
				want = append(want, e)
			}
		}
		must(t, f.Match(Filter{{{match}}}))
		f.SeekHead()
		sameEntries(t, readAll(t, f, f.Next), want)
	}
}

func TestMatchRefused(t *testing.T) {
	f, _ := makeFile(journalgen.Format{}, 1, 1).open(t)
	for _, match := range []string{"", "x", "=", "=x", "__CURSOR=x", "a=b", "A B=c", "É=x", "A-B=c"} {
		err := f.Match(Filter{{{match}}})
		want := fmt.Sprintf("cannot use match %q: want FIELD=value, with a field name of A-Z, 0-9 and _", match)
		if err == nil || err.Error() != want {
			t.Errorf("have %v, want %s", err, want)
		}
	}
}
