// Package consume is podbeat's input `kafka`, which makes podbeat a shipper: it reads what podbeat's output.kafka or Logstash has
// written, and gives libbeat each event as it was before. A message's way:
//
//	broker ─► poll ─► its partition's queue ─► decode ─► publisher ─► libbeat … output
//	  ▲                        ▲                 │                             │
//	  │                        │                 └─► dead letter, synced ──┐   │
//	  └── offset, committed ── all before it are settled ◄─────────────────┴───┘
//
// An offset is committed when every message before it is settled: acknowledged by the output, dropped by a processor, or a dead
// letter. What a member of the group leaves unsettled the next one reads again; events have the same ids then. Heartbeats need
// neither poll nor publisher: a member stays in its group however long the output takes, while the partitions that have too much on its way pause.
package consume

import (
	"context"
	"fmt"
	"strings"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/feature"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/go-concert/ctxtool"
	"github.com/elastic/go-concert/unison"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/podbeat/podbeat/beat/processing"
	"github.com/podbeat/podbeat/option"
)

// Plugin is the input for a beat that takes filebeat's input plugins.
func Plugin(log *logp.Logger) v2.Plugin {
	return v2.Plugin{
		Name:      "kafka",
		Stability: feature.Stable,
		Info:      "events from Kafka",
		Doc:       "The kafka input reads events from Kafka's topics as a member of a consumer group.",
		Manager:   &manager{log: log.Named("kafka")},
	}
}

type manager struct{ log *logp.Logger }

// Init has nothing to start: Kafka keeps the offsets.
func (m *manager) Init(unison.Group, v2.Mode) error { return nil }

// CheckConfig says what is wrong with an input's configuration, without connecting.
func (m *manager) CheckConfig(cfg *common.Config) error {
	in, err := newInput(cfg)
	if err != nil {
		return err
	}
	opts, err := in.opts.client()
	if err == nil {
		err = kgo.ValidateOpts(opts...)
	}
	if err != nil {
		return fmt.Errorf("kafka input: %w", err)
	}
	return nil
}

// Create makes an input of its configuration.
func (m *manager) Create(cfg *common.Config) (v2.Input, error) { return newInput(cfg) }

// ID returns the name of the input that cfg describes, under which its figures stand.
func (m *manager) ID(cfg *common.Config) (string, error) {
	in, err := newInput(cfg)
	if err != nil {
		return "", err
	}
	return in.id, nil
}

// Clash says what is wrong with two inputs that have the ID id.
func (m *manager) Clash(id string) error {
	return fmt.Errorf("two kafka inputs are called %q: give each an `id` of its own", id)
}

type input struct {
	opts options
	id   string
}

func newInput(cfg *common.Config) (*input, error) {
	var common struct {
		ID string `config:"id"`
	}
	if err := cfg.Unpack(&common); err != nil {
		return nil, err
	}
	in := &input{id: common.ID}
	if err := option.Unpack(cfg, &in.opts, "kafka input", option.InputSettings...); err != nil {
		return nil, err
	}
	if in.id == "" {
		in.id = in.opts.GroupID + ":" + strings.Join(in.opts.Topics, ",")
	}
	return in, nil
}

// Name is the input's type.
func (in *input) Name() string { return "kafka" }

// Test asks a broker who it is.
func (in *input) Test(ctx v2.TestContext) error {
	opts, err := in.opts.connection()
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	inTime, cancel := context.WithTimeout(ctxtool.FromCanceller(ctx.Cancelation), probeTimeout)
	defer cancel()
	if err := client.Ping(inTime); err != nil {
		return fmt.Errorf("cannot reach Kafka at %s: %w", strings.Join(in.opts.Hosts, ", "), err)
	}
	return nil
}

// Run reads until ctx is cancelled. It survives whatever may pass; what does not, it says again and again.
func (in *input) Run(ctx v2.Context, pipeline beat.PipelineConnector) error {
	stop, m := ctxtool.FromCanceller(ctx.Cancelation), newMetrics(in.id)
	defer m.close()
	g, err := newGroup(&in.opts, ctx.Logger, m)
	if err != nil {
		return fmt.Errorf("kafka input: %w", err)
	}
	m.watch(g)
	config := beat.ClientConfig{ACKHandler: g.publisher, Events: g.publisher, WaitClose: in.opts.WaitClose}
	config.Processing.Private = processing.Verbatim
	g.publisher.client, err = pipeline.ConnectWith(config)
	if err != nil {
		g.leave()
		return fmt.Errorf("cannot connect to the publisher: %w", err)
	}
	ctx.Logger.Infof("Reading %s of %s as a member of group %s.", strings.Join(in.opts.Topics, ", "), strings.Join(in.opts.Hosts, ", "), in.opts.GroupID)
	g.run(stop)
	return nil
}

// probeTimeout is how long a question to the cluster may take.
const probeTimeout = 10 * time.Second
