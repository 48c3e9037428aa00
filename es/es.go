// Package es is the client of Elasticsearch and OpenSearch that the programs share.
//
// A request goes to the next host that is alive, is given up after a timeout, and is repeated where that is
// safe (see retry.go). Answers are bounded. Errors say what was asked, what the server answered and what to
// do; they never hold a credential.
package es

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/elastic/elastic-transport-go/v8/elastictransport"
)

// maxAnswer bounds the bytes of an answer, after decompression, that Do reads. The list of 100,000 indices
// with their settings takes about half of it.
const maxAnswer = 256 << 20

// A Config says which cluster is meant and how to reach it. Only Hosts has no default.
type Config struct {
	Hosts []string // URLs http[s]://host[:port][/prefix]; several are used in turn, dead ones rest

	// At most one of these three. A user and password may also stand in a host's URL.
	Username, Password string
	APIKey             string // id:key, or that in base64
	Bearer             string // a bearer or service token

	CACerts               string // file of the authorities to trust in place of the system's, PEM
	ClientCert, ClientKey string // files, PEM; the key may be in the certificate's file
	VerifyNone            bool   // trust any certificate
	Fingerprint           string // SHA-256 of a certificate of the server's chain, hexadecimal: trust that alone

	Headers   map[string]string // of every request
	OpaqueID  string            // X-Opaque-Id: names this program in the server's tasks and slow logs
	UserAgent string            // default podbeat
	Compress  bool              // gzip requests, and ask for gzipped answers

	// Transport sends the requests in place of connections of the client's own, if it is not nil. What is said above about TLS is then its business.
	Transport http.RoundTripper
	// Around, if it is not nil, is given what sends the requests and returns what is used in its place: for credentials that change.
	Around func(http.RoundTripper) http.RoundTripper

	Timeout time.Duration // of one request with its answer; default 30 s
	Retries int           // how often a request is repeated; 0: 3 times, negative: never
}

// A Client talks to one cluster. It may be used by several goroutines.
type Client struct {
	transport *elastictransport.Client
	timeout   time.Duration
	retries   int
	compress  bool
}

// New returns a client of the cluster that config names. It sends nothing.
func New(config Config) (*Client, error) {
	hosts, err := parseHosts(config.Hosts)
	if err != nil {
		return nil, err
	}
	if err := config.checkAuth(); err != nil {
		return nil, err
	}
	transport := config.Transport
	if transport == nil {
		if transport, err = config.connections(); err != nil {
			return nil, err
		}
	}
	if config.Around != nil {
		transport = config.Around(transport)
	}
	header := http.Header{"Accept": {"application/json"}}
	for name, value := range config.Headers {
		header.Set(name, value)
	}
	if config.OpaqueID != "" {
		header.Set("X-Opaque-Id", config.OpaqueID)
	}
	apiKey := config.APIKey
	if strings.Contains(apiKey, ":") { // which base64 never does
		apiKey = base64.StdEncoding.EncodeToString([]byte(apiKey))
	}
	// Retries are ours: the transport's know nothing of the method, and nothing of Retry-After.
	t, err := elastictransport.NewClient(
		elastictransport.WithURLs(hosts...),
		elastictransport.WithTransport(transport),
		elastictransport.WithInterceptors(keepEscapes),
		elastictransport.WithDisableRetry(),
		elastictransport.WithHeader(header),
		elastictransport.WithUserAgent(cmp.Or(config.UserAgent, "podbeat")),
		elastictransport.WithBasicAuth(config.Username, config.Password),
		elastictransport.WithAPIKey(apiKey),
		elastictransport.WithServiceToken(config.Bearer),
	)
	if err != nil {
		return nil, fmt.Errorf("cannot make a client of Elasticsearch: %w", err)
	}
	c := &Client{transport: t, timeout: config.Timeout, retries: config.Retries, compress: config.Compress}
	if c.timeout <= 0 {
		c.timeout = 30 * time.Second
	}
	if c.retries == 0 {
		c.retries = 3
	}
	return c, nil
}

func parseHosts(hosts []string) ([]*url.URL, error) {
	if len(hosts) == 0 {
		return nil, errors.New("no host of Elasticsearch is given: name one as http://localhost:9200")
	}
	var urls []*url.URL
	for _, host := range hosts {
		u, err := url.Parse(host)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawPath != "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("cannot use %q as a host of Elasticsearch: write http[s]://HOST[:PORT][/PREFIX], an IPv6 address as http://[::1]:9200", bare(host))
		}
		u.Path = strings.TrimRight(u.Path, "/")
		urls = append(urls, u)
	}
	return urls, nil
}

// bare cuts what may be a user and password off a URL that may not be one.
func bare(host string) string {
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		return "…" + host[at:]
	}
	return host
}

func (c *Config) checkAuth() error {
	given := 0
	for _, s := range []string{c.Username + c.Password, c.APIKey, c.Bearer} {
		if s != "" {
			given++
		}
	}
	if given > 1 {
		return errors.New("cannot log in to Elasticsearch in two ways: give a user and password, an API key or a bearer token, and only one of them")
	}
	if (c.Username == "") != (c.Password == "") {
		return errors.New("cannot log in to Elasticsearch: a user and a password go together, and one is missing")
	}
	return nil
}

