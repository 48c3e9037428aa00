package serve

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics shows. Of the last run they are those of whichever program ran it.
type metrics struct {
	registry *prometheus.Registry

	success, began, took, next, lease prometheus.Gauge
	planned, plannedBytes             prometheus.Gauge
	deleted, deletedBytes             prometheus.Counter
	failed, held, errors              prometheus.Counter
	runs                              *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "curator", Name: name, Help: help})
		m.registry.MustRegister(g)
		return g
	}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: "curator", Name: name, Help: help})
		m.registry.MustRegister(c)
		return c
	}
	m.success = gauge("last_success_timestamp_seconds", "When the last run began that did all it planned; 0: none is known.")
	m.began = gauge("last_run_timestamp_seconds", "When the last run began; 0: none is known.")
	m.took = gauge("last_run_duration_seconds", "How long the last run took.")
	m.planned = gauge("plan_indices", "Indices that the last run was to delete.")
	m.plannedBytes = gauge("plan_bytes", "Bytes of the indices that the last run was to delete.")
	m.next = gauge("next_run_timestamp_seconds", "When the next run is due.")
	m.lease = gauge("lease_held", "1 while this program has the lease.")
	m.deleted = counter("deleted_indices_total", "Indices that this program has deleted.")
	m.deletedBytes = counter("deleted_bytes_total", "Bytes of the indices that this program has deleted.")
	m.failed = counter("failed_indices_total", "Indices that this program could not delete.")
	m.held = counter("held_back_total", "What guards have held back.")
	m.errors = counter("errors_total", "Failures before or after a run: no Elasticsearch, no lease.")
	m.runs = prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "curator", Name: "runs_total",
		Help: "Runs of this program by result: ok, held, failed, stopped, lost."}, []string{"result"})
	for _, result := range []string{"ok", "held", "failed", "stopped", "lost"} {
		m.runs.WithLabelValues(result)
	}
	m.registry.MustRegister(m.runs)
	return m
}

// last shows what is known of the last run, whoever ran it.
func (m *metrics) last(st *state) {
	seconds := func(t time.Time) float64 {
		if t.IsZero() {
			return 0
		}
		return float64(t.UnixMilli()) / 1000
	}
	m.success.Set(seconds(st.Success))
	m.began.Set(seconds(st.Began))
	m.took.Set(st.Took)
	m.planned.Set(float64(st.Summary.Planned))
	m.plannedBytes.Set(float64(st.Summary.PlannedBytes))
}

// ran counts a run of this program.
func (m *metrics) ran(result string, st *state) {
	m.last(st)
	m.runs.WithLabelValues(result).Inc()
	m.deleted.Add(float64(st.Summary.Deleted))
	m.deletedBytes.Add(float64(max(st.Summary.DeletedBytes, 0)))
	m.failed.Add(float64(st.Summary.Failed))
	m.held.Add(float64(st.Summary.Held))
}

// stuck is how long the loop may be silent before /healthz says that it is stuck.
const stuck = 10 * time.Minute

// handler serves /metrics and /healthz. Health is that of the loop alone: an Elasticsearch that is away is no
// reason to restart this program.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		status, code := "ok", http.StatusOK
		last := time.Unix(s.beat.Load(), 0)
		if time.Since(last) > max(stuck, s.Lease) {
			status, code = "stuck", http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "seen": last.UTC()})
	})
	return mux
}
