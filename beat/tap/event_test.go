package tap

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
)

type fromInput struct{ typ, id string }

func (f fromInput) Input() (typ, id string) { return f.typ, f.id }

var sample = &beat.Event{
	Timestamp: time.Date(2024, 5, 17, 12, 0, 0, 123456000, time.UTC),
	Meta:      common.MapStr{"_id": "a-1", "index_prefix": "logs"},
	Private:   fromInput{"journal", "node"},
	Fields: common.MapStr{
		"message": "GET /login?token=abc123 failed",
		"log":     common.MapStr{"level": "err", "flags": []string{"partial", "binary"}},
		"kubernetes": common.MapStr{"namespace": "shop", "pod": common.MapStr{"name": "web-1"},
			"labels": map[string]any{"app.kubernetes.io/name": "web"}},
		"http.status": 500, "took": 1.5, "ok": false, "size": uint64(1 << 63),
		"event": common.MapStr{"created": common.Time(time.Date(2024, 5, 17, 12, 0, 1, 0, time.UTC))},
		"list":  []any{common.MapStr{"name": "a"}, map[string]any{"name": "b"}}, "maps": []common.MapStr{{"x": 1}},
		"empty": nil,
	},
}

func TestMatcher(t *testing.T) {
	f := func(filter string, want bool) {
		t.Helper()
		match, err := matcher(filter, time.Date(2024, 5, 17, 12, 30, 0, 0, time.UTC))
		if err != nil {
			t.Errorf("%s: %v", filter, err)
			return
		}
		if got := match == nil || match(valuesOf(sample)); got != want {
			t.Errorf("%s: got %v, want %v", filter, got, want)
		}
	}
	f("", true)
	f("level: error", true)
	f("level: ERROR and namespace: shop", true)
	f("log.level: error", true)
	f("level: warn", false)
	f("not level: debug", true)
	f("pod: web-*", true)
	f("namespace: (shop or web)", true)
	f("message: failed", true)
	f(`message: "login token"`, true)
	f("abc123", true)
	f("elsewhere", false)
	f("http.status >= 500", true)
	f("http.status < 500", false)
	f("took: 1.5", true)
	f("ok: false", true)
	f("size > 1", true)
	f("log.flags: binary", true)
	f("list.name: b", true)
	f("maps.x: 1", true)
	f("kubernetes.labels.app.kubernetes.io/name: web", true)
	f("kubernetes.*: web-1", true)
	f("kubernetes: *", true)
	f("empty: *", false)
	f("nothing: *", false)
	f("@metadata._id: a-1", true)
	f("@timestamp >= now-1h", true)
	f("@timestamp >= now-10m", false)
	f(`event.created: "2024-05-17T12:00:01Z"`, true)
	f("host: a", false)
}

func TestLike(t *testing.T) {
	f := func(name, pattern string, want bool) {
		t.Helper()
		if got := like(name, pattern); got != want {
			t.Errorf("%s like %s: got %v", name, pattern, got)
		}
	}
	f("a.b", "a.b", true)
	f("a.b", "a", false)
	f("a.b", "*", true)
	f("a.b", "a.*", true)
	f("a.b", "*.b", true)
	f("a.b", "*b*", true)
	f("a.b", "*c*", false)
	f("aba", "a*b*a", true)
	f("aa", "a*a*a", false)
	f("", "*", true)
	f("a", "", false)
}

