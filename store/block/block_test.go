package block

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// open gives documents back as a block that is read from its parts.
func open(t *testing.T, docs []Doc) *Segment {
	t.Helper()
	parts, err := Encode(docs)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(parts[0], func(i int) ([]byte, error) { return parts[i], nil })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// documents numbers sources.
func documents(sources ...string) []Doc {
	docs := make([]Doc, len(sources))
	for i, s := range sources {
		docs[i] = Doc{ID: fmt.Sprint("id-", i), Source: []byte(s), Time: int64(i) * 1000, Seq: int64(i), Version: 1}
	}
	return docs
}

// same compares what came back with what was put in, by Seq.
func same(t *testing.T, s *Segment, want []Doc) {
	t.Helper()
	got, err := s.Docs()
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d documents, want %d", len(got), len(want))
	}
	for i := range got {
		one, err := s.Doc(i)
		if err != nil || !reflect.DeepEqual(one, got[i]) {
			t.Errorf("row %d alone: %v %v, want %v", i, one, err, got[i])
		}
	}
	slices.SortFunc(got, func(a, b Doc) int { return int(a.Seq - b.Seq) })
	for i := range got {
		if got[i].ID != want[i].ID || got[i].Time != want[i].Time || got[i].Seq != want[i].Seq || got[i].Version != want[i].Version {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
		if !bytes.Equal(got[i].Source, want[i].Source) {
			t.Errorf("%.200q, want %.200q", got[i].Source, want[i].Source)
		}
	}
}

// odd are documents that are kept byte for byte though nothing in them is usual.
var odd = []string{
	`{}`, ` { } `, "\n{\t\"a\" : [ ] ,\r\n\"b\": { } }\n", `{"a":[]}`, `{"a":[[],[[]],{}]}`,
	`{"a":1.0,"b":-0,"c":1e400,"d":1E+5,"e":0.10,"f":123456789012345678901234567890,"g":-1}`,
	`{"a":9223372036854775807}`, `{"a":-9223372036854775808}`, `{"a":999999999999999999}`, `{"a":-999999999999999999}`,
	`{"a":null,"b":true,"c":false}`, `{"a":[null,1,"1",true,[2,{"b":3}]],"a.b":4}`,
	`{"a":{"b":1},"a.b":2}`, `{"":1," ":2,".":3}`, `{"":{"":1}}`,
	`{"m":"A\/\n\"\\\ud83d\ude00\ud83d \b\f\r\t"}`, `{"m":"ünïcödé 日本 😀"}`, `{"m\u0041":1,"m\"":2}`,
	`{"_id":"field"}`, `{"@timestamp":"2026-11-21T17:09:03.000Z"}`, `{"@timestamp":"2026-11-21T17:09:03Z"}`, `{"@timestamp":1}`,
	`{"n":"007"}`, `{"n":"7"}`, `{"n":"id-00ff"}`, `{"n":""}`, "{\"n\":\"\x7f\"}",
	`{"o":[{"a":1,"b":"x"},{"a":2},{"b":"y"},{}]}`,
}

func TestRoundTrip(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 499) + `1` + strings.Repeat(`]}`, 499)
	wide := make([]string, 10000)
	for i := range wide {
		wide[i] = fmt.Sprintf(`"field%d":%d`, i, i)
	}
	long := make([]string, 3000)
	for i := range long {
		long[i] = fmt.Sprint(i * 7)
	}
	all := append(slices.Clone(odd), deep, "{"+strings.Join(wide, ",")+"}", `{"a":[`+strings.Join(long, ",")+`]}`,
		`{"m":"`+strings.Repeat("x y\\n", 1<<18)+`"}`, `{"m":"`+strings.Repeat("z", 1<<20)+`"}`)
	f := func(sources ...string) {
		t.Helper()
		docs := documents(sources...)
		same(t, open(t, docs), docs)
		s, err := Of(docs)
		if err != nil {
			t.Fatal(err)
		}
		same(t, s, docs)
	}
	f()
	f(all...)
	for _, source := range all {
		f(source)
		f(source, source, source)
	}
	f(slices.Repeat(all[:20], 50)...)
	f(events(3000)...)
}

