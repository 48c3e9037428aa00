package logapi

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/token"
)

// A forger makes tokens by hand, with the key of a logapi.
type forger struct {
	id     string
	secret []byte
}

func newForger(t testing.TB, l *harness.Logapi) forger {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.Dir, "data/keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid, K string } }
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("cannot read the keys: %v: %s", err, text)
	}
	secret, err := base64.RawURLEncoding.DecodeString(set.Keys[0].K)
	if err != nil {
		t.Fatal(err)
	}
	return forger{set.Keys[0].Kid, secret}
}

func (f forger) sign(header, claims string, by func() hash.Hash, secret []byte) string {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	mac := hmac.New(by, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// claims are those of a token that opens all, with more in place of what differs.
func claims(more string) string {
	now := time.Now().Unix()
	return fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"access":[{"method":["*"],"url":["/**"],"other":{}}]%s}`, now-1, now+600, more)
}

// No token but a whole and valid one opens anything, and whoever has none is told the same.
func TestAttacksOnTokens(t *testing.T) {
	r := record(t)
	l := harness.NewLogapi(t, fmt.Sprintf("elasticsearch.hosts: [%q]\nhttp.access_log: false\n", r.URL))
	by := newForger(t, l)
	addr := strings.TrimPrefix(l.URL, "http://")
	header := fmt.Sprintf(`{"typ":"JWT","alg":"HS256","kid":%q}`, by.id)
	good := by.sign(header, claims(""), sha256.New, by.secret)
	ask := func(query string, headers ...string) (int, string) {
		t.Helper()
		status, _, text := send(t, addr, fmt.Sprintf("GET /default/es/team-a-1/_search%s HTTP/1.1\r\nHost: logs\r\n%s\r\n", query, strings.Join(append(headers, ""), "\r\n")), false)
		return status, text
	}
	bearer := func(raw string) string { return "Authorization: Bearer " + raw }
	for _, way := range [][]string{{"", bearer(good)}, {"", "Authorization: " + good}, {"?jwt=" + good}} {
		if status, text := ask(way[0], way[1:]...); status != 200 || len(r.take()) != 1 {
			t.Fatalf("a good token is not taken: %q: %d %s", way, status, text)
		}
	}
	parts := strings.Split(good, ".")
	now := time.Now().Unix()
	access := `"access":[{"method":["*"],"url":["/**"]}]`
	refused, first := 0, ""
	f := func(what string, query string, headers ...string) {
		t.Helper()
		status, text := ask(query, headers...)
		if n := len(r.take()); n > 0 || status != 401 && status != 400 && status != 403 && status != 431 && status != 0 {
			t.Errorf("%s: %d %.200s, %d requests at the backend", what, status, text, n)
		}
		if status == 401 {
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("%s is told apart: %s, others %s", what, text, first)
			}
		}
		refused++
	}
	forged := func(what, header, claims string) {
		t.Helper()
		f(what, "", bearer(by.sign(header, claims, sha256.New, by.secret)))
	}
	f("none", "")
	f("empty", "", "Authorization:")
	f("scheme alone", "", "Authorization: Bearer")
	f("another scheme", "", "Authorization: Basic "+good)
	f("the scheme twice", "", "Authorization: Bearer Bearer "+good)
	f("header twice", "", bearer(good), bearer(good))
	f("header and parameter", "?jwt="+good, bearer(good))
	f("parameter twice", "?jwt="+good+"&jwt="+good)
	f("parameter behind a semicolon", "?a=1;jwt="+good)
	f("parameter in another case", "?JWT="+good)
	f("cookie", "", "Cookie: jwt="+good)
	for _, name := range []string{"X-Authorization", "X-Forwarded-Authorization", "Proxy-Authorization", "X-Access-Token", "X-Forwarded-User", "X-Remote-User", "es-security-runas-user"} {
		f(name, "", name+": Bearer "+good)
	}
	f("root token", "", bearer(l.RootToken("")))
	f("without a signature", "", bearer(parts[0]+"."+parts[1]+"."))
	f("two parts", "", bearer(parts[0]+"."+parts[1]))
	f("four parts", "", bearer(good+"."+parts[2]))
	f("a full-width stop", "", bearer(parts[0]+"."+parts[1]+"。"+parts[2]))
	f("another signature", "", bearer(parts[0]+"."+parts[1]+"."+strings.Repeat("A", 43)))
	f("signature cut", "", bearer(good[:len(good)-1]))
	f("signature padded", "", bearer(good+"="))
	f("spare bits of the signature", "", bearer(good[:len(good)-1]+string(good[len(good)-1]+1)))
	f("another payload", "", bearer(parts[0]+"."+base64.RawURLEncoding.EncodeToString([]byte(claims(`,"role":["admin"]`)))+"."+parts[2]))
	f("line break", "", "Authorization: Bearer "+parts[0]+"."+parts[1]+".\r\n "+parts[2])
	f("space", "", bearer(parts[0]+". "+parts[1]+"."+parts[2]))
	f("many dots", "", bearer(strings.Repeat(".", 8000)))
	f("too long", "", bearer(good+strings.Repeat("A", 9000)))
	f("huge", "", bearer(strings.Repeat("A", 100_000)))
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "HS384", "HS512", "hs256", "RS256", "ES256"} {
		h := fmt.Sprintf(`{"typ":"JWT","alg":%q}`, alg)
		f("alg "+alg+" unsigned", "", bearer(base64.RawURLEncoding.EncodeToString([]byte(h))+"."+parts[1]+"."))
		forged("alg "+alg, h, claims(""))
	}
	f("HS512 with the key", "", bearer(by.sign(`{"typ":"JWT","alg":"HS512"}`, claims(""), sha512.New, by.secret)))
	f("an empty key", "", bearer(by.sign(header, claims(""), sha256.New, nil)))
	f("another key", "", bearer(by.sign(header, claims(""), sha256.New, []byte(strings.Repeat("k", 32)))))
	f("the key's text as key", "", bearer(by.sign(header, claims(""), sha256.New, []byte(base64.RawURLEncoding.EncodeToString(by.secret)))))
	forged("kid that is none", `{"typ":"JWT","alg":"HS256","kid":"../../dev/null"}`, claims(""))
	forged("kid of another type", `{"typ":"JWT","alg":"HS256","kid":["`+by.id+`"]}`, claims(""))
	for _, more := range []string{`"jku":"http://attacker.example/keys"`, `"jwk":{"kty":"oct","k":"a2V5"}`, `"x5u":"http://attacker.example"`, `"crit":["b64"]`, `"b64":false,"crit":["b64"]`, `"alg":"none"`, `"zip":"DEF"`, `"cty":"JWT"`} {
		forged("header with "+more, strings.TrimSuffix(header, "}")+","+more+"}", claims(""))
	}
	forged("header no object", `["JWT"]`, claims(""))
	forged("claims no object", header, `null`)
	forged("text behind the claims", header, claims("")+`{}`)
	forged("expired", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,%s}`, now-1000, now-100, access))
	forged("no expiry", header, fmt.Sprintf(`{"user_id":"1","iat":%d,%s}`, now, access))
	forged("expiry null", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":null,%s}`, now, access))
	forged("expiry as text", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":"%d",%s}`, now, now+600, access))
	forged("expiry of another name", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"EXP":%d,%s}`, now, now+600, access))
	forged("expiry twice", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"exp":%d,%s}`, now, now-100, now+600, access))
	forged("expiry far away", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,%s}`, now, now+20*365*86400, access))
	forged("expiry 1e999", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":1e999,%s}`, now, access))
	forged("issued in the future", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,%s}`, now+3600, now+7200, access))
	forged("not yet", header, claims(fmt.Sprintf(`,"nbf":%d`, now+3600)))
	forged("access twice", header, claims(","+access))
	forged("ACCESS", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"ACCESS":[{"method":["*"],"url":["/**"]}]}`, now, now+600))
	forged("no access", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d}`, now, now+600))
	forged("empty access", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"access":[]}`, now, now+600))
	forged("access to nothing", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"access":[{"method":[],"url":[]}]}`, now, now+600))
	forged("access as text", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"access":"*"}`, now, now+600))
	forged("a method in lower case", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"access":[{"method":["get"],"url":["/**"]}]}`, now, now+600))
	forged("other that cannot be used", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"access":[{"method":["*"],"url":["/**"],"other":{"indices":"*"}}]}`, now, now+600))
	forged("other with a misspelt name", header, fmt.Sprintf(`{"user_id":"1","iat":%d,"exp":%d,"access":[{"method":["*"],"url":["/**"],"other":{"Namespaces":["a"]}}]}`, now, now+600))
	forged("user id missing", header, fmt.Sprintf(`{"iat":%d,"exp":%d,"access":[{"method":["POST"],"url":["/nowhere"]}]}`, now, now+600))
	if refused < 80 {
		t.Errorf("%d tokens refused: the list is not what it was", refused)
	}
	t.Logf("%d tokens refused", refused)
}

