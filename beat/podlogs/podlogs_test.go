package podlogs

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	v2 "github.com/elastic/beats/v7/filebeat/input/v2"
	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/statestore"
	"github.com/elastic/beats/v7/libbeat/statestore/backend/memlog"
	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/processors/k8sname"
)

const (
	uid  = "8f6c2a1e-1116-495f-8f09-3cd023cc14a2"
	id   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	pod  = "shop_web-6d4cf56db6-x2x4z_" + uid
	link = "web-6d4cf56db6-x2x4z_shop_app-" + id + ".log"
)

// A node is a directory with the trees of a node's logs, and an output that takes what is sent.
type node struct {
	t        *testing.T
	root     string
	registry string

	mu   sync.Mutex
	sent []beat.Event
}

func newNode(t *testing.T) *node { return &node{t: t, root: t.TempDir(), registry: t.TempDir()} }

type store struct{ *statestore.Registry }

func (s store) Access() (*statestore.Store, error) { return s.Get("test") }

// start runs the input until the test ends or stop is called. $ in settings is the node's root.
func (n *node) start(settings map[string]any) (stop func()) {
	n.t.Helper()
	backend, err := memlog.New(logp.NewLogger("test"), memlog.Settings{Root: n.registry, FileMode: 0o600})
	if err != nil {
		n.t.Fatal(err)
	}
	registry := statestore.NewRegistry(backend)
	all := map[string]any{
		"id": n.t.Name(), "scan_interval": "200ms",
		"paths":      []string{"$/log/pods/*/*/*.log", "$/log/pods/*/*.log"},
		"link_roots": []string{"$/log/pods", "$/docker"},
		"containers": "$/log/containers",
	}
	for k, v := range settings {
		all[k] = v
	}
	for k, v := range all {
		switch v := v.(type) {
		case string:
			all[k] = strings.ReplaceAll(v, "$", n.root)
		case []string:
			v = slices.Clone(v)
			for i := range v {
				v[i] = strings.ReplaceAll(v[i], "$", n.root)
			}
			all[k] = v
		}
	}
	in, err := Plugin(logp.NewLogger("test"), store{registry}).Manager.Create(common.MustNewConfigFrom(all))
	if err != nil {
		n.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := in.Run(v2.Context{Logger: logp.NewLogger("test"), ID: "x", Agent: beat.Info{Beat: "podbeat", Name: "node"}, Cancelation: ctx}, n); err != nil {
			n.t.Error(err)
		}
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		<-done
		_ = registry.Close()
	})
	n.t.Cleanup(stop)
	return stop
}

// ConnectWith and Connect are beat.PipelineConnector's.
func (n *node) ConnectWith(c beat.ClientConfig) (beat.Client, error) { return &client{n, c}, nil }
func (n *node) Connect() (beat.Client, error)                        { return n.ConnectWith(beat.ClientConfig{}) }

type client struct {
	node   *node
	config beat.ClientConfig
}

func (c *client) Publish(e beat.Event) {
	prepared.Ordinary(&e)
	c.node.mu.Lock()
	c.node.sent = append(c.node.sent, e)
	c.node.mu.Unlock()
	c.config.ACKHandler.AddEvent(e, true)
	c.config.ACKHandler.ACKEvents(1)
}

func (c *client) PublishAll(all []beat.Event) {
	for _, e := range all {
		c.Publish(e)
	}
}

func (c *client) Close() error { return nil }

// write appends to a file of the node.
func (n *node) write(path, text string) {
	n.t.Helper()
	path = filepath.Join(n.root, path)
	n.do(os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	n.do(err)
	_, err = f.WriteString(text)
	n.do(err)
	n.do(f.Close())
}

func (n *node) link(target, path string) {
	n.t.Helper()
	path = filepath.Join(n.root, path)
	n.do(os.MkdirAll(filepath.Dir(path), 0o755))
	n.do(os.Symlink(filepath.Join(n.root, target), path))
}

func (n *node) do(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// messages waits for so many events, and returns what they say, in order.
func (n *node) messages(count int) []string {
	n.t.Helper()
	n.wait(fmt.Sprintf("%d events", count), func() bool { return len(n.sent) >= count })
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for _, e := range n.sent {
		all = append(all, fmt.Sprintf("%s %s %s", e.Timestamp.Format("05"), e.Fields["stream"], e.Fields["message"]))
	}
	return all
}

// wait waits until ok, which is called with the lock held.
func (n *node) wait(what string, ok func() bool) {
	n.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		n.mu.Lock()
		done := ok()
		n.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("no %s", what)
		}
	}
}

func (n *node) want(want ...string) {
	n.t.Helper()
	if d := cmp.Diff(want, n.messages(len(want))); d != "" {
		n.t.Error(d)
	}
}

