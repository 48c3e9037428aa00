// Package follow is the engine of podbeat's inputs on files, `emptydir` and `podlogs`: it follows
// every file that beat/find finds, reads its messages with beat/lines, and gives libbeat one event
// a message. A byte's way is:
//
//	find ──► tracker ──► shard: file → reader → event ──► libbeat … output
//	          (names)      ▲                                          │
//	                       └── position, stored once acknowledged ◄───┘
//
// Names and contents are kept apart, for a name tells little: logs are renamed, copied, truncated
// and made anew. A file is an inode. A content is what was written into a file since it was made
// or truncated; it has the position, and the id which, with a message's place and text, makes the
// event's id. A content moves to a copy when its file is truncated or deleted, so what copytruncate
// or gzip has put aside is read on where the original was left.
//
// Each directory belongs to one shard, a goroutine of its own, so contents need no locks and events
// of one directory keep their order. Files of a shard take turns of a bounded number of bytes, so
// that a loud one cannot keep the others waiting.
//
// Most events of a file have the same fields but for message and place. They are documents then (see beat/prepared),
// of a template for their kind: the file, and what its lines are alike in.
package follow

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/feature"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/go-concert/ctxtool"
	"github.com/elastic/go-concert/unison"
	"golang.org/x/sys/unix"

	"github.com/podbeat/podbeat/beat/find"
	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// A Kind is an input on files: its name, and what it makes of its section of the configuration.
type Kind struct {
	Name, Info, Doc string
	// Configure reads the section of an input.
	Configure func(cfg *common.Config) (*Config, error)
}

// Config is what an input asks of the engine.
type Config struct {
	Options
	Paths     []string // globs, see find.Options
	Recursive bool
	LinkRoots []string                 // where symbolic links may lead …
	LinkRoot  func(path string) string // … or, if it is not nil, where that at path may, see find.Options
	Format    lines.Format
	// Source says whose file it is that was first found at path; node is the node's name.
	Source func(path, node string) Source
}

// A Source is what the place of a file says about it.
type Source struct {
	Volume Volume // for figures and the log
	// Fields returns the fields that every event of the file gets; nil for none. As long as they are the same, so is the pointer.
	Fields func() *k8sname.Fields
	// Stream is log.stream: console or file.
	Stream string
}

// A Volume is where a file lies in a cluster.
type Volume struct {
	Pod  string // its uid; "" if it is no pod's
	Name string // of the volume, or of the container whose log it is
}

// String is pod/volume.
func (v Volume) String() string { return cmp.Or(v.Pod, "none") + "/" + cmp.Or(v.Name, "none") }

// Options are the settings of every input on files.
type Options struct {
	lines.Options `config:",inline"`
	// How often all directories are looked through. What inotify tells is found at once; this is the net below it,
	// and the only way on file systems without inotify.
	ScanInterval time.Duration `config:"scan_interval" alias:"scan_frequency" default:"10s"`
	// Regular expressions of paths to leave out.
	ExcludeFiles []string `config:"exclude_files"`
	// Read what a rotation has put beside a file (`app.log.1`, `app.log-20260102`, `app.log.2.gz`) as well, each line once. `false` only finishes what was open.
	Rotated bool `config:"rotated" default:"true"`
	// Leave out files that were last written longer ago than this when they are found; `0` leaves out none.
	IgnoreOlder time.Duration `config:"ignore_older"`
	// Most files that are open at once; beyond it those that were idle longest are closed, and opened again when they grow.
	MaxOpenFiles int `config:"max_open_files" default:"4096"`
	// Close a file that has been read to its end and has not grown for so long; it is opened again when it grows.
	CloseInactive time.Duration `config:"close_inactive" default:"5m"`
	// How long, and how much, of deleted files is held open to be read to their ends.
	Deleted deletedOptions `config:"deleted"`
	// The node's name, for the index and `kubernetes.node.name`; empty means the beat's `name`.
	Host string `config:"host"`

	exclude []*regexp.Regexp
}

// deletedOptions bound what deleted files may cost: their space is not free while they are open.
type deletedOptions struct {
	// Longest time from a file's deletion to its end, when the output is slow or away; the rest is given up, and counted.
	Timeout time.Duration `config:"timeout" default:"1h"`
	// Most bytes that deleted files may still have to be read, all together; beyond it the oldest are given up, and counted.
	MaxBytes option.Bytes `config:"max_bytes" default:"1GiB"`
}

