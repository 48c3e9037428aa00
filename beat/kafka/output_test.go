package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/outputs"
	_ "github.com/elastic/beats/v7/libbeat/outputs/codec/format"
	"github.com/elastic/beats/v7/libbeat/outputs/outest"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/beat/encode"
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

// A fake stands for Kafka: topics of one partition, and outcome says what becomes of each message. It notes the ids of
// those that it has taken, and of each request whose it was and the first number.
type fake struct {
	sync.Mutex
	outcome  func(id string) error
	refuse   func(ids string) error // instead
	taken    string
	requests []string
	names    int                // identities given
	unknown  map[string][]error // what it says of topics, in turn
	nameless error
	asked    chan<- string // told before produce waits for silent
	silent   chan struct{}
}

func (f *fake) Close() error { return nil }

func (f *fake) partitions(topic string, _ bool) ([]int32, error) {
	return []int32{0}, first(f.unknown)(topic)
}

func (f *fake) identify() (identity, error) {
	f.names++
	return identity{int64(f.names), 0}, f.nameless
}

func (f *fake) produce(chunks []*chunk) {
	if f.silent != nil {
		f.asked <- ""
		<-f.silent
	}
	f.Lock()
	defer f.Unlock()
	for _, c := range chunks {
		c.err = nil
		ids := ""
		for _, m := range c.messages {
			ids += id(&m.event.Content)
			if f.refuse == nil {
				c.err = cmp.Or(c.err, f.outcome(id(&m.event.Content)))
			}
		}
		if f.refuse != nil {
			c.err = f.refuse(ids)
		}
		if c.err == nil {
			f.taken += ids
		}
		f.requests = append(f.requests, fmt.Sprintf("%s/%d:%d", ids, c.by.id, c.sequence))
	}
}

// with gives the client a Kafka of these outcomes.
func with(c *client, outcome func(id string) error) *fake {
	f := &fake{outcome: outcome}
	c.cluster = f
	return f
}

