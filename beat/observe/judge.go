package observe

import (
	"fmt"
	"strings"
	"time"

	"github.com/podbeat/podbeat/heartbeat"
)

// A view is what is seen at one moment.
type view struct {
	inputs []Input
	output outputState
	spills []Spill
	reload Reload
	left   []string // inputs that are not configured any more, with the events that their disk buffers still have
	disk   bool     // the queue is on disk
}

// judge says how everything is, in the order in which it is told. It is called with h.mu held.
func (h *health) judge(v *view, now time.Time) []Check {
	stuck := h.output(v, now)
	return []Check{
		h.start(v), stuck, h.inputs(v, now), rights(v), h.stalled(v, now, stuck.State == ok), h.disks(now), h.letters(), spills(v), reloaded(v),
	}
}

func good(check, found string) Check { return Check{Check: check, State: ok, Found: found} }

// start is whether every input that should run has been started.
func (h *health) start(v *view) Check {
	var waits []string
	for i := range v.inputs {
		if in := &v.inputs[i]; in.State == heartbeat.Running && !in.Begun {
			waits = append(waits, in.name())
		}
	}
	if len(waits) > 0 {
		return Check{Check: "start", State: failing, Found: "inputs are being started: " + some(waits), Todo: "Wait. If it does not become ready, podbeat's log says why."}
	}
	return good("start", fmt.Sprintf("%d inputs are configured", len(v.inputs)))
}

func (in *Input) name() string { return in.Type + " " + plain(in.Account.ID) }

// output is whether what waits is delivered. An output that tries and fails is not mended by a restart; one that does not
// even try may be.
func (h *health) output(v *view, now time.Time) Check {
	var pending int64
	for i := range v.inputs {
		pending += v.inputs[i].Account.Pending
	}
	// Of a queue on disk nobody knows what is in it: tries that fail show that something is, which are made again and again.
	fails := v.output.failed != h.failed
	h.failed = v.output.failed
	if fails {
		h.fails = now
	}
	waiting := pending > 0 || v.output.active > 0 || v.disk && (fails || h.failing && now.Sub(h.fails) < quiet)
	h.left.look(v.output.left, now, waiting)
	h.failing = waiting && (fails || h.failing) && h.left.since != now
	h.tries.look(v.output.tries, now, pending > 0 || v.output.active > 0)
	stuck, idle := now.Sub(h.left.since), now.Sub(h.tries.since)
	if stuck < h.opts.StuckAfter {
		switch {
		case h.failing:
			return good("output", fmt.Sprintf("tries have failed for %v; it is stuck after %v", stuck.Round(time.Second), h.opts.StuckAfter))
		case pending == 0:
			return good("output", "no event waits")
		}
		return good("output", fmt.Sprintf("%d events are on their way", pending))
	}
	c := Check{
		Check: "output", State: failing,
		Found: fmt.Sprintf("no event has been delivered for %v while %d wait", stuck.Round(time.Second), max(pending, v.output.active)),
		Todo:  "See what podbeat's log says of the output, and try `podbeat test output`. What is not delivered stays where it is read from as long as that keeps it.",
	}
	if h.opts.RestartAfter > 0 && idle >= max(h.opts.RestartAfter, h.opts.StuckAfter) {
		c.Restart = true
		c.Found += fmt.Sprintf(", and it has not even been tried for %v", idle.Round(time.Second))
		c.Todo = "Restart podbeat. Before, its goroutines tell the cause: send it SIGQUIT, and see its log."
	}
	return c
}

// quiet is how long an output may make no try although something waits: it backs off for a minute, and then connects.
const quiet = 5 * time.Minute

// inputs is whether every input runs that should. One that has failed is not begun again before podbeat is; one that is
// idle tries by itself.
func (h *health) inputs(v *view, now time.Time) Check {
	var failed []string
	var since time.Time
	for i := range v.inputs {
		if in := &v.inputs[i]; in.State == heartbeat.Failed {
			failed = append(failed, fmt.Sprintf("%s: %.300s", in.name(), plain(in.Error)))
			if since.IsZero() || in.Since.Before(since) {
				since = in.Since
			}
		}
	}
	var idle []string
	for i := range v.inputs {
		if in := &v.inputs[i]; in.Idle != "" && now.Sub(in.Since) >= settling {
			idle = append(idle, in.name()+": "+plain(in.Idle))
		}
	}
	switch {
	case len(failed) == 0 && len(idle) > 0:
		return Check{Check: "inputs", State: failing, Found: fmt.Sprintf("%d inputs do nothing: %s", len(idle), some(idle)), Todo: "Mend what podbeat's log says of them. They go on by themselves then."}
	case len(failed) == 0:
		return good("inputs", "every input that is switched on runs")
	}
	return Check{
		Check: "inputs", State: failing, Found: fmt.Sprintf("%d inputs have failed: %s", len(failed), some(failed)),
		Todo:    "Mend what the error says; `podbeat doctor` may know more. Then restart podbeat, or reload its configuration.",
		Restart: h.opts.RestartAfter > 0 && now.Sub(since) >= h.opts.RestartAfter,
	}
}

