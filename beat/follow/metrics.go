package follow

import (
	"cmp"
	"slices"
	"sync"

	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/lines"
)

// metrics count what one input has done since it was started. Field names are the ones in /stats,
// below podbeat.<type>.<input>.
type metrics struct {
	found    *monitoring.Uint // files
	ignored  *monitoring.Uint // files too old to be read
	inactive *monitoring.Uint // files closed because they had not grown for close_inactive …
	limit    *monitoring.Uint // … because there were more than max_open_files
	deleted  *monitoring.Uint // … because they were deleted, and read
	read     *monitoring.Uint // … because they are compressed, and read

	bytes     *monitoring.Uint // taken as lines
	messages  *monitoring.Uint // in them, those that an earlier run had delivered too
	published *monitoring.Uint // events given to libbeat
	acked     *monitoring.Uint // events that have left for good: delivered, dead-lettered or dropped by a processor
	truncated *monitoring.Uint // times a file was truncated
	errors    *monitoring.Uint // errors survived

	cut, binary, unparsed, excluded, empty, json, conflicts, times *monitoring.Uint // messages, see lines.Counters

	abandoned *monitoring.Uint            // bytes given up
	reasons   map[string]*monitoring.Uint // the same by reason
	unknown   *monitoring.Uint            // files that were written to, or truncated, and deleted before they could be looked at again: perhaps something of them is lost

	tracker *tracker
	mu      sync.Mutex
	lost    map[Volume]int64 // bytes given up
}

// reasons are why bytes are given up.
var reasons = []string{
	"timeout",   // deleted.timeout was over
	"bytes",     // deleted.max_bytes was over
	"closed",    // deleted while it was not open
	"away",      // deleted while podbeat was not running
	"truncated", // truncated before it was read
}

// mostPods bounds how many pods are told apart in the figures: those that lag or have lost most.
const mostPods = 20

var kinds struct {
	sync.Mutex
	registries map[string]*monitoring.Registry
}

// newMetrics registers the metrics of an input. Its owner calls close.
func newMetrics(kind, id string, t *tracker) *metrics {
	kinds.Lock()
	defer kinds.Unlock()
	if kinds.registries == nil {
		kinds.registries = map[string]*monitoring.Registry{}
	}
	all := kinds.registries[kind]
	if all == nil {
		all = monitoring.Default.NewRegistry("podbeat." + kind)
		kinds.registries[kind] = all
	}
	all.Remove(id)
	r := all.NewRegistry(id)
	n := func(name string) *monitoring.Uint { return monitoring.NewUint(r, name) }
	m := &metrics{
		found: n("files.found"), ignored: n("files.ignored"), truncated: n("files.truncated"),
		inactive: n("files.closed.inactive"), limit: n("files.closed.limit"), deleted: n("files.closed.deleted"), read: n("files.closed.read"),
		bytes: n("read.bytes"), messages: n("read.messages"),
		published: n("published"), acked: n("acked"), errors: n("errors"),
		cut: n("cut"), binary: n("binary"), unparsed: n("unparsed"), excluded: n("excluded"), empty: n("empty"),
		json: n("ndjson.errors"), conflicts: n("ndjson.conflicts"), times: n("timestamp.errors"),
		abandoned: n("abandoned.bytes"), unknown: n("abandoned.files"), reasons: map[string]*monitoring.Uint{},
		tracker: t, lost: map[Volume]int64{},
	}
	for _, reason := range reasons {
		m.reasons[reason] = n("abandoned.reason." + reason)
	}
	monitoring.NewFunc(r, "now", m.now)
	monitoring.NewFunc(r, "pods", m.pods)
	return m
}

func (m *metrics) close(kind, id string) {
	kinds.Lock()
	defer kinds.Unlock()
	kinds.registries[kind].Remove(id)
}

