package logapi

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/logapi/access"
	"github.com/podbeat/podbeat/logapi/search"
	"github.com/podbeat/podbeat/logapi/status"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
	"github.com/podbeat/podbeat/token"
)

// options are logapi.yml.
type options struct {
	// Address and port of the API. Without an address (`:9280`) it is every one of the host.
	Listen string `config:"listen" default:"127.0.0.1:9280"`
	// What the paths of the API begin with: `/api` makes `/api/auth`, `/api/<region>/es/…`.
	Prefix string `config:"prefix"`
	// The URL under which clients know the API, such as `https://logs.example.com/api`. Without it no absolute URL in a token opens anything.
	PublicURL string `config:"public_url"`
	// The name of this region in the API's paths: `/<region>/es/…`, `/<region>/system/log/status`.
	Region string `config:"region" default:"default"`
	// Other regions, name → URL of their logapi with its prefix: their status is asked for with the client's own token.
	Peers map[string]string `config:"peers"`
	// Folder of what logapi keeps. Relative names of files below are looked for in it.
	Path string `config:"path" default:"data"`
	// TLS of the API. Without it passwords, tokens and logs can be read on the way: use it unless a proxy on this host does.
	SSL serverTLS `config:"ssl"`
	// Users, keys and tokens.
	Auth authOptions `config:"auth"`
	// The cluster that keeps the logs. Without hosts they are kept here, in the embedded store.
	Elasticsearch elasticsearchOptions `config:"elasticsearch"`
	// The embedded store.
	Store storeOptions `config:"store"`
	// Searching.
	Search searchOptions `config:"search"`
	// What the status says and how it is found out.
	Status status.Settings `config:"status"`
	// Bounds of requests and connections.
	HTTP httpOptions `config:"http"`
	// For Prometheus and Kubernetes: `/metrics`, `/healthz`, `/readyz`.
	Monitoring monitoringOptions `config:"monitoring"`
	// What is logged, to standard error.
	Logging loggingOptions `config:"logging"`

	file string // that they were read from; "" if there is none
}

type authOptions struct {
	// File of the users, which `logapi user` edits. A changed file is read again, as are the others here.
	Users string `config:"users" default:"users.yml"`
	// File of the keys that tokens are signed with. It is made when it is missing. podbeat's input `push` verifies with the same.
	Keys string `config:"keys" default:"keys.json"`
	// How often a new key takes over by itself; 0 leaves that to `logapi keys rotate`.
	RotateEvery time.Duration `config:"rotate_every" default:"168h"`
	// How long a new key rests before it signs: the time that the file takes to reach all who verify with it.
	RotateDelay time.Duration `config:"rotate_delay" default:"1m"`
	// How long a root token holds.
	RootLife time.Duration `config:"root_life" default:"24h"`
	// How long an access token holds, and so how long what it opens stays open after its user was disabled.
	AccessLife time.Duration `config:"access_life" default:"1h"`
	// The issuer (`iss`) that tokens name and must name; empty means none and any.
	Issuer string `config:"issuer"`
	// The audience (`aud`) that tokens are for and must be for; empty means none and any.
	Audience string `config:"audience"`
	// Bounds of attempts.
	Limits access.Limits `config:"limits"`
}

type elasticsearchOptions struct {
	// URLs of nodes, `https://es-1:9200`. Several are used in turn.
	Hosts []string `config:"hosts"`
	// User, with password.
	Username string `config:"username"`
	// Password; `${ES_PASSWORD}` takes it from the environment.
	Password string `config:"password"`
	// API key, `id:key` or that in base64, in place of user and password.
	APIKey string `config:"api_key"`
	// TLS to Elasticsearch.
	SSL clientTLS `config:"ssl"`
	// How long a request of logapi's own may take.
	Timeout time.Duration `config:"timeout" default:"30s"`
}

type clientTLS struct {
	// File of the authorities to trust in place of the system's, PEM.
	CertificateAuthorities string `config:"certificate_authorities"`
	// Client certificate, PEM.
	Certificate string `config:"certificate"`
	// Its key.
	Key string `config:"key"`
	// SHA-256 of a certificate of the server's chain, hexadecimal: trust that alone.
	CATrustedFingerprint string `config:"ca_trusted_fingerprint"`
	// `full`, or `none` to trust any certificate.
	VerificationMode string `config:"verification_mode" default:"full"`
}

type storeOptions struct {
	// Folder of the indices.
	Path string `config:"path" default:"store"`
	// Address and port where it speaks as Elasticsearch does, for podbeat's output, curator and logtui; empty: nowhere.
	Listen string `config:"listen" default:"127.0.0.1:9200"`
	// Whether a token is wanted there, with its paths as URLs, `/**` for all. Without tokens it listens on loopback only.
	Tokens bool `config:"tokens"`
	// The cluster's name.
	Cluster string `config:"cluster" default:"podbeat"`

	store.Options `config:",inline"`
	// Bounds of requests.
	Limits rest.Limits `config:"limits"`
}

