package logapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/podbeat/podbeat/store"
)

// metrics are what Prometheus is told.
type metrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	connections prometheus.Gauge
}

func newMetrics(b *backend) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "logapi_requests_total",
			Help: "Requests of the API answered, by what they were for and the status."}, []string{"route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "logapi_request_duration_seconds",
			Help: "How long requests of the API took.", Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 30}}, []string{"route"}),
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "logapi_connections", Help: "Open connections of the API."}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.connections,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if b.store != nil {
		m.registry.MustRegister(storeCollector{b.store})
	}
	return m
}

func (m *metrics) answered(route string, status int, took time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

// storeCollector tells of the embedded store when it is asked.
type storeCollector struct{ store *store.Store }

var (
	storeIndices = prometheus.NewDesc("logapi_store_indices", "Indices in the store.", nil, nil)
	storeDocs    = prometheus.NewDesc("logapi_store_documents", "Documents in the store.", nil, nil)
	storeBytes   = prometheus.NewDesc("logapi_store_bytes", "Bytes of the store on the disk.", nil, nil)
	storeSource  = prometheus.NewDesc("logapi_store_source_bytes", "Bytes of the JSON of what is in the store.", nil, nil)
)

// Describe is prometheus.Collector's.
func (c storeCollector) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, to) }

// Collect is prometheus.Collector's.
func (c storeCollector) Collect(to chan<- prometheus.Metric) {
	list, err := c.store.List()
	if err != nil {
		to <- prometheus.NewInvalidMetric(storeIndices, err)
		return
	}
	var docs, bytes, source int64
	for _, i := range list {
		docs, bytes, source = docs+int64(i.Docs), bytes+i.Bytes, source+i.SourceSize
	}
	for _, one := range []struct {
		desc  *prometheus.Desc
		value int64
	}{{storeIndices, int64(len(list))}, {storeDocs, docs}, {storeBytes, bytes}, {storeSource, source}} {
		to <- prometheus.MustNewConstMetric(one.desc, prometheus.GaugeValue, float64(one.value))
	}
}

// monitoring answers Prometheus and Kubernetes. ready says whether what logapi needs answers.
func (m *metrics) monitoring(ready func(context.Context) error) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := ready(ctx); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}
