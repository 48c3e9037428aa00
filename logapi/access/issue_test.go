package access

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/listen"
	"github.com/podbeat/podbeat/token"
)

const (
	secret   = "0123456789abcdef0123456789abcdef"
	password = "correct horse"
)

// A bench is an issuer with users, and what it takes to look behind it.
type bench struct {
	*Issuer
	t       testing.TB
	handler *issuer
	log     *strings.Builder
	users   string // the file
}

func newBench(t testing.TB, limits Limits) *bench {
	t.Helper()
	users := usersFile(t, `users:
  - id: "12203"
    email: User@example.com
    password: `+quick(password).encode()+`
    role: [cloud, tenant]
    access:
      - {method: [GET, POST], url: ["{mscp_api_url}/*/es/**"], other: {namespaces: ["shop-*"]}}
      - {method: [GET], url: ["{mscp_api_url}/*/system/log/status"]}
  - {id: "2", email: disabled@example.com, password: "`+quick(password).encode()+`", disabled: true, access: [{method: ["*"], url: ["/**"]}]}
  - {id: "3", email: none@example.com, access: [{method: ["*"], url: ["/**"]}]}
  - {id: "4", email: admin@example.com, password: "`+quick(password).encode()+`", access: [{method: ["*"], url: ["/**"]}]}
`)
	keys := filepath.Join(t.TempDir(), "keys.json")
	write(t, keys, fmt.Sprintf(`{"keys":[{"kty":"oct","kid":"a","k":%q}]}`, encode([]byte(secret))))
	b := &bench{Issuer: &Issuer{RootLife: time.Hour, AccessLife: 10 * time.Minute, Limits: limits}, t: t, log: &strings.Builder{}, users: users}
	b.Log = slog.New(slog.NewTextHandler(b.log, nil))
	var err error
	if b.Users, err = OpenUsers(users); err == nil {
		if b.Keys, err = token.OpenKeys(keys); err == nil {
			b.Base, err = token.NewBase("/api", "https://logs.example.com/v1")
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	b.handler = b.Handler().(*issuer)
	return b
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

func basic(email, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(email+":"+password))
}

// ask sends a request with header lines.
func (b *bench) ask(method, target, body string, header ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

// claims verifies the token in an answer.
func (b *bench) claims(w *httptest.ResponseRecorder) (string, *token.Claims) {
	b.t.Helper()
	var answer struct {
		Token string
		Exp   int64
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
		b.t.Fatalf("got %d %s", w.Code, w.Body)
	}
	claims, err := b.Keys.Verify(answer.Token, time.Now())
	if err != nil || claims.Expires.Unix() != answer.Exp {
		b.t.Fatalf("got error %v and %+v, want exp %d", err, claims, answer.Exp)
	}
	return answer.Token, claims
}

func (b *bench) root(email string) string {
	b.t.Helper()
	raw, _ := b.claims(b.ask("GET", "/auth/token_root", "", "Authorization: "+basic(email, password)))
	return raw
}

func TestRootToken(t *testing.T) {
	b := newBench(t, Limits{})
	f := func(header, wantEmail string) {
		t.Helper()
		_, c := b.claims(b.ask("GET", "/auth/token_root", "", "Authorization: "+header))
		if c.UserID != "12203" || c.Email != wantEmail || !slices.Equal(c.Role, []string{"cloud", "tenant"}) || c.Access != nil ||
			c.Expires.Sub(c.IssuedAt) != time.Hour || time.Since(c.IssuedAt) > time.Minute {
			t.Errorf("%s: got %+v", header, c)
		}
	}
	f(basic("User@example.com", password), "User@example.com")
	f(basic("user@EXAMPLE.com", password), "User@example.com")
	f(strings.Replace(basic("user@example.com", password), "Basic", "bASIC", 1), "User@example.com")

	w := b.ask("GET", "/auth/token_root", "", "Authorization: "+basic("user@example.com", password))
	want := http.Header{"Cache-Control": {"no-store"}, "Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"},
		"Vary": {"Accept, Authorization"}, "Content-Length": {strconv.Itoa(w.Body.Len())}}
	if !reflect.DeepEqual(w.Header(), want) {
		t.Errorf("got header %v", w.Header())
	}
	w = b.ask("GET", "/auth/token_root", "", "Authorization: "+basic("user@example.com", password), "Accept: text/plain")
	if _, err := b.Keys.Verify(strings.TrimSuffix(w.Body.String(), "\n"), time.Now()); err != nil || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("got %s and error %v", w.Body, err)
	}
}

func TestRoutes(t *testing.T) {
	b := newBench(t, Limits{})
	f := func(method, target string, want int, allow string) {
		t.Helper()
		w := b.ask(method, target, "", "Authorization: "+basic("user@example.com", password))
		if w.Code != want || w.Header().Get("Allow") != allow {
			t.Errorf("%s %s: got %d and Allow %q, want %d", method, target, w.Code, w.Header().Get("Allow"), want)
		}
	}
	f("GET", "/auth/token_root", 200, "")
	f("GET", "/auth/token%5Froot", 200, "")
	f("GET", "/auth/token_root?x=1", 200, "")
	f("POST", "/auth/token_root", 405, "GET")
	f("HEAD", "/auth/token_root", 405, "GET")
	f("get", "/auth/token_root", 405, "GET")
	f("OPTIONS", "/auth/token_root", 405, "GET")
	f("PUT", "/auth", 405, "GET, POST")
	f("GET", "/auth", 401, "")
	f("GET", "/auth/", 404, "")
	f("GET", "/auth//token_root", 404, "")
	f("GET", "/auth/token_root/", 404, "")
	f("GET", "/auth/../auth/token_root", 404, "")
	f("GET", "/auth%2Ftoken_root", 404, "")
	f("GET", "/Auth/token_root", 404, "")
	f("GET", "/auth/token_root;x=1", 404, "")
	f("GET", "/", 404, "")
}

// alike is what every failure must be told.
func (b *bench) alike(name string, w *httptest.ResponseRecorder, scheme string) {
	b.t.Helper()
	want := http.Header{"Cache-Control": {"no-store"}, "Content-Type": {"application/json"}, "X-Content-Type-Options": {"nosniff"},
		"Vary": {"Accept, Authorization"}, "Content-Length": {"33"}, "Www-Authenticate": {scheme}}
	if w.Code != http.StatusUnauthorized || w.Body.String() != `{"error":"authorization failed"}`+"\n" || !reflect.DeepEqual(w.Header(), want) {
		b.t.Errorf("%s: got %d %s %v", name, w.Code, w.Body, w.Header())
	}
}

var generous = Limits{AddressBurst: 1e6, AddressEvery: time.Hour, AccountBurst: 1e6, AccountEvery: time.Hour,
	TokenBurst: 1e6, TokenEvery: time.Hour, Checks: 2, Waiting: 10, Remembered: 100}

func TestLoginRefuses(t *testing.T) {
	b := newBench(t, generous)
	f := func(detail string, header ...string) {
		t.Helper()
		b.log.Reset()
		b.handler.strangers = listen.Throttle{}
		b.alike(fmt.Sprint(header), b.ask("GET", "/auth/token_root", "", header...), `Basic realm="podbeat", charset="UTF-8"`)
		if !strings.Contains(b.log.String(), detail) || strings.Contains(b.log.String(), "horse") {
			t.Errorf("%q: got log %s, want %q", header, b.log, detail)
		}
	}
	coded := func(text string) string {
		return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(text))
	}
	right := "Authorization: " + basic("user@example.com", password)
	f("no credentials")
	f("wrong password", coded("user@example.com:correct hors"))
	f("wrong password", coded("user@example.com:"+password+" "))
	f("wrong password", coded("user@example.com:Correct horse"))
	f("no such user", coded("users@example.com:"+password))
	f("no such user", coded("12203@example.com:"+password))
	f("the user is disabled", coded("disabled@example.com:"+password))
	f("wrong password", coded("disabled@example.com:x"+password))
	f("the user has no password", coded("none@example.com:"+password))
	f("not name:password", coded("user@example.com"))
	f("not name:password", coded("user@example.com:"))
	f("not name:password", coded("none@example.com:"))
	f("no e-mail address", coded(":"+password))
	f("no e-mail address", coded("user:"+password))
	f("no e-mail address", coded(" user@example.com:"+password))
	f("no e-mail address", coded("user@example.com\x00:"+password))
	f("no e-mail address", coded("12203:"+password))
	f("the password is none", coded("user@example.com:"+password+"\n"))
	f("the password is none", coded("user@example.com:"+password+"\x00"))
	f("the password is none", coded("user@example.com:\xe4"))
	f("the password is none", coded("user@example.com:"+strings.Repeat("x", 1025)))
	f("a long one", coded("user@example.com:"+strings.Repeat("x", 4000)))
	f("more than one header", right, right)
	f("more than one header", coded("user@example.com:wrong"), right)
	f("scheme", "Authorization: "+encode([]byte("user@example.com:"+password)))
	f("scheme", strings.Replace(right, "Basic", "Bearer", 1))
	f("scheme", strings.Replace(right, "Basic", "Basic\t", 1))
	f("scheme", "Authorization: Basic")
	f("not base64", strings.Replace(right, "Basic ", "Basic  ", 1))
	f("not base64", right+" ")
	f("not base64", right+"\r\n")
	f("not base64", strings.TrimRight(coded("user@example.com:"+password+"1"), "="))
	f("not base64", right+", Basic x")
	f("not base64", "Authorization: Basic "+strings.Replace(coded("a@b:" + password)[21:], "=", "", 1))
	f("not name:password", "Authorization: Basic ")

	query := func(target string) {
		t.Helper()
		b.alike(target, b.ask("GET", target, "", right), `Basic realm="podbeat", charset="UTF-8"`)
	}
	query("/auth/token_root?jwt=x")
	query("/auth/token_root?jwt=")
	query("/auth/token_root?a=1;jwt=x")
	query("/auth/token_root?%zz")

	root := b.root("user@example.com")
	f("scheme", "Authorization: Bearer "+root) // a root token makes no root token
	f("no such user", coded("user@example.com@x:" + password)[:0]+coded("user@example.co:"+password))
}

