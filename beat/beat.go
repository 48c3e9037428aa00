// Package beat is podbeat's beater: it reads the inputs' configuration, runs the inputs, and
// joins them to libbeat's processors, queue and outputs. The way of an event is Run's, in order:
//
//	podbeat.inputs, config.inputs ──► input ──► its processors ──► libbeat's processors ─┐
//	                                    ▲                                                ▼
//	                       registry: position ◄── acknowledgement ◄── output ◄──────── queue
//
// An event carries its position; the position is stored once the output has acknowledged the
// event, in order. Whatever stops in between, the next start reads on from what was delivered.
package beat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/elastic/beats/v7/filebeat/channel"
	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/filebeat/input/v2/compat"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher/pipetool"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"
	"github.com/elastic/go-concert/unison"

	"github.com/podbeat/podbeat/beat/control"
	"github.com/podbeat/podbeat/option"
)

// options are the section `podbeat:` of the configuration.
type options struct {
	// The inputs, a list of sections, each with its `type`.
	Inputs []*common.Config `config:"inputs"`
	// Further inputs in files of their own.
	Config configOptions `config:"config"`
	// Where positions are kept.
	Registry registryOptions `config:"registry"`
	// How long a stop waits for events on their way to be acknowledged. What is not by then is sent again after the next start.
	ShutdownTimeout time.Duration `config:"shutdown_timeout" default:"5s"`
}

type configOptions struct {
	// Files with inputs, watched for changes.
	Inputs inputFiles `config:"inputs"`
}

type registryOptions struct {
	// Folder of the registry, below path.data.
	Path string `config:"path" default:"registry"`
	// Rights of its files, in octal.
	FilePermissions string `config:"file_permissions" default:"'0600'"`
	// How often positions of removed filestream sources are looked for.
	CleanupInterval time.Duration `config:"cleanup_interval" default:"5m"`
}

type beater struct {
	opts     options
	mode     os.FileMode
	registry *registry
	plugins  []v2.Plugin
	control  *control.Control // nil without a section control
	done     chan struct{}
	stop     sync.Once
}

// newBeater makes the beater from its configuration section and the section `control:`, which may be nil. It refuses
// unknown options, unknown input types, and inputs whose own options are wrong, so that `podbeat test config` tells.
func newBeater(b *beat.Beat, cfg, controlled *common.Config) (beat.Beater, error) {
	bt := &beater{done: make(chan struct{})}
	if err := option.Unpack(cfg, &bt.opts, "podbeat"); err != nil {
		return nil, err
	}
	mode, err := strconv.ParseUint(bt.opts.Registry.FilePermissions, 8, 9)
	if err != nil || mode&0o600 != 0o600 {
		return nil, fmt.Errorf("podbeat: cannot use registry.file_permissions %q: want an octal number such as 0600, which lets podbeat itself read and write", bt.opts.Registry.FilePermissions)
	}
	bt.mode = os.FileMode(mode)
	bt.registry = &registry{name: b.Info.Beat, cleanup: bt.opts.Registry.CleanupInterval}
	bt.plugins = inputs(b.Info, logp.NewLogger("podbeat"), bt.registry)
	if bt.opts.ShutdownTimeout < 0 {
		return nil, fmt.Errorf("podbeat: shutdown_timeout is %v: want 0 or more", bt.opts.ShutdownTimeout)
	}
	for i, c := range bt.opts.Inputs {
		if err := check(bt.plugins, c); err != nil {
			return nil, fmt.Errorf("podbeat.inputs.%d: %w", i, err)
		}
	}
	if err := distinct(bt.plugins, bt.opts.Inputs); err != nil {
		return nil, fmt.Errorf("podbeat.inputs: %w", err)
	}
	if len(bt.opts.Inputs) == 0 && bt.opts.Config.Inputs.Path == "" {
		return nil, fmt.Errorf("podbeat: no inputs are configured: give podbeat.inputs, or podbeat.config.inputs.path")
	}
	if controlled != nil {
		if bt.control, err = control.New(controlled, b.Info); err != nil {
			return nil, err
		}
	}
	return bt, nil
}

