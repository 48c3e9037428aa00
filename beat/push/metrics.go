package push

import (
	"strconv"
	"strings"
	"sync"

	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// metrics count what one input has done since it was started. They add up: every request is answered by one status; every entry
// received is acked, filtered, failed or in flight. Field names are the ones in /stats, below podbeat.push.<input>.
type metrics struct {
	answers   map[int]*monitoring.Uint    // requests by status
	refused   map[string]*monitoring.Uint // requests that were not taken, by reason
	bytes     *monitoring.Uint            // of bodies, inflated
	repeated  *monitoring.Uint            // requests that an Idempotency-Key tells to be repeated
	abandoned *monitoring.Uint            // requests whose client was gone before the answer
	received  *monitoring.Uint            // entries of requests that were not refused
	acked     *monitoring.Uint            // entries delivered
	filtered  *monitoring.Uint            // entries that a processor has dropped
	failed    *monitoring.Uint            // entries that were not taken after all: podbeat was stopping, or its queue refused one
	conns     *monitoring.Uint            // open connections
	listening *monitoring.Bool            // false while the address or the keys are not to be had

	registry *monitoring.Registry
	name     string
}

// statuses are all that the handler answers.
var statuses = []int{200, 202, 400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 503}

// reasons are the values of refusal.reason.
var reasons = []string{"token", "forbidden", "path", "method", "type", "size", "slow", "syntax", "entry", "key", "full", "output", "stopping"}

var inputs struct {
	sync.Mutex
	registry *monitoring.Registry
}

// newMetrics registers the metrics of input id. Its owner calls close.
func newMetrics(id string) *metrics {
	inputs.Lock()
	defer inputs.Unlock()
	if inputs.registry == nil {
		inputs.registry = monitoring.Default.NewRegistry("podbeat.push")
	}
	name := strings.ReplaceAll(id, ".", "_") // a dot would make a level of its own
	for inputs.registry.Get(name) != nil {   // another input's
		name += "_"
	}
	r := inputs.registry.NewRegistry(name)
	n := func(name string) *monitoring.Uint { return monitoring.NewUint(r, name) }
	m := &metrics{
		answers: map[int]*monitoring.Uint{}, refused: map[string]*monitoring.Uint{},
		bytes: n("bytes"), repeated: n("requests.repeated"), abandoned: n("requests.abandoned"),
		received: n("entries.received"), acked: n("entries.acked"), filtered: n("entries.filtered"), failed: n("entries.failed"),
		conns: n("connections"), listening: monitoring.NewBool(r, "listening"), registry: r, name: name,
	}
	for _, s := range statuses {
		m.answers[s] = n("requests." + strconv.Itoa(s))
	}
	for _, why := range reasons {
		m.refused[why] = n("requests.refused." + why)
	}
	return m
}

// watch adds what p has in flight.
func (m *metrics) watch(p *publisher) {
	for name, b := range map[string]*budget{"in_flight.entries": &p.room.entries, "in_flight.bytes": &p.room.bytes} {
		monitoring.NewFunc(m.registry, name, func(_ monitoring.Mode, v monitoring.Visitor) { v.OnInt(b.used.Load()) })
	}
}

func (m *metrics) close() {
	inputs.Lock()
	defer inputs.Unlock()
	inputs.registry.Remove(m.name)
}
