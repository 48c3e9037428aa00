package verify

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"net/http"
	"os"
	"testing"

	"github.com/Shopify/sarama"
	"github.com/gomodule/redigo/redis"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// manyEvents are more than a page of any source holds. In the second half time stands still.
func manyEvents() (events []string, c *Check) {
	c = New()
	for i := range 12_000 {
		text := fmt.Sprintf("message %d", i)
		c.Expect(Want{ID: ID(chain, uint64(i)), CRC32: crc32.ChecksumIEEE([]byte(text))})
		events = append(events, fmt.Sprintf(`{"@timestamp":%d,"@metadata":{"_id":%q},"message":%q,"event":{"sequence":%d}}`,
			1_700_000_000_000+min(i, 6000), ID(chain, uint64(i)), text, i))
	}
	return events, c
}

func wantExact(t *testing.T, c *Check, err error) {
	t.Helper()
	if r := c.Report(); err != nil || !r.Exact() || r.Arrived != 12_000 || r.Reordered > 0 {
		t.Errorf("%v (%v)", r, err)
	}
}

func TestElasticsearch(t *testing.T) {
	f := func(major int) {
		t.Helper()
		url := services.Elasticsearch(t, major)
		if err := Elasticsearch(url, "verify-*", func(d Doc) { t.Errorf("document %v before any was stored", d) }); err != nil {
			t.Error(err)
		}
		events, c := manyEvents()
		var bulk bytes.Buffer
		for i := range events { // backwards, and over two indices, so that the order is not theirs
			i = len(events) - 1 - i
			fmt.Fprintf(&bulk, `{"create":{"_index":"verify-%d","_id":%q}}`+"\n", i%2, ID(chain, uint64(i)))
			fmt.Fprintf(&bulk, `{"@timestamp":%d,"message":"message %d","event":{"sequence":%d}}`+"\n", 1_700_000_000_000+min(i, 6000), i, i)
		}
		resp, err := http.Post(url+"/_bulk", "application/x-ndjson", &bulk)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if n, err := Count(url, "verify-*"); err != nil || n != len(events) {
			t.Errorf("count %d (%v), want %d", n, err, len(events))
		}
		wantExact(t, c, Elasticsearch(url, "verify-*", c.Arrived))
	}
	f(7)
	f(8)
}

func TestKafka(t *testing.T) {
	addr := services.Kafka(t)
	cfg := patient()
	cfg.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer([]string{addr}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	events, c := manyEvents()
	var messages []*sarama.ProducerMessage
	for _, e := range events {
		messages = append(messages, &sarama.ProducerMessage{Topic: "verify", Value: sarama.StringEncoder(e)})
	}
	if err := producer.SendMessages(messages); err != nil {
		t.Fatal(err)
	}
	wantExact(t, c, Kafka(addr, "verify", c.Arrived))
}

func TestRedis(t *testing.T) {
	addr := services.Redis(t)
	conn, err := redis.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	events, c := manyEvents()
	if _, err := conn.Do("RPUSH", redis.Args{"verify"}.AddFlat(events)...); err != nil {
		t.Fatal(err)
	}
	wantExact(t, c, Redis(addr, "verify", c.Arrived))
}
