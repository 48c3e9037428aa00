package setting

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type part struct {
	// Deep.
	Deep int `config:"deep" required:"true"`
}

type common struct {
	// Whether.
	Exclude bool `config:"exclude" default:"true"`
}

type sample struct {
	// Which.
	Kind string `config:"kind" oneof:"prefix|suffix" required:"true"`
	// How many.
	Count int `config:"count" min:"1" max:"10" default:"3"`
	// How big.
	Size *float64 `config:"size" min:"0.5"`
	// How long.
	Wait time.Duration `config:"wait" min:"1"`
	// Names.
	Names []string `config:"names" alias:"aliases"`
	// Text.
	Text string `config:"text" default:"none"`
	// Anything.
	Free map[string]any `config:"free"`
	// Any value.
	Any any `config:"any"`
	// Section.
	Part   *part `config:"part"`
	common `config:",inline"`
	Left   string
}

func (s *sample) Validate() error {
	if s.Count == 7 {
		return Wrong("count", "option %q must not be 7", "count")
	}
	return nil
}

func TestUnpack(t *testing.T) {
	f := func(in map[string]any, change func(*sample)) {
		t.Helper()
		in["kind"] = "prefix"
		got := sample{Wait: time.Minute, Left: "as it was"}
		if err := Unpack(in, &got, "sample"); err != nil {
			t.Fatal(err)
		}
		want := sample{Kind: "prefix", Count: 3, Wait: time.Minute, Text: "none", Left: "as it was", common: common{true}}
		change(&want)
		if d := cmp.Diff(want, got, cmp.AllowUnexported(sample{}, part{}, common{})); d != "" {
			t.Error(d)
		}
	}
	type m = map[string]any
	f(m{}, func(s *sample) {})
	f(m{"count": nil, "size": "None", "names": nil, "part": nil, "free": "None"}, func(s *sample) {})
	for _, three := range []any{4, int64(4), 4.0, json.Number("4"), json.Number("4.0"), json.Number("0x4"), json.Number("04"), "04", "4", " 4 "} {
		f(m{"count": three}, func(s *sample) { s.Count = 4 })
	}
	for _, half := range []any{0.5, json.Number(".5"), "0.5", json.Number("5e-1")} {
		f(m{"size": half}, func(s *sample) { n := 0.5; s.Size = &n })
	}
	for _, no := range []any{false, "false", "no", "OFF", "0", "disable"} {
		f(m{"exclude": no}, func(s *sample) { s.Exclude = false })
	}
	f(m{"wait": "1.5"}, func(s *sample) { s.Wait = 1500 * time.Millisecond })
	f(m{"names": "a"}, func(s *sample) { s.Names = []string{"a"} })
	f(m{"aliases": []any{"a", json.Number("007")}}, func(s *sample) { s.Names = []string{"a", "007"} })
	f(m{"text": json.Number("2017.010")}, func(s *sample) { s.Text = "2017.010" })
	f(m{"text": ""}, func(s *sample) { s.Text = "" })
	f(m{"free": m{"a": json.Number("1_000"), "b": []any{json.Number("1.5"), nil}, "c": nil}},
		func(s *sample) { s.Free = m{"a": int64(1000), "b": []any{1.5, nil}, "c": nil} })
	f(m{"any": json.Number("1")}, func(s *sample) { s.Any = int64(1) })
	f(m{"part": m{}}, func(s *sample) {})
	f(m{"part": m{"deep": 1}}, func(s *sample) { s.Part = &part{1} })
}