// A token opens the paths it names, however a request is written.
func TestAttacksOnPaths(t *testing.T) {
	r := record(t)
	l := harness.NewLogapi(t, fmt.Sprintf("elasticsearch.hosts: [%q]\nprefix: /api\nregion: eu\nhttp.access_log: false\n", r.URL))
	addr := strings.TrimPrefix(l.URL, "http://")
	raw := l.Token("/api", token.Access{Method: []string{"GET"}, URL: []string{"{mscp_api_url}/eu/es/team-a-1/*", "{mscp_api_url}/eu/system/log/status"}})
	ask := func(line, body string, headers ...string) (int, string, []seen) {
		t.Helper()
		status, _, text := send(t, addr, plain(line, body, append(headers, "Authorization: Bearer "+raw)...), false)
		return status, text, r.take()
	}
	for _, good := range []string{"GET /api/eu/es/team-a-1/_search", "GET /api/eu/es/%74eam-a-1/_search", "GET /api/eu/es/team-a-1/_count"} {
		if status, text, all := ask(good, ""); status != 200 || len(all) != 1 {
			t.Errorf("%s: %d %s", good, status, text)
		}
	}
	refused := 0
	f := func(line, body string, headers ...string) {
		t.Helper()
		if status, text, all := ask(line, body, headers...); status < 400 && status != 0 || status >= 500 || len(all) > 0 {
			t.Errorf("%s %s %q: %d %.200s, %d requests at the backend", line, body, headers, status, text, len(all))
		}
		refused++
	}
	for _, path := range []string{
		"/api/eu/es/team-b-1/_search", "/api/eu/es/team-a-2/_search", "/api/eu/es/team-a-*/_search", "/api/eu/es/*/_search", "/api/eu/es/%2A/_search", "/api/eu/es/_all/_search", "/api/eu/es/_search", "/api/eu/es/team-a-1",
		"/api/eu/es/team-a-1/_search/scroll", "/api/eu/es/team-a-1/_doc/1", "/api/eu/es/team-a-1,team-b-1/_search", "/api/eu/es/team-a-1%2Cteam-b-1/_search", "/api/eu/es/team-a-1/../team-b-1/_search",
		"/api/eu/es/team-a-1/..%2Fteam-b-1/_search", "/api/eu/es/team-a-1%2F..%2Fteam-b-1/_search", "/api/eu/es/team-a-1/%2e%2e/team-b-1/_search", "/api/eu/es/./team-a-1/_search", "/api/eu/es//team-a-1/_search", "//api/eu/es/team-a-1/_search",
		"/api//eu/es/team-a-1/_search", "/api/eu/es/team-a-1//_search", "/api/eu/es/team-a-1/_search/", "/api/eu/es/team-a-1%00/_search", "/api/eu/es/team-a-1%20/_search", "/api/eu/es/team-a-1%5C..%5Cteam-b-1/_search", "/api/eu/es/team-a-1%255f/_search",
		"/api/eu/es/%2574eam-a-1/_search", "/API/eu/es/team-a-1/_search", "/api/EU/es/team-a-1/_search", "/api/eu/ES/team-a-1/_search", "/api/eu/es/TEAM-A-1/_search", "/api/us/es/team-a-1/_search", "/api/eu/es;x/team-a-1/_search", "/api;x/eu/es/team-a-1/_search",
		"/eu/es/team-a-1/_search", "/es/team-a-1/_search", "/team-a-1/_search", "/api", "/api/", "/", "/api/eu", "/api/eu/", "/api/eu/system/log", "/api/eu/system/log/", "/api/eu/system/log/history", "/api/eu/system/log/status/", "/api/eu/system/log/statusx",
		"/api/eu/system/log/heartbeat", "/api/eu/system", "/api/eu,us/system/log/status", "/api/us/system/log/status", "/api/*/system/log/status", "/api/%2A/system/log/status", "/api/eu/system/log%2Fstatus", "/api/eu/es/../system/log/history",
		"/api/eu/es/team-a-1/_bulk", "/api/eu/es/team-a-1/_delete_by_query", "/metrics", "/healthz", "/debug/pprof/", "/api/metrics", "/api/auth", "/api/auth/", "/api/auth/token_root", "/api/auth/../eu/es/team-b-1/_search", "/api/auth/token_root/x",
		"http://backend/api/eu/es/team-a-1/_search", "http://127.0.0.1:9200/team-b-1/_search", "*", "/api/eu/es/team-a-1/%5Fsearch", "/api/eu/es/team-a-1/_search%3Findex=team-b-1", "/api/eu/es/team-a-1/_search?index=team-b-1", "/api/eu/es/team-a-1#/_search",
		"/api/eu/es/team-a-1/_search%23", "/api/eu/es/\xff/_search", "/api/eu/es/%c0%ae%c0%ae/_search", "/api/eu/es/team-a-1/_search\x00", "/" + strings.Repeat("a/", 10_000), "/api/eu/es/" + strings.Repeat("a", 20_000) + "/_search",
	} {
		f("GET "+path, "")
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "get", "SEARCH", "CONNECT"} {
		f(method+" /api/eu/es/team-a-1/_search", "")
		f(method+" /api/eu/system/log", `{"rotate":{"enabled":false}}`)
	}
	for _, header := range []string{"X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: GET"} {
		f("POST /api/eu/es/team-a-1/_search", "{}", header)
	}
	for _, header := range []string{"X-Original-URL: /api/eu/es/team-a-1/_search", "X-Rewrite-URL: /api/eu/es/team-a-1/_search", "X-Forwarded-Uri: /api/eu/es/team-a-1/_search", "X-Forwarded-Prefix: /api", "User-Agent: kube-probe/1.30", "Referer: /api/auth"} {
		f("GET /api/eu/es/team-b-1/_search", "", header)
	}
	f("OPTIONS *", "")
	if refused < 90 {
		t.Errorf("%d requests refused: the list is not what it was", refused)
	}
	t.Logf("%d requests refused", refused)
}

