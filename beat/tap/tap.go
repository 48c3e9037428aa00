// Package tap lets people look into a running podbeat: through a socket in path.data that only podbeat's own user, and root, may
// open. It speaks HTTP there:
//
//	/tap    events as they come out of the processors, one JSON object a line, bounded
//	/stats  libbeat's and podbeat's figures, as libbeat's own server tells them
//	/info   who it is
//
// and what others add with [Tap.Handle]. `podbeat tap` and `podbeat top` are its clients.
//
// Looking never slows the pipeline: what is not read in time is left out and counted, and all taps together have a share of one
// processor, beyond which events pass unseen, and are counted, too. While nobody looks nothing is paid.
package tap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	stdlog "log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/paths"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/listen"
)

// Options are the section `podbeat.tap:`.
type Options struct {
	// Make the socket `podbeat.sock` in path.data, through which `podbeat tap` and `podbeat top` look into podbeat.
	Enabled bool `config:"enabled" default:"true"`
	// What taps do not show: names of fields, also with `*`, whose values are replaced, and `/regular expressions/` for parts of texts, as `/[0-9]{16}/`. A filter does not find it, either.
	Redact []string `config:"redact"`
}

// Validate says which option has a value that means nothing.
func (o *Options) Validate() error {
	_, err := newVeil(o.Redact)
	return err
}

// SocketName is the socket's name in path.data.
const SocketName = "podbeat.sock"

// A Watch has f called with every event that comes out of the processors, until stop. f neither changes nor keeps the event.
// processing.Processing.Watch is one.
type Watch func(f func(*beat.Event)) (stop func())

// Bounds of all clients together.
const (
	maxConnections = 32
	maxTaps        = 4
	answerWithin   = 15 * time.Second // but for taps, which go on
	quietWithin    = 5 * time.Minute  // a tap ends when its reader takes nothing for so long
)

// A Tap serves a podbeat's socket.
type Tap struct {
	opts  Options
	watch Watch
	log   *logp.Logger
	veil  *veil
	mux   *http.ServeMux
	writer

	taps   chan struct{} // a place for each
	budget budget
	done   chan struct{} // closed when podbeat stops
}

// New makes the Tap of a beat, which sees what watch shows.
func New(o Options, info beat.Info, watch Watch, log *logp.Logger) (*Tap, error) {
	veil, err := newVeil(o.Redact)
	if err != nil {
		return nil, err
	}
	t := &Tap{
		opts: o, watch: watch, log: log.Named("tap"), veil: veil, mux: http.NewServeMux(),
		writer: writer{encode.Encoder{Lenient: true}, info.Beat, info.Version},
		taps:   make(chan struct{}, maxTaps), done: make(chan struct{}),
	}
	t.Handle("/stats", figures(monitoring.Default))
	t.Handle("/info", figures(monitoring.GetNamespace("info").GetRegistry()))
	t.mux.HandleFunc("GET /tap", t.serve)
	return t, nil
}

// Handle adds a handler for a path of the socket. Its answers must not take longer than seconds.
func (t *Tap) Handle(path string, h http.Handler) {
	t.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWithin))
		h.ServeHTTP(w, r)
	})
}

// figures serves a registry as libbeat does.
func figures(registry *monitoring.Registry) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(monitoring.CollectStructSnapshot(registry, monitoring.Full, false))
	}
}

// Run serves the socket in path.data until done is closed. If there can be none, it says so in the log, and podbeat goes on without.
func (t *Tap) Run(done <-chan struct{}) {
	if !t.opts.Enabled {
		return
	}
	path := paths.Resolve(paths.Data, SocketName)
	s, err := listenAt(path)
	if err != nil {
		t.log.Warnf("podbeat runs without its socket, so `podbeat tap` and `podbeat top` cannot look into it: %v", err)
		return
	}
	server := &http.Server{
		Handler:           t.mux,
		ReadHeaderTimeout: answerWithin,
		ReadTimeout:       answerWithin,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          stdlog.New(serverLog{t.log}, "", 0),
		ConnContext:       listen.Context,
		ConnState:         listen.State,
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listen.Bounded(s, nil, maxConnections, nil)); err != nil && !errors.Is(err, http.ErrServerClosed) {
			t.log.Errorf("The socket %s is served no longer: %v", path, err)
		}
	})
	<-done
	close(t.done) // taps end by themselves
	// Taps are waited for in parts of a second: while the machine stands still no more than one of them passes.
	for range 10 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second/10)
		err = server.Shutdown(ctx)
		cancel()
		if err == nil {
			break
		}
	}
	if err != nil {
		_ = server.Close()
	}
	serving.Wait()
}

// serve is the handler of /tap.
func (t *Tap) serve(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case t.taps <- struct{}{}:
		defer func() { <-t.taps }()
	default:
		http.Error(w, fmt.Sprintf("%d taps are open already, which is as many as there may be: end one of them", maxTaps), http.StatusServiceUnavailable)
		return
	}
	listen.Keep(r)
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // nothing more is to be read
	s := newStream(q, t)
	stop := t.watch(s.take)
	defer stop()
	w.Header().Set("Content-Type", "application/x-ndjson; charset=utf-8")
	s.send(r.Context(), w, t.done)
}

// serverLog is where the HTTP server says what goes wrong with a connection.
type serverLog struct{ log *logp.Logger }

func (l serverLog) Write(text []byte) (int, error) {
	l.log.Warnf("%s", strings.TrimSpace(string(text)))
	return len(text), nil
}
