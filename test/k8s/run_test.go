package k8s

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

const (
	user     = "user@example.com"
	password = "correct horse battery staple"
	patience = 3 * time.Minute
)

// newNode has a node for what a rendering holds, with real servers in place of those that it names, and
// secrets such as docs/kubernetes.md has them made.
func newNode(t *testing.T, rendering []byte, elasticsearch, kafka string) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir(), system: mustDecode(t, rendering), programs: map[string]string{}, at: map[string]string{}, volumes: map[string]string{}}
	for _, name := range []string{"podbeat", "logapi", "curator"} {
		n.programs[name] = harness.Program(t, name)
	}
	n.servers = []string{"http://elasticsearch.elk.svc.cluster.local:9200", elasticsearch, "scale-kafka-service:9092", kafka,
		"high: 85%, low: 80%", "high: 99.9%, low: 99.8%"} // the disk of whoever tests may be full
	n.keys()
	return n
}

func (n *node) keys() {
	n.t.Helper()
	dir := n.t.TempDir()
	run := func(in, program string, args ...string) {
		cmd := exec.Command(n.programs[program], args...)
		cmd.Stdin, cmd.Dir = strings.NewReader(in), dir
		if out, err := cmd.CombinedOutput(); err != nil {
			n.t.Fatalf("%s %v: %v: %s", program, args, err, out)
		}
	}
	n.must(os.WriteFile(filepath.Join(dir, "logapi.yml"), []byte("path: .\n"), 0o600))
	run("", "podbeat", "token", "keys", "keys.json")
	run(password, "logapi", "user", "add", user, "--grant", "GET,POST {mscp_api_url}/*/es/**", "--grant", "POST {mscp_api_url}/apps/*/log", "--password-stdin", "--config", "logapi.yml")
	for secret, file := range map[string]string{"token-keys": "keys.json", "logapi": "users.yml"} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		n.must(err)
		n.system.secrets[secret].StringData[file] = string(text)
	}
	n.system.secrets["logapi"].StringData["search.secret"] = strings.Repeat("0123456789abcdef", 4)
}

// addresses gives the ports of a pod addresses of this machine, and returns what replaces them in arguments and configurations.
func (n *node) addresses(p *pod, c *corev1.Container) *strings.Replacer {
	n.t.Helper()
	pairs := slices.Clone(n.servers)
	for _, port := range c.Ports {
		free := services.Address(n.t)
		n.at[p.name+" "+port.Name] = free
		host, number, _ := strings.Cut(free, ":")
		pairs = append(pairs, fmt.Sprintf("host: 0.0.0.0, port: %d", port.ContainerPort), fmt.Sprintf("host: %s, port: %s", host, number),
			fmt.Sprintf("listen: :%d", port.ContainerPort), "listen: "+free,
			fmt.Sprintf(":%d", port.ContainerPort), free)
	}
	return strings.NewReplacer(pairs...)
}

// probe asks as the kubelet does.
func (n *node) probe(p *pod, probe *corev1.Probe) (body string, err error) {
	resp, err := http.Get("http://" + n.at[p.name+" "+probe.HTTPGet.Port.StrVal] + probe.HTTPGet.Path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != 200 {
		err = fmt.Errorf("%s: %s: %s", probe.HTTPGet.Path, resp.Status, text)
	}
	return string(text), err
}

// wait waits until ready returns nil; the container must not end meanwhile.
func (r *running) wait(what string, ready func() error) {
	r.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = ready(); err == nil {
			return
		}
		select {
		case <-r.exited:
			r.t.Fatalf("waiting until %s: ended with %v:\n%s", what, r.cmd.ProcessState, &r.out)
		default:
		}
	}
	r.cmd.Process.Kill()
	<-r.exited
	r.t.Fatalf("waiting until %s: %v\n%s", what, err, &r.out)
}

