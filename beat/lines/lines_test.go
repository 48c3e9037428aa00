package lines

import (
	"fmt"
	"runtime"
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

// TestReadContainer takes @ for the runtime's time, which every line has.
func TestReadContainer(t *testing.T) {
	f := func(config, data string, want ...string) {
		t.Helper()
		r := opts(t, config).NewReader(Container)
		var got []string
		data = strings.ReplaceAll(data, "@", "2026-05-17T10:00:00.5+02:00")
		r.Read([]byte(data), 0, true, start, func(m *Message) {
			_, place, _ := strings.Cut(show(m), "-")
			_, rest, _ := strings.Cut(place, " ")
			got = append(got, strings.Join(m.Flags.list(), " ")+"|"+rest)
			if wall := time.Date(2026, 5, 17, 8, 0, 0, 5e8, time.UTC); m.Flags&Unparsed == 0 && m.Time != wall {
				t.Errorf("%q: time is %v", m.Text, m.Time)
			}
		})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %q:\n%s", config, data, d)
		}
	}
	f("", "@ stdout F one\n@ stderr F  two \n", "|stdout one", "|stderr  two ")
	f("", "@ stdout P one\n@ stderr P two\n@ stdout F three\n@ stderr F four\n", "|stdout onethree", "|stderr twofour")
	f("", "@ stdout P é\xc3\n@ stdout P:x \xa9\n@ stdout F:y:z \n", "|stdout éé")
	f("", "@ stdout P one\n@ stdout P two", "partial|stdout onetwo")
	f("", "@ stdout F \n@ stdout F\n@ stdout F  \n", "|stdout  ")
	f("", "@ stdout F one\r\n", "|stdout one")
	f("max_line_bytes: 16", "@ stdout P 0123456789\n@ stdout P 0123456789\n@ stdout P 0123456789\n@ stdout F x\n@ stdout F y\n",
		"truncated|stdout 0123456789012345", "|stdout y")
	f("max_line_bytes: 16", "@ stdout P 012345678901234\n@ stdout F éx\n", "truncated|stdout 012345678901234")
	for _, no := range []string{"what?", "@", "@ ", "@ stdout", "@ stdout ", "@ stdin F x", "@ stdout X x", "@ stdout PF x", "@ stdout  x", "2026-05-17 stdout F x",
		"2026-02-30T10:00:00Z stdout F x", "2026-05-17T10:00:00 stdout F x", "0000-01-01T00:00:00Z stdout F x", "9999-12-31T23:59:59-01:00 stdout F x", "\x01", "{", "{}", `{"log":"x"}`, `{"log":"x","stream":"stdin","time":"@"}`,
		`{"log":"x\n","stream":"stdout","time":"now"}`, `{"log":"x\n","stream":"stdout","time":"@"}}`, `{"log":1,"stream":"stdout","time":"@"}`, `{"message":"x"}`} {
		full := strings.ReplaceAll(no, "@", "2026-05-17T10:00:00.5+02:00")
		f("", no+"\n@ stdout F x\n", "unparsed|"+full, "|stdout x")
	}

	f("", `{"log":"one\n","stream":"stdout","time":"@"}`+"\n"+` { "time" : "@" , "x":[1,{}], "stream":"stderr","log":"two\r\n"} `+"\n", "|stdout one", `unparsed| { "time" : "2026-05-17T10:00:00.5+02:00" , "x":[1,{}], "stream":"stderr","log":"two\r\n"} `)
	f("", `{ "time" : "@" , "x":[1,{}], "stream":"stderr","log":"two\r\n"} `, "|stderr two")
	f("", `{"log":"\u003ca\u003e\t\"\\ud83d\ude00\ud83d\ude00\u0000\n","stream":"stdout","time":"@"}`, "|stdout <a>\t\"\\ud83d\ufffd😀\x00")
	f("", `{"log":"one ","stream":"stdout","time":"@"}`+"\n"+`{"log":"two\n","stream":"stderr","time":"@"}`+"\n"+`{"log":"","stream":"stdout","time":"@"}`+"\n"+
		`{"log":"more\n","stream":"stdout","time":"@"}`+"\n", "|stderr two", "|stdout one more")
	f("", `{"log":"one","stream":"stdout","time":"@"}`+"\n@ stdout F  two", "|stdout one two")

	f("multiline: {type: indent}", "@ stdout F one\n@ stderr F two\n@ stdout P  in\n@ stdout F dented\n@ stderr F three\n@ stdout F four\n",
		"|stderr two", "multiline|stdout one\n indented", "|stderr three", "|stdout four")
	f("parsers: [container: {stream: stderr}]", "@ stdout P x\n@ stderr F y\n@ stdout F z\n?\n", "|stderr y", "unparsed|?")
}

