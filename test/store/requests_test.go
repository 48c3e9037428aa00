package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// handMade are requests that people and programs send, and what is at the edges.
var handMade = []string{
	// Hits and their order.
	`{}`,
	`{"size":0}`,
	`{"size":3,"from":2}`,
	`{"query":{"match_none":{}}}`,
	`{"sort":[{"@timestamp":"desc"}],"size":50}`,
	`{"sort":[{"@timestamp":"asc"}],"size":50}`,
	`{"sort":["@timestamp","n"],"size":30,"from":7}`,
	`{"sort":[{"@timestamp":{"order":"desc","format":"strict_date_optional_time"}},{"n":"desc"}],"size":20}`,
	`{"sort":[{"event.created":"desc"}],"size":20}`,
	`{"sort":[{"event.created":{"order":"asc","missing":"_first"}}],"size":20}`,
	`{"sort":[{"event.created":{"order":"desc","format":"strict_date_optional_time_nanos"}}],"size":5}`,
	`{"sort":"log.level","size":40}`,
	`{"sort":{"log.level":"desc"},"size":40}`,
	`{"sort":[{"level":{"order":"asc","missing":"_first"}}],"size":20}`,
	`{"sort":[{"log.level":{"missing":"m"}}],"size":60}`,
	`{"sort":[{"tags":"asc"}],"size":40}`,
	`{"sort":[{"tags":"desc"}],"size":40}`,
	`{"sort":[{"tags":{"order":"asc","mode":"max"}}],"size":40}`,
	`{"sort":[{"numbers":"asc"}],"size":40}`,
	`{"sort":[{"numbers":"desc"}],"size":40}`,
	`{"sort":[{"numbers":{"order":"desc","mode":"min"}}],"size":40}`,
	`{"sort":[{"numbers":{"order":"desc","mode":"sum"}}],"size":40}`,
	`{"sort":[{"numbers":{"order":"desc","mode":"avg"}}],"size":40}`,
	`{"sort":[{"numbers":{"order":"asc","mode":"median"}}],"size":40}`,
	`{"sort":[{"http.seconds":"desc"}],"size":40}`,
	`{"sort":[{"http.seconds":{"order":"asc","missing":"_first"}}],"size":40}`,
	`{"sort":[{"http.seconds":{"order":"asc","missing":1.5}}],"size":40}`,
	`{"sort":[{"http.status":"desc"},{"log.level":"asc"},{"n":"desc"}],"size":40}`,
	`{"sort":[{"ratio":"desc"}],"size":20}`,
	`{"sort":[{"scaled":"asc"}],"size":20}`,
	`{"sort":[{"ok":"desc"}],"size":60}`,
	`{"sort":[{"client.ip":"asc"}],"size":60}`,
	`{"sort":[{"client.ip":"desc"},"n"],"size":60}`,
	`{"sort":[{"labels.app":"asc"}],"size":20}`,
	`{"sort":["lower"],"size":20}`,
	`{"sort":["zero"],"size":20}`,
	`{"sort":["day"],"size":20}`,
	`{"sort":[{"day":{"order":"desc","format":"yyyy-MM-dd"}}],"size":5}`,
	`{"sort":["_doc"],"size":20}`,
	`{"sort":[{"_doc":"desc"}],"size":20}`,
	`{"sort":["_id"],"size":20}`,
	`{"sort":["_index",{"n":"desc"}],"size":20}`,
	`{"sort":["_score"],"size":5}`,
	`{"sort":["nope"]}`,
	`{"sort":[{"nope":{"unmapped_type":"long"}}],"size":5}`,
	`{"sort":[{"nope":{"unmapped_type":"keyword"}}],"size":5}`,
	`{"sort":["message"]}`,
	`{"sort":["message.keyword"],"size":30}`,
	`{"sort":[{"n":{"order":"sideways"}}]}`,
	`{"sort":[{"n":{"nope":1}}]}`,
	`{"from":9990,"size":20}`,
	`{"size":-1}`,
	`{"sort":[{"@timestamp":"desc"},{"n":"asc"}],"search_after":[1774649000000,900],"size":15}`,
	`{"sort":[{"@timestamp":"asc"},{"n":"asc"}],"search_after":["2026-03-28T06:00:00Z",10],"size":15}`,
	`{"sort":[{"@timestamp":{"order":"desc","format":"strict_date_optional_time"}}],"search_after":["2026-03-28T06:00:00.000Z"],"size":15}`,
	`{"sort":[{"log.level":"asc"},{"n":"asc"}],"search_after":["info",300],"size":15}`,
	`{"sort":[{"log.level":"asc"},{"n":"asc"}],"search_after":[null,300],"size":15}`,
	`{"sort":[{"http.seconds":"asc"},{"n":"asc"}],"search_after":[0.5,0],"size":15}`,
	`{"sort":[{"http.seconds":"asc"},{"n":"asc"}],"search_after":["Infinity",50],"size":15}`,
	`{"sort":[{"client.ip":"asc"},{"n":"asc"}],"search_after":["10.0.0.1",100],"size":15}`,
	`{"sort":[{"n":"asc"}],"search_after":[1,2]}`,
	`{"search_after":[1]}`,
	`{"sort":[{"n":"asc"}],"search_after":[5],"from":1}`,
	// Totals.
	`{"track_total_hits":true,"size":0}`,
	`{"track_total_hits":false,"size":1,"sort":["n"]}`,
	`{"track_total_hits":10,"size":1,"sort":["n"]}`,
	`{"track_total_hits":10,"size":0,"query":{"term":{"log.level":"info"}}}`,
	`{"track_total_hits":5000,"query":{"term":{"log.level":"error"}},"sort":["n"],"size":1}`,
	// What is shown of a hit.
	`{"_source":false,"size":3,"sort":["n"]}`,
	`{"_source":["log.*","n"],"size":10,"sort":["n"]}`,
	`{"_source":"http","size":10,"sort":["n"]}`,
	`{"_source":{"includes":["l*"],"excludes":["*.offset"]},"size":10,"sort":["n"]}`,
	`{"_source":{"excludes":["log","labels.x"]},"size":10,"sort":["n"]}`,
	`{"_source":{"includes":["*.level"]},"size":10,"sort":["n"]}`,
	`{"_source":{"includes":["nope"]},"size":3,"sort":["n"]}`,
	`{"_source":{"nope":1}}`,
	`{"version":true,"seq_no_primary_term":true,"size":5,"sort":["n"]}`,
	`{"track_scores":true,"query":{"bool":{"filter":{"term":{"ok":true}}}},"size":2,"sort":["n"]}`,
	`{"stored_fields":[],"size":3,"sort":["n"]}`,
	`{"stored_fields":"_none_","size":3,"sort":["n"]}`,
	`{"stored_fields":["_source"],"size":3,"sort":["n"]}`,
	`{"fields":["*"],"_source":false,"size":60,"sort":["n"]}`,
	`{"fields":["log.*","message",{"field":"@timestamp","format":"epoch_millis"}],"size":10,"sort":["n"]}`,
	`{"fields":["labels.app","level","lower","zero"],"_source":false,"size":20,"sort":["n"]}`,
	`{"fields":[{"field":"event.created","format":"yyyy-MM-dd HH:mm:ss.SSS"}],"_source":false,"size":10,"sort":["n"]}`,
	`{"fields":[{"field":"n","format":"yyyy"}],"_source":false,"size":10,"sort":["n"]}`,
	`{"docvalue_fields":["log.level","log.offset","http.seconds","ok","client.ip","tags","numbers","scaled"],"_source":false,"size":40,"sort":["n"]}`,
	`{"docvalue_fields":[{"field":"@timestamp","format":"epoch_millis"},"event.created","day"],"_source":false,"size":10,"sort":["n"]}`,
	`{"docvalue_fields":["ratio"],"_source":false,"size":10,"sort":["n"]}`,
	`{"docvalue_fields":["*.level","nope"],"_source":false,"size":4,"sort":["n"]}`,
	`{"post_filter":{"term":{"log.level":"warn"}},"size":5,"sort":["n"],"aggs":{"l":{"terms":{"field":"log.level"}}}}`,
	// What is not known or not served.
	`{"nope":1}`, `{"query":{"nope":{}}}`, `{"aggs":{"x":{"nope":{}}}}`, `{"aggs":{"x":{}}}`, `{"aggs":{"x":{"terms":{}}}}`, `{"aggs":{"a>b":{"terms":{"field":"n"}}}}`,
	`{"aggs":{"x":{"terms":{"field":"tags"},"avg":{"field":"n"}}}}`, `{"aggs":{"x":{"avg":{"field":"n"},"aggs":{"y":{"avg":{"field":"n"}}}}}}`,
	`{"timeout":"1m","size":1,"sort":["n"]}`, `{"timeout":"soon"}`, `{"terminate_after":0,"size":1,"sort":["n"]}`, `{"explain":false,"size":1,"sort":["n"]}`,
	`{"pit":{"id":"x"},"nope":1}`,
	// Highlights.
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout"}}]}},"highlight":{"fields":{"message":{"number_of_fragments":0}}},"size":10,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout lock"}}]}},"highlight":{"pre_tags":["<b>"],"post_tags":["</b>"],"fields":{"message":{"number_of_fragments":0}}},"size":10,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match_phrase":{"message":"closed by"}}]}},"highlight":{"fields":{"*":{"number_of_fragments":0}}},"size":10,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"term":{"log.level":"info"}}]}},"highlight":{"fields":{"log.level":{}}},"_source":false,"size":10,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"wildcard":{"log.level":"in*"}}]}},"highlight":{"fields":{"log.*":{}}},"_source":false,"size":10,"sort":["n"]}`,
	`{"query":{"query_string":{"query":"message:time* AND log.level:info"}},"highlight":{"fields":{"message":{"number_of_fragments":0}}},"_source":false,"size":10,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout"}}],"must_not":[{"match":{"message":"lock"}}]}},"highlight":{"require_field_match":false,"fields":{"message":{"number_of_fragments":0}}},"_source":false,"size":10,"sort":["n"]}`,
	`{"query":{"match_all":{}},"highlight":{"fields":{"message":{"number_of_fragments":0,"highlight_query":{"match":{"message":"peer"}}}}},"_source":false,"size":10,"sort":["n"]}`,
	`{"query":{"match_all":{}},"highlight":{"encoder":"html","fields":{"message":{"number_of_fragments":0,"highlight_query":{"match":{"message":"peer"}}}}},"_source":false,"size":10,"sort":["n"]}`,
	// Aggregations: metrics.
	`{"size":0,"aggs":{"a":{"min":{"field":"log.offset"}},"b":{"max":{"field":"log.offset"}},"c":{"avg":{"field":"log.offset"}},"d":{"sum":{"field":"log.offset"}},"e":{"stats":{"field":"log.offset"}},"f":{"value_count":{"field":"log.offset"}},"g":{"cardinality":{"field":"http.status"}}}}`,
	`{"size":0,"aggs":{"a":{"stats":{"field":"http.seconds"}},"b":{"stats":{"field":"ratio"}},"c":{"stats":{"field":"scaled"}},"d":{"stats":{"field":"numbers"}},"e":{"stats":{"field":"zero"}}}}`,
	`{"size":0,"aggs":{"a":{"min":{"field":"@timestamp"}},"b":{"max":{"field":"@timestamp","format":"yyyy-MM-dd"}},"c":{"avg":{"field":"@timestamp"}},"e":{"max":{"field":"event.created"}},"f":{"min":{"field":"day"}}}}`,
	`{"size":0,"aggs":{"a":{"stats":{"field":"ok"}},"b":{"avg":{"field":"ok"}},"c":{"max":{"field":"ok"}}}}`,
	`{"size":0,"aggs":{"a":{"value_count":{"field":"tags"}},"b":{"value_count":{"field":"numbers"}},"c":{"value_count":{"field":"ok"}},"d":{"value_count":{"field":"client.ip"}},"e":{"value_count":{"field":"nope"}},"f":{"value_count":{"field":"message.keyword"}}}}`,
	`{"size":0,"aggs":{"a":{"cardinality":{"field":"tags"}},"b":{"cardinality":{"field":"numbers"}},"c":{"cardinality":{"field":"ok"}},"d":{"cardinality":{"field":"client.ip"}},"e":{"cardinality":{"field":"nope"}},"f":{"cardinality":{"field":"labels.app"}},"g":{"cardinality":{"field":"tags","missing":"q"}}}}`,
	`{"size":0,"aggs":{"a":{"avg":{"field":"http.status","missing":0}},"b":{"sum":{"field":"nope"}},"c":{"avg":{"field":"nope"}},"d":{"stats":{"field":"nope"}},"e":{"sum":{"field":"nope","missing":2}}}}`,
	`{"size":0,"aggs":{"a":{"avg":{"field":"tags"}}}}`,
	`{"size":0,"aggs":{"a":{"avg":{"field":"message"}}}}`,
	`{"size":0,"aggs":{"a":{"cardinality":{"field":"message"}}}}`,
	`{"size":0,"query":{"match_none":{}},"aggs":{"a":{"stats":{"field":"n"}},"b":{"terms":{"field":"tags"}},"c":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"}},"d":{"cardinality":{"field":"n"}},"e":{"filter":{"term":{"ok":true}}},"f":{"range":{"field":"n","ranges":[{"to":5}]}}}}`,
	`{"size":0,"aggs":{"a":{"avg":{"field":"n"},"meta":{"x":[1,"y"]}}}}`,
	// terms.
	`{"size":0,"aggs":{"x":{"terms":{"field":"log.level"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"level","size":2}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"log.level","missing":"none"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"log.level","order":{"_key":"asc"}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"log.level","order":{"_count":"asc"}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"log.level","order":[{"m":"desc"},{"_key":"desc"}]},"aggs":{"m":{"avg":{"field":"http.seconds"}}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","order":{"s.max":"asc"}},"aggs":{"s":{"stats":{"field":"http.seconds"}}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","order":{"f>m.value":"asc"}},"aggs":{"f":{"filter":{"term":{"log.level":"error"}},"aggs":{"m":{"avg":{"field":"n"}}}}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","order":{"f":"asc"}},"aggs":{"f":{"filter":{"term":{"log.level":"error"}}}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","order":{"nope":"asc"}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","min_doc_count":100}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","include":["a","c","zz"]}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","exclude":["a","c"]}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","include":"[a-d]","exclude":"b|c"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"http.status","include":[200,500]}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"http.status","include":"2.*"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"http.status"}},"y":{"terms":{"field":"numbers","size":20,"shard_size":2000}},"z":{"terms":{"field":"zero"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"ok"}},"y":{"terms":{"field":"client.ip"}},"l":{"terms":{"field":"lower"}},"k":{"terms":{"field":"labels.app"}},"v":{"terms":{"field":"labels.x.y"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"scaled","size":5,"shard_size":2000}},"y":{"terms":{"field":"ratio","size":5,"shard_size":2000}},"z":{"terms":{"field":"dynamic.float","size":7,"shard_size":2000}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"@timestamp","size":5,"shard_size":200000}},"y":{"terms":{"field":"day","size":5}},"z":{"terms":{"field":"@timestamp","size":3,"shard_size":200000,"format":"yyyy-MM-dd"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"nope"}},"y":{"terms":{"field":"nope","missing":"a"}},"z":{"terms":{"field":"nope","missing":3}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"message"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"message.keyword","size":5,"shard_size":200000}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"dynamic.text.keyword","size":50}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"_index"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","size":0}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","show_term_doc_count_error":true,"shard_size":100,"execution_hint":"map","collect_mode":"breadth_first"}}}}`,
	// date_histogram.
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"90m","min_doc_count":1}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"day"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"1d","time_zone":"Europe/Paris"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"hour","time_zone":"Europe/Paris"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"6h","time_zone":"Europe/Paris"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1d","time_zone":"+05:30"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"week","time_zone":"America/New_York"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"month"}},"q":{"date_histogram":{"field":"@timestamp","calendar_interval":"quarter"}},"y":{"date_histogram":{"field":"@timestamp","calendar_interval":"year"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"6h","offset":"+30m"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"1d","offset":"-6h"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"3h","format":"yyyy-MM-dd HH:mm"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"12h","keyed":true,"format":"yyyy-MM-dd'T'HH:mm"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"12h","order":{"_key":"desc"}}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"12h","order":{"_count":"desc"}}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","order":{"m":"desc"}},"aggs":{"m":{"max":{"field":"http.seconds"}}}}}}`,
	`{"size":0,"query":{"term":{"log.level":"error"}},"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","extended_bounds":{"min":"2026-03-27T20:00:00Z","max":"2026-03-28T20:00:00Z"}}}}}`,
	`{"size":0,"query":{"match_none":{}},"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","extended_bounds":{"min":1774649000000,"max":1774660000000}}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","hard_bounds":{"min":"2026-03-28T01:00:00Z","max":"2026-03-28T05:00:00Z"}}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"event.created","fixed_interval":"2h"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"day","calendar_interval":"day"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"day","calendar_interval":"day","missing":"2026/03/20"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"nope","calendar_interval":"day"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"tags","calendar_interval":"day"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"2d"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1ms"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","interval":"3h"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"4h"},"aggs":{"l":{"terms":{"field":"log.level"},"aggs":{"s":{"stats":{"field":"http.seconds"}},"c":{"cardinality":{"field":"tags"}}}}}}}}`,
	`{"size":0,"aggs":{"l":{"terms":{"field":"log.level"},"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"4h"},"aggs":{"m":{"avg":{"field":"n"}}}}}}}}`,
	`{"size":0,"aggs":{"l":{"terms":{"field":"log.level"},"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1d","min_doc_count":0,"extended_bounds":{"min":"2026-03-25","max":"2026-03-30"}}}}}}}`,
	// histogram, range, date_range, filter, filters, missing.
	`{"size":0,"aggs":{"x":{"histogram":{"field":"log.offset","interval":50000}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"http.status","interval":100,"min_doc_count":1}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"scaled","interval":0.5,"offset":0.1}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"numbers","interval":100,"keyed":true}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"http.status","interval":100,"extended_bounds":{"min":0,"max":800}}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"http.status","interval":100,"hard_bounds":{"min":300,"max":500}}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"http.status","interval":100,"missing":0,"order":{"_count":"desc"}}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"n","interval":0}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"tags","interval":5}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"http.seconds","ranges":[{"to":0.1},{"from":0.1,"to":1},{"from":1,"key":"slow"},{"from":0.5,"to":2}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"numbers","keyed":true,"ranges":[{"to":5},{"from":5}]},"aggs":{"m":{"avg":{"field":"n"}}}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"http.status","missing":1,"ranges":[{"to":200},{"from":200}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"tags","ranges":[{"to":5}]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"n","ranges":[]}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"nope","ranges":[{"to":5}]}}}}`,
	`{"size":0,"aggs":{"x":{"date_range":{"field":"@timestamp","ranges":[{"to":"2026-03-28"},{"from":"2026-03-28","to":"2026-03-28T06:00:00Z"},{"from":"2026-03-28||+6h"}]}}}}`,
	`{"size":0,"aggs":{"x":{"date_range":{"field":"@timestamp","time_zone":"Europe/Paris","format":"yyyy-MM-dd","keyed":true,"ranges":[{"to":"2026-03-28"},{"from":"2026-03-28","key":"later"}]}}}}`,
	`{"size":0,"aggs":{"x":{"date_range":{"field":"@timestamp","ranges":[{"to":1774663200000},{"from":1774663200000}]}}}}`,
	`{"size":0,"aggs":{"x":{"filter":{"bool":{"must":[{"term":{"ok":true}}],"must_not":[{"exists":{"field":"http"}}]}},"aggs":{"m":{"min":{"field":"n"}}}}}}`,
	`{"size":0,"aggs":{"x":{"filters":{"filters":{"e":{"term":{"log.level":"error"}},"w":{"prefix":{"log.level":"w"}}}},"aggs":{"m":{"avg":{"field":"n"}}}}}}`,
	`{"size":0,"aggs":{"x":{"filters":{"other_bucket_key":"rest","filters":[{"term":{"log.level":"error"}},{"exists":{"field":"tags"}}]}}}}`,
	`{"size":0,"aggs":{"x":{"filters":{"other_bucket":true,"filters":{"e":{"term":{"log.level":"error"}}}}}}}`,
	`{"size":0,"aggs":{"x":{"filters":{"filters":[]}}}}`,
	`{"size":0,"aggs":{"a":{"missing":{"field":"log.level"}},"b":{"missing":{"field":"tags"}},"c":{"missing":{"field":"nope"}},"d":{"missing":{"field":"numbers"},"aggs":{"m":{"max":{"field":"n"}}}},"e":{"missing":{"field":"message.keyword"}},"f":{"missing":{"field":"zero"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1d","min_doc_count":"1"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"tags","size":"3"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"1D"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1w"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"month"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","interval":"7m"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1.5h"}}}}`,
	`{"size":0,"aggs":{"x":{"value_count":{"field":"_index"}}}}`,
	`{"size":0,"aggs":{"x":{"cardinality":{"field":"_index"}}}}`,
	`{"size":0,"aggs":{"x":{"max":{"field":"event.created","missing":0}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"day","size":1,"missing":"2020/01/01"}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"@timestamp","ranges":[{"from":1774656000000}]}}}}`,
	`{"size":0,"aggs":{"x":{"filters":{"filters":{"a":{"match_all":{}}}},"aggs":{"t":{"top_hits":{"size":1,"_source":"n","sort":[{"n":"asc"},"_index"],"highlight":{"fields":{"message":{}}}}}}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"@timestamp","interval":86400000}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"@timestamp","interval":86400000,"keyed":true}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"ok","interval":1}}}}`,
	`{"size":0,"aggs":{"x":{"histogram":{"field":"ok","interval":1,"keyed":true}}}}`,
	`{"size":0,"aggs":{"x":{"date_range":{"field":"n","ranges":[{"to":5}]}}}}`,
	`{"size":0,"aggs":{"x":{"missing":{"field":"message"}}}}`,
	`{"size":0,"aggs":{"x":{"min":{"field":"client.ip"}}}}`,
	`{"size":0,"aggs":{"x":{"range":{"field":"ok","ranges":[{"to":1}]}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"n","fixed_interval":"1s"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"ok","fixed_interval":"1s"}}}}`,
	`{"size":0,"aggs":{"x":{"avg":{"field":"n","script":"1"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"lower","include":["abc"]}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"ok","include":["true"]}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"client.ip","include":["10.0.0.1"]}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"http.status","missing":-1,"order":{"_key":"asc"}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"ok","missing":true}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"client.ip","missing":"1.2.3.4"}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"http.seconds","missing":0.5,"size":1,"shard_size":90000}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"size":1000,"sources":[{"t":{"date_histogram":{"field":"@timestamp","calendar_interval":"1h","time_zone":"Europe/Paris"}}}]}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"hour","time_zone":"Australia/Lord_Howe"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"1m","time_zone":"Europe/Paris","min_doc_count":1}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"45m","time_zone":"Europe/Paris"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"7h","time_zone":"Europe/Paris","offset":"2h"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"day","time_zone":"Asia/Beirut"}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","calendar_interval":"day","time_zone":"Europe/Paris","extended_bounds":{"min":"2026-03-20","max":"2026-04-04"}}}}}`,
	`{"size":0,"aggs":{"x":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","keyed":true,"time_zone":"Europe/Paris"}}}}`,
	// composite, top_hits.
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"l":{"terms":{"field":"log.level"}}},{"o":{"terms":{"field":"ok"}}}],"size":5}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"l":{"terms":{"field":"log.level"}}},{"o":{"terms":{"field":"ok"}}}],"size":5,"after":{"l":"error","o":false}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"l":{"terms":{"field":"log.level","missing_bucket":true}}},{"s":{"terms":{"field":"http.status","order":"desc"}}}],"size":50}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"t":{"date_histogram":{"field":"@timestamp","fixed_interval":"3h"}}},{"g":{"terms":{"field":"tags"}}}],"size":20},"aggs":{"m":{"avg":{"field":"n"}}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"t":{"date_histogram":{"field":"@timestamp","calendar_interval":"1d","format":"yyyy-MM-dd","time_zone":"Europe/Paris"}}}],"size":20}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"t":{"date_histogram":{"field":"@timestamp","calendar_interval":"1d","format":"yyyy-MM-dd"}}}],"size":20,"after":{"t":"2026-03-27"}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"h":{"histogram":{"field":"log.offset","interval":100000}}},{"i":{"terms":{"field":"client.ip"}}}],"size":20}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"h":{"histogram":{"field":"log.offset","interval":100000}}}],"size":3,"after":{"h":200000}}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"a":{"terms":{"field":"numbers"}}},{"b":{"terms":{"field":"tags","order":"desc"}}}],"size":30}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[{"a":{"terms":{"field":"nope"}}}]}}}}`,
	`{"size":0,"aggs":{"x":{"composite":{"sources":[]}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"log.level"},"aggs":{"y":{"composite":{"sources":[{"a":{"terms":{"field":"ok"}}}]}}}}}}`,
	`{"size":0,"aggs":{"x":{"terms":{"field":"log.level"},"aggs":{"t":{"top_hits":{"size":2,"sort":[{"@timestamp":"desc"},"n"],"_source":["n"]}}}}}}`,
	`{"size":0,"aggs":{"x":{"filter":{"match_all":{}},"aggs":{"t":{"top_hits":{"size":1,"from":1,"sort":["n"],"_source":false,"docvalue_fields":["n"]}}}}}}`,
	`{"size":0,"aggs":{"t":{"top_hits":{"size":200}}}}`,
	// As logtui, Grafana and Kibana ask.
	`{"size":200,"sort":[{"@timestamp":{"order":"desc","unmapped_type":"boolean"}},{"_doc":{"order":"desc"}}],"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":1774649000000,"lte":1774670000000,"format":"epoch_millis"}}},{"query_string":{"analyze_wildcard":true,"query":"log.level:info"}}]}},"aggs":{}}`,
	`{"size":0,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":1774640000000,"lte":1774680000000,"format":"epoch_millis"}}},{"query_string":{"analyze_wildcard":true,"query":"*"}}]}},"aggs":{"3":{"terms":{"field":"log.level","size":10,"order":{"_key":"desc"},"min_doc_count":1},"aggs":{"2":{"date_histogram":{"fixed_interval":"10m","field":"@timestamp","min_doc_count":0,"extended_bounds":{"min":1774640000000,"max":1774680000000},"format":"epoch_millis"},"aggs":{}}}}}}`,
	`{"track_total_hits":true,"size":5,"sort":[{"@timestamp":{"order":"desc","format":"strict_date_optional_time","unmapped_type":"boolean"}},{"_doc":{"order":"desc","unmapped_type":"boolean"}}],"fields":[{"field":"*","include_unmapped":"true"},{"field":"@timestamp","format":"strict_date_optional_time"}],"_source":false,"query":{"bool":{"must":[],"filter":[{"range":{"@timestamp":{"format":"strict_date_optional_time","gte":"2026-03-28T00:00:00.000Z","lte":"2026-03-28T10:00:00.000Z"}}}],"should":[],"must_not":[]}}}`,
}

