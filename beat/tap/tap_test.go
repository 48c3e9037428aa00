package tap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/paths"
)

// watched is a pipeline that can be looked at.
type watched struct {
	tap *Tap // that watches it

	mu sync.Mutex
	f  map[*func(*beat.Event)]bool
}

func (w *watched) Watch(f func(*beat.Event)) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		w.f = map[*func(*beat.Event)]bool{}
	}
	w.f[&f] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.f, &f)
	}
}

func (w *watched) watchers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.f)
}

func (w *watched) publish(e *beat.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for f := range w.f {
		(*f)(e)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain until " + what)
		}
	}
}

// run runs a Tap in a directory, and returns what it watches and a client; stop ends it.
func run(t *testing.T, dir string, o Options) (w *watched, c *Client, stop func()) {
	t.Helper()
	w = &watched{}
	o.Enabled = true
	tap, err := New(o, beat.Info{Beat: "podbeat", Version: "1.2.3"}, w.Watch, logp.NewLogger("test"))
	if err != nil {
		t.Fatal(err)
	}
	w.tap = tap
	before := paths.Paths.Data
	paths.Paths.Data = dir
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		tap.Run(done)
		close(ended)
	}()
	stop = sync.OnceFunc(func() {
		close(done)
		<-ended
		paths.Paths.Data = before
	})
	t.Cleanup(stop)
	c = NewClient(filepath.Join(dir, SocketName))
	until(t, "the socket answers", func() bool {
		status, _, err := c.Get(context.Background(), "/stats")
		return err == nil && status == http.StatusOK
	})
	return w, c, stop
}

// A tap of an input that is not there says so.
func TestMissing(t *testing.T) {
	answer := ""
	mux := http.NewServeMux()
	mux.HandleFunc("/receipt", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) })
	path := filepath.Join(t.TempDir(), SocketName)
	s, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go server.Serve(s)
	defer server.Close()
	f := func(input, says, want string) {
		t.Helper()
		answer = says
		if got := NewClient(path).missing(t.Context(), input); got != want {
			t.Errorf("%s: got %q, want %q", input, got, want)
		}
	}
	const two = `{"inputs":[{"type":"journal","id":"node"},{"type":"push","id":"a\u001b"}]}`
	f("node", two, "")
	f("push", two, "")
	f("nosuch", two, `there is no input with the type or id nosuch now; there are: journal node, push a\x1b`)
	f("nosuch", "{", "")
}

func event(n int) *beat.Event {
	return &beat.Event{Timestamp: time.Unix(int64(n), 0), Meta: common.MapStr{"_id": fmt.Sprint(n)}, Fields: common.MapStr{"message": fmt.Sprintf("line %d", n), "n": int64(n)}}
}

