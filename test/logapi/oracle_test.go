package logapi

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/test/harness"
	"github.com/podbeat/podbeat/test/services"
	"github.com/podbeat/podbeat/token"
)

// A client of the namespace shop searches indices whose names begin with set0-, in which are its documents alone, and such
// that begin with set1-, in which are the same ones between many of others. Whatever it asks for, it must not be able to tell
// which is which. That most of what is refused would tell is shown by asking Elasticsearch itself, with the same filter.

const sets = 2

// fillSets makes the indices. Each gets one segment, so that samples, which take the first documents, are the same ones.
func fillSets(t testing.TB, es string) {
	t.Helper()
	services.Call(t, "PUT", es+"/_template/sets", `{"index_patterns":["set*"],"settings":{"number_of_shards":1,"number_of_replicas":0,"refresh_interval":"-1"},"mappings":{"properties":{"@timestamp":{"type":"date"},
		"message":{"type":"text","fields":{"vectors":{"type":"text","term_vector":"with_positions_offsets"}}},"level":{"type":"keyword"},"n":{"type":"long"},"ip":{"type":"ip"},"kubernetes":{"properties":{"namespace":{"type":"keyword"}}},"service":{"properties":{"id":{"type":"keyword"}}}}}}`, 200)
	var bulk strings.Builder
	add := func(index, id, at, namespace, message, level string, n int) {
		fmt.Fprintf(&bulk, "{\"index\":{\"_index\":%q,\"_id\":%q}}\n{\"@timestamp\":%q,\"message\":%q,\"level\":%q,\"n\":%d,\"ip\":\"10.0.0.%d\",\"kubernetes\":{\"namespace\":%q},\"service\":{\"id\":\"app\"}}\n", index, id, at, message, level, n, n%200, namespace)
	}
	const letters = "0123456789abcdefghijklmnopqrstuvwxy"
	for set := range sets {
		for i := range 3 {
			index := fmt.Sprintf("set%d-%d", set, i)
			for n := range 8 {
				if set == 1 { // words as the client's, before them in their order, and more of them; older and newer ones
					for _, c := range letters {
						for k, word := range []string{"word" + string(c), "w" + string(c) + "rdz", "wo" + string(c) + "dz", "wor" + string(c) + "z", string(c) + "ordz"} {
							add(index, fmt.Sprintf("hidden-%d-%c-%d", n, c, k), fmt.Sprintf("20%02d-01-01T00:00:00Z", 10+20*(n%2)+i), "secret", word+" common password "+word, word, -1000*i+n)
						}
					}
				}
				add(index, fmt.Sprintf("mine-%d", n), fmt.Sprintf("2026-11-21T10:0%d:0%dZ", n, i), "shop", []string{"wordz common of mine", "zzz started wordz", "seldom wordzz", "nothing else"}[n%4], []string{"wordz", "info", "zzz"}[n%3], 10*i+n)
			}
		}
	}
	services.Call(t, "POST", es+"/_bulk?refresh=true", bulk.String(), 200)
}

var tooks = regexp.MustCompile(`"took" ?: ?\d+|"_scroll_id":"[^"]*"`)

// masked is an answer without what is another one each time.
func masked(set int, text string) string {
	return tooks.ReplaceAllString(strings.ReplaceAll(text, fmt.Sprintf("set%d-", set), "set-"), "")
}

// What is answered to a client of a namespace is the same with the documents of others and without.
func TestHiddenDocumentsMakeNoDifference(t *testing.T) {
	for _, major := range []int{7, 8} {
		t.Run(fmt.Sprint(major), func(t *testing.T) { testNoDifference(t, services.Elasticsearch(t, major)) })
	}
}

