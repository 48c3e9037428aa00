package logapi

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"strings"
)

// attacksOnIndices are requests of a client that may see team-a-* alone.
func attacksOnIndices() []string {
	get := func(path string) string { return plain("GET "+path, "") }
	post := func(path, body string, header ...string) string { return plain("POST "+path, body, header...) }
	all := []string{ // names
		get("/.podbeat-system/_doc/configuration"), get("/.podbeat-system/_search"), get("/_search"), get("/_all/_search"), get("/*/_search"), get("/**/_search"), get("/team-*/_search"), get("/*,-team-b-1/_search"), get("/*-1/_search"), get("/both/_search"),
		get("/b*/_search"), get("/mine/_search"), get("/filtered-a/_search"), get("/filtered-b/_search"), get("/filtered-*/_search"), get("/team-a-sneaky/_search"), get("/team-a-*/_search"), get("/team-a-s*/_search"),
		get("/team-b-1/_search"), get("/team-a-1,team-b-1/_search"), get("/team-b-1,team-a-1/_search"), get("/shared/_search"), get("/.system/_search"), get("/.*/_search"), get("/*,.system/_search"),
		get("/-team-a-1/_search"), get("/+team-b-1/_search"), get("/-*/_search"), get("/team-a-1,-*,team-b-1/_search"), get("/team-a-1,/_search"), get("/,team-a-1/_search"), get("/,/_search"),
		get("/team-a-1,,team-b-1/_search"), get("/other:team-a-1/_search"), get("/*:*/_search"), get("/team-a-*:x/_search"), get("/team-a-1,other:*/_search"), get("/%3Cteam-b-%7Bnow%2Fd%7D%3E/_search"),
		get("/%3Cteam-a-%7Bnow%2Fd%7D%3E/_search"), get("/<team-b-{now}>/_search"), get("/team-a-1%00/_search"), get("/team-a-1%20/_search"), get("/%20/_search"), get("/team-a-1%2Cteam-b-1/_search"),
		get("/team-a-1%252Cteam-b-1/_search"), get("/team-a-1%2F..%2Fteam-b-1/_search"), get("/team-a-1%5C/_search"), get("/team-a-%3F/_search"), get("/team-a-%22/_search"), get("/team-a-1%0d%0aX:y/_search"),
		get("/team-a-1%/_search"), get("/team-a-1%%2C/_search"), get("/%C0%AE/_search"), get("/team-a-%FF/_search"), get("/TEAM-B-1/_search"), get("/team-a-1|team-b-1/_search"), get("/_local/_search"),
		get("/" + strings.Repeat("team-a-1,", 300) + "team-a-1/_search"), get("/" + strings.Repeat("a", 5000) + "/_search"), get("/team-a-1;team-b-1/_search"), get("/team-a-1#/team-b-1/_search"),
		get("/no-*/_search"), get("/team-c-1/_search"),
		// paths
		get("//_search"), get("///_search"), get("/team-a-1//_search"), get("/team-a-1/_search/"), get("/team-a-1/../team-b-1/_search"), get("/team-a-1/%2e%2e/team-b-1/_search"), get("/./_search"), get("/../_search"),
		get("/team-a-1/%5Fsearch"), get("/%5Fsearch"), get("/team-a-1/_SEARCH"), get("/team-a-1/_doc/_search"), get("/team-a-1/logs/_search"), get("\\team-b-1/_search"), get("/team-a-1\\..\\team-b-1/_search"),
		get("http://team-b/team-b-1/_search"), get("http://team-b/_all"), get("*"), get("_search"), get("?index=team-b-1"), "GET  /team-b-1/_search HTTP/1.1\r\nHost: x\r\n\r\n", "GET /team-b-1/_search\r\n\r\n",
		// calls that are none
		get("/_cat/indices"), get("/_cluster/health"), get("/_cluster/settings"), get("/_nodes"), get("/_nodes/hot_threads"), get("/_tasks"), get("/_stats"), get("/team-a-1"), get("/team-a-1/_settings"), get("/_alias"), get("/_aliases"),
		get("/_security/user"), get("/_xpack"), get("/_license"), get("/_snapshot"), get("/_ingest/pipeline"), get("/_template"), get("/_resolve/index/*"), get("/_search/template"), get("/_render/template"), get("/_scripts/x"),
		get("/team-a-1/_rollup_search"), get("/team-a-1/_eql/search"), get("/team-a-1/_graph/explore"), get("/team-a-1/_search_shards"), get("/team-a-1/_termvectors/1"), get("/team-a-1/_mvt/x/1/1/1"), get("/_remote/info"),
		post("/_sql", `{"query":"select * from \"team-b-1\""}`), post("/_sql/translate", `{"query":"SHOW TABLES"}`), post("/_scripts/painless/_execute", `{"script":{"source":"1"},"context":"filter","context_setup":{"index":"team-b-1","document":{}}}`),
		post("/_msearch/template", "{\"index\":\"team-b-1\"}\n{\"source\":\"{}\"}\n"), post("/team-a-1/_search/template", `{"source":"{}"}`), post("/_reindex", `{"source":{"index":"team-b-1"},"dest":{"index":"team-a-1"}}`),
		post("/team-a-1/_delete_by_query", `{"query":{"match_all":{}}}`), post("/team-a-1/_update_by_query", `{}`), post("/_bulk", "{\"delete\":{\"_index\":\"team-a-1\",\"_id\":\"1\"}}\n", "Content-Type: application/x-ndjson"),
		post("/team-a-1/_doc", `{}`), post("/team-a-1/_doc/1", `{}`), post("/team-a-1/_update/1", `{}`), post("/team-a-1/_close", ""), post("/team-a-1/_refresh", ""), post("/_aliases", `{"actions":[]}`), post("/team-a-1/_create/1", `{}`),
		// methods
		plain("PUT /team-a-1/_doc/1", `{}`), plain("DELETE /team-a-1", ""), plain("DELETE /team-a-1/_doc/1", ""), plain("DELETE /team-a-1/_search", ""), plain("PUT /team-a-1/_search", `{}`), plain("PATCH /team-a-1/_search", `{}`),
		plain("get /team-b-1/_search", ""), plain("OPTIONS /team-a-1/_search", ""), plain("TRACE /team-a-1/_search", ""), plain("CONNECT team-b-1:9200", ""), plain("HEAD /team-b-1/_doc/1", ""), plain("POST /team-a-1/_mapping", `{}`),
		plain("GET /team-b-1/_search", "", "X-HTTP-Method-Override: DELETE"), plain("POST /team-a-1/_search", "{}", "X-HTTP-Method: PUT", "X-HTTP-Method-Override: DELETE"),
		// the query
		get("/_search?index=team-b-1"), get("/team-a-1/_search?index=team-b-1"), get("/team-a-1/_search?q=x;index=team-b-1"), get("/team-a-1/_search?size=1&size=10001"), get("/team-a-1/_search?expand_wildcards=all"), get("/*/_search?expand_wildcards=hidden"),
		get("/team-a-*/_search?expand_wildcards=closed"), get("/team-a-1/_search?type=x"), get("/team-a-1/_search?unknown=1"), get("/team-a-1/_search?%69ndex=team-b-1"), get("/team-a-1/_search?x=%%32"), get("/team-a-1/_search?q=%zz"),
		get("/team-a-1/_search?q=x#&index=team-b-1"), get("/team-a-1/_search?error_trace=true"), get("/team-a-1/_search?format=yaml"), get("/team-a-1/_search?size=10001"), get("/team-a-1/_search?from=9999&size=2"), get("/team-a-1/_search?size=x"),
		get("/team-a-1/_search?preference=_only_nodes:x"), get("/team-a-1/_search?scroll=1000d"), get("/team-a-1/_search?search_type=count"), get("/team-a-1/_doc/1?refresh=true"), get("/nothing/_search?ignore_unavailable=true&allow_no_indices=true"),
		get("/team-a-1/_search?jwt=aaa.bbb.ccc"), get("/team-a-1/_search?source_content_type=application/yaml&source=a:%20b"), get("/team-a-1/_search?source=%7B%7D"), get("/team-a-1/_mapping?include_type_name=true"),
		get("/team-a-1/_search?source_content_type=application/json&source=%7B%22indices_boost%22%3A%7B%22team-b-1%22%3A2%7D%7D"), plain("GET /team-a-1/_search?source_content_type=application/json&source=%7B%7D", "{}"),
	}
	all = append(all, attackingBodies(post)...)
	return append(all, attackingHTTP(post)...)
}

