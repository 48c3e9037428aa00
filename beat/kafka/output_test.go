package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/outputs"
	_ "github.com/elastic/beats/v7/libbeat/outputs/codec/format"
	"github.com/elastic/beats/v7/libbeat/outputs/codec/json"
	"github.com/elastic/beats/v7/libbeat/outputs/outest"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher"
)

var testInfo = beat.Info{Beat: "podbeat", IndexPrefix: "podbeat", Version: "0.1.0"}

// A host stands for libbeat's client: it notes what it gets and settles it.
type host struct {
	seen   string
	closed int
	settle func(publisher.Batch)
}

func (h *host) Connect() error { return nil }
func (h *host) Close() error   { h.closed++; return nil }
func (h *host) String() string { return "host" }

func (h *host) Publish(_ context.Context, b publisher.Batch) error {
	h.seen += ids(b.Events())
	h.settle(b)
	return nil
}

func ids(events []publisher.Event) (s string) {
	for i := range events {
		s += id(&events[i].Content)
	}
	return s
}

func newTestClient(t *testing.T, yaml string) (*client, *host) {
	t.Helper()
	cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
	if err != nil {
		t.Fatal(err)
	}
	if !cfg.HasField("backoff") {
		if err := cfg.Merge(map[string]any{"backoff": map[string]any{"init": "1ms", "max": "2ms"}}); err != nil {
			t.Fatal(err)
		}
	}
	h := &host{settle: publisher.Batch.ACK}
	c, err := newClient(h, testInfo, outputs.NewNilObserver(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.file.Path = filepath.Join(t.TempDir(), "letters")
	t.Cleanup(func() { c.Close() })
	return c, h
}

// event makes one with this id; its message is so long that its JSON has size bytes, if size is above 0.
func event(t *testing.T, id string, size int) beat.Event {
	t.Helper()
	ev := beat.Event{
		Timestamp: time.Date(2024, 5, 17, 12, 0, 0, 1000, time.UTC), Meta: common.MapStr{"_id": id},
		Fields: common.MapStr{"message": ""},
	}
	if size > 0 {
		b, err := json.New(testInfo.Version, json.Config{}).Encode(testInfo.IndexPrefix, &ev)
		if err != nil || len(b) > size {
			t.Fatal(len(b), err)
		}
		ev.Fields["message"] = strings.Repeat("x", size-len(b))
	}
	return ev
}

// publish sends events and says how the batch was settled.
func publish(t *testing.T, c *client, events ...beat.Event) string {
	t.Helper()
	batch := outest.NewBatch(events...)
	if err := c.Publish(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if len(batch.Signals) != 1 {
		t.Fatalf("batch was settled %d times", len(batch.Signals))
	}
	sig := batch.Signals[0]
	return map[outest.BatchSignalTag]string{
		outest.BatchACK: "ack", outest.BatchDrop: "drop", outest.BatchRetry: "retry all", outest.BatchRetryEvents: "retry ",
		outest.BatchCancelled: "cancelled all", outest.BatchCancelledEvents: "cancelled ",
	}[sig.Tag] + ids(sig.Events)
}

// letters returns id:type of each line of the dead-letter file.
func letters(t *testing.T, c *client) (s string) {
	t.Helper()
	text, err := os.ReadFile(c.file.Path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		_, id, _ := strings.Cut(line, `"event":{"id":"`)
		_, kind, _ := strings.Cut(line, `"error":{"type":"`)
		id, _, _ = strings.Cut(id, `"`)
		kind, _, _ = strings.Cut(kind, `"`)
		s += id + ":" + kind + " "
	}
	return strings.TrimSpace(s)
}

func TestRegistered(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		group, err := outputs.Load(nil, testInfo, outputs.NewNilObserver(), "kafka", cfg)
		if err != nil {
			got = err.Error()
		} else if c, ok := group.Clients[0].(*client); ok && len(group.Clients) == 1 {
			got = fmt.Sprintf("%v limit %d, batch %d, retry %d, %v, json %v", c, c.limit, group.BatchSize, group.Retry, c.key != nil, c.isJSON)
			if want := filepath.Join(paths.Resolve(paths.Data, ""), "dead-letter.ndjson"); c.file.Path != want {
				t.Errorf("got file %s, want %s", c.file.Path, want)
			}
		}
		if got != want && !(err != nil && strings.Contains(got, want)) {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
	}
	f("{hosts: [h], topic: t}", "kafka(h) limit 1000000, batch 2048, retry 0, false, json true")
	f("{hosts: [h], topic: t, max_message_bytes: 7, key: k, codec.format.string: x, max_retries: -1}", "kafka(h) limit 7, batch 2048, retry -1, true, json false")
	f("{topic: t}", "missing required field")
	f("{hosts: [h]}", "topic")
}

// What is above the limit is in the file, with sarama's overhead of 36 bytes and the key counted.
func TestTooLarge(t *testing.T) {
	f := func(yaml string, sizes []int, seen, buried string) {
		t.Helper()
		c, h := newTestClient(t, yaml)
		before := deadLetter.Get()
		var events []beat.Event
		for i, size := range sizes {
			events = append(events, event(t, string(rune('a'+i)), size))
		}
		if got := publish(t, c, events...); got != "ack" {
			t.Errorf("got %s", got)
		}
		var want []string
		for _, id := range strings.Split(buried, "") {
			want = append(want, id+":message_too_large")
		}
		if got := letters(t, c); h.seen != seen || buried != "" && got != strings.Join(want, " ") || buried == "" && got != "" {
			t.Errorf("%s %d: got %q sent, letters %s", yaml, sizes, h.seen, got)
		}
		if n := deadLetter.Get() - before; int(n) != len(buried) {
			t.Errorf("%s %d: counted %d", yaml, sizes, n)
		}
	}
	f("topic: t", []int{200, 0, 999_964}, "abc", "")
	f("topic: t", []int{200, 999_965, 999_964}, "ac", "b")
	f("topic: t", []int{1 << 20, 2 << 20}, "", "ab")
	f("topic: t", []int{1 << 20, 200, 2 << 20, 300}, "bd", "ac")
	f("{topic: t, max_message_bytes: 2000}", []int{1964, 1965}, "a", "b")
	f("{topic: t, max_message_bytes: 2000, key: 12345}", []int{1959, 1960}, "a", "b")
	f("{topic: t, max_message_bytes: 20000, key: '%{[message]}'}", []int{9500, 11000}, "a", "b") // the key is long too
	f("{topic: t, max_message_bytes: 2000, key: '%{[none]}'}", []int{1964, 1965}, "a", "b")      // libbeat sends it without a key
	f("{topic: t, max_message_bytes: 2000, codec.format.string: '%{[message]}'}", []int{2000, 2200}, "a", "b")
	f("{topic: t, max_message_bytes: 2000, codec.format.string: '%{[message]}%{[message]}'}", []int{900, 1200}, "a", "b")
	f("{topic: t, max_message_bytes: 2000, codec.json.pretty: true}", []int{1900, 1964}, "a", "b")
}

func TestLetter(t *testing.T) {
	c, _ := newTestClient(t, "{topic: logs, max_message_bytes: 100}")
	publish(t, c, event(t, "a", 0))
	text, err := os.ReadFile(c.file.Path)
	want := `{"@timestamp":"2024-05-17T12:00:00.000001Z","message":"{\"@timestamp\":\"2024-05-17T12:00:00.000Z\",\"@metadata\":` +
		`{\"beat\":\"podbeat\",\"type\":\"_doc\",\"version\":\"0.1.0\",\"_id\":\"a\"},\"message\":\"\"}",` +
		`"error":{"type":"message_too_large","message":"163 bytes are above max_message_bytes, 100"},"event":{"id":"a"},"kafka":{"topic":"logs"}}` + "\n"
	if string(text) != want {
		t.Errorf("got %s %v, want %s", text, err, want)
	}
}

// libbeat's client drops what has no topic or no encoding too. When nothing has, it is held.
func TestNotSendable(t *testing.T) {
	f := func(yaml, fields, settled, seen, buried string) {
		t.Helper()
		c, h := newTestClient(t, yaml)
		var events []beat.Event
		for i, field := range strings.Fields(fields) {
			ev := event(t, string(rune('a'+i)), 0)
			maps.Copy(ev.Fields, common.MapStr{"x": map[string]any{"is": "is", "chan": make(chan int)}[field], field: field})
			events = append(events, ev)
		}
		if got := publish(t, c, events...); got != settled || h.seen != seen || letters(t, c) != buried {
			t.Errorf("%s: got %s, %q sent, letters %s", yaml, got, h.seen, letters(t, c))
		}
	}
	f("topic: '%{[is]}'", "is not is", "ack", "ac", "b:not_sendable")
	f("topic: '%{[is]}'", "not not", "cancelled ab", "", "")
	f("{topic: t, codec.format.string: '%{[is]}'}", "is not is", "ack", "ac", "b:not_sendable")
	f("{topic: t, codec.format.string: '%{[is]}'}", "not", "cancelled a", "", "")
	f("topic: t", "is chan", "ack", "a", "b:not_sendable")
}

// Whatever libbeat's client does with the rest, events with a letter do not come back, and no event is lost.
func TestSettled(t *testing.T) {
	f := func(settle func(publisher.Batch), want string) {
		t.Helper()
		c, h := newTestClient(t, "topic: t")
		h.settle = settle
		if got := publish(t, c, event(t, "a", 0), event(t, "b", 1<<20), event(t, "c", 0)); got != want || h.seen != "ac" {
			t.Errorf("got %s, want %s; sent %s", got, want, h.seen)
		}
	}
	f(publisher.Batch.ACK, "ack")
	f(publisher.Batch.Drop, "drop")
	f(publisher.Batch.Retry, "retry ac")
	f(publisher.Batch.Cancelled, "cancelled ac")
	f(func(b publisher.Batch) { b.RetryEvents(b.Events()[1:]) }, "retry c")
	f(func(b publisher.Batch) { b.CancelledEvents(b.Events()[:1]) }, "cancelled a")
}

func TestFileBroken(t *testing.T) {
	c, h := newTestClient(t, "topic: t")
	if err := os.Mkdir(c.file.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	before := deadLetter.Get()
	if got := publish(t, c, event(t, "a", 0), event(t, "b", 1<<20)); got != "cancelled ab" || h.seen != "" || deadLetter.Get() != before {
		t.Errorf("got %s, sent %q", got, h.seen)
	}
	if err := os.Remove(c.file.Path); err != nil {
		t.Fatal(err)
	}
	if got := publish(t, c, event(t, "a", 0), event(t, "b", 1<<20)); got != "ack" || h.seen != "a" || letters(t, c) != "b:message_too_large" {
		t.Errorf("got %s, sent %q, letters %s", got, h.seen, letters(t, c))
	}
}

// Close ends the wait for a broken file, whose events have been handed back by then.
func TestClose(t *testing.T) {
	c, h := newTestClient(t, "{topic: t, backoff: {init: 1h, max: 1h}}")
	if err := os.Mkdir(c.file.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	batch, back := outest.NewBatch(event(t, "a", 1<<20)), make(chan string, 1)
	batch.OnSignal = func(s outest.BatchSignal) { back <- ids(s.Events) }
	done := make(chan error)
	go func() { done <- c.Publish(context.Background(), batch) }()
	if got := <-back; got != "a" {
		t.Errorf("handed back %s", got)
	}
	if err := errors.Join(c.Close(), <-done, c.Close()); err != nil || h.closed != 2 {
		t.Error(err, h.closed)
	}
	if got := publish(t, c, event(t, "a", 0)); got != "cancelled all" || h.seen != "" {
		t.Errorf("after Close: got %s, sent %q", got, h.seen)
	}
}

// Without brokers nothing is acknowledged, though sarama soon answers with its circuit breaker only.
func TestBrokerAway(t *testing.T) {
	broker := sarama.NewMockBroker(t, 1)
	broker.SetHandlerByMap(map[string]sarama.MockResponse{
		"MetadataRequest": sarama.NewMockMetadataResponse(t).SetBroker(broker.Addr(), 1).SetLeader("t", 0, 1),
		"ProduceRequest":  sarama.NewMockProduceResponse(t).SetVersion(3),
	})
	cfg, err := common.NewConfigWithYAML(fmt.Appendf(nil,
		"{hosts: [%q], topic: t, backoff: {init: 1ms, max: 2ms}, metadata.retry: {max: 1, backoff: 1ms}}", broker.Addr()), "")
	if err != nil {
		t.Fatal(err)
	}
	group, err := outputs.Load(nil, testInfo, outputs.NewNilObserver(), "kafka", cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := group.Clients[0].(*client)
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	signals := make(chan outest.BatchSignal, 1)
	f := func(id string, tag outest.BatchSignalTag, back string) {
		t.Helper()
		batch := outest.NewBatch(event(t, id, 0))
		batch.OnSignal = func(s outest.BatchSignal) { signals <- s }
		if err := c.Publish(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if s := <-signals; s.Tag != tag || ids(s.Events) != back {
			t.Errorf("%s: got signal %d with %q", id, s.Tag, ids(s.Events))
		}
	}
	f("a", outest.BatchACK, "")
	broker.Close()
	for range 8 {
		f("b", outest.BatchRetryEvents, "b")
	}
}

// No event's JSON is longer than its bound, whatever is in it.
func FuzzBound(f *testing.F) {
	f.Add("message", "text", 1.5, int64(7), 3)
	f.Add("\x00<\xff", "\x01\x02\u2028\"", math.MaxFloat64, int64(math.MinInt64), 40)
	f.Add("", "", math.Inf(1), int64(0), 0)
	f.Fuzz(func(t *testing.T, k, v string, x float64, n int64, depth int) {
		var nested any = []any{v, x, n, nil, true, time.Unix(n, 0), []string{v, k}, common.MapStr{}, []any{}}
		for range min(max(depth, 0), 60) {
			nested = common.MapStr{k: nested, k + "1": []common.MapStr{{v: v}, nil}}
		}
		ev := beat.Event{Timestamp: time.Unix(n, 0), Meta: common.MapStr{"_id": v}, Fields: common.MapStr{k: v, k + "2": nested, k + "3": x}}
		for _, config := range []json.Config{{}, {Pretty: true, EscapeHTML: true}} {
			b, err := json.New("0.1.0", config).Encode("podbeat", &ev)
			if most := escaped*len("0.1.0podbeat") + eventBound(&ev); err == nil && len(b) > most {
				t.Errorf("%d bytes, bound %d: %.2000s", len(b), most, b)
			}
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	cfg := common.MustNewConfigFrom(map[string]any{"topic": "t"})
	c, err := newClient(&host{settle: func(publisher.Batch) {}}, testInfo, outputs.NewNilObserver(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	ev := beat.Event{Timestamp: time.Now(), Meta: common.MapStr{"_id": "0123456789abcdef-1"}, Fields: common.MapStr{"message": strings.Repeat("x", 500)}}
	for i := range 26 {
		_, _ = ev.PutValue(fmt.Sprintf("group%d.field%d", i%8, i), "a value of a field")
	}
	for name, check := range map[string]func(*publisher.Event){
		"check":  func(ev *publisher.Event) { c.check(ev) },
		"encode": func(ev *publisher.Event) { _, _ = c.codec.Encode(c.index, &ev.Content) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				check(&publisher.Event{Content: ev})
			}
		})
	}
}
