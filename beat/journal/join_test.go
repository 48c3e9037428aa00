package journal

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/elastic/beats/v7/libbeat/common/transform/typeconv"

	"github.com/podbeat/podbeat/bench/journalgen"
	"github.com/podbeat/podbeat/option"
)

var (
	chainA = strings.Repeat("a", 32)
	chainB = strings.Repeat("b", 32)
)

var joinDefaults = joinOptions{Enabled: true, MaxBytes: 1 << 20, MaxAge: 5 * time.Second, MaxOpen: 1000}

func testMetrics(t testing.TB) *metrics {
	m := newMetrics(t.Name())
	t.Cleanup(func() { m.close(t.Name()) })
	return m
}

var repeated = regexp.MustCompile(`(\w)\*(\d+)`)

// expand writes a*3 as aaa.
func expand(text string) string {
	return repeated.ReplaceAllStringFunc(text, func(s string) string {
		n, _ := strconv.Atoi(s[2:])
		return strings.Repeat(s[:1], n)
	})
}

// Short names for what makes an entry a part.
var shorthand = strings.NewReplacer(
	" P ", " CONTAINER_PARTIAL_MESSAGE=true ",
	" c1 ", " CONTAINER_ID_FULL=c1 CONTAINER_TAG=c1 _COMM=dockerd PRIORITY=6 ",
	" c1e ", " CONTAINER_ID_FULL=c1 CONTAINER_TAG=c1 _COMM=dockerd PRIORITY=3 ",
	" c2 ", " CONTAINER_ID_FULL=c2 CONTAINER_TAG=c2 _COMM=dockerd PRIORITY=6 ",
	" p1 ", " CONTAINER_ID_FULL=p1 _COMM=conmon PRIORITY=6 ",
	" s1 ", " _STREAM_ID=s1 ", " s2 ", " _STREAM_ID=s2 ",
	" max ", " _LINE_BREAK=line-max ",
	" id1 ", " CONTAINER_PARTIAL_ID=id1 ", " id2 ", " CONTAINER_PARTIAL_ID=id2 ",
)

// journalOf makes entries of lines such as "c1 P text", numbered from 1, a millisecond apart; "+6s"
// in front lets time pass and "B" writes the entry into another chain.
func journalOf(lines ...string) []Entry {
	var out []Entry
	now := uint64(1_494_323_963_862_751)
	for i, line := range lines {
		now += 1000
		e := Entry{SeqnumID: chainA, Seqnum: uint64(i + 1), Cursor: strconv.Itoa(i + 1)}
		for _, w := range strings.Fields(shorthand.Replace(shorthand.Replace(" " + line + " "))) {
			name, value, isField := strings.Cut(w, "=")
			switch d, err := time.ParseDuration(w); {
			case err == nil && w != "0":
				now += uint64(d.Microseconds())
			case w == "B":
				e.SeqnumID = chainB
			case strings.HasPrefix(w, "#"): // 2/3: the second of three
				ordinal, of, _ := strings.Cut(w[1:], "/")
				e.Fields = append(e.Fields, Field{Name: "CONTAINER_PARTIAL_ORDINAL", Value: ordinal},
					Field{Name: "CONTAINER_PARTIAL_LAST", Value: strconv.FormatBool(ordinal == of)})
			case isField:
				e.Fields = append(e.Fields, Field{Name: name, Value: value})
			default:
				e.Fields = append(e.Fields, Field{Name: "MESSAGE", Value: expand(w)})
			}
		}
		e.Realtime = now
		out = append(out, e)
	}
	return out
}

// show writes a message as "1x2! text": begun by entry 1, two parts, not whole.
func show(m message) string {
	partial := ""
	if m.Partial {
		partial = "!"
	}
	return fmt.Sprintf("%dx%d%s %s", m.Entry.Seqnum, m.Parts, partial, m.Text)
}

// expireAll has what still waits expire.
func expireAll(j *joiner) []message { return j.expire(j.now().Add(1 << 62)) }

func joinAll(t *testing.T, o joinOptions, entries []Entry) (got []string) {
	t.Helper()
	j := newJoiner(o, testMetrics(t), 1<<20, position{})
	for i := range entries {
		for _, m := range j.add(&entries[i], position{Cursor: entries[i].Cursor}) {
			got = append(got, show(m))
		}
	}
	for _, m := range expireAll(j) {
		got = append(got, show(m))
	}
	return got
}