// attackingBodies are bodies that name other indices, or are read differently by others.
func attackingBodies(post func(string, string, ...string) string) []string {
	search := func(body string) string { return post("/team-a-1/_search", body) }
	many := func(body string) string { return post("/team-a-1/_msearch", body) }
	lookup := `{"terms":{"user":{"index":"team-b-1","id":"1","path":"x"}}}`
	all := []string{
		search(`{"query":` + lookup + `}`), search(`{"query":{"bool":{"filter":[` + lookup + `]}}}`), search(`{"query":{"bool":{"mustNot":` + lookup + `}}}`), search(`{"post_filter":` + lookup + `}`),
		search(`{"aggs":{"x":{"filter":` + lookup + `}}}`), search(`{"aggs":{"x":{"filters":{"filters":{"y":` + lookup + `}}}}}`), search(`{"rescore":{"query":{"rescore_query":` + lookup + `}}}`),
		search(`{"highlight":{"highlight_query":` + lookup + `,"fields":{"*":{}}}}`), search(`{"sort":[{"n":{"nested":{"path":"p","filter":` + lookup + `}}}]}`), search(`{"collapse":{"field":"n","inner_hits":{"name":"x"}}}`),
		search(`{"query":{"terms":{"user":{"id":"1","path":"x","index":"team-a-1,team-b-1"}}}}`), search(`{"query":{"terms":{"user":{"index":"*","id":"1","path":"x"}}}}`), search(`{"query":{"terms":{"user":{"index":"team-a-sneaky","id":"1","path":"x"}}}}`),
		search(`{"query":{"terms":{"user":{"index":".system","id":"1","path":"x"}}}}`), search(`{"query":{"terms":{"user":{"\u0069ndex":"team-b-1","id":"1","path":"x"}}}}`), search(`{"query":{"terms":{"user":{"index":["team-b-1"],"id":"1","path":"x"}}}}`),
		search(`{"query":{"wrapper":{"query":"` + base64.StdEncoding.EncodeToString([]byte(lookup)) + `"}}}`), search(`{"query":{"percolate":{"field":"q","index":"team-b-1","id":"1"}}}`),
		search(`{"query":{"more_like_this":{"like":[{"_index":"team-b-1","_id":"1"}]}}}`), search(`{"query":{"more_like_this":{"like":{"_index":"team-b-1","_id":"1"}}}}`), search(`{"query":{"more_like_this":{"like":"x","unlike":[{"_index":"team-b-1","doc":{}}]}}}`),
		search(`{"query":{"geo_shape":{"l":{"indexed_shape":{"index":"team-b-1","id":"1","path":"x"}}}}}`), search(`{"query":{"geo_shape":{"l":{"indexed_shape":{"id":"1"}}}}}`), search(`{"indices_boost":[{"team-b-1":2}]}`), search(`{"indices_boost":{"team-b-*":2,"team-b-1":3}}`),
		search(`{"runtime_mappings":{"z":{"type":"lookup","target_index":"team-b-1","input_field":"a","target_field":"b","fetch_fields":["c"]}}}`), search(`{"suggest":{"s":{"text":"x","phrase":{"field":"f","collate":{"query":{"source":"{}"}}}}}}`),
		search(`{"pit":{"id":"cmF3"}}`), post("/_search", `{"pit":{"id":"cmF3"}}`), post("/_search", `{"pit":{"id":"`+strings.Repeat("A", 32)+`cmF3"}}`), post("/_search", `{"pit":{"id":{}}}`), post("/_search", `{"pit":{"keep_alive":"1m"}}`),
		post("/_search/scroll", `{"scroll_id":"cmF3"}`), post("/_search/scroll/cmF3", ""), post("/_search/scroll?scroll_id=cmF3", ""), plain("DELETE /_search/scroll/_all", ""), plain("DELETE /_search/scroll", `{"scroll_id":["_all"]}`), plain("DELETE /_search/scroll", ""),
		plain("DELETE /_pit", `{"id":"cmF3"}`), plain("GET /_async_search/cmF3", ""), plain("DELETE /_async_search/cmF3", ""), plain("GET /_async_search/status/cmF3", ""), post("/team-a-1/_async_search", `{"pit":{"id":"cmF3"}}`), post("/team-b-1/_pit?keep_alive=1m", ""), post("/team-a-1/_pit?keep_alive=99d", ""),
		search(`{"query":{"match_all":{}},"query":` + lookup + `}`), search(`{/*{*/"query":{"match_all":{}}}`), search(`{"size":1}{"query":` + lookup + `}`), search(`{'size':1}`), search(`{size:1}`), search(`{"size":NaN}`), search("\xef\xbb\xbf{}"),
		search("{\"q\":\"\xff\"}"), search(`{"query":{"term":{"a":"\ud800"}}}`), search(`[]`), search(`"x"`), search(`null`), search("// x\n{}"), search(`{"size":1,}`), search(`{"size":01}`), search(strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)),
		search(strings.Repeat("[", 100000)), search(`{"size":10001}`), search(`{"from":9000,"size":"2000"}`), search(`{"size":1e9}`), search(`{"size":{}}`), post("/team-a-1/_search?size=9000", `{"from":9000}`),
		many("{\"index\":\"team-b-1\"}\n{}\n"), many("{\"indices\":[\"team-b-1\"]}\n{}\n"), many("{\"index\":[\"team-a-1\",\"team-b-1\"]}\n{}\n"), many("{\"index\":\"team-a-1\",\"indices\":\"team-b-1\"}\n{}\n"), many("{\"index\":\"\"}\n{}\n"), many("{\"index\":[]}\n{}\n"),
		many("{\"index\":null}\n{}\n"), many("{\"index\":[[\"team-b-1\"]]}\n{}\n"), many("{\"index\":\"team-a-1\"}{\"index\":\"team-b-1\"}\n{}\n"), many("\n{\"index\":\"team-b-1\"}\n{}\n"), many("{}\n{}"), many("{}\n"), many("\n\n"), many("{}\n\n"), many("{}\n{}\n{}\n"),
		many("{}\r\n{\"query\":" + lookup + "}\r\n"), many("{\"expand_wildcards\":\"all\"}\n{}\n"), many("{\"expand_wildcards\":[\"open\",\"hidden\"]}\n{}\n"), many("{\"expandWildcards\":\"all\"}\n{}\n"), many("{\"type\":\"x\"}\n{}\n"), many("{\"preference\":\"_only_nodes:x\"}\n{}\n"),
		many("{}\n{\"pit\":{\"id\":\"cmF3\"}}\n"), many("{\"index\":\"*\"}\n{}\n"), many("{}\n{}\n\n{}\n"), many("{\"index\":\"both\"}\n{}\n"), many("{\"index\":\"_all\"}\n{}\n"), post("/_msearch", "{}\n{}\n"), post("/team-b-1/_msearch", "{}\n{}\n"), many(strings.Repeat("{}\n{}\n", 300)),
		many("{\"index\":\"<team-b-{now/d}>\"}\n{}\n"), many("[]\n{}\n"), many("{}\n[]\n"),
		post("/team-a-1/_mget", `{"docs":[{"_index":"team-b-1","_id":"1"}]}`), post("/_mget", `{"docs":[{"_id":"1"}]}`), post("/_mget", `{"ids":["1"]}`), post("/team-a-1/_mget", `{"docs":[{"_index":"team-a-sneaky","_id":"1"}]}`), post("/_mget", `{"docs":[{"_index":"both","_id":"1"}]}`),
		post("/*/_mget", `{"ids":["1"]}`), post("/team-a-1/_mget", `{"docs":[{"_index":"team-a-1","_type":"x","_id":"1"}]}`), post("/team-a-1/_mget", `{"ids":[{"_index":"team-b-1"}]}`), post("/team-a-1/_mget", `{"docs":{"_index":"team-b-1"}}`), post("/team-a-1/_mtermvectors", `{"docs":[{"_index":"team-b-1","_id":"1"}]}`),
		plain("GET /team-b-1/_doc/1", ""), plain("GET /both/_doc/1", ""), plain("GET /team-a-sneaky/_source/1", ""), plain("GET /team-a-*/_doc/1", ""), plain("GET /_all/_doc/1", ""), plain("GET /team-a-1/_doc/..%2F..%2F_cluster%2Fhealth", ""), plain("GET /team-a-1/_doc/1/_update", ""), plain("GET /team-a-1/_doc/%0a", ""),
		post("/team-b-1/_explain/1", `{}`), post("/team-a-1/_explain/1", `{"query":`+lookup+`}`), post("/team-b-1/_count", `{}`), post("/_count", ""), post("/team-a-1/_count", `{"query":`+lookup+`}`), post("/_validate/query?explain=true", `{"query":`+lookup+`}`),
		post("/_field_caps?fields=*", ""), post("/team-b-1/_field_caps?fields=*", ""), post("/team-a-1/_field_caps?fields=*", `{"index_filter":`+lookup+`}`), plain("GET /_mapping", ""), plain("GET /team-b-1/_mapping/field/*", ""), plain("GET /team-a-1/_mapping/field/..%2Fx", ""), post("/team-b-1/_terms_enum", `{"field":"x"}`),
		post("/team-a-1/_terms_enum", `{"field":"x","index_filter":`+lookup+`}`),
	}
	return all
}

