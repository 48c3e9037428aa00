// Package cluster tests the whole chain on one machine: podbeats that collect, a real Kafka, podbeats that carry what is in
// it to a real Elasticsearch, all of which are killed meanwhile. After each test every message is in Elasticsearch once.
//
// The tests take some 30,000 events; with PODBEAT_SOAK=1 the long one takes 1,000,000 and kills each podbeat ten times.
package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/kubelet"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// A plan is how much is written, how fast, and what goes wrong meanwhile.
type plan struct {
	entries, perSecond int // of the journal
	lines, pods        int // of files
	kills              int // of each podbeat
	refusing           time.Duration
}

func planned() plan {
	if harness.Soak() {
		return plan{entries: 700_000, perSecond: 2500, lines: 300_000, pods: 400, kills: 10, refusing: time.Minute}
	}
	return plan{entries: 20_000, perSecond: 700, lines: 10_000, pods: 40, kills: 2, refusing: 5 * time.Second}
}

// Two podbeats read a journal and pods' files that are being written, and send to Kafka; two shippers carry it to
// Elasticsearch. Each of the four is killed several times at random, Kafka and Elasticsearch once, and for a while
// Elasticsearch refuses everything with 429. Nothing is lost or doubled, Kafka has each pod's lines in order, and the
// receipts add up.
func TestCluster(t *testing.T) {
	o := planned()
	kafka, es := services.OwnKafka(t), services.OwnElasticsearch(t, 7)
	front := newProxy(t, es.Addr)
	const topic, group = "logstash-journal", "podbeat-shipper"
	a := admin(t, kafka.Addr)
	makeTopic(t, a, topic)
	journalOptions := journalgen.Defaults(o.entries)
	written := newSources(t, o, journalOptions)

	names := []string{"journal", "files", "shipper 1", "shipper 2"}
	podbeats := []*harness.Podbeat{
		harness.New(t, collector(journalInput(written.journal.dir), kafka.Addr, topic)),
		harness.New(t, collector(written.filesInput(), kafka.Addr, topic)),
		harness.New(t, shipper(kafka.Addr, topic, group, front.URL)),
		harness.New(t, shipper(kafka.Addr, topic, group, front.URL)),
	}
	written.start()

	// What goes wrong, in a random order, with random pauses, for about as long as there is something to read.
	r := rand.New(rand.NewPCG(8, uint64(o.kills)))
	type trouble struct {
		what   string
		server bool // it takes as long as a server takes to start
		make   func()
	}
	var troubles []trouble
	for i, p := range podbeats {
		for range o.kills {
			troubles = append(troubles, trouble{"kill -9 " + names[i], false, func() {
				p.Kill9()
				p.Start()
			}})
		}
	}
	for _, s := range []*services.Node{kafka, es} {
		troubles = append(troubles, trouble{"kill -9 the server at " + s.Addr, true, func() {
			s.Kill9()
			s.Start()
		}})
	}
	refuse := trouble{"Elasticsearch answers 429", false, func() { front.refuse(t, http.StatusTooManyRequests, o.refusing) }}
	troubles = append(troubles, refuse)
	r.Shuffle(len(troubles), func(i, j int) { troubles[i], troubles[j] = troubles[j], troubles[i] })
	// If Elasticsearch refused after a server has come back, late maybe, all might have been delivered before.
	at := slices.IndexFunc(troubles, func(x trouble) bool { return x.what == refuse.what })
	if server := slices.IndexFunc(troubles, func(x trouble) bool { return x.server }); server < at {
		troubles = slices.Insert(slices.Delete(troubles, at, at+1), server, refuse)
	}
	pause := time.Duration(o.entries/o.perSecond) * time.Second / time.Duration(len(troubles))
	for _, trouble := range troubles {
		<-time.After(time.Duration(r.Int64N(2 * int64(pause))))
		t.Log(trouble.what)
		trouble.make()
	}
	written.wait()

	journalCheck, ranks := written.journal.expect(written.g.Messages())
	until(t, "it is all in Elasticsearch", stored("http://"+es.Addr, "logstash-*", journalCheck.Expected()+o.lines))
	for _, p := range podbeats[:2] {
		until(t, "all is acknowledged", idle(p))
	}
	until(t, "the offset of every record is committed", shipped(a, topic, group))
	if front.refused.Load() == 0 {
		t.Error("no request has met the 429")
	}
	for i, p := range podbeats {
		wantReceipt(t, names[i], p)
		p.Term()
	}

	if err := verify.Elasticsearch("http://"+es.Addr, "logstash-*,-logstash-podbeat-files-*", journalCheck.Arrived); err != nil {
		t.Fatal(err)
	}
	if report := journalCheck.Report(); !report.Exact() || report.Reordered > 0 || report.Expected == 0 {
		t.Error(report)
	} else {
		t.Log(report)
	}
	fileCheck := verify.NewFiles(written.ledger())
	if err := verify.ElasticsearchFiles("http://"+es.Addr, "logstash-podbeat-files-*", fileCheck.Arrived); err != nil {
		t.Fatal(err)
	}
	if report := fileCheck.Report(); !report.Exact() || report.Unsaveable > 0 || report.Expected != o.lines {
		t.Error(report)
	} else {
		t.Log(report)
	}
	written.wantOrder(t, kafka.Addr, topic, ranks)
}

