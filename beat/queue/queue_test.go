package queue

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
	"github.com/elastic/beats/v7/libbeat/publisher/queue/memqueue"
	"github.com/elastic/beats/v7/libbeat/publisher/queue/queuetest"
)

// What libbeat tests its queues with.
func TestAsLibbeat(t *testing.T) {
	f := func(name string, o options) {
		t.Run(name, func(t *testing.T) {
			q := func(*testing.T) queue.Queue { return open(nil, o) }
			queuetest.TestSingleProducerConsumer(t, 5000, 17, q)
			queuetest.TestMultiProducerConsumer(t, 5000, 17, q)
		})
	}
	f("direct", options{Events: 64})
	f("flush", options{Events: 64, FlushMinEvents: 20, FlushTimeout: time.Millisecond})
	f("one batch", options{Events: 64, FlushMinEvents: 64, FlushTimeout: time.Millisecond})
}

// made makes the queue as libbeat does.
func made(t *testing.T, yaml string) (queue.Queue, error) {
	t.Helper()
	cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
	if err != nil {
		t.Fatal(err)
	}
	return queue.FindFactory("mem")(nil, logp.L(), cfg, 400)
}

func TestOptions(t *testing.T) {
	f := func(yaml string, want options) {
		t.Helper()
		q, err := made(t, yaml)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.(*memory).options; got != want || q.BufferConfig().MaxEvents != want.Events {
			t.Errorf("%s: got %+v, want %+v", yaml, got, want)
		}
		_ = q.Close()
	}
	f("{}", options{4096, 2048, time.Second})
	f("{events: 100, flush: {min_events: 50, timeout: 5s}}", options{100, 50, 5 * time.Second})
	f("{events: 100, flush.min_events: 0}", options{100, 1, time.Second})
	f("{events: 100, flush: {min_events: 50, timeout: 0s}}", options{100, 1, 0})
	refused := func(yaml, want string) {
		t.Helper()
		if _, err := made(t, yaml); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", yaml, err, want)
		}
	}
	refused("{events: 31}", "events")
	refused("{events: 100, flush.min_events: 101}", "want at most events, 100")
	refused("{events: 100, flush.min_events: -1}", "min_events")
}

func event(i int) publisher.Event { return publisher.Event{Content: beat.Event{Private: i}} }

func publish(t *testing.T, p queue.Producer, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if !p.Publish(event(i)) {
			t.Fatalf("event %d is not taken", i)
		}
	}
}

// get takes a batch, whose events must be from … to-1.
func get(t *testing.T, c queue.Consumer, n, from, to int) queue.Batch {
	t.Helper()
	b, err := c.Get(n)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []int
	for _, e := range b.Events() {
		got = append(got, e.Content.Private.(int))
	}
	for i := from; i < to; i++ {
		want = append(want, i)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	return b
}

// A teller hears what a producer is told.
type teller chan string

func (c teller) as(name string) queue.ProducerConfig {
	return queue.ProducerConfig{ACK: func(n int) { c <- fmt.Sprint(name, n) }}
}

func (c teller) OnACK(n int) { c <- fmt.Sprint("all", n) }

func (c teller) want(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got := <-c; got != w {
			t.Fatalf("got %s, want %s", got, w)
		}
	}
	select {
	case got := <-c:
		t.Fatalf("got %s besides %q", got, want)
	default:
	}
}

// Batches may be acknowledged in any order; producers are told in theirs.
func TestOrder(t *testing.T) {
	told := make(teller, 16)
	q := open(told, options{Events: 64, FlushMinEvents: 6, FlushTimeout: time.Hour})
	defer q.Close()
	a, b, c := q.Producer(told.as("a")), q.Producer(told.as("b")), q.Consumer()
	publish(t, a, 0, 2)
	publish(t, b, 2, 3)
	publish(t, a, 3, 6)
	publish(t, q.Producer(queue.ProducerConfig{}), 6, 12)
	first := get(t, c, 4, 0, 4)
	second := get(t, c, 4, 4, 6) // batches end where what was flushed together does
	third := get(t, c, 0, 6, 12)
	third.ACK()
	second.ACK()
	told.want(t)
	first.ACK()
	told.want(t, "all12", "a5", "b1")
	publish(t, a, 0, 6)
	get(t, c, 100, 0, 6).ACK()
	told.want(t, "all6", "a6")
}