// TestParserContainer: a plain file is read as a container's if the list of parsers says so.
func TestParserContainer(t *testing.T) {
	got := read(opts(t, "parsers: [container: ~, ndjson: ~]").NewReader(Plain), "2026-05-17T10:00:00.5Z stdout F one\n")
	if d := cmp.Diff([]string{"0-36 stdout one"}, got); d != "" {
		t.Error(d)
	}
}

func TestMultiline(t *testing.T) {
	f := func(config, data string, want ...string) {
		t.Helper()
		var got []string
		r := opts(t, "multiline: {"+config+"}\nmax_line_bytes: 20").NewReader(Plain)
		r.Read([]byte(strings.ReplaceAll(data, "|", "\n")), 0, true, start, func(m *Message) {
			s := strings.ReplaceAll(string(m.Text), "\n", "|")
			if m.Flags&Cut != 0 {
				s += "…"
			}
			if (m.Lines > 1) != (m.Flags&Several != 0) {
				t.Errorf("%q: %d lines, %v", s, m.Lines, m.Flags.list())
			}
			got = append(got, s)
		})
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %q:\n%s", config, data, d)
		}
	}
	f("pattern: '^ ', match: after", " x|a| b| c|d", " x", "a| b| c", "d")
	f("pattern: '^[a-z]', negate: true, match: after", "1|a|2||3|b", "1", "a|2||3", "b")
	f(`pattern: '\\$', match: before`, `a\|b\|c|d`, `a\|b\|c`, "d")
	f("pattern: ';$', negate: true, match: before", "a|b;|c;|d", "a|b;", "c;", "d")
	f("pattern: '^b', negate: true, match: after, flush_pattern: '^e'", "b|x|e|y|b|e|e|b", "b|x|e", "y", "b|e", "e", "b")
	f("type: indent", "a|\tb|| c|d", "a|\tb", " c", "d")
	f("type: count, count_lines: 2", "a|b||c|d", "a|b", "c", "d") // as filestream: no newline stands first
	f("type: while_pattern, pattern: '^a'", "a|a1|b|a2|c|d", "a|a1", "b", "a2", "c", "d")
	f("type: while_pattern, pattern: '^a', negate: true", "a|b|c|a|d", "a", "b|c", "a", "d")
	f("type: indent, max_lines: 2", "a| b| c|d", "a| b…", "d")
	f("type: indent, skip_newline: true", "a| b| c", "a b c")
	f("type: indent", "0123456789| 123456789| x|y", "0123456789| 12345678…", "y")
	f("type: indent", "0123456789| 1234567é| x|y", "0123456789| 1234567…", "y")
	f("type: count, count_lines: 600, max_lines: 3", strings.Repeat("a|", 600), "a|a|a…")
}

