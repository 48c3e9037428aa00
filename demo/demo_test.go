package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
)

// programs is the folder of the built programs.
var programs string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if programs, err = os.MkdirTemp("", "podbeat-demo-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(programs)
		if out, err := exec.Command("go", "build", "-o", programs+"/", "../cmd/...").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build the programs: %v: %s\n", err, out)
			return 1
		}
		if out, err := exec.Command("go", "build", "-o", programs+"/program", ".").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build the demo: %v: %s\n", err, out)
			return 1
		}
		return m.Run()
	}())
}

// A show is a demo that runs, at a terminal or without.
type show struct {
	t      *testing.T
	bin    string // its folder of programs
	cmd    *exec.Cmd
	keys   *os.File // what is typed; nil without a terminal
	exited chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
}

// Write takes what the demo prints.
func (s *show) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *show) printed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.text.String(), "\r\n", "\n")
}

// newFolder returns a folder with the programs.
func newFolder(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	for _, name := range []string{"podbeat", "logapi", "curator", "logtui"} {
		if err := os.Symlink(filepath.Join(programs, name), filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return bin
}

// begin starts a demo.
func begin(t *testing.T, bin string, terminal bool) *show {
	t.Helper()
	s := &show{t: t, bin: bin, exited: make(chan struct{})}
	s.cmd = exec.Command(programs+"/program", bin)
	s.cmd.Stdout, s.cmd.Stderr = s, s
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	closed := func() {}
	if terminal {
		closed = s.atTerminal()
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.cmd.Wait()
		closed()
		close(s.exited)
	}()
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		<-s.exited
		if t.Failed() {
			t.Log(s.printed())
			for _, name := range []string{"logapi.log", "podbeat.log"} {
				text, _ := os.ReadFile(filepath.Join(bin, "demo", name))
				t.Logf("the end of %s:\n%s", name, text[max(0, len(text)-5000):])
			}
		}
	})
	return s
}