func TestAccessToken(t *testing.T) {
	b := newBench(t, Limits{})
	root := b.root("user@example.com")
	f := func(method, target, body, want string, header ...string) {
		t.Helper()
		_, c := b.claims(b.ask(method, target, body, header...))
		got, _ := json.Marshal(c.Access)
		if string(got) != want || c.UserID != "12203" || c.Email != "User@example.com" || len(c.Role) != 2 || c.Expires.Sub(c.IssuedAt) != 10*time.Minute {
			t.Errorf("%s: got %s of %+v", body, got, c)
		}
	}
	bearer := "Authorization: Bearer " + root
	wanted := `[{"method":["GET"],"url":["{mscp_api_url}/cn-1/system/log/status"]}]`
	f("GET", "/auth", wanted, wanted, bearer)
	f("POST", "/auth", wanted, wanted, bearer)
	f("POST", "/auth", `{"access":`+wanted+`}`, wanted, bearer)
	f("POST", "/auth", wanted, wanted, "Authorization: "+root)
	f("POST", "/auth", wanted, wanted, "Authorization: bearer "+root)
	f("POST", "/auth?jwt="+root, wanted, wanted)
	f("POST", "/auth", wanted, wanted, bearer, "Content-Type: application/json")
	f("POST", "/auth", wanted, wanted, bearer, "Content-Type: application/x-www-form-urlencoded") // curl -d
	f("POST", "/auth", `[{"method":["GET"],"url":["/api/cn-1/system/log/status"],"other":{}}]`, wanted, bearer)
	f("POST", "/auth", `[{"method":["GET"],"url":["https://logs.example.com/v1/cn-1/system/log/status"]}]`, wanted, bearer)
	// Narrowing.
	f("POST", "/auth", `[{"method":["GET"],"url":["[mscp_api_url]/*/es/**"]}]`,
		`[{"method":["GET"],"url":["[mscp_api_url]/*/es/**"],"other":{"namespaces":["shop-*"]}}]`, bearer)
	f("POST", "/auth", `[{"method":["GET"],"url":["{mscp_api_url}/cn/es/x/_search"],"other":{"namespaces":["shop-a"],"apps":["cart"]}}]`,
		`[{"method":["GET"],"url":["{mscp_api_url}/cn/es/x/_search"],"other":{"apps":["cart"],"namespaces":["shop-a"]}}]`, bearer)
}