func testNoDifference(t *testing.T, es string) {
	fillSets(t, es)
	l := harness.NewLogapi(t, fmt.Sprintf("elasticsearch.hosts: [%q]\nhttp.access_log: false\n", es))
	raw := l.Token("", token.Access{Method: []string{"*"}, URL: []string{"{mscp_api_url}/default/es/**"}, Other: json.RawMessage(`{"namespaces":["shop"]}`)})
	both := func(call, text string) (status int, first, second string) {
		t.Helper()
		var answers []string
		for set := range sets {
			at := fmt.Sprintf("set%d-*", set)
			code, answer := ask(t, raw, "POST", l.URL+"/default/es/"+strings.ReplaceAll(call, "SET", at), strings.ReplaceAll(text, "SET", at))
			status, answers = max(status, code), append(answers, masked(set, answer))
		}
		return status, answers[0], answers[1]
	}
	for _, c := range slices.Concat(told(), searches()) {
		status, first, second := both(c.call, c.body)
		if first != second || status != 200 && !c.fails {
			t.Errorf("%s %s: %d\n%s\n%s", c.call, c.body, status, cut(first, second), cut(second, first))
		}
	}
	n := 0
	for _, query := range refusedQueries() {
		for _, body := range []string{`{"query":` + query + `}`, `{"query":{"bool":{"filter":[` + query + `]}}}`, `{"size":0,"aggs":{"a":{"filter":` + query + `}}}`, `{"post_filter":` + query + `}`} {
			if status, text := ask(t, raw, "POST", l.URL+"/default/es/set0-*/_search", body); status != 403 || !strings.Contains(text, "narrows searches") {
				t.Errorf("%s: %d %s", body, status, text)
			}
		}
		var answers []string
		for set := range sets {
			code, answer := ask(t, "", "POST", es+fmt.Sprintf("/set%d-*/_search", set), `{"query":{"bool":{"filter":[{"term":{"kubernetes.namespace":"shop"}},`+query+`]}},"sort":["n"]}`)
			answers = append(answers, fmt.Sprint(code, masked(set, answer)))
		}
		if answers[0] != answers[1] {
			n++
		}
	}
	t.Logf("%d of %d refused queries would tell", n, len(refusedQueries()))
	if n < len(refusedQueries())/2 {
		t.Errorf("%d of %d refused queries would tell", n, len(refusedQueries()))
	}
}

// cut is the part of an answer in which it begins to differ from another.
func cut(a, b string) string {
	i := 0
	for i < min(len(a), len(b)) && a[i] == b[i] {
		i++
	}
	return a[max(0, i-150):min(len(a), i+250)]
}

