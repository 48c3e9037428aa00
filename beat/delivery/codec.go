package delivery

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/fxamacker/cbor/v2"
)

// An event on disk is CBOR: an array of its time (seconds, nanoseconds), metadata, fields and whether it is of a time
// series. CBOR has fewer types than Go: a value that it would give back as another one has a tag that says which it
// was. Types that only libbeat's normalizing knows are written as that would make them, and so mean the same to
// every processor and output.
type record struct {
	_          struct{} `cbor:",toarray"`
	Seconds    int64
	Nanos      int64
	Meta       common.MapStr
	Fields     common.MapStr
	TimeSeries bool
}

const (
	tagTime  = 0x70620000 // time.Time: [seconds, nanoseconds, seconds east of UTC]
	tagBeats = 0x70620001 // common.Time, the same
	tagTypes = 0x70620100 // and on: one of types
)

// maxDepth bounds how deep maps and lists may be nested: an event deeper than that is not written.
const maxDepth = 10_000

// A kind is a Go type that has a tag of its own.
type kind struct {
	typ  reflect.Type
	from func(any) (any, bool) // makes one of what CBOR gives
}

// types are numbered in files: append only.
var types = []kind{
	number[int](), number[int8](), number[int16](), number[int32](),
	number[uint](), number[uint8](), number[uint16](), number[uint32](), number[uint64](), number[float32](),
	{reflect.TypeFor[json.Number](), func(v any) (any, bool) { s, ok := v.(string); return json.Number(s), ok }},
	{reflect.TypeFor[map[string]any](), func(v any) (any, bool) { m, ok := v.(common.MapStr); return map[string]any(m), ok }},
	list[string](), list[bool](), list[int](), list[int8](), list[int16](), list[int32](), list[int64](),
	list[uint](), list[uint16](), list[uint32](), list[uint64](), list[float32](), list[float64](),
	list[common.MapStr](), list[map[string]any](), list[time.Time](), list[common.Time](),
}

var tagOf = func() map[reflect.Type]uint64 {
	tags := map[reflect.Type]uint64{}
	for i, k := range types {
		tags[k.typ] = tagTypes + uint64(i)
	}
	return tags
}()

func number[T int | int8 | int16 | int32 | uint | uint8 | uint16 | uint32 | uint64 | float32]() kind {
	return kind{reflect.TypeFor[T](), func(v any) (any, bool) {
		switch v := v.(type) {
		case int64:
			return T(v), true
		case uint64:
			return T(v), true
		case float64:
			return T(v), true
		}
		return nil, false
	}}
}

func list[T any]() kind {
	return kind{reflect.TypeFor[[]T](), func(v any) (any, bool) {
		in, ok := v.([]any)
		if !ok {
			return nil, false
		}
		out := make([]T, len(in))
		for i, e := range in {
			if out[i], ok = e.(T); !ok {
				return nil, false
			}
		}
		return out, true
	}}
}

var encMode, decMode = func() (cbor.EncMode, cbor.DecMode) {
	enc, err := cbor.EncOptions{}.EncMode()
	if err != nil {
		panic(err) // the options are constants
	}
	dec, err := cbor.DecOptions{
		DefaultMapType: reflect.TypeFor[common.MapStr](), UTF8: cbor.UTF8DecodeInvalid, MaxNestedLevels: 65535,
		MaxArrayElements: math.MaxInt32, MaxMapPairs: math.MaxInt32, IndefLength: cbor.IndefLengthForbidden,
	}.DecMode()
	if err != nil {
		panic(err)
	}
	return enc, dec
}()

// encode returns an event as it is written. It neither changes nor keeps the event.
func encode(e *beat.Event) ([]byte, error) {
	r := record{Seconds: e.Timestamp.Unix(), Nanos: int64(e.Timestamp.Nanosecond()), TimeSeries: e.TimeSeries}
	for _, m := range []struct{ from, to *common.MapStr }{{&e.Meta, &r.Meta}, {&e.Fields, &r.Fields}} {
		if *m.from == nil {
			continue
		}
		out, err := plain(*m.from, 0)
		if err != nil {
			return nil, err
		}
		*m.to = out.(common.MapStr)
	}
	return encMode.Marshal(r)
}

// decode is encode's inverse.
func decode(b []byte) (beat.Event, error) {
	var r record
	if err := decMode.Unmarshal(b, &r); err != nil {
		return beat.Event{}, fmt.Errorf("cannot read an event: %w", err)
	}
	for _, m := range []common.MapStr{r.Meta, r.Fields} {
		if _, err := restore(m); err != nil {
			return beat.Event{}, fmt.Errorf("cannot read an event: %w", err)
		}
	}
	return beat.Event{Timestamp: time.Unix(r.Seconds, r.Nanos).UTC(), Meta: r.Meta, Fields: r.Fields, TimeSeries: r.TimeSeries}, nil
}