// Once returns a client of the same connections that repeats nothing: for what may only be asked again after another look.
func (c *Client) Once() *Client {
	once := *c
	once.retries = -1
	return &once
}

// With returns a client over the same connections with another timeout of one request; 0 changes nothing.
func (c *Client) With(timeout time.Duration) *Client {
	if timeout <= 0 {
		return c
	}
	other := *c
	other.timeout = timeout
	return &other
}

// Timeout is that of one request.
func (c *Client) Timeout() time.Duration { return c.timeout }

// Do sends a request and decodes the JSON of the answer into out; nil: it is not looked at. The path is
// escaped and begins with a slash (see [Path]). The body is nil, a []byte of JSON, or a value to encode.
// An answer with a status of 300 or more is an [*Error]. An error of a request that got no answer in time
// is an os.ErrDeadlineExceeded: whether the server does what was asked is then unknown.
func (c *Client) Do(ctx context.Context, method, path string, query url.Values, body, out any) error {
	data, err := c.encode(body)
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", method, path, err)
	}
	return c.repeat(ctx, method, func() error {
		resp, done, err := c.send(ctx, method, path, query, data)
		if err != nil {
			return err
		}
		defer done()
		if out == nil {
			io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // keeps the connection
			return nil
		}
		return c.decode(ctx, resp, method, path, out)
	})
}

func (c *Client) decode(ctx context.Context, resp *http.Response, method, path string, out any) error {
	body := &io.LimitedReader{R: resp.Body, N: maxAnswer + 1}
	err := json.NewDecoder(body).Decode(out)
	if body.N <= 0 {
		return fmt.Errorf("cannot read the answer to %s %s: it has more than %d MiB", method, path, maxAnswer>>20)
	}
	if err != nil {
		return c.failed(ctx, resp.Request, fmt.Errorf("cannot read the answer: %w", err))
	}
	io.Copy(io.Discard, body)
	return nil
}

// RoundTrip sends a request once, to the next host that is alive in place of the one in its URL, with the client's
// credentials and headers, and hands back whatever is answered, as an http.RoundTripper does. The request's context alone bounds it.
func (c *Client) RoundTrip(req *http.Request) (*http.Response, error) {
	a := &attempt{escaped: req.URL.EscapedPath()}
	req = req.Clone(context.WithValue(req.Context(), attemptKey{}, a))
	req.Host = "" // that of the URL
	return c.transport.Perform(req)
}

// encode returns the bytes to send, nil for no body. The transport could compress them too, but reuses its
// buffer while a request that is given up may still be read from it.
func (c *Client) encode(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	data, plain := body.([]byte)
	if !plain {
		var buf bytes.Buffer
		e := json.NewEncoder(&buf)
		e.SetEscapeHTML(false)
		if err := e.Encode(body); err != nil {
			return nil, fmt.Errorf("cannot encode the body: %w", err)
		}
		data = buf.Bytes()
	}
	if !c.compress {
		return data, nil
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	w.Write(data)
	w.Close()
	return packed.Bytes(), nil
}

// An Info is what a node says of itself and its cluster.
type Info struct {
	ClusterName string `json:"cluster_name"`
	ClusterUUID string `json:"cluster_uuid"`
	Version     struct {
		Text                string `json:"number"`       // as 7.17.29
		Distribution        string `json:"distribution"` // "opensearch"; "" of Elasticsearch
		Major, Minor, Patch int    `json:"-"`
	} `json:"version"`
}

// Info asks a node who it is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var info Info
	if err := c.Do(ctx, http.MethodGet, "/", nil, nil, &info); err != nil {
		return Info{}, err
	}
	v := &info.Version
	text, _, _ := strings.Cut(v.Text, "-") // of 8.0.0-SNAPSHOT
	for i, part := range strings.SplitN(text, ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return Info{}, fmt.Errorf("cannot read the version of Elasticsearch from %.100q: is it Elasticsearch that listens there?", v.Text)
		}
		*[]*int{&v.Major, &v.Minor, &v.Patch}[i] = n
	}
	return info, nil
}

// Path joins parts to an escaped path, "/a/b". A part may be a list of names joined with commas.
func Path(parts ...string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteByte('/')
		b.WriteString(escape.Replace(url.PathEscape(part)))
	}
	return b.String()
}

// escape leaves commas as they are, for shorter paths, and hides the + that some proxies take for a space.
var escape = strings.NewReplacer("%2C", ",", "+", "%2B")

// Chunks divides names, in their order, into lists of at most max bytes each when escaped and joined with
// commas, so that a request that names them stays below the 4 KB that Elasticsearch takes in its first
// line. A longer name is a list by itself.
func Chunks(names []string, max int) [][]string {
	var chunks [][]string
	size := 0
	for _, name := range names {
		n := len(url.PathEscape(name)) + 1
		if len(chunks) == 0 || size+n > max {
			chunks, size = append(chunks, nil), 0
		}
		last := len(chunks) - 1
		chunks[last] = append(chunks[last], name)
		size += n
	}
	return chunks
}
