package search_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/podbeat/podbeat/logapi/search"
	"github.com/podbeat/podbeat/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

const (
	asJSON  = "application/json"
	asLines = "application/x-ndjson"
)

var seed sync.Once

// elasticsearch returns a real one, in which two teams have indices of their own and share one.
func elasticsearch(t testing.TB) string {
	t.Helper()
	es := services.Elasticsearch(t, 7)
	seed.Do(func() {
		services.Call(t, "PUT", es+"/_template/logs", `{"index_patterns":["team-*","shared-*"],"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":{"properties":{
			"@timestamp":{"type":"date"},"message":{"type":"text"},"level":{"type":"keyword"},"n":{"type":"long"},"ref":{"type":"keyword"},
			"kubernetes":{"properties":{"namespace":{"type":"keyword"}}},"service":{"properties":{"id":{"type":"keyword"}}}}}}`, 200)
		put := func(index, id, namespace, app, message string) {
			n := strings.TrimLeft(id, "abcdefghijklmnopqrstuvwxyz-")
			services.Call(t, "PUT", es+"/"+index+"/_doc/"+id, fmt.Sprintf(`{"@timestamp":"2026-11-21T10:00:0%sZ","message":%q,"level":"level-%s","n":%s,"ref":%q,"kubernetes":{"namespace":%q},"service":{"id":%q}}`,
				n, message, namespace, n, id, namespace, app), 201)
		}
		for i := range 3 {
			for _, team := range []string{"a", "b"} {
				put("team-"+team+"-2026.11.21", fmt.Sprintf("%s%d", team, i), team, "app-"+team, "hello of "+team)
				put("shared-2026.11.21", fmt.Sprintf("s%s%d", team, i), team, fmt.Sprintf("app-%d", i), "hello shared by "+team)
			}
		}
		services.Call(t, "PUT", es+"/team-a-words", `{"mappings":{"properties":{"kubernetes":{"properties":{"namespace":{"type":"text"}}}}}}`, 200)
		put("team-a-words", "w1", "b-a", "app-b", "a is a word of its namespace")
		services.Call(t, "POST", es+"/_aliases", `{"actions":[{"add":{"index":"team-b-2026.11.21","alias":"team-a-sneaky"}},{"add":{"index":"team-a-2026.11.21","alias":"mine"}},
			{"add":{"indices":["team-a-2026.11.21","team-b-2026.11.21"],"alias":"both"}},{"add":{"index":"shared-2026.11.21","alias":"shared-a","filter":{"term":{"kubernetes.namespace":"a"}}}}]}`, 200)
		services.Call(t, "PUT", es+"/.system", `{"settings":{"number_of_shards":1,"number_of_replicas":0}}`, 200)
		services.Call(t, "PUT", es+"/.system/_doc/dot1", `{"message":"of the system"}`, 201)
		services.Call(t, "POST", es+"/_refresh", "", 200)
	})
	return es
}

