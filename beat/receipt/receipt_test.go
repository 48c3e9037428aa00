package receipt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/acker"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/publisher/pipeline"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
	"github.com/elastic/beats/v7/libbeat/publisher/queue/memqueue"

	"github.com/podbeat/podbeat/beat/deadletter"
	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
)

// output is an output that a test decides for: what becomes of an event is in its field "fate".
type output struct {
	gate chan struct{} // a batch is taken for each value in it, or all when it is closed
}

func (o *output) Publish(_ context.Context, b publisher.Batch) error {
	<-o.gate
	var again []publisher.Event
	for i := range b.Events() {
		e := &b.Events()[i]
		switch e.Content.Fields["fate"] {
		case "dead":
			deadletter.Note(&e.Content)
		case "drop":
			deadletter.NoteDropped(&e.Content)
		case "retry":
			e.Content.Fields["fate"] = ""
			again = append(again, *e)
		}
	}
	if len(again) > 0 {
		b.RetryEvents(again)
	} else {
		b.ACK()
	}
	return nil
}

func (o *output) Close() error   { return nil }
func (o *output) String() string { return "test" }

// filter drops what is to be filtered.
type filter struct{}

func (filter) Run(e *beat.Event) (*beat.Event, error) {
	if d := prepared.Of(e); d != nil {
		d.Process(&prepared.Chain{Run: func(e *beat.Event) (*beat.Event, error) { return e, nil }})
	}
	if e.Fields["fate"] == "filter" {
		return nil, nil
	}
	return e, nil
}
func (filter) String() string { return "filter" }

type supporter struct{}

func (supporter) Create(beat.ProcessingConfig, bool) (beat.Processor, error) { return filter{}, nil }
func (supporter) Processors() []string                                       { return nil }
func (supporter) Close() error                                               { return nil }

