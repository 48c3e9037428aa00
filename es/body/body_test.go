package body

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		v, err := Parse([]byte(in))
		if err != nil {
			t.Fatalf("Parse(%s): %v", in, err)
		}
		if got := v.String(); got != want {
			t.Fatalf("Parse(%s) is %s, want %s", in, got, want)
		}
	}
	f(` {"b" : 1, "a":[ ] } `, `{"b":1,"a":[]}`)
	f(`{"n":[-0,1.0,1e400,12345678901234567890,0.1e-7]}`, `{"n":[-0,1.0,1e400,12345678901234567890,0.1e-7]}`)
	f(`{"s":"a\u0041\n\/\ud83d\ude00<>&"}`, `{"s":"aA\n/😀<>&"}`)
	f(`[true,false,null,"",{}]`, `[true,false,null,"",{}]`)
	f(`"x"`, `"x"`)
	f(`{"a":{"a":1},"b":{"a":1}}`, `{"a":{"a":1},"b":{"a":1}}`)
	deep := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	f(deep, deep)
}

func TestParseRefuses(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		v, err := Parse([]byte(in))
		if err == nil {
			t.Fatalf("Parse(%s) is %s, want an error", in, v)
		}
		if !strings.Contains(err.Error(), want) {
			t.Fatalf("Parse(%s): %v, want %s", in, err, want)
		}
	}
	f(``, "at byte 0: unexpected end")
	f(`{"a":1,"a":2}`, "at byte 7: Duplicate field 'a'")
	f(`{"a":1,"\u0061":2}`, "Duplicate field 'a'")
	f(`{"a":1} {"b":1}`, "text after the value")
	f(`{"a":1}x`, "text after the value")
	f(`{/*c*/"a":1}`, "invalid character")
	f(`{"a":NaN}`, "invalid character")
	f(`{'a':1}`, "invalid character")
	f(`{"a":1,}`, "invalid character")
	f(`{"a":01}`, "invalid character")
	f(`{"a":+1}`, "invalid character")
	f(`{"a":"x`, "unexpected")
	f("{\"a\":\"\xff\"}", "invalid UTF-8")
	f(`{"a":"\ud800"}`, "surrogate")
	f("{\"a\":\"\x01\"}", "invalid character")
	f("\ufeff{}", "invalid character")
	f(strings.Repeat("[", MaxDepth+1)+strings.Repeat("]", MaxDepth+1), "more than 1000")
	f(strings.Repeat("[", 200000), "more than 1000")
	f(`]`, "invalid character")
}

func TestGet(t *testing.T) {
	v, err := Parse([]byte(`{"a":1,"b":{"c":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := v.Get("b")
	c, ok := b.Get("c")
	if !ok || c.Text != "x" || c.Offset != 16 {
		t.Fatalf("b.c is %+v", c)
	}
	if _, ok := v.Get("x"); ok {
		t.Fatal("x is there")
	}
}

func TestReaderSkip(t *testing.T) {
	var r Reader
	for range 2 { // a reader is used again
		r.Reset([]byte(`{"a":{"x":[1,2]},"b":3}`))
		for _, want := range []string{"{", `"a"`, "skip", `"b"`, "3", "}"} {
			if want == "skip" {
				if err := r.Skip(); err != nil {
					t.Fatal(err)
				}
				continue
			}
			got, err := r.Next()
			if err != nil || (len(got.Raw) > 0 && string(got.Raw) != want) || (len(got.Raw) == 0 && string(rune(got.Kind)) != want) {
				t.Fatalf("token is %s %q, %v; want %s", got.Kind, got.Raw, err, want)
			}
		}
		if err := r.End(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAppendString(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got := string(AppendString([]byte("x"), in)); got != want {
			t.Fatalf("AppendString(%q) is %s, want %s", in, got, want)
		}
	}
	f("", `x""`)
	f("a\"\\\n\u2028é", "x\"a\\\"\\\\\\n\u2028é\"")
	f("a\xffb", `x"a`+"\ufffd"+`b"`)
}

// What is accepted reads the same after it was written, and the standard library reads it the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.50,"x\u00e9\ud83d\ude00",null,true,{}]}`, `{"a":1,"a":2}`, `[[[`, `"\ud800"`, ` -0.0e+10 `, `{"":{"":""}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := Parse(data)
		if err != nil {
			return
		}
		first := v.Append(nil)
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("%q was written as %q: %v", data, first, err)
		}
		if second := again.Append(nil); !bytes.Equal(first, second) {
			t.Fatalf("%q is %q, then %q", data, first, second)
		}
		if !json.Valid(data) {
			t.Fatalf("%q is not JSON", data)
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err == nil && !bytes.ContainsRune(data, '\\') && !bytes.Equal(compact.Bytes(), first) {
			t.Fatalf("%q is %q, compact %q", data, first, compact.Bytes())
		}
	})
}
