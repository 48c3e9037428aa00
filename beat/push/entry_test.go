package push

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const app = "caa0c2f0-1116-495f-8f09-3cd023cc14a2"

var clock = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

func newParser() *parser {
	return &parser{app: app, now: clock, limits: limits{
		entries: 4, entryBytes: 600, oldest: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), ahead: time.Hour, labels: 3, key: 8, value: 16,
	}}
}

// good is an entry with further members in front.
func good(more string) string {
	return `{` + more + `"timestemp":1516792419231221,"appid":"` + app + `","type":"applog","message":"m"}`
}

func TestEntries(t *testing.T) {
	f := func(body string, want ...string) {
		t.Helper()
		p := newParser()
		if bad := p.array([]byte(body)); bad != nil {
			t.Errorf("%s is refused: %+v", body, bad)
			return
		}
		var got []string
		for _, e := range p.entries {
			got = append(got, fmt.Sprintf("%d %s %q %s %v", e.time.UnixMicro(), e.kind, e.message, e.id, e.labels))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s is\n%s, want\n%s", body, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	const plain = `1516792419231221 applog "m"  []`
	f("["+good("")+"]", plain)
	f(strings.Replace("["+good("")+"]", "31221,", "31221.000,", 1), plain)
	f(" \r\n\t[ "+good("")+" ,\n"+good("")+" ] ", plain, plain)
	f("["+good(`"annotations":[],`)+"]", plain)
	f("["+good(`"annotations":[{"key":"level","value":"info"},{"value":"","key":"level"}],`)+"]", `1516792419231221 applog "m"  [{level info} {level }]`)
	f("["+good(`"id":"a b~",`)+"]", `1516792419231221 applog "m" a b~ []`)
	f(strings.Replace("["+good("")+"]", "1516792419231221", "1795305599999999", 1), `1795305599999999 applog "m"  []`)
	f(`[{"timestamp":946684800000000,"appid":"CAA0C2F0-1116-495F-8F09-3CD023CC14A2","type":"日志","message":""}]`, `946684800000000 日志 ""  []`)
	f(strings.Replace("["+good("")+"]", `"m"`, `"\u00e9\ud83d\ude00\"\\\/\b\f\n\r\t\u0000é😀"`, 1), `1516792419231221 applog "é😀\"\\/\b\f\n\r\t\x00é😀"  []`)
	f(strings.Replace("["+good("")+"]", `"message"`, `"\u006dessage"`, 1), plain)
}

func TestEntriesRefused(t *testing.T) {
	f := func(body string, status, entry int, field, reason string) {
		t.Helper()
		p := newParser()
		bad := p.array([]byte(body))
		if bad == nil {
			t.Errorf("%s is taken", body)
			return
		}
		at := -1
		if bad.Entry != nil {
			at = *bad.Entry
		}
		if bad.status != status || at != entry || bad.Field != field || !strings.Contains(bad.Error, reason) {
			t.Errorf("%s is %d, entry %d, field %q: %s; want %d, entry %d, field %q: %s", body, bad.status, at, bad.Field, bad.Error, status, entry, field, reason)
		}
		if text, err := json.Marshal(bad); err != nil || len(text) > 400 {
			t.Errorf("%s is answered with %d bytes: %v", body, len(text), err)
		}
	}
	whole := func(body, reason string) { t.Helper(); f(body, 400, -1, "", reason) }
	whole("", "want an array of entries, and the text ends")
	whole("  ", "and the text ends")
	whole("[]", "no entries")
	whole("{}", "want an array of entries, not an object")
	whole(good(""), "not an object")
	whole("null", "not null")
	whole(`"[]"`, "not a text")
	whole("\ufeff["+good("")+"]", `not '\ufeff'`)
	whole("["+good("")+"]]", "nothing behind the value")
	whole("["+good("")+"] "+good(""), "nothing behind the value")
	whole("["+good("")+"\xff]", "not UTF-8")
	f("["+good("")+",]", 400, 1, "", "want an object, not ']'")
	f("["+good("")+" "+good("")+"]", 400, 0, "", "want , or ]")
	f("["+good(""), 400, 0, "", "text ends")
	f("[null]", 400, 0, "", "want an object, not null")
	f("[[]]", 400, 0, "", "not an array")
	f(strings.Repeat("[", 1e6), 400, 0, "", "not an array")
	f(strings.Repeat(`{"a":`, 1e6), 400, -1, "", "not an object")
	f("["+good("")+`,{"timestemp":`, 400, 1, "timestemp", "text ends")

	one := func(entry, field, reason string) {
		t.Helper()
		f("["+good("")+","+entry+"]", 400, 1, field, reason)
	}
	for _, name := range required {
		for _, value := range []string{`null`, `[]`, `{}`, `true`, ``, `NaN`, `undefined`} {
			one(`{"`+name+`":`+value+`}`, name, "want ")
		}
	}
	one(`{}`, "timestemp", "missing")
	one(`{"timestemp":1516792419231221}`, "appid", "missing")
	one(`{"timestemp":1516792419231221,"appid":"`+app+`","message":"m"}`, "type", "missing")
	one(`{"timestamp":1516792419231221,"appid":"`+app+`","type":"t"}`, "message", "missing")
	one(good(`"timestamp":1516792419231221,`), "timestamp", "only one")
	one(good(`"message":"m",`), "message", "twice")
	one(good(`"mess\u0061ge":"m",`), "message", "twice")
	one(good(`"Message":"m",`), "Message", "unknown member; known are timestemp, timestamp, appid")
	one(good(`"labels":{},`), "labels", "unknown")
	one(good(`"kubernetes.namespace":"x",`), "kubernetes.namespace", "unknown")
	one(good(`"":1,`), "", "unknown")
	one(good(`"`+strings.Repeat("x", 300)+`":1,`), strings.Repeat("x", 64)+"…", "unknown")
	one(good(`"\u001b[2J\u202e":1,`), `\x1b[2J\u202e`, "unknown")
	one(`{message:"m"}`, "", "name of a member")
	one(`{"message" "m"}`, "", "want :")
	one(`{"message":"m" "type":"t"}`, "", "want , or }")
	one(`{"message":"m",}`, "", "name of a member")
	one(`{,}`, "", "name of a member")

	for value, reason := range map[string]string{
		`"1516792419231221"`: "not a text", `1516792419231221.`: "whole number", `1516792419231221.` + strings.Repeat("0", 60) + "1": "out of range", `1516792419231221.01`: "whole number", `1516792419231221.0e0`: "whole number", `1516792419231221.0.0`: "whole number", `00.0`: "begins with 0", `1516792419231221.5`: "whole number", `1.5e15`: "whole number", `1E15`: "whole number",
		`-1`: "before 2000", `0`: "before 2000", `1516792419`: "before 2000", `1516792419231`: "before 2000", `946684799999999`: "before 2000",
		`9223372036854775807`: "future", `9223372036854775808`: "out of range", `-9223372036854775809`: "out of range", `1516792419231221000`: "future",
		fmt.Sprint(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).UnixMicro()): "more than 1h0m0s in the future", `01516792419231221`: "begins with 0", `+1516792419231221`: `not '+'`, `--1`: "not a number", `-`: "not a number",
		`0x10`: "before 2000", `1516792419231221x`: "want , or }", `.5`: "not '.'", `Infinity`: "not 'I'", `-Infinity`: "not a number", strings.Repeat("9", 500): "out of range",
	} {
		field := "timestemp"
		if reason == "want , or }" {
			field = ""
		}
		f(`[`+good("")+`,{"timestemp":`+value+`,"appid":"`+app+`","type":"t","message":"m"}]`, 400, 1, field, reason)
	}

	one(strings.Replace(good(""), app, "caa0c2f0", 1), "appid", "want a UUID")
	one(strings.Replace(good(""), app, "", 1), "appid", "want a UUID")
	one(strings.Replace(good(""), app, strings.ReplaceAll(app, "-", ""), 1), "appid", "want a UUID")
	one(strings.Replace(good(""), app, "{"+app[1:35]+"}", 1), "appid", "want a UUID")
	one(strings.Replace(good(""), app, "gaa0c2f0"+app[8:], 1), "appid", "want a UUID")
	f("["+good("")+","+strings.Replace(good(""), app, "d"+app[1:], 1)+"]", 403, 1, "appid", "another app")
	f("["+strings.Replace(good(""), app, "d"+app[1:], 1)+`,{}]`, 403, 0, "appid", "another app")
	f(`[{},`+strings.Replace(good(""), app, "d"+app[1:], 1)+`]`, 400, 0, "timestemp", "missing")

	kind := func(kind, reason string) {
		t.Helper()
		one(strings.Replace(good(""), "applog", kind, 1), "type", reason)
	}
	kind("", "empty")
	kind(" ", "space")
	kind("a ", "space")
	kind(`a\n`, "control")
	kind(`\u001b`, "control")
	kind(strings.Repeat("é", 129), "more than 128 characters")
	id := func(id, reason string) { t.Helper(); one(good(`"id":"`+id+`",`), "id", reason) }
	id("", "empty")
	id("é", "ASCII")
	id(`\u007f`, "ASCII")
	id(strings.Repeat("x", 257), "more than 256")
	one(good(`"id":1,`), "id", "not a number")
	one(good(`"id":null,`), "id", "not null")

	note := func(list, field, reason string) {
		t.Helper()
		one(good(`"annotations":`+list+`,`), field, reason)
	}
	note(`null`, "annotations", "want an array of objects, not null")
	note(`{"level":"info"}`, "annotations", "not an object")
	note(`[null]`, "annotations[0]", "not null")
	note(`[{"key":"a","value":"b"},{"key":"a"}]`, "annotations[1].value", "missing")
	note(`[{"value":"a"}]`, "annotations[0].key", "missing")
	note(`[{"key":"a","value":1}]`, "annotations[0].value", "want a text, not a number")
	note(`[{"key":"a","value":{}}]`, "annotations[0].value", "not an object")
	note(`[{"key":"","value":""}]`, "annotations[0].key", "empty")
	note(`[{"key":"a\u0000","value":""}]`, "annotations[0].key", "control")
	note(`[{"key":"ééééééééé","value":""}]`, "annotations[0].key", "more than 8 characters")
	note(`[{"key":"a","value":"éééééééééééééééée"}]`, "annotations[0].value", "more than 16 characters")
	note(`[{"key":"a","value":"","x":1}]`, "annotations[0].x", "unknown member; known are key, value")
	note(`[{"key":"a","value":"","key":"b"}]`, "annotations[0].key", "twice")
	note(`[{"key":"a","value":""},{"key":"a","value":""},{"key":"a","value":""},{"key":"a","value":""}]`, "annotations", "more than 3 annotations")

	f("["+good(`"id":"a",`)+","+good(`"id":"b",`)+","+good(`"id":"a",`)+"]", 409, 2, "id", "entry 0 has the same id")

	for _, s := range []string{`\ud800`, `\udc00`, `\ud800x`, `\ud800\n`, `\ud800\ud800`, `\ud800\u12`} {
		one(strings.Replace(good(""), `"m"`, `"`+s+`"`, 1), "message", "half a surrogate")
	}
	for s, reason := range map[string]string{`\x41`: "escape", `\u12g4`: "four hexadecimal digits", "\n": "control character", "\x00": "control character", `\n` + "\t": "control character"} {
		one(strings.Replace(good(""), `"m"`, `"`+s+`"`, 1), "message", reason)
	}
	for _, s := range []string{`"`, `"abc`, `"\`, `"\n`, `"\u12`, `"\ud83d`} {
		f(`[`+good("")+`,{"message":`+s, 400, 1, "message", "")
	}

	f("["+strings.Repeat(good("")+",", 4)+good("")+"]", 413, 4, "", "more than 4 entries")
	f("["+strings.Replace(good(""), `"m"`, `"`+strings.Repeat("m", 600)+`"`, 1)+"]", 413, 0, "", "more than 600 bytes")
	f("["+strings.Repeat(" ", 601)+`{`+strings.Repeat(" ", 600)+`}]`, 413, 0, "", "more than 600 bytes")
}

func TestLines(t *testing.T) {
	f := func(body string, entries int, wantEntry int, reason string) {
		t.Helper()
		p := newParser()
		bad := p.lines([]byte(body))
		if bad == nil {
			if reason != "" || len(p.entries) != entries {
				t.Errorf("%q has %d entries, want %d and %q", body, len(p.entries), entries, reason)
			}
			return
		}
		at := -1
		if bad.Entry != nil {
			at = *bad.Entry
		}
		if reason == "" || !strings.Contains(bad.Error, reason) || at != wantEntry {
			t.Errorf("%q: entry %d: %s, want entry %d: %s", body, at, bad.Error, wantEntry, reason)
		}
	}
	g := good("")
	f(g, 1, 0, "")
	f(g+"\n", 1, 0, "")
	f("\n \n"+g+"\r\n\n"+g+"\n", 2, 0, "")
	f("", 0, -1, "no entries")
	f("\n\n", 0, -1, "no entries")
	f("["+g+"]", 0, 0, "want an object, not an array")
	f(g+g, 0, 0, "nothing behind the value")
	f(g+",\n"+g, 0, 0, "nothing behind the value")
	f(g+"\n"+strings.Replace(g, ",", ",\n", 1), 0, 1, "text ends")
	f(g+"\n\xff", 0, -1, "UTF-8")
	f(strings.Repeat(g+"\n", 5), 0, 4, "more than 4 entries")
}

// FuzzEntries: what is taken, encoding/json takes too, with the same values, and refuses a change of it.
func FuzzEntries(f *testing.F) {
	f.Add([]byte("[" + good("") + "," + good(`"id":"x","annotations":[{"key":"a","value":"\u00e9"}],`) + "]"))
	f.Add([]byte(`[{"timestamp":946684800000000,"appid":"CAA0C2F0-1116-495F-8F09-3CD023CC14A2","type":"t","message":"\ud83d\ude00\u0000"}]`))
	f.Add([]byte(`[{"timestemp":1e15,"message":"\ud800"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p := newParser()
		if bad := p.array(body); bad != nil {
			if bad.status != 400 && bad.status != 403 && bad.status != 409 && bad.status != 413 || bad.Error == "" {
				t.Fatalf("%q is refused by %+v", body, bad)
			}
			return
		}
		var want []struct {
			Timestemp, Timestamp     json.Number
			AppID, Type, Message, ID string
			Annotations              []struct{ Key, Value string }
		}
		if err := json.Unmarshal(body, &want); err != nil || len(want) != len(p.entries) {
			t.Fatalf("%q is taken: %d entries, want %d: %v", body, len(p.entries), len(want), err)
		}
		for i, w := range want {
			got := p.entries[i]
			whole, _, _ := strings.Cut(string(w.Timestemp+w.Timestamp), ".")
			same := fmt.Sprint(got.time.UnixMicro()) == whole && got.kind == w.Type && got.message == w.Message && got.id == w.ID &&
				strings.EqualFold(w.AppID, app) && len(got.labels) == len(w.Annotations)
			for j := range got.labels {
				same = same && got.labels[j] == label{w.Annotations[j].Key, w.Annotations[j].Value}
			}
			if !same {
				t.Fatalf("%q: entry %d is %+v, want %+v", body, i, got, w)
			}
		}
	})
}
