package encode

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/beat/events"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	codec "github.com/elastic/beats/v7/libbeat/outputs/codec/json"
	"github.com/google/go-cmp/cmp"
)

func TestEncodeValue(t *testing.T) {
	f := func(in any, want string) {
		t.Helper()
		got, err := Encoder{}.value(nil, in, 0)
		if err != nil || string(got) != want {
			t.Errorf("%#v: got %s %v, want %s", in, got, err, want)
		}
	}
	text := "x"
	f(nil, `null`)
	f(common.MapStr(nil), `null`)
	f("a\"b\\c\n\r\t\x00\x1f\x7f", `"a\"b\\c\n\r\t\u0000\u001f`+"\x7f\"")
	f("é€😀 <&>", `"é€😀 <&>"`)
	f("a\xff\xc3(\xed\xa0\x80", "\"a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD\"")
	f(true, `true`)
	f(int8(-5), `-5`)
	f(int64(math.MinInt64), `-9223372036854775808`)
	f(uint64(math.MaxUint64), `18446744073709551615`)
	f(1.0, `1.0`)
	f(0.0, `0.0`)
	f(-7.0, `-7.0`)
	f(1e20, `100000000000000000000.0`)
	f(float32(2), `2.0`)
	f(common.Float(3), `3.0`) //lint:ignore SA1019 events may still hold one
	f(-0.25, `-0.25`)
	f(1e-7, `1e-07`)
	f(1e21, `1e+21`)
	f(float32(0.1), `0.1`)
	f(common.Float(1.5), `1.5`) //lint:ignore SA1019 events may still hold one
	f([]string{"a", "b"}, `["a","b"]`)
	f([]any{1, "a", nil}, `[1,"a",null]`)
	f([]common.MapStr{{"a": 1}}, `[{"a":1}]`)
	f([]map[string]any{{"a": 1}}, `[{"a":1}]`)
	f([]byte{1, 200}, `[1,200]`)
	f([]int{1, 2}, `[1,2]`)
	f(map[string]string{"a": "\xff"}, `{"a":"\ufffd"}`)
	f(json.RawMessage("{\n \"a\": 1\n}"), `{"a":1}`)
	f(&text, `"x"`)
	f(time.Duration(5), `5`)
	f(errText{}, `"errText"`)
	f(time.Date(2024, 5, 17, 14, 0, 0, 0, time.FixedZone("", 7200)), `"2024-05-17T12:00:00.000Z"`)
	f(time.Date(2024, 5, 17, 12, 0, 0, 120e6, time.UTC), `"2024-05-17T12:00:00.120Z"`)
	f(common.Time(time.Date(2024, 5, 17, 12, 0, 0, 123456000, time.UTC)), `"2024-05-17T12:00:00.123456Z"`)
	f(time.Date(2024, 5, 17, 12, 0, 0, 123456789, time.UTC), `"2024-05-17T12:00:00.123456789Z"`)
	f(time.Date(2024, 5, 17, 12, 0, 0, 1, time.UTC), `"2024-05-17T12:00:00.000000001Z"`)
	f(time.Time{}, `"0001-01-01T00:00:00.000Z"`)
	f(time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC), `"12345-01-01T00:00:00.000Z"`)
}

type errText struct{}

func (errText) MarshalText() ([]byte, error) { return []byte("errText"), nil }

type panics struct{}

func (panics) MarshalJSON() ([]byte, error) { panic("no") }

// isPlain looks at eight bytes at a time; byte by byte it must be the same.
func TestIsPlain(t *testing.T) {
	for at := range 20 {
		for c := range 256 {
			b := []byte("abcdefghijklmnopqrst")
			b[at] = byte(c)
			if got, want := isPlain(b), c < utf8.RuneSelf && plain[c&127]; got != want {
				t.Errorf("%q: got %v, want %v", b, got, want)
			}
		}
	}
}

