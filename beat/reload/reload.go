// Package reload has a changed configuration take effect while podbeat runs: inputs, processors and the output.
//
//	SIGHUP, or changed content of a file (-c, input files, secrets)
//	  ─► read, until two looks say the same
//	  ─► load as at the start ─► check the inputs, make the processors, make the output and connect it once
//	        │ anything wrong: the reason is told, all goes on as it was
//	        ▼
//	  output ─► processors ─► inputs, each only if it has changed
//	        │ a failure half-way: back to what was
//
// What has not changed is left alone: an input goes on reading where it is while the output is exchanged,
// and events on their way are delivered by one of the two outputs.
package reload

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/processing"
)

// Options are the section podbeat.reload. They are themselves reloaded.
type Options struct {
	// Follow changes of the configuration files, of secrets, and of the output's certificates and keys, by their content. Signal SIGHUP has them read in any case.
	Enabled bool `config:"enabled"`
	// How often the files are looked at, and how soon an output that could not be reached is tried again.
	Period time.Duration `config:"period" default:"10s"`
	// How long a new output may take to connect, before the old one is kept.
	Timeout time.Duration `config:"timeout" default:"30s"`
}

// Validate refuses what cannot work.
func (o *Options) Validate() error {
	if o.Period <= 0 || o.Timeout <= 0 {
		return fmt.Errorf("cannot use reload.period %v and reload.timeout %v: want more than 0", o.Period, o.Timeout)
	}
	return nil
}

// Parts are what a Reloader works on.
type Parts struct {
	Info       beat.Info
	Fields     []byte   // beat.Beat.Fields, for templates
	Stdout     *os.File // the standard output for output.console, if os.Stdout is another one
	Overrides  []cfgfile.ConditionalOverride
	Secrets    *Secrets
	Processing *processing.Processing // of this beat: it has the configuration that libbeat has started with
	Files      Files
	Hangup     <-chan os.Signal // each has everything looked at

	// CheckRoot refuses a whole configuration with an unknown name at its top level; nil refuses none.
	CheckRoot func(*common.Config) error
	// Section refuses a section `podbeat` with anything wrong in it or its inputs, and returns its inputs and its reload options.
	Section func(*common.Config) ([]*common.Config, Options, error)
	// CheckInputs refuses inputs that are wrong or cannot run beside each other.
	CheckInputs func([]*common.Config) error
	// Inputs has these run, all of which are enabled, and no others. Those that run already are left alone.
	Inputs func([]*common.Config) error
}

// Status is what the Reloader has done.
type Status struct {
	Hash         string    `json:"hash"`                    // of the configuration and input files that are in effect, without secrets
	Applied      time.Time `json:"applied"`                 // since when they are
	Changed      string    `json:"changed,omitempty"`       // what the last reload has changed
	Took         float64   `json:"took_seconds,omitempty"`  // it
	NeedsRestart []string  `json:"needs_restart,omitempty"` // settings that have changed and take effect with the next start
	Refused      *Refusal  `json:"refused,omitempty"`       // nil if the files say what is in effect
	Files        []Refused `json:"refused_files,omitempty"` // input files whose content is refused
}

