package store_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// differences are the rows of the table in docs/store-differences.md, with a request that the two answer differently.
var differences = map[string]string{
	"`terms` over several indices": "POST /a,b/_search\n" + `{"size":0,"aggs":{"x":{"terms":{"field":"numbers","size":2,"shard_size":2}}}}`,
	"`cardinality`":                "POST /a/_search\n" + `{"size":0,"aggs":{"x":{"cardinality":{"field":"n","precision_threshold":1}}}}`,
	"highlight":                    "POST /a/_search\n" + `{"size":20,"sort":["n"],"query":{"match":{"message":"timeout"}},"highlight":{"fields":{"message":{"fragment_size":20,"boundary_scanner":"word"}}}}`,
	"a sort by a field whose types cannot be compared (in one index a number, in another a text or a fraction; float and double)": "POST /a,other/_search\n" + `{"sort":["n"],"size":1,"query":{"range":{"n":{"lt":10}}}}`,
	"`docvalue_fields` of a text field":                                        "POST /a,other/_search\n" + `{"docvalue_fields":["message"],"sort":["@timestamp"]}`,
	"`sort=field:other` in the URL":                                            "GET /a/_search?sort=n:other",
	"a wrong request where no document can match":                              "POST /a/_search\n" + `{"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":"2030"}}},{"range":{"n":{"gte":"x"}}}]}}}`,
	"a wrong request that Elasticsearch answers with 500":                      "POST /a/_search\n" + `{"sort":["n"],"search_after":[5],"from":1}`,
	"the words of an error in a body":                                          "POST /a/_search\n" + `{"aggs":{"x":{"terms":{"field":"tags","size":0}}}}`,
	"a parameter twice in the URL":                                             "GET /a/_search?size=0&size=1",
	"comments in a body":                                                       "POST /a/_search\n" + `{"size":0/* none */}`,
	"`_msearch`: a line without a search at its end, or one that is no object": "POST /_msearch\n{}\n{\"size\":0}\n{}\n",
	"`_msearch`: an index in a list with a comma in it":                        "POST /_msearch\n{\"index\":[\"a,b\"]}\n{\"size\":0}\n",
	"`index_filter` of `_field_caps`":                                          "POST /a,b/_field_caps?fields=n\n" + `{"index_filter":{"bool":{"must_not":{"terms":{"_index":["a"]}}}}}`,
	"`explanation` of `_validate/query`":                                       "POST /a/_validate/query?explain\n" + `{"query":{"term":{"n":1}}}`,
	"scroll, point in time":                                                    "POST /a/_pit?keep_alive=1m",
	"`keep_alive` of nothing":                                                  "POST /a/_pit?keep_alive=0s",
	"paths with a type: `/logs/_doc/_search`":                                  "GET /a/_doc/_search?size=0",
	"the digits of a `float` in a sort":                                        "POST /edge/_search\n" + `{"query":{"ids":{"values":["digits"]}},"sort":["seventh"]}`,
	"`fields` of a whole number that was given with a fraction, and is the first or the last its type has": "POST /edge/_search\n" + `{"query":{"ids":{"values":["end"]}},"fields":["byte"]}`,
	"an empty name in a path: `//logs/_search`":                                                            "GET //a/_search?size=0",
}

