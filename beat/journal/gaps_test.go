package journal

import (
	"fmt"
	"path/filepath"
	"testing"

	"os"
)

// see feeds numbers of one chain; negative ones are promises of a header.
func see(g *gaps, n *numbers, seqnums ...int) {
	for _, s := range seqnums {
		if s < 0 {
			g.promise(n, uint64(-s))
		} else {
			g.see(n, uint64(s), testBoot)
		}
	}
}

func TestGaps(t *testing.T) {
	f := func(want uint64, seqnums ...int) {
		t.Helper()
		m := readerMetrics(t)
		see(newGaps(m, true), &numbers{}, seqnums...)
		equal(t, fmt.Sprintf("gaps of %v", seqnums), m.gaps.Get(), want)
	}
	f(0)
	f(0, 5, 6, 7)
	f(1, 5, 7)
	f(0, 5, 7, 6)
	f(0, 5, 7, 6, 6, 6)
	f(2, 5, 9, 7)
	f(7, 1, 5, 10)
	f(0, 1, 5, 2, 3, 4)
	f(0, 5, 4, 3)
	f(3, 1, 2, -5)
	f(0, 1, 2, -5, 3, 4, 5)
	f(1, 1, 2, -5, 3, 4, -5)
	f(2, 1, 2, -5, 5)
	f(3, 1, 2, -5, 6)
	f(2, 1, 2, -5, -4)
	f(0, 1, 2, -1)
	f(0, -5)
	f(998, 1, 1000)
}

func TestGapsUnknown(t *testing.T) {
	m := readerMetrics(t)
	g := newGaps(m, true)
	var n numbers
	see(g, &n, 1, 2, 5)
	g.unknown()
	see(g, &n, 9, 20, -30)
	equal(t, "gaps.available", m.gapsKnown.Get(), false)
	equal(t, "gaps", m.gaps.Get(), 2)
	equal(t, "last", n.last, 20)
}

// Holes that are too old to be filled stay counted.
func TestGapsBounded(t *testing.T) {
	m := readerMetrics(t)
	g := newGaps(m, true)
	var n numbers
	for i := 1; i <= 4*maxHoles; i++ {
		see(g, &n, 2*i)
	}
	equal(t, "gaps", m.gaps.Get(), 4*maxHoles-1)
	if len(n.holes) > maxHoles {
		t.Errorf("%d holes are kept", len(n.holes))
	}
	see(g, &n, 3, 8*maxHoles-1)
	equal(t, "gaps", m.gaps.Get(), 4*maxHoles-2)
}

// One counter for the system's journal and the users': before systemd 254 each has its own seqnum_id.
func TestSharedCounter(t *testing.T) {
	dir := t.TempDir()
	const system, user = 1, 2
	owner := func(i int) int {
		if i%7 < 3 {
			return user
		}
		return system
	}
	// Numbers 1…60 in turns; 31…33 are in neither.
	write := func(who int, name string) {
		sub := t.TempDir()
		last := 0
		w := openJournal(t, sub)
		for i := 1; i <= 60; i++ {
			if owner(i) != who || i >= 31 && i <= 33 {
				continue
			}
			if i != last+1 { // the header says what the next number follows
				must(t, w.Close())
				f, err := os.OpenFile(filepath.Join(sub, "system.journal"), os.O_RDWR, 0)
				must(t, err)
				_, err = f.WriteAt(le.AppendUint64(nil, uint64(i-1)), 160)
				must(t, err)
				must(t, f.Close())
				w = openJournal(t, sub)
			}
			must(t, w.Append(nth(i).text()))
			last = i
		}
		must(t, w.Close())
		must(t, os.Rename(filepath.Join(sub, "system.journal"), filepath.Join(dir, name)))
	}
	write(system, "system.journal")
	write(user, "user-1000.journal")
	gs, m := readAll(t, testOptions(dir))
	equal(t, "read", ns(gs), "1-30 34-60")
	equal(t, "gaps", m.gaps.Get(), 3)
	equal(t, "files.corrupt", m.files.corrupt.Get(), 0)

	have, m := rest(t, testOptions(dir), gs[9].after)
	equal(t, "read after 10", have, "11-30 34-60")
	equal(t, "gaps", m.gaps.Get(), 3)

	// Names that are not journald's share nothing.
	must(t, os.Rename(filepath.Join(dir, "user-1000.journal"), filepath.Join(dir, "remote-a.journal")))
	gs, m = readAll(t, testOptions(dir))
	equal(t, "read", ns(gs), "1-30 34-60")
	if m.gaps.Get() < 50 {
		t.Errorf("gaps are %d", m.gaps.Get())
	}
}

