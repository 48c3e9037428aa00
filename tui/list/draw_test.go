package list

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// logged is a document of podbeat's.
func logged(n int, at time.Time, level, pod, message string) *source.Row {
	doc, err := json.Marshal(map[string]any{
		"@timestamp": at.Format(time.RFC3339Nano), "message": message, "log": map[string]any{"level": level, "offset": n},
		"kubernetes": map[string]any{"namespace": "shop", "pod": map[string]any{"name": pod}},
	})
	if err != nil {
		panic(err)
	}
	return &source.Row{Index: "logstash-2026.11.20", ID: fmt.Sprintf("id%06d", n), Time: at, Tie: int64(n), Level: source.ParseLevel(level), Source: doc}
}

func newList(t testing.TB, look string, w, h int) *List {
	t.Helper()
	th, err := theme.New(look, true, look != "none")
	if err != nil {
		t.Fatal(err)
	}
	l := New(th, source.Defaults(), when.UTC)
	l.SetSize(w, h)
	return l
}

// show makes rows all that there is.
func (l *List) show(rows ...*source.Row) {
	l.Begin(1)
	l.First(1, source.Page{Rows: rows, End: true}, source.Page{End: true}, nil)
}

func plainText(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(strings.TrimRight(ansi.Strip(line), " ") + "\n")
	}
	return b.String()
}

var trace = "boom: index out of range\n\tat shop.Cart.add(Cart.java:12)\n\tat shop.Cart.all(Cart.java:99)\n\tat main"

func sample() []*source.Row {
	return []*source.Row{
		logged(1, noon.Add(-12*time.Hour-time.Second), "info", "web-7d9f8c6b5d-x2k4q", "GET /cart 200 in 12ms"),
		logged(2, noon, "debug", "web-7d9f8c6b5d-zzzzz", "cache miss for cart:42"),
		logged(3, noon.Add(time.Millisecond), "error", "db-0", trace),
		logged(4, noon.Add(1500*time.Millisecond), "WARN", "a-very-long-name-of-a-deployment-7d9f8c6b5d-bbbbb", "日本語のログ 🎉 é \x1b[31mred\x1b[0m\tend"),
		logged(5, noon.Add(2*time.Second), "fatal", "db-0", strings.Repeat("long ", 60)),
	}
}

func TestLines(t *testing.T) {
	f := func(w, h int, change func(*List), want string) {
		t.Helper()
		l := newList(t, "terminal", w, h)
		l.show(sample()...)
		if change != nil {
			change(l)
		}
		if got := plainText(l.Lines()); got != strings.TrimPrefix(want, "\n") {
			t.Errorf("%d×%d:\n%s\nwant\n%s", w, h, got, want)
		}
	}
	f(80, 7, nil, `
 2026-11-19     source           message
 23:59:59.000 I web-x2k4q        GET /cart 200 in 12ms
── Friday 2026-11-20 ───────────────────────────────────────────────────────────
 12:00:00.000 D web-zzzzz        cache miss for cart:42
 12:00:00.001 E db-0             boom: index out of range…+3
 12:00:01.500 W a-very-lo…-bbbbb 日本語のログ 🎉 é ␛[31mred␛[0m  end
 12:00:02.000 F db-0             long long long long long long long long long l…
`)
	f(40, 3, nil, ` 12:00:00 E boom: index out of range…+3
 12:00:01 W 日本語のログ 🎉 é ␛[31mred␛…
 12:00:02 F long long long long long lo…
`)
	f(80, 7, func(l *List) { l.MoveBy(-2); l.Fold(); l.Mark() }, `
 2026-11-20     source    message
── Friday 2026-11-20 ───────────────────────────────────────────────────────────
 12:00:00.000 D web-zzzzz cache miss for cart:42
●12:00:00.001 E db-0      boom: index out of range
                                  at shop.Cart.add(Cart.java:12)
                                  at shop.Cart.all(Cart.java:99)
                                  at main
`)
	f(70, 5, func(l *List) { l.SetWrap(true) }, `
 2026-11-20     source    message
                          long long long long long long long long long
                          long long long long long long long long long
                          long long long long long long long long long
                          long long long long long long
`)
	f(80, 4, func(l *List) { l.Pan(10) }, `
 2026-11-20     source           message
 12:00:00.001 E db-0             x out of range…+3
 12:00:01.500 W a-very-lo…-bbbbb グ 🎉 é ␛[31mred␛[0m  end
 12:00:02.000 F db-0             long long long long long long long long long l…
`)
	f(80, 4, func(l *List) {
		l.SetColumns([]Column{{Field: "log.offset", Title: "nr"}, {Field: "nowhere", Width: 3}})
	}, `
 2026-11-20     source           nr   no… message
 12:00:00.001 E db-0             3    -   boom: index out of range…+3
 12:00:01.500 W a-very-lo…-bbbbb 4    -   日本語のログ 🎉 é ␛[31mred␛[0m  end
 12:00:02.000 F db-0             5    -   long long long long long long long lo…
`)
	f(60, 4, func(l *List) {
		l.SetColumns([]Column{{Field: "message", Width: 12}, {Field: "kubernetes.pod.name", Width: 8}})
	}, `
 2026-11-20     message      kuberne…
 12:00:00.001 E boom: index… db-0
 12:00:01.500 W 日本語のロ…  a-very-…
 12:00:02.000 F long long l… db-0
`)
	f(60, 4, func(l *List) { l.SetClock(Delta) }, `
 2026-11-20     source       message
         +1ms E db-0         boom: index out of range…+3
      +1.499s W a-ver…-bbbbb 日本語のログ 🎉 é ␛[31mred␛[0m…
       +500ms F db-0         long long long long long long …
`)
}

