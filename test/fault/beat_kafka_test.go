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

	"github.com/Shopify/sarama"

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
	letters := readLetters(t, p, "too-large", c)
	wantExact(t, c, verify.Kafka(addr, "too-large", c.Arrived))
	if letters < 2 || letters > 3 || counted != letters {
		t.Errorf("%d dead letters, %d counted; want those of 1,040,000 and 1,048,576 bytes and perhaps that of 999,000", letters, counted)
	}
}

// readLetters has the events in the dead-letter file arrive, each of which was too large for the topic.
func readLetters(t *testing.T, p *harness.Podbeat, topic string, c *verify.Check) (n int) {
	t.Helper()
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
		if err != nil || d.ID != letter.Event.ID || letter.Error.Type != "message_too_large" || letter.Kafka.Topic != topic {
			t.Errorf("dead letter %.300q does not hold its event and why it is here (%v)", line, err)
		}
		n++
		c.Arrived(d)
	}
	return n
}

// A topic that takes less than max_message_bytes refuses whole requests. All that fits in it comes to it.
func TestKafkaTakesLess(t *testing.T) {
	const most = 20_000
	addr := services.Kafka(t)
	admin, err := sarama.NewClusterAdmin([]string{addr}, sarama.NewConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	limit := fmt.Sprint(most)
	if err := admin.CreateTopic("takes-less", &sarama.TopicDetail{NumPartitions: 1, ReplicationFactor: 1, ConfigEntries: map[string]*string{"max.message.bytes": &limit}}, false); err != nil {
		t.Fatal(err)
	}
	j := readOnly(t, journalgen.Defaults(entries))
	p := harness.New(t, config(j.dir, fmt.Sprintf(`output.kafka: {hosts: [%q], topic: takes-less, version: "2.0.0"}`, addr)))
	p.Wait("everything has been delivered", func(s harness.Stats) bool { return drained(s, j.entries) })
	j.wantCounts(t, p.Stats())
	counted := int(p.Stats()["podbeat.output.kafka.dead_letter"])
	p.Term()
	c := j.expect(false)
	letters := readLetters(t, p, "takes-less", c)
	wantExact(t, c, verify.Kafka(addr, "takes-less", c.Arrived))
	if letters == 0 || counted != letters {
		t.Errorf("%d dead letters, %d counted", letters, counted)
	}
}

// The broker is killed in the middle and stays away for a while, twice; the second time podbeat is stopped and started
// meanwhile. Kafka may have an event twice then, but lacks none, and has them in their order.
func TestKafkaKilled(t *testing.T) {
	j := readOnly(t, journalgen.Defaults(entries))
	broker := services.OwnKafka(t)
	p := harness.New(t, config(j.dir, fmt.Sprintf(
		`output.kafka: {hosts: [%q], topic: killed, version: "2.0.0", bulk_max_size: 2, backoff: {init: 100ms, max: 2s}}`, broker.Addr)))
	for i, stop := range []bool{false, true} {
		p.Wait("some events have been delivered", func(s harness.Stats) bool { return input(s, "acked") > 5000*(i+1) })
		broker.Kill9()
		failed := p.Stats()["libbeat.output.events.failed"]
		p.Wait("it has tried again and again", func(s harness.Stats) bool { return s["libbeat.output.events.failed"] > failed+20 })
		if s := p.Stats(); drained(s, j.entries) || !strings.Contains(p.Log(), "events wait, nothing is dropped") {
			t.Errorf("everything counts as delivered while the broker is away: %s", s)
		}
		if stop {
			p.Term()
			p.Start()
		}
		broker.Start()
	}
	var c *verify.Check
	look, before := time.Now(), 0
	p.Wait("everything has been delivered", func(s harness.Stats) bool {
		if time.Now().Before(look) || s == nil || s["libbeat.pipeline.events.active"] > 0 {
			return false
		}
		c, look = j.expect(true), time.Now().Add(2*time.Second)
		if err := verify.Kafka(broker.Addr, "killed", c.Arrived); err != nil {
			t.Fatal(err)
		}
		idle := input(s, "read") > 0 && input(s, "read") == before
		before = input(s, "read")
		return idle || len(c.Missing()) == 0
	})
	p.Term()
	r := c.Report()
	t.Log(r)
	if r.Doubled = 0; !r.Exact() || r.Reordered > 0 {
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
