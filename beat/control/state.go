package control

import (
	"errors"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/token/secretfile"
)

// state is what logapi wants, as far as it is known.
type state struct {
	path string // of the file that keeps it

	mu     sync.Mutex
	wanted heartbeat.Wanted

	// Of Run alone.
	kept     heartbeat.Wanted // what the file has
	unkept   bool             // that it could not be written has been logged
	doubt    heartbeat.Wanted // an answer that is not newer than wanted, and another one …
	doubtful time.Time        // … and since when it has been given
}

// Open reads the wanted state that was in force when podbeat ran last.
func (c *Control) Open() {
	c.state.path = paths.Resolve(paths.Data, "control.json")
	text, err := secretfile.Read(c.state.path, heartbeat.MaxBody)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	var wanted heartbeat.Wanted
	if err == nil {
		wanted, err = heartbeat.ReadWanted(text)
	}
	if err != nil {
		c.log.Errorf("Cannot use the wanted state in %s, every collector runs until logapi says otherwise: %v", c.state.path, err)
		return
	}
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	c.state.wanted, c.state.kept = wanted, wanted
	for _, name := range heartbeat.Collectors {
		if !wanted.Enabled(name) {
			c.log.Warnf("Collector %s is switched off by version %d of the configuration at logapi, as it was before the start.", name, wanted.Version)
		}
	}
}

// On says whether inputs of a type are to run.
func (c *Control) On(inputType string) bool {
	collector := heartbeat.CollectorOf(inputType)
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return collector == "" || c.state.wanted.Enabled(collector)
}

// version is that of the wanted state in force.
func (c *Control) version() int64 {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	return c.state.wanted.Version
}

// every is how often heartbeats are sent.
func (c *Control) every() time.Duration {
	c.state.mu.Lock()
	defer c.state.mu.Unlock()
	if c.state.wanted.Every == 0 {
		return c.opts.Every
	}
	return min(max(c.state.wanted.Every, time.Second), maxEvery)
}

// doubtfulFor is how long an answer that is no newer than what is in force must be given before it is believed: one
// of several logapis may be behind for a moment, but a logapi that was set up anew counts from 1 again.
const doubtfulFor = time.Minute

// take puts an answer in force if it is to be, and says whether it has.
func (c *Control) take(answer heartbeat.Wanted) bool {
	s := &c.state
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case answer.Version == 0: // none is known
		return false
	case answer.Version > s.wanted.Version:
	case same(answer, s.wanted):
		s.wanted.Every = answer.Every
		s.doubt = heartbeat.Wanted{}
		return false
	case !same(answer, s.doubt):
		s.doubt, s.doubtful = answer, time.Now()
		c.log.Warnf("logapi answers with version %d of the configuration (%s) although version %d (%s) is in force: believed if it still does so in %v.",
			answer.Version, switches(answer), s.wanted.Version, switches(s.wanted), doubtfulFor)
		return false
	case time.Since(s.doubtful) < doubtfulFor:
		return false
	}
	before := s.wanted
	s.wanted, s.doubt = answer, heartbeat.Wanted{}
	for _, name := range heartbeat.Collectors {
		switch {
		case before.Enabled(name) && !answer.Enabled(name):
			c.log.Warnf("Collector %s is switched off by version %d of the configuration at logapi, %s: its inputs stop, and go on where they left off once it is switched on.",
				name, answer.Version, c.opts.URL)
		case !before.Enabled(name) && answer.Enabled(name):
			c.log.Infof("Collector %s is switched on by version %d of the configuration at logapi, %s.", name, answer.Version, c.opts.URL)
		}
	}
	return true
}

func same(a, b heartbeat.Wanted) bool {
	return a.Version == b.Version && maps.Equal(a.Collectors, b.Collectors)
}

// switches says what is on and off.
func switches(w heartbeat.Wanted) string {
	var list []string
	for _, name := range heartbeat.Collectors {
		if w.Enabled(name) {
			list = append(list, name+" on")
		} else {
			list = append(list, name+" off")
		}
	}
	return strings.Join(list, ", ")
}

// keep writes what is in force to disk, if that has changed.
func (c *Control) keep() {
	s := &c.state
	s.mu.Lock()
	wanted := s.wanted
	s.mu.Unlock()
	if same(wanted, s.kept) && wanted.Every == s.kept.Every {
		return
	}
	err := secretfile.Edit(s.path, heartbeat.MaxBody, func([]byte, bool) ([]byte, error) { return append(wanted.Append(nil), '\n'), nil })
	if err != nil {
		if !s.unkept {
			c.log.Errorf("Cannot write the wanted state to %s, a restart would not know it, trying again: %v", s.path, err)
		}
		s.unkept = true
		return
	}
	s.kept, s.unkept = wanted, false
}
