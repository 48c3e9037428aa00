package consume

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/client"
	krb5 "github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/kerberos"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/elastic/beats/v7/libbeat/common/transport/tlscommon"
	"github.com/elastic/beats/v7/libbeat/logp"
)

// connection returns the options of any client of this cluster.
func (o *options) connection() ([]kgo.Opt, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Hosts...), kgo.ClientID(o.ClientID), kgo.DisableClientMetrics(),
		kgo.MetadataMaxAge(metadataAge), kgo.RetryBackoffFn(o.backoff),
	}
	if o.SSL.IsEnabled() {
		if _, err := tlscommon.LoadTLSConfig(o.SSL); err != nil {
			return nil, fmt.Errorf("cannot use ssl: %w", err)
		}
		opts = append(opts, kgo.Dialer(o.dialTLS))
	}
	mechanism, err := o.mechanism()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

// metadataAge is how soon new topics and partitions are noticed, at the latest.
const metadataAge = 15 * time.Second

// backoff is how long to wait after so many failures.
func (o *options) backoff(failures int) time.Duration {
	wait := 250 * time.Millisecond << min(max(failures-1, 0), 16)
	wait = min(wait, o.ConnectBackoff)
	return wait*4/5 + rand.N(wait/5+1)
}

// dialTLS reads the files of ssl anew for each connection, of which there are few.
func (o *options) dialTLS(ctx context.Context, network, addr string) (net.Conn, error) {
	loaded, err := tlscommon.LoadTLSConfig(o.SSL)
	if err != nil {
		return nil, fmt.Errorf("cannot use ssl: %w", err)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: probeTimeout}, Config: loaded.BuildModuleClientConfig(host)}
	return dialer.DialContext(ctx, network, addr)
}

// mechanism returns how to authenticate; nil for not at all.
func (o *options) mechanism() (sasl.Mechanism, error) {
	switch {
	case o.Kerberos.IsEnabled():
		return o.kerberos()
	case o.Username == "":
		return nil, nil
	}
	switch o.SASL.Mechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: o.Username, Pass: o.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: o.Username, Pass: o.Password}.AsSha512Mechanism(), nil
	}
	return plain.Auth{User: o.Username, Pass: o.Password}.AsMechanism(), nil
}

// kerberosPassword is libbeat's value of auth_type for a password; the other is a keytab.
const kerberosPassword = 1

func (o *options) kerberos() (sasl.Mechanism, error) {
	k := o.Kerberos
	cfg, err := krb5.Load(k.ConfigPath)
	if err != nil {
		return nil, fmt.Errorf("cannot use kerberos.config_path %q: %w", k.ConfigPath, err)
	}
	fast := client.DisablePAFXFAST(!k.EnableFAST)
	login := func(context.Context) *client.Client {
		return client.NewWithPassword(k.Username, k.Realm, k.Password, cfg, fast)
	}
	if k.AuthType != kerberosPassword {
		keys, err := keytab.Load(k.KeyTabPath)
		if err != nil {
			return nil, fmt.Errorf("cannot use kerberos.keytab %q: %w", k.KeyTabPath, err)
		}
		login = func(context.Context) *client.Client {
			return client.NewWithKeytab(k.Username, k.Realm, keys, cfg, fast)
		}
	}
	service := k.ServiceName
	if service == "" {
		service = "kafka"
	}
	return kerberos.Auth{ClientFn: login, Service: service}.AsMechanism(), nil
}

// client returns the options of a member of the group, without what it is to call.
func (o *options) client() ([]kgo.Opt, error) {
	opts, err := o.connection()
	if err != nil {
		return nil, err
	}
	balancer := map[string]kgo.GroupBalancer{
		"cooperative-sticky": kgo.CooperativeStickyBalancer(), "sticky": kgo.StickyBalancer(),
		"range": kgo.RangeBalancer(), "roundrobin": kgo.RoundRobinBalancer(),
	}[o.Rebalance.Strategy]
	isolation := kgo.ReadCommitted()
	if o.IsolationLevel == "read_uncommitted" {
		isolation = kgo.ReadUncommitted()
	}
	start := kgo.NewOffset().AtStart()
	if o.InitialOffset == "newest" {
		start = kgo.NewOffset().AtEnd()
	}
	most := o.Fetch.Max
	if most == 0 {
		most = max(4<<20, o.Fetch.Default)
	}
	inflate, err := newInflater(int64(o.MaxBatchBytes))
	if err != nil {
		return nil, err
	}
	opts = append(opts,
		kgo.ConsumerGroup(o.GroupID), kgo.Balancers(balancer), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(o.SessionTimeout), kgo.HeartbeatInterval(o.SessionTimeout/heartbeats), kgo.RebalanceTimeout(o.Rebalance.Timeout),
		kgo.ConsumeStartOffset(start), kgo.ConsumeResetOffset(kgo.NoResetOffset()), // see rewind
		kgo.FetchMinBytes(int32(o.Fetch.Min)), kgo.FetchMaxPartitionBytes(int32(o.Fetch.Default)), kgo.FetchMaxBytes(int32(most)),
		kgo.FetchMaxWait(o.MaxWaitTime), kgo.FetchIsolationLevel(isolation), kgo.KeepControlRecords(), kgo.WithDecompressor(inflate),
		kgo.MaxConcurrentFetches(concurrentFetches),
	)
	if !slices.ContainsFunc(o.Topics, isPattern) {
		return append(opts, kgo.ConsumeTopics(o.Topics...)), nil
	}
	var patterns []string
	for _, topic := range o.Topics {
		if !isPattern(topic) {
			topic = "^" + regexp.QuoteMeta(topic) + "$"
		}
		patterns = append(patterns, topic)
	}
	return append(opts, kgo.ConsumeRegex(), kgo.ConsumeTopics(patterns...)), nil
}

// concurrentFetches is how many brokers' answers are asked for or held at once.
const concurrentFetches = 3

func isPattern(topic string) bool { return strings.HasPrefix(topic, "^") }

// clientLog is where the client tells of its doings: what an operator must know comes another way, see trouble.
type clientLog struct{ log *logp.Logger }

func (l clientLog) Level() kgo.LogLevel {
	if l.log.IsDebug() {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelNone
}

func (l clientLog) Log(_ kgo.LogLevel, text string, pairs ...any) { l.log.Debugw(text, pairs...) }
