package consume

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) {
	if err := logp.DevelopmentSetup(logp.ToObserverOutput(), logp.WithLevel(logp.InfoLevel)); err != nil {
		panic(err)
	}
	os.Exit(services.Main(m))
}

// A pipe stands for libbeat: it has room for so many events, which are acknowledged by hand or at once.
type pipe struct {
	config beat.ClientConfig

	publishing sync.Mutex // as libbeat's clients publish one event after the other

	mu     sync.Mutex
	change sync.Cond
	room   int  // most events held
	auto   bool // acknowledge at once
	closed bool
	held   []beat.Event
	seen   []beat.Event
}

func newPipe(room int, auto bool) *pipe {
	p := &pipe{room: room, auto: auto}
	p.change.L = &p.mu
	return p
}

func (p *pipe) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	p.config = c
	return p, nil
}
func (p *pipe) Connect() (beat.Client, error) { return p.ConnectWith(beat.ClientConfig{}) }

func (p *pipe) PublishAll(list []beat.Event) {
	for _, e := range list {
		p.Publish(e)
	}
}

func (p *pipe) Publish(e beat.Event) {
	p.publishing.Lock()
	defer p.publishing.Unlock()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.config.Events.DroppedOnPublish(e)
		return
	}
	p.mu.Unlock()
	if e.Fields["drop"] != nil { // as a processor would
		p.config.ACKHandler.AddEvent(e, false)
		return
	}
	p.config.ACKHandler.AddEvent(e, true)
	p.mu.Lock()
	for len(p.held) >= p.room && !p.closed {
		p.change.Wait()
	}
	if p.closed || e.Fields["refuse"] != nil { // as a disk queue does with one that is too large
		p.mu.Unlock()
		p.config.Events.DroppedOnPublish(e)
		return
	}
	p.seen = append(p.seen, e)
	if !p.auto {
		p.held = append(p.held, e)
	}
	p.mu.Unlock()
	if p.auto {
		p.config.ACKHandler.ACKEvents(1)
	}
}

func (p *pipe) Close() error {
	p.config.Events.Closing()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.change.Broadcast()
	return nil
}

// ack acknowledges the n oldest events.
func (p *pipe) ack(n int) {
	p.mu.Lock()
	p.held = p.held[n:]
	p.mu.Unlock()
	p.config.ACKHandler.ACKEvents(n)
	p.change.Broadcast()
}

func (p *pipe) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seen)
}

// messages are those of the events seen.
func (p *pipe) messages() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.seen {
		list = append(list, fmt.Sprint(e.Fields["message"]))
	}
	return list
}

// A rig is a topic, a group and what it takes to look at them.
type rig struct {
	t      *testing.T
	addr   string
	topic  string
	group  string
	dir    string
	client *kgo.Client
	admin  *kadm.Client
	adjust func(*options) // gives inputs what their configuration may not say
}

var names int

func newRig(t *testing.T, addr string, partitions int32) *rig {
	t.Helper()
	names++
	name := strings.ReplaceAll(strings.ToLower(t.Name()), "/", ".") + "." + strconv.Itoa(names)
	r := &rig{t: t, addr: addr, topic: "t." + name, group: "g." + name, dir: t.TempDir()}
	var err error
	if r.client, err = kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.MetadataMinAge(100*time.Millisecond),
		kgo.UnknownTopicRetries(50)); err != nil { // a broker may hear of a new topic later than who has made it
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.admin = kadm.NewClient(r.client)
	if partitions > 0 {
		r.create(partitions)
	}
	return r
}

func (r *rig) create(partitions int32) {
	r.t.Helper()
	if _, err := r.admin.CreateTopic(r.t.Context(), partitions, 1, nil, r.topic); err != nil {
		r.t.Fatal(err)
	}
}

// write writes messages with these numbers, spread over the partitions.
func (r *rig) write(from, to int, partitions int) {
	r.t.Helper()
	var list []*kgo.Record
	for i := from; i < to; i++ {
		list = append(list, r.record(i%partitions, fmt.Sprintf(`{"@metadata":{"beat":"podbeat","_id":"%d"},"message":"%d"}`, i, i)))
	}
	r.produce(list...)
}

func (r *rig) record(partition int, value string) *kgo.Record {
	return &kgo.Record{Topic: r.topic, Partition: int32(partition), Value: []byte(value)}
}

