package logapi

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
)

// What is changed by the API reaches podbeat and curator: all three are the real programs, and so is the store. A
// filestream's lines go to podbeat's index without a host, as they name none.
func TestConfigurationReaches(t *testing.T) {
	l := harness.NewLogapi(t, "")
	all := l.Token("", everything)
	post := func(body, holds string) {
		t.Helper()
		status, text := ask(t, all, "POST", l.URL+"/default/system/log", body)
		if status != 200 || !strings.Contains(strings.Join(strings.Fields(text), ""), holds) {
			t.Fatalf("%s: got %d %s, want %s", body, status, text, holds)
		}
	}
	dir := t.TempDir()
	tokenFile, logFile := filepath.Join(dir, "token"), filepath.Join(dir, "app.log")
	if err := os.WriteFile(tokenFile, []byte(all), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := 0
	write := func() {
		t.Helper()
		f, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			fmt.Fprintf(f, "line %d\n", lines)
			lines++
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	write()
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- {type: filestream, id: app, paths: [%q], prospector.scanner.check_interval: 200ms}
output.elasticsearch.hosts: [%q]
control: {url: "%s/default/system/log", token_file: %q, every: 1s}
`, logFile, l.Store, l.URL, tokenFile))
	arrived := func() int {
		status, text := ask(t, "", "GET", l.Store+"/logstash-podbeat-2*/_count", "")
		var answer struct{ Count int }
		if status != 200 || json.Unmarshal([]byte(text), &answer) != nil {
			return 0
		}
		return answer.Count
	}
	until := func(what string, holds func() bool) {
		t.Helper()
		for began := time.Now(); !holds(); time.Sleep(50 * time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				t.Fatalf("not within 30 s: %s", what)
			}
		}
	}
	until("the first lines arrive", func() bool { return arrived() == lines })

	state := func() string {
		_, text := ask(t, all, "GET", l.URL+"/default/system/log/status", "")
		var regions []struct {
			Collector map[string]struct {
				Enabled   bool
				Status    struct{ Scheduled, Up int }
				Instances []struct{ Status string }
			}
		}
		if err := json.Unmarshal([]byte(text), &regions); err != nil || len(regions) != 1 {
			t.Fatalf("cannot read the status: %v: %s", err, text)
		}
		f := regions[0].Collector["filebeat"]
		return fmt.Sprint(f.Enabled, f.Status.Scheduled, f.Status.Up, f.Instances)
	}
	until("podbeat is seen", func() bool { return state() == "true 1 1 [{up}]" })
	post(`{"collector":{"filebeat":{"enabled":false}}}`, `"filebeat":{"enabled":false`)
	// It logs that the collector is off before its inputs have stopped, and tells logapi afterwards.
	until("podbeat stops its input", func() bool { return state() == "false 0 0 [{off}]" })
	before := arrived()
	write()
	p.Term() // it stays off when it starts again
	p.Start()
	time.Sleep(3 * time.Second) // long enough for a line to be read, if anybody did
	if now := arrived(); now != before {
		t.Errorf("%d lines arrived while their collector was off", now-before)
	}
	post(`[{"collector":{"filebeat":{"enabled":true}}}]`, `"filebeat":{"enabled":true`)
	until("the lines that were written meanwhile arrive", func() bool { return arrived() >= lines })
	if got := arrived(); got != lines {
		t.Errorf("%d lines arrived, %d were written", got, lines)
	}

	today := time.Now().UTC()
	old := "logstash-podbeat-node-" + today.AddDate(0, 0, -20).Format("2006.01.02")
	for _, index := range []string{old, "logstash-podbeat-node-" + today.Format("2006.01.02")} {
		if status, text := ask(t, "", "PUT", l.Store+"/"+index+"/_doc/1", `{"message":"x"}`); status != 201 {
			t.Fatalf("%d %s", status, text)
		}
	}
	planned := func(want bool) {
		t.Helper()
		out, err := exec.Command(harness.Program(t, "curator"), "--hosts", l.Store, "--policy", "elasticsearch", "--dry-run", "--max-delete-ratio", "1").CombinedOutput()
		if err != nil || strings.Contains(string(out), old) != want {
			t.Errorf("curator: %v, want %s in it: %v\n%s", err, old, want, out)
		}
	}
	post(`{"rotate":{"enabled":true,"age":7}}`, `"rotate":{"enabled":true,"age":7`)
	planned(true)
	post(`{"rotate":{"age":60}}`, `"rotate":{"enabled":true,"age":60`)
	planned(false)
	post(`{"rotate":{"enabled":false,"age":7}}`, `"rotate":{"enabled":false`)
	planned(false)
	post(`{"rotate":{"enabled":true}}`, `"rotate":{"enabled":true,"age":7`)
	if out, err := exec.Command(harness.Program(t, "curator"), "--hosts", l.Store, "--policy", "elasticsearch", "--max-delete-ratio", "1").CombinedOutput(); err != nil {
		t.Errorf("curator: %v\n%s", err, out)
	}
	if status, text := ask(t, "", "HEAD", l.Store+"/"+old, ""); status != 404 {
		t.Errorf("%s is still there: %d %s", old, status, text)
	}
	until("the status tells of curator's run", func() bool {
		_, text := ask(t, all, "GET", l.URL+"/default/system/log/status", "")
		return strings.Contains(text, `"result":"ok","deleted":1`)
	})
	status, text := ask(t, all, "GET", l.URL+"/default/system/log/history", "")
	if status != 200 || strings.Count(text, harness.Email) < 5 {
		t.Errorf("the history: %d %s", status, text)
	}
}
