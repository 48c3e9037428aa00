package text

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

const document = `{"@timestamp":"2026-11-20T10:00:00.000001Z","message":"a \"b\"\n\u00e9\\","kubernetes":{"pod":{"name":"web-1"},"labels.app":"x","node":null},
	"log.level":"err","log":{"offset":12,"file":{"path":"/a"}},"tags":["a","b",null,[1]],"items":[{"id":1},{"id":2},3],"on":true,"k\u0065y":1,"o": { "a" : [ ] } , "e": {},
	"twice":null,"twice":{"x":1},"twice.x":2,"big":12345678901234567890,"n":-1.5E+3}`

func TestGet(t *testing.T) {
	f := func(path, want string, wantOK bool) {
		t.Helper()
		if got, ok := Get([]byte(document), path); got != want || ok != wantOK {
			t.Errorf("Get(%q) is %q, %v; want %q, %v", path, got, ok, want, wantOK)
		}
	}
	f("message", "a \"b\"\né\\", true)
	f("kubernetes.pod.name", "web-1", true)
	f("kubernetes.labels.app", "x", true)
	f("kubernetes.node", "", false)
	f("kubernetes.pod", `{"name":"web-1"}`, true)
	f("log.level", "err", true)
	f("log.offset", "12", true)
	f("log.file.path", "/a", true)
	f("tags", "a, b, 1", true)
	f("items.id", "1, 2", true)
	f("items", `{"id":1}, {"id":2}, 3`, true)
	f("on", "true", true)
	f("key", "1", true)
	f("o", `{"a":[]}`, true)
	f("o.a", "", false)
	f("e", "{}", true)
	f("twice.x", "1", true)
	f("big", "12345678901234567890", true)
	f("n", "-1.5E+3", true)
	f("messag", "", false)
	f("message.x", "", false)
	f("kubernetes.", "", false)
	f(".", "", false)
	f("", "", false)
}

