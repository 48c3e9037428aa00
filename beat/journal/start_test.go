package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// after is the position after the n-th of the entries that dir has.
func after(t *testing.T, dir string, n int) position {
	t.Helper()
	gs, _ := readAll(t, testOptions(dir))
	return gs[n-1].after
}

// rest is what is read after a position.
func rest(t *testing.T, o *options, after position) (string, *metrics) {
	t.Helper()
	r, m := testReader(t, o, after)
	gs := readIdle(t, r)
	r.Close()
	return ns(gs), m
}

func TestResume(t *testing.T) {
	dir := t.TempDir()
	makeJournal(t, dir, series(1, 40), series(41, 50), series(51, 70))
	gs, _ := readAll(t, testOptions(dir))
	for _, n := range []int{1, 2, 39, 40, 41, 49, 50, 51, 69} {
		have, m := rest(t, testOptions(dir), gs[n-1].after)
		equal(t, fmt.Sprintf("read after %d", n), have, ns(gs[n:]))
		equal(t, "gaps", m.gaps.Get(), 0)
	}
	have, _ := rest(t, testOptions(dir), gs[69].after)
	equal(t, "read after the last", have, "")

	// Another program's position is a cursor alone.
	have, _ = rest(t, testOptions(dir), position{Cursor: gs[44].place().String()})
	equal(t, "read after a cursor", have, "46-70")

	// Filters do not change where reading goes on.
	o := testOptions(dir)
	o.IncludeMatches = []string{"PRIORITY=3"}
	have, m := rest(t, o, gs[44].after)
	equal(t, "read with a match", have, "51 59 67")
	equal(t, "gaps.available", m.gapsKnown.Get(), false)
}

// What lies ahead of a position has come out only if reading goes on there, and the journal has got as far.
func TestPlace(t *testing.T) {
	dir := t.TempDir()
	makeJournal(t, dir, series(1, 40))
	saved := after(t, dir, 10)
	chain := saved.at.SeqnumID
	f := func(mode, dir string, until uint64, want int) {
		t.Helper()
		o, from := testOptions(dir), saved
		o.Seek.Mode, o.CursorSeekFallback = mode, "head"
		from.ahead = &ahead{Until: map[string]uint64{chain: until}}
		r, _ := testReader(t, o, from)
		defer r.Close()
		place := r.place(from)
		have := 0
		if a := place.beyond(); a != nil {
			have = len(a.until())
		}
		equal(t, fmt.Sprintf("chains ahead of a position with %s, %d", mode, until), have, want)
	}
	f("cursor", dir, 30, 1)
	f("cursor", dir, 40, 1)
	f("cursor", dir, 41, 0)
	f("head", dir, 30, 0)
	f("tail", dir, 30, 0)
	other := t.TempDir()
	makeJournal(t, other, series(1, 5))
	f("cursor", other, 30, 0) // its chain is gone: reading goes on by time
}

// The saved position's entry is gone: the next number of its chain follows, and what is missing is counted.
func TestGoneByNumber(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 40), series(41, 50), series(51, 70))
	pos := after(t, dir, 30)
	must(t, os.Remove(files[0]))
	have, m := rest(t, testOptions(dir), pos)
	equal(t, "read", have, "41-70")
	equal(t, "gaps", m.gaps.Get(), 10)
	must(t, os.Remove(files[1]))
	have, m = rest(t, testOptions(dir), pos)
	equal(t, "read", have, "51-70")
	equal(t, "gaps", m.gaps.Get(), 20)
}

// The saved position's chain is gone: what is later follows.
func TestGoneByTime(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	makeJournal(t, dir, series(1, 100))
	makeJournal(t, other, series(31, 60), series(61, 80))
	f := func(n int, want string) {
		t.Helper()
		have, m := rest(t, testOptions(other), after(t, dir, n))
		equal(t, fmt.Sprintf("read after %d", n), have, want)
		equal(t, "gaps", m.gaps.Get(), 0)
	}
	f(1, "31-80")
	f(31, "32-80")
	f(45, "46-80")
	f(60, "61-80")
	f(75, "76-80")
	f(80, "31-80") // nothing is later: the fallback is head
}