// highlights are requests for pieces of texts.
var highlights = []string{
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout"}}]}},"highlight":{"fields":{"message":{}}},"_source":false,"size":30,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout lock sequence"}}]}},"highlight":{"fields":{"message":{"fragment_size":20}}},"_source":false,"size":30,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout lock sequence"}}]}},"highlight":{"fields":{"message":{"fragment_size":50,"number_of_fragments":1}}},"_source":false,"size":30,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match":{"message":"closed peer waiting by for"}}]}},"highlight":{"fields":{"message":{"fragment_size":10,"number_of_fragments":2}}},"_source":false,"size":60,"sort":["n"]}`,
	`{"query":{"match_all":{}},"highlight":{"fields":{"message":{"no_match_size":50}}},"_source":false,"size":30,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout"}}]}},"highlight":{"fields":{"message":{"fragment_size":0}}},"_source":false,"size":30,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"match":{"message":"timeout"}}]}},"highlight":{"fields":{"message.keyword":{},"message":{}}},"_source":false,"size":30,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"terms":{"tags":["a","b"]}}]}},"highlight":{"fields":{"tags":{}}},"_source":false,"size":30,"sort":["n"]}`,
	`{"query":{"bool":{"filter":[{"prefix":{"message.keyword":"cache"}}]}},"highlight":{"fields":{"message*":{}}},"_source":false,"size":30,"sort":["n"]}`,
}

