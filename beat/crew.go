package beat

import (
	"sync"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"

	"github.com/podbeat/podbeat/beat/delivery"
)

// A crew is a list of inputs. Those of collectors that are switched off do not run.
type crew struct {
	*cfgfile.RunnerList
	states *states
	on     func(inputType string) bool

	mu      sync.Mutex
	stopped bool // none is started any more
}

// run has the inputs of a list run, and stops those that are not in it. It warns of what these leave on disk.
func (c *crew) run(list []*common.Config) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil
	}
	var all []*reload.ConfigWithMeta
	for _, cfg := range list {
		all = append(all, &reload.ConfigWithMeta{Config: cfg})
	}
	err := c.Reload(c.states.assign(all, c.on)) // returns once what is not in it has stopped
	delivery.Gone("", c.states.configured(), logp.NewLogger("podbeat"))
	return err
}

// Stop stops all inputs for good, whatever a reload that is under way has in mind.
func (c *crew) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	c.RunnerList.Stop()
}

// A section is one of the top level of the configuration. libbeat shows a beat only the one with its name, but
// shows them all to the maker of the processors, which it asks first.
type section struct {
	name   string
	config *common.Config // nil if the configuration has none
}

// processing is next, which looks at the configuration for the section first.
func (s *section) processing(next processing.SupportFactory) processing.SupportFactory {
	return func(info beat.Info, log *logp.Logger, all *common.Config) (processing.Supporter, error) {
		if all.HasField(s.name) {
			var err error
			if s.config, err = all.Child(s.name, -1); err != nil {
				return nil, err
			}
		}
		return next(info, log, all)
	}
}