// The position is from the future: of its chain, as when a disk is an older one, or of another.
func TestFromTheFuture(t *testing.T) {
	dir, old := t.TempDir(), t.TempDir()
	w := openJournal(t, dir)
	appendAll(t, w, series(1, 20)...)
	copyDir(t, dir, old)
	appendAll(t, w, series(21, 40)...)
	must(t, w.Close())
	pos := after(t, dir, 35)
	f := func(fallback, want string) {
		t.Helper()
		o := testOptions(old)
		o.CursorSeekFallback = fallback
		have, _ := rest(t, o, pos)
		equal(t, "read with fallback "+fallback, have, want)
	}
	f("head", "1-20")
	f("tail", "")
	o := testOptions(old)
	o.CursorSeekFallback = "none"
	_, err := openReader(logger, o, readerMetrics(t), pos)
	if err == nil || !strings.Contains(err.Error(), "its chain ends before it, at number 20, and there is nothing newer, and cursor_seek_fallback is none: set it to head or tail") {
		t.Errorf("error is %v", err)
	}
}

func TestSeek(t *testing.T) {
	dir := t.TempDir()
	w := openJournal(t, dir)
	appendAll(t, w, series(1, 40)...)
	_, err := w.Rotate()
	must(t, err)
	appendAll(t, w, series(41, 50)...)
	next := 51
	f := func(s seek, fallback string, pos position, want string) {
		t.Helper()
		o := testOptions(dir)
		o.Seek, o.CursorSeekFallback = s, fallback
		r, m := testReader(t, o, pos)
		equal(t, fmt.Sprintf("read with %v", s), ns(readIdle(t, r)), strings.ReplaceAll(want, "end", fmt.Sprint(next-1)))
		// What comes from then on is never missed, and never anything else.
		appendAll(t, w, nth(next), nth(next+1))
		equal(t, fmt.Sprintf("new with %v", s), ns(readTo(t, r, next+1)), fmt.Sprintf("%d-%d", next, next+1))
		equal(t, "gaps", m.gaps.Get(), 0)
		r.Close()
		next += 2
	}
	since := func(n int) seek {
		return seek{Mode: "since", Since: time.UnixMicro(testStart + int64(n)*1000)}
	}
	pos := after(t, dir, 45)
	f(seek{Mode: "cursor"}, "head", position{}, "1-end")
	f(seek{Mode: "cursor"}, "tail", position{}, "")
	f(seek{Mode: "cursor"}, "tail", pos, "46-end")
	f(seek{Mode: "cursor"}, "none", pos, "46-end")
	f(seek{Mode: "head"}, "tail", position{}, "1-end")
	f(seek{Mode: "head"}, "tail", pos, "1-end")
	f(seek{Mode: "tail"}, "head", position{}, "")
	f(seek{Mode: "tail"}, "head", pos, "")
	f(since(0), "head", position{}, "1-end")
	f(since(30), "head", position{}, "30-end")
	f(since(41), "head", position{}, "41-end")
	f(since(48), "head", position{}, "48-end")
	f(since(30), "head", pos, "46-end")
	f(since(9999), "head", position{}, "")
	must(t, w.Close())
	equal(t, "entries", next, 79)
}

// tail of an empty journal, and of one without files.
func TestTailOfNothing(t *testing.T) {
	dir := t.TempDir()
	w := openJournal(t, dir)
	o := testOptions(dir, filepath.Join(dir, "later"))
	o.Seek.Mode = "tail"
	r, _ := testReader(t, o, position{})
	equal(t, "read", ns(readIdle(t, r)), "")
	appendAll(t, w, series(1, 3)...)
	equal(t, "read", ns(readTo(t, r, 3)), "1-3")
	must(t, w.Close())
}

