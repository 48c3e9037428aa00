package health

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// A topic of one partition, and who writes to it.
type topic struct {
	t     *testing.T
	name  string
	hosts string
	to    *kgo.Client
	admin *kadm.Client
	n     int // messages written
}

func newTopic(t *testing.T, name string) *topic {
	t.Helper()
	hosts := services.Kafka(t)
	to, err := kgo.NewClient(kgo.SeedBrokers(hosts), kgo.DefaultProduceTopic(name), kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.ProducerBatchMaxBytes(8<<20),
		kgo.ProducerLinger(time.Second)) // else some may leave before the others are there, in a batch that can be read
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(to.Close)
	k := &topic{t: t, name: name, hosts: hosts, to: to, admin: kadm.NewClient(to)}
	if _, err := k.admin.CreateTopic(t.Context(), 1, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	return k
}

// write writes n messages, each with that many blanks.
func (k *topic) write(n, blanks int) {
	k.t.Helper()
	var list []*kgo.Record
	for range n {
		list = append(list, &kgo.Record{Value: fmt.Appendf(nil, `{"message":"message %d of an application"%s}`, k.n, strings.Repeat(" ", blanks))})
		k.n++
	}
	if err := k.to.ProduceSync(k.t.Context(), list...).FirstErr(); err != nil {
		k.t.Fatal(err)
	}
}

// deleteBefore deletes the messages before an offset, as Kafka does when the topic's retention is over.
func (k *topic) deleteBefore(offset int64) {
	k.t.Helper()
	offsets := kadm.Offsets{}
	offsets.AddOffset(k.name, 0, offset, -1)
	done, err := k.admin.DeleteRecords(k.t.Context(), offsets)
	if err == nil {
		err = done.Error()
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// shipper is plain with an input that reads the topic, for a group of its own.
func (k *topic) shipper(more string) string {
	return with("type: kafka, id: ship, hosts: [%q], topics: [%q], group_id: %q, session_timeout: 6s%s", k.hosts, k.name, k.name, more)
}

// shipperLosses has Kafka delete messages before a shipper reads them, and a shipper come late.
func shipperLosses(t *testing.T, p *prometheus) {
	k := newTopic(t, "health-losses")
	b := start(t, k.shipper(", max_in_flight.events: 100"))
	instance := p.scrape(b, nil)
	p.ready(b, instance)
	k.write(50, 0)
	b.Wait("they are read for good", func(s harness.Stats) bool { return s["podbeat.kafka.ship.committed"] == 50 })

	b.Term()
	k.write(100, 0)
	k.deleteBefore(120)
	b.Start()
	p.fires(t, instance, "PodbeatConsumerGaps")
	b.Wait("the rest is read", func(s harness.Stats) bool { return s["podbeat.kafka.ship.committed"] >= 30 })
	if n, m := b.metric("podbeat_consumer_gaps_total"), len(b.sink.IDs()); n != 70 || m != 80 {
		t.Errorf("Kafka has deleted 70 of 150 messages; podbeat counts %v, and has delivered %d", n, m)
	}

	b.sink.SetFaults(sink.Faults{Request503: 1})
	k.write(1000, 0)
	p.fires(t, instance, "PodbeatConsumerLag", "PodbeatLagging")
	b.sink.SetFaults(sink.Faults{})
	b.Wait("it catches up", func(s harness.Stats) bool {
		return s["podbeat.kafka.ship.lag"] == 0 && s["podbeat.kafka.ship.committed"] >= 1030
	})
	if m := len(b.sink.IDs()); m != 1080 {
		t.Errorf("%d messages are delivered of 1080", m)
	}
	p.wait("the alert is over", func() bool { return !strings.Contains(fmt.Sprint(p.firing(instance)), "PodbeatConsumerLag") })
}

// inputStalls has a shipper come to a batch that it must not unpack: it waits there until somebody gives it more room, while
// everything else works. The stalls of inputs on files and journals would take a file system that hangs: whether those are
// told is tested in beat/observe.
func inputStalls(t *testing.T, p *prometheus) {
	k := newTopic(t, "health-stalls")
	b := start(t, k.shipper(", max_batch_bytes: 1MiB"))
	instance := p.scrape(b, nil)
	p.ready(b, instance)
	k.write(10, 0)
	b.Wait("they are delivered", func(s harness.Stats) bool { return s["podbeat.kafka.ship.committed"] == 10 })
	k.write(4, 900_000)
	text := b.want("a batch is too large", 503, 200, "reading failing")
	if !strings.Contains(text, "kafka ship") || !strings.Contains(b.Log(), "raise max_batch_bytes") {
		t.Errorf("it does not say which, or the log not what to do: %s", text)
	}
	p.fires(t, instance, "PodbeatInputStalled")
	b.want("for long", 503, 503, "reading failing")
	b.write(5)
	b.Wait("the other input goes on", func(s harness.Stats) bool { return s["libbeat.output.events.acked"] == 15 })
	b.Term()
	b.Configure(strings.NewReplacer("FILES", b.logs, "OUTPUT", b.server.URL).Replace(k.shipper("")))
	b.Start()
	b.want("it has more room", 200, 200, "")
	b.Wait("the batch is delivered", func(s harness.Stats) bool { return s["podbeat.kafka.ship.committed"] == 4 })
}
