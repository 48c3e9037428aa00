package journal

import (
	"context"
	"slices"
	"sync"
	"testing"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"

	"github.com/podbeat/podbeat/beat/delivery"
	"github.com/podbeat/podbeat/beat/prepared"
)

type storeOf struct{ *statestore.Registry }

func (s storeOf) Access() (*statestore.Store, error) { return s.Get("test") }

// An outlet is libbeat with a queue for so many events; it acknowledges what it has got when it is told to.
type outlet struct {
	room int

	mu      sync.Mutex
	changed sync.Cond
	queue   []*outletClient // whose each event is
	ids     []string        // of all it has got, in order
	most    int             // events that were in queue at once
}

type outletClient struct {
	*outlet
	beat.ClientConfig
	closed bool
}

func (o *outlet) Connect() (beat.Client, error) { return o.ConnectWith(beat.ClientConfig{}) }
func (o *outlet) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	return &outletClient{outlet: o, ClientConfig: c}, nil
}

func (c *outletClient) PublishAll(events []beat.Event) {
	for _, e := range events {
		c.Publish(e)
	}
}

func (c *outletClient) Publish(e beat.Event) {
	prepared.Ordinary(&e)
	c.ACKHandler.AddEvent(e, true)
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) >= c.room && !c.closed {
		c.changed.Wait()
	}
	if c.closed {
		c.Events.DroppedOnPublish(e)
		return
	}
	c.queue, c.ids = append(c.queue, c), append(c.ids, e.Meta["_id"].(string))
	c.most = max(c.most, len(c.queue))
}

func (c *outletClient) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.changed.Broadcast()
	return nil
}

// ack acknowledges all that is queued.
func (o *outlet) ack() {
	o.mu.Lock()
	queue := o.queue
	o.queue = nil
	o.changed.Broadcast()
	o.mu.Unlock()
	for _, c := range queue {
		c.ACKHandler.ACKEvents(1)
	}
}

// An input is stopped, while its delivery level has events in memory that the output has not taken, and is started again in
// the same process, as when its configuration changes: none of them is lost.
func TestForgottenIsReadAgain(t *testing.T) {
	for _, level := range []string{"end-to-end", "best-effort", "store-on-failure"} {
		dir := t.TempDir()
		makeJournal(t, dir, series(1, 20))
		backend, err := memlog.New(logger, memlog.Settings{Root: t.TempDir(), FileMode: 0o600})
		must(t, err)
		registry := statestore.NewRegistry(backend)
		manager := Plugin(logger, storeOf{registry}).Manager.(*manager)
		cfg := common.MustNewConfigFrom(map[string]any{"type": "journal", "id": t.Name(), "paths": dir, "poll_interval": "20ms", "delivery": level})
		o := &outlet{room: 5}
		o.changed.L = &o.mu
		run := func(until func() bool) {
			t.Helper()
			in, err := manager.Create(cfg)
			must(t, err)
			env := delivery.Env{ID: t.Name() + level, Log: logp.NewLogger("test"), Failing: func() bool { return false }, Dir: t.TempDir()}
			p, end, err := delivery.Wrap(cfg, o, env)
			must(t, err)
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() {
				ended <- in.Run(v2.Context{Logger: logger, Agent: beat.Info{Beat: "podbeat", Name: "node"}, Cancelation: ctx}, p)
			}()
			eventually(t, level+": the run has got so far", until)
			cancel()
			must(t, <-ended)
			end()
		}
		published := map[string]uint64{"end-to-end": 5, "best-effort": 20, "store-on-failure": 20}[level]
		run(func() bool {
			n, ok := monitoring.Default.Get("podbeat.journal." + t.Name() + ".published").(*monitoring.Uint)
			o.mu.Lock()
			defer o.mu.Unlock()
			return ok && n.Get() == published && len(o.queue) == 5
		})
		run(func() bool {
			o.ack()
			o.mu.Lock()
			defer o.mu.Unlock()
			return len(slices.Compact(slices.Sorted(slices.Values(o.ids)))) == 20
		})
		must(t, registry.Close())
	}
}
