// Package store_test asks the embedded store and the real Elasticsearch 7.17 the same, of the same documents.
//
// With PODBEAT_SOAK=1 there are 200,000 documents instead of 2,000. What is meant to differ is in
// docs/store-differences.md, and is not asked here.
package store_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/rest"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// createBody is what both indices have; %s is the name.
const createBody = `{"aliases":{"ab":{},"only-%s":{}},"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":{"properties":{
"@timestamp":{"type":"date"},"n":{"type":"long"},"event":{"properties":{"created":{"type":"date_nanos"}}},
"message":{"type":"text","fields":{"keyword":{"type":"keyword","ignore_above":64}}},
"log":{"properties":{"level":{"type":"keyword"},"offset":{"type":"long"}}},
"http":{"properties":{"status":{"type":"integer"},"seconds":{"type":"double"}}},"ratio":{"type":"float"},"scaled":{"type":"scaled_float","scaling_factor":100},
"ok":{"type":"boolean"},"client":{"properties":{"ip":{"type":"ip"}}},"tags":{"type":"keyword"},"numbers":{"type":"long"},
"labels":{"type":"flattened"},"lower":{"type":"keyword","normalizer":"lowercase"},
"zero":{"type":"long","null_value":0},"day":{"type":"date","format":"yyyy/MM/dd||epoch_second"},"level":{"type":"alias","path":"log.level"}}}}`

var words = strings.Fields(`request handled upstream connection closed by peer timeout waiting for lock cache miss key user session
created order shipped payment accepted retry attempt backend healthy probe failed größe überschritten 接続 Ünïcode`)

var levels = []string{"info", "info", "info", "info", "debug", "warn", "error", "INFO", ""}

// document makes the n-th document of so many. Many have the same time, and most lack something. They are of four days,
// in which clocks change in Europe.
func document(r *rand.Rand, n, of int) string {
	step := 4 * 24 * time.Hour / time.Duration(of/7+1)
	at := time.Date(2026, 3, 27, 22, 0, 0, 0, time.UTC).Add(time.Duration(n/7)*step + time.Duration(r.IntN(3)*400)*time.Millisecond)
	var b strings.Builder
	fmt.Fprintf(&b, `{"@timestamp":"%s","n":%d`, at.Format("2006-01-02T15:04:05.000Z"), n)
	some := func(percent int) bool { return r.IntN(100) < percent }
	if some(90) {
		message := make([]string, 3+r.IntN(14))
		for i := range message {
			message[i] = words[r.IntN(len(words))]
		}
		fmt.Fprintf(&b, `,"message":"%s. Sequence %d."`, strings.Join(message, " "), n)
	}
	if some(80) {
		fmt.Fprintf(&b, `,"log":{"level":"%s","offset":%d}`, levels[r.IntN(len(levels))], r.IntN(1000)*r.IntN(1000))
	} else if some(50) {
		b.WriteString(`,"log":{"level":null}`)
	}
	if some(60) {
		fmt.Fprintf(&b, `,"http":{"status":%d,"seconds":%s}`, []int{200, 200, 200, 404, 500, 503}[r.IntN(6)], strconv.FormatFloat(math.Exp(r.NormFloat64()*3), 'g', 5, 64))
	}
	if some(40) {
		fmt.Fprintf(&b, `,"ratio":%.3f,"scaled":%.3f`, r.Float64(), r.Float64()*10)
	}
	if some(50) {
		fmt.Fprintf(&b, `,"ok":%v`, []string{"true", "false", `"true"`, `""`, "[true,false]"}[r.IntN(5)])
	}
	if some(50) {
		fmt.Fprintf(&b, `,"client":{"ip":"%s"}`, []string{"10.0.0.1", "10.0.1.200", "192.168.7.9", "2001:db8::1", "::ffff:10.0.0.1"}[r.IntN(5)])
	}
	if some(70) {
		tags := make([]string, r.IntN(4))
		for i := range tags {
			tags[i] = `"` + string(rune('a'+r.IntN(6))) + `"`
		}
		fmt.Fprintf(&b, `,"tags":[%s]`, strings.Join(tags, ","))
	}
	if some(50) {
		fmt.Fprintf(&b, `,"numbers":[%d,%d,%d]`, r.IntN(10), r.IntN(10), r.IntN(1000))
	}
	if some(50) {
		fmt.Fprintf(&b, `,"labels":{"app":"app-%d","tier":"%s","x":{"y":%d}}`, r.IntN(5), []string{"web", "db"}[r.IntN(2)], r.IntN(3))
	}
	if some(50) {
		fmt.Fprintf(&b, `,"lower":"%s"`, []string{"Abc", "ABC", "xyz", "Xyz"}[r.IntN(4)])
	}
	if some(50) {
		fmt.Fprintf(&b, `,"zero":%s`, []string{"null", "3", "7"}[r.IntN(3)])
	}
	if some(50) {
		fmt.Fprintf(&b, `,"day":"%s"`, at.Format("2006/01/02"))
	}
	if some(70) {
		fmt.Fprintf(&b, `,"event":{"created":"%s"}`, at.Add(time.Duration(r.IntN(1e9))).Format("2006-01-02T15:04:05.999999999Z"))
	}
	if some(20) {
		fmt.Fprintf(&b, `,"dynamic":{"text":"%s","number":%d,"float":%d.5}`, words[r.IntN(len(words))], r.IntN(100), r.IntN(100))
	}
	b.WriteByte('}')
	return b.String()
}

