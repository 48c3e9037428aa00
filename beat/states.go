package beat

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/observe"
	"github.com/podbeat/podbeat/beat/receipt"
	"github.com/podbeat/podbeat/heartbeat"
)

// states are what every configured input is doing, as heartbeats, metrics and health tell it.
type states struct {
	name    func(*common.Config) string // an input's id
	changed func()                      // is called when an input's state has changed
	book    *receipt.Book

	sampling sync.Mutex // held from reading figures to adding them up; taken before mu

	mu    sync.Mutex
	units map[uint64]*unit // by the hash of their configuration
	order []*unit

	output outputState

	flow      flow
	waitClose time.Duration // how long a client that is closed waits for acknowledgements
}

// A unit is one configured input.
type unit struct {
	typ, id string
	account *receipt.Unit // outlives its runs, and changes of its configuration

	// Guarded by states.mu.
	state, err string
	since      time.Time // of state
	begun      bool      // its state is what has become of it, not what is hoped
	gaps, lost total
}

func newStates(output string, name func(*common.Config) string, changed func(), book *receipt.Book) *states {
	return &states{name: name, changed: changed, book: book, units: map[uint64]*unit{}, output: outputState{name: output}}
}

// assign makes list the inputs, of which those run that on says, and returns these.
func (s *states) assign(list []*reload.ConfigWithMeta, on func(inputType string) bool) (running []*reload.ConfigWithMeta) {
	s.sample() // while what is to be stopped still counts
	s.mu.Lock()
	defer s.mu.Unlock()
	var units []*unit
	for _, c := range list {
		typ, _ := c.Config.String("type", -1)
		hash, err := cfgfile.HashConfig(c.Config)
		if err != nil {
			running = append(running, c) // whose start will fail with the same error
			continue
		}
		u := s.units[hash]
		if u == nil {
			id := s.name(c.Config)
			u = &unit{typ: typ, id: id, account: s.book.Unit(typ, cmp.Or(id, fmt.Sprintf("%08x", uint32(hash))))}
			u.become(heartbeat.Off, nil)
			s.units[hash] = u
		}
		units = append(units, u)
		if on(typ) {
			running = append(running, c)
			if u.state == heartbeat.Off {
				u.become(heartbeat.Running, nil) // or about to be
				u.begun = false
			}
		} else if u.state == heartbeat.Failed {
			u.become(heartbeat.Off, nil)
		}
	}
	s.order = units
	maps.DeleteFunc(s.units, func(_ uint64, u *unit) bool { return !slices.Contains(units, u) })
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
	u.become(state, err)
	s.changed()
}

func (u *unit) become(state string, err error) {
	if u.state != state {
		u.since = time.Now()
	}
	u.state, u.err, u.begun = state, "", true
	if err != nil {
		u.err = err.Error()
	}
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
	return watchedInput{in, cfg, u, m.states}, nil
}

type watchedInput struct {
	v2.Input
	config *common.Config
	unit   *unit
	states *states
}

func (in watchedInput) Run(ctx v2.Context, pipeline beat.PipelineConnector) error {
	in.states.set(in.unit, heartbeat.Running, nil)
	err := in.run(ctx, pipeline)
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
	unread     bool // there is something to read
	unreadable int64
	what       string // cannot be read
	reads      bool   // something can
	idle       string // why it does nothing at all
}

// read asks an input of a type for its figures.
func read(typ, id string) (f figures, ok bool) {
	if typ == "kafka" || typ == "push" { // which avoid levels of their own
		id = strings.ReplaceAll(id, ".", "_")
	}
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
		f.unreadable, f.what, f.reads = all.Ints["now.files.unreadable"], "journal files", all.Ints["read"] > 0
		behind = "behind.seconds"
	case "emptydir", "podlogs":
		f.lost = all.Ints["abandoned.bytes"]
		if n, ok := all.Ints["now.behind.bytes"]; ok {
			f.bytes = &n
		}
		files := all.Ints["now.files.unreadable"]
		f.unreadable, f.what, f.reads = all.Ints["now.directories_unreadable"]+files, "directories or files", all.Ints["now.files.following"] > files
		behind = "now.behind.seconds"
	case "push":
		if listening, ok := all.Bools["listening"]; ok && !listening {
			f.idle = "it cannot listen, or read its keys, and tries again: see podbeat's log"
		}
	case "kafka":
		f.gaps, f.unread = all.Ints["gaps.deleted"], all.Ints["lag"] > 0
		f.idle = all.Strings["idle"]
		behind = "behind.seconds"
	}
	if n, ok := all.Floats[behind]; ok {
		f.behind, f.unread = &n, f.unread || n > 0
	}
	return f, true
}

