package kafka

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"reflect"
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

// load makes the output of these options, beside which it has short waits and a host.
func load(t *testing.T, yaml string) *client {
	t.Helper()
	cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]any{"backoff": map[string]any{"init": "1ms", "max": "2ms"}, "hosts": []string{"h"}} {
		if !cfg.HasField(name) {
			if err := cfg.Merge(map[string]any{name: value}); err != nil {
				t.Fatal(err)
			}
		}
	}
	group, err := outputs.Load(nil, testInfo, outputs.NewNilObserver(), "kafka", cfg)
	if err != nil {
		t.Fatal(err)
	}
	c := group.Clients[0].(*client)
	c.file.Path = filepath.Join(t.TempDir(), "letters")
	t.Cleanup(func() { c.Close() })
	return c
}

// A producer stands for sarama: it notes the events it gets, and says of each what outcome says; on errSilent nothing.
type producer struct {
	seen      string
	outcome   func(id string) error
	input     chan *sarama.ProducerMessage
	successes chan *sarama.ProducerMessage
	errors    chan *sarama.ProducerError
}

var errSilent = errors.New("silent")

func (p *producer) AsyncClose()                               { close(p.input) }
func (p *producer) Close() error                              { p.AsyncClose(); return nil }
func (p *producer) Input() chan<- *sarama.ProducerMessage     { return p.input }
func (p *producer) Successes() <-chan *sarama.ProducerMessage { return p.successes }
func (p *producer) Errors() <-chan *sarama.ProducerError      { return p.errors }

// with gives the client a producer.
func with(c *client, outcome func(id string) error) *producer {
	p := &producer{outcome: outcome, input: make(chan *sarama.ProducerMessage),
		successes: make(chan *sarama.ProducerMessage), errors: make(chan *sarama.ProducerError)}
	go func() { // until the client closes it
		for m := range p.input {
			id := id(&m.Metadata.(*message).event.Content)
			p.seen += id
			switch err := p.outcome(id); err {
			case nil:
				p.successes <- m
			case errSilent:
			default:
				p.errors <- &sarama.ProducerError{Msg: m, Err: err}
			}
		}
	}()
	c.producer = p
	return p
}

func taken(string) error { return nil }

func ids(events []publisher.Event) (s string) {
	for i := range events {
		s += id(&events[i].Content)
	}
	return s
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
		outest.BatchACK: "ack", outest.BatchRetryEvents: "retry ", outest.BatchCancelledEvents: "cancelled ",
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
			got = fmt.Sprintf("%v limit %d, batch %d, retry %d, sarama's %d, key %v, codec %T, %v", c, c.config.Producer.MaxMessageBytes,
				group.BatchSize, group.Retry, c.config.Producer.Retry.Max, c.key != nil, c.codec, c.config.Net.SASL.User)
			if want := filepath.Join(paths.Resolve(paths.Data, ""), "dead-letter.ndjson"); c.file.Path != want {
				t.Errorf("got file %s, want %s", c.file.Path, want)
			}
		}
		if got != want && !(err != nil && strings.Contains(got, want)) {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
	}
	f("{hosts: [h], topic: t}", "kafka(h) limit 1000000, batch 2048, retry 0, sarama's 3, key false, codec *json.Encoder, ")
	f("{hosts: [h], topic: t, max_message_bytes: 7, key: k, codec.format.string: x, max_retries: -1, username: u, password: p}",
		"kafka(h) limit 7, batch 2048, retry -1, sarama's 3, key true, codec *format.Encoder, u")
	f("{topic: t}", "missing required field")
	f("{hosts: [h]}", "topic")
}

