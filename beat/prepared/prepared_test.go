package prepared

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/encode"
)

type carrier struct{ *Document }

func (c carrier) Prepared() *Document { return c.Document }

func eventOf(d *Document) *beat.Event { return &beat.Event{Private: carrier{d}, Timestamp: moment} }

var moment = time.Date(2024, 5, 17, 12, 0, 0, 123456000, time.UTC)

func kept(e *beat.Event) (*beat.Event, error) { return e, nil }

func jsonOf(t *testing.T, b []byte, err error) (v any) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return v
}

func TestAppendJSON(t *testing.T) {
	f := func(fields common.MapStr, values []Value, want string) {
		t.Helper()
		for _, enc := range []encode.Encoder{{}, {EscapeHTML: true}} {
			d := &Document{Template: New(fields, nil), ID: "id", Values: values}
			if fate := d.Process(&Chain{Run: kept}); fate != Done {
				t.Fatalf("fate %d", fate)
			}
			b, err := d.AppendJSON([]byte("before"), enc, moment)
			got := jsonOf(t, b[len("before"):], err)
			if want := jsonOf(t, []byte(`{"@timestamp":"2024-05-17T12:00:00.123456Z"`+want+`}`), nil); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			e := eventOf(d)
			d.Fill(e)
			b, err = enc.Event(nil, e)
			if same := jsonOf(t, b, err); !reflect.DeepEqual(got, same) {
				t.Errorf("document %v\nevent    %v", got, same)
			}
			if e.Meta["_id"] != "id" {
				t.Errorf("metadata %v", e.Meta)
			}
		}
	}
	f(common.MapStr{}, nil, ``)
	f(common.MapStr{"a": encode.Hole(0)}, []Value{String("x<\"\n\xff")}, `,"a":"x<\"\n\ufffd"`)
	f(common.MapStr{"a": common.MapStr{"b": encode.Hole(1), "c": map[string]any{"d": encode.Hole(0)}}, "e": "f"},
		[]Value{Int(-5), Float(2)}, `,"a":{"b":2.0,"c":{"d":-5}},"e":"f"`)
	f(common.MapStr{"a": encode.Hole(2), "b": encode.Hole(0), "c": encode.Hole(1)},
		[]Value{Bool(true), Bool(false), Time(moment)}, `,"a":"2024-05-17T12:00:00.123456Z","b":true,"c":false`)
	f(common.MapStr{"@timestamp": encode.Hole(0), "a": []string{"b"}}, []Value{String("no")}, `,"a":["b"]`)
}

// TestRandom: whatever the fields, a document is the event that it stands for.
func TestRandom(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var values []Value
		d := &Document{Template: New(fieldsOf(r, &values, 0), common.MapStr{"index_prefix": "x"}), ID: "id"}
		d.Values = values
		run := kept
		if r.IntN(2) == 0 { // as add_fields does
			run = func(e *beat.Event) (*beat.Event, error) {
				e.Fields.DeepUpdateNoOverwrite(common.MapStr{"a": common.MapStr{"b": "added"}, "agent": "x"})
				return e, nil
			}
		}
		plain := eventOf(d)
		d.Fill(plain)
		plain, _ = run(plain)
		want, err := encode.Encoder{}.Event(nil, plain)
		wantJSON := jsonOf(t, want, err)
		if fate := d.Process(&Chain{Run: run}); fate != Done {
			t.Fatalf("seed %d: fate %d", seed, fate)
		}
		b, err := d.AppendJSON(nil, encode.Encoder{}, moment)
		if got := jsonOf(t, b, err); !reflect.DeepEqual(got, wantJSON) {
			t.Fatalf("seed %d: document %s\nevent %s", seed, b, want)
		}
		e := eventOf(d)
		d.Fill(e)
		if !reflect.DeepEqual(e.Fields, plain.Fields) || !reflect.DeepEqual(e.Meta, plain.Meta) {
			t.Fatalf("seed %d: filled %v %v\nwant %v %v", seed, e.Fields, e.Meta, plain.Fields, plain.Meta)
		}
	}
}

// fieldsOf makes fields of which some have holes.
func fieldsOf(r *rand.Rand, values *[]Value, depth int) common.MapStr {
	m := common.MapStr{}
	for range r.IntN(5) {
		key := string(rune('a' + r.IntN(4)))
		if m[key] != nil {
			continue
		}
		switch n := r.IntN(8); {
		case n < 3 && depth < 3:
			m[key] = fieldsOf(r, values, depth+1)
		case n < 6:
			m[key] = encode.Hole(len(*values))
			*values = append(*values, []Value{String(strconv.Itoa(r.Int())), Int(r.Int64()), Float(r.NormFloat64()), Bool(n == 3), Time(moment)}[r.IntN(5)])
		case n == 6:
			m[key] = []string{"x", "y"}
		default:
			m[key] = int64(r.IntN(100))
		}
	}
	return m
}