func TestAccessTokenRefuses(t *testing.T) {
	b := newBench(t, generous)
	root := b.root("user@example.com")
	f := func(body string, want int, text string) {
		t.Helper()
		w := b.ask("POST", "/auth", body, "Authorization: Bearer "+root)
		if w.Code != want || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%.200s: got %d %s, want %d %s", body, w.Code, w.Body, want, text)
		}
		if want == http.StatusUnauthorized {
			b.alike(body, w, `Bearer realm="podbeat"`)
		}
	}
	entry := func(method, url, other string) string {
		return fmt.Sprintf(`[{"method":[%q],"url":[%q],"other":%s}]`, method, url, other)
	}
	// Not granted.
	f(entry("PUT", "{mscp_api_url}/cn/es/x/_search", "{}"), 401, "")
	f(entry("*", "{mscp_api_url}/cn/es/x/_search", "{}"), 401, "")
	f(entry("HEAD", "{mscp_api_url}/cn/es/x/_search", "{}"), 401, "")
	f(entry("GET", "{mscp_api_url}/cn/es", "{}"), 401, "")
	f(entry("GET", "{mscp_api_url}/**", "{}"), 401, "")
	f(entry("GET", "/**", "{}"), 401, "")
	f(entry("GET", "{mscp_api_url}/cn/a/es/x", "{}"), 401, "")
	f(entry("GET", "{mscp_api_url}/*/system/**", "{}"), 401, "")
	f(entry("POST", "{mscp_api_url}/cn/system/log/status", "{}"), 401, "")
	f(entry("GET", "https://evil.example.com/v1/cn/system/log/status", "{}"), 401, "")
	f(entry("GET", "http://logs.example.com/v1/cn/system/log/status", "{}"), 401, "")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespaces":["*"]}`), 401, "")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespaces":["shop-a","bank"]}`), 401, "")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespaces":["shop*"]}`), 401, "")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespace":"bank"}`), 401, "")
	f(`[{"method":["GET"],"url":["{mscp_api_url}/cn/es/x"]},{"method":["GET"],"url":["/x"]}]`, 401, "")
	f(`[{"method":["GET"],"url":["{mscp_api_url}/cn/es/x","/x"]}]`, 401, "")
	f(`[{"method":["GET","PUT"],"url":["{mscp_api_url}/cn/es/x"]}]`, 401, "")
	// Not understood.
	f("", 400, "is not a list")
	f("[]", 400, "access is empty")
	f("null", 400, "is not a list")
	f(`{"access":[]}`, 400, "access is empty")
	f(`{"access":[],"user_id":"4"}`, 400, "unknown member")
	f(entry("get", "{mscp_api_url}/cn/es/x", "{}"), 400, "upper-case")
	f(entry("GET", "{mscp_api_url}/cn/es/../x", "{}"), 400, "cannot use URL")
	f(entry("GET", "{mscp_api_url}/cn/es/%2e%2e/x", "{}"), 400, "cannot use URL")
	f(entry("GET", "{mscp_api_url}/cn/es//x", "{}"), 400, "cannot use URL")
	f(entry("GET", "{mscp_api_url}/cn/es/%2F", "{}"), 400, "cannot use URL")
	f(entry("GET", "{mscp_api_url}/cn/es/x?y", "{}"), 400, "cannot use URL")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespaces":[]}`), 400, "leave it out")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespaces":["shop-a"],"Namespaces":["*"]}`), 400, "two members")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"everything":true}`), 400, "unknown member")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespaces":["shop-a,bank"]}`), 400, "holds")
	f(entry("GET", "{mscp_api_url}/cn/es/x", `{"namespaces":["shop-\u001b[31m"]}`), 400, "holds")
	f(`[{"method":["GET"],"url":["{mscp_api_url}/cn/es/`+strings.Repeat("x", maxWanted)+`"]}]`, 413, "more than 32768 bytes")
	f(`[{"method":["GET"],"url":["{mscp_api_url}/cn/es/`+strings.Repeat("x", 8000)+`"]}]`, 400, "ask for less")
	f(`[`+strings.Repeat(`{"method":["GET"],"url":["/x"]},`, 256)+`{}]`, 400, "more than 256")

	w := b.ask("POST", "/auth", entry("GET", "{mscp_api_url}/cn/es/x", "{}"), "Authorization: Bearer "+root, "Content-Encoding: gzip")
	if w.Code != http.StatusUnsupportedMediaType {
		t.Errorf("got %d", w.Code)
	}
	if strings.Contains(b.log.String(), root) || strings.Contains(b.log.String(), "\x1b") {
		t.Error("the log shows too much")
	}
}

