package journal

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/monitoring"
)

// metrics count what one input has done since it was started. They add up: every entry read is
// filtered, joined into another's event, waiting for its message's last part, known from before, or published; every
// published event is acked or in flight. Field names are the ones in /stats, below podbeat.journal.<input>.
type metrics struct {
	read      *monitoring.Uint // entries the reader has handed out
	bytes     *monitoring.Uint // their fields' bytes
	filtered  *monitoring.Uint // entries left out by exclude_matches
	joined    *monitoring.Uint // entries that became a further part of another's event
	again     *monitoring.Uint // entries read again from behind a message that waited, which had come out before
	published *monitoring.Uint // events given to libbeat
	acked     *monitoring.Uint // events that have left for good: delivered, dead-lettered or dropped by a processor

	skippedCorrupt *monitoring.Uint // entries that could not be read
	skippedOther   *monitoring.Uint // entries without any field, or beyond a bound
	files          skippedFiles

	gaps        *monitoring.Uint // sequence numbers that were never seen: vacuumed before they were read, or unreadable
	gapsOrdinal *monitoring.Uint // CONTAINER_LOG_ORDINALs that were never seen
	suppressed  *monitoring.Uint // messages journald says it dropped by its rate limit
	missed      *monitoring.Uint // messages journald says it missed
	gapsKnown   *monitoring.Bool // false: "not available", a filter or missing rights hide entries

	cut       *monitoring.Uint // messages or fields cut at max_message_bytes
	binary    *monitoring.Uint // messages with bytes that are no UTF-8
	truncated *monitoring.Uint // joined messages sent before their last part, or in pieces
	reopened  *monitoring.Uint // times the journal was opened anew
	errors    *monitoring.Uint // errors of the reader that it survived

	unread atomic.Uint64 // realtime of the newest entry read while there are more, or it waits for the output, else 0: behind.seconds is its age

	registry *monitoring.Registry
}

// skippedFiles count journal files that were left out, whole or from some point on.
type skippedFiles struct {
	unreadable *monitoring.Uint // no right to open them
	corrupt    *monitoring.Uint // damaged beyond reading on
	now        *monitoring.Uint // that are left out now, but for corrupt ones
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
		inputs.registry = monitoring.Default.NewRegistry("podbeat.journal")
	}
	inputs.registry.Remove(id)
	r := inputs.registry.NewRegistry(id)
	n := func(name string) *monitoring.Uint { return monitoring.NewUint(r, name) }
	m := &metrics{
		read: n("read"), bytes: n("bytes"), filtered: n("filtered"), joined: n("joined"), again: n("again"),
		published: n("published"), acked: n("acked"),
		skippedCorrupt: n("skipped.corrupt"), skippedOther: n("skipped.other"),
		files: skippedFiles{unreadable: n("files.unreadable"), corrupt: n("files.corrupt"), now: n("now.files.unreadable")},
		gaps:  n("gaps.seqnum"), gapsOrdinal: n("gaps.ordinal"),
		suppressed: n("journald.suppressed"), missed: n("journald.missed"),
		gapsKnown: monitoring.NewBool(r, "gaps.available"),
		cut:       n("cut"), binary: n("binary"), truncated: n("truncated"),
		reopened: n("reopened"), errors: n("errors"),
		registry: r,
	}
	monitoring.NewFunc(r, "behind.seconds", m.behind)
	return m
}

// behind reports how old the newest entry read is, 0 when there are none behind it.
func (m *metrics) behind(_ monitoring.Mode, v monitoring.Visitor) {
	seconds := 0.0
	if t := m.unread.Load(); t != 0 {
		seconds = max(0, time.Since(time.UnixMicro(int64(t))).Seconds())
	}
	v.OnFloat(seconds)
}

func (m *metrics) close(id string) {
	inputs.Lock()
	defer inputs.Unlock()
	inputs.registry.Remove(id)
}
