package config

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A recorder keeps what it was asked with, and answers as its status says.
type recorder struct {
	mu     sync.Mutex
	logins []string
	bodies []string
	status func(login string) int
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	login := req.Header.Get("Authorization")
	r.logins, r.bodies = append(r.logins, login), append(r.bodies, string(body))
	if r.status != nil {
		w.WriteHeader(r.status(login))
	}
	io.WriteString(w, "{}")
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// ask sends one request with the context's login.
func ask(t *testing.T, c *Context) error {
	t.Helper()
	client, err := c.Client()
	if err != nil {
		return err
	}
	return client.Once().Do(context.Background(), "POST", "/x", nil, map[string]int{"n": 1}, nil)
}

// TestLogin: each way to log in sends what it should, and none of them is shown.
func TestLogin(t *testing.T) {
	f := func(options, want, login string) {
		t.Helper()
		r := &recorder{}
		s := httptest.NewServer(r)
		defer s.Close()
		config := loaded(t, "contexts: {a: {"+strings.ReplaceAll(options, "HOST", s.Listener.Addr().String())+"}}")
		c, err := config.Context("a")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(options, "hosts") {
			c.Hosts = []string{s.URL}
		}
		if err := ask(t, c); err != nil || r.logins[0] != want || c.Login() != login {
			t.Errorf("%s: sent %q (%v) as %q, want %q as %q", options, r.logins, err, c.Login(), want, login)
		}
		for _, shown := range []string{fmt.Sprint(c.Options()), fmt.Sprintf("%v", *c), fmt.Sprintf("%+v", *c), fmt.Sprintf("%#v", *c), fmt.Sprint(c.Places()), c.Login()} {
			if !strings.Contains(options, "hosts") && strings.Contains(shown, "geheim") && !strings.Contains(options, "command") && !strings.Contains(options, "headers") {
				t.Errorf("%s: shown in %s", options, shown)
			}
		}
		if text := fmt.Sprint(c.Options(), c.Places(), c.Login()); strings.Contains(text, "geheim") {
			t.Errorf("%s: shown in %s", options, text)
		}
	}
	f("", "", "none")
	f("user: u, password: geheim", "Basic dTpnZWhlaW0=", "user u")
	f("username: u, password_file: "+file(t, "geheim\nmore\n"), "Basic dTpnZWhlaW0=", "user u")
	f("hosts: 'http://u:geheim@HOST'", "Basic dTpnZWhlaW0=", "user u")
	f("api_key: 'id:geheim'", "APIKey aWQ6Z2VoZWlt", "API key")
	f("api_key_file: "+file(t, "aWQ6Z2VoZWlt\r\n"), "APIKey aWQ6Z2VoZWlt", "API key")
	f("bearer: geheim.a.b", "Bearer geheim.a.b", "token")
	f("bearer_file: "+file(t, "geheim"), "Bearer geheim", "token")
	f("token_command: [echo, geheim]", "Bearer geheim", "token of echo")
	f("headers: {Authorization: geheim}", "geheim", "none")

	refused := func(options, want string) {
		t.Helper()
		c, err := loaded(t, "contexts: {a: {"+options+"}}").Context("a")
		if err == nil {
			_, err = c.Client()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: got %v, want %s", options, err, want)
		}
	}
	refused("user: u, password_file: /none", "cannot read the password")
	refused("api_key_file: "+file(t, "\n"), "empty or too long")
	refused("bearer_file: "+file(t, strings.Repeat("geheim", maxToken)), "empty or too long")
	refused(`bearer: "geheim\nX: y"`, "cannot be sent")
	refused(`headers: {X: "geheim\nX: y"}`, `header "X"`)
	refused(`headers: {"a b": geheim}`, `header "a b"`)
	refused("ca_file: /none", "cannot read the authorities")
	refused("fingerprint: abc", "fingerprint")
	refused("hosts: ['u:geheim@x']", "as a host")
}

// counting is a token command that prints each time another token, from token-1 on, and says in a file how often it ran.
func counting(t *testing.T, print string) (command []string, runs func() string) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "runs")
	script := fmt.Sprintf(`n=$(cat %[1]s 2>/dev/null || echo 0); n=$((n+1)); echo $n > %[1]s; %s`, name, print)
	return []string{"sh", "-c", script}, func() string {
		data, _ := os.ReadFile(name)
		return strings.TrimSpace(string(data))
	}
}

// TestTokenCommand: the command runs once for many requests, and again when the server refuses the token.
func TestTokenCommand(t *testing.T) {
	var good atomic.Value
	good.Store("Bearer token-1")
	r := &recorder{status: func(login string) int {
		if login == good.Load() {
			return 200
		}
		return 401
	}}
	s := httptest.NewServer(r)
	defer s.Close()
	command, runs := counting(t, "echo token-$n")
	c := Environment([]string{s.URL})
	c.TokenCommand = command
	client, err := c.Client()
	if err != nil {
		t.Fatal(err)
	}
	request := func() error {
		return client.Once().Do(context.Background(), "POST", "/x", nil, map[string]int{"n": 1}, nil)
	}
	many := func() (failed error) {
		errs := make(chan error, 20)
		for range cap(errs) {
			go func() { errs <- request() }()
		}
		for range cap(errs) {
			if err := <-errs; err != nil {
				failed = err
			}
		}
		return failed
	}
	if err := many(); err != nil || runs() != "1" {
		t.Fatalf("%v after %s runs", err, runs())
	}
	good.Store("Bearer token-2")
	if err := many(); err != nil || runs() != "2" {
		t.Errorf("%v after %s runs", err, runs())
	}
	for i, body := range r.bodies {
		if body == "" {
			t.Errorf("request %d was sent without its body", i)
		}
	}
	good.Store("none")
	before := len(r.logins)
	if err := request(); err == nil || !strings.Contains(err.Error(), "401") || len(r.logins) != before+2 || runs() != "3" {
		t.Errorf("got %v after %d requests and %s runs", err, len(r.logins)-before, runs())
	}
}

