package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/es"
	"github.com/podbeat/podbeat/tui/source"
	"github.com/podbeat/podbeat/tui/when"
)

// A Context is where logs are and who asks for them. Its fields are the options of one entry of `contexts`.
type Context struct {
	Name string `config:"-"`

	// URLs of the cluster, `http[s]://HOST[:PORT][/PREFIX]`: of Elasticsearch, OpenSearch, a store of logapi, or logapi itself. Several are used in turn.
	Hosts []string `config:"hosts" default:"[http://localhost:9200]"`
	// The region to read through logapi: the hosts are then those of its API, and logs are searched at `HOST/REGION/es`.
	Region string `config:"region"`
	// Which indices have logs: names, aliases and patterns, separated by commas.
	Index string `config:"index" default:"logstash-*"`

	// User to log in with (basic authentication).
	User string `config:"user" alias:"username"`
	// The user's password.
	Password Secret `config:"password"`
	// A file whose first line is the password.
	PasswordFile string `config:"password_file"`
	// API key: `id:key`, or that in base64.
	APIKey Secret `config:"api_key"`
	// A file whose first line is the API key.
	APIKeyFile string `config:"api_key_file"`
	// Bearer token: a JWT, or a service token.
	Bearer Secret `config:"bearer" alias:"token"`
	// A file whose first line is the bearer token.
	BearerFile string `config:"bearer_file" alias:"token_file"`
	// A program and its arguments, run without a shell, that prints a bearer token: alone on a line, or as JSON, `{"token": …, "expires": …}`.
	// It is run again before the token expires, and when the server answers 401.
	TokenCommand []string `config:"token_command"`
	// How long the token command may take.
	TokenTimeout time.Duration `config:"token_timeout" default:"30s"`

	// File with the authorities to trust in place of the system's, PEM.
	CAFile string `config:"ca_file" alias:"ca_certs"`
	// SHA-256 of a certificate of the server's chain, hexadecimal: trust it alone, whoever signed it.
	Fingerprint string `config:"fingerprint"`
	// File with the certificate that logtui shows to the server, PEM.
	ClientCert string `config:"client_cert"`
	// File with its key, if that is not in the same one.
	ClientKey string `config:"client_key"`
	// Trust any certificate. Whoever is in between can then read all, passwords too.
	Insecure bool `config:"insecure"`

	// Headers of every request, by name.
	Headers map[string]string `config:"headers"`
	// How long a request may take.
	Timeout time.Duration `config:"timeout" default:"1m"`
	// Compress requests and answers.
	Compress bool `config:"compress" default:"true"`

	// URL of the Kibana that shows the same logs, for links to it.
	Kibana string `config:"kibana"`
	// Fields shown as columns before the message; none are chosen by what is there.
	Columns []string `config:"columns"`
	// Zone of times: `local`, `utc`, `source` (as the documents have it), a name as `Europe/Berlin`, or an offset as `+01:00`.
	Zone string `config:"zone" default:"local"`
	// Time range to begin with.
	Range string `config:"range" default:"last 15m"`
	// Names of fields, where they are not podbeat's.
	Fields Fields `config:"fields"`
}

// Fields are the names of the fields that logtui knows a meaning of.
type Fields struct {
	// When it happened.
	Time string `config:"time"`
	// What was logged.
	Message string `config:"message"`
	// How severe it is.
	Level string `config:"level"`
	// Which kind of log it is of: `console`, `file` or `push`.
	Stream string `config:"stream"`
	// Region.
	Region string `config:"region"`
	// Zone in it.
	Zone string `config:"zone"`
	// Kubernetes namespace.
	Namespace string `config:"namespace"`
	// Names of apps, the first that a document has is meant.
	App []string `config:"app"`
	// Name of the pod.
	Pod string `config:"pod"`
	// Its UID.
	PodUID string `config:"pod_uid"`
	// Name of the container.
	Container string `config:"container"`
	// Host it ran on.
	Host string `config:"host"`
	// Id of the trace that the line belongs to.
	Trace string `config:"trace"`
	// When the document was made, or came in: for how late lines are.
	Created string `config:"created"`
	// What orders lines of one instant: numbers that grow.
	Tie []string `config:"tie"`
}

