package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
)

// ErrLost is that of a holder whose lease has run out, or has been taken over.
var ErrLost = errors.New("the lease is lost")

// leaseDocument is how Elasticsearch keeps a lease. Others may take it when the cluster's clock has passed Expires.
type leaseDocument struct {
	Holder  string    `json:"holder"` // for people
	Token   string    `json:"token"`  // this holder's alone
	Expires time.Time `json:"expires"`
}

// A lease is one that this program has.
type lease struct {
	doc leaseDocument

	mu    sync.Mutex
	at    system.Place
	until time.Time // when it can be taken over at the earliest, less a third of its length, by the machine's clock
}

// valid says whether the lease is held for certain. The clock that a suspended machine stops and the one that it
// does not must both agree.
func (l *lease) valid() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Before(l.until) && now.Round(0).Before(l.until.Round(0)) {
		return nil
	}
	return ErrLost
}

func (s *server) leaseID() string { return s.Name + "-lease" }

// acquire takes the lease if it is free or has run out; nil: another has it.
func (s *server) acquire(ctx context.Context) (*lease, error) {
	l := &lease{doc: leaseDocument{Holder: s.Holder, Token: s.token}}
	var there leaseDocument
	at, err := system.Get(ctx, s.ES, s.leaseID(), &there)
	if err != nil && !errors.Is(err, system.ErrNone) {
		return nil, fmt.Errorf("cannot look at the lease: %w", err)
	}
	asked := time.Now()
	now, err := clusterTime(ctx, s.ES)
	if err != nil {
		return nil, err
	}
	// A token of our own is left from a request whose answer was lost.
	if at != (system.Place{}) && there.Token != s.token {
		if now.Before(there.Expires) && there.Expires.Before(now.Add(48*time.Hour)) {
			return nil, nil
		}
		s.Log.Warn(fmt.Sprintf("Taking over the lease of %s, which ran out %s ago.", clean(there.Holder), now.Sub(there.Expires)))
	}
	l.doc.Expires = now.Add(s.Lease)
	if l.at, err = system.Put(ctx, s.ES, s.leaseID(), l.doc, at); errors.Is(err, system.ErrChanged) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("cannot take the lease: %w", err)
	}
	l.until = asked.Add(s.Lease * 2 / 3)
	s.metrics.lease.Set(1)
	return l, nil
}

// renew renews the lease until ctx is done, and calls lost when it is.
func (s *server) renew(ctx context.Context, l *lease, lost context.CancelCauseFunc) {
	for sleep(ctx, s.Lease/6) == nil {
		s.alive()
		err := s.renewOnce(ctx, l)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, ErrLost), err != nil && l.valid() != nil:
			l.mu.Lock()
			l.until = time.Time{}
			l.mu.Unlock()
			s.metrics.lease.Set(0)
			s.Log.Error(fmt.Sprintf("The lease is lost; nothing more is deleted: %v", err))
			lost(ErrLost)
			return
		case err != nil:
			s.Log.Warn(fmt.Sprintf("The lease could not be renewed yet: %v", err))
		}
	}
}

func (s *server) renewOnce(ctx context.Context, l *lease) error {
	client := s.ES.With(s.Lease / 6)
	asked := time.Now()
	now, err := clusterTime(ctx, client)
	if err != nil {
		return err
	}
	doc := l.doc
	doc.Expires = now.Add(s.Lease)
	at, err := system.Put(ctx, client, s.leaseID(), doc, l.at)
	if errors.Is(err, system.ErrChanged) { // by ourselves, if an answer was lost
		var there leaseDocument
		if at, err = system.Get(ctx, client, s.leaseID(), &there); err == nil && there.Token != s.token || errors.Is(err, system.ErrNone) {
			return fmt.Errorf("%w: %s has it", ErrLost, cmp.Or(clean(there.Holder), "nobody"))
		}
		l.mu.Lock()
		l.at = at
		l.mu.Unlock()
		return errors.Join(err, errors.New("an earlier renewal had no answer"))
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.until = at, asked.Add(s.Lease*2/3)
	return nil
}

// release gives the lease back, so that nobody has to wait until it runs out.
func (s *server) release(ctx context.Context, l *lease) {
	s.metrics.lease.Set(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Lease/2)
	defer cancel()
	if err := system.Delete(ctx, s.ES, s.leaseID(), l.at); err != nil && !errors.Is(err, system.ErrChanged) {
		s.Log.Warn(fmt.Sprintf("The lease was not given back; it runs out by itself: %v", err))
	}
}

// clusterTime asks for the time of the node that answers, in whole seconds.
func clusterTime(ctx context.Context, client *es.Client) (time.Time, error) {
	var rows []struct {
		Epoch string `json:"epoch"`
	}
	err := client.Do(ctx, http.MethodGet, "/_cat/health", url.Values{"format": {"json"}, "h": {"epoch"}}, nil, &rows)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask the cluster for the time: %w", err)
	}
	if len(rows) == 1 {
		if n, err := strconv.ParseInt(rows[0].Epoch, 10, 64); err == nil && n > 0 {
			return time.Unix(n, 0).UTC(), nil
		}
	}
	return time.Time{}, errors.New("cannot ask the cluster for the time: the answer has none")
}