// TestExpire: what waits too long is sent, and what comes behind it is on its own.
func TestExpire(t *testing.T) {
	f := func(config string, format Format, first string, wait time.Duration, second string, want ...string) {
		t.Helper()
		r, got := opts(t, config).NewReader(format), []string{}
		emit := func(m *Message) { got = append(got, show(m)) }
		data := []byte(first)
		n, _ := r.Read(data, 0, false, start, emit)
		sent := len(got)
		n += r.Expire(data[n:], int64(n), start.Add(wait-1), emit)
		if len(got) != sent {
			t.Errorf("%s: %q: too early: %q", config, first, got[sent:])
		}
		if waiting := n < len(data) || r.Waiting(); !waiting {
			t.Errorf("%s: %q: nothing waits", config, first)
		}
		n += r.Expire(data[n:], int64(n), start.Add(wait), emit)
		got = append(got, "-")
		r.Read(append(data[n:], second...), int64(n), true, start.Add(wait), emit)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %q:\n%s", config, first, d)
		}
	}
	f("partial_timeout: 2s", Plain, "one\ntwo", 2*time.Second, " more\nx\n", "0-4 one", "4-7[partial] two", "-", "7-13  more", "13-15 x")
	f("partial_timeout: 2s", Plain, "on\xc3", 2*time.Second, "\xa9\n", "0-2[partial] on", "-", "2-5 é")
	f("{partial_timeout: 2s, encoding: utf-16le-bom}", Plain, "o\x00n", 2*time.Second, "\x00\n\x00", "0-2[partial] o", "-", "2-6 n")
	f("multiline: {type: indent}", Plain, "one\n two\n", 5*time.Second, " more\n", "0-9[multiline] one\n two", "-", "9-15  more")
	f("multiline: {type: count, count_lines: 3, timeout: 1s}", Plain, "one\n two\n", time.Second, "a\nb\n", "0-9[multiline] one\n two", "-", "9-13[multiline] a\nb")
	const p, e = "2026-05-17T10:00:00Z stdout P one\n", "2026-05-17T10:00:00Z stderr F two\n"
	f("", Container, p+e, 5*time.Second, "2026-05-17T10:00:00Z stdout F more\n", "0-34[partial] stdout one", "34-68 stderr two", "-", "68-103 stdout more")
}

// TestExpireNever: without time-outs what waits does so until the end.
func TestExpireNever(t *testing.T) {
	r, got := opts(t, "multiline: {type: indent, timeout: 0}").NewReader(Plain), []string{}
	emit := func(m *Message) { got = append(got, show(m)) }
	data := []byte("one\ntail")
	n, _ := r.Read(data, 0, false, start, emit)
	if n += r.Expire(data[n:], int64(n), start.Add(1000*time.Hour), emit); n != 4 || len(got) != 0 || !r.Waiting() {
		t.Errorf("%d bytes consumed, %q", n, got)
	}
	r.Read(data[n:], int64(n), true, start, emit)
	if d := cmp.Diff([]string{"0-4 one", "4-8 tail"}, got); d != "" || r.Waiting() {
		t.Error(d)
	}
}

// TestBounded: endless lines, parts and holes take no more memory than their limits, and are counted.
func TestBounded(t *testing.T) {
	f := func(config string, format Format, piece string, limit int, want Counters) {
		t.Helper()
		r, at, count := opts(t, config).NewReader(format), int64(0), 0
		data := []byte(strings.Repeat(piece, 1+r.MaxRead()/len(piece)))
		run := func(times int) {
			for range times {
				n, more := r.Read(data, at, false, start, func(*Message) { count++ })
				if more {
					t.Fatalf("%.20q: no progress", piece)
				}
				at += int64(n)
			}
		}
		run(10)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		run(1000)
		runtime.ReadMemStats(&after)
		if grown := int(after.TotalAlloc - before.TotalAlloc); grown > limit {
			t.Errorf("%.20q: %d bytes allocated, want at most %d", piece, grown, limit)
		}
		got := r.Counters
		for _, c := range []*uint64{&got.Skipped, &got.NULs, &got.Unparsed} {
			*c = min(*c, 1)
		}
		if got != want {
			t.Errorf("%.20q: %+v, want %+v", piece, got, want)
		}
	}
	f("max_line_bytes: 64KiB", Plain, "x", 64<<10, Counters{Skipped: 1})
	f("max_line_bytes: 64KiB", Plain, "\x00", 64<<10, Counters{NULs: 1})
	f("{max_line_bytes: 64KiB, encoding: utf-16-bom}", Plain, "x\x00", 64<<10, Counters{Skipped: 1})
	f("max_line_bytes: 64KiB", Container, "2026-05-17T10:00:00Z stdout P one\n", 1<<20, Counters{Skipped: 1})
	f("{max_line_bytes: 64KiB, multiline: {type: indent}}", Plain, " x\n", 64<<10, Counters{Skipped: 1})
}

