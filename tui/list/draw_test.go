package list

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/theme"
	"github.com/podbeat/podbeat/tui/when"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// line is a document of podbeat's.
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

func TestPicture(t *testing.T) {
	for _, size := range [][2]int{{100, 12}, {80, 10}, {40, 8}, {20, 6}} {
		l := newList(t, "terminal", size[0], size[1])
		l.show(sample()...)
		t.Log("\n" + plainText(l.Lines()))
	}
}
