package elasticsearch

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/common/transport/httpcommon"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	"github.com/elastic/beats/v7/libbeat/monitoring"
	"github.com/elastic/beats/v7/libbeat/outputs"
	libes "github.com/elastic/beats/v7/libbeat/outputs/elasticsearch"
	"github.com/elastic/beats/v7/libbeat/paths"
	libtesting "github.com/elastic/beats/v7/libbeat/testing"

	"github.com/podbeat/podbeat/beat/deadletter"
)

func TestRegistered(t *testing.T) {
	if got := outputs.FindFactory("elasticsearch"); reflect.ValueOf(got).Pointer() != reflect.ValueOf(makeOutput).Pointer() {
		t.Error("output.elasticsearch is not ours")
	}
	group, err := load("hosts: [a, 'http://b:1234/x', c]\nworker: 2\nindex: x\nbulk_max_size: 7\nmax_retries: -1")
	if err != nil {
		t.Fatal(err)
	}
	c := group.Clients[0].(*client)
	var urls []string
	for _, h := range c.hosts {
		urls = append(urls, h.url, h.String())
	}
	for _, l := range c.lanes {
		urls = append(urls, l.host.String())
	}
	const q = "/_bulk?filter_path=errors%2Citems.%2A.status%2Citems.%2A.error"
	const a, b, third = "elasticsearch(http://a:9200)", "elasticsearch(http://b:1234/x)", "elasticsearch(http://c:9200)"
	want := []string{"http://a:9200" + q, a, "http://b:1234/x" + q, b, "http://c:9200" + q, third, a, b, third, a, b, third}
	if !reflect.DeepEqual(urls, want) || len(group.Clients) != 1 || c.String() != a+", "+b+", "+third || group.BatchSize != 7 || group.Retry != -1 {
		t.Errorf("got %v, %d, %d", urls, group.BatchSize, group.Retry)
	}
}

// The dead-letter file is looked at while the output is in use: neither when it is only tried, nor after it is closed.
func TestDeadLetterFileInUse(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(what string, observer outputs.Observer, policy string, wantInUse int) {
		t.Helper()
		// Nothing can be made below a file.
		cfg := common.MustNewConfigFrom(fmt.Sprintf("{hosts: [a], index: x, non_indexable_policy.%s}", strings.ReplaceAll(policy, "FILE", filepath.Join(dir, "file"))))
		before := len(deadletter.Unwritable())
		group, err := makeOutput(rawIndex{}, testInfo, observer, cfg)
		if (err != nil) != (what == "not made") {
			t.Errorf("%s: %v", what, err)
		}
		if err == nil {
			if got := len(deadletter.Unwritable()) - before; got != wantInUse {
				t.Errorf("%s: %d files in use, want %d", what, got, wantInUse)
			}
			_ = group.Clients[0].Close()
		}
		if got := len(deadletter.Unwritable()) - before; got != 0 {
			t.Errorf("%s: %d files in use afterwards", what, got)
		}
	}
	counting := outputs.NewStats(monitoring.NewRegistry())
	const file = "dead_letter_file.path: FILE/letters"
	f("in use", counting, file, 1)
	f("tried", outputs.NewNilObserver(), file, 0)
	f("not made", counting, file+", pipelines: 1", 0)
	f("drop", counting, "drop: ~", 0)
}

