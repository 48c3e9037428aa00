package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/kubelet"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// A node has pods whose files podbeat reads.
type node struct {
	name   string // the host's, so that each test has indices of its own
	input  string // type of podbeat's input
	paths  []string
	o      kubelet.Options
	scan   string // the input's scan_interval
	more   string // of its configuration
	output string // podbeat's queue and output
	begun  func() // if not nil, run calls it when podbeat has looked through all directories and the pods begin
	ledger *kubelet.Ledger

	mu        sync.Mutex
	delivered []delivery // as a Gate saw it
}

// A delivery is a line that was stored, and when.
type delivery struct {
	token int
	at    time.Time
}

// note takes a document that was stored.
func (n *node) note(doc []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if token, ok := kubelet.Token(string(doc)); ok {
		n.delivered = append(n.delivered, delivery{token, time.Now()})
	}
}

// volumes is the glob of log files below the directory with the pods' directories.
const volumes = "/*/volumes/kubernetes.io~empty-dir/applog-*/*.log"

// newNode is one with pods of this shape: 60 with 20,000 lines, with PODBEAT_SOAK=1 500 with 200,000.
func newNode(t *testing.T, name string, shape kubelet.Shape) *node {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "pods")
	n := &node{name: name, scan: "10s", o: kubelet.Defaults(shape, dir, 60, 20_000)}
	n.o.MaxLife, n.o.AtOnce = 6*time.Second, 20
	if harness.Soak() {
		n.o = kubelet.Defaults(shape, dir, 500, 200_000)
	}
	n.input, n.paths, n.more = "emptydir", []string{dir + volumes}, fmt.Sprintf("pod_logs: %q", n.o.PodLogs)
	if shape != kubelet.EmptyDir {
		n.input, n.paths = "podlogs", []string{dir + "/*/*/*.log"}
		n.more = fmt.Sprintf("link_roots: [%q, %q]", dir, n.o.Containers)
		if err := os.MkdirAll(n.o.Containers, 0o755); err != nil { // as every node has it
			t.Fatal(err)
		}
	}
	return n
}

// kills is how often tests that kill do so.
func kills() int {
	if harness.Soak() {
		return 10
	}
	return 3
}

// config is podbeat's configuration.
func (n *node) config() string {
	return fmt.Sprintf(`
podbeat.inputs:
- type: %s
  id: node
  paths: [%s]
  host: %s
  scan_interval: %s
  %s
setup.template.enabled: false
setup.ilm.enabled: false
logging.metrics.enabled: false
%s`, n.input, strings.Join(n.paths, ", "), n.name, n.scan, n.more, n.output)
}

func (n *node) index() string { return "logstash-podbeat-" + n.name + "-*" }

// stat is one number of the input's statistics.
func (n *node) stat(s harness.Stats, name string) int {
	return int(s["podbeat."+n.input+".node."+name])
}

// looked says whether podbeat has looked through all directories since its start.
func (n *node) looked(s harness.Stats) bool { return n.stat(s, "now.scans") > 0 }

// drained says whether podbeat has read all there is, got rid of it, and let go of all files.
func (n *node) drained(s harness.Stats) bool {
	return s != nil && n.stat(s, "now.behind.bytes") == 0 && n.stat(s, "now.files.following") == 0 &&
		s["libbeat.pipeline.events.active"] == 0 && n.stat(s, "acked") == n.stat(s, "published")
}

// number is what differs between two processes that have the same open.
var number = regexp.MustCompile(`^(pipe:|/proc/)\[?[0-9]+`)

// files are what podbeat holds open but sockets, which come and go with the output's connections, and what it writes in its own
// directory: its registry, and a file by which it finds out whether that can be written, for as long as the disk takes.
func files(p *harness.Podbeat) (names []string) {
	for _, name := range p.Descriptors() {
		if !strings.HasPrefix(name, "socket:") && !strings.HasPrefix(name, filepath.Join(p.Dir, "data")+"/") {
			names = append(names, number.ReplaceAllString(name, "$1"))
		}
	}
	slices.Sort(names)
	return names
}

