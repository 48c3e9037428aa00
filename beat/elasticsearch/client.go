package elasticsearch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	"github.com/elastic/beats/v7/libbeat/logp"
	"github.com/elastic/beats/v7/libbeat/outputs"
	"github.com/elastic/beats/v7/libbeat/testing"
)

// A client sends to one host. libbeat's pipeline gives each its own goroutine, which alone calls
// Connect and Publish; Close comes from another.
type client struct {
	*output
	log    *logp.Logger
	host   outputs.NetworkClient   // libbeat's client, for Connect and Test
	conn   *eslegclient.Connection // for its HTTP client and the version
	url    string                  // of _bulk, with its query
	header http.Header

	withType, indexWithoutID bool // see setVersion

	backoff backoff
	limit   int // of bytes in a request: bulk_max_bytes, or what a 413 has taught
	ceiling int // up to which limit grows back after cut connections
	cuts    int // requests in a row that got no answer
	bulk    bulk
	letters bulk
	gzip    *gzip.Writer // nil without compression
	zipped  *bytes.Buffer
	answer  bytes.Buffer
	results []result

	closing sync.Once
	done    chan struct{}   // closed by Close: ends every wait
	life    context.Context // ends a request under way, closeGrace after Close
	end     context.CancelFunc
	sleep   func(time.Duration) // waits, or less when done is closed; tests put theirs
}

// closeGrace is how long a request under way may take after Close, so that its events need not be
// sent again by the output that follows.
var closeGrace = 5 * time.Second

var errClosed = errors.New("output is closed")

// filterPath is what we want to hear of a bulk request: a tenth of the full answer.
const filterPath = "errors,items.*.status,items.*.error"

func newClient(o *output, host outputs.NetworkClient, s eslegclient.ConnectionSettings, info beat.Info) (*client, error) {
	conn, err := eslegclient.NewConnection(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if h, ok := conn.HTTP.(*http.Client); ok {
		h.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
			if r.Method != http.MethodPost { // 301 to 303 would make it a GET without a body
				return http.ErrUseLastResponse
			}
			return nil
		}
	}
	c := &client{
		output: o, log: logger(), host: host, conn: conn, header: header(conn.ConnectionSettings, info),
		backoff: backoff{init: o.Backoff.Init, max: o.Backoff.Max},
		limit:   int(o.BulkMaxBytes), ceiling: int(o.BulkMaxBytes),
		zipped: new(bytes.Buffer), done: make(chan struct{}),
	}
	query := url.Values{"filter_path": {filterPath}}
	for name, value := range o.Parameters {
		if name == "filter_path" {
			return nil, fmt.Errorf("%s: option \"parameters\" must not set filter_path, which the output needs for itself", what)
		}
		query.Set(name, value)
	}
	c.url = strings.TrimSuffix(conn.URL, "/") + "/_bulk?" + query.Encode()
	if o.CompressionLevel > 0 {
		if c.gzip, err = gzip.NewWriterLevel(io.Discard, o.CompressionLevel); err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.sleep = func(d time.Duration) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.done:
		}
	}
	return c, nil
}

func (c *client) String() string { return c.host.String() }

// Test is `test output`'s.
func (c *client) Test(d testing.Driver) {
	if t, ok := c.host.(testing.Testable); ok {
		t.Test(d)
	}
	if v := c.conn.GetVersion(); !v.IsValid() { // libbeat shows an empty one as if it were fine
		d.Warn("version", c.String()+" names none that can be read: is it Elasticsearch?")
	}
}

// Connect asks for the version and lets libbeat run what is registered to run on a connection,
// such as loading the template. A failure waits before it returns, because the pipeline doesn't.
func (c *client) Connect() error {
	if c.closed() {
		return errClosed
	}
	err := c.conn.Connect()
	if err == nil {
		c.setVersion(c.conn.GetVersion())
		err = c.host.Connect()
	}
	if err != nil {
		c.wait(c.backoff.next())
	}
	return err
}

// Close ends every wait at once, and a request under way after closeGrace.
func (c *client) Close() error {
	c.closing.Do(func() {
		close(c.done)
		time.AfterFunc(closeGrace, c.end)
	})
	return errors.Join(c.conn.Close(), c.host.Close())
}

func (c *client) closed() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *client) wait(d time.Duration) {
	start := time.Now()
	c.sleep(d)
	counters.backoffMillis.Add(uint64(time.Since(start).Milliseconds()))
}

// send posts items, a run of b's, and returns the answer, whose body is good until the next send.
// An error means that there was no whole answer.
func (c *client) send(ctx context.Context, b *bulk, items []item) (status int, h http.Header, body []byte, err error) {
	payload := b.raw[items[0].start:items[len(items)-1].end]
	counters.bytesRaw.Add(uint64(len(payload)))
	largest := 1<<20 + 16<<10*len(items) + 4*len(payload) // an error may quote what it refuses
	if c.gzip != nil {
		if payload, err = c.compress(payload); err != nil {
			return 0, nil, nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header = c.header.Clone()
	req.Host = c.header.Get("Host")
	var open atomic.Int32
	req.ContentLength = int64(len(payload))
	req.GetBody = func() (io.ReadCloser, error) {
		open.Add(1)
		return &requestBody{Reader: bytes.NewReader(payload), open: &open}, nil
	}
	req.Body, _ = req.GetBody()
	if allIdempotent(items) {
		req.Header["Idempotency-Key"] = nil // net/http then repeats it by itself on a connection gone stale
	}
	counters.bytesSent.Add(uint64(len(payload)))
	resp, err := c.conn.HTTP.Do(req)
	if err == nil {
		c.answer.Reset()
		var n int64
		n, err = c.answer.ReadFrom(io.LimitReader(resp.Body, int64(largest)+1))
		if err == nil && n > int64(largest) && resp.StatusCode < 300 {
			err = fmt.Errorf("answer is longer than %d bytes", largest)
		}
		resp.Body.Close()
	}
	if open.Load() > 0 { // answered before it was read: the transport keeps the buffer
		b.lent = b.lent || c.gzip == nil
		c.zipped = new(bytes.Buffer)
	}
	if err != nil {
		return 0, nil, nil, fmt.Errorf("cannot send %d events: %w", len(items), err)
	}
	return resp.StatusCode, resp.Header, c.answer.Bytes(), nil
}

func (c *client) compress(payload []byte) ([]byte, error) {
	c.zipped.Reset()
	c.gzip.Reset(c.zipped)
	_, err := c.gzip.Write(payload)
	if err == nil {
		err = c.gzip.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot compress %d bytes: %w", len(payload), err)
	}
	return c.zipped.Bytes(), nil
}

func allIdempotent(items []item) bool {
	for i := range items {
		if !items[i].idempotent() {
			return false
		}
	}
	return true
}

// A requestBody says when the transport has let go of it: net/http may close it long after the
// answer has come.
type requestBody struct {
	*bytes.Reader
	open *atomic.Int32
	once sync.Once
}

func (r *requestBody) Close() error {
	r.once.Do(func() { r.open.Add(-1) })
	return nil
}
