package delivery

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher"
	libbeat "github.com/elastic/beats/v7/libbeat/publisher/pipeline"
	"github.com/elastic/beats/v7/libbeat/publisher/queue"
	"github.com/elastic/beats/v7/libbeat/publisher/queue/memqueue"

	_ "github.com/podbeat/podbeat/beat/queue"
)

// The whole way with libbeat's own pipeline: the output fails, its input is stopped and started meanwhile, and it is back.
func TestLibbeat(t *testing.T) {
	out := &output{}
	out.back.L = &out.mu
	fake := &pipeline{} // only for what wrap asks of it
	real, err := libbeat.New(beat.Info{}, libbeat.Monitors{Logger: logp.NewLogger("test")}, func(l queue.ACKListener) (queue.Queue, error) {
		return memqueue.NewQueue(logp.NewLogger("test"), memqueue.Settings{ACKListener: l, Events: 64, FlushMinEvents: 1}), nil
	}, outputs.Group{Clients: []outputs.Client{out}, BatchSize: 16, Retry: 2}, libbeat.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	start := func() (beat.PipelineConnector, func()) {
		c, stop, err := Wrap(section(t, "delivery: store-on-failure\nqueue: {events: 50, disk_free_min: 0, disk.after: 10ms}"), real,
			Env{ID: t.Name(), Log: logp.NewLogger("test"), Failing: fake.failing.Load, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		return c, stop
	}
	c, stop := start()
	ref := closeRef(make(chan struct{}))
	s := connect(t, c, "a", beat.ClientConfig{WaitClose: time.Minute, CloseRef: ref})
	s.publish(500)
	eventually(t, "all is delivered", func() bool { return s.acked(t) == 500 })

	out.fail(true)
	fake.failing.Store(true)
	s.publish(1000)
	close(ref)
	eventually(t, "all is settled", func() bool { return s.acked(t) == 1500 })
	stop()
	c, stop = start()
	defer stop()
	s2 := connect(t, c, "b", beat.ClientConfig{})
	s2.publish(300)

	out.fail(false)
	fake.failing.Store(false)
	eventually(t, "all is delivered", func() bool { return s2.acked(t) == 300 && len(out.ids()) >= 1800 })
	var want []string
	for i := range 1500 {
		want = append(want, fmt.Sprintf("a%d", i))
	}
	for i := range 300 {
		want = append(want, fmt.Sprintf("b%d", i))
	}
	if got := out.ids(); !slices.Equal(got, want) {
		t.Errorf("delivered %d events: %v", len(got), got)
	}
	eventually(t, "nothing is on disk", func() bool { return len(spills(t, dir)) == 0 })
}

// An event too large for the disk queue comes back to an input that wants it back, but not to a buffer: those behind it would wait for ever.
func TestTakenBack(t *testing.T) {
	for level, queueOf := range map[string]string{"best-effort": "{}", "store-on-failure": "{disk_free_min: 0}"} {
		t.Run(level, func(t *testing.T) {
			data := t.TempDir()
			defer func(before string) { paths.Paths.Data = before }(paths.Paths.Data)
			paths.Paths.Data = data
			out := &output{}
			real, err := libbeat.New(beat.Info{}, libbeat.Monitors{Logger: logp.NewLogger("test")}, func(l queue.ACKListener) (queue.Queue, error) {
				return queue.FindFactory("disk")(l, logp.NewLogger("test"), section(t, "max_size: 10MB"), 0)
			}, outputs.Group{Clients: []outputs.Client{out}, BatchSize: 16, Retry: 2}, libbeat.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			defer real.Close()
			fake := &pipeline{} // only for what wrap asks of it
			c, stop, err := Wrap(section(t, "delivery: "+level+"\nqueue: "+queueOf), real,
				Env{ID: t.Name(), Log: logp.NewLogger("test"), Failing: fake.failing.Load, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			client, err := c.Connect()
			if err != nil {
				t.Fatal(err)
			}
			for i, size := range []int{10, 2 << 20, 10} {
				client.Publish(beat.Event{Timestamp: time.Unix(1_700_000_000, 0), Private: wants{},
					Meta: common.MapStr{"_id": fmt.Sprint(i)}, Fields: common.MapStr{"message": strings.Repeat("x", size)}})
			}
			eventually(t, "what is behind it is delivered", func() bool { return slices.Equal(out.ids(), []string{"0", "2"}) })
			if text, err := os.ReadFile(filepath.Join(data, "dead-letter.ndjson")); err != nil || bytes.Count(text, []byte("\n")) != 1 {
				t.Errorf("dead letters %.200q: %v", text, err)
			}
		})
	}
}

// wants is what an event has in Private whose input wants it back.
type wants struct{}

func (wants) TakesBack() bool { return true }

// output is libbeat's client of an output that can fail.
type output struct {
	mu      sync.Mutex
	failing bool
	back    sync.Cond
	got     []string
}

func (o *output) fail(yes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.failing = yes
	o.back.Broadcast()
}

func (o *output) ids() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.got)
}

func (o *output) Close() error   { return nil }
func (o *output) String() string { return "test" }

func (o *output) Publish(_ context.Context, batch publisher.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.failing { // rather than have libbeat retry, which changes the order
		o.back.Wait()
	}
	for _, e := range batch.Events() {
		o.got = append(o.got, e.Content.Meta["_id"].(string))
	}
	batch.ACK()
	return nil
}