// Validate says which option has a value that means nothing.
func (o *Options) Validate() error {
	if err := o.Options.Validate(); err != nil {
		return err
	}
	o.exclude = nil
	for _, text := range o.ExcludeFiles {
		re, err := regexp.Compile(text)
		if err != nil {
			return fmt.Errorf("cannot read the regular expression %q of exclude_files: %w", text, err)
		}
		o.exclude = append(o.exclude, re)
	}
	switch {
	case o.ScanInterval < 100*time.Millisecond:
		return fmt.Errorf("scan_interval is %v: want at least 100ms", o.ScanInterval)
	case o.IgnoreOlder < 0:
		return fmt.Errorf("ignore_older is %v: want 0 or more", o.IgnoreOlder)
	case o.MaxOpenFiles < 1:
		return fmt.Errorf("max_open_files is %d: want 1 or more", o.MaxOpenFiles)
	case o.CloseInactive <= 0:
		return fmt.Errorf("close_inactive is %v: want more than 0", o.CloseInactive)
	case o.Deleted.Timeout < 0:
		return fmt.Errorf("deleted.timeout is %v: want 0 or more", o.Deleted.Timeout)
	case o.Deleted.MaxBytes < 0:
		return fmt.Errorf("deleted.max_bytes is %d: want 0 or more", o.Deleted.MaxBytes)
	}
	return nil
}

// Store is where positions are kept: filebeat's and podbeat's registries are one.
type Store interface {
	Access() (*statestore.Store, error)
}

// Plugin is the input for a beat that takes filebeat's input plugins.
func Plugin(log *logp.Logger, store Store, kind Kind) v2.Plugin {
	return v2.Plugin{
		Name:      kind.Name,
		Stability: feature.Stable,
		Info:      kind.Info,
		Doc:       kind.Doc,
		Manager:   &manager{log: log.Named(kind.Name), store: store, kind: kind, now: time.Now, running: map[string]bool{}},
	}
}

// manager makes the inputs of one kind and keeps what one run of an input leaves for its next.
type manager struct {
	log   *logp.Logger
	store Store
	kind  Kind
	now   func() time.Time

	mu      sync.Mutex
	running map[string]bool
	left    sync.Map // id → left: what the last run in this process had
}

// left is what a run of an input leaves for its next.
type left struct {
	contents []*content
	forgot   *atomic.Bool // the input's delivery level has forgotten events that it had taken
}

// Init has nothing to start: every input forgets its own positions.
func (m *manager) Init(unison.Group, v2.Mode) error { return nil }

// CheckConfig says what is wrong with an input's configuration, without touching a file.
func (m *manager) CheckConfig(cfg *common.Config) error {
	_, err := m.make(cfg)
	return err
}

// Create makes an input of its configuration.
func (m *manager) Create(cfg *common.Config) (v2.Input, error) { return m.make(cfg) }

func (m *manager) make(cfg *common.Config) (*input, error) {
	var common struct {
		ID string `config:"id"`
	}
	if err := cfg.Unpack(&common); err != nil {
		return nil, err
	}
	c, err := m.kind.Configure(cfg)
	if err != nil {
		return nil, err
	}
	in := &input{manager: m, cfg: c, id: common.ID}
	if in.id == "" {
		in.id = "default"
	}
	if _, err := find.New(m.log, in.finding()); err != nil {
		return nil, fmt.Errorf("%s input: %w", m.kind.Name, err)
	}
	return in, nil
}

// ID returns the name under which the input that cfg describes keeps its positions. No two may
// have the same.
func (m *manager) ID(cfg *common.Config) (string, error) {
	in, err := m.make(cfg)
	if err != nil {
		return "", err
	}
	return in.id, nil
}

type input struct {
	manager *manager
	cfg     *Config
	id      string
}

// Name is the input's type.
func (in *input) Name() string { return in.manager.kind.Name }

// Test says whether the input could start.
func (in *input) Test(v2.TestContext) error { return nil }

func (in *input) finding() find.Options {
	return find.Options{
		Globs: in.cfg.Paths, Recursive: in.cfg.Recursive, Exclude: in.cfg.exclude,
		Rotated: in.cfg.Rotated, LinkRoots: in.cfg.LinkRoots, LinkRoot: in.cfg.LinkRoot, ScanEvery: in.cfg.ScanInterval,
	}
}

