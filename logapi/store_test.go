package logapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/podbeat/podbeat/cli"
	"github.com/podbeat/podbeat/store"
)

// A shop is a folder with a store, and the commands on it.
type shop struct {
	t   *testing.T
	dir string
	o   store.Options
}

func newShop(t *testing.T) *shop { return &shop{t: t, dir: filepath.Join(t.TempDir(), "store")} }

func (s *shop) try(in string, args ...string) (stdout, stderr string, err error) {
	return try(newStoreCommand(func() (string, store.Options, error) { return s.dir, s.o, nil }), in, args...)
}

// run runs a command that has to succeed and say want.
func (s *shop) run(in, want string, args ...string) string {
	s.t.Helper()
	out, said, err := s.try(in, args...)
	if err != nil || !strings.Contains(out+said, want) {
		s.t.Fatalf("%q: printed %.1000q and %.1000q, error %v; want %q", args, out, said, err, want)
	}
	return out
}

// fail runs a command that has to fail, and say want in the error or beside it. A mistake of the command line has exit code 2.
func (s *shop) fail(in, want string, code int, args ...string) string {
	s.t.Helper()
	out, said, err := s.try(in, args...)
	if err == nil || !strings.Contains(err.Error()+"\n"+said, want) || errors.As(err, new(cli.UsageError)) != (code == 2) {
		s.t.Errorf("%q: printed %.1000q and %.1000q, error %v; want %q and exit code %d", args, out, said, err, want, code)
	}
	return said
}

// sources are documents that are easily changed on their way.
var sources = []string{
	`{}`,
	`{"@timestamp":"2026-11-21T19:59:58.123456789Z","level":"INFO","message":"ready"}`,
	`{ "b" : 1.0 , "a":	[ 1e5, 0.1000,1E+2 ], "i":[-0 ,12345678901234567], "c":{"z":{},"y":[],"x":null} }`,
	`{"text":"ä\u00e4\ud83d\ude00😀 \u0000 \/ \" < > & \u2028"}`,
	`{"Text.with.dots":true, "_underscore":1}`,
	`{"message":"` + strings.Repeat("long ", 40_000) + `"}`,
}

// filled makes an export with n small documents in each of some indices, behind those of sources.
func filled(n int, indices ...string) string {
	var b strings.Builder
	b.WriteString(`{"podbeat_export":{"version":1,"time":"2026-11-21T20:00:00Z","templates":[{"name":"old","body":{"index_patterns":["old-*"],"mappings":{"properties":{"n":{"type":"integer"}}}}}],` +
		`"component_templates":[{"name":"part","body":{"template":{"mappings":{"properties":{"p":{"type":"ip"}}}}}}],` +
		`"index_templates":[{"name":"new","body":{"index_patterns":["new-*"],"composed_of":["part"],"priority":7}}]}}` + "\n")
	docs := 0
	for _, index := range indices {
		fmt.Fprintf(&b, `{"podbeat_index":{"index":%q,"aliases":{"%s-alias":{}},"mappings":{"dynamic":"true","properties":{"level":{"type":"keyword"},"n":{"type":"short"},"@timestamp":{"type":"date_nanos"}}},"settings":{"index":{"number_of_shards":"1"}}}}`+"\n", index, strings.TrimPrefix(index, "."))
		for i := range len(sources) + n {
			source := fmt.Sprintf(`{"@timestamp":"2026-11-%02dT%02d:%02d:00Z","n":%d,"level":"%s"}`, 1+i%20, i%24, i%60, i, []string{"INFO", "ERROR"}[i%2])
			if i < len(sources) {
				source = sources[i]
			}
			fmt.Fprintf(&b, "{\"create\":{\"_index\":%q,\"_id\":\"%d\"}}\n%s\n", index, i, source)
			docs++
		}
	}
	fmt.Fprintf(&b, `{"podbeat_end":{"indices":%d,"documents":%d}}`+"\n", len(indices), docs)
	return b.String()
}

