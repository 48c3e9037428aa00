package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// now is when these tests take place: the day after the issue of the sample token.
var now = time.Unix(1516792419, 0).Add(24 * time.Hour)

var (
	secretA = strings.Repeat("a", 31) + "!" // 32 bytes, the least
	secretB = strings.Repeat("b", 64)
)

// keysOf opens a file with this content, at this time.
func keysOf(t testing.TB, content string) *Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	k.clock = func() time.Time { return now }
	return k
}

func jwkOf(secret, more string) string {
	return fmt.Sprintf(`{"kty":"oct","k":%q%s}`, encode(secret), more)
}

// twoKeys are A, the younger, and B.
func twoKeys(t testing.TB) *Keys {
	return keysOf(t, `{"keys":[`+jwkOf(secretB, `,"kid":"b","iat":1516000000`)+`,`+jwkOf(secretA, `,"kid":"a","alg":"HS256","use":"sig","iat":1516000001`)+`]}`)
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// forge signs what is given, whatever it is.
func forge(header, payload, secret string) string {
	return forgeWith(sha256.New, header, payload, secret)
}

func forgeWith(h func() hash.Hash, header, payload, secret string) string {
	signed := encode(header) + "." + encode(payload)
	mac := hmac.New(h, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(string(mac.Sum(nil)))
}

const (
	plainHeader  = `{"typ":"JWT","alg":"HS256"}` // M-14
	plainPayload = `{"iat":1516792419,"exp":1548334419,"user_id":"12203","email":"user@example.com","role":["cloud","tenant","user"],` +
		`"access":[{"method":["GET","POST","DELETE"],"url":["[mscp_api_url]/cn-north/system/log"],"other":{}}]}` // M-03
)

func claimsWith(more string) string { return `{"exp":1548334419,` + more + `}` }

func TestVerifyAccepts(t *testing.T) {
	k := twoKeys(t)
	f := func(name, raw string) {
		t.Helper()
		if _, err := k.Verify(raw, now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	f("the sample", forge(plainHeader, plainPayload, secretA))
	f("the older key, no kid", forge(plainHeader, plainPayload, secretB))
	f("kid of the older key", forge(`{"alg":"HS256","kid":"b"}`, plainPayload, secretB))
	f("no typ", forge(`{"alg":"HS256"}`, plainPayload, secretA))
	f("white space in the header", forge("{ \"alg\" :\n\"HS256\" }", plainPayload, secretA))
	f("escapes in the header", forge(`{"\u0061lg":"HS\u0032\u0035\u0036"}`, plainPayload, secretA))
	f("only exp", forge(plainHeader, `{"exp":1548334419}`, secretA))
	f("empty access", forge(plainHeader, claimsWith(`"access":[]`), secretA))
	f("empty lists in an entry", forge(plainHeader, claimsWith(`"access":[{"method":[],"url":[]}]`), secretA))
	f("an entry that opens nothing", forge(plainHeader, claimsWith(`"access":[{"method":["post"],"url":[".*"]}]`), secretA))
	f("other with content", forge(plainHeader, claimsWith(`"access":[{"method":["GET"],"url":["/"],"other":{"a":{"b":[1,null]}}}]`), secretA))
	f("256 pairs", forge(plainHeader, claimsWith(`"access":[`+entry(16, 16)+`]`), secretA))
	f("registered claims", forge(plainHeader, claimsWith(`"iss":"x","sub":"y","jti":"z","aud":"w"`), secretA))
	f("a list as audience", forge(plainHeader, claimsWith(`"aud":["v","w"]`), secretA))
	f("claims nobody knows", forge(plainHeader, claimsWith(`"scope":null,"name":{"first":"x"}`), secretA))
	f("iat within leeway", forge(plainHeader, fmt.Sprintf(`{"iat":%d,"exp":1548334419}`, now.Unix()+30), secretA))
	f("nbf within leeway", forge(plainHeader, claimsWith(fmt.Sprintf(`"nbf":%d`, now.Unix()+30)), secretA))
	f("exp within leeway", forge(plainHeader, fmt.Sprintf(`{"exp":%d}`, now.Unix()-29), secretA))
	f("the longest life", forge(plainHeader, fmt.Sprintf(`{"iat":1516792419,"exp":%d}`, 1516792419+366*86400), secretA))
}

func entry(methods, urls int) string {
	m := strings.Repeat(`"GET",`, methods)
	u := strings.Repeat(`"/a",`, urls)
	return `{"method":[` + strings.TrimSuffix(m, ",") + `],"url":[` + strings.TrimSuffix(u, ",") + `]}`
}

func TestVerifyReads(t *testing.T) {
	c, err := twoKeys(t).Verify(forge(plainHeader, plainPayload, secretA), now)
	if err != nil {
		t.Fatal(err)
	}
	want := "2018-01-24T11:13:39Z 2019-01-24T12:53:39Z 12203 user@example.com [cloud tenant user] 1 [GET POST DELETE] [[mscp_api_url]/cn-north/system/log] {}"
	got := fmt.Sprint(stamp(c.IssuedAt), " ", stamp(c.Expires), " ", c.UserID, " ", c.Email, " ", c.Role, " ", len(c.Access), " ",
		c.Access[0].Method, " ", c.Access[0].URL, " ", string(c.Access[0].Other))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestVerifyRefuses(t *testing.T) {
	k := twoKeys(t)
	good := forge(plainHeader, plainPayload, secretA)
	f := func(name, raw string, want error) {
		t.Helper()
		_, err := k.Verify(raw, now)
		if !errors.Is(err, want) {
			t.Errorf("%s: got error %v, want %v", name, err, want)
			return
		}
		for i := 0; i+12 <= len(raw); i++ {
			if strings.Contains(err.Error(), raw[i:i+12]) {
				t.Errorf("%s: the error quotes the token: %v", name, err)
				return
			}
		}
	}
	header := func(name, header string) {
		t.Helper()
		f(name, forge(header, plainPayload, secretA), ErrMalformed)
	}
	claims := func(name, payload string, want error) {
		t.Helper()
		f(name, forge(plainHeader, payload, secretA), want)
	}

	f("nothing", "", ErrMissing)
	f("a word", "Bearer", ErrMalformed)
	f("dots", "..", ErrMalformed)
	f("many dots", strings.Repeat(".", 8000), ErrMalformed)
	f("two parts", good[:strings.LastIndexByte(good, '.')], ErrMalformed)
	f("four parts", good+".x", ErrMalformed)
	f("no signature", good[:strings.LastIndexByte(good, '.')+1], ErrMalformed)
	f("five parts of an encrypted token", good+".a.b", ErrMalformed)
	f("as JSON", `{"payload":"","signatures":[]}`, ErrMalformed)
	f("too long", forge(plainHeader, claimsWith(`"x":"`+strings.Repeat("y", 8<<10)+`"`), secretA), ErrMalformed)
	f("signature padded", good+"=", ErrMalformed)
	f("signature of a bit less", good[:len(good)-1], ErrMalformed)
	f("signature of a bit more", good+"A", ErrMalformed)
	f("newline at the end", good+"\n", ErrMalformed)
	f("newline inside", good[:40]+"\n"+good[40:], ErrMalformed)
	f("carriage return inside", good[:40]+"\r"+good[40:], ErrMalformed)
	f("blank before", " "+good, ErrMalformed)
	f("NUL inside", good[:40]+"\x00"+good[40:], ErrMalformed)
	f("the other base64", strings.ReplaceAll(forge(plainHeader, `{"exp":1548334419,"x":"???>>>~~~"}`, secretA), "_", "/"), ErrMalformed)
	f("payload altered", good[:60]+flip(good[60])+good[61:], ErrSignature)
	f("another's key", forge(plainHeader, plainPayload, strings.Repeat("c", 32)), ErrSignature)
	f("empty secret", forge(plainHeader, plainPayload, ""), ErrSignature)
	f("the key's text as secret", forge(plainHeader, plainPayload, encode(secretA)), ErrSignature)
	f("signature of zeros", good[:strings.LastIndexByte(good, '.')+1]+strings.Repeat("A", 43), ErrSignature)
	for c := range 64 { // the last character holds four bits and two spare ones
		last := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[c]
		if last == good[len(good)-1] {
			continue
		}
		want := ErrSignature
		if c%4 != 0 {
			want = ErrMalformed
		}
		f("signature's last character altered", good[:len(good)-1]+string(last), want)
	}

	header("alg none", `{"alg":"none","typ":"JWT"}`)
	header("alg None", `{"alg":"None","typ":"JWT"}`)
	header("alg hs256", `{"alg":"hs256","typ":"JWT"}`)
	header("alg twice", `{"alg":"HS256","alg":"none"}`)
	header("alg twice, escaped", `{"alg":"HS256","\u0061lg":"none"}`)
	header("alg in two cases", `{"alg":"HS256","Alg":"none"}`)
	header("ALG", `{"ALG":"HS256"}`)
	header("no alg", `{"typ":"JWT"}`)
	header("alg null", `{"alg":null}`)
	header("alg a list", `{"alg":["HS256"]}`)
	header("alg empty", `{"alg":""}`)
	header("alg with a blank", `{"alg":"HS256 "}`)
	header("RS256", `{"alg":"RS256","typ":"JWT"}`)
	f("alg none, no signature", encode(`{"alg":"none"}`)+"."+encode(plainPayload)+".", ErrMalformed)
	f("HS384", forgeWith(sha512.New384, `{"alg":"HS384","typ":"JWT"}`, plainPayload, secretA), ErrMalformed)
	f("HS512", forgeWith(sha512.New, `{"alg":"HS512","typ":"JWT"}`, plainPayload, secretA), ErrMalformed)
	f("HS512 called HS256", forgeWith(sha512.New, plainHeader, plainPayload, secretA), ErrMalformed)
	header("typ at+jwt", `{"alg":"HS256","typ":"at+jwt"}`)
	header("typ jwt", `{"alg":"HS256","typ":"jwt"}`)
	header("typ null", `{"alg":"HS256","typ":null}`)
	header("crit", `{"alg":"HS256","crit":["x"],"x":1}`)
	header("crit b64", `{"alg":"HS256","crit":["b64"],"b64":false}`)
	for _, name := range []string{"b64", "jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "zip", "cty", "enc", "epk", "p2c", "nonce", "exp", ""} {
		header(name, fmt.Sprintf(`{"alg":"HS256",%q:false}`, name))
	}
	header("jwk with our key", `{"alg":"HS256","jwk":`+jwkOf(secretA, "")+`}`)
	header("kid a number", `{"alg":"HS256","kid":1}`)
	header("kid null", `{"alg":"HS256","kid":null}`)
	header("a long kid", `{"alg":"HS256","kid":"`+strings.Repeat("k", 600)+`"}`)
	header("a deep header", `{"alg":"HS256","kid":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`)
	f("unknown kid", forge(`{"alg":"HS256","kid":"c"}`, plainPayload, secretA), ErrSignature)
	f("empty kid", forge(`{"alg":"HS256","kid":""}`, plainPayload, secretA), ErrSignature)
	f("kid of the other key", forge(`{"alg":"HS256","kid":"b"}`, plainPayload, secretA), ErrSignature)
	f("kid as a path", forge(`{"alg":"HS256","kid":"../../dev/null"}`, plainPayload, ""), ErrSignature)
	header("trailing data in the header", plainHeader+plainHeader)
	header("comment in the header", `{"alg":"HS256"/* */}`)
	header("byte order mark", "\ufeff"+plainHeader)
	header("header null", `null`)
	header("header a list", `["HS256"]`)
	header("header not UTF-8", "{\"alg\":\"HS256\",\"kid\":\"\xff\"}")

	claims("no exp", `{"iat":1516792419}`, ErrClaims)
	claims("exp null", `{"exp":null}`, ErrClaims)
	claims("claims null", `null`, ErrClaims)
	claims("claims a list", `[]`, ErrClaims)
	claims("claims a string", `"exp"`, ErrClaims)
	claims("no JSON", `exp=1548334419`, ErrClaims)
	claims("exp a string", `{"exp":"1548334419"}`, ErrClaims)
	claims("exp a fraction", `{"exp":1548334419.5}`, ErrClaims)
	claims("exp .0", `{"exp":1548334419.0}`, ErrClaims)
	claims("exp with an exponent", `{"exp":1e9}`, ErrClaims)
	claims("exp negative", `{"exp":-1}`, ErrClaims)
	claims("exp 2^63", `{"exp":9223372036854775808}`, ErrClaims)
	claims("exp 2^64", `{"exp":18446744073709551616}`, ErrClaims)
	claims("exp in milliseconds", `{"exp":1548334419000}`, ErrClaims)
	claims("exp NaN", `{"exp":NaN}`, ErrClaims)
	claims("exp 0", `{"exp":0}`, ErrExpired)
	claims("exp twice", `{"exp":1516792419,"exp":1548334419}`, ErrClaims)
	claims("exp twice, escaped", `{"exp":1516792419,"\u0065xp":1548334419}`, ErrClaims)
	claims("EXP instead", `{"EXP":1548334419}`, ErrClaims)
	claims("exp and Exp", `{"exp":1516792419,"Exp":1548334419}`, ErrClaims)
	claims("expired", fmt.Sprintf(`{"exp":%d}`, now.Unix()-30), ErrExpired)
	claims("iat in the future", fmt.Sprintf(`{"iat":%d,"exp":1548334419}`, now.Unix()+31), ErrEarly)
	claims("iat null", claimsWith(`"iat":null`), ErrClaims)
	claims("iat a fraction", claimsWith(`"iat":1516792419.2`), ErrClaims)
	claims("nbf in the future", claimsWith(fmt.Sprintf(`"nbf":%d`, now.Unix()+31)), ErrEarly)
	claims("nbf a string", claimsWith(`"nbf":"0"`), ErrClaims)
	claims("expires before it is issued", fmt.Sprintf(`{"iat":%d,"exp":%d}`, now.Unix()+20, now.Unix()+10), ErrClaims)
	claims("a life too long", fmt.Sprintf(`{"iat":1516792419,"exp":%d}`, 1516792419+366*86400+1), ErrClaims)
	claims("a life too long, no iat", fmt.Sprintf(`{"exp":%d}`, now.Unix()+366*86400+1), ErrClaims)
	claims("the year 9999", `{"exp":253402300799}`, ErrClaims)
	claims("trailing JSON", plainPayload+`{}`, ErrClaims)
	claims("trailing comma", `{"exp":1548334419,}`, ErrClaims)
	claims("not UTF-8", "{\"exp\":1548334419,\"email\":\"\xff\"}", ErrClaims)
	claims("too deep", claimsWith(`"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)), ErrClaims)
	claims("access and ACCESS", claimsWith(`"access":[],"ACCESS":[{"method":["*"],"url":["/**"]}]`), ErrClaims)
	claims("ACCESS alone", claimsWith(`"ACCESS":[{"method":["*"],"url":["/**"]}]`), ErrClaims)
	claims("a long s in acceſſ", claimsWith(`"acceſſ":[]`), ErrClaims)
	claims("access null", claimsWith(`"access":null`), ErrClaims)
	claims("access an object", claimsWith(`"access":{"method":["*"],"url":["/**"]}`), ErrClaims)
	claims("entry null", claimsWith(`"access":[null]`), ErrClaims)
	claims("entry a string", claimsWith(`"access":["/**"]`), ErrClaims)
	claims("entry without method", claimsWith(`"access":[{"url":["/a"]}]`), ErrClaims)
	claims("entry without url", claimsWith(`"access":[{"method":["GET"]}]`), ErrClaims)
	claims("method a string", claimsWith(`"access":[{"method":"GET","url":["/a"]}]`), ErrClaims)
	claims("method null", claimsWith(`"access":[{"method":null,"url":["/a"]}]`), ErrClaims)
	claims("url a number", claimsWith(`"access":[{"method":["GET"],"url":[1]}]`), ErrClaims)
	claims("unknown member", claimsWith(`"access":[{"method":["GET"],"url":["/a"],"deny":[]}]`), ErrClaims)
	claims("Method", claimsWith(`"access":[{"Method":["GET"],"url":["/a"]}]`), ErrClaims)
	claims("url twice", claimsWith(`"access":[{"method":["GET"],"url":["/a"],"url":["/**"]}]`), ErrClaims)
	claims("other a list", claimsWith(`"access":[{"method":["GET"],"url":["/a"],"other":[]}]`), ErrClaims)
	claims("other null", claimsWith(`"access":[{"method":["GET"],"url":["/a"],"other":null}]`), ErrClaims)
	claims("a name twice in other", claimsWith(`"access":[{"method":["GET"],"url":["/a"],"other":{"x":1,"X":2}}]`), ErrClaims)
	claims("257 pairs", claimsWith(`"access":[`+entry(16, 16)+`,`+entry(1, 1)+`]`), ErrClaims)
	claims("257 entries", claimsWith(`"access":[`+strings.Repeat(`{"method":[],"url":[]},`, 256)+`{"method":[],"url":[]}]`), ErrClaims)
	claims("role a string", claimsWith(`"role":"cloud"`), ErrClaims)
	claims("role of numbers", claimsWith(`"role":[1]`), ErrClaims)
	claims("65 roles", claimsWith(`"role":["r"`+strings.Repeat(`,"r"`, 64)+`]`), ErrClaims)
	claims("user_id a number", claimsWith(`"user_id":12203`), ErrClaims)
	claims("email null", claimsWith(`"email":null`), ErrClaims)
	claims("iss a list", claimsWith(`"iss":["x"]`), ErrClaims)
	claims("aud a number", claimsWith(`"aud":1`), ErrClaims)
	claims("aud of numbers", claimsWith(`"aud":[1]`), ErrClaims)
	claims("sub a number", claimsWith(`"sub":1`), ErrClaims)
	claims("jti null", claimsWith(`"jti":null`), ErrClaims)
}

// flip returns another character than c.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestRules(t *testing.T) {
	k := twoKeys(t)
	f := func(rules Rules, payload string, want error) {
		t.Helper()
		k.Rules = rules
		if _, err := k.Verify(forge(plainHeader, payload, secretA), now); !errors.Is(err, want) {
			t.Errorf("%+v, %s: got error %v, want %v", rules, payload, err, want)
		}
	}
	year := 366 * 24 * time.Hour
	f(Rules{MaxLife: year, Issuer: "us"}, claimsWith(`"iss":"us"`), nil)
	f(Rules{MaxLife: year, Issuer: "us"}, claimsWith(`"iss":"US"`), ErrClaims)
	f(Rules{MaxLife: year, Issuer: "us"}, plainPayload, ErrClaims)
	f(Rules{MaxLife: year, Audience: "push"}, claimsWith(`"aud":"push"`), nil)
	f(Rules{MaxLife: year, Audience: "push"}, claimsWith(`"aud":["logapi","push"]`), nil)
	f(Rules{MaxLife: year, Audience: "push"}, claimsWith(`"aud":[]`), ErrClaims)
	f(Rules{MaxLife: year, Audience: "push"}, plainPayload, ErrClaims)
	f(Rules{MaxLife: time.Hour}, plainPayload, ErrClaims)
	f(Rules{MaxLife: year}, fmt.Sprintf(`{"exp":%d}`, now.Unix()), ErrExpired)
	f(Rules{MaxLife: year}, fmt.Sprintf(`{"exp":%d}`, now.Unix()+1), nil)
	f(Rules{}, plainPayload, ErrClaims)
}

func TestSign(t *testing.T) {
	k := twoKeys(t)
	k.Rules.Issuer, k.Rules.Audience = "us", "push"
	want := Claims{
		IssuedAt: now, Expires: now.Add(time.Hour), NotBefore: now, UserID: `"<Ж>`, Email: "user@example.com", Role: []string{"tenant"},
		Access: []Access{{Method: []string{"POST", "*"}, URL: []string{"{mscp_api_url}/apps/{appid:UUID}/log", "/a/**"}, Other: []byte(`{"x":{}}`)}, {Method: []string{}, URL: []string{}}},
		Issuer: "us", Subject: "s", ID: "i", Audience: []string{"push"},
	}
	given := want
	given.Issuer, given.Audience, given.IssuedAt = "", nil, time.Time{}
	given.Access = append([]Access{want.Access[0]}, Access{})
	raw, err := k.Sign(given)
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Verify(raw, now)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", &want); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
	header, _ := base64.RawURLEncoding.DecodeString(raw[:strings.IndexByte(raw, '.')])
	if want := `{"alg":"HS256","kid":"a","typ":"JWT"}`; string(header) != want {
		t.Errorf("got header %s, want %s", header, want)
	}
}

func TestSignRefuses(t *testing.T) {
	k := twoKeys(t)
	f := func(c Claims, want string) {
		t.Helper()
		if raw, err := k.Sign(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %q and error %v, want %q", c, raw, err, want)
		}
	}
	open := func(method, url string) Claims {
		return Claims{Expires: now.Add(time.Hour), Access: []Access{{Method: []string{method}, URL: []string{url}}}}
	}
	f(Claims{}, "no expiry")
	f(Claims{Expires: now}, "expires before")
	f(Claims{Expires: now.Add(-time.Hour)}, "expired")
	f(Claims{Expires: now.Add(400 * 24 * time.Hour)}, "longer than")
	f(Claims{Expires: now.Add(time.Hour), Email: strings.Repeat("x", 8<<10)}, "more than 8192")
	f(Claims{Expires: now.Add(time.Hour), Role: make([]string, 65)}, "more than 64")
	f(Claims{Expires: now.Add(time.Hour), UserID: "\xff"}, "UTF-8")
	f(Claims{Expires: now.Add(time.Hour), Access: []Access{{Other: []byte(`[]`)}}}, "other")
	f(open("post", "/a"), `method "post"`)
	f(open("", "/a"), `method ""`)
	f(open("GET POST", "/a"), `method "GET POST"`)
	f(open("GET", "a"), `URL "a"`)
	f(open("GET", ""), `URL ""`)
	f(open("GET", "/a?b"), "query")
	f(open("GET", "/a/../b"), "..")
	f(open("GET", "/a//b"), "empty")
	f(open("GET", "/**/b"), "not at its end")
	f(open("GET", "/{a:INT}"), "{name:UUID}")
	f(open("GET", "/a*"), "%2A")
	f(open("GET", "ftp://host/a"), "want /")
}

func TestFromRequest(t *testing.T) {
	f := func(headers []string, query, want string, wantErr error) {
		t.Helper()
		r, err := http.NewRequest("POST", "/apps/1/log", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.RawQuery = query
		for _, h := range headers {
			r.Header.Add("authorization", h)
		}
		got, err := FromRequest(r)
		if got != want || !errors.Is(err, wantErr) {
			t.Errorf("%q, %q: got %q, %v, want %q, %v", headers, query, got, err, want, wantErr)
		}
	}
	f([]string{"Bearer x.y.z"}, "", "x.y.z", nil)
	f([]string{"bearer x.y.z"}, "", "x.y.z", nil)
	f([]string{"x.y.z"}, "", "x.y.z", nil)
	f(nil, "jwt=x.y.z", "x.y.z", nil)
	f(nil, "a=b&jwt=x.y.z", "x.y.z", nil)
	f([]string{"Bearer x.y.z"}, "a=b", "x.y.z", nil)
	f([]string{"Bearer  x"}, "", " x", nil) // which Verify refuses
	f(nil, "", "", ErrMissing)
	f(nil, "JWT=x.y.z", "", ErrMissing)
	f(nil, "jwt=", "", ErrMissing)
	f(nil, "jwt", "", ErrMissing)
	f([]string{""}, "", "", ErrMissing)
	f([]string{"Bearer "}, "", "", ErrMissing)
	f([]string{"Basic dXNlcjpwYXNz"}, "", "", ErrMalformed)
	f([]string{"Bearer,x"}, "", "Bearer,x", nil)
	f([]string{"Bearer x"}, "jwt=x", "", ErrMalformed)
	f([]string{""}, "jwt=x", "", ErrMalformed)
	f([]string{"Bearer x"}, "jwt=", "", ErrMalformed)
	f([]string{"Bearer x", "Bearer x"}, "", "", ErrMalformed)
	f(nil, "jwt=x&jwt=x", "", ErrMalformed)
	f(nil, "jwt=x&%6Awt=y", "", ErrMalformed)
	f(nil, "a=1;jwt=x", "", ErrMalformed)
	f([]string{"Bearer x"}, "jwt=%zz", "", ErrMalformed)
}