func TestEncodeHTML(t *testing.T) {
	got := Encoder{EscapeHTML: true}.String(nil, "<a&b>")
	if want := `"\u003ca\u0026b\u003e"`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEncodeRefuses(t *testing.T) {
	loop := common.MapStr{}
	loop["loop"] = loop
	list := []any{nil}
	list[0] = list
	f := func(in any, want string) {
		t.Helper()
		ev := &beat.Event{Fields: common.MapStr{"bad": in}}
		if _, err := (Encoder{}).Event(nil, ev); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		got, err := Encoder{Lenient: true}.Event(nil, ev)
		if err != nil || !json.Valid(got) || !strings.Contains(string(got), want) {
			t.Errorf("lenient: got %.200s %v, want %q", got, err, want)
		}
	}
	f(math.NaN(), "NaN")
	f(math.Inf(1), "infinity")
	f(float32(math.Inf(-1)), "infinity")
	f(make(chan int), "chan int")
	f(complex(1, 2), "complex128")
	f(loop, "nested deeper than 100")
	f(list, "nested deeper than 100")
	f(panics{}, "panic in encode.panics")
	f(common.MapStr{"a": []any{common.MapStr{"b": math.NaN()}}}, "NaN")
}

// The document must be libbeat's, apart from the digits of times and from what libbeat gets wrong.
func TestEncodeAsLibbeat(t *testing.T) {
	f := func(fields common.MapStr) {
		t.Helper()
		ev := &beat.Event{Timestamp: time.Date(2024, 5, 17, 12, 0, 0, 123e6, time.UTC), Fields: fields}
		var buf bytes.Buffer
		if err := eslegclient.NewJSONEncoder(&buf, false).AddRaw(ev); err != nil {
			t.Fatal(err)
		}
		got, err := Encoder{}.Event(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(decode(t, buf.Bytes()), decode(t, got)); d != "" {
			t.Error(d)
		}
	}
	f(nil)
	f(common.MapStr{
		"time": common.Time(time.Date(2020, 1, 2, 3, 4, 5, 6e6, time.UTC)), "float": 1.25, "big": 1e300, "small": 1e-9, "f32": float32(2.5),
		"list": []string{"a", "b"}, "mixed": []any{1, "x", nil, true, common.MapStr{"y": 1}}, "bytes": []byte{1, 2}, "ints": []int{1, 2},
		"maps": []common.MapStr{{"a": 1}, {}}, "dotted.key": 1, "empty": common.MapStr{}, "nil": nil, "u64": uint64(1 << 62), "cf": common.Float(0.5), //lint:ignore SA1019 events may still hold one
	})
}

func decode(t *testing.T, b []byte) (v map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("cannot decode %s: %v", b, err)
	}
	return v
}

func FuzzEncode(f *testing.F) {
	f.Add("key", "value", 1.5, int64(12345), true)
	f.Add("\xff\n", "\u2028</script>\x00", math.NaN(), int64(-1), false)
	f.Fuzz(func(t *testing.T, key, text string, number float64, n int64, html bool) {
		ev := &beat.Event{Timestamp: time.Unix(n/1e9, n%1e9), Fields: common.MapStr{
			key: text, "m": common.MapStr{text: number}, "l": []any{text, n}, "j": map[string]string{key: text},
		}}
		got, err := Encoder{EscapeHTML: html}.Event(nil, ev)
		if finite := !math.IsNaN(number) && !math.IsInf(number, 0); finite != (err == nil) || !finite && !errors.Is(err, errNotFinite) {
			t.Fatal(err)
		}
		if err != nil {
			got, err = Encoder{EscapeHTML: html, Lenient: true}.Event(nil, ev)
		}
		if err != nil || !json.Valid(got) || !utf8.Valid(got) || bytes.ContainsRune(got, '\n') {
			t.Errorf("%q %v", got, err)
		}
	})
}

// A message is what libbeat's codec json makes, but for the digits of its times and the names that would be there twice.
func TestMessage(t *testing.T) {
	at := time.Date(2024, 5, 17, 12, 0, 0, 123456000, time.UTC)
	f := func(meta, fields common.MapStr, want string) {
		t.Helper()
		got, err := Encoder{}.Message(nil, &beat.Event{Timestamp: at, Meta: meta, Fields: fields}, "podbeat", "0.1.0")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(decode(t, []byte(want)), decode(t, got)); d != "" || strings.Count(string(got), "@") != 2 {
			t.Errorf("%s: %s", got, d)
		}
	}
	const begin = `{"@timestamp":"2024-05-17T12:00:00.123456Z","@metadata":{"beat":"podbeat","type":"_doc","version":"0.1.0"`
	f(nil, nil, begin+`}}`)
	f(common.MapStr{"_id": "a", "index_prefix": "logstash-x", "op_type": events.OpTypeCreate, "type": "x", "beat": 1, "version": nil},
		common.MapStr{"message": "<\n>", "n": uint64(math.MaxUint64), "@timestamp": 1, "@metadata": "x"},
		begin+`,"_id":"a","index_prefix":"logstash-x","op_type":"create"},"message":"<\n>","n":18446744073709551615}`)
	_, err := Encoder{}.Message(nil, &beat.Event{Meta: common.MapStr{"a": make(chan int)}}, "", "")
	if want := "cannot encode @metadata.a: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}

	ev := &beat.Event{Timestamp: at.Truncate(time.Millisecond), Meta: common.MapStr{"_id": "a", "deep": common.MapStr{"x": 1}}, Fields: common.MapStr{"a": []any{1, "b"}}}
	theirs, err := codec.New("0.1.0", codec.Config{}).Encode("podbeat", ev)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := Encoder{}.Message(nil, ev, "podbeat", "0.1.0")
	if d := cmp.Diff(decode(t, theirs), decode(t, ours)); d != "" || err != nil {
		t.Error(err, d)
	}
}
