package drain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/source"
)

func TestTemplate(t *testing.T) {
	f := func(want string, lines ...string) {
		t.Helper()
		m := New()
		for _, line := range lines {
			m.Add(line, source.Info, time.Time{})
		}
		var got []string
		for _, c := range m.Clusters() {
			got = append(got, fmt.Sprint(c.Count, " ", c.Template))
		}
		if got := strings.Join(got, "\n"); got != want {
			t.Errorf("patterns of %q are\n%s\nwant\n%s", lines, got, want)
		}
	}
	f("")
	f("1 ", "")
	f("3 user <*> logged in from <*>", "user alice logged in from 10.0.0.1", "user bob logged in from 10.0.0.2:4711", "user carol logged in from fe80:0:0:0:1::5")
	f("2 <*> logged in", "alice logged in", "bob logged in")
	f("1 listening on port <*>\n1 stopped", "stopped", "listening on port 80")
	f("2 GET /checkout/<*>/items <*> <*>", "GET /checkout/17/items 200 17ms", "GET /checkout/18/items 500 1.5s")
	f("2 GET /list?<*>", "GET /list?page=2", "GET /list?sort=a&page=x")
	f("2 <*> took <*>", "2026-11-20T10:00:00.123Z took 5", "2026-11-20 10:00:00,5 +01:00 took 5.3ms")
	f("2 <*> kernel: up", "Nov 20 10:00:00 kernel: up", "Nov  9 10:00:01 kernel: up")
	f("2 <*> done", "Fri, 20 Nov 2026 10:00:00 done", "Fri, 21 Nov 2026 10:00:00 +0100 done")
	f("2 <*> done", "fe80::1:2:3:4 done", "aa:bb:cc:dd:ee:ff done")
	f("2 from <*>, done", "from 10.0.0.1:80, done", "from 10.0.0.0/8, done")
	f("1 a:b:c.d what? std::string::npos cafe::beef", "a:b:c.d what? std::string::npos cafe::beef")
	f("2 id=<*> done", "id=8a2b8f6e-0c9d-4a43-9a53-8a2b8f6e0c9d done", "id=0A2B8F6E-0C9D-4A43-9A53-8A2B8F6E0C9D done")
	f("2 at <*> commit <*>", "at 0xdeadbeef commit deadbeef", "at 0x1 commit cafebabe")
	f("2 open <*>: no such file", `open "/var/log/a": no such file`, `open "/tmp/some thing/b": no such file`)
	f(`2 {"level":"info","user":"<*>","n":<*>}`, `{"level":"info","user":"alice","n":1}`, `{"level":"info","user":"bob","n":22}`)
	f("2 java.lang.Error: gone", "java.lang.Error: gone\n\tat a.b.C(D.java:1)\n", "\njava.lang.Error: gone\r\n\tat x")
	f(`1 can't open "/var: no`, `can't open "/var: no`)
	f("2 two spaces", "two spaces", "two   spaces")
	f("2 日本語 <*> 件", "日本語 12 件", "日本語 3 件")
}

func TestCluster(t *testing.T) {
	m := New()
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	m.Add("disk 1 full", source.Warn, noon)
	m.Add("disk 2 full", source.Error, noon.Add(-time.Hour))
	m.Add("disk 3 full", source.Error, time.Time{})
	c := m.Add("disk 4 full", source.Error, noon.Add(time.Hour))
	if c.Count != 4 || c.Levels[source.Warn] != 1 || c.Levels[source.Error] != 3 || c.Sample != "disk 1 full" ||
		!c.First.Equal(noon.Add(-time.Hour)) || !c.Last.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v", c)
	}
}

// Each pattern must find each of its own lines, whatever the field is.
func TestQuery(t *testing.T) {
	f := func(text, keyword string, lines ...string) {
		t.Helper()
		m := New()
		for _, line := range lines {
			m.Add(line, source.Info, time.Time{})
		}
		c := m.Clusters()[0]
		for field, want := range map[string]string{"message": text, "message.keyword": keyword} {
			query := c.Query(field)
			if query != want {
				t.Errorf("query of %q is\n%s\nwant\n%s", lines, query, want)
			}
			for _, line := range lines {
				if !finds(t, query, line) {
					t.Errorf("%s does not find %q", query, line)
				}
				if !c.Matches(line) {
					t.Errorf("%s does not match %q", c.Template, line)
				}
			}
			if text != "message: *" && finds(t, query, "something else entirely") {
				t.Errorf("%s finds anything", query)
			}
		}
		if text != "message: *" && c.Matches("something else entirely") {
			t.Errorf("%s matches anything", c.Template)
		}
	}
	f("message: (connection and \"to db refused\")", `message.keyword: connection \(*\), to db refused, *`, "connection (1), to db refused, 2", "connection (3), to db refused, 4")
	f("message: ready", "message.keyword: ready", "ready")
	f(`message: "all systems go"`, `message.keyword: "all systems go"`, "all systems go")
	f(`message: (took and "for user")`, `message.keyword: took * for user *`, "took 12ms for user 1", "took 3s for user 2")
	f(`message: "logged in"`, `message.keyword: * logged in`, "alice logged in", "bob logged in")
	f(`message: *`, `message.keyword: *`, "12", "13")
	f(`message: (status and "of the login")`, `message.keyword: status user\:* of the login`, "status user:alice of the login", "status user:bob of the login")
	f(`message: "error: disk is full on"`, `message.keyword: error\: disk is full on *`, "error: disk is full on 1", "error: disk is full on 2")
	f(`message: ("not found" and "or gone")`, `message.keyword: \not found\: * \or gone`, "not found: 1 or gone", "not found: 2 or gone")
	f(`message: "job failed at"`, `message.keyword: job failed at *`, "job failed at 1\nbecause", "job failed at 2\nsince")
	f(`message: "job failed"`, `message.keyword: job failed*`, "job failed\nbecause", "job failed")
	f(`message: "two gaps in"`, `message.keyword: two*gaps in *`, "two  gaps in 1", "two\tgaps in 2")
	f(`message: "healthz after"`, `message.keyword: \/healthz after *`, "/healthz after 1", "/healthz after 2")
	f(`message: ("level\":\"info\",\"user" and n)`, `message.keyword: \{\"level\"\:\"info\",\"user\"\:\"*\",\"n\"\:*\}`,
		`{"level":"info","user":"alice","n":1}`, `{"level":"info","user":"bob","n":2}`)
}