// cri is a line as containerd and CRI-O write it.
func cri(second int, stream, tag, text string) string {
	return fmt.Sprintf("2026-05-17T10:00:%02d.123456789+02:00 %s %s %s\n", second, stream, tag, text)
}

// docker is one of docker's.
func docker(second int, stream, text string) string {
	return fmt.Sprintf(`{"log":%q,"stream":"%s","time":"2026-05-17T08:00:%02d.123456789Z"}`+"\n", text, stream, second)
}

// fields are an event's, without its place.
func fields(e beat.Event) common.MapStr {
	f := e.Fields.Clone()
	_ = f.Delete("log.file")
	_ = f.Delete("log.offset")
	return f
}

// TestSameFields: whatever the runtime and wherever its file is, a container's line has the fields that
// the journal's entry and k8sname have.
func TestSameFields(t *testing.T) {
	journal := beat.Event{Fields: common.MapStr{
		"container": common.MapStr{"name": "k8s_app_web-6d4cf56db6-x2x4z_shop_" + uid + "_0", "id": id},
		"host":      common.MapStr{"name": "node"},
	}}
	processor, err := k8sname.New(common.MustNewConfigFrom(map[string]any{"schema": "ecs", "host": "node"}))
	if err != nil {
		t.Fatal(err)
	}
	want, err := processor.Run(&journal)
	if err != nil {
		t.Fatal(err)
	}
	_ = want.Fields.Delete("container.name") // docker's
	want.Fields["message"], want.Fields["stream"] = "one", "stderr"
	want.Fields["log"] = common.MapStr{"stream": "console", "level": "err"}

	f := func(name string, settings map[string]any, make func(*node)) {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			make(n)
			n.start(settings)
			n.wait("event", func() bool { return len(n.sent) > 0 })
			e := n.sent[0]
			if d := cmp.Diff(want.Fields, fields(e)); d != "" {
				t.Error(d)
			}
			if e.Timestamp != time.Date(2026, 5, 17, 8, 0, 1, 123456789, time.UTC) {
				t.Errorf("time is %v", e.Timestamp)
			}
		})
	}
	f("cri", nil, func(n *node) {
		n.write("log/pods/"+pod+"/app/0.log", cri(1, "stderr", "F", "one"))
		n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
	})
	f("docker", nil, func(n *node) {
		n.write("docker/"+id+"/"+id+"-json.log", docker(1, "stderr", "one\n"))
		n.link("docker/"+id+"/"+id+"-json.log", "log/pods/"+pod+"/app/0.log")
		n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
	})
	links := map[string]any{"paths": []string{"$/log/containers/*.log"}}
	f("cri by its link", links, func(n *node) {
		n.write("log/pods/"+pod+"/app/0.log", cri(1, "stderr", "F", "one"))
		n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
	})
	f("docker by its links", links, func(n *node) {
		n.write("docker/"+id+"/"+id+"-json.log", docker(1, "stderr", "one\n"))
		n.link("docker/"+id+"/"+id+"-json.log", "log/pods/"+pod+"/app/0.log")
		n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
	})
	f("rotated", nil, func(n *node) {
		n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
		n.write("log/pods/"+pod+"/app/0.log.20260517-100001", cri(1, "stderr", "F", "one"))
	})
	f("its link is there first", nil, func(n *node) {
		n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
		n.write("log/pods/"+pod+"/app/0.log", cri(1, "stderr", "F", "one"))
	})
}

// TestLateLink: the kubelet makes the link with the container's id after the file.
func TestLateLink(t *testing.T) {
	n := newNode(t)
	n.write("log/pods/"+pod+"/app/0.log", cri(1, "stdout", "F", "one"))
	n.start(nil)
	n.wait("event", func() bool { return len(n.sent) > 0 })
	if _, err := n.sent[0].Fields.GetValue("container.id"); err == nil {
		t.Error("the container has an id before its link is there")
	}
	n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
	for got, count := any(nil), 2; got != id; count++ {
		if count > 100_000 {
			t.Fatal("the container's id never comes")
		}
		n.write("log/pods/"+pod+"/app/0.log", cri(1, "stdout", "F", "more"))
		n.wait("event", func() bool { return len(n.sent) >= count })
		got, _ = n.sent[count-1].Fields.GetValue("container.id")
	}
}