type searchOptions struct {
	// The keyword field by which a token's `namespaces` narrow a search; empty refuses tokens that do.
	NamespaceField string `config:"namespace_field" default:"kubernetes.namespace"`
	// The keyword field by which a token's `apps` narrow a search.
	AppField string `config:"app_field" default:"service.id"`
	// File of a secret of 32 bytes or more that signs the ids of scrolls and points in time: the same for all instances behind one address. Empty: ids end with the process.
	SecretFile string `config:"secret_file"`
	// Bounds of searches.
	Limits search.Limits `config:"limits"`
}

type httpOptions struct {
	// Most connections at once. A further one takes the place of the one that has been longest without a request with a valid token.
	MaxConnections int `config:"max_connections" default:"1024"`
	// Longest time for a request's headers.
	HeaderTimeout time.Duration `config:"header_timeout" default:"10s"`
	// Longest time for a whole request, from its first byte to its last.
	ReadTimeout time.Duration `config:"read_timeout" default:"60s"`
	// Longest time that a connection may stay open without a request.
	IdleTimeout time.Duration `config:"idle_timeout" default:"90s"`
	// How long a stop waits for the requests that are being answered.
	ShutdownTimeout time.Duration `config:"shutdown_timeout" default:"10s"`
	// Networks of proxies whose X-Forwarded-For is believed, `10.0.0.0/8`.
	TrustedProxies []string `config:"trusted_proxies"`
	// Log each request: method, path, status, bytes, user, client, duration; never a token or a query. Of requests without a valid token, at most ten a second.
	AccessLog bool `config:"access_log" default:"true"`
}

type monitoringOptions struct {
	// Address and port; empty: nowhere.
	Listen string `config:"listen" default:"127.0.0.1:9281"`
}

type loggingOptions struct {
	// debug, info, warning or error.
	Level string `config:"level" default:"info"`
	// `text` or `json`.
	Format string `config:"format" default:"text"`
}

// readOptions reads the configuration in a file; "" is logapi.yml here if there is one, and else all defaults.
func readOptions(file string) (*options, error) {
	cfg := option.From(nil)
	if file == "" {
		if _, err := os.Stat(defaultConfig); err == nil {
			file = defaultConfig
		}
	}
	if file != "" {
		var err error
		if cfg, err = option.ReadFile(file); err != nil {
			return nil, err
		}
	}
	o := options{file: file}
	if err := option.Unpack(cfg, &o, cmp.Or(file, "defaults")); err != nil {
		return nil, err
	}
	for _, name := range []*string{&o.Auth.Users, &o.Auth.Keys, &o.Store.Path, &o.Search.SecretFile} {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(o.Path, *name)
		}
	}
	return &o, nil
}

const defaultConfig = "logapi.yml"

// Validate says which option has a value that means nothing, or is not safe.
func (o *options) Validate() error {
	for _, a := range []struct{ option, address string }{{"listen", o.Listen}, {"store.listen", o.Store.Listen}, {"monitoring.listen", o.Monitoring.Listen}} {
		if err := checkAddress(a.address); err != nil && (a.address != "" || a.option == "listen") {
			return fmt.Errorf("cannot use %s %q: want an address and a port, such as 127.0.0.1:9280 or :9280", a.option, a.address)
		}
	}
	if _, err := token.NewBase(o.Prefix, o.PublicURL); err != nil {
		return err
	}
	for _, name := range append([]string{o.Region}, keys(o.Peers)...) {
		if err := checkRegion(name); err != nil {
			return err
		}
	}
	if _, here := o.Peers[o.Region]; here {
		return fmt.Errorf("cannot use peers.%s: it is this region itself", o.Region)
	}
	if o.ownStore() && o.Store.Listen != "" && !o.Store.Tokens && !loopback(o.Store.Listen) {
		return fmt.Errorf("cannot use store.listen %q without tokens: whoever reaches it could read, change and delete all logs; listen on 127.0.0.1, or set store.tokens: true", o.Store.Listen)
	}
	if _, err := o.HTTP.proxies(); err != nil {
		return err
	}
	if _, err := parseLevel(o.Logging.Level); err != nil {
		return err
	}
	if o.Logging.Format != "text" && o.Logging.Format != "json" {
		return fmt.Errorf("cannot use logging.format %q: want text or json", o.Logging.Format)
	}
	return errors.Join(o.Auth.check(), o.Elasticsearch.check(), o.Search.check(), o.HTTP.check())
}

// test says what else would keep logapi from starting: files that are there and cannot be used.
func (o *options) test() error {
	if _, err := o.SSL.load(); err != nil {
		return err
	}
	if _, err := access.OpenUsers(o.Auth.Users); err != nil {
		return err
	}
	if _, err := token.OpenKeys(o.Auth.Keys); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err := o.Search.secret()
	return err
}