func TestJoin(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		got := joinAll(t, joinDefaults, journalOf(strings.Split(in, ", ")...))
		var wanted []string
		for w := range strings.SplitSeq(want, ", ") {
			wanted = append(wanted, expand(w))
		}
		if !slices.Equal(got, wanted) {
			t.Errorf("%s:\n got %.300q\nwant %.300q", in, got, wanted)
		}
	}
	// What is not split stays as it is.
	f("hello", "1x1 hello")
	f("c1 hello, c1 world, p1 hello, s1 hello", "1x1 hello, 2x1 world, 3x1 hello, 4x1 hello")
	f("P hello, world", "1x1 hello, 2x1 world") // of no container
	f("s1 _LINE_BREAK=eof hello, s1 world", "1x1 hello, 2x1 world")
	f("c1 CONTAINER_PARTIAL_MESSAGE=false hello, c1 world", "1x1 hello, 2x1 world")

	// docker 1.12 – 18.03 and 18.09 – 19.03: the last part is not flagged.
	f("c1 P a*16384, c1 P b*16384, c1 end, c1 next", "1x3 a*16384b*16384end, 4x1 next")
	f("c1 P a*16384, c1 , c1 next", "1x2 a*16384, 3x1 next")
	f("c1 P a*16384, c1e P b*16384, c2 P c*16384, c1e two, c1 one, c2 three",
		"2x2 b*16384two, 1x2 a*16384one, 3x2 c*16384three")
	f("c1 P a*16384, c1 P eof, c1 next", "1x2 a*16384eof, 3x1 next") // the container closed its output

	// docker 18.06: the last part is flagged as well.
	f("c1 P a*16384, c1 P b*16384, c1 P end, c1 next", "1x3 a*16384b*16384end, 4x1 next")
	f("c1 P a*16384, c1 P end, c1 P c*16384, c1 P end", "1x2 a*16384end, 3x2 c*16384end")

	// docker ≥ 20.10: parts are numbered, and have their message's id.
	f("c1 id1 #1/3 P a, c1 id1 #2/3 P b, c1 id1 #3/3 c, c1 next", "1x3 abc, 4x1 next")
	f("c1 id1 #1/2 P a, c1 id2 #1/2 P x, c1 id2 #2/2 y, c1 id1 #2/2 b", "2x2 xy, 1x2 ab")
	f("c1 id1 #1/1 a, c1 b", "1x1 a, 2x1 b")
	f("c1 id1 #1/3 P a, c1 id1 #3/3 c, c1 next", "1x2! ac, 3x1 next")                       // one missing
	f("c1 id1 #2/2 b, c1 next", "1x1! b, 2x1 next")                                         // the first missing
	f("c1 id1 #1/3 P a, c1 id1 #1/3 P a, c1 id1 #2/3 P b, c1 id1 #3/3 c", "1x4! aabc")      // one doubled
	f("c1 id1 #2/3 P b, c1 id1 #1/3 P a, c1 id1 #3/3 c", "1x3 abc")                         // out of order
	f("c1 id1 #1/9 P a, c1 id1 #x/x b", "1x2 ab")                                           // a number that is none
	f("c1 id1 P a, c1 id1 P b, c1 id1 c, c1 d", "1x3 abc, 4x1 d")                           // no numbers
	f("c1 id1 #1/2 P a, c1 id1 CONTAINER_PARTIAL_LAST=maybe P b, c1 id1 #9/9 c", "1x3 abc") // nor a bool

	// conmon: parts of any length, the last not flagged.
	f("p1 P a*8192, p1 P b, p1 end, p1 next", "1x3 a*8192bend, 4x1 next")
	f("CONTAINER_ID_FULL=x P a, CONTAINER_ID_FULL=x b", "1x2 ab")
	f("CONTAINER_ID=x P a, CONTAINER_ID=x b", "1x2 ab")
	f("CONTAINER_NAME=x P a, CONTAINER_NAME=y c, CONTAINER_NAME=x b", "2x1 c, 1x2 ab")

	// journald: a stream's last part has another reason for its end, or none.
	f("s1 max a, s2 max x, s1 max b, s1 c, s1 next, s2 _LINE_BREAK=eof y", "1x3 abc, 5x1 next, 2x2 xy")

	// Waiting ends with the age, by the journal's clock, in either direction.
	f("p1 P a, +4s p1 P b, +2s c2 x, p1 c", "1x2! ab, 3x1 x, 4x1 c")
	f("p1 P a, +6s p1 b", "1x1! a, 2x1 b")
	f("p1 P a, -6s p1 b", "1x1! a, 2x1 b")
	f("p1 P a, +4s p1 b", "1x2 ab")
	f("p1 P a, B +6s c2 x, p1 b", "2x1 x, 1x1! a, 3x1 b")
	f("p1 P a, B +66s c2 x, p1 b", "1x1! a, 2x1 x, 3x1 b")

	// What never ends comes out when there is nothing more.
	f("p1 P a, s1 max b, c1 x", "3x1 x, 1x1! a, 2x1! b")
}

