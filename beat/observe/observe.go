// Package observe tells what podbeat does, over HTTP: /metrics for Prometheus, /healthz and /readyz for Kubernetes, the
// delivery receipt at /receipt, and at /reload what has become of the newest configuration.
//
// It only looks: at the counters of libbeat and podbeat, at the receipt, and at what the beater tells of its inputs.
package observe

import (
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/api"
	"github.com/elastic/beats/v7/libbeat/logp"

	"github.com/podbeat/podbeat/beat/receipt"
)

// An Input is a configured input, and what it is doing.
type Input struct {
	Type, ID string
	State    string    // of package heartbeat: running, off or failed
	Error    string    // of a failed one
	Since    time.Time // of its state
	Begun    bool      // it has been started: a running one that has not is about to be

	Account       receipt.Account
	Oldest        time.Time // since when its oldest event is pending; zero if none is
	Gaps, Skipped int64     // see heartbeat.Input
	Behind        bool      // there is something that it could read, and has not
	LagSeconds    *float64  // age of the oldest that is not read or not acknowledged; nil: not known
	LagBytes      *int64    // bytes not yet read; nil: not known

	Idle           string // why it does nothing at all although it runs, and goes on trying
	Unreadable     int64  // things it has no right to read, or does not know how to …
	UnreadableWhat string // … and what they are
	Reads          bool   // it has read, or follows, something
}

// A Reload is what has become of the newest configuration.
type Reload struct {
	Applied time.Time // when the configuration in force was applied
	Refused time.Time // when a newer one, or an input file, was refused that is still there; zero: none was
	Reason  string    // why the configuration was; "" if it was not
	Files   []string  // input files that were, and why
	Status  any       // all of it, as /reload tells it
}

// A Spill is the disk buffer of an input's delivery level.
type Spill struct {
	Type, ID   string
	Bytes, Max int64
	Blocked    string // why nothing can be written to it although it should be, "" if nothing is in the way
}

// Parts are what an Observer looks at.
type Parts struct {
	Book       *receipt.Book
	Inputs     func() []Input
	OutputType func() string
	Options    Options       // of health
	Data       string        // path.data
	Registry   string        // the folder with the positions
	DiskQueue  bool          // libbeat's queue is on disk
	Reload     func() Reload // nil without
	Spills     func() []Spill
	Version    string
	Log        *logp.Logger
}

// An Observer answers requests from the start of the process on: until Start they are told that podbeat is starting.
type Observer struct {
	parts  atomic.Pointer[Parts]
	health health

	once sync.Once
	page http.Handler // of /metrics
}

// New makes an Observer of a process that is starting.
func New() *Observer {
	o := &Observer{}
	o.health.begin(time.Now())
	return o
}

// Handlers are its answers, by path.
func (o *Observer) Handlers() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/metrics": o.metrics,
		"/healthz": o.healthz,
		"/readyz":  o.readyz,
		"/receipt": o.receipt,
		"/reload":  o.reload,
	}
}

// attached answers for libbeat's server, which is started before the beater is made and takes handlers only before.
var attached struct {
	once     sync.Once
	observer atomic.Pointer[Observer]
}

// Attach adds the answers to libbeat's server (`http.enabled`). It is to be called before libbeat starts it.
func (o *Observer) Attach() {
	attached.observer.Store(o)
	attached.once.Do(func() {
		for path := range o.Handlers() {
			err := api.AddHandlerFunc(path, func(w http.ResponseWriter, r *http.Request) {
				attached.observer.Load().Handlers()[path](w, r)
			})
			if err != nil {
				panic(err) // somebody else has taken the path
			}
		}
	})
}

// Start tells what is to be looked at, and looks at health until done is closed.
func (o *Observer) Start(p Parts, done <-chan struct{}) {
	o.parts.Store(&p)
	o.health.run(&p, done)
}

// Stopping has podbeat not ready any more.
func (o *Observer) Stopping() { o.health.stopping.Store(true) }

func (o *Observer) reload(w http.ResponseWriter, r *http.Request) {
	p := o.parts.Load()
	if p == nil {
		answer(w, http.StatusServiceUnavailable, starting)
		return
	}
	if p.Reload == nil {
		answer(w, http.StatusNotFound, map[string]string{"error": "this podbeat does not reload its configuration"})
		return
	}
	answer(w, http.StatusOK, p.Reload().Status)
}

var starting = map[string]string{"error": "podbeat is starting"}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // the client is gone
}