func TestRootTokenEnds(t *testing.T) {
	b := newBench(t, generous)
	const body = `[{"method":["GET"],"url":["/x"]}]`
	var root string
	f := func(want int) {
		t.Helper()
		b.Users.mu.Lock()
		b.Users.look()
		b.Users.mu.Unlock()
		if w := b.ask("POST", "/auth", body, "Authorization: "+root); w.Code != want {
			t.Errorf("got %d %s, want %d", w.Code, w.Body, want)
		}
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	root = b.root("admin@example.com")
	f(200)
	try(SetPassword(b.users, "admin@example.com", "battery staple"))
	f(401)
	w := b.ask("GET", "/auth/token_root", "", "Authorization: "+basic("admin@example.com", password))
	b.alike("old password", w, basicScheme)
	root, _ = b.claims(b.ask("GET", "/auth/token_root", "", "Authorization: "+basic("admin@example.com", "battery staple"))) // in the same second
	f(200)
	try(SetDisabled(b.users, "admin@example.com", true))
	f(401)
	try(SetDisabled(b.users, "admin@example.com", false))
	f(401)
	try(SetPassword(b.users, "admin@example.com", password))
	f(401)
	root = b.root("admin@example.com")
	f(200)
	write(t, b.users, "users:\n- {id: 4, email: other@example.com, access: [{method: ['*'], url: [/**]}]}")
	f(401) // the id is another's now
	write(t, b.users, "users:\n- {id: 4, email: admin@example.com, access: [{method: [GET], url: [/y]}]}")
	f(401) // not granted any more
	write(t, b.users, "users:\n- {id: 4, email: ADMIN@example.com, access: [{method: [GET], url: ['/*']}]}")
	f(200)
	write(t, b.users, "users:\n- {id: 4, email: admin@example.com, valid_from: 2100-01-01T00:00:00Z, password: '"+quick(password).encode()+"'}")
	f(401)
	b.alike("valid_from", b.ask("GET", "/auth/token_root", "", "Authorization: "+basic("admin@example.com", password)), basicScheme)
}

// An access token holds no longer than the root token that it was asked for with.
func TestAccessTokenLife(t *testing.T) {
	b := newBench(t, Limits{})
	b.RootLife = 3 * time.Minute
	root := b.root("admin@example.com")
	_, c := b.claims(b.ask("POST", "/auth", `[{"method":["GET"],"url":["/x"]}]`, "Authorization: "+root))
	if life := time.Until(c.Expires); life > 3*time.Minute || life < 2*time.Minute {
		t.Errorf("it holds for %v", life)
	}
}

func FuzzBasic(f *testing.F) {
	f.Add("Basic " + base64.StdEncoding.EncodeToString([]byte("user@example.com:correct horse")))
	f.Add("basic dUBiOnA=")
	f.Add("Basic dUBiOnA")
	f.Add("Bearer x")
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/auth/token_root", nil)
		r.Header["Authorization"] = []string{header}
		email, password, err := parseBasic(r)
		if err != nil {
			if email+password != "" && strings.Contains(err.Error(), password) {
				t.Errorf("%q: the error shows the password: %v", header, err)
			}
			return
		}
		again := httptest.NewRequest("GET", "/auth/token_root", nil)
		again.Header.Set("Authorization", basic(email, password))
		if e, p, err := parseBasic(again); e != email || p != password || err != nil {
			t.Errorf("%q: got %q and %q, then %q and %q, error %v", header, email, password, e, p, err)
		}
	})
}

