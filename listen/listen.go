// Package listen is what podbeat's HTTP servers share: connections that are bounded so that those with a valid
// token are not kept out by others, TLS that follows its files, and a bound on what strangers make a server log.
package listen

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// listener bounds the connections that are open at once. A further one takes the place of the one that has been idle for
// longest: that has no request, or none with a valid token, so that those who have none cannot keep out the others. It waits
// while there is no such.
type listener struct {
	net.Listener
	changed func(by int) // of open
	most    int
	freed   chan struct{} // told when a connection is closed or becomes idle
	closed  chan struct{}
	once    sync.Once

	mu   sync.Mutex
	open int
	idle list.List // of *conn, the longest idle first
}

// Bounded wraps l, so that at most so many connections are open at once. A further one takes the place of the one
// that has been longest without a request that [Keep] was called for, and waits while there is no such. Without a
// TLS configuration it speaks plain text. changed, if not nil, is told how many connections more or fewer are open.
// The http.Server must have [Context] and [State].
func Bounded(l net.Listener, config *tls.Config, most int, changed func(by int)) net.Listener {
	if changed == nil {
		changed = func(int) {}
	}
	bounded := &listener{Listener: l, changed: changed, most: most, freed: make(chan struct{}, 1), closed: make(chan struct{})}
	if config == nil {
		return bounded
	}
	return tls.NewListener(bounded, config)
}

// Accept waits for a connection, and for a place for it.
func (l *listener) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, listener: l}
	for {
		ok, wait := l.admit(c)
		if ok {
			return c, nil
		}
		select {
		case <-l.freed:
		case <-time.After(wait):
		case <-l.closed:
			_ = raw.Close()
			return nil, net.ErrClosed
		}
	}
}

// grace is how long a connection may be idle before another one takes its place: time for a handshake and a request's headers.
const grace = time.Second

// admit says whether there is a place for c, and gives it to c; or when to ask again, at the latest.
func (l *listener) admit(c *conn) (ok bool, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open >= l.most {
		first := l.idle.Front()
		if first == nil {
			return false, time.Hour
		}
		oldest := first.Value.(*conn)
		if rest := grace - time.Since(oldest.since); rest > 0 {
			return false, rest
		}
		oldest.leave()
		_ = oldest.Conn.Close()
	}
	l.open++
	l.changed(1)
	c.setIdle(true)
	return true, 0
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type conn struct {
	net.Conn
	listener *listener
	left     bool
	place    *list.Element // in listener.idle; nil: it is not idle
	since    time.Time     // when it became idle
}

// Close closes the connection and makes room for another.
func (c *conn) Close() error {
	c.listener.mu.Lock()
	c.leave()
	c.listener.mu.Unlock()
	return c.Conn.Close()
}

// leave gives c's place away. The listener is locked.
func (c *conn) leave() {
	if c.left {
		return
	}
	c.left = true
	c.setIdle(false)
	c.listener.open--
	c.listener.changed(-1)
	c.listener.tell()
}

// setIdle says whether c may be closed for the sake of another connection. The listener is locked.
func (c *conn) setIdle(idle bool) {
	switch {
	case idle && c.place == nil && !c.left:
		c.place, c.since = c.listener.idle.PushBack(c), time.Now()
		c.listener.tell()
	case !idle && c.place != nil:
		c.listener.idle.Remove(c.place)
		c.place = nil
	}
}

func (l *listener) tell() {
	select {
	case l.freed <- struct{}{}:
	default:
	}
}

// connKey is the key of a request's *conn in its context.
type connKey struct{}

func connOf(c net.Conn) *conn {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	return c.(*conn)
}

// Context is the http.Server's ConnContext.
func Context(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, connOf(c))
}

// State is the http.Server's ConnState.
func State(c net.Conn, s http.ConnState) {
	if s == http.StateIdle {
		connOf(c).occupy(false)
	}
}

// Keep lets r's connection stay until r is answered: call it once r's token is found valid.
func Keep(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		c.occupy(true)
	}
}

func (c *conn) occupy(busy bool) {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.setIdle(!busy)
}
