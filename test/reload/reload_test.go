// Package reload tests that podbeat, the program, takes up a changed configuration while it runs.
package reload

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// An installation is a podbeat whose configuration is changed as it runs.
type installation struct {
	*harness.Podbeat
	t             *testing.T
	logs, secrets string // folders

	stage  string // what the processors write into the field `stage`
	output string
	queue  string // section `queue`
	extra  string // further sections
	swaps  int    // of the ConfigMap
}

const memory = "mem: {events: 4096, flush.min_events: 200, flush.timeout: 100ms}"

const password = "a pass,word {with} $igns"

// install starts a podbeat that reads the folder logs and looks for changes all the time.
func install(t *testing.T, output, queue string) *installation {
	in := &installation{t: t, logs: t.TempDir(), secrets: t.TempDir(), stage: "one", output: output, queue: queue}
	t.Setenv("PODBEAT_SECRETS", in.secrets)
	in.secret("ES_PASSWORD", password+"\n")
	in.Podbeat = harness.New(t, in.text())
	// A change that comes before podbeat follows its configuration is one more than a test counts.
	in.Wait("the input runs", func(s harness.Stats) bool {
		_, runs := s["podbeat.emptydir.first.published"]
		return runs
	})
	return in
}

// text is the whole configuration.
func (in *installation) text() string {
	return fmt.Sprintf(`
podbeat:
  reload: {enabled: true, period: 200ms, timeout: 5s}
  inputs:
  - {type: emptydir, id: first, paths: [%q], pod_logs: %q, scan_interval: 1s}
  config.inputs: {path: "inputs.d/*.yml", reload: {enabled: true, period: 200ms}}
processors:
- add_fields: {target: "", fields: {stage: %s}}
queue: {%s}
%s
%s
`, filepath.Join(in.logs, "first*.log"), in.logs, in.stage, in.queue, in.extra, in.output)
}

func elasticsearch(url string) string {
	return fmt.Sprintf("output.elasticsearch: {hosts: [%q], username: podbeat, password: \"${ES_PASSWORD}\", bulk_max_size: 200, compression_level: 0, backoff: {init: 10ms, max: 100ms}}", url)
}

func (in *installation) secret(name, value string) {
	in.t.Helper()
	in.write(filepath.Join(in.secrets, name), value)
}

func (in *installation) write(path, text string) {
	in.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		in.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		in.t.Fatal(err)
	}
}

// mount has the configuration change as the kubelet changes a mounted ConfigMap: podbeat.yml is a link to
// ..data/podbeat.yml, and ..data a link to a folder, which is exchanged.
func (in *installation) mount() {
	in.t.Helper()
	in.swaps++
	folder := fmt.Sprintf("..2026_%d", in.swaps)
	in.write(filepath.Join(in.Dir, folder, "podbeat.yml"), in.text())
	steps := [][2]string{{folder, "..data"}}
	if in.swaps == 1 {
		steps = append(steps, [2]string{"..data/podbeat.yml", "podbeat.yml"})
	}
	for _, step := range steps {
		fresh := filepath.Join(in.Dir, "..data_tmp")
		if err := os.Symlink(step[0], fresh); err != nil {
			in.t.Fatal(err)
		}
		if err := os.Rename(fresh, filepath.Join(in.Dir, step[1])); err != nil {
			in.t.Fatal(err)
		}
	}
}

// status is what /reload tells.
type status struct {
	Hash         string   `json:"hash"`
	Changed      string   `json:"changed"`
	NeedsRestart []string `json:"needs_restart"`
	Refused      *struct {
		Reason string `json:"reason"`
		Again  bool   `json:"tried_again"`
	} `json:"refused"`
}

func (in *installation) status() (s status) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(in.Dir, "http.sock"))
	}}}
	resp, err := client.Get("http://podbeat/reload")
	if err != nil {
		in.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		in.t.Fatal(err)
	}
	return s
}

const (
	applied = "podbeat.reload.applied"
	refused = "podbeat.reload.refused"
)

// change has the configuration take effect that in says.
func (in *installation) change(what string, how func()) {
	in.t.Helper()
	before := in.Stats()[applied]
	how()
	in.Wait(what+" is in effect", func(s harness.Stats) bool { return s[applied] > before })
}