// events are documents like podbeat's.
func events(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	out := make([]string, n)
	for i := range out {
		at := start.Add(time.Duration(i) * 2 * time.Millisecond)
		level := []string{"info", "info", "info", "warning", "error"}[r.IntN(5)]
		pod := r.IntN(20)
		out[i] = fmt.Sprintf(`{"@timestamp":"%s","message":"%s request %d took %d ms for user \"u%d\"","log":{"level":"%s","offset":%d},`+
			`"kubernetes":{"namespace":"ns-%d","pod":{"name":"app-%d","uid":"%08x"}},"host":{"name":"node1"},"took":%.3f,"tags":["a","t%d"]}`,
			at.Format("2006-01-02T15:04:05.000000Z"), level, i, r.IntN(1000), r.IntN(50), level, i*200, pod%5, pod, pod*7919, r.Float64(), pod)
	}
	return out
}

func TestRefused(t *testing.T) {
	var c Checker
	f := func(source, want string) {
		t.Helper()
		err := c.Check([]byte(source))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.50q: %v, want %q", source, err, want)
		}
		if _, err := Encode(documents(`{"a":1}`, source)); err == nil {
			t.Errorf("%.50q is encoded", source)
		}
		if _, err := Of(documents(source)); err == nil {
			t.Errorf("%.50q is taken", source)
		}
	}
	f(``, "no JSON object")
	f(`[]`, "no JSON object")
	f(`"a"`, "no JSON object")
	f(`{`, "ends where a name")
	f(`{"a":1}x`, "'x' where the end")
	f(`{"a":1} {}`, "where the end")
	f(`{"a":1,}`, "where a name")
	f(`{"a":[1,]}`, "where a value")
	f(`{"a":[1 2]}`, "a comma or ]")
	f(`{"a" 1}`, "a colon")
	f(`{"a":01}`, "a comma or }")
	f(`{"a":1.}`, "a digit")
	f(`{"a":.5}`, "a value")
	f(`{"a":-}`, "a digit")
	f(`{"a":1e}`, "a digit")
	f(`{"a":NaN}`, "a value")
	f(`{"a":tru}`, "a value")
	f(`{"a":"\x"}`, "a backslash")
	f(`{"a":"\u12g4"}`, "a backslash")
	f(`{"a":"`, "without an end")
	f("{\"a\":\"\n\"}", "control character")
	f("{\"a\":\x01}", "a value")
	f("{\"a\":\"\xff\"}", "not UTF-8")
	f(`{"a":1,"a":2}`, `"a" is there twice`)
	f(`{"b":{"a":1,"\u0061":2}}`, `"a" is there twice`)
	f(`{/**/}`, "where a name")
	f(strings.Repeat(`{"a":`, 1001)+`1`+strings.Repeat(`}`, 1001), "1000 deep")
	f(`{"a":`+strings.Repeat(`[`, 1<<20), "1000 deep")
	for range 2 {
		for _, source := range odd {
			if err := c.Check([]byte(source)); err != nil {
				t.Error(source, err)
			}
		}
	}
}

// both calls f with the documents as a block, and in memory.
func both(t *testing.T, docs []Doc, f func(t *testing.T, s *Segment)) {
	t.Run("block", func(t *testing.T) { f(t, open(t, docs)) })
	t.Run("memory", func(t *testing.T) {
		s, err := Of(docs)
		if err != nil {
			t.Fatal(err)
		}
		f(t, s)
	})
}

