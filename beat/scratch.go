package beat

import (
	"fmt"
	"os"

	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/spf13/cobra"
)

// A scratch queue stands in for the disk queue while a command only looks: libbeat opens the queue for
// `test config` and `setup` too, and what has been accepted and waits there would go to the output of
// the configuration that is being tested.
type scratchQueue struct{ dir string }

// override puts the disk queue into the scratch directory, if a command has made one.
func (s *scratchQueue) override() cfgfile.ConditionalOverride {
	o := cfgfile.ConditionalOverride{Config: common.NewConfig()}
	o.Check = func(c *common.Config) bool {
		if s.dir == "" || !has(c, "queue.disk") {
			return false
		}
		return o.Config.SetString("queue.disk.path", -1, s.dir) == nil
	}
	return o
}

// wrap has cmd run with a scratch queue. Commands that fail exit at once, so it is removed only after a success.
func (s *scratchQueue) wrap(cmd *cobra.Command) {
	run := cmd.Run
	cmd.Run = func(cmd *cobra.Command, args []string) {
		var err error
		if s.dir, err = os.MkdirTemp("", "podbeat-queue-"); err != nil {
			fmt.Fprintf(os.Stderr, "Error: cannot make a directory in place of the disk queue's: %v\n", err)
			os.Exit(1)
		}
		defer os.RemoveAll(s.dir)
		run(cmd, args)
	}
}
