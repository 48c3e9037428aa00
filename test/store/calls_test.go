package store_test

// calls are requests of other kinds than a _search of a and b: a line with method and path, and a body.
var calls = []string{
	`GET /a/_count`,
	`GET /_count`,
	`GET /ab/_count`,
	`GET /a,b/_count?q=log.level:error`,
	`GET /a/_count?q=error&df=log.level`,
	`GET /a/_count?q=timeout+lock&default_operator=AND&df=message`,
	`GET /nope*/_count`,
	`GET /only-a,b/_count`,
	`GET /_all/_count?expand_wildcards=open,hidden`,
	`GET /nope,a/_count?ignore_unavailable=true`,
	`GET /*,-a/_count`,
	`GET /a*,b,-b/_count`,
	`POST /nope/_count`,
	`POST /closed/_count`,
	`GET /shut/_count`,
	`GET /shut,a/_count?ignore_unavailable=true`,
	`GET /closed,a/_count?ignore_unavailable=true`,
	`GET /nope*/_count?allow_no_indices=false`,
	`GET /a/_count?nope=1`,
	`GET /a/_count?preference=_local&routing=x`,
	`GET /a/_count?terminate_after=0`,
	`GET /a/_count?df=n`,
	`GET /a/_count?default_operator=AND&lenient=true`,
	`POST /a,b/_count
{}`,
	`POST /a,b/_count
{"query":{"match_all":{}}}`,
	`POST /a,b/_count
{"query":{"term":{"log.level":"error"}}}`,
	`POST /a,b/_count
{"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":"2026-03-28","lt":"2026-03-29"}}}],"must_not":[{"exists":{"field":"tags"}}]}}}`,
	`POST /a,b/_count
{"query":{"query_string":{"query":"log.level:(error OR warn) AND NOT ok:true"}}}`,
	`POST /a,b/_count
{"query":{"terms":{"_index":["a"]}}}`,
	`POST /a,b/_count
{"query":{"bool":{"must_not":{"terms":{"_index":["a","nope"]}}}}}`,
	`POST /a,b/_count
{"query":{"bool":{"must_not":{"term":{"_index":"b"}}}}}`,
	`POST /a,b/_count
{"query":{"prefix":{"_index":"a"}}}`,
	`POST /a,b/_count
{"query":{"wildcard":{"_index":"*b"}}}`,
	`POST /a/_count
{"size":1}`,
	`POST /a/_count
{"query":{"match_none":{}},"from":1}`,
	`POST /a/_count
[]`,
	`POST /a,other/_count
{"query":{"range":{"n":{"lt":10}}}}`,
	`POST /a,other/_count
{"query":{"term":{"n":"x"}}}`,
	`POST /a/_count
{"query":{"term":{"n":"x"}}}`,
	`GET /a/_count?source={"query":{"term":{"n":1}}}&source_content_type=application/json`,
	`POST /a/_count?q=n:1
{"query":{"match_all":{}}}`,
	`GET /_search?size=0`,
	`GET /a/_search?size=0`,
	`GET /ab/_search?size=0`,
	`GET /_all/_search?size=0`,
	`GET /*/_search?size=0`,
	`GET /a*,b*,-b/_search?size=0`,
	`GET /only-*/_search?size=0`,
	`GET /nope/_search`,
	`GET /nope,a/_search`,
	`GET /nope*/_search`,
	`GET /nope*/_search?size=20000`,
	`GET /nope*/_search?allow_no_indices=false`,
	`GET /nope/_search?ignore_unavailable=true&size=0`,
	`GET /nope/_search?ignore_unavailable=true&allow_no_indices=false`,
	`GET /closed/_search`,
	`GET /closed,a/_search`,
	`GET /closed,a/_search?ignore_unavailable=true&size=0`,
	`GET /shut/_search`,
	`GET /shut/_search?ignore_unavailable=true`,
	`GET /_search?expand_wildcards=all`,
	`GET /_search?expand_wildcards=none&size=0`,
	`GET /_search?expand_wildcards=open,hidden&size=0`,
	`GET /_search?expand_wildcards=hidden&size=0`,
	`GET /.hidden/_search?size=0`,
	`GET /.h*/_search?size=0`,
	`GET /.*/_search?size=0`,
	`GET /_search?expand_wildcards=maybe`,
	`GET /a/_search?ignore_unavailable=maybe`,
	`GET /_nope/_search`,
	`GET /a/_search?allow_no_indices=maybe`,
	`GET /%3Ca%3E/_search?size=0`,
	`GET /x:a/_search`,
	`GET /a,,b/_search`,
	`GET /%20/_search`,
	`GET /A/_search`,
	`PUT /a/_search`,
	`DELETE /a/_search`,
	`PATCH /a/_search`,
	`PUT /a/_count`,
	`PUT /a/_field_caps`,
	`GET /a/_pit`,
	`PUT /_search/scroll`,
	`GET /a/_search?nope=1`,
	`GET /a/_search?siz=1`,
	`GET /a/_search?sise=1&sorted=n`,
	`GET /a/_search?size=x`,
	`GET /a/_search?size=-5`,
	`GET /a/_search?from=-1`,
	`GET /a/_search?search_type=x`,
	`GET /a/_search?batched_reduce_size=1`,
	`GET /a/_search?batched_reduce_size=x`,
	`GET /a/_search?max_concurrent_shard_requests=0`,
	`GET /a/_search?pre_filter_shard_size=0`,
	`GET /a/_search?preference=_foo`,
	`GET /a/_search?ccs_minimize_roundtrips=maybe`,
	`GET /a/_search?request_cache=maybe`,
	`GET /a/_search?size=0&preference=_only_local&routing=1&batched_reduce_size=2&max_concurrent_shard_requests=1&pre_filter_shard_size=1&ccs_minimize_roundtrips=true&request_cache=true&allow_partial_search_results=true&search_type=dfs_query_then_fetch`,
	`GET /a/_search?size=0&preference=abc&ignore_throttled=true&stats=x,y`,
	`GET /a/_search?size=0&timeout=1m&terminate_after=0&explain=false`,
	`GET /a/_search?sort=n&size=2&_source=false&_source_includes=n`,
	`GET /a/_search?sort=n&size=2&_source=true&_source_includes=n`,
	`GET /a/_search?sort=n&size=2&_source=n,log&_source_excludes=log.level`,
	`GET /a/_search?sort=n&size=2&_source_includes=*.level,n&_source_excludes=n`,
	`GET /a/_search?sort=n&size=2&_source`,
	`GET /a/_search?sort=n:desc&size=3&from=2&version&seq_no_primary_term`,
	`GET /a/_search?sort=n&q=log.level:error&size=2&track_total_hits=5&pretty`,
	`GET /a/_search?size=0&filter_path=hits.total.value`,
	`GET /a/_search?sort=n&size=2&filter_path=hits.hits._source.n,-hits.hits._id`,
	`GET /a/_search?sort=n&size=1&filter_path=-hits.hits._source`,
	`GET /a/_search?size=0&format=json&human&error_trace=false`,
	`GET /a/_search?size=0&filter_path=nothing`,
	`GET /a/_search?q=(`,
	`GET /a/_search?q=n:x`,
	`GET /a/_search?q=n:x&lenient=false&size=0`,
	`GET /a/_search?q=log.level:error&size=0&analyze_wildcard=maybe`,
	`GET /a/_search?df=n`,
	`GET /a/_search?sort=nope`,
	`GET /a,b,other/_search?size=0&q=n:5`,
	`GET /nope/_search?pretty`,
	`GET /a/_search?sort=n&size=1&track_scores`,
	`GET /a/_search?rest_total_hits_as_int=maybe`,
	`GET /a/_search?track_total_hits=maybe`,
	`GET /a/_search?source={"size":0}&source_content_type=application/json`,
	`GET /a/_search?source={"size":0}`,
	`POST /a/_search
{"sort":["nope"]}`,
	`POST /a/_search
{"query":{"term":{"n":"x"}}}`,
	`POST /a/_search
{"query":{"range":{"@timestamp":{"gte":"xx"}}}}`,
	`POST /a/_search
{"from":9999,"size":10}`,
	`POST /a/_search
{"size":20000}`,
	`POST /a/_search
{"aggs":{"a":{"terms":{"field":"message"}}}}`,
	`POST /a/_search
{"nope":1}`,
	`POST /a/_search
{"nope":{}}`,
	`POST /a/_search
{"nope":[]}`,
	`POST /a/_search
{"nope":"x"}`,
	`POST /a/_search
{"nope":true}`,
	`POST /a/_search
{"size":-5}`,
	`POST /a/_search
{"from":-5}`,
	`POST /a/_search
{"query":{"nope":{}}}`,
	`POST /a/_search
[]`,
	`POST /a/_search
"x"`,
	`POST /a/_search
{"sort":["message"]}`,
	`POST /a,b,other/_search
{"size":0,"query":{"term":{"n":"x"}}}`,
	`POST /a,other/_search?allow_partial_search_results=false
{"size":0,"query":{"term":{"n":"x"}}}`,
	`POST /a,b,other/_search
{"size":0,"query":{"range":{"http.status":{"gte":300}}}}`,
	`POST /a,other/_search?allow_partial_search_results=false
{"size":0,"query":{"range":{"http.status":{"gte":300}}}}`,
	`POST /a,b,other/_search
{"size":0,"aggs":{"a":{"terms":{"field":"message"}}}}`,
	`POST /a,other/_search?allow_partial_search_results=false
{"size":0,"aggs":{"a":{"terms":{"field":"message"}}}}`,
	`POST /a,b,other/_search
{"size":0,"query":{"term":{"n":"x"}},"aggs":{"a":{"terms":{"field":"lower"}}}}`,
	`POST /a,other/_search?allow_partial_search_results=false
{"size":0,"query":{"term":{"n":"x"}},"aggs":{"a":{"terms":{"field":"lower"}}}}`,
	`POST /a,b,other/_search
{"size":0,"aggs":{"a":{"avg":{"field":"n"}}}}`,
	`POST /a,other/_search?allow_partial_search_results=false
{"size":0,"aggs":{"a":{"avg":{"field":"n"}}}}`,
	`POST /a,b,other/_search
{"sort":["message"]}`,
	`POST /a,other/_search?allow_partial_search_results=false
{"sort":["message"]}`,
	`POST /a,b,other/_search
{"sort":["nope"]}`,
	`POST /a,b,other/_search
{"from":9999,"size":10}`,
	`POST /a,b/_search
{"size":0,"query":{"bool":{"filter":[{"match_all":{}},{"bool":{"should":[{"bool":{"filter":[{"terms":{"log.level":["error"]}},{"terms":{"_index":["a","b"]}}]}}],"minimum_should_match":1,"must_not":[{"terms":{"_index":["other"]}}]}}]}},"track_total_hits":true}`,
	`POST /ab/_search?ignore_unavailable=true
{"size":0,"query":{"bool":{"filter":[{"match_all":{}},{"bool":{"should":[{"bool":{"filter":[{"terms":{"log.level":["error"]}},{"terms":{"_index":["a","b"]}}]}}],"minimum_should_match":1,"must_not":[{"terms":{"_index":["other"]}}]}}]}},"track_total_hits":true}`,
	`POST /a,b/_search
{"size":5,"sort":["n","_index"],"query":{"bool":{"must_not":[{"terms":{"_index":["a"]}}]}}}`,
	`POST /ab/_search?ignore_unavailable=true
{"size":5,"sort":["n","_index"],"query":{"bool":{"must_not":[{"terms":{"_index":["a"]}}]}}}`,
	`POST /a,b/_search
{"size":0,"query":{"terms":{"_index":["ab"]}}}`,
	`POST /ab/_search?ignore_unavailable=true
{"size":0,"query":{"terms":{"_index":["ab"]}}}`,
	`POST /a,b/_search
{"size":0,"query":{"term":{"_index":"nope"}}}`,
	`POST /ab/_search?ignore_unavailable=true
{"size":0,"query":{"term":{"_index":"nope"}}}`,
	`POST /a,b/_search
{"size":0,"query":{"terms":{"_index":[]}}}`,
	`POST /ab/_search?ignore_unavailable=true
{"size":0,"query":{"terms":{"_index":[]}}}`,
	`POST /_msearch
{}
{"size":0}
`,
	`POST /a/_msearch
{}
{"size":0}
{"index":"b"}
{"size":0}
{"index":["a","b"]}
{"size":0}
`,
	`POST /_msearch
{"index":"nope"}
{"size":0}
{"index":"closed"}
{"size":0}
{"index":"a"}
{"sort":["nope"]}
{"index":"a"}
{"query":{"term":{"n":"x"}}}
{"index":"a"}
{"size":1,"sort":["n"]}
`,
	`POST /_msearch
{"index":"a"}
{"query":{"nope":{}}}
`,
	`POST /_msearch
{"index":"a"}
{"size":-7}
`,
	`POST /_msearch
{"index":"a","nope":1}
{"size":1}
`,
	`POST /_msearch
{"index":"a","search_type":"bad"}
{}
`,
	`POST /_msearch
{"index":"a","search_type":"dfs_query_then_fetch","preference":"x","routing":"a","request_cache":true,"allow_partial_search_results":true,"ignore_unavailable":true,"allow_no_indices":true,"expand_wildcards":"open","ignore_throttled":true,"ccs_minimize_roundtrips":true}
{"size":0}
`,
	`POST /_msearch
{"indices":["a"]}
{"size":0}
`,
	`POST /_msearch
{"index":"a,b"}
{"size":0}
`,
	`POST /_msearch
{"index":5}
{"size":0}
`,
	`POST /_msearch
{"index":["nope"],"ignore_unavailable":true}
{"size":0}
`,
	`POST /_msearch
{"index":["nope"],"ignoreUnavailable":"true"}
{"size":0}
`,
	`POST /_msearch
{"index":["nope*"],"allow_no_indices":false}
{"size":0}
`,
	`POST /_msearch
{"index":["*"],"expand_wildcards":["open","hidden"]}
{"size":0}
`,
	`POST /_msearch
{"index":["*"],"expand_wildcards":"none"}
{"size":0}
`,
	`POST /_msearch
{"index":"a"}
{"size":0}`,
	`POST /_msearch
{"index":"a"}
`,
	`POST /_msearch


`,
	`POST /_msearch

{"index":"a"}
{"size":0}
`,
	`POST /_msearch
{"index":"a"}

`,
	`POST /_msearch
{"index":"a"}
[]
`,
	"POST /_msearch\n{\"index\":\"a\"}\r\n{\"size\":0}\r\n",
	`POST /_msearch?search_type=dfs_query_then_fetch&max_concurrent_searches=2&typed_keys=true&rest_total_hits_as_int=true&pre_filter_shard_size=3&max_concurrent_shard_requests=4&ccs_minimize_roundtrips=true
{"index":"a"}
{"size":0,"aggs":{"x":{"terms":{"field":"tags"}}}}
`,
	`POST /_msearch?nope=1
{"index":"a"}
{}
`,
	`POST /_msearch?ignore_unavailable=true
{"index":"nope"}
{"size":0}
`,
	`POST /_msearch?rest_total_hits_as_int=true
{"index":"a"}
{"size":0,"track_total_hits":5}
`,
	`POST /_msearch?max_concurrent_searches=0
{"index":"a"}
{}
`,
	`POST /_msearch?size=1
{"index":"a"}
{}
`,
	`POST /_msearch?filter_path=responses.hits.total,responses.status
{"index":"a"}
{"size":0}
`,
	`POST /nope/_msearch
{}
{"size":0}
`,
	`POST /_msearch
{"index":"a","max_concurrent_shard_requests":5}
{}
`,
	`POST /_msearch
{"index":"a","type":"_doc"}
{"size":0}
`,
	`POST /_msearch
{"index":"a","scroll":"1m"}
{}
`,
	`POST /_msearch
{"index":"ab"}
{"size":0}
{"index":"shut"}
{"size":0}
`,
	`POST /_msearch
{"index":["a","other"]}
{"size":0,"query":{"term":{"n":"x"}}}
{"index":["a","other"],"allow_partial_search_results":false}
{"size":0,"query":{"term":{"n":"x"}}}
`,
	`POST /_msearch?max_concurrent_shard_requests=5
{"search_type":"query_then_fetch","ignore_unavailable":true,"index":"a*"}
{"size":0,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":1774600000000,"lte":1774800000000,"format":"epoch_millis"}}},{"query_string":{"analyze_wildcard":true,"query":"*"}}]}},"aggs":{"2":{"date_histogram":{"interval":"1h","field":"@timestamp","min_doc_count":0,"extended_bounds":{"min":1774600000000,"max":1774800000000},"format":"epoch_millis"},"aggs":{}}}}
`,
	`POST /_msearch?max_concurrent_shard_requests=5
{"search_type":"query_then_fetch","ignore_unavailable":true,"index":["a","nope-2026.03.28"]}
{"size":50,"query":{"bool":{"filter":[{"range":{"@timestamp":{"format":"epoch_millis","gte":1774600000000,"lte":1774800000000}}},{"query_string":{"analyze_wildcard":true,"query":"message:timeout"}}]}},"sort":[{"@timestamp":{"order":"desc","unmapped_type":"boolean"}},{"_doc":{"order":"desc"}}],"script_fields":{},"docvalue_fields":["@timestamp"],"highlight":{"fields":{"*":{}},"pre_tags":["@HIGHLIGHT@"],"post_tags":["@/HIGHLIGHT@"],"fragment_size":2147483647}}
{"search_type":"query_then_fetch","ignore_unavailable":true,"index":"b"}
{"size":0,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":"1774600000000","lte":"1774800000000","format":"epoch_millis"}}}]}},"aggs":{"3":{"terms":{"field":"log.level","size":10,"order":{"_key":"desc"},"min_doc_count":1},"aggs":{"2":{"date_histogram":{"fixed_interval":"30m","field":"@timestamp","min_doc_count":0,"format":"epoch_millis"},"aggs":{"1":{"avg":{"field":"http.seconds"}}}}}}}}
`,
	`POST /_msearch?max_concurrent_shard_requests=5
{"search_type":"query_then_fetch","ignore_unavailable":true,"index":"a*,b*"}
{"size":0,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":1774600000000,"lte":1774800000000,"format":"epoch_millis"}}}]}},"aggs":{"1":{"terms":{"field":"tags","size":500,"order":{"_key":"asc"},"min_doc_count":1}}}}
`,
	`POST /_msearch?max_concurrent_shard_requests=5
{"search_type":"query_then_fetch","ignore_unavailable":true,"index":"a"}
{"size":0,"query":{"bool":{"filter":{"range":{"@timestamp":{"gte":1774600000000,"lte":1774800000000,"format":"epoch_millis"}}}}},"aggs":{"2":{"filters":{"filters":{"errors":{"query_string":{"query":"log.level:error","analyze_wildcard":true}},"rest":{"query_string":{"query":"NOT log.level:error","analyze_wildcard":true}}}},"aggs":{"3":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","min_doc_count":1,"extended_bounds":{"min":1774600000000,"max":1774800000000},"format":"epoch_millis"},"aggs":{"4":{"max":{"field":"http.seconds"}}}}}}}}
`,
	`GET /_msearch`,
	`POST /_msearch`,
	`GET /a/_validate/query?q=log.level:error`,
	`GET /a,b/_validate/query`,
	`GET /_validate/query`,
	`GET /a/_validate/query?q=(`,
	`GET /nope/_validate/query?q=a`,
	`GET /nope*/_validate/query`,
	`GET /a/_validate/query?nope=a`,
	`GET /closed/_validate/query`,
	`GET /a,b/_validate/query?q=n:1&explain`,
	`GET /a/_validate/query?q=log.level:x&all_shards=true&explain=true&rewrite=true`,
	`POST /a,b/_validate/query
{"query":{"term":{"n":1}}}`,
	`POST /a,other/_validate/query
{"query":{"term":{"n":1}}}`,
	`POST /a,b/_validate/query
{"query":{"term":{"n":"x"}}}`,
	`POST /a,other/_validate/query
{"query":{"term":{"n":"x"}}}`,
	`POST /a,b/_validate/query
{"query":{"nope":{}}}`,
	`POST /a,other/_validate/query
{"query":{"nope":{}}}`,
	`POST /a,b/_validate/query
{"nope":{}}`,
	`POST /a,other/_validate/query
{"nope":{}}`,
	`POST /a,b/_validate/query
{}`,
	`POST /a,other/_validate/query
{}`,
	`POST /a,b/_validate/query
{"query":{"range":{"@timestamp":{"gte":"now-1d"}}}}`,
	`POST /a,other/_validate/query
{"query":{"range":{"@timestamp":{"gte":"now-1d"}}}}`,
	`POST /a,b/_validate/query
{"query":{"range":{"@timestamp":{"gte":"xx"}}}}`,
	`POST /a,other/_validate/query
{"query":{"range":{"@timestamp":{"gte":"xx"}}}}`,
	`POST /a,b/_validate/query
{"query":{"bool":{"filter":[{"match":{"message":"a b"}}]}}}`,
	`POST /a,other/_validate/query
{"query":{"bool":{"filter":[{"match":{"message":"a b"}}]}}}`,
	`GET /_field_caps?fields=*`,
	`GET /a/_field_caps?fields=*`,
	`GET /a,other/_field_caps?fields=n,lower,zero,only,message,log*`,
	`GET /a,other/_field_caps?fields=n,only,log.level&include_unmapped=true`,
	`GET /a/_field_caps`,
	`GET /a/_field_caps?fields=`,
	`GET /closed/_field_caps?fields=n`,
	`GET /a,closed/_field_caps?fields=n&ignore_unavailable=true`,
	`GET /nope/_field_caps?fields=n`,
	`GET /nope*/_field_caps?fields=n`,
	`GET /nope*/_field_caps?fields=n&allow_no_indices=false`,
	`GET /a,nope/_field_caps?fields=n&ignore_unavailable=true`,
	`GET /_field_caps?fields=n&expand_wildcards=open,hidden&ignore_unavailable=true`,
	`GET /_field_caps?fields=n&expand_wildcards=all`,
	`GET /a/_field_caps?fields=nope`,
	`GET /a/_field_caps?fields=_index,_id,_source,_*`,
	`GET /a/_field_caps?fields=labels,labels.*,labels.app,level,message*,*.keyword`,
	`GET /a/_field_caps?fields=n&filters=x`,
	`GET /a/_field_caps?fields=n&nope=1`,
	`GET /ab/_field_caps?fields=http.*`,
	`GET /shut/_field_caps?fields=n`,
	`GET /a,b/_field_caps?fields=dynamic*&include_unmapped`,
	`GET /a,other/_field_caps?fields=*&include_unmapped=true`,
	`GET /*/_field_caps?fields=@timestamp,event.*,log`,
	`POST /a,b,other/_field_caps?fields=n
{"index_filter":{"range":{"@timestamp":{"gte":"2026"}}}}`,
	`POST /a,b,other/_field_caps?fields=n
{"index_filter":{"range":{"@timestamp":{"gte":"2027"}}}}`,
	`POST /a,b,other/_field_caps?fields=n
{"index_filter":{"term":{"_index":"a"}}}`,
	`POST /a,b,other/_field_caps?fields=n
{"index_filter":{"nope":{}}}`,
	`POST /a,b,other/_field_caps?fields=n
{"nope":1}`,
	`POST /a,b,other/_field_caps?fields=n
{"runtime_mappings":{}}`,
	`POST /a,b,other/_field_caps?fields=n
{"index_filter":{"match_none":{}}}`,
	`POST /a,b,other/_field_caps?fields=n
{"index_filter":{"term":{"log.level":"nowhere"}}}`,
	`POST /a,b,other/_field_caps?fields=n
{"index_filter":{"bool":{"filter":[{"range":{"@timestamp":{"gte":"2019","lt":"2021"}}}]}}}`,
	`POST /_pit?keep_alive=1m`,
	`POST /closed/_pit?keep_alive=1m`,
	`POST /nope/_pit?keep_alive=1m`,
	`POST /a/_pit?keep_alive=x`,
	`POST /a/_pit?keep_alive=1m&nope=1`,
	`POST /a/_pit?keep_alive=1m
{"index_filter":{}}`,
	`POST /nope*/_pit?keep_alive=1m`,
	`POST /a/_pit?keep_alive=1m&ignore_unavailable=true&preference=x&routing=1&expand_wildcards=open&allow_no_indices=true&ignore_throttled=true`,
	`DELETE /_pit`,
	`DELETE /_pit
{}`,
	`DELETE /_pit
[]`,
	`DELETE /_pit?nope=1
{"id":"1"}`,
	`POST /_search
{"pit":{}}`,
	`POST /_search
{"pit":{"id":"x","nope":1}}`,
	`POST /a/_search?scroll=x`,
	`POST /a/_search?scroll=1m&size=0`,
	`POST /a/_search?scroll=1m&from=1`,
	`POST /a/_search?scroll=1m&request_cache=true`,
	`POST /a/_search?scroll=1m&track_total_hits=false`,
	`POST /a/_search?scroll=1m
{"search_after":[1],"sort":["n"]}`,
	`POST /nope*/_search?scroll=1m`,
	`GET /a/_search?scroll=1m&rest_total_hits_as_int=true&size=1&sort=n`,
	`GET /_search/scroll`,
	`GET /_search/scroll
{"scroll":"1m"}`,
	`GET /_search/scroll
[]`,
	`GET /_search/scroll
{"scroll_id":["x"]}`,
	`GET /_search/scroll
{"scroll":1,"scroll_id":"x"}`,
	`GET /_search/scroll?nope=1
{"scroll_id":"x"}`,
	`GET /_search/scroll/abc`,
	`POST /_search/scroll?scroll=1m&scroll_id=abc`,
	`DELETE /_search/scroll`,
	`DELETE /_search/scroll
{}`,
	`DELETE /_search/scroll
{"x":1}`,
	`DELETE /_search/scroll/abc`,
	`DELETE /_search/scroll
{"scroll_id":["abc"]}`,
}
