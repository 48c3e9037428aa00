package take

import (
	"fmt"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// What Kibana reads from an address is what was meant.
func TestKibana(t *testing.T) {
	d := Discover{
		Base: "https://kibana.example.com:5601/s/ops/", View: "logstash-*", Query: `message: "it's 100% <&> #1 + ü!" and not a: b`,
		From: "2026-11-20T10:00:00.000Z", To: "now-15m", Columns: []string{"log.level", "message"},
		Filters: []Filter{
			{Field: "log.level", Value: "error", Not: true},
			{Field: "trace.id", Exists: true, Off: true},
			{Field: "kubernetes.namespace", Value: "7", Pinned: true},
		},
	}
	got, err := Kibana(d)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(got)
	if err != nil || strings.ContainsAny(got, " \"<>") || u.Host != "kibana.example.com:5601" || u.Path != "/s/ops/app/discover" {
		t.Fatal(got, err)
	}
	// A fragment's own escapes are still there for Kibana to take off, from each part of its query.
	_, fragment, _ := strings.Cut(got, "#/?")
	parts, err := url.ParseQuery(fragment)
	if err != nil {
		t.Fatal(err)
	}
	type m = map[string]any
	type a = []any
	f := func(part string, want any) {
		t.Helper()
		if got := derison(t, parts.Get(part)); !reflect.DeepEqual(got, want) {
			t.Errorf("%s is\n%v, want\n%v", part, got, want)
		}
	}
	f("_g", m{
		"filters": a{m{"$state": m{"store": "globalState"}, "query": m{"match_phrase": m{"kubernetes.namespace": "7"}},
			"meta": m{"alias": nil, "disabled": false, "index": "logstash-*", "key": "kubernetes.namespace", "negate": false, "params": m{"query": "7"}, "type": "phrase"}}},
		"refreshInterval": m{"pause": true, "value": 0}, "time": m{"from": d.From, "to": "now-15m"},
	})
	f("_a", m{
		"columns": a{"log.level", "message"}, "index": "logstash-*", "interval": "auto",
		"query": m{"language": "kuery", "query": d.Query}, "sort": a{a{"@timestamp", "desc"}},
		"filters": a{
			m{"$state": m{"store": "appState"}, "query": m{"match_phrase": m{"log.level": "error"}},
				"meta": m{"alias": nil, "disabled": false, "index": "logstash-*", "key": "log.level", "negate": true, "params": m{"query": "error"}, "type": "phrase"}},
			m{"$state": m{"store": "appState"}, "query": m{"exists": m{"field": "trace.id"}},
				"meta": m{"alias": nil, "disabled": true, "index": "logstash-*", "key": "trace.id", "negate": false, "type": "exists", "value": "exists"}},
		},
	})

	plain, err := Kibana(Discover{Base: "http://k", Lucene: true, From: "now-1h", To: "now", Time: "ts"})
	want := "http://k/app/discover#/?_g=(filters:!(),refreshInterval:(pause:!t,value:0),time:(from:now-1h,to:now))&_a=(columns:!(),filters:!(),interval:auto,query:(language:lucene,query:''),sort:!(!(ts,desc)))"
	if plain != want || err != nil {
		t.Errorf("%s (%v), want\n%s", plain, err, want)
	}
	for _, base := range []string{"", "kibana:5601", "ftp://k", "https://u:secret@k", "http://k/#/x", "http://k?x", "http://u:secret@ k"} {
		if got, err := Kibana(Discover{Base: base}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q gives %q (%v)", base, got, err)
		}
	}
}

func FuzzRison(f *testing.F) {
	for _, s := range []string{"", "a", "-1", "it's", "!t", "a b", "1e3", "$x", "ü%+#&=", "(a:b)", "\n\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		value := object{{s, []any{s, 7, nil, true}}, {s + "x", s}}
		escaped := inFragment(rison(value))
		if strings.ContainsAny(escaped, " &#\"<>\n") {
			t.Fatalf("%q", escaped)
		}
		back, err := url.QueryUnescape(escaped)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := derison(t, back), (map[string]any{s: []any{s, 7, nil, true}, s + "x": s}); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s is read as %v, want %v", back, got, want)
		}
	})
}

// derison reads rison as its description has it.
func derison(t *testing.T, s string) any {
	r := &reader{s: s}
	defer func() {
		if broken := recover(); broken != nil {
			t.Fatalf("%s at byte %d: %v", s, r.at, broken)
		}
	}()
	v := r.value()
	if r.at != len(s) {
		panic("text behind it")
	}
	return v
}

type reader struct {
	s  string
	at int
}

func (r *reader) take(c byte) bool {
	if r.at < len(r.s) && r.s[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *reader) must(c byte) {
	if !r.take(c) {
		panic(fmt.Sprintf("no %c", c))
	}
}

func (r *reader) value() any {
	switch {
	case r.take('!'):
		r.at++
		switch r.s[r.at-1] {
		case 'n':
			return nil
		case 't':
			return true
		case 'f':
			return false
		case '(':
			list := []any{}
			for !r.take(')') {
				if len(list) > 0 {
					r.must(',')
				}
				list = append(list, r.value())
			}
			return list
		}
		panic("no literal")
	case r.take('('):
		m := map[string]any{}
		for first := true; !r.take(')'); first = false {
			if !first {
				r.must(',')
			}
			key := r.value().(string)
			r.must(':')
			m[key] = r.value()
		}
		return m
	case r.take('\''):
		var b strings.Builder
		for !r.take('\'') {
			r.take('!')
			b.WriteByte(r.s[r.at])
			r.at++
		}
		return b.String()
	}
	end := strings.IndexAny(r.s[r.at:], " '!:(),*@$")
	if end < 0 {
		end = len(r.s) - r.at
	}
	word := r.s[r.at : r.at+end]
	r.at += end
	if n, err := strconv.Atoi(word); err == nil {
		return n
	}
	if word == "" || strings.ContainsAny(word[:1], "-0123456789") {
		panic("no word")
	}
	return word
}
