package services

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Node is a server of one test's own, to be killed and started again on the same port with the same data.
type Node struct {
	Addr string

	t    testing.TB
	name string
	dir  string
	env  []string
}

// OwnKafka starts a Kafka as [Kafka] does, with further lines of its server.properties, in which PORT is its port; it goes when
// the test ends.
func OwnKafka(t testing.TB, properties ...string) *Node {
	t.Helper()
	return own(t, "kafka", "KAFKA_CONF="+strings.Join(properties, "\n"))
}

// OwnKafkas starts three brokers of one cluster, each with a replica of what it keeps for itself. The first is the controller too, and
// has to live for a partition to get another leader.
func OwnKafkas(t testing.TB, properties ...string) (nodes []*Node) {
	t.Helper()
	controller := Address(t)
	properties = append([]string{"controller.quorum.voters=1@" + controller, "offsets.topic.replication.factor=3"}, properties...)
	envs, servers := make([]string, 3), make([]*server, 3)
	var all sync.WaitGroup
	for i := range servers {
		of := []string{"listeners=CLIENT://127.0.0.1:PORT,CONTROLLER://" + controller}
		if i > 0 {
			of = []string{fmt.Sprintf("node.id=%d", i+1), "process.roles=broker", "listeners=CLIENT://127.0.0.1:PORT"}
		}
		envs[i] = "KAFKA_CONF=" + strings.Join(append(of, properties...), "\n")
		all.Go(func() { servers[i] = start("kafka.sh", envs[i:i+1]) })
	}
	all.Wait()
	for i, s := range servers {
		nodes = append(nodes, adopt(t, s, "kafka", envs[i]))
	}
	return nodes
}

// OwnElasticsearch starts an Elasticsearch as [Elasticsearch] does; it goes when the test ends.
func OwnElasticsearch(t testing.TB, major int) *Node {
	t.Helper()
	return own(t, "elasticsearch", "ES_MAJOR="+strconv.Itoa(major))
}

func own(t testing.TB, name string, env ...string) *Node {
	t.Helper()
	return adopt(t, start(name+".sh", env), name, env...)
}

// adopt has the server end with the test.
func adopt(t testing.TB, s *server, name string, env ...string) *Node {
	t.Helper()
	t.Cleanup(s.stop) // of the process that the pid file names by then
	if s.err != nil {
		t.Fatal(s.err)
	}
	return &Node{Addr: s.addr, t: t, name: name, dir: s.cmd.Args[len(s.cmd.Args)-1], env: env}
}

// Kill9 ends the server with SIGKILL and waits until it is gone: its port is free some time after it has no command line.
func (n *Node) Kill9() {
	n.t.Helper()
	n.signal(syscall.SIGKILL)
	n.script("stop") // says that it does not run
	_, port, _ := strings.Cut(n.Addr, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		n.t.Fatal(err)
	}
	for end := time.Now().Add(2 * time.Minute); ; <-time.After(50 * time.Millisecond) {
		if err = listenable(number, 1); err == nil {
			return
		}
		if time.Now().After(end) {
			n.t.Fatalf("%s was killed, and its port is taken: %v", n.name, err)
		}
	}
}

// Freeze stops the server where it is: connections to it are made, and nothing is answered, until Thaw.
func (n *Node) Freeze() {
	n.t.Helper()
	n.signal(syscall.SIGSTOP)
}

// Thaw lets the server go on.
func (n *Node) Thaw() {
	n.t.Helper()
	n.signal(syscall.SIGCONT)
}

func (n *Node) signal(s syscall.Signal) {
	n.t.Helper()
	data, err := os.ReadFile(filepath.Join(n.dir, n.name+".pid"))
	if err != nil {
		n.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		n.t.Fatal(err)
	}
	if err := syscall.Kill(pid, s); err != nil {
		n.t.Fatalf("cannot send %s %v: %v", n.name, s, err)
	}
}

// Start starts the server again and waits until it answers.
func (n *Node) Start() {
	n.t.Helper()
	n.script("start")
}

func (n *Node) script(verb string) {
	n.t.Helper()
	_, port, _ := strings.Cut(n.Addr, ":")
	cmd := exec.Command("bash", filepath.Join(n.dir, "bin", n.name+".sh"), verb, port, n.dir)
	cmd.Env = append(os.Environ(), n.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		n.t.Fatal(fmt.Errorf("cannot %s %s: %w: %s", verb, n.name, err, out))
	}
}
