package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
)

// TestMain makes this test binary be logtui when a test starts it as that.
func TestMain(m *testing.M) {
	if os.Getenv("PODBEAT_TEST_LOGTUI") != "" {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, func(context.Context, Start) error { return nil }))
	}
	os.Exit(harness.Main(m))
}

// run calls logtui with the screen closed at once, and returns what it printed and its exit code.
func run(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = Main(args, strings.NewReader(""), &out, &errs, func(context.Context, Start) error { return nil })
	return out.String(), errs.String(), code
}

// alone keeps the user's own configuration away.
func alone(t *testing.T, url string) {
	t.Helper()
	t.Setenv("LOGTUI_CONFIG", filepath.Join(t.TempDir(), "config.yml"))
	if err := os.WriteFile(os.Getenv("LOGTUI_CONFIG"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LOGTUI_CONTEXT", "")
	t.Setenv("LOGTUI_HOSTS", url)
	t.Setenv("LOGTUI_INDEX", "logtui-*")
}

// everywhere runs a test against Elasticsearch 7 and 8 and the embedded store.
func everywhere(t *testing.T, test func(t *testing.T, url string)) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint("elasticsearch ", major), func(t *testing.T) { test(t, services.Elasticsearch(t, major)) })
	}
	t.Run("store", func(t *testing.T) {
		engine, err := store.Open(t.TempDir(), store.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		h, err := rest.New(rest.Options{Store: engine, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		s := httptest.NewServer(h)
		t.Cleanup(func() { s.Close(); h.Close(); engine.Close() })
		test(t, s.URL)
	})
}

const mapping = `{"settings":{"number_of_shards":2,"number_of_replicas":0},"mappings":{"properties":{"@timestamp":{"type":"date"},"message":{"type":"text"},
"log":{"properties":{"level":{"type":"keyword"},"stream":{"type":"keyword"},"offset":{"type":"long"}}},"event":{"properties":{"sequence":{"type":"long"}}},
"kubernetes":{"properties":{"namespace":{"type":"keyword"},"pod":{"properties":{"name":{"type":"keyword"}}},"deployment":{"properties":{"name":{"type":"keyword"}}}}},
"region":{"type":"keyword"},"status":{"type":"long"},"ratio":{"type":"double"},"ok":{"type":"boolean"},"client":{"type":"ip"},"trace":{"properties":{"id":{"type":"keyword"}}},"tags":{"type":"keyword"}}}}`

var began = time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)

// document is number i of those that are searched: three of each instant.
func document(i int) map[string]any {
	pick := func(all ...string) string { return all[i%len(all)] }
	doc := map[string]any{
		"@timestamp": began.Add(time.Duration(i/3) * time.Minute).Format("2006-01-02T15:04:05.000Z"),
		"message":    pick("GET /cart 200", "connection reset by peer", "timeout while reading from db-1", "slow query: select * from orders", "payment failed\n\tat Shop.pay(Shop.java:7)", "user \"anna\" logged in", "ünïcode \u202e\x1b[31m red"),
		"log":        map[string]any{"level": pick("info", "ERROR", "warn", "debug", "info", "Error", "info", "fatal"), "stream": pick("console", "console", "file", "push"), "offset": i * 10},
		"event":      map[string]any{"sequence": i},
		"kubernetes": map[string]any{"namespace": pick("shop", "web", "batch"), "pod": map[string]any{"name": fmt.Sprintf("%s-%d", pick("cart", "front", "job"), i%4)}, "deployment": map[string]any{"name": pick("cart", "front", "job")}},
		"region":     pick("eu", "us"), "status": 200 + 100*(i%4), "ratio": float64(i%10) / 10, "ok": i%2 == 0, "client": fmt.Sprintf("10.0.%d.%d", i%2, i%50),
		"tags": []string{pick("a", "b", "c"), "all"},
	}
	if i%5 == 0 {
		doc["trace"] = map[string]any{"id": fmt.Sprintf("t%d", i%20)}
	}
	return doc
}

// fill writes n documents into an index of its own.
func fill(t *testing.T, url, index string, n int) {
	t.Helper()
	services.Call(t, "PUT", url+"/"+index, mapping, 200)
	t.Cleanup(func() { services.Call(t, "DELETE", url+"/"+index, "", 200) })
	for from := 0; from < n; from += 5000 {
		var b strings.Builder
		for i := from; i < min(n, from+5000); i++ {
			doc, err := json.Marshal(document(i))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "{\"index\":{\"_index\":%q,\"_id\":\"d%d\"}}\n%s\n", index, i*7919%1000003, doc)
		}
		services.Call(t, "POST", url+"/_bulk?refresh=true", b.String(), 200)
	}
}

