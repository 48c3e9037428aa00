// Package status says how the parts of the log system are, and keeps its configuration.
//
//	GET status ──▶ probes, side by side, each with a time-out ──▶ document ──▶ rules ──▶ green, yellow or red
//	POST ────────▶ what is meant to change (change.go) ──▶ checked whole ──▶ applied (apply.go) ──▶ the status as it then is
//	heartbeat ───▶ instances, in memory ──▶ the wanted state back
//
// What is kept where:
//
//	rotate.*                  the document of the retention (curator/retention), which the curator reads
//	collector.*.enabled       the document "configuration", with the version, and who has changed what and when
//	elasticsearch.settings.*  the cluster's persistent settings
//
// Both documents are in .podbeat-system. A change of more than the second is noted there before it begins, so that it is
// finished, by whoever sees it, even if the one who began it is gone.
package status

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/store"
)

// Options are what a [Service] needs.
type Options struct {
	Settings
	Region string
	ES     *es.Client   // Elasticsearch, or the store by the same protocol
	Store  *store.Store // nil with Elasticsearch

	Peers     map[string]string // other regions: name → URL of their logapi with its prefix
	Transport http.RoundTripper // to them; nil: http.DefaultTransport

	User    func(*http.Request) string                      // who asks, for the history; nil: nobody is told
	Allowed func(r *http.Request, method, path string) bool // whether who asks may use another path of the API, which begins behind its prefix; nil: any
	Now     func() time.Time                                // nil: time.Now
	Log     *slog.Logger                                    // nil: slog.Default()
}

// Settings are the section `status` of logapi.yml.
type Settings struct {
	// Kafka, if logs go through it.
	Kafka Kafka `config:"kafka"`
	// ZooKeeper, if Kafka needs it.
	ZooKeeper ZooKeeper `config:"zookeeper"`
	// How many of each there should be. Of what is left out, as many as were seen within `forget`.
	Expected Expected `config:"expected"`
	// How long what does not report or answer any more is still shown.
	Forget time.Duration `config:"forget" default:"1h"`
	// How long after its last run curator's state is taken for old.
	CuratorEvery time.Duration `config:"curator_every" default:"26h"`
}

// Kafka says how Kafka is reached.
type Kafka struct {
	// Addresses of brokers, `kafka-1:9092`. Without any, Kafka is no part of the system.
	Hosts []string `config:"hosts"`
	// Topics whose partitions must all have a leader.
	Topics []string `config:"topics"`
	// The consumer group of the shippers, whose lag is shown.
	Group string `config:"group"`
	// More messages of lag than this are `yellow`; 0: no lag is.
	MaxLag int64 `config:"max_lag"`
	// User, for SASL.
	Username string `config:"username"`
	// Password; `${KAFKA_PASSWORD}` takes it from the environment.
	Password string `config:"password"`
	// How the two are sent: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.
	Mechanism string `config:"mechanism" default:"PLAIN" oneof:"PLAIN|SCRAM-SHA-256|SCRAM-SHA-512"`
	// TLS to the brokers.
	SSL KafkaTLS `config:"ssl"`
}

// KafkaTLS says how brokers prove who they are.
type KafkaTLS struct {
	// Speak TLS.
	Enabled bool `config:"enabled"`
	// File of the authorities to trust in place of the system's, PEM.
	CertificateAuthorities string `config:"certificate_authorities"`
	// Client certificate, PEM.
	Certificate string `config:"certificate"`
	// Its key.
	Key string `config:"key"`
}

// ZooKeeper says how ZooKeeper is reached.
type ZooKeeper struct {
	// Addresses of servers, `zookeeper-1:2181`. Without any, ZooKeeper is no part of the system.
	Hosts []string `config:"hosts"`
}

// Expected says how many of each there should be.
type Expected struct {
	// Podbeats that read the journal.
	Journalbeat int `config:"journalbeat"`
	// Podbeats that read files.
	Filebeat int `config:"filebeat"`
	// Podbeats that logs are pushed to.
	HTTPGateway int `config:"http_gateway"`
	// Shippers.
	Shipper int `config:"shipper"`
	// Parsers.
	Parser int `config:"parser"`
	// Kafka's brokers.
	Broker int `config:"broker"`
	// Elasticsearch's nodes that may be master.
	Master int `config:"master"`
	// Elasticsearch's nodes that neither may be master nor have data.
	Client int `config:"client"`
	// Elasticsearch's nodes with data.
	Data int `config:"data"`
}

// The times that make a whole answer take less than a second.
const (
	probeTime = 700 * time.Millisecond // all probes of this region
	handIn    = 50 * time.Millisecond  // of that, to put together what has been found
	peerTime  = 920 * time.Millisecond // another region, whose own probes take probeTime
)

// A Service answers for the status and the configuration of one region. Its methods may be called by several
// goroutines.
type Service struct {
	Options
	instances *registry
	nodes     *memory // of Elasticsearch, by role and name
	kafka     *kafkaProbe
	store     *storeProbe
	peers     *http.Client
	config    *keeper
	rounds    rounds
	posts     chan struct{} // bounds how many bodies of a POST are in memory at once
	beats     chan struct{} // likewise of heartbeats

	stop context.CancelFunc
	done sync.WaitGroup
}

// New returns a Service that has not asked anybody yet. Close ends it.
func New(o Options) (*Service, error) {
	if o.ES == nil {
		return nil, errors.New("cannot tell a status without a client of Elasticsearch")
	}
	if _, own := o.Peers[o.Region]; own {
		return nil, fmt.Errorf("cannot ask region %q for its status: it is this one itself", o.Region)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.User == nil {
		o.User = func(*http.Request) string { return "" }
	}
	if o.Allowed == nil {
		o.Allowed = func(*http.Request, string, string) bool { return true }
	}
	if o.Forget <= 0 {
		o.Forget = time.Hour
	}
	if o.CuratorEvery <= 0 {
		o.CuratorEvery = 26 * time.Hour
	}
	s := &Service{Options: o, instances: newRegistry(o.Forget), nodes: newMemory(o.Forget), config: newKeeper(o.ES), store: &storeProbe{store: o.Store},
		posts: make(chan struct{}, 4), beats: make(chan struct{}, 8)}
	s.peers = &http.Client{Transport: o.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var err error
	if s.kafka, err = newKafkaProbe(o.Kafka, o.Forget); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	s.done.Go(func() { s.tend(ctx) })
	if s.Store == nil { // which one logapi alone can have open
		s.done.Go(func() { s.share(ctx) })
	}
	return s, nil
}

// Close ends what runs in the background and the connections to Kafka.
func (s *Service) Close() error {
	s.stop()
	s.done.Wait()
	s.store.wait()
	s.kafka.close()
	s.peers.CloseIdleConnections()
	return nil
}

// Ready says whether what keeps the logs and the configuration answers.
func (s *Service) Ready(ctx context.Context) error {
	_, err := s.ES.Once().With(2 * time.Second).Info(ctx)
	return err
}
