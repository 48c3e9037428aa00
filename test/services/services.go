// Package services starts the real servers that the tests run against: Elasticsearch 7 and 8, Kafka,
// Redis, and a Logstash stand-in that speaks its protocol (lumberjack v2).
//
// A server is started by the first test that asks for it, on a free port of 127.0.0.1, and is shared by
// all tests of the binary, so a test keeps to an index, topic or key of its own. [Main] stops them. Each
// hangs on a pipe held by the test binary: if that dies in any way, its servers end too and take their
// data with them. What a server needs and the machine lacks fails the test with the command to install it.
//
// The scripts also work by hand: elasticsearch.sh, kafka.sh and redis.sh start|stop|status [PORT] [DATADIR].
package services

import (
	"bufio"
	"bytes"
	"embed"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

//go:embed *.sh pom.xml *.java
var scripts embed.FS

// running holds the servers by script and version; an entry stays when its start failed, so that every
// test that needs the server fails with the same words and none waits again.
var (
	mu      sync.Mutex
	running = map[string]*server{}
)

// Main is for TestMain: it runs the tests, stops the servers they started, and returns the exit code.
//
//	func TestMain(m *testing.M) { os.Exit(services.Main(m)) }
func Main(m *testing.M) int {
	defer stopAll()
	return m.Run()
}

// Elasticsearch returns the URL of a one-node Elasticsearch of the major version 7 (7.17.29) or 8 (8.7.1),
// without security, ILM, data streams and ingest. An index may be made with index.creation_date and with
// index.lifecycle.name.
func Elasticsearch(t testing.TB, major int) (url string) {
	t.Helper()
	return "http://" + get(t, "elasticsearch.sh", "ES_MAJOR="+strconv.Itoa(major))
}

// Kafka returns the address of a one-node Kafka 3.9 that makes topics of one partition when first used.
func Kafka(t testing.TB) (addr string) {
	t.Helper()
	return get(t, "kafka.sh")
}

// Redis returns the address of a Redis server that keeps nothing on disk.
func Redis(t testing.TB) (addr string) {
	t.Helper()
	return get(t, "redis.sh")
}

// A server is one `script run`: it lives until its standard input is closed.
type server struct {
	addr  string
	cmd   *exec.Cmd
	stdin io.Closer
	err   error

	release func() // its ports
}

func get(t testing.TB, script string, env ...string) string {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	key := script + strings.Join(env, " ")
	s := running[key]
	if s == nil {
		s = start(script, env)
		running[key] = s
	}
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.addr
}

func start(script string, env []string) *server {
	s := &server{}
	s.err = s.start(script, env)
	if s.err != nil {
		s.stop()
	}
	return s
}

func (s *server) start(script string, env []string) error {
	dir, err := os.MkdirTemp("", "podbeat-services-")
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", script, err)
	}
	if err := os.CopyFS(filepath.Join(dir, "bin"), scripts); err != nil {
		return fmt.Errorf("cannot start %s: %w", script, err)
	}
	port, release, err := freePorts(2)
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", script, err)
	}
	s.release = release
	s.addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	s.cmd = exec.Command("bash", filepath.Join(dir, "bin", script), "run", strconv.Itoa(port), dir)
	s.cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	s.cmd.Stderr = &stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("cannot start %s: %w", script, err)
	}
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("cannot start %s: %w", script, err)
	}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("cannot start %s: %w", script, err)
	}
	if line, _ := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		s.stop() // waits, so that stderr is complete
		return fmt.Errorf("cannot start %s: %s", script, strings.TrimSpace(stderr.String()))
	}
	return nil
}

func (s *server) stop() {
	if s.stdin != nil {
		s.stdin.Close()
	}
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Wait()
	}
	if s.release != nil {
		s.release()
	}
}

func stopAll() {
	mu.Lock()
	defer mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range running {
		wg.Go(s.stop)
	}
	wg.Wait()
	clear(running)
}

// Address returns one of 127.0.0.1 that nobody listens on, for a server that the test starts, and maybe stops and
// starts again. Nobody else gets its port until the test ends.
func Address(t testing.TB) string {
	t.Helper()
	port, release, err := freePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// freePorts returns the first of n consecutive ports nobody listens on. They are below the range that Linux takes for
// outgoing connections and for who listens on any port, so that none of those can slip in while no server listens; nor
// can other tests, be it of another binary, before release.
func freePorts(n int) (port int, release func(), err error) {
	for range 100 {
		port = 20000 + rand.IntN(12000-n)
		if release, err = reserve(port, n); err != nil {
			continue
		}
		if err = listenable(port, n); err == nil {
			return port, release, nil
		}
		release()
	}
	return 0, nil, fmt.Errorf("cannot find %d free ports: %w", n, err)
}

// reserve keeps n consecutive ports from other tests by sockets that are called after them. They go with the process,
// however it ends, and leave no files.
func reserve(port, n int) (release func(), err error) {
	var held []net.Listener
	release = sync.OnceFunc(func() {
		for _, l := range held {
			l.Close()
		}
	})
	for i := range n {
		l, err := net.Listen("unix", fmt.Sprintf("@podbeat-test-port-%d", port+i))
		if err != nil {
			release()
			return nil, err
		}
		held = append(held, l)
	}
	return release, nil
}

func listenable(port, n int) error {
	for i := range n {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i)))
		if err != nil {
			return err
		}
		defer l.Close()
	}
	return nil
}
