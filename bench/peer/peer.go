// Package peer runs one log shipper against a sink and says what it cost: CPU, memory, documents a second.
//
// What is measured is the whole process tree, by /proc, until the last document is in the sink: CPU
// seconds are the robust figure on a machine that does other things too, and Result says how much that was.
package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/bench/sink"
)

// A Run is one shipper with one job.
type Run struct {
	Label   string
	Command []string
	Env     []string      // beside this process's
	Dir     string        // working directory; empty is this process's
	Log     string        // file for its stdout and stderr; empty throws them away
	Sink    string        // base URL of the sink, which the run resets
	Docs    int64         // documents with different tokens to wait for
	Untold  int64         // documents without a token to wait for
	Timeout time.Duration // for the whole run
	Stall   time.Duration // give up when nothing has come for so long; also before the first document
}

// A Result is what a run came to. Seconds count from the start of the process.
type Result struct {
	Label         string
	Note          string  `json:",omitempty"` // why it is not a clean run
	Wanted        int64   // documents with different tokens that the run waited for
	Lost          int     // tokens that were to arrive and did not
	FirstSeconds  float64 // until the first bulk request
	Seconds       float64 // until the last document was stored
	DocsPerSecond float64 // over Seconds
	UserSeconds   float64 // CPU of the process tree
	SystemSeconds float64
	PeakMiB       float64 // sum over the tree of each process's peak resident set, mapped files and all
	PeakAnonMiB   float64 // highest sum seen of what is not mapped from files: heap and stacks
	OtherSeconds  float64 // CPU the machine spent on neither the tree nor the sink
	StealSeconds  float64 // CPU the machine was denied by its host
	CalibrationMs float64 // a fixed piece of work, before and after: how fast the machine was
	Sink          sink.Stats
}

// CPUSeconds are user and system time.
func (r Result) CPUSeconds() float64 { return r.UserSeconds + r.SystemSeconds }

// The pace at which the sink is asked, and the tree's memory is looked at.
const (
	pollEvery   = 100 * time.Millisecond
	sampleEvery = 4 // polls
	stopWithin  = 20 * time.Second
)

// Start runs the shipper and ends it when the sink has all documents. A shipper that stalls, or
// ends by itself before that, gives a Result with a Note; an error means that nothing was measured.
func (r Run) Start(ctx context.Context) (res Result, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	res.Label, res.Wanted = r.Label, r.Docs
	res.CalibrationMs = calibrate() / 2
	if err := r.ask(ctx, http.MethodPost, "/_sink/reset", nil); err != nil {
		return res, err
	}
	cmd := exec.Command(r.Command[0], r.Command[1:]...)
	cmd.Dir = r.Dir
	cmd.Env = append(os.Environ(), r.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if r.Log != "" {
		f, err := os.Create(r.Log)
		if err != nil {
			return res, err
		}
		defer f.Close()
		cmd.Stdout, cmd.Stderr = f, f
	}
	busy, steal := machineCPU()
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return res, fmt.Errorf("cannot start %s: %w", r.Label, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	exited := r.watch(ctx, cmd.Process.Pid, ended, &res)
	busyNow, stealNow := machineCPU()
	if exited {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it has left behind
		if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			res.UserSeconds, res.SystemSeconds = float64(u.Utime.Nano())/1e9, float64(u.Stime.Nano())/1e9
			res.PeakMiB = float64(u.Maxrss) / 1024
		}
	} else {
		r.sample(cmd.Process.Pid, &res)
		stop(cmd.Process.Pid, ended)
	}
	// Asked once more: what was sent twice may have come after what was waited for.
	if err := r.ask(context.WithoutCancel(ctx), http.MethodGet, "/_sink/stats", &res.Sink); err != nil {
		return res, err
	}
	res.finish(start, busyNow-busy, stealNow-steal)
	return res, nil
}

// watch waits for the last document, or for a reason to wait no longer; it says whether the shipper has ended.
func (r Run) watch(ctx context.Context, pid int, ended <-chan error, res *Result) (exited bool) {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	last, change := int64(0), time.Now()
	for i := 1; ; i++ {
		select {
		case err := <-ended:
			res.Note = fmt.Sprintf("ended by itself: %v", err)
			return true
		case <-ctx.Done():
			res.Note = "ran out of time"
			return false
		case <-poll.C:
		}
		if i%sampleEvery == 0 {
			r.sample(pid, res)
		}
		var st sink.Stats
		if err := r.ask(ctx, http.MethodGet, "/_sink/stats", &st); err != nil {
			continue // the sink is busy, or ctx is done
		}
		if st.UniqueSeqs >= r.Docs && st.WithoutSq >= r.Untold {
			return false
		}
		if st.Docs != last {
			last, change = st.Docs, time.Now()
		}
		if time.Since(change) > r.Stall {
			res.Note = fmt.Sprintf("stalled at %d documents", st.UniqueSeqs)
			return false
		}
	}
}

func (r Run) sample(pid int, res *Result) {
	u := treeUsage(pid)
	res.UserSeconds = max(res.UserSeconds, u.user)
	res.SystemSeconds = max(res.SystemSeconds, u.system)
	res.PeakMiB = max(res.PeakMiB, u.peakMiB)
	res.PeakAnonMiB = max(res.PeakAnonMiB, u.anonMiB)
}

// stop ends the process group that Start has made: gently, and what is left of it then at once.
func stop(group int, ended <-chan error) {
	syscall.Kill(-group, syscall.SIGTERM)
	select {
	case <-ended:
		syscall.Kill(-group, syscall.SIGKILL)
	case <-time.After(stopWithin):
		syscall.Kill(-group, syscall.SIGKILL)
		<-ended
	}
}

func (res *Result) finish(start time.Time, busy, steal float64) {
	st := res.Sink
	if st.Docs > 0 {
		res.FirstSeconds = time.Unix(0, st.FirstNs).Sub(start).Seconds()
		res.Seconds = time.Unix(0, st.LastNs).Sub(start).Seconds()
		res.DocsPerSecond = float64(st.Docs) / res.Seconds
	}
	res.OtherSeconds = busy - res.CPUSeconds() - st.CPUSeconds
	res.StealSeconds = steal
	res.CalibrationMs += calibrate() / 2
}

func (r Run) ask(ctx context.Context, method, path string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, r.Sink+path, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("cannot ask the sink: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot ask the sink: %s%s answered %s", r.Sink, path, resp.Status)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return errors.Join(errors.New("cannot read the sink's answer"), err)
	}
	return nil
}
