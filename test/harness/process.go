package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// built are the programs of this repository that a test binary has built.
type built struct {
	sync.Mutex
	dir  string
	errs map[string]error
}

var programs built

// Program builds a program once per test binary, podbeat or logapi or curator, and returns its path.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := programs.build(name)
	if err != nil {
		t.Fatalf("cannot build %s: %v", name, err)
	}
	return path
}

func (b *built) build(name string) (string, error) {
	b.Lock()
	defer b.Unlock()
	if b.dir == "" {
		dir, err := os.MkdirTemp("", "podbeat-program-")
		if err != nil {
			return "", err
		}
		b.dir, b.errs = dir, map[string]error{}
	}
	path := filepath.Join(b.dir, name)
	err, done := b.errs[name]
	if !done {
		out, failed := exec.Command("go", "build", "-o", path, "github.com/podbeat/podbeat/cmd/"+name).CombinedOutput()
		if failed != nil {
			err = fmt.Errorf("%w: %s", failed, out)
		}
		b.errs[name] = err
	}
	return path, err
}

func (b *built) remove() { os.RemoveAll(b.dir) }

// process is what the programs under test have in common.
type process struct {
	t      testing.TB
	name   string
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended
}

// launch starts cmd, which ends with the test binary and writes all it says to log.
func (p *process) launch(cmd *exec.Cmd, log *os.File) {
	p.t.Helper()
	p.cmd = cmd
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		p.t.Fatalf("cannot start %s: %v", p.name, err)
	}
	exited := make(chan struct{})
	p.exited = exited
	go func() { // ends with the process, which remove waits for
		defer close(exited)
		cmd.Wait()
	}()
}

// Running says whether there is a process.
func (p *process) Running() bool {
	select {
	case <-p.Exited():
		return false
	default:
		return true
	}
}

// Exited is closed when the process has ended, and when there is none.
func (p *process) Exited() <-chan struct{} {
	if p.exited == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	return p.exited
}

// Peak is the most memory that the process has had so far, in MiB.
func (p *process) Peak() int {
	p.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	var kib int
	_, rest, _ := strings.Cut(string(status), "\nVmHWM:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		p.t.Fatalf("cannot tell how much memory %s has had: %v", p.name, err)
	}
	return kib / 1024
}

// Kill9 ends the process with SIGKILL, wherever it is.
func (p *process) Kill9() {
	p.t.Helper()
	p.end(syscall.SIGKILL)
}

// Signal sends the process a signal and does not wait for anything.
func (p *process) Signal(signal syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		p.t.Fatalf("cannot send %v to %s: %v", signal, p.name, err)
	}
}

// Term asks the process to stop and waits until it has, without an error.
func (p *process) Term() {
	p.t.Helper()
	p.end(syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		p.t.Fatalf("%s stopped with exit code %d", p.name, code)
	}
}

func (p *process) end(signal syscall.Signal) {
	p.t.Helper()
	if !p.Running() {
		p.t.Fatalf("%s has ended by itself: %v", p.name, p.cmd.ProcessState)
	}
	p.cmd.Process.Signal(signal)
	select {
	case <-p.exited:
	case <-time.After(patience):
		p.t.Fatalf("%s has not ended %v after %v", p.name, patience, signal)
	}
}
