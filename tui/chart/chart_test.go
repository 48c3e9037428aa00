package chart

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

var update = flag.Bool("update", false, "write the golden files anew; look at what has changed before you keep it")

var (
	zone = when.In(time.FixedZone("CET", 3600))
	noon = time.Date(2026, 11, 21, 11, 0, 0, 0, time.UTC) // 12:00 in the zone
)

// golden compares lines, without their colours, with a file. All have to be as wide as said.
func golden(t *testing.T, name string, width int, lines []string) {
	t.Helper()
	for i, line := range lines {
		if got := text.Width(line); got != width {
			t.Errorf("%s: line %d is %d cells wide, not %d: %q", name, i, got, width, line)
		}
	}
	got := ansi.Strip(strings.Join(lines, "\n")) + "\n"
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s", name, got, want)
	}
}

func named(t testing.TB, name string) *theme.Theme {
	t.Helper()
	th, err := theme.New(name, true, name != "none")
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// counted has buckets from noon on: 9 lines of a number are INFO, one ERROR.
func counted(interval time.Duration, sums ...int64) source.Histogram {
	h := source.Histogram{From: noon, To: noon.Add(time.Duration(len(sums)) * interval), Interval: interval, Total: sums}
	for _, n := range sums {
		var levels [source.Levels]int64
		levels[source.Error] = n / 10
		levels[source.Info] = n - n/10
		h.Levels = append(h.Levels, levels)
	}
	return h
}

// wave is n sums that go up and down, with a gap.
func wave(n int) []int64 {
	var sums []int64
	for i := range n {
		sum := int64(200 + 150*(i*13%17-8)/8)
		if i > n/2 && i < n*5/8 {
			sum = 0
		}
		sums = append(sums, sum)
	}
	return sums
}

func made(t testing.TB, width, height int, h source.Histogram) *Chart {
	c := New(named(t, "dark"))
	c.SetZone(zone)
	c.SetSize(width, height)
	c.SetHistogram(h)
	return c
}

func TestGolden(t *testing.T) {
	f := func(name string, width, height int, h source.Histogram, change func(c *Chart)) {
		t.Helper()
		c := made(t, width, height, h)
		change(c)
		lines := c.Lines()
		if len(lines) != height {
			t.Errorf("%s: %d lines, not %d", name, len(lines), height)
		}
		golden(t, name, width, lines)
	}
	plain := func(*Chart) {}
	f("minutes-80x5", 80, 5, counted(time.Minute, wave(60)...), plain)
	f("hours-120x8", 120, 8, counted(30*time.Minute, wave(96)...), func(c *Chart) { c.SetHere(noon.Add(9 * time.Hour)) })
	f("days-120x10", 120, 10, counted(24*time.Hour, wave(90)...), func(c *Chart) { c.SetLoading(true) })
	f("months-80x4", 80, 4, counted(30*24*time.Hour, wave(40)...), plain)
	f("milliseconds-80x3", 80, 3, counted(20*time.Millisecond, wave(50)...), plain)
	f("more-buckets-than-columns-40x6", 40, 6, counted(time.Minute, wave(120)...), plain)
	f("narrow-20x5", 20, 5, counted(time.Minute, wave(60)...), plain)
	f("one-line-50x1", 50, 1, counted(time.Minute, wave(60)...), plain)
	f("two-lines-50x2", 50, 2, counted(time.Minute, wave(60)...), plain)
	f("cursor-80x6", 80, 6, counted(time.Minute, wave(60)...), func(c *Chart) {
		c.SetFocus(true)
		c.SetHere(noon.Add(35 * time.Minute))
		c.MoveBy(0)
	})
	f("brush-80x6", 80, 6, counted(time.Minute, wave(60)...), func(c *Chart) {
		c.SetFocus(true)
		c.SetHere(noon.Add(35 * time.Minute))
		c.MoveBy(0)
		c.Select()
		c.MoveBy(12)
	})
	f("partial-80x6", 80, 6, counted(time.Minute, wave(60)...), func(c *Chart) { c.SetRange(noon.Add(20*time.Second), noon.Add(59*time.Minute+time.Second)) })
	f("failed-shards-120x6", 120, 6, source.Histogram{From: noon, Interval: time.Minute, Total: wave(60), Meta: source.Meta{Partial: "1 of 5 shards failed"}}, plain)
	f("nothing-80x5", 80, 5, counted(time.Minute, make([]int64, 60)...), plain)
	f("loading-80x5", 80, 5, source.Histogram{}, func(c *Chart) { c.SetLoading(true) })
	f("one-bucket-60x5", 60, 5, counted(time.Minute, 1), plain)
	f("sums-80x5", 80, 5, source.Histogram{From: noon, Interval: time.Minute, Total: wave(60)}, plain)
}

// Every size has its lines in full, whatever is in them.
func TestSizes(t *testing.T) {
	for _, name := range []string{"dark", "terminal", "none"} {
		for _, buckets := range []int{0, 1, 2, 59, 500} {
			for width := -1; width < 60; width++ {
				for height := -1; height < 8; height++ {
					c := New(named(t, name))
					c.SetSize(width, height)
					c.SetHistogram(counted(time.Minute, wave(buckets)...))
					c.SetFocus(true)
					c.MoveBy(-1)
					c.Select()
					c.MoveBy(-40)
					c.SetHere(noon)
					c.Click(width / 2)
					lines := c.Lines()
					if width > 0 && len(lines) != max(height, 0) {
						t.Fatalf("%d lines, not %d", len(lines), height)
					}
					for _, line := range lines {
						if got := text.Width(line); got != width {
							t.Fatalf("%d×%d, %d buckets: %d cells in %q", width, height, buckets, got, line)
						}
					}
				}
			}
		}
	}
}

// colours are those of a column's eighths, by the first letter of the level, from the ground.
func TestSplit(t *testing.T) {
	f := func(height int, want string, levels map[source.Level]int64) {
		t.Helper()
		h := source.Histogram{From: noon, Interval: time.Minute, Total: []int64{0}, Levels: make([][source.Levels]int64, 1)}
		for level, n := range levels {
			h.Total[0] += n
			h.Levels[0][level] = n
		}
		c := made(t, 1, 1, h)
		bands, n := c.bands(0)
		var got strings.Builder
		for _, p := range c.split(bands, n, height) {
			got.WriteString(theme.Letter(source.Level(p)))
		}
		if got.String() != want {
			t.Errorf("%v in %d eighths: %s; want %s", levels, height, &got, want)
		}
	}
	type m = map[source.Level]int64
	f(8, "IIIIIIII", m{source.Info: 5})
	f(8, "EEEEIIII", m{source.Info: 5, source.Error: 5})
	f(8, "EIIIIIII", m{source.Info: 1_000_000, source.Error: 1})
	f(8, "FEWIIDDD", m{source.Info: 2, source.Error: 1, source.Fatal: 1, source.Warn: 1, source.Debug: 3})
	f(8, "WIIIIIII", m{source.Info: 1000, source.Warn: 1, source.Debug: 1})
	f(1, "E", m{source.Info: 1000, source.Error: 1})
	f(16, "IIIIIIIIDDDDDDDD", m{source.Info: 7, source.Debug: 7})
}

// What is counted later than the sums, and what has no level, is on the top.
func TestBandsOfOthers(t *testing.T) {
	h := counted(time.Minute, 10)
	h.Total[0] = 15
	bands, n := made(t, 1, 1, h).bands(0)
	if want := "[{6 1} {4 9} {0 5}]"; fmt.Sprint(bands) != want || n != 15 {
		t.Errorf("%v of %d; want %s of 15", bands, n, want)
	}
	h.Total[0] = 8
	if _, n := made(t, 1, 1, h).bands(0); n != 10 {
		t.Errorf("%d lines by level, of 8", n)
	}
}

func TestBrush(t *testing.T) {
	c := made(t, 80, 6, counted(time.Minute, wave(60)...))
	f := func(what string, want string) {
		t.Helper()
		from, to, ok := c.Brush()
		got := "none"
		if ok {
			got = zone.Of(from).Format("15:04:05") + "-" + zone.Of(to).Format("15:04:05")
		}
		if got != want {
			t.Errorf("%s: %s; want %s", what, got, want)
		}
	}
	f("at first", "none")
	c.MoveBy(-1)
	f("the first move shows where it is", "12:59:00-13:00:00")
	c.MoveBy(-1)
	f("one back", "12:58:00-12:59:00")
	c.MoveBy(-1000)
	f("far back", "12:00:00-12:01:00")
	c.MoveBy(10)
	c.Select()
	c.MoveBy(5)
	f("selected", "12:10:00-12:16:00")
	c.MoveBy(-10)
	f("selected backwards", "12:05:00-12:11:00")
	c.SetRange(noon.Add(5*time.Minute+30*time.Second), noon.Add(10*time.Minute+15*time.Second))
	f("no further than asked", "12:05:30-12:10:15")
	c.SetRange(time.Time{}, time.Time{})
	c.SetHistogram(counted(30*time.Second, wave(120)...))
	f("shorter buckets", "12:05:00-12:10:30")
	if !c.Selecting() {
		t.Error("it does not select")
	}
	c.Select()
	f("one end", "12:05:00-12:05:30")
	c.SetHere(noon.Add(20 * time.Minute))
	if !c.Clear() || c.Clear() {
		t.Error("Clear does not tell whether there was a cursor")
	}
	f("cleared", "none")
	c.MoveBy(1)
	f("it begins where the list is", "12:20:00-12:20:30")
	later := counted(time.Minute, wave(60)...)
	later.From = noon.Add(time.Hour)
	c.SetHistogram(later)
	f("another range", "none")
	if c.Click(3) || !c.Click(gutter) || c.Click(80) {
		t.Error("columns of no bar can be clicked, or the first bar cannot")
	}
	f("clicked", "13:00:00-13:01:00")
	c.Click(79)
	f("clicked at the right", "13:59:00-14:00:00")
}

// Lines are drawn again only when something has changed.
func TestLinesAreKept(t *testing.T) {
	c := made(t, 80, 6, counted(time.Minute, wave(60)...))
	first := c.Lines()
	c.SetSize(80, 6)
	c.SetFocus(false)
	c.SetLoading(false)
	if again := c.Lines(); &again[0] != &first[0] {
		t.Error("nothing has changed, but it is drawn again")
	}
	c.SetHere(noon)
	if again := c.Lines(); &again[0] == &first[0] {
		t.Error("the list has moved, but it is not drawn again")
	}
}

// Labels are at whole hours of the zone, also on the day when the clock is changed.
func TestTicks(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	f := func(from string, span time.Duration, columns int, want string) {
		t.Helper()
		at, err := time.ParseInLocation("2006-01-02 15:04", from, loc)
		if err != nil {
			t.Fatal(err)
		}
		step := tickFor(span, columns)
		var got []string
		for end, at := at.Add(span), step.first(at); at.Before(end); at = step.next(at) {
			got = append(got, at.Format("02T15:04"))
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s and %s: %s; want %s", from, span, strings.Join(got, " "), want)
		}
	}
	f("2026-11-20 10:07", time.Hour, 60, "20T10:10 20T10:20 20T10:30 20T10:40 20T10:50 20T11:00")
	f("2026-10-24 12:00", 30*time.Hour, 50, "24T12:00 24T18:00 25T00:00 25T06:00 25T12:00")
	f("2026-03-28 12:00", 30*time.Hour, 50, "28T12:00 28T18:00 29T00:00 29T06:00 29T12:00 29T18:00")
	f("2026-10-23 12:00", 4*24*time.Hour, 50, "24T00:00 25T00:00 26T00:00 27T00:00")
	f("2026-11-20 12:00", 100*24*time.Hour, 50, "01T00:00 01T00:00 01T00:00")
	f("2026-11-20 12:00", 3000*24*time.Hour, 50, "01T00:00 01T00:00")
}

func BenchmarkLines(b *testing.B) {
	c := made(b, 200, 10, counted(time.Minute, wave(190)...))
	for b.Loop() {
		c.SetHere(noon.Add(time.Duration(b.N%100) * time.Minute))
		c.lines = nil
		c.Lines()
	}
}
