package scope

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/kql"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/when"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestParseChip(t *testing.T) {
	f := func(text string, want Chip, written string) {
		t.Helper()
		got, err := ParseChip(text)
		if err != nil || got != want || got.String() != written {
			t.Errorf("%s: got %+v, written %s (%v), want %+v, %s", text, got, got, err, want, written)
		}
	}
	f("log.level: error", Chip{Field: "log.level", Value: "error"}, "log.level: error")
	f(" log.level:error ", Chip{Field: "log.level", Value: "error"}, "log.level: error")
	f("not log.level: debug", Chip{Field: "log.level", Value: "debug", Not: true}, "not log.level: debug")
	f("NOT log.level: debug", Chip{Field: "log.level", Value: "debug", Not: true}, "not log.level: debug")
	f(`m: "a \"b\" \\ c"`, Chip{Field: "m", Value: `a "b" \ c`}, `m: "a \"b\" \\ c"`)
	f(`m: "a\nb\t\u001b[0m"`, Chip{Field: "m", Value: "a\nb\t\x1b[0m"}, `m: "a\nb\t\u001b[0m"`)
	f("trace.id: *", Chip{Field: "trace.id", Exists: true}, "trace.id: *")
	f("not trace.id:*", Chip{Field: "trace.id", Exists: true, Not: true}, "not trace.id: *")
	f("off log.level: error", Chip{Field: "log.level", Value: "error", Off: true}, "off log.level: error")
	f("off pinned not a: b", Chip{Field: "a", Value: "b", Off: true, Pinned: true, Not: true}, "off pinned not a: b")
	f("pinned a: b", Chip{Field: "a", Value: "b", Pinned: true}, "pinned a: b")
	f("status >= 500", Chip{Query: "status >= 500"}, "status >= 500")
	f("status: 500", Chip{Field: "status", Value: "500"}, "status: 500")
	f("a: b or c: d", Chip{Query: "a: b or c: d"}, "a: b or c: d")
	f("not (a: b or c: d)", Chip{Query: "a: b or c: d", Not: true}, "not (a: b or c: d)")
	f("not a: b or c: d", Chip{Query: "not a: b or c: d"}, "not a: b or c: d")
	f("not (a: b) or (c: d)", Chip{Query: "not (a: b) or (c: d)"}, "not (a: b) or (c: d)")
	f(`not (a: ")" or b: "\"(")`, Chip{Query: `a: ")" or b: "\"("`, Not: true}, `not (a: ")" or b: "\"(")`)
	f("pod: web*", Chip{Query: "pod: web*"}, "pod: web*")
	f("a: (b or c)", Chip{Query: "a: (b or c)"}, "a: (b or c)")
	f("message: /x+/", Chip{Query: "message: /x+/"}, "message: /x+/")
	f("timeout", Chip{Query: "timeout"}, "timeout")
	f("message: connection reset", Chip{Query: "message: connection reset"}, "message: connection reset") // either word, not the phrase
	f("lucene: a:b~2", Chip{Query: "lucene: a:b~2"}, "lucene: a:b~2")
	f("not (lucene: a:b~2)", Chip{Query: "lucene: a:b~2", Not: true}, "not (lucene: a:b~2)")
	f(`"my field": x`, Chip{Field: "my field", Value: "x"}, `"my field": x`)
	f("off ", Chip{Query: "off"}, "off") // a word like others
	for _, bad := range []string{"", " ", "a: (", "not (", "not", "and", "a: b and", "not (a: b"} {
		if c, err := ParseChip(bad); err == nil {
			t.Errorf("%q is taken, as %+v", bad, c)
		}
	}
}

// FuzzChip: what a chip is written as means that chip, whatever its value, and any text that is taken is written as what means it.
func FuzzChip(f *testing.F) {
	f.Add("log.level", "error", "not (a: b)")
	f.Add("a b", "x\ny \"z\" \\ \x1b", "off pinned not x: *")
	f.Add("not", "and", `a: "\u0041"`)
	f.Add("*", "*", "off off a")
	f.Fuzz(func(t *testing.T, field, value, text string) {
		if c, err := ParseChip(text); err == nil {
			if again, err := ParseChip(c.String()); err != nil || again != c {
				t.Errorf("%q is %+v; that is written as %q, which is %+v (%v)", text, c, c, again, err)
			}
		}
		c := Chip{Field: field, Value: value, Not: len(value)%2 == 0}
		q, err := kql.Parse(c.KQL())
		if err != nil || field == "" {
			return
		}
		again, err := ParseChip(c.String())
		if err != nil {
			t.Fatalf("%+v is written as %q: %v", c, c, err)
		}
		if same, err := kql.Parse(again.KQL()); err != nil || same.String() != q.String() {
			t.Errorf("%+v is written as %q, which is %+v (%v)", c, c, again, err)
		}
	})
}

// types are fields with their types.
type types map[string]string

func (t types) Type(field string) string { return t[field] }