// What is posted to the configuration and as a heartbeat changes something as a whole, or nothing.
func TestAttacksOnManagement(t *testing.T) {
	l := harness.NewLogapi(t, "http.access_log: false\n")
	addr := strings.TrimPrefix(l.URL, "http://")
	admin := l.Token("", everything)
	reader := l.Token("", token.Access{Method: []string{"GET"}, URL: []string{"{mscp_api_url}/default/system/log/*"}})
	ask := func(raw, line, body string, headers ...string) (int, string) {
		t.Helper()
		status, _, text := send(t, addr, plain(line, body, append(headers, "Authorization: Bearer "+raw)...), false)
		return status, text
	}
	const post, beat = "POST /default/system/log", "POST /default/system/log/heartbeat"
	if status, text := ask(admin, post, `{"rotate":{"enabled":true,"age":7},"collector":{"filebeat":{"enabled":false}}}`); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	settled := func() string { // what may be changed
		_, text := ask(admin, "GET /default/system/log/status", "")
		var doc []struct {
			Rotate    struct{ Enabled, Age any }
			Collector map[string]struct{ Enabled any }
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return fmt.Sprint(doc)
	}
	before, refused := settled(), 0
	f := func(raw, line, body string, headers ...string) {
		t.Helper()
		status, text := ask(raw, line, body, headers...)
		if status < 400 || status >= 500 {
			t.Errorf("%s %.200s: %d %.200s", line, body, status, text)
		}
		if now := settled(); now != before {
			t.Errorf("%s %.200s: changed to %s", line, body, now)
		}
		refused++
	}
	for _, body := range []string{`{"rotate":{"enabled":false}}`, `{}`} {
		f(reader, post, body)
		f("x.y.z", post, body)
		f(reader, beat, body)
	}
	for _, body := range []string{
		``, `null`, `[]`, `[{},{}]`, `[[{}]]`, `"x"`, `1`, `{`, `{"rotate":}`, `{"rotate":{"enabled":false}}{}`, `{"rotate":{"enabled":false},"rotate":{"enabled":true}}`, `{/**/"rotate":{"enabled":false}}`, `{'rotate':{}}`,
		strings.Repeat(`{"rotate":`, 200) + `1` + strings.Repeat(`}`, 200), `{"rotate":` + strings.Repeat(`[`, 100_000), "\xef\xbb\xbf{}", "{\"rotate\":{\"enabled\":\"\xff\"}}",
		`{"rotate":{"enabled":"false"}}`, `{"rotate":{"enabled":0}}`, `{"rotate":{"enabled":null}}`, `{"rotate":{"enabled":[false]}}`, `{"rotate":null}`, `{"rotate":[]}`, `{"rotate":false}`, `{"Rotate":{"enabled":false}}`, `{"rotate":{"Enabled":false}}`,
		`{"rotate":{"age":-1}}`, `{"rotate":{"age":"1"}}`, `{"rotate":{"age":1e999}}`, `{"rotate":{"age":NaN}}`, `{"rotate":{"age":1e300}}`, `{"rotate":{"age":null}}`, `{"rotate":{"age":{}}}`, `{"rotate":{"enabled":false,"max":1}}`, `{"rotate":{"enabled":false},"retention":{}}`,
		`{"collector":{"filebeat":{"enabled":"true"}}}`, `{"collector":{"filebeat":{"enabled":1}}}`, `{"collector":{"filebeat":true}}`, `{"collector":{"winlogbeat":{"enabled":true}}}`, `{"collector":{"filebeat":{"enabled":true},"winlogbeat":{}}}`,
		`{"collector":{"filebeat":{"enabled":true,"instances":[{"node":"x","pod_id":"","status":"up"}]}}}`, `{"rotate":{"enabled":false},"status":"red","timestemp":0,"kafka":{"health_check":true}}`, `{"rotate":{"enabled":false},"elasticsearch":{"health":{"cluster_name":"mine"}}}`,
		`{"elasticsearch":{"settings":{"cluster.routing.allocation.enable":{"a":1}}}}`, `{"elasticsearch":{"settings":{"script.painless.regex.enabled":true}}}`, `{"elasticsearch":{"settings":{"xpack.security.enabled":false}}}`, `{"elasticsearch":{"settings":{"action.destructive_requires_names":false}}}`,
		`{"elasticsearch":{"settings":{"persistent":{"cluster.blocks.read_only":true}}}}`, `{"elasticsearch":{"settings":{"*":null}}}`, `{"elasticsearch":{"settings":{"cluster.*":null}}}`, `{"rotate":{"enabled":false},"elasticsearch":{"settings":{"cluster.blocks.read_only":true}}}`,
		`{"elasticsearch":{"settings":"x"}}`, `{"configuration":{"seal":"x"},"rotate":{"enabled":false}}`, `{"configuration":{"version":99},"rotate":{"enabled":false}}`, `{"region":"us","rotate":{"enabled":false}}`,
	} {
		f(admin, post, body)
	}
	f(admin, post, `{"rotate":{"enabled":false}}`, `If-Match: "0"`)
	f(admin, post, `{"rotate":{"enabled":false}}`, "Content-Type: text/plain")
	f(admin, post, `{"rotate":{"enabled":false}}`, "Content-Encoding: gzip")
	f(admin, post, `{"rotate":{"enabled":false,"age":`+strings.Repeat(" ", 9<<20)+`7}}`)
	for _, line := range []string{"PUT /default/system/log", "PATCH /default/system/log", "DELETE /default/system/log", "POST /default/system/log/status", "POST /default/system/log/history", "GET /default/system/log/heartbeat", "POST /default/system/log/",
		"POST /default/system/log/../log", "POST /default,us/system/log", "POST /_all/system/log", "POST /us/system/log"} {
		f(admin, line, `{"rotate":{"enabled":false}}`)
	}
	for _, body := range []string{``, `null`, `[]`, `{`, `{"instance":""}`, `{"instance":"` + strings.Repeat("x", 10_000) + `"}`, `{"instance":1}`, `{"inputs":[` + strings.Repeat(`{},`, 5000) + `{}]}`, strings.Repeat(`[`, 100_000), `{"node":"\u001b[2J"}`, strings.Repeat(" ", 2<<20) + "{}"} {
		f(admin, beat, body)
	}
	if refused < 80 {
		t.Errorf("%d requests refused: the list is not what it was", refused)
	}
	t.Logf("%d requests refused", refused)
}
