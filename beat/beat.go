// Package beat is podbeat's beater: it reads the inputs' configuration, runs the inputs, and
// joins them to libbeat's processors, queue and outputs. The way of an event is Run's, in order:
//
//	podbeat.inputs, config.inputs ─► input ─► receipt: read ─► delivery level: memory, disk ─► receipt: filtered, pending ─┐
//	                                   ▲                                                                                ▼
//	                       registry: position ◄─ acknowledgement ◄─ output ◄─ queue ◄─ processing: the input's processors, all the others
//	                                                                                        │
//	                                                                                        └─► tap
//
// An event carries its position; the position is stored once the output has acknowledged the
// event, in order. Whatever stops in between, the next start reads on from what was delivered.
//
// Inputs, processing and output are replaced while events flow when the configuration changes: see beat/reload.
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
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/publisher/pipetool"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"
	"github.com/elastic/go-concert/unison"

	"github.com/podbeat/podbeat/beat/control"
	"github.com/podbeat/podbeat/beat/observe"
	"github.com/podbeat/podbeat/beat/processing"
	"github.com/podbeat/podbeat/beat/receipt"
	"github.com/podbeat/podbeat/beat/reload"
	"github.com/podbeat/podbeat/beat/tap"
	"github.com/podbeat/podbeat/option"
)

// options are the section `podbeat:` of the configuration.
type options struct {
	// The inputs, a list of sections, each with its `type`.
	Inputs []*common.Config `config:"inputs"`
	// Further inputs in files of their own.
	Config configOptions `config:"config"`
	// Changes of the configuration while podbeat runs; see docs/reload.md.
	Reload reload.Options `config:"reload"`
	// Where positions are kept.
	Registry registryOptions `config:"registry"`
	// When /readyz and /healthz say that something is wrong.
	Health observe.Options `config:"health"`
	// The socket through which `podbeat tap` and `podbeat top` look into podbeat.
	Tap tap.Options `config:"tap"`
	// How long a stop waits for events on their way to be acknowledged. What is not by then is sent again after the next start.
	ShutdownTimeout time.Duration `config:"shutdown_timeout" default:"5s"`
}

type configOptions struct {
	// Files with inputs, watched for changes.
	Inputs reload.Files `config:"inputs"`
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
	global   global
	mode     os.FileMode
	registry *registry
	plugins  []v2.Plugin
	control  *control.Control // nil without a section control
	observer *observe.Observer
	tap      *tap.Tap
	done     chan struct{}
	stop     sync.Once
}

// global is what is of the configuration as a whole, and what is needed to read it again.
type global struct {
	overrides  []cfgfile.ConditionalOverride
	secrets    *reload.Secrets
	processing *processing.Processing
	start      *start
}

// newBeater makes the beater from its configuration section and the section `control:`, which may be nil. It refuses
// unknown options, unknown input types, and inputs whose own options are wrong, so that `podbeat test config` tells.
func newBeater(b *beat.Beat, cfg, controlled *common.Config, observer *observe.Observer, global global) (beat.Beater, error) {
	bt := &beater{observer: observer, global: global, registry: &registry{name: b.Info.Beat}, done: make(chan struct{})}
	bt.plugins = inputs(b.Info, logp.NewLogger("podbeat"), bt.registry)
	var err error
	if err = reload.CheckFiles(); err != nil {
		return nil, err
	}
	if bt.opts, bt.mode, err = unpack(bt.plugins, cfg); err != nil {
		return nil, err
	}
	bt.registry.cleanup = bt.opts.Registry.CleanupInterval
	if bt.tap, err = tap.New(bt.opts.Tap, b.Info, global.processing.Watch, logp.NewLogger("podbeat")); err != nil {
		return nil, err
	}
	if controlled != nil {
		if bt.control, err = control.New(controlled, b.Info); err != nil {
			return nil, err
		}
	}
	return bt, nil
}

