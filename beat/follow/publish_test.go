package follow

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/beat"
	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/elastic/beats/v7/libbeat/monitoring"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/lines"
	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/option"
	"github.com/podbeat/podbeat/processors/k8sname"
)

// ways are inputs' settings that make events of different fields.
var ways = []struct {
	format   lines.Format
	settings string
}{
	{lines.Plain, `{}`},
	{lines.Plain, `{level: {from: message}, timestamp: {from: message}, max_line_bytes: 64}`},
	{lines.Plain, `{encoding: latin1, multiline: {type: indent}}`},
	{lines.Plain, `{ndjson: {overwrite_keys: true, document_id: id}, level: {from: level}}`},
	{lines.Plain, `{ndjson: {expand_keys: true, add_error_key: true, message_key: message}, timestamp: {from: time, layouts: [UNIX]}}`},
	{lines.Container, `{ndjson: {target: json, add_error_key: true}}`},
	{lines.Container, `{}`},
	{lines.Container, `{multiline: {type: count, count_lines: 3}, level: {from: message}}`},
}

// eventsOf returns what the way makes of data, with templates or, the plainest way, without.
func eventsOf(t testing.TB, way int, data []byte, templates bool) (events []beat.Event) {
	t.Helper()
	var o testOptions
	cfg, err := common.NewConfigFrom(ways[way].settings)
	if err == nil {
		err = option.Unpack(cfg, &o, "test input")
	}
	if err != nil {
		t.Fatal(err)
	}
	name, _ := k8sname.Parse("/var/log/pods/shop_web-7d4b9c8f6-x2v5k_8f6c2a1e-0000-4000-8000-000000000000/web/0.log")
	fields := name.Fields("node")
	c := &content{reader: o.NewReader(ways[way].format), rec: record{ID: "c0"}}
	c.src = Source{Stream: "file", Fields: func() *k8sname.Fields { return &fields }}
	p := &publisher{run: &run{node: "node", index: "logs-node"}}
	if templates {
		p.templates = map[kind]*prepared.Template{}
	}
	data = bytes.Clone(data)
	now := time.Date(2026, 11, 22, 7, 0, 0, 123456789, time.UTC)
	p.begin(c, "/logs/app.log", data, 0, now)
	c.reader.Read(data, 0, true, now, func(m *lines.Message) {
		s := &sent{}
		e := p.event(m, s)
		if e.Private = s; !templates {
			e.Fields = p.common(m.Start)
			c.reader.Put(m, e.Fields)
		}
		events = append(events, e)
	})
	clear(data) // nothing of it may be in an event
	return events
}

// checkWay says where events with templates are others than those without, and how many have one.
func checkWay(t testing.TB, way int, data []byte) (documents int) {
	t.Helper()
	want, got := eventsOf(t, way, data, false), eventsOf(t, way, data, true)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	var enc encode.Encoder
	same := &prepared.Chain{Run: func(e *beat.Event) (*beat.Event, error) { return e, nil }}
	for i := range want {
		w, g := &want[i], &got[i]
		text, err := enc.Event(nil, w)
		if err != nil {
			t.Fatal(err)
		}
		if d := prepared.Of(g); d != nil {
			documents++
			if d.Process(same) != prepared.Done {
				t.Fatal("it is not processed")
			}
			asDocument, err := d.AppendJSON(nil, enc, g.Timestamp)
			if a, b := decoded(t, asDocument), decoded(t, text); err != nil || !reflect.DeepEqual(a, b) {
				t.Errorf("document is (%v)\n%s, want\n%s", err, asDocument, text)
			}
			prepared.Ordinary(g)
		}
		g.Private, w.Private = nil, nil
		if !reflect.DeepEqual(g, w) {
			t.Errorf("event is\n%#v, want\n%#v", g, w)
		}
	}
	return documents
}

