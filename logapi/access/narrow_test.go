package access

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/token"
)

func TestInside(t *testing.T) {
	f := func(name, pattern string, want bool) {
		t.Helper()
		if got := inside(name, pattern); got != want {
			t.Errorf("%s inside %s: got %v", name, pattern, got)
		}
	}
	f("a", "a", true)
	f("a", "b", false)
	f("a", "A", false)
	f("a", "ab", false)
	f("ab", "a", false)
	f("a", "*", true)
	f("*", "*", true)
	f("**", "*", true)
	f("*", "**", true)
	f("a*", "*", true)
	f("*", "a*", false)
	f("*", "a", false)
	f("a*", "a", false)
	f("a*", "a*", true)
	f("ab*", "a*", true)
	f("a*b", "a*", true)
	f("a*", "a*b", false)
	f("a*b", "a*b", true)
	f("ab", "a*b", true)
	f("aXbYb", "a*b", true)
	f("a*c*b", "a*b", true)
	f("a*b", "a*c*b", false)
	f("*a", "*a", true)
	f("*a", "a*", false)
	f("abab", "*ab", true)
	f("*ab*", "*b*", true)
	f("*b*", "*ab*", false)
	f("x*y", "x*y*", true)
	f("x*y*", "x*y", false)
	f(strings.Repeat("a", 255), strings.Repeat("*a", 127)+"*b", false)
}

// FuzzInside compares with regular expressions: what is inside stands for nothing that the pattern does not.
func FuzzInside(f *testing.F) {
	f.Add("a*b", "a*", "aXb")
	f.Add("*", "**a", "a")
	f.Add("a*a", "*a*", "aa")
	f.Fuzz(func(t *testing.T, name, pattern, text string) {
		if !isName(name) || !isName(pattern) || !isName(text) || strings.Contains(text, "*") || len(name)+len(pattern)+len(text) > 60 {
			return
		}
		matches := func(pattern, text string) bool {
			return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(text)
		}
		if inside(name, pattern) != matches(pattern, name) {
			t.Errorf("%s inside %s: got %v", name, pattern, inside(name, pattern))
		}
		if inside(name, pattern) && matches(name, text) && !matches(pattern, text) {
			t.Errorf("%s inside %s, but only it stands for %s", name, pattern, text)
		}
	})
}

func TestCovers(t *testing.T) {
	at, err := token.NewBase("/api", "")
	if err != nil {
		t.Fatal(err)
	}
	entries := func(others []string) (list []token.Access) {
		for _, other := range others {
			a := token.Access{Method: []string{"GET"}, URL: []string{"/a"}}
			if other != "" {
				a.Other = json.RawMessage(other)
			}
			list = append(list, a)
		}
		return list
	}
	// f grants entries that differ in other alone.
	f := func(wanted, want string, granted ...string) {
		t.Helper()
		got := []string{}
		for _, a := range Covers(at, entries(granted), entries([]string{wanted})) {
			got = append(got, "other "+string(a.Other))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s within %q: got %q, want %q", wanted, granted, got, want)
		}
	}
	// What is not granted narrowly may be narrowed.
	f("", "other ", "")
	f("{}", "other ", "")
	f("", "other ", "{}")
	f(`{"namespaces":["a"]}`, `other {"namespaces":["a"]}`, "")
	f(`{"apps":["b","c*"],"indices":["*"]}`, `other {"apps":["b","c*"],"indices":["*"]}`, "{}")
	// What is granted narrowly stays so, or becomes narrower.
	f("", `other {"namespaces":["a"]}`, `{"namespaces":["a"]}`)
	f("{}", `other {"namespaces":["a"]}`, `{"namespaces":["a"]}`)
	f(`{"namespaces":["a"]}`, `other {"namespaces":["a"]}`, `{"namespaces":["a","b"]}`)
	f(`{"namespaces":["b","a"]}`, `other {"namespaces":["b","a"]}`, `{"namespaces":["a","b"]}`)
	f(`{"namespaces":["a","c"]}`, "", `{"namespaces":["a","b"]}`)
	f(`{"namespaces":["*"]}`, "", `{"namespaces":["a","b"]}`)
	f(`{"namespaces":["ab*","a"]}`, `other {"namespaces":["ab*","a"]}`, `{"namespaces":["a*"]}`)
	f(`{"apps":["x"]}`, `other {"apps":["x"],"namespaces":["a"]}`, `{"namespaces":["a"]}`)
	f(`{"apps":["x"],"namespaces":["b"]}`, "", `{"namespaces":["a"]}`)
	f(`{"namespaces":["a"],"indices":["x-1"]}`, `other {"indices":["x-1"],"namespaces":["a"]}`, `{"namespaces":["a"],"indices":["x-*"]}`)
	f(`{"namespaces":["a"],"indices":["y-1"]}`, "", `{"namespaces":["a"],"indices":["x-*"]}`)
	// Where pushed logs are from is as granted.
	f("", `other {"namespace":"a","region":"r"}`, `{"namespace":"a","region":"r"}`)
	f(`{"namespace":"a"}`, `other {"namespace":"a","region":"r"}`, `{"namespace":"a","region":"r"}`)
	f(`{"namespace":"b"}`, "", `{"namespace":"a"}`)
	f(`{"namespace":"b"}`, "", "")
	f(`{"zone":"z"}`, "", `{"namespace":"a"}`)
	f(`{"namespaces":["a"]}`, `other {"namespace":"a","namespaces":["a"]}`, `{"namespace":"a"}`)
	// Several grants.
	f("", `other {"namespaces":["a"]}; other {"namespaces":["b"]}`, `{"namespaces":["a"]}`, `{"namespaces":["b"]}`)
	f(`{"namespaces":["b"]}`, `other {"namespaces":["b"]}`, `{"namespaces":["a"]}`, `{"namespaces":["b"]}`)
	f(`{"namespaces":["a","b"]}`, "", `{"namespaces":["a"]}`, `{"namespaces":["b"]}`)
	f(`{"namespaces":["a"]}`, `other {"namespaces":["a"]}`, `{"namespaces":["a"]}`, "")
	f("", `other {"namespaces":["a"]}; other `, `{"namespaces":["a"]}`, "")
	// What is not understood is not covered.
	f(`{"x":1}`, "", "")
	f(`{"namespaces":[]}`, "", "")
	f(`{"namespaces":null}`, "", "")
	f(`{"namespaces":"a"}`, "", "")
	f("", "", `{"x":1}`)
	f("", "", `{"namespaces":[]}`)
}