// TestTap: a tap shows what passes the filter, as many as are wanted, and nothing is watched afterwards.
func TestTap(t *testing.T) {
	w, c, _ := run(t, t.TempDir(), Options{})
	var got []string
	var last Counts
	ended := make(chan error, 1)
	go func() {
		ended <- c.Tap(t.Context(), Request{Filter: "n > 2 and message: line", Limit: 3}, func(line []byte) error {
			got = append(got, string(line))
			return nil
		}, func(c Counts) { last = c })
	}()
	until(t, "it is watched", func() bool { return w.watchers() == 1 })
	for n := range 10 {
		w.publish(event(n))
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if len(got) != 3 || !strings.HasPrefix(got[0], `{"@timestamp":"1970-01-01T00:00:03.000Z","@metadata":{"beat":"podbeat","type":"_doc","version":"1.2.3","_id":"3"},`) {
		t.Errorf("got %d events: %s", len(got), got)
	}
	if last.Sent != 3 || last.LeftOut != 0 || last.Unseen != 0 || last.End == "" {
		t.Errorf("got %+v", last)
	}
	until(t, "it is watched no longer", func() bool { return w.watchers() == 0 })
}

// TestSlowReader: a reader that takes nothing makes nobody wait, and is told how many events it has missed, to the last.
func TestSlowReader(t *testing.T) {
	w, c, stop := run(t, t.TempDir(), Options{})
	reads, got := make(chan struct{}), atomic.Int64{}
	var last Counts
	ended := make(chan error, 1)
	go func() {
		ended <- c.Tap(t.Context(), Request{}, func([]byte) error {
			<-reads
			got.Add(1)
			return nil
		}, func(c Counts) { last = c })
	}()
	until(t, "it is watched", func() bool { return w.watchers() == 1 })
	big := event(1)
	big.Fields["message"] = strings.Repeat("x", 64<<10)
	const events = 2000 // 128 MB
	for range events {
		w.tap.budget.spent.Store(0) // it is the reader who has no time, however slow the machine is
		w.publish(big)
	}
	close(reads)
	until(t, "it has what there was room for", func() bool { return got.Load() > 10 })
	stop()
	if err := <-ended; err == nil || err.Error() != endStops {
		t.Errorf("got %v", err)
	}
	if last.Sent != got.Load() || last.LeftOut == 0 || last.Sent+last.LeftOut+last.Unseen != events || last.Matched != last.Sent+last.LeftOut {
		t.Errorf("got %d events, %+v; want %d in all", got.Load(), last, events)
	}
}

// A during is a response that has something happen while lines are written to it.
type during struct {
	*httptest.ResponseRecorder
	lines func()
}

func (d during) Write(b []byte) (int, error) {
	if len(b) > 0 && !bytes.HasPrefix(b, noticeStart) {
		d.lines()
	}
	return d.ResponseRecorder.Write(b)
}

// What comes while the last lines are written is not among what has been sent.
func TestSentAtTheEnd(t *testing.T) {
	tap, err := New(Options{}, beat.Info{}, nil, logp.NewLogger("test"))
	if err != nil {
		t.Fatal(err)
	}
	s, stops := newStream(&query{sample: 1}, tap), make(chan struct{})
	w := during{httptest.NewRecorder(), func() {
		s.add([]byte("late\n"))
		select {
		case <-stops:
		default:
			close(stops)
		}
	}}
	s.add([]byte("first\n"))
	s.send(t.Context(), w, stops)
	text := w.Body.String()
	if lines := int64(strings.Count(text, "\n") - 1); !strings.Contains(text, fmt.Sprintf(`"sent":%d,`, lines)) {
		t.Errorf("%d lines are sent: %s", lines, text)
	}
}

// TestBounds: as many taps as there may be, and one more.
func TestBounds(t *testing.T) {
	w, c, _ := run(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range maxTaps {
		all.Go(func() {
			_ = c.Tap(ctx, Request{}, func([]byte) error { return nil }, func(Counts) {})
		})
	}
	until(t, "all are watching", func() bool { return w.watchers() == maxTaps })
	err := c.Tap(t.Context(), Request{}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "4 taps are open already") {
		t.Errorf("got %v", err)
	}
	cancel()
	all.Wait()
	until(t, "none is watching", func() bool { return w.watchers() == 0 })
}

func TestRefusals(t *testing.T) {
	_, c, _ := run(t, t.TempDir(), Options{})
	f := func(path string, status int, want string) {
		t.Helper()
		got, body, err := c.Get(t.Context(), path)
		if err != nil || got != status || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %d %s (%v), want %d %s", path, got, body, err, status, want)
		}
	}
	f("/tap?filter=level%3A(", 400, "cannot read the query at column 8")
	f("/tap?filter=lucene:+a", 400, "Lucene")
	f("/tap?limit=-1", 400, `cannot read limit "-1"`)
	f("/tap?samples=3", 400, `unknown parameter "samples", did you mean "sample"?`)
	f("/tap/", 404, "")
	f("/nothing", 404, "")
	f("/info", 200, "")
}

// TestPanic: a look that fails ends the tap, and not the pipeline.
func TestPanic(t *testing.T) {
	w, c, _ := run(t, t.TempDir(), Options{})
	ended := make(chan error, 1)
	go func() {
		ended <- c.Tap(t.Context(), Request{Filter: "message: x"}, func([]byte) error { return nil }, func(Counts) {})
	}()
	until(t, "it is watched", func() bool { return w.watchers() == 1 })
	w.publish(nil)
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "could not look at an event") {
		t.Errorf("got %v", err)
	}
}

// TestSocket: only the owner may open it; one that is left is replaced, one that lives and what is no socket is not.
func TestSocket(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), strings.Repeat("long", 30))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, SocketName)
		first, err := listenAt(path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode() != os.ModeSocket|0o600 {
			t.Errorf("got %v (%v), want 0600", info.Mode(), err)
		}
		if _, err := listenAt(path); err == nil || !strings.Contains(err.Error(), "another process answers there") {
			t.Errorf("a live socket: got %v", err)
		}
		first.UnixListener.Close() // as by kill -9: the name stays
		if _, err := dial(path); err == nil {
			t.Error("a dead socket answers")
		}
		second, err := listenAt(path)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := dial(path); err != nil {
			t.Errorf("cannot open the new one: %v", err)
		} else {
			c.Close()
		}
		if err := second.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v, want it removed", err)
		}
	}
	path := filepath.Join(t.TempDir(), SocketName)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenAt(path); err == nil || !strings.Contains(err.Error(), "something else of that name") {
		t.Errorf("a file: got %v", err)
	}
}

// TestClientErrors: who cannot reach a podbeat is told which socket was tried, and what to do.
func TestClientErrors(t *testing.T) {
	dir := t.TempDir()
	f := func(path, want string) {
		t.Helper()
		_, _, err := NewClient(path).Get(t.Context(), "/stats")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	f(filepath.Join(dir, "none.sock"), "no podbeat runs here")
	left := filepath.Join(dir, "left.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	f(left, "is left from one that was killed")
	file := filepath.Join(dir, "file.sock")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f(file, "no podbeat runs here")
}
