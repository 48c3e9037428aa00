package cluster

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// entries are in the journals of the tests that have one written beforehand.
const entries = 20_000

// written is a journal of the default options.
func written(t *testing.T) (j journal, messages []journalgen.Message) {
	t.Helper()
	dir, o := t.TempDir(), journalgen.Defaults(entries)
	messages, err := journalgen.Write(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return journalOf(t, dir, journalgen.New(o)), messages
}

// inKafka has a podbeat send a journal to a new topic, and stops it.
func inKafka(t *testing.T, a *kadm.Client, broker, topic string, j journal) {
	t.Helper()
	makeTopic(t, a, topic)
	p := harness.New(t, collector(journalInput(j.dir), broker, topic))
	until(t, "the journal is in Kafka", delivered(p, entries))
	p.Term()
}

// wantOnce checks that Elasticsearch has every message of the journal once, and stops who brought them there.
func wantOnce(t *testing.T, url, pattern string, c *verify.Check) {
	t.Helper()
	if err := verify.Elasticsearch(url, pattern, c.Arrived); err != nil {
		t.Fatal(err)
	}
	if r := c.Report(); !r.Exact() || r.Expected == 0 {
		t.Error(r)
	}
}

// clear takes away the indices that another test has left on the Elasticsearch which all share.
func clear(t *testing.T, url string) {
	t.Helper()
	services.Call(t, http.MethodDelete, url+"/logstash-*", "", http.StatusOK)
}

// members are those of a group, and whether it is at rest.
func members(t *testing.T, a *kadm.Client, group string) (ids []string, stable bool) {
	t.Helper()
	groups, err := a.DescribeGroups(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	g := groups[group]
	n := 0
	for _, m := range g.Members {
		ids = append(ids, m.MemberID)
		if c, ok := m.Assigned.AsConsumer(); ok {
			for _, topic := range c.Topics {
				n += len(topic.Partitions)
			}
		}
	}
	slices.Sort(ids)
	return ids, g.State == "Stable" && n == partitions
}

// joined waits until so many members share all partitions, and returns them.
func joined(t *testing.T, a *kadm.Client, group string, want int) (ids []string) {
	t.Helper()
	until(t, fmt.Sprintf("%d shippers share the partitions", want), func() (bool, string) {
		stable := false
		ids, stable = members(t, a, group)
		return stable && len(ids) == want, fmt.Sprint(ids, stable)
	})
	return ids
}

// Shippers come and go while there is work: one joins, one leaves by SIGTERM, one by kill -9, which the group notices
// after its session has timed out.
func TestShippersComeAndGo(t *testing.T) {
	kafka, url := services.Kafka(t), services.Elasticsearch(t, 7)
	clear(t, url)
	front := newProxy(t, strings.TrimPrefix(url, "http://"))
	const topic, group = "come-and-go", "come-and-go"
	a := admin(t, kafka)
	j, messages := written(t)
	inKafka(t, a, kafka, topic, j)
	c, _ := j.expect(messages)

	config := shipper(kafka, topic, group, front.URL)
	first := harness.New(t, config)
	some := func(n int) {
		t.Helper()
		until(t, fmt.Sprintf("%d documents are there", n), stored(url, "logstash-*", n))
		front.status.Store(http.StatusServiceUnavailable) // or all would be over
	}
	some(1)
	second := harness.New(t, config)
	joined(t, a, group, 2)
	front.status.Store(0)
	some(c.Expected() / 4)
	first.Term()
	joined(t, a, group, 1)
	third := harness.New(t, config)
	joined(t, a, group, 2)
	front.status.Store(0)
	some(c.Expected() / 2)
	second.Kill9()
	joined(t, a, group, 1)
	front.status.Store(0)
	until(t, "all offsets are committed", shipped(a, topic, group))
	wantReceipt(t, "the third shipper", third)
	third.Term()
	wantOnce(t, url, "logstash-*", c)
}

// Elasticsearch is away for longer than the session and the rebalance of the group may last, while the topic has more than
// fits into the queue. The members of the group stay the same, nobody has joined anew.
func TestElasticsearchAway(t *testing.T) {
	kafka, url := services.Kafka(t), services.Elasticsearch(t, 7)
	clear(t, url)
	front := newProxy(t, strings.TrimPrefix(url, "http://"))
	const topic, group = "away", "away"
	a := admin(t, kafka)
	j, messages := written(t)
	inKafka(t, a, kafka, topic, j)
	c, _ := j.expect(messages)

	front.status.Store(http.StatusServiceUnavailable)
	// In a session of 12 s a machine may stand still for eight, and they are members all the same.
	config := strings.Replace(shipper(kafka, topic, group, front.URL), "session_timeout: 6s", "session_timeout: 12s", 1)
	shippers := []*harness.Podbeat{harness.New(t, config), harness.New(t, config)}
	before := joined(t, a, group, 2)
	const away = 20 * time.Second // a rebalance may last for 5 s
	for end := time.Now().Add(away); time.Now().Before(end); <-time.After(time.Second) {
		if now, stable := members(t, a, group); !stable || !slices.Equal(now, before) {
			t.Fatalf("the group was %q, and is %q, at rest: %v", before, now, stable)
		}
	}
	if behind, all, err := lag(a, topic, group); err != nil || behind != all {
		t.Errorf("%d of %d offsets are committed though nothing has been delivered (%v)", all-behind, all, err)
	}
	front.status.Store(0)
	until(t, "all offsets are committed", shipped(a, topic, group))
	if now, _ := members(t, a, group); !slices.Equal(now, before) {
		t.Errorf("the group was %q, and is %q", before, now)
	}
	for i, p := range shippers {
		wantReceipt(t, fmt.Sprintf("shipper %d", i+1), p)
		p.Term()
	}
	wantOnce(t, url, "logstash-*", c)
}
