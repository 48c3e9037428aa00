package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// edgesBody is the mapping of the indices edge, edge-millis and edge-nanos; %s is the type of when. They are refreshed by the test alone:
// within a bulk a refresh would make two segments, of which Elasticsearch searches that with the newer times first.
const edgesBody = `{"settings":{"number_of_shards":1,"number_of_replicas":0,"refresh_interval":"-1"},"mappings":{"properties":{"@timestamp":{"type":"date"},
"when":{"type":"%s"},"half":{"type":"half_float"},"double":{"type":"double"},"scaled":{"type":"scaled_float","scaling_factor":100},
"word":{"type":"keyword"},"flat":{"type":"flattened"},"byte":{"type":"byte"},"whole":{"type":"integer"},"count":{"type":"long"},"yes":{"type":"boolean"},
"slow":{"type":"date","format":"yyyy/MM/dd HH:mm:ss||epoch_second"},"day":{"type":"date","format":"yyyy/MM/dd"},"second":{"type":"date_nanos","format":"epoch_second"}}}}`

// edgeDocuments are of the index edge. seventh has no type in the mapping, and becomes float.
func edgeDocuments() (docs []string) {
	for i := 1; i <= 40; i++ {
		docs = append(docs, fmt.Sprintf(`{"seventh":%v,"half":%v,"double":%v,"scaled":%v,"unique":%d,"word":"w%d","few":%v,"shared":%d}`,
			float64(i)/7, float64(i%20)/7, float64(i)/7, float64(i)/7, i, i%3, float64(i%4)/7, i/3))
	}
	return append(docs,
		`{"seventh":[0.1,2.7],"double":-0.0,"pair":[0.2,0.3],"longs":[3,3,4],"scaled":0.57}`,
		`{"double":0.0,"seventh":-0.0,"pair":0.25,"scaled":15.29}`,
		`{"double":[-0.0,0.0,-0.0],"scaled":1e18}`,
		`{"@timestamp":9223372036854775807,"flat":{"a":1,"b":"x","c":true}}`,
		`{"@timestamp":-9223372036854775000,"flat":{"a":2.50,"b":["x","y"]}}`,
		`{"@timestamp":"2026-03-27","slow":1.5,"day":"2026/03/27","second":"1.5"}`,
		`{"slow":1,"second":1,"word":"1e+19","n":{"m":1}}`,
		`{"slow":"2026/03/27 10:00:00","word":"1.0E19","n":{"m":1,"o":2},"a":{"b":{"c":1}}}`,
		`{"text":"C++ (errno=2) c cat"}`, `{"text":"cat errno"}`,
		`{"slow":[1,1.5,"2026/03/27 10:00:00"],"longs":[3,3]}`,
		`{"whole":3333,"byte":7,"count":8,"yes":true}`,
		`{"whole":-1,"byte":-7,"count":9007199254740993,"yes":false}`,
	)
}