// libbeat makes a real pipeline with a queue of n events before o.
func libbeat(t testing.TB, n int, o *output) beat.Pipeline {
	t.Helper()
	p, err := pipeline.New(beat.Info{}, pipeline.Monitors{Logger: logp.NewLogger("test")},
		func(l queue.ACKListener) (queue.Queue, error) {
			return memqueue.NewQueue(logp.NewLogger("test"), memqueue.Settings{ACKListener: l, Events: n, FlushMinEvents: max(1, n/3), FlushTimeout: time.Millisecond}), nil
		},
		outputs.Group{Clients: []outputs.Client{o}, BatchSize: 8, Retry: -1},
		pipeline.Settings{Processors: supporter{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func event(fate, namespace string) beat.Event {
	e := beat.Event{Timestamp: time.Now(), Fields: common.MapStr{"fate": fate}, Private: fate + "/" + namespace}
	if namespace != "" {
		e.Fields["kubernetes"] = common.MapStr{"namespace": namespace}
	}
	return e
}

func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// TestEntries is one input's life: what becomes of each of its events is told apart, of each namespace too.
func TestEntries(t *testing.T) {
	o := &output{gate: make(chan struct{})}
	b := NewBook()
	u := b.Unit("journal", "node")
	var seen []string
	var mu sync.Mutex
	handler := acker.EventPrivateReporter(func(_ int, data []any) {
		mu.Lock()
		defer mu.Unlock()
		for _, d := range data {
			seen = append(seen, d.(string))
		}
	})
	client, err := u.Outer(u.Inner(libbeat(t, 64, o))).ConnectWith(beat.ClientConfig{PublishMode: beat.GuaranteedSend, ACKHandler: handler})
	if err != nil {
		t.Fatal(err)
	}
	fates := []string{"", "dead", "filter", "", "drop", "retry", "filter", "dead", ""}
	var want []string
	for i, fate := range fates {
		e := event(fate, []string{"shop", "pay", ""}[i%3])
		want = append(want, e.Private.(string))
		client.Publish(e)
	}
	a := u.Account()
	if a.Read != 9 || a.Filtered != 2 || a.InFlight != 7 || a.Pending != 7 || a.Difference != 0 || a.OldestSeconds <= 0 {
		t.Errorf("while all wait: %+v", a)
	}
	close(o.gate)
	wait(t, "all are settled", func() bool { return u.Account().InFlight == 0 })
	if err := client.Close(); err != nil {
		t.Fatal(err)
	}
	client.Publish(event("", "shop")) // libbeat does not take it any more
	client.PublishAll([]beat.Event{event("", "shop"), event("", "")})
	a = u.Account()
	if want := (Entry{Read: 12, Filtered: 2, Acked: 4, DeadLetters: 2, Dropped: 1, Abandoned: 3}); a.Entry != want || a.Difference != 0 || a.OldestSeconds != 0 {
		t.Errorf("at the end: got %+v, want %+v", a, want)
	}
	if len(u.lanes) != 0 {
		t.Error("a closed client without events is remembered")
	}
	mu.Lock()
	if !slices.Equal(seen, want) {
		t.Errorf("the input was told of %q, want what it has in Private, in order: %q", seen, want)
	}
	mu.Unlock()
	got := fmt.Sprintf("%+v", b.Namespaces())
	if want := fmt.Sprintf("%+v", []Namespace{
		{None, Entry{Read: 4, Filtered: 1, Acked: 2, Abandoned: 1}},
		{"pay", Entry{Read: 3, Acked: 0, Dropped: 1, DeadLetters: 2}},
		{"shop", Entry{Read: 5, Filtered: 1, Acked: 2, Abandoned: 2}},
	}); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if again := b.Unit("journal", "node"); again != u {
		t.Error("an account does not outlive a run")
	}
}

// carrier is an input's mark with a document.
type carrier struct{ d prepared.Document }

func (c *carrier) Prepared() *prepared.Document { return &c.d }

// document makes an event of a template's kind, and returns its mark, too.
func document(t *prepared.Template, message string) (beat.Event, *carrier) {
	c := &carrier{prepared.Document{Template: t, Values: []prepared.Value{prepared.String(message)}}}
	return beat.Event{Timestamp: time.Now(), Private: c}, c
}

func template(namespace string) *prepared.Template {
	return prepared.New(common.MapStr{"message": encode.Hole(0), "kubernetes": common.MapStr{"namespace": namespace}}, common.MapStr{})
}

// A document is one for the output, too, and counted in its template's namespace.
func TestDocument(t *testing.T) {
	b := NewBook()
	u, n := b.Unit("journal", "node"), &null{}
	var told []any
	client, err := u.Outer(u.Inner(n)).ConnectWith(beat.ClientConfig{ACKHandler: acker.EventPrivateReporter(func(_ int, data []any) { told = data })})
	if err != nil {
		t.Fatal(err)
	}
	shop, chain := template("shop"), &prepared.Chain{Run: func(e *beat.Event) (*beat.Event, error) { return e, nil }}
	n.take = func(e beat.Event) {
		if d := prepared.Of(&e); d == nil || d.Process(chain) != prepared.Done || d.Template != shop {
			t.Errorf("libbeat gets %+v, which is no document", e)
		}
	}
	e, mark := document(shop, "x")
	client.Publish(e)
	n.take = func(e beat.Event) {
		if prepared.Of(&e) != nil {
			t.Errorf("libbeat gets %+v as a document", e)
		}
	}
	client.Publish(beat.Event{Private: "no document"})
	n.ACKHandler.ACKEvents(2)
	if len(told) != 2 || told[0] != any(mark) || told[1] != "no document" {
		t.Errorf("the input is told of %v", told)
	}
	want := fmt.Sprintf("%+v", []Namespace{{None, Entry{Read: 1, Acked: 1}}, {"shop", Entry{Read: 1, Acked: 1}}})
	if got := fmt.Sprintf("%+v", b.Namespaces()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// libbeat may add an event to a client that has been closed meanwhile.
func TestLate(t *testing.T) {
	b := NewBook()
	u, n := b.Unit("journal", "node"), &null{}
	client, err := u.Outer(u.Inner(n)).Connect()
	if err != nil {
		t.Fatal(err)
	}
	client.Publish(event("", "shop"))
	n.ACKHandler.ACKEvents(1)
	n.ACKHandler.Close()
	if len(u.lanes) != 0 {
		t.Error("a closed client without events is remembered")
	}
	client.Publish(event("", "shop"))
	if a := u.Account(); a.Read != 2 || a.Acked != 1 || a.Pending != 1 || a.Difference != 0 || u.Oldest().IsZero() {
		t.Errorf("an event after the end: %+v", a)
	}
	n.ACKHandler.ACKEvents(1)
	if a := u.Account(); a.Acked != 2 || a.Pending != 0 || a.Difference != 0 || len(u.lanes) != 0 || !u.Oldest().IsZero() {
		t.Errorf("and when it is acknowledged: %+v", a)
	}
}

// What waits is as old as the first of it, whenever the clock was looked at.
func TestOldest(t *testing.T) {
	b := NewBook()
	u, n := b.Unit("journal", "node"), &null{}
	client, err := u.Outer(u.Inner(n)).Connect()
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) { b.start = time.Now().Add(-d) }
	f := func(want time.Duration) {
		t.Helper()
		if got := u.Oldest().Sub(b.start).Round(time.Hour); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	at(time.Hour)
	for range 3 {
		client.Publish(event("", "a"))
	}
	f(time.Hour)
	at(2 * time.Hour)
	for range 2 * ticksEvery {
		client.Publish(event("", "a"))
	}
	n.ACKHandler.ACKEvents(3)
	at(3 * time.Hour)
	client.Publish(event("", "a"))
	n.ACKHandler.ACKEvents(ticksEvery)
	f(2 * time.Hour)
	n.ACKHandler.ACKEvents(ticksEvery)
	f(3 * time.Hour)
	n.ACKHandler.ACKEvents(1)
	at(4 * time.Hour)
	client.Publish(event("", "a"))
	f(4 * time.Hour)
}

func TestIsNamespace(t *testing.T) {
	f := func(name string, want bool) {
		t.Helper()
		if got := isNamespace(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
	f("default", true)
	f("a-1", true)
	f("0", true)
	f(strings.Repeat("a", 63), true)
	f(strings.Repeat("a", 64), false)
	f("-a", false)
	f("a-", false)
	f("A", false)
	f("a.b", false)
	f(Other, false)
	f("\x1b[2J", false)
	f("ä", false)
}

// Hostile names make neither a line of their own nor more than so many.
func TestNamespacesAreBounded(t *testing.T) {
	o := &output{gate: make(chan struct{})}
	close(o.gate)
	b := NewBook()
	u := b.Unit("push", "p")
	client, err := u.Outer(u.Inner(libbeat(t, 64, o))).Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const n = MaxNamespaces + 50
	for i := range 2 * n {
		client.Publish(event("", fmt.Sprintf("ns%d", i%n)))
	}
	client.Publish(event("", "\x1b]0;x\a"))
	client.Publish(beat.Event{Fields: common.MapStr{"kubernetes.namespace": "flat"}})
	client.Publish(beat.Event{Fields: common.MapStr{"kubernetes": 7}})
	wait(t, "all are delivered", func() bool { return u.Account().Acked == 2*n+3 })
	list := b.Namespaces()
	if len(list) != MaxNamespaces+2 {
		t.Errorf("%d lines, want %d", len(list), MaxNamespaces+2)
	}
	var sum Entry
	for _, ns := range list {
		switch ns.Name {
		case Other:
			if ns.Acked != 2*50+2 {
				t.Errorf("%+v", ns)
			}
		case None:
			if ns.Acked != 1 {
				t.Errorf("%+v", ns)
			}
		}
		sum.add(&ns.Entry)
	}
	if total := b.Receipt().Total; sum != total {
		t.Errorf("namespaces together %+v, inputs together %+v", sum, total)
	}
}

// level stands for a delivery level: it has some events in its hands and throws some away.
type level struct {
	beat.PipelineConnector
	buffered, dropped atomic.Int64
}

type levelClient struct {
	*level
	beat.Client
	pass chan struct{}
}

func (l *level) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	client, err := l.PipelineConnector.ConnectWith(c)
	return &levelClient{l, client, make(chan struct{}, 1)}, err
}

func (c *levelClient) PublishAll(events []beat.Event) {
	for _, e := range events {
		c.Publish(e)
	}
}

func (c *levelClient) Publish(e beat.Event) {
	switch rand.N(20) {
	case 0:
		c.dropped.Add(1)
	case 1:
		c.buffered.Add(1)
	default:
		c.Client.Publish(e)
	}
}

// TestAddsUp publishes from many clients at once, which come and go, while the account is looked at.
func TestAddsUp(t *testing.T) {
	o := &output{gate: make(chan struct{}, 1)}
	b := NewBook()
	u := b.Unit("emptydir", "default")
	lev := &level{PipelineConnector: u.Inner(libbeat(t, 64, o))}
	b.Delivery(func(typ, id string) Held {
		return Held{Buffered: lev.buffered.Load(), Dropped: lev.dropped.Load()}
	})
	p := u.Outer(lev)
	done := make(chan struct{})
	var looks, publishing sync.WaitGroup
	looks.Go(func() {
		for {
			select {
			case <-done:
				return
			case o.gate <- struct{}{}:
			}
			if a := u.Account(); a.Difference != 0 || a.InFlight < 0 {
				t.Errorf("while events move: %+v", a)
			}
		}
	})
	const clients, each = 8, 400
	kind := template("a")
	for range clients {
		publishing.Go(func() {
			client, err := p.ConnectWith(beat.ClientConfig{PublishMode: beat.GuaranteedSend})
			if err != nil {
				t.Error(err)
				return
			}
			for i := 0; i < each; {
				if rand.N(10) == 0 && i+5 < each {
					client.PublishAll([]beat.Event{event("", "a"), event("filter", "b"), event("retry", ""), event("dead", "a"), event("drop", "c")})
					i += 5
					continue
				}
				e := event([]string{"", "", "", "dead", "filter", "retry"}[rand.N(6)], []string{"a", "b", ""}[rand.N(3)])
				if rand.N(3) == 0 {
					e, _ = document(kind, "x")
				}
				client.Publish(e)
				if i++; rand.N(150) == 0 {
					_ = client.Close()
					client.Publish(event("", "late")) // too late, unless the level has it
					if client, err = p.ConnectWith(beat.ClientConfig{PublishMode: beat.GuaranteedSend}); err != nil {
						t.Error(err)
						return
					}
				}
			}
			_ = client.Close()
		})
	}
	publishing.Wait()
	wait(t, "all are settled", func() bool { return u.Account().Pending == 0 })
	close(done)
	looks.Wait()
	a, r := u.Account(), b.Receipt()
	if a.Read < clients*each || a.Difference != 0 || a.Handing != 0 || a.InFlight != a.Buffered || !r.AddsUp || len(u.lanes) != 0 {
		t.Errorf("at the end: %+v, %d clients", a, len(u.lanes))
	}
	if a.Acked == 0 || a.DeadLetters == 0 || a.Filtered == 0 || a.Dropped == 0 || a.Buffered == 0 {
		t.Errorf("the test has left something out: %+v", a)
	}
	lev.dropped.Add(-1) // as if one were lost
	if a := u.Account(); a.Difference != 1 {
		t.Errorf("one event is nowhere, and the difference is %d", a.Difference)
	}
	lev.dropped.Add(3)
	if r := b.Receipt(); r.Difference != -2 || r.AddsUp {
		t.Errorf("two events are counted twice, and the difference is %d", r.Difference)
	}
}

// null stands for libbeat: it takes what comes.
type null struct {
	beat.ClientConfig
	take func(beat.Event)
}

func (n *null) Connect() (beat.Client, error) { return n, nil }
func (n *null) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	n.ClientConfig = c
	return n, nil
}
func (n *null) Close() error            { return nil }
func (n *null) PublishAll([]beat.Event) {}
func (n *null) Publish(e beat.Event) {
	if n.take != nil {
		n.take(e)
	}
	if n.ACKHandler != nil {
		n.ACKHandler.AddEvent(e, true)
	}
}

// BenchmarkEvent is what the account costs per event, acknowledged 1000 at a time.
func BenchmarkEvent(b *testing.B) {
	run := func(name string, accounted bool, e beat.Event) {
		b.Run(name, func(b *testing.B) {
			n := &null{}
			var p beat.PipelineConnector = n
			if accounted {
				u := NewBook().Unit("journal", "node")
				p = u.Outer(u.Inner(n))
			}
			client, _ := p.ConnectWith(beat.ClientConfig{ACKHandler: acker.Nil()})
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				client.Publish(e)
				if i%1000 == 999 {
					n.ACKHandler.ACKEvents(1000)
				}
			}
		})
	}
	e, _ := document(template("shop"), "x")
	_, _ = filter{}.Run(&e)
	run("without", false, event("", "shop"))
	run("ordinary", true, event("", "shop"))
	run("document", true, e)
}