// refuse makes a change that is refused with a reason, and takes it back.
func (in *installation) refuse(what, reason string, do, undo func()) {
	in.t.Helper()
	before := in.Stats()
	do()
	in.Wait(what+" is refused", func(s harness.Stats) bool { return s[refused] > before[refused] })
	if s := in.status(); s.Refused == nil || !strings.Contains(s.Refused.Reason, reason) {
		in.t.Errorf("%s: refused because of %+v, want %q", what, s.Refused, reason)
	}
	undo()
	in.Wait("it is forgotten", func(harness.Stats) bool { return in.status().Refused == nil })
	if s := in.Stats(); s[applied] != before[applied] {
		in.t.Errorf("%s: %v reloads, want none", what, s[applied]-before[applied])
	}
}

// A writer writes lines with the tokens sq#00000000, sq#00000001 …
type writer struct {
	t    *testing.T
	file *os.File
	buf  *bufio.Writer
	n    *int // tokens written by all writers
}

func newWriter(t *testing.T, path string, n *int) *writer {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &writer{t, f, bufio.NewWriter(f), n}
}

func (w *writer) write(lines int) {
	w.t.Helper()
	for range lines {
		fmt.Fprintf(w.buf, "INFO sq#%08d the quick brown fox jumps over the lazy dog\n", *w.n)
		*w.n++
	}
	if err := w.buf.Flush(); err != nil {
		w.t.Fatal(err)
	}
}

// Three switches of the output between two servers, three changes of processors, inputs that come, and broken
// configurations in between, while events are on their way: each arrives once.
func TestSwitches(t *testing.T) {
	n := 40_000
	if harness.Soak() {
		n = 300_000
	}
	testSwitches(t, n, memory)
}

func TestSwitchesOfDiskQueue(t *testing.T) { testSwitches(t, 12_000, "disk.max_size: 64MB") }