// refusedQueries choose some of the index's terms.
func refusedQueries() []string {
	var all []string
	for _, field := range []string{"message", "level"} {
		for _, q := range []string{
			`{"prefix":{"F":{"value":"w","rewrite":"top_terms_1"}}}`, `{"prefix":{"F":{"value":"w","rewrite":"top_terms_boost_1"}}}`, `{"prefix":{"F":{"value":"w","rewrite":"top_terms_blended_freqs_2"}}}`,
			`{"prefix":{"F":{"value":"w","rewrite":"constant_score_boolean"}}}`, `{"prefix":{"F":{"value":"w","rewrite":"scoring_boolean"}}}`,
			`{"wildcard":{"F":{"value":"word*","rewrite":"top_terms_1"}}}`, `{"wildcard":{"F":{"wildcard":"w*","rewrite":"top_terms_boost_3"}}}`, `{"regexp":{"F":{"value":"(p.*|w.*)","rewrite":"top_terms_1"}}}`,
			`{"fuzzy":{"F":"wordq"}}`, `{"fuzzy":{"F":{"value":"wordq","rewrite":"constant_score"}}}`, `{"fuzzy":{"F":{"value":"wordq","fuzziness":2,"rewrite":"constant_score"}}}`, `{"fuzzy":{"F":{"value":"wordq","rewrite":"top_terms_1"}}}`, `{"fuzzy":{"F":{"value":"wordq","max_expansions":1,"fuzziness":1,"rewrite":"constant_score"}}}`, `{"fuzzy":{"F":{"value":"wordq","max_expansions":1,"fuzziness":1}}}`, `{"fuzzy":{"F":{"value":"wordq","rewrite":"top_terms_blended_freqs_1"}}}`,
			`{"match":{"F":{"query":"wordq","fuzziness":2}}}`, `{"match":{"F":{"query":"wordq","fuzziness":2,"fuzzy_rewrite":"constant_score","max_expansions":1}}}`, `{"match":{"F":{"query":"wordq","fuzziness":1,"max_expansions":1}}}`, `{"match":{"F":{"query":"wordq","fuzziness":1,"fuzzy_rewrite":"top_terms_1"}}}`, `{"match":{"F":{"query":"wordq zzz","fuzziness":"AUTO","max_expansions":2}}}`,
			`{"match_phrase_prefix":{"F":{"query":"wor","max_expansions":1}}}`, `{"match_phrase_prefix":{"F":"wor"}}`, `{"match_phrase_prefix":{"F":{"query":"w"}}}`,
			`{"match_bool_prefix":{"F":{"query":"wordq foo","fuzziness":1,"max_expansions":1}}}`, `{"match_bool_prefix":{"F":{"query":"wordq foo","fuzziness":1,"fuzzy_rewrite":"top_terms_1"}}}`,
			`{"multi_match":{"query":"wor","type":"phrase_prefix","fields":["F"],"max_expansions":1}}`, `{"multi_match":{"query":"wor","type":"phrase_prefix","fields":["F"]}}`, `{"multi_match":{"query":"wordq","fields":["F"],"fuzziness":1,"max_expansions":1}}`,
			`{"multi_match":{"query":"wordq","fields":["F"],"fuzziness":1,"fuzzy_rewrite":"top_terms_1"}}`, `{"multi_match":{"query":"wordq foo","type":"bool_prefix","fields":["F"],"fuzziness":1,"max_expansions":1}}`,
			`{"query_string":{"query":"wordq~1","default_field":"F","fuzzy_max_expansions":1}}`, `{"query_string":{"query":"wordq~2","default_field":"F"}}`, `{"query_string":{"query":"F:wordq~1","fuzzy_rewrite":"constant_score","fuzzy_max_expansions":1}}`, `{"query_string":{"query":"w*","default_field":"F","rewrite":"top_terms_1"}}`, `{"query_string":{"query":"/(p.*|w.*)/","default_field":"F","rewrite":"top_terms_1"}}`,
			`{"query_string":{"query":"wordq~1","default_field":"F","fuzzy_rewrite":"top_terms_1"}}`, `{"query_string":{"query":"wor","fields":["F"],"type":"phrase_prefix"}}`, `{"query_string":{"query":"w*","default_field":"F","rewrite":"constant_score_boolean"}}`,
			`{"simple_query_string":{"query":"wordq~1","fields":["F"],"fuzzy_max_expansions":1}}`, `{"simple_query_string":{"query":"wordq~1","fields":["F"]}}`, `{"simple_query_string":{"query":"wordq~1 | \"a b\"","fields":["F"],"flags":"FUZZY|OR"}}`, `{"simple_query_string":{"query":"wordq~1","fields":["F"],"flags":"ALL"}}`,
			`{"intervals":{"F":{"prefix":{"prefix":"w"}}}}`, `{"intervals":{"F":{"fuzzy":{"term":"wordq"}}}}`, `{"intervals":{"F":{"wildcard":{"pattern":"w*"}}}}`, `{"span_multi":{"match":{"prefix":{"F":{"value":"w","rewrite":"top_terms_1"}}}}}`,
			`{"match":{"F":{"query":"common wordz","cutoff_frequency":9,"operator":"and"}}}`, `{"common":{"F":{"query":"common wordz","cutoff_frequency":9,"low_freq_operator":"and"}}}`, `{"multi_match":{"query":"common seldom","fields":["F"],"cutoff_frequency":9.0}}`,
			`{"more_like_this":{"fields":["F"],"like":"common wordz","min_term_freq":1,"min_doc_freq":20}}`,
		} {
			all = append(all, strings.NewReplacer(`"F"`, `"`+field+`"`, `"F:`, `"`+field+":").Replace(q))
		}
	}
	return all
}

