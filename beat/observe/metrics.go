package observe

import (
	"cmp"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/podbeat/podbeat/beat/receipt"
	"github.com/podbeat/podbeat/heartbeat"
)

// own are the figures that are not in /stats, in the order of docs/metrics.md.
var own = struct {
	info, ready, healthy, check                                           *family
	running, failed, lag, lagBytes, oldest                                *family
	read, resumed, filtered, acked, dead, dropped, abandoned              *family
	inFlight, difference                                                  *family
	nsRead, nsFiltered, nsAcked, nsDead, nsDropped, nsAbandoned, nsFlight *family
	output, stuck                                                         *family
	free, size, spill, spillMax                                           *family
	reloaded, refused                                                     *family
	other                                                                 *family
}{
	info:    list("podbeat_info", "1, with what runs.", gauge, "version", "go_version"),
	ready:   list("podbeat_ready", "1 if /readyz says so, else 0.", gauge),
	healthy: list("podbeat_healthy", "1 if /healthz says so, else 0.", gauge),
	check:   list("podbeat_check_state", "A check of /readyz: 0 ok, 1 a warning, 2 failing.", gauge, "check"),

	running:  list("podbeat_input_running", "1 if the input runs, 0 if it is switched off or has failed.", gauge, "type", "input"),
	failed:   list("podbeat_input_failed", "1 if the input should run and does not, or cannot do anything, else 0.", gauge, "type", "input"),
	lag:      list("podbeat_input_lag_seconds", "How late: the age of the oldest that is not read, or not acknowledged. Inputs that do not know what they have not read do not have it.", gauge, "type", "input"),
	lagBytes: list("podbeat_input_lag_bytes", "Bytes not read, where the input knows.", gauge, "type", "input"),
	oldest:   list("podbeat_input_oldest_pending_seconds", "How long the oldest event has been in the queue or the output; 0 if there is none.", gauge, "type", "input"),

	read:       list("podbeat_input_events_read_total", "Events given by the input.", counter, "type", "input"),
	resumed:    list("podbeat_input_events_resumed_total", "Events found in the disk buffer of an earlier process.", counter, "type", "input"),
	filtered:   list("podbeat_input_events_filtered_total", "Events dropped by processors.", counter, "type", "input"),
	acked:      list("podbeat_input_events_acked_total", "Events delivered; with queue.disk, written to the queue.", counter, "type", "input"),
	dead:       list("podbeat_input_dead_letters_total", "Events refused by the output for good, and put aside. With queue.disk nobody knows whose they are, and only those too large for that queue are counted.", counter, "type", "input"),
	dropped:    list("podbeat_input_events_dropped_total", "Events thrown away, as delivery: best-effort or non_indexable_policy.drop wants it, or damaged in the disk buffer.", counter, "type", "input"),
	abandoned:  list("podbeat_input_events_abandoned_total", "Events not taken since podbeat or the input was stopping. They are read again.", counter, "type", "input"),
	inFlight:   list("podbeat_input_events_in_flight", "Events that none of this has become of yet: on their way to the queue (handing), held by a delivery level in memory (buffered) or on disk (spilled), in the queue or the output (pending).", gauge, "type", "input", "where"),
	difference: list("podbeat_input_receipt_difference", "read + resumed - all the others. It is 0, or podbeat has a mistake.", gauge, "type", "input"),

	nsRead:      list("podbeat_namespace_events_total", "Events of a Kubernetes namespace that came to libbeat. At most 200 namespaces have their own; `_other` has the rest, `_none` what is of none.", counter, "namespace"),
	nsFiltered:  list("podbeat_namespace_events_filtered_total", "Events dropped by processors.", counter, "namespace"),
	nsAcked:     list("podbeat_namespace_events_acked_total", "Events delivered.", counter, "namespace"),
	nsDead:      list("podbeat_namespace_dead_letters_total", "Events refused by the output for good.", counter, "namespace"),
	nsDropped:   list("podbeat_namespace_events_dropped_total", "Events thrown away, as non_indexable_policy.drop wants it.", counter, "namespace"),
	nsAbandoned: list("podbeat_namespace_events_abandoned_total", "Events not taken since podbeat or the input was stopping.", counter, "namespace"),
	nsFlight:    list("podbeat_namespace_events_in_flight", "Events in the queue or the output.", gauge, "namespace"),

	output: list("podbeat_output_info", "1, with the type of the output.", gauge, "type"),
	stuck:  list("podbeat_output_stuck_seconds", "How long events have waited without any being delivered; 0 if none wait, or some have been delivered just now.", gauge),

	free:     list("podbeat_data_free_bytes", "Free space of the file system with path.data, for podbeat's user.", gauge),
	size:     list("podbeat_data_size_bytes", "Size of the file system with path.data.", gauge),
	spill:    list("podbeat_spill_bytes", "Disk buffer of the input's delivery level.", gauge, "type", "input"),
	spillMax: list("podbeat_spill_max_bytes", "The most it may become.", gauge, "type", "input"),

	reloaded: list("podbeat_reload_applied_timestamp_seconds", "When the configuration in force was applied; not there if it is that of the start.", gauge),
	refused:  list("podbeat_reload_refused_timestamp_seconds", "When a newer configuration, or an input file, was refused that is still there; 0 if none is.", gauge),

	other: list("podbeat_other", "Figures of /stats that have no name here yet, by their path.", gauge, "path", "input"),
}

