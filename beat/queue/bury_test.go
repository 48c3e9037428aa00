package queue

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
)

// An owner is what an event has in Private.
type owner struct{ dead, wants bool }

func (o *owner) DeadLettered()   { o.dead = true }
func (o *owner) TakesBack() bool { return o.wants }

// heard counts what the pipeline hears.
type heard struct{ atomic.Int64 }

func (h *heard) OnACK(n int) { h.Add(int64(n)) }

func sized(id string, size int, o *owner) publisher.Event {
	return publisher.Event{Content: beat.Event{Timestamp: time.Unix(1_715_904_000, 0), Private: o,
		Meta: common.MapStr{"_id": id, "index_prefix": "logs"}, Fields: common.MapStr{"message": strings.Repeat("x", size)}}}
}

// lettersIn returns the ids of the dead letters in dir, in their order.
func lettersIn(t *testing.T, dir string) (ids []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "dead-letter.ndjson"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var l struct {
			Message      string
			Error, Event map[string]string
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Error["type"] != notQueued || !strings.Contains(l.Error["message"], "queue.disk.max_size") || !strings.Contains(l.Message, `"index_prefix":"logs"`) {
			t.Errorf("letter %.300s", line)
		}
		ids = append(ids, l.Event["id"])
	}
	return ids
}

func dataIn(t *testing.T) string {
	t.Helper()
	before := paths.Paths.Data
	paths.Paths.Data = t.TempDir()
	t.Cleanup(func() { paths.Paths.Data = before })
	return paths.Paths.Data
}

// libbeat's own queue refuses an event larger than a segment: it is a dead letter, and acknowledged as those before and
// behind it are. One that its input wants back is not.
func TestBury(t *testing.T) {
	data := dataIn(t)
	q := onDisk(t, filepath.Join(data, "queue"))
	told := make(chan int, 100)
	p := q.Producer(queue.ProducerConfig{ACK: func(n int) { told <- n }})
	long, back := &owner{}, &owner{wants: true}
	for i, e := range []publisher.Event{sized("a", 10, &owner{}), sized("b", 2<<20, long), sized("c", 10, &owner{})} {
		if !p.Publish(e) {
			t.Errorf("event %d is refused", i)
		}
	}
	if p.Publish(sized("d", 2<<20, back)) || back.dead {
		t.Error("an event that its input wants back is put aside")
	}
	for n := 0; n < 3; {
		n += <-told
	}
	if got := strings.Join(lettersIn(t, data), " "); got != "b" || !long.dead {
		t.Errorf("dead letters %q, the input has heard: %v", got, long.dead)
	}
	b, err := q.Consumer().Get(10)
	if err != nil || len(b.Events()) != 2 {
		t.Errorf("got %d events: %v", len(b.Events()), err)
	}
	p.Cancel()
	if p.Publish(sized("e", 2<<20, &owner{})) {
		t.Error("a producer that is cancelled takes an event")
	}
	another := q.Producer(queue.ProducerConfig{})
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if another.Publish(sized("f", 10, &owner{})) {
		t.Error("a queue that is closed takes an event")
	}
	if got := lettersIn(t, data); len(got) != 1 {
		t.Errorf("dead letters %v after the end", got)
	}
}

// A fake is a queue that takes what the test wants, and acknowledges when it wants.
type fake struct {
	queue.Queue
	queue.Producer
	config queue.ProducerConfig
	refuse bool
	hold   chan struct{} // Publish waits for it, if it is there
}

func (f *fake) Close() error { return nil }
func (f *fake) Cancel() int  { return 0 }
func (f *fake) Publish(publisher.Event) bool {
	if f.hold != nil {
		<-f.hold
	}
	return !f.refuse
}

// fakeQueue makes f a queue.
type fakeQueue struct{ *fake }

func (q fakeQueue) Producer(c queue.ProducerConfig) queue.Producer {
	q.config = c
	return q.fake
}