func (r *rig) produce(list ...*kgo.Record) {
	r.t.Helper()
	if err := r.client.ProduceSync(r.t.Context(), list...).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// committed is the sum of the group's offsets; 0 while the broker does not tell.
func (r *rig) committed() (sum int64) {
	r.t.Helper()
	list, err := r.admin.FetchOffsets(r.t.Context(), r.group)
	if err != nil {
		return 0
	}
	list.Each(func(o kadm.OffsetResponse) {
		if o.Topic == r.topic && o.At > 0 {
			sum += o.At
		}
	})
	return sum
}

// members are the group's, by id.
func (r *rig) members() (ids []string) {
	r.t.Helper()
	list, err := r.admin.DescribeGroups(r.t.Context(), r.group)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, m := range list[r.group].Members {
		ids = append(ids, m.MemberID)
	}
	slices.Sort(ids)
	return ids
}

// A runner is an input that runs.
type runner struct {
	t    *testing.T
	id   string
	stop func()
}

var quick = map[string]any{
	"connect_backoff": "100ms", "consume_backoff": "10ms", "commit_interval": "50ms", "max_wait_time": "50ms", "wait_close": "1s",
	"session_timeout": "6s", "rebalance.timeout": "6s",
}

// start runs an input with these options in addition.
func (r *rig) start(p *pipe, opts map[string]any) *runner {
	r.t.Helper()
	names++
	all := maps.Clone(quick)
	all["hosts"], all["topics"], all["group_id"], all["dead_letter_file.path"] = []string{r.addr}, []string{r.topic}, r.group, filepath.Join(r.dir, "letters")
	all["id"] = "in" + strconv.Itoa(names)
	maps.Copy(all, opts)
	cfg, err := common.NewConfigFrom(all)
	if err != nil {
		r.t.Fatal(err)
	}
	m := Plugin(logp.NewLogger("test")).Manager.(*manager)
	if err := m.CheckConfig(cfg); err != nil {
		r.t.Fatal(err)
	}
	in, err := m.Create(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.adjust != nil {
		r.adjust(&in.(*input).opts)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- in.Run(v2.Context{Logger: logp.NewLogger("test"), ID: "x", Cancelation: ctx}, p) }()
	run := &runner{r.t, all["id"].(string), sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})}
	r.t.Cleanup(run.stop)
	return run
}

// figure is one of the input's metrics.
func (r *runner) figure(name string) int64 {
	registry := monitoring.Default.GetRegistry("podbeat.kafka." + r.id)
	if registry == nil {
		return -1
	}
	return monitoring.CollectFlatSnapshot(registry, monitoring.Full, false).Ints[name]
}

// idle is what the input says that it does not do.
func (r *runner) idle() string {
	registry := monitoring.Default.GetRegistry("podbeat.kafka." + r.id)
	return monitoring.CollectFlatSnapshot(registry, monitoring.Full, false).Strings["idle"]
}

func (r *runner) behind() float64 {
	registry := monitoring.Default.GetRegistry("podbeat.kafka." + r.id)
	return monitoring.CollectFlatSnapshot(registry, monitoring.Full, false).Floats["behind.seconds"]
}

// wait waits for a condition.
func wait(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited for %s; the log:\n%s", what, logged())
		}
	}
}

// logged is what has been logged since it was asked last.
func logged() string {
	var b strings.Builder
	for _, e := range logp.ObserverLogs().TakeAll() {
		fmt.Fprintln(&b, e.Level, e.Message)
	}
	return b.String()
}

func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, strconv.Itoa(i))
	}
	slices.Sort(list)
	return list
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

// TestCommit: offsets follow acknowledgements, and a start reads on from them.
func TestCommit(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	r.write(0, 10, 1)
	p := newPipe(100, false)
	in := r.start(p, nil)
	wait(t, "ten events", func() bool { return p.count() == 10 })
	wait(t, "two looks at the clock", func() bool { return in.figure("lag") == 10 })
	if n := r.committed(); n != 0 {
		t.Errorf("%d are committed without an acknowledgement", n)
	}
	if n := in.behind(); n <= 0 || n > 3600 {
		t.Errorf("%v seconds behind", n)
	}
	p.ack(3)
	wait(t, "three committed", func() bool { return r.committed() == 3 && in.figure("committed") == 3 })
	p.ack(1)
	in.stop() // commits the fourth
	if n := r.committed(); n != 4 {
		t.Errorf("%d are committed, want 4", n)
	}
	if in.figure("read") != -1 {
		t.Error("the metrics are left")
	}

	p = newPipe(100, true)
	in = r.start(p, nil)
	wait(t, "all committed", func() bool { return r.committed() == 10 })
	if got := p.messages(); !slices.Equal(got, numbers(4, 10)) {
		t.Errorf("got %q", got)
	}
	wait(t, "no lag", func() bool { return in.figure("lag") == 0 && in.behind() == 0 })
	if e := p.seen[0]; e.Meta["_id"] != "4" || len(e.Fields) != 1 {
		t.Errorf("got %v", e)
	}
}

