package lines

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/common"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fuzzed are the configurations that fuzzing takes.
var fuzzed = []struct {
	config string
	format Format
}{
	{"max_line_bytes: 16", Plain},
	{"{max_line_bytes: 16, encoding: utf-16-bom}", Plain},
	{"{max_line_bytes: 16, encoding: utf-16le-bom}", Plain},
	{"{max_line_bytes: 16, encoding: gbk}", Plain},
	{"{max_line_bytes: 40, multiline: {pattern: '^a', match: after}}", Plain},
	{"{max_line_bytes: 40, multiline: {pattern: '^a', match: before, negate: true, max_lines: 3}}", Plain},
	{"{max_line_bytes: 40, multiline: {type: indent, flush_pattern: c}}", Plain},
	{"{max_line_bytes: 40, multiline: {type: while_pattern, pattern: '^a'}}", Plain},
	{"{max_line_bytes: 40, multiline: {type: count, count_lines: 3}}", Plain},
	{"max_line_bytes: 40", Container},
	{"{max_line_bytes: 40, multiline: {pattern: '^a', match: after}}", Container},
	{"{max_line_bytes: 40, multiline: {pattern: '^a', match: before, negate: true}}", Container},
	{"{max_line_bytes: 40, multiline: {pattern: '^a', match: after, flush_pattern: c}}", Container},
	{"{max_line_bytes: 40, multiline: {type: while_pattern, pattern: '^a'}}", Container},
	{"{max_line_bytes: 40, multiline: {type: count, count_lines: 3}}", Container},
}

// saved is a message that outlives emit.
type saved struct {
	Start, End, Resume int64
	Text, Stream       string
	Time               time.Time
	Flags              Flags
	Lines              int
}

func save(m *Message) saved {
	return saved{m.Start, m.End, m.Resume, string(m.Text), m.Stream, m.Time, m.Flags, m.Lines}
}

// follow reads data from offset at on as it grows: piece returns by how much, and how much of it is read at once.
func follow(t *testing.T, r *Reader, data []byte, at int64, piece func() int) []saved {
	var got []saved
	pos, size, buffer := int(at), int(at), 0
	emit := func(m *Message) { got = append(got, save(m)) }
	for size < len(data) {
		size = min(len(data), size+piece())
		for pos < size {
			n := min(size-pos, max(buffer, piece(), 1))
			consumed, more := r.Read(data[pos:pos+n], int64(pos), false, start, emit)
			pos += consumed
			switch {
			case more == (consumed > 0):
				t.Fatalf("%d bytes consumed, more: %v", consumed, more)
			case more && n >= r.MaxRead():
				t.Fatalf("%d bytes are not enough to get further", n)
			case more:
				buffer = min(max(2*n, 1), r.MaxRead())
			default:
				buffer = 0
			}
			if more && n == size-pos {
				break
			}
		}
	}
	if consumed, _ := r.Read(data[pos:], int64(pos), true, start, emit); consumed != len(data)-pos {
		t.Fatalf("%d of the last %d bytes consumed", consumed, len(data)-pos)
	}
	if r.Waiting() {
		t.Fatal("something waits although all is over")
	}
	return got
}

// tidy replaces the letters t, d, P … at the beginnings of lines by what runtimes write, so that
// fuzzing need not find it.
func tidy(s string) string {
	lines := strings.SplitAfter(s, "\n")
	for i, l := range lines {
		for letter, with := range map[string]string{
			"1": "2026-05-17T10:00:00.5Z stdout F ", "2": "2026-05-17T10:00:00Z stderr F ",
			"3": "2026-05-17T10:00:00.123456789+02:00 stdout P ", "4": "2026-05-17T10:00:00Z stderr P:x ",
		} {
			if rest, ok := strings.CutPrefix(l, letter); ok {
				lines[i] = with + rest
			}
		}
		for letter, stream := range map[string]string{"5": "stdout", "6": "stderr"} {
			if rest, ok := strings.CutPrefix(l, letter); ok {
				text, _ := json.Marshal(strings.ReplaceAll(rest, "5", "\n"))
				lines[i] = `{"log":` + string(text) + `,"stream":"` + stream + `","attrs":{"a.b":"c"},"time":"2026-05-17T10:00:00.5Z"}` + "\n"
				if !strings.HasSuffix(rest, "\n") && i == len(lines)-1 {
					lines[i] = lines[i][:len(lines[i])-1]
				}
			}
		}
	}
	return strings.Join(lines, "")
}

