package kafka

import (
	"errors"
	"fmt"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/option"
)

// options are libbeat's for output.kafka, with our defaults, and ours. libbeat reads its own once more.
type options struct {
	// Brokers to ask for all the others: host:port.
	Hosts []string `config:"hosts"`
	// Topic of the events, a name or a format string such as `logs-%{[kubernetes.namespace]}`. With `topics`, it is for the events that match none.
	Topic string `config:"topic" default:"logstash-journal"`
	// Key of the messages, a format string; messages of one key are in one partition, in order. By default it is the uid of the pod, else what the event is from: see below.
	Key string `config:"key"`
	// Headers of all messages, a list of `key` and `value`. Messages have `content-type` and `id` beside them, unless these are named here.
	Headers []header `config:"headers"`
	// What Kafka has to answer before a message counts as delivered: -1 that all in-sync replicas have it, 1 that the leader has it, 0 nothing.
	RequiredAcks int `config:"required_acks" default:"-1"`
	// Version of the protocol, not of the brokers: they understand older ones. 0.11 is the oldest.
	Version string `config:"version" default:"1.0.0"`
	// Largest message; a larger one is a dead letter. Also the most that is sent to a partition at once.
	MaxMessageBytes int `config:"max_message_bytes" default:"1000000"`
	// Most events that are taken from the queue at a time.
	BulkMaxSize int `config:"bulk_max_size" default:"2048"`
	// none, gzip, snappy or lz4.
	Compression string `config:"compression" default:"gzip"`
	// Level of gzip: 0 to 9.
	CompressionLevel int `config:"compression_level" default:"4"`
	// Longest time to connect, and for an answer.
	Timeout time.Duration `config:"timeout" default:"30s"`
	// How long a leader may wait for its replicas.
	BrokerTimeout time.Duration `config:"broker_timeout" default:"10s"`
	// Period of TCP's keep-alive packets; 0 is the system's.
	KeepAlive time.Duration `config:"keep_alive" default:"0s"`
	// How long to wait after a failure.
	Backoff backoffOptions `config:"backoff"`
	// What is asked about topics and brokers.
	Metadata metadataOptions `config:"metadata"`
	// Name of podbeat in the brokers' logs and quotas.
	ClientID string `config:"client_id" default:"beats"`
	// User name for SASL.
	Username string `config:"username"`
	// Password for SASL.
	Password string `config:"password"`
}

// backoffOptions are a section of options.
type backoffOptions struct {
	// Wait after the first failure. Each further one doubles it, up to half of it is random.
	Init time.Duration `config:"init" default:"1s"`
	// Longest wait.
	Max time.Duration `config:"max" default:"60s"`
}

// metadataOptions are a section of options.
type metadataOptions struct {
	// How often they are asked for when nothing fails.
	RefreshFrequency time.Duration `config:"refresh_frequency" default:"10m"`
	// Ask for all topics, not only for those in use.
	Full bool `config:"full" default:"false"`
	// Tries before it is a failure.
	Retry retryOptions `config:"retry"`
}

// retryOptions are a section of metadataOptions.
type retryOptions struct {
	// How many more.
	Max int `config:"max" default:"3"`
	// Wait before each.
	Backoff time.Duration `config:"backoff" default:"250ms"`
}

// A header is one of a message's.
type header struct {
	Key   string `config:"key"`
	Value string `config:"value"`
}

// Validate is go-ucfg's hook.
func (h header) Validate() error {
	if h.Key == "" {
		return errors.New("a header has no key: want - {key: NAME, value: TEXT}")
	}
	return nil
}

// theirs are the options that libbeat reads alone, and those that have no effect here but stand in its samples.
var theirs = []string{"enabled", "topics", "partition", "codec", "ssl", "sasl", "kerberos", "enable_krb5_fast",
	"worker", "max_retries", "channel_buffer_size", "bulk_flush_frequency"}

// unpack reads the options, and returns the configuration that libbeat is to have of them.
func unpack(cfg *common.Config) (o options, libbeats *common.Config, err error) {
	if err := option.Unpack(cfg, &o, what, theirs...); err != nil {
		return o, nil, err
	}
	if libbeats, err = common.MergeConfigs(cfg); err == nil {
		err = libbeats.Merge(map[string]any{"topic": o.Topic, "required_acks": o.RequiredAcks})
	}
	if err == nil && libbeats.HasField("headers") {
		_, err = libbeats.Remove("headers", -1)
	}
	if err != nil {
		return o, nil, fmt.Errorf("%s: %w", what, err)
	}
	return o, libbeats, nil
}