// withAggregations goes with urls.
const withAggregations = `{"size":4,"sort":["n","_index"],"aggs":{"a":{"terms":{"field":"tags"},"aggs":{"b":{"avg":{"field":"n"}},"c":{"date_histogram":{"field":"@timestamp","calendar_interval":"day"}}}},
"d":{"terms":{"field":"numbers","shard_size":5000}},"e":{"terms":{"field":"ratio","size":2,"shard_size":90000}},"f":{"missing":{"field":"tags"}},"g":{"cardinality":{"field":"ok"}},"h":{"range":{"field":"n","ranges":[{"to":5}]}},"i":{"value_count":{"field":"n"}}}}`

// urls are parameters of the URL, beside a body with aggregations.
var urls = []string{
	"typed_keys=true", "rest_total_hits_as_int=true", "rest_total_hits_as_int=true&track_total_hits=true", "rest_total_hits_as_int=true&track_total_hits=10", "track_total_hits=10", "track_total_hits=false",
	"size=2&from=1", "size=x", "sort=n:desc,_index:desc", "sort=@timestamp:asc,n:desc,_index",
	"_source=false", "_source=n,log.*", "_source_includes=n,tags&_source_excludes=tags", "_source_excludes=message", "stored_fields=_none_", "docvalue_fields=n,tags",
	"version=true&seq_no_primary_term=true", "track_scores=true", "timeout=10s", "timeout=x", "preference=_local&request_cache=true", "nope=1",
	"q=log.level:error", "q=error&df=log.level", "q=timeout+lock&default_operator=AND&df=message", "q=time*&df=message&analyze_wildcard=true", "q=(", "q=n:x&lenient=true",
}