// TestServed asks as a client does, through a server that takes the prefix off.
func TestServed(t *testing.T) {
	b := newBench(t, Limits{})
	server := httptest.NewServer(http.StripPrefix("/api", b.Handler()))
	defer server.Close()
	do := func(method, path, body string, set func(*http.Request)) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, server.URL+path, struct{ io.Reader }{strings.NewReader(body)}) // in chunks
		if err != nil {
			t.Fatal(err)
		}
		set(r)
		r.Header.Set("Accept", "text/plain")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, strings.TrimSpace(string(text))
	}
	code, root := do("GET", "/api/auth/token_root", "", func(r *http.Request) { r.SetBasicAuth("user@example.com", password) })
	if code != http.StatusOK {
		t.Fatalf("got %d %s", code, root)
	}
	const wanted = `{"access": [{"method": ["GET"], "url": ["{mscp_api_url}/cn/system/log/status"]}]}`
	for _, method := range []string{"GET", "POST"} {
		code, raw := do(method, "/api/auth", wanted, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+root) })
		claims, err := b.Keys.Verify(raw, time.Now())
		if code != http.StatusOK || err != nil || len(claims.Access) != 1 {
			t.Errorf("%s: got %d %s and error %v", method, code, raw, err)
		}
		if code, _ := do(method, "/api/auth", wanted, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+raw) }); code != http.StatusUnauthorized {
			t.Errorf("%s: got %d for an access token", method, code)
		}
	}
	if code, _ := do("GET", "/api/auth%2ftoken_root", "", func(r *http.Request) { r.SetBasicAuth("user@example.com", password) }); code != http.StatusNotFound {
		t.Errorf("got %d", code)
	}
}

// The example in the documentation is one that holds, and its grants cover what the text says.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/logapi-tokens.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	users, err := parseUsers([]byte(example))
	if !ok || err != nil || len(users) != 2 {
		t.Fatalf("got %d users and error %v", len(users), err)
	}
	_, rest, _ = strings.Cut(string(text), "-d '")
	asked, _, _ := strings.Cut(rest, "'")
	wanted, err := token.ParseAccess([]byte(asked))
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if Covers(token.Base{}, u.Access, wanted) == nil {
			t.Errorf("%s may not have %s", u.Email, asked)
		}
	}
}