// edges are requests to edge about values that types can just hold, or do not keep as they are written.
var edges = []string{
	`{"size":0,"aggs":{"x":{"max":{"field":"@timestamp"}},"y":{"min":{"field":"@timestamp"}},"z":{"stats":{"field":"@timestamp"}},"s":{"sum":{"field":"@timestamp"}}}}`,
	`{"size":60,"_source":false,"fields":["@timestamp","slow","day","second"],"docvalue_fields":["@timestamp",{"field":"slow","format":"yyyy-MM-dd"}],"sort":["@timestamp","_id"],"query":{"exists":{"field":"@timestamp"}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"@timestamp"}},"y":{"terms":{"field":"slow"}}}}`,
	`{"size":60,"_source":false,"docvalue_fields":["seventh","half","double","scaled","few"],"fields":["seventh","half","double","scaled","few"],"sort":["unique","_id"]}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"seventh","size":60}},"y":{"terms":{"field":"half","size":60}},"z":{"terms":{"field":"scaled","size":60}},"few":{"terms":{"field":"few"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"double","size":60}},"y":{"cardinality":{"field":"double"}},"z":{"cardinality":{"field":"seventh"}}}}`,
	`{"size":0,"aggs":{"x":{"stats":{"field":"scaled"}},"y":{"stats":{"field":"seventh"}},"z":{"stats":{"field":"half"}},"d":{"min":{"field":"double"}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"d":{"terms":{"field":"double"}}}],"size":5}},"y":{"composite":{"sources":[{"d":{"terms":{"field":"double"}}}],"size":5,"after":{"d":-0.0}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"h":{"histogram":{"field":"pair","interval":1}}}]},"aggs":{"a":{"value_count":{"field":"pair"}}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"h":{"terms":{"field":"longs"}}}]},"aggs":{"a":{"avg":{"field":"longs"}}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"d":{"date_histogram":{"field":"slow","calendar_interval":"day"}}}]}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"d":{"terms":{"field":"few"}}},{"h":{"histogram":{"field":"seventh","interval":3}}}],"size":4}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"slow","fixed_interval":"1d","min_doc_count":1}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"longs"}},"y":{"histogram":{"field":"pair","interval":1}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"few","min_doc_count":11}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"shared","min_doc_count":3}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"shared","min_doc_count":3,"size":3}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"shared","min_doc_count":2,"size":3,"order":{"_key":"desc"}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"unique","min_doc_count":2}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"word","min_doc_count":2}},"y":{"terms":{"field":"word","min_doc_count":14,"size":1}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"slow","min_doc_count":2}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"seventh","ranges":[{"to":0.1},{"from":0.1,"to":0.2},{"from":2.7}]}},"y":{"range":{"field":"half","ranges":[{"to":0.2857},{"from":0.2857,"to":1.1}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"scaled","ranges":[{"to":0.57},{"from":0.57,"to":15.29},{"from":15.29}]}},"y":{"range":{"field":"double","ranges":[{"to":0},{"from":-0.0,"to":0.2}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"count","ranges":[{"to":0.1}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"byte","ranges":[{"to":300}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"byte","ranges":[{"to":5},{"from":-3}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"whole","ranges":[{"to":1e10}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"yes","ranges":[{"to":0.5},{"from":0.5}]}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"h":{"histogram":{"field":"yes","interval":1}}}]}}}}`,
	`{"size":0,"query":{"term":{"slow":"1"}}}`,
	`{"size":0,"query":{"term":{"slow":1}}}`,
	`{"size":0,"query":{"match":{"slow":1}}}`,
	`{"size":0,"query":{"term":{"slow":"1.5"}}}`,
	`{"size":0,"query":{"term":{"slow":1.4}}}`,
	`{"size":0,"query":{"term":{"slow":"2026/03/27 10:00:00"}}}`,
	`{"size":0,"query":{"range":{"slow":{"lte":1}}}}`,
	`{"size":0,"query":{"range":{"slow":{"gt":1}}}}`,
	`{"size":0,"query":{"range":{"slow":{"lt":1}}}}`,
	`{"size":0,"query":{"range":{"slow":{"gte":1}}}}`,
	`{"size":0,"query":{"range":{"second":{"lte":1}}}}`,
	`{"size":0,"query":{"range":{"second":{"lte":"1.5"}}}}`,
	`{"size":0,"query":{"range":{"second":{"gt":1}}}}`,
	`{"size":0,"query":{"term":{"scaled":9223372036854775807}}}`,
	`{"size":0,"query":{"term":{"scaled":1e18}}}`,
	`{"size":0,"query":{"term":{"scaled":1e19}}}`,
	`{"size":0,"query":{"range":{"scaled":{"gte":1e19}}}}`,
	`{"size":0,"query":{"range":{"scaled":{"lt":1e19}}}}`,
	`{"size":0,"query":{"range":{"scaled":{"gte":0.57,"lte":15.29}}}}`,
	`{"size":0,"query":{"range":{"word":{"lt":1e+19}}}}`,
	`{"size":0,"query":{"range":{"word":{"lte":1e+19}}}}`,
	`{"size":0,"query":{"range":{"word":{"gte":10000000000000000000,"lt":"2"}}}}`,
	`{"size":0,"query":{"term":{"word":1e19}}}`,
	`{"size":0,"query":{"terms":{"word":[1e+19,1]}}}`,
	`{"size":0,"query":{"match":{"word":1e+19}}}`,
	`{"size":0,"query":{"term":{"whole":3333333333.3333335}}}`,
	`{"size":0,"query":{"term":{"whole":3333333333}}}`,
	`{"size":0,"query":{"terms":{"whole":[3333,4444444444.5]}}}`,
	`{"size":0,"query":{"term":{"byte":7.5}}}`,
	`{"size":0,"query":{"term":{"count":1e30}}}`,
	`{"size":0,"query":{"term":{"count":"99999999999999999999.5"}}}`,
	`{"size":0,"query":{"range":{"flat.a":{"gte":"1"}}}}`,
	`{"size":0,"query":{"range":{"flat.b":{"lt":"z"}}}}`,
	`{"size":0,"query":{"range":{"flat.b":{"gte":"a","lte":"x"}}}}`,
	`{"size":5,"_source":false,"fields":["flat.a","flat.b","flat.c"],"sort":["_id"],"query":{"exists":{"field":"flat"}}}`,
	`{"size":3,"track_total_hits":0}`,
	`{"size":0,"track_total_hits":0}`,
	`{"size":3,"track_total_hits":-1}`,
	`{"size":3,"track_total_hits":1e1}`,
	`{"size":3,"track_total_hits":"7"}`,
	`{"size":3,"track_total_hits":-2}`,
	`{"size":3,"track_total_hits":2147483647}`,
	`{"size":0,"track_total_hits":0,"query":{"term":{"word":"nothing"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"includes":["n.*"],"excludes":["n.m"]},"query":{"exists":{"field":"n"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"includes":["n"],"excludes":["n.m"]},"query":{"exists":{"field":"n"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"excludes":["n.*"]},"query":{"exists":{"field":"n"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"excludes":["n.m","a.b.c"]},"query":{"exists":{"field":"n"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"includes":["a"],"excludes":["a.b.c"]},"query":{"exists":{"field":"n"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"includes":["a.*"],"excludes":["a.b.c"]},"query":{"exists":{"field":"n"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"includes":["word.*"]},"query":{"exists":{"field":"n"}}}`,
	`{"size":60,"sort":["_id"],"_source":{"excludes":["word.*"]},"query":{"exists":{"field":"n"}}}`,
	`{"sort":[{"word":{"numeric_type":"date"}}]}`,
	`{"size":0,"query":{"match_bool_prefix":{"text":"C++"}}}`,
	`{"size":0,"query":{"match_bool_prefix":{"text":"c"}}}`,
	`{"size":0,"query":{"regexp":{"word":{"value":"[A-Z]1","case_insensitive":true}}}}`,
	`{"size":0,"query":{"regexp":{"word":{"value":"[WX]1","case_insensitive":true}}}}`,
	`{"size":0,"query":{"regexp":{"word":{"value":"[^W]1","case_insensitive":true}}}}`,
	`{"size":0,"query":{"regexp":{"word":{"value":"W[0-1]","case_insensitive":true}}}}`,
	`{"size":0,"query":{"regexp":{"word":{"value":"\"W\".|1E.+","case_insensitive":true}}}}`,
	`{"size":0,"query":{"match_bool_prefix":{"text":"(er)"}}}`,
	`{"size":0,"query":{"match_bool_prefix":{"text":{"query":"cat er ","operator":"and"}}}}`,
	`{"size":0,"query":{"match_bool_prefix":{"text":{"query":"cat er","operator":"and"}}}}`,
	`{"size":0,"query":{"multi_match":{"query":"er.","fields":["text"],"type":"bool_prefix"}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"slow","fixed_interval":"1M"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"slow","fixed_interval":"1D","min_doc_count":1}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"slow","interval":"1M","min_doc_count":1}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"slow","fixed_interval":"1d","offset":"1M","min_doc_count":1}}}}`,
	`{"size":0,"timeout":"1M"}`,
	`{"sort":[{"seventh":{"missing":0.5714286}},"_id"],"size":60}`,
	`{"sort":[{"seventh":{"order":"desc","mode":"avg"}},"_id"],"size":60,"_source":false}`,
	`{"sort":[{"seventh":{"order":"desc","mode":"sum"}},"_id"],"size":60,"_source":false}`,
	`{"sort":[{"half":{"order":"desc","missing":0.1}},"_id"],"size":60,"_source":false}`,
	`{"sort":[{"scaled":"desc"},"_id"],"size":60,"_source":false}`,
	`{"sort":[{"double":"asc"},{"_id":"desc"}],"size":60,"_source":false}`,
	`{"sort":[{"double":"desc"},{"_id":"desc"}],"size":60,"_source":false}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"word"},"aggs":{"h":{"top_hits":{"size":4,"sort":[{"seventh":"desc"}],"docvalue_fields":["seventh","scaled"],"_source":false}}}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"seventh","interval":0.1,"min_doc_count":1}},"y":{"histogram":{"field":"scaled","interval":0.01,"min_doc_count":1},"aggs":{"m":{"sum":{"field":"half"}}}}},"query":{"range":{"unique":{"gte":1}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"word","order":{"m":"desc"}},"aggs":{"m":{"max":{"field":"seventh"}}}},"y":{"terms":{"field":"few","missing":0.1}},"z":{"terms":{"field":"seventh","order":{"_key":"desc"},"size":7}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"f":{"terms":{"field":"seventh"}}},{"h":{"terms":{"field":"half","order":"desc"}}}],"size":5,"after":{"f":0.2857142984867096,"h":0.28564453125}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"f":{"terms":{"field":"seventh"}}},{"s":{"terms":{"field":"scaled","missing_bucket":true}}}],"size":5,"after":{"f":0.5714286,"s":0.5700000000000001}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"s":{"histogram":{"field":"scaled","interval":0.1}}}],"size":5,"after":{"s":0.5}}}}}`,
	`{"size":0,"query":{"term":{"seventh":0.5714286}}}`,
	`{"size":0,"query":{"terms":{"seventh":[0.5714286,0.14285715,7]}}}`,
	`{"size":0,"query":{"range":{"seventh":{"gte":0.5714286,"lt":0.85714287}}}}`,
	`{"size":0,"query":{"range":{"half":{"gt":0.57128906,"lte":0.8569336}}}}`,
	`{"size":0,"query":{"term":{"half":0.57128906}}}`,
	`{"size":0,"query":{"term":{"double":-0.0}}}`,
	`{"size":0,"query":{"range":{"double":{"gte":0}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"few","include":[0.14285714285714285,0.2857142984867096]}}}}`,
}

