package token

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// sameOther lets an entry have what is granted.
func sameOther(granted, wanted json.RawMessage) (json.RawMessage, bool) {
	return granted, wanted == nil || string(wanted) == string(granted)
}

func entryOf(t testing.TB, text string) Access {
	t.Helper()
	method, urls, _ := strings.Cut(text, " ")
	a := Access{Method: strings.Split(method, ","), URL: strings.Split(urls, " ")}
	if err := a.Check(); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestNarrowURL(t *testing.T) {
	at := base(t, "/api", "https://logs.example.com/v1")
	f := func(granted, wanted string, want bool) {
		t.Helper()
		got := Narrow(at, []Access{entryOf(t, "GET "+granted)}, []Access{entryOf(t, "GET "+wanted)}, sameOther)
		if (got != nil) != want {
			t.Errorf("%s within %s: got %v", wanted, granted, got)
		}
	}
	f("/a", "/a", true)
	f("/a", "/b", false)
	f("/a", "/A", false)
	f("/a", "/a/b", false)
	f("/a/b", "/a", false)
	f("/a", "/*", false)
	f("/a", "/**", false)
	f("/a", "/{x}", false)
	f("/a", "/{x:UUID}", false)
	f("/%61", "/a", true)
	f("/a", "/%61", true)
	f("/*", "/a", true)
	f("/*", "/*", true)
	f("/*", "/{name}", true)
	f("/{name}", "/*", true)
	f("/*", "/{x:UUID}", true)
	f("/*", "/**", false)
	f("/*", "/a/b", false)
	f("/*", "/", false)
	f("/{x:UUID}", "/"+id, true)
	f("/{x:UUID}", "/"+ID, true)
	f("/{x:UUID}", "/{y:UUID}", true)
	f("/{x:UUID}", "/"+id+"0", false)
	f("/{x:UUID}", "/*", false)
	f("/{x:UUID}", "/**", false)
	f("/a/**", "/a/b", true)
	f("/a/**", "/a/b/c", true)
	f("/a/**", "/a/*", true)
	f("/a/**", "/a/*/b", true)
	f("/a/**", "/a/**", true)
	f("/a/**", "/a/b/**", true)
	f("/a/**", "/a/*/**", true)
	f("/a/*/**", "/a/**", false)
	f("/a/**", "/a", false)
	f("/a/**", "/*/b", false)
	f("/a/**", "/**", false)
	f("/**", "/", false)
	f("/**", "/**", true)
	f("/", "/", true)
	// The ways to write one URL.
	f("{mscp_api_url}/a", "[mscp_api_url]/a", true)
	f("{mscp_api_url}/a", "/api/a", true)
	f("{mscp_api_url}/a", "https://LOGS.example.com:443/v1/a", true)
	f("/api/a", "{mscp_api_url}/a", true)
	f("/api/a", "https://logs.example.com/v1/a", true)
	f("https://logs.example.com/v1/a", "{mscp_api_url}/a", true)
	f("https://logs.example.com/v1/*", "/api/a", true)
	f("{mscp_api_url}/**", "/api/**", true)
	f("{mscp_api_url}/**", "/**", false)
	f("{mscp_api_url}/**", "/*/a", false)
	f("{mscp_api_url}/**", "/apis/a", false)
	f("{mscp_api_url}/**", "/api", false)
	f("{mscp_api_url}/**", "https://logs.example.com/a", false)
	f("{mscp_api_url}/**", "https://other.example.com/v1/a", false)
	f("{mscp_api_url}/**", "http://logs.example.com/v1/a", false)
	f("{mscp_api_url}", "/api", true)
	f("{mscp_api_url}", "https://logs.example.com/v1", true)
	f("/**", "{mscp_api_url}/a", true)
	f("/api/**", "{mscp_api_url}/**", true)
	f("/v1/**", "{mscp_api_url}/a", false)
	f("https://other.example.com/**", "https://other.example.com/a", true)
	f("https://other.example.com/**", "https://another.example.com/a", false)
	f("https://other.example.com/**", "{mscp_api_url}/a", false)
	f("{mscp_api_url}/%7Ba%7D/%2A", "/api/%7Ba%7D/%2A", true)
	f("{mscp_api_url}/%2A", "/api/*", false)
}

func TestNarrow(t *testing.T) {
	at := base(t, "", "")
	f := func(granted, wanted, want string) {
		t.Helper()
		var grants, wants []Access
		for _, text := range strings.Split(granted, "; ") {
			text, other, _ := strings.Cut(text, " other ")
			a := entryOf(t, text)
			if other != "" {
				a.Other = json.RawMessage(other)
			}
			grants = append(grants, a)
		}
		for _, text := range strings.Split(wanted, "; ") {
			wants = append(wants, entryOf(t, text))
		}
		var got []string
		for _, a := range Narrow(at, grants, wants, sameOther) {
			text := strings.Join(a.Method, ",") + " " + strings.Join(a.URL, " ")
			if a.Other != nil {
				text += " other " + string(a.Other)
			}
			got = append(got, text)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s within %s: got %q, want %q", wanted, granted, got, want)
		}
	}
	f("GET /a", "GET /a", "GET /a")
	f("GET /a", "POST /a", "")
	f("GET /a", "GET,POST /a", "")
	f("GET /a", "* /a", "")
	f("* /a", "* /a", "* /a")
	f("* /a", "PUT,GET /a", "PUT,GET /a")
	f("GET /a", "HEAD /a", "")
	f("GET /a; GET /b", "GET /a /b", "GET /a; GET /b")
	f("GET /a /b", "GET /b /a", "GET /b /a")
	f("GET /a; POST /b", "GET,POST /a /b", "") // POST /a is not
	f("GET,POST /a; GET,POST /b", "GET,POST /a /b", "GET,POST /a; GET,POST /b")
	f("GET /a", "GET /a /c", "")
	f("GET /a", "GET /a; GET /c", "")
	f("GET /*", "GET /a; GET /a", "GET /a")
	f("GET /*; GET /a", "GET /a", "GET /a")
	f(`GET /* other {"x":1}; GET /a other {"x":2}`, "GET /a", `GET /a other {"x":1}; GET /a other {"x":2}`)
	f(`GET /* other {"x":1}; GET /a`, "GET /a /b", `GET /a /b other {"x":1}; GET /a`)
	f("GET {mscp_api_url}/a", "GET /a", "GET {mscp_api_url}/a")
	f("GET /**", "GET {mscp_api_url}/a/{b}/{c:UUID}/**", "GET /a/*/{id:UUID}/**")

	none := func(granted, wanted Access) {
		t.Helper()
		if got := Narrow(at, []Access{granted}, []Access{wanted}, sameOther); got != nil {
			t.Errorf("%v within %v: got %v", wanted, granted, got)
		}
	}
	all := Access{Method: []string{"*"}, URL: []string{"/**"}}
	none(all, Access{})
	none(all, Access{Method: []string{"GET"}})
	none(all, Access{URL: []string{"/a"}})
	none(all, Access{Method: []string{"GET"}, URL: []string{"/a//b"}})
	none(all, Access{Method: []string{"GET"}, URL: []string{"/a"}, Other: json.RawMessage(`{"x":1}`)})
	none(Access{Method: []string{"GET"}, URL: []string{"/a//b"}}, Access{Method: []string{"GET"}, URL: []string{"/a//b"}})
	none(Access{}, Access{Method: []string{"GET"}, URL: []string{"/a"}})
	if got := Narrow(at, []Access{all}, nil, sameOther); got != nil {
		t.Errorf("nothing wanted: got %v", got)
	}
	if got := Narrow(at, nil, []Access{all}, sameOther); got != nil {
		t.Errorf("nothing granted: got %v", got)
	}
}

func TestParseAccess(t *testing.T) {
	f := func(text string, want ...Access) {
		t.Helper()
		if got, err := ParseAccess([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v and error %v", text, got, err)
		}
	}
	one := Access{Method: []string{"GET"}, URL: []string{"/a"}}
	f(`[{"method":["GET"],"url":["/a"]}]`, one)
	f(" \t\r\n[ {\"url\":[\"/a\"],\"method\":[\"GET\"]} ]\n", one)
	f(`{"access":[{"method":["GET"],"url":["/a"]}]}`, one)
	f(" {\"access\" : [{\"method\":[\"GET\"],\"url\":[\"/\\u0061\"]}, {\"method\":[\"GET\"],\"url\":[\"/a\"]}]} ", one, one)
	f(`[{"method":["GET"],"url":["/a"],"other":{"namespaces":["x"]}}]`,
		Access{Method: []string{"GET"}, URL: []string{"/a"}, Other: json.RawMessage(`{"namespaces":["x"]}`)})

	bad := func(text, want string) {
		t.Helper()
		if got, err := ParseAccess([]byte(text)); err == nil || got != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.200q: got %v and error %v, want %q", text, got, err, want)
		}
	}
	good := `{"method":["GET"],"url":["/a"]}`
	bad("", "not a list")
	bad("null", "not a list")
	bad("x", "not a list")
	bad(`"GET /a"`, "not a list")
	bad("[]", "empty")
	bad("{}", "not a list")
	bad(good, "unknown member")
	bad(`{"access":null}`, "not a list")
	bad(`{"access":[]}`, "empty")
	bad(`{"access":[`+good+`],"user_id":"1"}`, `unknown member "user_id"`)
	bad(`{"access":[`+good+`],"Access":[]}`, "two members")
	bad(`{"Access":[`+good+`]}`, "unknown member")
	bad(`{"access":[`+good+`],"access":[`+good+`]}`, "two members")
	bad(`{"access":[`+good+`]}{}`, "not JSON")
	bad(`[`+good+`][]`, "not a list")
	bad(`[`+good+`,]`, "not a list")
	bad(`[`+good+`] x`, "not a list")
	bad(`[/**/`+good+`]`, "not a list")
	bad("\ufeff["+good+"]", "not a list")
	bad(`[null]`, "not a JSON object")
	bad(`[[`+good+`]]`, "not a JSON object")
	bad(`[{"method":["GET"],"url":["/a"],"Other":{}}]`, "unknown member")
	bad(`[{"method":["GET"],"url":["/a"],"role":["cloud"]}]`, "unknown member")
	bad(`[{"method":["GET"],"url":["/a"],"other":{"a":1,"A":2}}]`, "two members")
	bad(`[{"method":["GET"],"url":["/a"],"other":{"a":[{"b":1,"b":2}]}}]`, "two members")
	bad(`[{"method":["GET"],"url":["/a"],"other":null}]`, "not a JSON object")
	bad(`[{"method":["GET"],"url":["/a"],"other":[]}]`, "not a JSON object")
	bad(`[{"method":["GET"],"url":["/a"],"other":{"a":"`+"\xff"+`"}}]`, "not JSON")
	bad(`[{"method":"GET","url":["/a"]}]`, "method is not a list")
	bad(`[{"method":["GET"],"url":"/a"}]`, "url is not a list")
	bad(`[{"method":["GET"]}]`, "url is not a list")
	bad(`[{"url":["/a"]}]`, "method is not a list")
	bad(`[{"method":[],"url":["/a"]}]`, "opens nothing")
	bad(`[{"method":["GET"],"url":[]}]`, "opens nothing")
	bad(`[{"method":["get"],"url":["/a"]}]`, `cannot use method "get"`)
	bad(`[{"method":[null],"url":["/a"]}]`, "not a string")
	bad(`[{"method":["GET"],"url":["/a//b"]}]`, "cannot use URL")
	bad(`[{"method":["GET"],"url":["/a/../b"]}]`, "cannot use URL")
	bad(`[{"method":["GET"],"url":["/a?x=1"]}]`, "cannot use URL")
	bad(`[`+strings.Repeat(good+",", 256)+good+`]`, "more than 256")
	bad(`[{"method":["GET","PUT"],"url":["/a"`+strings.Repeat(`,"/a"`, 128)+`]}]`, "more than 256")
	bad(`[{"method":["GET"],"url":["/a"],"other":`+strings.Repeat(`{"a":`, 20)+"1"+strings.Repeat("}", 20)+`}]`, "nested")
	bad(strings.Repeat("[", 20_000), "not a list")
}

func TestOpens(t *testing.T) {
	at := base(t, "/api", "")
	c := &Claims{}
	for _, text := range []string{"GET {mscp_api_url}/**", "POST {mscp_api_url}/a", "* /api/a", "GET {mscp_api_url}/a"} {
		c.Access = append(c.Access, entryOf(t, text))
	}
	f := func(method, target, want string) {
		t.Helper()
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, a := range c.Opens(at, method, u) {
			got = append(got, a.Method[0]+" "+a.URL[0])
		}
		if strings.Join(got, "; ") != want || c.Allows(at, method, u) != (want != "") {
			t.Errorf("%s %s: got %q, want %q", method, target, got, want)
		}
	}
	f("GET", "/api/a", "GET {mscp_api_url}/**; * /api/a; GET {mscp_api_url}/a")
	f("POST", "/api/a", "POST {mscp_api_url}/a; * /api/a")
	f("PUT", "/api/a", "* /api/a")
	f("GET", "/api/b", "GET {mscp_api_url}/**")
	f("POST", "/api/b", "")
	f("GET", "/api//a", "")
	f("*", "/api/a", "")
	c.Access = nil // a root token
	f("GET", "/api/a", "")
}

// FuzzNarrow asks for one URL while another is granted: what the result opens, the wanted one and the granted one both open.
func FuzzNarrow(f *testing.F) {
	bases := []Base{base(f, "", ""), base(f, "/api", "https://h"), base(f, "/a/b", "https://h/a")}
	f.Add("/a/**", "{mscp_api_url}/b", "/a/b", 0)
	f.Add("{mscp_api_url}/*", "/api/x", "/api/x", 1)
	f.Add("https://h/{x:UUID}", "[mscp_api_url]/"+id, "/api/"+id, 1)
	f.Add("/**", "https://h/a/%2A", "/a/b/%2A", 2)
	f.Fuzz(func(t *testing.T, granted, wanted, target string, which int) {
		u, err := url.ParseRequestURI(target)
		i := uint(which) % uint(len(bases))
		if err != nil || i == 2 && strings.Contains(granted, "://") && strings.ContainsAny(granted, "*{") {
			return // where the API is below a path, an absolute URL with a wildcard in this path opens nothing
		}
		at := bases[i]
		opens := func(urls ...string) bool {
			c := &Claims{Access: []Access{{Method: []string{"GET"}, URL: urls}}}
			return c.Allows(at, "GET", u)
		}
		got := Narrow(at, []Access{{Method: []string{"*"}, URL: []string{granted}}}, []Access{{Method: []string{"GET"}, URL: []string{wanted}}}, sameOther)
		for _, a := range got {
			if err := a.Check(); err != nil {
				t.Errorf("%q within %q: %v", wanted, granted, err)
			}
			if opens(a.URL...) && !(opens(wanted) && opens(granted)) || opens(wanted) && !opens(a.URL...) {
				t.Errorf("%q within %q: %q opens %s %v, wanted %v, granted %v", wanted, granted, a.URL, target, opens(a.URL...), opens(wanted), opens(granted))
			}
		}
	})
}
