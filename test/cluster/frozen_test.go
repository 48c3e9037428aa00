package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// A broker that stands still for longer than podbeat waits for an answer gets the same messages again, by connections anew,
// and then has a pile of them. It keeps each once, in order: podbeat sends them under the same numbers.
func TestBrokerFrozen(t *testing.T) {
	kafka := services.OwnKafka(t)
	const topic = "frozen"
	makeTopic(t, admin(t, kafka.Addr), topic)
	o := plan{entries: entries, perSecond: 1000, lines: 100, pods: 10} // so slowly that each time there is more to come
	written := newSources(t, o, journalgen.Defaults(o.entries))
	config := collector(journalInput(written.journal.dir), kafka.Addr, topic)
	p := harness.New(t, strings.Replace(config, quick, "timeout: 1s, "+quick, 1))
	written.start()
	for i := range 3 {
		failed := 0.0
		until(t, "Kafka has some of it", func() (bool, string) {
			s := p.Stats()
			acked := s["libbeat.output.events.acked"]
			failed = s["libbeat.output.events.failed"]
			return acked > float64(1000+4000*i), fmt.Sprint(acked)
		})
		kafka.Freeze()
		until(t, "podbeat has tried again", func() (bool, string) {
			now := p.Stats()["libbeat.output.events.failed"]
			return now > failed, fmt.Sprint(now)
		})
		<-time.After(time.Second)
		kafka.Thaw()
	}
	written.wait()
	until(t, "the journal is in Kafka", delivered(p, o.entries))
	p.Term()
	_, ranks := written.journal.expect(written.g.Messages())
	sent := newOrder()
	readTopic(t, kafka.Addr, topic, func(r record) { sent.came(r.key, r.id, ranks[r.id]) })
	sent.want(t, "journal entries", len(ranks))
	if sent.repeats > 0 {
		t.Errorf("%d messages are there twice", sent.repeats)
	}
}
