package follow

import (
	"cmp"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// Convert returns the events that the input which cfg describes makes of what a file at path holds, all of it, without Private.
// now is when it is read. It is for tests of configurations: no file and no position is touched, but what the input asks the
// directories of this node for, such as the names of pods.
func (m *manager) Convert(cfg *common.Config, agent beat.Info, path string, data []byte, now time.Time) ([]beat.Event, error) {
	in, err := m.make(cfg)
	if err != nil {
		return nil, err
	}
	node := cmp.Or(in.cfg.Host, agent.Name)
	p := &publisher{run: &run{cfg: in.cfg, node: node, index: k8sname.IndexName(agent.Beat, node)}}
	c := &content{src: in.cfg.Source(path, node), reader: in.cfg.NewReader(in.cfg.Format), rec: record{ID: "convert"}}
	p.begin(c, path, data, 0, now)
	var events []beat.Event
	c.reader.Read(data, 0, true, now, func(m *lines.Message) { events = append(events, p.event(m, nil)) })
	return events, nil
}
