package action

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/podbeat/podbeat/curator/setting"
	"github.com/podbeat/podbeat/es"
)

// A Client is a checked client file with what the environment says.
type Client struct {
	Name            string // the file; "" if there is none
	Config          es.Config
	Logging         Logging
	MasterOnly      bool // go on only if the host is the elected master
	SkipVersionTest bool // go on whatever version the cluster is of
	Warnings        []string
}

// Logging says what is logged, and where to.
type Logging struct {
	// `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`, or Python's numbers of them.
	Level string `config:"loglevel" default:"INFO"`
	// The file to append to; without it, messages up to INFO go to standard output and the others to standard error.
	File string `config:"logfile"`
	// `default`, `json` (also called `logstash`) or `ecs`.
	Format string `config:"logformat" default:"default" oneof:"default|json|logstash|ecs"`
	// Names of loggers whose lines are left out.
	Blacklist []string `config:"blacklist" default:"[elastic_transport, urllib3]"`
}

// Validate makes the level an upper-case word.
func (l *Logging) Validate() error {
	words := []string{"NOTSET", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
	if n, err := strconv.Atoi(l.Level); err == nil && n%10 == 0 && n >= 0 && n/10 < len(words) {
		l.Level = words[n/10]
	}
	if l.Level = strings.ToUpper(l.Level); !slices.Contains(words, l.Level) {
		return setting.Wrong("loglevel", "option \"loglevel\" must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not %s", setting.Show(l.Level))
	}
	return nil
}

// Connection are the settings below elasticsearch.client, as Curator 8 has them.
type Connection struct {
	// URLs `http[s]://host[:port][/prefix]`, one or several.
	Hosts []string `config:"hosts" default:"['http://127.0.0.1:9200']"`
	// A deployment of Elastic Cloud, in place of hosts.
	CloudID string `config:"cloud_id"`
	// A bearer or service token.
	BearerAuth string `config:"bearer_auth"`
	// Names this program in the cluster's tasks and slow logs (`X-Opaque-Id`).
	OpaqueID string `config:"opaque_id"`
	// Headers of every request.
	Headers map[string]string `config:"headers"`
	// Seconds after which a request is given up.
	RequestTimeout time.Duration `config:"request_timeout" default:"30" min:"0.1" max:"86400"`
	// gzip requests, and ask for gzipped answers.
	HTTPCompress bool `config:"http_compress" default:"false"`
	// How often a request is repeated, where that is safe.
	MaxRetries int `config:"max_retries" default:"3" min:"1" max:"100"`
	// Check the server's certificate.
	VerifyCerts bool `config:"verify_certs" default:"true"`
	// The authorities to trust in place of the system's: a file, PEM.
	CACerts string `config:"ca_certs"`
	// A client certificate: a file, PEM.
	ClientCert string `config:"client_cert"`
	// Its key: a file, PEM.
	ClientKey string `config:"client_key"`
	// SHA-256 of the server's certificate, or of one in its chain: trust that alone.
	Fingerprint string `config:"ssl_assert_fingerprint"`
	// The least version of TLS. It is 1.2, whatever is given; 1.3 is refused.
	SSLVersion string `config:"ssl_version"`
}

// Credentials are the settings below elasticsearch.other_settings, as Curator 8 has them.
type Credentials struct {
	// Go on only if the one host is the elected master; on the others nothing is done.
	MasterOnly bool `config:"master_only" default:"false"`
	// Go on whatever version the cluster is of.
	SkipVersionTest bool `config:"skip_version_test" default:"false"`
	// A user, with its password.
	Username string `config:"username"`
	// The user's password.
	Password string `config:"password"`
	// An API key: its `id` and `api_key`, or both in base64 as `token`.
	APIKey APIKey `config:"api_key"`
}

// APIKey is an API key of Elasticsearch.
type APIKey struct {
	// Its id.
	ID string `config:"id"`
	// The key itself.
	Key string `config:"api_key"`
	// `id:api_key` in base64; it wins over the two.
	Token string `config:"token"`
}

// Connection5 are the settings below client, as Curator 5 has them.
type Connection5 struct {
	// Hosts, one or several: names, addresses, or URLs.
	Hosts []string `config:"hosts" alias:"host" default:"['127.0.0.1']"`
	// The port of hosts that name none.
	Port int `config:"port" default:"9200" min:"1" max:"65535"`
	// What goes before every path, if a proxy wants it.
	URLPrefix string `config:"url_prefix"`
	// Speak TLS with hosts that are no URL.
	UseSSL bool `config:"use_ssl" default:"false"`
	// The authorities to trust in place of the system's: a file, PEM.
	Certificate string `config:"certificate"`
	// A client certificate: a file, PEM.
	ClientCert string `config:"client_cert"`
	// Its key: a file, PEM.
	ClientKey string `config:"client_key"`
	// Don't check the server's certificate.
	SSLNoValidate bool `config:"ssl_no_validate" default:"false"`
	// `user:password`, in place of the next two.
	HTTPAuth string `config:"http_auth"`
	// A user, with its password.
	Username string `config:"username"`
	// The user's password.
	Password string `config:"password"`
	// The value of the header `X-Api-Key`. It is no API key of Elasticsearch: that is `api_key` of a file for Curator 8.
	APIKey string `config:"api_key"`
	// Seconds after which a request is given up.
	Timeout time.Duration `config:"timeout" default:"30" min:"1" max:"86400"`
	// Go on only if the one host is the elected master; on the others nothing is done.
	MasterOnly bool `config:"master_only" default:"false"`
}

// Settings of the Python client that mean nothing here: they are passed over with a warning.
var ignoredSettings = []string{
	"_transport", "connections_per_node", "dead_node_backoff_factor", "default_mimetype", "host_info_callback",
	"max_dead_node_backoff", "meta_header", "min_delay_between_sniffing", "node_class", "node_pool_class",
	"node_selector_class", "randomize_nodes_in_pool", "retry_on_status", "retry_on_timeout", "serializer", "serializers",
	"sniff_before_requests", "sniff_on_node_failure", "sniff_on_start", "sniff_timeout", "sniffed_node_callback",
	"ssl_show_warn", "transport_class",
}

// Settings that would mean something, and are refused with the reason.
var refusedSettings = map[string]string{
	"api_key":             "write it below other_settings, as api_key: {id: …, api_key: …} or api_key: {token: …}",
	"basic_auth":          "write username and password below other_settings",
	"ssl_assert_hostname": "name the host in hosts as its certificate does, or give ssl_assert_fingerprint",
	"ssl_context":         "give ca_certs, client_cert and client_key",
}

const noAWS = "requests are not signed for AWS: put a proxy that signs in front of the cluster, or use a user and password"

var refusedSettings5 = map[string]string{
	"aws_key": noAWS, "aws_secret_key": noAWS, "aws_token": noAWS, "aws_sign_request": noAWS, "aws_region": noAWS,
}

// ReadClient reads the client file path, in the shape of Curator 5 or 8, and what the environment's
// ESCLIENT_ variables say, which wins. path "" means the file that ESCLIENT_CONFIG names, or else
// ~/.curator/curator.yml if it exists. Without a file, the cluster is http://127.0.0.1:9200.
func ReadClient(path string, env func(string) (string, bool)) (*Client, error) {
	r := &reader{Options: Options{Env: env}}
	if v, ok := r.env("ESCLIENT_CONFIG"); path == "" && ok {
		path = v
	}
	if home, err := os.UserHomeDir(); path == "" && err == nil {
		if usual := filepath.Join(home, ".curator", "curator.yml"); exists(usual) {
			path = usual
		}
	}
	var text []byte
	if path != "" {
		var err error
		if text, err = readFile(path, maxBytes); err != nil {
			return nil, fmt.Errorf("cannot read the client file: %w", err)
		}
	}
	return r.client(text, path)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// client reads the text of a client file.
func (r *reader) client(text []byte, name string) (*Client, error) {
	r.name = name
	c := &Client{Name: name}
	root := r.parse(text)
	switch {
	case root == nil || root.kind == yaml.ScalarNode && root.scalar == nil:
		root = &value{line: 1, kind: yaml.MappingNode}
	case r.need(root, "the file", "elasticsearch: or client:") == nil:
		return nil, r.err()
	}
	r.only(root, "the file", "elasticsearch", "client", "logging")
	if root.get("elasticsearch") != nil && root.get("client") != nil {
		r.add(root.lineOf("client"), errors.New("the file has both client:, as Curator 5 wants it, and elasticsearch:, as Curator 8 does: keep one of them"))
		return nil, r.err()
	}
	var conn, other section
	if in := root.get("client"); in != nil {
		conn, other = r.client5(r.section(root, "client"))
	} else {
		in := r.section(root, "elasticsearch")
		r.only(in.value, "elasticsearch", "client", "other_settings")
		conn, other = r.section(in.value, "client"), r.section(in.value, "other_settings")
		r.drop(conn, ignoredSettings, refusedSettings)
	}
	logs := r.section(root, "logging")
	r.overlay(conn, other, logs)
	if _, given := conn.given["hosts"]; !given && conn.given["cloud_id"] == nil && name != "" {
		r.warn(root.line, "no hosts are given: http://127.0.0.1:9200 is meant then")
	}
	var connection Connection
	var credentials Credentials
	for _, s := range []section{conn, other, logs} {
		s.numbersAsYesNo()
	}
	r.report(setting.Unpack(conn.given, &connection, "client"), conn.value, "")
	r.report(setting.Unpack(other.given, &credentials, "other_settings"), other.value, "")
	r.report(setting.Unpack(logs.given, &c.Logging, "logging"), logs.value, "")
	if len(r.list) == 0 {
		c.MasterOnly, c.SkipVersionTest = credentials.MasterOnly, credentials.SkipVersionTest
		r.config(c, connection, credentials, conn.value, other.value)
	}
	c.Warnings = r.warnings
	if err := r.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// A section is a mapping of the file, and its values, to which others may be added.
type section struct {
	value *value
	given map[string]any
}

// numbersAsYesNo makes numbers yes or no where that is wanted: in client files, unlike in action files, Curator takes them.
func (s section) numbersAsYesNo() {
	for _, name := range []string{"use_ssl", "ssl_no_validate", "master_only", "skip_version_test", "http_compress", "verify_certs"} {
		if n, ok := s.given[name].(json.Number); ok {
			s.given[name] = n != "0"
		}
	}
}

// section returns what is below key of v; an empty one if there is nothing.
func (r *reader) section(v *value, key string) section {
	in := v.get(key)
	switch {
	case in == nil || in.kind == yaml.ScalarNode && (in.scalar == nil || in.scalar == "None"):
		in = &value{line: v.lineOf(key), kind: yaml.MappingNode}
	case in.kind != yaml.MappingNode:
		r.add(v.lineOf(key), fmt.Errorf("%s must have settings below it, indented, not %s", key, setting.Show(in.plain())))
		in = &value{line: in.line, kind: yaml.MappingNode}
	}
	s := section{in, in.options()}
	for name, got := range s.given {
		if got == nil || got == "None" {
			delete(s.given, name)
		}
	}
	return s
}

// drop takes settings out that mean nothing here, or are refused.
func (r *reader) drop(s section, ignored []string, refused map[string]string) {
	for _, name := range ignored {
		if _, ok := s.given[name]; ok {
			delete(s.given, name)
			r.warn(s.value.lineOf(name), "setting %q is of the Python client and means nothing here", name)
		}
	}
	for name, why := range refused {
		v, ok := s.given[name]
		if !ok {
			continue
		}
		if delete(s.given, name); !off(v) {
			r.add(s.value.lineOf(name), fmt.Errorf("setting %q is not supported: %s", name, why))
		}
	}
}

// client5 turns the settings of Curator 5 into those of 8.
func (r *reader) client5(s section) (conn, other section) {
	conn = section{s.value, map[string]any{}}
	other = section{s.value, map[string]any{}}
	r.drop(s, nil, refusedSettings5)
	s.numbersAsYesNo()
	var c Connection5
	if err := setting.Unpack(s.given, &c, "client"); err != nil {
		r.report(err, s.value, "")
		return conn, other
	}
	if c.HTTPAuth != "" {
		user, password, ok := strings.Cut(c.HTTPAuth, ":")
		if !ok {
			r.add(s.value.lineOf("http_auth"), errors.New("http_auth must be user:password: or give username and password"))
		}
		r.warn(s.value.lineOf("http_auth"), "http_auth is out of use: give username and password")
		c.Username, c.Password = user, password
	}
	var hosts []any
	for _, host := range c.Hosts {
		u, err := c.url(host)
		if err != nil {
			r.add(s.value.lineOf("hosts"), err)
			continue
		}
		hosts = append(hosts, u)
	}
	put := func(to section, name, v string) {
		if v != "" {
			to.given[name] = v
		}
	}
	if _, ok := s.given["hosts"]; ok || s.given["host"] != nil || s.given["port"] != nil || s.given["use_ssl"] != nil || s.given["url_prefix"] != nil {
		conn.given["hosts"] = hosts
	}
	conn.given["request_timeout"] = c.Timeout.Seconds()
	conn.given["verify_certs"] = !c.SSLNoValidate
	put(conn, "ca_certs", c.Certificate)
	put(conn, "client_cert", c.ClientCert)
	put(conn, "client_key", c.ClientKey)
	if c.APIKey != "" {
		conn.given["headers"] = map[string]any{"X-Api-Key": c.APIKey}
	}
	other.given["master_only"] = c.MasterOnly
	put(other, "username", c.Username)
	put(other, "password", c.Password)
	return conn, other
}

// url returns the URL of a host as Curator 5 names it.
func (c *Connection5) url(host string) (string, error) {
	text := host
	if !strings.Contains(host, "://") {
		scheme := "http://"
		if c.UseSSL {
			scheme = "https://"
		}
		text = scheme + host
		if net.ParseIP(host) != nil && strings.Contains(host, ":") {
			text = scheme + "[" + host + "]"
		}
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return "", fmt.Errorf("option \"hosts\" has %s, which is no host: write a name or an address, or http[s]://host:port", setting.Show(hidePassword(host)))
	}
	if u.Port() == "" && (u.Scheme == "http" || text != host) { // https://host is on port 443
		u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(c.Port))
	}
	if u.Scheme == "http" && c.UseSSL {
		u.Scheme = "https"
	}
	if c.URLPrefix != "" && strings.Trim(u.Path, "/") == "" {
		u.Path = "/" + strings.Trim(c.URLPrefix, "/")
	}
	return u.String(), nil
}

// hidePassword cuts off what stands before the @ of a URL.
func hidePassword(host string) string {
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		return "…" + host[at:]
	}
	return host
}

// The environment's variables, ESCLIENT_ and these, and where they go: as the flags of Curator 8 do.
var (
	connVariables = []string{"hosts", "cloud_id", "bearer_auth", "opaque_id", "request_timeout", "http_compress", "verify_certs",
		"ca_certs", "client_cert", "client_key", "ssl_assert_hostname", "ssl_assert_fingerprint", "ssl_version"}
	otherVariables = []string{"master_only", "skip_version_test", "username", "password"}
	keyVariables   = map[string]string{"id": "id", "api_key": "api_key", "api_token": "token"}
	logVariables   = []string{"loglevel", "logfile", "logformat", "blacklist"}
	secrets        = []string{"username", "password", "id", "api_key", "api_token", "bearer_auth"}
)

// overlay puts what the environment says over what the file does.
func (r *reader) overlay(conn, other, logs section) {
	set := func(s section, names []string) {
		for _, name := range names {
			if v, ok := r.variableOf(name); ok {
				s.given[name] = v
			}
		}
	}
	if v, ok := r.variableOf("hosts"); ok && v != "" {
		delete(conn.given, "cloud_id")
	} else if v, ok := r.variableOf("cloud_id"); ok && v != "" {
		delete(conn.given, "hosts")
	}
	set(conn, connVariables)
	set(other, otherVariables)
	set(logs, logVariables)
	r.drop(conn, nil, refusedSettings)
	for _, list := range []struct {
		section
		name string
	}{{conn, "hosts"}, {logs, "blacklist"}} {
		if _, ok := r.variableOf(list.name); ok {
			var words []any
			for _, w := range strings.Fields(fmt.Sprint(list.given[list.name])) {
				words = append(words, w)
			}
			list.given[list.name] = words
		}
	}
	key := map[string]any{}
	for variable, name := range keyVariables {
		if v, ok := r.variableOf(variable); ok {
			key[name] = v
		}
	}
	if len(key) > 0 {
		other.given["api_key"] = key
	}
}

// variableOf returns ESCLIENT_name, or for secrets the content of the file that ESCLIENT_name_FILE names.
// An empty variable counts as not set.
func (r *reader) variableOf(name string) (string, bool) {
	variable := "ESCLIENT_" + strings.ToUpper(name)
	v, _ := r.env(variable)
	if file, ok := r.env(variable + "_FILE"); ok && file != "" && slices.Contains(secrets, name) {
		if v != "" {
			r.add(0, fmt.Errorf("both %s and %s_FILE are set: unset one of them", variable, variable))
			return "", false
		}
		text, err := readFile(file, maxSecret)
		if err == nil && len(text) > maxSecret {
			err = errors.New("it is longer than 64 KiB")
		}
		if err != nil {
			r.add(0, fmt.Errorf("cannot read the file that %s_FILE names: %w", variable, err))
			return "", false
		}
		v = strings.TrimRight(string(text), "\r\n")
	}
	return v, v != ""
}

const maxSecret = 64 << 10

// config fills c.Config.
func (r *reader) config(c *Client, conn Connection, cred Credentials, at, otherAt *value) {
	cfg := &c.Config
	*cfg = es.Config{
		Hosts: conn.Hosts, Username: cred.Username, Password: cred.Password, Bearer: conn.BearerAuth,
		CACerts: conn.CACerts, ClientCert: conn.ClientCert, ClientKey: conn.ClientKey,
		VerifyNone: !conn.VerifyCerts, Fingerprint: conn.Fingerprint,
		Headers: conn.Headers, OpaqueID: conn.OpaqueID, Compress: conn.HTTPCompress,
		Timeout: conn.RequestTimeout, Retries: conn.MaxRetries,
	}
	wrong := func(v *value, name, format string, args ...any) { r.add(v.lineOf(name), fmt.Errorf(format, args...)) }
	for _, host := range cfg.Hosts {
		if u, err := url.Parse(host); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
			wrong(at, "hosts", "option \"hosts\" has %s: write http[s]://host[:port][/prefix]", setting.Show(hidePassword(host)))
		}
	}
	if conn.CloudID != "" {
		if _, given := at.options()["hosts"]; given && at.get("cloud_id") != nil {
			wrong(at, "cloud_id", "hosts and cloud_id are both given: keep one of them")
		}
		host, err := cloudURL(conn.CloudID)
		if err != nil {
			wrong(at, "cloud_id", "option \"cloud_id\" is none: %w", err)
		}
		cfg.Hosts = []string{host}
	}
	if strings.Contains(conn.SSLVersion, "1.3") || strings.Contains(conn.SSLVersion, "1_3") {
		wrong(at, "ssl_version", "option \"ssl_version\" cannot demand TLS 1.3: leave it out, 1.3 is used where the server has it")
	}
	if (cred.Username == "") != (cred.Password == "") {
		wrong(otherAt, "username", "username and password must be given together, or neither")
	}
	switch k := cred.APIKey; {
	case k.Token != "":
		cfg.APIKey = k.Token
	case (k.ID == "") != (k.Key == ""):
		wrong(otherAt, "api_key", "id and api_key must be given together, or neither")
	case k.ID != "":
		cfg.APIKey = k.ID + ":" + k.Key
	}
	ways := 0
	for _, given := range []bool{cfg.Username != "", cfg.APIKey != "", cfg.Bearer != ""} {
		if given {
			ways++
		}
	}
	if ways > 1 {
		wrong(otherAt, "username", "username, api_key and bearer_auth exclude each other: keep one of them")
	}
	if c.MasterOnly && len(cfg.Hosts) > 1 {
		wrong(otherAt, "master_only", "master_only needs a single host, there are %d", len(cfg.Hosts))
	}
}

// cloudURL returns the URL of Elasticsearch that a cloud id, name:base64(host$id$…), stands for.
func cloudURL(id string) (string, error) {
	_, encoded, ok := strings.Cut(id, ":")
	if !ok {
		return "", errors.New("it has no colon")
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", errors.New("what is behind its colon is no base64")
	}
	parts := strings.Split(string(text), "$")
	if len(parts) < 2 || parts[0] == "" || parts[1] == "" {
		return "", errors.New("it names no Elasticsearch")
	}
	host, port, ok := strings.Cut(parts[0], ":")
	if !ok {
		port = "443"
	}
	u, err := url.Parse("https://" + parts[1] + "." + host + ":" + port)
	if err != nil || u.Path != "" || u.User != nil {
		return "", errors.New("the host in it is none")
	}
	return u.String(), nil
}
