package logapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/logapi/access"
)

// try runs a command with arguments and standard input.
func try(cmd *cobra.Command, in string, args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	cmd.SetArgs(append([]string{}, args...))
	cmd.SetIn(strings.NewReader(in))
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return cli.Usage("%w", err) })
	err = cmd.Execute()
	return out.String(), errs.String(), err
}

func TestUser(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yml")
	command := func() *cobra.Command { return newUserCommand(func() (string, error) { return path, nil }) }
	f := func(in, want string, args ...string) string {
		t.Helper()
		out, said, err := try(command(), in, args...)
		if err != nil || !strings.Contains(out+said, want) {
			t.Errorf("%q: printed %q and %q, error %v; want %q", args, out, said, err, want)
		}
		return out
	}
	// A mistake of the command line has exit code 2, and nothing is changed in either case.
	bad := func(in, want string, code int, args ...string) {
		t.Helper()
		before, _ := os.ReadFile(path)
		out, _, err := try(command(), in, args...)
		if err == nil || !strings.Contains(err.Error(), want) || out != "" {
			t.Errorf("%q: printed %q, error %v; want %q", args, out, err, want)
		}
		if got := errors.As(err, new(cli.UsageError)); got != (code == 2) {
			t.Errorf("%q: error %v is for exit code 2: %v", args, err, got)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Errorf("%q: the file was changed:\n%s", args, after)
		}
	}
	bad("", "`logapi user add` makes it", 1, "list")
	f("correct horse\n", "added user@example.com with the id 12203", "add", "user@example.com", "--id", "12203", "--role", "tenant", "--role", "user",
		"--grant", "GET,POST {mscp_api_url}/*/es/**", "--namespaces", "shop,shop-*", "--apps", "a", "--apps", "b",
		"--grant", "POST {mscp_api_url}/apps/{appid:UUID}/log", "--namespace", "shop", "--region", "cn-1", "--password-stdin")
	f("", "added ann@b with the id ", "add", "ann@b", "--no-password", "--grant", "* /a /b")
	users := listed(t, f("", "", "list", "-o", "json"))
	if len(users) != 2 || users[0].ID != "12203" || strings.Join(users[0].Role, " ") != "tenant user" || !users[0].Password || users[1].Password || len(users[1].ID) != 36 {
		t.Fatalf("got %+v", users)
	}
	if a := users[0].Access; len(a) != 2 || compact(a[0].Other) != `{"apps":["a","b"],"namespaces":["shop","shop-*"]}` || compact(a[1].Other) != `{"namespace":"shop","region":"cn-1"}` {
		t.Errorf("got %s and %s", a[0].Other, a[1].Other)
	}
	if a := users[1].Access; len(a) != 1 || strings.Join(a[0].URL, " ") != "/a /b" || a[0].Other != nil {
		t.Errorf("got %+v", a)
	}
	text := f("", "ann@b", "list")
	if !strings.Contains(text, "id 12203") || !strings.Contains(text, "no password") || !strings.Contains(text, "\n  * /a /b\n") || strings.Contains(text, "argon2") {
		t.Errorf("got %s", text)
	}

	bad("", "missing EMAIL", 2, "add")
	bad("", "got 2 arguments, want EMAIL", 2, "add", "a@b", "correct horse") // no password is taken from there
	bad("", "cannot use e-mail address", 2, "add", "ann")
	bad("", "it is there already", 1, "add", "ANN@b", "--no-password")
	bad("", "another user has this id", 1, "add", "c@d", "--id", "12203", "--no-password")
	bad("", "no terminal", 2, "add", "c@d")
	bad("correct horse", "not both", 2, "add", "c@d", "--password-stdin", "--no-password")
	bad("short\n", "fewer than 8 characters", 1, "add", "c@d", "--password-stdin")
	bad("correct horse\nbattery\n", "control character", 1, "add", "c@d", "--password-stdin")
	bad("", "fewer than 8 characters", 1, "passwd", "ann@b", "--password-stdin")
	bad(strings.Repeat("x", 5000), "more than 1024 bytes", 1, "passwd", "ann@b", "--password-stdin")
	bad("", "want methods and a URL", 2, "add", "c@d", "--no-password", "--grant", "GET")
	bad("", `cannot use method "get"`, 2, "add", "c@d", "--no-password", "--grant", "get /a")
	bad("", "narrows the --grant before it", 2, "add", "c@d", "--no-password", "--apps", "x", "--grant", "GET /a")
	bad("", "there twice", 2, "add", "c@d", "--no-password", "--grant", "GET /a", "--zone", "x", "--zone", "y")
	bad("", "other.apps holds", 2, "add", "c@d", "--no-password", "--grant", "GET /a", "--apps", "x,,y")
	bad("", "other.indices holds", 2, "add", "c@d", "--no-password", "--grant", "GET /a", "--indices", ".x")
	bad("", "nobody has", 1, "passwd", "c@d", "--password-stdin")
	bad("", `unknown command "lst" for "user"; did you mean the command list?; known are add, completion, delete`, 2, "lst")
	bad("", "unknown --output", 2, "list", "-o", "yaml")

	f("battery staple\r\n", "set the password of ann@b", "passwd", "ann@b", "--password-stdin")
	f("", "granted to ann@b: GET,POST /c {\"indices\":[\"x*\"]}", "grant", "ANN@b", "GET,POST", "/c", "--indices", "x*")
	f("", "ann@b has that already", "grant", "ann@b", "GET,POST", "/c", "--indices", "x*")
	bad("", "missing URL", 2, "grant", "ann@b", "GET")
	bad("", "cannot use URL", 2, "grant", "ann@b", "GET", "c")
	bad("", "nobody has", 1, "grant", "c@d", "GET", "/c")
	f("", "granted", "grant", "ann@b", "GET", "/c/**", "/d")
	f("", "granted", "grant", "ann@b", "GET", "/c/e")
	f("", "note: /c/e is still open by another grant: GET /c/** /d", "revoke", "ann@b", "*", "/c/e")
	f("", "revoked from ann@b: POST /c", "revoke", "ann@b", "POST", "/c")
	bad("", "no grant names", 1, "revoke", "ann@b", "GET", "/x")
	bad("", "cannot revoke: cannot use method", 2, "revoke", "ann@b", "get", "/c")
	if a := listed(t, f("", "", "list", "-o", "json"))[1].Access; len(a) != 3 || strings.Join(a[1].Method, ",") != "GET" {
		t.Errorf("got %+v", a)
	}

	f("", "disabled ann@b", "disable", "ann@b")
	if u := listed(t, f("", "disabled", "list", "-o", "json"))[1]; !u.Disabled || u.ValidFrom == nil {
		t.Errorf("got %+v", u)
	}
	f("", "enabled ann@b", "enable", "ann@b")
	bad("", "nobody has", 1, "disable", "c@d")
	bad("", "nobody has", 1, "delete", "c@d")
	f("", "deleted ann@b", "delete", "ann@b")
	if out := f("", "", "list"); strings.Contains(out, "ann@b") || !strings.Contains(out, "user@example.com") {
		t.Errorf("got %s", out)
	}
	if out := f("", "", "__complete", "disable", ""); !strings.HasPrefix(out, "user@example.com\n") {
		t.Errorf("completed with %q", out)
	}
	if _, err := access.OpenUsers(path); err != nil {
		t.Error(err)
	}
}

