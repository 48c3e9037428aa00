package kql_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/kql"
)

func parse(t testing.TB, text string) *kql.Query {
	t.Helper()
	q, err := kql.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return q
}

func encode(t testing.TB, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// found returns the ids of the documents that a Matcher holds for.
func found(t testing.TB, q *kql.Query, f kql.Fields, o kql.Options) string {
	t.Helper()
	holds, err := q.Matcher(f, o, time.Now())
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	hits := ""
	for _, id := range ids() {
		if holds(access(t, documents[id])) {
			hits += id
		}
	}
	return hits
}

// A query asks Elasticsearch what the table says, finds what the table says without it, and is the same when it was written and read again.
func TestQueries(t *testing.T) {
	for _, c := range slices.Concat(queries, nestedQueries) {
		q := parse(t, c.text)
		if got := encode(t, q.DSL(fields{}, kql.Options{})); got != c.dsl {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, got, c.dsl)
		}
		if got := found(t, q, fields{}, kql.Options{}); got != c.hits {
			t.Errorf("%s finds %s, want %s", c.text, got, c.hits)
		}
		again := parse(t, q.String())
		if got := encode(t, again.DSL(fields{}, kql.Options{})); got != c.dsl || again.String() != q.String() {
			t.Errorf("%s becomes %s, then %s:\n%s\nwant\n%s", c.text, q, again, got, c.dsl)
		}
	}
}

// The servers find what the table says, and so does who may see some of the documents alone.
func TestServers(t *testing.T) {
	servers := all(t)
	ask := func(cases []query, names ...string) {
		t.Helper()
		var dsl []any
		for _, c := range cases {
			dsl = append(dsl, json.RawMessage(c.dsl))
		}
		for _, name := range names {
			s := servers[name]
			for i, got := range s.hits(t, dsl) {
				want := strings.Map(func(id rune) rune {
					if strings.ContainsRune(s.hidden, id) {
						return -1
					}
					return id
				}, cases[i].hits)
				if got != want {
					t.Errorf("%s: %s finds %.300s, want %s", name, cases[i].text, got, want)
				}
			}
		}
	}
	ask(queries, "Elasticsearch 7", "Elasticsearch 8", "store", "logapi, narrowed")
	ask(nestedQueries, "Elasticsearch 7", "Elasticsearch 8")
	var more []query
	for _, c := range optional {
		if c.hits != refused {
			more = append(more, c.query)
		}
	}
	for _, text := range []string{deepest(), "log.level: (" + strings.Repeat("x or ", 999) + "error)"} {
		dsl := parse(t, text).DSL(fields{}, kql.Options{})
		for range 3 { // what is around the query of a screen
			dsl = map[string]any{"bool": map[string]any{"filter": []any{dsl}}}
		}
		more = append(more, query{text, found(t, parse(t, text), fields{}, kql.Options{}), encode(t, dsl)})
	}
	ask(more, "Elasticsearch 7", "Elasticsearch 8", "store", "logapi, narrowed")
}

// deepest is a query whose and and or are as deep as they may be.
func deepest() string {
	text := "log.level: error"
	for range 7 {
		text = "ok: * and (http.status: * or (" + text + "))"
	}
	return text
}

func zone(name string) *time.Location {
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return l
}

const refused = "refused" // by Matcher