func TestProcess(t *testing.T) {
	runs := 0
	chain := func(run func(*beat.Event) (*beat.Event, error), reads ...string) *Chain {
		return &Chain{Run: func(e *beat.Event) (*beat.Event, error) {
			runs++
			return run(e)
		}, Reads: reads}
	}
	counter := monitoring.NewUint(monitoring.NewRegistry(), "counter")
	f := func(c *Chain, want Fate, wantRuns int, wantCounted uint64) {
		t.Helper()
		tmpl := New(common.MapStr{"message": encode.Hole(0), "a": common.MapStr{"b": encode.Hole(1), "c": "d"}, "kubernetes": common.MapStr{"namespace": "shop"}}, nil)
		runs = 0
		counter.Set(0)
		for i := range 5 {
			d := &Document{Template: tmpl, Values: []Value{String("x"), Int(int64(i))}}
			if got := d.Process(c); got != want {
				t.Errorf("fate %d, want %d", got, want)
			}
			if got := Namespace(eventOf(d)); want != Unsure && got != "shop" {
				t.Errorf("namespace %q", got)
			}
		}
		if runs != wantRuns || counter.Get() != wantCounted {
			t.Errorf("%d runs, %d counted, want %d and %d", runs, counter.Get(), wantRuns, wantCounted)
		}
	}
	count := func(e *beat.Event) (*beat.Event, error) { Count(e, counter); return e, nil }
	drop := func(e *beat.Event) (*beat.Event, error) { Count(e, counter); return nil, nil }
	f(chain(count), Done, 1, 5)
	f(chain(drop), Dropped, 1, 5)
	f(chain(count, "a.c", "kubernetes", "ab"), Done, 1, 5)
	f(chain(count, "message"), Unsure, 0, 0)
	f(chain(count, "a"), Done, 1, 5) // an object, whatever is in it
	f(chain(count, "a.b.x"), Unsure, 0, 0)
	f(chain(func(e *beat.Event) (*beat.Event, error) { return e, errTest }), Unsure, 1, 0)
	f(chain(func(e *beat.Event) (*beat.Event, error) { e.Timestamp = moment; return e, nil }), Unsure, 1, 0)
	f(chain(func(e *beat.Event) (*beat.Event, error) { e.Meta["_id"] = "x"; return e, nil }), Unsure, 1, 0)

	hidden := &Document{Template: New(common.MapStr{"kubernetes": common.MapStr{"namespace": encode.Hole(0)}}, nil), Values: []Value{String("shop")}}
	if hidden.Process(chain(kept)) != Unsure {
		t.Error("a namespace of its own is not looked at")
	}
	unseen := &Document{Template: New(common.MapStr{"kubernetes": common.MapStr{"namespace": "shop"}}, nil)}
	if got := Namespace(eventOf(unseen)); got != "shop" {
		t.Errorf("namespace %q before the processors", got)
	}

	// Another chain is another result.
	d := &Document{Template: New(common.MapStr{"a": encode.Hole(0)}, nil), Values: []Value{Float(math.Pi)}}
	if d.Process(chain(kept)) != Done || d.Process(chain(drop)) != Dropped || d.Process(chain(kept)) != Done {
		t.Error("a change of the processors is not seen")
	}
	if Of(eventOf(d)) != d || Of(&beat.Event{Fields: common.MapStr{}, Private: carrier{d}}) != nil || Of(&beat.Event{}) != nil {
		t.Error("Of takes one for the other")
	}
}

type testError struct{}

func (testError) Error() string { return "test" }

var errTest testError

func BenchmarkAppendJSON(b *testing.B) {
	d := &Document{Template: New(common.MapStr{
		"message": encode.Hole(0), "host": common.MapStr{"name": "node-1", "id": "0123456789abcdef"}, "event": common.MapStr{"sequence": encode.Hole(1), "kind": "event"},
		"journald": common.MapStr{"cursor": encode.Hole(2)}, "kubernetes": common.MapStr{"namespace": "shop", "pod": common.MapStr{"name": "web-0"}},
	}, nil), Values: []Value{String("GET /healthz 200 in 3 ms, and some more text of a usual length"), Int(123456), String("s=0;i=1")}}
	d.Process(&Chain{Run: kept})
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = d.AppendJSON(buf[:0], encode.Encoder{}, moment)
	}
}
