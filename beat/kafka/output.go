// Package kafka is podbeat's output.kafka: importing it puts it in the place of libbeat's output of
// that name. It takes libbeat's options and leaves the sending to libbeat, whose 7.17 client loses
// events in two ways: it drops, and counts as delivered, what is too large or cannot be sent; that
// goes to the dead-letter file before it sees it. And it acknowledges what was not sent while
// brokers are away; that is handed back. See docs/decisions/006-kafka-too-large.md.
//
//	batch → sort: topic, size ── sendable ──→ libbeat's client → Kafka
//	                  └── too large, not sendable ──→ dead-letter.ndjson
package kafka

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/backoff"
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

// deadLetter counts the events written to the dead-letter file.
var deadLetter = monitoring.NewUint(monitoring.Default, "podbeat.output.kafka.dead_letter")

// options are those of libbeat's that tell what it would send; libbeat's factory has checked them.
type options struct {
	MaxMessageBytes int                       `config:"max_message_bytes"`
	Key             *fmtstr.EventFormatString `config:"key"`
	Codec           codec.Config              `config:"codec"`
	Backoff         struct {
		Init time.Duration `config:"init"`
		Max  time.Duration `config:"max"`
	} `config:"backoff"`
}

// makeOutput is an outputs.Factory.
func makeOutput(im outputs.IndexManager, info beat.Info, observer outputs.Observer, cfg *common.Config) (outputs.Group, error) {
	group, err := libbeatOutput(im, info, observer, cfg)
	if err != nil {
		return outputs.Fail(err)
	}
	for i, c := range group.Clients {
		host, ok := c.(outputs.NetworkClient)
		if !ok {
			return outputs.Fail(fmt.Errorf("%s: libbeat's client %T cannot connect", what, c))
		}
		if group.Clients[i], err = newClient(host, info, observer, cfg); err != nil {
			return outputs.Fail(fmt.Errorf("%s: %w", what, err))
		}
	}
	return group, nil
}

// A client sorts out what Kafka cannot take and leaves the rest to libbeat's client. libbeat's
// pipeline calls Connect and Publish from one goroutine, Close from another.
type client struct {
	outputs.NetworkClient // libbeat's
	log                   *logp.Logger
	observer              outputs.Observer
	limit                 int // of bytes in a message: key, value and overhead
	index                 string
	frame                 int // bytes that the names of the beat add to an event, at most
	topic                 outil.Selector
	key                   *fmtstr.EventFormatString // nil for none
	codec, letters        codec.Codec               // of messages, of the events in dead letters
	isJSON                bool                      // the codec is one whose size can be bounded
	file                  deadletter.File
	fileWait, kafkaWait   backoff.Backoff
	latest                atomic.Int32 // outcome at Kafka, none since pause has looked
	proven                bool         // an event has had a topic and an encoding: see bury

	closing sync.Once
	done    chan struct{} // closed by Close: ends every wait
}

func newClient(host outputs.NetworkClient, info beat.Info, observer outputs.Observer, cfg *common.Config) (*client, error) {
	o := options{MaxMessageBytes: 1_000_000} // sarama's default
	o.Backoff.Init, o.Backoff.Max = time.Second, time.Minute
	if err := cfg.Unpack(&o); err != nil {
		return nil, err
	}
	c := &client{
		NetworkClient: host, log: logp.NewLogger("kafka"), observer: observer,
		limit: o.MaxMessageBytes, index: info.IndexPrefix, key: o.Key,
		frame:   escaped * (len(info.IndexPrefix) + len(info.Version)),
		letters: json.New(info.Version, json.Config{}),
		file:    deadletter.File{Path: paths.Resolve(paths.Data, "dead-letter.ndjson"), MaxBytes: 64 << 20, Files: 8},
		done:    make(chan struct{}),
	}
	first, longest := max(o.Backoff.Init, time.Millisecond), max(o.Backoff.Max, time.Millisecond)
	c.fileWait = backoff.NewEqualJitterBackoff(c.done, first, longest)
	c.kafkaWait = backoff.NewEqualJitterBackoff(c.done, first, longest)
	var err error
	if c.codec, err = codec.CreateEncoder(info, o.Codec); err != nil {
		return nil, err
	}
	_, c.isJSON = c.codec.(*json.Encoder)
	c.topic, err = outil.BuildSelectorFromConfig(cfg, outil.Settings{ // as libbeat's buildTopicSelector
		Key: "topic", MultiKey: "topics", EnableSingleOnly: true, FailEmpty: true, Case: outil.SelectorKeepCase,
	})
	return c, err
}

// Close ends every wait.
func (c *client) Close() error {
	c.closing.Do(func() { close(c.done) })
	return c.NetworkClient.Close()
}

// Test is `test output`'s.
func (c *client) Test(d testing.Driver) {
	if t, ok := c.NetworkClient.(testing.Testable); ok {
		t.Test(d)
	}
}
