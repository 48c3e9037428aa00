package beat

import (
	"sync"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/publisher/pipetool"

	"github.com/podbeat/podbeat/beat/delivery"
	"github.com/podbeat/podbeat/beat/observe"
	"github.com/podbeat/podbeat/beat/receipt"
)

// run runs an input on its way to libbeat: what it reads is counted, held as its delivery level says, and counted again
// when libbeat gets it.
func (in watchedInput) run(ctx v2.Context, pipeline beat.PipelineConnector) error {
	account := in.unit.account
	level, end, err := delivery.Wrap(in.config, account.Inner(patient{pipeline}), delivery.Env{ID: in.unit.id, Log: ctx.Logger, Failing: in.states.flow.failing})
	if err != nil {
		return err
	}
	defer end()
	level = pipetool.WithClientConfigEdit(level, func(c beat.ClientConfig) (beat.ClientConfig, error) {
		c.WaitClose = in.states.waitClose
		return c, nil
	})
	return in.Input.Run(ctx, account.Outer(level))
}

// held is what an input's delivery level has, for its receipt.
func held(typ, id string) receipt.Held {
	f, _ := delivery.Of(typ, id)
	return receipt.Held{Buffered: f.Buffered, Spilled: f.Spilled, Handing: f.Handing, Resumed: f.Resumed, Dropped: f.Dropped, Returned: f.Returned, Kept: f.Kept}
}

// spills are the disk buffers of the inputs that have one, for health and metrics.
func (s *states) spills() (all []observe.Spill) {
	for _, u := range s.list() {
		if f, ok := delivery.Of(u.typ, u.id); ok && f.MaxSize > 0 {
			all = append(all, observe.Spill{Type: u.typ, ID: u.id, Bytes: f.SpilledBytes, Max: f.MaxSize, Blocked: f.Refused})
		}
	}
	return all
}

// configured names the inputs.
func (s *states) configured() (all []delivery.Input) {
	for _, u := range s.list() {
		all = append(all, delivery.Input{Type: u.typ, ID: u.id})
	}
	return all
}

// A flow is whether the output delivers.
type flow struct {
	mu    sync.Mutex
	acked int64     // as it was when looked at last
	since time.Time // when the output was last seen to deliver, or to have nothing to deliver
}

// failing says whether events wait and none has left for as long as failingFor. It is to be asked often.
func (f *flow) failing() bool {
	acked, waiting, now := counter("libbeat.output.events.acked"), counter("libbeat.pipeline.events.active"), time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	if acked != f.acked || waiting == 0 || f.since.IsZero() {
		f.acked, f.since = acked, now
	}
	return now.Sub(f.since) >= failingFor
}