// settling is how long an input may take to begin its work.
const settling = 2 * time.Second

// rights is whether inputs may read what they should.
func rights(v *view) Check {
	var some_, all []string
	for i := range v.inputs {
		in := &v.inputs[i]
		if in.State != heartbeat.Running || in.Unreadable == 0 {
			continue
		}
		what := fmt.Sprintf("%s: %d %s cannot be read", in.name(), in.Unreadable, in.UnreadableWhat)
		if in.Reads {
			some_ = append(some_, what)
		} else {
			all = append(all, what)
		}
	}
	const todo = "See podbeat's log for their names, and let podbeat's user read them: for a journal, be a member of group systemd-journal; `podbeat doctor` checks it."
	switch {
	case len(all) > 0:
		return Check{Check: "rights", State: failing, Found: "nothing can be read by " + some(all), Todo: todo}
	case len(some_) > 0:
		return Check{Check: "rights", State: warning, Found: "not everything can be read by " + some(some_), Todo: todo}
	}
	return good("rights", "everything found can be read")
}

// stalled is whether inputs read on where there is something to read. They need not while the output does not deliver, or
// has not delivered what they read before.
func (h *health) stalled(v *view, now time.Time, delivers bool) Check {
	var names []string
	restart := false
	known := map[[2]string]progress{}
	for i := range v.inputs {
		in := &v.inputs[i]
		key := [2]string{in.Type, in.Account.ID}
		p := h.stall[key]
		waits := in.Account.Pending+in.Account.Buffered+in.Account.Spilled > 0
		p.look(in.Account.Read, now, delivers && in.Behind && !waits && in.State == heartbeat.Running)
		known[key] = p
		if stands := now.Sub(p.since); stands >= h.opts.StalledAfter {
			names = append(names, fmt.Sprintf("%s for %v", in.name(), stands.Round(time.Second)))
			restart = restart || h.opts.RestartAfter > 0 && stands >= max(h.opts.RestartAfter, h.opts.StalledAfter)
		}
	}
	h.stall = known
	if len(names) == 0 {
		return good("reading", "every input reads what there is, as far as the output takes it")
	}
	return Check{
		Check: "reading", State: failing, Restart: restart, Found: "inputs are behind and read nothing although the output delivers: " + some(names),
		Todo: "See podbeat's log. If it says what cannot be read and why, mend that: a restart meets it again. If not, restart podbeat; before, its goroutines tell the cause: send it SIGQUIT.",
	}
}

// spills is whether the disk buffers of delivery levels have room.
func spills(v *view) Check {
	var full, nearly []string
	for i := range v.spills {
		s := &v.spills[i]
		name := s.Type + " " + plain(s.ID)
		switch {
		case s.Blocked != "":
			full = append(full, fmt.Sprintf("%s: %.300s", name, plain(s.Blocked)))
		case s.Max > 0 && s.Bytes > s.Max/10*9:
			nearly = append(nearly, fmt.Sprintf("%s: %d of %d bytes", name, s.Bytes, s.Max))
		}
	}
	const todo = "Mend the output, so that the buffer can be emptied, or give it more room: queue.disk.max_size of the input, and space below path.data."
	switch {
	case len(full) > 0:
		return Check{Check: "spill", State: failing, Found: "a disk buffer takes no more, and its input waits: " + some(full), Todo: todo}
	case len(nearly) > 0:
		return Check{Check: "spill", State: warning, Found: "a disk buffer is nearly full: " + some(nearly), Todo: todo}
	case len(v.left) > 0:
		return Check{
			Check: "spill", State: warning, Found: "nothing sends what is in the disk buffers of inputs that are not configured any more: " + some(v.left),
			Todo: "Configure them again under the same type and id until they are sent.",
		}
	}
	return good("spill", "no disk buffer is full")
}

// reloaded is whether the configuration in force is the newest. It is no reason not to be ready: the old one works.
func reloaded(v *view) Check {
	var found []string
	if r := &v.reload; r.Reason != "" {
		found = append(found, fmt.Sprintf("the newest configuration was refused, the one before is in force: %.500s", plain(r.Reason)))
	}
	if files := v.reload.Files; len(files) > 0 {
		var names []string
		for _, file := range files {
			names = append(names, fmt.Sprintf("%.300s", plain(file)))
		}
		found = append(found, fmt.Sprintf("%d input files were refused, the inputs they held before go on: %s", len(files), some(names)))
	}
	if len(found) == 0 {
		return good("reload", "the newest configuration is in force")
	}
	return Check{Check: "reload", State: warning, Found: strings.Join(found, "; "), Todo: "Mend the configuration: it is read again."}
}
