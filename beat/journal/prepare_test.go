package journal

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/elastic/beats/v7/libbeat/beat"

	"github.com/podbeat/podbeat/beat/encode"
	"github.com/podbeat/podbeat/beat/prepared"
	"github.com/podbeat/podbeat/journal"
)

// A store gives entries the values that a file keeps once for several.
type store struct {
	seen map[Field]*journal.Data
	last uint64
}

// share does as a file does: what has been seen before is shared, but for every few.
func (s *store) share(r *rand.Rand, e *Entry) {
	if s.seen == nil {
		s.seen = map[Field]*journal.Data{}
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		f.Data = nil
		d, ok := s.seen[*f]
		switch {
		case !ok:
			s.seen[*f] = nil
		case d == nil || r.IntN(20_000) == 0:
			s.last++
			d = &journal.Data{ID: s.last, Name: f.Name, Value: f.Value}
			s.seen[*f] = d
			f.Data = d
		case r.IntN(1000) > 0:
			f.Data = d
		}
	}
}

var hostile = []string{"", "0", "-1", "7", "8", "true", "false", "1e9", "0.5", "9223372036854775807", "9223372036854775808", "line-max", "a\"b\\c\n\x00\x1b[31m",
	"<&>\u2028é", "\xff\xfe", "a\xc3", strings.Repeat("x", 99), strings.Repeat("é", 60), "10", suppressedID}

// hostileEntry takes entries that nodes have, and changes them as nobody should.
func hostileEntry(r *rand.Rand, samples []Entry, names []string) Entry {
	e := *samples[r.IntN(len(samples))].clone()
	e.Cursor = ""
	for range r.IntN(3) * r.IntN(3) {
		value := hostile[r.IntN(len(hostile))]
		switch i := r.IntN(len(e.Fields)); r.IntN(5) {
		case 0:
			e.Fields[i].Value = value
		case 1:
			e.Fields = append(e.Fields, Field{Name: names[r.IntN(len(names))], Value: value})
		case 2:
			e.Fields = append(e.Fields[:i], e.Fields[i+1:]...)
		case 3:
			e.Fields[i].Name = names[r.IntN(len(names))]
		case 4:
			e.Fields[i].Value = fmt.Sprint(r.IntN(3))
		}
	}
	for i := range e.Fields {
		switch e.Fields[i].Name {
		case "MESSAGE", "SYSLOG_TIMESTAMP", "_SOURCE_REALTIME_TIMESTAMP", "N":
			if r.IntN(8) > 0 {
				e.Fields[i].Value = fmt.Sprint(r.IntN(1e6))
			}
		}
	}
	return e
}

// jsonOf is the document that an event becomes, in a form that can be compared.
func jsonOf(t testing.TB, event beat.Event, chain *prepared.Chain) any {
	t.Helper()
	var b []byte
	var err error
	enc := encode.Encoder{}
	meta := event.Meta
	if d := prepared.Of(&event); d != nil {
		if fate := d.Process(chain); fate != prepared.Done {
			t.Fatalf("the document is not processed, but %d", fate)
		}
		b, err = d.AppendJSON(nil, enc, event.Timestamp)
		_, meta = d.Kind()
		meta = meta.Clone()
		meta["_id"] = d.ID
	} else {
		b, err = enc.Event(nil, &event)
	}
	must(t, err)
	var doc map[string]any
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	doc["@metadata"] = fmt.Sprint(meta)
	return doc
}

