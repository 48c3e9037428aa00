// Package serve runs a job by a schedule, so that of several programs with the same schedule one runs it.
//
//	schedule ─► due ─► lease ─► not yet done? ─► job ─► state ─► lease given back
//	   ▲                 │           │                              │
//	   └─────────────────┴───────────┴──────────────────────────────┘
//
// The lease and the state of the last run are documents in Elasticsearch. The job is handed a context that it
// shows to [Continue] before each thing it cannot take back: that says no when the lease is lost, so that a slow
// holder does nothing beside its successor, and when the program is to stop.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	cron "github.com/netresearch/go-cron"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
)

// Options say what Run does.
type Options struct {
	// Schedule is a time of the day (02:30) or a cron expression of five fields, in UTC; also @daily, @hourly.
	Schedule string
	// Jitter is how much later than scheduled a run begins at the most: a random time of this length.
	Jitter time.Duration
	// Listen is the address of /metrics and /healthz; "" for none.
	Listen string
	// Lease is how long a holder that has died keeps others waiting; 0: a minute. At least 10 s.
	Lease time.Duration
	// Holder names this program among its like, for people; "" for host and process.
	Holder string
	// Name is that of the lease and the state, for jobs beside each other; "" for curator.
	Name string

	ES  *es.Client
	Log *slog.Logger
	// Clock is that of the schedule; nil: the machine's. The lease goes by the cluster's.
	Clock Clock
	// Job does the work, once. It calls Continue before each deletion.
	Job func(ctx context.Context) (Summary, error)
}

// defaultName is Options.Name where none is given.
const defaultName = "curator"

// A Summary is what a run has done.
type Summary struct {
	Planned      int   `json:"planned"`       // indices to be deleted, by the plan
	PlannedBytes int64 `json:"planned_bytes"` // of these
	Deleted      int   `json:"deleted"`
	DeletedBytes int64 `json:"deleted_bytes"`
	Failed       int   `json:"failed"` // indices that could not be deleted
	Held         int   `json:"held"`   // what guards held back
}

// A Clock tells the time of the schedule.
type Clock interface {
	Now() time.Time
	// Sleep returns at the time until, or earlier; with an error when ctx is done.
	Sleep(ctx context.Context, until time.Time) error
}

// System is the machine's clock.
type System struct{}

// Now is the time.
func (System) Now() time.Time { return time.Now() }

// Sleep sleeps for a minute at most, as the machine may be suspended or its clock be set.
func (System) Sleep(ctx context.Context, until time.Time) error {
	return sleep(ctx, min(time.Until(until), time.Minute))
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// A server is one Run.
type server struct {
	Options
	schedule cron.Schedule
	metrics  *metrics
	token    string        // tells this process from all others with the same Holder
	retry    time.Duration // how long to wait at the least before something that failed is tried again
	beat     atomic.Int64  // when the loop was last seen alive, in Unix seconds of the machine's clock
}

// ParseSchedule reads a time of the day or a cron expression.
func ParseSchedule(text string) (cron.Schedule, error) {
	spec := text
	if at, err := time.Parse("15:04", text); err == nil {
		spec = fmt.Sprintf("%d %d * * *", at.Minute(), at.Hour())
	}
	parser, err := cron.TryNewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor | cron.DowOrDom)
	if err != nil {
		return nil, err
	}
	if len(text) > 200 {
		return nil, errors.New("cannot read the schedule: it is longer than 200 letters")
	}
	s, err := parser.WithMinEveryInterval(time.Minute).Parse(spec)
	if err != nil {
		return nil, fmt.Errorf("cannot read schedule %q: write a time of the day (02:30), five fields of cron (30 2 * * *), @daily or @hourly: %w", text, err)
	}
	if s.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, fmt.Errorf("cannot use schedule %q: no such day ever comes", text)
	}
	return s, nil
}

// Run runs the job by the schedule until ctx is done. Then it lets the job finish what it has in hand, gives
// the lease back and returns nil. An error means that it could not begin.
func Run(ctx context.Context, o Options) error {
	s, err := newServer(o)
	if err != nil {
		return err
	}
	stop, err := s.listen()
	if err != nil {
		return err
	}
	defer stop()
	return s.loop(ctx)
}

func newServer(o Options) (*server, error) {
	s := &server{Options: o, metrics: newMetrics(), token: newToken(), retry: 15 * time.Second}
	var err error
	if s.schedule, err = ParseSchedule(o.Schedule); err != nil {
		return nil, err
	}
	if s.Clock == nil {
		s.Clock = System{}
	}
	if s.Lease == 0 {
		s.Lease = time.Minute
	}
	if s.Lease < 10*time.Second || s.Lease > 24*time.Hour {
		return nil, fmt.Errorf("cannot use a lease of %s: it must be from 10s to 24h", s.Lease)
	}
	if s.Jitter < 0 || s.Jitter > 24*time.Hour {
		return nil, fmt.Errorf("cannot use a jitter of %s: it must be from 0 to 24h", s.Jitter)
	}
	if s.ES != nil { // what the loop asks is small; the job has its own client
		s.ES = s.ES.With(min(s.ES.Timeout(), 30*time.Second))
	}
	s.Name = cmp.Or(s.Name, defaultName)
	if s.Holder == "" {
		s.Holder = thisProcess()
	}
	return s, nil
}

// listen serves metrics and health.
func (s *server) listen() (stop func(), err error) {
	if s.Listen == "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("cannot serve metrics: %w", err)
	}
	s.Log.Info("Serving /metrics and /healthz on " + l.Addr().String())
	h := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	done := make(chan struct{})
	go func() { defer close(done); _ = h.Serve(l) }()
	return func() { _ = h.Close(); <-done }, nil
}