// Another libbeat is refused in words, whatever it lacks.
func TestTake(t *testing.T) {
	f := func(v any, want string) {
		t.Helper()
		var hosts []string
		err := take(reflect.Indirect(reflect.ValueOf(v)), "hosts", &hosts)
		if got := fmt.Sprint(err, hosts); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(&struct{ hosts []string }{[]string{"a"}}, "<nil> [a]")
	f(&struct{ hosts string }{"a"}, "libbeat's struct { hosts string } has no hosts that is a []string")
	f(&struct{ host []string }{}, "libbeat's struct { host []string } has no hosts")
	f(7, "libbeat's int has no hosts")
}

// The partition is chosen as libbeat chooses it, and stays when an event is sent again.
func TestPartition(t *testing.T) {
	const partitions = 1000
	f := func(yaml string, ev beat.Event, want int32) {
		t.Helper()
		c := load(t, "{topic: t, "+yaml)
		p := c.config.Producer.Partitioner("t")
		event := publisher.Event{Content: ev}
		got := int32(-2)
		for range 3 { // the first time, libbeat's partitioner does not know how many there are
			m := &message{event: &event}
			c.prepare(m)
			n, err := p.Partition(&m.ProducerMessage, partitions)
			if err != nil || want >= 0 && n != want || got >= 0 && n != got || m.Metadata != m {
				t.Errorf("%s: got partition %d, %v, want %d, before it was %d", yaml, n, err, want, got)
			}
			got = n
			_, _ = event.Cache.Put("partition", *m.partition)
		}
	}
	sum := func(s string) int32 {
		h := fnv.New32a()
		h.Write([]byte(s))
		return int32(h.Sum32()&0x7fffffff) % partitions
	}
	ev := event(t, "a", 0)
	f("key: '%{[message]}x'}", ev, sum("x"))
	ev.Fields["app"] = "shop"
	f("partition.hash: {hash: [app], random: false}}", ev, sum("shop"))
	f("partition.random: {group_events: 1}}", ev, -1)
	f("partition.round_robin: {group_events: 1}}", ev, -1)
}

// mockBroker takes whatever it gets, and has the topic t.
func mockBroker(t *testing.T) *sarama.MockBroker {
	broker := sarama.NewMockBroker(t, 1)
	broker.SetHandlerByMap(map[string]sarama.MockResponse{
		"MetadataRequest": sarama.NewMockMetadataResponse(t).SetBroker(broker.Addr(), 1).SetLeader("t", 0, 1),
		"ProduceRequest":  sarama.NewMockProduceResponse(t).SetVersion(3),
	})
	return broker
}

// What sarama refuses, with its overhead of 36 bytes and the key counted, is in the file; the rest is sent.
func TestTooLarge(t *testing.T) {
	broker := mockBroker(t)
	defer broker.Close()
	f := func(yaml string, sizes []int, buried string) {
		t.Helper()
		c := load(t, fmt.Sprintf("{hosts: [%q], topic: t, %s}", broker.Addr(), yaml))
		if err := c.Connect(); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		before := deadLetter.Get()
		var events []beat.Event
		for i, size := range sizes {
			events = append(events, event(t, string(rune('a'+i)), size))
		}
		if got := publish(t, c, events...); got != "ack" {
			t.Errorf("got %s", got)
		}
		var want []string
		for _, id := range buried {
			want = append(want, string(id)+":message_too_large")
		}
		if got := letters(t, c); got != strings.Join(want, " ") {
			t.Errorf("%s %d: got letters %s", yaml, sizes, got)
		}
		if n := deadLetter.Get() - before; int(n) != len(buried) {
			t.Errorf("%s %d: counted %d", yaml, sizes, n)
		}
	}
	f("", []int{200, 0, 999_964}, "")
	f("", []int{200, 999_965, 999_964}, "b")
	f("", []int{1 << 20, 2 << 20}, "ab")
	f("", []int{1 << 20, 200, 2 << 20, 300, 1 << 20}, "ace")
	f("max_message_bytes: 2000", []int{1964, 1965}, "b")
	f("max_message_bytes: 2000, key: 12345", []int{1959, 1960}, "b")
	f("max_message_bytes: 20000, key: '%{[message]}'", []int{9500, 11000}, "b") // the key is long too
	f("max_message_bytes: 2000, key: '%{[none]}'", []int{1964, 1965}, "b")      // sent without a key
	f("max_message_bytes: 2000, codec.format.string: '%{[message]}'", []int{2000, 2200}, "b")
	f("max_message_bytes: 2000, codec.json.pretty: true", []int{1900, 1964}, "b")
}

// A broker refuses a request for what is in it, or for its size: each message is sent alone before it is given up.
func TestDeliver(t *testing.T) {
	f := func(messages string, most int, want string) {
		t.Helper()
		var ms []*message
		for _, r := range messages {
			ms = append(ms, &message{err: errUnsent, event: &publisher.Event{Content: event(t, string(r), 0)}})
		}
		sent := 0
		deliver(ms, func(ms []*message) {
			sent++
			text := ""
			for _, m := range ms {
				text += id(&m.event.Content)
			}
			for _, m := range ms {
				switch m.err = nil; {
				case strings.Contains(text, "X"):
					m.err = sarama.ErrInvalidMessage
				case len(text) > most:
					m.err = sarama.ErrMessageSizeTooLarge
				case id(&m.event.Content) == "e":
					m.err = sarama.ErrOutOfBrokers
				}
			}
		})
		got := fmt.Sprintf("%d requests:", sent)
		for _, m := range ms {
			if m.err != nil {
				got += fmt.Sprintf(" %s %s", id(&m.event.Content), m.kind)
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", messages, got, want)
		}
	}
	f("", 9, "0 requests:")
	f("abcd", 9, "1 requests:")
	f("abed", 9, "1 requests: e ")
	f("abcd", 1, "7 requests:")
	f("abcd", 2, "3 requests:")
	f("aXcd", 9, "5 requests: X invalid_message")
	f("X", 9, "1 requests: X invalid_message")
	f("ab", 0, "3 requests: a message_too_large b message_too_large")
}

func TestLetter(t *testing.T) {
	c := load(t, "topic: logs")
	with(c, func(string) error { return sarama.ErrMessageSizeTooLarge })
	publish(t, c, event(t, "a", 0))
	text, err := os.ReadFile(c.file.Path)
	want := `{"@timestamp":"2024-05-17T12:00:00.000001Z","message":"{\"@timestamp\":\"2024-05-17T12:00:00.000Z\",\"@metadata\":` +
		`{\"beat\":\"podbeat\",\"type\":\"_doc\",\"version\":\"0.1.0\",\"_id\":\"a\"},\"message\":\"\"}",` +
		`"error":{"type":"message_too_large","message":"127 bytes: ` + sarama.ErrMessageSizeTooLarge.Error() + `"},"event":{"id":"a"},"kafka":{"topic":"logs"}}` + "\n"
	if string(text) != want {
		t.Errorf("got %s %v, want %s", text, err, want)
	}
}

// What has no topic or no encoding is put aside. When nothing has been delivered yet, it is held.
func TestNotSendable(t *testing.T) {
	f := func(yaml, fields, settled, seen, buried string) {
		t.Helper()
		c := load(t, yaml)
		p := with(c, taken)
		var events []beat.Event
		for i, field := range strings.Fields(fields) {
			ev := event(t, string(rune('a'+i)), 0)
			maps.Copy(ev.Fields, common.MapStr{"x": map[string]any{"is": "is", "chan": make(chan int)}[field], field: field})
			events = append(events, ev)
		}
		if got := publish(t, c, events...); got != settled || p.seen != seen || letters(t, c) != buried {
			t.Errorf("%s: got %s, %q sent, letters %s", yaml, got, p.seen, letters(t, c))
		}
	}
	f("topic: '%{[is]}'", "is not is", "ack", "ac", "b:not_sendable")
	f("topic: '%{[is]}'", "not not", "retry ab", "", "")
	f("topic: 'logs-%{[x]}'", "is not is", "ack", "ac", "b:not_sendable")
	f("topic: 'logs/%{[message]}'", "is", "retry a", "", "")
	f("topic: '%{[x]}'", "is .. is", "ack", "ac", "b:not_sendable")
	f("{topic: t, codec.format.string: '%{[is]}'}", "is not is", "ack", "ac", "b:not_sendable")
	f("{topic: t, codec.format.string: '%{[is]}'}", "not", "retry a", "", "")
	f("topic: t", "is chan", "ack", "a", "b:not_sendable")
}

// Each event ends in one place, whatever Kafka says of it, and has a time that Kafka can have.
func TestSettled(t *testing.T) {
	f := func(answers map[string]error, want, buried string) {
		t.Helper()
		c := load(t, "topic: t")
		with(c, func(id string) error { return answers[id] })
		old := event(t, "c", 0)
		old.Timestamp = time.Unix(-1, 0)
		if m := (&message{event: &publisher.Event{Content: old}}); !c.prepare(m) || !m.Timestamp.IsZero() {
			t.Errorf("got time %v", m.Timestamp)
		}
		if got := publish(t, c, event(t, "a", 0), event(t, "b", 0), old); got != want || letters(t, c) != buried {
			t.Errorf("got %s, want %s; letters %s", got, want, letters(t, c))
		}
	}
	f(nil, "ack", "")
	f(map[string]error{"b": sarama.ErrOutOfBrokers}, "retry b", "")
	f(map[string]error{"a": sarama.ErrUnknownTopicOrPartition, "b": sarama.ErrMessageSizeTooLarge}, "retry a", "b:message_too_large")
	f(map[string]error{"a": sarama.ErrInvalidMessage, "b": sarama.KError(87)}, "ack", "a:invalid_message b:invalid_message")
	f(map[string]error{"a": sarama.ErrInvalidMessage, "b": sarama.KError(32), "c": sarama.ErrNotEnoughReplicas}, "retry cab", "") // Kafka has taken none
	f(map[string]error{"c": sarama.PacketEncodingError{}}, "ack", "c:invalid_message")
}

func TestFileBroken(t *testing.T) {
	c := load(t, "topic: t")
	p := with(c, func(id string) error { return map[string]error{"b": sarama.ErrMessageSizeTooLarge}[id] })
	if err := os.Mkdir(c.file.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	before := deadLetter.Get()
	if got := publish(t, c, event(t, "a", 0), event(t, "b", 0)); got != "retry b" || p.seen != "abb" || deadLetter.Get() != before {
		t.Errorf("got %s, sent %q", got, p.seen)
	}
	if err := os.Remove(c.file.Path); err != nil {
		t.Fatal(err)
	}
	if got := publish(t, c, event(t, "b", 0)); got != "ack" || letters(t, c) != "b:message_too_large" || deadLetter.Get() != before+1 {
		t.Errorf("got %s, letters %s", got, letters(t, c))
	}
}

// Close ends the wait for Kafka, which is silent or away; the events are handed back.
func TestClose(t *testing.T) {
	f := func(yaml string, answer error, want string) {
		t.Helper()
		c := load(t, yaml)
		asked := make(chan string, 9)
		with(c, func(id string) error { asked <- id; return answer })
		batch, back := outest.NewBatch(event(t, "a", 0)), make(chan string, 1)
		batch.OnSignal = func(s outest.BatchSignal) { back <- fmt.Sprint(s.Tag, ids(s.Events)) }
		done := make(chan error)
		go func() { done <- c.Publish(context.Background(), batch) }()
		<-asked
		if answer != errSilent { // it is the wait that Close has to end
			back <- <-back
		}
		if err := errors.Join(c.Close(), <-done, c.Close()); err != nil {
			t.Error(err)
		}
		if got := <-back; got != want {
			t.Errorf("handed back %s, want %s", got, want)
		}
		if got := publish(t, c, event(t, "b", 0)); got != "cancelled b" || len(asked) > 0 {
			t.Errorf("after Close: got %s, %d more sent", got, len(asked))
		}
	}
	f("{topic: t, backoff: {init: 1h, max: 1h}}", errSilent, fmt.Sprint(outest.BatchCancelledEvents, "a"))
	f("{topic: t, backoff: {init: 1h, max: 1h}}", sarama.ErrOutOfBrokers, fmt.Sprint(outest.BatchRetryEvents, "a"))
}

// Without brokers nothing is acknowledged, though sarama soon answers with its circuit breaker only.
func TestBrokerAway(t *testing.T) {
	broker := mockBroker(t)
	c := load(t, fmt.Sprintf("{hosts: [%q], topic: t, metadata.retry: {max: 1, backoff: 1ms}}", broker.Addr()))
	if err := c.Connect(); err != nil {
		t.Fatal(err)
	}
	if got := publish(t, c, event(t, "a", 0)); got != "ack" {
		t.Errorf("got %s", got)
	}
	broker.Close()
	for range 8 {
		if got := publish(t, c, event(t, "b", 0)); got != "retry b" {
			t.Errorf("got %s", got)
		}
	}
	c = load(t, fmt.Sprintf("{hosts: [%q], topic: t, metadata: {full: true, retry.max: 0}}", broker.Addr()))
	if err := c.Connect(); err == nil || c.failures != 1 {
		t.Error("connected to nothing")
	}
}