// Refusal is why the files are not in effect.
type Refusal struct {
	Hash   string    `json:"hash"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
	Again  bool      `json:"tried_again"` // every period: the output cannot be reached
}

// Refused is an input file that is not in effect.
type Refused struct {
	File   string    `json:"file"`
	At     time.Time `json:"at"` // its newest content was refused
	Reason string    `json:"reason"`
}

var (
	applied = monitoring.NewUint(nil, "podbeat.reload.applied")
	refused = monitoring.NewUint(nil, "podbeat.reload.refused")
)

// A state is a whole configuration that is in effect or could be.
type state struct {
	root     *common.Config
	settings map[string]any   // its values, by top-level names
	inputs   []*common.Config // of podbeat.inputs
	files    map[string]*inputFile
	opts     Options
	hashes   map[uint64]string // names of the inputs that run, by what libbeat tells them apart by
	content  *content          // that it has been made of
}

// enabled are the inputs that are to run.
func (s *state) enabled() (list []*common.Config) {
	for _, c := range append(slices.Clone(s.inputs), inputsOf(s.files)...) {
		if c.Enabled() {
			list = append(list, c)
		}
	}
	return list
}

// A Reloader follows the configuration of one beat.
type Reloader struct {
	parts Parts
	log   *logp.Logger
	poked chan struct{}

	// Of Run's goroutine.
	now       *state
	start     map[string]any // settings at the start
	managed   bool           // templates are loaded into Elasticsearch by libbeat, or have us to do it
	seen      sum            // of all content that has been looked at last
	failed    sum            // of the content that has been refused last
	again     bool           // that is tried again every period
	unstarted bool           // some input could not be started

	mu     sync.Mutex
	status Status
}

// New makes a Reloader for a beat that libbeat has set up.
func New(o Options, p Parts) (*Reloader, error) {
	r := &Reloader{parts: p, log: logp.NewLogger("reload"), poked: make(chan struct{}, 1)}
	root := p.Processing.Root()
	if root == nil {
		return nil, errors.New("cannot reload a beat that is not set up")
	}
	section, err := root.Child("podbeat", -1)
	if err != nil {
		return nil, err
	}
	inputs, _, err := p.Section(section)
	if err != nil {
		return nil, err
	}
	r.now = &state{root: root, settings: settings(root), inputs: inputs, opts: o, content: &content{}}
	r.now.hashes = hashed(r.now.enabled())
	if out, err := outputOf(root); err == nil {
		r.managed = out.Name() == "elasticsearch"
	}
	c := r.read()
	secrets := p.Secrets.use(c.secrets)
	if secrets == nil { // nothing has asked for one
		secrets = c.secrets
	}
	if asLoaded := r.loadedAgain(r.now.settings); asLoaded != nil {
		r.now.content, r.now.settings = c, asLoaded
	} else { // there is something new since libbeat has read the files
		r.now.content.secrets = secrets
		p.Secrets.use(secrets)
	}
	r.start = maps.Clone(r.now.settings)
	r.status = Status{Hash: r.now.hash(), Applied: time.Now()}
	return r, nil
}

// loadedAgain returns the settings as they are now in the files if libbeat makes started of them; else nil. Outputs write
// defaults into their configuration when they are made, as the one that runs has.
func (r *Reloader) loadedAgain(started map[string]any) map[string]any {
	root, err := r.load()
	if err != nil {
		return nil
	}
	loaded := settings(root)
	if same(loaded, started) {
		return loaded
	}
	if out, err := outputOf(root); err == nil {
		if group, err := r.loadOutput(root, out); err == nil {
			closeAll(group)
		}
	}
	if same(settings(root), started) {
		return loaded
	}
	return nil
}

// Status says what has been done.
func (r *Reloader) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	s.NeedsRestart, s.Files = slices.Clone(s.NeedsRestart), slices.Clone(s.Files)
	return s
}

// Start has the inputs of the configuration itself run.
func (r *Reloader) Start() error { return r.parts.Inputs(r.now.enabled()) }

// Poke has Inputs called with the same inputs once more, because it would do otherwise than before.
func (r *Reloader) Poke() {
	select {
	case r.poked <- struct{}{}:
	default: // it will be anyway
	}
}

// Run follows the files until done is closed. The inputs go on then.
func (r *Reloader) Run(done <-chan struct{}) {
	if r.parts.Files.Path != "" {
		r.followFiles(r.read())
	}
	for {
		var next <-chan time.Time
		if period := r.period(); period > 0 {
			next = time.After(period)
		}
		select {
		case <-done:
			return
		case <-r.parts.Hangup:
			r.look(done, true)
		case <-r.poked:
			r.runInputs()
		case <-next:
			r.look(done, false)
		}
	}
}

// period is when to look again; 0 for never.
func (r *Reloader) period() (p time.Duration) {
	if r.now.opts.Enabled || r.again {
		p = r.now.opts.Period
	}
	if files := r.parts.Files; r.unstarted || files.Path != "" && files.Reload.Enabled {
		if p == 0 || files.Reload.Period < p {
			p = files.Reload.Period
		}
	}
	return p
}

// look takes up what is new. asked: whoever asks wants to hear of it if there is nothing.
func (r *Reloader) look(done <-chan struct{}, asked bool) {
	c := r.settled(done)
	if c == nil {
		return // podbeat stops
	}
	whole := asked || r.now.opts.Enabled || r.again
	changed := whole && r.follow(done, c, asked)
	if !changed && (asked || r.parts.Files.Reload.Enabled) {
		changed = r.followFiles(c)
	}
	if r.unstarted && !changed {
		r.runInputs()
	}
	if asked && !changed && r.Status().Refused == nil {
		r.log.Info("The configuration is in effect as the files have it: there is nothing to reload.")
	}
}

// settled reads all files until two looks at what is new say the same, or ten seconds are over: they may be written
// just now. It returns nil if podbeat stops.
func (r *Reloader) settled(done <-chan struct{}) *content {
	const pause, tries = 500 * time.Millisecond, 20
	c := r.read()
	for range tries {
		all := c.all()
		if all == r.seen {
			break
		}
		r.seen = all
		select {
		case <-done:
			return nil
		case <-time.After(pause):
		}
		c = r.read()
	}
	r.seen = c.all()
	return c
}

// followFiles has the inputs of the input files run, and says whether they are others than before.
func (r *Reloader) followFiles(c *content) bool {
	if r.parts.Files.Path == "" {
		return false
	}
	before := r.now.files
	r.now.files = r.scan(c, before, r.now.inputs)
	r.now.hashes = hashed(r.now.enabled())
	if !r.tell(before, r.now.files) {
		r.update(func(*Status) {})
		return false
	}
	r.runInputs()
	if !r.unstarted {
		applied.Inc()
	}
	r.update(func(s *Status) { s.Applied, s.Changed, s.Took = time.Now(), "input files", 0 })
	return true
}

// runInputs has the inputs run that are to.
func (r *Reloader) runInputs() {
	err := r.parts.Inputs(r.now.enabled())
	r.unstarted = err != nil
	if err != nil {
		r.log.Errorf("Cannot start every input, trying again in %v: %s", r.period(), r.parts.Secrets.hide(err.Error()))
	}
}

// update changes what Status says.
func (r *Reloader) update(edit func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edit(&r.status)
	r.status.Hash, r.status.Files = r.now.hash(), nil
	for _, name := range sortedKeys(r.now.files) {
		if f := r.now.files[name]; f.refused != "" {
			r.status.Files = append(r.status.Files, Refused{name, f.at, r.parts.Secrets.hide(f.refused)})
		}
	}
}
