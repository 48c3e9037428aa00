package kafka

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/Shopify/sarama"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/transport/tlscommon"
)

// A tlsDialer connects with TLS in sarama's place. libbeat gives sarama a configuration for no host in particular, which accepts the
// certificate of any; and sarama tells nobody why a handshake has failed. The files of ssl are read for each connection.
type tlsDialer struct {
	ssl *tlscommon.Config
	tcp net.Dialer
}

// setTLS has c connect with TLS if the options say so.
func (c *client) setTLS(cfg *common.Config) error {
	var o struct {
		SSL *tlscommon.Config `config:"ssl"`
	}
	if !c.config.Net.TLS.Enable {
		return nil
	}
	if err := cfg.Unpack(&o); err != nil {
		return err
	}
	d := &tlsDialer{o.SSL, net.Dialer{Timeout: c.config.Net.DialTimeout, KeepAlive: c.config.Net.KeepAlive}}
	c.config.Net.TLS.Enable, c.config.Net.TLS.Config = false, nil
	c.config.Net.Proxy.Enable, c.config.Net.Proxy.Dialer = true, d
	return nil
}

func (d *tlsDialer) String() string { return "TLS" } // sarama's log has no use for what is in it

// Dial is proxy.Dialer's.
func (d *tlsDialer) Dial(network, addr string) (net.Conn, error) {
	loaded, err := tlscommon.LoadTLSConfig(d.ssl)
	if err != nil {
		return nil, fmt.Errorf("cannot use ssl: %w", err)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.tcp.Timeout)
	defer cancel()
	conn, err := d.tcp.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, loaded.BuildModuleClientConfig(host))
	if err := secured.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, &net.OpError{Op: "TLS with", Net: network, Addr: conn.RemoteAddr(), Err: err}
	}
	return secured, nil
}

// greet connects to a broker, with TLS and user if there are any, and has it answer: of its topics, as it tells its versions also to
// those who have yet to log in.
func greet(addr string, config *sarama.Config) error {
	return visit(addr, config, func(b *sarama.Broker) error {
		_, err := b.GetMetadata(&sarama.MetadataRequest{Version: 4})
		return err
	})
}

// see asks a broker whether a topic is there for this user. It does not make the broker create it.
func see(addr string, config *sarama.Config, topic string) error {
	return visit(addr, config, func(b *sarama.Broker) error {
		answer, err := b.GetMetadata(&sarama.MetadataRequest{Version: 4, Topics: []string{topic}})
		switch {
		case err != nil:
			return err
		case len(answer.Topics) == 0:
			return sarama.ErrIncompleteResponse
		case answer.Topics[0].Err != sarama.ErrNoError:
			return answer.Topics[0].Err
		}
		return nil
	})
}

func visit(addr string, config *sarama.Config, ask func(*sarama.Broker) error) error {
	broker := sarama.NewBroker(addr)
	if err := broker.Open(config); err != nil {
		return err
	}
	defer broker.Close()
	if _, err := broker.Connected(); err != nil {
		if sasl := config.Net.SASL; sasl.Enable && !errors.As(err, new(net.Error)) {
			err = fmt.Errorf("login of user %q with %s: %w", cmp.Or(sasl.User, sasl.GSSAPI.Username), cmp.Or(sasl.Mechanism, sarama.SASLTypePlaintext), err)
		}
		return err
	}
	return ask(broker)
}

// explained is err, or why no broker answers if that is all that sarama knows.
func explained(err error, hosts []string, config *sarama.Config) error {
	if !errors.Is(err, sarama.ErrOutOfBrokers) && !errors.Is(err, sarama.ErrSASLAuthenticationFailed) {
		return err
	}
	return cmp.Or(unreachable(hosts, config), err)
}

// unreachable says of each host why it does not answer, nil if one does.
func unreachable(hosts []string, config *sarama.Config) error {
	errs := make([]error, len(hosts))
	var all sync.WaitGroup
	for i, host := range hosts {
		all.Go(func() { errs[i] = greet(host, config) })
	}
	all.Wait()
	var said []string
	for i, err := range errs {
		switch {
		case err == nil:
			return nil
		case i < 3:
			said = append(said, fmt.Sprintf("%s: %v", hosts[i], advised(err)))
		case i == 3:
			said = append(said, fmt.Sprintf("and %d more", len(hosts)-i))
		}
	}
	return errors.New("no broker answers: " + strings.Join(said, "; "))
}

// advised is err with what somebody can do about it, if waiting may not be enough.
func advised(err error) error {
	for _, known := range []struct {
		err  error
		text string
	}{
		{sarama.ErrTopicAuthorizationFailed, "the user needs the rights DESCRIBE and WRITE on the topic"},
		{sarama.ErrClusterAuthorizationFailed, "the user needs the right IdempotentWrite on the cluster, or WRITE on the topic from Kafka 2.8 on"},
		{sarama.ErrUnknownTopicOrPartition, "create the topic, or have brokers create topics by themselves"},
		{sarama.ErrSASLAuthenticationFailed, "check username, password and sasl.mechanism"},
		{sarama.ErrUnsupportedSASLMechanism, "set sasl.mechanism to one that the brokers offer"},
		{sarama.ErrNotEnoughReplicas, "fewer brokers have the partition than its min.insync.replicas: see to the brokers"},
		{sarama.ErrNotEnoughReplicasAfterAppend, "fewer brokers have the partition than its min.insync.replicas: see to the brokers"},
		{io.ErrUnexpectedEOF, "it has hung up: check ssl, username, password and sasl.mechanism against what it wants on this port"},
		{io.EOF, "it has hung up: check ssl, username, password and sasl.mechanism against what it wants on this port"},
	} {
		if errors.Is(err, known.err) {
			return fmt.Errorf("%w (%s)", err, known.text)
		}
	}
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "remote error" {
		return fmt.Errorf("%w (check ssl.certificate and ssl.key, which it may want or refuse)", err)
	}
	return err
}
