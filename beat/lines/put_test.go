package lines

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// put returns what Put makes of the first message in data, with what an input has in the event before,
// as JSON: the time and the id beside the fields.
func put(t *testing.T, config string, format Format, data string) string {
	t.Helper()
	fields := common.MapStr{
		"kubernetes": common.MapStr{"pod": common.MapStr{"uid": "1"}},
		"service":    common.MapStr{"id": "shop"},
		"log":        common.MapStr{"offset": int64(0), "file": common.MapStr{"path": "/a.log"}},
	}
	before := len(fields)
	r := opts(t, config).NewReader(format)
	got := ""
	r.Read([]byte(data), 0, true, start, func(m *Message) {
		if got != "" {
			t.Fatalf("more than one message in %q", data)
		}
		when, id := r.Put(m, fields)
		if !when.IsZero() {
			fields["@timestamp"] = when.Format(time.RFC3339Nano)
		}
		if id != "" {
			fields["_id"] = id
		}
		own := common.MapStr{"kubernetes": fields["kubernetes"], "id": fields["service"].(common.MapStr)["id"]}
		if s := own.String(); s != `{"id":"shop","kubernetes":{"pod":{"uid":"1"}}}` {
			t.Errorf("%q: what podbeat says is now %s", data, s)
		}
		log := fields["log"].(common.MapStr)
		if log["offset"] != int64(0) || log["file"].(common.MapStr).String() != `{"path":"/a.log"}` {
			t.Errorf("%q: what podbeat says of the file is now %v", data, log)
		}
		delete(log, "offset")
		delete(log, "file")
		delete(fields, "kubernetes")
		if delete(fields["service"].(common.MapStr), "id"); len(fields["service"].(common.MapStr)) == 0 {
			delete(fields, "service")
		}
		if len(log) == 0 {
			delete(fields, "log")
		}
		got = compact(fields)
	})
	if len(fields) == before && got == "" {
		t.Fatalf("no message in %q", data)
	}
	return got
}

