package block

import (
	"encoding/json"
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
	parts, err := Encode(docs)
	if err != nil {
		f.Fatal(err)
	}
	for _, source := range [][]Doc{docs, docs[:1], docs[:20]} {
		parts, err = Encode(source)
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
		c.Select(nil, func(v Value) bool { return len(v.Text) > 3 })
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
