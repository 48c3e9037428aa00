package beat

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/heartbeat"
)

// states are what every configured input is doing, as heartbeats tell it.
type states struct {
	name    func(*common.Config) string // an input's id
	changed func()                      // is called when an input's state has changed

	mu    sync.Mutex
	units map[uint64]*unit   // by the hash of their configuration
	crews map[string][]*unit // in their order

	output outputState
}

// A unit is one configured input. Its counts outlive its runs.
type unit struct {
	typ, id     string
	read, acked atomic.Int64 // events: taken by libbeat, and of them those that have left for good

	// Guarded by states.mu.
	state, err string
	waiting    []*waiting // of its clients
	gaps, lost total
}

func newStates(output string, name func(*common.Config) string, changed func()) *states {
	return &states{name: name, changed: changed, units: map[uint64]*unit{}, crews: map[string][]*unit{}, output: outputState{name: output}}
}

// assign makes list the inputs of a crew, of which those run that on says, and returns these.
func (s *states) assign(crew string, list []*reload.ConfigWithMeta, on func(inputType string) bool) (running []*reload.ConfigWithMeta) {
	s.sample() // while what is to be stopped still counts
	s.mu.Lock()
	defer s.mu.Unlock()
	before, units := s.crews[crew], []*unit{}
	for _, c := range list {
		typ, _ := c.Config.String("type", -1)
		hash, err := cfgfile.HashConfig(c.Config)
		if err != nil {
			running = append(running, c) // whose start will fail with the same error
			continue
		}
		u := s.units[hash]
		if u == nil {
			u = &unit{typ: typ, id: s.name(c.Config), state: heartbeat.Off}
			s.units[hash] = u
		}
		units = append(units, u)
		if on(typ) {
			running = append(running, c)
			if u.state == heartbeat.Off {
				u.state = heartbeat.Running // or about to be
			}
		} else if u.state == heartbeat.Failed {
			u.state, u.err = heartbeat.Off, ""
		}
	}
	s.crews[crew] = units
	for hash, u := range s.units {
		if slices.Contains(before, u) && !slices.Contains(units, u) {
			delete(s.units, hash)
		}
	}
	s.changed()
	return running
}

// of returns the unit that a configuration is of; nil if it is of none any more.
func (s *states) of(cfg *common.Config) *unit {
	hash, err := cfgfile.HashConfig(cfg)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units[hash]
}

func (s *states) set(u *unit, state string, err error) {
	if u == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u.state, u.err = state, ""
	if err != nil {
		u.err = err.Error()
	}
	s.changed()
}

// watch has states told what becomes of the inputs that plugins make.
func (s *states) watch(plugins []v2.Plugin) []v2.Plugin {
	watched := slices.Clone(plugins)
	for i := range watched {
		watched[i].Manager = watchedManager{watched[i].Manager, s}
	}
	return watched
}

type watchedManager struct {
	v2.InputManager
	states *states
}

func (m watchedManager) Create(cfg *common.Config) (v2.Input, error) {
	u := m.states.of(cfg)
	in, err := m.InputManager.Create(cfg)
	if err != nil || u == nil {
		return in, err
	}
	return watchedInput{in, u, m.states}, nil
}

type watchedInput struct {
	v2.Input
	unit   *unit
	states *states
}

func (in watchedInput) Run(ctx v2.Context, pipeline beat.PipelineConnector) error {
	in.states.set(in.unit, heartbeat.Running, nil)
	err := in.Input.Run(ctx, in.states.count(in.unit, pipeline))
	switch {
	case ctx.Cancelation.Err() != nil:
		in.states.set(in.unit, heartbeat.Off, nil)
	case err == nil:
		in.states.set(in.unit, heartbeat.Failed, fmt.Errorf("it has ended by itself"))
	default:
		in.states.set(in.unit, heartbeat.Failed, err)
	}
	return err
}

// A total is a count that outlives the counter it is taken from, which begins anew with every run of its input.
type total struct{ before, last int64 }

func (t *total) sample(now int64) {
	if now < t.last {
		t.before += t.last
	}
	t.last = now
}

func (t *total) n() int64 { return t.before + t.last }

// figures are what an input itself counts, if it runs and does.
type figures struct {
	gaps, lost int64    // see heartbeat.Input
	behind     *float64 // seconds
	bytes      *int64
}

// read asks an input of a type for its figures.
func read(typ, id string) (f figures, ok bool) {
	registry := monitoring.Default.GetRegistry("podbeat." + typ + "." + id)
	if registry == nil {
		return figures{}, false
	}
	all := monitoring.CollectFlatSnapshot(registry, monitoring.Full, false)
	var behind string
	switch typ {
	case "journal":
		f.gaps = all.Ints["gaps.seqnum"] + all.Ints["gaps.ordinal"]
		f.lost = all.Ints["skipped.corrupt"] + all.Ints["skipped.other"]
		behind = "behind.seconds"
	case "emptydir", "podlogs":
		f.lost = all.Ints["abandoned.bytes"]
		if n, ok := all.Ints["now.behind.bytes"]; ok {
			f.bytes = &n
		}
		behind = "now.behind.seconds"
	}
	if n, ok := all.Floats[behind]; ok {
		f.behind = &n
	}
	return f, true
}

