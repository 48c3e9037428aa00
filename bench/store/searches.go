package main

import (
	"fmt"
	"strings"
	"time"
)

// mappings are those of the index: what podbeat's template makes of the documents, and a field of type wildcard for the message.
const mappings = `{"dynamic_templates":[{"strings":{"match_mapping_type":"string","mapping":{"type":"keyword","ignore_above":1024}}}],
"properties":{"@timestamp":{"type":"date"},"message":{"type":"text","fields":{"all":{"type":"wildcard"}}},
"log":{"properties":{"level":{"type":"keyword"},"offset":{"type":"long"}}},
"event":{"properties":{"created":{"type":"date"},"sequence":{"type":"long"}}}}}`

// search is the body of a search, and how many hits or, with size 0, documents in buckets there must be at least.
type search struct{ name, body string }

// searches are for n documents.
func searches(n int) []search {
	p := newGenerator(1).pods
	rare := p[len(p)-1]
	// The number that a message in the middle carries is in no other.
	g := newGenerator(1)
	word := ""
	for seq := 0; seq < n/2 || word == ""; seq++ {
		_, source, _ := g.next()
		if _, rest, ok := strings.Cut(string(source), "sq#"); ok && seq >= n/2 {
			word = rest[:8]
		}
	}
	bar := max(time.Duration(n)*interval/60, time.Second).Truncate(time.Second) / time.Second
	term := func(field string, value any) string {
		if text, ok := value.(string); ok {
			value = `"` + text + `"`
		}
		return fmt.Sprintf(`{"term":{"%s":%v}}`, field, value)
	}
	both := func(queries ...string) string { return `{"bool":{"filter":[` + strings.Join(queries, ",") + `]}}` }
	newest := func(query string) string {
		return `{"size":200,"sort":[{"@timestamp":"desc"}],"query":` + query + `}`
	}
	found := func(query string) string { return `{"query":` + query + `}` }
	half := firstTime.Add(time.Duration(n) * interval / 2).Format(time.RFC3339)
	errors := both(term("kubernetes.namespace", "team-3"), term("log.level", "error"))
	levels := fmt.Sprintf(`{"bars":{"date_histogram":{"field":"@timestamp","fixed_interval":"%ds"},"aggs":{"levels":{"terms":{"field":"log.level"}}}}}`, bar)
	return []search{
		{"newest 200", newest(`{"match_all":{}}`)},
		{"newest 200 errors of a namespace", newest(errors)},
		{"the same, totals not asked for", `{"track_total_hits":false,` + newest(errors)[1:]},
		{"newest 200 of a pod that writes little", newest(term("kubernetes.pod.name", rare.name))},
		{"newest 200 with a word", newest(`{"match":{"message":"partition"}}`)},
		{"histogram: 60 buckets by level", `{"size":0,"aggs":` + levels + `}`},
		{"histogram of the last half, of errors", fmt.Sprintf(`{"size":0,"query":%s,"aggs":%s}`, both(term("log.level", "error"), `{"range":{"@timestamp":{"gte":"`+half+`"}}}`), levels)},
		{"the 20 pods that write most", `{"size":0,"aggs":{"pods":{"terms":{"field":"kubernetes.pod.name","size":20}}}}`},
		{"term: one id of a container", found(term("container.id", rare.id))},
		{"term: event.sequence, a number", found(term("event.sequence", n/2))},
		{"term: an offset that many have", found(term("log.offset", 212))},
		{"term: a pod's uid", found(term("kubernetes.pod.uid", rare.uid))},
		{"term: log.file.path", found(term("log.file.path", fmt.Sprintf("/var/log/pods/%s_%s_%s/%s/0.log", rare.namespace, rare.name, rare.uid, rare.container)))},
		{"term: event.created, a time", found(term("event.created", half))},
		{"term: _id", found(`{"ids":{"values":["` + rare.uid[:8] + rare.id[:24] + `-212"]}}`)},
		{"word, rare", found(`{"match":{"message":"` + word + `"}}`)},
		{"word, common", `{"track_total_hits":true,` + found(`{"match":{"message":"partition"}}`)[1:]},
		{"words next to each other, rare", found(`{"match_phrase":{"message":"sq ` + word + `"}}`)},
		{"words next to each other", `{"track_total_hits":true,` + found(`{"match_phrase":{"message":"renewed lease"}}`)[1:]},
		{"part of a word", found(`{"wildcard":{"message":"*` + word[1:7] + `*"}}`)},
		{"part of the text", found(`{"wildcard":{"message.all":"*` + word[1:7] + `*"}}`)},
		{"part of the text, any case", found(`{"wildcard":{"message.all":{"value":"*SQ#` + word[:7] + `*","case_insensitive":true}}}`)},
		{"part of the text that none has", found(`{"wildcard":{"message.all":"*nowhere to be found*"}}`)},
		{"query_string", newest(`{"query_string":{"query":"log.level:error AND message:(timeout OR \"lease renewed\")","default_field":"message"}}`)},
	}
}
