package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/verify"
)

// common is what all configurations have.
const common = `
setup.template.enabled: false
setup.ilm.enabled: false
logging.metrics.enabled: false
`

// quick lets a podbeat that sends to Kafka be back soon after a failure.
const quick = "backoff: {init: 100ms, max: 2s}"

// collector is the configuration of a podbeat that reads this input and sends to the topic.
func collector(input, broker, topic string) string {
	return fmt.Sprintf(`
podbeat.inputs:
%s
processors:
- k8sname: ~
- pausedrop: ~
%s
output.kafka: {hosts: [%q], topic: %q, %s}`, input, common, broker, topic, quick)
}

// journalInput is the input section for a folder of journals.
func journalInput(dir string) string {
	return fmt.Sprintf("- {type: journal, id: node, paths: [%q]}", dir)
}

// shipper is the configuration of a podbeat that carries the topic to Elasticsearch. Its group notices a death
// after as short a time as brokers allow.
func shipper(broker, topic, group, elasticsearch string) string {
	return fmt.Sprintf(`
podbeat.inputs:
- {type: kafka, id: shipper, hosts: [%q], topics: [%q], group_id: %q, session_timeout: 6s, rebalance.timeout: 5s, connect_backoff: 1s}
%s
output.elasticsearch: {hosts: [%q], backoff: {init: 100ms, max: 2s}}`, broker, topic, group, common, elasticsearch)
}

// admin is a client of the broker for questions about it.
func admin(t *testing.T, broker string) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

// partitions of the topics.
const partitions = 4

// makeTopic makes a topic, which other tests have no part in.
func makeTopic(t *testing.T, a *kadm.Client, topic string) {
	t.Helper()
	if _, err := a.CreateTopic(t.Context(), partitions, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
}

// lag is how many records of the topic the group has not committed, and how many there are. Before the group has
// committed anything in a partition, that is all of it.
func lag(a *kadm.Client, topic, group string) (behind, all int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ends, err := a.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, 0, err
	}
	committed, err := a.FetchOffsets(ctx, group)
	if err == nil {
		err = committed.Error()
	}
	ends.Each(func(end kadm.ListedOffset) {
		behind, all = behind+end.Offset, all+end.Offset
		if at, ok := committed.Lookup(topic, end.Partition); ok && at.At > 0 {
			behind -= at.At
		}
	})
	return behind, all, err
}

// until waits for a condition, which says how far things are: the test fails when that stays the same for long.
func until(t *testing.T, what string, condition func() (ok bool, progress string)) {
	t.Helper()
	const patience = 2 * time.Minute
	moved, last := time.Now(), ""
	for {
		ok, progress := condition()
		if ok {
			return
		}
		if progress != last {
			moved, last = time.Now(), progress
		}
		if time.Since(moved) > patience {
			t.Fatalf("waited until %s, and nothing has changed for %v: %s", what, patience, progress)
		}
		<-time.After(200 * time.Millisecond)
	}
}

// shipped says whether the group has committed all there is in the topic.
func shipped(a *kadm.Client, topic, group string) func() (bool, string) {
	return func() (bool, string) {
		behind, all, err := lag(a, topic, group)
		return err == nil && behind == 0, fmt.Sprintf("%d of %d records are not committed (%v)", behind, all, err)
	}
}

// stored says whether the indices hold that many documents.
func stored(url, pattern string, want int) func() (bool, string) {
	return func() (bool, string) {
		n, err := verify.Count(url, pattern)
		return err == nil && n >= want, fmt.Sprintf("%d of %d documents (%v)", n, want, err)
	}
}

// idle says whether all that podbeat has read is settled.
func idle(p *harness.Podbeat) func() (bool, string) {
	return func() (bool, string) {
		s := p.Stats()
		return s != nil && s["libbeat.pipeline.events.active"] == 0, s.String()
	}
}

// delivered says whether podbeat has read so many entries and got rid of what they gave.
func delivered(p *harness.Podbeat, entries int) func() (bool, string) {
	return func() (bool, string) {
		s := p.Stats()
		of := func(name string) float64 { return s["podbeat.journal.node."+name] }
		// The numbers are not of one instant, so they have to add up: an entry is read some time before its event is published.
		ok := s != nil && s["libbeat.pipeline.events.active"] == 0 && of("acked") == of("published") && of("read") >= float64(entries) &&
			of("read") == of("filtered")+of("joined")+of("again")+of("published")
		return ok, s.String()
	}
}

// A receipt is what /receipt answers.
type receipt struct {
	AddsUp bool `json:"adds_up"`
	Inputs []struct {
		ID          string
		Read        int64
		Resumed     int64
		Filtered    int64
		Acked       int64
		DeadLetters int64 `json:"dead_letters"`
		Dropped     int64
		Abandoned   int64
		InFlight    int64 `json:"in_flight"`
	}
}

// wantReceipt waits until a podbeat has nothing left to do, and checks that it says what became of each event, and that it
// adds up. What others have delivered meanwhile it may still be settling when all offsets are committed.
func wantReceipt(t *testing.T, name string, p *harness.Podbeat) (r receipt) {
	t.Helper()
	socket := filepath.Join(p.Dir, "http.sock")
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	until(t, name+" has nothing in flight", func() (bool, string) {
		resp, err := client.Get("http://podbeat/receipt")
		if err != nil { // a shipper that was killed last may be on its way up while the other has delivered all there is
			return false, err.Error()
		}
		defer resp.Body.Close()
		r = receipt{}
		if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("/receipt of %s: %s, %v", name, resp.Status, err)
		}
		var inFlight int64
		for _, in := range r.Inputs {
			inFlight += in.InFlight
		}
		return inFlight == 0, fmt.Sprint(inFlight)
	})
	for _, in := range r.Inputs {
		sum := in.Filtered + in.Acked + in.DeadLetters + in.Dropped + in.Abandoned + in.InFlight
		if in.Read+in.Resumed != sum || in.InFlight != 0 {
			t.Errorf("the receipt of %s does not add up, or has something in flight: %+v", name, in)
		}
		t.Logf("receipt of %s: %+v", name, in)
	}
	if !r.AddsUp || len(r.Inputs) != 1 {
		t.Errorf("the receipt of %s: %+v, want that it adds up, of one input", name, r)
	}
	return r
}

