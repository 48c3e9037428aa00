package elasticsearch

import (
	"hash/maphash"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// sources are the fields of which the first that an event has says whom it is from: events from one source keep their
// order, and so go the same lane. What has none of them is ordered by host.
var sources = []string{"kubernetes.pod.uid", "container.id", "log.file.path", "systemd.unit"}

var hosts = []string{"host.name", "agent.name"}

var seed = maphash.MakeSeed()

// sourceOf returns the same number for all events of one source.
func sourceOf(c *client, e *beat.Event) uint64 {
	if d := prepared.Of(e); d != nil {
		return c.kindOf(d).source
	}
	return sourceIn(e.Fields)
}

func sourceIn(fields common.MapStr) uint64 {
	for i, path := range sources {
		if s := k8sname.Text(fields, path); s != "" {
			h := maphash.String(seed, s)
			if i == len(sources)-1 { // units have the same names everywhere
				h += maphash.String(seed, hostOf(fields))
			}
			return h
		}
	}
	return maphash.String(seed, hostOf(fields))
}

func hostOf(fields common.MapStr) string {
	for _, path := range hosts {
		if s := k8sname.Text(fields, path); s != "" {
			return s
		}
	}
	return ""
}
