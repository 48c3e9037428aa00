package push

import (
	"crypto/tls"
	"net"
	"sync"
)

// listener bounds the connections that are open at once: further ones wait in the kernel's queue.
type listener struct {
	net.Listener
	metrics *metrics
	open    chan struct{} // has an element for each open connection
	closed  chan struct{}
	once    sync.Once
}

// newListener wraps l; without a TLS configuration it speaks plain text.
func newListener(l net.Listener, config *tls.Config, most int, m *metrics) net.Listener {
	bounded := &listener{Listener: l, metrics: m, open: make(chan struct{}, most), closed: make(chan struct{})}
	if config == nil {
		return bounded
	}
	return tls.NewListener(bounded, config)
}

// Accept waits for a connection, and for another to be closed if there are too many.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.open <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	l.metrics.conns.Inc()
	return &conn{Conn: c, release: func() { l.metrics.conns.Dec(); <-l.open }}, nil
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type conn struct {
	net.Conn
	once    sync.Once
	release func()
}

// Close closes the connection and makes room for another.
func (c *conn) Close() error {
	defer c.once.Do(c.release)
	return c.Conn.Close()
}
