// Package kafka is podbeat's output.kafka: importing it puts it in the place of libbeat's output of
// that name. It takes libbeat's options, connects as libbeat's does and publishes itself, so that each
// event ends in exactly one of three places: in Kafka, in the dead-letter file with the reason, or
// back in the queue. What 7.17's own client does instead is in docs/decisions/006-kafka-output.md.
//
//	queue → message: topic, key, JSON → send → what sarama says of each
//	           │                         ↑        │
//	           │                         └────────┤ refused with others: halve and send
//	           │                                  ├ delivered
//	           └── cannot be sent ── dead letter ─┤ refused alone
//	queue ← wait ─────────────────────────────────┘ any other error
package kafka

import (
	"fmt"
	"sync"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/fmtstr"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/outputs/codec"
	"github.com/elastic/beats/v7/libbeat/outputs/codec/json"
	_ "github.com/elastic/beats/v7/libbeat/outputs/kafka" // registers first, to be replaced
	"github.com/elastic/beats/v7/libbeat/outputs/outil"
	"github.com/elastic/beats/v7/libbeat/paths"
	"github.com/elastic/beats/v7/libbeat/testing"

	"github.com/podbeat/podbeat/beat/deadletter"
)

// outputReg is libbeat's table of outputs. outputs.RegisterType panics on a name that is taken.
//
//go:linkname outputReg github.com/elastic/beats/v7/libbeat/outputs.outputReg
var outputReg map[string]outputs.Factory

var libbeatOutput outputs.Factory

func init() {
	libbeatOutput = outputs.FindFactory("kafka")
	outputReg["kafka"] = makeOutput
}

const what = "kafka output"

// deadLetter counts the events written to the dead-letter file, split the requests that were sent
// because another was refused for one of its events, or for its size.
var (
	deadLetter = monitoring.NewUint(monitoring.Default, "podbeat.output.kafka.dead_letter")
	split      = monitoring.NewUint(monitoring.Default, "podbeat.output.kafka.split")
)

// makeOutput is an outputs.Factory.
func makeOutput(im outputs.IndexManager, info beat.Info, observer outputs.Observer, cfg *common.Config) (outputs.Group, error) {
	group, err := libbeatOutput(im, info, observer, cfg)
	if err != nil {
		return outputs.Fail(err)
	}
	for i, theirs := range group.Clients {
		if group.Clients[i], err = newClient(theirs, info, observer); err != nil {
			return outputs.Fail(fmt.Errorf("%s: %w", what, err))
		}
	}
	return group, nil
}

// A client publishes one batch at a time. libbeat's pipeline calls Connect and Publish from one
// goroutine, Close from another.
type client struct {
	libbeat  outputs.Client // never connected
	log      *logp.Logger
	observer outputs.Observer
	hosts    []string
	config   sarama.Config
	topic    outil.Selector
	key      *fmtstr.EventFormatString // nil for none
	codec    codec.Codec               // of messages
	letters  codec.Codec               // of the events in dead letters
	index    string
	message  messageType
	file     deadletter.File

	backoff  func(failures, _ int) time.Duration // of libbeat's options
	failures int                                 // in a row
	proven   bool                                // an event has been delivered: see bury

	mu       sync.Mutex           // held while producer is used, so Close waits for that
	producer sarama.AsyncProducer // nil unless connected
	closing  sync.Once
	done     chan struct{} // closed by Close: ends every wait
}

// newClient makes a client of the parts that libbeat has made for its own from the options.
func newClient(theirs outputs.Client, info beat.Info, observer outputs.Observer) (*client, error) {
	c := &client{
		libbeat: theirs, log: logp.NewLogger("kafka"), observer: observer,
		letters: json.New(info.Version, json.Config{}),
		file:    deadletter.File{Path: paths.Resolve(paths.Data, "dead-letter.ndjson"), MaxBytes: 64 << 20, Files: 8},
		done:    make(chan struct{}),
	}
	err := c.takeOver(theirs)
	return c, err
}

// Connect makes the producer, which sees to its connections by itself from then on.
func (c *client) Connect() error {
	producer, err := sarama.NewAsyncProducer(c.hosts, &c.config)
	if err != nil {
		c.fail()
		return fmt.Errorf("%s: cannot connect to %q: %w", what, c.hosts, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return producer.Close()
	}
	c.producer = producer
	return nil
}

// Close ends every wait. What is on its way to Kafka then has a moment to arrive: see grace.
func (c *client) Close() error {
	c.closing.Do(func() { close(c.done) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.producer != nil {
		go c.producer.Close() // returns when sarama has given up what Publish has: nobody waits for that any more
		c.producer = nil
	}
	return nil
}

func (c *client) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// fail waits, longer after each failure.
func (c *client) fail() {
	c.wait(c.failures)
	c.failures++
}

// wait waits as long as is due after so many failures, and no longer than until Close.
func (c *client) wait(failures int) {
	timer := time.NewTimer(c.backoff(failures, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.done:
	}
}

func (c *client) String() string { return fmt.Sprint(c.libbeat) }

// Test is `test output`'s.
func (c *client) Test(d testing.Driver) {
	if t, ok := c.libbeat.(testing.Testable); ok {
		t.Test(d)
	}
}
