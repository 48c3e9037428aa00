package token

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const (
	id = "7b0a6c51-3f0e-4f0c-8d7e-0f6f0a2b9c11"
	ID = "7B0A6C51-3F0E-4F0C-8D7E-0F6F0A2B9C11"
)

func base(t testing.TB, prefix, public string) Base {
	t.Helper()
	b, err := NewBase(prefix, public)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAllowsURL(t *testing.T) {
	at := base(t, "", "")
	f := func(pattern, target string, want bool) {
		t.Helper()
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		c := &Claims{Access: []Access{{Method: []string{"GET"}, URL: []string{"/other", pattern}}}}
		if got := c.Allows(at, "GET", u); got != want {
			t.Errorf("%s for %s: got %v", pattern, target, got)
		}
	}
	// Literal segments.
	f("/system/log", "/system/log", true)
	f("/system/log", "/system/log/status", false)
	f("/system/log/status", "/system/log", false)
	f("/system/log", "/system/logs", false)
	f("/system/log", "/system", false)
	f("/system/log", "/System/log", false)
	f("/system/log", "/x/system/log", false)
	f("/system/log", "/system/log?x=/y", true) // the query is not looked at
	f("/system/log", "/?/system/log", false)
	f("/system/log", "/system%2flog", false)
	f("/system/log", "/system/%6cog", true)
	f("/system/log", "/system/%256cog", false)
	f("/system/log", "/system/log;x=1", false)
	f("/a.b", "/aXb", false)
	f("/.*", "/anything", false)
	f("/a|b", "/a", false)
	f("/[ab]", "/a", false)
	f("/", "/", true)
	f("/", "/a", false)
	f("/a", "/", false)
	// What a URL of a token must be encoded for.
	f("/a%20b", "/a%20b", true)
	f("/a b", "/a%20b", true)
	f("/ж", "/%D0%B6", true)
	f("/%D0%B6", "/%d0%b6", true)
	f("/%2A", "/*", true)
	f("/%2A", "/x", false)
	f("/%7Bid%7D", "/%7bid%7d", true)
	f("/%7Bid%7D", "/x", false)
	f("/a%3Fb", "/a%3fb", true)
	f("/a+b", "/a+b", true)
	f("/a+b", "/a%20b", false)
	// One segment.
	f("/apps/*/log", "/apps/42/log", true)
	f("/apps/*/log", "/apps/*/log", true)
	f("/apps/*/log", "/apps//log", false)
	f("/apps/*/log", "/apps/log", false)
	f("/apps/*/log", "/apps/4/2/log", false)
	f("/apps/*/log", "/apps/4%2F2/log", false)
	f("/apps/*/log", "/apps/4%5C2/log", false)
	f("/apps/*/log", "/apps/%00/log", false)
	f("/apps/*/log", "/apps/4%0A/log", false)
	f("/apps/*/log", "/apps/%7f/log", false)
	f("/apps/*/log", "/apps/%C2%85/log", false)
	f("/apps/*/log", "/apps/%ff/log", false)
	f("/apps/*/log", "/apps/%2541/log", false)
	f("/apps/*/log", "/apps/100%25/log", false)
	f("/apps/*/log", "/apps/./log", false)
	f("/apps/*/log", "/apps/../log", false)
	f("/apps/*/log", "/apps/%2e%2E/log", false)
	f("/apps/*/log", "/apps/%2e/log", false)
	f("/apps/*/log", "/apps/.../log", true)
	f("/apps/*/log", "/apps/a%20b/log", true)
	f("/apps/*/log", "/apps/42/log/", false)
	f("/apps/*/log", "//apps/42/log", false)
	f("/apps/*/log", "/apps/42/log//", false)
	f("/*", "/a", true)
	f("/*", "/", false)
	f("/*", "/a/b", false)
	f("/*/*", "/a/b", true)
	f("/apps/{appid}/log", "/apps/42/log", true)
	f("/apps/{app_id-2}/log", "/apps/42/log", true)
	f("/apps/{appid}/log", "/apps//log", false)
	f("/apps/{appid}/log", "/apps/4/2/log", false)
	f("/apps/{appid}/log", "/apps/%7Bappid%7D/log", true)
	f("/apps/{}/log", "/apps/42/log", false)
	f("/apps/{a b}/log", "/apps/42/log", false)
	f("/apps/{2}/log", "/apps/42/log", false)
	f("/apps/x{a}/log", "/apps/x42/log", false)
	f("/apps/{a}x/log", "/apps/42x/log", false)
	f("/apps/{a/log", "/apps/42/log", false)
	f("/apps/a*/log", "/apps/a42/log", false)
	f("/apps/***/log", "/apps/a/log", false)
	// A UUID.
	f("/apps/{appid:UUID}/log", "/apps/"+id+"/log", true)
	f("/apps/{appid:UUID}/log", "/apps/"+ID+"/log", true)
	f("/apps/{appid:UUID}/log", "/apps/%37"+id[1:]+"/log", true)
	f("/apps/{appid:UUID}/log", "/apps/42/log", false)
	f("/apps/{appid:UUID}/log", "/apps/"+id[1:]+"/log", false)
	f("/apps/{appid:UUID}/log", "/apps/"+id+"0/log", false)
	f("/apps/{appid:UUID}/log", "/apps/"+strings.ReplaceAll(id, "-", "")+"/log", false)
	f("/apps/{appid:UUID}/log", "/apps/"+strings.ReplaceAll(id, "-", "0")+"/log", false)
	f("/apps/{appid:UUID}/log", "/apps/g"+id[1:]+"/log", false)
	f("/apps/{appid:UUID}/log", "/apps/%7b"+id[:34]+"%7d/log", false)
	f("/apps/{appid:uuid}/log", "/apps/"+id+"/log", false)
	f("/apps/{appid:}/log", "/apps/"+id+"/log", false)
	f("/apps/{:UUID}/log", "/apps/"+id+"/log", false)
	f("/apps/"+id+"/log", "/apps/"+id+"/log", true)
	f("/apps/"+id+"/log", "/apps/"+ID+"/log", false)
	// The rest: one segment or more.
	f("/apps/**", "/apps/a", true)
	f("/apps/**", "/apps/a/b/c", true)
	f("/apps/**", "/apps", false)
	f("/apps/**", "/apps/", false)
	f("/apps/**", "/apps//a", false)
	f("/apps/**", "/apps/a/", false)
	f("/apps/**", "/apps/a/../../b", false)
	f("/apps/**", "/apps/a%2f..%2fb", false)
	f("/apps/**", "/appsx/a", false)
	f("/apps/**/log", "/apps/a/log", false)
	f("/**", "/a/b", true)
	f("/**", "/", false)
	f("/*/**", "/a", false)
	f("/*/**", "/a/b", true)
	// No URLs at all.
	f("", "/", false)
	f("*", "/a", false)
	f("**", "/a", false)
	f("apps", "/apps", false)
	f("/a?x=1", "/a?x=1", false)
	f("/a#b", "/a", false)
	f("/a/", "/a", false)
	f("/a/", "/a/", false)
	f("//a", "/a", false)
	f("/./a", "/a", false)
	f("/a/../b", "/b", false)
	f("/a%2Fb", "/a/b", false)
	f("/a%2Fb", "/a%2Fb", false)
	f("/%zz", "/%25zz", false)
	f("/"+strings.Repeat("a", 9000), "/"+strings.Repeat("a", 9000), false)
	f("/"+strings.Repeat("*/", 500)+"*", "/"+strings.Repeat("x/", 500)+"x", true)
	// Without a public URL, no absolute URL.
	f("http://example.com/a", "/a", false)
	f("{mscp_api_url}/a", "/a", true)
	f("[mscp_api_url]/a", "/a", true)
	f("{MSCP_API_URL}/a", "/a", false)
}

func TestAllowsBase(t *testing.T) {
	f := func(prefix, public, pattern, target string, want bool) {
		t.Helper()
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		c := &Claims{Access: []Access{{Method: []string{"GET"}, URL: []string{pattern}}}}
		if got := c.Allows(base(t, prefix, public), "GET", u); got != want {
			t.Errorf("%s at %q, %q for %s: got %v", pattern, prefix, public, target, got)
		}
	}
	// A path is the whole path, {mscp_api_url} the prefix.
	f("/api", "", "/api/x", "/api/x", true)
	f("/api", "", "/x", "/api/x", false)
	f("/api", "", "/x", "/x", true)
	f("/api", "", "{mscp_api_url}/x", "/api/x", true)
	f("/api", "", "{mscp_api_url}/x", "/x", false)
	f("/api", "", "[mscp_api_url]/x", "/api/x", true)
	f("/api/", "", "{mscp_api_url}/x", "/api/x", true)
	f("/api/v1", "", "{mscp_api_url}/**", "/api/v1/x/y", true)
	f("/api/v1", "", "{mscp_api_url}/**", "/api/v2/x/y", false)
	f("/api/v1", "", "{mscp_api_url}/**", "/api/v1", false)
	f("/api/v1", "", "{mscp_api_url}", "/api/v1", true)
	f("/api/v1", "", "{mscp_api_url}/", "/api/v1", true)
	f("/api/v1", "", "{mscp_api_url}", "/api/v1/x", false)
	f("", "", "{mscp_api_url}", "/", true)
	f("/api", "", "{mscp_api_url}x", "/apix", false)
	f("/api", "", "/{mscp_api_url}/x", "/api/x", false)
	f("/api", "", "{mscp_api_url}/{mscp_api_url}/x", "/api/api/x", false)
	f("/*", "", "{mscp_api_url}/x", "/y/x", false)
	f("/a%20b", "", "{mscp_api_url}/x", "/a%20b/x", true)
	// The sample of the specification, its region filled in.
	f("/api", "", "[mscp_api_url]/cn-north/system/log", "/api/cn-north/system/log", true)
	f("/api", "", "[mscp_api_url]/[region]/system/log", "/api/cn-north/system/log", false)
	f("/api", "", "{mscp_api_url}/apps/{appid:UUID}/log", "/api/apps/"+id+"/log", true)
	// An absolute URL is below the public one.
	f("", "https://logs.example.com", "https://logs.example.com/x", "/x", true)
	f("", "https://logs.example.com/", "https://LOGS.example.com/x", "/x", true)
	f("", "https://logs.example.com", "HTTPS://logs.example.com:443/x", "/x", true)
	f("", "https://logs.example.com:443", "https://logs.example.com/x", "/x", true)
	f("", "http://logs.example.com:80", "http://logs.example.com/x", "/x", true)
	f("", "https://logs.example.com", "https://logs.example.com", "/", true)
	f("", "https://logs.example.com", "http://logs.example.com/x", "/x", false)
	f("", "https://logs.example.com", "https://logs.example.com:8443/x", "/x", false)
	f("", "https://logs.example.com", "https://other.example.com/x", "/x", false)
	f("", "https://logs.example.com", "https://logs.example.com.evil.org/x", "/x", false)
	f("", "https://logs.example.com", "https://logs.example.com@evil.org/x", "/x", false)
	f("", "https://logs.example.com", "https://u@logs.example.com/x", "/x", false)
	f("", "https://logs.example.com", "https://*/x", "/x", false)
	f("", "https://logs.example.com", "//logs.example.com/x", "/x", false)
	f("", "https://logs.example.com", "https:///x", "/x", false)
	f("", "https://logs.example.com", "ftp://logs.example.com/x", "/x", false)
	f("", "https://[::1]:8085", "https://[::1]:8085/x", "/x", true)
	f("/api", "https://logs.example.com/api", "https://logs.example.com/api/x", "/api/x", true)
	f("/api", "https://logs.example.com/api", "https://logs.example.com/x", "/x", false)
	f("/api", "https://logs.example.com/api", "https://logs.example.com/*/x", "/api/x", false)
	f("/api", "https://logs.example.com/api", "https://logs.example.com/**", "/api/x", false)
	f("/api", "https://logs.example.com/api", "https://logs.example.com/api/**", "/api/x", true)
	f("/api", "https://logs.example.com/api", "https://logs.example.com/api/**", "/x", false)
	f("/api", "https://logs.example.com/api", "https://logs.example.com/apix/x", "/api/x", false)
	// A proxy takes /logs away.
	f("", "https://example.com/logs", "https://example.com/logs/apps/*", "/apps/1", true)
	f("", "https://example.com/logs", "https://example.com/logs/apps/*", "/logs/apps/1", false)
	f("/v1", "https://example.com/logs", "https://example.com/logs/apps/*", "/v1/apps/1", true)
}

func TestNewBaseRefuses(t *testing.T) {
	f := func(prefix, public string) {
		t.Helper()
		if b, err := NewBase(prefix, public); err == nil {
			t.Errorf("%q, %q: got %+v", prefix, public, b)
		}
	}
	f("api", "")
	f("//", "")
	f("/a//b", "")
	f("/../a", "")
	f("/a%2Fb", "")
	f("", "logs.example.com")
	f("", "/api")
	f("", "ftp://logs.example.com")
	f("", "https://")
	f("", "https:///api")
	f("", "https://user@logs.example.com")
	f("/a?b", "")
	f("/a#b", "")
	f("", "https://logs.example.com?x")
	f("", "https://logs.example.com/?x")
	f("", "https://logs.example.com/a#x")
	f("", "https://logs.example.com/a/../b")
}

func TestAllowsMethod(t *testing.T) {
	f := func(methods, method string, want bool) {
		t.Helper()
		c := &Claims{Access: []Access{{Method: strings.Fields(methods), URL: []string{"/a"}}}}
		if got := c.Allows(Base{}, method, &url.URL{Path: "/a"}); got != want {
			t.Errorf("%s for %s: got %v", methods, method, got)
		}
	}
	f("GET", "GET", true)
	f("GET POST", "POST", true)
	f("GET", "POST", false)
	f("GET", "HEAD", false)
	f("GET", "get", false)
	f("get", "get", false)
	f("get", "GET", false)
	f("*", "DELETE", true)
	f("*", "M-SEARCH", true)
	f("*", "delete", false)
	f("*", "*", false)
	f("*", "", false)
	f("*", "GET ", false)
	f("**", "GET", false)
	f("G*", "GET", false)
	f("ALL", "GET", false)
	f("", "GET", false)
}

func TestAllowsNothing(t *testing.T) {
	f := func(access ...Access) {
		t.Helper()
		c := &Claims{Access: access}
		if c.Allows(Base{}, "GET", &url.URL{Path: "/a"}) {
			t.Errorf("%+v opens /a", access)
		}
	}
	f()
	f(Access{})
	f(Access{Method: []string{"GET"}})
	f(Access{URL: []string{"/a"}})
	f(Access{Method: []string{"GET"}, URL: []string{"/b"}}, Access{Method: []string{"POST"}, URL: []string{"/a"}}) // not across entries
}

// TestAllowsAsServed compares what a server of net/http sees of raw requests.
func TestAllowsAsServed(t *testing.T) {
	all := &Claims{Access: []Access{{Method: []string{"*"}, URL: []string{"/**"}}}}
	f := func(target string, want bool) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, target, nil)
		if got := all.Allows(Base{}, r.Method, r.URL); got != want {
			t.Errorf("%s: got %v", target, got)
		}
	}
	f("/a/b", true)
	f("/a%20b", true)
	f("http://other.example.com/a", true) // no more than a Host header
	f(`/a"b`, false)                      // must be encoded
	f(`/a"b%2Fc`, false)                  // what net/url would make of it is /a%22b/c
	f("/a/%2E%2E/b", false)
	if all.Allows(Base{}, "GET", &url.URL{Scheme: "mailto", Opaque: "a/b"}) || all.Allows(Base{}, "GET", &url.URL{Path: "*"}) {
		t.Error("a URL without a path is open")
	}
}

func TestSegments(t *testing.T) {
	f := func(target, want string) {
		t.Helper()
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Fatal(err)
		}
		segments, err := Segments(u)
		if got := strings.Join(segments, "|"); err != nil || got != want {
			t.Errorf("%s: got %q and error %v, want %q", target, got, err, want)
		}
	}
	f("/", "")
	f("/a", "a")
	f("/a/b%20c?d=/e", "a|b c")
	f("/%61/%7Bx%7D", "a|{x}")
}