func TestOptions(t *testing.T) {
	f := func(yaml string, check func(options, connection, policy) bool) {
		t.Helper()
		o, c, p, err := unpack(common.MustNewConfigFrom("hosts: [a]\n" + yaml))
		if err != nil || !check(o, c, p) {
			t.Errorf("%s: got %+v %+v %+v %v", yaml, o, c, p, err)
		}
	}
	f("", func(o options, c connection, p policy) bool {
		return o.Worker == 2 && o.LoadBalance && o.Compression == "gzip" && o.CompressionLevel == 1 && o.BulkMaxSize == 1600 && o.BulkMaxBytes == 10<<20 && o.MaxRetries == 3 &&
			o.Backoff.Init == time.Second && o.Backoff.Max == time.Minute && !o.EscapeHTML &&
			c.Transport.Timeout == httpcommon.DefaultHTTPTransportSettings().Timeout && c.Kerberos == nil && c.Transport.TLS == nil
	})
	f("", func(_ options, _ connection, p policy) bool {
		return p == policy{file: deadletter.File{Path: filepath.Join(paths.Resolve(paths.Data, ""), "dead-letter.ndjson"), MaxBytes: 64 << 20, Files: 8}}
	})
	f("workers: 3\nbulk_max_bytes: 1MiB\nbackoff.max: 5s", func(o options, _ connection, _ policy) bool {
		return o.Worker == 3 && o.BulkMaxBytes == 1<<20 && o.Backoff.Max == 5*time.Second && o.Backoff.Init == time.Second
	})
	f("ssl.verification_mode: none\nproxy_url: http://p:1\ntimeout: 3s", func(_ options, c connection, _ policy) bool {
		return c.Transport.TLS != nil && c.Transport.Proxy.URL.Host == "p:1" && c.Transport.Timeout == 3*time.Second
	})
	f("non_indexable_policy.drop: ~", func(_ options, _ connection, p policy) bool { return p.drop })
	f("non_indexable_policy: {drop: }", func(_ options, _ connection, p policy) bool { return p.drop })
	f("non_indexable_policy.drop.enabled: true", func(_ options, _ connection, p policy) bool { return p.drop })
	f("non_indexable_policy.dead_letter_index: {index: x}", func(_ options, _ connection, p policy) bool { return p.index == "x" && p.file.Files == 8 && !p.drop })
	for _, name := range []string{".a", "a-_+.b", "ä", "a@b", strings.Repeat("ä", 127)} {
		f("non_indexable_policy.dead_letter_index.index: "+name, func(_ options, _ connection, p policy) bool { return p.index == name })
	}
	f("non_indexable_policy.dead_letter_file: {path: /srv/x, max_bytes: 1KiB, files: 2}", func(_ options, _ connection, p policy) bool {
		return p == policy{file: deadletter.File{Path: "/srv/x", MaxBytes: 1024, Files: 2}}
	})
	f("non_indexable_policy: ~", func(_ options, _ connection, p policy) bool { return p.index == "" && !p.drop && p.file.Files == 8 })
	f("non_indexable_policy: {drop.enabled: false, dead_letter_index.index: x}", func(_ options, _ connection, p policy) bool { return p.index == "x" && !p.drop })
	f("non_indexable_policy.dead_letter_file: ~", func(_ options, _ connection, p policy) bool { return p.index == "" && !p.drop && p.file.Files == 8 })
}