// A Secret is a text that is not to be shown: printed, it is a dot for whether there is one.
type Secret string

// Unpack reads a secret as a configuration has it. It is go-ucfg's hook, which would not end on a text of another type.
func (s *Secret) Unpack(text string) error {
	*s = Secret(text)
	return nil
}

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "•••"
}

// GoString hides it from %#v, too.
func (s Secret) GoString() string { return fmt.Sprintf("%q", s.String()) }

// Names are the names of fields in the context.
func (c *Context) Names() source.Names {
	f := c.Fields
	return source.Names{
		Time: f.Time, Message: f.Message, Level: f.Level, Stream: f.Stream, Region: f.Region, Zone: f.Zone, Namespace: f.Namespace,
		Pod: f.Pod, PodUID: f.PodUID, Container: f.Container, Host: f.Host, Trace: f.Trace, Created: f.Created, App: f.App, Tie: f.Tie,
	}.Or(source.Defaults())
}

// check says what in the options cannot be, without looking at files.
func (c *Context) check() error {
	if len(c.Hosts) == 0 {
		return errors.New("hosts is empty: write http://HOST:9200")
	}
	if _, err := es.New(es.Config{Hosts: c.hosts()}); err != nil { // which reads the URLs alone
		return err
	}
	if _, err := when.ParseZone(c.Zone); err != nil {
		return err
	}
	if _, err := when.Parse(c.Range, time.Now(), time.Local); err != nil {
		return err
	}
	return c.one()
}

// Times is the zone that times are shown in.
func (c *Context) Times() when.Zone {
	zone, _ := when.ParseZone(c.Zone) // check has read it
	return zone
}

// Begin is the time range to begin with.
func (c *Context) Begin(now time.Time) when.Range {
	r, _ := when.Parse(c.Range, now, c.Times().Location()) // as above
	return r
}

// Client returns a client of the context's cluster. It reads the files that the context names and sends nothing.
func (c *Context) Client() (*es.Client, error) {
	client, err := c.client()
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", c.Name, err)
	}
	return client, nil
}

func (c *Context) client() (*es.Client, error) {
	if err := c.one(); err != nil {
		return nil, err
	}
	config := es.Config{
		Hosts: c.hosts(), Username: c.User, CACerts: home(c.CAFile), Fingerprint: c.Fingerprint,
		ClientCert: home(c.ClientCert), ClientKey: home(c.ClientKey), VerifyNone: c.Insecure,
		Headers: c.Headers, OpaqueID: "logtui", UserAgent: "logtui/" + cli.Version(), Compress: c.Compress, Timeout: c.Timeout,
	}
	for _, s := range []struct {
		to    *string
		value Secret
		file  string
		what  string
	}{{&config.Password, c.Password, c.PasswordFile, "password"}, {&config.APIKey, c.APIKey, c.APIKeyFile, "API key"}, {&config.Bearer, c.Bearer, c.BearerFile, "token"}} {
		*s.to = string(s.value)
		if s.file != "" {
			text, err := readSecret(s.file)
			if err != nil {
				return nil, fmt.Errorf("cannot read the %s: %w", s.what, err)
			}
			*s.to = text
		}
		if !sendable(*s.to) {
			return nil, fmt.Errorf("cannot use the %s: it has characters that cannot be sent", s.what)
		}
	}
	for name, value := range c.Headers {
		if !headerName.MatchString(name) || !sendable(value) {
			return nil, fmt.Errorf("cannot use the header %q: its name or its value cannot be sent", name)
		}
	}
	if len(c.TokenCommand) > 0 {
		t := &tokens{command: c.TokenCommand, timeout: c.TokenTimeout, now: time.Now}
		config.Around = func(next http.RoundTripper) http.RoundTripper { return &bearer{t, next} }
	}
	return es.New(config)
}