func compact(text json.RawMessage) string {
	var b bytes.Buffer
	_ = json.Compact(&b, text)
	return b.String()
}

// TestUserFileIsNotReplaced: a file that holds a mistake, or names of files that cannot be.
func TestUserFileIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yml")
	f := func(path, want string, args ...string) {
		t.Helper()
		_, _, err := try(newUserCommand(func() (string, error) { return path, nil }), "correct horse", args...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", args, err, want)
		}
	}
	const mistaken = "users:\n- {id: 1, emial: a@b}\n"
	if err := os.WriteFile(path, []byte(mistaken), 0o600); err != nil {
		t.Fatal(err)
	}
	f(path, `unknown option "emial"`, "add", "a@b", "--password-stdin")
	f(path, `unknown option "emial"`, "passwd", "a@b", "--password-stdin")
	f(path, `unknown option "emial"`, "list")
	if got, _ := os.ReadFile(path); string(got) != mistaken {
		t.Errorf("the file is %s", got)
	}
	f(filepath.Join(path, "x"), "not a directory", "add", "a@b", "--no-password")
	f(filepath.Join(filepath.Dir(path), "none", "x"), "`logapi user add` makes it", "list")
	_, _, err := try(newUserCommand(func() (string, error) { return "", errors.New("no configuration") }), "", "list")
	if err == nil || err.Error() != "no configuration" {
		t.Errorf("got error %v", err)
	}
}

// listed gives the users as `list -o json` has them.
func listed(t *testing.T, text string) (list []struct {
	ID, Email          string
	Role               []string
	Disabled, Password bool
	ValidFrom          *string `json:"valid_from"`
	Access             []struct {
		Method, URL []string
		Other       json.RawMessage
	}
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return list
}
