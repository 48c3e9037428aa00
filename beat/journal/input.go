// Package journal is podbeat's input `journal`: it reads systemd's journal, joins what was
// split on the way in, and gives libbeat one event a message. An entry's way is input.read's:
//
//	files → reader → joiner → converter → libbeat … output
//	  ▲                                              │
//	  └───── position, stored once acknowledged ◄────┘
//
// The position stored never passes an entry whose event has not been acknowledged, nor the
// first part of a message that still waits for its last. Reading again from any stored position
// gives the same events with the same ids, so Elasticsearch takes each of them once.
package journal

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/feature"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/go-concert/ctxtool"
	"github.com/elastic/go-concert/unison"

	"github.com/podbeat/podbeat/option"
)

// Store is where positions are kept: filebeat's and podbeat's registries are one.
type Store interface {
	Access() (*statestore.Store, error)
}

// Plugin is the input for a beat that takes filebeat's input plugins.
func Plugin(log *logp.Logger, store Store) v2.Plugin {
	return v2.Plugin{
		Name:      "journal",
		Stability: feature.Stable,
		Info:      "systemd's journal",
		Doc:       "The journal input reads systemd's journal files.",
		Manager:   &manager{log: log.Named("journal"), store: store, inputs: map[string]*input{}},
	}
}

// manager makes the inputs and keeps what one run of an input leaves for its next.
type manager struct {
	log   *logp.Logger
	store Store

	mu     sync.Mutex
	inputs map[string]*input // the running ones by id
	resume sync.Map          // id → left: where to go on, in this process
}

// left is what a run of an input leaves for its next.
type left struct {
	done position   // after the last event libbeat has taken
	seek seek       // as the run was told to
	told *positions // what the run was told of its events, and still is
}

// from is where the next run goes on: what libbeat has taken it delivers, but what the input's delivery level has
// forgotten as the run ended must be read again.
func (l left) from() position {
	if l.told != nil && l.told.forgot.Load() {
		return l.told.acknowledged()
	}
	return l.done
}

// Init has nothing to start: positions are never forgotten in the background.
func (m *manager) Init(unison.Group, v2.Mode) error { return nil }

// CheckConfig says what is wrong with an input's configuration, without touching a journal.
func (m *manager) CheckConfig(cfg *common.Config) error {
	_, err := m.Create(cfg)
	return err
}

// Create makes an input of its configuration.
func (m *manager) Create(cfg *common.Config) (v2.Input, error) {
	var common struct {
		ID string `config:"id"`
	}
	if err := cfg.Unpack(&common); err != nil {
		return nil, err
	}
	in := &input{manager: m, id: common.ID}
	if err := option.Unpack(cfg, &in.opts, "journal input", option.InputSettings...); err != nil {
		return nil, err
	}
	in.seek = in.opts.Seek
	if in.id == "" {
		in.id = in.opts.source()
	}
	return in, nil
}

// ID returns the name under which the input that cfg describes keeps its position. No two may
// have the same.
func (m *manager) ID(cfg *common.Config) (string, error) {
	in, err := m.Create(cfg)
	if err != nil {
		return "", err
	}
	return in.(*input).id, nil
}

// source names what is read, for inputs without an id.
func (o *options) source() string {
	switch {
	case len(o.Paths) > 0:
		return strings.Join(o.Paths, ",")
	case o.Namespace != "":
		return "namespace " + o.Namespace
	}
	return "local"
}

type input struct {
	manager *manager
	opts    options
	seek    seek // opts.Seek as it is configured
	id      string
}

// Name is the input's type.
func (in *input) Name() string { return "journal" }

// Test opens the journal and closes it.
func (in *input) Test(ctx v2.TestContext) error {
	m := newMetrics(in.id + " test")
	defer m.close(in.id + " test")
	r, err := openReader(ctx.Logger, &in.opts, m, position{})
	if err != nil {
		return err
	}
	r.Close()
	return nil
}