// optional are queries with options, or of fields that are not known.
var optional = []struct {
	query
	f kql.Fields
	o kql.Options
}{
	{query{"banana conn*", "acdj", `{"query_string":{"fields":["message"],"lenient":true,"query":"banana conn*"}}`}, fields{}, kql.Options{Default: []string{"message"}}},
	{query{"error", "afl", `{"multi_match":{"fields":["message","log.*"],"lenient":true,"query":"error","type":"best_fields"}}`}, fields{}, kql.Options{Default: []string{"message", "log.*"}}},
	{query{`"web-1"`, "a", `{"multi_match":{"fields":["kubernetes.pod.name"],"lenient":true,"query":"web-1","type":"phrase"}}`}, fields{}, kql.Options{Default: []string{"kubernetes.pod.name"}}},
	{query{"/RESET/", "ad", `{"query_string":{"fields":["message"],"lenient":true,"query":"/.*[Rr][Ee][Ss\u017f][Ee][Tt].*/"}}`}, fields{}, kql.Options{Default: []string{"message"}}},
	{query{"*: error", "afl", `{"multi_match":{"fields":["*"],"lenient":true,"query":"error","type":"best_fields"}}`}, fields{}, kql.Options{Default: []string{"http.path"}}},
	{query{"@timestamp: 2025-11-21", "cdef", `{"range":{"@timestamp":{"gte":"2025-11-21","lte":"2025-11-21","time_zone":"Europe/Berlin"}}}`}, fields{}, kql.Options{Location: zone("Europe/Berlin")}},
	{query{"@timestamp: 2025", "abcdefj", `{"range":{"@timestamp":{"gte":"2025||/y","lte":"2025||/y","time_zone":"Europe/Berlin"}}}`}, fields{}, kql.Options{Location: zone("Europe/Berlin")}},
	{query{`@timestamp < "2025-11-20T16:00:00"`, "aj", `{"range":{"@timestamp":{"lt":"2025-11-20T16:00:00","time_zone":"Asia/Kathmandu"}}}`}, fields{}, kql.Options{Location: zone("Asia/Kathmandu")}},
	{query{`@timestamp < "2025-11-20T16:00:00Z"`, "abj", `{"range":{"@timestamp":{"lt":"2025-11-20T16:00:00Z","time_zone":"Asia/Kathmandu"}}}`}, fields{}, kql.Options{Location: zone("Asia/Kathmandu")}},
	{query{"*stamp > 2025-11-20", "ef", `{"query_string":{"fields":["*stamp"],"lenient":true,"query":"{\"2025-11-20\" TO *]","time_zone":"America/New_York"}}`}, fields{}, kql.Options{Location: zone("America/New_York")}},
	{query{"http.status > 400", "acd", `{"range":{"http.status":{"gt":"400"}}}`}, fields{}, kql.Options{Location: zone("Europe/Berlin")}},
	{query{"http.status > 400", "acd", `{"range":{"http.status":{"gt":"400"}}}`}, nil, kql.Options{}},
	{query{"log.level: warn", "d", `{"match":{"log.level":{"lenient":true,"query":"warn"}}}`}, nil, kql.Options{}},
	{query{"message: connection", "acd", `{"match":{"message":{"lenient":true,"query":"connection"}}}`}, nil, kql.Options{}},
	{query{`message: "connection reset"`, "a", `{"multi_match":{"fields":["message"],"lenient":true,"query":"connection reset","type":"phrase"}}`}, nil, kql.Options{}},
	{query{"http.status: 503", "c", `{"match":{"http.status":{"lenient":true,"query":"503"}}}`}, nil, kql.Options{}},
	{query{"ok: true", "bl", `{"match":{"ok":{"lenient":true,"query":"true"}}}`}, nil, kql.Options{}},
	{query{"kubernetes: *", "abcdefghl", `{"exists":{"field":"kubernetes"}}`}, nil, kql.Options{}},
	{query{"log.level: err* or message: conn*", "acdfl", `{"bool":{"minimum_should_match":1,"should":[{"query_string":{"fields":["log.level"],"lenient":true,"query":"err*"}},{"query_string":{"fields":["message"],"lenient":true,"query":"conn*"}}]}}`}, nil, kql.Options{}},
	{query{`@timestamp < "2025-11-20"`, "j", `{"range":{"@timestamp":{"lt":"2025-11-20"}}}`}, nil, kql.Options{}},
	{query{"overlong", "", `{"multi_match":{"fields":["*"],"lenient":true,"query":"overlong","type":"best_fields"}}`}, nil, kql.Options{}},
	{query{"connection", "acd", `{"multi_match":{"fields":["*"],"lenient":true,"query":"connection","type":"best_fields"}}`}, nil, kql.Options{}},
	{query{"lucene: message:(connection -reset) OR ok:true", refused, `{"query_string":{"fields":["*"],"lenient":true,"query":"message:(connection -reset) OR ok:true"}}`}, fields{}, kql.Options{}},
	{query{"Lucene:a", refused, `{"query_string":{"fields":["message"],"lenient":true,"query":"a","time_zone":"Europe/Berlin"}}`}, fields{}, kql.Options{Default: []string{"message"}, Location: zone("Europe/Berlin")}},
	{query{"lucene:", "abcdefghijkl", `{"match_all":{}}`}, fields{}, kql.Options{}},
	{query{"", "abcdefghijkl", `{"match_all":{}}`}, fields{}, kql.Options{}},
	{query{"@timestamp: yesterday", refused, `{"range":{"@timestamp":{"gte":"yesterday","lte":"yesterday"}}}`}, fields{}, kql.Options{}},
}

