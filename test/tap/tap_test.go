// Package tap tests `podbeat tap`, `podbeat top` and `podbeat test CASES` as people use them: the built program beside a podbeat that runs.
package tap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/podbeat/podbeat/beat/tap"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// A node is a podbeat that reads the console of one pod.
type node struct {
	*harness.Podbeat
	t    *testing.T
	sink *sink.Sink
	log  string
	n    int // lines written
}

// newNode is one whose socket answers.
func newNode(t *testing.T, more string) *node {
	t.Helper()
	n := start(t, more)
	n.answers()
	return n
}

// start is newNode without a look at the socket, which podbeat makes after its inputs.
func start(t *testing.T, more string) *node {
	t.Helper()
	pods := t.TempDir()
	dir := filepath.Join(pods, "shop_web-7d4b9c8f6-x2v5k_8f6c2a1e-0000-4000-8000-000000000000", "web")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, sink: sink.New(sink.Options{IDs: true}), log: filepath.Join(dir, "0.log")}
	server := httptest.NewServer(n.sink)
	t.Cleanup(server.Close)
	n.Podbeat = harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- {type: podlogs, id: pods, paths: ["%s/*/*/*.log"], scan_interval: 100ms}
processors:
- drop_event.when.contains.message: noise
- add_fields: {target: "", fields: {region: eu}}
queue.mem: {events: 4096, flush.min_events: 512, flush.timeout: 50ms}
output.elasticsearch.hosts: [%q]
%s
`, pods, server.URL, more))
	n.Wait("it reads", func(s harness.Stats) bool { return s["libbeat.config.module.running"] == 1 })
	return n
}

// write writes lines to the pod's console, each ending with the line's number.
func (n *node) write(lines int, text string) {
	n.t.Helper()
	f, err := os.OpenFile(n.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		n.t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	for range lines {
		n.n++
		fmt.Fprintf(&b, "2024-05-17T12:00:00.5Z stderr F %s %d\n", text, n.n)
	}
	if _, err := f.Write(b.Bytes()); err != nil {
		n.t.Fatal(err)
	}
}

// answers waits until the socket, which has its rights then, answers.
func (n *node) answers() {
	n.t.Helper()
	client := tap.NewClient(n.socket())
	n.until("its socket answers", func() bool {
		status, _, err := client.Get(n.t.Context(), "/info")
		return err == nil && status == http.StatusOK
	})
}

func (n *node) socket() string { return filepath.Join(n.Dir, "data", "podbeat.sock") }

// A command is a run of podbeat beside the one that runs.
type command struct {
	*exec.Cmd
	stdout bytes.Buffer
	stderr *said
}

// said is what a command says, which may be read while it runs.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (n *node) command(args ...string) *command {
	return command{}.of(exec.Command(harness.Program(n.t, "podbeat"), append(args, "--path.home", n.Dir)...))
}

func (command) of(cmd *exec.Cmd) *command {
	c := &command{Cmd: cmd, stderr: new(said)}
	c.Stdout, c.Stderr = &c.stdout, c.stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// run runs podbeat to its end and returns its exit code and what it has written.
func (n *node) run(args ...string) (code int, stdout, stderr string) {
	n.t.Helper()
	c := n.command(args...)
	return c.finish(n.t, c.Run())
}

func (c *command) finish(t *testing.T, err error) (code int, stdout, stderr string) {
	t.Helper()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), c.stdout.String(), c.stderr.String()
}

// tapping starts a tap whose output is a file, and returns once it shows something.
func (n *node) tapping(args ...string) (c *command, shown string) {
	n.t.Helper()
	out, err := os.Create(filepath.Join(n.t.TempDir(), "out"))
	if err != nil {
		n.t.Fatal(err)
	}
	defer out.Close()
	c = n.command(append([]string{"tap"}, args...)...)
	c.Stdout = out
	if err := c.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.until("the tap shows something", func() bool {
		n.write(1, "first")
		info, err := out.Stat()
		return err == nil && info.Size() > 0
	})
	return c, out.Name()
}

func (n *node) until(what string, ok func() bool) {
	n.t.Helper()
	n.Wait(what, func(harness.Stats) bool { return ok() })
}

func (n *node) delivered(lines int) {
	n.t.Helper()
	n.Wait(fmt.Sprint(lines, " lines are delivered"), func(s harness.Stats) bool { return int(s["libbeat.output.events.acked"]) >= lines })
}

// TestTap: events are shown as they leave the processors, those that the filter finds, as many as are wanted.
func TestTap(t *testing.T) {
	n := newNode(t, `podbeat.tap.redact: ["/token=\\S+/"]`)
	text := n.command("tap", "level: error and region: eu and not message: other", "--limit", "3")
	whole := n.command("tap", "-o", "ndjson", "--input", "podlogs", "-n", "6")
	ended := make(chan error, 2)
	for _, c := range []*command{text, whole} {
		go func() { ended <- c.Run() }()
	}
	var errs []error
	n.until("both taps have ended", func() bool {
		n.write(1, "noise")
		n.write(1, "other")
		n.write(1, "boom token=abc")
		select {
		case err := <-ended:
			errs = append(errs, err)
		default:
		}
		return len(errs) == 2
	})
	if errors.Join(errs...) != nil {
		t.Fatalf("got %v\n%s%s", errs, text.stderr, whole.stderr)
	}
	lines := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:00\.500  ERR     shop/web-7d4b9c8f6-x2v5k  boom \[redacted\] \d+$`)
	if got := text.stdout.String(); len(lines.FindAllString(got, -1)) != 3 || strings.Count(got, "\n") != 3 {
		t.Errorf("got %s", got)
	}
	if got := strings.Split(strings.TrimSpace(whole.stdout.String()), "\n"); len(got) != 6 {
		t.Errorf("got %d lines: %s", len(got), got)
	}
	for line := range strings.Lines(whole.stdout.String()) {
		var e struct {
			Message, Region string
			Metadata        map[string]any `json:"@metadata"`
			Agent           struct{ Type string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Region != "eu" || e.Agent.Type != "podbeat" || e.Metadata["_id"] == nil || strings.Contains(line, "noise") || strings.Contains(line, "abc") {
			t.Errorf("got %s", line)
		}
	}
}

// TestSlowReader: a reader that has stopped makes nobody wait. All that it has missed is counted, to the last event.
func TestSlowReader(t *testing.T) {
	const lines = 60_000
	n := newNode(t, "")
	c, shown := n.tapping("-o", "ndjson", "--fields", "message")
	// count says how many events are shown, and how many are told to be missed, of how many since the first that was looked at.
	count := func() (got, missed, want int) {
		text, err := os.ReadFile(shown)
		if err != nil {
			t.Fatal(err)
		}
		var began int // lines of a file come in their order
		first, _, _ := strings.Cut(string(text), "\n")
		if _, err := fmt.Sscanf(first[strings.Index(first, `"first `):], `"first %d"`, &began); err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		for _, m := range regexp.MustCompile(`podbeat: (\d+) events (are left out|were not looked at)`).FindAllStringSubmatch(c.stderr.String(), -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				t.Fatal(err)
			}
			missed += n
		}
		return bytes.Count(text, []byte("\n")), missed, n.n - began + 1
	}
	c.Process.Signal(syscall.SIGSTOP)
	n.write(lines, strings.Repeat("x", 200))
	n.delivered(n.n)
	c.Process.Signal(syscall.SIGCONT)
	// A stop waits for a tap for a second, in which a busy machine does not take the megabytes that wait here.
	n.until("it has taken what waited for it", func() bool { got, missed, want := count(); return got+missed >= want })
	c.Process.Signal(syscall.SIGSTOP)
	n.write(100, "last")
	n.delivered(n.n)
	c.Process.Signal(syscall.SIGCONT)
	n.Term() // the last thing that a tap is told is the whole count
	code, _, stderr := c.finish(t, c.Wait())
	got, missed, want := count()
	if code != 1 || !strings.Contains(stderr, "podbeat stops") {
		t.Errorf("got exit code %d: %s", code, stderr)
	}
	if missed == 0 || got+missed != want {
		t.Errorf("got %d events and %d missed, %d in all, want %d\n%s", got, missed, got+missed, want, stderr)
	}
	if s := n.sink.Stats(); s.IDs != int64(n.n) {
		t.Errorf("%d documents are stored, want %d", s.IDs, n.n)
	}
}

