package block

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"
)

// FuzzRoundTrip takes any bytes for a document: what is kept is JSON, and comes back as it was.
func FuzzRoundTrip(f *testing.F) {
	for _, source := range odd {
		f.Add([]byte(source), []byte(`{"a":2}`))
	}
	for _, source := range events(3) {
		f.Add([]byte(source), []byte(source))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var c Checker
		err := c.Check(a)
		if err == nil && !json.Valid(a) {
			t.Fatalf("%q is no JSON", a)
		}
		if err != nil {
			if _, err := Encode(documents(string(a))); err == nil {
				t.Fatal("what is refused is encoded")
			}
			return
		}
		docs := documents(string(a), string(a))
		if c.Check(b) == nil {
			docs = append(docs, documents("", "", string(b))[2])
		}
		same(t, open(t, docs), docs)
		s, err := Of(docs)
		if err != nil {
			t.Fatal(err)
		}
		same(t, s, docs)
		walk(t, s)
	})
}

// FuzzOpen takes any bytes for what a block says: it may be an error, but no panic, and it does not take for ever. The checksums are made to fit.
func FuzzOpen(f *testing.F) {
	docs := documents(append(events(20), odd...)...)
	for _, source := range [][]Doc{docs, docs[:1], docs[:20]} {
		parts, err := Encode(source)
		if err != nil {
			f.Fatal(err)
		}
		r := reader{b: parts[0][8:]}
		first := r.packed()
		second := []byte(nil)
		if len(parts) > 1 {
			second = parts[1]
		}
		f.Add(first, second)
	}
	f.Fuzz(func(t *testing.T, header, data []byte) {
		s, err := Open(sealed(header, data), func(int) ([]byte, error) { return data, nil })
		if err != nil || s.rows > 1000 {
			return
		}
		walk(t, s)
	})
}

// walk asks a segment for everything.
func walk(t *testing.T, s *Segment) {
	s.Docs()
	for _, path := range append(s.Paths(), ID) {
		c := s.Column(path)
		if c.Len() > 100000 {
			continue
		}
		c.MayHaveToken([]byte("error"))
		c.Exists()
		c.Distinct()
		c.Ints()
		c.Times()
		c.Floats()
		c.MinMax()
		for row := range s.Len() {
			for _, v := range c.Values(row, nil) {
				if s.Err() == nil && !c.MayHave(v.Text) {
					t.Fatalf("%s may not have %q, but has", path, v.Text)
				}
			}
		}
		c.Select(nil, nil, func(v Value) bool { return len(v.Text) > 3 })
	}
}

// sealed makes a first part of what it says, with the checksums of the others.
func sealed(header, data []byte) []byte {
	// The directory of parts stands first in the header: it is replaced by one that says the truth about data.
	r := reader{b: header}
	for n := r.count(len(r.b)); n > 0; n-- {
		r.uvarint()
		r.take(4)
	}
	e := encoding{parts: [][]byte{nil, data}, header: r.b}
	e.finish()
	return e.parts[0]
}

// FuzzColumn takes any bytes for what a column of a block has: no panic, and no values that are not there.
func FuzzColumn(f *testing.F) {
	e := encoding{parts: make([][]byte, 1)}
	long := make([]token, 300)
	for i := range long {
		long[i] = token{fmt.Sprintf("word %d of\\n%d", i, i*i), class(i % 2)}
	}
	for _, tokens := range [][]token{{{"a", plain}}, slices.Repeat([]token{{"a", plain}, {"7", bare}}, 20), {{"17", bare}, {"-5", bare}, {"99", bare}},
		{{"id-007", plain}, {"id-018", plain}}, {{"2026-11-21T17:09:03.001Z", plain}, {"2026-11-21T17:09:04.000Z", plain}}, long} {
		e.header, e.parts, e.open = nil, e.parts[:1], 0
		e.column(tokens, false)
		r := reader{b: e.header}
		n, how, head := r.uvarint(), r.byte(), uint16(0)
		data := e.parts[len(e.parts)-1]
		if how == encText {
			c := core{parts: []part{{}, {size: len(data)}}}
			from := c.extent(&r).size // behind the filter
			data, head = data[from:], uint16(c.extent(&r).size)
		}
		f.Add(how, uint16(n), head, data)
	}
	f.Fuzz(func(t *testing.T, how byte, n, head uint16, data []byte) {
		if how > encText || n == 0 || n > 2000 || len(data) == 0 || int(head) >= len(data) {
			return
		}
		c := &core{rows: int(n), open: make(map[int]*Column), small: make(map[int][]byte)}
		c.parts = []part{{}, {len(data), crc32.Checksum(data, castagnoli)}}
		c.load = func(int) ([]byte, error) { return data, nil }
		at, pieces := extent{1, 0, len(data)}, []extent{{1, int(head), len(data) - int(head)}}
		if how == encText {
			at.size = int(head)
		}
		one := info{path: ID, n: int(n), how: how, single: true, data: at, filter: at, pieces: pieces}
		two := one
		two.path, two.single = "a", n%2 == 0
		c.columns = []info{one, two}
		c.byShape = newByShape([]*shape{{text: "{\"a\":\x01}", gaps: []string{`{"a":`, `}`}, slots: []int{1}}}, nil, int(n))
		c.timesList, c.seqsList, c.versionsList = make([]int64, n), make([]int64, n), make([]int64, n)
		s := &Segment{core: c}
		column := s.Column("a")
		column.MayHaveToken([]byte("word"))
		column.Exists()
		column.Distinct()
		column.Ints()
		column.Times()
		column.Floats()
		column.MinMax()
		column.Values(0, nil)
		column.Values(int(n)-1, nil)
		column.Select(nil, nil, func(v Value) bool { return len(v.Text) > 3 })
		s.Docs()
	})
}