// sources are a journal and pods' files, and who writes them.
type sources struct {
	t       *testing.T
	o       plan
	journal journal
	w       *journalgen.Writer
	g       *journalgen.Generator
	pods    kubelet.Options
	node    *kubelet.Node
	cancel  func()
	ended   []chan error
}

func newSources(t *testing.T, o plan, jo journalgen.Options) *sources {
	t.Helper()
	s := &sources{t: t, o: o, g: journalgen.New(jo)}
	dir := t.TempDir()
	var err error
	if s.w, err = journalgen.Open(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.w.Close() })
	s.journal = journalOf(t, dir, s.g)
	s.pods = kubelet.Defaults(kubelet.EmptyDir, filepath.Join(t.TempDir(), "pods"), o.pods, o.lines)
	s.pods.AtOnce = max(10, o.pods/20)
	s.pods.Keep = true // or lines would go while nobody is there to read them
	s.pods.Ways = slices.DeleteFunc(kubelet.Ways(kubelet.EmptyDir), func(way string) bool { return way == "recreate" })
	if s.node, err = kubelet.New(s.pods); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *sources) filesInput() string {
	return fmt.Sprintf("- {type: emptydir, id: node, host: files, scan_interval: 1s, pod_logs: %q, paths: [%q]}",
		s.pods.PodLogs, s.pods.Dir+"/*/volumes/kubernetes.io~empty-dir/applog-*/*.log")
}

// start begins to write both; wait waits for their ends.
func (s *sources) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, write := range []func() error{
		func() error { return s.w.Feed(ctx, s.g, s.o.perSecond, s.o.entries/10) },
		func() error { return s.node.Run(ctx) },
	} {
		ended := make(chan error, 1)
		s.ended = append(s.ended, ended)
		go func() { ended <- write() }()
	}
	s.t.Cleanup(s.wait)
}

func (s *sources) wait() {
	for _, ended := range s.ended {
		if s.t.Failed() {
			s.cancel()
		}
		if err := <-ended; err != nil {
			s.t.Error(err)
		}
	}
	s.ended = nil
}

func (s *sources) ledger() *kubelet.Ledger { return s.node.Ledger() }

// wantOrder checks that Kafka has all of it, each source's lines in their order. A source of the journal is what the key
// names; in a pod's volumes only the lines of one file have an order.
func (s *sources) wantOrder(t *testing.T, broker, topic string, ranks map[string]int64) {
	t.Helper()
	entries, lines := newOrder(), newOrder()
	readTopic(t, broker, topic, func(r record) {
		if rank, ok := ranks[r.id]; ok {
			entries.came(r.key, r.id, rank)
			return
		}
		token, _ := kubelet.Token(r.value)
		line := s.ledger().Line(token)
		if line == nil {
			t.Errorf("Kafka has %.300q, which nobody wrote", r.value)
			return
		}
		if want := line.File.Fields["kubernetes.pod.uid"]; r.key != want {
			t.Errorf("a line of pod %s has key %q", want, r.key)
		}
		lines.came(fmt.Sprintf("%p", line.File), fmt.Sprint(token), int64(token))
	})
	entries.want(t, "journal entries", len(ranks))
	lines.want(t, "lines", s.o.lines)
}
