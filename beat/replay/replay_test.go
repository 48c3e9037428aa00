package replay

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/beat/deadletter"
)

var noon = time.Date(2026, 5, 17, 12, 0, 0, 123456789, time.UTC)

func TestParse(t *testing.T) {
	f := func(l deadletter.Letter, meta common.MapStr, fields common.MapStr) {
		t.Helper()
		l.Time = noon
		got, err := parse(l.Append(nil))
		if err != nil {
			t.Errorf("%s: %v", l.Event, err)
			return
		}
		want := beat.Event{Timestamp: noon, Meta: meta, Fields: fields}
		if !reflect.DeepEqual(got.event, want) || got.kind != l.Type || got.reason != l.Reason || got.index != l.Index || got.topic != l.Topic {
			t.Errorf("%s:\ngot  %#v\nwant %#v", l.Event, got, want)
		}
	}
	// of Elasticsearch
	f(deadletter.Letter{Event: `{"@timestamp":"2026-05-17T12:00:00.123456789Z","n":1,"m":{"a":[1.5,null,"x"]}}`, ID: "i", Index: "logs", Type: "t", Reason: "r"},
		common.MapStr{"_id": "i", "raw_index": "logs"}, common.MapStr{"n": int64(1), "m": common.MapStr{"a": []any{1.5, nil, "x"}}})
	// numbers keep their kind
	f(deadletter.Letter{Event: `{"@timestamp":"2026-05-17T12:00:00.123456789Z","a":18446744073709551615,"b":1.0,"c":-0,"d":1e400,"e":0.1,"f":123456789012345678901234567890}`, ID: "i"},
		common.MapStr{"_id": "i"}, common.MapStr{"a": uint64(18446744073709551615), "b": json.Number("1.0"), "c": int64(0), "d": json.Number("1e400"), "e": 0.1, "f": json.Number("123456789012345678901234567890")})
	// of Kafka's output: milliseconds, and metadata
	f(deadletter.Letter{Event: `{"@timestamp":"2026-05-17T12:00:00.123Z","@metadata":{"beat":"podbeat","type":"_doc","version":"1","_id":"k","index_prefix":"p","pipeline":"x"},"message":"m"}`, ID: "k", Topic: "t"},
		common.MapStr{"_id": "k", "index_prefix": "p", "pipeline": "x"}, common.MapStr{"message": "m"})
	// what Logstash has there means nothing, and nothing is deleted
	f(deadletter.Letter{Event: `{"@timestamp":"2026-05-17T12:00:00.123Z","@metadata":{"_id":"x","op_type":"delete"}}`, ID: "k"}, common.MapStr{"_id": "k"}, common.MapStr{})
	f(deadletter.Letter{Event: `{"@timestamp":"2026-05-17T12:00:00.123Z","@metadata":{"beat":"podbeat","op_type":"delete"}}`, ID: "k"}, common.MapStr{"_id": "k"}, common.MapStr{})
	// without an id
	f(deadletter.Letter{Event: `{"message":"m"}`}, common.MapStr{"_id": idOf(`{"message":"m"}`)}, common.MapStr{"message": "m"})

	// a document of the index, as a search gives it
	letter := (&deadletter.Letter{Time: noon, Event: `{"message":"m"}`, ID: "i", Index: "logs"}).Append(nil)
	got, err := parse([]byte(fmt.Sprintf(`{"_index":"podbeat-dead-letter","_id":"z","_source":%s}`, letter)))
	if err != nil || got.index != "logs" || got.event.Meta["_id"] != "i" {
		t.Errorf("got %v (%v)", got, err)
	}
	// of the input kafka: where it came from is not where it goes
	got, err = parse([]byte(`{"@timestamp":"2026-05-17T12:00:00Z","message":"{\"index\":\"-Shop/1\",\"message\":\"m\"}","error":{"type":"t"},"kafka":{"topic":"in","partition":3,"offset":42}}`))
	if err != nil || got.topic != "" || got.event.Meta["_id"] != strconv.FormatInt(noon.Truncate(time.Second).UnixMilli(), 36)+"-in-3-42" || got.event.Meta["index_prefix"] != "shop_1" {
		t.Errorf("got %v (%v)", got, err)
	}
}

