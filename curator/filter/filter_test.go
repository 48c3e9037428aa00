package filter

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/curator/setting"
)

// noon is the time of the tests' runs: a Saturday, D in the names of indices.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// parse makes a filter of JSON.
func parse(t testing.TB, kind Kind, text string) (Filter, error) {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return Parse(values, kind)
}

// list makes indices of a text such as "a-D made=29d; b size=2 closed": D and D-9 are days.
func list(t testing.TB, text string) (items []Item) {
	t.Helper()
	for _, one := range strings.Split(text, ";") {
		words := strings.Fields(one)
		if len(words) == 0 {
			continue
		}
		it := Item{Name: days(words[0]), Created: noon.AddDate(0, 0, -1), Health: "green", Shards: 1, Docs: 1,
			Size: 1 << 30, PrimarySize: 1 << 30, Segments: 1, Aliases: []string{}, Fields: map[string]Range{"@timestamp": {Empty: true}},
			Settings: map[string]string{"index.routing.allocation.require.box": ""}}
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, "=")
			n, _ := strconv.ParseFloat(value, 64)
			switch name {
			case "made":
				n, err := strconv.ParseFloat(strings.TrimSuffix(value, "d"), 64)
				if err != nil {
					t.Fatal(word)
				}
				it.Created = noon.Add(-time.Duration(n * 24 * float64(time.Hour)))
			case "at":
				it.Created = time.Unix(int64(n), 0)
			case "size":
				it.Size = int64(n * gib)
			case "pri":
				it.PrimarySize = int64(n * gib)
			case "docs":
				it.Docs = int64(n)
			case "closed":
				it.Closed, it.Docs, it.Size, it.PrimarySize = true, -1, -1, -1
			case "red":
				it.Health = "red"
			case "ilm":
				it.Settings["index.lifecycle.name"] = "policy"
			case "alias":
				it.Aliases = strings.Split(value, ",")
			case "shards":
				it.Shards = int(n)
			case "segs":
				it.Segments = int(n)
			case "box":
				it.Settings["index.routing.allocation.require.box"] = value
			case "state":
				it.State = value
			case "field": // the days ago of its oldest and newest date
				from, to, _ := strings.Cut(value, "..")
				low, _ := strconv.Atoi(from)
				high, _ := strconv.Atoi(to)
				it.Fields["@timestamp"] = Range{Min: noon.AddDate(0, 0, -low), Max: noon.AddDate(0, 0, -high)}
			default:
				t.Fatal(word)
			}
		}
		items = append(items, it)
	}
	return items
}

// days writes D-9 as a date.
func days(name string) string {
	for n := 99; n >= 1; n-- {
		name = strings.ReplaceAll(name, fmt.Sprintf("D-%d", n), noon.AddDate(0, 0, -n).Format("2006.01.02"))
	}
	return strings.ReplaceAll(name, "D", noon.Format("2006.01.02"))
}

// filters parses a JSON list, with the implicit rule about ILM.
func filters(t testing.TB, kind Kind, text string) []Filter {
	t.Helper()
	var all []map[string]any
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var out []Filter
	for _, values := range all {
		f, err := Parse(values, kind)
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		out = append(out, f)
	}
	return out
}

// chosen runs filters and returns what is left, or "error: …".
func chosen(t testing.TB, kind Kind, strict bool, text, items string) (string, Outcome) {
	t.Helper()
	c := Clock{Now: noon, Strict: strict}
	out, err := Run(WithoutILM(filters(t, kind, text), c), list(t, items), c)
	if err != nil {
		return "error: " + err.Error(), out
	}
	return strings.Join(names(out.Left), " "), out
}

const (
	older5 = `{"filtertype":"age","source":"name","direction":"older","timestring":"%Y.%m.%d","unit":"days","unit_count":5}`
	aged   = `[{"filtertype":"age","source":"creation_date","direction":"older","unit":`
	none   = ""
)