// finds asks KQL's own matcher, which divides texts into words as Elasticsearch does.
func finds(t *testing.T, query, line string) bool {
	t.Helper()
	q, err := kql.Parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	holds, err := q.Matcher(types{}, kql.Options{}, time.Now())
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return holds(func(string) []any { return []any{line} })
}

type types struct{}

func (types) Type(field string) string {
	if strings.HasSuffix(field, ".keyword") {
		return "keyword"
	}
	return "text"
}

func (types) Match(string) []string { return nil }

func FuzzQuery(f *testing.F) {
	f.Add("took 12ms: user's 'a:b' \"c/d\" 1", "took 13ms: user's 'a:c' \"c/d\" 2")
	f.Add("{a:1}", "{b:1}")
	f.Add(" not x * y", "not z * y")
	f.Fuzz(func(t *testing.T, one, two string) {
		m := New()
		m.Add(one, source.Info, time.Time{})
		c := m.Add(two, source.Info, time.Time{})
		if !c.Matches(two) {
			t.Fatalf("%q does not match %q", c.Template, two)
		}
		if strings.TrimSpace(two) == "" {
			return
		}
		for _, query := range []string{c.Query("message"), c.Query("message.keyword")} {
			if found := finds(t, query, two); !found && utf8.ValidString(two) && !strings.ContainsFunc(two, unicode.IsControl) {
				t.Fatalf("%s does not find %q", query, two)
			}
		}
	})
}

func TestBounds(t *testing.T) {
	m := New()
	letters := func(n int) string {
		var s strings.Builder
		for ; n > 0; n /= 20 {
			s.WriteByte("ghijklmnopqrstuvwxyz"[n%20])
		}
		return s.String()
	}
	total := 0
	add := func(line string) {
		m.Add(line, source.None, time.Time{})
		total++
	}
	for n := range 3 * buildMax { // lines of one build that have nothing in common
		add(letters(8000+n) + " " + letters(16000+n) + " " + letters(24000+n))
	}
	if len(m.builds["w w w"]) > buildMax {
		t.Errorf("%d patterns of one build", len(m.builds["w w w"]))
	}
	for n := range 2 * clustersMax { // each of a build of its own
		add(strings.Map(func(r rune) rune { return rune(signs[int(r-'g')]) }, letters(n+1)) + "x")
	}
	add(strings.Repeat("word ", 1<<18))
	add(strings.Repeat("x", 1<<20))
	clusters := m.Clusters()
	sum := 0
	for _, c := range clusters {
		sum += c.Count
		if len(c.Template) > 2*bytesMax || len(c.Sample) > bytesMax {
			t.Errorf("a template of %d bytes, a sample of %d", len(c.Template), len(c.Sample))
		}
	}
	if len(clusters) > clustersMax+1 || sum != total {
		t.Errorf("%d patterns, %d of %d lines", len(clusters), sum, total)
	}
}

func TestSameAgain(t *testing.T) {
	var want []string
	for range 3 {
		m := New()
		for n := range 3000 {
			m.Add(fmt.Sprintf("%s request %d of %s took %dms", []string{"slow", "fast", "odd"}[n%3], n, []string{"web", "shop", "db", "cache"}[n%4], n*7), source.Info, time.Time{})
		}
		var got []string
		for _, c := range m.Clusters() {
			got = append(got, fmt.Sprint(c.Count, " ", c.Template))
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) || len(got) == 0 {
			t.Fatalf("%q, before %q", got, want)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	m := New()
	n := 0
	for b.Loop() {
		m.Add(fmt.Sprintf(`10.0.0.%d - - [20/Nov/2026:10:00:00 +0000] "GET /checkout/%d HTTP/1.1" 200 %d "-" "agent"`, n%250, n, n*3), source.Info, time.Time{})
		n++
	}
}