// documentsOf are the documents of an export with their actions, sorted.
func documentsOf(text string) []string {
	var list []string
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], `{"podbeat_`) {
			list = append(list, lines[i]+"\n"+lines[i+1])
			i++
		}
	}
	slices.Sort(list)
	return list
}

func TestStoreRoundTrip(t *testing.T) {
	a, b := newShop(t), newShop(t)
	given := filled(1200, "logs-1", "logs-2", ".hidden")
	n := 3 * (1200 + len(sources))
	if got := a.fail(given, "lines could not be imported", 1, "import", "-"); !strings.Contains(got, "the index .hidden is left alone: --hidden imports into it") {
		t.Errorf("printed %q", got)
	}
	a.run(given, fmt.Sprintf("imported %d documents; %d were there already, 0 failed", n/3, 2*n/3), "import", "--hidden", "-")
	a.run(given, fmt.Sprintf("imported 0 documents; %d were there already, 0 failed", n), "import", "--hidden", "-")
	out := a.run("", "", "export", "--hidden")
	if got, want := documentsOf(out), documentsOf(given); !slices.Equal(got, want) {
		t.Fatalf("%d documents came back of %d: %.300q", len(got), len(want), difference(got, want))
	}

	for _, name := range []string{"all.ndjson", "all.ndjson.gz", "all.ndjson.zst"} {
		file := filepath.Join(t.TempDir(), name)
		a.run("", fmt.Sprintf("exported %d documents of 3 indices to", n), "export", "--hidden", "-o", file)
		if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, error %v", name, st.Mode(), err)
		}
		b = newShop(t)
		b.run("", fmt.Sprintf("could import %d documents", n), "import", "--hidden", "--dry-run", file)
		b.run("", fmt.Sprintf("imported %d documents; 0 were there already", n), "import", "--hidden", file)
		a.fail("", "it is there already", 1, "export", "-o", file)
		a.run("", "exported", "export", "-o", file, "--force")
	}
	back := b.run("", "", "export", "--hidden")
	lines := func(text string) []string {
		text = text[strings.Index(text, "\n")+1:] // without the time of the export
		return strings.Split(text, "\n")
	}
	if got, want := lines(back), lines(out); !slices.Equal(got, want) {
		t.Errorf("the export of the import differs: %.300q", difference(got, want))
	}
	head := func(text string) (h exportHead) {
		var line struct {
			Export exportHead `json:"podbeat_export"`
		}
		if err := json.Unmarshal([]byte(text[:strings.Index(text, "\n")]), &line); err != nil {
			t.Fatal(err)
		}
		return line.Export
	}
	if h := head(back); len(h.Legacy) != 1 || len(h.Index) != 1 || len(h.Components) != 1 || !bytes.Contains(h.Legacy[0].Body, []byte(`"integer"`)) || !bytes.Contains(h.Index[0].Body, []byte(`"part"`)) {
		t.Errorf("got the templates %+v", h)
	}
}

// difference is the first of what is in one list and not at the same place of the other.
func difference(a, b []string) [2]string {
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return [2]string{x, y}
		}
	}
	return [2]string{}
}

