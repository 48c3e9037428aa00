package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/offline"
	"github.com/podbeat/podbeat/journal"
)

func TestExamine(t *testing.T) {
	f := func(run func(context.Context, *subject) []Finding, want State, part string) {
		t.Helper()
		got := check{"x", run}.examine(t.Context(), nil)
		if len(got) != 1 || got[0].State != want || !strings.Contains(got[0].Found, part) {
			t.Errorf("got %v, want %s with %q", got, want, part)
		}
	}
	f(func(context.Context, *subject) []Finding { return one(OK, "fine") }, OK, "fine")
	f(func(context.Context, *subject) []Finding { panic("broken") }, NotChecked, "broken")
	f(func(_ context.Context, s *subject) []Finding { return one(OK, "%s", s.name) }, NotChecked, "nil pointer")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	block := make(chan struct{})
	defer close(block)
	if got := (check{"x", func(context.Context, *subject) []Finding { <-block; return nil }}).examine(ctx, nil); got[0].State != NotChecked {
		t.Errorf("got %v", got)
	}
}

func TestDisk(t *testing.T) {
	f := func(free, total uint64, err error, want State) {
		t.Helper()
		s := &subject{free: func(string) (uint64, uint64, error) { return free, total, err }}
		if got := checkDisk(t.Context(), s); len(got) != 1 || got[0].State != want {
			t.Errorf("%d of %d: got %v, want %s", free, total, got, want)
		}
	}
	const gib = 1 << 30
	f(50*gib, 100*gib, nil, OK)
	f(1*gib, 100*gib, nil, OK)
	f(gib-1, 100*gib, nil, Warning)
	f(gib/2, 2*gib, nil, OK) // a small disk
	f(63<<20, 100*gib, nil, Problem)
	f(0, 0, nil, Problem)
	f(0, 0, errors.New("no"), NotChecked)
	if _, total, err := statfs(filepath.Join(t.TempDir(), "not", "there", "yet")); err != nil || total == 0 {
		t.Errorf("a folder to be: %d, %v", total, err)
	}
}

func TestClockOfKernel(t *testing.T) {
	f := func(not bool, err error, want State) {
		t.Helper()
		s := &subject{unsynced: func() (bool, error) { return not, err }, Config: &offline.Config{Output: output(t, "file: {path: /x}")}}
		if got := checkClock(t.Context(), s); len(got) != 1 || got[0].State != want {
			t.Errorf("%v, %v: got %v, want %s", not, err, got, want)
		}
	}
	f(false, nil, OK)
	f(true, nil, Warning)
	f(true, errors.New("no"), OK)
}

func output(t *testing.T, yaml string) common.ConfigNamespace {
	t.Helper()
	cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
	if err != nil {
		t.Fatal(err)
	}
	var n common.ConfigNamespace
	if err := n.Unpack(cfg); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSpan(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		if got, err := span(text); err != nil || got != want {
			t.Errorf("%q: got %v (%v), want %v", text, got, err, want)
		}
	}
	f("0", 0)
	f("30", 30*time.Second)
	f("30s", 30*time.Second)
	f("5min 20s", 5*time.Minute+20*time.Second)
	f("1.5h", 90*time.Minute)
	f("2weeks3d", 17*24*time.Hour)
	f("100 ms", 100*time.Millisecond)
	for _, bad := range []string{"", "s", "5 parsecs", "-1s", "1..2", "\x00", "1e9y", strings.Repeat("9", 400)} {
		if got, err := span(bad); err == nil {
			t.Errorf("%q is taken for %v", bad, got)
		}
	}
}

func TestPath(t *testing.T) {
	root := t.TempDir()
	h := host{root}
	for name, target := range map[string]string{"abs": "/etc/x", "rel": "../../..", "loop": "loop", "up": "../etc"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	f := func(name, want string) {
		t.Helper()
		if got := h.path(name); got != root+want {
			t.Errorf("%s: got %s, want %s", name, got, root+want)
		}
	}
	f("/etc/machine-id", "/etc/machine-id")
	f("/abs/y", "/etc/x/y")
	f("/rel/etc/passwd", "/etc/passwd")
	f("/../../etc/passwd", "/etc/passwd")
	f("/up/y", "/etc/y")
	f("/loop", "/loop")
	f(root+"/etc", "/etc")
	if got := (host{}).path("/abs/y"); got != "/abs/y" {
		t.Errorf("without a root: got %s", got)
	}
}

func TestUsual(t *testing.T) {
	f := func(pattern, index, all string) {
		t.Helper()
		if got := usual(pattern); got != index {
			t.Errorf("%s: got %s, want %s", pattern, got, index)
		}
		if got := stars(pattern); got != all {
			t.Errorf("%s: got %s, want %s", pattern, got, all)
		}
	}
	f("%{[@metadata.index_prefix]:logstash-podbeat}-%{+yyyy.MM.dd}", "logstash-podbeat-2006.01.02", "*-*")
	f("Logs-%{[a]}%{[b]}", "logs-**", "logs-*")
	f("plain", "plain", "plain")
	f("%{", "%{", "%{")
}

// TestRegistry: what a half-written or hostile registry says.
func TestRegistry(t *testing.T) {
	paths.Paths.Data = t.TempDir()
	s := &subject{name: "podbeat", Config: &offline.Config{Root: common.NewConfig()}}
	dir := filepath.Join(paths.Paths.Data, "registry", "podbeat")
	f := func(checkpoint, log, want string) {
		t.Helper()
		os.RemoveAll(dir)
		os.MkdirAll(dir, 0o755)
		for name, text := range map[string]string{"meta.json": "{}", "12.json": checkpoint, "9.json": `[{"_key":"old"}]`, "log.json": log, "x.json": "{"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		table, err := s.registry()
		got := fmt.Sprint(len(table))
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s, %s: got %s (%v), want %s", checkpoint, log, got, err, want)
		}
	}
	f(`[]`, ``, "0")
	f(`[{"_key":"a"},{"no":"key"},7]`, ``, "2")
	f(`[{"_key":"a"}]`, "{\"op\":\"set\",\"id\":13}\n{\"k\":\"b\",\"v\":{}}\n{\"op\":\"remove\",\"id\":14}\n{\"k\":\"a\"}\n", "1")
	f(`[{"_key":"a"}]`, "{\"op\":\"set\",\"id\":12}\n{\"k\":\"b\",\"v\":{}}\n", "1") // before the checkpoint
	f(`[{"_key":"a"}]`, "{\"op\":\"set\",\"id\":13}\n{\"k\":\"b\",\"v", "1")         // torn
	f(`[{"_key":"a"}`, ``, "error")
	f(`[]`, "nonsense", "error")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("LPKSHHRH"), "[Journal]\nRateLimitBurst=1", `{"index_templates":[]}`)
	f.Add(make([]byte, 208), "30s", "{}")
	f.Fuzz(func(t *testing.T, b []byte, text, js string) {
		if h, err := journal.ReadHeader(bytes.NewReader(b)); err == nil {
			_ = flagNames(h.Incompatible)
			_ = moment(h.HeadRealtime)
		}
		journaldConf{map[string]string{}, map[string]string{}}.add(text, "x")
		if d, err := span(text); err == nil && d < 0 {
			t.Errorf("%q: got %v", text, d)
		}
		_ = rootDir(strings.Fields(text))
		_ = usual(text)
		parseTemplate(json.RawMessage(js))
		states{"journal::local": json.RawMessage(js)}.journal(input{})
	})
}
