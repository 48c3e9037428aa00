// Package kafka is podbeat's output.kafka: importing it puts it in the place of libbeat's output of
// that name. It takes libbeat's options, connects as libbeat's does and publishes itself, so that each
// event ends in exactly one of three places: in Kafka, in the dead-letter file with the reason, or
// back in the queue; and so that a partition has its events in the order of the queue, whatever fails
// meanwhile. What 7.17's own client does instead is in docs/decisions/006-kafka-output.md.
//
//	batch → message: topic, key, headers, JSON → queue of its partition → chunk → leader's answer
//	           │                                       │  ↑                ↑        ├ has it
//	           │                                       │  │                └────────┤ unknown: wait, again as it is
//	           │                                       │  └─────────────────────────┤ refused with others: halve
//	           └── cannot be sent ── dead letter ──────┴── at Close, to libbeat     └ refused alone ── dead letter
package kafka

import (
	"errors"
	"fmt"
	"slices"
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
	"github.com/podbeat/podbeat/beat/encode"
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
	o, libbeats, err := unpack(cfg)
	if err != nil {
		return outputs.Fail(err)
	}
	group, err := libbeatOutput(im, info, observer, libbeats)
	if err != nil {
		return outputs.Fail(fmt.Errorf("%s: %w", what, err))
	}
	for i, theirs := range group.Clients {
		c := newClient(info, observer)
		c.libbeat = theirs
		c.ownCodec = cfg.HasField("codec")
		if err := c.takeOver(theirs); err != nil {
			return outputs.Fail(fmt.Errorf("%s: %w", what, err))
		}
		if err := c.setTLS(cfg); err != nil {
			return outputs.Fail(fmt.Errorf("%s: %w", what, err))
		}
		if !c.config.Version.IsAtLeast(sarama.V0_11_0_0) {
			return outputs.Fail(fmt.Errorf("%s: option \"version\" must be 0.11 or later, not %s: take it away, brokers understand versions older than their own", what, o.Version))
		}
		c.setHeaders(o.Headers)
		c.idempotent = c.config.Producer.RequiredAcks == sarama.WaitForAll
		group.Clients[i] = c
	}
	for _, c := range group.Clients {
		c := c.(*client)
		c.letGo = c.file.UseFor(observer)
	}
	return group, nil
}

// A client publishes one batch at a time. libbeat's pipeline calls Publish from one goroutine, Close from
// another. It has no Connect: libbeat would hand back the first batch before it calls that, and with luck send the
// second first.
type client struct {
	libbeat  outputs.Client // never connected
	log      *logp.Logger
	observer outputs.Observer
	hosts    []string
	config   sarama.Config
	topic    outil.Selector
	key      *fmtstr.EventFormatString // nil for ours
	headers  []*sarama.RecordHeader    // of all messages
	idHeader bool                      // each has its event's id beside them
	codec    codec.Codec               // libbeat's
	ownCodec bool                      // use it rather than encoder
	encoder  encode.Encoder
	buf      []byte // of encoder
	index    string
	version  string
	message  messageType
	file     deadletter.File
	dial     func(hosts []string, config *sarama.Config) (cluster, error)

	backoff  func(failures, _ int) time.Duration // of libbeat's options
	failures int                                 // in a row
	proven   bool                                // an event has been delivered: see bury

	partitioners map[string]sarama.Partitioner
	idempotent   bool // an identity is wanted
	nameless     bool // but Kafka gives none
	told         bool // of that
	by           identity
	sequences    map[slot]int32 // of the next message

	mu      sync.Mutex // held by Publish, so Close waits for that
	cluster cluster    // nil unless connected
	closing sync.Once
	letGo   func()        // of file
	done    chan struct{} // closed by Close: ends every wait
}

// newClient makes a client without options, which takeOver and setHeaders give it.
func newClient(info beat.Info, observer outputs.Observer) *client {
	c := &client{
		log: logp.NewLogger("kafka"), observer: observer, version: info.Version, idHeader: true, dial: dial,
		file:         deadletter.File{Path: paths.Resolve(paths.Data, "dead-letter.ndjson"), MaxBytes: 64 << 20, Files: 8},
		partitioners: map[string]sarama.Partitioner{}, by: nobody, sequences: map[slot]int32{},
		letGo: func() {}, done: make(chan struct{}),
	}
	return c
}

// setHeaders takes the headers of the options, and adds the kind of the value unless it is named there.
func (c *client) setHeaders(headers []header) {
	_, isJSON := c.codec.(*json.Encoder)
	if isJSON && !slices.ContainsFunc(headers, func(h header) bool { return h.Key == "content-type" }) {
		headers = append(headers, header{"content-type", "application/json"})
	}
	for _, h := range headers {
		c.headers = append(c.headers, &sarama.RecordHeader{Key: []byte(h.Key), Value: []byte(h.Value)})
		c.idHeader = c.idHeader && h.Key != "id"
	}
}

// Close ends every wait. What is on its way to Kafka then has a moment to arrive: see grace.
func (c *client) Close() error {
	c.closing.Do(func() {
		close(c.done)
		c.letGo()
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cluster != nil {
		go c.cluster.Close() // returns when sarama has given up what Publish has: nobody waits for that any more
		c.cluster = nil
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

// Test is `test output`'s, and fails if no broker answers or the topic is refused. libbeat's own opens connections, and no more.
func (c *client) Test(d testing.Driver) {
	topic := ""
	if c.topic.IsConst() {
		topic, _ = c.topic.Select(&beat.Event{})
	}
	up := ""
	for i, host := range c.hosts {
		d.Run("Kafka: "+host, func(d testing.Driver) {
			err, say := greet(host, &c.config), d.Error
			switch {
			case err == nil:
				up = host
			case up == "" && i == len(c.hosts)-1:
				say = d.Fatal // so that podbeat's exit code tells
			}
			say("answer", advised(err))
		})
	}
	if up == "" || topic == "" {
		return
	}
	d.Run("Kafka: topic "+topic, func(d testing.Driver) {
		switch err := see(up, &c.config, topic); {
		case errors.Is(err, sarama.ErrUnknownTopicOrPartition):
			d.Warn("is there", advised(err).Error())
		default:
			d.Fatal("is there", advised(err))
		}
	})
}

// Reach returns nil when some broker has accepted podbeat, with TLS and user if there are any, and answered. It may
// take a minute; Close does not end it.
func (c *client) Reach() error {
	config := c.config
	config.Metadata.Full = true // asks at once
	cluster, err := c.dial(c.hosts, &config)
	if err != nil {
		return fmt.Errorf("%s: no answer from %q: %w", what, c.hosts, err)
	}
	return cluster.Close()
}
