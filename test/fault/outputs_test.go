package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

func TestKafka(t *testing.T) {
	addr := services.Kafka(t)
	testOutput(t, fmt.Sprintf(`output.kafka: {hosts: [%q], topic: fault, version: "2.0.0", max_message_bytes: 1000000}`, addr),
		func(c *verify.Check) error { return verify.Kafka(addr, "fault", c.Arrived) })
}

func TestRedis(t *testing.T) {
	addr := services.Redis(t)
	testOutput(t, fmt.Sprintf(`output.redis: {hosts: [%q], key: fault}`, addr),
		func(c *verify.Check) error { return verify.Redis(addr, "fault", c.Arrived) })
}

func TestLogstash(t *testing.T) {
	var docs []verify.Doc
	var bad error
	addr := services.Lumberjack(t, func(event []byte) {
		d, err := verify.Event(event)
		if err != nil {
			bad = err
		}
		docs = append(docs, d)
	})
	testOutput(t, fmt.Sprintf(`output.logstash: {hosts: [%q]}`, addr), func(c *verify.Check) error {
		for _, d := range docs { // podbeat has stopped, so nothing adds to them
			c.Arrived(d)
		}
		return bad
	})
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	testOutput(t, fmt.Sprintf(`output.file: {path: %q, filename: events, rotate_every_kb: 1000000}`, dir), func(c *verify.Check) error {
		files, err := filepath.Glob(filepath.Join(dir, "events*"))
		if err != nil || len(files) != 1 {
			return fmt.Errorf("files %q (%v), want one", files, err)
		}
		f, err := os.Open(files[0])
		if err != nil {
			return err
		}
		defer f.Close()
		return verify.Lines(f, c.Arrived)
	})
}

// testOutput sends the journal to an output that keeps the order, and has read tell the check what arrived.
func testOutput(t *testing.T, output string, read func(*verify.Check) error) {
	t.Helper()
	j := readOnly(t, journalgen.Defaults(entries))
	p := harness.New(t, config(j.dir, output))
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return drained(s, j.entries) })
	j.wantCounts(t, p.Stats())
	p.Term()
	c := j.expect(true)
	wantExact(t, c, read(c))
	if r := c.Report(); r.Reordered > 0 {
		t.Error(r)
	}
}