// styles are what is switched on in each cell of a line.
func styles(line string) (cells []string) {
	on := ""
	for line != "" {
		seq, width, n, _ := ansi.DecodeSequence(line, 0, nil)
		switch {
		case seq == "\x1b[m":
			on = ""
		case width == 0:
			on += seq
		}
		for range width {
			cells = append(cells, on)
		}
		line = line[n:]
	}
	return cells
}

// The cursor's row is highlighted over its whole width, whatever is in it; so is what was found.
func TestLooks(t *testing.T) {
	for _, name := range theme.Names() {
		l := newList(t, name, 90, 9)
		l.show(sample()...)
		l.Search(regexp.MustCompile(`long|Cart`))
		base, match := string(penOf(l.theme.Cursor)), string(penOf(l.theme.Match))
		background := base[strings.IndexByte(base, '[')+1 : len(base)-1]
		for range 5 {
			line := l.Lines()[slices.Index(l.shown, l.cur)]
			for x, on := range styles(line) {
				if !strings.Contains(on, background) && on != string(penOf(l.theme.Here)) && on != string(l.looks[cursor].level[source.Fatal]) {
					t.Fatalf("%s: cell %d of the cursor's row does not look like it: %q", name, x, line)
				}
			}
			l.MoveBy(-1)
		}
		for _, line := range l.Lines() {
			if at := strings.Index(ansi.Strip(line), "…+3"); at >= 0 && styles(line)[at] != match {
				t.Errorf("%s: what is found in folded lines is not shown: %q", name, line)
			}
		}
	}
}

// Nothing that others write, and no size, makes lines of another number or width, or lets a control character through.
func TestHostile(t *testing.T) {
	huge := strings.Repeat("x\u0301\u202e日\x1b]0;t\a\x00\n", 3_000)
	rows := []*source.Row{
		{ID: "1"}, {ID: "2", Source: []byte("no JSON")}, {ID: "3", Source: []byte(`{"message":{"a":[1,{"b":null}]}}`)},
		{ID: "4", Time: time.Unix(1<<40, 0), Source: []byte(`{"\u001b[31m":"\u001b[2J\u009b1m"}`)},
		logged(5, noon, "\x1b[0m", "\x1b]8;;x\x07"+huge, huge), logged(6, noon, "error", strings.Repeat("é", 300), strings.Repeat("\n", 5000)+"x"),
		logged(7, noon, "info", "", strings.Repeat("\xff\xfe", 1<<17)), logged(8, noon, "info", "🎉🎉🎉🎉🎉🎉🎉🎉", strings.Repeat("🎉", 1000)),
	}
	for _, columns := range [][]Column{nil, {{Field: "log"}, {Field: "message", Title: "\x1b[31m", Width: 7}, {Field: "@timestamp"}, {Field: ""}}} {
		l := newList(t, "dark", 80, 24)
		l.SetColumns(columns)
		l.Search(regexp.MustCompile(`x|$|日?`))
		l.show(rows...)
		for _, change := range []func(){func() {}, func() { l.FoldAll(false) }, func() { l.SetWrap(true) }, func() { l.FoldAll(true) }, func() { l.SetZone(when.Source) }} {
			change()
			for _, w := range []int{1, 2, 9, 20, 29, 30, 60, 80, 200} {
				for h := 1; h <= 24; h += 1 + h/2 {
					l.SetSize(w, h)
					l.MoveBy(w%3 - 1)
					l.Pan(h - 6)
					lines := l.Lines()
					if len(lines) != h {
						t.Fatalf("%d lines, want %d", len(lines), h)
					}
					for _, line := range lines {
						if text.Width(line) != w {
							t.Fatalf("%q is %d wide, want %d", line, text.Width(line), w)
						}
						for _, r := range ansi.Strip(line) {
							if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x202e {
								t.Fatalf("%U in %q", r, line)
							}
						}
					}
				}
			}
		}
	}
	l := newList(t, "dark", 0, 0)
	l.show(rows...)
	if n := len(l.Lines()); n != 0 {
		t.Errorf("%d lines of none", n)
	}
	l.MoveBy(1)
	l.PageBy(1)
}

