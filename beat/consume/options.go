package consume

import (
	"errors"
	"fmt"
	"math"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/beats/v7/libbeat/common/transport/kerberos"
	"github.com/elastic/beats/v7/libbeat/common/transport/tlscommon"

	"github.com/podbeat/podbeat/option"
)

// options are what `type: kafka` takes; names are those of filebeat's input of that type.
type options struct {
	// Brokers to ask for the cluster, as `host:port`; a port that is not given is 9092.
	Hosts []string `config:"hosts" required:"true"`
	// Topics to read. One that begins with ^ is a regular expression: every topic with a name that it matches, also a new one.
	Topics []string `config:"topics" default:"[logstash-journal]"`
	// The consumer group. Inputs with the same group share the topics' partitions, each of which one of them reads at a time; another group reads everything for itself.
	GroupID string `config:"group_id" default:"podbeat-shipper"`
	// What brokers call this client in their logs, metrics and quotas.
	ClientID string `config:"client_id" default:"podbeat"`
	// Accepted and without effect: brokers are asked what they can do.
	Version string `config:"version"`

	// User, for SASL.
	Username string `config:"username"`
	// Its password.
	Password string `config:"password"`
	// How to show the broker who one is.
	SASL saslOptions `config:"sasl"`
	// TLS, with the options of libbeat's outputs: `certificate_authorities`, `certificate`, `key`, `verification_mode` … An empty
	// section switches it on. Its files are read for each connection, so a changed one is taken up.
	SSL *tlscommon.Config `config:"ssl"`
	// Kerberos, with the options of output.kafka: `auth_type` (password or keytab), `config_path`, `realm`, `service_name`, `username`,
	// `password`, `keytab`, `enable_krb5_fast`.
	Kerberos *kerberos.Config `config:"kerberos"`

	// Where to begin in a partition of which the group has committed nothing: `oldest`, or `newest` for what comes from then on.
	InitialOffset string `config:"initial_offset" default:"oldest"`
	// Longest wait before a broker that fails is tried again; the first is 250 ms.
	ConnectBackoff time.Duration `config:"connect_backoff" default:"5s"`
	// Wait after an answer that says that something cannot be read.
	ConsumeBackoff time.Duration `config:"consume_backoff" default:"2s"`
	// How long a partition that goes to another member of the group, and a stop, wait for the acknowledgement of what is on its way.
	// What is not acknowledged by then is read again.
	WaitClose time.Duration `config:"wait_close" default:"2s"`
	// How long a broker may wait for fetch.min bytes.
	MaxWaitTime time.Duration `config:"max_wait_time" default:"250ms"`
	// Bounds of an answer of a broker.
	Fetch fetchOptions `config:"fetch"`
	// How the members of the group share the partitions.
	Rebalance rebalanceOptions `config:"rebalance"`
	// After how long without a heartbeat the group takes a member for dead, and gives its partitions to others: 6s to 30m, the bounds that brokers have by default.
	SessionTimeout time.Duration `config:"session_timeout" default:"15s"`
	// What to read of transactions: `read_committed`, or `read_uncommitted` for aborted ones also.
	IsolationLevel string `config:"isolation_level" default:"read_committed"`

	// The name of a list in each message, the elements of which are the events, as Azure writes them into `records`.
	ExpandEventListFromField string `config:"expand_event_list_from_field"`
	// Longest message; a longer one goes to the dead letters, cut at this length.
	MaxMessageBytes option.Bytes `config:"max_message_bytes" default:"10MiB"`
	// Most bytes of a batch of messages once it is decompressed. A partition with a larger one waits, and says so: what a batch is compressed tells nothing of it.
	MaxBatchBytes option.Bytes `config:"max_batch_bytes" default:"128MiB"`
	// Most values of one message: fields and elements of lists at any depth. One with more goes to the dead letters.
	MaxFields int `config:"max_fields" default:"10000"`
	// How much may be read and not yet acknowledged, all partitions together. Beyond it, partitions that have more than their share of it pause.
	MaxInFlight inFlightOptions `config:"max_in_flight"`
	// How often the offsets of what has been acknowledged are committed.
	CommitInterval time.Duration `config:"commit_interval" default:"1s"`
	// The file of messages that are no events.
	DeadLetterFile fileOptions `config:"dead_letter_file"`
}

type saslOptions struct {
	// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`; the first is the default with a username.
	Mechanism string `config:"mechanism"`
}

type fetchOptions struct {
	// Fewest bytes that a broker answers with before max_wait_time is over.
	Min option.Bytes `config:"min" default:"1"`
	// Most bytes of one partition in an answer, as the broker has them, which may be compressed. A single batch may be larger.
	Default option.Bytes `config:"default" default:"1MiB"`
	// Most bytes of an answer, with the same exception. 0 is 4MiB.
	Max option.Bytes `config:"max" default:"0"`
}

type rebalanceOptions struct {
	// `cooperative-sticky`, with which only partitions that move stop for it, or `sticky`, `range` or `roundrobin`. All members of a group must have the same.
	Strategy string `config:"strategy" default:"cooperative-sticky"`
	// How long members have to let go of partitions. More than wait_close.
	Timeout time.Duration `config:"timeout" default:"60s"`
	// Accepted and without effect: joining is tried for ever.
	MaxRetries int `config:"max_retries" default:"4"`
	// Accepted and without effect: see connect_backoff.
	RetryBackoff time.Duration `config:"retry_backoff" default:"2s"`
}

type inFlightOptions struct {
	// Most events.
	Events int `config:"events" default:"20000"`
	// Most bytes of them, as they are in messages and some for each value.
	Bytes option.Bytes `config:"bytes" default:"64MiB"`
}

