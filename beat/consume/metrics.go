package consume

import (
	"strconv"
	"strings"
	"sync"

	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// metrics count what one input has done since it was started. They add up: every message read is one or several events, a dead
// letter or skipped; every event published is filtered, acked or in flight. Field names are the ones in /stats, below podbeat.kafka.<input>.
type metrics struct {
	read       *monitoring.Uint // messages
	bytes      *monitoring.Uint // of their values
	published  *monitoring.Uint // events given to libbeat
	acked      *monitoring.Uint // events that have left for good
	filtered   *monitoring.Uint // events that a processor has dropped
	deadLetter *monitoring.Uint // messages that are no events
	tombstones *monitoring.Uint // messages without a value
	empty      *monitoring.Uint // messages with an empty list of events
	late       *monitoring.Uint // events acknowledged when their partition was somebody else's already; they are read again there

	replacedTime *monitoring.Uint // events whose @timestamp was wrong
	replacedID   *monitoring.Uint // events whose _id was wrong

	committed  *monitoring.Uint // messages that will not be read again
	lost       *monitoring.Uint // messages that Kafka deleted before they were read
	rebalances *monitoring.Uint // times that the group has shared its partitions anew
	pauses     *monitoring.Uint // times that a partition paused
	errors     *monitoring.Uint // errors that the input survived

	registry *monitoring.Registry
	name     string
}

var inputs struct {
	sync.Mutex
	registry *monitoring.Registry
}

// newMetrics registers the metrics of input id. Its owner calls close.
func newMetrics(id string) *metrics {
	inputs.Lock()
	defer inputs.Unlock()
	if inputs.registry == nil {
		inputs.registry = monitoring.Default.NewRegistry("podbeat.kafka")
	}
	name := metricName(id)
	for inputs.registry.Get(name) != nil { // another input's
		name += "_"
	}
	r := inputs.registry.NewRegistry(name)
	n := func(name string) *monitoring.Uint { return monitoring.NewUint(r, name) }
	return &metrics{
		read: n("read"), bytes: n("bytes"), published: n("published"), acked: n("acked"), filtered: n("filtered"),
		deadLetter: n("dead_letter"), tombstones: n("skipped.tombstone"), empty: n("skipped.empty"), late: n("late"),
		replacedTime: n("replaced.timestamp"), replacedID: n("replaced.id"),
		committed: n("committed"), lost: n("gaps.deleted"), rebalances: n("rebalances"), pauses: n("pauses"), errors: n("errors"),
		registry: r, name: name,
	}
}

// metricName is s without dots, which would make levels of their own.
func metricName(s string) string { return strings.ReplaceAll(s, ".", "_") }

// maxPartitions is how many partitions have a figure of their own.
const maxPartitions = 200

// watch adds what the group has at present.
func (m *metrics) watch(g *group) {
	gauge := func(name string, of func(*figures) int64) {
		monitoring.NewFunc(m.registry, name, func(_ monitoring.Mode, v monitoring.Visitor) {
			f := g.figures()
			v.OnInt(of(&f))
		})
	}
	gauge("partitions", func(f *figures) int64 { return int64(f.partitions) })
	gauge("paused", func(f *figures) int64 { return int64(f.paused) })
	gauge("waiting", func(f *figures) int64 { return int64(f.waiting) })
	gauge("stalled", func(f *figures) int64 { return int64(f.stalled) })
	gauge("in_flight.events", func(f *figures) int64 { return int64(f.events) })
	gauge("in_flight.bytes", func(f *figures) int64 { return int64(f.bytes) })
	gauge("lag", func(f *figures) int64 { return f.lag })
	monitoring.NewFunc(m.registry, "behind.seconds", func(_ monitoring.Mode, v monitoring.Visitor) { v.OnFloat(g.figures().behind) })
	monitoring.NewFunc(m.registry, "idle", func(_ monitoring.Mode, v monitoring.Visitor) { v.OnString(g.figures().idle) })
	monitoring.NewFunc(m.registry, "partition_lag", func(_ monitoring.Mode, v monitoring.Visitor) {
		v.OnRegistryStart()
		defer v.OnRegistryFinished()
		for i, p := range g.lags() {
			if i == maxPartitions {
				break
			}
			v.OnKey(metricName(p.topic) + "-" + strconv.Itoa(int(p.number)))
			v.OnInt(p.lag)
		}
	})
}

func (m *metrics) close() {
	inputs.Lock()
	defer inputs.Unlock()
	inputs.registry.Remove(m.name)
}