// attackingHTTP are requests that programs on their way may read differently.
func attackingHTTP(post func(string, string, ...string) string) []string {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(bytes.Repeat([]byte("["), 8<<20))
	w.Close()
	const head = "POST /team-a-1/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	const second = "GET /team-b-1/_search HTTP/1.1\r\nHost: x\r\n\r\n"
	return []string{
		post("/team-a-1/_search", "query: {match_all: {}}", "Content-Type: application/yaml"), post("/team-a-1/_search", "\xbf\x64size\x00\xff", "Content-Type: application/cbor"), post("/team-a-1/_search", ":)\n\x05", "Content-Type: application/smile"),
		post("/team-a-1/_search", "{}", "Content-Type: text/plain"), post("/team-a-1/_search", "{}", "Content-Type: application/x-www-form-urlencoded"), post("/team-a-1/_search", "{}", "Content-Type: application/json", "Content-Type: application/yaml"),
		post("/team-a-1/_search", "{}", "Content-Type: application/json; charset=utf-16"), post("/team-a-1/_search", "{}", "Content-Type: application/json;;"), post("/team-a-1/_search", "{}", "Content-Type: */*"), post("/team-a-1/_search", "{}", "Content-Type: application/x-ndjson"),
		head + "Content-Length: 2\r\n\r\n{}" + second, head + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + second, head + "Transfer-Encoding: xchunked\r\n\r\n" + second, head + "Transfer-Encoding : chunked\r\n\r\n" + second,
		head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", head + "Content-Length: +2\r\n\r\n{}", head + "Host: y\r\nContent-Length: 2\r\n\r\n{}", "GET /team-a-1/_search HTTP/1.1\n\n", "GET /team-a-1/_search HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
		post("/team-a-1/_search", "{}", "Connection: Authorization, Content-Type", "Authorization: Bearer x"), post("/team-a-1/_search", "{}", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), post("/team-a-1/_search", "{}", "Upgrade: websocket"),
		post("/team-a-1/_search", "{}", "Authorization: Basic ZWxhc3RpYzpjaGFuZ2VtZQ==", "es-security-runas-user: elastic", "X-Forwarded-For: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Original-URL: /team-b-1/_search", "X-Rewrite-URL: /_all", "X-Scope-OrgID: b", "X-Opaque-Id: x", "Cookie: a=b", "TE: trailers"),
		post("/team-a-1/_search", packed.String(), "Content-Encoding: gzip"), post("/team-a-1/_search", "{}", "Content-Encoding: gzip"), post("/team-a-1/_search", "{}", "Content-Encoding: deflate"), post("/team-a-1/_search", "{}", "Content-Encoding: gzip, gzip"), post("/team-a-1/_search", "{}", "Content-Encoding: identity", "Content-Encoding: gzip"),
		post("/team-a-1/_search", `{"query":{"term":{"a":"`+strings.Repeat("x", 5<<20)+`"}}}`), "GET /team-a-1/_search HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\n\r\n", "GET /team-a-1/_search HTTP/0.9\r\n\r\n", "GET /team-a-1/_search HTTP/1.1\r\nHost: x\r\nAccept: application/yaml\r\n\r\n",
		"GET /team-a-1/_search HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 2<<20) + "\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", fmt.Sprintf("GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", strings.Repeat("a/", 9000)),
		plain("GET /", ""), plain("HEAD /", ""), plain("GET /?pretty", ""), plain("GET /", "{}"),
	}
}