func TestUnpackRefuses(t *testing.T) {
	f := func(in map[string]any, want string) {
		t.Helper()
		if _, ok := in["kind"]; !ok {
			in["kind"] = "prefix"
		}
		var got sample
		err := Unpack(in, &got, "sample")
		if err == nil || err.Error() != "sample: "+want {
			t.Errorf("got  %v\nwant sample: %s", err, want)
		}
	}
	type m = map[string]any
	f(m{"kind": nil}, `option "kind" is required: one of prefix, suffix`)
	f(m{"kind": ""}, `option "kind" is required, and empty: one of prefix, suffix`)
	f(m{"kind": "regex"}, `option "kind" must be one of prefix, suffix, not "regex"`)
	f(m{"cuont": 1}, `unknown option "cuont", did you mean "count"? known options: aliases, any, count, exclude, free, kind, names, part, size, text, wait`)
	f(m{"part": m{"deep": 1, "x": nil}}, `unknown option "part.x"; known options: deep`)
	f(m{"part": m{"x": 1}}, "option \"part.deep\" is required\nsample: unknown option \"part.x\"; known options: deep")
	f(m{"part": "x"}, `option "part" is a section with options of its own, not "x"`)
	f(m{"count": 0}, `option "count" must be at least 1, not 0`)
	f(m{"count": 11}, `option "count" must be at most 10, not 11`)
	f(m{"count": 7}, `option "count" must not be 7`)
	f(m{"count": 1.5}, `option "count" must be a whole number, not 1.5`)
	f(m{"count": true}, `option "count" must be a whole number, not true`)
	f(m{"count": "1.0"}, `option "count" must be a whole number, not "1.0"`)
	f(m{"count": ""}, `option "count" must be a whole number, not ""`)
	f(m{"size": "NaN"}, `option "size" must be a number, not "NaN"`)
	f(m{"size": json.Number(".inf")}, `option "size" must be a number, not .inf`)
	f(m{"size": "0x1p3"}, `option "size" must be a number, not "0x1p3"`)
	f(m{"wait": "1m"}, `option "wait" must be a number of seconds, not "1m"`)
	f(m{"wait": 1e12}, `option "wait" must be a number of seconds, not 1e+12`)
	f(m{"count": json.Number("010")}, `option "count" must be a number, and 010 is 8 (octal) in YAML 1.1 and 10 in YAML 1.2: write the one you mean`)
	f(m{"size": json.Number("-0_11")}, `option "size" must be a number, and -0_11 is -9 (octal) in YAML 1.1 and -11 in YAML 1.2: write the one you mean`)
	f(m{"exclude": 1}, `option "exclude" must be true or false, not 1`)
	f(m{"exclude": json.Number("0")}, `option "exclude" must be true or false, not 0`)
	f(m{"exclude": "maybe"}, `option "exclude" must be true or false, not "maybe"`)
	f(m{"text": true}, `option "text" must be text, not the yes/no value true: if the word is meant, quote it`)
	f(m{"text": []any{}}, `option "text" must be text, not a list`)
	f(m{"free": []any{}}, `option "free" must be a section (name: value), not a list`)
	f(m{"names": []any{"a", nil}}, `option "names" has nothing as element 2 of its list`)
	f(m{"names": []any{"a", true}}, `option "names" is a list whose element 2 must be text, not the yes/no value true: if the word is meant, quote it`)
	f(m{"names": "a", "aliases": "b"}, `options "names" and "aliases" are the same one: give only "names"`)
	f(m{"text": "x", "kind": strings.Repeat("\x1b", 100)}, `option "kind" must be one of prefix, suffix, not "`+strings.Repeat(`\x1b`, 19)+`\x1…`)
}

func TestNames(t *testing.T) {
	want := []string{"kind", "count", "size", "wait", "names", "text", "free", "any", "part", "exclude"}
	if d := cmp.Diff(want, Names(&sample{})); d != "" {
		t.Error(d)
	}
}

func TestUnpackTwo(t *testing.T) {
	var c common
	var p part
	if err := Unpack(map[string]any{"deep": 2, "exclude": false}, &p, "two", &c); err != nil || p.Deep != 2 || c.Exclude {
		t.Error(p, c, err)
	}
	err := Unpack(map[string]any{"x": 2}, &p, "two", &c)
	want := "two: option \"deep\" is required\ntwo: unknown option \"x\"; known options: deep, exclude"
	if err == nil || err.Error() != want {
		t.Error(err)
	}
}