// state is what is known of the last run.
type state struct {
	Version  int       `json:"version"` // of this form: 1
	Began    time.Time `json:"began"`   // by the clock of the schedule
	Took     float64   `json:"took"`    // seconds
	Holder   string    `json:"holder"`  // who ran it
	Result   string    `json:"result"`  // ok, held (guards held something back), failed
	Error    string    `json:"error,omitempty"`
	Failures int       `json:"failures,omitempty"` // runs that failed one after the other, up to this one
	Success  time.Time `json:"success,omitzero"`   // when the last one with result ok began
	Summary  Summary   `json:"summary"`

	at system.Place
}

func (s *server) stateID() string { return stateID(s.Name) }

func stateID(name string) string { return cmp.Or(name, defaultName) + "-state" }

func (s *server) loadState(ctx context.Context) (*state, error) {
	return loadState(ctx, s.ES, s.stateID())
}

// loadState returns the state of the last run; an empty one if there was none.
func loadState(ctx context.Context, client *es.Client, id string) (*state, error) {
	st := &state{}
	at, err := system.Get(ctx, client, id, st)
	switch {
	case errors.Is(err, system.ErrNone):
		return &state{}, nil
	case err != nil:
		return nil, fmt.Errorf("cannot learn of the last run: %w", err)
	case st.Version != 1:
		return nil, fmt.Errorf("cannot learn of the last run: its record has version %d, this program knows 1", st.Version)
	}
	st.at = at
	return st, nil
}

// after is the state once a run has ended.
func (st *state) after(begun time.Time, took time.Duration, holder string, sum Summary, err error) *state {
	next := &state{Version: 1, Began: begun.UTC(), Took: took.Seconds(), Holder: holder, Summary: sum, Success: st.Success, at: st.at}
	switch {
	case err != nil:
		next.Result, next.Error, next.Failures = "failed", clean(err.Error()), st.Failures+1
	case sum.Held > 0:
		next.Result = "held"
	default:
		next.Result, next.Success = "ok", begun.UTC()
	}
	return next
}

func (st *state) save(ctx context.Context, client *es.Client, id string) error {
	if _, err := system.Put(ctx, client, id, st, st.at); err != nil {
		return fmt.Errorf("cannot record the run: %w", err)
	}
	return nil
}

// Record notes a run that no schedule began in the state, where a schedule and the status of the cluster find it. name is
// that of Options; err is what went wrong in the run.
func Record(ctx context.Context, client *es.Client, name string, begun time.Time, took time.Duration, sum Summary, err error) error {
	st, failed := loadState(ctx, client, stateID(name))
	if failed != nil {
		return failed
	}
	return st.after(begun, took, thisProcess(), sum, err).save(ctx, client, stateID(name))
}

// thisProcess names it for people.
func thisProcess() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// newToken is a text that no other process has.
func newToken() string { return fmt.Sprintf("%016x%016x", rand.Uint64(), rand.Uint64()) }

// clean makes text from elsewhere safe to print: one short line without control characters.
func clean(text string) string {
	return cut(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text))
}

func cut(text string) string {
	if r := []rune(text); len(r) > 500 {
		return string(r[:500]) + "…"
	}
	return text
}
