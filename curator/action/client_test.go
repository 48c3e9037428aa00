package action

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/es"
)

func readClient(t *testing.T, text string, pairs ...string) (*Client, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "c.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := ReadClient(path, env(pairs...))
	if c != nil {
		c.Name = "c.yml"
		for i, w := range c.Warnings {
			c.Warnings[i] = strings.ReplaceAll(w, path, "c.yml")
		}
	}
	return c, err
}

func TestClient(t *testing.T) {
	usual := func(change func(*Client)) *Client {
		c := &Client{Name: "c.yml",
			Config:  es.Config{Hosts: []string{"http://127.0.0.1:9200"}, Timeout: 30 * time.Second, Retries: 3},
			Logging: Logging{Level: "INFO", Format: "default", Blacklist: []string{"elastic_transport", "urllib3"}}}
		change(c)
		return c
	}
	f := func(text string, change func(*Client), pairs ...string) {
		t.Helper()
		got, err := readClient(t, text, pairs...)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(usual(change), got); d != "" {
			t.Errorf("%s: %s", text, d)
		}
	}
	host := func(hosts ...string) func(*Client) { return func(c *Client) { c.Config.Hosts = hosts } }
	noHosts := func(change func(*Client)) func(*Client) {
		return func(c *Client) {
			c.Warnings = []string{"c.yml:1: no hosts are given: http://127.0.0.1:9200 is meant then"}
			change(c)
		}
	}
	f("", noHosts(func(*Client) {}))
	f("---\n# nothing\n", noHosts(func(*Client) {}))
	f("logging: {loglevel: debug, logfile: /l, logformat: ecs, blacklist: []}", noHosts(func(c *Client) {
		c.Logging = Logging{"DEBUG", "/l", "ecs", []string{}}
	}))
	f("logging: {loglevel: 30, logfile: null, logformat: logstash, blacklist: urllib3}", noHosts(func(c *Client) {
		c.Logging = Logging{"WARNING", "", "logstash", []string{"urllib3"}}
	}))

	// Curator 8's.
	f("elasticsearch:\n  client:\n    hosts: https://h:9200/prefix\n", host("https://h:9200/prefix"))
	f("elasticsearch: {client: {hosts: ['http://a:1', 'http://[::1]:9200'], cloud_id: null}, other_settings: }", host("http://a:1", "http://[::1]:9200"))
	f(`
elasticsearch:
  client:
    hosts: https://h
    ca_certs: /ca
    client_cert: /cert
    client_key: /key
    verify_certs: 0
    ssl_assert_fingerprint: ab:cd
    request_timeout: 0.5
    http_compress: yes
    max_retries: 7
    opaque_id: id
    headers: {X-A: 5}
    bearer_auth:
  other_settings:
    master_only: 1
    skip_version_test: true
    username: u
    password: 0123
    api_key: {id: , token: None}
`, func(c *Client) {
		c.MasterOnly, c.SkipVersionTest = true, true
		c.Config = es.Config{Hosts: []string{"https://h"}, Username: "u", Password: "0123", CACerts: "/ca", ClientCert: "/cert", ClientKey: "/key",
			VerifyNone: true, Fingerprint: "ab:cd", Headers: map[string]string{"X-A": "5"}, OpaqueID: "id", Compress: true,
			Timeout: 500 * time.Millisecond, Retries: 7}
	})
	f("elasticsearch: {client: {hosts: http://h}, other_settings: {api_key: {id: i, api_key: k}}}", func(c *Client) {
		c.Config.Hosts, c.Config.APIKey = []string{"http://h"}, "i:k"
	})
	f("elasticsearch: {client: {hosts: http://h}, other_settings: {api_key: {id: i, api_key: k, token: aTpr}}}", func(c *Client) {
		c.Config.Hosts, c.Config.APIKey = []string{"http://h"}, "aTpr"
	})
	f("elasticsearch:\n  client:\n    hosts: http://h\n    sniff_on_start: true\n    retry_on_status: null\n", func(c *Client) {
		c.Config.Hosts = []string{"http://h"}
		c.Warnings = []string{`c.yml:4: setting "sniff_on_start" is of the Python client and means nothing here`}
	})
	cloud := "name:" + base64.StdEncoding.EncodeToString([]byte("eu.example.org$abc$def"))
	f("elasticsearch: {client: {cloud_id: '"+cloud+"'}}", host("https://abc.eu.example.org:443"))

	// Curator 5's.
	f("client: {hosts: h}", host("http://h:9200"))
	f("client: {hosts: [a, 'b:1', '::1', 'http://c', 'https://d', 'https://e:5/x'], port: 9201, url_prefix: /p/}",
		host("http://a:9201/p", "http://b:1/p", "http://[::1]:9201/p", "http://c:9201/p", "https://d/p", "https://e:5/x"))
	f("client: {hosts: [a, 'http://b'], use_ssl: 1}", host("https://a:9200", "https://b:9200"))
	f("client: {port: 9201}", host("http://127.0.0.1:9201"))
	f("client:", noHosts(func(*Client) {}))
	f(`
client:
  hosts:
  - h
  port: 443
  url_prefix:
  use_ssl: True
  certificate: /ca
  client_cert: /cert
  client_key: /key
  ssl_no_validate: True
  username: u
  password: p
  api_key: k
  aws_key: ""
  aws_sign_request: False
  aws_region:
  timeout: "60"
  master_only: True
logging:
  loglevel: INFO
  logfile:
  logformat: default
  blacklist: ['elasticsearch', 'urllib3']
`, func(c *Client) {
		c.MasterOnly = true
		c.Config = es.Config{Hosts: []string{"https://h:443"}, Username: "u", Password: "p", CACerts: "/ca", ClientCert: "/cert", ClientKey: "/key",
			VerifyNone: true, Headers: map[string]string{"X-Api-Key": "k"}, Timeout: time.Minute, Retries: 3}
		c.Logging.Blacklist = []string{"elasticsearch", "urllib3"}
	})
	f("client: {hosts: h, http_auth: 'u:p:q'}", func(c *Client) {
		c.Config.Hosts, c.Config.Username, c.Config.Password = []string{"http://h:9200"}, "u", "p:q"
		c.Warnings = []string{"c.yml:1: http_auth is out of use: give username and password"}
	})

	// The environment wins.
	f("elasticsearch: {client: {hosts: http://h, request_timeout: 5}, other_settings: {username: u, password: p}}", func(c *Client) {
		c.Config.Hosts, c.Config.Username, c.Config.Password = []string{"http://a", "http://b"}, "u", "secret"
		c.Config.Timeout, c.Config.VerifyNone = 7*time.Second, true
		c.Logging.Level, c.Logging.Blacklist = "ERROR", []string{"x"}
	}, "ESCLIENT_HOSTS", "http://a http://b", "ESCLIENT_PASSWORD", "secret", "ESCLIENT_REQUEST_TIMEOUT", "7", "ESCLIENT_VERIFY_CERTS", "false",
		"ESCLIENT_LOGLEVEL", "error", "ESCLIENT_BLACKLIST", "x", "ESCLIENT_CA_CERTS", "")
	f("client: {hosts: h, username: u, password: p}", func(c *Client) {
		c.Config.Hosts, c.Config.Username, c.Config.Password = []string{"https://abc.eu.example.org:443"}, "u", "p"
	}, "ESCLIENT_CLOUD_ID", cloud)
	f("elasticsearch: {client: {cloud_id: 'nonsense'}}", host("http://a"), "ESCLIENT_HOSTS", "http://a")
	f("elasticsearch: {client: {hosts: http://h}}", func(c *Client) {
		c.Config.Hosts, c.Config.APIKey = []string{"http://h"}, "i:k"
	}, "ESCLIENT_ID", "i", "ESCLIENT_API_KEY", "k")
	f("elasticsearch: {client: {hosts: '${H:http://h:1}'}}", host("http://e:5"), "ESCLIENT_HOSTS", "http://e:5")
	f("elasticsearch:\n  client:\n    hosts: ${H:http://h:1}\n", host("http://h:1"))
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("p w\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f("elasticsearch: {client: {hosts: http://h}, other_settings: {username: u}}", func(c *Client) {
		c.Config.Hosts, c.Config.Username, c.Config.Password = []string{"http://h"}, "u", "p w"
	}, "ESCLIENT_PASSWORD_FILE", secret)
}

func TestClientRefuses(t *testing.T) {
	f := func(text, want string, pairs ...string) {
		t.Helper()
		c, err := readClient(t, text, pairs...)
		if err == nil {
			t.Errorf("accepted %s: %+v", text, c)
			return
		}
		if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	f("client: {hosts: a}\nelasticsearch: {client: {hosts: http://b}}", `c.yml:1: the file has both client:`)
	f("elasticserach: {client: {hosts: http://b}}", `c.yml:1: the file: unknown key "elasticserach", did you mean "elasticsearch"?`)
	f("elasticsearch: {hosts: http://b}", `elasticsearch: unknown key "hosts"; known keys: client, other_settings`)
	f("elasticsearch:\n  client:\n    host: http://b", `c.yml:3: client: unknown option "host", did you mean "hosts"?`)
	f("elasticsearch: {client: {hosts: b}}", `option "hosts" has "b": write http[s]://host[:port][/prefix]`)
	f("elasticsearch: {client: {hosts: 'u:secret@b'}}", `option "hosts" has "…@b": write`)
	f("elasticsearch: [a]", `elasticsearch must have settings below it, indented, not a list`)
	f("elasticsearch: {client: {ssl_assert_hostname: h}}", `setting "ssl_assert_hostname" is not supported`)
	f("elasticsearch: {client: {basic_auth: [u, secret]}}", `setting "basic_auth" is not supported: write username and password below other_settings`)
	f("elasticsearch: {client: {ssl_version: TLSv1.3}}", `cannot demand TLS 1.3`)
	f("elasticsearch: {client: {hosts: http://h, cloud_id: x}}", `hosts and cloud_id are both given`)
	f("elasticsearch: {client: {cloud_id: x}}", `option "cloud_id" is none: it has no colon`)
	f("elasticsearch: {other_settings: {username: u}}", `username and password must be given together`)
	f("elasticsearch: {other_settings: {api_key: {id: u}}}", `id and api_key must be given together`)
	f("elasticsearch: {client: {bearer_auth: secret}, other_settings: {username: u, password: secret}}", `exclude each other`)
	f("elasticsearch: {client: {hosts: [http://a, http://b]}, other_settings: {master_only: true}}", `master_only needs a single host, there are 2`)
	f("elasticsearch: {client: {request_timeout: 0}}", `option "request_timeout" must be at least 0.1, not 0`)
	f("client: {aws_key: secret}", `setting "aws_key" is not supported: requests are not signed for AWS`)
	f("client: {hosts: h, timeout: 0}", `option "timeout" must be at least 1, not 0`)
	f("client: {hosts: 'u:secret@ h'}", `option "hosts" has "…@ h", which is no host`)
	f("client: {http_auth: secret}", `http_auth must be user:password`)
	f("client: {host: a, hosts: b}", `options "hosts" and "host" are the same one: give only "hosts"`)
	f("logging: {loglevel: loud}", `option "loglevel" must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not "LOUD"`)
	f("logging: {logformat: xml}", `option "logformat" must be one of default, json, logstash, ecs, not "xml"`)
	f("client: {hosts: a}\nclient: {hosts: b}", `c.yml:2: "client" is given twice`)
	f("elasticsearch: {other_settings: {username: u}}", `both ESCLIENT_PASSWORD and ESCLIENT_PASSWORD_FILE are set`, "ESCLIENT_PASSWORD", "secret", "ESCLIENT_PASSWORD_FILE", "/f")
	f("elasticsearch: {other_settings: {username: u}}", `cannot read the file that ESCLIENT_PASSWORD_FILE names`, "ESCLIENT_PASSWORD_FILE", "/nosuch")
	f("elasticsearch: {client: {request_timeout: 7}}", `option "request_timeout" must be a number of seconds, not "soon"`, "ESCLIENT_REQUEST_TIMEOUT", "soon")
	if _, err := ReadClient("/nosuch", nil); err == nil || !strings.Contains(err.Error(), "cannot read the client file") {
		t.Error(err)
	}
}

func TestUsualClientFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("USERPROFILE", home)
	f := func(wantName, wantHost string, pairs ...string) {
		t.Helper()
		c, err := ReadClient("", env(pairs...))
		if err != nil || c.Name != wantName || c.Config.Hosts[0] != wantHost {
			t.Errorf("got %+v, %v", c, err)
		}
	}
	f("", "http://127.0.0.1:9200")
	usual, other := filepath.Join(home, ".curator", "curator.yml"), filepath.Join(home, "other.yml")
	if err := os.Mkdir(filepath.Dir(usual), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, host := range map[string]string{usual: "usual", other: "other"} {
		if err := os.WriteFile(path, []byte("client: {hosts: "+host+"}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f(usual, "http://usual:9200")
	f(other, "http://other:9200", "ESCLIENT_CONFIG", other)
}

// What the documentation shows must work.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/curator-actions.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) < 3 {
		t.Errorf("%d examples are too few", len(blocks))
	}
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		switch {
		case strings.HasPrefix(example, "elasticsearch:"):
			_, err = readClient(t, example, "ES_PASSWORD", "p")
		case strings.HasPrefix(example, "  1:"):
			_, err = Parse([]byte("actions:\n"+example), "docs", Options{})
		default:
			_, err = Parse([]byte(example), "docs", Options{})
		}
		if err != nil {
			t.Errorf("%v\n%s", err, example)
		}
	}
}
