package health

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/test/services"
)

const (
	rulesFile     = "../../_meta/prometheus/podbeat.rules.yml"
	dashboardFile = "../../_meta/grafana/podbeat.json"
)

// A prometheus is a server with the alert rules, in a hurry: what has to last minutes there has to last seconds here.
type prometheus struct {
	t       *testing.T
	url     string
	targets string // file that lists them

	mu    sync.Mutex
	hosts []string
}

var hurries = strings.NewReplacer("> 300", "> 3", "> 100000", "> 1")

// hurry makes rules fire within seconds.
func hurry(rules string) string {
	return regexp.MustCompile(`for: \d+m`).ReplaceAllString(hurries.Replace(rules), "for: 1s")
}

func newPrometheus(t *testing.T) *prometheus {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is missing: install it, on Debian with `apt-get install -y --no-install-recommends prometheus`")
	}
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := &prometheus{t: t, targets: filepath.Join(dir, "targets.json")}
	p.list()
	for name, text := range map[string]string{
		"rules.yml": hurry(string(rules)),
		"prometheus.yml": `
global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [rules.yml]
scrape_configs:
- job_name: podbeat
  file_sd_configs: [{files: [targets.json], refresh_interval: 1s}]
`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	address := services.Address(t)
	p.url = "http://" + address
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		log.Close()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("prometheus says: %.4000s", text)
		}
	})
	p.wait("prometheus is ready", func() bool {
		res, err := http.Get(p.url + "/-/ready")
		if err != nil {
			return false
		}
		res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return p
}

func (p *prometheus) wait(what string, condition func() bool) {
	p.t.Helper()
	for end := time.Now().Add(3 * time.Minute); !condition(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited in vain: %s", what)
		}
	}
}

// list writes which targets there are, under a lock of its own or before there is anybody else.
func (p *prometheus) list() {
	text, err := json.Marshal([]map[string]any{{"targets": slices.Concat([]string{}, p.hosts)}})
	if err == nil {
		err = os.WriteFile(p.targets+"~", text, 0o644)
	}
	if err == nil {
		err = os.Rename(p.targets+"~", p.targets)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// scrape has a podbeat scraped, under the address it returns. edit may change what it says.
func (p *prometheus) scrape(b *beat, edit func(string) string) (instance string) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, text := b.get("/metrics", "")
		if code != http.StatusOK {
			http.Error(w, text, http.StatusBadGateway)
			return
		}
		if edit != nil {
			text = edit(text)
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte(text))
	}))
	b.t.Cleanup(server.Close)
	return p.add(strings.TrimPrefix(server.URL, "http://"))
}

func (p *prometheus) add(instance string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hosts = append(p.hosts, instance)
	p.list()
	return instance
}

func (p *prometheus) ask(path string, query url.Values, to any) error {
	res, err := http.Get(p.url + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var all struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
		return err
	}
	if all.Status != "success" {
		return fmt.Errorf("%s: %s", query.Get("query"), all.Error)
	}
	return json.Unmarshal(all.Data, to)
}

// query returns how many series an expression has now.
func (p *prometheus) query(expr string) (n int, err error) {
	var found struct{ Result []json.RawMessage }
	err = p.ask("/api/v1/query", url.Values{"query": {expr}}, &found)
	return len(found.Result), err
}

// firing are the alerts of an instance that fire now.
func (p *prometheus) firing(instance string) (names []string) {
	var all struct {
		Alerts []struct {
			State       string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
	if err := p.ask("/api/v1/alerts", nil, &all); err != nil {
		return nil
	}
	for _, a := range all.Alerts {
		if a.State == "firing" && a.Labels["instance"] == instance && !slices.Contains(names, a.Labels["alertname"]) {
			names = append(names, a.Labels["alertname"])
			if text := a.Annotations["summary"] + a.Annotations["description"]; strings.Contains(text, "<no value>") || strings.Contains(text, "error expanding") {
				p.t.Errorf("%s: %s", a.Labels["alertname"], text)
			}
		}
	}
	slices.Sort(names)
	return names
}

// fires waits until these alerts fire, among others maybe.
func (p *prometheus) fires(t *testing.T, instance string, want ...string) {
	t.Helper()
	seen := map[string]bool{}
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(300 * time.Millisecond) {
		for _, name := range p.firing(instance) {
			seen[name] = true
		}
		if !slices.ContainsFunc(want, func(name string) bool { return !seen[name] }) {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, name := range want {
				shown[name] = true
			}
			return
		}
	}
	t.Errorf("of %v only %v fire", want, seen)
}

// shown are the alerts that have been seen to fire; guarded by the prometheus' mu.
var shown = map[string]bool{}

// ready waits until the podbeat is there and has been scraped.
func (p *prometheus) ready(b *beat, instance string) {
	b.t.Helper()
	b.want("it starts", 200, 200, "")
	p.wait("it is scraped", func() bool {
		n, err := p.query(fmt.Sprintf("podbeat_ready{instance=%q} == 1", instance))
		return err == nil && n == 1
	})
}

// add returns an edit that adds n to a metric once begun is told: what cannot be broken from outside is as if it were.
func add(metric string, n float64, begun func() bool) func(string) string {
	line := regexp.MustCompile(`(?m)^(` + metric + `(?:\{[^}]*\})?) (\S+)$`)
	return func(text string) string {
		if !begun() {
			return text
		}
		return line.ReplaceAllStringFunc(text, func(s string) string {
			m := line.FindStringSubmatch(s)
			v, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				return s
			}
			return fmt.Sprint(m[1], " ", v+n)
		})
	}
}

// keepWriting writes lines until done is.
func keepWriting(b *beat, done context.Context) {
	for done.Err() == nil {
		b.write(5)
		time.Sleep(50 * time.Millisecond)
	}
}

var alertName = regexp.MustCompile(`(?m)^\s*- alert: (\w+)$`)

func ruleNames(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range alertName.FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	return names
}