// TestLine: an event is written as a queue's message; with fields, with those alone.
func TestLine(t *testing.T) {
	w := writer{encode.Encoder{Lenient: true}, "podbeat", "1"}
	f := func(fields string, want string) {
		t.Helper()
		var list []string
		if fields != "" {
			list = strings.Split(fields, ",")
		}
		var got, wanted any
		if err := json.Unmarshal(w.line(sample, list), &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s: got %v, want %v", fields, got, wanted)
		}
	}
	const at = `{"@timestamp":"2024-05-17T12:00:00.123456Z"`
	f("ok", at+`,"ok":false}`)
	f("nothing", at+`}`)
	f("kubernetes.pod,log.*", at+`,"kubernetes":{"pod":{"name":"web-1"}},"log":{"level":"err","flags":["partial","binary"]}}`)
	f("@metadata._id,list", at+`,"@metadata":{"_id":"a-1"},"list":[{"name":"a"},{"name":"b"}]}`)
	whole := string(w.line(sample, nil))
	if !strings.HasPrefix(whole, at+`,"@metadata":{`) || !strings.HasSuffix(whole, "}\n") || strings.Count(whole, "\n") != 1 || !json.Valid([]byte(whole)) {
		t.Errorf("got %s", whole)
	}
	odd := &beat.Event{Fields: common.MapStr{"nan": math.NaN(), "tap": 1, "@timestamp": "x", "@metadata": 1, "a": make(chan int)}}
	if got := w.line(odd, nil); !json.Valid(got) || strings.HasPrefix(string(got), string(noticeStart)) {
		t.Errorf("got %s", got)
	}
}

// TestVeil: what is redacted is in no line, and no filter finds it; the event itself stays as it is.
func TestVeil(t *testing.T) {
	v, err := newVeil([]string{"kubernetes.pod.*", "*.status", `/token=\w+/`, "@metadata._id", "list"})
	if err != nil {
		t.Fatal(err)
	}
	before := encoded(t, sample)
	seen := v.over(sample)
	text := encoded(t, seen)
	for _, secret := range []string{"web-1", "500", "abc123", "a-1", `"name":"a"`} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is shown: %s", secret, text)
		}
	}
	for _, filter := range []string{"pod: web-1", "abc123", "http.status: 500", "list.name: b"} {
		if match, err := matcher(filter, time.Now()); err != nil || match(valuesOf(seen)) {
			t.Errorf("%s is found (%v)", filter, err)
		}
	}
	if !strings.Contains(text, "GET /login?[redacted] failed") || !strings.Contains(text, "shop") {
		t.Errorf("got %s", text)
	}
	if encoded(t, sample) != before {
		t.Error("the event has changed")
	}
	if v, err = newVeil([]string{"*.password"}); err != nil {
		t.Fatal(err)
	}
	deep := &beat.Event{Fields: common.MapStr{"password": "s3cret", "a": common.MapStr{"password": common.MapStr{"old": "s3cret"}}, "passwords": "kept"}}
	if text := encoded(t, v.over(deep)); strings.Contains(text, "s3cret") || !strings.Contains(text, "kept") {
		t.Errorf("got %s", text)
	}
	for _, bad := range []string{"", "/(/", "/a", "//", "@timestamp"} {
		if _, err := newVeil([]string{bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func encoded(t *testing.T, e *beat.Event) string {
	t.Helper()
	text, err := json.Marshal([]any{e.Meta, e.Fields})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestIsOf(t *testing.T) {
	f := func(e *beat.Event, input string, want bool) {
		t.Helper()
		if got := isOf(e, input); got != want {
			t.Errorf("%s: got %v", input, got)
		}
	}
	f(sample, "node", true)
	f(sample, "journal", true)
	f(sample, "nod", false)
	typed := &beat.Event{Fields: common.MapStr{"input": common.MapStr{"type": "push"}}}
	f(typed, "push", true)
	f(typed, "node", false)
	f(&beat.Event{}, "push", false)
}

// FuzzFind: whatever the names, asking an event does not fail, and finds a field by its whole name.
func FuzzFind(f *testing.F) {
	f.Add("a.b", "a.b")
	f.Add("a..b.", "*.b")
	f.Add("", "*")
	f.Fuzz(func(t *testing.T, name, pattern string) {
		e := &beat.Event{Fields: common.MapStr{name: "v", "a": common.MapStr{name: []any{"w", common.MapStr{name: 1}}}}}
		doc := valuesOf(e)
		doc(pattern)
		if name != timeField && !strings.Contains(name, "*") && !strings.HasPrefix(name, metaField+".") && !slices.Contains(doc(name), any("v")) && name != "a" {
			t.Errorf("%q is not found in itself", name)
		}
		_ = encoded(t, only(e, []string{pattern}))
	})
}
