package status

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/test/services"
)

// zookeeperLike answers ruok as ZooKeeper does, or, when it is not allowed there, as later versions do.
func zookeeperLike(t testing.TB, reply string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				word := make([]byte, 4)
				if _, err := bufio.NewReader(c).Read(word); err == nil && string(word) == "ruok" {
					fmt.Fprint(c, reply)
				}
			}()
		}
	}()
	return l.Addr().String()
}

// Each part is killed, and comes back; and each swallows what it is asked, and comes back.
func TestKilled(t *testing.T) {
	cluster := services.Elasticsearch(t, 7)
	clean(t, cluster)
	kafka := services.OwnKafka(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	produce(t, ctx, kafka.Addr, "logs", "shippers", 10, 4)

	toES := newWire(t, cluster)
	zookeepers := []*wire{newWire(t, zookeeperLike(t, "imok")), newWire(t, zookeeperLike(t, "ruok is not executed because it is not in the whitelist.\n")), newWire(t, zookeeperLike(t, ""))}
	var o Options
	o.Kafka = Kafka{Hosts: []string{kafka.Addr}, Topics: []string{"logs"}, Group: "shippers", MaxLag: 100}
	for _, z := range zookeepers {
		o.ZooKeeper.Hosts = append(o.ZooKeeper.Hosts, z.addr)
	}
	b := open(t, cluster, toES.url(), o)
	b.slow = true
	b.post(200, `{"rotate":{"enabled":true,"age":7}}`)
	hear := func() {
		b.beat(uuidOf(1), "node1", nil)
		b.beat(uuidOf(2), "node2", func(h *heartbeat.Beat) { h.Role, h.Inputs = heartbeat.Shipper, nil })
	}
	// check waits until the status is so, with a detail that contains why.
	check := func(when, status, why string, members map[string]any) map[string]any {
		t.Helper()
		var doc map[string]any
		var missed string
		until(t, when, func() bool {
			hear()
			began := time.Now()
			doc, _ = b.get()
			t.Logf("%s: %v after %v %v", when, doc["status"], time.Since(began).Round(time.Millisecond), doc["detail"])
			if missed = ""; doc["status"] != status || !strings.Contains(fmt.Sprint(doc["detail"]), why) {
				missed = fmt.Sprint("status ", doc["status"], doc["detail"])
			}
			for path, want := range members {
				if got := at(doc, path); fmt.Sprint(got) != fmt.Sprint(want) {
					missed += fmt.Sprintf(" %s is %v", path, got)
				}
			}
			return missed == ""
		})
		return doc
	}
	well := map[string]any{"kafka.health_check": true, "kafka.broker.status.scheduled": 1, "kafka.broker.status.up": 1, "kafka.zookeeper.status.scheduled": 3, "kafka.zookeeper.status.up": 3,
		"kafka.lag.messages": 6, "kafka.lag.topics.logs": 6, "elasticsearch.status.master.up": 1, "elasticsearch.health.status": "green", "shipper.status.up": 1, "rotate.age": 7}
	// Nobody is in the group in this test: its offsets were committed by hand.
	check("all up", "yellow", "nobody is in the group", well)

	kafka.Kill9()
	check("kafka killed", "red", "kafka: ", map[string]any{"kafka.health_check": false, "kafka.broker.status.scheduled": 1, "kafka.broker.status.up": 0, "elasticsearch.status.master.up": 1, "kafka.lag.state": "unknown"})
	kafka.Start()
	check("kafka back", "yellow", "nobody is in the group", well)

	kafka.Freeze()
	check("kafka mute", "red", "kafka: no", map[string]any{"kafka.health_check": false, "kafka.broker.status.up": 0, "elasticsearch.status.master.up": 1, "kafka.zookeeper.status.up": 3})
	kafka.Thaw()
	check("kafka answers again", "yellow", "nobody is in the group", well)

	toES.cut()
	check("elasticsearch killed", "red", "elasticsearch: ", map[string]any{"kafka.health_check": true, "elasticsearch.health.status": "red", "elasticsearch.health.timed_out": true,
		"elasticsearch.status.master.scheduled": 1, "elasticsearch.status.master.up": 0, "rotate.age": 7, "rotate.enabled": true, "configuration.version": 1})
	b.post(503, `{"rotate":{"age":8}}`)
	toES.join()
	check("elasticsearch back", "yellow", "nobody is in the group", well)
	toES.swallow()
	check("elasticsearch mute", "red", "elasticsearch: no answer in time", map[string]any{"elasticsearch.status.data.up": 0, "rotate.age": 7, "kafka.broker.status.up": 1, "kafka.zookeeper.status.up": 3})
	toES.join()
	check("elasticsearch back again", "yellow", "nobody is in the group", well)

	zookeepers[0].cut()
	check("one zookeeper killed", "yellow", "zookeeper: 2 of 3 up", map[string]any{"kafka.zookeeper.status.up": 2})
	zookeepers[1].swallow()
	check("another one mute", "red", "zookeeper: 1 of 3 up, which is no majority", map[string]any{"kafka.zookeeper.status.up": 1})
	zookeepers[0].join()
	zookeepers[1].join()
	check("zookeepers back", "yellow", "nobody is in the group", well)
}

// produce writes n messages into a topic and has a group take some of them.
func produce(t testing.TB, ctx context.Context, addr, topic, group string, n, taken int) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for i := range n {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: fmt.Append(nil, i)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, int64(taken), -1)
	until(t, "the offsets are committed", func() bool {
		return kadm.NewClient(client).CommitAllOffsets(ctx, group, offsets) == nil
	})
}
