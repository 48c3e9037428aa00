package heartbeat

import (
	"bytes"
	"encoding/json"
	"math"
	"time"
)

// The forms in JSON.
type (
	beatJSON struct {
		Instance string      `json:"instance"`
		Role     string      `json:"role"`
		Node     string      `json:"node"`
		PodID    string      `json:"pod_id,omitempty"`
		Name     string      `json:"name,omitempty"`
		Version  string      `json:"version,omitempty"`
		Started  time.Time   `json:"started,omitzero"`
		Sent     time.Time   `json:"sent,omitzero"`
		Every    string      `json:"every,omitempty"`
		Wanted   int64       `json:"wanted"`
		Output   *outputJSON `json:"output,omitempty"`
		Inputs   []inputJSON `json:"inputs"`
	}
	outputJSON struct {
		Type    string    `json:"type,omitempty"`
		Failing bool      `json:"failing"`
		Error   string    `json:"error,omitempty"`
		Oldest  time.Time `json:"oldest,omitzero"`
	}
	inputJSON struct {
		ID         string   `json:"id,omitempty"`
		Type       string   `json:"type"`
		Collector  string   `json:"collector,omitempty"`
		State      string   `json:"state"`
		Error      string   `json:"error,omitempty"`
		Read       int64    `json:"read"`
		Acked      int64    `json:"acked"`
		Gaps       int64    `json:"gaps"`
		Skipped    int64    `json:"skipped"`
		DeadLetter int64    `json:"dead_letter"`
		LagSeconds *float64 `json:"lag_seconds,omitempty"`
		LagBytes   *int64   `json:"lag_bytes,omitempty"`
	}
	wantedJSON struct {
		Version    int64           `json:"version"`
		Every      string          `json:"every,omitempty"`
		Collectors map[string]bool `json:"collectors,omitempty"`
	}
)

// Append appends b as JSON. Texts are cut to what Read takes, and inputs beyond MaxInputs are left out.
func (b Beat) Append(to []byte) []byte {
	j := beatJSON{
		Instance: b.Instance, Role: b.Role, Node: name(b.Node), PodID: name(b.PodID), Name: name(b.Name), Version: name(b.Version),
		Started: moment(b.Started), Sent: moment(b.Sent), Every: length(b.Every), Wanted: max(b.Wanted, 0), Inputs: []inputJSON{},
	}
	if o := b.Output; o != nil {
		j.Output = &outputJSON{name(o.Type), o.Failing, printable(o.Error, MaxError), moment(o.Oldest)}
	}
	for _, in := range b.Inputs[:min(len(b.Inputs), MaxInputs)] {
		i := inputJSON{ID: name(in.ID), Type: name(in.Type), Collector: in.Collector, State: in.State, Error: printable(in.Error, MaxError),
			Read: max(in.Read, 0), Acked: max(in.Acked, 0), Gaps: max(in.Gaps, 0), Skipped: max(in.Skipped, 0), DeadLetter: max(in.DeadLetter, 0)}
		if s := in.LagSeconds; s != nil && !math.IsNaN(*s) {
			lag := min(max(*s, 0), maxSeconds)
			i.LagSeconds = &lag
		}
		if n := in.LagBytes; n != nil {
			lag := max(*n, 0)
			i.LagBytes = &lag
		}
		j.Inputs = append(j.Inputs, i)
	}
	return appendJSON(to, j)
}

// Append appends w as JSON.
func (w Wanted) Append(to []byte) []byte {
	return appendJSON(to, wantedJSON{w.Version, length(w.Every), w.Collectors})
}

func appendJSON(to []byte, v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // which would make of one byte six
	if err := enc.Encode(v); err != nil {
		panic(err) // texts, numbers and times of four-digit years always are
	}
	return append(to, bytes.TrimSuffix(b.Bytes(), []byte("\n"))...)
}

func name(text string) string { return printable(text, MaxName) }

// moment is t if Read takes it.
func moment(t time.Time) time.Time {
	if t = t.UTC(); t.Year() < 1970 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}

// length is d as a text that Read takes; "" if it is not said.
func length(d time.Duration) string {
	if d <= 0 {
		return ""
	}
	return min(max(d, time.Second), 24*time.Hour).String()
}
