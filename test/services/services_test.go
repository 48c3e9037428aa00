package services

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/sarama"
	lumber "github.com/elastic/go-lumber/client/v2"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestElasticsearch(t *testing.T) {
	f := func(major int, wantVersion string) {
		t.Helper()
		url := Elasticsearch(t, major)
		var info struct{ Version struct{ Number string } }
		if err := json.Unmarshal(Call(t, "GET", url, "", 200), &info); err != nil || info.Version.Number != wantVersion {
			t.Errorf("version %q (%v), want %q", info.Version.Number, err, wantVersion)
		}
		Call(t, "PUT", url+"/services/_create/1", `{"message":"x"}`, 201)
		Call(t, "PUT", url+"/services/_create/1", `{"message":"x"}`, 409)
		if again := Elasticsearch(t, major); again != url {
			t.Errorf("second call gave %s, want the same server %s", again, url)
		}
	}
	f(7, "7.17.29")
	f(8, "8.7.1")
}

func TestKafka(t *testing.T) {
	addr := Kafka(t)
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true
	producer, err := sarama.NewSyncProducer([]string{addr}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	msg := &sarama.ProducerMessage{Topic: "services", Value: sarama.StringEncoder("x")}
	if _, offset, err := producer.SendMessage(msg); err != nil || offset != 0 {
		t.Errorf("message stored at offset %d (%v), want 0", offset, err)
	}
}

func TestRedis(t *testing.T) {
	conn, err := net.Dial("tcp", Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PING\r\n")
	answer := make([]byte, 7)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("answer %q (%v), want +PONG", answer, err)
	}
}

func TestLumberjack(t *testing.T) {
	var got []string
	t.Run("send", func(t *testing.T) {
		addr := Lumberjack(t, func(event []byte) { got = append(got, string(event)) })
		client, err := lumber.SyncDial(addr, lumber.Timeout(10*time.Second), lumber.CompressionLevel(3))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		for _, batch := range [][]any{{"a", map[string]int{"b": 1}}, {"c"}} {
			if n, err := client.Send(batch); err != nil || n != len(batch) {
				t.Fatalf("%d acknowledged (%v), want %d", n, err, len(batch))
			}
		}
	})
	if want := []string{`"a"`, `{"b":1}`, `"c"`}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// A port is given once, until it is given back.
func TestReserve(t *testing.T) {
	port := 1_000_000 + 10*os.Getpid() // which nobody is given
	release, err := reserve(port, 2)
	if err != nil {
		t.Fatal(err)
	}
	f := func(n int, want bool) {
		t.Helper()
		again, err := reserve(port+n, 2)
		if (err == nil) != want {
			t.Errorf("two from the port %d of two are given: %v, want %v", n, err, want)
		}
		if err == nil {
			again()
		}
	}
	f(-1, false)
	f(0, false)
	f(1, false)
	f(2, true)
	f(-2, true) // also that of which the next was refused
	release()
	f(0, true)
}

// What the machine lacks is named with the command that installs it.
func TestMissing(t *testing.T) {
	f := func(script, want string) {
		t.Helper()
		bash := t.TempDir()
		for _, tool := range []string{"bash", "dirname", "realpath", "mkdir", "rm", "cat", "grep"} {
			link(t, tool, bash)
		}
		s := start(script, []string{"PATH=" + bash})
		defer s.stop()
		if s.err == nil || !strings.Contains(s.err.Error(), want) {
			t.Errorf("error %v, want %q in it", s.err, want)
		}
	}
	f("elasticsearch.sh", "apt-get install -y curl")
	f("kafka.sh", "apt-get install -y openjdk-17-jdk-headless")
	f("redis.sh", "apt-get install -y redis-server")
}

// A server goes, with its data, when the pipe of its owner closes.
func TestServerEndsWithItsOwner(t *testing.T) {
	s := start("redis.sh", nil)
	if s.err != nil {
		t.Fatal(s.err)
	}
	dir := s.cmd.Args[len(s.cmd.Args)-1]
	s.stop()
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Errorf("something still listens on %s", s.addr)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("its folder is still there: %v", err)
	}
}

func link(t *testing.T, tool, dir string) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(dir, tool)); err != nil {
		t.Fatal(err)
	}
}