func (t types) Match(string) []string { return nil }

func TestFilter(t *testing.T) {
	fields := types{"log.level": "keyword", "message": "text", "log.stream": "keyword", "kubernetes.namespace": "keyword", "status": "long"}
	names := source.Names{App: []string{"a", "b"}}.Or(source.Defaults())
	f := func(s Scope, want string) {
		t.Helper()
		filter, err := s.Filter(fields, names, kql.Options{})
		got, _ := json.Marshal(filter)
		if err != nil || string(got) != want {
			t.Errorf("%+v: got %s (%v), want %s", s, got, err, want)
		}
	}
	level := Chip{Field: "log.level", Value: "error"}
	isError := `{"term":{"log.level":{"value":"error"}}}`
	f(Scope{}, "null")
	f(Scope{Text: " "}, "null")
	f(Scope{Chips: []Chip{level}}, isError)
	f(Scope{Chips: []Chip{{Field: "log.level", Value: "error", Off: true}}}, "null")
	f(Scope{Chips: []Chip{{Field: "log.level", Value: "error", Not: true}}}, `{"bool":{"must_not":[`+isError+`]}}`)
	f(Scope{Chips: []Chip{level, {Field: "x", Exists: true}}}, `{"bool":{"filter":[`+isError+`,{"exists":{"field":"x"}}]}}`)
	f(Scope{Chips: []Chip{{Field: "message", Value: "a b"}}}, `{"match_phrase":{"message":{"query":"a b"}}}`)
	f(Scope{Chips: []Chip{{Field: "status", Value: "500"}}}, `{"match_phrase":{"status":{"query":"500"}}}`)
	f(Scope{Lens: Console}, `{"term":{"log.stream":{"value":"console"}}}`)
	f(Scope{Lens: Application}, `{"bool":{"minimum_should_match":1,"should":[{"term":{"log.stream":{"value":"file"}}},{"term":{"log.stream":{"value":"push"}}}]}}`)
	f(Scope{Path: [Levels]string{Namespace: "shop"}}, `{"term":{"kubernetes.namespace":{"value":"shop"}}}`)
	f(Scope{Path: [Levels]string{App: "cart"}}, `{"bool":{"minimum_should_match":1,"should":[{"match_phrase":{"a":{"query":"cart"}}},{"match_phrase":{"b":{"query":"cart"}}}]}}`)

	refused := func(s Scope, want string) {
		t.Helper()
		if _, err := s.Filter(nil, names, kql.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %s", s, err, want)
		}
	}
	refused(Scope{Text: "a: ("}, "column")
	refused(Scope{Chips: []Chip{{Query: "a: ("}}}, "cannot filter by a: (")
}

// TestArgs: the arguments of a scope, and what files have of it, are that scope again.
func TestArgs(t *testing.T) {
	f := func(s Scope, want ...string) {
		t.Helper()
		args := s.Args("prod")
		if !reflect.DeepEqual(args, append([]string{"--context", "prod"}, want...)) {
			t.Errorf("%+v: got %q", s, args)
		}
		var got Scope
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		fs.String("context", "", "")
		settle := Flags(fs, &got)
		if err := fs.Parse(args); err != nil {
			t.Fatal(err)
		}
		if err := settle(now, time.UTC); err != nil || !reflect.DeepEqual(got, s) || got.Key() != s.Key() {
			t.Errorf("%q are %+v (%v), want %+v", args, got, err, s)
		}
		for name, form := range map[string]struct {
			write func(any) ([]byte, error)
			read  func([]byte, any) error
		}{"JSON": {json.Marshal, json.Unmarshal}, "YAML": {yaml.Marshal, yaml.Unmarshal}} {
			data, err := form.write(s)
			var got Scope
			if err == nil {
				err = form.read(data, &got)
			}
			if err != nil || !reflect.DeepEqual(got, s) {
				t.Errorf("as %s %+v is %+v (%v): %s", name, s, got, err, data)
			}
		}
	}
	f(Scope{}, "--range", "all")
	f(Scope{Text: "level: error", Range: when.Last(time.Hour)}, "--query", "level: error", "--range", "last 1h")
	f(Scope{
		Index: "logs-*", Chips: []Chip{{Field: "a", Value: "it's"}, {Query: "b: c*", Not: true, Off: true}}, Lens: Application,
		Range: when.Between(now.Add(-time.Hour), now), Path: [Levels]string{Region: "eu", Pod: "web-1"}, Columns: []string{"host.name", "message"},
	}, "--index", "logs-*", "--chip", `a: "it's"`, "--chip", "off not (b: c*)", "--range", "2026-11-21T11:00:00Z to 2026-11-21T12:00:00Z", "--lens", "application",
		"--region", "eu", "--pod", "web-1", "--columns", "host.name,message")
}

