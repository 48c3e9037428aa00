package health

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
)

var (
	text      = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
	grouping  = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	selector  = regexp.MustCompile(`([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(\{[^}]*\})?(\s*\()?`)
	matcher   = regexp.MustCompile(`([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)`)
	others    = regexp.MustCompile(`\[[^\]]*\]|\b[0-9][0-9a-zA-Z_.]*`) // ranges and numbers
	operators = []string{"and", "or", "unless", "bool", "offset", "inf", "nan", "atan2"}
)

// named returns the metrics that a PromQL expression names, with the labels it wants of each.
func named(expr string) map[string][]string {
	expr = others.ReplaceAllString(text.ReplaceAllString(expr, `""`), "")
	var groups []string
	for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(m[2], ",") {
			groups = append(groups, strings.TrimSpace(label))
		}
	}
	found := map[string][]string{}
	for _, m := range selector.FindAllStringSubmatch(grouping.ReplaceAllString(expr, " "), -1) {
		if m[3] != "" || slices.Contains(operators, strings.ToLower(m[1])) {
			continue // a function, or no name
		}
		labels := slices.Clone(groups)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			labels = append(labels, l[1])
		}
		found[m[1]] = append(found[m[1]], labels...)
	}
	return found
}

func TestNamed(t *testing.T) {
	f := func(expr, want string) {
		t.Helper()
		var got []string
		for name, labels := range named(expr) {
			slices.Sort(labels)
			got = append(got, name+fmt.Sprint(slices.Compact(labels)))
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: got %s, want %s", expr, text, want)
		}
	}
	f(`up{job="podbeat"} == 0`, "up[job]")
	f(`sum by (a, b) (rate(x_total{c=~"d}e",f!="g"}[5m])) > 1e3 or vector(0)`, "x_total[a b c f]")
	f(`a / b > 0.95 and c{}`, "a[] b[] c[]")
	f(`topk(10, sum(increase(x_total[$__range])) by (n))`, "x_total[n]")
	f(`label_values(podbeat_info{job=~"$job"}, instance)`, "instance[] podbeat_info[job]")
	f(`changes(p[30m]) > 3 unless on (i) q`, "p[i] q[i]")
}

// TestEveryMetricIsThere looks for all that the dashboard and the rules name at a podbeat with every kind of input.
func TestEveryMetricIsThere(t *testing.T) {
	dir := t.TempDir()
	if _, err := journalgen.Write(dir, journalgen.Defaults(500)); err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.json")
	if out, err := exec.Command(harness.Program(t, "podbeat"), "token", "keys", keys).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := newPrometheus(t)
	b := start(t, strings.Replace(plain, "podbeat.inputs:", fmt.Sprintf(`podbeat.inputs:
- {type: journal, id: node, paths: [%q], delivery: store-on-failure, queue: {events: 1000}}
- {type: emptydir, id: a.b, paths: ["FILES/none/*.txt"]}
- {type: podlogs, paths: ["FILES/none/*.txt"]}
- {type: push, id: gateway, listen: "127.0.0.1:0", keys: %q}
- {type: kafka, hosts: ["127.0.0.1:1"], topics: [logs], group_id: g}`, dir, keys), 1))
	p.ready(b, p.scrape(b, nil)) // while the input kafka may still find its broker
	b.write(10)
	b.Wait("something is delivered", func(s harness.Stats) bool { return s["libbeat.output.events.acked"] > 400 })
	code, metrics := b.get("/metrics", "")
	if code != 200 {
		t.Fatalf("%d: %s", code, metrics)
	}
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v: %s", err, out)
	}
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "podbeat_other{") {
			t.Errorf("a figure has no name in beat/observe/names.go: %s", line)
		}
	}

	wanted := 0
	look := func(where, expr string) {
		t.Helper()
		for name, labels := range named(expr) {
			wanted++
			if name == "up" { // Prometheus' own
				continue
			}
			line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `(\{.*\})? `).FindString(metrics)
			if line == "" {
				t.Errorf("%s: there is no metric %s", where, name)
			}
			for _, label := range labels {
				if label != "job" && label != "instance" && !strings.Contains(line, label+`="`) {
					t.Errorf("%s: %s has no label %s: %s", where, name, label, line)
				}
			}
		}
	}
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\s*expr: (.*)$`).FindAllStringSubmatch(string(rules), -1) {
		look("rule", m[1])
	}
	for title, expr := range dashboard(t) {
		look(title, strings.NewReplacer("label_values(", "(", ", job)", ")", ", instance)", ")").Replace(expr))
		if strings.Contains(expr, "label_values") {
			continue
		}
		expr = strings.NewReplacer("$__rate_interval", "20s", "$__range", "1m", "$job", "podbeat", "$instance", ".*").Replace(expr)
		if _, err := p.query(expr); err != nil {
			t.Errorf("%s: %v", title, err)
		}
	}
	if wanted < 70 {
		t.Errorf("only %d names were looked for", wanted)
	}
	if out, err := exec.Command("promtool", "check", "rules", rulesFile).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules: %v: %s", err, out)
	}
}

// dashboard returns the expressions of the dashboard by where they are.
func dashboard(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title, Type, Description string
			Targets                  []struct{ RefID, Expr string }
		}
		Templating struct {
			List []struct{ Name, Definition string }
		}
		Annotations struct{ List []struct{ Name, Expr string } }
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, p := range board.Panels {
		if p.Type != "row" && (p.Description == "" || len(p.Targets) == 0) {
			t.Errorf("panel %q has no description, or shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			all[p.Title+" "+target.RefID] = target.Expr
		}
	}
	for _, v := range board.Templating.List {
		if v.Definition != "" {
			all["variable "+v.Name] = v.Definition
		}
	}
	for _, a := range board.Annotations.List {
		all["annotation "+a.Name] = a.Expr
	}
	return all
}
