package beat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/go-concert/ctxtool"

	"github.com/podbeat/podbeat/beat/receipt"
	"github.com/podbeat/podbeat/heartbeat"
)

func configs(t *testing.T, yaml ...string) (list []*reload.ConfigWithMeta) {
	t.Helper()
	for _, text := range yaml {
		cfg, err := common.NewConfigWithYAML([]byte(text), "test")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, &reload.ConfigWithMeta{Config: cfg})
	}
	return list
}

// TestStates is the life of inputs: each step says what heartbeats tell of them.
func TestStates(t *testing.T) {
	plugins := inputs(info, logp.NewLogger("test"), &registry{})
	changes := 0
	s := newStates("file", nameOf(plugins), func() { changes++ }, receipt.NewBook())
	list := configs(t, "{type: journal, id: node}", "{type: push, listen: '127.0.0.1:1', keys: /none}", "{type: filestream, id: f, paths: [/x]}")
	more := configs(t, "{type: emptydir}")
	off := ""
	on := func(typ string) bool { return !strings.Contains(off, typ) }
	step := func(what string, running []*reload.ConfigWithMeta, wantRunning int, want string) {
		t.Helper()
		var b heartbeat.Beat
		s.describe(&b)
		var got []string
		for _, in := range b.Inputs {
			got = append(got, strings.TrimSpace(fmt.Sprint(in.Type, " ", in.ID, " ", in.State, " ", in.Error)))
		}
		if len(running) != wantRunning || strings.Join(got, ", ") != want {
			t.Errorf("%s: %d run: %s; want %d: %s", what, len(running), strings.Join(got, ", "), wantRunning, want)
		}
		if changes == 0 {
			t.Errorf("%s: nobody is told", what)
		}
		changes = 0
	}
	step("all are on", s.assign(list, on), 3, "journal node running, push 127.0.0.1:1 running, filestream f running")
	step("a file brings one more", s.assign(slices.Concat(list, more), on), 4, "journal node running, push 127.0.0.1:1 running, filestream f running, emptydir default running")
	off = "push"
	run := func(i int, how error, stopped bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		in := watchedInput{fakeInput{how}, list[i].Config, s.of(list[i].Config), s}
		if stopped {
			cancel()
		}
		if err := in.Run(v2.Context{Cancelation: ctxtool.FromCanceller(ctx)}, nil); err != how {
			t.Errorf("got %v, want %v", err, how)
		}
	}
	running := s.assign(slices.Concat(list, more), on)
	run(1, nil, true)
	step("push is off", running, 3, "journal node running, push 127.0.0.1:1 off, filestream f running, emptydir default running")
	run(0, errors.New("no rights"), false)
	step("the journal fails", nil, 0, "journal node failed no rights, push 127.0.0.1:1 off, filestream f running, emptydir default running")
	run(2, nil, false)
	step("filestream ends", nil, 0, "journal node failed no rights, push 127.0.0.1:1 off, filestream f failed it has ended by itself, emptydir default running")
	off = "journal push"
	step("what has failed is off too", s.assign(slices.Concat(list, more), on), 2, "journal node off, push 127.0.0.1:1 off, filestream f failed it has ended by itself, emptydir default running")
	off = ""
	s.assign(slices.Concat(list, more), on)
	if _, err := (checked{plugins, s, nil}).Create(nil, configs(t, "{type: push, listen: '127.0.0.1:1', keys: /none}")[0].Config); err == nil {
		t.Error("a push input without keys can be made")
	}
	var b heartbeat.Beat
	if s.describe(&b); b.Inputs[1].State != heartbeat.Failed || !strings.Contains(b.Inputs[1].Error, "keys") {
		t.Errorf("got %+v", b.Inputs[1])
	}
	step("one is gone", s.assign(list, on), 3, "journal node running, push 127.0.0.1:1 failed "+b.Inputs[1].Error+", filestream f failed it has ended by itself")
	if len(s.units) != 3 {
		t.Errorf("%d inputs are remembered, want 3", len(s.units))
	}
}

type fakeInput struct{ err error }

func (f fakeInput) Name() string                                 { return "fake" }
func (f fakeInput) Test(v2.TestContext) error                    { return nil }
func (f fakeInput) Run(v2.Context, beat.PipelineConnector) error { return f.err }