// TestOlderForm: the kubelet's paths up to Kubernetes 1.13.
func TestOlderForm(t *testing.T) {
	n := newNode(t)
	n.write("log/pods/"+uid+"/app_2.log", cri(1, "stdout", "F", "one"))
	n.start(nil)
	n.want("01 stdout one")
	want := common.MapStr{
		"kubernetes": common.MapStr{"container": common.MapStr{"name": "app"}, "node": common.MapStr{"name": "node"}, "pod": common.MapStr{"uid": uid}},
		"host":       common.MapStr{"name": "node"}, "message": "one", "stream": "stdout",
		"log": common.MapStr{"stream": "console", "level": "info"},
	}
	if d := cmp.Diff(want, fields(n.sent[0])); d != "" {
		t.Error(d)
	}
}

// TestJoins: parts of a line, also of both outputs at once, in the order in which the lines end.
func TestJoins(t *testing.T) {
	n := newNode(t)
	const path = "log/pods/" + pod + "/app/0.log"
	n.write(path, cri(1, "stdout", "P", "one ")+cri(2, "stderr", "P", "two ")+cri(3, "stdout", "F", "and more"))
	n.start(nil)
	n.write(path, cri(4, "stderr", "F", "too")+cri(5, "stdout", "F", "three"))
	n.want("01 stdout one and more", "02 stderr two too", "05 stdout three")
}

// TestJoinsNever: a line whose last part does not come is sent nevertheless, and nothing else is lost
// that was read meanwhile.
func TestJoinsNever(t *testing.T) {
	n := newNode(t)
	const path = "log/pods/" + pod + "/app/0.log"
	want := []string{"01 stdout waits"}
	n.write(path, cri(1, "stdout", "P", "waits"))
	n.start(nil)
	for i := range 3000 {
		n.write(path, cri(2, "stderr", "F", fmt.Sprint(i)))
		want = append(want, fmt.Sprintf("02 stderr %d", i))
	}
	n.want(want...)
	if flags, _ := n.sent[0].Fields.GetValue("log.flags"); !slices.Equal(flags.([]string), []string{"partial"}) {
		t.Errorf("the first event's flags are %v", flags)
	}
}

// TestDockerJoins: docker splits lines at 16 KiB.
func TestDockerJoins(t *testing.T) {
	n := newNode(t)
	n.write("docker/x/x-json.log", docker(1, "stdout", "one ")+docker(2, "stderr", "two\n")+docker(3, "stdout", "and more\r\n"))
	n.link("docker/x/x-json.log", "log/pods/"+pod+"/app/0.log")
	n.start(nil)
	n.want("02 stderr two", "01 stdout one and more")
}

// TestComesLate: what was rotated and compressed before podbeat came is read, each line once, also
// after a stop.
func TestComesLate(t *testing.T) {
	n := newNode(t)
	dir := "log/pods/" + pod + "/app/"
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(cri(1, "stdout", "F", "one")))
	n.do(err)
	n.do(z.Close())
	n.write(dir+"0.log.20260517-100001.gz", b.String())
	n.write(dir+"0.log.20260517-100002", cri(2, "stdout", "F", "two"))
	n.write(dir+"0.log", cri(3, "stdout", "F", "three"))
	stop := n.start(nil)
	sorted := func(all []string) []string { return slices.Sorted(slices.Values(all)) }
	want := []string{"01 stdout one", "02 stdout two", "03 stdout three"}
	if d := cmp.Diff(want, sorted(n.messages(3))); d != "" {
		t.Error(d)
	}
	stop()
	n.do(os.Rename(filepath.Join(n.root, dir, "0.log"), filepath.Join(n.root, dir, "0.log.20260517-100003")))
	n.write(dir+"0.log.20260517-100003", cri(4, "stdout", "F", "four"))
	n.write(dir+"0.log", cri(5, "stdout", "F", "five"))
	n.start(nil)
	want = append(want, "04 stdout four", "05 stdout five")
	if d := cmp.Diff(want, sorted(n.messages(5))); d != "" {
		t.Error(d)
	}
}