func TestJoinLimits(t *testing.T) {
	f := func(o joinOptions, in, want string) {
		t.Helper()
		o.MaxAge = 5 * time.Second
		got := joinAll(t, o, journalOf(strings.Split(in, ", ")...))
		if want := strings.Split(want, ", "); !slices.Equal(got, want) {
			t.Errorf("%s:\n got %.200q\nwant %.200q", in, got, want)
		}
	}
	length := func(n option.Bytes) joinOptions { return joinOptions{Enabled: true, MaxBytes: n, MaxOpen: 10} }
	f(length(6), "p1 P abc, p1 P def, p1 ghi, p1 next", "1x2! abcdef, 3x1! ghi, 4x1 next")
	f(length(6), "p1 P abc, p1 P def, p1 P ghi, p1 k, p1 next", "1x2! abcdef, 3x2! ghik, 5x1 next")
	f(length(6), "p1 P abcdefgh, p1 i, p1 next", "1x1! abcdefgh, 2x1! i, 3x1 next")
	f(length(2), "c1 id1 #1/3 P a, c1 id1 #2/3 P b, c1 id1 #3/3 c", "1x2! ab, 3x1! c")

	open := func(n int) joinOptions { return joinOptions{Enabled: true, MaxBytes: 100, MaxOpen: n} }
	f(open(2), "p1 P a, s1 max b, s2 max c, p1 d, s1 e, s2 f", "1x1! a, 4x1 d, 2x2 be, 3x2 cf")

	f(joinOptions{MaxBytes: 100, MaxOpen: 2}, "p1 P a, p1 b, c1 id1 #2/2 c, s1 max d", "1x1! a, 2x1 b, 3x1! c, 4x1! d")
}

// All waiting messages together are bounded, by letting the oldest out: their text, and whatever else the first parts have.
func TestJoinBudget(t *testing.T) {
	o := joinDefaults
	o.MaxBytes = 40 << 20
	fields := journalOf("s1 max a", "p1 P b", "s2 max c")
	for i := range fields {
		fields[i].Fields = append(fields[i].Fields, Field{Name: "X", Value: strings.Repeat("x", 30_000_000)})
	}
	for _, entries := range [][]Entry{journalOf("s1 max x*30000000", "p1 P x*30000000", "s2 max x*30000000"), fields} {
		j := newJoiner(o, testMetrics(t), 40<<20, position{})
		for i := range entries {
			got := j.add(&entries[i], position{})
			if (i == 2) != (len(got) == 1 && got[0].Entry.Seqnum == 1 && got[0].Partial) || j.bytes > budget {
				t.Errorf("entry %d: %d messages come out, %d bytes wait", i+1, len(got), j.bytes)
			}
			if len(got) == 1 && got[0].size < 30_000_000 {
				t.Errorf("a message of 30 MB counts as %d bytes", got[0].size)
			}
		}
	}
}

func TestJoinExpire(t *testing.T) {
	j := newJoiner(joinDefaults, testMetrics(t), 1<<20, position{})
	now := time.Unix(1_000_000, 0)
	j.now = func() time.Time { return now }
	entries := journalOf("p1 P a", "p1 P b", "s1 max c", "p1 d")
	add := func(i int) []message { return j.add(&entries[i], position{Cursor: entries[i].Cursor}) }
	add(0)
	now = now.Add(4 * time.Second)
	add(1)
	add(2)
	if got := j.expire(now); len(got) > 0 {
		t.Errorf("after 4 s: %v", got)
	}
	got := j.expire(now.Add(time.Second))
	if len(got) != 1 || show(got[0]) != "1x2! ab" || got[0].Position.Cursor != "2" {
		t.Errorf("after 5 s: %+v, want the two parts and the position before the third entry", got)
	}
	if got := add(3); len(got) != 1 || show(got[0]) != "4x1 d" || got[0].Position.Cursor != "2" {
		t.Errorf("a part that comes too late: %+v, want a message of its own", got)
	}
	if got := j.expire(now.Add(time.Hour)); len(got) != 1 || show(got[0]) != "3x1! c" || got[0].Position.Cursor != "4" {
		t.Errorf("after an hour: %+v", got)
	}
}

