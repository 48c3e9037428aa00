package cluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// Of three brokers, two of which must have each message, the leader is killed while events flow: the next one takes them. When
// another is killed nothing is acknowledged until it is back. Then each partition has all of its messages once, in order.
func TestThreeBrokers(t *testing.T) {
	const topic, n = "three", 1000
	kafkas := services.OwnKafkas(t, "min.insync.replicas=2", "broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500", "auto.create.topics.enable=false")
	create := kmsg.NewPtrCreateTopicsRequest()
	create.TimeoutMillis = 60_000
	wanted := kmsg.NewCreateTopicsRequestTopic()
	wanted.Topic, wanted.NumPartitions, wanted.ReplicationFactor = topic, -1, -1
	for p, replicas := range [][]int32{{2, 3, 1}, {2, 1, 3}, {3, 1, 2}} {
		wanted.ReplicaAssignment = append(wanted.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(p), Replicas: replicas})
	}
	create.Topics = append(create.Topics, wanted)
	client, err := kgo.NewClient(kgo.SeedBrokers(kafkas[0].Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if answer, err := create.RequestWith(t.Context(), client); err != nil || answer.Topics[0].ErrorCode != 0 {
		t.Fatal(answer, err)
	}

	dir, g := t.TempDir(), journalgen.New(journalgen.Defaults(3*n))
	w, err := journalgen.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	write := func(entries int) {
		t.Helper()
		for range entries {
			e, _ := g.Next()
			if err := w.Append(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	write(n)
	j := journalOf(t, dir, g)
	hosts := fmt.Sprintf("[%q, %q, %q]", kafkas[0].Addr, kafkas[1].Addr, kafkas[2].Addr)
	config := strings.Replace(collector(journalInput(j.dir), "HOSTS", topic), `["HOSTS"]`, hosts, 1)
	p := harness.New(t, strings.Replace(config, quick, "bulk_max_size: 50, "+quick, 1))
	acked := func() (n float64) {
		t.Helper()
		until(t, "podbeat tells its figures", func() (bool, string) { // a busy one may be late
			s := p.Stats()
			n = s["libbeat.output.events.acked"]
			return s != nil, ""
		})
		return n
	}
	until(t, "Kafka has some of it", func() (bool, string) { return acked() > 0, "" })
	kafkas[1].Kill9()
	write(n)
	until(t, "Kafka has it without its leader", delivered(p, 2*n))

	kafkas[2].Kill9()
	before := acked()
	write(n)
	says(t, p, "nothing is dropped", "topic "+topic, "min.insync.replicas")
	if now := acked(); now != before {
		t.Errorf("%.0f events are acknowledged that only one broker can have", now-before)
	}
	kafkas[2].Start()
	until(t, "all of it is in Kafka", delivered(p, 3*n))
	p.Term()

	_, ranks := j.expect(g.Messages())
	sent := newOrder()
	readTopic(t, kafkas[0].Addr, topic, func(r record) { sent.came(r.key, r.id, ranks[r.id]) })
	sent.want(t, "journal entries", len(ranks))
	if sent.repeats > 0 {
		t.Errorf("%d messages are there twice", sent.repeats)
	}
}