// newMember makes a member of a group that does not run yet.
func newMember(t *testing.T, config map[string]any) (*group, *metrics) {
	t.Helper()
	cfg, err := common.NewConfigFrom(config)
	if err != nil {
		t.Fatal(err)
	}
	in, err := newInput(cfg)
	if err != nil {
		t.Fatal(err)
	}
	m := newMetrics(t.Name())
	t.Cleanup(m.close)
	g, err := newGroup(&in.opts, logp.NewLogger("test"), m)
	if err != nil {
		t.Fatal(err)
	}
	return g, m
}

// Two commits at once, as when partitions are taken from the member while it commits by the clock, count what they commit once.
func TestCommitTwiceAtOnce(t *testing.T) {
	r := newRig(t, services.Kafka(t), 1)
	const n = 20
	r.write(0, n, 1)
	g, m := newMember(t, map[string]any{"hosts": []string{r.addr}, "topics": []string{r.topic}, "group_id": r.group, "commit_interval": "1h"})
	p := newPipe(n, false)
	var err error
	if g.publisher.client, err = p.ConnectWith(beat.ClientConfig{ACKHandler: g.publisher, Events: g.publisher}); err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { g.run(stop) })
	defer running.Wait()
	defer cancel()
	wait(t, "all events", func() bool { return p.count() == n })
	for i := range uint64(n) {
		p.ack(1)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() { g.commit(t.Context(), nil) })
		}
		both.Wait()
		if got := m.committed.Get(); got != i+1 {
			t.Fatalf("%d are counted as committed, want %d", got, i+1)
		}
	}
	if got := r.committed(); got != n {
		t.Errorf("%d are committed, want %d", got, n)
	}
}

// The dead-letter file is looked at until the member leaves.
func TestDeadLetterFileInUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil { // below which nothing can be made
		t.Fatal(err)
	}
	g, _ := newMember(t, map[string]any{
		"hosts": []string{"127.0.0.1:1"}, "topics": []string{"t"}, "group_id": "g", "dead_letter_file.path": filepath.Join(file, "letters"),
	})
	if got := deadletter.Unwritable(); len(got) != 1 {
		t.Errorf("%v cannot be written, want one file", got)
	}
	g.leave()
	if got := deadletter.Unwritable(); len(got) != 0 {
		t.Errorf("%v cannot be written after the member has left", got)
	}
}

