package beat

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/token"
)

// runToken runs podbeat token with args, where KEYS is a file of keys and - reads stdin.
func runToken(keys, stdin string, args ...string) (string, error) {
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "KEYS", keys)
	}
	var out bytes.Buffer
	cmd := newTokenCmd()
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err := cmd.Execute()
	return out.String(), err
}

func TestToken(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.json")
	run := func(stdin string, args ...string) string {
		t.Helper()
		out, err := runToken(keys, stdin, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	run("", "keys", "KEYS")
	pushing := run("", "sign", "--keys", "KEYS", "--user", "12203", "--email", "user@example.com", "--role", "tenant", "--role", "user\x1b[2J",
		"--allow", "POST,PUT {mscp_api_url}/apps/{appid:UUID}/log", "--allow", "GET https://logs.example.com/api/status", "--audience", "push", "--for", "2d")
	root := run("", "sign", "--keys", "KEYS", "--user", "1", "--issuer", "us")

	f := func(raw, want string, args ...string) {
		t.Helper()
		got := run(raw, append([]string{"check", "--keys", "KEYS", "-"}, args...)...)
		if !strings.Contains(got, want) || strings.Contains(got, "\x1b") {
			t.Errorf("%q: got\n%s\nwant %q", args, got, want)
		}
	}
	refused := func(raw, want string, args ...string) {
		t.Helper()
		_, err := runToken(keys, raw, append([]string{"check", "--keys", "KEYS", "-"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	const log = "/api/apps/7b0a6c51-3f0e-4f0c-8d7e-0f6f0a2b9c11/log"
	f(pushing, "accepted\n  user      12203 user@example.com\n  role      tenant, user\\x1b[2J\n")
	f(pushing, "opens     POST,PUT {mscp_api_url}/apps/{appid:UUID}/log\n  opens     GET https://")
	f(pushing, "allowed   POST /api/apps/", "POST", log, "--prefix", "/api")
	f(pushing, "allowed   GET /api/status", "GET", "/api/status", "--prefix", "/api", "--public-url", "https://logs.example.com/api")
	f(pushing, "accepted", "--audience", "push")
	f(root, "opens     nothing")
	f(root, "accepted", "--issuer", "us")
	refused(pushing, `(403): the token does not open "`+log+`" to method "POST"`, "POST", log)
	refused(pushing, `(403): the token does not open "`+log+`" to method "GET"`, "GET", log, "--prefix", "/api")
	refused(pushing, "(403): no token opens", "POST", "/api/apps/../log")
	refused(pushing, "cannot read path", "POST", "https://logs.example.com/api/status")
	refused(root, "(403)", "GET", "/")
	refused(root, "(401): token with claims", "--audience", "push")
	refused(root, "(401): token with claims", "--issuer", "them")
	refused("", "(401): no token")
	refused(strings.Repeat("x", 100_000), "(401): malformed token")
	refused(pushing, "want a token, or a token, a method and a path", "POST")
	refused(pushing, "cannot use prefix", "--prefix", "api")

	run("", "keys", "--keep", "0s", "KEYS")
	refused(pushing, "(401): token not signed")
}

func TestTokenRefuses(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys.json")
	if _, err := runToken(keys, "", "keys", "KEYS"); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		if out, err := runToken(keys, "", args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %q and error %v, want %q", args, out, err, want)
		}
	}
	f("accepts 1 arg", "keys")
	f("--list changes nothing", "keys", "--list", "--keep", "1d", "KEYS")
	f("no such file", "keys", "--list", "KEYS.none")
	f("want a duration", "keys", "--keep", "-1h", "KEYS")
	f("want a duration", "keys", "--keep", "99999d", "KEYS")
	f(`required flag(s) "keys"`, "sign")
	f("no such file", "sign", "--keys", "KEYS.none")
	f("want a method and a URL", "sign", "--keys", "KEYS", "--allow", "/apps")
	f(`method "post"`, "sign", "--keys", "KEYS", "--allow", "post /apps")
	f("longer than", "sign", "--keys", "KEYS", "--for", "367d")
	f("expires before", "sign", "--keys", "KEYS", "--for", "0s")
}

func TestPrintKeys(t *testing.T) {
	now := time.Unix(1_600_000_000, 0)
	var out bytes.Buffer
	err := printKeys(&out, []token.Key{
		{ID: "new", Made: now, From: now.Add(time.Hour), Signs: true},
		{ID: "current", Made: now.Add(-time.Hour), Until: now.Add(time.Hour), Signs: true},
		{ID: "older", Until: now.Add(time.Minute), Signs: true},
		{ID: "checks"},
		{Until: now, Signs: true},
	}, now)
	want := `new      made 2020-09-13T12:26:40Z  until -                     signs from 2020-09-13T13:26:40Z
current  made 2020-09-13T11:26:40Z  until 2020-09-13T13:26:40Z  signs
older    made -                     until 2020-09-13T12:27:40Z  verifies
checks   made -                     until -                     verifies
-        made -                     until 2020-09-13T12:26:40Z  ended
`
	if err != nil || out.String() != want {
		t.Errorf("error %v, got\n%s\nwant\n%s", err, out.String(), want)
	}
}