// TestCrowd: what waits for a line's last part is sent once the file has been read 1 MiB further.
func TestCrowd(t *testing.T) {
	r, got := opts(t, "").NewReader(Container), []string(nil)
	data := []byte("2026-05-17T10:00:00Z stdout P one\n" + strings.Repeat("2026-05-17T10:00:00Z stderr F two\n", 40_000))
	r.Read(data, 0, false, start, func(m *Message) { got = append(got, show(m)) })
	if len(got) != 40_001 || got[0] != "0-34[partial] stdout one" || got[1] != "34-68 stderr two" || r.Waiting() {
		t.Errorf("%d messages, waiting: %v: %q", len(got), r.Waiting(), got[:min(2, len(got))])
	}
}

func TestOptions(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		if _, err := unpack(config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", config, err, want)
		}
	}
	f("encoding: klingon", `cannot use encoding "klingon"`)
	f("encoding: iso-2022-kr", `cannot use encoding "iso-2022-kr": it has no newline`)
	f("max_line_bytes: 3", "max_line_bytes")
	f("partial_timeout: -1s", "below 0")
	f("multiline: {match: after}", "multiline needs a pattern")
	f("multiline: {pattern: x}", `multiline.match ""`)
	f("multiline: {type: x}", `multiline.type "x"`)
	f("multiline: {type: count}", "count_lines")
	f("multiline: {type: indent, max_lines: 0}", "max_lines")
	f("multiline: {type: indent, patern: x}", `unknown option "patern", did you mean "pattern"?`)
	f("multiline: {pattern: '(', match: after}", "missing closing )")
	f("multiline: 5", `"multiline" is a section`)
	f("ndjson: no", `"ndjson" is a section`)
	f("ndjson: {taget: x}", `unknown option "taget"`)
	f("ndjson: {target: log}", `ndjson.target "log"`)
	f("ndjson: {target: kubernetes.x}", `ndjson.target "kubernetes.x"`)
	f("ndjson: {target: x, keys_under_root: true}", "keys_under_root")
	f("ndjson: {max_depth: 0}", "max_depth")
	f("parsers: [{ndjson: ~}, {multiline: {type: indent}}]", "put multiline before ndjson")
	f("parsers: [{ndjson: ~}, {container: ~}]", "put container first")
	f("parsers: [{ndjson: ~}, {ndjson: ~}]", "ndjson is given twice")
	f("{multiline: {type: indent}, parsers: [{multiline: {type: indent}}]}", "multiline is given twice")
	f("parsers: [{syslog: ~}]", `unknown parser "syslog"`)
	f("parsers: [{container: {stream: x}}]", `container.stream "x"`)
	f("level: {from: level}", "messages are not read as JSON")
	f("timestamp: {from: message, timezone: Mars/Olympus}", `timezone "Mars/Olympus"`)
	f("level: {from: message, pattern: '('}", "regular expression")
}

// TestEmpty: lines without text are left out, and counted.
func TestEmpty(t *testing.T) {
	f := func(config string, format Format, data string, want uint64, messages int) {
		t.Helper()
		r := opts(t, config).NewReader(format)
		got := 0
		r.Read([]byte(data), 0, true, start, func(*Message) { got++ })
		if r.Counters.Empty != want || got != messages {
			t.Errorf("%s: %q: %d messages and %d empty ones, want %d and %d", config, data, got, r.Counters.Empty, messages, want)
		}
	}
	f("", Plain, "a\n\n\r\nb\n", 2, 2)
	f("", Plain, "", 0, 0)
	f("", Plain, "\x00\x00\n", 1, 0)
	f("", Container, "2026-05-17T10:00:00Z stdout F \n2026-05-17T10:00:00Z stdout F a\n", 1, 1)
	f("", Container, `{"log":"\n","stream":"stdout","time":"2026-05-17T10:00:00Z"}`+"\n", 1, 0)
	f("multiline: {type: indent}", Plain, "a\n\n b\n", 0, 2) // it begins the second one
	f("exclude_lines: ['^a']", Plain, "a\n\n", 1, 0)
}
