package status

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// A kafkaProbe asks Kafka how it is.
type kafkaProbe struct {
	Kafka
	client  *kgo.Client // nil: there is no Kafka
	admin   *kadm.Client
	brokers *memory
}

// kafkaFindings are what a kafkaProbe has found.
type kafkaFindings struct {
	known, up  int      // brokers
	err        error    // why none could be asked
	leaderless []string // partitions of the topics without a leader, and topics that are not there
	lag        *lag     // nil: none is asked for
	lagErr     error
}

func newKafkaProbe(o Kafka, forget time.Duration) (*kafkaProbe, error) {
	k := &kafkaProbe{Kafka: o, brokers: newMemory(forget)}
	if len(o.Hosts) == 0 {
		return k, nil
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Hosts...), kgo.ClientID("podbeat-logapi"),
		// A connection that has swallowed a request is given up, so that the next probe has a new one.
		kgo.DialTimeout(probeTime), kgo.RequestTimeoutOverhead(time.Second), kgo.RetryTimeout(probeTime), kgo.RequestRetries(2),
		kgo.MetadataMinAge(100 * time.Millisecond),
	}
	if o.SSL.Enabled {
		config, err := o.SSL.config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	if o.Username != "" {
		switch o.Mechanism {
		case "", "PLAIN":
			opts = append(opts, kgo.SASL(plain.Auth{User: o.Username, Pass: o.Password}.AsMechanism()))
		case "SCRAM-SHA-256":
			opts = append(opts, kgo.SASL(scram.Auth{User: o.Username, Pass: o.Password}.AsSha256Mechanism()))
		case "SCRAM-SHA-512":
			opts = append(opts, kgo.SASL(scram.Auth{User: o.Username, Pass: o.Password}.AsSha512Mechanism()))
		default:
			return nil, fmt.Errorf("cannot use status.kafka.mechanism %q: want PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", o.Mechanism)
		}
	}
	var err error
	if k.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("cannot use status.kafka: %w", err)
	}
	k.admin = kadm.NewClient(k.client)
	return k, nil
}

func (t KafkaTLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.CertificateAuthorities != "" {
		pem, err := os.ReadFile(t.CertificateAuthorities)
		if err != nil {
			return nil, fmt.Errorf("cannot read status.kafka.ssl.certificate_authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot read status.kafka.ssl.certificate_authorities: there is no certificate in %s", t.CertificateAuthorities)
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot read status.kafka.ssl.certificate and key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func (k *kafkaProbe) close() {
	if k.client != nil {
		k.client.Close()
	}
}

// probe asks for the brokers and asks each of them, and for the group's lag beside. ctx must have an end.
func (k *kafkaProbe) probe(ctx context.Context, now time.Time) (kafkaFindings, error) {
	var f kafkaFindings
	if k.client == nil {
		return f, nil
	}
	lags := func() (*lag, error) { return nil, nil }
	if k.Group != "" {
		lags = ask(ctx, k.lag)
	}
	meta, err := ask(ctx, func(ctx context.Context) (kadm.Metadata, error) { return hedge(ctx, k.metadata) })()
	if err != nil {
		f.err = err
	}
	var names []string
	for _, b := range meta.Brokers {
		names = append(names, strconv.Itoa(int(b.NodeID)))
	}
	k.brokers.note("broker", names, now)
	f.known = k.brokers.count("broker", now)
	if f.known == 0 {
		f.known = len(k.Hosts)
	}
	f.up = k.answering(ctx, meta.Brokers)
	if err == nil && f.up == 0 {
		f.err = errors.New("no broker answers")
	}
	for _, topic := range meta.Topics.Sorted() {
		if topic.Err != nil {
			f.leaderless = append(f.leaderless, fmt.Sprintf("%s (%v)", topic.Topic, topic.Err))
			continue
		}
		for _, p := range topic.Partitions.Sorted() {
			if p.Leader < 0 {
				f.leaderless = append(f.leaderless, fmt.Sprintf("%s/%d", p.Topic, p.Partition))
			}
		}
	}
	if f.lag, f.lagErr = lags(); f.lagErr != nil && k.Group != "" {
		f.lag = k.unknownLag()
	}
	return f, nil
}

func (k *kafkaProbe) unknownLag() *lag {
	return &lag{Group: k.Group, State: "unknown", Topics: map[string]int64{}}
}

func (k *kafkaProbe) metadata(ctx context.Context) (kadm.Metadata, error) {
	if len(k.Topics) == 0 {
		return k.admin.BrokerMetadata(ctx)
	}
	return k.admin.Metadata(ctx, k.Topics...)
}

// answering counts the brokers that answer.
func (k *kafkaProbe) answering(ctx context.Context, brokers kadm.BrokerDetails) int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	up := 0
	for _, b := range brokers {
		wg.Go(func() {
			request := kmsg.NewPtrApiVersionsRequest()
			request.ClientSoftwareName, request.ClientSoftwareVersion = "podbeat", "1"
			if _, err := k.client.Broker(int(b.NodeID)).Request(ctx, request); err == nil {
				mu.Lock()
				up++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return up
}

// lag asks how far the group is behind.
func (k *kafkaProbe) lag(ctx context.Context) (*lag, error) {
	all, err := k.admin.Lag(ctx, k.Group)
	if err != nil {
		return nil, err
	}
	g, ok := all[k.Group]
	if !ok {
		return nil, errors.New("Kafka does not tell of the group")
	}
	if err := g.Error(); err != nil {
		return nil, err
	}
	l := &lag{Group: k.Group, State: g.State, Members: len(g.Members), Topics: map[string]int64{}}
	for topic, t := range g.Lag.TotalByTopic() {
		l.Topics[topic] = t.Lag
		l.Messages += t.Lag
	}
	return l, nil
}

// zookeepers counts the servers that answer.
func zookeepers(ctx context.Context, hosts []string) int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	up := 0
	for _, host := range hosts {
		wg.Go(func() {
			if zookeeper(ctx, host) {
				mu.Lock()
				up++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return up
}

// zookeeper says whether a server answers: imok when asked ruok. One that has this command switched off says something
// else, or ends the connection, which is an answer too. One that says nothing is not up.
func zookeeper(ctx context.Context, host string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return false
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	if _, err := c.Write([]byte("ruok")); err != nil {
		return false
	}
	var answer [4]byte
	_, err = c.Read(answer[:])
	var slow net.Error
	return !(errors.As(err, &slow) && slow.Timeout())
}
