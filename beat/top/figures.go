package top

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/podbeat/podbeat/beat/observe"
	"github.com/podbeat/podbeat/beat/reload"
	"github.com/podbeat/podbeat/beat/tap"
)

// A look is what podbeat's socket told at one time.
type look struct {
	at      time.Time
	metrics metrics
	ready   readiness
	config  reload.Status
}

// readiness is /readyz.
type readiness struct {
	Ready  bool            `json:"ready"`
	Checks []observe.Check `json:"checks"`
}

// get asks for everything. Only /metrics has to be there.
func get(ctx context.Context, c *tap.Client) (*look, error) {
	l := &look{at: time.Now()}
	status, body, err := c.Get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("podbeat at socket %s does not tell its figures: /metrics is answered with %d", c.Path, status)
	}
	if l.metrics, err = parse(body); err != nil {
		return nil, err
	}
	for path, to := range map[string]any{"/readyz": &l.ready, "/reload": &l.config} {
		if _, body, err := c.Get(ctx, path); err == nil {
			_ = json.Unmarshal(body, to) // while podbeat starts there is nothing to be told
		}
	}
	return l, nil
}

// Figures are what `podbeat top` shows, and what -o json prints. Counts are since podbeat's start, rates of the last Seconds.
type Figures struct {
	At         time.Time       `json:"at"`
	Seconds    float64         `json:"seconds"`
	Version    string          `json:"version"`
	Started    time.Time       `json:"started,omitzero"`
	Ready      bool            `json:"ready"`
	Checks     []observe.Check `json:"checks"`
	Config     reload.Status   `json:"config"`
	Inputs     []Input         `json:"inputs"`
	Output     Output          `json:"output"`
	Queue      Queue           `json:"queue"`
	Namespaces []Namespace     `json:"namespaces"`
}

// An Input is a configured input.
type Input struct {
	Type        string   `json:"type"`
	ID          string   `json:"id"`
	State       string   `json:"state"` // running, failed or off
	ReadRate    float64  `json:"read_per_second"`
	AckedRate   float64  `json:"acked_per_second"`
	Read        float64  `json:"read"`
	Filtered    float64  `json:"filtered"`
	Acked       float64  `json:"acked"`
	InFlight    float64  `json:"in_flight"`
	DeadLetters float64  `json:"dead_letters"`
	Dropped     float64  `json:"dropped"`
	Gaps        *float64 `json:"gaps"`        // entries and lines lost before they were read; null: not known
	LagSeconds  *float64 `json:"lag_seconds"` // null: not known
	LagBytes    *float64 `json:"lag_bytes"`
}

// Output is the output.
type Output struct {
	Type        string  `json:"type"`
	AckedRate   float64 `json:"acked_per_second"`
	RetriedRate float64 `json:"retried_per_second"`
	Acked       float64 `json:"acked"`
	Retried     float64 `json:"retried"`
	DeadLetters float64 `json:"dead_letters"`
	Active      float64 `json:"active"`
	Stuck       float64 `json:"stuck_seconds"` // how long events wait without any being delivered
}

// Queue is libbeat's queue.
type Queue struct {
	Events float64  `json:"events"`
	Max    *float64 `json:"max"` // null: not counted in events
}

// A Namespace is one of Kubernetes; _none and _other are those without one, and the rest.
type Namespace struct {
	Name        string  `json:"name"`
	ReadRate    float64 `json:"read_per_second"`
	AckedRate   float64 `json:"acked_per_second"`
	Read        float64 `json:"read"`
	InFlight    float64 `json:"in_flight"`
	DeadLetters float64 `json:"dead_letters"`
}

const startTime = "process_start_time_seconds"