// What is prepared comes out as it would have come out without: of all entries, whatever is in them.
func TestPrepared(t *testing.T) {
	inputs, err := filepath.Glob("testdata/events/*.txt")
	must(t, err)
	var samples []Entry
	names := []string{"X", "_X", "x", "", "__", "HOSTNAME", "MESSAGE", "CONTAINER_PARTIAL_MESSAGE", "CURSOR", "_LINE_BREAK"}
	for _, path := range inputs {
		samples = append(samples, entryOf(t, path))
	}
	for i := range samples {
		for _, f := range samples[i].Fields {
			names = append(names, f.Name)
		}
	}
	same := func(e *beat.Event) (*beat.Event, error) { return e, nil }
	chain := &prepared.Chain{Run: same}
	const entries = 6_000
	configs := map[string]string{"excluded": "{exclude_matches: [X=7, N=8, MESSAGE=8]}", "numbers": "{convert_to_numbers: true, max_message_bytes: 100, exclude_matches: [X=7, PRIORITY=3]}"}
	for name, config := range goldenConfigs {
		configs[name] = config
	}
	for name, config := range configs {
		r := rand.New(rand.NewPCG(5, 9))
		fast, slow := testConverter(t, config), testConverter(t, config)
		files := &store{}
		documents := 0
		for n := range entries {
			e := hostileEntry(r, samples, names)
			e.SeqnumID, e.BootID, e.placed = chainA, testBoot, true
			e.Seqnum, e.Realtime, e.Monotonic, e.xor = uint64(n+1), testStart+uint64(n), r.Uint64(), r.Uint64()
			if r.IntN(100) == 0 {
				e.Seqnum, e.Realtime = math.MaxUint64, math.MaxUint64
			}
			files.share(r, &e)
			plain := *e.clone()
			for i := range plain.Fields {
				plain.Fields[i].Data = nil
			}
			fast.know(&e)
			equal(t, "excluded", excluded(&e, fast.exclude), excluded(&plain, fast.exclude))
			equal(t, "part", partOf(&e), partOf(&plain))
			equal(t, "ordinal", ordinalOf(t, &e), ordinalOf(t, &plain))

			m, text := single(e), single(plain)
			m.Partial = r.IntN(20) == 0
			text.Partial = m.Partial
			event := fast.eventOf(m)
			if event.Fields == nil {
				documents++
			}
			filled := event
			prepared.Ordinary(&filled)
			want := slow.event(text)
			if !reflect.DeepEqual(filled.Fields, want.Fields) || !reflect.DeepEqual(filled.Meta, want.Meta) || !filled.Timestamp.Equal(want.Timestamp) {
				t.Fatalf("%s: filled in, the event of %v is\n%v %v, want\n%v %v", name, e.Fields, filled.Fields, filled.Meta, want.Fields, want.Meta)
			}
			if have, want := jsonOf(t, event, chain), jsonOf(t, want, chain); !reflect.DeepEqual(have, want) {
				t.Fatalf("%s: the document of %v is\n%v, want\n%v", name, e.Fields, have, want)
			}
		}
		if name != "excluded" && documents < entries/8 || documents > entries*7/8 {
			t.Errorf("%s: %d of %d entries became documents", name, documents, entries)
		}
		if len(fast.shapes.ring) > maxShapes || len(fast.shapes.known) != len(fast.shapes.ring) {
			t.Errorf("%s: %d shapes, %d of them known", name, len(fast.shapes.ring), len(fast.shapes.known))
		}
		equal(t, "cut", fast.metrics.cut.Get(), slow.metrics.cut.Get())
	}
}

// ordinalOf is what an entry alone makes of the counts of losses.
func ordinalOf(t testing.TB, e *Entry) string {
	m := newMetrics(t.Name() + " ordinal")
	defer m.close(t.Name() + " ordinal")
	g := newGaps(m, true)
	g.read(e)
	var lines []string
	for _, el := range g.ordinals.last {
		lines = append(lines, fmt.Sprintf("%+v", *el.Value.(*counted)))
	}
	return fmt.Sprint(lines, m.suppressed.Get(), m.missed.Get())
}

// Names with a value in every few entries make no shapes, and what such a flood leaves is bounded.
func TestShapesBounded(t *testing.T) {
	c := testConverter(t, "{}")
	r := rand.New(rand.NewPCG(1, 1))
	files := &store{}
	documents := 0
	const entries = 6_000
	for i := range entries {
		e := dockerEntry(t)
		e.placed = true
		e.Fields = append(e.Fields, Field{Name: "REQUEST", Value: fmt.Sprint(i / 4)}, Field{Name: "TURN", Value: fmt.Sprint(i % 9)})
		files.share(r, &e)
		c.know(&e)
		if c.eventOf(single(e)).Fields == nil {
			documents++
		}
	}
	if documents < entries*3/4 {
		t.Errorf("%d of %d entries became documents", documents, entries)
	}
	if len(c.shapes.ring) > maxShapes {
		t.Errorf("%d shapes are kept", len(c.shapes.ring))
	}
}

func BenchmarkPrepared(b *testing.B) {
	c := testConverter(b, "{}")
	files := &store{}
	r := rand.New(rand.NewPCG(1, 1))
	messages := make([]message, 1000)
	for n := range 3 {
		for i := range messages {
			e := dockerEntry(b)
			e.Seqnum, e.placed, e.Cursor = uint64(n*1000+i), true, ""
			for j := range e.Fields {
				switch f := &e.Fields[j]; f.Name {
				case "CONTAINER_ID", "CONTAINER_ID_FULL", "CONTAINER_NAME", "CONTAINER_TAG", "SYSLOG_IDENTIFIER":
					f.Value = fmt.Sprint(i%50) + f.Value
				case "SYSLOG_TIMESTAMP", "CONTAINER_LOG_ORDINAL", "_SOURCE_REALTIME_TIMESTAMP", "MESSAGE":
					f.Value = fmt.Sprint(n*30+i%30) + f.Value
				}
			}
			files.share(r, &e)
			messages[i] = message{Entry: &e, Text: e.Get("MESSAGE"), Parts: 1}
		}
	}
	b.ReportAllocs()
	documents := 0
	for i := 0; b.Loop(); i++ {
		m := &messages[i%len(messages)]
		c.know(m.Entry)
		if c.eventOf(m).Fields == nil {
			documents++
		}
	}
	b.ReportMetric(float64(documents)/float64(b.N), "documents/event")
}
