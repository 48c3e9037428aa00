package query

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func plan(t *testing.T, m *mapping.Mapping, q string) *Plan {
	t.Helper()
	v, err := body.Parse([]byte(q))
	if err != nil {
		t.Fatal(err)
	}
	typed, err := Parse(v)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	p, err := Compile(typed, Context{Mapping: m, Index: "x", Now: noon})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return p
}

func TestSpans(t *testing.T) {
	m, _ := fixed(t)
	f := func(q, field, text, want string) {
		t.Helper()
		marked := ""
		last := 0
		for _, s := range plan(t, m, q).Spans(field, text) {
			marked += text[last:s.Start] + "<" + text[s.Start:s.End] + ">"
			last = s.End
		}
		if marked += text[last:]; marked != want {
			t.Fatalf("%s marks %s, want %s", q, marked, want)
		}
	}
	f(`{"match":{"t":"quick fox"}}`, "t", "The Quick brown Fox", "The <Quick> brown <Fox>")
	f(`{"match":{"t":"quick fox"}}`, "o.t", "The Quick brown Fox", "The Quick brown Fox")
	f(`{"match_phrase":{"t":"quick brown"}}`, "t", "quick, the quick brown fox", "quick, the <quick brown> fox")
	f(`{"match_phrase_prefix":{"t":"quick br"}}`, "t", "the quick brown fox", "the <quick brown> fox")
	f(`{"wildcard":{"t":"br*n"}}`, "t", "brown Bryan", "<brown> <Bryan>")
	f(`{"regexp":{"t":"f.x"}}`, "t", "fox fix foxes", "<fox> <fix> foxes")
	f(`{"prefix":{"k":"/var"}}`, "k", "/var/log", "</var/log>")
	f(`{"term":{"k":"a"}}`, "k", "ab", "ab")
	f(`{"bool":{"must":{"match":{"t":"a"}},"filter":{"match":{"t":"b"}},"must_not":{"match":{"t":"c"}}}}`, "t", "a b c", "<a> <b> c")
	f(`{"query_string":{"query":"t:quick AND NOT t:fox"}}`, "t", "quick fox", "<quick> fox")
	f(`{"bool":{"should":[{"match":{"t":"quick"}},{"match_phrase":{"t":"quick brown"}}]}}`, "t", "quick brown", "<quick brown>")
	f(`{"range":{"l":{"gte":1}}}`, "l", "5", "5")
}

func TestBounds(t *testing.T) {
	m, _ := fixed(t)
	day := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	f := func(q string, from, to int64) {
		t.Helper()
		gotFrom, gotTo := plan(t, m, q).Bounds()
		if gotFrom != from || gotTo != to {
			t.Fatalf("%s is bound by %d and %d, want %d and %d", q, gotFrom, gotTo, from, to)
		}
	}
	const ms, least, most = int64(time.Millisecond), math.MinInt64, math.MaxInt64
	f(`{"match_all":{}}`, least, most)
	f(`{"range":{"@timestamp":{"gte":"2020-01-01"}}}`, day, most)
	f(`{"range":{"@timestamp":{"gt":"2020-01-01T00:00:00.000Z","lt":"2020-01-01T00:00:00.005Z"}}}`, day+ms, day+5*ms-1)
	f(`{"range":{"dd":{"gte":"2020-01-01"}}}`, least, most)
	f(`{"bool":{"filter":[{"range":{"@timestamp":{"gte":"2020-01-01"}}},{"range":{"@timestamp":{"lt":"2020-01-01T00:00:00.001Z"}}},{"term":{"k":"a"}}]}}`, day, day+ms-1)
	f(`{"bool":{"should":[{"range":{"@timestamp":{"gte":"2020-01-01"}}},{"term":{"k":"a"}}]}}`, least, most)
	f(`{"bool":{"must_not":[{"range":{"@timestamp":{"gte":"2020-01-01"}}}]}}`, least, most)
	f(`{"match_none":{}}`, most, least)
	f(`{"range":{"@timestamp":{"gte":"2400-01-01"}}}`, most, most)
	f(`{"range":{"@timestamp":{"lte":"1500-01-01"}}}`, least, least)
}