func testSwitches(t *testing.T, events int, queue string) {
	const steps = 12
	each := events / steps
	a, b := newServer(t, password), newServer(t, password)
	in := install(t, elasticsearch(a.url), queue)
	n := 0
	first := newWriter(t, filepath.Join(in.logs, "first.log"), &n)
	second := newWriter(t, filepath.Join(in.logs, "second.log"), &n)
	more := func() { // as a rule, a step finds events of the one before on their way
		first.write(each / 2)
		second.write(each - each/2)
	}

	more()
	in.Wait("events arrive", func(harness.Stats) bool { return a.docs() > 0 })
	in.mount() // the same text
	more()

	in.stage = "two"
	in.change("another processor", in.mount)
	more()

	in.output = elasticsearch(b.url)
	in.change("the other server", in.mount)
	more()
	in.Wait("events arrive there", func(harness.Stats) bool { return b.docs() > 0 })

	in.refuse("a YAML error", "yaml:", func() { in.extra = "fields: {a: ["; in.mount() }, func() { in.extra = ""; in.mount() })
	more()

	in.stage, in.output = "three", elasticsearch(a.url)
	in.change("another processor and the first server again, by SIGHUP", func() {
		in.mount()
		in.Signal(syscall.SIGHUP)
	})
	more()

	in.change("an input in a file of its own", func() {
		in.write(filepath.Join(in.Dir, "inputs.d", "second.yml"),
			fmt.Sprintf("- {type: emptydir, id: second, paths: [%q], pod_logs: %q, scan_interval: 1s}\n", filepath.Join(in.logs, "second*.log"), in.logs))
	})
	more()

	in.refuse("a wrong password", "401", func() { in.secret("ES_PASSWORD", "guessed") }, func() { in.secret("ES_PASSWORD", password) })
	more()

	in.refuse("an unreachable server", "connection refused", func() { in.output = elasticsearch("http://127.0.0.1:1"); in.mount() },
		func() { in.output = elasticsearch(a.url); in.mount() })
	more()

	reloads := in.Stats()[applied]
	const nothing = "there is nothing to reload" // which the SIGHUP before may have said, too
	said := strings.Count(in.Log(), nothing)
	if err := os.Chtimes(filepath.Join(in.Dir, "podbeat.yml"), time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	in.mount()
	in.Signal(syscall.SIGHUP)
	in.Wait("it is said that there is nothing new", func(harness.Stats) bool { return strings.Count(in.Log(), nothing) > said })
	if got := in.Stats()[applied]; got != reloads {
		t.Errorf("%v reloads of the same text, want none", got-reloads)
	}
	more()

	in.stage, in.output = "one", elasticsearch(b.url)
	in.change("processors and server for the third time", in.mount)
	more()
	more()

	in.Wait("everything has arrived", func(s harness.Stats) bool { return a.docs()+b.docs() >= n && s["libbeat.pipeline.events.active"] == 0 })
	in.Term()
	missing := map[int]int{}
	for _, s := range []*server{a, b} {
		for _, token := range s.Missing(n) {
			missing[token]++
		}
		if d := s.Doubled(); len(d) > 0 {
			t.Errorf("%d events are twice on one server: %v …", len(d), d[0])
		}
	}
	lost, once := 0, 0
	for _, servers := range missing {
		if servers == 2 {
			lost++
		} else {
			once++
		}
	}
	if lost > 0 || once != n {
		t.Errorf("of %d events %d are nowhere, %d on one server, %d on both", n, lost, once, n-lost-once)
	}
	for _, stage := range []string{"one", "two", "three"} {
		if a.stage(stage)+b.stage(stage) == 0 {
			t.Errorf("no event went through the processors of stage %s", stage)
		}
	}
	if a.docs() < each/10 || b.docs() < each/10 {
		t.Errorf("%d events at the one server, %d at the other: nothing has been switched", a.docs(), b.docs())
	}
}

// Everything that is wrong is refused with the reason, and what was in effect goes on.
func TestRefused(t *testing.T) {
	server := newServer(t, password)
	in := install(t, elasticsearch(server.url), memory)
	n := 0
	w := newWriter(t, filepath.Join(in.logs, "first.log"), &n)
	good := in.output
	f := func(what, extra, output, reason string) {
		t.Helper()
		in.refuse(what, reason, func() { in.extra, in.output = extra, output; in.mount() }, func() { in.extra, in.output = "", good; in.mount() })
		w.write(10)
		in.Wait("events arrive", func(harness.Stats) bool { return server.docs() == n })
	}
	f("an unknown option of podbeat", "podbeat.shutdown_timeot: 1s", good, `unknown option "shutdown_timeot", did you mean "shutdown_timeout"?`)
	f("an unknown section", "proccessors: [{drop_event: ~}]", good, `unknown option "proccessors", did you mean "processors"?`)
	f("an unknown type of input", "podbeat.inputs.1: {type: journald}", good, `unknown input type "journald"`)
	f("two inputs of one id", "podbeat.inputs.1: {type: emptydir, id: first, paths: [/x]}", good, "first")
	f("an unknown processor", "processors.1: {drop_it: ~}", good, "drop_it does not exist")
	f("a wrong option of a processor", "processors.1: {drop_event: {wen: 1}}", good, "wen")
	f("an unknown output", "", "output.elastic: {hosts: [x]}", "output type elastic undefined")
	f("an unknown option of the output", "", "output.elasticsearch: {hosts: [x], bulk_max_bites: 1}", `unknown option "bulk_max_bites"`)
	f("two outputs", "output.console: {}", good, "more than one namespace configured")
	f("no output", "", "output.console.enabled: false", "no output is enabled")
	f("a file that cannot be written", "", "output.file: {path: /proc/podbeat}", "output.file: it cannot be reached")
	f("a server that is none", "", elasticsearch("http://127.0.0.1:1"), "connection refused")
	f("a secret that is missing", "", `output.elasticsearch: {hosts: [x], password: "${NOBODY}"}`, "no value for ${NOBODY}: ")
	f("a second document", "---", good, "more than one document")
	f("an empty file", "", "", "no output is enabled")

	in.refuse("a secret that others may write", "no secret for ${ES_PASSWORD}: secret "+filepath.Join(in.secrets, "ES_PASSWORD")+" is refused: others than its owner may write it",
		func() { chmod(t, filepath.Join(in.secrets, "ES_PASSWORD"), 0o666) },
		func() { chmod(t, filepath.Join(in.secrets, "ES_PASSWORD"), 0o600) })
	in.refuse("a configuration that others may write", "can only be writable by the owner",
		func() {
			in.write(filepath.Join(in.Dir, "other.yml"), in.text()+"\n#")
			chmod(t, filepath.Join(in.Dir, "other.yml"), 0o666)
			rename(t, in.Dir, "other.yml")
		},
		func() { in.write(filepath.Join(in.Dir, "other.yml"), in.text()); rename(t, in.Dir, "other.yml") })
	if strings.Contains(in.Log(), password) {
		t.Error("the log has the password")
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, name), filepath.Join(dir, "podbeat.yml")); err != nil {
		t.Fatal(err)
	}
}

