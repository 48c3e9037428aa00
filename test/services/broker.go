package services

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A Broker is a Kafka of one test's own, to be killed and started again on the same port with the same data.
type Broker struct {
	Addr string

	t   testing.TB
	dir string
}

// OwnKafka starts a Kafka as [Kafka] does; it goes when the test ends.
func OwnKafka(t testing.TB) *Broker {
	t.Helper()
	s := start("kafka.sh", nil)
	if s.err != nil {
		t.Fatal(s.err)
	}
	t.Cleanup(s.stop) // of the process that the pid file names by then
	return &Broker{Addr: s.addr, t: t, dir: s.cmd.Args[len(s.cmd.Args)-1]}
}

// Kill9 ends the broker with SIGKILL and waits until it is gone.
func (b *Broker) Kill9() {
	b.t.Helper()
	b.signal(syscall.SIGKILL)
	b.script("stop") // says that it does not run
}

// Freeze stops the broker where it is: connections to it are made, and nothing is answered, until Thaw.
func (b *Broker) Freeze() {
	b.t.Helper()
	b.signal(syscall.SIGSTOP)
}

// Thaw lets the broker go on.
func (b *Broker) Thaw() {
	b.t.Helper()
	b.signal(syscall.SIGCONT)
}

func (b *Broker) signal(s syscall.Signal) {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.dir, "kafka.pid"))
	if err != nil {
		b.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Kill(pid, s); err != nil {
		b.t.Fatalf("cannot send the broker %v: %v", s, err)
	}
}

// Start starts the broker again and waits until it answers.
func (b *Broker) Start() {
	b.t.Helper()
	b.script("start")
}

func (b *Broker) script(verb string) {
	b.t.Helper()
	_, port, _ := strings.Cut(b.Addr, ":")
	out, err := exec.Command("bash", filepath.Join(b.dir, "bin", "kafka.sh"), verb, port, b.dir).CombinedOutput()
	if err != nil {
		b.t.Fatal(fmt.Errorf("cannot %s the broker: %w: %s", verb, err, out))
	}
}