// figures compares two looks.
func figures(before, now *look) *Figures {
	f := &Figures{At: now.at.UTC(), Ready: now.ready.Ready, Checks: now.ready.Checks, Config: now.config, Inputs: []Input{}, Namespaces: []Namespace{}}
	m, old := now.metrics, before.metrics
	begun, _ := m.one(startTime)
	if earlier, _ := old.one(startTime); earlier == begun { // else it is another process
		f.Seconds = now.at.Sub(before.at).Seconds()
	}
	rate := func(name string, labels ...string) float64 {
		if f.Seconds <= 0 {
			return 0
		}
		return max(0, m.sum(name, labels...)-old.sum(name, labels...)) / f.Seconds
	}
	optional := func(name string, labels ...string) *float64 {
		if v, ok := m.one(name, labels...); ok {
			return &v
		}
		return nil
	}
	if begun > 0 {
		f.Started = time.UnixMilli(int64(begun * 1000)).UTC()
	}
	for _, info := range m["podbeat_info"] {
		f.Version = info.labels["version"]
	}
	for _, r := range m["podbeat_input_running"] {
		of := []string{"type", r.labels["type"], "input", r.labels["input"]}
		in := Input{Type: of[1], ID: of[3], State: "off"}
		if r.value == 1 {
			in.State = "running"
		} else if m.sum("podbeat_input_failed", of...) > 0 {
			in.State = "failed"
		}
		in.ReadRate, in.AckedRate = rate("podbeat_input_events_read_total", of...), rate("podbeat_input_events_acked_total", of...)
		in.Read, in.Acked = m.sum("podbeat_input_events_read_total", of...), m.sum("podbeat_input_events_acked_total", of...)
		in.Filtered, in.InFlight = m.sum("podbeat_input_events_filtered_total", of...), m.sum("podbeat_input_events_in_flight", of...)
		in.DeadLetters, in.Dropped = m.sum("podbeat_input_dead_letters_total", of...), m.sum("podbeat_input_events_dropped_total", of...)
		in.LagSeconds, in.LagBytes = optional("podbeat_input_lag_seconds", of...), optional("podbeat_input_lag_bytes", of...)
		if in.Gaps = optional("podbeat_journal_gaps_total", of...); in.Gaps != nil {
			*in.Gaps += m.sum("podbeat_journal_container_gaps_total", of...) + m.sum("podbeat_journal_entries_skipped_total", of...)
		}
		f.Inputs = append(f.Inputs, in)
	}
	slices.SortFunc(f.Inputs, func(a, b Input) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.ID, b.ID)) })

	f.Output = Output{
		AckedRate: rate("podbeat_output_events_acked_total"), RetriedRate: rate("podbeat_output_events_failed_total"),
		Acked: m.sum("podbeat_output_events_acked_total"), Retried: m.sum("podbeat_output_events_failed_total"),
		DeadLetters: m.sum("podbeat_elasticsearch_dead_letters_total") + m.sum("podbeat_kafka_dead_letters_total") + m.sum("podbeat_queue_dead_letters_total"),
		Active:      m.sum("podbeat_output_events_active"), Stuck: m.sum("podbeat_output_stuck_seconds"),
	}
	for _, info := range m["podbeat_output_info"] {
		f.Output.Type = info.labels["type"]
	}
	f.Queue.Events = m.sum("podbeat_queue_events")
	if most := optional("podbeat_queue_events_max"); most != nil && *most > 0 {
		f.Queue.Max = most
	}

	for _, n := range m["podbeat_namespace_events_total"] {
		of := []string{"namespace", n.labels["namespace"]}
		f.Namespaces = append(f.Namespaces, Namespace{
			Name: of[1], ReadRate: rate("podbeat_namespace_events_total", of...), AckedRate: rate("podbeat_namespace_events_acked_total", of...),
			Read: n.value, InFlight: m.sum("podbeat_namespace_events_in_flight", of...), DeadLetters: m.sum("podbeat_namespace_dead_letters_total", of...),
		})
	}
	slices.SortFunc(f.Namespaces, func(a, b Namespace) int {
		return cmp.Or(cmp.Compare(b.ReadRate, a.ReadRate), cmp.Compare(b.Read, a.Read), cmp.Compare(a.Name, b.Name))
	})
	return f
}