// TestReadings holds the cases in which Elastic Curator was observed, and where the safer reading differs.
func TestReadings(t *testing.T) {
	f := func(filters, items, strict, safe string) {
		t.Helper()
		for _, c := range []struct {
			strict bool
			want   string
		}{{true, strict}, {false, safe}} {
			if got, _ := chosen(t, Indices, c.strict, filters, items); got != days(c.want) && (!strings.HasSuffix(c.want, "…") || !strings.HasPrefix(got, strings.TrimSuffix(c.want, "…"))) {
				t.Errorf("%s\n on %s\n strict %v: %q, want %q", filters, items, c.strict, got, days(c.want))
			}
		}
	}
	same := func(filters, items, want string) { t.Helper(); f(filters, items, want, want) }

	// age by name
	same(`[`+older5+`]`, "l-D; l-D-4; l-D-5; l-D-9; nodate", "l-D-5 l-D-9")
	same(`[`+strings.Replace(older5, "}", `,"exclude":true}`, 1)+`]`, "l-D; l-D-4; l-D-5; nodate", "l-D l-D-4")
	same(`[`+older5+`]`, "r-2020.01.01-D; r-2026.11.21-2020.01.01", "r-2020.01.01-D")
	same(strings.ReplaceAll(`[`+older5+`]`, "%Y.%m.%d", "%Y.%m"), "m-2020.01.15; n-D-20; n-2026.11.15", "m-2020.01.15 n-D-20 n-2026.11.15")
	same(`[{"filtertype":"age","source":"name","direction":"older","timestring":"%Y.%m.%d","unit":"hours","unit_count":24}]`, "h-D; h-D-1; h-D-2", "h-D-1 h-D-2")
	same(`[{"filtertype":"age","source":"name","direction":"older","timestring":"%Y.%m.%d.%H","unit":"hours","unit_count":24}]`, "h-2026.11.21.09; h-2026.11.20.06", "h-2026.11.20.06")
	same(`[{"filtertype":"age","source":"name","direction":"older","timestring":"%Y.%W","unit":"weeks","unit_count":4}]`, "w-2026.46; w-2026.36", "w-2026.36")
	same(`[{"filtertype":"age","source":"name","direction":"older","timestring":"%G.%V","unit":"days","unit_count":13}]`, "w-2026.47; w-2026.46; w-2026.45; w-2020.53", "w-2026.45 w-2020.53")
	same(`[{"filtertype":"age","source":"name","direction":"older","timestring":"%Y.%j","unit":"days","unit_count":1}]`, "j-2026.325; j-2026.324; j-2024.366", "j-2026.324 j-2024.366")
	f(`[`+older5+`]`, "l-2020.02.31; l-D-9; l-D", "error: filter 1: day is out of range for month", "l-D-9")
	f(strings.ReplaceAll(`[`+older5+`]`, "%Y.%m.%d", "%Y.%m"), "l-2020.13; l-2020.10", "l-2020.13 l-2020.10", "l-2020.10")
	f(strings.ReplaceAll(`[`+older5+`]`, "%Y.%m.%d", "%Y.%j"), "l-2021.366; l-2021.365", "l-2021.366 l-2021.365", "l-2021.365")
	f(strings.ReplaceAll(`[`+older5+`]`, "%Y.%m.%d", "%Y.%W"), "l-2021.53; l-2020.00; l-2021.52", "l-2021.53 l-2020.00 l-2021.52", "l-2020.00 l-2021.52")
	f(`[`+older5+`]`, "v1-0203.04.05; l-D-9", "v1-0203.04.05 l-D-9", "l-D-9")
	f(strings.ReplaceAll(`[`+older5+`]`, "%Y.%m.%d", "%m.%d"), "l-11.20", "l-11.20", `error: filter 1: age filter: timestring "%m.%d": it has no year…`)

	// age by creation date
	same(aged+`"months","unit_count":1}]`, "a made=29d; b made=30.1d; c made=364d; d made=366d", "b c d")
	same(aged+`"years","unit_count":1}]`, "a made=364d; b made=365.1d", "b")
	same(aged+`"seconds","unit_count":0,"epoch":1500000000}]`, "a at=1000000000; b at=1600000000", "a")
	f(aged+`"seconds","unit_count":0,"epoch":0}]`, "a made=1d", "a", "error: filter 1: age filter: epoch: 0 means…")
	f(aged+`"days","unit_count":-2}]`, "a made=1d; b made=-1d", "a b", "error: filter 1: age filter: unit_count -2…")
	f(aged+`"days","unit_count":0,"epoch":1895000000}]`, "a made=1d; b made=-1d", "a b", "a")
	same(strings.Replace(aged, "older", "younger", 1)+`"days","unit_count":2}]`, "a made=1d; b made=2d; c made=-400d", "a c")

	// the number of units in the name
	pattern := func(p string, n int) string {
		return fmt.Sprintf(`[{"filtertype":"age","source":"name","direction":"older","timestring":"%%Y.%%m.%%d","unit":"days","unit_count":%d,"unit_count_pattern":%q}]`, n, p)
	}
	same(pattern("_([0-9]+)_", 5), "x_2_D-3; x_9_D-8; x-D-6; x_0_D-6; x_0_D-4", "x_2_D-3 x-D-6 x_0_D-6")
	same(pattern("_([0-9]+)_", -1), "x_2_D-3; x-D-99", "x_2_D-3")
	f(strings.Replace(pattern("_([0-9]+)_", -1), "}]", `,"exclude":true}]`, 1), "x_2_D-3; x_9_D-3; x-D-99", "x_9_D-3 x-D-99", "x_9_D-3")
	f(pattern("_(-?[0-9]+)_", 5), "x_-9_D; x_-9_D-9", "x_-9_D x_-9_D-9", none)
	f(pattern("(", 5), "x-D-6; x-D", "x-D-6", "error: filter 1: age filter: unit_count_pattern…")
	f(pattern("[0-9]", 5), "x-D-6; x-D", "x-D-6", "error: filter 1: age filter: unit_count_pattern…")

	// age by a field
	field := func(result string) string {
		return `[{"filtertype":"age","source":"field_stats","direction":"older","unit":"days","unit_count":7,"field":"@timestamp","stats_result":"` + result + `"}]`
	}
	same(field("max_value"), "a field=9..8; b field=9..6; c closed; e docs=0", "a")
	same(field("min_value"), "a field=9..8; b field=9..6; c closed; e docs=0", "a b")
	f(field("max_value"), "a field=9..8; none", "error: filter 1: Bad epoch value. Unable to convert None to int…", "a")
	f(field("max_value"), "a field=9..8; b field=20700..20665", "a", "a") // 25 April 1970 is a year to come to Curator
	f(field("min_value"), "a field=9..8; b field=20779..8", "a b", "a")
	f(field("min_value"), "a field=9..8; b docs=-1 field=9..8", "a", "a")

	// period
	week := func(more string) string {
		return `[{"filtertype":"period","source":"name","range_from":0,"range_to":0,"timestring":"%Y.%m.%d","unit":"weeks","epoch":1795348800` + more + `}]`
	}
	sunday := "i-2026.11.14; i-2026.11.15; i-2026.11.16; i-2026.11.21; i-2026.11.22; i-2026.11.23; i-2026.11.28; i-2026.11.29"
	f(week(""), sunday, "i-2026.11.15 i-2026.11.16 i-2026.11.21", "i-2026.11.22 i-2026.11.23 i-2026.11.28")
	same(week(`,"week_starts_on":"monday"`), sunday, "i-2026.11.16 i-2026.11.21 i-2026.11.22")
	same(`[{"filtertype":"period","source":"name","range_from":-1,"range_to":-1,"timestring":"%Y.%m.%d","unit":"months","epoch":1795348800}]`,
		"i-2026.09.30; i-2026.10.01; i-2026.10.31; i-2026.11.01", "i-2026.10.01 i-2026.10.31")
	absolute := `[{"filtertype":"period","period_type":"absolute","source":"creation_date","unit":"months","date_from":"2017.01","date_from_format":"%Y.%m","date_to":"2017.02","date_to_format":"%Y.%m"}]`
	same(absolute, "a at=1483228799; b at=1483228800; c at=1488326399; d at=1488326400", "b c")
	between := `[{"filtertype":"period","source":"field_stats","field":"@timestamp","unit":"days","range_from":-3,"range_to":-1,"intersect":%s}]`
	same(fmt.Sprintf(between, "true"), "a field=3..1; b field=4..2; c field=2..0", "a")
	same(fmt.Sprintf(between, "false"), "a field=3..1; b field=4..2; c field=2..0", "a c")
	f(strings.Replace(fmt.Sprintf(between, "true"), "min_value", "max_value", 1), "a field=3..1; b field=20758..1", "a", "a")
	f(`[{"filtertype":"period","source":"creation_date","unit":"days","range_from":0,"range_to":0,"epoch":3600}]`, "a made=1d; b at=7200", "a b", "b")

	// count
	same(`[{"filtertype":"count","count":3}]`, "i-1; i-2; i-3; i-4; i-5", "i-1 i-2")
	same(`[{"filtertype":"count","count":3,"reverse":false}]`, "i-1; i-2; i-3; i-4; i-5", "i-4 i-5")
	same(`[{"filtertype":"count","count":3,"exclude":false}]`, "i-1; i-2; i-3; i-4; i-5", "i-3 i-4 i-5")
	same(`[{"filtertype":"count","count":2}]`, "i-10; i-11; i-8; i-9", "i-10 i-11")
	same(`[{"filtertype":"count","count":1,"use_age":true,"source":"creation_date"}]`, "z made=9d; a made=1d; m made=5d", "z m")
	same(`[{"filtertype":"count","count":1,"pattern":"^(.*)-\\d+$"}]`, "a-1; a-2; b-1; b-2; b-3; other", "a-1 b-1 b-2")
	f(`[{"filtertype":"count","count":1,"pattern":"^(myindex)-\\d{6}$","exclude":false,"reverse":true}]`, "myindex-000001; myindex-000002; other", "myindex-000001", "myindex-000002")
	same(`[{"filtertype":"count","count":1,"pattern":"^(myindex)-\\d{6}$","exclude":false,"reverse":true}]`, "myindex-000001; myindex-000002", "myindex-000002")
	f(`[{"filtertype":"count","count":1,"use_age":true,"source":"creation_date"}]`, "a made=9d; b made=5d; c closed made=1d", "error: filter 1: list.remove(x): x not in list", "a")
	f(`[{"filtertype":"count","count":1,"use_age":true,"source":"name","timestring":"%Y.%m.%d"}]`, "l-D-9; l-D; other", "error: filter 1: list.remove(x): x not in list", "l-D-9")
	f(`[{"filtertype":"count","count":2}]`, "a-1; a-2; a-3 ilm; a-4 ilm", "a-1 a-2", none)
	f(`[{"filtertype":"count","count":1}]`, "a-1; a-2; a-3 ilm; a-4 ilm", "a-1 a-2", "a-1")

	// space
	same(`[{"filtertype":"space","disk_space":3}]`, "i-1; i-2; i-3; i-4; i-5", "i-1 i-2")
	same(`[{"filtertype":"space","disk_space":3}]`, "i-1; i-2; i-3", none)
	f(`[{"filtertype":"space","disk_space":3}]`, "i-1; i-2; i-3 size=10", "i-1 i-2 i-3", "i-1 i-2")
	same(`[{"filtertype":"space","disk_space":3,"use_age":true,"source":"creation_date"}]`, "z made=9d size=2; m made=5d size=2; a made=1d size=2", "z m")
	f(`[{"filtertype":"space","disk_space":3,"use_age":true,"source":"creation_date"}]`, "z made=9d size=2; a made=1d size=20", "z a", "z")
	same(`[{"filtertype":"space","disk_space":3,"threshold_behavior":"less_than"}]`, "i-1; i-2; i-3; i-4; i-5", "i-4 i-5")
	same(`[{"filtertype":"space","disk_space":3}]`, "i-1 closed; i-2", none)
	same(`[{"filtertype":"space","disk_space":3}]`, "aaa-D size=2; zzz-D-9 size=2", "aaa-D")
	same(`[{"filtertype":"space","disk_space":3,"use_age":true,"source":"name","timestring":"%Y.%m.%d"}]`, "l-D size=2; l-D-1 size=2; undated size=50", "l-D-1")
	f(`[{"filtertype":"space","disk_space":2}]`, "i-1; i-2; i-3 ilm; i-4 ilm", "i-1 i-2", none)
	f(`[{"filtertype":"space","disk_space":-1}]`, "i-1", "i-1", "error: filter 1: space filter: disk_space must be above 0, not -1")

	// size, shards, segments, documents
	same(`[{"filtertype":"size","size_threshold":3}]`, "a size=4 pri=2; b size=8 pri=4; c closed", "b")
	same(`[{"filtertype":"size","size_threshold":3,"size_behavior":"total"}]`, "a size=4 pri=2; b size=1 pri=1", "a")
	f(`[{"filtertype":"size","size_threshold":3,"threshold_behavior":"less_than"}]`, "a pri=2; b pri=-1; c pri=1 red", "a b c", "a")
	same(`[{"filtertype":"shards","number_of_shards":2}]`, "a shards=1; b shards=5", "b")
	same(`[{"filtertype":"forcemerged","max_num_segments":1}]`, "a segs=1; b segs=9; c closed", "b")
	same(`[{"filtertype":"empty"}]`, "e docs=0; f docs=3; c closed", "e")
	same(`[{"filtertype":"empty","exclude":true}]`, "e docs=0; f docs=3; c closed", "f")
	f(`[{"filtertype":"empty"}]`, "e docs=0; u docs=-1; r docs=0 red", "e u r", "e")

	// aliases, states, rules
	same(`[{"filtertype":"alias","aliases":["a","b"]}]`, "both alias=a,b; only_a alias=a; none", "both only_a")
	same(`[{"filtertype":"alias","aliases":["a","x"]}]`, "both alias=a,b; none", none)
	same(`[{"filtertype":"alias","aliases":"a*"}]`, "both alias=ab; none", "both")
	f(`[{"filtertype":"alias","aliases":["a","x"],"exclude":true}]`, "both alias=a,b; none", "both none", "none")
	same(`[{"filtertype":"closed","exclude":false}]`, "dummy; my_index closed", "my_index")
	same(`[{"filtertype":"closed"}]`, "dummy; my_index closed", "dummy")
	same(`[{"filtertype":"opened"}]`, "dummy; my_index closed", "my_index")
	same(`[{"filtertype":"allocated","key":"box","value":"hot"}]`, "a box=hot; b", "b")
	same(`[{"filtertype":"kibana","exclude":"no"}]`, ".kibana_1; x", ".kibana_1")
	same(`[{"filtertype":"none"}]`, "b; a ilm", "b")

	// patterns
	same(`[{"filtertype":"pattern","kind":"prefix","value":"log."}]`, "alog.a; log.a; logXa", "log.a logXa")
	same(`[{"filtertype":"pattern","kind":"prefix","value":"docker-*"}]`, "docke; docker-; docker-x", "docker- docker-x")
	same(`[{"filtertype":"pattern","kind":"suffix","value":"-log"}]`, "a-log; log-a", "a-log")
	same(`[{"filtertype":"pattern","kind":"regex","value":"log"}]`, "other; xxlogxx", "xxlogxx")
	same(`[{"filtertype":"pattern","kind":"timestring","value":"%Y.%m.%d"}]`, "a-2020.01; a-2020.01.01-z; b-202001.01", "a-2020.01.01-z")
	same(`[{"filtertype":"pattern","kind":"prefix","value":"keep-","exclude":true},`+older5+`]`, "keep-D; keep-D-9; log-D; log-D-9", "log-D-9")
	same(`[{"filtertype":"pattern","kind":"prefix","value":"logstash-","exclude":null}]`, "logstash-1; x", "logstash-1")
	same(`[{"filtertype":"pattern","kind":"prefix","value":"logstash-","exclude":"None"}]`, "logstash-1; x", "logstash-1")
	same(`[{"filtertype":"pattern","kind":"prefix","value":"a|b"}]`, "a; xb; x", "a xb")
	seed := `^logstash-journalbeat-(([a-zA-Z]|[a-zA-Z][a-zA-Z0-9\\-]*[a-zA-Z0-9])\\.)*([A-Za-z]|[A-Za-z][A-Za-z0-9\\-]*[A-Za-z0-9])-.*$`
	same(`[{"filtertype":"pattern","kind":"regex","value":"`+seed+`"}]`, "logstash-journalbeat-node1-D; logstash-journalbeat-kvm-009660_novalocal-D; logstash-journalbeat-node1_example_com-D; "+
		"logstash-journalbeat-10_0_0_1-D; logstash-journalbeat-10-0-0-1-D; logstash-podbeat-node1-D",
		"logstash-journalbeat-node1-D logstash-journalbeat-kvm-009660_novalocal-D")
	same(`[{"filtertype":"pattern","kind":"regex","value":"^(?!\\.).*|(.ds-).*$"}]`, ".a; .ds-a; b", ".ds-a b")
}