// Run reads until ctx is cancelled. It survives whatever may pass; what does not, it says again
// and again.
func (in *input) Run(ctx v2.Context, pipeline beat.PipelineConnector) error {
	if err := in.claim(); err != nil {
		return err
	}
	defer in.release()
	metrics := newMetrics(in.id)
	defer metrics.close(in.id)

	positions, err := openPositions(in.manager.store, "journal::"+in.id, ctx.Logger, metrics, uint64(in.opts.MaxInFlight.Bytes))
	if err != nil {
		return err
	}
	defer positions.close()

	client, err := pipeline.ConnectWith(beat.ClientConfig{ACKHandler: positions.acker(), Events: positions})
	if err != nil {
		return fmt.Errorf("cannot connect to the publisher: %w", err)
	}
	// Closing waits for what is on its way; it also ends a Publish that waits for room.
	stop, end := context.WithCancel(ctxtool.FromCanceller(ctx.Cancelation))
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-stop.Done()
		client.Close()
	}()
	defer func() {
		end() // whatever has ended this run
		<-stopped
	}()

	converter := newConverter(&in.opts, metrics, ctx.Agent.Beat)
	converter.self = ctx.Agent.Name
	p := &publisher{
		ctx:       stop,
		client:    client,
		converter: converter,
		positions: positions,
		metrics:   metrics,
	}
	if last, ok := in.manager.resume.Load(in.id); ok {
		p.done = last.(left).from()
		in.goOn(p.done, last.(left).seek)
	} else if p.done, err = positions.load(); err != nil {
		return err
	}
	if err := in.takeOver(ctx.Logger, p); err != nil {
		return err
	}
	positions.begin(p.done)
	in.read(stop, ctx.Logger, p)
	in.manager.resume.Store(in.id, left{p.done, in.seek, positions})
	return nil
}

// goOn has an input that ran before in this process read on, and not begin anew as `seek` says for a start, unless
// it says something else now.
func (in *input) goOn(from position, was seek) {
	if was != in.seek {
		return
	}
	in.opts.Seek.Mode = "cursor"
	if from.empty() {
		in.opts.CursorSeekFallback = "head" // there was nothing to read
	}
}

func (in *input) claim() error {
	in.manager.mu.Lock()
	defer in.manager.mu.Unlock()
	if in.manager.inputs[in.id] != nil {
		return fmt.Errorf("two journal inputs have the id %q: give each an id of its own", in.id)
	}
	in.manager.inputs[in.id] = in
	return nil
}

func (in *input) release() {
	in.manager.mu.Lock()
	defer in.manager.mu.Unlock()
	delete(in.manager.inputs, in.id)
}

// batchSize is how many entries are read ahead: enough to make the reader's fixed costs small,
// few enough to be nothing in memory.
const batchSize = 256

// read is an entry's way.
func (in *input) read(ctx context.Context, log *logp.Logger, p *publisher) {
	r := in.open(ctx, log, p)
	if r == nil {
		return
	}
	defer r.Close()
	if p.done.empty() {
		p.begin(r.began())
	}
	r.know = p.converter.know
	joiner := newJoiner(in.opts.Join, p.metrics, int(in.opts.MaxMessageBytes), r.place(p.done))
	batch := make([]Entry, batchSize)
	flight := &p.positions.flight
	newest := uint64(0)
	for {
		// What is read while there is no room would be one entry too much, which may be the largest.
		room := min(batchBytes, flight.most/2)
		if !flight.has(room) {
			p.metrics.unread.Store(newest) // whether there are more is not known before it goes on
		}
		if !flight.wait(ctx, room) {
			return
		}
		n, err := r.Read(ctx, batch)
		if err != nil {
			return // the context's
		}
		if n > 0 {
			p.metrics.unread.Store(batch[0].Realtime)
			newest = batch[n-1].Realtime
		}
		for i := range batch[:n] {
			e := &batch[i]
			p.metrics.read.Inc()
			p.metrics.bytes.Add(e.size)
			if !p.publish(joiner.add(e, r.position(e))) {
				return
			}
			e.forget()
		}
		if !r.more {
			p.metrics.unread.Store(0)
		}
		if n == 0 && !p.publish(joiner.expire(time.Now())) {
			return
		}
	}
}

// open opens the reader, as often as it takes.
func (in *input) open(ctx context.Context, log *logp.Logger, p *publisher) *reader {
	const wait = 10 * time.Second
	for {
		r, err := openReader(log, &in.opts, p.metrics, p.done)
		if err == nil {
			r.mu.Lock()
			if len(r.files) == 0 {
				log.Warnf("There is no journal file yet for %s; waiting for one.", in.opts.source())
			}
			r.mu.Unlock()
			return r
		}
		p.metrics.errors.Inc()
		log.Errorf("Cannot read the journal, trying again in %v: %v", wait, err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