func TestColumns(t *testing.T) {
	docs := documents(events(2000)...)
	both(t, docs, func(t *testing.T, s *Segment) {
		if c := s.Column("nothing"); c != nil {
			t.Error("a column that no document has")
		}
		want := []string{"@timestamp", "host.name", "kubernetes.namespace", "kubernetes.pod.name", "kubernetes.pod.uid", "log.level", "log.offset",
			"message", "tags", "took"}
		if got := s.Paths(); !slices.Equal(got, want) {
			t.Errorf("paths %q", got)
		}
		byRow := make(map[string][]Value)
		seqs := s.Seqs()
		for _, path := range want {
			c := s.Column(path)
			for row := range s.Len() {
				byRow[path] = c.Values(row, nil)
				if path == "tags" && len(byRow[path]) != 2 || path != "tags" && len(byRow[path]) != 1 {
					t.Fatalf("%s of row %d: %v", path, row, byRow[path])
				}
				if v := byRow[path][0]; !strings.Contains(string(docs[seqs[row]].Source), strings.ReplaceAll(v.Text, `"`, `\"`)) {
					t.Fatalf("%s of row %d: %v", path, row, v)
				}
			}
		}
		count := func(path string, f func(Value) bool) int { return s.Column(path).Select(nil, nil, f).Count() }
		expect := func(want string) int {
			n := 0
			for _, d := range docs {
				if bytes.Contains(d.Source, []byte(want)) {
					n++
				}
			}
			return n
		}
		if got, want := count("log.level", func(v Value) bool { return v.Text == "error" }), expect(`"level":"error"`); got != want {
			t.Errorf("errors: %d, want %d", got, want)
		}
		if got, want := count("tags", func(v Value) bool { return v.Text == "t7" }), expect(`"t7"`); got != want {
			t.Errorf("tags: %d, want %d", got, want)
		}
		if got, want := count("message", func(v Value) bool { return strings.Contains(v.Text, `user "u7"`) }), expect(`user \"u7\"`); got != want {
			t.Errorf("messages: %d, want %d", got, want)
		}
		if got := s.Column("host.name").Exists().Count(); got != 2000 {
			t.Errorf("hosts: %d", got)
		}
		offsets, ok := s.Column("log.offset").Ints()
		times, ok2 := s.Column("@timestamp").Times()
		took, ok3 := s.Column("took").Floats()
		if !ok || !ok2 || !ok3 || len(offsets) != 2000 || len(times) != 2000 || len(took) != 2000 {
			t.Fatal("numbers", ok, ok2, ok3)
		}
		for row, n := range offsets {
			if want := seqs[row] * 200; n != want || times[row] != 1795219200e9+seqs[row]*2e6 {
				t.Fatalf("row %d: %d at %d, want %d", row, n, times[row], want)
			}
		}
		if _, ok := s.Column("message").Ints(); ok {
			t.Error("messages are integers")
		}
		if err := s.Err(); err != nil {
			t.Error(err)
		}
	})
}

func TestFilters(t *testing.T) {
	sources := events(5000)
	sources = append(sources, `{"message":"Ünï KELVIN-sign \u212A9 foo.bar","neg":-5}`, `{"cursor":"s=00aa","neg":7}`, `{"cursor":"s=00ab"}`)
	s := open(t, documents(sources...))
	f := func(path, text string, value, word bool) {
		t.Helper()
		c := s.Column(path)
		if got := c.MayHave(text); got != value {
			t.Errorf("%s may have %q: %v", path, text, got)
		}
		if got := c.MayHaveToken([]byte(text)); got != word {
			t.Errorf("%s may have the token %q: %v", path, text, got)
		}
	}
	f("message", "kelvin", false, true)
	f("message", "k9", false, true)
	f("message", "foo.bar", false, true)
	f("message", "foo.baz", false, false)
	f("message", "ünï", false, true)
	f("message", "nowhereatall", false, false)
	f("message", "Ünï KELVIN-sign \u212A9 foo.bar", true, true)
	f("log.level", "error", true, true)
	f("log.level", "erro", false, false)
	f("kubernetes.namespace", "ns", false, true)
	f("log.offset", "200", true, true)
	f("log.offset", "201", false, false)
	f("cursor", "s=00aa", true, true)
	f("cursor", "s=00ac", false, true)
	f(ID, "id-17", true, true)
	f(ID, "id-999999", false, true)
	message := s.Column("message")
	for row := range s.Len() {
		for _, v := range message.Values(row, nil) {
			if !message.MayHave(v.Text) {
				t.Fatalf("%q is not found", v.Text)
			}
			for _, w := range strings.Fields(strings.ToLower(v.Text)) {
				if !message.MayHaveToken([]byte(w)) {
					t.Fatalf("%q is not found", w)
				}
			}
		}
	}
}