// first are outcomes that an id has in turn, and then none.
func first(outcomes map[string][]error) func(id string) error {
	return func(id string) error {
		left := outcomes[id]
		if len(left) == 0 {
			return nil
		}
		outcomes[id] = left[1:]
		return left[0]
	}
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
		b, err := encode.Encoder{}.Message(nil, &ev, testInfo.IndexPrefix, testInfo.Version)
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

// The dead-letter file is looked at while the output is in use: neither when it is only tried, nor after it is closed.
func TestDeadLetterFileInUse(t *testing.T) {
	before := paths.Paths.Data
	defer func() { paths.Paths.Data = before }()
	paths.Paths.Data = filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(paths.Paths.Data, nil, 0o600); err != nil { // below which nothing can be made
		t.Fatal(err)
	}
	f := func(what string, observer outputs.Observer, yaml string, wantInUse int) {
		t.Helper()
		group, err := makeOutput(nil, testInfo, observer, common.MustNewConfigFrom(yaml))
		if (err != nil) != (what == "not made") {
			t.Errorf("%s: %v", what, err)
		}
		if err == nil {
			if got := len(deadletter.Unwritable()); got != wantInUse {
				t.Errorf("%s: %d files in use, want %d", what, got, wantInUse)
			}
			_ = group.Clients[0].Close()
		}
		if got := len(deadletter.Unwritable()); got != 0 {
			t.Errorf("%s: %d files in use afterwards", what, got)
		}
	}
	counting := outputs.NewStats(monitoring.NewRegistry())
	f("in use", counting, "{hosts: [h], topic: t}", 1)
	f("tried", outputs.NewNilObserver(), "{hosts: [h], topic: t}", 0)
	f("not made", counting, "{hosts: [h], topic: t, version: 0.10.0}", 0)
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
			got = fmt.Sprintf("%v limit %d, batch %d, retry %d, key %v, codec %T, acks %d %v, %v", c, c.config.Producer.MaxMessageBytes,
				group.BatchSize, group.Retry, c.key != nil, c.codec, c.config.Producer.RequiredAcks, c.idempotent, c.config.Net.SASL.User)
			if want := filepath.Join(paths.Resolve(paths.Data, ""), "dead-letter.ndjson"); c.file.Path != want {
				t.Errorf("got file %s, want %s", c.file.Path, want)
			}
		}
		if got != want && !(err != nil && strings.Contains(got, want)) {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
	}
	f("{hosts: [h]}", "kafka(h) limit 1000000, batch 2048, retry 0, key false, codec *json.Encoder, acks -1 true, ")
	f("{hosts: [h], topic: t, max_message_bytes: 7, key: k, codec.format.string: x, max_retries: -1, username: u, password: p, required_acks: 1, headers: [{key: a, value: b}]}",
		"kafka(h) limit 7, batch 2048, retry -1, key true, codec *format.Encoder, acks 1 false, u")
	f("{topic: t}", "kafka output: missing required field")
	f("{hosts: [h], topics: [{topic: x, when.equals.a: b}], partition.round_robin.group_events: 5, ssl.enabled: false, sasl.mechanism: PLAIN, worker: 1, channel_buffer_size: 1, bulk_flush_frequency: 1s}",
		"kafka(h) limit 1000000, batch 2048, retry 0, key false, codec *json.Encoder, acks -1 true, ")
	f("{hosts: [h], topik: t}", `kafka output: unknown option "topik", did you mean "topic"?`)
	f("{hosts: [h], headers: [{value: b}]}", "kafka output: a header has no key")
	f("{hosts: [h], version: 0.10.2.1}", `kafka output: option "version" must be 0.11 or later, not 0.10.2.1`)
	f("{hosts: [h], required_acks: -2}", "kafka output: ")
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

// mockBroker takes whatever it gets, and has the topic t.
func mockBroker(t *testing.T) *sarama.MockBroker {
	broker := sarama.NewMockBroker(t, 1)
	broker.SetHandlerByMap(map[string]sarama.MockResponse{
		"MetadataRequest": sarama.NewMockMetadataResponse(t).SetBroker(broker.Addr(), 1).SetLeader("t", 0, 1),
		"ProduceRequest":  sarama.NewMockProduceResponse(t).SetVersion(3),
	})
	return broker
}

// What is too large, with what a record has beside its key, value and headers, is in the file; the rest is sent.
func TestTooLarge(t *testing.T) {
	broker := mockBroker(t)
	defer broker.Close()
	f := func(yaml string, sizes []int, buried string) {
		t.Helper()
		c := load(t, fmt.Sprintf("{hosts: [%q], topic: t, required_acks: 1, %s}", broker.Addr(), yaml))
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
	const most = 1_000_000 - overhead - len("content-typeapplication/json") - 10 - len("ida") - 10
	f("", []int{200, 0, most}, "")
	f("", []int{200, most + 1, most}, "b")
	f("", []int{1 << 20, 2 << 20}, "ab")
	f("", []int{1 << 20, 200, 2 << 20, 300, 1 << 20}, "ace")
	const less = most - 1_000_000 + 2000
	f("max_message_bytes: 2000", []int{less, less + 1}, "b")
	f("max_message_bytes: 2000, key: 12345", []int{less - 5, less - 4}, "b")
	f("max_message_bytes: 2000, headers: [{key: abc, value: de}]", []int{less - 15, less - 14}, "b")
	f("max_message_bytes: 20000, key: '%{[message]}'", []int{9500, 11000}, "b") // the key is long too
	f("max_message_bytes: 2000, key: '%{[none]}'", []int{less, less + 1}, "b")  // sent without a key
	f("max_message_bytes: 2000, codec.format.string: '%{[message]}'", []int{2000, 2200}, "b")
	f("max_message_bytes: 2000, codec.json.pretty: true", []int{1850, 1964}, "b")
}

// A broker refuses a request for what is in it, or for its size: each message is sent alone before it is given up. The
// numbers go on after what it has taken, and only after that.
func TestHalves(t *testing.T) {
	f := func(messages string, most int, want, buried string) {
		t.Helper()
		c := load(t, "{}")
		c.proven = true
		k := with(c, nil)
		k.refuse = func(ids string) error {
			switch {
			case strings.Contains(ids, "X"):
				return sarama.ErrInvalidMessage
			case len(ids) > most:
				return sarama.ErrMessageSizeTooLarge
			}
			return nil
		}
		var events []beat.Event
		for _, r := range messages {
			events = append(events, event(t, string(r), 0))
		}
		before := split.Get()
		if got := publish(t, c, events...); got != "ack" {
			t.Errorf("%s: got %s", messages, got)
		}
		if got := strings.Join(k.requests, " "); got != want || letters(t, c) != buried {
			t.Errorf("%s: got %s, letters %s, want %s, %s", messages, got, letters(t, c), want, buried)
		}
		refused := 0
		for _, r := range k.requests {
			ids, _, _ := strings.Cut(r, "/")
			if k.refuse(ids) != nil && len(ids) > 1 {
				refused++
			}
		}
		if n := int(split.Get() - before); n != refused {
			t.Errorf("%s: %d requests were split, counted %d", messages, refused, n)
		}
	}
	f("", 9, "", "")
	f("abcd", 9, "abcd/1:0", "")
	f("abcd", 1, "abcd/1:0 ab/1:0 a/1:0 bc/1:1 b/1:1 cd/1:2 c/1:2 d/1:3", "")
	f("abcd", 2, "abcd/1:0 ab/1:0 cd/1:2", "")
	f("aXcd", 9, "aXcd/1:0 aX/1:0 a/1:0 Xc/1:1 X/1:1 c/1:1 d/1:2", "X:invalid_message")
	f("X", 9, "X/1:0", "X:invalid_message")
	f("ab", 0, "ab/1:0 a/1:0 b/1:0", "a:message_too_large b:message_too_large")
}

func TestLetter(t *testing.T) {
	c := load(t, "topic: logs")
	with(c, func(string) error { return sarama.ErrMessageSizeTooLarge })
	ev := event(t, "a", 0)
	told := 0
	ev.Private = noted(func() { told++ })
	publish(t, c, ev)
	text, err := os.ReadFile(c.file.Path)
	want := `{"@timestamp":"2024-05-17T12:00:00.000001Z","message":"{\"@timestamp\":\"2024-05-17T12:00:00.000001Z\",\"@metadata\":` +
		`{\"beat\":\"podbeat\",\"type\":\"_doc\",\"version\":\"0.1.0\",\"_id\":\"a\"},\"message\":\"\"}",` +
		`"error":{"type":"message_too_large","message":"217 bytes: ` + sarama.ErrMessageSizeTooLarge.Error() + `"},"event":{"id":"a"},"kafka":{"topic":"logs"}}` + "\n"
	if string(text) != want || told != 1 {
		t.Errorf("got %s %v, want %s; the event was told of it %d times", text, err, want, told)
	}
}

type noted func()

func (n noted) DeadLettered() { n() }

// What has no topic or no encoding is put aside. When nothing has been delivered yet, it is held.
func TestNotSendable(t *testing.T) {
	f := func(yaml, fields, settled, seen, buried string) {
		t.Helper()
		c := load(t, yaml)
		k := with(c, taken)
		var events []beat.Event
		for i, field := range strings.Fields(fields) {
			ev := event(t, string(rune('a'+i)), 0)
			maps.Copy(ev.Fields, common.MapStr{"x": map[string]any{"is": "is", "chan": make(chan int)}[field], field: field})
			events = append(events, ev)
		}
		if got := publish(t, c, events...); got != settled || k.taken != seen || letters(t, c) != buried {
			t.Errorf("%s: got %s, %q sent, letters %s", yaml, got, k.taken, letters(t, c))
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

// Each event ends in one place, whatever Kafka says of it, and nothing overtakes what has to be sent again.
func TestSettled(t *testing.T) {
	f := func(answers map[string][]error, want, taken, buried string) {
		t.Helper()
		c := load(t, "topic: t")
		k := with(c, first(answers))
		if got := publish(t, c, event(t, "a", 0), event(t, "b", 0), event(t, "c", 0)); got != want || letters(t, c) != buried || k.taken != taken {
			t.Errorf("got %s, want %s; letters %s, want %s; taken %s, want %s", got, want, letters(t, c), buried, k.taken, taken)
		}
	}
	away, long, bad := sarama.ErrOutOfBrokers, sarama.ErrMessageSizeTooLarge, sarama.ErrInvalidMessage
	f(nil, "ack", "abc", "")
	f(map[string][]error{"b": {away, away, sarama.ErrNotEnoughReplicasAfterAppend}}, "ack", "abc", "")
	f(map[string][]error{"a": {away, errors.New("i/o timeout")}, "b": {long, long, long}}, "ack", "abc", "") // as one after the other
	f(map[string][]error{"a": {bad, bad, bad, bad}, "b": {sarama.KError(87), sarama.KError(87), sarama.KError(87), sarama.KError(87)}}, "ack", "c", "a:invalid_message b:invalid_message")
	f(map[string][]error{"c": {sarama.PacketEncodingError{}, sarama.PacketEncodingError{}, sarama.PacketEncodingError{}}}, "ack", "ab", "c:invalid_message")
	endless := make([]error, 99)
	for i := range endless {
		endless[i] = sarama.KError(32)
	}
	f(map[string][]error{"a": endless, "b": endless, "c": endless}, "retry abc", "", "") // Kafka has taken none
}

// A chunk of which nobody knows whether Kafka has it is sent again as it was, by the same producer and with the same
// numbers. Who is forgotten begins anew.
func TestIdentity(t *testing.T) {
	f := func(yaml string, nameless error, answers map[string][]error, want string) {
		t.Helper()
		c := load(t, yaml)
		k := with(c, first(answers))
		k.nameless = nameless
		for _, ids := range []string{"ab", "cd"} {
			if got := publish(t, c, event(t, ids[:1], 0), event(t, ids[1:], 0)); got != "ack" {
				t.Errorf("got %s", got)
			}
		}
		if got := strings.Join(k.requests, " "); got != want {
			t.Errorf("%s: got %s, want %s", yaml, got, want)
		}
	}
	lost, forgotten := errors.New("i/o timeout"), sarama.ErrOutOfOrderSequenceNumber
	f("{}", nil, nil, "ab/1:0 cd/1:2")
	f("{}", nil, map[string][]error{"c": {lost, lost}}, "ab/1:0 cd/1:2 cd/1:2 cd/1:2")
	f("{}", nil, map[string][]error{"c": {lost, forgotten}}, "ab/1:0 cd/1:2 cd/1:2 cd/2:0")
	f("{}", nil, map[string][]error{"a": {sarama.ErrUnknownProducerID}, "d": {sarama.ErrInvalidProducerEpoch}}, "ab/1:0 ab/2:0 cd/2:2 cd/3:0")
	f("{}", sarama.ErrClusterAuthorizationFailed, map[string][]error{"c": {lost}}, "ab/-1:-1 cd/-1:-1 cd/-1:-1")
	f("{required_acks: 1}", nil, nil, "ab/-1:-1 cd/-1:-1")

	c := load(t, "{}")
	c.sequences[slot{"logstash-journal", 0}] = math.MaxInt32 - 1
	c.by = identity{7, 0}
	k := with(c, taken)
	publish(t, c, event(t, "a", 0), event(t, "b", 0), event(t, "c", 0))
	if publish(t, c, event(t, "d", 0)); strings.Join(k.requests, " ") != "abc/7:2147483646 d/7:1" {
		t.Errorf("got %s", k.requests)
	}
}

// Who is forgotten in one partition begins anew in all of them, in whatever order their answers are looked at. What another
// partition may have is sent again as it was all the same.
func TestIdentityOfSeveral(t *testing.T) {
	f := func(of map[string][]error, want string) {
		t.Helper()
		for range 20 {
			c := load(t, "topic: '%{[topic]}'")
			k := with(c, first(maps.Clone(of)))
			of := func(id, topic string) beat.Event {
				ev := event(t, id, 0)
				ev.Fields["topic"] = topic
				return ev
			}
			publish(t, c, of("a", "x"), of("b", "y"))
			publish(t, c, of("c", "x"), of("d", "y"))
			slices.Sort(k.requests)
			if got := strings.Join(k.requests, " "); got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		}
	}
	lost, forgotten := errors.New("i/o timeout"), sarama.ErrOutOfOrderSequenceNumber
	f(map[string][]error{"a": {forgotten}}, "a/1:0 a/2:0 b/1:0 c/2:1 d/2:0")
	f(map[string][]error{"a": {forgotten}, "b": {lost}}, "a/1:0 a/2:0 b/1:0 b/1:0 c/2:1 d/2:0")
	f(map[string][]error{"a": {forgotten}, "b": {lost, forgotten}}, "a/1:0 a/2:0 b/1:0 b/1:0 b/2:0 c/2:1 d/2:1")
}

// Topics of which nothing can be told wait, in their order, and hold up no others of the batch.
func TestTopicAway(t *testing.T) {
	c := load(t, "topic: '%{[topic]}'")
	k := with(c, taken)
	k.unknown = map[string][]error{"x": {sarama.ErrUnknownTopicOrPartition, sarama.ErrUnknownTopicOrPartition}}
	var events []beat.Event
	for i, topic := range []string{"x", "y", "x", "y"} {
		ev := event(t, string(rune('a'+i)), 0)
		ev.Fields["topic"] = topic
		events = append(events, ev)
	}
	if got := publish(t, c, events...); got != "ack" || k.taken != "bdac" {
		t.Errorf("got %s, taken %s", got, k.taken)
	}
}

func TestFileBroken(t *testing.T) {
	c := load(t, "topic: t")
	with(c, func(id string) error { return map[string]error{"b": sarama.ErrMessageSizeTooLarge}[id] })
	if err := os.Mkdir(c.file.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	before := deadLetter.Get()
	if got := publish(t, c, event(t, "a", 0), event(t, "b", 0)); got != "retry b" || deadLetter.Get() != before {
		t.Errorf("got %s", got)
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
	f := func(silent bool, answer error) {
		t.Helper()
		c := load(t, "{topic: t, backoff: {init: 1h, max: 1h}}")
		asked := make(chan string, 9)
		k := with(c, func(id string) error { asked <- id; return answer })
		if silent {
			k.silent = make(chan struct{})
			defer close(k.silent)
			k.asked = asked
		}
		batch, back := outest.NewBatch(event(t, "a", 0)), make(chan string, 1)
		batch.OnSignal = func(s outest.BatchSignal) { back <- fmt.Sprint(s.Tag, ids(s.Events)) }
		done := make(chan error)
		go func() { done <- c.Publish(context.Background(), batch) }()
		<-asked
		if err := errors.Join(c.Close(), <-done, c.Close()); err != nil {
			t.Error(err)
		}
		if got, want := <-back, fmt.Sprint(outest.BatchCancelledEvents, "a"); got != want {
			t.Errorf("handed back %s, want %s", got, want)
		}
		if got := publish(t, c, event(t, "b", 0)); got != "cancelled b" || len(asked) > 0 {
			t.Errorf("after Close: got %s, %d more sent", got, len(asked))
		}
	}
	f(true, nil)
	f(false, sarama.ErrOutOfBrokers)
}
