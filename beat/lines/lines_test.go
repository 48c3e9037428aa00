package lines

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/podbeat/podbeat/option"
)

// start is the wall clock of all tests.
var start = time.Date(2026, 5, 17, 12, 0, 0, 0, time.UTC)

// opts unpacks options as an input does it, embedded in its own.
func opts(t testing.TB, text string) *Options {
	t.Helper()
	o, err := unpack(text)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func unpack(text string) (*Options, error) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(text), &values); err != nil {
		return nil, err
	}
	var o struct {
		Options `config:",inline"`
	}
	err := option.Unpack(option.From(values), &o, "test input")
	return &o.Options, err
}

// show writes a message on one line: place, flags, stream, text.
func show(m *Message) string {
	s := fmt.Sprintf("%d-%d", m.Start, m.End)
	if m.Resume != m.End {
		s += fmt.Sprintf("<%d", m.Resume)
	}
	if f := m.Flags.list(); f != nil {
		s += fmt.Sprint(f)
	}
	if m.Stream != "" {
		s += " " + m.Stream
	}
	return s + " " + string(m.Text)
}

// read reads data in one piece that is the file's last.
func read(r *Reader, data string) []string {
	var got []string
	r.Read([]byte(data), 0, true, start, func(m *Message) { got = append(got, show(m)) })
	return got
}

func TestRead(t *testing.T) {
	f := func(config string, format Format, data string, want ...string) {
		t.Helper()
		got := read(opts(t, config).NewReader(format), data)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %q:\n%s", config, data, d)
		}
	}
	f("", Plain, "one\ntwo\n", "0-4 one", "4-8 two")
	f("", Plain, "one\ntwo", "0-4 one", "4-7 two")
	f("", Plain, "")
	f("", Plain, "one\r\n\r\ntwo\r\n\n  \nx\ry\n", "0-5 one", "7-12 two", "13-16   ", "16-20 x\ry")
	f("", Plain, "\xef\xbb\xbfone\n\xef\xbb\xbftwo\n", "3-7 one", "7-14 \ufefftwo")
	f("", Plain, "\x00\x00\x00one\n\x00\x00two\nth\x00ree\n\x00", "3-7 one", "9-13 two", "13-20 th\x00ree")
	f("", Plain, "a\xff\xfeb\n", "0-5[binary] a\ufffdb")
	f("max_line_bytes: 16", Plain, "0123456789abcdef\n0123456789abcdefg\n0123456789abcdé\n0123456789abcdeé\r\nx\n",
		"0-17 0123456789abcdef", "17-35[truncated] 0123456789abcdef", "35-52 0123456789abcdé", "52-71[truncated] 0123456789abcde", "71-73 x")
	f("max_line_bytes: 16", Plain, strings.Repeat("x", 100)+"\ny\n"+strings.Repeat("z", 100),
		"0-101[truncated] xxxxxxxxxxxxxxxx", "101-103 y", "103-203[truncated] zzzzzzzzzzzzzzzz")
	f("max_line_bytes: 16", Plain, strings.Repeat("\xff", 12)+strings.Repeat("\xffa", 40)+"\n", "0-93[truncated binary] \ufffda\ufffda")
	f("encoding: latin1", Plain, "caf\xe9\n", "0-5 café")
	f("encoding: gbk", Plain, "\xc4\xe3\xba\xc3\r\n", "0-6 你好")
	f("encoding: utf-16-bom", Plain, "\xff\xfea\x00\x0a\x01\n\x00b\x00", "2-8 aĊ", "8-10 b")
	f("encoding: utf-16-bom", Plain, "\xfe\xff\x00a\x0a\x01\x00\r\x00\n\x00b", "2-10 a\u0a01", "10-12 b")
	f("encoding: utf-16-bom", Plain, "\x00a\x00\n\x00b\x00\n", "0-4 a", "4-8 b")
	f("encoding: utf-16-bom", Plain, "a\x00\n\x00b\x00\n\x00", "0-4 a", "4-8 b")
	f("encoding: utf-16be-bom", Plain, "\x00a\x00\n", "0-4 a")
	f("encoding: utf-16le-bom", Plain, "a\x00\n\x00", "0-4 a")
	f("encoding: utf-16le-bom", Plain, "\xfe\xff\x00a\x00\n", "2-6 a")
	f("include_lines: ['^a', b]\nexclude_lines: [c$]", Plain, "a1\nxb\nxx\nac\n", "0-3 a1", "3-6 xb")
}

func TestReadContainer(t *testing.T) {
	const at = "2026-05-17T10:00:00.000000001+02:00 "
	f := func(config, data string, want ...string) {
		t.Helper()
		r := opts(t, config).NewReader(Container)
		var got []string
		r.Read([]byte(data), 0, true, start, func(m *Message) {
			got = append(got, show(m))
			if wall := time.Date(2026, 5, 17, 8, 0, 0, 1, time.UTC); m.Flags&Unparsed == 0 && m.Time != wall {
				t.Errorf("%q: time is %v", m.Text, m.Time)
			}
		})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %q:\n%s", config, data, d)
		}
	}
	f("", at+"stdout F one\n"+at+"stderr F two \n", "0-49 stdout one", "49-99 stderr two ")
	f("", at+"stdout P one\n"+at+"stderr P two\n"+at+"stdout F three\n"+at+"stderr F four\n",
		"0-149<49 stdout onethree", "49-199 stderr twofour")
}
