package option

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type inner struct {
	// How long.
	Wait time.Duration `config:"wait" default:"5s"`
}

type sample struct {
	// Where to read.
	Paths []string `config:"paths" alias:"journal_paths,files" default:"[a, b]"`
	// How much.
	Max Bytes `config:"max_bytes" default:"1MiB"`
	// Whether.
	On bool `config:"on" default:"true"`
	// Deeper.
	Inner inner  `config:"inner"`
	Free  string // no option
}

func (s sample) Validate() error {
	if s.Max == 13 {
		return errors.New("13 is unlucky")
	}
	return nil
}

func TestUnpack(t *testing.T) {
	f := func(in map[string]any, want sample) {
		t.Helper()
		var got sample
		if err := Unpack(From(in), &got, "sample"); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	def := sample{Paths: []string{"a", "b"}, Max: 1 << 20, On: true, Inner: inner{5 * time.Second}}
	with := func(change func(*sample)) sample { s := def; change(&s); return s }
	f(nil, def)
	f(map[string]any{"paths": nil, "inner": nil}, def)
	f(map[string]any{"paths": []any{"x"}}, with(func(s *sample) { s.Paths = []string{"x"} }))
	f(map[string]any{"files": "x"}, with(func(s *sample) { s.Paths = []string{"x"} }))
	f(map[string]any{"on": false}, with(func(s *sample) { s.On = false }))
	f(map[string]any{"max_bytes": 7}, with(func(s *sample) { s.Max = 7 }))
	f(map[string]any{"inner.wait": "1s"}, with(func(s *sample) { s.Inner.Wait = time.Second }))
	f(map[string]any{"inner": map[string]any{"wait": "1m"}}, with(func(s *sample) { s.Inner.Wait = time.Minute }))
}

func TestUnpackRefuses(t *testing.T) {
	f := func(in map[string]any, want string) {
		t.Helper()
		var got sample
		err := Unpack(From(in), &got, "sample input", "type", "id")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(map[string]any{"pahts": "x"}, `sample input: unknown option "pahts", did you mean "paths"? known options: id, inner, max_bytes, on, paths, type`)
	f(map[string]any{"zebra": "x"}, `sample input: unknown option "zebra"; known options: id, inner`)
	f(map[string]any{"inner": map[string]any{"wiat": "1s"}}, `unknown option "inner.wiat", did you mean "inner.wait"?`)
	f(map[string]any{"inner": "1s"}, `option "inner" is a section`)
	f(map[string]any{"paths": "x", "files": "y"}, `options "files" and "paths" are the same one`)
	f(map[string]any{"max_bytes": "many"}, `cannot read size from "many"`)
	f(map[string]any{"max_bytes": 13}, "13 is unlucky")
	f(map[string]any{"inner.wait": "soon"}, "soon")
}

func TestBytes(t *testing.T) {
	f := func(in any, want Bytes, text string) {
		t.Helper()
		var b Bytes
		if err := b.Unpack(in); err != nil || b != want || b.String() != text {
			t.Errorf("%v: got %d %q %v, want %d %q", in, b, b, err, want, text)
		}
	}
	f("1MiB", 1<<20, "1MiB")
	f("500kB", 500000, "500000")
	f("64k", 1<<16, "64KiB")
	f("1.5 GiB", 3<<29, "1536MiB")
	f("12", 12, "12")
	f(int64(12), 12, "12")
	f(uint64(1024), 1024, "1KiB")
	for _, bad := range []any{"", "-1", "1XB", "NaN", "1e30", true, -1.0} {
		var b Bytes
		if err := b.Unpack(bad); err == nil {
			t.Errorf("%v: got %d, want an error", bad, b)
		}
	}
}
