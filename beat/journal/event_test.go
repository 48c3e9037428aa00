package journal

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/elastic/beats/v7/libbeat/beat"

	"github.com/elastic/beats/v7/libbeat/common"

	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/processors/k8sname"
)

var update = flag.Bool("update", false, "write the golden files anew; commit them only if you understand what has changed them")

// entryOf reads an entry: NAME=value lines, of which a line of a binary value is Go-quoted: "NAME="value".
func entryOf(t testing.TB, path string) Entry {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var e Entry
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, "=")
		if rest, quoted := strings.CutPrefix(line, `"`); quoted {
			i := strings.Index(rest, `="`)
			name = rest[:i]
			if value, err = strconv.Unquote(rest[i+1:]); err != nil {
				t.Fatalf("%s: %q: %v", path, line, err)
			}
		}
		if name != "__CURSOR" {
			e.Fields = append(e.Fields, Field{Name: name, Value: value})
			continue
		}
		c, err := parseCursor(value)
		if err != nil {
			t.Fatal(err)
		}
		e = Entry{Cursor: value, SeqnumID: c.SeqnumID, Seqnum: c.Seqnum, BootID: c.BootID, Realtime: c.Realtime, Monotonic: c.Monotonic}
	}
	return e
}

func dockerEntry(t testing.TB) Entry { return entryOf(t, "testdata/events/docker.txt") }

// fieldsOf are the fields of names and values.
func fieldsOf(pairs ...string) (out []Field) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return out
}

// single is a message that was not split.
func single(e Entry) *message { return &message{Entry: &e, Text: e.Get("MESSAGE"), Parts: 1} }

// documentOf is the event as outputs write it, with @metadata.
func documentOf(t testing.TB, event beat.Event) []byte {
	t.Helper()
	doc := event.Fields.Clone()
	doc["@timestamp"] = event.Timestamp.Format(time.RFC3339Nano)
	doc["@metadata"] = event.Meta
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		t.Fatalf("%v: %v", err, event)
	}
	return b.Bytes()
}

// goldenConfigs are the inputs whose events testdata/events has.
var goldenConfigs = map[string]string{
	"ecs":    "{parse_syslog_facility: true, save_remote_hostname: true}",
	"legacy": "{move_metadata_to_field: journal, convert_to_numbers: true}",
	"root":   "{schema: legacy, clean_field_names: false, parse_priority: false, binary: base64}",
	"both":   "{schema: both, convert_to_numbers: true}",
}

func TestEvent(t *testing.T) {
	inputs, err := filepath.Glob("testdata/events/*.txt")
	if err != nil || len(inputs) == 0 {
		t.Fatal("no entries in testdata/events", err)
	}
	for _, path := range inputs {
		for name, config := range goldenConfigs {
			m := single(entryOf(t, path))
			m.Partial = strings.Contains(path, "piece")
			got := documentOf(t, testConverter(t, config).event(m))
			golden := strings.TrimSuffix(path, ".txt") + "." + name + ".json"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v: run go test ./beat/journal -run TestEvent -update", err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s has changed:\n%s", golden, got)
			}
		}
	}
}

// Every field that has a place of its own is in a sample, so that the tests of fields.yml see it.
func TestSampled(t *testing.T) {
	e := entryOf(t, "testdata/events/all-piece.txt")
	for _, f := range ecsFields {
		if e.Get(f.name) == "" {
			t.Errorf("testdata/events/all-piece.txt has no %s", f.name)
		}
	}
}

// A joined message has the first part's fields, without those that say how it was split.
func TestEventJoined(t *testing.T) {
	f := func(partial bool, want string) {
		t.Helper()
		m := single(entryOf(t, "testdata/events/piece.txt"))
		m.Text, m.Parts, m.Partial = "joined", 3, partial
		event := testConverter(t, "{}").event(m)
		doc := event.Fields.Flatten()
		got := fmt.Sprint(doc["message"], " ", doc["container.partial"], " ", doc["journald.custom.container_partial_id"], " ",
			doc["log.flags"], " ", doc["tags"])
		if got != want {
			t.Errorf("partial %v: got %s, want %s", partial, got, want)
		}
	}
	f(false, "joined <nil> <nil> <nil> <nil>")
	f(true, "joined true aabbcc [partial] [partial_message]")
}