// TestImportWrongLines: what is wrong is said with its line, and the rest is imported.
func TestImportWrongLines(t *testing.T) {
	f := func(text, want string, args ...string) string {
		t.Helper()
		s := newShop(t)
		out, said, err := s.try(text, append([]string{"import"}, args...)...)
		if err == nil || !strings.Contains(out+said+err.Error(), want) || strings.ContainsAny(out+said+err.Error(), "\x1b\u202e") {
			t.Errorf("%.100q: printed %q and %.1000q, error %v; want %q", text, out, said, err, want)
		}
		return out
	}
	action := func(id string) string { return fmt.Sprintf(`{"create":{"_index":"i","_id":%q}}`, id) + "\n" }
	three := action("1") + `{"n":1}` + "\n" + action("2") + `{"n":"text"}` + "\n" + action("3") + `{"n":3}` + "\n"
	if out := f(three, "line 4: mapper_parsing_exception: failed to parse field [n] of type [long]", "-"); !strings.HasPrefix(out, "imported 2 documents; 0 were there already, 1 failed") {
		t.Errorf("printed %q", out)
	}
	if out := f(action("1")+"{\x1b[31m\n"+action("2")+"{}\n", "line 2: want a document", "-"); !strings.HasPrefix(out, "imported 1 documents") {
		t.Errorf("printed %q", out)
	}
	f(action("1")+"{\"a\":1,\"a\":2}\n", "line 2: ", "-")
	f(action("1")+"{\"a\":\"\xff\"}\n", "line 2: ", "-")
	f(action("1")+strings.Repeat(`{"a":`, 5000)+"1"+strings.Repeat("}", 5000)+"\n", "line 2: ", "-")
	f(action(strings.Repeat("x", 600))+"{}\n", "line 2: ", "-")
	f(action("1"), "line 1: the document is missing: the file was cut off here", "-")
	f(`{"a":1}`, "line 1: no index is named: give one with --index", "-")
	f("{\"create\":{\"_index\":\"a,b\"}}\n{}\n", `line 2: "a,b" is no name of an index`, "-")
	f("{\"create\":{\"_index\":\"*\"}}\n{}\n", `line 2: "*" is no name of an index`, "-")
	f("{\"create\":{\"_index\":\".podbeat-system\"}}\n{}\n", "left alone: --hidden", "-")
	f(`{"podbeat_index":{"index":"_all","mappings":{}}}`, `line 1: "_all" is no name of an index`, "-")
	f(`{"podbeat_index":{"index":"i","mappings":{"properties":{"a":{"type":"no\u001b[31m"}}}}}`, "the import ended at line 1", "-")
	f(`{"podbeat_export":{"version":1,"templates":[{"name":"*","body":{}}]}}`, "the import ended at line 1", "-")
	f(`{"podbeat_export":{"version":1}}`, "the export was cut off: its last line is missing", "-")
	f(`{"podbeat_export":{"version":1}}`+"\n"+`{"podbeat_end":{"indices":1,"documents":2}}`, "the export had 2 documents, and there were 0", "-")
	f(filled(1, "a")+filled(1, "b")+"{\"podbeat_export\":{\"version\":1}}\n"+filled(1, "c"), "the export before this one was cut off", "-")
	f("\x1f\x8b\x08\x00", "cannot import", "-")
	f("\x28\xb5\x2f\xfd\x00", "the import ended at line 0", "-")
	f("", "no such file", "no such file")
	long := strings.Repeat("x\n", 150)
	if _, said, _ := newShop(t).try(action("1")+"{}\n"+long, "import", "-"); strings.Count(said, "\n") != shownErrors+1 {
		t.Errorf("%d lines are said to be wrong, want %d", strings.Count(said, "\n"), shownErrors+1)
	}

	s := newShop(t)
	s.fail("", `"A" is no name of an index`, 2, "import", "--index", "A", "-")
	s.fail("", "no index is named", 2, "import", "--index", "", "-")
	s.fail("", "missing FILE", 2, "import")
	s.fail("", "unknown --form", 2, "import", "--form", "x", "-")
	s.fail("", "are for --url", 2, "import", "--token-file", "x", "-")
	if _, err := os.Stat(s.dir); err == nil {
		t.Error("a mistake of the command line has made a store")
	}
}