// FuzzRead: the same bytes give the same messages, in whatever pieces they come and from whatever
// message on they are read again.
func FuzzRead(f *testing.F) {
	for which := range fuzzed {
		f.Add(which, uint64(1), "a\nab\n b\r\nc\n\n\x00\x00a\xff\n"+strings.Repeat("é", 60)+"\nb")
		f.Add(which, uint64(2), "1a\n3b\n4c\n1d\n2e\n2f\n6a5\n5b\n2a\n1a\n1b\n5c5\nxx\n3é\xc3\n1\xa9\n4a")
		f.Add(which, uint64(3), "\xff\xfea\x00\n\x00\n\x01b\x00\r\x00\n\x00")
	}
	f.Add(len(fuzzed)-1, uint64(4), "1\n2\n20\n1\n20\n1\n10")
	f.Fuzz(func(t *testing.T, which int, seed uint64, text string) {
		c := fuzzed[uint(which)%uint(len(fuzzed))]
		if c.format == Container {
			text = tidy(text)
		}
		if strings.Contains(c.config, "utf-16-bom") && !strings.HasPrefix(text, "\xfe\xff") {
			text = "\xff\xfe" + text // without it what is ambiguous is guessed anew each time
		}
		o, data, rnd := opts(t, c.config), []byte(text), rand.New(rand.NewPCG(seed, 0))
		reader := func() *Reader {
			r := o.NewReader(c.format)
			r.behind = 400
			if c.format == Container {
				r.maxRaw = 120
			}
			return r
		}
		whole := reader()
		want := follow(t, whole, data, 0, func() int { return max(1, len(data)) })
		for i, m := range want {
			switch {
			case m.Text == "", m.Start >= m.End, m.Resume > m.End, i > 0 && m.End <= want[i-1].End, len(m.Text) > int(o.MaxLineBytes):
				t.Fatalf("message %d is wrong: %+v", i, m)
			}
		}
		parts := reader()
		got := follow(t, parts, data, 0, func() int { return 1 + rnd.IntN(1+rnd.IntN(40)) })
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("in pieces, %s: %q\n%s", c.config, data, d)
		}
		if whole.Counters != parts.Counters {
			t.Fatalf("in pieces, %s: %q: %+v, want %+v", c.config, data, parts.Counters, whole.Counters)
		}
		for i, last := range want {
			again := []saved{}
			r := reader()
			r.Head(data)
			for _, m := range follow(t, r, data, last.Resume, func() int { return 1 + rnd.IntN(100) }) {
				if m.End > last.End {
					again = append(again, m)
				}
			}
			// What waited at the end of the first reading may have waited less at that of the second.
			if d := cmp.Diff(want[i+1:], again, cmpopts.IgnoreFields(saved{}, "Resume")); d != "" {
				t.Fatalf("again from %d after %d, %s: %q\n%s", last.Resume, last.End, c.config, data, d)
			}
		}
	})
}

// FuzzTime holds parseTime to time.Parse.
func FuzzTime(f *testing.F) {
	for _, s := range []string{"2026-05-17T10:00:00.5Z", "2024-02-29T23:59:59.123456789-23:59", "2023-02-29T00:00:00Z", "0001-01-01T00:00:00+01:00",
		"2026-05-17T10:00:00.1234567891Z", "2026-05-17T10:00:00,5Z", "2026-05-17T24:00:00Z", "2026-05-17T10:00:00.Z", "2026-05-17T10:00:00+24:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTime([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, s)
		if ok && (err != nil || !got.Equal(want)) {
			t.Errorf("%q is %v, want %v, %v", s, got, want, err)
		}
		if !ok && err == nil && want.Format(time.RFC3339Nano) == s && want.UTC().Year() > 0 && want.UTC().Year() < 10000 {
			t.Errorf("%q is refused, want %v", s, want)
		}
	})
}

