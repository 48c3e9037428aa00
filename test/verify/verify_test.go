package verify

import (
	"hash/crc32"
	"strings"
	"testing"
)

const chain = "0123456789abcdef0123456789abcdef"

func TestID(t *testing.T) {
	if id, want := ID(chain, 42), chain+"-42"; id != want {
		t.Errorf("id %q, want %q", id, want)
	}
}

// want is the entry number of chain, with the text after ":", or with any text that has what is after ":~".
func want(s string) Want {
	d := doc(s)
	if token, ok := strings.CutPrefix(d.Text, "~"); ok {
		return Want{ID: d.ID, Token: token}
	}
	return Want{ID: d.ID, CRC32: crc32.ChecksumIEEE([]byte(d.Text))}
}

// doc is the entry number of chain, with a text after ":".
func doc(s string) Doc {
	n, text, _ := strings.Cut(s, ":")
	return Doc{ID: chain + "-" + n, Text: text}
}

func TestCheck(t *testing.T) {
	f := func(expected, arrived, report string) {
		t.Helper()
		c := New()
		for s := range strings.FieldsSeq(expected) {
			c.Expect(want(s))
		}
		for s := range strings.FieldsSeq(arrived) {
			c.Arrived(doc(s))
		}
		r := c.Report()
		got, _, _ := strings.Cut(r.String(), "\n")
		if got != report {
			t.Errorf("%q of %q:\n%s, want\n%s", arrived, expected, got, report)
		}
		exact := strings.Contains(report, " 0 lost, 0 doubled, 0 unexpected, 0 changed")
		if r.Exact() != exact {
			t.Errorf("%q of %q: exact %v, want %v", arrived, expected, r.Exact(), exact)
		}
	}
	f("", "", "0 expected, 0 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered")
	f("1:a 2:b", "1:a 2:b", "2 expected, 2 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered")
	f("1:a 2:b", "2:b 1:a", "2 expected, 2 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 1 reordered")
	f("9:a 10:b", "9:a 10:b", "2 expected, 2 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered")
	f("1:a 2:b 3:c", "2:b", "3 expected, 1 arrived, 2 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered")
	f("1:a 2:b", "1:a 2:b 1:a 1:a", "2 expected, 2 arrived, 0 lost, 2 doubled, 0 unexpected, 0 changed, 0 reordered")
	f("1:a", "1:a 5:x 5:x 6:y", "1 expected, 1 arrived, 0 lost, 1 doubled, 2 unexpected, 0 changed, 0 reordered")
	f("1:a", "1:b", "1 expected, 1 arrived, 0 lost, 0 doubled, 0 unexpected, 1 changed, 0 reordered")
	f("1:~sq", "1:asq\uFFFD", "1 expected, 1 arrived, 0 lost, 0 doubled, 0 unexpected, 0 changed, 0 reordered")
	f("1:~sq", "1:as", "1 expected, 1 arrived, 0 lost, 0 doubled, 0 unexpected, 1 changed, 0 reordered")
}

func TestMissing(t *testing.T) {
	c := New()
	for _, s := range []string{"10", "9", "1", "2"} {
		c.Expect(want(s))
	}
	c.Arrived(doc("2"))
	ids := strings.Join([]string{chain + "-1", chain + "-9", chain + "-10"}, " ")
	if got := strings.Join(c.Missing(), " "); got != ids {
		t.Errorf("missing %s, want %s", got, ids)
	}
	if r := c.Report(); len(r.Examples) != 3 || r.Examples[0] != "lost: "+chain+"-1" {
		t.Errorf("examples %q, want the three lost, by number", r.Examples)
	}
}

func TestRank(t *testing.T) {
	c := New()
	for i, s := range []string{"1", "3", "2"} { // 2 is to come last
		w := want(s)
		w.Rank = uint64(i) + 1
		c.Expect(w)
	}
	c.Arrived(doc("1"))
	c.Arrived(doc("2"))
	if r := c.Report(); r.Reordered != 0 {
		t.Error(r)
	}
	c.Arrived(doc("3"))
	if r := c.Report(); r.Reordered != 1 {
		t.Error(r)
	}
}

func TestEvent(t *testing.T) {
	f := func(in string, want Doc, bad bool) {
		t.Helper()
		got, err := Event([]byte(in))
		if got != want || (err != nil) != bad {
			t.Errorf("event %s: %v (%v), want %v", in, got, err, want)
		}
	}
	f(`{"@metadata":{"beat":"podbeat","_id":"x-1"},"message":"a\nb"}`, Doc{ID: "x-1", Text: "a\nb"}, false)
	f(`{"message":"a"}`, Doc{Text: "a"}, false)
	f(`{"message":7}`, Doc{}, true)
	f(`{"message"`, Doc{}, true)
}

func TestLines(t *testing.T) {
	f := func(in string, want int, bad bool) {
		t.Helper()
		n := 0
		if err := Lines(strings.NewReader(in), func(Doc) { n++ }); n != want || (err != nil) != bad {
			t.Errorf("lines %q: %d (%v), want %d", in, n, err, want)
		}
	}
	f("", 0, false)
	f("{}\n{}\n", 2, false)
	f("{}\n{}", 1, true) // torn: a line that never got its end
	f("{}\nx\n", 1, true)
}

func FuzzEvent(f *testing.F) {
	f.Add([]byte(`{"@metadata":{"_id":"x-1"},"message":"a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if d, err := Event(data); err != nil && d != (Doc{}) {
			t.Errorf("%v beside the error %v", d, err)
		}
	})
}