func TestImportDocuments(t *testing.T) {
	s := newShop(t)
	s.run("{\"a\":1}\n{\"create\":{}}\n\n{\"a\":2}", "imported 3 documents", "import", "--index", "x", "-")
	s.run("{\"create\":{}}\n{\"a\":2}", "imported 2 documents", "import", "--index", "x", "--form", "documents", "-")
	s.run(filled(5, "one", "two"), fmt.Sprintf("imported %d documents; %d were there already", 5+len(sources), 5+len(sources)), "import", "--index", "all", "-")
	s.run("", "2 indices", "list")
	var list []listedIndex
	if err := json.Unmarshal([]byte(s.run("", "", "list", "-o", "json", "a*")), &list); err != nil || len(list) != 1 || list[0].Index != "all" || list[0].Docs != int64(5+len(sources)) || list[0].Latest == nil {
		t.Errorf("got %+v and error %v", list, err)
	}
	// Other types: the import ends before the documents.
	s.fail(`{"podbeat_index":{"index":"all","mappings":{"properties":{"n":{"type":"keyword"}}}}}`+"\n"+`{"create":{"_index":"all","_id":"new"}}`+"\n{\"n\":1}\n",
		"the index all is there with other types; import into another one with --index", 1, "import", "-")
	s.run("", "11 documents", "list", "all")
}

func TestStoreTending(t *testing.T) {
	s := newShop(t)
	for _, args := range [][]string{{"list"}, {"verify"}, {"compact"}, {"backup", filepath.Join(t.TempDir(), "b")}, {"export"}} {
		s.fail("", "there is no store in", 1, args...)
	}
	s.run(filled(3000, "a", "b"), "", "import", "-")
	if out := s.run("", "", "verify"); out != "a: 3006 documents in 0 blocks: ok\nb: 3006 documents in 0 blocks: ok\n" {
		t.Errorf("printed %s", out)
	}
	s.run("", "all: ", "compact", "a*")
	if out := s.run("", "", "verify", "a", "b"); !strings.HasPrefix(out, "a: 3006 documents in 1 blocks: ok\n") {
		t.Errorf("printed %s", out)
	}
	s.fail("", `there is no index "c*"`, 1, "verify", "a", "c*")
	s.fail("", `unknown command "verfy" for "store"; did you mean the command verify`, 2, "verfy")

	copied := &shop{t: t, dir: filepath.Join(t.TempDir(), "copy")}
	s.run("", "copied 2 indices to ", "backup", copied.dir)
	s.fail("", "it is not empty", 1, "backup", copied.dir)
	s.fail("", "missing DIR", 2, "backup")
	if got, want := copied.run("", "", "export", "--form", "bulk"), s.run("", "", "export", "--form", "bulk"); got != want {
		t.Error("the copy holds something else")
	}

	// Somebody else has it open.
	held, err := store.Open(s.dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"list"}, {"verify"}, {"compact"}, {"backup", filepath.Join(t.TempDir(), "b")}, {"export"}, {"import", "-"}} {
		s.fail("{}", "--url http://127.0.0.1:9200", 1, args...)
	}
	if err := held.SetClosed(t.Context(), "b", true); err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	s.run("", "b\x20", "list")
	s.run("", "closed", "list", "b")
	for _, command := range []string{"verify", "compact"} {
		if _, said, err := s.try("", command); err != nil || said != "b is closed: left out\n" {
			t.Errorf("%s: printed %q, error %v", command, said, err)
		}
	}

	// A file that the disk has changed.
	files, err := filepath.Glob(filepath.Join(s.dir, "indices", "*.db"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i := len(text) / 2; i < len(text)/2+2000; i++ {
			text[i] ^= 0x55
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _, err := s.try("", "verify")
	if err == nil || !strings.Contains(err.Error(), "2 of 2 indices are damaged") || !strings.Contains(out, "damaged, ") {
		t.Errorf("printed %s, error %v", out, err)
	}
}

// TestStoreKeeps: what the configuration would have deleted stays while a command looks at it.
func TestStoreKeeps(t *testing.T) {
	s := newShop(t)
	s.run(`{"@timestamp":"2020-01-01T00:00:00Z"}`, "imported 1", "import", "--index", "old", "-")
	s.o = store.Options{Retention: 1, MaxSize: 1}
	s.run("", "ok", "verify")
	s.run("", "old", "list")
}