// fieldOf is one field of the event that the fields A=a, B=b … give.
func fieldOf(t *testing.T, config, path string, fields ...string) any {
	t.Helper()
	e := Entry{SeqnumID: chainA, Seqnum: 7, Realtime: 1_700_000_000_000_000}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		e.Fields = append(e.Fields, Field{Name: name, Value: value})
	}
	v, err := testConverter(t, config).event(single(e)).Fields.GetValue(path)
	if err != nil {
		return nil
	}
	return v
}

func TestECS(t *testing.T) {
	f := func(path string, want any, fields ...string) {
		t.Helper()
		if got := fieldOf(t, "{parse_syslog_facility: true}", path, fields...); fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", want, want) {
			t.Errorf("%q: %s is %T %v, want %T %v", fields, path, got, got, want, want)
		}
	}
	f("message", "hi", "MESSAGE=hi")
	f("message", nil, "PRIORITY=6")
	f("message", "", "MESSAGE=")
	f("log.level", "emerg", "PRIORITY=0")
	f("log.level", "debug", "PRIORITY=7")
	f("log.level", nil, "PRIORITY=8")
	f("log.level", nil, "PRIORITY=-1")
	f("log.syslog.priority", int64(8), "PRIORITY=8")
	f("log.syslog.priority", nil, "PRIORITY=abc")
	f("journald.custom.priority", "abc", "PRIORITY=abc")
	f("log.syslog.facility.code", int64(10), "SYSLOG_FACILITY=10")
	f("log.syslog.facility.name", "authpriv", "SYSLOG_FACILITY=10")
	f("log.syslog.facility.name", nil, "SYSLOG_FACILITY=24")
	f("process.pid", int64(math.MaxInt64), "_PID=9223372036854775807")
	f("process.pid", nil, "_PID=9223372036854775808")
	f("journald.custom.pid", "9223372036854775808", "_PID=9223372036854775808")
	f("process.pid", int64(1), "_PID=1", "_PID=2")
	f("journald.custom.pid", "2", "_PID=1", "_PID=2")
	f("journald.source_realtime_timestamp", int64(5), "_SOURCE_REALTIME_TIMESTAMP=5", "_SOURCE_REALTIME_TIMESTAMP=6")
	f("journald.custom.source_realtime_timestamp", "6", "_SOURCE_REALTIME_TIMESTAMP=5", "_SOURCE_REALTIME_TIMESTAMP=6")
	f("host.name", "n", "_HOSTNAME=n")
	f("log.stream", "console", "CONTAINER_NAME=x")
	f("log.stream", nil, "_SYSTEMD_UNIT=x")
	f("container.image.name", []string{"a", "b"}, "IMAGE_NAME=a", "IMAGE_NAME=b")
	f("journald.custom.x", []string{"a", "b", "c"}, "X=a", "X=b", "X=c")
	f("journald.custom.x", []string{"own", "forged"}, "_X=own", "X=forged") // no name that journald is known to write
	f("journald.custom.stream_id", "own", "STREAM_ID=forged", "_STREAM_ID=own")
	f("journald.custom.stream_id_other", "forged", "STREAM_ID=forged", "_STREAM_ID=own")
	f("host.hostname", nil, "HOSTNAME=forged")
	f("journald.custom._", "v", "___=v")
	f("journald.custom.-", "v", "=v")
	f("event.sequence", int64(7), "X=y")
	if got := fieldOf(t, "clean_field_names: false", "journald.custom._STREAM_ID", "_STREAM_ID=s"); got != "s" {
		t.Errorf("_STREAM_ID as it is: %v", got)
	}
}

