package option

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReadFile(t *testing.T) {
	type options struct {
		Name  string        `config:"name"`
		Every time.Duration `config:"every" default:"5s"`
		Store struct {
			Path string `config:"path" default:"data"`
			Size Bytes  `config:"size"`
		} `config:"store"`
		Names map[string]string `config:"names"`
	}
	t.Setenv("PODBEAT_TEST_NAME", "from the environment")
	read := func(text string) (o options, err error) {
		t.Helper()
		name := filepath.Join(t.TempDir(), "x.yml")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := ReadFile(name)
		if err == nil {
			err = Unpack(cfg, &o, "test")
		}
		return o, err
	}
	f := func(text, name, path string, every time.Duration) {
		t.Helper()
		o, err := read(text)
		if err != nil || o.Name != name || o.Store.Path != path || o.Every != every {
			t.Errorf("%s: got %+v (%v)", text, o, err)
		}
	}
	f("", "", "data", 5*time.Second)
	f("name: a\nstore.path: b\nevery: 1m", "a", "b", time.Minute)
	f("name: ${PODBEAT_TEST_NAME}\nstore: {path: '${PODBEAT_TEST_NONE:other}', size: 1MiB}", "from the environment", "other", 5*time.Second)
	f("name: 'a$b'\nnames: {eu: x}", "a$b", "data", 5*time.Second)
	refused := func(text, want string) {
		t.Helper()
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	refused("name: a\nname: b", `"name" already defined`)
	refused("nam: a", "unknown option")
	refused("store: {pth: a}", "unknown option")
	refused("name: ${PODBEAT_TEST_NONE}", "cannot use name: the environment has no variable")
	refused("- a", "cannot read the configuration")
	refused("name: [", "cannot read the configuration")
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none.yml")); err == nil || !strings.Contains(err.Error(), "none.yml") {
		t.Errorf("got %v of a file that is not there", err)
	}
}