// Run runs the inputs until Stop.
func (bt *beater) Run(b *beat.Beat) error {
	log := logp.NewLogger("podbeat")

	// Standard output is output.console's, which has it by now: libbeat's cgroup figures print to it too.
	os.Stdout = os.Stderr

	// 1. The registry, which outlives every input.
	if err := bt.openRegistry(log, b.Info.Beat); err != nil {
		return err
	}
	defer bt.registry.Close()

	// 2. The kinds of inputs, with their tidying in the background.
	plugins, on := bt.plugins, func(string) bool { return true }
	var states *states
	if bt.control != nil {
		bt.control.Open()
		states, on = newStates(b.Config.Output.Name(), nameOf(plugins), bt.control.Soon), bt.control.On
		plugins = states.watch(plugins)
	}
	loader, err := v2.NewLoader(log, plugins, "type", "")
	if err != nil {
		return err
	}
	var background unison.TaskGroup
	defer func() { _ = background.Stop() }()
	if err := loader.Init(&background, v2.ModeRun); err != nil {
		return fmt.Errorf("cannot start the inputs: %w", err)
	}

	// 3. The way from an input to libbeat: nothing is dropped for want of room, and a stop waits.
	var inFlight inFlight
	pipeline := pipetool.WithACKer(b.Publisher, &inFlight)
	pipeline = pipetool.WithClientConfigEdit(pipeline, func(c beat.ClientConfig) (beat.ClientConfig, error) {
		c.PublishMode = beat.GuaranteedSend
		c.WaitClose = bt.opts.ShutdownTimeout
		return normalized(c), nil
	})
	factory := checked{bt.plugins, states, channel.RunnerFactoryWithCommonInputSettings(b.Info, compat.RunnerFactory(log, b.Info, loader))}

	// 4. The inputs of the configuration itself.
	newCrew := func(name string) *crew {
		return &crew{cfgfile.NewRunnerList(name, factory, pipeline), name, states, on, make(chan struct{}, 1)}
	}
	runners, files := newCrew(crewOfConfig), newCrew(crewOfFiles)
	var list []*reload.ConfigWithMeta
	for _, c := range bt.opts.Inputs {
		if c.Enabled() {
			list = append(list, &reload.ConfigWithMeta{Config: c})
		}
	}
	if err := runners.Reload(list); err != nil {
		runners.Stop()
		return err
	}
	var all sync.WaitGroup
	all.Go(func() { runners.run(bt.done, list, log) })

	// 5. The inputs in files of their own, which come and go.
	if bt.opts.Config.Inputs.Path != "" {
		all.Go(func() {
			bt.opts.Config.Inputs.run(bt.done, files, factory.CheckConfig, func(more []*common.Config) error {
				return distinct(bt.plugins, append(more, bt.opts.Inputs...))
			})
		})
	}

	// 6. What is told of them all, and who may switch them off and on.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if bt.control != nil {
		all.Go(func() {
			bt.control.Run(ctx, states.describe, func() {
				runners.poke()
				files.poke()
			})
		})
	}

	<-bt.done
	cancel()
	started := time.Now()
	bt.await(log, func() {
		runners.Stop() // while the goroutines above stop their own
		all.Wait()
	})
	inFlight.report(log, time.Since(started))
	closePipeline(log, b.Publisher)
	return nil
}

// openRegistry opens the registry, whose folder it makes if it is missing.
func (bt *beater) openRegistry(log *logp.Logger, name string) error {
	root := paths.Resolve(paths.Data, bt.opts.Registry.Path)
	if err := folder(filepath.Join(root, name)); err != nil {
		return err
	}
	backend, err := memlog.New(log, memlog.Settings{Root: root, FileMode: bt.mode})
	if err != nil {
		return fmt.Errorf("cannot open the registry in %s: %w", root, err)
	}
	bt.registry.Registry = statestore.NewRegistry(backend)
	return nil
}

// await stops the inputs, and does not wait for ever.
func (bt *beater) await(log *logp.Logger, stop func()) {
	stopped := make(chan struct{})
	go func() { // ends with the process at the latest
		stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(bt.opts.ShutdownTimeout + stopGrace):
		// libbeat's disk queue, when it is full, keeps an input waiting for room whatever happens.
		log.Warn("Inputs still wait for room in the queue. What it has not taken is read again after the next start.")
	}
}

// stopGrace is what inputs may take to stop beyond shutdown_timeout.
const stopGrace = 5 * time.Second

// folder says what is in the way of a folder that may be missing: memlog panics on a file.
func folder(path string) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return fmt.Errorf("cannot keep the registry in %s: it is a file; move it away, or set podbeat.registry.path", path)
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("cannot keep the registry in %s: %w", path, err)
	}
	return nil
}

// closePipeline makes the disk queue write down how far it has been read, which libbeat leaves out:
// without it a clean stop is like a crash, and the next start sends events again.
func closePipeline(log *logp.Logger, pipeline beat.Pipeline) {
	p, ok := pipeline.(io.Closer)
	if !ok {
		return
	}
	closed := make(chan error, 1)
	go func() { closed <- p.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			log.Errorf("Cannot close the queue: %v", err)
		}
	case <-time.After(3 * time.Second):
		log.Warn("The queue did not close in time; a disk queue may send its newest events again.")
	}
}

// Stop makes Run return, after at most shutdown_timeout.
func (bt *beater) Stop() { bt.stop.Do(func() { close(bt.done) }) }

// registry is what inputs keep their positions in.
type registry struct {
	*statestore.Registry
	name    string
	cleanup time.Duration
}

// Access opens the store of this beat. Every input shares it.
func (r *registry) Access() (*statestore.Store, error) { return r.Get(r.name) }

// CleanupInterval is how often filestream looks for positions to forget.
func (r *registry) CleanupInterval() time.Duration { return r.cleanup }