// TestSnapshots holds the filters for snapshots.
func TestSnapshots(t *testing.T) {
	f := func(filters, items, strict, safe string) {
		t.Helper()
		if got, _ := chosen(t, Snapshots, true, filters, items); got != strict {
			t.Errorf("%s\n on %s\n strict: %q, want %q", filters, items, got, strict)
		}
		if got, _ := chosen(t, Snapshots, false, filters, items); got != safe {
			t.Errorf("%s\n on %s\n: %q, want %q", filters, items, got, safe)
		}
	}
	f(`[{"filtertype":"state","state":"FAILED"}]`, "a state=FAILED; b state=SUCCESS", "a", "a")
	f(`[{"filtertype":"state","exclude":true}]`, "a state=FAILED; b state=SUCCESS", "a", "a")
	f(aged+`"days","unit_count":5}]`, "a made=9d state=SUCCESS; b made=4d state=SUCCESS", "a", "a")
	f(`[{"filtertype":"count","count":1,"use_age":true,"source":"creation_date"}]`, "b made=9d state=SUCCESS; a made=4d state=SUCCESS", "b", "b")
	f(`[{"filtertype":"count","count":1,"pattern":"^(.)-"}]`, "a-1 state=SUCCESS; a-2 state=SUCCESS; b-1 state=SUCCESS",
		"error: filter 1: count filter: SnapshotList.filter_by_count() got an unexpected keyword argument 'pattern'", "a-1")
	f(`[{"filtertype":"age","source":"name","direction":"older","timestring":"%Y","unit":"days","unit_count":1}]`, "x-2390 state=SUCCESS", "x-2390", "")
}

