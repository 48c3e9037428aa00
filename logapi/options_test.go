package logapi

import (
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func readText(t *testing.T, text string) (*options, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "logapi.yml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return readOptions(name)
}

func TestOptions(t *testing.T) {
	o, err := readText(t, "path: /p\nauth.users: u.yml\nstore.path: /s\nstore.retention: 24h")
	if err != nil {
		t.Fatal(err)
	}
	if o.Auth.Users != "/p/u.yml" || o.Auth.Keys != "/p/keys.json" || o.Store.Path != "/s" || o.Store.Retention != 24*time.Hour || o.Search.SecretFile != "" || !o.ownStore() {
		t.Errorf("got %+v", o)
	}
	if o, err := readText(t, "elasticsearch.hosts: [http://localhost:9200]"); err != nil || o.ownStore() {
		t.Errorf("got %+v (%v)", o, err)
	}
	f := func(text, want string) {
		t.Helper()
		if _, err := readText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", text, err, want)
		}
	}
	f("lisen: x", `unknown option "lisen", did you mean "listen"?`)
	f("store: {retension: 1d}", `"store.retension"`)
	f("listen: x", `cannot use listen "x"`)
	f("listen: ''", `cannot use listen ""`)
	f("monitoring.listen: '9281'", `cannot use monitoring.listen "9281"`)
	f("region: a/b", `cannot use "a/b" as the name of a region`)
	f("region: _all", `cannot use "_all"`)
	f("peers: {default: 'http://x'}", "cannot use peers.default: it is this region itself")
	f("prefix: a?b", `cannot use prefix "a?b"`)
	f("store.listen: ':9200'", "without tokens")
	f("store.listen: '0.0.0.0:9200'", "without tokens")
	f("auth.root_life: 1m", "cannot use auth.access_life 1h0m0s and auth.root_life 1m0s")
	f("auth.rotate_every: 10s", "cannot use auth.rotate_every 10s with auth.rotate_delay 1m0s")
	f("elasticsearch.hosts: [localhost]", `cannot use "localhost" as a host of Elasticsearch`)
	f("elasticsearch.username: u", "elasticsearch has credentials and no hosts")
	f("elasticsearch.ssl.verification_mode: maybe", `cannot use elasticsearch.ssl.verification_mode "maybe"`)
	f("http.trusted_proxies: [x]", `cannot use http.trusted_proxies "x"`)
	f("http.max_connections: 0", "cannot use a bound of http below 1")
	f("logging.level: loud", `cannot use logging.level "loud": want debug, info, warning or error`)
	f("logging.format: xml", `cannot use logging.format "xml"`)
	f("store.min_free: -1", "-1")
	for _, good := range []string{"store.listen: ''", "store: {listen: ':9200', tokens: true}", "monitoring.listen: ''", "listen: ':0'", "store.listen: '[::1]:9200'"} {
		if _, err := readText(t, good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestClientOf(t *testing.T) {
	o := httpOptions{TrustedProxies: []string{"10.0.0.0/8", "192.0.2.7", "::1"}}
	proxies, err := o.proxies()
	if err != nil {
		t.Fatal(err)
	}
	client := clientOf(proxies)
	f := func(remote, want string, forwarded ...string) {
		t.Helper()
		if got := client(&http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": forwarded}}); got != netip.MustParseAddr(want) {
			t.Errorf("%s %q: got %s, want %s", remote, forwarded, got, want)
		}
	}
	f("198.51.100.1:1", "198.51.100.1")
	f("198.51.100.1:1", "198.51.100.1", "203.0.113.1")
	f("[::ffff:198.51.100.1]:1", "198.51.100.1")
	f("10.0.0.1:1", "203.0.113.1", "203.0.113.1")
	f("10.0.0.1:1", "203.0.113.1", "198.51.100.9, 203.0.113.1")
	f("10.0.0.1:1", "203.0.113.1", "198.51.100.9, 203.0.113.1", "192.0.2.7, 10.1.1.1")
	f("10.0.0.1:1", "203.0.113.1", "203.0.113.1:4711")
	f("10.0.0.1:1", "2001:db8::1", "[2001:db8::1]:4711")
	f("10.0.0.1:1", "2001:db8::1", "[2001:db8::1]")
	f("10.0.0.1:1", "10.0.0.1", "nobody")
	f("10.0.0.1:1", "10.1.1.1", "unknown, 10.1.1.1")
	f("10.0.0.1:1", "10.0.0.1")
	f("[::1]:1", "10.9.9.9", "10.9.9.9")
	f("[fe80::1%eth0]:1", "fe80::1", "203.0.113.1")
}

// What would keep logapi from starting is found by `logapi check`.
func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(config, want string) {
		t.Helper()
		o, err := readText(t, "path: "+dir+"\n"+config)
		if err == nil {
			err = o.test()
		}
		if err == nil != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", config, err, want)
		}
	}
	f("", "")
	write("broken.yml", "users: [")
	write("broken.json", "{bad")
	write("short", "12345")
	f("auth.users: broken.yml", "broken.yml")
	f("auth.keys: broken.json", "broken.json")
	f("search.secret_file: none", "search.secret_file")
	f("search.secret_file: short", "want 32 bytes or more")
	f("ssl.certificate: none.crt", "ssl.certificate and ssl.key go together")
	f("ssl: {certificate: none.crt, key: none.key}", "none.crt")
	f("ssl.client_authentication: required", "cannot use ssl without ssl.certificate")
	f("ssl.min_version: TLSv1.1", "cannot use ssl without ssl.certificate")
	f("search.limits.window: 0", "cannot use search.limits.window: want more than 0")
	f("search.limits.time: -5s", "cannot use search.limits.time")
}