func TestOptions(t *testing.T) {
	for _, c := range optional {
		q := parse(t, c.text)
		if got := encode(t, q.DSL(c.f, c.o)); got != strings.ReplaceAll(c.dsl, `\u017f`, "ſ") {
			t.Errorf("%s:\n%s\nwant\n%s", c.text, got, c.dsl)
		}
		if c.hits == refused {
			if _, err := q.Matcher(c.f, c.o, time.Now()); err == nil {
				t.Errorf("%s is not refused", c.text)
			}
		} else if got := found(t, q, c.f, c.o); got != c.hits {
			t.Errorf("%s finds %s, want %s", c.text, got, c.hits)
		}
	}
}

// Zones whose names Elasticsearch does not know are given by how far they are from UTC.
func TestUnnamedZones(t *testing.T) {
	f := func(zone *time.Location, want string) {
		t.Helper()
		for _, text := range []string{"@timestamp > 2025-01-20", `@timestamp: "2025-07-20T10:00:00"`, "@timestamp < now-1h", "@timestamp < nonsense"} {
			if got := encode(t, parse(t, text).DSL(fields{}, kql.Options{Location: zone})); !strings.Contains(got, want) {
				t.Errorf("%s: %s, want %s", text, got, want)
			}
		}
	}
	f(time.FixedZone("Local", 3600), `"time_zone":"+01:00"`)
	f(time.FixedZone("", -5*3600-1800), `"time_zone":"-05:30"`)
	f(time.FixedZone("of nowhere", 0), `"time_zone":"+00:00"`)
	f(time.Local, `"@timestamp"`)
}

