package access

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	digest "hash"
	"net/http"
	"strings"
	"testing"
	"time"
)

func forge(h func() digest.Hash, header, payload, secret string) string {
	signed := encode([]byte(header)) + "." + encode([]byte(payload))
	mac := hmac.New(h, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + encode(mac.Sum(nil))
}

// TestForgedRootTokens sends what JWT libraries were seen to accept.
func TestForgedRootTokens(t *testing.T) {
	b := newBench(t, generous)
	const body = `[{"method":["GET"],"url":["/x"]}]` // which the administrator may have
	now := time.Now().Unix()
	common := fmt.Sprintf(`"iat":%d,"user_id":"4","email":"admin@example.com"`, now)
	claims := fmt.Sprintf(`{%s,"exp":%d}`, common, now+600)
	const header = `{"typ":"JWT","alg":"HS256"}`
	good := forge(sha256.New, header, claims, secret)
	ask := func(name, raw string, want int) {
		t.Helper()
		w := b.ask("POST", "/auth", body, "Authorization: Bearer "+raw)
		if want == http.StatusUnauthorized {
			b.alike(name, w, `Bearer realm="podbeat"`)
		} else if w.Code != want {
			t.Errorf("%s: got %d %s", name, w.Code, w.Body)
		}
	}
	f := func(header, payload string) {
		t.Helper()
		ask(header+" "+payload, forge(sha256.New, header, payload, secret), http.StatusUnauthorized)
	}
	ask("good", good, http.StatusOK)
	ask("good, with kid", forge(sha256.New, `{"alg":"HS256","kid":"a"}`, claims, secret), http.StatusOK)
	// Algorithm and key.
	parts := strings.Split(good, ".")
	ask("no signature", parts[0]+"."+parts[1]+".", 401)
	for _, alg := range []string{"none", "None", "NONE", "hs256", "HS384", "HS512", "RS256", ""} {
		f(`{"typ":"JWT","alg":"`+alg+`"}`, claims)
		ask(alg, encode([]byte(`{"alg":"`+alg+`"}`))+"."+parts[1]+".", 401)
	}
	ask("HS384", forge(sha512.New384, `{"alg":"HS384"}`, claims, secret), 401)
	ask("HS512", forge(sha512.New, `{"alg":"HS512"}`, claims, secret), 401)
	f(`{"alg":"HS256","alg":"none"}`, claims)
	f(`{"alg":"none","alg":"HS256"}`, claims)
	f(`{"typ":"JWT"}`, claims)
	ask("empty key", forge(sha256.New, header, claims, ""), 401)
	ask("another key", forge(sha256.New, header, claims, secret+"x"), 401)
	f(`{"alg":"HS256","kid":"b"}`, claims)
	f(`{"alg":"HS256","kid":""}`, claims)
	f(`{"alg":"HS256","kid":"../../dev/null"}`, claims)
	f(`{"alg":"HS256","kid":["a"]}`, claims)
	f(`{"alg":"HS256","jku":"https://evil.example.com/keys"}`, claims)
	f(`{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`, claims)
	f(`{"alg":"HS256","x5u":"https://evil.example.com"}`, claims)
	f(`{"alg":"HS256","crit":["x"],"x":1}`, claims)
	f(`{"alg":"HS256","b64":false,"crit":["b64"]}`, claims)
	f(`{"alg":"HS256","typ":"at+jwt"}`, claims)
	f(`{"alg":"HS256","cty":"JWT"}`, claims)
	// Times.
	f(header, `{`+common+`}`)
	f(header, `{`+common+`,"exp":null}`)
	f(header, `null`)
	f(header, fmt.Sprintf(`{%s,"exp":"%d"}`, common, now+600))
	f(header, fmt.Sprintf(`{%s,"exp":%d.5}`, common, now+600))
	f(header, fmt.Sprintf(`{%s,"exp":1e30}`, common))
	f(header, fmt.Sprintf(`{"iat":%d,"exp":%d,"user_id":"4","email":"admin@example.com"}`, now-600, now-2)) // within the leeway
	f(header, fmt.Sprintf(`{%s,"exp":%d,"exp":%d}`, common, now-600, now+600))
	f(header, fmt.Sprintf(`{%s,"EXP":%d}`, common, now+600))
	f(header, fmt.Sprintf(`{%s,"exp":%d}`, common, now+400*24*3600))
	f(header, fmt.Sprintf(`{%s,"exp":%d,"nbf":%d}`, common, now+600, now+300))
	f(header, fmt.Sprintf(`{"iat":%d,"exp":%d,"user_id":"4","email":"admin@example.com"}`, now+300, now+600))
	f(header, fmt.Sprintf(`{"exp":%d,"user_id":"4","email":"admin@example.com"}`, now+600))
	// Claims.
	more := func(text string) { t.Helper(); f(header, strings.TrimSuffix(claims, "}")+text+"}") }
	more(`,"access":[{"method":["GET"],"url":["/x"]}]`) // an access token
	more(`,"access":null`)
	more(`,"ACCESS":[]`)
	more(`,"user_id":"12203"`)
	more(`,"User_ID":"12203"`)
	f(header, strings.Replace(claims, `"4"`, `4`, 1))
	f(header, strings.Replace(claims, `"4"`, `"5"`, 1))
	f(header, strings.Replace(claims, `"4"`, `""`, 1))
	f(header, strings.Replace(claims, `"4"`, `"12203"`, 1)) // with another's e-mail address
	f(header, strings.Replace(claims, `"admin@example.com"`, `""`, 1))
	f(header, strings.Replace(strings.Replace(claims, `"4"`, `"2"`, 1), "admin", "disabled", 1))
	f(header, claims+"{}")
	f(header, claims+" x")
	f(header, "["+claims+"]")
	// Form.
	ask("padded", good+"=", 401)
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", good[len(good)-1])
	ask("spare bits", good[:len(good)-1]+string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[last^1]), 401)
	ask("line end", good[:10]+"\n"+good[10:], 401)
	ask("a space", good+" ", 401)
	ask("standard base64", strings.NewReplacer("-", "+", "_", "/").Replace(good)+"+", 401)
	ask("a part more", good+".", 401)
	ask("two parts", parts[0]+"."+parts[1], 401)
	ask("dots", strings.Repeat(".", 9000), 401)
	ask("a full-width dot", parts[0]+"."+parts[1]+"。"+parts[2], 401)
	ask("empty", "", 401)
	ask("long", good+strings.Repeat("A", 9000), 401)
	// Where it is.
	g := func(target string, header ...string) {
		t.Helper()
		b.alike(target+fmt.Sprint(header), b.ask("POST", target, body, header...), `Bearer realm="podbeat"`)
	}
	g("/auth")
	g("/auth?jwt="+good, "Authorization: Bearer "+good)
	g("/auth?jwt=" + good + "&jwt=" + good)
	g("/auth?x=1;jwt="+good, "Authorization: Bearer "+good)
	g("/auth?JWT=" + good)
	g("/auth", "Authorization: Bearer "+good, "Authorization: Bearer "+good)
	g("/auth", "Authorization: Basic "+good)
	g("/auth", "Authorization: "+basic("admin@example.com", password))
	g("/auth", "Proxy-Authorization: Bearer "+good)
	g("/auth", "X-Forwarded-User: admin@example.com")
}
