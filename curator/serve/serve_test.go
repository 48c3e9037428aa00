package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/system"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

func client(t *testing.T, major int) *es.Client {
	t.Helper()
	c, err := es.New(es.Config{Hosts: []string{services.Elasticsearch(t, major)}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testClock is set forward by whoever sleeps. At the end of its time it stops the program.
type testClock struct {
	mu   sync.Mutex
	now  time.Time
	end  time.Time
	stop context.CancelFunc
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) Sleep(ctx context.Context, until time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now = until; !c.now.Before(c.end) {
		c.stop()
	}
	return context.Cause(ctx)
}

var start = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// newTest makes a server with a name of its own, whose clock stops it after so many days.
func newTest(t *testing.T, c *es.Client, days int, job func(context.Context) (Summary, error)) (*server, *testClock, context.Context) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	clock := &testClock{now: start, end: start.AddDate(0, 0, days), stop: stop}
	s, err := newServer(Options{Schedule: "02:30", Lease: 10 * time.Second, Name: strings.ToLower(t.Name()), ES: c, Log: slog.New(slog.DiscardHandler), Clock: clock, Job: job})
	if err != nil {
		t.Fatal(err)
	}
	s.retry = 10 * time.Millisecond
	t.Cleanup(func() { // tests share the servers
		for _, id := range []string{s.leaseID(), s.stateID()} {
			_ = c.Do(context.Background(), "DELETE", es.Path(system.Index, "_doc", id), nil, nil, nil)
		}
	})
	return s, clock, ctx
}

func TestSchedule(t *testing.T) {
	f := func(text, after, want string) {
		t.Helper()
		s, err := ParseSchedule(text)
		if err != nil {
			t.Error(err)
			return
		}
		from, _ := time.Parse(time.RFC3339, after)
		if got := s.Next(from).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: next after %s is %s, want %s", text, after, got, want)
		}
	}
	f("02:30", "2026-11-21T02:29:59Z", "2026-11-21T02:30:00Z")
	f("02:30", "2026-11-21T02:30:00Z", "2026-11-22T02:30:00Z")
	f("@daily", "2026-11-21T02:30:00Z", "2026-11-22T00:00:00Z")
	f("*/20 6-8 * * mon", "2026-11-21T02:30:00Z", "2026-11-23T06:00:00Z")
	f("0 0 1 * fri", "2026-11-21T02:30:00Z", "2026-11-27T00:00:00Z") // the first or a Friday, as cron has it

	bad := func(text string) {
		t.Helper()
		if _, err := ParseSchedule(text); err == nil {
			t.Errorf("%q must be refused", text)
		}
	}
	bad("")
	bad("25:00")
	bad("daily")
	bad("@every 1s")
	bad(strings.Repeat("1,", 200) + "1 * * * *")
	bad("* * * *")
	bad("0 0 31 2 *")
	bad("CRON_TZ=Nowhere/At_All 0 0 * * *")
}

// FuzzSchedule: what is accepted goes on for ever, and forwards.
func FuzzSchedule(f *testing.F) {
	for _, seed := range []string{"02:30", "*/5 * * * *", "0 0 29 2 *", "@every 1s", "CRON_TZ=UTC 1 1 1 1 1", "TZ= * * * * *", "60 24 32 13 8", "0 0 * * mon-sun/2", "@reboot"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSchedule(text)
		if err != nil {
			return
		}
		at := start
		for range 3 {
			next := s.Next(at)
			if !next.After(at) {
				t.Fatalf("%q: after %s comes %s", text, at, next)
			}
			at = next
		}
	})
}

