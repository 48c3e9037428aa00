package when

import (
	"strings"
	"testing"
	"time"
)

var (
	berlin = time.FixedZone("CET", 3600)
	now    = time.Date(2026, 11, 21, 15, 4, 5, 678e6, berlin) // a Saturday
)

const seconds = "2006-01-02 15:04:05.999"

func show(t time.Time) string {
	if t.IsZero() {
		return "open"
	}
	return t.In(berlin).Format(seconds)
}

func TestParse(t *testing.T) {
	f := func(text, from, to, canonical string) {
		t.Helper()
		r, err := Parse(text, now, berlin)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			return
		}
		a, b := r.Resolve(now)
		if show(a) != from || show(b) != to || r.String() != canonical {
			t.Errorf("%q: from %s to %s, %q; want %s to %s, %q", text, show(a), show(b), r, from, to, canonical)
		}
		for _, again := range []string{r.String(), r.Text(berlin)} {
			if back, err := Parse(again, now, berlin); err != nil || back != r {
				t.Errorf("%q is written as %q and read as %+v, %v", text, again, back, err)
			}
		}
	}
	const present = "2026-11-21 15:04:05.678"
	f("15m", "2026-11-21 14:49:05.678", present, "last 15m")
	f("last 15m", "2026-11-21 14:49:05.678", present, "last 15m")
	f("Last 15 Minutes", "2026-11-21 14:49:05.678", present, "last 15m")
	f("past hour", "2026-11-21 14:04:05.678", present, "last 1h")
	f("-3h", "2026-11-21 12:04:05.678", present, "last 3h")
	f("3 hours ago", "2026-11-21 12:04:05.678", present, "last 3h")
	f("1h30m", "2026-11-21 13:34:05.678", present, "last 1h30m")
	f("1 h 30 min", "2026-11-21 13:34:05.678", present, "last 1h30m")
	f("500ms", "2026-11-21 15:04:05.178", present, "last 500ms")
	f("2d", "2026-11-19 15:04:05.678", present, "last 2d")
	f("1w", "2026-11-14 15:04:05.678", present, "last 1w")
	f("1M", "2026-10-21 15:04:05.678", present, "last 1M")
	f("2 months", "2026-09-21 15:04:05.678", present, "last 2M")
	f("1y", "2025-11-21 15:04:05.678", present, "last 1y")
	f("now-15m to now", "2026-11-21 14:49:05.678", present, "last 15m")
	f("now-15m", "2026-11-21 14:49:05.678", present, "last 15m")
	f("NOW - 15m  TO  NOW", "2026-11-21 14:49:05.678", present, "last 15m")
	f("now-1d/d", "2026-11-20 00:00:00", "2026-11-21 00:00:00", "yesterday")
	f("now-1d/d to now", "2026-11-20 00:00:00", present, "now-1d/d to now")
	f("now/w to now/w", "2026-11-16 00:00:00", "2026-11-23 00:00:00", "this week")
	f("now-1M/M to now-1M/M", "2026-10-01 00:00:00", "2026-11-01 00:00:00", "now-1M/M to now-1M/M")
	f("now/d+8h to now/d+10h", "2026-11-21 08:00:00", "2026-11-22 10:00:00", "now/d+8h to now/d+10h")
	f("now/m", "2026-11-21 15:04:00", "2026-11-21 15:05:00", "now/m to now/m")
	f("-3h to -1h", "2026-11-21 12:04:05.678", "2026-11-21 14:04:05.678", "now-3h to now-1h")
	f("3h ago..1h ago", "2026-11-21 12:04:05.678", "2026-11-21 14:04:05.678", "now-3h to now-1h")
	f("today", "2026-11-21 00:00:00", "2026-11-22 00:00:00", "today")
	f(" Yesterday ", "2026-11-20 00:00:00", "2026-11-21 00:00:00", "yesterday")
	f("yesterday to today", "2026-11-20 00:00:00", "2026-11-22 00:00:00", "now-1d/d to now/d")
	f("yesterday 10:00 to 11:00", "2026-11-20 10:00:00", "2026-11-20 11:00:00", "2026-11-20T09:00:00Z to 2026-11-20T10:00:00Z")
	f("this month", "2026-11-01 00:00:00", "2026-12-01 00:00:00", "this month")
	f("all", "open", "open", "all")
	f("2026-11-20 10:00 to 11:00", "2026-11-20 10:00:00", "2026-11-20 11:00:00", "2026-11-20T09:00:00Z to 2026-11-20T10:00:00Z")
	f("2026-11-20 23:00 to 01:00", "2026-11-20 23:00:00", "2026-11-21 01:00:00", "2026-11-20T22:00:00Z to 2026-11-21T00:00:00Z")
	f("10:00..11:00", "2026-11-21 10:00:00", "2026-11-21 11:00:00", "2026-11-21T09:00:00Z to 2026-11-21T10:00:00Z")
	f("10:00 – 11:00:05.25", "2026-11-21 10:00:00", "2026-11-21 11:00:05.25", "2026-11-21T09:00:00Z to 2026-11-21T10:00:05.25Z")
	f("16:00 to 16:30", "2026-11-20 16:00:00", "2026-11-20 16:30:00", "2026-11-20T15:00:00Z to 2026-11-20T15:30:00Z")
	f("14:00", "2026-11-21 14:00:00", present, "2026-11-21T13:00:00Z to now")
	f("14:00 to now", "2026-11-21 14:00:00", present, "2026-11-21T13:00:00Z to now")
	f("2026-11-20", "2026-11-20 00:00:00", "2026-11-21 00:00:00", "2026-11-19T23:00:00Z to 2026-11-20T23:00:00Z")
	f("2026-11-18 to 2026-11-20", "2026-11-18 00:00:00", "2026-11-21 00:00:00", "2026-11-17T23:00:00Z to 2026-11-20T23:00:00Z")
	f("2026-10", "2026-10-01 00:00:00", "2026-11-01 00:00:00", "2026-09-30T23:00:00Z to 2026-10-31T23:00:00Z")
	f("2025", "2025-01-01 00:00:00", "2026-01-01 00:00:00", "2024-12-31T23:00:00Z to 2025-12-31T23:00:00Z")
	f("2026-11-20T10:00:00Z to 2026-11-20T10:00:00.000001Z", "2026-11-20 11:00:00", "2026-11-20 11:00:00",
		"2026-11-20T10:00:00Z to 2026-11-20T10:00:00.000001Z")
	f("2026-11-20T10:00:00+02:00..2026-11-20T10:00:00-0200", "2026-11-20 09:00:00", "2026-11-20 13:00:00",
		"2026-11-20T08:00:00Z to 2026-11-20T12:00:00Z")
	f("1795168800000 to 1795168860", "2026-11-20 11:00:00", "2026-11-20 11:01:00", "2026-11-20T10:00:00Z to 2026-11-20T10:01:00Z")
	f("Nov 20, 2026 @ 10:00:00.000 → Nov 20, 2026 @ 10:00:30.500", "2026-11-20 10:00:00", "2026-11-20 10:00:30.5",
		"2026-11-20T09:00:00Z to 2026-11-20T09:00:30.5Z")
	f("Nov 20 10:00:05", "2026-11-20 10:00:05", present, "2026-11-20T09:00:05Z to now")
	f("Dec 20 10:00", "2025-12-20 10:00:00", present, "2025-12-20T09:00:00Z to now")
	f("20/Nov/2026:10:00:00 +0000", "2026-11-20 11:00:00", present, "2026-11-20T10:00:00Z to now")
	f("2026/11/20 10:00 UTC", "2026-11-20 11:00:00", present, "2026-11-20T10:00:00Z to now")
	f("since 2026-11-20", "2026-11-20 00:00:00", "open", "since 2026-11-19T23:00:00Z")
	f("until 2026-11-20", "open", "2026-11-21 00:00:00", "until 2026-11-20T23:00:00Z")
	f("since now-1h", "2026-11-21 14:04:05.678", "open", "since now-1h")
	f("..now-1h", "open", "2026-11-21 14:04:05.678", "until now-1h")
	f("now-1h..", "2026-11-21 14:04:05.678", "open", "since now-1h")
	f("from 10:00 until 11:00", "2026-11-21 10:00:00", "2026-11-21 11:00:00", "2026-11-21T09:00:00Z to 2026-11-21T10:00:00Z")
	f("now to now+1h", present, "2026-11-21 16:04:05.678", "now to now+1h")
}

func TestParseRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		r, err := Parse(text, now, berlin)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, r, err, want)
		}
	}
	f("", "no time is given")
	f("..", "no time is given")
	f("now", "no time is given")
	f("soon", "type for example 15m")
	f("15", "not a time that is known")
	f("0m", "not a time")
	f("last h", "not a time")
	f("15 parsecs", "not a time")
	f("11:00 to 10:00 to 9:00", "not a time")
	f("2026-13-01", "not a time")
	f("25:00", "not a time")
	f("now-", "only steps as -15m")
	f("now-15", "only steps as -15m")
	f("now/ms", "only steps as -15m")
	f("now-1h to now-2h", "ends (2026-11-21 13:04:05) before it begins (2026-11-21 14:04:05)")
	f("2026-11-20 to 2026-11-19 10:00", "before it begins")
	f("now-9999y", "years 1 to 9999")
	f("0001-01-01", "years 1 to 9999")
	f("9999-12-31", "years 1 to 9999")
	f("2026-11-20 10:00 CST", "write its offset")
	f(strings.Repeat("9", 1000), "…")
	f("now"+strings.Repeat("-1h", 100), "")
}

func TestParseTime(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		got, err := ParseTime(text, now, berlin)
		if text := show(got); err != nil && !strings.Contains(err.Error(), want) || err == nil && text != want {
			t.Errorf("%q: %s, %v; want %s", text, show(got), err, want)
		}
	}
	f("10:00", "2026-11-21 10:00:00")
	f("16:00", "2026-11-20 16:00:00")
	f("now", "2026-11-21 15:04:05.678")
	f("15m ago", "2026-11-21 14:49:05.678")
	f("-15m", "2026-11-21 14:49:05.678")
	f("yesterday 12:30:01", "2026-11-20 12:30:01")
	f("today", "2026-11-21 00:00:00")
	f("2026-11-20", "2026-11-20 00:00:00")
	f("2026-11-20T10:00:00Z", "2026-11-20 11:00:00")
	f("all", "type for example 10:00")
	f("", "type for example 10:00")
}

