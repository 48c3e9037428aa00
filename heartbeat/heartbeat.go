// Package heartbeat is what a podbeat says of itself to logapi every few seconds, and what it is told in return.
//
//	podbeat ── POST …/system/log/heartbeat: Beat ──▶ logapi
//	podbeat ◀── 200: Wanted ─────────────────────── logapi
//
// Both sides read strictly and within bounds ([Read], [ReadWanted]): a name twice, a text where a number should be,
// or a control character is an error. Names that are not known are left out, so that the two may be of different versions.
// What is written ([Beat.Append], [Wanted.Append]) is cut to the bounds, so that the other side takes it.
package heartbeat

import (
	"fmt"
	"time"
)

// The bounds of what is read. Texts are measured in bytes.
const (
	MaxBody       = 512 << 10 // of a Beat or a Wanted
	MaxInputs     = 200       // of a Beat
	MaxCollectors = 32        // of a Wanted
	MaxName       = 255       // of names, ids, types and versions
	MaxError      = 500       // of an error
)

// The roles a podbeat may have.
const (
	Collector = "collector" // reads what is on its node
	Shipper   = "shipper"   // reads from Kafka, writes to the store
	Parser    = "parser"    // reads from Kafka, cleans, writes to Kafka or the store
)

// The collectors that the configuration API switches on and off.
const (
	Journalbeat = "journalbeat"
	Filebeat    = "filebeat"
	HTTPGateway = "http_gateway"
)

// Collectors lists the collectors in the order in which the status has them.
var Collectors = []string{Journalbeat, Filebeat, HTTPGateway}

// CollectorOf says which collector an input of a type belongs to; "" if none.
func CollectorOf(inputType string) string {
	switch inputType {
	case "journal":
		return Journalbeat
	case "emptydir", "podlogs", "filestream":
		return Filebeat
	case "push":
		return HTTPGateway
	}
	return ""
}

// The states an input may be in.
const (
	Running = "running"
	Off     = "off"    // switched off, by its configuration or as wanted
	Failed  = "failed" // should run and does not; Error says why
)

// A Beat is what one podbeat says of itself.
type Beat struct {
	Instance string // UUID of the podbeat, as its meta.json has it
	Role     string // Collector, Shipper or Parser
	Node     string // the node it runs on
	PodID    string // UID of its pod; "" outside Kubernetes
	Name     string // its own, or its pod's
	Version  string
	Started  time.Time     // of the process
	Sent     time.Time     // by its own clock
	Every    time.Duration // how long until the next one; 0: not said
	Wanted   int64         // version of the wanted state that is in force; 0: none yet
	Output   *Output       // nil: not known
	Inputs   []Input       // every configured input, also one that is switched off
}

// An Output says whether what was read is delivered.
type Output struct {
	Type    string    // elasticsearch, kafka …
	Failing bool      // the last attempt failed
	Error   string    // why
	Oldest  time.Time // of the oldest event that was read and is not acknowledged; zero: none waits
}

// An Input is one configured input. Counts are since the process began.
type Input struct {
	ID, Type  string
	Collector string // Journalbeat, Filebeat or HTTPGateway; "" if it is none of them
	State     string // Running, Off or Failed
	Error     string // of a failed one

	Read, Acked, Gaps, Skipped, DeadLetter int64

	LagSeconds *float64 // age of the oldest that is not read or not acknowledged; nil: not known
	LagBytes   *int64   // bytes not yet read; nil: not known
}

// A Wanted is what a podbeat is told: the state that an administrator wants.
type Wanted struct {
	Version int64         // of the configuration; 0: none is known, and nothing is to be changed
	Every   time.Duration // when the next Beat is expected, as "10s"; 0: as configured
	// Collectors says which are to run. One that is not named is left as its configuration says.
	Collectors map[string]bool
}

// Enabled says whether an input of a collector is to run.
func (w Wanted) Enabled(collector string) bool {
	enabled, said := w.Collectors[collector]
	return !said || enabled
}

// Read reads a Beat from JSON and checks it. An error says which member is wrong.
func Read(data []byte) (Beat, error) {
	var b Beat
	m, err := parse(data)
	if err != nil {
		return b, fmt.Errorf("cannot read the heartbeat: %w", err)
	}
	b.Instance = m.uuid("instance")
	b.Role = m.oneOf("role", Collector, Shipper, Parser)
	b.Node, b.PodID = m.name("node"), m.name("pod_id")
	b.Name, b.Version = m.name("name"), m.name("version")
	b.Started, b.Sent = m.time("started"), m.time("sent")
	b.Every = m.duration("every")
	b.Wanted = m.count("wanted")
	if o, ok := m.object("output"); ok {
		b.Output = &Output{Type: o.name("type"), Failing: o.bool("failing"), Error: o.message("error"), Oldest: o.time("oldest")}
	}
	for _, in := range m.objects("inputs", MaxInputs) {
		b.Inputs = append(b.Inputs, Input{
			ID: in.name("id"), Type: in.name("type"),
			Collector: in.oneOf("collector", "", Journalbeat, Filebeat, HTTPGateway),
			State:     in.oneOf("state", Running, Off, Failed), Error: in.message("error"),
			Read: in.count("read"), Acked: in.count("acked"), Gaps: in.count("gaps"),
			Skipped: in.count("skipped"), DeadLetter: in.count("dead_letter"),
			LagSeconds: in.seconds("lag_seconds"), LagBytes: in.optionalCount("lag_bytes"),
		})
	}
	if b.Node == "" {
		m.wrong("node", "is missing: the node the podbeat runs on")
	}
	if err := m.err(); err != nil {
		return Beat{}, fmt.Errorf("cannot read the heartbeat: %w", err)
	}
	return b, nil
}

// ReadWanted reads a Wanted from JSON and checks it.
func ReadWanted(data []byte) (Wanted, error) {
	var w Wanted
	m, err := parse(data)
	if err != nil {
		return w, fmt.Errorf("cannot read the wanted state: %w", err)
	}
	w.Version = m.count("version")
	w.Every = m.duration("every")
	w.Collectors = m.switches("collectors")
	if err := m.err(); err != nil {
		return Wanted{}, fmt.Errorf("cannot read the wanted state: %w", err)
	}
	return w, nil
}