// A searching is a call and its body, in which SET stands for the names of the indices.
type searching struct {
	call, body string
	fails      bool // it may: one of the servers does not know it
}

// told are searches that would tell of others if they were sent as they are written.
func told() []searching {
	var all []searching
	for _, pre := range []string{"", "&pre_filter_shard_size=1"} {
		all = append(all, searching{"SET/_search?sort=@timestamp" + pre, `{"query":{"range":{"@timestamp":{"lt":"2020-01-01"}}}}`, false}, searching{"SET/_search?sort=@timestamp:desc&track_total_hits=false" + pre, `{"query":{"range":{"@timestamp":{"gt":"2028-01-01"}}}}`, false},
			searching{"SET/_search?sort=n" + pre, `{"query":{"range":{"n":{"lt":-500}}}}`, false}, searching{"_msearch?max_concurrent_searches=1" + pre, "{\"index\":\"SET\"}\n{\"sort\":[{\"@timestamp\":\"desc\"}],\"query\":{\"range\":{\"n\":{\"lt\":-500}}}}\n{\"index\":\"SET\"}\n{\"sort\":\"n\"}\n", false},
			searching{"SET/_search?sort=n&size=2&scroll=1m" + pre, `{"query":{"range":{"@timestamp":{"lt":"2020-01-01"}}}}`, false})
	}
	// An index in which all is within a range, and one in which nothing is, are searched in other ways.
	for _, q := range []string{`{"range":{"@timestamp":{"gte":"2020-01-01","lt":"2028-01-01"}}}`, `{"range":{"@timestamp":{"gte":"2028-01-01"}}}`, `{"range":{"n":{"gte":-500,"_name":"n"}}}`, `{"bool":{"must_not":[{"range":{"n":{"lt":-500}}}]}}`,
		`{"bool":{"should":[{"range":{"n":{"gte":-500,"_name":"x"}}},{"range":{"n":{"lt":-500,"_name":"y"}}},{"term":{"level":{"value":"zzz","_name":"z"}}}]}}`, `{"query_string":{"query":"n:>=-500 AND @timestamp:[2020 TO 2028]"}}`} {
		for _, a := range []string{`{"filter":Q}`, `{"filters":{"filters":[Q,{"match_all":{}}]}}`, `{"filters":{"filters":{"x":Q},"other_bucket":true}}`, `{"adjacency_matrix":{"filters":{"x":Q,"y":{"match_all":{}}}}}`, `{"terms":{"field":"level"},"aggs":{"f":{"filter":Q}}}`, `{"filter":{"match_all":{}},"aggs":{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m"},"aggs":{"f":{"filters":{"filters":[Q]}}}}}}`} {
			all = append(all, searching{"SET/_search?size=0", strings.ReplaceAll(`{"aggs":{"a":`+a+`}}`, "Q", q), true}, searching{"SET/_search?size=0", strings.ReplaceAll(`{"query":Q,"aggs":{"a":`+a+`,"m":{"max":{"field":"n"}}}}`, "Q", q), true})
		}
		all = append(all, searching{"SET/_search", `{"sort":["n"],"query":` + q + `,"highlight":{"fields":{"*":{}},"require_field_match":false}}`, false}, searching{"SET/_search?track_total_hits=2", `{"post_filter":` + q + `}`, false}, searching{"SET/_count", `{"query":` + q + `}`, false})
	}
	// What is said of fuzzy terms, and of none, means nothing.
	for _, q := range []string{`{"match":{"message":{"query":"wordz","max_expansions":1,"prefix_length":1}}}`, `{"match_bool_prefix":{"message":{"query":"zzz wo","max_expansions":1}}}`, `{"match_bool_prefix":{"level":{"query":"wo","max_expansions":1}}}`, `{"multi_match":{"query":"zzz wo","type":"bool_prefix","fields":["message","level"],"max_expansions":1}}`,
		`{"multi_match":{"query":"wordz of","type":"phrase","slop":2,"fields":["message","level"],"max_expansions":1}}`, `{"query_string":{"query":"wordq \"wordz of\"~3 wo* /wo.*z/","fuzziness":2,"fuzzy_max_expansions":1}}`, `{"query_string":{"query":"wordq zz","fields":["message","level"],"type":"bool_prefix","fuzziness":1,"fuzzy_max_expansions":1}}`,
		`{"query_string":{"query":"wordq","type":"cross_fields","fields":["message","level"],"fuzziness":1,"fuzzy_max_expansions":1}}`, `{"query_string":{"query":"wordq","type":"phrase","fields":["message"],"fuzziness":1}}`, `{"query_string":{"query":"wordq\\u007e1 OR level:wordq\\u007e2","fuzzy_max_expansions":1}}`, `{"query_string":{"query":"/wordz\"~wordq/ \"x\"~1 level:[\"a\"~ TO z]","lenient":true}}`,
		`{"query_string":{"query":"wordq\"~1 \"","fuzzy_max_expansions":1}}`, `{"simple_query_string":{"query":"wordq~1 wo*","fields":["message","level"],"flags":"OR|PREFIX","fuzzy_max_expansions":1}}`, `{"simple_query_string":{"query":"wordq~1","fields":["message"],"flags":"NONE","fuzzy_max_expansions":1}}`, `{"simple_query_string":{"query":"wordq~1","fields":["message"],"flags":"NEAR|SLOP|PHRASE","fuzzy_max_expansions":1}}`,
		`{"simple_query_string":{"query":"wo* \"wordz of\"","fields":["message","level"],"flags":-1,"fuzzy_max_expansions":1,"analyze_wildcard":true}}`} {
		all = append(all, searching{"SET/_search?sort=n", `{"query":` + q + `}`, true})
	}
	return all
}