// TestThirtyDays: one run a day at its time, and one only for all that was missed.
func TestThirtyDays(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			var ran []string
			var clock *testClock
			job := func(context.Context) (Summary, error) {
				ran = append(ran, clock.Now().Format("2 15:04"))
				return Summary{Planned: 2, Deleted: 1, DeletedBytes: 10}, nil
			}
			s, clock1, ctx := newTest(t, client(t, major), 30, job)
			clock = clock1
			if err := s.loop(ctx); err != nil {
				t.Fatal(err)
			}
			if len(ran) != 30 || ran[0] != "2 02:30" || ran[29] != "1 02:30" {
				t.Errorf("ran %d times: %v", len(ran), ran)
			}
			// Ten days without it.
			ran = nil
			s2, clock2, ctx := newTest(t, s.ES, 0, job)
			clock2.now, clock2.end = start.AddDate(0, 0, 40), start.AddDate(0, 0, 42)
			s2.Name, clock = s.Name, clock2
			if err := s2.loop(ctx); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(ran, ", "); got != "11 08:00, 12 02:30, 13 02:30" {
				t.Errorf("after a pause it ran at %s", got)
			}
			if text := scrape(t, s2, "/metrics"); !strings.Contains(text, "curator_deleted_indices_total 3\n") || !strings.Contains(text, "curator_runs_total{result=\"ok\"} 3\n") ||
				!strings.Contains(text, fmt.Sprintf("curator_last_success_timestamp_seconds %g\n", float64(time.Date(2026, 12, 13, 2, 30, 0, 0, time.UTC).Unix()))) {
				t.Errorf("metrics: %s", text)
			}
		})
	}
}

func scrape(t *testing.T, s *server, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String()
}