// plain returns v, or a copy of it in which values have tags that need one.
func plain(v any, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("cannot write an event to disk: it is nested deeper than %d levels", maxDepth)
	}
	switch v := v.(type) {
	case nil, string, bool, int64, float64, []byte:
		return v, nil
	case uint64:
		if v > math.MaxInt64 {
			return v, nil
		}
	case time.Time:
		return timeTag(tagTime, v), nil
	case common.Time:
		return timeTag(tagBeats, time.Time(v)), nil
	case common.MapStr:
		return plainMap(v, depth)
	case map[string]any:
		m, err := plainMap(v, depth)
		return cbor.Tag{Number: tagOf[reflect.TypeFor[map[string]any]()], Content: m}, err
	case []any:
		return plainList(v, depth)
	case []common.MapStr, []map[string]any, []time.Time, []common.Time:
		in := reflect.ValueOf(v)
		all := make([]any, in.Len())
		for i := range all {
			all[i] = in.Index(i).Interface()
		}
		out, err := plainList(all, depth)
		return cbor.Tag{Number: tagOf[in.Type()], Content: out}, err
	}
	if tag := tagOf[reflect.TypeOf(v)]; tag == 0 {
		return normal(v, depth)
	} else if in := reflect.ValueOf(v); in.Kind() == reflect.Slice && in.Type().Elem().Kind() != reflect.String {
		all := make([]any, in.Len())
		for i := range all {
			all[i] = in.Index(i).Interface()
		}
		out, err := plainList(all, depth)
		return cbor.Tag{Number: tag, Content: out}, err
	} else {
		return cbor.Tag{Number: tag, Content: v}, nil
	}
}

func timeTag(tag uint64, t time.Time) cbor.Tag {
	_, offset := t.Zone()
	return cbor.Tag{Number: tag, Content: []int64{t.Unix(), int64(t.Nanosecond()), int64(offset)}}
}

func plainMap(m map[string]any, depth int) (common.MapStr, error) {
	out := common.MapStr(m)
	copied := false
	for key, v := range m {
		p, err := plain(v, depth+1)
		if err != nil {
			return nil, err
		}
		if same(p, v) {
			continue
		}
		if !copied {
			out, copied = make(common.MapStr, len(m)), true
			for k, v := range m {
				out[k] = v
			}
		}
		out[key] = p
	}
	return out, nil
}

func plainList(l []any, depth int) ([]any, error) {
	out := make([]any, len(l))
	for i, v := range l {
		p, err := plain(v, depth+1)
		if err != nil {
			return nil, err
		}
		out[i] = p
	}
	return out, nil
}

// same says whether plain has returned what it was given.
func same(p, v any) bool {
	switch p := p.(type) {
	case cbor.Tag, []any:
		return false
	case common.MapStr:
		m, ok := v.(common.MapStr)
		return ok && reflect.ValueOf(p).Pointer() == reflect.ValueOf(m).Pointer()
	case nil:
		return v == nil
	}
	return reflect.TypeOf(p) == reflect.TypeOf(v)
}

var converter = common.NewGenericEventConverter(true)

// normal has libbeat's normalizing make something plain of v.
func normal(v any, depth int) (any, error) {
	n := converter.Convert(common.MapStr{"value": v})["value"]
	if n != nil && reflect.TypeOf(n) == reflect.TypeOf(v) {
		return nil, fmt.Errorf("cannot write an event to disk: it has a value of type %T", v)
	}
	return plain(n, depth+1)
}

// restore makes what has a tag what it was. Maps and lists are changed in place.
func restore(v any) (any, error) {
	var err error
	switch v := v.(type) {
	case uint64:
		if v <= math.MaxInt64 {
			return int64(v), nil
		}
	case common.MapStr:
		for key, e := range v {
			if v[key], err = restore(e); err != nil {
				return nil, err
			}
		}
	case []any:
		for i, e := range v {
			if v[i], err = restore(e); err != nil {
				return nil, err
			}
		}
	case cbor.Tag:
		content, err := restore(v.Content)
		if err != nil {
			return nil, err
		}
		if t, ok := restoreTime(v.Number, content); ok {
			return t, nil
		}
		if i := v.Number - tagTypes; v.Number >= tagTypes && i < uint64(len(types)) {
			if out, ok := types[i].from(content); ok {
				return out, nil
			}
		}
		return nil, fmt.Errorf("unknown tag %d of a %T", v.Number, content)
	}
	return v, nil
}

func restoreTime(tag uint64, content any) (any, bool) {
	parts, _ := content.([]any)
	if tag != tagTime && tag != tagBeats || len(parts) != 3 {
		return nil, false
	}
	var n [3]int64
	for i, p := range parts {
		var ok bool
		if n[i], ok = p.(int64); !ok {
			return nil, false
		}
	}
	t := time.Unix(n[0], n[1]).UTC()
	if n[2] != 0 {
		t = t.In(time.FixedZone("", int(n[2])))
	}
	if tag == tagBeats {
		return common.Time(t), true
	}
	return t, true
}
