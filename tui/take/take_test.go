package take

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/tui/source"
)

func row(id, doc string) *source.Row {
	return &source.Row{Index: "logs-1", ID: id, Source: []byte(doc)}
}

func TestLines(t *testing.T) {
	rows := []*source.Row{
		row("a", `{"message":"one, \"two\"\r\n\ttree","n":1.50,"kubernetes":{"pod":{"name":"web-0"}}}`),
		row("b", "{ \"message\": \"=1+1 | <b>*x* [y](z) \\\\ \\u001b\" ,\n\"kubernetes.pod.name\":\"ü\" }"),
	}
	f := func(format Format, columns, want string) {
		t.Helper()
		got, err := Lines(format, strings.Fields(columns), rows)
		if err != nil || string(got) != want {
			t.Errorf("%s of %s is (%v)\n%q, want\n%q", format, columns, err, got, want)
		}
	}
	f(Message, "message", "one, \"two\"\r\n\ttree\n=1+1 | <b>*x* [y](z) \\ \x1b\n")
	f(Message, "absent kubernetes.pod.name n", "web-0 1.50\nü\n")
	f(Raw, "message", string(rows[0].Source)+"\n"+string(rows[1].Source)+"\n")
	f(NDJSON, "", string(rows[0].Source)+"\n"+"{\"message\":\"=1+1 | <b>*x* [y](z) \\\\ \\u001b\",\"kubernetes.pod.name\":\"ü\"}\n")
	f(CSV, "_id message kubernetes.pod.name", "_id,message,kubernetes.pod.name\r\na,\"one, \"\"two\"\"\r\n\ttree\",web-0\r\nb,=1+1 | <b>*x* [y](z) \\ \x1b,ü\r\n")
	f(CSV, "absent", "absent\r\n\"\"\r\n\"\"\r\n")
	f(TSV, "_index message", "_index\tmessage\nlogs-1\tone, \"two\"\\r\\n\\ttree\nlogs-1\t=1+1 | <b>*x* [y](z) \\\\ \x1b\n")
	f(Markdown, "_id message", "| \\_id | message |\n| --- | --- |\n| a | one, \"two\"<br>\ttree |\n| b | =1+1 \\| &lt;b&gt;\\*x\\* \\[y\\](z) \\\\ \x1b |\n")

	rows = rows[:1]
	rows[0].Source = []byte(`{"a":[1,{}],"b":"<"}`)
	f(JSON, "", "[\n  {\n    \"a\": [\n      1,\n      {}\n    ],\n    \"b\": \"<\"\n  }\n]\n")
	rows = nil
	f(JSON, "", "[]\n")
	f(NDJSON, "", "")
	f(CSV, "a b", "a,b\r\n")

	rows = []*source.Row{row("x", `{"a":`)}
	if got, err := Lines(NDJSON, nil, rows); err == nil {
		t.Errorf("half a document gives %q", got)
	}
}

// What is written as CSV is read again by who knows nothing of us.
func FuzzCSV(f *testing.F) {
	f.Add("a,b\"c", "\n\"")
	f.Add("", " ")
	f.Add("\r", "=cmd|' /C calc'!A0")
	f.Fuzz(func(t *testing.T, a, b string) {
		var w Writer
		w.format = CSV
		w.record([]string{a, b})
		w.record([]string{b, a})
		got, err := csv.NewReader(bytes.NewReader(w.line.Bytes())).ReadAll()
		unix := strings.NewReplacer("\r\n", "\n") // as the reader has line ends within quotes
		want := [][]string{{unix.Replace(a), unix.Replace(b)}, {unix.Replace(b), unix.Replace(a)}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is read as %q (%v), want %q", w.line.String(), got, err, want)
		}
	})
}

func TestFormats(t *testing.T) {
	for f := Message; f <= Markdown; f++ {
		if got, err := ParseFormat(strings.ToUpper(f.String())); got != f || err != nil {
			t.Errorf("%s is %v (%v)", f, got, err)
		}
	}
	if _, err := ParseFormat("xml"); err == nil || err.Error() != `unknown format "xml": known are message, ndjson, json, raw, csv, tsv, markdown` {
		t.Error(err)
	}
	f := func(path string, want Format) {
		t.Helper()
		if got := FormatOf(path, Raw); got != want {
			t.Errorf("%s is %s, want %s", path, got, want)
		}
	}
	f("a/b.CSV", CSV)
	f("x.jsonl", NDJSON)
	f("x.json", JSON)
	f("x.tsv", TSV)
	f("x.md", Markdown)
	f("a.csv/x.log", Message)
	f("a.csv/x", Raw)
}

