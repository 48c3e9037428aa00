package query

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/podbeat/podbeat/es/body"
)

// A generator makes documents like podbeat's and queries on them, always the same ones.
type generator struct{ *rand.Rand }

func pick[T any](g generator, list ...T) T { return list[g.IntN(len(list))] }

var (
	namespaces = []string{"default", "kube-system", "shop", "shop-test", "monitoring"}
	apps       = []string{"api", "web", "worker", "db-proxy", "ingress_nginx"}
	levels     = []string{"debug", "info", "warn", "error", "ERROR"}
	verbs      = []string{"GET", "POST", "DELETE", "PUT"}
	vocabulary = []string{"connection", "refused", "timeout", "request", "completed", "started", "container", "failed", "retry", "user", "session", "cache", "miss", "hit", "database", "lock", "acquired", "error", "Error", "ERROR:", "exit_code=1", "foo.bar.Baz", "can't", "naïve", "日本語", "10.0.0.1:8080", "a-b-c", "100%", "[warn]", "key=value", "1,234.5ms", "x", "the"}
)

func (g generator) text() string {
	var b strings.Builder
	for i := range 1 + g.IntN(12) {
		if i > 0 {
			b.WriteString(pick(g, " ", " ", " ", ", ", ": ", " - ", ".", "/"))
		}
		b.WriteString(vocabulary[g.IntN(len(vocabulary))])
	}
	return b.String()
}

func (g generator) moment() time.Time {
	return time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(g.Int64N(int64(48 * time.Hour))).Truncate(pick(g, time.Microsecond, time.Millisecond, time.Second, time.Minute)))
}

func quoted(s string) string { return string(body.AppendString(nil, s)) }

func (g generator) document() string {
	var m []string
	add := func(format string, args ...any) { m = append(m, fmt.Sprintf(format, args...)) }
	add(`"@timestamp":%q`, g.moment().Format("2006-01-02T15:04:05.000000Z"))
	add(`"message":%s`, quoted(g.text()))
	app := pick(g, apps...)
	add(`"kubernetes":{"namespace":%q,"pod":{"name":"%s-%d"},"container":{"name":%q}}`, pick(g, namespaces...), app, g.IntN(20), app)
	if g.IntN(3) > 0 {
		add(`"log":{"level":%q,"offset":%d}`, pick(g, levels...), g.IntN(100000))
	}
	if g.IntN(3) == 0 {
		add(`"http":{"status":%d,"verb":%q,"path":"/api/v%d/%s/%d"}`, pick(g, 200, 201, 301, 404, 500, 503), pick(g, verbs...), 1+g.IntN(2), pick(g, vocabulary...), g.IntN(50))
	}
	if g.IntN(4) == 0 {
		add(`"duration":%s`, pick(g, "0", "0.5", "1.25", "17", "1e3", `"2.5"`, "-1", "0.1"))
	}
	if g.IntN(4) == 0 {
		add(`"client":{"ip":%q}`, pick(g, "10.0.0.1", "10.0.0.77", "10.2.3.4", "192.168.1.1", "2001:db8::7", "::1"))
	}
	if g.IntN(4) == 0 {
		add(`"tags":[%q,%q]`, pick(g, "a", "b", "c"), pick(g, "c", "d", "prod"))
	}
	if g.IntN(5) == 0 {
		add(`"ok":%v`, g.IntN(2) == 0)
	}
	if g.IntN(5) == 0 {
		add(`"note":%s`, quoted(g.text()))
	}
	if g.IntN(6) == 0 {
		add(`"count":%d`, g.IntN(10))
	}
	return "{" + strings.Join(m, ",") + "}"
}

const generatedIndex = `{"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":{"dynamic_templates":[{"s":{"match_mapping_type":"string","unmatch":"note","mapping":{"type":"keyword","ignore_above":1024}}}],
"properties":{"@timestamp":{"type":"date"},"message":{"type":"text"},"duration":{"type":"double"},"client":{"properties":{"ip":{"type":"ip"}}}}}}`

