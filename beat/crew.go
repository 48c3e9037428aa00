package beat

import (
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/cfgfile"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/reload"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/publisher/processing"
)

// The crews.
const (
	crewOfConfig = "inputs"
	crewOfFiles  = "reload"
)

// A crew is a list of inputs. Those of collectors that are switched off do not run.
type crew struct {
	*cfgfile.RunnerList
	name     string
	states   *states // nil without a section control
	on       func(inputType string) bool
	switched chan struct{} // on may answer otherwise than before
}

// Reload has the inputs of a list run, and stops those that are not in it.
func (c *crew) Reload(list []*reload.ConfigWithMeta) error {
	if c.states != nil {
		list = c.states.assign(c.name, list, c.on)
	}
	return c.RunnerList.Reload(list)
}

// poke tells that on may answer otherwise than before.
func (c *crew) poke() {
	select {
	case c.switched <- struct{}{}:
	default: // it will ask anyway
	}
}

// run switches the inputs of a list that runs already, until done is closed.
func (c *crew) run(done <-chan struct{}, list []*reload.ConfigWithMeta, log *logp.Logger) {
	const wait = 10 * time.Second
	var again <-chan time.Time
	for {
		select {
		case <-done:
			return
		case <-c.switched:
		case <-again:
		}
		again = nil
		if err := c.Reload(list); err != nil {
			log.Errorf("Cannot start every input that is switched on, trying again in %v: %v", wait, err)
			again = time.After(wait)
		}
	}
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