// A proxy stands before Elasticsearch and answers bulk requests with a status of its own while that is not 0.
type proxy struct {
	URL     string
	status  atomic.Int32
	refused atomic.Int64 // requests
}

func newProxy(t *testing.T, addr string) *proxy {
	t.Helper()
	p := &proxy{}
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: addr})
	to.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := int(p.status.Load()); status != 0 && strings.HasSuffix(r.URL.Path, "/_bulk") {
			p.refused.Add(1)
			w.WriteHeader(status)
			return
		}
		to.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// refuse has bulk requests answered so for a time, and until there has been one: shippers may be busy with their group.
func (p *proxy) refuse(t *testing.T, status int32, during time.Duration) {
	p.status.Store(status)
	go func() { // ends soon after the test at the latest
		<-time.After(during)
		for p.refused.Load() == 0 && t.Context().Err() == nil {
			<-time.After(50 * time.Millisecond)
		}
		p.status.Store(0)
	}()
}

// A record is one of the topic's.
type record struct {
	key, value, id string
	partition      int32
	headers        map[string]string
}

// readTopic reads all that the topic holds now, in the order of each partition, and checks what holds for every record.
func readTopic(t *testing.T, broker, topic string, each func(record)) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
	if err != nil || ends.Error() != nil {
		t.Fatal(err, ends.Error())
	}
	left := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left[end.Partition] = end.Offset
		}
	})
	places := map[string]int32{}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("cannot read topic %q: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, ok := left[r.Partition]; !ok || r.Offset >= end {
				return
			} else if r.Offset == end-1 {
				delete(left, r.Partition)
			}
			rec := record{key: string(r.Key), value: string(r.Value), partition: r.Partition, headers: map[string]string{}}
			for _, h := range r.Headers {
				rec.headers[h.Key] = string(h.Value)
			}
			rec.id = rec.headers["id"]
			if d, err := verify.Event(r.Value); err != nil || d.ID != rec.id || rec.id == "" || rec.headers["content-type"] != "application/json" {
				t.Errorf("record %.200q with headers %v: %v, want JSON, so called, with its id", r.Value, rec.headers, err)
			}
			if before, known := places[rec.key]; known && before != r.Partition || rec.key == "" {
				t.Errorf("key %q is in partitions %d and %d, want one", rec.key, before, r.Partition)
			}
			places[rec.key] = r.Partition
			each(rec)
		})
	}
}

// An order checks that of the records with one name (a pod's, or a file's) each comes first when its turn is; those that
// come again are counted.
type order struct {
	last             map[string]int64
	seen             map[string]bool
	repeats, swapped int
	example          string
}

func newOrder() *order { return &order{last: map[string]int64{}, seen: map[string]bool{}} }

func (o *order) came(name, id string, rank int64) {
	if o.seen[id] {
		o.repeats++
		return
	}
	o.seen[id] = true
	if rank < o.last[name] {
		o.swapped++
		o.example = fmt.Sprintf("%s, number %d of %s, came after number %d", id, rank, name, o.last[name])
	}
	o.last[name] = max(o.last[name], rank)
}

func (o *order) want(t *testing.T, what string, records int) {
	t.Helper()
	t.Logf("Kafka has %d %s of %d sources in order, and %d of them again", len(o.seen), what, len(o.last), o.repeats)
	if o.swapped > 0 || len(o.seen) != records {
		t.Errorf("Kafka has %d of %d %s, and %d come before an earlier one: %s", len(o.seen), records, what, o.swapped, o.example)
	}
}

// A journal is a folder of journal files and what has to arrive of it.
type journal struct {
	dir   string
	chain string // its seqnum_id
	host  string
}

func journalOf(t *testing.T, dir string, g *journalgen.Generator) journal {
	t.Helper()
	headers, err := journalgen.Headers(dir)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(headers, func(h journalgen.Header) bool { return h.SeqnumID != headers[0].SeqnumID }) {
		t.Fatalf("journal %s has two chains", dir)
	}
	return journal{dir: dir, chain: headers[0].SeqnumID, host: g.Hostname()}
}

// id is the document id of a message. The generator's ordinals are from 0, sequence numbers from 1.
func (j journal) id(m journalgen.Message) string { return verify.ID(j.chain, uint64(m.First)+1) }

// expect returns a check for all messages but those of pause containers, and by id their places in the order in which
// they are sent: a message is when its last part is there.
func (j journal) expect(messages []journalgen.Message) (c *verify.Check, ranks map[string]int64) {
	c, ranks = verify.New(), map[string]int64{}
	for _, m := range messages {
		if m.Pause {
			continue
		}
		w := verify.Want{ID: j.id(m), CRC32: m.CRC32}
		if m.Binary {
			w.Token = fmt.Sprintf("sq#%08d", m.Seq)
		}
		c.Expect(w)
		ranks[w.ID] = int64(m.Last) + 1
	}
	return c, ranks
}
