package rest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/harness"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedDir); dir != "" {
		fmt.Fprintln(os.Stderr, serveForever(dir))
		os.Exit(1)
	}
	os.Exit(harness.Main(m))
}

// podbeat sets up its template and ships into the store, and waits while that takes nothing.
func TestPodbeat(t *testing.T) {
	url, dir := serve(t), t.TempDir()
	const lines = 3000
	var text strings.Builder
	for i := range lines {
		fmt.Fprintf(&text, "line %d of a log\n", i)
	}
	file := filepath.Join(dir, "in.log")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	p := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- {type: filestream, id: in, paths: [%q]}
output.elasticsearch: {hosts: [%q], index: "logs-%%{+yyyy}", bulk_max_size: 100, backoff.max: 1s, compression_level: 3}
setup.template: {name: logs, pattern: "logs-*", type: legacy, settings.index.number_of_replicas: 2}
setup.ilm.enabled: false
`, file, url))
	acked := func(n float64) func(harness.Stats) bool {
		return func(s harness.Stats) bool { return s["libbeat.output.events.acked"] == n }
	}
	p.Wait("all lines are stored", acked(lines))
	index := fmt.Sprintf("logs-%d", time.Now().UTC().Year())
	if got := ask(t, 200, "GET", url+"/_cat/count/"+index+"?h=count", ""); got != fmt.Sprintf("%d\n", lines) {
		t.Errorf("%s lines are stored", got)
	}
	if got := ask(t, 200, "GET", url+"/"+index, ""); !strings.Contains(got, `"number_of_replicas":"2"`) || !strings.Contains(got, `"log":{"properties":{"file":`) ||
		!strings.Contains(got, `"message":{"type":"match_only_text"}`) && !strings.Contains(got, `"message":{"type":"text"`) {
		t.Errorf("podbeat's template has not made %.3000s", got)
	}

	ask(t, 200, "PUT", url+"/"+index+"/_settings", `{"index.blocks.read_only_allow_delete":true}`)
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("one more\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	p.Wait("the line is refused", func(s harness.Stats) bool { return s["libbeat.output.events.failed"] > 0 })
	ask(t, 200, "PUT", url+"/"+index+"/_settings", `{"index.blocks.read_only_allow_delete":null}`)
	p.Wait("the line is stored after all", acked(lines+1))
	p.Term()
	if log := p.Log(); strings.Contains(log, "\tERROR\t") && !strings.Contains(log, "429") {
		t.Errorf("podbeat has logged errors:\n%s", log)
	}
}

// run runs curator, which must exit with that code.
func run(t *testing.T, want int, args ...string) string {
	t.Helper()
	program := harness.Program(t, "curator") // building it may take more than the minute
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"HOME=" + t.TempDir(), "TZ=UTC"}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != want {
		t.Fatalf("curator %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// curator keeps its policy in the store, and does there what it does in Elasticsearch.
func TestCurator(t *testing.T) {
	url, dir := serve(t), t.TempDir()
	// All that is chosen by age would be chosen a day later too: midnight may come at any moment.
	today := time.Now().UTC()
	day := func(ago int) string {
		return "logstash-podbeat-node1-" + today.AddDate(0, 0, -ago).Format("2006.01.02")
	}
	for _, ago := range []int{0, 2, 4, 6, 10, 11} {
		ask(t, 201, "PUT", url+"/"+day(ago)+"/_doc/1", fmt.Sprintf(`{"@timestamp":%q}`, today.AddDate(0, 0, -ago).Format(time.RFC3339)))
	}
	indices := func() string {
		t.Helper()
		got := ask(t, 200, "GET", url+"/_cat/indices?h=index,status&s=index&expand_wildcards=all", "")
		return strings.ReplaceAll(strings.Join(strings.Fields(got), " "), "logstash-podbeat-node1-", "")
	}
	policy := filepath.Join(dir, "policy.yml")
	if err := os.WriteFile(policy, []byte("version: 1\ndefault: 7d\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, 0, "policy", "put", "--hosts", url, policy)
	if got := run(t, 0, "policy", "show", "--hosts", url); !strings.Contains(got, `"default": "7d"`) {
		t.Errorf("the policy is shown as %s", got)
	}
	run(t, 0, "--hosts", url, "--policy", "elasticsearch")
	name := func(ago int) string { return strings.TrimPrefix(day(ago), "logstash-podbeat-node1-") }
	want := fmt.Sprintf(".podbeat-system open %s open %s open %s open %s open", name(6), name(4), name(2), name(0))
	if got := indices(); got != want {
		t.Errorf("after a run there are %s\nwant %s", got, want)
	}

	actions := filepath.Join(dir, "actions.yml")
	const filters = ", filters: [{filtertype: pattern, kind: prefix, value: logstash-}, {filtertype: age, source: name, timestring: '%%Y.%%m.%%d', direction: older, unit: days, unit_count: %d}]}\n"
	text := fmt.Sprintf("actions:\n"+
		"  1: {action: close, options: {}"+filters+
		"  2: {action: forcemerge, options: {max_num_segments: 1, ignore_empty_list: true}"+filters+
		"  3: {action: replicas, options: {count: 3, wait_for_completion: true}"+filters+
		"  4: {action: index_settings, options: {index_settings: {index: {refresh_interval: 9s}}}"+filters+
		"  5: {action: alias, options: {name: recent}, add: {filters: [{filtertype: pattern, kind: suffix, value: %q}]}}\n"+
		"  6: {action: create_index, options: {name: made, extra_settings: {settings: {number_of_replicas: 0}}}}\n",
		6, 4, 2, 2, name(0))
	if err := os.WriteFile(actions, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, 0, "--hosts", url, actions)
	want = fmt.Sprintf(".podbeat-system open %s close %s open %s open %s open made open", name(6), name(4), name(2), name(0))
	if got := indices(); got != want {
		t.Errorf("after the actions there are %s\nwant %s", got, want)
	}
	if got := ask(t, 200, "GET", url+"/"+day(2)+"/_settings", ""); !strings.Contains(got, `"refresh_interval":"9s"`) || !strings.Contains(got, `"number_of_replicas":"3"`) {
		t.Errorf("the settings are %s", got)
	}
	if got := ask(t, 200, "GET", url+"/_alias/recent", ""); !strings.HasPrefix(got, fmt.Sprintf(`{%q`, day(0))) {
		t.Errorf("the alias is %s", got)
	}
}
