package journal

import (
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
)

// Convert returns the events that the input which cfg describes makes of these entries of a journal, without Private. Those
// that it does not read are left out. It is for tests of configurations: no journal and no position is touched.
func (m *manager) Convert(cfg *common.Config, agent beat.Info, entries []Entry) ([]beat.Event, error) {
	made, err := m.Create(cfg)
	if err != nil {
		return nil, err
	}
	o := &made.(*input).opts
	const id = " convert" // no input's own
	metrics := newMetrics(id)
	defer metrics.close(id)
	o.Boot = "all" // they are of the current one
	included, err := matches(o, "")
	if err != nil {
		return nil, err
	}
	c := newConverter(o, metrics, agent.Beat)
	c.self = agent.Name
	j := newJoiner(o.Join, metrics, int(o.MaxMessageBytes), position{})
	var events []beat.Event
	add := func(messages []message) {
		for i := range messages {
			events = append(events, c.event(&messages[i]))
		}
	}
	for i := range entries {
		if e := &entries[i]; passes(included, e) && !excluded(e, exclusions(o)) {
			add(j.add(e, position{Cursor: e.Cursor}))
		}
	}
	add(j.expire(time.Now().Add(2 * o.Join.MaxAge))) // what waits for a part that does not come
	return events, nil
}

// passes says whether e passes f.
func passes(f filter, e *Entry) bool {
	for _, group := range f {
		if !slices.ContainsFunc(group, func(t term) bool { return holds(t, e) }) {
			return false
		}
	}
	return true
}

func holds(t term, e *Entry) bool {
	named := map[string]bool{} // a field: one of its matches holds
	for _, m := range t {
		name, value, _ := strings.Cut(m, "=")
		named[name] = named[name] || slices.ContainsFunc(e.Fields, func(f Field) bool { return f.Name == name && f.Value == value })
	}
	for _, ok := range named {
		if !ok {
			return false
		}
	}
	return true
}