func idOf(text string) string {
	l, err := parse((&deadletter.Letter{Time: noon, Event: text}).Append(nil))
	if err != nil {
		return err.Error()
	}
	return l.event.Meta["_id"].(string)
}

func TestParseRefuses(t *testing.T) {
	if a, b := idOf(`{"message":"m"}`), idOf(`{"message":"n"}`); a == b || len(a) != 32 {
		t.Errorf("ids %s and %s", a, b)
	}
	f := func(line, part string) {
		t.Helper()
		if _, err := parse([]byte(line)); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%.100s: got %v, want %q", line, err, part)
		}
	}
	f(``, "no JSON object")
	f(`{"message":"{\"half`, "no JSON object")
	f(`[]`, "no JSON object")
	f(`{}`, "no message")
	f(`{"message":7}`, "no JSON object")
	f(`{"message":""}`, "deletion")
	f(`{"message":"text"}`, "no JSON object")
	f(`{"message":"null"}`, "no JSON object")
	f(`{"message":"{} {}"}`, "no JSON object")
	f(`{"message":"{\"a\":{\"b\":1,\"b\":2}}","@timestamp":"2026-05-17T12:00:00Z"}`, "twice")
	f(`{"message":"{\"@metadata\":{\"beat\":\"podbeat\",\"raw_index\":7}}","@timestamp":"2026-05-17T12:00:00Z"}`, "raw_index is no text")
	f(`{"message":"{}"}`, "time")
	f(`{"message":"{\"@timestamp\":\"yesterday\"}","@timestamp":"12345-01-01T00:00:00Z"}`, "time")
	f(`{"@timestamp":"2026-05-17T12:00:00Z","message":"{\"a\":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}"}`, "nested deeper")
}

func TestAgain(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		l := letter{raw: []byte(line)}
		got, err := l.again(json.RawMessage(`{"type":"new"}`))
		if err != nil || string(got) != want+"\n" {
			t.Errorf("%s: got %s (%v), want %s", line, got, err, want)
		}
	}
	f(`{"message":"<m>","error":{"type":"old"},"kafka":{"topic":"t","partition":1,"offset":2}}`,
		`{"error":{"type":"new"},"kafka":{"topic":"t","partition":1,"offset":2},"message":"<m>"}`)
	f(`{"_id":"z","_source":{"message":"m"}}`, `{"error":{"type":"new"},"message":"m"}`)
}

