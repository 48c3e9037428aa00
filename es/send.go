package es

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// What is repeated, by the method:
//
//	answered 429 or 503           all: the server did not do it
//	no connection                 all: the request was not sent
//	answered 502 or 504           GET and HEAD
//	the connection broke          GET and HEAD
//	no answer in time, all else   none
const (
	firstPause = 500 * time.Millisecond
	maxPause   = 30 * time.Second // also of what a server asks for with Retry-After
)

// repeat calls try until it succeeds, may not be repeated, or has been repeated often enough.
func (c *Client) repeat(ctx context.Context, method string, try func() error) error {
	for i := 0; ; i++ {
		err := try()
		if err == nil || i >= c.retries || ctx.Err() != nil || !repeatable(method, err) {
			return err
		}
		timer := time.NewTimer(pause(i, err))
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// pause is how long to wait after the failure number i, from 0: twice as long each time, half of it random
// so that clients do not come back at once, unless the server says when.
func pause(i int, err error) time.Duration {
	var answer *Error
	if errors.As(err, &answer) && answer.retryAfter > 0 {
		return min(answer.retryAfter, maxPause)
	}
	d := min(firstPause<<min(i, 16), maxPause)
	return d/2 + rand.N(d/2)
}

func repeatable(method string, err error) bool {
	reads := method == http.MethodGet || method == http.MethodHead
	var answer *Error
	if errors.As(err, &answer) {
		switch answer.Status {
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			return true
		case http.StatusBadGateway, http.StatusGatewayTimeout:
			return reads
		}
		return false
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || distrust(err) || plainServer(err) {
		return false
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return true
	}
	var broken *brokenError
	return reads && errors.As(err, &broken)
}

// An attempt is one sending of a request. It carries what the interceptor needs of it.
type attempt struct {
	escaped string // the path as asked for, without the host's prefix
}

type attemptKey struct{}

// errTimeout ends an attempt that takes longer than the client's timeout.
var errTimeout = fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)

// send sends a request once. Unless it fails, done closes the answer and must be called.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body []byte) (resp *http.Response, done func(), err error) {
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, attemptKey{}, &attempt{escaped: path}))
	timer := time.AfterFunc(c.timeout, func() { cancel(errTimeout) })
	stop := func() { timer.Stop(); cancel(nil) }
	req, err := c.request(ctx, method, path, query, body)
	if err != nil {
		stop()
		return nil, nil, err
	}
	resp, err = c.transport.Perform(req)
	if err != nil {
		err = c.failed(ctx, req, err)
		stop()
		return nil, nil, err
	}
	sent := resp.Request
	resp.Request = req
	answer := resp.Body
	done = func() { answer.Close(); stop() }
	if resp.StatusCode >= 300 {
		err = answered(method, path, resp, secrets(sent))
		done()
		return nil, nil, err
	}
	return resp, done, nil
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Request, error) {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || u.Host != "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("cannot %s %q: it is not the path of a request", method, path)
	}
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("cannot %s %s: %w", method, path, err)
	}
	if body == nil {
		return req, nil
	}
	req.Header.Set("Content-Type", "application/json")
	if c.compress {
		req.Header.Set("Content-Encoding", "gzip")
	}
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
	return req, nil
}

// keepEscapes puts the host's prefix before the escaped path too, which the transport does with the plain
// path alone: %2F of a name with date math would become a slash.
func keepEscapes(next elastictransport.RoundTripFunc) elastictransport.RoundTripFunc {
	return func(req *http.Request) (*http.Response, error) {
		escaped := req.Context().Value(attemptKey{}).(*attempt).escaped
		plain, err := url.PathUnescape(escaped)
		if err != nil {
			return nil, err
		}
		prefix := url.URL{Path: strings.TrimSuffix(req.URL.Path, plain)}
		req.URL.RawPath = prefix.EscapedPath() + escaped
		return next(req)
	}
}

// A brokenError is a request that was perhaps sent and got no whole answer.
type brokenError struct{ cause error }

func (e *brokenError) Error() string { return e.cause.Error() }
func (e *brokenError) Unwrap() error { return e.cause }

// failed words what kept req from being answered.
func (c *Client) failed(ctx context.Context, req *http.Request, err error) error {
	host := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host}
	path := req.Context().Value(attemptKey{}).(*attempt).escaped
	what := fmt.Sprintf("cannot %s %s at %s", req.Method, shorten(path, maxShown), host.String())
	cause := context.Cause(req.Context())
	switch {
	case errors.Is(cause, errTimeout):
		return fmt.Errorf("%s: no answer within %v: %w", what, c.timeout, os.ErrDeadlineExceeded)
	case cause != nil:
		return fmt.Errorf("%s: %w", what, cause)
	case distrust(err):
		return fmt.Errorf("%s: %w: give the authority that signed the server's certificate (ca_certs) or its fingerprint, and a client certificate if the server wants one", what, err)
	case plainServer(err):
		return fmt.Errorf("%s: %w: write http:// in the host", what, err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%s: %w: nothing listens there; is Elasticsearch up, and are host and port right?", what, err)
	}
	hint := ""
	if req.URL.Scheme == "http" && errors.Is(err, io.EOF) {
		hint = ": if the server speaks TLS, write https:// in the host"
	}
	return fmt.Errorf("%s: %w%s", what, &brokenError{err}, hint)
}