// incomplete are requests that end too early.
var incomplete = []string{
	"POST /team-a-1/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{}", "\x16\x03\x01\x02\x00", "GET /team-b-1/_search HTTP/1.1\r\nHost: x\r\n",
	"POST /team-a-1/_search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
}

// attacksOnFilter are requests of a client that may see the namespace a of every index alone.
var attacksOnFilter = func() []string {
	var all []string
	for _, body := range []string{
		`{"aggs":{"x":{"global":{}}}}`, `{"aggregations":{"x":{"terms":{"field":"n"},"aggs":{"y":{"global":{}}}}}}`, `{"aggs":{"x":{"filter":{"match_all":{}},"aggregations":{"y":{"terms":{"field":"n"},"aggs":{"z":{"global":{}}}}}}}}`,
		`{"aggs":{"x":{"significant_terms":{"field":"n"}}}}`, `{"aggs":{"x":{"significant_text":{"field":"message"}}}}`, `{"aggs":{"x":{"terms":{"field":"n","min_doc_count":0}}}}`, `{"aggs":{"x":{"terms":{"field":"n","min_doc_count":"0"}}}}`, `{"aggs":{"x":{"terms":{"field":"n","min_doc_count":0.4}}}}`,
		`{"aggs":{"x":{"terms":{"field":"n","min_doc_count":1e-1}}}}`, `{"aggs":{"x":{"terms":{"field":"n","min_doc_count":null}}}}`, `{"aggs":{"x":{"terms":{"field":"n","min_doc_count":[0]}}}}`, `{"aggs":{"x":{"multi_terms":{"terms":[{"field":"n"},{"field":"m"}],"min_doc_count":0}}}}`,
		`{"aggs":{"x":{"terms":{"script":"doc['n']"}}}}`, `{"aggs":{"x":{"scripted_metric":{"map_script":"1"}}}}`, `{"aggs":{"x":{"terms":{"field":"n"},"aggs":{"y":{"bucket_script":{"buckets_path":{},"script":"1"}}}}}}`, `{"aggs":{"x":{"children":{"type":"c"}}}}`, `{"aggs":{"x":{"parent":{"type":"c"}}}}`,
		`{"aggs":{"x":{"filters":{"filters":{"y":{"has_child":{"type":"c","query":{"match_all":{}}}}}}}}}`, `{"aggs":{"x":{"composite":{"sources":[{"y":{"terms":{"script":"1"}}}]}}}}`, `{"aggs":{"x":{"top_hits":{"script_fields":{"y":{"script":"1"}}}}}}`, `{"aggs":{"x":{"top_hits":{"explain":true}}}}`,
		`{"aggs":{"x":{"unknown":{}}}}`, `{"aggs":{"x":{"sampler":{"shard_size":1,"unknown":{}}}}}`, `{"aggs":{"x":{"weighted_avg":{"value":{"script":"1"},"weight":{"field":"n"}}}}}`, `{"aggs":{"x":{"filter":{"terms":{"n":{"index":"shared","id":"1","path":"n"}}}}}}`,
		`{"suggest":{"x":{"text":"y","term":{"field":"message"}}}}`, `{"suggest":{}}`, `{"profile":true}`, `{"explain":true}`, `{"script_fields":{"x":{"script":"1"}}}`, `{"script_fields":[]}`, `{"runtime_mappings":null}`, `{"runtime_mappings":{"kubernetes.namespace":{"type":"keyword","script":"emit('a')"}}}`, `{"rescore":{}}`, `{"min_score":1}`, `{"indices_boost":[{"x":1}]}`,
		`{"ext":{}}`, `{"stats":["x"]}`, `{"knn":{"field":"x"}}`, `{"retriever":{}}`, `{"unknown":1}`, `{"sort":{"_script":{"type":"number","script":"1"}}}`, `{"sort":[{"n":{"nested":{"path":"p","filter":{"script":{"script":"1"}}}}}]}`, `{"sort":[{"n":{"nested_filter":{"has_parent":{}}}}]}`,
		`{"collapse":{"field":"n","inner_hits":{"name":"x"}}}`, `{"highlight":{"fields":{"x":{"highlight_query":{"script":{}}}}}}`, `{"highlight":{"highlight_query":{"more_like_this":{"like":"x"}}}}`,
		`{"query":{"script":{"script":"1"}}}`, `{"query":{"function_score":{}}}`, `{"query":{"script_score":{}}}`, `{"query":{"more_like_this":{"like":[{"_id":"1"}]}}}`, `{"query":{"terms":{"n":{"index":"shared","id":"1","path":"n"}}}}`, `{"query":{"bool":{"mustNot":[{"terms":{"n":{"index":"shared","id":"1","path":"n"}}}]}}}`,
		`{"query":{"has_child":{"type":"x","query":{"match_all":{}}}}}`, `{"query":{"parent_id":{"type":"x","id":"1"}}}`, `{"query":{"percolate":{}}}`, `{"query":{"wrapper":{"query":"e30="}}}`, `{"query":{"nested":{"path":"p","query":{"match_all":{}},"inner_hits":{}}}}`, `{"query":{"geo_shape":{"x":{"indexed_shape":{"id":"1"}}}}}`,
		`{"query":{"constant_score":{"filter":{"script":{}}}}}`, `{"query":{"dis_max":{"queries":[{"match_all":{}},{"distance_feature":{}}]}}}`, `{"query":{"bool":{"filter":{"bool":{"should":[{"terms_set":{}}]}}}}}`, `{"query":{"match_all":{},"script":{}}}`, `{"query":[]}`, `{"query":{}}`, `{"query":{"intervals":{}}}`,
		`{"terminate_after":1}`, `{"highlight":{"fields":{"message":{"type":"fvh"}}}}`, `{"highlight":{"type":"fvh","fields":{"*":{}}}}`, `{"query":{"match":{"x":{"query":"y","mustNot":1}}}}`, `{"query":{"match":{"x":{"query":{"a":1}}}}}`,
		`{"query":{"query_string":{"query":"x\\\"~1"}}}`, `{"query":{"query_string":{"query":"\"a b\"~2 x~"}}}`, `{"query":{"query_string":{"query":"~"}}}`, `{"query":{"simple_query_string":{"query":"x\"~1"}}}`, `{"query":{"simple_query_string":{"query":"x~1","flags":-1}}}`, `{"query":{"simple_query_string":{"query":"x~1","flags":"or"}}}`,
		`{"query":{"simple_query_string":{"query":"x~1","flags":"OR|AND|FUZZY"}}}`, `{"query":{"simple_query_string":{"query":"x~1","flags":"OR||AND"}}}`, `{"query":{"multi_match":{"query":"x","type":"PHRASE_PREFIX"}}}`, `{"query":{"prefix":{"x":{"value":"y","rewrite":"CONSTANT_SCORE_BOOLEAN"}}}}`, `{"query":{"prefix":{"x":{"value":"y","rewrite":null}}}}`,
		`{"query":{"bool":{"should":[{"nested":{"path":"p","query":{"fuzzy":{"x":"y"}}}}]}}}`, `{"sort":[{"n":{"nested":{"path":"p","filter":{"fuzzy":{"x":"y"}}}}}]}`, `{"aggs":{"x":{"adjacency_matrix":{"filters":{"y":{"fuzzy":{"x":"y"}}}}}}}`,
		`{"post_filter":{"script":{}}}`, `{"aggs":[{"x":{"global":{}}}]}`, `{"aggs":{"x":[{"global":{}}]}}`, `{"sort":[{"n":[{"nested":{"path":"p","filter":{"script":{}}}}]}]}`,
		`{"aggs":{"x":{"composite":{"sources":[[{"y":{"global":{}}}]]}}}}`, `{"aggs":{"x":{"composite":{"sources":[{"y":{"global":{}}}]}}}}`, `{"aggs":{"x":{"filters":{"filters":"y"}}}}`, `{"fields":[{"field":"x","script":"1"}]}`, `{"query":{"pinned":{}}}`, `{"query":{"boosting":{"positive":{"script":{}}}}}`,
	} {
		all = append(all, plain("POST /shared/_search", body), plain("POST /_msearch", "{\"index\":\"shared\"}\n"+body+"\n"))
	}
	for _, query := range refusedQueries() {
		all = append(all, plain("POST /shared/_search", `{"query":`+query+`}`))
	}
	for _, line := range []string{"GET /shared/_search?terminate_after=1", "GET /shared/_count?terminate_after=1", "GET /shared/_search?q=wordq~1", "GET /shared/_count?q=x:y~&df=z", "GET /shared/_async_search", "GET /shared/_search?explain=true", "GET /shared/_search?suggest_field=message&suggest_text=x", "GET /shared/_search?stats=x", "GET /shared/_doc/1", "HEAD /shared/_doc/1", "GET /shared/_source/1", "GET /shared/_explain/1?q=x",
		"GET /shared/_validate/query?q=x*&rewrite=true", "GET /shared/_validate/query?q=x&explain=true", "GET /shared/_terms_enum", "GET /shared/_mtermvectors?ids=1", "GET /shared/_count?min_score=1"} {
		all = append(all, plain(line, ""))
	}
	return append(all, plain("POST /shared/_mget", `{"ids":["1"]}`), plain("POST /_mget", `{"docs":[{"_index":"shared","_id":"1"}]}`), plain("POST /shared/_field_caps?fields=*", `{"index_filter":{"term":{"kubernetes.namespace":"b"}}}`),
		plain("POST /shared/_count", `{"query":{"script":{}}}`), plain("POST /shared/_async_search", `{"aggs":{"x":{"global":{}}}}`), plain("POST /shared/_search?scroll=1m", `{"suggest":{"x":{}}}`))
}()

