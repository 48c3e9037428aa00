package search

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// FuzzSearch reads a body and executes it: nothing may panic, and an answer must be JSON.
func FuzzSearch(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"size":3,"sort":[{"n":{"order":"desc","missing":"_first","mode":"avg"}},"_doc"],"search_after":[1,2]}`,
		`{"_source":{"includes":["a*"],"excludes":["n"]},"fields":["*",{"field":"@timestamp","format":"epoch_millis"}],"docvalue_fields":["n"]}`,
		`{"query":{"match":{"level":"info"}},"highlight":{"fields":{"level":{"number_of_fragments":2,"fragment_size":5}}}}`,
		`{"aggs":{"a":{"terms":{"field":"level.keyword","order":{"b>c.max":"asc"},"include":"i.*"},"aggs":{"b":{"filter":{"match_all":{}},"aggs":{"c":{"stats":{"field":"n"}}}}}}}}`,
		`{"aggs":{"a":{"date_histogram":{"field":"@timestamp","calendar_interval":"1M","time_zone":"Europe/Paris","offset":"-1h","extended_bounds":{"min":0,"max":"now"}},"aggs":{"t":{"top_hits":{"size":1}}}}}}`,
		`{"aggs":{"a":{"histogram":{"field":"n","interval":0.1,"extended_bounds":{"min":-1e300,"max":1e300}}}}}`,
		`{"aggs":{"a":{"composite":{"size":2,"sources":[{"x":{"terms":{"field":"level.keyword"}}},{"y":{"histogram":{"field":"n","interval":3}}}],"after":{"x":"info","y":3}}}}}`,
		`{"aggs":{"a":{"range":{"field":"n","ranges":[{"to":3},{"from":1}]}},"b":{"date_range":{"field":"@timestamp","ranges":[{"from":"now-1d/d"}]}},"c":{"filters":{"filters":{"x":{"match_all":{}}},"other_bucket":true}},"d":{"missing":{"field":"q"}},"e":{"cardinality":{"field":"n","missing":"x"}}}}`,
		`{"pit":{"id":"a","keep_alive":"1m"},"sort":["_shard_doc"],"track_total_hits":3,"timeout":"1s","from":2,"size":-1}`,
	} {
		f.Add(seed)
	}
	l := newLogs(f, 40)
	over := l.over(f)
	defer over[0].View.Release()
	f.Fuzz(func(t *testing.T, request string) {
		v, err := body.Parse([]byte(request))
		if err != nil {
			return
		}
		r, err := Parse(v)
		if err != nil {
			return
		}
		response, err := Run(t.Context(), over, r, time.Unix(1_800_000_000, 0))
		if err != nil {
			return
		}
		defer response.Close()
		var text bytes.Buffer
		if err := response.Write(&text); err != nil || !json.Valid(text.Bytes()) {
			t.Errorf("%s\nis answered with\n%s and error %v", request, text.Bytes(), err)
		}
	})
}