func TestTidy(t *testing.T) {
	f := func(config, in, want, flags string) {
		t.Helper()
		e := Entry{SeqnumID: chainA, Seqnum: 1, Fields: []Field{{Name: "MESSAGE", Value: in}, {Name: "X", Value: in}}}
		event := testConverter(t, config).event(single(e)).Fields.Flatten()
		if got := fmt.Sprintf("%v%v", event["log.flags"], event["journald.binary"]); event["message"] != want || event["journald.custom.x"] != want || got != flags {
			t.Errorf("%q: got %q, %q and %s, want %q and %s", in, event["message"], event["journald.custom.x"], got, want, flags)
		}
	}
	f("{}", "a\x00b\x1b[0m", "a\x00b\x1b[0m", "<nil><nil>")
	f("{}", "a\xffb", "a\uFFFDb", "[binary][MESSAGE X]")
	f("binary: base64", "a\xffb", "Yf9i", "[binary][MESSAGE X]")
	f("max_message_bytes: 4", "abcd", "abcd", "<nil><nil>")
	f("max_message_bytes: 4", "abcde", "abcd", "[truncated]<nil>")
	f("max_message_bytes: 4", "abcé", "abc", "[truncated]<nil>")
	f("max_message_bytes: 4", "abé!", "abé", "[truncated]<nil>")
	f("max_message_bytes: 4", "😀😀", "😀", "[truncated]<nil>")
	f("max_message_bytes: 2", "😀", "", "[truncated]<nil>")
	f("{max_message_bytes: 2, binary: base64}", "\xff\xff\xff", "//8=", "[truncated binary][MESSAGE X]")
}

// A program cannot push out what journald says by writing many fields, nor fill the memory.
func TestEventFieldsBounded(t *testing.T) {
	c := testConverter(t, "{}")
	for i := range 20 {
		e := Entry{SeqnumID: chainA, Seqnum: uint64(i)}
		for k := range 2 * maxClientFields {
			e.Fields = append(e.Fields, Field{Name: fmt.Sprintf("F%d_%d", i, k), Value: "v"})
		}
		e.Fields = append(e.Fields, Field{Name: "_HOSTNAME", Value: "n"})
		event := c.event(single(e))
		custom, _ := event.Fields.GetValue("journald.custom")
		if n := len(custom.(common.MapStr)); n != maxClientFields {
			t.Errorf("%d fields, want %d", n, maxClientFields)
		}
		if event.Meta[k8sname.IndexKey] != "logstash-podbeat-n" {
			t.Errorf("index %v", event.Meta[k8sname.IndexKey])
		}
	}
	if len(c.fields) > maxKnownFields || c.metrics.cut.Get() != 20*maxClientFields {
		t.Errorf("%d names known, %d values cut", len(c.fields), c.metrics.cut.Get())
	}
}

func TestEventAddress(t *testing.T) {
	f := func(e Entry, timestamp, id, index string) {
		t.Helper()
		event := testConverter(t, "schema: both").event(single(e))
		got := event.Timestamp.Format(time.RFC3339Nano)
		if got != timestamp || event.Meta["_id"] != id || event.Meta[k8sname.IndexKey] != index {
			t.Errorf("%+v: %s %v, want %s %s %s", e, got, event.Meta, timestamp, id, index)
		}
		documentOf(t, event)
	}
	f(Entry{SeqnumID: "s", Seqnum: 1, Realtime: 1494323963862751, Fields: []Field{{Name: "_HOSTNAME", Value: "kvm-009660.novalocal"}}},
		"2017-05-09T09:59:23.862751Z", "s-1", "logstash-podbeat-kvm-009660_novalocal")
	f(Entry{SeqnumID: chainA, Seqnum: math.MaxUint64, Realtime: math.MaxUint64, Monotonic: math.MaxUint64},
		"9999-12-31T23:59:59.999999Z", chainA+"-18446744073709551615", "logstash-podbeat-unknown")
	f(Entry{}, "1970-01-01T00:00:00Z", "-0", "logstash-podbeat-unknown")
}

