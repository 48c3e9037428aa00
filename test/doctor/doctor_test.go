package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/podbeat/podbeat/beat/doctor"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

const (
	machine = "3d1219c7c4c5404aaa1f6d2a48adfda4"
	chain   = "0123456789abcdef0123456789abcdef"
)

// A node is a made-up machine, with a podbeat on it and an Elasticsearch that podbeat is to send to.
type node struct {
	t          *testing.T
	root, home string
	config     string
	args       []string
	answers    map[string]string // of Elasticsearch, by path
	status     map[string]int
	ahead      time.Duration // Elasticsearch's clock
	server     *httptest.Server
}

// newNode is a machine on which all is well.
func newNode(t *testing.T) *node {
	n := &node{t: t, root: t.TempDir(), home: t.TempDir(), status: map[string]int{}}
	n.answers = map[string]string{
		"/":                                    `{"version":{"number":"7.17.29"}}`,
		"/_security/user/_has_privileges":      `{"username":"podbeat","has_all_requested":true}`,
		"/_cluster/health":                     `{"status":"green","active_shards":10,"number_of_data_nodes":1}`,
		"/_cluster/settings":                   `{"defaults":{"cluster.max_shards_per_node":"1000"}}`,
		"/logstash-*/_settings/index.blocks.*": `{}`,
		"/_index_template/podbeat":             `{"index_templates":[{"index_template":{"index_patterns":["logstash-podbeat-*"],"template":{"mappings":{"_meta":{"version":"0.1.0"}}}}}]}`,
	}
	n.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(n.ahead).UTC().Format(http.TimeFormat))
		path := r.URL.Path
		status := n.status[path]
		if n.answers[path] == "" {
			status = http.StatusNotFound
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		fmt.Fprint(w, n.answers[path])
	}))
	t.Cleanup(n.server.Close)
	n.put("/etc/machine-id", machine+"\n")
	n.journal("/var/log/journal/"+machine+"/system.journal", header{newest: time.Now(), oldest: time.Now().Add(-24 * time.Hour), head: 1, tail: 1000})
	n.put("/proc/sys/fs/inotify/max_user_watches", "100000\n")
	n.put("/proc/sys/fs/inotify/max_user_instances", "1024\n")
	n.put("/proc/77/cmdline", "/usr/bin/kubelet\x00--config=/x\x00")
	n.put("/var/log/pods/shop_web_8f6c2a1e-0000-4000-8000-000000000000/web/0.log", "x\n")
	n.put("/var/lib/kubelet/pods/8f6c2a1e-0000-4000-8000-000000000000/volumes/kubernetes.io~empty-dir/applog-web-endname-logs/a.log", "x\n")
	n.inputs("{type: journal, id: node}", "{type: podlogs, id: containers}", "{type: emptydir, id: volumes}")
	return n
}

func (n *node) inputs(inputs ...string) {
	n.config = fmt.Sprintf("podbeat.inputs: [%s]\noutput.elasticsearch: {hosts: [%q]}\n", strings.Join(inputs, ", "), n.server.URL)
}

// put writes a file of the machine.
func (n *node) put(name, text string) { write(n.t, n.root+name, text) }

func (n *node) remove(name string) {
	n.t.Helper()
	if _, err := os.Lstat(n.root + name); err != nil {
		n.t.Fatal(err)
	}
	if err := os.RemoveAll(n.root + name); err != nil {
		n.t.Fatal(err)
	}
}

// A header is what a journal file says of itself.
type header struct {
	flags          uint32
	archived       bool
	head, tail     uint64
	oldest, newest time.Time
}

// journal writes a journal file that has a header and nothing else.
func (n *node) journal(name string, h header) {
	b := make([]byte, 4096)
	copy(b, "LPKSHHRH")
	binary.LittleEndian.PutUint32(b[12:], h.flags)
	if h.archived {
		b[16] = 2
	}
	id, _ := hex.DecodeString(machine)
	copy(b[40:], id)
	seqnumID, _ := hex.DecodeString(chain)
	copy(b[72:], seqnumID)
	for at, value := range map[int]uint64{88: 272, 96: 3824, 152: h.tail - h.head + 1, 160: h.tail, 168: h.head, 184: uint64(h.oldest.UnixMicro()), 192: uint64(h.newest.UnixMicro())} {
		binary.LittleEndian.PutUint64(b[at:], value)
	}
	n.put(name, string(b))
}