// atTerminal gives the demo a terminal of its own. closed is to be called when the demo has ended; then all it has printed is there.
func (s *show) atTerminal() (closed func()) {
	s.t.Helper()
	terminal, keys := harness.PTY(s.t, 130)
	s.keys = keys
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = terminal, terminal, terminal
	s.cmd.SysProcAttr.Setsid, s.cmd.SysProcAttr.Setctty = true, true
	read := make(chan struct{})
	go func() { // ends when nobody has the terminal any more
		defer close(read)
		for b := make([]byte, 4096); ; {
			n, err := keys.Read(b)
			s.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	return func() {
		terminal.Close()
		<-read
	}
}

// await waits until the demo has printed a text.
func (s *show) await(text string) {
	s.t.Helper()
	giveUp := time.After(2 * time.Minute)
	for !strings.Contains(s.printed(), text) {
		select {
		case <-s.exited:
			if !strings.Contains(s.printed(), text) {
				s.t.Fatalf("it ended (%v) without printing %q", s.cmd.ProcessState, text)
			}
		case <-giveUp:
			s.t.Fatalf("it did not print %q within two minutes", text)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// end waits until the demo has ended with this code; -1 is a signal's.
func (s *show) end(code int) {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(2 * time.Minute):
		s.t.Fatal("it did not end within two minutes")
	}
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("it ended with %v, want exit status %d", s.cmd.ProcessState, code)
	}
}

// endAll is end, and no program of the demo is left then.
func (s *show) endAll(code int) {
	s.t.Helper()
	s.end(code)
	if left := s.left(); len(left) > 0 {
		s.t.Errorf("it ended, and these run on: %q", left)
	}
}

// left are the demo's programs that are still there.
func (s *show) left() (list []string) {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		if text, _ := os.ReadFile(name); bytes.Contains(text, []byte(s.bin+"/")) {
			list = append(list, string(bytes.ReplaceAll(text, []byte{0}, []byte(" "))))
		}
	}
	return list
}

// TestDemo runs it as a pipe or a build server would, where something listens on the usual ports: it ends by itself.
func TestDemo(t *testing.T) {
	for _, port := range []string{"9280", "9200", "9281", "8085", "5066"} {
		if l, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil { // else somebody else does
			defer l.Close()
		}
	}
	s := begin(t, newFolder(t), false)
	s.endAll(0)
	for _, want := range []string{
		`journal entries and messages read +1000 .* 600 +20\n`,
		`joined to another entry's message +51 `,
		`messages acknowledged +949 .* 600 +20\n`,
		`from pause containers +157 `,
		`documents in the store +792 .* 600 +20\n`,
		`lost( +0){3,4}\n`,
		`doubled( +0){3,4}\n`,
		`shop/web-7d4b9c8f6-x2v5k +\S+ ERROR cannot answer request=`,
		`  shop +order 0013 refused`,
		`the same search with a token for .*, 485, by namespace:\n +shop +485, 21 errors\n\n`,
		`system/log/status: green\n  journalbeat 1 of 1 up, filebeat 1 of 1 up, http_gateway 1 of 1 up`,
	} {
		if !regexp.MustCompile(want).MatchString(s.printed()) {
			t.Errorf("want %q in what it prints", want)
		}
	}
	if strings.Contains(s.printed(), "Ctrl-C") {
		t.Error("it speaks to somebody at a terminal")
	}
}

// TestTerminal types what the demo says may be typed, and then Ctrl-C. A second demo is told that the folder is taken.
func TestTerminal(t *testing.T) {
	s := begin(t, newFolder(t), true)
	s.await("All this goes on until Ctrl-C")
	s.await("/stats?pretty")
	_, told, _ := strings.Cut(s.printed(), "in another terminal:\n")
	out, err := exec.Command("bash", "-euc", told).CombinedOutput()
	if err != nil {
		t.Errorf("what it says to type fails (%v):\n%s\n%s", err, told, out)
	}
	for _, want := range []string{`"_index" : "logstash-podbeat-`, "health status index", "demo@example.com", `"published"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("what it says to type prints no %q:\n%s", want, out)
		}
	}
	second := begin(t, s.bin, false)
	second.end(1)
	if !strings.Contains(second.printed(), "another demo is running in "+s.bin+"/demo: end it with Ctrl-C there") {
		t.Errorf("a second one prints %q", second.printed())
	}
	s.keys.WriteString("\x03")
	s.endAll(0)
}

// TestInterrupted types Ctrl-C in the middle.
func TestInterrupted(t *testing.T) {
	f := func(after string) {
		t.Helper()
		s := begin(t, newFolder(t), true)
		s.await(after)
		s.keys.WriteString("\x03")
		s.endAll(0)
		if strings.Contains(s.printed(), "demo: ") || !strings.HasSuffix(s.printed(), "\nstopping\n") {
			t.Errorf("it prints %q", s.printed())
		}
	}
	f("logapi  answers")
	f("podbeat reads")
	f("what became of it")
}

// TestFailures has programs end by themselves.
func TestFailures(t *testing.T) {
	f := func(program, after string) {
		t.Helper()
		s := begin(t, newFolder(t), true)
		s.await(after)
		kill(t, filepath.Join(s.bin, program))
		s.endAll(1)
		want := fmt.Sprintf("demo: %s has ended by itself (signal: killed): see %[2]s/demo/%[1]s.log\n", program, s.bin)
		if !strings.HasSuffix(s.printed(), want) {
			t.Errorf("it prints %q, want %q at the end", s.printed(), want)
		}
	}
	f("podbeat", "podbeat reads")
	f("logapi", "All this goes on until Ctrl-C")

	bin := newFolder(t)
	if err := errors.Join(os.Remove(bin+"/logapi"), os.WriteFile(bin+"/logapi", []byte("#!/bin/sh\necho no $1 >&2; exit 3\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	s := begin(t, bin, false)
	s.endAll(1)
	if want := "demo: logapi user: exit status 3: no user"; !strings.Contains(s.printed(), want) {
		t.Errorf("it prints %q, want %q", s.printed(), want)
	}
}

// TestCause: a request that fails because a program is ending is that program's end, which is known a little later.
func TestCause(t *testing.T) {
	refused := errors.New("connection refused")
	p := &program{name: "podbeat", log: "podbeat.log", exited: make(chan struct{})}
	d := &demo{logapi: &program{exited: make(chan struct{})}, podbeat: p}
	if err := d.cause(t.Context(), refused); err != refused {
		t.Errorf("while all run, got %v", err)
	}
	go func() {
		time.Sleep(10 * time.Millisecond) // as long as the system takes to tell
		close(p.exited)
	}()
	if err := d.cause(t.Context(), refused); err == refused || err.Error() != p.failure().Error() {
		t.Errorf("when podbeat has ended, got %v", err)
	}
}

// TestDoubled puts a document into the store beside podbeat's.
func TestDoubled(t *testing.T) {
	s := begin(t, newFolder(t), false)
	s.await("podbeat reads")
	address := regexp.MustCompile(`Elasticsearch does at (http://\S+)`).FindStringSubmatch(s.printed())[1]
	resp, err := http.Post(address+"/logstash-other/_doc", "application/json", strings.NewReader(`{"tags": ["pods"], "message": "x"}`))
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("cannot put a document into the store: %v %v", resp, err)
	}
	resp.Body.Close()
	s.endAll(1)
	if want := "demo: of pods 0 messages are lost and 1 doubled: that must not be; see " + s.bin + "/demo/podbeat.log"; !strings.Contains(s.printed(), want) {
		t.Errorf("want %q in what it prints", want)
	}
}

// TestKilled: without the demo its programs end too.
func TestKilled(t *testing.T) {
	s := begin(t, newFolder(t), false)
	s.await("podbeat reads")
	s.cmd.Process.Kill()
	s.end(-1)
	for giveUp := time.After(time.Minute); len(s.left()) > 0; {
		select {
		case <-giveUp:
			t.Fatalf("still running: %q", s.left())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// kill ends the process of a program.
func kill(t *testing.T, path string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if text, _ := os.ReadFile(name); bytes.HasPrefix(text, []byte(path+"\x00")) {
			var pid int
			fmt.Sscanf(name, "/proc/%d/", &pid)
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s is not running", path)
}