func decoded(t testing.TB, text []byte) (v any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// hostile are texts of lines, some of which nobody should write.
var hostile = []string{
	"2026-11-22 06:59:00,123 INFO [main] request took 12 ms", "2026-11-22T06:59:00Z ERROR no", "level=QUITE-odd text", "WARN",
	"  indented", "\tindented", "", " ", "\x00\x00", "bytes \xff\xfe", "a\x1b[31mred", `quotes " and \ and </script>`, "\u2028 \U0001f600 é",
	strings.Repeat("long ", 40), strings.Repeat("longer ", 1000), `{"level":"error","id":"x","message":"m","host":"h"}`, `{"a.b":1e400}`, "{",
	`{"level":"info","http":{"status":200,"took":0.25,"ok":true,"none":null,"empty":{}},"time":1795330000,"service":{"name":"shop"},"n":1}`,
	`{"level":"info","http":{"status":200.5,"took":0,"ok":"true","none":null,"empty":{}},"time":"x","service.name":"shop","n\u0000i":1}`,
	`{"host":{"name":"h"},"kubernetes":{"pod":1},"service":{"id":"i","name":"n"},"log":{"level":"warn","offset":1,"file":{"path":"p","name":"n"}}}`,
	`{"service":"s","log":"l","container":"c","labels":{"a.b":1,"a_b":"2"},"tags":["a","b"],"process":{"pid":"x"},"event":{"start":"2026"}}`,
	`{"a":{"b":1},"a.b":2,"log.level":"odd","@timestamp":"2026-11-22T05:00:00Z","error":{"message":"m"},"message":5}`,
	`{"o":{"p":1,"q":true}}`, `{"o":{"p":1},"q":true}`, `{"o":{"p":"1","q":0.5}}`,
	`{"log":"docker\n","stream":"stderr","time":"2026-11-22T06:59:00.5Z"}`,
	`{"log":"labels\n","stream":"stdout","attrs":{"a.b":"c"},"time":"2026-11-22T06:59:00.5Z"}`,
	`{"log":"labels\n","stream":"stdout","attrs":{"a.b":"` + strings.Repeat("d", 5000) + `"},"time":"2026-11-22T06:59:00.5Z"}`,
	`{"log":"part","stream":"stdout","attrs":{},"time":"2026-11-22T06:59:00.5Z"}`,
	"2026-11-22T06:59:00.5Z stdout F ERROR out", "2026-11-22T06:59:00.5Z stderr F \xff", "2026-11-22T06:59:00.5Z stdout P part ",
}

// TestDocuments: what is made once for many events is what each of them would have had.
func TestDocuments(t *testing.T) {
	var data strings.Builder
	for range 3 {
		for _, line := range hostile {
			for range 3 {
				data.WriteString(line + "\n")
			}
		}
	}
	for way := range ways {
		t.Run(fmt.Sprint(way), func(t *testing.T) {
			documents := checkWay(t, way, []byte(data.String()))
			if documents < 30 {
				t.Errorf("%d events had a template", documents)
			}
		})
	}
}

// TestOwnNames: a structured message cannot say what podbeat says of the file, at any level.
func TestOwnNames(t *testing.T) {
	var data strings.Builder
	for path := range eventsOf(t, 0, []byte("x\n"), false)[0].Fields.Flatten() {
		parts := strings.Split(path, ".")
		for n := range parts {
			begin, end := `{"`+strings.Join(parts[:n+1], `":{"`)+`":`, strings.Repeat("}", n+1)+"\n"
			dotted := `{"` + strings.Join(parts[:n+1], ".") + `":`
			for _, v := range []string{`"text"`, `1`, `{"x":1}`, `{}`, `[1]`, `null`, `{"x":{"y":"z"}}`} {
				data.WriteString(strings.Repeat(begin+v+end, 3) + strings.Repeat(dotted+v+"}\n", 3))
			}
		}
	}
	documents := 0
	for way := range ways {
		documents += checkWay(t, way, []byte(data.String()))
	}
	if documents < 1000 {
		t.Errorf("%d events had a template", documents)
	}
}

// TestTexts: texts stay what they are, and little memory is kept with each.
func TestTexts(t *testing.T) {
	var all texts
	var got, want []string
	for i := range 1000 {
		b := bytes.Repeat([]byte{byte(i)}, i*7%(pieceSize/2))
		want, got = append(want, string(b)), append(got, all.keep(b))
		clear(b)
		if n := all.piece.Cap(); n > 2*pieceSize {
			t.Fatalf("a piece has %d bytes", n)
		}
	}
	if !slices.Equal(got, want) {
		t.Error("texts have changed")
	}
}

// TestManyKinds: levels without end cost no memory without end.
func TestManyKinds(t *testing.T) {
	var data strings.Builder
	for i := range 3 * mostKinds {
		fmt.Fprintf(&data, "level=l%d\nlevel=l%d\nlevel=l%d\n", i, i, i)
	}
	if documents := checkWay(t, 1, []byte(data.String())); documents != 2*3*mostKinds {
		t.Errorf("%d events had a template, want %d", documents, 2*3*mostKinds)
	}
	p := &publisher{run: &run{}, content: &content{}, templates: map[kind]*prepared.Template{}}
	for i := range 3 * mostKinds {
		p.templateOf(kind{path: fmt.Sprint(i)})
		if len(p.templates) > mostKinds {
			t.Fatalf("%d templates, want %d at most", len(p.templates), mostKinds)
		}
	}
}

// FuzzDocuments: the same of any bytes.
func FuzzDocuments(f *testing.F) {
	for i, line := range hostile {
		f.Add(uint8(i), []byte(line+"\n"+line+"\n"+line))
	}
	f.Fuzz(func(t *testing.T, way uint8, data []byte) { checkWay(t, int(way)%len(ways), data) })
}

// TestAcked: what is acknowledged together is noted once, and is what the last event says.
func TestAcked(t *testing.T) {
	a, b := &content{inFlight: 5, older: 3, end: mark{resume: 25, end: 25}}, &content{inFlight: 1}
	p := &positions{metrics: &metrics{acked: monitoring.NewUint(monitoring.NewRegistry(), "acked")}}
	of := func(c *content, end int64) *sent { return &sent{mark: mark{content: c, resume: end, end: end}} }
	acker := p.acker()
	ack := func(events ...any) {
		for _, v := range events {
			acker.AddEvent(beat.Event{Private: v}, true)
		}
		acker.ACKEvents(len(events))
	}
	f := func(c *content, inFlight int, done int64) {
		t.Helper()
		if c.inFlight != inFlight || c.rec.Done != done || c.rec.Resume != done {
			t.Errorf("%d in flight, done %d, resume %d; want %d, %d", c.inFlight, c.rec.Done, c.rec.Resume, inFlight, done)
		}
	}
	ack(of(a, 10), of(a, 20), nil, of(b, 7))
	f(a, 3, 20)
	f(b, 0, 7)
	ack(of(a, 30)) // from before the content was cut
	f(a, 2, 25)
	ack(of(a, 26), "somebody's", of(a, 27))
	f(a, 0, 27)
	if n := p.metrics.acked.Get(); n != 8 || len(p.dirty) != 2 {
		t.Errorf("%d acknowledged, %d to be written; want 8, 2", n, len(p.dirty))
	}
}