// What a position lists survives the registry, which keeps values as maps and as JSON.
func TestJoinedStored(t *testing.T) {
	want := position{Cursor: "c", Chains: map[string]uint64{chainB: math.MaxInt64}, Joined: []joined{
		{Key: "i/c1/6/id", SeqnumID: chainA, Last: 1<<53 + 1}, {Key: "s/s1//", SeqnumID: chainB, Last: 7, Next: 9}},
		Ahead: (&ahead{Until: map[string]uint64{chainA: 1<<53 + 9}, Waiting: []begun{{"s/s1//", chainB, 1<<53 + 1, true}}}).text()}
	var fields map[string]any
	if err := typeconv.Convert(&fields, want); err != nil {
		t.Fatal(err)
	}
	var got position
	if err := typeconv.Convert(&got, fields); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("from %v: got %+v, want %+v: %v", fields, got, want, err)
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got = position{}
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("from %s: got %+v, want %+v: %v", text, got, want, err)
	}
}

// Every entry is joined to another or comes out.
func TestJoinAccounts(t *testing.T) {
	m := testMetrics(t)
	j := newJoiner(joinDefaults, m, 1<<20, position{})
	r := rand.New(rand.NewPCG(1, 2))
	out := uint64(0)
	for _, e := range randomJournal(r, 5000) {
		out += uint64(len(j.add(&e, position{})))
	}
	out += uint64(len(expireAll(j)))
	if got := out + m.joined.Get(); got != 5000 || m.joined.Get() == 0 || m.truncated.Get() == 0 {
		t.Errorf("%d out, %d joined, %d not whole", out, m.joined.Get(), m.truncated.Get())
	}
}

// randomJournal interleaves producers of all kinds, with pauses, clocks that are set back, and
// parts that never come.
func randomJournal(r *rand.Rand, n int) []Entry {
	lines := make([]string, n)
	count := map[string]int{}
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	for i := range lines {
		wait := ""
		switch r.IntN(60) {
		case 0:
			wait = "+3s "
		case 1:
			wait = pick("+70s ", "-70s ", "-2s ")
		}
		who := pick("c1", "c1e", "c2", "p1", "s1", "s2", "p1 id1", "c1 id2", "_UID=0")
		part := pick("", "", " P", " max")
		if strings.Contains(who, "id") {
			count[who]++
			of := 4
			if r.IntN(10) == 0 {
				count[who] += r.IntN(3) // a part that never comes
			}
			if count[who] >= of {
				part = " #4/4"
				count[who] = 0
			} else {
				part = fmt.Sprintf(" #%d/4 P", count[who])
			}
		}
		if r.IntN(10) == 0 {
			wait += "B "
		}
		text := fmt.Sprintf("m%d.", i)
		if r.IntN(3) == 0 {
			text += "x*16384"
		}
		lines[i] = wait + who + part + " " + text
	}
	return journalOf(lines...)
}

// Every message of a generated node, of all producers, comes out as it was written.
func TestJoinGenerated(t *testing.T) {
	o := journalgen.Defaults(20_000)
	o.Partial = 0.05
	g := journalgen.New(o)
	j := newJoiner(joinDefaults, testMetrics(t), 1<<20, position{})
	got := map[uint64]message{}
	take := func(messages []message) {
		for _, m := range messages {
			got[m.Entry.Seqnum] = m
		}
	}
	for n := uint64(1); ; n++ {
		text, ok := g.Next()
		if !ok {
			break
		}
		e := parseExport(t, text)
		e.SeqnumID, e.Seqnum = chainA, n
		take(j.add(&e, position{}))
	}
	take(expireAll(j))
	split := map[string]int{}
	for _, want := range g.Messages() {
		m, ok := got[uint64(want.First+1)]
		if !ok || m.Parts != want.Parts || m.Partial || crc32.ChecksumIEEE([]byte(m.Text)) != want.CRC32 {
			t.Errorf("%+v came out as %.100s, %d bytes", want, show(m), len(m.Text))
		}
		if want.Parts > 1 {
			split[want.Producer]++
		}
	}
	if len(got) != len(g.Messages()) || len(split) < 6 {
		t.Errorf("%d messages came out, want %d; split were %v", len(got), len(g.Messages()), split)
	}
}

