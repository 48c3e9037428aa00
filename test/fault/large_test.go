package fault

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
)

// Whoever may log writes entries of 32 MiB while Elasticsearch is away. podbeat has one of them at a time in memory, as
// max_in_flight.bytes says, and all arrive.
func TestLargeEntries(t *testing.T) {
	const n, fields, size = 8, 32, 1<<20 - 100
	dir := t.TempDir()
	w, err := journalgen.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("0123456789abcdef", size/16)
	for i := range n {
		e := fmt.Appendf(nil, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\nMESSAGE=%d\n", 1_700_000_000_000_000+i, 1_000_000+i, 1, i)
		for k := range fields {
			value := fmt.Sprintf("%d-%d %s", i, k, text)
			e = binary.LittleEndian.AppendUint64(fmt.Appendf(e, "FIELD_%d\n", k), uint64(len(value)))
			e = append(append(e, value...), '\n')
		}
		if err := w.Append(append(e, '\n')); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}

	s := sink.New(sink.Options{IDs: true})
	var refused atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := refused.Load(); strings.HasSuffix(r.URL.Path, "_bulk") && n < 10 {
			refused.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer server.Close()
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- type: journal
  id: node
  paths: [%q]
  max_in_flight.bytes: 32MiB
queue.mem.flush.timeout: 100ms
output.elasticsearch: {hosts: [%q], backoff: {init: 200ms, max: 200ms}, compression: none}
setup.template.enabled: false
logging.metrics.enabled: false
`, dir, server.URL))
	most := 0
	p.Wait("everything has been delivered", func(s harness.Stats) bool {
		if s != nil && refused.Load() < 10 {
			most = max(most, input(s, "read")) // nothing of it can have been delivered
		}
		return drained(s, n)
	})
	if most != 1 {
		t.Errorf("podbeat has read %d entries while nothing was delivered, want 1", most)
	}
	const enough = 512 // without the bound it is 8 times 32 MiB for the entries alone, and as much as yet to be collected
	peak := p.Peak()
	t.Logf("podbeat has had %d MiB at the most", peak)
	if peak > enough {
		t.Errorf("podbeat has had %d MiB, want no more than %d", peak, enough)
	}
	p.Term()
	if ids := s.IDs(); len(ids) != n {
		t.Errorf("%d of %d entries have arrived", len(ids), n)
	}
}