// TestWhy holds the words.
func TestWhy(t *testing.T) {
	f := func(filters, items, name, want string) {
		t.Helper()
		_, out := chosen(t, Indices, false, filters, items)
		got := out.Why[days(name)]
		for _, d := range out.Dropped {
			if d.Name == days(name) {
				got = fmt.Sprintf("dropped by %d: %s", d.Filter, d.Why)
			}
		}
		if got != want {
			t.Errorf("%s of %s: %q, want %q", name, filters, got, want)
		}
	}
	chain := `[{"filtertype":"pattern","kind":"prefix","value":"l-"},` + older5 + `]`
	f(chain, "l-D-20", "l-D-20", "pattern: its name matches prefix l-; age: named 2026.11.01, 20 days old, older than 5 days (before 2026-11-16T12:00Z)")
	f(chain, "l-D-3", "l-D-3", "dropped by 2: age: named 2026.11.18, 3 days old, not older than 5 days (before 2026-11-16T12:00Z)")
	f(chain, "x", "x", "dropped by 1: pattern: its name does not match prefix l-")
	f(chain, "l-\x1b[2J", "l-\x1b[2J", "dropped by 2: age: its name has no date like %Y.%m.%d")
	f(chain, "l-D-20 ilm", "l-D-20", "dropped by 0: ilm: ILM policy policy manages it")
	f(`[{"filtertype":"count","count":1}]`, "a; b", "b", "dropped by 1: count: number 1 of 2, by name from the end, of the first 1, excluded")
	f(`[{"filtertype":"count","count":1,"pattern":"^(.)"}]`, "a1; a2; b", "a1", "count: number 2 of 2 of group a, by name from the end, beyond the first 1")
	f(`[{"filtertype":"space","disk_space":1.5,"use_age":true,"source":"creation_date"}]`, "a made=2d; b made=1d", "a",
		"space: number 2 of 2, newest first; up to it there are 2.0 GiB, above 1.5 GiB")
	f(`[{"filtertype":"period","source":"creation_date","unit":"days","range_from":-2,"range_to":-2}]`, "a made=2d", "a",
		"period: created 2026-11-19T12:00Z, within the period 2026-11-19T00:00Z to 2026-11-19T23:59:59Z")
	f(aged+`"months","unit_count":1}]`, "a made=-2d", "a", "dropped by 1: age: created 2026-11-23T12:00Z, in 0 months, not older than 1 month (before 2026-10-22T12:00Z)")
	f(`[{"filtertype":"alias","aliases":"x"}]`, "a", "a", "dropped by 1: alias: no index has the alias x")
	f(`[{"filtertype":"size","size_threshold":1}]`, "a pri=1.5", "a", "size: its primary shards are 1.5 GiB, above 1 GiB")
}