// A family is one metric with all of its labels.
type family struct {
	name, help string
	kind       kind
	labels     []string
	desc       *prometheus.Desc
}

var families []*family // own's and those of names

func list(name, help string, k kind, labels ...string) *family {
	f := &family{name, help, k, labels, prometheus.NewDesc(name, help, labels, nil)}
	families = append(families, f)
	return f
}

// named are the families of global and types.
var named = func() map[*name]*family {
	all := map[*name]*family{}
	for i := range global {
		n := &global[i]
		all[n] = list(n.name, n.help, n.kind, labelsOf(n)...)
	}
	shared := map[string]*family{} // of several types of inputs
	ofInputs := func(names []name) {
		for i := range names {
			n := &names[i]
			if shared[n.name] == nil {
				shared[n.name] = list(n.name, n.help, n.kind, append([]string{"type", "input"}, labelsOf(n)...)...)
			}
			all[n] = shared[n.name]
		}
	}
	for _, typ := range slices.Sorted(maps.Keys(types)) {
		ofInputs(types[typ])
	}
	ofInputs(levels)
	return all
}()

func labelsOf(n *name) []string {
	if n.label == "" {
		return nil
	}
	return []string{n.label}
}

// handler is made once, since it remembers nothing but its buffers.
func (o *Observer) handler() http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{o}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second, ErrorHandling: promhttp.ContinueOnError})
}

func (o *Observer) metrics(w http.ResponseWriter, r *http.Request) {
	o.once.Do(func() { o.page = o.handler() })
	o.page.ServeHTTP(w, r)
}

type collector struct{ o *Observer }

// Describe says nothing: which labels there are is not known before.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads everything anew.
func (c collector) Collect(to chan<- prometheus.Metric) {
	s := sender{to, map[string]bool{}}
	p := c.o.parts.Load()
	var inputs []Input
	ready, healthy, checks := c.o.health.now()
	s.send(own.ready, truth(ready))
	s.send(own.healthy, truth(healthy))
	for _, check := range checks {
		s.send(own.check, float64(check.level()), check.Check)
	}
	if p != nil {
		inputs = p.Inputs()
		s.podbeat(p, inputs)
		for _, a := range p.Book.Receipt().Inputs { // also those that are configured no more: they may have left events on disk
			inputs = append(inputs, Input{Type: a.Type, ID: a.ID, Account: a})
		}
		s.send(own.stuck, c.o.health.stuck().Seconds())
		free, size := c.o.health.disk()
		s.send(own.free, float64(free))
		s.send(own.size, float64(size))
	}
	s.stats(inputs)
}

// A sender sends metrics, none of them twice, with harmless labels.
type sender struct {
	to   chan<- prometheus.Metric
	sent map[string]bool
}