// unpack reads the section `podbeat:`, and refuses anything that is wrong in it or its inputs.
func unpack(plugins []v2.Plugin, cfg *common.Config) (opts options, mode os.FileMode, err error) {
	if err := option.Unpack(cfg, &opts, "podbeat"); err != nil {
		return opts, 0, err
	}
	bits, err := strconv.ParseUint(opts.Registry.FilePermissions, 8, 9)
	if err != nil || bits&0o600 != 0o600 {
		return opts, 0, fmt.Errorf("podbeat: cannot use registry.file_permissions %q: want an octal number such as 0600, which lets podbeat itself read and write", opts.Registry.FilePermissions)
	}
	if opts.ShutdownTimeout < 0 {
		return opts, 0, fmt.Errorf("podbeat: shutdown_timeout is %v: want 0 or more", opts.ShutdownTimeout)
	}
	if err := checkAll(plugins, opts.Inputs, "podbeat.inputs"); err != nil {
		return opts, 0, err
	}
	if len(opts.Inputs) == 0 && opts.Config.Inputs.Path == "" {
		return opts, 0, fmt.Errorf("podbeat: no inputs are configured: give podbeat.inputs, or podbeat.config.inputs.path")
	}
	return opts, os.FileMode(bits), nil
}

// Run runs the inputs until Stop.
func (bt *beater) Run(b *beat.Beat) error {
	log := logp.NewLogger("podbeat")
	bt.global.start.end(bt.end)
	stdout := silence()

	// 1. The registry, which outlives every input.
	if err := bt.openRegistry(log, b.Info.Beat); err != nil {
		return err
	}
	defer bt.registry.Close()

	// 2. The kinds of inputs, with their tidying in the background.
	changed, on := bt.switches()
	book := receipt.NewBook()
	states := newStates(b.Config.Output.Name(), nameOf(bt.plugins), changed, book)
	states.waitClose = bt.opts.ShutdownTimeout
	book.Delivery(held)
	var background unison.TaskGroup
	defer func() { _ = background.Stop() }()
	loader, err := bt.loader(log, states, &background)
	if err != nil {
		return err
	}

	// 3. The way from an input to libbeat: nothing is dropped for want of room, and a stop waits.
	pipeline := pipetool.WithClientConfigEdit(b.Publisher, func(c beat.ClientConfig) (beat.ClientConfig, error) {
		c.PublishMode = beat.GuaranteedSend
		return normalized(c), nil
	})
	factory := checked{bt.plugins, states, channel.RunnerFactoryWithCommonInputSettings(b.Info, compat.RunnerFactory(log, b.Info, loader))}

	// 4. The inputs, those in files of their own too, which come and go with the configuration.
	runners := &crew{RunnerList: cfgfile.NewRunnerList("inputs", factory, pipeline), states: states, on: on}
	reloader, err := bt.reloader(b, runners, stdout)
	if err != nil {
		return err
	}
	if err := reloader.Start(); err != nil {
		runners.Stop()
		return err
	}
	var reloading, all sync.WaitGroup
	reloading.Go(func() { reloader.Run(bt.done) })

	// 5. What is told of them all, and who may switch them off and on.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if bt.control != nil {
		all.Go(func() { bt.control.Run(ctx, states.describe, reloader.Poke) })
	}

	// 6. What is told of it all over HTTP.
	parts := observe.Parts{
		Book: book, Inputs: states.inputs, OutputType: outputType, Options: bt.opts.Health, Spills: states.spills,
		Reload: func() observe.Reload { return reloaded(reloader.Status()) }, DiskQueue: has(bt.global.processing.Root(), "queue.disk"),
		Data: paths.Resolve(paths.Data, ""), Registry: bt.registryFolder(b.Info.Beat), Version: b.Info.Version, Log: log,
	}
	all.Go(func() { bt.observer.Start(parts, bt.done) })

	// 7. A look into it all through a socket.
	for path, answer := range bt.observer.Handlers() {
		bt.tap.Handle(path, answer)
	}
	all.Go(func() { bt.tap.Run(bt.done) })

	<-bt.done
	cancel()
	bt.observer.Stopping()
	started := time.Now()
	bt.await(log, func() {
		runners.Stop() // a reload may take its time
		all.Wait()
		reloading.Wait()
	})
	report(log, book, time.Since(started))
	observe.LogReceipt(log, book)
	closePipeline(log, b.Publisher)
	return nil
}