// generate makes a request of random parts.
func generate(r *rand.Rand) string {
	one := func(list ...string) string { return list[r.IntN(len(list))] }
	leaf := func() string {
		switch r.IntN(7) {
		case 0:
			return fmt.Sprintf(`{"term":{"log.level":"%s"}}`, one("info", "warn", "error", "debug"))
		case 1:
			return fmt.Sprintf(`{"range":{"@timestamp":{"gte":"2026-03-28T%02d:00:00Z"}}}`, r.IntN(8))
		case 2:
			return fmt.Sprintf(`{"match":{"message":"%s"}}`, words[r.IntN(len(words))])
		case 3:
			return fmt.Sprintf(`{"terms":{"tags":["%s","%s"]}}`, one("a", "b"), one("c", "d"))
		case 4:
			return fmt.Sprintf(`{"exists":{"field":"%s"}}`, one("http.status", "ratio", "ok", "tags"))
		case 5:
			return fmt.Sprintf(`{"range":{"numbers":{"lt":%d}}}`, r.IntN(300))
		}
		return `{"match_all":{}}`
	}
	query := fmt.Sprintf(`{"bool":{"filter":[%s,%s],"must_not":[%s]}}`, leaf(), leaf(), fmt.Sprintf(`{"term":{"n":%d}}`, r.IntN(100)))
	metric := func() string {
		if r.IntN(6) == 0 { // of fields with so few values that Elasticsearch counts them
			return fmt.Sprintf(`{"cardinality":{"precision_threshold":40000,"field":"%s"}}`, one("http.status", "numbers", "scaled", "dynamic.number", "tags", "client.ip"))
		}
		return fmt.Sprintf(`{"%s":{"field":"%s"}}`, one("min", "max", "avg", "sum", "stats", "value_count"), one("n", "http.seconds", "numbers", "http.status", "scaled", "dynamic.number"))
	}
	var aggs func(depth int) string
	aggs = func(depth int) string {
		if depth == 0 || r.IntN(4) == 0 {
			return metric()
		}
		sub := fmt.Sprintf(`"aggs":{"s":%s,"m":{"avg":{"field":"n"}}}`, aggs(depth-1))
		order := one(`{"_key":"asc"}`, `{"_count":"desc"}`, `{"m":"asc"}`, `[{"_count":"asc"},{"_key":"desc"}]`)
		switch r.IntN(7) {
		case 0:
			return fmt.Sprintf(`{"date_histogram":{"field":"%s","%s,"time_zone":"%s","min_doc_count":%d},%s}`, one("@timestamp", "event.created"),
				one(`fixed_interval":"5h"`, `calendar_interval":"1d"`, `calendar_interval":"hour"`, `fixed_interval":"30h"`, `calendar_interval":"week"`, `calendar_interval":"month"`),
				one("UTC", "Europe/Berlin", "America/St_Johns", "-03:00", "Asia/Kathmandu"), r.IntN(2), sub)
		case 1:
			return fmt.Sprintf(`{"histogram":{"field":"%s","interval":%d,"min_doc_count":%d},%s}`, one("http.status", "log.offset", "numbers"), 100+r.IntN(50000), 1+r.IntN(2), sub)
		case 2:
			return fmt.Sprintf(`{"range":{"field":"%s","ranges":[{"to":%d},{"from":3,"to":%d},{"from":9}]},%s}`, one("numbers", "http.seconds", "n"), r.IntN(20), 4+r.IntN(400), sub)
		case 3:
			return fmt.Sprintf(`{"filters":{"filters":{"x":%s,"y":%s},"other_bucket":%v},%s}`, leaf(), leaf(), r.IntN(2) == 0, sub)
		case 4:
			return fmt.Sprintf(`{"filter":%s,%s}`, leaf(), sub)
		}
		return fmt.Sprintf(`{"terms":{"field":"%s","size":%d,"shard_size":5000,"order":%s},%s}`, one("log.level", "tags", "http.status", "ok", "client.ip", "lower", "labels.tier", "numbers", "scaled"), 1+r.IntN(12), order, sub)
	}
	sorts := []string{`"n"`}
	for range r.IntN(3) {
		sorts = append([]string{fmt.Sprintf(`{"%s":{"order":"%s","missing":"%s"}}`, one("@timestamp", "log.level", "http.status", "http.seconds", "tags", "numbers", "ok", "client.ip", "event.created", "zero", "scaled"), one("asc", "desc"), one("_first", "_last"))}, sorts...)
	}
	list := strings.Join(sorts, ",")
	return fmt.Sprintf(`{"size":%d,"from":%d,"track_total_hits":%s,"_source":["n","tags"],"query":%s,"sort":[%s],"aggs":{"x":%s}}`, r.IntN(30), r.IntN(10), one("true", "100", "false"), query, list, aggs(2))
}