// one says what is wrong with more than one way to log in.
func (c *Context) one() error {
	var ways []string
	for _, way := range []struct {
		name  string
		given bool
	}{
		{"password", c.Password != ""}, {"password_file", c.PasswordFile != ""}, {"api_key", c.APIKey != ""}, {"api_key_file", c.APIKeyFile != ""},
		{"bearer", c.Bearer != ""}, {"bearer_file", c.BearerFile != ""}, {"token_command", len(c.TokenCommand) > 0},
	} {
		if way.given {
			ways = append(ways, way.name)
		}
	}
	switch {
	case len(ways) > 1:
		return fmt.Errorf("cannot log in with %s at once: give one of them", strings.Join(ways, " and "))
	case c.User != "" && (c.Password == "" && c.PasswordFile == ""):
		return errors.New("cannot log in: user is given, and neither password nor password_file")
	case c.User == "" && (c.Password != "" || c.PasswordFile != ""):
		return errors.New("cannot log in: a password is given, and no user")
	}
	return nil
}

// Login says how the context logs in, without any secret.
func (c *Context) Login() string {
	switch {
	case c.User != "":
		return "user " + c.User
	case c.APIKey != "" || c.APIKeyFile != "":
		return "API key"
	case c.Bearer != "" || c.BearerFile != "":
		return "token"
	case len(c.TokenCommand) > 0:
		return "token of " + filepath.Base(c.TokenCommand[0])
	}
	for _, host := range c.Hosts {
		if u, err := url.Parse(host); err == nil && u.User != nil {
			return "user " + u.User.Username()
		}
	}
	if c.ClientCert != "" {
		return "certificate"
	}
	return "none"
}

// Places are the URLs that are asked, without a user and password that may be in them.
func (c *Context) Places() []string {
	var places []string
	for _, host := range c.hosts() {
		places = append(places, bare(host))
	}
	return places
}

func (c *Context) hosts() []string {
	if c.Region == "" {
		return c.Hosts
	}
	var hosts []string
	for _, host := range c.Hosts {
		hosts = append(hosts, strings.TrimRight(host, "/")+es.Path(c.Region, "es"))
	}
	return hosts
}

var headerName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

// sendable says whether s can be in a header of HTTP.
func sendable(s string) bool { return strings.IndexFunc(s, unicode.IsControl) < 0 }

// readSecret returns the first line of a file.
func readSecret(name string) (string, error) {
	f, err := os.Open(home(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" || len(line) > maxToken {
		return "", fmt.Errorf("the first line of %s is empty or too long", name)
	}
	return line, nil
}

// home has ~/ at the beginning of a file's name mean the user's own directory.
func home(name string) string {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		if dir, err := os.UserHomeDir(); err == nil {
			return filepath.Join(dir, rest)
		}
	}
	return name
}

// Environment is the context that the environment describes, or these hosts do: LOGTUI_HOSTS, LOGTUI_INDEX, LOGTUI_USER and
// LOGTUI_PASSWORD, LOGTUI_API_KEY, LOGTUI_BEARER, LOGTUI_CA_FILE, LOGTUI_FINGERPRINT.
func Environment(hosts []string) *Context {
	env := func(name string) string { return os.Getenv("LOGTUI_" + name) }
	if len(hosts) == 0 {
		hosts = strings.FieldsFunc(env("HOSTS"), func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
	}
	if len(hosts) == 0 {
		hosts = []string{"http://localhost:9200"}
	}
	return &Context{
		Name: "", Hosts: hosts, Index: cmp.Or(env("INDEX"), "logstash-*"), User: env("USER"), Password: Secret(env("PASSWORD")), APIKey: Secret(env("API_KEY")),
		Bearer: Secret(env("BEARER")), CAFile: env("CA_FILE"), Fingerprint: env("FINGERPRINT"), TokenTimeout: 30 * time.Second, Timeout: time.Minute, Compress: true,
		Zone: "local", Range: "last 15m",
	}
}