// insideFilter are requests that a filter holds.
var insideFilter = func() []string {
	var all []string
	for _, body := range []string{
		`{}`, `{"query":{"match_all":{}}}`, `{"script_fields":{},"runtime_mappings":{},"docvalue_fields":["@timestamp"]}`, `{"query":{"bool":{"should":[{"match_all":{}}],"minimum_should_match":0}}}`, `{"query":{"bool":{"must_not":[{"term":{"kubernetes.namespace":"a"}}]}}}`, `{"query":{"query_string":{"query":"kubernetes.namespace:b OR *"}}}`,
		`{"query":{"terms":{"script":["x"]}}}`, `{"query":{"term":{"index":{"value":"team-b-1"}}}}`, `{"post_filter":{"match_all":{}},"track_total_hits":true,"size":0}`, `{"explain":false,"profile":false,"sort":["_score",{"n":{"order":"desc"}}]}`,
		`{"aggs":{"x":{"terms":{"field":"kubernetes.namespace","min_doc_count":1,"order":{"_count":"desc"}},"aggs":{"y":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m","min_doc_count":0,"extended_bounds":{"min":0,"max":1}}}}}}}`,
		`{"aggs":{"x":{"composite":{"size":10,"sources":[{"y":{"terms":{"field":"n","missing_bucket":true}}}],"after":{"y":"b"}}}}}`, `{"highlight":{"fields":{"*":{}},"highlight_query":{"match":{"message":"x"}}},"_source":["a"],"fields":["*"]}`,
		`{"query":{"query_string":{"query":"\"a b\"~2 AND path:\\u007e","fuzziness":"AUTO","fuzzy_max_expansions":50}}}`, `{"query":{"simple_query_string":{"query":"\"a b\"~2","flags":"OR|PHRASE|NEAR"}}}`, `{"query":{"match":{"x":{"query":"~ y","max_expansions":50,"prefix_length":0}}}}`,
		`{"aggs":{"x":{"filters":{"filters":{"e":{"term":{"level":"err"}},"w":{"term":{"level":"warning"}}},"other_bucket":true}}}}`, `{"query":{"nested":{"path":"p","query":{"term":{"p.x":1}}}},"collapse":{"field":"n"},"search_after":[1],"sort":[{"n":{"nested":{"path":"p","filter":{"term":{"p.x":1}}}}}]}`,
	} {
		all = append(all, plain("POST /shared/_search", body), plain("GET /_msearch", "{}\n"+body+"\n{\"index\":[\"*\"]}\n{}\n"))
	}
	return append(all, plain("GET /_search?q=kubernetes.namespace:b&df=x", ""), plain("GET /_search?q=b", `{"query":{"match_none":{}}}`), plain("GET /shared/_count?q=b", ""), plain("GET /shared/_mapping", ""), plain("POST /shared/_field_caps?fields=*", ""),
		plain("GET /shared/_search?source_content_type=application/json&source=%7B%22query%22:%7B%22match_all%22:%7B%7D%7D%7D", ""), plain("GET /shared/_search?pre_filter_shard_size=1&sort=n", ""), plain("POST /shared/_msearch?pre_filter_shard_size=1", "{}\n{}\n"), plain("GET /shared/_search?q=%22a+b%22~2", ""), plain("POST /shared/_pit?keep_alive=1m", ""), plain("GET /shared/_validate/query?q=x", ""))
}()