func (m *metrics) abandon(src Source, bytes int64, reason string) {
	m.abandoned.Add(uint64(bytes))
	m.reasons[reason].Add(uint64(bytes))
	m.mu.Lock()
	defer m.mu.Unlock()
	who := src.Volume
	if _, known := m.lost[who]; known || len(m.lost) < 50*mostPods {
		m.lost[who] += bytes
	}
}

// count adds what a reader has counted since before.
func (m *metrics) count(before, now *lines.Counters) {
	if *before == *now {
		return
	}
	m.cut.Add(now.Cut - before.Cut)
	m.binary.Add(now.Binary - before.Binary)
	m.unparsed.Add(now.Unparsed - before.Unparsed)
	m.excluded.Add(now.Excluded - before.Excluded)
	m.empty.Add(now.Empty - before.Empty)
	m.json.Add(now.JSON - before.JSON)
	m.conflicts.Add(now.Conflicts - before.Conflicts)
	m.times.Add(now.Times - before.Times)
}

// A lag is how far reading is behind.
type lag struct {
	files, open  int64
	denied       int64   // files that may not be opened
	behind, lost int64   // bytes
	seconds      float64 // since the oldest unread byte was noticed
}

func (l *lag) add(f *file, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	l.files++
	if f.open != nil {
		l.open++
	}
	if f.denied.Load() {
		l.denied++
	}
	if unread := f.unreadBytes(); unread > 0 { // also of a file that is given up, until it is counted as that
		l.behind += unread
		if since := f.behind.Load(); since != 0 {
			l.seconds = max(l.seconds, float64(now-since)/1e9)
		}
	}
}

// now reports what is so at the moment.
func (m *metrics) now(_ monitoring.Mode, v monitoring.Visitor) {
	v.OnRegistryStart()
	defer v.OnRegistryFinished()
	var sum lag
	now := m.tracker.run.now().UnixNano()
	for _, f := range m.tracker.all() {
		sum.add(f, now)
	}
	stats := m.tracker.run.finder.Stats()
	for _, figure := range []struct {
		name string
		n    int64
	}{
		{"files.following", sum.files}, {"files.open", sum.open}, {"files.unreadable", sum.denied}, {"behind.bytes", sum.behind}, {"watches", stats.Watches},
		{"watches_failed", stats.WatchesFailed}, {"overflows", stats.Overflows}, {"scans", stats.Scans}, {"directories_unreadable", stats.DirsUnreadable},
		{"links_refused", stats.LinksRefused}, {"left_out", stats.LeftOut},
	} {
		monitoring.ReportInt(v, figure.name, figure.n)
	}
	monitoring.ReportFloat(v, "behind.seconds", sum.seconds)
}

// pods reports the pods that lag or have lost most.
func (m *metrics) pods(_ monitoring.Mode, v monitoring.Visitor) {
	v.OnRegistryStart()
	defer v.OnRegistryFinished()
	lags := map[string]*lag{}
	of := func(v Volume) *lag {
		key := v.String()
		if lags[key] == nil {
			lags[key] = &lag{}
		}
		return lags[key]
	}
	now := m.tracker.run.now().UnixNano()
	for _, f := range m.tracker.all() {
		of(f.src.Volume).add(f, now)
	}
	m.mu.Lock()
	for src, bytes := range m.lost {
		of(src).lost = bytes
	}
	m.mu.Unlock()
	var names []string
	for name, l := range lags {
		if l.behind > 0 || l.lost > 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(-cmp.Compare(lags[a].behind+lags[a].lost, lags[b].behind+lags[b].lost), cmp.Compare(a, b))
	})
	for _, name := range names[:min(len(names), mostPods)] {
		l := lags[name]
		monitoring.ReportNamespace(v, name, func() {
			monitoring.ReportInt(v, "behind.bytes", l.behind)
			monitoring.ReportFloat(v, "behind.seconds", l.seconds)
			monitoring.ReportInt(v, "abandoned.bytes", l.lost)
		})
	}
}