// TestWarnings: what is left alone is named.
func TestWarnings(t *testing.T) {
	f := func(filters, items string, want ...string) {
		t.Helper()
		if _, out := chosen(t, Indices, false, filters, items); !slices.Equal(out.Warnings, want) {
			t.Errorf("%s: warnings %q, want %q", filters, out.Warnings, want)
		}
	}
	f(`[`+older5+`]`, "l-2020.02.31; l-D-9", "l-2020.02.31: 2020.02.31 in its name is no date: left alone")
	f(`[`+older5+`]`, "l-0203.04.05", "l-0203.04.05: 0203.04.05 is before 1970: left alone")
	f(`[{"filtertype":"space","disk_space":3}]`, "i-1; i-2 size=10", "i-2 alone is larger than 3 GiB, and kept as the newest")
	f(`[{"filtertype":"alias","aliases":["a","x"],"exclude":true}]`, "i alias=a", "no index of the list has the alias x")
	f(`[{"filtertype":"age","source":"field_stats","direction":"older","unit":"days","unit_count":1,"field":"@timestamp"}]`, "i", "i: no document has the field @timestamp: left alone")
}

// TestMissing: facts are asked for once they matter, of those that are left.
func TestMissing(t *testing.T) {
	f := func(text string, want Missing, learn func(*Item)) {
		t.Helper()
		c := Clock{Now: noon}
		items := []Item{{Name: "a-1", Docs: 1, Segments: -1}, {Name: "b-1", Docs: 1, Segments: -1}, {Name: "a-2", Docs: 1, Segments: -1, Closed: true}}
		all := filters(t, Indices, `[{"filtertype":"pattern","kind":"prefix","value":"a"},`+text+`]`)
		out, err := Run(all, items, c)
		if err != nil || len(out.Missing) != 1 || fmt.Sprint(out.Missing[0]) != fmt.Sprint(want) || out.Left != nil {
			t.Fatalf("%s: %v, %v; want %v", text, out, err, want)
		}
		for i := range items {
			if slices.Contains(want.Names, items[i].Name) {
				learn(&items[i])
			}
		}
		if out, err := Run(all, items, c); err != nil || len(out.Missing) != 0 {
			t.Errorf("%s: %v is still missing, %v", text, out.Missing, err)
		}
	}
	f(`{"filtertype":"alias","aliases":"x"}`, Missing{Aliases, "", []string{"a-1", "a-2"}}, func(it *Item) { it.Aliases = []string{} })
	f(`{"filtertype":"forcemerged","max_num_segments":1}`, Missing{Segments, "", []string{"a-1"}}, func(it *Item) { it.Segments = 3 })
	f(`{"filtertype":"allocated","key":"k","value":"v"}`, Missing{Settings, "index.routing.allocation.require.k", []string{"a-1", "a-2"}},
		func(it *Item) { it.Settings = map[string]string{"index.routing.allocation.require.k": ""} })
	f(`{"filtertype":"age","source":"field_stats","direction":"older","unit":"days","unit_count":1,"field":"t"}`, Missing{FieldRange, "t", []string{"a-1"}},
		func(it *Item) { it.Fields = map[string]Range{"t": {Empty: true}} })
}