func TestOptionsRefused(t *testing.T) {
	f := func(yaml, want string) {
		t.Helper()
		if _, err := load(yaml); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", yaml, err, want)
		}
	}
	f("hosts: [a]\nbulk_max_sise: 5", `elasticsearch output: unknown option "bulk_max_sise", did you mean "bulk_max_size"? known options: api_key, `)
	f("hosts: [a]\nbackoff.inti: 5s", `unknown option "backoff.inti", did you mean "backoff.init"`)
	f("index: x", `option "hosts" is missing`)
	f("hosts: [a]\nworker: 0", `option "worker" must be at least 1`)
	f("hosts: [a]\ncompression: lz4", `option "compression" must be gzip, zstd or none, not "lz4"`)
	f("hosts: [a]\ncompression_level: 10", `option "compression_level" must be 0 to 9`)
	f("hosts: [a]\nbulk_max_bytes: 0", `option "bulk_max_bytes" must be above 0`)
	f("hosts: [a]\nbackoff.max: 10ms", `option "backoff" needs 0 < init <= max`)
	f("hosts: [a]\napi_key: 'a:b'\nusername: c", `"api_key" and "username" exclude each other`)
	f("hosts: [a]\nparameters.filter_path: took", `must not set filter_path`)
	f("hosts: [a]\nssl.certificate: /nonexistent", `elasticsearch output: `)
	f("hosts: ['http://[']", `elasticsearch output: `)
	f("hosts: [a]\nnon_indexable_policy.bury: ~", `unknown non_indexable_policy "bury"; known ones: drop, dead_letter_index, dead_letter_file`)
	f("hosts: [a]\nnon_indexable_policy: {drop: , dead_letter_index.index: x}", `wants one of`)
	f("hosts: [a]\nnon_indexable_policy: drop", `cannot read non_indexable_policy`)
	f("hosts: [a]\nnon_indexable_policy.dead_letter_index: ~", `dead_letter_index: option "index" is missing`)
	for _, name := range []string{"Bad Index", "Bad", "Ä", "a b", `a\b`, "a/b", "a*", "a?", `a"`, "<a>", "a|b", "a,b", "a#b", "a:b", "-a", "_a", "+a", ".", "..", strings.Repeat("ä", 128)} {
		f("hosts: [a]\nnon_indexable_policy.dead_letter_index.index: '"+name+"'", `dead_letter_index: option "index" `+strconv.Quote(name)+` is no name of an index: it `)
	}
	f("hosts: [a]\nnon_indexable_policy.dead_letter_index.indx: x", `unknown option "indx", did you mean "index"?`)
	f("hosts: [a]\nnon_indexable_policy.dead_letter_file.files: 0", `option "files" must be 1 to 1000`)
}

// The template, and whatever else waits for a connection, is loaded by libbeat's callbacks.
func TestConnectRunsCallbacks(t *testing.T) {
	es := newFake(t)
	es.version = "8.7.1"
	c, _, _ := newTestLane(t, es, "")
	var got []string
	key, err := libes.RegisterConnectCallback(func(conn *eslegclient.Connection) error {
		v := conn.GetVersion()
		got = append(got, conn.URL+" "+v.String())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer libes.DeregisterConnectCallback(key)
	if d, err := c.host.connect(); err != nil || len(got) != 1 || got[0] != es.URL+" 8.7.1" || d != (dialect{}) {
		t.Errorf("got %v %v %v", got, d, err)
	}
	es.version = "6.8.23"
	if d, err := c.host.connect(); err != nil || !d.withType {
		t.Errorf("after the server was replaced by an old one: %v %v", d, err)
	}
}

// A server that is no Elasticsearch, such as one without a version, is let pass: its bulk answers
// say enough.
func TestConnectWithoutVersion(t *testing.T) {
	es := newFake(t)
	es.version = "serverless"
	c, _, _ := newTestLane(t, es, "")
	if d, err := c.host.connect(); err != nil || d != (dialect{}) {
		t.Errorf("got %v %v", d, err)
	}
}

// test output must not show an empty version as if all were well.
func TestTestOutput(t *testing.T) {
	f := func(version, want string, warned bool) {
		t.Helper()
		es := newFake(t)
		es.version = version
		c, _, _ := newTestLane(t, es, "")
		var b bytes.Buffer
		c.Test(libtesting.NewConsoleDriverWithKiller(&b, func() { t.Errorf("%s: ended early", version) }))
		const warning = "names none that can be read: is it Elasticsearch?"
		if got := b.String(); !strings.Contains(got, want) || strings.Contains(got, warning) != warned {
			t.Errorf("%s: got %q", version, got)
		}
	}
	f("7.17.29", "version: 7.17.29\n", false)
	f("banana", "version: \n", true)
}

func TestRedirectIsFollowedWithItsBody(t *testing.T) {
	es := newFake(t)
	front := newFake(t)
	front.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, es.URL+r.URL.String(), http.StatusTemporaryRedirect)
	})
	c, _, _ := newTestLane(t, front, "")
	if got, err := publish(c, eventsOf("ab")...); got != "ack" || err != nil || len(es.docs) != 2 {
		t.Errorf("got %s %v, %v", got, err, es.docs)
	}
}
