package beat

import (
	"slices"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"

	"github.com/podbeat/podbeat/option"
)

// topLevel are the names at the top level of the configuration: podbeat's sections, and what libbeat 7.17 asks for there.
var topLevel = []string{
	Name, "control",
	"name", "tags", "fields", "fields_under_root", "processors", "timeseries", // of events
	"queue", "output", "cloud", "setup", "migration",
	"path", "keystore", "management", "system", // system.hostfs
	"logging", "http", "monitoring", "xpack", "instrumentation", // xpack.monitoring
	"max_procs", "gc_percent", "seccomp",
}

// checkTopLevel refuses a name that nobody asks for: what is below it would have no effect, and nobody would know.
func checkTopLevel(root *common.Config) error {
	for _, name := range root.GetFields() {
		if !slices.Contains(topLevel, name) {
			return option.Unknown("option", "", name, topLevel)
		}
	}
	return nil
}

// checkedTopLevel is next, which gets no configuration with an unknown name at the top level.
func checkedTopLevel(next processing.SupportFactory) processing.SupportFactory {
	return func(info beat.Info, log *logp.Logger, root *common.Config) (processing.Supporter, error) {
		if err := checkTopLevel(root); err != nil {
			return nil, err
		}
		return next(info, log, root)
	}
}