// TestParseRefuses holds what is wrong in a file, and what is said about it.
func TestParseRefuses(t *testing.T) {
	f := func(kind Kind, text, want string) {
		t.Helper()
		if _, err := parse(t, kind, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	f(Indices, `{}`, `option "filtertype" is required: one of age, alias, allocated`)
	f(Indices, `{"filtertype":"agee"}`, `did you mean "age"`)
	f(Indices, `{"filtertype":"state"}`, "filtertype state is not for indices")
	f(Snapshots, `{"filtertype":"space","disk_space":1}`, "filtertype space is not for snapshots: use one of age, count, none, pattern, period, state")
	f(Snapshots, `{"filtertype":"age","source":"field_stats","direction":"older","unit":"days","unit_count":1}`, "for snapshots")
	f(Snapshots, `{"filtertype":"count","count":1,"stats_result":"max_value"}`, `option "stats_result" is for indices`)
	f(Indices, `{"filtertype":"none","exclude":true}`, `unknown option "exclude"`)
	f(Indices, `{"filtertype":"age","source":"name","direction":"older","unit":"days","unit_count":1}`, `"timestring" is required with source: name, such as timestring: '%Y.%m.%d'`)
	f(Indices, `{"filtertype":"age","source":"name","direction":"older","unit":"days","unit_count":1,"timestring":"%Y","field":"f"}`, `"field" has no meaning`)
	f(Indices, `{"filtertype":"age","source":"field_stats","direction":"older","unit":"days","unit_count":1}`, `"field" is required`)
	f(Indices, `{"filtertype":"age","direction":"older","unit":"days","unit_count":1}`, `"source" is required`)
	f(Indices, `{"filtertype":"age","source":"name","direction":"older","unit":"fortnights","unit_count":1,"timestring":"%Y"}`, "fortnights")
	f(Indices, `{"filtertype":"age","source":"name","direction":"older","unit":"days","timestring":"%Y"}`, "unit_count")
	f(Indices, `{"filtertype":"count","count":0}`, "at least 1")
	f(Indices, `{"filtertype":"count","count":1,"use_age":true}`, `"source" is required`)
	f(Indices, `{"filtertype":"count","count":1,"pattern":"a"}`, "must have one group")
	f(Indices, `{"filtertype":"count","count":1,"pattern":"(a"}`, "wrong at letter")
	f(Indices, `{"filtertype":"space","disk_space":0}`, "must not be 0")
	f(Indices, `{"filtertype":"size","size_threshold":0}`, "must not be 0")
	f(Indices, `{"filtertype":"shards","number_of_shards":1,"shard_filter_behavior":"less_than"}`, "less than 1")
	f(Indices, `{"filtertype":"alias","aliases":[]}`, "names no alias")
	f(Indices, `{"filtertype":"pattern","kind":"regex","value":""}`, "is required, and empty")
	f(Indices, `{"filtertype":"pattern","kind":"regex","value":"*-log"}`, "nothing to repeat")
	f(Indices, `{"filtertype":"pattern","kind":"prefix","value":"(?i)log"}`, "(? is followed by what is not known")
	f(Indices, `{"filtertype":"period","source":"creation_date","unit":"days","range_to":0}`, `"range_from" is required`)
	f(Indices, `{"filtertype":"period","source":"creation_date","unit":"seconds","range_from":0,"range_to":0}`, "not \"seconds\"")
	f(Indices, `{"filtertype":"period","source":"creation_date","unit":"days","range_from":0,"range_to":-1}`, "before range_from")
	f(Indices, `{"filtertype":"period","source":"creation_date","unit":"days","period_type":"absolute","date_from":"2017.13","date_from_format":"%Y.%m.%d","date_to":"2017.01.01","date_to_format":"%Y.%m.%d"}`, "cannot read date_from")
	f(Indices, `{"filtertype":"period","source":"creation_date","unit":"days","period_type":"absolute","date_from":"2017","date_from_format":"%Y"}`, "is required with period_type: absolute")
}

// TestDefaults holds each filter's own default of exclude, which differ.
func TestDefaults(t *testing.T) {
	for text, want := range map[string]bool{
		`{"filtertype":"closed"}`: true, `{"filtertype":"opened"}`: true, `{"filtertype":"ilm"}`: true, `{"filtertype":"kibana"}`: true,
		`{"filtertype":"count","count":1}`: true, `{"filtertype":"forcemerged","max_num_segments":1}`: true, `{"filtertype":"allocated","key":"k","value":"v"}`: true,
		`{"filtertype":"empty"}`: false, `{"filtertype":"alias","aliases":"a"}`: false, `{"filtertype":"shards","number_of_shards":1}`: false,
		`{"filtertype":"size","size_threshold":1}`: false, `{"filtertype":"space","disk_space":1}`: false, `{"filtertype":"pattern","kind":"regex","value":"a"}`: false,
	} {
		f, err := parse(t, Indices, text)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Contains(fmt.Sprintf("%+v", f), "Exclude:true")
		if got != want || !slices.Contains(setting.Names(f), "exclude") {
			t.Errorf("%s: exclude %v, want %v", text, got, want)
		}
	}
}
