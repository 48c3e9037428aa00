package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A program is a running one. The nil one never ends, and nothing is to be stopped of it.
type program struct {
	name   string
	log    string // file of what it logs
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // how it ended; to be read after exited is closed
}

// start starts a program that logs into a file of dir. It is ended by stop, and by the demo's own end however that comes.
func start(dir, path string, args ...string) (*program, error) {
	p := &program{name: filepath.Base(path), exited: make(chan struct{})}
	p.log = filepath.Join(dir, p.name+".log")
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.Command(path, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	// In a group of its own, so that a Ctrl-C comes to the demo alone, which ends the programs one after the other.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", path, err)
	}
	go func() { // ends with the process, which stop waits for
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// ended is closed when the program has ended.
func (p *program) ended() <-chan struct{} {
	if p == nil {
		return nil
	}
	return p.exited
}

// failure says that the program has ended by itself.
func (p *program) failure() error {
	if p.err != nil {
		return fmt.Errorf("%s has ended by itself (%w): see %s", p.name, p.err, typed(p.log))
	}
	return fmt.Errorf("%s has ended by itself: see %s", p.name, typed(p.log))
}

// stop asks the program to end, as systemd would, and waits until it has.
func (p *program) stop() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.exited:
		return nil // which failure has told
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails if it has just ended
	const longest = 30 * time.Second
	select {
	case <-p.exited:
	case <-time.After(longest):
		_ = p.cmd.Process.Kill()
		<-p.exited
		return fmt.Errorf("%s has not stopped within %v and was killed: see %s", p.name, longest, typed(p.log))
	}
	if state := p.cmd.ProcessState.Sys().(syscall.WaitStatus); p.err != nil && state.Signal() != syscall.SIGTERM { // which ends one that has hardly begun
		return fmt.Errorf("%s has not stopped well (%w): see %s", p.name, p.err, typed(p.log))
	}
	return nil
}
