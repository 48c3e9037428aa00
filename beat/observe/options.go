package observe

import (
	"fmt"
	"time"

	"github.com/podbeat/podbeat/option"
)

// Options are the section `podbeat.health`.
type Options struct {
	// How long events may wait without any being delivered before /readyz says that the output is stuck.
	StuckAfter time.Duration `config:"stuck_after" default:"2m"`
	// How long an input may be behind and read nothing, while the output delivers, before /readyz says that it is stalled.
	StalledAfter time.Duration `config:"stalled_after" default:"2m"`
	// How long something must be wrong that a restart may mend before /healthz says so, and Kubernetes restarts podbeat; 0: never.
	RestartAfter time.Duration `config:"restart_after" default:"5m"`
	// The least free space of the file system with path.data.
	DiskFreeMin option.Bytes `config:"disk_free_min" default:"64MiB"`
}

// Validate is called by option.Unpack.
func (o *Options) Validate() error {
	switch {
	case o.StuckAfter < time.Second:
		return fmt.Errorf("stuck_after is %v: want 1s or more", o.StuckAfter)
	case o.StalledAfter < time.Second:
		return fmt.Errorf("stalled_after is %v: want 1s or more", o.StalledAfter)
	case o.RestartAfter < 0:
		return fmt.Errorf("restart_after is %v: want 0, for never, or more", o.RestartAfter)
	case o.DiskFreeMin < 0:
		return fmt.Errorf("disk_free_min is %d: want 0 or more", o.DiskFreeMin)
	}
	return nil
}
