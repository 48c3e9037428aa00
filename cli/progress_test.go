package cli

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// a clock that a test sets.
type clock struct{ time.Time }

func (c *clock) now() time.Time { return c.Time }

func (c *clock) after(d time.Duration) { c.Time = c.Add(d) }

// TestBar says what stands on the line of a terminal.
func TestBar(t *testing.T) {
	f := func(columns int, what string, done, total int64, want string) {
		t.Helper()
		var out bytes.Buffer
		c := &clock{time.Unix(0, 0)}
		p := &Progress{to: &out, width: func() int { return columns }, now: c.now}
		p.Step(what, 0, total)
		c.after(10 * time.Second)
		out.Reset()
		p.Step(what, done, total)
		if got := out.String()[strings.LastIndex(out.String(), "\r")+1:]; got != want || wide(got) >= columns {
			t.Errorf("%d columns: got %q (%d), want %q", columns, got, wide(got), want)
		}
	}
	f(80, "snapshot s-1", 250, 1000, "snapshot s-1 [#######-----------------------] 25% (250 of 1000), 25/s, 30s left")
	f(60, "snapshot s-1", 250, 1000, "snapshot s-1 [##--------] 25% (250 of 1000), 25/s, 30s left")
	f(50, "snapshot s-1", 250, 1000, "snapshot s-1 25% (250 of 1000), 25/s, 30s left")
	f(40, "snapshot s-1", 250, 1000, "snaps 25% (250 of 1000), 25/s, 30s left")
	f(20, "snapshot s-1", 250, 1000, "25% (250 of 1000), ")
	f(60, "shards", 1, 10, "shards [#--------------] 10% (1 of 10), 6.0/min, 1m30s left")
	f(60, "snapshot s", 250e6, 1e9, "snapshot s [##------] 25% (250M of 1.0G), 25.0M/s, 30s left")
	f(60, "documents", 7000, 0, "documents 7000 done, 700/s")
	f(60, "more than all", 12, 0, "more than all 12 done, 1/s")
	f(40, "日本語の索引日本語の索引", 5, 10, "日本 50% (5 of 10), 30.0/min, 10s left")
	f(60, "a\x1b]0;x\a\nb", 1, 2, `a\x1b]0;x\a\nb [#####-----] 50% (1 of 2), 6.0/min, 10s left`)
}

func TestShort(t *testing.T) {
	f := func(n float64, want string) {
		t.Helper()
		if got := short(n); got != want || len(got) > 5 {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
	f(0, "0")
	f(9999, "9999")
	f(9999.6, "10.0k")
	f(12345, "12.3k")
	f(99949, "99.9k")
	f(99951, "100k")
	f(999499, "999k")
	f(999501, "1.0M")
	f(123456789, "123M")
	f(5e12, "5.0T")
	f(9.2e18, "9200P")
}

// TestBarGivesWay: lines of the log stand above the bar, and it is gone when the work is done.
func TestBarGivesWay(t *testing.T) {
	var screen terminal
	p := &Progress{to: &screen, width: func() int { return 60 }, now: (&clock{time.Unix(0, 0)}).now}
	f := func(want string) {
		t.Helper()
		if got := screen.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p.Step("one", 1, 10)
	f("one [###---------------------------] 10% (1 of 10)")
	fmt.Fprintln(p.Above(&screen), "said")
	f("said\none [###---------------------------] 10% (1 of 10)")
	p.Step("one", 10, 10)
	f("said\n")
	p.Step("two", 1, 2)
	p.End()
	f("said\n")
}

// A terminal keeps what can be seen on it.
type terminal struct {
	lines  []string
	column int
}

func (s *terminal) Write(b []byte) (int, error) {
	if s.lines == nil {
		s.lines = []string{""}
	}
	for _, c := range b {
		last := &s.lines[len(s.lines)-1]
		switch c {
		case '\r':
			s.column = 0
		case '\n':
			s.lines, s.column = append(s.lines, ""), 0
		default:
			*last = (*last)[:s.column] + string(c) + (*last)[min(s.column+1, len(*last)):]
			s.column++
		}
	}
	return len(b), nil
}

func (s *terminal) String() string {
	var lines []string
	for _, l := range s.lines {
		lines = append(lines, strings.TrimRight(l, " "))
	}
	return strings.Join(lines, "\n")
}

// TestProgressLines says what is logged where there is no terminal: nothing of short work.
func TestProgressLines(t *testing.T) {
	f := func(steps []time.Duration, want string) {
		t.Helper()
		var out bytes.Buffer
		c := &clock{time.Unix(0, 0)}
		p := NewProgress(&out)
		p.now = c.now
		p.Lines(func(line string) { fmt.Fprintln(p.Above(&out), line) })
		p.Step("copy", 0, int64(len(steps)))
		for i, d := range steps {
			c.after(d)
			p.Step("copy", int64(i+1), int64(len(steps)))
		}
		var got []string
		for _, l := range strings.Split(out.String(), "\n") {
			if _, text, ok := strings.Cut(l, "copy: "); ok {
				got = append(got, text)
			}
		}
		if got := strings.Join(got, " | "); got != want {
			t.Errorf("%v: got %q, want %q", steps, got, want)
		}
	}
	s := time.Second
	f([]time.Duration{s, s, s}, "")
	f([]time.Duration{9 * s, s / 2, s / 4}, "")
	f([]time.Duration{10 * s, s, 10 * s, s}, "25% (1 of 4), 6.0/min, 30s left | 75% (3 of 4), 8.6/min, 7s left | 100% (4 of 4), 10.9/min")
	f([]time.Duration{60 * s}, "100% (1 of 1), 1.0/min")
}

// TestNoProgress: without one, nothing happens.
func TestNoProgress(t *testing.T) {
	var p *Progress
	var out bytes.Buffer
	p.Lines(func(string) {})
	p.Step("x", 1, 2)
	p.End()
	if w := p.Above(&out); w != &out {
		t.Errorf("got %v", w)
	}
}