// edgeCalls are requests with other methods, paths and parameters.
var edgeCalls = []string{
	"GET /x*/_search?expand_wildcards=hidden", "GET /edge*/_search?expand_wildcards=hidden&size=0", "GET /x*/_search?expand_wildcards=none", "GET /x/_search?expand_wildcards=hidden",
	"GET /edge/_search?q=whole:x&lenient&size=0", "GET /edge/_search?q=whole:3333&analyze_wildcard&size=0", "GET /edge/_count?q=whole:x&lenient",
	"GET /edge/_search?track_total_hits=0&size=1", "GET /edge/_search?track_total_hits=-1&size=1", "GET /edge/_search?track_total_hits=1e1&size=0",
	"GET /edge/_search?track_total_hits=false&rest_total_hits_as_int=true&size=0", "GET /edge/_search?track_total_hits=0&rest_total_hits_as_int=true&size=0",
	"GET /edge/_search?_source_includes=a,n.*&_source_excludes=n.m&q=n.m:1",
}

// pagedSorts are gone through page by page, each behind the sort values of the last hit.
var pagedSorts = []string{
	`[{"seventh":"asc"},{"unique":"asc"}]`, `[{"seventh":"desc"},{"unique":"asc"}]`, `[{"seventh":{"order":"asc","missing":"_first"}},{"unique":"asc"}]`,
	`[{"half":"asc"},{"unique":"desc"}]`, `[{"half":{"order":"desc","missing":"_first"}},{"unique":"asc"}]`, `[{"half":{"order":"asc","missing":0.3}},{"unique":"asc"}]`,
	`[{"scaled":"asc"},{"unique":"asc"}]`, `[{"double":"desc"},{"unique":"asc"}]`, `[{"_score":"desc"},{"seventh":"asc"},{"unique":"asc"}]`,
	`[{"_score":"asc"},{"few":"desc"},{"unique":"asc"}]`, `[{"word":"asc"},{"few":"asc"},{"unique":"asc"}]`, `[{"seventh":{"order":"asc","mode":"avg"}},{"unique":"asc"}]`,
}

