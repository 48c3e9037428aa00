package observe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/beat/receipt"
	"github.com/podbeat/podbeat/heartbeat"
)

// TestJudge is a day of a podbeat: each step says what is seen after a time, and which checks are not ok then.
func TestJudge(t *testing.T) {
	h := &health{opts: Options{StuckAfter: 2 * time.Minute, StalledAfter: time.Minute, RestartAfter: 5 * time.Minute, DiskFreeMin: 100}}
	now := time.Now()
	h.begin(now)
	in := Input{Type: "journal", ID: "node", State: heartbeat.Running, Account: receipt.Account{ID: "node"}, Since: now}
	v := view{inputs: []Input{in, {Type: "push", State: heartbeat.Off}}}
	h.data = disk{done: true, free: 1000}
	step := func(what string, wait time.Duration, change func(*view), want string) {
		t.Helper()
		n := &v.inputs[0]
		n.Since = now
		change(&v)
		for end := now.Add(wait); now.Before(end); { // health looks often, and nothing moves meanwhile
			now = now.Add(min(10*time.Second, end.Sub(now)))
			h.settle(now, h.judge(&v, now))
			h.looked = now
		}
		var got []string
		for _, c := range h.checks {
			if c.State != ok {
				got = append(got, strings.TrimSpace(c.Check+" "+c.State+map[bool]string{true: " restart"}[c.Restart]))
			}
			if (c.State == ok) != (c.Todo == "") || c.Found == "" {
				t.Errorf("%s: %+v", what, c)
			}
		}
		if text := strings.Join(got, ", "); text != want {
			t.Errorf("%s: got %q, want %q", what, text, want)
		}
	}
	none := func(*view) {}
	step("it starts", time.Second, none, "start failing")
	step("it has started", time.Second, func(v *view) { v.inputs[0].Begun = true }, "")
	step("it idles", 24*time.Hour, none, "")

	// The output.
	step("an event comes", time.Second, func(v *view) { v.inputs[0].Account.Pending = 1; v.output.tries++ }, "")
	step("it waits", 110*time.Second, none, "")
	step("for long", 10*time.Second, func(v *view) { v.output.tries++; v.output.failed++ }, "output failing")
	step("it is tried again and again", 4*time.Minute, func(v *view) { v.output.tries++; v.output.failed++ }, "output failing")
	step("nobody tries any more", 5*time.Minute, none, "output failing restart")
	step("it is delivered", time.Second, func(v *view) { v.inputs[0].Account.Pending = 0; v.output.left++ }, "")
	step("it idles again", time.Hour, none, "")
	step("a try has failed after the last event", time.Second, func(v *view) { v.output.failed++; v.output.tries++ }, "")
	step("nothing waits", time.Hour, none, "")
	step("a queue on disk: tries fail", time.Second, func(v *view) { v.disk = true; v.output.failed++; v.output.tries++ }, "")
	step("and nothing is delivered", 2*time.Minute, none, "output failing")
	step("delivered", time.Second, func(v *view) { v.output.left++ }, "")
	step("and nothing more comes", time.Hour, none, "")
	step("the last try has failed", 4*time.Minute, func(v *view) { v.output.failed++; v.output.tries++ }, "output failing")
	step("there is no other: nothing was left to try", 2*time.Minute, func(v *view) {}, "")
	step("events come and go", 10*time.Minute, func(v *view) { v.inputs[0].Account.Pending = 7 }, "output failing restart")
	step("slowly", time.Second, func(v *view) { v.output.left++; v.inputs[0].Account.Pending = 0 }, "")

	// The inputs.
	step("it is behind", 50*time.Second, func(v *view) { v.inputs[0].Behind = true }, "")
	step("it reads", 50*time.Second, func(v *view) { v.inputs[0].Account.Read++ }, "")
	step("it reads no more", time.Minute, none, "reading failing")
	step("for long", 5*time.Minute, none, "reading failing restart")
	step("while the output is stuck it need not", 3*time.Minute, func(v *view) { v.inputs[0].Account.Pending = 7; v.output.tries++ }, "output failing")
	step("all is well", time.Second, func(v *view) {
		v.inputs[0].Account.Pending, v.inputs[0].Behind = 0, false
		v.output.left++
	}, "")
	step("it fails", time.Second, func(v *view) { v.inputs[0].State, v.inputs[0].Error = heartbeat.Failed, "no\x1brights" }, "inputs failing")
	step("it is on again", time.Second, func(v *view) { v.inputs[0].State = heartbeat.Running }, "")
	step("it fails", 5*time.Minute, func(v *view) { v.inputs[0].State = heartbeat.Failed }, "inputs failing restart")
	step("it is off", time.Second, func(v *view) { v.inputs[0].State = heartbeat.Off }, "")
	step("some files are not for it", time.Hour, func(v *view) {
		v.inputs[0].State, v.inputs[0].Unreadable, v.inputs[0].Reads = heartbeat.Running, 3, true
	}, "rights warning")
	step("none is", time.Hour, func(v *view) { v.inputs[0].Reads = false }, "rights failing")
	step("it may read", time.Second, func(v *view) { v.inputs[0].Unreadable = 0 }, "")

	// The rest.
	step("the disk is full", time.Hour, func(*view) { h.data.free = 99 }, "disk failing")
	step("or read-only", time.Hour, func(*view) { h.data = disk{done: true, free: 1000, err: errors.New("read-only")} }, "disk failing")
	step("or hangs", time.Minute, func(*view) { h.data = disk{done: true, free: 1000, asked: now} }, "disk failing")
	step("dead letters", time.Hour, func(*view) { h.data = disk{done: true, free: 1000, letters: []error{errors.New("no")}} }, "dead-letter failing")
	step("a buffer", time.Hour, func(v *view) {
		h.data = disk{done: true, free: 1000}
		v.spills = []Spill{{Bytes: 91, Max: 100}, {Bytes: 10, Max: 100}}
	}, "spill warning")
	step("is full", time.Hour, func(v *view) { v.spills[1].Blocked = "max_size" }, "spill failing")
	step("one that nothing empties", time.Hour, func(v *view) { v.spills, v.left = nil, []string{"push a: 7 events"} }, "spill warning")
	v.left = nil
	step("a reload", time.Hour, func(v *view) { v.spills, v.reload = nil, Reload{Refused: now, Reason: "no"} }, "reload warning")
	step("input files", time.Hour, func(v *view) { v.reload = Reload{Refused: now, Files: []string{"a.yml: no", "b\x1b.yml: no"}} }, "reload warning")
	if found := h.checks[len(h.checks)-1].Found; found != "2 input files were refused, the inputs they held before go on: a.yml: no; b?.yml: no" {
		t.Error(found)
	}
	step("all is well", time.Hour, func(v *view) { v.reload = Reload{Applied: now} }, "")
	step("the registry is gone", time.Hour, func(*view) { h.data = disk{done: true, free: 1000, registry: errors.New("gone")} }, "disk failing")
	step("all is well", time.Hour, func(*view) { h.data = disk{done: true, free: 1000} }, "")
	h.opts.RestartAfter = 0
	step("no restarts are wanted", 24*time.Hour, func(v *view) { v.inputs[0].State = heartbeat.Failed }, "inputs failing")
}

