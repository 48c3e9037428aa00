package token

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzVerify alters tokens: only those that were signed are accepted.
func FuzzVerify(f *testing.F) {
	k := twoKeys(f)
	signed := map[string]bool{}
	for _, raw := range []string{
		forge(plainHeader, plainPayload, secretA),
		forge(`{"alg":"HS256","kid":"b"}`, plainPayload, secretB),
		forge(plainHeader, claimsWith(`"access":[{"method":["*"],"url":["/**"]}]`), secretA),
	} {
		signed[raw] = true
		f.Add(raw)
	}
	f.Add(forge(`{"alg":"none"}`, plainPayload, ""))
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		if c, err := k.Verify(raw, now); (err == nil) != signed[raw] || (c == nil) != (err != nil) {
			t.Errorf("%q: got %+v and error %v", raw, c, err)
		}
	})
}

// FuzzClaims signs any payload: what is accepted holds, and can be signed again with the same meaning.
func FuzzClaims(f *testing.F) {
	k := twoKeys(f)
	f.Add(plainPayload)
	f.Add(claimsWith(`"access":[{"method":["*"],"url":["/**"],"other":{"a":[{}]}}],"aud":["x"]`))
	f.Add(`{"exp":1548334419,"EXP":1}`)
	f.Add(`{"exp":1548334419,"x":{"y":{"y":1},"Y":2}}`)
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := k.Verify(forge(plainHeader, payload, secretA), now)
		if err != nil {
			return
		}
		pairs := 0
		for _, a := range c.Access {
			pairs += len(a.Method) * len(a.URL)
		}
		if !c.Expires.After(now.Add(-k.Rules.Leeway)) || pairs > maxPairs {
			t.Errorf("%q: accepted as %+v", payload, c)
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
		if d, err := parseClaims(again); err != nil || d.Expires != c.Expires || len(d.Access) != len(c.Access) || d.UserID != c.UserID {
			t.Errorf("%q: signed again it is %+v, error %v", payload, d, err)
		}
	})
}

// FuzzKeys reads any file of keys: what it takes signs and verifies.
func FuzzKeys(f *testing.F) {
	f.Add(`{"keys":[` + jwkOf(secretA, `,"kid":"a","iat":1,"nbf":2,"exp":3,"key_ops":["sign","verify"]`) + `]}`)
	f.Add(`{"keys":[{"kty":"oct","K":""}]}`)
	f.Fuzz(func(t *testing.T, content string) {
		stored, err := parseKeys([]byte(content))
		if err != nil {
			return
		}
		for _, s := range stored {
			if key := s.key(); len(key.secret()) < minSecret || len(key.secret()) > maxSecret {
				t.Errorf("%q: a key of %d bytes", content, len(key.secret()))
			}
		}
		if next, err := rotate(stored, newKey(), Rotation{Keep: time.Hour}, now); err == nil && len(next) > maxKeys {
			t.Errorf("%q: %d keys after a rotation", content, len(next))
		}
	})
}

// FuzzAllows compares with a regular expression, which is simpler and would be wrong to use: it is made of the
// pattern's text. Allows never opens more.
func FuzzAllows(f *testing.F) {
	for _, s := range []string{"/a/b", "/apps/*/log", "/apps/{appid}/log", "/apps/{appid:UUID}/log", "/apps/**", "{mscp_api_url}/a", "/%2A", "/", "https://h/api/**"} {
		f.Add(s, "/apps/"+id+"/log")
		f.Add(s, "/api/a")
		f.Add(s, "/apps/%2e%2e/log")
		f.Add(s, "/apps/a%2Fb/log")
	}
	at := base(f, "/api", "https://h/api")
	uuid := regexp.MustCompile(`^\{[A-Za-z0-9_-]+:UUID\}$`)
	named := regexp.MustCompile(`^\{[A-Za-z0-9_-]+\}$`)
	f.Fuzz(func(t *testing.T, pattern, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		c := &Claims{Access: []Access{{Method: []string{"*"}, URL: []string{pattern}}}}
		if !c.Allows(at, "GET", u) {
			return
		}
		path := pattern
		for _, base := range []string{"{mscp_api_url}", "[mscp_api_url]"} {
			path = strings.Replace(path, base, "/api", 1)
		}
		if _, rest, ok := strings.Cut(path, "://"); ok && len(rest) > 0 && !strings.HasPrefix(path, "/") {
			_, path, _ = strings.Cut(rest, "/")
			path = "/" + path
		}
		var expression strings.Builder
		for _, segment := range strings.Split(strings.TrimPrefix(path, "/"), "/") {
			expression.WriteByte('/')
			switch {
			case segment == "*" || named.MatchString(segment):
				expression.WriteString("[^/]+")
			case segment == "**":
				expression.WriteString(".+")
			case uuid.MatchString(segment):
				expression.WriteString("[0-9a-fA-F-]{36}")
			default:
				text, _ := url.PathUnescape(segment)
				expression.WriteString(regexp.QuoteMeta(text))
			}
		}
		want := regexp.MustCompile("(?s)^" + expression.String() + "/?$")
		if plain, _ := url.PathUnescape(u.EscapedPath()); !want.MatchString(plain) || strings.Contains(plain, "//") || strings.Contains(plain+"/", "/../") {
			t.Errorf("%q opens %q", pattern, target)
		}
	})
}