// plain are the ids that a request without any client finds, in their order.
func plain(t *testing.T, url, index, query, order string, size int) []string {
	t.Helper()
	body := fmt.Sprintf(`{"query":%s,"size":%d,"_source":false,"sort":[{"@timestamp":%q},{"event.sequence":%q}]}`, query, size, order, order)
	var answer struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			}
		}
	}
	if err := json.Unmarshal(services.Call(t, "POST", url+"/"+index+"/_search", body, 200), &answer); err != nil {
		t.Fatal(err)
	}
	ids := []string{}
	for _, hit := range answer.Hits.Hits {
		ids = append(ids, hit.ID)
	}
	return ids
}

// TestSameAsPlainRequests: what logtui finds for a query is what a request that says the same in Elasticsearch's own words finds, in the same order.
func TestSameAsPlainRequests(t *testing.T) {
	everywhere(t, func(t *testing.T, url string) {
		const index = "logtui-query"
		fill(t, url, index, 300)
		alone(t, url)
		asked := 0
		f := func(query string, args ...string) {
			t.Helper()
			asked++
			for _, order := range []struct {
				args []string
				sort string
				size int
				back bool
			}{{[]string{"--sort", "asc", "-n", "0"}, "asc", 1000, false}, {[]string{"--reverse", "-n", "7"}, "desc", 7, false}, {[]string{"-n", "5"}, "desc", 5, true}} {
				want := plain(t, url, index, query, order.sort, order.size)
				if order.back {
					for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
						want[i], want[j] = want[j], want[i]
					}
				}
				all := append([]string{"query", "-o", "ids", "-i", index, "--timezone", "utc"}, args...)
				if !strings.Contains(strings.Join(args, " "), "--range") && !strings.Contains(strings.Join(args, " "), "--from") && !strings.Contains(strings.Join(args, " "), "--to") {
					all = append(all, "--range", "all")
				}
				stdout, stderr, code := run(append(all, order.args...)...)
				got := []string{}
				for line := range strings.Lines(stdout) {
					_, id, _ := strings.Cut(strings.TrimSpace(line), "\t")
					got = append(got, id)
				}
				if code != 0 || strings.Join(got, " ") != strings.Join(want, " ") {
					t.Errorf("%q %v: got %d %q, want %d %q (exit code %d): %s", args, order.args, len(got), first(got), len(want), first(want), code, stderr)
				}
			}
		}
		all := `{"match_all":{}}`
		term := func(field, value string) string { return fmt.Sprintf(`{"term":{%q:%q}}`, field, value) }
		b := func(kind string, clauses ...string) string {
			return fmt.Sprintf(`{"bool":{%q:[%s]}}`, kind, strings.Join(clauses, ","))
		}
		phrase := func(text string) string { return fmt.Sprintf(`{"match_phrase":{"message":%q}}`, text) }
		isError, isShop := term("log.level", "ERROR"), term("kubernetes.namespace", "shop")
		f(all)
		f(all, "")
		f(isError, "log.level: ERROR")
		f(isError, "log.level:ERROR")
		f(isError, "--query", "log.level: ERROR")
		f(isError, "--chip", "log.level: ERROR")
		f(b("must_not", isError), "not log.level: ERROR")
		f(b("must_not", isError), "--chip", "not log.level: ERROR")
		f(all, "--chip", "off log.level: ERROR")
		f(b("filter", isError, isShop), "log.level: ERROR and kubernetes.namespace: shop")
		f(b("filter", isError, isShop), "log.level: ERROR", "--namespace", "shop")
		f(b("filter", isError, isShop), "log.level:", "ERROR", "and", "kubernetes.namespace:", "shop")
		f(b("should", isError, isShop), "log.level: ERROR or kubernetes.namespace: shop")
		f(`{"terms":{"log.level":["ERROR","Error","fatal"]}}`, "log.level: (ERROR or Error or fatal)")
		f(b("filter", isShop, b("should", isError, term("log.level", "fatal"))), "kubernetes.namespace: shop and (log.level: ERROR or log.level: fatal)")
		f(b("should", b("filter", isShop, isError), term("region", "eu")), "kubernetes.namespace: shop and log.level: ERROR or region: eu")
		f(`{"prefix":{"kubernetes.pod.name":"cart-"}}`, "kubernetes.pod.name: cart-*")
		f(`{"wildcard":{"kubernetes.pod.name":"*-1"}}`, "kubernetes.pod.name: *-1")
		f(`{"match":{"message":"timeout"}}`, "message: timeout")
		f(`{"match":{"message":"timeout reset"}}`, "message: timeout reset")
		f(phrase("connection reset"), `message: "connection reset"`)
		f(phrase(`user "anna"`), `message: "user \"anna\""`)
		f(phrase("reading from db-1"), "--chip", `message: "reading from db-1"`)
		f(`{"match":{"message":"ünïcode"}}`, "message: ünïcode")
		f(`{"exists":{"field":"trace.id"}}`, "trace.id: *")
		f(b("must_not", `{"exists":{"field":"trace.id"}}`), "not trace.id: *")
		f(`{"range":{"status":{"gte":400}}}`, "status >= 400")
		f(`{"range":{"status":{"gt":200,"lt":500}}}`, "status > 200 and status < 500")
		f(`{"term":{"status":300}}`, "status: 300")
		f(`{"range":{"ratio":{"lte":0.35}}}`, "ratio <= 0.35")
		f(`{"term":{"ok":true}}`, "ok: true")
		f(`{"term":{"client":"10.0.1.7"}}`, "client: 10.0.1.7")
		f(term("tags", "b"), "tags: b")
		f(term("trace.id", "t5"), "trace.id: t5")
		f(`{"regexp":{"kubernetes.pod.name":"front-[0-1]"}}`, "kubernetes.pod.name: /front-[0-1]/")
		f(`{"query_string":{"query":"log.level:ERROR AND region:us"}}`, "lucene: log.level:ERROR AND region:us")
		f(term("log.stream", "console"), "--lens", "console")
		f(`{"terms":{"log.stream":["file","push"]}}`, "--lens", "app")
		f(b("filter", term("region", "eu"), term("kubernetes.deployment.name", "cart")), "--region", "eu", "--app", "cart")
		f(term("kubernetes.pod.name", "job-2"), "--pod", "job-2")
		f(`{"range":{"@timestamp":{"gte":"2026-11-20T10:30:00Z","lt":"2026-11-20T10:45:00Z"}}}`, "--range", "2026-11-20 10:30 to 2026-11-20 10:45")
		f(`{"range":{"@timestamp":{"gte":"2026-11-20T11:00:00Z"}}}`, "--from", "2026-11-20T11:00:00Z")
		f(`{"range":{"@timestamp":{"lt":"2026-11-20T10:10:00Z"}}}`, "--to", "2026-11-20 10:10")
		f(b("filter", isError, `{"range":{"@timestamp":{"lt":"2026-11-20T10:30:00Z"}}}`), `log.level: ERROR and @timestamp < "2026-11-20T10:30:00Z"`)
		f(b("filter", isError, term("region", "us"), `{"exists":{"field":"trace.id"}}`), "log.level: ERROR", "--chip", "region: us", "--chip", "trace.id: *")
		f(term("log.level", "none"), "log.level: none")
		if asked < 40 {
			t.Errorf("only %d queries were asked", asked)
		}
	})
}

// first are some of many ids.
func first(ids []string) []string { return ids[:min(len(ids), 10)] }