// The registry is the folder that was there first, with what libbeat keeps in it.
func TestRegistry(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "podbeat")
	meta := filepath.Join(folder, "meta.json")
	var r registry
	f := func(what string, ok bool, errs ...error) {
		t.Helper()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if err := r.at(folder); (err == nil) != ok {
			t.Errorf("%s: %v", what, err)
		}
	}
	f("not there yet", true)
	f("not opened yet", true, os.Mkdir(folder, 0o700))
	f("opened", true, os.WriteFile(meta, nil, 0o600))
	f("gone", false, os.RemoveAll(folder))
	f("another one", false, os.Mkdir(folder, 0o700), os.WriteFile(meta, nil, 0o600))
	r = registry{}
	f("opened", true)
	f("emptied", false, os.Remove(meta))
	r, folder = registry{}, ""
	f("podbeat has none", true)
}

func TestLeft(t *testing.T) {
	account := func(id string, spilled int64) receipt.Account {
		return receipt.Account{Type: "push", ID: id, Spilled: spilled}
	}
	f := func(a receipt.Account, want string) {
		t.Helper()
		if got := strings.Join(left([]receipt.Account{a}, []Input{{Type: "push", Account: account("a", 0)}, {Type: "journal", Account: account("b", 0)}}), ", "); got != want {
			t.Errorf("%+v: got %q, want %q", a, got, want)
		}
	}
	f(account("a", 7), "")
	f(account("b", 0), "")
	f(account("b\x1b", 7), "push b?: 7 events")
	f(account("b", 7), "push b: 7 events")
}

// A check remembers since when it is as it is.
func TestSince(t *testing.T) {
	h := &health{}
	start := time.Now()
	f := func(minute int, state, want string) {
		t.Helper()
		now := start.Add(time.Duration(minute) * time.Minute)
		changed := h.settle(now, []Check{{Check: "output", State: state}})
		if got := fmt.Sprint(h.checks[0].Since.Sub(start), len(changed)); got != want {
			t.Errorf("minute %d: got %s, want %s", minute, got, want)
		}
	}
	f(0, ok, "0s 0")
	f(1, ok, "0s 0")
	f(2, failing, "2m0s 1")
	f(3, failing, "2m0s 0")
	f(4, warning, "4m0s 1")
	f(5, ok, "5m0s 1")
}

// Nobody looks: what was found last is not the truth any more.
func TestStandstill(t *testing.T) {
	h := &health{looked: time.Now().Add(-2 * standstill), checks: []Check{good("output", "x")}}
	if ready, healthy, checks := h.now(); ready || healthy || checks[len(checks)-1].Check != "watch" {
		t.Errorf("%v %v %+v", ready, healthy, checks)
	}
	h.looked = time.Now()
	if ready, healthy, _ := h.now(); !ready || !healthy {
		t.Error("it is not ready although somebody looks")
	}
}

func TestOptions(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		err := o.Validate()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", o, err, want)
		}
	}
	f(Options{StuckAfter: time.Second, StalledAfter: time.Second}, "")
	f(Options{StalledAfter: time.Second}, "stuck_after")
	f(Options{StuckAfter: time.Second}, "stalled_after")
	f(Options{StuckAfter: time.Second, StalledAfter: time.Second, RestartAfter: -1}, "restart_after")
	f(Options{StuckAfter: time.Second, StalledAfter: time.Second, DiskFreeMin: -1}, "disk_free_min")
}
