package beat

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/delivery"
	"github.com/podbeat/podbeat/beat/receipt"
)

// away is libbeat with a queue that has room for some events, none of which is ever acknowledged.
type away struct{ room chan struct{} }

func (a away) Connect() (beat.Client, error) { return a.ConnectWith(beat.ClientConfig{}) }
func (a away) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	return awayClient{a, c, make(chan struct{})}, nil
}

type awayClient struct {
	away
	cfg    beat.ClientConfig
	closed chan struct{}
}

func (c awayClient) Publish(e beat.Event) {
	c.cfg.ACKHandler.AddEvent(e, true)
	select {
	case c.room <- struct{}{}:
	case <-c.closed:
		c.cfg.Events.DroppedOnPublish(e)
	}
}
func (c awayClient) PublishAll([]beat.Event) {}
func (c awayClient) Close() error            { close(c.closed); return nil }

var ids int

// newID is an input's: what is counted under one is never counted anew.
func newID(t *testing.T) string {
	ids++
	return fmt.Sprint(t.Name(), ids)
}

// spill leaves an input's way with its client blocked, and stops it: it returns the account.
func spill(t *testing.T, typ, config string) *receipt.Unit {
	t.Helper()
	id := newID(t)
	cfg, err := common.NewConfigWithYAML([]byte(fmt.Sprintf("{type: %s, id: %q, delivery: store-on-failure, queue: {events: 5, disk_free_min: 0, disk: {after: 0s, %s}}}", typ, id, config)), "test")
	if err != nil {
		t.Fatal(err)
	}
	book := receipt.NewBook()
	book.Delivery(held)
	account := book.Unit(typ, id)
	queue := away{make(chan struct{}, 3)}
	level, end, err := delivery.Wrap(cfg, account.Inner(queue), delivery.Env{ID: id, Log: logp.NewLogger("test"), Failing: func() bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	client, err := account.Outer(level).ConnectWith(beat.ClientConfig{})
	if err != nil {
		t.Fatal(err)
	}
	published := make(chan struct{})
	go func() {
		defer close(published)
		for range 2000 {
			client.Publish(beat.Event{Timestamp: time.Now(), Fields: common.MapStr{"message": strings.Repeat("x", 100)}})
		}
	}()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		f, _ := delivery.Of(typ, id)
		if f.Refused == "max_size" && f.Buffered >= 5 && len(queue.room) == cap(queue.room) { // what fills the disk may be faster than what fills the queue
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the disk buffer does not become full: %+v", f)
		}
	}
	_ = client.Close()
	end()
	<-published
	return account
}

// The receipt adds up when an input is stopped that waits for room, and nothing is said to be resumed that was not.
func TestReceiptOfBlocked(t *testing.T) {
	paths.Paths.Data = t.TempDir()
	a := spill(t, "test", "max_size: 64KiB").Account()
	if a.Difference != 0 || a.Handing != 0 || a.Resumed != 0 || a.Read != 2000 || a.Spilled == 0 || a.Pending != 3 {
		t.Errorf("receipt is %+v", a)
	}
	if a.Abandoned+a.InFlight != 2000 {
		t.Errorf("%d abandoned and %d in flight of 2000", a.Abandoned, a.InFlight)
	}
}

// A reload that leaves out an input whose events wait on disk says so.
func TestGoneAfterReload(t *testing.T) {
	paths.Paths.Data = t.TempDir()
	spill(t, "test", "max_size: 64KiB")
	if err := logp.DevelopmentSetup(logp.ToObserverOutput()); err != nil {
		t.Fatal(err)
	}
	states := newStates("", func(*common.Config) string { return "" }, func() {}, receipt.NewBook())
	c := &crew{RunnerList: cfgfile.NewRunnerList("inputs", nil, nil), states: states, on: func(string) bool { return true }}
	if err := c.run(nil); err != nil {
		t.Fatal(err)
	}
	for _, entry := range logp.ObserverLogs().TakeAll() {
		if strings.Contains(entry.Message, "no input of that type and id is configured") {
			return
		}
	}
	t.Error("no word of the events that nothing sends")
}

// counted makes inputs that do nothing, and counts how many have begun and ended.
type counted struct{ begun, ended int }

func (c *counted) Create(beat.PipelineConnector, *common.Config) (cfgfile.Runner, error) {
	return c, nil
}
func (c *counted) CheckConfig(*common.Config) error { return nil }
func (c *counted) String() string                   { return "counted" }
func (c *counted) Start()                           { c.begun++ }
func (c *counted) Stop()                            { c.ended++ }

// A reload that is under way when podbeat stops starts nothing after the inputs have been stopped.
func TestRunAfterStop(t *testing.T) {
	states := newStates("", func(*common.Config) string { return "" }, func() {}, receipt.NewBook())
	var n counted
	c := &crew{RunnerList: cfgfile.NewRunnerList("inputs", &n, away{}), states: states, on: func(string) bool { return true }}
	f := func(what, id string, want counted) {
		t.Helper()
		if err := c.run([]*common.Config{common.MustNewConfigFrom(map[string]any{"type": "test", "id": id})}); err != nil {
			t.Fatal(err)
		}
		if n != want {
			t.Errorf("%s: begun and ended %v, want %v", what, n, want)
		}
	}
	f("at the start", "a", counted{1, 0})
	c.Stop()
	f("after the stop", "a", counted{1, 1})
	f("another one", "b", counted{1, 1})
}

// busy is libbeat with a processor that takes its time.
type busy struct {
	away
	processing, processed chan struct{}
}

func (b busy) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	client, err := b.away.ConnectWith(c)
	return busyClient{client, b}, err
}

type busyClient struct {
	beat.Client
	busy
}

func (c busyClient) Publish(e beat.Event) {
	c.processing <- struct{}{}
	<-c.processed
	c.Client.Publish(e)
}
func (c busyClient) Connect() (beat.Client, error) { return nil, nil }
func (c busyClient) PublishAll([]beat.Event)       {}
func (c busyClient) Close() error                  { return c.Client.Close() }

// The receipt adds up while an event that has left its delivery level is with the processors, however long they take.
func TestReceiptOfProcessed(t *testing.T) {
	paths.Paths.Data = t.TempDir()
	for _, level := range []string{"best-effort", "store-on-failure"} {
		id := newID(t)
		cfg := common.MustNewConfigFrom(map[string]any{"type": "test", "id": id, "delivery": level})
		book := receipt.NewBook()
		book.Delivery(held)
		account := book.Unit("test", id)
		p := busy{away{make(chan struct{}, 3)}, make(chan struct{}), make(chan struct{})}
		l, end, err := delivery.Wrap(cfg, account.Inner(p), delivery.Env{ID: id, Log: logp.NewLogger("test"), Failing: func() bool { return false }})
		if err != nil {
			t.Fatal(err)
		}
		client, err := account.Outer(l).ConnectWith(beat.ClientConfig{})
		if err != nil {
			t.Fatal(err)
		}
		client.Publish(beat.Event{Fields: common.MapStr{}})
		<-p.processing
		if a := account.Account(); a.Difference != 0 || a.Handing != 1 || a.InFlight != 1 || a.Read != 1 {
			t.Errorf("%s: while it is processed: %+v", level, a)
		}
		p.processed <- struct{}{}
		for end := time.Now().Add(time.Minute); account.Account().Pending == 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if a := account.Account(); a.Difference != 0 || a.Handing != 0 || a.Pending != 1 {
			t.Errorf("%s: when it is queued: %+v", level, a)
		}
		_ = client.Close()
		end()
	}
}
