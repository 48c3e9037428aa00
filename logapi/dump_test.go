package logapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// readAll gives what a dumpReader makes of text, one line for each item.
func readAll(text, form string) string {
	var said strings.Builder
	d := newDumpReader(strings.NewReader(text), form)
	for {
		it, err := d.next()
		switch {
		case errors.Is(err, io.EOF):
			return said.String()
		case errors.As(err, new(*lineError)):
			fmt.Fprintf(&said, "%v\n", err)
		case err != nil:
			return said.String() + "! " + err.Error()
		case it.start != nil:
			fmt.Fprintf(&said, "%d start %d %d\n", it.line, it.start.Version, len(it.start.Legacy))
		case it.head != nil:
			fmt.Fprintf(&said, "%d index %s %s\n", it.line, it.head.Index, it.head.Mappings)
		case it.end != nil:
			fmt.Fprintf(&said, "%d end %d %d\n", it.line, it.end.Indices, it.end.Documents)
		default:
			fmt.Fprintf(&said, "%d %s/%s%s %s\n", it.line, it.action.index, it.action.id, it.action.routing, it.source)
		}
	}
}

func TestDumpReader(t *testing.T) {
	f := func(text, form, want string) {
		t.Helper()
		if got := readAll(text, form); got != want {
			t.Errorf("%.200q: got\n%swant\n%s", text, got, want)
		}
	}
	f("", "", "")
	f("\n \n", "", "")
	f(`{"podbeat_export":{"version":1,"time":"2026-11-21T20:00:00Z","templates":[{"name":"a","body":{}}]}}
{"podbeat_index":{"index":"i","mappings":{"properties":{}},"settings":{},"aliases":{}}}
{"create":{"_index":"i","_id":"1"}}
{"a": 1.0}
{"podbeat_end":{"indices":1,"documents":1}}
`, "", "1 start 1 1\n2 index i {\"properties\":{}}\n4 i/1 {\"a\": 1.0}\n5 end 1 1\n")
	f("\ufeff{\"a\":1}\r\n\r\n {\"b\":2} \r\n{\"c\":3}", "", "1 / {\"a\":1}\n3 / {\"b\":2}\n4 / {\"c\":3}\n")
	f(`{"index":{"_index":"i","_type":"_doc","_id":7,"routing":"r"}}`+"\n{}\n", "", "2 i/7r {}\n")
	f("{\"create\":{}}\n{\"create\":{}}\n", "", "2 / {\"create\":{}}\n")
	f("{\"create\":{}}\n{\"create\":{}}\n", documentsForm, "1 / {\"create\":{}}\n2 / {\"create\":{}}\n")
	f("{\"a\":1}\n{\"create\":{}}\n", "", "1 / {\"a\":1}\n2 / {\"create\":{}}\n")
	f("{\"a\":1}\n{\"create\":{}}\n{}\n", fullForm, "line 1: want {\"create\":{\"_index\":…,\"_id\":…}} before a document\n3 / {}\n")

	// What is wrong is said with its line, and what comes after it is read.
	f("{\"a\":1}\n[1]\nnull\n{\"a\":\n{\"b\":2}{}\n{\"c\":3}", "", `1 / {"a":1}
line 2: want a document: a JSON object on one line
line 3: want a document: a JSON object on one line
line 4: want a document: a JSON object on one line
line 5: want a document: a JSON object on one line
6 / {"c":3}
`)
	f("{\"create\":{\"_index\":\"i\"}}\nx\n{\"create\":{\"_index\":\"i\"}}\n{}\n", "", "line 2: want a document: a JSON object on one line\n4 i/ {}\n")
	f("{\"create\":{\"_index\":\"i\"}}\n", "", "line 1: the document is missing: the file was cut off here\n")
	f("{\"create\":{\"_index\":\"i\"}}\n\n", "", "line 2: want a document: a JSON object on one line\n")
	f("{\"create\":{}}\n{}\n{\"delete\":{\"_id\":\"1\"}}\n", "", "2 / {}\nline 3: cannot import \"delete\": want create or index\n")
	f("{\"create\":{}}\n{}\n{\"create\":{\"pipeline\":\"p\"}}\n{}\n", "", "2 / {}\nline 3: cannot import \"pipeline\" of an action: want _index, _id and routing\nline 4: want {\"create\":{\"_index\":…,\"_id\":…}} before a document\n")
	f("{\"create\":{}}\n{}\n{\"create\":{\"_id\":[1]}}\n", "", "2 / {}\nline 3: \"_id\" is no text\n")
	f("{\"podbeat_export\":{\"version\":2}}\n", "", "line 1: the export has version 2, and this program reads 1\n")
	f("{\"podbeat_export\":{\"version\":1,\"x\":1}}\n", "", "line 1: json: unknown field \"x\"\n")
	f("{\"podbeat_indx\":{}}\n", "", "line 1: want podbeat_export, podbeat_index or podbeat_end\n")
	f("{\"podbeat_index\":{},\"a\":1}\n", "", "line 1: want one member and nothing beside it\n")
	f("{\"podbeat_end\":{},\"podbeat_end\":{}}\n", "", readAll("{\"podbeat_end\":{},\"podbeat_end\":{}}", ""))

	long := "{\"a\":\"" + strings.Repeat("x", maxLine) + "\"}"
	f("{\"a\":1}\n"+long+"\n{\"b\":1}", "", "1 / {\"a\":1}\nline 2: it has more than 64 MiB\n3 / {\"b\":1}\n")
	f(long, documentsForm, "line 1: it has more than 64 MiB\n")
	f("{\"create\":{}}\n"+long+"\n{\"create\":{}}\n{}\n", "", "line 2: it has more than 64 MiB\n4 / {}\n")
	if got := readAll(`{"podbeat_end":{},"podbeat_end":{}}`, ""); !strings.HasPrefix(got, "line 1: ") {
		t.Errorf("a member that is there twice: got %q", got)
	}
}