func TestFlags(t *testing.T) {
	f := func(want when.Range, args ...string) {
		t.Helper()
		var s Scope
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		settle := Flags(fs, &s)
		err := fs.Parse(args)
		if err == nil {
			err = settle(now, time.UTC)
		}
		if err != nil || s.Range != want {
			t.Errorf("%q: got %v (%v), want %v", args, s.Range, err, want)
		}
	}
	f(when.Range{})
	f(when.Last(15*time.Minute), "--last", "15m")
	f(when.Last(15*time.Minute), "--range", "last 15m")
	f(when.Range{From: when.Ago(3 * time.Hour)}, "--from", "-3h")
	f(when.Range{From: when.Ago(3 * time.Hour), To: when.Ago(time.Hour)}, "--from", "-3h", "--to=-1h")
	f(when.Range{To: when.At(now)}, "--to", "2026-11-21T12:00:00Z")
	f(when.Between(now.Add(-2*time.Hour), now), "--from", "2026-11-21 10:00", "--to", "2026-11-21 12:00")
	refused := func(want string, args ...string) {
		t.Helper()
		var s Scope
		fs := pflag.NewFlagSet("", pflag.ContinueOnError)
		settle := Flags(fs, &s)
		err := fs.Parse(args)
		if err == nil {
			err = settle(now, time.UTC)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", args, err, want)
		}
	}
	refused("in one way", "--last", "1h", "--from", "-3h")
	refused("in one way", "--last", "1h", "--range", "today")
	refused("soon", "--last", "soon")
	refused("unknown lens", "--lens", "other")
	refused("as a filter", "--chip", "a: (")
}

func TestAround(t *testing.T) {
	names := source.Defaults()
	f := func(doc string, want ...string) {
		t.Helper()
		got := Scope{Index: "i", Text: "x", Chips: []Chip{{Query: "y"}}, Lens: Console, Range: when.Last(time.Hour)}.Around(&source.Row{Source: []byte(doc)}, names)
		var chips []string
		for _, c := range got.Chips {
			chips = append(chips, c.String())
		}
		if !reflect.DeepEqual(chips, want) || got.Text != "" || got.Lens != Console || got.Index != "i" || !got.Range.All() {
			t.Errorf("%s: got %+v, want %q", doc, got, want)
		}
	}
	f(`{"kubernetes":{"pod":{"uid":"u","name":"p"},"container":{"name":"c"},"namespace":"n"}}`, "kubernetes.pod.uid: u", "kubernetes.container.name: c")
	f(`{"kubernetes.namespace":"n","kubernetes.pod.name":"p"}`, "kubernetes.namespace: n", "kubernetes.pod.name: p")
	f(`{"host":{"name":"h"},"log.file.path":"/a b"}`, "host.name: h", `log.file.path: "/a b"`)
	f(`{"message":"x"}`)
	f(`{`)
	f("")
}

func TestWith(t *testing.T) {
	s := Scope{Chips: []Chip{{Field: "a", Value: "1", Pinned: true}, {Field: "b", Value: "2"}}}
	with := s.With(Chip{Field: "a", Value: "1", Not: true})
	if len(s.Chips) != 2 || s.Chips[0].Not || len(with.Chips) != 2 || with.Chips[1] != (Chip{Field: "a", Value: "1", Not: true}) {
		t.Errorf("got %+v of %+v", with.Chips, s.Chips)
	}
}

func TestQuery(t *testing.T) {
	f := func(s Scope, want string, wantOK bool) {
		t.Helper()
		if got, ok := s.Query(); got != want || ok != wantOK {
			t.Errorf("%+v: got %q, %v, want %q", s, got, ok, want)
		}
	}
	a := []Chip{{Field: "a", Value: "1"}, {Field: "b", Value: "2", Not: true}, {Field: "c", Value: "3", Off: true}}
	f(Scope{}, "", true)
	f(Scope{Text: "x or y", Chips: a}, "(x or y) and a: 1 and not b: 2", true)
	f(Scope{Text: "lucene: x~"}, "lucene: x~", true)
	f(Scope{Text: "lucene: x~", Chips: a}, "", false)
	f(Scope{Text: "x", Chips: []Chip{{Query: "lucene: x~"}}}, "", false)
	f(Scope{Text: "("}, "", false)
}

func TestCommand(t *testing.T) {
	f := func(want string, args ...string) {
		t.Helper()
		if got := Command("logtui", args); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f("logtui", nil...)
	f("logtui --last 15m --index logs-a", "--last", "15m", "--index", "logs-a")
	f(`logtui --query 'it'\''s $HOME' '' 'logs-*'`, "--query", "it's $HOME", "", "logs-*")
}

// TestHostileSaved: what a file has is checked.
func TestHostileSaved(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var s Scope
		if err := yaml.Unmarshal([]byte(text), &s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	f("{qery: x}", `unknown option "qery"`)
	f("{chips: ['a: (']}", "cannot use")
	f("{range: soon}", "soon")
	f("{lens: other}", "unknown lens")
	f("{query: [x]}", "cannot unmarshal")
}
