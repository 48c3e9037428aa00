package query

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store/block"
	"github.com/podbeat/podbeat/store/mapping"
)

// fixed is an index of the documents made by hand, without Elasticsearch.
func fixed(tb testing.TB) (*mapping.Mapping, *block.Segment) {
	tb.Helper()
	v, err := body.Parse([]byte(handIndex))
	if err != nil {
		tb.Fatal(err)
	}
	var none mapping.Templates
	made, err := none.New("x", v)
	if err != nil {
		tb.Fatal(err)
	}
	m := made.Mapping
	var docs []block.Doc
	for i, doc := range handDocs {
		added, err := m.Add("", []byte(doc))
		if err != nil {
			tb.Fatal(err)
		}
		m = added.Mapping
		docs = append(docs, block.Doc{ID: string(rune('a' + i)), Source: []byte(doc), Time: added.Time, Seq: int64(i)})
	}
	s, err := block.Of(docs)
	if err != nil {
		tb.Fatal(err)
	}
	return m, s
}

// Whatever a request holds, it is refused with an *Error or selects rows, none of them twice in a query and its contrary.
func FuzzQuery(f *testing.F) {
	for i, q := range handQueries {
		if i%7 == 0 {
			f.Add(q)
		}
	}
	m, s := fixed(f)
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := body.Parse([]byte(text))
		if err != nil {
			return
		}
		q, err := Parse(v)
		var plan *Plan
		if err == nil {
			plan, err = Compile(q, Context{Mapping: m, Index: "x", Now: now})
		}
		if err != nil {
			if e := err.(*Error); e.Type == "" || e.Reason == "" {
				t.Fatalf("%s: %#v", text, e)
			}
			return
		}
		found := plan.Select(s, nil)
		contrary, err := Compile(Bool{MustNot: []Query{q}, AdjustPureNegative: true}, Context{Mapping: m, Index: "x", Now: now})
		if err != nil {
			return // one clause more than there may be
		}
		rest := contrary.Select(s, nil)
		if n := found.Count() + rest.Count(); n != s.Len() || !found.Clone().And(rest).Empty() {
			t.Fatalf("%s finds %d of %d, its contrary %d", text, found.Count(), s.Len(), rest.Count())
		}
		for _, field := range plan.Fields() {
			last := 0
			const value = "The quick brown fox, über 日本語 😀 a.b:c"
			for _, span := range plan.Spans(field, value) {
				if span.Start < last || span.End < span.Start || span.End > len(value) {
					t.Fatalf("%s marks %v", text, span)
				}
				last = span.End
			}
		}
	})
}

// Lucene's syntax is read or refused, whatever it is.
func FuzzQueryString(f *testing.F) {
	for _, s := range []string{`a AND (b OR -c) "d e"~0 f:[1 TO 2} /g.*/ h^2 *i* j\:k`, `((((`, `a:b:c`, `>=5`, `_exists_:x`, `+ - !`, `"`, `\`, `[* TO *]`} {
		f.Add(s)
	}
	m, s := fixed(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		for _, kind := range []string{"query_string", "simple_query_string"} {
			v := body.Value{Kind: body.Object, Members: []body.Member{{Name: kind, Value: body.Value{Kind: body.Object, Members: []body.Member{{Name: "query", Value: body.Text(text)}}}}}}
			q, err := Parse(v)
			if err != nil {
				continue
			}
			plan, err := Compile(q, Context{Mapping: m, Index: "x", Now: time.Unix(0, 0)})
			if err != nil {
				continue
			}
			plan.Select(s, nil)
		}
	})
}

// A translated expression holds for what its letters say, and Go's own reading never panics.
func FuzzRegexp(f *testing.F) {
	for _, s := range []string{`a.*b|[^c-d]{2,3}`, `"lit(eral"@#`, `(((`, `[a-`, `\`, `a{1000000}`, `*|+`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > maxRegexp {
			return
		}
		re, err := luceneRegexp(text, false)
		if err != nil {
			return
		}
		if plain := regexp.QuoteMeta(text); plain == text && !strings.ContainsAny(text, `"@#<~&`) && text != "" && !re.MatchString(text) {
			t.Fatalf("%q does not hold for itself", text)
		}
		re.MatchString("abc")
	})
}

// A wildcard pattern holds for what the regular expression of the same meaning holds for.
func FuzzWildcard(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add(`\*a\?`, "*a?")
	f.Add("*ü*", "über")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) || len(pattern)+len(text) > 200 {
			return
		}
		var b strings.Builder
		b.WriteString(`\A(?s:`)
		for rest := []rune(pattern); len(rest) > 0; rest = rest[1:] {
			switch {
			case rest[0] == '*':
				b.WriteString(".*")
			case rest[0] == '?':
				b.WriteString(".")
			case rest[0] == '\\' && len(rest) > 1:
				rest = rest[1:]
				b.WriteString(regexp.QuoteMeta(string(rest[0])))
			default:
				b.WriteString(regexp.QuoteMeta(string(rest[0])))
			}
		}
		b.WriteString(`)\z`)
		want := regexp.MustCompile(b.String()).MatchString(text)
		if got := wildcard(pattern, false)(text); got != want {
			t.Fatalf("%q on %q is %v", pattern, text, got)
		}
		for _, w := range (Pattern{Kind: "wildcard", Text: pattern}).words() {
			if want && !strings.Contains(strings.ToLower(text), strings.ToLower(w)) {
				t.Fatalf("%q holds for %q, which has no word %q", pattern, text, w)
			}
		}
	})
}

// Looking for a term in a text finds it where cutting the text into terms does.
func FuzzHasTerm(f *testing.F) {
	f.Add("foo.bar: 10.0.0.1:8080 K can't über", "foo.bar")
	f.Add("a.b,c;1:2 _x__", "x")
	f.Add("İk K", "k")
	f.Fuzz(func(t *testing.T, text, term string) {
		if !utf8.ValidString(text) || !utf8.ValidString(term) {
			return
		}
		term = mapping.Standard.Fold(term)
		if isASCII(term) && !isTerm(term) {
			return
		}
		want := anyTerm(mapping.Standard, text, func(s string) bool { return s == term })
		if got := hasTerm(mapping.Standard, text, term); got != want {
			t.Fatalf("%q in %q is %v", term, text, got)
		}
	})
}
