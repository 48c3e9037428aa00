package search_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends a request as it is written, whatever a client would make of it.
func raw(t testing.TB, server, method, target, kind, body string) answer {
	t.Helper()
	var header string
	if kind != "" {
		header = "Content-Type: " + kind + "\r\n"
	}
	return rawBytes(t, server, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s", method, target, header, len(body), body))
}

func rawBytes(t testing.TB, server, request string) answer {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(conn, request) // a server may answer before it has read all
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%.200q: %v", request, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%.200q: %v", request, err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// Requests of Elastic's documentation, on our indices, of Grafana's data source, of Kibana, Elasticsearch's clients and ours.
var sameAnswers = [][2]string{
	// Elastic's documentation: the search API, Query DSL, paging, sorting, fields.
	{"GET /mine/_search", ""},
	{"GET /mine/_search?q=level:level-a", ""},
	{"GET /mine/_search?from=1&size=2", `{"query":{"term":{"level":"level-a"}}}`},
	{"GET /team-a-2026.11.21,team-b-2026.11.21/_search?q=message:hello&sort=ref", ""},
	{"GET /team-*/_search?q=message:hello&sort=ref", ""},
	{"GET /_search?q=level:level-a&sort=ref:desc", ""},
	{"GET /_all/_search?q=level:level-a&sort=ref:asc,n", ""},
	{"GET /*/_search?q=level:level-a&sort=ref", ""},
	{"POST /mine/_search?pretty", `{"query":{"match":{"message":"hello"}}}`},
	{"POST /mine/_search?pretty=true&human", `{"query":{"match":{"message":{"query":"hello of","operator":"and"}}},"highlight":{"fields":{"message":{}}}}`},
	{"GET /both/_search", `{"query":{"bool":{"must":{"term":{"level":"level-a"}},"filter":{"term":{"n":"1"}},"must_not":{"range":{"n":{"gte":10,"lte":20}}},"should":[{"term":{"level":"x"}},{"term":{"ref":"a1"}}],"minimum_should_match":1,"boost":1.0}}}`},
	{"GET /both/_search", `{"query":{"range":{"@timestamp":{"gte":"now-500d/d","lt":"now/d"}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"range":{"@timestamp":{"time_zone":"+01:00","gte":"2026-11-21T00:00:00","lte":"2026-11-21T23:00:00","format":"strict_date_optional_time"}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"query_string":{"query":"(hello of) OR (level:level-b)","default_field":"message"}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"simple_query_string":{"query":"\"hello of\" +(a | b) -x","fields":["message^5","level"],"default_operator":"and"}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"wildcard":{"ref":{"value":"a*","boost":1.0,"rewrite":"constant_score"}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"regexp":{"ref":{"value":"[ab]1","flags":"ALL","case_insensitive":true,"max_determinized_states":10000}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"prefix":{"ref":{"value":"b"}}},"sort":[{"n":{"order":"desc"}},"_score"]}`},
	{"GET /both/_search", `{"query":{"fuzzy":{"ref":{"value":"a9","fuzziness":"AUTO"}}}}`},
	{"GET /both/_search", `{"query":{"exists":{"field":"level"}},"collapse":{"field":"level"},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"terms":{"ref":["a1","b1"],"boost":1.0}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"terms":{"n":{"index":"both","id":"a1","path":"n"}}}}`},
	{"GET /both/_search", `{"query":{"terms":{"n":{"index":"mine","id":"a1","path":"n"}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"ids":{"values":["a1","b2"]}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"multi_match":{"query":"hello","type":"best_fields","fields":["message","ref"],"tie_breaker":0.3}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"match_phrase_prefix":{"message":{"query":"hello o"}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"function_score":{"query":{"match_all":{}},"boost":"5","random_score":{"seed":10,"field":"n"},"boost_mode":"multiply"}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"script_score":{"query":{"match_all":{}},"script":{"source":"doc['n'].value / 10"}}}}`},
	{"GET /both/_search", `{"query":{"more_like_this":{"fields":["message"],"like":"hello of a","min_term_freq":1,"min_doc_freq":1}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"more_like_this":{"fields":["message"],"like":[{"_index":"mine","_id":"a1"},"hello"],"min_term_freq":1,"min_doc_freq":1}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"constant_score":{"filter":{"term":{"level":"level-a"}},"boost":1.2}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"dis_max":{"queries":[{"term":{"ref":"a1"}},{"term":{"ref":"b1"}}],"tie_breaker":0.7}},"sort":["ref"]}`},
	{"GET /both/_search", `{"sort":[{"@timestamp":{"order":"asc","format":"strict_date_optional_time_nanos"}},"ref"],"search_after":["2026-11-21T10:00:00.000Z","b0"],"size":2}`},
	{"GET /both/_search", `{"_source":false,"fields":["message","@timestamp",{"field":"@timestamp","format":"epoch_millis"}],"sort":["ref"]}`},
	{"GET /both/_search?_source_includes=message,n&_source_excludes=n", `{"sort":["ref"]}`},
	{"GET /both/_search", `{"_source":{"includes":["kubernetes.*"],"excludes":["*.x"]},"docvalue_fields":["n"],"sort":["ref"]}`},
	{"GET /both/_search?track_total_hits=false&timeout=2s&terminate_after=100", `{"sort":["ref"]}`},
	{"GET /both/_search", `{"track_total_hits":2,"size":1,"sort":["ref"],"version":true,"seq_no_primary_term":true}`},
	{"GET /both/_search?explain=true&size=1", `{"query":{"term":{"ref":"a1"}}}`},
	{"GET /both/_search?filter_path=took,hits.hits._id,hits.hits._score", `{"sort":["ref"]}`},
	{"GET /both/_search?rest_total_hits_as_int=true&typed_keys=true&size=0", `{"aggs":{"l":{"terms":{"field":"level"}}}}`},
	{"GET /both/_search", `{"script_fields":{"twice":{"script":{"lang":"painless","source":"doc['n'].value * 2"}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"runtime_mappings":{"day":{"type":"keyword","script":{"source":"emit(doc['@timestamp'].value.dayOfWeekEnum.toString())"}}},"size":0,"aggs":{"d":{"terms":{"field":"day"}}}}`},
	{"GET /both/_search", `{"indices_boost":[{"mine":1.4},{"team-b-*":1.3}],"query":{"match":{"message":"hello"}},"sort":["ref"]}`},
	{"GET /both/_search", `{"query":{"match":{"message":"hello"}},"rescore":{"window_size":50,"query":{"rescore_query":{"match_phrase":{"message":{"query":"hello of","slop":2}}}}},"size":1}`},
	{"GET /both/_search", `{"suggest":{"my":{"text":"hellp","term":{"field":"message"}}},"size":0}`},
	{"GET /both/_search?suggest_field=message&suggest_mode=always&suggest_size=2&suggest_text=hellp&size=0", ""},
	{"GET /both/_search", `{"post_filter":{"term":{"level":"level-a"}},"aggs":{"n":{"avg":{"field":"n"}}},"sort":["ref"]}`},
	{"GET /both/_search", `{"slice":{"id":0,"max":2},"sort":["ref"],"stats":["group1"]}`},
	{"GET /mine/_search?source_content_type=application/json&source=%7B%22size%22%3A1%7D", ""},
	{"GET /%3Cteam-a-%7Bnow%2Fd%7D%3E/_search?ignore_unavailable=true", ""},
	{"GET /nothing-*/_search", ""},
	{"GET /nothing/_search", ""},
	{"GET /mine,nothing/_search?ignore_unavailable=true&sort=ref", ""},
	{"GET /mine,nothing/_search", ""},
	{"GET /nothing-*/_search?allow_no_indices=false", ""},
	{"GET /mine/_search?preference=xyzabc123&routing=x", ""},
	// its errors
	{"GET /mine/_search", `{"query":{"unknown":{}}}`},
	{"GET /mine/_search", `{"unknown":1}`},
	{"GET /mine/_search", `{"query":{"match":{"a":"b","c":"d"}}}`},
	{"GET /mine/_search", `{"sort":["nowhere"]}`},
	{"GET /mine/_search?q=(", ""},
	// aggregations
	{"GET /both/_search?size=0", `{"aggs":{"l":{"terms":{"field":"level","size":5,"order":{"_count":"desc"}},"aggs":{"s":{"stats":{"field":"n"}}}}}}`},
	{"GET /both/_search?size=0", `{"aggs":{"t":{"date_histogram":{"field":"@timestamp","calendar_interval":"minute","min_doc_count":0}}}}`},
	{"GET /both/_search?size=0", `{"aggs":{"all":{"global":{},"aggs":{"a":{"avg":{"field":"n"}}}},"f":{"filter":{"term":{"n":1}}}}}`},
	{"GET /both/_search?size=0", `{"aggs":{"c":{"composite":{"sources":[{"l":{"terms":{"field":"level"}}},{"n":{"histogram":{"field":"n","interval":1}}}]}}}}`},
	{"GET /both/_search?size=0", `{"query":{"term":{"level":"level-a"}},"aggs":{"s":{"significant_terms":{"field":"ref","min_doc_count":1}}}}`},
	{"GET /both/_search?size=0", `{"aggs":{"f":{"filters":{"filters":{"a":{"term":{"n":1}},"b":{"match":{"message":"b"}}},"other_bucket":true}},"c":{"cardinality":{"field":"ref"}},"p":{"percentiles":{"field":"n"}}}}`},
	{"GET /both/_search?size=0", `{"aggs":{"l":{"terms":{"field":"level"},"aggs":{"top":{"top_hits":{"sort":[{"ref":"desc"}],"size":1,"_source":["ref"]}}}}}}`},
	{"GET /both/_search?size=0", `{"aggs":{"r":{"range":{"field":"n","ranges":[{"to":1},{"from":1,"key":"rest"}]}},"m":{"missing":{"field":"x"}}}}`},
	// other calls
	{"GET /mine/_count", ""}, {"GET /_count?q=n:1", ""}, {"POST /both/_count", `{"query":{"term":{"n":1}}}`}, {"POST /mine/_count", `{"size":1}`},
	{"GET /mine/_validate/query?q=n:x", ""}, {"POST /mine/_validate/query?explain=true&rewrite=true&all_shards=true", `{"query":{"match":{"message":"hello"}}}`},
	{"GET /mine/_field_caps?fields=*", ""}, {"POST /_field_caps?fields=n,level&include_unmapped=true", ""}, {"POST /both/_field_caps?fields=n", `{"index_filter":{"range":{"@timestamp":{"gte":"2020"}}}}`},
	{"GET /mine/_mapping", ""}, {"GET /team-b-*/_mapping", ""}, {"GET /mine/_mapping/field/n,level", ""}, {"GET /mine/_mapping?pretty", ""},
	{"GET /mine/_doc/a1", ""}, {"HEAD /mine/_doc/a1", ""}, {"GET /mine/_doc/none", ""}, {"GET /mine/_doc/a%2Fb", ""}, {"GET /mine/_doc/a1?_source=message&routing=a1", ""},
	{"GET /mine/_source/a1", ""}, {"HEAD /mine/_source/a1", ""}, {"GET /mine/_source/none", ""}, {"GET /mine/_doc/a1?stored_fields=x&realtime=false", ""},
	{"GET /mine/_explain/a1?q=n:1", ""}, {"POST /mine/_explain/a1", `{"query":{"match":{"message":"hello"}}}`},
	{"POST /mine/_mget", `{"ids":["a1","none"]}`}, {"POST /_mget", `{"docs":[{"_index":"mine","_id":"a1","_source":["n"]},{"_index":"team-b-2026.11.21","_id":"b1"}]}`}, {"GET /mine/_mget", `{"docs":[{"_id":"a1"}]}`},
	{"GET /mine/_mtermvectors?ids=a1&fields=message", ""}, {"POST /mine/_mtermvectors", `{"ids":["a1"],"parameters":{"fields":["message"],"term_statistics":true}}`},
	{"POST /_msearch", "{\"index\":\"mine\"}\n{\"query\":{\"match_all\":{}},\"size\":1}\n{}\n{\"size\":0}\n{\"index\":[\"mine\",\"both\"],\"search_type\":\"dfs_query_then_fetch\"}\n{\"size\":0}\n"},
	{"POST /mine/_msearch", "{}\n{\"query\":{\"match_all\":{}},\"size\":1}\n\n{\"query\":{\"unknown\":{}}}\n{\"index\":\"nothing\"}\n{}\n"},
	// Grafana's data source: logs, histogram, terms, raw documents
	{"POST /_msearch?max_concurrent_shard_requests=5", `{"search_type":"query_then_fetch","ignore_unavailable":true,"index":"team-*"}` + "\n" +
		`{"size":0,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":1763700000000,"lte":1795300000000,"format":"epoch_millis"}}},{"query_string":{"analyze_wildcard":true,"query":"*"}}]}},"aggs":{"2":{"date_histogram":{"interval":"1h","field":"@timestamp","min_doc_count":0,"extended_bounds":{"min":1795250000000,"max":1795300000000},"format":"epoch_millis"},"aggs":{}}}}` + "\n"},
	{"POST /_msearch?max_concurrent_shard_requests=5&ignore_throttled=true", `{"search_type":"query_then_fetch","ignore_unavailable":true,"index":["team-a-2026.11.21","team-a-2026.11.22"]}` + "\n" +
		`{"size":500,"query":{"bool":{"filter":[{"range":{"@timestamp":{"format":"epoch_millis","gte":1763700000000,"lte":1795300000000}}},{"query_string":{"analyze_wildcard":true,"query":"hello"}}]}},"sort":[{"@timestamp":{"order":"desc","unmapped_type":"boolean"}},{"_doc":{"order":"desc"}}],"script_fields":{},"docvalue_fields":["@timestamp"],"highlight":{"fields":{"*":{}},"pre_tags":["@HIGHLIGHT@"],"post_tags":["@/HIGHLIGHT@"],"fragment_size":2147483647}}` + "\n" +
		`{"search_type":"query_then_fetch","ignore_unavailable":true,"index":"team-a-*"}` + "\n" +
		`{"size":0,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":"1763700000000","lte":"1795300000000","format":"epoch_millis"}}}]}},"aggs":{"3":{"terms":{"field":"level","size":10,"order":{"_key":"desc"},"min_doc_count":1},"aggs":{"2":{"date_histogram":{"fixed_interval":"30s","field":"@timestamp","min_doc_count":0,"format":"epoch_millis"},"aggs":{"1":{"avg":{"field":"n"}}}}}}}}` + "\n"},
	// Kibana's Discover
	{"POST /team-*/_search?ignore_unavailable=true&preference=1637489000000", `{"track_total_hits":false,"sort":[{"@timestamp":{"order":"desc","unmapped_type":"boolean"}},{"ref":"asc"}],"fields":[{"field":"*","include_unmapped":"true"},{"field":"@timestamp","format":"strict_date_optional_time"}],"size":500,"version":true,"script_fields":{},"stored_fields":["*"],"runtime_mappings":{},"_source":false,"query":{"bool":{"must":[],"filter":[{"range":{"@timestamp":{"format":"strict_date_optional_time","gte":"2020-01-01T00:00:00.000Z","lte":"2030-01-01T00:00:00.000Z"}}}],"should":[],"must_not":[]}},"highlight":{"pre_tags":["@kibana-highlighted-field@"],"post_tags":["@/kibana-highlighted-field@"],"fields":{"*":{}},"fragment_size":2147483647}}`},
	// Numbers and texts stay as they are written.
	{"POST /both/_search", `{"query":{"range":{"n":{"gte":1.0e0,"lt":18446744073709551615}}},"sort":["ref"]}`},
	{"POST /both/_search", `{"query":{"match":{"message":"\u0068ello \ud83d\ude00 \u2028 </script>"}},"sort":["ref"]}`},
}