func TestArrays(t *testing.T) {
	docs := documents(`{"a":[1,2,{"b":null}],"b":5}`, `{"b":[]}`, `{"a":{"b":"x"}}`, `{"a":[3,"3"],"b":null}`)
	both(t, docs, func(t *testing.T, s *Segment) {
		f := func(path string, want ...[]Value) {
			t.Helper()
			c := s.Column(path)
			for row, seq := range s.Seqs() {
				if got := c.Values(row, nil); !slices.Equal(got, want[seq]) {
					t.Errorf("%s of %d: %v, want %v", path, seq, got, want[seq])
				}
			}
		}
		f("a", []Value{{Number, "1"}, {Number, "2"}}, nil, nil, []Value{{Number, "3"}, {String, "3"}})
		f("b", []Value{{Number, "5"}}, nil, nil, []Value{{Null, "null"}})
		f("a.b", []Value{{Null, "null"}}, nil, []Value{{String, "x"}}, nil)
		if got := s.Column("a.b").Exists().Count(); got != 1 {
			t.Errorf("%d have a.b", got)
		}
		if got := s.Column("b").Exists().Count(); got != 1 {
			t.Errorf("%d have b", got)
		}
	})
}

func TestDead(t *testing.T) {
	docs := documents(events(100)...)
	s := open(t, docs)
	dead := NewBitmap(100)
	dead.SetRange(10, 90)
	s = s.Without(dead)
	got, err := s.Docs()
	if err != nil || len(got) != 20 || s.Live(10) || !s.Live(9) || s.Rows().Count() != 20 {
		t.Error(len(got), err)
	}
}

func TestManyReaders(t *testing.T) {
	docs := documents(events(3000)...)
	s := open(t, docs)
	var g sync.WaitGroup
	for n := range 8 {
		g.Go(func() {
			for i := range 20 {
				if n == 0 {
					s.Trim()
				}
				if got := s.Column("message").Select(nil, nil, func(v Value) bool { return strings.Contains(v.Text, "request 17 ") }).Count(); got != 1 {
					t.Error(got)
				}
				if _, err := s.Doc(i * n); err != nil {
					t.Error(err)
				}
				s.Column("log.level").Distinct()
				s.Column("kubernetes.pod.name").MayHave("app-1")
			}
		})
	}
	g.Wait()
	if s.Size() <= 0 || s.Err() != nil {
		t.Error(s.Size(), s.Err())
	}
	full := s.Size()
	s.Trim()
	if s.Size() >= full {
		t.Errorf("%d bytes, and %d after Trim", full, s.Size())
	}
	same(t, s, docs)
}

func TestDamaged(t *testing.T) {
	docs := documents(events(500)...)
	parts, err := Encode(docs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		for at := 0; at < len(parts[i]); at += 1 + len(parts[i])/50 {
			broken := slices.Clone(parts)
			broken[i] = slices.Clone(parts[i])
			broken[i][at] ^= 0x10
			s, err := Open(broken[0], func(i int) ([]byte, error) { return broken[i], nil })
			if err == nil {
				_, err = s.Docs()
			}
			if err == nil && i > 0 {
				for _, path := range s.Paths() {
					s.Column(path).MayHaveToken([]byte("x"))
				}
				err = s.Err()
			}
			if err == nil {
				t.Errorf("part %d, byte %d: nothing is noticed", i, at)
			}
		}
	}
	s, err := Open(parts[0], func(i int) ([]byte, error) { return nil, fmt.Errorf("part %d is gone", i) })
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Column("message").Select(nil, nil, func(Value) bool { return true }).Count(); n != 0 || s.Err() == nil {
		t.Errorf("%d rows, %v", n, s.Err())
	}
}

