// Package harness runs podbeat as its users do: the built program, its YAML, a folder of its own. It starts,
// kills and stops it, waits for what its statistics say, and shows its log when the test fails.
package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/services"
)

// patience is how long a podbeat may stand still before a wait gives up, and how long it may take to stop.
const patience = 2 * time.Minute

// Soak says whether the long forms of the tests are wanted: environment variable PODBEAT_SOAK=1.
func Soak() bool { return os.Getenv("PODBEAT_SOAK") == "1" }

// Main is for TestMain: it runs the tests and then takes away the built programs and the servers of package services.
func Main(m *testing.M) int {
	defer programs.remove()
	return services.Main(m)
}

// A Podbeat is one installation of podbeat: its configuration and state, and at times a process. Its methods
// are for the goroutine of the test; what goes wrong ends the test.
type Podbeat struct {
	Dir      string   // path.home; path.data is data in it, all processes' logs are in podbeat.log
	Restarts int      // how often Wait may start the process again when it has ended by itself, as systemd does
	By       []string // a program, with arguments, that Start has start podbeat: setpriv, prlimit

	process
	client *http.Client
}

// New installs podbeat with this configuration and starts it; when the test ends, it is killed.
func New(t testing.TB, config string) *Podbeat {
	t.Helper()
	Program(t, "podbeat")
	dir, err := os.MkdirTemp("", "podbeat-") // t.TempDir would make the socket's path too long
	if err != nil {
		t.Fatal(err)
	}
	p := &Podbeat{Dir: dir, process: process{t: t, name: "podbeat"}}
	p.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true, // the next process has the same address
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", p.socket())
		},
	}}
	t.Cleanup(p.remove)
	p.Configure(config)
	p.Start()
	return p
}

// Configure writes another configuration, for the next Start.
func (p *Podbeat) Configure(config string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.Dir, "podbeat.yml"), []byte(config), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Podbeat) socket() string { return filepath.Join(p.Dir, "http.sock") }

func (p *Podbeat) logFile() string { return filepath.Join(p.Dir, "podbeat.log") }

// Log returns what all its processes have logged.
func (p *Podbeat) Log() string {
	p.t.Helper()
	data, err := os.ReadFile(p.logFile())
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

// Start starts the process. It does not wait for anything.
func (p *Podbeat) Start() {
	p.t.Helper()
	if p.Running() {
		p.t.Fatal("podbeat is running already")
	}
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close()
	args := append(slices.Clone(p.By), Program(p.t, "podbeat"), "-e", "-c", filepath.Join(p.Dir, "podbeat.yml"), "--path.home", p.Dir,
		"-E", "http.enabled=true", "-E", "http.host=unix://"+p.socket())
	p.cmd = exec.Command(args[0], args[1:]...)
	p.launch(p.cmd, log)
}

// remove is the last thing that happens to an installation.
func (p *Podbeat) remove() {
	if p.Running() {
		p.cmd.Process.Kill()
		<-p.exited
	}
	if p.t.Failed() {
		p.t.Logf("the end of podbeat's log:\n%s", tail(p.Log(), 40))
	}
	os.RemoveAll(p.Dir)
}

// tail returns the last n lines that podbeat has logged. libbeat prints others to the same place: one for each
// look at its cgroup.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "fetching V2 controller") })
	for i, line := range lines {
		lines[i] = line[:min(len(line), 600)]
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// Stats are the numbers of one process's /stats by their dotted names, as podbeat.journal.node.read and
// libbeat.output.events.acked. They are nil while it does not answer.
type Stats map[string]float64

// Stats asks the process for its statistics.
func (p *Podbeat) Stats() Stats {
	resp, err := p.client.Get("http://podbeat/stats")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var tree map[string]any
	if json.NewDecoder(resp.Body).Decode(&tree) != nil {
		return nil
	}
	s := Stats{}
	s.flatten("", tree)
	return s
}

func (s Stats) flatten(prefix string, tree map[string]any) {
	for name, value := range tree {
		switch v := value.(type) {
		case map[string]any:
			s.flatten(prefix+name+".", v)
		case float64:
			s[prefix+name] = v
		}
	}
}

// moving are the numbers that show whether podbeat gets on with its work.
func (s Stats) moving() Stats {
	m := maps.Clone(s)
	maps.DeleteFunc(m, func(name string, _ float64) bool {
		return !strings.HasPrefix(name, "podbeat.") && !strings.HasPrefix(name, "libbeat.pipeline.") && !strings.HasPrefix(name, "libbeat.output.")
	})
	return m
}

// Wait returns when the condition holds; what says in words what that is. The test fails if the process ends
// before (but see Restarts), or does nothing for two minutes.
func (p *Podbeat) Wait(what string, condition func(Stats) bool) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	began, moved, last := time.Now(), time.Now(), Stats(nil)
	for {
		s := p.Stats()
		if condition(s) {
			return
		}
		if m := s.moving(); m != nil && !maps.Equal(m, last) {
			moved, last = time.Now(), m
		}
		if stood := time.Since(moved); stood > patience {
			p.t.Fatalf("waited %v until %s, and podbeat has done nothing for %v; at the end:\n%s",
				time.Since(began).Round(time.Second), what, stood.Round(time.Second), last)
		}
		select {
		case <-tick.C:
		case <-p.Exited():
			if p.Restarts == 0 {
				p.t.Fatalf("podbeat has ended by itself before %s: %v", what, p.cmd.ProcessState)
			}
			p.Restarts--
			p.Start()
		}
	}
}

// String lists the numbers that are not 0, for people.
func (s Stats) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(s)) {
		if s[name] != 0 {
			fmt.Fprintf(&b, "%s=%.0f ", name, s[name])
		}
	}
	return b.String()
}

// Descriptors returns what the process has open: names of files, and others as socket:[1] or anon_inode:inotify.
func (p *Podbeat) Descriptors() (names []string) {
	p.t.Helper()
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", p.cmd.Process.Pid))
	if err != nil || len(links) == 0 {
		p.t.Fatalf("cannot see podbeat's descriptors: %v", err)
	}
	for _, link := range links {
		if name, err := os.Readlink(link); err == nil {
			names = append(names, name)
		}
	}
	return names
}

// DeletedFiles returns the names of deleted files that the process still holds open.
func (p *Podbeat) DeletedFiles() []string {
	p.t.Helper()
	return slices.DeleteFunc(p.Descriptors(), func(name string) bool { return !strings.HasSuffix(name, " (deleted)") })
}