// delivered writes a registry in which the input of that id has delivered up to an entry.
func (n *node) delivered(id string, seqnum uint64, at time.Time) {
	cursor := fmt.Sprintf("s=%s;i=%x;b=%s;m=1;t=%x;x=1", chain, seqnum, chain, at.UnixMicro())
	write(n.t, filepath.Join(n.home, "data/registry/podbeat/meta.json"), `{"version":"1"}`)
	write(n.t, filepath.Join(n.home, "data/registry/podbeat/7.json"), `[{"_key":"journal::other"},{"_key":"journal::`+id+`","position":{"cursor":"nonsense"}}]`)
	write(n.t, filepath.Join(n.home, "data/registry/podbeat/log.json"),
		`{"op":"remove","id":7}`+"\n"+`{"k":"journal::`+id+`"}`+"\n"+`{"op":"set","id":8}`+"\n"+`{"k":"journal::`+id+`","v":{"position":{"cursor":"`+cursor+`"}}}`+"\n"+`{"op":"se`)
}

type finding struct{ ID, State, Found, Do string }

// doctor returns what podbeat doctor finds, and its exit code.
func (n *node) doctor(wrap ...string) (found []finding, code int) {
	n.t.Helper()
	config := filepath.Join(n.home, "podbeat.yml")
	if _, err := os.Stat(config); err != nil {
		write(n.t, config, n.config)
	}
	args := slices.Concat(wrap, []string{harness.Program(n.t, "podbeat"), "doctor", "--json", "-c", config, "--path.home", n.home, "--root", n.root}, n.args)
	cmd := exec.Command(args[0], args[1:]...)
	out, err := cmd.Output()
	if strings.ContainsAny(string(out), "\x1b\x07") {
		n.t.Errorf("what others wrote reaches the terminal: %q", out)
	}
	var report struct {
		Findings           []finding
		Problems, Warnings int
	}
	if e := json.Unmarshal(out, &report); e != nil {
		n.t.Fatalf("%q: %v: %v\n%s", args, err, e, out)
	}
	return report.Findings, cmd.ProcessState.ExitCode()
}

// TestHealthy: nothing is wrong, so nothing is said to be.
func TestHealthy(t *testing.T) {
	n := newNode(t)
	n.delivered("node", 1000, time.Now())
	found, code := n.doctor()
	ids := []string{}
	for _, f := range found {
		ids = append(ids, f.ID)
		if f.State != "ok" && f.ID != "clock" { // whether this machine's is synchronised is not for the test to say
			t.Errorf("%v", f)
		}
	}
	if code != 0 || !slices.Equal(ids, doctor.IDs()) {
		t.Errorf("exit code %d, checked %v, want %v", code, ids, doctor.IDs())
	}
	n.args = []string{"--only", "disk,config"}
	if found, _ := n.doctor(); len(found) != 2 {
		t.Errorf("--only: got %v", found)
	}
	run(t, 1, "doctor", "--only", "none")
}

// TestDocumented holds docs/doctor.md to the checks.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	var headings []string
	for _, m := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(string(text), -1) {
		headings = append(headings, m[1])
	}
	if !slices.Equal(headings, doctor.IDs()) {
		t.Errorf("docs/doctor.md has %v, the checks are %v", headings, doctor.IDs())
	}
}