func TestPut(t *testing.T) {
	f := func(config, data, want string) {
		t.Helper()
		if got := put(t, config, Plain, data); got != want {
			t.Errorf("%s: %s\ngot  %s\nwant %s", config, data, got, want)
		}
	}
	f("", "one", `{"message":"one"}`)
	f("max_line_bytes: 16", "0123456789\xff0123456789", `{"log":{"flags":["truncated","binary"]},"message":"0123456789�012"}`)
	f("multiline: {type: indent}", "a\n b", `{"log":{"flags":["multiline"]},"message":"a\n b"}`)

	// What filestream's ndjson does.
	f("ndjson: true", `{"a":1,"b":{"c":[1,"x",null,2.5]},"d":null}`, `{"a":1,"b":{"c":[1,"x",null,2.5]}}`)
	f("ndjson: true", `{"message":"hi","big":9007199254740993}`, `{"big":9007199254740993,"message":"hi"}`)
	f("ndjson: {message_key: msg}", `{"msg":"hi","a":1}`, `{"a":1,"message":"hi","msg":"hi"}`)
	f("ndjson: {message_key: msg, add_error_key: true}", `{"a":1}`, `{"a":1,"error":{"message":"Key 'msg' not found","type":"json"}}`)
	f("ndjson: {message_key: msg}", `{"a":null}`, `{}`)
	f("ndjson: {message_key: msg}", `{"msg":null,"a":1}`, `{"a":1,"message":"{\"msg\":null,\"a\":1}"}`)
	f("ndjson: {message_key: a.b, add_error_key: true}", `{"a":{"b":null}}`,
		`{"a":{},"error":{"message":"Value of key 'a.b' is not a string","type":"json"},"message":"{\"a\":{\"b\":null}}"}`)
	f("ndjson: {add_error_key: true}", `{"a":1}x`, `{"error":{"message":"Error decoding JSON: byte 7 is behind the end of the object","type":"json"},"message":"{\"a\":1}x"}`)
	f("ndjson: {add_error_key: true}", `{"a":"x`, `{"error":{"message":"Error decoding JSON: it ends where the end of a text should be","type":"json"},"message":"{\"a\":\"x"}`)
	f("ndjson: {message_key: a, add_error_key: true}", `{"a":1}`, `{"a":1,"error":{"message":"Value of key 'a' is not a string","type":"json"}}`)
	f("ndjson: {add_error_key: true}", `no json`, `{"error":{"message":"Error decoding JSON: byte 0 is not an object","type":"json"},"message":"no json"}`)
	f("ndjson: true", `{"a":1} tail`, `{"message":"{\"a\":1} tail"}`)
	f("ndjson: true", `[1]`, `{"message":"[1]"}`)
	f("ndjson: {target: json}", `{"a":1,"host":"x","@timestamp":"y","kubernetes":{"pod":1}}`, `{"json":{"@timestamp":"y","a":1,"host":"x","kubernetes":{"pod":1}}}`)
	f("ndjson: {target: json, message_key: m}", `{"m":"hi"}`, `{"json":{"m":"hi"},"message":"hi"}`)
	f("ndjson: {document_id: a.id}", `{"a":{"id":"x1","b":1}}`, `{"_id":"x1","a":{"b":1}}`)
	f("ndjson: {document_id: id}", `{"id":5}`, `{"id":5}`)
	f("ndjson: true", `{"a.b":1,"a":{"c":2}}`, `{"a":{"c":2},"a.b":1}`)
	f("ndjson: {expand_keys: true}", `{"a.b":1,"a":{"c":2,"d.e":{"f.g":3}}}`, `{"a":{"b":1,"c":2,"d":{"e":{"f":{"g":3}}}}}`)
	f("ndjson: {expand_keys: true}", `{"a":1,"a.b":2,"c.d":3,"c":{"d":4}}`, `{"a":1,"c":{"d":4},"log":{"unmapped":"{\"a.b\":2,\"c.d\":3}"}}`)
	f("ndjson: {overwrite_keys: true}", `{"@timestamp":"2026-05-17T10:00:00.123+0200"}`, `{"@timestamp":"2026-05-17T08:00:00.123Z"}`)
	f("ndjson: {overwrite_keys: true, add_error_key: true}", `{"@timestamp":"never"}`,
		`{"error":{"message":"@timestamp not overwritten (parse error on \"never\")","type":"json"},"log":{"unmapped":"{\"@timestamp\":\"never\"}"}}`)
	f("ndjson: {overwrite_keys: true}", `{"@timestamp":"1999-05-17T10:00:00Z"}`, `{"log":{"unmapped":"{\"@timestamp\":\"1999-05-17T10:00:00Z\"}"}}`)
	f("ndjson: true", `{"@timestamp":"2026-05-17T10:00:00Z"}`, `{"log":{"unmapped":"{\"@timestamp\":\"2026-05-17T10:00:00Z\"}"}}`)
	f("parsers: [{multiline: {type: indent}}, {ndjson: {target: j}}]", "{\"a\":\n 1}", `{"j":{"a":1},"log":{"flags":["multiline"]}}`)

	// What ECS' own loggers write.
	f("ndjson: {overwrite_keys: true, expand_keys: true}",
		`{"@timestamp":"2026-05-17T10:00:00Z","log.level":"INFO","message":"m","ecs.version":"1.2.0","service.name":"s","event.dataset":"d",`+
			`"process.thread.name":"t","process.pid":7,"log.logger":"l","log.origin":{"file.name":"f","file.line":3},"error.type":"E","error.message":"e","labels":{"a.b":1,"c":true},"tags":["x"],"trace.id":"t"}`,
		`{"@timestamp":"2026-05-17T10:00:00Z","error":{"message":"e","type":"E"},"event":{"dataset":"d"},"labels":{"c":"true"},`+
			`"log":{"level":"INFO","logger":"l","origin":{"file":{"line":3,"name":"f"}},"unmapped":"{\"labels.a\":{\"b\":1}}"},"message":"m",`+
			`"process":{"pid":7,"thread":{"name":"t"}},"service":{"name":"s"},"tags":["x"],"trace":{"id":"t"}}`)
}