func TestCheckIndexName(t *testing.T) {
	for _, name := range []string{"a", "logs-2026.11.21", ".podbeat-system", "ä", "a_b+c"} {
		if err := checkIndexName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "_all", "-a", "+a", "*", "a*", "a,b", "a b", "a/b", `a\b`, "a?b", "a#b", "a%2fb", "a:b", "A", ".", "..", "<a-{now}>", "a\x1b[31m", "a\u202e", strings.Repeat("a", 256)} {
		if err := checkIndexName(name); err == nil || strings.ContainsAny(err.Error(), "\x1b\u202e") {
			t.Errorf("%q: got error %v", name, err)
		}
	}
}

func TestKeptSettings(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if got, err := keptSettings(json.RawMessage(in)); err != nil || string(got) != want {
			t.Errorf("%s: got %s and error %v, want %s", in, got, err, want)
		}
	}
	f("", "")
	f(`{"index":{"uuid":"x","creation_date":"1","provided_name":"a","version":{"created":"7172999"},"number_of_shards":"1","blocks":{"write":"true"}}}`,
		`{"index":{"number_of_shards":"1"}}`)
	f(`{"index":{"analysis":{"analyzer":{"default":{"type":"simple"}}}}}`, `{"index":{"analysis":{"analyzer":{"default":{"type":"simple"}}}}}`)
}

// FuzzDumpReader: whatever a file holds, what comes out of it is one line of JSON behind an action that means one document.
func FuzzDumpReader(f *testing.F) {
	f.Add([]byte(`{"podbeat_export":{"version":1}}` + "\n" + `{"create":{"_index":"i","_id":"1"}}` + "\n{}\n" + `{"podbeat_end":{"indices":0,"documents":0}}`))
	f.Add([]byte("{\"index\":{\"_index\":\"i\",\"_id\":7}}\r\n{\"a\":[1,{}]}\n\n{\"delete\":{}}\n{"))
	f.Add([]byte("\ufeff{\"a\":1}\n[]\n{\"podbeat_index\":{\"index\":\"..\"}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d := newDumpReader(bytes.NewReader(text), "")
		lines := int64(bytes.Count(text, []byte("\n")) + 1)
		for {
			it, err := d.next()
			if errors.Is(err, io.EOF) {
				return
			}
			var wrong *lineError
			if errors.As(err, &wrong) {
				if wrong.line < 1 || wrong.line > lines {
					t.Errorf("line %d of %d", wrong.line, lines)
				}
				continue
			}
			if err != nil {
				t.Fatalf("a mistake ends the reading: %v", err)
			}
			if it.source == nil {
				if it.start == nil && it.head == nil && it.end == nil {
					t.Errorf("got nothing of line %d", it.line)
				}
				continue
			}
			if !json.Valid(it.source) || it.source[0] != '{' || bytes.ContainsRune(it.source, '\n') {
				t.Errorf("got the document %q", it.source)
			}
			back, err := readAction(bytes.TrimSuffix(appendAction(nil, it.action), []byte("\n")))
			if err != nil || back != it.action {
				t.Errorf("the action %+v is written as %+v, error %v", it.action, back, err)
			}
		}
	})
}