// A dead letter is acknowledged when all before it are, and not sooner.
func TestBuryInTurn(t *testing.T) {
	dataIn(t)
	synctest.Test(t, func(t *testing.T) {
		f, listener, told := &fake{}, &heard{}, &heard{}
		p := bury(fakeQueue{f}, listener, logp.L()).Producer(queue.ProducerConfig{ACK: told.OnACK})
		for _, refuse := range []bool{true, false, false, true, true, false} {
			f.refuse = refuse
			if !p.Publish(sized("x", 10, &owner{})) {
				t.Fatal("an event is refused")
			}
		}
		want := func(n int64) {
			t.Helper()
			synctest.Wait()
			if got := told.Load(); got != n {
				t.Errorf("%d are acknowledged, want %d", got, n)
			}
		}
		want(1)
		f.config.ACK(1)
		want(2)
		f.config.ACK(1)
		want(5)
		f.config.ACK(1)
		want(6)
		if got := listener.Load(); got != 3 { // libbeat's queue tells of the others
			t.Errorf("the pipeline has heard of %d dead letters", got)
		}
	})
}

// One acknowledgement is told of after the other, as libbeat's queue does it: an input would store an older position over a newer one.
func TestBuryTellsInOrder(t *testing.T) {
	dataIn(t)
	synctest.Test(t, func(t *testing.T) {
		f, hold, told := &fake{}, make(chan struct{}), make(chan int, 10)
		var busy atomic.Bool
		p := bury(fakeQueue{f}, nil, logp.L()).Producer(queue.ProducerConfig{ACK: func(n int) {
			if !busy.CompareAndSwap(false, true) {
				t.Error("two are told of at the same time")
			}
			<-hold
			busy.Store(false)
			told <- n
		}})
		publish := func(refuse bool) {
			t.Helper()
			if f.refuse = refuse; !p.Publish(sized("x", 10, &owner{})) {
				t.Fatal("an event is refused")
			}
		}
		publish(false)
		publish(false)
		go f.config.ACK(2)
		synctest.Wait()
		publish(true)
		synctest.Wait()
		close(hold)
		synctest.Wait()
		if first, second := <-told, <-told; first != 2 || second != 1 {
			t.Errorf("told of %d and %d, want 2 and 1", first, second)
		}
	})
}

// What is refused since the client or the queue is closed is no dead letter, also if that was while it waited.
func TestBuryNoneAtTheEnd(t *testing.T) {
	data := dataIn(t)
	f := func(what string, end func(*burying, queue.Producer)) {
		t.Helper()
		in := &fake{refuse: true, hold: make(chan struct{})}
		q := bury(fakeQueue{in}, nil, logp.L())
		p, taken := q.Producer(queue.ProducerConfig{ACK: func(int) { t.Errorf("%s: it is acknowledged", what) }}), make(chan bool)
		go func() { taken <- p.Publish(sized("x", 10, &owner{})) }()
		end(q, p)
		close(in.hold)
		if <-taken || len(lettersIn(t, data)) > 0 {
			t.Errorf("%s: it is put aside", what)
		}
	}
	f("the client", func(_ *burying, p queue.Producer) { p.Cancel() })
	f("the queue", func(q *burying, _ queue.Producer) { _ = q.Close() })
}

// While the file cannot be written the input waits, until it can or the client is closed.
func TestBuryWaits(t *testing.T) {
	data := dataIn(t)
	path := filepath.Join(data, "dead-letter.ndjson")
	synctest.Test(t, func(t *testing.T) {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		q := bury(fakeQueue{&fake{refuse: true}}, nil, logp.L())
		start := func() (queue.Producer, chan bool) {
			p, taken := q.Producer(queue.ProducerConfig{}), make(chan bool, 1)
			go func() { taken <- p.Publish(sized("x", 10, &owner{})) }()
			synctest.Wait()
			if len(taken) > 0 {
				t.Fatal("it does not wait")
			}
			return p, taken
		}
		p, taken := start()
		if p.Cancel(); <-taken {
			t.Error("it is taken after the client's end")
		}
		_, taken = start()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if !<-taken {
			t.Error("it is refused")
		}
	})
	if got := lettersIn(t, data); len(got) != 1 {
		t.Errorf("dead letters %v", got)
	}
}