// TestSocket: nobody else may look; a kill leaves a socket that the next podbeat replaces, a stop leaves none.
func TestSocket(t *testing.T) {
	n := newNode(t, "")
	if info, err := os.Lstat(n.socket()); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Fatalf("got %v (%v), want a socket with 0600", info, err)
	}
	f := func(what string, wantCode int, want string) {
		t.Helper()
		code, stdout, stderr := n.run("tap", "--socket", n.socket(), "--duration", "1s")
		if code != wantCode || !strings.Contains(stderr, want) || stdout != "" {
			t.Errorf("%s: got exit code %d, %s%s, want %d, %s", what, code, stdout, stderr, wantCode, want)
		}
	}
	f("running", 0, "no event was found: 1s have passed")
	one, _ := n.tapping()
	two, _ := n.tapping()
	n.Kill9()
	for _, c := range []*command{one, two} {
		if code, _, stderr := c.finish(t, c.Wait()); code != 1 || !strings.Contains(stderr, "podbeat has ended") {
			t.Errorf("killed: got %d, %s", code, stderr)
		}
	}
	f("killed", 1, "no podbeat runs here: the socket "+n.socket()+" is left from one that was killed")
	n.Start()
	n.answers()
	f("running again", 0, "no event was found")
	found := command{}.of(exec.Command(harness.Program(t, "podbeat"), "top", "--once", "--interval", "100ms", "--path.data", filepath.Join(n.Dir, "data")))
	if code, stdout, stderr := found.finish(t, found.Run()); code != 0 || !strings.Contains(stdout, "podlogs pods") {
		t.Errorf("by path.data, without a configuration: got %d, %s%s", code, stdout, stderr)
	}
	interrupted, _ := n.tapping()
	interrupted.Process.Signal(os.Interrupt)
	if code, _, stderr := interrupted.finish(t, interrupted.Wait()); code != 0 || stderr != "" {
		t.Errorf("Ctrl-C: got %d, %s", code, stderr)
	}
	n.Term()
	f("stopped", 1, "no podbeat runs here: there is no socket "+n.socket())
}