// pages hands over n pages of two rows.
func pages(n int, fields *[]string) Rows {
	return func(ctx context.Context, f []string, each func([]*source.Row) error) error {
		*fields = f
		for range n {
			if err := each([]*source.Row{row("a", `{"m":"x"}`), row("b", `{"m":"y"}`)}); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestExport(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	names := func() (all []string) {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return all
	}
	var fields []string
	var said [2]int64
	e := Exporter{Path: "~/out.csv", Format: CSV, Columns: []string{"m"}, Progress: func(rows, bytes int64) { said = [2]int64{rows, bytes} }}
	path, rows, size, err := e.Run(context.Background(), pages(2, &fields))
	data, _ := os.ReadFile(filepath.Join(dir, "out.csv"))
	info, _ := os.Stat(path)
	if err != nil || rows != 4 || size != 15 || said != [2]int64{4, 15} || string(data) != "m\r\nx\r\ny\r\nx\r\ny\r\n" || info.Mode() != 0o600 || !reflect.DeepEqual(fields, []string{"m"}) {
		t.Errorf("%s: %d rows, %d bytes (%v), said %v, mode %v, fields %q, file %q", path, rows, size, err, said, info, fields, data)
	}

	refuse := func(e Exporter, all Rows, want string, is error) {
		t.Helper()
		path, rows, _, err := e.Run(context.Background(), all)
		if err == nil || !strings.Contains(err.Error(), want) || is != nil && !errors.Is(err, is) || path != "" || rows != 0 {
			t.Errorf("%+v: %q, %d rows, %v, want %s", e, path, rows, err, want)
		}
		if got := names(); !reflect.DeepEqual(got, []string{"out.csv"}) {
			t.Errorf("there are %q", got)
		}
	}
	refuse(e, pages(1, &fields), "the file is there already", fs.ErrExist)
	refuse(Exporter{}, pages(1, &fields), "give the name of a file", nil)
	refuse(Exporter{Path: dir}, pages(1, &fields), "it is a directory", nil)
	refuse(Exporter{Path: os.DevNull}, pages(1, &fields), "it is no file", nil)
	refuse(Exporter{Path: filepath.Join(dir, "none", "x")}, pages(1, &fields), "no such file", fs.ErrNotExist)
	broken := errors.New("the server is away")
	e.Replace = true
	refuse(e, func(ctx context.Context, f []string, each func([]*source.Row) error) error {
		each([]*source.Row{row("a", "{}")})
		return broken
	}, "the server is away", broken)
	if again, _ := os.ReadFile(path); string(again) != string(data) {
		t.Errorf("a failed export leaves %q", again)
	}

	// The end of the context keeps the file from appearing, also between two pages and behind the last.
	for n := range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		e := Exporter{Path: filepath.Join(dir, "new"), Format: NDJSON}
		asked := 0
		_, _, _, err := e.Run(ctx, func(ctx context.Context, f []string, each func([]*source.Row) error) error {
			return pages(3, &fields)(ctx, f, func(rows []*source.Row) error {
				if asked++; asked > n {
					cancel()
				}
				return each(rows)
			})
		})
		cancel()
		if !errors.Is(err, context.Canceled) || len(names()) != 1 || fields != nil {
			t.Errorf("cancelled at page %d: %v; there are %q", n, err, names())
		}
	}

	link := filepath.Join(dir, "link")
	if err := os.Symlink("out.csv", link); err != nil {
		t.Fatal(err)
	}
	if _, rows, _, err := (Exporter{Path: link, Format: NDJSON, Replace: true}).Run(context.Background(), pages(1, &fields)); err != nil || rows != 2 {
		t.Error(rows, err)
	}
	if data, _ := os.ReadFile(path); string(data) != "{\"m\":\"x\"}\n{\"m\":\"y\"}\n" || !reflect.DeepEqual(names(), []string{"link", "out.csv"}) {
		t.Errorf("through a link: %q, %q", data, names())
	}
	if target, err := os.Readlink(link); target != "out.csv" {
		t.Error("the link is", target, err)
	}

	// A disk without room.
	if full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0); err == nil {
		w := NewWriter(full, Raw, nil)
		if err := w.Write([]*source.Row{row("a", "{}")}); err == nil {
			t.Error("a full disk takes a row")
		}
		full.Close()
	}
}