type fileOptions struct {
	// Where; below path.data if it is relative. Outputs write to the same by default.
	Path string `config:"path" default:"dead-letter.ndjson"`
	// Size at which a new file is begun.
	MaxBytes option.Bytes `config:"max_bytes" default:"64MiB"`
	// Files kept; the oldest is removed when one more is needed, which is logged and counted.
	Files int `config:"files" default:"8"`
}

var (
	strategies      = []string{"cooperative-sticky", "sticky", "range", "roundrobin"}
	saslMechanisms  = []string{"", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"}
	initialOffsets  = []string{"oldest", "newest"}
	isolationLevels = []string{"read_committed", "read_uncommitted"}
)

// heartbeats is how many heartbeats a member may miss.
const heartbeats = 4

// Validate says which option has a value that means nothing.
func (o *options) Validate() error {
	o.SASL.Mechanism = strings.ToUpper(o.SASL.Mechanism)
	if len(o.Hosts) == 0 {
		return errors.New("cannot read without hosts: give the brokers as `hosts: [\"kafka:9092\"]`")
	}
	for _, host := range o.Hosts {
		name, port, err := net.SplitHostPort(host)
		if err != nil && strings.Contains(err.Error(), "missing port") {
			name, port, err = host, "9092", nil
		}
		if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || name == "" {
			return fmt.Errorf("cannot use host %q: want a name or an address and a port from 1 to 65535, such as kafka:9092", host)
		}
	}
	if len(o.Topics) == 0 {
		return errors.New("cannot read without topics: give them as `topics: [logstash-journal]`")
	}
	for _, topic := range o.Topics {
		if err := checkTopic(topic); err != nil {
			return err
		}
	}
	if o.GroupID == "" {
		return errors.New("cannot use an empty group_id: the offsets are kept under it")
	}
	if o.SASL.Mechanism != "" && o.Username == "" {
		return fmt.Errorf("cannot use sasl.mechanism %s without username and password", o.SASL.Mechanism)
	}
	if o.Username != "" && o.Password == "" {
		return errors.New("cannot use username without password")
	}
	if o.Username != "" && o.Kerberos.IsEnabled() {
		return errors.New("cannot use both username and kerberos")
	}
	if o.WaitClose < 0 || o.WaitClose >= o.Rebalance.Timeout {
		return fmt.Errorf("cannot use wait_close %v: want 0 or more, and less than rebalance.timeout, %v", o.WaitClose, o.Rebalance.Timeout)
	}
	if o.Fetch.Max > 0 && o.Fetch.Max < o.Fetch.Default {
		return fmt.Errorf("cannot use fetch.max %v: want no less than fetch.default, %v, or 0", o.Fetch.Max, o.Fetch.Default)
	}
	return errors.Join(
		oneOf("sasl.mechanism", o.SASL.Mechanism, saslMechanisms), oneOf("initial_offset", o.InitialOffset, initialOffsets),
		oneOf("rebalance.strategy", o.Rebalance.Strategy, strategies), oneOf("isolation_level", o.IsolationLevel, isolationLevels),
		between("fetch.min", o.Fetch.Min, 1, math.MaxInt32), between("fetch.default", o.Fetch.Default, 1, math.MaxInt32),
		between("fetch.max", o.Fetch.Max, 0, math.MaxInt32), between("max_message_bytes", o.MaxMessageBytes, 1, 1<<30),
		between("max_batch_bytes", o.MaxBatchBytes, 1<<20, math.MaxInt32),
		between("max_fields", o.MaxFields, 1, 1e7), between("max_in_flight.events", o.MaxInFlight.Events, 1, 1e7),
		between("max_in_flight.bytes", o.MaxInFlight.Bytes, 1, 1<<40), between("dead_letter_file.max_bytes", o.DeadLetterFile.MaxBytes, 1, 1<<40),
		between("dead_letter_file.files", o.DeadLetterFile.Files, 1, 1e6),
		atLeast("connect_backoff", o.ConnectBackoff, 10*time.Millisecond), atLeast("consume_backoff", o.ConsumeBackoff, time.Millisecond),
		atLeast("max_wait_time", o.MaxWaitTime, time.Millisecond), o.checkSession(),
		atLeast("commit_interval", o.CommitInterval, 10*time.Millisecond), atLeast("rebalance.timeout", o.Rebalance.Timeout, time.Second),
	)
}

// checkSession keeps session_timeout within what brokers have for bounds, unless somebody has changed theirs.
func (o *options) checkSession() error {
	const least, most = 6 * time.Second, 30 * time.Minute
	if least <= o.SessionTimeout && o.SessionTimeout <= most {
		return nil
	}
	return fmt.Errorf("cannot use session_timeout %v: want %v to %v, beyond which brokers refuse a member", o.SessionTimeout, least, most)
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func checkTopic(topic string) error {
	if strings.HasPrefix(topic, "^") {
		if _, err := regexp.Compile(topic); err != nil {
			return fmt.Errorf("cannot use topics %q: %w", topic, err)
		}
		return nil
	}
	if !topicName.MatchString(topic) || topic == "." || topic == ".." {
		return fmt.Errorf("cannot use topics %q: want a topic's name, of letters, digits, dots, underscores and dashes, or a regular expression that begins with ^", topic)
	}
	return nil
}

func oneOf(option, got string, want []string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("cannot use %s %q: want one of %s", option, got, strings.Trim(strings.Join(want, ", "), ", "))
}

func between[T ~int | ~int64](option string, got T, least, most int64) error {
	if least <= int64(got) && int64(got) <= most {
		return nil
	}
	return fmt.Errorf("cannot use %s %v: want %d to %d", option, got, least, most)
}

func atLeast(option string, got, least time.Duration) error {
	if got >= least {
		return nil
	}
	return fmt.Errorf("cannot use %s %v: want at least %v", option, got, least)
}
