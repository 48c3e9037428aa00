// Package store_test asks the embedded store and the real Elasticsearch 7.17 the same, of the same documents.
//
// With PODBEAT_SOAK=1 there are 200,000 documents instead of 2,000. What is meant to differ is in
// docs/store-differences.md, and is not asked here.
package store_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podbeat/podbeat/es/body"
	"github.com/podbeat/podbeat/store"
	"github.com/podbeat/podbeat/store/mapping"
	"github.com/podbeat/podbeat/store/search"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// Both indices have this. Elasticsearch keeps documents in the order of n, as the store does.
const createBody = `{"settings":{"number_of_shards":1,"number_of_replicas":0,"index.sort.field":"n"},"mappings":{"properties":{
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

// A pair is the store and Elasticsearch with the same indices, a and b.
type pair struct {
	url   string
	over  map[string]search.Index
	store *store.Store
}

func newPair(t *testing.T, docs int) *pair {
	t.Helper()
	p := &pair{url: services.Elasticsearch(t, 7), over: map[string]search.Index{}}
	var err error
	if p.store, err = store.Open(t.TempDir(), store.Options{Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.store.Close() })
	r := rand.New(rand.NewPCG(7, 17))
	for _, index := range []struct {
		name string
		docs int
	}{{"a", docs * 3 / 4}, {"b", docs / 4}} {
		p.fill(t, r, index.name, index.docs)
	}
	return p
}

func (p *pair) fill(t *testing.T, r *rand.Rand, name string, docs int) {
	if status, raw := p.call(t, "PUT", "/"+name, createBody); status != 200 {
		t.Fatalf("cannot make index %s: %s", name, raw)
	}
	var none mapping.Templates
	made, err := none.New(name, parse(t, createBody))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.store.Create(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	fields := made.Mapping
	var ops []store.Op
	var bulk bytes.Buffer
	for n := range docs {
		source, id := document(r, n, docs), fmt.Sprintf("%s%d", name, n)
		added, err := fields.Add(id, []byte(source))
		if err != nil || !added.Timed {
			t.Fatal(source, err)
		}
		fields = added.Mapping
		ops = append(ops, store.Op{Kind: store.Create, ID: id, Source: []byte(source), Time: added.Time})
		fmt.Fprintf(&bulk, "{\"create\":{\"_id\":\"%s\"}}\n%s\n", id, source)
		if len(ops) == 2000 || n == docs-1 {
			if _, err := p.store.Bulk(t.Context(), name, ops); err != nil {
				t.Fatal(err)
			}
			if status, raw := p.call(t, "POST", "/"+name+"/_bulk", bulk.String()); status != 200 || bytes.Contains(raw[:min(200, len(raw))], []byte(`"errors":true`)) {
				t.Fatalf("%.500s", raw)
			}
			ops = nil
			bulk.Reset()
		}
		if n == docs/2 { // one half in a block, the other not
			if err := p.store.Flush(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.call(t, "POST", "/"+name+"/_forcemerge?max_num_segments=1", "")
	p.call(t, "POST", "/"+name+"/_refresh", "")
	view, err := p.store.View(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(view.Release)
	p.over[name] = search.Index{View: view, Mapping: fields}
}

func (p *pair) call(t *testing.T, method, path, content string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
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

func parse(t *testing.T, s string) body.Value {
	t.Helper()
	v, err := body.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

// ask asks the store; an error is what Elasticsearch would name first.
func (p *pair) ask(t *testing.T, indices, request string) ([]byte, error) {
	t.Helper()
	r, err := search.Parse(parse(t, request))
	if err != nil {
		return nil, err
	}
	return p.run(indices, r)
}

func (p *pair) run(indices string, r *search.Request) ([]byte, error) {
	var over []search.Index
	for name := range strings.SplitSeq(indices, ",") {
		over = append(over, p.over[name])
	}
	response, err := search.Run(context.Background(), over, r, time.Now())
	if err != nil {
		return nil, err
	}
	return response.Append(nil), nil
}

// compare asks both.
func (p *pair) compare(t *testing.T, indices, request string) {
	t.Helper()
	status, raw := p.call(t, "POST", "/"+indices+"/_search", request)
	ours, err := p.ask(t, indices, request)
	p.same(t, indices+" "+request, status, raw, ours, err)
}

// compareURL asks both with parameters of the URL.
func (p *pair) compareURL(t *testing.T, indices, parameters string) {
	t.Helper()
	request := `{"size":4,"sort":["n","_index"],"aggs":{"a":{"terms":{"field":"tags"},"aggs":{"b":{"avg":{"field":"n"}},"c":{"date_histogram":{"field":"@timestamp","calendar_interval":"day"}}}},
"d":{"terms":{"field":"numbers","shard_size":5000}},"e":{"terms":{"field":"ratio","size":2,"shard_size":90000}},"f":{"missing":{"field":"tags"}},"g":{"cardinality":{"field":"ok"}},"h":{"range":{"field":"n","ranges":[{"to":5}]}},"i":{"value_count":{"field":"n"}}}}`
	status, raw := p.call(t, "POST", "/"+indices+"/_search?"+parameters, request)
	r, err := search.Parse(parse(t, request))
	if err != nil {
		t.Fatal(err)
	}
	for pair := range strings.SplitSeq(parameters, "&") {
		name, value, _ := strings.Cut(pair, "=")
		known, e := r.Set(name, value)
		if err == nil && !known {
			err = fmt.Errorf("%s is not known", name)
		}
		if err == nil {
			err = e
		}
	}
	if err == nil {
		err = r.Finish()
	}
	var ours []byte
	if err == nil {
		ours, err = p.run(indices, r)
	}
	p.same(t, parameters, status, raw, ours, err)
}

// comparePages goes through a point in time with search_after, and through a scroll, in both.
func (p *pair) comparePages(t *testing.T) {
	t.Helper()
	_, raw := p.call(t, "POST", "/a,b/_pit?keep_alive=1m", "")
	var opened struct{ ID string }
	if err := json.Unmarshal(raw, &opened); err != nil || opened.ID == "" {
		t.Fatalf("%v: %s", err, raw)
	}
	theirs, ours := "", ""
	for range 5 {
		const request = `{"size":9,"track_total_hits":false,"_source":false,"pit":{"id":"%s"},"sort":[{"@timestamp":"desc"}]%s}`
		_, raw := p.call(t, "POST", "/_search", fmt.Sprintf(request, opened.ID, theirs))
		got, err := p.ask(t, "a,b", fmt.Sprintf(request, "x", ours))
		if err != nil {
			t.Fatal(err)
		}
		var ids [2][]string
		ids[0], theirs = page(t, raw)
		if ids[1], ours = page(t, got); len(ids[0]) != 9 || !slices.Equal(ids[0], ids[1]) {
			t.Fatalf("a page is %v, Elasticsearch's is %v", ids[1], ids[0])
		}
	}
}

// page gives the ids of an answer, and search_after for the next page.
func page(t *testing.T, raw []byte) (ids []string, after string) {
	t.Helper()
	var answer struct {
		Hits struct {
			Hits []struct {
				ID   string `json:"_id"`
				Sort json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	for _, h := range answer.Hits.Hits {
		ids, after = append(ids, h.ID), `,"search_after":`+string(h.Sort)
	}
	return ids, after
}

// same compares two answers.
func (p *pair) same(t *testing.T, request string, status int, raw, ours []byte, err error) {
	t.Helper()
	if status == 429 && bytes.Contains(raw, []byte("circuit_breaking_exception")) {
		return // its memory does not suffice
	}
	if status != 200 || err != nil {
		if (status == 200) != (err == nil) {
			t.Errorf("%s\nElasticsearch answers %d: %.500s\nthe store: %v %.200s", request, status, raw, err, ours)
		}
		return
	}
	want, got := decode(t, raw), decode(t, ours)
	if diff := cmp.Diff(want, got, cmp.Comparer(sameNumber)); diff != "" {
		t.Errorf("%s\n(- Elasticsearch, + store)\n%s", request, clip(diff))
	}
}

func clip(s string) string {
	if len(s) > 4000 {
		return s[:4000] + "\n…"
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
	var v map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %.500s", err, raw)
	}
	delete(v, "took")
	delete(v, "_shards")
	return plain(v)
}

// plain takes scores for one, as the store has no others than 0 and 1.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if (name == "_score" || name == "max_score") && inner != nil {
				v[name] = "score"
				continue
			}
			// Where Elasticsearch sees that no document can match it adds an empty meta.
			if object, ok := inner.(map[string]any); ok && name == "meta" && len(object) == 0 {
				delete(v, name)
				continue
			}
			v[name] = plain(inner)
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	}
	return v
}

func TestAsElasticsearch(t *testing.T) {
	docs := 2000
	if os.Getenv("PODBEAT_SOAK") == "1" {
		docs = 200_000
	}
	p := newPair(t, docs)
	for _, request := range handMade {
		p.compare(t, "a", request)
		p.compare(t, "a,b", request)
	}
	for _, request := range highlights {
		p.compare(t, "a", request)
	}
	for _, parameters := range urls {
		p.compareURL(t, "a,b", parameters)
	}
	p.comparePages(t)
	r := rand.New(rand.NewPCG(3, 5))
	for range 400 {
		p.compare(t, []string{"a", "b", "a,b"}[r.IntN(3)], generate(r))
	}
}
