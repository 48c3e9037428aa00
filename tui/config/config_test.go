package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/tui/scope"
	"github.com/podbeat/podbeat/tui/when"
)

// load reads a configuration of this text.
func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	t.Setenv("LOGTUI_HOSTS", "")
	t.Setenv("LOGTUI_CONTEXT", "")
	path := filepath.Join(t.TempDir(), "config.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func loaded(t *testing.T, text string) *Config {
	t.Helper()
	c, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const whole = `# Of the whole team.
current: prod
theme: dark
mouse: true
keys:
  quit: [q, ctrl+q]   # both
  pipe: []
contexts:
  prod:               # Production.
    hosts: [https://a:9200, https://b:9200]
    user: reader
    password: ${PODBEAT_TEST_PASSWORD}
    headers: {X-Team: logs}
    columns: [host.name]
    fields:
      message: msg
      app: [app]
  test.eu: {hosts: http://localhost:9200, region: cn-1, token_command: [logtoken, --for, logs], zone: utc, timeout: 5s}
  broken: {host: x}
saved:
  errors: {query: 'log.level: error', range: last 1h, chips: ['not region: eu'], lens: console, namespace: shop}
`

func TestLoad(t *testing.T) {
	t.Setenv("PODBEAT_TEST_PASSWORD", "geheim")
	c := loaded(t, whole)
	if !reflect.DeepEqual(c.Contexts(), []string{"prod", "test.eu", "broken"}) || c.Theme != "dark" || !c.Mouse || c.TailLines != 50000 ||
		!reflect.DeepEqual(c.Keys, map[string][]string{"quit": {"q", "ctrl+q"}, "pipe": {}}) {
		t.Errorf("got %+v with %q", c.Options, c.Contexts())
	}
	prod, err := c.Context("")
	if err != nil {
		t.Fatal(err)
	}
	n := prod.Names()
	if prod.Name != "prod" || prod.Password != "geheim" || prod.Index != "logstash-*" || prod.Headers["X-Team"] != "logs" || len(prod.Hosts) != 2 ||
		n.Message != "msg" || n.Time != "@timestamp" || !reflect.DeepEqual(n.App, []string{"app"}) || prod.Begin(time.Now()) != when.Last(15*time.Minute) {
		t.Errorf("got %+v with %+v", prod, n)
	}
	eu, err := c.Context("test.eu")
	if err != nil || len(eu.TokenCommand) != 3 || eu.Timeout != 5*time.Second || eu.Times() != when.UTC || eu.Places()[0] != "http://localhost:9200/cn-1/es" {
		t.Errorf("got %+v (%v)", eu, err)
	}
	want := []Saved{{"errors", scope.Scope{Text: "log.level: error", Range: when.Last(time.Hour), Lens: scope.Console,
		Chips: []scope.Chip{{Field: "region", Value: "eu", Not: true}}, Path: [scope.Levels]string{scope.Namespace: "shop"}}}}
	if !reflect.DeepEqual(c.Saved(), want) {
		t.Errorf("got %+v", c.Saved())
	}
	for name, says := range map[string]string{"broken": `unknown option "host", did you mean "hosts"?`, "prd": `did you mean "prod"?`} {
		if _, err := c.Context(name); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestWithout: without a configuration this machine is asked, or what the environment says.
func TestWithout(t *testing.T) {
	c := loaded(t, "")
	here, err := c.Context("")
	if err != nil || here.Name != "" || here.Hosts[0] != "http://localhost:9200" || here.Index != "logstash-*" {
		t.Errorf("got %+v (%v)", here, err)
	}
	if _, err := c.Context("x"); err == nil || !strings.Contains(err.Error(), "logtui context add") {
		t.Errorf("got %v", err)
	}
	t.Setenv("LOGTUI_HOSTS", "http://a:1, http://b:2")
	t.Setenv("LOGTUI_INDEX", "logs")
	t.Setenv("LOGTUI_API_KEY", "geheim")
	there, err := c.Context("")
	if err != nil || !reflect.DeepEqual(there.Hosts, []string{"http://a:1", "http://b:2"}) || there.Index != "logs" || there.Login() != "API key" {
		t.Errorf("got %+v (%v)", there, err)
	}
	if only, err := loaded(t, "contexts: {a: {}}").Context(""); err != nil || only.Name != "a" {
		t.Errorf("got %+v (%v)", only, err)
	}
	if _, err := loaded(t, "contexts: {a: {}, b: {}}").Context(""); err == nil || !strings.Contains(err.Error(), "logtui context use") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none.yml")); err == nil {
		t.Error("a file that was named need not be there")
	}
}

// TestHostile: a configuration that is wrong, or meant to do harm, is refused in a moment, with words that say why.
func TestHostile(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		c, err := load(t, text)
		if err == nil {
			_, err = c.Context("")
		}
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 3000 || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%.100s: got %.300v, want %s", text, err, want)
		}
	}
	f("- a", "not a list of options")
	f("[", "cannot read the configuration")
	f("a: 1\na: 2", "already defined")
	f("contexts: {a: {}, a: {}}", "already defined")
	f("them: dark", `did you mean "theme"?`)
	f("contexts: [a]", `option "contexts" is a section`)
	f("saved: x", `option "saved" is a section`)
	f("saved: {a: {query: 'x', chips: ['(']}}", "cannot use")
	f("saved: {a: {ranges: x}}", `saved query "a": unknown option "ranges"`)
	f("tail_lines: 5", "tail_lines")
	f("page_lines: many", "page_lines")
	f("contexts: {a: {hosts: []}}", "hosts is empty")
	f("contexts: {a: {hosts: ['http://u:geheim@']}}", "as a host")
	f("contexts: {a: {hosts: ['a b']}}", "as a host")
	f("thems: {}", `did you mean "theme"?`)
	f("contexts: {a: {zone: Nowhere/City}}", "Nowhere/City")
	f("contexts: {a: {range: soon}}", "soon")
	f("contexts: {a: {timeout: soon}}", "soon")
	f("contexts: {a: {password: geheim}}", "no user")
	f("contexts: {a: {user: u}}", "neither password nor password_file")
	f("contexts: {a: {user: u, password: geheim, api_key: geheim}}", "password and api_key at once")
	f("contexts: {a: {bearer: geheim, token_command: [x]}}", "bearer and token_command at once")
	f("contexts: {a: {password: '${PODBEAT_TEST_NONE}', user: u}}", "no variable PODBEAT_TEST_NONE")
	f("a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]", "")
	f(strings.Repeat("{a: ", 20_000), "cannot read the configuration")
	f("x: "+strings.Repeat("y", maxFile), "more than 4 MiB")
	f("contexts: {a: &a {<<: *a}}", "")
	f("\x00\x1b[31m", "cannot read the configuration")
}