// Two that ask at once, health and /metrics say, of whom the one that has read first comes last, count nothing twice.
func TestFiguresAtOnce(t *testing.T) {
	s := newStates("file", func(*common.Config) string { return "figures.at.once" }, func() {}, receipt.NewBook())
	s.assign(configs(t, "{type: journal}"), func(string) bool { return true })
	all := monitoring.Default.NewRegistry("podbeat.journal.figures.at.once")
	defer monitoring.Default.Remove("podbeat.journal.figures")
	var gaps, asked atomic.Int64
	begun, goOn := make(chan struct{}), make(chan struct{})
	monitoring.NewFunc(all, "gaps.seqnum", func(_ monitoring.Mode, v monitoring.Visitor) {
		n := gaps.Load()
		if asked.Add(1) == 1 {
			close(begun)
			<-goOn
		}
		v.OnInt(n)
	})
	gaps.Store(5)
	var both sync.WaitGroup
	both.Go(func() { s.inputs() })
	<-begun
	gaps.Store(7)
	second := make(chan struct{})
	both.Go(func() {
		defer close(second)
		s.inputs()
	})
	select {
	case <-second:
	case <-time.After(100 * time.Millisecond): // it waits for the first
	}
	close(goOn)
	both.Wait()
	if n := s.inputs()[0].Gaps; n != 7 {
		t.Errorf("%d gaps, want 7", n)
	}
}

// What an input counts outlives its runs; its lag is the older of what is unread and what is unacknowledged.
func TestFigures(t *testing.T) {
	s := newStates("file", func(*common.Config) string { return "figures.test" }, func() {}, receipt.NewBook())
	list := configs(t, "{type: journal}")
	always := func(string) bool { return true }
	s.assign(list, always)
	all := monitoring.Default.NewRegistry("podbeat.journal.figures.test")
	defer monitoring.Default.Remove("podbeat.journal.figures")
	gaps, corrupt, behind := monitoring.NewUint(all, "gaps.seqnum"), monitoring.NewUint(all, "skipped.corrupt"), monitoring.NewFloat(all, "behind.seconds")
	want := func(what string, gaps, skipped int64, lag, upTo float64) {
		t.Helper()
		var b heartbeat.Beat
		s.describe(&b)
		in := b.Inputs[0]
		if in.Gaps != gaps || in.Skipped != skipped || in.LagSeconds == nil || *in.LagSeconds < lag || *in.LagSeconds > upTo || in.LagBytes != nil {
			t.Errorf("%s: %+v (lag %v), want gaps %d, skipped %d, a lag of %v to %v s", what, in, in.LagSeconds, gaps, skipped, lag, upTo)
		}
	}
	want("at first", 0, 0, 0, 0)
	gaps.Set(7)
	corrupt.Set(2)
	behind.Set(60)
	want("behind", 7, 2, 60, 60)
	gaps.Set(3) // a new run
	corrupt.Set(0)
	want("anew", 10, 2, 60, 60)
	gaps.Set(4)
	want("further", 11, 2, 60, 60)

	// An event that waits is told of too, and the older of the two counts.
	p := &pipeline{}
	client, err := s.of(list[0].Config).account.Inner(p).Connect()
	if err != nil {
		t.Fatal(err)
	}
	client.Publish(beat.Event{})
	waits := time.Now()
	want("an event waits", 11, 2, 60, 60)
	behind.Set(0)
	for time.Since(waits) < 10*time.Millisecond {
		time.Sleep(time.Millisecond)
	}
	want("and nothing is unread", 11, 2, 0.01, 50)
	p.ACKHandler.ACKEvents(1)
	want("and it is acknowledged", 11, 2, 0, 0)
}

// pipeline takes every event and acknowledges none.
type pipeline struct{ beat.ClientConfig }

func (p *pipeline) Connect() (beat.Client, error) { return p, nil }
func (p *pipeline) ConnectWith(c beat.ClientConfig) (beat.Client, error) {
	p.ClientConfig = c
	return p, nil
}
func (p *pipeline) Publish(e beat.Event)    { p.ACKHandler.AddEvent(e, true) }
func (p *pipeline) PublishAll([]beat.Event) {}
func (p *pipeline) Close() error            { return nil }

// An output fails when attempts have failed for a while and nothing has been delivered since.
func TestOutputState(t *testing.T) {
	acked := monitoring.NewUint(monitoring.Default, "libbeat.output.events.acked")
	retry := monitoring.NewUint(monitoring.Default, "libbeat.pipeline.events.retry")
	defer monitoring.Default.Remove("libbeat.output.events.acked")
	defer monitoring.Default.Remove("libbeat.pipeline.events.retry")
	o := &outputState{name: "elasticsearch"}
	now := time.Now()
	step := func(what string, delivered, failed uint64, wait time.Duration, want bool) {
		t.Helper()
		acked.Add(delivered)
		retry.Add(failed)
		now = now.Add(wait)
		got := o.now(now, time.Time{})
		if got.Failing != want || (got.Error != "") != want || got.Type != "elasticsearch" {
			t.Errorf("%s: %+v, want failing %v", what, got, want)
		}
	}
	step("nothing yet", 0, 0, 0, false)
	step("the first connecting", 0, 5, time.Second, false)
	step("it delivers", 10, 0, time.Second, false)
	step("idle", 0, 0, time.Hour, false)
	step("a failure", 0, 1, time.Second, false)
	step("and nothing after it", 0, 0, failingFor, true)
	step("nor later", 0, 3, time.Hour, true)
	step("it delivers again", 1, 1, time.Second, false)
	step("idle again", 0, 0, time.Hour, false)
}