// run lets the pods live while podbeat reads their files, and is killed so many times at random moments. It
// returns what became of their lines when all has been delivered.
func (n *node) run(t *testing.T, p *harness.Podbeat, kills int) *verify.Files {
	t.Helper()
	node, err := kubelet.New(n.o)
	if err != nil {
		t.Fatal(err)
	}
	p.Wait("it has looked through all directories", n.looked)
	before := files(p)
	if n.begun != nil {
		n.begun()
	}
	ctx, cancel := context.WithCancel(context.Background())
	lived := make(chan error, 1)
	go func() { lived <- node.Run(ctx) }() // waited for here
	ended := false
	defer func() {
		cancel()
		if !ended {
			<-lived
		}
	}()

	type outage struct {
		from, to time.Time
		behind   time.Duration // as podbeat said just before
	}
	var outages []outage
	r := rand.New(rand.NewPCG(4, uint64(kills)))
	for i := range kills {
		cut := n.o.Lines * (i + 1) / (kills + 1)
		p.Wait(fmt.Sprintf("kill %d is due", i+1), func(harness.Stats) bool { return node.Written() >= cut })
		behind := time.Duration(p.Stats()["podbeat."+n.input+".node.now.behind.seconds"] * float64(time.Second))
		from := time.Now()
		p.Kill9()
		<-time.After(time.Duration(r.IntN(1500)) * time.Millisecond)
		p.Start()
		p.Wait("it has looked through all directories again", n.looked)
		outages = append(outages, outage{from, time.Now(), behind})
		t.Logf("killed at %s when it said that it was %v behind, back after %v", from.Format("15:04:05.000"), behind, time.Since(from).Round(time.Millisecond))
	}
	p.Wait("all pods are gone", func(harness.Stats) bool { return len(lived) > 0 })
	ended = true
	if err := <-lived; err != nil {
		t.Fatal(err)
	}
	p.Wait("everything has been delivered", n.drained)
	var after []string
	since := time.Now()
	p.Wait("it has let go of all files", func(harness.Stats) bool {
		after = files(p)
		return slices.Equal(after, before) || time.Since(since) > time.Minute
	})
	if !slices.Equal(after, before) {
		t.Errorf("podbeat has open\n%s\nand before there were pods\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	n.ledger = node.Ledger()
	t.Log(n.ledger)
	f := verify.NewFiles(n.ledger)
	n.mu.Lock()
	for _, d := range n.delivered {
		f.Delivered(d.token, d.at)
	}
	n.mu.Unlock()
	for _, o := range outages {
		f.Down(o.from, o.to, o.behind)
	}
	return f
}

// wantNoPositions checks that the registry of a podbeat that has ended and looked again has no file of the input any more. There is
// one more pod, without logs, as a node always has some: where there is nothing at all the disk may not be mounted yet.
func (n *node) wantNoPositions(t *testing.T, p *harness.Podbeat) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(n.o.Dir, "another-pod"), 0o755); err != nil {
		t.Fatal(err)
	}
	n.scan = "1s"
	p.Configure(n.config())
	p.Start()
	p.Wait("it has looked for the files several times", func(s harness.Stats) bool { return n.stat(s, "now.scans") > 8 })
	p.Term()
	registry, err := memlog.New(logp.NewLogger("test"), memlog.Settings{Root: filepath.Join(p.Dir, "data", "registry"), FileMode: 0o600})
	if err != nil {
		t.Fatal(err)
	}
	defer registry.Close()
	store, err := registry.Access("podbeat")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var keys []string
	err = store.Each(func(key string, _ statestore.ValueDecoder) (bool, error) {
		if strings.HasPrefix(key, n.input+"::") {
			keys = append(keys, key)
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) > 0 {
		t.Errorf("the registry still has %d files that are gone, as %q", len(keys), keys[0])
	}
}

// wantAll stops podbeat and checks that every line that could be saved is in Elasticsearch, once.
func (n *node) wantAll(t *testing.T, p *harness.Podbeat, url string, f *verify.Files) {
	t.Helper()
	p.Term()
	n.wantNoPositions(t, p)
	if err := verify.ElasticsearchFiles(url, n.index(), f.Arrived); err != nil {
		t.Fatal(err)
	}
	r := f.Report()
	t.Log(r)
	if !r.Exact() {
		t.Error("what arrived is not what was written")
	}
}

func testFiles(t *testing.T, name string, shape kubelet.Shape, kills int) {
	t.Helper()
	n := newNode(t, name, shape)
	url := services.Elasticsearch(t, 7)
	gate := harness.NewGate(t, url)
	gate.Stored = n.note
	n.output = fmt.Sprintf("queue.mem: {events: 4096, flush.min_events: 512, flush.timeout: 100ms}\noutput.elasticsearch.hosts: [%q]", gate.URL)
	p := harness.New(t, n.config())
	f := n.run(t, p, kills)
	n.wantAll(t, p, url, f)
	if r := f.Report(); kills == 0 && r.Unsaveable > 0 {
		t.Errorf("%d lines are called not saveable, but podbeat was there all the time", r.Unsaveable)
	}
}

// Pods that live for some seconds lose no line, though their files are rotated in all ways and deleted with their last line.
func TestEmptyDir(t *testing.T) { testFiles(t, "emptydir", kubelet.EmptyDir, 0) }

// The same with kills: what is lost is only what went while podbeat was not there.
func TestEmptyDirKill9(t *testing.T) { testFiles(t, "emptydir-kill", kubelet.EmptyDir, kills()) }

// Consoles of containers as containerd keeps them, and the kubelet rotates and compresses them.
func TestPodLogs(t *testing.T) { testFiles(t, "podlogs", kubelet.CRI, 0) }

func TestPodLogsKill9(t *testing.T) { testFiles(t, "podlogs-kill", kubelet.CRI, kills()) }

// Consoles as docker keeps them: podbeat reads through the kubelet's links.
func TestPodLogsDocker(t *testing.T) { testFiles(t, "podlogs-docker", kubelet.Docker, 0) }

func TestPodLogsDockerKill9(t *testing.T) {
	testFiles(t, "podlogs-docker-kill", kubelet.Docker, kills())
}
