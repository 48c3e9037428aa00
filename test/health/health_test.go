// Package health tests what podbeat says of itself, with the built program: each check of /readyz is shown by breaking
// the thing it is about and mending it again, each alert rule by a real Prometheus that sees it fire, each metric of
// the dashboard and the rules by looking for it at a podbeat that runs.
package health

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// A beat is a podbeat with its HTTP server, and what it reads from and writes to.
type beat struct {
	*harness.Podbeat
	t      *testing.T
	client *http.Client
	logs   string // folder of the files it reads
	lines  int
	sink   *sink.Sink
	server *httptest.Server
	hangs  atomic.Bool // it takes requests and never answers
}

// quick are health's options for tests.
const quick = "podbeat.health: {stuck_after: 3s, stalled_after: 3s, restart_after: 6s}\n"

// start installs a podbeat that reads files and sends to a sink. In its configuration, FILES is the folder, OUTPUT the
// sink's address.
func start(t *testing.T, config string) *beat {
	t.Helper()
	b := &beat{t: t, logs: t.TempDir(), sink: sink.New(sink.Options{IDs: true, Seed: 1})}
	b.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b.hangs.Load() {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
			return
		}
		b.sink.ServeHTTP(w, r)
	}))
	b.server.Listener.Close()
	var err error
	if b.server.Listener, err = net.Listen("tcp", services.Address(t)); err != nil { // a test may come back to it
		t.Fatal(err)
	}
	b.server.Start()
	t.Cleanup(func() {
		b.server.CloseClientConnections()
		b.server.Close()
	})
	b.Podbeat = harness.New(t, strings.NewReplacer("FILES", b.logs, "OUTPUT", b.server.URL).Replace(config))
	socket := filepath.Join(b.Dir, "http.sock")
	b.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	return b
}

// plain is a podbeat with files as its input.
const plain = `
podbeat.inputs:
- {type: filestream, id: files, paths: ["FILES/*.log"], prospector.scanner.check_interval: 500ms}
output.elasticsearch: {hosts: ["OUTPUT"], backoff: {init: 50ms, max: 200ms}, timeout: 90s}
setup.template.enabled: false
queue.mem: {events: 200, flush.min_events: 10, flush.timeout: 100ms}
` + quick

// write writes n lines for it to read.
func (b *beat) write(n int) {
	b.t.Helper()
	file, err := os.OpenFile(filepath.Join(b.logs, "a.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	for range n {
		b.lines++
		fmt.Fprintf(file, "line %d of what an application says\n", b.lines)
	}
}

// get asks the HTTP server; 0 while it does not answer.
func (b *beat) get(path, accept string) (code int, body string) {
	r, err := http.NewRequest(http.MethodGet, "http://podbeat"+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	res, err := b.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

// A check is one of /readyz.
type check struct {
	Check, State, Found, Todo string
	Since                     time.Time
	Restart                   bool
}

// health is what /readyz and /healthz say: their codes and the checks that are not ok, as "output failing".
func (b *beat) health() (ready, healthy int, bad []string, text string) {
	ready, text = b.get("/readyz", "")
	healthy, _ = b.get("/healthz", "")
	var all struct{ Checks []check }
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return ready, healthy, nil, text
	}
	for _, c := range all.Checks {
		if c.State != "ok" {
			bad = append(bad, c.Check+" "+c.State)
			if c.Found == "" || c.Todo == "" && c.Check != "stop" || c.Since.IsZero() {
				b.t.Errorf("check %+v does not say what was found, since when, or what to do", c)
			}
		}
	}
	return ready, healthy, bad, text
}

// want waits until /readyz and /healthz answer so, for these checks.
func (b *beat) want(what string, ready, healthy int, bad string) (text string) {
	b.t.Helper()
	var got string
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		r, h, checks, all := b.health()
		if got = fmt.Sprint(r, " ", h, " ", strings.Join(checks, ", ")); got == fmt.Sprint(ready, " ", healthy, " ", bad) {
			return all
		}
		text = all
		if !b.Running() {
			break
		}
	}
	b.t.Fatalf("%s: got %s; want %d %d %s\n%s", what, got, ready, healthy, bad, text)
	return ""
}

// delivered waits until everything written has been delivered, and the receipt says so.
func (b *beat) delivered() {
	b.t.Helper()
	b.Wait("all lines are delivered", func(s harness.Stats) bool {
		return s["libbeat.output.events.acked"]+s["libbeat.output.events.duplicates"] >= float64(b.lines)
	})
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		r := b.receipt()
		if r.AddsUp && r.Total.Acked+r.Total.DeadLetters >= int64(b.lines) && r.Total.InFlight == 0 {
			return
		}
		if time.Now().After(end) {
			b.t.Fatalf("%d lines were written, and the receipt says %+v", b.lines, r)
		}
	}
}