// A pair is the store behind its HTTP handler and Elasticsearch, with the same indices: a and b with documents, closed,
// .hidden, the aliases ab and only-a, and what makeMore adds.
type pair struct {
	elasticsearch, store string // URLs
	engine               *store.Store
}

// serve starts both.
func serve(t *testing.T) *pair {
	t.Helper()
	engine, err := store.Open(t.TempDir(), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { engine.Close() })
	h, err := rest.New(rest.Options{Store: engine, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &pair{elasticsearch: services.Elasticsearch(t, 7), store: s.URL, engine: engine}
}

func newPair(t *testing.T, docs int) *pair {
	t.Helper()
	p := serve(t)
	r := rand.New(rand.NewPCG(7, 17))
	p.fill(t, r, "a", docs*3/4)
	p.fill(t, r, "b", docs/4)
	p.makeMore(t)
	return p
}

// both sends a request to both, which must succeed.
func (p *pair) both(t *testing.T, method, path, content string) {
	t.Helper()
	for _, url := range []string{p.elasticsearch, p.store} {
		if status, raw := call(t, method, url+path, content); status >= 300 || bytes.Contains(raw[:min(200, len(raw))], []byte(`"errors":true`)) {
			t.Fatalf("%s %s%s: %d %.500s", method, url, path, status, raw)
		}
	}
}

func (p *pair) fill(t *testing.T, r *rand.Rand, name string, docs int) {
	// Elasticsearch is to keep documents in the order of n, as the store does by itself.
	plain := fmt.Sprintf(createBody, name)
	sorted := strings.Replace(plain, `"number_of_replicas":0`, `"number_of_replicas":0,"index.sort.field":"n"`, 1)
	for url, create := range map[string]string{p.elasticsearch: sorted, p.store: plain} {
		if status, raw := call(t, "PUT", url+"/"+name, create); status != 200 {
			t.Fatalf("cannot make index %s: %s", name, raw)
		}
	}
	var bulk bytes.Buffer
	for n := range docs {
		fmt.Fprintf(&bulk, "{\"create\":{\"_id\":\"%s%d\"}}\n%s\n", name, n, document(r, n, docs))
		if n%2000 == 1999 || n == docs-1 {
			p.both(t, "POST", "/"+name+"/_bulk", bulk.String())
			bulk.Reset()
		}
		if n == docs/2 { // one half in a block, the other not
			if err := p.engine.Flush(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	call(t, "POST", p.elasticsearch+"/"+name+"/_forcemerge?max_num_segments=1", "")
	p.both(t, "POST", "/"+name+"/_refresh", "")
}

// makeMore makes what only a few requests are about.
func (p *pair) makeMore(t *testing.T) {
	const one = `"number_of_shards":1,"number_of_replicas":0`
	p.both(t, "PUT", "/closed", `{"aliases":{"shut":{}},"settings":{`+one+`}}`)
	p.both(t, "POST", "/closed/_close", "")
	p.both(t, "PUT", "/.hidden", `{"settings":{`+one+`,"index.hidden":true}}`)
	p.both(t, "PUT", "/other", `{"settings":{`+one+`},"mappings":{"properties":{"@timestamp":{"type":"date"},"n":{"type":"keyword"},"message":{"type":"keyword"},
"lower":{"type":"keyword","index":false},"zero":{"type":"long","doc_values":false},"only":{"type":"ip"}}}}`)
	p.both(t, "PUT", "/other/_doc/1?refresh=true", `{"@timestamp":"2020-01-01","n":"x"}`)
}

func call(t *testing.T, method, url, content string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, raw
}

// compare asks both. Of errors the words are compared only if exact.
func (p *pair) compare(t *testing.T, exact bool, method, path, content string) {
	t.Helper()
	status, theirs := call(t, method, p.elasticsearch+path, content)
	got, ours := call(t, method, p.store+path, content)
	if status == 429 && bytes.Contains(theirs, []byte("circuit_breaking_exception")) {
		return // its memory does not suffice
	}
	request := clip(method+" "+path+" "+content, 1000)
	if status == 500 && got == 400 {
		return // it takes some of its users' mistakes for its own
	}
	if status != got {
		t.Errorf("%s\nElasticsearch answers %d: %.700s\nthe store %d: %.700s", request, status, theirs, got, ours)
		return
	}
	if status >= 400 && !exact {
		return
	}
	if diff := cmp.Diff(decode(t, theirs), decode(t, ours), cmp.Comparer(sameNumber)); diff != "" {
		t.Errorf("%s\n(- Elasticsearch, + store)\n%s", request, clip(diff, 4000))
	}
}

func clip(s string, to int) string {
	if len(s) > to {
		return s[:to] + "\n…"
	}
	return s
}

// sameNumber takes numbers that differ by the order they were added in for the same.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	x, err := a.Float64()
	y, err2 := b.Float64()
	if err != nil || err2 != nil {
		return false
	}
	return x == y || strings.ContainsAny(string(a)+string(b), ".E") && math.Abs(x-y) <= 1e-12*math.Max(math.Abs(x), math.Abs(y))
}

// decode reads an answer, without what is never the same.
func decode(t *testing.T, raw []byte) any {
	t.Helper()
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %.500s", err, raw)
	}
	return plain(v)
}

// never are members whose values are never the same, or have no meaning but to people.
var never = []string{"took", "node", "index_uuid", "line", "col", "_scroll_id", "pit_id", "id", "skipped", "caused_by", "explanation"}

// plain leaves out what is never the same, and takes scores for one, as the store has no others than 0 and 1.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			switch {
			case slices.Contains(never, name):
				delete(v, name)
			case (name == "_score" || name == "max_score") && inner != nil:
				v[name] = "score"
			default:
				v[name] = plain(inner)
			}
		}
		if reason, ok := v["reason"].(string); ok {
			v["reason"] = place.ReplaceAllString(reason, "")
		}
		if reason, ok := v["error"].(string); ok {
			v["error"] = allowed.ReplaceAllString(reason, "allowed: some")
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

// place is where something is wrong in a text, and what else its writer might have meant.
var place = regexp.MustCompile(`^\[\d+:\d+\] | -> did you mean [^?]*\?`)

// allowed are methods, in any order.
var allowed = regexp.MustCompile(`allowed: \[.*\]`)

func TestAsElasticsearch(t *testing.T) {
	docs := 2000
	if os.Getenv("PODBEAT_SOAK") == "1" {
		docs = 200_000
	}
	p := newPair(t, docs)
	n := 0
	compare := func(method, path, content string) {
		t.Helper()
		n++
		p.compare(t, false, method, path, content)
	}
	for _, request := range handMade {
		compare("POST", "/a/_search", request)
		compare("POST", "/a,b/_search", request)
	}
	for _, request := range highlights {
		compare("POST", "/a/_search", request)
	}
	for _, parameters := range urls {
		compare("POST", "/a,b/_search?"+parameters, withAggregations)
	}
	for _, request := range calls {
		line, content, _ := strings.Cut(request, "\n")
		method, path, _ := strings.Cut(line, " ")
		n++
		p.compare(t, true, method, path, content)
	}
	p.comparePages(t)
	r := rand.New(rand.NewPCG(3, 5))
	for range 400 {
		compare("POST", []string{"/a/_search", "/b/_search", "/a,b/_search"}[r.IntN(3)], generate(r))
	}
	n += p.compareEdges(t)
	differs(t, p)
	t.Logf("%d requests over %d documents", n, docs)
}
