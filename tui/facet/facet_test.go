package facet

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/podbeat/podbeat/tui/drain"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/text"
	"github.com/podbeat/podbeat/tui/theme"
)

var update = flag.Bool("update", false, "write the golden files anew; look at what has changed before you keep it")

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

func colours(t *testing.T) *theme.Theme {
	t.Helper()
	th, err := theme.New("dark", true, true)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

var (
	levels = source.Facet{Field: "log.level", Docs: source.Count{N: 61_004}, Values: []source.FacetValue{
		{Value: "INFO", Count: 45_211}, {Value: "debug", Count: 11_000}, {Value: "WARN", Count: 3500}, {Value: "error", Count: 290}, {Value: "FATAL", Count: 3}}}
	namespaces = source.Facet{Field: "kubernetes.namespace", Docs: source.Count{N: 61_004, Kind: source.About}, Kind: source.About, Other: 1200,
		Values: []source.FacetValue{{Value: "web", Count: 45_211}, {Value: "日本語の名前空間日本語の名前空間", Count: 11_000}, {Value: "a\x1b[2J\nb", Count: 9}, {Value: "", Count: 1}}}
	nodes = []source.Node{
		{Value: "checkout", Count: 45_211, Errors: 312, Spark: []int64{0, 1, 0, 5, 9, 3, 0, 0, 0, 1}},
		{Value: "web", Count: 12_000}, {Value: "cart-日本\x1b[31m", Count: 998, Errors: 2, Spark: []int64{1, 2, 3}}, {Value: "search", Count: 120}}
	levelNames = []string{"region", "zone", "namespace", "app", "pod"}
)

func listed(t *testing.T, width, height int) *Facets {
	f := NewFacets(colours(t))
	f.SetSize(width, height)
	f.SetFields([]string{"log.level", "log.stream", "kubernetes.namespace", "kubernetes.pod.name", "host.name", "trace.id"})
	f.SetFacet(levels)
	f.SetFacet(namespaces)
	return f
}

func TestFacetsGolden(t *testing.T) {
	for _, size := range [][2]int{{34, 20}, {44, 8}, {20, 12}, {3, 3}, {1, 1}} {
		f := listed(t, size[0], size[1])
		f.SetFocus(true)
		f.MoveBy(8)
		f.Toggle()
		f.MoveBy(-5)
		lines := f.Lines()
		if len(lines) != size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		golden(t, fmt.Sprintf("facets-%dx%d", size[0], size[1]), size[0], lines)
	}
	f := listed(t, 30, 8)
	f.SetFilter("KUBER")
	f.Toggle()
	golden(t, "facets-filtered-30x8", 30, f.Lines())
	golden(t, "facets-none-30x3", 30, func() []string { f := NewFacets(colours(t)); f.SetSize(30, 3); return f.Lines() }())
}

// at is the field or value that the cursor is on.
func at(f *Facets) string {
	if field, value, ok := f.Value(); ok {
		return field + "=" + value
	}
	return f.Field()
}

func TestFacets(t *testing.T) {
	f := listed(t, 30, 10)
	want := func(what, where string) {
		t.Helper()
		f.Lines()
		if got := at(f); got != where {
			t.Errorf("%s: at %s; want %s", what, got, where)
		}
	}
	want("at first", "log.level")
	f.MoveBy(-1)
	want("above the first", "log.level")
	f.MoveBy(2)
	want("on a value", "log.level=debug")
	more := levels
	more.Values = append([]source.FacetValue{{Value: "trace", Count: 1e6}}, levels.Values...)
	f.SetFacet(more)
	want("newer values", "log.level=debug")
	more.Values = nil
	f.SetFacet(more)
	want("the value is gone", "log.level")
	f.MoveBy(1)
	want("past a note, downwards", "log.stream")
	f.MoveBy(-1)
	want("past a note, upwards", "log.level")
	f.MoveBy(100)
	want("the last", "trace.id")
	if field, opened := f.Toggle(); field != "trace.id" || !opened {
		t.Errorf("Toggle: %s, %v", field, opened)
	}
	f.MoveBy(1)
	want("below the last, a note", "trace.id")
	if got, want := fmt.Sprint(f.Open()), "[log.level log.stream trace.id]"; got != want {
		t.Errorf("open are %s; want %s", got, want)
	}
	f.SetFilter("namespace")
	want("filtered", "kubernetes.namespace")
	if _, opened := f.Toggle(); !opened {
		t.Error("Toggle does not open")
	}
	f.MoveBy(2)
	want("on a value", "kubernetes.namespace=日本語の名前空間日本語の名前空間")
	if field, opened := f.Toggle(); field != "kubernetes.namespace" || opened {
		t.Errorf("Toggle on a value: %s, %v", field, opened)
	}
	want("closed", "kubernetes.namespace")
	f.SetFilter("no such field")
	want("nothing", "")
	f.MoveBy(1)
	if field, opened := f.Toggle(); field != "" || opened {
		t.Errorf("Toggle of nothing: %s, %v", field, opened)
	}
	f.SetFilter("")
	f.SetFields([]string{"host.name"})
	want("one field", "host.name")
	if f.Click(0) || !f.Click(1) || f.Click(2) {
		t.Error("the head or nothing can be clicked, or the first field cannot")
	}
}

func TestRail(t *testing.T) {
	r := NewRail(colours(t), levelNames)
	var lines []string
	f := func(width int) {
		t.Helper()
		r.SetSize(width, 1)
		for _, line := range r.Lines() {
			if got := text.Width(line); got != width {
				t.Errorf("%d cells, not %d: %q", got, width, line)
			}
			lines = append(lines, line+strings.Repeat(" ", 120-width))
		}
	}
	f(120)
	r.SetNodes(0, []source.Node{{Value: "eu", Count: 5}})
	f(120)
	r.SetPath([5]string{"eu\u202e", "", "shop", "", ""})
	f(120)
	r.SetNodes(3, nodes)
	f(120)
	f(80)
	f(40)
	f(5)
	golden(t, "rail", 120, lines)

	r.SetSize(120, 1)
	r.MoveBy(-3)
	level := func(want int) {
		t.Helper()
		if got := r.Level(); got != want {
			t.Errorf("level %d; want %d", got, want)
		}
	}
	level(0)
	r.MoveBy(2)
	level(2)
	r.MoveBy(100)
	level(4)
	line := []rune(ansi.Strip(r.Lines()[0]))
	for i, name := range []string{"eu", "any zone", "shop", "4 apps", "any pod"} {
		x := strings.Index(string(line), name)
		x = len([]rune(string(line)[:x]))
		if !r.Click(x) || r.Level() != i {
			t.Errorf("a click on %s, column %d, is one on level %d", name, x, r.Level())
		}
	}
	if r.Click(0) || r.Click(119) {
		t.Error("beside the path is a level")
	}
}

func TestMenuGolden(t *testing.T) {
	columns := []Item{{Text: "kubernetes.pod.name", Hint: "keyword", ID: "1"}, {Text: "kubernetes.namespace", Hint: "keyword", ID: "2"},
		{Text: "message\x1b[31m\n" + strings.Repeat("日本", 40), Hint: "text, shown", ID: "3"}}
	for _, width := range []int{90, 50, 20, 8} {
		m := NewMenu(colours(t), "app", Nodes(nodes))
		m.SetHint("lines, errors; type to search, Del for any")
		m.SetSize(width, 30)
		m.MoveBy(1)
		lines := m.Lines()
		m = NewMenu(colours(t), "columns", columns)
		m.SetSize(width, 5)
		lines = append(lines, m.Lines()...)
		m.Type("kna")
		lines = append(lines, m.Lines()...)
		m.Type(strings.Repeat("x", 100))
		lines = append(lines, m.Lines()...)
		m = NewMenu(colours(t), "saved queries", nil)
		m.SetSize(width, 10)
		m.SetLoading(true)
		lines = append(lines, m.Lines()...)
		golden(t, fmt.Sprintf("menu-%d", width), width, lines)
	}
}

func TestMenu(t *testing.T) {
	m := NewMenu(colours(t), "app", []Item{{Text: "checkout", ID: "1"}, {Text: "web", ID: "2"}, {Text: "webshop", ID: "3"}, {Text: "ΩMEGA", ID: "4"}})
	m.SetSize(40, 5)
	f := func(what, want string) {
		t.Helper()
		m.Lines()
		item, _ := m.Item()
		if item.Text != want {
			t.Errorf("%s: %q; want %q", what, item.Text, want)
		}
	}
	f("at first", "checkout")
	m.MoveBy(-1)
	f("round", "ΩMEGA")
	m.MoveBy(1)
	f("round again", "checkout")
	m.MoveBy(10)
	f("a page", "ΩMEGA")
	m.Type("w")
	m.Type("e")
	f("typed", "web")
	m.MoveBy(1)
	f("the next", "webshop")
	m.SetItems([]Item{{Text: "weather", ID: "9"}, {Text: "webshop", ID: "3"}})
	f("new items", "webshop")
	m.Type("zz")
	f("none fits", "")
	m.MoveBy(1)
	m.Backspace()
	m.Backspace()
	f("taken back", "weather")
	m.Clear()
	m.Backspace()
	f("all", "weather")
	m.Goto("3")
	f("gone to", "webshop")
	m.Goto("none")
	f("gone nowhere", "webshop")
	if m.Click(1) || !m.Click(2) || m.Click(4) {
		t.Error("the frame can be clicked, or the first item cannot")
	}
	f("clicked", "weather")
}

func patterns() []Pattern {
	day := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	return []Pattern{
		{Template: "GET /api/<*> took <*> ms", Count: 41_200, Level: source.Info, Last: day},
		{Template: "connection to <*> refused", Count: 312, Level: source.Error, Last: day.Add(time.Hour)},
		{Template: "<*>", Count: 40, Level: source.None, Last: day.Add(time.Minute)},
		{Template: "日本\x1b[2J " + strings.Repeat("long ", 50), Count: 1, Level: source.Debug},
	}
}

func TestTableGolden(t *testing.T) {
	for _, size := range [][2]int{{100, 8}, {60, 5}, {12, 4}, {1, 1}} {
		table := NewTable(colours(t))
		table.SetSize(size[0], size[1])
		table.SetRows(patterns(), 100_000, size[0] > 90)
		golden(t, fmt.Sprintf("table-%dx%d", size[0], size[1]), size[0], table.Lines())
	}
}

func TestTable(t *testing.T) {
	table := NewTable(colours(t))
	table.SetSize(80, 4)
	f := func(what string, want int) {
		t.Helper()
		table.Lines()
		i, ok := table.Index()
		if !ok {
			i = -1
		}
		if i != want {
			t.Errorf("%s: row %d; want %d", what, i, want)
		}
	}
	f("empty", -1)
	table.MoveBy(1)
	table.SetRows(patterns(), 10, true)
	f("at first", 0)
	table.MoveBy(1)
	f("down", 1)
	rows := patterns()
	rows[0], rows[1] = rows[1], rows[0]
	rows[0].Count = 1e6
	table.SetRows(rows, 10, true)
	f("the same one is elsewhere", 0)
	table.PageBy(1)
	f("a page", 2)
	table.PageBy(-5)
	table.NextSort()
	f("fewest first", 3)
	table.NextSort()
	f("worst first", 0)
	table.NextSort()
	f("newest first", 0)
	table.NextSort()
	table.MoveBy(99)
	f("the last", 3)
	if table.Click(1) || !table.Click(2) || table.Click(4) {
		t.Error("the head can be clicked, or the first row cannot")
	}
	f("clicked the first that is seen", 2)
}

func TestPatterns(t *testing.T) {
	m := drain.New()
	for i := range 5 {
		m.Add(fmt.Sprintf("request %d failed", i), source.Error, time.Unix(int64(i), 0))
	}
	m.Add("request 7 failed", source.Warn, time.Unix(9, 0))
	got := Patterns(m.Clusters())
	if len(got) != 1 || got[0].Count != 6 || got[0].Level != source.Error || !got[0].Last.Equal(time.Unix(9, 0)) || !strings.Contains(got[0].Template, drain.Wild) {
		t.Errorf("%+v", got)
	}
}
