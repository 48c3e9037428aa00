// Package control tests podbeat's section `control:` from outside: the built podbeat, with a logapi that wants
// collectors off and on while they work, and one that is lost, slow or lies.
package control

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podbeat/podbeat/heartbeat"
	"github.com/podbeat/podbeat/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const secret = "eyJhbGciOiJIUzI1NiJ9.e30.a-token-that-no-log-may-have"

// A logapi takes heartbeats and answers with what it wants.
type logapi struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	answer http.HandlerFunc
	beats  []heartbeat.Beat
	asked  int // requests, good or not
}

// newLogapi starts one that wants nothing, until the test ends.
func newLogapi(t testing.TB) *logapi {
	a := &logapi{t: t}
	a.want(0)
	a.Server = httptest.NewServer(a)
	t.Cleanup(a.Close)
	return a
}

func (a *logapi) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // podbeat has ended
	}
	a.mu.Lock()
	a.asked++
	answer := a.answer
	if r.Method != http.MethodPost || r.URL.Path != "/api/eu/system/log/heartbeat" || r.Header.Get("Authorization") != "Bearer "+secret {
		a.t.Errorf("%s %s with %q is no heartbeat", r.Method, r.URL, r.Header)
	}
	b, err := heartbeat.Read(body)
	if err != nil {
		a.t.Errorf("%v: %s", err, body)
	}
	a.beats = append(a.beats, b)
	a.mu.Unlock()
	answer(w, r)
}

// want has collectors off from now on, and all others on, as this version of the configuration says.
func (a *logapi) want(version int64, off ...string) {
	w := heartbeat.Wanted{Version: version, Collectors: map[string]bool{}}
	for _, name := range heartbeat.Collectors {
		w.Collectors[name] = true
	}
	for _, name := range off {
		w.Collectors[name] = false
	}
	a.does(func(rw http.ResponseWriter, _ *http.Request) { rw.Write(w.Append(nil)) })
}

func (a *logapi) does(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// seen returns the newest heartbeat, and how many there were.
func (a *logapi) seen() (last heartbeat.Beat, n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n = len(a.beats); n > 0 {
		last = a.beats[n-1]
	}
	return last, n
}

// states are the inputs of a heartbeat as "journal running, emptydir off", in its order.
func states(b heartbeat.Beat) string {
	var list []string
	for _, in := range b.Inputs {
		list = append(list, in.Type+" "+in.State)
	}
	return strings.Join(list, ", ")
}

// until waits for a heartbeat that says that the inputs are in these states by this version, and returns it.
func (a *logapi) until(p *harness.Podbeat, version int64, want string) heartbeat.Beat {
	a.t.Helper()
	began := time.Now()
	var last heartbeat.Beat
	for {
		var n int
		if last, n = a.seen(); n > 0 && last.Wanted == version && states(last) == want {
			return last
		}
		select {
		case <-p.Exited():
			a.t.Fatal("podbeat has ended by itself")
		case <-time.After(20 * time.Millisecond):
		}
		if time.Since(began) > time.Minute {
			a.t.Fatalf("waited for %q by version %d; the last of %d heartbeats says %q by version %d", want, version, n, states(last), last.Wanted)
		}
	}
}

// more waits for n more heartbeats.
func (a *logapi) more(p *harness.Podbeat, n int) {
	a.t.Helper()
	_, before := a.seen()
	p.Wait(fmt.Sprintf("%d more heartbeats were sent", n), func(harness.Stats) bool {
		_, now := a.seen()
		return now >= before+n
	})
}

// section is podbeat's section for this logapi.
func (a *logapi) section(dir string) string {
	file := filepath.Join(dir, "control.token")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return fmt.Sprintf("control: {url: %q, token_file: %q, every: 1s, timeout: 2s, node: node1, pod_id: pod1}\n", a.URL+"/api/eu/system/log", file)
}

// event is a line of output.file.
type event struct {
	Meta struct {
		ID string `json:"_id"`
	} `json:"@metadata"`
	Message string
	Input   struct{ Type string }
}

// events reads all that output.file has written below dir. What is no whole line yet is being written, or was when podbeat
// was killed.
func events(t testing.TB, dir string) (list []event) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "docs*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasSuffix(line, "\n") {
				break
			}
			var e event
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%v: %.200s", err, line)
			}
			list = append(list, e)
		}
	}
	return list
}

// fileOutput is an output that writes every event that comes, also one that comes again.
func fileOutput(dir string) string {
	return fmt.Sprintf("output.file: {path: %q, filename: docs, rotate_every_kb: 1000000, number_of_files: 1000}\nqueue.mem: {events: 4096, flush.min_events: 512, flush.timeout: 100ms}\nlogging.metrics.enabled: false\n", dir)
}