func TestExpand(t *testing.T) {
	t.Setenv("PODBEAT_TEST_A", "x")
	f := func(text, want string) {
		t.Helper()
		values := map[string]any{"a": []any{map[string]any{"b": text}}}
		if err := expand(values); err != nil {
			t.Fatal(err)
		}
		if got := values["a"].([]any)[0].(map[string]any)["b"]; got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	f("${PODBEAT_TEST_A}-${PODBEAT_TEST_A}", "x-x")
	f("${PODBEAT_TEST_NONE:d}", "d")
	f("${PODBEAT_TEST_NONE:}", "")
	f("$a {b} ${", "$a {b} ${")
	f("$${PODBEAT_TEST_A}", "${PODBEAT_TEST_A}")
	f(Literal("a${PODBEAT_TEST_A}$${b}$"), "a${PODBEAT_TEST_A}$${b}$")
}

// TestChange: what is changed keeps the comments and the order of the rest, and what others changed meanwhile.
func TestChange(t *testing.T) {
	t.Setenv("PODBEAT_TEST_PASSWORD", "geheim")
	c := loaded(t, whole)
	other, err := Load(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(c.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	steps := []error{
		other.SetTheme("light"),
		c.Use("test.eu"),
		c.AddContext("new", [][2]any{{"hosts", []string{"http://n:1"}}, {"password", "a: #b"}, {"user", "u"}}, false),
		c.RemoveContext("broken"),
		c.Save("mine", scope.Scope{Text: "a: b", Range: when.Last(time.Minute)}),
		c.Unsave("errors"),
	}
	for i, err := range steps {
		if err != nil {
			t.Errorf("step %d: %v", i, err)
		}
	}
	got, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(
		"current: prod", "current: test.eu", "theme: dark", "theme: light", "  broken: {host: x}\n", "  new:\n    hosts: ['http://n:1']\n    password: 'a: #b'\n    user: u\n",
		"[https://a:9200, https://b:9200]", "['https://a:9200', 'https://b:9200']", "{hosts: http://localhost:9200,", "{hosts: 'http://localhost:9200',",
		"   # both", " # both", "               # Production.", " # Production.",
		"  errors: {query: 'log.level: error', range: last 1h, chips: ['not region: eu'], lens: console, namespace: shop}\n", "  mine:\n    query: 'a: b'\n    range: last 1m\n",
	).Replace(whole)
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if info, err := os.Stat(c.Path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v (%v)", info.Mode(), err)
	}
	if c.Current != "test.eu" || c.Theme != "light" || len(c.Contexts()) != 3 || c.Saved()[0].Name != "mine" {
		t.Errorf("the configuration in use is %+v, %q, %+v", c.Options, c.Contexts(), c.Saved())
	}
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	refused(c.AddContext("new", [][2]any{{"hosts", []string{"http://n:1"}}}, false), "--replace")
	refused(c.AddContext("bad", [][2]any{{"hosts", []string{"http://n:1"}}, {"password", "geheim"}}, false), "no user")
	refused(c.AddContext("-x", nil, false), "cannot name")
	refused(c.AddContext("a\x1b[31m", nil, false), "cannot name")
	refused(c.Save("", scope.Scope{}), "cannot name")
	refused(c.Use("nope"), "unknown context")
	refused(c.RemoveContext("nope"), "unknown context")
	refused(c.Unsave("nope"), "no saved query")
	if err := c.RemoveContext("test.eu"); err != nil || c.Current != "" {
		t.Errorf("the current context is %q (%v)", c.Current, err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(c.Path), ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestChangeNothingYet: the file and its folder are made, and a link stays one.
func TestChangeNothingYet(t *testing.T) {
	t.Setenv("LOGTUI_CONTEXT", "")
	t.Setenv("LOGTUI_HOSTS", "")
	dir := t.TempDir()
	t.Setenv("LOGTUI_CONFIG", filepath.Join(dir, "deep", "er", "config.yml"))
	c, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddContext("a", [][2]any{{"hosts", []string{"http://a:1"}}}, false); err != nil || c.Current != "a" {
		t.Fatalf("current is %q: %v", c.Current, err)
	}
	link := filepath.Join(dir, "link.yml")
	if err := os.Symlink(c.Path, link); err != nil {
		t.Fatal(err)
	}
	linked, err := Load(link)
	if err == nil {
		err = linked.SetTheme("dark")
	}
	info, failed := os.Lstat(link)
	again, broken := Load(c.Path)
	if err != nil || failed != nil || broken != nil || info.Mode()&os.ModeSymlink == 0 || again.Theme != "dark" {
		t.Errorf("got %v, %v, %v", err, failed, broken)
	}
}

func TestState(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	s := OpenState()
	if _, ok := s.Last("a"); ok || s.History() != nil && len(s.History()) > 0 {
		t.Error("there is a state before any")
	}
	for _, query := range []string{"a", "b\nc", "a", " ", strings.Repeat("x", maxQuery+1)} {
		if err := s.Typed(query); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.History(); !reflect.DeepEqual(got, []string{"b\nc", "a"}) {
		t.Errorf("got %q", got)
	}
	for i := range maxHistory + 10 {
		if err := s.Typed(fmt.Sprint("query ", i)); err != nil {
			t.Fatal(err)
		}
	}
	got := s.History()
	if len(got) > maxHistory || got[len(got)-1] != fmt.Sprint("query ", maxHistory+9) {
		t.Errorf("%d queries are kept, the last is %q", len(got), got[len(got)-1])
	}
	want := scope.Scope{Text: "x", Range: when.Last(time.Hour), Chips: []scope.Chip{{Field: "a", Value: "b"}}}
	for _, name := range []string{"a", "../../x", "", "a/b"} {
		if err := s.Looked(name, want); err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Last(name); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v", name, got)
		}
	}
	if files, err := os.ReadDir(filepath.Join(s.dir, "last")); err != nil || len(files) != 4 {
		t.Errorf("there are %d files (%v)", len(files), err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "last", "a.json"), []byte(`{"chips":["("]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Last("a"); ok {
		t.Error("what is broken is taken")
	}
}