func TestText(t *testing.T) {
	f := func(from, to string, want string) {
		t.Helper()
		r, err := Parse(from+" to "+to, now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Text(berlin); got != want {
			t.Errorf("%s to %s: %q; want %q", from, to, got, want)
		}
	}
	f("2026-11-20T10:00:00+01:00", "2026-11-20T11:00:00+01:00", "2026-11-20 10:00 to 11:00")
	f("2026-11-20T10:00:05+01:00", "2026-11-21T10:00:05.25+01:00", "2026-11-20 10:00:05 to 2026-11-21 10:00:05.25")
	f("now-1h", "now", "last 1h")
	f("2026-11-20 10:00", "now", "2026-11-20 10:00 to now")
}

// An hour that comes twice is written with its offset.
func TestTextTwice(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	for h := range 6 {
		from := time.Date(2026, 10, 24, 22+h, 30, 0, 0, time.UTC)
		r := Between(from, from.Add(time.Hour))
		if back, err := Parse(r.Text(loc), now, loc); err != nil || back != r {
			t.Errorf("%s is shown as %q and read as %s, %v", r, r.Text(loc), back, err)
		}
	}
}

func TestShiftAndZoom(t *testing.T) {
	f := func(name, text string, change func(Range) Range, want string) {
		t.Helper()
		r, err := Parse(text, now, berlin)
		if err != nil {
			t.Fatal(err)
		}
		if got := change(r).Text(berlin); got != want {
			t.Errorf("%s of %q: %q; want %q", name, text, got, want)
		}
	}
	shift := func(part float64) func(Range) Range {
		return func(r Range) Range { return r.Shift(part, now) }
	}
	f("back", "2026-11-20 10:00 to 11:00", shift(-1), "2026-11-20 09:00 to 10:00")
	f("a quarter on", "2026-11-20 10:00 to 11:00", shift(0.25), "2026-11-20 10:15 to 11:15")
	f("back", "now/m-1h to 15:04", shift(-1), "2026-11-21 13:04 to 14:04")
	f("on to now", "2026-11-21 13:30 to 14:30", shift(1), "last 1h")
	f("on at now", "15m", shift(1), "last 15m")
	f("on", "today", shift(1), "today")
	f("on past now, where it was", "2026-11-21 15:00 to 16:00", shift(1), "2026-11-21 16:00 to 17:00")
	f("back", "all", shift(-1), "all")
	f("back", "since now-1h", shift(-1), "since now-1h")
	f("far", "2026-11-20 10:00 to 11:00", shift(-1e300), "1926-12-15 10:00 to 11:00")

	zoom := func(factor float64, around string) func(Range) Range {
		var at time.Time
		if around != "" {
			var err error
			if at, err = ParseTime(around, now, berlin); err != nil {
				t.Fatal(err)
			}
		}
		return func(r Range) Range { return r.Zoom(factor, at, now) }
	}
	f("in", "2026-11-20 10:00 to 11:00", zoom(0.5, ""), "2026-11-20 10:15 to 10:45")
	f("in", "2026-11-20 10:00 to 11:00", zoom(0.5, "2026-11-20 10:00"), "2026-11-20 10:00 to 10:30")
	f("in outside", "2026-11-20 10:00 to 11:00", zoom(0.5, "2026-11-20 12:00"), "2026-11-20 10:15 to 10:45")
	f("out", "2026-11-20 10:00 to 11:00", zoom(2, ""), "2026-11-20 09:30 to 11:30")
	f("out to now", "2026-11-21 14:00 to 15:04:05", zoom(2, ""), "2026-11-21 12:55:55.678 to 15:04:05.678")
	f("out", "15m", zoom(2, ""), "last 30m")
	f("out", "30d", zoom(2, ""), "last 60d")
	f("in", "15m", zoom(0.5, ""), "last 450s")
	f("in", "1h", zoom(0.5, "14:34:05.678"), "2026-11-21 14:19:05.678 to 14:49:05.678")
	f("wrong", "15m", zoom(-1, ""), "last 15m")
	f("open", "all", zoom(2, ""), "all")
}

func TestPresets(t *testing.T) {
	var all []string
	for _, r := range Presets {
		all = append(all, r.String())
	}
	if got, want := strings.Join(all, ", "), "last 5m, last 15m, last 1h, last 4h, last 12h, last 24h, last 7d, last 30d, all"; got != want {
		t.Errorf("%s; want %s", got, want)
	}
}

func TestMarshal(t *testing.T) {
	for _, r := range append(Presets[:], Between(now, now.Add(time.Hour))) {
		text, _ := r.MarshalText()
		var back Range
		if err := back.UnmarshalText(text); err != nil || back != r {
			t.Errorf("%s is kept as %s and read as %s, %v", r, text, back, err)
		}
	}
}

func TestInterval(t *testing.T) {
	f := func(span time.Duration, columns int, want time.Duration) {
		t.Helper()
		if got := Interval(span, columns); got != want {
			t.Errorf("%s in %d columns: %s; want %s", span, columns, got, want)
		}
	}
	f(15*time.Minute, 80, 15*time.Second)
	f(15*time.Minute, 190, 5*time.Second)
	f(time.Hour, 60, time.Minute)
	f(24*time.Hour, 80, 30*time.Minute)
	f(24*time.Hour, 200, 10*time.Minute)
	f(30*24*time.Hour, 80, 12*time.Hour)
	f(50*time.Millisecond, 80, time.Millisecond)
	f(0, 80, time.Millisecond)
	f(time.Hour, 0, time.Hour)
	f(20*365*24*time.Hour, 10, 2*365*24*time.Hour)
	f(61*time.Second, 1, 2*time.Minute)
}

func TestZone(t *testing.T) {
	f := func(name, written, shown string) {
		t.Helper()
		z, err := ParseZone(name)
		if err != nil {
			t.Error(err)
			return
		}
		if z.String() != written || shown != "" && z.Name(now) != shown {
			t.Errorf("%s: %s, %s; want %s, %s", name, z, z.Name(now), written, shown)
		}
	}
	f("local", "local", "")
	f("", "local", "")
	f("UTC", "utc", "UTC")
	f("source", "source", "zone of source")
	f("Europe/Berlin", "Europe/Berlin", "UTC+01:00 CET")
	f("America/Sao_Paulo", "America/Sao_Paulo", "UTC-03:00")
	f("+05:30", "+05:30", "UTC+05:30")
	if _, err := ParseZone("Mars/Olympus"); err == nil {
		t.Error("a zone of Mars")
	}

	home := In(berlin)
	for z, i := home, 0; i < 4; i++ {
		if want := []string{"CET", "utc", "source", "CET"}[i]; z.String() != want {
			t.Errorf("zone %d is %s; want %s", i, z, want)
		}
		z = z.Next(home)
	}
	for z, i := UTC, 0; i < 3; i++ {
		if want := []string{"utc", "source", "utc"}[i]; z.String() != want {
			t.Errorf("zone %d is %s; want %s", i, z, want)
		}
		z = z.Next(UTC)
	}
}

func TestLabel(t *testing.T) {
	f := func(interval time.Duration, want string) {
		t.Helper()
		if got := Label(now, interval, In(berlin)); got != want {
			t.Errorf("%s: %s; want %s", interval, got, want)
		}
	}
	f(100*time.Millisecond, "15:04:05.678")
	f(time.Second, "15:04:05")
	f(time.Hour, "15:04")
	f(24*time.Hour, "11-21")
	f(365*24*time.Hour, "2026-11")
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"15m", "last 2 hours", "now-1d/d to now", "2026-11-20 10:00 to 11:00", "10:00..11:00", "1795168800000", "all",
		"until 2026-02-30", "now/w-3h..now+1M/M", "Nov 20, 2026 @ 10:00:00.000", "31 Dec 9998", "24h..-1m", "yesterday 1:2", "0000", "\xff–→", "\xdf..", "K ago"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text, now, berlin)
		if err != nil {
			return
		}
		from, to := r.Resolve(now)
		if !from.IsZero() && !to.IsZero() && !from.Before(to) {
			t.Errorf("%q: from %s to %s", text, from, to)
		}
		for again, loc := range map[string]*time.Location{r.String(): berlin, r.Text(berlin): berlin, r.Text(time.UTC): time.UTC} {
			if back, err := Parse(again, now, loc); err != nil || back != r {
				t.Errorf("%q is written as %q and read as %s, %v", text, again, back, err)
			}
		}
		for _, part := range []float64{-1, -0.25, 0.25, 1} {
			for _, moved := range []Range{r.Shift(part, now), r.Zoom(part*2, from, now)} {
				if back, err := Parse(moved.String(), now, berlin); err != nil || back != moved {
					t.Errorf("%q moved is %q, read as %s, %v", text, moved, back, err)
				}
			}
		}
	})
}
