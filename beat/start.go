package beat

import (
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

// A start is the time from the first moment of a command that runs podbeat to the beater's Run. libbeat begins to hear signals at its
// end, and a signal before would kill the process.
type start struct {
	hup  chan os.Signal // SIGHUP; of many at once one is enough
	term chan os.Signal // SIGTERM and SIGINT
	over sync.Once
	stop func() // the beater; good once over is done
}

func newStart() *start {
	return &start{hup: make(chan os.Signal, 1), term: make(chan os.Signal, 1)}
}

// wrap has cmd begin with a start.
func (s *start) wrap(cmd *cobra.Command) {
	run := cmd.Run
	cmd.Run = func(cmd *cobra.Command, args []string) {
		s.begin()
		run(cmd, args)
	}
}

// begin has SIGTERM and SIGINT end the process in good order, as there is nothing to be finished before end, and keeps SIGHUP for
// the reload.
func (s *start) begin() {
	signal.Notify(s.term, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hup, syscall.SIGHUP)
	go s.hear() // ends with the process
}

// hear waits for SIGTERM or SIGINT. One that has come before libbeat heard any may be seen here after end: nobody else stops the beater then.
func (s *start) hear() {
	got := <-s.term
	s.over.Do(func() {
		fmt.Fprintf(os.Stderr, "podbeat was stopped before it began to read: %v\n", got)
		os.Exit(0)
	})
	s.stop()
}

// end is called by Run: SIGTERM and SIGINT stop the beater from now on. libbeat takes SIGHUP for a stop: it is to hear none.
func (s *start) end(stop func()) {
	s.over.Do(func() { s.stop = stop })
	signal.Ignore(syscall.SIGHUP)
	signal.Notify(s.hup, syscall.SIGHUP)
}