// No saved position and no fallback: the user has to choose.
func TestNoFallback(t *testing.T) {
	o := testOptions(t.TempDir())
	o.CursorSeekFallback = "none"
	_, err := openReader(logger, o, readerMetrics(t), position{})
	want := "cannot go on reading the journal: there is no saved position, and cursor_seek_fallback is none: set it to head or tail"
	if err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

// A position that nobody has saved so: what can be told from it is used, and nothing fails.
func TestForeignPosition(t *testing.T) {
	dir := t.TempDir()
	makeJournal(t, dir, series(1, 40), series(41, 50))
	gs, _ := readAll(t, testOptions(dir))
	c, err := parseCursor(gs[19].place().String())
	must(t, err)
	f := func(name, want string, pos position) {
		t.Helper()
		have, _ := rest(t, testOptions(dir), pos)
		equal(t, "read after "+name, have, want)
	}
	f("garbage", "1-50", position{Cursor: "garbage"})
	f("half a cursor", "1-50", position{Cursor: gs[19].place().String()[:60]})
	f("garbage and numbers", "31-50", position{Cursor: "garbage", Chains: map[string]uint64{c.SeqnumID: 30}})
	other := c
	other.Xor++
	f("another entry's hash", "21-50", position{Cursor: other.String()})
	other = c
	other.SeqnumID = strings.Repeat("ab", 16)
	f("another chain", "21-50", position{Cursor: other.String()})
	f("chains that are gone", "21-50", position{Cursor: c.String(), Chains: map[string]uint64{strings.Repeat("ab", 16): 7}})
	other = c
	other.Seqnum = 1 << 60
	f("a number beyond all", "21-50", position{Cursor: other.String()})
	other.Realtime = 1 << 62
	f("a number and a time beyond all", "1-50", position{Cursor: other.String()})
}

// A chain that is new since the position was saved is read from its beginning, whatever its clock says.
func TestNewChain(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	makeJournal(t, dir, series(101, 140))
	pos := after(t, dir, 30)
	makeJournal(t, other, series(1, 10))
	must(t, os.Rename(filepath.Join(other, "system.journal"), filepath.Join(dir, "system@0123.journal~")))
	have, m := rest(t, testOptions(dir), pos)
	equal(t, "read", have, "1-10 131-140")
	equal(t, "gaps", m.gaps.Get(), 0)
}

// After a boot with a journal in memory nothing of the old one is left, and the clock may be behind.
func TestVolatileAfterBoot(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	makeJournal(t, dir, series(101, 140))
	pos := after(t, dir, 40)
	booted := currentBoot()
	es := series(1, 10)
	for i := range es {
		es[i].boot = booted
	}
	makeJournal(t, other, es)
	sel := selection{paths: []string{other}, local: true}
	r, err := openSelection(logger, testOptions(), readerMetrics(t), pos, sel)
	must(t, err)
	equal(t, "read", ns(readIdle(t, r)), "1-10")
	r.Close()
}

// Missing numbers are counted across a restart.
func TestGapAcrossRestart(t *testing.T) {
	dir := t.TempDir()
	files := makeJournal(t, dir, series(1, 40), series(41, 50), series(51, 70))
	pos := after(t, dir, 40)
	must(t, os.Remove(files[1]))
	have, m := rest(t, testOptions(dir), pos)
	equal(t, "read", have, "51-70")
	equal(t, "gaps", m.gaps.Get(), 10)
}

// A run goes on where the one before it began or ended, whatever `seek` says for the first one, unless that was changed.
func TestNextRun(t *testing.T) {
	f := func(mode, fallback, nextMode string, there, read int, want string) {
		t.Helper()
		dir := t.TempDir()
		o := testOptions(dir)
		o.Seek.Mode, o.CursorSeekFallback = mode, fallback
		if there > 0 {
			makeJournal(t, dir, series(1, there))
		}
		r, _ := testReader(t, o, position{})
		done := r.began()
		if gs := readN(t, r, read); read > 0 {
			done = gs[read-1].after
		}
		r.Close()
		w := openJournal(t, dir)
		appendAll(t, w, series(there+1, there+10)...)
		must(t, w.Close())
		next := &input{opts: *o}
		next.opts.Seek.Mode = nextMode
		next.seek = next.opts.Seek
		next.goOn(done, o.Seek)
		have, _ := rest(t, &next.opts, done)
		equal(t, fmt.Sprintf("%s, %s: read after %d of %d", mode, fallback, read, there), have, want)
	}
	f("tail", "head", "tail", 20, 0, "21-30")
	f("cursor", "tail", "cursor", 20, 0, "21-30")
	f("cursor", "tail", "cursor", 0, 0, "1-10")
	f("tail", "tail", "tail", 0, 0, "1-10")
	f("head", "head", "head", 20, 0, "1-30")
	f("head", "head", "head", 20, 20, "21-30")
	f("head", "head", "head", 20, 15, "16-30")
	f("cursor", "head", "cursor", 20, 20, "21-30")
	f("cursor", "head", "head", 20, 20, "1-30")
}
