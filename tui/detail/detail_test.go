package detail

import (
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

const document = `{"@timestamp":"2026-11-20T10:00:00.000001Z","ecs":{"version":"1.12.0"},"agent":{"type":"podbeat","version":"7.17.29"},
"kubernetes":{"namespace":"web","pod":{"name":"shop-1","uid":"8a2b"},"labels":{"app":"shop","tier":"front"}},
"log":{"level":"ERROR","offset":12},"log.stream":"console","message":"boom\n\tat a.B(C.java:1)\n\tat d.E(F.java:2)\nCaused by: x","tags":["a","b"],"items":[{"id":1},{"id":2}],
"empty":{},"none":null,"ok":true,"odd.dotted.name":1.50,"evil":"\u001b[31mred\u202e"}`

func shown(t *testing.T, doc string, w, h int) *Detail {
	t.Helper()
	th, err := theme.New("", true, false)
	if err != nil {
		t.Fatal(err)
	}
	d := New(th)
	d.SetZone(when.UTC)
	d.SetSize(w, h)
	d.SetDocument(&source.Row{Index: "i", ID: "1", Level: source.Error, Time: time.Unix(0, 0)}, []byte(doc))
	return d
}

// screen is what is on the screen, without styles and the space behind.
func screen(d *Detail) string {
	lines := slices.Clone(d.Lines())
	for i, line := range lines {
		lines[i] = strings.TrimRight(ansi.Strip(line), " ")
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func TestModes(t *testing.T) {
	f := func(mode Mode, doc, want string) {
		t.Helper()
		d := shown(t, doc, 60, 40)
		d.SetMode(mode)
		if got := screen(d); got != want {
			t.Errorf("%s of %s is\n%s\nwant\n%s", mode, doc, got, want)
		}
	}
	f(Tree, document, `▾ message boom
      at a.B(C.java:1)
      at d.E(F.java:2)
  Caused by: x
@timestamp 2026-11-20T10:00:00.000001Z  2026-11-20 10:00:00…
▸ agent type=podbeat version=7.17.29
ecs.version 1.12.0
empty {}
evil ␛[31mred⟨U+202E⟩
▾ items
  –.id 1
  –.id 2
▾ kubernetes
  ▸ labels app=shop tier=front
  namespace web
  ▾ pod
    name shop-1
    uid 8a2b
▾ log
  level ERROR
  offset 12
log.stream console
none null
odd.dotted.name 1.50
ok true
▸ tags a, b`)
	// Objects are by name, arrays as they are; what is seldom read is folded wherever it is.
	f(Tree, `{"process":{"name":"p","pid":1},"d":{"z":[{"y":2,"x":1},{"w":0}],"message":"other","a":0},"host":{"name":"h","os":"linux"},
"container":{"id":"c","labels":{"k":"v"}},"message":"first","cloud":{"region":"r","zone":"z"},"c":{"annotations":{"k":1,"l":2},"a":0}}`, `message first
▾ c
  a 0
  ▸ annotations k=1 l=2
▸ cloud region=r zone=z
▸ container id=c labels=…
▾ d
  a 0
  message other
  ▾ z
    ▾ –
      x 1
      y 2
    –.w 0
▸ host name=h os=linux
▸ process name=p pid=1`)
	f(Table, `{"b":{"c":[1,null,"x\ny"],"d":{}},"a":"ü\u0007"}`, `a   ü␇
b.c 1, null, x↵ y
b.d {}`)
	f(JSON, `{"b":{"c":[1,{"x":1e400}],"d":{},"e":[]},"a":"ü<\u0007\u202e"}`, `{
  "b": {
    "c": [
      1,
      {
        "x": 1e400
      }
    ],
    "d": {},
    "e": []
  },
  "a": "ü<\u0007⟨U+202E⟩"
}`)
	f(Raw, "{\"a\":\r\n\t\"\x1b\"}", "{\"a\":\n        \"␛\"}")
	f(Tree, `{"message":"got {\"user\":\"alice\",\"at\":{\"n\":1}}","a":1}`, `▾ message got
  user alice
  at.n 1
a 1`)
	f(Tree, `{"message":"{\"user\":\"alice\"} and more"}`, `message {"user":"alice"} and more`)
	f(Tree, `{"log":{"message":"other"},"a":[{"b":[]},[1,2],"x"]}`, `▾ a
  –.b []
  ▸ – 1, 2
  – x
log.message other`)
	f(Tree, `not JSON`, `not JSON`)
	f(Tree, `[1]`, `[1]`)
	f(Tree, `{"a":`, `{"a":`)
	f(Tree, `{}`, ``)
	f(Tree, `{"":{"":1}}`, ` 1`)
	f(Table, `{}`, ``)
}

func TestField(t *testing.T) {
	d := shown(t, document, 60, 40)
	var got []string
	for range d.made() {
		path, value, ok := d.Field()
		got = append(got, fmt.Sprintf("%s=%.4v %v", path, value, ok))
		d.MoveBy(1)
	}
	want := `message=boom true, message=boom true, message=boom true, message=boom true, @timestamp=2026 true, agent=%!v(<nil>) false, ecs.version=1.12 true, ` +
		`empty=%!v(<nil>) false, evil=` + "\x1b[31" + ` true, items=%!v(<nil>) false, items.id=1 true, items.id=2 true, kubernetes=%!v(<nil>) false, ` +
		`kubernetes.labels=%!v(<nil>) false, kubernetes.namespace=web true, kubernetes.pod=%!v(<nil>) false, kubernetes.pod.name=shop true, ` +
		`kubernetes.pod.uid=8a2b true, log=%!v(<nil>) false, log.level=ERRO true, log.offset=12 true, log.stream=cons true, none=%!v(<nil>) false, ` +
		`odd.dotted.name=1.50 true, ok=true true, tags=a true`
	want = strings.ReplaceAll(want, "%!v(<nil>)", fmt.Sprintf("%.4v", nil))
	if joined := strings.Join(got, ", "); joined != want {
		t.Errorf("fields are\n%s\nwant\n%s", joined, want)
	}
	d.SetMode(Raw)
	if path, _, ok := d.Field(); ok || path != "" {
		t.Errorf("a field %q of raw text", path)
	}
	d.SetDocument(nil, nil)
	if path, _, ok := d.Field(); ok || path != "" || d.Title() != "no document" || screen(d) != "" {
		t.Errorf("of no document: %q, %q", path, d.Title())
	}
}

// to moves the cursor to the first line that contains a text.
func to(t *testing.T, d *Detail, s string) {
	t.Helper()
	for i, l := range d.made() {
		if strings.Contains(l.key+l.text, s) {
			d.MoveBy(i - d.cursor)
			return
		}
	}
	t.Fatalf("no line has %q:\n%s", s, screen(d))
}

func TestFold(t *testing.T) {
	d := shown(t, document, 60, 40)
	f := func(what string, has, hasNot string) {
		t.Helper()
		got := screen(d)
		if !strings.Contains(got, has) || strings.Contains(got, hasNot) {
			t.Errorf("%s: want %q, not %q:\n%s", what, has, hasNot, got)
		}
	}
	to(t, d, "agent")
	d.Toggle()
	f("agent unfolded", "▾ agent\n  type podbeat\n  version 7.17.29", "▸ agent")
	to(t, d, "uid")
	d.Toggle()
	f("pod folded from inside", "▸ pod name=shop-1 uid=8a2b", "  uid 8a2b")
	if path, _, _ := d.Field(); path != "kubernetes.pod" {
		t.Errorf("the cursor is on %s", path)
	}
	to(t, d, "message")
	d.Toggle()
	f("message folded", "▸ message boom  …+3", "Caused")
	to(t, d, "tags")
	d.Toggle()
	f("tags unfolded", "▾ tags\n  – a\n  – b", "tags a")
	to(t, d, "– b")
	d.SetDocument(&source.Row{}, []byte(strings.Replace(document, "podbeat", "other", 1)))
	f("the next document", "▸ message boom", "Caused")
	f("the next document", "▾ agent\n  type other", "  uid 8a2b")
	if _, value, _ := d.Field(); value != "b" {
		t.Errorf("in the next document the cursor is on %v", value)
	}
	d.FoldAll()
	f("all folded", "▸ kubernetes labels=… namespace=web pod=…\n▸ log", "▾")
	d.UnfoldAll()
	f("all unfolded", "    app shop\n    tier front", "▸")
	d.SetMode(JSON)
	to(t, d, `"uid"`)
	d.Toggle()
	f("JSON folded", `"pod": { … 2 … },`, `"uid"`)
	d.Top()
	d.Toggle()
	f("the root is not folded", `"pod": { … 2 … },`, `"uid"`)
	d.SetMode(Table)
	before := screen(d)
	if d.Toggle(); screen(d) != before {
		t.Error("a table is folded")
	}
}

func TestPlaceIsKept(t *testing.T) {
	d := shown(t, document, 60, 10)
	f := func(what, want string) {
		t.Helper()
		if path, _, _ := d.Field(); path != want {
			t.Errorf("%s: the cursor is on %q, want %q", what, path, want)
		}
	}
	to(t, d, "uid")
	f("moved", "kubernetes.pod.uid")
	row := &source.Row{ID: "2", Source: []byte(`{"message":"short"}`)}
	d.SetDocument(row, nil)
	if got := screen(d); !strings.Contains(got, "short") || !strings.Contains(got, "reading") {
		t.Errorf("while it is read: %s", got)
	}
	f("while it is read", "message")
	d.SetDocument(row, []byte(document))
	f("read", "kubernetes.pod.uid")
	d.SetMode(Table)
	f("as a table", "kubernetes.pod.uid")
	d.SetMode(JSON)
	f("as JSON", "kubernetes.pod.uid")
	d.SetMode(Raw)
	d.SetMode(Tree)
	f("as a tree again", "kubernetes.pod.uid")
	d.SetSize(20, 5)
	f("smaller", "kubernetes.pod.uid")
	d.Page(-9)
	f("at the top", "message")
	d.Bottom()
	f("at the bottom", "tags")
	if !strings.Contains(screen(d), "tags") {
		t.Errorf("the cursor is not on the screen:\n%s", screen(d))
	}
}

func TestFind(t *testing.T) {
	d := shown(t, document, 60, 12)
	d.Find(regexp.MustCompile(`shop`))
	var got []string
	for range 5 {
		d.FindNext(1)
		path, _, _ := d.Field()
		got = append(got, path)
	}
	d.FindNext(-1)
	path, _, _ := d.Field()
	got = append(got, path)
	want := "kubernetes.labels.app kubernetes.pod.name kubernetes.labels.app kubernetes.pod.name kubernetes.labels.app kubernetes.pod.name"
	if strings.Join(got, " ") != want {
		t.Errorf("found %s, want %s", got, want)
	}
	if lines := strings.Join(d.Lines(), "\n"); !strings.Contains(lines, "▾ ") || !strings.Contains(lines, d.theme.Match.Inherit(d.theme.Rest).Render("shop")) {
		t.Errorf("matches are not marked:\n%s", lines)
	}
	d.Find(regexp.MustCompile(`nowhere|^$`))
	d.FindNext(1)
	d.Find(nil)
	d.FindNext(1)
	if path, _, _ := d.Field(); path != "kubernetes.pod.name" {
		t.Errorf("what is not found moves the cursor to %s", path)
	}
	// In a value that is cut off, and one that is embedded and folded.
	d.SetDocument(&source.Row{}, []byte(`{"message":"{\"user\":{\"a\":1,\"b\":\"needle\"}}","long":"`+strings.Repeat("x ", 200)+`needle"}`))
	d.FoldAll()
	d.Find(regexp.MustCompile(`needle`))
	d.FindNext(1)
	if got := screen(d); !strings.Contains(got, "b needle") {
		t.Errorf("not unfolded:\n%s", got)
	}
	d.FindNext(1)
	if path, _, _ := d.Field(); path != "long" {
		t.Errorf("found in %s", path)
	}
}

// fits checks that the screen is as large as it must be.
func fits(t *testing.T, d *Detail, what string) {
	t.Helper()
	lines := d.Lines()
	if len(lines) != d.h {
		t.Fatalf("%s: %d lines of %d", what, len(lines), d.h)
	}
	for _, line := range lines {
		if text.Width(line) != d.w || strings.Contains(line, "\n") {
			t.Fatalf("%s: %q has width %d of %d", what, line, text.Width(line), d.w)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, doc := range []string{document, `{"message":"日本語 👩🏽‍💻 e\u0301 ` + strings.Repeat("長い", 100) + `"}`, "{}", "x\x1by"} {
		d := shown(t, doc, 1, 1)
		for mode := range Raw + 1 {
			d.SetMode(mode)
			for _, wrap := range []bool{false, true} {
				d.Wrap(wrap)
				for w := range 25 {
					for h := range 6 {
						d.SetSize(w, h)
						d.MoveBy(3)
						fits(t, d, fmt.Sprintf("%s %d×%d", mode, w, h))
					}
				}
			}
		}
	}
}

func TestLargeDocuments(t *testing.T) {
	for name, doc := range map[string]string{
		"message":  `{"message":"` + strings.Repeat("word ", 1<<18) + `"}`,
		"one word": `{"message":"` + strings.Repeat("x", 1<<20) + `"}`,
		"trace":    `{"message":"` + strings.Repeat(`\n\tat a.b`, 1<<17) + `"}`,
		"deep":     strings.Repeat(`{"a":`, 5000) + `1` + strings.Repeat(`}`, 5000),
		"wide":     `{"a":1` + strings.Repeat(`,"b":{"c":1,"d":[1,2]}`, 10000) + `}`,
		"embedded": `{"message":"` + strings.Repeat(`{\"a\":`, 9000) + `1` + strings.Repeat(`}`, 9000) + `"}`,
	} {
		d := shown(t, doc, 40, 20)
		for mode := range Raw + 1 {
			d.SetMode(mode)
			d.UnfoldAll()
			d.Bottom()
			fits(t, d, name)
			if len(d.made()) > linesMax+1 {
				t.Errorf("%s as %s has %d lines", name, mode, len(d.made()))
			}
		}
	}
}

func FuzzDetail(f *testing.F) {
	f.Add(document, 40, 10, "jjtnmwjfu")
	f.Add(`{"message":"a {\"b\":[{\"c\":null}]}\nx","":[[]]}`, 7, 3, "tmjtmjtN")
	f.Fuzz(func(t *testing.T, doc string, w, h int, keys string) {
		d := shown(t, doc, w&63, h&15)
		d.Find(regexp.MustCompile(`a|\d`))
		for _, key := range keys[:min(len(keys), 50)] {
			switch key {
			case 'j':
				d.MoveBy(1)
			case 'k':
				d.MoveBy(-1)
			case 'p':
				d.Page(1)
			case 'G':
				d.Bottom()
			case 't':
				d.Toggle()
			case 'm':
				d.SetMode(d.Mode().Next())
			case 'w':
				d.Wrap(!d.wrap)
			case 'n':
				d.FindNext(1)
			case 'N':
				d.FindNext(-1)
			case 'f':
				d.FoldAll()
			case 'u':
				d.UnfoldAll()
			case 's':
				d.SetSize(d.h, d.w)
			case 'd':
				d.SetDocument(&source.Row{Source: []byte(doc)}, nil)
			}
			d.Field()
			d.Title()
			fits(t, d, keys)
		}
		fits(t, d, keys)
	})
}

func BenchmarkLines(b *testing.B) {
	th, _ := theme.New("dark", true, true)
	d := New(th)
	d.SetSize(80, 50)
	d.SetDocument(&source.Row{}, []byte(document))
	for b.Loop() {
		d.MoveBy(1)
		d.Lines()
		d.MoveBy(-1)
		d.Lines()
	}
}