// TestConfigurations holds what is in the config maps of each rendering against the programs.
func TestConfigurations(t *testing.T) {
	for _, r := range renderings {
		t.Run(r.name, func(t *testing.T) {
			n := newNode(t, chartOf(t, r.values), "http://127.0.0.1:9200", "127.0.0.1:9092")
			for _, secret := range n.system.secrets {
				secret.StringData["KAFKA_USERNAME"], secret.StringData["KAFKA_PASSWORD"], secret.StringData["ca.crt"] = "u", "p", certificate(t)
			}
			for _, p := range n.system.pods {
				c := p.spec().Containers[0]
				n.replace = n.addresses(p, &c)
				dir := t.TempDir()
				env := []string{}
				for _, e := range c.Env {
					env = append(env, e.Name+"="+n.env(e))
				}
				in := func(text string) string { // the container's paths, in dir
					return strings.NewReplacer("/etc/podbeat", dir+"/etc/podbeat", "/etc/logapi", dir+"/etc/logapi", "/etc/curator", dir+"/etc/curator", "/var/lib/podbeat", dir+"/data").Replace(text)
				}
				for name, text := range n.system.files(p, &c) {
					n.must(os.MkdirAll(filepath.Dir(dir+name), 0o755))
					n.must(os.WriteFile(dir+name, []byte(in(n.replace.Replace(text))), 0o600))
				}
				program, args := path.Base(c.Command[0]), slices.Clone(c.Args)
				switch program {
				case "podbeat":
					args = append([]string{"test", "config"}, args[1:]...)
				case "logapi":
					args = append([]string{"check"}, args...)
				case "curator":
					args = []string{"policy", "check", "/etc/curator/retention.yml"}
				}
				for i := range args {
					args[i] = in(args[i])
				}
				cmd := exec.Command(n.programs[program], args...)
				cmd.Env = env
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s %v: %v\n%s", p.name, program, args, err, out)
				}
			}
		})
	}
}