func (s sender) send(f *family, v float64, labels ...string) {
	for i := range labels {
		labels[i] = plain(labels[i])
	}
	id := f.name + "\x00" + strings.Join(labels, "\x00")
	if s.sent[id] {
		return
	}
	s.sent[id] = true
	typ := prometheus.GaugeValue
	if f.kind == counter {
		typ = prometheus.CounterValue
	}
	s.to <- prometheus.MustNewConstMetric(f.desc, typ, v, labels...)
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// podbeat sends what is podbeat's own.
func (s sender) podbeat(p *Parts, inputs []Input) {
	s.send(own.info, 1, p.Version, runtime.Version())
	s.send(own.output, 1, p.OutputType())
	for i := range inputs {
		in := &inputs[i]
		typ, id := in.Type, in.Account.ID
		s.send(own.running, truth(in.State == heartbeat.Running), typ, id)
		s.send(own.failed, truth(in.State == heartbeat.Failed || in.Idle != ""), typ, id)
		if in.LagSeconds != nil {
			s.send(own.lag, *in.LagSeconds, typ, id)
		}
		if in.LagBytes != nil {
			s.send(own.lagBytes, float64(*in.LagBytes), typ, id)
		}
	}
	r := p.Book.Receipt()
	for i := range r.Inputs { // also of those that are configured no more: counters must not go
		a := &r.Inputs[i]
		s.entry([]*family{own.read, own.resumed, own.filtered, own.acked, own.dead, own.dropped, own.abandoned}, &a.Entry, a.Type, a.ID)
		s.send(own.oldest, a.OldestSeconds, a.Type, a.ID)
		s.send(own.difference, float64(a.Difference), a.Type, a.ID)
		for where, n := range map[string]int64{"handing": a.Handing, "buffered": a.Buffered, "spilled": a.Spilled, "pending": a.Pending} {
			s.send(own.inFlight, float64(n), a.Type, a.ID, where)
		}
	}
	for i := range r.Namespaces {
		n := &r.Namespaces[i]
		s.entry([]*family{own.nsRead, nil, own.nsFiltered, own.nsAcked, own.nsDead, own.nsDropped, own.nsAbandoned}, &n.Entry, n.Name)
		s.send(own.nsFlight, float64(n.InFlight), n.Name)
	}
	if p.Spills != nil {
		for _, spill := range p.Spills() {
			s.send(own.spill, float64(spill.Bytes), spill.Type, spill.ID)
			s.send(own.spillMax, float64(spill.Max), spill.Type, spill.ID)
		}
	}
	if p.Reload != nil {
		state := p.Reload()
		if !state.Applied.IsZero() {
			s.send(own.reloaded, seconds(state.Applied))
		}
		s.send(own.refused, seconds(state.Refused))
	}
}

// entry sends what is in e by the families, in the order of its fields.
func (s sender) entry(by []*family, e *receipt.Entry, labels ...string) {
	for i, n := range []int64{e.Read, e.Resumed, e.Filtered, e.Acked, e.DeadLetters, e.Dropped, e.Abandoned} {
		if by[i] != nil {
			s.send(by[i], float64(n), slices.Clone(labels)...)
		}
	}
}

func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// stats sends the figures of /stats below libbeat and podbeat.
func (s sender) stats(inputs []Input) {
	for _, root := range []string{"libbeat", "podbeat"} {
		registry := monitoring.Default.GetRegistry(root)
		if registry == nil {
			continue
		}
		all := monitoring.CollectFlatSnapshot(registry, monitoring.Full, false)
		for path, n := range all.Ints {
			s.stat(root+"."+path, float64(n), inputs)
		}
		for path, n := range all.Floats {
			s.stat(root+"."+path, n, inputs)
		}
		for path, b := range all.Bools {
			s.stat(root+"."+path, truth(b), inputs)
		}
	}
}

func (s sender) stat(path string, v float64, inputs []Input) {
	n, value := globalIndex.find(path)
	labels := []string{}
	if n == nil {
		short, isLevel := strings.CutPrefix(path, "podbeat.delivery.")
		if !isLevel {
			short = strings.TrimPrefix(path, "podbeat.")
		}
		typ, id, rest := split(short, inputs)
		if isLevel {
			n, value = levelIndex.find(rest)
		} else {
			n, value = typeIndex[typ].find(rest)
		}
		labels = append(labels, typ, id)
		if n == nil {
			s.send(own.other, v, path, id)
			return
		}
	}
	if n.label != "" {
		labels = append(labels, value)
	}
	if n.per != 0 {
		v /= n.per
	}
	s.send(named[n], v, labels...)
}

// split takes a path apart that an input's figure has: <type>.<id>.<rest>. Ids may have dots in them. Of an input that is
// not known everything is "".
func split(path string, inputs []Input) (typ, id, rest string) {
	typ, path, _ = strings.Cut(path, ".")
	for i := range inputs {
		own := cmp.Or(inputs[i].ID, inputs[i].Account.ID)
		if inputs[i].Type != typ || len(own) <= len(id) {
			continue
		}
		for _, key := range []string{own, strings.ReplaceAll(own, ".", "_")} { // the latter is push's and kafka's
			if after, ok := strings.CutPrefix(path, key+"."); ok {
				id, rest = own, after
			}
		}
	}
	if id == "" {
		return "", "", ""
	}
	return typ, id, rest
}
