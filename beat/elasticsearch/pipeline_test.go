package elasticsearch

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/publisher/pipeline"
	_ "github.com/elastic/beats/v7/libbeat/publisher/queue/memqueue"

	"github.com/podbeat/podbeat/test/services"
)

// send puts n events through libbeat's pipeline into the output that yaml describes, and returns
// when all of them are acknowledged.
func send(t *testing.T, yaml string, n int, event func(int) beat.Event) {
	t.Helper()
	var config pipeline.Config
	if err := common.MustNewConfigFrom("queue.mem: {events: 2048, flush.min_events: 64, flush.timeout: 5ms}").Unpack(&config); err != nil {
		t.Fatal(err)
	}
	group, err := load(yaml)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pipeline.LoadWithSettings(testInfo, pipeline.Monitors{Logger: logp.NewLogger("test")}, config,
		func(outputs.Observer) (string, outputs.Group, error) { return "elasticsearch", group, nil }, pipeline.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	all := make(chan struct{})
	acked := 0
	c, err := p.ConnectWith(beat.ClientConfig{PublishMode: beat.GuaranteedSend, ACKHandler: acker.Counting(func(k int) {
		if acked += k; acked == n {
			close(all)
		}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range n {
		c.Publish(event(i))
	}
	select {
	case <-all:
	case <-time.After(time.Minute):
		t.Fatalf("%d of %d events are acknowledged", acked, n)
	}
}

// Every fault at once, over and over: each event ends up in the index or the dead letter, once.
func TestPipelineUnderFaults(t *testing.T) {
	f := func(yaml string, hosts int) {
		t.Helper()
		var urls []string
		var nodes []*fake
		for range hosts {
			es := newFake(t)
			for i := range 60 {
				es.script = append(es.script, []string{"", "=503", "cut", "429 201 503", "reset", "part", "", "=429", "text:<html>"}[i*7%9])
			}
			es.most, es.poison = 40, func(id string) bool { return strings.HasSuffix(id, "13>") }
			es.refuse = func(id string) bool { return strings.HasSuffix(id, "77>") }
			urls, nodes = append(urls, es.URL), append(nodes, es)
		}
		dir := t.TempDir()
		yaml = strings.ReplaceAll(yaml, "LETTERS", letterPath(dir))
		const n = 3000
		send(t, "hosts: ['"+strings.Join(urls, "', '")+"']\nindex: logs\nbackoff: {init: 1ms, max: 4ms}\n"+yaml, n, func(i int) beat.Event {
			return beat.Event{Timestamp: time.Now(), Meta: common.MapStr{"_id": fmt.Sprintf("<%d>", i)}, Fields: common.MapStr{"n": i}}
		})
		letters := ""
		if text, err := os.ReadFile(letterPath(dir)); err == nil {
			letters = string(text)
		}
		wrong, graves := 0, 0
		for i := range n {
			at := 0
			for _, es := range nodes {
				es.mu.Lock()
				if _, ok := es.docs[fmt.Sprintf("logs/<%d>", i)]; ok {
					at++
				}
				if _, ok := es.docs[fmt.Sprintf("graves/<%d>", i)]; ok {
					at++
					graves++
				}
				es.mu.Unlock()
			}
			if strings.Contains(letters, fmt.Sprintf(`{"id":"<%d>"}`, i)) {
				at++
				graves++
			}
			if at == 0 || at > 1 && hosts == 1 {
				wrong++
			}
		}
		if wrong > 0 || graves != n/100*2 {
			t.Errorf("%s: %d of %d events are in no place or in two, %d in the dead letter", yaml, wrong, n, graves)
		}
	}
	f("non_indexable_policy.dead_letter_file.path: LETTERS", 1)
	f("worker: 3\nnon_indexable_policy.dead_letter_file.path: LETTERS", 1)
	f("worker: 2\ncompression_level: 0\nnon_indexable_policy.dead_letter_file.path: LETTERS", 1)
	f("worker: 2\nnon_indexable_policy.dead_letter_index.index: graves", 1)
	f("worker: 2\nnon_indexable_policy.dead_letter_file.path: LETTERS", 2) // two clusters: an event may be in both
	f("loadbalance: false\nnon_indexable_policy.dead_letter_file.path: LETTERS", 2)
}

// A host that is down costs no event its way: another one takes it.
func TestPipelineHostDown(t *testing.T) {
	for _, balance := range []string{"true", "false"} {
		es := newFake(t)
		send(t, fmt.Sprintf("hosts: ['%s', '%s']\nindex: logs\nloadbalance: %s\nbackoff: {init: 1ms, max: 4ms}", services.Address(t), es.URL, balance), 500,
			func(i int) beat.Event { return sampleEvent(i) })
		if es.mu.Lock(); len(es.docs) != 500 {
			t.Errorf("loadbalance %s: %d documents", balance, len(es.docs))
		}
		es.mu.Unlock()
	}
}

// BenchmarkPublish sends batches of 1600 events to a server on loopback that reads them and
// answers 201 for each, with our client and with libbeat's. The CPU figure is the whole
// process's, the server's part included: that is the same small part for both.
func BenchmarkPublish(b *testing.B) {
	const size = 1600
	full := `{"create":{"_index":"logstash-podbeat-node-1-2024.05.17","_type":"_doc","_id":"5f0b1f6e7c0a4f0f9a3e2d1c0b9a8f7e-00000001","_version":1,"result":"created",` +
		`"_shards":{"total":2,"successful":1,"failed":0},"_seq_no":1,"_primary_term":1,"status":201}}`
	answer := func(item string) string {
		return `{"took":1,"errors":false,"items":[` + strings.Repeat(item+",", size-1) + item + `]}`
	}
	long, short := answer(full), answer(`{"create":{"status":201}}`)
	es := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		switch {
		case r.URL.Path == "/":
			io.WriteString(w, `{"version":{"number":"7.17.29"}}`)
		case r.URL.Query().Get("filter_path") != "":
			io.WriteString(w, short)
		default:
			io.WriteString(w, long)
		}
	}))
	defer es.Close()
	ordinary, documents := make([]beat.Event, size), make([]beat.Event, size)
	kinds := sampleKinds(50)
	for i := range size {
		ordinary[i], documents[i] = sampleEvent(i), sampleDocument(kinds, i)
	}
	for _, how := range []string{"compression: none", "compression: gzip", "compression: zstd"} {
		yaml := fmt.Sprintf("hosts: ['%s']\nbulk_max_size: %d\nworker: 1\n%s", es.URL, size, how)
		benchPublish(b, "podbeat/"+how, benchClient(b, makeOutput, yaml), ordinary)
		benchPublish(b, "documents/"+how, benchClient(b, makeOutput, yaml), documents)
	}
	for _, level := range []int{0, 1} {
		yaml := fmt.Sprintf("hosts: ['%s']\nbulk_max_size: %d\ncompression_level: %d", es.URL, size, level)
		benchPublish(b, fmt.Sprintf("libbeat/gzip=%d", level), benchClient(b, libbeatOutput, yaml), ordinary)
	}
}

func benchPublish(b *testing.B, name string, c outputs.Client, events []beat.Event) {
	defer c.Close()
	if n, ok := c.(outputs.NetworkClient); ok {
		if err := n.Connect(); err != nil {
			b.Fatal(err)
		}
	}
	b.Run(name, func(b *testing.B) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		cpu := cpuTime()
		for b.Loop() {
			batch := newBatch(events...)
			if err := c.Publish(bgCtx, batch); err != nil || batch.wait() != "ack" {
				b.Fatal(err)
			}
		}
		used := cpuTime() - cpu
		runtime.ReadMemStats(&after)
		n := float64(b.N * len(events))
		b.ReportMetric(float64(used.Nanoseconds())/1e3/n, "µs-cpu/event")
		b.ReportMetric(float64(after.Mallocs-before.Mallocs)/n, "allocs/event")
		b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/n, "B/event")
		b.ReportMetric(0, "ns/op")
	})
}

func benchClient(b *testing.B, factory outputs.Factory, yaml string) outputs.Client {
	group, err := factory(rawIndex{}, testInfo, outputs.NewNilObserver(), common.MustNewConfigFrom(yaml))
	if err != nil {
		b.Fatal(err)
	}
	return group.Clients[0]
}

type rawIndex struct{}

func (rawIndex) BuildSelector(*common.Config) (outputs.IndexSelector, error) { return rawIndex{}, nil }
func (rawIndex) Select(ev *beat.Event) (string, error)                       { return ev.Meta["raw_index"].(string), nil }

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
