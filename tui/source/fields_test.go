package source

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
)

func TestFields(t *testing.T) {
	some := func(names ...string) map[string]capability {
		m := map[string]capability{}
		for _, name := range names {
			m[name] = capability{Aggregatable: name != "text", Indices: []string{"a"}}
		}
		return m
	}
	f := newFields(map[string]map[string]capability{
		"_id": some("_id"), "log": some("object"), "log.level": some("keyword"), "level": some("keyword", "text"), "message": some("text"), "message.exact": some("keyword"),
		"body": some("text"), "body.text": some("text"), "took": some("long", "double"), "gone": some("unmapped"), "host": some("object"), "hostname": some("keyword"), "a[b": some("long"),
	})
	if want := []string{"a[b", "body", "body.text", "hostname", "level", "log.level", "message", "message.exact", "took"}; !slices.Equal(f.Names(), want) {
		t.Errorf("%q, want %q", f.Names(), want)
	}
	for _, test := range []struct{ field, kind, counted string }{
		{"message", "text", "message.exact"}, {"log.level", "keyword", "log.level"}, {"level", "keyword", ""}, {"body", "text", ""}, {"took", "double", "took"}, {"none", "", ""},
	} {
		if kind, counted := f.Type(test.field), f.Aggregatable(test.field); kind != test.kind || counted != test.counted {
			t.Errorf("%s: %q, %q", test.field, kind, counted)
		}
	}
	for pattern, want := range map[string][]string{"*": f.Names(), "log.*": {"log.level"}, "*.*l*": {"log.level"}, "message": {"message"}, "none": nil, "a[*": {"a[b"}, "l?vel*": nil} {
		if got := f.Match(pattern); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
	if got := f.Conflict("took"); !slices.Equal(got, []string{"double", "long"}) {
		t.Errorf("%q", got)
	}
	names := f.Suit(Names{Message: "msg.text", Level: "log.level", Host: "host.name", Trace: "trace.id"})
	if want := (Names{Message: "body.text", Level: "log.level", Host: "hostname", Trace: "trace.id"}); !reflect.DeepEqual(names, want) {
		t.Errorf("%+v", names)
	}
}

func TestTextOfFields(t *testing.T) {
	doc := json.RawMessage(`{"a":"1","b":{"c":"2","d.e":["3","4"]},"f.g":{"h":5.50},"i":null,"j":[[]],"k":true,"l":{},"b.c":"6","b.d":{"f":7},"m":[["8"]]}`)
	for path, want := range map[string]string{"a": "1", "b.c": "6", "b.d.e": "3", "f.g.h": "5.50", "i": "", "j": "", "k": "true", "l": "", "b.d.f": "7", "m": "8", "": "", ".": "", "b": "", "a.b": ""} {
		if got := parse(doc).text(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for _, broken := range []string{"", "[]", `{"a`, "null", `"a"`} {
		if got := parse(json.RawMessage(broken)).text("a"); got != "" {
			t.Errorf("%s: %q", broken, got)
		}
	}
}

func TestLevelsOfOtherPrograms(t *testing.T) {
	s := Open(nil, Options{})
	for doc, want := range map[string]Level{
		`{"log":{"level":"WARN"},"level":"error"}`: Warn, `{"log.level":"err"}`: Error, `{"level":["fatal"]}`: Fatal, `{"severity":"NOTICE"}`: Info, `{"log":"text","lvl":"dbg"}`: Debug, `{}`: None, `{"level":30}`: Other,
	} {
		if got := s.level(json.RawMessage(doc)); got != want {
			t.Errorf("%s: %v, want %v", doc, got, want)
		}
	}
}
