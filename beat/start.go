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
	over sync.Once
}

func newStart() *start { return &start{hup: make(chan os.Signal, 1)} }

// wrap has cmd begin with a start.
func (s *start) wrap(cmd *cobra.Command) {
	run := cmd.Run
	cmd.Run = func(cmd *cobra.Command, args []string) {
		s.begin()
		run(cmd, args)
	}
}

// begin has SIGTERM and SIGINT end the process in good order, as there is nothing to be finished yet, and keeps SIGHUP for the reload.
func (s *start) begin() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hup, syscall.SIGHUP)
	go func() { // ends with the process
		got := <-stop
		s.over.Do(func() {
			fmt.Fprintf(os.Stderr, "podbeat was stopped before it began to read: %v\n", got)
			os.Exit(0)
		})
	}()
}

// end is called by Run, which libbeat tells of SIGTERM and SIGINT from now on. libbeat takes SIGHUP for a stop: it is to hear none.
func (s *start) end() {
	s.over.Do(func() {})
	signal.Ignore(syscall.SIGHUP)
	signal.Notify(s.hup, syscall.SIGHUP)
}