// FuzzJSON holds the parser to encoding/json.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{`{"a":1}`, `{"a":"\u00e9\ud83d\ude00\ud83d x\n","b":[1,-0.5e3,true,null,{}],"c":{"d.e":18446744073709551615}}`,
		`{"a":1} x`, `{"a":01}`, "{\"a\":\"\t\"}", `{"a":1,"a":2}`, `[1]`, `{"a":[1,]}`, `{"a":"\x"}`, ` { } `, `{"a":1e400,"b":-}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := parser{maxDepth: 1000, maxKeys: 1 << 20}
		s = strings.ToValidUTF8(s, "x")
		got, err := p.parse([]byte(s))
		var want map[string]any
		d := json.NewDecoder(strings.NewReader(s))
		d.UseNumber()
		valid := d.Decode(&want) == nil && json.Valid([]byte(s)) && want != nil
		if valid != (err == nil) {
			t.Fatalf("%q: %v, want valid: %v", s, err, valid)
		}
		if valid && !reflect.DeepEqual(plainMap(got), dropNull(want)) {
			t.Fatalf("%q is %v, want %v", s, got, want)
		}
	})
}

// plainMap makes of what the parser gives what encoding/json gives.
func plainMap(v any) any {
	switch v := v.(type) {
	case common.MapStr:
		out := map[string]any{}
		for k, e := range v {
			out[k] = plainMap(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, plainMap(e))
		}
		return out
	case json.Number:
		return v
	case int64, float64:
		return plainText(v)
	}
	return v
}

// dropNull leaves out null members, and writes numbers as the parser's are written.
func dropNull(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e != nil {
				out[k] = dropNull(e)
			}
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, dropNull(e))
		}
		return out
	case json.Number:
		p := parser{in: []byte(v)}
		n, _ := p.number()
		if s, ok := n.(json.Number); ok {
			return s
		}
		if i, err := v.Int64(); err == nil {
			return plainText(i)
		}
		f, _ := v.Float64()
		return plainText(f)
	}
	return v
}

// FuzzPut: whatever a line says, what podbeat says stays, names are ones that Elasticsearch takes, and
// the event has a JSON form.
func FuzzPut(f *testing.F) {
	for _, s := range []string{`{"log":{"file":1,"level":"x"},"log.offset":1,"a.b":{"c.":[{"":1}]},"a":{"b":{"d":1e99}}}`, `{"@metadata":{"a":1},"service":{"id.x":1,"name":"y"}}`,
		`{"labels":{"a.b":1,"a_b":[2]},"kubernetes.pod":{"uid":1},"message":{"x":1},"@timestamp":"2026-05-17T10:00:00Z","error":"x"}`} {
		for config := range 4 {
			f.Add(config, s)
		}
	}
	all := []*Options{opts(f, "ndjson: true"), opts(f, "ndjson: {overwrite_keys: true, expand_keys: true, add_error_key: true, message_key: message}"),
		opts(f, "ndjson: {target: json, expand_keys: true}"), opts(f, "{ndjson: {overwrite_keys: true, document_id: a.b}, level: {from: log.level}, timestamp: {from: a}}")}
	f.Fuzz(func(t *testing.T, config int, line string) {
		r := all[uint(config)%uint(len(all))].NewReader(Plain)
		r.Read([]byte(line), 0, true, start, func(m *Message) {
			given := func() common.MapStr {
				return common.MapStr{"kubernetes": common.MapStr{"pod": common.MapStr{"uid": "1"}}, "host": common.MapStr{"name": "n"},
					"service": common.MapStr{"id": "s"}, "log": common.MapStr{"file": common.MapStr{"path": "p"}, "offset": int64(1)}}
			}
			fields := given()
			r.Put(m, fields)
			got := common.MapStr{"kubernetes": fields["kubernetes"], "host": fields["host"],
				"service": common.MapStr{"id": fields["service"].(common.MapStr)["id"]},
				"log":     common.MapStr{"file": fields["log"].(common.MapStr)["file"], "offset": fields["log"].(common.MapStr)["offset"]}}
			if d := cmp.Diff(given(), got); d != "" {
				t.Errorf("%q: %s", line, d)
			}
			for name := range fields {
				first, _, _ := strings.Cut(name, ".")
				if known[first] == own && !slices.Contains([]string{"kubernetes", "host"}, name) || strings.HasPrefix(name, "service.id") || strings.HasPrefix(name, "log.file") || strings.HasPrefix(name, "log.offset") {
					t.Errorf("%q writes %q", line, name)
				}
			}
			if !storable(fields) {
				t.Errorf("%q: %v", line, fields)
			}
			if _, err := json.Marshal(fields); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		})
	})
}