// certificate returns one of an authority, PEM.
func certificate(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(nil, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

const (
	podUID  = "8f6c2a1e-0000-4000-8000-00000000000a"
	service = "caa0c2f0-1116-495f-8f09-3cd023cc14a2"
	// Of the sample journal, as README.md counts them; and lines of a container, and of an application.
	fromJournal, printed, written = 792, 20, 10
)

// fill makes the node's logs: a journal, a container's file, and a file that its application's user alone may read.
func (n *node) fill() {
	n.t.Helper()
	in, err := os.Open("../../demo/sample.journal.gz")
	n.must(err)
	defer in.Close()
	unzip, err := gzip.NewReader(in)
	n.must(err)
	journal, err := io.ReadAll(unzip)
	n.must(err)
	machine := hex.EncodeToString(journal[40:56])
	var console, file bytes.Buffer
	for i := range printed {
		fmt.Fprintf(&console, "2026-05-17T10:00:01.%09dZ stdout F printed %d\n", i, i)
	}
	for i := range written {
		fmt.Fprintf(&file, "written %d\n", i)
	}
	logs := "var/lib/kubelet/pods/" + podUID + "/volumes/kubernetes.io~empty-dir/applog-" + service + "-endname-web"
	files := map[string][]byte{
		"etc/machine-id": []byte(machine + "\n"),
		"var/log/journal/" + machine + "/system.journal":                 journal,
		"var/log/pods/shop_web-7d4b9c8f6-x2v5k_" + podUID + "/web/0.log": console.Bytes(),
		logs + "/app.log": file.Bytes(),
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		n.must(os.MkdirAll(filepath.Join(n.dir, filepath.Dir(name)), 0o755))
		n.must(os.WriteFile(filepath.Join(n.dir, name), files[name], 0o640))
	}
	if os.Geteuid() == 0 {
		n.must(os.Chown(filepath.Join(n.dir, "var/log/journal", machine, "system.journal"), 0, 190))
		for _, name := range []string{logs, logs + "/app.log"} {
			n.must(os.Chown(filepath.Join(n.dir, name), 4242, 4242))
			n.must(os.Chmod(filepath.Join(n.dir, name), 0o700))
		}
	} else { // in a user namespace there is no other user: nobody may read it, the owner not either
		n.must(os.Chmod(filepath.Join(n.dir, logs, "app.log"), 0))
	}
}

// TestTakeOver: where journalbeat has left its position, only what comes after it is read from the journal.
func TestTakeOver(t *testing.T) {
	url := services.Elasticsearch(t, 8)
	clean(t, url)
	n := newNode(t, kustomize(t, "direct", "journalbeat"), url, "")
	n.fill()
	out, err := exec.Command("journalctl", "-q", "-D", filepath.Join(n.dir, "var/log/journal"), "-o", "export", "--output-fields=NONE").Output()
	if err != nil {
		t.Fatalf("journalctl (apt-get install systemd): %v", err)
	}
	var cursors []string
	for _, line := range strings.Split(string(out), "\n") {
		if cursor, is := strings.CutPrefix(line, "__CURSOR="); is {
			cursors = append(cursors, cursor)
		}
	}
	state := filepath.Join(n.dir, "var/journalBeatContainerData")
	n.must(os.MkdirAll(state, 0o755))
	n.must(os.WriteFile(filepath.Join(state, "journalbeat-cursor-state"), []byte(cursors[len(cursors)-1]), 0o600))
	p := n.system.pod("DaemonSet/podbeat")
	r := n.run(p)
	r.wait("the files have arrived", func() error {
		if got, err := verify.Count(url, "logstash-*"); err != nil || got != printed+written {
			return fmt.Errorf("%d documents, %v", got, err)
		}
		return nil
	})
	r.stop(p)
	if _, said := r.end(time.Second); !strings.Contains(said, "Reading goes on at journalbeat's position") {
		t.Errorf("nothing is said of the position taken over: %s", said)
	}
	if got, err := verify.Count(url, "logstash-*"); err != nil || got != printed+written {
		t.Errorf("%d documents in the end, %v", got, err)
	}
}

// clean takes away what a test has put into an Elasticsearch that it shares.
func clean(t *testing.T, url string) {
	t.Cleanup(func() {
		for _, name := range strings.Fields(string(services.Call(t, "GET", url+"/_cat/indices/logstash-*,podbeat-dead-letter?h=index&ignore_unavailable=true", "", 200))) {
			services.Call(t, "DELETE", url+"/"+name, "", 200)
		}
	})
}

// TestNode runs the DaemonSet as a node does, with the rights that it has there, and what stands behind it: every line arrives.
func TestNode(t *testing.T) {
	f := func(name, overlay string, components []string, want int) {
		t.Run(name, func(t *testing.T) {
			url, kafka := services.Elasticsearch(t, 8), ""
			if overlay == "kafka" {
				kafka = services.Kafka(t)
			}
			clean(t, url)
			n := newNode(t, kustomize(t, overlay, components...), url, kafka)
			n.fill()
			if slices.Contains(components, "journal-only") { // as its comment says
				state := filepath.Join(n.dir, "var/lib/podbeat")
				n.must(os.MkdirAll(state, 0o700))
				if os.Geteuid() == 0 {
					n.must(os.Chown(state, 65532, 65532))
				}
			}
			pods := []*pod{n.system.pod("DaemonSet/podbeat")}
			if overlay == "kafka" {
				pods = append(pods, n.system.pod("Deployment/shipper"))
			}
			var run []*running
			for _, p := range pods {
				run = append(run, n.run(p))
			}
			last := run[len(run)-1]
			last.wait("everything has arrived", func() error {
				if got, err := verify.Count(url, "logstash-*"); err != nil || got != want {
					return fmt.Errorf("%d of %d documents, %v", got, want, err)
				}
				return nil
			})
			for i, p := range pods {
				c := p.spec().Containers[0]
				for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
					run[i].wait("it is well", func() error { _, err := n.probe(p, probe); return err })
				}
				run[i].stop(p)
			}
			if got, err := verify.Count(url, "logstash-*"); err != nil || got != want {
				t.Errorf("%d documents in the end, want %d, %v", got, want, err)
			}
		})
	}
	f("direct", "direct", nil, fromJournal+printed+written)
	f("journal only", "direct", []string{"journal-only"}, fromJournal)
	f("kafka", "kafka", nil, fromJournal+printed+written)
}

// TestChange changes the config map, and a secret, of a podbeat that runs: the one takes effect, a wrong one is refused.
func TestChange(t *testing.T) {
	url := services.Elasticsearch(t, 8)
	clean(t, url)
	n := newNode(t, kustomize(t, "direct"), url, "")
	n.fill()
	p := n.system.pod("DaemonSet/podbeat")
	r := n.run(p)
	told := *p.spec().Containers[0].ReadinessProbe.DeepCopy()
	told.HTTPGet.Path = "/reload"
	until := func(what, want string) {
		t.Helper()
		r.wait(what, func() error {
			got, err := n.probe(p, &told)
			if err == nil && !strings.Contains(got, want) {
				err = fmt.Errorf("%s, want %s", got, want)
			}
			return err
		})
	}
	until("it runs", `"hash"`)
	r.wait("everything has arrived", func() error {
		if got, err := verify.Count(url, "logstash-*"); err != nil || got != fromJournal+printed+written {
			return fmt.Errorf("%d documents, %v", got, err)
		}
		return nil
	})
	files := maps.Clone(n.system.configs["podbeat"].Data)
	change := func(text string) {
		files["podbeat.yml"] = text
		n.write(n.volumes[p.name+" config"], files, 0o644, 0)
	}
	good := files["podbeat.yml"]
	change(good + "no_such_processor: {}\nprocessors: [{no_such: ~}]\n")
	until("a wrong one is refused", `"refused"`)
	change(strings.Replace(good, "- type: podlogs", "- type: podlogs\n  tags: [changed]", 1))
	until("a right one is taken", `"changed":`)

	line := "2026-05-17T10:00:02Z stdout F printed after the change\n"
	log, err := os.OpenFile(filepath.Join(n.dir, "var/log/pods/shop_web-7d4b9c8f6-x2v5k_"+podUID+"/web/0.log"), os.O_APPEND|os.O_WRONLY, 0)
	n.must(err)
	_, err = log.WriteString(line)
	n.must(errors.Join(err, log.Close()))
	r.wait("what is written then has the tag", func() error {
		services.Call(t, "POST", url+"/logstash-*/_refresh", "", 200)
		if got := string(services.Call(t, "GET", url+"/logstash-*/_search?q=tags:changed", "", 200)); !strings.Contains(got, "after the change") {
			return errors.New(got)
		}
		return nil
	})
	doctor := *p
	doctor.template = *p.template.DeepCopy()
	c := &doctor.spec().Containers[0]
	c.Args = append([]string{"doctor"}, c.Args[3:]...)
	c.Ports = nil
	if code, said := n.run(&doctor).end(patience); code != 0 || !strings.Contains(said, "journal") {
		t.Errorf("doctor ends with %d: %s", code, said)
	}
	r.stop(p)
}

// TestRights takes from the DaemonSet what it has: then it cannot read what an application's user wrote.
func TestRights(t *testing.T) {
	url := services.Elasticsearch(t, 8)
	clean(t, url)
	n := newNode(t, kustomize(t, "direct"), url, "")
	n.fill()
	p := n.system.pod("DaemonSet/podbeat")
	p.spec().Containers[0].SecurityContext.Capabilities.Add = nil
	r := n.run(p)
	r.wait("the rest has arrived", func() error {
		if got, err := verify.Count(url, "logstash-*"); err != nil || got != fromJournal+printed {
			return fmt.Errorf("%d documents, %v", got, err)
		}
		return nil
	})
	r.stop(p)
}

// TestPush runs push and logapi as they stand there: a token of the one opens the other, and what was pushed is found.
func TestPush(t *testing.T) {
	url := services.Elasticsearch(t, 7)
	clean(t, url)
	n := newNode(t, kustomize(t, "direct"), url, "")
	push, logapi := n.system.pod("Deployment/push"), n.system.pod("Deployment/logapi")
	run := map[*pod]*running{push: n.run(push), logapi: n.run(logapi)}
	for p, r := range run {
		c := p.spec().Containers[0]
		for _, probe := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe} {
			r.wait("it is ready", func() error { _, err := n.probe(p, probe); return err })
		}
	}
	api := "http://" + n.at[logapi.name+" api"] + "/api"
	ask := func(method, url, body string, prepare func(r *http.Request)) (status int, answer string) {
		t.Helper()
		req, err := http.NewRequest(method, url, strings.NewReader(body))
		n.must(err)
		req.Header.Set("Content-Type", "application/json")
		prepare(req)
		resp, err := http.DefaultClient.Do(req)
		n.must(err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		n.must(err)
		return resp.StatusCode, strings.TrimSpace(string(text))
	}
	call := func(method, url, body string, want int, prepare func(r *http.Request)) string {
		t.Helper()
		status, answer := ask(method, url, body, prepare)
		if status != want {
			t.Fatalf("%s %s: %d: %s", method, url, status, answer)
		}
		return answer
	}
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Accept", "text/plain")
		}
	}
	root := call("GET", api+"/auth/token_root", "", 200, func(r *http.Request) {
		r.SetBasicAuth(user, password)
		r.Header.Set("Accept", "text/plain")
	})
	token := call("POST", api+"/auth", `[{"method": ["POST"], "url": ["{mscp_api_url}/apps/*/log"]}, {"method": ["GET"], "url": ["{mscp_api_url}/*/es/**"]}]`, 200, bearer(root))
	entry := fmt.Sprintf(`[{"timestemp": %d, "appid": %q, "type": "applog", "message": "pushed", "id": "one"}]`, time.Now().UnixMicro(), service)
	for range 2 { // a client that has missed the answer
		run[push].wait("it is taken", func() error { // Elasticsearch may need longer for a new index than podbeat waits
			status, answer := ask("POST", "http://"+n.at[push.name+" push"]+"/api/apps/"+service+"/log", entry, bearer(token))
			if status != 202 && status != 503 {
				t.Fatalf("it is answered with %d: %s", status, answer)
			}
			if status == 503 {
				return errors.New(answer)
			}
			return nil
		})
	}
	services.Call(t, "POST", url+"/logstash-*/_refresh", "", 200)
	got := call("GET", api+"/default/es/logstash-*/_search?q=message:pushed", "", 200, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	if !strings.Contains(got, `"message":"pushed"`) || !strings.Contains(got, `"_index":"logstash-podbeat-push-`) || strings.Count(got, `"_id"`) != 1 {
		t.Errorf("found %s", got)
	}
	for p, r := range run {
		r.stop(p)
	}
}