// TestRotatedTargets: what a link leads to was rotated before podbeat came, and while it was away: all of it is read
// once, as the same container's.
func TestRotatedTargets(t *testing.T) {
	for name, paths := range map[string][]string{"pods": {"$/log/pods/*/*/*.log"}, "containers": {"$/log/containers/*.log"}} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			log := "docker/" + id + "/" + id + "-json.log"
			rotate := func(from, to string) {
				n.do(os.Rename(filepath.Join(n.root, log+from), filepath.Join(n.root, log+to)))
			}
			n.write(log+".2", docker(1, "stdout", "one\n"))
			n.write(log+".1", docker(2, "stdout", "two\n"))
			n.write(log, docker(3, "stdout", "three\n"))
			n.link(log, "log/pods/"+pod+"/app/0.log")
			n.link("log/pods/"+pod+"/app/0.log", "log/containers/"+link)
			settings := map[string]any{"paths": paths}
			stop := n.start(settings)
			n.messages(3)
			stop()
			n.write(log, docker(4, "stdout", "four\n"))
			rotate(".2", ".3")
			rotate(".1", ".2")
			rotate("", ".1")
			n.write(log, docker(5, "stdout", "five\n"))
			rotate(".3", ".4")
			rotate(".2", ".3")
			rotate(".1", ".2")
			rotate("", ".1")
			n.write(log, docker(6, "stdout", "six\n"))
			n.start(settings)
			n.messages(6)
			for second := 7; second < 20; second++ { // twice at once
				rotate("", ".0")
				rotate(".0", fmt.Sprintf(".%d", 100+second))
				n.write(log, docker(second, "stdout", "more\n"))
			}
			all := n.messages(19)
			slices.Sort(all)
			for i, message := range all {
				if !strings.HasPrefix(message, fmt.Sprintf("%02d stdout ", i+1)) {
					t.Errorf("message %d is %q", i+1, message)
				}
			}
			for _, e := range n.sent[1:] {
				want, got := fields(n.sent[0]), fields(e)
				delete(want, "message")
				delete(got, "message")
				if d := cmp.Diff(want, got); d != "" {
					t.Error(d)
				}
			}
			if uid, _ := n.sent[0].Fields.GetValue("kubernetes.pod.uid"); uid == nil {
				t.Error("no pod's uid")
			}
		})
	}
}

// TestLinksStayInside: a link that leads elsewhere is not read.
func TestLinksStayInside(t *testing.T) {
	n := newNode(t)
	n.write("secret/x.log", cri(1, "stdout", "F", "secret"))
	n.link("secret/x.log", "log/pods/"+pod+"/bad/0.log")
	n.link("secret/x.log", "docker/x/x-json.log")
	n.link("docker/x/x-json.log", "log/pods/"+pod+"/worse/0.log")
	n.link("log/pods/"+pod+"/bad/0.log", "log/containers/"+link)
	n.write("log/pods/"+pod+"/app/0.log", cri(2, "stdout", "F", "fine"))
	n.start(map[string]any{"paths": []string{"$/log/pods/*/*/*.log", "$/log/containers/*.log"}})
	n.want("02 stdout fine")
	n.write("log/pods/"+pod+"/app/1.log", cri(3, "stdout", "F", "again"))
	n.want("02 stdout fine", "03 stdout again")
}

// TestStream: one output alone.
func TestStream(t *testing.T) {
	n := newNode(t)
	n.write("log/pods/"+pod+"/app/0.log", cri(1, "stdout", "F", "one")+cri(2, "stderr", "F", "two")+cri(3, "stdout", "F", "three"))
	n.start(map[string]any{"stream": "stderr"})
	n.want("02 stderr two")
}

// TestMultiline: lines are joined per output, once parts are.
func TestMultiline(t *testing.T) {
	n := newNode(t)
	n.write("log/pods/"+pod+"/app/0.log", cri(1, "stdout", "F", "one")+cri(2, "stderr", "F", "two")+cri(3, "stdout", "P", " in")+
		cri(4, "stdout", "F", "dented")+cri(5, "stderr", "F", "three")+cri(6, "stdout", "F", "four"))
	n.start(map[string]any{"multiline.type": "indent", "multiline.timeout": "300ms"})
	n.want("02 stderr two", "01 stdout one\n indented", "05 stderr three", "06 stdout four")
}

func TestConfigure(t *testing.T) {
	f := func(settings map[string]any, want string) {
		t.Helper()
		_, err := configure(common.MustNewConfigFrom(settings))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", settings, err, want)
		}
	}
	f(map[string]any{"paths": []string{""}, "path": "x"}, `unknown option "path", did you mean "paths"?`)
	f(map[string]any{"stream": "out"}, `container.stream "out": want one of all, stdout, stderr`)
	f(map[string]any{"encoding": "x"}, `encoding "x"`)
	f(map[string]any{"scan_interval": "1ms"}, "scan_interval is 1ms")
	if _, err := configure(common.NewConfig()); err != nil {
		t.Error(err)
	}
}

// TestStopsWithin: podbeat stops while a message waits for more, whose first part is before what was delivered.
func TestStopsWithin(t *testing.T) {
	n := newNode(t)
	const path = "log/pods/" + pod + "/app/0.log"
	n.write(path, cri(1, "stdout", "F", "zero")+cri(2, "stdout", "P", "one ")+cri(3, "stderr", "F", "two")+cri(4, "stdout", "P", "and "))
	stop := n.start(nil)
	n.want("01 stdout zero", "03 stderr two")
	stop()
	n.write(path, cri(5, "stdout", "F", "more")+cri(6, "stdout", "F", "three"))
	n.start(nil)
	n.want("01 stdout zero", "03 stderr two", "02 stdout one and more", "06 stdout three")
}
