package elasticsearch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/transport/httpcommon"
	"github.com/elastic/beats/v7/libbeat/common/transport/kerberos"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/testing"
)

// A host is one of the nodes. Connecting is done beside the lanes, so that one that does not answer holds up none of
// them while another does.
type host struct {
	libbeat outputs.NetworkClient   // for Connect and Test
	conn    *eslegclient.Connection // for the version
	http    interface {
		Do(*http.Request) (*http.Response, error)
		CloseIdleConnections()
	}
	url    string // of _bulk, with its query
	header http.Header
	zstd   atomic.Int32 // what is known of compression: zstd

	// Guarded by client.mu:
	up         bool
	connecting bool
	times      int // it has come up: what a lane says of an earlier connection is no news
	attempts   int // to connect, since it was up
	dialect    dialect
	backoff    backoff
	pause      time.Duration // before it is connected to,
	since      time.Time     // from here on
}

// A dialect is what old servers need: Elasticsearch below 7 wants a type, and below 7.5 no create without an
// id. Versions 1 to 4 are OpenSearch's and none of that.
type dialect struct{ withType, indexWithoutID bool }

func dialectOf(v common.Version) (d dialect) {
	d.withType = v.Major == 5 || v.Major == 6
	d.indexWithoutID = d.withType || v.Major == 7 && v.Minor < 5
	return d
}

// filterPath is what we want to hear of a bulk request: a tenth of the full answer.
const filterPath = "errors,items.*.status,items.*.error"

func newHost(o options, libbeat outputs.NetworkClient, s eslegclient.ConnectionSettings, info beat.Info) (*host, error) {
	query := url.Values{"filter_path": {filterPath}}
	for name, value := range o.Parameters {
		if name == "filter_path" {
			return nil, fmt.Errorf("%s: option \"parameters\" must not set filter_path, which the output needs for itself", what)
		}
		query.Set(name, value)
	}
	conn, err := eslegclient.NewConnection(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	h := &host{libbeat: libbeat, conn: conn, header: header(conn.ConnectionSettings, info), backoff: backoff{init: o.Backoff.Init, max: o.Backoff.Max}}
	h.url = strings.TrimSuffix(conn.URL, "/") + "/_bulk?" + query.Encode()
	client, err := s.Transport.Client(
		httpcommon.WithLogger(logger()),
		httpcommon.WithIOStats(s.Observer),
		httpcommon.WithKeepaliveSettings{IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: o.lanes()},
		httpcommon.WithTransportFunc(sendWhole),
	)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	client.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.Method != http.MethodPost { // 301 to 303 would make it a GET without a body
			return http.ErrUseLastResponse
		}
		return nil
	}
	h.http = client
	if s.Kerberos.IsEnabled() {
		if h.http, err = kerberos.NewClient(s.Kerberos, client, s.URL); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	return h, nil
}

func (h *host) String() string { return h.libbeat.String() }

func (h *host) test(d testing.Driver) {
	if t, ok := h.libbeat.(testing.Testable); ok {
		t.Test(d)
	}
	if v := h.conn.GetVersion(); !v.IsValid() { // libbeat shows an empty one as if it were fine
		d.Warn("version", h.String()+" names none that can be read: is it Elasticsearch?")
	}
}

// connect asks for the version and lets libbeat run what is registered to run on a connection, such as loading the
// template.
func (h *host) connect() (dialect, error) {
	if err := h.conn.Connect(); err != nil {
		return dialect{}, err
	}
	d := dialectOf(h.conn.GetVersion())
	return d, h.libbeat.Connect()
}

func (h *host) close() error {
	h.http.CloseIdleConnections()
	return errors.Join(h.conn.Close(), h.libbeat.Close())
}

// ready waits until there is a host that l can send to, and makes it l's. It returns false once the output is closed.
func (c *client) ready(l *lane) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed() {
		if h := c.choose(l.home); h != nil {
			l.host, l.dialect, l.connection = h, h.dialect, h.times
			return true
		}
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-c.done:
		}
		c.mu.Lock()
	}
	return false
}