// What scrolling does not bring on the screen is not drawn again.
func TestScrollDrawsLittle(t *testing.T) {
	var rows []*source.Row
	for i := range 500 {
		rows = append(rows, logged(i, noon.Add(time.Duration(i)*time.Second), "info", "web-0", "line"))
	}
	l := newList(t, "dark", 200, 50)
	l.show(rows...)
	l.Lines()
	for range 100 {
		was := map[*block]bool{}
		for _, b := range l.memo {
			was[b] = true
		}
		l.MoveBy(-1)
		l.ScrollBy(-1)
		l.Lines()
		drawn := 0
		for _, b := range l.memo {
			if !was[b] {
				drawn++
			}
		}
		if drawn > 4 {
			t.Fatalf("%d rows were drawn", drawn)
		}
	}
	if again := l.Lines(); &again[0] != &l.Lines()[0] {
		t.Error("drawn although nothing has changed")
	}
}

func TestText(t *testing.T) {
	l := newList(t, "none", 80, 24)
	l.SetZone(when.In(time.FixedZone("", 3600)))
	l.SetColumns([]Column{{Field: "log.offset"}})
	other := &source.Row{ID: "x", Source: []byte(`{"a":1}`)}
	want := "2026-11-20T13:00:00.001+01:00 ERROR db-0 3 " + trace + "\n" + `{"a":1}` + "\n"
	if got := l.Text([]*source.Row{sample()[2], other}); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := fmt.Sprint(l.ColumnFields()), "[kubernetes.pod.name log.offset]"; got != want {
		t.Errorf("columns are %s, want %s", got, want)
	}
}

// In the zone Source each row has the day and time that its document says.
func TestZone(t *testing.T) {
	var rows []*source.Row
	for i, at := range []string{"2026-11-20T23:30:00+09:00", "2026-11-20T14:31:00Z", "2026-11-21T01:00:00.5+10:00"} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, &source.Row{ID: at, Tie: int64(i), Time: when.UTC(), Source: []byte(`{"@timestamp":"` + at + `","message":"x"}`)})
	}
	f := func(zone when.Zone, want string) {
		t.Helper()
		l := newList(t, "none", 40, 5)
		l.SetZone(zone)
		l.show(rows...)
		if got := plainText(l.Lines()); got != strings.TrimPrefix(want, "\n") {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	f(when.UTC, `
 11-20      message
 14:30:00   x
 14:31:00   x
 15:00:00   x

`)
	f(when.Source, `
 11-20      message
 23:30:00   x
 14:31:00   x
── Saturday 2026-11-21 ─────────────────
 01:00:00   x
`)
}

func TestShortName(t *testing.T) {
	f := func(name, want string) {
		t.Helper()
		if got := shortName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	f("web-7d9f8c6b5d-x2k4q", "web-x2k4q")
	f("api-gateway-6b5d7d9f8c-zz9kq", "api-gateway-zz9kq")
	f("db-0", "db-0")
	f("agent-x2k4q", "agent-x2k4q")
	f("7d9f8c6b5d-x2k4q", "7d9f8c6b5d-x2k4q")
	f("web-service-users", "web-service-users")
	f("", "")
	f("-", "-")
}
