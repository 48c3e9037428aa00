package reload

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/keystore"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/go-ucfg"
)

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PODBEAT_SECRETS", filepath.Join(dir, "s"))
	for name, text := range map[string]string{"FROM_ENV": "env", "ENV_OCTAL": "0123", "ENV_NUMBER": " 80 ", "ENV_ON": "on", "ENV_LIST": "a,b"} {
		t.Setenv(name, text)
	}
	if err := os.Mkdir(filepath.Join(dir, "s"), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		path := filepath.Join(dir, "s", name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	paths.Paths.Config, paths.Paths.Data = dir, dir
	store, err := keystore.NewFileKeystore(filepath.Join(dir, "podbeat.keystore"))
	if err != nil {
		t.Fatal(err)
	}
	w, err := keystore.AsWritableKeystore(store)
	if err == nil {
		err = errors.Join(w.Store("STORED", []byte("stored")), w.Store("STORED_OCTAL", []byte("0123")), w.Save())
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"PLAIN": "plain\n", "LIST": "a,b{c}: [d", "NUMBER": "8080\r\n", "TWO_LINES": "a\nb\n\n", "EMPTY": "\n", "dotted.name-x": "dotted",
		"OCTAL": "0123", "EXPONENT": "1e5", "NULL": "null", "ON": "on", "QUOTES": `"\'\\`, "BYTES": "\xff\x00\x7fä", "FLOAT": "1.50", "TRUE": "true",
		"FROM_ENV": "file", "STORED": "file", "STORED_OCTAL": "1", "DOLLAR": "${PLAIN}", "LONG": strings.Repeat("x", maxSecret+1),
	} {
		write(name, text, 0o600)
	}
	write("OPEN", "open", 0o622)
	write("..hidden", "hidden", 0o600)
	if err := os.Mkdir(filepath.Join(dir, "s", "FOLDER"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("PLAIN", filepath.Join(dir, "s", "LINK")); err != nil {
		t.Fatal(err)
	}

	s := NewSecrets("podbeat")
	if s.Override().Check(common.NewConfig()) {
		t.Error("the override overrides")
	}
	f := func(text, want string) {
		t.Helper()
		c, err := common.NewConfigFrom(map[string]any{"x": text})
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.String("x", -1)
		if want == "" {
			if err == nil {
				t.Errorf("%s: got %q, want an error", text, got)
			}
		} else if got != want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
	f("${PLAIN}", "plain")
	f("a ${PLAIN} b", "a plain b")
	f("${LIST}", "a,b{c}: [d")
	f("${NUMBER}", "8080")
	f("${TWO_LINES}", "a\nb")
	f("${EMPTY:default}", "default")
	f("${NOBODY:default}", "default")
	f("${dotted.name-x}", "dotted")
	f("${FROM_ENV}", "env")
	f("${DOLLAR}", "${PLAIN}")
	f("${LINK}", "plain")
	for name, want := range map[string]string{
		"OCTAL": "0123", "EXPONENT": "1e5", "NULL": "null", "ON": "on", "QUOTES": `"\'\\`, "BYTES": "\xff\x00\x7fä", "FLOAT": "1.50", "TRUE": "true",
		"ENV_OCTAL": "0123", "ENV_NUMBER": "80", "STORED_OCTAL": "0123", "LIST": "a,b{c}: [d",
	} {
		f("${"+name+"}", want)
		f("${"+name+":default}", want)
		f("${NOBODY:${"+name+"}}", want)
		if name == "OCTAL" || name == "ENV_OCTAL" || name == "TRUE" { // no piece of a text has quotes
			f("a ${"+name+"} b", "a "+want+" b")
		}
	}
	f("${NOBODY}", "")
	f("${..hidden}", "")
	f("${FOLDER}", "")
	f("${OPEN}", "")
	f("${LONG}", "")
	f("${../podbeat.keystore}", "")
	f("${STORED}", "") // the keystore's, whom libbeat asks next
	explained := func(err error, want ...string) {
		t.Helper()
		text := s.explain(err).Error()
		for _, part := range want {
			if !strings.Contains(text, part) {
				t.Errorf("%q is not in %q", part, text)
			}
		}
		if strings.Contains(text, "NOBODY:") || strings.Contains(text, "EMPTY") {
			t.Errorf("it has names with a default: %q", text)
		}
	}
	explained(ucfg.ErrMissing, "no secret for ${OPEN}: ", "chmod go-w "+filepath.Join(dir, "s", "OPEN"), "no value for ${NOBODY}", filepath.Join(dir, "s", "NOBODY"))
	if got := s.hide("user:plain, a\nb\n."); got != "user:xxxxx, a\nb\n." { // short ones are in any text
		t.Errorf("hidden: %q", got)
	}

	typed := struct {
		Port    int      `config:"port"`
		Count   int      `config:"count"`
		Enabled bool     `config:"enabled"`
		List    []string `config:"list"`
	}{}
	err = common.MustNewConfigFrom(map[string]any{"port": "${NUMBER}", "count": "${ENV_NUMBER}", "enabled": "${ENV_ON}", "list": "${ENV_LIST}"}).Unpack(&typed)
	if err != nil || typed.Port != 8080 || typed.Count != 80 || !typed.Enabled || len(typed.List) != 2 {
		t.Errorf("%+v, %v", typed, err)
	}

	// All see the files as they were, until they are read again.
	write("PLAIN", "changed", 0o600)
	f("${PLAIN}", "plain")
	before := s.use(readSecrets())
	f("${PLAIN}", "changed")
	s.use(before)
	f("${PLAIN}", "plain")
	if before.sum() == readSecrets().sum() {
		t.Error("the sums are the same")
	}

	t.Setenv("PODBEAT_SECRETS", filepath.Join(dir, "nowhere"))
	s.use(readSecrets())
	f("${PLAIN}", "")
	t.Setenv("PODBEAT_SECRETS", filepath.Join(dir, "podbeat.keystore"))
	s.use(readSecrets())
	f("${PLAIN}", "")
	explained(ucfg.ErrMissing, "cannot read the folder of secrets")
}

func TestSecretsFolder(t *testing.T) {
	etc, home := t.TempDir(), t.TempDir()
	c := flag.Lookup("c").Value.(*common.StringsFlag)
	if err := c.Set(filepath.Join(etc, "podbeat.yml")); err != nil {
		t.Fatal(err)
	}
	c.SetDefault(filepath.Join(etc, "podbeat.yml"))
	paths.Paths.Config = home
	t.Setenv("PODBEAT_SECRETS", "")
	f := func(want, mkdir string) {
		t.Helper()
		if mkdir != "" {
			if err := os.Mkdir(mkdir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		if got := secretsFolder(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(filepath.Join(home, "secrets"), "")
	f(filepath.Join(etc, "secrets"), filepath.Join(etc, "secrets"))
	f(filepath.Join(home, "secrets"), filepath.Join(home, "secrets"))
	t.Setenv("PODBEAT_SECRETS", "/run/secrets")
	f("/run/secrets", "")
}
