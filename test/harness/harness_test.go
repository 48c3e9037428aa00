package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPodbeat(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.log"), []byte("one\ntwo\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := New(t, fmt.Sprintf(`
podbeat.inputs:
- {type: filestream, id: in, paths: [%q]}
output.file: {path: %q, filename: out}
setup.template.enabled: false
`, filepath.Join(dir, "in.log"), dir))
	acked := func(s Stats) bool { return s["libbeat.output.events.acked"] == 2 }
	p.Wait("two lines are out", acked)
	if files := p.DeletedFiles(); len(files) > 0 {
		t.Errorf("deleted files %q are open", files)
	}
	p.Kill9()
	if p.Running() || p.Stats() != nil {
		t.Error("podbeat still runs after kill -9")
	}
	p.Start()
	p.Wait("it answers", func(s Stats) bool { return s != nil })
	p.Wait("its log has both starts", func(Stats) bool { return strings.Count(p.Log(), "podbeat start running") == 2 })
	p.Term()
	if p.Running() {
		t.Error("podbeat still runs after its stop")
	}
}

func TestStats(t *testing.T) {
	s := Stats{}
	s.flatten("", map[string]any{"podbeat": map[string]any{"a": 1.0, "b": "x", "c": map[string]any{"d": 2.0}}, "beat": map[string]any{"cpu": 3.0}})
	if got, want := s.String(), "beat.cpu=3 podbeat.a=1 podbeat.c.d=2 "; got != want {
		t.Errorf("stats %q, want %q", got, want)
	}
	if got, want := s.moving().String(), "podbeat.a=1 podbeat.c.d=2 "; got != want {
		t.Errorf("moving stats %q, want %q", got, want)
	}
}
