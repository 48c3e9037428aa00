package mapping

import (
	"math"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/podbeat/podbeat/es/body"
)

// A document is refused with an *Error, or fits the mapping that it made as well.
func FuzzAdd(f *testing.F) {
	for _, doc := range dynamicDocs {
		f.Add([]byte(doc))
	}
	for i, doc := range typedDocs {
		if i%5 == 0 && len(doc) < 1000 {
			f.Add([]byte(doc))
		}
	}
	v, err := body.Parse([]byte(typedIndex))
	if err != nil {
		f.Fatal(err)
	}
	var none Templates
	typed, err := none.New("x", v)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []*Mapping{New(DefaultSettings), typed.Mapping} {
		m.Fields(func(*Field) {})
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, m := range []*Mapping{New(DefaultSettings), typed.Mapping} {
			before := m.JSON().String()
			added, err := m.Add("1", doc)
			if m.JSON().String() != before {
				t.Fatalf("%s changed the mapping", doc)
			}
			if err != nil {
				if e := err.(*Error); e.Type == "" || e.Reason == "" {
					t.Fatalf("%s: %#v", doc, e)
				}
				continue
			}
			again, err := added.Mapping.Add("1", doc)
			if err != nil {
				t.Fatalf("%s fits, and then: %v", doc, err)
			}
			if again.Mapping != added.Mapping {
				t.Fatalf("%s makes %s, then %s", doc, added.Mapping.JSON(), again.Mapping.JSON())
			}
			read, err := Parse(added.Mapping.JSON(), m.Settings())
			if err != nil || read.JSON().String() != added.Mapping.JSON().String() {
				t.Fatalf("%s makes %s, which is read as %v, %v", doc, added.Mapping.JSON(), read, err)
			}
		}
	})
}

// A mapping is refused, or is written so that it reads the same.
func FuzzParse(f *testing.F) {
	for _, s := range smallSessions {
		v, err := body.Parse([]byte(s[0]))
		if err != nil {
			f.Fatal(err)
		}
		m, _ := v.Get("mappings")
		f.Add([]byte(m.String()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := body.Parse(data)
		if err != nil {
			return
		}
		m, err := Parse(v, DefaultSettings)
		if err != nil {
			if e := err.(*Error); e.Type == "" || e.Reason == "" {
				t.Fatalf("%s: %#v", data, e)
			}
			return
		}
		again, err := Parse(m.JSON(), DefaultSettings)
		if err != nil || again.JSON().String() != m.JSON().String() {
			t.Fatalf("%s is %s, then %v, %v", data, m.JSON(), again, err)
		}
		m.Add("1", []byte(`{"a":1,"b":{"c":"2020-01-01"},"d":[true,null]}`))
	})
}

// Formats, dates and date math are read or refused; what the fast way reads the slow way reads the same.
func FuzzDate(f *testing.F) {
	f.Add("yyyy-MM-dd HH:mm:ss[.SSS][XXX]||epoch_millis", "2020-01-02 03:04:05.678+01:00")
	f.Add("strict_date_optional_time", "2020-01-02T03:04:05.678901234Z")
	f.Add("dd/MMM/yyyy:HH:mm:ss Z", "10/Oct/2000:13:55:36 -0700")
	f.Add("epoch_second", "now-1d/d+5M")
	f.Add("''''[['a']", "2020||/y")
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if d, ok := fastTime(text); ok {
			slow, ok := optionalTime(text, true)
			if !ok || !slow.time(false, time.UTC).Equal(d) {
				t.Fatalf("%q is %v, or %v", text, d, slow)
			}
		}
		format, err := ParseFormat(pattern)
		if err != nil {
			return
		}
		first, err := format.Parse(text, false, time.UTC)
		last, errUp := format.Parse(text, true, time.UTC)
		if (err == nil) != (errUp == nil) || err == nil && last.Before(first) {
			t.Fatalf("%q as %q is from %v to %v, %v, %v", text, pattern, first, last, err, errUp)
		}
		format.ParseMath(text, now, true, time.FixedZone("", 3600))
	})
}

// Terms lie in the text, in order, and of standard each is at most as long as it may be.
func FuzzAnalyzer(f *testing.F) {
	for _, s := range analyzed {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		for _, a := range []Analyzer{Standard, Simple, Whitespace} {
			last := 0
			for _, token := range a.Tokens(text) {
				if token.Start < last || token.End <= token.Start || token.End > len(text) || units(text[token.Start:token.End]) > maxTerm+1 {
					t.Fatalf("%s: %q has %+v after %d", a, text, token, last)
				}
				last = token.End
			}
		}
	})
}

func TestHalf(t *testing.T) {
	f := func(in, want float64) {
		t.Helper()
		if got := half(in); got != want {
			t.Fatalf("half(%v) is %v, want %v", in, got, want)
		}
	}
	f(1.1, 1.099609375)
	f(65504, 65504)
	f(65519.99, 65504)
	f(65520, math.Inf(1))
	f(-65520, math.Inf(-1))
	f(math.Ldexp(1, -24), math.Ldexp(1, -24))
	f(math.Ldexp(1, -26), 0)
	f(2049, 2048)
	f(2051, 2052)
}

func TestMatch(t *testing.T) {
	f := func(pattern, s string, want bool) {
		t.Helper()
		if got := Like(pattern, s); got != want {
			t.Fatalf("Like(%q, %q) is %v", pattern, s, got)
		}
	}
	f("a*b*c", "aXbYbc", true)
	f("a*b*c", "aXbYb", false)
	f("*", "", true)
	f("a", "ab", false)
	f("a*a", "a", false)
	f("**x", "x", true)
	o := func(a, b string, want bool) {
		t.Helper()
		if overlap(a, b) != want || overlap(b, a) != want {
			t.Fatalf("overlap(%q, %q) is %v", a, b, !want)
		}
	}
	o("logs-*", "*-a", true)
	o("logs-*", "log-*", false)
	o("a*b", "*c", false)
	o("a", "a", true)
	o("*", "", true)
	o("x*y*z", "xz", false)
}
