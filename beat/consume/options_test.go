package consume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/logp"
)

func TestOptions(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "krb5.conf"), []byte("[libdefaults]\n default_realm = R\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := Plugin(logp.NewLogger("test")).Manager.(*manager)
	// f checks an input with these options beside its type; want "" is one that is taken.
	f := func(yaml, want string) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(strings.ReplaceAll(yaml, "DIR", dir)), "")
		if err == nil {
			err = cfg.Merge(map[string]any{"type": "kafka"})
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := m.CheckConfig(cfg); err == nil && want != "" || err != nil && (want == "" || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %s", yaml, err, want)
		}
	}
	f(`hosts: [kafka:9092]`, "")
	f(`hosts: kafka`, "")
	f(`topics: [t]`, "cannot read without hosts")
	f(`hosts: [""]`, "cannot use host")
	f(`hosts: ["a:b:c"]`, "cannot use host")
	for _, host := range []string{"h:99999", "h:0", "h:http", "h:", ":9092", "h:-1"} {
		f(`hosts: ["`+host+`"]`, "cannot use host")
	}
	f(`hosts: ["[::1]:9092", "10.0.0.1:65535"]`, "")
	f(`{hosts: [h], session_timeout: 5999ms}`, "cannot use session_timeout 5.999s: want 6s to 30m0s")
	f(`{hosts: [h], session_timeout: 31m}`, "cannot use session_timeout 31m0s")
	f(`{hosts: [h], session_timeout: 30m}`, "")
	f(`{hosts: [h], topics: []}`, "cannot read without topics")
	f(`{hosts: [h], topics: ["a b"]}`, `cannot use topics "a b"`)
	f(`{hosts: [h], topics: ["^a("]}`, `cannot use topics "^a("`)
	f(`{hosts: [h], topics: ["^logs-", "other.topic"]}`, "")
	f(`{hosts: [h], topic: t}`, `did you mean "topics"?`)
	f(`{hosts: [h], group_id: ""}`, "cannot use an empty group_id")
	f(`{hosts: [h], username: u}`, "cannot use username without password")
	f(`{hosts: [h], username: u, password: p, sasl.mechanism: scram-sha-512}`, "")
	f(`{hosts: [h], username: u, password: p, sasl.mechanism: OAUTHBEARER}`, `cannot use sasl.mechanism "OAUTHBEARER": want one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512`)
	f(`{hosts: [h], sasl.mechanism: PLAIN}`, "without username and password")
	f(`{hosts: [h], ssl.certificate_authorities: [DIR/none.pem]}`, "cannot use ssl")
	f(`{hosts: [h], ssl.verification_mode: certificate}`, "")
	f(`{hosts: [h], ssl.enabled: true}`, "")
	f(`{hosts: [h], ssl.enabled: false}`, "")
	f(`{hosts: [h], kerberos: {auth_type: password, username: u, password: p, realm: R, config_path: DIR/krb5.conf}}`, "")
	f(`{hosts: [h], kerberos: {auth_type: password, username: u, password: p, realm: R, config_path: DIR/none}}`, "cannot use kerberos.config_path")
	f(`{hosts: [h], kerberos: {auth_type: keytab, keytab: DIR/none, username: u, realm: R, config_path: DIR/krb5.conf}}`, "cannot use kerberos.keytab")
	f(`{hosts: [h], initial_offset: latest}`, `cannot use initial_offset "latest": want one of oldest, newest`)
	f(`{hosts: [h], isolation_level: read_uncommitted}`, "")
	f(`{hosts: [h], rebalance.strategy: any}`, `cannot use rebalance.strategy "any": want one of cooperative-sticky`)
	f(`{hosts: [h], rebalance.timeout: 1s, wait_close: 1s}`, "cannot use wait_close 1s")
	f(`{hosts: [h], fetch.max: 1KiB}`, "cannot use fetch.max 1KiB")
	f(`{hosts: [h], max_in_flight.events: 0}`, "cannot use max_in_flight.events 0")
	f(`{hosts: [h], version: "1.0.0", rebalance: {max_retries: 3, retry_backoff: 1s}}`, "")
	f(`{hosts: [h], id: a, tags: [x], processors: [], fields: {a: 1}}`, "")
}

func TestID(t *testing.T) {
	m := Plugin(logp.NewLogger("test")).Manager.(*manager)
	f := func(yaml, want string) {
		t.Helper()
		cfg, err := common.NewConfigWithYAML([]byte(yaml), "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := m.ID(cfg); got != want {
			t.Errorf("%s: got %q %v, want %q", yaml, got, err, want)
		}
	}
	f(`{hosts: [h]}`, "podbeat-shipper:logstash-journal")
	f(`{hosts: [h], topics: [a, b], group_id: g}`, "g:a,b")
	f(`{hosts: [h], id: mine}`, "mine")
}
