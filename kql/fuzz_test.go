package kql_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/podbeat/podbeat/kql"
)

func seed(f *testing.F) {
	for _, c := range queries {
		f.Add(c.text)
	}
	for _, c := range nestedQueries {
		f.Add(c.text)
	}
	for _, text := range []string{`a: \ud83d\ude00 \ud800`, `"\u0000"`, "\xff: \xfe", `"a\`, "a: /\\", "lucene:", "LUCENE : x", "\u00a0a\u2028b", "a: \\u0020x\\u0020 and b", "/a//b/", "((", "a:{b:{c:", "İ: ſ",
		`"lucene": x`, "a: (/x/ or /y/i)", `\/x/`, `a: \/x/`, "* *", "a * b* and *", `a*"b"`} {
		f.Add(text)
	}
}

// Whatever is typed is read or refused; what was read means the same when it is written and read again; and Matcher answers.
func FuzzParse(f *testing.F) {
	seed(f)
	docs := map[string]kql.Doc{}
	for id, source := range documents {
		docs[id] = access(f, source)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := kql.Parse(text)
		if err != nil {
			e := err.(*kql.Error)
			if n := utf8.RuneCountInString(text); e.Column < 1 || e.Length < 0 || e.Column > n+1 || e.Column+e.Length > n+1 {
				t.Fatalf("%q: column %d, %d long: %v", text, e.Column, e.Length, e)
			}
			e.Caret(text)
			return
		}
		o := kql.Options{Default: []string{"message", "http.*"}}
		dsl, err := json.Marshal(q.DSL(fields{}, o))
		if err != nil || !plainTilde(string(dsl)) && !strings.HasPrefix(q.String(), "lucene:") {
			t.Fatalf("%q: %s %v", text, dsl, err)
		}
		written := q.String()
		again, err := kql.Parse(written)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, written, err)
		}
		if second, _ := json.Marshal(again.DSL(fields{}, o)); string(second) != string(dsl) || again.String() != written {
			t.Fatalf("%q is written as %q, then %q:\n%s\n%s", text, written, again, dsl, second)
		}
		for _, term := range q.Terms() {
			term.Regexp.FindStringIndex(text)
		}
		q.Costs(fields{})
		for _, known := range []kql.Fields{fields{}, nil} {
			one, err := q.Matcher(known, o, time.Unix(1763683200, 0))
			if err != nil {
				continue
			}
			other, err := again.Matcher(known, o, time.Unix(1763683200, 0))
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			for id, doc := range docs {
				if one(doc) != other(doc) {
					t.Fatalf("%q and %q differ on %s", text, written, id)
				}
			}
		}
	})
}

// plainTilde says whether ~, which logapi refuses there, is in no query_string.
func plainTilde(dsl string) bool {
	for _, part := range strings.Split(dsl, `"query_string":`)[1:] {
		if inner, _, _ := strings.Cut(part, "}}"); strings.Contains(inner, "~") {
			return false
		}
	}
	return true
}

// Wherever the cursor is, a completion is for a piece of the text around it.
func FuzzComplete(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		n := utf8.RuneCountInString(text)
		for cursor := range min(n, 200) + 1 {
			p := kql.Complete(text, cursor)
			if p.From > cursor || p.To < cursor || p.From < 0 || p.To > n {
				t.Fatalf("%q at %d: %+v", text, cursor, p)
			}
		}
	})
}

// A quoted value and a name are read as what they are.
func FuzzQuote(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, value string) {
		if !utf8.ValidString(value) {
			value = strings.ToValidUTF8(value, "\ufffd")
		}
		if strings.Contains(value, "*") || utf8.RuneCountInString(value) > 10000 {
			return
		}
		text := kql.Name(value) + ": " + kql.Quote(value)
		q, err := kql.Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		holds, err := q.Matcher(known{}, kql.Options{}, time.Time{})
		if err != nil || !holds(func(field string) []any {
			if field != value {
				t.Errorf("%q asks for %q", text, field)
			}
			return []any{value}
		}) {
			t.Fatalf("%q does not find %q: %v", text, value, err)
		}
	})
}

// known are fields that are all keywords.
type known struct{}

func (known) Type(string) string            { return "keyword" }
func (known) Match(pattern string) []string { return []string{pattern} }
