package consume

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/encode"
)

var (
	testTime = time.Date(2024, 5, 17, 12, 0, 0, 123e6, time.UTC) // of test messages
	otherDay = time.Date(2024, 5, 18, 1, 2, 3, 456789e3, time.UTC)
)

// testID is the id that events of test messages get.
const testID = "lwamnpff-logstash-journal-3-42"

func testDecoder(t testing.TB, list string) *decoder {
	m := newMetrics(t.Name())
	t.Cleanup(m.close)
	return &decoder{maxBytes: 1000, maxValues: 50, list: list, metrics: m}
}

func testMessage(text string) *message {
	return &message{[]byte(text), "logstash-journal", 3, 42, testTime}
}

func TestDecode(t *testing.T) {
	d := testDecoder(t, "")
	f := func(text string, want beat.Event) {
		t.Helper()
		if want.Meta == nil {
			want.Meta = common.MapStr{"_id": testID}
		}
		if want.Fields == nil {
			want.Fields = common.MapStr{}
		}
		got, _, err := d.decode(testMessage(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if diff := cmp.Diff([]beat.Event{want}, got); diff != "" {
			t.Errorf("%s: want -, got +\n%s", text, diff)
		}
	}
	type fields = common.MapStr

	// What podbeat has written becomes what it was.
	f(`{"@timestamp":"2024-05-18T01:02:03.456789Z","@metadata":{"beat":"podbeat","type":"_doc","version":"1.0","_id":"a-1","index_prefix":"logstash-podbeat-n1",
		"raw_index":"r","pipeline":"p","op_type":"index","more":{"x":1}},"message":"m","host":{"name":"n1"}}`,
		beat.Event{Timestamp: otherDay, Meta: common.MapStr{"_id": "a-1", "index_prefix": "logstash-podbeat-n1", "raw_index": "r", "pipeline": "p", "op_type": "index",
			"more": common.MapStr{"x": int64(1)}}, Fields: fields{"message": "m", "host": fields{"name": "n1"}}})
	// A field named index is nothing special there.
	f(`{"@metadata":{"beat":"podbeat","_id":"a"},"index":"x"}`, beat.Event{Timestamp: testTime, Meta: common.MapStr{"_id": "a"}, Fields: fields{"index": "x"}})
	// libbeat's own codec writes its type of operations as a number.
	f(`{"@metadata":{"beat":"b","_id":"a","op_type":1}}`, beat.Event{Timestamp: testTime, Meta: common.MapStr{"_id": "a", "op_type": "create"}})
	f(`{"@metadata":{"beat":"b","_id":"a","op_type":2}}`, beat.Event{Timestamp: testTime, Meta: common.MapStr{"_id": "a", "op_type": "index"}})
	f(`{"@metadata":{"beat":"b","_id":"a","op_type":""}}`, beat.Event{Timestamp: testTime, Meta: common.MapStr{"_id": "a"}})

	// What Logstash has written, as the MSCP's cleaning leaves it, goes to the index that it names.
	f(`{"@timestamp":"2024-05-18T01:02:03.456Z","@version":"1","index":"logstash-journalbeat-kvm-009660_novalocal","pod":"kubelet-x","journal":{"hostname":"kvm-009660.novalocal"}}`,
		beat.Event{Timestamp: otherDay.Truncate(time.Millisecond), Meta: common.MapStr{"_id": testID, "index_prefix": "logstash-journalbeat-kvm-009660_novalocal"},
			Fields: fields{"@version": "1", "index": "logstash-journalbeat-kvm-009660_novalocal", "pod": "kubelet-x", "journal": fields{"hostname": "kvm-009660.novalocal"}}})
	f(`{"@metadata":{"_id":"mine","raw_index":".security"},"index":".Kibana/*"}`, beat.Event{Timestamp: testTime,
		Meta: common.MapStr{"_id": testID, "index_prefix": "kibana__"}, Fields: fields{"index": ".Kibana/*"}})
	f(`{"index":"..."}`, beat.Event{Timestamp: testTime, Fields: fields{"index": "..."}})
	f(`{"index":7}`, beat.Event{Timestamp: testTime, Fields: fields{"index": int64(7)}})
	f(` {} `, beat.Event{Timestamp: testTime})

	// A time that is missing or wrong is the record's.
	for _, wrong := range []string{`"yesterday"`, `17`, `null`, `{}`, `"2024-13-01T00:00:00Z"`, `""`} {
		f(`{"@timestamp":`+wrong+`}`, beat.Event{Timestamp: testTime})
	}
	f(`{"@timestamp":"2024-05-18T03:02:03.456789+02:00"}`, beat.Event{Timestamp: otherDay})
	// So is an id that Elasticsearch does not take.
	for _, wrong := range []string{`""`, `7`, `null`, `"` + strings.Repeat("i", 513) + `"`} {
		f(`{"@metadata":{"beat":"b","_id":`+wrong+`}}`, beat.Event{Timestamp: testTime})
	}
	f(`{"@metadata":{"beat":"b","_id":"`+strings.Repeat("i", 512)+`"}}`, beat.Event{Timestamp: testTime, Meta: common.MapStr{"_id": strings.Repeat("i", 512)}})

	// Numbers keep their kind, and names their dots.
	for text, want := range map[string]any{
		"1": int64(1), "-9223372036854775808": int64(math.MinInt64), "9223372036854775807": int64(math.MaxInt64), "18446744073709551615": uint64(math.MaxUint64),
		"18446744073709551616": json.Number("18446744073709551616"), "1.0": 1.0, "1e3": 1000.0, "0.1": 0.1, "-0": int64(0), "-0.0": math.Copysign(0, -1), "1e308": 1e308, "1e-400": 0.0,
		"true": true, "null": nil, `""`: "", `[]`: []any{}, `[1,"a",[{}]]`: []any{int64(1), "a", []any{fields{}}}, `"\ud83d\ude00\u0000"`: "😀\x00",
		`"\ud800x"`: "\uFFFDx", "\"a\xffb\"": "a\uFFFDb",
	} {
		f(`{"v":`+text+`}`, beat.Event{Timestamp: testTime, Fields: fields{"v": want}})
	}
	f(`{"a.b":1,"a":{"b":2},"":3}`, beat.Event{Timestamp: testTime, Fields: fields{"a.b": int64(1), "a": fields{"b": int64(2)}, "": int64(3)}})
}

func TestDecodeRefuses(t *testing.T) {
	d := testDecoder(t, "")
	f := func(text, kind, reason string) {
		t.Helper()
		_, _, err := d.decode(testMessage(text))
		var why *refusal
		if !errors.As(err, &why) || why.kind != kind || !strings.Contains(why.reason, reason) {
			t.Errorf("%.60s: got %v, want %s: %s", text, err, kind, reason)
		}
	}
	f("", "not_json", "the message is empty")
	f(" \n ", "not_json", "the message is empty")
	f("hello", "not_json", "invalid character")
	f(`{"a":1`, "not_json", "EOF")
	f(`{"a":1}{}`, "not_json", "behind the object (byte 7)")
	f(`{"a":1}x`, "not_json", "behind the object")
	f(`{"a":NaN}`, "not_json", "invalid character")
	f(`{"a":Infinity}`, "not_json", "invalid character")
	f(`{"a":01}`, "not_json", "invalid character")
	f(`{"a":"`+"\n"+`"}`, "not_json", "invalid character")
	f("{\"a\":\"\x1b[2J\"}", "not_json", "invalid character")
	f(`{"a" 1}`, "not_json", "")
	f("\xef\xbb\xbf{}", "not_json", "")
	f(`[{}]`, "not_an_event", "not a list")
	f(`"{}"`, "not_an_event", "not a text")
	f(`7`, "not_an_event", "not a number")
	f(`null`, "not_an_event", "not null")
	f(`{"a":1,"a":2}`, "not_an_event", `"a" is there twice`)
	f(`{"a":{"b":1,"\u0062":2}}`, "not_an_event", `"b" is there twice`)
	f(`{"a":1e400}`, "not_an_event", "out of range")
	f(`{"a":`+strings.Repeat("9", 400)+`}`, "not_an_event", "out of range")
	f(`{"@metadata":7}`, "not_an_event", "@metadata is no object")
	f(`{"@metadata":null}`, "not_an_event", "@metadata is no object")
	f(`{"@metadata":{"beat":"b","op_type":"delete"}}`, "not_an_event", "op_type")
	f(`{"@metadata":{"beat":"b","op_type":3}}`, "not_an_event", "op_type")
	f(`{"@metadata":{"beat":"b","op_type":{}}}`, "not_an_event", "op_type")
	f(`{"@metadata":{"beat":"b","raw_index":7}}`, "not_an_event", "raw_index is no text")
	f(`{"@metadata":{"beat":"b","pipeline":["p"]}}`, "not_an_event", "pipeline is no text")
	d.maxValues = 500
	f(strings.Repeat(`{"a":`, 101)+"1"+strings.Repeat("}", 101), "message_too_large", "deeper than 100")
	f(`{"a":`+strings.Repeat("[", 300)+strings.Repeat("]", 300)+`}`, "message_too_large", "deeper than 100")
	d.maxValues = 50
	f(`{"a":[`+strings.Repeat("0,", 60)+`0]}`, "message_too_large", "more than 50 values")
	f(`{"a":"`+strings.Repeat("x", 1000)+`"}`, "message_too_large", "more than max_message_bytes, 1000")

	deepest := strings.Repeat(`{"a":`, 49) + "1" + strings.Repeat("}", 49)
	if _, _, err := d.decode(testMessage(deepest)); err != nil {
		t.Errorf("50 values in 49 objects: %v", err)
	}
}

// TestReason: a dead letter says once, without quotes around it and without control characters, what is wrong.
func TestReason(t *testing.T) {
	d := testDecoder(t, "")
	f := func(text string) {
		t.Helper()
		_, _, err := d.decode(testMessage(text))
		if err == nil || strings.HasPrefix(err.Error(), `"`) || strings.Contains(err.Error(), `\\`) || strings.IndexFunc(err.Error(), func(c rune) bool { return !unicode.IsPrint(c) }) >= 0 {
			t.Errorf("%q: got %q", text, err)
		}
	}
	f(`{"a":1`)
	f("\x00")
	f(`{"a":` + "\x1b")
	f("{\"\u009b2J\":x}")
	f("{\"\x1b\":x}")
}

// TestNumbers: a number is written again as what it was: with a point or an exponent if it had one, since that is what Elasticsearch maps by.
func TestNumbers(t *testing.T) {
	d := testDecoder(t, "")
	f := func(text, want string) {
		t.Helper()
		list, _, err := d.decode(testMessage(`{"v":` + text + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := documentOf(t, list[0], "v"); !strings.HasSuffix(got, `"v":`+want+"}") {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	f("1.0", "1.0")
	f("1.75", "1.75")
	f("-3.00", "-3.0")
	f("1e+20", "100000000000000000000.0")
	f("100000000000000000000.0", "100000000000000000000.0")
	f("1e3", "1000.0")
	f("1e21", "1e+21")
	f("0.0", "0.0")
	f("7", "7")
	f("-0", "0")
	f("18446744073709551615", "18446744073709551615")
	f("100000000000000000000", "100000000000000000000")
}

// TestNoTime: an event has the same day whenever its message is read, or is none.
func TestNoTime(t *testing.T) {
	d := testDecoder(t, "")
	f := func(millis int64, text, want string) {
		t.Helper()
		m := testMessage(text)
		m.time = time.UnixMilli(millis)
		list, _, err := d.decode(m)
		got := fmt.Sprint(err)
		if err == nil {
			got = list[0].Timestamp.Format(time.RFC3339Nano)
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%d %s: got %s, want %s", millis, text, got, want)
		}
	}
	const refused = "there is no @timestamp that can be read, and Kafka's time"
	for _, millis := range []int64{253402300800000, 253402300800000 + 400*86400000, 1 << 62, math.MaxInt64, -1, math.MinInt64} {
		f(millis, `{"message":"time far"}`, refused)
		f(millis, `{"@timestamp":"never"}`, refused)
		f(millis, `{"@timestamp":"2024-05-18T01:02:03.456789Z"}`, "2024-05-18T01:02:03.456789Z")
	}
	f(0, `{}`, "1970-01-01T00:00:00Z")
	f(253402300799999, `{}`, "9999-12-31T23:59:59.999Z")
}

// TestDecodeList: a message may be a list of events.
func TestDecodeList(t *testing.T) {
	d := testDecoder(t, "records")
	f := func(text, want string) {
		t.Helper()
		list, _, err := d.decode(testMessage(text))
		got := fmt.Sprint(err)
		if err == nil {
			got = ""
			for _, e := range list {
				got += fmt.Sprintf("%v %v;", e.Meta["_id"], e.Fields)
			}
		}
		if !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	f(`{"records":[{"a":1},{"b":2}],"x":0}`, testID+`-0 {"a":1};`+testID+`-1 {"b":2};`)
	f(`{"records":[]}`, "")
	f(`{"a":1}`, `no list in "records"`)
	f(`{"records":[{},1]}`, "element 1")
}

// TestRestored: what the Kafka output writes becomes the document that the Elasticsearch output would have written.
func TestRestored(t *testing.T) {
	d := testDecoder(t, "")
	d.maxBytes = 1 << 20
	e := beat.Event{
		Timestamp: otherDay, Meta: common.MapStr{"_id": "a-1", "index_prefix": "logstash-podbeat-n1"},
		Fields: common.MapStr{
			"message": "line \x00\x1b <&>\u2028 \xff", "i": int64(-7), "u": uint64(math.MaxUint64), "f": 0.1, "whole": 1e20, "big": 1e21, "small": 1e-7, "f32": float32(0.1), "minus": math.Copysign(0, -1),
			"t": common.Time(otherDay), "tags": []string{"x"}, "null": nil, "a.b": common.MapStr{"c": []any{true, common.MapStr{}}}, "empty": "", "raw": []byte("x"),
		},
	}
	var enc encode.Encoder
	text, err := enc.Message(nil, &e, "podbeat", "1.0")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := d.decode(testMessage(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if !got[0].Timestamp.Equal(e.Timestamp) || !cmp.Equal(got[0].Meta, e.Meta) {
		t.Errorf("got %v %v", got[0].Timestamp, got[0].Meta)
	}
	for name := range e.Fields { // one by one, as the order of keys is any
		want, got := documentOf(t, e, name), documentOf(t, got[0], name)
		if want != got {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	if len(got[0].Fields) != len(e.Fields) {
		t.Errorf("got %d fields, want %d", len(got[0].Fields), len(e.Fields))
	}
}

// documentOf is the document of e with one field alone.
func documentOf(t *testing.T, e beat.Event, field string) string {
	t.Helper()
	e.Fields = common.MapStr{field: e.Fields[field]}
	var enc encode.Encoder
	text, err := enc.Event(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// FuzzDecode: whatever comes is an event or refused; an event can be written and read again as the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"@timestamp":"2024-05-18T01:02:03.456789Z","@metadata":{"beat":"podbeat","_id":"a"},"a.b":[1,-0,1e3,18446744073709551615,null,true,"\ud800"]}`,
		`{"index":"Logstash-x","@timestamp":1}`, `{"a":{"a":{"a":[[[{}]]]}}}`, `{"a":1,"a":2}`, "{\"\xff\":\"\xff\"}", `[`, ``, `{"@metadata":{"beat":"b","op_type":1}}`, `{"records":[{},{"a":1}]}`,
	} {
		f.Add([]byte(seed), false)
		f.Add([]byte(seed), true)
	}
	m := newMetrics("fuzz")
	f.Cleanup(m.close)
	f.Fuzz(func(t *testing.T, text []byte, list bool) {
		d := decoder{maxBytes: 1 << 12, maxValues: 100, metrics: m}
		if list {
			d.list = "records"
		}
		events, size, err := d.decode(testMessage(string(text)))
		var why *refusal
		if err != nil && !errors.As(err, &why) {
			t.Fatalf("%T: %v", err, err)
		}
		if err == nil && (size < len(text) || size > len(text)+100*valueSize) {
			t.Fatalf("size %d of %d bytes", size, len(text))
		}
		again := decoder{maxBytes: 1 << 16, maxValues: 200, metrics: m}
		for _, e := range events {
			if _, there := e.Fields["@metadata"]; there {
				t.Fatal("@metadata is left")
			}
			var enc encode.Encoder
			text, err := enc.Message(nil, &e, "b", "v")
			if err != nil {
				t.Fatal(err)
			}
			back, _, err := again.decode(testMessage(string(text)))
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			delete(e.Meta, "beat")
			if !back[0].Timestamp.Equal(e.Timestamp) || !sameJSON(e.Meta, back[0].Meta) || !sameJSON(e.Fields, back[0].Fields) {
				t.Fatalf("%s\nbecame %v\nand     %v", text, e, back[0])
			}
		}
	})
}

// sameJSON compares values; numbers may come back as another of the types that hold them.
func sameJSON(a, b any) bool {
	return cmp.Equal(a, b, cmp.FilterValues(func(x, y any) bool { return isNumber(x) && isNumber(y) },
		cmp.Comparer(func(x, y any) bool {
			return x == y || fmt.Sprint(x) == fmt.Sprint(y) || asFloat(x) == asFloat(y)
		})))
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, uint64, float64, json.Number:
		return true
	}
	return false
}

func asFloat(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case json.Number:
		f, _ := v.Float64()
		return f
	}
	return v.(float64)
}