func TestParseNarrowing(t *testing.T) {
	f := func(other string, want Narrowing) {
		t.Helper()
		if got, err := ParseNarrowing(json.RawMessage(other)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v and error %v", other, got, err)
		}
	}
	f("", Narrowing{})
	f("{}", Narrowing{})
	f(`{"namespaces":["a*"],"apps":["b"],"indices":["c"]}`, Narrowing{Indices: []string{"c"}, Namespaces: []string{"a*"}, Apps: []string{"b"}})
	f(`{"note":"x","limit":{"a":1}}`, Narrowing{})
	f(`{"namespace":"a","region":"r"}`, Narrowing{Namespaces: []string{"a"}})
	f(`{"namespace":"a","namespaces":["b"]}`, Narrowing{Namespaces: []string{"b"}})

	bad := func(other, want string) {
		t.Helper()
		if _, err := ParseNarrowing(json.RawMessage(other)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", other, err, want)
		}
	}
	bad("null", "not a JSON object")
	bad("[]", "not a JSON object")
	bad("{", "not JSON")
	bad(`{"namespaces":[]}`, "leave it out")
	bad(`{"namespaces":null}`, "leave it out")
	bad(`{"namespaces":"a"}`, "is not a list")
	bad(`{"namespaces":{"a":1}}`, "is not a list")
	bad(`{"namespaces":[1]}`, "is not a list")
	bad(`{"namespaces":[null]}`, "holds")
	bad(`{"namespaces":["a\u001b[31m"]}`, `holds "a?[31m"`)
	bad(`{"namespaces":["a","`+strings.Repeat("x", 256)+`"]}`, "holds")
	bad(`{"namespaces":["a`+strings.Repeat(`","a`, 64)+`"]}`, "more than 64")
	bad(`{"namespaces":["a"],"namespaces":["*"]}`, "two members")
	bad(`{"namespaces":["a"],"Namespaces":["*"]}`, "two members")
	bad(`{"NAMESPACES":["a"]}`, "unknown member")
	bad(`{"\u006eamespaces":["-a"]}`, "holds")
	bad(`{"indices":["a,b"]}`, "holds")
	bad(`{"indices":["<a-{now/d}>"]}`, "holds")
	bad(`{"namespace":""}`, "not one name")
	bad(`{"namespace":"*"}`, "not one name")
	bad(`{"namespace":["a"]}`, "not one name")
}

// FuzzCovers asks for any access: what is given is never more than what is granted, and lies within it again.
func FuzzCovers(f *testing.F) {
	f.Add(`[{"method":["GET"],"url":["/a"]}]`)
	f.Add(`{"access":[{"method":["GET","POST"],"url":["{mscp_api_url}/r/es/x/_search"],"other":{"namespaces":["a1"],"apps":["x*"]}}]}`)
	f.Add(`[{"method":["GET"],"url":["/api/r/es/**"],"other":{"namespaces":["a*"],"indices":["b"]}}]`)
	f.Add(`[{"method":["POST"],"url":["{mscp_api_url}/apps/*/log"],"other":{"namespace":"shop"}}]`)
	at, err := token.NewBase("/api", "https://h/v1")
	if err != nil {
		f.Fatal(err)
	}
	grants := []token.Access{
		{Method: []string{"GET", "POST"}, URL: []string{"{mscp_api_url}/*/es/**"}, Other: json.RawMessage(`{"namespaces":["a*","b"]}`)},
		{Method: []string{"POST"}, URL: []string{"{mscp_api_url}/apps/*/log"}, Other: json.RawMessage(`{"namespace":"shop"}`)},
	}
	f.Fuzz(func(t *testing.T, body string) {
		wanted, err := token.ParseAccess([]byte(body))
		if err != nil {
			return
		}
		got := Covers(at, grants, wanted)
		for _, a := range got {
			n, err := ParseNarrowing(a.Other)
			if err != nil {
				t.Fatalf("%q: %v", body, err)
			}
			for _, name := range n.Namespaces {
				if name != "b" && name != "shop" && !strings.HasPrefix(name, "a") {
					t.Errorf("%q: got namespace %s", body, name)
				}
			}
			if n.Namespaces == nil || err != nil {
				t.Errorf("%q: got %s", body, a.Other)
			}
		}
		if got != nil && !reflect.DeepEqual(Covers(at, grants, got), got) {
			t.Errorf("%q: got %v, and that is not covered itself", body, got)
		}
	})
}