// TestPutRefuses: what Elasticsearch would refuse, and what podbeat alone says.
func TestPutRefuses(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		for _, config := range []string{"true", "{overwrite_keys: true}"} {
			if got := put(t, "ndjson: "+config, Plain, data); got != want {
				t.Errorf("%s: %s\ngot  %s\nwant %s", config, data, got, want)
			}
		}
		if strings.Contains(data, ".") {
			return
		}
		if got := put(t, "ndjson: {overwrite_keys: true, expand_keys: true}", Plain, data); got != want {
			t.Errorf("expanded: %s\ngot  %s\nwant %s", data, got, want)
		}
	}
	unmapped := func(v string) string { return `{"log":{"unmapped":` + compact(v) + `}}` }
	for _, data := range []string{
		`{"@metadata":{"_id":"x","pipeline":"p"}}`, `{"@metadata":1}`, `{"@metadata.pipeline":"p"}`, `{"@timestamp":5}`,
		`{"kubernetes":"x"}`, `{"kubernetes.pod.uid":"2"}`, `{"kubernetes.namespace.x":"2"}`, `{"host":"x"}`, `{"host.name":"x"}`,
		`{"service.id":"x"}`, `{"service.id.x":"x"}`, `{"log.file.path":"x"}`, `{"log.offset":7}`, `{"log.file":"x"}`, `{"log.offset.x":1}`,
		`{"agent":"x"}`, `{"ecs":"x"}`, `{"input":"x"}`, `{"container":"x"}`, `{"stream":"x"}`, `{"fields":"x"}`, `{"_id":"x"}`, `{"_source":1}`, `{"index":"x"}`, `{"namespace":"x"}`,
		`{"error":"boom"}`, `{"user":"bob"}`, `{"event":"login"}`, `{"service":"x"}`, `{"process":["x"]}`, `{"labels":["x"]}`, `{"log":[1]}`, `{"trace":"x"}`,
		`{"message.x":1}`, `{"tags.x":1}`, `{"process.pid":"x"}`, `{"process.pid":1.5}`, `{"log.level":["x",["y"]]}`,
		`{"":1}`, `{" ":1}`, `{".":1}`, `{"a.":1}`, `{".a":1}`, `{"a..b":1}`, `{"x":18446744073709551615}`, `{"x":[1e39]}`, `{"a. .b":1}`,
	} {
		f(data, unmapped(data))
	}
	f(`{"log":{"file":{"path":"x"},"offset":1,"level":"info"},"service":{"id":"x","name":"n"},"kubernetes":{"pod":{"uid":"2"}}}`,
		`{"log":{"level":"info","unmapped":"{\"kubernetes\":{\"pod\":{\"uid\":\"2\"}},\"log.file\":{\"path\":\"x\"},\"log.offset\":1,\"service.id\":\"x\"}"},"service":{"name":"n"}}`)
	f(`{"message":{"a":1},"tags":{"b":1}}`, unmapped(`{"message":{"a":1},"tags":{"b":1}}`))
	f(`{"a":{"":1},"b":{"c":[{"x.":1}]},"d":1}`, `{"d":1,"log":{"unmapped":"{\"a\":{\"\":1},\"b\":{\"c\":[{\"x.\":1}]}}"}}`)
	f(`{"process":{"pid":"x","name":{"a":1},"thread":{"name":"t"}}}`, `{"log":{"unmapped":"{\"process.name\":{\"a\":1},\"process.pid\":\"x\"}"},"process":{"thread":{"name":"t"}}}`)
	f(`{"labels":{"a":{"b":1},"c":2,"d":[1]}}`, `{"labels":{"c":"2"},"log":{"unmapped":"{\"labels.a\":{\"b\":1},\"labels.d\":[1]}"}}`)
	f(`{"ecs":{"version":"1"},"a":1}`, `{"a":1}`)
	if got := put(t, "ndjson: {target: json}", Plain, `{"a":{"":1}}`); got != unmapped(`{"json":{"a":{"":1}}}`) {
		t.Error(got)
	}
}

