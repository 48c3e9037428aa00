package fault

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/kubelet"
)

// The output is too slow for what pods write, and they are deleted meanwhile. What podbeat then gives up is what did
// not arrive, byte for byte; its statistics say why, and its log says of which pod and volume.
func TestEmptyDirGivenUp(t *testing.T) {
	f := func(name, bounds, reason string) {
		t.Run(name, func(t *testing.T) { testGivenUp(t, bounds, reason) })
	}
	f("after a time", "deleted: {timeout: 1s}", "timeout")
	f("beyond a size", "deleted: {max_bytes: 100KiB}", "bytes")
}

func testGivenUp(t *testing.T, bounds, reason string) {
	n := newNode(t, "slow", kubelet.EmptyDir)
	n.o.Pods, n.o.AtOnce, n.o.Lines, n.o.MaxLife = 10, 10, 8000, 3*time.Second // no more than 20 volumes have figures of their own
	n.o.Ways = []string{"rename", "copytruncate", "recreate"}
	n.more, n.scan = n.more+"\n  "+bounds, "1s"
	out := sink.New(sink.Options{Faults: sink.Faults{Request429: 0.2, LatencyDocument: 2 * time.Millisecond}})
	server := httptest.NewServer(out)
	defer server.Close()
	n.output = fmt.Sprintf(`
queue.mem: {events: 256, flush.min_events: 100, flush.timeout: 100ms}
output.elasticsearch: {hosts: [%q], bulk_max_size: 100, backoff: {init: 10ms, max: 50ms}}
`, server.URL)
	p := harness.New(t, n.config())
	n.run(t, p, 0)
	// What is given up of a file that may have been put aside is counted only when no copy of it has come for some scans.
	var s harness.Stats
	delivered := 0
	p.Wait("what is missing has been counted", func(now harness.Stats) bool {
		if delivered == 0 {
			delivered = n.stat(now, "now.scans")
		}
		s = now
		return delivered > 0 && n.stat(now, "now.scans") > delivered+6
	})
	p.Term()

	missing, bytes := out.Missing(n.o.Lines), 0
	volumes := map[string]int{}
	for _, token := range missing {
		line := n.ledger.Line(token)
		bytes += int(line.End - line.Offset)
		volumes[line.File.Fields["kubernetes.pod.uid"]+"/"+line.File.Fields["kubernetes.volume.name"]] += int(line.End - line.Offset)
	}
	t.Logf("%d of %d lines did not arrive, %d bytes of %d volumes", len(missing), n.o.Lines, bytes, len(volumes))
	if len(missing) == 0 {
		t.Fatal("everything has arrived: the output was not slow enough for this test")
	}
	if got := n.stat(s, "abandoned.bytes"); got != bytes {
		t.Errorf("podbeat counts %d bytes given up, want the %d that did not arrive", got, bytes)
	}
	if got := n.stat(s, "abandoned.reason."+reason); got != bytes {
		t.Errorf("podbeat counts %d bytes given up for %s, want %d", got, reason, bytes)
	}
	log := p.Log()
	for volume, bytes := range volumes {
		if got := n.stat(s, "pods."+volume+".abandoned.bytes"); got != bytes {
			t.Errorf("podbeat counts %d bytes given up of %s, want %d", got, volume, bytes)
		}
		if !strings.Contains(log, volume) {
			t.Errorf("the log does not name pod and volume %s, of which %d bytes were given up", volume, bytes)
		}
	}
	if doubled := out.Doubled(); len(doubled) > 0 {
		t.Errorf("lines %v are in two documents", doubled)
	}
}
