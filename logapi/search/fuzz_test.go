package search

import (
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// decodeQueryString reads a query as Elasticsearch 7.17 does (RestUtils.decodeQueryString); ok is false where it
// throws.
func decodeQueryString(s string) (params map[string]string, ok bool) {
	params = map[string]string{}
	if i := strings.IndexByte(s, '#'); i >= 0 {
		s = s[:i]
	}
	add := func(name, value string) bool {
		n, ok1 := decodeComponent(name)
		v, ok2 := decodeComponent(value)
		params[n] = v
		return ok1 && ok2
	}
	name, named, pos := "", false, 0
	for i := 0; i <= len(s); i++ {
		switch {
		case i < len(s) && s[i] == '=' && !named:
			if pos != i {
				name, named = s[pos:i], true
			}
			pos = i + 1
		case i == len(s) || s[i] == '&' || s[i] == ';':
			if named {
				if !add(name, s[pos:i]) {
					return nil, false
				}
			} else if pos != i && !add(s[pos:i], "") {
				return nil, false
			}
			named, pos = false, i+1
		}
	}
	return params, true
}

func decodeComponent(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] != '%':
			b.WriteByte(s[i])
		case i+1 < len(s) && s[i+1] == '%':
			b.WriteByte('%')
			i++
		case i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0:
			b.WriteByte(byte(hex(s[i+1])<<4 | hex(s[i+2])))
			i += 2
		default:
			return "", false
		}
	}
	return b.String(), true
}

func hex(c byte) int { return strings.IndexByte("0123456789abcdef", c|0x20&(c>>1)) }

// What is taken of a query is what Elasticsearch would take of it, and what it takes of the one that is sent.
func FuzzQuery(f *testing.F) {
	for _, s := range []string{"q=a&size=1", "a=1;index=x", "index=a&index=b", "size=1&size=2", "q=%%32", "q=a#b", "q=a+b%20c", "=q", "q==a", "q&&pretty", "pretty=&human", "q=%", "%71=x", "jwt=a&q=b", "q=é", "q=%ff", "&", "q=a=b", "from=+1", "size=%2B1", "track_total_hits"} {
		f.Add(s)
	}
	limits := Limits{}
	limits.setDefaults()
	f.Fuzz(func(t *testing.T, query string) {
		got, err := readParams(query, searching, limits)
		if err != nil {
			return
		}
		same := func(what, query string) {
			theirs, ok := decodeQueryString(query)
			delete(theirs, "jwt")
			for name, value := range theirs {
				if searching[name] != nil {
					if clean, ok := searching[name](value, limits); ok {
						theirs[name] = clean
					}
				}
			}
			if !ok || !maps.Equal(theirs, got) {
				t.Fatalf("%s %q: Elasticsearch reads %q, we %q", what, query, theirs, got)
			}
		}
		same("the query", query)
		same("what is sent", got.encode())
	})
}

// Index expressions that pass hold nothing that Elasticsearch would split, expand or resolve in another way.
func FuzzIndices(f *testing.F) {
	for _, s := range []string{"a", "a,b", "a*,-ab", "_all", "", ",", "-a", "a:b", "<a-{now/d}>", "<a-{now/d{yyyy.MM.dd|+01:00}}>", "<.a{now}>", "a%2C", ".a", "a\x00", "<a{now},b>", "<a{now}{now/d}>-<b>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		elements, err := parseIndices(s)
		if err != nil || elements == nil {
			return
		}
		var parts []string
		for i, e := range elements {
			if e.text == "" || e.text[0] == '.' && !e.not || e.text[0] == '_' || e.text[0] == '-' || i == 0 && e.not || strings.Contains(e.text, "<.") {
				t.Fatalf("%q passes as %+v", s, elements)
			}
			if !isDateMath(e.text) && strings.ContainsAny(e.text, ",:<>{|/%\\") && !strings.ContainsAny(e.text, "{}") {
				t.Fatalf("%q passes as %+v", s, elements)
			}
			if e.not {
				e.text = "-" + e.text
			}
			parts = append(parts, e.text)
		}
		if strings.Join(parts, ",") != s {
			t.Fatalf("%q was read as %q", s, parts)
		}
		if back, err := decode(escape(s)); err != nil || back != s {
			t.Fatalf("%q is sent as %q", s, escape(s))
		}
	})
}

// A pattern covers another one only if it stands for all that the other one does.
func FuzzCovers(f *testing.F) {
	for _, c := range [][3]string{{"a*", "a*b", "x"}, {"*", "*", ""}, {"a*c", "abc", ""}, {"a*", "*a", "b"}, {"*a*b*", "aab", ""}, {"a**", "a*", "z"}, {"a*a", "a*a", ""}, {"*ab", "*aab", "ab"}} {
		f.Add(c[0], c[1], c[2])
	}
	f.Fuzz(func(t *testing.T, outer, inner, fill string) {
		if len(outer) > 64 || len(inner) > 64 || len(fill) > 64 || !utf8.ValidString(outer) || !utf8.ValidString(inner) || !utf8.ValidString(fill) || strings.Contains(fill, "*") {
			return
		}
		one := strings.ReplaceAll(inner, "*", fill)
		match := regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(outer), `\*`, `.*`) + `$`).MatchString(one)
		if covers(outer, inner) && !match {
			t.Fatalf("%q covers %q, but not %q", outer, inner, one)
		}
		if like(outer, one) != match {
			t.Fatalf("%q like %q: %v", outer, one, !match)
		}
	})
}

// An id comes back to whom it was given, and from nothing else.
func FuzzIDs(f *testing.F) {
	f.Add("pit", "12203", "cmF3", "AAAA")
	f.Fuzz(func(t *testing.T, kind, subject, id, other string) {
		h := ids{secret: []byte(strings.Repeat("s", 32)), now: time.Now}
		who := caller{subject: subject, scopes: []Scope{{Namespaces: []string{"a"}}}}
		wrapped := h.wrap(kind, who, id)
		if back, err := h.unwrap(kind, who, wrapped); isID(id) && len(wrapped) <= maxID && (err != nil || back != id) {
			t.Fatalf("%q came back as %q: %v", id, back, err)
		}
		if _, err := h.unwrap(kind, who, other); err == nil && other != wrapped {
			t.Fatalf("%q is taken", other)
		}
		if _, err := h.unwrap(kind, caller{subject: subject + "x", scopes: who.scopes}, wrapped); err == nil {
			t.Fatal("another subject's id is taken")
		}
	})
}

// An id ends.
func TestIDEnds(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	h := ids{secret: []byte(strings.Repeat("s", 32)), now: func() time.Time { return at }}
	wrapped := h.wrap("scroll", caller{}, "cmF3")
	at = at.Add(idLife)
	if id, err := h.unwrap("scroll", caller{}, wrapped); id != "cmF3" || err != nil {
		t.Errorf("before its end: %q, %v", id, err)
	}
	at = at.Add(time.Second)
	if id, err := h.unwrap("scroll", caller{}, wrapped); err == nil {
		t.Errorf("after its end: %q", id)
	}
	at = at.Add(-time.Hour)
	if _, err := h.unwrap("pit", caller{}, wrapped); err == nil {
		t.Error("as another kind")
	}
	h.secret = []byte(strings.Repeat("t", 32))
	if _, err := h.unwrap("scroll", caller{}, wrapped); err == nil {
		t.Error("with another secret")
	}
}
