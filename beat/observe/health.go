package observe

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/receipt"
)

// The states of a check.
const (
	ok      = "ok"
	warning = "warning" // told, and podbeat is ready all the same
	failing = "failing" // podbeat is not ready
)

// A Check is one thing that was looked at.
type Check struct {
	Check   string    `json:"check"`
	State   string    `json:"state"` // ok, warning or failing
	Since   time.Time `json:"since"` // it has been so
	Found   string    `json:"found"`
	Todo    string    `json:"todo,omitempty"`    // what to do about it
	Restart bool      `json:"restart,omitempty"` // it has failed for long, and a restart may mend it: /healthz fails
}

func (c *Check) level() int {
	switch c.State {
	case warning:
		return 1
	case failing:
		return 2
	}
	return 0
}

// every is how often health looks, standstill how old its last look may be before /healthz fails.
const (
	every      = time.Second
	standstill = time.Minute
)

// health knows for how long things have been as they are.
type health struct {
	stopping atomic.Bool

	mu      sync.Mutex
	opts    Options
	started time.Time // of the process
	looked  time.Time // last; zero: not yet
	checks  []Check
	stall   map[[2]string]progress // of inputs by type and id
	left    progress               // events that have left the output, while some wait
	tries   progress               // of the output, while events wait
	failed  int64                  // tries that have failed
	failing bool                   // some have since an event was delivered
	fails   time.Time              // when one was last seen to fail
	data    disk
}

// progress is a number that should grow, and since when it has not although it should.
type progress struct {
	n     int64
	since time.Time
}

// look notes that the number is n now. If there is no cause for it to grow, that is as good as growing.
func (p *progress) look(n int64, now time.Time, cause bool) {
	if n != p.n || !cause || p.since.IsZero() {
		p.n, p.since = n, now
	}
}

func (h *health) begin(now time.Time) {
	h.started = now
	h.stall = map[[2]string]progress{}
	h.checks = []Check{{Check: "start", State: failing, Since: now, Found: "podbeat is starting", Todo: "Wait. If it does not become ready, podbeat's log says why."}}
}

// run looks until done is closed.
func (h *health) run(p *Parts, done <-chan struct{}) {
	h.mu.Lock()
	h.opts = p.Options
	h.mu.Unlock()
	var all sync.WaitGroup
	probed := make(chan struct{})
	all.Go(func() { h.watchDisk(p, probed, done) })
	defer all.Wait()
	select { // so that the first look is a whole one
	case <-probed:
	case <-done:
	case <-time.After(every):
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		h.look(p, time.Now())
		select {
		case <-done:
			return
		case <-tick.C:
		}
	}
}

