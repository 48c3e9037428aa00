package elasticsearch

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
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/esleg/eslegclient"
	"github.com/google/go-cmp/cmp"
)

func TestEncodeValue(t *testing.T) {
	f := func(in any, want string) {
		t.Helper()
		got, err := encoder{}.value(nil, in, 0)
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
	f(1.0, `1`)
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
	got := encoder{escapeHTML: true}.string(nil, "<a&b>")
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
		if _, err := (encoder{}).event(nil, ev); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		got, err := encoder{lenient: true}.event(nil, ev)
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
	f(panics{}, "panic in elasticsearch.panics")
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
		got, err := encoder{}.event(nil, ev)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(decode(t, buf.Bytes()), decode(t, got)); d != "" {
			t.Error(d)
		}
	}
	f(nil)
	f(sampleEvent(7).Fields)
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
		got, err := encoder{escapeHTML: html}.event(nil, ev)
		if finite := !math.IsNaN(number) && !math.IsInf(number, 0); finite != (err == nil) || !finite && !errors.Is(err, errNotFinite) {
			t.Fatal(err)
		}
		if err != nil {
			got, err = encoder{escapeHTML: html, lenient: true}.event(nil, ev)
		}
		if err != nil || !json.Valid(got) || !utf8.Valid(got) || bytes.ContainsRune(got, '\n') {
			t.Errorf("%q %v", got, err)
		}
	})
}

// sampleEvent is a journal entry of a container, 27 fields, about 900 bytes as JSON.
func sampleEvent(n int) beat.Event {
	return beat.Event{
		Timestamp: time.Date(2024, 5, 17, 12, 0, n/1000%60, n%1000*1e6+1000, time.UTC),
		Meta:      common.MapStr{"_id": "5f0b1f6e7c0a4f0f9a3e2d1c0b9a8f7e-" + string(appendDigits(nil, n, 8)), "raw_index": "logstash-podbeat-node-1-2024.05.17"},
		Fields: common.MapStr{
			"message": "time=\"2024-05-17T12:00:00Z\" level=info msg=\"handled request\" method=GET path=/api/v1/items status=200 duration=12.3ms",
			"host":    common.MapStr{"name": "node-1", "id": "0123456789abcdef0123456789abcdef"},
			"event":   common.MapStr{"sequence": uint64(n), "created": time.Date(2024, 5, 17, 12, 0, 1, 0, time.UTC), "kind": "event"},
			"log":     common.MapStr{"level": "info", "stream": "console", "syslog": common.MapStr{"priority": 6, "facility": common.MapStr{"code": 3}}},
			"container": common.MapStr{
				"id": "d3adb33fd3adb33fd3adb33fd3adb33fd3adb33fd3adb33fd3adb33fd3adb33f", "name": "k8s_app_web-7d4b9c6f5-x2x7k_prod_uid_0",
				"image": common.MapStr{"name": "registry.example.com/team/web:1.2.3"},
			},
			"kubernetes": common.MapStr{
				"namespace": "prod", "node": common.MapStr{"name": "node-1"}, "container": common.MapStr{"name": "app"}, "deployment": common.MapStr{"name": "web"},
				"pod": common.MapStr{"name": "web-7d4b9c6f5-x2x7k", "uid": "1f0e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
			},
			"process": common.MapStr{"pid": 4242, "name": "dockerd", "executable": "/usr/bin/dockerd"},
			"systemd": common.MapStr{"unit": "docker.service", "cgroup": "/system.slice/docker.service", "transport": "journal"},
			"region":  "eu", "zone": "eu-1", "tags": []string{"k8s", "journal"},
			"ecs": common.MapStr{"version": "1.12.0"}, "agent": common.MapStr{"name": "node-1", "type": "podbeat", "version": "0.1.0"},
		},
	}
}

func BenchmarkEncode(b *testing.B) {
	ev := sampleEvent(1)
	b.Run("podbeat", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf, _ = encoder{}.event(buf[:0], &ev)
		}
		b.SetBytes(int64(len(buf)))
		b.ReportAllocs()
	})
	b.Run("libbeat", func(b *testing.B) {
		enc := eslegclient.NewJSONEncoder(nil, false)
		for b.Loop() {
			enc.Reset()
			if err := enc.AddRaw(&ev); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
	})
}