type receipt struct {
	AddsUp     bool `json:"adds_up"`
	Difference int64
	Total      entry
	Inputs     []struct {
		Type, ID string
		entry
	}
	Namespaces []struct {
		Name string
		entry
	}
}

type entry struct {
	Read, Resumed, Filtered, Acked, Dropped, Abandoned int64
	DeadLetters                                        int64 `json:"dead_letters"`
	InFlight                                           int64 `json:"in_flight"`
}

func (b *beat) receipt() (r receipt) {
	b.t.Helper()
	code, text := b.get("/receipt", "")
	if code != http.StatusOK {
		return r
	}
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		b.t.Fatalf("%v in %s", err, text)
	}
	return r
}

// An output that refuses is stuck: not ready, but a restart would not mend it.
func TestOutputRefuses(t *testing.T) {
	b := start(t, plain)
	b.want("it idles", 200, 200, "")
	b.write(5)
	b.delivered()
	b.sink.SetFaults(sink.Faults{Request503: 1})
	b.write(5)
	b.want("Elasticsearch answers 503", 503, 200, "output failing")
	b.sink.SetFaults(sink.Faults{})
	b.want("it takes them", 200, 200, "")
	b.delivered()

	// An Elasticsearch that is gone.
	address := b.server.Listener.Addr().String()
	b.server.CloseClientConnections()
	b.server.Close()
	b.write(5)
	b.want("Elasticsearch is gone", 503, 200, "output failing")
	back := &http.Server{Handler: b.sink}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	go back.Serve(listener)
	b.want("it is back", 200, 200, "")
	b.delivered()
	b.Term()
	if !strings.Contains(b.Log(), `Receipt of input filestream \"files\": read 15 + resumed 0 = filtered 0 + acked 15`) &&
		!strings.Contains(b.Log(), `Receipt of input filestream "files": read 15 + resumed 0 = filtered 0 + acked 15`) {
		t.Error("the receipt is not in the log")
	}
}

// An output that hangs, and does not even try: a restart may mend it.
func TestOutputHangs(t *testing.T) {
	b := start(t, plain)
	b.hangs.Store(true)
	b.write(50)
	b.want("nothing comes back", 503, 200, "output failing")
	b.want("for long", 503, 503, "output failing")
	b.Kill9()
	b.hangs.Store(false)
	b.Start()
	b.want("a restart mends it", 200, 200, "")
	b.delivered()
}

// A podbeat that stops is not ready any more, and does not want to be restarted.
func TestStop(t *testing.T) {
	// The stop alone is told, and is still on its way when a busy machine looks.
	b := start(t, strings.Replace(plain, "stuck_after: 3s", "stuck_after: 5m", 1)+"podbeat.shutdown_timeout: 3m\n")
	b.want("it idles", 200, 200, "")
	b.hangs.Store(true)
	b.write(5)
	b.Wait("lines are read", func(s harness.Stats) bool { return s["libbeat.pipeline.events.active"] == 5 })
	b.Signal(syscall.SIGTERM)
	b.want("it stops", 503, 200, "stop failing")
}

// An input that cannot do its work goes on trying.
func TestInputIdle(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	keys := filepath.Join(t.TempDir(), "keys.json")
	if out, err := exec.Command(harness.Program(t, "podbeat"), "token", "keys", keys).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b := start(t, strings.Replace(plain, "podbeat.inputs:", fmt.Sprintf("podbeat.inputs:\n- {type: push, id: gateway, listen: %q, keys: %q}", taken.Addr(), keys), 1))
	text := b.want("the port is taken", 503, 200, "inputs failing")
	if !strings.Contains(text, "push gateway") {
		t.Errorf("it does not say which: %s", text)
	}
	b.write(5)
	b.delivered() // by the other one
	taken.Close()
	b.want("the port is free", 200, 200, "")
}

// A journal that podbeat has no right to read. root may read everything, but for the capability to.
func TestNoRights(t *testing.T) {
	dir := t.TempDir()
	if _, err := journalgen.Write(dir, journalgen.Defaults(200)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	chmod := func(mode os.FileMode) {
		t.Helper()
		for _, name := range files {
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod(0)
	b := start(t, plain)
	b.Kill9()
	b.Configure(fmt.Sprintf(`
podbeat.inputs:
- {type: journal, id: node, paths: [%q]}
output.elasticsearch.hosts: [%q]
setup.template.enabled: false
`, dir, b.server.URL) + quick)
	if os.Geteuid() == 0 {
		b.By = []string{"setpriv", "--bounding-set", "-dac_override,-dac_read_search"}
	}
	b.Start()
	text := b.want("the files are for others", 503, 200, "rights failing")
	if !strings.Contains(text, "systemd-journal") {
		t.Errorf("it does not say what to do: %s", text)
	}
	chmod(0o444)
	b.Kill9()
	b.Start()
	b.want("podbeat may read them", 200, 200, "")
	b.Wait("it reads", func(s harness.Stats) bool { return s["podbeat.journal.node.read"] > 0 })
}