// look asks about everything, then decides.
func (h *health) look(p *Parts, now time.Time) {
	v := view{inputs: p.Inputs(), output: outputFigures(), disk: p.DiskQueue}
	v.left = left(p.Book.Receipt().Inputs, v.inputs)
	if p.Spills != nil {
		v.spills = p.Spills()
	}
	if p.Reload != nil {
		v.reload = p.Reload()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looked = now
	for _, c := range h.settle(now, h.judge(&v, now)) {
		if c.State == ok {
			p.Log.Infof("Health: %s is all right again: %s.", c.Check, c.Found)
		} else {
			p.Log.Warnf("Health: %s is %s: %s. %s", c.Check, c.State, c.Found, c.Todo)
		}
	}
}

// left names those of the accounts with events on disk that are of no input any more.
func left(accounts []receipt.Account, inputs []Input) (names []string) {
	for i := range accounts {
		a := &accounts[i]
		own := func(in Input) bool { return in.Type == a.Type && in.Account.ID == a.ID }
		if a.Spilled > 0 && !slices.ContainsFunc(inputs, own) {
			names = append(names, fmt.Sprintf("%s %s: %d events", a.Type, plain(a.ID), a.Spilled))
		}
	}
	return names
}

// settle takes the new checks, which say since when each has been so, and returns those whose state is another than before.
func (h *health) settle(now time.Time, checks []Check) (changed []Check) {
	for i := range checks {
		c := &checks[i]
		c.Since = now
		before := ok
		for _, old := range h.checks {
			if old.Check != c.Check {
				continue
			}
			before = old.State
			if old.State == c.State {
				c.Since = old.Since
			}
		}
		if before != c.State && c.Check != "start" {
			changed = append(changed, *c)
		}
	}
	h.checks = checks
	return changed
}

// Failures are the counters of an output that grow when its tries fail.
var Failures = []string{
	"libbeat.output.events.failed", "libbeat.output.write.errors", "libbeat.output.read.errors", "libbeat.pipeline.events.retry", "podbeat.output.retries_request",
}

// outputState are counters of the output.
type outputState struct{ left, tries, failed, active int64 }

func outputFigures() outputState {
	all := map[string]int64{}
	for _, root := range []string{"libbeat", "podbeat"} { // not those of the process and the machine, which are read from /proc
		if registry := monitoring.Default.GetRegistry(root); registry != nil {
			for name, n := range monitoring.CollectFlatSnapshot(registry, monitoring.Full, false).Ints {
				all[root+"."+name] = n
			}
		}
	}
	sum := func(names ...string) (n int64) {
		for _, name := range names {
			n += all[name]
		}
		return n
	}
	failed := sum(Failures...)
	return outputState{
		left:   sum("libbeat.output.events.acked", "libbeat.output.events.duplicates", "libbeat.output.events.dropped"),
		failed: failed,
		tries:  failed + sum("libbeat.output.events.batches", "libbeat.output.events.toomany", "podbeat.output.backoff_ms"),
		active: all["libbeat.output.events.active"],
	}
}

// now returns what /readyz and /healthz say.
func (h *health) now() (ready, healthy bool, checks []Check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	ready, healthy = true, true
	for _, c := range h.checks {
		ready = ready && c.State != failing
		healthy = healthy && !c.Restart
		checks = append(checks, c)
	}
	stopping := h.stopping.Load()
	if stopping {
		ready = false
		checks = append(checks, Check{Check: "stop", State: failing, Since: now, Found: "podbeat is stopping"})
	}
	if !stopping && !h.looked.IsZero() && now.Sub(h.looked) > standstill {
		ready, healthy = false, false
		checks = append(checks, Check{
			Check: "watch", State: failing, Since: h.looked, Restart: true, Found: "podbeat stands still: nothing has looked at its health since",
			Todo: "Restart it. Before, its goroutines tell the cause: send it SIGQUIT, and see its log.",
		})
	}
	return ready, healthy, checks
}

// stuck is how long events have waited without any being delivered.
func (h *health) stuck() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.looked.IsZero() {
		return 0
	}
	return h.looked.Sub(h.left.since)
}

func (h *health) disk() (free, size uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.data.free, h.data.size
}

// state is the body of /readyz and /healthz.
type state struct {
	Ready   bool    `json:"ready"`
	Healthy bool    `json:"healthy"`
	Checks  []Check `json:"checks"`
}

func (o *Observer) readyz(w http.ResponseWriter, _ *http.Request) {
	ready, healthy, checks := o.health.now()
	answer(w, status(ready), state{ready, healthy, checks})
}

func (o *Observer) healthz(w http.ResponseWriter, _ *http.Request) {
	ready, healthy, checks := o.health.now()
	answer(w, status(healthy), state{ready, healthy, checks})
}

func status(fine bool) int {
	if fine {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

// some names a few of many.
func some(names []string) string {
	const most = 5
	text := ""
	for i, name := range names {
		if i == most {
			return text + fmt.Sprintf(" and %d more", len(names)-most)
		}
		if i > 0 {
			text += "; "
		}
		text += name
	}
	return text
}
