package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/podbeat/podbeat/token"
)

// Index is the pattern of the indices that podbeat writes to.
const Index = "logstash-podbeat-*"

// Options say what is loaded, and where to.
type Options struct {
	URL     string // of an Elasticsearch
	Podbeat string // the program
	Dir     string // for the files; it should be empty
	N       int    // documents
	// Lines, unless it is nil, gets every document as a line, by time: what a file has for programs that read files.
	Lines io.Writer
}

// A Cluster is one whose day is in Elasticsearch. Its podbeat still reads, until Close.
type Cluster struct {
	*Facts
	o      Options
	addr   string // of the input push
	cmd    *exec.Cmd
	exited chan error
	live   map[string]*os.File
}

// pushed is the place that pushed documents say.
var pushed = Pod{Node: Node{"eu-1", "eu-1a", "node-a1"}, Namespace: "mobile", service: "caa0c2f0-1116-495f-8f09-3cd023cc14a2"}

// Load makes the day and returns when all of its documents can be found and are as they should be.
func Load(ctx context.Context, o Options) (c *Cluster, err error) {
	c = &Cluster{Facts: newFacts(), o: o, live: map[string]*os.File{}}
	entries, err := c.writeFiles()
	if err != nil {
		return nil, err
	}
	if err := c.start(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := c.push(ctx, entries); err != nil {
		return nil, err
	}
	if err := c.arrived(ctx); err != nil {
		return nil, err
	}
	return c, c.Check(ctx, o.URL, Index)
}

// Attend starts a podbeat for a day that is there already: only what [Cluster.Write] writes will come.
func Attend(o Options) (*Cluster, error) {
	c := &Cluster{Facts: Plan(o.N), o: o, live: map[string]*os.File{}}
	return c, c.start()
}

// arrived waits until podbeat has delivered everything.
func (c *Cluster) arrived(ctx context.Context) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	last, moved := -1, time.Now()
	for {
		var count struct{ Count int }
		err := call(ctx, "POST", c.o.URL+"/"+Index+"/_refresh", nil, &struct{}{})
		if err == nil {
			err = call(ctx, "POST", c.o.URL+"/"+Index+"/_count", map[string]any{"query": Day()}, &count)
		}
		if err == nil && count.Count >= c.N {
			return nil
		}
		if count.Count != last {
			last, moved = count.Count, time.Now()
		}
		if time.Since(moved) > time.Minute {
			return fmt.Errorf("%d of %d documents after a minute without any more (%v); the end of podbeat's log:\n%s", last, c.N, err, c.log())
		}
		select {
		case <-tick.C:
		case err := <-c.exited:
			c.exited <- err
			return fmt.Errorf("podbeat has ended: %v; the end of its log:\n%s", err, c.log())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// An entry is a document as the input push takes it.
type entry struct {
	Timestemp   int64        `json:"timestemp"`
	AppID       string       `json:"appid"`
	Type        string       `json:"type"`
	Message     string       `json:"message"`
	ID          string       `json:"id"`
	Annotations []annotation `json:"annotations"`
}

type annotation struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// writeFiles writes all files and returns the bodies that are to be pushed.
func (c *Cluster) writeFiles() (bodies [][]byte, err error) {
	files := map[string]*bufio.Writer{}
	var closers []io.Closer
	defer func() {
		for _, w := range files {
			err = errors.Join(err, w.Flush())
		}
		for _, f := range closers {
			err = errors.Join(err, f.Close())
		}
	}()
	open := func(path string) (*bufio.Writer, error) {
		if w := files[path]; w != nil {
			return w, nil
		}
		f, err := create(path)
		if err != nil {
			return nil, err
		}
		closers = append(closers, f)
		files[path] = bufio.NewWriterSize(f, 64<<10)
		return files[path], nil
	}
	var entries []entry
	g := newGenerator(c.o.N)
	for _, p := range g.pods { // the kubelet makes it before anything else
		if err := os.MkdirAll(c.consoleDir(p), 0o755); err != nil {
			return nil, err
		}
	}
	for d, ok := g.next(); ok; d, ok = g.next() {
		c.add(d, c.o.N)
		if c.o.Lines != nil {
			d.print(c.o.Lines)
		}
		if d.Stream == Push {
			entries = append(entries, entry{d.Time.UnixMicro(), pushed.service, "mobile", d.text, fmt.Sprintf("mobile-%d", d.N),
				[]annotation{{"level", d.Level}, {"version", fmt.Sprintf("4.%d", d.N%3)}, {"platform", []string{"ios", "android"}[d.N%2]}}})
			continue
		}
		path, text := c.consolePath(d.Pod), d.console()
		if d.Stream == File {
			path, text = c.filePath(d.Pod), d.file()
		}
		w, err := open(path)
		if err != nil {
			return nil, err
		}
		w.WriteString(text)
	}
	c.finish()
	for i := 0; i < len(entries); i += 1000 {
		body, err := json.Marshal(entries[i:min(i+1000, len(entries))])
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
	}
	return bodies, nil
}

// print writes the document as a line.
func (d Doc) print(w io.Writer) {
	pod := "mobile"
	if d.Pod != nil {
		pod = d.Pod.Name
	}
	fmt.Fprintf(w, "%s %-7s %s: %s\n", stamp(d.Time), strings.ToUpper(d.Level), pod, d.text)
}

// Print writes a day of n documents as lines.
func Print(w io.Writer, n int) {
	g := newGenerator(n)
	for d, ok := g.next(); ok; d, ok = g.next() {
		d.print(w)
	}
}

func create(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// console is the document as a container's runtime writes it.
func (d Doc) console() string {
	out := "stdout"
	if d.err {
		out = "stderr"
	}
	return d.Time.Format("2006-01-02T15:04:05.000000000Z07:00") + " " + out + " F " + d.text + "\n"
}

// file is the document as an application writes it into its file.
func (d Doc) file() string {
	if !d.json {
		return d.Message + "\n"
	}
	text, err := json.Marshal(map[string]any{"@timestamp": stamp(d.Time), "log.level": d.line.level, "message": d.text, "trace.id": d.trace, "log.logger": "shop.checkout"})
	if err != nil {
		panic(err) // texts only
	}
	return string(text) + "\n"
}

func (c *Cluster) consoleDir(p *Pod) string {
	return filepath.Join(c.o.Dir, p.Node.Name, "podlogs", p.Namespace+"_"+p.Name+"_"+p.UID)
}

func (c *Cluster) consolePath(p *Pod) string {
	return filepath.Join(c.consoleDir(p), p.Container, "0.log")
}

func (c *Cluster) filePath(p *Pod) string {
	return filepath.Join(c.o.Dir, p.Node.Name, "pods", p.UID, "volumes/kubernetes.io~empty-dir", "applog-"+p.service+"-endname-app", "app.log")
}

// secret signs the tokens of the input push.
const secret = "a secret of 32 bytes or even more"

// config is podbeat's configuration: each node's inputs, as if there were a podbeat on each.
func (c *Cluster) config() string {
	var b strings.Builder
	b.WriteString("podbeat.inputs:\n")
	for _, n := range append(Nodes[:len(Nodes):len(Nodes)], live.Node) {
		fmt.Fprintf(&b, `
- type: podlogs
  id: %[1]s-consoles
  host: %[1]s
  paths: ["%[4]s/podlogs/*/*/*.log"]
  link_roots: ["%[4]s/podlogs"]
  containers: ""
  level: {from: message}
  timestamp: {max_age: 1000000h}
  close_inactive: 1h
  fields: {region: %[2]s, zone: %[3]s}
  fields_under_root: true
  processors: [replace: {fields: [{field: log.file.path, pattern: '^%[4]s/podlogs', replacement: /var/log/pods}]}]
  tags: [kubernetes]
- type: emptydir
  id: %[1]s-files
  host: %[1]s
  paths: ["%[4]s/pods/*/volumes/kubernetes.io~empty-dir/applog-*/*.log"]
  pod_logs: "%[4]s/podlogs"
  multiline: {pattern: '^(\d{4}-\d\d-\d\d|\{)', negate: true, match: after, timeout: 500ms}
  ndjson: {overwrite_keys: true, expand_keys: true, message_key: message, ignore_decoding_error: true}
  level: {from: message}
  timestamp: {from: message, max_age: 1000000h}
  fields: {region: %[2]s, zone: %[3]s}
  fields_under_root: true
  processors: [replace: {fields: [{field: log.file.path, pattern: '^%[4]s/pods', replacement: /var/lib/kubelet/pods}]}]
  tags: [kubernetes, applog]
`, n.Name, n.Region, n.Zone, filepath.Join(c.o.Dir, n.Name))
	}
	fmt.Fprintf(&b, `
- type: push
  id: push
  listen: %s
  keys: %s/keys.json
  namespace: %s
  region: %s
  zone: %s
name: node-a1
processors: [drop_fields: {fields: [agent, event.created], ignore_missing: true}] # else no two days are the same
setup.ilm.enabled: false
setup.template.settings.index: {number_of_shards: 1, number_of_replicas: 0, refresh_interval: 1s}
queue.mem: {events: 16384, flush.min_events: 2048, flush.timeout: 200ms}
output.elasticsearch: {hosts: [%q], bulk_max_size: 2048, worker: 2, compression_level: 0}
logging.level: warning
logging.metrics.enabled: false
`, c.addr, c.o.Dir, pushed.Namespace, pushed.Region, pushed.Zone, c.o.URL)
	return b.String()
}

// freeAddress is one of this machine that nothing listens on. Its port is below those that the system takes for connections, and for
// listeners that do not name a port: nobody else has it before podbeat does.
func freeAddress() (addr string, err error) {
	for range 100 {
		addr = fmt.Sprintf("127.0.0.1:%d", 10_000+rand.IntN(10_000))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", err
}

// start starts podbeat.
func (c *Cluster) start() error {
	var err error
	if c.addr, err = freeAddress(); err != nil {
		return err
	}
	keys := fmt.Sprintf(`{"keys":[{"kty":"oct","k":%q}]}`, base64.RawURLEncoding.EncodeToString([]byte(secret)))
	for name, text := range map[string]string{"keys.json": keys, "podbeat.yml": c.config()} {
		if err := os.WriteFile(filepath.Join(c.o.Dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	log, err := os.Create(filepath.Join(c.o.Dir, "podbeat.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.cmd = exec.Command(c.o.Podbeat, "-e", "-c", filepath.Join(c.o.Dir, "podbeat.yml"), "--path.home", c.o.Dir)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start podbeat: %w", err)
	}
	c.exited = make(chan error, 1)
	go func() { c.exited <- c.cmd.Wait() }() // Close waits for it
	return nil
}

// Close stops podbeat. The documents stay.
func (c *Cluster) Close() error {
	for _, f := range c.live {
		f.Close()
	}
	c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-c.exited:
		if err != nil {
			return fmt.Errorf("podbeat has ended: %w; the end of its log:\n%s", err, c.log())
		}
		return nil
	case <-time.After(time.Minute):
		c.cmd.Process.Kill()
		<-c.exited
		return errors.New("podbeat has not stopped for a minute")
	}
}

// log is the end of podbeat's log.
func (c *Cluster) log() string {
	data, err := os.ReadFile(filepath.Join(c.o.Dir, "podbeat.log"))
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-4000):])
}

// push sends the bodies to the input push. A 202 says that a body's entries are delivered; what is answered with 503 is on
// its way, and an entry that is sent again has the same id.
func (c *Cluster) push(ctx context.Context, bodies [][]byte) error {
	keys, err := token.OpenKeys(filepath.Join(c.o.Dir, "keys.json"))
	if err != nil {
		return err
	}
	raw, err := keys.Sign(token.Claims{UserID: "mobile", Expires: time.Now().Add(time.Hour),
		Access: []token.Access{{Method: []string{"POST"}, URL: []string{"{mscp_api_url}/apps/{appid:UUID}/log"}}}})
	if err != nil {
		return err
	}
	for _, body := range bodies {
		for began := time.Now(); ; {
			status, err := c.post(ctx, raw, body)
			if status == http.StatusAccepted {
				break
			}
			var refused net.Error
			waiting := status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests || errors.As(err, &refused) // it is starting, or has much to do
			if !waiting || time.Since(began) > time.Minute {
				return fmt.Errorf("cannot push: %d %w; the end of podbeat's log:\n%s", status, err, c.log())
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// post sends one body.
func (c *Cluster) post(ctx context.Context, token string, body []byte) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+c.addr+"/apps/"+pushed.service+"/log", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("%.500s", text)
	}
	return resp.StatusCode, err
}