// loader makes what makes inputs, which states are told of.
func (bt *beater) loader(log *logp.Logger, states *states, background *unison.TaskGroup) (*v2.Loader, error) {
	loader, err := v2.NewLoader(log, states.watch(bt.plugins), "type", "")
	if err != nil {
		return nil, err
	}
	if err := loader.Init(background, v2.ModeRun); err != nil {
		return nil, fmt.Errorf("cannot start the inputs: %w", err)
	}
	return loader, nil
}

// switches are the control's, if there is one: whom to tell of a change, and whether a kind of inputs is to run.
func (bt *beater) switches() (changed func(), on func(inputType string) bool) {
	if bt.control == nil {
		return func() {}, func(string) bool { return true }
	}
	bt.control.Open()
	return bt.control.Soon, bt.control.On
}

// silence returns the standard output, which is output.console's, and has what others print go nowhere: libbeat's cgroup
// figures print a line with each look at them.
func silence() (stdout *os.File) {
	stdout = os.Stdout
	if nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stdout = nowhere
	}
	return stdout
}

// reloader makes what follows the configuration from its present state on.
func (bt *beater) reloader(b *beat.Beat, runners *crew, stdout *os.File) (*reload.Reloader, error) {
	return reload.New(bt.opts.Reload, reload.Parts{
		Info: b.Info, Fields: b.Fields, Stdout: stdout,
		Overrides: bt.global.overrides, Secrets: bt.global.secrets, Processing: bt.global.processing,
		Files: bt.opts.Config.Inputs, Hangup: bt.global.start.hup,
		CheckRoot: checkTopLevel,
		Section: func(cfg *common.Config) ([]*common.Config, reload.Options, error) {
			opts, _, err := unpack(bt.plugins, cfg)
			return opts.Inputs, opts.Reload, err
		},
		CheckInputs: func(list []*common.Config) error { return checkAll(bt.plugins, list, "inputs") },
		Inputs:      runners.run,
	})
}

// reloaded is what health goes by of a reload.
func reloaded(s reload.Status) observe.Reload {
	r := observe.Reload{Applied: s.Applied, Status: s}
	if s.Refused != nil {
		r.Refused, r.Reason = s.Refused.At, s.Refused.Reason
	}
	for _, f := range s.Files {
		r.Files = append(r.Files, f.File+": "+f.Reason)
		if f.At.After(r.Refused) {
			r.Refused = f.At
		}
	}
	return r
}

// openRegistry opens the registry, whose folder it makes if it is missing.
func (bt *beater) openRegistry(log *logp.Logger, name string) error {
	root := paths.Resolve(paths.Data, bt.opts.Registry.Path)
	if err := folder(bt.registryFolder(name)); err != nil {
		return err
	}
	backend, err := memlog.New(log, memlog.Settings{Root: root, FileMode: bt.mode})
	if err != nil {
		return fmt.Errorf("cannot open the registry in %s: %w", root, err)
	}
	bt.registry.Registry = statestore.NewRegistry(backend)
	return nil
}

// registryFolder is where memlog keeps the registry.
func (bt *beater) registryFolder(name string) string {
	return filepath.Join(paths.Resolve(paths.Data, bt.opts.Registry.Path), name)
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
		log.Warn("Inputs still wait for room in the queue, or a reload goes on. What the queue has not taken is read again after the next start.")
	}
}

// report says how a stop went.
func report(log *logp.Logger, book *receipt.Book, took time.Duration) {
	var pending int64
	for _, account := range book.Receipt().Inputs {
		pending += account.Pending
	}
	if pending > 0 {
		log.Warnf("Stopped after %v with %d events not acknowledged: they are sent again after the next start.", took.Round(time.Millisecond), pending)
		return
	}
	log.Infof("Stopped after %v: every event has been acknowledged.", took.Round(time.Millisecond))
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

// end makes Run return, after at most shutdown_timeout.
func (bt *beater) end() { bt.stop.Do(func() { close(bt.done) }) }

// Stop does nothing: start hears the signals that are to stop podbeat. libbeat calls it for the first that it hears, which may be
// a SIGHUP that has come just before Run.
func (bt *beater) Stop() {}

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
