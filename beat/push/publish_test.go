package push

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/google/go-cmp/cmp"
)

// fakeClient tells a publisher what libbeat's client would, in the same order.
type fakeClient struct {
	p      *publisher
	closed bool
	what   func(message string) string // queued, filtered or refused
	events []beat.Event
}

func (c *fakeClient) Publish(e beat.Event) {
	if c.closed {
		c.p.DroppedOnPublish(e)
		return
	}
	switch c.what(e.Fields["message"].(string)) {
	case "filtered":
		c.p.AddEvent(e, false)
		c.p.FilteredOut(e)
	case "refused":
		c.p.AddEvent(e, true)
		c.p.DroppedOnPublish(e)
	default:
		c.p.AddEvent(e, true)
		c.events = append(c.events, e)
		c.p.Published()
	}
}

func (c *fakeClient) PublishAll([]beat.Event) {}
func (c *fakeClient) Close() error            { c.closed = true; c.p.Closing(); return nil }

func newFake(t *testing.T, entries int) (*publisher, *fakeClient) {
	m := newMetrics("test")
	t.Cleanup(func() { m.close() })
	p := newPublisher(&options{MaxInFlightEntries: entries, MaxInFlightBytes: 1000}, m)
	c := &fakeClient{p: p, what: func(string) string { return "" }}
	p.client = c
	return p, c
}

func newBatch(p *publisher, messages ...string) *batch {
	b := &batch{done: make(chan struct{}), bytes: 10}
	for _, m := range messages {
		b.entries = append(b.entries, entry{message: m})
	}
	p.room.bytes.take(b.bytes)
	return b
}

// state is what a request waiting for b would be told, and what is in flight.
func state(p *publisher, b *batch) string {
	s := "waits"
	select {
	case <-b.done:
		s = "done"
		if b.failed != nil {
			s = fmt.Sprintf("failed %d at %d", b.failed.why, b.failed.entry)
		}
	default:
	}
	return fmt.Sprintf("%s, %d entries, %d bytes", s, p.room.entries.used.Load(), p.room.bytes.used.Load())
}

// send publishes what has been submitted, as run would.
func send(p *publisher) {
	for len(p.queue) > 0 {
		p.publish(<-p.queue)
	}
}

func TestPublisher(t *testing.T) {
	p, c := newFake(t, 6)
	c.what = func(m string) string { return m }
	want := func(b *batch, want string) {
		t.Helper()
		if got := state(p, b); got != want {
			t.Errorf("the request %s, want %s", got, want)
		}
	}
	first, second := newBatch(p, "a", "b", "c"), newBatch(p, "d", "filtered")
	p.submit(first)
	p.submit(second)
	third := newBatch(p, "e", "f")
	p.submit(third)
	want(third, fmt.Sprintf("failed %d at 0, 5 entries, 20 bytes", causeFull))
	send(p)
	want(second, "waits, 4 entries, 20 bytes")
	p.ACKEvents(2)
	want(first, "waits, 2 entries, 20 bytes")
	p.ACKEvents(2) // across the two
	want(first, "done, 0 entries, 0 bytes")
	want(second, "done, 0 entries, 0 bytes")

	// The queue refuses an entry: what stood before it is still delivered, and what came after is not mixed up.
	broken, after := newBatch(p, "a", "refused", "c"), newBatch(p, "x")
	p.submit(broken)
	p.submit(after)
	send(p)
	want(broken, fmt.Sprintf("failed %d at 1, 2 entries, 20 bytes", causeQueue))
	want(after, "waits, 2 entries, 20 bytes")
	p.ACKEvents(1)
	want(after, "waits, 1 entries, 10 bytes")
	p.ACKEvents(1)
	want(after, "done, 0 entries, 0 bytes")

	// All dropped by a processor.
	dropped := newBatch(p, "filtered", "filtered")
	p.submit(dropped)
	send(p)
	want(dropped, "done, 0 entries, 0 bytes")

	late := newBatch(p, "a")
	p.submit(late)
	c.Close()
	send(p)
	want(late, fmt.Sprintf("failed %d at 0, 0 entries, 0 bytes", causeClosing))
	if len(p.sent) != 0 {
		t.Errorf("%d runs are left", len(p.sent))
	}
	m := p.metrics
	if in, out := m.received.Get(), m.acked.Get()+m.filtered.Get()+m.failed.Get(); in != out || in != 12 {
		t.Errorf("%d entries came in, %d are accounted for, want 12", in, out)
	}
}

func TestRemembered(t *testing.T) {
	p, c := newFake(t, 100)
	var r remembered
	first, again := newBatch(p, "a"), newBatch(p, "a")
	if r.claim("k", first) != first || r.claim("k", again) != first {
		t.Error("a repeated request is not known")
	}
	c.Close()
	p.submit(first)
	send(p)
	if r.claim("k", again) != again {
		t.Error("a request that failed is not sent when it is repeated")
	}
	for i := range maxRemembered - 1 {
		r.claim(fmt.Sprint(i), again)
	}
	if r.claim("k", first) != again {
		t.Error("a key is forgotten too early")
	}
	r.claim("one more", again)
	if r.claim("k", first) != first || len(r.byKey) > maxRemembered {
		t.Errorf("%d keys are remembered", len(r.byKey))
	}
}