func (g generator) keyword() (field, value string) {
	switch g.IntN(6) {
	case 0:
		return "kubernetes.namespace", pick(g, namespaces...)
	case 1:
		return "kubernetes.pod.name", fmt.Sprintf("%s-%d", pick(g, apps...), g.IntN(22))
	case 2:
		return "log.level", pick(g, levels...)
	case 3:
		return "tags", pick(g, "a", "b", "c", "d", "prod", "none")
	case 4:
		return "http.verb", pick(g, verbs...)
	}
	return "http.path", fmt.Sprintf("/api/v%d/%s/%d", 1+g.IntN(2), pick(g, vocabulary...), g.IntN(50))
}

func (g generator) bound() string {
	t := g.moment()
	return quoted(pick(g, t.Format("2006-01-02T15:04:05.000Z"), t.Format("2006-01-02T15:04:05Z"), t.Format("2006-01-02T15:04"), t.Format("2006-01-02"), t.Format("2006-01-02")+"||/d", t.Format("2006-01-02")+"||+6h", t.Format("2006-01-02T15:04:05.000+02:00"), fmt.Sprint(t.UnixMilli())))
}

func (g generator) words(n int) string {
	var list []string
	for range 1 + g.IntN(n) {
		list = append(list, pick(g, vocabulary...))
	}
	return strings.Join(list, " ")
}

// leaf makes a query that has no queries in it.
func (g generator) leaf() string {
	field, value := g.keyword()
	switch g.IntN(19) {
	case 0, 1:
		return fmt.Sprintf(`{"term":{%q:%s}}`, field, quoted(value))
	case 2:
		_, other := g.keyword()
		return fmt.Sprintf(`{"terms":{%q:[%s,%s,"x","y","z"]}}`, field, quoted(value), quoted(other))
	case 3:
		return fmt.Sprintf(`{"range":{"@timestamp":{%q:%s,%q:%s}}}`, pick(g, "gt", "gte"), g.bound(), pick(g, "lt", "lte"), g.bound())
	case 4:
		return fmt.Sprintf(`{"range":{"@timestamp":{%q:%s,"time_zone":%q}}}`, pick(g, "gt", "gte", "lt", "lte"), g.bound(), pick(g, "+02:00", "Europe/Berlin", "America/New_York", "Z", "-03:30"))
	case 5:
		return fmt.Sprintf(`{"range":{%q:{%q:%s}}}`, pick(g, "log.offset", "http.status", "duration", "count"), pick(g, "gt", "gte", "lt", "lte"), pick(g, "0", "1", "200", "404", "0.5", "1.25", "50000", `"7"`, "-1", "16.999"))
	case 6, 7:
		return fmt.Sprintf(`{"match":{%q:{"query":%s,"operator":%q}}}`, pick(g, "message", "message", "note"), quoted(g.words(4)), pick(g, "and", "or"))
	case 8:
		return fmt.Sprintf(`{"match":{"message":{"query":%s,"minimum_should_match":%q}}}`, quoted(g.words(5)), pick(g, "1", "2", "-1", "50%", "-40%", "2<60%"))
	case 9, 10:
		return fmt.Sprintf(`{"match_phrase":{%q:%s}}`, pick(g, "message", "note"), quoted(g.words(3)))
	case 11:
		return fmt.Sprintf(`{"match_phrase_prefix":{"message":{"query":%s,"max_expansions":100000}}}`, quoted(g.words(2)+" "+pick(g, "c", "re", "ti", "f", "err")))
	case 12:
		cut := g.IntN(len(value) + 1)
		return fmt.Sprintf(`{"wildcard":{%q:{"value":%s,"case_insensitive":%v}}}`, field, quoted(pick(g, value[:cut]+"*", "*"+strings.ToUpper(value), "*"+value+"*", "?"+strings.TrimLeft(value, "abcdefghijk"), "*-1*")), g.IntN(2) == 0)
	case 13:
		return fmt.Sprintf(`{"prefix":{%q:{"value":%s}}}`, pick(g, field, "message"), quoted(pick(g, value[:min(len(value), 3)], "co", "re", "Er")))
	case 14:
		return fmt.Sprintf(`{"regexp":{%q:%s}}`, pick(g, field, "message"), quoted(pick(g, "[a-e].*", ".*-1[0-9]?", "(api|web)-.*", "re.*", ".*ed", "/api/v[12]/.+", "err(or)?")))
	case 15:
		return fmt.Sprintf(`{"exists":{"field":%q}}`, pick(g, "log", "http", "http.verb", "tags", "note", "note.keyword", "ok", "client", "nosuch", "count", "duration"))
	case 16:
		return fmt.Sprintf(`{"term":{"client.ip":%q}}`, pick(g, "10.0.0.1", "10.0.0.0/24", "10.0.0.0/8", "::/0", "2001:db8::/32", "1.2.3.4"))
	case 17:
		return fmt.Sprintf(`{"multi_match":{"query":%s,"fields":[%s],"type":%q,"lenient":true}}`, quoted(g.words(2)), pick(g, `"message","note"`, `"*"`, `"log.*","tags"`, `"message^2","http.*"`), pick(g, "best_fields", "most_fields", "phrase"))
	}
	return fmt.Sprintf(`{"query_string":{"query":%s%s}}`, quoted(g.lucene(3)), pick(g, "", `,"default_field":"message"`, `,"fields":["message","note"]`, `,"default_operator":"AND"`, `,"default_field":"message","default_operator":"AND"`, `,"fields":["message","http.*"],"lenient":true`))
}

