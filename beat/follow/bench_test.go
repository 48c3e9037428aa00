package follow

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"

	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// BenchmarkFollow is the cost of a line of 200 bytes, up to libbeat and back.
func BenchmarkFollow(b *testing.B) {
	root := b.TempDir()
	line := strings.Repeat("some text ", 19) + "012345678\n"
	const files = 50
	for i := range files {
		dir := filepath.Join(root, fmt.Sprint("pod", i))
		if err := os.Mkdir(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "app.log"), []byte(strings.Repeat(line, 1+b.N/files)), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	backend, err := memlog.New(logp.NewLogger("bench"), memlog.Settings{Root: b.TempDir(), FileMode: 0o600})
	if err != nil {
		b.Fatal(err)
	}
	registry := statestore.NewRegistry(backend)
	defer registry.Close()
	kind := Kind{Name: "bench", Configure: func(*common.Config) (*Config, error) {
		o := Options{ScanInterval: 1e10, MaxOpenFiles: 100, CloseInactive: 1e12}
		o.MaxLineBytes = 1 << 20
		return &Config{Options: o, Paths: []string{root + "/*/*.log"}, Format: lines.Plain,
			Source: func(path, node string) Source {
				return Source{Fields: func() *k8sname.Fields { return nil }, Stream: "file"}
			}}, nil
	}}
	in, err := Plugin(logp.NewLogger("bench"), storeOf{registry}, kind).Manager.Create(common.NewConfig())
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	sink := &sink{want: int64(files * (1 + b.N/files)), done: cancel}
	b.ResetTimer()
	if err := in.Run(v2.Context{Logger: logp.NewLogger("bench"), Agent: beat.Info{Beat: "podbeat", Name: "node"}, Cancelation: ctx}, sink); err != nil {
		b.Fatal(err)
	}
}

// A sink acknowledges in batches, as queues do.
type sink struct {
	got, want int64
	done      func()
}

type sinkClient struct {
	*sink
	beat.ClientConfig
	waiting int
}

func (s *sink) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	return &sinkClient{sink: s, ClientConfig: c}, nil
}
func (s *sink) Connect() (beat.Client, error) { return s.ConnectWith(beat.ClientConfig{}) }

func (c *sinkClient) Publish(e beat.Event) {
	c.ACKHandler.AddEvent(e, true)
	c.waiting++
	if n := atomic.AddInt64(&c.got, 1); c.waiting == 1000 || n == c.want {
		c.ACKHandler.ACKEvents(c.waiting)
		c.waiting = 0
		if n == c.want {
			c.done()
		}
	}
}
func (c *sinkClient) PublishAll([]beat.Event) {}
func (c *sinkClient) Close() error            { return nil }