// unserved are the names in the section "Not served", with a request that asks for it.
var unserved = map[string]string{
	"collapse": `{"collapse":{"field":"n"}}`, "explain": `{"explain":true}`, "indices_boost": `{"indices_boost":[{"a":2}]}`, "min_score": `{"min_score":0.5}`,
	"profile": `{"profile":true}`, "rescore": `{"rescore":{"query":{"rescore_query":{"match_all":{}}}}}`, "runtime_mappings": `{"runtime_mappings":{"x":{"type":"keyword"}}}`,
	"script_fields": `{"script_fields":{"x":{"script":"1"}}}`, "slice": `{"slice":{"id":0,"max":2}}`, "suggest": `{"suggest":{"x":{"text":"y","term":{"field":"message"}}}}`,
	"terminate_after": `{"terminate_after":1}`, "numeric_type": `{"sort":[{"n":{"numeric_type":"double"}}]}`, "suggest_field": "GET /a/_search?suggest_field=message&suggest_text=x",
	"_shards":          "GET /a/_search?preference=_shards:0",
	"adjacency_matrix": `{"aggs":{"x":{"adjacency_matrix":{"filters":{"a":{"match_all":{}}}}}}}`, "auto_date_histogram": `{"aggs":{"x":{"auto_date_histogram":{"field":"@timestamp"}}}}`,
	"extended_stats": `{"aggs":{"x":{"extended_stats":{"field":"n"}}}}`, "geo_bounds": `{"aggs":{"x":{"geo_bounds":{"field":"nope"}}}}`, "global": `{"aggs":{"x":{"global":{}}}}`,
	"ip_range": `{"aggs":{"x":{"ip_range":{"field":"client.ip","ranges":[{"to":"1.1.1.1"}]}}}}`, "median_absolute_deviation": `{"aggs":{"x":{"median_absolute_deviation":{"field":"n"}}}}`,
	"percentile_ranks": `{"aggs":{"x":{"percentile_ranks":{"field":"n","values":[1]}}}}`, "percentiles": `{"aggs":{"x":{"percentiles":{"field":"n"}}}}`, "rare_terms": `{"aggs":{"x":{"rare_terms":{"field":"tags"}}}}`,
	"significant_terms": `{"aggs":{"x":{"significant_terms":{"field":"tags"}}}}`, "significant_text": `{"aggs":{"x":{"significant_text":{"field":"message"}}}}`,
	"variable_width_histogram": `{"aggs":{"x":{"variable_width_histogram":{"field":"n"}}}}`, "weighted_avg": `{"aggs":{"x":{"weighted_avg":{"value":{"field":"n"},"weight":{"field":"n"}}}}}`,
	"avg_bucket":    `{"aggs":{"h":{"histogram":{"field":"n","interval":100}},"x":{"avg_bucket":{"buckets_path":"h>_count"}}}}`,
	"derivative":    `{"aggs":{"h":{"histogram":{"field":"n","interval":100},"aggs":{"x":{"derivative":{"buckets_path":"_count"}}}}}}`,
	"min_doc_count": `{"aggs":{"x":{"terms":{"field":"tags","min_doc_count":0}}}}`, "include": `{"aggs":{"x":{"terms":{"field":"tags","include":{"partition":0,"num_partitions":2}}}}}`,
	"date_histogram": `{"aggs":{"x":{"date_histogram":{"field":"ratio","fixed_interval":"1d"}}}}`,
	"format":         `{"aggs":{"x":{"avg":{"field":"n","format":"0.0"}}}}`,
	"_async_search":  "POST /a/_async_search", "_eql": "POST /a/_eql/search", "_explain": "GET /a/_explain/1?q=n:1", "_graph": "POST /a/_graph/explore", "_knn_search": "POST /a/_knn_search",
	"_msearch/template": "POST /_msearch/template", "_mtermvectors": "GET /a/_mtermvectors?ids=1", "_rank_eval": "POST /a/_rank_eval", "_render": "GET /_render/template",
	"_rollup_search": "POST /a/_rollup_search", "_search/template": "POST /a/_search/template", "_search_shards": "GET /a/_search_shards?local=true", "_sql": "POST /_sql",
	"_terms_enum": "POST /a/_terms_enum", "_termvectors": "GET /a/_termvectors/1",
}

// elsewhere are those of unserved that the Elasticsearch of the tests has not, or does not answer as they are asked here.
var elsewhere = []string{"script_fields", "_async_search", "_eql", "_graph", "_knn_search", "_msearch/template", "_rank_eval", "_render", "_rollup_search", "_search/template", "_sql", "_terms_enum", "slice", "_explain", "suggest_field"}

func differs(t *testing.T, p *pair) {
	t.Helper()
	text, err := os.ReadFile("../../docs/store-differences.md")
	if err != nil {
		t.Fatal(err)
	}
	section := func(heading string) string {
		_, behind, _ := strings.Cut(string(text), heading)
		section, _, _ := strings.Cut(behind, "\n## ")
		return section
	}
	table, list := section("## Served otherwise"), section("## Not served")
	var rows, names []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]*) \| [^|]* \| [^|]* \|$`).FindAllStringSubmatch(table, -1) {
		rows = append(rows, m[1])
	}
	for _, m := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	sameNames(t, "the table in docs/store-differences.md", rows[1:], differences)
	sameNames(t, "the list in docs/store-differences.md", names, unserved)
	ask := func(request string) (theirs, ours int, their, our []byte) {
		line, content, _ := strings.Cut(request, "\n")
		method, path, _ := strings.Cut(line, " ")
		theirs, their = call(t, method, p.elasticsearch+path, content)
		ours, our = call(t, method, p.store+path, content)
		return theirs, ours, their, our
	}
	for row, request := range differences {
		theirs, ours, their, our := ask(request)
		var a, b map[string]any
		if json.Unmarshal(their, &a) != nil || json.Unmarshal(our, &b) != nil {
			t.Errorf("%s: no JSON: %s %s", row, their, our)
			continue
		}
		delete(a, "took")
		delete(b, "took")
		if theirs == ours && cmp.Equal(a, b) {
			t.Errorf("%s: both answer %d %.500s", row, ours, our)
		}
	}
	for name, request := range unserved {
		if request[0] == '{' {
			request = "POST /a/_search\n" + request
		}
		theirs, ours, their, our := ask(request)
		if ours != 400 || !strings.Contains(string(our), "["+name+"]") || !strings.Contains(string(our), "not served here") {
			t.Errorf("the store answers what asks for %s with %d %s", name, ours, our)
		}
		if theirs != 200 && !slices.Contains(elsewhere, name) {
			t.Errorf("Elasticsearch answers what asks for %s with %d %.500s", name, theirs, their)
		}
	}
}

// sameNames checks that a text names what is asked, and the other way round.
func sameNames(t *testing.T, where string, named []string, asked map[string]string) {
	t.Helper()
	for _, name := range named {
		if asked[name] == "" {
			t.Errorf("%s names %s, which is not asked", where, name)
		}
	}
	for name := range asked {
		if !slices.Contains(named, name) {
			t.Errorf("%s does not name %s", where, name)
		}
	}
}
