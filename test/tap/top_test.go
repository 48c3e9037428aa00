package tap

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/beat/top"
	"github.com/podbeat/podbeat/bench/sink"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/tui/screen"
)

// TestTop: the figures are those of what has happened.
func TestTop(t *testing.T) {
	n := newNode(t, "")
	n.write(900, "line")
	n.write(100, "noise")
	n.delivered(900)
	figures := func() (f top.Figures) {
		t.Helper()
		code, stdout, stderr := n.run("top", "-o", "json", "--interval", "100ms")
		if err := json.Unmarshal([]byte(stdout), &f); err != nil || code != 0 {
			t.Fatalf("got %d, %v: %s%s", code, err, stdout, stderr)
		}
		return f
	}
	var f top.Figures
	n.until("everything is acknowledged", func() bool {
		f = figures()
		return len(f.Inputs) == 1 && f.Inputs[0].InFlight == 0 && f.Inputs[0].Read == 1000 && f.Ready
	})
	in := f.Inputs[0]
	if in.Type != "podlogs" || in.ID != "pods" || in.State != "running" || in.Acked != 900 || in.Filtered != 100 || in.DeadLetters != 0 || in.LagBytes == nil || *in.LagBytes != 0 {
		t.Errorf("got %+v", in)
	}
	if f.Output.Type != "elasticsearch" || f.Output.Acked != 900 || f.Queue.Events != 0 || f.Queue.Max == nil || *f.Queue.Max != 4096 || f.Started.IsZero() || f.Version == "" {
		t.Errorf("got %+v %+v", f.Output, f.Queue)
	}
	if len(f.Namespaces) == 0 || f.Namespaces[0].Name != "shop" || f.Namespaces[0].Read != 1000 {
		t.Errorf("got %+v", f.Namespaces)
	}

	n.sink.SetFaults(sink.Faults{Request503: 1})
	n.write(500, "stuck")
	n.until("500 wait", func() bool { return figures().Inputs[0].InFlight == 500 })
	code, stdout, stderr := n.run("top", "--once", "--interval", "100ms")
	want := regexp.MustCompile(`(?m)^podlogs pods  running +0 +0 +500 +\d+s +0 B +100 +0 +- +0$`)
	if code != 0 || !want.MatchString(stdout) || !strings.Contains(stdout, "500 of 4096, 12%") || strings.Contains(stdout, "\x1b") {
		t.Errorf("got %d, %s%s", code, stdout, stderr)
	}
	n.sink.SetFaults(sink.Faults{})
	n.delivered(1400)
}

// TestScreen: top draws on a screen of its own, follows its size, outlives podbeat, and leaves the terminal as it was.
func TestScreen(t *testing.T) {
	n := newNode(t, "")
	s, err := screen.Start(screen.Options{Width: 120, Height: 30, Dir: n.Dir, Env: []string{"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8"}},
		harness.Program(t, "podbeat"), "top", "--path.home", n.Dir, "--interval", "200ms")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	wait := func(what string, ok func(text string) bool) {
		t.Helper()
		if err := s.Wait(what, ok); err != nil {
			t.Fatal(err)
		}
	}
	wait("the input", func(text string) bool { return strings.Contains(text, "podlogs pods  running") })
	n.write(300, "line")
	wait("the namespace", func(text string) bool { return regexp.MustCompile(`shop +\d`).MatchString(text) })
	if err := s.Resize(60, 6); err != nil {
		t.Fatal(err)
	}
	wait("fewer lines", func(text string) bool {
		return strings.Contains(text, "lines more") && strings.HasPrefix(text, "podbeat ")
	})
	if err := s.Resize(120, 30); err != nil {
		t.Fatal(err)
	}
	n.Kill9()
	wait("the reason", func(text string) bool { return strings.Contains(text, "no podbeat runs here") })
	n.Start()
	wait("the input again", func(text string) bool {
		return strings.Contains(text, "podlogs pods  running") && !strings.Contains(text, "no podbeat runs here")
	})
	if err := s.Keys("q"); err != nil {
		t.Fatal(err)
	}
	if code, err := s.Exit(); err != nil || code != 0 {
		t.Errorf("got %d (%v)", code, err)
	}
	if err := s.WaitSane(); err != nil {
		t.Error(err)
	}
}

// TestSampleCases: the sample's cases hold for the sample's configuration, wherever they run; a change of it is found.
func TestSampleCases(t *testing.T) {
	home := t.TempDir()
	sample, err := os.ReadFile("../../_meta/beat.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(home, "podbeat.yml")
	f := func(text string, wantCode int, args []string, want ...string) {
		t.Helper()
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n := &node{t: t, Podbeat: &harness.Podbeat{Dir: home}}
		code, stdout, stderr := n.run(append([]string{"test", "-c", config}, args...)...)
		for _, w := range want {
			if !strings.Contains(stdout+stderr, w) {
				t.Errorf("got %s%s, want %s", stdout, stderr, w)
			}
		}
		if code != wantCode {
			t.Errorf("got exit code %d, want %d: %s%s", code, wantCode, stdout, stderr)
		}
	}
	const cases = "../../_meta/cases.yml"
	f(string(sample), 0, []string{cases}, "ok    a container's line in the journal is its pod's", "all 4 test cases are ok")
	f(strings.Replace(string(sample), "- pausedrop: ~ ", "#", 1), 1, []string{cases}, "FAIL  the log of a pause container is dropped ("+cases+":",
		`want it dropped, got it with message "shutting down"`, "1 of 4 test cases failed")
	f(string(sample), 0, []string{"--run", "unit", "-v", cases}, "all 1 test cases", `"unit": "cron.service"`, "index logstash-podbeat-node-7-2024.12.31")
	f(string(sample), 1, []string{"--run", "nothing", cases}, `no test case has a name that "nothing" finds`)
	f(string(sample), 1, []string{"none.yml"}, "cannot read test cases", "none.yml")
	f(string(sample), 1, []string{"confg"}, `unknown command "confg" for "podbeat test"; known ones: config, output`)
	f("podbeat.inputs: [{type: journal}]\nprocessors: [{nothing: ~}]\noutput.console: ~\n", 1, []string{cases}, "cannot build the processors", "nothing")
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 1 {
		t.Errorf("the tests leave %v (%v)", entries, err)
	}
}