// A key is another body's only while nothing has been taken under it.
func TestRememberedBody(t *testing.T) {
	f := func(want string, messages ...string) {
		t.Helper()
		p, c := newFake(t, 4)
		c.what = func(m string) string { return m }
		var r remembered
		body := func(n byte, messages ...string) *batch {
			b := newBatch(p, messages...)
			b.digest[0] = n
			if r.claim("k", b) != b {
				return nil
			}
			p.submit(b)
			send(p)
			return b
		}
		body(1, messages...)
		got := "another"
		if body(2, "b") == nil {
			// Not even when the same body has found no room in between.
			fill := newBatch(p, make([]string, 4-p.room.entries.used.Load())...)
			p.submit(fill)
			again := body(1, messages...)
			got = "the same"
			if again == nil {
				got = "no more"
			}
			if body(2, "b") != nil {
				got = "at last another"
			}
		}
		if got != want {
			t.Errorf("after %q the key is for %s, want %s", messages, got, want)
		}
	}
	f("another", "refused")
	f("another", "refused", "a")
	f("another", "a", "a", "a", "a", "a") // no room
	f("the same", "a", "refused")
	f("the same", "filtered", "refused")
	f("no more", "a")
	f("no more", "filtered")
}

func TestEvent(t *testing.T) {
	at := time.UnixMicro(1516792419231221).UTC()
	m := newEventMaker(beat.Info{Beat: "podbeat", Name: "Node.1"})
	b := &batch{
		stamp:   stamp{app: app, user: "12203", client: "10.0.0.1", received: clock, key: "K", place: place{"shop", "eu", "eu-1"}},
		entries: []entry{{}, {time: at, kind: "applog", message: "text", labels: []label{{"level", "WARN"}, {"level", "info"}, {"a.b", "1"}, {"a_b", "2"}, {"a*b", "3"}, {"@timestamp", "x"}, {"名-1", ""}}}},
	}
	got := m.event(b, 1)
	want := beat.Event{
		Timestamp: at,
		Meta:      common.MapStr{"_id": "K-1", "index_prefix": "logstash-podbeat-node_1"},
		Private:   b,
		Fields: common.MapStr{
			"message": "text",
			"event":   common.MapStr{"kind": "event", "dataset": "applog", "created": common.Time(clock)},
			"service": common.MapStr{"id": app}, "user": common.MapStr{"id": "12203"}, "client": common.MapStr{"ip": "10.0.0.1"},
			"log":        common.MapStr{"stream": "push", "level": "WARN"},
			"kubernetes": common.MapStr{"namespace": "shop"}, "region": "eu", "zone": "eu-1",
			"labels": common.MapStr{"level": []string{"WARN", "info"}, "a_b": []string{"1", "2", "3"}, "_timestamp": "x", "名-1": ""},
		},
	}
	if diff := cmp.Diff(fmt.Sprintf("%#v", want), fmt.Sprintf("%#v", got)); diff != "" {
		t.Error(diff)
	}
}

// The same entry has the same id whenever it comes, and no other entry has it.
func TestIDs(t *testing.T) {
	var all []string
	add := func(app, user, key, id string, i int) {
		s := stamp{app: app, key: requestKey(app, user, key)}
		got := idOf(&s, &entry{id: id}, i)
		if len(got) > 100 {
			t.Errorf("id %q is long", got)
		}
		s.key = requestKey(app, user, key)
		if again := idOf(&s, &entry{id: id}, i); (again == got) != (key != "" || id != "") {
			t.Errorf("key %q, id %q: the id is %q and then %q", key, id, got, again)
		}
		all = append(all, got)
	}
	add("a", "u", "", "", 0)
	add("a", "u", "", "", 0)
	add("a", "u", "k", "", 0)
	add("a", "u", "k", "", 1)
	add("a", "u", "k", "", 10)
	add("a", "v", "k", "", 0)
	add("b", "u", "k", "", 0)
	add("a", "uk", "", "k", 0)
	add("a", "u\x00k", "x", "", 0)
	add("a", "u", "k\x00x", "", 0)
	add("b", "", "", "k", 0)
	slices.Sort(all)
	if distinct := slices.Compact(slices.Clone(all)); len(distinct) != len(all) {
		t.Errorf("ids are shared: %q", all)
	}
	// Whatever the request, the app's own id is the entry's.
	s, o := stamp{app: "a", key: "x"}, stamp{app: "a", key: "y"}
	if idOf(&s, &entry{id: "k"}, 0) != idOf(&o, &entry{id: "k"}, 7) {
		t.Error("an entry with an id of its own has another one in another request")
	}
}