// lucene makes a text of query_string.
func (g generator) lucene(depth int) string {
	var parts []string
	for i := range 1 + g.IntN(3) {
		if i > 0 {
			parts = append(parts, pick(g, "", "", "AND", "OR", "||", "&&"))
		}
		parts = append(parts, g.luceneClause(depth))
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

func (g generator) luceneClause(depth int) string {
	word := pick(g, "connection", "refused", "timeout", "error", "Error", "container", "the", "foo.bar.Baz", "naïve", "hit", "x")
	sign := pick(g, "", "", "", "+", "-", "NOT ")
	switch g.IntN(10) {
	case 0, 1, 2:
		return sign + word
	case 3:
		return sign + `"` + word + " " + pick(g, "refused", "error", "the") + `"`
	case 4:
		return sign + "log.level:" + pick(g, levels...)
	case 5:
		return sign + "kubernetes.namespace:" + pick(g, "shop*", `kube\-system`, `"kube-system"`, "(shop OR default)", "*", "sh?p")
	case 6:
		return sign + pick(g, "http.status:>=400", "http.status:[200 TO 300}", "log.offset:<5000", "count:(1 OR 2)", "duration:[* TO 1]", "http.status:500")
	case 7:
		return sign + pick(g, "_exists_:http.verb", "conn*", "*ed", "message:/err.*/", "message:(hit miss)", "message:TIME*", "tags:prod", "ok:true", "client.ip:10.0.0.1")
	case 8:
		return sign + fmt.Sprintf("@timestamp:[%s TO %s]", pick(g, "2026-11-20", "2026-11-20T12\\:00", "*"), pick(g, "2026-11-21", "2026-11-21T06:00:00Z", "*", "now+10y"))
	}
	if depth == 0 {
		return word
	}
	return sign + "(" + g.lucene(depth-1) + ")"
}

func (g generator) query(depth int) string {
	if depth == 0 || g.IntN(2) == 0 {
		return g.leaf()
	}
	list := func() string {
		var out []string
		for range 1 + g.IntN(3) {
			out = append(out, g.query(depth-1))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	var m []string
	for _, name := range []string{"must", "filter", "should", "must_not"} {
		if g.IntN(2) == 0 {
			m = append(m, fmt.Sprintf("%q:%s", name, list()))
		}
	}
	if g.IntN(4) == 0 {
		m = append(m, fmt.Sprintf(`"minimum_should_match":%s`, pick(g, "1", "2", `"50%"`, `"-1"`)))
	}
	return `{"bool":{` + strings.Join(m, ",") + "}}"
}

// Every generated query finds here what it finds in Elasticsearch. With PODBEAT_SOAK=1 there are ten times as many.
func TestGenerated(t *testing.T) {
	documents, queries := 1500, 500
	if os.Getenv("PODBEAT_SOAK") == "1" {
		documents, queries = 3000, 5000
	}
	g := generator{rand.New(rand.NewPCG(7, 17))}
	var docs, asked []string
	for range documents {
		docs = append(docs, g.document())
	}
	for range queries {
		asked = append(asked, g.query(3))
	}
	x := newIndex(t, generatedIndex, docs)
	if found := x.compare(t, asked); found < queries/3 {
		t.Fatalf("only %d of %d queries found something", found, queries)
	}
}

// math makes a bound of a time, a step or two, and a rounding.
func (g generator) math(bases []time.Time) string {
	t := bases[g.IntN(len(bases))]
	s := t.Format(pick(g, "2006-01-02T15:04:05.000Z", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15", "2006-01-02", "2006-01", "2006", "2006-01-02T15:04:05+02:00", "2006-01-02T15:04Z"))
	if g.IntN(5) == 0 {
		s = fmt.Sprint(t.UnixMilli())
	}
	steps := ""
	for range g.IntN(3) {
		steps += fmt.Sprintf("%s%s%s", pick(g, "+", "-"), pick(g, "", "1", "2", "7", "30", "400"), pick(g, "y", "M", "w", "d", "h", "H", "m", "s"))
	}
	if g.IntN(2) == 0 {
		steps += "/" + pick(g, "y", "M", "w", "d", "h", "H", "m", "s")
	}
	if steps != "" {
		s += "||" + steps
	}
	return s
}

// Date math agrees, on the days that clocks are changed and around ends of months as well.
func TestDateMath(t *testing.T) {
	g := generator{rand.New(rand.NewPCG(3, 33))}
	var bases []time.Time
	for _, day := range []time.Time{
		time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC), time.Date(2026, 10, 24, 12, 0, 0, 0, time.UTC), time.Date(2026, 3, 7, 12, 0, 0, 0, time.UTC),
		time.Date(2026, 10, 31, 12, 0, 0, 0, time.UTC), time.Date(2024, 2, 28, 0, 0, 0, 0, time.UTC), time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC), time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC),
	} {
		for half := range 72 {
			bases = append(bases, day.Add(time.Duration(half)*30*time.Minute))
		}
	}
	var docs []string
	for i, base := range bases {
		docs = append(docs, fmt.Sprintf(`{"@timestamp":%q,"i":%d}`, base.Format(time.RFC3339), i), fmt.Sprintf(`{"@timestamp":%q}`, base.Add(-time.Millisecond).Format("2006-01-02T15:04:05.000Z")))
	}
	var asked []string
	for range 400 {
		zone := ""
		if g.IntN(2) == 0 {
			zone = fmt.Sprintf(`,"time_zone":%q`, pick(g, "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "+05:45", "-11", "UTC", "Z"))
		}
		asked = append(asked, fmt.Sprintf(`{"range":{"@timestamp":{%q:%q,%q:%q%s}}}`, pick(g, "gt", "gte"), g.math(bases), pick(g, "lt", "lte"), g.math(bases), zone),
			fmt.Sprintf(`{"range":{"@timestamp":{%q:%q%s}}}`, pick(g, "gt", "gte", "lt", "lte"), g.math(bases), zone))
	}
	x := newIndex(t, `{"settings":{"number_of_shards":1,"number_of_replicas":0},"mappings":{"properties":{"@timestamp":{"type":"date"}}}}`, docs)
	x.compare(t, asked)
}