// indices makes daily indices of a host, from 20 days ago to today.
func indices(t *testing.T, url string) {
	t.Helper()
	clean(t, url)
	if next := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour); time.Until(next) < patience {
		time.Sleep(time.Until(next)) // today is to be the same day for curator
	}
	today := time.Now().UTC()
	for d := 20; d >= 0; d-- {
		name := "logstash-podbeat-node1_example_com-" + today.AddDate(0, 0, -d).Format("2006.01.02")
		services.Call(t, "PUT", url+"/"+name, `{"settings": {"number_of_replicas": 0}}`, 200)
	}
}

// TestCronJob runs the container of the cron job as it stands there.
func TestCronJob(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			url := services.Elasticsearch(t, major)
			indices(t, url)
			n := newNode(t, kustomize(t, "direct"), url, "")
			p := n.system.pod("CronJob/curator")
			code, said := n.run(p, "--max-delete-ratio", "1").end(patience) // it is the first run, of three weeks
			if code != 0 {
				t.Fatalf("ended with %d\n%s", code, said)
			}
			left := strings.Fields(string(services.Call(t, "GET", url+"/_cat/indices/logstash-podbeat-*?h=index", "", 200)))
			if len(left) != 8 { // seven whole days, and today
				t.Errorf("%d indices are left: %v", len(left), left)
			}
			if n := strings.Count(said, `"result":"ok"`); n != 13 {
				t.Errorf("%d lines in the audit log: %s", n, said)
			}
		})
	}
}

// TestServe starts the container of the component serve, asks it how it is, and stops it as Kubernetes does.
func TestServe(t *testing.T) {
	url := services.Elasticsearch(t, 8)
	n := newNode(t, kustomize(t, "direct", "serve"), url, "")
	p := n.system.pod("Deployment/curator")
	r := n.run(p)
	c := p.spec().Containers[0]
	r.wait("it is well", func() error {
		if got, err := n.probe(p, c.LivenessProbe); err != nil || !strings.Contains(got, `"ok"`) {
			return fmt.Errorf("%q %v", got, err)
		}
		return nil
	})
	metrics := *c.LivenessProbe.DeepCopy()
	metrics.HTTPGet.Path = "/metrics"
	if got, err := n.probe(p, &metrics); err != nil || !strings.Contains(got, "\ncurator_lease_held 0\n") {
		t.Errorf("metrics: %q %v", got, err)
	}
	r.stop(p)
}
