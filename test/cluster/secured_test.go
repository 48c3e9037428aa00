package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/test/verify"
)

// certificate makes one for 127.0.0.1 that signs itself: cert.pem, and with its key keystore.pem.
func certificate(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafka"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	store := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), cert...)
	for name, text := range map[string][]byte{"cert.pem": cert, "keystore.pem": store} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The users of the broker and their passwords.
const (
	adminPassword     = "pw-of-the-admin"
	collectorPassword = "pw-of-the-collector"
	shipperPassword   = "pw-of-the-shipper"
	wrongPassword     = "pw-of-nobody"
)

// secured starts a broker that speaks TLS, wants a user with SCRAM or PLAIN, allows nobody but admin anything and creates no topics.
func secured(t *testing.T, dir string) (*services.Node, *kadm.Client) {
	t.Helper()
	kafka := services.OwnKafka(t,
		"listener.security.protocol.map=CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT",
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512", "sasl.mechanism.inter.broker.protocol=PLAIN",
		`listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="`+adminPassword+`" user_admin="`+adminPassword+`";`,
		"listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"ssl.keystore.type=PEM", "ssl.keystore.location="+filepath.Join(dir, "keystore.pem"),
		"ssl.truststore.type=PEM", "ssl.truststore.location="+filepath.Join(dir, "cert.pem"),
		"authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users=User:admin;User:ANONYMOUS", // the latter is the broker as its own controller
		"auto.create.topics.enable=false",
	)
	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Addr), kgo.SASL(plain.Auth{User: "admin", Pass: adminPassword}.AsMechanism()),
		kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	a := kadm.NewClient(client)
	for user, password := range map[string]string{"collector": collectorPassword, "shipper": shipperPassword} {
		made, err := a.AlterUserSCRAMs(t.Context(), nil, []kadm.UpsertSCRAM{{User: user, Mechanism: kadm.ScramSha512, Iterations: 4096, Password: password}})
		if err != nil || !made.Ok() {
			t.Fatal(made.Error(), err)
		}
	}
	return kafka, a
}

// allow gives a user rights.
func allow(t *testing.T, a *kadm.Client, user string, b *kadm.ACLBuilder, rights ...kadm.ACLOperation) {
	t.Helper()
	made, err := a.CreateACLs(t.Context(), b.ResourcePatternType(kadm.ACLPatternLiteral).Operations(rights...).Allow("User:"+user).AllowHosts("*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range made {
		if m.Err != nil {
			t.Fatal(m.Err)
		}
	}
}

// says waits until podbeat has logged a line with all of these words.
func says(t *testing.T, p *harness.Podbeat, words ...string) {
	t.Helper()
	until(t, fmt.Sprintf("podbeat says %q", words), func() (bool, string) {
		for line := range strings.Lines(p.Log()) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return true, ""
			}
		}
		return false, ""
	})
}

// Who has the wrong password, or not yet the rights, says so, waits and goes on when that is mended: nothing is lost, put aside or
// sent twice, and no password is in a log.
func TestSecuredBroker(t *testing.T) {
	const topic, group, n = "secured", "secured", 2000
	dir := certificate(t)
	kafka, a := secured(t, dir)
	journals := t.TempDir()
	o := journalgen.Defaults(n)
	messages, err := journalgen.Write(journals, o)
	if err != nil {
		t.Fatal(err)
	}
	j := journalOf(t, journals, journalgen.New(o))
	as := func(user, password string) string {
		return fmt.Sprintf("username: %s, password: %s, sasl.mechanism: SCRAM-SHA-512, ssl.certificate_authorities: [%q]", user, password, filepath.Join(dir, "cert.pem"))
	}
	config := func(password string) string {
		return strings.Replace(collector(journalInput(j.dir), kafka.Addr, topic), quick, quick+", "+as("collector", password), 1)
	}

	p := harness.New(t, config(wrongPassword))
	says(t, p, "nothing is dropped", kafka.Addr, `user "collector"`, "check username, password")
	p.Kill9()
	p.Configure(config(collectorPassword))
	p.Start()
	says(t, p, "nothing is dropped", "topic "+topic, "rights DESCRIBE and WRITE")
	test := func(want string) {
		t.Helper()
		out, _ := exec.Command(harness.Program(t, "podbeat"), "test", "output", "-c", filepath.Join(p.Dir, "podbeat.yml"), "--path.home", p.Dir).CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("podbeat test output says %s, want %q in it", out, want)
		}
	}
	test("rights DESCRIBE and WRITE")
	allow(t, a, "collector", kadm.NewACLs().Topics(topic), kadm.OpDescribe)
	says(t, p, "nothing is dropped", "topic "+topic, "create the topic")
	test("create the topic")
	if _, err := a.CreateTopic(t.Context(), 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	says(t, p, "nothing is dropped", "partition 0 of topic "+topic+" at "+kafka.Addr, "rights DESCRIBE and WRITE")
	if s := p.Stats(); s == nil || s["libbeat.output.events.acked"] > 0 {
		t.Errorf("acknowledged what Kafka cannot have: %v", s)
	}
	allow(t, a, "collector", kadm.NewACLs().Topics(topic), kadm.OpWrite)
	c, ranks := j.expect(messages)
	until(t, "the journal is in Kafka", func() (bool, string) { // the first podbeat has settled what is not for Kafka, and no more
		_, all, err := lag(a, topic, group)
		return err == nil && all >= int64(len(ranks)), fmt.Sprintf("%d of %d records (%v)", all, len(ranks), err)
	})
	until(t, "all is acknowledged", idle(p))
	test("is there... OK")
	p.Term()

	out := t.TempDir()
	s := harness.New(t, fmt.Sprintf(`
podbeat.inputs:
- {type: kafka, id: shipper, hosts: [%q], topics: [%q], group_id: %q, connect_backoff: 1s, %s}
%s
output.file: {path: %q, filename: events, rotate_every_kb: 1000000}`, kafka.Addr, topic, group, as("shipper", shipperPassword), common, out))
	says(t, s, "Cannot read topic "+topic, "rights DESCRIBE and READ")
	if strings.Contains(s.Log(), "Cannot reach Kafka") {
		t.Error("it says that it cannot reach Kafka, which does answer")
	}
	allow(t, a, "shipper", kadm.NewACLs().Topics(topic), kadm.OpRead)
	says(t, s, "group "+group, "right READ on the group")
	allow(t, a, "shipper", kadm.NewACLs().Groups(group), kadm.OpRead)
	until(t, "all offsets are committed", shipped(a, topic, group))
	s.Term()

	sent := newOrder()
	files, err := filepath.Glob(filepath.Join(out, "events*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no events have come", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := verify.Lines(f, func(d verify.Doc) {
			c.Arrived(d)
			sent.came(topic, d.ID, ranks[d.ID])
		}); err != nil {
			t.Fatal(err)
		}
	}
	if r := c.Report(); !r.Exact() || r.Expected == 0 {
		t.Error(r)
	}
	sent.want(t, "journal entries", len(ranks))
	if sent.repeats > 0 {
		t.Errorf("%d messages are there twice", sent.repeats)
	}
	for _, p := range []*harness.Podbeat{p, s} {
		for _, password := range []string{collectorPassword, shipperPassword, wrongPassword} {
			if strings.Contains(p.Log(), password) {
				t.Errorf("the log has %s", password)
			}
		}
		if _, err := os.Stat(filepath.Join(p.Dir, "data", "dead-letter.ndjson")); !os.IsNotExist(err) {
			t.Errorf("there are dead letters: %v, want %v", err, fs.ErrNotExist)
		}
	}
}