// TestOneOfSeveral: of several programs one does the run, and the others see that it is done.
func TestOneOfSeveral(t *testing.T) {
	c := client(t, 8)
	var ran, at atomic.Int32
	var all sync.WaitGroup
	for range 5 {
		s, _, ctx := newTest(t, c, 1, func(context.Context) (Summary, error) {
			if at.Add(1) != 1 {
				t.Error("two runs at once")
			}
			time.Sleep(20 * time.Millisecond)
			at.Add(-1)
			ran.Add(1)
			return Summary{}, nil
		})
		all.Go(func() {
			if err := s.once(ctx, system.Place{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if ran.Load() != 1 {
		t.Errorf("ran %d times, want once", ran.Load())
	}
}

// TestTakeover: the lease of a dead holder is taken when it has run out by the cluster's clock, and not before.
func TestTakeover(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			c := client(t, major)
			now, err := clusterTime(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			dead := leaseDocument{Holder: "dead/1", Token: "other"}
			var began time.Time
			s, _, ctx := newTest(t, c, 1, func(ctx context.Context) (Summary, error) {
				began, err = clusterTime(ctx, c)
				return Summary{}, err
			})
			// Where it has run out while it was being looked at, because the machine is slow, a longer one is.
			var at system.Place
			for lasts := 3 * time.Second; ; lasts *= 2 {
				dead.Expires = now.Add(lasts)
				if _, err := system.Put(ctx, c, s.leaseID(), dead, at); err != nil {
					t.Fatal(err)
				}
				held, err := s.acquire(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if held == nil {
					break
				}
				if now, err = clusterTime(ctx, c); err != nil || now.Before(dead.Expires) {
					t.Fatalf("a lease that has not run out was taken (%v)", err)
				}
				at = held.at
			}
			if err := s.once(ctx, system.Place{}); err != nil {
				t.Fatal(err)
			}
			if began.Before(dead.Expires) {
				t.Errorf("the run began at %s, before the lease ran out at %s", began, dead.Expires)
			}
			if _, err := system.Get(ctx, c, s.leaseID(), &dead); !errors.Is(err, system.ErrNone) {
				t.Errorf("the lease is not given back: %v", err)
			}
		})
	}
}

// TestFencing: a holder whose lease another has taken does nothing more.
func TestFencing(t *testing.T) {
	c := client(t, 7)
	var s *server
	s, _, ctx := newTest(t, c, 1, func(ctx context.Context) (Summary, error) {
		if err := Continue(ctx); err != nil {
			t.Errorf("the lease is held, and Continue says %v", err)
		}
		steal(t, s)
		<-ctx.Done()
		if err := Continue(ctx); !errors.Is(err, ErrLost) || Stopped(err) {
			t.Errorf("the lease is lost, and Continue says %v", err)
		}
		return Summary{}, Continue(ctx)
	})
	if err := s.once(ctx, system.Place{}); !errors.Is(err, ErrLost) {
		t.Errorf("error %v, want %v", err, ErrLost)
	}
	var there leaseDocument
	if _, err := system.Get(ctx, c, s.leaseID(), &there); err != nil || there.Token != "thief" {
		t.Errorf("the thief's lease is gone: %+v %v", there, err)
	}
	if st, err := s.loadState(ctx); err != nil || !st.Began.IsZero() {
		t.Errorf("the run is recorded as done: %+v %v", st, err)
	}

	// A holder that was suspended notices it by its own clock, before any request.
	held := &lease{until: time.Now().Add(-time.Millisecond)}
	if err := Continue(context.WithValue(ctx, runKey{}, runContext{ctx, held})); !errors.Is(err, ErrLost) {
		t.Errorf("the lease has run out, and Continue says %v", err)
	}
}

// TestRenewal: a run may be longer than the lease.
func TestRenewal(t *testing.T) {
	var s *server
	s, _, ctx := newTest(t, client(t, 8), 1, func(ctx context.Context) (Summary, error) {
		first := renewed(t, s)
		for renewed(t, s).Sub(first) < s.Lease {
			if err := Continue(ctx); err != nil {
				return Summary{}, err
			}
			time.Sleep(100 * time.Millisecond)
		}
		return Summary{}, Continue(ctx)
	})
	s.Lease = 10 * time.Second // the shortest there is: a server that is slow for a second does not make it run out
	if err := s.once(ctx, system.Place{}); err != nil {
		t.Error(err)
	}
}

func renewed(t *testing.T, s *server) time.Time {
	var there leaseDocument
	if _, err := system.Get(t.Context(), s.ES, s.leaseID(), &there); err != nil {
		t.Error(err)
	}
	return there.Expires
}

func steal(t *testing.T, s *server) {
	t.Helper()
	var there leaseDocument
	at, err := system.Get(t.Context(), s.ES, s.leaseID(), &there)
	if err == nil {
		_, err = system.Put(t.Context(), s.ES, s.leaseID(), leaseDocument{Holder: "thief", Token: "thief", Expires: there.Expires}, at)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestStop: a stop lets the job finish what it has in hand, gives the lease back, and leaves the run to be made up.
func TestStop(t *testing.T) {
	c := client(t, 7)
	var clock *testClock
	finished := false
	s, clock, ctx := newTest(t, c, 5, func(ctx context.Context) (Summary, error) {
		clock.stop()
		if err := Continue(ctx); !Stopped(err) {
			t.Errorf("the program is to stop, and Continue says %v", err)
		}
		if ctx.Err() == nil { // so that the request in hand is not broken off
			finished = true
		}
		return Summary{}, fmt.Errorf("stopped: %w", Continue(ctx))
	})
	if err := s.loop(ctx); err != nil {
		t.Error(err)
	}
	if !finished {
		t.Error("the job's context was cancelled by the stop")
	}
	if held, err := s.acquire(t.Context()); held == nil || err != nil {
		t.Errorf("the lease is not given back: %v", err)
	} else {
		s.release(t.Context(), held)
	}
	// The state says nothing of that run, so it is made up for.
	if st, err := s.loadState(t.Context()); err != nil || !st.Began.IsZero() {
		t.Errorf("state %+v %v", st, err)
	}
}

// TestFailures: a failed run is tried again, but not for ever; what was held back is not. The last success stays.
func TestFailures(t *testing.T) {
	bad := errors.New("bad \x1b[31m")
	results := []error{nil, bad, bad, nil, bad, bad, bad, bad, bad, bad}
	var ran []string
	var s *server
	var clock *testClock
	s, clock, ctx := newTest(t, client(t, 8), 5, func(ctx context.Context) (Summary, error) {
		ran = append(ran, clock.Now().Format("2 15:04"))
		if st, err := s.loadState(ctx); len(ran) == 3 && (err != nil || st.Error != "bad  [31m" || st.Result != "failed" || st.Failures != 1) {
			t.Errorf("after the first failure: %+v %v", st, err)
		}
		held := 0
		if len(ran) == 4 {
			held = 2
		}
		return Summary{Planned: 1, Held: held}, results[len(ran)-1]
	})
	if err := s.loop(ctx); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(ran, ", "), "2 02:30, 3 02:30, 3 02:35, 3 02:45, 4 02:30, 4 02:35, 4 02:45, 4 03:05, 5 02:30, 6 02:30"; got != want {
		t.Errorf("ran at %s, want %s", got, want)
	}
	st, err := s.loadState(t.Context())
	if err != nil || st.Result != "failed" || st.Failures != 6 || !st.Success.Equal(time.Date(2026, 11, 2, 2, 30, 0, 0, time.UTC)) {
		t.Errorf("state %+v %v", st, err)
	}
	text := scrape(t, s, "/metrics")
	for _, want := range []string{`curator_runs_total{result="failed"} 8`, `curator_runs_total{result="held"} 1`, `curator_runs_total{result="ok"} 1`, "curator_held_back_total 2", "curator_lease_held 0"} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %q in %s", want, text)
		}
	}
}

// TestAway: while Elasticsearch is away the schedule waits, and the run is made when it is back.
func TestAway(t *testing.T) {
	back := services.Elasticsearch(t, 7)
	var refused atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refused.Add(1) <= 40 {
			http.Error(w, `{"error":"away"}`, http.StatusInternalServerError)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, back+r.URL.RequestURI(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("X-Elastic-Product", "Elasticsearch")
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer proxy.Close()
	c, err := es.New(es.Config{Hosts: []string{proxy.URL}, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	s, _, ctx := newTest(t, c, 2, func(context.Context) (Summary, error) { ran++; return Summary{}, nil })
	if err := s.loop(ctx); err != nil || ran != 2 {
		t.Errorf("ran %d times (%v), want 2", ran, err)
	}
	if !strings.Contains(scrape(t, s, "/metrics"), "curator_errors_total 40\n") {
		t.Error("the failures are not counted")
	}
}

// TestForeignClock: a record from a program whose clock was years ahead does not stop the schedule.
func TestForeignClock(t *testing.T) {
	c := client(t, 8)
	ran := 0
	s, _, ctx := newTest(t, c, 3, func(context.Context) (Summary, error) { ran++; return Summary{}, nil })
	if err := (&state{Version: 1, Began: start.AddDate(4, 0, 0)}).save(ctx, s.ES, s.stateID()); err != nil {
		t.Fatal(err)
	}
	if err := s.loop(ctx); err != nil || ran != 3 {
		t.Errorf("ran %d times (%v), want 3", ran, err)
	}
}

func TestHealth(t *testing.T) {
	s, err := newServer(Options{Schedule: "@hourly", Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f := func(ago time.Duration, want string) {
		t.Helper()
		s.beat.Store(time.Now().Add(-ago).Unix())
		if got := scrape(t, s, "/healthz"); !strings.Contains(got, want) {
			t.Errorf("seen %s ago: %s, want %q", ago, got, want)
		}
	}
	f(time.Minute, `"status":"ok"`)
	f(time.Hour, `"status":"stuck"`)
	stop, err := s.listen()
	if err != nil {
		t.Fatal(err)
	}
	stop()
	for _, o := range []Options{{Schedule: "@daily", Lease: time.Second}, {Schedule: "@daily", Jitter: -1}, {Schedule: "x"}} {
		if err := Run(t.Context(), o); err == nil {
			t.Errorf("%+v must be refused", o)
		}
	}
}

func TestAudit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for i := range 2 {
		a, err := OpenAudit(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Write(Entry{Action: "delete_indices", Index: fmt.Sprintf("i\n%d", i), Docs: 3, Bytes: -1, Result: "ok"}); err != nil {
			t.Error(err)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := a.Write(Entry{}); err == nil || a.Err() == nil || a.Close() == nil {
			t.Error("writing to a closed log must fail, and be remembered")
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	var e Entry
	if len(lines) != 2 || json.Unmarshal([]byte(lines[1]), &e) != nil || e.Index != "i\n1" || e.Host == "" || e.User == "" || e.Time.IsZero() || e.Docs != 3 || e.Bytes != -1 {
		t.Errorf("audit log %q", text)
	}
	var b strings.Builder
	a, err := OpenAudit("-", &b)
	if err == nil {
		err = a.Write(Entry{Index: "x"})
	}
	if err != nil || strings.Count(b.String(), "\n") != 1 || a.Close() != nil {
		t.Errorf("to standard output: %q %v", b.String(), err)
	}
	if _, err := OpenAudit(filepath.Join(path, "x"), nil); err == nil {
		t.Error("a log that cannot be opened must be an error")
	}
}
