package journalbeat

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	chainA = "018329e08e3a45a0ae03694421c4f553"
	chainB = "ffffffffffffffffffffffffffffffff"
)

// cursorOf is a cursor with a chain, a number and a time.
func cursorOf(chain string, seqnum, realtime uint64) string {
	return fmt.Sprintf("s=%s;i=%x;b=fa3c2e3080dc4cd5be5cb5a43e140d51;m=29102136a4;t=%x;x=84a1467480b8f1af", chain, seqnum, realtime)
}

func write(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadCursor(t *testing.T) {
	c := cursorOf(chainA, 0x2015d, 1595423897803874)
	other := cursorOf(chainB, 1, 1)
	registry := func(pairs ...string) string {
		text := "update_time: 2018-09-11T10:06:50.895829905Z\njournal_entries:\n"
		for i := 0; i < len(pairs); i += 2 {
			text += "- path: " + pairs[i] + "\n  cursor: " + pairs[i+1] + "\n  realtime_timestamp: 1595423897803874\n  monotonic_timestamp: 176364271268\n"
		}
		return text
	}
	f := func(text, journal, want, wantErr string) {
		t.Helper()
		got, err := ReadCursor(write(t, text) + journal)
		if got != want || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%.200q%s: %q and %v, want %q and %q", text, journal, got, err, want, wantErr)
		}
	}
	f(c, "", c, "")
	f(c+"\n", "", c, "")
	f(c+" \r\n\n", "", c, "")
	f("", "", "", "the file is empty")
	f("\n", "", "", "the file is empty")
	f(" "+c, "", "", "is no journal cursor")
	f(c+"\n"+c, "", "", "is no journal cursor")
	f(c[:len(c)-20], "", "", "is no journal cursor")
	f(strings.ToUpper(c), "", "", "is no journal cursor")
	f(cursorOf(chainA, 0, 1), "", "", "is no journal cursor")
	f(strings.Replace(c, "i=", "i=00000000000000000", 1), "", "", "is no journal cursor")
	f(strings.Repeat("\x00", 100), "", "", `"\x00\x00`)
	f(strings.Repeat("x", maxState+1), "", "", "more than 1048576 bytes")
	f(registry("LOCAL_SYSTEM_JOURNAL", c), "", c, "")
	f(registry("LOCAL_SYSTEM_JOURNAL", c), "#LOCAL_SYSTEM_JOURNAL", c, "")
	f(registry("/var/log/journal", c, "/run/log/journal/", other), "#/run/log/journal", other, "")
	f(registry("/a", c, "/b", other), "", "", `choose one with #<journal> behind the name: "/a", "/b"`)
	f(registry("/a", c), "#/b", "", `it has nothing of "/b", only of "/a"`)
	f(registry("/a", c, "/a", c), "#/a", "", `2 cursors of "/a"`)
	f(registry("/a", "s=1"), "", "", `"s=1" is no journal cursor`)
	f(registry(), "", "", "it has no journal_entries")
	f("journal_entries: {", "", "", "yaml:")
	f(c, "#/a", "", "is no journal cursor")

	for _, path := range []string{"/nowhere/state", "/nowhere/state#/a", write(t, registry("/a", c)) + "#/b"} {
		if _, err := ReadCursor(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v, want not exist", path, err)
		}
	}
	if _, err := ReadCursor(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestReadPending(t *testing.T) {
	one, two := cursorOf(chainA, 1, 100), cursorOf(chainA, 2, 90)
	b := cursorOf(chainB, 1, 50)
	// f reads text and gives what is left as "number:message" and what the error has, line by line.
	f := func(text string, want string, wantErr ...string) {
		t.Helper()
		pending, err := ReadPending(write(t, text))
		var got []string
		for _, p := range pending {
			got = append(got, fmt.Sprintf("%d:%v", p.Seqnum, p.Fields["m"]))
		}
		if pending == nil || strings.Join(got, " ") != want || (err == nil) != (len(wantErr) == 0) {
			t.Errorf("%q: %v and %v, want %q and %q", text, got, err, want, wantErr)
			return
		}
		for _, w := range wantErr {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: %v, want %q", text, err, w)
			}
		}
	}
	entry := func(cursor, m string) string { return `"` + cursor + `":{"m":"` + m + `"}` }
	f("{}", "")
	f(" {} \n", "")
	f("{"+entry(one, "a")+"}\n", "1:a")
	f("{"+entry(two, "b")+","+entry(one, "a")+"}", "1:a 2:b")
	f("{ "+entry(two, "b")+" , "+entry(b, "c")+"\n,"+entry(one, "a")+" }", "1:c 1:a 2:b")
	f("{"+entry(one, "a")+","+entry(one, "b")+"}", "1:b")
	f(`{"`+strings.Replace(one, "s", `\u0073`, 1)+`": {"m":1.5}}`, "1:1.5")
	// A message that looks like an entry is none.
	inner := strings.ReplaceAll(entry(two, "x"), `"`, `\"`)
	f("{"+entry(one, inner)+"}", "1:"+entry(two, "x"))
	// Damage costs the entry it is in.
	f("", "", "the file is empty")
	f("[]", "", "is no JSON object")
	f("garbage{"+entry(one, "a")+"}", "1:a", "8 bytes at its beginning")
	f("{", "", "at byte 1: the file ends before its object does")
	f("{"+entry(one, "a"), "1:a", "the file ends before")
	f("{"+entry(one, "a")+",", "1:a", "the file ends before")
	f("{"+entry(one, "a")+","+entry(two, "b")[:len(two)+10], "1:a", two, "unexpected EOF")
	f("{"+entry(one, "a")+","+entry(two, "b")[:20], "1:a", "20 bytes at byte", "is no entry")
	f("{"+entry(one, "a")+","+strings.Replace(entry(two, "b"), "}", "", 1)+","+entry(b, "c")+"}", "1:c 1:a", two)
	f("{"+strings.Replace(entry(one, "a"), `"}`, `}`, 1)+","+entry(two, "b")+"}", "2:b", one)
	f("{"+entry(one, "a")+"} {}", "1:a", "is no entry")
	f("{"+entry(one, "a")+"}}", "1:a", "is no entry")
	f("{"+entry("x", "a")+","+entry(one, "a")+","+entry("y\\n", "b")+","+entry(two, "b")+"}", "1:a 2:b", `entry "x" at byte 1: the key is no journal cursor`, `entry "y\n"`)
	f(`{"`+one+`":null,"`+two+`":[1]}`, "", "it is null instead of an event", "cannot unmarshal array")
	f("{"+entry(one, "a")+" "+entry(two, "b")+"}", "1:a 2:b", "the file is no JSON")
	f("{"+strings.Repeat(`"x":1,`, 200)+entry(one, "a")+"}", "1:a", "and 150 more")

	for name, err := range map[string]error{"/nowhere/queue": fs.ErrNotExist} {
		if pending, got := ReadPending(name); !errors.Is(got, err) || pending != nil {
			t.Errorf("%s: %v and %v, want %v", name, pending, got, err)
		}
	}
	defer func(limit int64) { maxPending = limit }(maxPending)
	maxPending = 10
	if pending, err := ReadPending(write(t, "{         }")); pending != nil || err == nil || !strings.Contains(err.Error(), "more than 10 bytes") {
		t.Errorf("a large file: %v and %v", pending, err)
	}
}

// TestReadPendingFields sees that an event arrives as journalbeat had it.
func TestReadPendingFields(t *testing.T) {
	c := cursorOf(chainA, 0x2015d, 1595423897803874)
	path := write(t, `{"`+c+`":{"@timestamp":"2020-07-22T13:18:17.803Z","@realtime_timestamp":1595423897803874,"type":"journal",
		"message":"\u003ca\u003e","journal":{"pid":17,"big":18446744073709551615,"neg":-9223372036854775808,"f":1.5,"e":1e3,"huge":1e999,
		"long":123456789012345678901234567890,"ok":true,"list":[1,"a",null]}}}`)
	got, err := ReadPending(path)
	want := []Pending{{
		Cursor: c, SeqnumID: chainA, Seqnum: 0x2015d, Realtime: 1595423897803874,
		Fields: map[string]any{
			"@timestamp": "2020-07-22T13:18:17.803Z", "@realtime_timestamp": int64(1595423897803874), "type": "journal", "message": "<a>",
			"journal": map[string]any{
				"pid": int64(17), "big": uint64(18446744073709551615), "neg": int64(-9223372036854775808), "f": 1.5, "e": 1000.0, "huge": "1e999",
				"long": 123456789012345678901234567890.0, "ok": true, "list": []any{int64(1), "a", nil},
			},
		},
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v and %v\nwant %#v", got, err, want)
	}
}

func TestRetire(t *testing.T) {
	path := write(t, "first")
	f := func(text, name string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Retire(path); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path + name)
		if err != nil || string(got) != text {
			t.Errorf("%s is %q, %v, want %q", name, got, err, text)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the file is still there: %v", err)
		}
	}
	f("first", ".done")
	f("second", ".done.2")
	f("third", ".done.3")
	if got, err := os.ReadFile(path + ".done"); err != nil || string(got) != "first" {
		t.Errorf(".done has become %q, %v", got, err)
	}
	if err := Retire(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

// FuzzReadCursor sees that what is taken for a cursor is one.
func FuzzReadCursor(f *testing.F) {
	f.Add(cursorOf(chainA, 1, 1)+"\n", "")
	f.Add("journal_entries:\n- path: a\n  cursor: "+cursorOf(chainA, 1, 1), "a")
	f.Add("journal_entries: [&a {path: a}, *a]", "")
	f.Fuzz(func(t *testing.T, text, journal string) {
		cursor, err := parseState([]byte(text), journal)
		if _, _, _, ok := parseCursor(cursor); ok != (err == nil) {
			t.Errorf("%q: %q and %v", text, cursor, err)
		}
	})
}

// FuzzReadPending sees that a file which is whole is read whole, and any other without a panic.
func FuzzReadPending(f *testing.F) {
	c := cursorOf(chainA, 1, 1)
	f.Add(`{"` + c + `":{"message":"a"},"` + cursorOf(chainB, 2, 1) + `":{"a":[1,{"b":null}]}}`)
	f.Add(`{"` + c + `":{"message":"a"`)
	f.Add(`{"x":1,"` + c + `":{}}`)
	nested := regexp.MustCompile(`"s=`)
	f.Fuzz(func(t *testing.T, text string) {
		pending, err := parsePending([]byte(text))
		if pending == nil {
			t.Fatalf("%q: nothing was read: %v", text, err)
		}
		for _, p := range pending {
			if !cursorPattern.MatchString(p.Cursor) || p.SeqnumID == "" || p.Seqnum == 0 || p.Fields == nil {
				t.Errorf("%q: %+v", text, p)
			}
		}
		if !slices.IsSortedFunc(pending, func(a, b Pending) int {
			if a.SeqnumID != b.SeqnumID {
				return 0
			}
			return cmp.Compare(a.Seqnum, b.Seqnum)
		}) {
			t.Errorf("%q: not in order: %+v", text, pending)
		}
		var whole map[string]map[string]any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if !json.Valid([]byte(text)) || d.Decode(&whole) != nil || whole == nil {
			if err == nil {
				t.Errorf("%q is not what journalbeat writes, but no error says so", text)
			}
			return
		}
		good := 0
		for cursor, fields := range whole {
			if _, _, _, ok := parseCursor(cursor); ok && fields != nil {
				good++
			}
			if b, _ := json.Marshal(fields); nested.Match(b) {
				return // a cursor as the name of a field: journalbeat has no such
			}
		}
		if good != len(pending) || (err == nil) != (good == len(whole)) {
			t.Errorf("%q: %d of %d entries and %v", text, len(pending), good, err)
		}
	})
}