// choose returns the host at home or, while that is down, the next one that is up; nil if there is none. It has those
// connected to that are missing. Without loadbalance all lanes keep to one host until it fails.
func (c *client) choose(home int) (found *host) {
	if !c.LoadBalance {
		h := c.hosts[c.active]
		if h.up {
			return h
		}
		c.bringUp(h)
		return nil
	}
	for i := range c.hosts {
		h := c.hosts[(home+i)%len(c.hosts)]
		switch {
		case !h.up:
			c.bringUp(h)
		case found == nil:
			found = h
		}
	}
	return found
}

// bringUp has h connected to, after the pause that its last failure asks for. c.mu is held.
func (c *client) bringUp(h *host) {
	if h.connecting {
		return
	}
	h.connecting = true
	pause := h.pause - time.Since(h.since)
	attempts := h.attempts
	h.attempts++
	go func() {
		if pause > 0 {
			c.wait(pause)
		}
		err := errClosed
		var d dialect
		if !c.closed() {
			if attempts == 0 {
				c.log.Infof("Connecting to %v", h)
			} else {
				c.log.Infof("Attempting to reconnect to %v with %d reconnect attempt(s)", h, attempts)
			}
			d, err = h.connect()
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		h.connecting = false
		switch {
		case err == nil:
			c.log.Infof("Connection to %v established", h)
			h.up, h.dialect, h.attempts = true, d, 0
			h.times++
			c.tell()
		case !c.closed():
			after := c.down(h, 0)
			c.log.Errorf("Failed to connect to %v, trying again in %v: %v", h, after, err)
		}
	}()
}

// down notes that h has failed, and that it is to be left alone for so long at least. It returns how long that will be. c.mu is held.
func (c *client) down(h *host, atLeast time.Duration) time.Duration {
	h.up = false
	h.pause, h.since = max(h.backoff.next(), atLeast), time.Now()
	if !c.LoadBalance && c.hosts[c.active] == h {
		c.active = (c.active + 1) % len(c.hosts)
	}
	c.tell()
	return h.pause
}

func (c *client) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// failed is down for what has gone wrong on l's connection, unless that is old news.
func (c *client) failed(l *lane, why *failure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return
	}
	if l.host.up && l.host.times == l.connection {
		d := c.down(l.host, why.after)
		c.log.Errorf("Cannot publish events: %v; trying this host again in %v", why.err, d)
		return
	}
	c.log.Errorf("Cannot publish events: %v", why.err)
}

// worked ends the growth of waits for a host: only progress does.
func (c *client) worked(h *host) {
	c.mu.Lock()
	h.backoff.reset()
	c.mu.Unlock()
}

// sendWhole has t write request bodies as they are, rather than copy them in pieces of 32 KiB.
func sendWhole(t *http.Transport) {
	whole := func(dial func(string, string) (net.Conn, error)) func(string, string) (net.Conn, error) {
		return func(network, address string) (net.Conn, error) {
			c, err := dial(network, address)
			if err != nil {
				return nil, err
			}
			return bodyConn{c}, nil
		}
	}
	//lint:ignore SA1019 libbeat sets them
	t.Dial, t.DialTLS = whole(t.Dial), whole(t.DialTLS)
}

type bodyConn struct{ net.Conn }

// ReadFrom is what net/http calls with a body, in a reader that knows its length.
func (c bodyConn) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if b, ok := l.R.(*requestBody); ok && int64(b.Len()) <= l.N {
			n, err := b.WriteTo(c.Conn)
			l.N -= n
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// A requestBody says when the transport has let go of it: net/http may close it long after the
// answer has come.
type requestBody struct {
	*bytes.Reader
	closed atomic.Bool
	open   *atomic.Int32
}

// Close may be called several times, at once.
func (r *requestBody) Close() error {
	if !r.closed.Swap(true) {
		r.open.Add(-1)
	}
	return nil
}