func TestEverythingAndNothing(t *testing.T) {
	m, s := fixed(t)
	f := func(q string, everything, nothing bool) {
		t.Helper()
		p := plan(t, m, q)
		if p.Everything() != everything || p.Nothing() != nothing {
			t.Fatalf("%s: everything %v, nothing %v", q, p.Everything(), p.Nothing())
		}
		if n := p.Select(s, nil).Count(); everything && n != s.Len() || nothing && n != 0 {
			t.Fatalf("%s finds %d", q, n)
		}
	}
	f(`{"match_all":{}}`, true, false)
	f(`{"bool":{}}`, true, false)
	f(`{"bool":{"must_not":{"match_none":{}}}}`, true, false)
	f(`{"term":{"_index":"x"}}`, true, false)
	f(`{"term":{"nosuch":1}}`, false, true)
	f(`{"bool":{"filter":[{"match_all":{}},{"term":{"nosuch":1}}]}}`, false, true)
	f(`{"term":{"k":"a"}}`, false, false)
}

// Rows that are dead, or not among those asked for, are not found.
func TestSelectAmong(t *testing.T) {
	m, s := fixed(t)
	dead, among := block.NewBitmap(s.Len()), block.NewBitmap(s.Len())
	dead.SetRange(0, 2)
	among.SetRange(0, 4)
	for _, q := range []string{`{"match_all":{}}`, `{"bool":{"must_not":{"term":{"k":"zzz"}}}}`, `{"exists":{"field":"t"}}`, `{"bool":{"should":[{"exists":{"field":"t"}},{"exists":{"field":"k"}}]}}`} {
		got := slices.Collect(plan(t, m, q).Select(s.Without(dead), among).Rows)
		if !slices.Equal(got, []int{2, 3}) {
			t.Fatalf("%s finds %v", q, got)
		}
	}
	if among.Count() != 4 {
		t.Fatal("the rows asked for were changed")
	}
}

// What is not served is refused by name.
func TestNotServed(t *testing.T) {
	m, _ := fixed(t)
	f := func(q, want string) {
		t.Helper()
		v, err := body.Parse([]byte(q))
		if err != nil {
			t.Fatal(err)
		}
		typed, err := Parse(v)
		if err == nil {
			_, err = Compile(typed, Context{Mapping: m, Now: noon})
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%s: %v, want %s", q, err, want)
		}
	}
	for _, name := range notServed {
		f(fmt.Sprintf(`{%q:{}}`, name), "unknown query ["+name+"], which is not served here")
	}
	f(`{"match":{"t":{"query":"x","fuzziness":"AUTO"}}}`, "[match] with [fuzziness] is not served here")
	f(`{"match_phrase":{"t":{"query":"x y","slop":2}}}`, "[match_phrase] with [slop] is not served here")
	f(`{"terms":{"k":{"index":"x","id":"1","path":"k"}}}`, "[terms] with [terms lookup] is not served here")
	f(`{"multi_match":{"query":"x","type":"cross_fields"}}`, "[multi_match] with [type] is not served here")
	f(`{"regexp":{"k":{"value":"a","flags":"INTERVAL"}}}`, "[regexp] with [flags] is not served here")
	f(`{"regexp":{"k":"a~b"}}`, "[regexp] with [~] is not served here")
	f(`{"regexp":{"k":"a&b"}}`, "[regexp] with [&] is not served here")
	f(`{"regexp":{"k":"<1-5>"}}`, "[regexp] with [<] is not served here")
	f(`{"query_string":{"query":"t:roam~"}}`, "fuzzy terms (roam~) are not served here")
	f(`{"query_string":{"query":"t:\"a b\"~3"}}`, "a phrase with ~3 is not served here")
	f(`{"query_string":{"query":"a","quote_field_suffix":".exact"}}`, "[query_string] with [quote_field_suffix] is not served here")
	f(`{"simple_query_string":{"query":"roam~2"}}`, "fuzzy terms (roam~) is not served here")
	f(`{"simple_query_string":{"query":"\"a b\"~3"}}`, "[~3] is not served here")
	f(`{"match":{"t":{"query":"x","analyzer":"german"}}}`, "analyzer [german] not found")
	f(`{"range":{"_seq_no":{"gte":1}}}`, "[range] on [_seq_no] is not served here")
	f(`{"prefix":{"_id":"a"}}`, "[prefix] on [_id] is not served here")
	f(`{"exists":{"field":"_ignored"}}`, "[exists] on [_ignored] is not served here")
	deep := strings.Repeat(`{"bool":{"must":`, 25) + `{"match_all":{}}` + strings.Repeat("}}", 25)
	f(deep, "nested depth")
	f(`{"bool":{"should":[`+strings.TrimSuffix(strings.Repeat(`{"term":{"k":"a"}},`, 1025), ",")+`]}}`, "maxClauseCount is set to 1024")
	f(`{"terms":{"k":[`+strings.TrimSuffix(strings.Repeat(`"a",`, 65537), ",")+`]}}`, "65536")
	f(`{"regexp":{"k":"`+strings.Repeat("a", 1001)+`"}}`, "allowed maximum of [1000]")
}

