package fault

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
)

// A full disk queue keeps inputs waiting for room; a stop must not wait with them, and loses nothing.
func TestStopWithFullDiskQueue(t *testing.T) {
	s := sink.New(sink.Options{})
	server := httptest.NewUnstartedServer(s)
	defer server.Close()
	dir := filepath.Join(t.TempDir(), "8f6c2a1e-0000-4000-8000-000000000001", "volumes", "kubernetes.io~empty-dir", "applog-x-endname-web")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const lines = 30_000
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "sq#%08d %s\n", i, strings.Repeat("x", 500))
	}
	if err := os.WriteFile(filepath.Join(dir, "app.log"), []byte(text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- type: emptydir
  id: pods
  paths: [%s/*.log]
podbeat.shutdown_timeout: 1s
queue.disk: {max_size: 10MB}
output.elasticsearch: {hosts: ["http://%s"], backoff: {init: 10ms, max: 100ms}}
setup.template.enabled: false
`, dir, server.Listener.Addr()))
	var before float64
	p.Wait("the queue is full", func(now harness.Stats) bool {
		n := now["podbeat.emptydir.pods.published"]
		full := n > 0 && n == before
		before = n
		return full
	})
	p.Term() // fails after a minute
	server.Start()
	p.Start()
	p.Wait("all lines have arrived", func(harness.Stats) bool { return len(s.Missing(lines)) == 0 })
	p.Term()
	if doubled := s.Doubled(); len(doubled) > 0 {
		t.Errorf("%d lines are in two documents", len(doubled))
	}
}
