package filter

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzRun decides by any filter about any names: it never panics, never invents a name and keeps their order;
// what is chosen has a reason, and what isn't too. In the safe reading `older` never chooses what has no date,
// or one in the future.
func FuzzRun(f *testing.F) {
	for _, text := range []string{
		older5, `{"filtertype":"age","source":"name","direction":"older","timestring":"%G.%V","unit":"weeks","unit_count":1,"unit_count_pattern":"_(\\d+)_"}`,
		`{"filtertype":"age","source":"field_stats","direction":"older","field":"t","unit":"days","unit_count":-1,"epoch":0}`,
		`{"filtertype":"period","source":"creation_date","unit":"weeks","range_from":-2,"range_to":3,"week_starts_on":"monday"}`,
		`{"filtertype":"period","period_type":"absolute","source":"name","timestring":"%Y%j","unit":"months","date_from":"2017","date_from_format":"%Y","date_to":"1 May 2018","date_to_format":"%d %B %Y"}`,
		`{"filtertype":"count","count":2,"pattern":"^(.*)-","use_age":true,"source":"creation_date"}`,
		`{"filtertype":"space","disk_space":"1.5","reverse":"no"}`, `{"filtertype":"pattern","kind":"regex","value":"^(?!\\.).*|(?P<n>a)(?P=n)++"}`,
		`{"filtertype":"pattern","kind":"timestring","value":"%Y.%m"}`, `{"filtertype":"alias","aliases":["a","b*c"],"exclude":"yes"}`,
		`{"filtertype":"allocated","key":"k","value":"v"}`, `{"filtertype":"shards","number_of_shards":1}`, `{"filtertype":"state"}`,
	} {
		f.Add(text, "l-2026.11.20;l-2020.02.31;a_3_-2026.40;nodate;l-2099.01.01;.ds-a;٢٠٢٠.01.01", int64(1795000000), false, false)
	}
	f.Fuzz(func(t *testing.T, text, list string, now int64, strict, snapshots bool) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var values map[string]any
		if decoder.Decode(&values) != nil || len(text) > 2000 || len(list) > 500 {
			return
		}
		kind := Indices
		if snapshots {
			kind = Snapshots
		}
		filter, err := Parse(values, kind)
		if err != nil {
			return
		}
		names := strings.Split(list, ";")
		slices.Sort(names)
		names = slices.Compact(names)
		c := Clock{Now: time.Unix(now, 0), Strict: strict}
		var items []Item
		for i, name := range names {
			items = append(items, Item{Name: name, Created: time.Unix(now-int64(i)*86400, 0), State: "SUCCESS", Closed: i%4 == 3, Shards: i, Docs: int64(i - 1),
				Size: int64(i) << 29, PrimarySize: int64(i) << 28, Segments: i, Aliases: []string{"a"}, Settings: map[string]string{},
				Fields: map[string]Range{"t": {Min: time.Unix(now-int64(i)*9e5, 0), Max: time.Unix(now, 0), Empty: i%5 == 4}}})
		}
		out, err := Run(WithoutILM([]Filter{filter}, c), items, c)
		if err != nil || out.Missing != nil {
			return
		}
		at := -1
		for _, it := range out.Left {
			next := slices.Index(names, it.Name)
			if next <= at || out.Why[it.Name] == "" || strings.ContainsAny(out.Why[it.Name], "\n\x1b") {
				t.Fatalf("left %q after %d of %q, because %q", it.Name, at, names, out.Why[it.Name])
			}
			at = next
		}
		for _, d := range out.Dropped {
			if !slices.Contains(names, d.Name) || slices.ContainsFunc(out.Left, func(it Item) bool { return it.Name == d.Name }) || d.Why == "" || strings.ContainsAny(d.Why, "\n\x1b") {
				t.Fatalf("dropped %+v of %q", d, names)
			}
		}
		if len(out.Left)+len(out.Dropped) != len(names) {
			t.Fatalf("%d left, %d dropped of %d", len(out.Left), len(out.Dropped), len(names))
		}
		a, ok := filter.(*Age)
		if !ok || strict || a.Direction != "older" || a.Source != "name" || a.Exclude {
			return
		}
		for _, it := range out.Left {
			text, second, err := a.date.find(it.Name, false)
			if text == "" || err != nil || second > now {
				t.Fatalf("%s chooses %q: dated %q, %d, %v at %d", values, it.Name, text, second, err, now)
			}
		}
	})
}

// FuzzExpression reads any regular expression without a panic, and what it matches is in the name.
func FuzzExpression(f *testing.F) {
	for _, python := range []string{`^(?!\.).*|(.ds-).*$`, `(?P<a>x)(?P=a)[^]\w-]{,3}+`, `(?i)(?x) a # b`, `(?(1)a|b)`, `[\x41-\U0001f600]\01\Z`} {
		f.Add(python, "logstash-2026.11.21")
	}
	f.Fuzz(func(t *testing.T, python, name string) {
		if len(python) > 200 || len(name) > 50 {
			return
		}
		e, err := compile(python, false)
		if err != nil {
			return
		}
		e.slow.MatchTimeout = 20 * time.Millisecond
		if m, err := e.search(strings.ToValidUTF8(name, "?")); err == nil && m != nil && !strings.Contains(strings.ToValidUTF8(name, "?"), m.text) {
			t.Fatalf("%q on %q matches %q", python, name, m.text)
		}
	})
}