// TestVarint reads numbers of any size, with and without bytes behind them.
func TestVarint(t *testing.T) {
	for shift := range 64 {
		for _, want := range []uint64{1 << shift, 1<<shift - 1, 1<<shift + 1<<(shift/2)} {
			b := binary.AppendUvarint(nil, want)
			for _, behind := range []string{"", "\x00", "\x7f\x80\x01", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
				if got, size := varint(append(slices.Clone(b), behind...)); got != want || size != len(b) {
					t.Errorf("%d: %d in %d bytes", want, got, size)
				}
			}
			if _, size := varint(b[:len(b)-1]); size != 0 {
				t.Errorf("%d without its last byte: %d bytes", want, size)
			}
		}
	}
}

// TestDictionaries has columns of few and of many distinct values, with and without rows that have none or several.
func TestDictionaries(t *testing.T) {
	for _, distinct := range []int{1, 2, 255, 256, 257, 700} {
		sources := make([]string, 9000)
		for i := range sources {
			sources[i] = fmt.Sprintf(`{"each":"v%d","some":%s}`, i%distinct, []string{"[]", `"s` + fmt.Sprint(i%distinct) + `"`, `["s1","s2"]`}[i%3])
		}
		docs := documents(sources...)
		both(t, docs, func(t *testing.T, s *Segment) {
			for _, path := range []string{"each", "some"} {
				c := s.Column(path)
				values, codes := c.Distinct()
				if values == nil || c.Single() != (path == "each") {
					t.Fatalf("%d of %s, one each: %v", distinct, path, c.Single())
				}
				among := NewBitmap(len(docs))
				among.SetRange(100, 5000)
				want := values[len(values)-1]
				rows := c.Select(among, nil, func(v Value) bool { return v == want })
				for row := range len(docs) {
					has := among.Has(row) && slices.Contains(c.Values(row, nil), want)
					if rows.Has(row) != has {
						t.Fatalf("row %d of %s is found: %v", row, path, !has)
					}
				}
				if !codes.None() && values[codes.At(c.Len()-1)] != c.At(c.Len()-1) {
					t.Error("the last value is another")
				}
			}
			same(t, s, docs)
		})
	}
}

// TestSelectTogether passes over texts that are asked about together.
func TestSelectTogether(t *testing.T) {
	var sources []string
	for i := range 5000 {
		sources = append(sources, fmt.Sprintf(`{"m":"text number %d of many %x","n":[%s]}`, i, i*7919, []string{"", `"x"`, `"","y\"z"`}[i%3]))
	}
	sources[4321] = `{"m":"te\u0078t number nine"}`
	both(t, documents(sources...), func(t *testing.T, s *Segment) {
		for path, parts := range map[string][]string{"m": {"number 4999 ", "text", "text number nine", "nowhere", "number 12"}, "n": {"x", "y", "z", "q"}} {
			for _, part := range parts {
				holds := func(v Value) bool { return strings.Contains(v.Text, part) }
				asked := 0
				got := s.Column(path).Select(nil, func(texts string) bool { return strings.Contains(texts, part) }, func(v Value) bool { asked++; return holds(v) })
				want := s.Column(path).Select(nil, nil, holds)
				if !slices.Equal(slices.Collect(got.Rows), slices.Collect(want.Rows)) {
					t.Errorf("%s with %q: %d rows, want %d", path, part, got.Count(), want.Count())
				}
				if part == "nowhere" && s.docs == nil && asked > 1000 {
					t.Errorf("%d values are looked at alone", asked)
				}
			}
		}
	})
}