// sample reads the figures of every unit and adds up what outlives a run. Of several at once each reads after the other has added: a figure
// that is older than the one before it would pass for that of a new run, and all be counted twice.
func (s *states) sample() map[*unit]figures {
	s.sampling.Lock()
	defer s.sampling.Unlock()
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
	return slices.Clone(s.order)
}

// describe fills in a heartbeat.
func (s *states) describe(b *heartbeat.Beat) {
	var oldest time.Time
	for _, in := range s.inputs() {
		a := &in.Account
		left := a.Filtered + a.Acked + a.DeadLetters + a.Dropped
		b.Inputs = append(b.Inputs, heartbeat.Input{
			ID: in.ID, Type: in.Type, Collector: heartbeat.CollectorOf(in.Type), State: in.State, Error: in.Error,
			Read: a.Read + a.Resumed - a.Abandoned, Acked: left, Gaps: in.Gaps, Skipped: in.Skipped, DeadLetter: a.DeadLetters,
			LagSeconds: in.LagSeconds, LagBytes: in.LagBytes,
		})
		if !in.Oldest.IsZero() && (oldest.IsZero() || in.Oldest.Before(oldest)) {
			oldest = in.Oldest
		}
	}
	if len(b.Inputs) > 0 && forgetful() {
		b.Inputs[0].DeadLetter = deadLetters()
	}
	b.Output = s.output.now(time.Now(), oldest)
}

// forgetful says whether the queue forgets whose an event is: libbeat's on disk does. One input then has all dead letters.
func forgetful() bool {
	v, _ := monitoring.GetNamespace("state").GetRegistry().Get("queue.name").(*monitoring.String)
	return v != nil && v.Get() != "mem"
}

// deadLetters is how many there are, of all inputs.
func deadLetters() int64 {
	return counter("podbeat.output.dead_letter") + counter("podbeat.output.kafka.dead_letter") + counter("podbeat.queue.dead_letter")
}

// inputs tells what the inputs are doing, in their order.
func (s *states) inputs() (list []observe.Input) {
	sampled, now := s.sample(), time.Now()
	for _, u := range s.list() {
		list = append(list, s.input(u, sampled[u], now))
	}
	return list
}

func (s *states) input(u *unit, f figures, now time.Time) observe.Input {
	in := observe.Input{Type: u.typ, ID: u.id, Account: u.account.Account(), Oldest: u.account.Oldest()}
	s.mu.Lock()
	defer s.mu.Unlock()
	in.State, in.Error, in.Since, in.Begun = u.state, u.err, u.since, u.begun
	in.Gaps, in.Skipped, in.Behind = u.gaps.n(), u.lost.n(), f.unread
	if u.state == heartbeat.Running {
		in.Idle = f.idle
	}
	in.Unreadable, in.UnreadableWhat, in.Reads = f.unreadable, f.what, f.reads
	if u.state == heartbeat.Running && (f.behind != nil || u.typ == "push") { // others know nothing of what they have not read
		var lag float64
		if !in.Oldest.IsZero() {
			lag = now.Sub(in.Oldest).Seconds()
		}
		if f.behind != nil {
			lag = max(lag, *f.behind)
		}
		in.LagSeconds, in.LagBytes = &lag, f.bytes
	}
	return in
}

// outputType is the kind of output that there is now, by libbeat's own account: a new configuration may have brought another
// one. "" until there is one.
func outputType() string {
	if v, ok := monitoring.Default.Get("libbeat.output.type").(*monitoring.String); ok {
		return v.Get()
	}
	return ""
}

// outputState is whether the output delivers.
type outputState struct {
	name string

	mu      sync.Mutex
	acked   int64     // as it was when looked at last
	failed  int64     // as it was when an event had been acknowledged last
	failing time.Time // since when attempts have failed and nothing has been acknowledged; zero: they have not
}

// failingFor is how long an output may have no success before it is said to fail: libbeat counts its first connecting
// as a failure.
const failingFor = 5 * time.Second

// now looks at libbeat's counters.
func (o *outputState) now(now, oldest time.Time) *heartbeat.Output {
	o.mu.Lock()
	defer o.mu.Unlock()
	acked := counter("libbeat.output.events.acked")
	var failed int64
	for _, name := range observe.Failures {
		failed += counter(name)
	}
	if acked != o.acked {
		o.acked, o.failed, o.failing = acked, failed, time.Time{}
	}
	if failed > o.failed && o.failing.IsZero() {
		o.failing = now
	}
	out := &heartbeat.Output{Type: cmp.Or(outputType(), o.name), Oldest: oldest}
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