// TestPutTypes: what may stand under the names of the Elastic Common Schema.
func TestPutTypes(t *testing.T) {
	f := func(name, value string, want bool) {
		t.Helper()
		data := `{"` + name + `":` + value + `}`
		for _, config := range []string{"true", "{expand_keys: true}"} {
			var got struct{ Log struct{ Unmapped *string } }
			if err := json.Unmarshal([]byte(put(t, "ndjson: "+config, Plain, data)), &got); err != nil {
				t.Fatal(err)
			}
			if got := got.Log.Unmapped == nil; got != want {
				t.Errorf("%s: %s stays: %v, want %v", config, data, got, want)
			}
		}
	}
	for _, v := range []string{`7`, `-7`, `1e3`, `"7"`, `"-7"`, `[1,null,"2"]`, `[]`} {
		f("event.duration", v, true)
	}
	for _, v := range []string{`"x"`, `""`, `"-"`, `"1 "`, `7.5`, `1e19`, `true`, `{"a":1}`, `[[1]]`, `["x"]`, `"1234567890123456789"`} {
		f("event.duration", v, false)
		f("http.response.status_code", v, false)
		f("client.nat.port", v, false)
	}
	f("event.duration.x", `1`, false)
	f("http.response", `"x"`, false)
	f("http.request.method", `"GET"`, true)
	f("http.request.method", `{"a":1}`, false)
	f("event.risk_score", `7.5`, true)
	f("event.risk_score", `"high"`, false)
	f("tls.resumed", `true`, true)
	f("tls.resumed", `"true"`, true)
	f("tls.resumed", `"yes"`, false)
	f("tls.resumed", `1`, false)
	for _, v := range []string{`"2026-05-17"`, `"2026-05-17T10:00"`, `"2026-05-17T10:00:00.123456789Z"`, `"2026-05-17T10:00:00+02:00"`, `"2026-05-17T10:00:00-0200"`, `1779012000000`} {
		f("event.start", v, true)
	}
	for _, v := range []string{
		`"never"`, `"2026-05-32"`, `"2026-05-17T"`, `"2026-05-17T25:00"`, `"2026-05-17T10:00:61Z"`, `"2026-05-17T1:00:00Z"`, `"2026-05-17T10:00:00,5Z"`,
		`"2026-05-17 10:00:00"`, `"2026-05-17T10:00:00+24:00"`, `-1`, `1e300`, `true`, `{}`,
	} {
		f("event.start", v, false)
	}
	f("source.ip", `"10.0.0.1"`, true)
	f("source.ip", `["::1","10.0.0.1"]`, true)
	f("source.ip", `"fe80::1%eth0"`, false)
	f("source.ip", `"localhost"`, false)
	f("source.geo.location", `{"lat":52.5,"lon":13}`, true)
	f("source.geo.location", `{"lat":91,"lon":13}`, false)
	f("source.geo.location", `{"lat":52.5}`, false)
	f("source.geo.location", `"x"`, false)
	f("duration", `"x"`, true)
}

// TestPutBounds: what is too large is a text.
func TestPutBounds(t *testing.T) {
	f := func(config, data string, want bool) {
		t.Helper()
		r := opts(t, config).NewReader(Plain)
		r.Read([]byte(data), 0, true, start, func(m *Message) {
			fields := common.MapStr{}
			r.Put(m, fields)
			if json := fields["message"] == nil; json != want || (r.Counters.JSON == 0) != want {
				t.Errorf("%s: %.40s: read as JSON: %v, want %v", config, data, json, want)
			}
		})
	}
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) }
	f("ndjson: true", deep(20), true)
	f("ndjson: true", deep(21), false)
	f("ndjson: {max_depth: 2}", `{"a":[1]}`, true)
	f("ndjson: {max_depth: 2}", `{"a":[[1]]}`, false)
	f("ndjson: {max_depth: 2}", `{"a.b":1}`, true)
	f("ndjson: {max_depth: 2}", `{"a.b.c":1}`, false)
	f("ndjson: true", `{"a`+strings.Repeat(".a", 10000)+`":1}`, false)
	f("ndjson: true", `{"a":`+strings.Repeat("[", 10000)+strings.Repeat("]", 10000)+`}`, false)
	f("ndjson: {max_keys: 2}", `{"a":1,"b":{}}`, true)
	f("ndjson: {max_keys: 2}", `{"a":1,"b":{"c":1}}`, false)
	f("ndjson: {max_keys: 2}", `{"a":[`+strings.Repeat("1,", 20)+`1]}`, false)
}

