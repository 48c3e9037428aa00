package kafka

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Shopify/sarama"

	libbeattesting "github.com/elastic/beats/v7/libbeat/testing"

	"github.com/podbeat/podbeat/test/services"
)

// The certificate has to be for the host that is connected to, and what is wrong with it is said.
func TestCertificateOfAnotherHost(t *testing.T) {
	s := httptest.NewTLSServer(nil) // whose certificate is for 127.0.0.1, ::1 and example.com
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	f := func(host, ssl string, refused bool) {
		t.Helper()
		c := load(t, fmt.Sprintf("{hosts: ['%s:%s'], ssl: {certificate_authorities: [%s], %s}}", host, port, ca, ssl))
		conn, err := c.config.Net.Proxy.Dialer.Dial("tcp", c.hosts[0])
		if err == nil {
			conn.Close()
		}
		if (err != nil) != refused || err != nil && !strings.Contains(err.Error(), "x509: certificate is valid for") {
			t.Errorf("%s with %s: got %v, want it to refuse the certificate: %v", host, ssl, err, refused)
		}
	}
	f("127.0.0.1", "", false)
	f("localhost", "", true)
	f("localhost", "verification_mode: strict", true)
	f("localhost", "verification_mode: certificate", false)
	f("localhost", "verification_mode: none", false)
}

// silent is sarama's client when it has lost all brokers over the question for an identity.
type silent struct {
	sarama.Client
	refreshed []string
}

func (s *silent) InitProducerID() (*sarama.InitProducerIDResponse, error) { return nil, nil }
func (s *silent) Topics() ([]string, error)                               { return []string{"t"}, nil }
func (s *silent) RefreshMetadata(topics ...string) error {
	s.refreshed = append(s.refreshed, topics...)
	return nil
}

func TestIdentityWithoutBrokers(t *testing.T) {
	s := &silent{}
	by, err := (&brokers{Client: s}).identify()
	if by != nobody || err == nil || len(s.refreshed) != 1 {
		t.Errorf("got %v, %v, refreshed %q, want an error, and brokers looked for", by, err, s.refreshed)
	}
}

// What keeps events from Kafka is said with what was done, where, and what to do.
func TestSaysWhy(t *testing.T) {
	f := func(got error, want ...string) {
		t.Helper()
		for _, w := range want {
			if got == nil || !strings.Contains(got.Error(), w) {
				t.Errorf("got %v, want %q in it", got, w)
			}
		}
	}
	c := load(t, "{hosts: ['127.0.0.1:1'], topic: t, username: u, password: secret, metadata.retry: {max: 1, backoff: 1ms}}")
	s := &shipment{client: c, queues: map[slot]*queue{}, counts: map[string][]int32{}}
	if err := s.connect(); err != nil {
		t.Fatal(err)
	}
	s.partitions("t")
	f(s.why, "partitions of topic t", "no broker answers: 127.0.0.1:1: dial tcp", "refused")

	q := &queue{}
	s.answered(q, &chunk{slot: slot{"t", 3}, leader: " at h:9092", err: sarama.ErrTopicAuthorizationFailed})
	f(s.why, "partition 3 of topic t at h:9092", "not authorized", "(the user needs the rights DESCRIBE and WRITE on the topic)")
	if !q.failed {
		t.Error("the partition goes on")
	}
}

// Without WRITE on any topic there is no identity. When the right is given there is one.
func TestIdentityWithTheRight(t *testing.T) {
	c := load(t, "topic: t")
	denied := error(sarama.ErrTopicAuthorizationFailed)
	k := with(c, nil)
	k.nameless = sarama.ErrClusterAuthorizationFailed
	k.outcome = func(string) error {
		if len(k.requests) == 1 {
			k.nameless = nil
		}
		if len(k.requests) < 2 {
			return denied
		}
		return nil
	}
	if got := publish(t, c, event(t, "a", 0)); got != "ack" {
		t.Errorf("got %s", got)
	}
	if got, want := strings.Join(k.requests, " "), "a/-1:-1 a/-1:-1 a/3:0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// `test output` fails when nothing can be sent, not for one broker of several.
func TestTestFails(t *testing.T) {
	broker := mockBroker(t)
	defer broker.Close()
	deaf := sarama.NewMockBroker(t, 2) // as one that wants a login, and hears nothing else until then
	defer deaf.Close()
	deaf.SetHandlerByMap(map[string]sarama.MockResponse{"ApiVersionsRequest": sarama.NewMockWrapper(&sarama.ApiVersionsResponse{})})
	down := services.Address(t)
	f := func(hosts, timeout string, wantFailed bool) {
		t.Helper()
		var said bytes.Buffer
		failed := false
		load(t, fmt.Sprintf("{hosts: [%s], topic: '%%{[t]}', timeout: %s}", hosts, timeout)).Test(libbeattesting.NewConsoleDriverWithKiller(&said, func() { failed = true }))
		if failed != wantFailed {
			t.Errorf("%s: failed %v, want %v: %s", hosts, failed, wantFailed, &said)
		}
	}
	f(fmt.Sprintf("%q", down), "30s", true)
	f(fmt.Sprintf("%q, %q", down, down), "30s", true)
	f(fmt.Sprintf("%q", deaf.Addr()), "1s", true)
	f(fmt.Sprintf("%q, %q", broker.Addr(), down), "30s", false)
	f(fmt.Sprintf("%q, %q", down, broker.Addr()), "30s", false)
}