// TestTokenExpires: a token is renewed before it expires.
func TestTokenExpires(t *testing.T) {
	command, runs := counting(t, `echo "{\"token\": \"token-$n\", \"exp\": $((1000 + 100 * n))}"`)
	now := time.Unix(1000, 0)
	tokens := &tokens{command: command, timeout: time.Minute, now: func() time.Time { return now }}
	f := func(at int64, want string) {
		t.Helper()
		now = time.Unix(at, 0)
		if got, err := tokens.get(context.Background(), ""); err != nil || got != want {
			t.Errorf("at %d: got %s (%v) after %s runs, want %s", at, got, err, runs(), want)
		}
	}
	f(1000, "token-1")
	f(1089, "token-1")
	f(1091, "token-2")
	f(1189, "token-2")
	f(1500, "token-3") // which has expired already, and is tried
	f(1500, "token-4")
}

func TestReadToken(t *testing.T) {
	now := time.Unix(1000, 0)
	f := func(out, want string, expires int64) {
		t.Helper()
		token, at, err := readToken([]byte(out), now)
		if err != nil || token != want || expires == 0 && !at.IsZero() || expires != 0 && at.Unix() != expires {
			t.Errorf("%s: got %s until %v (%v), want %s until %d", out, token, at, err, want, expires)
		}
	}
	f("abc\n", "abc", 0)
	f(`{"token":"abc"}`, "abc", 0)
	f(`{"token":"abc","expires":"2026-11-21T12:00:00+01:00"}`, "abc", 1795258800)
	f(`{"token":"abc","exp":1548334419}`, "abc", 1548334419)
	f(`{"access_token":"abc","expires_in":60,"token_type":"bearer"}`, "abc", 1060)
	f(`{"kind":"ExecCredential","status":{"token":"abc","expirationTimestamp":"1970-01-01T01:00:00Z"}}`, "abc", 3600)
	f("e30.eyJleHAiOjE1NDgzMzQ0MTl9.x", "e30.eyJleHAiOjE1NDgzMzQ0MTl9.x", 1548334419) // a JWT says so itself
	f("e30.!!.x", "e30.!!.x", 0)
	f(`{"token":"abc","exp":"soon","expires":-1}`, "abc", 0)
	f(`{"token":"abc","exp":1e300}`, "abc", 0)
	for _, bad := range []string{"", " \n", "{}", "{", `{"token":1}`, "geheim two", `{"token":"geheim\nX: y"}`, "geheim\x00", "gehéim", `["geheim"]`} {
		if token, _, err := readToken([]byte(bad), now); err == nil && bad != `["geheim"]` || err != nil && strings.Contains(err.Error(), "geheim") {
			t.Errorf("%q: got %s (%v)", bad, token, err)
		}
	}
}

// TestTokenCommandFails: what goes wrong is said, without what the command printed for us.
func TestTokenCommandFails(t *testing.T) {
	timeout := time.Minute
	f := func(want string, command ...string) {
		t.Helper()
		c := Environment([]string{"http://127.0.0.1:1"})
		c.TokenCommand, c.TokenTimeout = command, timeout
		if err := ask(t, c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q: got %v, want %s", command, err, want)
		}
	}
	f("from the command nothing-like-this", "nothing-like-this")
	f(`exit status 3: not logged in\x1b[31m`, "sh", "-c", "echo geheim; echo first >&2; printf 'not logged in\\033[31m\\n' >&2; exit 3")
	f("it prints no token", "true")
	f("it prints too much", "sh", "-c", "head -c 1000000 /dev/zero | tr '\\0' a")
	timeout = 2 * time.Second
	f("did not end within 2s", "sleep", "60")
	f("did not end within 2s", "sh", "-c", "sleep 60 & wait")
}

// TestTrust: a server is trusted by its authority or its certificate's fingerprint, and by nothing else unless that is asked for.
func TestTrust(t *testing.T) {
	s := httptest.NewUnstartedServer(&recorder{})
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	sum := sha256.Sum256(s.Certificate().Raw)
	var authority bytes.Buffer
	if err := pem.Encode(&authority, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}); err != nil {
		t.Fatal(err)
	}
	f := func(options, want string) {
		t.Helper()
		c, err := loaded(t, "contexts: {a: {hosts: '"+s.URL+"', user: u, password: geheim"+options+"}}").Context("a")
		if err == nil {
			err = ask(t, c)
		}
		if fmt.Sprint(err) != want && (err == nil || want == "<nil>" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %s", options, err, want)
		}
	}
	f("", "certificate")
	f(", ca_file: "+file(t, authority.String()), "<nil>")
	f(", ca_certs: "+file(t, authority.String()), "<nil>")
	f(", fingerprint: "+hex.EncodeToString(sum[:]), "<nil>")
	f(", fingerprint: "+strings.Repeat("00", 32), "fingerprint")
	f(", insecure: true", "<nil>")
	f(", ca_file: "+file(t, "nothing"), "no certificate in PEM")
}