func TestPutLevel(t *testing.T) {
	f := func(config, data, want string) {
		t.Helper()
		var got struct{ Log struct{ Level string } }
		if err := json.Unmarshal([]byte(put(t, config, Plain, data)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Log.Level != want {
			t.Errorf("%s: level of %q is %q, want %q", config, data, got.Log.Level, want)
		}
	}
	f("", "ERROR x", "")
	const message = "level: {from: message}"
	f(message, "2026-05-17 ERROR x", "err")
	f(message, "[WARN] INFO x", "warning")
	f(message, "no error, INFORMATION_X E2E A DEBUG", "debug")
	f(message, `ts=1 level="Warn" msg=ERROR`, "warning")
	f(message, `severity=custom`, "custom")
	f(message, "nothing", "")
	f(message, strings.Repeat("x ", 128)+"ERROR", "")
	f("level: {from: message, pattern: '^(\\w)\\d+ '}", "E0517 x", "e")
	f("level: {from: message, pattern: '^(\\w)\\d+ ', names: {E: err}}", "E0517 x", "err")
	f("level: {from: message, pattern: 'warn'}", "a warn b", "warning")
	f("{ndjson: true, level: {from: severity}}", `{"severity":"CRITICAL"}`, "crit")
	f("{ndjson: true, level: {from: log.level}}", `{"log.level":"Fatal"}`, "crit")
	f("{ndjson: true, level: {from: log.level}}", `{"log":{"level":"Fatal"}}`, "crit")
	f("{ndjson: true, level: {from: level}}", `{"level":30}`, "info")
	f("{ndjson: true, level: {from: level}}", `{"level":"a\u001b[31m"}`, "")
	f("{ndjson: true, level: {from: level}}", `{"level":{"a":1}}`, "")
	f("{ndjson: {message_key: m}, level: {from: message}}", `{"m":"x ERROR","level":"INFO"}`, "err")
}

func TestPutTime(t *testing.T) {
	f := func(config, data, want string) {
		t.Helper()
		var got struct {
			Time string `json:"@timestamp"`
		}
		if err := json.Unmarshal([]byte(put(t, config, Plain, data)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Time != want {
			t.Errorf("%s: time of %q is %q, want %q", config, data, got.Time, want)
		}
	}
	const message = "timestamp: {from: message, timezone: Europe/Berlin}"
	f("", "2026-05-17T10:00:00Z x", "")
	f(message, "2026-05-17T10:00:00Z x", "2026-05-17T10:00:00Z")
	f(message, "[2026-05-17 10:00:00,123] x", "2026-05-17T08:00:00.123Z")
	f(message, "2026/05/17 10:00:00.123456789123 +0100 x", "2026-05-17T09:00:00.123456789Z")
	f(message, "2026-05-17T10:00:00-01:00", "2026-05-17T11:00:00Z")
	f(message, "2026-01-17T10:00:00.x", "2026-01-17T09:00:00Z")
	f(message, "2026-05-17 10:00:00 -x", "2026-05-17T08:00:00Z")
	f(message, "2026-02-30 10:00:00", "")
	f(message, "2026-05-18 15:00:00", "")
	f(message, "2025-05-16 15:00:00", "")
	f("timestamp: {from: message, max_age: 0}", "1999-05-16 15:00:00Z", "1999-05-16T15:00:00Z")
	f("timestamp: {from: message, timezone: UTC, layouts: ['Jan _2 15:04:05']}", "May  7 10:00:00 x", "2026-05-07T10:00:00Z")
	f("timestamp: {from: message, timezone: UTC, layouts: ['Jan _2 15:04:05']}", "Dec 31 10:00:00.5 x", "2025-12-31T10:00:00.5Z")
	f("timestamp: {from: message, pattern: 'at (\\d+)', layouts: [UNIX_MS]}", "x at 1778976000123", "2026-05-17T00:00:00.123Z")
	f("timestamp: {from: message, layouts: [UNIX]}", "1778976000.25 x", "2026-05-17T00:00:00.25Z")
	f("timestamp: {from: message, layouts: [UNIX]}", "99999999999999999999 x", "")
	f("{ndjson: true, timestamp: {from: ts, layouts: [UNIX]}}", `{"ts":1778976000.5}`, "2026-05-17T00:00:00.5Z")
	f("{ndjson: true, timestamp: {from: a.ts}}", `{"a":{"ts":"2026-05-17T00:00:00Z"}}`, "2026-05-17T00:00:00Z")
	f("{ndjson: true, timestamp: {from: ts}}", `{"ts":"2026-05-17T00:00:00Z tail"}`, "")
	f("{ndjson: {overwrite_keys: true}, timestamp: {from: ts}}", `{"ts":"2026-05-17T00:00:00Z","@timestamp":"2026-05-16T00:00:00Z"}`, "2026-05-17T00:00:00Z")
}

func TestPutContainer(t *testing.T) {
	const want = `{"@timestamp":"2026-05-17T10:00:00.5Z","log":{"level":"err"},"message":"one","stream":"stderr"}`
	if got := put(t, "", Container, "2026-05-17T10:00:00.5Z stderr F one"); got != want {
		t.Error(cmp.Diff(want, got))
	}
	const docker = `{"log":"one\n","stream":"stderr","attrs":{"a":"1","a.b":"2","c":3},"time":"2026-05-17T10:00:00.5Z"}`
	const labelled = `{"@timestamp":"2026-05-17T10:00:00.5Z","docker":{"attrs":{"a":"1","a_b":"2"}},"log":{"level":"err"},"message":"one","stream":"stderr"}`
	if got := put(t, "", Container, docker); got != labelled {
		t.Error(cmp.Diff(labelled, got))
	}
	if got := put(t, "", Container, "what?"); got != `{"log":{"flags":["unparsed"]},"message":"what?"}` {
		t.Error(got)
	}
}

// TestPutStreamLevel: what is known better than by the output stays.
func TestPutStreamLevel(t *testing.T) {
	f := func(config, text, want string) {
		t.Helper()
		var got struct {
			Log    struct{ Level string }
			Dotted string `json:"log.level"`
		}
		if err := json.Unmarshal([]byte(put(t, config, Container, "2026-05-17T10:00:00.5Z stdout F "+text)), &got); err != nil {
			t.Fatal(err)
		}
		if got.Log.Level+got.Dotted != want {
			t.Errorf("%s: level of %q is %q, want %q", config, text, got.Log.Level+got.Dotted, want)
		}
	}
	f("", "ERROR x", "info")
	f("level: {from: message}", "ERROR x", "err")
	f("level: {from: message}", "x", "info")
	f("ndjson: true", `{"log.level":"WARN"}`, "WARN")
	f("ndjson: true", `{"log":{"level":"WARN"}}`, "WARN")
}

// TestKnown: no field of podbeat's own template can get a value of another shape from a line.
func TestKnown(t *testing.T) {
	text, err := os.ReadFile("../fields.yml")
	if err != nil {
		t.Fatal(err)
	}
	type field struct {
		Name, Type       string
		Fields, Unmapped []field
	}
	var sections []field
	if err := yaml.Unmarshal(text, &sections); err != nil {
		t.Fatal(err)
	}
	count := 0
	var check func(prefix string, fields []field)
	check = func(prefix string, fields []field) {
		for _, f := range fields {
			path := prefix + f.Name
			if f.Type == "group" {
				check(path+".", f.Fields)
				continue
			}
			count++
			ok := false
			switch shapeOf(path) {
			case own:
				ok = true
			case keyword:
				ok = f.Type == "keyword" || f.Type == "text"
			case long:
				ok = f.Type == "long"
			case branch:
				ok = f.Type == "object"
			case flat:
				ok = f.Type == "object"
			}
			if !ok {
				t.Errorf("%s is of type %s, and a line may write another one", path, f.Type)
			}
		}
	}
	for _, s := range sections {
		check("", s.Fields)
		check("", s.Unmapped)
	}
	if count < 50 {
		t.Errorf("%d fields checked", count)
	}
}