func TestErrors(t *testing.T) {
	f := func(text string, column, length int, says ...string) {
		t.Helper()
		_, err := kql.Parse(text)
		var e *kql.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", text, err)
			return
		}
		if e.Column != column || e.Length != length {
			t.Errorf("%s: column %d, %d long, want %d, %d: %v", text, e.Column, e.Length, column, length, e)
		}
		for _, part := range says {
			if !strings.Contains(e.Error(), part) {
				t.Errorf("%s: %v, want %s", text, e, part)
			}
		}
	}
	f("level:", 7, 0, "column 7", "a value is missing", "level: *")
	f("level: ", 8, 0, "a value is missing")
	f("level: and x: y", 8, 3, "'and' stands where a value should", `"and"`)
	f("level: )", 8, 1, ") stands where a value should")
	f("level: (error or", 17, 0, "a value is missing")
	f("level: (error or warn", 8, 1, "( is not closed", "write )")
	f("(level: error", 1, 1, "( is not closed")
	f("größe: 1 level: x", 15, 1, ": does not belong here", "write 'and' or 'or' before level")
	f("level: error)", 13, 1, ") closes nothing")
	f("level: error}", 13, 1, "} closes nothing")
	f(`level: "error`, 8, 6, "the quotes are not closed")
	f(`level: "error\"`, 8, 8, "the quotes are not closed")
	f(`level: "error" "warn"`, 16, 1, "'and' or 'or' is missing")
	f(`level: error "warn"`, 14, 1, "'and' or 'or' is missing")
	f("@timestamp > 2026-11-20T10:15:00Z", 27, 1, `put the whole value in quotes: "2026-11-20T10:15:00Z"`)
	f("level:error level:warn", 18, 1, `write 'and' or 'or' before level, or put the whole value in quotes: "error level:warn"`)
	f("message: see http://a", 18, 1, `put the whole value in quotes: "see http://a"`)
	f("@timestamp > 2026-11-20 10:15", 27, 1, `put the whole value in quotes: "2026-11-20 10:15"`)
	f("url: http://example.com/a b", 10, 1, `put the whole value in quotes: "http://example.com/a"`)
	f("a: *b:c", 6, 1, `write \: to look for it`)
	f("reset level: error", 6, 1, "no blanks", "write 'and' or 'or' before level")
	f(`a: b\c`, 5, 2, "escapes nothing", `\\`)
	f(`a: \u12`, 4, 2, "escapes nothing")
	f(`a: b\`, 5, 1, "escapes nothing")
	f("a > ", 5, 0, "a value is missing")
	f("a > 5*", 5, 2, "value with *")
	f("a >> 5", 4, 1, "> stands where a value should")
	f("> 5", 1, 1, "> stands where a query should")
	f(": x", 1, 1, ": stands where a query should")
	f("and", 1, 3, "'and' stands where a query should")
	f("a and", 6, 0, "a query is missing")
	f("a or or b", 6, 2, "'or' stands")
	f("not", 4, 0, "a query is missing")
	f("a not b", 3, 1, "'and' or 'or' is missing")
	f("()", 2, 1, ") stands where a query should")
	f("a: ()", 5, 1, ") stands where a value should")
	f("a: { b }", 6, 1, "no value without a field")
	f("a: { b: c", 4, 1, "{ is not closed", "write }")
	f("a*: { b: c }", 1, 2, "name of an object")
	f("a: { b: c ) }", 11, 1, ") closes nothing")
	f("a: {}", 5, 1, "} stands where a query should")
	f("{ a: b }", 1, 1, "{ stands where a query should")
	f("a: /(/", 4, 3, "missing closing )")
	f("a: /a\\bc/", 4, 6, `\b and \B are not served`)
	f("a: /a^b/", 4, 5, "^ and $ can only stand")
	f("a: /(?m)^a/", 4, 8, "(?m) is not served")
	f("a: /[^\\x00-\\x{10FFFF}]/", 4, 20, "nothing is like")
	f("a: /a{1000}b{1000}/", 4, 16, "too long")
	f("a: /\\pL+/", 4, 6, "too long")
	f(strings.Repeat("(", 300)+"a"+strings.Repeat(")", 300), 201, 1, "more than 200 parentheses")
	f(strings.Repeat("not (a and ", 20)+"b"+strings.Repeat(")", 20), 1, 241, "more than 14 deep")
	f(strings.Repeat("a or ", 1000)+"b", 5001, 1, "1000 things")
	f(strings.Repeat("é", 70000), 65537, 4464, "65536 characters")
}

func TestCaret(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := kql.Parse(text)
		if got := err.(*kql.Error).Caret(text); got != want {
			t.Errorf("%s\n%s\nwant\n%s", text, got, want)
		}
	}
	f("größe: ", "       ^")
	f("\treset level: x", "\t     ^")
	f("level: \"x", "       ^^")
}

func TestQuote(t *testing.T) {
	f := func(value, want string) {
		t.Helper()
		if got := kql.Quote(value); got != want {
			t.Errorf("%s: %s, want %s", value, got, want)
		}
		for _, text := range []string{"message.keyword: " + want, "message.keyword: (zz or " + want + ")"} {
			holds, err := parse(t, text).Matcher(fields{}, kql.Options{}, time.Now())
			if err != nil || !holds(func(string) []any { return []any{value} }) || holds(func(string) []any { return []any{value + "x"} }) {
				t.Errorf("%s does not mean the value: %v", text, err)
			}
		}
	}
	f("error", "error")
	f("10.0.0.1", "10.0.0.1")
	f("web-1", `"web-1"`)
	f("a b", `"a b"`)
	f("", `""`)
	f("NOT", `"NOT"`)
	f("*", `"*"`)
	f(`C:\temp\new "x"`, `"C:\\temp\\new \"x\""`)
	f("a\nb\t\x1b\u2028", `"a\nb\t\u001b`+"\u2028"+`"`)
	f("接続", "接続")
	f("/re/", `"/re/"`)
	names := map[string]string{"log.level": "log.level", "a b": `"a b"`, "or": `"or"`, "lucene": `"lucene"`, "a*": `"a*"`, "@timestamp": "@timestamp", "a:b": `"a:b"`, "/x/": `"/x/"`}
	for name, want := range names {
		if got := kql.Name(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestAnd(t *testing.T) {
	f := func(want string, parts ...string) {
		t.Helper()
		if got := kql.And(parts...); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f("")
	f("", " ", "")
	f("a or b", "a or b", "")
	f("(a or b) and c", "a or b", "c")
	f("a: (b or c) and (d or e) and not f", "a: (b or c)", "d or e", "not f")
	f("(a or b) and c", "(a or b)", "c")
	f("(a: (b or c)) and d", "(a: (b or c))", " d ")
}

func TestTerms(t *testing.T) {
	f := func(text, in, want string) {
		t.Helper()
		got := in
		for _, term := range parse(t, text).Terms() {
			got = term.Regexp.ReplaceAllString(got, "["+term.Field+"|$0]")
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	f("connection", "Connection connections", "[|Connection] connections")
	f("message: conn*", "Connection lost", "[message|Connection] lost")
	f(`message: "connection reset"`, "a connection -- reset by", "a [message|connection -- reset] by")
	f("not message: lost and message: found", "lost, found", "lost, [message|found]")
	f("not not lost", "lost", "[|lost]")
	f("not (a or not b)", "a b", "a [|b]")
	f("http.status > 5 and x: *", "5 x", "5 x")
	f("message: (lost or /f.und/)", "LOST Found", "[message|LOST] [message|Found]")
	f("foo-bar", "foo bar foo-bar", "[|foo] [|bar] [|foo-bar]")
	f("größe", "GRÖßE", "[|GRÖßE]")
	f("k8s*: web", "web", "[k8s*|web]")
	f("a: { b: web }", "web", "[a.b|web]")
	f("lucene: web", "web", "web")
	f("", "web", "web")
	long := strings.Repeat("a ", 30000)
	f(`"`+long+`"`, "b", "b")
	f(strings.ReplaceAll(long, " ", "-"), "b a", "b [|a]")
}

func TestCosts(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		got := parse(t, text).Costs(fields{})
		if !slices.EqualFunc(got, want, strings.Contains) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	f("log.level: error and message: reset and conn* and http.status >= 500")
	f("log.level: *rr", "*rr begins with *")
	f("*rr or *rr", "*rr begins with *")
	f("log.level: /rr/ or log.level: /^err/", "/rr/ does not begin with ^")
	f("message: /rr/", "message is a text: /rr/ is looked for in its single words")
	f("http.status: /5/", "http.status has no text in it")
	f("http.status: 5*", "compare it, as in http.status >= 500")
	f("@timestamp: 2025*", "2026-11 for a month")
	f("client.ip: 10.*", "10.0.0.0/8")
	f("ok: t*", "true or false")
	f("message: foo-b*", "* stands within one of its words")
	f("message: foo b*", "one of the words is enough")
	f("message > a", "single words are compared")
	f("log.level: error warn", "compared as a whole")
	f("nosuch: x or kubernetes: * or mixed: 5", "there is no field nosuch")
	f("Shop.java:42", "there is no field Shop.java")
	f("lucene: *a")
	f("")
}

func TestComplete(t *testing.T) {
	// f wants of the text, with | for the cursor, what is between the brackets to be replaced.
	f := func(text string, kind kql.PlaceKind, field, prefix, want string) {
		t.Helper()
		before, after, _ := strings.Cut(text, "|")
		cursor := len([]rune(before))
		got := kql.Complete(before+after, cursor)
		all := []rune(before + after)
		marked := string(all[:got.From]) + "[" + string(all[got.From:got.To]) + "]" + string(all[got.To:])
		if got.Kind != kind || got.Field != field || got.Prefix != prefix || marked != want {
			t.Errorf("%s: %+v %s", text, got, marked)
		}
	}
	f("|", kql.Field, "", "", "[]")
	f("  |", kql.Field, "", "", "  []")
	f("lev|", kql.Field, "", "lev", "[lev]")
	f("le|vel: x", kql.Field, "", "le", "[level]: x")
	f("|level: x", kql.Field, "", "", "[]level: x")
	f("level|: x", kql.Field, "", "level", "[level]: x")
	f("level |", kql.Operator, "level", "", "level []")
	f("level:|", kql.Value, "level", "", "level:[]")
	f("level: |", kql.Value, "level", "", "level: []")
	f("level: er|", kql.Value, "level", "er", "level: [er]")
	f("level: er|ror and x", kql.Value, "level", "er", "level: [error] and x")
	f("level: er*|", kql.Value, "level", "er*", "level: [er*]")
	f(`level: "er r|`, kql.Value, "level", "er r", `level: ["er r]`)
	f(`level: "er| r" and`, kql.Value, "level", "er", `level: ["er r"] and`)
	f(`level: "e\"r|`, kql.Value, "level", `e"r`, `level: ["e\"r]`)
	f(`level: a\:b|`, kql.Value, "level", `a:b`, `level: [a\:b]`)
	f("level: error |", kql.Conjunction, "", "", "level: error []")
	f("level: error an|", kql.Conjunction, "", "an", "level: error [an]")
	f("level: error and |", kql.Field, "", "", "level: error and []")
	f("level: error AND not na|", kql.Field, "", "na", "level: error AND not [na]")
	f("level: (|", kql.Value, "level", "", "level: ([]")
	f("level: (err|", kql.Value, "level", "err", "level: ([err]")
	f("level: (error or |", kql.Value, "level", "", "level: (error or []")
	f("level: (error or not w|", kql.Value, "level", "w", "level: (error or not [w]")
	f("level: (error or (w|", kql.Value, "level", "w", "level: (error or ([w]")
	f("level: (error |", kql.Conjunction, "", "", "level: (error []")
	f("level: (error) |", kql.Conjunction, "", "", "level: (error) []")
	f("level: (error) and na|", kql.Field, "", "na", "level: (error) and [na]")
	f("(level: error or na|", kql.Field, "", "na", "(level: error or [na]")
	f("status >= 5|", kql.Value, "status", "5", "status >= [5]")
	f("status >|", kql.Value, "status", "", "status >[]")
	f("größe and st|", kql.Field, "", "st", "größe and [st]")
	f("reset con|", kql.Conjunction, "", "con", "reset [con]")
	f("items: { na|", kql.Field, "", "na", "items: { [na]")
	f("items: { name: |", kql.Value, "items.name", "", "items: { name: []")
	f("items: { name |", kql.Operator, "items.name", "", "items: { name []")
	f("items: { name: x and parts: { kind: (a or b|", kql.Value, "items.parts.kind", "b", "items: { name: x and parts: { kind: (a or [b]")
	f("items: { name: x } and le|", kql.Field, "", "le", "items: { name: x } and [le]")
	f(`"level|`, kql.Field, "", "level", `["level]`)
	f("lucene: lev|", kql.Nowhere, "", "", "lucene: lev[]")
	f(")|", kql.Conjunction, "", "", ")[]")
	if got := kql.Complete("items: { parts: { x", 19); got.Path != "items.parts" {
		t.Errorf("%+v", got)
	}
	if got := kql.Complete("abc", 99); got.To != 3 {
		t.Errorf("%+v", got)
	}
}