// searches are such as Grafana, Kibana and people write.
func searches() []searching {
	var all []searching
	for _, q := range []string{
		`{"match_all":{}}`, `{"match_none":{}}`, `{"term":{"level":"wordz"}}`, `{"term":{"level":{"value":"WORDZ","case_insensitive":true}}}`, `{"terms":{"level":["wordz","worda","zzz"]}}`, `{"range":{"level":{"gte":"word","lt":"x"}}}`, `{"range":{"@timestamp":{"gte":"2000","lte":"now+900d"}}}`, `{"exists":{"field":"message"}}`,
		`{"prefix":{"message":"w"}}`, `{"prefix":{"level":{"value":"wo","rewrite":"constant_score"}}}`, `{"wildcard":{"message":"w*z"}}`, `{"wildcard":{"level":{"value":"*"}}}`, `{"regexp":{"message":"(p.*|w.*)"}}`, `{"regexp":{"level":{"value":"w.{1,9}","flags":"ALL"}}}`, `{"ids":{"values":["mine-1","hidden-1-a-1"]}}`,
		`{"match":{"message":"common password"}}`, `{"match":{"message":{"query":"wordz password","operator":"and"}}}`, `{"match_phrase":{"message":"common password"}}`, `{"match_phrase":{"message":{"query":"wordz mine","slop":3}}}`, `{"match_bool_prefix":{"message":"zzz w"}}`, `{"multi_match":{"query":"common wordz","fields":["message","level^3"],"tie_breaker":0.3}}`,
		`{"combined_fields":{"query":"common wordz","fields":["message","message.vectors"]}}`, `{"query_string":{"query":"kubernetes.namespace:secret OR *:*"}}`, `{"query_string":{"query":"w* AND NOT password","analyze_wildcard":true}}`, `{"query_string":{"query":"\"common of\"~2"}}`, `{"query_string":{"query":"wor?z /z+/"}}`, `{"simple_query_string":{"query":"w* +common | \"zzz started\" -password"}}`,
		`{"simple_query_string":{"query":"wordq~1 \"common mine\"~2","fields":["message"],"flags":"OR|PREFIX|PHRASE|NEAR|WHITESPACE"}}`, `{"bool":{"must_not":[{"term":{"kubernetes.namespace":"shop"}}]}}`, `{"bool":{"should":[{"match":{"message":"wordz"}},{"match":{"message":"common"}}],"minimum_should_match":2}}`, `{"constant_score":{"filter":{"term":{"level":"info"}}}}`,
		`{"boosting":{"positive":{"match_all":{}},"negative":{"term":{"level":"info"}},"negative_boost":0.2}}`,
	} {
		all = append(all, searching{"SET/_search?sort=n", `{"query":` + q + `}`, false}, searching{"SET/_search", `{"query":` + q + `,"sort":["_score",{"@timestamp":"desc"}],"track_scores":true,"size":5,"highlight":{"order":"score","fields":{"*":{}}}}`, false}, searching{"SET/_count", `{"query":` + q + `}`, false}, searching{"SET/_search?search_type=dfs_query_then_fetch", `{"query":` + q + `,"explain":false,"track_total_hits":3}`, false},
			searching{"SET/_search?size=0", `{"aggs":{"f":{"filters":{"other_bucket":true,"filters":{"x":` + q + `}},"aggs":{"t":{"terms":{"field":"level"}}}}}}`, false}, searching{"_msearch", "{\"index\":\"SET\"}\n{\"sort\":\"n\",\"query\":" + q + ",\"post_filter\":" + q + "}\n", false}, searching{"SET/_validate/query", `{"query":` + q + `}`, false})
	}
	for _, field := range []string{"level", "n", "@timestamp", "ip", "kubernetes.namespace", "_index"} {
		for _, a := range []string{`{"terms":{"field":"F","size":3,"show_term_doc_count_error":true}}`, `{"terms":{"field":"F","shard_size":1,"size":1,"order":{"_key":"asc"}}}`, `{"cardinality":{"field":"F"}}`, `{"value_count":{"field":"F"}}`, `{"missing":{"field":"F"}}`, `{"sampler":{"shard_size":2},"aggs":{"t":{"terms":{"field":"F"}}}}`,
			`{"composite":{"size":3,"sources":[{"x":{"terms":{"field":"F"}}}]}}`, `{"multi_terms":{"terms":[{"field":"F"},{"field":"level"}]}}`, `{"terms":{"field":"F","execution_hint":"map"},"aggs":{"h":{"top_hits":{"size":1,"sort":["n"]}}}}`, `{"top_metrics":{"metrics":{"field":"n"},"sort":{"n":"desc"}}}`, `{"string_stats":{"field":"F"}}`, `{"stats":{"field":"F"}}`,
			`{"auto_date_histogram":{"field":"F","buckets":3}}`, `{"date_histogram":{"field":"F","fixed_interval":"1m","min_doc_count":0,"time_zone":"Europe/Berlin"}}`, `{"histogram":{"field":"F","interval":3,"min_doc_count":0}}`, `{"percentiles":{"field":"F"}}`, `{"variable_width_histogram":{"field":"F","buckets":3}}`, `{"range":{"field":"F","ranges":[{"to":5},{"from":5}]}}`} {
			all = append(all, searching{"SET/_search?size=0", strings.ReplaceAll(`{"aggs":{"a":`+a+`}}`, `"F"`, `"`+field+`"`), true})
		}
		all = append(all, searching{"SET/_search", `{"size":4,"sort":[{"` + field + `":{"order":"desc","missing":"_first"}},"n"],"track_total_hits":2}`, false}, searching{"SET/_search", `{"size":3,"collapse":{"field":"` + field + `"},"sort":["n"]}`, true}, searching{"SET/_search?sort=n", `{"docvalue_fields":["` + field + `"],"fields":["*"],"_source":false}`, false})
	}
	return append(all, searching{"SET/_field_caps?fields=*", "", false}, searching{"SET/_search?sort=n", `{"slice":{"id":0,"max":2},"size":4}`, true})
}