func TestGetOfBrokenDocuments(t *testing.T) {
	for n := range document {
		Get([]byte(document[:n]), "n")
		Values([]byte(document[:n]), "items.id")
		Flatten([]byte(document[:n]))
	}
	for _, doc := range []string{"", "null", "[", "[{\"a\":1}]", `{"a"}`, `{"a":}`, `{"a":?}`, `{"a`, `{"a":"\`, `{1:2}`, `{"a":{`, "{]", `{"a":]}`, `"a"`} {
		if value, ok := Get([]byte(doc), "b"); ok {
			t.Errorf("Get of %s is %q", doc, value)
		}
		if fields := Flatten([]byte(doc)); len(fields) > 0 {
			t.Errorf("Flatten of %s is %v", doc, fields)
		}
	}
	deep := strings.Repeat(`{"a":`, 100000) + "1" + strings.Repeat("}", 100000)
	if fields := Flatten([]byte(deep)); len(fields) != 1 || len(fields[0].Path) != 2*depthMax-1 {
		t.Errorf("of a deep document: %d fields, the first %s", len(fields), fields[0].Path)
	}
	if _, ok := Get([]byte(deep), strings.Repeat("a.", 99999)+"a"); ok {
		t.Error("Get goes as deep as it is told")
	}
	Get([]byte(strings.Repeat("[", 100000)), "a")
	Values([]byte(`{"a":`+strings.Repeat("[", 100000)+strings.Repeat("]", 100000)+"}"), "a")
	wide := `{"a":[` + strings.Repeat(`{"b":1},`, 20000) + `1]}`
	if fields := Flatten([]byte(wide)); len(fields) != leavesMax {
		t.Errorf("of a wide document: %d fields", len(fields))
	}
}

func TestValues(t *testing.T) {
	f := func(path string, want ...any) {
		t.Helper()
		if got := Values([]byte(document), path); !reflect.DeepEqual(got, want) {
			t.Errorf("Values(%q) is %#v, want %#v", path, got, want)
		}
	}
	f("tags", "a", "b", json.Number("1"))
	f("items.id", json.Number("1"), json.Number("2"))
	f("items", json.Number("3"))
	f("on", true)
	f("twice.x", json.Number("1"), json.Number("2"))
	f("kubernetes.pod")
	f("kubernetes.node")
}

func TestFlatten(t *testing.T) {
	f := func(doc string, want ...Field) {
		t.Helper()
		if got := Flatten([]byte(doc)); !reflect.DeepEqual(got, want) {
			t.Errorf("Flatten(%s) is\n%#v, want\n%#v", doc, got, want)
		}
	}
	f(`{}`)
	f(` {"a": 1, "b": {"c.d": "x\ny", "e": null}, "f": false} `, Field{"a", json.Number("1"), "1"}, Field{"b.c.d", "x\ny", `"x\ny"`}, Field{"b.e", nil, "null"}, Field{"f", false, "false"})
	f(`{"a":[1,"b",null]}`, Field{"a", []any{json.Number("1"), "b", nil}, `[1,"b",null]`})
	f(`{"a":[]}`, Field{"a", []any{}, "[]"})
	f(`{"a":{}}`, Field{"a", json.RawMessage("{}"), "{}"})
	f(`{"a":[{"b":1},2,{"b":3}]}`, Field{"a.b", json.Number("1"), "1"}, Field{"a", json.Number("2"), "2"}, Field{"a.b", json.Number("3"), "3"})
}

func FuzzGet(f *testing.F) {
	f.Add(document, "items.id")
	f.Add(document, "kubernetes.labels.app")
	f.Add(`{"a":[[{"b":[null]}]],"a.b":"\ud800"}`, "a.b")
	f.Fuzz(func(t *testing.T, doc, path string) {
		value, ok := Get([]byte(doc), path)
		Values([]byte(doc), path)
		if !json.Valid([]byte(doc)) || !utf8.ValidString(doc) {
			return
		}
		var object map[string]any
		decoder := json.NewDecoder(strings.NewReader(doc))
		decoder.UseNumber()
		if decoder.Decode(&object) != nil {
			if ok {
				t.Fatalf("Get(%s, %q) is %q", doc, path, value)
			}
			return
		}
		if want, has := object[path].(string); has && len(object) == 1 && strings.Count(doc, ":") == 1 && (value != want || !ok) {
			t.Fatalf("Get(%s, %q) is %q, %v; want %q", doc, path, value, ok, want)
		}
		if !strings.Contains(path, ".") && ok && object[path] == nil && strings.Count(doc, ":") == len(object) {
			t.Fatalf("Get(%s, %q) is %q", doc, path, value)
		}
	})
}

func FuzzFlatten(f *testing.F) {
	f.Add(document)
	f.Add(`{"a":[[{"b":[null]}]],"a.b":"\ud800"}`)
	f.Fuzz(func(t *testing.T, doc string) {
		fields := Flatten([]byte(doc))
		if len(fields) > leavesMax {
			t.Fatalf("%d fields", len(fields))
		}
		if !json.Valid([]byte(doc)) {
			return
		}
		for _, field := range fields {
			if !json.Valid([]byte(field.JSON)) {
				t.Fatalf("%q of %s: %s", field.Path, doc, field.JSON)
			}
			if s, ok := field.Value.(string); ok {
				var want string
				if err := json.Unmarshal([]byte(field.JSON), &want); err != nil || utf8.ValidString(doc) && s != want {
					t.Fatalf("%s is %q, want %q (%v)", field.JSON, s, want, err)
				}
			}
			if field.Value == nil || strings.HasSuffix(field.Path, ".") || strings.Contains(field.Path, "..") || field.Path == "" {
				continue
			}
			if _, ok := Get([]byte(doc), field.Path); !ok && field.JSON[0] != '[' && len(fields) < leavesMax && strings.Count(doc, "[")+strings.Count(doc, "{") < depthMax {
				t.Fatalf("Get(%s, %q) finds nothing", doc, field.Path)
			}
		}
	})
}

var sample = []byte(`{"@timestamp":"2026-11-20T10:00:00.000001Z","ecs":{"version":"1.12.0"},"host":{"name":"node-17"},"agent":{"type":"podbeat","version":"7.17.29","ephemeral_id":"2f9a5d60-6b6c-4d1c-a2f5-2f9a5d606b6c"},"kubernetes":{"namespace":"web","pod":{"name":"shop-7d9c5b8f4-x2x9z","uid":"8a2b8f6e-0c9d-4a43-9a53-8a2b8f6e0c9d"},"container":{"name":"shop"},"node":{"name":"node-17"},"deployment":{"name":"shop"},"replicaset":{"name":"shop-7d9c5b8f4"},"volume":{"log_dir":"/var/log/shop"}},"log":{"level":"INFO","stream":"console","offset":123456},"event":{"sequence":42,"created":"2026-11-20T10:00:00.100001Z"},"message":"GET /checkout 200 17ms user=12 \"agent\"","region":"eu","zone":"eu-1","service":{"id":"shop"},"labels":{"app":"shop","tier":"front"},"tags":["a","b"]}`)

func BenchmarkGet(b *testing.B) {
	for _, path := range []string{"@timestamp", "kubernetes.pod.name", "message", "tags", "nowhere"} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(sample)))
			for b.Loop() {
				Get(sample, path)
			}
		})
	}
}

func BenchmarkClean(b *testing.B) {
	for name, s := range map[string]string{
		"ascii":   strings.Repeat("GET /checkout 200 17ms user=12 ", 10),
		"tabs":    strings.Repeat("GET\t/checkout\t200 17ms user=12 ", 10),
		"escapes": strings.Repeat("\x1b[32mGET\x1b[0m /checkout 200 17ms ", 10),
		"wide":    strings.Repeat("日本語のログ 한국어 ", 10),
		"emoji":   strings.Repeat("done 👩🏽‍💻 ❤️ ", 20),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(s)))
			for b.Loop() {
				Clean(s)
			}
		})
	}
}

func BenchmarkPad(b *testing.B) {
	for name, s := range map[string]string{"ascii": strings.Repeat("GET /checkout 200 17ms user=12 ", 10), "wide": strings.Repeat("日本語のログ 한국어 ", 20)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Pad(s, 160)
			}
		})
	}
}