// What is published waits for min_events, or for the timeout.
func TestFlush(t *testing.T) {
	q := open(nil, options{Events: 64, FlushMinEvents: 10, FlushTimeout: time.Millisecond})
	defer q.Close()
	p, c := q.Producer(queue.ProducerConfig{}), q.Consumer()
	for range 3 { // each time the timer starts anew
		p.Publish(event(0))
		get(t, c, 0, 0, 1)
	}
	slow := open(nil, options{Events: 64, FlushMinEvents: 10, FlushTimeout: time.Hour})
	defer slow.Close()
	p, c = slow.Producer(queue.ProducerConfig{}), slow.Consumer()
	got := make(chan queue.Batch)
	go func() {
		b, _ := c.Get(0)
		got <- b
	}()
	publish(t, p, 0, 9)
	select {
	case <-got:
		t.Fatal("nine events are given, and ten should have been waited for")
	default:
	}
	publish(t, p, 9, 10)
	if b := <-got; len(b.Events()) != 10 {
		t.Errorf("%d events are given, not ten", len(b.Events()))
	}
}

// Who publishes to a full queue waits: for room, or until he is told to stop.
func TestFull(t *testing.T) {
	q := open(nil, options{Events: 32, FlushMinEvents: 16, FlushTimeout: time.Hour})
	defer q.Close()
	p, other, c := q.Producer(queue.ProducerConfig{}), q.Producer(queue.ProducerConfig{}), q.Consumer()
	publish(t, p, 0, 32)
	if p.TryPublish(event(32)) {
		t.Error("a full queue takes an event")
	}
	b := get(t, c, 0, 0, 16)
	if p.TryPublish(event(32)) {
		t.Error("events that are not acknowledged have made room")
	}
	waits, stopped := make(chan bool), make(chan bool)
	go func() { waits <- p.Publish(event(32)) }()
	go func() { stopped <- other.Publish(event(-1)) }()
	other.Cancel()
	if <-stopped || other.TryPublish(event(-1)) {
		t.Error("an event is taken of a producer that has been cancelled")
	}
	b.ACK()
	if !<-waits {
		t.Error("an event is not taken though there is room")
	}
	get(t, c, 0, 16, 32)
	publish(t, p, 33, 48)
	get(t, c, 0, 32, 48)
	go func() { waits <- p.Publish(event(48)) }()
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if <-waits || p.TryPublish(event(48)) {
		t.Error("a closed queue takes an event")
	}
}

func TestConsumerClosed(t *testing.T) {
	q := open(nil, options{Events: 32, FlushMinEvents: 16, FlushTimeout: time.Hour})
	defer q.Close()
	p, c := q.Producer(queue.ProducerConfig{}), q.Consumer()
	closed := make(chan error)
	go func() {
		_, err := c.Get(0)
		closed <- err
	}()
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-closed; !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want io.EOF", err)
	}
	if err := c.Close(); err == nil {
		t.Error("a consumer is closed twice")
	}
	publish(t, p, 0, 16)
	if _, err := c.Get(0); !errors.Is(err, io.EOF) {
		t.Errorf("error %v, want io.EOF", err)
	}
	get(t, q.Consumer(), 0, 0, 16) // the next one
}

// BenchmarkQueue is what an event costs from Publish to being told of.
func BenchmarkQueue(b *testing.B) {
	run := func(name string, q queue.Queue) {
		b.Run(name, func(b *testing.B) {
			var told sync.WaitGroup
			told.Add(b.N)
			p, c := q.Producer(queue.ProducerConfig{ACK: func(n int) { told.Add(-n) }}), q.Consumer()
			go func() {
				for {
					batch, err := c.Get(1600)
					if err != nil {
						return
					}
					batch.ACK()
				}
			}()
			b.ReportAllocs()
			for i := range b.N {
				p.Publish(event(i))
			}
			told.Wait()
			_ = c.Close()
		})
	}
	o := options{Events: 4800, FlushMinEvents: 1600, FlushTimeout: 10 * time.Millisecond}
	run("podbeat", open(nil, o))
	run("libbeat", memqueue.NewQueue(logp.L(), memqueue.Settings{Events: o.Events, FlushMinEvents: o.FlushMinEvents, FlushTimeout: o.FlushTimeout, InputQueueSize: 400}))
}