// momentSorts are those over edge-millis and edge-nanos, of date and date_nanos.
var momentSorts = []string{
	`[{"when":{"order":"asc","numeric_type":"date"}},{"id":"asc"}]`, `[{"when":{"order":"desc","numeric_type":"date"}},{"id":"asc"}]`,
	`[{"when":{"order":"asc","numeric_type":"date","missing":"_first"}},{"id":"asc"}]`, `[{"when":{"order":"desc","numeric_type":"long"}},{"id":"asc"}]`,
	`[{"when":{"order":"asc","numeric_type":"date","format":"strict_date_optional_time"}},{"id":"asc"}]`, `[{"when":"desc"},{"id":"asc"}]`,
}

func (p *pair) compareEdges(t *testing.T) int {
	t.Helper()
	bulk := func(index string, docs []string) {
		var b strings.Builder
		for i, d := range docs {
			fmt.Fprintf(&b, "{\"create\":{\"_id\":\"%02d\"}}\n%s\n", i, d)
		}
		p.both(t, "POST", "/"+index+"/_bulk?refresh=true", b.String())
	}
	p.both(t, "PUT", "/edge", fmt.Sprintf(edgesBody, "date"))
	bulk("edge", edgeDocuments())
	for i, name := range []string{"date", "date_nanos"} {
		index := []string{"edge-millis", "edge-nanos"}[i]
		p.both(t, "PUT", "/"+index, fmt.Sprintf(edgesBody, name))
		var docs []string
		for n := range 20 {
			docs = append(docs, fmt.Sprintf(`{"when":"2026-10-08T%02d:00:00.%03d456Z","id":%d}`, n*7%24, n, 2*n+i))
		}
		bulk(index, append(docs, fmt.Sprintf(`{"id":%d}`, 100+i)))
	}
	n := 0
	for _, request := range edges {
		p.compare(t, false, "POST", "/edge/_search", request)
		n++
	}
	for _, request := range edgeCalls {
		method, path, _ := strings.Cut(request, " ")
		p.compare(t, false, method, path, "")
		n++
	}
	unmapped := []string{`[{"seventh":{"order":"asc","unmapped_type":"float"}},"_id","_index"]`, `[{"half":{"order":"desc","unmapped_type":"float"}},"_id","_index"]`}
	for index, sorts := range map[string][]string{"edge": pagedSorts, "edge,edge-nanos": unmapped, "edge-nanos": momentSorts, "edge-millis,edge-nanos": momentSorts} {
		for _, sort := range sorts {
			after := ""
			for range 12 {
				request := `{"size":8,"_source":false,"sort":` + sort + after + `}`
				p.compare(t, false, "POST", "/"+index+"/_search", request)
				n++
				hits := ask(t, "POST", p.elasticsearch+"/"+index+"/_search", request).Hits.Hits
				if len(hits) < 8 {
					break
				}
				last, err := json.Marshal(hits[len(hits)-1].Sort)
				if err != nil {
					t.Fatal(err)
				}
				after = `,"search_after":` + string(last)
			}
		}
	}
	// For differences.
	p.both(t, "PUT", "/edge/_doc/digits?refresh=true", `{"seventh":3333333248}`)
	p.both(t, "PUT", "/edge/_doc/end?refresh=true", `{"byte":-128.9}`)
	return n
}