func TestOrdinals(t *testing.T) {
	f := func(want uint64, lines ...string) {
		t.Helper()
		m := readerMetrics(t)
		g := newGaps(m, true)
		for _, line := range lines {
			var container, epoch, ordinal string
			fmt.Sscan(line, &container, &epoch, &ordinal)
			g.read(&Entry{Fields: fieldsOf("CONTAINER_LOG_ORDINAL", ordinal, "CONTAINER_LOG_EPOCH", epoch, "CONTAINER_ID_FULL", container)})
		}
		equal(t, fmt.Sprintf("ordinal gaps of %q", lines), m.gapsOrdinal.Get(), want)
	}
	f(0, "a e 7", "a e 8", "a e 9")
	f(2, "a e 7", "a e 10")
	f(0, "a e 7", "b e 10", "a e 8", "b e 11")
	f(0, "a e 7", "a f 1", "a f 2")
	f(1, "a e 7", "a f 1", "a f 3")
	f(0, "a e 7", "a e 9", "a e 8", "a e 10") // stdout and stderr overtake each other
	f(1, "a e 7", "a e 10", "a e 8", "a e 11")
	f(0, "a e 7", "a e 9000000000000000000", "a e 8", "a e 9") // a lie
	f(0, "a e 7", "a e x", "a e -1", "a e 99999999999999999999", "a e 8")
	f(0, "a e 7", "a e 7", "a e 3")
}

func TestOrdinalsBounded(t *testing.T) {
	g := newGaps(readerMetrics(t), true)
	for i := range 3 * maxContainers {
		g.ordinals.see(fmt.Sprint(i), "", 1)
	}
	equal(t, "containers", len(g.ordinals.last), maxContainers)
	equal(t, "containers", g.ordinals.recent.Len(), maxContainers)
}

func TestNotices(t *testing.T) {
	dir := t.TempDir()
	with := func(i int, message string, fields ...string) exported {
		e := nth(i, fields...)
		e.fields[0][1], e.fields[2][1] = message, "driver"
		return e
	}
	forged := with(5, "Suppressed 1000 messages from x.service", "MESSAGE_ID="+suppressedID)
	forged.fields[2][1] = "journal"
	makeJournal(t, dir, []exported{
		with(1, "Suppressed 42 messages from x.service", "MESSAGE_ID="+suppressedID),
		with(2, "Suppressed many messages from x.service", "MESSAGE_ID="+suppressedID, "N_DROPPED=7"),
		with(3, "Missed 13 kernel messages", "MESSAGE_ID="+missedID),
		with(4, "Missed messages", "MESSAGE_ID="+missedID),
		forged,
		with(6, "Suppressed 99999999999999999999 messages", "MESSAGE_ID="+suppressedID),
		with(7, "Suppressed 5 messages from x.service", "MESSAGE_ID=00000000000000000000000000000001"),
	})
	_, m := readAll(t, testOptions(dir))
	equal(t, "journald.suppressed", m.suppressed.Get(), 49)
	equal(t, "journald.missed", m.missed.Get(), 13)
}

func FuzzGaps(f *testing.F) {
	f.Add([]byte{1, 2, 3, 9, 4, 130, 5})
	f.Fuzz(func(t *testing.T, steps []byte) {
		m := readerMetrics(t)
		g := newGaps(m, true)
		var n numbers
		seen := map[uint64]bool{}
		first, last := uint64(0), uint64(0)
		for _, s := range steps {
			if s >= 128 {
				g.promise(&n, uint64(s-128))
				continue
			}
			if s == 0 {
				continue
			}
			if first == 0 {
				first = uint64(s)
			}
			seen[uint64(s)] = true
			last = max(last, uint64(s))
			g.see(&n, uint64(s), testBoot)
		}
		// Missing is what lies between the first number and the highest, seen or promised, and was not seen.
		want := n.promised.size()
		for i := first + 1; i < last; i++ {
			if !seen[i] {
				want++
			}
		}
		equal(t, fmt.Sprintf("gaps of %v", steps), m.gaps.Get(), want)
	})
}