// TestRights: another user is told that he has none.
func TestRights(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("run this test as root: it becomes another user")
	}
	n := newNode(t, "")
	program := harness.Program(t, "podbeat")
	for _, dir := range []string{filepath.Dir(program), n.Dir, filepath.Join(n.Dir, "data")} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := command{}.of(exec.Command(program, "tap", "--socket", n.socket()))
	c.Dir = "/"
	c.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	code, _, stderr := c.finish(t, c.Run())
	if code != 1 || !strings.Contains(stderr, "permission denied: only root and the user that podbeat runs as may") {
		t.Errorf("got %d, %s", code, stderr)
	}
}

// TestBrokenPipe: head and the like end a tap without a word.
func TestBrokenPipe(t *testing.T) {
	n := newNode(t, "")
	c := n.command("tap")
	c.Stdout = nil
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	first := make([]byte, 1)
	read := make(chan error, 1)
	go func() { _, err := io.ReadFull(out, first); out.Close(); read <- err }()
	n.until("something is shown", func() bool {
		n.write(1, "line")
		select {
		case err := <-read:
			if err != nil {
				t.Fatal(err)
			}
			return true
		default:
			return false
		}
	})
	go func() { ended <- c.Wait() }()
	n.until("it has ended", func() bool {
		n.write(1, "line")
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if c.stderr.String() != "" {
		t.Errorf("got %s", c.stderr)
	}
}

// TestOff: without a socket podbeat runs, and who asks for it is told why there is none.
func TestOff(t *testing.T) {
	n := start(t, "podbeat.tap.enabled: false")
	n.write(10, "line")
	n.delivered(10)
	if _, err := os.Lstat(n.socket()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want no socket", err)
	}
	if code, _, stderr := n.run("tap"); code != 1 || !strings.Contains(stderr, "its configuration says podbeat.tap.enabled: false") {
		t.Errorf("got %d, %s", code, stderr)
	}
	if code, _, stderr := n.run("test", "config", "-E", "podbeat.tap.redact=/(/"); code != 1 || !strings.Contains(stderr, "cannot redact") {
		t.Errorf("got %d, %s", code, stderr)
	}
}

// TestLongPath: a path.data whose socket has a longer name than an address has room for.
func TestLongPath(t *testing.T) {
	data := filepath.Join(t.TempDir(), strings.Repeat("d", 120))
	n := start(t, "path.data: "+data)
	n.until("top works", func() bool { code, _, _ := n.run("top", "-o", "json", "--interval", "100ms"); return code == 0 })
	if _, err := os.Lstat(filepath.Join(data, "podbeat.sock")); err != nil {
		t.Error(err)
	}
}