func TestMinimum(t *testing.T) {
	f := func(spec string, clauses, want int) {
		t.Helper()
		got, err := minimum(spec, clauses)
		if err != nil || got != want {
			t.Fatalf("minimum(%q, %d) is %d, %v; want %d", spec, clauses, got, err, want)
		}
	}
	f("", 5, 0)
	f("3", 5, 3)
	f("-2", 5, 3)
	f("75%", 5, 3)
	f("-25%", 5, 4)
	f("-9", 5, 0)
	f("3<90%", 3, 3)
	f("3<90%", 5, 4)
	f("2<-25% 9<-3", 2, 2)
	f("2<-25% 9<-3", 9, 7)
	f("2<-25% 9<-3", 12, 9)
	f("2 < 3", 4, 3)
	for _, bad := range []string{"x", "1.5", "%", "2<", "<2", "2<x"} {
		if _, err := minimum(bad, 3); err == nil {
			t.Fatalf("minimum(%q) is accepted", bad)
		}
	}
}

// The types that the Elasticsearch of the tests lacks.
func TestConstantAndWildcard(t *testing.T) {
	v, err := body.Parse([]byte(`{"properties":{"c":{"type":"constant_keyword"},"w":{"type":"wildcard","ignore_above":8}}}`))
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.Parse(v, mapping.DefaultSettings)
	if err != nil {
		t.Fatal(err)
	}
	if !plan(t, m, `{"exists":{"field":"c"}}`).Nothing() {
		t.Fatal("a constant without a value is found")
	}
	var docs []block.Doc
	for i, doc := range []string{`{"w":"Foo bar"}`, `{"c":"live","w":"foo*"}`, `{"c":["live"],"w":["long value","x"]}`} {
		added, err := m.Add("", []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		m = added.Mapping
		docs = append(docs, block.Doc{ID: fmt.Sprint(i), Source: []byte(doc)})
	}
	for _, doc := range []string{`{"c":"other"}`, `{"c":["live","other"]}`} {
		if _, err := m.Add("", []byte(doc)); err == nil || !strings.Contains(err.Error(), `only accepts values that are equal to the value defined in the mappings [live], but got [other]`) {
			t.Fatalf("%s: %v", doc, err)
		}
	}
	if want := `{"properties":{"c":{"type":"constant_keyword","value":"live"},"w":{"type":"wildcard","ignore_above":8}}}`; m.JSON().String() != want {
		t.Fatalf("the mapping is %s, want %s", m.JSON(), want)
	}
	s, err := block.Of(docs)
	if err != nil {
		t.Fatal(err)
	}
	f := func(q string, want ...int) {
		t.Helper()
		if got := slices.Collect(plan(t, m, q).Select(s, nil).Rows); !slices.Equal(got, want) {
			t.Fatalf("%s finds %v, want %v", q, got, want)
		}
	}
	f(`{"term":{"c":"live"}}`, 0, 1, 2)
	f(`{"term":{"c":"other"}}`)
	f(`{"prefix":{"c":"li"}}`, 0, 1, 2)
	f(`{"query_string":{"query":"c:l?ve AND w:x"}}`, 2)
	f(`{"exists":{"field":"c"}}`, 0, 1, 2)
	f(`{"wildcard":{"w":"*o*"}}`, 0, 1)
	f(`{"wildcard":{"w":{"value":"FOO*","case_insensitive":true}}}`, 0, 1)
	f(`{"term":{"w":"foo*"}}`, 1)
	f(`{"term":{"w":"long value"}}`)
	f(`{"exists":{"field":"w"}}`, 0, 1, 2)
	f(`{"range":{"w":{"gte":"a"}}}`, 1, 2)
}