// sample reads the figures of every unit and adds up what outlives a run.
func (s *states) sample() map[*unit]figures {
	all := map[*unit]figures{}
	for _, u := range s.list() { // nobody waits for s.mu while an input is asked
		if f, ok := read(u.typ, u.id); ok {
			all[u] = f
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for u, f := range all {
		u.gaps.sample(f.gaps)
		u.lost.sample(f.lost)
	}
	return all
}

// list returns the units in their order.
func (s *states) list() []*unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Concat(s.crews[crewOfConfig], s.crews[crewOfFiles])
}

// describe fills in a heartbeat.
func (s *states) describe(b *heartbeat.Beat) {
	sampled, now, oldest := s.sample(), time.Now(), time.Time{}
	for _, u := range s.list() {
		in, since := s.input(u, sampled[u], now)
		if !since.IsZero() && (oldest.IsZero() || since.Before(oldest)) {
			oldest = since
		}
		b.Inputs = append(b.Inputs, in)
	}
	if len(b.Inputs) > 0 { // outputs do not know whose a dead letter is
		b.Inputs[0].DeadLetter = counter("podbeat.output.dead_letter") + counter("podbeat.output.kafka.dead_letter")
	}
	b.Output = s.output.now(now, oldest)
}

// input describes a unit, and says since when the oldest of its events waits; zero if none does.
func (s *states) input(u *unit, f figures, now time.Time) (in heartbeat.Input, oldest time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in = heartbeat.Input{
		ID: u.id, Type: u.typ, Collector: heartbeat.CollectorOf(u.typ), State: u.state, Error: u.err,
		Acked: u.acked.Load(), Gaps: u.gaps.n(), Skipped: u.lost.n(),
	}
	in.Read = max(u.read.Load(), in.Acked) // an acknowledgement may be quicker than the count
	for _, w := range u.waiting {
		if since := w.oldest(); !since.IsZero() && (oldest.IsZero() || since.Before(oldest)) {
			oldest = since
		}
	}
	if u.state == heartbeat.Running && (f.behind != nil || u.typ == "push") { // others know nothing of what they have not read
		var lag float64
		if !oldest.IsZero() {
			lag = now.Sub(oldest).Seconds()
		}
		if f.behind != nil {
			lag = max(lag, *f.behind)
		}
		in.LagSeconds, in.LagBytes = &lag, f.bytes
	}
	return in, oldest
}

// outputState is whether the output delivers. It is of the goroutine that makes heartbeats.
type outputState struct {
	name    string
	acked   int64     // as it was when looked at last
	failed  int64     // as it was when an event had been acknowledged last
	failing time.Time // since when attempts have failed and nothing has been acknowledged; zero: they have not
}

// failingFor is how long an output may have no success before it is said to fail: libbeat counts its first connecting
// as a failure.
const failingFor = 5 * time.Second

// now looks at libbeat's counters.
func (o *outputState) now(now, oldest time.Time) *heartbeat.Output {
	acked := counter("libbeat.output.events.acked")
	failed := counter("libbeat.output.events.failed") + counter("libbeat.output.write.errors") + counter("libbeat.output.read.errors") +
		counter("libbeat.pipeline.events.retry") + counter("podbeat.output.retries_request")
	if acked != o.acked {
		o.acked, o.failed, o.failing = acked, failed, time.Time{}
	}
	if failed > o.failed && o.failing.IsZero() {
		o.failing = now
	}
	out := &heartbeat.Output{Type: o.name, Oldest: oldest}
	if !o.failing.IsZero() && now.Sub(o.failing) >= failingFor {
		out.Failing = true
		out.Error = fmt.Sprintf("attempts have failed since %s and nothing has been delivered: see podbeat's log", o.failing.UTC().Format(time.RFC3339))
	}
	return out
}

// counter reads one of libbeat's and podbeat's counters; 0 if there is none.
func counter(name string) int64 {
	switch v := monitoring.Default.Get(name).(type) {
	case *monitoring.Uint:
		return int64(v.Get())
	case *monitoring.Int:
		return v.Get()
	}
	return 0
}

// nameOf returns the id of an input: its own, or the one under which it keeps its position.
func nameOf(plugins []v2.Plugin) func(*common.Config) string {
	return func(cfg *common.Config) string {
		id, _ := cfg.String("id", -1)
		typ, _ := cfg.String("type", -1)
		i := slices.IndexFunc(plugins, func(p v2.Plugin) bool { return p.Name == typ })
		if id != "" || i < 0 {
			return id
		}
		m, ok := plugins[i].Manager.(interface {
			ID(*common.Config) (string, error)
		})
		if !ok {
			return ""
		}
		own, _ := m.ID(cfg)
		return cmp.Or(id, own)
	}
}