// parseExport reads one entry in systemd's export format.
func parseExport(t *testing.T, text []byte) (e Entry) {
	t.Helper()
	for len(text) > 1 {
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		name, value, ok := strings.Cut(string(line), "=")
		if !ok {
			size := binary.LittleEndian.Uint64(rest)
			value, rest = string(rest[8:8+size]), rest[8+size+1:]
		}
		text = rest
		if name == "__REALTIME_TIMESTAMP" {
			var err error
			if e.Realtime, err = strconv.ParseUint(value, 10, 64); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasPrefix(name, "__") {
			e.Fields = append(e.Fields, Field{Name: name, Value: value})
		}
	}
	return e
}

// Whatever a journal says, no text is lost or doubled, and nothing waits beyond the limits.
func FuzzJoin(f *testing.F) {
	f.Add([]byte("\x01a\x02b\x03c"), uint16(10), uint8(2))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 200, 201, 255, 254, 8, 8, 9}, uint16(3), uint8(1))
	names := []string{"MESSAGE", "CONTAINER_PARTIAL_MESSAGE", "CONTAINER_PARTIAL_ID", "CONTAINER_PARTIAL_ORDINAL",
		"CONTAINER_PARTIAL_LAST", "CONTAINER_ID_FULL", "CONTAINER_NAME", "PRIORITY", "_STREAM_ID", "_LINE_BREAK", "_COMM"}
	values := []string{"", "true", "false", "1", "2", "-1", "99999999999999999999", "line-max", "conmon", "x\x00\xff", "long" + strings.Repeat("k", 300)}
	m := testMetrics(f)
	f.Fuzz(func(t *testing.T, script []byte, maxBytes uint16, maxOpen uint8) {
		o := joinOptions{Enabled: true, MaxBytes: option.Bytes(maxBytes) + 1, MaxAge: time.Second, MaxOpen: int(maxOpen) + 1}
		j := newJoiner(o, m, 1<<20, position{})
		in, out, parts, entries := 0, 0, 0, 0
		take := func(messages []message) {
			for _, m := range messages {
				out += len(m.Text)
				parts += m.Parts
				if _, err := fmt.Sscan(m.Position.Cursor, new(int)); err != nil && m.Position.Cursor != "" {
					t.Errorf("position %+v", m.Position)
				}
			}
		}
		for len(script) > 2 {
			n := min(int(script[0]%8)+1, (len(script)-2)/2)
			e := Entry{SeqnumID: chainA, Seqnum: uint64(entries + 1), Cursor: strconv.Itoa(entries + 1), Realtime: uint64(script[1]) << (script[1] % 57)}
			for _, b := range script[2 : 2+n] {
				e.Fields = append(e.Fields, Field{Name: names[int(b)%len(names)], Value: values[int(b)/len(names)%len(values)]})
			}
			script = script[2+n:]
			in += len(e.Get("MESSAGE"))
			entries++
			take(j.add(&e, position{Cursor: e.Cursor}))
			if len(j.waiting) > o.MaxOpen {
				t.Fatalf("%d messages wait, want at most %d", len(j.waiting), o.MaxOpen)
			}
		}
		take(expireAll(j))
		if in != out || parts != entries || j.head != nil || j.tail != nil || len(j.waiting) > 0 || j.bytes != 0 {
			t.Fatalf("%d bytes in %d entries came out as %d bytes of %d, %d wait", in, entries, out, parts, len(j.waiting))
		}
	})
}

func BenchmarkJoin(b *testing.B) {
	entries := journalOf(
		"c1 _HOSTNAME=node-1 _BOOT_ID=x _MACHINE_ID=x _UID=0 _GID=0 _TRANSPORT=journal SYSLOG_IDENTIFIER=x hello",
		"c2 _HOSTNAME=node-1 _BOOT_ID=x _MACHINE_ID=x _UID=0 _GID=0 _TRANSPORT=journal SYSLOG_IDENTIFIER=x world")
	j := newJoiner(joinDefaults, testMetrics(b), 1<<20, position{})
	b.ReportAllocs()
	for i := range b.N {
		j.add(&entries[i%2], position{})
	}
}
