package beat

import (
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// A SIGTERM that has come before libbeat heard any, and is seen after Run has begun, stops the beater. A SIGHUP that came in that
// time, which libbeat takes for a stop, does not.
func TestSignalSeenLate(t *testing.T) {
	defer signal.Reset(syscall.SIGHUP)
	s := newStart()
	bt := &beater{global: global{start: s}, done: make(chan struct{})}
	bt.Stop() // libbeat has heard the SIGHUP
	s.term <- syscall.SIGTERM
	s.end(bt.end)
	bt.Stop()
	select {
	case <-bt.done:
		t.Error("a SIGHUP stops the beater")
	default:
	}
	go s.hear()
	select {
	case <-bt.done:
	case <-time.After(time.Minute):
		t.Error("the signal is forgotten")
	}
	bt.end() // once more is harmless
}
