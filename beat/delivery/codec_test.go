package delivery

import (
	"encoding/json"
	"math"
	"net"
	"reflect"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
)

func TestCodec(t *testing.T) {
	f := func(in, want any) {
		t.Helper()
		e := beat.Event{Timestamp: time.Date(2024, 5, 17, 12, 0, 0, 123456789, time.UTC), Meta: common.MapStr{"_id": "x"},
			Fields: common.MapStr{"v": in, "deep": common.MapStr{"v": in}, "list": []any{in, "x"}}, TimeSeries: true}
		b, err := encode(&e)
		if err != nil {
			t.Errorf("%T %v: %v", in, in, err)
			return
		}
		got, err := decode(b)
		if err != nil {
			t.Errorf("%T %v: %v", in, in, err)
			return
		}
		e.Fields = common.MapStr{"v": want, "deep": common.MapStr{"v": want}, "list": []any{want, "x"}}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("%T %v became %#v, want %#v", in, in, got.Fields, e.Fields)
		}
	}
	now := time.Date(2024, 5, 17, 12, 0, 0, 123456789, time.UTC)
	zone := now.In(time.FixedZone("", 2*3600))
	for _, v := range []any{
		nil, "", "text", "not \xff UTF-8", true, false, 0, 5, -5, int8(-3), int16(300), int32(-70000), int64(5), int64(-5), int64(math.MinInt64), int64(math.MaxInt64),
		uint(5), uint8(5), uint16(5), uint32(5), uint64(5), uint64(math.MaxUint64), float32(0.1), 0.1, 1.0, math.Inf(1), math.MaxFloat64,
		[]byte{}, []byte("\x00\xff"), now, zone, common.Time(now), common.Time(zone), time.Time{}, time.Date(-5, 1, 1, 0, 0, 0, 1, time.UTC), time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC),
		common.MapStr{}, common.MapStr{"a": 1, "b": common.MapStr{"c": now}}, map[string]any{"a": int64(1), "b": []any{1, now}},
		[]any{}, []any{nil, 1, int64(2), "x", []any{now}}, []string{"a", "b"}, []string{}, []bool{true}, []int{1, -2}, []int64{1}, []uint64{1, math.MaxUint64}, []float64{1, 0.5}, []float32{0.1},
		[]common.MapStr{{"a": 1}}, []map[string]any{{"a": now}}, []time.Time{now}, []common.Time{common.Time(now)}, json.Number("1.0"),
	} {
		f(v, v)
	}
	// What only normalizing knows becomes what that makes of it.
	text := "text"
	type named string
	f(&text, "text")
	f(named("text"), "text")
	f(net.IPv4(10, 0, 0, 1), "10.0.0.1")
	f(struct {
		A int `json:"a"`
	}{5}, common.MapStr{"a": 5.0})
	f([2]string{"a", "b"}, []any{"a", "b"})
	f(time.Second, int64(time.Second))
	f((*string)(nil), nil)
}

func TestCodecLeavesEvents(t *testing.T) {
	list := []any{1, time.Unix(5, 0)}
	e := beat.Event{Fields: common.MapStr{"n": 1, "m": common.MapStr{"t": time.Unix(1, 2)}, "l": list}}
	want := e.Fields.Clone()
	if _, err := encode(&e); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(e.Fields, want) || list[0] != 1 {
		t.Errorf("the event became %v", e.Fields)
	}
	for _, e := range []beat.Event{{}, {Meta: common.MapStr{}}, {Fields: common.MapStr{}}} {
		b, err := encode(&e)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decode(b); err != nil || !reflect.DeepEqual(got, beat.Event{Timestamp: e.Timestamp, Meta: e.Meta, Fields: e.Fields}) {
			t.Errorf("%#v became %#v, %v", e, got, err)
		}
	}
}

func TestCodecRefuses(t *testing.T) {
	cyclic := common.MapStr{}
	cyclic["x"] = []any{cyclic}
	for _, v := range []any{cyclic, complex(1, 2)} {
		if _, err := encode(&beat.Event{Fields: common.MapStr{"v": v}}); err == nil {
			t.Errorf("a %T can be written", v)
		}
	}
}

func TestCodecDeep(t *testing.T) {
	var deep any = "x"
	for range maxDepth - 5 {
		deep = []any{deep}
	}
	b, err := encode(&beat.Event{Fields: common.MapStr{"v": deep}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decode(b); err != nil {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range []any{"x", 5, []string{"a"}, time.Unix(1, 2), common.MapStr{"a": []any{nil, 1.5}}, json.Number("1")} {
		b, err := encode(&beat.Event{Timestamp: time.Unix(5, 6), Meta: common.MapStr{"_id": "x"}, Fields: common.MapStr{"v": v}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0x85, 0, 0, 0xf6, 0xa1, 0x61, 'a', 0xda, 0x70, 0x62, 0x01, 0x0a, 0x01, 0xf4})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b)
		if err != nil {
			return
		}
		again, err := encode(&e)
		if err != nil {
			return // of a type that events never have
		}
		if _, err := decode(again); err != nil {
			t.Errorf("%x is an event, and once written again it is none: %v", b, err)
		}
	})
}