// ownStore says whether the embedded store keeps the logs.
func (o *options) ownStore() bool { return len(o.Elasticsearch.Hosts) == 0 }

func (o *authOptions) check() error {
	switch longest := token.DefaultRules().MaxLife; {
	case o.AccessLife < time.Minute || o.RootLife < o.AccessLife || o.RootLife > longest:
		return fmt.Errorf("cannot use auth.access_life %v and auth.root_life %v: want a minute or more, the latter no shorter and at most %v", o.AccessLife, o.RootLife, longest)
	case o.RotateEvery < 0 || o.RotateDelay < 0 || o.RotateEvery > 0 && o.RotateEvery <= o.RotateDelay:
		return fmt.Errorf("cannot use auth.rotate_every %v with auth.rotate_delay %v: want the former longer, or 0 for never", o.RotateEvery, o.RotateDelay)
	}
	return nil
}

// rotation says how keys take over from each other: none goes before the last token that it has signed.
func (o *authOptions) rotation() token.Rotation {
	return token.Rotation{Delay: o.RotateDelay, Keep: o.RootLife + token.DefaultRules().Leeway}
}

func (o *elasticsearchOptions) check() error {
	if o.SSL.VerificationMode != "full" && o.SSL.VerificationMode != "none" {
		return fmt.Errorf("cannot use elasticsearch.ssl.verification_mode %q: want full or none", o.SSL.VerificationMode)
	}
	if len(o.Hosts) == 0 {
		if o.Username+o.Password+o.APIKey != "" {
			return errors.New("elasticsearch has credentials and no hosts: give elasticsearch.hosts, or take the section out to use the embedded store")
		}
		return nil
	}
	_, err := es.New(o.config())
	return err
}

func (o *elasticsearchOptions) config() es.Config {
	return es.Config{
		Hosts: o.Hosts, Username: o.Username, Password: o.Password, APIKey: o.APIKey, Timeout: o.Timeout,
		CACerts: o.SSL.CertificateAuthorities, ClientCert: o.SSL.Certificate, ClientKey: o.SSL.Key,
		Fingerprint: o.SSL.CATrustedFingerprint, VerifyNone: o.SSL.VerificationMode == "none",
		UserAgent: "podbeat-logapi", OpaqueID: "podbeat-logapi",
	}
}

func (o *httpOptions) check() error {
	if o.MaxConnections < 1 || o.HeaderTimeout <= 0 || o.ReadTimeout <= 0 || o.IdleTimeout <= 0 || o.ShutdownTimeout < 0 {
		return errors.New("cannot use a bound of http below 1, or a time of 0")
	}
	return nil
}

// proxies are the networks whose X-Forwarded-For is believed.
func (o *httpOptions) proxies() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range o.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if addr, addrErr := netip.ParseAddr(text); addrErr == nil {
			network, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("cannot use http.trusted_proxies %q: want a network or an address, such as 10.0.0.0/8", text)
		}
		list = append(list, network)
	}
	return list, nil
}

// secret reads what ids are signed with; nil: nothing is given.
func (o *searchOptions) secret() ([]byte, error) {
	if o.SecretFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(o.SecretFile)
	if err != nil {
		return nil, fmt.Errorf("cannot read search.secret_file: %w", err)
	}
	if text = bytes.TrimSpace(text); len(text) < 32 {
		return nil, fmt.Errorf("cannot use search.secret_file %s: want 32 bytes or more, such as `head -c 48 /dev/urandom | base64`", o.SecretFile)
	}
	return text, nil
}

// check refuses limits that would mean that nothing can be asked.
func (o *searchOptions) check() error {
	for name, n := range map[string]int64{"body": int64(o.Limits.Body), "answer": int64(o.Limits.Answer), "time": int64(o.Limits.Time), "depth": int64(o.Limits.Depth),
		"window": int64(o.Limits.Window), "searches": int64(o.Limits.Searches), "keep_alive": int64(o.Limits.KeepAlive), "fresh": int64(o.Limits.Fresh)} {
		if n <= 0 {
			return fmt.Errorf("cannot use search.limits.%s: want more than 0", name)
		}
	}
	return nil
}

func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if port == "" {
		return errors.New("no port")
	}
	_, err = net.LookupPort("tcp", port)
	return err
}

// loopback says whether nobody from elsewhere can reach an address to listen on.
func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// checkRegion refuses a name that could not stand in a path, or be taken for several.
func checkRegion(name string) error {
	if name == "" || name == "auth" || strings.HasPrefix(name, "_") || len(name) > 64 || strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Trim(name, ".") == "" {
		return fmt.Errorf("cannot use %q as the name of a region: want letters, digits, - _ and ., not with _ first, and not auth", name)
	}
	return nil
}