func TestSelection(t *testing.T) {
	l := &letter{kind: "mapper_parsing_exception", index: "logs-1", event: beat.Event{Timestamp: noon, Meta: common.MapStr{"_id": "i"}, Fields: common.MapStr{
		"message": "all went well", "kubernetes": common.MapStr{"namespace": "shop", "labels": common.MapStr{"app/name": "web"}}, "n": int64(7), "a.b": []any{"x", "y"},
	}}}
	f := func(s selection, want bool) {
		t.Helper()
		if err := s.prepare(noon); err != nil {
			t.Fatal(err)
		}
		if got := s.asksFor(l); got != want {
			t.Errorf("%+v: got %v, want %v", s, got, want)
		}
	}
	f(selection{}, true)
	f(selection{types: []string{"x", "mapper_*"}}, true)
	f(selection{types: []string{"mapper"}}, false)
	f(selection{indices: []string{"logs-?"}}, true)
	f(selection{indices: []string{"other-*"}, types: []string{"*"}}, false)
	for query, want := range map[string]bool{
		"kubernetes.namespace: shop": true, "kubernetes.namespace: other": false, "message: went": true, "n > 6": true, "n < 6": false, "a.b: y": true,
		"kubernetes.*: web": true, "kubernetes.labels.app/name: web": true, "_id: i": true, "_index: logs-1": true, "not message: well": false,
		"@timestamp >= 2026-05-17": true, "@timestamp < 2026-05-17": false, "kubernetes.labels: *": true, "nothing: *": false,
	} {
		f(selection{filter: query}, want)
	}
	for _, bad := range []selection{{types: []string{"["}}, {filter: "a: ("}, {filter: "lucene: a"}} {
		if err := bad.prepare(noon); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

func TestLines(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := openFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		got := []string{}
		if err := in.lines(func(line []byte) bool { got = append(got, string(line)); return len(got) < 10 }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%.50q: got %.200q, want %.200q", text, got, want)
		}
	}
	f("")
	f("a\nb\n", "a", "b")
	f("a\n\nhalf", "a", "", "half")
	f("a\n"+strings.Repeat("x", maxLine+1)+"\nb\n", "a", "", "b")
	if _, err := openFile(t.TempDir()); err == nil {
		t.Error("a folder is taken for a file")
	}
}

func TestRemove(t *testing.T) {
	f := func(text string, gone []int, want string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
		in, err := openFile(path)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		set := map[int]bool{}
		for _, line := range gone {
			set[line] = true
		}
		if err := in.remove(func(line int) bool { return set[line] }); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if string(got) != want || want == "" && !os.IsNotExist(err) {
			t.Errorf("%q without %v: got %q (%v), want %q", text, gone, got, err, want)
		}
		if info, err := os.Stat(path); err == nil && info.Mode().Perm() != 0o640 {
			t.Errorf("its rights are %v now", info.Mode())
		}
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".replay-*")); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	}
	f("a\nb\nc\n", []int{2}, "a\nc\n")
	f("a\nb\nhalf", []int{1, 2}, "half")
	f("a\nb\n", []int{1, 2}, "")
	f("a\n\n", []int{1}, "\n")
	f(strings.Repeat("x", 1<<20)+"\nb\n", []int{1}, "b\n")
	f(strings.Repeat("x", 1<<20)+"\nb\n", []int{2}, strings.Repeat("x", 1<<20)+"\n")
}

// TestRemoveSeesRotation: the path leads to another file by now.
func TestRemoveSeesRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old\n")
	in, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	write("new\n")
	if err := in.remove(func(int) bool { return true }); err == nil || !strings.Contains(err.Error(), "renamed") {
		t.Errorf("got %v", err)
	}
	for name, want := range map[string]string{path: "new\n", path + ".1": "old\n"} {
		if got, err := os.ReadFile(name); string(got) != want {
			t.Errorf("%s: got %q (%v)", name, got, err)
		}
	}
}

func FuzzLetter(f *testing.F) {
	f.Add([]byte(`{"@timestamp":"2026-05-17T12:00:00.000Z","message":"{\"@timestamp\":\"2026-05-17T12:00:00.000Z\",\"a\":{\"b\":[1,2.5,{}]}}","error":{"type":"a"},"event":{"id":"i"},"document":{"index":"logs"}}`), "a: *")
	f.Add([]byte(`{"_source":{"message":"{}","kafka":{"topic":"t","partition":"1","offset":2}}}`), "a.*: 1")
	f.Fuzz(func(t *testing.T, line []byte, query string) {
		l, err := parse(line)
		if err != nil {
			return
		}
		if id, ok := l.event.Meta["_id"].(string); !ok || id == "" {
			t.Errorf("%q has no id", line)
		}
		if _, err := json.Marshal(l.event.Fields); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if again, err := l.again(json.RawMessage(`{"type":"x"}`)); err != nil {
			t.Errorf("%q: %v", line, err)
		} else if twice, err := parse(again); err != nil || twice.event.Meta["_id"] != l.event.Meta["_id"] {
			t.Errorf("%q is not the same letter again: %q (%v)", line, again, err)
		}
		s := selection{filter: query}
		if s.prepare(noon) == nil {
			s.asksFor(l)
		}
	})
}
