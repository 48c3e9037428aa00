package follow

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"

	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// Tests do not wait as long for what is quiet: nothing here is copied slowly.
func TestMain(m *testing.M) {
	quiet = 500 * time.Millisecond
	m.Run()
}

// A node is a directory of logs, with an input that follows it and an output that remembers what it was sent.
type node struct {
	t        *testing.T
	root     string // of the logs
	registry string
	settings map[string]any
	clock    func() time.Time

	mu       sync.Mutex
	sent     []beat.Event // what the output has got, in order
	held     bool         // the output takes nothing …
	waits    bool         // … and an event has come
	released *sync.Cond
	noAck    bool // … or takes all and acknowledges nothing
	killed   bool // nothing reaches the output any more

	halt  func() // stops the input, which may run again
	stop  func() // stops podbeat
	store storeOf
	owed  []*client // which has sent an event that is not acknowledged, each time
}

func newNode(t *testing.T) *node {
	n := &node{t: t, root: t.TempDir(), registry: t.TempDir(), settings: map[string]any{}, clock: time.Now, stop: func() {}}
	n.released = sync.NewCond(&n.mu)
	t.Cleanup(func() { n.stop() })
	return n
}

type testOptions struct {
	Options `config:",inline"`
}

// input makes the input, with what the registry has.
func (n *node) input() *input {
	n.t.Helper()
	backend, err := memlog.New(logp.NewLogger("test"), memlog.Settings{Root: n.registry, FileMode: 0o600})
	if err != nil {
		n.t.Fatal(err)
	}
	registry := statestore.NewRegistry(backend)
	kind := Kind{Name: "test", Configure: func(cfg *common.Config) (*Config, error) {
		var o testOptions
		if err := option.Unpack(cfg, &o, "test input", option.InputSettings...); err != nil {
			return nil, err
		}
		return &Config{Options: o.Options, Paths: []string{n.root + "/*/*.log"}, Format: lines.Plain,
			Source: func(path, node string) Source {
				return Source{Volume: Volume{Pod: filepath.Base(filepath.Dir(path)), Name: "v"}, Stream: "file",
					Fields: func() *k8sname.Fields { return nil }}
			}}, nil
	}}
	n.store = storeOf{registry}
	plugin := Plugin(logp.NewLogger("test"), n.store, kind)
	plugin.Manager.(*manager).now = func() time.Time { return n.clock() }
	settings := map[string]any{"id": n.t.Name(), "scan_interval": "200ms"}
	for k, v := range n.settings {
		settings[k] = v
	}
	cfg := common.MustNewConfigFrom(settings)
	in, err := plugin.Manager.Create(cfg)
	if err != nil {
		n.t.Fatal(err)
	}
	return in.(*input)
}

// start starts the input.
func (n *node) start() {
	n.t.Helper()
	n.run(n.input())
}

// run runs the input, which may have run before.
func (n *node) run(in *input) {
	n.t.Helper()
	registry := n.store.Registry
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := in.Run(v2.Context{Logger: logp.NewLogger("test"), ID: "x", Agent: beat.Info{Beat: "podbeat", Name: "node"}, Cancelation: ctx}, n); err != nil {
			n.t.Error(err)
		}
	}()
	n.halt = func() {
		cancel()
		<-done
	}
	n.stop = func() {
		n.halt()
		_ = registry.Close()
		n.stop = func() {}
	}
}

// kill stops the input as kill -9 does: what the registry says now is all that is left.
func (n *node) kill() {
	n.t.Helper()
	left := n.t.TempDir()
	n.mu.Lock()
	n.killed = true
	n.mu.Unlock()
	n.released.Broadcast()
	if err := os.CopyFS(left, os.DirFS(n.registry)); err != nil {
		n.t.Fatal(err)
	}
	n.stop()
	n.registry, n.killed = left, false
}

type storeOf struct{ *statestore.Registry }

func (s storeOf) Access() (*statestore.Store, error) { return s.Get("test") }

// ConnectWith and Connect are beat.PipelineConnector's.
func (n *node) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	return &client{node: n, config: c}, nil
}
func (n *node) Connect() (beat.Client, error) { return n.ConnectWith(beat.ClientConfig{}) }

type client struct {
	node   *node
	config beat.ClientConfig
	closed bool
}