// TestSettled: what is dropped by a processor, has no value, or is no event, is settled too; not before the dead letter is written.
func TestSettled(t *testing.T) {
	r := newRig(t, services.Kafka(t), 2)
	if err := os.Mkdir(filepath.Join(r.dir, "letters"), 0o700); err != nil { // in the way of the file
		t.Fatal(err)
	}
	tombstone := r.record(0, "")
	tombstone.Value = nil
	r.produce(r.record(0, `{"drop":1}`), tombstone, r.record(0, "garbage\x1b[2J"), r.record(0, `{"message":"behind"}`), r.record(0, `{"refuse":1}`),
		r.record(0, `{"message":"last"}`), r.record(1, `{"message":"other"}`))
	p := newPipe(100, true)
	in := r.start(p, nil)
	wait(t, "all published", func() bool { return p.count() == 3 })
	wait(t, "partition 0 to wait", func() bool { return in.figure("waiting") == 1 && in.figure("paused") == 1 })
	wait(t, "partition 1 and the first two messages committed", func() bool { return r.committed() == 3 })
	r.write(0, 1, 2)
	r.write(1, 2, 2)
	wait(t, "partition 1 to go on", func() bool { return p.count() == 4 && r.committed() == 4 })
	if text := logged(); strings.Count(text, "Partition 0 of "+r.topic+" waits, and nothing of it is skipped") != 1 {
		t.Errorf("log: %s", text)
	}

	if err := os.Remove(filepath.Join(r.dir, "letters")); err != nil {
		t.Fatal(err)
	}
	wait(t, "all committed", func() bool { return r.committed() == 9 && in.figure("committed") == 9 }) // the broker has them before the input knows it
	letters, err := os.ReadFile(filepath.Join(r.dir, "letters"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(letters)), "\n")
	for i, want := range []string{
		`"message":"garbage\u001b[2J","error":{"type":"not_json"`, `"message":"{\"refuse\":1}","error":{"type":"not_queued"`,
	} {
		where := fmt.Sprintf(`"kafka":{"topic":"%s","partition":0,"offset":%d}`, r.topic, 2+2*i)
		if i >= len(lines) || !strings.Contains(lines[i], want) || !strings.Contains(lines[i], where) {
			t.Errorf("letters:\n%s\nwant %s and %s in line %d", letters, want, where, i)
		}
	}
	for name, want := range map[string]int64{
		"read": 9, "filtered": 1, "acked": 5, "dead_letter": 2, "skipped.tombstone": 1, "committed": 9, "lag": 0, "in_flight.events": 0, "in_flight.bytes": 0, "paused": 0, "partitions": 2,
	} {
		if got := in.figure(name); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}

// TestRebalance: members come and go, and each message is published once.
func TestRebalance(t *testing.T) {
	for _, strategy := range strategies {
		t.Run(strategy, func(t *testing.T) {
			r := newRig(t, services.Kafka(t), 6)
			opts := map[string]any{"rebalance.strategy": strategy}
			r.write(0, 600, 6)
			a, b := newPipe(1000, true), newPipe(1000, true)
			first := r.start(a, opts)
			wait(t, "the first to read", func() bool { return a.count() > 0 })
			second := r.start(b, opts)
			wait(t, "each to have three partitions", func() bool { return first.figure("partitions") == 3 && second.figure("partitions") == 3 })
			r.write(600, 1200, 6)
			wait(t, "the second to read", func() bool { return b.count() > 0 })
			first.stop()
			r.write(1200, 1800, 6)
			wait(t, "all to be committed", func() bool { return r.committed() == 1800 })
			if got := sorted(slices.Concat(a.messages(), b.messages())); !slices.Equal(got, numbers(0, 1800)) {
				t.Errorf("got %d messages, %d of them different", len(got), len(slices.Compact(got)))
			}
		})
	}
}

// TestPause: a member whose output takes nothing pauses, and stays in its group for longer than any of its timeouts; a
// further member gets partitions all the same, and the messages with them.
func TestPause(t *testing.T) {
	r := newRig(t, services.Kafka(t), 2)
	r.write(0, 5000, 2)
	p := newPipe(10, false)
	const session = 10 * time.Second // in which a machine may stand still for six
	in := r.start(p, map[string]any{"max_in_flight.events": 100, "session_timeout": session.String()})
	wait(t, "both partitions to pause", func() bool { return in.figure("paused") == 2 })
	members, sessions := r.members(), in.figure("rebalances")
	for end := time.Now().Add(session + 2*time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if now := r.members(); len(now) != 1 || now[0] != members[0] {
			t.Fatalf("the member %v of the group became %v", members, now)
		}
	}
	if n := in.figure("rebalances"); n != sessions {
		t.Errorf("%d rebalances, were %d", n, sessions)
	}
	if n := in.figure("in_flight.events"); n > 200 {
		t.Errorf("%d events are in flight", n)
	}

	q := newPipe(1000, true)
	other := r.start(q, map[string]any{"session_timeout": session.String()})
	wait(t, "a partition to move", func() bool { return other.figure("partitions") == 1 && in.figure("partitions") == 1 })
	wait(t, "it to be read", func() bool { return q.count() >= 2500 })
	go func() {
		for in.figure("committed") >= 0 {
			p.mu.Lock()
			n := len(p.held)
			p.mu.Unlock()
			if n > 0 {
				p.ack(n)
			}
			time.Sleep(time.Millisecond)
		}
	}()
	wait(t, "all to be committed", func() bool { return r.committed() == 5000 })
	if got := slices.Compact(sorted(slices.Concat(p.messages(), q.messages()))); !slices.Equal(got, numbers(0, 5000)) {
		t.Errorf("got %d of 5000 messages", len(got))
	}
	if in.figure("pauses") == 0 || in.figure("paused") != 0 {
		t.Errorf("%d pauses, %d paused", in.figure("pauses"), in.figure("paused"))
	}
}