// A failed run is tried again this often, after the first pause and then twice as long each time.
const (
	retries    = 3
	retryAfter = 5 * time.Minute
)

// loop waits for each time of the schedule and has the job run. Runs that were missed, however many, are made
// up for once.
func (s *server) loop(ctx context.Context) error {
	var from time.Time // the schedule goes on after it
	for failures := 0; ctx.Err() == nil; {
		st, err := s.loadState(ctx)
		if err == nil {
			now := s.Clock.Now()
			switch {
			case st.Began.After(now.Add(24 * time.Hour)): // the clock of whoever ran it was wrong
				from = now
			case !st.Began.IsZero():
				from = st.Began
			case from.IsZero():
				from = now // nothing was missed by the first there ever was
			}
			s.metrics.last(st)
			err = s.next(ctx, st, from)
		}
		if failures++; err == nil {
			failures = 0
		} else if ctx.Err() == nil {
			s.pause(ctx, err, failures)
		}
	}
	return nil
}

// next waits until the run after that of st is due, and has the job run if nobody else has by then.
func (s *server) next(ctx context.Context, st *state, from time.Time) error {
	due := s.schedule.Next(from.UTC())
	if due.IsZero() {
		return fmt.Errorf("the schedule %q has no time after %s", s.Schedule, from.UTC().Format(time.DateOnly))
	}
	begin := due
	if s.Jitter > 0 && due.After(s.Clock.Now()) {
		begin = due.Add(rand.N(s.Jitter))
	}
	if again := st.Began.Add(retryAfter << max(st.Failures-1, 0)); st.Failures > 0 && st.Failures <= retries && again.Before(begin) {
		begin = again
	}
	s.metrics.next.Set(float64(begin.Unix()))
	if err := s.waitUntil(ctx, begin); err != nil {
		return err
	}
	return s.once(ctx, st.at)
}

// pause logs what keeps the schedule from going on, and waits before it is tried again: longer with each failure.
func (s *server) pause(ctx context.Context, err error, failures int) {
	s.Log.Error(fmt.Sprintf("The run is put off; it is tried again soon: %v", err))
	s.metrics.errors.Inc()
	s.alive()
	wait := s.retry << min(failures-1, 3)
	_ = sleep(ctx, wait+rand.N(wait))
}

func (s *server) waitUntil(ctx context.Context, t time.Time) error {
	for {
		s.alive()
		if now := s.Clock.Now(); !now.Before(t) {
			return context.Cause(ctx)
		}
		if err := s.Clock.Sleep(ctx, t); err != nil {
			return err
		}
	}
}

func (s *server) alive() { s.beat.Store(time.Now().Unix()) }

// once has the job run, unless another has since the state was at seen. It waits for one that is at it.
func (s *server) once(ctx context.Context, seen system.Place) error {
	var held *lease
	for {
		var err error
		if held, err = s.acquire(ctx); err != nil {
			return err
		}
		if held != nil {
			break
		}
		s.alive()
		if err := sleep(ctx, s.Lease/6); err != nil {
			return err
		}
	}
	defer s.release(ctx, held)
	st, err := s.loadState(ctx)
	if err != nil {
		return err
	}
	if st.at != seen {
		s.Log.Info(fmt.Sprintf("Another has done the run: %s", clean(st.Holder)))
		return nil
	}
	return s.work(ctx, held, st)
}

// errStopping is that of Continue when the program is to stop.
var errStopping = errors.New("the program is to stop")

type runKey struct{}

// A runContext is what Continue needs to know.
type runContext struct {
	stop  context.Context
	lease *lease
}

// Continue says whether a job may do the next thing that it cannot take back: nil if so, else why not. The
// context is the one the job was given, or one made from it; any other may go on until it is done.
func Continue(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	r, ok := ctx.Value(runKey{}).(runContext)
	if !ok {
		return nil
	}
	if r.stop.Err() != nil {
		return errStopping
	}
	return r.lease.valid()
}

// Stopped says whether err is that of Continue on the way to a stop.
func Stopped(err error) bool { return errors.Is(err, errStopping) }

// work has the job run and stores what came of it.
func (s *server) work(ctx context.Context, held *lease, st *state) error {
	// A stop leaves what the job has in hand alone; losing the lease does not.
	run, lost := context.WithCancelCause(context.WithoutCancel(ctx))
	defer lost(nil)
	run = context.WithValue(run, runKey{}, runContext{ctx, held})
	renewing := make(chan struct{})
	over, end := context.WithCancel(run)
	go func() { defer close(renewing); s.renew(over, held, lost) }()

	s.Log.Info("Run begins.")
	begun := s.Clock.Now()
	began := time.Now()
	sum, err := s.Job(run)
	took := time.Since(began)
	end()
	<-renewing

	next := st.after(begun, took, s.Holder, sum, err)
	switch {
	case errors.Is(err, errStopping):
		s.Log.Info("Run stopped; the next one goes on with it.")
		s.metrics.ran("stopped", next)
		return err
	case held.valid() != nil:
		s.metrics.ran("lost", next)
		return fmt.Errorf("the run has ended early: %w", held.valid())
	}
	s.metrics.ran(next.Result, next)
	if err != nil {
		s.Log.Error(fmt.Sprintf("Run failed after %s: %v", took.Round(time.Millisecond), err))
	} else {
		s.Log.Info(fmt.Sprintf("Run ended after %s: %d of %d indices deleted, %d held back.", took.Round(time.Millisecond), sum.Deleted, sum.Planned, sum.Held))
	}
	return next.save(context.WithoutCancel(ctx), s.ES, s.stateID())
}