// run is one run of an input: what its goroutines share.
type run struct {
	cfg       *Config
	log       *logp.Logger
	finder    *find.Finder
	tracker   *tracker
	positions *positions
	metrics   *metrics
	node      string
	index     string // what the index's name begins with
	shards    []*shard
	maxOpen   int          // files
	open      atomic.Int64 // files that are
	now       func() time.Time
	ending    atomic.Bool  // deleted files are read to their ends, whoever may still write to them
	refused   atomic.Bool  // libbeat has refused an event of one of the shards: it is closing
	forgot    *atomic.Bool // see left

	complained atomic.Int64 // Unix seconds, when it was logged that a file cannot be opened
}

// complain logs why a file cannot be opened, at most once a minute for all files: they will be tried again and again.
func (r *run) complain(err error) {
	now, last := r.now().Unix(), r.complained.Load()
	if now-last >= 60 && r.complained.CompareAndSwap(last, now) {
		r.log.Warnf("A file is not read, and perhaps others are not, for want of the right to: %v", err)
	}
}

// Run follows the files until ctx is cancelled.
func (in *input) Run(ctx v2.Context, pipeline beat.PipelineConnector) error {
	if err := in.claim(); err != nil {
		return err
	}
	defer in.release()
	r := &run{cfg: in.cfg, log: ctx.Logger, node: cmp.Or(in.cfg.Host, ctx.Agent.Name), now: in.manager.now, forgot: new(atomic.Bool)}
	r.maxOpen = in.cfg.MaxOpenFiles
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err == nil && uint64(r.maxOpen) > limit.Cur/2 {
		r.maxOpen = int(limit.Cur / 2)
		r.log.Warnf("At most %d files are held open instead of max_open_files, %d: the process may have %d descriptors (ulimit -n, LimitNOFILE=).", r.maxOpen, in.cfg.MaxOpenFiles, limit.Cur)
	}
	r.index = k8sname.IndexName(ctx.Agent.Beat, r.node)
	var err error
	if r.finder, err = find.New(ctx.Logger, in.finding()); err != nil {
		return err
	}
	r.tracker = newTracker(r)
	t := r.tracker
	r.metrics = newMetrics(in.Name(), in.id, t)
	defer r.metrics.close(in.Name(), in.id)
	if r.positions, err = openPositions(in.manager.store, in.Name()+"::"+in.id+"::", ctx.Logger, r.metrics); err != nil {
		return err
	}
	defer r.positions.close()

	records, err := r.positions.load()
	if err != nil {
		return err
	}
	last, again := in.manager.left.LoadAndDelete(in.id)
	for range min(4, runtime.GOMAXPROCS(0)) {
		s, err := newShard(r, pipeline)
		if err != nil {
			return err
		}
		defer s.out.client.Close()
		r.shards = append(r.shards, s)
	}
	if again {
		t.resume(last.(left)) // it is further: what is on its way is not to be sent again
	} else {
		for _, rec := range records {
			t.restore(restored(rec))
		}
	}
	in.work(ctxtool.FromCanceller(ctx.Cancelation), r, t)
	in.manager.left.Store(in.id, left{t.leave(), r.forgot})
	return nil
}

// work runs the goroutines of a run, and returns when all have ended.
func (in *input) work(ctx context.Context, r *run, t *tracker) {
	var all sync.WaitGroup
	for _, s := range r.shards {
		all.Go(s.work)
	}
	all.Go(func() { t.watch(ctx) })
	if err := r.finder.Run(ctx, t.handle); err != nil && ctx.Err() == nil {
		r.log.Errorf("Cannot look for files any more: %v", err)
		<-ctx.Done()
	}
	r.lastWords()
	// Closing waits for what is on its way; it also ends a Publish that waits for room.
	var closing sync.WaitGroup
	for _, s := range r.shards {
		s.stop()
		closing.Go(func() { s.out.client.Close() })
	}
	all.Wait()
	closing.Wait()
	t.close()
}

// lastWords has the ends of deleted files read, if the output takes them at all.
func (r *run) lastWords() {
	r.ending.Store(true)
	said := make(chan struct{}, len(r.shards))
	for _, s := range r.shards {
		s.lastWords(said)
	}
	late := time.After(time.Second)
	for range r.shards {
		select {
		case <-said:
		case <-late:
			return
		}
	}
}

func (in *input) claim() error {
	in.manager.mu.Lock()
	defer in.manager.mu.Unlock()
	if in.manager.running[in.id] {
		return fmt.Errorf("two %s inputs have the id %q: give each an id of its own", in.Name(), in.id)
	}
	in.manager.running[in.id] = true
	return nil
}

func (in *input) release() {
	in.manager.mu.Lock()
	defer in.manager.mu.Unlock()
	delete(in.manager.running, in.id)
}