// A server that could not be reached is taken once it can, and a changed password when its secret has changed.
func TestLater(t *testing.T) {
	a, b := newServer(t, password), newServer(t, "another")
	in := install(t, elasticsearch(a.url), memory)
	n := 0
	w := newWriter(t, filepath.Join(in.logs, "first.log"), &n)
	w.write(10)
	in.Wait("events arrive", func(harness.Stats) bool { return a.docs() == n })
	in.output = elasticsearch(b.url)
	before := in.Stats()[refused]
	in.mount()
	in.Wait("the server does not let podbeat in", func(s harness.Stats) bool { return s[refused] > before })
	if s := in.status(); s.Refused == nil || !s.Refused.Again {
		t.Errorf("%+v, want that it is tried again", s.Refused)
	}
	in.change("the server that lets it in now", func() { b.let(password) })
	w.write(10)
	in.Wait("events arrive there", func(harness.Stats) bool { return b.docs() == 10 })

	b.let("rotated")
	in.change("the new password", func() { in.secret("ES_PASSWORD", "rotated") })
	w.write(10)
	in.Wait("events arrive", func(harness.Stats) bool { return b.docs() == 20 })

	in.extra = "logging.metrics.enabled: false\nmax_procs: 2"
	in.mount()
	in.Wait("it is said what needs a restart", func(harness.Stats) bool { return len(in.status().NeedsRestart) > 0 })
	if got := fmt.Sprint(in.status().NeedsRestart); got != "[logging.metrics.enabled max_procs]" {
		t.Errorf("needs a restart: %s", got)
	}
}

// From a server that only counts to Elasticsearch itself, and back.
func TestElasticsearch(t *testing.T) {
	url := services.Elasticsearch(t, 7)
	server := newServer(t, "")
	in := install(t, elasticsearch(server.url), memory)
	n, each := 0, 2000
	w := newWriter(t, filepath.Join(in.logs, "first.log"), &n)
	w.write(each)
	in.Wait("events arrive", func(harness.Stats) bool { return server.docs() > 0 })
	in.output = elasticsearch(url)
	in.change("Elasticsearch", in.mount)
	w.write(each)
	count := func() int { return count(t, url) }
	in.Wait("events arrive there", func(harness.Stats) bool { return count() > 0 })
	services.Call(t, "GET", url+"/_index_template/podbeat", "", 200) // for the indices, as at a start
	w.write(each)
	in.output = elasticsearch(server.url)
	in.change("the first server again", in.mount)
	w.write(each)
	in.Wait("everything has arrived", func(s harness.Stats) bool {
		return s["libbeat.pipeline.events.active"] == 0 && server.docs()+count() >= n
	})
	in.Term()
	if got := server.docs() + count(); got != n {
		t.Errorf("%d events, want %d", got, n)
	}
	if d := server.Doubled(); len(d) > 0 {
		t.Errorf("%d events are twice", len(d))
	}
}

// From Elasticsearch to Kafka, and back.
func TestKafka(t *testing.T) {
	broker := services.Kafka(t)
	server := newServer(t, password)
	in := install(t, elasticsearch(server.url), memory)
	n, each := 0, 2000
	w := newWriter(t, filepath.Join(in.logs, "first.log"), &n)
	w.write(each)
	in.Wait("events arrive", func(harness.Stats) bool { return server.docs() > 0 })
	in.output = fmt.Sprintf("output.kafka: {hosts: [%q], topic: reloaded}", broker)
	in.change("Kafka", in.mount)
	before := in.Stats()["libbeat.output.events.acked"] // by the server; what comes from now on Kafka has
	w.write(each)
	in.Wait("events arrive there", func(s harness.Stats) bool { return s["libbeat.output.events.acked"] > before })
	w.write(each)
	in.output = elasticsearch(server.url)
	in.change("Elasticsearch again", in.mount)
	w.write(each)
	in.Wait("everything has arrived", func(s harness.Stats) bool {
		return s["podbeat.emptydir.first.acked"] == float64(n) && server.docs() > each
	})

	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics("reloaded"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	times := map[string]int{}
	for _, token := range server.Missing(n) {
		times[fmt.Sprintf("sq#%08d", token)] = 0
	}
	if len(times) == 0 {
		t.Error("nothing was sent to Kafka")
	}
	for want := len(times); want > 0; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("%d of %d events are neither in Elasticsearch nor in Kafka: %v", want, n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			at := strings.Index(string(r.Value), "sq#")
			token := string(r.Value)[at : at+11]
			if times[token]++; times[token] == 1 {
				want--
			}
		})
	}
	for token, n := range times {
		if n != 1 {
			t.Errorf("%s is %d times in Kafka", token, n)
		}
	}
	if d := server.Doubled(); len(d) > 0 {
		t.Errorf("%d events are twice in Elasticsearch", len(d))
	}
}

// count is how many events an Elasticsearch has; those of an index that has just been made may be missing.
func count(t *testing.T, url string) int {
	services.Call(t, "POST", url+"/logstash-*/_refresh", "", 200)
	resp, err := http.Get(url + "/logstash-*/_count")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Count int }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Count
}