// TestFindings breaks each thing and wants it found.
func TestFindings(t *testing.T) {
	shown := map[string]bool{"disk": true} // by its own test, in beat/doctor
	f := func(id, state, part string, breaks func(n *node), wrap ...string) {
		t.Helper()
		n := newNode(t)
		breaks(n)
		found, code := n.doctor(wrap...)
		has := slices.ContainsFunc(found, func(f finding) bool {
			return f.ID == id && f.State == state && strings.Contains(f.Found, part) && (f.Do != "" || state == "not checked" || state == "ok")
		})
		if !has {
			t.Errorf("%s: no %s with %q in\n%v", id, state, part, pretty(found))
		}
		if (code == 1) != slices.ContainsFunc(found, func(f finding) bool { return f.State == "problem" }) {
			t.Errorf("%s: exit code %d with\n%v", id, code, pretty(found))
		}
		shown[id] = true
	}
	home := func(n *node, name string) string { return filepath.Join(n.home, name) }
	old := time.Now().Add(-3 * time.Hour)

	f("config", "problem", "unknown", func(n *node) { n.inputs("{type: journal, pathz: [/x]}") })
	f("config", "problem", "yaml", func(n *node) { n.config = "podbeat.inputs: [\n" })
	f("config", "problem", "no inputs", func(n *node) { n.inputs() })
	f("config", "problem", "missing field accessing 'name'", func(n *node) { n.config += "name: ${NO_SUCH_SECRET}\n" })

	f("user", "warning", "belongs to", func(n *node) {
		if os.Geteuid() == 0 {
			write(t, home(n, "data/x"), "")
			if err := os.Chown(home(n, "data"), 12345, -1); err != nil {
				t.Fatal(err)
			}
		} else {
			n.args = []string{"--path.data", "/usr"}
		}
	})
	f("config-rights", "problem", "others than its owner may write", func(n *node) {
		write(t, home(n, "podbeat.yml"), n.config)
		os.Chmod(home(n, "podbeat.yml"), 0o666)
		n.args = []string{"--strict.perms=false"}
	})
	f("config-rights", "warning", "every user can read", func(n *node) {
		write(t, home(n, "podbeat.yml"), strings.Replace(n.config, "{hosts", "{username: a, password: secret, hosts", 1))
		os.Chmod(home(n, "podbeat.yml"), 0o644)
	})
	f("keystore", "warning", "others than its owner may read", func(n *node) {
		write(t, home(n, "podbeat.yml"), n.config)
		if out, err := exec.Command(harness.Program(t, "podbeat"), "keystore", "create", "--path.home", n.home, "-c", home(n, "podbeat.yml")).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		os.Chmod(home(n, "data/podbeat.keystore"), 0o644)
		n.args = []string{"--strict.perms=false"}
	})

	f("journal-directory", "problem", "no journal file", func(n *node) { n.remove("/var/log/journal") })
	f("journal-directory", "problem", "/mnt/journal, which is not there", func(n *node) { n.inputs("{type: journal, paths: [/mnt/journal]}") })
	f("journal-directory", "warning", "/run/log/journal alone", func(n *node) {
		if err := os.MkdirAll(n.root+"/run/log", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(n.root+"/var/log/journal", n.root+"/run/log/journal"); err != nil {
			t.Fatal(err)
		}
	})
	f("journal-directory", "warning", "nothing has been written", func(n *node) {
		n.journal("/var/log/journal/"+machine+"/system.journal", header{oldest: old, newest: old, head: 1, tail: 1})
	})
	f("journal-rights", "problem", "may not read", func(n *node) { n.forbid(home(n, ""), n.root+"/var/log/journal/"+machine+"/system.journal") }, unprivileged(t)...)
	f("journal-rights", "problem", "may not read", func(n *node) { n.forbid(home(n, ""), n.root+"/var/log/journal/"+machine) }, unprivileged(t)...)
	f("machine-id", "problem", "no such file", func(n *node) { n.remove("/etc/machine-id") })
	f("machine-id", "problem", "no id yet", func(n *node) { n.put("/etc/machine-id", "uninitialized\n") })
	f("machine-id", "problem", `\x1b[2J`, func(n *node) { n.put("/etc/machine-id", "\x1b[2J\a\n") })
	f("machine-id", "warning", "another's", func(n *node) { n.put("/etc/machine-id", strings.Repeat("a", 32)) })
	f("journal-flags", "problem", "keyed-hash, unknown flag 0x40", func(n *node) {
		n.journal("/var/log/journal/"+machine+"/user-1000.journal", header{flags: 4 | 0x40, oldest: old, newest: old, head: 1, tail: 1})
	})
	f("journal-flags", "warning", "has not the header", func(n *node) { n.put("/var/log/journal/"+machine+"/b.journal~", "LPKSHHR") })
	f("journald-limits", "problem", "all containers", func(n *node) { n.put("/etc/docker/daemon.json", `{"log-driver":"journald"}`) })
	f("journald-limits", "warning", "beyond 100 messages", func(n *node) { n.put("/etc/systemd/journald.conf", "[Journal]\nRateLimitBurst=100\n") })
	f("journald-limits", "warning", "cannot be read", func(n *node) { n.put("/etc/systemd/journald.conf", "[Journal]\nRateLimitBurst=many\n") })
	f("journald-limits", "ok", "drops nothing", func(n *node) {
		n.put("/etc/systemd/journald.conf", "[Journal]\nRateLimitBurst=100\n")
		n.put("/usr/lib/systemd/journald.conf.d/50.conf", "[Journal]\nRateLimitIntervalSec=5\n")
		n.put("/etc/systemd/journald.conf.d/50.conf", "[Other]\nRateLimitIntervalSec=7\n[Journal]\n#RateLimitIntervalSec=8\nRateLimitInterval = 0\n")
	})
	f("journald-retention", "problem", "Storage=none", func(n *node) { n.put("/run/systemd/journald.conf.d/a.conf", "[Journal]\nStorage=none\n") })
	f("journald-retention", "warning", "after 10m0s", func(n *node) { n.put("/etc/systemd/journald.conf", "[Journal]\nMaxRetentionSec=10min\n") })
	f("journald-retention", "warning", "holds 20m0s", func(n *node) {
		now := time.Now()
		n.journal("/var/log/journal/"+machine+"/system.journal", header{oldest: now.Add(-10 * time.Minute), newest: now, head: 11, tail: 20})
		n.journal("/var/log/journal/"+machine+"/system@1.journal", header{archived: true, oldest: now.Add(-20 * time.Minute), newest: now.Add(-10 * time.Minute), head: 1, tail: 10})
	})
	f("journal-position", "problem", "the 399 entries between", func(n *node) {
		n.journal("/var/log/journal/"+machine+"/system.journal", header{oldest: old, newest: time.Now(), head: 500, tail: 900})
		n.delivered("node", 100, old.Add(-time.Hour))
	})
	f("journal-position", "warning", "keeps only", func(n *node) { n.delivered("node", 100, time.Now().Add(-20*time.Hour)) })
	f("journal-position", "warning", "no file is left", func(n *node) {
		n.remove("/var/log/journal/" + machine + "/system.journal")
		n.delivered("node", 100, old)
	})

	f("container-logs", "problem", `"syslog"`, func(n *node) { n.put("/etc/docker/daemon.json", `{"log-driver":"syslog"}`) })
	f("container-logs", "problem", "to the journal, but", func(n *node) {
		n.put("/etc/docker/daemon.json", `{"log-driver":"journald"}`)
		n.inputs("{type: podlogs, id: c}")
	})
	f("container-logs", "warning", "but no input podlogs", func(n *node) {
		n.put("/run/docker.sock", "")
		n.inputs("{type: journal, id: j}")
	})
	f("container-logs", "warning", "containerd", func(n *node) {
		n.put("/run/containerd/containerd.sock", "")
		n.inputs("{type: journal, id: j}")
	})
	f("container-logs", "warning", "daemon.json", func(n *node) { n.put("/etc/docker/daemon.json", `{"log-driver":`) })
	f("kubelet-root", "problem", "/data/kubelet (by the kubelet's command line)", func(n *node) {
		n.put("/proc/77/cmdline", "/usr/bin/kubelet\x00--root-dir=/data/kubelet\x00")
		n.put("/data/kubelet/pods/x", "")
	})
	f("kubelet-root", "problem", "/opt/kubelet", func(n *node) {
		n.remove("/proc/77")
		n.put("/var/lib/kubelet/kubeadm-flags.env", `KUBELET_KUBEADM_ARGS="--root-dir /opt/kubelet --v=2"`)
	})
	f("kubelet-root", "ok", "/data/kubelet", func(n *node) { // the same by a link
		n.put("/proc/77/cmdline", "/usr/bin/kubelet\x00--root-dir=/data/kubelet\x00")
		if err := os.Mkdir(n.root+"/data", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("/var/lib/kubelet", n.root+"/data/kubelet"); err != nil {
			t.Fatal(err)
		}
	})
	f("kubelet-root", "problem", "which is not there", func(n *node) { n.remove("/var/lib/kubelet/pods") })
	f("pod-logs", "problem", "which is not there", func(n *node) { n.remove("/var/log/pods") })
	f("pod-logs", "problem", "files that are not there", func(n *node) {
		if err := os.Symlink("/var/lib/docker/containers/1/1-json.log", n.root+"/var/log/pods/shop_web_8f6c2a1e-0000-4000-8000-000000000000/web/1.log"); err != nil {
			t.Fatal(err)
		}
	})
	f("empty-dirs", "warning", "no volume", func(n *node) { n.remove("/var/lib/kubelet/pods/8f6c2a1e-0000-4000-8000-000000000000") })
	f("inotify", "problem", "a user may watch 2", func(n *node) { n.put("/proc/sys/fs/inotify/max_user_watches", "2\n") })
	f("inotify", "warning", "a user may watch 900", func(n *node) { n.put("/proc/sys/fs/inotify/max_user_watches", "900\n") })
	f("inotify", "warning", "may have 4 instances", func(n *node) { n.put("/proc/sys/fs/inotify/max_user_instances", "4\n") })
	f("open-files", "problem", "may have 100 files open", func(*node) {}, "sh", "-c", `ulimit -n 100; exec "$0" "$@"`)
	f("open-files", "warning", "may have 1000 files open", func(*node) {}, "sh", "-c", `ulimit -n 1000; exec "$0" "$@"`)

	f("clock", "problem", "ahead of that of", func(n *node) { n.ahead = -10 * time.Minute })
	f("clock", "warning", "behind that of", func(n *node) { n.ahead = 20 * time.Second })
	f("output", "problem", "refused", func(n *node) {
		n.config = strings.Replace(n.config, n.server.URL, "http://"+services.Address(t), 1)
	})
	f("output", "problem", "401", func(n *node) { n.status["/"] = 401 })
	f("output", "problem", "no output", func(n *node) { n.config, _, _ = strings.Cut(n.config, "output") })
	f("output", "problem", `user "pod\x1b" may not create_index on logstash`, func(n *node) {
		n.answers["/_security/user/_has_privileges"] = `{"username":"pod\u001b","has_all_requested":false,"index":{"logstash-*":{"create_index":false,"create_doc":true}}}`
	})
	f("output", "problem", "a take no documents: index.blocks.read_only_allow_delete", func(n *node) {
		n.config = strings.Replace(n.config, "{hosts", `{index: "logstash-%{[x]}", hosts`, 1) + "setup.template: {name: podbeat, pattern: logstash-podbeat-*}\n"
		n.answers["/logstash-*/_settings/index.blocks.*"] = `{"a":{"settings":{"index.blocks.read_only_allow_delete":"true"}}}`
	})
	f("output", "problem", "990 shards of 1000", func(n *node) {
		n.answers["/_cluster/health"] = `{"status":"green","active_shards":990,"number_of_data_nodes":1}`
	})
	f("output", "warning", "red", func(n *node) { n.answers["/_cluster/health"] = `{"status":"red"}` })
	f("output", "problem", "127.0.0.1:1", func(n *node) {
		n.config, _, _ = strings.Cut(n.config, "output")
		n.config += "output.kafka: {hosts: ['127.0.0.1:1'], topic: x}\n"
	})
	f("index-template", "warning", "is not there", func(n *node) { n.status["/_index_template/podbeat"] = 404 })
	f("index-template", "warning", "version 0.0.1", func(n *node) {
		n.answers["/_index_template/podbeat"] = strings.Replace(n.answers["/_index_template/podbeat"], "0.1.0", "0.0.1", 1)
	})
	f("index-template", "problem", "is for other-*", func(n *node) {
		n.answers["/_index_template/podbeat"] = `{"index_templates":[{"index_template":{"index_patterns":["other-*"]}}]}`
	})
	f("index-template", "problem", "is for older-*", func(n *node) {
		n.config += "setup.template.type: legacy\n"
		n.answers["/_template/podbeat"] = `{"podbeat":{"index_patterns":["older-*"]}}`
	})

	letter := `{"@timestamp":"2026-05-17T12:00:00.000Z","message":"{\"@timestamp\":\"2026-05-17T12:00:00.000Z\"}","error":{"type":"strange","message":"because \u001b[31m"},"event":{"id":"1"}}` + "\n"
	f("dead-letters", "warning", `2 dead letters of type strange in 2 files`, func(n *node) {
		write(t, home(n, "data/dead-letter.ndjson"), letter)
		write(t, home(n, "data/dead-letter.ndjson.1"), letter)
	})
	f("dead-letters", "warning", `because \x1b[31m`, func(n *node) { write(t, home(n, "data/dead-letter-20260517T120000Z.ndjson"), letter) })
	f("dead-letters", "warning", "1 lines in the dead letters are no events", func(n *node) { write(t, home(n, "data/dead-letter.ndjson"), "{\"half") })
	f("dead-letters", "problem", "room", func(n *node) {
		n.config = strings.Replace(n.config, "{hosts", "{non_indexable_policy.dead_letter_file: {max_bytes: 200, files: 1}, hosts", 1)
		write(t, home(n, "data/dead-letter.ndjson"), letter)
	})
	f("spill", "warning", "5 B of events wait", func(n *node) {
		write(t, home(n, "data/spill/journal.node/1.spill"), "12345")
		write(t, home(n, "data/spill/journal.gone/note"), "12345")
	})
	f("spill", "problem", "no input of that type and id", func(n *node) { write(t, home(n, "data/spill/journal.gone/1.spill"), "12345") })
	f("registry", "problem", "damaged", func(n *node) {
		n.delivered("node", 1, old)
		write(t, home(n, "data/registry/podbeat/9.json"), "[{]")
	})
	f("registry", "warning", "has delivered nothing for 3h", func(n *node) {
		n.delivered("node", 1, old)
		for _, name := range []string{"meta.json", "7.json", "log.json"} {
			if err := os.Chtimes(home(n, "data/registry/podbeat/"+name), old, old); err != nil {
				t.Fatal(err)
			}
		}
		write(t, home(n, "data/podbeat.lock"), "")
		lock, err := os.Open(home(n, "data/podbeat.lock"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { lock.Close() })
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	})
	f("http-endpoint", "warning", "everybody", func(n *node) { n.config += "http: {enabled: true, host: 0.0.0.0}\n" })
	f("http-endpoint", "ok", "this machine only", func(n *node) { n.config += "http: {enabled: true, host: '127.0.0.1'}\n" })

	for _, id := range doctor.IDs() {
		if !shown[id] {
			t.Errorf("no case breaks %s", id)
		}
	}
}

func pretty(found []finding) (s string) {
	for _, f := range found {
		s += fmt.Sprintf("%-12s %-18s %s\n", f.State, f.ID, f.Found)
	}
	return s
}

// unprivileged is a command before another that has it run without root's rights.
func unprivileged(t *testing.T) []string {
	if os.Geteuid() != 0 {
		return nil
	}
	// The program lies in a folder of root's alone.
	dir := filepath.Dir(harness.Program(t, "podbeat"))
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"}
}

// forbid lets nobody read a file, and others into the folders above it and into the installation.
func (n *node) forbid(home, name string) {
	n.t.Helper()
	write(n.t, filepath.Join(home, "podbeat.yml"), n.config)
	for _, dir := range []string{n.root, home} {
		for up := dir; up != os.TempDir() && up != "/"; up = filepath.Dir(up) {
			if err := os.Chmod(up, 0o755); err != nil {
				n.t.Fatal(err)
			}
		}
	}
	if err := os.Chmod(filepath.Join(home, "podbeat.yml"), 0o644); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Chmod(name, 0); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { os.Chmod(name, 0o700) })
}

// TestSecrets: the configuration is read with its secrets, from the keystore here.
func TestSecrets(t *testing.T) {
	n := newNode(t)
	config := filepath.Join(n.home, "podbeat.yml")
	write(t, config, strings.Replace(n.config, n.server.URL, "${WHERE}", 1))
	for _, args := range [][]string{{"create"}, {"add", "WHERE", "--stdin"}} {
		cmd := exec.Command(harness.Program(t, "podbeat"), append([]string{"keystore", "-c", config, "--path.home", n.home}, args...)...)
		cmd.Stdin = strings.NewReader(n.server.URL)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	n.args = []string{"--only", "output,keystore,config"}
	found, _ := n.doctor()
	for _, f := range found {
		if f.State != "ok" {
			t.Errorf("%v", f)
		}
	}
}

// TestSlow: servers and files that do not answer do not hold it up.
func TestSlow(t *testing.T) {
	n := newNode(t)
	block := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-block }))
	defer silent.Close()
	defer close(block)
	n.config = strings.Replace(n.config, n.server.URL, silent.URL, 1)
	if err := syscall.Mkfifo(n.root+"/etc/systemd-pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	n.remove("/etc/machine-id")
	if err := os.Symlink("/etc/systemd-pipe", n.root+"/etc/machine-id"); err != nil {
		t.Fatal(err)
	}
	found, _ := n.doctor()
	if !slices.ContainsFunc(found, func(f finding) bool { return f.ID == "output" && f.State == "problem" }) ||
		!slices.ContainsFunc(found, func(f finding) bool { return f.ID == "machine-id" && strings.Contains(f.Found, "no regular file") }) {
		t.Errorf("got\n%s", pretty(found))
	}
}

// TestRealElasticsearch: what is asked of Elasticsearch is what it answers.
func TestRealElasticsearch(t *testing.T) {
	url := services.Elasticsearch(t, 7)
	n := newNode(t)
	n.config = strings.Replace(n.config, n.server.URL, url, 1)
	f := func(id, state, part string) {
		t.Helper()
		found, _ := n.doctor()
		if !slices.ContainsFunc(found, func(f finding) bool { return f.ID == id && f.State == state && strings.Contains(f.Found, part) }) {
			t.Errorf("%s: no %s with %q in\n%v", id, state, part, pretty(found))
		}
	}
	f("output", "ok", "version 7.17")
	found, _ := n.doctor()
	if !slices.ContainsFunc(found, func(f finding) bool { return f.ID == "clock" && f.State != "problem" }) {
		t.Errorf("got\n%s", pretty(found))
	}
	f("index-template", "warning", "is not there")
	run(t, 0, "setup", "--index-management", "-c", filepath.Join(n.home, "podbeat.yml"), "--path.home", n.home)
	f("index-template", "ok", "logstash-podbeat-*")
	limit := func(n string) {
		services.Call(t, "PUT", url+"/_cluster/settings", `{"transient":{"cluster.max_shards_per_node":`+n+`}}`, 200)
	}
	services.Call(t, "PUT", url+"/doctor-one", "", 200)
	limit("1")
	f("output", "problem", "that it may have")
	limit("null")
	services.Call(t, "PUT", url+"/doctor-blocked", `{"settings":{"index.blocks.write":true}}`, 200)
	n.config = strings.Replace(n.config, "{hosts", `{index: "doctor-%{[x]:blocked}", hosts`, 1) + "setup.template: {name: podbeat, pattern: doctor-*}\n"
	os.Remove(filepath.Join(n.home, "podbeat.yml"))
	f("output", "problem", "doctor-blocked take no documents: index.blocks.write")
	services.Call(t, "DELETE", url+"/doctor-blocked", "", 200)
}