// serve returns the URL of a handler in front of a server, for a client with these scopes; a request's header
// X-Subject names another subject.
func serve(t testing.TB, es string, scopes ...search.Scope) string {
	t.Helper()
	u, err := url.Parse(es)
	if err != nil {
		t.Fatal(err)
	}
	h, err := search.New(search.Options{URL: u, NamespaceField: "kubernetes.namespace", AppField: "service.id", Secret: []byte("a secret of 32 bytes or even more"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := search.WithSubject(search.WithScopes(r.Context(), scopes), r.Header.Get("X-Subject"))
		h.ServeHTTP(w, r.WithContext(ctx))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; header lines are "Name: value".
func ask(t testing.TB, method, address, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", asJSON)
		if strings.Contains(address, "_msearch") {
			req.Header.Set("Content-Type", asLines)
		}
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

var everything = search.Scope{}

// What Elasticsearch 7.17 reads out of odd requests: the reasons for which the handler refuses them, or writes them anew.
func TestElasticsearchReadsOddly(t *testing.T) {
	es := elasticsearch(t)
	f := func(method, target, kind, body string, status int, want string) {
		t.Helper()
		r := raw(t, es, method, target, kind, body)
		if r.status != status || !strings.Contains(r.body, want) {
			t.Errorf("%s %s %.100s: %d %.300s, want %d %s", method, target, body, r.status, r.body, status, want)
		}
	}
	const all, a, b = `"value":14,`, `"value":3,`, `"_id":"b0"`
	f("GET", "//_search", "", "", 200, all)                                                             // an empty name is every index,
	f("GET", "/,/_search", "", "", 200, all)                                                            // in a list too,
	f("POST", "/_msearch", asLines, "{\"index\":\"\"}\n{}\n", 200, all)                                 // and in a line of _msearch
	f("GET", "/_search?index=team-b-2026.11.21", "", "", 200, b)                                        // the query and the path share their names,
	f("GET", "/mine/_search?index=team-b-2026.11.21", "", "", 200, a)                                   // the path's come last
	f("GET", "/_search?index=mine&index=team-b-2026.11.21", "", "", 200, b)                             // of two values the last counts
	f("GET", "/_search?q=hello;index=team-b-2026.11.21", "", "", 200, b)                                // a semicolon separates
	f("GET", "/mine/_search?q=n:1#&size=x", "", "", 200, `"value":1,`)                                  // a number sign ends the query
	f("GET", "/mine/_search?q=%%32", "", "", 200, `"value":0,`)                                         // %% is a percent sign
	f("GET", "/mine%%/_search", "", "", 404, "[mine%]")                                                 // in a path too
	f("GET", "/mine/_search/", "", "", 200, a)                                                          // an empty segment at the end is dropped
	f("GET", "/mine/%5Fsearch", "", "", 405, "")                                                        // names of calls are compared before decoding
	f("GET", "/mine%2Fx/_search", "", "", 404, "[mine/x]")                                              // segments are split before decoding
	f("GET", "/mine%2Cteam-b-2026.11.21/_search", "", "", 200, b)                                       // lists after it
	f("GET", "/mine/../_search", "", "", 200, `"value":0,`)                                             // dots are names: here, of a type
	f("get", "/mine/_search", "", "", 405, "")                                                          // methods are in upper case
	f("GET", "/*/_search", "", "", 200, "dot1")                                                         // a pattern stands for names with a dot
	f("POST", "/mine/_msearch", asLines, "{\"indices\":[\"team-b-2026.11.21\"]}\n{}\n", 200, b)         // index has a second name
	f("POST", "/mine/_msearch", asLines, "\n{\"index\":\"team-b-2026.11.21\"}\n{}\n", 200, b)           // an empty first line is skipped,
	f("POST", "/mine/_msearch", asLines, "{}\n{}\n\n{}\n", 200, a)                                      // any other is a line
	f("POST", "/_msearch", asLines, "{\"index\":\"mine\"}{\"index\":\"both\"}\n{}\n", 200, a)           // what follows in a line is not looked at
	f("POST", "/_msearch", asLines, "{\"index\":\"mine\",\"expandWildcards\":\"all\"}\n{}\n", 200, a)   // names have camel-case forms,
	f("POST", "/mine/_search", asJSON, `{"query":{"bool":{"mustNot":[{"match_all":{}}]}}}`, 200, `:0,`) // in queries too
	f("POST", "/mine/_search", "application/yaml", "query: {ids: {values: [a1]}}", 200, "---")          // YAML and
	f("POST", "/mine/_search", "application/cbor", "\xbf\x64size\x00\xff", 200, "hits")                 // CBOR are read
	f("POST", "/mine/_search", asJSON, `{/* a comment */"query":{"match_all":{}}}`, 200, a)             // comments are skipped
	f("POST", "/mine/_search", asJSON, `{"size":1,"size":0}`, 400, "Duplicate field")                   // no name may come twice,
	f("POST", "/mine/_search", asJSON, `{"size":1}{"size":0}`, 400, "after the main object")            // nothing may follow,
	f("POST", "/mine/_search", asJSON, `{"size":NaN}`, 400, "NaN")                                      // and numbers are numbers
	f("POST", "/mine/_search?q=n:1", asJSON, `{"query":{"match_none":{}}}`, 200, `"value":1,`)          // q takes the place of the body's query
	f("GET", "/mine/_search?source_content_type=application/json&source=%7B%22size%22:0%7D", "", "", 200, `"hits":[]`)
	f("POST", "/mine/_mget", asJSON, `{"docs":[{"_index":"team-b-2026.11.21","_id":"b0"}]}`, 200, b) // a body names other indices than the path
	f("POST", "/_mget", asJSON, `{"docs":[{"_index":"shared-a","_id":"sb0"}]}`, 200, `"found":true`) // a document is read past its alias's filter
	f("POST", "/mine/_search", asJSON, `{"query":{"terms":{"n":{"index":"team-b-2026.11.21","id":"b1","path":"n"}}}}`, 200, `"_id":"a1"`)
	f("POST", "/mine/_search", asJSON, `{"query":{"wrapper":{"query":"eyJtYXRjaF9hbGwiOnt9fQ=="}}}`, 200, a)
	f("POST", "/shared-a/_search", asJSON, `{"size":0,"aggs":{"all":{"global":{},"aggs":{"of":{"terms":{"field":"level"}}}}}}`, 200, `[{"key":"level-a","doc_count":3}]`)                              // an alias's filter holds for global,
	f("POST", "/shared-2026.11.21/_search", asJSON, `{"size":0,"query":{"term":{"kubernetes.namespace":"a"}},"aggs":{"all":{"global":{},"aggs":{"of":{"terms":{"field":"level"}}}}}}`, 200, "level-b") // a query does not,
	f("POST", "/shared-a/_search", asJSON, `{"size":0,"aggs":{"of":{"terms":{"field":"level","min_doc_count":0.4}}}}`, 200, `"level-b","doc_count":0`)                                                 // and neither shuts out what is counted 0 times
	f("POST", "/shared-a/_search", asJSON, `{"size":0,"suggest":{"s":{"text":"level-x","term":{"field":"level"}}}}`, 200, "level-b")
	f("GET", "/team-a-sneaky/_search", "", "", 200, b)                                    // an alias's name says nothing of its indices
	f("GET", "/team-a-words/_search?q=kubernetes.namespace:a", "", "", 200, `"_id":"w1"`) // the words of a text are found one by one
	f("GET", "/"+strings.Repeat("mine,", 900)+"mine/_search", "", "", 400, "4096")
}

// Without narrowing, a search is answered as Elasticsearch answers it.
func TestSameAnswer(t *testing.T) {
	es := elasticsearch(t)
	through := serve(t, es, everything)
	took := regexp.MustCompile(`("took" ?: ?)\d+`)
	f := func(method, target, body string, header ...string) {
		t.Helper()
		want, got := ask(t, method, es+target, body, header...), ask(t, method, through+target, body, header...)
		want.body, got.body = took.ReplaceAllString(want.body, "${1}0"), took.ReplaceAllString(got.body, "${1}0")
		if want.status != got.status || want.body != got.body {
			t.Errorf("%s %s %.100s: %d %.500s\n want %d %.500s", method, target, body, got.status, got.body, want.status, want.body)
		}
		for _, name := range []string{"Content-Type", "X-Elastic-Product", "Warning"} {
			if !slices.Equal(want.header.Values(name), got.header.Values(name)) {
				t.Errorf("%s %s: %s %q, want %q", method, target, name, got.header.Values(name), want.header.Values(name))
			}
		}
	}
	for _, c := range sameAnswers {
		method, target, _ := strings.Cut(c[0], " ")
		f(method, target, c[1])
	}
	for _, kind := range []string{"application/vnd.elasticsearch+json; compatible-with=7", "application/vnd.elasticsearch+json; compatible-with=8", "application/json; charset=UTF-8"} {
		f("POST", "/mine/_search", `{"sort":"n"}`, "Content-Type: "+kind, "Accept: "+kind)
	}
	f("GET", "/both/_search?sort=ref", "", "Accept-Encoding: gzip;q=0")
}

// Bodies are packed for those who take it, and taken packed.
func TestGzip(t *testing.T) {
	es := elasticsearch(t)
	through := serve(t, es, everything)
	want := ask(t, "GET", es+"/both/_search?sort=ref&filter_path=hits", "", "Accept-Encoding: identity")
	got := ask(t, "GET", through+"/both/_search?sort=ref&filter_path=hits", "", "Accept-Encoding: br, gzip")
	r, err := gzip.NewReader(strings.NewReader(got.body))
	if err != nil {
		t.Fatalf("%v: %v %.100q", err, got.header, got.body)
	}
	text, err := io.ReadAll(r)
	if err != nil || string(text) != want.body || got.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("%v: %s, want %s (%v)", got.header, text, want.body, err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprint(w, `{"query":{"ids":{"values":["a1"]}}}`)
	w.Close()
	if r := ask(t, "POST", through+"/mine/_search", packed.String(), "Content-Encoding: gzip"); !strings.Contains(r.body, `"value":1,`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	packed.Reset()
	w = gzip.NewWriter(&packed)
	_, _ = w.Write(bytes.Repeat([]byte(" "), 5<<20))
	w.Close()
	if r := ask(t, "POST", through+"/mine/_search", packed.String(), "Content-Encoding: gzip"); r.status != 413 {
		t.Errorf("a bomb of %d bytes: %d %s", packed.Len(), r.status, r.body)
	}
}

// found returns the ids of the hits of an answer, sorted, or its status and the reason for it.
func found(t testing.TB, r answer) string {
	t.Helper()
	type result struct {
		Hits struct {
			Hits []struct {
				ID string `json:"_id"`
			}
		}
		Error struct{ Reason string }
	}
	var one struct {
		result
		Responses []result
	}
	if err := json.Unmarshal([]byte(r.body), &one); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	if r.status != 200 {
		return fmt.Sprint(r.status, " ", one.Error.Reason)
	}
	var ids []string
	for _, answer := range append(one.Responses, one.result) {
		for _, hit := range answer.Hits.Hits {
			ids = append(ids, hit.ID)
		}
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}

// A client finds what its scopes hold, whatever it asks for.
func TestNarrowed(t *testing.T) {
	es := elasticsearch(t)
	const every = "{}"
	f := func(scopes []search.Scope, target, body, want string) {
		t.Helper()
		if got := found(t, ask(t, "POST", serve(t, es, scopes...)+target, body)); got != want && !(want[0] == '4' && strings.HasPrefix(got, want)) {
			t.Errorf("%v %s %s: %q, want %q", scopes, target, body, got, want)
		}
	}
	index := []search.Scope{{Indices: []string{"team-a-*"}}}
	f(index, "/_search", every, "a0 a1 a2 w1")
	f(index, "/_all/_search", every, "a0 a1 a2 w1")
	f(index, "/*/_search", every, "a0 a1 a2 w1")
	f(index, "/team-*/_search", every, "a0 a1 a2 w1")
	f(index, "/team-a-2026*/_search", every, "a0 a1 a2")
	f(index, "/*-2026.11.21/_search", every, "a0 a1 a2")
	f(index, "/mine/_search", every, "a0 a1 a2")
	f(index, "/m*/_search", every, "a0 a1 a2")
	f(index, "/both/_search", every, "a0 a1 a2")
	f(index, "/b*/_search", every, "a0 a1 a2")
	f(index, "/shared-*/_search", every, "")
	f(index, "/nothing-*/_search", every, "")
	f(index, "/*,-team-a-words/_search", every, "a0 a1 a2")
	f(index, "/team-*,-*/_search", every, "")
	f(index, "/team-a-2026.11.21,team-a-words/_search", every, "a0 a1 a2 w1")
	f(index, "/team-a-sneaky/_search", every, "403 the token does not open the index [team-a-sneaky]")
	f(index, "/team-a-sn*/_search", every, "")
	f(index, "/team-b-2026.11.21/_search", every, "403 the token does not open the index [team-b-2026.11.21]")
	f(index, "/team-b-2000/_search", every, "403 the token does not open the index [team-b-2000]")
	f(index, "/team-a-2000/_search", every, "404 no such index [team-a-2000]")
	f(index, "/shared-a/_search", every, "403 the token does not open the index [shared-a]")
	f(index, "/.system/_search", every, "403 the index [.system] begins with a dot")
	f(index, "/_search", `{"query":{"terms":{"n":{"index":"team-b-2026.11.21","id":"b1","path":"n"}}}}`, "403 the token does not open")
	f(index, "/_search", `{"query":{"terms":{"n":{"index":"mine","id":"a1","path":"n"}}}}`, "a1 w1")
	f(index, "/_msearch", "{\"index\":\"*\"}\n{}\n", "a0 a1 a2 w1")
	f(index, "/_msearch", "{}\n{}\n{\"index\":[\"both\"]}\n{\"size\":1,\"sort\":\"n\"}\n", "a0 a0 a1 a2 w1")
	f(index, "/mine/_msearch", "{\"index\":\"team-b-2026.11.21\"}\n{}\n", "403 search 1: the token does not open")
	f([]search.Scope{{Indices: []string{"shared-*"}}}, "/shared-a/_search", every, "sa0 sa1 sa2")
	f([]search.Scope{{Indices: []string{"*"}}}, "/_search", `{"query":{"ids":{"values":["dot1","a0","sb0"]}}}`, "a0 sb0")

	const withA = `sa0 sa1 sa2`
	namespace := []search.Scope{{Namespaces: []string{"a"}}}
	f(namespace, "/_search", every, "a0 a1 a2 "+withA)
	f(namespace, "/shared-*/_search", every, withA)
	f(namespace, "/shared-2026.11.21/_search", `{"query":{"match_all":{}},"post_filter":{"match_all":{}}}`, withA)
	f(namespace, "/shared-2026.11.21/_search", `{"query":{"bool":{"should":[{"term":{"kubernetes.namespace":"b"}},{"match_all":{}}]}}}`, withA)
	f(namespace, "/shared-2026.11.21/_search?q=kubernetes.namespace:b", every, "")
	f(namespace, "/shared-2026.11.21/_search?q=n:1", `{"query":{"match_none":{}}}`, "sa1")
	f(namespace, "/shared-2026.11.21/_search?q=n:1+n:2&default_operator=and", every, "")
	f(namespace, "/team-a-words/_search", every, "")
	f(namespace, "/shared-a/_search", every, withA)
	f(namespace, "/_msearch", "{\"index\":\"shared-*\"}\n{\"query\":{\"term\":{\"n\":2}}}\n{}\n{\"query\":{\"term\":{\"n\":1}}}\n", "a1 sa1 sa2")
	f([]search.Scope{{Namespaces: []string{"*"}}}, "/shared-*/_search", `{"query":{"term":{"n":1}}}`, "sa1 sb1")
	f([]search.Scope{{Namespaces: []string{"?", "x*"}}}, "/shared-*/_search", every, "")
	f([]search.Scope{{Namespaces: []string{"a"}, Apps: []string{"app-1"}}}, "/shared-*/_search", every, "sa1")
	f([]search.Scope{{Apps: []string{"app-1", "app-2"}}}, "/shared-*/_search", every, "sa1 sa2 sb1 sb2")
	f([]search.Scope{{Indices: []string{"shared-*"}, Namespaces: []string{"a"}}}, "/_search", every, withA)
	f([]search.Scope{{Indices: []string{"shared-*"}, Namespaces: []string{"a"}}}, "/team-*/_search", every, "")
	both := []search.Scope{{Indices: []string{"shared-*"}, Namespaces: []string{"a"}}, {Indices: []string{"team-b-*"}}}
	f(both, "/_search", every, "b0 b1 b2 "+withA)
	f(both, "/team-b-*,shared-*/_search", `{"query":{"term":{"n":1}}}`, "b1 sa1")
	f(both, "/team-b-2026.11.21/_search", `{"aggs":{"all":{"global":{}}}}`, "b0 b1 b2")
	f(both, "/shared-2026.11.21/_search", `{"aggs":{"all":{"global":{}}}}`, "403 the aggregation [global] is refused")

	nothing := []search.Scope{{Indices: []string{}}}
	f(nothing, "/_search", every, "403 the token opens no index")
	f(nil, "/_search", every, "403 the token opens no index")
	f([]search.Scope{{Namespaces: []string{}}, {Indices: []string{"mi*"}}}, "/_search", every, "")
}

// Points in time and scrolls work for those alone who opened them.
func TestHandles(t *testing.T) {
	es := elasticsearch(t)
	wide := serve(t, es, everything)
	mine := serve(t, es, search.Scope{Namespaces: []string{"a"}})
	get := func(r answer, name string) string {
		t.Helper()
		var all map[string]any
		if err := json.Unmarshal([]byte(r.body), &all); err != nil || r.status != 200 {
			t.Fatalf("%d %s: %v", r.status, r.body, err)
		}
		text, _ := all[name].(string)
		if text == "" {
			t.Fatalf("no %s in %s", name, r.body)
		}
		return text
	}
	pit := get(ask(t, "POST", mine+"/shared-*/_pit?keep_alive=1m&pretty", ""), "id")
	search := func(server, id string, header ...string) answer {
		t.Helper()
		return ask(t, "POST", server+"/_search?pretty", `{"pit":{"id":"`+id+`","keep_alive":"1m"},"sort":["ref"],"track_total_hits":false,"size":2}`, header...)
	}
	first := search(mine, pit)
	if got := found(t, first); got != "sa0 sa1" {
		t.Errorf("in a point in time: %q", got)
	}
	if got := found(t, search(mine, get(first, "pit_id"))); got != "sa0 sa1" {
		t.Errorf("with the id of the answer: %q", got)
	}
	direct := get(ask(t, "POST", es+"/shared-*/_pit?keep_alive=1m", ""), "id")
	f := func(name string, r answer) {
		t.Helper()
		if r.status != 404 || !strings.Contains(r.body, "not one of this token's") {
			t.Errorf("%s: %d %s", name, r.status, r.body)
		}
	}
	f("another scope", search(wide, pit))
	f("another subject", search(mine, pit, "X-Subject: 7"))
	f("not wrapped", search(mine, direct))
	f("changed", search(mine, strings.Replace(pit, pit[20:24], "AAAA", 1)))
	f("of another", search(mine, pit[:32]+direct))
	f("closing another's", ask(t, "DELETE", wide+"/_pit", `{"id":"`+pit+`"}`))
	if r := ask(t, "DELETE", mine+"/_pit", `{"id":"`+pit+`"}`); r.status != 200 {
		t.Errorf("closing: %d %s", r.status, r.body)
	}

	page := ask(t, "POST", mine+"/shared-*/_search?scroll=1m&size=2&sort=ref", "")
	id := get(page, "_scroll_id")
	if got := found(t, page); got != "sa0 sa1" {
		t.Errorf("a scroll's first page: %q", got)
	}
	f("another's scroll", ask(t, "POST", wide+"/_search/scroll", `{"scroll":"1m","scroll_id":"`+id+`"}`))
	f("a pit as scroll", ask(t, "POST", mine+"/_search/scroll", `{"scroll_id":"`+pit+`"}`))
	f("all", ask(t, "DELETE", mine+"/_search/scroll/_all", ""))
	if got := found(t, ask(t, "POST", mine+"/_search/scroll", `{"scroll":"1m","scroll_id":"`+id+`"}`)); got != "sa2" {
		t.Errorf("its second page: %q", got)
	}
	if got := found(t, ask(t, "GET", mine+"/_search/scroll?scroll=1m&scroll_id="+id, "")); got != "" {
		t.Errorf("its end: %q", got)
	}
	if r := ask(t, "DELETE", mine+"/_search/scroll", `{"scroll_id":["`+id+`"]}`); r.status != 200 {
		t.Errorf("clearing: %d %s", r.status, r.body)
	}
	if r := ask(t, "DELETE", wide+"/_pit", `{"id":"`+get(ask(t, "POST", wide+"/mine/_pit?keep_alive=1m", ""), "id")+`"}`); r.status != 200 {
		t.Errorf("without narrowing: %d %s", r.status, r.body)
	}
}

// Whatever of the examples a narrowed client asks for, nothing of the others is in what it finds.
func TestNothingOfOthers(t *testing.T) {
	es := elasticsearch(t)
	others := regexp.MustCompile(`level-b|of b"|by b"|"s?b[0-2]"|of the system|"dot1"|"w1"`)
	f := func(scope search.Scope) {
		t.Helper()
		server, found := serve(t, es, scope), 0
		for _, c := range sameAnswers {
			method, target, _ := strings.Cut(c[0], " ")
			r := ask(t, method, server+target, c[1])
			switch {
			case r.status > 500: // 500 is what Elasticsearch says of a slice without a scroll
				t.Errorf("%v %s %s: %d %s", scope, c[0], c[1], r.status, r.body)
			case r.status == 200 && others.MatchString(r.body):
				t.Errorf("%v %s %s: %q in %s", scope, c[0], c[1], others.FindString(r.body), r.body)
			case r.status == 200:
				found++
			}
		}
		if found < 40 {
			t.Errorf("%v: %d examples are answered", scope, found)
		}
	}
	f(search.Scope{Indices: []string{"team-a-2*"}})
	f(search.Scope{Namespaces: []string{"a"}})
	f(search.Scope{Indices: []string{"*"}, Namespaces: []string{"a"}, Apps: []string{"app-*"}})
}