func (c *client) Publish(e beat.Event) {
	n := c.node
	prepared.Ordinary(&e)
	n.mu.Lock()
	for n.held && !c.closed && !n.killed {
		n.waits = true
		n.released.Wait()
	}
	if c.closed || n.killed {
		n.mu.Unlock()
		c.config.Events.DroppedOnPublish(e)
		return
	}
	n.sent = append(n.sent, e)
	ack := !n.noAck
	if !ack {
		n.owed = append(n.owed, c)
	}
	n.mu.Unlock()
	c.config.ACKHandler.AddEvent(e, true)
	if ack {
		c.config.ACKHandler.ACKEvents(1)
	}
}

func (c *client) PublishAll(all []beat.Event) {
	for _, e := range all {
		c.Publish(e)
	}
}

func (c *client) Close() error {
	c.node.mu.Lock()
	c.closed = true
	c.node.mu.Unlock()
	c.node.released.Broadcast()
	return nil
}

// acknowledge acknowledges everything that has been sent.
func (n *node) acknowledge() {
	n.mu.Lock()
	owed := n.owed
	n.owed, n.noAck = nil, false
	n.mu.Unlock()
	for _, c := range owed {
		c.config.ACKHandler.ACKEvents(1)
	}
}

func (n *node) hold(held bool) {
	n.mu.Lock()
	n.held = held
	n.mu.Unlock()
	n.released.Broadcast()
}

// delivered are the messages an output that knows ids has, in the order in which they came first.
func (n *node) delivered() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen := map[string]bool{}
	var all []string
	for _, e := range n.sent {
		id := e.Meta["_id"].(string)
		if !seen[id] {
			seen[id] = true
			all = append(all, e.Fields["message"].(string))
		}
	}
	return all
}

func (n *node) events() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.sent)
}

// want waits until exactly the lines have been delivered, whatever their order, and looks again a little later.
func (n *node) want(lines []string) {
	n.t.Helper()
	want := slices.Sorted(slices.Values(lines))
	deadline := time.Now().Add(2 * time.Minute)
	for {
		got := n.delivered()
		if len(got) >= len(want) || time.Now().After(deadline) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(300 * time.Millisecond)
	got := n.delivered()
	slices.Sort(got)
	if !slices.Equal(got, want) {
		n.t.Fatalf("delivered %d lines, want %d:\n%s", len(got), len(want), diff(got, want))
	}
}

func diff(got, want []string) string {
	count := map[string]int{}
	for _, l := range want {
		count[l]++
	}
	for _, l := range got {
		count[l]--
	}
	var out []string
	for l, c := range count {
		if c > 0 {
			out = append(out, fmt.Sprintf("lost %d: %.60q", c, l))
		} else if c < 0 {
			out = append(out, fmt.Sprintf("doubled %d: %.60q", -c, l))
		}
	}
	slices.Sort(out)
	return strings.Join(out[:min(len(out), 20)], "\n")
}

// write appends numbered lines to a file of the node, and returns them.
func (n *node) write(name, text string, from, to int) []string {
	n.t.Helper()
	path := n.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	var all []string
	for i := from; i < to; i++ {
		line := fmt.Sprintf("%s %06d", text, i)
		all = append(all, line)
	}
	if _, err := f.WriteString(strings.Join(all, "\n") + "\n"); err != nil {
		n.t.Fatal(err)
	}
	return all
}

func (n *node) path(name string) string { return filepath.Join(n.root, name) }

func (n *node) do(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// copytruncate is logrotate's.
func (n *node) copytruncate(name, to string) {
	n.t.Helper()
	b, err := os.ReadFile(n.path(name))
	n.do(err)
	n.do(os.WriteFile(n.path(to), b, 0o644))
	n.do(os.Truncate(n.path(name), 0))
}

// records counts the positions in the registry.
func (n *node) records() (count int) {
	n.t.Helper()
	store, err := n.store.Access()
	n.do(err)
	defer store.Close()
	n.do(store.Each(func(key string, _ statestore.ValueDecoder) (bool, error) {
		count++
		return true, nil
	}))
	return count
}

// abandoned is the figure of bytes given up.
func (n *node) abandoned() int64 {
	return monitoring.CollectFlatSnapshot(monitoring.Default, monitoring.Full, false).Ints["podbeat.test."+n.t.Name()+".abandoned.bytes"]
}
