package fault

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// Around Kafka's limits every message is in the topic or in the dead-letter file, whole, and counted.
func TestKafkaTooLarge(t *testing.T) {
	dir := t.TempDir()
	w, err := journalgen.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{100, 999_000, 100, 1_040_000, 995_000, 1_048_576, 100, 200_000}
	texts := make([]string, len(sizes))
	for i, size := range sizes {
		texts[i] = fmt.Sprintf("sq#%08d ", i)
		if i%2 == 0 {
			texts[i] += strings.Repeat("a", size-len(texts[i]))
		} else { // does not become smaller by compression: the broker checks what it gets
			texts[i] += noise(size - len(texts[i]))
		}
		entry := fmt.Sprintf("__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%032x\n_HOSTNAME=node-1\nSYSLOG_IDENTIFIER=app\nMESSAGE=%s\n\n",
			1_715_904_000_000_000+i, i+1, 1, texts[i])
		if err := w.Append([]byte(entry)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	chain := chainOf(t, dir)
	addr := services.Kafka(t)
	p := harness.New(t, config(dir, fmt.Sprintf(`output.kafka: {hosts: [%q], topic: too-large, version: "2.0.0"}`, addr)))
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return drained(s, len(sizes)) })
	counted := int(p.Stats()["podbeat.output.kafka.dead_letter"])
	p.Term()

	c := verify.New()
	for i, text := range texts {
		c.Expect(verify.Want{ID: verify.ID(chain, uint64(i)+1), CRC32: crc32.ChecksumIEEE([]byte(text))})
	}
	letters := 0
	data, err := os.ReadFile(filepath.Join(p.Dir, "data", "dead-letter.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		var letter struct {
			Message string
			Error   struct{ Type string }
			Event   struct{ ID string }
			Kafka   struct{ Topic string }
		}
		if err := json.Unmarshal([]byte(line), &letter); err != nil {
			t.Fatalf("cannot parse dead letter %.200q: %v", line, err)
		}
		d, err := verify.Event([]byte(letter.Message))
		if err != nil || d.ID != letter.Event.ID || letter.Error.Type != "message_too_large" || letter.Kafka.Topic != "too-large" {
			t.Errorf("dead letter %.300q does not hold its event and why it is here (%v)", line, err)
		}
		letters++
		c.Arrived(d)
	}
	wantExact(t, c, verify.Kafka(addr, "too-large", c.Arrived))
	if letters < 2 || letters > 3 || counted != letters {
		t.Errorf("%d dead letters, %d counted; want those of 1,040,000 and 1,048,576 bytes and perhaps that of 999,000", letters, counted)
	}
}

// The broker is killed in the middle and stays away for longer than sarama's circuit breaker is open, twice.
// Kafka may have an event twice afterwards, but lacks none.
func TestKafkaKilled(t *testing.T) {
	j := readOnly(t, journalgen.Defaults(entries))
	broker := services.OwnKafka(t)
	p := harness.New(t, config(j.dir, fmt.Sprintf(`output.kafka: {hosts: [%q], topic: killed, version: "2.0.0", bulk_max_size: 200, backoff: {init: 100ms, max: 2s}}`, broker.Addr)))
	for i := range 2 {
		p.Wait("some events have been delivered", func(s harness.Stats) bool { return input(s, "acked") > 5000*(i+1) })
		broker.Kill9()
		back := time.Now().Add(25 * time.Second) // the breaker opens for 10 seconds, after 3 attempts
		p.Wait("the circuit breaker has been open", func(harness.Stats) bool {
			return time.Now().After(back)
		})
		if s := p.Stats(); drained(s, j.entries) {
			t.Errorf("everything counts as delivered while the broker is away: %s", s)
		}
		broker.Start()
	}
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return drained(s, j.entries) })
	j.wantCounts(t, p.Stats())
	p.Term()

	c := j.expect(true)
	if err := verify.Kafka(broker.Addr, "killed", c.Arrived); err != nil {
		t.Fatal(err)
	}
	r := c.Report()
	t.Log(r)
	if r.Doubled = 0; !r.Exact() {
		t.Error(r)
	}
}

// noise returns n letters that gzip cannot make much shorter, the same each time.
func noise(n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
	b, x := make([]byte, n), uint64(1)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = letters[x>>58]
	}
	return string(b)
}
