package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"

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
