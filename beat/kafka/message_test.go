package kafka

import (
	"fmt"
	"hash/fnv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/publisher"
)

// The partition is chosen as libbeat chooses it, and stays when an event is sent again.
func TestPartition(t *testing.T) {
	ids := make([]int32, 1000)
	for i := range ids {
		ids[i] = int32(i) + 5000
	}
	f := func(yaml string, ev beat.Event, want int32) {
		t.Helper()
		c := load(t, "{topic: t, "+yaml)
		s := &shipment{client: c, queues: map[slot]*queue{}}
		event := publisher.Event{Content: ev}
		got := int32(-2)
		for range 3 { // the first time, libbeat's partitioner does not know how many there are
			m := &message{event: &event}
			c.prepare(m)
			s.enqueue(m, ids)
			n := m.slot.partition - ids[0]
			if m.kind != "" || want >= 0 && n != want || got >= 0 && n != got || n < 0 || len(s.queues[m.slot].waiting) == 0 {
				t.Errorf("%s: got partition %d, %v, want %d, before it was %d", yaml, n, m.err, want, got)
			}
			got = n
			_, _ = event.Cache.Put("partition", n)
		}
	}
	sum := func(s string) int32 {
		h := fnv.New32a()
		h.Write([]byte(s))
		return int32(h.Sum32()&0x7fffffff) % int32(len(ids))
	}
	ev := event(t, "a", 0)
	f("key: '%{[message]}x'}", ev, sum("x"))
	ev.Fields["app"] = "shop"
	f("partition.hash: {hash: [app], random: false}}", ev, sum("shop"))
	f("partition.random: {group_events: 1}}", ev, -1)
	f("partition.round_robin: {group_events: 1}}", ev, -1)
	ev.Fields["host"] = common.MapStr{"name": "node-1"}
	f("partition.hash: {}}", ev, sum("node-1"))
}

// The key is what an event is from.
func TestKey(t *testing.T) {
	f := func(yaml string, fields common.MapStr, want string) {
		t.Helper()
		c := load(t, yaml)
		if got := c.keyOf(&beat.Event{Fields: fields}); string(got) != want || (got == nil) != (want == "") {
			t.Errorf("%s %v: got %q, want %q", yaml, fields, got, want)
		}
	}
	m := func(pairs ...string) common.MapStr {
		fields := common.MapStr{}
		for i := 0; i < len(pairs); i += 2 {
			_, _ = fields.Put(pairs[i], pairs[i+1])
		}
		return fields
	}
	f("{}", m("kubernetes.pod.uid", "uid", "log.file.path", "/x", "host.name", "h"), "uid")
	f("{}", m("log.file.path", "/x", "host.name", "h", "container.id", "c"), "h:/x")
	f("{}", m("log.file.path", "/x"), ":/x")
	f("{}", m("container.id", "c", "host.name", "h", "systemd.unit", "u"), "c")
	f("{}", m("host.name", "h", "systemd.unit", "u"), "h:u")
	f("{}", m("host.name", "h"), "h")
	f("{}", m(), "")
	f("{}", common.MapStr{"kubernetes": "x", "host": common.MapStr{"name": 5}, "container": nil}, "")
	f("{key: '%{[a]}'}", m("a", "b", "host.name", "h"), "b")
	f("{key: '%{[a]}'}", m("host.name", "h"), "")
}

// What is in a record, and how long it is.
func TestPrepare(t *testing.T) {
	f := func(yaml string, ev beat.Event, want string) {
		t.Helper()
		c := load(t, yaml)
		m := &message{event: &publisher.Event{Content: ev}}
		c.prepare(m)
		got := m.slot.topic + " " + m.at.UTC().Format(time.RFC3339Nano) + " " + string(m.record.Value)
		size := overhead + len(m.record.Value) + len(m.record.Key)
		for _, h := range m.record.Headers {
			got += fmt.Sprintf(" %s=%s", h.Key, h.Value)
			size += len(h.Key) + len(h.Value) + 10
		}
		if got != want || m.kind != "" || m.size != size {
			t.Errorf("%s: got %s (%v), %d bytes, want %s, %d", yaml, got, m.err, m.size, want, size)
		}
	}
	ev := event(t, "a", 0)
	const at, value = "2024-05-17T12:00:00Z ", `{"@timestamp":"2024-05-17T12:00:00.000001Z","@metadata":{"beat":"podbeat","type":"_doc","version":"0.1.0","_id":"a"},"message":""}`
	const theirs = `{"@timestamp":"2024-05-17T12:00:00.000Z","@metadata":{"beat":"podbeat","type":"_doc","version":"0.1.0","_id":"a"},"message":""}`
	f("{}", ev, "logstash-journal "+at+value+" content-type=application/json id=a")
	f("{topic: t, headers: [{key: a, value: b}, {key: a, value: ''}]}", ev, "t "+at+value+" a=b a= content-type=application/json id=a")
	f("{topic: t, headers: [{key: id, value: x}, {key: content-type, value: z}]}", ev, "t "+at+value+" id=x content-type=z")
	f("{topic: t, codec.json: {}}", ev, "t "+at+theirs+" content-type=application/json id=a")
	f("{topic: t, codec.format.string: '%{[@metadata._id]}!'}", ev, "t "+at+"a! id=a")
	ev.Fields["kind"] = "x"
	delete(ev.Fields, "message")
	f("{topics: [{topic: 'x-%{[kind]}', when.equals.kind: x}], codec.format.string: v}", ev, "x-x "+at+"v id=a")
	f("{topics: [{topic: 'x-%{[kind]}', when.equals.kind: y}], codec.format.string: v}", ev, "logstash-journal "+at+"v id=a")
	ev.Meta = nil
	f("{topic: t, codec.format.string: v}", ev, "t "+at+"v")

	old := event(t, "a", 0)
	old.Timestamp = time.Unix(-1, 0)
	m := &message{event: &publisher.Event{Content: old}}
	if load(t, "{}").prepare(m); time.Since(m.at) > time.Minute || !strings.Contains(string(m.record.Value), "1969") {
		t.Errorf("got time %v, value %s", m.at, m.record.Value)
	}
}