// Whatever an entry holds, its event has a JSON form, and what journald says stands as it said it.
func FuzzEvent(f *testing.F) {
	f.Add("MESSAGE", "hello", "_HOSTNAME", "n", "PRIORITY", "3", uint64(1), uint8(0))
	f.Add("HOSTNAME", "\xff", "_HOSTNAME", "n", "a.b", "NaN", uint64(math.MaxUint64), uint8(1))
	f.Add("", "\x00", "__", "1e999", "CONTAINER_PARTIAL_MESSAGE", "true", uint64(1)<<63, uint8(7))
	m := newMetrics("FuzzEvent")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, n3, v3 string, realtime uint64, choice uint8) {
		o := &options{Schema: []string{"ecs", "legacy", "both"}[choice%3], CleanFieldNames: choice&4 == 0, ConvertToNumbers: choice&8 == 0,
			Binary: []string{"replace", "base64"}[choice>>4%2], MaxMessageBytes: 100, ParsePriority: true}
		c := newConverter(o, m, "podbeat")
		e := Entry{SeqnumID: chainA, Seqnum: realtime, Realtime: realtime, Monotonic: realtime,
			Fields: fieldsOf(n1, v1, n2, v2, n3, v3, "_MACHINE_ID", "own", n1, v2)}
		msg := single(e)
		msg.Partial = choice&32 == 0
		doc := documentOf(t, c.event(msg))
		if !utf8.Valid(doc) {
			t.Errorf("no UTF-8: %q", doc)
		}
		var back map[string]any
		if err := json.Unmarshal(doc, &back); err != nil {
			t.Errorf("%v: %s", err, doc)
		}
		for _, n := range []string{n1, n2, n3} {
			if n == "_MACHINE_ID" {
				return
			}
		}
		if host, _ := back["host"].(map[string]any); o.Schema != "legacy" && host["id"] != "own" {
			t.Errorf("host.id is %v", host["id"])
		}
	})
}

// Entries of a node with 50 containers: what differs between entries in a journal differs here.
func BenchmarkEvent(b *testing.B) {
	for _, schema := range []string{"ecs", "legacy", "both"} {
		b.Run(schema, func(b *testing.B) {
			c := testConverter(b, "schema: "+schema)
			messages := make([]message, 1000)
			for i := range messages {
				e := dockerEntry(b)
				e.Realtime += uint64(i)
				e.Seqnum += uint64(i)
				for j := range e.Fields {
					switch f := &e.Fields[j]; f.Name {
					case "CONTAINER_ID", "CONTAINER_ID_FULL", "CONTAINER_NAME", "CONTAINER_TAG", "SYSLOG_IDENTIFIER":
						f.Value = fmt.Sprint(i%50) + f.Value
					case "SYSLOG_TIMESTAMP", "CONTAINER_LOG_ORDINAL", "_SOURCE_REALTIME_TIMESTAMP", "MESSAGE":
						f.Value = fmt.Sprint(i) + f.Value
					}
				}
				messages[i] = message{Entry: &e, Text: e.Get("MESSAGE"), Parts: 1}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.event(&messages[i%len(messages)])
			}
		})
	}
}

// testConverter makes a converter of an input's YAML.
func testConverter(t testing.TB, yaml string) *converter {
	t.Helper()
	cfg, err := common.NewConfigFrom(yaml)
	if err != nil {
		t.Fatal(err)
	}
	var o options
	if err := option.Unpack(cfg, &o, "journal input"); err != nil {
		t.Fatal(err)
	}
	c := newConverter(&o, testMetrics(t), "podbeat")
	c.now = func() time.Time { return time.Date(2024, 5, 17, 12, 0, 0, 0, time.UTC) }
	return c
}
